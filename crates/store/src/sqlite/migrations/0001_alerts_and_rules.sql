-- Alerts: the document, and what lists are filtered by. Times are microseconds since 1970 UTC.
CREATE TABLE alerts (
    alert_id   TEXT PRIMARY KEY,
    dedup_key  TEXT NOT NULL UNIQUE,
    group_key  TEXT NOT NULL,
    rule_id    TEXT NOT NULL,
    severity   INTEGER NOT NULL,
    status     TEXT NOT NULL,
    raised_us  INTEGER NOT NULL,
    delivered  INTEGER NOT NULL DEFAULT 0,
    document   TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_time ON alerts (raised_us);
CREATE INDEX alerts_by_group ON alerts (group_key, raised_us);
CREATE INDEX alerts_undelivered ON alerts (raised_us) WHERE delivered = 0;

-- What an alert is about, one row each: kind is 'technique' or 'entity'.
CREATE TABLE alert_facets (
    alert_id TEXT NOT NULL REFERENCES alerts (alert_id) ON DELETE CASCADE,
    kind     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (alert_id, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_facets_by_value ON alert_facets (kind, value);

CREATE TABLE rule_states (
    rule_id           TEXT PRIMARY KEY,
    rule_version      TEXT NOT NULL,
    rule_hash         TEXT NOT NULL,
    last_run_us       INTEGER,
    cursor_us         INTEGER,
    last_fired_us     INTEGER,
    last_error        TEXT,
    failures_in_a_row INTEGER NOT NULL,
    last_duration_ms  INTEGER NOT NULL,
    runs_total        INTEGER NOT NULL,
    failures_total    INTEGER NOT NULL,
    alerts_total      INTEGER NOT NULL,
    skipped_ms_total  INTEGER NOT NULL
) STRICT;

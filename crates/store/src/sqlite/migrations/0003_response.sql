-- What response remembers: documents with facets, steps of runs, the custody log.

CREATE TABLE documents (
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;

CREATE INDEX documents_by_change ON documents (kind, changed_us);

CREATE TABLE document_facets (
    kind  TEXT NOT NULL,
    id    TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, name, value, id),
    FOREIGN KEY (kind, id) REFERENCES documents (kind, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX document_facets_of ON document_facets (kind, id);

CREATE TABLE run_steps (
    run_id   TEXT    NOT NULL,
    step_id  TEXT    NOT NULL,
    key      TEXT    NOT NULL UNIQUE,
    intent   TEXT    NOT NULL,
    outcome  TEXT,
    attempts INTEGER NOT NULL,
    begun_us INTEGER NOT NULL,
    ended_us INTEGER,
    PRIMARY KEY (run_id, step_id)
) STRICT;

CREATE TABLE custody (
    seq     INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    details TEXT    NOT NULL,
    hash    TEXT    NOT NULL
) STRICT;

CREATE INDEX custody_by_subject ON custody (subject, seq);

-- The custody log is only ever added to.
CREATE TRIGGER custody_is_not_changed BEFORE UPDATE ON custody
BEGIN SELECT RAISE(ABORT, 'the custody log is only added to'); END;
CREATE TRIGGER custody_is_not_deleted BEFORE DELETE ON custody
BEGIN SELECT RAISE(ABORT, 'the custody log is only added to'); END;

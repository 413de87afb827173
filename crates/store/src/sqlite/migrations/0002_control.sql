-- Keys, enforcement, limits, policies and approvals.

CREATE TABLE virtual_keys (
    key_id     TEXT PRIMARY KEY,
    created_us INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;

CREATE TABLE enforcements (
    enforcement_id TEXT PRIMARY KEY,
    kind           TEXT NOT NULL,
    value          TEXT NOT NULL,
    created_us     INTEGER NOT NULL,
    -- When it ends by itself or ended by being lifted; NULL is never.
    ends_us        INTEGER,
    document       TEXT NOT NULL
) STRICT;
CREATE INDEX enforcements_by_end ON enforcements (ends_us);

CREATE TABLE usage (
    subject  TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE policy_revisions (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       TEXT NOT NULL,
    policy_id  TEXT NOT NULL,
    revision   TEXT NOT NULL,
    author     TEXT NOT NULL,
    note       TEXT NOT NULL,
    applied_us INTEGER NOT NULL,
    text       TEXT NOT NULL
) STRICT;

CREATE TABLE approvals (
    approval_id TEXT PRIMARY KEY,
    created_us  INTEGER NOT NULL,
    document    TEXT NOT NULL
) STRICT;
CREATE INDEX approvals_by_time ON approvals (created_us);

CREATE TABLE admin_tokens (
    token_id   TEXT PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    revoked_us INTEGER
) STRICT;

-- Random values that must outlive a restart, e.g. the key of fingerprints.
CREATE TABLE node_secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

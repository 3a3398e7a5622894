-- Registers of what users say about sessions, as the devices exchange them; `curation` has what is shown of them. Names of
-- registers are those that are exchanged: masked.

-- Edits that have a place in a log, ours and others'. A register's state is the fold over its edits.
CREATE TABLE curation_edits (
    session TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    log TEXT NOT NULL, track INTEGER NOT NULL, seq INTEGER NOT NULL,
    r BLOB NOT NULL,                   -- the record's digest
    branch_first INTEGER, branch_r4 BLOB,   -- on which branch of a forked log it stands
    at TEXT NOT NULL,                  -- when the edit was made
    value TEXT NOT NULL,               -- JSON
    seen TEXT NOT NULL,                -- JSON, as in the record
    PRIMARY KEY (session, field, item, log, track, seq)
) WITHOUT ROWID;
CREATE INDEX curation_edits_by_place ON curation_edits (log, track, seq);

-- Edits of ours that have no place yet, the newest one of each register.
CREATE TABLE curation_pending (
    session TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    value TEXT,                        -- as it was said here: not masked
    at TEXT NOT NULL, device TEXT NOT NULL,
    seen TEXT NOT NULL,                -- JSON: all that the register had seen, own logs too
    outbox INTEGER,                    -- its row in the outbox, once it is there
    problem TEXT,                      -- why it cannot be exchanged
    PRIMARY KEY (session, field, item)
) WITHOUT ROWID;
CREATE INDEX curation_pending_by_outbox ON curation_pending (outbox) WHERE outbox IS NOT NULL;

-- What was said here differs from what was exchanged of it, since that is masked.
CREATE TABLE curation_masked (
    session TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    local_item TEXT NOT NULL,          -- the item as it was said here
    said TEXT, local_value TEXT,       -- the value as exchanged, and as it was said here; NULL when they are the same
    PRIMARY KEY (session, field, item)
) WITHOUT ROWID;

-- Registers with live edits of different values.
CREATE TABLE curation_conflicts (
    session TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    PRIMARY KEY (session, field, item)
) WITHOUT ROWID;

-- Logs that edits came from, and what they are called here. Of own ones that is the device's id.
CREATE TABLE curation_logs (log TEXT PRIMARY KEY, alias TEXT NOT NULL, is_own INTEGER NOT NULL) WITHOUT ROWID;

-- Where logs were forked, in this stream.
CREATE TABLE curation_branches (
    log TEXT NOT NULL, first INTEGER NOT NULL, r4 BLOB NOT NULL,
    parent_first INTEGER, parent_r4 BLOB,
    PRIMARY KEY (log, first, r4)
) WITHOUT ROWID;

-- Deletions for good, of all devices: each row is a record, and stays.
CREATE TABLE deletions (
    n INTEGER PRIMARY KEY,
    op INTEGER NOT NULL,               -- 0 intent, 1 undo, 2 final
    id TEXT NOT NULL,                  -- names the intent
    session TEXT NOT NULL,
    at TEXT NOT NULL,
    due_ms INTEGER,                    -- of an intent: when its author makes it final
    is_own INTEGER NOT NULL, device TEXT NOT NULL,
    waits INTEGER NOT NULL,            -- 1: of ours, and not in the outbox yet
    ripe_ms INTEGER,                   -- of an own intent: when it was first seen to be due
    log TEXT, track INTEGER, seq INTEGER, r4 BLOB,   -- its place; NULL until it has one
    UNIQUE (log, track, seq)
);
CREATE INDEX deletions_by_session ON deletions (session);
CREATE INDEX deletions_by_id ON deletions (id, op);

-- What registers show, as it was said here: not masked.
CREATE TABLE registers (
    target TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    value TEXT,                        -- NULL: taken back
    hlc TEXT NOT NULL, device TEXT NOT NULL,
    PRIMARY KEY (target, field, item)
);
CREATE INDEX registers_by_stamp ON registers (device, hlc);

-- One row from the first exchange on.
CREATE TABLE register_self (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    log TEXT,                          -- the own log, once something was to be said
    is_caught_up INTEGER NOT NULL      -- 1: what this device said before is folded here
) STRICT;

-- Edits that have a place in a log, ours and others'. A register's state is the fold over its edits. Here and below, names are
-- those that are exchanged: masked.
CREATE TABLE register_edits (
    target TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    log TEXT NOT NULL, track INTEGER NOT NULL, seq INTEGER NOT NULL,
    r BLOB NOT NULL,                   -- the record's digest
    branch_first INTEGER, branch_r4 BLOB,   -- on which branch of a forked log it stands
    at TEXT NOT NULL,                  -- when the edit was made
    value TEXT NOT NULL,               -- JSON
    seen TEXT NOT NULL,                -- JSON, as in the record
    PRIMARY KEY (target, field, item, log, track, seq)
) WITHOUT ROWID;
CREATE INDEX register_edits_by_place ON register_edits (log, track, seq);

-- Edits of ours that have no place yet, the newest one of each register.
CREATE TABLE register_pending (
    target TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    value TEXT,                        -- as it was said here: not masked
    at TEXT NOT NULL, device TEXT NOT NULL,
    seen TEXT NOT NULL,                -- JSON: all that the register had seen, own logs too
    outbox INTEGER,                    -- its row in the outbox, once it is there
    problem TEXT,                      -- why it cannot be exchanged
    PRIMARY KEY (target, field, item)
) WITHOUT ROWID;
CREATE INDEX register_pending_by_outbox ON register_pending (outbox) WHERE outbox IS NOT NULL;

-- What was said here differs from what was exchanged of it, since that is masked.
CREATE TABLE register_masked (
    target TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    local_item TEXT NOT NULL,          -- the item as it was said here
    said TEXT, local_value TEXT,       -- the value as exchanged, and as it was said here; NULL when they are the same
    PRIMARY KEY (target, field, item)
) WITHOUT ROWID;

-- Registers with live edits of different values.
CREATE TABLE register_conflicts (
    target TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    PRIMARY KEY (target, field, item)
) WITHOUT ROWID;

-- Logs that edits came from, and what they are called here. Of own ones that is the device's id.
CREATE TABLE register_logs (log TEXT PRIMARY KEY, alias TEXT NOT NULL, is_own INTEGER NOT NULL) WITHOUT ROWID;

-- Where logs were forked, in this stream.
CREATE TABLE register_branches (
    log TEXT NOT NULL, first INTEGER NOT NULL, r4 BLOB NOT NULL,
    parent_first INTEGER, parent_r4 BLOB,
    PRIMARY KEY (log, first, r4)
) WITHOUT ROWID;

-- Deletions for good, of all devices: each row is a record, and stays.
CREATE TABLE register_deletions (
    n INTEGER PRIMARY KEY,
    op INTEGER NOT NULL,               -- 0 intent, 1 undo, 2 final
    id TEXT NOT NULL,                  -- names the intent
    target TEXT NOT NULL,
    at TEXT NOT NULL,
    due_ms INTEGER,                    -- of an intent: when its author makes it final
    is_own INTEGER NOT NULL, device TEXT NOT NULL,
    waits INTEGER NOT NULL,            -- 1: of ours, and not in the outbox yet
    ripe_ms INTEGER,                   -- of an own intent: when it was first seen to be due
    log TEXT, track INTEGER, seq INTEGER, r4 BLOB,   -- its place; NULL until it has one
    UNIQUE (log, track, seq)
);
CREATE INDEX register_deletions_by_target ON register_deletions (target);
CREATE INDEX register_deletions_by_id ON register_deletions (id, op);
CREATE INDEX register_deletions_by_stamp ON register_deletions (at);
CREATE INDEX register_deletions_waiting ON register_deletions (n) WHERE waits;
CREATE INDEX register_deletions_open ON register_deletions (target) WHERE op = 0 AND is_own;

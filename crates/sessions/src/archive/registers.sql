-- The tables of registers, as every strand of them has them; `curation` stays what the archive calls them.

CREATE TABLE registers (
    target TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL,
    value TEXT,                        -- NULL: taken back
    hlc TEXT NOT NULL, device TEXT NOT NULL,
    PRIMARY KEY (target, field, item)
);
INSERT INTO registers SELECT session, field, item, value, hlc, device FROM curation ORDER BY session, field, item;
CREATE INDEX registers_by_stamp ON registers (device, hlc);
DROP TABLE curation;
CREATE VIEW curation AS SELECT target AS session, field, item, value, hlc, device FROM registers;

CREATE TABLE register_self (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    log TEXT,                          -- the own log, once something was to be said
    is_caught_up INTEGER NOT NULL      -- 1: what this device said before is folded here
) STRICT;
INSERT INTO register_self (one, log, is_caught_up)
    SELECT 1, (SELECT value FROM meta WHERE key = 'curation.log'), EXISTS (SELECT 1 FROM meta WHERE key = 'curation.log')
    FROM meta WHERE key = 'curation.exchanged';
DELETE FROM meta WHERE key IN ('curation.log', 'curation.exchanged');

ALTER TABLE curation_edits RENAME TO register_edits;
ALTER TABLE register_edits RENAME COLUMN session TO target;
DROP INDEX curation_edits_by_place;
CREATE INDEX register_edits_by_place ON register_edits (log, track, seq);

ALTER TABLE curation_pending RENAME TO register_pending;
ALTER TABLE register_pending RENAME COLUMN session TO target;
DROP INDEX curation_pending_by_outbox;
CREATE INDEX register_pending_by_outbox ON register_pending (outbox) WHERE outbox IS NOT NULL;

ALTER TABLE curation_masked RENAME TO register_masked;
ALTER TABLE register_masked RENAME COLUMN session TO target;

ALTER TABLE curation_conflicts RENAME TO register_conflicts;
ALTER TABLE register_conflicts RENAME COLUMN session TO target;

ALTER TABLE curation_logs RENAME TO register_logs;
ALTER TABLE curation_branches RENAME TO register_branches;

ALTER TABLE deletions RENAME TO register_deletions;
ALTER TABLE register_deletions RENAME COLUMN session TO target;
DROP INDEX deletions_by_session;
DROP INDEX deletions_by_id;
CREATE INDEX register_deletions_by_target ON register_deletions (target);
CREATE INDEX register_deletions_by_id ON register_deletions (id, op);
CREATE INDEX register_deletions_by_stamp ON register_deletions (at);
CREATE INDEX register_deletions_waiting ON register_deletions (n) WHERE waits;
CREATE INDEX register_deletions_open ON register_deletions (target) WHERE op = 0 AND is_own;

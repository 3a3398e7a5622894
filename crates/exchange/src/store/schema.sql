-- Which log this device writes, and the stamp of its last record.
CREATE TABLE self (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  log TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  wall_ms INTEGER NOT NULL,
  counter INTEGER NOT NULL
) STRICT;
-- When the device went on under a new key, and why.
CREATE TABLE rotations (
  log TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL,
  from_key BLOB NOT NULL, from_at TEXT NOT NULL, from_signature BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- All logs: state is own, former, approved, unapproved or revoked. revoked_by is the log with which it was revoked, as it goes
-- on from that.
CREATE TABLE logs (
  log TEXT PRIMARY KEY,
  alias TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL,
  vouched_by TEXT,
  since_ms INTEGER NOT NULL,
  revoked_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX logs_by_voucher ON logs (vouched_by);
-- Logs that were let go of, so that they are not met again at once. alias, device, label and key are what they were called, for
-- who thinks better of it: key is that of the device, which did sign the log.
CREATE TABLE forgotten (
  log TEXT PRIMARY KEY, vouched_by TEXT, at_ms INTEGER NOT NULL, alias TEXT NOT NULL, device TEXT, label TEXT, key BLOB
) STRICT, WITHOUT ROWID;
-- How far a revoked log still counts. A stream without a row does not count at all.
CREATE TABLE revoked (
  log TEXT NOT NULL, stream TEXT NOT NULL, last INTEGER NOT NULL, chain BLOB NOT NULL,
  PRIMARY KEY (log, stream)
) STRICT, WITHOUT ROWID;

-- Own records that are in no segment yet. chain is the one after the record. Long frames lie packed: plain_bytes is their
-- length then.
CREATE TABLE tail (
  log TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
  frame BLOB NOT NULL, plain_bytes INTEGER, chain BLOB NOT NULL,
  PRIMARY KEY (log, stream, seq)
) STRICT;
-- Where the records of an outbox were put, until the outbox says that they are settled.
CREATE TABLE appended (
  nonce BLOB NOT NULL, id INTEGER NOT NULL, content BLOB NOT NULL,
  log TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, r BLOB NOT NULL,
  wall_ms INTEGER NOT NULL, counter INTEGER NOT NULL,
  PRIMARY KEY (nonce, id)
) STRICT, WITHOUT ROWID;
-- The numbers of an outbox that are settled.
CREATE TABLE taken (
  nonce BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (nonce, first)
) STRICT, WITHOUT ROWID;
-- The last own record of a key that voids all earlier ones.
CREATE TABLE replaced (
  log TEXT NOT NULL, stream TEXT NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (log, stream, key)
) STRICT, WITHOUT ROWID;
-- Own attachments that are in no segment yet.
CREATE TABLE pending (
  id INTEGER PRIMARY KEY, log TEXT NOT NULL, stream TEXT NOT NULL, file TEXT NOT NULL UNIQUE,
  bytes INTEGER NOT NULL, digest BLOB NOT NULL, provides TEXT NOT NULL, needs TEXT NOT NULL
) STRICT;

-- Files that are held. base and chain are those before the first and after the last record. blocks is null for a whole
-- file, else the numbers of the blocks that a part has.
CREATE TABLE segments (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL,
  base BLOB NOT NULL, chain BLOB NOT NULL, file TEXT NOT NULL, blocks TEXT,
  PRIMARY KEY (log, track, stream, first, last, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX segments_by_digest ON segments (digest);
CREATE INDEX segments_by_file ON segments (log, file);
-- Own segments that were merged into others; kept for those who still read an older head.
CREATE TABLE superseded (
  log TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, bytes INTEGER NOT NULL,
  digest BLOB PRIMARY KEY, file TEXT NOT NULL, since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Records that are held, as ranges.
CREATE TABLE ranges (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (log, track, stream, first)
) STRICT, WITHOUT ROWID;
-- The chain after some records. sum covers the row.
CREATE TABLE marks (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
  chain BLOB NOT NULL, sum BLOB NOT NULL,
  PRIMARY KEY (log, track, stream, seq)
) STRICT, WITHOUT ROWID;
-- Attachments in held files, by what they provide.
CREATE TABLE attached (
  log TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL, file TEXT NOT NULL, attachment INTEGER NOT NULL,
  PRIMARY KEY (log, id, file)
) STRICT, WITHOUT ROWID;

-- Attachments in held files that a strand could not take in: how often, and when last.
CREATE TABLE refused (
  log TEXT NOT NULL, file TEXT NOT NULL, attachment INTEGER NOT NULL, failures INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (log, file, attachment)
) STRICT, WITHOUT ROWID;

-- Records that moved to another log or way, until the strand took back what it had folded of them.
CREATE TABLE moved (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL, after INTEGER NOT NULL,
  PRIMARY KEY (log, track, stream)
) STRICT, WITHOUT ROWID;

-- Heads that this device signed. The bytes of old ones are let go. is_heard says that it was put somewhere: others may know it.
CREATE TABLE heads_signed (
  log TEXT NOT NULL, n INTEGER NOT NULL, digest BLOB NOT NULL, bytes BLOB, is_heard INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (log, n)
) STRICT, WITHOUT ROWID;
-- Own segments that were put somewhere, wherever that was: a head that names them says nothing new.
CREATE TABLE heard (
  log TEXT NOT NULL, file TEXT NOT NULL,
  PRIMARY KEY (log, file)
) STRICT, WITHOUT ROWID;
-- Heads that were verified. verdict is followed, old, shrunk, wrong or newer (needs an upgrade). reader is the version of the program
-- that could not read a newer one: another one looks at it again.
CREATE TABLE heads_seen (
  log TEXT NOT NULL, digest BLOB NOT NULL, n INTEGER NOT NULL, track INTEGER NOT NULL,
  verdict TEXT NOT NULL, bytes BLOB, at_ms INTEGER NOT NULL, reader TEXT,
  PRIMARY KEY (log, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX heads_followed ON heads_seen (log, track) WHERE verdict = 'followed';
CREATE TABLE lists (
  log TEXT NOT NULL, digest BLOB NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (log, digest)
) STRICT, WITHOUT ROWID;

-- Where the ways of a forked log part: for each way its first record after the fork.
CREATE TABLE forks (
  log TEXT NOT NULL, stream TEXT NOT NULL, track INTEGER NOT NULL, first INTEGER NOT NULL,
  r4 BLOB NOT NULL, other INTEGER NOT NULL,
  PRIMARY KEY (log, stream, track, first)
) STRICT, WITHOUT ROWID;
-- The first records of the branches as of which a way was folded.
CREATE TABLE folded_as (
  log TEXT NOT NULL, stream TEXT NOT NULL, track INTEGER NOT NULL, first INTEGER NOT NULL, r4 BLOB NOT NULL,
  PRIMARY KEY (log, stream, track, first, r4)
) STRICT, WITHOUT ROWID;
-- Records of kinds that this version does not know.
CREATE TABLE deferred (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
  kind INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (log, track, stream, seq)
) STRICT, WITHOUT ROWID;
-- Records that wait for an attachment.
CREATE TABLE waiting (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (log, track, stream, seq, id)
) STRICT, WITHOUT ROWID;
-- How far others' streams are held and folded, without a gap.
CREATE TABLE holds (
  log TEXT NOT NULL, stream TEXT NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (log, stream)
) STRICT, WITHOUT ROWID;

-- What this device put where, what it has published where, and what could not be used there.
CREATE TABLE put (
  remote TEXT NOT NULL, name TEXT NOT NULL, bytes INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (remote, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE published (
  remote TEXT NOT NULL, log TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (remote, log)
) STRICT, WITHOUT ROWID;
CREATE TABLE rejects (
  remote TEXT NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, why TEXT NOT NULL,
  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
  PRIMARY KEY (remote, name)
) STRICT, WITHOUT ROWID;

-- Where a remote was when what is noted of it was noted.
CREATE TABLE places (remote TEXT PRIMARY KEY, place TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- How rounds with a remote went: way is pull or push. failures are those since the last success.
CREATE TABLE rounds (
  remote TEXT NOT NULL, way TEXT NOT NULL, ok_ms INTEGER, n_ok INTEGER NOT NULL,
  failed_ms INTEGER, why TEXT, n_failed INTEGER NOT NULL, failures INTEGER NOT NULL,
  PRIMARY KEY (remote, way)
) STRICT, WITHOUT ROWID;
-- Rounds with a remote that were an hour apart, and when temporary files there were looked for last.
CREATE TABLE hours (
  remote TEXT PRIMARY KEY, n INTEGER NOT NULL, at_ms INTEGER NOT NULL, swept_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Since when no head names what this device put: by the clock and in hours of the remote.
CREATE TABLE faded (
  remote TEXT NOT NULL, name TEXT NOT NULL, since_ms INTEGER NOT NULL, since_hour INTEGER NOT NULL,
  PRIMARY KEY (remote, name)
) STRICT, WITHOUT ROWID;
-- When what a log's newest head names was compared last with what is at a remote.
CREATE TABLE compared (
  remote TEXT NOT NULL, log TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (remote, log)
) STRICT, WITHOUT ROWID;
-- When what others ask for was looked after last.
CREATE TABLE answered (
  remote TEXT NOT NULL, want TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (remote, want)
) STRICT, WITHOUT ROWID;
-- Own files that a remote lacks and that are damaged or gone here, as the last comparison found them.
CREATE TABLE lost (
  remote TEXT NOT NULL, log TEXT NOT NULL, name TEXT NOT NULL, why TEXT NOT NULL, since_ms INTEGER NOT NULL,
  PRIMARY KEY (remote, name)
) STRICT, WITHOUT ROWID;
-- Files kept here that were found damaged or gone, and in what state they were: they are not read again while they are in it.
CREATE TABLE spoilt (
  name TEXT PRIMARY KEY, state TEXT NOT NULL, why TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Logs that could not be passed on to a remote, because files that their heads name are held only in other pieces.
CREATE TABLE carried (
  remote TEXT NOT NULL, log TEXT NOT NULL,
  PRIMARY KEY (remote, log)
) STRICT, WITHOUT ROWID;

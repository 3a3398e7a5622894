-- Segments of others that only a later version can read: whole files, checked as far as any version can. reader is the version of
-- the program that could not read one: another one looks at it again.
CREATE TABLE later (
  log TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, bytes INTEGER NOT NULL,
  digest BLOB NOT NULL, file TEXT NOT NULL, reader TEXT NOT NULL,
  PRIMARY KEY (log, file)
) STRICT, WITHOUT ROWID;
-- Why a head is as its author made it and cannot be used; its verdict is wrong then, and reader the version that could not read it,
-- or null for one that contradicts itself, which is so for every version.
ALTER TABLE heads_seen ADD COLUMN why TEXT;
-- Bytes to which the segments of a log that nobody approved were unpacked, whether or not they were good and are kept. name is that of
-- the file, or empty for what would have been too much.
CREATE TABLE unpacked (
  log TEXT NOT NULL, name TEXT NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (log, name)
) STRICT, WITHOUT ROWID;
-- What could not be used anywhere of one log.
CREATE INDEX rejects_by_name ON rejects (name);

//! The tables of `code.db`. Paths are blobs: a path is bytes, not text.

/// One script a version. Never edited once released; only appended to.
pub(super) const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2];

const VERSION_1: &str = "
-- A registered working tree. dev, ino and born say which folder root was when last seen there; state is JSON, bytes
-- stands beside it so that it can be summed.
CREATE TABLE trees (
    id         TEXT PRIMARY KEY,
    root       BLOB NOT NULL UNIQUE,
    common_dir BLOB NOT NULL,
    dev        INTEGER NOT NULL,
    ino        INTEGER NOT NULL,
    born       INTEGER,
    added      INTEGER NOT NULL,
    paused     INTEGER NOT NULL,
    automatic  INTEGER NOT NULL,
    state      TEXT,
    bytes      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX trees_by_place ON trees (dev, ino);
CREATE INDEX trees_by_common_dir ON trees (common_dir);

-- Folders that the user removed and that must not come back by themselves.
CREATE TABLE unwanted (
    root BLOB PRIMARY KEY,
    dev  INTEGER NOT NULL,
    ino  INTEGER NOT NULL,
    born INTEGER
) STRICT;

-- Packs that Carry wrote, by name below their object store, so that they stay known when it moves.
CREATE TABLE packs (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    common_dir BLOB NOT NULL,
    path       BLOB NOT NULL,
    bytes      INTEGER NOT NULL,
    UNIQUE (common_dir, path)
) STRICT;

-- Up to when loose objects are known to be on stable storage.
CREATE TABLE durable (
    common_dir BLOB PRIMARY KEY,
    until      INTEGER NOT NULL
) STRICT;

-- What undo goes back by; paths is a JSON list of quoted paths.
CREATE TABLE undo (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    tree   TEXT NOT NULL,
    time   INTEGER NOT NULL,
    what   TEXT NOT NULL,
    before TEXT NOT NULL,
    paths  TEXT NOT NULL,
    staged INTEGER NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX undo_by_tree ON undo (tree, undone, id);
";

const VERSION_2: &str = "
-- Which tree it was and of which repository, so that it has its snapshots again when it is registered again.
ALTER TABLE unwanted ADD COLUMN id TEXT;
ALTER TABLE unwanted ADD COLUMN common_dir BLOB;
CREATE INDEX unwanted_by_id ON unwanted (id);
";

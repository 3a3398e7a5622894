//! The tables of `code.db`. Paths are blobs: a path is bytes, not text.

/// One script a version. Never edited once released; only appended to.
pub(super) const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3];

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

const VERSION_3: &str = "
-- What a handoff did besides writing files: JSON, null for a restore.
ALTER TABLE undo ADD COLUMN handoff TEXT;

-- A Git remote of a repository: consent (1 agreed, 0 declined, null never asked) and how it went. Consent is for a URL.
CREATE TABLE links (
    common_dir  BLOB NOT NULL,
    url         TEXT NOT NULL,
    remote      TEXT NOT NULL,
    consent     INTEGER,
    fetched     INTEGER,
    pushed      INTEGER,
    fetch_error TEXT,
    push_error  TEXT,
    PRIMARY KEY (common_dir, url)
) STRICT;

-- What lies on a remote, as last known: ref is the line's, seal and snapshot are ids in hex, state is JSON.
CREATE TABLE published (
    common_dir BLOB NOT NULL,
    url        TEXT NOT NULL,
    ref        TEXT NOT NULL,
    branch     TEXT NOT NULL,
    seal       TEXT,
    snapshot   TEXT,
    pushed     INTEGER,
    state      TEXT NOT NULL,
    PRIMARY KEY (common_dir, url, ref)
) STRICT;

-- Devices that were seen, and git-pulsar's streams. The key is pinned when first seen.
CREATE TABLE devices (
    id         TEXT PRIMARY KEY,
    key        BLOB,
    label      TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    approved   INTEGER,
    shown      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The newest tip of a writer that the user was told of in a tree.
CREATE TABLE told (
    tree   TEXT NOT NULL,
    writer TEXT NOT NULL,
    tip    TEXT NOT NULL,
    PRIMARY KEY (tree, writer)
) STRICT;

-- What the next snapshot of a working tree has seen besides (JSON), after a handoff or its undo.
CREATE TABLE pending_seen (
    tree   TEXT NOT NULL,
    branch TEXT NOT NULL,
    seen   TEXT NOT NULL,
    PRIMARY KEY (tree, branch)
) STRICT;

-- The newest snapshot of a line whose work went into a commit, by the line's tree and branch.
CREATE TABLE finished (
    tree     TEXT NOT NULL,
    branch   TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (tree, branch)
) STRICT;

-- The seal of each of our lines on a remote, whole, so that Git knows what lies there already; and the greatest count that
-- was ever seen there, from which the next one counts on.
CREATE TABLE seals (
    url   TEXT NOT NULL,
    ref   TEXT NOT NULL,
    raw   BLOB NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (url, ref)
) STRICT;

-- Snapshots that were left out of what is published, since they hold secrets.
CREATE TABLE left_out (
    url      TEXT NOT NULL,
    ref      TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (url, ref, snapshot)
) STRICT;
";

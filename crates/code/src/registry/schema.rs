//! The tables of `code.db`. Paths are blobs: a path is bytes, not text.

/// One script a version. Never edited once released; only appended to.
pub(super) const MIGRATIONS: &[&str] =
    &[VERSION_1, VERSION_2, VERSION_3, carry_exchange::strand::outbox::SQL, VERSION_5, VERSION_6];

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

const VERSION_5: &str = "
-- Whether the user took the trust back that a device had, or might have had.
ALTER TABLE devices ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;

-- A repository as it is called in the exchange (null until something was said of it), and the roots of its history as they
-- were found when its HEADs were at these commits. Lists are separated by blanks.
CREATE TABLE exchange_repositories (
    common_dir BLOB PRIMARY KEY,
    id         TEXT,
    heads      TEXT NOT NULL,
    roots      TEXT NOT NULL
) STRICT;

-- Snapshots of our lines that a log of ours brings, numbered by line and log, and the commits that its pack needs.
CREATE TABLE said (
    log      TEXT NOT NULL,
    ref      TEXT NOT NULL,
    n        INTEGER NOT NULL,
    snapshot TEXT NOT NULL,
    needs    TEXT NOT NULL,
    depth    INTEGER NOT NULL,
    PRIMARY KEY (log, ref, n)
) STRICT, WITHOUT ROWID;

-- How each of our lines stands: the newest snapshot that was looked at, and what became of it (JSON).
CREATE TABLE said_lines (
    ref        TEXT PRIMARY KEY,
    common_dir BLOB NOT NULL,
    branch     TEXT NOT NULL,
    log        TEXT NOT NULL,
    snapshot   TEXT NOT NULL,
    finished   INTEGER NOT NULL,
    tried      INTEGER NOT NULL,
    state      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Packs without needs that another device asked for: those that were attached, and those that could not be made.
CREATE TABLE answered (
    log TEXT NOT NULL, id TEXT NOT NULL,
    again_ms INTEGER, -- NULL: it was attached; else when to try again
    PRIMARY KEY (log, id)
) STRICT, WITHOUT ROWID;

-- The newest record of each line that came, by log and way.
CREATE TABLE came (
    log     TEXT NOT NULL,
    track   INTEGER NOT NULL,
    key     BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    alias   TEXT NOT NULL,
    payload BLOB NOT NULL,
    problem TEXT,
    PRIMARY KEY (log, track, key)
) STRICT, WITHOUT ROWID;

-- In which repositories it was put where, under which value; null when it came another way, or not at all and why.
CREATE TABLE came_places (
    log        TEXT NOT NULL,
    track      INTEGER NOT NULL,
    key        BLOB NOT NULL,
    common_dir BLOB NOT NULL,
    ref        TEXT NOT NULL,
    value      TEXT,
    problem    TEXT,
    again      INTEGER NOT NULL,
    PRIMARY KEY (log, track, key, common_dir)
) STRICT, WITHOUT ROWID;
CREATE INDEX came_places_by_ref ON came_places (ref);

-- Repositories here that the user said are those of a log.
CREATE TABLE bound (
    log TEXT NOT NULL, id TEXT NOT NULL, common_dir BLOB NOT NULL, PRIMARY KEY (log, id, common_dir)
) STRICT, WITHOUT ROWID;

-- Devices that were approved since an approved log speaks for them. Once: who takes the approval back means it. One that is
-- approved by name has none.
CREATE TABLE vouched (device TEXT PRIMARY KEY, log TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Lines of a log that does not count any more which stayed, and why.
CREATE TABLE left_lines (
    common_dir BLOB NOT NULL, ref TEXT NOT NULL, log TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (common_dir, ref)
) STRICT, WITHOUT ROWID;
";

const VERSION_6: &str = "
-- From here on only those that were attached.
DELETE FROM answered WHERE again_ms IS NOT NULL;
ALTER TABLE answered DROP COLUMN again_ms;

-- Packs without needs that another device asks for and that could not be made: the branch (null of a commit that is no snapshot),
-- the logs that ask (separated by blanks), how often it was tried, when last and by which version, and why not (JSON).
CREATE TABLE unanswered (
    log TEXT NOT NULL,
    id TEXT NOT NULL,
    common_dir BLOB NOT NULL,
    branch TEXT,
    asked_by TEXT NOT NULL,
    failures INTEGER NOT NULL,
    tried INTEGER NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (log, id)
) STRICT, WITHOUT ROWID;
";

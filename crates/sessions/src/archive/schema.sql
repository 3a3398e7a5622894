-- The archive of sessions, format 1. Times are milliseconds since 1970, UTC. Money is micro-dollars.

CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Units: files, or databases that hold many sessions.
CREATE TABLE units (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,              -- the source's name
    path BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, device INTEGER NOT NULL, beside INTEGER NOT NULL,
    version INTEGER NOT NULL,          -- of the source's way of reading
    generation INTEGER NOT NULL,       -- of the raw bytes: grows when the unit was rewritten
    offset INTEGER NOT NULL, state BLOB NOT NULL, probes BLOB NOT NULL,
    is_complete INTEGER NOT NULL,      -- 0 while a reading is under way or was cut off
    is_unfinished INTEGER NOT NULL,
    malformed INTEGER NOT NULL DEFAULT 0, odd TEXT,  -- counts by kind, JSON
    skipped TEXT,                      -- why it is no session
    error TEXT,                        -- why it could not be read
    missing_ms INTEGER                 -- since when it is gone
);

-- Raw bytes of a unit, in order, compressed. `start` is the first byte's place.
CREATE TABLE raw (
    unit INTEGER NOT NULL, generation INTEGER NOT NULL, start INTEGER NOT NULL,
    length INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (unit, generation, start)
);

CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,          -- normalised remote, else root path, else name
    name TEXT NOT NULL, remote TEXT, root TEXT
);

CREATE TABLE sessions (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL, agent TEXT NOT NULL, native TEXT NOT NULL,
    unit INTEGER,                      -- where it came from; NULL when imported or received
    project INTEGER,
    parent TEXT, relation TEXT, parent_call TEXT,   -- parent: the native id
    cwd TEXT, branch TEXT, name TEXT, entrypoint TEXT, kind TEXT, label TEXT, version TEXT, resume TEXT,
    remote TEXT, start_commit TEXT, project_hint TEXT,
    first_prompt TEXT,                 -- as typed, raw, at most 300 characters
    first_prompt_ordinal INTEGER,
    termination TEXT, is_automated INTEGER NOT NULL DEFAULT 0,
    started_ms INTEGER, ended_ms INTEGER,
    messages INTEGER NOT NULL DEFAULT 0, user_messages INTEGER NOT NULL DEFAULT 0,
    abandoned INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
    model TEXT,                        -- of the newest answer
    model_ordinal INTEGER,
    input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER,
    peak_context INTEGER, cost_micros INTEGER,
    malformed INTEGER NOT NULL DEFAULT 0, token TEXT,
    sum BLOB NOT NULL DEFAULT (zeroblob(32)),                -- of the rows' hashes, and
    digest BLOB NOT NULL,              -- over it and the metadata: see archive/digest.rs
    revision INTEGER NOT NULL DEFAULT 0, -- grows when the digest changes
    archived_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
    missing_ms INTEGER,                -- since when the source has it no longer
    UNIQUE (origin, agent, native)
);
CREATE INDEX sessions_by_end ON sessions (ended_ms);
CREATE INDEX sessions_by_parent ON sessions (parent) WHERE parent IS NOT NULL;
CREATE INDEX sessions_by_unit ON sessions (unit);
CREATE INDEX sessions_by_native ON sessions (native);

CREATE TABLE messages (
    n INTEGER PRIMARY KEY,
    session INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    key TEXT, role INTEGER NOT NULL,   -- 0 user, 1 assistant
    flags INTEGER NOT NULL,            -- 1 system, 2 abandoned, 4 has thinking, 8 has calls, 16 has images
    subtype TEXT, at_ms INTEGER, model TEXT,
    usage_key INTEGER,                 -- hash of the provider's ids: one answer counts once across sessions
    input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER,
    cache_write_tokens INTEGER, cache_write_1h_tokens INTEGER, cost_micros INTEGER,
    digest BLOB NOT NULL,
    body BLOB NOT NULL,                -- blocks and the rarer fields: see archive/body.rs
    UNIQUE (session, ordinal)
);

CREATE TABLE calls (
    session INTEGER NOT NULL, ordinal INTEGER NOT NULL, idx INTEGER NOT NULL,
    id TEXT, name TEXT NOT NULL, category TEXT NOT NULL, file TEXT, skill TEXT, subagent TEXT,
    status INTEGER NOT NULL DEFAULT 0, -- of the newest result: 0 unknown, 1 running, 2 completed, 3 failed
    results INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session, ordinal, idx)
) WITHOUT ROWID;
CREATE INDEX calls_by_id ON calls (session, id) WHERE id IS NOT NULL;
CREATE INDEX calls_by_file ON calls (file) WHERE file IS NOT NULL;

CREATE TABLE results (
    n INTEGER PRIMARY KEY,
    session INTEGER NOT NULL, ordinal INTEGER NOT NULL, idx INTEGER NOT NULL, event INTEGER NOT NULL,
    source TEXT NOT NULL, status INTEGER NOT NULL, at_ms INTEGER, content_bytes INTEGER NOT NULL, subagent TEXT,
    digest BLOB NOT NULL, body BLOB NOT NULL,
    UNIQUE (session, ordinal, idx, event)
);

CREATE TABLE usage_events (
    session INTEGER NOT NULL, source TEXT NOT NULL, dedup TEXT NOT NULL, at_ms INTEGER, model TEXT,
    input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER,
    cache_write_tokens INTEGER, cache_write_1h_tokens INTEGER, cost_micros INTEGER,
    PRIMARY KEY (session, source, dedup)
) WITHOUT ROWID;

-- Pictures by hash. `bytes` is NULL above the cap.
CREATE TABLE blobs (hash TEXT PRIMARY KEY, media TEXT NOT NULL, size INTEGER NOT NULL, bytes BLOB);

CREATE TABLE links (
    session INTEGER NOT NULL,
    place INTEGER NOT NULL,            -- in the order in which they were seen
    kind TEXT NOT NULL,                -- commit, pr, push
    target TEXT NOT NULL,              -- sha (as short as it was seen) or the address
    evidence TEXT NOT NULL,            -- created, mentioned, start, recorded
    repo TEXT NOT NULL DEFAULT '',     -- host/owner/repo, when known
    number INTEGER, branch TEXT, subject TEXT,
    full_sha TEXT,                     -- when the session shows it
    supersedes TEXT, superseded_by TEXT,
    ordinal INTEGER NOT NULL, idx INTEGER,
    PRIMARY KEY (session, kind, target, evidence)
) WITHOUT ROWID;
CREATE INDEX links_by_target ON links (kind, target);
CREATE INDEX links_by_full_sha ON links (full_sha) WHERE full_sha IS NOT NULL;

-- What the user says about sessions: registers, one a field, the newest stamp wins. They outlive their session.
CREATE TABLE curation (
    session TEXT NOT NULL,             -- our id
    field TEXT NOT NULL,               -- star, name, label, pin, trash, deleted
    item TEXT NOT NULL,                -- the label, the message's key or #ordinal; else empty
    value TEXT,                        -- NULL: taken back
    hlc TEXT NOT NULL, device TEXT NOT NULL,
    PRIMARY KEY (session, field, item)
) WITHOUT ROWID;

-- Pages of the word index: up to 128 messages and results of one session that follow each other. `messages.n` and `results.n`
-- count together; a page covers those from `first` to `last`.
CREATE TABLE pages (id INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);

-- The words of pages (rowid = pages.id), each once, lower case: see search/words.rs. What is written in one go is sorted in memory.
CREATE VIRTUAL TABLE words USING fts5 (w, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
INSERT INTO words (words, rank) VALUES ('automerge', 8);

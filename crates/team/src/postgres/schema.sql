-- The tables of a team store. They lie in a schema of their own, which is the search path while this runs.
--
-- All tables but meta are guarded row by row: a role sees and changes what its own owners hold. Whoever made the tables is not
-- held back, as is usual in PostgreSQL. Rows of a unit go with it.

CREATE TABLE meta (
    key text PRIMARY KEY,
    value text NOT NULL
);
COMMENT ON TABLE meta IS 'Of the store itself: "format" (the version of these tables), "store" (its own random name).';

CREATE TABLE owners (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role name NOT NULL DEFAULT session_user,
    person text NOT NULL CHECK (octet_length(person) <= 1000),
    made_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    UNIQUE (role, person)
);
COMMENT ON TABLE owners IS 'Who shares: a role of this server, and the person that its clients say they are.';
COMMENT ON COLUMN owners.role IS 'The role that logged in. The server says so, not the client.';
COMMENT ON COLUMN owners.person IS 'What the client says.';
COMMENT ON COLUMN owners.erased_at IS 'Since when nothing is taken from it, because all that it had was erased.';

CREATE TABLE clients (
    owner integer NOT NULL REFERENCES owners ON DELETE CASCADE,
    origin text COLLATE "C" NOT NULL CHECK (octet_length(origin) <= 1000),
    holder text NOT NULL CHECK (octet_length(holder) <= 1000),
    label text NOT NULL CHECK (octet_length(label) <= 1000),
    version text NOT NULL CHECK (octet_length(version) <= 1000),
    until timestamptz NOT NULL,
    pushed_at timestamptz,
    PRIMARY KEY (owner, origin)
);
COMMENT ON TABLE clients IS 'The devices of each owner. While one holder of a device''s origin pushes, no other does.';
COMMENT ON COLUMN clients.origin IS 'The device.';
COMMENT ON COLUMN clients.holder IS 'The installation on it: a copied one has the same origin and another holder.';
COMMENT ON COLUMN clients.label IS 'The device''s name, for people.';
COMMENT ON COLUMN clients.version IS 'The version of the program there.';
COMMENT ON COLUMN clients.until IS 'Until when the claim holds unless it is renewed, by the clock of this server.';
COMMENT ON COLUMN clients.pushed_at IS 'When a push of it last ended.';

CREATE TABLE units (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner integer NOT NULL REFERENCES owners ON DELETE CASCADE,
    key text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 100),
    kind text NOT NULL CHECK (kind IN ('session', 'totals')),
    origin text COLLATE "C" NOT NULL CHECK (octet_length(origin) <= 1000),
    mode text NOT NULL CHECK (mode IN ('aggregates', 'metadata', 'prompts', 'full')),
    root bytea CHECK (octet_length(root) = 32),
    head_digest bytea CHECK (octet_length(head_digest) = 32),
    mask text NOT NULL CHECK (octet_length(mask) <= 1000),
    masked json NOT NULL DEFAULT '{}',
    pushed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner, key),
    UNIQUE (owner, n)
);
CREATE INDEX units_by_key ON units (key);
CREATE INDEX units_by_time ON units (pushed_at);
COMMENT ON TABLE units IS 'What is shared: sessions, and the totals of projects. Head, rows, root and mask of a unit change together.';
COMMENT ON COLUMN units.key IS 'The session''s id, or a hash that begins with "t" for totals. Of its owner: two owners may have the same.';
COMMENT ON COLUMN units.origin IS 'The device that put it, and that alone changes it.';
COMMENT ON COLUMN units.mode IS 'How much is shared: aggregates, metadata, prompts or full.';
COMMENT ON COLUMN units.root IS 'The digest of everything in it.';
COMMENT ON COLUMN units.mask IS 'The version of the rules by which secrets were taken out.';
COMMENT ON COLUMN units.masked IS 'How many places were masked, by rule.';
COMMENT ON COLUMN units.pushed_at IS 'When it last changed here, by the clock of this server.';

CREATE TABLE sessions (
    unit bigint PRIMARY KEY,
    owner integer NOT NULL,
    agent text NOT NULL,
    native text NOT NULL,
    origin text NOT NULL,
    parent text,
    relation text,
    project text NOT NULL,
    project_key text NOT NULL,
    cwd text,
    branch text,
    name text,
    is_renamed boolean NOT NULL,
    first_prompt text,
    entrypoint text,
    kind text,
    version text,
    termination text,
    is_automated boolean NOT NULL,
    started timestamptz,
    ended timestamptz,
    messages bigint NOT NULL,
    user_messages bigint NOT NULL,
    abandoned bigint NOT NULL,
    calls bigint NOT NULL,
    failures bigint NOT NULL,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    peak_context bigint,
    cost_micros bigint,
    malformed bigint NOT NULL,
    is_starred boolean NOT NULL,
    is_trashed boolean NOT NULL,
    labels text[] NOT NULL,
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
CREATE INDEX sessions_by_end ON sessions (ended);
CREATE INDEX sessions_by_native ON sessions (left(native, 200) text_pattern_ops);
COMMENT ON TABLE sessions IS 'Conversations with coding agents, masked. The id is units.key.';
COMMENT ON COLUMN sessions.native IS 'The agent''s own id of the session.';
COMMENT ON COLUMN sessions.origin IS 'The device where it was first archived.';
COMMENT ON COLUMN sessions.parent IS 'The agent''s own id of the session it belongs to.';
COMMENT ON COLUMN sessions.relation IS 'How it belongs there: subagent, fork or continuation.';
COMMENT ON COLUMN sessions.project_key IS 'The project''s normalised remote, else its folder or name.';
COMMENT ON COLUMN sessions.started IS 'The least time in it; infinite when it cannot be one.';
COMMENT ON COLUMN sessions.messages IS 'Without those of branches that were given up.';
COMMENT ON COLUMN sessions.cost_micros IS 'What it cost, in millionths of a dollar.';

CREATE TABLE messages (
    unit bigint NOT NULL,
    owner integer NOT NULL,
    ordinal bigint NOT NULL CHECK (ordinal BETWEEN 0 AND 4294967295),
    role smallint NOT NULL,
    subtype text,
    is_system boolean NOT NULL,
    is_abandoned boolean NOT NULL,
    at timestamptz,
    model text,
    json json NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (unit, ordinal),
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
COMMENT ON TABLE messages IS 'Messages of sessions that are shared with text.';
COMMENT ON COLUMN messages.role IS '0 user, 1 assistant.';
COMMENT ON COLUMN messages.json IS 'All of it but the outputs of its calls, as Carry exports it.';

CREATE TABLE results (
    unit bigint NOT NULL,
    owner integer NOT NULL,
    ordinal bigint NOT NULL CHECK (ordinal BETWEEN 0 AND 4294967295),
    idx bigint NOT NULL CHECK (idx BETWEEN 0 AND 4294967295),
    event bigint NOT NULL CHECK (event BETWEEN 0 AND 4294967295),
    status smallint NOT NULL,
    at timestamptz,
    json json NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (unit, ordinal, idx, event),
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
COMMENT ON TABLE results IS 'What calls of tools gave back.';
COMMENT ON COLUMN results.ordinal IS 'The message of the call.';
COMMENT ON COLUMN results.idx IS 'The call''s place in it.';
COMMENT ON COLUMN results.status IS '0 unknown, 1 running, 2 completed, 3 failed.';

CREATE TABLE words (
    unit bigint NOT NULL,
    owner integer NOT NULL,
    bucket bigint NOT NULL CHECK (bucket BETWEEN 0 AND 4294967295),
    part integer NOT NULL CHECK (part >= 0),
    parts integer NOT NULL,
    words tsvector NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (unit, bucket, part),
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
CREATE INDEX words_by_word ON words USING gin (words);
COMMENT ON TABLE words IS 'The words of each 32 messages, for full-text search. What is too much for one row stands in several parts.';
COMMENT ON COLUMN words.bucket IS 'The number of the first message, divided by 32.';

CREATE TABLE links (
    unit bigint NOT NULL,
    owner integer NOT NULL,
    idx integer NOT NULL,
    kind text NOT NULL,
    target text NOT NULL,
    evidence text NOT NULL,
    repo text,
    number bigint,
    branch text,
    subject text,
    full_sha text,
    supersedes text,
    superseded_by text,
    ordinal bigint NOT NULL,
    call bigint,
    PRIMARY KEY (unit, idx),
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
CREATE INDEX links_by_target ON links (left(target, 200) text_pattern_ops);
CREATE INDEX links_by_commit ON links (left(full_sha, 64) text_pattern_ops);
CREATE INDEX links_by_number ON links (number);
COMMENT ON TABLE links IS 'Commits, pushes and pull requests that a session made or mentions.';
COMMENT ON COLUMN links.kind IS 'commit, pull_request or push.';
COMMENT ON COLUMN links.target IS 'The commit''s id as short as it was seen, the request''s address, or a push''s range.';
COMMENT ON COLUMN links.evidence IS 'created, recorded, start or mentioned.';
COMMENT ON COLUMN links.ordinal IS 'The message.';
COMMENT ON COLUMN links.call IS 'The call in it.';

CREATE TABLE pins (
    unit bigint NOT NULL,
    owner integer NOT NULL,
    idx integer NOT NULL,
    message text NOT NULL,
    note text NOT NULL,
    stamp text NOT NULL,
    PRIMARY KEY (unit, idx),
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
COMMENT ON TABLE pins IS 'Messages that their owner has pinned.';
COMMENT ON COLUMN pins.message IS 'The message''s key, or # and its ordinal.';
COMMENT ON COLUMN pins.stamp IS 'When: milliseconds since 1970, and a counter.';

CREATE TABLE projects (
    unit bigint PRIMARY KEY,
    owner integer NOT NULL,
    project_key text NOT NULL,
    project text NOT NULL,
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
COMMENT ON TABLE projects IS 'Projects that share totals instead of sessions.';

CREATE TABLE totals (
    unit bigint NOT NULL,
    owner integer NOT NULL,
    idx integer NOT NULL,
    day text NOT NULL,
    agent text NOT NULL,
    model text NOT NULL,
    sessions bigint NOT NULL,
    messages bigint NOT NULL,
    user_messages bigint NOT NULL,
    calls bigint NOT NULL,
    failures bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cost_micros bigint NOT NULL,
    PRIMARY KEY (unit, idx),
    FOREIGN KEY (owner, unit) REFERENCES units (owner, n) ON DELETE CASCADE
);
COMMENT ON TABLE totals IS 'What the sessions of a project come to, by the day they began on (UTC; empty: unknown), agent and model.';

ALTER TABLE owners ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON owners USING (role = session_user) WITH CHECK (role = session_user);

DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['clients', 'units', 'sessions', 'messages', 'results', 'words', 'links', 'pins', 'projects', 'totals'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format(
            'CREATE POLICY own ON %I USING (owner IN (SELECT id FROM owners WHERE role = session_user)) '
            'WITH CHECK (owner IN (SELECT id FROM owners WHERE role = session_user AND erased_at IS NULL))',
            guarded);
    END LOOP;
END
$$;

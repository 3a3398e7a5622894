-- What is said of sessions, and what was received of them.

CREATE TABLE outbox_self (one INTEGER PRIMARY KEY CHECK (one = 1), nonce BLOB NOT NULL) STRICT;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL,
  flags INTEGER NOT NULL, key BLOB NOT NULL, kind INTEGER NOT NULL, kind_version INTEGER NOT NULL,
  wants TEXT NOT NULL, payload BLOB NOT NULL, plain_bytes INTEGER
) STRICT;
CREATE INDEX outbox_by_stream ON outbox (stream, id);
CREATE TABLE applied (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (log, track, stream, first)
) STRICT, WITHOUT ROWID;

-- What is said of sessions in the stream `sessions`: by this device, and by others. See stream/content.rs.

-- The digest of a session when all of it was said.
ALTER TABLE sessions ADD COLUMN said BLOB;
CREATE INDEX sessions_to_say ON sessions (ended_ms) WHERE unit IS NOT NULL AND said IS NOT digest;

-- A session that records speak of.
CREATE TABLE said_sessions (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  shown INTEGER,                     -- the generation whose messages lie in the archive's rows; NULL: none
  is_withdrawn INTEGER NOT NULL DEFAULT 0 -- it was deleted, and nothing counts that this device said; 0 with each word of it
) STRICT;

-- One account of a session. A dead one was replaced or withdrawn.
CREATE TABLE said_generations (
  n INTEGER PRIMARY KEY, session INTEGER NOT NULL, id BLOB NOT NULL,
  origin TEXT, agent TEXT, native TEXT,
  is_dead INTEGER NOT NULL DEFAULT 0,
  length INTEGER NOT NULL DEFAULT 0, -- how many messages are known of it
  UNIQUE (session, id)
) STRICT;

-- A log, or one way of a forked one.
CREATE TABLE said_lineages (
  n INTEGER PRIMARY KEY, log TEXT NOT NULL, branch TEXT NOT NULL, is_own INTEGER NOT NULL, alias TEXT NOT NULL,
  UNIQUE (log, branch)
) STRICT;

-- The newest word of each lineage on the facts of a generation, and on each of its messages.
CREATE TABLE said_facts (
  generation INTEGER NOT NULL, lineage INTEGER NOT NULL, seq INTEGER NOT NULL,
  wall_ms INTEGER NOT NULL, counter INTEGER NOT NULL, hash INTEGER NOT NULL,
  facts BLOB,                        -- NULL where this archive needs none: the session is read here
  PRIMARY KEY (generation, lineage)
) STRICT, WITHOUT ROWID;
CREATE TABLE said_messages (
  generation INTEGER NOT NULL, ordinal INTEGER NOT NULL, lineage INTEGER NOT NULL, seq INTEGER NOT NULL,
  wall_ms INTEGER NOT NULL, counter INTEGER NOT NULL, hash INTEGER NOT NULL,
  parked BLOB,                       -- NULL where the archive's rows hold it, or it is not needed
  PRIMARY KEY (generation, ordinal, lineage)
) STRICT, WITHOUT ROWID;

-- Pieces of texts of which not all are there. `place` is the ordinal; -1: the facts.
CREATE TABLE said_pieces (
  generation INTEGER NOT NULL, place INTEGER NOT NULL, part_of BLOB NOT NULL, idx INTEGER NOT NULL,
  lineage INTEGER NOT NULL, seq INTEGER NOT NULL, wall_ms INTEGER NOT NULL, counter INTEGER NOT NULL,
  count INTEGER NOT NULL, part BLOB NOT NULL,
  PRIMARY KEY (generation, place, part_of, idx)
) STRICT;

-- From which record on a lineage's word on a session counts: it replaced all before.
CREATE TABLE said_floors (
  session INTEGER NOT NULL, lineage INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (session, lineage)
) STRICT, WITHOUT ROWID;

-- Which records spoke of a session, so that they can be asked for again.
CREATE TABLE said_origins (
  n INTEGER PRIMARY KEY, log TEXT NOT NULL, track INTEGER NOT NULL, UNIQUE (log, track)
) STRICT;
CREATE TABLE said_records (
  origin INTEGER NOT NULL, seq INTEGER NOT NULL, session INTEGER NOT NULL,
  PRIMARY KEY (origin, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX said_records_by_session ON said_records (session);

-- What masking remembers of own sessions, see mask/pieces.rs. Only good under `stamp`.
CREATE TABLE saying (
  session INTEGER PRIMARY KEY, stamp TEXT NOT NULL, found BLOB NOT NULL
) STRICT;
CREATE TABLE saying_buckets (
  session INTEGER NOT NULL, bucket INTEGER NOT NULL, raw BLOB NOT NULL, has_secrets INTEGER NOT NULL,
  PRIMARY KEY (session, bucket)
) STRICT, WITHOUT ROWID;

-- What could not be said, and why. `ordinal` NULL: the session.
CREATE TABLE unsayable (session TEXT NOT NULL, ordinal INTEGER, reason TEXT NOT NULL) STRICT;
CREATE INDEX unsayable_by_session ON unsayable (session);

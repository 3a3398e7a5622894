-- Who put what. A row stands here before its file does.
CREATE TABLE put (
    path TEXT PRIMARY KEY,
    credential TEXT NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;

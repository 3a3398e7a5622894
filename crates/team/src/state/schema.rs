//! The format of `team.db`.

use carry_kernel::db::Schema;

/// Format 1. Times are milliseconds since 1970, UTC.
pub(super) const SCHEMA: Schema = Schema {
    // "CarT": Carry's teams.
    application_id: 0x4361_7254,
    migrations: &["
        CREATE TABLE stores (
            name TEXT NOT NULL PRIMARY KEY,
            store_id TEXT, owner TEXT,
            holder TEXT NOT NULL,      -- this home's name there
            place TEXT NOT NULL,       -- the file that this is, so that a copy of it takes another name
            key BLOB NOT NULL,         -- of the hashes in `buckets`
            pushed_ms INTEGER,
            -- Why the last push that was asked for by hand failed, and when, while none has gone well since.
            error TEXT, error_ms INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE units (
            store TEXT NOT NULL, key TEXT NOT NULL,
            input BLOB,                -- NULL: what is known of it is not believed
            mask TEXT NOT NULL, mode TEXT NOT NULL,
            root BLOB,                 -- NULL: what stands there cannot be one
            head BLOB,
            masked TEXT NOT NULL,      -- counts by rule, JSON
            PRIMARY KEY (store, key)
        ) STRICT, WITHOUT ROWID;
        -- Apart, so that a look at all units need not pass them: see state/packed.rs.
        CREATE TABLE buckets (
            store TEXT NOT NULL, key TEXT NOT NULL, packed BLOB NOT NULL,
            PRIMARY KEY (store, key)
        ) STRICT;
        CREATE TABLE failures (
            store TEXT NOT NULL, key TEXT NOT NULL,
            input BLOB NOT NULL, why TEXT NOT NULL, attempts INTEGER NOT NULL, retry_ms INTEGER NOT NULL,
            PRIMARY KEY (store, key)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE elsewhere (
            store TEXT NOT NULL, key TEXT NOT NULL,
            origin TEXT NOT NULL, input BLOB NOT NULL, retry_ms INTEGER NOT NULL,
            PRIMARY KEY (store, key)
        ) STRICT, WITHOUT ROWID;
    "],
};

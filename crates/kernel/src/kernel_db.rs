//! The schema of the kernel's own database, shared by [`crate::lease`] and [`crate::status`].

use crate::db::Schema;

/// Leases and worker states. A migration is never edited once released; append.
///
/// A lease that was given back keeps its row with empty owner columns, because the fencing counter must
/// never start again. `until_steady` and `until_wall` are the same moment on two clocks, in milliseconds;
/// see [`crate::lease`] for which counts when. `nonce` and `started` hold the bits of an unsigned number.
pub(crate) const SCHEMA: Schema = Schema {
    // "CryK", Carry's kernel.
    application_id: 0x4372_794b,
    migrations: &["
        CREATE TABLE lease (
            name TEXT NOT NULL PRIMARY KEY,
            fence INTEGER NOT NULL,
            host TEXT, pid INTEGER, boot TEXT, started INTEGER, nonce INTEGER,
            ttl_ms INTEGER NOT NULL,
            until_steady INTEGER NOT NULL,
            until_wall INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE worker_status (
            worker TEXT NOT NULL PRIMARY KEY,
            updated INTEGER NOT NULL,
            pid INTEGER NOT NULL,
            status TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
    "],
};

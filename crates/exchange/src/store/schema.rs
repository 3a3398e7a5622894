//! The tables. Numbers are SQLite integers, logs and streams texts, digests blobs.

use carry_kernel::db::Schema;

/// The exchange's database, for whoever makes one without a store.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4372_7978,
    migrations: &[
        include_str!("schema.sql"),
        include_str!("schema-2.sql"),
        include_str!("schema-3.sql"),
        include_str!("schema-4.sql"),
    ],
};

//! The archive's format.

use carry_kernel::db::Schema;

/// Format 3: 2 came with the stream `sessions`, 3 with `curation`.
pub(crate) const SCHEMA: Schema = Schema {
    application_id: 0x4361_7353,
    migrations: &[include_str!("schema.sql"), include_str!("exchange.sql"), include_str!("registers.sql")],
};

//! The archive's format.

use carry_kernel::db::Schema;

/// Format 1.
pub(super) const SCHEMA: Schema = Schema { application_id: 0x4361_7353, migrations: &[include_str!("schema.sql")] };

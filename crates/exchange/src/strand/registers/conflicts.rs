//! Conflicts: registers that several devices set to different values without knowing of each other.
//!
//! One value is shown, the others are kept, until an edit that has seen all of them settles it.

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::{Name, Registers, edits, masked};
use crate::name::LogId;

/// A conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The register, as it is called here.
    pub name: Name,
    /// What devices said, the one that is shown first.
    pub values: Vec<ConflictValue>,
}

/// One of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictValue {
    /// The value; `None`: taken back.
    pub value: Option<String>,
    /// When it was said, by its author's clock.
    pub at: Hlc,
    /// The device, as it is called here; the log for one that is not known by another name.
    pub device: String,
    /// Whether that is this device.
    pub is_own: bool,
    /// The log; `None` for an edit that was not said to others yet.
    pub log: Option<LogId>,
}

/// How many conflicts there are.
///
/// # Errors
/// SQLite's.
pub fn conflict_count(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("SELECT count(*) FROM register_conflicts", [], |row| crate::store::number(row, 0))
}

impl Registers {
    /// All conflicts, by target and field; of one target or of all.
    ///
    /// # Errors
    /// SQLite's.
    pub fn conflicts(&self, conn: &Connection, target: Option<&str>) -> rusqlite::Result<Vec<Conflict>> {
        let sql = "SELECT target, field, item FROM register_conflicts WHERE ?1 IS NULL OR target = ?1
                   ORDER BY target, field, item";
        let mut names = conn.prepare_cached(sql)?;
        let names = names.query_map([target], edits::name_of)?;
        names.map(|name| self.conflict(conn, &name?)).collect()
    }

    fn conflict(&self, conn: &Connection, name: &Name) -> rusqlite::Result<Conflict> {
        let local = masked::local(conn, name)?;
        let mut values = Vec::new();
        for said in self.state(conn, name)?.live(conn)? {
            let alias: Option<(String, bool)> = match said.log {
                None => None,
                Some(log) => {
                    let sql = "SELECT alias, is_own FROM register_logs WHERE log = ?1";
                    let mut query = conn.prepare_cached(sql)?;
                    query.query_row([log.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?
                }
            };
            let (device, is_own) = match (alias, said.log) {
                (Some(known), _) => known,
                (None, Some(log)) => (log.to_string(), false),
                (None, None) => (said.device, true),
            };
            values.push(ConflictValue { value: local.value(&said.value), at: said.at, device, is_own, log: said.log });
        }
        Ok(Conflict { name: name.with_item(local.item()), values })
    }
}

/// Whether a register, named as here, is one.
pub(super) fn is_conflict(conn: &Connection, local: &Name) -> rusqlite::Result<bool> {
    let name = masked::exchanged(conn, local)?;
    let sql = "SELECT 1 FROM register_conflicts WHERE target = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.exists(name.columns())
}

//! Conflicts: registers that several devices set to different values without knowing of each other.
//!
//! One value is shown, the others are kept, until an edit that has seen all of them settles it.

use carry_exchange::name::LogId;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::edits::State;
use super::name::RegisterName;
use super::{Set, masked, set};
use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

/// A conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The register, as it is called here.
    pub name: RegisterName,
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

impl Archive {
    /// How many conflicts there are.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn conflict_count(&self) -> Result<u64, ArchiveError> {
        let sql = "SELECT count(*) FROM curation_conflicts";
        let count: i64 = self.db.conn().query_row(sql, [], |row| row.get(0)).map_err(self.db.failed())?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// All conflicts, by session and field; of one session or of all.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn conflicts(&self, session: Option<&SessionId>) -> Result<Vec<Conflict>, ArchiveError> {
        let conn = self.db.conn();
        let all = || -> rusqlite::Result<Vec<Conflict>> {
            let sql = "SELECT session, field, item FROM curation_conflicts WHERE ?1 IS NULL OR session = ?1
                       ORDER BY session, field, item";
            let mut names = conn.prepare_cached(sql)?;
            let names = names.query_map([session.map(SessionId::as_str)], |row| {
                Ok(RegisterName { session: SessionId::stored(row.get(0)?), field: row.get(1)?, item: row.get(2)? })
            })?;
            names.map(|name| conflict(conn, &name?)).collect()
        };
        Ok(all().map_err(self.db.failed())?)
    }

    /// Settles a conflict: from now on the register has this value, whatever devices said before. `false` when there is no
    /// conflict and it has that value already.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn resolve(
        &mut self,
        name: &RegisterName,
        value: Option<&str>,
        device: &str,
        now: Timestamp,
    ) -> Result<bool, ArchiveError> {
        super::check_size(value)?;
        let failed = self.db.failed();
        let edit = Set { session: &name.session, field: &name.field, item: &name.item, value };
        self.db.write(|tx| Ok(set(tx, &edit, device, now).map_err(failed)?))
    }
}

/// Whether a register, named as here, is one.
pub(super) fn is_one(conn: &Connection, local: &RegisterName) -> rusqlite::Result<bool> {
    let name = masked::exchanged(conn, local)?;
    let sql = "SELECT 1 FROM curation_conflicts WHERE session = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.exists(name.columns())
}

fn conflict(conn: &Connection, name: &RegisterName) -> rusqlite::Result<Conflict> {
    let local = masked::local(conn, name)?;
    let mut values = Vec::new();
    for said in State::read(conn, name)?.live(conn)? {
        let alias: Option<(String, bool)> = match said.log {
            None => None,
            Some(log) => {
                let sql = "SELECT alias, is_own FROM curation_logs WHERE log = ?1";
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

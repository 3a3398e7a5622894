//! What registers say, and what is shown of it.
//!
//! A register's state is never kept: it is folded from its edits, of which there are few, so that what was wrongly taken in
//! can be taken back, and a log that turns out to be forked can be folded anew. What it shows is kept in `registers`.

use std::collections::BTreeSet;

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;
use serde_json::Value;

use super::edits::{self, Edit};
use super::pending::{self, Pending};
use super::{Name, Registers, deletion, masked};
use crate::limits::NUMBER_MAX;
use crate::name::LogId;
use crate::register::{self, Forks, Seen};

/// What a register says and why.
#[derive(Clone, Debug)]
pub struct State {
    register: register::Register<Value>,
    pending: Option<(LogId, Pending)>,
    seen: Seen,
}

/// One of the live edits of a register.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// As it was exchanged; of an own edit that waits, as it was said.
    pub value: Value,
    /// When, by its author's clock.
    pub at: Hlc,
    /// Who said it: the device's id if it is this one, empty for what was imported here, else the log.
    pub device: String,
    /// The log, unless the edit waits.
    pub log: Option<LogId>,
}

impl State {
    /// All that an edit made now has seen, own logs included. What waits has no place that could be named.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether live edits have different values.
    pub fn is_conflict(&self) -> bool {
        self.register.is_conflict()
    }

    /// The live edits, the one that is shown first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn live(&self, conn: &Connection) -> rusqlite::Result<Vec<Said>> {
        let mut live: Vec<_> = self.register.live().collect();
        live.sort_by_key(|(lineage, edit)| std::cmp::Reverse((edit.at, *lineage)));
        live.into_iter().map(|(_, edit)| self.said(conn, edit)).collect()
    }

    fn said(&self, conn: &Connection, edit: &Edit) -> rusqlite::Result<Said> {
        let waits = |(own, _): &&(LogId, Pending)| *own == edit.log && edit.seq == NUMBER_MAX;
        let (device, log) = match self.pending.as_ref().filter(waits) {
            Some((_, pending)) => (pending.device.clone(), None),
            None => (device_of(conn, edit.log)?, Some(edit.log)),
        };
        Ok(Said { value: edit.value.clone(), at: edit.at, device, log })
    }
}

impl Registers {
    /// The state of a register, named as it is exchanged, with what waits to be exchanged.
    ///
    /// # Errors
    /// SQLite's.
    pub fn state(&self, conn: &Connection, name: &Name) -> rusqlite::Result<State> {
        let (mut register, forks) = self.fold(conn, name)?;
        let seen = register.seen(nobody());
        let pending = match pending::find(conn, name)? {
            None => None,
            Some(pending) => {
                let log = own_log(conn)?.unwrap_or_else(nobody);
                // It comes after everything of this log.
                register.apply(
                    register::Edit {
                        log,
                        seq: NUMBER_MAX,
                        r4: [0; 4],
                        at: pending.at,
                        value: pending.value.clone().into(),
                        seen: pending.seen.clone(),
                    },
                    &forks,
                );
                Some((log, pending))
            }
        };
        Ok(State { register, pending, seen })
    }

    /// Whether the edits that have a place agree that a register has this value. One without any has none.
    pub(super) fn agree_on(&self, conn: &Connection, name: &Name, value: Option<&str>) -> rusqlite::Result<bool> {
        let (register, _) = self.fold(conn, name)?;
        let value = Value::from(value);
        let mut live = register.live().map(|(_, live)| &live.value).peekable();
        let is_untouched = live.peek().is_none();
        Ok(!register.is_conflict() && live.all(|said| *said == value) && (!is_untouched || value.is_null()))
    }

    /// Brings what `registers` shows of a register, and whether it is a conflict, up to date.
    pub(super) fn show(&self, conn: &Connection, name: &Name) -> rusqlite::Result<()> {
        if !self.shows(&name.field) {
            return Ok(());
        }
        let is_deleted = deletion::is_deleted(conn, &name.target)?;
        let state = self.state(conn, name)?;
        let sql = match state.is_conflict() && !is_deleted {
            true => "INSERT OR IGNORE INTO register_conflicts (target, field, item) VALUES (?1, ?2, ?3)",
            false => "DELETE FROM register_conflicts WHERE target = ?1 AND field = ?2 AND item = ?3",
        };
        conn.prepare_cached(sql)?.execute(name.columns())?;
        if is_deleted {
            return Ok(());
        }
        let local = masked::local(conn, name)?;
        let (target, field, item) = (&name.target, &name.field, local.item());
        let Some(shown) = state.live(conn)?.into_iter().next() else {
            let sql = "DELETE FROM registers WHERE target = ?1 AND field = ?2 AND item = ?3";
            return match conn.prepare_cached(sql)?.execute((target, field, item))? {
                0 => Ok(()),
                _ => self.meaning.shown(conn, &name.with_item(item), None),
            };
        };
        // Who said it stays as it was noted when it is the same edit.
        let sql = "INSERT INTO registers (target, field, item, value, hlc, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT DO UPDATE SET value = excluded.value, hlc = excluded.hlc, device = excluded.device
                   WHERE (value, hlc) IS NOT (excluded.value, excluded.hlc)";
        let value = local.value(&shown.value);
        match conn.prepare_cached(sql)?.execute((target, field, item, &value, shown.at.to_string(), shown.device))? {
            0 => Ok(()),
            _ => self.meaning.shown(conn, &name.with_item(item), value.as_deref()),
        }
    }

    /// Those of `touched` that can be shown: in the place of names that [`put_void`](edits::put_void) gave stand the registers with their keys.
    pub(super) fn to_show(&self, conn: &Connection, touched: BTreeSet<Name>) -> rusqlite::Result<BTreeSet<Name>> {
        let (voids, mut touched): (BTreeSet<_>, BTreeSet<_>) =
            touched.into_iter().partition(|name| name.target.is_empty());
        if !voids.is_empty() {
            touched.extend(
                edits::names(conn)?
                    .into_iter()
                    .filter(|name| voids.contains(&edits::void_name(name.key(&self.stream).as_bytes()))),
            );
        }
        Ok(touched)
    }

    /// The fold over the edits that have a place.
    fn fold(&self, conn: &Connection, name: &Name) -> rusqlite::Result<(register::Register<Value>, Forks)> {
        let mut forks = edits::forks(conn)?;
        let mut found = edits::edits(conn, name, &mut forks)?;
        let voids = edits::edits(conn, &edits::void_name(name.key(&self.stream).as_bytes()), &mut forks)?;
        let place = |edit: &Edit| (forks.lineage(edit.log, edit.seq, edit.r4), edit.seq);
        found.retain(|edit| !voids.iter().any(|void| forks.is_before(place(edit), place(void))));
        let mut register = register::Register::default();
        for edit in found {
            register.apply(edit, &forks);
        }
        Ok((register, forks))
    }
}

/// A log that nobody writes: an edit that waits while the own log is not known is counted to it.
fn nobody() -> LogId {
    LogId::of_key(&[0; 32])
}

fn own_log(conn: &Connection) -> rusqlite::Result<Option<LogId>> {
    let sql = "SELECT log FROM register_self";
    let log: Option<Option<String>> = conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(log.flatten().and_then(|log| log.parse().ok()))
}

/// Who writes a log: this device's id, or the log itself.
fn device_of(conn: &Connection, log: LogId) -> rusqlite::Result<String> {
    let sql = "SELECT alias FROM register_logs WHERE log = ?1 AND is_own";
    let own: Option<String> = conn.prepare_cached(sql)?.query_row([log.to_string()], |row| row.get(0)).optional()?;
    Ok(own.unwrap_or_else(|| log.to_string()))
}

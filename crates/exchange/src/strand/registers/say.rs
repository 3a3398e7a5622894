//! What waits becomes records: masked, and put into the outbox.

use std::collections::BTreeMap;

use carry_kernel::db::rusqlite::{self, Connection, Transaction};
use serde_json::Value;

use super::deletion::{self, Step};
use super::edits;
use super::payload::{DELETION, Deletion, EDIT, Edit, PayloadError, VERSION};
use super::strand::Mask;
use super::{Name, Registers, masked, pending};
use crate::name::{LogId, StreamName};
use crate::record::Flags;
use crate::register::Seen;
use crate::store::StoreError;
use crate::strand::outbox::{self, Outgoing};

/// Bytes that a record has besides its payload, about.
const RECORD_BYTES: u64 = 128;

impl Registers {
    /// Forgets what waits to be said and is not later than what this home `said`: in which logs, and up to which record.
    pub(super) fn forget_said(
        &self,
        tx: &Transaction<'_>,
        mask: &Mask,
        said: &BTreeMap<LogId, u64>,
    ) -> Result<(), StoreError> {
        tx.execute("UPDATE register_self SET is_caught_up = 1", [])?;
        for (id, payload) in in_outbox(tx, &self.stream)? {
            let Ok(edit) = Edit::read(&payload) else { continue };
            if edits::newest_said(tx, &edit.name, said)? >= edit.at && edit.at.is_some() {
                tx.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
                tx.execute("DELETE FROM register_pending WHERE outbox = ?1", [id])?;
                self.show(tx, &edit.name)?;
            }
        }
        for name in waiting(tx)? {
            let Some(waits) = pending::find(tx, &name)? else { continue };
            let exchanged = exchanged(tx, mask, &name)?.0;
            if edits::newest_said(tx, &exchanged, said)?.is_some_and(|newest| waits.at <= newest) {
                pending::forget(tx, &name)?;
                self.show(tx, &name)?;
                self.show(tx, &exchanged)?;
            }
        }
        Ok(())
    }

    /// Puts what waits into the outbox, newest first, about `bytes` of it. Says whether more waits.
    pub(super) fn hand_over(
        &self,
        tx: &Transaction<'_>,
        mask: &Mask,
        own: LogId,
        bytes: u64,
    ) -> Result<bool, StoreError> {
        let mut left = bytes;
        for (n, step) in deletion::waiting(tx)? {
            let out = match self.deletion_record(&step) {
                Ok(out) => out,
                Err(error) => {
                    // It stays as it is here, and is not tried again.
                    tracing::warn!(stream = %self.stream, target = step.target, %error, "a deletion cannot be exchanged");
                    deletion::handed_over(tx, n)?;
                    continue;
                }
            };
            left = left.saturating_sub(out.payload.len() as u64 + RECORD_BYTES);
            outbox::push(tx, &self.stream, &out)?;
            deletion::handed_over(tx, n)?;
        }
        for name in waiting(tx)? {
            if left == 0 {
                return Ok(true);
            }
            let said = self.say(tx, mask, own, &name)?;
            left = left.saturating_sub(said);
        }
        Ok(false)
    }

    /// Puts the edit that waits of a register into the outbox. Says of about how many bytes it is.
    fn say(&self, tx: &Transaction<'_>, mask: &Mask, own: LogId, name: &Name) -> Result<u64, StoreError> {
        let Some(waits) = pending::find(tx, name)? else { return Ok(0) };
        let (said_name, local_item) = exchanged(tx, mask, name)?;
        let value: Value = waits.value.as_deref().map(mask).into();
        // What stands in the own log is known by its place.
        let seen: Seen = waits.seen.iter().filter(|(log, ..)| *log != own).collect();
        let edit = Edit { name: said_name, value, seen, at: Some(waits.at) };
        let payload = match edit.to_bytes() {
            Ok(payload) => payload,
            Err(error) => {
                // It stays as it is here, and holds up nothing.
                tracing::warn!(target = name.target, field = name.field, %error, "an edit cannot be exchanged");
                pending::refuse(tx, name, &error.to_string())?;
                return Ok(0);
            }
        };
        masked::note(tx, &edit.name, &local_item, &edit.value, waits.value.as_deref())?;
        let bytes = payload.len() as u64 + RECORD_BYTES;
        let out = Outgoing {
            flags: Flags::REPLACES,
            key: edit.name.key(&self.stream).as_bytes().to_vec(),
            kind: EDIT,
            kind_version: VERSION,
            wants: Vec::new(),
            payload,
        };
        let id = outbox::push(tx, &self.stream, &out)?;
        pending::handed_over(tx, name, &edit.name, id)?;
        if edit.name != *name {
            // Others may have said the masked one already, and it stood here beside ours.
            let sql = "DELETE FROM registers WHERE target = ?1 AND field = ?2 AND item = ?3";
            tx.execute(sql, edit.name.columns())?;
            self.show(tx, &edit.name)?;
        }
        Ok(bytes)
    }

    fn deletion_record(&self, step: &Step) -> Result<Outgoing, PayloadError> {
        let said = Deletion {
            target: step.target.clone(),
            op: step.op,
            id: step.id.clone(),
            at: Some(step.at),
            due_ms: step.due_ms,
        };
        let payload = said.to_bytes()?;
        let key = said.key(&self.stream);
        Ok(Outgoing {
            flags: Flags::KEEPS,
            key: key.as_bytes().to_vec(),
            kind: DELETION,
            kind_version: VERSION,
            wants: Vec::new(),
            payload,
        })
    }
}

/// The registers with an edit that waits to be handed over, the newest first.
fn waiting(conn: &Connection) -> rusqlite::Result<Vec<Name>> {
    let sql = "SELECT target, field, item FROM register_pending WHERE outbox IS NULL AND problem IS NULL
               ORDER BY at DESC, target, field, item";
    let mut rows = conn.prepare_cached(sql)?;
    rows.query_map([], edits::name_of)?.collect()
}

/// The register that is exchanged for one with an edit that waits, and its item as it was said here.
fn exchanged(conn: &Connection, mask: &Mask, name: &Name) -> rusqlite::Result<(Name, String)> {
    let item = masked::local(conn, name)?.item().to_owned();
    Ok((name.with_item(&mask(&item)), item))
}

/// Forgets what stands in the outbox of a target.
pub(super) fn forget_in_outbox(conn: &Connection, stream: &StreamName, target: &str) -> rusqlite::Result<()> {
    for (id, payload, plain_bytes) in rows_in_outbox(conn, stream)? {
        // What is damaged is for whoever hands it over to report.
        let Ok(payload) = outbox::unpacked(payload, plain_bytes) else { continue };
        if Edit::read(&payload).is_ok_and(|edit| edit.name.target == target) {
            conn.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
        }
    }
    Ok(())
}

/// The edits that stand in the outbox.
fn in_outbox(conn: &Connection, stream: &StreamName) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let rows = rows_in_outbox(conn, stream)?.into_iter();
    rows.map(|(id, payload, plain_bytes)| Ok((id, outbox::unpacked(payload, plain_bytes)?))).collect()
}

/// A row's number, its payload as it lies there, and the length of one that lies packed.
type Packed = (i64, Vec<u8>, Option<u32>);

/// The same as they lie there.
fn rows_in_outbox(conn: &Connection, stream: &StreamName) -> rusqlite::Result<Vec<Packed>> {
    let sql = "SELECT id, payload, plain_bytes FROM outbox WHERE stream = ?1 AND kind = ?2 ORDER BY id";
    let mut rows = conn.prepare_cached(sql)?;
    rows.query_map((stream.as_str(), EDIT), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

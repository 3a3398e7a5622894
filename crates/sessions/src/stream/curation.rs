//! The stream `curation`: what the user says about sessions, as registers, and what is deleted for good.
//!
//! An edit is made at once and never waits for anybody: what it had seen is noted with it. [`Strand::offer`] masks it and gives
//! it a place; folding puts others' edits beside it. What is shown follows from the edits alone, in whatever order they came.

use std::collections::BTreeSet;

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::record::{Flags, Record};
use carry_exchange::register::Seen;
use carry_exchange::store::{Store, StoreError};
use carry_exchange::strand::outbox::{self, Outgoing};
use carry_exchange::strand::{Appended, Batch, NewRecord, Offered, Origin, Strand, StrandError};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, Transaction};
use carry_kernel::home::Home;
use carry_redact::Redactor;
use serde_json::Value;

use super::Unread;
use crate::archive::{Archive, ArchiveError};
use crate::curation::deletion::{self, Step};
use crate::curation::edits::{self, Place};
use crate::curation::{RegisterName, again, masked, pending};
use payload::{DELETION, Deletion, EDIT, Edit, VERSION};

mod payload;

/// The stream's name.
pub const STREAM: &str = "curation";

/// Bytes that a record has besides its payload, about.
const RECORD_BYTES: u64 = 128;

/// The strand.
#[derive(Debug)]
pub struct CurationStrand {
    archive: Archive,
    device: String,
    redactor: Redactor,
    stream: StreamName,
    /// What others had said by then is known.
    heard: Option<Timestamp>,
}

impl CurationStrand {
    /// The strand over the archive of `home`, which is made when missing. `device` is this device's id.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(home: &Home, device: &str, redactor: Redactor) -> Result<Self, ArchiveError> {
        let archive = Archive::open(home, device)?;
        let stream = STREAM.parse().expect("a stream's name");
        Ok(Self { archive, device: device.to_owned(), redactor, stream, heard: None })
    }

    /// The archive, for whoever has no other.
    pub fn archive(&mut self) -> &mut Archive {
        &mut self.archive
    }

    /// Notes what of the exchange the archive has to know; from the first time on edits are noted with what they had seen. Says
    /// whether this was that time.
    fn begin(&mut self, own: LogId) -> Result<bool, StoreError> {
        let device = &self.device;
        let is_known = |conn: &Connection| {
            let sql = "SELECT 1 FROM curation_logs l JOIN meta m ON m.key = 'curation.log' AND m.value = l.log
                       WHERE l.log = ?1 AND l.is_own AND l.alias = ?2";
            Ok::<_, StoreError>(
                pending::is_in_use(conn)? && conn.prepare_cached(sql)?.exists((own.to_string(), device))?,
            )
        };
        // Looked at first: to write may mean to wait for a pass.
        if is_known(self.archive.db.conn())? {
            return Ok(false);
        }
        self.archive.db.write(|tx| {
            let is_first = pending::begin(tx)?;
            edits::note_log(tx, own, device, true)?;
            let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('curation.log', ?1)";
            tx.execute(sql, [own.to_string()])?;
            Ok(is_first)
        })
    }

    /// Whether the own log says something that is not folded here: the archive went back, or work ended in the middle.
    fn is_behind(&self, store: &Store) -> Result<bool, StoreError> {
        let origin = Origin { log: store.log(), track: 0, stream: self.stream.clone() };
        let held = store.held(origin.log, 0)?.remove(&self.stream).unwrap_or_default();
        Ok(!held.difference(&outbox::applied(self.archive.db.conn(), &origin)?).is_empty())
    }

    /// Folds what this device said before, and forgets what waits to be said and is not later than that: it was said, and must
    /// not be said again in place of what was said after it. `log`: what was said there; `None`: wherever this device did.
    fn catch_up(&mut self, store: &mut Store, log: Option<LogId>) -> Result<(), StoreError> {
        store.deliver(self)?;
        let (redactor, stream) = (&self.redactor, &self.stream);
        self.archive.db.write(|tx| {
            for (id, payload) in in_outbox(tx, stream)? {
                let Ok(edit) = Edit::read(&payload) else { continue };
                if edits::newest_own(tx, &edit.name, log)? >= edit.at && edit.at.is_some() {
                    tx.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
                    tx.execute("DELETE FROM curation_pending WHERE outbox = ?1", [id])?;
                    edits::show(tx, &edit.name)?;
                }
            }
            for name in waiting(tx)? {
                let Some(waits) = pending::find(tx, &name)? else { continue };
                let said = exchanged(tx, redactor, &name)?.0;
                if edits::newest_own(tx, &said, log)?.is_some_and(|newest| waits.at <= newest) {
                    pending::forget(tx, &name)?;
                    edits::show(tx, &name)?;
                    edits::show(tx, &said)?;
                }
            }
            Ok(())
        })
    }

    /// Puts what waits into the outbox, newest first, about `bytes` of it. Says whether more waits.
    fn gather(&mut self, own: LogId, bytes: u64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM curation_pending WHERE outbox IS NULL AND problem IS NULL
                   UNION ALL SELECT 1 FROM deletions WHERE waits";
        // Looked at first: to write may mean to wait for a pass.
        if !self.archive.db.conn().prepare_cached(sql)?.exists([])? {
            return Ok(false);
        }
        let (redactor, stream) = (&self.redactor, &self.stream);
        self.archive.db.write(|tx| {
            let mut left = bytes;
            for (n, step) in deletion::waiting(tx)? {
                let out = deletion_record(&step)?;
                left = left.saturating_sub(out.payload.len() as u64 + RECORD_BYTES);
                outbox::push(tx, stream, &out)?;
                deletion::handed_over(tx, n)?;
            }
            for name in waiting(tx)? {
                if left == 0 {
                    return Ok(true);
                }
                let said = say(tx, stream, redactor, own, &name)?;
                left = left.saturating_sub(said);
            }
            Ok(false)
        })
    }

    /// Takes in a record that has a place. What it says of registers that are to be shown anew is added to `touched`.
    fn take(
        tx: &Transaction<'_>,
        place: Place,
        record: &Told<'_>,
        author: &Author<'_>,
        touched: &mut BTreeSet<RegisterName>,
    ) -> rusqlite::Result<()> {
        let unread = match record.kind {
            EDIT => match Edit::under(record.key, record.payload) {
                Ok(edit) if deletion::is_deleted(tx, &edit.name.session)? => return Ok(()),
                Ok(edit) => {
                    let at = edit.at.unwrap_or(record.at);
                    edits::put(tx, &edit.name, place, at, &edit.value, &edit.seen)?;
                    touched.insert(edit.name);
                    return Ok(());
                }
                Err(error) => error,
            },
            _ => match Deletion::under(record.key, record.flags, record.payload) {
                Ok(said) => {
                    let at = said.at.unwrap_or(record.at);
                    let step = Step { op: said.op, id: said.id, session: said.session, at, due_ms: said.due_ms };
                    return deletion::take_in(tx, &step, place, author.is_own, author.device);
                }
                Err(error) => error,
            },
        };
        tracing::warn!(log = %place.log, seq = place.seq, error = %unread, "what was said of a session cannot be read");
        // A merge drops what stands before it under its key, whatever it says.
        if record.flags.has(Flags::REPLACES) {
            touched.insert(edits::put_void(tx, record.key, place)?);
        }
        Ok(())
    }
}

fn knows(kind: u16, version: u16) -> bool {
    matches!((kind, version), (EDIT | DELETION, VERSION))
}

/// What of a record cannot be read.
pub(super) fn unread(record: &Record) -> Unread {
    let is_read = match record.kind {
        _ if !knows(record.kind, record.kind_version) => true,
        EDIT => Edit::under(&record.key, &record.payload).is_ok(),
        _ => Deletion::under(&record.key, record.flags, &record.payload).is_ok(),
    };
    Unread { n_records: u64::from(!is_read), ..Unread::default() }
}

/// What a record says, with a place or about to get one.
struct Told<'a> {
    kind: u16,
    flags: Flags,
    key: &'a [u8],
    at: carry_kernel::hlc::Hlc,
    payload: &'a [u8],
}

/// Who wrote a record.
struct Author<'a> {
    is_own: bool,
    /// This device's id; empty for another's.
    device: &'a str,
}

impl Strand for CurationStrand {
    fn stream(&self) -> &StreamName {
        &self.stream
    }

    fn offer(&mut self, store: &mut Store, bytes: u64, now: Timestamp) -> Result<Offered, StrandError> {
        if self.begin(store.log())? {
            self.catch_up(store, None)?;
        } else if self.is_behind(store)? {
            self.catch_up(store, Some(store.log()))?;
        }
        self.archive.finish_deletions(self.heard, now)?;
        let has_more = self.gather(store.log(), bytes)?;
        let device = &self.device;
        let mut placed = |tx: &Transaction<'_>, new: &NewRecord, at: &Appended| {
            let place = Place { log: at.log, track: 0, seq: at.seq, r: at.r, branch: None };
            let told = Told { kind: new.kind, flags: new.flags, key: &new.key, at: at.at, payload: &new.payload };
            let mut touched = BTreeSet::new();
            Self::take(tx, place, &told, &Author { is_own: true, device }, &mut touched)?;
            let sql = "DELETE FROM curation_pending WHERE outbox = ?1";
            tx.prepare_cached(sql)?.execute([edits::int(new.id)])?;
            for name in touched {
                edits::show(tx, &name)?;
            }
            Ok(())
        };
        let n_records = outbox::drain(&mut self.archive.db, &self.stream, store, now, &mut placed)?;
        Ok(Offered { n_records, has_more })
    }

    fn knows(&self, kind: u16, version: u16) -> bool {
        knows(kind, version)
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        Ok(outbox::applied(self.archive.db.conn(), origin)?)
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        Ok(outbox::origins(self.archive.db.conn(), &self.stream)?)
    }

    fn heard(&mut self, at: Timestamp) {
        self.heard = self.heard.max(Some(at));
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        let alias = if batch.is_own { self.device.as_str() } else { batch.alias };
        let author = Author { is_own: batch.is_own, device: if batch.is_own { &self.device } else { "" } };
        let (log, track) = (batch.origin.log, batch.origin.track);
        self.archive.db.write(|tx| {
            // Before anything of others is there: what was said here had not seen it.
            pending::begin(tx)?;
            edits::note_log(tx, log, alias, batch.is_own)?;
            let mut touched = BTreeSet::new();
            if edits::note_branches(tx, log, batch.branches)? {
                touched = edits::names(tx)?;
            }
            for folded in batch.records {
                let (record, branch) = (&folded.record, folded.lineage.branch);
                let place = Place { log, track, seq: record.seq, r: folded.r, branch };
                let told = Told {
                    kind: record.kind,
                    flags: record.flags,
                    key: &record.key,
                    at: record.at,
                    payload: &record.payload,
                };
                Self::take(tx, place, &told, &author, &mut touched)?;
            }
            for name in edits::to_show(tx, touched)? {
                edits::show(tx, &name)?;
            }
            Ok::<_, StoreError>(outbox::cover(tx, batch.origin, batch.covers)?)
        })?;
        Ok(())
    }

    fn say_again(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        let device = &self.device;
        self.archive.db.write(|tx| {
            let touched = again::wait(tx, origin.log, after, device)?;
            for name in edits::to_show(tx, touched)? {
                edits::show(tx, &name)?;
            }
            Ok::<_, StoreError>(outbox::uncover(tx, origin, after)?)
        })?;
        Ok(())
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        let stream = &self.stream;
        self.archive.db.write(|tx| {
            let touched = edits::take_back(tx, origin.log, origin.track, after)?;
            for name in edits::to_show(tx, touched)? {
                edits::show(tx, &name)?;
            }
            match deletion::take_back(tx, origin.log, origin.track, after)? {
                // What was said about the session was passed over since: all is handed over again.
                true => outbox::uncover_all(tx, stream)?,
                false => outbox::uncover(tx, origin, after)?,
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }
}

/// The registers with an edit that waits to be handed over, the newest first.
fn waiting(conn: &Connection) -> rusqlite::Result<Vec<RegisterName>> {
    let sql = "SELECT session, field, item FROM curation_pending WHERE outbox IS NULL AND problem IS NULL
               ORDER BY at DESC, session, field, item";
    let mut rows = conn.prepare_cached(sql)?;
    let rows = rows.query_map([], |row| {
        let session = crate::model::SessionId::stored(row.get(0)?);
        Ok(RegisterName { session, field: row.get(1)?, item: row.get(2)? })
    })?;
    rows.collect()
}

/// The register that is exchanged for one with an edit that waits, and its item as it was said here.
fn exchanged(conn: &Connection, redactor: &Redactor, name: &RegisterName) -> rusqlite::Result<(RegisterName, String)> {
    let item = masked::local(conn, name)?.item().to_owned();
    Ok((name.with_item(&redactor.text(&item).text), item))
}

/// The edits that stand in the outbox.
fn in_outbox(conn: &Connection, stream: &StreamName) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let sql = "SELECT id, payload, plain_bytes FROM outbox WHERE stream = ?1 AND kind = ?2 ORDER BY id";
    let mut rows = conn.prepare_cached(sql)?;
    let mut rows = rows.query((stream.as_str(), EDIT))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, outbox::unpacked(row.get(1)?, row.get(2)?)?));
    }
    Ok(found)
}

/// Puts the edit that waits of a register into the outbox. Says of about how many bytes it is.
fn say(
    tx: &Transaction<'_>,
    stream: &StreamName,
    redactor: &Redactor,
    own: LogId,
    name: &RegisterName,
) -> Result<u64, StoreError> {
    let Some(waits) = pending::find(tx, name)? else { return Ok(0) };
    let (said_name, local_item) = exchanged(tx, redactor, name)?;
    let value: Value = waits.value.as_deref().map(|value| redactor.text(value).text.into_owned()).into();
    // What stands in the own log is known by its place.
    let seen: Seen = waits.seen.iter().filter(|(log, ..)| *log != own).collect();
    let edit = Edit { name: said_name, value, seen, at: Some(waits.at) };
    let payload = match edit.to_bytes() {
        Ok(payload) => payload,
        Err(error) => {
            // It stays as it is here, and holds up nothing.
            tracing::warn!(session = %name.session, field = name.field, %error, "an edit cannot be exchanged");
            pending::refuse(tx, name, &error.to_string())?;
            return Ok(0);
        }
    };
    masked::note(tx, &edit.name, &local_item, &edit.value, waits.value.as_deref())?;
    let bytes = payload.len() as u64 + RECORD_BYTES;
    let out = Outgoing {
        flags: Flags::REPLACES,
        key: edit.name.key().as_bytes().to_vec(),
        kind: EDIT,
        kind_version: VERSION,
        wants: Vec::new(),
        payload,
    };
    let id = outbox::push(tx, stream, &out)?;
    pending::handed_over(tx, name, &edit.name, id)?;
    if edit.name != *name {
        // Others may have said the masked one already, and it stood here beside ours.
        let sql = "DELETE FROM curation WHERE session = ?1 AND field = ?2 AND item = ?3";
        tx.execute(sql, edit.name.columns())?;
        edits::show(tx, &edit.name)?;
    }
    Ok(bytes)
}

fn deletion_record(step: &Step) -> Result<Outgoing, StoreError> {
    let said = Deletion {
        session: step.session.clone(),
        op: step.op,
        id: step.id.clone(),
        at: Some(step.at),
        due_ms: step.due_ms,
    };
    let payload = said.to_bytes().map_err(|error| StoreError::Strand(Box::new(error)))?;
    let key = said.key();
    Ok(Outgoing {
        flags: Flags::KEEPS,
        key: key.as_bytes().to_vec(),
        kind: DELETION,
        kind_version: VERSION,
        wants: Vec::new(),
        payload,
    })
}

#[cfg(test)]
mod tests;

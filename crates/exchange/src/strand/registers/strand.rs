//! How registers go through the exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::Db;
use carry_kernel::db::rusqlite::{self, Connection, Transaction};
use carry_kernel::hlc::Hlc;

use super::deletion::{self, Step};
use super::edits::{self, Place};
use super::payload::{DELETION, Deletion, EDIT, Edit, VERSION};
use super::{Name, Registers, again};
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::record::{Flags, Record};
use crate::store::{Store, StoreError};
use crate::strand::{Appended, Batch, NewRecord, Offered, Origin, Strand, StrandError, outbox};

/// Whatever keeps registers in a SQLite file, with the tables of [`SQL`](super::SQL) and those of the [outbox].
pub trait Keep: Send {
    /// The file, to read.
    fn db(&self) -> &Db;
    /// The file, to write.
    fn db_mut(&mut self) -> &mut Db;
}

impl Keep for Db {
    fn db(&self) -> &Db {
        self
    }

    fn db_mut(&mut self) -> &mut Db {
        self
    }
}

/// Masks a text that leaves the device: the same text always to the same.
pub type Mask = Box<dyn Fn(&str) -> String + Send>;

/// A strand of registers.
pub struct RegisterStrand<K> {
    keep: K,
    registers: Registers,
    /// This device's id.
    device: String,
    mask: Mask,
    /// What others had said by then is known.
    heard: Option<Timestamp>,
}

impl<K: fmt::Debug> fmt::Debug for RegisterStrand<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keep, registers, device, mask: _, heard } = self;
        let mut all = f.debug_struct("RegisterStrand");
        all.field("keep", keep).field("registers", registers).field("device", device).field("heard", heard);
        all.finish_non_exhaustive()
    }
}

impl<K: Keep> RegisterStrand<K> {
    /// The strand over what is kept there. `device` is this device's id; all text that leaves passes `mask`.
    pub fn new(keep: K, registers: Registers, device: &str, mask: Mask) -> Self {
        Self { keep, registers, device: device.to_owned(), mask, heard: None }
    }

    /// What the registers are kept in, for whoever has no other.
    pub fn keeper(&self) -> &K {
        &self.keep
    }

    /// The same, to write.
    pub fn keeper_mut(&mut self) -> &mut K {
        &mut self.keep
    }

    /// Notes what of the exchange has to be known; from the first time on edits are noted with what they had seen. Says whether
    /// what this device said before is still to be folded here: the file may be new, or from another time.
    fn begin(&mut self, own: LogId) -> Result<bool, StoreError> {
        let (device, registers) = (&self.device, &self.registers);
        let is_known = |conn: &Connection| {
            let sql = "SELECT 1 FROM register_logs l JOIN register_self s ON s.log = l.log
                       WHERE s.is_caught_up AND l.log = ?1 AND l.is_own AND l.alias = ?2";
            conn.prepare_cached(sql)?.exists((own.to_string(), device))
        };
        // Looked at first: to write may mean to wait for others.
        if is_known(self.keep.db().conn())? {
            return Ok(false);
        }
        self.keep.db_mut().write(|tx| {
            registers.begin(tx)?;
            edits::note_log(tx, own, device, true)?;
            tx.execute("UPDATE register_self SET log = ?1", [own.to_string()])?;
            Ok(!tx.query_row("SELECT is_caught_up FROM register_self", [], |row| row.get::<_, bool>(0))?)
        })
    }

    /// Whether the own log says something that is not folded here: the file went back, or work ended in the middle.
    fn is_behind(&self, store: &Store) -> Result<bool, StoreError> {
        let stream = &self.registers.stream;
        let origin = Origin { log: store.log(), track: 0, stream: stream.clone() };
        let held = store.held(origin.log, 0)?.remove(stream).unwrap_or_default();
        Ok(!held.difference(&outbox::applied(self.keep.db().conn(), &origin)?).is_empty())
    }

    /// Folds what this device said before, and forgets what waits to be said and is not later than that: it was said, and must
    /// not be said again in place of what was said after it. `said`: what counts as said.
    fn catch_up(&mut self, store: &mut Store, said: &BTreeMap<LogId, u64>) -> Result<(), StoreError> {
        store.deliver(self)?;
        let (registers, mask) = (&self.registers, &self.mask);
        self.keep.db_mut().write(|tx| registers.forget_said(tx, mask, said))
    }

    /// Puts what waits into the outbox, newest first, about `bytes` of it. Says whether more waits. [`Strand::offer`] does that,
    /// and then gives it its place in the log `own`; work may end between both.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it is there.
    pub fn gather(&mut self, own: LogId, bytes: u64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM register_pending WHERE outbox IS NULL AND problem IS NULL
                   UNION ALL SELECT 1 FROM register_deletions WHERE waits";
        // Looked at first: to write may mean to wait for others.
        if !self.keep.db().conn().prepare_cached(sql)?.exists([])? {
            return Ok(false);
        }
        let (registers, mask) = (&self.registers, &self.mask);
        self.keep.db_mut().write(|tx| registers.hand_over(tx, mask, own, bytes))
    }
}

/// What a record says, with a place or about to get one.
struct Told<'a> {
    kind: u16,
    flags: Flags,
    key: &'a [u8],
    at: Hlc,
    payload: &'a [u8],
}

/// Who wrote a record.
struct Author<'a> {
    is_own: bool,
    /// This device's id; empty for another's.
    device: &'a str,
}

impl Registers {
    /// Whether a record of this stream says something that can be read, or is of a kind that a later version knows.
    pub fn is_read(&self, record: &Record) -> bool {
        let (stream, key) = (&self.stream, &record.key[..]);
        match record.kind {
            _ if !knows(record.kind, record.kind_version) => true,
            EDIT => Edit::under(stream, key, &record.payload).is_ok(),
            _ => Deletion::under(stream, key, record.flags, &record.payload).is_ok(),
        }
    }

    /// Takes in a record that has a place. What it says of registers that are to be shown anew is added to `touched`.
    fn take(
        &self,
        tx: &Transaction<'_>,
        place: Place,
        record: &Told<'_>,
        author: &Author<'_>,
        touched: &mut BTreeSet<Name>,
    ) -> rusqlite::Result<()> {
        let stream = &self.stream;
        let unread = match record.kind {
            EDIT => match Edit::under(stream, record.key, record.payload) {
                Ok(edit) if deletion::is_deleted(tx, &edit.name.target)? => return Ok(()),
                Ok(edit) => {
                    let at = edit.at.unwrap_or(record.at);
                    edits::put(tx, &edit.name, place, at, &edit.value, &edit.seen)?;
                    touched.insert(edit.name);
                    return Ok(());
                }
                Err(error) => error,
            },
            _ => match Deletion::under(stream, record.key, record.flags, record.payload) {
                Ok(said) => {
                    let at = said.at.unwrap_or(record.at);
                    let step = Step { op: said.op, id: said.id, target: said.target, at, due_ms: said.due_ms };
                    return self.take_in(tx, &step, place, author.is_own, author.device);
                }
                Err(error) => error,
            },
        };
        tracing::warn!(log = %place.log, %stream, seq = place.seq, error = %unread, "a record cannot be read");
        // A merge drops what stands before it under its key, whatever it says.
        if record.flags.has(Flags::REPLACES) {
            touched.insert(edits::put_void(tx, record.key, place)?);
        }
        Ok(())
    }

    fn show_all(&self, conn: &Connection, touched: BTreeSet<Name>) -> rusqlite::Result<()> {
        self.to_show(conn, touched)?.iter().try_for_each(|name| self.show(conn, name))
    }
}

fn knows(kind: u16, version: u16) -> bool {
    matches!((kind, version), (EDIT | DELETION, VERSION))
}

impl<K: Keep> Strand for RegisterStrand<K> {
    fn stream(&self) -> &StreamName {
        &self.registers.stream
    }

    fn offer(&mut self, store: &mut Store, bytes: u64, now: Timestamp) -> Result<Offered, StrandError> {
        if self.begin(store.log())? {
            // What a copy of this home said is not what was said here: where both differ, it is a conflict.
            self.catch_up(store, &store.said_here(&self.registers.stream)?)?;
        } else if self.is_behind(store)? {
            self.catch_up(store, &BTreeMap::from([(store.log(), u64::MAX)]))?;
        }
        self.registers.finish_deletions(self.keep.db_mut(), self.heard, now)?;
        let has_more = self.gather(store.log(), bytes)?;
        let (device, registers) = (&self.device, &self.registers);
        let mut placed = |tx: &Transaction<'_>, new: &NewRecord, at: &Appended| {
            let place = Place { log: at.log, track: 0, seq: at.seq, r: at.r, branch: None };
            let told = Told { kind: new.kind, flags: new.flags, key: &new.key, at: at.at, payload: &new.payload };
            let mut touched = BTreeSet::new();
            registers.take(tx, place, &told, &Author { is_own: true, device }, &mut touched)?;
            let sql = "DELETE FROM register_pending WHERE outbox = ?1";
            tx.prepare_cached(sql)?.execute([edits::int(new.id)])?;
            Ok(registers.show_all(tx, touched)?)
        };
        let n_records = outbox::drain(self.keep.db_mut(), &registers.stream, store, now, &mut placed)?;
        Ok(Offered { n_records, has_more })
    }

    fn knows(&self, kind: u16, version: u16) -> bool {
        knows(kind, version)
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        Ok(outbox::applied(self.keep.db().conn(), origin)?)
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        Ok(outbox::origins(self.keep.db().conn(), &self.registers.stream)?)
    }

    fn heard(&mut self, at: Timestamp) {
        self.heard = self.heard.max(Some(at));
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        let alias = if batch.is_own { self.device.as_str() } else { batch.alias };
        let author = Author { is_own: batch.is_own, device: if batch.is_own { &self.device } else { "" } };
        let (log, track) = (batch.origin.log, batch.origin.track);
        let registers = &self.registers;
        self.keep.db_mut().write(|tx| {
            // Before anything of others is there: what was said here had not seen it.
            registers.begin(tx)?;
            edits::note_log(tx, log, alias, batch.is_own)?;
            let mut touched = BTreeSet::new();
            if edits::note_branches(tx, log, batch.branches)? {
                touched = edits::names_of(tx, log)?;
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
                registers.take(tx, place, &told, &author, &mut touched)?;
            }
            registers.show_all(tx, touched)?;
            Ok::<_, StoreError>(outbox::cover(tx, batch.origin, batch.covers)?)
        })?;
        Ok(())
    }

    fn say_again(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        let (device, registers) = (&self.device, &self.registers);
        self.keep.db_mut().write(|tx| {
            registers.show_all(tx, again::wait(tx, origin.log, after, device)?)?;
            Ok::<_, StoreError>(outbox::uncover(tx, origin, after)?)
        })?;
        Ok(())
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        let registers = &self.registers;
        self.keep.db_mut().write(|tx| {
            registers.show_all(tx, edits::take_back(tx, origin.log, origin.track, after)?)?;
            match deletion::take_back(tx, origin.log, origin.track, after)? {
                // What was said about the target was passed over since: all is handed over again.
                true => outbox::uncover_all(tx, &registers.stream)?,
                false => outbox::uncover(tx, origin, after)?,
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }
}

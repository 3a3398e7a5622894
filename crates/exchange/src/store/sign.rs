//! Signs heads. What was signed is committed before a byte of it leaves, and is never signed again differently.

use std::collections::BTreeMap;
use std::sync::Arc;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};
use carry_kernel::hlc::Hlc;
use ed25519_dalek::Signer as _;

use super::fault::point;
use super::rows::{Lane, digest, int, number, parsed};
use super::verified::Verified;
use super::{Limit, Store, StoreError};
use crate::clock;
use crate::hash::Digest;
use crate::head::{Head, ListRef, Relay, Segments, Served, SignedHead, StreamState, Want, segments};
use crate::holds::Holds;
use crate::limits::{LIST_SEGMENTS_MAX, TAIL_AIM};
use crate::list::List;
use crate::name::{LogId, StreamName};

/// Heads whose bytes are kept, newest first. Of older ones the digest is, to know them again.
const HEADS_KEPT: u64 = 64;

/// Positions in others' streams that a head speaks of itself; with more, a new list takes them.
const HOLDS_AIM: usize = 64;

/// What a head says besides what the store knows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The number of the sealing key that is known.
    pub epoch: u64,
    /// The digest of the roster that is known.
    pub roster: Option<Digest>,
    /// How long objects stay after no head names them any more, in seconds.
    pub grace_s: u64,
    /// Who may pass each stream on; [`Relay::Own`] for one that is not here.
    pub relay: BTreeMap<StreamName, Relay>,
    /// What to ask for.
    pub wants: Vec<Want>,
    /// Segments of other logs that were cut anew.
    pub serves: Vec<Served>,
    /// Whether news of what is held are worth a head of their own.
    pub lone_holds: bool,
    /// Whether a first head is signed that says nothing but that there is this device, so that others can approve it.
    pub announce: bool,
}

impl Default for Statement {
    fn default() -> Self {
        Self {
            epoch: 0,
            roster: None,
            grace_s: 7 * 24 * 60 * 60,
            relay: BTreeMap::new(),
            wants: Vec::new(),
            serves: Vec::new(),
            lone_holds: false,
            announce: false,
        }
    }
}

/// Which segments stand in the list and which in the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The list's segments; `None` to go on with the list that there is.
    pub(super) list: Option<Segments>,
    /// The head's.
    pub(super) tail: Segments,
}

/// Decides where segments stand. A list is written anew when the head would name more than [`TAIL_AIM`] segments, and when
/// one that the list names was merged; then it takes them all, so that heads stay small for as long as possible.
pub(super) fn lay_out(all: &Segments, listed: &Segments) -> Layout {
    let is_listed = listed.iter().all(|(stream, listed)| all.get(stream).is_some_and(|all| all.starts_with(listed)));
    let n_listed = |stream: &StreamName| listed.get(stream).map_or(0, Vec::len);
    let n_tail: usize = all.iter().map(|(stream, all)| all.len().saturating_sub(n_listed(stream))).sum();
    if is_listed && n_tail <= TAIL_AIM {
        let tail = all.iter().map(|(stream, all)| (stream.clone(), all[n_listed(stream)..].to_vec()));
        return Layout { list: None, tail: tail.collect() };
    }
    list_all(all)
}

/// Everything in a new list.
fn list_all(all: &Segments) -> Layout {
    Layout { list: Some(all.clone()), tail: all.keys().map(|stream| (stream.clone(), Vec::new())).collect() }
}

impl Store {
    /// Signs the next head if there is something to say: segments, or one of the statement's members, or with
    /// [`Statement::lone_holds`] news of what is held, or with [`Statement::announce`] that there is this device. The head is durable when it is returned.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was signed.
    pub fn sign(&mut self, statement: &Statement, now: Timestamp) -> Result<Option<SignedHead>, StoreError> {
        self.refresh()?;
        self.note_time(now);
        let (log, key, verified) = (self.log, self.key.clone(), &self.verified);
        let from = self.vouch(log)?;
        let device = self.device.clone();
        let author = self.identity.as_ref().map(|identity| identity.author(&key.verifying_key().to_bytes()));
        self.db.write(|tx| {
            if has_newer(tx, log)? {
                return Err(StoreError::Refused(
                    "a later version of the program signed for this log; this one only reads it",
                ));
            }
            let before = newest(tx, verified, log)?;
            let (all, chains) = own_segments(tx, log)?;
            let holds = holds(tx)?;
            let old = before.as_ref().map(|before| before.head());
            let list = match old.and_then(|head| head.list) {
                Some(list) => Some((list, read_list(tx, verified, log, &list)?)),
                None => None,
            };
            let no_list = Segments::new();
            let listed = list.as_ref().map_or(&no_list, |(_, list)| &list.streams);
            let layout = lay_out(&all, listed);
            let plain_tail = layout.tail.clone();
            let news = changed(&holds, list.as_ref().map(|(_, list)| &list.holds));
            let layout = match layout.list {
                // A head with all of it would soon be too large.
                None if news.values().map(BTreeMap::len).sum::<usize>() > HOLDS_AIM => list_all(&all),
                _ => layout,
            };
            let list = match layout.list {
                None => list,
                Some(streams) => Some(write_list(tx, Arc::new(List { log, streams, holds: holds.clone() }))?),
            };
            // Whoever does not know the device's key says what was said before.
            let author = author.or_else(|| old.and_then(|head| head.author.clone()));
            let author = author.filter(|author| device.belongs_to(&author.key));
            let relay = |stream: &StreamName| statement.relay.get(stream).copied().unwrap_or(Relay::Own);
            let streams = layout.tail.into_iter().map(|(stream, tail)| {
                let (last, chain) = chains[&stream];
                let relay = relay(&stream);
                (stream, StreamState { last, chain, relay, tail })
            });
            let base = list.as_ref().map(|(_, list)| &list.holds);
            let head = Head {
                key: key.verifying_key().to_bytes(),
                n: old.map_or(1, |head| head.n + 1),
                prev: before.as_ref().map(SignedHead::digest),
                at: clock::next(old.map_or(Hlc::default(), |head| head.at), now).at,
                device,
                // In every head, since the first ones are collected and later devices must know it too.
                from,
                epoch: statement.epoch,
                roster: statement.roster,
                grace_s: statement.grace_s,
                list: list.as_ref().map(|(reference, _)| *reference),
                streams: streams.collect(),
                holds: changed(&holds, base),
                wants: statement.wants.clone(),
                serves: statement.serves.clone(),
                author,
            };
            let is_same = old.is_some_and(|old| is_same(old, &head, &plain_tail, statement.lone_holds));
            if is_same || (old.is_none() && is_empty(&head) && !statement.announce) {
                return Ok(None);
            }
            let signed = head.sign(&|message| key.sign(message).to_bytes())?;
            tx.prepare_cached("INSERT INTO heads_signed (log, n, digest, bytes) VALUES (?1, ?2, ?3, ?4)")?
                .execute((log.to_string(), int(head.n), signed.digest().as_bytes(), signed.bytes()))?;
            let forgotten = int(head.n.saturating_sub(HEADS_KEPT));
            let sql = "UPDATE heads_signed SET bytes = NULL WHERE log = ?1 AND n <= ?2";
            tx.prepare_cached(sql)?.execute((log.to_string(), forgotten))?;
            // The list of the head before may still be read by those who come late.
            let kept = [head.list, before.as_ref().and_then(|before| before.head().list)]
                .map(|list| list.map(|list| *list.digest.as_bytes()));
            let sql =
                "DELETE FROM lists WHERE log = ?1 AND digest <> coalesce(?2, x'') AND digest <> coalesce(?3, x'')";
            tx.prepare_cached(sql)?.execute((log.to_string(), kept[0], kept[1]))?;
            point("exchange.sign.done")?;
            Ok(Some(signed))
        })
    }

    /// The newest head that this device signed for its log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_signed(&self) -> Result<Option<SignedHead>, StoreError> {
        newest(self.db.conn(), &self.verified, self.log)
    }

    /// What the newest signed head names, with its list: what is to be put.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn signed_segments(&self) -> Result<Option<(SignedHead, Segments)>, StoreError> {
        let Some(signed) = self.newest_signed()? else { return Ok(None) };
        let list = match signed.head().list {
            Some(list) => Some(read_list(self.db.conn(), &self.verified, self.log, &list)?),
            None => None,
        };
        let segments = segments(signed.head(), list.as_deref());
        let segments = segments.map_err(|e| StoreError::damaged_row("the newest signed head", e.to_string()))?;
        Ok(Some((signed, segments)))
    }
}

/// The newest signed head of an own log.
pub(super) fn newest(
    db: &rusqlite::Connection,
    verified: &Verified,
    log: LogId,
) -> Result<Option<SignedHead>, StoreError> {
    let sql = "SELECT n, digest, bytes FROM heads_signed WHERE log = ?1 ORDER BY n DESC LIMIT 1";
    let row = db
        .prepare_cached(sql)?
        .query_row([log.to_string()], |row| Ok((number(row, 0)?, digest(row, 1)?, row.get::<_, Vec<u8>>(2)?)));
    let Some((n, digest, bytes)) = row.optional()? else { return Ok(None) };
    let read = verified.head(log, n, digest, &bytes);
    read.map(Some).map_err(|e| StoreError::damaged_row(format!("signed head {n} of {log}"), super::read::describe(&e)))
}

/// A list that is held, and must be.
fn read_list(
    db: &rusqlite::Connection,
    verified: &Verified,
    log: LogId,
    list: &ListRef,
) -> Result<Arc<List>, StoreError> {
    let found = find_list(db, verified, log, list)?;
    found.ok_or_else(|| StoreError::damaged(format!("list {} of {log}", list.digest), "it is gone"))
}

/// A list, if it is held.
pub(super) fn find_list(
    db: &rusqlite::Connection,
    verified: &Verified,
    log: LogId,
    list: &ListRef,
) -> Result<Option<Arc<List>>, StoreError> {
    let Some(bytes) = list_bytes(db, log, list.digest)? else { return Ok(None) };
    let read = verified.list(log, list, bytes);
    let read =
        read.map_err(|e| StoreError::damaged(format!("list {} of {log}", list.digest), super::read::describe(&e)));
    read.map(Some)
}

/// The bytes of a list that is held.
pub(super) fn list_bytes(db: &rusqlite::Connection, log: LogId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT bytes FROM lists WHERE log = ?1 AND digest = ?2";
    let row = db.prepare_cached(sql)?.query_row((log.to_string(), digest.as_bytes()), |row| row.get(0));
    Ok(row.optional()?)
}

fn write_list(tx: &rusqlite::Connection, list: Arc<List>) -> Result<(ListRef, Arc<List>), StoreError> {
    if list.streams.values().map(Vec::len).sum::<usize>() > LIST_SEGMENTS_MAX {
        return Err(StoreError::Full(Limit::Segments));
    }
    let written = list.write()?;
    let sql = "INSERT OR REPLACE INTO lists (log, digest, bytes) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute((list.log.to_string(), written.reference.digest.as_bytes(), &written.bytes))?;
    Ok((written.reference, list))
}

/// An own stream's last sealed record, and the chain after it.
type Ends = BTreeMap<StreamName, (u64, Digest)>;

/// All sealed segments of an own log, and where each stream ends.
fn own_segments(tx: &rusqlite::Connection, log: LogId) -> Result<(Segments, Ends), StoreError> {
    let mut streams = tx.prepare_cached("SELECT DISTINCT stream FROM segments WHERE log = ?1 AND track = 0")?;
    let streams = streams.query_map([log.to_string()], |row| parsed(row, 0))?;
    let (mut all, mut ends) = (Segments::new(), Ends::new());
    for stream in streams.collect::<rusqlite::Result<Vec<StreamName>>>()? {
        let pieces = super::read::pieces(tx, &Lane::own(log, &stream), 1, u64::MAX)?;
        let Some(last) = pieces.last() else { continue };
        ends.insert(stream.clone(), (last.reference.last, last.chain));
        all.insert(stream, pieces.into_iter().map(|piece| piece.reference).collect());
    }
    Ok((all, ends))
}

/// What is held of others' logs that are followed.
pub(super) fn holds(db: &rusqlite::Connection) -> Result<Holds, StoreError> {
    let sql = "SELECT h.log, h.stream, h.last FROM holds h JOIN logs l ON l.log = h.log
               WHERE l.state IN ('approved', 'former') AND h.last > 0 ORDER BY h.log LIMIT 16384";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map([], |row| Ok((parsed(row, 0)?, parsed(row, 1)?, number(row, 2)?)))?;
    let mut holds = Holds::new();
    for row in rows {
        let (log, stream, last) = row?;
        holds.entry(log).or_default().insert(stream, last);
    }
    Ok(holds)
}

/// What of `holds` the list does not say.
fn changed(holds: &Holds, base: Option<&Holds>) -> Holds {
    let Some(base) = base else { return holds.clone() };
    let mut changed = Holds::new();
    for (log, streams) in holds {
        for (stream, last) in streams {
            if base.get(log).and_then(|streams| streams.get(stream)) != Some(last) {
                changed.entry(*log).or_default().insert(stream.clone(), *last);
            }
        }
    }
    changed
}

/// Whether a head says nothing that the one before it did not. `plain_tail` is what it would name itself if news of what is
/// held had not made a new list.
fn is_same(old: &Head, new: &Head, plain_tail: &Segments, lone_holds: bool) -> bool {
    let mut same = Head { n: old.n, prev: old.prev, at: old.at, ..new.clone() };
    if !lone_holds {
        same.holds = old.holds.clone();
        let tails = old.streams.iter().map(|(stream, state)| (stream, &state.tail));
        if tails.eq(plain_tail) && old.streams.keys().eq(same.streams.keys()) {
            same.list = old.list;
            for (state, tail) in same.streams.values_mut().zip(plain_tail.values()) {
                state.tail.clone_from(tail);
            }
        }
    }
    same == *old
}

fn is_empty(head: &Head) -> bool {
    head.streams.is_empty()
        && head.list.is_none()
        && head.holds.is_empty()
        && head.wants.is_empty()
        && head.from.is_none()
}

/// Whether a head of the log was seen that needs a later version.
fn has_newer(tx: &rusqlite::Connection, log: LogId) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM heads_seen WHERE log = ?1 AND verdict = 'newer')";
    Ok(tx.prepare_cached(sql)?.query_row([log.to_string()], |row| row.get(0))?)
}

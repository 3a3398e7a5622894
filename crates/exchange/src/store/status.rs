//! How things stand: which logs there are, what of each is here, and who has what of whom.
//!
//! Read from tables alone: no file of records is opened and no remote asked, so that it takes milliseconds. What heads say of
//! themselves (labels, times) proves nothing and is for people to read.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::db::{Db, DbError};
use carry_kernel::home::Home;
use carry_kernel::id::DeviceId;

use super::places::Places;
use super::rows::{self, Lane, digest, int, number, parsed, track};
use super::schema::SCHEMA;
use super::verified::Verified;
use super::{LogRow, LogState, Store, StoreError, incarnation, sign};
use crate::head::{Author, SignedHead};
use crate::holds::Holds;
use crate::name::{LogId, ObjectName, StreamName};
use crate::ranges::Ranges;

/// Own heads that are looked at to learn how far another's clock is behind.
const OWN_HEADS: u64 = 16;

/// How everything stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The log that this device writes.
    pub own: LogId,
    /// All logs: the own one, those it wrote before, then the others by their names here.
    pub logs: Vec<LogStatus>,
}

/// How one log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// The log, its name here, and whether it counts.
    pub row: LogRow,
    /// The key it is written under, once a head of it was seen.
    pub key: Option<[u8; 32]>,
    /// The id of the device that writes it. Without an `author` it proves nothing.
    pub device: Option<DeviceId>,
    /// The device that writes it, by the key whose fingerprint people compare, and what it is called. The key did sign this log.
    pub author: Option<Author>,
    /// Its newest head; of a forked log, that of the way with the most heads.
    pub head: Option<NewestHead>,
    /// By how many milliseconds its author's clock is ahead of this device's at the least; behind, when negative. `None` where
    /// nothing shows that they differ.
    pub skew_ms: Option<i64>,
    /// The ways that it went on; 1 unless two homes write it.
    pub n_ways: usize,
    /// Whether a head was seen that covers less than one before: its author's disk went back.
    pub has_shrunk: bool,
    /// Whether a head was seen that needs a later version of the program.
    pub needs_upgrade: bool,
    /// Its streams.
    pub streams: BTreeMap<StreamName, StreamStatus>,
    /// What its author says it holds of others, without a gap from the first record on. Of the own log: what is folded here.
    pub holds: Holds,
}

/// A log of another device, and the device that writes it, as its newest head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The log, its name here, and whether it counts.
    pub row: LogRow,
    /// The id of the device. Without an `author` it proves nothing.
    pub device: Option<DeviceId>,
    /// The device by its key, which did sign this log, and what it is called.
    pub author: Option<Author>,
}

/// The newest head of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestHead {
    /// Its number.
    pub n: u64,
    /// When it was signed, by its author's clock.
    pub at: Timestamp,
    /// When it came here, by this device's clock. `None` for one that was signed here.
    pub came: Option<Timestamp>,
}

/// How one stream of a log stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamStatus {
    /// The last record that the newest head names; of ways that parted, the greatest.
    pub published: u64,
    /// What is here.
    pub held: Ranges,
    /// What the newest head names and is not here.
    pub missing: Ranges,
    /// Records here that wait for an attachment.
    pub n_waiting: u64,
    /// Records here of kinds that this version does not know.
    pub n_deferred: u64,
}

impl StreamStatus {
    /// The records that are here and that no head names yet: they wait to be published.
    pub fn n_unpublished(&self) -> u64 {
        self.held.last().unwrap_or(0).saturating_sub(self.published)
    }
}

impl LogStatus {
    /// The key of the device that writes it, where that said so.
    pub fn device_key(&self) -> Option<[u8; 32]> {
        self.author.as_ref().map(|author| author.key)
    }

    /// What its author calls itself: a label that proves nothing.
    pub fn label(&self) -> Option<&str> {
        self.author.as_ref().and_then(|author| author.label.as_deref())
    }

    /// Whether this device writes the log, or wrote it.
    pub fn is_ours(&self) -> bool {
        matches!(self.row.state, LogState::Own | LogState::Former)
    }

    /// How many records are missing here, over all streams.
    pub fn n_missing(&self) -> u64 {
        self.streams.values().map(|stream| stream.missing.count()).fold(0, u64::saturating_add)
    }
}

impl Status {
    /// The status of a log.
    pub fn log(&self, log: LogId) -> Option<&LogStatus> {
        self.logs.iter().find(|other| other.row.log == log)
    }

    /// The own log.
    pub fn own(&self) -> Option<&LogStatus> {
        self.log(self.own)
    }

    /// The logs that nobody approved.
    pub fn unapproved(&self) -> impl Iterator<Item = &LogStatus> {
        self.logs.iter().filter(|log| log.row.state == LogState::Unapproved)
    }

    /// The approved logs whose authors say that they hold everything that is published of this stream, and that are not
    /// this device's. What a remote has is not counted: it may lose it, and nobody has read it there.
    pub fn safe_on(&self, log: LogId, stream: &StreamName) -> Vec<&LogStatus> {
        let published = self.log(log).and_then(|log| log.streams.get(stream)).map_or(0, |stream| stream.published);
        let has_all = |other: &LogStatus| {
            let held = other.holds.get(&log).and_then(|streams| streams.get(stream)).copied().unwrap_or(0);
            other.row.log != log && other.row.state == LogState::Approved && published > 0 && held >= published
        };
        self.logs.iter().filter(|other| has_all(other)).collect()
    }
}

impl Store {
    /// How everything stands. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn status(&self) -> Result<Status, StoreError> {
        read(self.db.conn(), self.log, Some(self.key.verifying_key().to_bytes()))
    }

    /// Who writes the logs of others: what is read of them for that is their newest heads alone. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn written(&self) -> Result<Vec<Written>, StoreError> {
        let db = self.db.conn();
        let mut all = Vec::new();
        for row in super::logs::all(db)? {
            if matches!(row.state, LogState::Own | LogState::Former) {
                continue;
            }
            // Of several ways the one with the most heads, and of those the first, as in a whole status.
            let mut newest: Option<SignedHead> = None;
            for (_, head, _) in followed(db, row.log)? {
                if newest.as_ref().is_none_or(|newest| newest.head().n < head.head().n) {
                    newest = Some(head);
                }
            }
            let head = newest.as_ref().map(SignedHead::head);
            all.push(Written {
                row,
                device: head.map(|head| head.device.clone()),
                author: head.and_then(|head| head.author.clone()),
            });
        }
        Ok(all)
    }
}

/// The same for whoever only looks: makes nothing, and is `None` where nothing was ever exchanged.
///
/// # Errors
/// [`StoreError`].
pub fn look(home: &Home) -> Result<Option<Status>, StoreError> {
    let Some(db) = open(home)? else { return Ok(None) };
    let Some((log, _)) = super::open::current(db.conn())? else { return Ok(None) };
    let key = match incarnation::load_key(&Places::new(home), log) {
        Ok(key) => Some(key.verifying_key().to_bytes()),
        // Whoever writes says that it is gone.
        Err(StoreError::Key { .. } | StoreError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    read(db.conn(), log, key).map(Some)
}

/// The database, to be read.
pub(super) fn open(home: &Home) -> Result<Option<Db>, DbError> {
    Db::open_read_only(&home.database("exchange"), SCHEMA)
}

fn read(db: &Connection, own: LogId, own_key: Option<[u8; 32]>) -> Result<Status, StoreError> {
    let own_heads = own_heads(db, own)?;
    let mut logs = Vec::new();
    for row in super::logs::all(db)? {
        let is_own = row.log == own;
        let mut status = log_status(db, row, own, &own_heads)?;
        if is_own {
            status.key = own_key.or(status.key);
            status.holds = sign::holds(db)?;
        }
        logs.push(status);
    }
    let rank = |log: &LogStatus| match log.row.state {
        LogState::Own => 0,
        LogState::Former => 1,
        LogState::Approved | LogState::Unapproved | LogState::Revoked => 2,
    };
    logs.sort_by(|a, b| (rank(a), &a.row.alias).cmp(&(rank(b), &b.row.alias)));
    Ok(Status { own, logs })
}

fn log_status(db: &Connection, row: LogRow, own: LogId, own_heads: &[SignedHead]) -> Result<LogStatus, StoreError> {
    let log = row.log;
    let mut status = LogStatus {
        row,
        key: None,
        device: None,
        author: None,
        head: None,
        skew_ms: None,
        n_ways: 0,
        has_shrunk: verdict_seen(db, log, "shrunk")?,
        needs_upgrade: verdict_seen(db, log, "newer")?,
        streams: BTreeMap::new(),
        holds: Holds::new(),
    };
    let mut heads = followed(db, log)?;
    if log == own {
        heads.extend(own_heads.first().cloned().map(|head| (0, head, None)));
    }
    status.n_ways = heads.len().max(1);
    let mut published: BTreeMap<(u32, StreamName), u64> = BTreeMap::new();
    for (track, head, came) in &heads {
        for (stream, state) in &head.head().streams {
            published.insert((*track, stream.clone()), state.last);
        }
        if status.head.is_none_or(|newest| newest.n < head.head().n) {
            let at = Timestamp::from_millis(i64::try_from(head.head().at.wall_ms).unwrap_or(i64::MAX));
            status.head = Some(NewestHead { n: head.head().n, at, came: *came });
            status.key = Some(head.head().key);
            status.device = Some(head.head().device.clone());
            status.author = head.head().author.clone();
            status.holds = holds_of(db, head)?;
            status.skew_ms = came.and_then(|came| skew(head, at, came, &status.holds, own, own_heads));
        }
    }
    let revoked_at = match status.row.state {
        LogState::Revoked => Some(super::trust::positions(db, log)?),
        _ => None,
    };
    // What comes after a revocation is not fetched, and so not missing.
    let wanted = |stream: &StreamName, last: u64| match &revoked_at {
        Some(at) => at.get(stream).map_or(0, |at| at.0.min(last)),
        None => last,
    };
    for lane in lanes_of(db, log)? {
        let known = published.entry((lane.track, lane.stream.clone())).or_default();
        let held = rows::held(db, &lane)?;
        let stream = status.streams.entry(lane.stream.clone()).or_default();
        stream.missing = stream.missing.union(&held.gaps(wanted(&lane.stream, *known)));
        stream.held = stream.held.union(&held);
        stream.n_waiting += count(db, "SELECT count(DISTINCT seq) FROM waiting", &lane)?;
        stream.n_deferred += count(db, "SELECT count(*) FROM deferred", &lane)?;
    }
    for ((track, stream), last) in published {
        let lane = Lane { log, track, stream: stream.clone() };
        let wanted = wanted(&stream, last);
        let stream = status.streams.entry(stream).or_default();
        stream.published = stream.published.max(last);
        if wanted > 0 && rows::held(db, &lane)?.is_empty() {
            stream.missing = stream.missing.union(&Ranges::of(1, wanted));
        }
    }
    Ok(status)
}

/// The heads that are followed, one a way, and when they came.
pub(super) fn followed(db: &Connection, log: LogId) -> Result<Vec<(u32, SignedHead, Option<Timestamp>)>, StoreError> {
    let sql = "SELECT track, n, digest, bytes, at_ms FROM heads_seen
               WHERE log = ?1 AND verdict = 'followed' AND bytes IS NOT NULL ORDER BY track";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map([log.to_string()], |row| {
        Ok((track(row, 0)?, number(row, 1)?, digest(row, 2)?, row.get::<_, Vec<u8>>(3)?, row.get::<_, i64>(4)?))
    })?;
    let mut heads = Vec::new();
    for row in rows {
        let (track, n, digest, bytes, at) = row?;
        // One that is damaged here says nothing; `verify` names it.
        if let Ok(head) = SignedHead::read(&ObjectName::head(log, n, digest), &bytes) {
            heads.push((track, head, Some(Timestamp::from_millis(at))));
        }
    }
    Ok(heads)
}

/// The newest heads that this device signed, newest first.
fn own_heads(db: &Connection, own: LogId) -> Result<Vec<SignedHead>, StoreError> {
    let sql = "SELECT n, digest, bytes FROM heads_signed WHERE log = ?1 AND bytes IS NOT NULL ORDER BY n DESC LIMIT ?2";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map((own.to_string(), int(OWN_HEADS)), |row| {
        Ok((number(row, 0)?, digest(row, 1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let mut heads = Vec::new();
    for row in rows {
        let (n, digest, bytes) = row?;
        heads.extend(SignedHead::read(&ObjectName::head(own, n, digest), &bytes).ok());
    }
    Ok(heads)
}

/// What a head says its author holds: in full in its list, and in itself what changed since.
fn holds_of(db: &Connection, head: &SignedHead) -> Result<Holds, StoreError> {
    let log = head.head().log();
    let mut holds = match &head.head().list {
        Some(list) => match sign::find_list(db, &Verified::default(), log, list) {
            Ok(list) => list.map(|list| list.holds.clone()).unwrap_or_default(),
            Err(StoreError::Damaged { .. }) => Holds::new(),
            Err(error) => return Err(error),
        },
        None => Holds::new(),
    };
    for (log, streams) in &head.head().holds {
        holds.entry(*log).or_default().extend(streams.clone());
    }
    Ok(holds)
}

/// How far an author's clock is off at the least. A head that was signed after it came was signed by a clock that is ahead; one
/// that holds what we published, and was signed before we did, by one that is behind. Anything else is the way it took.
fn skew(
    head: &SignedHead,
    at: Timestamp,
    came: Timestamp,
    holds: &Holds,
    own: LogId,
    own_heads: &[SignedHead],
) -> Option<i64> {
    let ahead = at.as_millis().saturating_sub(came.as_millis());
    if ahead > 0 {
        return Some(ahead);
    }
    let held = holds.get(&own)?;
    // Of the own heads that first named what it holds, the newest: it had that before it signed.
    let names_news = |(newer, older): &(&SignedHead, Option<&SignedHead>)| {
        held.iter().any(|(stream, last)| {
            let last_of = |head: &SignedHead| head.head().streams.get(stream).map_or(0, |state| state.last);
            let is_first = older.map_or(newer.head().n == 1, |older| last_of(older) < *last);
            is_first && last_of(newer) >= *last
        })
    };
    let pairs = own_heads.iter().zip(own_heads.iter().skip(1).map(Some).chain([None]));
    let (known, _) = pairs.into_iter().find(names_news)?;
    let behind = i64::try_from(known.head().at.wall_ms.saturating_sub(head.head().at.wall_ms)).ok()?;
    (behind > 0).then_some(-behind)
}

fn verdict_seen(db: &Connection, log: LogId, verdict: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM heads_seen WHERE log = ?1 AND verdict = ?2 LIMIT 1";
    let row = db.prepare_cached(sql)?.query_row((log.to_string(), verdict), |_| Ok(()));
    Ok(row.optional()?.is_some())
}

fn lanes_of(db: &Connection, log: LogId) -> Result<Vec<Lane>, StoreError> {
    let mut rows = db.prepare_cached("SELECT DISTINCT track, stream FROM ranges WHERE log = ?1")?;
    let rows =
        rows.query_map([log.to_string()], |row| Ok(Lane { log, track: track(row, 0)?, stream: parsed(row, 1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn count(db: &Connection, sql: &str, lane: &Lane) -> Result<u64, StoreError> {
    let sql = format!("{sql} WHERE log = ?1 AND track = ?2 AND stream = ?3");
    let place = (lane.log.to_string(), lane.track, lane.stream.as_str());
    Ok(db.prepare_cached(&sql)?.query_row(place, |row| number(row, 0))?)
}

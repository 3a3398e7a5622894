//! How things stand: which logs there are, what of each is here, and who has what of whom.
//!
//! Read from tables alone: no file of records is opened and no remote asked, so that it takes milliseconds. What heads say of
//! themselves (labels, times) proves nothing and is for people to read.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::{Db, DbError};
use carry_kernel::home::Home;
use carry_kernel::id::DeviceId;

use super::places::Places;
use super::schema::SCHEMA;
use super::{Forgotten, LogRow, LogState, Store, StoreError, incarnation};
use crate::head::{Author, SignedHead};
use crate::holds::Holds;
use crate::name::{LogId, ObjectName, StreamName};
use crate::ranges::Ranges;

mod copied;
pub(super) mod overdue;
mod read;
mod skew;
mod unheard;
mod wrong;

pub use copied::Copied;
pub use overdue::{Overdue, look_at_overdue};
use read::read;

pub(super) use read::followed;

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
    /// What was known of it before it was forgotten, if it was, and no head of it came since it was approved again.
    pub remembered: Option<Forgotten>,
    /// Its newest head; of a forked log, that of the way with the most heads.
    pub head: Option<NewestHead>,
    /// When the oldest of its heads that are kept here was signed, by its author's clock.
    pub first_at: Option<Timestamp>,
    /// By how many milliseconds its author's clock is ahead of this device's at the least; behind, when negative. `None` where
    /// nothing shows that they differ.
    pub skew_ms: Option<i64>,
    /// The ways that it went on; 1 unless two homes write it.
    pub n_ways: usize,
    /// Whether a head was seen that covers less than one before: its author's disk went back.
    pub has_shrunk: bool,
    /// Whether something of it needs a later version of the program.
    pub needs_upgrade: bool,
    /// What its author signed, made wrong and did not make good by a later head: objects, and what is wrong with them.
    pub wrong: Vec<(ObjectName, String)>,
    /// Its streams.
    pub streams: BTreeMap<StreamName, StreamStatus>,
    /// What its author says it holds of others, without a gap from the first record on. Of the own log: what is folded here.
    pub holds: Holds,
}

impl LogStatus {
    /// A log of which nothing was seen yet.
    pub fn unseen(row: LogRow) -> Self {
        Self {
            row,
            key: None,
            device: None,
            author: None,
            remembered: None,
            head: None,
            first_at: None,
            skew_ms: None,
            n_ways: 1,
            has_shrunk: false,
            needs_upgrade: false,
            wrong: Vec::new(),
            streams: BTreeMap::new(),
            holds: Holds::new(),
        }
    }
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
    /// Records here of kinds that this version does not know, or in files that it cannot read.
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
        let of_author = self.author.as_ref().map(|author| author.key);
        of_author.or_else(|| self.remembered.as_ref()?.key)
    }

    /// What its author calls itself: a label that proves nothing.
    pub fn label(&self) -> Option<&str> {
        match &self.author {
            Some(author) => author.label.as_deref(),
            None => self.remembered.as_ref()?.label.as_deref(),
        }
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
    /// this device's. What a remote has is not counted: it may lose it, and nobody has read it there. Nor is another log of the
    /// home that writes this one, as after a backup was restored, nor a log whose home goes on in a later one.
    pub fn safe_on(&self, log: LogId, stream: &StreamName) -> Vec<&LogStatus> {
        let Some(of) = self.log(log) else { return Vec::new() };
        let published = of.streams.get(stream).map_or(0, |stream| stream.published);
        let has_all = |other: &LogStatus| {
            let held = other.holds.get(&log).and_then(|streams| streams.get(stream)).copied().unwrap_or(0);
            other.row.state == LogState::Approved
                && published > 0
                && held >= published
                && !self.is_of_one_home(of, other)
                && !self.is_left(other)
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

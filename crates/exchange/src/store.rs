//! What one device keeps of the exchange: its own logs and others', durable and verified.
//!
//! One SQLite file with the places of everything, and a folder with the segments. Nothing here reaches a network or another
//! device's folder; whoever carries files hands in what came and takes what is to go:
//!
//! - own side: [`Store::append`], [`Store::attach`], [`Store::seal`], [`Store::compact`], [`Store::sign`];
//! - others' side: [`Store::see_head`], [`Store::accept_list`], [`Store::accept_segment`], [`Store::accept_parts`];
//! - between: [`Store::followed`] says what the newest heads name, [`Store::held`] what is here, [`Store::open_object`]
//!   gives the bytes to pass on, [`Store::deliver`] hands records to strands.
//!
//! Every step may end anywhere and be taken again. Time and randomness are handed in.

use std::io;
use std::path::PathBuf;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::{Db, DbError, rusqlite};
use carry_kernel::disk::DiskError;
use carry_kernel::home::Home;
use carry_kernel::id::DeviceId;
use ed25519_dalek::SigningKey;

use crate::frame::FrameError;
use crate::hash::Digest;
use crate::head::HeadError;
use crate::list::ListError;
use crate::name::{LogId, NameError, ObjectName};
use crate::record::AttachmentId;
use crate::segment::{SegmentError, WriteError};
use crate::strand::StrandError;
use crate::streams::Streams;

mod accept;
mod again;
mod append;
mod aside;
mod attachments;
mod behind;
mod compact;
mod deliver;
mod fault;
mod heads;
mod heard;
mod held;
mod identity;
mod incarnation;
mod joint;
mod later;
mod let_go;
mod logs;
mod lost;
mod noted;
mod object;
mod open;
mod places;
mod read;
mod records;
mod rejection;
mod room;
mod round;
mod rounds;
mod rows;
mod saying;
mod schema;
mod seal;
mod sign;
mod sizes;
mod spoilt;
pub mod status;
mod trust;
mod unfollowed;
mod verified;
mod verify;
mod ways;

pub use accept::Accepted;
pub use aside::Aside;
pub use compact::{Compacted, FAN_IN, plan_merges};
pub use deliver::Delivered;
pub use heads::{Followed, Seen};
pub use identity::{Identity, Sign};
pub use incarnation::{Decision, RENEWALS_MAX, RENEWALS_WINDOW, Reason, decide};
pub use let_go::LetGo;
pub use logs::{LogRow, LogState, UNAPPROVED_LOGS};
pub use lost::{LostRow, look_at_lost};
pub use object::{ObjectBytes, ObjectPlace};
pub use places::Incoming;
pub(crate) use read::describe;
pub use rejection::Rejection;
pub use room::{
    DiskRoom, FREE_BYTES, FREE_PERCENT, Free, Limit, Room, UNAPPROVED_BYTES, UNAPPROVED_LOG_BYTES, disk_room,
};
pub use round::{Put, Rejected};
pub use rounds::{RoundRow, Way, Went, look_at_rounds};
pub(crate) use rows::{number, parsed, track};
pub use saying::Saying;
pub use schema::SCHEMA;
pub use seal::{Sealed, Unsealed};
pub use sign::Statement;
pub use sizes::{PutTotals, Sizes};
pub(crate) use spoilt::state_of;
pub(crate) use status::overdue::ABSENT_FOR;
pub use status::{LogStatus, Status, StreamStatus};
pub use trust::{FORGOTTEN_FOR, Forgotten};
pub use verify::Finding;

#[cfg(test)]
pub(crate) use fault::tests::arm;

/// Where random bytes come from.
pub trait Entropy {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// When there are none to be had.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()>;
}

impl<F: FnMut(&mut [u8]) -> io::Result<()>> Entropy for F {
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self(bytes)
    }
}

/// What a store is opened with.
pub struct Setup {
    /// Where Carry keeps its things.
    pub home: Home,
    /// The label that heads carry.
    pub device: DeviceId,
    /// A keyed hash of what makes this place this place: machine, path of the home, file system. When it changes, a
    /// published log goes on under a new key.
    pub fingerprint: Digest,
    /// Random bytes.
    pub entropy: Box<dyn Entropy + Send>,
    /// The wall clock.
    pub now: Timestamp,
}

/// What one device keeps. Not shared between threads; several processes may have it open.
pub struct Store {
    db: Db,
    places: places::Places,
    device: DeviceId,
    identity: Option<Identity>,
    log: LogId,
    key: SigningKey,
    entropy: Box<dyn Entropy + Send>,
    opened: Decision,
    room: Room,
    streams: Streams,
    verified: verified::Verified,
    /// The time that was handed in last.
    now: Timestamp,
    /// Whether files that no row knows were looked for.
    is_tidy: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Store").field("log", &self.log).finish_non_exhaustive()
    }
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A statement on the database.
    #[error("the exchange's database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A file.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Reading or writing bytes that were handed in, or a test's armed failure.
    #[error("reading or writing failed")]
    Io(#[from] io::Error),
    /// No random bytes.
    #[error("no random bytes to be had")]
    Entropy(#[source] io::Error),
    /// What is kept here does not hold together: a bit flipped, or something else wrote to it.
    #[error("{what} is damaged: {problem}")]
    Damaged {
        /// What.
        what: String,
        /// How.
        problem: String,
        /// Whether it is a row of the database, of which no good copy can be fetched.
        is_row: bool,
    },
    /// The key of the own log is not there.
    #[error("the key of log {log} is not at {}; without it the log cannot go on", path.display())]
    Key {
        /// The log.
        log: LogId,
        /// Where the key should be.
        path: PathBuf,
    },
    /// A record that cannot be written.
    #[error("the record cannot be written")]
    Frame(#[from] FrameError),
    /// A segment that cannot be written.
    #[error("the segment cannot be written")]
    Write(#[from] WriteError),
    /// A segment that is not what was named.
    #[error("the segment is not what was named")]
    Segment(#[from] SegmentError),
    /// A head that is not what was named, or cannot be written.
    #[error("the head is not what was named, or cannot be written")]
    Head(#[from] HeadError),
    /// A head that its author signed and made wrong. It is not followed; its author's next one may be good.
    #[error("{name} is as its author made it: {why}")]
    WrongHead {
        /// The head.
        name: ObjectName,
        /// What is wrong with it.
        why: String,
    },
    /// A list that is not what was named, or cannot be written.
    #[error("the list is not what was named, or cannot be written")]
    List(#[from] ListError),
    /// A name in the database that is none.
    #[error("the exchange's database holds a name that is none")]
    Name(#[from] NameError),
    /// An outbox handed over a number again that it had said was settled: its file went back to an earlier state. Draw a new
    /// nonce and hand over again; a record too many does no harm.
    #[error("the outbox went back: its number {id} was settled before")]
    WentBack {
        /// The number.
        id: u64,
    },
    /// A bound of the format or a quota is reached.
    #[error("full: {0}")]
    Full(Limit),
    /// It cannot be done as things are; nothing was changed.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// An attachment was to stand on one that the own log does not bring, or not any more: a merge drops what no record wants.
    /// Nothing was taken; hand over one that does not need it.
    #[error("the log does not bring {id}, which an attachment needs")]
    NeedGone {
        /// What is needed.
        id: AttachmentId,
    },
    /// Another process did the same meanwhile. Nothing was changed; the next try finds what it left.
    #[error("another process {0}; try again")]
    Raced(&'static str),
    /// A log that is not known here.
    #[error("log {0} is not known here")]
    UnknownLog(LogId),
    /// An alias that is taken or no file name.
    #[error("{0:?} cannot be the alias of a log: it is taken, or not 1 to 64 of a-z, 0-9 and -")]
    Alias(String),
    /// A strand failed.
    #[error("the strand failed")]
    Strand(#[source] StrandError),
}

impl StoreError {
    pub(crate) fn damaged(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), problem: problem.into(), is_row: false }
    }

    pub(crate) fn damaged_row(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), problem: problem.into(), is_row: true }
    }
}

#[cfg(test)]
mod tests;

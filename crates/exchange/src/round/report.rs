//! What a round did, and what in it did not go as it should.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{LogId, ObjectName, StreamName};
use crate::store::{Compacted, Delivered, DiskRoom, Limit};

/// What an exchange did, or in a dry run would do.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was taken in.
    pub pulled: Moved,
    /// Records that are held now and were not before, by log and stream.
    pub records: BTreeMap<(LogId, StreamName), u64>,
    /// What strands did with what is held.
    pub delivered: BTreeMap<StreamName, Delivered>,
    /// Records of this device that got a place, by stream.
    pub said: BTreeMap<StreamName, usize>,
    /// Own segments that were merged.
    pub merged: Vec<Compacted>,
    /// What was put of the own log.
    pub pushed: Moved,
    /// What was put of others' logs.
    pub relayed: Moved,
    /// What was removed at the remote.
    pub collected: Moved,
    /// The number of the own head that is there now, if it is.
    pub published: Option<u64>,
    /// Logs that were met for the first time.
    pub new_logs: Vec<LogId>,
    /// The log this device writes since this round, because something else wrote the one before.
    pub renewed: Option<LogId>,
    /// What did not go as it should.
    pub problems: Vec<Problem>,
    /// Streams whose end is not there, of the logs of others: what heads name and is missing, and nothing newer of the stream is
    /// there. So it is where its device sends the stream no more or never, and until the newest files have come.
    pub unsent: BTreeMap<(LogId, StreamName), Unsent>,
    /// Logs of which this device has put all that it can, each with the files that are not there all the same: lost, or not held
    /// here. Of a log that is not among them the round knows nothing of that kind.
    pub placed: BTreeMap<LogId, BTreeSet<ObjectName>>,
    /// Whether a bound ended the round before everything was through: another goes on.
    pub has_more: bool,
}

/// What is missing of the end of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// The files, all of which are [`Problem::Missing`] as well.
    pub objects: BTreeSet<ObjectName>,
    /// Whether nothing of the stream was missed there before.
    pub is_new: bool,
}

/// Files and bytes that moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Heads.
    pub n_heads: usize,
    /// Lists and segments, or parts of them.
    pub n_objects: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// What did not go as it should, and holds up nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A file is short or wrong and still changing: it is being delivered.
    Arriving(ObjectName),
    /// A file that does not change is not what its name says. The way out: any holder puts it again.
    Damaged(ObjectName),
    /// A head names it and the remote does not have it.
    Missing(ObjectName),
    /// A file is as its author made it, and cannot be used; says why. No copy will be better.
    Wrong(ObjectName, String),
    /// The same, found before: nothing new.
    StillWrong(ObjectName, String),
    /// A file that is larger than any head may be lies under the name of a head of this log. It is not signed: whoever can write
    /// there may have put it.
    NoHead(ObjectName),
    /// A file could not be read or written; says why.
    Unreachable(ObjectName, String),
    /// The copy of a file that is kept here is damaged or gone, so that it cannot be put; says how.
    Lost(ObjectName, String),
    /// The newest head of a log covers less than one seen before: its author's disk went back, or it lies.
    Shrunk(LogId),
    /// Two homes write this log.
    Forked(LogId),
    /// A log is written by a later version of the program.
    NeedsUpgrade(LogId),
    /// No more is taken in of a log: a limit was reached.
    Quota(LogId, Reached),
    /// All names that the object could have there are taken by damaged files.
    Blocked(ObjectName),
    /// A strand failed; says how.
    Strand(StreamName, String),
    /// There are more files than are looked at, in the folder of a log or in that of heads.
    Cut(Option<LogId>),
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub limit: Limit,
    /// How full the disk is, if that is the limit and it says.
    pub disk: Option<DiskRoom>,
}

/// What may not have come: of which log, and of which stream; `None` is any.
pub(super) type Gap = (Option<LogId>, Option<StreamName>);

impl Problem {
    /// What others said that may not have come because of it.
    pub(super) fn gap(&self) -> Option<Gap> {
        match self {
            Self::Arriving(object)
            | Self::Damaged(object)
            | Self::Missing(object)
            | Self::Wrong(object, _)
            | Self::StillWrong(object, _)
            | Self::Unreachable(object, _) => match object {
                ObjectName::Segment { stream, log, .. } => Some((Some(*log), Some(stream.clone()))),
                ObjectName::Head { log, .. } | ObjectName::List { log, .. } => Some((Some(*log), None)),
            },
            Self::NeedsUpgrade(log) | Self::Quota(log, _) | Self::Cut(Some(log)) => Some((Some(*log), None)),
            Self::Cut(None) => Some((None, None)),
            Self::Strand(of, _) => Some((None, Some(of.clone()))),
            Self::Shrunk(_) | Self::Forked(_) | Self::Blocked(_) | Self::Lost(..) | Self::NoHead(_) => None,
        }
    }
}

//! Why a place could not do what it was asked.

use std::io;
use std::time::Duration;

mod words;

/// A cause, whatever a place is built on.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a place could not do what it was asked. A `place` is how people know it; a `file` is a path at it.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The file is not there, or not yet.
    #[error("{place} has no file {file}")]
    NotThere {
        /// Where.
        place: String,
        /// What.
        file: String,
    },
    /// The place is not marked as an exchange. Nothing was written.
    #[error("{}", words::no_marker(.place))]
    NoMarker {
        /// Where.
        place: String,
    },
    /// The place is marked otherwise.
    #[error("{}", words::wrong_format(.place, *.version))]
    WrongFormat {
        /// Where.
        place: String,
        /// The version it is marked with; `None` if the marker says none.
        version: Option<u64>,
    },
    /// The place cannot be reached now.
    #[error("{}", words::unreachable(.place))]
    Unreachable {
        /// Where.
        place: String,
        /// Why.
        source: Cause,
    },
    /// What answers cannot show that it is the place: its certificate is not trusted.
    #[error("the server of {place} is not trusted, and nothing was sent to it")]
    Untrusted {
        /// Where.
        place: String,
        /// Why.
        source: Cause,
    },
    /// The place does not let us.
    #[error("{}", words::denied(.place))]
    Denied {
        /// Where.
        place: String,
        /// Why.
        source: Cause,
    },
    /// The place is full.
    #[error("{}", words::full(.place))]
    Full {
        /// Where.
        place: String,
        /// Why.
        source: Cause,
    },
    /// What has the name is not what we would put there: a link, a folder, a pipe. It is left alone.
    #[error("{file} at {place} is not what Carry makes there, and was left alone: move it away if it is not needed")]
    Foreign {
        /// Where.
        place: String,
        /// What.
        file: String,
    },
    /// A name that the call must not use.
    #[error("{name:?} is not a name for this")]
    InvalidName {
        /// The name, cut to 160 characters.
        name: String,
    },
    /// The file is larger than the caller allows.
    #[error("{file} at {place} has {bytes} bytes, more than the {bytes_max} allowed")]
    TooLarge {
        /// Where.
        place: String,
        /// What.
        file: String,
        /// Its size.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// The file changed while it was read: somebody is still writing it.
    #[error("{file} at {place} changes while it is read")]
    Changing {
        /// Where.
        place: String,
        /// What.
        file: String,
    },
    /// The caller wanted no more.
    #[error("stopped at {place}: {}", .why.as_str())]
    Cancelled {
        /// Where.
        place: String,
        /// Why.
        why: Stop,
    },
    /// The place wants to be left in peace for a while.
    #[error("{place} is busy")]
    Busy {
        /// Where.
        place: String,
        /// For how long, if it said so.
        retry_after: Option<Duration>,
    },
    /// This machine failed, not the place: the file to put, or where what was got goes.
    #[error("cannot {action} here, for {place}")]
    Local {
        /// For which place.
        place: String,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: Cause,
    },
    /// Anything else.
    #[error("cannot {action} at {place}")]
    Internal {
        /// Where.
        place: String,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: Cause,
    },
}

/// What kind of failure it is. Policy asks for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are documented where they have fields")]
pub enum Class {
    NotThere,
    NoMarker,
    WrongFormat,
    Unreachable,
    Untrusted,
    Denied,
    Full,
    Foreign,
    InvalidName,
    TooLarge,
    Changing,
    Cancelled,
    Busy,
    Local,
    Internal,
}

/// What kind of place a failure is about: each has its own way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// A folder.
    Folder,
    /// A bucket.
    Bucket,
    /// A server of Carry's.
    Server,
    /// A folder over WebDAV.
    WebDav,
    /// Any other.
    Other,
}

/// Why a call was to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for it.
    Asked,
    /// Its time was over.
    Deadline,
}

impl RemoteError {
    /// Its class.
    pub fn class(&self) -> Class {
        match self {
            Self::NotThere { .. } => Class::NotThere,
            Self::NoMarker { .. } => Class::NoMarker,
            Self::WrongFormat { .. } => Class::WrongFormat,
            Self::Unreachable { .. } => Class::Unreachable,
            Self::Untrusted { .. } => Class::Untrusted,
            Self::Denied { .. } => Class::Denied,
            Self::Full { .. } => Class::Full,
            Self::Foreign { .. } => Class::Foreign,
            Self::InvalidName { .. } => Class::InvalidName,
            Self::TooLarge { .. } => Class::TooLarge,
            Self::Changing { .. } => Class::Changing,
            Self::Cancelled { .. } => Class::Cancelled,
            Self::Busy { .. } => Class::Busy,
            Self::Local { .. } => Class::Local,
            Self::Internal { .. } => Class::Internal,
        }
    }

    /// What kind of place it is about. A name that must not be used is about none: [`PlaceKind::Other`].
    pub fn kind(&self) -> PlaceKind {
        match self {
            Self::NotThere { place, .. }
            | Self::NoMarker { place }
            | Self::WrongFormat { place, .. }
            | Self::Unreachable { place, .. }
            | Self::Untrusted { place, .. }
            | Self::Denied { place, .. }
            | Self::Full { place, .. }
            | Self::Foreign { place, .. }
            | Self::TooLarge { place, .. }
            | Self::Changing { place, .. }
            | Self::Cancelled { place, .. }
            | Self::Busy { place, .. }
            | Self::Local { place, .. }
            | Self::Internal { place, .. } => PlaceKind::of(place),
            Self::InvalidName { .. } => PlaceKind::Other,
        }
    }

    /// How long the place asked to be left in peace.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A name that must not be used.
    pub(super) fn name(name: &str) -> Self {
        Self::InvalidName { name: name.chars().take(160).collect() }
    }

    /// Others are at the same thing: the same call may go well in a moment.
    pub(super) fn busy(place: &str) -> Self {
        Self::Busy { place: place.to_owned(), retry_after: None }
    }

    /// A failure of this machine.
    pub(super) fn local(place: &str, action: &'static str, source: io::Error) -> Self {
        Self::Local { place: place.to_owned(), action, source: source.into() }
    }
}

impl Class {
    /// Whether the same call may succeed in a moment without anyone changing anything. A file that is being written or that
    /// is not there takes a round, not a moment; a full disk takes a person.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Busy => true,
            Self::NotThere
            | Self::NoMarker
            | Self::WrongFormat
            | Self::Untrusted
            | Self::Denied
            | Self::Full
            | Self::Foreign
            | Self::InvalidName
            | Self::TooLarge
            | Self::Changing
            | Self::Cancelled
            | Self::Local
            | Self::Internal => false,
        }
    }

    /// Its name in status and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotThere => "not_there",
            Self::NoMarker => "no_marker",
            Self::WrongFormat => "wrong_format",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::Denied => "denied",
            Self::Full => "full",
            Self::Foreign => "foreign",
            Self::InvalidName => "invalid_name",
            Self::TooLarge => "too_large",
            Self::Changing => "changing",
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::Local => "local",
            Self::Internal => "internal_error",
        }
    }
}

impl Stop {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "it was asked to",
            Self::Deadline => "its time was over",
        }
    }
}

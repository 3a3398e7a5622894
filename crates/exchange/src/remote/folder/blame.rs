//! What an error of the operating system means for a place.

use std::io;

use carry_kernel::disk::DiskError;
use rustix::io::Errno;

use crate::remote::error::RemoteError;

/// Where something is done, for the error if it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blame<'a> {
    /// The place.
    pub(super) place: &'a str,
    /// The path below it.
    pub(super) file: &'a str,
}

impl Blame<'_> {
    /// The folder that is the place could not be opened.
    pub(super) fn reach(self, e: Errno) -> RemoteError {
        match e {
            // A missing folder is a disk that is not there more often than a mistake.
            Errno::NOENT => self.missing("it is not there"),
            Errno::NOTDIR => self.missing("what is there is not a folder"),
            _ => self.other("open", e.into()),
        }
    }

    fn missing(self, why: &'static str) -> RemoteError {
        RemoteError::Unreachable { place: self.place.to_owned(), source: why.into() }
    }

    /// A folder below the place could not be opened.
    pub(super) fn folder(self, e: Errno) -> RemoteError {
        match e {
            Errno::NOTDIR | Errno::LOOP => self.foreign(),
            _ => self.other("open", e.into()),
        }
    }

    /// A file could not be opened.
    pub(super) fn file(self, e: Errno) -> RemoteError {
        match e {
            // A link, a socket, a device without a driver: what is no file.
            Errno::LOOP | Errno::NXIO | Errno::ISDIR => self.foreign(),
            _ => self.other("open", e.into()),
        }
    }

    /// An open file could not be read. Whatever the reason, its bytes cannot be had now: a placeholder whose content is
    /// elsewhere, a stick that was pulled, a bad sector. None of them says anything about the object.
    pub(super) fn read(self, e: io::Error) -> RemoteError {
        self.unreachable(e)
    }

    /// Something could not be written, made or removed.
    pub(super) fn write(self, e: Errno) -> RemoteError {
        self.written(e.into())
    }

    /// The same, as the standard library has it.
    pub(super) fn written(self, e: io::Error) -> RemoteError {
        match Errno::from_io_error(&e) {
            Some(Errno::NOTDIR | Errno::LOOP | Errno::ISDIR) => self.foreign(),
            _ => self.other("write", e),
        }
    }

    pub(super) fn foreign(self) -> RemoteError {
        RemoteError::Foreign { place: self.place.to_owned(), file: self.file.to_owned() }
    }

    fn unreachable(self, e: io::Error) -> RemoteError {
        RemoteError::Unreachable { place: self.place.to_owned(), source: self.cause("read", e).into() }
    }

    fn other(self, action: &'static str, e: io::Error) -> RemoteError {
        let place = self.place.to_owned();
        let class = class(&e);
        let source = self.cause(action, e).into();
        match class {
            Means::Denied => RemoteError::Denied { place, source },
            Means::Full => RemoteError::Full { place, source },
            Means::Busy => RemoteError::Busy { place, retry_after: None },
            Means::Unreachable => RemoteError::Unreachable { place, source },
            Means::Other => RemoteError::Internal { place, action, source },
        }
    }

    fn cause(self, action: &'static str, e: io::Error) -> DiskError {
        let path = std::path::Path::new(self.place).join(self.file);
        DiskError::at(action, if self.file.is_empty() { self.place.as_ref() } else { &path })(e)
    }
}

enum Means {
    Denied,
    Full,
    Busy,
    Unreachable,
    Other,
}

fn class(e: &io::Error) -> Means {
    let Some(errno) = Errno::from_io_error(e) else {
        // Only what a test armed has no number.
        return if e.kind() == io::ErrorKind::StorageFull { Means::Full } else { Means::Other };
    };
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Means::Denied,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Means::Full,
        Errno::BUSY | Errno::AGAIN | Errno::TXTBSY => Means::Busy,
        // A server that is gone, a stick that was pulled, a mount whose program died; and what was there a moment ago and is
        // not any more, because somebody moved it.
        Errno::IO
        | Errno::NOENT
        | Errno::STALE
        | Errno::NODEV
        | Errno::NXIO
        | Errno::NOTCONN
        | Errno::CONNREFUSED
        | Errno::CONNRESET
        | Errno::CONNABORTED
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::TIMEDOUT
        | Errno::SHUTDOWN
        | Errno::PIPE => Means::Unreachable,
        _ => Means::Other,
    }
}

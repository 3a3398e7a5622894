//! Places that devices exchange through.
//!
//! A [`Remote`] carries whole files under names and knows nothing of what is in them: a folder that a sync tool
//! replicates, a bucket, a folder over WebDAV, another device. It promises little, so that every such place can keep the promise. Nothing is ever
//! replaced, nobody waits for anybody, a listing may be behind, and absence means "not here yet".
//!
//! ```text
//! call      folder                        bucket (S3)                         another device (HTTP)
//! check     carry/format.json is read     GET carry/format.json               GET format.json
//! init      made if absent                PUT with If-None-Match: *           refused: the other device makes its own
//! list      the folder is read            ListObjectsV2, 1000 keys a page     GET h/ or l/<log>/, page after page
//! get       open, seek, read              GET, with Range for a part          GET, with Range for a part
//! put       temporary file, link          PUT with If-None-Match: *           PUT, answered after verification
//! delete    unlink                        DELETE                              DELETE, own log only
//! sweep     own old temporaries           AbortMultipartUpload of own old     nothing to do
//! wait      cannot tell: watch `watched`  cannot tell                         GET h/?after=<cursor>&wait=30
//! ```
//!
//! Of a bucket's answers, 412 is [`Put::Exists`], 409 and 503 are [`Class::Busy`], 404 is [`Class::NotThere`], 401 and 403 are
//! [`Class::Denied`]. Where a store has no conditional write, a blind one does as well, since a name has one valid content;
//! it is looked at before, and what [`Put::Exists`] promises then holds but for a moment.
//!
//! [`WebDavRemote`] says how a folder over WebDAV is asked.
//!
//! Retrying, going slowly and failing on purpose are wrappers of the same trait: [`Retrying`], [`Throttled`], [`Faulty`].

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_kernel::clock::Timestamp;

use crate::name::{Folder, LogId};

mod bucket;
mod deadline;
mod dice;
mod error;
mod fault;
mod file;
mod folder;
mod http;
mod marker;
mod memory;
mod peer;
mod pipe;
mod retry;
mod throttle;
mod trust;
mod webdav;
#[cfg(test)]
mod wrappers;

pub use bucket::{BucketRemote, Environment, OpenError};
pub use deadline::Deadline;
pub use error::{Class, PlaceKind, RemoteError, Stop};
pub use fault::{Faults, Faulty, LATE_CALLS_MAX};
pub use file::RemoteFile;
pub use folder::{FolderRemote, Ways};
pub use http::client::ClientError;
pub use memory::MemoryRemote;
pub use peer::{PeerRemote, Token, TokenError};
pub use retry::{Pause, Retry, Retrying, SystemPause};
pub use throttle::Throttled;
pub use webdav::{Login, LoginError, WebDavRemote};

/// Files that one page of a listing has at most: what S3 gives at once, and little memory.
pub const PAGE_FILES_MAX: usize = 1000;

/// How old a temporary file must be before its writer removes it: no put takes so long.
pub const TEMPORARY_KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// A place that devices exchange through.
///
/// Calls block. Each honours its [`Deadline`]: it looks at it before it begins, between pieces and before each effect, and
/// then ends with [`RemoteError::Cancelled`]. A call to the operating system that hangs, as on a network drive whose server is
/// gone, cannot be interrupted; so one thread serves one place.
///
/// On a place without a marker every call but [`init`](Self::init) fails with [`RemoteError::NoMarker`] and writes nothing:
/// where a disk is not mounted, its empty mount point is. A place whose marker can vanish under our feet looks at it in
/// every call; a bucket may remember that it has seen it.
pub trait Remote: Send + Sync + std::fmt::Debug {
    /// How people know this place: a path or an address, without secrets.
    fn place(&self) -> &str;

    /// Checks that this place is marked as an exchange of the version that this program reads and writes.
    ///
    /// # Errors
    /// [`RemoteError::NoMarker`], [`RemoteError::WrongFormat`], or that the place cannot be used.
    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError>;

    /// Marks this place as an exchange. Only adding a remote does this. A second time nothing is done.
    ///
    /// # Errors
    /// [`RemoteError::WrongFormat`] if it is marked otherwise, or that the place cannot be used.
    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError>;

    /// Hands the files of `folder` to `each`, page after page of 1 to [`PAGE_FILES_MAX`], in no order, until `each` breaks.
    ///
    /// [`Listed::Whole`] says that all was shown that this place shows now: what is put or removed meanwhile may or may not
    /// be among it, and a name may come twice. A folder that nobody made yet is empty. Names that no file of ours could have
    /// are left out; foreign files with plain names are not.
    ///
    /// # Errors
    /// [`RemoteError`]. What came before is then not the whole.
    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError>;

    /// Writes a file, or a part of it, into `into`.
    ///
    /// The bytes are as hostile as any: only their hash says what they are. A part that reaches beyond the end is cut there.
    ///
    /// # Errors
    /// [`RemoteError`]; what `into` has received is then of no use. [`RemoteError::NotThere`] says nothing of tomorrow;
    /// [`RemoteError::TooLarge`] comes before anything is written; [`RemoteError::Changing`] if the file changed meanwhile.
    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError>;

    /// Makes `file` hold `source` unless something has its name. Never replaces.
    ///
    /// After [`Put::Created`] the file is durable as far as the place can say. On [`Put::Exists`] the caller compares sizes
    /// and, once, reads the id: the file may be damaged, half there, or the work of an earlier call that failed after its
    /// effect. Only names of objects and of their replicas are taken.
    ///
    /// # Errors
    /// [`RemoteError`]. The file is then absent or whole, unless the place said that it cannot do so; see its documentation.
    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError>;

    /// Removes the one file named; says whether it was there. Only collection calls this, for what its plan names. Neither
    /// the marker nor a foreign file is removed.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError>;

    /// Removes what puts of these writers' left behind when they died, if it is older than [`TEMPORARY_KEPT`] at `now`; says
    /// how much. A writer is the log whose device put, a log that it wrote earlier included.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn sweep(&self, _writers: &[LogId], _now: Timestamp, deadline: &Deadline<'_>) -> Result<u64, RemoteError> {
        deadline.check(self.place()).map(|()| 0)
    }

    /// Waits until there may be heads that a listing at `after` did not show. `None` asks where we are now.
    ///
    /// # Errors
    /// [`RemoteError`]; the deadline's end is one.
    fn wait(&self, _after: Option<&Cursor>, deadline: &Deadline<'_>) -> Result<News, RemoteError> {
        deadline.check(self.place()).map(|()| News::CannotTell)
    }

    /// Folders of this machine in which something happens when there is news, for a watcher. Not below them.
    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Whether a place was marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// It is now.
    Created,
    /// It was before.
    Already,
}

/// A file in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its name.
    pub name: String,
    /// Its bytes; 0, which no object has, if the place cannot tell.
    pub bytes: u64,
    /// What changes when the file does.
    pub version: Version,
}

/// A token that differs when a file's content was written again: an ETag, times of change. It means nothing else: a decision
/// about data never rests on it, only whether to read once more. It may differ without reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// How a listing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// All was shown.
    Whole,
    /// The caller had enough.
    Stopped,
}

/// What to get of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All, if that is at most so many bytes.
    Whole {
        /// The bound.
        bytes_max: u64,
    },
    /// So many bytes from there.
    Range {
        /// Where it begins.
        from: u64,
        /// How long it is.
        bytes: u64,
    },
}

/// What was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// Bytes written: fewer than asked for where the file ends earlier.
    pub bytes: u64,
    /// Bytes of the whole file.
    pub size: u64,
    /// As a listing would show it.
    pub version: Version,
}

/// What to put.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A file of this machine.
    File(&'a Path),
}

/// How a put ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The file is there now.
    Created,
    /// Something has its name already, and was left as it is.
    Exists {
        /// Its bytes; 0, which no object has, for what is no file.
        bytes: u64,
    },
}

/// Where a wait left off. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// What a wait found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// There may be news. Go on from here.
    Changed(Cursor),
    /// There is none. Go on from here.
    Nothing(Cursor),
    /// This place cannot tell: watch it or ask now and then.
    CannotTell,
}

/// The calls of a [`Remote`] that go on to a field as they are: all but those named, which the wrapper has itself. `*` is what a
/// pointer points to. To be used inside of `impl Remote for`.
///
/// A call that is added to the trait is added here: none of the wrappers can forget it then.
///
/// ```
/// # use carry_exchange::remote::{Deadline, Init, Remote, RemoteError};
/// /// A place that cannot be marked.
/// #[derive(Debug)]
/// struct Unmarked<R>(R);
///
/// impl<R: Remote> Remote for Unmarked<R> {
///     carry_exchange::passed_on!(0 but init);
///
///     fn init(&self, _: &Deadline<'_>) -> Result<Init, RemoteError> {
///         Err(RemoteError::NoMarker { place: self.place().to_owned() })
///     }
/// }
/// ```
#[macro_export]
macro_rules! passed_on {
    ($to:tt but $($own:ident)*) => {
        $crate::passed_on!(@place $to $($own)*);
        $crate::passed_on!(@check $to $($own)*);
        $crate::passed_on!(@init $to $($own)*);
        $crate::passed_on!(@list $to $($own)*);
        $crate::passed_on!(@get $to $($own)*);
        $crate::passed_on!(@put $to $($own)*);
        $crate::passed_on!(@delete $to $($own)*);
        $crate::passed_on!(@sweep $to $($own)*);
        $crate::passed_on!(@wait $to $($own)*);
        $crate::passed_on!(@watched $to $($own)*);
    };
    (@of $me:ident *) => { (**$me) };
    (@of $me:ident $field:tt) => { $me.$field };
    (@place $to:tt place $($more:ident)*) => {};
    (@check $to:tt check $($more:ident)*) => {};
    (@init $to:tt init $($more:ident)*) => {};
    (@list $to:tt list $($more:ident)*) => {};
    (@get $to:tt get $($more:ident)*) => {};
    (@put $to:tt put $($more:ident)*) => {};
    (@delete $to:tt delete $($more:ident)*) => {};
    (@sweep $to:tt sweep $($more:ident)*) => {};
    (@wait $to:tt wait $($more:ident)*) => {};
    (@watched $to:tt watched $($more:ident)*) => {};
    (@$call:ident $to:tt $other:ident $($more:ident)*) => { $crate::passed_on!(@$call $to $($more)*); };
    (@place $to:tt) => {
        fn place(&self) -> &str {
            $crate::passed_on!(@of self $to).place()
        }
    };
    (@check $to:tt) => {
        fn check(&self, deadline: &$crate::remote::Deadline<'_>) -> Result<(), $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).check(deadline)
        }
    };
    (@init $to:tt) => {
        fn init(
            &self,
            deadline: &$crate::remote::Deadline<'_>,
        ) -> Result<$crate::remote::Init, $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).init(deadline)
        }
    };
    (@list $to:tt) => {
        fn list(
            &self,
            folder: $crate::name::Folder,
            deadline: &$crate::remote::Deadline<'_>,
            each: &mut dyn FnMut(&[$crate::remote::Listing]) -> std::ops::ControlFlow<()>,
        ) -> Result<$crate::remote::Listed, $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).list(folder, deadline, each)
        }
    };
    (@get $to:tt) => {
        fn get(
            &self,
            file: &$crate::remote::RemoteFile,
            part: $crate::remote::Part,
            into: &mut dyn std::io::Write,
            deadline: &$crate::remote::Deadline<'_>,
        ) -> Result<$crate::remote::Got, $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).get(file, part, into, deadline)
        }
    };
    (@put $to:tt) => {
        fn put(
            &self,
            file: &$crate::remote::RemoteFile,
            source: $crate::remote::Source<'_>,
            deadline: &$crate::remote::Deadline<'_>,
        ) -> Result<$crate::remote::Put, $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).put(file, source, deadline)
        }
    };
    (@delete $to:tt) => {
        fn delete(
            &self,
            file: &$crate::remote::RemoteFile,
            deadline: &$crate::remote::Deadline<'_>,
        ) -> Result<bool, $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).delete(file, deadline)
        }
    };
    (@sweep $to:tt) => {
        fn sweep(
            &self,
            writers: &[$crate::name::LogId],
            now: carry_kernel::clock::Timestamp,
            deadline: &$crate::remote::Deadline<'_>,
        ) -> Result<u64, $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).sweep(writers, now, deadline)
        }
    };
    (@wait $to:tt) => {
        fn wait(
            &self,
            after: Option<&$crate::remote::Cursor>,
            deadline: &$crate::remote::Deadline<'_>,
        ) -> Result<$crate::remote::News, $crate::remote::RemoteError> {
            $crate::passed_on!(@of self $to).wait(after, deadline)
        }
    };
    (@watched $to:tt) => {
        fn watched(&self) -> Vec<std::path::PathBuf> {
            $crate::passed_on!(@of self $to).watched()
        }
    };
}

impl<R: Remote + ?Sized> Remote for &R {
    crate::passed_on!(*but);
}

impl<R: Remote + ?Sized> Remote for Arc<R> {
    crate::passed_on!(*but);
}

impl<R: Remote + ?Sized> Remote for Box<R> {
    crate::passed_on!(*but);
}

//! The working trees that are captured, and what is known of each: the database `code.db`.
//!
//! A tree is known by path and inode: a moved tree keeps its id, a copy gets its own, a path that is missing stays
//! registered. Each change is one transaction, so that daemon and commands never lose each other's.
//!
//! Nothing here is synced: after a power loss the last changes may be missing. A tree then is registered again or its
//! state looked up again; what must not be lost, the snapshots, lies in the repositories. A tree that is registered again
//! finds its lines there and goes on under their id.

use std::path::PathBuf;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::{Db, DbError, Schema};
use carry_kernel::home::Home;
use carry_kernel::id::TreeId;

use crate::git::ObjectId;
use crate::snapshot::{Skipped, State};

mod adopt;
mod answers;
mod devices;
mod exchange;
mod finished;
mod links;
mod packs;
mod pending;
mod place;
mod schema;
mod seals;
mod state;
mod trees;
mod undo;

pub(crate) use answers::UnansweredRow;
pub use devices::{Introduced, KnownDevice, Word};
pub(crate) use exchange::{
    Came, KnownRepository, Left, Place as CamePlace, SaidLine, SaidSnapshot, drop_came, drop_said, put_came, put_left,
    put_said, put_said_line, seq_of,
};
pub use links::{Consent, LinkState};
pub use seals::KnownSeal;
pub use undo::UNDO_MAX;

/// The strand's schema.
pub const SCHEMA: Schema = Schema { application_id: 0x4372_7943, migrations: schema::MIGRATIONS };

/// A registered working tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its id.
    pub id: TreeId,
    /// Its root.
    pub root: PathBuf,
    /// The git directory its worktrees share.
    pub common_dir: PathBuf,
    /// When it was registered.
    pub added: Timestamp,
    /// Whether the user paused it.
    pub paused: bool,
    /// Whether it came by itself, as a linked worktree of a registered one.
    pub automatic: bool,
}

/// How changes of a tree are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// No daemon watches it.
    Unwatched,
    /// The file system tells us.
    Watched,
    /// It is scanned now and then.
    Polled,
}

/// What the last look at a tree found. Kept so that `status` need not look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeState {
    /// When its content was last known to be captured (a capture that found nothing new counts).
    pub captured: Option<Timestamp>,
    /// The newest snapshot.
    pub snapshot: Option<ObjectId>,
    /// The branch it is on, for people.
    pub branch: Option<String>,
    /// What Git is in the middle of.
    pub state: Option<State>,
    /// What is not covered.
    pub skipped: Vec<Skipped>,
    /// Nested repositories left out (root-relative).
    pub nested: Vec<crate::git::BString>,
    /// How changes are noticed, and why not by watching.
    pub coverage: Option<Coverage>,
    /// Why it is polled.
    pub coverage_reason: Option<String>,
    /// Why the last capture failed, if it did.
    pub error: Option<String>,
    /// Snapshots kept.
    pub snapshots: u64,
    /// Bytes Carry wrote for them.
    pub bytes: u64,
    /// What the budget allows now.
    pub level: crate::budget::Level,
    /// Newer work of other devices on the branch that was checked out then.
    pub drift: Vec<crate::drift::Noted>,
}

/// Why a path could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be opened as a working tree.
    #[error(transparent)]
    Open(#[from] crate::repo::OpenError),
    /// It is a place where capturing everything is surely not meant.
    #[error("{} is {what}; capturing all of it is rarely meant", path.display())]
    Guarded {
        /// The path.
        path: PathBuf,
        /// `your home directory` or `the root of the file system`.
        what: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What registering did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was not registered. It may have been before: then it has its old id and its snapshots again.
    New(Tree),
    /// It was there already.
    Known(Tree),
    /// It was registered at another path, which is gone: moved.
    Moved {
        /// As it is now.
        tree: Tree,
        /// Where it was.
        from: PathBuf,
    },
}

/// What became of a path since it was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It is there.
    Present,
    /// The folder is not there: unmounted, unplugged, deleted, or moved where we do not know.
    Missing,
    /// The folder is there, its repository is not, or is another.
    Replaced,
}

/// The registry, open.
#[derive(Debug)]
pub struct Registry {
    db: Db,
}

impl Registry {
    /// Opens it for writing, making it when missing.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(home: &Home) -> Result<Self, DbError> {
        Ok(Self { db: Db::open(&home.database("code"), SCHEMA)? })
    }

    /// Opens it for reading; `None` when nothing was ever registered.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open_read_only(home: &Home) -> Result<Option<Self>, DbError> {
        Ok(Db::open_read_only(&home.database("code"), SCHEMA)?.map(|db| Self { db }))
    }
}

/// A step that `carry undo` can take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoEntry {
    /// Row; 0 before it was written.
    pub id: i64,
    /// The tree.
    pub tree: TreeId,
    /// When.
    pub time: Timestamp,
    /// The command, for people: `restore src/main.rs`.
    pub what: String,
    /// The snapshot taken before it (pinned).
    pub before: ObjectId,
    /// The paths it changed.
    pub paths: Vec<crate::git::BString>,
    /// Whether it changed the index too.
    pub staged: bool,
    /// What a handoff did besides; `None` for a restore.
    pub handoff: Option<HandoffEntry>,
}

/// What the journal knows of a handoff besides its paths.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HandoffEntry {
    /// The tree that the working tree was to become, in hex.
    pub target: String,
    /// The tree that the index was to become, in hex, where it was to change.
    pub index: Option<String>,
    /// The snapshot whose staged state was to be brought back, in hex, where all of it was.
    pub staged_of: Option<String>,
    /// What became of HEAD and branch.
    pub head: Option<crate::handoff::HeadMove>,
    /// The branch whose next snapshot has seen something else for it, as in a trailer.
    pub branch: String,
    /// What that snapshot has seen; `None` when it builds on the one before.
    pub seen: Option<String>,
    /// What it would have seen without.
    pub seen_before: Option<String>,
    /// Whether it was carried out to its end.
    pub done: bool,
}

/// A path as it is stored.
fn bytes_of(path: &std::path::Path) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
}

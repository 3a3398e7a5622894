//! Sources: one reader a format, behind one trait.
//!
//! A source knows where an agent keeps its sessions ([`Source::roots`]), lists the *units* there ([`Source::discover`]: a file,
//! or a database that holds many sessions), and reads one unit ([`Source::read`]), saying what it finds as [`Op`]s to a
//! [`Sink`]. It holds no state between calls: what it needs to go on where it stopped is a [`Checkpoint`] that the archive
//! keeps. Reading is streaming: memory is bounded by the longest line, not by the file.
//!
//! A source never fails because of what is in a file. A line that cannot be read is counted ([`Op::Odd`]) and kept raw; only
//! a unit that cannot be opened is an error, and only its own.

use std::path::{Path, PathBuf};

use crate::archive::ArchiveError;
use crate::model::{Agent, Block, Facts, Message, NativeId, Relation, ResultEvent, Usage, UsageEvent};

pub mod agentsview;
pub mod amp;
pub mod claude;
pub mod codex;
pub mod copilot;
pub mod cursor;
mod document;
mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod foreign_db;
pub mod gemini;
mod json;
pub mod lines;
pub mod opencode;
#[cfg(test)]
mod trial;
mod values;

/// Where agents may keep things: what environment and configuration say. Handed in, never looked up.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The user's home directory.
    pub home: PathBuf,
    /// Environment variables that matter (`CLAUDE_CONFIG_DIR`, `CODEX_HOME`, …), by name.
    pub environment: Vec<(String, PathBuf)>,
    /// Folders from the configuration (`sessions.roots`), each `agent=path`; they come on top.
    pub extra: Vec<(Agent, PathBuf)>,
}

impl Places {
    /// The value of an environment variable that names a folder.
    pub fn variable(&self, name: &str) -> Option<&Path> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, path)| path.as_path())
    }
}

/// A folder (or file) in which a source looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// The folder.
    pub path: PathBuf,
    /// Whether it was asked for (environment, configuration) or is the default; a default that is missing is no error.
    pub is_default: bool,
}

/// What the file system says about a unit; equal stamps mean an unchanged unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Modification time in nanoseconds.
    pub mtime_ns: i64,
    /// Change time in nanoseconds: changes also when a program sets the modification time back.
    pub ctime_ns: i64,
    /// Which file.
    pub inode: u64,
    /// On which device.
    pub device: u64,
    /// A number that covers what lies beside it: the write-ahead log of a database, a name in an index. Zero without.
    pub beside: u64,
}

/// A unit that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where it is, as found (links not resolved).
    pub path: PathBuf,
    /// What the file system says.
    pub stamp: Stamp,
}

/// What a source needs to go on where it stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Bytes of the file that are taken in; the rest is new.
    pub offset: u64,
    /// The source's own state, bounded in size. Written by [`Source::read`] of the same [`Source::version`].
    pub state: Vec<u8>,
    /// Short stretches of what was taken in, to notice a rewrite without reading all of it: see [`lines::Probes`].
    pub probes: Vec<u8>,
}

/// How reading a unit ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadEnd {
    /// From where to go on next time.
    pub checkpoint: Checkpoint,
    /// Whether a last line is still being written: look again soon.
    pub is_unfinished: bool,
    /// Set when the unit is no session; remembered, so that it is read again only when it changes.
    pub skipped: Option<&'static str>,
}

/// How to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All of it. What the archive has of the unit's sessions and is not said again is gone from the source.
    Whole,
    /// From here on.
    From(Checkpoint),
}

impl Mode {
    /// For sources that can only say all of a unit.
    ///
    /// # Errors
    /// [`ReadError::NeedsWhole`] unless all of it is asked for.
    fn needs_whole(&self, unit: &Unit) -> Result<(), ReadError> {
        match self {
            Self::Whole => Ok(()),
            Self::From(_) => Err(ReadError::NeedsWhole { path: unit.path.clone() }),
        }
    }
}

/// Something a source says. Ops follow each other in the order of the file; those after [`Op::Session`] belong to that
/// session until the next one.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Opens a session (made when new); the following ops belong to it. May be said again for the same session.
    Session {
        /// The agent, for containers of several agents; `None`: the source's own.
        agent: Option<Agent>,
        /// The agent's own id.
        native: NativeId,
        /// What it belongs to, when known here.
        relation: Option<Relation>,
    },
    /// Something about the session.
    Facts(Box<Facts>),
    /// A message. One with the same ordinal is replaced.
    Message(Box<Message>),
    /// The message at `ordinal` goes on: blocks to add at its end, and, when given, what replaces its usage.
    Extend {
        /// Which.
        ordinal: u32,
        /// More of it. Indexes of calls go on from those it has.
        blocks: Vec<Block>,
        /// The usage that counts now.
        usage: Option<Usage>,
    },
    /// An output of a call, whenever it was made.
    Result(Box<ResultEvent>),
    /// Messages (first and last ordinal, both included) that a rewind gave up, or took up again.
    Abandon {
        /// The ordinals.
        ordinals: std::ops::RangeInclusive<u32>,
        /// Whether they are given up.
        is_abandoned: bool,
    },
    /// A picture's bytes, said before the block that names it. The hash is BLAKE3 of them.
    Blob {
        /// Its hash, hex.
        hash: String,
        /// Its media type.
        media: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Usage that belongs to no message.
    Usage(Box<UsageEvent>),
    /// A pull request that the agent itself recorded.
    PullRequest {
        /// Its address.
        url: String,
        /// The message it came after, if any.
        ordinal: Option<u32>,
    },
    /// A line (or row) that could not be read, or held what cannot be stored. Kept raw, counted.
    Odd {
        /// What.
        kind: Odd,
        /// Its first byte in the file, or number of the row.
        at: u64,
    },
    /// What another archive's user said about the session.
    Curate {
        /// `star`, `name`, `label`, `pin`, `trash`: as in [`Register`](crate::curation::Register).
        field: &'static str,
        /// The label; `#ordinal` of the pinned message; else empty.
        item: String,
        /// The name, the note, or `1`.
        value: String,
        /// When, if known.
        at: Option<carry_kernel::clock::Timestamp>,
    },
}

/// What can be odd about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Odd {
    /// Not JSON, or not an object. Counted as malformed.
    Malformed,
    /// Longer than [`lines::LINE_BYTES_MAX`]. Counted as malformed; the raw bytes are kept.
    TooLong,
    /// Held bytes that are not UTF-8; they became U+FFFD.
    NotUtf8,
    /// Held control characters that were taken out.
    Control,
    /// A type of record that we do not know. Kept raw.
    Unknown,
}

/// Takes what a source says.
pub trait Sink {
    /// Takes one op.
    ///
    /// # Errors
    /// [`SinkError`]: the source returns it at once.
    fn op(&mut self, op: Op) -> Result<(), SinkError>;

    /// Takes raw bytes that were read, in order and without gaps from the checkpoint on (from 0 in [`Mode::Whole`]).
    /// Containers hand over JSON lines, one a row, instead of bytes of the file.
    ///
    /// # Errors
    /// [`SinkError`].
    fn raw(&mut self, bytes: &[u8]) -> Result<(), SinkError>;

    /// The token ([`Facts::token`]) with which the archive has this session: an equal one means that nothing changed.
    fn token(&mut self, agent: Agent, native: &NativeId) -> Option<String>;
}

/// Why the sink takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Why a unit could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The sink takes nothing more.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The file system, with the path.
    #[error("cannot read {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A database of the agent, with the path.
    #[error("cannot read database {}", path.display())]
    Database {
        /// The path.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was appended cannot be understood without reading everything again (a rewind, a rewrite, a truncation).
    #[error("{} must be read as a whole", path.display())]
    NeedsWhole {
        /// The path.
        path: PathBuf,
    },
}

/// A reader of one format.
pub trait Source: Send + Sync {
    /// Its name in lists of sources: the agent's, or `agentsview`.
    fn name(&self) -> &'static str;

    /// The agent whose sessions it reads, unless an op says otherwise.
    fn agent(&self) -> Agent;

    /// Grows when it reads the same bytes differently; units read by an older version are read again.
    fn version(&self) -> u32;

    /// Where it looks. Each exists or not.
    fn roots(&self, places: &Places) -> Vec<Root>;

    /// Lists the units below `root` with their stamps, each once. What cannot be listed is said to `problem` and skipped.
    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error));

    /// The unit that a changed path below `root` belongs to; `None` when it belongs to none, or to several (then all is
    /// looked at).
    fn unit_of(&self, root: &Root, path: &Path) -> Option<PathBuf>;

    /// A file outside of `root` that says something about the units below it: when it changes, all of them are looked at.
    fn beside(&self, _root: &Root) -> Option<PathBuf> {
        None
    }

    /// What the file system says about one unit below `root`, the same as [`Source::discover`] would say. `None` when the
    /// source can only tell by listing all of the root.
    fn stamp(&self, _root: &Root, _unit: &Path) -> Option<std::io::Result<Stamp>> {
        None
    }

    /// Whether a unit is a container of many sessions whose units of raw text are rows, not bytes.
    fn is_container(&self) -> bool {
        false
    }

    /// Reads one unit.
    ///
    /// # Errors
    /// [`ReadError`]. After [`ReadError::NeedsWhole`] the caller reads again with [`Mode::Whole`].
    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError>;
}

/// All sources, in the order of lists.
pub fn all() -> Vec<Box<dyn Source>> {
    vec![
        Box::new(claude::Claude),
        Box::new(codex::Codex),
        Box::new(gemini::Gemini),
        Box::new(copilot::Copilot),
        Box::new(opencode::OpenCode),
        Box::new(cursor::Cursor),
        Box::new(amp::Amp),
        Box::new(agentsview::AgentsView),
    ]
}

//! What a store must be able to do. Nothing here knows what kind of database it is.
//!
//! A store holds units under (owner, key). The owner is whoever the store has authenticated, together with the person that the
//! client says it is; the store, not the client, says who that is. All methods speak of units of this owner only.
//!
//! What an implementation owes:
//! - [`Change::commit`] makes a unit's head, rows, root and mask version visible together, or not at all, and is durable when it
//!   returns. A change that is dropped leaves nothing.
//! - A change begins only from the root that the caller expects; of two at once, one finds another root.
//! - Times are the store's own. Nothing is ordered by a client's clock.
//! - A store never makes or alters its own tables here: that is a separate, privileged step.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::share::Mode;
use crate::unit::{Bucket, Digest, Head, Place, Root, Row, UnitKey};

#[cfg(test)]
mod tests;

/// No row has more bytes ([`crate::unit::Body::bytes`]): larger ones are refused ([`Class::Refused`]), and what a store has of
/// larger ones is not read.
pub const ROW_BYTES_MAX: usize = 64 << 20;

/// Who pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The device's origin: sessions that came from it belong to it.
    pub origin: String,
    /// A random name of this home, 32 hex digits: a copied home has the same origin, but not for long the same state.
    pub holder: String,
    /// The person, as they call themselves.
    pub person: String,
    /// The device's label, for people.
    pub label: String,
}

/// What a store says when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The store's own name, made when it was set up: another one is another store.
    pub store_id: String,
    /// The owner that our units belong to, for links. Empty when there is none yet: see [`Sink::look`].
    pub owner: String,
}

/// A count and a hash over all units of this owner and origin: see [`summary_of`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// SHA-256 over the roots, in the order of the keys' texts. Zero when there are none.
    pub hash: [u8; 32],
}

/// The summary of units, given as key and root in the order of the keys' bytes. A unit without a root counts as one of zeros.
pub fn summary_of<K: AsRef<str>>(units: impl IntoIterator<Item = (K, Option<Root>)>) -> Summary {
    let (mut count, mut hasher) = (0, Sha256::new());
    for (_, root) in units {
        count += 1;
        hasher.update(root.unwrap_or(Root([0; 32])).0);
    }
    let hash = if count == 0 { [0; 32] } else { hasher.finalize().into() };
    Summary { count, hash }
}

/// What a store knows of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its root. `None` when what stands there cannot be one.
    pub root: Option<Root>,
    /// The mask's version.
    pub mask: String,
    /// How much is shared.
    pub mode: Mode,
}

/// The rows that a store has in some buckets of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The unit's root.
    pub root: Option<Root>,
    /// Digests by place. Whatever stands at a place that cannot be right is there with a digest of zeros.
    pub rows: BTreeMap<Place, Digest>,
    /// The digest of the head.
    pub head: Option<Digest>,
}

/// A head that was read back.
#[derive(Clone, Debug, PartialEq)]
pub enum Back {
    /// The store cannot read heads back.
    Unable,
    /// What lies there cannot be one, or nothing does.
    Wrong,
    /// It.
    Head(Box<Head>),
}

/// Which buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Buckets {
    /// Every one.
    All,
    /// These.
    These(BTreeSet<Bucket>),
}

/// What went over the wire since the sink was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Statements.
    pub queries: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Rows removed.
    pub rows_removed: u64,
    /// Bytes of content handed to the database.
    pub bytes: u64,
}

/// How a failure is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The store cannot be reached, or went away: everything waits.
    Unreachable,
    /// Credentials or certificates are refused: everything waits for the user.
    AuthRequired,
    /// This owner may not do this: everything waits for whoever runs the store.
    Forbidden,
    /// The store is not of a version that we understand.
    Unsupported,
    /// The store has no room, is read-only, or shuts down: everything waits.
    Full,
    /// The store had not the memory for what it was handed: everything waits, unless it was one unit's alone.
    Exhausted,
    /// Another copy of this device pushes.
    Busy,
    /// A lock or another writer was in the way: this unit waits.
    Contended,
    /// The store does not take this unit as it is: it is set aside, the rest goes on.
    Refused,
    /// A mistake of ours.
    Internal,
}

impl Class {
    /// Whether only the unit at hand is concerned.
    pub fn is_of_unit(self) -> bool {
        matches!(self, Self::Contended | Self::Refused)
    }

    /// Whether the unit at hand may be what brought it about: one that is too large for the line or for the server.
    pub fn may_be_of_unit(self) -> bool {
        matches!(self, Self::Unreachable | Self::Exhausted)
    }
}

/// Why a store did not do what it was asked. Never holds credentials or contents.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// How to take it.
    pub class: Class,
    /// One sentence without a full stop.
    pub message: String,
    /// What to do about it: a full sentence.
    pub hint: Option<String>,
    /// Why.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SinkError {
    /// A row of so many bytes is too large.
    pub(crate) fn too_large(bytes: usize) -> Self {
        let message = format!("a row of {bytes} bytes is larger than {ROW_BYTES_MAX}, the most that a store takes");
        Self { class: Class::Refused, message, hint: None, source: None }
    }
}

/// A store that units are pushed to.
pub trait Sink {
    /// Connects, looks whether it is of a version that we understand, and claims this client's units: while one holder of an origin
    /// pushes, no other does ([`Class::Busy`]).
    ///
    /// # Errors
    /// [`SinkError`].
    fn open(&mut self, client: &Client) -> Result<Opened, SinkError>;

    /// The same, but only to look: there is no claim, so that it is never [`Class::Busy`] and in nobody's way, nothing is written
    /// and nothing can be. An owner that is not there is not made; there is nothing of ours then.
    ///
    /// # Errors
    /// [`SinkError`].
    fn look(&mut self, client: &Client) -> Result<Opened, SinkError>;

    /// What there is of ours, in one number.
    ///
    /// # Errors
    /// [`SinkError`].
    fn summary(&mut self) -> Result<Summary, SinkError>;

    /// All units of ours (by [`UnitKey::to_text`]).
    ///
    /// # Errors
    /// [`SinkError`].
    fn roots(&mut self) -> Result<BTreeMap<String, Stored>, SinkError>;

    /// What is held of a unit; `None` when there is no such unit of this owner. A unit that another of the owner's devices put is
    /// shown, too.
    ///
    /// # Errors
    /// [`SinkError`].
    fn held(&mut self, key: &UnitKey, buckets: &Buckets) -> Result<Option<Held>, SinkError>;

    /// The rows of a bucket as they lie there, with the digests that stand beside them, in the order of their places; `None` from a
    /// store that cannot read them back. One that makes no sense is left out.
    ///
    /// # Errors
    /// [`SinkError`].
    fn rows(&mut self, key: &UnitKey, bucket: Bucket) -> Result<Option<Vec<Row>>, SinkError> {
        let _ = (key, bucket);
        Ok(None)
    }

    /// The head of a unit as it lies there, with its mode: all that [`crate::shape::head_digest`] is over.
    ///
    /// # Errors
    /// [`SinkError`].
    fn head(&mut self, key: &UnitKey) -> Result<Back, SinkError> {
        let _ = key;
        Ok(Back::Unable)
    }

    /// Begins to change a unit, if its root is `base` (`None`: if there is none, or what is there has no root). When it is not,
    /// says what it is.
    ///
    /// # Errors
    /// [`SinkError`].
    fn change<'s>(&'s mut self, key: &UnitKey, base: Option<Root>) -> Result<Begun<'s>, SinkError>;

    /// Takes units out, in one step. Those that are not there are no error. Returns how many were.
    ///
    /// # Errors
    /// [`SinkError`].
    fn remove(&mut self, keys: &[String]) -> Result<u64, SinkError>;

    /// Notes that units were looked at under this version of the mask and are right as they stand.
    ///
    /// # Errors
    /// [`SinkError`].
    fn confirm(&mut self, keys: &[String], mask: &str) -> Result<(), SinkError>;

    /// Gives the claim back.
    ///
    /// # Errors
    /// [`SinkError`].
    fn close(&mut self) -> Result<(), SinkError>;

    /// What went over the wire so far.
    fn traffic(&self) -> Traffic;
}

/// How a change began.
pub enum Begun<'s> {
    /// It may go on.
    Open(Box<dyn Change + 's>),
    /// Something else is there: its root now.
    Moved(Option<Root>),
    /// The unit was put by another device of the same owner, whose it stays.
    Elsewhere {
        /// That device's origin.
        origin: String,
    },
}

/// A unit that is being changed.
pub trait Change {
    /// Puts rows: new ones, or in the place of those that are there. May be called often; holds no more than a few megabytes back.
    /// Refuses rows of more than [`ROW_BYTES_MAX`].
    ///
    /// # Errors
    /// [`SinkError`].
    fn put(&mut self, rows: Vec<Row>) -> Result<(), SinkError>;

    /// Takes rows out.
    ///
    /// # Errors
    /// [`SinkError`].
    fn take(&mut self, places: &[Place]) -> Result<(), SinkError>;

    /// Ends it: head (`None`: it stays as it is), root and version of the mask with all rows so far, durably and together.
    ///
    /// # Errors
    /// [`SinkError`].
    fn commit(self: Box<Self>, head: Option<(&Head, &Digest)>, root: Root, mask: &str) -> Result<(), SinkError>;
}

//! The stream `code`: snapshots as packs, so that working trees travel through any exchange remote, with or without a Git
//! remote.
//!
//! A record says one line: its seal, and which of its snapshots are kept. It wants the attachments that bring these, and an
//! attachment is a Git pack as Git makes it. Only the newest snapshot of a line is said, not each one in between. What came
//! is judged exactly as what is fetched from a Git remote is, and lands in the same refs, so that everything that works on
//! other devices' lines works on these.
//!
//! It reads no network. The exchange decides what goes where; the user decides which repositories may take part
//! (`code.exchange`).

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::record::AttachmentId;
use carry_exchange::segment::Attachment;
use carry_exchange::store::{Store, StoreError};
use carry_exchange::strand::{Batch, Incomplete, Offered, Origin, Strand, StrandError, outbox};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::disk::DiskError;

use crate::context::Context;
use crate::registry::Registry;
use identity::Wanted;

mod answer;
mod fold;
mod identity;
mod intake;
mod kept;
mod listing;
mod offer;
mod pack;
mod payload;
mod places;
mod retract;
mod run;
mod scan;
mod standing;
#[cfg(test)]
mod tests;

pub use standing::{ForeignLine, LineStanding, OwnLine, Refusal, Standing, Unanswered, bind, standing, unbind};

/// The stream's name.
pub const STREAM: &str = "code";

/// Largest pack that is said, in bytes: an attachment has at most 1 GiB, and a segment holds more than one.
pub const PACK_BYTES_MAX: u64 = 960 << 20;

/// The strand.
#[derive(Debug)]
pub struct CodeStrand {
    ctx: Context,
    registry: Registry,
    stream: StreamName,
    pack_bytes_max: u64,
    /// What is known of the repositories here, until something may have changed.
    places: Option<Vec<places::Place>>,
    /// What records that came say of their repositories, until another is folded.
    identities: Option<places::Identities>,
    /// Commits that our refs are known to hold, by repository.
    held: std::collections::HashMap<PathBuf, std::collections::HashSet<crate::git::ObjectId>>,
    /// The repositories for which everything that came was looked at.
    healed: Option<BTreeSet<PathBuf>>,
    /// See [`CodeStrand::not_taken`].
    not_taken: Vec<NotTaken>,
    /// See [`CodeStrand::n_looked_at`].
    n_looked_at: u64,
}

/// A pack that came and was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// The log that brought it.
    pub log: LogId,
    /// What its repository is called there ([`ForeignLine::repository`]).
    pub repository: String,
    /// What it brings ([`ForeignLine::wants`]).
    pub brings: Vec<AttachmentId>,
    /// Why, for people.
    pub why: String,
    /// Whether it is of no use as it was made; else it could not be taken in here, as where there is no room.
    pub is_broken: bool,
}

/// Why a part of the stream failed.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Git could not do it.
    #[error("cannot work out {what} in {}: {message}", repo.display())]
    Git {
        /// What.
        what: String,
        /// Where.
        repo: PathBuf,
        /// What it said.
        message: String,
    },
    /// There is more of it than may be.
    #[error("{what} has more than {bytes_max} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// How much may be.
        bytes_max: u64,
    },
    /// An attachment is none that can be taken.
    #[error("the attachment {id} cannot be taken: {problem}")]
    Attachment {
        /// Which.
        id: String,
        /// Why.
        problem: String,
    },
    /// A pack stands on what a partial clone does not have of what is there.
    #[error("it stands on more than is in the partial clone {}, which lacks {missing}: {message}", repo.display())]
    Incomplete {
        /// Where.
        repo: PathBuf,
        /// One that is missing.
        missing: crate::git::ObjectId,
        /// What Git said.
        message: String,
    },
    /// Several repositories could not take it, each for a reason of its own.
    #[error("{}", .0.iter().map(Self::in_full).collect::<Vec<_>>().join("; "))]
    Several(Vec<StreamError>),
    /// A repository could not be opened.
    #[error(transparent)]
    Open(#[from] crate::repo::OpenError),
    /// A line could not be read.
    #[error(transparent)]
    History(#[from] crate::history::HistoryError),
    /// A ref could not be moved.
    #[error(transparent)]
    Ref(#[from] crate::refs::RefError),
    /// A snapshot could not be pinned.
    #[error(transparent)]
    Prune(#[from] crate::prune::PruneError),
    /// Objects could not be taken over.
    #[error(transparent)]
    Take(#[from] crate::remote::RemoteError),
    /// The identity could not be read.
    #[error(transparent)]
    Device(#[from] carry_kernel::device::DeviceError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Reading or writing failed.
    #[error("reading or writing a pack failed")]
    Io(#[from] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The exchange failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StreamError {
    /// Whether a pack is of no use as it was made, wherever it is taken in. What Git says of one may be either.
    fn is_of_pack(&self) -> bool {
        match self {
            Self::Attachment { .. } | Self::TooLarge { .. } => true,
            Self::Several(all) => all.iter().any(Self::is_of_pack),
            Self::Git { .. }
            | Self::Incomplete { .. }
            | Self::Open(_)
            | Self::History(_)
            | Self::Ref(_)
            | Self::Prune(_)
            | Self::Take(_)
            | Self::Device(_)
            | Self::Disk(_)
            | Self::Io(_)
            | Self::Db(_)
            | Self::Store(_) => false,
        }
    }

    /// Whether a pack that needs nothing may do where this one did not.
    fn is_incomplete(&self) -> bool {
        match self {
            Self::Incomplete { .. } => true,
            Self::Several(all) => all.iter().any(Self::is_incomplete),
            _ => false,
        }
    }

    /// With all its causes.
    fn in_full(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}

impl CodeStrand {
    /// Opens this device's side of the stream.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn open(ctx: Context) -> Result<Self, StreamError> {
        let registry = Registry::open(&ctx.home)?;
        let stream = STREAM.parse().map_err(StoreError::from)?;
        Ok(Self {
            ctx,
            registry,
            stream,
            pack_bytes_max: PACK_BYTES_MAX,
            places: None,
            identities: None,
            held: std::collections::HashMap::new(),
            healed: None,
            not_taken: Vec::new(),
            n_looked_at: 0,
        })
    }

    /// The packs that the last delivery tried and that were not taken in.
    pub fn not_taken(&self) -> &[NotTaken] {
        &self.not_taken
    }

    /// How many objects the last offer looked at to find out what is new, or what is asked for. What Git looks at by itself is not counted.
    pub fn n_looked_at(&self) -> u64 {
        self.n_looked_at
    }

    /// Says no pack larger than `bytes`, in place of [`PACK_BYTES_MAX`].
    #[must_use]
    pub fn with_pack_bytes_max(mut self, bytes: u64) -> Self {
        self.pack_bytes_max = bytes.min(PACK_BYTES_MAX);
        self
    }

    /// Nothing that was looked up before holds any more.
    fn look_again(&mut self) {
        self.places = None;
        self.identities = None;
        self.held.clear();
    }
}

impl Strand for CodeStrand {
    fn stream(&self) -> &StreamName {
        &self.stream
    }

    fn offer(&mut self, store: &mut Store, bytes: u64, now: Timestamp) -> Result<Offered, StrandError> {
        self.look_again();
        Ok(offer::offer(self, store, bytes, now)?)
    }

    fn knows(&self, kind: u16, version: u16) -> bool {
        (kind, version) == (payload::KIND, payload::KIND_VERSION)
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        Ok(outbox::applied(self.registry.db().conn(), origin)?)
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        // Asked once at the beginning of each delivery.
        self.look_again();
        self.not_taken.clear();
        fold::heal(self)?;
        Ok(outbox::origins(self.registry.db().conn(), &self.stream)?)
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        let done = fold::fold(self, batch);
        self.identities = None;
        self.held.clear();
        Ok(done?)
    }

    fn say_again(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        // Of each line is known in which log it was said; in another one all are said anew.
        self.registry.db().write(|tx| Ok::<_, StoreError>(outbox::uncover(tx, origin, after)?))?;
        Ok(())
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        self.look_again();
        Ok(retract::retract(self, origin, after)?)
    }

    fn has(&mut self, log: LogId, id: &AttachmentId) -> Result<bool, StrandError> {
        Ok(intake::has(self, log, id)?)
    }

    fn take_in(&mut self, log: LogId, attachment: &Attachment, content: &mut dyn Read) -> Result<(), StrandError> {
        let done = intake::take_in(self, log, attachment, content);
        if let (Err(error), Some(one)) = (&done, attachment.provides.first().and_then(Wanted::parse)) {
            let (repository, is_broken) = (one.id.to_string(), error.is_of_pack());
            let brings = attachment.provides.clone();
            self.not_taken.push(NotTaken { log, repository, brings, why: error.in_full(), is_broken });
        }
        self.held.clear();
        match done {
            Err(error) if error.is_incomplete() => Err(Box::new(Incomplete(Box::new(error)))),
            done => Ok(done?),
        }
    }
}

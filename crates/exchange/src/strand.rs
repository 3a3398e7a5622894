//! How a strand plugs into the exchange: it hands over what is to be said, and folds what was said.
//!
//! The exchange reads frames and never payloads; a strand reads payloads and never files. What a strand has folded it keeps
//! as [applied](outbox) ranges in its own file, in the transaction that folds, so that a batch handed over twice has no effect.
//! What it wants to say it keeps in its outbox, in the transaction of the change itself.

use std::collections::BTreeSet;
use std::io::Read;

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::Hlc;

use crate::hash::Digest;
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::record::{AttachmentId, Flags, Record};
use crate::register::{Branch, Lineage};
use crate::segment::Attachment;
use crate::store::Store;

pub mod outbox;
pub mod registers;

/// What a strand fails with. The exchange passes it on.
pub type StrandError = Box<dyn std::error::Error + Send + Sync>;

/// What [`Strand::take_in`] fails with where what an attachment needs is there, but not all of it. Its author is asked for one
/// that needs nothing; meanwhile this one is tried again like any other that failed.
#[derive(Debug, thiserror::Error)]
#[error("what it needs is not here as a whole")]
pub struct Incomplete(#[source] pub StrandError);

/// Which of a strand's files a record comes from: drawn once when the file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 16]);

/// A record that a strand hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Its row in the strand's outbox; with the outbox's [`Nonce`] it says what was taken already.
    pub id: u64,
    /// What it does to other records.
    pub flags: Flags,
    /// The unit that [`Flags::REPLACES`] works on.
    pub key: Vec<u8>,
    /// What kind of record of its stream it is.
    pub kind: u16,
    /// The version of that kind's payload.
    pub kind_version: u16,
    /// The attachments without which it waits; in any order.
    pub wants: Vec<AttachmentId>,
    /// A JSON object.
    pub payload: Vec<u8>,
}

/// Where a record was put that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its row in the strand's outbox.
    pub id: u64,
    /// The log it was written to.
    pub log: LogId,
    /// Its place in its stream.
    pub seq: u64,
    /// Its digest.
    pub r: Digest,
    /// The stamp that it was given, the same wherever it is read.
    pub at: Hlc,
}

/// Where a batch comes from. A log that was forked has one track for each way that it went on; each is folded, and applied
/// ranges are kept for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The log.
    pub log: LogId,
    /// Which of its ways; 0 unless it was forked.
    pub track: u32,
    /// The stream.
    pub stream: StreamName,
}

/// One record to fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The record.
    pub record: Record,
    /// Its digest.
    pub r: Digest,
    /// Where it stands in a forked log.
    pub lineage: Lineage,
}

/// What a strand handed over when it was asked what there is to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Records that were given a place.
    pub n_records: usize,
    /// Whether more waits: the bound was reached.
    pub has_more: bool,
}

/// Records to fold in one transaction.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Where they come from.
    pub origin: &'a Origin,
    /// The name that this device gave the log. The author's own label is never used for paths or refs.
    pub alias: &'a str,
    /// Whether this device wrote them.
    pub is_own: bool,
    /// The records, ascending.
    pub records: &'a [Folded],
    /// What is applied when they are folded: their numbers, and those of dropped records among them.
    pub covers: &'a Ranges,
    /// The branches of the log, if it was forked: what [`Forks::add`](crate::register::Forks::add) takes.
    pub branches: &'a [Branch],
}

/// One kind of work that goes through the exchange, as one stream.
///
/// Folding must not depend on order: batches come in any order, with gaps, and again.
pub trait Strand: Send {
    /// The stream.
    fn stream(&self) -> &StreamName;

    /// Hands what is to be said and was not said yet to [`Store::append`](crate::store::Store::append) and
    /// [`Store::attach`](crate::store::Store::attach), what is most recent first, until about `bytes` of payloads and
    /// attachments are through. What was there before anything was ever exchanged is said, too. Called only where there is
    /// somebody to say it to; again and again, and with no effect when nothing changed. One part that cannot be said holds up
    /// no other.
    ///
    /// # Errors
    /// What it fails with; what was handed over before stays so.
    fn offer(&mut self, store: &mut Store, bytes: u64, now: Timestamp) -> Result<Offered, StrandError> {
        let _ = (store, bytes, now);
        Ok(Offered::default())
    }

    /// Whether records of this kind and version can be folded. What cannot is kept and handed over after an upgrade.
    fn knows(&self, kind: u16, version: u16) -> bool;

    /// What is folded of this origin.
    ///
    /// # Errors
    /// What reading the strand's file fails with.
    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError>;

    /// All origins of which something is folded.
    ///
    /// # Errors
    /// What reading the strand's file fails with.
    fn origins(&mut self) -> Result<Vec<Origin>, StrandError>;

    /// Folds a batch and adds [`Batch::covers`] to what is applied, in one transaction.
    ///
    /// # Errors
    /// What folding fails with; then nothing of the batch may be there.
    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError>;

    /// Takes back what was folded of this origin after record `after`, and removes it from what is applied; more may be taken
    /// back, as long as it is removed from what is applied too: it is handed over again.
    ///
    /// # Errors
    /// What it fails with; then nothing may have changed.
    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError>;

    /// Makes what this device said of this origin after record `after` wait to be said again, and removes it from what is
    /// applied: the log does not have it any more, and goes on as another. What it still shows of that it may take back until
    /// then. A strand that says again by itself what it does not know as said only takes it back.
    ///
    /// # Errors
    /// What it fails with; then nothing may have changed.
    fn say_again(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        self.retract(origin, after)
    }

    /// Says that others were listened to: what they had said by `at`, and a remote that takes this stream had of it, is folded.
    /// Called only when nothing of that was missing or could not be read, now or in an earlier round; that something was sent, or
    /// handed over, says nothing of the kind.
    fn heard(&mut self, at: Timestamp) {
        let _ = at;
    }

    /// Whether the attachment is there. A strand without attachments says that none is.
    ///
    /// # Errors
    /// What looking fails with.
    fn has(&mut self, log: LogId, id: &AttachmentId) -> Result<bool, StrandError> {
        let _ = (log, id);
        Ok(false)
    }

    /// Takes an attachment in, all of whose needs are there, durably. The bytes were verified; what they mean was not.
    ///
    /// # Errors
    /// What it fails with. Its records then go on waiting. [`Incomplete`] when one that needs nothing may do.
    fn take_in(&mut self, log: LogId, attachment: &Attachment, content: &mut dyn Read) -> Result<(), StrandError> {
        let _ = (log, attachment, content);
        Err("this strand takes no attachments".into())
    }

    /// Which of a log's own records of one key, ascending, are made void by later ones among them. Pure; the rule must give
    /// the same state wherever the rest is folded. Records that replace all earlier ones need not be looked at.
    fn void(&self, of_one_key: &[Record]) -> BTreeSet<u64> {
        let _ = of_one_key;
        BTreeSet::new()
    }
}

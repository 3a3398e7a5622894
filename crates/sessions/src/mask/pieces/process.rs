//! Masking under way.

#[cfg(test)]
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::archive::{Archive, SessionRow, Snapshot};
use crate::curation::Pin;
use crate::git_links::GitLink;
use crate::mask::{Knowing, Looked};
use carry_redact::Redactor;

use super::extent::extent;
use super::first_look::{FirstLook, Limits, LookedBucket, check, check_head, weight_of};
use super::guard::guarded;
use super::outline::{Outline, values_hash};
use super::reader::Reader;
use super::stream::Stream;
use super::{Bucket, Digest};
use super::{Known, KnownBucket, MaskedHead, MaskedPiece, MaskingError, NOTHING};

/// A session that is being masked. One at a time for an archive: it reads it as it was when masking began.
///
/// ```text
/// let mut masking = Masking::begin(…)?;
/// masking.head();
/// while let Some(piece) = masking.next_piece()? { … masking.set_shaped(bucket, digest) … }
/// masking.finish()
/// ```
pub struct Masking<'a> {
    reader: Reader<'a>,
    outline: Outline,
    /// Held while there is something to read.
    snapshot: Option<Snapshot<'a>>,
    head: MaskedHead,
    knowing: Knowing,
    pub(super) pieces: Pieces<'a>,
    /// The buckets that come as pieces.
    #[cfg(test)]
    extent: BTreeSet<Bucket>,
    #[cfg(test)]
    vanished: Vec<Bucket>,
    /// Those that came, and those that stay.
    known: Known,
    limits: Limits,
}

/// What is still to come.
pub(super) enum Pieces<'a> {
    /// All of it was looked through once and fits in memory.
    Kept(Vec<LookedBucket>),
    /// It is read and looked through again. What was read and did not fit into the last piece comes first.
    Streamed(Box<Stream<'a>>, Option<LookedBucket>),
    /// Nothing.
    Done,
    /// Nothing ever: it failed.
    Failed,
}

impl<'a> Masking<'a> {
    /// Finds out what has to be masked anew, looks through all of that once, and masks the head. `key` is what [`Known`]'s
    /// hashes are keyed with. With `known` (of the same mask, what it lets through included, and the same mode and shape) only
    /// buckets are read that have changed, that hold secrets, or that share a run of texts with one of these.
    ///
    /// # Errors
    /// [`MaskingError`].
    #[expect(clippy::too_many_arguments, reason = "all that leaves together is masked together")]
    pub fn begin(
        archive: &'a Archive,
        session: &SessionRow,
        pins: &[Pin],
        links: &[GitLink],
        texts: Vec<String>,
        redactor: &'a Redactor,
        key: &[u8; 32],
        known: Option<&Known>,
    ) -> Result<Self, MaskingError> {
        let head = MaskedHead {
            session: session.clone(),
            pins: pins.to_vec(),
            links: links.to_vec(),
            texts,
            findings: Vec::new(),
        };
        Self::begin_with(archive, head, redactor, key, known, Limits::default())
    }

    /// The same, with other limits.
    pub(super) fn begin_with(
        archive: &'a Archive,
        unmasked: MaskedHead,
        redactor: &'a Redactor,
        key: &[u8; 32],
        known: Option<&Known>,
        limits: Limits,
    ) -> Result<Self, MaskingError> {
        let snapshot = archive.snapshot()?;
        let outline = Outline::read(archive, unmasked.session.n, redactor.version(), key)?;
        let mut reader = Reader::new(archive, unmasked.session.n);
        let all: BTreeSet<Bucket> = outline.buckets.keys().copied().collect();
        let mut extent = match known {
            Some(known) => extent(&outline, known, &mut reader)?,
            None => all.clone(),
        };
        let mut first = FirstLook::over(redactor, &unmasked, &outline, &extent, &mut reader, limits)?;
        let mut values = values_hash(first.masker.values(), redactor.version(), key);
        if extent != all && known.is_some_and(|known| known.values != values) {
            // What was masked elsewhere is not, or the other way round.
            extent = all;
            first = FirstLook::over(redactor, &unmasked, &outline, &extent, &mut reader, limits)?;
            values = values_hash(first.masker.values(), redactor.version(), key);
        }
        let FirstLook { masker, mut head, kept } = first;
        let knowing = guarded(|| masker.knowing())?;
        let again = guarded(|| {
            let mut again = knowing.head(&mut head.session, &mut head.pins, &mut head.links);
            again.extend(knowing.texts(&mut head.texts));
            again
        })?;
        head.findings.extend(again);
        check_head(&head.findings)?;
        let pieces = match kept {
            Some(kept) => Pieces::Kept(kept),
            None => Pieces::Streamed(Box::new(Stream::new(redactor, &extent, &outline, limits.held_bytes)), None),
        };
        let is_read = matches!(pieces, Pieces::Kept(_));
        let before = known.map(|known| &known.buckets);
        let stay = before
            .into_iter()
            .flatten()
            .filter(|(bucket, _)| outline.buckets.contains_key(bucket) && !extent.contains(bucket));
        Ok(Self {
            known: Known { buckets: stay.map(|(bucket, known)| (*bucket, *known)).collect(), values },
            #[cfg(test)]
            vanished: vanished(before, &outline),
            reader,
            snapshot: Some(snapshot).filter(|_| !is_read),
            outline,
            head,
            knowing,
            pieces,
            #[cfg(test)]
            extent,
            limits,
        })
    }

    /// The head, masked with all that was found anywhere in the session.
    pub fn head(&self) -> &MaskedHead {
        &self.head
    }

    /// Whether all buckets come as pieces. If not, those that do not come are as they were, and no secret was found in them:
    /// the findings of the head and the pieces are always those of the whole session.
    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        self.extent.len() == self.outline.buckets.len()
    }

    /// The buckets that come as pieces, in order.
    #[cfg(test)]
    pub(super) fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.extent.iter().copied()
    }

    /// Buckets that [`Known`] had and the session has no longer.
    #[cfg(test)]
    pub(super) fn vanished(&self) -> &[Bucket] {
        &self.vanished
    }

    /// The next buckets, in order, or `None` at the end. After an error nothing comes any more but errors.
    ///
    /// # Errors
    /// [`MaskingError`].
    pub fn next_piece(&mut self) -> Result<Option<MaskedPiece>, MaskingError> {
        // What fails below leaves this behind.
        let mut looked = match std::mem::replace(&mut self.pieces, Pieces::Failed) {
            Pieces::Kept(kept) => {
                self.pieces = Pieces::Done;
                kept
            }
            Pieces::Streamed(stream, left) => self.streamed(stream, left)?,
            Pieces::Done => {
                self.pieces = Pieces::Done;
                Vec::new()
            }
            Pieces::Failed => return Err(MaskingError::Panicked { message: "it has failed before".to_owned() }),
        };
        if looked.is_empty() {
            self.snapshot = None;
            return Ok(None);
        }
        let masked =
            guarded(|| looked.iter_mut().flat_map(|(_, looked)| looked).for_each(|one| self.knowing.look(one)))
                .and_then(|()| self.masked(looked));
        if masked.is_err() {
            self.pieces = Pieces::Failed;
        }
        masked.map(Some)
    }

    /// Reads as many buckets as fit into a piece.
    fn streamed(
        &mut self,
        mut stream: Box<Stream<'a>>,
        left: Option<LookedBucket>,
    ) -> Result<Vec<LookedBucket>, MaskingError> {
        let (mut piece, mut weight) = (Vec::new(), 0usize);
        let mut next = left;
        loop {
            next = match next {
                Some(next) => Some(next),
                None => stream.next(&mut self.reader, &self.outline)?,
            };
            let Some(bucket) = next.take() else {
                self.pieces = Pieces::Done;
                return Ok(piece);
            };
            weight = weight.saturating_add(weight_of(&bucket));
            if weight > self.limits.piece_bytes && !piece.is_empty() {
                self.pieces = Pieces::Streamed(stream, Some(bucket));
                return Ok(piece);
            }
            piece.push(bucket);
        }
    }

    /// A piece of buckets after both looks.
    fn masked(&mut self, looked: Vec<LookedBucket>) -> Result<MaskedPiece, MaskingError> {
        let mut piece = MaskedPiece { buckets: Vec::with_capacity(looked.len()), findings: Vec::new() };
        for (bucket, looked) in looked {
            check(&looked)?;
            let found = piece.findings.len();
            let mut messages = Vec::with_capacity(looked.len());
            for Looked { message, findings } in looked {
                let ordinal = message.message.ordinal;
                piece.findings.extend(findings.into_iter().map(|finding| (ordinal, finding)));
                messages.push(message);
            }
            if let Some(listed) = self.outline.buckets.get(&bucket) {
                let has_secrets = piece.findings.len() > found;
                self.known.buckets.insert(bucket, KnownBucket { raw: listed.raw, shaped: NOTHING, has_secrets });
            }
            piece.buckets.push((bucket, messages));
        }
        Ok(piece)
    }

    /// Says what was made of a bucket that came.
    pub fn set_shaped(&mut self, bucket: Bucket, digest: Digest) {
        if let Some(known) = self.known.buckets.get_mut(&bucket) {
            known.shaped = digest;
        }
    }

    /// How many messages were read so far, each time counted.
    #[cfg(test)]
    pub(super) fn messages_read(&self) -> u64 {
        self.reader.messages_read()
    }

    /// What to remember: buckets that came, with what was made of them, and those that stayed as they were. One that has not
    /// come yet is left out, and so counts as new the next time.
    pub fn finish(self) -> Known {
        self.known
    }
}

#[cfg(test)]
fn vanished(before: Option<&BTreeMap<Bucket, KnownBucket>>, outline: &Outline) -> Vec<Bucket> {
    let before = before.into_iter().flat_map(BTreeMap::keys).copied();
    before.filter(|bucket| !outline.buckets.contains_key(bucket)).collect()
}

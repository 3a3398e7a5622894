//! The first look over some of a session's buckets, one after the other.

use std::collections::{BTreeSet, VecDeque};

use crate::archive::{ArchiveError, StoredMessage};
use crate::mask::{Looked, Masker};
use carry_redact::{Finding, Redactor};

use super::Bucket;
use super::first_look::LookedBucket;
use super::guard::guarded;
use super::outline::Outline;
use super::reader::Reader;
use super::{MaskedHead, MaskingError};

/// A bucket to read.
struct Wanted {
    bucket: Bucket,
    /// The last message in it.
    last: u32,
    /// Whether nothing that is left out lies between it and the one before.
    is_next: bool,
}

/// Buckets on their way through the first look.
pub(super) struct Stream<'r> {
    masker: Masker<'r>,
    /// To be read.
    wanted: VecDeque<Wanted>,
    /// Read, and not all of it given out.
    begun: VecDeque<(Bucket, u32)>,
    /// Looked through, and not given out.
    done: VecDeque<Looked>,
    /// How many bytes a run of texts may hold back.
    held_bytes: usize,
}

impl<'r> Stream<'r> {
    pub(super) fn new(redactor: &'r Redactor, extent: &BTreeSet<Bucket>, outline: &Outline, held_bytes: usize) -> Self {
        let mut wanted = VecDeque::with_capacity(extent.len());
        let mut is_next = false;
        for (bucket, listed) in &outline.buckets {
            let is_wanted = extent.contains(bucket);
            if is_wanted {
                wanted.push_back(Wanted { bucket: *bucket, last: listed.last, is_next });
            }
            is_next = is_wanted;
        }
        Self { masker: Masker::new(redactor), wanted, begun: VecDeque::new(), done: VecDeque::new(), held_bytes }
    }

    /// Masks the head.
    pub(super) fn head(&mut self, head: &mut MaskedHead) -> Result<Vec<Finding>, MaskingError> {
        guarded(|| {
            let mut findings = self.masker.head(&mut head.session, &mut head.pins, &mut head.links);
            findings.extend(self.masker.texts(&mut head.texts));
            findings
        })
    }

    /// The next bucket, when all runs of texts in it are over.
    pub(super) fn next(
        &mut self,
        reader: &mut Reader<'_>,
        outline: &Outline,
    ) -> Result<Option<LookedBucket>, MaskingError> {
        loop {
            if let Some((bucket, last)) = self.begun.front().copied() {
                // In order: when the last one is done, all are.
                let count = self.done.partition_point(|looked| looked.message.message.ordinal <= last);
                if count > 0 && self.done[count - 1].message.message.ordinal == last {
                    self.begun.pop_front();
                    return Ok(Some((bucket, self.done.drain(..count).collect())));
                }
            }
            match self.wanted.pop_front() {
                Some(wanted) => self.read(&wanted, reader)?,
                None if self.masker.held().is_some() => self.feed(Vec::new(), true)?,
                None => break,
            }
        }
        match self.begun.front() {
            None => Ok(None),
            Some((bucket, _)) => Err(incomplete(*bucket, outline).into()),
        }
    }

    fn read(&mut self, wanted: &Wanted, reader: &mut Reader<'_>) -> Result<(), MaskingError> {
        if !wanted.is_next {
            self.feed(Vec::new(), true)?;
        }
        let messages = reader.bucket(wanted.bucket)?;
        self.begun.push_back((wanted.bucket, wanted.last));
        self.feed(messages, false)?;
        match self.masker.held() {
            Some((ordinal, bytes)) if bytes > self.held_bytes => Err(MaskingError::TooLarge { ordinal }),
            _ => Ok(()),
        }
    }

    fn feed(&mut self, messages: Vec<StoredMessage>, is_end: bool) -> Result<(), MaskingError> {
        let mut done = Vec::new();
        guarded(|| {
            for message in messages {
                self.masker.take(message, &mut done);
            }
            if is_end {
                self.masker.end(&mut done);
            }
        })?;
        self.done.extend(done);
        Ok(())
    }

    /// What was learned.
    pub(super) fn end(self) -> Masker<'r> {
        self.masker
    }
}

fn incomplete(bucket: Bucket, outline: &Outline) -> ArchiveError {
    let listed = outline.buckets.get(&bucket);
    let (first, last) = listed.map_or((0, 0), |listed| (listed.first, listed.last));
    ArchiveError::Damaged { what: format!("not all of the messages {first} to {last} of a session are there") }
}

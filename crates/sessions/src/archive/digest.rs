//! Digests: what tells whether anything that would be sent has changed.
//!
//! A message's and a result's digest is BLAKE3 over all that is in it. A session's covers its metadata and the sum of its
//! rows' hashes. The sum is one of 256-bit numbers, without carry out: it does not depend on the order, and a row that comes
//! or goes costs one addition, however long the session is.

use crate::model::{Block, Image, Message, ResultEvent, ResultStatus, Role, Usage};

/// Grows when the same content gives another digest.
const VERSION: u8 = 1;

/// Hashes parts so that their borders count.
struct Parts(blake3::Hasher);

impl Parts {
    fn new(kind: &str) -> Self {
        let mut parts = Self(blake3::Hasher::new());
        parts.text(kind);
        parts.number(VERSION.into());
        parts
    }

    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        self.number(text.is_some().into());
        self.text(text.unwrap_or_default());
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn count(&mut self, number: Option<u64>) {
        self.number(number.is_some().into());
        self.number(number.unwrap_or_default());
    }

    fn image(&mut self, image: &Image) {
        self.text(&image.media);
        self.number(image.bytes);
        self.text(&image.hash);
    }

    fn usage(&mut self, usage: Option<&Usage>) {
        self.number(usage.is_some().into());
        let usage = usage.copied().unwrap_or_default();
        let counts =
            [usage.input, usage.output, usage.reasoning, usage.cache_read, usage.cache_write, usage.cache_write_1h];
        counts.into_iter().for_each(|number| self.count(number));
        self.count(usage.cost_micros);
    }

    fn end(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// The digest of a message: over everything in it but the results of its calls, and whether its branch was given up.
pub fn message_digest(message: &Message) -> [u8; 32] {
    let mut parts = Parts::new("message");
    parts.number(message.ordinal.into());
    parts.option(message.key.as_deref());
    parts.number(u64::from(message.role == Role::Assistant));
    parts.option(message.subtype.as_deref());
    parts.number(message.is_system.into());
    parts.count(message.at.map(|at| at.as_millis() as u64));
    parts.option(message.model.as_deref());
    parts.option(message.effort.as_deref());
    let id = message.provider_id.as_ref();
    parts.option(id.map(|id| id.message.as_str()));
    parts.option(id.map(|id| id.request.as_str()));
    parts.usage(message.usage.as_ref());
    for block in &message.blocks {
        match block {
            Block::Text(text) => {
                parts.number(1);
                parts.text(text);
            }
            Block::Thinking(text) => {
                parts.number(2);
                parts.text(text);
            }
            Block::Call(call) => {
                parts.number(3);
                parts.number(call.index.into());
                [&call.id, &call.name, &call.input].into_iter().for_each(|text| parts.text(text));
                parts.text(call.category.as_str());
                parts.option(call.skill.as_deref());
                parts.option(call.subagent.as_ref().map(|id| id.0.as_str()));
                parts.option(call.file.as_deref());
            }
            Block::Image(image) => {
                parts.number(4);
                parts.image(image);
            }
            Block::Other { kind, json } => {
                parts.number(5);
                parts.text(kind);
                parts.text(json);
            }
        }
    }
    parts.end()
}

/// The digest of a result, without its place.
pub fn result_digest(result: &ResultEvent) -> [u8; 32] {
    let mut parts = Parts::new("result");
    parts.text(&result.source);
    parts.number(status_number(result.status));
    parts.count(result.at.map(|at| at.as_millis() as u64));
    parts.text(&result.content);
    parts.number(result.content_bytes);
    result.images.iter().for_each(|image| parts.image(image));
    parts.option(result.subagent.as_ref().map(|id| id.0.as_str()));
    parts.end()
}

/// How a status is written in rows and digests.
pub(super) fn status_number(status: ResultStatus) -> u64 {
    match status {
        ResultStatus::Unknown => 0,
        ResultStatus::Running => 1,
        ResultStatus::Completed => 2,
        ResultStatus::Failed => 3,
    }
}

/// A sum of rows' hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(chunk.try_into().ok()?);
        }
        Some(Self(words))
    }

    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Adds the row at (ordinal, call and event) with this digest.
    pub(super) fn add(&mut self, ordinal: u32, place: Option<(u32, u32)>, digest: &[u8]) {
        let mut carry = false;
        for (word, more) in self.0.iter_mut().zip(row_words(ordinal, place, digest)) {
            let (sum, first) = word.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(carry.into());
            (*word, carry) = (sum, first || second);
        }
    }

    /// Adds that the message at `ordinal` belongs to a branch that was given up.
    pub(super) fn add_abandoned(&mut self, ordinal: u32) {
        self.add(ordinal, Some((u32::MAX, 0)), b"abandoned");
    }

    /// Takes that back.
    pub(super) fn take_abandoned(&mut self, ordinal: u32) {
        self.take(ordinal, Some((u32::MAX, 0)), b"abandoned");
    }

    /// Takes the row out again.
    pub(super) fn take(&mut self, ordinal: u32, place: Option<(u32, u32)>, digest: &[u8]) {
        let mut borrow = false;
        for (word, less) in self.0.iter_mut().zip(row_words(ordinal, place, digest)) {
            let (rest, first) = word.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(borrow.into());
            (*word, borrow) = (rest, first || second);
        }
    }
}

fn row_words(ordinal: u32, place: Option<(u32, u32)>, digest: &[u8]) -> [u64; 4] {
    let mut parts = Parts::new("row");
    parts.number(ordinal.into());
    let (call, event) = place.unwrap_or_default();
    parts.count(place.map(|_| call.into()));
    parts.number(event.into());
    parts.0.update(digest);
    Sum::of_bytes(&parts.end()).unwrap_or_default().0
}

/// The digest of a session: its metadata, as texts in a fixed order, and the sum of its rows.
pub(super) fn session_digest(metadata: &[Option<&str>], sum: Sum) -> [u8; 32] {
    let mut parts = Parts::new("session");
    metadata.iter().for_each(|text| parts.option(*text));
    parts.0.update(&sum.to_bytes());
    parts.end()
}

#[cfg(test)]
mod tests;

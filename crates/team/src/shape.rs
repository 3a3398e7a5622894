//! What a mode lets through of a masked session, as rows. Pure.
//!
//! The same masked session always gives the same rows, and a session that was read back from its rows gives them again: texts
//! are cleaned and JSON is written in one form before anything is hashed. Digests are over what a store keeps, column by
//! column, so that what lies there can be checked without the archive.

use std::borrow::Cow;
use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_redact::{Finding, Fingerprint};
use carry_sessions::archive::StoredMessage;
use carry_sessions::model::RelationKind;
use carry_sessions::project::Project;

use crate::share::Mode;
use crate::unit::{Bucket, Head, Place, Row, SessionHead};
use carry_sessions::mask::pieces::MaskedHead;

mod clean;
mod digest;
mod head;
mod message;
mod places;
#[cfg(test)]
mod tests;
mod totals;
mod words;

pub use digest::{digest_of_body, head_digest};
pub use places::masked_in;
pub use totals::totals;
pub use words::WORDS_BYTES_MAX;

/// Grows when the same masked session gives other rows: then everything is compared again.
pub const VERSION: u32 = 2;

/// How much of a session is shared, where its project is shared in `mode`. What the session of a subagent was told was written
/// by another agent, not by a user: where only prompts are shared, it has none.
pub fn mode_of(mode: Mode, relation: Option<RelationKind>) -> Mode {
    let is_told_by_an_agent = relation == Some(RelationKind::Subagent);
    if mode == Mode::Prompts && is_told_by_an_agent { Mode::Metadata } else { mode }
}

/// A project's key as a mode shows it. Where the working directory is not shared, neither is a key that is a folder: it becomes
/// the project's name and a keyed hash of the folder, so that two projects of one name are still told apart.
pub fn project_key(mode: Mode, project: &Project, keyed: impl FnOnce(&str) -> Fingerprint) -> Cow<'_, str> {
    let Project { key, name, remote, root: _ } = project;
    let is_folder = remote.as_ref() != Some(key) && name != key;
    match is_folder && mode < Mode::Prompts {
        true => Cow::Owned(format!("{name}~{}", keyed(key))),
        false => Cow::Borrowed(key),
    }
}

/// The head of a session, cut down to what the mode lets through. `masked` counts places in the messages that are shared, by
/// rule (see [`masked_in`]); those in what is left of the head are added.
pub fn session_head(mode: Mode, head: MaskedHead, mut masked: BTreeMap<String, u64>) -> Head {
    let MaskedHead { session, pins, links, findings, .. } = head;
    let mut head = SessionHead { mode, session, pins, links, masked: BTreeMap::new() };
    head::cut(&mut head);
    let findings: Vec<&Finding> = findings.iter().collect();
    let mut places = places::Places::of(&findings);
    head::texts(&mut head, &mut |text| {
        places.count(text, &mut masked);
        clean::text(text);
    });
    head::tidy(&mut head);
    head.masked = masked;
    Head::Session(Box::new(head))
}

/// The rows of a bucket in the order of their places, cut down to what the mode lets through. None for modes without text.
/// Messages of other buckets are passed over.
pub fn rows(mode: Mode, bucket: Bucket, messages: &[StoredMessage]) -> Vec<Row> {
    let of_bucket = messages.iter().filter(|stored| Bucket::of(stored.message.ordinal) == bucket);
    let by_ordinal: BTreeMap<u32, &StoredMessage> = of_bucket.map(|stored| (stored.message.ordinal, stored)).collect();
    let mut bodies = BTreeMap::new();
    let mut words = words::Collected::default();
    for stored in by_ordinal.into_values() {
        message::shape(mode, stored, &mut bodies, &mut words);
    }
    if let Some(body) = words.into_body() {
        bodies.insert(Place::Words(bucket), body);
    }
    let row = |(place, body)| Row { place, digest: digest_of_body(&body), body };
    bodies.into_iter().map(row).collect()
}

/// A time that every store can hold, and that is written as it is; `None` for those before the year 1, and for the last day of 9999
/// and what comes after.
fn storable(at: Option<Timestamp>) -> Option<Timestamp> {
    const FIRST_MS: i64 = -62_135_596_800_000;
    const LAST_MS: i64 = 253_402_207_200_000;
    at.filter(|at| (FIRST_MS..=LAST_MS).contains(&at.as_millis()))
}

/// A number that every store can hold.
fn whole(number: u64) -> u64 {
    number.min(i64::MAX.cast_unsigned())
}

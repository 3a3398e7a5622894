//! From [`Meta`] to a commit message: the subject, an empty line, one trailer a line.

use std::fmt::Write as _;

use super::{Meta, PATH_BYTES_MAX, SKIPPED_MAX, SUBJECT_CHARS_MAX};
use crate::git::{BString, ByteSlice as _};
use crate::line::quote;

/// Trailers' names, in the order they are written.
pub(super) mod key {
    pub(in crate::snapshot) const DEVICE: &str = "Carry-Device";
    pub(in crate::snapshot) const TREE: &str = "Carry-Tree";
    pub(in crate::snapshot) const BRANCH: &str = "Carry-Branch";
    pub(in crate::snapshot) const HEAD: &str = "Carry-Head";
    pub(in crate::snapshot) const STAGED: &str = "Carry-Staged";
    pub(in crate::snapshot) const HLC: &str = "Carry-Hlc";
    pub(in crate::snapshot) const SEEN: &str = "Carry-Seen";
    pub(in crate::snapshot) const STATE: &str = "Carry-State";
    pub(in crate::snapshot) const SKIPPED: &str = "Carry-Skipped";
    pub(in crate::snapshot) const SKIPPED_MORE: &str = "Carry-Skipped-More";
    pub(in crate::snapshot) const NESTED: &str = "Carry-Nested";
    pub(in crate::snapshot) const BYTES: &str = "Carry-Bytes";
}

/// What `Carry-Head` says on a branch without a commit.
pub(super) const UNBORN: &str = "unborn";
/// What a subject without a visible character becomes.
const SUBJECT_EMPTY: &str = "snapshot";

/// The whole message.
pub(super) fn message(meta: &Meta) -> String {
    let mut text = subject(&meta.subject);
    text.push_str("\n\n");
    let mut trailer = |key: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{key}: {value}").expect("writing to a string does not fail");
    };
    trailer(key::DEVICE, &meta.device);
    trailer(key::TREE, &meta.tree_id);
    trailer(key::BRANCH, &meta.branch.to_trailer());
    match &meta.head {
        Some(head) => trailer(key::HEAD, head),
        None => trailer(key::HEAD, &UNBORN),
    }
    if let Some(staged) = &meta.staged {
        trailer(key::STAGED, staged);
    }
    trailer(key::HLC, &meta.hlc);
    if !meta.seen.is_empty() {
        trailer(key::SEEN, &meta.seen);
    }
    if let Some(state) = meta.state {
        trailer(key::STATE, &state);
    }
    let named = meta.skipped.iter().filter(|s| fits(&s.path)).take(SKIPPED_MAX);
    let mut n = 0;
    for skipped in named {
        trailer(key::SKIPPED, &format_args!("{} {}", skipped.reason, quote::quote(skipped.path.as_bstr())));
        n += 1;
    }
    let more = meta.skipped_more.saturating_add(meta.skipped.len().saturating_sub(n) as u64);
    if more > 0 {
        trailer(key::SKIPPED_MORE, &more);
    }
    for nested in meta.nested.iter().filter(|path| fits(path)).take(SKIPPED_MAX) {
        trailer(key::NESTED, &quote::quote(nested.as_bstr()));
    }
    trailer(key::BYTES, &meta.bytes);
    text
}

/// One line without characters that a terminal would obey, not empty, not too long.
pub(super) fn subject(text: &str) -> String {
    let clean: String = text.chars().map(|c| if quote::is_unsafe(c) { ' ' } else { c }).collect();
    let cut: String = clean.trim().chars().take(SUBJECT_CHARS_MAX).collect();
    match cut.trim_end() {
        "" => SUBJECT_EMPTY.to_owned(),
        line => line.to_owned(),
    }
}

/// Whether a message names the path.
pub(super) fn fits(path: &BString) -> bool {
    (1..=PATH_BYTES_MAX).contains(&path.len())
}

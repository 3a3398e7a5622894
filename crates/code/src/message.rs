//! What a snapshot says it changed: `modified src/net.rs (+15 −3), 2 more`.

use crate::diff::line_counts;
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::line::quote;

#[cfg(test)]
mod tests;

/// One path that differs from the snapshot before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From the root of the working tree.
    pub path: BString,
    /// Before; `None` when new.
    pub old: Option<ObjectId>,
    /// After; `None` when deleted.
    pub new: Option<ObjectId>,
}

/// Line counts are given for blobs up to this size, in bytes, …
pub const DIFF_BYTES_MAX: u64 = 512 * 1024;
/// … and looked up for this many changes at most, to see which is the largest.
const CANDIDATES_MAX: usize = 16;
/// Longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 100;

/// Folders and names of files that programs write.
const GENERATED_DIRS: &[&str] =
    &["dist", "build", "target", "node_modules", "vendor", "generated", "__pycache__", "__snapshots__", ".next", "out"];
const GENERATED_NAMES: &[&str] =
    &["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum", "flake.lock"];
const GENERATED_ENDS: &[&str] =
    &[".lock", ".lockb", ".min.js", ".min.css", ".map", ".snap", ".log", ".pyc", ".pb.go", "_pb2.py", ".g.dart"];

/// The first line of a snapshot's message, at most 100 characters. `read` gives a blob's bytes (`None`: too large, not a
/// blob, or not to be had; the counts are then left out). Names the change that says most: modified source before new before deleted.
/// `changes` may be empty (then `staged` or `state` changed): `staged changes`, or `first snapshot` when `first`.
///
/// What programs write (lock files, minified scripts, build folders) is named only when there is nothing else. Among
/// changes of the same kind, the one with most changed lines is named.
pub fn subject(changes: &[Change], first: bool, read: &mut dyn FnMut(&ObjectId) -> Option<Vec<u8>>) -> String {
    let Some(best) = changes.iter().map(rank).min() else {
        return if first { "first snapshot" } else { "staged changes" }.to_owned();
    };
    let mut named = None;
    for change in changes.iter().filter(|change| rank(change) == best).take(CANDIDATES_MAX) {
        let counts = counts(change, read);
        let size = counts.map_or(0, |(added, removed)| added.saturating_add(removed));
        if named.is_none_or(|(_, _, largest)| size > largest) {
            named = Some((change, counts, size));
        }
    }
    let (change, counts, _) = named.expect("the best rank is that of a change");

    let counts = counts.map_or_else(String::new, |(added, removed)| match verb(change) {
        Verb::Modified => format!(" (+{added} −{removed})"),
        Verb::New => format!(" (+{added})"),
        Verb::Deleted => format!(" (−{removed})"),
    });
    let rest = match changes.len() - 1 {
        0 => String::new(),
        n => format!(", {n} more"),
    };
    let verb = verb(change).name();
    let room = SUBJECT_CHARS_MAX - 1 - [verb, &counts, &rest].iter().map(|text| text.chars().count()).sum::<usize>();
    format!("{verb} {}{counts}{rest}", shortened(change.path.as_bstr(), room))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Modified,
    New,
    Deleted,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::New => "new",
            Self::Deleted => "deleted",
        }
    }
}

fn verb(change: &Change) -> Verb {
    match (change.old, change.new) {
        (None, Some(_)) => Verb::New,
        (Some(_), None) => Verb::Deleted,
        _ => Verb::Modified,
    }
}

/// The smallest says most.
fn rank(change: &Change) -> (bool, Verb) {
    (is_generated(change.path.as_bstr()), verb(change))
}

fn is_generated(path: &BStr) -> bool {
    let mut parts = path.rsplit_str("/");
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    GENERATED_NAMES.iter().any(|known| name == known.as_bytes())
        || GENERATED_ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
        || parts.any(|dir| GENERATED_DIRS.iter().any(|known| dir == known.as_bytes()))
}

/// Added and removed lines; `None` where only the mode changed, or the content is large, binary or not to be had.
fn counts(change: &Change, read: &mut dyn FnMut(&ObjectId) -> Option<Vec<u8>>) -> Option<(usize, usize)> {
    if change.old == change.new {
        return None;
    }
    let mut content = |id: Option<ObjectId>| match id {
        None => Some(Vec::new()),
        Some(id) => read(&id).filter(|bytes| bytes.len() as u64 <= DIFF_BYTES_MAX),
    };
    let (old, new) = (content(change.old)?, content(change.new)?);
    line_counts(&old, &new)
}

/// The path for people, cut in the middle to `room` characters; its end says more than its beginning.
fn shortened(path: &BStr, room: usize) -> String {
    let chars: Vec<char> = quote::printable(path).chars().collect();
    if chars.len() <= room {
        return chars.into_iter().collect();
    }
    let head = room.saturating_sub(1) / 3;
    let tail = room.saturating_sub(1) - head;
    chars[..head].iter().chain(&['…']).chain(&chars[chars.len() - tail..]).collect()
}

//! One delta as `git diff` prints it: headers, hunks with three lines of context, the function a hunk is in.

use std::io::Write as _;

use gix::diff::blob::{Algorithm, Diff, Hunk, InternedInput, diff_with_slider_heuristics};

use super::{Delta, is_binary, mode};
use crate::git::{BStr, BString, ByteSlice as _, ByteVec as _, ObjectId};
use crate::history::{HistoryError, cannot_read, find_object};

/// Lines of context around a change.
const CONTEXT: u32 = 3;
/// Longest name of a function after a hunk's header, in bytes.
const FUNCTION_BYTES_MAX: usize = 80;
/// Digits of an id that cannot be looked up.
const ABBREVIATED_HEX: usize = 7;
/// What kind of thing a mode says, without its permissions.
const KIND_MASK: u32 = 0o170_000;

type Side = Option<(u32, ObjectId)>;

pub(super) fn unified(repo: &gix::Repository, delta: &Delta) -> Result<BString, HistoryError> {
    let mut out = BString::default();
    match (delta.old, delta.new) {
        // A file that became a link is another thing: Git prints both.
        (Some(old), Some(new)) if old.0 & KIND_MASK != new.0 & KIND_MASK => {
            one(repo, delta.path.as_bstr(), Some(old), None, &mut out)?;
            one(repo, delta.path.as_bstr(), None, Some(new), &mut out)?;
        }
        (old, new) if old != new => one(repo, delta.path.as_bstr(), old, new, &mut out)?,
        _ => {}
    }
    Ok(out)
}

fn one(repo: &gix::Repository, path: &BStr, old: Side, new: Side, out: &mut BString) -> Result<(), HistoryError> {
    let (a, b) = (label(b"a/", path), label(b"b/", path));
    say(out, format_args!("diff --git {a} {b}\n"));
    match (old, new) {
        (None, Some(new)) => say(out, format_args!("new file mode {:06o}\n", new.0)),
        (Some(old), None) => say(out, format_args!("deleted file mode {:06o}\n", old.0)),
        (Some(old), Some(new)) if old.0 != new.0 => {
            say(out, format_args!("old mode {:06o}\nnew mode {:06o}\n", old.0, new.0));
        }
        _ => {}
    }
    if old.map(|o| o.1) == new.map(|n| n.1) {
        return Ok(());
    }
    let zero = |kind| ObjectId::null(kind);
    let kind = old.or(new).map_or(gix::hash::Kind::Sha1, |entry| entry.1.kind());
    let hex = |side: Side| abbreviated(repo, side.map_or(zero(kind), |entry| entry.1));
    say(out, format_args!("index {}..{}", hex(old), hex(new)));
    match (old, new) {
        (Some(old), Some(new)) if old.0 == new.0 => say(out, format_args!(" {:06o}\n", new.0)),
        _ => out.push_byte(b'\n'),
    }

    let (before, after) = (content(repo, old)?, content(repo, new)?);
    let nothing = || BString::from("/dev/null");
    let (a, b) = (old.map_or_else(nothing, |_| a), new.map_or_else(nothing, |_| b));
    if is_binary(&before) || is_binary(&after) {
        say(out, format_args!("Binary files {a} and {b} differ\n"));
        return Ok(());
    }
    let input = InternedInput::new(before.as_slice(), after.as_slice());
    let diff = diff_with_slider_heuristics(Algorithm::Myers, &input);
    if diff.count_additions() + diff.count_removals() > 0 {
        // A tab ends a name with spaces, for the sake of other programs that read patches.
        let tab = |name: &BString| if name.contains(&b' ') { "\t" } else { "" };
        say(out, format_args!("--- {a}{}\n+++ {b}{}\n", tab(&a), tab(&b)));
        hunks(&input, &diff, out);
    }
    Ok(())
}

/// Groups changes that lie close together, and prints each group with its context.
fn hunks(input: &InternedInput<&[u8]>, diff: &Diff, out: &mut BString) {
    let mut function = Function::default();
    let mut changes = diff.hunks().peekable();
    while let Some(first) = changes.next() {
        let mut group = vec![first];
        let mut end = (group[0].before.end, group[0].after.end);
        while let Some(next) = changes.next_if(|next| next.before.start - end.0 <= 2 * CONTEXT) {
            end = (next.before.end, next.after.end);
            group.push(next);
        }
        hunk(input, &group, &mut function, out);
    }
}

fn hunk(input: &InternedInput<&[u8]>, group: &[Hunk], function: &mut Function, out: &mut BString) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let lead = CONTEXT.min(first.before.start);
    let tail = CONTEXT.min(count(&input.before) - last.before.end);
    let (before, after) =
        (first.before.start - lead..last.before.end + tail, first.after.start - lead..last.after.end + tail);
    function.find(input, before.start);
    say(out, format_args!("@@ -{} +{} @@", range(&before), range(&after)));
    if !function.name.is_empty() {
        say(out, format_args!(" {}", function.name));
    }
    out.push_byte(b'\n');

    let line = |sign: u8, tokens: &[gix::diff::blob::Token], at: u32, out: &mut BString| {
        let text = input.interner[tokens[at as usize]];
        out.push_byte(sign);
        out.push_str(text);
        if !text.ends_with(b"\n") {
            out.push_str("\n\\ No newline at end of file\n");
        }
    };
    let mut at = before.start;
    for change in group {
        (at..change.before.start).for_each(|at| line(b' ', &input.before, at, out));
        change.before.clone().for_each(|at| line(b'-', &input.before, at, out));
        change.after.clone().for_each(|at| line(b'+', &input.after, at, out));
        at = change.before.end;
    }
    (at..before.end).for_each(|at| line(b' ', &input.before, at, out));
}

/// The line that a hunk's header repeats: the last one before it that begins with a letter, `_` or `$`.
#[derive(Default)]
struct Function {
    name: BString,
    looked_at: u32,
}

impl Function {
    fn find(&mut self, input: &InternedInput<&[u8]>, hunk: u32) {
        let text = |at: u32| input.interner[input.before[at as usize]];
        let is_name = |line: &[u8]| line.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'));
        // Lines before the last hunk were looked at for that one; what was found there still holds.
        if let Some(at) = (self.looked_at..hunk).rev().find(|at| is_name(text(*at))) {
            let line = text(at);
            self.name = line[..line.len().min(FUNCTION_BYTES_MAX)].trim_ascii_end().into();
        }
        self.looked_at = hunk;
    }
}

/// Counted from 1; an empty range names the line before it, and a length of 1 is left out.
fn range(lines: &std::ops::Range<u32>) -> String {
    match lines.end - lines.start {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        n => format!("{},{n}", lines.start + 1),
    }
}

fn count(tokens: &[gix::diff::blob::Token]) -> u32 {
    u32::try_from(tokens.len()).expect("lines are numbered in 32 bits")
}

fn content(repo: &gix::Repository, side: Side) -> Result<Vec<u8>, HistoryError> {
    match side {
        None => Ok(Vec::new()),
        Some((mode::SUBMODULE, id)) => Ok(format!("Subproject commit {id}\n").into_bytes()),
        Some((_, id)) => {
            let mut object = find_object(repo, id)?;
            if object.kind != gix::objs::Kind::Blob {
                return Err(cannot_read(&format!("blob {id}"), repo.path(), format!("it is a {}", object.kind)));
            }
            Ok(std::mem::take(&mut object.data))
        }
    }
}

/// As short as it stays unique here, and not shorter than Git's own shortest.
fn abbreviated(repo: &gix::Repository, id: ObjectId) -> String {
    use gix::prelude::ObjectIdExt as _;
    match id.attach(repo).shorten() {
        Ok(prefix) => prefix.to_string(),
        Err(_) => id.to_hex_with_len(ABBREVIATED_HEX).to_string(),
    }
}

/// A name in a header, in quotes and with escapes where Git uses them.
fn label(side: &[u8], path: &BStr) -> BString {
    let plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    let name = [side, path].concat();
    if name.iter().all(|b| plain(*b)) {
        return name.into();
    }
    let mut quoted = BString::from("\"");
    for byte in name {
        match byte {
            b'\x07' => quoted.push_str("\\a"),
            b'\x08' => quoted.push_str("\\b"),
            b'\t' => quoted.push_str("\\t"),
            b'\n' => quoted.push_str("\\n"),
            b'\x0b' => quoted.push_str("\\v"),
            b'\x0c' => quoted.push_str("\\f"),
            b'\r' => quoted.push_str("\\r"),
            b'"' | b'\\' => quoted.push_str([b'\\', byte]),
            _ if plain(byte) => quoted.push_byte(byte),
            _ => say(&mut quoted, format_args!("\\{byte:03o}")),
        }
    }
    quoted.push_byte(b'"');
    quoted
}

fn say(out: &mut BString, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

//! What programs print about commits.

use std::borrow::Cow;

use super::address::{self, Request};
use crate::project::normal_remote;

/// At most this many lines of an output that tell of commits are looked at.
const TRACES_MAX: usize = 256;

/// Longer lines are no lines of Git.
const LINE_BYTES_MAX: usize = 4096;

/// Something that an output tells, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// `[branch 1a2b3c4] subject`: a commit was made.
    Made {
        /// The branch; none when the head is detached.
        branch: Option<String>,
        /// Its id, as short as printed.
        sha: String,
        /// Its subject.
        subject: String,
    },
    /// A commit was shown: `1a2b3c4 subject`, `commit <id>`, or an id on a line of its own.
    Shown {
        /// Its id.
        sha: String,
        /// Its subject, if it stands there.
        subject: Option<String>,
    },
    /// `1a2b3c4..5d6e7f8 branch -> branch`.
    Moved {
        /// The range.
        range: String,
        /// The newest commit of it.
        sha: String,
        /// The branch that was moved.
        branch: String,
        /// Where to, as `host/owner/repo`.
        repo: Option<String>,
    },
    /// A merge commit was made, and its id not said.
    Merged,
}

/// The text of an output: what stands in JSON around it is taken off.
pub(super) fn text_of(content: &str) -> Cow<'_, str> {
    let trimmed = content.trim_start();
    if !trimmed.starts_with('{') {
        return Cow::Borrowed(content);
    }
    #[derive(serde::Deserialize)]
    struct Shape<'a> {
        #[serde(borrow, default)]
        output: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        stdout: Option<Cow<'a, str>>,
    }
    match serde_json::from_str::<Shape<'_>>(trimmed) {
        Ok(Shape { output: Some(text), .. } | Shape { stdout: Some(text), .. }) => Cow::Owned(text.into_owned()),
        _ => Cow::Borrowed(content),
    }
}

/// What the text tells of commits.
pub(super) fn traces(text: &str) -> Vec<Trace> {
    let mut found = Vec::new();
    let mut repo = None;
    for line in text.lines().filter(|line| line.len() <= LINE_BYTES_MAX) {
        if found.len() >= TRACES_MAX {
            break;
        }
        let line = line.trim_end();
        if let Some(remote) = line.strip_prefix("To ") {
            repo = normal_remote(remote.trim());
            continue;
        }
        let line = line.trim_start();
        let line =
            ["Output: ", "Stdout: ", "stdout: "].iter().find_map(|label| line.strip_prefix(label)).unwrap_or(line);
        if line.starts_with("Merge made by") {
            found.push(Trace::Merged);
        } else if let Some(trace) = made(line).or_else(|| moved(line, repo.as_deref())).or_else(|| shown(line)) {
            found.push(trace);
        }
    }
    found
}

/// The requests that the text names.
pub(super) fn requests(text: &str) -> Vec<Request> {
    address::requests(text)
}

/// `[branch 1a2b3c4] subject`, `[branch (root-commit) 1a2b3c4] subject`, whatever the branch is called.
fn made(line: &str) -> Option<Trace> {
    let rest = line.strip_prefix('[')?;
    let mut from = 0;
    while let Some(length) = rest[from..].find(']') {
        let close = from + length;
        if let Some((head, sha)) = rest[..close].rsplit_once(' ')
            && is_id(sha)
        {
            let head = head.trim();
            let branch = match head.rsplit_once(" (") {
                Some((branch, note)) if note.ends_with(')') => branch,
                _ => head,
            };
            let branch = Some(branch.to_owned()).filter(|branch| !branch.is_empty() && !branch.contains(' '));
            return Some(Trace::Made { branch, sha: sha.to_owned(), subject: rest[close + 1..].trim().to_owned() });
        }
        from = close + 1;
        if from > 512 {
            return None;
        }
    }
    None
}

/// `   1a2b3c4..5d6e7f8  branch -> branch`, also forced (`+ 1a2b3c4...5d6e7f8`).
fn moved(line: &str, repo: Option<&str>) -> Option<Trace> {
    let mut words = line.split_ascii_whitespace().filter(|word| !matches!(*word, "+" | "*" | "=" | "-"));
    let range = words.next()?;
    let (old, new) = range.split_once("..")?;
    let new = new.strip_prefix('.').unwrap_or(new);
    let (from, arrow, to) = (words.next()?, words.next()?, words.next()?);
    if !is_id(old) || !is_id(new) || arrow != "->" || to.is_empty() {
        return None;
    }
    let branch = if from == "HEAD" { to } else { from };
    Some(Trace::Moved {
        range: range.to_owned(),
        sha: new.to_owned(),
        branch: branch.trim_start_matches("refs/heads/").to_owned(),
        repo: repo.map(str::to_owned),
    })
}

/// A line of a log, or an id alone.
fn shown(line: &str) -> Option<Trace> {
    let line = line.strip_prefix("* ").unwrap_or(line);
    let line = line.strip_prefix("commit ").or_else(|| line.strip_prefix("committed ")).unwrap_or(line);
    let (sha, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    if !is_id(sha) || (rest.is_empty() && sha.len() < 40 && !sha.bytes().any(|b| b.is_ascii_digit())) {
        return None;
    }
    let mut subject = rest.trim();
    if subject.starts_with('(')
        && let Some((_, after)) = subject.split_once(')')
    {
        subject = after.trim();
    }
    Some(Trace::Shown { sha: sha.to_owned(), subject: Some(subject.to_owned()).filter(|subject| !subject.is_empty()) })
}

/// Whether `text` is a commit's id, whole or short.
pub(super) fn is_id(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

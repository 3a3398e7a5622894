//! Secrets that plainly are some: private keys, `.env` files with values, provider tokens. Pure.
//!
//! For code that is about to be published, where a false alarm holds work back: only what is unmistakable counts. Files
//! that are templates by their name, and values that are placeholders or references, stay quiet. Time is linear in the
//! content, whatever it holds, and memory has a bound: what is large is looked at in pieces that overlap.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::git::{BStr, ByteSlice as _, ObjectId};
use crate::line::quote;

mod files;
pub(crate) mod names;
mod pem;
mod pieces;
mod tokens;
mod urls;
mod values;

#[cfg(test)]
mod tests;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root, quoted for people; for what is in no file, words: `the message of commit 1a2b3c4`.
    pub path: String,
    /// What it is: `private key`, `.env file with values`, `GitHub token`, …
    pub kind: &'static str,
    /// The line, from 1; 0 for a whole file.
    pub line: u64,
    /// What it is in, which decides how it gets out.
    pub place: Place,
    /// The oldest commit that has it, where that is known.
    pub commit: Option<ObjectId>,
}

impl Finding {
    /// What and where, for people: `deploy.txt: GitHub token (commit 1a2b3c4)`.
    pub fn shown(&self) -> String {
        let commit = self.commit.map_or(String::new(), |id| format!(" (commit {})", id.to_hex_with_len(7)));
        format!("{}: {}{commit}", self.path, self.kind)
    }
}

/// What a secret is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A file, or the name of one, in a commit that goes out with a snapshot.
    Commit,
    /// A file of the working tree, or what is staged of it.
    File,
    /// The message of a commit, or who wrote it.
    Message,
    /// The name of a file or folder of the working tree.
    Name,
    /// The message of a snapshot, which names files.
    Snapshot,
    /// The name of a branch.
    Branch,
}

/// What is larger is looked at in pieces of so many bytes.
pub const PIECE_BYTES: usize = 1 << 20;

/// Largest text that is looked at, in bytes. A larger one is a finding: it does not go out in silence.
pub const TEXT_BYTES_MAX: u64 = 256 << 20;

/// What is found in a text that is too large to be looked at.
pub const TOO_LARGE: &str = "text of more than 256 MiB, which is not looked at";

/// Ends of names by which a file says that it is a template.
const TEMPLATES: &[&str] =
    &[".example", ".sample", ".template", ".tmpl", ".tpl", ".dist", ".default", ".defaults", ".schema"];

/// What one look at a content found: kinds, and the offset where each begins (`None` for the whole file).
type Found = BTreeMap<&'static str, Option<usize>>;

/// What is in a file of this path and content. At most one finding a kind, in the order of kinds.
pub fn scan(path: &BStr, content: &[u8]) -> Vec<Finding> {
    if content.len() > PIECE_BYTES {
        // Reading a slice does not fail.
        return read(path, content.len() as u64, &mut { content }).unwrap_or_default();
    }
    let Some(name) = name_of(path) else { return Vec::new() };
    let text = narrow(content);
    let line = |at: Option<usize>| at.map_or(0, |at| 1 + text[..at].find_iter(b"\n").count() as u64);
    let found = look(path, &name, &text);
    named(path, found.into_iter().map(|(kind, at)| (kind, line(at))))
}

/// The same of a content of `size` bytes that is read as it is looked at. Of a binary file (Git's rule) that is larger than a
/// piece only the name counts. A secret is found when it is not longer than pieces overlap; an AWS key id and its secret are when
/// they stand in one piece.
///
/// # Errors
/// What reading fails with, and when there is another number of bytes.
pub fn read(path: &BStr, size: u64, content: &mut dyn Read) -> io::Result<Vec<Finding>> {
    let Some(name) = name_of(path) else { return Ok(Vec::new()) };
    let mut lines = BTreeMap::new();
    let whole = pieces::look(size, content, &mut |text, lines_before| {
        for (kind, at) in look(path, &name, text) {
            let line = at.map_or(0, |at| lines_before + 1 + text[..at].find_iter(b"\n").count() as u64);
            lines.entry(kind).or_insert(line);
        }
    })?;
    lines.extend(whole.map(|kind| (kind, 0)));
    Ok(named(path, lines))
}

/// The name in lower case; none of a template, whose content does not count.
fn name_of(path: &BStr) -> Option<Vec<u8>> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_ascii_lowercase();
    (!TEMPLATES.iter().any(|end| name.ends_with(end.as_bytes()))).then_some(name)
}

/// Looks at one text, or a piece of one.
fn look(path: &BStr, name: &[u8], text: &[u8]) -> Found {
    let mut found = Found::new();
    if files::is_key_store(name) {
        found.insert("key store", None);
    }
    files::look(path, name, text, &mut found);
    pem::look(text, &mut found);
    tokens::look(text, &mut found);
    urls::look(text, &mut found);
    found
}

fn named(path: &BStr, found: impl IntoIterator<Item = (&'static str, u64)>) -> Vec<Finding> {
    let path = quote::printable(path);
    let finding = |(kind, line)| Finding { path: path.clone(), kind, line, place: Place::File, commit: None };
    found.into_iter().map(finding).collect()
}

/// UTF-16, as some editors write it, as plain bytes; anything else as it is.
fn narrow(content: &[u8]) -> Cow<'_, [u8]> {
    if is_wide(content) {
        return content[2..].iter().copied().filter(|&byte| byte != 0).collect::<Vec<_>>().into();
    }
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).into()
}

/// Whether it begins as UTF-16 does.
fn is_wide(content: &[u8]) -> bool {
    content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff")
}

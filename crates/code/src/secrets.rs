//! Secrets that plainly are some: private keys, `.env` files with values, provider tokens. Pure.
//!
//! For code that is about to be published, where a false alarm holds work back: only what is unmistakable counts. Files
//! that are templates by their name, and values that are placeholders or references, stay quiet. Time is linear in the
//! content, whatever it holds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::git::{BStr, ByteSlice as _};
use crate::line::quote;

mod files;
mod pem;
mod tokens;
mod urls;
mod values;

#[cfg(test)]
mod tests;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root, quoted for people.
    pub path: String,
    /// What it is: `private key`, `.env file with values`, `GitHub token`, …
    pub kind: &'static str,
    /// The line, from 1; 0 for a whole file.
    pub line: u64,
}

/// Largest file that is looked into, in bytes. Of a larger one only the name counts: what people keep secrets in is small.
pub const LOOKED_BYTES_MAX: u64 = 1 << 20;

/// Ends of names by which a file says that it is a template.
const TEMPLATES: &[&str] =
    &[".example", ".sample", ".template", ".tmpl", ".tpl", ".dist", ".default", ".defaults", ".schema"];

/// What one look at a content found: kinds, and the offset where each begins (`None` for the whole file).
type Found = BTreeMap<&'static str, Option<usize>>;

/// What is in a file of this path and content. At most one finding a kind, in the order of kinds.
pub fn scan(path: &BStr, content: &[u8]) -> Vec<Finding> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_ascii_lowercase();
    if TEMPLATES.iter().any(|end| name.ends_with(end.as_bytes())) {
        return Vec::new();
    }
    let mut found = Found::new();
    if files::is_key_store(&name) {
        found.insert("key store", None);
    }
    let content = if content.len() as u64 > LOOKED_BYTES_MAX { &[][..] } else { content };
    let text = narrow(content);
    files::look(path, &name, &text, &mut found);
    pem::look(&text, &mut found);
    tokens::look(&text, &mut found);
    urls::look(&text, &mut found);
    let path = quote::printable(path);
    let line = |at: Option<usize>| at.map_or(0, |at| 1 + text[..at].find_iter(b"\n").count() as u64);
    found.into_iter().map(|(kind, at)| Finding { path: path.clone(), kind, line: line(at) }).collect()
}

/// UTF-16, as some editors write it, as plain bytes; anything else as it is.
fn narrow(content: &[u8]) -> Cow<'_, [u8]> {
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return content[2..].iter().copied().filter(|&byte| byte != 0).collect::<Vec<_>>().into();
    }
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).into()
}

//! Private keys as text: PEM in all its kinds, PuTTY's own form, `age` and Nostr keys.
//!
//! A header alone is what documentation and programs hold; a key has a body.

use crate::git::ByteSlice as _;

use super::Found;
use super::values::is_random;

/// How far behind its header a key's body may begin, in bytes: `Proc-Type`, `DEK-Info`, `Comment` and the like come first.
const BODY_BYTES_MAX: usize = 1024;

/// Shortest line of a body, in characters. Those of real keys have 64 or more; only a last line is shorter.
const BODY_LINE_MIN: usize = 40;

/// Looks for private keys.
pub(super) fn look(text: &[u8], found: &mut Found) {
    let mut from = 0;
    while let Some(at) = text[from..].find(b"-----BEGIN ").map(|at| from + at) {
        let rest = &text[at + 11..];
        from = at + 11;
        let Some(end) = rest[..rest.len().min(40)].find(b"-----") else { continue };
        let label = &rest[..end];
        let is_private = label.ends_with(b"PRIVATE KEY") || label == b"PGP PRIVATE KEY BLOCK";
        if is_private && has_body(&rest[end + 5..]) {
            let kind = if text.contains_str("\"service_account\"") { "service account key" } else { "private key" };
            found.insert(kind, Some(at));
            break;
        }
    }
    if text.starts_with(b"PuTTY-User-Key-File-") && text.contains_str("\nPrivate-Lines:") {
        found.insert("private key", Some(0));
    }
    if text.starts_with(b"SSH PRIVATE KEY FILE FORMAT") {
        found.insert("private key", Some(0));
    }
}

/// Whether a line of a key follows, as a line of its own, indented, or in a string of some language. Stops at the next
/// dashes, so that all headers together read nothing twice.
fn has_body(rest: &[u8]) -> bool {
    let rest = &rest[..rest.len().min(BODY_BYTES_MAX)];
    let rest = &rest[..rest.find(b"-----").unwrap_or(rest.len())];
    let words = rest.split(|byte| byte.is_ascii_whitespace() || b"\"'`,".contains(byte));
    words.flat_map(|word| word.split_str(r"\n")).any(|word| {
        let word = word.strip_suffix(br"\r").or_else(|| word.strip_suffix(br"\")).unwrap_or(word);
        word.len() >= BODY_LINE_MIN && word.iter().all(|&byte| is_base64(byte)) && is_random(word)
    })
}

/// Whether it is one of base64's characters.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

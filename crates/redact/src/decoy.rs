//! What has the form of a secret and is none.

use crate::rules::Confidence;

/// What ends in one of these names a digest of something.
const DIGESTS: &[&str] =
    &["sha1-", "sha256-", "sha384-", "sha512-", "sha1:", "sha256:", "sha384:", "sha512:", "md5:", "blake3:"];

/// Beginnings of the numbers that providers give to requests, messages and calls.
const NUMBERED: &[&str] = &[
    "toolu_",
    "call_",
    "msg_",
    "req_",
    "resp_",
    "chatcmpl-",
    "fc_",
    "rs_",
    "item_",
    "run_",
    "thread_",
    "srvtoolu_",
    "gen-",
];

/// Beginnings of what points to a value kept elsewhere.
const REFERENCES: &[&str] = &[
    "${",
    "$(",
    "{{",
    "<",
    "%(",
    "#{",
    "process.env",
    "os.environ",
    "os.getenv",
    "getenv(",
    "import.meta.env",
    "env.",
];

/// How far a run of base64 may go on beside a token before the token is chance, in bytes.
const BLOB: usize = 160;

/// Whether what stands at `start..end` of `text` is a decoy.
pub(crate) fn is(text: &str, start: usize, end: usize, confidence: Confidence) -> bool {
    let secret = &text[start..end];
    let before = &text.as_bytes()[start.saturating_sub(8)..start];
    if is_filler(secret) || in_blob(text.as_bytes(), start, end) {
        return true;
    }
    if confidence == Confidence::Certain {
        return false;
    }
    let starts = |words: &[&str]| words.iter().any(|word| secret.starts_with(word));
    DIGESTS.iter().any(|digest| before.ends_with(digest.as_bytes()) || secret.starts_with(digest))
        || (starts(NUMBERED) && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')))
        || starts(REFERENCES)
        || is_variable(secret)
}

/// `xxxx…`, `****`, `....`, `0000…`: most of it is one character.
fn is_filler(secret: &str) -> bool {
    let mut counts = [0_usize; 256];
    for byte in secret.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    most * 2 > secret.len() || secret.contains("EXAMPLE")
}

/// `$NAME`, `%NAME%`.
fn is_variable(secret: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    secret.strip_prefix('$').is_some_and(is_name)
        || secret.strip_prefix('%').and_then(|name| name.strip_suffix('%')).is_some_and(is_name)
}

/// 8-4-4-4-12 hexadecimal digits.
pub(crate) fn is_uuid(secret: &str) -> bool {
    let bytes = secret.as_bytes();
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    bytes.len() == 36 && bytes.iter().enumerate().all(fits)
}

/// Whether the token is a small part of a long run of base64: an image, a signature, an encrypted text.
fn in_blob(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let after = bytes[end..].iter().take(BLOB).take_while(is_base64).count();
    let before = bytes[..start].iter().rev().take(BLOB).take_while(is_base64).count();
    after + before >= BLOB && end - start < BLOB
}

/// Shannon entropy in bits per byte.
pub(crate) fn entropy(text: &str) -> f32 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let total = text.len() as f32;
    counts.iter().filter(|count| **count > 0).map(|count| *count as f32 / total).map(|p| -p * p.log2()).sum()
}

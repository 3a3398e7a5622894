//! From a commit to a [`Seal`]. What is read may come from anywhere: everything is bounded and checked.

use std::collections::BTreeMap;
use std::str::FromStr;

use ed25519_dalek::{Signature, VerifyingKey};

use super::encode::{self, YES, key};
use super::{LABEL_CHARS_MAX, MESSAGE_BYTES_MAX, SUBJECT, Seal};
use crate::git::{BStr, ByteSlice as _, ObjectId};
use crate::line::{Branch, LineName, quote};
use carry_kernel::id::DeviceId;

/// How much of a wrong value an error repeats, in characters.
const SHOWN_CHARS: usize = 60;

const KNOWN: [&str; 7] = [key::DEVICE, key::TREE, key::BRANCH, key::LABEL, key::KEY, key::COUNT, key::FINISHED];

pub(super) fn commit(id: ObjectId, raw: &[u8]) -> Result<Seal, String> {
    // All of a seal but its message is of a few hundred bytes.
    if raw.len() > MESSAGE_BYTES_MAX {
        return Err(format!("it is {} bytes long", raw.len()));
    }
    let commit = gix::objs::CommitRef::from_bytes(raw, id.kind()).map_err(|e| format!("not a commit: {e}"))?;
    if !is_subject(commit.message) {
        return Err("its message is another".to_owned());
    }
    let parents: Vec<ObjectId> = commit.parents().collect();
    let [keeper] = parents[..] else { return Err(format!("it has {} parents", parents.len())) };
    let time = commit.committer().and_then(|who| who.time()).map_err(|e| format!("no time: {e}"))?;
    // Nothing that is not signed may stand in it: no other names, headers or zones.
    let header = encode::header(commit.tree(), keeper, time.seconds);
    if raw.strip_prefix(header.as_bytes()) != Some(commit.message.as_bytes()) {
        return Err("its header is not that of a seal".to_owned());
    }
    message(commit.message, keeper)
}

/// Cheaper than reading it: the lines before the message are skipped.
pub(super) fn is_claimed(id: ObjectId, raw: &[u8]) -> bool {
    gix::objs::CommitRef::from_bytes(raw, id.kind()).is_ok_and(|commit| is_subject(commit.message))
}

fn is_subject(message: &BStr) -> bool {
    message.strip_prefix(SUBJECT.as_bytes()).is_some_and(|rest| rest.starts_with(b"\n\n"))
}

fn message(message: &BStr, keeper: ObjectId) -> Result<Seal, String> {
    let (signed, signature) = split(message).ok_or("it does not end in a signature")?;
    let trailers = trailers(&signed[SUBJECT.len() + 2..])?;
    let one = |key: &'static str| trailers.get(key).copied().ok_or_else(|| format!("{key} is missing"));

    let device: DeviceId = parsed(key::DEVICE, one(key::DEVICE)?)?;
    let public: [u8; 32] = unhex(one(key::KEY)?).ok_or_else(|| wrong(key::KEY, trailers[key::KEY]))?;
    if !device.belongs_to(&public) {
        return Err(format!("its key is not that of {device}"));
    }
    let verifying = VerifyingKey::from_bytes(&public).map_err(|_| wrong(key::KEY, trailers[key::KEY]))?;
    verifying
        .verify_strict(&encode::signed_bytes(keeper, signed), &Signature::from_bytes(&signature))
        .map_err(|_| "its signature is wrong".to_owned())?;

    let branch = one(key::BRANCH)?;
    let branch = Branch::from_trailer(branch).ok_or_else(|| wrong(key::BRANCH, branch))?;
    let finished = match trailers.get(key::FINISHED) {
        None => false,
        Some(yes) if *yes == YES => true,
        Some(other) => return Err(wrong(key::FINISHED, other)),
    };
    Ok(Seal {
        line: LineName::new(&device, &parsed(key::TREE, one(key::TREE)?)?, &branch),
        branch,
        keeper,
        label: label(one(key::LABEL)?)?,
        key: public,
        count: count(one(key::COUNT)?)?,
        finished,
    })
}

/// What is signed, and the signature in the last line.
fn split(message: &[u8]) -> Option<(&[u8], [u8; 64])> {
    let lines = message.strip_suffix(b"\n")?;
    let at = lines.rfind_byte(b'\n')? + 1;
    let hex = lines[at..].strip_prefix(key::SIGNATURE.as_bytes())?.strip_prefix(b": ")?;
    Some((&message[..at], unhex(hex.as_bstr())?))
}

fn trailers(lines: &[u8]) -> Result<BTreeMap<&'static str, &BStr>, String> {
    let mut found = BTreeMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        // What is none of ours may come from a newer Carry.
        if let Some((name, value)) = line.split_once_str(": ")
            && let Some(known) = KNOWN.into_iter().find(|known| name == known.as_bytes())
            && found.insert(known, value.as_bstr()).is_some()
        {
            return Err(format!("{known} stands there twice"));
        }
    }
    Ok(found)
}

/// Fit for a terminal, whatever its writer thought of.
fn label(value: &BStr) -> Result<String, String> {
    let label = quote::unquote(value).ok_or_else(|| wrong(key::LABEL, value))?;
    Ok(quote::printable(label.as_bstr()).chars().take(LABEL_CHARS_MAX).collect())
}

/// Decimal digits and nothing else: Rust also takes a sign.
fn count(value: &BStr) -> Result<u64, String> {
    if value.iter().all(u8::is_ascii_digit) { parsed(key::COUNT, value) } else { Err(wrong(key::COUNT, value)) }
}

fn parsed<T: FromStr>(key: &str, value: &BStr) -> Result<T, String> {
    value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| wrong(key, value))
}

fn unhex<const N: usize>(hex: &BStr) -> Option<[u8; N]> {
    if hex.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = quote::unhex(digits[0], digits[1])?;
    }
    Some(bytes)
}

fn wrong(key: &str, value: &BStr) -> String {
    let shown: String = quote::printable(value).chars().take(SHOWN_CHARS).collect();
    format!("{key} is {shown:?}")
}

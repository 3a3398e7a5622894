//! From a commit to a [`Snapshot`]. What is read may come from anywhere: everything is bounded and checked.

use std::collections::BTreeMap;
use std::str::FromStr;

use carry_kernel::clock::Timestamp;
use carry_kernel::id::{DeviceId, TreeId};

use super::encode::{self, UNBORN, key};
use super::{MESSAGE_BYTES_MAX, Meta, SKIPPED_MAX, SkipReason, Skipped, Snapshot, State};
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::line::{Branch, quote};
use crate::seen::{Seen, Source};

/// How much of a wrong value an error repeats, in characters.
const SHOWN_CHARS: usize = 60;

pub(super) fn commit(id: ObjectId, raw: &[u8]) -> Result<Snapshot, String> {
    let commit = gix::objs::CommitRef::from_bytes(raw, id.kind()).map_err(|e| format!("not a commit: {e}"))?;
    let meta = message(commit.message)?;
    let parents: Vec<ObjectId> = commit.parents().collect();
    let named: Vec<ObjectId> = meta.head.iter().chain(&meta.staged).copied().collect();
    if parents != named {
        return Err("its parents are not the commits its message names".to_owned());
    }
    let time = commit.committer().and_then(|who| who.time()).map_err(|e| format!("no time: {e}"))?;
    Ok(Snapshot { commit: id, tree: commit.tree(), time: Timestamp::from_secs(time.seconds), meta })
}

pub(super) fn message(message: &[u8]) -> Result<Meta, String> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(format!("its message is {} bytes long", message.len()));
    }
    let mut lines = message.split(|b| *b == b'\n').map(|line| line.as_bstr());
    let subject = encode::subject(&lines.next().unwrap_or_default().to_str_lossy());
    if !lines.next().is_some_and(|line| line.is_empty()) {
        return Err("no empty line after the subject".to_owned());
    }

    let mut found = Found::default();
    for line in lines {
        // What is no trailer, or none of ours, may come from a newer Carry or from `git commit --amend`.
        if let Some((key, value)) = line.split_once_str(": ") {
            found.take(key.as_bstr(), value.as_bstr())?;
        }
    }

    let (head, staged) = (found.one(key::HEAD)?, found.maybe(key::STAGED));
    let own = (parsed(key::DEVICE, found.one(key::DEVICE)?)?, parsed(key::TREE, found.one(key::TREE)?)?);
    Ok(Meta {
        subject,
        seen: found.maybe(key::SEEN).map(|value| seen(value, &own)).transpose()?.unwrap_or_default(),
        device: own.0,
        tree_id: own.1,
        branch: Branch::from_trailer(found.one(key::BRANCH)?)
            .ok_or_else(|| wrong(key::BRANCH, found.single[key::BRANCH]))?,
        head: if head == UNBORN { None } else { Some(object(key::HEAD, head)?) },
        staged: staged.map(|hex| object(key::STAGED, hex)).transpose()?,
        hlc: parsed(key::HLC, found.one(key::HLC)?)?,
        state: found
            .maybe(key::STATE)
            .map(|name| parsed(key::STATE, name))
            .transpose()?
            .and_then(|name: Name| State::from_name(&name.0)),
        skipped: found.skipped,
        skipped_more: found.unknown_reasons.saturating_add(match found.single.get(key::SKIPPED_MORE) {
            Some(n) => number(key::SKIPPED_MORE, n)?,
            None => 0,
        }),
        nested: found.nested,
        bytes: number(key::BYTES, found.single.get(key::BYTES).copied().ok_or_else(|| missing(key::BYTES))?)?,
    })
}

/// Our trailers, as far as read.
#[derive(Default)]
struct Found<'a> {
    single: BTreeMap<&'static str, &'a BStr>,
    skipped: Vec<Skipped>,
    unknown_reasons: u64,
    nested: Vec<BString>,
}

const SINGLE: [&str; 10] = [
    key::DEVICE,
    key::TREE,
    key::BRANCH,
    key::HEAD,
    key::STAGED,
    key::HLC,
    key::SEEN,
    key::STATE,
    key::SKIPPED_MORE,
    key::BYTES,
];

impl<'a> Found<'a> {
    fn take(&mut self, key: &BStr, value: &'a BStr) -> Result<(), String> {
        if key == key::SKIPPED {
            if self.skipped.len() == SKIPPED_MAX {
                return Err(format!("more than {SKIPPED_MAX} {}", key::SKIPPED));
            }
            let (reason, path) = value.split_once_str(" ").ok_or_else(|| wrong(key::SKIPPED, value))?;
            let (reason, path): (Name, _) =
                (parsed(key::SKIPPED, reason.as_bstr())?, path_of(key::SKIPPED, path.as_bstr())?);
            match SkipReason::from_name(&reason.0) {
                Some(reason) => self.skipped.push(Skipped { path, reason }),
                None => self.unknown_reasons = self.unknown_reasons.saturating_add(1),
            }
        } else if key == key::NESTED {
            if self.nested.len() == SKIPPED_MAX {
                return Err(format!("more than {SKIPPED_MAX} {}", key::NESTED));
            }
            self.nested.push(path_of(key::NESTED, value)?);
        } else if let Some(known) = SINGLE.into_iter().find(|known| key == *known)
            && self.single.insert(known, value).is_some()
        {
            return Err(format!("{known} stands there twice"));
        }
        Ok(())
    }

    fn maybe(&self, key: &'static str) -> Option<&'a BStr> {
        self.single.get(key).copied()
    }

    fn one(&self, key: &'static str) -> Result<&'a BStr, String> {
        self.maybe(key).ok_or_else(|| missing(key))
    }
}

/// The name of a state or reason, known or not.
struct Name(String);

impl FromStr for Name {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

/// `<source>=<n>`, separated by one space. The first version of the format named the device alone, and then only its own.
fn seen(value: &BStr, own: &(DeviceId, TreeId)) -> Result<Seen, String> {
    let mut seen = Seen::new();
    for entry in value.split_str(" ") {
        let (source, n) = entry.rsplit_once_str("=").ok_or_else(|| wrong(key::SEEN, value))?;
        let n = number(key::SEEN, n.as_bstr())?;
        let source = source.to_str().map_err(|_| wrong(key::SEEN, value))?;
        let source = match Source::parse(source) {
            Some(source) => source,
            None if parsed::<DeviceId>(key::SEEN, source.into())? == own.0 => Source::line(&own.0, &own.1),
            None => continue,
        };
        if seen.get(&source) > 0 {
            return Err(wrong(key::SEEN, value));
        }
        seen.set(source, n);
    }
    Ok(seen)
}

fn path_of(key: &str, value: &BStr) -> Result<BString, String> {
    quote::unquote(value).filter(encode::fits).ok_or_else(|| wrong(key, value))
}

fn object(key: &str, value: &BStr) -> Result<ObjectId, String> {
    ObjectId::from_hex(value).map_err(|_| wrong(key, value))
}

/// Decimal digits and nothing else: Rust also takes a sign.
fn number(key: &str, value: &BStr) -> Result<u64, String> {
    if value.iter().all(u8::is_ascii_digit) { parsed(key, value) } else { Err(wrong(key, value)) }
}

fn parsed<T: FromStr>(key: &str, value: &BStr) -> Result<T, String> {
    value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| wrong(key, value))
}

fn missing(key: &str) -> String {
    format!("{key} is missing")
}

fn wrong(key: &str, value: &BStr) -> String {
    let shown: String = quote::printable(value).chars().take(SHOWN_CHARS).collect();
    format!("{key} is {shown:?}")
}

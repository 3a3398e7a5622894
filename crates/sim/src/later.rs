//! A device whose program is of a later version than any: what it said before its upgrade is taken in, and the heads that it
//! signs after are kept and not applied.

use std::collections::BTreeMap;

use carry_exchange::chain::chain_start;
use carry_exchange::frame::Frame;
use carry_exchange::hash::Digest;
use carry_exchange::head::{Head, Relay, StreamState};
use carry_exchange::name::{LogId, ObjectName};
use carry_exchange::record::{Flags, Record};
use carry_exchange::segment::{Finished, SegmentWriter};
use carry_kernel::hlc::Hlc;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::device::things_stream;
use crate::place::State;
use crate::rng::Rng;

/// The family of that device in the model.
pub const LATER_FAMILY: usize = 1000;

/// What is signed of a head, before its first line.
const CONTEXT: &[u8] = b"carry head 1\n";

/// That device.
#[derive(Debug)]
pub struct Later {
    key: SigningKey,
    /// Its head before the upgrade.
    head: Option<Head>,
    digest: Option<Digest>,
    n: u64,
}

impl Later {
    /// One whose key is drawn from `rng`.
    pub fn new(rng: &mut Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        Self { key: SigningKey::from_bytes(&seed), head: None, digest: None, n: 0 }
    }

    /// Its log.
    pub fn log(&self) -> LogId {
        LogId::of_key(self.key.verifying_key().as_bytes())
    }

    /// Whether it has spoken.
    pub fn has_spoken(&self) -> bool {
        self.head.is_some()
    }

    /// Says these things in a head that all read.
    pub fn speak(&mut self, state: &mut State, tree: usize, ids: &[u64], rng: &mut Rng) {
        let segment = self.segment(ids, rng);
        state.plant(tree, &segment.name.path(), [&segment.head[..], &segment.spool].concat().into());
        let (last, chain) = (segment.reference.last, segment.chain);
        let tail = StreamState { last, chain, relay: Relay::Any, tail: vec![segment.reference] };
        let head = Head {
            key: self.key.verifying_key().to_bytes(),
            n: 1,
            prev: None,
            at: stamp(0),
            device: "later-00c0ffee".parse().expect("it is the id of a device"),
            from: None,
            epoch: 0,
            roster: None,
            grace_s: 3600,
            list: None,
            streams: BTreeMap::from([(things_stream(), tail)]),
            holds: BTreeMap::new(),
            wants: Vec::new(),
            serves: Vec::new(),
            author: None,
        };
        let key = self.key.clone();
        let signed = head.sign(&|message| key.sign(message).to_bytes()).expect("the head is a good one");
        state.plant(tree, &signed.name().path(), signed.bytes().into());
        (self.n, self.digest, self.head) = (1, Some(signed.digest()), Some(head));
    }

    /// Signs another head, which none of the others can read.
    pub fn go_on(&mut self, state: &mut State, tree: usize) {
        let Some(head) = &self.head else { return };
        self.n += 1;
        let (name, bytes) = sign_later(&Head { n: self.n, prev: self.digest, ..head.clone() }, &self.key);
        state.plant(tree, &name.path(), bytes.into());
    }

    fn segment(&self, ids: &[u64], rng: &mut Rng) -> Finished<Vec<u8>> {
        let (log, stream) = (self.log(), things_stream());
        let base = chain_start(log, &stream);
        let mut writer = SegmentWriter::new(log, stream, 1, base, Vec::new());
        for (seq, id) in (1..).zip(ids) {
            let mut salt = [0; 16];
            rng.fill(&mut salt);
            let record = Record {
                flags: Flags::default(),
                seq,
                at: stamp(seq),
                kind: 1,
                kind_version: 1,
                salt,
                key: Vec::new(),
                wants: Vec::new(),
                payload: format!(r#"{{"id":{id},"removes":null}}"#).into_bytes(),
            };
            writer.push(&Frame::Record(record)).expect("the record is a good one");
        }
        writer.finish().expect("a small segment can be written")
    }
}

fn stamp(n: u64) -> Hlc {
    Hlc { wall_ms: 1_790_000_000_000 + n, counter: 0 }
}

/// A head as a later version signs it: it says that whoever reads it must know version 2.
pub fn sign_later(head: &Head, key: &SigningKey) -> (ObjectName, Vec<u8>) {
    let sign = |message: &[u8]| key.sign(message).to_bytes();
    let signed = head.sign(&sign).expect("the head is a good one");
    let text = String::from_utf8_lossy(signed.bytes());
    let line = text.lines().next().unwrap_or_default();
    let line = line.replacen(r#"{"v":1,"min":1,"#, r#"{"v":2,"min":2,"later":[1],"#, 1);
    let signature = base64url(&sign(&[CONTEXT, line.as_bytes()].concat()));
    let bytes = format!("{line}\n{signature}\n").into_bytes();
    (ObjectName::head(head.log(), head.n, Digest::of(&[&bytes])), bytes)
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use carry_exchange::head::{HeadError, SignedHead};

    use super::*;

    #[test]
    fn a_later_head_is_signed_and_only_too_new() {
        let mut later = Later::new(&mut Rng::new(1));
        let segment = later.segment(&[1], &mut Rng::new(2));
        let tail = StreamState { last: 1, chain: segment.chain, relay: Relay::Any, tail: vec![segment.reference] };
        later.n = 3;
        let head = Head {
            key: later.key.verifying_key().to_bytes(),
            n: later.n,
            prev: Some(Digest::of(&[b"before"])),
            at: stamp(0),
            device: "later-00c0ffee".parse().unwrap(),
            from: None,
            epoch: 0,
            roster: None,
            grace_s: 3600,
            list: None,
            streams: BTreeMap::from([(things_stream(), tail)]),
            holds: BTreeMap::new(),
            wants: Vec::new(),
            serves: Vec::new(),
            author: None,
        };
        let (name, bytes) = sign_later(&head, &later.key);
        assert!(matches!(SignedHead::read(&name, &bytes), Err(HeadError::Newer { n: 3, min: 2, .. })));
    }
}

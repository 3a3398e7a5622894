//! What tests build on: records, heads and segments that differ only where a test says so.

use std::collections::BTreeMap;

use carry_kernel::hlc::Hlc;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use crate::frame::{Frame, Stub, StubReason, VoidRun};
use crate::hash::Digest;
use crate::head::{Head, Relay, StreamState};
use crate::name::{LogId, StreamName};
use crate::record::{AttachmentId, Flags, Record};
use crate::segment::{Finished, SegmentWriter};

/// A key that is the same in each run.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn public(seed: u8) -> [u8; 32] {
    key(seed).verifying_key().to_bytes()
}

pub(crate) fn sign(seed: u8) -> impl Fn(&[u8]) -> [u8; 64] {
    move |message| key(seed).sign(message).to_bytes()
}

pub(crate) fn log(seed: u8) -> LogId {
    LogId::of_key(&public(seed))
}

pub(crate) fn stream(name: &str) -> StreamName {
    name.parse().unwrap()
}

/// Text of `bytes` bytes that hardly compresses, another for each seed.
pub(crate) fn noise(seed: u8, bytes: usize) -> String {
    let piece = |n: usize| Digest::of(&[&[seed], &n.to_le_bytes()]).to_text();
    let mut text: String = (0..bytes / 43 + 1).map(piece).collect();
    text.truncate(bytes);
    text
}

pub(crate) fn attachment(name: &str) -> AttachmentId {
    name.parse().unwrap()
}

/// Record `seq` with a payload of its own.
pub(crate) fn record(seq: u64) -> Record {
    let salt = Digest::of(&[b"salt", &seq.to_le_bytes()]).first16();
    Record {
        flags: Flags::default(),
        seq,
        at: Hlc { wall_ms: 1_790_000_000_000 + seq, counter: 0 },
        kind: 1,
        kind_version: 1,
        salt,
        key: format!("session-{}", seq % 3).into_bytes(),
        wants: Vec::new(),
        payload: format!(r#"{{"text":"message {seq}"}}"#).into_bytes(),
    }
}

/// A segment of log 1 with records `first..=last`, cut into blocks of about `block_bytes`, after the chain `base`.
pub(crate) fn segment(name: &str, first: u64, last: u64, base: Digest, block_bytes: usize) -> Finished<Vec<u8>> {
    let mut writer = SegmentWriter::new(log(1), stream(name), first, base, Vec::new()).with_block_bytes(block_bytes);
    for seq in first..=last {
        writer.push(&Frame::Record(record(seq))).unwrap();
    }
    writer.finish().unwrap()
}

/// Head 1 of log 1, without streams.
pub(crate) fn bare_head() -> Head {
    Head {
        key: public(1),
        n: 1,
        prev: None,
        at: Hlc { wall_ms: 1_790_000_000_000, counter: 3 },
        device: "laptop-3f9a1c00".parse().unwrap(),
        from: None,
        epoch: 0,
        roster: None,
        grace_s: 604_800,
        list: None,
        streams: BTreeMap::new(),
        holds: BTreeMap::new(),
        wants: Vec::new(),
        serves: Vec::new(),
        author: None,
    }
}

/// A stream's state with these segments in the tail.
pub(crate) fn state(segments: &[&Finished<Vec<u8>>]) -> StreamState {
    let last = segments.last().unwrap();
    StreamState {
        last: last.reference.last,
        chain: last.chain,
        relay: Relay::Any,
        tail: segments.iter().map(|segment| segment.reference).collect(),
    }
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

/// Any frame that stands for `first` on.
pub(crate) fn any_frame(first: u64) -> impl Strategy<Value = Frame> {
    let record = (
        (any::<u8>(), 0..=crate::limits::WALL_MS_MAX, any::<u16>(), any::<u16>(), any::<u16>(), any::<[u8; 16]>()),
        proptest::collection::vec(any::<u8>(), 1..=128),
        proptest::collection::btree_set("[A-Za-z0-9._:-]{1,64}", 0..5),
        proptest::collection::vec(any::<u8>(), 0..300),
    );
    let record = record.prop_map(move |((flags, wall_ms, counter, kind, kind_version, salt), key, wants, payload)| {
        let wants = wants.iter().map(|id| attachment(id)).collect();
        let at = Hlc { wall_ms, counter };
        Frame::Record(Record { flags: Flags(flags), seq: first, at, kind, kind_version, salt, key, wants, payload })
    });
    let stub = (any_digest(), any::<bool>()).prop_map(move |(r, is_void)| {
        let reason = if is_void { StubReason::Void } else { StubReason::Erased };
        Frame::Stub(Stub { seq: first, r, reason })
    });
    let run =
        (0..50u64, any_digest()).prop_map(move |(n, chain)| Frame::Void(VoidRun { first, last: first + n, chain }));
    prop_oneof![4 => record, 1 => stub, 1 => run]
}

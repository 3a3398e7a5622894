//! Files of version 1 that every later version must read, and that this one must write alike.

use std::collections::BTreeMap;

use carry_exchange::chain::chain_start;
use carry_exchange::frame::{Frame, Stub, StubReason, VoidRun};
use carry_exchange::hash::Digest;
use carry_exchange::head::{Head, Relay, Served, SignedHead, StreamState, Vouch, Want, segments};
use carry_exchange::list::List;
use carry_exchange::name::{LogId, StreamName};
use carry_exchange::record::{Flags, Record};
use carry_exchange::segment::{Expected, Finished, Part, SegmentReader, SegmentRef, SegmentWriter};
use carry_kernel::hlc::Hlc;
use ed25519_dalek::{Signer as _, SigningKey};

const FRAMES: &[u8] = include_bytes!("../golden/frames.bin");
const SEGMENT: &[u8] = include_bytes!("../golden/small.seg");
const LIST: &[u8] = include_bytes!("../golden/small.list");
const HEAD: &[u8] = include_bytes!("../golden/small.head");

/// The SHA-256 of prelude and header of the segment.
const SEGMENT_DIGEST: &str = "Njfhfa4h_yanEoem_6ZOwc5KXRQ8KJzfNxxloPWUiXw";

/// What the list and the head say of the segment. Pinned, since another Zstandard may compress otherwise.
fn reference() -> SegmentRef {
    let digest = Digest::from_text(SEGMENT_DIGEST).unwrap();
    SegmentRef { first: 1, last: 5, bytes: SEGMENT.len() as u64, digest }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log(seed: u8) -> LogId {
    LogId::of_key(&key(seed).verifying_key().to_bytes())
}

fn stream() -> StreamName {
    "sessions".parse().unwrap()
}

/// One frame of each kind, and a record with everything in it.
fn frames() -> Vec<Frame> {
    let record = |seq: u64| Record {
        flags: Flags::default(),
        seq,
        at: Hlc { wall_ms: 1_790_000_000_000 + seq, counter: 0 },
        kind: 1,
        kind_version: 1,
        salt: [u8::try_from(seq).unwrap(); 16],
        key: b"session-1".to_vec(),
        wants: vec![],
        payload: br#"{"text":"hello"}"#.to_vec(),
    };
    let full = Record {
        flags: Flags::REPLACES.and(Flags::KEEPS),
        at: Hlc { wall_ms: 1_790_000_000_500, counter: 7 },
        kind: 0x0203,
        kind_version: 2,
        wants: vec!["0a1b2c".parse().unwrap(), "pack:1".parse().unwrap()],
        payload: "{\"text\":\"héllo\",\"n\":[1,2.5,null,true]}".as_bytes().to_vec(),
        ..record(5)
    };
    vec![
        Frame::Void(VoidRun { first: 1, last: 2, chain: Digest::of(&[b"void"]) }),
        Frame::Stub(Stub { seq: 3, r: Digest::of(&[b"stub"]), reason: StubReason::Erased }),
        Frame::Record(record(4)),
        Frame::Record(full),
    ]
}

fn written() -> Finished<Vec<u8>> {
    let mut writer =
        SegmentWriter::new(log(1), stream(), 1, chain_start(log(1), &stream()), Vec::new()).with_block_bytes(150);
    for frame in frames() {
        writer.push(&frame).unwrap();
    }
    let (provides, needs) = (vec!["0a1b2c".parse().unwrap()], vec!["ffee".parse().unwrap()]);
    writer.attach(provides, needs, &mut &b"PACK bytes"[..]).unwrap();
    writer.finish().unwrap()
}

fn list() -> List {
    List {
        log: log(1),
        streams: [(stream(), vec![reference()])].into(),
        holds: [(log(2), [(stream(), 12)].into())].into(),
    }
}

fn head() -> Head {
    let tail = SegmentRef { first: 6, last: 9, ..reference() };
    let state = StreamState { last: 9, chain: Digest::of(&[b"nine"]), relay: Relay::Sealed, tail: vec![tail] };
    let at = BTreeMap::from([(stream(), (88, Digest::of(&[b"eighty-eight"])))]);
    let (old, new) = (key(2), key(1).verifying_key().to_bytes());
    Head {
        key: new,
        n: 1042,
        prev: Some(Digest::of(&[b"1041"])),
        at: Hlc { wall_ms: 1_790_000_000_000, counter: 3 },
        device: "laptop-3f9a1c00".parse().unwrap(),
        from: Some(Vouch::new(old.verifying_key().to_bytes(), at, &new, &|message| old.sign(message).to_bytes())),
        epoch: 3,
        roster: Some(Digest::of(&[b"roster"])),
        grace_s: 604_800,
        list: Some(list().write().unwrap().reference),
        streams: [(stream(), state)].into(),
        holds: [(log(3), [("memory".parse().unwrap(), 7)].into())].into(),
        wants: vec![
            Want::Object(reference().name(log(1), &stream())),
            Want::Attachment(log(2), "0a1b2c".parse().unwrap()),
        ],
        serves: vec![Served { log: log(4), stream: "code".parse().unwrap(), reference: reference() }],
        author: None,
    }
}

fn signed() -> SignedHead {
    head().sign(&|message| key(1).sign(message).to_bytes()).unwrap()
}

#[test]
fn frames_have_these_bytes() {
    let mut bytes = Vec::new();
    for frame in frames() {
        frame.encode(&mut bytes).unwrap();
    }
    assert!(bytes == FRAMES);
    let mut rest = FRAMES;
    let mut read = Vec::new();
    while !rest.is_empty() {
        let decoded = Frame::decode(rest).unwrap();
        read.push(decoded.frame);
        rest = decoded.rest;
    }
    assert_eq!(read, frames());
}

#[test]
fn the_segment_is_read() {
    // Another Zstandard may compress otherwise, so what is written now is compared by what it holds.
    let written = written();
    let expected = Expected { log: log(1), stream: stream(), reference: reference() };
    let mut reader = SegmentReader::open(&expected, SEGMENT.len() as u64, SEGMENT).unwrap();
    assert_eq!(reader.header().chain, written.chain);
    let (mut links, mut attached) = (Vec::new(), Vec::new());
    while let Some(part) = reader.next_part().unwrap() {
        match part {
            Part::Records(more) => links.extend(more),
            Part::Attachment { bytes, .. } => attached.extend_from_slice(bytes),
        }
    }
    assert_eq!(links.into_iter().map(|link| link.frame).collect::<Vec<_>>(), frames());
    assert_eq!(attached, b"PACK bytes");
    assert_eq!(reader.header().attachments[0].needs, ["ffee".parse().unwrap()]);
}

#[test]
fn list_and_head_have_these_bytes() {
    let written = list().write().unwrap();
    assert!(written.bytes == LIST);
    let read = List::read(LIST, log(1), &written.reference).unwrap();
    assert_eq!(read, list());
    assert!(signed().bytes() == HEAD);
    let head = SignedHead::read(&signed().name(), HEAD).unwrap();
    assert_eq!(head.head(), &self::head());
    assert_eq!(segments(head.head(), Some(&read)).unwrap()[&stream()].len(), 2);
}

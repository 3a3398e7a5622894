//! A device whose files tests make by hand, wrong or of a later version where they say so.

use carry_kernel::hlc::Hlc;
use serde_json::{Value, json};

use super::*;
use crate::chain::{chain_next, chain_start};
use crate::fixture::{self, bare_head};
use crate::frame::Frame;
use crate::head::{Head, SignedHead, StreamState};
use crate::record::Record;
use crate::segment::SegmentRef;

/// One author of one stream.
pub(super) struct Author {
    seed: u8,
    pub(super) log: LogId,
    stream: StreamName,
    /// The last record, and the chain after it.
    pub(super) last: u64,
    pub(super) chain: Digest,
    /// The segments that the next head names.
    pub(super) tail: Vec<SegmentRef>,
    n: u64,
    prev: Option<Digest>,
}

impl Author {
    pub(super) fn new(seed: u8) -> Self {
        let (log, stream) = (fixture::log(seed), stream("notes"));
        let chain = chain_start(log, &stream);
        Self { seed, log, stream, last: 0, chain, tail: Vec::new(), n: 0, prev: None }
    }

    /// The frame of the next record, and its digest.
    fn frame(&self, text: &str) -> (Vec<u8>, Digest) {
        let record = Record {
            flags: Flags::default(),
            seq: self.last + 1,
            at: Hlc { wall_ms: 1_790_000_000_000, counter: 0 },
            kind: 1,
            kind_version: 1,
            salt: [7; 16],
            key: text.as_bytes()[..text.len().min(100)].to_vec(),
            wants: Vec::new(),
            payload: text.as_bytes().to_vec(),
        };
        let r = record.digest().unwrap();
        let mut frame = Vec::new();
        Frame::Record(record).encode(&mut frame).unwrap();
        (frame, r)
    }

    /// Puts a segment with one record, and names it with the next head.
    pub(super) fn seal(&mut self, remote: &MemoryRemote, text: &str) -> SegmentRef {
        self.seal_as(remote, text, &|_| {}, &[])
    }

    /// The same, with another header, and with these bytes after its record's frame.
    pub(super) fn seal_as(
        &mut self,
        remote: &MemoryRemote,
        text: &str,
        edit: &dyn Fn(&mut Value),
        more: &[u8],
    ) -> SegmentRef {
        let (mut plain, r) = self.frame(text);
        plain.extend(more);
        let (seq, base, chain) = (self.last + 1, self.chain, chain_next(self.chain, r));
        let mut packer = zstd::bulk::Compressor::new(1).unwrap();
        packer.include_checksum(true).unwrap();
        let block = packer.compress(&plain).unwrap();
        let mut header = json!({
            "v": 1, "log": self.log.to_string(), "stream": self.stream.as_str(), "first": seq, "last": seq,
            "base": base.to_text(), "chain": chain.to_text(), "dict": 0,
            "blocks": [[block.len(), Digest::of(&[&block]).to_text(), "r", plain.len(), seq, seq, base.to_text()]],
            "attach": [],
        });
        edit(&mut header);
        let header = header.to_string();
        let head = format!("carry-seg 1 {:010}\n{header}", header.len());
        let file = [head.as_bytes(), &block].concat();
        let digest = Digest::of(&[head.as_bytes()]);
        let reference = SegmentRef { first: seq, last: seq, bytes: file.len() as u64, digest };
        remote.plant(&reference.name(self.log, &self.stream).path(), &file);
        (self.last, self.chain) = (seq, chain);
        self.tail.push(reference);
        reference
    }

    /// The name of a segment.
    pub(super) fn name_of(&self, reference: &SegmentRef) -> ObjectName {
        reference.name(self.log, &self.stream)
    }

    /// Puts the next head.
    pub(super) fn head(&mut self, remote: &MemoryRemote) -> SignedHead {
        self.head_as(remote, &|_, _| {})
    }

    /// The same, changed before it is signed.
    pub(super) fn head_as(&mut self, remote: &MemoryRemote, edit: &dyn Fn(&mut Head, &mut StreamState)) -> SignedHead {
        self.n += 1;
        let mut head = bare_head();
        let tail = self.tail.clone();
        let mut state = StreamState { last: self.last, chain: self.chain, relay: Relay::Any, tail };
        (head.key, head.n, head.prev) = (fixture::public(self.seed), self.n, self.prev);
        edit(&mut head, &mut state);
        head.streams.insert(self.stream.clone(), state);
        let signed = head.sign(&fixture::sign(self.seed)).unwrap();
        self.prev = Some(signed.digest());
        remote.plant(&signed.name().path(), signed.bytes());
        signed
    }

    /// Puts the next head as a later version would, which this one cannot read.
    pub(super) fn later_head(&mut self, remote: &MemoryRemote) {
        let draft = MemoryRemote::new("draft");
        let signed = self.head_as(&draft, &|_, _| {});
        let line = std::str::from_utf8(signed.bytes()).unwrap().lines().next().unwrap();
        let line = line.replace(r#""min":1"#, r#""min":2"#);
        let signature = fixture::sign(self.seed)(&[b"carry head 1\n", line.as_bytes()].concat());
        let bytes = format!("{line}\n{}\n", crate::hash::encode64(&signature)).into_bytes();
        let digest = Digest::of(&[&bytes]);
        self.prev = Some(digest);
        remote.plant(&ObjectName::head(self.log, self.n, digest).path(), &bytes);
    }
}

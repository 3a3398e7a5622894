//! What somebody plants who can write to a place and means harm: everything but what needs another's key.

use std::collections::BTreeMap;
use std::sync::Arc;

use carry_exchange::chain::chain_start;
use carry_exchange::frame::Frame;
use carry_exchange::hash::Digest;
use carry_exchange::head::{Head, ListRef, Relay, SignedHead, StreamState, Vouch};
use carry_exchange::name::{Entry, Folder, Form, LogId, ObjectId, ObjectName};
use carry_exchange::record::{Flags, Record};
use carry_exchange::segment::{Finished, SegmentRef, SegmentWriter};
use carry_kernel::hlc::Hlc;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::device::things_stream;
use crate::later::sign_later;
use crate::model::HOSTILE;
use crate::place::State;
use crate::rng::Rng;

/// Bytes that a bomb unpacks to.
const BOMB_BYTES: usize = 96 * 1024 * 1024;
/// Kinds of attack in worlds without a mood.
pub const PLAIN_ATTACKS: usize = 10;
/// Latest time that a stamp can say.
const FAR_FUTURE_MS: u64 = 8_999_999_999_999;

/// The one who attacks.
#[derive(Debug)]
pub struct Hostile {
    rng: Rng,
    key: SigningKey,
    /// Heads of others that it kept, to show them again.
    kept: BTreeMap<String, Arc<[u8]>>,
    n: u64,
    /// How many of the kinds of attack it knows.
    n_attacks: usize,
    n_floods: usize,
}

impl Hostile {
    /// One that draws from `rng` and knows so many kinds of attack.
    pub fn new(mut rng: Rng, n_attacks: usize) -> Self {
        let key = Self::draw_key(&mut rng);
        Self { rng, key, kept: BTreeMap::new(), n: 0, n_attacks, n_floods: 0 }
    }

    fn draw_key(rng: &mut Rng) -> SigningKey {
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        SigningKey::from_bytes(&seed)
    }

    fn garbage(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; 1 + self.rng.below(most)];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// Plants something at a place; says what.
    pub fn attack(&mut self, state: &mut State) -> &'static str {
        let tree = self.rng.below(state.trees.len());
        let heads: Vec<(String, Arc<[u8]>)> = {
            let Some(tree) = state.trees.get(tree) else { return "nothing" };
            let heads = tree.files.range("carry/h/".to_owned()..).take_while(|(path, _)| path.starts_with("carry/h/"));
            heads.map(|(path, stored)| (path.clone(), stored.bytes.clone())).collect()
        };
        let some_head = heads.get(self.rng.below(heads.len())).cloned();
        let read = some_head.as_ref().and_then(|(path, bytes)| SignedHead::read(&path.parse().ok()?, bytes).ok());
        match self.rng.below(self.n_attacks) {
            0 => {
                let log = read.map_or_else(|| self.any_log(), |head| head.head().log());
                for _ in 0..=self.rng.below(4) {
                    let n = 999_999_999_999 - self.rng.below_u64(100);
                    let name = ObjectName::head(log, n, self.any_digest());
                    let bytes = self.garbage(3000);
                    state.plant(tree, &name.path(), bytes.into());
                }
                "heads of another's log with huge numbers"
            }
            1 => {
                for _ in 0..20 {
                    let name = ObjectName::head(self.any_log(), 1 + self.rng.below_u64(9), self.any_digest());
                    let bytes = self.garbage(300);
                    state.plant(tree, &name.path(), bytes.into());
                }
                "a flood of names"
            }
            2 => self.spoil(state, tree),
            3 => {
                if let Some((path, bytes)) = some_head {
                    self.kept.insert(path, bytes);
                }
                let kept: Vec<_> = self.kept.iter().map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
                if let Some((path, bytes)) = kept.get(self.rng.below(kept.len())) {
                    state.plant(tree, path, bytes.clone());
                }
                "an old head again"
            }
            4 => {
                self.publish(state, tree, 1);
                "a log of its own"
            }
            5 => {
                self.n += 1;
                for _ in 0..2 {
                    let segment = self.segment(3);
                    self.put_head(state, tree, self.n, &segment, None);
                }
                "two heads of one number"
            }
            6 => self.bomb(state, tree),
            7 => {
                let bytes: Arc<[u8]> = vec![b'x'; 3 * 1024 * 1024].into();
                let name = ObjectName::head(self.any_log(), 1, Digest::of(&[&bytes]));
                state.plant(tree, &name.path(), bytes);
                "a head of three megabytes"
            }
            8 => {
                // As if an honest log vouched for it.
                let from = read.map(|head| {
                    let signature = head.head().from.as_ref().map_or([7; 64], |from| from.signature);
                    Vouch { key: head.head().key, at: BTreeMap::new(), signature }
                });
                self.n += 1;
                let segment = self.segment(2);
                self.put_head(state, tree, self.n, &segment, from);
                "a forged word of another log"
            }
            9 => {
                // One flood more than that adds nothing but time.
                self.n_floods += 1;
                let is_plain = self.n_attacks == PLAIN_ATTACKS;
                let n = if is_plain || (self.n_floods == 1 && self.rng.chance(40)) { 70 } else { 5 };
                for _ in 0..n {
                    self.key = Self::draw_key(&mut self.rng);
                    self.n = 0;
                    self.publish(state, tree, 1);
                }
                "a flood of logs"
            }
            _ => {
                self.n += 1;
                self.later(state, tree);
                "a head of a later version"
            }
        }
    }

    fn any_log(&mut self) -> LogId {
        let mut key = [0; 32];
        self.rng.fill(&mut key);
        LogId::of_key(&key)
    }

    fn any_digest(&mut self) -> Digest {
        let mut bytes = [0; 32];
        self.rng.fill(&mut bytes);
        Digest::from_bytes(bytes)
    }

    /// A head of its own that none of the devices can read.
    fn later(&mut self, state: &mut State, tree: usize) {
        let segment = self.segment(1);
        let (last, chain) = (segment.reference.last, segment.chain);
        let tail = StreamState { last, chain, relay: Relay::Any, tail: vec![segment.reference] };
        let prev = (self.n > 1).then(|| self.any_digest());
        let head = self.head(self.n, prev, BTreeMap::from([(things_stream(), tail)]), None);
        let (name, bytes) = sign_later(&head, &self.key);
        state.plant(tree, &name.path(), bytes.into());
    }

    fn head(
        &self,
        n: u64,
        prev: Option<Digest>,
        streams: BTreeMap<carry_exchange::name::StreamName, StreamState>,
        from: Option<Vouch>,
    ) -> Head {
        Head {
            key: self.key.verifying_key().to_bytes(),
            n,
            prev,
            at: Hlc { wall_ms: FAR_FUTURE_MS, counter: 1 },
            device: "device0-00c0ffee".parse().expect("it is the id of a device"),
            from,
            epoch: 0,
            roster: None,
            grace_s: 0,
            list: None::<ListRef>,
            streams,
            holds: BTreeMap::new(),
            wants: Vec::new(),
            serves: Vec::new(),
            author: None,
        }
    }

    /// Takes replica names of another's object with spoilt bytes.
    fn spoil(&mut self, state: &mut State, tree: usize) -> &'static str {
        let files: Vec<(String, Arc<[u8]>)> =
            state.trees[tree].files.iter().map(|(path, stored)| (path.clone(), stored.bytes.clone())).collect();
        let Some((path, bytes)) = files.get(self.rng.below(files.len())) else { return "nothing" };
        let Some((folder, name)) = path.rsplit_once('/') else { return "nothing" };
        let Ok(folder) = folder.parse::<Folder>() else { return "nothing" };
        let Entry::Object(object, Form::Itself) = Entry::read(folder, name) else { return "nothing" };
        let mut bytes = bytes.to_vec();
        let at = self.rng.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << self.rng.below(8);
        }
        for replica in 1..=1 + self.rng.below(3) as u8 {
            let path = object.replica_path(replica);
            if !state.trees[tree].files.contains_key(&path) {
                state.plant(tree, &path, bytes.clone().into());
            }
        }
        "spoilt replicas"
    }

    fn publish(&mut self, state: &mut State, tree: usize, n_records: u64) {
        self.n += 1;
        let segment = self.segment(n_records);
        self.put_head(state, tree, self.n, &segment, None);
    }

    /// A segment with records that must never be shown.
    fn segment(&mut self, n_records: u64) -> Finished<Vec<u8>> {
        let log = LogId::of_key(self.key.verifying_key().as_bytes());
        let stream = things_stream();
        let base = chain_start(log, &stream);
        let mut writer = SegmentWriter::new(log, stream, 1, base, Vec::new());
        for seq in 1..=n_records {
            let mut salt = [0; 16];
            self.rng.fill(&mut salt);
            let id = HOSTILE + 500_000 + self.rng.below_u64(100_000);
            let record = Record {
                flags: Flags::KEEPS,
                seq,
                at: Hlc { wall_ms: FAR_FUTURE_MS, counter: 65_535 },
                kind: 1,
                kind_version: 1,
                salt,
                key: b"k1".to_vec(),
                wants: Vec::new(),
                payload: format!(r#"{{"id":{id},"removes":{}}}"#, 1 + self.rng.below(30)).into_bytes(),
            };
            writer.push(&Frame::Record(record)).expect("the record is a good one");
        }
        writer.finish().expect("a small segment can be written")
    }

    fn put_head(&mut self, state: &mut State, tree: usize, n: u64, segment: &Finished<Vec<u8>>, from: Option<Vouch>) {
        state.plant(tree, &segment.name.path(), [&segment.head[..], &segment.spool].concat().into());
        let last = segment.reference.last;
        self.sign(state, tree, n, segment.reference, (last, segment.chain), from);
    }

    fn sign(
        &mut self,
        state: &mut State,
        tree: usize,
        n: u64,
        reference: SegmentRef,
        (last, chain): (u64, Digest),
        from: Option<Vouch>,
    ) {
        let tail = StreamState { last, chain, relay: Relay::Any, tail: vec![reference] };
        let prev = (n > 1).then(|| self.any_digest());
        let head = self.head(n, prev, BTreeMap::from([(things_stream(), tail)]), from);
        let key = self.key.clone();
        // One that our own code would not sign is no attack that it would have to meet.
        if let Ok(signed) = head.sign(&|message| key.sign(message).to_bytes()) {
            state.plant(tree, &signed.name().path(), signed.bytes().into());
        }
    }

    /// A small file that unpacks to very much and says that it is little.
    fn bomb(&mut self, state: &mut State, tree: usize) -> &'static str {
        static BLOCK: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            let mut compressor = zstd::bulk::Compressor::new(1).expect("a level that there is");
            compressor.include_checksum(true).expect("a frame may have a checksum");
            compressor.compress(&vec![0; BOMB_BYTES]).expect("zeros can be compressed")
        });
        let block = &*BLOCK;
        let log = LogId::of_key(self.key.verifying_key().as_bytes());
        let (base, end) = (chain_start(log, &things_stream()), self.any_digest());
        let header = serde_json::json!({
            "v": 1, "log": log.to_string(), "stream": "sessions", "first": 1, "last": 1,
            "base": base.to_text(), "chain": end.to_text(), "dict": 0,
            "blocks": [[block.len(), Digest::of(&[block]).to_text(), "r", 100, 1, 1, base.to_text()]], "attach": [],
        });
        let header = header.to_string();
        let head = format!("carry-seg 1 {:010}\n{header}", header.len());
        let digest = Digest::of(&[head.as_bytes()]);
        let file = [head.as_bytes(), block].concat();
        let reference = SegmentRef { first: 1, last: 1, bytes: file.len() as u64, digest };
        let id = ObjectId::of(digest);
        let name = ObjectName::Segment { log, stream: things_stream(), first: 1, last: 1, id };
        state.plant(tree, &name.path(), file.into());
        self.n += 1;
        self.sign(state, tree, self.n, reference, (1, end), None);
        "a bomb"
    }
}

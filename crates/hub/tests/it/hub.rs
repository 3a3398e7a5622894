//! A server of its own for each test, and objects to put there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use carry_exchange::chain::chain_start;
use carry_exchange::frame::Frame;
use carry_exchange::hash::Digest;
use carry_exchange::head::{Head, Relay, StreamState};
use carry_exchange::list::List;
use carry_exchange::location::Origin;
use carry_exchange::name::{LogId, ObjectName, StreamName};
use carry_exchange::record::{Flags, Record};
use carry_exchange::remote::{PeerRemote, RemoteFile, Token};
use carry_exchange::segment::SegmentWriter;
use carry_hub::credential;
use carry_hub::exchange::{Examination, Place, Quota};
use carry_hub::rate::Rate;
use carry_hub::run::{self, Running, Setup};
use carry_hub::server::Limits;
use carry_kernel::clock::Timestamp;
use ed25519_dalek::{Signer as _, SigningKey};
use tempfile::TempDir;

/// More than any test asks for.
const OFTEN: Rate = Rate { per_second: 100_000, burst: 100_000 };

/// A server, or one that was.
pub(crate) struct Hub {
    pub(crate) setup: Setup,
    running: Option<Running>,
    address: SocketAddr,
    dir: TempDir,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut setup = Setup {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            behind_proxy: false,
            hosts: Vec::new(),
            token_file: at("serve.tokens"),
            of_address: OFTEN,
            of_caller: OFTEN,
            place: Place {
                folder: at("folder"),
                writer: (LogId::of_key(&[9; 32]), 1),
                ledger: at("hub.db"),
                incoming: at("incoming"),
                quota: Quota { of_credential: u64::MAX, of_all: u64::MAX, files_of_credential: u64::MAX },
                examination: Examination::Whole,
                silence: carry_hub::exchange::SILENCE,
            },
            makes_folder: true,
            lock: at("serve.lock"),
            limits: Limits::default(),
        };
        change(&mut setup);
        let running = run::start(&setup, Timestamp::EPOCH).unwrap();
        let address = running.address();
        Self { setup, address, running: Some(running), dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.setup.place.folder
    }

    /// A credential for `name`.
    pub(crate) fn token(&self, name: &str) -> String {
        let random = Digest::of(&[name.as_bytes()]);
        credential::issue(&self.setup.token_file, name, random.as_bytes(), true).unwrap()
    }

    /// What `name` sees of it.
    pub(crate) fn peer(&self, name: &str) -> PeerRemote {
        peer_at(self.address, &self.token(name))
    }

    /// Stops it, and lets what runs finish.
    pub(crate) fn stop(&mut self) {
        self.running.take().unwrap().stop();
    }

    pub(crate) fn kill(&mut self) {
        self.running.take().unwrap().kill();
    }

    /// Starts it again, at the same address.
    pub(crate) fn start(&mut self) {
        self.setup.listen = self.address;
        self.running = Some(run::start(&self.setup, Timestamp::EPOCH).unwrap());
    }

    /// All files in the folder and on their way into it, but the marker.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        walk(self.folder(), self.folder(), &mut files);
        walk(&self.setup.place.incoming, self.dir(), &mut files);
        files.retain(|file| file != "carry/format.json");
        files.sort();
        files
    }
}

fn walk(dir: &Path, root: &Path, files: &mut Vec<String>) {
    for entry in dir.read_dir().unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, root, files);
        } else {
            files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// What a device with this credential sees there.
pub(crate) fn peer_at(address: SocketAddr, token: &str) -> PeerRemote {
    let origin = Origin { is_encrypted: false, host: "127.0.0.1".to_owned(), port: Some(address.port()) };
    PeerRemote::new(&origin, "", &Token::new(token).unwrap(), None).unwrap()
}

/// An object and its bytes.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) name: ObjectName,
    pub(crate) bytes: Vec<u8>,
}

impl Object {
    pub(crate) fn file(&self) -> RemoteFile {
        RemoteFile::object(&self.name)
    }

    /// Its path at the server.
    pub(crate) fn path(&self) -> String {
        format!("/carry/v1/exchange/{}", self.name.path().strip_prefix("carry/").unwrap())
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn log(seed: u8) -> LogId {
    LogId::of_key(&key(seed).verifying_key().to_bytes())
}

/// A segment of log `seed` with `n` records whose payloads do not compress and have `payload_bytes` bytes each; with its head
/// and a list.
pub(crate) fn published(seed: u8, n: u64, payload_bytes: usize) -> [Object; 3] {
    let stream: StreamName = "notes".parse().unwrap();
    let mut writer = SegmentWriter::new(log(seed), stream.clone(), 1, chain_start(log(seed), &stream), Vec::new());
    for seq in 1..=n {
        writer.push(&Frame::Record(record(seq, payload_bytes))).unwrap();
    }
    let segment = writer.finish().unwrap();
    let list =
        List { log: log(seed), streams: [(stream.clone(), vec![segment.reference])].into(), holds: BTreeMap::new() };
    let list = list.write().unwrap();
    let state = StreamState { last: n, chain: segment.chain, relay: Relay::Any, tail: vec![segment.reference] };
    let head = Head {
        key: key(seed).verifying_key().to_bytes(),
        n: 1,
        prev: None,
        at: "1790000000000-0000".parse().unwrap(),
        device: "laptop-3f9a1c00".parse().unwrap(),
        from: None,
        epoch: 0,
        roster: None,
        grace_s: 604_800,
        list: None,
        streams: [(stream, state)].into(),
        holds: BTreeMap::new(),
        wants: Vec::new(),
        serves: Vec::new(),
        author: None,
    };
    let head = head.sign(&|message: &[u8]| key(seed).sign(message).to_bytes()).unwrap();
    [
        Object { name: segment.name.clone(), bytes: segment.to_bytes() },
        Object { name: list.name, bytes: list.bytes },
        Object { name: head.name(), bytes: head.bytes().to_vec() },
    ]
}

fn record(seq: u64, payload_bytes: usize) -> Record {
    let mut text = String::new();
    let mut digest = Digest::of(&[&seq.to_le_bytes()]);
    while text.len() < payload_bytes {
        text.push_str(&digest.to_text());
        digest = Digest::of(&[digest.as_bytes()]);
    }
    Record {
        flags: Flags::default(),
        seq,
        at: "1790000000000-0000".parse().unwrap(),
        kind: 1,
        kind_version: 1,
        salt: [9; 16],
        key: b"note".to_vec(),
        wants: Vec::new(),
        payload: format!("{{\"text\":\"{text}\"}}").into_bytes(),
    }
}

//! A device: an archive, a store, and the stream between them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use carry_exchange::hash::Digest;
use carry_exchange::head::Relay;
use carry_exchange::name::{LogId, ObjectName};
use carry_exchange::ranges::Ranges;
use carry_exchange::record::Record;
use carry_exchange::register::Lineage;
use carry_exchange::segment::{Expected, SegmentRef};
use carry_exchange::store::{Delivered, Entropy, ObjectBytes, Setup, Statement, Store};
use carry_exchange::strand::{Batch, Folded, Offered, Origin, Strand, StrandError};
use carry_kernel::clock::Timestamp;
use carry_kernel::home::Home;

use super::super::{ContentStrand, Limits, STREAM};
use crate::archive::{SessionRow, StoredMessage};
use crate::mask::pieces::fixture::{NOW, ops, put_ops, redactor};
use crate::model::{Agent, Facts, NativeId};

/// Small enough that tests reach them.
pub(super) const LIMITS: Limits = Limits { burst_messages: 4, burst_bytes: 2000, piece_bytes: 3000 };

pub(super) struct Device {
    pub(super) root: PathBuf,
    pub(super) store: Store,
    pub(super) strand: ContentStrand,
    /// Its id.
    pub(super) origin: String,
    place: String,
    /// What its clock shows, in milliseconds.
    pub(super) now_ms: i64,
    _dir: tempfile::TempDir,
}

fn dice(seed: String) -> Box<dyn Entropy + Send> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    Box::new(move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let digest = Digest::of(&[seed.as_bytes(), &n.to_le_bytes()]);
            chunk.copy_from_slice(&digest.as_bytes()[..chunk.len()]);
        }
        Ok(())
    })
}

fn store(root: &Path, origin: &str, place: &str) -> Store {
    Store::open(Setup {
        home: Home::at(root),
        device: origin.parse().unwrap(),
        fingerprint: Digest::of(&[place.as_bytes()]),
        entropy: dice(format!("{} {place}", root.display())),
        now: Timestamp::from_millis(NOW),
    })
    .unwrap()
}

fn strand(root: &Path, origin: &str, limits: Limits) -> ContentStrand {
    ContentStrand::open(&Home::at(root), origin, redactor(), limits).unwrap()
}

impl Device {
    pub(super) fn new(origin: &str) -> Self {
        Self::with(origin, LIMITS)
    }

    pub(super) fn with(origin: &str, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("home");
        std::fs::create_dir(&root).unwrap();
        Self {
            store: store(&root, origin, origin),
            strand: strand(&root, origin, limits),
            origin: origin.to_owned(),
            place: origin.to_owned(),
            now_ms: NOW + 1_000_000,
            root,
            _dir: dir,
        }
    }

    /// A copy of the whole home on another machine.
    pub(super) fn copy(&self, place: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("home");
        assert!(std::process::Command::new("cp").arg("-a").arg(&self.root).arg(&root).status().unwrap().success());
        Self {
            store: store(&root, &self.origin, place),
            strand: strand(&root, &self.origin, self.strand.limits),
            origin: self.origin.clone(),
            place: place.to_owned(),
            now_ms: self.now_ms,
            root,
            _dir: dir,
        }
    }

    /// What another process of the same home has open.
    pub(super) fn beside(&self) -> (Store, ContentStrand) {
        (store(&self.root, &self.origin, &self.place), strand(&self.root, &self.origin, self.strand.limits))
    }

    /// Closes and opens everything.
    pub(super) fn reopen(&mut self) {
        self.store = store(&self.root, &self.origin, &self.place);
        self.strand = strand(&self.root, &self.origin, self.strand.limits);
    }

    /// The archive is gone, and made anew.
    pub(super) fn lose_archive(&mut self) {
        let limits = self.strand.limits;
        let other = tempfile::tempdir().unwrap();
        self.strand = strand(other.path(), &self.origin, limits);
        for end in ["", "-wal", "-shm"] {
            let database = Home::at(&self.root).database("sessions");
            let _ = std::fs::remove_file(format!("{}{end}", database.display()));
        }
        self.strand = strand(&self.root, &self.origin, limits);
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms)
    }

    /// The agent's file says this now.
    pub(super) fn put(&mut self, native: &str, messages: &[StoredMessage]) {
        self.put_with(native, cwd(), messages);
    }

    pub(super) fn put_with(&mut self, native: &str, facts: Facts, messages: &[StoredMessage]) {
        put_ops(self.strand.archive_mut(), native, ops(native, None, facts, messages));
    }

    /// Says what there is to say, at most so many bytes.
    pub(super) fn offer(&mut self, bytes: u64) -> Offered {
        self.now_ms += 1000;
        let now = self.now();
        self.strand.offer(&mut self.store, bytes, now).unwrap()
    }

    /// Says all, and signs it. Gives how many records that were.
    pub(super) fn say(&mut self) -> usize {
        let offered = self.offer(u64::MAX);
        assert!(!offered.has_more);
        self.publish();
        offered.n_records
    }

    pub(super) fn publish(&mut self) {
        self.store.seal().unwrap();
        let relay = BTreeMap::from([(STREAM.parse().unwrap(), Relay::Any)]);
        let now = self.now();
        self.store.sign(&Statement { relay, ..Statement::default() }, now).unwrap();
    }

    pub(super) fn trust(&mut self, other: &Self) {
        let now = self.now();
        if let Some((head, _)) = other.store.signed_segments().unwrap() {
            self.store.see_head(&head.name(), head.bytes(), now).unwrap();
        }
        self.store.approve(other.store.log(), now).unwrap();
    }

    /// Takes what `other` holds, its own log's newest head first, and folds it.
    pub(super) fn pull(&mut self, other: &Self) -> Delivered {
        self.fetch(other);
        self.store.deliver(&mut self.strand).unwrap()
    }

    pub(super) fn fetch(&mut self, other: &Self) {
        self.fetch_those(other, &|_| true);
    }

    /// The same, of the files those that are wanted.
    pub(super) fn fetch_those(&mut self, other: &Self, wants: &dyn Fn(&SegmentRef) -> bool) {
        let Some((head, _)) = other.store.signed_segments().unwrap() else { return };
        let now = self.now();
        self.store.see_head(&head.name(), head.bytes(), now).unwrap();
        for followed in self.store.followed().unwrap() {
            if let (None, Some(list)) = (&followed.segments, followed.head.head().list)
                && let Some(bytes) = bytes_of(&other.store, &ObjectName::list(followed.log, list.digest))
            {
                self.store.accept_list(followed.log, &list, &bytes).unwrap();
            }
        }
        for followed in self.store.followed().unwrap() {
            let held = self.store.held(followed.log, followed.track).unwrap();
            for (stream, segments) in followed.segments.into_iter().flatten() {
                let none = Ranges::new();
                let held = held.get(&stream).unwrap_or(&none);
                for reference in segments.iter().filter(|one| wants(one) && !held.contains_all(one.first, one.last)) {
                    let expected = Expected { log: followed.log, stream: stream.clone(), reference: *reference };
                    let name = reference.name(followed.log, &stream);
                    if let Some(bytes) = bytes_of(&other.store, &name) {
                        self.store.accept_bytes(&expected, &bytes).unwrap();
                    }
                }
            }
        }
    }

    pub(super) fn session(&self, native: &str) -> SessionRow {
        self.find(native).unwrap()
    }

    pub(super) fn find(&self, native: &str) -> Option<SessionRow> {
        self.strand.archive().by_native(Agent::Claude, &NativeId(native.to_owned())).unwrap()
    }

    /// The messages of a session, without the numbers of their rows.
    pub(super) fn messages(&self, native: &str) -> Vec<StoredMessage> {
        let Some(session) = self.find(native) else { return Vec::new() };
        let mut messages = self.strand.archive().messages(session.n, 0, usize::MAX).unwrap();
        for message in &mut messages {
            message.n = 0;
            message.results.iter_mut().for_each(|result| result.n = 0);
        }
        messages
    }

    /// The texts of a session, joined.
    pub(super) fn text(&self, native: &str) -> String {
        format!("{:?}", self.messages(native))
    }

    /// All that is archived of sessions, as text.
    pub(super) fn dump(&self) -> String {
        dump(&self.strand)
    }

    pub(super) fn check(&self) {
        assert_eq!(self.store.verify().unwrap(), []);
        assert_eq!(self.strand.archive().verify(&mut |_, _| {}).unwrap(), Vec::<String>::new());
    }

    /// Folds records as if a log had brought them that nobody else knows.
    pub(super) fn fold(&mut self, records: &[Record]) {
        let log = LogId::of_key(&[9; 32]);
        let lineage = Lineage::trunk(log);
        let folded: Vec<Folded> = records
            .iter()
            .map(|record| Folded { record: record.clone(), r: record.digest().unwrap(), lineage })
            .collect();
        let covers: Ranges = records.iter().map(|record| record.seq..=record.seq).collect();
        let origin = Origin { log, track: 0, stream: STREAM.parse().unwrap() };
        let batch =
            Batch { origin: &origin, alias: "odd", is_own: false, records: &folded, covers: &covers, branches: &[] };
        self.strand.fold(&batch).unwrap();
    }
}

pub(super) fn cwd() -> Facts {
    Facts { cwd: Some("/nowhere/orchard".to_owned()), ..Facts::default() }
}

/// All that is archived of sessions, without what says whose archive it is.
pub(super) fn dump(strand: &ContentStrand) -> String {
    let mut bytes = Vec::new();
    strand.archive().dump(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().filter(|line| !line.contains(r#""table":"meta""#)).fold(String::new(), |all, line| all + line + "\n")
}

fn bytes_of(store: &Store, name: &ObjectName) -> Option<Vec<u8>> {
    match store.open_object(name).unwrap()? {
        ObjectBytes::Memory(bytes) => Some(bytes),
        ObjectBytes::File(mut file) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            Some(bytes)
        }
    }
}

/// A strand that only notes what is handed to it.
pub(super) struct Recorder {
    stream: carry_exchange::name::StreamName,
    pub(super) folded: Vec<(Origin, bool, Folded)>,
    applied: BTreeMap<Origin, Ranges>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self { stream: STREAM.parse().unwrap(), folded: Vec::new(), applied: BTreeMap::new() }
    }

    /// All records that a store holds.
    pub(super) fn of(store: &mut Store) -> Vec<(Origin, bool, Folded)> {
        let mut recorder = Self::new();
        store.deliver(&mut recorder).unwrap();
        recorder.folded
    }

    pub(super) fn records(store: &mut Store) -> Vec<Record> {
        Self::of(store).into_iter().map(|(.., folded)| folded.record).collect()
    }
}

impl Strand for Recorder {
    fn stream(&self) -> &carry_exchange::name::StreamName {
        &self.stream
    }

    fn knows(&self, _: u16, _: u16) -> bool {
        true
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        Ok(self.applied.get(origin).cloned().unwrap_or_default())
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        Ok(self.applied.keys().cloned().collect())
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        for folded in batch.records {
            self.folded.push((batch.origin.clone(), batch.is_own, folded.clone()));
        }
        let all = self.applied(batch.origin)?.union(batch.covers);
        self.applied.insert(batch.origin.clone(), all);
        Ok(())
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        self.folded.retain(|(of, _, folded)| of != origin || folded.record.seq <= after);
        let kept = self.applied(origin)?.intersection(&Ranges::of(1, after));
        self.applied.insert(origin.clone(), kept);
        Ok(())
    }
}

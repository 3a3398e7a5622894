//! Stores in folders of their own, with a strand that keeps what it folded in a real file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::Transaction;
use carry_kernel::db::{Db, Schema};
use carry_kernel::home::Home;

use super::*;
use crate::fixture::stream;
use crate::head::Relay;
use crate::name::StreamName;
use crate::ranges::Ranges;
use crate::record::{AttachmentId, Flags, Record};
use crate::segment::Expected;
use crate::strand::outbox::{self, Outgoing};
use crate::strand::{Batch, Incomplete, Origin, Strand};

mod aside;
mod attached;
mod books;
mod damage;
mod forked;
mod killed;
mod others;
mod own;
mod random;
mod room;
mod standing;
mod thinned;
mod trusted;

/// The time of all tests.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

const FACTS: Schema = Schema {
    application_id: 7,
    migrations: &[
        outbox::SQL,
        "CREATE TABLE facts (log TEXT, track INTEGER, seq INTEGER, lineage TEXT, key BLOB, replaces INTEGER,
             payload TEXT, PRIMARY KEY (log, track, seq)) STRICT;
         CREATE TABLE packs (log TEXT, id TEXT, bytes BLOB, PRIMARY KEY (log, id)) STRICT;",
    ],
};

/// A strand that keeps every record that nothing replaced.
pub(super) struct Facts {
    pub(super) db: Db,
    stream: StreamName,
    /// The greatest kind that it knows.
    pub(super) kind_max: u16,
    /// Whether it says that records are void when a later one of their key has the same payload.
    pub(super) voids_same: bool,
    /// Whether it takes no attachment in, and how often it was handed one.
    pub(super) refuses: bool,
    pub(super) n_handed: usize,
    /// Whether it has nothing of what it has as a whole.
    pub(super) is_partial: bool,
}

impl Facts {
    fn open(root: &Path) -> Self {
        Self::open_as(root, "notes")
    }

    fn open_as(root: &Path, name: &str) -> Self {
        let db = Db::open(&root.join(format!("{name}.db")), FACTS).unwrap();
        Self {
            db,
            stream: stream(name),
            kind_max: 1,
            voids_same: false,
            refuses: false,
            n_handed: 0,
            is_partial: false,
        }
    }

    pub(super) fn say(&mut self, key: &str, text: &str) -> u64 {
        self.say_as(key, text, Flags::default(), 1, &[])
    }

    pub(super) fn say_as(&mut self, key: &str, text: &str, flags: Flags, kind: u16, wants: &[&str]) -> u64 {
        let out = Outgoing {
            flags,
            key: key.as_bytes().to_vec(),
            kind,
            kind_version: 1,
            wants: wants.iter().map(|id| id.parse().unwrap()).collect(),
            payload: text.as_bytes().to_vec(),
        };
        let stream = self.stream.clone();
        self.db.write(|tx| outbox::push(tx, &stream, &out)).unwrap()
    }

    /// The texts that nothing replaced. Those of several logs stay apart, except where they say the same.
    pub(super) fn shown(&self) -> BTreeSet<String> {
        let sql = "SELECT payload FROM facts f WHERE NOT EXISTS (
                       SELECT 1 FROM facts g WHERE g.log = f.log AND g.track = f.track AND g.key = f.key
                       AND g.replaces AND g.seq > f.seq)";
        let mut rows = self.db.conn().prepare(sql).unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn count(&self, sql: &str) -> i64 {
        self.db.conn().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn put(tx: &Transaction<'_>, origin: &Origin, lineage: &str, record: &Record) {
        let payload = String::from_utf8(record.payload.clone()).unwrap();
        let sql = "INSERT OR REPLACE INTO facts (log, track, seq, lineage, key, replaces, payload)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let seq = i64::try_from(record.seq).unwrap();
        let replaces = record.flags.has(Flags::REPLACES);
        tx.execute(sql, (origin.log.to_string(), origin.track, seq, lineage, &record.key, replaces, payload)).unwrap();
    }
}

impl Strand for Facts {
    fn stream(&self) -> &StreamName {
        &self.stream
    }

    fn knows(&self, kind: u16, _: u16) -> bool {
        kind <= self.kind_max
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        Ok(outbox::applied(self.db.conn(), origin)?)
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        Ok(outbox::origins(self.db.conn(), &self.stream)?)
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        self.db.write(|tx| {
            for folded in batch.records {
                Self::put(tx, batch.origin, &format!("{:?}", folded.lineage.branch), &folded.record);
            }
            outbox::cover(tx, batch.origin, batch.covers)?;
            fault::point("test.strand.folded")?;
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        self.db.write(|tx| {
            let sql = "DELETE FROM facts WHERE log = ?1 AND track = ?2 AND seq > ?3";
            tx.execute(sql, (origin.log.to_string(), origin.track, rows::int(after)))?;
            outbox::uncover(tx, origin, after)?;
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    fn has(&mut self, log: LogId, id: &AttachmentId) -> Result<bool, StrandError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM packs WHERE log = ?1 AND id = ?2)";
        Ok(self.db.conn().query_row(sql, (log.to_string(), id.as_str()), |row| row.get(0))?)
    }

    fn take_in(
        &mut self,
        log: LogId,
        attachment: &crate::segment::Attachment,
        content: &mut dyn std::io::Read,
    ) -> Result<(), StrandError> {
        self.n_handed += 1;
        if self.refuses {
            return Err("it is no pack".into());
        }
        if self.is_partial && !attachment.needs.is_empty() {
            return Err(Box::new(Incomplete("a part of it is missing".into())));
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        self.db.write(|tx| {
            for id in &attachment.provides {
                let sql = "INSERT OR REPLACE INTO packs (log, id, bytes) VALUES (?1, ?2, ?3)";
                tx.execute(sql, (log.to_string(), id.as_str(), &bytes))?;
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    fn void(&self, of_one_key: &[Record]) -> BTreeSet<u64> {
        let same = |a: &&Record| of_one_key.iter().any(|b| b.seq > a.seq && b.payload == a.payload);
        of_one_key.iter().filter(|_| self.voids_same).filter(same).map(|record| record.seq).collect()
    }
}

/// One device: a store and a strand, in one folder.
pub(super) struct Device {
    pub(super) root: PathBuf,
    pub(super) store: Store,
    pub(super) facts: Facts,
    _dir: Option<tempfile::TempDir>,
}

/// Random bytes that differ in each run of each process, but for which no system is asked.
fn dice(root: &Path) -> Box<dyn Entropy + Send> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let seed = format!("{} {}", root.display(), std::process::id());
    Box::new(move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let digest = Digest::of(&[seed.as_bytes(), &n.to_le_bytes()]);
            chunk.copy_from_slice(&digest.as_bytes()[..chunk.len()]);
        }
        Ok(())
    })
}

pub(super) fn setup(root: &Path, place: &str) -> Setup {
    Setup {
        home: Home::at(root),
        device: "laptop-3f9a1c00".parse().unwrap(),
        fingerprint: Digest::of(&[place.as_bytes()]),
        entropy: dice(root),
        now: NOW,
    }
}

fn open(root: &Path, place: &str) -> Store {
    let mut store = Store::open(setup(root, place)).unwrap();
    store.set_streams([(stream("curation"), crate::streams::Weight::Small)].into_iter().collect());
    store
}

impl Device {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        Self { _dir: Some(dir), ..Self::at(&root) }
    }

    pub(super) fn at(root: &Path) -> Self {
        Self::at_place(root, "here")
    }

    pub(super) fn at_place(root: &Path, place: &str) -> Self {
        Self { root: root.to_owned(), store: open(root, place), facts: Facts::open(root), _dir: None }
    }

    /// Closes and opens everything again.
    pub(super) fn reopen(&mut self) {
        self.store = open(&self.root, "here");
        self.facts.db = Facts::open(&self.root).db;
    }

    /// A copy of the whole home, elsewhere.
    pub(super) fn copy(&self, place: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("copy");
        let done = std::process::Command::new("cp").arg("-a").arg(&self.root).arg(&root).status().unwrap();
        assert!(done.success());
        Self { _dir: Some(dir), ..Self::at_place(&root, place) }
    }

    pub(super) fn drain(&mut self) -> Result<usize, StoreError> {
        drain(&mut self.facts, &mut self.store)
    }

    pub(super) fn deliver(&mut self) -> Delivered {
        self.store.deliver(&mut self.facts).unwrap()
    }

    /// From the outbox to a signed head.
    pub(super) fn publish(&mut self) {
        self.drain().unwrap();
        self.store.seal().unwrap();
        self.store.sign(&statement(), NOW).unwrap();
    }

    pub(super) fn say_all(&mut self, texts: &[&str]) {
        for text in texts {
            self.facts.say(text, text);
        }
    }

    pub(super) fn check(&self) {
        assert_eq!(self.store.verify().unwrap(), []);
    }

    /// Takes everything of `other`'s own log, in the order in which `order` sorts it, and at most `limit` segments.
    pub(super) fn pull_some(&mut self, other: &Store, order: u64, limit: usize) {
        let Some((head, _)) = other.signed_segments().unwrap() else { return };
        self.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
        self.fetch(other, order, limit);
    }

    /// Fetches what is missing of what heads name and `other` holds.
    pub(super) fn fetch(&mut self, other: &Store, order: u64, limit: usize) {
        for followed in self.store.followed().unwrap() {
            let head = followed.head.head();
            if let (None, Some(list)) = (&followed.segments, head.list) {
                let name = crate::name::ObjectName::list(followed.log, list.digest);
                if let Some(ObjectBytes::Memory(bytes)) = other.open_object(&name).unwrap() {
                    self.store.accept_list(followed.log, &list, &bytes).unwrap();
                }
            }
        }
        let mut left = limit;
        for followed in self.store.followed().unwrap() {
            let held = self.store.held(followed.log, followed.track).unwrap();
            let mut todo = Vec::new();
            for (stream, segments) in followed.segments.iter().flatten() {
                let none = Ranges::new();
                let held = held.get(stream).unwrap_or(&none);
                for reference in segments.iter().filter(|one| !held.contains_all(one.first, one.last)) {
                    todo.push(Expected { log: followed.log, stream: stream.clone(), reference: *reference });
                }
            }
            todo.sort_by_key(|one| Digest::of(&[&order.to_le_bytes(), one.reference.digest.as_bytes()]));
            for expected in todo {
                let name = expected.reference.name(expected.log, &expected.stream);
                let Some(bytes) = bytes_of(other, &name) else { continue };
                if left == 0 {
                    return;
                }
                left -= 1;
                self.store.accept_bytes(&expected, &bytes).unwrap();
            }
        }
    }

    pub(super) fn pull(&mut self, other: &Store) {
        self.pull_some(other, 0, usize::MAX);
        self.deliver();
    }

    /// Makes the files of all segments so old that they were written `days` before [`NOW`].
    pub(super) fn age(&self, days: u64) {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(NOW.as_millis().unsigned_abs());
        let at = at - std::time::Duration::from_secs(days * 24 * 60 * 60);
        let dir = self.root.join("data/exchange").join(self.store.log().to_string());
        for entry in std::fs::read_dir(dir).unwrap() {
            std::fs::File::open(entry.unwrap().path()).unwrap().set_modified(at).unwrap();
        }
    }

    /// Counts the other's log from now on.
    pub(super) fn trust(&mut self, other: &Store) {
        self.store.approve(other.log(), NOW).unwrap();
    }
}

pub(super) fn drain(facts: &mut Facts, store: &mut Store) -> Result<usize, StoreError> {
    let stream = facts.stream.clone();
    outbox::drain(&mut facts.db, &stream.clone(), store, NOW, &mut |tx, new, place| {
        let record = Record {
            flags: new.flags,
            seq: place.seq,
            at: Default::default(),
            kind: new.kind,
            kind_version: new.kind_version,
            salt: [0; 16],
            key: new.key.clone(),
            wants: Vec::new(),
            payload: new.payload.clone(),
        };
        Facts::put(tx, &Origin { log: place.log, track: 0, stream: stream.clone() }, "None", &record);
        Ok(())
    })
}

pub(super) fn statement() -> Statement {
    Statement { relay: BTreeMap::from([(stream("notes"), Relay::Any)]), ..Statement::default() }
}

pub(super) fn bytes_of(store: &Store, name: &crate::name::ObjectName) -> Option<Vec<u8>> {
    match store.open_object(name).unwrap()? {
        ObjectBytes::Memory(bytes) => Some(bytes),
        ObjectBytes::File(mut file) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            Some(bytes)
        }
    }
}

pub(super) fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

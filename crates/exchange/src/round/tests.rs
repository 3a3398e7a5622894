//! Fleets of devices, each with a store and strands in real files, and places between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carry_kernel::clock::{ManualClock, Timestamp};
use carry_kernel::db::{Db, Schema};
use carry_kernel::home::Home;

use super::*;
use crate::fixture::stream;
use crate::hash::Digest;
use crate::head::Relay;
use crate::ranges::Ranges;
use crate::record::{AttachmentId, Flags};
use crate::remote::MemoryRemote;
use crate::store::{Limit, Rejection, Setup, Statement};
use crate::strand::outbox::{self, Outgoing};
use crate::strand::registers::{self, Name, RegisterStrand, Registers, Set};
use crate::strand::{Batch, Offered, Origin, Strand, StrandError};
use crate::streams::{Streams, Weight};

mod ahead;
mod behind;
mod collected;
mod converge;
mod counted;
mod crashed;
mod forked;
mod full;
mod healed;
mod heard;
mod later;
mod lost;
mod made;
mod many;
mod mended;
mod merged;
mod older;
mod pieced;
mod random;
mod relayed;
mod said;
mod strange;
mod together;
mod unread;
mod wrong;

use counted::Counted;
use made::Author;
use said::{damaged, kept_as, names_of, newest_segment, one_said, one_said_to_another, only_sign};

/// The time at which tests begin.
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const NOTES: Schema = Schema {
    application_id: 7,
    migrations: &[
        outbox::SQL,
        "CREATE TABLE notes (log TEXT, track INTEGER, seq INTEGER, key BLOB, replaces INTEGER, payload TEXT,
             PRIMARY KEY (log, track, seq)) STRICT;
         CREATE TABLE packs (log TEXT, id TEXT, bytes BLOB, PRIMARY KEY (log, id)) STRICT;",
    ],
};

/// A strand that keeps every record.
struct Notes {
    db: Db,
    stream: StreamName,
    /// What waits to be handed over in bounded parts, oldest first.
    backlog: Vec<String>,
    /// Fails instead of folding.
    is_broken: bool,
    /// What it is asked to fail with when it offers.
    cannot_offer: bool,
    /// Another process's store of the same home: nobody may say anything there while this one does; and what is merged here
    /// it merges first.
    beside: std::sync::Mutex<Option<Store>>,
    /// When it was told that others were listened to.
    heard: Vec<Timestamp>,
}

impl Notes {
    fn open(root: &Path, name: &str) -> Self {
        let db = Db::open(&root.join(format!("{name}.db")), NOTES).unwrap();
        Self {
            db,
            stream: stream(name),
            backlog: Vec::new(),
            is_broken: false,
            cannot_offer: false,
            beside: Default::default(),
            heard: Vec::new(),
        }
    }

    fn say(&mut self, text: &str) {
        self.say_as(text.get(..100).unwrap_or(text), text, false, &[]);
    }

    fn say_as(&mut self, key: &str, text: &str, replaces: bool, wants: &[&str]) {
        let out = Outgoing {
            flags: if replaces { Flags::REPLACES } else { Flags::default() },
            key: key.as_bytes().to_vec(),
            kind: 1,
            kind_version: 1,
            wants: wants.iter().map(|id| id.parse().unwrap()).collect(),
            payload: text.as_bytes().to_vec(),
        };
        let stream = self.stream.clone();
        self.db.write(|tx| outbox::push(tx, &stream, &out)).unwrap();
    }

    /// What is shown: the texts that nothing replaced.
    fn shown(&self) -> BTreeSet<String> {
        let sql = "SELECT payload FROM notes f WHERE NOT EXISTS (
                       SELECT 1 FROM notes g WHERE g.log = f.log AND g.track = f.track AND g.key = f.key
                       AND g.replaces AND g.seq > f.seq)";
        let mut rows = self.db.conn().prepare(sql).unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn put(
        tx: &carry_kernel::db::rusqlite::Transaction<'_>,
        origin: &Origin,
        seq: u64,
        flags: Flags,
        key: &[u8],
        payload: &[u8],
    ) {
        let sql = "INSERT OR REPLACE INTO notes (log, track, seq, key, replaces, payload)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (seq, payload) = (i64::try_from(seq).unwrap(), String::from_utf8(payload.to_vec()).unwrap());
        let replaces = flags.has(Flags::REPLACES);
        tx.execute(sql, (origin.log.to_string(), origin.track, seq, key, replaces, payload)).unwrap();
    }
}

impl Strand for Notes {
    fn stream(&self) -> &StreamName {
        &self.stream
    }

    fn offer(&mut self, store: &mut Store, bytes: u64, now: Timestamp) -> Result<Offered, StrandError> {
        if self.cannot_offer {
            return Err("it cannot say anything".into());
        }
        if let Some(beside) = &*self.beside.lock().unwrap() {
            assert!(beside.try_saying()?.is_none(), "another may say something at the same time");
        }
        let mut left = bytes;
        while left > 0 && !self.backlog.is_empty() {
            let text = self.backlog.remove(0);
            left = left.saturating_sub(text.len() as u64);
            self.say(&text);
        }
        let stream = self.stream.clone();
        let n_records = outbox::drain(&mut self.db, &stream, store, now, &mut |tx, new, place| {
            let origin = Origin { log: place.log, track: 0, stream: stream.clone() };
            Self::put(tx, &origin, place.seq, new.flags, &new.key, &new.payload);
            Ok(())
        })?;
        Ok(Offered { n_records, has_more: !self.backlog.is_empty() })
    }

    fn knows(&self, kind: u16, _: u16) -> bool {
        kind <= 1
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        Ok(outbox::applied(self.db.conn(), origin)?)
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        Ok(outbox::origins(self.db.conn(), &self.stream)?)
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        if self.is_broken {
            return Err("it cannot fold".into());
        }
        self.db.write(|tx| {
            for folded in batch.records {
                let record = &folded.record;
                Self::put(tx, batch.origin, record.seq, record.flags, &record.key, &record.payload);
            }
            Ok::<_, StoreError>(outbox::cover(tx, batch.origin, batch.covers)?)
        })?;
        Ok(())
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        self.db.write(|tx| {
            let sql = "DELETE FROM notes WHERE log = ?1 AND track = ?2 AND seq > ?3";
            tx.execute(sql, (origin.log.to_string(), origin.track, i64::try_from(after).unwrap()))?;
            Ok::<_, StoreError>(outbox::uncover(tx, origin, after)?)
        })?;
        Ok(())
    }

    fn say_again(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        if self.is_broken {
            return Err("it cannot be written".into());
        }
        let place = (origin.log.to_string(), i64::try_from(after).unwrap());
        let sql = "SELECT key, payload FROM notes WHERE log = ?1 AND track = 0 AND seq > ?2 ORDER BY seq";
        let lost: Vec<(Vec<u8>, String)> = {
            let mut rows = self.db.conn().prepare(sql).unwrap();
            rows.query_map(place, |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
        };
        for (key, text) in lost {
            self.say_as(std::str::from_utf8(&key).unwrap(), &text, false, &[]);
        }
        self.retract(origin, after)
    }

    fn heard(&mut self, at: Timestamp) {
        self.heard.push(at);
    }

    fn void(&self, _: &[crate::record::Record]) -> BTreeSet<u64> {
        if let Some(mut beside) = self.beside.lock().unwrap().take() {
            assert!(!beside.compact(&[], NOW).unwrap().is_empty());
        }
        BTreeSet::new()
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
}

/// One device.
struct Device {
    root: PathBuf,
    store: Store,
    notes: Notes,
    curation: Notes,
    /// Only where a test asks for them.
    marks: Option<RegisterStrand<Db>>,
    clock: ManualClock,
    options: Options,
    _dir: Option<tempfile::TempDir>,
}

const MARKS: Schema = Schema { application_id: 8, migrations: &[outbox::SQL, registers::SQL] };

/// A strand of registers as a strand of its own has them.
fn marks(root: &Path) -> RegisterStrand<Db> {
    let db = Db::open(&root.join("marks.db"), MARKS).unwrap();
    RegisterStrand::new(db, Registers::new(stream("marks"), &()), "laptop-3f9a1c00", Box::new(str::to_owned))
}

thread_local! {
    /// From what the randomness of stores comes that are opened next on this thread; `None`: from their places and a count of all.
    static DICE: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

fn dice(root: &Path) -> Box<dyn crate::store::Entropy + Send> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let from = DICE.get();
    DICE.set(from.map(|from| from + 1));
    let seed = from.map_or_else(|| root.display().to_string(), |from| from.to_string());
    let mut n_own = 0;
    Box::new(move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            n_own += 1;
            let n = if from.is_some() { n_own } else { NEXT.fetch_add(1, Ordering::Relaxed) };
            let digest = Digest::of(&[seed.as_bytes(), &n.to_le_bytes()]);
            chunk.copy_from_slice(&digest.as_bytes()[..chunk.len()]);
        }
        Ok(())
    })
}

fn setup(root: &Path, place: &str, now: Timestamp) -> Setup {
    Setup {
        home: Home::at(root),
        device: "laptop-3f9a1c00".parse().unwrap(),
        fingerprint: Digest::of(&[place.as_bytes()]),
        entropy: dice(root),
        now,
    }
}

/// The streams of these tests; some write others.
fn streams() -> Streams {
    [("curation", Weight::Small), ("marks", Weight::Small), ("notes", Weight::Usual)]
        .map(|(name, weight)| (stream(name), weight))
        .into_iter()
        .collect()
}

fn open(root: &Path, place: &str, now: Timestamp) -> Store {
    let mut store = Store::open(setup(root, place, now)).unwrap();
    store.set_streams(streams());
    store
}

fn options() -> Options {
    let relay = ["notes", "curation", "marks"].map(|name| (stream(name), Relay::Any));
    Options {
        remote: "r".to_owned(),
        direction: Direction::Both,
        streams: None,
        is_private: false,
        statement: Statement { relay: BTreeMap::from(relay), ..Statement::default() },
        budget: Budget { has_ranges: true, ..Budget::default() },
        collect: Collect::AfterGrace,
        is_dry_run: false,
    }
}

impl Device {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        Self { _dir: Some(dir), ..Self::at(&root, "here") }
    }

    fn at(root: &Path, place: &str) -> Self {
        Self {
            root: root.to_owned(),
            store: open(root, place, NOW),
            notes: Notes::open(root, "notes"),
            curation: Notes::open(root, "curation"),
            marks: None,
            clock: ManualClock::new(NOW),
            options: options(),
            _dir: None,
        }
    }

    /// Closes and opens everything again, as after a crash.
    fn reopen(&mut self) {
        let now = carry_kernel::clock::Clock::now(&self.clock);
        self.store = open(&self.root, "here", now);
        self.notes = Notes::open(&self.root, "notes");
        self.curation = Notes::open(&self.root, "curation");
        if self.marks.take().is_some() {
            self.marks = Some(marks(&self.root));
        }
    }

    /// A copy of the whole home, in the same place as far as it can tell.
    fn copy(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("copy");
        let done = std::process::Command::new("cp").arg("-a").arg(&self.root).arg(&root).status().unwrap();
        assert!(done.success());
        let clock = ManualClock::new(carry_kernel::clock::Clock::now(&self.clock));
        let marks = self.marks.as_ref().map(|_| marks(&root));
        Self { _dir: Some(dir), clock, marks, ..Self::at(&root, "here") }
    }

    fn try_round(&mut self, remote: &dyn Remote, name: &str) -> Result<Report, RoundError> {
        let options = Options { remote: name.to_owned(), ..self.options.clone() };
        let mut strands: Vec<&mut dyn Strand> = vec![&mut self.notes, &mut self.curation];
        strands.extend(self.marks.as_mut().map(|marks| marks as &mut dyn Strand));
        let mut side = Side { store: &mut self.store, strands, clock: &self.clock };
        exchange(&mut side, remote, &options, &Deadline::NONE, &mut |_| {})
    }

    fn round(&mut self, remote: &dyn Remote) -> Report {
        self.try_round(remote, "r").unwrap()
    }

    fn say(&mut self, text: &str) {
        self.notes.say(text);
    }

    fn shown(&self) -> BTreeSet<String> {
        self.notes.shown()
    }

    /// Sets a mark.
    fn mark(&mut self, mark: usize, value: &str) {
        let now = carry_kernel::clock::Clock::now(&self.clock);
        let (registers, name) = (Registers::new(stream("marks"), &()), mark.to_string());
        let set = Set { target: &name, field: "mark", item: "", value: Some(value) };
        let db = self.marks.as_mut().unwrap().keeper_mut();
        db.write(|tx| {
            registers.set(tx, &set, "laptop-3f9a1c00", now).map_err(|error| StoreError::Strand(Box::new(error)))
        })
        .unwrap();
        // A mark that was set is not lost when the device dies.
        db.sync().unwrap();
    }

    /// The live values of all marks, those that are shown first.
    fn marked(&self) -> Vec<(Name, Vec<String>)> {
        let (registers, conn) = (Registers::new(stream("marks"), &()), self.marks.as_ref().unwrap().keeper().conn());
        let mut names = conn.prepare("SELECT DISTINCT target FROM register_edits ORDER BY target").unwrap();
        let names = names.query_map([], |row| Ok(Name::new(&row.get::<_, String>(0)?, "mark", ""))).unwrap();
        let live = |name: &Name| {
            let state = registers.state(conn, name).unwrap();
            let live = state.live(conn).unwrap().into_iter().map(|said| said.value.to_string()).collect::<Vec<_>>();
            // One edit that two devices said, as a copy does, is no conflict.
            assert_eq!(state.is_conflict(), live.iter().collect::<BTreeSet<_>>().len() > 1, "values differ");
            live
        };
        names.map(Result::unwrap).map(|name| (name.clone(), live(&name))).collect()
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn trust(&mut self, other: LogId) {
        self.store.approve(other, NOW).unwrap();
    }
}

/// Devices that trust each other.
fn fleet(n: usize) -> Vec<Device> {
    let mut devices: Vec<Device> = (0..n).map(|_| Device::new()).collect();
    let logs: Vec<LogId> = devices.iter().map(|device| device.store.log()).collect();
    for device in &mut devices {
        for log in logs.iter().filter(|log| **log != device.store.log()).copied().collect::<Vec<_>>() {
            device.trust(log);
        }
    }
    devices
}

/// A marked place in memory that counts.
fn memory() -> Counted<MemoryRemote> {
    let remote = MemoryRemote::new("memory");
    remote.init(&Deadline::NONE).unwrap();
    Counted::new(remote)
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Lets all exchange in turn until each has what the others had.
fn settle(devices: &mut [Device], remote: &dyn Remote) {
    for _ in 0..3 {
        for device in devices.iter_mut() {
            device.round(remote);
        }
    }
}

#[track_caller]
fn check_same(devices: &[Device]) {
    let (first, rest) = devices.split_first().unwrap();
    for device in rest {
        assert_eq!(device.notes.shown(), first.notes.shown());
        assert_eq!(device.curation.shown(), first.curation.shown());
    }
    for device in devices {
        assert_eq!(device.store.verify().unwrap(), []);
    }
}

/// The paths of files there that end so.
fn paths(remote: &MemoryRemote, ending: &str) -> Vec<String> {
    remote.files().into_keys().filter(|path| path.ends_with(ending)).collect()
}

/// Puts a place back to what it was.
fn roll_back(remote: &MemoryRemote, to: &BTreeMap<String, Vec<u8>>) {
    for path in remote.files().keys().filter(|path| !to.contains_key(*path)) {
        remote.uproot(path);
    }
    for (path, bytes) in to {
        if remote.files().get(path) != Some(bytes) {
            remote.plant(path, bytes);
        }
    }
}

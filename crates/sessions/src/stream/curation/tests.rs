//! Devices with a real archive and a real store each, that hand each other files directly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_exchange::hash::Digest;
use carry_exchange::head::Relay;
use carry_exchange::name::{LogId, ObjectName};
use carry_exchange::ranges::Ranges;
use carry_exchange::record::Flags;
use carry_exchange::segment::Expected;
use carry_exchange::store::{Entropy, LogState, ObjectBytes, Setup, Statement, Store, StoreError};
use carry_exchange::strand::outbox::{self, Outgoing};
use carry_exchange::strand::registers::Name;
use carry_exchange::strand::{Offered, Origin, Strand as _};
use carry_kernel::clock::Timestamp;
use carry_redact::{Key, Rules};

use super::*;
use crate::curation::{Conflict, Edit as UserEdit, RegisterName};
use crate::model::SessionId;

mod basics;
mod causality;
mod deleting;
mod hostile;
mod masking;
mod rebuilt;

/// The time of the tests, in milliseconds.
const NOW_MS: i64 = 1_790_000_000_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW_MS + ms)
}

fn session(n: u8) -> SessionId {
    SessionId::stored(format!("{n:016x}"))
}

fn named(n: u8, field: &str, item: &str) -> RegisterName {
    RegisterName { session: session(n), field: field.to_owned(), item: item.to_owned() }
}

/// A register as the exchange has it.
fn exchanged(name: &RegisterName) -> Name {
    Name::new(name.session.as_str(), &name.field, &name.item)
}

fn name(n: u8) -> RegisterName {
    named(n, "name", "")
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

struct Device {
    name: &'static str,
    root: PathBuf,
    store: Store,
    strand: CurationStrand,
    _dir: Option<tempfile::TempDir>,
}

impl Device {
    fn new(name: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        Self { _dir: Some(dir), ..Self::at(&root, name, "here") }
    }

    fn at(root: &Path, name: &'static str, place: &str) -> Self {
        let setup = Setup {
            home: Home::at(root),
            device: format!("{name}-3f9a1c00").parse().unwrap(),
            fingerprint: Digest::of(&[place.as_bytes()]),
            entropy: dice(root),
            now: at(0),
        };
        let store = Store::open(setup).unwrap();
        Self { name, root: root.to_owned(), store, strand: Self::strand(root, name), _dir: None }
    }

    fn strand(root: &Path, name: &str) -> CurationStrand {
        let redactor = Redactor::new(Rules::builtin(), Key::new([7; 32]));
        super::open(&Home::at(root), name, redactor).unwrap()
    }

    /// A copy of the whole home, elsewhere.
    fn copy(&self, place: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("copy");
        let done = std::process::Command::new("cp").arg("-a").arg(&self.root).arg(&root).status().unwrap();
        assert!(done.success());
        Self { _dir: Some(dir), ..Self::at(&root, self.name, place) }
    }

    /// Loses the archive, with all that is curated in it.
    fn lose_archive(&mut self) {
        let at = Home::at(&self.root).database("sessions");
        for end in ["", "-wal", "-shm"] {
            let mut path = at.clone().into_os_string();
            path.push(end);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                _ => {}
            }
        }
        self.strand = Self::strand(&self.root, self.name);
    }

    fn edit(&mut self, of: u8, edit: &UserEdit, ms: i64) -> bool {
        self.strand.keeper_mut().curate(&session(of), edit, self.name, at(ms)).unwrap()
    }

    fn rename(&mut self, of: u8, to: &str, ms: i64) -> bool {
        self.edit(of, &UserEdit::Rename(Some(to.to_owned())), ms)
    }

    fn offer(&mut self, ms: i64) -> Offered {
        self.strand.offer(&mut self.store, u64::MAX, at(ms)).unwrap()
    }

    /// From what was said to a signed head.
    fn publish(&mut self, ms: i64) -> usize {
        let offered = self.offer(ms);
        self.store.seal().unwrap();
        let relay = BTreeMap::from([(self.strand.stream().clone(), Relay::Any)]);
        self.store.sign(&Statement { relay, ..Statement::default() }, at(ms)).unwrap();
        offered.n_records
    }

    fn deliver(&mut self) -> usize {
        self.store.deliver(&mut self.strand).unwrap().n_folded
    }

    /// Takes at most `limit` segments of the other's own log, in the order in which `order` sorts them.
    fn fetch(&mut self, other: &Store, order: u64, limit: usize) {
        let Some((head, _)) = other.signed_segments().unwrap() else { return };
        self.store.see_head(&head.name(), head.bytes(), at(0)).unwrap();
        if self.store.state(other.log()).unwrap() == Some(LogState::Unapproved) {
            self.store.approve(other.log(), at(0)).unwrap();
        }
        let followed = || self.store.followed().unwrap();
        let mut lists = Vec::new();
        for followed in followed() {
            if let (None, Some(list)) = (&followed.segments, followed.head.head().list)
                && let Some(ObjectBytes::Memory(bytes)) =
                    other.open_object(&ObjectName::list(followed.log, list.digest)).unwrap()
            {
                lists.push((followed.log, list, bytes));
            }
        }
        for (log, list, bytes) in lists {
            self.store.accept_list(log, &list, &bytes).unwrap();
        }
        let mut todo = Vec::new();
        for followed in self.store.followed().unwrap() {
            let held = self.store.held(followed.log, followed.track).unwrap();
            for (stream, segments) in followed.segments.iter().flatten() {
                let none = Ranges::new();
                let held = held.get(stream).unwrap_or(&none);
                for reference in segments.iter().filter(|one| !held.contains_all(one.first, one.last)) {
                    todo.push(Expected { log: followed.log, stream: stream.clone(), reference: *reference });
                }
            }
        }
        todo.sort_by_key(|one| Digest::of(&[&order.to_le_bytes(), one.reference.digest.as_bytes()]));
        for expected in todo.into_iter().take(limit) {
            let name = expected.reference.name(expected.log, &expected.stream);
            if let Some(bytes) = bytes_of(other, &name) {
                self.store.accept_bytes(&expected, &bytes).unwrap();
            }
        }
    }

    /// Takes all of the other's own log, and folds it.
    fn pull(&mut self, other: &Self) -> usize {
        self.fetch(&other.store, 0, usize::MAX);
        self.deliver()
    }

    /// A whole round: what is to be said gets its place, others are listened to, what is new is said.
    fn round(&mut self, others: &[&Self], ms: i64) {
        self.offer(ms);
        for other in others {
            self.fetch(&other.store, 0, usize::MAX);
        }
        self.deliver();
        self.strand.heard(at(ms));
        self.publish(ms);
    }

    /// What is shown of a register.
    fn shown(&self, name: &RegisterName) -> Option<String> {
        let all = self.strand.keeper().registers(Some(&name.session)).unwrap();
        all.into_iter().find(|one| one.field.as_str() == name.field && one.item.as_str() == name.item)?.value
    }

    fn conflicts(&self) -> Vec<Conflict> {
        let all = self.strand.keeper().conflicts(None).unwrap();
        assert_eq!(self.strand.keeper().conflict_count().unwrap(), all.len() as u64);
        all
    }

    /// The values of the live edits of a register.
    fn live(&self, name: &RegisterName) -> BTreeSet<String> {
        let conn = self.strand.keeper().db.conn();
        let live = REGISTERS.state(conn, &exchanged(name)).unwrap().live(conn).unwrap();
        live.into_iter().map(|said| said.value.to_string()).collect()
    }

    fn count(&self, sql: &str) -> i64 {
        self.strand.keeper().db.conn().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// What is shown of everything, who said it left out.
    fn all_shown(&self) -> Vec<(String, String, String, Option<String>, String)> {
        let all = self.strand.keeper().registers(None).unwrap().into_iter();
        all.map(|one| (one.session.to_string(), one.field, one.item, one.value, one.hlc.to_string())).collect()
    }
}

fn bytes_of(store: &Store, name: &ObjectName) -> Option<Vec<u8>> {
    match store.open_object(name).unwrap()? {
        ObjectBytes::Memory(bytes) => Some(bytes),
        ObjectBytes::File(mut file) => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
            Some(bytes)
        }
    }
}

/// Everybody takes everything of everybody.
fn meet(devices: &mut [Device], ms: i64) {
    for device in &mut *devices {
        device.publish(ms);
    }
    for one in 0..devices.len() {
        let (before, rest) = devices.split_at_mut(one);
        let (device, after) = rest.split_first_mut().unwrap();
        for other in before.iter().chain(&*after) {
            device.fetch(&other.store, 0, usize::MAX);
        }
        device.deliver();
    }
}

//! Passes over a source of the tests' own, into a real archive.
//!
//! Its sessions are files `NAME.s` of lines. `u TEXT` is the user's, `a TEXT` the agent's, `!whole` needs the whole file,
//! `!fail` cannot be read, `!panic` makes the reader panic.

use std::cell::RefCell;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use carry_kernel::home::Home;

use super::*;
use crate::archive::{Archive, ArchiveError};
use crate::model::{Agent, Block, Facts, Message, NativeId, Role};
use crate::source::{Checkpoint, Op, ReadEnd, ReadError, Root, Sink, Stamp, Unit};

/// What every test's clock shows.
const NOW: i64 = 1_700_000_000;

#[derive(Default)]
struct Lines {
    /// Files that were read, and from where.
    read: Mutex<Vec<(String, u64)>>,
    listed: AtomicUsize,
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let meta = std::fs::metadata(path)?;
    Ok(Stamp {
        size: meta.len(),
        mtime_ns: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
        ctime_ns: meta.ctime() * 1_000_000_000 + meta.ctime_nsec(),
        inode: meta.ino(),
        device: meta.dev(),
        beside: 0,
    })
}

impl Source for &'static Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn agent(&self) -> Agent {
        Agent::Claude
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        vec![Root { path: places.home.join("sessions"), is_default: true }]
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        self.listed.fetch_add(1, Ordering::Relaxed);
        let entries = match std::fs::read_dir(&root.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return problem(&root.path, error),
        };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some()) {
            found(Unit { stamp: stamp(&path).unwrap(), path });
        }
    }

    fn unit_of(&self, _root: &Root, path: &Path) -> Option<PathBuf> {
        path.extension().is_some_and(|extension| extension == "s").then(|| path.to_owned())
    }

    fn stamp(&self, _root: &Root, unit: &Path) -> Option<std::io::Result<Stamp>> {
        Some(stamp(unit))
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        let io = |source| ReadError::Io { path: unit.path.clone(), source };
        let bytes = std::fs::read(&unit.path).map_err(io)?;
        let (from, mut ordinal) = match mode {
            Mode::Whole => (0, 0),
            Mode::From(checkpoint) => (checkpoint.offset, u32::from(checkpoint.state[0])),
        };
        let stem = unit.path.file_stem().unwrap().to_str().unwrap();
        self.read.lock().unwrap().push((stem.to_owned(), from));
        sink.op(Op::Session { agent: None, native: NativeId(stem.to_owned()), relation: None })?;
        if from == 0 {
            sink.op(Op::Facts(Box::new(Facts { cwd: Some("/home/me/it".to_owned()), ..Facts::default() })))?;
        }
        let mut offset = from;
        for line in bytes[usize::try_from(from).unwrap()..].split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                break;
            }
            match line {
                b"!whole\n" if *mode != Mode::Whole => {
                    return Err(ReadError::NeedsWhole { path: unit.path.clone() });
                }
                b"!fail\n" => return Err(io(std::io::Error::other("the disk says no"))),
                b"!panic\n" => panic!("a mistake"),
                _ => {}
            }
            sink.raw(line)?;
            offset += line.len() as u64;
            let role = if line[0] == b'u' { Role::User } else { Role::Assistant };
            let text = String::from_utf8_lossy(&line[1..]).trim().to_owned();
            sink.op(Op::Message(Box::new(message(ordinal, role, text))))?;
            ordinal += 1;
        }
        let checkpoint = Checkpoint { offset, state: vec![u8::try_from(ordinal % 256).unwrap()], probes: Vec::new() };
        Ok(ReadEnd { checkpoint, is_unfinished: offset < bytes.len() as u64, skipped: None })
    }
}

fn message(ordinal: u32, role: Role, text: String) -> Message {
    Message {
        ordinal,
        key: None,
        role,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: Some(Timestamp::from_secs(NOW - 60 + i64::from(ordinal))),
        model: None,
        effort: None,
        provider_id: None,
        usage: None,
        blocks: vec![Block::Text(text)],
    }
}

struct World {
    dir: tempfile::TempDir,
    source: &'static Lines,
    sources: Vec<Box<dyn Source>>,
    archive: RefCell<Archive>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open(&Home::at(dir.path().join("home")), "here").unwrap();
        // A source lives as long as the test.
        let source: &'static Lines = Box::leak(Box::default());
        std::fs::create_dir(dir.path().join("sessions")).unwrap();
        Self { dir, source, sources: vec![Box::new(source)], archive: RefCell::new(archive) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("sessions").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn try_run(
        &self,
        only: Option<&[PathBuf]>,
        should_stop: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, ArchiveError> {
        let places = Places { home: self.dir.path().to_owned(), ..Places::default() };
        let limits = WriterLimits { batch_bytes: 1 << 20, blob_bytes_max: 1 << 20, keeps_reads: true };
        let now = Timestamp::from_secs(NOW);
        let pass = Pass { sources: &self.sources, places: &places, only, now, limits, progress, should_stop };
        pass.run(&mut self.archive.borrow_mut())
    }

    fn run(&self) -> Report {
        self.try_run(None, &|| false, &|_| {}).unwrap()
    }

    fn run_only(&self, name: &str) -> Report {
        self.try_run(Some(&[self.path(name)]), &|| false, &|_| {}).unwrap()
    }

    /// What was read since this was last asked, sorted.
    fn read(&self) -> Vec<(String, u64)> {
        let mut read = std::mem::take(&mut *self.source.read.lock().unwrap());
        read.sort();
        read
    }

    /// The texts that are archived of a session.
    fn texts(&self, native: &str) -> Vec<String> {
        let archive = self.archive.borrow();
        let Some(row) = archive.by_native(Agent::Claude, &NativeId(native.to_owned())).unwrap() else {
            return Vec::new();
        };
        let texts = archive.messages(row.n, 0, 1000).unwrap().into_iter().flat_map(|stored| stored.message.blocks);
        texts.map(|block| if let Block::Text(text) = block { text } else { panic!("{block:?}") }).collect()
    }
}

#[test]
fn a_file_that_was_cut_is_told_and_what_it_held_is_kept() {
    let world = World::new();
    world.append("a.s", "u do it\na done\na and more\n");
    assert_eq!(world.run().cut, []);
    for text in ["u do it\n", "", "u new\n"] {
        carry_kernel::disk::write_atomic(&world.path("a.s"), text.as_ref()).unwrap();
        let report = world.run();
        assert!(
            text == "u new\n" || matches!(&report.cut[..], [(path, _)] if *path == world.path("a.s")),
            "{report:?}"
        );
    }
    let archive = world.archive.borrow();
    let row = archive.by_native(Agent::Claude, &NativeId("a".to_owned())).unwrap().unwrap();
    assert_eq!(archive.generations(&row).unwrap(), [(1, 8), (0, 26)]);
    let mut out = Vec::new();
    assert_eq!(archive.raw_before(&row, 2, &mut out).unwrap(), Some(26));
    assert_eq!(out, b"u do it\na done\na and more\n");
    assert_eq!(archive.raw_before(&row, 3, &mut out).unwrap(), None);
    assert_eq!(archive.raw_before(&row, 0, &mut out).unwrap(), None);
}

#[test]
fn what_is_appended_is_read_and_nothing_else() {
    let world = World::new();
    world.append("a.s", "u one\n");
    world.append("b.s", "u other\n");
    let first = world.run();
    assert_eq!((first.read, first.found, first.failed), (2, vec![("lines".to_owned(), 2)], Vec::new()));
    assert_eq!(world.read(), [("a".to_owned(), 0), ("b".to_owned(), 0)]);
    let second = world.run();
    assert_eq!((second.read, second.unchanged, second.written), (0, 2, Written::default()));
    world.append("a.s", "a two\n");
    let third = world.run();
    assert_eq!((third.read, third.unchanged), (1, 1));
    assert_eq!((world.read(), world.texts("a")), (vec![("a".to_owned(), 6)], vec!["one".to_owned(), "two".to_owned()]));
}

#[test]
fn a_path_from_a_watcher_is_looked_at_alone() {
    let world = World::new();
    world.append("a.s", "u one\n");
    world.append("b.s", "u other\n");
    world.run();
    let listed = world.source.listed.load(Ordering::Relaxed);
    world.append("a.s", "a two\n");
    world.append("b.s", "a unheard\n");
    assert_eq!(world.run_only("a.s").read, 1);
    assert_eq!((world.texts("a").len(), world.texts("b").len()), (2, 1));
    assert_eq!(world.source.listed.load(Ordering::Relaxed), listed, "nothing was listed");
    // A path that belongs to no session lists all of the root.
    assert_eq!(world.run_only("folder").read, 1);
    assert_eq!(world.texts("b").len(), 2);
    std::fs::remove_file(world.path("b.s")).unwrap();
    assert_eq!(world.run_only("b.s").missing, 1);
    assert_eq!(world.run_only("a.s").missing, 0);
}

#[test]
fn a_unit_that_fails_or_panics_stops_nothing_and_is_tried_again() {
    let world = World::new();
    world.append("bad.s", "!fail\n");
    world.append("worse.s", "!panic\n");
    world.append("z.s", "u fine\n");
    let report = world.run();
    assert_eq!((report.read, report.failed.len()), (1, 2));
    let reasons: Vec<&str> = report.failed.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("the disk says no")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("a mistake")), "{reasons:?}");
    assert_eq!(world.texts("z"), ["fine"]);
    let errors = world.archive.borrow().units().unwrap().into_iter().filter(|row| row.error.is_some()).count();
    assert_eq!((errors, world.run().failed.len()), (2, 2));
    std::fs::remove_file(world.path("bad.s")).unwrap();
    world.append("bad.s", "u mended\n");
    assert_eq!((world.run().failed.len(), world.texts("bad")), (1, vec!["mended".to_owned()]));
}

#[test]
fn what_cannot_be_understood_by_itself_is_read_whole() {
    let world = World::new();
    world.append("a.s", "u one\n");
    world.run();
    world.read();
    world.append("a.s", "!whole\na two\n");
    let report = world.run();
    assert_eq!((report.read, report.failed), (1, Vec::new()));
    assert_eq!(world.read(), [("a".to_owned(), 0), ("a".to_owned(), 6)]);
    assert_eq!(world.texts("a"), ["one", "whole", "two"]);
}

#[test]
fn a_moved_file_goes_on_and_a_deleted_one_keeps_its_session() {
    let world = World::new();
    world.append("a.s", "u one\n");
    world.run();
    world.read();
    std::fs::create_dir(world.dir.path().join("elsewhere")).unwrap();
    std::fs::rename(world.path("a.s"), world.dir.path().join("elsewhere/a.s")).unwrap();
    std::fs::rename(world.path(""), world.dir.path().join("old")).unwrap();
    std::fs::rename(world.dir.path().join("elsewhere"), world.path("")).unwrap();
    world.append("a.s", "a two\n");
    world.run();
    assert_eq!(world.read(), [("a".to_owned(), 6)]);
    std::fs::rename(world.path("a.s"), world.path("a.2.s")).unwrap();
    let moved = world.run();
    assert_eq!((moved.missing, moved.read, moved.written.inserted), (0, 1, 0), "{moved:?}");
    assert_eq!(world.archive.borrow().units().unwrap().len(), 1);
    std::fs::remove_file(world.path("a.2.s")).unwrap();
    assert_eq!((world.run().missing, world.run().missing), (1, 0));
    assert_eq!(world.texts("a"), ["one", "two"]);
}

#[test]
fn a_truncated_file_is_read_whole() {
    let world = World::new();
    world.append("a.s", "u one\na two\n");
    world.run();
    std::fs::File::options().write(true).open(world.path("a.s")).unwrap().set_len(6).unwrap();
    world.run();
    assert_eq!(world.texts("a"), ["one"]);
}

#[test]
fn a_pass_stops_between_units_and_the_next_one_goes_on() {
    let world = World::new();
    for n in 0..5 {
        world.append(&format!("{n}.s"), "u text\n");
    }
    let asked = AtomicUsize::new(0);
    let report = world.try_run(None, &|| asked.fetch_add(1, Ordering::Relaxed) >= 4, &|_| {}).unwrap();
    assert!(report.was_stopped && report.read > 0 && report.read < 5, "{report:?}");
    assert_eq!(world.run().read, 5 - report.read);
}

#[test]
fn a_pass_stops_inside_a_large_unit() {
    let world = World::new();
    world.append("a.s", &"u text\n".repeat(5000));
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 4;
    let report = world.try_run(None, &stop, &|_| {}).unwrap();
    assert!(report.was_stopped && report.read == 0, "{report:?}");
    assert!(world.archive.borrow().units().unwrap().iter().all(|row| !row.is_complete && row.error.is_none()));
    let report = world.run();
    assert_eq!((report.read, report.was_stopped), (1, false));
    let row = world.archive.borrow().by_native(Agent::Claude, &NativeId("a".to_owned())).unwrap().unwrap();
    assert_eq!(row.messages, 5000);
}

#[test]
fn progress_ends_where_it_said_it_would() {
    let world = World::new();
    for n in 0..3 {
        world.append(&format!("{n}.s"), &"u text\n".repeat(10));
    }
    let told = Mutex::new(Vec::new());
    world.try_run(None, &|| false, &|progress| told.lock().unwrap().push(progress)).unwrap();
    let told = told.into_inner().unwrap();
    assert_eq!(told.first(), Some(&Progress { units: (0, 3), bytes: (0, 210) }));
    assert_eq!(told.last(), Some(&Progress { units: (3, 3), bytes: (210, 210) }));
    assert!(told.windows(2).all(|pair| pair[0].bytes.0 <= pair[1].bytes.0));
}

#[test]
fn an_unfinished_line_and_the_end_of_a_turn_are_told() {
    let world = World::new();
    world.append("a.s", "u one\na tw");
    let report = world.run();
    assert_eq!((&report.unfinished[..], &report.turns_ended[..]), (&[world.path("a.s")][..], &[][..]));
    world.append("a.s", "o\n");
    let report = world.run_only("a.s");
    assert!(report.unfinished.is_empty());
    let [end] = &report.turns_ended[..] else { panic!("{report:?}") };
    assert_eq!((&end.cwd, end.at), (&PathBuf::from("/home/me/it"), Timestamp::from_secs(NOW - 59)));
}

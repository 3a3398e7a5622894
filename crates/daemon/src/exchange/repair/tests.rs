//! Repairs where some of the remotes fail: real folders, one of which may hang, refuse, or fail when it is asked again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carry_exchange::name::LogId;
use carry_exchange::remote::{Deadline, Faults, Faulty, FolderRemote, Put, Remote, RemoteError, RemoteFile, Source};
use carry_kernel::clock::{Clock as _, ManualClock};

use super::turn::{Connect, Turns};
use super::*;
use crate::exchange::fixture::{Side, settled};

/// What opens a remote in a test: its name, the folder, and how often it was opened before.
type Open = dyn Fn(&str, FolderRemote, usize) -> Box<dyn Remote> + Send + Sync;

impl Side {
    /// Heals with all remotes, opened by `open`.
    fn repair(&self, open: Arc<Open>) -> Mended {
        self.repair_until(&AtomicBool::new(false), Some(Duration::from_secs(60)), open)
    }

    /// The same, until `cancel` is set, with so much patience.
    fn repair_until(&self, cancel: &AtomicBool, patience: Option<Duration>, open: Arc<Open>) -> Mended {
        let opened: Mutex<BTreeMap<String, usize>> = Mutex::default();
        let connect = move |_: &Ground, remote: &RemoteSettings, log: LogId| {
            let carry_exchange::location::Location::Folder(root) = &remote.location else { panic!("a folder") };
            let mut opened = opened.lock().unwrap();
            let n = opened.entry(remote.name.clone()).or_default();
            *n += 1;
            Ok(open(&remote.name, FolderRemote::new(root, log, 1), *n - 1))
        };
        let connect: Arc<Connect> = Arc::new(connect);
        let turns = Turns { connect, patience };
        let remotes = &self.ground.settings.remotes;
        repair_in(&turns, &self.ground, remotes, false, cancel, &mut |_, _| {}).unwrap()
    }
}

/// The one segment of a log below `root`.
fn segment(root: &Path, log: LogId) -> PathBuf {
    let files = std::fs::read_dir(root.join(log.to_string())).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Flips a bit of the last byte.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    carry_testkit::repo::write_file(path, &bytes);
}

fn as_it_is(_: &str, folder: FolderRemote, _: usize) -> Box<dyn Remote> {
    Box::new(folder)
}

/// Fails all that is asked of it.
fn refuses(folder: FolderRemote) -> Box<dyn Remote> {
    Box::new(Faulty::new(folder, 1, Faults { before: 100, ..Faults::default() }))
}

#[test]
fn what_could_be_put_and_was_not_since_the_second_pass_failed_is_withheld_and_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["first", "second"]);
    let gone = segment(&root.join("first/carry/l"), author.log());
    std::fs::remove_file(&gone).unwrap();
    damage(&segment(&reader.ground.ctx.home.data_dir().join("exchange"), author.log()));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let mended = reader.repair(Arc::new(move |name, folder, n| {
        counted.fetch_max(n + 1, Ordering::Relaxed);
        if name == "first" && n > 0 { refuses(folder) } else { as_it_is(name, folder, n) }
    }));
    assert_eq!(asked.load(Ordering::Relaxed), 2, "the first one is asked again for the sake of what the second had");
    let [first, second] = &mended.remotes[..] else { panic!("{mended:?}") };
    assert!(first.error.is_some() && second.error.is_none(), "{mended:?}");
    // What was healed stays healed, and what the first one still lacks is neither forgotten nor called lost.
    assert_eq!(second.repaired.fetched.len(), 1, "{mended:?}");
    let name = second.repaired.fetched[0].0.clone();
    assert_eq!((&mended.withheld, &mended.nowhere), (&vec![name], &vec![]), "{mended:?}");
    assert!(mended.left.is_empty() && !mended.found.is_empty() && !gone.exists(), "{mended:?}");
    // Later it answers.
    let mended = reader.repair(Arc::new(as_it_is));
    assert_eq!(mended.remotes[0].repaired.put.len(), 1, "{mended:?}");
    assert!(mended.withheld.is_empty() && mended.nowhere.is_empty() && gone.exists(), "{mended:?}");
}

#[test]
fn what_cannot_be_put_is_withheld_and_what_nobody_has_is_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["first", "second"]);
    let gone = segment(&root.join("first/carry/l"), author.log());
    std::fs::remove_file(&gone).unwrap();
    // Nothing can be put there.
    let full = |name: &str, folder: FolderRemote, n| match name {
        "first" => Box::new(NoRoom(folder)) as Box<dyn Remote>,
        _ => as_it_is(name, folder, n),
    };
    let mended = reader.repair(Arc::new(full));
    assert_eq!((mended.withheld.len(), mended.nowhere.len()), (1, 0), "{mended:?}");
    assert_eq!(reader.repair(Arc::new(as_it_is)).withheld, []);
    // It is nowhere when nobody has it that was asked.
    std::fs::remove_file(&gone).unwrap();
    std::fs::remove_file(segment(&root.join("second/carry/l"), author.log())).unwrap();
    damage(&segment(&reader.ground.ctx.home.data_dir().join("exchange"), author.log()));
    let mended = reader.repair(Arc::new(full));
    assert_eq!((mended.withheld.len(), mended.nowhere.len()), (0, 1), "{mended:?}");
}

#[test]
fn a_stream_of_which_all_is_gone_everywhere_is_named_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["first", "second"]);
    let late = Side::new(&root, "late", &[root.join("first"), root.join("second")]);
    let gone = ["first", "second"].map(|name| segment(&root.join(name).join("carry/l"), author.log()));
    gone.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    // It meets the head alone.
    late.exchange(&["first"]);
    late.ground.store().unwrap().approve(author.log(), late.clock.now()).unwrap();
    let mended = late.repair(Arc::new(as_it_is));
    let lost = Gone { log: author.log(), stream: "sessions".parse().unwrap(), n_objects: 1, is_lost: true };
    assert_eq!((&mended.absent, &mended.nowhere), (&vec![lost], &vec![]), "{mended:?}");
    assert!(reader.repair(Arc::new(as_it_is)).absent.is_empty());
    assert!(gone.iter().all(|path| path.exists()));
    assert!(late.repair(Arc::new(as_it_is)).absent.is_empty());
}

#[test]
fn one_that_hangs_and_one_that_refuses_hold_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["hangs", "refuses", "well"]);
    damage(&segment(&reader.ground.ctx.home.data_dir().join("exchange"), author.log()));
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let (held, clock) = (Mutex::new(Some(held)), reader.clock.clone());
    let mended = reader.repair(Arc::new(move |name, folder, n| match name {
        "hangs" => {
            let held = held.lock().unwrap().take().expect("it is not asked again");
            Box::new(Hangs { inner: folder, held: Mutex::new(held), clock: clock.clone(), cancel: None, _ends: None })
        }
        "refuses" => refuses(folder),
        _ => as_it_is(name, folder, n),
    }));
    let [hangs, refused, well] = &mended.remotes[..] else { panic!("{mended:?}") };
    assert!(matches!(hangs.error, Some(ExchangeError::Silent { .. })), "{mended:?}");
    assert!(refused.error.as_ref().is_some_and(|error| error.class() == "unreachable"), "{mended:?}");
    assert!(well.error.is_none() && well.repaired.fetched.len() == 1, "{mended:?}");
    assert!(mended.left.is_empty() && mended.nowhere.is_empty(), "{mended:?}");
    drop(release);
}

#[test]
fn a_turn_that_was_left_lets_go_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["hangs", "refuses"]);
    damage(&segment(&reader.ground.ctx.home.data_dir().join("exchange"), author.log()));
    let ((release, held), (ends, ended)) = (channel(), channel::<()>());
    let (hangs, clock) = (Mutex::new(Some((held, ends))), reader.clock.clone());
    let mended = reader.repair(Arc::new(move |name, folder, _| match name {
        "hangs" => {
            let (held, ends) = hangs.lock().unwrap().take().expect("it is not asked again");
            let (held, clock) = (Mutex::new(held), clock.clone());
            Box::new(Hangs { inner: folder, held, clock, cancel: None, _ends: Some(ends) })
        }
        _ => refuses(folder),
    }));
    assert!(matches!(mended.remotes[0].error, Some(ExchangeError::Silent { .. })), "{mended:?}");
    assert!(!mended.left.is_empty(), "{mended:?}");
    drop(release);
    assert!(ended.recv().is_err());
    assert_eq!(reader.ground.store().unwrap().verify().unwrap(), mended.left, "it is as damaged as it was");
}

#[test]
fn after_it_was_interrupted_no_other_remote_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["first", "second"]);
    damage(&segment(&reader.ground.ctx.home.data_dir().join("exchange"), author.log()));
    let cancel = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let open = || -> Arc<Open> {
        let (cancel, asked) = (cancel.clone(), asked.clone());
        Arc::new(move |name, folder, n| {
            asked.lock().unwrap().push(name.to_owned());
            cancel.store(true, Ordering::Relaxed);
            as_it_is(name, folder, n)
        })
    };
    let is_cancelled = |done: &Done| done.error.as_ref().is_some_and(ExchangeError::is_cancelled);
    let mended = reader.repair_until(&cancel, None, open());
    assert_eq!(*asked.lock().unwrap(), ["first"]);
    assert!(mended.remotes.len() == 2 && is_cancelled(&mended.remotes[1]), "{mended:?}");
    assert!(mended.was_read && mended.is_interrupted(), "{mended:?}");
    // It was interrupted before it began.
    let mended = reader.repair_until(&cancel, None, open());
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert!(mended.remotes.iter().all(is_cancelled), "{mended:?}");
    assert!(!mended.was_read && mended.found.is_empty() && mended.left.is_empty(), "nothing is looked at: {mended:?}");
}

#[test]
fn one_that_hangs_is_left_when_all_is_to_end_also_where_no_other_waits() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (_, reader) = settled(&root, &["hangs"]);
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let (held, clock, cancel) = (Mutex::new(Some(held)), reader.clock.clone(), Arc::new(AtomicBool::new(false)));
    let cancels = cancel.clone();
    let mended = reader.repair_until(
        &cancel,
        None,
        Arc::new(move |_, folder, _| {
            let held = Mutex::new(held.lock().unwrap().take().expect("it is not asked again"));
            let (clock, cancel) = (clock.clone(), Some(cancels.clone()));
            Box::new(Hangs { inner: folder, held, clock, cancel, _ends: None })
        }),
    );
    let after = Duration::from_secs(30);
    assert!(
        matches!(mended.remotes[0].error, Some(ExchangeError::Left { after: told }) if told == after),
        "{mended:?}"
    );
    assert!(mended.is_interrupted(), "{mended:?}");
    drop(release);
}

#[test]
fn what_was_healed_before_a_turn_was_left_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["hangs", "well"]);
    let there = root.join("hangs/carry");
    let gone = segment(&there.join("l"), author.log());
    std::fs::remove_file(&gone).unwrap();
    for head in std::fs::read_dir(there.join("h")).unwrap() {
        std::fs::remove_file(head.unwrap().path()).unwrap();
    }
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let (held, clock) = (Mutex::new(Some(held)), reader.clock.clone());
    let mended = reader.repair(Arc::new(move |name, folder, n| match name {
        "hangs" => {
            let held = Mutex::new(held.lock().unwrap().take().expect("it is not asked again"));
            Box::new(HangsLater { inner: folder, held, clock: clock.clone(), n_put: AtomicUsize::new(0) })
        }
        _ => as_it_is(name, folder, n),
    }));
    let hangs = &mended.remotes[0];
    assert!(matches!(hangs.error, Some(ExchangeError::Silent { .. })), "{mended:?}");
    assert_eq!((hangs.repaired.put.len(), hangs.repaired.is_judged), (1, false), "{mended:?}");
    assert!(mended.remotes[1].error.is_none(), "{mended:?}");
    drop(release);
}

#[test]
fn what_was_gone_through_before_it_was_interrupted_counts_and_nothing_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (author, reader) = settled(&root, &["first", "second"]);
    std::fs::remove_file(segment(&root.join("first/carry/l"), author.log())).unwrap();
    let (here, of_author) = (reader.ground.ctx.home.data_dir().join("exchange"), author.log());
    damage(&segment(&here, of_author));
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let (held, clock, cancel) = (Mutex::new(Some(held)), reader.clock.clone(), Arc::new(AtomicBool::new(false)));
    let cancels = cancel.clone();
    let mended = reader.repair_until(
        &cancel,
        None,
        Arc::new(move |name, folder, n| {
            if (name, n) != ("first", 1) {
                return as_it_is(name, folder, n);
            }
            // Whoever reads again sees this.
            damage(&segment(&here, of_author));
            let held = Mutex::new(held.lock().unwrap().take().expect("it is asked again once"));
            let (clock, cancel) = (clock.clone(), Some(cancels.clone()));
            Box::new(Hangs { inner: folder, held, clock, cancel, _ends: None })
        }),
    );
    assert!(mended.was_cut && mended.is_interrupted(), "{mended:?}");
    assert!(mended.remotes.iter().all(|done| done.error.is_none()), "both were gone through: {mended:?}");
    assert_eq!(mended.remotes[1].repaired.fetched.len(), 1, "{mended:?}");
    assert!(!mended.found.is_empty() && mended.left.is_empty(), "{mended:?}");
    drop(release);
}

/// A folder with three ways to go wrong: what is asked first hangs, as on a drive that is gone, …
#[derive(Debug)]
struct Hangs {
    inner: FolderRemote,
    held: Mutex<Receiver<()>>,
    clock: Arc<ManualClock>,
    /// Set before it hangs.
    cancel: Option<Arc<AtomicBool>>,
    /// Hangs up when nobody has this place any more.
    _ends: Option<Sender<()>>,
}

/// … it hangs at the second file that is put, …
#[derive(Debug)]
struct HangsLater {
    inner: FolderRemote,
    held: Mutex<Receiver<()>>,
    clock: Arc<ManualClock>,
    n_put: AtomicUsize,
}

/// … or nothing can be put.
#[derive(Debug)]
struct NoRoom(FolderRemote);

impl Remote for Hangs {
    carry_exchange::passed_on!(inner but check);

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        if let Some(cancel) = &self.cancel {
            cancel.store(true, Ordering::Relaxed);
            while deadline.passed().is_none() {
                std::thread::yield_now();
            }
        }
        // Longer than anybody has patience for.
        self.clock.advance(Duration::from_secs(600));
        let _ = self.held.lock().unwrap().recv();
        // When it comes back it has all it was asked for.
        self.inner.check(&Deadline::NONE)
    }
}

impl Remote for HangsLater {
    carry_exchange::passed_on!(inner but put);

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        if self.n_put.fetch_add(1, Ordering::Relaxed) > 0 {
            self.clock.advance(Duration::from_secs(600));
            let _ = self.held.lock().unwrap().recv();
        }
        self.inner.put(file, source, deadline)
    }
}

impl Remote for NoRoom {
    carry_exchange::passed_on!(0 but put);

    fn put(&self, _: &RemoteFile, _: Source<'_>, _: &Deadline<'_>) -> Result<Put, RemoteError> {
        Err(RemoteError::Full { place: self.place().to_owned(), source: "made to fail: no room".into() })
    }
}

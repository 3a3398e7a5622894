//! The thread that hears of changes where agents keep their sessions.
//!
//! Whole folders are watched, since agents make new ones all the time. A folder that is not there yet is waited for at
//! the nearest one above it. What cannot be watched is looked at now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::super::event::Event;
use super::super::results::sentence;

/// Folders watched below all roots together; who has more is looked at now and then.
const FOLDERS_MAX: usize = 8192;
/// Paths that are kept; more are a look at everything.
const PATHS_MAX: usize = 4096;
/// How long a burst is gathered before it is told.
const GATHER: Duration = Duration::from_millis(100);

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Heard {
    /// These changed.
    pub(in super::super) paths: BTreeSet<PathBuf>,
    /// Something was missed: anything may have changed.
    pub(in super::super) everything: bool,
    /// A root came, went or was replaced: what is watched must follow.
    pub(in super::super) roots: bool,
}

/// How the roots are watched now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Armed {
    /// Why some of them are not watched.
    pub(in super::super) polled: Option<String>,
    /// Whether something is watched that was not before: what changed there until now was not heard.
    pub(in super::super) is_new: bool,
}

enum Note {
    Arm(Vec<PathBuf>),
    Heard,
}

/// The watcher behind its thread. Dropping it ends both.
pub(in super::super) struct Watch {
    notes: Sender<Note>,
}

/// What the system's thread and ours share.
#[derive(Debug, Default)]
struct Shared {
    roots: Vec<PathBuf>,
    heard: Heard,
    /// Roots, and folders above them, that went since they were last watched. What takes their place is not watched, even
    /// where it is given the same inode.
    gone: BTreeSet<PathBuf>,
}

impl Watch {
    /// Starts the thread. Nothing is watched until [`Watch::arm`].
    pub(in super::super) fn start(events: &SyncSender<Event>) -> std::io::Result<Self> {
        let (notes, inbox) = channel();
        let (post, events) = (notes.clone(), events.clone());
        let run = move || serve(post, &inbox, &events);
        std::thread::Builder::new().name("carry-hear-sessions".to_owned()).spawn(run)?;
        Ok(Self { notes })
    }

    /// Watches these roots and no others, whatever became of them meanwhile. The answer comes as
    /// [`Event::SessionsArmed`].
    pub(in super::super) fn arm(&self, roots: Vec<PathBuf>) {
        // The thread ends only with the daemon's events.
        let _ = self.notes.send(Note::Arm(roots));
    }
}

fn serve(post: Sender<Note>, inbox: &Receiver<Note>, events: &SyncSender<Event>) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let watcher = start_watcher(post, shared.clone());
    let mut watches = Watches { watcher, held: BTreeMap::new() };
    while let Ok(note) = inbox.recv() {
        let event = match note {
            Note::Arm(roots) => {
                let gone = {
                    let mut shared = lock(&shared);
                    shared.roots.clone_from(&roots);
                    std::mem::take(&mut shared.gone)
                };
                Event::SessionsArmed(watches.arm(&roots, &gone))
            }
            Note::Heard => {
                std::thread::sleep(GATHER);
                Event::SessionsHeard(std::mem::take(&mut lock(&shared).heard))
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// The system's thread never waits: whoever adds a watch waits for it.
fn start_watcher(post: Sender<Note>, shared: Arc<Mutex<Shared>>) -> Result<RecommendedWatcher, String> {
    let hear = move |event: notify::Result<notify::Event>| {
        let mut shared = lock(&shared);
        let was_quiet = shared.heard == Heard::default();
        shared.take(event);
        if was_quiet && shared.heard != Heard::default() {
            // The thread may have ended.
            let _ = post.send(Note::Heard);
        }
    };
    notify::recommended_watcher(hear).map_err(|error| sentence(&error))
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn take(&mut self, event: notify::Result<notify::Event>) {
        let event = match event {
            // Reading makes events, our own reading included.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            Ok(event) if !event.need_rescan() => event,
            other => {
                if let Err(error) = other {
                    tracing::warn!(%error, "the watcher of sessions reports an error");
                }
                self.heard = Heard { everything: true, roots: true, ..Heard::default() };
                return;
            }
        };
        let is_removal = matches!(event.kind, EventKind::Remove(_));
        let is_write = matches!(event.kind, EventKind::Modify(notify::event::ModifyKind::Data(_)));
        for path in event.paths {
            let is_above = self.roots.iter().any(|root| root.starts_with(&path));
            if !is_above && !self.roots.iter().any(|root| path.starts_with(root)) {
                continue;
            }
            self.heard.roots |= is_above && !is_write;
            if is_above && is_removal {
                self.gone.insert(path.clone());
            }
            if !self.heard.everything {
                self.heard.paths.insert(path);
            }
        }
        if self.heard.paths.len() > PATHS_MAX {
            (self.heard.paths, self.heard.everything) = (BTreeSet::new(), true);
        }
    }
}

/// What is watched.
struct Watches {
    watcher: Result<RecommendedWatcher, String>,
    /// By path: which file it was, how it is watched, and how many folders that takes.
    held: BTreeMap<PathBuf, Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    file: (u64, u64),
    is_deep: bool,
    n_folders: usize,
}

impl Watches {
    fn arm(&mut self, roots: &[PathBuf], gone: &BTreeSet<PathBuf>) -> Armed {
        let watcher = match &mut self.watcher {
            Ok(watcher) => watcher,
            Err(why) => return Armed { polled: Some(why.clone()), is_new: false },
        };
        let mut wanted: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for root in roots {
            let (path, is_deep) = place_of(root);
            *wanted.entry(path).or_default() |= is_deep;
        }
        let mut armed = Armed::default();
        self.held.retain(|path, held| {
            let stays =
                wanted.get(path) == Some(&held.is_deep) && file_of(path) == Some(held.file) && !gone.contains(path);
            if !stays {
                // One that is gone is not watched any more.
                let _ = watcher.unwatch(path);
            }
            stays
        });
        let mut n_folders: usize = self.held.values().map(|held| held.n_folders).sum();
        for (path, is_deep) in wanted {
            if self.held.contains_key(&path) {
                continue;
            }
            match watch(watcher, &path, is_deep, FOLDERS_MAX - n_folders.min(FOLDERS_MAX)) {
                Ok(Some(held)) => {
                    n_folders += held.n_folders;
                    armed.is_new = true;
                    self.held.insert(path, held);
                }
                // It went this moment; the next look finds it.
                Ok(None) => {}
                Err(why) => {
                    tracing::warn!(path = %path.display(), "sessions are looked at now and then: {why}");
                    armed.polled = armed.polled.or(Some(why));
                }
            }
        }
        armed
    }
}

fn watch(
    watcher: &mut RecommendedWatcher,
    path: &Path,
    is_deep: bool,
    folders_max: usize,
) -> Result<Option<Held>, String> {
    if let Some(kind) = carry_code::watch::unreported_file_system(path) {
        return Err(format!("{} lies on {kind}, which does not report changes.", path.display()));
    }
    let Some(file) = file_of(path) else { return Ok(None) };
    let n_folders = if is_deep { count_folders(path, folders_max) } else { 1 };
    if n_folders > folders_max {
        return Err(format!("There are more than {FOLDERS_MAX} folders with sessions."));
    }
    let mode = if is_deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
    match watcher.watch(path, mode) {
        Ok(()) => Ok(Some(Held { file, is_deep, n_folders })),
        Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => Ok(None),
        Err(error) => Err(sentence(&error)),
    }
}

/// Where to listen for a root: itself with all below it, else the folder that holds it or will.
fn place_of(root: &Path) -> (PathBuf, bool) {
    if root.is_dir() {
        return (root.to_owned(), true);
    }
    let above = root.ancestors().skip(1).find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    (above.to_owned(), false)
}

fn file_of(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Folders below `path`, itself included; stops when there are more than `max`.
fn count_folders(path: &Path, max: usize) -> usize {
    let (mut open, mut count) = (vec![path.to_owned()], 0);
    while let Some(folder) = open.pop() {
        count += 1;
        if count > max {
            break;
        }
        // What cannot be read is not watched either.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        open.extend(entries.flatten().filter(is_folder).map(|entry| entry.path()));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(roots: &[&str], kind: EventKind, path: &str) -> Heard {
        let roots = roots.iter().map(PathBuf::from).collect();
        let mut shared = Shared { roots, ..Shared::default() };
        shared.take(Ok(notify::Event::new(kind).add_path(path.into())));
        shared.heard
    }

    #[test]
    fn only_what_lies_below_a_root_or_above_it_is_heard() {
        let created = EventKind::Create(notify::event::CreateKind::Any);
        assert_eq!(heard(&["/a/b"], created, "/a/x"), Heard::default());
        assert_eq!(heard(&["/a/b"], created, "/a/bc"), Heard::default());
        let below = heard(&["/a/b"], created, "/a/b/c");
        assert!(below.paths.contains(Path::new("/a/b/c")) && !below.roots);
        for path in ["/a/b", "/a"] {
            assert!(heard(&["/a/b"], created, path).roots, "{path}");
        }
    }

    #[test]
    fn reading_is_not_heard_and_a_lost_event_is_everything() {
        let read = EventKind::Access(notify::event::AccessKind::Any);
        assert_eq!(heard(&["/a"], read, "/a/b"), Heard::default());
        let mut shared = Shared { roots: vec!["/a".into()], ..Shared::default() };
        shared.take(Err(notify::Error::generic("lost")));
        assert!(shared.heard.everything && shared.heard.roots);
        for n in 0..=PATHS_MAX {
            let mut shared_event = notify::Event::new(EventKind::Create(notify::event::CreateKind::Any));
            shared_event = shared_event.add_path(format!("/a/{n}").into());
            shared.take(Ok(shared_event));
        }
        assert!(shared.heard.paths.is_empty(), "nothing is kept beside everything");
    }

    #[test]
    fn a_root_that_goes_is_watched_anew_even_when_its_inode_is_given_again() {
        let removed = EventKind::Remove(notify::event::RemoveKind::Folder);
        let mut shared = Shared { roots: vec!["/a/b".into()], ..Shared::default() };
        for path in ["/a/b/c", "/a/b", "/x"] {
            shared.take(Ok(notify::Event::new(removed).add_path(path.into())));
        }
        assert_eq!(shared.gone, BTreeSet::from([PathBuf::from("/a/b")]));
        let dir = tempfile::tempdir().unwrap();
        let roots = [dir.path().to_owned()];
        let mut watches =
            Watches { watcher: notify::recommended_watcher(|_| {}).map_err(|e| sentence(&e)), held: BTreeMap::new() };
        let is_new = |watches: &mut Watches, gone: &[PathBuf]| {
            let armed = watches.arm(&roots, &gone.iter().cloned().collect());
            assert_eq!(armed.polled, None);
            armed.is_new
        };
        assert!(is_new(&mut watches, &[]) && !is_new(&mut watches, &[]) && is_new(&mut watches, &roots));
    }

    #[test]
    fn a_root_that_is_missing_is_waited_for_above() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(place_of(dir.path()), (dir.path().to_owned(), true));
        assert_eq!(place_of(&dir.path().join("x/y")), (dir.path().to_owned(), false));
    }

    #[test]
    fn counting_folders_ends_at_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..5 {
            std::fs::create_dir_all(dir.path().join(format!("{n}/x"))).unwrap();
        }
        assert_eq!((count_folders(dir.path(), 100), count_folders(dir.path(), 3)), (11, 4));
    }
}

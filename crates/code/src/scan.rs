//! Looking at a working tree: which files differ from what the private index knows.
//!
//! One pass over the folders, on a few threads: a folder is listed once, each of its files' status read once. Ignored
//! folders are entered only where Git tracks something in them, and then only for that. Nothing is read or written here.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice, ObjectId, path_of};
use crate::repo::Repo;
use crate::shadow_index::{Flags, Holds, ShadowIndex, Stat, git_mode};
use crate::snapshot::{SkipReason, Skipped};

/// What a scan needs to know. Shared by its threads.
pub struct Scope<'a> {
    /// The working tree.
    pub repo: &'a Repo,
    /// What is known.
    pub index: &'a ShadowIndex,
    /// Git's index, when it has to be consulted, and when it was written (nanoseconds).
    pub user: Option<(&'a gix::index::State, i64)>,
    /// Whether to read `.gitignore` files; cloned for each thread.
    pub excludes: &'a gix::worktree::Stack,
    /// Set by another thread to end the scan.
    pub cancel: &'a AtomicBool,
    /// Counts the files looked at, for progress.
    pub looked_at: &'a AtomicU64,
    /// Whether untracked files count at all.
    pub untracked: bool,
    /// What modes can be believed.
    pub holds: Holds,
    /// Whether there are entries that may stand although nothing is there; then what takes their place must be told.
    pub unwatched: bool,
}

/// A file that is new or may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// From the root.
    pub path: BString,
    /// Its status when looked at.
    pub stat: Stat,
    /// Whether Git's index has the path.
    pub tracked: bool,
    /// Mode and content, if Git's index vouches for them.
    pub known: Option<(u32, ObjectId)>,
}

/// What a scan saw. In no particular order.
#[derive(Debug, Default)]
pub struct Seen {
    /// Files to be read (or taken from Git's index).
    pub found: Vec<Found>,
    /// Positions of index entries that are not there any more.
    pub gone: Vec<usize>,
    /// Positions of entries that cannot stand, because a file is where their folder would be.
    pub covered: Vec<usize>,
    /// Positions of entries that cannot stand if anything is captured in the folder that is in their place.
    pub folders_over: Vec<usize>,
    /// Folders at the place of a submodule.
    pub submodules: Vec<BString>,
    /// Paths that cannot be captured.
    pub skipped: Vec<Skipped>,
    /// Nested repositories, left out.
    pub nested: Vec<BString>,
    /// Files with attributes that are not captured, and count all the same.
    pub attributes: Vec<(BString, Stat)>,
    /// Folders that could not be listed; what is known below them stays.
    pub unreadable: Vec<BString>,
}

/// Whether an entry was met during the walk; one byte an entry, so that threads need no lock.
type Marks = Vec<AtomicBool>;

struct Job {
    /// Root-relative folder with a trailing slash; empty for the root.
    prefix: Vec<u8>,
    /// Index entries below it.
    range: std::ops::Range<usize>,
    /// Whether the folder is ignored: only tracked files count.
    ignored: bool,
}

/// Looks at everything below `start` (a root-relative folder, or empty for all).
///
/// # Errors
/// The start folder cannot be listed.
pub fn scan(scope: &Scope<'_>, start: &BStr) -> std::io::Result<Seen> {
    let mut prefix = start.to_vec();
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    let range = scope.index.below(0..scope.index.entries().len(), &prefix);
    let marks: Marks = (0..range.len()).map(|_| AtomicBool::new(false)).collect();
    // The root must be listable; any other folder may fail by itself.
    open_folder(scope.repo.root(), prefix.strip_suffix(b"/").unwrap_or(&prefix))?;
    let ignored = !start.is_empty() && has_special_rules(scope.repo.root(), start, ".gitignore");
    let queue = Queue::new(Job { prefix, range: range.clone(), ignored });
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let parts: Vec<Seen> = std::thread::scope(|s| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (excludes, base, marks, queue) = (scope.excludes.clone(), range.start, &marks, &queue);
                s.spawn(move || {
                    let gix = scope.repo.gix();
                    Walker { scope, base, marks, excludes, objects: &gix.objects, seen: Seen::default() }.run(queue)
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap_or_default()).collect()
    });
    if queue.poisoned() {
        return Err(std::io::Error::other("a scanning thread panicked"));
    }
    let mut seen = Seen::default();
    for part in parts {
        seen.found.extend(part.found);
        seen.covered.extend(part.covered);
        seen.folders_over.extend(part.folders_over);
        seen.submodules.extend(part.submodules);
        seen.skipped.extend(part.skipped);
        seen.nested.extend(part.nested);
        seen.attributes.extend(part.attributes);
        seen.unreadable.extend(part.unreadable);
    }
    seen.attributes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    collect_gone(scope, &range, &marks, &mut seen);
    Ok(seen)
}

/// Entries that were not met are gone, unless they are not expected to be there or lie where nothing could be seen.
fn collect_gone(scope: &Scope<'_>, range: &std::ops::Range<usize>, marks: &Marks, seen: &mut Seen) {
    let unreadable: BTreeSet<&BStr> = seen.unreadable.iter().map(|p| p.as_bstr()).collect();
    let hidden = |path: &BStr| {
        !unreadable.is_empty()
            && path
                .char_indices()
                .filter(|(_, _, c)| *c == '/')
                .any(|(at, _, _)| unreadable.contains(path[..at].as_bstr()))
    };
    for at in range.clone() {
        let entry = &scope.index.entries()[at];
        // What Git does not look at may have been absent only because something else was in its place.
        let counts = !entry.flags.has(Flags::ABSENT) || entry.flags.has_any(Flags::UNWATCHED);
        if !marks[at - range.start].load(Ordering::Relaxed) && counts && !hidden(scope.index.path(entry)) {
            seen.gone.push(at);
        }
    }
}

/// Opens a folder below the root without following a link at its end.
fn open_folder(root: &Path, relative: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if relative.is_empty() {
        return rustix::fs::openat(CWD, root, flags, Mode::empty());
    }
    let path = root.join(path_of(relative));
    rustix::fs::openat(CWD, &path, flags, Mode::empty())
}

struct Walker<'a> {
    scope: &'a Scope<'a>,
    base: usize,
    marks: &'a Marks,
    excludes: gix::worktree::Stack,
    objects: &'a gix::OdbHandle,
    seen: Seen,
}

impl Walker<'_> {
    fn run(mut self, queue: &Queue) -> Seen {
        let guard = PoisonGuard(queue);
        while let Some(job) = queue.take() {
            let mut children = Vec::new();
            if !self.scope.cancel.load(Ordering::Relaxed) {
                self.folder(&job, &mut children);
            }
            queue.finish(children);
        }
        std::mem::forget(guard);
        self.seen
    }

    fn folder(&mut self, job: &Job, children: &mut Vec<Job>) {
        let relative = job.prefix.strip_suffix(b"/").unwrap_or(&job.prefix);
        let listing = open_folder(self.scope.repo.root(), relative).and_then(|dir| {
            let mut names = Vec::new();
            let mut entries = rustix::fs::Dir::read_from(&dir)?;
            while let Some(entry) = entries.read() {
                let entry = entry?;
                if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                    names.push((entry.file_name().to_owned(), entry.file_type()));
                }
            }
            Ok((dir, names))
        });
        let (dir, names) = match listing {
            Ok(listing) => listing,
            // Deleted or replaced while we came: as if it had never been there.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => return,
            Err(_) => {
                self.seen.unreadable.push(relative.into());
                self.skip(relative, SkipReason::Unreadable);
                return;
            }
        };
        if !relative.is_empty()
            && names.iter().any(|(name, _)| name.to_bytes() == b".git")
            && !self.tracks_any(&job.range)
            && is_repository(&self.scope.repo.root().join(path_of(relative)))
        {
            self.seen.nested.push(relative.into());
            return;
        }
        let pipe = names.iter().any(|(name, kind)| name.to_bytes() == b".gitignore" && is_special(*kind));
        let job = &Job { prefix: job.prefix.clone(), range: job.range.clone(), ignored: job.ignored || pipe };
        if pipe {
            self.skip(&[&job.prefix, &b".gitignore"[..]].concat(), SkipReason::Special);
        }
        for (name, kind) in &names {
            self.child(job, &dir, name, *kind, children);
        }
    }

    fn child(&mut self, job: &Job, dir: &OwnedFd, name: &std::ffi::CStr, kind: FileType, children: &mut Vec<Job>) {
        let bytes = name.to_bytes();
        if is_gits_name(bytes) {
            if bytes != b".git" {
                self.skip(&[&job.prefix, bytes].concat(), SkipReason::InvalidName);
            }
            return;
        }
        let path = [&job.prefix, bytes].concat();
        let at = self.scope.index.find_in(job.range.clone(), &path).ok();
        // A plain file that is known may go straight to its status; everything else needs its kind first.
        if kind == FileType::Directory {
            return self.subfolder(job, path, at, children);
        }
        let st = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(st) => st,
            // It vanished between listing and looking.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return,
            // It is there, and that is all that can be known: a folder without search permission, a mount that fails.
            Err(_) => {
                let below = [&path[..], b"/"].concat();
                self.scope.index.below(job.range.clone(), &below).for_each(|at| self.mark(Some(at)));
                self.mark(at);
                return self.skip(&path, SkipReason::Unreadable);
            }
        };
        match FileType::from_raw_mode(st.st_mode) {
            FileType::Directory => self.subfolder(job, path, at, children),
            FileType::RegularFile | FileType::Symlink => self.file(job, path, at, &st),
            _ => self.special(job, &path, at),
        }
    }

    fn file(&mut self, job: &Job, path: Vec<u8>, at: Option<usize>, st: &rustix::fs::Stat) {
        self.scope.looked_at.fetch_add(1, Ordering::Relaxed);
        let entry = at.map(|at| self.scope.index.entries()[at]);
        let tracked = entry.is_some_and(|e| e.flags.has(Flags::TRACKED));
        if !tracked {
            if job.ignored || self.is_ignored(&path, false) {
                if path.ends_with(b".gitattributes") {
                    self.seen.attributes.push((path.into(), Stat::of(st)));
                }
                return;
            }
            if !self.scope.untracked {
                // Over budget nothing untracked is read; what was captured before stays as it was.
                self.mark(at);
                if at.is_none_or(|at| self.scope.index.entries()[at].stat != Stat::of(st)) {
                    self.skip(&path, SkipReason::OverBudget);
                }
                return;
            }
        }
        self.mark(at);
        if self.scope.unwatched {
            self.seen.covered.extend(self.scope.index.below(job.range.clone(), &[&path, &b"/"[..]].concat()));
        }
        let stat = Stat::of(st);
        if let Some(e) = entry
            && !e.flags.has(Flags::ABSENT)
            && e.mode != mode::SUBMODULE
            && e.stat == stat
            && !self.scope.index.is_racy(&stat)
        {
            return;
        }
        let known = self.scope.user.and_then(|(user, written_ns)| {
            known_to_git(user, written_ns, path.as_bstr(), &stat, st.st_mode & 0o100 != 0, self.scope.holds)
        });
        self.seen.found.push(Found { path: path.into(), stat, tracked, known });
    }

    fn subfolder(&mut self, job: &Job, path: Vec<u8>, at: Option<usize>, children: &mut Vec<Job>) {
        if let Some(at) = at
            && self.scope.index.entries()[at].is_submodule()
        {
            self.mark(Some(at));
            self.seen.submodules.push(path.into());
            return;
        }
        self.seen.folders_over.extend(at.filter(|_| self.scope.unwatched));
        let mut prefix = path;
        prefix.push(b'/');
        let range = self.scope.index.below(job.range.clone(), &prefix);
        let tracks_any = self.tracks_any(&range);
        if !tracks_any && !self.scope.untracked {
            let folder = &prefix[..prefix.len() - 1];
            if !job.ignored && !self.is_ignored(folder, true) {
                range.for_each(|at| self.mark(Some(at)));
                self.skip(folder, SkipReason::OverBudget);
            }
            return;
        }
        // Asking costs reading ignore files, so ask only where the answer matters: inside a folder full of tracked
        // files, its untracked ones are judged one by one.
        let ignored = job.ignored || (!tracks_any && self.is_ignored(&prefix[..prefix.len() - 1], true));
        if ignored && !tracks_any {
            return;
        }
        children.push(Job { prefix, range, ignored });
    }

    fn special(&mut self, job: &Job, path: &[u8], at: Option<usize>) {
        let tracked = at.is_some_and(|at| self.scope.index.entries()[at].flags.has(Flags::TRACKED));
        if tracked || !(job.ignored || self.is_ignored(path, false)) {
            self.mark(at);
            self.skip(path, SkipReason::Special);
        }
    }

    fn tracks_any(&self, range: &std::ops::Range<usize>) -> bool {
        self.scope.index.entries()[range.clone()].iter().any(|e| e.flags.has(Flags::TRACKED))
    }

    fn is_ignored(&mut self, path: &[u8], folder: bool) -> bool {
        // Folders are entered from above, and `folder` has seen to rule files that must not be read.
        ask(&mut self.excludes, self.objects, path, folder)
    }

    fn mark(&self, at: Option<usize>) {
        if let Some(at) = at {
            self.marks[at - self.base].store(true, Ordering::Relaxed);
        }
    }

    fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.seen.skipped.push(Skipped { path: path.into(), reason });
    }
}

/// What Git's index, written at `written_ns`, says of a file whose status it has.
pub fn known_to_git(
    user: &gix::index::State,
    written_ns: i64,
    path: &BStr,
    stat: &Stat,
    executable: bool,
    holds: Holds,
) -> Option<(u32, ObjectId)> {
    use gix::index::entry::{Flags as Git, Stage};
    let entry = user.entry_by_path_and_stage(path, Stage::Unconflicted)?;
    let git = git_mode(entry);
    // Where modes could not be believed when Git looked, the status does not tell of them.
    let same_mode = !holds.modes || git == mode::LINK || (git == mode::EXECUTABLE) == executable;
    let racy = stat.mtime_total_ns() + 1_000_000 >= written_ns;
    let believed = stat.is_git(&entry.stat) && same_mode && !racy;
    let whole = !entry.flags.contains(Git::INTENT_TO_ADD) && !entry.mode.is_submodule();
    (believed && whole).then_some((git, entry.id))
}

/// Whether ignore rules leave `path` out. A rule file that cannot be read counts as empty, as for Git; below one that is a
/// pipe or the like, which reading would wait for, nothing untracked is taken.
pub fn is_ignored(excludes: &mut gix::worktree::Stack, objects: &gix::OdbHandle, path: &[u8], folder: bool) -> bool {
    has_special_rules(excludes.base(), path, ".gitignore") || ask(excludes, objects, path, folder)
}

/// Whether a rule file called `name`, in a folder on the way to `path`, is neither a file nor a link.
pub(crate) fn has_special_rules(root: &Path, path: &[u8], name: &str) -> bool {
    let is_special = |folder: &Path| {
        rustix::fs::lstat(folder.join(name)).is_ok_and(|st| is_special(FileType::from_raw_mode(st.st_mode)))
    };
    is_special(root) || path.find_iter(b"/").any(|at| is_special(&root.join(path_of(&path[..at]))))
}

/// Whether a name would be taken for Git's own folder on some system: `.git` in any case, and its short name on Windows.
pub(crate) fn is_gits_name(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1")
}

/// Whether reading it could wait for somebody.
fn is_special(kind: FileType) -> bool {
    !matches!(kind, FileType::RegularFile | FileType::Symlink | FileType::Directory | FileType::Unknown)
}

fn ask(excludes: &mut gix::worktree::Stack, objects: &gix::OdbHandle, path: &[u8], folder: bool) -> bool {
    use gix::index::entry::Mode as IndexMode;
    let kind = if folder { IndexMode::DIR } else { IndexMode::FILE };
    excludes.at_path(path.as_bstr(), Some(kind), objects).is_ok_and(|platform| platform.is_excluded())
}

/// Whether `folder` is the root of a repository with a working tree.
pub fn is_repository(folder: &Path) -> bool {
    let git = folder.join(".git");
    if git.is_dir() {
        return git.join("HEAD").symlink_metadata().is_ok()
            && git.join("objects").is_dir()
            && git.join("refs").is_dir();
    }
    git.is_file() && gix::discover::is_git(&git).is_ok()
}

/// Folders still to be listed, and how many are being listed.
struct Queue {
    state: Mutex<(Vec<Job>, usize)>,
    more: Condvar,
    panicked: AtomicUsize,
}

impl Queue {
    fn new(first: Job) -> Self {
        Self { state: Mutex::new((vec![first], 0)), more: Condvar::new(), panicked: AtomicUsize::new(0) }
    }

    /// The next folder; `None` when there is none and none can come.
    fn take(&self) -> Option<Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = state.0.pop() {
                state.1 += 1;
                return Some(job);
            }
            if state.1 == 0 || self.poisoned() {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, children: Vec<Job>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.extend(children);
        state.1 -= 1;
        drop(state);
        self.more.notify_all();
    }

    fn poisoned(&self) -> bool {
        self.panicked.load(Ordering::Relaxed) > 0
    }
}

/// Lets the other threads end when one panics, instead of waiting for it for ever.
struct PoisonGuard<'a>(&'a Queue);

impl Drop for PoisonGuard<'_> {
    fn drop(&mut self) {
        self.0.panicked.fetch_add(1, Ordering::Relaxed);
        self.0.more.notify_all();
    }
}

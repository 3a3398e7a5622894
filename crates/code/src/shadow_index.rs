//! The private index of one working tree: every path with the status it had when its content was last known.
//!
//! A cache, never a truth: it is made again from Git's index and the files whenever it is missing, damaged, of
//! another version, or its rules (filters, attributes) changed. It holds the union of what Git tracks and what a
//! snapshot holds, so that a scan can tell a tracked file from an untracked one without reading Git's index.

use std::path::Path;

use carry_kernel::disk;

use sha2::{Digest as _, Sha256};

use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice, HashKind, ObjectId};

mod codec;

/// Largest file of this kind that is read, in bytes: some ten million paths.
const BYTES_MAX: u64 = 2 << 30;

/// A file's status as far as it tells content apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Modification time, whole seconds …
    pub mtime: i64,
    /// … and nanoseconds.
    pub mtime_ns: u32,
    /// Status change time, whole seconds …
    pub ctime: i64,
    /// … and nanoseconds.
    pub ctime_ns: u32,
    /// Inode.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
}

/// What is so about an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// Git's index has the path, at whatever stage.
    pub const TRACKED: u8 = 1;
    /// The path is not part of the snapshot's tree: tracked, but not there.
    pub const ABSENT: u8 = 2;
    /// Git does not expect the file in the working tree (sparse checkout).
    pub const SKIP_WORKTREE: u8 = 4;
    /// The user told Git to take the file as unchanged.
    pub const ASSUME_UNCHANGED: u8 = 8;
    /// What Git's index has at the path may have decided what the content became: line ends are kept if they are there.
    pub const INDEX_DECIDED: u8 = 16;
    /// Git's index has a submodule at the path, whatever is there now.
    pub const SUBMODULE: u8 = 32;
    /// Git does not look at the file, so that what its index says may stand for it.
    pub const UNWATCHED: u8 = Self::SKIP_WORKTREE | Self::ASSUME_UNCHANGED;

    /// Whether all of `bits` are set.
    pub fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
    /// Whether any of `bits` is set.
    pub fn has_any(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
    /// With `bits` set or cleared.
    #[must_use]
    pub fn with(self, bits: u8, on: bool) -> Self {
        Self(if on { self.0 | bits } else { self.0 & !bits })
    }
}

/// One path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    offset: u32,
    len: u32,
    /// Git's mode; 0 when absent and never known.
    pub mode: u32,
    /// See [`Flags`].
    pub flags: Flags,
    /// The status at which `id` was the content; zero when unknown.
    pub stat: Stat,
    /// The content as Git stores it; the null id when absent and never known.
    pub id: ObjectId,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Its status; zero when there is no file.
    pub stat: Stat,
}

/// What was staged, relative to a HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagedAt {
    /// HEAD's commit.
    pub head: Option<ObjectId>,
    /// The side commit; `None` when nothing was staged.
    pub side: Option<ObjectId>,
}

/// The index, in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowIndex {
    /// The repository's hash.
    pub hash: HashKind,
    /// The tree that the entries make; `None` when not known.
    pub tree: Option<ObjectId>,
    /// The state of Git's index that is merged in.
    pub user: Stamp,
    /// Digest of the meaning of Git's index, apart from the files' status.
    pub user_digest: [u8; 32],
    /// Digest of the rules the ids were made under: filters, line ends, attributes outside the tree.
    pub rules: [u8; 32],
    /// Digest of the attribute files in the working tree that the ids were made under; `None` when one may have changed
    /// while it was looked at.
    pub attributes: Option<[u8; 32]>,
    /// The side commit that holds what is staged in that state of Git's index, beside the HEAD it was made for.
    pub staged: Option<StagedAt>,
    /// When the looking began that filled it, in nanoseconds of the wall clock: files changed at or after it may have changed twice.
    pub taken_ns: i64,
    entries: Vec<Entry>,
    paths: Vec<u8>,
}

/// What the file system can hold of a mode, as Git is told. Where it cannot, Git's index knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holds {
    /// Executable bits (`core.fileMode`).
    pub modes: bool,
    /// Links (`core.symlinks`).
    pub links: bool,
}

/// Time stamps closer than this to the look may hide a second change, in nanoseconds: file systems stamp with the
/// kernel's tick, up to 10 ms.
const RACY_NS: i64 = 20_000_000;

impl Stat {
    /// From what the file system says.
    pub fn of(st: &rustix::fs::Stat) -> Self {
        #[expect(clippy::unnecessary_cast, reason = "the fields' types differ between systems")]
        Self {
            mtime: st.st_mtime as i64,
            mtime_ns: st.st_mtime_nsec as u32,
            ctime: st.st_ctime as i64,
            ctime_ns: st.st_ctime_nsec as u32,
            ino: st.st_ino as u64,
            size: u64::try_from(st.st_size).unwrap_or(0),
        }
    }

    /// Modification time in nanoseconds, saturating.
    pub fn mtime_total_ns(&self) -> i64 {
        self.mtime.saturating_mul(1_000_000_000).saturating_add(i64::from(self.mtime_ns))
    }

    /// Whether the file may have changed again after a look at `ns` without a change of its time.
    pub fn is_racy(&self, ns: i64) -> bool {
        self.mtime_total_ns().saturating_add(RACY_NS) >= ns
    }

    /// Whether Git's index, which keeps 32 bits of each number and may lack nanoseconds, means the same status.
    pub fn is_git(&self, git: &gix::index::entry::Stat) -> bool {
        let low = |n: u64| u32::try_from(n & u64::from(u32::MAX)).expect("masked");
        let secs = |n: i64| low(n.cast_unsigned());
        git.mtime.secs == secs(self.mtime)
            && (git.mtime.nsecs == 0 || git.mtime.nsecs == self.mtime_ns)
            && (git.ctime.secs == 0 || git.ctime.secs == secs(self.ctime))
            && (git.ctime.nsecs == 0 || git.ctime.nsecs == self.ctime_ns)
            && (git.ino == 0 || git.ino == low(self.ino))
            && git.size == low(self.size)
            && (git.mtime.secs != 0 || git.size != 0)
    }
}

impl Entry {
    /// Whether a folder at the path is a submodule's.
    pub fn is_submodule(&self) -> bool {
        self.mode == mode::SUBMODULE || self.flags.has(Flags::SUBMODULE)
    }
}

impl Stamp {
    /// Of the file at `path`.
    pub fn of(path: &Path) -> Self {
        Self { stat: rustix::fs::lstat(path).map(|st| Stat::of(&st)).unwrap_or_default() }
    }
}

impl ShadowIndex {
    /// An empty one.
    pub fn new(hash: HashKind) -> Self {
        Self {
            hash,
            tree: None,
            user: Stamp::default(),
            user_digest: [0; 32],
            rules: [0; 32],
            attributes: None,
            staged: None,
            taken_ns: 0,
            entries: Vec::new(),
            paths: Vec::new(),
        }
    }

    /// Reads it; `None` when there is none that can be used.
    pub fn load(file: &Path, hash: HashKind) -> Option<Self> {
        // Whatever is wrong with a cache, the answer is to make it again.
        let bytes = disk::read_bounded(file, BYTES_MAX).ok()??;
        codec::decode(&bytes).filter(|index| index.hash == hash)
    }

    /// Writes it. Not synced: a torn file is noticed when it is read.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn save(&self, file: &Path) -> Result<u64, disk::DiskError> {
        let bytes = codec::encode(self);
        disk::write_cache(file, &bytes)?;
        Ok(bytes.len() as u64)
    }

    /// Appends an entry; the caller keeps the order by path.
    pub fn push(&mut self, path: &BStr, mode: u32, id: ObjectId, stat: Stat, flags: Flags) {
        let offset = u32::try_from(self.paths.len()).expect("paths of one working tree stay below 4 GiB");
        self.paths.extend_from_slice(path);
        self.entries.push(Entry { offset, len: u32::try_from(path.len()).expect("a path"), mode, flags, stat, id });
    }

    /// Drops all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.paths.clear();
    }

    /// All entries, by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Changes an entry in place.
    pub fn entry_mut(&mut self, at: usize) -> &mut Entry {
        &mut self.entries[at]
    }

    /// An entry's path.
    pub fn path(&self, entry: &Entry) -> &BStr {
        self.paths[entry.offset as usize..(entry.offset + entry.len) as usize].as_bstr()
    }

    /// Where `path` is, or where it would be, within `range`.
    pub fn find_in(&self, range: std::ops::Range<usize>, path: &[u8]) -> Result<usize, usize> {
        let start = range.start;
        match self.entries[range].binary_search_by(|e| self.path(e).as_bytes().cmp(path)) {
            Ok(at) => Ok(start + at),
            Err(at) => Err(start + at),
        }
    }

    /// The entry of `path`.
    pub fn get(&self, path: &BStr) -> Option<&Entry> {
        self.find_in(0..self.entries.len(), path).ok().map(|at| &self.entries[at])
    }

    /// The entries below the folder `prefix` (ending in `/`, or empty for all), within `range`.
    pub fn below(&self, range: std::ops::Range<usize>, prefix: &[u8]) -> std::ops::Range<usize> {
        let slice = &self.entries[range.clone()];
        let lo = slice.partition_point(|e| self.path(e).as_bytes() < prefix);
        let hi = lo + slice[lo..].partition_point(|e| self.path(e).starts_with(prefix));
        range.start + lo..range.start + hi
    }

    /// Whether the status is too close to the look to be trusted.
    pub fn is_racy(&self, stat: &Stat) -> bool {
        stat.is_racy(self.taken_ns)
    }

    /// The paths that make the tree: mode, id and path of each.
    pub fn tree_entries(&self) -> impl Iterator<Item = (u32, ObjectId, &BStr)> {
        self.entries.iter().filter(|e| !e.flags.has(Flags::ABSENT)).map(|e| (e.mode, e.id, self.path(e)))
    }

    /// Digest of the files that say how others become blobs: those it holds, and `ignored` ones with their status. Looked
    /// at since `taken_ns`.
    pub fn attributes_digest(&self, ignored: &[(BString, Stat)], taken_ns: i64) -> Option<[u8; 32]> {
        let mut hash = Sha256::new();
        for entry in self.entries.iter().filter(|e| !e.flags.has(Flags::ABSENT)) {
            let path = self.path(entry);
            if path.ends_with(b".gitattributes") {
                hash.update(path);
                hash.update([0]);
                hash.update(entry.id.as_slice());
            }
        }
        for (path, stat) in ignored {
            if stat.is_racy(taken_ns) {
                return None;
            }
            hash.update(path);
            hash.update([1]);
            for number in [stat.mtime_total_ns(), stat.ino.cast_signed(), stat.size.cast_signed()] {
                hash.update(number.to_le_bytes());
            }
        }
        Some(hash.finalize().into())
    }

    /// The submodules in Git's index.
    pub fn submodules(&self) -> impl Iterator<Item = &BStr> {
        self.entries.iter().filter(|e| e.flags.has(Flags::SUBMODULE)).map(|e| self.path(e))
    }

    /// Whether Git does not look at some path.
    pub fn has_unwatched(&self) -> bool {
        self.entries.iter().any(|e| e.flags.has_any(Flags::UNWATCHED))
    }

    /// Tracked paths that are not there; a file that appears at one is captured although it may be ignored.
    pub fn tracked_absent(&self) -> impl Iterator<Item = &BStr> {
        self.entries.iter().filter(|e| e.flags.has(Flags::TRACKED | Flags::ABSENT)).map(|e| self.path(e))
    }
}

/// The union of Git's index and what was known before. Entries of `user` decide what is tracked; what `old` knows of a
/// path stays unless Git's index knows the same file under another id, or nothing was known.
pub fn merge_user(old: Option<&ShadowIndex>, user: &gix::index::State, hash: HashKind, holds: Holds) -> ShadowIndex {
    let empty = ShadowIndex::new(hash);
    let old = old.unwrap_or(&empty);
    let mut new = ShadowIndex { entries: Vec::new(), paths: Vec::new(), ..old.clone_header() };
    new.entries.reserve(user.entries().len().max(old.entries.len()));
    new.paths.reserve(user.path_backing().len().max(old.paths.len()));
    let mut at = 0;
    let mut rest = user.entries().iter().peekable();
    while let Some(git) = rest.next() {
        let path = git.path(user);
        // The stages of an unmerged path follow each other; together they are one tracked path.
        let mut unmerged = git.stage_raw() != 0;
        let mut ours = git;
        while let Some(next) = rest.next_if(|n| n.path(user) == path) {
            unmerged = true;
            if next.stage_raw() == 2 {
                ours = next;
            }
        }
        while at < old.entries.len() && old.path(&old.entries[at]).as_bytes() < path.as_bytes() {
            push_untracked(&mut new, old, at, holds);
            at += 1;
        }
        let known = (at < old.entries.len() && old.path(&old.entries[at]) == path).then(|| {
            at += 1;
            old.entries[at - 1]
        });
        push_tracked(&mut new, path, ours, unmerged, known, holds);
    }
    while at < old.entries.len() {
        push_untracked(&mut new, old, at, holds);
        at += 1;
    }
    new
}

/// A path that Git's index does not have (any more): kept if the snapshot holds it, to be judged as untracked by the scan.
fn push_untracked(new: &mut ShadowIndex, old: &ShadowIndex, at: usize, holds: Holds) {
    let entry = old.entries[at];
    // A submodule that Git no longer knows is a nested repository like any other.
    if entry.flags.has(Flags::ABSENT) || entry.mode == mode::SUBMODULE {
        return;
    }
    // What Git's index had no longer decides: read the file again.
    let decided = entry.flags.has(Flags::INDEX_DECIDED)
        || (!holds.modes && entry.mode == mode::EXECUTABLE)
        || (!holds.links && entry.mode == mode::LINK);
    let stat = if decided && entry.flags.has(Flags::TRACKED) { Stat::default() } else { entry.stat };
    new.push(old.path(&entry), entry.mode, entry.id, stat, entry.flags.with(!Flags::INDEX_DECIDED, false));
}

fn push_tracked(
    new: &mut ShadowIndex,
    path: &BStr,
    git: &gix::index::Entry,
    unmerged: bool,
    known: Option<Entry>,
    holds: Holds,
) {
    use gix::index::entry::Flags as Git;
    let flags = Flags(Flags::TRACKED)
        .with(Flags::SKIP_WORKTREE, git.flags.contains(Git::SKIP_WORKTREE))
        .with(Flags::ASSUME_UNCHANGED, git.flags.contains(Git::ASSUME_VALID))
        .with(Flags::SUBMODULE, git.mode.is_submodule());
    let usable = !unmerged && !git.flags.contains(Git::INTENT_TO_ADD);
    // Of a submodule that is not checked out Git's index is all there is to know; of another, the scan asks its HEAD.
    let known = known.filter(|old| !usable || !git.mode.is_submodule() || old.mode != mode::SUBMODULE);
    match known {
        Some(old) if !old.flags.has(Flags::ABSENT) => {
            let same_file = usable && old.stat.is_git(&git.stat);
            let content_decided = old.flags.has(Flags::INDEX_DECIDED) && old.id != git.id;
            let kind_decided = (!holds.modes || !holds.links) && old.mode != git_mode(git);
            if (same_file && old.id != git.id) || content_decided || kind_decided {
                // Git says that this very file is another object, or decides what the file becomes: clear the status so
                // that the file is looked at again.
                new.push(path, old.mode, old.id, Stat::default(), flags);
            } else if flags.has_any(Flags::UNWATCHED) && usable && old.id != git.id {
                // Not expected in the working tree, so Git's index is all there is to know.
                new.push(path, git_mode(git), git.id, Stat::default(), flags);
            } else {
                let flags = flags.with(Flags::INDEX_DECIDED, old.flags.has(Flags::INDEX_DECIDED));
                new.push(path, old.mode, old.id, old.stat, flags);
            }
        }
        _ if usable => new.push(path, git_mode(git), git.id, Stat::default(), flags),
        _ => new.push(path, 0, ObjectId::null(new.hash), Stat::default(), flags.with(Flags::ABSENT, true)),
    }
}

/// The time by the clock that file systems stamp with, in nanoseconds. Not the [`carry_kernel::clock::Clock`] of the
/// program: it is compared with time stamps of files only.
pub fn file_clock_ns() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = rustix::time::ClockId::RealtimeCoarse;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = rustix::time::ClockId::Realtime;
    let t = rustix::time::clock_gettime(id);
    t.tv_sec.saturating_mul(1_000_000_000).saturating_add(t.tv_nsec)
}

/// Git's mode of an entry as a tree holds it.
pub fn git_mode(entry: &gix::index::Entry) -> u32 {
    match entry.mode.bits() {
        bits @ (mode::EXECUTABLE | mode::LINK | mode::SUBMODULE | mode::FOLDER) => bits,
        _ => mode::FILE,
    }
}

impl ShadowIndex {
    fn clone_header(&self) -> Self {
        Self {
            hash: self.hash,
            tree: self.tree,
            user: self.user,
            user_digest: self.user_digest,
            rules: self.rules,
            attributes: self.attributes,
            staged: None,
            taken_ns: self.taken_ns,
            entries: Vec::new(),
            paths: Vec::new(),
        }
    }
}

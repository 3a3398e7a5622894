//! Reading a file as Git would store it: clean filters, line ends, links; and noticing when it will not hold still.

use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use gix::filter::plumbing::Pipeline;
use rustix::fs::{FileType, Mode, OFlags};

use crate::diff::mode;
use crate::git::{BStr, ObjectId, path_of};
use crate::repo::Repo;
use crate::shadow_index::{Holds, Stat};
use crate::snapshot::SkipReason;

/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;

/// Reads files of one working tree through its filters. Made anew for each capture: attributes and configuration are read once.
pub struct Cleaner<'r> {
    repo: &'r gix::Repository,
    filters: Pipeline,
    /// The same without filters that need not succeed; `None` when there are none of those.
    required: Option<Pipeline>,
    attributes: gix::worktree::Stack,
    holds: Holds,
    large_file: u64,
}

/// What reading a file came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// Its content as Git stores it, its mode, and the status it had all the while.
    Content {
        /// The blob.
        bytes: Vec<u8>,
        /// Git's mode.
        mode: u32,
        /// The status.
        stat: Stat,
        /// Whether it is not, byte for byte, what the file holds.
        converted: bool,
    },
    /// It cannot be captured now.
    Skip(SkipReason),
    /// It is not there (any more), or became a folder.
    Gone,
}

/// What the configuration says of the file system.
pub fn holds(repo: &gix::Repository) -> Holds {
    let config = repo.config_snapshot();
    Holds {
        modes: config.boolean("core.fileMode").unwrap_or(true),
        links: config.boolean("core.symlinks").unwrap_or(true),
    }
}

/// The attribute files that are not expected in the working tree and count all the same. One that is expected and not
/// there was deleted: `git add -A` would take it out of the index first.
fn sparse_attributes(index: &gix::index::State) -> gix::index::State {
    use gix::index::entry::Flags;
    let mut kept = gix::index::State::new(index.object_hash());
    for entry in index.entries().iter().filter(|e| e.flags.contains(Flags::SKIP_WORKTREE)) {
        let path = entry.path(index);
        if path.ends_with(b".gitattributes") {
            kept.dangerously_push_entry(entry.stat, entry.id, entry.flags, entry.mode, path);
        }
    }
    kept
}

/// Why filters could not be set up at all.
pub type SetUpError = Box<dyn std::error::Error + Send + Sync>;

impl<'r> Cleaner<'r> {
    /// For files of at most `large_file` bytes.
    ///
    /// # Errors
    /// Attributes or configuration cannot be read.
    pub fn new(repo: &'r gix::Repository, index: &gix::index::State, large_file: u64) -> Result<Self, SetUpError> {
        use gix::filter::plumbing::pipeline::CrlfRoundTripCheck;
        use gix::worktree::stack::state::attributes::Source;
        let mut options = gix::filter::Pipeline::options(repo)?;
        // `core.safecrlf` may forbid to commit a file; a snapshot takes it all the same.
        options.crlf_roundtrip_check = CrlfRoundTripCheck::Skip;
        let mut required = options.clone();
        required.drivers.retain(|driver| driver.required);
        let required = if required.drivers.len() < options.drivers.len() {
            Some(Pipeline::new(repo.command_context()?, repo.object_hash(), required))
        } else {
            None
        };
        let filters = Pipeline::new(repo.command_context()?, repo.object_hash(), options);
        let attributes = repo.attributes_only(&sparse_attributes(index), Source::WorktreeThenIdMapping)?.detach();
        Ok(Self { repo, filters, required, attributes, holds: holds(repo), large_file })
    }

    /// What modes can be believed.
    pub fn holds(&self) -> Holds {
        self.holds
    }

    /// Reads the file at `path`. `known` is the mode that Git's index has for it, which counts where the file system cannot
    /// hold modes or links; `in_git` gives the blob, which decides whether line ends are converted.
    pub fn read(
        &mut self,
        repo: &Repo,
        path: &BStr,
        known: Option<u32>,
        in_git: &mut dyn FnMut() -> Option<ObjectId>,
    ) -> Cleaned {
        let file = repo.root().join(path_of(path));
        for _ in 0..TRIES {
            match read_once(&file, self.large_file) {
                Read1::Changed => {}
                Read1::Skip(reason) => return Cleaned::Skip(reason),
                Read1::Gone => return Cleaned::Gone,
                Read1::Link { target, stat } => {
                    return Cleaned::Content { bytes: target, mode: mode::LINK, stat, converted: false };
                }
                Read1::File { bytes, stat, executable } => {
                    if !self.holds.links && known == Some(mode::LINK) {
                        return Cleaned::Content { bytes, mode: mode::LINK, stat, converted: false };
                    }
                    let mode = match known {
                        Some(known @ (mode::FILE | mode::EXECUTABLE)) if !self.holds.modes => known,
                        _ if !self.holds.modes => mode::FILE,
                        _ if executable => mode::EXECUTABLE,
                        _ => mode::FILE,
                    };
                    return match self.filter(path, &bytes, in_git) {
                        Ok(Some(bytes)) => Cleaned::Content { bytes, mode, stat, converted: true },
                        Ok(None) => Cleaned::Content { bytes, mode, stat, converted: false },
                        Err(_) => Cleaned::Skip(SkipReason::FilterFailed),
                    };
                }
            }
        }
        Cleaned::Skip(SkipReason::Changing)
    }

    /// What Git would store of `bytes`; `None` when they stay as they are. A filter that is not required and cannot be run leaves them as they are, as for Git.
    fn filter(
        &mut self,
        path: &BStr,
        bytes: &[u8],
        in_git: &mut dyn FnMut() -> Option<ObjectId>,
    ) -> Result<Option<Vec<u8>>, SetUpError> {
        let mut converted = convert(&mut self.filters, &mut self.attributes, self.repo, path, bytes, in_git);
        if let (Err(_), Some(required)) = (&converted, &mut self.required) {
            converted = convert(required, &mut self.attributes, self.repo, path, bytes, in_git);
        }
        converted
    }
}

/// Sends `bytes` through `filters`; `None` when they stay as they are.
fn convert(
    filters: &mut Pipeline,
    attributes: &mut gix::worktree::Stack,
    repo: &gix::Repository,
    path: &BStr,
    bytes: &[u8],
    in_git: &mut dyn FnMut() -> Option<ObjectId>,
) -> Result<Option<Vec<u8>>, SetUpError> {
    use gix::filter::plumbing::pipeline::convert::ToGitOutcome;
    use gix::prelude::FindExt as _;
    let objects = &repo.objects;
    if crate::scan::has_special_rules(attributes.base(), path, ".gitattributes") {
        // Reading the attributes would wait for whoever holds the pipe; the plain content is better than none.
        return Ok(None);
    }
    let platform = attributes.at_path(path, None, objects)?;
    let outcome = filters.convert_to_git(
        bytes,
        path_of(path),
        &mut |_, out| {
            platform.matching_attributes(out);
        },
        &mut |buf| {
            // Without the blob the file counts as new, which is what it is when the object is not to be had.
            Ok(in_git().and_then(|id| objects.find_blob(&id, buf).ok().map(|_| ())))
        },
    )?;
    match outcome {
        ToGitOutcome::Unchanged(_) => Ok(None),
        ToGitOutcome::Buffer(changed) => Ok(Some(changed.to_vec())),
        ToGitOutcome::Process(mut output) => {
            let mut changed = Vec::new();
            output.read_to_end(&mut changed)?;
            Ok(Some(changed))
        }
    }
}

enum Read1 {
    File { bytes: Vec<u8>, stat: Stat, executable: bool },
    Link { target: Vec<u8>, stat: Stat },
    Skip(SkipReason),
    Gone,
    Changed,
}

/// Reads a file and makes sure that it was the same before and after.
fn read_once(path: &Path, limit: u64) -> Read1 {
    use rustix::io::Errno;
    let seen = match rustix::fs::lstat(path) {
        Ok(seen) => seen,
        Err(Errno::NOENT | Errno::NOTDIR) => return Read1::Gone,
        Err(_) => return Read1::Skip(SkipReason::Unreadable),
    };
    match FileType::from_raw_mode(seen.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return read_link(path, &seen),
        FileType::Directory => return Read1::Gone,
        _ => return Read1::Skip(SkipReason::Special),
    }
    // Non-blocking, so that a pipe put in the file's place in this very moment cannot hold us.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => std::fs::File::from(fd),
        Err(Errno::NOENT | Errno::NOTDIR) => return Read1::Gone,
        Err(Errno::LOOP) => return Read1::Changed,
        Err(_) => return Read1::Skip(SkipReason::Unreadable),
    };
    let Ok(before) = rustix::fs::fstat(&file) else { return Read1::Skip(SkipReason::Unreadable) };
    if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
        return Read1::Skip(SkipReason::Special);
    }
    let stat = Stat::of(&before);
    if stat.size > limit {
        return Read1::Skip(SkipReason::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0) + 1);
    if (&file).take(stat.size.saturating_add(1)).read_to_end(&mut bytes).is_err() {
        return Read1::Skip(SkipReason::Unreadable);
    }
    let same = rustix::fs::fstat(&file).is_ok_and(|after| Stat::of(&after) == stat);
    if !same || bytes.len() as u64 != stat.size {
        return Read1::Changed;
    }
    Read1::File { bytes, stat, executable: before.st_mode & 0o100 != 0 }
}

fn read_link(path: &Path, seen: &rustix::fs::Stat) -> Read1 {
    match std::fs::read_link(path) {
        Ok(target) => Read1::Link { target: target.as_os_str().as_bytes().to_vec(), stat: Stat::of(seen) },
        Err(_) => Read1::Changed,
    }
}

/// The commit that the submodule checked out at `folder` is on; `None` when it is not checked out.
pub fn submodule_head(folder: &Path) -> Option<ObjectId> {
    let options = gix::open::Options::isolated();
    let repo = gix::open_opts(folder, options).ok()?;
    let id = repo.head_id().ok()?;
    // Opening a folder that is no repository must not find the one around it.
    (repo.workdir()?.canonicalize().ok()? == folder.canonicalize().ok()?).then(|| id.detach())
}

//! Which folders of a working tree to watch: ignore rules, and what Git tracks in spite of them.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::FileType;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::git::{BString, ByteSlice as _};
use crate::repo::Repo;
use crate::scan;

/// Ignore rules as they are now. Made when needed and dropped soon: rules and index in memory would cost more than to
/// read them again.
pub(super) struct Rules {
    root: PathBuf,
    git: gix::Repository,
    excludes: gix::worktree::Stack,
    /// Git's index, once it was asked for; an unborn one is empty.
    index: Option<gix::index::State>,
    /// Whether a repository within this one was met.
    has_nested: bool,
}

/// Files outside a tree's folders that decide what is ignored there and how files are filtered: of the user, not of the system.
pub(super) fn outer_files(repo: &Repo) -> Vec<PathBuf> {
    let git = repo.gix();
    let mut files: Vec<PathBuf> = git.attribute_global_paths().unwrap_or_default().pop().into_iter().collect();
    match git.config_snapshot().trusted_path("core.excludesFile") {
        Ok(Some(file)) => files.push(file),
        // By default the two lie beside each other.
        _ => files.extend(
            files.first().filter(|file| file.ends_with("git/attributes")).map(|file| file.with_file_name("ignore")),
        ),
    }
    files
}

/// The status of all files outside the tree's folders that rules depend on. It differs after one of them changed.
pub(super) fn outer_status(repo: &Repo) -> Vec<(PathBuf, Option<FileStatus>)> {
    let mut files: BTreeSet<PathBuf> = outer_files(repo).into_iter().collect();
    let git = repo.gix();
    files.extend(git.config_snapshot().plumbing().sections().filter_map(|section| section.meta().path.clone()));
    let status = |file: &Path| {
        let found = file.metadata().ok()?;
        Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    let with_status = |file: PathBuf| {
        let status = status(&file);
        (file, status)
    };
    files.into_iter().map(with_status).collect()
}

/// Inode, size, and when it was changed.
pub(super) type FileStatus = (u64, u64, i64, i64);

impl Rules {
    /// Reads them. Ignore files are read as folders are asked about.
    pub(super) fn read(repo: &Repo, patterns: &[String]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        use gix::worktree::stack::state::ignore::Source;
        let git = repo.gix();
        let overrides = gix::ignore::Search::from_overrides(patterns.iter(), gix::ignore::search::Ignore::default());
        // With an empty index only ignore files that are checked out count. Those that a sparse checkout leaves out lie
        // where no files are.
        let empty = gix::index::State::new(git.object_hash());
        let excludes = git.excludes(&empty, Some(overrides), Source::WorktreeThenIdMappingIfNotSkipped)?.detach();
        Ok(Self { root: repo.root().to_owned(), git, excludes, index: None, has_nested: false })
    }

    /// Whether the rules leave `path` out, whatever Git tracks.
    pub(super) fn ignores(&mut self, path: &[u8], folder: bool) -> bool {
        scan::is_ignored(&mut self.excludes, &self.git.objects, path, folder)
    }

    /// Whether Git's index has `path`, or something below it.
    pub(super) fn tracks(&mut self, path: &[u8]) -> bool {
        self.index().entry_index_by_path(path.as_bstr()).is_ok() || self.tracks_below(path)
    }

    fn tracks_below(&mut self, folder: &[u8]) -> bool {
        let prefix = [folder, b"/"].concat();
        self.index().prefixed_entries_range(prefix.as_bstr()).is_some()
    }

    fn is_submodule(&mut self, path: &[u8]) -> bool {
        self.index().entry_by_path(path.as_bstr()).is_some_and(|entry| entry.mode.is_submodule())
    }

    /// Submodules, at most `max`. The index is not even read where none was met nor can be expected.
    pub(super) fn submodules(&mut self, max: usize) -> Vec<BString> {
        let is_likely = self.has_nested || self.index.is_some() || self.root.join(".gitmodules").exists();
        if !is_likely {
            return Vec::new();
        }
        let index = self.index();
        let found = index.entries().iter().filter(|entry| entry.mode.is_submodule());
        found.take(max).map(|entry| entry.path(index).to_owned()).collect()
    }

    /// Folders that hold tracked files, each once for a run of its entries.
    pub(super) fn tracked_folders(&mut self) -> impl Iterator<Item = &[u8]> {
        let index = self.index();
        let mut last: &[u8] = b"";
        index.entries().iter().filter_map(move |entry| {
            let path: &[u8] = entry.path(index);
            let folder = path.rfind_byte(b'/').map_or(&b""[..], |at| &path[..at]);
            (folder != last).then(|| {
                last = folder;
                folder
            })
        })
    }

    fn index(&mut self) -> &gix::index::State {
        let git = &self.git;
        self.index.get_or_insert_with(|| match git.open_index() {
            Ok(file) => file.into(),
            Err(error) => {
                // Missing before the first `git add`; a damaged one is the capture's to report.
                tracing::debug!(repo = %git.git_dir().display(), error = &*error.to_string(), "no index to consult");
                gix::index::State::new(git.object_hash())
            }
        })
    }

    /// Goes through `start` (root-relative, empty for the root) and the folders below it that are to be watched. `visit` is
    /// called with each before its entries are listed, so that one that watches it misses none; it says whether to go on below.
    pub(super) fn walk<E>(&mut self, start: &[u8], mut visit: impl FnMut(&[u8]) -> Result<bool, E>) -> Result<(), E> {
        let mut pending = vec![start.to_vec()];
        while let Some(folder) = pending.pop() {
            if !self.is_wanted(&folder) || !visit(&folder)? {
                continue;
            }
            // One that vanished or may not be read has nothing to tell.
            let Ok(entries) = std::fs::read_dir(self.path(&folder)) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                if entry.file_type().is_ok_and(|kind: FileType| kind.is_dir()) && name != ".git" {
                    pending.push(join(&folder, name.as_bytes()));
                }
            }
        }
        Ok(())
    }

    /// Whether a folder that is there should be watched: it is part of this working tree, and not ignored or holds tracked files.
    pub(super) fn is_wanted(&mut self, folder: &[u8]) -> bool {
        if folder.is_empty() {
            return true;
        }
        // The index is asked last: most folders need it not, and then it is not even read.
        if self.path(folder).join(".git").symlink_metadata().is_ok() {
            self.has_nested = true;
            if self.is_submodule(folder) || scan::is_repository(&self.path(folder)) && !self.tracks_below(folder) {
                return false;
            }
        }
        !self.ignores(folder, true) || self.tracks_below(folder)
    }

    /// The absolute path of a root-relative one.
    pub(super) fn path(&self, relative: &[u8]) -> PathBuf {
        absolute(&self.root, relative)
    }
}

/// The absolute path of a root-relative one.
pub(super) fn absolute(root: &Path, relative: &[u8]) -> PathBuf {
    if relative.is_empty() { root.to_owned() } else { root.join(std::ffi::OsStr::from_bytes(relative)) }
}

/// A folder's child.
fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// A root-relative path in Git's form.
pub(super) fn relative(path: &Path) -> BString {
    path.as_os_str().to_owned().into_vec().into()
}

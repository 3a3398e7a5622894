//! The trees that are watched, and the one system watcher they share.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carry_kernel::id::TreeId;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::batch::Batch;
use super::place::Role;
use super::rules::{self, FileStatus, Rules};
use super::{Event, Style, WatchError};
use crate::git::BString;
use crate::repo::Repo;

/// After the index changed, what is tracked is looked at again so much later …
const RECHECK_AFTER: Duration = Duration::from_secs(1);
/// … but no more often than this: a prompt that runs `git status` rewrites the index each time.
const RECHECK_EVERY: Duration = Duration::from_secs(30);

/// Paths remembered as ignored, for each tree. A log that is written each second must not cost a look at the index each time.
const IGNORED_MAX: usize = 4096;

/// All trees, and what is watched for them.
pub(super) struct Trees {
    backend: RecommendedWatcher,
    pub(super) style: Style,
    pub(super) trees: BTreeMap<TreeId, Watched>,
    pub(super) roots: HashMap<PathBuf, TreeId>,
    /// Folders of Git's that are watched, and for whom.
    pub(super) git: HashMap<PathBuf, Vec<(TreeId, Role)>>,
    /// Cookies that were asked for and not heard of.
    pub(super) awaited: BTreeSet<u64>,
    watches: usize,
    /// Most watches we take; the system's own limit is met sooner or later than this.
    pub(super) watches_max: usize,
}

/// One tree.
pub(super) struct Watched {
    pub(super) repo: Repo,
    patterns: Vec<String>,
    /// Folders watched, root-relative.
    pub(super) folders: BTreeSet<BString>,
    /// Paths known to be ignored and untracked.
    ignored: HashSet<BString>,
    rules: Option<Rules>,
    /// Files outside that the rules depend on, as they were when its folders were walked.
    pub(super) outer: Vec<(PathBuf, Option<FileStatus>)>,
    recheck: Option<Instant>,
    rechecked: Option<Instant>,
}

impl Trees {
    pub(super) fn new(backend: RecommendedWatcher, style: Style) -> Self {
        Self {
            backend,
            style,
            trees: BTreeMap::new(),
            roots: HashMap::new(),
            git: HashMap::new(),
            awaited: BTreeSet::new(),
            watches: 0,
            watches_max: usize::MAX,
        }
    }

    pub(super) fn watch_cookies(&mut self, cookies: &Path) -> Result<(), WatchError> {
        self.watch(cookies, RecursiveMode::NonRecursive).map(drop)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &TreeId> {
        self.trees.keys()
    }

    pub(super) fn watches(&self) -> usize {
        self.watches
    }

    pub(super) fn add(&mut self, id: &TreeId, repo: Repo, patterns: Vec<String>) -> Result<(), WatchError> {
        let moved = self.trees.get(id).is_some_and(|old| old.repo.root() != repo.root());
        if moved {
            self.remove(id);
        }
        match self.trees.get_mut(id) {
            Some(old) => {
                old.repo = repo;
                old.patterns = patterns;
                old.forget_rules();
            }
            None => {
                self.roots.insert(repo.root().to_owned(), id.clone());
                self.trees.insert(id.clone(), Watched::new(repo, patterns));
            }
        }
        let watched = self.watch_git(id).and_then(|()| self.watch_folders(id));
        if watched.is_err() {
            self.remove(id);
        }
        watched
    }

    pub(super) fn remove(&mut self, id: &TreeId) {
        let Some(tree) = self.trees.remove(id) else { return };
        self.roots.remove(tree.repo.root());
        for folder in &tree.folders {
            self.unwatch_folder(tree.repo.root(), folder);
        }
        let unused: Vec<PathBuf> = self
            .git
            .iter_mut()
            .filter_map(|(folder, users)| {
                users.retain(|(user, _)| user != id);
                users.is_empty().then(|| folder.clone())
            })
            .collect();
        for folder in unused {
            self.git.remove(&folder);
            self.unwatch(&folder);
        }
    }

    /// Makes the watched folders those that should be: after rules changed, and at the start.
    pub(super) fn watch_folders(&mut self, id: &TreeId) -> Result<(), WatchError> {
        let Some(tree) = self.trees.get_mut(id) else { return Ok(()) };
        tree.outer = rules::outer_status(&tree.repo);
        let before = std::mem::take(&mut tree.folders);
        let known = before.clone();
        let walked = self.watch_below(id, b"", &known).and_then(|_| self.watch_submodules(id));
        let Some(tree) = self.trees.get_mut(id) else { return Ok(()) };
        let root = tree.repo.root().to_owned();
        if walked.is_err() {
            // All that was watched must be known, to be given back.
            tree.folders.extend(before);
            return walked;
        }
        let gone: Vec<BString> = before.difference(&tree.folders).cloned().collect();
        for folder in gone {
            self.unwatch_folder(&root, &folder);
        }
        Ok(())
    }

    /// Watches `start` and what lies below it, as far as it should be; `known` are watched already. Says whether `start` is
    /// to be watched at all.
    pub(super) fn watch_below(
        &mut self,
        id: &TreeId,
        start: &[u8],
        known: &BTreeSet<BString>,
    ) -> Result<bool, WatchError> {
        let Some((root, mut rules)) = self.take_rules(id)? else { return Ok(false) };
        let mut wanted = false;
        let result = rules.walk(start, |folder| {
            wanted = true;
            let recursive = self.style == Style::Recursive;
            let is_watched = known.contains(folder) || self.watch_one(&root, folder)?;
            if let Some(tree) = self.trees.get_mut(id)
                && is_watched
            {
                tree.folders.insert(folder.into());
            }
            Ok(is_watched && !recursive)
        });
        self.put_rules(id, rules);
        result.map(|()| wanted)
    }

    fn watch_one(&mut self, root: &Path, folder: &[u8]) -> Result<bool, WatchError> {
        match self.style {
            Style::PerFolder => self.watch(&rules::absolute(root, folder), RecursiveMode::NonRecursive),
            Style::Recursive if folder.is_empty() => self.watch(root, RecursiveMode::Recursive),
            Style::Recursive => Ok(true),
        }
    }

    /// Forgets what was watched at `path` and below it: it was removed or moved away. Says whether that was a folder.
    pub(super) fn forget_below(&mut self, id: &TreeId, path: &[u8]) -> bool {
        let Some(tree) = self.trees.get_mut(id) else { return false };
        let start: BString = path.into();
        let below = [path, b"/"].concat();
        let gone: Vec<BString> = tree
            .folders
            .range(start..)
            // Names such as `a-b` and `a.c` lie between `a` and `a/…`.
            .take_while(|folder| folder.starts_with(path))
            .filter(|folder| folder.len() == path.len() || folder.starts_with(&below))
            .cloned()
            .collect();
        for folder in &gone {
            tree.folders.remove(folder);
        }
        let root = tree.repo.root().to_owned();
        for folder in &gone {
            self.unwatch_folder(&root, folder);
        }
        !gone.is_empty()
    }

    /// Looks for folders that hold tracked files and are not watched, since ignored; returns them.
    pub(super) fn watch_tracked(&mut self, id: &TreeId) -> Result<Vec<BString>, WatchError> {
        let Some((_, mut rules)) = self.take_rules(id)? else { return Ok(Vec::new()) };
        let folders = self.trees.get(id).map(|tree| tree.folders.clone()).unwrap_or_default();
        let missing: BTreeSet<BString> =
            rules.tracked_folders().filter(|folder| !folders.contains(*folder)).map(BString::from).collect();
        let missing: Vec<BString> = missing
            .into_iter()
            .filter(|folder| rules.path(folder).symlink_metadata().is_ok_and(|m| m.is_dir()))
            .collect();
        self.put_rules(id, rules);
        self.watch_submodules(id)?;
        let mut found = Vec::new();
        for folder in missing {
            // Its parents are watched with it, so that its removal is heard.
            let parents = folder.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &folder[..at]);
            for one in parents.chain([&folder[..]]) {
                let is_known = self.trees.get(id).is_none_or(|tree| tree.folders.contains(one));
                if !is_known && self.watch_below(id, one, &BTreeSet::new())? {
                    found.push(one.into());
                }
            }
        }
        Ok(found)
    }

    /// Ends the watching of a tree that cannot go on, and says so.
    pub(super) fn give_up(&mut self, id: &TreeId, error: &WatchError, batch: &mut Batch) {
        self.remove(id);
        let mut why = error.to_string();
        if let Some(cause) = std::error::Error::source(error) {
            why = format!("{why}: {cause}");
        }
        batch.ended(id, Event::Unwatchable(id.clone(), why));
    }

    /// Whether `path` is ignored and not tracked, so that nothing there concerns us.
    pub(super) fn is_ignored(&mut self, id: &TreeId, path: &[u8], folder: bool) -> bool {
        if self.trees.get(id).is_some_and(|tree| tree.ignored.contains(path)) {
            return true;
        }
        let Ok(Some((_, mut rules))) = self.take_rules(id) else { return false };
        let is_ignored = rules.ignores(path, folder) && !rules.tracks(path);
        self.put_rules(id, rules);
        if let Some(tree) = self.trees.get_mut(id)
            && is_ignored
        {
            if tree.ignored.len() >= IGNORED_MAX {
                tree.ignored.clear();
            }
            tree.ignored.insert(path.into());
        }
        is_ignored
    }

    /// The index of a tree changed: what is tracked may have.
    pub(super) fn index_changed(&mut self, id: &TreeId, now: Instant) {
        if let Some(tree) = self.trees.get_mut(id) {
            tree.forget_rules();
            let soon = now + RECHECK_AFTER;
            let due = tree.rechecked.map_or(soon, |last| soon.max(last + RECHECK_EVERY));
            tree.recheck.get_or_insert(due);
        }
    }

    /// Ends a batch: does what is due, and returns when to come again.
    pub(super) fn settle(&mut self, now: Instant, batch: &mut Batch) -> Option<Instant> {
        let due: Vec<TreeId> = self
            .trees
            .iter()
            .filter(|(_, t)| t.recheck.is_some_and(|at| at <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            if let Some(tree) = self.trees.get_mut(&id) {
                (tree.recheck, tree.rechecked) = (None, Some(now));
            }
            match self.watch_tracked(&id) {
                Ok(found) => found.into_iter().for_each(|folder| batch.path(&id, folder)),
                Err(error) => self.give_up(&id, &error, batch),
            }
        }
        for tree in self.trees.values_mut() {
            tree.rules = None;
        }
        self.trees.values().filter_map(|tree| tree.recheck).min()
    }

    /// Takes the rules out, so that the rest can be changed while they are asked.
    pub(super) fn take_rules(&mut self, id: &TreeId) -> Result<Option<(PathBuf, Rules)>, WatchError> {
        let Some(tree) = self.trees.get_mut(id) else { return Ok(None) };
        let rules = match tree.rules.take() {
            Some(rules) => rules,
            None => Rules::read(&tree.repo, &tree.patterns).map_err(WatchError::Failed)?,
        };
        Ok(Some((tree.repo.root().to_owned(), rules)))
    }

    pub(super) fn put_rules(&mut self, id: &TreeId, rules: Rules) {
        if let Some(tree) = self.trees.get_mut(id) {
            tree.rules = Some(rules);
        }
    }

    /// Watches one folder; `false` when it is not there any more or may not be read.
    pub(super) fn watch(&mut self, path: &Path, mode: RecursiveMode) -> Result<bool, WatchError> {
        use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
        if self.watches >= self.watches_max {
            return Err(WatchError::LimitReached { used: self.watches });
        }
        let error = match self.backend.watch(path, mode) {
            Ok(()) => {
                self.watches += 1;
                return Ok(true);
            }
            Err(error) => error,
        };
        match &error.kind {
            notify::ErrorKind::MaxFilesWatch => Err(WatchError::LimitReached { used: self.watches }),
            notify::ErrorKind::PathNotFound => Ok(false),
            notify::ErrorKind::Io(e) if matches!(e.kind(), NotFound | NotADirectory | PermissionDenied) => Ok(false),
            _ => Err(WatchError::Failed(error.into())),
        }
    }

    fn unwatch_folder(&mut self, root: &Path, folder: &[u8]) {
        let path = rules::absolute(root, folder);
        if self.style == Style::Recursive {
            if folder.is_empty() {
                self.unwatch(&path);
            }
            return;
        }
        // A tree that lies in another may share a folder with it.
        let is_shared = self.trees.values().any(|tree| {
            path.strip_prefix(tree.repo.root()).is_ok_and(|below| tree.folders.contains(&rules::relative(below)))
        });
        if is_shared {
            self.watches = self.watches.saturating_sub(1);
        } else {
            self.unwatch(&path);
        }
    }

    pub(super) fn unwatch(&mut self, path: &Path) {
        self.watches = self.watches.saturating_sub(1);
        // It fails for what is gone, whose watch went with it.
        let _ = self.backend.unwatch(path);
    }
}

impl Watched {
    fn new(repo: Repo, patterns: Vec<String>) -> Self {
        Self {
            repo,
            patterns,
            folders: BTreeSet::new(),
            ignored: HashSet::new(),
            rules: None,
            outer: Vec::new(),
            recheck: None,
            rechecked: None,
        }
    }

    pub(super) fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// What was known of ignoring and tracking is not true any more.
    pub(super) fn forget_rules(&mut self) {
        self.rules = None;
        self.ignored.clear();
    }
}

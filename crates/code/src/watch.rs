//! Noticing changes: one watcher for all working trees, ignored folders left alone.
//!
//! Events are hints; the truth is what a scan finds. Whatever the watcher cannot vouch for (overflow, a folder that
//! could not be watched, a change of ignore rules) becomes [`Hint::Rescan`].
//!
//! ```text
//! system ─▶ inbox (bounded) ─▶ own thread: gather 50 ms, route to trees, watch new folders ─▶ events
//! ```
//!
//! Linux wants one watch a folder, so folders are walked and ignored ones left out; other systems watch a root with all that
//! lies below it, and what is ignored is dropped when it is heard. A new folder is reported after it is watched,
//! so that whatever came into it before is found by looking at it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carry_kernel::id::TreeId;

use crate::git::BString;
use crate::repo::Repo;

mod batch;
mod filesystem;
mod inbox;
mod outside;
mod place;
mod route;
mod rules;
mod trees;

pub use filesystem::unreported_file_system;

use trees::Trees;

/// What to look at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// These paths (root-relative; files or folders) may have changed.
    Paths(BTreeSet<BString>),
    /// Only Git's own files changed (HEAD, index, state): no path is known to have.
    Git,
    /// Anything may have changed.
    Rescan,
}

/// What the watcher says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something changed in a tree.
    Changed(TreeId, Hint),
    /// The tree's root or git directory went away. It is not watched any more.
    Gone(TreeId),
    /// The tree can no longer be watched, and why: poll it.
    Unwatchable(TreeId, String),
    /// Every event before the call of [`Watcher::sync`] with this number has been delivered.
    Synced(u64),
}

/// Why a tree cannot be watched; it must be polled.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system's watches are used up.
    #[error("the system's limit of watched folders is reached ({used} used by Carry)")]
    LimitReached {
        /// Watches we hold.
        used: usize,
    },
    /// A file system that does not tell of changes made elsewhere.
    #[error("{kind} does not report changes")]
    NetworkFileSystem {
        /// Its kind, e.g. `nfs`.
        kind: String,
    },
    /// The watcher failed.
    #[error("the file system watcher failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How folders are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// One watch a folder.
    PerFolder,
    /// One watch a root, with all that lies below it.
    Recursive,
}

impl Style {
    const HERE: Self =
        if cfg!(any(target_os = "linux", target_os = "android")) { Self::PerFolder } else { Self::Recursive };
}

/// The one watcher. Dropping it ends its thread.
pub struct Watcher {
    events: Sender<Event>,
    cookies: PathBuf,
    trees: Arc<Mutex<Trees>>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Watcher {
    /// Starts it. `cookies` is a private folder for [`Watcher::sync`].
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn start(events: Sender<Event>, cookies: &Path) -> Result<Self, WatchError> {
        Self::start_with(events, cookies, Style::HERE, inbox::NOTES_MAX)
    }

    fn start_with(events: Sender<Event>, cookies: &Path, style: Style, notes_max: usize) -> Result<Self, WatchError> {
        let failed = |e: carry_kernel::disk::DiskError| WatchError::Failed(e.into());
        carry_kernel::disk::create_dir(cookies).map_err(failed)?;
        // Events name folders without links in their path.
        let cookies = cookies.canonicalize().map_err(|e| WatchError::Failed(e.into()))?;
        let (post, inbox) = inbox::open(&cookies, notes_max);
        let backend =
            notify::recommended_watcher(move |event| post.take(event)).map_err(|e| WatchError::Failed(e.into()))?;
        let mut trees = Trees::new(backend, style);
        trees.watch_cookies(&cookies)?;
        let trees = Arc::new(Mutex::new(trees));
        inbox.serve(Arc::downgrade(&trees), events.clone()).map_err(|e| WatchError::Failed(e.into()))?;
        Ok(Self { events, cookies, trees })
    }

    /// Watches a working tree: its folders except ignored ones (unless they hold tracked files) and nested repositories, and in its
    /// git directories HEAD, index, state files, excludes, attributes and configuration. `patterns` are further ignore patterns.
    /// The caller scans after this returns: what changed before is not reported. A tree that is watched already is
    /// walked again with the new patterns.
    ///
    /// # Errors
    /// [`WatchError`]; the tree is then not watched at all.
    pub fn add(&mut self, tree: &TreeId, repo: &Repo, patterns: &[String]) -> Result<(), WatchError> {
        if let Some(kind) = unreported_file_system(repo.root()) {
            self.remove(tree);
            return Err(WatchError::NetworkFileSystem { kind });
        }
        self.lock().add(tree, repo.clone(), patterns.to_vec())
    }

    /// Looks whether files outside a tree that its ignore rules depend on changed without an event: those of the system, or in
    /// folders that were made meanwhile. If so the tree is walked again, and told to be looked at. For the caller's looks at everything.
    pub fn check_rules(&mut self, tree: &TreeId) {
        let mut batch = batch::Batch::default();
        self.lock().check_rules(tree, &mut batch);
        for event in batch.into_events() {
            // A receiver that is gone needs no events.
            let _ = self.events.send(event);
        }
    }

    /// Stops watching a tree.
    pub fn remove(&mut self, tree: &TreeId) {
        self.lock().remove(tree);
    }

    /// Folders watched, in all.
    pub fn watches(&self) -> usize {
        self.lock().watches()
    }

    /// Asks for an [`Event::Synced`] with this number once everything that happened before this call has been delivered.
    pub fn sync(&mut self, number: u64) {
        self.lock().awaited.insert(number);
        let file = self.cookies.join(inbox::cookie_name(number));
        let made = std::fs::File::create(&file);
        // What is left behind by a crash is removed at the next start of the same number; its event is what counts.
        let _ = std::fs::remove_file(&file);
        if let Err(error) = made {
            // Without a cookie nothing can be vouched for, but the caller must not wait for ever.
            tracing::warn!(%error, "cannot write a cookie; all trees are looked at again");
            let mut trees = self.lock();
            let ids: Vec<TreeId> = trees.ids().cloned().collect();
            trees.awaited.remove(&number);
            for id in ids {
                // A receiver that is gone needs no events.
                let _ = self.events.send(Event::Changed(id, Hint::Rescan));
            }
            let _ = self.events.send(Event::Synced(number));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Trees> {
        lock(&self.trees)
    }
}

/// A thread that panicked left the trees as they were between two events; whatever it missed, the next scan finds.
fn lock(trees: &Mutex<Trees>) -> MutexGuard<'_, Trees> {
    trees.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

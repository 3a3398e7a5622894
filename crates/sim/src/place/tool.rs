//! The sync tool, and what else happens to files while no device looks.
//!
//! It copies between replicas with delay and in random order; a file may first arrive in part. Where two replicas hold
//! different files of one name, it keeps both, one under a name of its own. It never reads what it carries.

use std::collections::BTreeMap;
use std::sync::Arc;

use carry_exchange::name::FORMAT_PATH;

use super::{State, Stored};

/// A change on its way to a replica.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    due: i64,
    tree: usize,
    path: String,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// This content is there now.
    Content(Arc<[u8]>),
    /// This content was removed.
    Removal(Arc<[u8]>),
}

/// What can happen to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A copy of a file appears under a name of the tool's own.
    Copy,
    /// A file is gone from one replica; the tool brings it back some time.
    Lose,
    /// A file is gone from all replicas.
    Clean,
    /// The state of a tree is kept.
    Save,
    /// A tree goes back to the state that was kept.
    GoBack,
    /// The disk is taken away, and its empty mount point stays; or it is there again.
    Unmount,
    /// A file is cut short where it lies.
    Cut,
    /// One bit of a file flips where it lies.
    Flip,
}

impl State {
    /// Tells the other replicas of a change in `tree`; `None` for a removal of `before`.
    pub(super) fn carry_on(&mut self, tree: usize, path: &str, now: Option<Arc<[u8]>>) {
        self.carry(tree, path, now.map(What::Content));
    }

    /// Tells the other replicas that a file is gone.
    pub(super) fn carry_removal(&mut self, tree: usize, path: &str, was: Arc<[u8]>) {
        self.carry(tree, path, Some(What::Removal(was)));
    }

    fn carry(&mut self, from: usize, path: &str, what: Option<What>) {
        let Some(what) = what else { return };
        for tree in (0..self.trees.len()).filter(|tree| *tree != from) {
            let due = self.time.ms() + i64::try_from(self.rng.below_u64(self.delay_ms + 1)).unwrap_or(0);
            if let What::Content(bytes) = &what
                && self.delay_ms > 0
                && bytes.len() > 1
                && self.rng.chance(10)
            {
                // In part at first, and whole under the same name later.
                let cut = 1 + self.rng.below(bytes.len() - 1);
                let part = What::Content(bytes[..cut].into());
                self.on_the_way.push(Delivery {
                    due: due / 2 + self.time.ms() / 2,
                    tree,
                    path: path.to_owned(),
                    what: part,
                });
            }
            self.on_the_way.push(Delivery { due, tree, path: path.to_owned(), what: what.clone() });
        }
    }

    /// What is due arrives, where the disk is there.
    pub(super) fn deliver_due(&mut self) {
        let now = self.time.ms();
        self.deliver(|delivery| delivery.due <= now);
    }

    pub(super) fn deliver_all(&mut self) {
        self.deliver(|_| true);
    }

    fn deliver(&mut self, is_due: impl Fn(&Delivery) -> bool) {
        let unmounted: Vec<bool> = self.trees.iter().map(|tree| tree.is_unmounted).collect();
        let all = std::mem::take(&mut self.on_the_way);
        let (mut due, left): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|one| is_due(one) && !unmounted.get(one.tree).copied().unwrap_or(false));
        self.on_the_way = left;
        due.sort_by_key(|delivery| delivery.due);
        for Delivery { tree, path, what, .. } in due {
            self.arrive(tree, &path, what);
        }
    }

    fn arrive(&mut self, tree: usize, path: &str, what: What) {
        let there = self.trees[tree].files.get(path).map(|stored| stored.bytes.clone());
        match (what, there) {
            (What::Content(bytes), None) => self.write(tree, path, bytes),
            (What::Content(bytes), Some(there)) if bytes == there || there.starts_with(&bytes) => {}
            (What::Content(bytes), Some(there)) if bytes.starts_with(&there) => self.write(tree, path, bytes),
            (What::Content(bytes), Some(_)) => self.keep_copy(tree, path, bytes),
            (What::Removal(was), Some(there)) if was == there => drop(self.trees[tree].files.remove(path)),
            (What::Removal(_), _) => {}
        }
    }

    /// Keeps a second file of one name under a name of the tool's own.
    fn keep_copy(&mut self, tree: usize, path: &str, bytes: Arc<[u8]>) {
        if path == FORMAT_PATH {
            return;
        }
        let mark =
            bytes.iter().fold(bytes.len() as u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        let copy = match path.rsplit_once('.') {
            Some((stem, extension)) => format!("{stem}.sync-conflict-20261129-{mark:08X}.{extension}"),
            None => format!("{path}.sync-conflict-{mark:08X}"),
        };
        self.write(tree, &copy, bytes);
    }

    /// A new replica gets what the first one has.
    pub(super) fn fill(&mut self, tree: usize) {
        let Some(first) = self.trees.first().map(|first| first.files.clone()) else { return };
        for (path, stored) in first {
            let due = self.time.ms() + i64::try_from(self.rng.below_u64(self.delay_ms + 1)).unwrap_or(0);
            self.on_the_way.push(Delivery { due, tree, path, what: What::Content(stored.bytes) });
        }
    }

    /// Makes all replicas the same: each gets what any has, and where they differ, all versions.
    pub(super) fn reconcile(&mut self) {
        let mut all: BTreeMap<String, Vec<Arc<[u8]>>> = BTreeMap::new();
        for tree in &self.trees {
            for (path, stored) in &tree.files {
                let contents = all.entry(path.clone()).or_default();
                if !contents.contains(&stored.bytes) {
                    contents.push(stored.bytes.clone());
                }
            }
        }
        for (path, contents) in all {
            // The longest is the one that arrived whole.
            let Some(best) = contents.iter().max_by_key(|bytes| bytes.len()).cloned() else { continue };
            for tree in 0..self.trees.len() {
                if self.trees[tree].files.get(&path).is_none_or(|stored| stored.bytes != best) {
                    self.write(tree, &path, best.clone());
                }
                for other in contents.iter().filter(|bytes| **bytes != best && !best.starts_with(bytes)) {
                    self.keep_copy(tree, &path, other.clone());
                }
            }
        }
    }

    /// Lets something happen to a random file, or to a tree. Says what, in words, if anything could.
    pub fn meddle(&mut self, mischief: Mischief) -> Option<String> {
        let tree = self.rng.below(self.trees.len());
        let files = &self.trees.get(tree)?.files;
        let paths: Vec<String> = files.keys().filter(|path| *path != FORMAT_PATH).cloned().collect();
        let path = paths.get(self.rng.below(paths.len())).cloned();
        match mischief {
            Mischief::Save => {
                self.trees[tree].saved = Some(self.trees[tree].files.clone());
                return Some(format!("tree {tree} is saved"));
            }
            Mischief::GoBack => {
                self.trees[tree].files = self.trees[tree].saved.clone()?;
                return Some(format!("tree {tree} goes back to {} files", self.trees[tree].files.len()));
            }
            Mischief::Unmount => {
                let is_unmounted = &mut self.trees[tree].is_unmounted;
                *is_unmounted = !*is_unmounted;
                return Some(format!("tree {tree} is {}mounted", if *is_unmounted { "un" } else { "" }));
            }
            Mischief::Copy | Mischief::Lose | Mischief::Clean | Mischief::Cut | Mischief::Flip => {}
        }
        let path = path?;
        let bytes = self.trees[tree].files.get(&path)?.bytes.clone();
        match mischief {
            Mischief::Copy => {
                let cut = if self.rng.chance(30) { self.rng.below(bytes.len()) } else { bytes.len() };
                self.keep_copy(tree, &path, bytes[..cut].into());
            }
            Mischief::Lose => {
                self.trees[tree].files.remove(&path);
                let due = self.time.ms() + i64::try_from(self.rng.below_u64(self.delay_ms * 4 + 1)).unwrap_or(0);
                self.on_the_way.push(Delivery { due, tree, path: path.clone(), what: What::Content(bytes) });
            }
            Mischief::Clean => self.trees.iter_mut().for_each(|tree| drop(tree.files.remove(&path))),
            Mischief::Cut => {
                let cut = self.rng.below(bytes.len());
                self.write(tree, &path, bytes[..cut].into());
            }
            Mischief::Flip => {
                let mut bytes = bytes.to_vec();
                let at = self.rng.below(bytes.len());
                *bytes.get_mut(at)? ^= 1 << self.rng.below(8);
                self.write(tree, &path, bytes.into());
            }
            Mischief::Save | Mischief::GoBack | Mischief::Unmount => {}
        }
        Some(format!("{mischief:?} {path} in tree {tree}"))
    }
}

impl Stored {
    /// Whether it can be seen at this time.
    pub(super) fn is_seen(&self, now: i64) -> bool {
        self.seen_at <= now
    }
}

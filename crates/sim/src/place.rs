//! Places in memory that fail as places do: a folder of which each device sees a replica of its own, or a bucket that all see.
//!
//! A [`View`] is what one device sees; it is a [`Remote`](carry_exchange::remote::Remote). What the sync tool does to the
//! replicas is in `tool`. Everything that is put or removed is noted in [`Books`], so that it can be judged later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carry_exchange::name::{FORMAT_BYTES, FORMAT_PATH};

use crate::rng::Rng;
use crate::time::Time;

mod tool;
mod view;

pub use tool::Mischief;
pub use view::View;

/// How a place works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each device has a replica, and a sync tool copies between them.
    Folder,
    /// All see the same, sometimes late.
    Bucket,
}

/// How often calls fail, in percent of those to which it can happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The call fails and nothing was done.
    pub before: u8,
    /// The call fails and was done.
    pub after: u8,
    /// A get breaks off.
    pub broken_get: u8,
    /// A get takes the beginning of a file for all of it.
    pub short_get: u8,
    /// A put fails and leaves the beginning under the final name.
    pub torn_put: u8,
    /// What was put is seen by others only later.
    pub late: u8,
    /// A listing shows what an earlier one did.
    pub stale: u8,
}

/// One file at a place.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// The number of the write that made it.
    pub version: u64,
    /// It is not seen before this time.
    pub seen_at: i64,
}

/// One replica, or the bucket.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The files by path.
    pub files: BTreeMap<String, Stored>,
    /// Whether the disk is not there, and its empty mount point is.
    pub is_unmounted: bool,
    /// An earlier state, to go back to.
    saved: Option<BTreeMap<String, Stored>>,
    /// The state when the disk that it is on was kept.
    kept: Option<BTreeMap<String, Stored>>,
}

/// A file that a device removed.
#[derive(Clone, Debug)]
pub struct Removed {
    /// The device.
    pub device: usize,
    /// Which tree it was in.
    pub tree: usize,
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Who did what, and how often.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// The devices that put a file of this path, or may have.
    pub putters: BTreeMap<String, BTreeSet<usize>>,
    /// Rounds of each device.
    pub n_rounds: BTreeMap<usize, u64>,
    /// The round of a device after which a file of one of its logs first was named by no newest head.
    pub unnamed_since: BTreeMap<(usize, String), u64>,
    /// What devices removed since somebody looked.
    pub removed: Vec<Removed>,
    /// Writes of devices: puts that had an effect, and removals.
    pub n_writes: u64,
    /// Listings that devices asked for.
    pub n_lists: u64,
    /// Files that devices read.
    pub n_gets: u64,
    /// Attempts to put what had its name already.
    pub n_puts: u64,
    /// Puts of a path that had been put before and was gone.
    pub n_again: u64,
    /// Puts beside a file that has the object's own name.
    pub n_replicas: u64,
    /// The most bytes that one call handed over.
    pub bytes_max: u64,
    /// Calls that no place should ever see.
    pub wrong: Vec<String>,
}

/// A place. Clones are the same place.
#[derive(Clone, Debug)]
pub struct Place {
    name: Arc<str>,
    kind: Kind,
    state: Arc<Mutex<State>>,
}

/// All that a place is.
#[derive(Debug)]
pub struct State {
    /// One tree for a bucket; one for each device that has the folder.
    pub trees: Vec<Tree>,
    /// What fails.
    pub faults: Faults,
    /// What was done.
    pub books: Books,
    rng: Rng,
    time: Time,
    writes: u64,
    on_the_way: Vec<tool::Delivery>,
    /// How long the sync tool takes at most, in milliseconds.
    delay_ms: u64,
    listed: BTreeMap<(usize, String), Vec<carry_exchange::remote::Listing>>,
}

impl Place {
    /// A place without files, nor replicas.
    pub fn new(name: &str, kind: Kind, time: Time, rng: Rng) -> Self {
        let state = State {
            trees: Vec::new(),
            faults: Faults::default(),
            books: Books::default(),
            rng,
            time,
            writes: 0,
            on_the_way: Vec::new(),
            delay_ms: 0,
            listed: BTreeMap::new(),
        };
        Self { name: name.into(), kind, state: Arc::new(Mutex::new(state)) }
    }

    /// How it works.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives a device access; a folder gets one more replica, which the sync tool fills. Says which tree it sees.
    pub fn join(&self) -> usize {
        let mut state = self.state();
        if self.kind == Kind::Bucket && !state.trees.is_empty() {
            return 0;
        }
        let tree = state.trees.len();
        state.trees.push(Tree::default());
        state.write(tree, FORMAT_PATH, FORMAT_BYTES.into());
        state.fill(tree);
        tree
    }

    /// What a device sees of it.
    pub fn view(&self, tree: usize, device: usize) -> View {
        View::new(self.clone(), tree, device)
    }

    /// Lets the sync tool work as far as it comes until now.
    pub fn sync(&self) {
        self.state().deliver_due();
    }

    /// Changes what fails and how long the sync tool takes at most.
    pub fn set(&self, faults: Faults, delay_ms: u64) {
        let mut state = self.state();
        state.faults = faults;
        state.delay_ms = delay_ms;
    }

    /// Nothing fails any more: disks are there, everything on the way arrives, replicas become the same.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults = Faults::default();
        state.delay_ms = 0;
        state.listed.clear();
        for tree in &mut state.trees {
            tree.is_unmounted = false;
            tree.files.values_mut().for_each(|stored| stored.seen_at = 0);
        }
        for tree in 0..state.trees.len() {
            if !state.trees[tree].files.contains_key(FORMAT_PATH) {
                state.write(tree, FORMAT_PATH, FORMAT_BYTES.into());
            }
        }
        state.deliver_all();
        state.reconcile();
    }

    /// The state, to look at or to meddle with.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes a file into a tree, whatever was there.
    pub fn write(&mut self, tree: usize, path: &str, bytes: Arc<[u8]>) {
        self.writes += 1;
        let stored = Stored { bytes, version: self.writes, seen_at: 0 };
        if let Some(tree) = self.trees.get_mut(tree) {
            tree.files.insert(path.to_owned(), stored);
        }
    }

    /// Writes a file as somebody who is no device of ours does; the sync tool carries it on.
    pub fn plant(&mut self, tree: usize, path: &str, bytes: Arc<[u8]>) {
        self.write(tree, path, bytes.clone());
        self.carry_on(tree, path, Some(bytes));
    }

    /// Keeps the state of a tree, with the disk that it is on.
    pub fn keep(&mut self, tree: usize) {
        if let Some(tree) = self.trees.get_mut(tree) {
            tree.kept = Some(tree.files.clone());
        }
    }

    /// Puts a tree back to what was kept with its disk.
    pub fn go_back(&mut self, tree: usize) {
        if let Some(tree) = self.trees.get_mut(tree)
            && let Some(kept) = &tree.kept
        {
            tree.files.clone_from(kept);
        }
    }

    /// All contents that lie under a path in any tree.
    pub fn contents(&self, path: &str) -> Vec<Arc<[u8]>> {
        self.trees.iter().filter_map(|tree| tree.files.get(path)).map(|stored| stored.bytes.clone()).collect()
    }
}

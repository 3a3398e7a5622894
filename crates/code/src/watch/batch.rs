//! What a moment's events come to, tree by tree, before it is sent. Pure.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::id::TreeId;

use super::{Event, Hint};
use crate::git::BString;

/// Most paths named for one tree at a time; more are a rescan, which then costs less than to carry them about.
pub(super) const PATHS_MAX: usize = 4096;

/// Collects events until they are sent together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    changed: BTreeMap<TreeId, Changed>,
    /// Trees that ended, in order. Nothing is said of them afterwards.
    ended: Vec<Event>,
    synced: Vec<u64>,
}

#[derive(Debug, Default)]
struct Changed {
    paths: BTreeSet<BString>,
    git: bool,
    everything: bool,
}

impl Batch {
    /// A path of a tree may have changed.
    pub(super) fn path(&mut self, tree: &TreeId, path: BString) {
        let changed = self.of(tree);
        if !changed.everything {
            changed.paths.insert(path);
            if changed.paths.len() > PATHS_MAX {
                changed.everything = true;
                changed.paths = BTreeSet::new();
            }
        }
    }

    /// Git's own files changed.
    pub(super) fn git(&mut self, tree: &TreeId) {
        self.of(tree).git = true;
    }

    /// Anything may have changed.
    pub(super) fn everything(&mut self, tree: &TreeId) {
        let changed = self.of(tree);
        changed.everything = true;
        changed.paths = BTreeSet::new();
    }

    /// The tree is not watched any more.
    pub(super) fn ended(&mut self, tree: &TreeId, event: Event) {
        self.changed.remove(tree);
        self.ended.push(event);
    }

    /// A cookie was heard of: everything before it is in this batch or was sent.
    pub(super) fn synced(&mut self, number: u64) {
        self.synced.push(number);
    }

    /// What is to be sent, in order: changes, ends, and only then what was asked to follow them.
    pub(super) fn into_events(self) -> impl Iterator<Item = Event> {
        let changed = self.changed.into_iter().flat_map(|(tree, changed)| {
            let hint = if changed.everything {
                Some(Hint::Rescan)
            } else if changed.paths.is_empty() {
                None
            } else {
                Some(Hint::Paths(changed.paths))
            };
            let git = changed.git.then_some(Hint::Git);
            hint.into_iter().chain(git).map(move |hint| Event::Changed(tree.clone(), hint)).collect::<Vec<_>>()
        });
        changed.chain(self.ended).chain(self.synced.into_iter().map(Event::Synced))
    }

    fn of(&mut self, tree: &TreeId) -> &mut Changed {
        if !self.changed.contains_key(tree) {
            self.changed.insert(tree.clone(), Changed::default());
        }
        self.changed.get_mut(tree).expect("it was put there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(n: u8) -> TreeId {
        format!("{n:012x}").parse().unwrap()
    }

    fn sent(fill: impl FnOnce(&mut Batch)) -> Vec<Event> {
        let mut batch = Batch::default();
        fill(&mut batch);
        batch.into_events().collect()
    }

    #[test]
    fn ten_thousand_events_are_one_message() {
        let events = sent(|batch| (0..10_000).for_each(|n| batch.path(&tree(1), format!("file{}", n % 100).into())));
        let [Event::Changed(_, Hint::Paths(paths))] = &events[..] else { panic!("{events:?}") };
        assert_eq!(paths.len(), 100);
    }

    #[test]
    fn more_paths_than_the_bound_are_a_rescan() {
        let events = sent(|batch| (0..=PATHS_MAX).for_each(|n| batch.path(&tree(1), format!("{n}").into())));
        assert_eq!(events, [Event::Changed(tree(1), Hint::Rescan)]);
    }

    #[test]
    fn synced_comes_last_and_trees_are_kept_apart() {
        let events = sent(|batch| {
            batch.synced(7);
            batch.git(&tree(1));
            batch.path(&tree(1), "a".into());
            batch.everything(&tree(2));
            batch.path(&tree(2), "b".into());
        });
        let paths = Hint::Paths(["a".into()].into());
        let expected = [
            Event::Changed(tree(1), paths),
            Event::Changed(tree(1), Hint::Git),
            Event::Changed(tree(2), Hint::Rescan),
            Event::Synced(7),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn a_tree_that_ended_has_no_changes() {
        let events = sent(|batch| {
            batch.path(&tree(1), "a".into());
            batch.ended(&tree(1), Event::Gone(tree(1)));
        });
        assert_eq!(events, [Event::Gone(tree(1))]);
    }
}

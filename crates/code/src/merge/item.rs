//! One file through a merge: what the base has, where it is on each side, and what becomes of it.

use std::collections::BTreeSet;

use super::content::{Content, Texts};
use super::sides::Side;
use super::{Conflict, Entry};
use crate::git::BString;
use crate::history::HistoryError;
use crate::tree::Edit;

/// One file, whatever it is called where.
#[derive(Debug)]
pub(super) struct Item {
    /// In the base; `None` for one that was added.
    pub(super) base: Option<(BString, Entry)>,
    /// Ours and theirs; `None` where it is not there.
    pub(super) at: [Option<(BString, Entry)>; 2],
}

/// What becomes of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It goes.
    Gone,
    /// It lies here.
    Merged(BString, Entry),
    /// It needs somebody to decide: one conflict, or two where both sides renamed it.
    Conflicts(Vec<Conflict>),
}

/// All files that either side changed.
pub(super) fn items(sides: &[Side; 2]) -> Vec<Item> {
    let paths: BTreeSet<&BString> = sides.iter().flat_map(|side| side.changes.keys()).collect();
    let mut items = Vec::new();
    for path in paths {
        let before = sides.iter().find_map(|side| side.changes.get(path)).and_then(|change| change.0);
        match before {
            Some(entry) => {
                let at = [0, 1].map(|n| sides[n].find(path, entry));
                items.push(Item { base: Some((path.clone(), entry)), at });
            }
            None => {
                let at = [0, 1].map(|n| sides[n].added(path).map(|entry| (path.clone(), entry)));
                if at.iter().any(Option::is_some) {
                    items.push(Item { base: None, at });
                }
            }
        }
    }
    items
}

impl Item {
    /// The paths it has anywhere.
    pub(super) fn paths(&self) -> impl Iterator<Item = &BString> {
        self.base.iter().chain(self.at.iter().flatten()).map(|(path, _)| path)
    }

    /// Merges it.
    pub(super) fn merge(&self, texts: &mut Texts<'_>) -> Result<Outcome, HistoryError> {
        let base = self.base.as_ref().map(|(_, entry)| *entry);
        let conflict = |path: &BString, [ours, theirs]: [Option<Entry>; 2], marked| Conflict {
            path: path.clone(),
            base,
            ours,
            theirs,
            marked,
        };
        Ok(match &self.at {
            [None, None] => Outcome::Gone,
            [Some(one), None] | [None, Some(one)] => match &self.base {
                None => Outcome::Merged(one.0.clone(), one.1),
                Some(base) if base == one => Outcome::Gone,
                Some(_) => {
                    let entries = [0, 1].map(|n| self.at[n].as_ref().map(|(_, entry)| *entry));
                    Outcome::Conflicts(vec![conflict(&one.0, entries, None)])
                }
            },
            [Some((our_path, ours)), Some((their_path, theirs))] => {
                let from = self.base.as_ref().map(|(path, _)| path);
                let path = if our_path == their_path || from == Some(their_path) {
                    our_path
                } else if from == Some(our_path) {
                    their_path
                } else {
                    return Ok(Outcome::Conflicts(vec![
                        conflict(our_path, [Some(*ours), None], None),
                        conflict(their_path, [None, Some(*theirs)], None),
                    ]));
                };
                match texts.merge(path, base, *ours, *theirs)? {
                    Content::Merged(entry) => Outcome::Merged(path.clone(), entry),
                    Content::Conflict(marked) => {
                        Outcome::Conflicts(vec![conflict(path, [Some(*ours), Some(*theirs)], marked)])
                    }
                }
            }
        })
    }

    /// What is to be done to our tree for it. In a conflict the file is as we have it, at the conflict's path.
    pub(super) fn edits(&self, outcome: &Outcome) -> Vec<Edit> {
        let wanted = match outcome {
            Outcome::Gone => None,
            Outcome::Merged(path, entry) => Some((path.clone(), *entry)),
            Outcome::Conflicts(conflicts) => {
                conflicts.iter().find_map(|conflict| Some((conflict.path.clone(), conflict.ours?)))
            }
        };
        let ours = self.at[0].as_ref();
        if ours == wanted.as_ref() {
            return Vec::new();
        }
        let leaves = ours.filter(|(path, _)| wanted.as_ref().is_none_or(|(to, _)| to != path));
        let leaves = leaves.map(|(path, _)| (path.clone(), None));
        leaves.into_iter().chain(wanted.map(|(path, entry)| (path, Some(entry)))).collect()
    }
}

impl Outcome {
    /// The paths at which it wants to lie, whatever is decided.
    pub(super) fn places(&self) -> Vec<&BString> {
        match self {
            Self::Gone => Vec::new(),
            Self::Merged(path, _) => vec![path],
            Self::Conflicts(conflicts) => conflicts.iter().map(|conflict| &conflict.path).collect(),
        }
    }
}

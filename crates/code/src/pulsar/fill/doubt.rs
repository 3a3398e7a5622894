//! Telling what was lost from what was changed, by what earlier shadow commits had.

use std::collections::{BTreeMap, HashSet};

use super::shadow;
use crate::diff::mode;
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, entries};

/// How many earlier shadow commits are asked.
const SHADOWS_MAX: usize = 20_000;
/// How many folders of theirs are read.
const FOLDERS_MAX: usize = 500_000;

/// A path that differs from HEAD's, perhaps without anybody's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) path: BString,
    /// What shows that it was somebody's doing.
    pub(super) sign: Sign,
    /// What it is otherwise: mode and id.
    pub(super) instead: (u32, ObjectId),
}

/// What an earlier shadow commit must have had at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing would show it.
    Never,
    /// A file or link, whichever.
    Any,
    /// This mode.
    Mode(u32),
    /// This content.
    Content(ObjectId),
}

/// Which of the doubts are changes, by what the chain from `tip` on had. Where there is no end to it, what was not found
/// is taken for lost: what is filled in can be deleted again.
pub(super) fn meant(gix: &gix::Repository, tip: Option<ObjectId>, doubts: &[Doubt]) -> Result<Vec<bool>, HistoryError> {
    let mut search = Search::new(doubts);
    for shadow in shadow::walk(gix, tip).take(SHADOWS_MAX) {
        if search.is_over() {
            break;
        }
        search.look(gix, shadow?.tree)?;
    }
    Ok(search.meant)
}

struct Search<'d> {
    doubts: &'d [Doubt],
    meant: Vec<bool>,
    open: usize,
    nodes: Vec<Node>,
    /// Folders that were read, each for the node it was found at: the next shadow commit has most of them again.
    read: HashSet<(usize, ObjectId)>,
}

/// A name on the way to paths in doubt.
#[derive(Default)]
struct Node {
    below: BTreeMap<BString, usize>,
    doubt: Option<usize>,
}

impl<'d> Search<'d> {
    fn new(doubts: &'d [Doubt]) -> Self {
        let mut nodes = vec![Node::default()];
        let mut open = 0;
        for (at, doubt) in doubts.iter().enumerate().filter(|(_, doubt)| doubt.sign != Sign::Never) {
            let mut here = 0;
            for name in doubt.path.split_str("/") {
                here = match nodes[here].below.get(name.as_bstr()) {
                    Some(next) => *next,
                    None => {
                        nodes.push(Node::default());
                        let next = nodes.len() - 1;
                        nodes[here].below.insert(name.into(), next);
                        next
                    }
                };
            }
            nodes[here].doubt = Some(at);
            open += 1;
        }
        Self { doubts, meant: vec![false; doubts.len()], open, nodes, read: HashSet::new() }
    }

    fn is_over(&self) -> bool {
        self.open == 0 || self.read.len() >= FOLDERS_MAX
    }

    fn look(&mut self, gix: &gix::Repository, root: ObjectId) -> Result<(), HistoryError> {
        let mut folders = vec![(0, root)];
        while let Some((node, tree)) = folders.pop() {
            if self.is_over() {
                break;
            }
            if !self.read.insert((node, tree)) {
                continue;
            }
            for entry in entries(gix, tree)? {
                let Some(&next) = self.nodes[node].below.get(&entry.name) else { continue };
                if entry.mode == mode::FOLDER {
                    folders.push((next, entry.id));
                } else if let Some(at) = self.nodes[next].doubt {
                    self.settle(at, entry.mode, entry.id);
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, at: usize, entry_mode: u32, id: ObjectId) {
        let shown = match self.doubts[at].sign {
            Sign::Never => false,
            Sign::Any => true,
            Sign::Mode(had) => had == entry_mode,
            Sign::Content(had) => had == id,
        };
        if shown && !self.meant[at] {
            self.meant[at] = true;
            self.open -= 1;
        }
    }
}

//! What becomes of each ref that came, decided before anything is moved.

use super::Report;
use super::known::Want;
use crate::git::ObjectId;
use crate::history::{self, HistoryError};
use crate::line::{Branch, LineName};
use crate::seal::Seal;
use crate::seen::Source;
use crate::snapshot::Snapshot;

/// A ref here that is to move.
#[derive(Debug)]
pub(crate) struct Move {
    /// The ref there, for people.
    pub(crate) shown: String,
    /// The ref here.
    pub(crate) name: String,
    /// Its value now.
    pub(crate) old: Option<ObjectId>,
    /// Its new value.
    pub(crate) new: ObjectId,
    /// Objects that must be there once it has moved.
    pub(crate) needed: Vec<ObjectId>,
    /// Whether it is news of others.
    pub(crate) is_news: bool,
}

/// A device or stream that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    /// Its id.
    pub(super) id: String,
    /// Its key.
    pub(super) key: Option<[u8; 32]>,
    /// Its label.
    pub(super) label: String,
}

/// How one of our lines stands there.
#[derive(Clone, Debug)]
pub(super) struct OwnState {
    /// The line.
    pub(super) name: LineName,
    /// Its branch; unknown when what lies there is no seal and nothing is here.
    pub(super) branch: Option<Branch>,
    /// The value there.
    pub(super) value: ObjectId,
    /// The seal's bytes and its count, if it is one of ours.
    pub(super) seal: Option<(Vec<u8>, u64)>,
    /// The newest snapshot there, if it is one of ours.
    pub(super) snapshot: Option<ObjectId>,
    /// Whether that is our newest, too.
    pub(super) is_newest: bool,
    /// Whether it was rolled back there.
    pub(super) is_lost: bool,
}

/// Another machine wrote as us.
#[derive(Clone, Debug)]
pub(super) struct Fork {
    /// The line.
    pub(super) name: LineName,
    /// The own count of the newest snapshot that both have; 0 if there is none.
    pub(super) shared: u64,
}

/// What becomes of a ref that came.
pub(super) enum Verdict {
    /// It moves here; the device, unless it is ours.
    Take(Move, Option<Met>),
    /// It is one of ours and stays where it is here.
    Own(OwnState),
    /// It is one of ours, and ours moves forward to it.
    Forward(Move, OwnState),
    /// It is one of ours, and somebody else wrote it.
    Fork(Fork, Move, Met),
    /// It is refused.
    Refuse(String),
    /// It is one of ours and what lies there is none; it is written over.
    Foreign(OwnState, String),
    /// It is of no interest.
    Ignore,
}

/// All verdicts.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) moves: Vec<Move>,
    pub(super) met: Vec<Met>,
    pub(super) own: Vec<OwnState>,
    pub(super) forks: Vec<Fork>,
}

impl Judged {
    pub(super) fn add(&mut self, want: &Want, verdict: Verdict, report: &mut Report) {
        match verdict {
            Verdict::Take(step, met) => {
                self.moves.push(step);
                self.met.extend(met);
            }
            Verdict::Own(state) => self.own.push(state),
            Verdict::Forward(step, state) => {
                self.moves.push(step);
                self.own.push(state);
            }
            Verdict::Fork(fork, step, met) => {
                self.forks.push(fork);
                self.moves.push(step);
                self.met.push(met);
            }
            Verdict::Refuse(why) => report.refused.push((want.ref_name(), why)),
            Verdict::Foreign(state, why) => {
                report.refused.push((want.ref_name(), why));
                self.own.push(state);
            }
            Verdict::Ignore => {}
        }
    }
}

/// A line as it came, whole and verified.
pub(crate) struct Sealed {
    pub(crate) seal: Seal,
    pub(super) raw: Vec<u8>,
    pub(crate) tip: Snapshot,
}

/// Reads the line `name` whose value is `value`; or says what is wrong with it.
pub(super) fn line(gix: &gix::Repository, name: &LineName, value: ObjectId) -> Result<Sealed, String> {
    let (seal, raw) =
        super::known::read_seal(gix, value).map_err(|problem| format!("it is no valid seal: {problem}"))?;
    if seal.line != *name {
        return Err(format!("its seal is for {}", seal.line.ref_name()));
    }
    let (tip, _) = history::keeper(gix, seal.keeper).map_err(|e| format!("its newest snapshot cannot be read: {e}"))?;
    if tip.meta.device != name.device || tip.meta.tree_id != name.tree {
        return Err("its newest snapshot is another line's".to_owned());
    }
    if tip.meta.branch != seal.branch || tip.meta.branch.component() != name.component {
        return Err("its newest snapshot is of another branch".to_owned());
    }
    if own_count(name, &tip) == 0 {
        return Err("its newest snapshot does not count itself (Carry-Seen), and so is newer than nothing".to_owned());
    }
    // What somebody sees who looks at the ref with Git alone.
    if commit_tree(gix, value)? != tip.tree {
        return Err("its seal shows another tree than its newest snapshot".to_owned());
    }
    Ok(Sealed { seal, raw, tip })
}

/// The tree of a commit, which must be there.
pub(super) fn commit_tree(gix: &gix::Repository, commit: ObjectId) -> Result<ObjectId, String> {
    let object = history::find_commit(gix, commit).map_err(|e| e.to_string())?;
    let tree = object.into_commit().tree_id().map_err(|e| e.to_string())?.detach();
    if !tree.is_empty_tree() {
        // A tree may be of any size, and nothing in it is looked at yet.
        let kind = gix.find_header(tree).map_err(|e| e.to_string())?.kind();
        if kind != gix::objs::Kind::Tree {
            return Err(format!("its tree is a {kind}"));
        }
    }
    Ok(tree)
}

/// How many snapshots of the line a snapshot is the newest of.
pub(crate) fn own_count(name: &LineName, snapshot: &Snapshot) -> u64 {
    if snapshot.meta.device != name.device {
        return 0;
    }
    snapshot.meta.seen.get(&Source::line(&name.device, &name.tree))
}

/// The snapshots of a chain of keepers with their own counts, newest first, down to the count `least`.
pub(super) fn chain(
    gix: &gix::Repository,
    name: &LineName,
    keeper: Option<ObjectId>,
    least: u64,
) -> Result<Vec<(ObjectId, u64)>, HistoryError> {
    let mut found = Vec::new();
    let mut next = keeper;
    while let Some(id) = next {
        let (snapshot, before) = history::keeper(gix, id)?;
        let count = own_count(name, &snapshot);
        found.push((snapshot.commit, count));
        next = before.filter(|_| count > least);
    }
    Ok(found)
}

//! From the tree that is wanted, the snapshot just taken and the disk to steps. Reads only.

use std::collections::{BTreeMap, HashMap};

use super::look::{Entry, Look, Reach, Thing, leaves};
use super::{Action, Plan, RestoreError, Step, is_skipped, paths};
use crate::diff::{self, mode};
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::history;
use crate::repo::Repo;
use crate::shadow_index::Stat;
use crate::snapshot::Snapshot;

/// What becomes of files that the tree does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// Those in asked-for folders that the tree has go.
    pub(super) in_folders: bool,
    /// Asked-for paths that the tree lacks go.
    pub(super) asked_for: bool,
}

pub(super) fn plan(
    repo: &Repo,
    gix: &gix::Repository,
    tree: ObjectId,
    current: &Snapshot,
    asked: &[BString],
    missing: Missing,
) -> Result<Plan, RestoreError> {
    let mut planner = Planner {
        look: Look::new(repo, gix)?,
        gix,
        current,
        old: HashMap::new(),
        steps: BTreeMap::new(),
        plan: Plan::default(),
    };
    for path in paths::outermost(asked) {
        planner.asked_for(path.as_bstr(), tree, missing)?;
    }
    let Planner { steps, mut plan, .. } = planner;
    plan.steps = steps.into_values().collect();
    plan.submodules.sort();
    plan.submodules.dedup();
    Ok(plan)
}

struct Planner<'r> {
    look: Look<'r>,
    gix: &'r gix::Repository,
    current: &'r Snapshot,
    /// Where the two snapshots differ, what the current one has.
    old: HashMap<BString, Option<Entry>>,
    steps: BTreeMap<BString, Step>,
    plan: Plan,
}

impl Planner<'_> {
    fn asked_for(&mut self, path: &BStr, tree: ObjectId, missing: Missing) -> Result<(), RestoreError> {
        let found = history::entry_at(self.gix, tree, path)?;
        if found.is_none() && !missing.asked_for {
            self.plan.not_found.push(path.to_owned());
            return Ok(());
        }
        let deltas = diff::trees(self.gix, Some(self.current.tree), Some(tree), path)?;
        let gone: Vec<(BString, Entry)> =
            deltas.iter().filter(|d| d.new.is_none()).filter_map(|d| Some((d.path.clone(), d.old?))).collect();
        self.old.extend(deltas.into_iter().map(|d| (d.path, d.old)));
        for (leaf, entry) in leaves(self.gix, tree, path)? {
            let by_name = leaf == path;
            self.want(leaf, entry, by_name)?;
        }
        let delete = if found.is_some() { missing.in_folders } else { missing.asked_for };
        for (leaf, entry) in gone.into_iter().filter(|_| delete) {
            self.unwant(leaf, entry, missing.asked_for);
        }
        Ok(())
    }

    /// `path` is to hold `entry`.
    fn want(&mut self, path: BString, entry: Entry, by_name: bool) -> Result<(), RestoreError> {
        let held = self.old.get(&path).copied().unwrap_or(Some(entry));
        if entry.0 == mode::SUBMODULE {
            if held != Some(entry) {
                self.plan.submodules.push(path);
            }
            return Ok(());
        }
        if paths::parts(path.as_bstr()).is_err() {
            // Nothing is looked at there; writing refuses it and says why.
            self.step(path, Action::Create, Some(entry), None);
            return Ok(());
        }
        let missing = match self.look.reach(path.as_bstr()) {
            Reach::Missing => true,
            Reach::Folder => false,
            Reach::Obstacle { at, link } => {
                self.clear(at, link)?;
                self.step(path, Action::Create, Some(entry), None);
                return Ok(());
            }
            Reach::Closed => {
                self.step(path, Action::Create, Some(entry), None);
                return Ok(());
            }
        };
        match if missing { Thing::Nothing } else { self.look.thing(path.as_bstr()) } {
            Thing::Nothing => {
                let stays_out = !by_name && held == Some(entry) && self.look.left_out(path.as_bstr());
                if !stays_out {
                    self.step(path, Action::Create, Some(entry), None);
                }
            }
            Thing::Folder(found) => self.replace_folder(path, entry, found)?,
            Thing::Special(found) => self.step(path, Action::KeepAside, Some(entry), Some(found)),
            Thing::Unknown => self.step(path, Action::KeepAside, Some(entry), None),
            Thing::File(found) => {
                // The capture was taken just now: where it holds all there is, what it has need not be read again.
                if held == Some(entry) && !is_skipped(self.current, path.as_bstr()) {
                    return Ok(());
                }
                let content = self.look.content(path.as_bstr(), held.or(Some(entry)).map(|e| e.0));
                if content == Some(entry) {
                    return Ok(());
                }
                let action = if content.is_some() && content == held { Action::Replace } else { Action::KeepAside };
                self.step(path, action, Some(entry), Some(found));
            }
        }
        Ok(())
    }

    /// A file or link is to stand where a folder is.
    fn replace_folder(&mut self, path: BString, entry: Entry, found: Stat) -> Result<(), RestoreError> {
        let held: HashMap<BString, Entry> = leaves(self.gix, self.current.tree, path.as_bstr())?.into_iter().collect();
        match self.look.held_below(path.as_bstr(), &held) {
            Some(files) => {
                for (file, found) in files {
                    self.step(file, Action::Delete, None, Some(found));
                }
                self.step(path, Action::Create, Some(entry), None);
            }
            None => self.step(path, Action::KeepAside, Some(entry), Some(found)),
        }
        Ok(())
    }

    /// Something stands at `at` where a folder is to be. A link that the capture does not hold stays, and with it
    /// everything below fails: where it leads is not ours to change.
    fn clear(&mut self, at: BString, link: bool) -> Result<(), RestoreError> {
        let held = history::entry_at(self.gix, self.current.tree, at.as_bstr())?;
        let found = match self.look.thing(at.as_bstr()) {
            Thing::File(found) | Thing::Special(found) => found,
            Thing::Nothing | Thing::Folder(_) | Thing::Unknown => return Ok(()),
        };
        if held.is_some() && self.look.content(at.as_bstr(), held.map(|e| e.0)) == held {
            self.step(at, Action::Delete, None, Some(found));
        } else if !link {
            self.step(at, Action::KeepAside, None, Some(found));
        }
        Ok(())
    }

    /// `path`, which the capture has as `held`, is to go; `unseen` says: where Git does not expect it and it is not there, too.
    fn unwant(&mut self, path: BString, held: Entry, unseen: bool) {
        if held.0 == mode::SUBMODULE {
            self.plan.submodules.push(path);
            return;
        }
        if paths::parts(path.as_bstr()).is_err() || self.moves_aside(path.as_bstr()) {
            return;
        }
        let thing = match self.look.reach(path.as_bstr()) {
            Reach::Folder => self.look.thing(path.as_bstr()),
            Reach::Missing => Thing::Nothing,
            Reach::Obstacle { .. } | Reach::Closed => return,
        };
        match thing {
            Thing::File(found) => {
                let content = self.look.content(path.as_bstr(), Some(held.0));
                let action = if content == Some(held) { Action::Delete } else { Action::KeepAside };
                self.step(path, action, None, Some(found));
            }
            Thing::Nothing if unseen && self.look.left_out(path.as_bstr()) => {
                self.step(path, Action::Delete, None, None);
            }
            // A folder that came since is none of what the capture has.
            Thing::Nothing | Thing::Folder(_) | Thing::Special(_) | Thing::Unknown => {}
        }
    }

    /// Whether a folder that `path` lies in is kept aside with all that is in it.
    fn moves_aside(&self, path: &BStr) -> bool {
        path.find_iter("/")
            .any(|at| self.steps.get(path[..at].as_bstr()).is_some_and(|step| step.action == Action::KeepAside))
    }

    /// The first step for a path counts.
    fn step(&mut self, path: BString, action: Action, entry: Option<Entry>, found: Option<Stat>) {
        self.steps.entry(path.clone()).or_insert(Step { path, action, entry, found });
    }
}

//! Secrets in objects that go out: in the contents of files, in their names, and in the messages of commits.

use std::collections::{BTreeMap, HashSet};

use super::screen;
use crate::git::{self, BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{self, HistoryError, cannot_read, entries};
use crate::line::{Branch, quote};
use crate::repo::Repo;
use crate::secrets::{self, Finding, Place};
use crate::snapshot::Snapshot;
use crate::{diff::mode, refs};

/// So many findings are kept.
const FINDINGS_MAX: usize = 100;

/// What was found in objects, one after another.
pub(crate) struct Gathered<'r> {
    repo: &'r Repo,
    gix: gix::Repository,
    found: Vec<Finding>,
    /// Tokens in names, with what is to be said of the first name of each.
    names: BTreeMap<BString, Finding>,
    /// Tokens in messages. Those of snapshots are made of names.
    repeated: Vec<(BString, Finding)>,
    /// Whether what a commit has is listed after it, if no commit before has it.
    is_in_order: bool,
    /// The commit that was listed last, then.
    commit: Option<ObjectId>,
}

impl<'r> Gathered<'r> {
    pub(crate) fn new(repo: &'r Repo) -> Self {
        let (names, is_in_order) = (BTreeMap::new(), false);
        Self { repo, gix: repo.gix(), found: Vec::new(), names, repeated: Vec::new(), is_in_order, commit: None }
    }

    /// For lists in the order of commits, oldest first: `git rev-list --objects --in-commit-order --reverse`.
    pub(crate) fn in_order(repo: &'r Repo) -> Self {
        Self { is_in_order: true, ..Self::new(repo) }
    }

    /// Looks at what one line of `git rev-list --objects` names. `is_committed` says that commits of the user have it.
    pub(crate) fn listed(&mut self, line: &[u8], is_committed: bool) -> Result<(), HistoryError> {
        let (hex, path) = line.split_once_str(" ").map_or((line, None), |(hex, path)| (hex, Some(path.as_bstr())));
        let Ok(id) = ObjectId::from_hex(hex) else { return Ok(()) };
        let Some(path) = path else {
            self.commit = (self.is_in_order && is_committed).then_some(id);
            return self.message(id);
        };
        // One that is not here came from a remote, and goes nowhere.
        let Ok(Some(header)) = self.gix.try_find_header(id) else { return Ok(()) };
        let place = if is_committed { Place::Commit } else { Place::File };
        match header.kind() {
            gix::objs::Kind::Tree => self.tree(id, path, place)?,
            gix::objs::Kind::Blob if !path.is_empty() && self.found.len() < FINDINGS_MAX => {
                let found = screen::blob(self.repo, &self.gix, path, id, header.size())?;
                let commit = self.commit;
                self.found.extend(found.into_iter().map(|one| Finding { place, commit, ..one }));
            }
            _ => {}
        }
        Ok(())
    }

    /// The names in a tree. A file that was only renamed is named by no listing.
    fn tree(&mut self, tree: ObjectId, path: &BStr, place: Place) -> Result<(), HistoryError> {
        for entry in entries(&self.gix, tree)? {
            if !secrets::names::tokens(&entry.name).is_empty() {
                let whole =
                    if path.is_empty() { entry.name } else { [path.as_bytes(), b"/", &entry.name].concat().into() };
                self.name(whole.as_bstr(), entry.mode == mode::FOLDER, place);
            }
        }
        Ok(())
    }

    /// The last part of a path.
    fn name(&mut self, path: &BStr, is_folder: bool, place: Place) {
        let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let what = if is_folder { "folder" } else { "file" };
        for (kind, token) in secrets::names::tokens(last) {
            let (place, commit) = if place == Place::Commit { (place, self.commit) } else { (Place::Name, None) };
            let path = format!("the name of the {what} {}", quote::printable(path));
            let finding = Finding { path, kind, line: 0, place, commit };
            self.names.entry(token.into()).or_insert(finding);
        }
    }

    /// All parts of a path that is new.
    pub(crate) fn path(&mut self, path: &BStr) {
        let ends = path.find_iter("/").map(|at| (at, true)).chain([(path.len(), false)]);
        for (end, is_folder) in ends {
            self.name(path[..end].as_bstr(), is_folder, Place::Name);
        }
    }

    /// What was found elsewhere.
    pub(crate) fn add(&mut self, found: impl IntoIterator<Item = Finding>) {
        self.found.extend(found);
    }

    /// A commit as it is written: message, names and addresses of people, other headers.
    pub(crate) fn message(&mut self, id: ObjectId) -> Result<(), HistoryError> {
        let object = history::find_object(&self.gix, id)?;
        if matches!(object.kind, gix::objs::Kind::Tree | gix::objs::Kind::Blob) {
            return Ok(());
        }
        let (what, place) = if Snapshot::from_commit(id, &object.data).is_ok() {
            ("the snapshot", Place::Snapshot)
        } else if object.kind == gix::objs::Kind::Tag {
            ("tag", Place::Message)
        } else {
            ("commit", Place::Message)
        };
        let path = format!("the message of {what} {}", id.to_hex_with_len(7));
        let of = |kind| Finding { path: path.clone(), kind, line: 0, place, commit: None };
        let tokens = secrets::names::tokens(&object.data);
        let whole = secrets::scan(BStr::new(b""), &object.data).into_iter().map(|one| one.kind);
        self.found.extend(whole.filter(|kind| tokens.iter().all(|(of_token, _)| of_token != kind)).map(of));
        self.repeated.extend(tokens.into_iter().map(|(kind, token)| (token.into(), of(kind))));
        Ok(())
    }

    /// Whether nothing was found so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.names.is_empty() && self.repeated.is_empty()
    }

    /// All that was found and is not known where it goes: there the trees of `known` are, and `branch` if it is not new.
    pub(crate) fn finish(
        self,
        known: &[ObjectId],
        branch: &Branch,
        is_branch_known: bool,
    ) -> Result<Vec<Finding>, HistoryError> {
        let Self { repo, mut found, names, repeated, .. } = self;
        let branch_name: &[u8] = if let Branch::Named(name) = branch { name.as_ref() } else { b"" };
        let in_branch = secrets::names::tokens(branch_name);
        let mut there: HashSet<BString> = HashSet::new();
        if !names.is_empty() || !repeated.is_empty() {
            let asked: Vec<&BString> = names.keys().chain(repeated.iter().map(|(token, _)| token)).collect();
            there = in_trees(repo, known, &asked)?;
        }
        // What a name says already is not said again of a message.
        let is_said = |token: &BString| {
            names.contains_key(token) || in_branch.iter().any(|(_, of_branch)| *of_branch == token.as_slice())
        };
        found.extend(
            repeated.iter().filter(|(token, _)| !there.contains(token) && !is_said(token)).map(|(_, one)| one.clone()),
        );
        found.extend(names.into_iter().filter(|(token, _)| !there.contains(token)).map(|(_, one)| one));
        if !is_branch_known {
            found.extend(in_branch.into_iter().map(|(kind, _)| Finding {
                path: format!("the name of the branch {}", quote::printable(branch_name.as_bstr())),
                kind,
                line: 0,
                place: Place::Branch,
                commit: None,
            }));
        }
        found.sort();
        found.dedup_by(|one, before| {
            let is_same = one.path == before.path && one.kind == before.kind;
            if is_same && one.place == Place::Commit {
                (before.place, before.commit) = (Place::Commit, before.commit.or(one.commit));
            }
            is_same
        });
        found.truncate(FINDINGS_MAX);
        Ok(found)
    }
}

/// Those of `tokens` that stand in a name of one of the trees.
fn in_trees(repo: &Repo, trees: &[ObjectId], tokens: &[&BString]) -> Result<HashSet<BString>, HistoryError> {
    let mut found = HashSet::new();
    for tree in trees {
        let mut command = git::command(repo.root());
        command.args(["ls-tree", "-r", "-t", "-z", "--name-only", "--full-tree", &tree.to_string()]);
        // In a clone without all trees some may be missing: what only these name counts as new.
        let listed = command.output().map_err(|e| cannot_read("the names of files", repo.root(), e))?;
        found.extend(
            tokens.iter().filter(|token| listed.stdout.contains_str(token.as_slice())).map(|token| (*token).clone()),
        );
    }
    Ok(found)
}

/// Whether a remote-tracking ref, of `remote` or of any, says that a branch of this name is known there.
pub(crate) fn is_tracked(repo: &Repo, remote: Option<&str>, branch: &Branch) -> Result<bool, refs::RefError> {
    let Branch::Named(name) = branch else { return Ok(true) };
    let tracked = refs::list(repo, "refs/remotes/")?;
    Ok(tracked.iter().filter_map(|(tracked, _)| tracked.strip_prefix("refs/remotes/")).any(|tracked| match remote {
        Some(remote) => {
            tracked.strip_prefix(remote).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| name == rest)
        }
        None => tracked.split_once('/').is_some_and(|(_, rest)| name == rest),
    }))
}

//! Which lines a remote lacks.

use crate::context::Context;
use crate::git::ObjectId;
use crate::history;
use crate::line::{Branch, LINES, LineName};
use crate::publish::{LineState, Published};
use crate::refs;
use crate::registry::{Registry, Tree};
use crate::remote::{Remote, RemoteError};
use crate::repo::Repo;
use crate::seal::Seal;
use crate::snapshot::Snapshot;

/// A line that is to be published.
#[derive(Clone, Debug)]
pub(super) struct Due {
    /// Its name.
    pub(super) name: LineName,
    /// Its branch.
    pub(super) branch: Branch,
    /// The keeper its ref points at.
    pub(super) keeper: ObjectId,
    /// Its newest snapshot.
    pub(super) tip: Snapshot,
    /// What is known of it there.
    pub(super) row: Option<Published>,
}

impl Due {
    /// The value there, as last known.
    pub(super) fn there(&self) -> Option<ObjectId> {
        self.row.as_ref().and_then(|row| row.seal)
    }

    /// The newest snapshot there, as last known.
    pub(super) fn published(&self) -> Option<ObjectId> {
        self.row.as_ref().and_then(|row| row.snapshot)
    }

    /// Notes that it was not published, and why.
    pub(super) fn note(
        &self,
        repo: &Repo,
        remote: &Remote,
        registry: &mut Registry,
        state: LineState,
    ) -> Result<(), RemoteError> {
        let row = Published {
            line: self.name.clone(),
            branch: self.branch.clone(),
            seal: self.there(),
            snapshot: self.published(),
            pushed: self.row.as_ref().and_then(|row| row.pushed),
            state,
        };
        Ok(registry.note_published(repo.common_dir(), &remote.key(), &row)?)
    }
}

/// The lines of `tree` that `remote` lacks, and how many it has. That of the branch `finish` is due in any case. A line
/// that cannot be read does not stop the others.
pub(super) fn of_tree(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    remote: &Remote,
    registry: &Registry,
    finish: Option<&Branch>,
) -> Result<(Vec<Due>, usize), RemoteError> {
    let device = ctx.device.id();
    let gix = repo.gix();
    let rows = registry.published(repo.common_dir(), &remote.key())?;
    let (mut due, mut unchanged) = (Vec::new(), 0);
    for (name, value) in refs::list(repo, LINES)? {
        let Some(name) = LineName::from_ref(&name).filter(|n| n.device == device && n.tree == tree.id) else {
            continue;
        };
        let is_seal = history::find_commit(&gix, value).is_ok_and(|o| Seal::from_commit(value, &o.data).is_ok());
        if is_seal {
            continue;
        }
        let tip = match history::keeper(&gix, value) {
            Ok((tip, _)) => tip,
            Err(error) => {
                tracing::warn!(line = name.ref_name(), %error, "a line cannot be published");
                continue;
            }
        };
        // Made under another identity: the next capture makes one that is ours.
        if tip.meta.device != device || tip.meta.branch.component() != name.component {
            continue;
        }
        let row = rows.iter().find(|row| row.line == name).cloned();
        let branch = tip.meta.branch.clone();
        let is_there = row.as_ref().is_some_and(|row| row.seal.is_some() && row.snapshot == Some(tip.commit));
        if is_there && finish != Some(&branch) {
            unchanged += 1;
        } else {
            due.push(Due { name, branch, keeper: value, tip, row });
        }
    }
    Ok((due, unchanged))
}

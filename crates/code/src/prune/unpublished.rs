//! What stays because no remote has it yet.
//!
//! A machine may be without network for longer than everything is kept. What it captured meanwhile is published when it is
//! back; once a remote has it, it is thinned as ever.

use std::collections::HashSet;

use carry_kernel::hlc::Hlc;

use super::{PruneError, level};
use crate::budget::Level;
use crate::context::Context;
use crate::git::ObjectId;
use crate::history;
use crate::line::LineName;
use crate::publish::Published;
use crate::registry::{Consent, Registry};
use crate::repo::Repo;
use crate::retention::{Item, Plan, Why};

/// What the remotes have of a repository whose user agreed to publish it.
pub(super) struct Publishing {
    published: Vec<Published>,
}

impl Publishing {
    /// `None` when nobody agreed, or the budget leaves no room for what only waits.
    pub(super) fn of(ctx: &Context, repo: &Repo) -> Result<Option<Self>, PruneError> {
        let Some(registry) = Registry::open_read_only(&ctx.home)? else { return Ok(None) };
        let links = registry.links(repo.common_dir())?;
        let agreed: Vec<_> = links.iter().filter(|link| link.consent == Some(Consent::Agreed)).collect();
        if agreed.is_empty() || level(ctx, repo)? >= Level::Tight {
            return Ok(None);
        }
        let mut published = Vec::new();
        for link in agreed {
            published.extend(registry.published(repo.common_dir(), &link.url)?);
        }
        Ok(Some(Self { published }))
    }

    /// Which snapshots of the line are newer than all that some remote has of it. `newest_first` are all it holds.
    pub(super) fn lacked(&self, repo: &Repo, line: &LineName, newest_first: &[(ObjectId, Hlc)]) -> HashSet<ObjectId> {
        let there: Vec<ObjectId> = self
            .published
            .iter()
            .filter(|published| published.line == *line)
            .filter_map(|published| published.snapshot)
            .collect();
        // One that was thinned since may still be read; its place in the line is known by its clock.
        let gix = repo.gix();
        let gone = there.iter().filter(|id| !newest_first.iter().any(|(commit, _)| commit == *id));
        let newest_gone = gone.filter_map(|id| history::snapshot(&gix, *id).ok()).map(|found| found.meta.hlc).max();
        newest_first
            .iter()
            .take_while(|(commit, hlc)| !there.contains(commit) && newest_gone.is_none_or(|gone| *hlc > gone))
            .map(|(commit, _)| *commit)
            .collect()
    }
}

/// Has the plan for `items` keep those in `lacked`.
pub(super) fn keep(plan: &mut Plan, items: &[Item], lacked: &HashSet<ObjectId>) {
    let kept: std::collections::HashMap<ObjectId, Why> = plan.keep.iter().copied().collect();
    plan.keep.clear();
    for item in items {
        match kept.get(&item.commit) {
            Some(why) => plan.keep.push((item.commit, *why)),
            None if lacked.contains(&item.commit) => {
                plan.keep.push((item.commit, Why::Unpublished));
                plan.bytes = plan.bytes.saturating_sub(item.bytes);
            }
            None => {}
        }
    }
    plan.drop.retain(|commit| !lacked.contains(commit));
}

//! The newest snapshot of each writer on a branch, as this repository holds it: ours, other devices', git-pulsar's.
//!
//! Reads refs and a few commits, never the network. Everything that compares devices works on tips: drift, handoff,
//! finalizing, the list of devices.

use std::collections::BTreeSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::Hlc;
use carry_kernel::id::{DeviceId, TreeId};

use crate::context::Context;
use crate::git::ObjectId;
use crate::history::{self, HistoryError};
use crate::line::{Branch, LINES, LineName};
use crate::pulsar::{self, Stream};
use crate::refs;
use crate::repo::Repo;
use crate::seen::{Seen, Source};
use crate::snapshot::{Meta, Skipped, Snapshot};

mod finish;
#[cfg(test)]
pub(crate) mod fixture;
mod read;
#[cfg(test)]
mod tests;

pub use finish::is_finished;
pub(crate) use read::moment;

/// Stands for the working tree of a stream of git-pulsar, which does not say which it is of.
const NO_TREE: &str = "000000000000";

/// Whose snapshot it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A working tree on a device of Carry.
    Carry {
        /// Its line.
        line: LineName,
        /// The device's label.
        label: String,
        /// Its public key; `None` for this device's own lines, which are not sealed here.
        key: Option<[u8; 32]>,
    },
    /// A stream of git-pulsar.
    Pulsar {
        /// `<name>--<id8>`, or a whole id in the older layout.
        slug: String,
    },
}

/// How far somebody is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// This device, whichever of its trees.
    Own,
    /// The user approved it.
    Approved,
    /// Nobody said anything about it.
    Unknown,
    /// The user revoked it.
    Revoked,
    /// It carries the id of a known device under another key.
    Impostor,
}

/// The newest snapshot of one writer on one branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Whose.
    pub writer: Writer,
    /// Whether it is trusted.
    pub trust: Trust,
    /// The branch.
    pub branch: Branch,
    /// The snapshot's commit (for git-pulsar: its shadow commit).
    pub commit: ObjectId,
    /// Its tree as it may be taken over. For git-pulsar what its writer could not say is filled in.
    pub tree: ObjectId,
    /// The commit HEAD was at.
    pub head: Option<ObjectId>,
    /// The side commit with what was staged.
    pub staged: Option<ObjectId>,
    /// When it was made, by its writer's clock.
    pub time: Timestamp,
    /// What it builds on, itself included.
    pub seen: Seen,
    /// What it does not hold as it was on disk.
    pub skipped: Vec<Skipped>,
    /// How many more were skipped than are named.
    pub skipped_more: u64,
    /// Whether its work went into a commit.
    pub finished: bool,
}

impl Writer {
    /// Who it is. A working tree stands so in vectors, too; of a stream they name the chain, which only the tip knows: see
    /// [`Tip::source`].
    pub fn source(&self) -> Source {
        match self {
            Self::Carry { line, .. } => Source::line(&line.device, &line.tree),
            Self::Pulsar { slug } => Source::Pulsar(slug.clone()),
        }
    }
    /// The id under which it is approved: the device's, or `pulsar/<slug>`.
    pub fn id(&self) -> String {
        match self {
            Self::Carry { line, .. } => line.device.as_str().to_owned(),
            Self::Pulsar { .. } => self.source().to_string(),
        }
    }
    /// For people: the label, or the name part of the slug.
    pub fn name(&self) -> &str {
        match self {
            Self::Carry { label, .. } => label,
            Self::Pulsar { slug } => slug.split_once("--").map_or(slug, |(name, _)| name),
        }
    }
}

impl Tip {
    /// As it stands in vectors; `None` for a stream that says nothing there.
    pub fn source(&self) -> Option<Source> {
        match self.writer {
            Writer::Carry { .. } => Some(self.writer.source()),
            Writer::Pulsar { .. } => {
                let mut sources = self.seen.iter().map(|(source, _)| source);
                sources.find(|source| matches!(source, Source::Pulsar(_))).cloned()
            }
        }
    }

    /// As a snapshot, for what works on those (staged state, restore). git-pulsar's have no trailers; what they do not say
    /// is empty.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn snapshot(&self, repo: &Repo) -> Result<Snapshot, HistoryError> {
        match &self.writer {
            Writer::Carry { .. } => history::snapshot(&repo.gix(), self.commit),
            Writer::Pulsar { .. } => Ok(self.as_if_trailed()),
        }
    }

    fn as_if_trailed(&self) -> Snapshot {
        let meta = Meta {
            subject: "snapshot of git-pulsar".to_owned(),
            // Made of a key that signs nothing, so that no device can be it.
            device: DeviceId::new(self.writer.name(), &[0; 32]),
            tree_id: NO_TREE.parse().expect("zeros are hex digits"),
            branch: self.branch.clone(),
            head: self.head,
            staged: self.staged,
            hlc: Hlc { wall_ms: u64::try_from(self.time.as_millis()).unwrap_or(0), counter: 0 },
            seen: self.seen.clone(),
            state: None,
            skipped: self.skipped.clone(),
            skipped_more: self.skipped_more,
            nested: vec![],
            bytes: 0,
        };
        Snapshot { commit: self.commit, tree: self.tree, time: self.time, meta }
    }
}

/// All tips of `branch` in `repo`, of every writer but the working tree `own` itself, in the order of their sources.
/// Lines that cannot be read or verified are left out and logged. A detached HEAD has none.
///
/// # Errors
/// [`HistoryError`] when refs cannot be listed, or the registry cannot be read.
pub fn others(ctx: &Context, repo: &Repo, own: &TreeId, branch: &Branch) -> Result<Vec<Tip>, HistoryError> {
    if *branch == Branch::Detached {
        return Ok(Vec::new());
    }
    let mut tips = of_lines(ctx, repo, Some(branch))?;
    tips.extend(pulsar::tips(ctx, repo, Some(branch))?);
    let itself = own_source(ctx, own);
    Ok(settled(tips).into_iter().filter(|tip| tip.writer.source() != itself).collect())
}

/// The tip of the working tree `own` of this device on `branch`; `None` when it has no snapshot there.
///
/// # Errors
/// [`HistoryError`].
pub fn own(ctx: &Context, repo: &Repo, own: &TreeId, branch: &Branch) -> Result<Option<Tip>, HistoryError> {
    let itself = own_source(ctx, own);
    // The other lines may be finished, and this one with them.
    let tips = settled(of_lines(ctx, repo, Some(branch))?);
    Ok(tips.into_iter().find(|tip| tip.writer.source() == itself))
}

/// Every branch of which some line is known here, with the true names.
///
/// # Errors
/// [`HistoryError`].
pub fn branches(ctx: &Context, repo: &Repo) -> Result<Vec<Branch>, HistoryError> {
    let list = |prefix: &str| refs::list(repo, prefix).map_err(|e| history::cannot_read(prefix, repo.root(), e));
    let lines = of_lines(ctx, repo, None)?.into_iter().map(|tip| tip.branch);
    let streams = list(pulsar::STREAMS)?.into_iter().filter_map(|(name, _)| Stream::from_remote(&name));
    let fetched = list(pulsar::FETCHED)?.into_iter().filter_map(|(name, _)| Stream::from_fetched(&name));
    let all: BTreeSet<Branch> = lines.chain(streams.chain(fetched).map(|stream| stream.branch)).collect();
    Ok(all.into_iter().filter(|branch| *branch != Branch::Detached).collect())
}

/// All tips of all branches and writers, this device's own included: what `carry devices` shows. By source, then branch.
///
/// # Errors
/// [`HistoryError`].
pub fn all(ctx: &Context, repo: &Repo) -> Result<Vec<Tip>, HistoryError> {
    let mut tips = of_lines(ctx, repo, None)?;
    tips.extend(pulsar::tips(ctx, repo, None)?);
    Ok(settled(tips))
}

/// Whether `name`, as a person typed it, means `writer`: the label, the device's id, its beginning, or a slug.
pub fn is_meant(writer: &Writer, name: &str) -> bool {
    let name = name.trim().to_lowercase();
    if name.is_empty() {
        return false;
    }
    let begins = |text: &str| text.to_lowercase().starts_with(&name);
    let is_name = writer.name().to_lowercase() == name;
    match writer {
        Writer::Carry { line, .. } => is_name || begins(line.device.as_str()),
        Writer::Pulsar { slug } => is_name || begins(slug) || writer.id().to_lowercase() == name,
    }
}

/// The tips of lines, of `branch` or of all.
fn of_lines(ctx: &Context, repo: &Repo, branch: Option<&Branch>) -> Result<Vec<Tip>, HistoryError> {
    let component = branch.map(Branch::component);
    let wanted = |name: &LineName| component.as_ref().is_none_or(|component| name.component == *component);
    let reader = read::Reader::new(ctx, repo)?;
    let mut tips = Vec::new();
    for line in history::lines_where(repo, wanted)? {
        match reader.tip(&line)? {
            Ok(tip) if branch.is_none_or(|branch| tip.branch == *branch) => tips.push(tip),
            Ok(_) => {}
            Err(problem) => {
                tracing::warn!(line = line.name.ref_name(), problem, "a line below {LINES} is not looked at");
            }
        }
    }
    Ok(tips)
}

/// Finished as far as any of them is, and in order.
fn settled(mut tips: Vec<Tip>) -> Vec<Tip> {
    finish::spread(&mut tips);
    tips.sort_by_cached_key(|tip| (tip.writer.source(), tip.branch.clone()));
    tips
}

fn own_source(ctx: &Context, tree: &TreeId) -> Source {
    Source::line(&ctx.device.id(), tree)
}

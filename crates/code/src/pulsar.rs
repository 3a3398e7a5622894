//! git-pulsar's streams: reading them as devices, and writing ours in its layout so that it sees us.
//!
//! Fetched streams lie below `refs/carry-keep/pulsar/`, one percent-encoded name for the slug and one for the branch, and
//! never become branches. Those that git-pulsar itself keeps in this clone (`refs/heads/wip/pulsar/`) are read too.
//!
//! A stream is a chain of *shadow commits*: each has the one before it as first parent, then what HEAD was at.

use crate::context::Context;
use crate::git::{BStr, ByteSlice as _, ObjectId};
use crate::history::HistoryError;
use crate::line::{Branch, LineName};
use crate::registry::Tree;
use crate::remote::{Io, Remote, RemoteError};
use crate::repo::Repo;
use crate::tips::{Tip, Writer};

mod fill;
mod known;
mod name;
mod publish;
mod read;
mod shadow;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

/// Where git-pulsar keeps its streams, here and on remotes.
pub const STREAMS: &str = "refs/heads/wip/pulsar/";
/// Where fetched streams are kept.
pub const FETCHED: &str = "refs/carry-keep/pulsar/";
/// Longest slug and longest branch name of a stream that is read, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Most shadow commits of a stream that is read. More are ten years of working days, or no stream.
pub const SHADOWS_MAX: u64 = 250_000;

/// A stream's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// `<name>--<id8>`, or a whole id in the older layout.
    pub slug: String,
    /// The branch.
    pub branch: Branch,
}

/// What [`publish`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// The branches that were pushed.
    pub pushed: Vec<Branch>,
    /// Those of the refused lines whose newest snapshot the remote has as a stream now, pushed now or before.
    pub instead: Vec<Branch>,
}

impl Stream {
    /// From a ref below [`STREAMS`]; `None` for what is none (a bare `wip/pulsar`, a slug without a branch, names that are
    /// longer than [`NAME_BYTES_MAX`] or that Git would not take).
    pub fn from_remote(name: &str) -> Option<Self> {
        let (slug, branch) = name.strip_prefix(STREAMS)?.split_once('/')?;
        gix::validate::reference::name(name.as_bytes().as_bstr()).ok()?;
        Self::new(slug, branch.into())
    }

    /// Who writes it.
    pub fn writer(&self) -> Writer {
        Writer::Pulsar { slug: self.slug.clone() }
    }

    /// The ref on a remote.
    pub fn remote_ref(&self) -> String {
        format!("{STREAMS}{}/{}", self.slug, self.branch_name().to_str_lossy())
    }

    /// The ref that a fetched stream is kept at.
    pub fn fetched_ref(&self) -> String {
        self.below(FETCHED)
    }

    /// From a ref below [`FETCHED`].
    pub fn from_fetched(name: &str) -> Option<Self> {
        let (slug, rest) = name::decode(name.strip_prefix(FETCHED)?)?;
        let (branch, rest) = name::decode(rest)?;
        if !rest.is_empty() {
            return None;
        }
        let stream = Self::new(slug.to_str().ok()?, branch.to_str().ok()?.into())?;
        // One name for one stream: nothing else decodes to it.
        (stream.fetched_ref() == name).then_some(stream)
    }

    fn new(slug: &str, branch: &BStr) -> Option<Self> {
        let fits = |name: &[u8]| (1..=NAME_BYTES_MAX).contains(&name.len());
        let stream = || Self { slug: slug.to_owned(), branch: Branch::Named(branch.to_owned()) };
        (fits(slug.as_bytes()) && fits(branch) && !slug.contains('/')).then(stream)
    }

    fn below(&self, prefix: &str) -> String {
        format!("{prefix}{}/{}", name::encode(self.slug.as_str().into()), name::encode(self.branch_name()))
    }

    fn branch_name(&self) -> &BStr {
        match &self.branch {
            Branch::Named(name) => name.as_bstr(),
            // git-pulsar never writes on a detached HEAD; no branch has this name.
            Branch::Detached => "@".into(),
        }
    }
}

/// The tips of all streams of `branch` (of all branches when `None`), fetched or of this clone, but for streams that
/// Carry itself wrote. Trees are filled in with what git-pulsar leaves out without meaning to delete it. Trust is looked
/// up in the registry. Streams that cannot be read are left out and logged.
///
/// A tree that was filled in is written here as one pack, and a ref below `refs/carry-keep/` keeps it, so that the same
/// stream costs nothing when it is read again.
///
/// # Errors
/// [`HistoryError`] when refs cannot be listed, or the registry cannot be read.
pub fn tips(ctx: &Context, repo: &Repo, branch: Option<&Branch>) -> Result<Vec<Tip>, HistoryError> {
    read::tips(ctx, repo, branch)
}

/// The shadow commit numbered `count` in the stream that ends at `tip` (the oldest is 1); `None` when it has fewer. Its
/// tree is as git-pulsar wrote it; see [`tree_of`].
///
/// # Errors
/// [`HistoryError`].
pub fn numbered(repo: &Repo, tip: ObjectId, count: u64) -> Result<Option<ObjectId>, HistoryError> {
    let chain = shadow::chain(&repo.gix(), tip)?;
    let from_the_tip = (chain.len() as u64).checked_sub(count).filter(|_| count > 0);
    Ok(from_the_tip.and_then(|at| chain.get(usize::try_from(at).ok()?).copied()))
}

/// The tree of a shadow commit as [`tips`] gives it: filled in. What was taken over from an earlier tip of the stream had
/// this tree, so a merge needs it as its base.
///
/// # Errors
/// [`HistoryError`], also when the commit is no shadow commit.
pub fn tree_of(ctx: &Context, repo: &Repo, shadow: ObjectId) -> Result<ObjectId, HistoryError> {
    read::tree_of(ctx, repo, shadow)
}

/// Publishes the snapshots of `tree` that `remote` has as lines as git-pulsar's streams, too: fast-forward only, dated when
/// captured, pushed from a private ref to the URL. Does nothing unless `code.namespace` says so.
///
/// `refused` are lines that the remote refused, with their newest snapshots, which hold no secrets or may go out with them:
/// those snapshots are published as well, as streams only.
///
/// What a line holds back (secrets), its stream holds back as well. Each working tree has a slug of its own, see [`slug`].
///
/// # Errors
/// [`RemoteError`]; what was pushed before stays noted.
pub fn publish(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    remote: &Remote,
    refused: &[(LineName, ObjectId)],
    io: &Io<'_>,
) -> Result<Streams, RemoteError> {
    publish::publish(ctx, repo, tree, remote, refused, io)
}

pub use publish::slug;

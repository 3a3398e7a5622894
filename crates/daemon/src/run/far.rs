//! What is done with remotes, behind one door: tests put something else there.

use carry_code::context::Context;
use carry_code::drift::{self, Drift, RememberError};
use carry_code::registry::Tree;
use carry_code::remote::{self, Io, Remote, RemoteError};
use carry_code::repo::{OpenError, Repo};
use carry_code::settings::LinkSettings;
use carry_code::{gather, publish};
use carry_kernel::id::TreeId;

use super::link::Found;

/// Everything that links do outside the daemon.
pub(super) trait Far: Send + Sync {
    /// Where the lines of a tree go while its present branch is checked out.
    fn remotes(&self, ctx: &Context, repo: &Repo) -> Result<Found, OpenError>;
    /// See [`publish::push`].
    fn push(
        &self,
        ctx: &Context,
        repo: &Repo,
        tree: &Tree,
        remote: &Remote,
        io: &Io<'_>,
    ) -> Result<publish::Report, RemoteError>;
    /// See [`gather::fetch`].
    fn fetch(
        &self,
        ctx: &Context,
        repo: &Repo,
        trees: &[Tree],
        remote: &Remote,
        io: &Io<'_>,
    ) -> Result<gather::Report, RemoteError>;
    /// See [`drift::remember`].
    fn drift(&self, ctx: &Context, repo: &Repo, tree: &TreeId) -> Result<Vec<Drift>, RememberError>;
}

/// As it is.
pub(super) struct Git;

impl Far for Git {
    fn remotes(&self, ctx: &Context, repo: &Repo) -> Result<Found, OpenError> {
        let config = ctx.config(Some(repo.root()));
        let branch = repo.head()?.branch;
        Ok(Found { remotes: remote::of(repo, &config, &branch), settings: LinkSettings::new(&config) })
    }

    fn push(
        &self,
        ctx: &Context,
        repo: &Repo,
        tree: &Tree,
        remote: &Remote,
        io: &Io<'_>,
    ) -> Result<publish::Report, RemoteError> {
        publish::push(ctx, repo, tree, remote, &publish::Options::default(), io)
    }

    fn fetch(
        &self,
        ctx: &Context,
        repo: &Repo,
        trees: &[Tree],
        remote: &Remote,
        io: &Io<'_>,
    ) -> Result<gather::Report, RemoteError> {
        gather::fetch(ctx, repo, trees, remote, io)
    }

    fn drift(&self, ctx: &Context, repo: &Repo, tree: &TreeId) -> Result<Vec<Drift>, RememberError> {
        drift::remember(ctx, repo, tree)
    }
}

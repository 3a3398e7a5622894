//! Fetching the lines of other devices: ask, fetch into quarantine, verify each, copy, move refs.
//!
//! What comes from a remote is hostile until verified. One bad line never stops the others; what vanished there is kept here.

use std::path::Path;

use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use crate::context::Context;
use crate::line::LineName;
use crate::publish;
use crate::registry::{Registry, Tree};
use crate::remote::{Io, Quarantine, Remote, RemoteError, ls_remote};
use crate::repo::Repo;

mod admit;
#[cfg(test)]
pub(crate) mod fixture;
mod known;
mod mend;
mod note;
mod own;
#[cfg(test)]
mod tests;
mod theirs;
mod transfer;
mod verify;

pub(crate) use admit::{move_ref, objects};
use known::{Known, Want};
pub(crate) use theirs::{Opinion, opinion};
pub(crate) use verify::{Move, own_count};

/// The lease under which a remote of a repository is asked, by the daemon as by commands: `code-radar/<16 hex>`.
pub fn lease_name(common_dir: &Path, url: &str) -> String {
    format!("code-radar/{}", publish::pair(common_dir, url))
}

/// How often the remote is asked anew when refs vanish between the listing and the fetch.
const TRIES: usize = 3;

/// What a fetch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines of others that moved, by ref; git-pulsar's too.
    pub moved: Vec<String>,
    /// Refs that were refused, and why.
    pub refused: Vec<(String, String)>,
    /// Devices seen for the first time, by id.
    pub new_devices: Vec<String>,
    /// Own lines that the remote lost or rolled back: they are pushed again.
    pub lost: Vec<LineName>,
    /// Another machine wrote as this device; this one goes on under a new identity.
    pub renewed: bool,
    /// Whether anything was asked to be sent at all.
    pub changed: bool,
}

/// Fetches what `remote` has and this repository lacks. `trees` are the registered working trees of the repository.
/// Passes the fault points `fetch.listed`, `fetch.got`, `fetch.written`, `fetch.moved`, `fetch.noted`.
///
/// # Errors
/// [`RemoteError`].
pub fn fetch(ctx: &Context, repo: &Repo, trees: &[Tree], remote: &Remote, io: &Io<'_>) -> Result<Report, RemoteError> {
    let mut registry = Registry::open(&ctx.home)?;
    let done = attempt(ctx, repo, trees, remote, io, &mut registry);
    let now = ctx.clock.now();
    match &done {
        Ok(_) => registry.update_link(repo.common_dir(), &remote.shown_name(), &remote.key(), |link| {
            link.fetched = Some(now);
            link.fetch_error = None;
        })?,
        Err(RemoteError::Cancelled { .. }) => {}
        Err(error) => {
            let message = error.to_string();
            registry.update_link(repo.common_dir(), &remote.shown_name(), &remote.key(), |link| {
                link.fetch_error = Some(message);
            })?;
        }
    }
    fault::point("fetch.noted").map_err(DiskError::at("fetch into", repo.root()))?;
    done
}

fn attempt(
    ctx: &Context,
    repo: &Repo,
    trees: &[Tree],
    remote: &Remote,
    io: &Io<'_>,
    registry: &mut Registry,
) -> Result<Report, RemoteError> {
    let failed = || DiskError::at("fetch into", repo.root());
    ctx.refresh_device()?;
    Quarantine::remove_leftovers(repo);
    mend::resume(ctx, repo, trees, registry)?;
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let listing = ls_remote(repo, remote, io)?;
        fault::point("fetch.listed").map_err(failed())?;
        let known = Known::read(ctx, repo, trees, remote, registry)?;
        let mut report = Report::default();
        note::lost(&known, &listing, repo, remote, registry, &mut report)?;
        let wants = known.wants(&listing);
        if wants.is_empty() {
            return Ok(report);
        }
        report.changed = true;
        let quarantine = Quarantine::new(repo)?;
        let Some(wants) = transfer::all(repo, remote, wants, &quarantine, io, &mut report)? else {
            if tries > 0 {
                continue;
            }
            let message = "its refs keep changing while they are fetched; try again".to_owned();
            let reason = carry_kernel::worker::Reason::Busy;
            return Err(RemoteError::Failed { remote: remote.shown_name(), reason, message });
        };
        fault::point("fetch.got").map_err(failed())?;
        let fetched = Fetched { ctx, repo, remote, known: &known, quarantine: &quarantine };
        fetched.take(&wants, registry, &mut report)?;
        return Ok(report);
    }
}

/// What came, before anything of it is relied on.
struct Fetched<'a> {
    ctx: &'a Context,
    repo: &'a Repo,
    remote: &'a Remote,
    known: &'a Known,
    quarantine: &'a Quarantine,
}

impl Fetched<'_> {
    /// Verifies each ref by itself, takes the objects over, moves the refs of those that are good.
    fn take(&self, wants: &[Want], registry: &mut Registry, report: &mut Report) -> Result<(), RemoteError> {
        let failed = || DiskError::at("fetch into", self.repo.root());
        let gix = self.quarantine.open(self.repo)?;
        let mut judged = verify::Judged::default();
        for want in wants {
            let verdict = match want {
                Want::Own { name, value } => own::judge(self, &gix, name, *value, registry)?,
                Want::Line { name, value } => theirs::judge(self, &gix, name, *value, registry)?,
                Want::Stream { stream, value } => theirs::judge_stream(self, &gix, stream, *value),
            };
            judged.add(want, verdict, report);
        }
        if judged.moves.is_empty() && judged.forks.is_empty() {
            note::own(self, &judged, registry, report)?;
            return Ok(());
        }
        let kept = admit::objects(self.repo, self.quarantine, &gix, registry)?;
        fault::point("fetch.written").map_err(failed())?;
        if !judged.forks.is_empty() {
            mend::renew(self, &judged.forks, registry)?;
            report.renewed = true;
        }
        for step in &judged.moves {
            admit::move_ref(self.repo, step, report)?;
        }
        drop(kept);
        fault::point("fetch.moved").map_err(failed())?;
        note::own(self, &judged, registry, report)?;
        note::devices(self.ctx, &judged, registry, report)
    }
}

//! Publishing lines to a Git remote: plan, look for secrets, seal, push with a lease, note what came of it.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carry_kernel::clock::Timestamp;
use carry_kernel::disk::DiskError;
use carry_kernel::fault;
use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::git::{HashKind, ObjectId};
use crate::line::{Branch, LineName};
use crate::pack::{Batch, Kind};
use crate::registry::{Registry, Tree};
use crate::remote::{Io, Quarantine, Remote, RemoteError};
use crate::repo::Repo;
use crate::seal::Seal;
use crate::secrets::Finding;
use crate::settings::LinkSettings;
use crate::{gather, pulsar};

mod due;
mod gathered;
mod screen;
mod sealing;
mod send;
#[cfg(test)]
mod tests;
mod unpushed;

use due::Due;
pub(crate) use gathered::{Gathered, is_tracked};
use send::Fate;

/// How a line stands with a remote. Kept in the registry; `status` and `devices` show it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum LineState {
    /// The remote has the newest snapshot.
    Published,
    /// Something waits to be pushed.
    Pending,
    /// Held back: the newest snapshot would publish secrets.
    Held {
        /// What was found: path and kind, for people.
        findings: Vec<String>,
    },
    /// The remote refused it; what it said.
    Refused {
        /// For people.
        message: String,
    },
    /// Somebody else wrote where our line is; the next push looks again.
    Diverged,
}

/// What the registry knows of one line on one remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The line.
    pub line: LineName,
    /// The branch.
    pub branch: Branch,
    /// The seal there, as last known.
    pub seal: Option<ObjectId>,
    /// The newest snapshot there, as last known.
    pub snapshot: Option<ObjectId>,
    /// When it was last pushed.
    pub pushed: Option<Timestamp>,
    /// How it stands.
    pub state: LineState,
}

/// The lease under which a repository is pushed to a remote, by the daemon as by commands: `code-push/<16 hex>`.
pub fn lease_name(common_dir: &Path, url: &str) -> String {
    format!("code-push/{}", pair(common_dir, url))
}

/// Sixteen hex digits for a repository and a remote.
pub(crate) fn pair(common_dir: &Path, url: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(common_dir.as_os_str().as_bytes());
    // No path holds a NUL, so that no two pairs are the same bytes.
    hash.update([0]);
    hash.update(url.as_bytes());
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a push is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Publish secrets too.
    pub allow_secrets: bool,
    /// Mark the newest snapshot of this branch's line as finished.
    pub finish: Option<Branch>,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines that were pushed, by branch.
    pub pushed: Vec<Branch>,
    /// Lines that were there already.
    pub unchanged: usize,
    /// Lines held back, and what was found in them.
    pub held: Vec<(Branch, Vec<Finding>)>,
    /// Lines that the remote refused, and what it said.
    pub refused: Vec<(Branch, String)>,
    /// Those of the refused lines whose newest snapshot the remote has in git-pulsar's layout instead.
    pub streamed: Vec<Branch>,
    /// Bytes sent, as far as Git says.
    pub bytes: u64,
    /// Another machine wrote as this device; this one goes on under a new identity.
    pub renewed: bool,
}

/// Secrets that a push of the working tree's lines would publish, by branch. Reads only this repository.
///
/// # Errors
/// [`RemoteError`].
pub fn secrets(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    remote: &Remote,
) -> Result<Vec<(Branch, Vec<Finding>)>, RemoteError> {
    let registry = Registry::open(&ctx.home)?;
    let (due, _) = due::of_tree(ctx, repo, tree, remote, &registry, None)?;
    let mut found = Vec::new();
    for due in due {
        let screened = screen::line(repo, remote, &due)?;
        if !screened.live.is_empty() {
            found.push((due.branch, screened.live));
        }
    }
    Ok(found)
}

/// Pushes all lines of `tree` that `remote` lacks. Consent is the caller's to have. Passes the fault points
/// `push.planned`, `push.sealed`, `push.sent`, `push.noted`.
///
/// # Errors
/// [`RemoteError`]; what was pushed before stays noted.
pub fn push(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    remote: &Remote,
    options: &Options,
    io: &Io<'_>,
) -> Result<Report, RemoteError> {
    let mut registry = Registry::open(&ctx.home)?;
    let mut report = Report::default();
    let done = attempt(ctx, repo, tree, remote, options, io, &mut registry, &mut report);
    let now = ctx.clock.now();
    let error = match &done {
        Err(RemoteError::Cancelled { .. }) => return done.map(|()| report),
        Err(error) => Some(error.to_string()),
        Ok(()) => None,
    };
    let pushed = !report.pushed.is_empty();
    registry.update_link(repo.common_dir(), &remote.shown_name(), &remote.key(), |link| {
        if pushed {
            link.pushed = Some(now);
        }
        link.push_error = error;
    })?;
    done.map(|()| report)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one push, apart so that what was done stays noted")]
fn attempt(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    remote: &Remote,
    options: &Options,
    io: &Io<'_>,
    registry: &mut Registry,
    report: &mut Report,
) -> Result<(), RemoteError> {
    remote.may_push(repo)?;
    let failed = || DiskError::at("publish from", repo.root());
    ctx.refresh_device()?;
    let mut finish = options.finish.as_ref();
    // Lines that were looked through for secrets and then refused.
    let mut refused = Vec::new();
    for looked_again in [false, true] {
        let (due, unchanged) = due::of_tree(ctx, repo, tree, remote, registry, finish)?;
        report.unchanged = unchanged;
        report.held.clear();
        report.refused.clear();
        refused.clear();
        let ready = screened(repo, remote, due, options, registry, report)?;
        fault::point("push.planned").map_err(failed())?;
        if ready.is_empty() {
            break;
        }
        let stale = send_all(ctx, repo, remote, &ready, finish, io, registry, report, &mut refused)?;
        fault::point("push.noted").map_err(failed())?;
        if stale.is_empty() {
            break;
        }
        if looked_again {
            for ready in stale {
                ready.due.note(repo, remote, registry, LineState::Diverged)?;
                report.refused.push((ready.due.branch.clone(), "somebody else keeps writing there".to_owned()));
            }
            break;
        }
        // Somebody wrote there: see what, then try again from what is there now.
        if finish.is_some_and(|branch| report.pushed.contains(branch)) {
            finish = None;
        }
        let trees: Vec<Tree> = registry.trees()?.into_iter().filter(|t| t.common_dir == repo.common_dir()).collect();
        let fetched = gather::fetch(ctx, repo, &trees, remote, io)?;
        report.renewed |= fetched.renewed;
    }
    if LinkSettings::new(&ctx.config(Some(repo.root()))).pulsar {
        let streams = pulsar::publish(ctx, repo, tree, remote, &refused, io)?;
        for branch in streams.pushed {
            if !report.pushed.contains(&branch) {
                report.pushed.push(branch);
            }
        }
        report.streamed = streams.instead;
    }
    Ok(())
}

/// A line that goes out, and what of it does not.
struct Ready {
    due: Due,
    /// Snapshots that hold secrets.
    left_out: HashSet<ObjectId>,
}

/// Holds back the lines whose newest snapshot would publish secrets.
fn screened(
    repo: &Repo,
    remote: &Remote,
    due: Vec<Due>,
    options: &Options,
    registry: &mut Registry,
    report: &mut Report,
) -> Result<Vec<Ready>, RemoteError> {
    let mut ready = Vec::new();
    for due in due {
        if options.allow_secrets {
            ready.push(Ready { due, left_out: HashSet::new() });
            continue;
        }
        let screen::Screened { live, mut bad } = screen::line(repo, remote, &due)?;
        if live.is_empty() {
            bad.extend(registry.left_out(&remote.key(), &due.name)?);
            ready.push(Ready { due, left_out: bad });
            continue;
        }
        let findings = live.iter().map(Finding::shown).collect();
        due.note(repo, remote, registry, LineState::Held { findings })?;
        report.held.push((due.branch, live));
    }
    Ok(ready)
}

/// Seals and sends, and notes what came of it. Returns the lines that say something else there than was thought.
#[expect(clippy::too_many_arguments, reason = "the parts of one push, apart so that what was done stays noted")]
fn send_all<'r>(
    ctx: &Context,
    repo: &Repo,
    remote: &Remote,
    ready: &'r [Ready],
    finish: Option<&Branch>,
    io: &Io<'_>,
    registry: &mut Registry,
    report: &mut Report,
    refused: &mut Vec<(LineName, ObjectId)>,
) -> Result<Vec<&'r Ready>, RemoteError> {
    let failed = || DiskError::at("publish from", repo.root());
    let mut stale = Vec::new();
    for ready in ready.chunks(send::LINES_MAX) {
        let quarantine = Quarantine::new(repo)?;
        let sealed = sealing::seal(ctx, repo, remote, ready, finish, &quarantine, registry)?;
        fault::point("push.sealed").map_err(failed())?;
        let sent = send::send(repo, remote, ready, &sealed, &quarantine, io)?;
        fault::point("push.sent").map_err(failed())?;
        report.bytes = report.bytes.saturating_add(sent.bytes);
        for ((ready, sealed), fate) in ready.iter().zip(&sealed).zip(sent.fates) {
            match fate {
                Fate::Done => {
                    if finish == Some(&ready.due.branch) {
                        registry.set_finished(&ready.due.name.tree, &ready.due.branch, ready.due.tip.commit)?;
                    }
                    registry.note_seal(&remote.key(), &ready.due.name, &sealed.raw, sealed.count)?;
                    registry.set_left_out(&remote.key(), &ready.due.name, &ready.left_out)?;
                    registry.note_published(
                        repo.common_dir(),
                        &remote.key(),
                        &Published {
                            line: ready.due.name.clone(),
                            branch: ready.due.branch.clone(),
                            seal: Some(sealed.id),
                            snapshot: Some(ready.due.tip.commit),
                            pushed: Some(ctx.clock.now()),
                            state: LineState::Published,
                        },
                    )?;
                    report.pushed.push(ready.due.branch.clone());
                }
                Fate::Stale => stale.push(ready),
                Fate::Refused(message) => {
                    ready.due.note(repo, remote, registry, LineState::Refused { message: message.clone() })?;
                    refused.push((ready.due.name.clone(), ready.due.tip.commit));
                    report.refused.push((ready.due.branch.clone(), message));
                }
            }
        }
    }
    Ok(stale)
}

/// One of our seals, from its bytes.
pub(crate) fn read_own(hash: HashKind, raw: &[u8]) -> Option<Seal> {
    Seal::from_commit(Batch::id_of(hash, Kind::Commit, raw), raw).ok()
}

//! Getting the objects: one fetch of all that changed, and one for each ref where that fails because of some.

use carry_kernel::worker::Reason;

use super::Report;
use super::known::Want;
use crate::remote::{Io, Output, Quarantine, Remote, RemoteError, Run, command};
use crate::repo::Repo;

/// So many refs are fetched one by one at most, when all together cannot be.
const ALONE_MAX: usize = 200;

/// Fetches `wants` into `quarantine`; returns those that came, `None` when the remote's refs changed meanwhile.
///
/// # Errors
/// [`RemoteError`].
pub(super) fn all(
    repo: &Repo,
    remote: &Remote,
    wants: Vec<Want>,
    quarantine: &Quarantine,
    io: &Io<'_>,
    report: &mut Report,
) -> Result<Option<Vec<Want>>, RemoteError> {
    let output = run(repo, remote, &wants, quarantine, io)?;
    if output.success {
        return Ok(Some(wants));
    }
    if vanished(&output) {
        return Ok(None);
    }
    let error = output.failure(remote);
    let is_content = matches!(error.reason(), Some(Reason::InvalidData | Reason::InternalError | Reason::Unreachable));
    if !is_content || wants.len() == 1 && !is_bad_data(&error) {
        return Err(error);
    }
    if wants.len() == 1 {
        report.refused.push((wants[0].ref_name(), what_is_wrong(error)));
        return Ok(Some(Vec::new()));
    }
    // One bad line must not stop the others.
    tracing::info!(refs = wants.len(), %error, "fetching refs one by one");
    let mut came = Vec::new();
    let mut last = None;
    for want in wants.into_iter().take(ALONE_MAX) {
        let output = run(repo, remote, std::slice::from_ref(&want), quarantine, io)?;
        if output.success {
            came.push(want);
            continue;
        }
        let error = output.failure(remote);
        report.refused.push((want.ref_name(), what_is_wrong(output.failure(remote))));
        last = Some(error);
    }
    match last {
        // Nothing came: it is the remote that fails, not a line.
        Some(error) if came.is_empty() && !is_bad_data(&error) => {
            report.refused.clear();
            Err(error)
        }
        _ => Ok(Some(came)),
    }
}

fn is_bad_data(error: &RemoteError) -> bool {
    error.reason() == Some(Reason::InvalidData)
}

fn what_is_wrong(error: RemoteError) -> String {
    match error {
        RemoteError::Failed { message, .. } => message,
        other => other.to_string(),
    }
}

/// Whether a ref that was listed is not there any more, or is another.
fn vanished(output: &Output) -> bool {
    output.said.iter().any(|line| line.contains("couldn't find remote ref") || line.contains("not our ref"))
}

fn run(
    repo: &Repo,
    remote: &Remote,
    wants: &[Want],
    quarantine: &Quarantine,
    io: &Io<'_>,
) -> Result<Output, RemoteError> {
    let mut git = command(repo, io);
    quarantine.redirect(&mut git);
    // One pack, however little it is; and nothing of the user's is moved, removed or collected.
    git.args(["-c", "fetch.unpackLimit=1", "-c", "fetch.output=full", "-c", "fetch.writeCommitGraph=false"]);
    git.args(["-c", "fetch.bundleURI=", "-c", "fetch.all=false", "-c", "fetch.parallel=1"]);
    git.args(["fetch", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-auto-maintenance"]);
    git.args(["--no-recurse-submodules", "--refmap=", "--no-filter", "--no-show-forced-updates", "--progress"]);
    git.args(["--stdin", "--", remote.fetch_target()]);
    (io.progress)("fetching", 0, 0);
    let mut run = Run::new(git, remote);
    run.input = Some(wants.iter().map(|want| want.ref_name() + "\n").collect::<String>().into_bytes());
    run.run(io)
}

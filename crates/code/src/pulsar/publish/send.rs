//! Pushing our chains: fast-forward only, each from its private ref to its stream, to the URL.

use carry_kernel::worker::Reason;

use super::super::{STREAMS, Stream};
use crate::git::{ByteSlice as _, ObjectId};
use crate::line::Branch;
use crate::refs::{self, RefError};
use crate::remote::{Io, Output, Remote, RemoteError, Run, command, masked, push_url};
use crate::repo::Repo;

/// So many are pushed at a time at most: a command line has an end.
const STREAMS_MAX: usize = 200;

/// A chain to push.
pub(super) struct Sending {
    pub(super) stream: Stream,
    /// The private ref.
    pub(super) out: String,
    /// Where it is noted that it was sent, …
    pub(super) sent: String,
    /// … and what that says now.
    pub(super) had: Option<ObjectId>,
    /// The tip.
    pub(super) tip: ObjectId,
}

/// Pushes all; returns the branches of those that arrived. One that is refused does not stop the others.
pub(super) fn all(repo: &Repo, remote: &Remote, sendings: &[Sending], io: &Io<'_>) -> Result<Vec<Branch>, RemoteError> {
    let (mut pushed, mut refused) = (Vec::new(), None);
    for some in sendings.chunks(STREAMS_MAX) {
        let output = push(repo, remote, some, io)?;
        for sending in some {
            match outcome(&output, &sending.stream) {
                Outcome::Done => {
                    note(repo, sending)?;
                    pushed.push(sending.stream.branch.clone());
                }
                Outcome::Unsaid if !output.success && refused.is_none() => refused = Some(output.failure(remote)),
                Outcome::Unsaid => {}
                Outcome::Refused(why) => {
                    tracing::warn!(name = sending.stream.remote_ref(), why, "the remote refused a stream");
                    refused.get_or_insert_with(|| explained(remote, &sending.stream, &why, &output));
                }
            }
        }
    }
    match refused {
        Some(error) => Err(error),
        None => Ok(pushed),
    }
}

fn push(repo: &Repo, remote: &Remote, sendings: &[Sending], io: &Io<'_>) -> Result<Output, RemoteError> {
    let mut git = command(repo, io);
    git.args(["-c", "push.negotiate=false", "push", "--no-verify", "--no-follow-tags", "--no-signed"]);
    git.args(["--recurse-submodules=no", "--porcelain", "--progress", "--no-force-if-includes", "--"]);
    git.arg(url(repo, remote));
    git.args(sendings.iter().map(|sending| format!("{}:{}", sending.out, sending.stream.remote_ref())));
    (io.progress)("sending", 0, sendings.len() as u64);
    Run::new(git, remote).run(io)
}

/// By URL, so that Git sees no remote whose tracking refs would have to move.
fn url(repo: &Repo, remote: &Remote) -> String {
    let gix = repo.gix();
    push_url(gix.config_snapshot().plumbing(), &remote.name).unwrap_or_else(|| remote.url.clone())
}

fn note(repo: &Repo, sending: &Sending) -> Result<(), RemoteError> {
    match refs::update(repo, &sending.sent, sending.had, sending.tip) {
        // Another process pushed it as well.
        Ok(_) | Err(RefError::Moved { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

enum Outcome {
    Done,
    Refused(String),
    Unsaid,
}

/// What `git push --porcelain` says of one ref.
fn outcome(output: &Output, stream: &Stream) -> Outcome {
    let name = stream.remote_ref();
    for line in output.stdout.lines() {
        let mut parts = line.splitn(3, |b| *b == b'\t');
        let (Some(flag), Some(refs), Some(summary)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if refs.rsplit_once_str(":").is_some_and(|(_, to)| to == name.as_bytes()) {
            let refused = || Outcome::Refused(summary.to_str_lossy().into_owned());
            return if flag == b"!" { refused() } else { Outcome::Done };
        }
    }
    Outcome::Unsaid
}

/// Why a remote took no stream, and what to do.
fn explained(remote: &Remote, stream: &Stream, why: &str, output: &Output) -> RemoteError {
    let failed = |reason, message| RemoteError::Failed { remote: remote.shown_name(), reason, message };
    let name = stream.remote_ref();
    let old = STREAMS.trim_end_matches('/');
    let said = output.said.join(" ");
    if said.contains(&format!("'{old}' exists")) {
        let short = old.trim_start_matches("refs/heads/");
        let message = format!(
            "the branch {short} of an old git-pulsar is in the way: no stream can lie below it. Rename or delete it there (`git push {} :{old}`), or set code.namespace to carry",
            remote.shown_name()
        );
        return failed(Reason::PolicyForbidden, message);
    }
    if ["non-fast-forward", "fetch first", "needs force"].iter().any(|word| why.contains(word)) {
        let message = format!(
            "{name} was written by somebody else; nothing there was changed. Carry's own line is not affected. If nobody needs what is there, delete it there, and it is published anew"
        );
        return failed(Reason::PolicyForbidden, message);
    }
    let remote_said: Vec<&str> =
        output.said.iter().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
    let why = why.trim_start_matches("[remote rejected] ").trim_start_matches("[rejected] ");
    let message = masked(&format!("{name} was refused: {why} {}", remote_said.join(" ")));
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    failed(Reason::PolicyForbidden, message.trim_end().to_owned())
}

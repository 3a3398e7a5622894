//! Asking a remote which lines and streams it has: one connection.

use super::{Io, Remote, RemoteError, Run, command};
use crate::git::{ByteSlice as _, ObjectId};
use crate::line::{LINES, LineName};
use crate::pulsar::{STREAMS, Stream};
use crate::repo::Repo;

/// Most refs that are looked at.
pub(super) const REFS_MAX: usize = 100_000;
/// Longest line of a listing, in bytes, for the bound on all of it.
const LINE_BYTES: usize = 400;

/// What a remote has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Lines and streams of git-pulsar, with their values, by name.
    pub refs: Vec<(String, ObjectId)>,
    /// How many refs where lines are have names that are none, or were too many.
    pub passed_over: usize,
}

impl Listing {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<ObjectId> {
        self.refs.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok().map(|at| self.refs[at].1)
    }
}

/// Asks `remote` for all lines and all streams of git-pulsar.
///
/// # Errors
/// [`RemoteError`].
pub fn ls_remote(repo: &Repo, remote: &Remote, io: &Io<'_>) -> Result<Listing, RemoteError> {
    let mut git = command(repo, io);
    git.args(["ls-remote", "--refs", "--quiet", "--", remote.fetch_target()]);
    git.args([format!("{LINES}*"), format!("{STREAMS}*")]);
    (io.progress)("asking", 0, 0);
    let mut run = Run::new(git, remote);
    run.output_max = REFS_MAX * LINE_BYTES;
    let output = run.run(io)?;
    if !output.success {
        return Err(output.failure(remote));
    }
    Ok(parse(&output.stdout, repo.hash()))
}

/// Reads what `git ls-remote` prints.
pub(super) fn parse(listing: &[u8], hash: gix::hash::Kind) -> Listing {
    let mut found = Listing::default();
    for line in listing.lines() {
        let Some((id, name)) = line.split_once_str("\t") else { continue };
        let is_ours = name.starts_with(LINES.as_bytes()) || name.starts_with(STREAMS.as_bytes());
        let id = ObjectId::from_hex(id).ok().filter(|id| id.kind() == hash && !id.is_null());
        let name = name.to_str().ok().filter(|name| is_line_or_stream(name));
        match (id, name) {
            _ if !is_ours => {}
            (Some(id), Some(name)) if found.refs.len() < REFS_MAX => found.refs.push((name.to_owned(), id)),
            _ => found.passed_over += 1,
        }
    }
    found.refs.sort();
    found.refs.dedup_by(|a, b| a.0 == b.0);
    if found.passed_over > 0 {
        tracing::debug!(refs = found.passed_over, "refs that are no lines were passed over");
    }
    found
}

fn is_line_or_stream(name: &str) -> bool {
    LineName::from_ref(name).is_some() || Stream::from_remote(name).is_some()
}

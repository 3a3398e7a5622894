//! Our lines as streams of git-pulsar.
//!
//! Each stream is a chain of our own at a private ref, `refs/carry-keep/pulsar-out/<tree>/<branch>`. It only ever grows, and
//! is pushed from there, so that nothing that git-pulsar prunes in this clone takes it away.

use carry_kernel::clock::Timestamp;
use carry_kernel::id::{DeviceId, TreeId};
use gix::objs::CommitRef;
use sha2::{Digest as _, Sha256};

use self::send::Sending;
use super::shadow::{self, Shadow};
use super::{STREAMS, Stream, Streams, read};
use crate::context::Context;
use crate::git::{ByteSlice as _, ObjectId};
use crate::history::{self, HistoryError, cannot_read, find_object};
use crate::line::{Branch, LineName};
use crate::pack::{Batch, Kind};
use crate::publish::Published;
use crate::refs;
use crate::registry::{Registry, Tree};
use crate::remote::{Io, Remote, RemoteError};
use crate::repo::Repo;
use crate::settings::LinkSettings;
use crate::snapshot::Snapshot;

mod send;

/// Where our chains live.
const OUT: &str = "refs/carry-keep/pulsar-out/";
/// Where it is noted what of them a remote has.
const SENT: &str = "refs/carry-keep/pulsar-sent/";
/// Hex digits at the end of a slug, as git-pulsar makes them.
const ID_HEX: usize = 8;
/// How far a chain's tip may lie in the future before it is gone on from with an earlier date, in milliseconds. Less than
/// that is waited for.
const AHEAD_MS: i64 = 3_600_000;

/// The slug that a working tree's lines are published under: the host's part of the device's id, `--`, and eight hex digits
/// made of device and tree. Two clones on one machine have a branch of the same name each, and a stream has one writer.
pub fn slug(device: &DeviceId, tree: &TreeId) -> String {
    let host = device.as_str().rsplit_once('-').map_or(device.as_str(), |(host, _)| host);
    format!("{host}--{}", digest(&format!("{device}/{tree}"), ID_HEX))
}

pub(super) fn publish(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    remote: &Remote,
    refused: &[(LineName, ObjectId)],
    io: &Io<'_>,
) -> Result<Streams, RemoteError> {
    if !LinkSettings::new(&ctx.config(Some(&tree.root))).pulsar {
        return Ok(Streams::default());
    }
    let device = ctx.device.id();
    let lines = Registry::open(&ctx.home)?.published(repo.common_dir(), &remote.key())?;
    let own = lines.into_iter().filter(|line| line.line.device == device && line.line.tree == tree.id);
    let (mut sendings, mut instead) = (Vec::new(), Vec::new());
    for line in own {
        let tip = refused.iter().find(|(name, _)| *name == line.line).map(|(_, tip)| *tip);
        let Some(snapshot) = tip.or(line.snapshot) else { continue };
        match prepare(ctx, repo, tree, remote, &line, snapshot) {
            Ok(prepared) => {
                if tip.is_some() && prepared.is_newest {
                    instead.push(line.branch);
                }
                sendings.extend(prepared.sending);
            }
            Err(RemoteError::History(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(branch = line.branch.display(), error, "a line cannot be published for git-pulsar");
            }
            Err(error) => return Err(error),
        }
    }
    // One that does not arrive is an error.
    Ok(Streams { pushed: send::all(repo, remote, &sendings, io)?, instead })
}

/// A line's chain.
#[derive(Default)]
struct Prepared {
    /// Whether its tip says what `snapshot` does.
    is_newest: bool,
    /// What is to be pushed; `None` when the remote has it.
    sending: Option<Sending>,
}

/// Lets the chain of a line grow by `snapshot`.
fn prepare(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    remote: &Remote,
    line: &Published,
    snapshot: ObjectId,
) -> Result<Prepared, RemoteError> {
    let nothing = Prepared::default();
    let Some(stream) = stream(&slug(&line.line.device, &tree.id), &line.branch) else { return Ok(nothing) };
    let at = format!("{}/{}", tree.id, line.line.component);
    let (out, sent) = (format!("{OUT}{at}"), format!("{SENT}{}/{at}", digest(&remote.key(), 16)));
    let Some((tip, is_newest)) = grow(ctx, repo, line, &stream, &out, snapshot)? else { return Ok(nothing) };
    let had = refs::read(repo, &sent)?;
    let sending = (had != Some(tip)).then_some(Sending { stream, out, sent, had, tip });
    Ok(Prepared { is_newest, sending })
}

/// The stream of a branch; `None` for one that has no place there.
fn stream(slug: &str, branch: &Branch) -> Option<Stream> {
    let Branch::Named(name) = branch else { return None };
    let name = name.to_str().ok()?;
    // A HEAD outside the branches, and git-pulsar's own streams checked out.
    let is_branch = !name.starts_with("refs/") && !name.starts_with("wip/pulsar/");
    Stream::from_remote(&format!("{STREAMS}{slug}/{name}")).filter(|_| is_branch)
}

/// Adds `snapshot` to the chain at the ref `out`, unless it is its tip; returns the tip, and whether it says what
/// `snapshot` does.
fn grow(
    ctx: &Context,
    repo: &Repo,
    line: &Published,
    stream: &Stream,
    out: &str,
    snapshot: ObjectId,
) -> Result<Option<(ObjectId, bool)>, RemoteError> {
    let gix = repo.gix();
    let at = refs::read(repo, out)?;
    let previous = match at {
        Some(tip) => Some(shadow::get(&gix, tip)?),
        None => lost(repo, &gix, line, stream)?,
    };
    let tip = previous.as_ref().map(|previous| previous.id);
    let snapshot = history::snapshot(&gix, snapshot)?;
    let head = snapshot.meta.head;
    if let Some(previous) = &previous
        && (previous.trailer(SNAPSHOT) == Some(&snapshot.commit.to_string())
            || previous.tree == snapshot.tree && previous.head(&gix)? == head)
    {
        // Found again on a remote, it has no ref here yet.
        if at.is_none() {
            refs::update(repo, out, None, previous.id)?;
        }
        return Ok(tip.map(|tip| (tip, true)));
    }
    let Some(time) = time(snapshot.time, previous.as_ref().map(|previous| previous.time), ctx.clock.now()) else {
        tracing::info!(
            branch = stream.branch.display(),
            "the stream's tip is from the future; it grows when that has come"
        );
        return Ok(tip.map(|tip| (tip, false)));
    };
    let mut batch = Batch::new(repo.hash());
    let commit = batch.add(Kind::Commit, &commit(&gix, &snapshot, tip, time)?);
    let keep = read::write(ctx, repo, &batch)?;
    refs::update(repo, out, at, commit)?;
    drop(keep);
    Ok(Some((commit, true)))
}

/// The trailer that names the snapshot.
const SNAPSHOT: &str = "Carry-Snapshot: ";
/// The trailer that names the working tree.
const TREE: &str = "Carry-Tree: ";

/// The tip of our chain as it came back from a remote, when its ref here is gone.
fn lost(repo: &Repo, gix: &gix::Repository, line: &Published, stream: &Stream) -> Result<Option<Shadow>, RemoteError> {
    let Some(tip) = refs::read(repo, &stream.fetched_ref())? else { return Ok(None) };
    let is_ours = |shadow: &Shadow| {
        shadow.trailer(shadow::DEVICE) == Some(line.line.device.as_str())
            && shadow.trailer(TREE) == Some(line.line.tree.as_str())
    };
    Ok(shadow::find(gix, tip)?.filter(is_ours))
}

/// When the next commit of a chain was made: when it was captured, but after the one before it and not in the future.
/// `None` when there is no such time yet.
fn time(captured: Timestamp, previous: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let second = |time: Timestamp| Timestamp::from_secs(time.as_secs());
    let (captured, now) = (second(captured).min(second(now)), second(now));
    let Some(previous) = previous else { return Some(captured) };
    let next = captured.max(Timestamp::from_secs(previous.as_secs().saturating_add(1)));
    if next <= now {
        return Some(next);
    }
    // A clock was wrong by more than can be waited for. git-pulsar ranks by the tip's time alone.
    (previous.as_millis().saturating_sub(now.as_millis()) > AHEAD_MS).then_some(captured)
}

/// The commit object (without its header): the snapshot's tree, on top of `previous` and HEAD.
fn commit(
    gix: &gix::Repository,
    snapshot: &Snapshot,
    previous: Option<ObjectId>,
    time: Timestamp,
) -> Result<Vec<u8>, HistoryError> {
    let unreadable = |problem: String| cannot_read(&format!("commit {}", snapshot.commit), gix.path(), problem);
    let object = find_object(gix, snapshot.commit)?;
    let original =
        CommitRef::from_bytes(&object.data, snapshot.commit.kind()).map_err(|e| unreadable(e.to_string()))?;
    let author = original.author().map_err(|e| unreadable(e.to_string()))?;
    let committer = original.committer().map_err(|e| unreadable(e.to_string()))?;
    let mut parents: Vec<ObjectId> = previous.into_iter().chain(snapshot.meta.head).collect();
    parents.dedup();
    let mut raw = format!("tree {}\n", snapshot.tree).into_bytes();
    for parent in parents {
        raw.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    let seconds = time.as_secs();
    for (role, who) in [("author ", author), ("committer ", committer)] {
        let seconds = format!("> {seconds} +0000\n");
        raw.extend([role.as_bytes(), who.name, b" <", who.email, seconds.as_bytes()].concat());
    }
    raw.extend_from_slice(message(snapshot).as_bytes());
    Ok(raw)
}

/// The empty line and what follows it.
fn message(snapshot: &Snapshot) -> String {
    let captured = snapshot.time.to_rfc3339();
    // `2026-11-20T10:55:00.000Z`
    let (date, rest) = captured.split_once('T').unwrap_or((&captured, ""));
    let clock = rest.split('.').next().unwrap_or_default();
    let meta = &snapshot.meta;
    format!(
        "\n{} {date} {clock}\n\n{}{}\n{TREE}{}\n{SNAPSHOT}{}\n",
        shadow::SUBJECT,
        shadow::DEVICE,
        meta.device,
        meta.tree_id,
        snapshot.commit
    )
}

/// The first hex digits of the SHA-256 of `text`.
fn digest(text: &str, digits: usize) -> String {
    let mut hex: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    #[test]
    fn times_grow_along_a_chain_and_never_lie_in_the_future() {
        assert_eq!(time(at(-100), None, NOW), Some(at(-100)));
        assert_eq!(time(at(-100), Some(at(-200)), NOW), Some(at(-100)));
        assert_eq!(time(at(-100), Some(at(-100)), NOW), Some(at(-99)));
        assert_eq!(time(at(-100), Some(at(-50)), NOW), Some(at(-49)));
        assert_eq!(time(at(500), None, NOW), Some(NOW));
        assert_eq!(time(at(500), Some(at(-1)), NOW), Some(NOW));
    }

    #[test]
    fn a_tip_from_the_future_is_waited_for_unless_that_takes_too_long() {
        assert_eq!(time(at(-100), Some(NOW), NOW), None);
        assert_eq!(time(at(-100), Some(at(60)), NOW), None);
        assert_eq!(time(at(-100), Some(at(100_000)), NOW), Some(at(-100)));
    }

    #[test]
    fn a_slug_is_one_component_with_a_name_and_eight_digits_and_each_tree_has_its_own() {
        let device: DeviceId = "my-host-0123abcd".parse().unwrap();
        let (one, other): (TreeId, TreeId) = ("0123456789ab".parse().unwrap(), "0123456789ac".parse().unwrap());
        let (name, id) = slug(&device, &one).split_once("--").map(|(n, i)| (n.to_owned(), i.to_owned())).unwrap();
        assert_eq!(name, "my-host");
        assert!(id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(slug(&device, &one), slug(&device, &other));
    }

    #[test]
    fn branches_that_have_no_place_there_are_passed_over() {
        let named = |name: &str| stream("host--01234567", &Branch::Named(name.into()));
        assert!(named("main").is_some() && named("feature/x").is_some());
        for name in ["refs/remotes/origin/main", "wip/pulsar/a--b/main", "a..b", "a b", ""] {
            assert_eq!(named(name), None, "{name}");
        }
        assert_eq!(stream("host--01234567", &Branch::Detached), None);
    }
}

//! Lines of other devices and streams of git-pulsar: whether what came is theirs, and newer than what is here.

use super::Fetched;
use super::verify::{self, Met, Move, Sealed, Verdict, chain, own_count};
use crate::git::{ByteSlice as _, ObjectId};
use crate::history;
use crate::line::LineName;
use crate::pulsar::Stream;
use crate::registry::Registry;
use crate::remote::RemoteError;
use crate::snapshot::Snapshot;

/// How a line that came stands to what is here of it.
pub(crate) enum Opinion {
    /// It is whole, its device's, and newer than what is here.
    Newer(Box<Sealed>),
    /// It is what is here.
    Same,
    /// It is older than what is here.
    Older,
    /// It is not to be taken, and why.
    Refused(String),
}

/// Judges the line `name` whose value is `value`, beside the value `held` here. `pinned` is the key that is known of the
/// device. However it came: nothing but its signature says whose it is.
pub(crate) fn opinion(
    gix: &gix::Repository,
    name: &LineName,
    value: ObjectId,
    pinned: Option<[u8; 32]>,
    held: Option<ObjectId>,
) -> Opinion {
    let sealed = match verify::line(gix, name, value) {
        Ok(sealed) => sealed,
        Err(why) => return Opinion::Refused(why),
    };
    if pinned.is_some_and(|key| key != sealed.seal.key) {
        let id = &name.device;
        return Opinion::Refused(format!(
            "it carries the id of {id} under another key: an impostor, or a device made anew"
        ));
    }
    let Some(held) = held else { return Opinion::Newer(Box::new(sealed)) };
    if held == value {
        return Opinion::Same;
    }
    match compare(gix, name, held, &sealed) {
        Standing::Newer => Opinion::Newer(Box::new(sealed)),
        Standing::Older => Opinion::Older,
        Standing::Forked => {
            Opinion::Refused("it forked: two machines write this line, or its history was replaced".to_owned())
        }
        Standing::Unreadable(why) => Opinion::Refused(why),
    }
}

/// What becomes of a line of another device, or of another clone on this one.
pub(super) fn judge(
    fetched: &Fetched<'_>,
    gix: &gix::Repository,
    name: &LineName,
    value: ObjectId,
    registry: &Registry,
) -> Result<Verdict, RemoteError> {
    let id = name.device.as_str();
    let pinned = if name.device == fetched.known.device {
        fetched.ctx.device.get().public_key_of(&name.device)
    } else {
        registry.device(id)?.and_then(|known| known.key)
    };
    let held = fetched.known.local(name);
    let sealed = match opinion(gix, name, value, pinned, held) {
        Opinion::Newer(sealed) => sealed,
        Opinion::Same => return Ok(Verdict::Ignore),
        Opinion::Older if several_remotes(fetched, registry)? || registry.came_by_exchange(name)? => {
            return Ok(Verdict::Ignore);
        }
        Opinion::Older => {
            return Ok(Verdict::Refuse("it is older than what is here: it was rolled back there".to_owned()));
        }
        Opinion::Refused(why) => return Ok(Verdict::Refuse(why)),
    };
    let step = Move {
        shown: name.ref_name(),
        name: name.ref_name(),
        old: held,
        new: value,
        needed: vec![value, sealed.seal.keeper, sealed.tip.commit, sealed.tip.tree],
        is_news: true,
    };
    let met = Met { id: id.to_owned(), key: Some(sealed.seal.key), label: sealed.seal.label.clone() };
    Ok(Verdict::Take(step, Some(met)))
}

/// What becomes of a stream of git-pulsar. It carries no signature, and may be rewritten at any time.
pub(super) fn judge_stream(fetched: &Fetched<'_>, gix: &gix::Repository, stream: &Stream, value: ObjectId) -> Verdict {
    let tree = match verify::commit_tree(gix, value) {
        Ok(tree) => tree,
        Err(why) => return Verdict::Refuse(format!("it is no commit with a tree: {why}")),
    };
    // Devices that run Carry may publish in that layout besides; their lines say more.
    let is_carrys = history::find_commit(gix, value).is_ok_and(|commit| commit.data.contains_str("\nCarry-Snapshot: "));
    let step = Move {
        shown: stream.remote_ref(),
        name: stream.fetched_ref(),
        old: fetched.known.stream(stream),
        new: value,
        needed: vec![value, tree],
        is_news: !is_carrys,
    };
    let label = stream.slug.split_once("--").map_or(stream.slug.as_str(), |(name, _)| name).to_owned();
    let id = stream.writer().id();
    Verdict::Take(step, (!is_carrys).then_some(Met { id, key: None, label }))
}

/// How what came stands to what is here.
enum Standing {
    Newer,
    Older,
    Forked,
    Unreadable(String),
}

fn compare(gix: &gix::Repository, name: &LineName, held: ObjectId, came: &Sealed) -> Standing {
    let (count, tip, keeper) = match super::known::read_seal(gix, held) {
        Ok((seal, _)) => match history::keeper(gix, seal.keeper) {
            Ok((tip, _)) => (Some(seal.count), tip, seal.keeper),
            // What cannot be read is no reason to keep it.
            Err(_) => return Standing::Newer,
        },
        // A keeper came with a copy of the repository, without its seal.
        Err(_) => match history::keeper(gix, held) {
            Ok((tip, _)) => (None, tip, held),
            Err(_) => return Standing::Newer,
        },
    };
    match forked(gix, name, (&tip, keeper), came) {
        Ok(true) => return Standing::Forked,
        Ok(false) => {}
        Err(error) => return Standing::Unreadable(format!("its history cannot be read: {error}")),
    }
    let (ours, theirs) = (own_count(name, &tip), own_count(name, &came.tip));
    match count {
        Some(count) if came.seal.count < count || theirs < ours => Standing::Older,
        Some(count) if came.seal.count == count => Standing::Forked,
        None if theirs < ours => Standing::Older,
        _ => Standing::Newer,
    }
}

/// Whether both count the same snapshot differently: then two wrote it.
fn forked(
    gix: &gix::Repository,
    name: &LineName,
    (tip, keeper): (&Snapshot, ObjectId),
    came: &Sealed,
) -> Result<bool, history::HistoryError> {
    let (ours, theirs) = (own_count(name, tip), own_count(name, &came.tip));
    let contradicts = |chain: Vec<(ObjectId, u64)>, count: u64, commit: ObjectId| {
        count > 0 && chain.iter().any(|(other, n)| *n == count && *other != commit)
    };
    if theirs >= ours {
        Ok(contradicts(chain(gix, name, Some(came.seal.keeper), ours)?, ours, tip.commit))
    } else {
        Ok(contradicts(chain(gix, name, Some(keeper), theirs)?, theirs, came.tip.commit))
    }
}

/// Where lines go to several remotes, one of them is behind the other for a while.
fn several_remotes(fetched: &Fetched<'_>, registry: &Registry) -> Result<bool, RemoteError> {
    let links = registry.links(fetched.repo.common_dir())?;
    Ok(links.iter().any(|link| link.url != fetched.remote.key() && link.fetched.is_some()))
}

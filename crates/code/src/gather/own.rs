//! Our own lines as they lie on a remote: what we published, something older, something newer, or another machine's.

use std::collections::{HashMap, HashSet};

use super::Fetched;
use super::known::is_seal;
use super::verify::{self, Fork, Met, Move, OwnState, Sealed, Verdict, chain, own_count};
use crate::git::ObjectId;
use crate::history::{self, HistoryError};
use crate::line::LineName;
use crate::registry::Registry;
use crate::remote::RemoteError;
use crate::snapshot::Snapshot;

/// What becomes of one of our lines that says something else than what we published.
pub(super) fn judge(
    fetched: &Fetched<'_>,
    gix: &gix::Repository,
    name: &LineName,
    value: ObjectId,
    registry: &Registry,
) -> Result<Verdict, RemoteError> {
    let here = match fetched.known.keeper(name) {
        Some(keeper) => match history::keeper(gix, keeper) {
            Ok((tip, _)) => Some((keeper, tip)),
            Err(error) => return Ok(unreadable(&error)),
        },
        None => None,
    };
    // Another is written in its place only where there is none, or a mirroring fetch put a seal there.
    if here.is_none() && fetched.known.local(name).is_some_and(|held| !is_seal(gix, held)) {
        let why = "the line cannot be read here; `carry doctor` says more".to_owned();
        return Ok(Verdict::Refuse(why));
    }
    let branch = here.as_ref().map(|(_, tip)| tip.meta.branch.clone());
    let sealed = verify::line(gix, name, value).and_then(|sealed| {
        let ours = fetched.ctx.device.get().public_key_of(&name.device) == Some(sealed.seal.key);
        if ours { Ok(sealed) } else { Err("it carries this device's id under another key".to_owned()) }
    });
    let sealed = match sealed {
        Ok(sealed) => sealed,
        Err(why) => {
            let state = OwnState {
                name: name.clone(),
                branch,
                value,
                seal: None,
                snapshot: None,
                is_newest: false,
                is_lost: true,
            };
            return Ok(Verdict::Foreign(state, format!("{why}; it is written over at the next push")));
        }
    };
    let published = fetched.known.published.get(&name.ref_name());
    let known_count =
        registry.seals(name)?.into_iter().find(|known| known.url == fetched.remote.key()).map(|k| k.count);
    let state = |is_newest: bool| OwnState {
        name: name.clone(),
        branch: Some(sealed.seal.branch.clone()),
        value,
        seal: Some((sealed.raw.clone(), sealed.seal.count)),
        snapshot: Some(sealed.tip.commit),
        is_newest,
        is_lost: !is_newest
            && published.is_some_and(|row| row.seal.is_some())
            && known_count.is_none_or(|known| sealed.seal.count < known),
    };
    let step = |new: ObjectId, is_news: bool| Move {
        shown: name.ref_name(),
        name: name.ref_name(),
        old: fetched.known.local(name),
        new,
        needed: vec![new, sealed.seal.keeper, sealed.tip.commit, sealed.tip.tree],
        is_news,
    };
    let Some((keeper, tip)) = here else {
        // The repository was made anew at its old place, and has its lines again.
        return Ok(Verdict::Forward(step(sealed.seal.keeper, false), state(true)));
    };
    // One bad line must not stop the others.
    let ours = match chain(gix, name, Some(keeper), 0) {
        Ok(ours) => ours,
        Err(error) => return Ok(unreadable(&error)),
    };
    let relation = match relate(gix, name, &ours, &tip, &sealed) {
        Ok(relation) => relation,
        Err(error) => return Ok(Verdict::Refuse(format!("its history cannot be read: {error}"))),
    };
    Ok(match relation {
        Relation::Same => Verdict::Own(state(true)),
        Relation::Behind => Verdict::Own(state(false)),
        Relation::Ahead => Verdict::Forward(step(sealed.seal.keeper, false), state(true)),
        Relation::Forked { shared } => {
            let (id, label) = (name.device.as_str().to_owned(), sealed.seal.label.clone());
            let met = Met { id, key: Some(sealed.seal.key), label };
            Verdict::Fork(Fork { name: name.clone(), shared }, step(value, true), met)
        }
    })
}

fn unreadable(error: &HistoryError) -> Verdict {
    Verdict::Refuse(format!("our own line cannot be read here: {error}; `carry doctor` says more"))
}

/// How the line there stands to ours.
enum Relation {
    Same,
    Behind,
    Ahead,
    Forked { shared: u64 },
}

fn relate(
    gix: &gix::Repository,
    name: &LineName,
    ours: &[(ObjectId, u64)],
    tip: &Snapshot,
    sealed: &Sealed,
) -> Result<Relation, HistoryError> {
    if tip.commit == sealed.tip.commit {
        return Ok(Relation::Same);
    }
    let theirs = chain(gix, name, Some(sealed.seal.keeper), 0)?;
    let by_count: HashMap<u64, ObjectId> = ours.iter().filter(|(_, n)| *n > 0).map(|(id, n)| (*n, *id)).collect();
    let commits: HashSet<ObjectId> = ours.iter().map(|(id, _)| *id).collect();
    let contradicts = theirs.iter().any(|(id, n)| by_count.get(n).is_some_and(|here| here != id));
    let shared = theirs.iter().filter(|(id, _)| commits.contains(id)).map(|(_, n)| *n).max().unwrap_or(0);
    if contradicts {
        return Ok(Relation::Forked { shared });
    }
    if commits.contains(&sealed.tip.commit) {
        return Ok(Relation::Behind);
    }
    if theirs.iter().any(|(id, _)| *id == tip.commit) {
        return Ok(Relation::Ahead);
    }
    // Thinning may have taken from ours what lies there; it takes nothing that is newer than our newest.
    if own_count(name, &sealed.tip) < own_count(name, tip) {
        Ok(Relation::Behind)
    } else {
        Ok(Relation::Forked { shared })
    }
}

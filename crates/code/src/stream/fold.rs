//! Folding records: each line is judged as one that comes from a Git remote is, and put where those are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use carry_exchange::name::LogId;
use carry_exchange::ranges::Ranges;
use carry_exchange::store::StoreError;
use carry_exchange::strand::{Batch, Folded, Origin, outbox};
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use super::payload::LinePayload;
use super::places::Place;
use super::{CodeStrand, StreamError, intake};
use crate::gather::{self, Move, Opinion, own_count};
use crate::git::ObjectId;
use crate::history::{self, HistoryError};
use crate::keeper::keeper_bytes;
use crate::line::LineName;
use crate::pack::{Batch as Objects, Kind};
use crate::refs;
use crate::registry::{self, Came, CamePlace, Introduced, Word};
use crate::remote::Quarantine;
use crate::repo::Repo;
use crate::seal::Seal;

/// How often a line is judged anew because another process moved it meanwhile: two remotes may bring the same at once.
const TRIES_MAX: usize = 5;

/// See [`carry_exchange::strand::Strand::fold`]. Passes the fault points `code.fold.written`, `code.fold.moved`,
/// `code.fold.noted`.
pub(super) fn fold(strand: &mut CodeStrand, batch: &Batch<'_>) -> Result<(), StreamError> {
    strand.ctx.refresh_device()?;
    // Of each line only the newest record says anything.
    let mut newest: BTreeMap<&[u8], &Folded> = BTreeMap::new();
    for folded in batch.records {
        let known = newest.entry(&folded.record.key).or_insert(folded);
        if folded.record.seq > known.record.seq {
            *known = folded;
        }
    }
    let origin = batch.origin;
    let mut rows = Vec::new();
    let mut touched: BTreeMap<PathBuf, Repo> = BTreeMap::new();
    for (key, folded) in newest {
        let seq = folded.record.seq;
        let known = registry::seq_of(strand.registry.db().conn(), origin.log, origin.track, key);
        if known.map_err(StoreError::from)?.is_some_and(|known| known > seq) {
            continue;
        }
        let mut came = Came {
            log: origin.log,
            track: origin.track,
            key: key.to_vec(),
            seq,
            alias: batch.alias.to_owned(),
            payload: folded.record.payload.clone(),
            problem: None,
        };
        let places = match LinePayload::parse(&came.payload).and_then(|line| fits(&line, key).map(|()| line)) {
            Ok(line) => take(strand, origin.log, &line, &mut touched)?,
            Err(problem) => {
                came.problem = Some(problem);
                Vec::new()
            }
        };
        rows.push((came, places));
    }
    let failed = || DiskError::at("note what came in", strand.ctx.home.data_dir());
    fault::point("code.fold.moved").map_err(failed())?;
    let waits: BTreeSet<PathBuf> = rows
        .iter()
        .flat_map(|(_, places)| places.iter().filter(|place| place.again).map(|place| place.common_dir.clone()))
        .collect();
    strand.registry.db().write(|tx| {
        for (came, places) in &rows {
            registry::put_came(tx, came, places)?;
        }
        outbox::cover(tx, origin, batch.covers)?;
        Ok::<_, StoreError>(())
    })?;
    fault::point("code.fold.noted").map_err(failed())?;
    for (dir, repo) in touched {
        if !waits.contains(&dir) {
            intake::let_go(&repo, origin.log)?;
            intake::few_packs(strand, &repo);
        }
    }
    Ok(())
}

/// A record replaces those of its key, and so it must be the line's own.
fn fits(line: &LinePayload, key: &[u8]) -> Result<(), String> {
    if LinePayload::key(&line.line) == key { Ok(()) } else { Err("its key is another line's".to_owned()) }
}

/// Puts a line into every repository that it is of; says what became of it there. One that fails is tried again.
fn take(
    strand: &mut CodeStrand,
    log: LogId,
    line: &LinePayload,
    touched: &mut BTreeMap<PathBuf, Repo>,
) -> Result<Vec<CamePlace>, StreamError> {
    let mut done = Vec::new();
    for place in strand.places_for(log, line)? {
        touched.insert(place.common_dir(), place.repo.clone());
        let mut row = CamePlace {
            common_dir: place.common_dir(),
            ref_name: line.line.ref_name(),
            value: None,
            problem: None,
            again: false,
        };
        match into(strand, log, line, &place) {
            Ok(Taken::Moved(value)) => row.value = Some(value),
            Ok(Taken::IsThere | Taken::Overtaken) => {}
            Ok(Taken::Refused(why)) => {
                tracing::warn!(line = row.ref_name, why, "a line that came is not taken");
                row.problem = Some(why);
            }
            Err(error @ (StreamError::Db(_) | StreamError::Store(_))) => return Err(error),
            Err(error) => {
                tracing::warn!(line = row.ref_name, %error, "a line that came waits");
                (row.problem, row.again) = (Some(error.to_string()), true);
            }
        }
        done.push(row);
    }
    Ok(done)
}

/// What became of a line in one repository.
enum Taken {
    /// Its ref is at this value now.
    Moved(ObjectId),
    /// It, or something newer, was there.
    IsThere,
    /// It is none that can be taken.
    Refused(String),
    /// Its ref is not where it was when the line was judged: it is to be judged anew.
    Overtaken,
}

fn into(strand: &mut CodeStrand, log: LogId, line: &LinePayload, place: &Place) -> Result<Taken, StreamError> {
    for _ in 0..TRIES_MAX {
        match judge(strand, log, line, place)? {
            Taken::Overtaken => {}
            taken => return Ok(taken),
        }
    }
    let message = format!("{} is moved by another process all the time", line.line.ref_name());
    Err(StreamError::Git { what: "a line".to_owned(), repo: place.repo.root().to_owned(), message })
}

fn judge(strand: &mut CodeStrand, log: LogId, line: &LinePayload, place: &Place) -> Result<Taken, StreamError> {
    // Packs came since it was opened.
    let place = &Place { repo: place.repo.reopen()?, ..place.clone() };
    let repo = &place.repo;
    let (name, ref_name) = (&line.line, line.line.ref_name());
    let quarantine = Quarantine::new(repo)?;
    let value = match rebuild(repo, line, &quarantine)? {
        Ok(value) => value,
        Err(why) => return Ok(Taken::Refused(why)),
    };
    let gix = quarantine.open(repo)?;
    let own_key = strand.ctx.device.get().public_key_of(&name.device);
    let pinned = match own_key {
        Some(key) => Some(key),
        None => strand.registry.device(name.device.as_str())?.and_then(|known| known.key),
    };
    let held = refs::read(repo, &ref_name)?;
    if own_key.is_some() && place.has_tree(&name.tree) {
        return own(strand, line, place, &gix, value, held, pinned, &quarantine);
    }
    let seal = match gather::opinion(&gix, name, value, pinned, held) {
        Opinion::Newer(sealed) => sealed.seal,
        Opinion::Same | Opinion::Older => return Ok(Taken::IsThere),
        Opinion::Refused(why) => return Ok(Taken::Refused(why)),
    };
    if own_key.is_none() {
        // Before the line is there, so that nobody meets it as an unknown device's.
        vouch(strand, log, &seal)?;
    }
    move_line(strand, place, &gix, &quarantine, line, held, value, seal.keeper)
}

/// Makes the keepers and the seal that the record means, in quarantine. Gives the seal; or what is wrong.
fn rebuild(repo: &Repo, line: &LinePayload, quarantine: &Quarantine) -> Result<Result<ObjectId, String>, StreamError> {
    let gix = repo.gix();
    let mut batch = Objects::new(repo.hash());
    let mut previous = None;
    for commit in &line.snapshots {
        let snapshot = match history::snapshot(&gix, *commit) {
            Ok(snapshot) => snapshot,
            Err(HistoryError::NotASnapshot(error)) => return Ok(Err(error.to_string())),
            // Not there, or not any more: it is asked for again.
            Err(error) => return Err(error.into()),
        };
        previous = Some(batch.add(Kind::Commit, &keeper_bytes(*commit, snapshot.tree, previous, snapshot.time)));
    }
    let raw = line.seal.as_bytes();
    let id = Objects::id_of(repo.hash(), Kind::Commit, raw);
    let seal = match Seal::from_commit(id, raw) {
        Ok(seal) => seal,
        Err(error) => return Ok(Err(format!("it is no valid seal: {}", error.problem))),
    };
    if Some(seal.keeper) != previous {
        return Ok(Err("its seal stands on other snapshots than it names".to_owned()));
    }
    batch.add(Kind::Commit, raw);
    batch.write(quarantine.dir())?;
    Ok(Ok(id))
}

/// An approved log speaks for the devices whose seals it carries. Once: an approval that was taken back stays so.
fn vouch(strand: &mut CodeStrand, log: LogId, seal: &Seal) -> Result<(), StreamError> {
    let device = Introduced { id: seal.line.device.as_str(), key: seal.key, label: &seal.label };
    strand.registry.follow_log(log, Word::Approved, &device, strand.ctx.clock.now())?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the parts of one move, each checked by its caller")]
fn move_line(
    strand: &mut CodeStrand,
    place: &Place,
    gix: &gix::Repository,
    quarantine: &Quarantine,
    line: &LinePayload,
    held: Option<ObjectId>,
    value: ObjectId,
    keeper: ObjectId,
) -> Result<Taken, StreamError> {
    let repo = &place.repo;
    let kept = gather::objects(repo, quarantine, gix, &mut strand.registry)?;
    fault::point("code.fold.written").map_err(DiskError::at("take a line into", repo.root()))?;
    let name = line.line.ref_name();
    let mut needed = vec![value, keeper];
    needed.extend(&line.snapshots);
    let step = Move { shown: name.clone(), name, old: held, new: value, needed, is_news: true };
    let mut report = gather::Report::default();
    gather::move_ref(repo, &step, &mut report)?;
    drop(kept);
    match report.refused.into_iter().next() {
        Some(_) if refs::read(repo, &step.name)? != held => Ok(Taken::Overtaken),
        // It is tried again from where the ref is then.
        Some((_, message)) => {
            Err(StreamError::Git { what: "a line".to_owned(), repo: repo.root().to_owned(), message })
        }
        None => Ok(Taken::Moved(value)),
    }
}

/// One of our own lines comes back, from a copy of a home or since the repository was made anew.
#[expect(clippy::too_many_arguments, reason = "what was looked up for every line already")]
fn own(
    strand: &mut CodeStrand,
    line: &LinePayload,
    place: &Place,
    gix: &gix::Repository,
    value: ObjectId,
    held: Option<ObjectId>,
    pinned: Option<[u8; 32]>,
    quarantine: &Quarantine,
) -> Result<Taken, StreamError> {
    // Judged by itself: what is here is a keeper, not a seal.
    let sealed = match gather::opinion(gix, &line.line, value, pinned, None) {
        Opinion::Newer(sealed) => sealed,
        Opinion::Same | Opinion::Older => return Ok(Taken::IsThere),
        Opinion::Refused(why) => return Ok(Taken::Refused(why)),
    };
    let keeper = sealed.seal.keeper;
    let Some(held) = held else {
        return move_line(strand, place, gix, quarantine, line, None, keeper, keeper);
    };
    let is_seal = history::seal(gix, held).is_ok_and(|seal| seal.is_some());
    let Ok((tip, _)) = history::keeper(gix, held) else {
        // A mirroring fetch put a seal there, or it cannot be read; the next capture and `doctor` see to that.
        let why = if is_seal { "a seal lies in its place" } else { "the line cannot be read here" };
        return Ok(Taken::Refused(why.to_owned()));
    };
    let ours = chain(gix, held)?;
    if ours.contains(&sealed.tip.commit) {
        return Ok(Taken::IsThere);
    }
    if line.snapshots.contains(&tip.commit) {
        return move_line(strand, place, gix, quarantine, line, Some(held), keeper, keeper);
    }
    // Thinning may have taken from ours what was said; it takes nothing that is newer than our newest.
    if own_count(&line.line, &sealed.tip) < own_count(&line.line, &tip) {
        return Ok(Taken::IsThere);
    }
    Ok(Taken::Refused("another machine writes this line as this device, perhaps from a copy of its home".to_owned()))
}

fn chain(gix: &gix::Repository, keeper: ObjectId) -> Result<BTreeSet<ObjectId>, StreamError> {
    let mut found = BTreeSet::new();
    let mut next = Some(keeper);
    while let Some(id) = next {
        let (snapshot, before) = history::keeper(gix, id)?;
        found.insert(snapshot.commit);
        next = before;
    }
    Ok(found)
}

/// Has those records handed over again that could not be put where they belong, or belong to a repository that was added
/// since.
pub(super) fn heal(strand: &mut CodeStrand) -> Result<(), StreamError> {
    let mut again: BTreeMap<(LogId, u32), Ranges> = BTreeMap::new();
    let here: BTreeSet<PathBuf> = strand.places()?.iter().map(Place::common_dir).collect();
    let is_same = strand.healed.as_ref() == Some(&here);
    for came in strand.registry.came()? {
        let places = strand.registry.places_of(&came)?;
        let mut is_due = places.iter().any(|place| place.again && here.contains(&place.common_dir));
        if !is_due && came.problem.is_none() && (!is_same || places.is_empty()) {
            let Ok(line) = LinePayload::parse(&came.payload) else { continue };
            let belongs = strand.places_for(came.log, &line)?;
            is_due = belongs.iter().any(|place| !places.iter().any(|known| known.common_dir == place.common_dir()));
        }
        if is_due {
            again.entry((came.log, came.track)).or_default().insert_one(came.seq);
        }
    }
    for ((log, track), ranges) in again {
        let origin = Origin { log, track, stream: strand.stream.clone() };
        strand.registry.db().write(|tx| {
            let applied = outbox::applied(tx, &origin)?;
            outbox::uncover(tx, &origin, 0)?;
            outbox::cover(tx, &origin, &applied.difference(&ranges))?;
            Ok::<_, StoreError>(())
        })?;
    }
    strand.healed = Some(here);
    Ok(())
}

/// Whether a line's ref is where the exchange moved it.
pub(super) fn is_ours(repo: &Repo, name: &LineName, value: ObjectId) -> Result<bool, StreamError> {
    Ok(refs::read(repo, &name.ref_name())? == Some(value))
}

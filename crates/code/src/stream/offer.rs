//! Saying: which lines have something new, what of them is said, and in which packs.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use carry_exchange::record::{AttachmentId, Flags};
use carry_exchange::store::{Store, StoreError};
use carry_exchange::strand::Offered;
use carry_exchange::strand::outbox::{self, Outgoing};
use carry_kernel::clock::Timestamp;
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use super::identity::RepositoryId;
use super::listing::Listing;
use super::pack::StandsOn;
use super::payload::{KIND, KIND_VERSION, LinePayload, SNAPSHOTS_MAX};
use super::places::Place;
use super::standing::LineStanding;
use super::{CodeStrand, StreamError, answer, kept, pack};
use crate::git::ObjectId;
use crate::history;
use crate::keeper::keeper_bytes;
use crate::line::{Branch, LINES, LineName};
use crate::pack::{Batch, Kind};
use crate::prune;
use crate::publish;
use crate::refs;
use crate::registry::{self, SaidLine, SaidSnapshot};
use crate::retention::{Item, Policy};
use crate::seal::Seal;
use crate::secrets::Finding;
use crate::snapshot::Snapshot;
use crate::tips;

/// Why a snapshot is pinned that later packs stand on.
pub(super) const PIN: &str = "said";
/// The place that seals which were said are kept under, beside those that lie on Git remotes.
pub(super) const SEALS: &str = "exchange:";
/// What failed for a reason that may pass is tried again after so long, …
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// … and what was too large, after so long.
const LARGE_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// A line that has something to say.
struct Due {
    name: LineName,
    branch: Branch,
    tip: Snapshot,
    keeper: ObjectId,
    finished: bool,
    place: Place,
}

/// See [`carry_exchange::strand::Strand::offer`].
pub(super) fn offer(
    strand: &mut CodeStrand,
    store: &mut Store,
    bytes: u64,
    now: Timestamp,
) -> Result<Offered, StreamError> {
    strand.ctx.refresh_device()?;
    strand.n_looked_at = 0;
    // What a process that died had ready goes first.
    let mut offered = Offered { n_records: drain(strand, store, now)?, has_more: false };
    let mut spent = answer::answer(strand, store, now)?;
    let mut due = due(strand, store, now)?;
    due.sort_by_key(|due| std::cmp::Reverse((tips::moment(&due.tip), due.name.ref_name())));
    for due in due {
        if spent >= bytes {
            offered.has_more = true;
            break;
        }
        let mut done = say(strand, store, &due, now);
        // What it was to stand on is dropped from the log since it was chosen: it is not chosen again.
        if let Err(StreamError::Store(StoreError::NeedGone { .. })) = done {
            done = say(strand, store, &due, now);
        }
        let state = match done {
            Ok(Said::Bytes(said)) => {
                spent = spent.saturating_add(said);
                continue;
            }
            Ok(Said::Held(found)) => LineStanding::held(&found),
            Err(error @ (StreamError::Db(_) | StreamError::Store(_))) => return Err(error),
            Err(error) => LineStanding::failed(&error),
        };
        if !matches!(state, LineStanding::Held { .. }) {
            tracing::warn!(line = due.name.ref_name(), ?state, "a line is not said");
        }
        strand.registry.note_said_line(&due.row(store, now, state))?;
    }
    offered.n_records += drain(strand, store, now)?;
    Ok(offered)
}

/// Hands over what waits in the outbox.
fn drain(strand: &mut CodeStrand, store: &mut Store, now: Timestamp) -> Result<usize, StreamError> {
    Ok(outbox::drain(strand.registry.db(), &strand.stream, store, now, &mut |_, _, _| Ok(()))?)
}

/// The lines of this device that say something else than what was said of them.
fn due(strand: &mut CodeStrand, store: &Store, now: Timestamp) -> Result<Vec<Due>, StreamError> {
    let device = strand.ctx.device.id();
    let log = store.log().to_string();
    let known: BTreeMap<String, SaidLine> =
        strand.registry.said_lines()?.into_iter().map(|row| (row.line.ref_name(), row)).collect();
    let allows_secrets = allows_secrets(strand);
    let mut all = Vec::new();
    for place in strand.places()? {
        let listed = match refs::list(&place.repo, &format!("{LINES}{device}/")) {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(root = %place.repo.root().display(), %error, "the lines cannot be listed");
                continue;
            }
        };
        let gix = place.repo.gix();
        for (ref_name, keeper) in listed {
            let Some(name) = LineName::from_ref(&ref_name).filter(|name| place.has_tree(&name.tree)) else { continue };
            // A seal came from elsewhere; what cannot be read is for others to mend and to name.
            let Ok((tip, _)) = history::keeper(&gix, keeper) else { continue };
            if tip.meta.device != device || tip.meta.branch.component() != name.component {
                continue;
            }
            let finished = tips::is_finished(&strand.registry, &gix, &tip)?;
            let is_due = known.get(&ref_name).is_none_or(|row| {
                let is_same = row.snapshot == tip.commit && row.log == log && row.finished == finished;
                !is_same || row.state.is_due_again(now.since(row.tried), allows_secrets)
            });
            if is_due {
                let branch = tip.meta.branch.clone();
                all.push(Due { name, branch, tip, keeper, finished, place: place.clone() });
            }
        }
    }
    Ok(all)
}

pub(super) fn allows_secrets(strand: &CodeStrand) -> bool {
    strand.ctx.config(None).text("code.exchange_secrets") == Some("send")
}

enum Said {
    Bytes(u64),
    Held(Vec<Finding>),
}

/// Says one line: its newest snapshot in a pack, if no pack of this log has it, then the record.
fn say(strand: &mut CodeStrand, store: &mut Store, due: &Due, now: Timestamp) -> Result<Said, StreamError> {
    let failed = || DiskError::at("say a line of", due.place.repo.root());
    let (repo, log) = (&due.place.repo, store.log());
    let mut place = due.place.clone();
    let id = strand.name_place(&mut place)?;
    let line = due.name.ref_name();
    let (mut said, lost) = of_repository(strand, store, &place, &id)?;
    let mut spent = 0;
    let mut new = None;
    if !said.iter().any(|one| one.line == line && one.snapshot == due.tip.commit) {
        let gix = repo.gix();
        // What later packs stand on is pinned. A pin that somebody took away says that it may be gone any time.
        let mut pinned = HashSet::new();
        for tree in &place.trees {
            pinned.extend(prune::pinned_as(repo, &tree.id, PIN)?);
        }
        let is_here = |one: &SaidSnapshot| pinned.contains(&one.snapshot) && gix.has_object(one.snapshot);
        let next = kept::next(&said, &line, &is_here);
        let stands_on = match &next.base {
            Some(base) => StandsOn::Snapshot(base.snapshot),
            None => StandsOn::Commits(pack::boundary(repo, due.tip.commit, !place.identity.urls.is_empty())?),
        };
        let listing = Listing::make(repo, due.tip.commit, &stands_on, Some(&due.tip))?;
        strand.n_looked_at += listing.n_looked_at;
        if !allows_secrets(strand) {
            let is_branch_known = said.iter().any(|one| one.line == line)
                || !place.identity.urls.is_empty() && publish::is_tracked(repo, None, &due.branch)?;
            // Without one that it stands on a pack may bring history again that went out with none of them.
            let before: Vec<ObjectId> = match next.base {
                Some(_) => said.iter().map(|one| one.snapshot).collect(),
                None => Vec::new(),
            };
            let what = (due.tip.commit, &stands_on, &listing);
            let found = pack::secrets(repo, what, &before, Some(&due.tip), is_branch_known)?;
            if !found.is_empty() {
                return Ok(Said::Held(found));
            }
        }
        let (mut content, bytes) = pack::make(repo, &listing, strand.pack_bytes_max)?;
        let cut_off = pack::cut_off(repo, due.tip.commit, &stands_on)?;
        // It must not be thinned while later packs stand on it.
        prune::pin(repo, &due.name.tree, PIN, due.tip.commit)?;
        let ids = |commits: &[ObjectId]| -> Vec<AttachmentId> {
            commits.iter().map(|commit| id.attachment(*commit)).collect()
        };
        // A snapshot that was said comes from this log alone; the rest is had from a Git remote.
        let (base, elsewhere): (&[ObjectId], Vec<ObjectId>) = match &next.base {
            Some(_) => (stands_on.commits(), cut_off),
            None => (&[], [stands_on.commits(), &cut_off].concat()),
        };
        let provides = [id.attachment(due.tip.commit)];
        store.attach_on(&strand.stream, &provides, &ids(base), &ids(&elsewhere), &mut content)?;
        let needs = [base, &elsewhere].concat();
        fault::point("code.said.attached").map_err(failed())?;
        spent = bytes;
        let depth = next.base.map_or(1, |base| base.depth + 1);
        let one = SaidSnapshot { line: line.clone(), n: next.n, snapshot: due.tip.commit, needs, depth };
        said.push(one.clone());
        new = Some(one);
    }
    let snapshots = keep(strand, due, &said, now)?;
    let payload = payload(strand, due, &place, &id, snapshots)?;
    let out = Outgoing {
        flags: Flags::REPLACES,
        key: LinePayload::key(&due.name),
        kind: KIND,
        kind_version: KIND_VERSION,
        wants: payload.wants(),
        payload: payload.to_bytes(),
    };
    spent += out.payload.len() as u64;
    let row = due.row(store, now, LineStanding::Said);
    let spine = kept::spine(&said);
    let gone: Vec<&SaidSnapshot> = said
        .iter()
        .filter(|one| one.line == line && !payload.snapshots.contains(&one.snapshot) && !spine.contains(&one.snapshot))
        .collect();
    let stream = strand.stream.clone();
    strand.registry.db().write(|tx| {
        outbox::push(tx, &stream, &out)?;
        // Those of other lines are found out when these are said; until then what is asked for is answered.
        for one in gone.into_iter().chain(lost.iter().filter(|one| one.line == line)) {
            registry::drop_said(tx, log, one)?;
        }
        // Last: it may have the number of one that was lost.
        if let Some(one) = &new {
            registry::put_said(tx, log, one)?;
        }
        registry::put_said_line(tx, &row)?;
        Ok::<_, StoreError>(())
    })?;
    fault::point("code.said.noted").map_err(failed())?;
    unpin(repo, due, &spine)?;
    Ok(Said::Bytes(spent))
}

/// What the log brings of a repository's working trees; and what was said of them and is not brought any more, on which nothing
/// may stand and which no record may name.
fn of_repository(
    strand: &CodeStrand,
    store: &Store,
    place: &Place,
    id: &RepositoryId,
) -> Result<(Vec<SaidSnapshot>, Vec<SaidSnapshot>), StreamError> {
    let device = strand.ctx.device.id();
    let (mut said, mut lost) = (Vec::new(), Vec::new());
    for tree in &place.trees {
        for one in strand.registry.said(store.log(), &format!("{LINES}{device}/{}/", tree.id))? {
            let is_brought = store.has_attached(&strand.stream, &id.attachment(one.snapshot))?;
            if is_brought { said.push(one) } else { lost.push(one) }
        }
    }
    Ok((said, lost))
}

/// The snapshots that the record names, oldest first.
fn keep(strand: &CodeStrand, due: &Due, said: &[SaidSnapshot], now: Timestamp) -> Result<Vec<ObjectId>, StreamError> {
    let line = due.name.ref_name();
    let ours: HashSet<ObjectId> = said.iter().filter(|one| one.line == line).map(|one| one.snapshot).collect();
    let mut items = Vec::new();
    let walk = history::snapshots(
        &due.place.repo,
        &history::Line { name: due.name.clone(), tip: due.keeper, keeper: due.keeper, seal: None },
    );
    for snapshot in walk {
        let snapshot = snapshot?;
        if ours.contains(&snapshot.commit) {
            items.push(Item { commit: snapshot.commit, time: snapshot.time, bytes: snapshot.meta.bytes });
            if items.len() == ours.len() {
                break;
            }
        }
    }
    let policy = Policy::new(&strand.ctx.config(None));
    let mut kept = kept::keep(&items, &kept::spine(said), policy, now, SNAPSHOTS_MAX);
    kept.truncate(SNAPSHOTS_MAX);
    kept.reverse();
    Ok(kept)
}

/// The record: keepers for what is kept, and a seal on them.
fn payload(
    strand: &mut CodeStrand,
    due: &Due,
    place: &Place,
    id: &RepositoryId,
    snapshots: Vec<ObjectId>,
) -> Result<LinePayload, StreamError> {
    let gix = place.repo.gix();
    let mut previous = None;
    for commit in &snapshots {
        let snapshot = history::snapshot(&gix, *commit)?;
        let bytes = keeper_bytes(*commit, snapshot.tree, previous, snapshot.time);
        previous = Some(Batch::id_of(place.repo.hash(), Kind::Commit, &bytes));
    }
    let failed = |message: &str| StreamError::Git {
        what: "a seal".to_owned(),
        repo: place.repo.root().to_owned(),
        message: message.to_owned(),
    };
    let keeper = previous.ok_or_else(|| failed("no snapshot is kept"))?;
    let device = strand.ctx.device.get();
    if *device.id() != due.name.device {
        return Err(failed("the device has a new identity since"));
    }
    let known = strand.registry.seals(&due.name)?;
    let count = known.iter().map(|known| known.count).max().unwrap_or(0);
    let mut seal = Seal {
        line: due.name.clone(),
        branch: due.branch.clone(),
        keeper,
        label: device.label().to_owned(),
        key: device.public_key(),
        count,
        finished: due.finished,
    };
    // The same state is the same seal wherever it goes, so that nobody takes one for newer.
    let same = known.into_iter().find(|one| publish::read_own(place.repo.hash(), &one.raw).as_ref() == Some(&seal));
    let raw = match same {
        Some(known) => known.raw,
        None => {
            seal.count = count.saturating_add(1);
            seal.to_commit(due.tip.tree, due.tip.time, &|message| device.sign(message))
        }
    };
    strand.registry.note_seal(SEALS, &due.name, &raw, seal.count)?;
    let seal = String::from_utf8(raw).map_err(|_| failed("it is no text"))?;
    Ok(LinePayload {
        id: id.clone(),
        identity: place.identity.clone(),
        line: due.name.clone(),
        branch: due.branch.clone(),
        seal,
        snapshots,
        head: due.tip.meta.head,
        time: due.tip.time.as_secs(),
        label: device.label().to_owned(),
    })
}

/// Lets go of pins that no later pack stands on.
fn unpin(repo: &crate::repo::Repo, due: &Due, spine: &HashSet<ObjectId>) -> Result<(), StreamError> {
    for commit in prune::pinned_as(repo, &due.name.tree, PIN)? {
        if !spine.contains(&commit) {
            prune::unpin(repo, &due.name.tree, PIN, commit)?;
        }
    }
    Ok(())
}

impl Due {
    fn row(&self, store: &Store, now: Timestamp, state: LineStanding) -> SaidLine {
        SaidLine {
            line: self.name.clone(),
            common_dir: self.place.common_dir(),
            branch: self.branch.clone(),
            log: store.log().to_string(),
            snapshot: self.tip.commit,
            finished: self.finished,
            tried: now,
            state,
        }
    }
}

impl LineStanding {
    /// Whether a line of which nothing changed is looked at again after so long.
    fn is_due_again(&self, since: Duration, allows_secrets: bool) -> bool {
        match self {
            Self::Said => false,
            Self::Held { .. } => allows_secrets,
            Self::TooLarge { .. } => since >= LARGE_AGAIN_AFTER,
            Self::Failed { .. } => since >= AGAIN_AFTER,
        }
    }
}

//! What other devices ask for: packs whose needs they do not have. The answer is one without needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carry_exchange::head::Want;
use carry_exchange::name::LogId;
use carry_exchange::record::AttachmentId;
use carry_exchange::store::{LogState, Store};
use carry_kernel::clock::Timestamp;
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use super::identity::Wanted;
use super::listing::Listing;
use super::pack::StandsOn;
use super::places::Place;
use super::standing::LineStanding;
use super::{CodeStrand, StreamError, offer, pack};
use crate::git::ObjectId;
use crate::history;
use crate::line::LINES;
use crate::registry::UnansweredRow;
use crate::secrets::Finding;

/// Packs that are made in one go at most.
const ANSWERS_MAX: usize = 4;
/// After how long what could not be made is tried again, so that others have their turn: so long at first, twice as long each
/// time, and so long at most.
const AGAIN_FIRST: Duration = Duration::from_secs(15 * 60);
const AGAIN_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A later version may look for other secrets, or make smaller packs.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes what is asked for, once each, of what this log said or stands on and of nothing else. Gives the bytes. What cannot be
/// made is noted for people, as long as somebody asks for it.
pub(super) fn answer(strand: &mut CodeStrand, store: &mut Store, now: Timestamp) -> Result<u64, StreamError> {
    let log = store.log();
    let asked = asked(store, log)?;
    let mut known = BTreeMap::new();
    for row in strand.registry.unanswered()? {
        if row.log == log && asked.contains_key(&row.id) {
            known.insert(row.id.clone(), row);
        } else {
            strand.registry.forget_unanswered(row.log, &row.id)?;
        }
    }
    if asked.is_empty() {
        return Ok(0);
    }
    let said = strand.registry.said(log, &format!("{LINES}{}/", strand.ctx.device.id()))?;
    let allows_secrets = offer::allows_secrets(strand);
    let (mut bytes, mut n) = (0, 0);
    for (id, asked_by) in asked {
        let Some(wanted) = Wanted::parse(&id) else { continue };
        let before = known.remove(&id);
        // Not just any commit of ours: those that the log speaks of.
        let all = said.iter().flat_map(|one| one.needs.iter().chain([&one.snapshot]));
        let Some(commit) = all.copied().find(|commit| wanted.is(commit)) else {
            if before.is_some() {
                strand.registry.forget_unanswered(log, &id)?;
            }
            continue;
        };
        let places = strand.places()?;
        let place = places.into_iter().find(|p| p.id.as_ref() == Some(&wanted.id) && p.repo.gix().has_object(commit));
        let Some(place) = place else {
            // It is gone here, for now or for good: there is nothing that anybody could do about it.
            if before.is_some() {
                strand.registry.forget_unanswered(log, &id)?;
            }
            continue;
        };
        let asked_by: Vec<LogId> = asked_by.into_iter().collect();
        match &before {
            Some(before) if !is_due_again(before, allows_secrets, now) => {
                if before.asked_by != asked_by {
                    strand.registry.note_unanswered(&UnansweredRow { asked_by, ..before.clone() })?;
                }
                continue;
            }
            // A merge may have dropped it since.
            None if strand.registry.is_answered(log, &id)? && store.has_attached(&strand.stream, &id)? => continue,
            _ => {}
        }
        if n == ANSWERS_MAX {
            continue;
        }
        n += 1;
        let state = match attach(strand, store, &place, &wanted, (&id, commit)) {
            Ok(Made::Attached(size)) => {
                bytes += size;
                continue;
            }
            Ok(Made::Held(found)) => LineStanding::held(&found),
            Err(error @ (StreamError::Db(_) | StreamError::Store(_))) => return Err(error),
            Err(error) => LineStanding::failed(&error),
        };
        tracing::warn!(%id, ?state, "what another device asks for is not sent");
        let gix = place.repo.gix();
        strand.registry.note_unanswered(&UnansweredRow {
            log,
            id,
            common_dir: place.common_dir(),
            branch: history::snapshot(&gix, commit).ok().map(|snapshot| snapshot.meta.branch),
            asked_by,
            failures: before.map_or(0, |before| before.failures).saturating_add(1),
            tried: now,
            version: VERSION.to_owned(),
            state,
        })?;
    }
    Ok(bytes)
}

/// What is asked of a log, and by which logs. Nobody whose approval was taken back gets anything, though what it said until then
/// stays.
fn asked(store: &Store, log: LogId) -> Result<BTreeMap<AttachmentId, BTreeSet<LogId>>, StreamError> {
    let mut asked: BTreeMap<AttachmentId, BTreeSet<LogId>> = BTreeMap::new();
    for followed in store.followed()? {
        if !matches!(followed.state, LogState::Approved | LogState::Former) {
            continue;
        }
        for want in &followed.head.head().wants {
            if let Want::Attachment(of, id) = want
                && *of == log
            {
                asked.entry(id.clone()).or_default().insert(followed.log);
            }
        }
    }
    Ok(asked)
}

/// Whether one that could not be made is tried again. A commit that holds secrets always does. A clock that was set back must not
/// put one off for ever.
fn is_due_again(row: &UnansweredRow, allows_secrets: bool, now: Timestamp) -> bool {
    let wait = AGAIN_FIRST.saturating_mul(1 << row.failures.saturating_sub(1).min(16)).min(AGAIN_MAX);
    row.version != VERSION
        || match row.state {
            LineStanding::Held { .. } => allows_secrets,
            LineStanding::Said | LineStanding::TooLarge { .. } | LineStanding::Failed { .. } => {
                now < row.tried || now.since(row.tried) >= wait
            }
        }
}

/// What became of one.
enum Made {
    /// It was handed over, with so many bytes.
    Attached(u64),
    /// It holds secrets.
    Held(Vec<Finding>),
}

/// Makes one and hands it over. Only then it counts as answered: a process that dies before makes it again.
fn attach(
    strand: &mut CodeStrand,
    store: &mut Store,
    place: &Place,
    wanted: &Wanted,
    (id, commit): (&AttachmentId, ObjectId),
) -> Result<Made, StreamError> {
    let listing = Listing::make(&place.repo, commit, &StandsOn::Nothing, None)?;
    strand.n_looked_at += listing.n_looked_at;
    if !offer::allows_secrets(strand) {
        // A need is a commit of the user.
        let snapshot = history::snapshot(&place.repo.gix(), commit).ok();
        let found = pack::secrets(&place.repo, (commit, &StandsOn::Nothing, &listing), &[], snapshot.as_ref(), true)?;
        if !found.is_empty() {
            return Ok(Made::Held(found));
        }
    }
    let (mut content, size) = pack::make(&place.repo, &listing, strand.pack_bytes_max)?;
    // Of a shallow repository nobody has more.
    let cut_off = pack::cut_off(&place.repo, commit, &StandsOn::Nothing)?;
    let needs: Vec<AttachmentId> = cut_off.into_iter().map(|parent| wanted.id.attachment(parent)).collect();
    store.attach(&strand.stream, std::slice::from_ref(id), &needs, &mut content)?;
    fault::point("code.answer.attached").map_err(DiskError::at("answer for", place.repo.root()))?;
    strand.registry.note_answered(store.log(), id, wanted.id.as_str())?;
    Ok(Made::Attached(size))
}

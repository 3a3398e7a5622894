//! What other devices ask for: packs whose needs they do not have. The answer is one without needs.

use std::time::Duration;

use carry_exchange::head::Want;
use carry_exchange::record::AttachmentId;
use carry_exchange::store::{LogState, Store};
use carry_kernel::clock::Timestamp;
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use super::identity::Wanted;
use super::listing::Listing;
use super::pack::StandsOn;
use super::places::Place;
use super::{CodeStrand, StreamError, offer, pack};
use crate::git::ObjectId;
use crate::line::LINES;

/// Packs that are made in one go at most.
const ANSWERS_MAX: usize = 4;
/// What could not be made is tried again after so long, so that others have their turn, …
const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);
/// … and what was too large or holds secrets, after so long.
const LARGE_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Makes what is asked for, once each, of what this log said or stands on and of nothing else. Gives the bytes.
pub(super) fn answer(strand: &mut CodeStrand, store: &mut Store, now: Timestamp) -> Result<u64, StreamError> {
    let log = store.log();
    let mut asked = Vec::new();
    for followed in store.followed()? {
        // Nobody whose approval was taken back gets anything, though what it said until then stays.
        if matches!(followed.state, LogState::Approved | LogState::Former) {
            asked.extend(followed.head.head().wants.iter().filter_map(|want| match want {
                Want::Attachment(of, id) if *of == log => Some(id.clone()),
                _ => None,
            }));
        }
    }
    if asked.is_empty() {
        return Ok(0);
    }
    asked.sort();
    asked.dedup();
    let said = strand.registry.said(log, &format!("{LINES}{}/", strand.ctx.device.id()))?;
    let (mut bytes, mut n) = (0, 0);
    for id in asked {
        let Some(wanted) = Wanted::parse(&id) else { continue };
        // Not just any commit of ours: those that the log speaks of.
        let all = said.iter().flat_map(|one| one.needs.iter().chain([&one.snapshot]));
        let Some(commit) = all.copied().find(|commit| wanted.is(commit)) else { continue };
        let places = strand.places()?;
        let place = places.into_iter().find(|p| p.id.as_ref() == Some(&wanted.id) && p.repo.gix().has_object(commit));
        let Some(place) = place else { continue };
        if n == ANSWERS_MAX {
            break;
        }
        let is_brought = store.has_attached(&strand.stream, &id)?;
        if !strand.registry.is_to_answer(log, id.as_str(), is_brought, now)? {
            continue;
        }
        n += 1;
        let after = match attach(strand, store, &place, &wanted, (&id, commit)) {
            Ok(Some(size)) => {
                bytes += size;
                continue;
            }
            Ok(None) => {
                tracing::warn!(%id, "what another device asks for holds secrets; it is not sent");
                LARGE_AGAIN_AFTER
            }
            Err(error @ (StreamError::Db(_) | StreamError::Store(_))) => return Err(error),
            Err(error) => {
                tracing::warn!(%id, %error, "what another device asks for cannot be made");
                match error {
                    StreamError::TooLarge { .. } => LARGE_AGAIN_AFTER,
                    _ => AGAIN_AFTER,
                }
            }
        };
        strand.registry.note_unanswered(log, id.as_str(), now.after(after))?;
    }
    Ok(bytes)
}

/// Makes one and hands it over. Only then it counts as answered: a process that dies before makes it again. Gives its bytes;
/// `None` for one that holds secrets.
fn attach(
    strand: &mut CodeStrand,
    store: &mut Store,
    place: &Place,
    wanted: &Wanted,
    (id, commit): (&AttachmentId, ObjectId),
) -> Result<Option<u64>, StreamError> {
    let listing = Listing::make(&place.repo, commit, &StandsOn::Nothing, None)?;
    let what = (commit, &StandsOn::Nothing, &listing);
    if !offer::allows_secrets(strand) && !pack::secrets(&place.repo, what, &[], None, true)?.is_empty() {
        return Ok(None);
    }
    let (mut content, size) = pack::make(&place.repo, &listing, strand.pack_bytes_max)?;
    // Of a shallow repository nobody has more.
    let cut_off = pack::cut_off(&place.repo, commit, &StandsOn::Nothing)?;
    let needs: Vec<AttachmentId> = cut_off.into_iter().map(|parent| wanted.id.attachment(parent)).collect();
    store.attach(&strand.stream, std::slice::from_ref(id), &needs, &mut content)?;
    fault::point("code.answer.attached").map_err(DiskError::at("answer for", place.repo.root()))?;
    strand.registry.note_answered(store.log(), id.as_str(), wanted.id.as_str())?;
    Ok(Some(size))
}

//! What this device asks others for: what was missing or damaged for long.

use std::collections::BTreeSet;
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use crate::head::Want;
use crate::limits::HEAD_WANTS_MAX;
use crate::name::{Entry, LogId, ObjectName};
use crate::store::{ABSENT_FOR, LogState, Rejection, Store, StoreError};

/// How long something is damaged before it is asked for.
pub(super) const DAMAGED_FOR: Duration = Duration::from_secs(60 * 60);
/// The stamp of an object that was not there.
pub(super) const ABSENT: &str = "absent";

/// What to ask for: `given`, then what is missing, in a fixed order, as much as a head may say.
pub(super) fn wants(store: &Store, given: &[Want], now: Timestamp) -> Result<Vec<Want>, StoreError> {
    let _at_once = store.snapshot()?;
    let (rejected, wanted) = (store.all_rejected()?, store.wanted()?);
    let mut wants: BTreeSet<Want> = given.iter().cloned().collect();
    if rejected.is_empty() && wanted.is_empty() {
        return Ok(wants.into_iter().take(HEAD_WANTS_MAX).collect());
    }
    let needed = needed(store)?;
    // What its author made wrong is so in every copy, and what there is no room for stays out.
    let is_hopeless = |why: &Rejection| why.is_of_every_copy() || *why == Rejection::TooManyWays;
    let hopeless = rejected.iter().filter(|(_, rejected)| is_hopeless(&rejected.why));
    let hopeless: BTreeSet<ObjectName> = hopeless.filter_map(|(path, _)| object_of(path)).collect();
    for rejected in rejected {
        let Some(object) = object_of(&rejected.0).filter(|object| !hopeless.contains(object)) else { continue };
        let long = if rejected.1.why == Rejection::Absent { ABSENT_FOR } else { DAMAGED_FOR };
        if now.since(rejected.1.since) >= long && needed.objects.contains(&object) {
            wants.insert(Want::Object(object));
        }
    }
    for (log, ids) in wanted {
        // Until all segments are here, one that is still to come may bring it.
        if needed.whole.contains(&log) {
            wants.extend(ids.into_iter().map(|id| Want::Attachment(log, id)));
        }
    }
    Ok(wants.into_iter().take(HEAD_WANTS_MAX).collect())
}

/// The object that a path at a remote is a candidate for.
pub(super) fn object_of(path: &str) -> Option<ObjectName> {
    let (folder, name) = path.rsplit_once('/')?;
    match Entry::read(folder.parse().ok()?, name) {
        Entry::Object(object, _) => Some(object),
        _ => None,
    }
}

/// What followed heads of logs that count name and is not here.
struct Needed {
    objects: BTreeSet<ObjectName>,
    /// Logs of which everything is here.
    whole: BTreeSet<LogId>,
}

fn needed(store: &Store) -> Result<Needed, StoreError> {
    let (mut objects, mut whole, mut partial) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for followed in store.followed()? {
        if !matches!(followed.state, LogState::Approved | LogState::Former) {
            continue;
        }
        let n_before = objects.len();
        let Some(segments) = &followed.segments else {
            if let Some(list) = followed.head.head().list {
                objects.insert(ObjectName::list(followed.log, list.digest));
            }
            partial.insert(followed.log);
            continue;
        };
        let (held, later) = (store.held(followed.log, followed.track)?, store.kept_for_later(followed.log)?);
        for (stream, segments) in segments {
            let held = held.get(stream);
            for segment in segments {
                let is_held = held.is_some_and(|held| held.contains_all(segment.first, segment.last));
                if !is_held && !later.contains(&segment.digest) {
                    objects.insert(segment.name(followed.log, stream));
                }
            }
        }
        whole.insert(followed.log);
        if objects.len() > n_before {
            partial.insert(followed.log);
        }
    }
    whole.retain(|log| !partial.contains(log));
    Ok(Needed { objects, whole })
}

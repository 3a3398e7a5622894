//! By how much another device's clock is off, as far as heads show it.

use carry_kernel::clock::Timestamp;

use crate::head::SignedHead;
use crate::holds::Holds;
use crate::name::LogId;

/// Own heads that are looked at to learn how far another's clock is behind.
pub(super) const OWN_HEADS: u64 = 16;

/// How far an author's clock is off at the least. A head that was signed after it came was signed by a clock that is ahead; one
/// that holds what we published, and was signed before we did, by one that is behind. Anything else is the way it took.
pub(super) fn skew(
    head: &SignedHead,
    at: Timestamp,
    came: Timestamp,
    holds: &Holds,
    own: LogId,
    own_heads: &[SignedHead],
) -> Option<i64> {
    let ahead = at.as_millis().saturating_sub(came.as_millis());
    if ahead > 0 {
        return Some(ahead);
    }
    let held = holds.get(&own)?;
    // Of the own heads that first named what it holds, the newest: it had that before it signed.
    let names_news = |(newer, older): &(&SignedHead, Option<&SignedHead>)| {
        held.iter().any(|(stream, last)| {
            let last_of = |head: &SignedHead| head.head().streams.get(stream).map_or(0, |state| state.last);
            let is_first = older.map_or(newer.head().n == 1, |older| last_of(older) < *last);
            is_first && last_of(newer) >= *last
        })
    };
    let pairs = own_heads.iter().zip(own_heads.iter().skip(1).map(Some).chain([None]));
    let (known, _) = pairs.into_iter().find(names_news)?;
    let behind = i64::try_from(known.head().at.wall_ms.saturating_sub(head.head().at.wall_ms)).ok()?;
    (behind > 0).then_some(-behind)
}

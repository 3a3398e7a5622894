//! Which buckets must be read.
//!
//! A bucket is masked otherwise than before only if its rows have changed, if it shares a run of texts with one whose rows have
//! (or did, when those were others), or if the values that are looked for everywhere have changed. To know the values, all
//! buckets with secrets are read; and a secret is only found for sure when the whole of its run is read. What is left out,
//! then, has no run in common with what is read, and nothing was found in it.

use std::collections::BTreeSet;

use crate::archive::ArchiveError;
use crate::mask::{ends_open, is_joined, starts_open};

use super::Bucket;
use super::Known;
use super::outline::{Listed, Outline};
use super::reader::Reader;

/// A bucket of now or before.
#[derive(Clone, Copy)]
struct Place {
    bucket: Bucket,
    /// As it is now; `None`: it has vanished.
    now: Option<Listed>,
    /// Whether it is, or was, another one than before or now.
    is_changed: bool,
    /// Whether it is read.
    is_read: bool,
}

/// The buckets of `outline` to read for masking to give the same as if all were read, if the values do not change.
pub(super) fn extent(
    outline: &Outline,
    known: &Known,
    reader: &mut Reader<'_>,
) -> Result<BTreeSet<Bucket>, ArchiveError> {
    let buckets: BTreeSet<Bucket> = outline.buckets.keys().chain(known.buckets.keys()).copied().collect();
    let mut places: Vec<Place> = buckets
        .into_iter()
        .map(|bucket| {
            let (now, before) = (outline.buckets.get(&bucket).copied(), known.buckets.get(&bucket));
            let is_changed = now.map(|now| now.raw) != before.map(|before| before.raw);
            let is_read = now.is_some() && (is_changed || before.is_some_and(|before| before.has_secrets));
            Place { bucket, now, is_changed, is_read }
        })
        .collect();
    let spreads = |place: &Place| place.is_read || place.is_changed;
    let mut open: Vec<usize> = (0..places.len()).filter(|at| spreads(&places[*at])).collect();
    while let Some(at) = open.pop() {
        for next in [at.checked_sub(1), at.checked_add(1)].into_iter().flatten() {
            let Some(neighbour) = places.get(next).filter(|next| !spreads(next)) else { continue };
            if goes_over(&places[at], neighbour, next < at, reader)? {
                places[next].is_read = true;
                open.push(next);
            }
        }
    }
    Ok(places.into_iter().filter(|place| place.is_read).map(|place| place.bucket).collect())
}

/// Whether a run could go, or have gone, over the border between a bucket and its neighbour, which has not changed.
fn goes_over(of: &Place, neighbour: &Place, is_before: bool, reader: &mut Reader<'_>) -> Result<bool, ArchiveError> {
    let Some(beside) = neighbour.now else { return Ok(false) };
    let Some(there) = reader.message(if is_before { beside.last } else { beside.first })? else { return Ok(true) };
    let is_open = if is_before { ends_open(&there) } else { starts_open(&there) };
    // What a changed bucket was like, nobody knows any more.
    let Some(here) = of.now.filter(|_| is_open && !of.is_changed) else { return Ok(is_open) };
    let Some(here) = reader.message(if is_before { here.first } else { here.last })? else { return Ok(true) };
    Ok(if is_before { is_joined(&there, &here) } else { is_joined(&here, &there) })
}

//! Asks strands what there is to say, and makes segments and a head of it.

use std::collections::BTreeSet;

use carry_kernel::clock::Timestamp;

use super::wants::wants;
use super::{Problem, Said, Side};
use crate::name::StreamName;
use crate::store::{Compacted, Statement, Store, StoreError, describe};
use crate::strand::Strand;
use crate::streams::Streams;

/// Payloads and attachments of one head, after which another begins: what is said so far can be fetched meanwhile.
const HEAD_BYTES: u64 = 64 * 1024 * 1024;
/// How often segments are made at most when another process makes them at the same time.
const TRIES: u32 = 8;

/// Lets each strand hand over what it has, what is small first. Says whether any has more. Whoever calls holds [`Store::saying`].
pub(super) fn offer(
    store: &mut Store,
    strands: &mut [&mut (dyn Strand + '_)],
    now: Timestamp,
    said: &mut Said,
    failed: &mut BTreeSet<StreamName>,
) -> bool {
    let mut has_more = false;
    for at in order(strands, store.streams()) {
        let strand = &mut strands[at];
        let stream = strand.stream().clone();
        if failed.contains(&stream) {
            continue;
        }
        match strand.offer(store, HEAD_BYTES, now) {
            Ok(offered) => {
                if offered.n_records > 0 {
                    *said.records.entry(stream).or_default() += offered.n_records;
                }
                has_more |= offered.has_more;
            }
            Err(error) => {
                said.problems.push(Problem::Strand(stream.clone(), describe(&*error)));
                failed.insert(stream);
            }
        }
    }
    has_more
}

/// The strands' places in the order in which they are asked and folded.
pub(super) fn order(strands: &[&mut (dyn Strand + '_)], known: &Streams) -> Vec<usize> {
    let mut order: Vec<usize> = (0..strands.len()).collect();
    order.sort_by_key(|at| (known.rank(strands[*at].stream()), strands[*at].stream().clone()));
    order
}

/// One head's worth.
pub(super) fn say(side: &mut Side<'_>, statement: &Statement) -> Result<Said, StoreError> {
    let _saying = side.store.saying()?;
    let now = side.clock.now();
    let (mut said, mut failed) = (Said::default(), BTreeSet::new());
    said.has_more = offer(side.store, &mut side.strands, now, &mut said, &mut failed);
    let sealed = seal_alone(side, statement)?;
    said.problems.extend(sealed.problems);
    said.merged = sealed.merged;
    Ok(said)
}

/// What [`seal`] did.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Streams of which something is damaged.
    pub(super) problems: Vec<Problem>,
    /// Merges.
    pub(super) merged: Vec<Compacted>,
}

/// Makes segments of what was handed over, merges small ones, and signs. A stream of which something is damaged is left as it
/// is, and is a problem.
pub(super) fn seal(side: &mut Side<'_>, statement: &Statement) -> Result<Made, StoreError> {
    let _saying = side.store.saying()?;
    seal_alone(side, statement)
}

/// The same for who holds the lock. What another process did in spite of it, one of an earlier version, is looked at again.
fn seal_alone(side: &mut Side<'_>, statement: &Statement) -> Result<Made, StoreError> {
    for _ in 1..TRIES {
        match seal_once(side, statement) {
            Err(StoreError::Raced(_)) => {}
            done => return done,
        }
    }
    seal_once(side, statement)
}

fn seal_once(side: &mut Side<'_>, statement: &Statement) -> Result<Made, StoreError> {
    let now = side.clock.now();
    let mut made = Made::default();
    let (sealed, failed) = side.store.seal_each()?;
    if !sealed.is_empty() {
        let strands: Vec<&dyn Strand> = side.strands.iter().map(|strand| &**strand as &dyn Strand).collect();
        made.merged = side.store.compact(&strands, now)?;
    }
    let wanted = wants(side.store, &statement.wants, now)?;
    side.store.sign(&Statement { wants: wanted, ..statement.clone() }, now)?;
    made.problems = failed.into_iter().map(|(stream, error)| Problem::Strand(stream, describe(&error))).collect();
    Ok(made)
}

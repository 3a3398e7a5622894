//! What to fetch from a remote.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::{Part, REQUEST_BYTES, plan_blocks};
use crate::hash::Digest;
use crate::head::{Head, Segments};
use crate::limits::ROUND_BYTES;
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::record::AttachmentId;
use crate::segment::{SegmentHeader, SegmentRef};
use crate::streams::Streams;

/// What the newest verified head of one log names, as [`segments`](crate::head::segments) gives it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The head.
    pub head: &'a Head,
    /// All its segments.
    pub segments: &'a Segments,
}

/// What is known here.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The records that are held, verified and durable.
    pub held: BTreeMap<(LogId, StreamName), Ranges>,
    /// Headers of segments that were fetched already, by the digest that names them.
    pub headers: BTreeMap<Digest, SegmentHeader>,
    /// Attachments that records held here wait for, by log.
    pub wanted: BTreeMap<LogId, BTreeSet<AttachmentId>>,
    /// Segments that this remote could not give in this round.
    pub failed: BTreeSet<Digest>,
    /// The streams that this version knows.
    pub streams: Streams,
}

/// How much one round may move, and what the remote can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes to fetch at most. One object goes through whatever its size, or it never would.
    pub bytes: u64,
    /// Objects to fetch from at most.
    pub objects: usize,
    /// Whether parts of files can be read.
    pub has_ranges: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: ROUND_BYTES, objects: 4096, has_ranges: false }
    }
}

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The log.
    pub log: LogId,
    /// The stream.
    pub stream: StreamName,
    /// The segment.
    pub reference: SegmentRef,
    /// How much of it.
    pub how: How,
    /// Bytes that this moves; of a header, an estimate.
    pub bytes: u64,
}

/// How much of a segment to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// All of it.
    Whole,
    /// Its header; then plan again.
    Header,
    /// These parts. The header is known.
    Parts(Vec<Part>),
}

/// What to fetch, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullPlan {
    /// The fetches.
    pub fetches: Vec<Fetch>,
    /// Segments that the budget left for another round.
    pub n_left: usize,
    /// Records that no fetch of this plan and none that is left would bring, by log and stream: all segments with them
    /// failed in this round.
    pub without: BTreeMap<(LogId, StreamName), Ranges>,
}

/// A segment of which something is missing, before it is decided whether its turn comes.
struct Need {
    /// The stream's place, how many segments of the stream are newer, then who.
    order: (u8, usize, LogId),
    fetch: Fetch,
}

/// Compares what is held with what heads name. What is small comes before what is large, and in each the newest
/// segments of every log before older ones of any, so that recent work is there first and no log waits for another's past.
///
/// Of a segment of which nothing is held everything is fetched. Of one held in part, as after the author merged small ones,
/// only the blocks with what is missing are, where parts can be read; its header comes first. Pure, and
/// linear in the number of segments, up to a logarithm.
pub fn plan_pull(sources: &[Source<'_>], known: &Known, budget: &Budget) -> PullPlan {
    let mut plan = PullPlan::default();
    let mut needs = Vec::new();
    let (none, nothing) = (Ranges::new(), BTreeSet::new());
    for source in sources {
        let log = source.head.log();
        let wanted = known.wanted.get(&log).unwrap_or(&nothing);
        for (stream, segments) in source.segments {
            let held = known.held.get(&(log, stream.clone())).unwrap_or(&none);
            for (age, reference) in segments.iter().rev().enumerate() {
                let missing = held.gaps_in(reference.first, reference.last);
                let is_failed = known.failed.contains(&reference.digest);
                if is_failed && !missing.is_empty() {
                    let without = plan.without.entry((log, stream.clone())).or_default();
                    missing.iter().for_each(|range| without.insert(*range.start(), *range.end()));
                }
                if is_failed {
                    continue;
                }
                let header = known.headers.get(&reference.digest);
                let Some((how, bytes)) = choose(reference, &missing, wanted, header, budget.has_ranges) else {
                    continue;
                };
                let fetch = Fetch { log, stream: stream.clone(), reference: *reference, how, bytes };
                needs.push(Need { order: (known.streams.rank(stream), age, log), fetch });
            }
        }
    }
    needs.sort_by_key(|need| need.order);
    let mut left = budget.bytes;
    for need in needs {
        let fits = need.fetch.bytes <= left || plan.fetches.is_empty();
        if !fits || plan.fetches.len() >= budget.objects.max(1) || plan.n_left > 0 {
            // Nothing overtakes what had to wait: smaller but older things would starve a large new one.
            plan.n_left += 1;
            continue;
        }
        left = left.saturating_sub(need.fetch.bytes);
        plan.fetches.push(need.fetch);
    }
    plan
}

/// How to get what is missing of a segment, and what that costs; `None` when nothing is.
fn choose(
    reference: &SegmentRef,
    missing: &Ranges,
    wanted: &BTreeSet<AttachmentId>,
    header: Option<&SegmentHeader>,
    has_ranges: bool,
) -> Option<(How, u64)> {
    let whole = Some((How::Whole, reference.bytes));
    if let Some(header) = header {
        let parts = plan_blocks(header, missing, wanted);
        if parts.is_empty() {
            return None;
        }
        // Neighbours were joined wherever a request would cost more, so this never costs more than the whole.
        let bytes = parts.iter().map(Part::bytes).sum();
        return if has_ranges { Some((How::Parts(parts), bytes)) } else { whole };
    }
    if missing.is_empty() {
        return None;
    }
    let is_held_in_part = missing.count() < reference.last - reference.first + 1;
    // A header is small beside what it may save, but not beside a small segment.
    if is_held_in_part && has_ranges && reference.bytes > 2 * REQUEST_BYTES {
        return Some((How::Header, REQUEST_BYTES / 2));
    }
    whole
}

//! What a round fetches next: of what heads name, what is not here and what others need it to pass on.

use super::Progress;
use crate::head::Relay;
use crate::limits::NUMBER_MAX;
use crate::name::StreamName;
use crate::plan::{Budget, Fetch, How, Known, PullPlan, Source, plan_pull};
use crate::round::{Round, RoundError};
use crate::store::{Followed, LogState, Store};

impl Round<'_> {
    /// What to fetch now: of logs that count, then of second ways of forked logs, then of logs that nobody approved.
    pub(super) fn plan(
        &self,
        store: &Store,
        followed: &[Followed],
        progress: &Progress,
    ) -> Result<PullPlan, RoundError> {
        let _at_once = store.snapshot()?;
        let mut plan = PullPlan::default();
        let mut left = Budget {
            bytes: self.options.budget.bytes.saturating_sub(progress.bytes),
            objects: self.options.budget.objects.max(1).saturating_sub(progress.n_objects),
            ..self.options.budget
        };
        for group in groups(followed) {
            if left.objects == 0 || (left.bytes == 0 && progress.bytes > 0) {
                // Only whether something is left is asked.
                left = Budget { bytes: 0, objects: 1, ..left };
            }
            let one = self.plan_group(store, &group, progress, &left)?;
            if left.bytes == 0 && progress.bytes > 0 {
                plan.n_left += one.n_left + one.fetches.len();
                continue;
            }
            left.bytes = left.bytes.saturating_sub(one.fetches.iter().map(|fetch| fetch.bytes).sum());
            left.objects = left.objects.saturating_sub(one.fetches.len());
            plan.fetches.extend(one.fetches);
            plan.n_left += one.n_left;
            plan.without.extend(one.without);
        }
        self.add_carried(store, followed, progress, &mut plan, &mut left)?;
        Ok(plan)
    }

    /// Adds whole files that are needed to pass logs on elsewhere: their records are held, but in other pieces, as after
    /// their author merged them.
    fn add_carried(
        &self,
        store: &Store,
        followed: &[Followed],
        progress: &Progress,
        plan: &mut PullPlan,
        left: &mut Budget,
    ) -> Result<(), RoundError> {
        let carried = store.carried_elsewhere(&self.options.remote)?;
        if carried.is_empty() {
            return Ok(());
        }
        for fetch in plan.fetches.iter_mut().filter(|fetch| carried.contains(&fetch.log)) {
            // What would come in part comes whole: it would be fetched again otherwise.
            (fetch.how, fetch.bytes) = (How::Whole, fetch.reference.bytes);
        }
        let is_passed_on = |state| matches!(state, LogState::Approved | LogState::Former);
        for one in followed.iter().filter(|one| carried.contains(&one.log) && is_passed_on(one.state)) {
            for (stream, segments) in one.segments.iter().flatten() {
                let relay = one.head.head().streams.get(stream).map(|state| state.relay);
                if !self.takes_of_others(stream) || (relay == Some(Relay::Own) && one.state != LogState::Former) {
                    continue;
                }
                for reference in segments.iter().rev() {
                    let is_planned = plan.fetches.iter().any(|fetch| fetch.reference == *reference);
                    if is_planned
                        || progress.is_done_with(one.log)
                        || progress.failed.contains(&reference.digest)
                        || store.has_object(&reference.name(one.log, stream))?
                    {
                        continue;
                    }
                    if left.objects == 0 || (left.bytes < reference.bytes && !plan.fetches.is_empty()) {
                        plan.n_left += 1;
                        continue;
                    }
                    left.objects -= 1;
                    left.bytes = left.bytes.saturating_sub(reference.bytes);
                    plan.fetches.push(Fetch {
                        log: one.log,
                        stream: stream.clone(),
                        reference: *reference,
                        how: How::Whole,
                        bytes: reference.bytes,
                    });
                }
            }
        }
        Ok(())
    }

    fn plan_group(
        &self,
        store: &Store,
        group: &[&Followed],
        progress: &Progress,
        budget: &Budget,
    ) -> Result<PullPlan, RoundError> {
        let mut known = Known { failed: progress.failed.clone(), streams: self.known.clone(), ..Known::default() };
        let mut segments = Vec::new();
        for followed in group {
            let Some(all) = &followed.segments else { continue };
            if progress.is_done_with(followed.log) {
                continue;
            }
            let mut all = all.clone();
            let is_full = |stream: &StreamName| progress.full.contains(&(followed.log, stream.clone()));
            all.retain(|stream, _| self.takes_of_others(stream) && !is_full(stream));
            let later = store.kept_for_later(followed.log)?;
            if !later.is_empty() {
                all.values_mut().for_each(|segments| segments.retain(|segment| !later.contains(&segment.digest)));
            }
            for (stream, held) in store.held(followed.log, followed.track)? {
                known.held.insert((followed.log, stream), held);
            }
            // Nothing is fetched for the sake of what comes after a revocation.
            for stream in all.keys() {
                if let Some(last) = store.wanted_to(followed.log, followed.track, stream)? {
                    let held = known.held.entry((followed.log, stream.clone())).or_default();
                    held.insert(last + 1, NUMBER_MAX);
                }
            }
            for segment in all.values().flatten() {
                let Some((_, header)) = progress.headers.get(&segment.digest) else { continue };
                known.headers.insert(segment.digest, header.clone());
                // What records bring that are missing may be wanted by them.
                for id in header.attachments.iter().flat_map(|attachment| &attachment.provides) {
                    if !store.brings(followed.log, id)? {
                        known.wanted.entry(followed.log).or_default().insert(id.clone());
                    }
                }
            }
            segments.push((followed.head.head(), all));
        }
        let sources: Vec<Source<'_>> = segments.iter().map(|(head, segments)| Source { head, segments }).collect();
        Ok(plan_pull(&sources, &known, budget))
    }
}

/// Sources that are planned together: each log once. Logs that count come first, what nobody approved last.
fn groups(followed: &[Followed]) -> Vec<Vec<&Followed>> {
    let counts = |one: &&Followed| one.state != LogState::Unapproved;
    let (mut counting, strangers): (Vec<_>, Vec<_>) = followed.iter().partition(counts);
    counting.sort_by_key(|one| one.track);
    let mut groups: Vec<Vec<&Followed>> = Vec::new();
    for part in counting.chunk_by(|a, b| a.track == b.track) {
        groups.push(part.to_vec());
    }
    let mut strangers = strangers;
    strangers.sort_by_key(|one| one.track);
    for part in strangers.chunk_by(|a, b| a.track == b.track) {
        groups.push(part.to_vec());
    }
    groups
}

//! Takes in what heads name and is not here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use carry_kernel::clock::Timestamp;

use super::fetch::{Fetched, Refusal, Tried, sort_out};
use super::{Problem, Reached, Round, RoundError, Step};
use crate::hash::Digest;
use crate::head::Relay;
use crate::limits::{HEADER_BYTES_MAX, LIST_BYTES_MAX, NUMBER_MAX};
use crate::name::{LogId, ObjectName, StreamName};
use crate::plan::{Budget, Fetch, How, Known, Part, PullPlan, Source, plan_pull};
use crate::remote::{Part as FilePart, RemoteFile};
use crate::segment::{Expected, PRELUDE_BYTES, SegmentHeader, header_bytes};
use crate::store::{Accepted, Followed, Limit, LogState, Store, WAYS};

/// Bytes that are fetched to read a header; few are larger.
const HEADER_BYTES_AIM: u64 = 64 * 1024;
/// Bytes of parts that are held in memory; of more, the whole file is fetched.
const PARTS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Plans of one round at most. Each moves something; what is left is the next round's.
const PLANS_MAX: usize = 64;

/// What this round knows of segments besides what is held.
#[derive(Default)]
struct Progress {
    headers: BTreeMap<Digest, (Vec<u8>, SegmentHeader)>,
    failed: BTreeSet<Digest>,
    /// Streams of logs for which there is no more room.
    full: BTreeSet<(LogId, StreamName)>,
    bytes: u64,
    n_objects: usize,
    has_looked_again: bool,
}

/// What came of one plan.
#[derive(Default)]
struct Pass {
    has_moved: bool,
    absent: Vec<(ObjectName, Digest)>,
}

impl Round<'_> {
    /// Reads heads, lists and segments.
    pub(super) fn pull(&mut self, store: &mut Store, now: Timestamp) -> Result<(), RoundError> {
        self.read_newest(store, now)?;
        let mut progress = Progress::default();
        self.fetch_all(store, &mut progress, now)?;
        if self.read_older(store, now)? {
            self.fetch_all(store, &mut progress, now)?;
        }
        Ok(())
    }

    fn fetch_all(&mut self, store: &mut Store, progress: &mut Progress, now: Timestamp) -> Result<(), RoundError> {
        for _ in 0..PLANS_MAX {
            let followed = self.fetch_lists(store, now)?;
            let plan = self.plan(store, &followed, progress)?;
            let given_up = (progress.failed.len(), progress.full.len());
            let pass = self.carry_out(store, &plan, progress, now)?;
            let is_retried = !pass.absent.is_empty() && self.is_worth_another_look(store, &pass, progress, now)?;
            if is_retried {
                for (_, digest) in &pass.absent {
                    progress.failed.remove(digest);
                }
                continue;
            }
            for (name, _) in pass.absent {
                self.problem(Problem::Missing(name));
            }
            if plan.n_left > 0 && self.has_spent(progress) {
                self.report.has_more = true;
                return Ok(());
            }
            // What cannot be had keeps nothing else out: the next plan has others in its place.
            let has_given_up = plan.n_left > 0 && given_up != (progress.failed.len(), progress.full.len());
            if !pass.has_moved && !has_given_up {
                self.report.has_more |= plan.n_left > 0;
                return Ok(());
            }
        }
        self.report.has_more = true;
        Ok(())
    }

    fn has_spent(&self, progress: &Progress) -> bool {
        let budget = &self.options.budget;
        progress.bytes >= budget.bytes || progress.n_objects >= budget.objects.max(1)
    }

    /// Whether there are newer heads than those that name what is absent. Asked once a round.
    fn is_worth_another_look(
        &mut self,
        store: &mut Store,
        pass: &Pass,
        progress: &mut Progress,
        now: Timestamp,
    ) -> Result<bool, RoundError> {
        if progress.has_looked_again {
            return Ok(false);
        }
        let mut is_new = false;
        for (name, _) in &pass.absent {
            // What was absent in an earlier round, too, was looked for then.
            let known = store.rejected(&self.options.remote, RemoteFile::object(name).path())?;
            is_new |= known.is_none_or(|known| known.since >= now);
        }
        if !is_new {
            return Ok(false);
        }
        progress.has_looked_again = true;
        self.look_again(store, now)
    }

    /// Fetches the lists that followed heads refer to. Says what is followed then.
    fn fetch_lists(&mut self, store: &mut Store, now: Timestamp) -> Result<Vec<Followed>, RoundError> {
        let all = store.followed()?;
        if all.iter().all(|followed| followed.segments.is_some()) {
            return Ok(all);
        }
        for followed in all {
            let (None, Some(list)) = (&followed.segments, followed.head.head().list) else { continue };
            let name = ObjectName::list(followed.log, list.digest);
            if list.bytes > LIST_BYTES_MAX || store.has_object(&name)? {
                continue;
            }
            if !store.may_say(followed.log, list.bytes)? {
                let why = "logs that are not approved have said as much as they may";
                let reached = Reached { limit: Some(Limit::Unapproved), why, disk: None };
                self.problem(Problem::Quota(followed.log, reached));
                continue;
            }
            let fetched = self.fetch(store, &name, Some(list.bytes), now, &mut |round, store, file| {
                let (bytes, got) = round.read(file, FilePart::Whole { bytes_max: list.bytes })?;
                match store.accept_list(followed.log, &list, &bytes) {
                    Ok(()) => Ok(Tried::Good(got.bytes)),
                    Err(error) => sort_out(error, got),
                }
            })?;
            match fetched {
                Fetched::Got(bytes) => {
                    self.report.pulled.n_objects += 1;
                    self.report.pulled.bytes += bytes;
                }
                Fetched::Absent => self.problem(Problem::Missing(name)),
                Fetched::Bad | Fetched::Refused(_) => {}
            }
        }
        Ok(store.followed()?)
    }

    /// What to fetch now: of logs that count, then of second ways of forked logs, then of logs that nobody approved.
    fn plan(&self, store: &Store, followed: &[Followed], progress: &Progress) -> Result<PullPlan, RoundError> {
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
                if !self.takes(stream) || (relay == Some(Relay::Own) && one.state != LogState::Former) {
                    continue;
                }
                for reference in segments.iter().rev() {
                    let is_planned = plan.fetches.iter().any(|fetch| fetch.reference == *reference);
                    if is_planned
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
        let mut known = Known { failed: progress.failed.clone(), ..Known::default() };
        let mut segments = Vec::new();
        for followed in group {
            let Some(all) = &followed.segments else { continue };
            let mut all = all.clone();
            let is_full = |stream: &StreamName| progress.full.contains(&(followed.log, stream.clone()));
            all.retain(|stream, _| self.takes(stream) && !is_full(stream));
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

    fn carry_out(
        &mut self,
        store: &mut Store,
        plan: &PullPlan,
        progress: &mut Progress,
        now: Timestamp,
    ) -> Result<Pass, RoundError> {
        let mut pass = Pass::default();
        let n_total = self.report.pulled.n_objects + plan.fetches.len() + plan.n_left;
        for fetch in &plan.fetches {
            let place = (fetch.log, fetch.stream.clone());
            if progress.full.contains(&place) {
                continue;
            }
            let expected = Expected { log: fetch.log, stream: fetch.stream.clone(), reference: fetch.reference };
            let name = fetch.reference.name(fetch.log, &fetch.stream);
            if store.room(fetch.log, &fetch.stream)? < fetch.bytes {
                progress.full.insert(place);
                if let Some(reached) = store.limit_for(fetch.log, &fetch.stream, fetch.bytes)? {
                    self.problem(Problem::Quota(fetch.log, reached));
                }
                continue;
            }
            let fetched = self.fetch_one(store, fetch, &expected, &name, progress, now)?;
            match fetched {
                Fetched::Got(bytes) => {
                    pass.has_moved = true;
                    progress.bytes = progress.bytes.saturating_add(bytes);
                    progress.n_objects += 1;
                    self.report.pulled.n_objects += 1;
                    self.report.pulled.bytes += bytes;
                    if let Some(mend) = &mut self.mend {
                        mend.add_came(name, bytes);
                    }
                }
                Fetched::Absent => {
                    progress.failed.insert(fetch.reference.digest);
                    pass.absent.push((name, fetch.reference.digest));
                }
                // A newer head was followed meanwhile: the next plan knows.
                Fetched::Refused(Refusal::Stale) => {
                    progress.failed.insert(fetch.reference.digest);
                    pass.has_moved = true;
                }
                Fetched::Refused(Refusal::Quota(_, reached)) => {
                    // Without a way for one, there may be one for another.
                    if reached.why == WAYS {
                        progress.failed.insert(fetch.reference.digest);
                    } else {
                        progress.full.insert(place);
                    }
                    self.problem(Problem::Quota(fetch.log, store.reached(reached.limit, reached.why)?));
                }
                Fetched::Bad | Fetched::Refused(Refusal::Author(..)) => {
                    progress.failed.insert(fetch.reference.digest);
                }
            }
            let bytes = self.report.pulled.bytes;
            (self.tell)(Step::Pulling { n_objects: self.report.pulled.n_objects, n_total, bytes });
        }
        Ok(pass)
    }

    fn fetch_one(
        &mut self,
        store: &mut Store,
        fetch: &Fetch,
        expected: &Expected,
        name: &ObjectName,
        progress: &mut Progress,
        now: Timestamp,
    ) -> Result<Fetched<u64>, RoundError> {
        let size = Some(fetch.reference.bytes);
        let header =
            progress.headers.get(&fetch.reference.digest).map(|(bytes, header)| (bytes.clone(), header.clone()));
        match (&fetch.how, header) {
            (How::Header, _) => {
                let fetched =
                    self.fetch(store, name, size, now, &mut |round, _, file| round.get_header(file, expected))?;
                Ok(match fetched {
                    Fetched::Got((bytes, header)) => {
                        let n = bytes.len() as u64;
                        progress.headers.insert(fetch.reference.digest, (bytes, header));
                        Fetched::Got(n)
                    }
                    Fetched::Absent => Fetched::Absent,
                    Fetched::Bad => Fetched::Bad,
                    Fetched::Refused(refusal) => Fetched::Refused(refusal),
                })
            }
            (How::Parts(parts), Some((head, header)))
                if parts.iter().map(Part::bytes).sum::<u64>() <= PARTS_BYTES_MAX =>
            {
                let fetched = self.fetch(store, name, size, now, &mut |round, store, file| {
                    round.get_parts(store, file, expected, &head, &header, parts)
                })?;
                Ok(self.accepted(fetch, fetched))
            }
            _ => {
                let fetched = self
                    .fetch(store, name, size, now, &mut |round, store, file| round.get_whole(store, file, expected))?;
                if let (Fetched::Got(_), Some(mend)) = (&fetched, &mut self.mend) {
                    mend.note_whole(name);
                }
                Ok(self.accepted(fetch, fetched))
            }
        }
    }

    /// Notes what an accepted segment brought.
    fn accepted(&mut self, fetch: &Fetch, fetched: Fetched<(Accepted, u64)>) -> Fetched<u64> {
        match fetched {
            Fetched::Got((accepted, bytes)) => {
                match accepted {
                    Accepted::Kept { new, .. } if !new.is_empty() => {
                        let records = &mut self.report.records;
                        *records.entry((fetch.log, fetch.stream.clone())).or_default() += new.count();
                    }
                    Accepted::Kept { .. } => {}
                    Accepted::Forked { .. } => self.problem(Problem::Forked(fetch.log)),
                }
                Fetched::Got(bytes)
            }
            Fetched::Absent => Fetched::Absent,
            Fetched::Bad => Fetched::Bad,
            Fetched::Refused(refusal) => Fetched::Refused(refusal),
        }
    }

    pub(super) fn get_whole(
        &self,
        store: &mut Store,
        file: &RemoteFile,
        expected: &Expected,
    ) -> Result<Tried<(Accepted, u64)>, RoundError> {
        let mut incoming = store.incoming()?;
        let part = FilePart::Whole { bytes_max: expected.reference.bytes };
        let got = self.remote.get(file, part, &mut incoming, self.deadline)?;
        if got.bytes != expected.reference.bytes {
            let why = format!("it has {} bytes", got.bytes);
            return Ok(Tried::Bad(Some(got), why));
        }
        match store.accept_segment(expected, incoming) {
            Ok(accepted) => Ok(Tried::Good((accepted, got.bytes))),
            Err(error) => sort_out(error, got),
        }
    }

    fn get_header(
        &self,
        file: &RemoteFile,
        expected: &Expected,
    ) -> Result<Tried<(Vec<u8>, SegmentHeader)>, RoundError> {
        let first = HEADER_BYTES_AIM.min(expected.reference.bytes);
        let (mut bytes, got) = self.read(file, FilePart::Range { from: 0, bytes: first })?;
        let Some(length) = bytes.first_chunk::<PRELUDE_BYTES>().and_then(|prelude| header_bytes(prelude).ok()) else {
            return Ok(Tried::Bad(Some(got), "it does not begin like a segment".to_owned()));
        };
        let length = PRELUDE_BYTES as u64 + length.min(HEADER_BYTES_MAX);
        let have = bytes.len() as u64;
        if length > have {
            let (rest, _) = self.read(file, FilePart::Range { from: have, bytes: length - have })?;
            bytes.write_all(&rest).map_err(crate::store::StoreError::from)?;
        }
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        match SegmentHeader::read(&bytes, expected) {
            Ok(header) => Ok(Tried::Good((bytes, header))),
            Err(error) => sort_out(error.into(), got),
        }
    }

    fn get_parts(
        &self,
        store: &mut Store,
        file: &RemoteFile,
        expected: &Expected,
        head: &[u8],
        header: &SegmentHeader,
        parts: &[Part],
    ) -> Result<Tried<(Accepted, u64)>, RoundError> {
        let (mut blocks, mut total, mut last) = (BTreeMap::new(), 0, None);
        for part in parts {
            self.deadline.check(self.remote.place())?;
            let range = FilePart::Range { from: part.place.start, bytes: part.bytes() };
            let (bytes, got) = self.read(file, range)?;
            if got.bytes != part.bytes() {
                return Ok(Tried::Bad(Some(got), "it ends early".to_owned()));
            }
            total += got.bytes;
            let mut rest = bytes.as_slice();
            for block in part.blocks.clone() {
                let size = header.blocks.get(block).map_or(0, |block| block.bytes);
                let Some((stored, after)) = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size))
                else {
                    return Ok(Tried::Bad(Some(got), "it ends early".to_owned()));
                };
                blocks.insert(block, stored.to_vec());
                rest = after;
            }
            last = Some(got);
        }
        let Some(got) = last else { return Ok(Tried::Bad(None, "nothing of it is missing".to_owned())) };
        match store.accept_parts(expected, head, &blocks) {
            Ok(accepted) => Ok(Tried::Good((accepted, total))),
            Err(error) => sort_out(error, got),
        }
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

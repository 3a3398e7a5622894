//! Takes in what heads name and is not here.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::clock::Timestamp;

use super::fetch::{Fetched, Refusal, Tried, sort_out};
use super::{Problem, Reached, Round, RoundError, Step, Unsent};
use crate::hash::Digest;
use crate::limits::LIST_BYTES_MAX;
use crate::name::{LogId, ObjectName, StreamName};
use crate::plan::{Fetch, How, Part, PullPlan};
use crate::remote::{Part as FilePart, RemoteFile};
use crate::segment::{Expected, SegmentHeader};
use crate::store::{Accepted, Followed, Limit, Store};

mod held_off;
mod plan;
mod segment;

/// Bytes of parts that are held in memory; of more, the whole file is fetched.
const PARTS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Plans of one round at most. Each moves something; what is left is the next round's.
const PLANS_MAX: usize = 64;
/// Heads of one log that one round finds out to be wrong by what they name. A segment may have to be read whole for each.
const WRONG_HEADS_MAX: usize = 4;

/// What this round knows of segments besides what is held.
#[derive(Default)]
struct Progress {
    headers: BTreeMap<Digest, (Vec<u8>, SegmentHeader)>,
    failed: BTreeSet<Digest>,
    /// Streams of logs for which there is no more room.
    full: BTreeSet<(LogId, StreamName)>,
    /// How many heads of a log were wrong.
    wrong_heads: BTreeMap<LogId, usize>,
    /// Logs of which something did not fit among all that logs that nobody approved may unpack to.
    held_off: BTreeSet<LogId>,
    bytes: u64,
    n_objects: usize,
    has_looked_again: bool,
}

impl Progress {
    /// Whether nothing more of a log is fetched: so many of its heads were wrong that the next round goes on with it, or what it
    /// has did not fit.
    fn is_done_with(&self, log: LogId) -> bool {
        self.held_off.contains(&log) || self.wrong_heads.get(&log).is_some_and(|n| *n >= WRONG_HEADS_MAX)
    }

    /// How much cannot be had; it grows.
    fn n_given_up(&self) -> usize {
        self.failed.len() + self.full.len() + self.held_off.len()
    }
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
        let mut progress = Progress { held_off: self.held_off(store, now)?, ..Progress::default() };
        self.fetch_all(store, &mut progress, now)?;
        if self.read_older(store, now)? {
            self.fetch_all(store, &mut progress, now)?;
        }
        self.note_unsent(store, now)
    }

    /// Notes the streams of which the newest files are missing.
    fn note_unsent(&mut self, store: &Store, now: Timestamp) -> Result<(), RoundError> {
        let missing = self.report.problems.iter().filter_map(|problem| match problem {
            Problem::Missing(object) => Some(object.clone()),
            _ => None,
        });
        for object in missing.collect::<Vec<_>>() {
            let ObjectName::Segment { log, stream, last, .. } = &object else { continue };
            let newest = self.shelf(*log)?.objects().filter_map(|other| match other {
                ObjectName::Segment { stream: of, last, .. } if of == stream => Some(*last),
                _ => None,
            });
            if newest.max() >= Some(*last) {
                continue;
            }
            let place = (*log, stream.clone());
            if !self.report.unsent.contains_key(&place) {
                let was_missed = store.was_absent(&self.options.remote, *log, stream, now)?;
                self.report.unsent.insert(place.clone(), Unsent { is_new: !was_missed, ..Unsent::default() });
            }
            self.report.unsent.entry(place).or_default().objects.insert(object);
        }
        Ok(())
    }

    fn fetch_all(&mut self, store: &mut Store, progress: &mut Progress, now: Timestamp) -> Result<(), RoundError> {
        for _ in 0..PLANS_MAX {
            let followed = self.fetch_lists(store, now)?;
            let plan = self.plan(store, &followed, progress)?;
            let given_up = progress.n_given_up();
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
            let has_given_up = plan.n_left > 0 && given_up != progress.n_given_up();
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
        // A head that its list shows to be wrong leaves the place to an older one, which may have another list.
        for _ in 0..PLANS_MAX {
            if !self.fetch_lists_once(store, now)? {
                break;
            }
        }
        Ok(store.followed()?)
    }

    /// Tries each list that is missing. Says whether another head is followed because of one.
    fn fetch_lists_once(&mut self, store: &mut Store, now: Timestamp) -> Result<bool, RoundError> {
        let mut is_another = false;
        let all = store.followed()?;
        if all.iter().all(|followed| followed.segments.is_some()) {
            return Ok(false);
        }
        for followed in all {
            let (None, Some(list)) = (&followed.segments, followed.head.head().list) else { continue };
            let name = ObjectName::list(followed.log, list.digest);
            if list.bytes > LIST_BYTES_MAX || store.has_object(&name)? {
                continue;
            }
            if !store.may_say(followed.log, list.bytes)? {
                let reached = Reached { limit: Limit::Unapproved, disk: None };
                self.problem(Problem::Quota(followed.log, reached));
                continue;
            }
            let fetched = self.fetch(store, &name, Some(list.bytes), now, &mut |round, store, file| {
                let (bytes, got) = round.read(file, FilePart::Whole { bytes_max: list.bytes })?;
                match store.accept_list(followed.log, &list, &bytes) {
                    Ok(()) => Ok(Tried::Good(got.bytes, got)),
                    Err(error) => sort_out(error, got),
                }
            })?;
            match fetched {
                Fetched::Got(bytes) => {
                    self.report.pulled.n_objects += 1;
                    self.report.pulled.bytes += bytes;
                }
                Fetched::Absent => self.problem(Problem::Missing(name)),
                Fetched::Refused(Refusal::Head(..)) => is_another = true,
                Fetched::Bad | Fetched::Refused(_) => {}
            }
        }
        Ok(is_another)
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
            if progress.full.contains(&place) || progress.is_done_with(fetch.log) {
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
            if let Fetched::Refused(refusal) = &fetched {
                // It was fetched all the same.
                progress.bytes = progress.bytes.saturating_add(refusal.bytes());
                progress.n_objects += usize::from(refusal.bytes() > 0);
                if matches!(refusal, Refusal::Head(..)) {
                    *progress.wrong_heads.entry(fetch.log).or_default() += 1;
                }
            }
            match fetched {
                Fetched::Got(bytes) => {
                    pass.has_moved = true;
                    progress.bytes = progress.bytes.saturating_add(bytes);
                    progress.n_objects += 1;
                    self.report.pulled.n_objects += 1;
                    self.report.pulled.bytes += bytes;
                    if let Some(mend) = &mut self.mend {
                        (self.tell)(mend.add_came(name, bytes));
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
                // Another one is followed now, or none; each head is refused once.
                Fetched::Refused(Refusal::Head(..)) => pass.has_moved = true,
                Fetched::Refused(Refusal::Quota(_, reached)) => {
                    match reached.limit {
                        Limit::UnpackedAll => drop(progress.held_off.insert(fetch.log)),
                        // Without a way for one, there may be some for another.
                        Limit::Ways => drop(progress.failed.insert(fetch.reference.digest)),
                        _ => drop(progress.full.insert(place)),
                    }
                    self.problem(Problem::Quota(fetch.log, store.reached(reached.limit)?));
                }
                Fetched::Bad
                | Fetched::Refused(Refusal::Author(..) | Refusal::Header(..) | Refusal::Later(_) | Refusal::Whole) => {
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
                    Fetched::Refused(Refusal::Whole) => self.fetch_whole(store, fetch, expected, name, now)?,
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
                match fetched {
                    Fetched::Refused(Refusal::Whole) => self.fetch_whole(store, fetch, expected, name, now),
                    fetched => Ok(self.accepted(fetch, fetched)),
                }
            }
            _ => self.fetch_whole(store, fetch, expected, name, now),
        }
    }

    fn fetch_whole(
        &mut self,
        store: &mut Store,
        fetch: &Fetch,
        expected: &Expected,
        name: &ObjectName,
        now: Timestamp,
    ) -> Result<Fetched<u64>, RoundError> {
        let size = Some(fetch.reference.bytes);
        let fetched =
            self.fetch(store, name, size, now, &mut |round, store, file| round.get_whole(store, file, expected))?;
        if let (Fetched::Got(_), Some(mend)) = (&fetched, &mut self.mend) {
            mend.note_whole(name);
        }
        Ok(self.accepted(fetch, fetched))
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
                    Accepted::Later => self.problem(Problem::NeedsUpgrade(fetch.log)),
                }
                Fetched::Got(bytes)
            }
            Fetched::Absent => Fetched::Absent,
            Fetched::Bad => Fetched::Bad,
            Fetched::Refused(refusal) => Fetched::Refused(refusal),
        }
    }
}

//! One exchange with one remote: what is there is taken in, what is new here is said, and what that remote lacks is put.
//!
//! Each step may end anywhere and be taken again; nothing that a round did has to be remembered for the next one to be right.
//! What goes wrong with one object, log or stream is noted in the [`Report`] and holds up no other.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::clock::{Clock, Timestamp};

use crate::name::{Folder, LogId, ObjectName, StreamName};
use crate::plan::Budget;
use crate::remote::{Class, Deadline, Remote, RemoteError};
use crate::store::{Compacted, LogState, Statement, Store, StoreError, Way, describe};
use crate::strand::Strand;
use crate::streams::Streams;

mod collect;
mod fetch;
mod heads;
mod heard;
mod options;
mod pull;
mod push;
mod put;
mod rehearse;
mod relay;
mod repair;
mod report;
mod say;
mod shelf;
mod step;
mod tidy;
mod wants;

pub use options::{Collect, Direction, Options};
pub use repair::{Absent, Lacking, Repaired, Wanted};
pub use report::{Moved, Problem, Reached, Report, Unsent};
pub use step::Step;

use repair::Mend;
use report::Gap;
use shelf::{Candidate, Shelf};

/// This device's side of an exchange.
pub struct Side<'a> {
    /// What it keeps.
    pub store: &'a mut Store,
    /// The kinds of work that go through it, one a stream.
    pub strands: Vec<&'a mut (dyn Strand + 'a)>,
    /// What time it is.
    pub clock: &'a dyn Clock,
}

/// Why there was no exchange, or why it ended.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The remote.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// What is kept here.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Failures one after the other after which a remote is taken to be gone.
const FAILURES_MAX: u32 = 3;
/// Problems that one report names; a stranger may make any number.
const PROBLEMS_MAX: usize = 1000;

/// Makes an exchange.
///
/// # Errors
/// [`RoundError`]; what was done before stays, and the next round goes on from there.
pub fn exchange(
    side: &mut Side<'_>,
    remote: &dyn Remote,
    options: &Options,
    deadline: &Deadline<'_>,
    tell: &mut dyn FnMut(Step),
) -> Result<Report, RoundError> {
    let round = Round::new(remote, options, deadline, side.store.streams(), tell).for_strands(side);
    round.run(side)
}

/// Asks the strands what there is to say, and seals, merges and signs it: one head's worth. Says what each had, and whether
/// more waits. What is missing here for long is asked for, besides what `statement` asks for.
///
/// # Errors
/// [`StoreError`]. A strand that fails is a [`Problem`].
pub fn say(side: &mut Side<'_>, statement: &Statement) -> Result<Said, StoreError> {
    say::say(side, statement)
}

/// What [`say`] did.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Records that got a place, by stream.
    pub records: BTreeMap<StreamName, usize>,
    /// Own segments that were merged.
    pub merged: Vec<Compacted>,
    /// Whether more waits.
    pub has_more: bool,
    /// Strands that failed.
    pub problems: Vec<Problem>,
}

/// Plans, and unless it is a dry run carries out, the collection at a remote. Exchanges do so by themselves after they put.
///
/// # Errors
/// [`RoundError`].
pub fn collect(
    store: &mut Store,
    remote: &dyn Remote,
    options: &Options,
    clock: &dyn Clock,
    deadline: &Deadline<'_>,
) -> Result<Collection, RoundError> {
    remote.check(deadline)?;
    let (now, mut nobody) = (clock.now(), |_| {});
    let mut round = Round::new(remote, options, deadline, store.streams(), &mut nobody);
    round.heads = Shelf::read(remote, Folder::Heads, deadline)?;
    round.collect(store, now)
}

/// Heals on command, with one remote: takes in what is missing here, own files that are damaged included, and puts what is missing
/// or damaged there, as far as it is held. Nothing new is said. `is_deep` reads everything there that heads name; else what
/// has another size, and what was found damaged before. `wanted` is what is looked for here; what was found is taken off it.
///
/// Gives what was done, also before it failed, and what it failed with.
pub fn repair(
    side: &mut Side<'_>,
    remote: &dyn Remote,
    options: &Options,
    wanted: &mut Wanted,
    is_deep: bool,
    deadline: &Deadline<'_>,
    tell: &mut dyn FnMut(Step),
) -> (Repaired, Result<(), RoundError>) {
    let mut options = options.clone();
    options.budget = Budget { bytes: u64::MAX, objects: usize::MAX, ..options.budget };
    let mut round = Round::new(remote, &options, deadline, side.store.streams(), tell).for_strands(side);
    round.mend = Some(Mend::default());
    round.repair(side, wanted, is_deep)
}

/// What a collection removes and what it leaves for now.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// Removed, or in a dry run to be removed: paths and bytes.
    pub removed: Vec<(String, u64)>,
    /// No head names them any more, and their grace period is not over.
    pub waiting: Vec<(String, u64)>,
}

/// One round with one remote, while it lasts.
struct Round<'r> {
    remote: &'r dyn Remote,
    options: &'r Options,
    deadline: &'r Deadline<'r>,
    tell: &'r mut dyn FnMut(Step),
    /// The streams of this side's strands.
    streams: BTreeSet<StreamName>,
    known: Streams,
    /// The heads that are there.
    heads: Shelf,
    /// The folders of logs that were looked at.
    logs: BTreeMap<LogId, Shelf>,
    /// Failures since something went well.
    n_failures: u32,
    /// What of the own log that is being put cannot be, because the copy kept here is damaged or gone.
    lost: Vec<(ObjectName, String)>,
    /// What of any log cannot be put, because the copy kept here is damaged or gone. The report names only so much.
    lost_of_all: BTreeSet<ObjectName>,
    /// Whether a copy kept here of what is being put could not be read: whether it is good is not known.
    has_unread: bool,
    report: Report,
    /// What others said and may not have come, also where the report names no more.
    gaps: BTreeSet<Gap>,
    /// What was healed, where that is what the round is for.
    mend: Option<Mend>,
}

impl<'r> Round<'r> {
    fn new(
        remote: &'r dyn Remote,
        options: &'r Options,
        deadline: &'r Deadline<'r>,
        known: &Streams,
        tell: &'r mut dyn FnMut(Step),
    ) -> Self {
        let (heads, logs) = (Shelf::default(), BTreeMap::new());
        let (lost, report) = (Vec::new(), Report::default());
        Round {
            remote,
            options,
            deadline,
            tell,
            streams: BTreeSet::new(),
            known: known.clone(),
            heads,
            logs,
            n_failures: 0,
            lost,
            lost_of_all: BTreeSet::new(),
            has_unread: false,
            report,
            gaps: BTreeSet::new(),
            mend: None,
        }
    }
}

impl Round<'_> {
    /// Knows from now on which streams are folded here.
    fn for_strands(mut self, side: &Side<'_>) -> Self {
        self.streams = side.strands.iter().map(|strand| strand.stream().clone()).collect();
        self
    }

    fn run(mut self, side: &mut Side<'_>) -> Result<Report, RoundError> {
        let now = side.clock.now();
        let name = self.options.remote.clone();
        let does_pull = self.options.direction != Direction::Push;
        let does_push = self.options.direction != Direction::Pull;
        let began = self.remote.check(self.deadline).map_err(RoundError::from);
        let began = began.and_then(|()| self.look(side.store, now));
        if let Err(error) = began {
            for (way, does) in [(Way::Pull, does_pull), (Way::Push, does_push)] {
                note(side, &name, way, does && !self.options.is_dry_run, Err(&error))?;
            }
            return Err(error);
        }
        if self.options.is_dry_run {
            self.rehearse(side.store, does_pull, does_push, now)?;
            return Ok(self.report);
        }
        let pulled = if does_pull { self.pull(side.store, now) } else { Ok(()) };
        // What came before a failure is as good as ever.
        let heard = does_pull && pulled.is_ok() && !self.report.has_more;
        let has_looked = !does_pull || pulled.is_ok();
        let waits = self.fold(side, has_looked)?;
        if heard {
            self.tell_heard(side, now)?;
        }
        self.report.has_more |= waits && !does_push;
        let has_moved = self.report.pulled != Moved::default();
        note(side, &name, Way::Pull, does_pull, pulled.as_ref().map(|()| has_moved))?;
        pulled?;
        if does_push {
            let pushed = self.push(side, waits);
            let report = &self.report;
            let has_moved = [report.pushed, report.relayed, report.collected] != [Moved::default(); 3];
            note(side, &name, Way::Push, true, pushed.as_ref().map(|()| has_moved))?;
            pushed?;
        }
        self.drop_settled(side.store)?;
        Ok(self.report)
    }

    /// Lets strands say what waits, so that it has its place before what came is folded over it, and folds that.
    /// Says whether more waits to be said. `has_looked` says that what is there of earlier logs was taken in.
    fn fold(&mut self, side: &mut Side<'_>, has_looked: bool) -> Result<bool, RoundError> {
        // After the heads that are there: what one of them names was not lost.
        side.store.tidy()?;
        let behind = side.store.go_on_from_behind(&mut side.strands, has_looked, side.clock.now())?;
        self.report.renewed = behind.renewed.or(self.report.renewed);
        behind.failed.into_iter().for_each(|(stream, why)| self.problem(Problem::Strand(stream, why)));
        let (mut said, mut failed) = (Said::default(), BTreeSet::new());
        let saying = side.store.saying()?;
        let now = side.clock.now();
        let has_more = say::offer(side.store, &mut side.strands, now, &mut said, &mut failed);
        drop(saying);
        self.took(said);
        for at in say::order(&side.strands, &self.known) {
            let strand = &mut side.strands[at];
            let stream = strand.stream().clone();
            (self.tell)(Step::Folding(stream.clone()));
            match side.store.deliver_at(&mut **strand, now) {
                Ok(delivered) => drop(self.report.delivered.insert(stream, delivered)),
                Err(StoreError::Strand(error)) => self.problem(Problem::Strand(stream, describe(&*error))),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(has_more)
    }

    /// Tells strands that what others had said when the round began is folded, unless something of it did not come.
    fn tell_heard(&self, side: &mut Side<'_>, began: Timestamp) -> Result<(), RoundError> {
        if self.has_unread_head(side.store)? {
            return Ok(());
        }
        let strangers = side.store.logs()?.into_iter().filter(|row| row.state == LogState::Unapproved);
        let strangers: BTreeSet<LogId> = strangers.map(|row| row.log).collect();
        for strand in &mut side.strands {
            let stream = strand.stream().clone();
            let delivered = self.report.delivered.get(&stream);
            let is_folded = delivered.is_some_and(heard::is_all) && !side.store.awaits_upgrade(&stream)?;
            if is_folded && self.takes(&stream) && !self.lacks_of(&stream, &strangers) {
                strand.heard(began);
            }
        }
        Ok(())
    }

    /// Says, and puts what was said, until nothing waits; then what others' logs lack there. `waits` says that a head's worth
    /// was handed over already and more waits.
    fn push(&mut self, side: &mut Side<'_>, mut waits: bool) -> Result<(), RoundError> {
        let now = side.clock.now();
        loop {
            (self.tell)(Step::Saying);
            let (has_more, is_going) = if std::mem::take(&mut waits) {
                let made = say::seal(side, &self.options.statement)?;
                self.took(Said { problems: made.problems, merged: made.merged, ..Said::default() });
                (true, true)
            } else {
                let said = say::say(side, &self.options.statement)?;
                let going = (said.has_more, !said.records.is_empty());
                self.took(said);
                going
            };
            self.push_own(side.store, now)?;
            if !has_more {
                break;
            }
            if !is_going {
                self.report.has_more = true;
                break;
            }
            self.deadline.check(self.remote.place())?;
        }
        if self.options.direction == Direction::Push {
            // What others put meanwhile says what is superseded.
            self.read_newest(side.store, now)?;
        }
        self.relay(side.store, now)?;
        self.tidy(side.store, now)
    }

    fn took(&mut self, said: Said) {
        for (stream, n) in said.records {
            *self.report.said.entry(stream).or_default() += n;
        }
        self.report.merged.extend(said.merged);
        said.problems.into_iter().for_each(|problem| self.problem(problem));
    }

    /// Names no forked log that another goes on from: that came in the same round, and settles it.
    fn drop_settled(&mut self, store: &Store) -> Result<(), RoundError> {
        if self.report.problems.iter().any(|problem| matches!(problem, Problem::Forked(_))) {
            let ended: BTreeSet<LogId> = store.logs()?.into_iter().filter_map(|row| row.vouched_by).collect();
            self.report.problems.retain(|problem| !matches!(problem, Problem::Forked(log) if ended.contains(log)));
        }
        Ok(())
    }

    fn problem(&mut self, problem: Problem) {
        self.gaps.extend(problem.gap());
        if self.report.problems.len() < PROBLEMS_MAX && !self.report.problems.contains(&problem) {
            self.report.problems.push(problem);
        }
    }

    /// Whether a stream of the own log goes to this remote.
    fn takes(&self, stream: &StreamName) -> bool {
        self.options.streams.as_ref().is_none_or(|streams| streams.contains(stream))
    }

    /// Whether a stream of others goes to this remote and comes from it. What this version does not know it keeps and passes on
    /// wherever its author lets it.
    fn takes_of_others(&self, stream: &StreamName) -> bool {
        self.takes(stream) || self.is_strange(stream)
    }

    /// Whether a later version added this stream.
    fn is_strange(&self, stream: &StreamName) -> bool {
        !self.known.knows(stream) && !self.streams.contains(stream)
    }

    fn has_shelf(&self, object: &ObjectName) -> bool {
        object.folder() == Folder::Heads || self.logs.contains_key(&object.log())
    }

    /// The folder of a log, looked at once a round.
    fn shelf(&mut self, log: LogId) -> Result<&mut Shelf, RoundError> {
        if !self.logs.contains_key(&log) {
            (self.tell)(Step::Listing);
            let shelf = Shelf::read(self.remote, Folder::Log(log), self.deadline)?;
            if shelf.is_cut() {
                self.problem(Problem::Cut(Some(log)));
            }
            self.logs.insert(log, shelf);
        }
        Ok(self.logs.entry(log).or_default())
    }

    /// What may be an object, as far as this round knows.
    fn candidates(&mut self, object: &ObjectName) -> Result<Vec<Candidate>, RoundError> {
        Ok(match object.folder() {
            Folder::Log(log) => self.shelf(log)?.candidates(object).to_vec(),
            Folder::Heads | Folder::Root => self.heads.candidates(object).to_vec(),
        })
    }
}

/// Notes how one half of a round went. That somebody stopped it is no failure.
/// `went` says whether it moved anything, or why it did not go well.
fn note(
    side: &mut Side<'_>,
    remote: &str,
    way: Way,
    does: bool,
    went: Result<bool, &RoundError>,
) -> Result<(), RoundError> {
    let is_stopped = matches!(went, Err(RoundError::Remote(error)) if error.class() == Class::Cancelled);
    if does && !is_stopped {
        let now = side.clock.now();
        match went {
            Ok(true) => side.store.note_moved(remote, way, now)?,
            Ok(false) => side.store.note_round(remote, way, None, now)?,
            Err(error) => side.store.note_round(remote, way, Some(&describe(error)), now)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

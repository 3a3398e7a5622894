//! One exchange with one remote: what is there is taken in, what is new here is said, and what that remote lacks is put.
//!
//! Each step may end anywhere and be taken again; nothing that a round did has to be remembered for the next one to be right.
//! What goes wrong with one object, log or stream is noted in the [`Report`] and holds up no other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carry_kernel::clock::{Clock, Timestamp};

use crate::name::{Folder, LogId, ObjectName, StreamName};
use crate::plan::Budget;
use crate::remote::{Class, Deadline, Remote, RemoteError};
use crate::store::{Compacted, Delivered, DiskRoom, Limit, Statement, Store, StoreError, Way, describe};
use crate::strand::Strand;

mod check;
mod collect;
mod fetch;
mod heads;
mod pull;
mod push;
mod put;
mod rehearse;
mod relay;
mod repair;
mod say;
mod shelf;
mod tidy;
mod wants;

pub use repair::{Lacking, Repaired, Wanted};

use repair::Mend;
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

/// Which way an exchange goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Take in, then say and put.
    #[default]
    Both,
    /// Take in only.
    Pull,
    /// Say and put only.
    Push,
}

/// What is collected at the remote after an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collect {
    /// Nothing.
    Nothing,
    /// What no head names any more since the grace period that the heads state.
    #[default]
    AfterGrace,
    /// The same after this grace period, whatever the number of rounds.
    After(Duration),
}

/// How an exchange is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name by which this device knows the remote; what was put there is noted under it.
    pub remote: String,
    /// Which way.
    pub direction: Direction,
    /// The streams that may go there and are taken from there; `None` for all.
    pub streams: Option<BTreeSet<StreamName>>,
    /// Whether nobody but the owner's devices can read there: then also what may not be passed on in the clear is passed on.
    pub is_private: bool,
    /// What heads say besides what the store knows.
    pub statement: Statement,
    /// How much is moved at most, and whether parts of files can be read there.
    pub budget: Budget,
    /// What is collected after.
    pub collect: Collect,
    /// Whether everything is planned and nothing done: nothing is written here or there.
    pub is_dry_run: bool,
}

/// What an exchange is doing, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking what is there.
    Listing,
    /// Taking in: objects and bytes of all that this round fetches.
    Pulling {
        /// Objects so far.
        n_objects: usize,
        /// Of so many.
        n_total: usize,
        /// Bytes so far.
        bytes: u64,
    },
    /// Handing records to a strand.
    Folding(StreamName),
    /// Asking strands what there is to say.
    Saying,
    /// Putting: objects and bytes of all that this round puts.
    Pushing {
        /// Objects so far.
        n_objects: usize,
        /// Of so many.
        n_total: usize,
        /// Bytes so far.
        bytes: u64,
    },
    /// Reading what is there, to see whether it is as it was written: objects and bytes so far.
    Checking {
        /// Objects so far.
        n_objects: usize,
        /// Bytes so far.
        bytes: u64,
    },
    /// Removing what nobody names any more.
    Collecting,
}

/// What an exchange did, or in a dry run would do.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was taken in.
    pub pulled: Moved,
    /// Records that are held now and were not before, by log and stream.
    pub records: BTreeMap<(LogId, StreamName), u64>,
    /// What strands did with what is held.
    pub delivered: BTreeMap<StreamName, Delivered>,
    /// Records of this device that got a place, by stream.
    pub said: BTreeMap<StreamName, usize>,
    /// Own segments that were merged.
    pub merged: Vec<Compacted>,
    /// What was put of the own log.
    pub pushed: Moved,
    /// What was put of others' logs.
    pub relayed: Moved,
    /// What was removed at the remote.
    pub collected: Moved,
    /// The number of the own head that is there now, if it is.
    pub published: Option<u64>,
    /// Logs that were met for the first time.
    pub new_logs: Vec<LogId>,
    /// The log this device writes since this round, because something else wrote the one before.
    pub renewed: Option<LogId>,
    /// What did not go as it should.
    pub problems: Vec<Problem>,
    /// Whether a bound ended the round before everything was through: another goes on.
    pub has_more: bool,
}

/// Files and bytes that moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Heads.
    pub n_heads: usize,
    /// Lists and segments, or parts of them.
    pub n_objects: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// What did not go as it should, and holds up nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A file is short or wrong and still changing: it is being delivered.
    Arriving(ObjectName),
    /// A file that does not change is not what its name says. The way out: any holder puts it again.
    Damaged(ObjectName),
    /// A head names it and the remote does not have it.
    Missing(ObjectName),
    /// A file is as its author made it, and cannot be used; says why. No copy will be better.
    Wrong(ObjectName, String),
    /// A file could not be read or written; says why.
    Unreachable(ObjectName, String),
    /// The copy of a file that is kept here is damaged or gone, so that it cannot be put; says how.
    Lost(ObjectName, String),
    /// The newest head of a log covers less than one seen before: its author's disk went back, or it lies.
    Shrunk(LogId),
    /// Two homes write this log.
    Forked(LogId),
    /// A log is written by a later version of the program.
    NeedsUpgrade(LogId),
    /// No more is taken in of a log: a limit was reached.
    Quota(LogId, Reached),
    /// All names that the object could have there are taken by damaged files.
    Blocked(ObjectName),
    /// A strand failed; says how.
    Strand(StreamName, String),
    /// There are more files than are looked at, in the folder of a log or in that of heads.
    Cut(Option<LogId>),
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which, if it is one of those on bytes; `None` for a number of logs, heads or ways.
    pub limit: Option<Limit>,
    /// In words.
    pub why: &'static str,
    /// How full the disk is, if that is the limit and it says.
    pub disk: Option<DiskRoom>,
}

impl Problem {
    /// Whether something that others said in a stream may not have come because of it.
    fn keeps_from(&self, stream: &StreamName) -> bool {
        match self {
            Self::Arriving(object)
            | Self::Damaged(object)
            | Self::Missing(object)
            | Self::Wrong(object, _)
            | Self::Unreachable(object, _) => match object {
                ObjectName::Segment { stream: of, .. } => of == stream,
                ObjectName::Head { .. } | ObjectName::List { .. } => true,
            },
            Self::NeedsUpgrade(_) | Self::Quota(..) | Self::Cut(_) => true,
            Self::Strand(of, _) => of == stream,
            Self::Shrunk(_) | Self::Forked(_) | Self::Blocked(_) | Self::Lost(..) => false,
        }
    }
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
    let round = Round::new(remote, options, deadline, tell);
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
    let mut round = Round::new(remote, options, deadline, &mut nobody);
    round.heads = Shelf::read(remote, Folder::Heads, deadline)?;
    round.collect(store, now)
}

/// Heals on command, with one remote: takes in what is missing here, own files that are damaged included, and puts what is missing
/// or damaged there, as far as it is held. Nothing new is said. `is_deep` reads everything there that heads name; else what
/// has another size, and what was found damaged before. `wanted` is what is looked for here; what was found is taken off it.
///
/// # Errors
/// [`RoundError`]; what was healed before stays.
pub fn repair(
    side: &mut Side<'_>,
    remote: &dyn Remote,
    options: &Options,
    wanted: &mut Wanted,
    is_deep: bool,
    deadline: &Deadline<'_>,
    tell: &mut dyn FnMut(Step),
) -> Result<Repaired, RoundError> {
    let mut options = options.clone();
    options.budget = Budget { bytes: u64::MAX, objects: usize::MAX, ..options.budget };
    let mut round = Round::new(remote, &options, deadline, tell);
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
    /// The heads that are there.
    heads: Shelf,
    /// The folders of logs that were looked at.
    logs: BTreeMap<LogId, Shelf>,
    /// Failures since something went well.
    n_failures: u32,
    report: Report,
    /// What was healed, where that is what the round is for.
    mend: Option<Mend>,
}

impl<'r> Round<'r> {
    fn new(
        remote: &'r dyn Remote,
        options: &'r Options,
        deadline: &'r Deadline<'r>,
        tell: &'r mut dyn FnMut(Step),
    ) -> Self {
        let (heads, logs) = (Shelf::default(), BTreeMap::new());
        Round { remote, options, deadline, tell, heads, logs, n_failures: 0, report: Report::default(), mend: None }
    }
}

impl Round<'_> {
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
        let waits = self.fold(side)?;
        if heard {
            self.tell_heard(side, now);
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
        Ok(self.report)
    }

    /// Lets strands say what waits, so that it has its place before what came is folded over it, and folds that.
    /// Says whether more waits to be said.
    fn fold(&mut self, side: &mut Side<'_>) -> Result<bool, RoundError> {
        let (mut said, mut failed) = (Said::default(), BTreeSet::new());
        let saying = side.store.saying()?;
        let now = side.clock.now();
        let has_more = say::offer(side.store, &mut side.strands, now, &mut said, &mut failed);
        drop(saying);
        self.took(said);
        for at in say::order(&side.strands) {
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
    fn tell_heard(&self, side: &mut Side<'_>, began: Timestamp) {
        let problems = &self.report.problems;
        for strand in &mut side.strands {
            let stream = strand.stream().clone();
            let is_folded = self.report.delivered.contains_key(&stream);
            if is_folded && self.takes(&stream) && !problems.iter().any(|problem| problem.keeps_from(&stream)) {
                strand.heard(began);
            }
        }
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

    fn problem(&mut self, problem: Problem) {
        if self.report.problems.len() < PROBLEMS_MAX && !self.report.problems.contains(&problem) {
            self.report.problems.push(problem);
        }
    }

    /// Whether a stream goes to this remote and comes from it.
    fn takes(&self, stream: &StreamName) -> bool {
        self.options.streams.as_ref().is_none_or(|streams| streams.contains(stream))
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

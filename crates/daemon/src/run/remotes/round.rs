//! One exchange with a remote, on a thread of its own that ends with it.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use carry_code::registry::Registry;
use carry_code::repo::Repo;
use carry_exchange::round::{Direction, Report, Step};
use carry_exchange::store::status::{self, LogStatus};
use carry_kernel::worker::Failure;

use super::super::event::Event;
use super::super::far::Far;
use super::super::notices;
use super::super::outcome::{self, Teller};
use super::super::results::sentence;
use super::super::slot::Key;
use super::failure;
use crate::desktop::{Desktop, Notice};
use crate::exchange::settings::{CODE, RemoteSettings};
use crate::exchange::{ExchangeError, Ground, How, Newsman, accord};

/// The stream of conversations.
const SESSIONS: &str = "sessions";

/// Makes exchanges: [`once`](crate::exchange::once), unless a test has something else in mind.
pub(in super::super) type Make = dyn Fn(&Ground, &RemoteSettings, &How, &AtomicBool, &mut dyn FnMut(Step)) -> Result<Report, ExchangeError>
    + Send
    + Sync;

/// What an exchange is to do.
pub(super) struct Work {
    pub(super) ground: Arc<Ground>,
    /// The remote's name.
    pub(super) remote: String,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) newsman: Arc<Mutex<Newsman>>,
    pub(super) make: Arc<Make>,
    pub(super) far: Arc<dyn Far>,
    pub(super) desktop: Desktop,
    /// Whether others are told of what arrived here, though nothing else is said.
    pub(super) tells_receipt: bool,
    /// Whether what was said last is put, and nothing else done.
    pub(super) is_last: bool,
}

impl Work {
    /// The last one before the daemon ends.
    pub(super) fn last(self) -> Self {
        Self { is_last: true, ..self }
    }
}

/// How it ended.
pub(in super::super) type Outcome = outcome::Outcome<Box<Done>>;

/// What an exchange came to.
#[derive(Debug, Default)]
pub(in super::super) struct Done {
    pub(super) report: Report,
    pub(super) came: Came,
}

/// What came from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Came {
    /// Anything at all: other remotes may lack it.
    pub(super) anything: bool,
    /// Conversations.
    pub(super) sessions: bool,
}

/// Starts it; the end comes as [`Event::RoundEnded`].
pub(super) fn start(work: Work, events: SyncSender<Event>) -> Result<(), Failure> {
    let (remote, is_last, key) = (work.remote.clone(), work.is_last, Key::Remote(work.remote.clone()));
    let cycle = move |teller: &Teller| match run(&work, teller) {
        Ok(done) => Outcome::Done(Box::new(done)),
        Err(error) if error.is_cancelled() => Outcome::Cancelled,
        Err(error) => Outcome::Failed(failure::of(&error)),
    };
    let end = move |outcome| Event::RoundEnded { remote, is_last, outcome: Box::new(outcome) };
    outcome::start(key, ("carry-exchange", "the exchange"), events, cycle, end)
}

fn run(work: &Work, teller: &Teller) -> Result<Done, ExchangeError> {
    let Work { ground, remote: name, .. } = work;
    let Some(remote) = ground.settings.remote(name) else { return Ok(Done::default()) };
    let direction = if work.is_last { Direction::Push } else { Direction::Both };
    let how = How { direction, tells_receipt: work.tells_receipt, ..How::default() };
    let place = if work.is_last { None } else { Some(ground.connect(remote, ground.store()?.log())?) };
    if let Some(place) = &place {
        work.newsman.lock().unwrap_or_else(PoisonError::into_inner).watch_folders(&**place);
    }
    let report = (work.make)(ground, remote, &how, &work.cancel, &mut |step| teller.tell(|| text(&step)))?;
    if let Some(place) = place {
        work.newsman.lock().unwrap_or_else(PoisonError::into_inner).ask(place);
    }
    let came = Came {
        anything: report.records.values().any(|n| *n > 0),
        sessions: report.records.iter().any(|((_, stream), n)| stream.as_str() == SESSIONS && *n > 0),
    };
    if ground.ctx.config(None).bool("daemon.notify") {
        tell(work, &report);
    }
    Ok(Done { report, came })
}

/// Tells the user of devices that wait for approval, and of newer work.
fn tell(work: &Work, report: &Report) {
    let Work { ground, desktop, far, .. } = work;
    let n_new = n_waiting(ground, report);
    if n_new > 0 {
        let body = match n_new {
            1 => "A device that is not approved writes there. `carry devices` says which.".to_owned(),
            n => format!("{n} devices that are not approved write there. `carry devices` lists them."),
        };
        desktop.tell(Notice::new(&format!("New at {}", work.remote), &body));
    }
    let has_code = report.records.iter().any(|((_, stream), n)| stream.as_str() == CODE && *n > 0);
    if !has_code {
        return;
    }
    let look = || -> Result<Vec<Notice>, Box<dyn std::error::Error>> {
        let mut registry = Registry::open(&ground.ctx.home)?;
        let mut told = Vec::new();
        for tree in registry.trees()? {
            // One that is not there now is looked at when it is.
            let Ok(repo) = Repo::open(&tree.root) else { continue };
            let drift = far.drift(&ground.ctx, &repo, &tree.id)?;
            told.extend(notices::of_drift(&mut registry, &tree, &drift, ground.ctx.clock.now()));
        }
        Ok(told)
    };
    match look() {
        Ok(told) => told.into_iter().for_each(|notice| desktop.tell(notice)),
        Err(error) => tracing::warn!("drift cannot be looked up: {}", sentence(&*error)),
    }
}

/// How many of the logs that were met wait for a person's word. Where that cannot be known, all of them are told of.
fn n_waiting(ground: &Ground, report: &Report) -> usize {
    let all = report.new_logs.len();
    if all == 0 {
        return 0;
    }
    let registry = Registry::open_read_only(&ground.ctx.home).ok().flatten();
    let known = registry.and_then(|registry| registry.devices().ok()).unwrap_or_default();
    let Ok(Some(status)) = status::look(&ground.ctx.home) else { return all };
    let is_revoked = |log: &LogStatus| accord::known_of(&known, log).is_some_and(|known| known.is_revoked);
    status.unapproved().filter(|log| report.new_logs.contains(&log.row.log) && !is_revoked(log)).count()
}

/// A step for people.
fn text(step: &Step) -> String {
    let part = |what: &str, n: usize, of: usize| format!("{what}: {n} of {of} files");
    match step {
        Step::Listing => "looking what is there".to_owned(),
        Step::Pulling { n_objects, n_total, .. } => part("taking in", *n_objects, *n_total),
        Step::Folding(stream) => format!("taking in {stream}"),
        Step::Saying => "gathering what is new".to_owned(),
        Step::Pushing { n_objects, n_total, .. } => part("putting", *n_objects, *n_total),
        Step::Checking { n_objects, .. } => format!("reading what is there: {n_objects} files"),
        Step::Healed { object, .. } => format!("healed {object}"),
        Step::Collecting => "removing what nobody needs any more".to_owned(),
    }
}

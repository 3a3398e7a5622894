//! One exchange with a remote, on a thread of its own that ends with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use carry_code::registry::Registry;
use carry_code::repo::Repo;
use carry_exchange::round::{Direction, Report, Step};
use carry_kernel::worker::Failure;

use super::super::event::Event;
use super::super::far::Far;
use super::super::notices;
use super::super::results::{panic_message, sentence};
use super::failure;
use crate::desktop::{Desktop, Notice};
use crate::exchange::settings::{CODE, RemoteSettings};
use crate::exchange::{ExchangeError, Ground, How, Newsman};

/// How often a running exchange tells of its progress.
const TELL_EVERY: Duration = Duration::from_secs(1);
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
#[derive(Debug)]
pub(in super::super) enum Outcome {
    Done(Box<Done>),
    Cancelled,
    Failed(Failure),
    Panicked(String),
}

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
pub(super) fn start(work: Work, events: SyncSender<Event>) -> std::io::Result<()> {
    let run = move || {
        // On Linux this is the thread's own; elsewhere it would slow the whole process.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, super::super::pool::NICENESS);
        let outcome = match catch_unwind(AssertUnwindSafe(|| run(&work, &events))) {
            Ok(Ok(done)) => Outcome::Done(Box::new(done)),
            Ok(Err(error)) if error.is_cancelled() => Outcome::Cancelled,
            Ok(Err(error)) => Outcome::Failed(failure::of(&error)),
            Err(payload) => Outcome::Panicked(panic_message(&*payload)),
        };
        let Work { remote, is_last, .. } = work;
        // The loop may have ended.
        let _ = events.send(Event::RoundEnded { remote, is_last, outcome: Box::new(outcome) });
    };
    std::thread::Builder::new().name("carry-exchange".to_owned()).spawn(run).map(drop)
}

fn run(work: &Work, events: &SyncSender<Event>) -> Result<Done, ExchangeError> {
    let Work { ground, remote: name, .. } = work;
    let Some(remote) = ground.settings.remote(name) else { return Ok(Done::default()) };
    let direction = if work.is_last { Direction::Push } else { Direction::Both };
    let how = How { direction, tells_receipt: work.tells_receipt, ..How::default() };
    let place = if work.is_last { None } else { Some(ground.connect(remote, ground.store()?.log())?) };
    if let Some(place) = &place {
        work.newsman.lock().unwrap_or_else(PoisonError::into_inner).watch_folders(&**place);
    }
    let mut told = Instant::now();
    let report = (work.make)(ground, remote, &how, &work.cancel, &mut |step| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            // Without anyone to tell, the exchange goes on.
            let _ = events.send(Event::RoundSteps { remote: name.clone(), step: text(&step) });
        }
    })?;
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
    let n_new = report.new_logs.len();
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

/// A step for people.
fn text(step: &Step) -> String {
    let part = |what: &str, n: usize, of: usize| format!("{what}: {n} of {of} files");
    match step {
        Step::Listing => "looking what is there".to_owned(),
        Step::Pulling { n_objects, n_total, .. } => part("taking in", *n_objects, *n_total),
        Step::Folding(stream) => format!("taking in {stream}"),
        Step::Saying => "gathering what is new".to_owned(),
        Step::Pushing { n_objects, n_total, .. } => part("putting", *n_objects, *n_total),
        Step::Collecting => "removing what nobody needs any more".to_owned(),
    }
}

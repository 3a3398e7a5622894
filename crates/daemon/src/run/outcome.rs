//! How a cycle ended, whatever it did, and the threads of those that have one of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use carry_kernel::worker::{Failure, Input, Reason};

use super::event::Event;
use super::results::panic_message;
use super::slot::Key;

/// How often a running cycle tells of its progress.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How a cycle ended.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    Done(T),
    Cancelled,
    Failed(Failure),
    Panicked(String),
}

impl<T> Outcome<T> {
    /// What its worker is told, once `done` has taken what it came to. `worker` is the worker's row, for the log.
    pub(super) fn settle(self, worker: &str, done: impl FnOnce(T) -> Input) -> Input {
        match self {
            Self::Done(what) => done(what),
            Self::Cancelled => Input::Cancelled,
            Self::Failed(failure) => {
                tracing::warn!(worker, reason = ?failure.reason, "{}", failure.message);
                Input::Failed(failure)
            }
            Self::Panicked(message) => {
                tracing::error!(worker, "a cycle panicked: {message}");
                Input::Panicked(message)
            }
        }
    }
}

/// Tells the loop how far a cycle is, now and then.
pub(super) struct Teller {
    key: Key,
    events: SyncSender<Event>,
    told: Mutex<Instant>,
}

impl Teller {
    /// The cycle takes a step. Most steps are not told, and their words not made.
    pub(super) fn tell(&self, step: impl FnOnce() -> String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            // Without anyone to tell, the cycle goes on.
            let _ = self.events.send(Event::Stepped { key: self.key.clone(), step: step() });
        }
    }
}

/// Runs a cycle of the worker `key` on a thread of its own that ends with it. `thread` is the thread's name, and `what` what
/// it does, with its article. However the cycle ends, the loop hears of it by the event that `end` makes.
///
/// # Errors
/// A failure for the worker where there is no thread to be had: no event will come then.
pub(super) fn start<T: 'static>(
    key: Key,
    (thread, what): (&str, &str),
    events: SyncSender<Event>,
    cycle: impl FnOnce(&Teller) -> Outcome<T> + Send + 'static,
    end: impl FnOnce(Outcome<T>) -> Event + Send + 'static,
) -> Result<(), Failure> {
    let run = move || {
        // On Linux this is the thread's own; elsewhere it would slow the whole process.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, super::pool::NICENESS);
        let teller = Teller { key, events, told: Mutex::new(Instant::now()) };
        let outcome = catch_unwind(AssertUnwindSafe(|| cycle(&teller)))
            .unwrap_or_else(|payload| Outcome::Panicked(panic_message(&*payload)));
        // The loop may have ended.
        let _ = teller.events.send(end(outcome));
    };
    std::thread::Builder::new().name(thread.to_owned()).spawn(run).map(drop).map_err(|error| Failure {
        reason: Reason::InternalError,
        message: format!("No thread for {what} can be started: {error}."),
        retry_after: None,
    })
}

//! Exchanges with several remotes at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use carry_exchange::round::{Report, Step};

use super::hold::Cancel;
use super::round::{self, ExchangeError, Meanwhile};
use super::settings::RemoteSettings;
use super::{Ground, How};

/// What is heard of an exchange.
#[derive(Debug)]
pub enum Event {
    /// Another process exchanges with the same remote, and is waited for.
    Waiting {
        /// The process.
        pid: u32,
        /// Its machine.
        host: String,
    },
    /// It is at this.
    Step(Step),
    /// It ended.
    Done(Box<Result<Report, ExchangeError>>),
}

/// Exchanges that go on. Dropping it leaves them alone: a call to a drive that is gone cannot be interrupted, and ends with the
/// process.
#[derive(Debug)]
pub struct Running {
    heard: Receiver<(usize, Event)>,
    left: usize,
}

/// What is next.
#[derive(Debug)]
pub enum Next {
    /// Something was heard of the remote with this place in the list.
    Heard(usize, Event),
    /// Nothing was heard of any for so long.
    Quiet,
    /// All ended.
    Over,
}

/// Exchanges with all `remotes` at once, a thread each, with a store and strands of its own: one that hangs or is full delays no
/// other. Ends early when `cancel` is set.
pub fn start(ground: &Ground, remotes: &[RemoteSettings], how: How, cancel: &Arc<AtomicBool>) -> Running {
    let (tell, heard) = channel();
    for (at, remote) in remotes.iter().enumerate() {
        let (ground, remote, cancel, teller) = (ground.clone(), remote.clone(), Arc::clone(cancel), tell.clone());
        let work = move || {
            let done = guarded(&ground, &remote, &how, &[&cancel], at, &teller);
            // Whoever asked may be gone.
            let _ = teller.send((at, Event::Done(Box::new(done))));
        };
        let thread = std::thread::Builder::new().name("carry-exchange".to_owned()).spawn(work);
        if let Err(error) = thread {
            let _ = tell.send((at, Event::Done(Box::new(Err(ExchangeError::Thread(error))))));
        }
    }
    Running { heard, left: remotes.len() }
}

/// One exchange, whose panics are failures like others.
pub(super) fn guarded(
    ground: &Ground,
    remote: &RemoteSettings,
    how: &How,
    cancel: Cancel<'_>,
    at: usize,
    tell: &Sender<(usize, Event)>,
) -> Result<Report, ExchangeError> {
    let mut pass_on = |what: Meanwhile<'_>| {
        let event = match what {
            Meanwhile::Waiting(owner) => Event::Waiting { pid: owner.pid, host: owner.host.clone() },
            Meanwhile::Step(step) => Event::Step(step),
        };
        let _ = tell.send((at, event));
    };
    unless_panicked(|| round::run(ground, remote, how, cancel, &mut pass_on))
}

/// Does `work`; a panic of it is a failure like others.
pub(super) fn unless_panicked<T>(work: impl FnOnce() -> Result<T, ExchangeError>) -> Result<T, ExchangeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(ExchangeError::Panicked(said.unwrap_or_else(|| "it does not say which".to_owned())))
    })
}

impl Running {
    /// Waits for what is next, at most so long.
    pub fn next(&mut self, patience: Duration) -> Next {
        if self.left == 0 {
            return Next::Over;
        }
        match self.heard.recv_timeout(patience) {
            Ok((at, event)) => {
                self.left -= usize::from(matches!(event, Event::Done(_)));
                Next::Heard(at, event)
            }
            Err(RecvTimeoutError::Timeout) => Next::Quiet,
            Err(RecvTimeoutError::Disconnected) => Next::Over,
        }
    }
}

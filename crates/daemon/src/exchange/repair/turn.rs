//! The turn of one remote: on a thread of its own, so that a call that never returns holds up no other remote.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use carry_exchange::location::Location;
use carry_exchange::name::LogId;
use carry_exchange::remote::{Deadline, Remote};
use carry_exchange::round::{self, Collect, Repaired, RoundError, Side, Step};
use carry_exchange::strand::Strand;

use super::{Done, Sought};
use crate::exchange::round::{at_its_place, lease_name};
use crate::exchange::running::Event;
use crate::exchange::settings::RemoteSettings;
use crate::exchange::{ConnectError, ExchangeError, Ground, GroundError, How, hold};

/// So long nothing may be heard of a folder while others wait: the largest file gets through at half a megabyte a second.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// How often it is looked whether all is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Opens a remote.
pub(super) type Connect =
    dyn Fn(&Ground, &RemoteSettings, LogId) -> Result<Box<dyn Remote>, ConnectError> + Send + Sync;

/// How turns are taken.
pub(super) struct Turns {
    /// How remotes are opened.
    pub(super) connect: Arc<Connect>,
    /// How long nothing may be heard of a folder; for ever where no other remote waits.
    pub(super) patience: Option<Duration>,
}

/// What is heard of a turn.
enum Heard {
    Event(Event),
    /// What is damaged here was let go of: whoever comes next looks for it.
    LetGo(Sought),
    Done(Box<Done>, Sought),
}

impl Turns {
    /// As they are taken with these remotes.
    pub(super) fn new(remotes: &[RemoteSettings]) -> Self {
        let connect = |ground: &Ground, remote: &RemoteSettings, log| ground.connect(remote, log);
        Self { connect: Arc::new(connect), patience: (remotes.len() > 1).then_some(PATIENCE) }
    }

    /// Takes the turn of one remote, under its lease. One that is left goes on in the background at most to its next step.
    pub(super) fn take(
        &self,
        ground: &Ground,
        remote: &RemoteSettings,
        sought: &mut Sought,
        is_deep: bool,
        cancel: &AtomicBool,
        tell: &mut dyn FnMut(Event),
    ) -> Done {
        let failed = |error| Done { error: Some(error), ..Done::default() };
        let (teller, heard) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            ground: ground.clone(),
            remote: remote.clone(),
            connect: self.connect.clone(),
            is_deep,
            stop: stop.clone(),
            tell: teller,
        };
        let handed = sought.clone();
        let run = move || {
            let mut sought = handed;
            let done = work.run(&mut sought);
            // Nobody listens any more to one that was left.
            let _ = work.tell.send(Heard::Done(Box::new(done), sought));
        };
        if let Err(error) = std::thread::Builder::new().name("carry-repair".to_owned()).spawn(run) {
            return failed(ExchangeError::Thread(error));
        }
        let is_folder = matches!(remote.location, Location::Folder(_));
        let patience = self.patience.filter(|_| is_folder);
        let clock = &ground.ctx.clock;
        let mut since = clock.steady();
        loop {
            match heard.recv_timeout(LOOK) {
                Ok(Heard::Event(event)) => tell(event),
                Ok(Heard::LetGo(by_now)) => *sought = by_now,
                Ok(Heard::Done(done, by_now)) => {
                    *sought = by_now;
                    return *done;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if cancel.load(Ordering::Relaxed) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    if let Some(patience) = patience.filter(|patience| clock.steady().since(since) >= *patience) {
                        stop.store(true, Ordering::Relaxed);
                        return failed(ExchangeError::Silent { patience });
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return failed(ExchangeError::Panicked(String::new())),
            }
            since = clock.steady();
        }
    }
}

/// What the thread of a turn has.
struct Work {
    ground: Ground,
    remote: RemoteSettings,
    connect: Arc<Connect>,
    is_deep: bool,
    stop: Arc<AtomicBool>,
    tell: Sender<Heard>,
}

impl Work {
    fn run(&self, sought: &mut Sought) -> Done {
        match self.repair(sought) {
            Ok((repaired, Ok(()))) => Done { repaired, error: None },
            Ok((repaired, Err(error))) => Done { repaired, error: Some(error.into()) },
            Err(error) => Done { error: Some(error), ..Done::default() },
        }
    }

    fn repair(&self, sought: &mut Sought) -> Result<(Repaired, Result<(), RoundError>), ExchangeError> {
        let Self { ground, remote, .. } = self;
        let mut store = ground.store()?;
        let tell = |heard: Heard| drop(self.tell.send(heard));
        hold::hold(
            &ground.ctx,
            &lease_name(&remote.name),
            &[&self.stop],
            &mut |owner| tell(Heard::Event(Event::Waiting { pid: owner.pid, host: owner.host.clone() })),
            |stop| {
                at_its_place(&mut store, remote)?;
                let place = (self.connect)(ground, remote, store.log())?;
                let deadline = Deadline::NONE.on(stop);
                if sought.is_kept {
                    place.check(&deadline).map_err(RoundError::Remote)?;
                    let gone = store.let_go_damaged().map_err(GroundError::Store)?;
                    (sought.wanted.damaged, sought.of, sought.is_kept) = (gone.segments, gone.of, false);
                    tell(Heard::LetGo(sought.clone()));
                }
                let mut strands = ground.strands(remote.has_code);
                let strands = strands.open.iter_mut().map(|strand| &mut **strand as &mut (dyn Strand + '_));
                let mut side = Side { store: &mut store, strands: strands.collect(), clock: &*ground.ctx.clock };
                let options = ground.options(remote, &How { collect: Collect::Nothing, ..How::default() });
                let tell = &mut |step: Step| tell(Heard::Event(Event::Step(step)));
                Ok(round::repair(&mut side, &*place, &options, &mut sought.wanted, self.is_deep, &deadline, tell))
            },
        )
    }
}

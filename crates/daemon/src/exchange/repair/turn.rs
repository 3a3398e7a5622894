//! The turn of one remote: on a thread of its own, so that a call that never returns holds up no other remote.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use carry_exchange::location::Location;
use carry_exchange::name::{LogId, ObjectName};
use carry_exchange::remote::{Deadline, Remote, RemoteError, Stop};
use carry_exchange::round::{self, Collect, Repaired, RoundError, Side, Step};
use carry_exchange::store::Way;
use carry_exchange::strand::Strand;
use carry_kernel::clock::Clock;

use super::life::{Alive, Life};
use super::{Done, Sought};
use crate::exchange::round::{at_its_place, lease_name};
use crate::exchange::running::{Event, unless_panicked};
use crate::exchange::settings::RemoteSettings;
use crate::exchange::{ConnectError, ExchangeError, Ground, GroundError, How, hold};

/// So long nothing may move in a folder that was asked, while others wait: no drive that works takes so long for one piece.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// So long after it was told to end a turn is left to itself: the call that it is in may never return.
const LAST: Duration = Duration::from_secs(30);
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
    /// The place was reached: what is damaged here may be let go of. The thread waits until it was.
    Reached,
    Done(Box<Done>, Sought),
}

/// What was let go of.
type LetGo = Result<Sought, ExchangeError>;

/// How a turn ended that did not end by itself.
enum Left {
    /// All is to end.
    Cancelled,
    /// Nothing moved there for so long.
    Silent(Duration),
    /// Its thread is gone.
    Lost,
}

impl Turns {
    /// As they are taken with these remotes.
    pub(super) fn new(remotes: &[RemoteSettings]) -> Self {
        let connect = |ground: &Ground, remote: &RemoteSettings, log| ground.connect(remote, log);
        Self { connect: Arc::new(connect), patience: (remotes.len() > 1).then_some(PATIENCE) }
    }

    /// Takes the turn of one remote, under its lease; not if all is to end. One that is left goes on in the background at most to its
    /// next step, and changes nothing of what is sought; what it was heard to have healed is known.
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
        if cancel.load(Ordering::Relaxed) {
            return failed(cancelled(remote));
        }
        let (teller, heard) = channel();
        let (answer, answered) = channel();
        let (stop, life) = (Arc::new(AtomicBool::new(false)), Arc::new(Life::new(ground.ctx.clock.clone())));
        let work = Work {
            ground: ground.clone(),
            remote: remote.clone(),
            connect: self.connect.clone(),
            is_deep,
            stop: stop.clone(),
            life: life.clone(),
            tell: teller,
            answered,
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
        let listener = Listener { heard, answer, life, stop, patience: self.patience.filter(|_| is_folder) };
        let mut healed = Healed::default();
        let tell = &mut |event| match event {
            Event::Step(Step::Healed { way, object, bytes, is_whole }) => healed.add(way, object, bytes, is_whole),
            event => tell(event),
        };
        let error =
            match listener.listen(&*ground.ctx.clock, sought, cancel, &mut |sought| let_go(ground, sought), tell) {
                Ok(done) => return done,
                Err(Left::Cancelled) => ExchangeError::Left { after: LAST },
                Err(Left::Silent(patience)) => ExchangeError::Silent { patience },
                Err(Left::Lost) => ExchangeError::Panicked("its thread is gone".to_owned()),
            };
        Done { repaired: healed.into_repaired(), error: Some(error) }
    }
}

/// What was heard of a turn while it went on.
#[derive(Default)]
struct Healed {
    /// What came, with the bytes that moved, and whether all of it did.
    came: BTreeMap<ObjectName, (u64, bool)>,
    put: Vec<(ObjectName, u64)>,
}

impl Healed {
    fn add(&mut self, way: Way, object: ObjectName, bytes: u64, is_whole: bool) {
        match way {
            Way::Pull => {
                let came = self.came.entry(object).or_default();
                *came = (came.0 + bytes, came.1 || is_whole);
            }
            Way::Push => self.put.push((object, bytes)),
        }
    }

    /// As of a turn of which nothing else is known.
    fn into_repaired(self) -> Repaired {
        let (fetched, parts): (Vec<_>, Vec<_>) = self.came.into_iter().partition(|(_, (_, is_whole))| *is_whole);
        let plain =
            |all: Vec<(ObjectName, (u64, bool))>| all.into_iter().map(|(name, (bytes, _))| (name, bytes)).collect();
        Repaired { fetched: plain(fetched), parts: plain(parts), put: self.put, ..Repaired::default() }
    }
}

/// That all is to end.
fn cancelled(remote: &RemoteSettings) -> ExchangeError {
    let place = remote.location.to_string();
    RoundError::Remote(RemoteError::Cancelled { place, why: Stop::Asked }).into()
}

/// Lets go of what is damaged here. Not done by a turn, which may be left meanwhile: whoever comes next would find nothing
/// damaged, and not know what went.
fn let_go(ground: &Ground, sought: &Sought) -> LetGo {
    let gone = ground.store()?.let_go_damaged().map_err(GroundError::Store)?;
    let mut sought = sought.clone();
    (sought.wanted.damaged, sought.of, sought.is_kept) = (gone.segments, gone.of, false);
    Ok(sought)
}

/// Whoever waits for a turn.
struct Listener {
    heard: Receiver<Heard>,
    answer: Sender<LetGo>,
    life: Arc<Life>,
    stop: Arc<AtomicBool>,
    patience: Option<Duration>,
}

impl Listener {
    /// Waits until the turn ends, or is left.
    fn listen(
        &self,
        clock: &dyn Clock,
        sought: &mut Sought,
        cancel: &AtomicBool,
        let_go: &mut dyn FnMut(&Sought) -> LetGo,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Done, Left> {
        let mut ends_since = None;
        loop {
            // Also while it says something all the time.
            if cancel.load(Ordering::Relaxed) {
                let now = clock.steady();
                if now.since(*ends_since.get_or_insert(now)) >= LAST {
                    return Err(Left::Cancelled);
                }
                self.stop.store(true, Ordering::Relaxed);
            }
            match self.heard.recv_timeout(LOOK) {
                Ok(Heard::Event(event)) => tell(event),
                Ok(Heard::Reached) => {
                    let gone = let_go(sought);
                    if let Ok(by_now) = &gone {
                        *sought = by_now.clone();
                    }
                    // It may be gone; what went is known here.
                    let _ = self.answer.send(gone);
                }
                Ok(Heard::Done(done, by_now)) => {
                    *sought = by_now;
                    return Ok(*done);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let patience = self.patience;
                    if let Some(patience) = patience.filter(|most| self.life.is_silent(clock.steady(), *most)) {
                        self.stop.store(true, Ordering::Relaxed);
                        return Err(Left::Silent(patience));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Left::Lost),
            }
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
    life: Arc<Life>,
    tell: Sender<Heard>,
    answered: Receiver<LetGo>,
}

impl Work {
    fn run(&self, sought: &mut Sought) -> Done {
        match unless_panicked(|| self.repair(sought)) {
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
                let inner = (self.connect)(ground, remote, store.log())?;
                let place = Alive { inner, life: self.life.clone() };
                let deadline = Deadline::NONE.on(stop);
                if sought.is_kept {
                    place.check(&deadline).map_err(RoundError::Remote)?;
                    tell(Heard::Reached);
                    // Nobody answers one that was left.
                    *sought = self.answered.recv().unwrap_or_else(|_| Err(cancelled(remote)))?;
                }
                let mut strands = ground.strands(remote.has_code);
                let strands = strands.open.iter_mut().map(|strand| &mut **strand as &mut (dyn Strand + '_));
                let mut side = Side { store: &mut store, strands: strands.collect(), clock: &*ground.ctx.clock };
                let options = ground.options(remote, &How { collect: Collect::Nothing, ..How::default() });
                let tell = &mut |step: Step| tell(Heard::Event(Event::Step(step)));
                Ok(round::repair(&mut side, &place, &options, &mut sought.wanted, self.is_deep, &deadline, tell))
            },
        )
    }
}

#[cfg(test)]
mod tests;

//! Exchanges that go on: whenever something is new here or there, and now and then.
//!
//! A folder is watched, a peer asked to say when there is news, and every remote asked now and then besides. What is new here shows
//! in the files of the strands. When it is to end, each remote gets what is still to be put.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use carry_exchange::remote::Remote;
use carry_exchange::round::Direction;
use carry_kernel::backoff::Backoff;
use carry_kernel::home::Home;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::hold::Cancel;
use super::news::{Newsman, POLICY};
use super::running::{self, Event, Next};
use super::settings::RemoteSettings;
use super::{Ground, How};

/// How often it is looked whether something is new here.
const TICK: Duration = Duration::from_millis(500);
/// Files arrive one after the other: so long after the last it is looked what there is.
const SETTLED: Duration = Duration::from_millis(300);
/// The exit code of a process that an interrupt ended.
const INTERRUPTED: i32 = 130;

/// Exchanges that go on.
#[derive(Debug)]
pub struct Watching {
    heard: Receiver<(usize, Event)>,
    /// Of each remote, whether it is left.
    left: Vec<Arc<AtomicBool>>,
}

impl Watching {
    /// Exchanges no more with the remote with this place in the list, not even what is still to be put: it is not to be had any
    /// more. An exchange that is under way is cancelled.
    pub fn leave(&self, at: usize) {
        if let Some(left) = self.left.get(at) {
            left.store(true, Ordering::Relaxed);
        }
    }

    /// Waits for what is next, at most so long. [`Event::Done`] comes after each exchange; [`Next::Over`] when all ended.
    pub fn next(&mut self, patience: Duration) -> Next {
        match self.heard.recv_timeout(patience) {
            Ok((at, event)) => Next::Heard(at, event),
            Err(RecvTimeoutError::Timeout) => Next::Quiet,
            Err(RecvTimeoutError::Disconnected) => Next::Over,
        }
    }
}

/// Exchanges with all `remotes` until `cancel` is set, a thread each.
///
/// # Errors
/// No thread could be started.
pub fn watch(
    ground: &Ground,
    remotes: &[RemoteSettings],
    how: How,
    cancel: &Arc<AtomicBool>,
) -> std::io::Result<Watching> {
    let (tell, heard) = channel();
    let left: Vec<Arc<AtomicBool>> = remotes.iter().map(|_| Arc::default()).collect();
    for (at, (remote, is_left)) in remotes.iter().zip(&left).enumerate() {
        let (ground, remote, tell) = (ground.clone(), remote.clone(), tell.clone());
        let ends = Ends { cancel: Arc::clone(cancel), is_left: Arc::clone(is_left) };
        let work = move || One::new(ground, remote, how, ends, at, tell).run();
        std::thread::Builder::new().name("carry-exchange".to_owned()).spawn(work)?;
    }
    Ok(Watching { heard, left })
}

/// Sets `cancel` when the process is to end; a second time it ends at once, which does no harm.
///
/// # Errors
/// The system's.
pub fn cancel_on_signals(cancel: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds what the first one set.
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(cancel))?;
        flag::register(signal, Arc::clone(cancel))?;
    }
    Ok(())
}

/// What ends the exchanges with a remote.
struct Ends {
    /// All are to end.
    cancel: Arc<AtomicBool>,
    /// This one is left.
    is_left: Arc<AtomicBool>,
}

impl Ends {
    fn is_over(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.is_left.load(Ordering::Relaxed)
    }
}

/// One remote.
struct One {
    ground: Ground,
    remote: RemoteSettings,
    how: How,
    ends: Ends,
    at: usize,
    tell: Sender<(usize, Event)>,
    news: Receiver<()>,
    newsman: Newsman,
}

impl One {
    fn new(
        ground: Ground,
        remote: RemoteSettings,
        how: How,
        ends: Ends,
        at: usize,
        tell: Sender<(usize, Event)>,
    ) -> Self {
        let (sender, news) = channel();
        // Whoever waits may have ended.
        let newsman = Newsman::new(Arc::new(move || {
            let _ = sender.send(());
        }));
        Self { ground, remote, how, ends, at, tell, news, newsman }
    }

    fn run(mut self) {
        let mut backoff = Backoff::new(POLICY, u64::from(std::process::id()));
        loop {
            let place = self.place();
            if let Some(place) = &place {
                self.newsman.watch_folders(&**place);
            }
            let is_well = self.exchange(self.how, &[&self.ends.cancel, &self.ends.is_left]);
            let wait = if is_well { None } else { Some(backoff.fail(None)) };
            if is_well {
                backoff.succeed();
            }
            let seen = Files::of(&self.ground.ctx.home);
            if is_well && let Some(place) = place {
                self.newsman.ask(place);
            }
            let poll = self.ground.settings.poll_of(&self.remote);
            let patience = wait.map_or(poll, |wait| wait.max(TICK));
            if !self.wait(seen, patience, is_well) {
                break;
            }
        }
        // What is said last is put, however much there is to take in.
        let last = How { direction: Direction::Push, ..self.how };
        let is_left = self.ends.is_left.load(Ordering::Relaxed);
        if self.how.direction != Direction::Pull && !self.how.is_dry_run && !is_left {
            self.exchange(last, &[&self.ends.is_left]);
        }
    }

    /// One exchange; says whether it went well.
    fn exchange(&self, how: How, cancel: Cancel<'_>) -> bool {
        let done = running::guarded(&self.ground, &self.remote, &how, cancel, self.at, &self.tell);
        let is_well = done.is_ok();
        let _ = self.tell.send((self.at, Event::Done(Box::new(done))));
        is_well
    }

    /// The remote, to be watched. What is wrong with it the exchange says.
    fn place(&self) -> Option<Box<dyn Remote>> {
        let log = self.ground.store().ok()?.log();
        self.ground.connect(&self.remote, log).ok()
    }

    /// Waits until there may be something to exchange; says whether to go on. After a failure only time helps.
    fn wait(&self, mut seen: Files, patience: Duration, is_well: bool) -> bool {
        let clock = &self.ground.ctx.clock;
        let (since, quiet) = (clock.steady(), self.ground.settings.quiet);
        let mut changed = None;
        loop {
            if self.ends.is_over() {
                return false;
            }
            let now = clock.steady();
            let files = Files::of(&self.ground.ctx.home);
            if files != seen {
                let (first, _) = changed.unwrap_or((now, now));
                (seen, changed) = (files, Some((first, now)));
            }
            let is_settled = changed.is_some_and(|(first, last)| {
                now.since(last) >= quiet || now.since(first) >= self.ground.settings.quiet_max()
            });
            if (is_settled && is_well) || now.since(since) >= patience {
                return true;
            }
            let left = patience.saturating_sub(now.since(since));
            match self.news.recv_timeout(TICK.min(left)) {
                Ok(()) if is_well => return self.settle(),
                // This end keeps a sender itself.
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Waits until no more comes, though not for ever.
    fn settle(&self) -> bool {
        let clock = &self.ground.ctx.clock;
        let since = clock.steady();
        while self.news.recv_timeout(SETTLED).is_ok()
            && clock.steady().since(since) < self.ground.settings.quiet_max()
            && !self.ends.is_over()
        {}
        !self.ends.is_over()
    }
}

/// How the files of the strands look from outside: sizes and times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Files(Vec<Option<(u64, Option<SystemTime>)>>);

impl Files {
    fn of(home: &Home) -> Self {
        let look = |path: &Path| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.len(), data.modified().ok()))
        };
        let databases = ["sessions", "code"].map(|strand| home.database(strand));
        let files = databases.iter().flat_map(|database| {
            let mut log = database.clone().into_os_string();
            log.push("-wal");
            [look(database), look(Path::new(&log))]
        });
        Self(files.collect())
    }
}

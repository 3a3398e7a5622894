//! The daemon itself: one loop over one closed set of events, captures on a few threads.
//!
//! ```text
//! watcher ─┐                            ┌─▶ pool: captures, upkeep
//! socket  ─┤                            ├─▶ watching: adds and removes watches
//! signals ─┼─▶ Event ─▶ one loop ───────┼─▶ finder: looks up remotes
//! pool    ─┤   (workers: one a tree,    ├─▶ network: pushes, asks remotes
//! network ─┤    two a link,             ├─▶ a thread each: passes over sessions, pushes to team stores, exchanges
//! threads ─┘    one a store or remote)  └─▶ databases: leases, status
//! ```
//!
//! Captures, upkeep and whatever else reads many files run on other threads and come back as events; the loop itself reads no
//! more than configuration and whether a tree is there. When
//! nothing happens it sleeps until the next thing that is due, at the least a look whether its home is still there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use carry_code::context::Context;
use carry_kernel::disk::{self, DiskError};
use carry_kernel::home::Home;

mod asks;
mod board;
mod chores;
mod configured;
mod cycle;
mod event;
mod exchange;
mod far;
mod finder;
mod gates;
mod identity;
mod job;
mod keeper;
mod link;
mod links;
mod network;
mod notices;
mod outcome;
mod pool;
mod remotes;
mod results;
mod server;
mod sessions;
mod signals;
mod slot;
mod stall;
mod team;
mod trees;
mod tuning;
mod watching;

pub use link::push_row;

use chores::Daemon;
use event::Event;
pub(crate) use results::sentence;
use tuning::Tuning;

/// Why the daemon ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another one runs for this home.
    #[error("a daemon already runs for this home (process {pid})")]
    AlreadyRunning {
        /// Its process.
        pid: u32,
    },
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A database failed.
    #[error(transparent)]
    Db(#[from] carry_kernel::db::DbError),
    /// The watcher or a thread could not be started.
    #[error("the daemon could not start {what}")]
    Start {
        /// What.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RunError {
    /// For `map_err`: what could not be started.
    fn start<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Start { what, source: source.into() }
    }
}

/// The settings that the daemon goes by.
const KEYS: &[&[carry_kernel::config::Key]] = &[
    carry_kernel::config::KEYS,
    carry_code::settings::KEYS,
    carry_sessions::settings::KEYS,
    carry_team::settings::KEYS,
    crate::exchange::settings::KEYS,
];

/// Events that may wait for the loop. Whoever has more to say waits, and the watcher then says "look at everything".
const EVENTS_MAX: usize = 256;

/// Events taken at a time before what is due is looked at.
const EVENTS_AT_A_TIME: usize = 64;

/// How long a lock that somebody only looks at may be held.
const LOCK_LOOKS: u32 = 10;
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(25);

/// Runs until it is told to stop (socket, SIGTERM, SIGINT) or its home vanishes. SIGHUP makes it read its configuration again.
///
/// # Errors
/// [`RunError`].
pub fn run(ctx: &Context) -> Result<(), RunError> {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            place,
            thread = std::thread::current().name(),
            "a panic: {}",
            results::panic_message(info.payload())
        );
        before(info);
    }));
    let (events, inbox) = sync_channel(EVENTS_MAX);
    signals::forward(&events).map_err(RunError::start("its signal handlers"))?;
    run_with(ctx, Tuning::default(), events, &inbox)
}

/// The daemon without what belongs to the whole process.
fn run_with(ctx: &Context, tuning: Tuning, events: SyncSender<Event>, inbox: &Receiver<Event>) -> Result<(), RunError> {
    let lock = lock(&ctx.home)?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from).filter(|dir| dir.is_absolute());
    let mut daemon = Daemon::start(ctx, tuning, events.clone(), &lock)?;
    let server = server::Server::start(&ctx.home, runtime.as_deref(), events)?;
    daemon.begin();
    tracing::info!(pid = std::process::id(), version = env!("CARGO_PKG_VERSION"), "the daemon runs");
    notify(&[sd_notify::NotifyState::Ready]);
    while !daemon.has_ended() {
        let first = match inbox.recv_timeout(daemon.patience()) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("the daemon itself holds a sender"),
        };
        for event in first.into_iter().chain(inbox.try_iter().take(EVENTS_AT_A_TIME)) {
            daemon.handle(event);
        }
        daemon.tick();
    }
    drop(server);
    daemon.end();
    tracing::info!("the daemon ended");
    drop(lock);
    Ok(())
}

/// Tells the service manager, if there is one. One that does not listen misses it, and judges by itself.
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// The lock that makes this the one daemon of its home.
#[derive(Debug)]
struct Lock {
    file: File,
    path: std::path::PathBuf,
}

impl Lock {
    /// Whether the lock's file is still where it was. If not, the home was removed or replaced.
    fn is_there(&self) -> bool {
        same_file(&self.file, &self.path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file does not unlock it while a child that was just started still has a copy.
        let _ = self.file.unlock();
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn lock(home: &Home) -> Result<Lock, RunError> {
    let path = home.daemon_lock();
    disk::create_dir(home.state_dir())?;
    let mut looks = 0;
    let mut file = loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(DiskError::at("open", &path))?;
        match file.try_lock() {
            // Whoever replaced the file meanwhile would not see our lock.
            Ok(()) if same_file(&file, &path) => break file,
            Ok(()) => {}
            // A command that asks whether a daemon lives holds it for a moment.
            Err(TryLockError::WouldBlock) if looks < LOCK_LOOKS => std::thread::sleep(LOCK_LOOK_EVERY),
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::AlreadyRunning { pid: crate::control::pid_in(&path) });
            }
            Err(TryLockError::Error(e)) => return Err(DiskError::at("lock", &path)(e).into()),
        }
        looks += 1;
    };
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(DiskError::at("write", &path))?;
    Ok(Lock { file, path })
}

#[cfg(test)]
mod tests;

//! Starting and stopping the daemon from a command.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use carry_kernel::disk::{self, DiskError};
use carry_kernel::home::Home;
use rustix::process::{Pid, Signal};

use crate::handle::{Answer, Handle as _, Request};
use crate::socket::Remote;

/// Whether a daemon lives, by its file lock (a pid alone proves nothing).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// None.
    Dead,
    /// One, with this process id.
    Alive {
        /// Its process; 0 while it is only starting.
        pid: u32,
    },
}

/// Why it could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It did not come up; the end of its log says why.
    #[error("the daemon did not start: {message}")]
    Start {
        /// What it said.
        message: String,
    },
    /// It did not end in time.
    #[error("the daemon (process {pid}) did not stop within {within:?}")]
    Stop {
        /// Its process.
        pid: u32,
        /// How long we waited.
        within: Duration,
    },
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// How long a start may take: the databases may have to be migrated.
const START_MAX: Duration = Duration::from_secs(10);
/// How long a daemon that was terminated may take to end before it is killed, and after that.
const KILL_AFTER: Duration = Duration::from_secs(3);
/// How often we look.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines shown of what a daemon that did not start had to say.
const TAIL_LINES: usize = 8;
/// Longest lock file that is read: it holds a number.
const LOCK_BYTES_MAX: u64 = 64;

/// Looks whether a daemon of `home` lives.
///
/// # Errors
/// [`ControlError::Disk`].
pub fn liveness(home: &Home) -> Result<Liveness, ControlError> {
    let path = home.daemon_lock();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Liveness::Dead),
        Err(e) => return Err(DiskError::at("open", &path)(e).into()),
    };
    // Shared, so that several may look at a time.
    match file.try_lock_shared() {
        Ok(()) => Ok(Liveness::Dead),
        Err(TryLockError::WouldBlock) => Ok(Liveness::Alive { pid: pid_in(&path) }),
        Err(TryLockError::Error(e)) => Err(DiskError::at("lock", &path)(e).into()),
    }
}

/// The process id in a lock file; 0 when it is not there yet.
pub(crate) fn pid_in(lock: &Path) -> u32 {
    let bytes = disk::read_bounded(lock, LOCK_BYTES_MAX).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().parse().unwrap_or(0)
}

/// Starts `program daemon run` in the background, detached from the terminal, and returns its pid when it answers on its socket.
/// Returns the pid of a daemon that runs already.
///
/// # Errors
/// [`ControlError`].
pub fn start(home: &Home, program: &Path) -> Result<u32, ControlError> {
    if liveness(home)? != Liveness::Dead {
        return wait_for_answer(home, None);
    }
    let said = said_file(home);
    disk::create_dir(&home.log_dir())?;
    let stderr = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&said)
        .map_err(DiskError::at("open", &said))?;
    let child = Command::new(program)
        .args(["daemon", "run"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        // Its own group: what the terminal sends to ours does not reach it.
        .process_group(0)
        .spawn()
        .map_err(|e| ControlError::Start { message: format!("{}: {e}", program.display()) })?;
    wait_for_answer(home, Some(child))
}

/// Asks it to stop and waits; `false` when none ran. After `grace` it is terminated.
///
/// # Errors
/// [`ControlError`].
pub fn stop(home: &Home, grace: Duration) -> Result<bool, ControlError> {
    let Liveness::Alive { pid } = liveness(home)? else { return Ok(false) };
    // One that does not answer is terminated below.
    let _ = Remote::new(home).ask(&Request::Stop, &mut |_| {});
    let mut waited = grace;
    let mut is_dead = wait_for_death(home, grace)?;
    for signal in [Signal::TERM, Signal::KILL] {
        // The lock is still held, so that the process of that number is the daemon and no other.
        if is_dead || liveness(home)? != (Liveness::Alive { pid }) {
            break;
        }
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended this very moment.
            let _ = rustix::process::kill_process(pid, signal);
        }
        is_dead = wait_for_death(home, KILL_AFTER)?;
        waited += KILL_AFTER;
    }
    if is_dead || liveness(home)? == Liveness::Dead {
        Ok(true)
    } else {
        Err(ControlError::Stop { pid, within: waited })
    }
}

/// What a started daemon writes to its stderr: only what it could not log.
fn said_file(home: &Home) -> PathBuf {
    home.log_dir().join("daemon.stderr")
}

fn wait_for_answer(home: &Home, mut child: Option<Child>) -> Result<u32, ControlError> {
    let until = Instant::now() + START_MAX;
    let remote = Remote::new(home);
    loop {
        if let Ok(Answer::Status(status)) = remote.ask(&Request::Status, &mut |_| {}) {
            return Ok(status.pid);
        }
        let ended = child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        // Another one may have been faster; then ours ends, and that one answers soon.
        if let Some(status) = ended
            && liveness(home)? == Liveness::Dead
        {
            return Err(ControlError::Start { message: format!("it ended with {status}{}", last_words(home)) });
        }
        if Instant::now() >= until {
            let message = format!("no answer within {} s{}", START_MAX.as_secs(), last_words(home));
            return Err(ControlError::Start { message });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn wait_for_death(home: &Home, within: Duration) -> Result<bool, ControlError> {
    let until = Instant::now() + within;
    while liveness(home)? != Liveness::Dead {
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(true)
}

/// The end of what it said, else of its log, to be appended to a message.
fn last_words(home: &Home) -> String {
    for file in [said_file(home), crate::log::file(home)] {
        let words = crate::log::tail(&file, TAIL_LINES).unwrap_or_default();
        if !words.trim_ascii().is_empty() {
            return format!("\n{}", String::from_utf8_lossy(words.trim_ascii_end()));
        }
    }
    String::new()
}

#[cfg(test)]
mod tests;

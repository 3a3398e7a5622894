//! The listening end of the control socket. Only this user is served, one thread a connection, a few at a time.

use std::io::{BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use carry_kernel::disk::DiskError;
use carry_kernel::home::Home;

use super::RunError;
use super::event::Event;
use crate::handle::{Answer, Request};
use crate::socket::{line, place, read_line};

/// Connections served at a time; further ones are refused, since something is wrong with whoever makes so many.
const CONNECTIONS_MAX: usize = 32;

/// How long a connection may say nothing, and how long it may take to read an answer.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// After an error of `accept` (out of file descriptors), so long nobody is accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// The server. Dropping it ends it and removes the socket.
pub(super) struct Server {
    path: PathBuf,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens. The caller holds the daemon's lock, so that a socket that is there already was left behind.
    pub(super) fn start(home: &Home, runtime: Option<&Path>, events: SyncSender<Event>) -> Result<Self, RunError> {
        let path = place::choose(home, runtime).map_err(RunError::start("its control socket"))?;
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(DiskError::at("replace", &path)(e).into()),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(DiskError::at("listen at", &path))?;
        // The folder is closed to others anyway.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .map_err(DiskError::at("protect", &path))?;
        let ends = Arc::new(AtomicBool::new(false));
        let run = {
            let ends = ends.clone();
            move || listen(&listener, &ends, &events)
        };
        let thread = std::thread::Builder::new()
            .name("carry-socket".to_owned())
            .spawn(run)
            .map_err(RunError::start("its control socket"))?;
        Ok(Self { path, ends, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        // Wakes the thread. If nobody can connect any more, it stays until the process ends.
        let is_awake = UnixStream::connect(&self.path).is_ok();
        // A socket that stays behind is replaced by the next daemon.
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| is_awake) {
            // A panic there was logged.
            let _ = thread.join();
        }
    }
}

fn listen(listener: &UnixListener, ends: &AtomicBool, events: &SyncSender<Event>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = listener.accept();
        if ends.load(Ordering::Acquire) {
            return;
        }
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                std::thread::sleep(PAUSE);
                continue;
            }
        };
        let place = Place::take(&open);
        if place.is_none() || !is_ours(&stream) {
            tracing::warn!("a connection was refused");
            continue;
        }
        let events = events.clone();
        let serve = move || {
            let _place = place;
            if let Err(error) = converse(&stream, &events) {
                tracing::debug!(%error, "a connection broke");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("carry-answer".to_owned()).spawn(serve) {
            tracing::warn!(%error, "a connection could not be served");
        }
    }
}

/// One of the places for connections, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(open.clone());
        (open.fetch_add(1, Ordering::AcqRel) < CONNECTIONS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether the other end is this user's, or root's, who may do anything anyway.
#[cfg(target_os = "linux")]
fn is_ours(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream)
        .is_ok_and(|peer| peer.uid == rustix::process::geteuid() || peer.uid.is_root())
}

/// The socket's permissions and its folder's say it.
#[cfg(not(target_os = "linux"))]
fn is_ours(_: &UnixStream) -> bool {
    true
}

fn converse(stream: &UnixStream, events: &SyncSender<Event>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    let mut lines = BufReader::new(stream);
    while let Some(text) = read_line(&mut lines)? {
        let mut out = stream;
        match serde_json::from_slice::<Request>(&text) {
            Ok(request) => ask(request, events, |answer| out.write_all(&line(answer)))?,
            Err(error) => {
                let message = format!("The daemon does not understand this request: {error}.");
                out.write_all(&line(&Answer::Failed { message }))?;
            }
        }
    }
    Ok(())
}

/// Hands a question to the loop and passes its answers on, up to the final one.
fn ask(
    request: Request,
    events: &SyncSender<Event>,
    mut pass_on: impl FnMut(&Answer) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (reply, answers) = channel();
    // A loop that has ended drops what is sent to it, and with it the reply.
    let _ = events.send(Event::Asked { request, reply });
    for answer in answers {
        pass_on(&answer)?;
        if !matches!(answer, Answer::Progress { .. }) {
            return Ok(());
        }
    }
    pass_on(&Answer::Failed { message: "The daemon ended before it could answer.".to_owned() })
}

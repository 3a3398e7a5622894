//! Running Git against a remote: its environment, its end, what it says meanwhile.
//!
//! In the background it may ask nobody anything: no terminal, no password program. There is no limit on how long it may
//! take, only on how long it may be silent. What is ended is this child and the processes it started, never another.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use carry_kernel::worker::Reason;
use rustix::process::{Pid, Signal};

use super::{Io, Remote, RemoteError, failure, progress};
use crate::git;
use crate::repo::Repo;

/// How long Git may be silent before it counts as stalled.
pub(super) const STALL_AFTER: Duration = Duration::from_secs(10 * 60);
/// How long it has to end by itself when asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often the cancel flag is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long output is waited for after Git itself has ended: a connection that ssh keeps for later holds it open.
const DRAIN: Duration = Duration::from_millis(500);
/// Lines of its messages that are kept.
const LINES_MAX: usize = 200;
/// Longest line kept, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// The git program for `repo`, allowed to ask or not as `io` says. The user's ssh, credential helpers and proxies hold.
pub(crate) fn command(repo: &Repo, io: &Io<'_>) -> Command {
    let mut git = git::command(repo.root());
    if io.interactive {
        git.env_remove("GIT_TERMINAL_PROMPT").stdin(Stdio::inherit());
    } else {
        git.env("GIT_TERMINAL_PROMPT", "0")
            // Empty: neither it nor `core.askPass` is asked.
            .env("GIT_ASKPASS", "")
            // Asked first of all, so that ssh does not turn to a terminal that it finds by itself.
            .env("SSH_ASKPASS", "false")
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("GCM_INTERACTIVE", "never")
            .args(["-c", "credential.interactive=false"])
            .process_group(0);
    }
    git
}

/// One run of Git.
pub(crate) struct Run<'a> {
    /// Git and its arguments.
    pub(crate) git: Command,
    /// The remote it speaks to.
    pub(crate) remote: &'a Remote,
    /// Written to its standard input.
    pub(crate) input: Option<Vec<u8>>,
    /// Most bytes it may print.
    pub(crate) output_max: usize,
    /// How long it may be silent.
    pub(crate) stall: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    /// Whether it ended with success.
    pub(crate) success: bool,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
    /// What it said, without progress, line by line.
    pub(crate) said: Vec<String>,
    /// Bytes sent, as far as it says.
    pub(crate) sent: u64,
}

impl Output {
    /// The failure that this is.
    pub(crate) fn failure(&self, remote: &Remote) -> RemoteError {
        let (reason, message) = failure::classify(&self.said);
        RemoteError::Failed { remote: remote.shown_name(), reason, message }
    }
}

enum Heard {
    Out(Vec<u8>),
    Err(Vec<u8>),
    End,
}

impl<'a> Run<'a> {
    /// A run without input that may print little.
    pub(crate) fn new(git: Command, remote: &'a Remote) -> Self {
        Self { git, remote, input: None, output_max: 1 << 20, stall: STALL_AFTER }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// [`RemoteError`] when it was cancelled, stalled, printed too much or could not be started. A run that ended with a
    /// failure is an [`Output`].
    pub(crate) fn run(mut self, io: &Io<'_>) -> Result<Output, RemoteError> {
        let remote = self.remote.shown_name();
        let failed = |reason, message: String| RemoteError::Failed { remote: remote.clone(), reason, message };
        if self.input.is_some() {
            self.git.stdin(Stdio::piped());
        }
        self.git.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            self.git.spawn().map_err(|e| failed(Reason::InternalError, format!("git could not be started: {e}")))?;
        let (sender, heard) = channel();
        listen(child.stdout.take(), sender.clone(), Heard::Out);
        listen(child.stderr.take(), sender, Heard::Err);
        if let (Some(input), Some(mut stdin)) = (self.input.take(), child.stdin.take()) {
            // It may stop reading at any time.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let mut listener = Listener { output: Output::default(), line: Vec::new(), io };
        let ended = follow(&mut child, &heard, &mut listener, self.stall, self.output_max);
        listener.end_line();
        match ended {
            Ended::Done(success) => Ok(Output { success, ..listener.output }),
            Ended::Cancelled => {
                stop(&mut child, io);
                Err(RemoteError::Cancelled { remote: remote.clone() })
            }
            Ended::Stalled => {
                stop(&mut child, io);
                Err(failed(Reason::TimedOut, format!("nothing was heard for {} seconds", self.stall.as_secs())))
            }
            Ended::TooMuch => {
                stop(&mut child, io);
                Err(failed(Reason::InvalidData, "it sends more than can be right".to_owned()))
            }
        }
    }
}

enum Ended {
    Done(bool),
    Cancelled,
    Stalled,
    TooMuch,
}

/// Passes on what is heard until the child has ended.
fn follow(
    child: &mut Child,
    heard: &Receiver<Heard>,
    listener: &mut Listener<'_>,
    stall: Duration,
    output_max: usize,
) -> Ended {
    let mut open = 2;
    let mut last = Instant::now();
    let mut exited: Option<(bool, Instant)> = None;
    loop {
        match heard.recv_timeout(POLL) {
            Ok(Heard::Out(bytes)) => {
                last = Instant::now();
                listener.output.stdout.extend(bytes);
                if listener.output.stdout.len() > output_max {
                    return Ended::TooMuch;
                }
            }
            Ok(Heard::Err(bytes)) => {
                last = Instant::now();
                listener.hear(&bytes);
            }
            Ok(Heard::End) => open -= 1,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                open = 0;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if exited.is_none() {
            if listener.io.cancel.load(Ordering::Relaxed) {
                return Ended::Cancelled;
            }
            match child.try_wait() {
                Ok(Some(status)) => exited = Some((status.success(), Instant::now())),
                Ok(None) => {}
                Err(_) => return Ended::Done(false),
            }
        }
        match exited {
            Some((success, since)) if open <= 0 || since.elapsed() > DRAIN => return Ended::Done(success),
            None if last.elapsed() > stall => return Ended::Stalled,
            _ => {}
        }
    }
}

/// Reads to the end on a thread of its own.
fn listen(from: Option<impl Read + Send + 'static>, to: Sender<Heard>, made: fn(Vec<u8>) -> Heard) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        if let Some(mut from) = from {
            while let Ok(n) = from.read(&mut buffer) {
                if n == 0 || to.send(made(buffer[..n].to_vec())).is_err() {
                    break;
                }
            }
        }
        let _ = to.send(Heard::End);
    });
}

/// Asks the child to end, then makes it.
fn stop(child: &mut Child, io: &Io<'_>) {
    let signal = |signal| {
        let pid = Pid::from_child(child);
        // In front of a terminal it has no group of its own; ours must not be hit.
        let _ = if io.interactive {
            rustix::process::kill_process(pid, signal)
        } else {
            rustix::process::kill_process_group(pid, signal)
        };
    };
    signal(Signal::TERM);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = Pid::from_child(child);
    let _ = if io.interactive {
        rustix::process::kill_process(pid, Signal::KILL)
    } else {
        rustix::process::kill_process_group(pid, Signal::KILL)
    };
    let _ = child.wait();
}

/// Takes Git's messages apart.
struct Listener<'a> {
    output: Output,
    line: Vec<u8>,
    io: &'a Io<'a>,
}

impl Listener<'_> {
    fn hear(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                self.end_line();
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).trim().to_owned();
        self.line.clear();
        if line.is_empty() || line == "remote:" {
            return;
        }
        match progress::parse(&line) {
            Some(step) => {
                if step.name == "Writing objects"
                    && let Some(bytes) = step.bytes
                {
                    self.output.sent = self.output.sent.max(bytes);
                }
                (self.io.progress)(&step.name.to_lowercase(), step.done, step.total);
            }
            None => {
                // The end of what it says counts most.
                if self.output.said.len() == LINES_MAX {
                    self.output.said.remove(0);
                }
                self.output.said.push(line);
            }
        }
    }
}

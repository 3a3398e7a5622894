//! The password, wherever it comes from; and files that only their owner may read.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use carry_kernel::disk;
use rustix::process::{Pid, Signal, kill_process_group};

use super::pgpass::{self, Login};
use crate::settings::{Password, Secret};
use crate::sink::{Class, SinkError};

#[cfg(test)]
mod tests;

/// How long a command for a password may take.
const COMMAND_TIME: Duration = Duration::from_secs(10);
/// How often a command that has spoken is asked whether it has ended.
const WAITS: u32 = 1000;
/// The signal of a pipe that nobody reads.
const SIGPIPE: i32 = 13;
/// Longest file of a password, URL or key.
const FILE_BYTES_MAX: u64 = 64 << 10;

impl Password {
    /// The password; `None` when none is set. A file comes before a command, and that before the environment. See
    /// [`Password::find_by_host`] for what comes last.
    ///
    /// # Errors
    /// [`Class::AuthRequired`].
    pub(crate) fn find(&self) -> Result<Option<Secret>, SinkError> {
        if let Some(file) = &self.file {
            let text = read_private(file, "the password's file")?;
            return first_line(&text, "the password's file holds no password").map(Some);
        }
        if let Some(command) = &self.command {
            return ask(command, COMMAND_TIME).map(Some);
        }
        Ok(self.environment.clone())
    }

    /// What the file of passwords by host has for this login; `None` when it has nothing, or there is no such file.
    ///
    /// # Errors
    /// [`Class::AuthRequired`].
    pub(super) fn find_by_host(&self, login: Login<'_>) -> Result<Option<Secret>, SinkError> {
        let Some(path) = self.by_host.as_deref().filter(|path| path.exists()) else { return Ok(None) };
        let text = read_private(path, "the file of passwords")?;
        Ok(pgpass::find(&text, login))
    }
}

/// A small text file that nobody but its owner may read or write.
///
/// # Errors
/// [`Class::AuthRequired`]: it cannot be read, or others can, too.
pub(crate) fn read_private(path: &Path, what: &str) -> Result<String, SinkError> {
    let refused = |why: String| SinkError::new(Class::AuthRequired, format!("{what} {} {why}", path.display()));
    let file = disk::open_private(path).map_err(|error| {
        let failed = refused(format!("cannot be used: {error}"));
        let is_open_to_others = error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none();
        let hint = || format!("It must be yours, and for you alone: chmod 600 {}", path.display());
        if is_open_to_others { failed.with_hint(hint()) } else { failed }
    })?;
    let bytes =
        disk::read_at_most(file, FILE_BYTES_MAX).map_err(|error| refused(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| refused("is not UTF-8".to_owned()))
}

/// The first line of a text, which must hold something.
pub(crate) fn first_line(text: &str, otherwise: &str) -> Result<Secret, SinkError> {
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(SinkError::new(Class::AuthRequired, otherwise));
    }
    Ok(Secret(line.to_owned()))
}

/// The first line that a command prints. What it says besides is not shown: it may hold the password.
fn ask(command: &str, time: Duration) -> Result<Secret, SinkError> {
    let refused = |why: String| {
        SinkError::new(Class::AuthRequired, format!("the command for the password {why}")).with_hint(
            "Try it in a shell: team.password_command must print the password as its first line, and ask nothing.",
        )
    };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that all that it starts can be ended with it.
        .process_group(0)
        .spawn()
        .map_err(|error| refused(format!("cannot be run: {error}")))?;
    let Some(output) = child.stdout.take() else { return Err(refused("prints nothing".to_owned())) };
    let (send, receive) = mpsc::sync_channel(1);
    // Left behind when it takes too long: it ends with the command.
    std::thread::spawn(move || {
        let mut output = BufReader::new(output.take(FILE_BYTES_MAX));
        let mut line = String::new();
        let read = output.read_line(&mut line);
        // What else it says is taken, up to a point, so that it can end as it likes.
        let _ = std::io::copy(&mut output, &mut std::io::sink());
        let _ = send.send(read.map(|_| line));
    });
    let line = receive.recv_timeout(time);
    let mut status = None;
    // Nobody says when a child ends; nearly all have by now.
    for _ in 0..(if line.is_ok() { WAITS } else { 0 }) {
        status = child.try_wait().ok().flatten();
        if status.is_some() {
            break;
        }
        std::thread::sleep(time / WAITS);
    }
    let Some(status) = status else {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.kill();
        let _ = child.wait();
        return Err(refused(format!("took more than {} seconds", time.as_secs())));
    };
    // One that had more to say than anybody reads is ended by that.
    let had_no_reader = status.signal() == Some(SIGPIPE) || status.code() == Some(128 + SIGPIPE);
    if !status.success() && !had_no_reader {
        return Err(refused(format!("failed: {status}")));
    }
    match line {
        Ok(Ok(line)) => first_line(&line, "the command for the password printed nothing"),
        _ => Err(refused("printed something that is not UTF-8".to_owned())),
    }
}

//! The control socket: one JSON object a line, both ways; 0600, only for this user.
//!
//! Where the state folder's path is too long for a socket's address, the socket lies in a private folder with a short path,
//! and `daemon.sock.path` beside where it should be says where.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use carry_kernel::home::Home;

use crate::handle::{Answer, Handle, HandleError, Request};

pub(crate) mod place;

/// Longest line, in bytes: an answer names at most some thousand paths.
pub(crate) const LINE_BYTES_MAX: u64 = 1 << 20;

/// How long an answer may take that needs no work.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long a capture may say nothing. Its steps are told as they come; hashing very large files and waiting for another
/// process's capture are the longest silences.
const CAPTURE_SILENCE_MAX: Duration = Duration::from_secs(600);

/// A daemon reached over its socket.
#[derive(Debug)]
pub struct Remote {
    home: Home,
}

impl Remote {
    /// The daemon of `home`; whether it runs shows when it is asked.
    pub fn new(home: &Home) -> Self {
        Self { home: home.clone() }
    }
}

impl Handle for Remote {
    fn ask(&self, request: &Request, progress: &mut dyn FnMut(&Answer)) -> Result<Answer, HandleError> {
        let mut stream = match place::find(&self.home).and_then(UnixStream::connect) {
            Ok(stream) => stream,
            // A socket that nobody listens at was left by a daemon that was killed.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Err(HandleError::NotRunning);
            }
            Err(e) => return Err(broken(e)),
        };
        let patience = if matches!(request, Request::Capture { .. }) { CAPTURE_SILENCE_MAX } else { ANSWER_MAX };
        stream.set_read_timeout(Some(patience)).map_err(broken)?;
        stream.set_write_timeout(Some(ANSWER_MAX)).map_err(broken)?;
        stream.write_all(&line(request)).map_err(broken)?;
        let mut lines = BufReader::new(stream);
        loop {
            let Some(line) = read_line(&mut lines).map_err(broken)? else {
                return Err(broken(io::Error::from(io::ErrorKind::UnexpectedEof)));
            };
            match serde_json::from_slice(&line).map_err(broken)? {
                answer @ Answer::Progress { .. } => progress(&answer),
                answer => return Ok(answer),
            }
        }
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HandleError {
    HandleError::Broken(error.into())
}

/// A message as it crosses the socket.
pub(crate) fn line(message: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages hold only text, numbers and lists");
    line.push(b'\n');
    line
}

/// The next line without its line feed; `None` at the end. One that is too long is an error.
pub(crate) fn read_line(lines: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    lines.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 >= LINE_BYTES_MAX => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
        Some(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

#[cfg(test)]
mod tests;

//! Running Git for packs: what goes in, what comes out, and how much of it at most.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::process::{Command, Stdio};

use super::StreamError;
use crate::git::ByteSlice as _;
use crate::repo::Repo;

/// How much of what Git says is kept, in bytes.
const SAID_BYTES_MAX: u64 = 16 * 1024;
/// Most that a listing in memory may take, in bytes.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// What Git reads.
pub(super) enum Input {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// A file, from where it stands.
    File(File),
}

/// Runs Git to its end and hands what it prints to `out`, `max` bytes at most.
///
/// # Errors
/// [`StreamError::Git`] when it fails, [`StreamError::TooLarge`] when it prints more, what `out` fails with.
pub(super) fn run(
    repo: &Repo,
    what: &str,
    mut git: Command,
    input: Input,
    max: u64,
    out: &mut dyn Write,
) -> Result<(), StreamError> {
    let failed = |message: String| StreamError::Git { what: what.to_owned(), repo: repo.root().to_owned(), message };
    let (text, stdin) = match input {
        Input::Nothing => (None, Stdio::null()),
        Input::Text(text) => (Some(text), Stdio::piped()),
        Input::File(file) => (None, Stdio::from(file)),
    };
    let mut child = git
        // Versions of Git that know nothing of `GIT_NO_LAZY_FETCH` fetch what is lacking over no protocol either.
        .env("GIT_ALLOW_PROTOCOL", "none")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("git could not be started: {e}")))?;
    if let (Some(text), Some(mut stdin)) = (text, child.stdin.take()) {
        // It may stop reading at any time.
        std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    }
    let stderr = child.stderr.take();
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(SAID_BYTES_MAX).read_to_end(&mut said);
            let _ = io::copy(&mut stderr, &mut io::sink());
        }
        said
    });
    let copied = match child.stdout.take() {
        Some(stdout) => copy(stdout, max, out),
        None => Ok(true),
    };
    if !matches!(copied, Ok(true)) {
        // This child and nobody else.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| failed(e.to_string()))?;
    let said = said.join().unwrap_or_default();
    if !copied? {
        return Err(StreamError::TooLarge { what: what.to_owned(), bytes_max: max });
    }
    if status.success() {
        return Ok(());
    }
    let said = said.trim().to_str_lossy().replace(['\n', '\r'], " ");
    Err(failed(if said.is_empty() { format!("git ended with {status}") } else { said }))
}

/// What a short run prints.
///
/// # Errors
/// As [`run`].
pub(super) fn text_of(repo: &Repo, what: &str, git: Command, input: Input) -> Result<Vec<u8>, StreamError> {
    let mut out = Vec::new();
    run(repo, what, git, input, TEXT_BYTES_MAX, &mut out)?;
    Ok(out)
}

/// Copies; `false` when there is more than `max`.
fn copy(mut from: impl io::Read, max: u64, out: &mut dyn Write) -> Result<bool, StreamError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0u64;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        };
        total += n as u64;
        if total > max {
            return Ok(false);
        }
        out.write_all(&buffer[..n])?;
    }
}

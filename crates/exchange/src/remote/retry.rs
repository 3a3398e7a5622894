//! A place that is asked again when it may help.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carry_kernel::backoff::{Backoff, Policy};
use carry_kernel::clock::Timestamp;

use crate::name::{Folder, LogId};

use super::deadline::Deadline;
use super::error::RemoteError;
use super::file::RemoteFile;
use super::{Got, Init, Listed, Listing, Part, Put, Remote, Source};

/// How a place is asked again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// The waits between two tries.
    pub policy: Policy,
    /// Tries of one call at most, the first included.
    pub tries_max: u32,
    /// A wait longer than this is left to the caller, who has other places to go on with.
    pub wait_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let policy = Policy { first: Duration::from_millis(200), max: Duration::from_secs(5), ..Policy::default() };
        Self { policy, tries_max: 4, wait_max: Duration::from_secs(10) }
    }
}

/// How time passes between two tries.
pub trait Pause: Send + Sync + std::fmt::Debug {
    /// Lets `wait` pass, less if the deadline comes.
    fn pause(&self, wait: Duration, deadline: &Deadline<'_>);
}

/// Time passes as it does: the thread sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemPause;

/// How long a sleeper does not hear that it is to stop.
const NAP: Duration = Duration::from_millis(50);

impl Pause for SystemPause {
    fn pause(&self, wait: Duration, deadline: &Deadline<'_>) {
        let mut left = wait;
        while !left.is_zero() && deadline.passed().is_none() {
            let nap = left.min(NAP);
            std::thread::sleep(nap);
            left -= nap;
        }
    }
}

/// Asks a place again when the failure is one that [passes](super::Class::is_transient), after a wait that grows. What the place
/// wants to wait is honoured; if that is too long, or the deadline would come first, the failure is the answer.
///
/// A call that failed after its effect and is asked again answers for the second time: a put [`Put::Exists`], a removal that
/// nothing was there. A listing shows names again. What was got goes on where it broke off: a name has one valid content,
/// and its hash tells if two halves do not belong together.
#[derive(Debug)]
pub struct Retrying<R, P = SystemPause> {
    inner: R,
    retry: Retry,
    pause: P,
    seed: AtomicU64,
}

impl<R: Remote> Retrying<R> {
    /// Asks `inner` again; the waits are drawn from `seed`.
    pub fn new(inner: R, retry: Retry, seed: u64) -> Self {
        Self::with_pause(inner, retry, seed, SystemPause)
    }
}

impl<R: Remote, P: Pause> Retrying<R, P> {
    /// The same, with time as it is given.
    pub fn with_pause(inner: R, retry: Retry, seed: u64, pause: P) -> Self {
        Self { inner, retry, pause, seed: AtomicU64::new(seed) }
    }

    /// The place that is asked.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    fn again<T>(
        &self,
        deadline: &Deadline<'_>,
        mut call: impl FnMut() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let mut backoff = Backoff::new(self.retry.policy, self.seed.fetch_add(1, Ordering::Relaxed));
        loop {
            let error = match call() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !error.class().is_transient() || backoff.failures().saturating_add(1) >= self.retry.tries_max {
                return Err(error);
            }
            let wait = backoff.fail(error.retry_after());
            if wait > self.retry.wait_max || deadline.left().is_some_and(|left| left <= wait) {
                return Err(error);
            }
            tracing::debug!(place = self.inner.place(), class = error.class().as_str(), ?wait, "asking again");
            self.pause.pause(wait, deadline);
            deadline.check(self.inner.place())?;
        }
    }
}

impl<R: Remote, P: Pause> Remote for Retrying<R, P> {
    // A wait is asked once: it is repeated by who waits.
    crate::passed_on!(inner but check init list get put delete sweep);

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        self.again(deadline, || self.inner.check(deadline))
    }

    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        self.again(deadline, || self.inner.init(deadline))
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        self.again(deadline, || self.inner.list(folder, deadline, each))
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        let mut counted = Counted { into, bytes: 0 };
        self.again(deadline, || {
            let before = counted.bytes;
            let got = self.inner.get(file, part.after(before), &mut counted, deadline)?;
            match part {
                // The first try looked at an earlier state of the file.
                Part::Whole { bytes_max } if got.size > bytes_max => Err(RemoteError::TooLarge {
                    place: self.place().to_owned(),
                    file: file.to_string(),
                    bytes: got.size,
                    bytes_max,
                }),
                _ => Ok(Got { bytes: before.saturating_add(got.bytes), ..got }),
            }
        })
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        self.again(deadline, || self.inner.put(file, source, deadline))
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        self.again(deadline, || self.inner.delete(file, deadline))
    }

    fn sweep(&self, writers: &[LogId], now: Timestamp, deadline: &Deadline<'_>) -> Result<u64, RemoteError> {
        self.again(deadline, || self.inner.sweep(writers, now, deadline))
    }
}

impl Part {
    /// What is left when the first `done` bytes have come.
    fn after(self, done: u64) -> Self {
        match self {
            _ if done == 0 => self,
            Self::Whole { bytes_max } => Self::Range { from: done, bytes: bytes_max.saturating_sub(done) },
            Self::Range { from, bytes } => {
                Self::Range { from: from.saturating_add(done), bytes: bytes.saturating_sub(done) }
            }
        }
    }
}

/// Counts what passes.
struct Counted<'a> {
    into: &'a mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let n = self.into.write(piece)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

#[cfg(test)]
mod tests;

//! A place that fails on purpose, as places do: for tests and the simulator.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use crate::name::{Folder, LogId};

use super::deadline::Deadline;
use super::dice::Dice;
use super::error::RemoteError;
use super::file::RemoteFile;
use super::pipe::{self, Opened};
use super::{Cursor, Got, Init, Listed, Listing, News, PAGE_FILES_MAX, Part, Put, Remote, Source, Version};

/// How often each failure happens, in percent of the calls that it can happen to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The call fails, and nothing was done.
    pub before: u8,
    /// The call fails, and yet it was done.
    pub after: u8,
    /// The place wants to be left in peace for a second.
    pub busy: u8,
    /// A get fails when some of it was handed over.
    pub broken_get: u8,
    /// A get hands over the beginning of a file and takes that for all: the rest has not arrived.
    pub short_get: u8,
    /// A put fails and leaves the beginning of the file under the final name.
    pub torn_put: u8,
    /// What was put is not seen for up to [`LATE_CALLS_MAX`] calls; what is put later may be seen earlier.
    pub late: u8,
    /// A sync tool keeps a second copy of what was put, under a name of its own.
    pub copy: u8,
    /// A listing shows what the one before it showed.
    pub stale: u8,
    /// What was put is gone at once.
    pub vanish: u8,
}

/// How many calls what was put may not be seen.
pub const LATE_CALLS_MAX: u64 = 20;

/// How a sync tool marks its copies, before the extension.
const COPY_MARK: &str = ".sync-conflict-20261129-101500-ABCDEFG";

impl Faults {
    /// Those that pass when the place is asked again.
    pub fn passing(percent: u8) -> Self {
        Self { before: percent, after: percent, busy: percent, broken_get: percent, ..Self::default() }
    }

    /// All of them.
    pub fn all(percent: u8) -> Self {
        Self {
            short_get: percent,
            torn_put: percent,
            late: percent,
            copy: percent,
            stale: percent,
            vanish: percent,
            ..Self::passing(percent)
        }
    }
}

/// A place that does to its calls what [`Faults`] says, the same for the same seed and the same calls. What is late or stale
/// is so for those who look through this value; copies too are seen through it alone.
#[derive(Debug)]
pub struct Faulty<R> {
    inner: R,
    dice: Dice,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    calls: u64,
    /// Paths not seen before this call.
    late: BTreeMap<String, u64>,
    /// Copies by path.
    copies: BTreeMap<String, Arc<[u8]>>,
    /// What the last listing of a folder showed.
    listed: BTreeMap<String, Vec<Listing>>,
    happened: BTreeMap<&'static str, u64>,
}

impl<R: Remote> Faulty<R> {
    /// Lets `inner` fail.
    pub fn new(inner: R, seed: u64, faults: Faults) -> Self {
        Self { inner, dice: Dice::new(seed), state: Mutex::new(State { faults, ..State::default() }) }
    }

    /// Changes what happens from now on.
    pub fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Nothing happens any more, and what is late is seen.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults = Faults::default();
        state.late.clear();
    }

    /// What happened, and how often.
    pub fn happened(&self) -> BTreeMap<&'static str, u64> {
        self.state().happened.clone()
    }

    /// The place itself.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the failure `what` happens now.
    fn strikes(&self, what: &'static str, percent: impl FnOnce(&Faults) -> u8) -> bool {
        let mut state = self.state();
        let percent = u64::from(percent(&state.faults));
        // Nothing is drawn for what cannot happen, so that adding a kind leaves the others' seeds alone.
        let strikes = percent > 0 && self.dice.below(100) < percent;
        if strikes {
            *state.happened.entry(what).or_default() += 1;
        }
        strikes
    }

    fn unreachable(&self, what: &str) -> RemoteError {
        RemoteError::Unreachable { place: self.place().to_owned(), source: format!("made to fail: {what}").into() }
    }

    /// Makes `call` with what may go wrong before and after any.
    fn around<T>(&self, call: impl FnOnce() -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        self.state().calls += 1;
        if self.strikes("before", |faults| faults.before) {
            return Err(self.unreachable("before"));
        }
        if self.strikes("busy", |faults| faults.busy) {
            return Err(RemoteError::Busy {
                place: self.place().to_owned(),
                retry_after: Some(Duration::from_secs(1)),
            });
        }
        let done = call()?;
        if self.strikes("after", |faults| faults.after) {
            return Err(self.unreachable("after"));
        }
        Ok(done)
    }

    fn is_late(&self, path: &str) -> bool {
        let state = self.state();
        state.late.get(path).is_some_and(|at| state.calls < *at)
    }

    /// What a listing of `folder` shows now.
    fn shown(&self, folder: Folder, deadline: &Deadline<'_>) -> Result<Vec<Listing>, RemoteError> {
        let mut shown = Vec::new();
        self.inner.list(folder, deadline, &mut |page| {
            shown.extend_from_slice(page);
            ControlFlow::Continue(())
        })?;
        let prefix = format!("{folder}/");
        shown.retain(|listing| !self.is_late(&format!("{prefix}{}", listing.name)));
        for (path, bytes) in &self.state().copies {
            if let Some(name) = path.strip_prefix(&prefix) {
                shown.push(Listing { name: name.to_owned(), bytes: bytes.len() as u64, version: copy_version() });
            }
        }
        Ok(shown)
    }

    fn put_whole(&self, file: &RemoteFile, bytes: &[u8], deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        let put = self.inner.put(file, Source::Bytes(bytes), deadline)?;
        if self.strikes("copy", |faults| faults.copy) {
            self.state().copies.insert(copy_path(file), bytes.into());
        }
        if put != Put::Created {
            return Ok(put);
        }
        if self.strikes("vanish", |faults| faults.vanish) {
            self.inner.delete(file, deadline)?;
        } else if self.strikes("late", |faults| faults.late) {
            let until = 1 + self.dice.below(LATE_CALLS_MAX);
            let mut state = self.state();
            let seen_at = state.calls + until;
            state.late.insert(file.to_string(), seen_at);
        }
        Ok(put)
    }
}

impl<R: Remote> Remote for Faulty<R> {
    crate::passed_on!(inner but check init list get put delete sweep wait);

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        self.around(|| self.inner.check(deadline))
    }

    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        self.around(|| self.inner.init(deadline))
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        self.around(|| {
            let mut now = self.shown(folder, deadline)?;
            let before = self.state().listed.insert(folder.to_string(), now.clone());
            if let Some(before) = before
                && self.strikes("stale", |faults| faults.stale)
            {
                now = before;
            }
            let stopped = now.chunks(PAGE_FILES_MAX).any(|page| each(page).is_break());
            Ok(if stopped { Listed::Stopped } else { Listed::Whole })
        })
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        self.around(|| {
            if self.is_late(file.path()) {
                return Err(RemoteError::NotThere { place: self.place().to_owned(), file: file.to_string() });
            }
            let mut bytes = Vec::new();
            let copy = self.state().copies.get(file.path()).cloned();
            let got = match copy {
                None => self.inner.get(file, part, &mut bytes, deadline)?,
                Some(copy) => {
                    deadline.check(self.place())?;
                    let size = copy.len() as u64;
                    let (from, to) = part.within(size, self.place(), file)?;
                    let span = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                    bytes.extend_from_slice(span.and_then(|(from, to)| copy.get(from..to)).unwrap_or_default());
                    Got { bytes: to - from, size, version: copy_version() }
                }
            };
            let cut = usize::try_from(self.dice.below(bytes.len() as u64)).unwrap_or_default();
            if self.strikes("broken get", |faults| faults.broken_get) {
                pipe::hand_over(into, &bytes[..cut], self.place())?;
                return Err(self.unreachable("a get"));
            }
            if !bytes.is_empty() && self.strikes("short get", |faults| faults.short_get) {
                pipe::hand_over(into, &bytes[..cut], self.place())?;
                let missing = got.bytes - cut as u64;
                return Ok(Got { bytes: cut as u64, size: got.size - missing, ..got });
            }
            pipe::hand_over(into, &bytes, self.place())?;
            Ok(got)
        })
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        self.around(|| {
            file.may_put()?;
            let mut bytes = Vec::new();
            Opened::open(source, self.place())?.pour(self.place(), deadline, |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            if self.strikes("torn put", |faults| faults.torn_put) {
                let cut = usize::try_from(self.dice.below(bytes.len() as u64)).unwrap_or_default();
                self.inner.put(file, Source::Bytes(&bytes[..cut]), deadline)?;
                return Err(self.unreachable("a put"));
            }
            self.put_whole(file, &bytes, deadline)
        })
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        self.around(|| {
            let there = self.inner.delete(file, deadline)?;
            let mut state = self.state();
            state.late.remove(file.path());
            Ok(state.copies.remove(file.path()).is_some() || there)
        })
    }

    fn sweep(&self, writers: &[LogId], now: Timestamp, deadline: &Deadline<'_>) -> Result<u64, RemoteError> {
        self.around(|| self.inner.sweep(writers, now, deadline))
    }

    fn wait(&self, after: Option<&Cursor>, deadline: &Deadline<'_>) -> Result<News, RemoteError> {
        self.around(|| self.inner.wait(after, deadline))
    }
}

/// Where a sync tool keeps its copy of `file`.
fn copy_path(file: &RemoteFile) -> String {
    match file.path().rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}{COPY_MARK}.{extension}"),
        None => format!("{file}{COPY_MARK}"),
    }
}

fn copy_version() -> Version {
    Version("copy".to_owned())
}

#[cfg(test)]
mod tests;

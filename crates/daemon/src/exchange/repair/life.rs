//! Signs of life of a place: whether a call to it goes on, or hangs. What this device does between calls is not the place's silence.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carry_exchange::name::{Folder, LogId};
use carry_exchange::remote::{
    Cursor, Deadline, Got, Init, Listed, Listing, News, Part, Put, Remote, RemoteError, RemoteFile, Source,
};
use carry_kernel::clock::{Clock, Timestamp};

/// How many bytes a second a place takes at least. When a file was written the system is asked to bring it to its disk, and says
/// nothing until all of it is there.
const TAKEN_PER_SECOND_MIN: u64 = 512 * 1024;

/// What is known of the calls to a place.
#[derive(Debug)]
pub(super) struct Life {
    clock: Arc<dyn Clock>,
    /// All of it at once: of two calls one after the other, the second is never weighed by what is known of the first.
    calls: Mutex<Calls>,
}

#[derive(Debug)]
struct Calls {
    /// Calls that have not come back.
    n_open: usize,
    /// When something was last heard of one, by the steady clock.
    heard: Timestamp,
    /// Bytes of the files that are being put.
    put_bytes: u64,
}

/// A call that has not come back. Dropped when it has.
pub(super) struct Call<'a> {
    life: &'a Life,
    put_bytes: u64,
}

/// A place whose calls are noted.
#[derive(Debug)]
pub(super) struct Alive<R> {
    pub(super) inner: R,
    pub(super) life: Arc<Life>,
}

impl Life {
    /// No call yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let calls = Calls { n_open: 0, heard: clock.steady(), put_bytes: 0 };
        Self { clock, calls: Mutex::new(calls) }
    }

    /// Whether a call goes on in which nothing moved for so long. One that puts a file has as much longer as a slow place needs to
    /// take all of it.
    pub(super) fn is_silent(&self, now: Timestamp, patience: Duration) -> bool {
        let calls = self.calls();
        let takes = Duration::from_secs(calls.put_bytes / TAKEN_PER_SECOND_MIN);
        calls.n_open > 0 && now.since(calls.heard) >= patience.saturating_add(takes)
    }

    /// A call begins that puts so many bytes.
    pub(super) fn call(&self, put_bytes: u64) -> Call<'_> {
        let heard = self.clock.steady();
        let mut calls = self.calls();
        calls.n_open += 1;
        calls.heard = heard;
        calls.put_bytes = calls.put_bytes.saturating_add(put_bytes);
        Call { life: self, put_bytes }
    }

    fn heard(&self) {
        let heard = self.clock.steady();
        self.calls().heard = heard;
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut calls = self.life.calls();
        calls.n_open = calls.n_open.saturating_sub(1);
        calls.put_bytes = calls.put_bytes.saturating_sub(self.put_bytes);
    }
}

impl<R: Remote> Alive<R> {
    fn noted<T>(&self, deadline: &Deadline<'_>, call: impl FnOnce(&R, &Deadline<'_>) -> T) -> T {
        self.noted_put(0, deadline, call)
    }

    fn noted_put<T>(&self, bytes: u64, deadline: &Deadline<'_>, call: impl FnOnce(&R, &Deadline<'_>) -> T) -> T {
        let _call = self.life.call(bytes);
        let heard = || self.life.heard();
        call(&self.inner, &deadline.telling(&heard))
    }
}

impl<R: Remote> Remote for Alive<R> {
    carry_exchange::passed_on!(inner but check init list get put delete sweep wait);

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        self.noted(deadline, |inner, deadline| inner.check(deadline))
    }

    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        self.noted(deadline, |inner, deadline| inner.init(deadline))
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        self.noted(deadline, |inner, deadline| inner.list(folder, deadline, each))
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        self.noted(deadline, |inner, deadline| inner.get(file, part, into, deadline))
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        let bytes = match source {
            Source::Bytes(bytes) => bytes.len() as u64,
            // One that cannot be looked at fails in the call.
            Source::File(path) => std::fs::metadata(path).map_or(0, |found| found.len()),
        };
        self.noted_put(bytes, deadline, |inner, deadline| inner.put(file, source, deadline))
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        self.noted(deadline, |inner, deadline| inner.delete(file, deadline))
    }

    fn sweep(&self, writers: &[LogId], now: Timestamp, deadline: &Deadline<'_>) -> Result<u64, RemoteError> {
        self.noted(deadline, |inner, deadline| inner.sweep(writers, now, deadline))
    }

    fn wait(&self, after: Option<&Cursor>, deadline: &Deadline<'_>) -> Result<News, RemoteError> {
        self.noted(deadline, |inner, deadline| inner.wait(after, deadline))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use carry_exchange::name::ObjectName;
    use carry_exchange::remote::MemoryRemote;
    use carry_kernel::clock::ManualClock;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A place that needs 50 seconds for each of three pieces, and then 100 to bring it to its disk.
    #[derive(Debug)]
    struct Slow {
        inner: MemoryRemote,
        clock: Arc<ManualClock>,
        life: Arc<Life>,
        sync: Duration,
    }

    impl Slow {
        fn is_silent(&self) -> bool {
            self.life.is_silent(self.clock.steady(), PATIENCE)
        }

        fn moves(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
            for _ in 0..3 {
                deadline.check("slow")?;
                self.clock.advance(Duration::from_secs(50));
                assert!(!self.is_silent(), "it is slow, and moves");
            }
            Ok(())
        }
    }

    impl Remote for Slow {
        carry_exchange::passed_on!(inner but place check list get put);

        fn place(&self) -> &str {
            "slow"
        }

        fn check(&self, _: &Deadline<'_>) -> Result<(), RemoteError> {
            self.clock.advance(PATIENCE);
            assert!(self.is_silent(), "a call that does not come back");
            Ok(())
        }

        fn list(
            &self,
            folder: Folder,
            deadline: &Deadline<'_>,
            each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
        ) -> Result<Listed, RemoteError> {
            self.moves(deadline)?;
            self.inner.list(folder, &Deadline::NONE, each)
        }

        fn get(
            &self,
            file: &RemoteFile,
            part: Part,
            into: &mut dyn Write,
            deadline: &Deadline<'_>,
        ) -> Result<Got, RemoteError> {
            self.moves(deadline)?;
            self.inner.get(file, part, into, &Deadline::NONE)
        }

        fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
            self.moves(deadline)?;
            deadline.check("slow")?;
            self.clock.advance(self.sync);
            assert!(!self.is_silent(), "the system brings it to its disk");
            self.clock.advance(PATIENCE);
            assert!(self.is_silent(), "no disk is that slow");
            self.inner.put(file, source, &Deadline::NONE)
        }
    }

    #[test]
    fn a_place_is_silent_when_nothing_moves_in_a_call_and_only_then() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_171_200)));
        let life = Arc::new(Life::new(clock.clone()));
        let is_silent = || life.is_silent(clock.steady(), PATIENCE);
        clock.advance(100 * PATIENCE);
        assert!(!is_silent(), "nobody asked it");
        let n_bytes = usize::try_from(100 * TAKEN_PER_SECOND_MIN).unwrap();
        let inner = MemoryRemote::new("slow");
        inner.init(&Deadline::NONE).unwrap();
        let (sync, slow) = (Duration::from_secs(100), life.clone());
        let place = Alive { inner: Slow { inner, clock: clock.clone(), life: slow, sync }, life: life.clone() };
        place.check(&Deadline::NONE).unwrap();
        assert!(!is_silent(), "it has answered");
        clock.advance(100 * PATIENCE);
        assert!(!is_silent(), "what is done here meanwhile takes as long as it takes");
        let log: LogId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let object = ObjectName::head(log, 1, carry_exchange::hash::Digest::of(&[b"a head"]));
        let file = RemoteFile::object(&object);
        place.put(&file, Source::Bytes(&vec![7; n_bytes]), &Deadline::NONE).unwrap();
        place.list(Folder::Heads, &Deadline::NONE, &mut |_| ControlFlow::Continue(())).unwrap();
        let whole = Part::Whole { bytes_max: u64::MAX };
        place.get(&file, whole, &mut std::io::sink(), &Deadline::NONE).unwrap();
        clock.advance(PATIENCE);
        assert!(!is_silent());
        place.check(&Deadline::NONE).unwrap();
    }

    #[test]
    fn a_call_that_begins_is_not_weighed_by_the_time_of_the_one_before() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_171_200)));
        let life = Life::new(clock.clone());
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..200_000 {
                    drop(life.call(TAKEN_PER_SECOND_MIN));
                    clock.advance(2 * PATIENCE);
                }
                is_over.store(true, Ordering::SeqCst);
            });
            while !is_over.load(Ordering::SeqCst) {
                assert!(!life.is_silent(clock.steady(), PATIENCE), "no time passes in a call");
            }
        });
    }
}

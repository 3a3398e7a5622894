//! A place that is given, and asked for, no more than so much a second.

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use carry_kernel::clock::{Clock, Timestamp};

use super::deadline::Deadline;
use super::error::RemoteError;
use super::file::RemoteFile;
use super::retry::{Pause, SystemPause};
use super::{Got, Part, Put, Remote, Source};

/// Moves no more than so many bytes a second on the average, both ways together. What was moved is waited for before more is:
/// what comes, piece by piece; a file that is put goes in one go, and the next waits until it would have been through. Listings
/// and other questions wait for nothing.
#[derive(Debug)]
pub struct Throttled<R, P = SystemPause> {
    inner: R,
    pause: P,
    line: Line,
}

/// A line of so many bytes a second.
#[derive(Debug)]
struct Line {
    rate: NonZeroU64,
    clock: Arc<dyn Clock>,
    owed: Mutex<Owed>,
}

/// How long the line is still at what was moved, as of a moment.
#[derive(Debug)]
struct Owed {
    at: Timestamp,
    time: Duration,
}

impl<R: Remote> Throttled<R> {
    /// `inner`, at so many bytes a second of the steady `clock`.
    pub fn new(inner: R, rate: NonZeroU64, clock: Arc<dyn Clock>) -> Self {
        Self::with_pause(inner, rate, clock, SystemPause)
    }
}

impl<R: Remote, P: Pause> Throttled<R, P> {
    /// The same, with time as it is given.
    pub fn with_pause(inner: R, rate: NonZeroU64, clock: Arc<dyn Clock>, pause: P) -> Self {
        let owed = Mutex::new(Owed { at: clock.steady(), time: Duration::ZERO });
        Self { inner, pause, line: Line { rate, clock, owed } }
    }

    /// Waits until the line is through with what was moved.
    fn wait_for_line(&self, deadline: &Deadline<'_>) {
        let wait = self.line.owed(Duration::ZERO);
        if !wait.is_zero() {
            self.pause.pause(wait, deadline);
        }
    }
}

impl Line {
    /// How long it is still at what was moved, with so much more.
    fn owed(&self, more: Duration) -> Duration {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.steady();
        let time = owed.time.saturating_sub(now.since(owed.at)).saturating_add(more);
        *owed = Owed { at: now, time };
        time
    }

    /// So many bytes were moved.
    fn moved(&self, bytes: u64) {
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.get());
        self.owed(Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)));
    }
}

impl<R: Remote, P: Pause> Remote for Throttled<R, P> {
    crate::passed_on!(inner but get put);

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        self.inner.get(file, part, &mut Metered { place: self, into, deadline }, deadline)
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        self.wait_for_line(deadline);
        deadline.check(self.place())?;
        let put = self.inner.put(file, source, deadline);
        // How much of it went when the call failed, nobody knows.
        if !matches!(put, Ok(Put::Exists { .. })) {
            self.line.moved(match source {
                Source::Bytes(bytes) => bytes.len() as u64,
                Source::File(path) => std::fs::metadata(path).map_or(0, |found| found.len()),
            });
        }
        put
    }
}

/// Takes what comes as fast as the line is. When the call must end meanwhile, the place finds out at its next look.
struct Metered<'a, R, P> {
    place: &'a Throttled<R, P>,
    into: &'a mut dyn Write,
    deadline: &'a Deadline<'a>,
}

impl<R: Remote, P: Pause> Write for Metered<'_, R, P> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.place.wait_for_line(self.deadline);
        let n = self.into.write(piece)?;
        self.place.line.moved(n as u64);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::atomic::AtomicBool;

    use carry_kernel::clock::ManualClock;

    use super::*;
    use crate::name::Folder;
    use crate::remote::MemoryRemote;

    /// Pausing lets time pass, and says how much.
    #[derive(Debug)]
    struct Passing(Arc<ManualClock>, Mutex<Vec<u128>>);

    impl Pause for Passing {
        fn pause(&self, wait: Duration, deadline: &Deadline<'_>) {
            if deadline.passed().is_none() {
                self.1.lock().unwrap().push(wait.as_millis());
                self.0.advance(wait);
            }
        }
    }

    fn file(n: u64) -> RemoteFile {
        let log = "0".repeat(32).parse().unwrap();
        RemoteFile::new(Folder::Log(log), &format!("notes-{n:012}-{n:012}-{n:032x}.seg")).unwrap()
    }

    fn place(rate: u64) -> (Arc<ManualClock>, Throttled<MemoryRemote, Passing>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_000)));
        let inner = MemoryRemote::new("memory");
        inner.init(&Deadline::NONE).unwrap();
        let pause = Passing(Arc::clone(&clock), Mutex::default());
        let rate = NonZeroU64::new(rate).unwrap();
        (Arc::clone(&clock), Throttled::with_pause(inner, rate, clock, pause))
    }

    fn pauses(place: &Throttled<MemoryRemote, Passing>) -> Vec<u128> {
        std::mem::take(&mut place.pause.1.lock().unwrap())
    }

    #[test]
    fn what_is_put_waits_for_what_was_put_before() {
        let (clock, place) = place(1_000);
        place.put(&file(1), Source::Bytes(&[1; 2_000]), &Deadline::NONE).unwrap();
        assert_eq!(pauses(&place), []);
        place.put(&file(2), Source::Bytes(&[1; 500]), &Deadline::NONE).unwrap();
        assert_eq!(pauses(&place), [2_000]);
        // What passes meanwhile counts, and time in which nothing was moved saves up nothing.
        clock.advance(Duration::from_millis(400));
        place.put(&file(3), Source::Bytes(&[1; 500]), &Deadline::NONE).unwrap();
        assert_eq!(pauses(&place), [100]);
        clock.advance(Duration::from_secs(3_600));
        place.put(&file(4), Source::Bytes(&[1; 1_000]), &Deadline::NONE).unwrap();
        place.put(&file(4), Source::Bytes(&[1; 1_000]), &Deadline::NONE).unwrap();
        assert_eq!(pauses(&place), [1_000]);
        // What was there already did not go.
        place.put(&file(5), Source::Bytes(&[1; 1_000]), &Deadline::NONE).unwrap();
        assert_eq!(pauses(&place), []);
    }

    #[test]
    fn what_comes_comes_piece_by_piece() {
        let (clock, place) = place(128 * 1024);
        let content = vec![7; 1024 * 1024];
        place.inner.put(&file(1), Source::Bytes(&content), &Deadline::NONE).unwrap();
        let (began, mut got) = (clock.steady(), Vec::new());
        let part = Part::Whole { bytes_max: 1 << 30 };
        place.get(&file(1), part, &mut got, &Deadline::NONE).unwrap();
        assert!(got == content);
        // The last piece is not waited for: what follows waits for it.
        let took = clock.steady().since(began);
        assert!(took >= Duration::from_secs(6) && took < Duration::from_secs(8), "{took:?}");
        assert!(pauses(&place).len() > 1);
        place.list(Folder::Heads, &Deadline::NONE, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(pauses(&place), [], "a listing waits for nothing");
    }

    #[test]
    fn a_wait_for_the_line_ends_when_the_call_must() {
        let (_, place) = place(1);
        place.put(&file(1), Source::Bytes(&[1; 2_000]), &Deadline::NONE).unwrap();
        let cancel = AtomicBool::new(true);
        let error = place.put(&file(2), Source::Bytes(&[1; 500]), &Deadline::NONE.on(&cancel)).unwrap_err();
        assert!(matches!(error, RemoteError::Cancelled { .. }), "{error:?}");
        assert_eq!(pauses(&place), []);
    }
}

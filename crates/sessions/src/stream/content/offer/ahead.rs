//! Makes the next sessions ready while one is said: reading and masking take longer than saying does.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::Source;
use super::draft::Draft;
use crate::stream::content::{ContentError, ContentStrand};

/// Bytes of messages of one draft at most. A session with more is made ready when its turn comes.
const BYTES: u64 = 8 * 1024 * 1024;

/// Threads. They share what time the one that says leaves.
const WORKERS: usize = 2;

/// Bytes of drafts of each thread that wait, unless one alone has more, beside the one that is being made: together as many as are
/// handed over at once, so that nobody waits for a thread while that is done.
const WAITING_BYTES: u64 = 4 * 1024 * 1024;

/// What a draft takes besides its messages, about.
const DRAFT_BYTES: u64 = 16 * 1024;

/// Threads that make sessions ready, which are taken in the order in which they are said. They end with this.
#[derive(Debug)]
pub(super) struct Ahead {
    workers: Vec<Worker>,
    /// Whose draft is the next.
    next: usize,
}

/// A session that was made ready.
#[derive(Debug)]
struct Made {
    /// Its row.
    n: i64,
    /// `None` when there is no such session any more.
    draft: Result<Option<Draft>, ContentError>,
    /// What it counts for while it waits.
    bytes: u64,
}

#[derive(Debug)]
struct Worker {
    made: Option<Receiver<Made>>,
    /// Says that so many bytes do not wait any more.
    taken: Option<Sender<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Begins with the first of these sessions, over connections of its own that only read. The threads take turns.
    ///
    /// `None` when there cannot be all of them: each session is then made ready in its turn.
    pub(super) fn begin(strand: &ContentStrand, sessions: &[i64]) -> Option<Self> {
        let archives: Vec<_> = (0..WORKERS).map_while(|_| strand.archive.open_beside().ok()).collect();
        let every = archives.len();
        let mut ahead = Self { workers: Vec::with_capacity(every), next: 0 };
        for (first, archive) in archives.into_iter().enumerate() {
            let sessions: Vec<i64> = sessions.iter().copied().skip(first).step_by(every).collect();
            let (redactor, limits) = (strand.redactor.clone(), strand.limits);
            let (send, made) = channel();
            let (taken, room) = channel();
            let work = move || {
                let source = Source { archive: &archive, redactor: &redactor, limits };
                make(&sessions, source, WAITING_BYTES, &send, &room);
            };
            let thread = std::thread::Builder::new().name("carry-masking".to_owned()).spawn(work);
            let thread =
                thread.inspect_err(|error| tracing::warn!(%error, "sessions are made ready one by one")).ok()?;
            ahead.workers.push(Worker { made: Some(made), taken: Some(taken), thread: Some(thread) });
        }
        (!ahead.workers.is_empty()).then_some(ahead)
    }

    /// The draft of the next session, which is `n`, if there is one that holds all that `bytes` allow.
    pub(super) fn next(&mut self, n: i64, bytes: u64) -> Result<Option<Draft>, ContentError> {
        let worker = &self.workers[self.next % self.workers.len()];
        self.next += 1;
        let Some(made) = worker.made.as_ref().and_then(|made| made.recv().ok()) else { return Ok(None) };
        if let Some(taken) = &worker.taken {
            // A thread that has ended needs no room.
            let _ = taken.send(made.bytes);
        }
        debug_assert_eq!(made.n, n, "drafts come in the order of sessions");
        Ok(made.draft?.filter(|draft| made.n == n && draft.is_whole() && draft.bytes() <= bytes))
    }
}

/// Makes these sessions ready, as long as somebody takes them. At most `waiting_bytes` wait, or one: `room` says what was taken.
fn make(sessions: &[i64], source: Source<'_>, waiting_bytes: u64, send: &Sender<Made>, room: &Receiver<u64>) {
    let mut waiting = 0u64;
    for &n in sessions {
        let draft = Draft::of(n, source, BYTES);
        let bytes = DRAFT_BYTES + draft.as_ref().ok().and_then(Option::as_ref).map_or(0, Draft::bytes);
        while waiting > 0 && waiting + bytes > waiting_bytes {
            match room.recv() {
                Ok(taken) => waiting = waiting.saturating_sub(taken),
                Err(_) => return,
            }
        }
        waiting += bytes;
        if send.send(Made { n, draft, bytes }).is_err() {
            return;
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Nobody takes another draft: each thread ends after the one that it makes.
        self.workers.iter_mut().for_each(|worker| (worker.made, worker.taken) = (None, None));
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            // What it panicked on is met again, and told, when the session is made ready in its turn.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::pieces::fixture::{Fixture, prompt, redactor};
    use crate::stream::content::Limits;

    /// Room for three small drafts.
    const BOUND: u64 = 4 * DRAFT_BYTES - 1;

    /// Says nothing, and never will.
    fn nobody() -> Receiver<u64> {
        channel().1
    }

    fn sessions(fixture: &mut Fixture, count: usize) -> Vec<i64> {
        let name = |n: usize| format!("session-{n}");
        for n in 0..count {
            fixture.put(&name(n), &[prompt(0, "so it is ")]);
        }
        (0..count).map(|n| fixture.session(&name(n)).n).collect()
    }

    #[test]
    fn what_waits_is_bounded_and_goes_on_when_some_is_taken() {
        let mut fixture = Fixture::new();
        let all = sessions(&mut fixture, 8);
        let (archive, redactor) = (&fixture.archive, redactor());
        let source = Source { archive, redactor: &redactor, limits: Limits::default() };
        let (send, made) = channel();
        // Nobody takes any: it ends where it would wait.
        make(&all, source, BOUND, &send, &nobody());
        let waiting: Vec<Made> = made.try_iter().collect();
        let bytes: u64 = waiting.iter().map(|made| made.bytes).sum();
        assert!(waiting.len() > 1 && bytes <= BOUND && bytes + waiting[0].bytes > BOUND, "{bytes}");
        // Each is taken at once.
        let (taken, room) = channel();
        all.iter().for_each(|_| taken.send(BOUND).unwrap());
        make(&all, source, BOUND, &send, &room);
        assert_eq!(made.try_iter().map(|made| made.n).collect::<Vec<_>>(), all);
        // Nobody wants any more.
        drop(made);
        make(&all, source, BOUND, &send, &nobody());
    }
}

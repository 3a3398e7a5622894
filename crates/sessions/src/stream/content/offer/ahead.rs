//! Makes the next sessions ready while one is said: reading and masking take as long as saying does.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::Source;
use super::draft::Draft;
use crate::stream::content::{ContentError, ContentStrand};

/// Bytes of messages of one draft at most. A session with more is made ready when its turn comes.
const BYTES: u64 = 8 * 1024 * 1024;

/// Drafts that wait, beside the one that is being made.
const WAITING: usize = 1;

/// A session's row, and its draft unless there is no such session any more.
type Made = (i64, Result<Option<Draft>, ContentError>);

/// A thread that makes sessions ready, in the order in which they are said. It ends with this.
#[derive(Debug)]
pub(super) struct Ahead {
    made: Option<Receiver<Made>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Begins with the first of these sessions, over a connection of its own that only reads.
    ///
    /// `None` when there cannot be one: each session is then made ready in its turn.
    pub(super) fn begin(strand: &ContentStrand, sessions: Vec<i64>) -> Option<Self> {
        let archive = strand.archive.open_beside().ok()?;
        let (redactor, limits) = (strand.redactor.clone(), strand.limits);
        let (send, made) = sync_channel(WAITING);
        let work = move || {
            let source = Source { archive: &archive, redactor: &redactor, limits };
            for n in sessions {
                if send.send((n, Draft::of(n, source, BYTES))).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("carry-masking".to_owned()).spawn(work).ok()?;
        Some(Self { made: Some(made), thread: Some(thread) })
    }

    /// The draft of a session, if there is one that holds all that `bytes` allow.
    pub(super) fn next(&mut self, n: i64, bytes: u64) -> Result<Option<Draft>, ContentError> {
        let Some((of, draft)) = self.made.as_ref().and_then(|made| made.recv().ok()) else { return Ok(None) };
        debug_assert_eq!(of, n, "drafts come in the order of sessions");
        Ok(draft?.filter(|draft| of == n && draft.is_whole() && draft.bytes() <= bytes))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Nobody takes another draft: the thread ends after the one that it makes.
        self.made = None;
        if let Some(thread) = self.thread.take() {
            // What it panicked on is met again, and told, when the session is made ready in its turn.
            let _ = thread.join();
        }
    }
}

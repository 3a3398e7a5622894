//! From the system's thread to ours: what cannot matter is dropped at once, the rest waits in a bounded queue.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use notify::EventKind;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};

use super::batch::Batch;
use super::trees::Trees;
use super::{Event, lock};

/// Events that may wait for our thread: as many again as the kernel queues. Beyond it everything is looked at again.
pub(super) const NOTES_MAX: usize = 16_384;

/// How long a burst is gathered before it is sent on.
const GATHER: Duration = Duration::from_millis(50);

/// Events taken from the queue before they are gone through.
const GATHER_MAX: usize = 4096;

const COOKIE: &str = "cookie-";

/// What the system's thread passes on.
enum Note {
    Event(notify::Event),
    /// The cookie of this number was made.
    Cookie(u64),
    /// Events were lost.
    Overflow,
}

/// The end that the system's thread holds.
pub(super) struct Post {
    notes: SyncSender<Note>,
    overflow: Arc<AtomicBool>,
    cookies: PathBuf,
}

/// The end that our thread holds.
pub(super) struct Inbox {
    notes: Receiver<Note>,
    overflow: Arc<AtomicBool>,
}

/// Both ends.
pub(super) fn open(cookies: &Path, notes_max: usize) -> (Post, Inbox) {
    let (sender, receiver) = sync_channel(notes_max);
    let overflow = Arc::new(AtomicBool::new(false));
    let post = Post { notes: sender, overflow: overflow.clone(), cookies: cookies.to_owned() };
    (post, Inbox { notes: receiver, overflow })
}

/// The name of a cookie's file.
pub(super) fn cookie_name(number: u64) -> String {
    format!("{COOKIE}{number}")
}

impl Post {
    /// Takes what the system says. Never waits: the system's queue would overflow meanwhile, and whoever adds a watch waits
    /// for this thread.
    pub(super) fn take(&self, event: notify::Result<notify::Event>) {
        let note = match event {
            Ok(event) if event.need_rescan() => Note::Overflow,
            Ok(event) => match self.sift(event) {
                Some(note) => note,
                None => return,
            },
            Err(error) => {
                tracing::warn!(%error, "the file system watcher reports an error");
                Note::Overflow
            }
        };
        if let Err(TrySendError::Full(_)) = self.notes.try_send(note) {
            self.overflow.store(true, Ordering::Release);
        }
    }

    fn sift(&self, event: notify::Event) -> Option<Note> {
        match event.kind {
            // Reading makes events, our own reading included.
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return None,
            // Both halves were told already.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return None,
            _ => {}
        }
        let [path] = &event.paths[..] else { return Some(Note::Event(event)) };
        if path.starts_with(&self.cookies) {
            let number = path.file_name()?.to_str()?.strip_prefix(COOKIE)?.parse().ok()?;
            return matches!(event.kind, EventKind::Create(_)).then_some(Note::Cookie(number));
        }
        Some(Note::Event(event))
    }
}

impl Inbox {
    /// Starts our thread. It ends when the trees or the receiver of `events` are gone.
    pub(super) fn serve(self, trees: Weak<Mutex<Trees>>, events: Sender<Event>) -> std::io::Result<()> {
        let run = move || {
            let mut due = None;
            while let Some(notes) = self.gather(due) {
                let Some(trees) = trees.upgrade() else { return };
                let mut batch = Batch::default();
                {
                    let mut trees = lock(&trees);
                    let lost = self.overflow.swap(false, Ordering::AcqRel);
                    if lost || notes.iter().any(|note| matches!(note, Note::Overflow)) {
                        trees.overflowed(&mut batch);
                    }
                    for note in notes {
                        match note {
                            Note::Event(event) => trees.heard(&event, &mut batch),
                            Note::Cookie(number) => trees.cookie(number, &mut batch),
                            Note::Overflow => {}
                        }
                    }
                    due = trees.settle(Instant::now(), &mut batch);
                }
                for event in batch.into_events() {
                    if events.send(event).is_err() {
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("carry-watch".to_owned()).spawn(run).map(drop)
    }

    /// Waits for something to happen (until `due` at the longest), then a little for more of it. A cookie ends the wait:
    /// somebody waits for it. `None` when nothing can come any more.
    fn gather(&self, due: Option<Instant>) -> Option<Vec<Note>> {
        let first = match due {
            None => self.notes.recv().ok()?,
            Some(due) => match self.notes.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(note) => note,
                Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return None,
            },
        };
        let until = Instant::now() + GATHER;
        let mut notes = vec![first];
        while notes.len() < GATHER_MAX && !matches!(notes.last(), Some(Note::Cookie(_))) {
            match self.notes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(note) => notes.push(note),
                Err(_) => break,
            }
        }
        Some(notes)
    }
}

//! A few threads that look at working trees, one job at a time each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use carry_code::capture::{self, CaptureError, Capturer, Look, Report, Request};
use carry_code::context::Context;
use carry_code::drift;
use carry_code::registry::Tree;
use carry_code::repo::Repo;
use carry_code::upkeep;
use carry_kernel::id::TreeId;
use carry_kernel::lease::{Held, Lease, Owner};

use super::event::Event;
use super::far::Far;
use super::results::{panic_message, sentence};
use super::tuning::Tuning;

/// How often a running capture tells of its progress within a step.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Most threads, those that hang included.
const THREADS_MAX: usize = 8;

/// Raised for these threads: what the user waits for comes first.
#[cfg(target_os = "linux")]
pub(super) const NICENESS: i32 = 10;

/// What a thread is to do.
pub(super) enum Work {
    /// Capture a tree.
    Capture(Box<CaptureWork>),
    /// Keep a tree up.
    Upkeep(Tree),
}

/// One capture.
pub(super) struct CaptureWork {
    pub(super) tree: TreeId,
    pub(super) capturer: Capturer,
    pub(super) look: Look,
    pub(super) held: Held,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) force: bool,
    /// Whether to compare with other devices afterwards even if nothing is new here: another branch may be checked out.
    pub(super) drift: bool,
}

/// How a capture ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) tree: TreeId,
    /// As it was given, unless a panic left it in an unknown state.
    pub(super) capturer: Option<Capturer>,
    /// Where it was to look.
    pub(super) look: Look,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
    /// When Git last changed the list of linked worktrees, asked after a look at everything.
    pub(super) linked: Option<Option<SystemTime>>,
}

impl Ended {
    /// Whether what others have beyond this tree may be something else now.
    fn may_change_drift(&self, is_suspected: bool) -> bool {
        let Outcome::Done(report) = &self.outcome else { return false };
        is_suspected || matches!(report.outcome, capture::Outcome::Captured(_))
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(Box<Report>),
    Failed(CaptureError),
    Panicked(String),
}

/// The threads. They end when this is dropped and their work is done.
pub(super) struct Pool {
    work: Sender<Work>,
    shared: Arc<Shared>,
    /// Threads beyond the usual ones, in place of those that hang.
    n_spare: usize,
    n_usual: usize,
}

/// What all threads share.
struct Shared {
    ctx: Context,
    owner: Owner,
    events: SyncSender<Event>,
    work: Mutex<Receiver<Work>>,
    far: Arc<dyn Far>,
    before_capture: Arc<dyn Fn(&Path) + Send + Sync>,
    before_upkeep: Arc<dyn Fn(&Path) + Send + Sync>,
    /// Threads that are to end after their next job.
    n_surplus: AtomicUsize,
}

impl Pool {
    /// Starts the threads, which check leases as `owner`.
    pub(super) fn start(
        ctx: &Context,
        owner: &Owner,
        events: &SyncSender<Event>,
        tuning: &Tuning,
    ) -> std::io::Result<Self> {
        let (sender, work) = channel();
        let shared = Arc::new(Shared {
            ctx: ctx.clone(),
            owner: owner.clone(),
            events: events.clone(),
            work: Mutex::new(work),
            far: tuning.far.clone(),
            before_capture: tuning.before_capture.clone(),
            before_upkeep: tuning.before_upkeep.clone(),
            n_surplus: AtomicUsize::new(0),
        });
        for at in 0..tuning.threads {
            shared.start(at)?;
        }
        Ok(Self { work: sender, shared, n_spare: 0, n_usual: tuning.threads })
    }

    /// Lets another thread take the place of one that hangs; says whether there is one. Threads that hang can only be
    /// waited for, so that there is an end to it.
    pub(super) fn add_spare(&mut self) -> bool {
        if self.n_usual + self.n_spare >= THREADS_MAX {
            return false;
        }
        let at = self.n_usual + self.n_spare;
        // One that was to end goes on instead.
        if !self.shared.take_surplus()
            && let Err(error) = self.shared.start(at)
        {
            tracing::warn!(%error, "no spare thread can be started");
            return false;
        }
        self.n_spare += 1;
        true
    }

    /// The thread that hung goes on: there is one too many now.
    pub(super) fn drop_spare(&mut self) {
        self.n_spare = self.n_spare.saturating_sub(1);
        self.shared.n_surplus.fetch_add(1, Ordering::SeqCst);
    }

    /// Hands work to the next free thread. One job a tree at a time, so that no more than the trees wait here.
    pub(super) fn give(&self, work: Work) {
        // The threads end only with the pool.
        let _ = self.work.send(work);
    }
}

impl Shared {
    fn start(self: &Arc<Self>, at: usize) -> std::io::Result<()> {
        let shared = self.clone();
        std::thread::Builder::new().name(format!("carry-work-{at}")).spawn(move || shared.run()).map(drop)
    }

    fn take_surplus(&self) -> bool {
        self.n_surplus.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    }

    fn run(&self) {
        // On Linux this is the thread's own; elsewhere it would slow the whole process. Without it we are only less polite.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut lease = None;
        loop {
            let next = self.work.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(work) = next else { return };
            let tree = match &work {
                Work::Capture(work) => &work.tree,
                Work::Upkeep(tree) => &tree.id,
            };
            if self.events.send(Event::Begun(tree.clone())).is_err() {
                return;
            }
            let mut compare = None;
            let event = match work {
                Work::Capture(work) => {
                    let (tree, drift) = (work.capturer.tree().clone(), work.drift);
                    let ended = self.capture(*work, &mut lease);
                    compare = ended.may_change_drift(drift).then_some(tree);
                    Event::Ended(Box::new(ended))
                }
                Work::Upkeep(tree) => {
                    let done = catch_unwind(AssertUnwindSafe(|| {
                        (self.before_upkeep)(&tree.root);
                        upkeep::upkeep(&self.ctx, &tree)
                    }));
                    Event::Kept(tree.id, Box::new(done.map_err(|payload| panic_message(&*payload))))
                }
            };
            if self.events.send(event).is_err() {
                return;
            }
            // Nobody waits for this.
            if let Some(tree) = compare {
                self.compare(&tree);
            }
            if self.take_surplus() {
                return;
            }
        }
    }

    fn capture(&self, work: CaptureWork, lease: &mut Option<Lease>) -> Ended {
        let CaptureWork { tree, mut capturer, look, held, cancel, force, drift: _ } = work;
        let started = Instant::now();
        let at = capturer.tree().clone();
        let done = catch_unwind(AssertUnwindSafe(|| {
            (self.before_capture)(&capturer.tree().root);
            let lease = self.lease(lease)?;
            let progress = Progress::new(&tree, &self.events);
            let request = Request {
                look: look.clone(),
                // What cannot be asked for is taken for lost.
                may_commit: &|| !cancel.load(Ordering::Relaxed) && lease.check(&held).unwrap_or(false),
                cancel: &cancel,
                progress: &|step, done, total| progress.tell(step, done, total),
                force,
            };
            capturer.capture(&request)
        }));
        let took = started.elapsed();
        let (capturer, outcome) = match done {
            Ok(Ok(report)) => (Some(capturer), Outcome::Done(Box::new(report))),
            Ok(Err(error)) => (Some(capturer), Outcome::Failed(error)),
            Err(payload) => (None, Outcome::Panicked(panic_message(&*payload))),
        };
        let is_full = matches!(&outcome, Outcome::Done(report) if report.full);
        let linked = is_full.then(|| super::trees::linked_changed(&at));
        Ended { tree, capturer, look, outcome, took, linked }
    }

    /// Writes down what other devices have that the tree has not, for the prompt.
    fn compare(&self, tree: &Tree) {
        let compare = || -> Result<(), drift::RememberError> {
            let repo = Repo::open(&tree.root)?;
            self.far.drift(&self.ctx, &repo, &tree.id).map(drop)
        };
        match catch_unwind(AssertUnwindSafe(compare)) {
            Ok(Ok(())) => {}
            // It is only shown, and computed again after the next capture.
            Ok(Err(error)) => tracing::debug!(tree = %tree.id, "drift cannot be looked up: {}", sentence(&error)),
            Err(payload) => tracing::error!(tree = %tree.id, "comparing panicked: {}", panic_message(&*payload)),
        }
    }

    /// This thread's own handle: a database is not shared between threads.
    fn lease<'a>(&self, open: &'a mut Option<Lease>) -> Result<&'a Lease, CaptureError> {
        if open.is_none() {
            *open = Some(Lease::open(&self.ctx.home, self.owner.clone())?.with_clock(self.ctx.clock.clone()));
        }
        Ok(open.as_ref().expect("it was opened above"))
    }
}

/// Tells of steps as they begin, and of progress within one now and then.
struct Progress<'a> {
    tree: &'a TreeId,
    events: &'a SyncSender<Event>,
    told: Mutex<Option<(String, Instant)>>,
}

impl<'a> Progress<'a> {
    fn new(tree: &'a TreeId, events: &'a SyncSender<Event>) -> Self {
        Self { tree, events, told: Mutex::new(None) }
    }

    fn tell(&self, step: &str, done: u64, total: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref().is_some_and(|(last, at)| last == step && at.elapsed() < TELL_EVERY) {
            return;
        }
        *told = Some((step.to_owned(), Instant::now()));
        // Without anyone to tell, the capture goes on.
        let _ = self.events.send(Event::Progress { tree: self.tree.clone(), step: step.to_owned(), done, total });
    }
}

//! Progress on stderr, for what takes longer than a second on a terminal.

use std::cell::RefCell;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::wire::Shell;

/// Work that is done sooner is not worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a sign of life moves.
const TICK: Duration = Duration::from_millis(100);

/// A bar that appears only when it is worth it. Goes away when dropped.
pub(crate) struct Progress {
    may_draw: bool,
    since: Instant,
    bar: RefCell<Option<ProgressBar>>,
}

impl Progress {
    /// Begins to count the time.
    pub(crate) fn new(shell: &Shell) -> Self {
        Self { may_draw: shell.out.may_draw(), since: Instant::now(), bar: RefCell::new(None) }
    }

    /// Shows that `what` is `done` of `total`, which is 0 when unknown.
    pub(crate) fn show(&self, what: &str, done: u64, total: u64) {
        if !self.may_draw || self.since.elapsed() < PATIENCE {
            return;
        }
        let mut bar = self.bar.borrow_mut();
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
            bar
        });
        let template = if total > 0 { "{spinner} {msg} {pos}/{len} {wide_bar}" } else { "{spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        if total > 0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

/// A sign of life for work that does not say how far it is. Goes away when dropped.
pub(crate) struct Spinner {
    /// Dropping it ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    /// Begins to count the time; `what` is shown when it gets long.
    pub(crate) fn new(shell: &Shell, what: &str) -> Self {
        if !shell.out.may_draw() {
            return Self { end: None, thread: None };
        }
        let (end, ended) = channel::<()>();
        let what = what.to_owned();
        let spin = move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                bar.set_message(what);
                bar.enable_steady_tick(TICK);
                // Comes back when the other end is dropped; nothing is ever sent.
                let _ = ended.recv();
                bar.finish_and_clear();
            }
        };
        // Work goes on without a sign of life.
        let thread = std::thread::Builder::new().name("carry-spinner".to_owned()).spawn(spin).ok();
        Self { end: Some(end), thread }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported, and is not worth ending what was done.
            let _ = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

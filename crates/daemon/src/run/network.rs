//! Threads of their own for what goes over the network: a push of an hour must not delay a capture.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use carry_code::context::Context;
use carry_kernel::lease::Owner;

use super::event::Event;
use super::exchange::{Exchange, Outcome, Partner};
use super::far::Far;
use super::results::panic_message;
use super::slot::Key;
use crate::desktop::Desktop;

/// The threads. They start as they are needed, and end when this is dropped and their work is done.
pub(super) struct Network {
    work: Sender<Exchange>,
    shared: Arc<Shared>,
    n_started: usize,
    n_max: usize,
}

/// What all threads share.
struct Shared {
    partner: Partner,
    events: SyncSender<Event>,
    work: Mutex<Receiver<Exchange>>,
    /// Jobs given and not done.
    n_open: AtomicUsize,
}

impl Network {
    /// At most `threads` at a time, which check leases as `owner`.
    pub(super) fn new(
        ctx: &Context,
        owner: &Owner,
        events: &SyncSender<Event>,
        far: Arc<dyn Far>,
        desktop: Desktop,
        threads: usize,
    ) -> Self {
        let (sender, work) = channel();
        let partner = Partner { ctx: ctx.clone(), owner: owner.clone(), far, desktop };
        let shared =
            Arc::new(Shared { partner, events: events.clone(), work: Mutex::new(work), n_open: AtomicUsize::new(0) });
        Self { work: sender, shared, n_started: 0, n_max: threads }
    }

    /// Hands work to the next free thread. One job a link at a time, so that no more than the links wait here.
    pub(super) fn give(&mut self, work: Exchange) {
        let n_open = self.shared.n_open.fetch_add(1, Ordering::AcqRel) + 1;
        if n_open > self.n_started && self.n_started < self.n_max {
            let (shared, at) = (self.shared.clone(), self.n_started);
            let started = std::thread::Builder::new().name(format!("carry-net-{at}")).spawn(move || shared.run());
            match started {
                Ok(_) => self.n_started += 1,
                // Those there are do it; without any it waits for the next attempt.
                Err(error) => tracing::warn!(%error, "no thread for the network can be started"),
            }
        }
        // The threads end only with this.
        let _ = self.work.send(work);
    }
}

impl Shared {
    fn run(&self) {
        let mut lease = None;
        loop {
            let next = self.work.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(work) = next else { return };
            let tell = |step: String| {
                // Without anyone to tell, the exchange goes on.
                let _ = self.events.send(Event::Stepped { key: Key::Link(work.link.clone(), work.role), step });
            };
            let done = catch_unwind(AssertUnwindSafe(|| self.partner.run(&work, &mut lease, &tell)));
            let outcome = done.unwrap_or_else(|payload| Outcome::Panicked(panic_message(&*payload)));
            self.n_open.fetch_sub(1, Ordering::AcqRel);
            let event = Event::Exchanged { link: work.link, role: work.role, outcome: Box::new(outcome) };
            if self.events.send(event).is_err() {
                return;
            }
        }
    }
}

//! Work that hangs: it is named, and holds up no other tree.
//!
//! A thread that waits for a file system cannot be ended. What waits behind it is done by a spare one, which goes when
//! the other goes on.

use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;

use super::chores::Daemon;
use super::job::Stalled;
use super::slot::Key;

impl Daemon<'_> {
    /// A thread begins what it was given.
    pub(super) fn begun(&mut self, id: &TreeId) {
        let now = self.now();
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.stalls_at = Some(now.after(self.tuning.stall_after));
        match &mut job.slot.running {
            Some(running) => running.moved_at = now,
            None => job.kept_at = Some(now),
        }
    }

    /// Work that has told nothing for too long is said to hang, and another thread does what waits behind it.
    pub(super) fn notice_stall(&mut self, id: &TreeId, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.stalls_at.is_some_and(|at| at <= now)) else { return };
        job.stalls_at = None;
        let since = match &job.slot.running {
            Some(running) => running.moved_at,
            None if job.is_kept_up => {
                self.is_keeping_up = false;
                job.kept_at.unwrap_or(now)
            }
            None => return,
        };
        let has_spare = self.pool.add_spare();
        job.stalled = Some(Stalled { since, has_spare });
        let message = job.status(now).message.unwrap_or_default();
        tracing::warn!(tree = %id, has_spare, "{message}");
        self.publish(&Key::Tree(id.clone()), now, true);
    }

    /// What a thread did for a tree ended, or goes on; says whether it hung.
    pub(super) fn goes_on(&mut self, id: &TreeId) -> bool {
        let Some(stalled) = self.jobs.get_mut(id).and_then(|job| job.stalled.take()) else { return false };
        if stalled.has_spare {
            self.pool.drop_spare();
        }
        true
    }
}

//! Who this device is: that changes when another machine was found to write as it.

use carry_kernel::id::TreeId;
use carry_kernel::worker::Input;

use super::chores::Daemon;
use super::notices;

impl Daemon<'_> {
    /// Another process may have given this device a new identity.
    pub(super) fn reload_identity(&mut self) {
        if let Err(error) = self.ctx.refresh_device() {
            self.complain("this device's identity cannot be read", &error);
        }
        self.notice_identity();
    }

    /// After a new identity everything is captured under it.
    pub(super) fn notice_identity(&mut self) {
        let id = self.ctx.device.id();
        if id == self.identity {
            return;
        }
        tracing::warn!(was = %self.identity, is = %id, "another machine wrote as this device; it has a new identity");
        self.identity = id;
        if self.ctx.config(None).bool("daemon.notify") {
            self.desktop.tell(notices::of_renewal(self.ctx.device.get().label()));
        }
        let trees: Vec<TreeId> = self.jobs.keys().cloned().collect();
        for tree in trees {
            if let Some(job) = self.jobs.get_mut(&tree) {
                (job.capturer, job.is_warm, job.last) = (None, false, None);
                job.drops_capturer = job.slot.running.is_some();
                job.pending.everything();
            }
            self.feed(&tree, Input::Dirty);
        }
    }
}

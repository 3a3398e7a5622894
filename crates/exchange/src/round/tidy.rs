//! What is done at a remote now and then: collection, and removing what died puts left.

use carry_kernel::clock::Timestamp;

use super::{Collect, Round, RoundError, Step};
use crate::store::{LogState, Store};

impl Round<'_> {
    /// Collects once an hour, and only old heads in between, when something was put: what was put in all is much. Sweeps once a
    /// day, when something was put.
    pub(super) fn tidy(&mut self, store: &mut Store, now: Timestamp) -> Result<(), RoundError> {
        let remote = self.options.remote.clone();
        let has_put = self.report.pushed != Default::default() || self.report.relayed != Default::default();
        let (_, is_new_hour) = store.tick(&remote, now)?;
        if self.options.collect != Collect::Nothing && (has_put || is_new_hour) {
            (self.tell)(Step::Collecting);
            if is_new_hour || self.options.collect != Collect::AfterGrace {
                self.collect(store, now)?;
            } else {
                self.collect_heads(store, now)?;
            }
        }
        if has_put && store.is_sweep_due(&remote, now)? {
            let ours = |state| matches!(state, LogState::Own | LogState::Former);
            let writers: Vec<_> = store.logs()?.into_iter().filter(|row| ours(row.state)).map(|row| row.log).collect();
            // What cannot be removed now is removed another day.
            if let Err(error) = self.remote.sweep(&writers, now, self.deadline) {
                tracing::warn!(%remote, error = %error, "left-over files cannot be removed");
            }
        }
        Ok(())
    }
}

//! Runs of records that have been void for long: one frame stands for all of them.
//!
//! A stub gives its record's digest, so that whoever stands in the middle of a chain finds on from there. After a month
//! nobody does any more, and the run says only where the chain leads.

use crate::chain::Link;
use crate::frame::{Frame, StubReason, VoidRun};
use crate::store::StoreError;

/// Passes frames on, those that may be in a run as one.
#[derive(Debug, Default)]
pub(super) struct Runs {
    open: Option<Open>,
    /// Runs that were made.
    pub(super) n_runs: usize,
}

/// A run that may go on.
#[derive(Debug)]
struct Open {
    /// The first frame, as it stands.
    link: Link,
    run: VoidRun,
    n_frames: usize,
}

impl Runs {
    /// Takes the next frame. `is_old` says that it has been as it is for long.
    pub(super) fn add(
        &mut self,
        link: Link,
        is_old: bool,
        each: &mut dyn FnMut(&Link) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // What was erased stays named, one by one.
        let may = match &link.frame {
            Frame::Stub(stub) => is_old && stub.reason == StubReason::Void,
            Frame::Void(_) => true,
            Frame::Record(_) => false,
        };
        if !may {
            self.flush(each)?;
            return each(&link);
        }
        match &mut self.open {
            Some(open) => {
                (open.run.last, open.run.chain) = (link.frame.last(), link.chain);
                open.n_frames += 1;
            }
            None => {
                let run = VoidRun { first: link.frame.first(), last: link.frame.last(), chain: link.chain };
                self.open = Some(Open { link, run, n_frames: 1 });
            }
        }
        Ok(())
    }

    /// Passes on what is open.
    pub(super) fn flush(&mut self, each: &mut dyn FnMut(&Link) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let Some(Open { link, run, n_frames }) = self.open.take() else { return Ok(()) };
        if n_frames == 1 {
            return each(&link);
        }
        self.n_runs += 1;
        each(&Link { frame: Frame::Void(run), r: None, chain: run.chain })
    }
}

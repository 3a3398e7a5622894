//! Failures of what goes on between devices: remotes and handoffs.

use carry_code::handoff::HandoffError;
use carry_code::remote::RemoteError;
use carry_kernel::worker::Reason;

use super::{Failure, Kind};

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let hint = match error {
            RemoteError::History(error) => return error.into(),
            RemoteError::Disk(error) => return error.into(),
            RemoteError::Db(error) => return error.into(),
            RemoteError::Device(error) => return error.into(),
            RemoteError::Cancelled { .. } => Some("Nothing is lost; the next push or fetch goes on."),
            RemoteError::Ref(_) => Some("Another process moves the same ref. Try again."),
            RemoteError::Elsewhere { .. } => {
                Some("`git remote -v` shows both; `carry config set code.remotes` names one.")
            }
            RemoteError::Failed { reason, .. } => remote_hint(reason),
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

/// What to do when a remote fails for this reason.
fn remote_hint(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::AuthRequired => {
            Some("`git fetch` there says what Git wants; a credential helper or an ssh agent lets the daemon in too.")
        }
        Reason::PolicyForbidden => Some("The remote does not let you write. `carry publish --stop` ends the trying."),
        Reason::Unreachable | Reason::TimedOut => Some("Nothing is lost: snapshots wait here until it answers."),
        Reason::ServerUnsupported => Some("Name another remote with `carry config set code.remotes`."),
        Reason::StorageFull => Some("Free some space on that file system, and try again."),
        Reason::InvalidData => Some("`carry doctor` says what is wrong with the lines here."),
        Reason::Busy => Some("Another process is at it. Try again."),
        Reason::Paused | Reason::InternalError => None,
    }
}

impl From<HandoffError> for Failure {
    fn from(error: HandoffError) -> Self {
        let hint = match error {
            HandoffError::History(error) => return error.into(),
            HandoffError::Restore(error) => return error.into(),
            HandoffError::Db(error) => return error.into(),
            HandoffError::Prune(error) => return error.into(),
            HandoffError::Disk(error) => return error.into(),
            HandoffError::Conflicts { .. } => Some("--ours, --theirs or --markers settles all of them."),
            HandoffError::Running { .. } => Some("Wait until it is done."),
            HandoffError::Busy { .. } => Some("Finish or abort that first; `git status` says how."),
            HandoffError::Head { .. } => Some(
                "The files are done. `carry sync` goes on when nothing stands in the way any more, `carry undo` goes back.",
            ),
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

//! What a worker is told and what it asks for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::clock::Timestamp;
use crate::gate::Gate;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The loop starts.
    Start,
    /// Something changed; coalesces, never blocks.
    Dirty,
    /// Run now, past debounce, interval, backoff and gates (not past the lease, pause or a stop).
    Now,
    /// A timer rang, or nothing in particular: look at the time.
    Tick,
    /// The lease was granted.
    LeaseGranted {
        /// Its fencing counter.
        fence: u64,
    },
    /// The lease is somebody else's.
    LeaseRefused {
        /// Ask again then.
        until: Timestamp,
    },
    /// The lease could not be renewed: the cycle must not commit.
    LeaseLost,
    /// The running cycle entered a step.
    Step(String),
    /// The running cycle ended well.
    Succeeded,
    /// The running cycle ended badly. Before it began: the lease could not even be asked for.
    Failed(Failure),
    /// The running cycle panicked.
    Panicked(String),
    /// The running cycle ended because it was cancelled.
    Cancelled,
    /// The gates that are shut now; empty when all are open.
    Gates(Vec<Gate>),
    /// The user pauses it.
    Pause,
    /// The user resumes it.
    Resume,
    /// Configuration or a permanent condition switches it off.
    Disable(String),
    /// Switched on again.
    Enable,
    /// New settings.
    Reconfigure(Box<Settings>),
    /// End: finish or cancel the current step within the grace.
    Stop,
    /// End like `Stop`, but keep the lease for the process that replaces this one.
    StopForUpgrade,
    /// Carry on after an upgrade that did not happen, or as the new process (where it does what `Start` does).
    ResumeAfterUpgrade,
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Try to take the lease; answer with `LeaseGranted` or `LeaseRefused`.
    AcquireLease,
    /// Renew the lease; answer with `LeaseLost` if it is gone.
    RenewLease,
    /// Give the lease back.
    ReleaseLease,
    /// Start one cycle under this fence; answer with `Step`s and one of `Succeeded`, `Failed`, `Panicked`, `Cancelled`.
    Run {
        /// The fencing counter.
        fence: u64,
    },
    /// Ask the running cycle to end at its next step boundary.
    Cancel,
    /// Stop waiting for the running cycle: its grace is over.
    Abandon,
    /// Call again with `Tick` at this time, replacing any earlier wish. The time may be now.
    WakeAt(Timestamp),
    /// The status changed in a way others should see.
    Publish,
    /// The worker has ended; no effect follows, except that `ResumeAfterUpgrade` revives what `StopForUpgrade` ended.
    Stopped,
}

/// Why a cycle failed, as the user and the policy need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Credentials are missing or refused.
    AuthRequired,
    /// The other side's policy, or ours, forbids it.
    PolicyForbidden,
    /// The target is paused.
    Paused,
    /// The target (disk, mount, remote) is not there now.
    Unreachable,
    /// The other side lacks something we need.
    ServerUnsupported,
    /// What was read does not make sense.
    InvalidData,
    /// No space left, or over the budget.
    StorageFull,
    /// Another process has the lease.
    Busy,
    /// Took longer than its time.
    TimedOut,
    /// A panic or another mistake of ours.
    InternalError,
}

/// How a cycle failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub reason: Reason,
    /// A full sentence for the user.
    pub message: String,
    /// When the other side asked us to come back.
    pub retry_after: Option<Duration>,
}

//! How a worker behaves.

use std::time::Duration;

use crate::backoff::Policy;

/// How a worker behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long it must be quiet after a change before a cycle starts.
    pub quiet: Duration,
    /// The longest a change may wait for quiet.
    pub max_wait: Duration,
    /// The least time from one cycle's start to the next one that a change triggers.
    pub min_interval: Duration,
    /// A cycle happens at least this often, changed or not; jittered by a tenth. `None` for never.
    pub poll: Option<Duration>,
    /// Whether one cycle runs at the start.
    pub at_start: bool,
    /// Waits after failures.
    pub backoff: Policy,
    /// The lease's time; renewed at a third of it while a cycle runs.
    pub lease_ttl: Duration,
    /// How long a stop waits for the running step.
    pub grace: Duration,
    /// Gates may hold a dirty worker back at most this long in a row for [`Gate::Load`](crate::gate::Gate::Load).
    pub load_wait_max: Duration,
    /// The same for [`Gate::BatteryCritical`](crate::gate::Gate::BatteryCritical). Work that needs the network takes [`Duration::MAX`]: only what is
    /// not written down here would be lost with the machine.
    pub battery_wait_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(2),
            max_wait: Duration::from_secs(10),
            min_interval: Duration::ZERO,
            poll: None,
            at_start: true,
            backoff: Policy::default(),
            lease_ttl: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            load_wait_max: crate::gate::LOAD_WAIT_MAX,
            battery_wait_max: crate::gate::BATTERY_WAIT_MAX,
        }
    }
}

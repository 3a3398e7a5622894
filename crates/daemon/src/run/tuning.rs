//! How often the daemon does what nobody asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::far::{Far, Git};
use super::remotes;
use super::team::{self, MakeSink};
use crate::desktop::{self, Show};
use crate::metered;

/// Looks up one variable of the environment.
type Variable = dyn Fn(&str) -> Option<std::ffi::OsString> + Send + Sync;

/// Intervals and bounds. Tests take shorter ones.
#[derive(Clone)]
pub(super) struct Tuning {
    /// How often it looks whether its home is there.
    pub(super) home_check: Duration,
    /// How often it looks whether a missing tree is back, and one that is switched off switched on again.
    pub(super) absent_check: Duration,
    /// How long a measurement of battery and load holds. Nothing is measured while nothing waits.
    pub(super) gates_hold: Duration,
    /// How long a tree must be quiet before what is remembered for its next capture is let go …
    pub(super) forget_after: Duration,
    /// … except the most recent ones: somebody is at work there.
    pub(super) warm_trees: usize,
    /// The least time between two looks at everything in the background.
    pub(super) scan_every: Duration,
    /// And so many times what the last one took, times the number of trees: under 0.05 % of a processor for all together.
    pub(super) scan_factor: u32,
    /// How often a tree is kept up, whether anything was captured or not.
    pub(super) upkeep_every: Duration,
    /// The least time between two upkeeps, whatever asks for them.
    pub(super) upkeep_gap: Duration,
    /// How often watching is tried again where it failed.
    pub(super) rewatch_every: Duration,
    /// How long a cookie may take to come back.
    pub(super) sync_max: Duration,
    /// A gap between the clock that counts sleep and the one that does not, from which on the machine was asleep.
    pub(super) sleep_min: Duration,
    /// When linked worktrees are looked for after Git made one: it takes Git a moment to finish.
    pub(super) linked_after: [Duration; 2],
    /// Captures at a time.
    pub(super) threads: usize,
    /// How long a job may say nothing until it is taken for hung, and another thread does what waits behind it.
    pub(super) stall_after: Duration,
    /// How long no snapshot must come before those there are are pushed.
    pub(super) push_quiet: Duration,
    /// Exchanges with remotes at a time.
    pub(super) network_threads: usize,
    /// How long an answer about what the network costs holds.
    pub(super) metered_hold: Duration,
    /// How long sessions must be quiet after a change before they are archived; a tenth of the longest wait.
    pub(super) sessions_quiet: Duration,
    /// How often all sessions are looked at, whatever was heard.
    pub(super) sessions_reconcile: Duration,
    /// The same where changes are not told.
    pub(super) sessions_poll: Duration,
    /// When a file whose last line was being written is looked at again.
    pub(super) sessions_retry: Duration,
    /// Looks up the environment: where agents keep their sessions.
    pub(super) variable: Arc<Variable>,
    /// Asks the system what the network costs.
    pub(super) metered: Arc<dyn Fn() -> Option<bool> + Send + Sync>,
    /// What is done with remotes.
    pub(super) far: Arc<dyn Far>,
    /// Makes what a push to a team store goes to.
    pub(super) sink: Arc<MakeSink>,
    /// Makes exchanges with remotes.
    pub(super) exchange: Arc<remotes::Make>,
    /// Tells the user something.
    pub(super) show: Show,
    /// Called before each capture with the root; tests make it fail.
    pub(super) before_capture: Arc<dyn Fn(&Path) + Send + Sync>,
    /// The same before each upkeep.
    pub(super) before_upkeep: Arc<dyn Fn(&Path) + Send + Sync>,
}

impl Tuning {
    /// The user's home directory, if the environment names one.
    pub(super) fn user_home(&self) -> Option<PathBuf> {
        (self.variable)("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        Self {
            home_check: 30 * second,
            absent_check: minute,
            gates_hold: 30 * second,
            forget_after: 5 * minute,
            warm_trees: 4,
            scan_every: 10 * minute,
            scan_factor: 2000,
            upkeep_every: 60 * minute,
            upkeep_gap: minute,
            rewatch_every: 10 * minute,
            sync_max: 5 * second,
            sleep_min: 30 * second,
            linked_after: [2 * second, 30 * second],
            threads: 2,
            stall_after: minute,
            push_quiet: 3 * second,
            network_threads: 4,
            metered_hold: 5 * minute,
            sessions_quiet: Duration::from_millis(500),
            sessions_reconcile: 5 * minute,
            sessions_poll: 30 * second,
            sessions_retry: 2 * second,
            variable: Arc::new(|name| std::env::var_os(name)),
            metered: Arc::new(metered::measure),
            far: Arc::new(Git),
            sink: Arc::new(team::connect),
            exchange: Arc::new(crate::exchange::once),
            show: Arc::new(desktop::show),
            before_capture: Arc::new(|_| {}),
            before_upkeep: Arc::new(|_| {}),
        }
    }
}

//! What holds whatever happens: random inputs at random times, then a world that means well.
//!
//! `Worker::enter` asserts the table of phases on every change, also on those inside one step.

use proptest::prelude::*;

use super::*;

fn any_settings() -> impl Strategy<Value = Settings> {
    let wait = || prop_oneof![Just(0_u64), 1..20_000_u64].prop_map(ms);
    (
        (wait(), wait(), wait(), prop::option::of(wait()), any::<bool>()),
        (wait(), wait(), 0.5..4.0_f64, 0.0..1.0_f64, 0..6_u32),
        (wait(), wait(), wait(), wait()),
    )
        .prop_map(|(triggers, (first, max, factor, jitter, ceiling), waits)| {
            let (lease_ttl, grace, load_wait_max, battery_wait_max) = waits;
            let (quiet, max_wait, min_interval, poll, at_start) = triggers;
            let backoff = Policy { first, max, factor, jitter, ceiling };
            Settings {
                quiet,
                max_wait,
                min_interval,
                poll,
                at_start,
                backoff,
                lease_ttl,
                grace,
                load_wait_max,
                battery_wait_max,
            }
        })
}

fn any_input() -> impl Strategy<Value = Input> {
    let gates = prop::sample::subsequence(
        vec![LOAD, Gate::BatteryCritical { percent: 5 }, Gate::Offline, Gate::Eco { percent: 5 }],
        0..=4,
    );
    let time = prop_oneof![Just(i64::MIN), Just(i64::MAX), 0..200_000_i64].prop_map(at);
    prop_oneof![
        6 => Just(Input::Dirty),
        3 => Just(Input::Now),
        20 => Just(Input::Tick),
        12 => (0..5_u64).prop_map(|fence| Input::LeaseGranted { fence }),
        3 => time.prop_map(|until| Input::LeaseRefused { until }),
        2 => Just(Input::LeaseLost),
        3 => prop_oneof!["a", "b"].prop_map(Input::Step),
        6 => Just(Input::Succeeded),
        5 => prop::option::of(0..100_000_u64).prop_map(|after| failure(after.map(ms))),
        1 => Just(Input::Panicked("oh".into())),
        3 => Just(Input::Cancelled),
        3 => gates.prop_map(Input::Gates),
        2 => Just(Input::Pause),
        3 => Just(Input::Resume),
        1 => Just(Input::Disable("off".into())),
        2 => Just(Input::Enable),
        2 => any_settings().prop_map(|settings| Input::Reconfigure(Box::new(settings))),
        1 => Just(Input::Start),
        1 => Just(Input::StopForUpgrade),
        3 => Just(Input::ResumeAfterUpgrade),
    ]
}

/// What a shell would know, and the rules it may rely on. Written apart from the worker.
struct Watcher {
    worker: Worker,
    now: Timestamp,
    is_running: bool,
    /// A granted lease, used or given back since or not.
    has_lease: bool,
    is_asked: bool,
    is_started: bool,
    is_paused: bool,
    is_disabled: bool,
    is_stopped: bool,
    wake: Option<Timestamp>,
}

impl Watcher {
    fn new(settings: Settings, seed: u64) -> Self {
        Self {
            worker: Worker::new(settings, seed),
            now: at(0),
            is_running: false,
            has_lease: false,
            is_asked: false,
            is_started: false,
            is_paused: false,
            is_disabled: false,
            is_stopped: false,
            wake: None,
        }
    }

    /// One input and the rules. Returns whether a cycle started.
    fn step(&mut self, input: Input) -> Result<bool, TestCaseError> {
        self.note(&input);
        let was_stopped = self.is_stopped;
        let resumes = input == Input::ResumeAfterUpgrade;
        let before = self.worker.clone();
        let what = format!("{input:?}");
        let effects = self.worker.step(self.now, input);
        let context =
            format!("{what} at {} gave {effects:?}\nbefore {before:?}\nafter {:?}", self.now.as_millis(), self.worker);
        prop_assert!(!was_stopped || resumes || effects.is_empty(), "effects after the end: {context}");
        self.is_stopped &= effects.is_empty();
        let mut started = false;
        for effect in &effects {
            prop_assert!(!self.is_stopped, "an effect follows the end: {context}");
            match effect {
                Effect::AcquireLease => {
                    prop_assert!(!self.is_running && !self.is_paused && !self.is_disabled, "{context}");
                    self.is_asked = true;
                }
                Effect::RenewLease => prop_assert!(self.is_running && self.has_lease, "{context}"),
                Effect::ReleaseLease => self.has_lease = false,
                Effect::Run { .. } => {
                    prop_assert!(!self.is_running, "two at once: {context}");
                    prop_assert!(self.has_lease && self.is_started, "without a lease: {context}");
                    prop_assert!(!self.is_paused && !self.is_disabled, "{context}");
                    (self.is_running, started) = (true, true);
                }
                Effect::Cancel => prop_assert!(self.is_running, "{context}"),
                Effect::Abandon => {
                    prop_assert!(self.is_running, "{context}");
                    self.is_running = false;
                }
                Effect::WakeAt(time) => {
                    prop_assert!(*time >= self.now, "{context}");
                    self.wake = Some(*time);
                }
                Effect::Publish => {}
                Effect::Stopped => {
                    prop_assert!(!self.is_running, "{context}");
                    (self.is_stopped, self.wake) = (true, None);
                }
            }
        }
        let status = self.worker.status();
        prop_assert_eq!(matches!(status.phase, Phase::Working(_)), self.is_running, "{}", context);
        let rests = self.is_stopped || self.is_paused || self.is_disabled || !self.is_started;
        // `now` itself counts: the shell is called back at once.
        let has_wake = self.wake.is_some_and(|wake| wake >= self.now);
        prop_assert!(!status.dirty || rests || self.is_running || has_wake, "starves: {context}");
        prop_assert!(!self.is_running || !self.has_lease || has_wake, "never renews: {context}");
        Ok(started)
    }

    fn note(&mut self, input: &Input) {
        match input {
            Input::Start | Input::ResumeAfterUpgrade => self.is_started = true,
            Input::Pause => self.is_paused = true,
            Input::Resume => self.is_paused = false,
            Input::Disable(_) => self.is_disabled = true,
            Input::Enable => self.is_disabled = false,
            Input::LeaseGranted { .. } => {
                self.has_lease |= !self.is_stopped;
                self.is_asked = false;
            }
            Input::LeaseRefused { .. } => self.is_asked = false,
            Input::LeaseLost => self.has_lease = false,
            Input::Succeeded | Input::Failed(_) | Input::Panicked(_) | Input::Cancelled => {
                self.is_running = false;
                self.is_asked = false;
            }
            _ => {}
        }
        if self.wake.is_some_and(|wake| wake < self.now) {
            self.wake = None;
        }
    }

    /// A world that grants leases at once and whose cycles succeed, until a cycle began after `Dirty`.
    fn lives_happily(&mut self) -> Result<(), TestCaseError> {
        for input in [Input::Resume, Input::Enable, Input::Gates(vec![]), Input::ResumeAfterUpgrade] {
            self.step(input)?;
        }
        if self.is_running {
            self.step(Input::Succeeded)?;
        }
        let mut has_begun = self.step(Input::Dirty)?;
        for _ in 0..20 {
            if has_begun {
                self.step(Input::Succeeded)?;
                prop_assert_eq!(self.worker.status().phase, Phase::Healthy);
                return Ok(());
            }
            if std::mem::take(&mut self.is_asked) {
                has_begun = self.step(Input::LeaseGranted { fence: 9 })?;
            } else {
                let Some(wake) = self.wake else { break };
                self.now = self.now.max(wake);
                has_begun = self.step(Input::Tick)?;
            }
        }
        Err(TestCaseError::fail(format!("nothing ran: {:?}", self.worker)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_rules_hold_and_work_is_done_once_the_world_means_well(
        settings in any_settings(),
        seed: u64,
        inputs in prop::collection::vec((prop_oneof![Just(0_u64), 0..10_u64, 0..30_000_u64], any_input()), 0..120),
    ) {
        let mut watcher = Watcher::new(settings, seed);
        for (later, input) in inputs {
            // Often exactly when the worker asked to be woken: the edges are where mistakes live.
            watcher.now = match watcher.wake {
                Some(wake) if later % 3 == 1 && wake >= watcher.now && wake < at(1_000_000_000) => wake,
                _ => watcher.now.after(ms(later)),
            };
            watcher.step(input)?;
        }
        watcher.lives_happily()?;
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_effects(
        settings in any_settings(),
        seed: u64,
        inputs in prop::collection::vec((0..30_000_u64, any_input()), 0..60),
    ) {
        let (mut a, mut b) = (Worker::new(settings.clone(), seed), Worker::new(settings, seed));
        let mut now = at(0);
        for (later, input) in inputs {
            now = now.after(ms(later));
            prop_assert_eq!(a.step(now, input.clone()), b.step(now, input));
        }
    }

    #[test]
    fn a_stop_ends_everything_within_its_grace(
        settings in any_settings(),
        inputs in prop::collection::vec((0..30_000_u64, any_input()), 0..60),
    ) {
        let mut watcher = Watcher::new(settings, 3);
        for (later, input) in inputs {
            watcher.now = watcher.now.after(ms(later));
            watcher.step(input)?;
        }
        watcher.step(Input::Stop)?;
        let mut n_wakes = 0;
        // A lease's time may be a millisecond here, so that a grace of 20 s sees many renewals.
        while !watcher.is_stopped {
            n_wakes += 1;
            prop_assert!(n_wakes < 30_000);
            watcher.now = watcher.wake.expect("a stopping worker asks to be woken");
            watcher.step(Input::Tick)?;
        }
        prop_assert_eq!(watcher.step(Input::Dirty)?, false);
    }
}

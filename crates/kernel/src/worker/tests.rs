//! Claims about single situations. What holds in all of them is in `random`.

use std::time::Duration;

use super::*;
use crate::backoff::Policy;

mod random;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Nothing is random, so that the tests can name moments.
pub(super) fn settings() -> Settings {
    Settings {
        quiet: ms(2_000),
        max_wait: ms(10_000),
        min_interval: ms(0),
        poll: None,
        at_start: false,
        backoff: Policy { first: ms(1_000), max: ms(60_000), factor: 2.0, jitter: 0.0, ceiling: 10 },
        lease_ttl: ms(30_000),
        grace: ms(5_000),
        load_wait_max: ms(60_000),
        battery_wait_max: ms(600_000),
    }
}

fn failure(retry_after: Option<Duration>) -> Input {
    Input::Failed(Failure { reason: Reason::Unreachable, message: "It is not there.".into(), retry_after })
}

const GRANT: Input = Input::LeaseGranted { fence: 7 };
const LOAD: Gate = Gate::Load { percent: 500 };

/// A worker under test; each call checks the effects, `Publish` left out.
struct Bench(Worker);

impl Bench {
    fn new(settings: Settings) -> Self {
        Self(Worker::new(settings, 1))
    }

    fn started(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        bench.0.step(at(0), Input::Start);
        bench
    }

    /// In a cycle since `now`.
    fn running(settings: Settings, now: i64) -> Self {
        let mut bench = Self::started(settings);
        bench.step(now, Input::Now, "acquire, wake 30000 later");
        bench.step(now, GRANT, "run 7, wake 10000 later");
        bench
    }

    #[track_caller]
    fn step(&mut self, now: i64, input: Input, expected: &str) -> &mut Self {
        let effects = self.0.step(at(now), input);
        let words: Vec<_> = effects.iter().filter_map(|effect| describe(effect, now)).collect();
        assert_eq!(words.join(", "), expected, "at {now} ms");
        self
    }

    #[track_caller]
    fn phase(&mut self, expected: Phase) -> &mut Self {
        assert_eq!(self.0.status().phase, expected);
        self
    }
}

fn describe(effect: &Effect, now: i64) -> Option<String> {
    Some(match effect {
        Effect::AcquireLease => "acquire".into(),
        Effect::RenewLease => "renew".into(),
        Effect::ReleaseLease => "release".into(),
        Effect::Run { fence } => format!("run {fence}"),
        Effect::Cancel => "cancel".into(),
        Effect::Abandon => "abandon".into(),
        Effect::WakeAt(time) => format!("wake {} later", time.as_millis() - now),
        Effect::Publish => return None,
        Effect::Stopped => "stopped".into(),
    })
}

#[test]
fn a_change_runs_a_cycle_after_quiet() {
    let mut bench = Bench::started(settings());
    bench.step(100, Input::Dirty, "wake 2000 later").phase(Phase::Idle);
    bench.step(1_100, Input::Dirty, "wake 2000 later");
    bench.step(2_100, Input::Tick, "").step(3_099, Input::Tick, "");
    bench.step(3_100, Input::Tick, "acquire, wake 30000 later").phase(Phase::Idle);
    bench.step(3_100, GRANT, "run 7, wake 10000 later").phase(Phase::Working("start".into()));
    bench.step(3_200, Input::Step("scan".into()), "").phase(Phase::Working("scan".into()));
    bench.step(3_300, Input::Succeeded, "release").phase(Phase::Healthy);
    let status = bench.0.status();
    assert_eq!((status.cycles, status.failures, status.dirty), (1, 0, false));
    assert_eq!(status.last_success, Some(at(3_300)));
}

#[test]
fn a_steady_stream_of_changes_cannot_starve_a_cycle() {
    let mut bench = Bench::started(settings());
    for now in (0..10_000).step_by(500) {
        assert!(!bench.0.step(at(now), Input::Dirty).contains(&Effect::AcquireLease));
    }
    bench.step(10_000, Input::Dirty, "acquire, wake 30000 later");
}

#[test]
fn changes_during_a_cycle_are_done_in_the_next_one() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(1_000, Input::Dirty, "").step(1_500, Input::Succeeded, "release, wake 1500 later");
    bench.step(3_000, Input::Tick, "acquire, wake 30000 later");
}

#[test]
fn the_interval_counts_from_start_to_start_and_only_for_changes() {
    let mut bench = Bench::running(Settings { min_interval: ms(60_000), ..settings() }, 1_000);
    bench.step(2_000, Input::Succeeded, "release");
    bench.step(3_000, Input::Dirty, "wake 58000 later");
    bench.step(4_000, Input::Now, "acquire, wake 30000 later");
}

#[test]
fn one_cycle_runs_at_the_start() {
    let mut bench = Bench::new(Settings { at_start: true, ..settings() });
    bench.step(0, Input::Start, "acquire, wake 30000 later").step(0, GRANT, "run 7, wake 10000 later");
}

#[test]
fn nothing_happens_before_the_start() {
    let mut bench = Bench::new(settings());
    bench.step(0, Input::Dirty, "").step(1, Input::Now, "").step(2, Input::Tick, "");
    bench.step(3, Input::Start, "acquire, wake 30000 later");
}

#[test]
fn polls_come_within_a_tenth_of_their_interval_and_differ() {
    let mut waits = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut worker = Worker::new(Settings { poll: Some(ms(100_000)), ..settings() }, seed);
        let effects = worker.step(at(0), Input::Start);
        let Some(Effect::WakeAt(wake)) = effects.last() else { panic!("{effects:?}") };
        assert!((90_000..=110_000).contains(&wake.as_millis()), "{wake:?}");
        assert_eq!(worker.step(wake.before(ms(1)), Input::Tick), []);
        assert!(worker.step(*wake, Input::Tick).contains(&Effect::AcquireLease));
        waits.insert(wake.as_millis());
    }
    assert!(waits.len() > 40);
}

#[test]
fn the_lease_is_renewed_at_a_third_of_its_time() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(9_999, Input::Tick, "").step(10_000, Input::Tick, "renew, wake 10000 later");
    bench.step(25_000, Input::Tick, "renew, wake 10000 later");
}

#[test]
fn a_refused_lease_is_asked_for_again_soon_and_is_no_failure() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Now, "acquire, wake 30000 later");
    bench.step(0, Input::LeaseRefused { until: at(20_000) }, "wake 3000 later").phase(Phase::Idle);
    let status = bench.0.status();
    assert_eq!((status.reason, status.consecutive_failures, status.dirty), (Some(Reason::Busy), 0, true));
    bench.step(2_999, Input::Tick, "").step(3_000, Input::Tick, "acquire, wake 30000 later");
    bench.step(3_000, Input::LeaseRefused { until: at(5_500) }, "wake 2500 later");
    bench.step(5_500, Input::Tick, "acquire, wake 30000 later");
    bench.step(5_500, GRANT, "run 7, wake 10000 later");
    assert_eq!(bench.0.status().reason, None);
}

#[test]
fn a_nonsensical_deadline_neither_spins_nor_starves() {
    let mut bench = Bench::started(settings());
    bench.step(5_000, Input::Now, "acquire, wake 30000 later");
    bench.step(5_000, Input::LeaseRefused { until: at(0) }, "wake 1000 later");
    bench.step(6_000, Input::Tick, "acquire, wake 30000 later");
    bench.step(6_000, Input::LeaseRefused { until: at(i64::MAX) }, "wake 3000 later");
    bench.step(7_000, Input::Now, "acquire, wake 30000 later");
}

#[test]
fn an_answer_that_never_comes_is_asked_for_again() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Now, "acquire, wake 30000 later");
    bench.step(30_000, Input::Tick, "acquire, wake 30000 later");
    bench.step(30_001, GRANT, "run 7, wake 10000 later").step(30_002, GRANT, "");
    bench.step(30_003, Input::Succeeded, "release").step(30_004, GRANT, "release");
}

#[test]
fn a_lost_lease_cancels_the_cycle_and_its_work_is_redone() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(10_000, Input::LeaseLost, "cancel").step(10_001, Input::LeaseLost, "");
    bench.step(11_000, Input::Cancelled, "wake 2000 later").phase(Phase::Idle);
    assert_eq!(bench.0.status().failures, 0);
    bench.step(13_000, Input::Tick, "acquire, wake 30000 later");
}

#[test]
fn a_second_grant_is_given_back_once_the_first_was_lost() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(1, GRANT, "").step(2, Input::LeaseLost, "cancel").step(3, GRANT, "release");
}

#[test]
fn success_without_the_lease_is_done_again() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(1_000, Input::LeaseLost, "cancel").step(2_000, Input::Succeeded, "wake 2000 later");
}

#[test]
fn a_failure_is_shown_then_waited_for_and_retried_when_the_wait_ends() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(100, Input::Step("push".into()), "");
    bench.step(200, failure(None), "release, wake 0 later").phase(Phase::Failed("push".into()));
    bench.step(200, Input::Tick, "wake 1000 later").phase(Phase::Backoff);
    let status = bench.0.status();
    assert_eq!((status.reason, status.consecutive_failures), (Some(Reason::Unreachable), 1));
    assert_eq!((status.backoff_until, status.last_failure), (Some(at(1_200)), Some(at(200))));
    bench.step(1_199, Input::Dirty, "").step(1_200, Input::Tick, "acquire, wake 30000 later");
    bench.step(1_200, GRANT, "run 7, wake 10000 later").step(1_300, failure(None), "release, wake 0 later");
    bench.step(1_300, Input::Tick, "wake 2000 later");
    bench.step(3_300, Input::Tick, "acquire, wake 30000 later").step(3_300, GRANT, "run 7, wake 10000 later");
    bench.step(3_400, Input::Succeeded, "release").phase(Phase::Healthy);
    let status = bench.0.status();
    assert_eq!((status.reason, status.message, status.consecutive_failures), (None, None, 0));
    assert_eq!((status.cycles, status.failures), (1, 2));
}

#[test]
fn the_other_sides_time_is_honoured() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, failure(Some(ms(500_000))), "release, wake 0 later").step(0, Input::Tick, "wake 500000 later");
    let shorter = Settings { backoff: Policy { max: ms(1), ..settings().backoff }, ..settings() };
    bench.step(1, Input::Reconfigure(Box::new(shorter)), "");
}

#[test]
fn now_skips_the_wait_and_is_owed_to_no_one_afterwards() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, failure(Some(ms(500_000))), "release, wake 0 later");
    bench.step(1, Input::Now, "acquire, wake 30000 later").phase(Phase::Backoff);
    bench.step(2, GRANT, "run 7, wake 10000 later").step(3, Input::Succeeded, "release");
    assert!(!bench.0.status().dirty);
}

#[test]
fn failing_forever_slows_down_but_never_stops() {
    let mut bench = Bench::running(Settings { backoff: Policy { ceiling: 3, ..settings().backoff }, ..settings() }, 0);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..40 {
        bench.0.step(at(now), failure(None));
        let effects = bench.0.step(at(now), Input::Tick);
        let Some(Effect::WakeAt(wake)) = effects.last() else { panic!("{effects:?}") };
        waits.push(wake.as_millis() - now);
        now = wake.as_millis();
        assert!(bench.0.step(at(now), Input::Tick).contains(&Effect::AcquireLease));
        bench.0.step(at(now), GRANT);
    }
    assert_eq!(waits[..4], [1_000, 2_000, 60_000, 60_000]);
    assert_eq!(waits[39], 60_000);
}

#[test]
fn a_panic_is_a_failure_and_counted() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, Input::Panicked("index out of bounds".into()), "release, wake 0 later");
    let status = bench.0.status();
    assert_eq!((status.reason, status.failures, status.panics), (Some(Reason::InternalError), 1, 1));
    assert!(status.message.unwrap().contains("index out of bounds"));
}

#[test]
fn a_lease_that_cannot_be_asked_for_is_a_failure() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Now, "acquire, wake 30000 later");
    bench.step(0, failure(None), "wake 0 later").phase(Phase::Failed("lease".into()));
    bench.step(0, Input::Tick, "wake 1000 later").phase(Phase::Backoff);
}

#[test]
fn shut_gates_hold_changes_back_but_not_a_person() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Gates(vec![Gate::Offline]), "").step(0, Input::Dirty, "wake 2000 later");
    bench.step(2_000, Input::Tick, "wake 60000 later").step(62_000, Input::Tick, "wake 60000 later");
    assert_eq!(bench.0.status().gates, [Gate::Offline]);
    bench.step(63_000, Input::Now, "acquire, wake 30000 later").step(63_000, GRANT, "run 7, wake 10000 later");
    bench.step(63_001, Input::Succeeded, "release").step(64_000, Input::Dirty, "wake 2000 later");
    bench.step(66_000, Input::Tick, "wake 60000 later");
    bench.step(67_000, Input::Gates(vec![]), "acquire, wake 30000 later");
}

#[test]
fn gates_that_shut_while_the_lease_is_asked_for_give_it_back() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Dirty, "wake 2000 later").step(2_000, Input::Tick, "acquire, wake 30000 later");
    bench.step(2_001, Input::Gates(vec![LOAD]), "").step(2_002, GRANT, "release");
    bench.step(32_000, Input::Tick, "wake 30002 later").step(62_002, Input::Tick, "acquire, wake 30000 later");
}

#[test]
fn load_holds_back_only_so_long_in_a_row() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Gates(vec![LOAD]), "");
    bench.step(100_000, Input::Dirty, "wake 2000 later").step(102_000, Input::Tick, "wake 60000 later");
    bench.step(130_000, Input::Gates(vec![Gate::Load { percent: 900 }]), "");
    bench.step(162_000, Input::Tick, "acquire, wake 30000 later").step(162_000, GRANT, "run 7, wake 10000 later");
    bench.step(162_001, Input::Succeeded, "release");
    bench.step(170_000, Input::Dirty, "wake 2000 later").step(172_000, Input::Tick, "wake 60000 later");
}

#[test]
fn a_drained_battery_holds_a_change_back_ten_minutes_in_a_row_at_most() {
    const LOW: Gate = Gate::BatteryCritical { percent: 4 };
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Gates(vec![LOW]), "").step(0, Input::Dirty, "wake 2000 later");
    bench.step(2_000, Input::Tick, "wake 60000 later");
    for minute in 1..9 {
        bench.step(2_000 + minute * 60_000, Input::Tick, "wake 60000 later");
    }
    // Another charge is the same gate, and load does not begin the time anew.
    bench.step(550_000, Input::Gates(vec![Gate::BatteryCritical { percent: 3 }, LOAD]), "wake 52000 later");
    bench.step(602_000, Input::Tick, "wake 8000 later").step(610_000, Input::Tick, "acquire, wake 30000 later");
    bench.step(610_000, GRANT, "run 7, wake 10000 later").step(610_001, Input::Succeeded, "release");
    bench.step(611_000, Input::Dirty, "wake 2000 later").step(613_000, Input::Tick, "wake 60000 later");
}

#[test]
fn other_gates_outlast_the_load() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Gates(vec![LOAD, Gate::Metered]), "").step(0, Input::Dirty, "wake 2000 later");
    bench.step(2_000, Input::Tick, "wake 60000 later").step(62_000, Input::Tick, "wake 60000 later");
    bench.step(70_000, Input::Gates(vec![LOAD]), "acquire, wake 30000 later");
}

#[test]
fn a_paused_worker_remembers_what_changed() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Pause, "").phase(Phase::Paused);
    bench.step(1_000, Input::Dirty, "").step(50_000, Input::Tick, "");
    assert!(bench.0.status().dirty);
    bench.step(60_000, Input::Resume, "acquire, wake 30000 later").phase(Phase::Idle);
}

#[test]
fn a_pause_ends_the_running_cycle_and_its_work_is_redone_after_it() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(1_000, Input::Pause, "cancel").phase(Phase::Working("start".into()));
    bench.step(2_000, Input::Cancelled, "release").phase(Phase::Paused);
    bench.step(9_000, Input::Resume, "acquire, wake 30000 later");
}

#[test]
fn a_person_is_not_served_while_paused_and_later_not_past_the_gates() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Pause, "").step(1, Input::Now, "").step(2, Input::Gates(vec![Gate::Offline]), "");
    bench.step(3, Input::Resume, "wake 60000 later").step(4, Input::Gates(vec![]), "acquire, wake 30000 later");
}

#[test]
fn a_resumed_worker_goes_on_waiting() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, failure(None), "release, wake 0 later").step(0, Input::Pause, "").phase(Phase::Paused);
    bench.step(500, Input::Resume, "wake 500 later").phase(Phase::Backoff);
}

#[test]
fn a_disabled_worker_says_why_and_starts_afresh_when_enabled() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, failure(Some(ms(90_000))), "release, wake 0 later");
    bench.step(1, Input::Disable("The repository is gone.".into()), "").phase(Phase::Disabled);
    assert_eq!(bench.0.status().message.as_deref(), Some("The repository is gone."));
    bench.step(2, Input::Pause, "").phase(Phase::Disabled);
    bench.step(3, Input::Enable, "").phase(Phase::Paused);
    assert_eq!(bench.0.status().message, None);
    bench.step(4, Input::Resume, "acquire, wake 30000 later").phase(Phase::Idle);
}

#[test]
fn an_idle_worker_stops_at_once_and_does_nothing_more() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Dirty, "wake 2000 later").step(1, Input::Stop, "stopped");
    for input in [Input::Start, Input::Now, Input::Tick, GRANT, Input::Pause, Input::ResumeAfterUpgrade, Input::Stop] {
        assert_eq!(bench.0.step(at(9_999), input), []);
    }
}

#[test]
fn a_worker_that_never_started_can_be_stopped() {
    Bench::new(settings()).step(0, Input::Stop, "stopped");
}

#[test]
fn a_stop_gives_back_the_lease_whose_answer_is_under_way() {
    let mut bench = Bench::started(settings());
    bench.step(0, Input::Now, "acquire, wake 30000 later").step(1, Input::Stop, "release, stopped");
}

#[test]
fn a_stop_waits_for_the_running_cycle() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(1_000, Input::Stop, "cancel, wake 5000 later");
    bench.step(2_000, Input::Step("commit".into()), "").step(3_000, Input::Succeeded, "release, stopped");
    bench.phase(Phase::Healthy);
}

#[test]
fn a_stop_waits_no_longer_than_its_grace() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(8_000, Input::Stop, "cancel").step(10_000, Input::Tick, "renew, wake 3000 later");
    bench.step(13_000, Input::Tick, "abandon, stopped").phase(Phase::Idle);
    assert_eq!(bench.0.step(at(14_000), Input::Succeeded), []);
}

#[test]
fn an_upgrade_keeps_the_lease() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, Input::StopForUpgrade, "cancel, wake 5000 later").step(1, Input::Cancelled, "stopped");
    bench.step(2, Input::Dirty, "");
    bench.step(3, Input::ResumeAfterUpgrade, "release, acquire, wake 30000 later");
    bench.step(4, GRANT, "run 7, wake 10000 later").step(5, Input::Succeeded, "release");
}

#[test]
fn an_upgrade_called_off_before_the_cycle_ended_goes_on() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, Input::StopForUpgrade, "cancel, wake 5000 later");
    bench.step(1, Input::ResumeAfterUpgrade, "wake 9999 later");
    bench.step(2, Input::Cancelled, "release, wake 2000 later");
}

#[test]
fn a_stop_for_good_during_an_upgrade_wins() {
    let mut bench = Bench::running(settings(), 0);
    bench.step(0, Input::StopForUpgrade, "cancel, wake 5000 later").step(1_000, Input::Stop, "");
    bench.step(1_001, Input::Cancelled, "release, stopped").step(1_002, Input::ResumeAfterUpgrade, "");
}

#[test]
fn the_new_process_resumes_as_if_started() {
    let mut bench = Bench::new(Settings { at_start: true, ..settings() });
    bench.step(0, Input::ResumeAfterUpgrade, "acquire, wake 30000 later");
}

#[test]
fn new_settings_apply_to_waits_that_run() {
    let mut bench = Bench::started(settings());
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        Input::Reconfigure(Box::new(settings))
    };
    bench.step(0, Input::Dirty, "wake 2000 later");
    bench.step(100, with(&|s| s.quiet = ms(500)), "wake 400 later");
    bench.step(200, with(&|s| s.quiet = ms(7_000)), "wake 6800 later");
    bench.step(300, Input::Now, "acquire, wake 30000 later").step(300, GRANT, "run 7, wake 10000 later");
    bench.step(400, with(&|s| s.lease_ttl = ms(3_000)), "wake 900 later");
    bench.step(500, failure(None), "release, wake 0 later").step(500, Input::Tick, "wake 1000 later");
    bench.step(600, with(&|s| s.backoff.max = ms(400)), "wake 300 later");
    bench.step(900, Input::Tick, "acquire, wake 30000 later");
}

#[test]
fn the_status_is_published_when_others_should_see_it() {
    let mut worker = Worker::new(settings(), 1);
    let mut publishes = |now, input| worker.step(at(now), input).contains(&Effect::Publish);
    assert!(publishes(0, Input::Start), "that there is one");
    assert!(!publishes(1, Input::Dirty), "a change that only waits for quiet");
    assert!(!publishes(2, Input::Tick));
    assert!(publishes(3, Input::Gates(vec![LOAD])), "a gate, and with it the change it holds");
    assert!(!publishes(4, Input::Gates(vec![Gate::Load { percent: 501 }])), "a percentage");
    assert!(publishes(5, Input::Gates(vec![])));
    assert!(!publishes(6, Input::Now));
    assert!(publishes(7, GRANT));
    assert!(publishes(8, Input::Step("scan".into())));
    assert!(!publishes(9, Input::Step("scan".into())));
    assert!(publishes(10, failure(None)));
    assert!(publishes(11, Input::Tick), "from failed to waiting");
}

#[test]
fn a_cycle_is_announced_before_it_runs() {
    let mut worker = Worker::new(settings(), 1);
    worker.step(at(0), Input::Start);
    worker.step(at(0), Input::Now);
    assert_eq!(worker.step(at(0), GRANT), [Effect::Publish, Effect::Run { fence: 7 }, Effect::WakeAt(at(10_000))]);
}

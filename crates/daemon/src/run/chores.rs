//! The daemon's state, and what it does because time has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use carry_code::context::Context;
use carry_code::registry::{Coverage, Registry};
use carry_kernel::clock::Timestamp;
use carry_kernel::id::{DeviceId, TreeId};
use carry_kernel::lease::{Lease, Owner};
use carry_kernel::status::StatusBoard;
use carry_kernel::throttle::Throttle;
use carry_kernel::worker::Input;
use sd_notify::NotifyState;

use super::asks::Ask;
use super::configured::Configured;
use super::event::{Event, Signal};
use super::finder::Finder;
use super::gates::{Gates, Metered};
use super::job::Job;
use super::link::{Link, LinkId, Role};
use super::network::Network;
use super::pool::{Pool, Work};
use super::remotes::{Remote, Remotes};
use super::sessions::{self, Sessions};
use super::slot::Key;
use super::team::{Store, Team};
use super::tuning::Tuning;
use super::watching::Watching;
use super::{Lock, RunError, notify};
use crate::desktop::Desktop;

/// The longest sleep: a clock that was set must not make it longer.
const SLEEP_MAX: Duration = Duration::from_secs(60 * 60);

/// The same complaint is logged once in so long.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10 * 60);

/// How much longer than a worker's own grace a stop may take.
const STOP_MARGIN: Duration = Duration::from_secs(2);

/// Everything the loop owns.
pub(super) struct Daemon<'a> {
    pub(super) ctx: Context,
    pub(super) tuning: Tuning,
    lock: &'a Lock,
    pub(super) registry: Registry,
    pub(super) lease: Lease,
    pub(super) board: StatusBoard,
    pub(super) pool: Pool,
    pub(super) watching: Watching,
    pub(super) jobs: BTreeMap<TreeId, Job>,
    pub(super) asks: BTreeMap<u64, Ask>,
    pub(super) last_ask: u64,
    /// Upkeep runs for one tree at a time.
    pub(super) is_keeping_up: bool,
    pub(super) complaints: Throttle<String>,
    pub(super) links: BTreeMap<LinkId, Link>,
    /// Repositories whose links may have to be others.
    pub(super) unarranged: BTreeSet<PathBuf>,
    /// Every tree's remotes were looked up at least once.
    pub(super) are_links_known: bool,
    pub(super) finder: Finder,
    pub(super) network: Network,
    pub(super) sessions: Sessions,
    pub(super) team: Team,
    pub(super) remotes: Remotes,
    pub(super) configured: Configured,
    pub(super) desktop: Desktop,
    pub(super) events: SyncSender<Event>,
    /// Who we were when we last looked.
    pub(super) identity: DeviceId,
    pub(super) gates: Gates,
    pub(super) metered: Metered,
    home_at: Timestamp,
    /// Interval and next time of the service manager's watchdog.
    watchdog: Option<(Duration, Timestamp)>,
    /// Both clocks at the last turn: the one counts sleep, the other does not.
    last_turn: (Timestamp, Instant),
    /// Until when a stop may take.
    stop_by: Option<Timestamp>,
    is_home_gone: bool,
    /// Since when, on the wall clock.
    pub(super) started: Timestamp,
}

impl<'a> Daemon<'a> {
    /// Opens everything and starts the threads.
    pub(super) fn start(
        ctx: &Context,
        tuning: Tuning,
        events: SyncSender<Event>,
        lock: &'a Lock,
    ) -> Result<Self, RunError> {
        let owner = Owner::this_process();
        let lease = Lease::open(&ctx.home, owner.clone())?.with_clock(ctx.clock.clone());
        let pool = Pool::start(ctx, &owner, &events, &tuning);
        let desktop = Desktop::start(tuning.show.clone()).map_err(RunError::start("its threads"))?;
        let (far, threads) = (tuning.far.clone(), tuning.network_threads);
        let network = Network::new(ctx, &owner, &events, far.clone(), desktop.clone(), threads);
        let watch = sessions::Watch::start(&events).map_err(RunError::start("its threads"))?;
        let now = ctx.clock.steady();
        let watchdog = sd_notify::watchdog_enabled().map(|most| most / 2);
        Ok(Self {
            registry: Registry::open(&ctx.home)?,
            lease,
            board: StatusBoard::open(&ctx.home)?,
            pool: pool.map_err(RunError::start("its threads"))?,
            watching: Watching::start(ctx, &events).map_err(RunError::start("its watcher"))?,
            jobs: BTreeMap::new(),
            asks: BTreeMap::new(),
            last_ask: 0,
            is_keeping_up: false,
            complaints: Throttle::new(COMPLAIN_EVERY),
            links: BTreeMap::new(),
            unarranged: BTreeSet::new(),
            are_links_known: false,
            finder: Finder::start(ctx, far, &events).map_err(RunError::start("its threads"))?,
            network,
            sessions: Sessions::new(watch, &tuning),
            team: Team::default(),
            remotes: Remotes::default(),
            configured: Configured::default(),
            desktop,
            events,
            identity: ctx.device.id(),
            gates: Gates::default(),
            metered: Metered::default(),
            home_at: now.after(tuning.home_check),
            watchdog: watchdog.map(|every| (every, now)),
            last_turn: (now, Instant::now()),
            stop_by: None,
            is_home_gone: false,
            started: ctx.clock.now(),
            ctx: ctx.clone(),
            tuning,
            lock,
        })
    }

    /// Takes up the registered trees.
    pub(super) fn begin(&mut self) {
        self.sweep_board();
        self.reload_all();
    }

    /// Takes up what the configuration says.
    pub(super) fn reload_all(&mut self) {
        self.note_config();
        self.reload();
        self.reload_sessions();
        self.reload_named::<Store>();
        self.reload_named::<Remote>();
    }

    /// Takes one event.
    pub(super) fn handle(&mut self, event: Event) {
        let (name, started) = (event.name(), Instant::now());
        self.notice_sleep();
        match event {
            Event::Watch(event) => self.heard(event),
            Event::Watching { tree, attempt, outcome } => self.watching_answered(&tree, attempt, outcome),
            Event::Begun(tree) => self.begun(&tree),
            Event::Progress { tree, step, done, total } => self.progress(&tree, step, done, total),
            Event::Ended(ended) => self.ended(*ended),
            Event::Kept(tree, done) => self.kept(&tree, *done),
            Event::Remotes { tree, found } => self.found_remotes(&tree, found),
            Event::Stepped { key, step } => self.stepped(&key, step),
            Event::Exchanged { link, role, outcome } => self.exchanged(&link, role, *outcome),
            Event::SessionsHeard(heard) => self.sessions_heard(heard),
            Event::SessionsArmed(armed) => self.sessions_armed(armed),
            Event::SessionsPassed(outcome) => self.sessions_passed(outcome),
            Event::RemoteStirred(remote) => self.remote_stirred(&remote),
            Event::RoundEnded { remote, is_last, outcome } => self.round_ended(&remote, is_last, *outcome),
            Event::PushedToStore { store, outcome } => self.pushed_to_store(&store, *outcome),
            Event::Metered(metered) => self.metered_is(metered),
            Event::Asked { request, reply } => self.asked(request, reply),
            Event::Signal(Signal::Stop) => self.stop(),
            Event::Signal(Signal::Reload) => self.reload_all(),
        }
        tracing::trace!(event = name, took = ?started.elapsed(), "handled");
    }

    /// How long nothing is due.
    pub(super) fn patience(&self) -> Duration {
        let jobs = self.jobs.values().filter_map(Job::due);
        let asks = self.asks.values().filter_map(|ask| ask.sync_by);
        let own = [Some(self.home_at), self.watchdog.map(|(_, at)| at), self.stop_by];
        let links = self.links.values().flat_map(Link::slots).filter_map(|slot| slot.wake);
        let strands = [self.sessions.due(), self.team.due(), self.remotes.due()];
        let due = jobs.chain(asks).chain(links).chain(strands.into_iter().chain(own).flatten()).min();
        due.map_or(SLEEP_MAX, |due| due.since(self.now())).min(SLEEP_MAX)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        self.notice_sleep();
        let now = self.now();
        if let Some((every, at)) = self.watchdog
            && at <= now
        {
            notify(&[NotifyState::Watchdog]);
            self.watchdog = Some((every, now.after(every)));
        }
        if self.home_at <= now {
            self.home_at = now.after(self.tuning.home_check);
            // Whoever mends a file by hand tells nobody.
            if self.configured.problem.is_some() {
                self.look_at_config();
            }
            if !self.lock.is_there() && !self.is_home_gone {
                tracing::error!("the home of this daemon vanished; it ends");
                self.is_home_gone = true;
                self.stop();
            }
        }
        self.give_up_syncs(now);
        let due: Vec<TreeId> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.due().is_some_and(|at| at <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.tick_job(&id, now);
        }
        self.arrange_links();
        self.tick_links(now);
        self.tick_sessions(now);
        self.tick_named::<Store>(now);
        self.tick_named::<Remote>(now);
        self.let_go(now);
    }

    fn tick_job(&mut self, id: &TreeId, now: Timestamp) {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let Some(job) = self.jobs.get_mut(id) else { return };
        if is_due(job.scan_at) {
            job.scan_at = None;
            job.pending.everything();
            self.feed(id, Input::Dirty);
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        if is_due(job.slot.wake) {
            job.slot.wake = None;
            self.feed(id, Input::Tick);
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        if is_due(job.rewatch_at) {
            job.rewatch_at = None;
            self.watch(id);
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        if is_due(job.look_for_it_at) {
            job.look_for_it_at = None;
            self.look_for(id);
            self.look_again(id);
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        if is_due(job.linked_at.first().copied()) {
            job.linked_at.remove(0);
            self.take_up_linked(id);
        }
        self.notice_stall(id, now);
        self.keep_up(id, now);
    }

    fn keep_up(&mut self, id: &TreeId, now: Timestamp) {
        let is_due =
            |job: &Job| job.upkeep_at.is_some_and(|at| at <= now) && job.slot.running.is_none() && !job.is_kept_up;
        if !self.jobs.get(id).is_some_and(is_due) {
            return;
        }
        // As they are now: where nothing is captured, nobody else measures them.
        self.measure_gates();
        let is_held_back = self.is_keeping_up || !self.local_gates().is_empty() || self.stop_by.is_some();
        let (gap, every) = (self.tuning.upkeep_gap, self.tuning.upkeep_every);
        // Gates that open may have let a capture begin.
        let Some(job) = self.jobs.get_mut(id).filter(|job| is_due(job)) else { return };
        if job.is_left_alone() {
            job.upkeep_at = Some(now.after(every));
            return;
        }
        if is_held_back {
            job.upkeep_at = Some(now.after(gap));
            return;
        }
        (job.upkeep_at, job.kept_at, job.is_kept_up) = (None, Some(now), true);
        self.is_keeping_up = true;
        self.pool.give(Work::Upkeep(job.tree.clone()));
    }

    /// Lets go of what quiet trees remember. The most recent ones keep it: the next change there should cost little.
    fn let_go(&mut self, now: Timestamp) {
        let mut warm: Vec<(Timestamp, &mut Job)> =
            self.jobs.values_mut().filter(|job| job.is_warm).map(|job| (job.busy_at, job)).collect();
        if warm.len() <= self.tuning.warm_trees {
            return;
        }
        warm.sort_by_key(|(busy_at, _)| std::cmp::Reverse(*busy_at));
        for (busy_at, job) in warm.into_iter().skip(self.tuning.warm_trees) {
            if now.since(busy_at) >= self.tuning.forget_after
                && let Some(capturer) = &mut job.capturer
            {
                capturer.forget();
                job.is_warm = false;
            }
        }
    }

    /// After a sleep events may have been lost, and other machines may have written to what is shared.
    fn notice_sleep(&mut self) {
        let (steady, awake) = (self.now(), Instant::now());
        let asleep = steady.since(self.last_turn.0).saturating_sub(awake.duration_since(self.last_turn.1));
        self.last_turn = (steady, awake);
        if asleep < self.tuning.sleep_min {
            return;
        }
        tracing::info!(?asleep, "the machine slept; everything is looked at again");
        self.forget_gates();
        let ids: Vec<TreeId> = self.jobs.keys().cloned().collect();
        for id in ids {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.pending.everything();
            }
            self.feed(&id, Input::Dirty);
        }
        self.sessions_heard(sessions::Heard { everything: true, ..sessions::Heard::default() });
    }

    /// Ends gracefully: every worker finishes or cancels its step.
    pub(super) fn stop(&mut self) {
        if self.stop_by.is_some() {
            return;
        }
        tracing::info!("the daemon is told to stop");
        notify(&[NotifyState::Stopping]);
        let grace = carry_kernel::worker::Settings::default().grace;
        self.stop_by = Some(self.now().after(grace + STOP_MARGIN));
        let ids: Vec<TreeId> = self.jobs.keys().cloned().collect();
        for id in ids {
            self.refuse_asks(&id, "The daemon is stopping.");
            self.feed(&id, Input::Stop);
        }
        let links: Vec<LinkId> = self.links.keys().cloned().collect();
        for id in links {
            for role in Role::ALL {
                self.drive(&Key::Link(id.clone(), role), Input::Stop);
            }
        }
        self.drive(&Key::Sessions, Input::Stop);
        self.stop_named::<Store>();
        self.flush_remotes();
        self.stop_named::<Remote>();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop_by.is_some()
    }

    /// Whether a stop is done, or its time over.
    pub(super) fn has_ended(&self) -> bool {
        let is_idle = self.jobs.values().all(|job| job.slot.has_ended() && !job.is_kept_up)
            && self.links.values().flat_map(Link::slots).all(|slot| slot.has_ended())
            && self.sessions.slot.has_ended()
            && self.team.has_ended()
            && self.remotes.has_ended();
        self.stop_by.is_some_and(|by| is_idle || by <= self.now())
    }

    /// The last thing: nobody watches any more.
    pub(super) fn end(&mut self) {
        if self.is_home_gone {
            return;
        }
        for id in self.jobs.keys() {
            let unwatched = |state: &mut carry_code::registry::TreeState| {
                (state.coverage, state.coverage_reason) = (Some(Coverage::Unwatched), None);
            };
            if let Err(error) = self.registry.update_state(id, unwatched) {
                tracing::warn!(tree = %id, %error, "cannot note that nobody watches");
            }
        }
    }

    /// Now, on the steady clock.
    pub(super) fn now(&self) -> Timestamp {
        self.ctx.clock.steady()
    }

    /// Logs what went wrong and does not stop us, but not each time.
    pub(super) fn complain(&mut self, what: &str, error: &dyn std::error::Error) {
        let now = self.now();
        if let Some(held_back) = self.complaints.pass(&what.to_owned(), now) {
            tracing::warn!(held_back, "{what}: {}", super::results::sentence(error));
        }
    }
}

//! Questions of commands, from the moment they come until they are answered.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;

use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;
use carry_kernel::worker::Input;

use super::chores::Daemon;
use super::job::Watch;
use super::link::Link;
use super::results;
use crate::handle::{Answer, CaptureResult, DaemonStatus, Request, reason};

/// A capture that was asked for.
pub(super) struct Ask {
    reply: Sender<Answer>,
    /// Trees without a result.
    remaining: BTreeSet<TreeId>,
    results: Vec<CaptureResult>,
    /// Trees for which the watcher must have told everything first, and until when it may take.
    syncing: BTreeSet<TreeId>,
    pub(super) sync_by: Option<Timestamp>,
}

impl Daemon<'_> {
    /// Somebody asks.
    pub(super) fn asked(&mut self, request: Request, reply: Sender<Answer>) {
        let answer = match request {
            Request::Status => {
                self.look_at_config();
                Answer::Status(Box::new(self.status()))
            }
            Request::Capture { trees, watched } => return self.capture(trees, watched, reply),
            Request::Reload => {
                self.reload_all();
                Answer::Done
            }
            Request::SessionsChanged => {
                self.archive_changed();
                Answer::Done
            }
            Request::Stop => {
                self.stop();
                Answer::Done
            }
        };
        // Whoever asked may have gone.
        let _ = reply.send(answer);
    }

    fn status(&self) -> DaemonStatus {
        let (steady, wall) = (self.now(), self.ctx.clock.now());
        let workers = self.jobs.values().filter(|job| !job.is_leaving);
        DaemonStatus {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            watches: self.watching.watches(),
            workers: workers
                .map(|job| (job.tree.id.as_str().to_owned(), job.status(steady).on_wall_clock(steady, wall)))
                .collect(),
            sessions: Some(self.sessions.status().on_wall_clock(steady, wall)),
            remotes: self.remotes.statuses().map(|(row, status)| (row, status.on_wall_clock(steady, wall))).collect(),
            team: self.team.statuses().map(|(row, status)| (row, status.on_wall_clock(steady, wall))).collect(),
            config: self.configured.problem.clone(),
            links: self
                .links
                .values()
                .filter(|link| !link.is_leaving)
                .flat_map(Link::slots)
                .map(|slot| (slot.row.clone(), slot.worker.status().on_wall_clock(steady, wall)))
                .collect(),
        }
    }

    pub(super) fn capture(&mut self, trees: Vec<TreeId>, watched: bool, reply: Sender<Answer>) {
        if self.is_stopping() {
            // Whoever asked may have gone.
            let _ = reply.send(Answer::Failed { message: "The daemon is stopping.".to_owned() });
            return;
        }
        if trees.iter().any(|id| !self.jobs.contains_key(id)) {
            // It may have been registered a moment ago.
            self.reload();
        }
        let is_named = !trees.is_empty();
        let trees: BTreeSet<TreeId> =
            if is_named { trees.into_iter().collect() } else { self.jobs.keys().cloned().collect() };
        for id in &trees {
            if self.jobs.get(id).is_some_and(|job| job.watch == Watch::Absent) {
                // It may have come back a moment ago.
                self.look_for(id);
            }
        }
        for id in &trees {
            self.look_again(id);
        }
        self.last_ask += 1;
        let number = self.last_ask;
        let mut ask =
            Ask { reply, remaining: BTreeSet::new(), results: Vec::new(), syncing: BTreeSet::new(), sync_by: None };
        for id in trees {
            match self.refusal_of(&id) {
                // Of all trees only those that can be captured are meant.
                Some(_) if !is_named => {}
                Some(refusal) => ask.results.push(refusal),
                None => {
                    if watched && self.jobs.get(&id).is_some_and(|job| job.watch == Watch::Watched) {
                        ask.syncing.insert(id.clone());
                    }
                    ask.remaining.insert(id);
                }
            }
        }
        if !ask.syncing.is_empty() {
            ask.sync_by = Some(self.now().after(self.tuning.sync_max));
            self.watching.sync(number);
        }
        let at_once: Vec<TreeId> = ask.remaining.difference(&ask.syncing).cloned().collect();
        self.asks.insert(number, ask);
        for id in at_once {
            self.capture_now(&id, number, true);
        }
        self.answer_if_done(number);
    }

    /// Why a tree cannot be captured at all.
    fn refusal_of(&self, id: &TreeId) -> Option<CaptureResult> {
        let Some(job) = self.jobs.get(id).filter(|job| !job.is_leaving) else {
            return Some(results::refusal(id, "This working tree is not registered."));
        };
        if job.tree.paused {
            return Some(results::refusal_for(id, reason::PAUSED, "This working tree is paused."));
        }
        if job.watch == Watch::Absent {
            let why = format!("{} is not there.", job.tree.root.display());
            return Some(results::refusal_for(id, reason::MISSING, why));
        }
        (!job.settings.enabled).then(|| {
            results::refusal_for(id, reason::SWITCHED_OFF, "This working tree is switched off by `code.enabled`.")
        })
    }

    /// Lets the next capture of a tree answer a question. One that runs already may have passed what changed since.
    fn capture_now(&mut self, id: &TreeId, ask: u64, everything: bool) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if everything {
            job.pending.everything();
        }
        job.asks.push(ask);
        // Before its watches are there a tree has not started; the question is why it does now.
        self.start_worker(id);
        self.step(id, Input::Now);
    }

    /// The watcher has told everything that happened before a question.
    pub(super) fn synced(&mut self, number: u64) {
        let Some(ask) = self.asks.get_mut(&number) else { return };
        ask.sync_by = None;
        for id in std::mem::take(&mut ask.syncing) {
            match self.jobs.get(&id).and_then(|job| job.settled()).cloned() {
                Some(settled) => self.answer(number, settled),
                None => self.capture_now(&id, number, false),
            }
        }
    }

    /// A watcher that does not answer is not trusted.
    pub(super) fn give_up_syncs(&mut self, now: Timestamp) {
        let late: Vec<u64> =
            self.asks.iter().filter(|(_, ask)| ask.sync_by.is_some_and(|by| by <= now)).map(|(n, _)| *n).collect();
        for number in late {
            tracing::warn!("the watcher did not answer in time; everything is looked at");
            let Some(ask) = self.asks.get_mut(&number) else { continue };
            ask.sync_by = None;
            for id in std::mem::take(&mut ask.syncing) {
                self.capture_now(&id, number, true);
            }
        }
    }

    /// A tree's result for a question.
    pub(super) fn answer(&mut self, number: u64, result: CaptureResult) {
        let Some(ask) = self.asks.get_mut(&number) else { return };
        if ask.remaining.remove(&result.tree) {
            ask.results.push(result);
        }
        self.answer_if_done(number);
    }

    fn answer_if_done(&mut self, number: u64) {
        if self.asks.get(&number).is_some_and(|ask| ask.remaining.is_empty())
            && let Some(mut ask) = self.asks.remove(&number)
        {
            ask.results.sort_by(|a, b| a.tree.cmp(&b.tree));
            // Whoever asked may have gone; the captures are made.
            let _ = ask.reply.send(Answer::Captured(ask.results));
        }
    }

    /// No capture will answer the questions that wait for this tree.
    pub(super) fn refuse_asks(&mut self, id: &TreeId, why: &str) {
        let waiting = self.jobs.get_mut(id).map(|job| std::mem::take(&mut job.asks)).unwrap_or_default();
        let syncing = self.asks.iter().filter(|(_, ask)| ask.syncing.contains(id)).map(|(number, _)| *number);
        let numbers: BTreeSet<u64> = waiting.into_iter().chain(syncing).collect();
        for number in numbers {
            if let Some(ask) = self.asks.get_mut(&number) {
                ask.syncing.remove(id);
            }
            self.answer(number, results::refusal(id, why));
        }
    }

    /// Tells those who wait for a capture what it does.
    pub(super) fn tell_progress(&self, asks: &[u64], id: &TreeId, step: &str, done: u64, total: u64) {
        for ask in asks.iter().filter_map(|number| self.asks.get(number)) {
            let answer = Answer::Progress { tree: id.clone(), step: step.to_owned(), done, total };
            // Whoever asked may have gone.
            let _ = ask.reply.send(answer);
        }
    }
}

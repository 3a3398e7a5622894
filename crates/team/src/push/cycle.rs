//! One push, from the look at the archive to the last unit.

use std::sync::atomic::Ordering;

use super::candidates::Candidates;
use super::shaping::Workshop;
use super::standing::Standing;
use super::unit::{Base, Outcome, Try};
use super::{Depth, Done, Progress, Push, PushError, Report, UnitError};
use crate::plan::{self, Step, Wanted, Why};
use crate::sink::{Class, Opened, SinkError};
use crate::state::{Pushed, SetAside};

/// How often a unit is begun anew when something else stands in the store than was thought.
const TRIES: u32 = 3;

/// Units that are withdrawn, or confirmed, in one step.
const AT_A_TIME: usize = 200;

/// Buckets of units that wait to be confirmed together.
const BUCKETS_HELD_MAX: usize = 20_000;

/// Units in a row in which the connection fails, each twice, before the store is to blame and not they.
const CUTS_MAX: u32 = 3;

/// A push under way.
pub(super) struct Cycle<'p> {
    push: Push<'p>,
    depth: Depth,
    is_dry: bool,
    mask: String,
    key: [u8; 32],
    report: Report,
    /// Units in a row that were set aside because the connection failed in them.
    cuts: u32,
    /// Units that are right as they stand, but say that they were masked by another version.
    to_confirm: Vec<(String, Pushed)>,
}

impl<'p> Cycle<'p> {
    pub(super) fn new(mut push: Push<'p>, depth: Depth, is_dry: bool) -> Result<Self, PushError> {
        let store = &push.store.name;
        if !is_dry {
            push.client.holder = push.state.holder(store)?;
        }
        let (mask, key) = (push.redactor.stamp(), push.state.key(store)?);
        Ok(Self { push, depth, is_dry, mask, key, report: Report::default(), cuts: 0, to_confirm: Vec::new() })
    }

    pub(super) fn run(mut self) -> Result<Report, PushError> {
        let opened = self.open()?;
        let store = self.push.store.name.clone();
        let done = self.all(&store, &opened);
        // Whoever is gone, or was never let in, need not be told goodbye.
        let is_there = match &done {
            Err(PushError::Sink(error)) => !matches!(error.class, Class::Unreachable | Class::Busy),
            _ => true,
        };
        if is_there && let Err(error) = self.push.sink.close() {
            tracing::debug!(store, %error, "the claim was not given back: it runs out by itself");
        }
        done?;
        self.report.traffic = self.push.sink.traffic();
        Ok(self.report)
    }

    /// Opens the store, or only looks at it when nothing is to be written.
    fn open(&mut self) -> Result<Opened, SinkError> {
        let Push { sink, client, .. } = &mut self.push;
        if self.is_dry { sink.look(client) } else { sink.open(client) }
    }

    /// Opens it again, after the connection failed; says whether it is open now, and the same store as before.
    fn reopen(&mut self, before: &Opened) -> bool {
        match self.open() {
            Ok(opened) => opened == *before,
            Err(error) => {
                tracing::debug!(store = self.push.store.name, %error, "the store cannot be opened again");
                false
            }
        }
    }

    fn all(&mut self, store: &str, opened: &Opened) -> Result<(), PushError> {
        let is_another = match self.is_dry {
            false => self.push.state.opened(store, opened)?,
            true => {
                let known = self.push.state.store(store)?;
                known.store_id.is_some_and(|id| id != opened.store_id)
                    || known.owner.is_some_and(|owner| owner != opened.owner)
            }
        };
        let (state, sink) = (&mut *self.push.state, &mut *self.push.sink);
        let standing = Standing::of(store, state, sink, self.depth, is_another, self.is_dry)?;
        self.report.was_repaired = standing.was_repaired;
        let candidates = Candidates::of(self.push.archive, &self.push.store.shares, self.push.redactor)?;
        let now = (self.push.now)();
        let steps = plan::plan(&candidates.wanted, &standing.known, &self.mask, now);
        let of = steps.len() as u64;
        let (withdrawn, steps): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| step.why == Why::Withdraw);
        let mut done = withdrawn.len() as u64;
        self.withdraw(store, &standing, &candidates, withdrawn)?;
        for step in steps {
            (self.push.progress)(Progress { done, of });
            if self.is_stopped() {
                break;
            }
            if let Some((wanted, sessions)) = candidates.get(&step.key) {
                self.step(store, opened, &standing, &step, wanted, sessions)?;
            }
            done += 1;
        }
        self.confirm(store)?;
        (self.push.progress)(Progress { done, of });
        self.report.elsewhere.extend(self.push.state.store(store)?.elsewhere);
        self.report.elsewhere.sort_unstable();
        self.report.elsewhere.dedup();
        if !self.report.was_stopped && !self.is_dry {
            self.push.state.pushed_well(store, (self.push.now)())?;
        }
        Ok(())
    }

    fn is_stopped(&mut self) -> bool {
        self.report.was_stopped |= self.push.cancel.load(Ordering::Relaxed);
        self.report.was_stopped
    }

    fn withdraw(
        &mut self,
        store: &str,
        standing: &Standing,
        candidates: &Candidates,
        steps: Vec<Step>,
    ) -> Result<(), PushError> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for Step { key, .. } in steps {
            if !standing.has(store, self.push.state, &key)? {
                gone.push(key);
            } else if self.depth == Depth::Full || candidates.withdraws(&key, standing.made(&key)) {
                there.push(key);
            } else {
                self.report.unknown.push(key);
            }
        }
        if !self.is_dry && !gone.is_empty() {
            self.push.state.remove(store, &gone)?;
        }
        for keys in there.chunks(AT_A_TIME) {
            if self.is_stopped() {
                break;
            }
            match self.remove(store, keys) {
                Err(PushError::Sink(error)) if error.class.is_of_unit() => {
                    // One of them is in the way; the others need not wait for it.
                    for key in keys {
                        match self.remove(store, std::slice::from_ref(key)) {
                            Err(PushError::Sink(error)) if error.class.is_of_unit() => {
                                self.set_aside(store, key, &[0; 32], &error.message)?;
                            }
                            other => other?,
                        }
                    }
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Takes units out of the store.
    fn remove(&mut self, store: &str, keys: &[String]) -> Result<(), PushError> {
        if !self.is_dry {
            self.push.sink.remove(keys)?;
            self.push.state.point("team.removed")?;
            self.push.state.remove(store, keys)?;
        }
        let done = |key: &String| Done { key: key.clone(), why: Why::Withdraw, put: 0, taken: 0 };
        self.report.done.extend(keys.iter().map(done));
        Ok(())
    }

    fn set_aside(&mut self, store: &str, key: &str, input: &[u8; 32], why: &str) -> Result<(), PushError> {
        tracing::warn!(store, unit = key, why, "a unit is set aside");
        if !self.is_dry {
            let now = (self.push.now)();
            self.push.state.set_aside(store, key, input, SetAside::Failed(why), now)?;
        }
        self.report.failed.push((key.to_owned(), why.to_owned()));
        Ok(())
    }

    fn step(
        &mut self,
        store: &str,
        opened: &Opened,
        standing: &Standing,
        step: &Step,
        wanted: &Wanted,
        sessions: &[i64],
    ) -> Result<(), PushError> {
        let (base, mask) = standing.base(store, self.push.state, &step.key)?;
        let mut brought = self.bring(wanted, sessions, base.clone());
        // The line or the server failed. It may have been the unit: one that is too large for them would be first again the next
        // time, and all others would wait behind it for good.
        if may_be_of_unit(&brought) && self.reopen(opened) {
            brought = self.bring(wanted, sessions, base);
            if may_be_of_unit(&brought) && self.cuts < CUTS_MAX && self.reopen(opened) {
                self.cuts += 1;
                brought = brought.map_err(|error| match error {
                    UnitError::Fatal(error) => {
                        UnitError::Aside { why: format!("twice in a row: {error}"), is_unmasked: false }
                    }
                    error => error,
                });
            }
        }
        if matches!(brought, Ok(Some(Outcome { is_changed: true, .. }))) {
            self.cuts = 0;
        }
        match brought {
            Ok(None) => Ok(()),
            Ok(Some(outcome)) => self.note(store, step, outcome, mask.as_deref()),
            Err(UnitError::Fatal(error)) => Err(error),
            Err(UnitError::Stopped) => {
                self.report.was_stopped = true;
                Ok(())
            }
            Err(UnitError::Elsewhere(origin)) => {
                if !self.is_dry {
                    let (now, why) = ((self.push.now)(), SetAside::Elsewhere(&origin));
                    self.push.state.set_aside(store, &step.key, &wanted.input, why, now)?;
                }
                self.report.elsewhere.push((step.key.clone(), origin));
                Ok(())
            }
            Err(UnitError::Moved) => {
                self.set_aside(store, &step.key, &wanted.input, "somebody else changes it all the time")
            }
            Err(UnitError::Aside { why, is_unmasked }) => {
                self.take_back(store, standing, wanted, &step.key, is_unmasked)?;
                self.set_aside(store, &step.key, &wanted.input, &why)
            }
        }
    }

    /// Brings one unit to the store.
    fn bring(&mut self, wanted: &Wanted, sessions: &[i64], mut base: Base) -> Result<Option<Outcome>, UnitError> {
        for _ in 0..TRIES {
            let workshop = Workshop {
                archive: self.push.archive,
                shares: &self.push.store.shares,
                redactor: self.push.redactor,
                key: &self.key,
            };
            let (sink, cancel) = (&mut *self.push.sink, self.push.cancel);
            let (mask, is_dry, is_thorough) = (self.mask.as_str(), self.is_dry, self.depth == Depth::Full);
            match (Try { workshop, sink, mask, cancel, is_dry, is_thorough }).run(wanted, sessions, &base) {
                Err(UnitError::Moved) => base = Base::Doubted,
                other => return other,
            }
        }
        Err(UnitError::Moved)
    }

    /// Remembers what a unit came to.
    fn note(&mut self, store: &str, step: &Step, outcome: Outcome, mask: Option<&str>) -> Result<(), PushError> {
        let Outcome { pushed, put, taken, is_changed } = outcome;
        if is_changed {
            self.report.masked += pushed.masked.values().sum::<u64>();
            self.report.done.push(Done { key: step.key.clone(), why: step.why, put, taken });
        } else {
            self.report.same += 1;
        }
        if self.is_dry {
            return Ok(());
        }
        if !is_changed && mask != Some(&self.mask) {
            self.to_confirm.push((step.key.clone(), pushed));
            let buckets: usize = self.to_confirm.iter().map(|(_, pushed)| pushed.known.buckets.len()).sum();
            if self.to_confirm.len() >= AT_A_TIME || buckets >= BUCKETS_HELD_MAX {
                self.confirm(store)?;
            }
            return Ok(());
        }
        if is_changed {
            self.push.state.point("team.committed")?;
        }
        Ok(self.push.state.record(store, &[(step.key.clone(), pushed)])?)
    }

    fn confirm(&mut self, store: &str) -> Result<(), PushError> {
        let units = std::mem::take(&mut self.to_confirm);
        if units.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = units.iter().map(|(key, _)| key.clone()).collect();
        match self.push.sink.confirm(&keys, &self.mask) {
            Ok(()) => Ok(self.push.state.record(store, &units)?),
            Err(error) if error.class.is_of_unit() => {
                // They are looked at again the next time.
                tracing::warn!(store, units = keys.len(), %error, "units were not confirmed");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a unit out of the store that failed, if more is there than should be: text that is shared no longer, or that was masked
    /// by other rules and cannot be by these.
    fn take_back(
        &mut self,
        store: &str,
        standing: &Standing,
        wanted: &Wanted,
        key: &str,
        is_unmasked: bool,
    ) -> Result<(), PushError> {
        if self.is_dry || !standing.has(store, self.push.state, key)? {
            return Ok(());
        }
        let shared = self.push.state.shared(store, key)?;
        let is_too_much = shared.is_none_or(|(mode, mask)| mode > wanted.mode || (is_unmasked && mask != self.mask));
        if !is_too_much {
            return Ok(());
        }
        match self.remove(store, &[key.to_owned()]) {
            Err(PushError::Sink(error)) if error.class.is_of_unit() => Ok(()),
            other => other,
        }
    }
}

/// Whether a unit failed in a way that may be its own.
fn may_be_of_unit(brought: &Result<Option<Outcome>, UnitError>) -> bool {
    matches!(brought, Err(UnitError::Fatal(PushError::Sink(error))) if error.class.may_be_of_unit())
}

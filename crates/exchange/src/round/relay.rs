//! Passes others' logs on: the newest head that is held whole, with all it rests on, byte for byte; what nobody brought for long
//! holds it up no more. And heals: what a head that is there names, and is missing or damaged there, is put by whoever holds it.

use std::collections::BTreeSet;
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use super::put::{Done, Kept, check};
use super::wants::object_of;
use super::{Direction, Round, RoundError};
use crate::head::{Segments, SignedHead, Want};
use crate::name::{LogId, ObjectName};
use crate::plan::{Closure, Object, PushPlan, Whose, plan_push};
use crate::remote::RemoteFile;
use crate::store::{Followed, LogState, Store};
use crate::wait::is_over;

/// How often what another device asks for is looked after at one remote.
const ANSWER_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long something was missing or damaged where it should be before its log is passed on without it: a day to be asked for,
/// and one to be answered.
const LOST_AFTER: Duration = Duration::from_secs(48 * 60 * 60);

/// How lately somebody must have looked: what was noted of a place that this device sees no more says nothing of what it lacks now.
const LOOKED_WITHIN: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Which of these objects nobody brought for so long that they are taken to be lost. What this device held itself and let go of is
/// counted from then: what was noted of it before was forgotten with it.
fn given_up(store: &Store, lacks: &BTreeSet<ObjectName>, now: Timestamp) -> Result<BTreeSet<ObjectName>, RoundError> {
    if lacks.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rejected = store.all_rejected()?.into_iter();
    let for_long = rejected
        .filter(|(_, rejected)| now.since(rejected.since) >= LOST_AFTER && !is_over(rejected.last, LOOKED_WITHIN, now));
    Ok(for_long.filter_map(|(path, _)| object_of(&path)).filter(|object| lacks.contains(object)).collect())
}

impl Round<'_> {
    /// Passes on what this remote lacks of logs that count, and heals what is there.
    pub(super) fn relay(&mut self, store: &mut Store, now: Timestamp) -> Result<(), RoundError> {
        let at_once = store.snapshot()?;
        let all = store.followed()?;
        let mut due = BTreeSet::new();
        for log in all.iter().map(|followed| followed.log) {
            // A folder that was looked at is compared for nothing.
            if self.logs.contains_key(&log) || self.is_compare_due(store, log, now)? {
                due.insert(log);
            }
        }
        drop(at_once);
        for followed in &all {
            let Some(whose) = self.whose(followed.state) else { continue };
            self.relay_one(store, followed, whose, due.contains(&followed.log), now)?;
        }
        for log in due {
            if all.iter().any(|followed| followed.log == log && self.whose(followed.state).is_some())
                && self.is_compare_due(store, log, now)?
            {
                store.note_compared(&self.options.remote, log, now)?;
            }
        }
        self.answer(store, &all, now)
    }

    /// In which capacity a log is passed on; `None` for one that is not. What this device wrote under an earlier key is its own.
    pub(super) fn whose(&self, state: LogState) -> Option<Whose> {
        match state {
            LogState::Own | LogState::Former => Some(Whose::Author),
            LogState::Approved if self.options.is_private => Some(Whose::RelaySealed),
            LogState::Approved => Some(Whose::RelayPlain),
            LogState::Unapproved | LogState::Revoked => None,
        }
    }

    fn relay_one(
        &mut self,
        store: &mut Store,
        followed: &Followed,
        whose: Whose,
        is_due: bool,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        let (log, head) = (followed.log, &followed.head);
        let Some(segments) = &followed.segments else { return Ok(()) };
        let Some(newest_there) = self.newest_there(store, &head.name(), followed.track)? else { return Ok(()) };
        let remote = self.options.remote.clone();
        if self.heads.has(&head.name(), head.bytes().len() as u64) {
            if is_due {
                if whose == Whose::Author && self.is_compare_due(store, log, now)? {
                    let object = Object { name: head.name(), bytes: head.bytes().len() as u64 };
                    self.read_own_head(store, &object, now)?;
                }
                self.heal(store, head, segments, whose, now)?;
            }
            // Whoever else passes it on can do so, and this device need not.
            if store.is_carried(&remote, log)? && !store.has_put(&remote, &head.name().path())? {
                store.note_carried(&remote, log, false)?;
            }
            return Ok(());
        }
        if head.head().n <= newest_there {
            return Ok(());
        }
        let lacks = self.lacks(store, &self.closure(Closure::of(head, segments, whose, &self.known), whose))?;
        let is_held = !lacks.iter().any(|object| self.holds_up(&object.name));
        if !is_held && store.is_carried(&remote, log)? && !is_due {
            // It was looked at before, and the files that are lacking have not come since.
            return Ok(());
        }
        if self.relay_head(store, head, segments, whose, now)? {
            return Ok(());
        }
        if self.options.direction != Direction::Push {
            store.note_carried(&remote, log, true)?;
        }
        for (older, segments) in store.older_heads(log, followed.track)? {
            if older.head().n <= newest_there || self.relay_head(store, &older, &segments, whose, now)? {
                break;
            }
        }
        Ok(())
    }

    /// The number of the newest head of a way that was verified and is there besides `head`, which may be there cut short; 0
    /// for none. `None` when there is one that only a later version reads: that version passes it on.
    fn newest_there(&self, store: &Store, head: &ObjectName, track: u32) -> Result<Option<u64>, RoundError> {
        let _at_once = store.snapshot()?;
        let mut newest = 0;
        for name in self.heads.objects().filter(|name| name.log() == head.log() && *name != head) {
            let ObjectName::Head { n, .. } = name else { continue };
            match store.head_track(name)? {
                Some((_, true)) => return Ok(None),
                Some((found, false)) if found == track => newest = newest.max(*n),
                _ => {}
            }
        }
        Ok(Some(newest))
    }

    /// Puts a head and all it rests on. Says whether it could: everything is held, there already, or lost as far as can be
    /// known. Nothing is put otherwise.
    fn relay_head(
        &mut self,
        store: &mut Store,
        head: &SignedHead,
        segments: &Segments,
        whose: Whose,
        now: Timestamp,
    ) -> Result<bool, RoundError> {
        let log = head.head().log();
        let closure = self.closure(Closure::of(head, segments, whose, &self.known), whose);
        let shown = self.shown(store, log, &closure)?;
        let mut plan = plan_push(&closure, &shown, 0, whose);
        let puts = plan.before.iter().chain(&plan.after);
        let mut needs = Closure { objects: puts.map(|put| put.object.clone()).collect(), head: closure.head };
        needs.objects = self.lacks(store, &needs)?;
        let lacks: BTreeSet<ObjectName> = needs.objects.into_iter().map(|object| object.name).collect();
        let needed: BTreeSet<_> = lacks.iter().filter(|name| self.holds_up(name)).cloned().collect();
        if !needed.is_subset(&given_up(store, &needed, now)?) {
            return Ok(false);
        }
        plan.before.retain(|put| !lacks.contains(&put.object.name));
        plan.after.retain(|put| !lacks.contains(&put.object.name));
        let done = self.put_all(store, &plan, whose, now)?;
        if done == Done::All && lacks.is_empty() {
            store.note_published(&self.options.remote, log, head.head().n)?;
        }
        self.note_compared_with(log, done, lacks);
        Ok(true)
    }

    /// Puts what a head that is there names and is missing or damaged there, as far as it is held.
    fn heal(
        &mut self,
        store: &mut Store,
        head: &SignedHead,
        segments: &Segments,
        whose: Whose,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        let closure = self.closure(Closure::of(head, segments, whose, &self.known), whose);
        let shown = self.shown(store, head.head().log(), &closure)?;
        let mut plan = plan_push(&closure, &shown, 0, whose);
        // One that is there and damaged is its author's to put again, unless it was read just now.
        if whose != Whose::Author && self.mend.is_none() {
            plan.head = None;
        }
        let lacks: BTreeSet<_> = self.lacks(store, &closure)?.into_iter().map(|object| object.name).collect();
        plan.before.retain(|put| !lacks.contains(&put.object.name));
        plan.after.retain(|put| !lacks.contains(&put.object.name));
        let log = head.head().log();
        let done = match whose {
            Whose::Author => self.put_own(store, log, &plan, true, now)?,
            Whose::RelaySealed | Whose::RelayPlain => self.put_all(store, &plan, whose, now)?,
        };
        self.note_compared_with(log, done, lacks);
        Ok(())
    }

    /// Notes what is not there of a log of which everything was compared: what is not held here, and what is lost. Of a log with
    /// several ways, the same of each.
    fn note_compared_with(&mut self, log: LogId, done: Done, lacks: BTreeSet<ObjectName>) {
        if done > Done::AllButLost {
            return;
        }
        let lost = self.lost_of_all.iter().filter(|object| object.log() == log).cloned();
        let without: BTreeSet<_> = lost.chain(lacks).collect();
        self.report.placed.entry(log).or_default().extend(without);
    }

    /// Whether a head is passed on only with this. What a later version added may not be meant for the places that this device
    /// sees: it follows when it is here.
    pub(super) fn holds_up(&self, object: &ObjectName) -> bool {
        !matches!(object, ObjectName::Segment { stream, .. } if self.is_strange(stream))
    }

    /// What of a closure is not held here in one piece.
    pub(super) fn lacks(&self, store: &Store, closure: &Closure) -> Result<Vec<Object>, RoundError> {
        let _at_once = store.snapshot()?;
        let mut lacks = Vec::new();
        for object in &closure.objects {
            if !store.has_object(&object.name)? {
                lacks.push(object.clone());
            }
        }
        Ok(lacks)
    }

    /// Looks after what devices that count ask for, once a day each: what is not there, or damaged, is put.
    fn answer(&mut self, store: &mut Store, all: &[Followed], now: Timestamp) -> Result<(), RoundError> {
        let remote = self.options.remote.clone();
        let asked = all.iter().filter(|followed| self.whose(followed.state).is_some());
        let asked: BTreeSet<Want> = asked.flat_map(|followed| followed.head.head().wants.iter().cloned()).collect();
        for want in asked {
            let Want::Object(name @ (ObjectName::Segment { .. } | ObjectName::List { .. })) = &want else { continue };
            let text = want.to_string();
            let last = store.answered(&remote, &text)?;
            if last.is_some_and(|last| !is_over(last, ANSWER_EVERY, now)) || !store.has_object(name)? {
                continue;
            }
            let Some((closure, whose)) = self.closure_with(store, all, name)? else { continue };
            self.answer_one(store, name, &closure, whose, now)?;
            store.note_answered(&remote, &text, now)?;
        }
        Ok(())
    }

    /// What is followed and names an object that may be put here.
    fn closure_with(
        &self,
        store: &Store,
        all: &[Followed],
        name: &ObjectName,
    ) -> Result<Option<(Closure, Whose)>, RoundError> {
        let mut closures = Vec::new();
        if name.log() == store.log() {
            let own = store.signed_segments()?;
            closures.extend(
                own.map(|(head, segments)| (Closure::of(&head, &segments, Whose::Author, &self.known), Whose::Author)),
            );
        }
        for followed in all.iter().filter(|followed| followed.log == name.log()) {
            if let (Some(whose), Some(segments)) = (self.whose(followed.state), &followed.segments) {
                closures.push((Closure::of(&followed.head, segments, whose, &self.known), whose));
            }
        }
        let closures = closures.into_iter().map(|(closure, whose)| (self.closure(closure, whose), whose));
        Ok(closures.into_iter().find(|(closure, _)| closure.objects.iter().any(|object| object.name == *name)))
    }

    /// Puts one object that somebody asks for, unless a good copy is there.
    fn answer_one(
        &mut self,
        store: &mut Store,
        name: &ObjectName,
        closure: &Closure,
        whose: Whose,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        let mut one = closure.clone();
        one.objects.retain(|object| object.name == *name);
        let bytes = one.objects.first().map_or(0, |object| object.bytes);
        let Some(place) = store.find_object(name)? else { return Ok(()) };
        // A copy there is not to be measured by a damaged one here.
        if !matches!(check(store, name, bytes, &place, now)?, Kept::Good) {
            return Ok(());
        }
        // Sizes say little to who found it damaged: it is read.
        for candidate in self.candidates(name)? {
            if candidate.bytes == bytes {
                let file = RemoteFile::new(name.folder(), &candidate.name)?;
                match self.is_same(store, name, &file, bytes, &place, now) {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(RoundError::Remote(error)) => self.survive_unread(store, name, &file, error, now)?,
                    Err(error) => return Err(error),
                }
            }
        }
        let shown = self.shown(store, name.log(), &one)?;
        let plan = plan_push(&one, &shown, 0, whose);
        let plan = PushPlan { head: None, ..plan };
        self.put_all(store, &plan, whose, now).map(drop)
    }
}

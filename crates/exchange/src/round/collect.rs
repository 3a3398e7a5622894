//! Removes at a remote what this device put there and no head names any more: a plan, then its execution.
//!
//! Nothing is removed that another put, and nothing of a log whose newest head, and all it names, is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use super::put::{count, is_ours};
use super::{Collect, Collection, Round, RoundError};
use crate::name::{Folder, LogId, ObjectName};
use crate::plan::{Closure, Object, Whose};
use crate::remote::RemoteFile;
use crate::store::{Put, Store};

/// Rounds an hour apart for which something must have been superseded: a clock that jumps counts for nothing.
const HOURS: u64 = 24;
/// Newest heads of a log that stay.
const HEADS_KEPT: usize = 8;
/// How long one head an hour stays, and after which a log is idle and one head is enough.
const HEADS_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// One of them each.
const HEADS_EACH_MS: i64 = 60 * 60 * 1000;
/// How much longer copies of others' logs stay: their author may come back and collect them.
const CARRIED_TIMES: u32 = 4;

/// What is known of one log when a collection is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// All that its newest heads name, and these heads.
    pub(super) objects: BTreeSet<ObjectName>,
    /// How long what they do not name stays.
    pub(super) grace: Duration,
}

/// What a collection does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What no head names from now on.
    pub(super) fades: Vec<String>,
    /// What one names again, or is gone.
    pub(super) returns: Vec<String>,
    /// Heads to remove.
    pub(super) heads: Vec<Put>,
    /// What to remove, by log: where all that the log's heads name is there.
    pub(super) due: BTreeMap<LogId, Vec<Put>>,
    /// What is not named and stays for now.
    pub(super) waiting: Vec<Put>,
}

/// Plans a collection: of what was put, what may go. `named` has the logs whose newest heads are there; nothing of another is
/// touched. `hours` counts rounds with the remote that were an hour apart.
pub(super) fn plan_collection(
    puts: &[Put],
    named: &BTreeMap<LogId, Named>,
    faded: &BTreeMap<String, (Timestamp, u64)>,
    now: Timestamp,
    hours: u64,
    how: Collect,
) -> Plan {
    let mut plan = Plan::default();
    let mut heads: BTreeMap<LogId, Vec<(u64, &Put)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for put in puts {
        seen.insert(put.path.as_str());
        let Some(object) = is_ours(&put.path) else { continue };
        let Some(of_log) = named.get(&object.log()) else { continue };
        if let ObjectName::Head { n, log, .. } = &object {
            heads.entry(*log).or_default().push((*n, put));
            continue;
        }
        if of_log.objects.contains(&object) {
            if faded.contains_key(&put.path) {
                plan.returns.push(put.path.clone());
            }
            continue;
        }
        let (since, hour) = faded.get(&put.path).copied().unwrap_or((now, hours));
        if !faded.contains_key(&put.path) {
            plan.fades.push(put.path.clone());
        }
        let is_due = match how {
            Collect::Nothing => false,
            Collect::After(grace) => now.since(since) >= grace,
            Collect::AfterGrace => now.since(since) >= of_log.grace && hours.saturating_sub(hour) >= HOURS,
        };
        if is_due {
            plan.due.entry(object.log()).or_default().push(put.clone());
        } else {
            plan.waiting.push(put.clone());
        }
    }
    plan.returns.extend(faded.keys().filter(|path| !seen.contains(path.as_str())).cloned());
    for (log, mut of_log) in heads {
        of_log.sort_by(|a, b| (b.0, &b.1.path).cmp(&(a.0, &a.1.path)));
        let named = &named[&log].objects;
        plan.heads.extend(old_heads(&of_log, named, now));
    }
    plan
}

/// Which heads of one log to remove; `heads` has the newest first.
fn old_heads(heads: &[(u64, &Put)], named: &BTreeSet<ObjectName>, now: Timestamp) -> Vec<Put> {
    let is_idle = heads.iter().all(|(_, put)| now.since(put.at) >= HEADS_FOR);
    let (mut hours, mut old) = (BTreeSet::new(), Vec::new());
    for (at, (_, put)) in heads.iter().enumerate() {
        let is_followed = is_ours(&put.path).is_some_and(|object| named.contains(&object));
        let is_recent = now.since(put.at) < HEADS_FOR;
        let is_first = hours.insert(put.at.as_millis().div_euclid(HEADS_EACH_MS)) && is_recent;
        if !(is_followed || is_first || (!is_idle && at < HEADS_KEPT)) {
            old.push((*put).clone());
        }
    }
    old
}

impl Round<'_> {
    /// Plans a collection on what is known, and unless it is a dry run carries it out.
    pub(super) fn collect(&mut self, store: &mut Store, now: Timestamp) -> Result<Collection, RoundError> {
        let remote = self.options.remote.clone();
        let at_once = store.snapshot()?;
        let puts = store.puts(&remote)?;
        if puts.is_empty() {
            return Ok(Collection::default());
        }
        let closures = self.collectable(store)?;
        let named = closures.iter().map(|(log, (named, _))| (*log, named.clone())).collect();
        let (faded, hours) = (store.faded(&remote)?, store.hours(&remote)?);
        drop(at_once);
        let mut plan = plan_collection(&puts, &named, &faded, now, hours, self.options.collect);
        let mut collection = Collection::default();
        let mut doomed = std::mem::take(&mut plan.heads);
        for (log, due) in std::mem::take(&mut plan.due) {
            let needed = closures.get(&log).map(|(_, needed)| needed.as_slice()).unwrap_or_default();
            let shelf = self.shelf(log)?;
            if needed.iter().all(|object| shelf.has(&object.name, object.bytes)) {
                doomed.extend(due);
            } else {
                plan.waiting.extend(due);
            }
        }
        let sized = |put: &Put| (put.path.clone(), put.bytes);
        collection.waiting = plan.waiting.iter().map(sized).collect();
        if self.options.is_dry_run {
            collection.removed = doomed.iter().map(sized).collect();
            return Ok(collection);
        }
        store.note_faded(&remote, &plan.fades, &plan.returns, (now, hours))?;
        for put in doomed {
            if self.remove(store, &put)? {
                collection.removed.push(sized(&put));
            }
        }
        let own_grace = store.newest_signed()?.map(|signed| Duration::from_secs(signed.head().grace_s));
        if let (Some(grace), true) = (own_grace, self.options.collect != Collect::Nothing) {
            store.drop_superseded(grace, now)?;
            store.drop_aside(grace, now)?;
        }
        Ok(collection)
    }

    /// Removes old heads alone.
    pub(super) fn collect_heads(&mut self, store: &mut Store, now: Timestamp) -> Result<(), RoundError> {
        let puts = store.puts_in(&self.options.remote, Folder::Heads)?;
        if puts.len() <= HEADS_KEPT {
            return Ok(());
        }
        let named = self.collectable(store)?.into_iter().map(|(log, (named, _))| (log, named)).collect();
        let plan = plan_collection(&puts, &named, &BTreeMap::new(), now, 0, Collect::AfterGrace);
        for put in plan.heads {
            self.remove(store, &put)?;
        }
        Ok(())
    }

    /// Removes one file that this device put. Says whether it is gone.
    fn remove(&mut self, store: &mut Store, put: &Put) -> Result<bool, RoundError> {
        let Some(object) = is_ours(&put.path) else { return Ok(false) };
        let name = put.path.rsplit('/').next().unwrap_or_default();
        let file = RemoteFile::new(object.folder(), name)?;
        self.deadline.check(self.remote.place())?;
        match self.remote.delete(&file, self.deadline) {
            Ok(was_there) => {
                store.forget_put(&self.options.remote, &put.path)?;
                match object.folder() {
                    Folder::Log(log) => {
                        if let Some(shelf) = self.logs.get_mut(&log) {
                            shelf.remove(&object, name);
                        }
                    }
                    _ => self.heads.remove(&object, name),
                }
                if was_there {
                    count(&mut self.report.collected, &object, put.bytes);
                }
                Ok(true)
            }
            Err(error) => {
                self.survive(&object, error)?;
                Ok(false)
            }
        }
    }

    /// The logs of which something may be collected, as their newest heads are there: what these name, and what of it must be
    /// there before anything else goes.
    fn collectable(&self, store: &Store) -> Result<BTreeMap<LogId, (Named, Vec<Object>)>, RoundError> {
        let ours = Duration::from_secs(self.options.statement.grace_s);
        let _at_once = store.snapshot()?;
        let mut all: BTreeMap<LogId, (Named, Vec<Object>)> = BTreeMap::new();
        if let Some((head, segments)) = store.signed_segments()? {
            let closure = Closure::of(&head, &segments, Whose::Author, &self.known);
            if self.heads.has(&closure.head.name, closure.head.bytes) {
                let grace = Duration::from_secs(head.head().grace_s);
                add(&mut all, head.head().log(), closure.clone(), grace, self.closure(closure, Whose::Author));
            }
        }
        let mut absent = BTreeSet::new();
        for followed in store.followed()? {
            let (Some(whose), Some(segments)) = (self.whose(followed.state), &followed.segments) else {
                absent.insert(followed.log);
                continue;
            };
            let closure = Closure::of(&followed.head, segments, Whose::Author, &self.known);
            if !self.heads.has(&closure.head.name, closure.head.bytes) {
                absent.insert(followed.log);
                continue;
            }
            let grace = ours.max(Duration::from_secs(followed.head.head().grace_s));
            let grace = if whose == Whose::Author { grace } else { grace.saturating_mul(CARRIED_TIMES) };
            let mut needed = self.closure(Closure::of(&followed.head, segments, whose, &self.known), whose);
            // What of a later version never came here may never come there. Of all else it makes no difference what is held.
            let mut later = needed.clone();
            later.objects.retain(|object| !self.holds_up(&object.name));
            let lacks: BTreeSet<_> = self.lacks(store, &later)?.into_iter().map(|object| object.name).collect();
            needed.objects.retain(|object| !lacks.contains(&object.name));
            add(&mut all, followed.log, closure, grace, needed);
        }
        // Of a forked log all newest heads must be there.
        all.retain(|log, _| !absent.contains(log));
        Ok(all)
    }
}

/// Adds what one head names.
fn add(
    all: &mut BTreeMap<LogId, (Named, Vec<Object>)>,
    log: LogId,
    closure: Closure,
    grace: Duration,
    needed: Closure,
) {
    let (named, objects) = all.entry(log).or_default();
    named.objects.extend(closure.objects.into_iter().map(|object| object.name));
    named.objects.insert(closure.head.name);
    named.grace = named.grace.max(grace);
    objects.extend(needed.objects);
}

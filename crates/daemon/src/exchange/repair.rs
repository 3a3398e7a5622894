//! Healing on command: what is damaged here comes from whichever remote has it, and what is missing or damaged there goes there.
//!
//! One remote after the other, since what one lacks may come from the next; those that then still lack something are asked
//! once more. One that hangs is left after a while, where others wait for their turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use carry_exchange::name::{LogId, ObjectName, StreamName};
use carry_exchange::round::{Lacking, Repaired, Wanted};
use carry_exchange::store::{Finding, Store, StoreError};

use super::running::{Event, unless_panicked};
use super::settings::{PLAIN, RemoteSettings};
use super::{ExchangeError, Ground, GroundError, sum};

mod life;
mod turn;

use turn::Turns;

/// How often it is looked whether all is to end.
const LOOK: Duration = Duration::from_millis(100);

/// What came of it.
#[derive(Debug, Default)]
pub struct Mended {
    /// Whether all that is kept here was looked at: not where it was to end before. Nothing was healed then.
    pub was_read: bool,
    /// Whether it was to end after all remotes were gone through: while one was asked again, or what is here was looked at again.
    pub was_cut: bool,
    /// What was not as it was written here, before.
    pub found: Vec<Finding>,
    /// What still is not, or was let go of and did not come again.
    pub left: Vec<Finding>,
    /// What each remote came to, in the order in which they were handed in.
    pub remotes: Vec<Done>,
    /// What heads name and neither this device nor any remote that was asked has in a good copy.
    pub nowhere: Vec<ObjectName>,
    /// What some remote lacks and this device cannot put there, though it is somewhere.
    pub withheld: Vec<ObjectName>,
    /// Streams that heads name and of which nothing is at any remote that was asked, and nothing here.
    pub absent: Vec<Gone>,
}

impl Mended {
    /// Whether it ended before all remotes were gone through, because somebody asked for that.
    pub fn is_interrupted(&self) -> bool {
        !self.was_read
            || self.was_cut
            || self.remotes.iter().any(|done| done.error.as_ref().is_some_and(ExchangeError::is_cancelled))
    }

    /// What came here.
    fn fetched(&self) -> BTreeSet<&ObjectName> {
        let repaired = self.remotes.iter().map(|done| &done.repaired);
        repaired.flat_map(|done| done.fetched.iter().chain(&done.parts)).map(|(object, _)| object).collect()
    }
}

/// A stream of which nothing could be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Whose.
    pub log: LogId,
    /// Which.
    pub stream: StreamName,
    /// How many files heads name of it.
    pub n_objects: usize,
    /// Whether it should be at each of them: every device puts it to all its remotes, and everyone may pass it on. Else its author may
    /// keep it from there, as code from a remote without `--code`.
    pub is_lost: bool,
}

/// What one remote came to.
#[derive(Debug, Default)]
pub struct Done {
    /// What was done, also before it failed.
    pub repaired: Repaired,
    /// What it failed with.
    pub error: Option<ExchangeError>,
}

/// What goes from remote to remote.
#[derive(Clone, Debug, Default)]
struct Sought {
    wanted: Wanted,
    /// Whether what is damaged here is still to be let go of.
    is_kept: bool,
    /// What findings stand for which object.
    of: Vec<(String, ObjectName)>,
}

/// Heals what is kept here and what is at the remotes, one after the other. `is_deep` reads everything there. Another process
/// that exchanges with a remote is waited for, up to a minute. A folder in which nothing moves for five minutes is left where
/// there are other remotes; servers have limits of their own. What is damaged of others is let go of once a remote was reached: while
/// none can be, what is good in it is of use.
///
/// After `cancel` is set what is kept here is looked at no longer, no other remote is asked, and the one that is asked just then ends,
/// or is left half a minute later. Both have ended with an error that [is of that](ExchangeError::is_cancelled); what was done before
/// stays.
///
/// # Errors
/// [`ExchangeError`] of this device's side; what a remote fails with stands in [`Mended::remotes`].
pub fn repair(
    ground: &Ground,
    remotes: &[RemoteSettings],
    is_deep: bool,
    cancel: &AtomicBool,
    tell: &mut dyn FnMut(usize, Event),
) -> Result<Mended, ExchangeError> {
    repair_in(&Turns::new(remotes), ground, remotes, is_deep, cancel, tell)
}

fn repair_in(
    turns: &Turns,
    ground: &Ground,
    remotes: &[RemoteSettings],
    is_deep: bool,
    cancel: &AtomicBool,
    tell: &mut dyn FnMut(usize, Event),
) -> Result<Mended, ExchangeError> {
    let store = ground.store()?;
    let found = verify(ground, cancel)?;
    let mut mended = Mended { was_read: found.is_some(), found: found.unwrap_or_default(), ..Mended::default() };
    let mut sought = Sought { is_kept: !mended.found.is_empty(), ..Sought::default() };
    for (at, remote) in remotes.iter().enumerate() {
        let done = turns.take(ground, remote, &mut sought, is_deep, cancel, &mut |event| tell(at, event));
        mended.remotes.push(done);
    }
    for at in lacks_what_came(&mended.remotes) {
        let again = turns.take(ground, &remotes[at], &mut sought, is_deep, cancel, &mut |event| tell(at, event));
        mended.was_cut |= mended.remotes[at].then(again);
    }
    let judged = judge(&store, &mended.remotes, &sought.wanted).map_err(GroundError::Store)?;
    (mended.nowhere, mended.withheld) = judged;
    mended.absent = absent(&store, &mended.remotes).map_err(GroundError::Store)?;
    if mended.found.is_empty() {
        return Ok(mended);
    }
    if let Some(left) = verify(ground, cancel)? {
        mended.left = left;
        let gone = sought.gone(&store, &mended).map_err(GroundError::Store)?;
        mended.left.extend(gone);
    } else {
        // Whoever ended it waits: nothing is read again, and what came is as good as it was when it came.
        mended.was_cut |= !mended.is_interrupted();
        mended.left = sought.not_fetched(&mended);
    }
    Ok(mended)
}

/// Looks at all that is kept here. `None` where it is to end before: nothing is changed by that, and the thread ends with the process.
fn verify(ground: &Ground, cancel: &AtomicBool) -> Result<Option<Vec<Finding>>, ExchangeError> {
    if cancel.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let (teller, heard) = channel();
    let ground = ground.clone();
    let work = move || {
        let found = unless_panicked(|| Ok(ground.store()?.verify().map_err(GroundError::Store)?));
        // Nobody may listen any more.
        let _ = teller.send(found);
    };
    std::thread::Builder::new().name("carry-verify".to_owned()).spawn(work).map_err(ExchangeError::Thread)?;
    while !cancel.load(Ordering::Relaxed) {
        match heard.recv_timeout(LOOK) {
            Ok(found) => return found.map(Some),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(ExchangeError::Panicked("its thread is gone".to_owned()));
            }
        }
    }
    Ok(None)
}

impl Done {
    /// Goes on with what was done after it. What was done before stays when that failed. Says whether it was to end: the remote was
    /// gone through before all the same.
    fn then(&mut self, again: Self) -> bool {
        add(&mut self.repaired, again.repaired);
        let is_cancelled = again.error.as_ref().is_some_and(ExchangeError::is_cancelled);
        if !is_cancelled {
            self.error = again.error;
        }
        is_cancelled
    }
}

impl Sought {
    /// What was found and of which not all came.
    fn not_fetched(&self, mended: &Mended) -> Vec<Finding> {
        let fetched = mended.fetched();
        let is_healed = |what: &str| {
            let mut objects = self.of.iter().filter(|(of, _)| of == what).map(|(_, object)| object).peekable();
            objects.peek().is_some() && objects.all(|object| fetched.contains(object))
        };
        mended.found.iter().filter(|finding| !is_healed(&finding.what)).cloned().collect()
    }

    /// What was found of objects that were let go of, and that did not come again.
    fn gone(&self, store: &Store, mended: &Mended) -> Result<Vec<Finding>, StoreError> {
        let damaged = damaged(&self.wanted);
        let mut lacking = BTreeSet::new();
        for (what, object) in &self.of {
            let is_named = mended.nowhere.contains(object) || mended.withheld.contains(object);
            if damaged.contains(object) || (is_named && !store.has_object(object)?) {
                lacking.insert(what.as_str());
            }
        }
        let is_left = |finding: &Finding| mended.left.iter().any(|left| left.what == finding.what);
        let is_gone = |finding: &&Finding| lacking.contains(finding.what.as_str()) && !is_left(finding);
        Ok(mended.found.iter().filter(is_gone).cloned().collect())
    }
}

/// The segments that are still damaged here, or were let go of.
fn damaged(wanted: &Wanted) -> BTreeSet<ObjectName> {
    wanted.damaged.iter().map(|expected| expected.reference.name(expected.log, &expected.stream)).collect()
}

/// The remotes that lack something which came from one that was asked later, or which another has.
fn lacks_what_came(remotes: &[Done]) -> Vec<usize> {
    let fetched_after = |at: usize| {
        let after = remotes.iter().skip(at + 1);
        after.flat_map(|done| done.repaired.fetched.iter().map(|(object, _)| object)).collect::<BTreeSet<_>>()
    };
    let lacks = |at: &usize| {
        let Some(done) = remotes.get(*at).filter(|done| done.error.is_none()) else { return false };
        let after = fetched_after(*at);
        let is_absent = |object: &ObjectName| {
            let mut absent = done.repaired.absent.keys();
            absent.any(|(log, stream)| is_of(object, *log, stream))
        };
        done.repaired.lacking.keys().any(|object| after.contains(object)) || after.into_iter().any(is_absent)
    };
    (0..remotes.len()).filter(lacks).collect()
}

/// Both of one remote, as one.
fn add(before: &mut Repaired, again: Repaired) {
    before.fetched.extend(again.fetched);
    before.parts.extend(again.parts);
    before.put.extend(again.put);
    for path in again.damaged {
        if !before.damaged.contains(&path) {
            before.damaged.push(path);
        }
    }
    before.n_read += again.n_read;
    // What is there is as it was found last, and what was a problem then and is none now is none.
    if again.is_judged {
        (before.is_judged, before.there, before.lacking) = (true, again.there, again.lacking);
        before.absent = again.absent;
        before.report.problems.clear();
    }
    sum::add(&mut before.report, again.report);
}

/// What nobody has, and what could not be put though somebody has it.
fn judge(store: &Store, remotes: &[Done], wanted: &Wanted) -> Result<(Vec<ObjectName>, Vec<ObjectName>), StoreError> {
    let there: BTreeSet<&ObjectName> = remotes.iter().flat_map(|done| &done.repaired.there).collect();
    let damaged = damaged(wanted);
    let (mut nowhere, mut withheld) = (BTreeSet::new(), BTreeSet::new());
    for (object, how) in remotes.iter().flat_map(|done| &done.repaired.lacking) {
        let is_here = !damaged.contains(object) && (*how == Lacking::InPieces || store.has_object(object)?);
        let lacking = if is_here || there.contains(object) { &mut withheld } else { &mut nowhere };
        lacking.insert(object.clone());
    }
    nowhere.extend(damaged.into_iter().filter(|object| !there.contains(object)));
    Ok((nowhere.into_iter().collect(), withheld.into_iter().collect()))
}

fn is_of(object: &ObjectName, log: LogId, stream: &StreamName) -> bool {
    matches!(object, ObjectName::Segment { log: of, stream: in_it, .. } if *of == log && in_it == stream)
}

/// The streams of which there is nothing at any remote, and nothing here by now.
fn absent(store: &Store, remotes: &[Done]) -> Result<Vec<Gone>, StoreError> {
    let mut found: BTreeMap<(LogId, StreamName), Gone> = BTreeMap::new();
    for ((log, stream), absent) in remotes.iter().flat_map(|done| &done.repaired.absent) {
        let is_plain = PLAIN.contains(&stream.as_str());
        let gone = found.entry((*log, stream.clone())).or_insert_with(|| Gone {
            log: *log,
            stream: stream.clone(),
            n_objects: 0,
            is_lost: false,
        });
        gone.n_objects = gone.n_objects.max(absent.n_objects);
        gone.is_lost |= is_plain && absent.is_for_all;
    }
    let mut all = Vec::new();
    for ((log, stream), gone) in found {
        let is_there = remotes.iter().any(|done| {
            let known = done.repaired.there.iter().chain(done.repaired.lacking.keys());
            known.into_iter().any(|object| is_of(object, log, &stream))
        });
        if !is_there && !store.holds_any(log, &stream)? {
            all.push(gone);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;

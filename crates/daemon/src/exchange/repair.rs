//! Healing on command: what is damaged here comes from whichever remote has it, and what is missing or damaged there goes there.
//!
//! One remote after the other, since what one lacks may come from the next; those that then still lack something are asked
//! once more.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use carry_exchange::name::ObjectName;
use carry_exchange::remote::Deadline;
use carry_exchange::round::{self, Collect, Lacking, Repaired, RoundError, Side, Step, Wanted};
use carry_exchange::store::{Finding, Store, StoreError};
use carry_exchange::strand::Strand;

use super::round::{at_its_place, lease_name};
use super::running::Event;
use super::settings::RemoteSettings;
use super::{ExchangeError, Ground, GroundError, How, hold, sum};

/// What came of it.
#[derive(Debug, Default)]
pub struct Mended {
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
#[derive(Default)]
struct Sought {
    wanted: Wanted,
    /// Whether what is damaged here is still to be let go of.
    is_kept: bool,
    /// What findings stand for which object.
    of: Vec<(String, ObjectName)>,
}

/// Heals what is kept here and what is at the remotes, one after the other. `is_deep` reads everything there. Another process
/// that exchanges with a remote is waited for, up to a minute. What is damaged of others is let go of once a remote was reached: while
/// none can be, what is good in it is of use.
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
    let mut store = ground.store()?;
    let mut mended = Mended { found: store.verify().map_err(GroundError::Store)?, ..Mended::default() };
    let mut sought = Sought { is_kept: !mended.found.is_empty(), ..Sought::default() };
    for (at, remote) in remotes.iter().enumerate() {
        let done = one(ground, &mut store, remote, &mut sought, is_deep, cancel, &mut |event| tell(at, event));
        let mut first = Done::default();
        first.then(done);
        mended.remotes.push(first);
    }
    for at in lacks_what_came(&mended.remotes) {
        let again = one(ground, &mut store, &remotes[at], &mut sought, is_deep, cancel, &mut |event| tell(at, event));
        mended.remotes[at].then(again);
    }
    let judged = judge(&store, &mended.remotes, &sought.wanted).map_err(GroundError::Store)?;
    (mended.nowhere, mended.withheld) = judged;
    if !mended.found.is_empty() {
        mended.left = store.verify().map_err(GroundError::Store)?;
        let gone = sought.gone(&store, &mended).map_err(GroundError::Store)?;
        mended.left.extend(gone);
    }
    Ok(mended)
}

impl Done {
    /// Goes on with what was done after it. What was done before stays when that failed.
    fn then(&mut self, again: Result<Repaired, ExchangeError>) {
        match again {
            Ok(again) => add(&mut self.repaired, again),
            Err(error) => self.error = Some(error),
        }
    }
}

impl Sought {
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
        done.repaired.lacking.keys().any(|object| after.contains(object))
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
    (before.there, before.lacking) = (again.there, again.lacking);
    // What was a problem then and is none now is none.
    before.report.problems.clear();
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

/// With one remote, under its lease.
fn one(
    ground: &Ground,
    store: &mut Store,
    remote: &RemoteSettings,
    sought: &mut Sought,
    is_deep: bool,
    cancel: &AtomicBool,
    tell: &mut dyn FnMut(Event),
) -> Result<Repaired, ExchangeError> {
    let tell = std::cell::RefCell::new(tell);
    hold::hold(
        &ground.ctx,
        &lease_name(&remote.name),
        &[cancel],
        &mut |owner| (tell.borrow_mut())(Event::Waiting { pid: owner.pid, host: owner.host.clone() }),
        |stop| {
            at_its_place(store, remote)?;
            let place = ground.connect(remote, store.log())?;
            let deadline = Deadline::NONE.on(stop);
            if sought.is_kept {
                place.check(&deadline).map_err(RoundError::Remote)?;
                let gone = store.let_go_damaged().map_err(GroundError::Store)?;
                (sought.wanted.damaged, sought.of, sought.is_kept) = (gone.segments, gone.of, false);
            }
            let mut strands = ground.strands(remote.has_code);
            let strands = strands.open.iter_mut().map(|strand| &mut **strand as &mut (dyn Strand + '_));
            let mut side = Side { store, strands: strands.collect(), clock: &*ground.ctx.clock };
            let options = ground.options(remote, &How { collect: Collect::Nothing, ..How::default() });
            let tell = &mut |step: Step| (tell.borrow_mut())(Event::Step(step));
            Ok(round::repair(&mut side, &*place, &options, &mut sought.wanted, is_deep, &deadline, tell)?)
        },
    )
}

//! What must hold. What was said and what devices show is judged by the [model](crate::model), which shares nothing with the
//! program but the format's types; what a head needs and what a store holds, with the program's own plan and reading.

use carry_exchange::store::LogState;

use crate::later::LATER_FAMILY;
use crate::reached::Event;
use crate::world::{Judged, World, Wrong, unexpected};

mod registers;
mod removals;
mod things;

pub(crate) use removals::HeadsRead;
pub use removals::{book_unnamed, removals};

/// Bytes that a home may have at most: a world's devices say far less, whatever a hostile one plants.
const HOME_BYTES_MAX: u64 = 24 * 1024 * 1024;
/// Bytes that one call to a place may hand over at most.
const CALL_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Everything that is judged when all is quiet.
///
/// # Errors
/// [`Wrong`] says what is not as it must be.
pub fn all(world: &mut World) -> Judged {
    things::check(world)?;
    registers::check(world)?;
    for device in world.honest() {
        said_once(world, device)?;
        let found = world.devices[device].running().map_err(unexpected("starting"))?.store.verify();
        let found = found.map_err(unexpected("verify"))?;
        if let Some(finding) = found.first() {
            let what = finding.what.rsplit('/').next().unwrap_or_default();
            return Err(Wrong(format!("verify of device {device} finds {}: {what}: {}", found.len(), finding.problem)));
        }
        let bytes = world.devices[device].home_bytes().map_err(unexpected("the size of a home"))?;
        if bytes > HOME_BYTES_MAX {
            return Err(Wrong(format!("the home of device {device} has {bytes} bytes")));
        }
    }
    for place in world.places.clone() {
        let state = place.state();
        world.reached.add(Event::PutAgain, state.books.n_again);
        world.reached.add(Event::Replica, state.books.n_replicas);
        if let Some(wrong) = state.books.wrong.first() {
            return Err(Wrong(wrong.clone()));
        }
        if state.books.bytes_max > CALL_BYTES_MAX {
            return Err(Wrong(format!("{} handed over {} bytes at once", place.name(), state.books.bytes_max)));
        }
    }
    Ok(())
}

/// What is said once has one record, unless two homes said it.
fn said_once(world: &mut World, device: usize) -> Judged {
    let running = world.devices[device].running().map_err(unexpected("starting"))?;
    let wrong = |e| Wrong(format!("reading what device {device} has: {e}"));
    let mut doubled = running.registers.doubled().map_err(wrong)?;
    doubled.extend(running.things.doubled().map_err(wrong)?);
    let model = &world.model;
    let family = |id: &u64| {
        let edited = model.edits.get(id).map(|edit| edit.family);
        edited.or_else(|| model.things.get(id).map(|said| said.family))
    };
    match doubled.iter().find(|id| family(id).is_none_or(|family| !model.troubled.contains(&family))) {
        Some(id) => Err(Wrong(format!("device {device} has more than one record of {id}"))),
        None => Ok(()),
    }
}

/// Nobody has brought a device more than its limit.
///
/// # Errors
/// [`Wrong`].
pub fn limits(world: &mut World) -> Judged {
    for device in world.honest() {
        let Some(most) = world.devices[device].log_bytes_max else { continue };
        let store = &world.devices[device].running().map_err(unexpected("starting"))?.store;
        let own = store.log();
        let all = store.followed().map_err(unexpected("what is followed"))?;
        for followed in all {
            let is_others = !matches!(followed.state, LogState::Own | LogState::Former) && followed.log != own;
            let bytes = world.devices[device].log_bytes(followed.log).map_err(unexpected("the bytes of a log"))?;
            if is_others && bytes > most {
                return Err(Wrong(format!("device {device} took in {bytes} bytes of a log that may bring {most}")));
            }
        }
    }
    Ok(())
}

/// Whether something that a device lacks may be lacking: nobody can put it again, and the device says so.
fn may_lack(world: &mut World, device: usize, family: usize) -> Judged<bool> {
    // What a device of a later version signed since is passed on by such a device, and there is no other.
    if family == LATER_FAMILY {
        return Ok(world.scenario.files_vanish() || world.places.len() > 1);
    }
    // Who was revoked knows nobody who could ask for it.
    let revoked = world.revoked.as_ref().map(|(log, _)| *log);
    let is_revoked = world
        .devices
        .iter()
        .any(|device| device.family == family && revoked.is_some_and(|log| device.logs.contains(&log)));
    let is_frail = world.scenario.files_vanish() && (is_revoked || world.model.troubled.contains(&family));
    if !is_frail {
        return Ok(false);
    }
    let store = &world.devices[device].running().map_err(unexpected("starting"))?.store;
    if !store.wanted().map_err(unexpected("what is wanted"))?.is_empty() {
        return Ok(true);
    }
    for followed in store.followed().map_err(unexpected("what is followed"))? {
        let Some(segments) = &followed.segments else { return Ok(true) };
        let held = store.held(followed.log, followed.track).map_err(unexpected("what is held"))?;
        for (stream, segments) in segments {
            let held = held.get(stream).cloned().unwrap_or_default();
            if segments.iter().any(|one| !held.contains_all(one.first, one.last)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

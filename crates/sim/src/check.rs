//! What must hold, judged by code that shares nothing with the program but the format's types.

use crate::world::{Judged, World, Wrong, unexpected};

mod registers;
mod removals;
mod things;

pub use removals::removals;

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
    for place in &world.places {
        let state = place.state();
        if let Some(wrong) = state.books.wrong.first() {
            return Err(Wrong(wrong.clone()));
        }
        if state.books.bytes_max > CALL_BYTES_MAX {
            return Err(Wrong(format!("{} handed over {} bytes at once", place.name(), state.books.bytes_max)));
        }
    }
    Ok(())
}

/// Whether something that a device lacks may be lacking: nobody can put it again, and the device says so.
fn may_lack(world: &mut World, device: usize, family: usize) -> Judged<bool> {
    let is_frail = world.scenario.files_vanish() && world.model.troubled.contains(&family);
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

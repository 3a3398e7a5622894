//! All honest devices have the same registers, and these say what true causality says.

use std::collections::{BTreeMap, BTreeSet};

use super::may_lack;
use crate::model::HOSTILE;
use crate::reached::Event;
use crate::strand::{REGISTERS, State};
use crate::world::{Judged, World, Wrong, unexpected};

/// Judges the registers.
///
/// # Errors
/// [`Wrong`].
pub(super) fn check(world: &mut World) -> Judged {
    let mut all: Vec<(usize, BTreeSet<u64>, BTreeMap<String, State>)> = Vec::new();
    for device in world.honest() {
        let wrong = |e| Wrong(format!("reading the registers of device {device}: {e}"));
        let running = world.devices[device].running().map_err(unexpected("starting"))?;
        let ids = running.registers.ids().map_err(wrong)?;
        if let Some(id) = ids
            .iter()
            .find(|id| **id >= HOSTILE || world.model.void.contains(id) || !world.model.edits.contains_key(id))
        {
            return Err(Wrong(format!("device {device} has edit {id}, which no honest device made")));
        }
        all.push((device, ids, running.registers.states().map_err(wrong)?));
    }
    let there: BTreeSet<u64> = all.iter().flat_map(|(_, ids, _)| ids.iter().copied()).collect();
    for id in world.model.required() {
        if world.model.edits.contains_key(&id) && !there.contains(&id) && !world.model.is_superseded(id, &there) {
            let family = world.model.edits[&id].family;
            let device = world.honest().first().copied().unwrap_or(0);
            if !may_lack(world, device, family)? {
                return Err(Wrong(format!("edit {id} is lost: no device has it")));
            }
        }
    }
    let mut lacks_any = false;
    for (device, ids, _) in &all {
        for id in there.difference(ids) {
            if world.model.is_superseded(*id, &there) {
                continue;
            }
            let family = world.model.edits[id].family;
            if !world.model.was_dropped(*id) && !may_lack(world, *device, family)? {
                return Err(Wrong(format!("device {device} lacks edit {id}, which another has")));
            }
            lacks_any = true;
        }
    }
    if lacks_any {
        return Ok(());
    }
    let n_conflicts = all[0].2.values().filter(|state| state.is_conflict).count();
    world.reached.add(Event::Conflict, n_conflicts as u64);
    for (device, _, states) in &all {
        for register in 0..REGISTERS {
            let state = states.get(&format!("r{register}")).cloned().unwrap_or_default();
            is_true(world, *device, register, &state, &there)?;
            let first = all[0].2.get(&format!("r{register}")).cloned().unwrap_or_default();
            if state != first {
                return Err(Wrong(format!(
                    "register {register} differs: device {} has {first:?}, device {device} has {state:?}",
                    all[0].0
                )));
            }
        }
    }
    Ok(())
}

/// One register of one device against the model.
fn is_true(world: &World, device: usize, register: u8, state: &State, there: &BTreeSet<u64>) -> Judged {
    let model = &world.model;
    let live = model.live(register, there);
    let what = || format!("register {register} of device {device} has {:?} live, true is {live:?}", state.live);
    if let Some(id) = live.difference(&state.live).next() {
        return Err(Wrong(format!("{}: edit {id} was overwritten by one that did not know it", what())));
    }
    // A conflict too many is allowed only where a home was copied or put back, and where what it saw of it was revoked since.
    let may_be = |id: &u64| model.troubled.contains(&model.edits[id].family) || model.was_dropped(*id);
    let extra = state.live.difference(&live).find(|id| !may_be(id));
    if let Some(id) = extra {
        return Err(Wrong(format!("{}: edit {id} is superseded", what())));
    }
    let values: BTreeSet<u64> = state.live.iter().map(|id| model.edits[id].value).collect();
    if state.is_conflict != (values.len() > 1) {
        return Err(Wrong(format!("{}: conflict is said to be {}", what(), state.is_conflict)));
    }
    if state.shown.is_some_and(|id| !state.live.contains(&id)) || state.shown.is_none() != state.live.is_empty() {
        return Err(Wrong(format!("{}: shown is {:?}", what(), state.shown)));
    }
    Ok(())
}

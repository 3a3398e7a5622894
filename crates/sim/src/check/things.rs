//! All honest devices have the same things, none of those that must be there is missing, and no other is shown.

use std::collections::BTreeSet;

use super::may_lack;
use crate::model::HOSTILE;
use crate::strand::attachment_bytes;
use crate::world::{Judged, World, Wrong, unexpected};

/// What one device has.
struct Has {
    device: usize,
    ids: BTreeSet<u64>,
    shown: BTreeSet<u64>,
}

/// Judges the things.
///
/// # Errors
/// [`Wrong`].
pub(super) fn check(world: &mut World) -> Judged {
    let mut all = Vec::new();
    for device in world.honest() {
        let wrong = |e| Wrong(format!("reading the things of device {device}: {e}"));
        let running = world.devices[device].running().map_err(unexpected("starting"))?;
        let (ids, shown) = (running.things.ids().map_err(wrong)?, running.things.shown().map_err(wrong)?);
        let attached = running.things.attached().map_err(wrong)?;
        if let Some((id, _)) = attached.iter().find(|(id, bytes)| **bytes != attachment_bytes(id)) {
            return Err(Wrong(format!("the attachment {id} of device {device} has other bytes than were attached")));
        }
        for id in &ids {
            if *id >= HOSTILE || world.model.void.contains(id) || !world.model.things.contains_key(id) {
                return Err(Wrong(format!("device {device} has thing {id}, which no honest device said")));
            }
            if world.model.things[id].thing.is_later && !world.devices[device].is_later {
                return Err(Wrong(format!("device {device} has thing {id}, whose kind it does not know")));
            }
            if world.model.things[id].thing.wants && !attached.contains_key(&format!("a{id}")) {
                return Err(Wrong(format!("device {device} has thing {id} without its attachment")));
            }
        }
        all.push(Has { device, ids, shown });
    }
    let there: BTreeSet<u64> = all.iter().flat_map(|has| has.ids.iter().copied()).collect();
    nothing_is_lost(world, &there)?;
    let mut lacks_any = false;
    for has in &all {
        for id in there.difference(&has.ids) {
            if world.model.is_replaced(*id, &there) {
                continue;
            }
            let said = &world.model.things[id];
            if said.thing.is_later && !world.devices[has.device].is_later {
                continue;
            }
            let family = said.family;
            if !world.model.was_dropped(*id) && !may_lack(world, has.device, family)? {
                return Err(Wrong(format!("device {} lacks thing {id}, which another has", has.device)));
            }
            lacks_any = true;
        }
    }
    for has in &all {
        shows_right(world, has, &there)?;
        let mut differs: Vec<u64> = has.shown.symmetric_difference(&all[0].shown).copied().collect();
        if world.devices[has.device].is_later != world.devices[all[0].device].is_later {
            differs.retain(|id| !world.model.things[id].thing.is_later);
        }
        if !lacks_any && !differs.is_empty() {
            return Err(Wrong(format!(
                "devices {} and {} do not show the same things: they differ in {differs:?}",
                all[0].device, has.device
            )));
        }
    }
    Ok(())
}

fn nothing_is_lost(world: &mut World, there: &BTreeSet<u64>) -> Judged {
    for id in world.model.required() {
        let Some(said) = world.model.things.get(&id) else { continue };
        // Who alone knew the kind may have been revoked.
        if said.thing.is_later && !world.honest().into_iter().any(|device| world.devices[device].is_later) {
            continue;
        }
        if there.contains(&id) || world.model.is_replaced(id, there) {
            continue;
        }
        let family = said.family;
        let mut is_said = false;
        for device in world.honest() {
            is_said |= may_lack(world, device, family)?;
        }
        if !is_said {
            return Err(Wrong(format!("thing {id} is lost: no device has it")));
        }
    }
    Ok(())
}

/// Shown is what is there, but what was removed or replaced. What was replaced from another log may be shown beside.
fn shows_right(world: &World, has: &Has, there: &BTreeSet<u64>) -> Judged {
    let (device, model) = (has.device, &world.model);
    for id in &has.ids {
        let (is_shown, is_removed) = (has.shown.contains(id), model.is_removed(*id, &has.ids));
        let is_replaced = model.is_replaced(*id, there);
        if is_shown && is_removed {
            return Err(Wrong(format!("device {device} shows thing {id}, which was removed")));
        }
        if !is_shown && !is_removed && !is_replaced {
            return Err(Wrong(format!("device {device} does not show thing {id}")));
        }
        if is_shown && is_replaced && !model.troubled.contains(&model.things[id].family) {
            return Err(Wrong(format!("device {device} shows thing {id}, which was replaced")));
        }
    }
    Ok(())
}

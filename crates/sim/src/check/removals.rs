//! What a device removed at a place was its own to remove, and no newest head needs it.

use std::collections::BTreeSet;

use carry_exchange::head::{SignedHead, segments};
use carry_exchange::list::List;
use carry_exchange::name::{Entry, Folder, LogId, ObjectName};
use carry_exchange::plan::{Closure, Whose};

use crate::place::{Place, Removed, Tree};
use crate::world::{Judged, World, Wrong, unexpected};

/// Judges what was removed at a place since this was asked last.
///
/// # Errors
/// [`Wrong`].
pub fn removals(world: &mut World, place: usize) -> Judged {
    let place = world.places[place].clone();
    let removed = std::mem::take(&mut place.state().books.removed);
    for one in removed {
        is_its_own(world, &place, &one)?;
        is_not_needed(world, &place, &one)?;
    }
    Ok(())
}

/// Only who put it may remove it; copies of a home are one in this.
fn is_its_own(world: &World, place: &Place, removed: &Removed) -> Judged {
    let family = world.devices[removed.device].family;
    let state = place.state();
    let mut putters = state.books.putters.get(&removed.path).into_iter().flatten();
    if putters.any(|device| world.devices[*device].family == family) {
        return Ok(());
    }
    Err(Wrong(format!("device {} removes {}, which it did not put", removed.device, removed.path)))
}

/// The object that a path is a candidate for.
fn object(path: &str) -> Option<ObjectName> {
    let (folder, name) = path.rsplit_once('/')?;
    match Entry::read(folder.parse::<Folder>().ok()?, name) {
        Entry::Object(object, _) => Some(object),
        _ => None,
    }
}

fn is_not_needed(world: &mut World, place: &Place, removed: &Removed) -> Judged {
    let Some(name) = object(&removed.path) else { return Ok(()) };
    let log = name.log();
    let writers: Vec<usize> =
        world.honest().into_iter().filter(|device| world.devices[*device].logs.contains(&log)).collect();
    // Of a log that two homes write neither knows what the other needs, until they meet.
    if writers.iter().any(|device| world.model.troubled.contains(&world.devices[*device].family)) {
        return Ok(());
    }
    let tree = place.state().trees[removed.tree].clone();
    let others = tree.files.keys().filter(|path| object(path).as_ref() == Some(&name));
    if others.count() > 0 {
        return Ok(());
    }
    let mut needed = newest_there(&tree, log);
    for device in writers {
        let store = &world.devices[device].running().map_err(unexpected("starting"))?.store;
        if store.log() == log
            && let Some((head, segments)) = store.signed_segments().map_err(unexpected("what is signed"))?
            // What was never put there is not missed there.
            && tree.files.contains_key(&head.name().path())
        {
            needed.extend(names(&Closure::of(&head, &segments, Whose::Author)));
        }
    }
    if needed.contains(&name) {
        return Err(Wrong(format!("device {} removes {}, which the newest head needs", removed.device, removed.path)));
    }
    Ok(())
}

fn names(closure: &Closure) -> BTreeSet<ObjectName> {
    closure.objects.iter().chain([&closure.head]).map(|object| object.name.clone()).collect()
}

/// What the newest good head of a log in a tree names, the head included.
fn newest_there(tree: &Tree, log: LogId) -> BTreeSet<ObjectName> {
    let prefix = format!("carry/h/{log}-");
    let heads = tree.files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
    let good = heads.filter_map(|(path, stored)| SignedHead::read(&object(path)?, &stored.bytes).ok());
    let Some(head) = good.max_by_key(|head| head.head().n) else { return BTreeSet::new() };
    let list = head.head().list.and_then(|list| {
        let stored = tree.files.get(&ObjectName::list(log, list.digest).path())?;
        List::read(&stored.bytes, log, &list).ok()
    });
    match segments(head.head(), list.as_ref()) {
        Ok(segments) => names(&Closure::of(&head, &segments, Whose::Author)),
        // Its list is not here: at least the head itself stays.
        Err(_) => BTreeSet::from([head.name()]),
    }
}

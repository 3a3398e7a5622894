//! What a device removed at a place was its own to remove, and no newest head needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use carry_exchange::head::{SignedHead, segments};
use carry_exchange::list::List;
use carry_exchange::name::{Entry, Folder, LogId, ObjectName};
use carry_exchange::plan::{Closure, Whose};
use carry_exchange::round::Collect;
use carry_exchange::streams::Streams;

use crate::place::{Place, Removed, State, Stored, Tree};
use crate::reached::Event;
use crate::world::{Judged, World, Wrong, unexpected};

/// Rounds, an hour apart at least, that something superseded stays where the grace of heads holds.
const GRACE_ROUNDS: u64 = 24;

/// Judges what was removed at a place since this was asked last.
///
/// # Errors
/// [`Wrong`].
pub fn removals(world: &mut World, place: usize) -> Judged {
    let place = world.places[place].clone();
    let removed = std::mem::take(&mut place.state().books.removed);
    for one in removed {
        let event = match object(&one.path) {
            Some(ObjectName::Head { .. }) => Some(Event::HeadCollected),
            Some(ObjectName::List { .. }) => Some(Event::ListCollected),
            Some(ObjectName::Segment { .. }) => Some(Event::SegmentCollected),
            None => None,
        };
        event.into_iter().for_each(|event| world.reached.note(event));
        is_its_own(world, &place, &one)?;
        is_old_enough(world, &place, &one)?;
        is_not_needed(world, &place, &one)?;
    }
    Ok(())
}

/// Only who put it may remove it, or whose log it is of: another that passed it on there before its author did leaves it to the
/// author. Copies of a home are one in this.
fn is_its_own(world: &World, place: &Place, removed: &Removed) -> Judged {
    let family = world.devices[removed.device].family;
    let state = place.state();
    let mut putters = state.books.putters.get(&removed.path).into_iter().flatten();
    let log = object(&removed.path).map(|name| name.log());
    let is_ours =
        |device: &crate::device::Device| device.family == family && log.is_some_and(|log| device.logs.contains(&log));
    if putters.any(|device| world.devices[*device].family == family) || world.devices.iter().any(is_ours) {
        return Ok(());
    }
    Err(Wrong(format!("device {} removes {}, which it did not put", removed.device, removed.path)))
}

/// What is collected after the grace that heads state, old heads left out, waits for so many rounds in any case.
fn is_old_enough(world: &World, place: &Place, removed: &Removed) -> Judged {
    let device = &world.devices[removed.device];
    let is_head = matches!(object(&removed.path), Some(ObjectName::Head { .. }));
    if is_head || device.options.collect != Collect::AfterGrace || world.model.troubled.contains(&device.family) {
        return Ok(());
    }
    let state = place.state();
    let now = state.books.n_rounds.get(&removed.device).copied().unwrap_or(0);
    // What was never seen unnamed is so since this round.
    let since = state.books.unnamed_since.get(&(removed.device, removed.path.clone())).copied().unwrap_or(now);
    if now - since < GRACE_ROUNDS {
        let (path, n) = (&removed.path, now - since);
        let device = removed.device;
        return Err(Wrong(format!("device {device} removes {path}, which was named until {n} rounds before")));
    }
    Ok(())
}

/// Books what a device that has just made a round may have seen there without a name: files that the newest head of their log
/// there, or the newest that it signed, does not name.
///
/// # Errors
/// [`Wrong`].
pub fn book_unnamed(world: &mut World, place: usize, tree: usize, device: usize) -> Judged {
    let place = world.places[place].clone();
    let mut logs: BTreeSet<LogId> = world.devices[device].logs.iter().copied().collect();
    let store = &world.devices[device].running().map_err(unexpected("starting"))?.store;
    let signed = store.signed_segments().map_err(unexpected("what is signed"))?;
    let mut state = place.state();
    let State { trees, books, .. } = &mut *state;
    let files = &trees[tree];
    // What it passed on is its own to remove, too.
    let is_its = |(_, putters): &(&String, &BTreeSet<usize>)| putters.contains(&device);
    logs.extend(books.putters.iter().filter(is_its).filter_map(|(path, _)| Some(object(path)?.log())));
    let now = books.n_rounds.get(&device).copied().unwrap_or(0);
    for log in logs {
        let mut named = newest_there(files, log, &mut world.heads_read);
        if let Some((head, segments)) = signed.as_ref().filter(|(head, _)| head.head().log() == log) {
            let signed = names(&Closure::of(head, segments, Whose::Author, &Streams::default()));
            named.retain(|name| signed.contains(name));
        }
        for folder in [heads_of(log), format!("{}/", Folder::Log(log))] {
            for (path, _) in below(files, &folder) {
                if object(path).is_some_and(|name| name.log() == log && !named.contains(&name)) {
                    books.unnamed_since.entry((device, path.clone())).or_insert(now);
                }
            }
        }
    }
    Ok(())
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
    let mut needed = newest_there(&tree, log, &mut world.heads_read);
    for device in writers {
        let store = &world.devices[device].running().map_err(unexpected("starting"))?.store;
        if store.log() == log
            && let Some((head, segments)) = store.signed_segments().map_err(unexpected("what is signed"))?
            // What was never put there is not missed there.
            && tree.files.contains_key(&head.name().path())
        {
            needed.extend(names(&Closure::of(&head, &segments, Whose::Author, &Streams::default())));
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

/// What the heads at places came to when they were read, so that the signature of each is checked once.
#[derive(Debug, Default)]
pub(crate) struct HeadsRead(BTreeMap<String, (Arc<[u8]>, Option<SignedHead>)>);

impl HeadsRead {
    /// The head that a file is, if it is a good one.
    fn read(&mut self, path: &str, bytes: &Arc<[u8]>) -> Option<SignedHead> {
        if let Some((_, head)) = self.0.get(path).filter(|(of, _)| of == bytes) {
            return head.clone();
        }
        let head = object(path).and_then(|name| SignedHead::read(&name, bytes).ok());
        self.0.insert(path.to_owned(), (bytes.clone(), head.clone()));
        head
    }
}

/// How the paths of a log's heads begin.
fn heads_of(log: LogId) -> String {
    format!("{}/{log}-", Folder::Heads)
}

/// The files of a tree whose paths begin so.
fn below<'t>(tree: &'t Tree, begin: &str) -> impl Iterator<Item = (&'t String, &'t Stored)> {
    tree.files.range(begin.to_owned()..).take_while(move |(path, _)| path.starts_with(begin))
}

/// What the newest good head of a log in a tree names, the head included.
fn newest_there(tree: &Tree, log: LogId, read: &mut HeadsRead) -> BTreeSet<ObjectName> {
    let heads: Vec<_> = below(tree, &heads_of(log)).collect();
    // Their numbers have one length, so that the last has the greatest.
    let mut good = heads.into_iter().rev().filter_map(|(path, stored)| read.read(path, &stored.bytes));
    let Some(head) = good.next() else { return BTreeSet::new() };
    let list = head.head().list.and_then(|list| {
        let stored = tree.files.get(&ObjectName::list(log, list.digest).path())?;
        List::read(&stored.bytes, log, &list).ok()
    });
    match segments(head.head(), list.as_ref()) {
        Ok(segments) => names(&Closure::of(&head, &segments, Whose::Author, &Streams::default())),
        // Its list is not here: at least the head itself stays.
        Err(_) => BTreeSet::from([head.name()]),
    }
}

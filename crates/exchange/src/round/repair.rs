//! Heals on command: what is damaged or missing here comes from there, and what is damaged or missing there goes there.
//!
//! An exchange heals, too, but compares once a day and believes sizes. This compares at once and with the remote's whole listing,
//! forgets what it remembers of earlier looks, and reads what is suspicious, or all of it.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::clock::Timestamp;

use super::fetch::Fetched;
use super::shelf::stamp;
use super::{Report, Round, RoundError, Side, Step, note};
use crate::hash::Digest;
use crate::head::{Relay, Segments, SignedHead};
use crate::name::{LogId, ObjectId, ObjectName, StreamName};
use crate::plan::{Closure, Object, Whose};
use crate::remote::{Class, Part, RemoteFile};
use crate::segment::{Check, Expected};
use crate::store::{Rejection, Store, StoreError, Way};

/// What is looked for here. Handed from remote to remote, so that what one lacks is found at another.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Segments that were found damaged here.
    pub damaged: Vec<Expected>,
    /// Segments that a remote lacks and that are not here in one piece.
    pub elsewhere: Vec<Expected>,
}

/// What one repair did.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// What came: it was damaged or missing here, or not in one piece and missing elsewhere. With the bytes that moved.
    pub fetched: Vec<(ObjectName, u64)>,
    /// Segments of which no more than a part came, as no more was missing here. With the bytes that moved.
    pub parts: Vec<(ObjectName, u64)>,
    /// What was put: it was damaged or missing there.
    pub put: Vec<(ObjectName, u64)>,
    /// What was read there and is not what its name says, or cannot be read: paths.
    pub damaged: Vec<String>,
    /// Objects that were read there.
    pub n_read: usize,
    /// Whether it is known what is there and what is not, as the next three say: it did not fail before.
    pub is_judged: bool,
    /// Of all that heads name there, what is there.
    pub there: BTreeSet<ObjectName>,
    /// And what is not, or only damaged.
    pub lacking: BTreeMap<ObjectName, Lacking>,
    /// Streams that heads there name and of which nothing is there and nothing here.
    pub absent: BTreeMap<(LogId, StreamName), Absent>,
    /// What else came of it: problems, and what strands did.
    pub report: Report,
}

/// What heads name of a stream of which there is nothing. Its author may not put it there, or it was deleted everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Files.
    pub n_objects: usize,
    /// Whether everyone may pass it on, so that it should be wherever the head is, unless its author keeps it from there.
    pub is_for_all: bool,
}

/// What is known of an object that a remote lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// It is here and could not be put, or only its author may put it.
    Here,
    /// Its records are here, but in other files: only who has this file can put it.
    InPieces,
    /// It is not here, or damaged.
    Nowhere,
}

/// What was healed so far.
#[derive(Debug, Default)]
pub(super) struct Mend {
    /// What came, with the bytes that moved.
    came: BTreeMap<ObjectName, u64>,
    /// What of it came whole, with the path it came from.
    whole: BTreeMap<ObjectName, String>,
    /// The path of what was read last and was good.
    pub(super) read_last: Option<String>,
    pub(super) put: Vec<(ObjectName, u64)>,
    damaged: Vec<String>,
    n_read: usize,
    read_bytes: u64,
}

/// What is there of all that heads name, and what is not.
#[derive(Default)]
struct Judged {
    there: BTreeSet<ObjectName>,
    lacking: BTreeMap<ObjectName, Lacking>,
    absent: BTreeMap<(LogId, StreamName), Absent>,
}

/// All that is compared of one way of a log.
struct Named {
    log: LogId,
    closure: Closure,
    segments: Segments,
    /// Whether what it names should be there: its head is.
    is_there: bool,
    /// The streams that everyone may pass on.
    for_all: BTreeSet<StreamName>,
}

impl Mend {
    /// Notes bytes that came of an object. Gives what is to be told of it.
    pub(super) fn add_came(&mut self, name: ObjectName, bytes: u64) -> Step {
        *self.came.entry(name.clone()).or_default() += bytes;
        let is_whole = self.whole.contains_key(&name);
        Step::Healed { way: Way::Pull, object: name, bytes, is_whole }
    }

    /// Notes that what was read last is all of an object.
    pub(super) fn note_whole(&mut self, name: &ObjectName) {
        if let Some(path) = self.read_last.take() {
            self.whole.insert(name.clone(), path);
        }
    }

    /// Notes a path at which nothing good can be read.
    pub(super) fn add_damaged(&mut self, path: &str) {
        if !self.damaged.iter().any(|known| known == path) {
            self.damaged.push(path.to_owned());
        }
    }
}

impl Wanted {
    /// Takes off what is here by now. `fetched` is what came whole.
    fn settle(&mut self, store: &Store, fetched: &BTreeMap<ObjectName, String>) -> Result<(), StoreError> {
        let own = store.log();
        let mut left = Vec::new();
        for expected in std::mem::take(&mut self.damaged) {
            let came = fetched.contains_key(&name_of(&expected));
            // What is damaged of the own log seems to be held until a good copy comes.
            if !came && (expected.log == own || !store.holds_records(&expected)?) {
                left.push(expected);
            }
        }
        self.damaged = left;
        self.elsewhere.retain(|expected| !fetched.contains_key(&name_of(expected)));
        Ok(())
    }

    /// Whether an object is known to be damaged here.
    fn is_damaged(&self, name: &ObjectName) -> bool {
        self.damaged.iter().any(|expected| name_of(expected) == *name)
    }
}

/// The name of an expected segment.
fn name_of(expected: &Expected) -> ObjectName {
    expected.reference.name(expected.log, &expected.stream)
}

impl Round<'_> {
    pub(super) fn repair(
        mut self,
        side: &mut Side<'_>,
        wanted: &mut Wanted,
        is_deep: bool,
    ) -> (Repaired, Result<(), RoundError>) {
        let mut done = self.repair_all(side, wanted, is_deep);
        // What is there is known where it only cannot take any more.
        let judged = match &done {
            Ok(()) => Some(self.judge(side.store, wanted)),
            Err(RoundError::Remote(error)) if error.class() == Class::Full => Some(self.judge(side.store, wanted)),
            Err(_) => None,
        };
        let is_judged = matches!(judged, Some(Ok(_)));
        let Judged { there, lacking, absent } = match judged {
            Some(Ok(judged)) => judged,
            Some(Err(error)) => {
                done = done.and(Err(error));
                Judged::default()
            }
            None => Judged::default(),
        };
        if let Err(error) = self.note_moved(side, done.as_ref().err()) {
            done = done.and(Err(error));
        }
        let mend = self.mend.take().unwrap_or_default();
        let (fetched, parts) = mend.came.into_iter().partition(|(name, _)| mend.whole.contains_key(name));
        let repaired = Repaired {
            fetched,
            parts,
            put: mend.put,
            damaged: mend.damaged,
            n_read: mend.n_read,
            is_judged,
            there,
            lacking,
            absent,
            report: self.report,
        };
        (repaired, done)
    }

    /// Notes how it went, and whether anything moved.
    fn note_moved(&self, side: &mut Side<'_>, failed: Option<&RoundError>) -> Result<(), RoundError> {
        let (name, mend) = (&self.options.remote, self.mend.as_ref());
        let moved = [
            (Way::Pull, mend.is_some_and(|mend| !mend.came.is_empty())),
            (Way::Push, mend.is_some_and(|mend| !mend.put.is_empty())),
        ];
        for (way, has_moved) in moved {
            note(side, name, way, true, failed.map_or(Ok(has_moved), Err))?;
        }
        Ok(())
    }

    fn repair_all(&mut self, side: &mut Side<'_>, wanted: &mut Wanted, is_deep: bool) -> Result<(), RoundError> {
        let now = side.clock.now();
        self.remote.check(self.deadline)?;
        self.look(side.store, now)?;
        self.pull(side.store, now)?;
        self.fetch_again(side.store, wanted, now)?;
        self.fold(side, true)?;
        let store = &mut *side.store;
        // From the ground up: when it was compared, and what of it was answered, counts for nothing.
        store.look_again(&self.options.remote)?;
        self.read_there(store, is_deep, now)?;
        self.push_own(store, now)?;
        self.relay(store, now)
    }

    /// Fetches whole what is damaged here of the own log, and what another remote lacks.
    fn fetch_again(&mut self, store: &mut Store, wanted: &mut Wanted, now: Timestamp) -> Result<(), RoundError> {
        let own = store.log();
        let own_damaged = wanted.damaged.iter().filter(|expected| expected.log == own);
        let all: Vec<Expected> = own_damaged.chain(&wanted.elsewhere).cloned().collect();
        for expected in all {
            let (name, size) = (name_of(&expected), expected.reference.bytes);
            if !self.takes_of_others(&expected.stream) || self.has_fetched(&name) {
                continue;
            }
            let fetched = self.fetch(store, &name, Some(size), now, &mut |round, store, file| {
                round.get_whole(store, file, &expected)
            })?;
            // What is not here or not good is named when all is done.
            if let Fetched::Got((_, bytes)) = fetched {
                self.report.pulled.n_objects += 1;
                self.report.pulled.bytes += bytes;
                let mend = self.mend.get_or_insert_default();
                mend.note_whole(&name);
                (self.tell)(mend.add_came(name, bytes));
            }
        }
        let nothing = BTreeMap::new();
        wanted.settle(store, self.mend.as_ref().map_or(&nothing, |mend| &mend.whole))?;
        Ok(())
    }

    fn has_fetched(&self, name: &ObjectName) -> bool {
        self.fetched_from(name).is_some()
    }

    /// The path from which all of an object came in this repair.
    fn fetched_from(&self, name: &ObjectName) -> Option<&str> {
        self.mend.as_ref()?.whole.get(name).map(String::as_str)
    }

    /// What the newest heads name and may be put: of the own log, and of every other that is passed on.
    fn named(&self, store: &Store) -> Result<Vec<Named>, RoundError> {
        let mut all = Vec::new();
        let mut add = |head: &SignedHead, segments: &Segments, whose: Whose, is_own: bool| {
            let closure = self.closure(Closure::of(head, segments, whose, &self.known), whose);
            let is_there = is_own || self.heads.has(&closure.head.name, closure.head.bytes);
            let states = head.head().streams.iter();
            let for_all = states.filter(|(_, state)| state.relay == Relay::Any).map(|(stream, _)| stream.clone());
            let (log, for_all) = (head.head().log(), for_all.collect());
            all.push(Named { log, closure, segments: segments.clone(), is_there, for_all });
        };
        if let Some((head, segments)) = store.signed_segments()? {
            add(&head, &segments, Whose::Author, true);
        }
        for followed in store.followed()? {
            if let (Some(whose), Some(segments)) = (self.whose(followed.state), &followed.segments) {
                add(&followed.head, segments, whose, false);
            }
        }
        Ok(all)
    }

    /// Reads there what may be damaged, and notes what is. With `is_deep`, all of it.
    fn read_there(&mut self, store: &mut Store, is_deep: bool, now: Timestamp) -> Result<(), RoundError> {
        for named in self.named(store)? {
            for object in named.closure.objects.iter().chain([&named.closure.head]) {
                self.read_one(store, object, is_deep, now)?;
            }
        }
        Ok(())
    }

    /// Reads the candidates of one object until one is good.
    fn read_one(
        &mut self,
        store: &mut Store,
        object: &Object,
        is_deep: bool,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        let remote = self.options.remote.clone();
        // Heads are small, and all that a log says hangs on one.
        let is_read = is_deep || matches!(object.name, ObjectName::Head { .. });
        for candidate in self.candidates(&object.name)? {
            if candidate.bytes != object.bytes {
                continue;
            }
            let file = RemoteFile::new(object.name.folder(), &candidate.name)?;
            // One that has just come from there was read.
            if self.fetched_from(&object.name) == Some(file.path()) {
                return Ok(());
            }
            if !is_read && store.rejected(&remote, file.path())?.is_none() {
                return Ok(());
            }
            self.deadline.check(self.remote.place())?;
            match self.insist(&mut |round| round.is_good(store, object, &file, now)) {
                Ok(is_good) => {
                    let mend = self.mend.get_or_insert_default();
                    mend.n_read += 1;
                    mend.read_bytes = mend.read_bytes.saturating_add(object.bytes);
                    (self.tell)(Step::Checking { n_objects: mend.n_read, bytes: mend.read_bytes });
                    if is_good {
                        return Ok(());
                    }
                    mend.add_damaged(file.path());
                }
                Err(RoundError::Remote(error)) if error.class() == Class::NotThere => {}
                Err(RoundError::Remote(error)) => self.survive_unread(store, &object.name, &file, error, now)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads a whole file there, and notes whether it is what its object's name says.
    fn is_good(
        &mut self,
        store: &mut Store,
        object: &Object,
        file: &RemoteFile,
        now: Timestamp,
    ) -> Result<bool, RoundError> {
        let part = Part::Whole { bytes_max: object.bytes };
        let (got, is_good) = match &object.name {
            ObjectName::Segment { .. } => {
                let mut check = Check::new(&object.name, object.bytes);
                let got = self.remote.get(file, part, &mut check, self.deadline)?;
                let is_whole = got.bytes == object.bytes;
                (got, is_whole && check.finish().is_ok())
            }
            ObjectName::Head { .. } | ObjectName::List { .. } => {
                let (bytes, got) = self.read(file, part)?;
                let is_it = ObjectId::of(Digest::of(&[&bytes])) == object.name.id();
                (got, is_it)
            }
        };
        self.n_failures = 0;
        let remote = &self.options.remote;
        if is_good {
            store.forget_rejected(remote, file.path())?;
        } else {
            let stamp = stamp(got.size, &got.version);
            store.reject(remote, file.path(), &stamp, &Rejection::not_as_named(), now)?;
        }
        Ok(is_good)
    }

    /// What of all that is named is there now, and what is not. What may be found at another remote is wanted there.
    fn judge(&mut self, store: &Store, wanted: &mut Wanted) -> Result<Judged, RoundError> {
        let mut judged = Judged::default();
        for named in self.named(store)?.into_iter().filter(|named| named.is_there) {
            let mut absent = Vec::new();
            for object in &named.closure.objects {
                if self.has_good(store, object)? {
                    judged.there.insert(object.name.clone());
                } else {
                    absent.push(object);
                }
            }
            for object in absent {
                if !wanted.is_damaged(&object.name)
                    && let Some(stream) = self.kept_from(store, &named, &object.name)?
                {
                    let absent = Absent { n_objects: 0, is_for_all: named.for_all.contains(stream) };
                    judged.absent.entry((named.log, stream.clone())).or_insert(absent).n_objects += 1;
                    continue;
                }
                let expected = expected_of(&named, &object.name);
                let how = match &expected {
                    _ if wanted.is_damaged(&object.name) => Lacking::Nowhere,
                    _ if store.has_object(&object.name)? => Lacking::Here,
                    Some(expected) if store.holds_records(expected)? => Lacking::InPieces,
                    _ => Lacking::Nowhere,
                };
                judged.lacking.insert(object.name.clone(), how);
                if let (Some(expected), true) = (expected, how == Lacking::InPieces)
                    && !wanted.elsewhere.contains(&expected)
                {
                    wanted.elsewhere.push(expected);
                }
            }
        }
        Ok(judged)
    }

    /// The stream of an object, if there is nothing of it there and nothing here: its author may not put it there.
    fn kept_from<'n>(
        &self,
        store: &Store,
        named: &Named,
        name: &'n ObjectName,
    ) -> Result<Option<&'n StreamName>, RoundError> {
        let ObjectName::Segment { stream, .. } = name else { return Ok(None) };
        let shelf = self.logs.get(&named.log);
        let is_of = |other: &ObjectName| matches!(other, ObjectName::Segment { stream: of, .. } if of == stream);
        let is_there = shelf.is_some_and(|shelf| shelf.objects().any(is_of));
        Ok((!is_there && !store.holds_any(named.log, stream)?).then_some(stream))
    }

    /// Whether there is a file of the right size that is not known to be damaged.
    fn has_good(&mut self, store: &Store, object: &Object) -> Result<bool, RoundError> {
        for candidate in self.candidates(&object.name)? {
            let path = format!("{}/{}", object.name.folder(), candidate.name);
            let rejected = store.rejected(&self.options.remote, &path)?;
            if candidate.bytes == object.bytes && rejected.is_none_or(|known| known.stamp != candidate.stamp) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What is known of a segment that a head names.
fn expected_of(named: &Named, name: &ObjectName) -> Option<Expected> {
    let ObjectName::Segment { stream, .. } = name else { return None };
    let reference = named.segments.get(stream)?.iter().find(|segment| segment.name(named.log, stream) == *name)?;
    Some(Expected { log: named.log, stream: stream.clone(), reference: *reference })
}

//! Puts one object, and believes that it is there only when it is.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use carry_kernel::clock::Timestamp;

use super::shelf::stamp;
use super::{Moved, Problem, Round, RoundError, Step};
use crate::hash::Digest;
use crate::name::{Entry, Folder, Form, LogId, ObjectId, ObjectName};
use crate::plan::{PushPlan, Put, Whose};
use crate::remote::{self, Part, RemoteError, RemoteFile, Source};
use crate::segment::{PRELUDE_BYTES, SegmentError, check_segment, header_bytes};
use crate::store::{ObjectPlace, Rejection, Store, StoreError, Way, describe, state_of};

/// Numbers that replicas have.
const REPLICAS: u8 = 9;

/// What came of a plan to put, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Done {
    /// All of it is there, the head too.
    All,
    /// All is there but files of which the copies kept here are damaged or gone: another round changes nothing.
    AllButLost,
    /// Something else is not; the head is there only if all but large objects are.
    Some,
    /// The head is not there, and what follows it was not tried.
    Held,
}

/// What came of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placed {
    /// It is there.
    There,
    /// It is not.
    Not,
    /// It is not: the copy kept here is damaged or gone.
    Lost,
}

impl Round<'_> {
    /// Puts what a plan names, in its order. The head only if all before it is there: a head is a promise. But what was put once
    /// and is lost here since was promised before: it is named as lost, and what is said besides goes on.
    pub(super) fn put_all(
        &mut self,
        store: &mut Store,
        plan: &PushPlan,
        whose: Whose,
        now: Timestamp,
    ) -> Result<Done, RoundError> {
        for blocked in &plan.blocked {
            self.problem(Problem::Blocked(blocked.name.clone()));
        }
        let n_total = plan.before.len() + plan.after.len() + usize::from(plan.head.is_some());
        let mut done = if plan.blocked.is_empty() { Done::All } else { Done::Some };
        let is_own = whose == Whose::Author;
        let mut n_objects = 0;
        let mut put = |round: &mut Self, store: &mut Store, put: &Put| -> Result<Placed, RoundError> {
            let placed = round.put(store, put, whose, now)?;
            n_objects += 1;
            let bytes = if whose == Whose::Author { round.report.pushed.bytes } else { round.report.relayed.bytes };
            (round.tell)(Step::Pushing { n_objects, n_total, bytes });
            Ok(placed)
        };
        // Large objects follow the head and hold it up no more when they cannot be put than when they are slow.
        let mut has_all = plan.blocked.iter().all(|blocked| blocked.is_large);
        for one in &plan.before {
            match put(self, store, one)? {
                Placed::There => {}
                Placed::Not => (done, has_all) = (done.max(Done::Some), false),
                Placed::Lost => {
                    done = done.max(Done::AllButLost);
                    has_all &= is_own && store.was_heard(&one.object.name)?;
                }
            }
        }
        if let Some(head) = &plan.head
            && !(has_all && put(self, store, head)? == Placed::There)
        {
            return Ok(Done::Held);
        }
        for one in &plan.after {
            done = done.max(match put(self, store, one)? {
                Placed::There => Done::All,
                Placed::Not => Done::Some,
                Placed::Lost => Done::AllButLost,
            });
        }
        Ok(done)
    }

    /// The same of an own log, and notes what of it is lost, also when it ends early. `is_all` says that everything the log names
    /// was compared.
    pub(super) fn put_own(
        &mut self,
        store: &mut Store,
        log: LogId,
        plan: &PushPlan,
        is_all: bool,
        now: Timestamp,
    ) -> Result<Done, RoundError> {
        (self.lost, self.has_unread) = (Vec::new(), false);
        let done = self.put_all(store, plan, Whose::Author, now);
        // Of what was not tried or could not be read nothing is known.
        let is_through = match &done {
            Ok(Done::Held) => plan.after.is_empty(),
            Ok(Done::All | Done::AllButLost | Done::Some) => true,
            Err(_) => false,
        };
        let is_all = is_all && is_through && !self.has_unread;
        let noted = store.note_lost(&self.options.remote, log, &self.lost, is_all, now);
        let done = done?;
        noted?;
        Ok(done)
    }

    /// Puts one object under its own name, or as the first replica whose name is free.
    fn put(&mut self, store: &mut Store, put: &Put, whose: Whose, now: Timestamp) -> Result<Placed, RoundError> {
        let object = &put.object.name;
        self.deadline.check(self.remote.place())?;
        let Some(place) = store.find_object(object)? else {
            self.problem(Problem::Missing(object.clone()));
            return Ok(Placed::Not);
        };
        // What is damaged here must not take a name there.
        match check(store, object, put.object.bytes, &place, now)? {
            Kept::Good => {}
            Kept::Bad(why) => {
                self.lost_of_all.insert(object.clone());
                if whose == Whose::Author {
                    self.lost.push((object.clone(), why.clone()));
                }
                self.problem(Problem::Lost(object.clone(), why));
                return Ok(Placed::Lost);
            }
            Kept::Unread(error) => {
                self.has_unread = true;
                let why = format!("the copy kept here cannot be read: {error}");
                self.problem(Problem::Unreachable(object.clone(), why));
                return Ok(Placed::Not);
            }
        }
        for n in put.replica.unwrap_or(0)..=REPLICAS {
            let file = if n == 0 { RemoteFile::object(object) } else { RemoteFile::replica(object, n) };
            if n > put.replica.unwrap_or(0) && self.candidates(object)?.iter().any(|other| other.name == file.name()) {
                continue;
            }
            match self.put_as(store, put, &file, &place, whose, now) {
                Ok(true) => {
                    store.note_found(&self.options.remote, object)?;
                    return Ok(Placed::There);
                }
                Ok(false) => {}
                Err(RoundError::Remote(error)) => {
                    self.survive(object, error)?;
                    return Ok(Placed::Not);
                }
                Err(error) => return Err(error),
            }
        }
        self.problem(Problem::Blocked(object.clone()));
        Ok(Placed::Not)
    }

    /// Puts an object under one name. Says whether that name holds it now.
    fn put_as(
        &mut self,
        store: &mut Store,
        put: &Put,
        file: &RemoteFile,
        place: &ObjectPlace,
        whose: Whose,
        now: Timestamp,
    ) -> Result<bool, RoundError> {
        let (object, bytes) = (&put.object.name, put.object.bytes);
        let source = match place {
            ObjectPlace::Memory(bytes) => Source::Bytes(bytes),
            ObjectPlace::File(path) => Source::File(path),
        };
        let remote = &self.options.remote;
        match self.remote.put(file, source, self.deadline)? {
            remote::Put::Created => {
                self.n_failures = 0;
                store.note_put(remote, file.path(), bytes, now)?;
                let moved = if whose == Whose::Author { &mut self.report.pushed } else { &mut self.report.relayed };
                count(moved, object, bytes);
                if let Some(mend) = &mut self.mend {
                    mend.put.push((object.clone(), bytes));
                    (self.tell)(Step::Healed { way: Way::Push, object: object.clone(), bytes, is_whole: true });
                }
            }
            remote::Put::Exists { bytes: there } => {
                self.n_failures = 0;
                if there != bytes || !self.is_same(store, object, file, bytes, place, now)? {
                    return Ok(false);
                }
                // An earlier call of ours did it, and we did not hear; what is under our own log is ours in any case.
                if whose == Whose::Author {
                    store.note_put(remote, file.path(), bytes, now)?;
                }
            }
        }
        if store.rejected(remote, file.path())?.is_some() {
            store.forget_rejected(remote, file.path())?;
        }
        match object.folder() {
            // A folder that was not looked at is not looked at for this.
            Folder::Log(log) => {
                if let Some(shelf) = self.logs.get_mut(&log) {
                    shelf.add(object, file, bytes);
                }
            }
            Folder::Heads | Folder::Root => self.heads.add(object, file, bytes),
        }
        Ok(true)
    }

    /// Whether a file that was there already holds what it should: all of a small one is compared, of a large one prelude and
    /// header, which its name is made of.
    pub(super) fn is_same(
        &self,
        store: &mut Store,
        object: &ObjectName,
        file: &RemoteFile,
        bytes: u64,
        place: &ObjectPlace,
        now: Timestamp,
    ) -> Result<bool, RoundError> {
        let mut local: Box<dyn std::io::Read> = match place {
            ObjectPlace::Memory(bytes) => Box::new(bytes.as_slice()),
            ObjectPlace::File(path) => Box::new(File::open(path).map_err(StoreError::from)?),
        };
        let mut compare = Compare { local: &mut *local, is_same: true };
        let is_large = bytes > crate::limits::LARGE_OBJECT_BYTES && self.options.budget.has_ranges;
        let part = match (is_large, place) {
            (true, ObjectPlace::File(path)) => Part::Range { from: 0, bytes: head_bytes(path)? },
            _ => Part::Whole { bytes_max: bytes },
        };
        let got = match self.remote.get(file, part, &mut compare, self.deadline) {
            Ok(got) => got,
            // It is gone again, or grows: the next round sees.
            Err(error @ (RemoteError::NotThere { .. } | RemoteError::TooLarge { .. })) => return Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        let is_same = compare.is_same && got.size == bytes;
        if !is_same {
            let stamp = stamp(got.size, &got.version);
            store.reject(&self.options.remote, file.path(), &stamp, &Rejection::not_as_named(), now)?;
            tracing::warn!(%object, remote = %self.options.remote, "a damaged file has taken a name");
        }
        Ok(is_same)
    }
}

/// Counts what moved.
pub(super) fn count(moved: &mut Moved, object: &ObjectName, bytes: u64) {
    match object {
        ObjectName::Head { .. } => moved.n_heads += 1,
        ObjectName::List { .. } | ObjectName::Segment { .. } => moved.n_objects += 1,
    }
    moved.bytes += bytes;
}

/// Whether a path at a remote is an object's own name or a replica's.
pub(super) fn is_ours(path: &str) -> Option<ObjectName> {
    let (folder, name) = path.rsplit_once('/')?;
    match Entry::read(folder.parse().ok()?, name) {
        Entry::Object(object, Form::Itself | Form::Replica(_)) => Some(object),
        _ => None,
    }
}

/// Takes what comes from a remote and compares it with what is here.
struct Compare<'a> {
    local: &'a mut dyn std::io::Read,
    is_same: bool,
}

impl Write for Compare<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_same {
            let mut ours = vec![0; bytes.len()];
            self.is_same = match self.local.read_exact(&mut ours) {
                Ok(()) => ours == bytes,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
                Err(e) => return Err(e),
            };
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of prelude and header of a segment's file.
fn head_bytes(path: &Path) -> Result<u64, StoreError> {
    let mut file = File::open(path)?;
    let mut prelude = [0; PRELUDE_BYTES];
    file.read_exact(&mut prelude)?;
    Ok(PRELUDE_BYTES as u64 + header_bytes(&prelude)?)
}

/// What the copy of an object that is kept here is.
#[derive(Debug)]
pub(super) enum Kept {
    /// What its name says, every byte of it.
    Good,
    /// Damaged or gone; says how.
    Bad(String),
    /// It could not be read, which says nothing of what it is.
    Unread(io::Error),
}

/// Looks at the copy kept here, every byte of it; one that was found to be wrong is read again when it has changed, and once a day.
pub(super) fn check(
    store: &mut Store,
    object: &ObjectName,
    bytes: u64,
    place: &ObjectPlace,
    now: Timestamp,
) -> Result<Kept, StoreError> {
    let path = match place {
        ObjectPlace::Memory(bytes) if ObjectId::of(Digest::of(&[bytes])) == object.id() => return Ok(Kept::Good),
        ObjectPlace::Memory(_) => return Ok(Kept::Bad("its bytes are others".to_owned())),
        ObjectPlace::File(path) => path,
    };
    // Before it is read: what changes meanwhile is read again.
    let state = match state_of(path) {
        Ok(state) => state,
        Err(error) => return Ok(Kept::Unread(error)),
    };
    if let Some(why) = store.spoilt(object, &state, now)? {
        return Ok(Kept::Bad(why));
    }
    let kept = match read(object, bytes, path) {
        Ok(None) => Kept::Good,
        Ok(Some(why)) => Kept::Bad(why),
        Err(error) => Kept::Unread(error),
    };
    match &kept {
        Kept::Good => store.forget_spoilt(object)?,
        Kept::Bad(why) => store.note_spoilt(object, &state, why, now)?,
        Kept::Unread(_) => {}
    }
    Ok(kept)
}

/// Reads a file. Says what is wrong with it, if anything is.
fn read(object: &ObjectName, bytes: u64, path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?.len();
    if found != bytes {
        return Ok(Some(format!("it has {found} bytes instead of {bytes}")));
    }
    match check_segment(object, bytes, file) {
        Ok(()) => Ok(None),
        // It ends before its header says.
        Err(SegmentError::Read(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Err(error) => Ok(Some(describe(&error))),
    }
}

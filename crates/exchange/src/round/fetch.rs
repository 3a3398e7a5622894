//! Gets one object, from whichever of its candidates is good.

use std::time::Duration;

use carry_kernel::clock::Timestamp;

use super::shelf::{Candidate, stamp};
use super::wants::ABSENT;
use super::{Problem, Reached, Round, RoundError};
use crate::limits::HEAD_BYTES_MAX;
use crate::name::{Folder, Form, ObjectName};
use crate::remote::{Class, Got, Part, RemoteError, RemoteFile};
use crate::segment::SegmentError;
use crate::store::{Limit, Rejection, Store, StoreError, describe};
use crate::wait::is_over;

/// How long a file that is short must not have changed before it is called damaged instead of arriving.
const ARRIVING_FOR: Duration = Duration::from_secs(10 * 60);
/// The same of one that has its name and its full size. Some tools give a file its size first and fill it then; but who fills it
/// writes all the time, and each write shows as another version. One that nobody wrote to for so long is not being filled, or
/// its line is down; then the word was wrong, and nothing else: it is read again as soon as it changes, and is not asked for
/// before an hour. Less would not do where times are kept in steps of two seconds, and rounds follow each other at once.
const FULL_FOR: Duration = Duration::from_secs(10);
/// When a file that was damaged is read again though it looks the same: the reading may have been at fault.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);
/// Candidates of one object that are tried in one round: all that we put ourselves, and some copies.
const CANDIDATES_MAX: usize = 16;

/// What one candidate turned out to be.
pub(super) enum Tried<T> {
    /// Good. With what was got last.
    Good(T, Got),
    /// Not what was named; another copy may be. With what was got, if anything was.
    Bad(Option<Got>, String),
    /// No other copy is tried now; says why.
    Refused(Refusal),
}

/// Why no other copy of an object is tried: none can be better, there is no room, or something else must come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no room for it. With what was got.
    Quota(Got, Reached),
    /// What is wanted has changed meanwhile: plan again.
    Stale,
    /// A part of it says nothing to this version: all of it must be had.
    Whole,
    /// Only a later version can read it. With what was got.
    Later(Got),
    /// Its author made it so; says what is wrong. With what was got.
    Author(Got, String),
    /// The same of a segment whose header is larger than any may be.
    Header(Got, String),
    /// Its author made the head wrong that names it; says how. That head is followed no more. With what was got.
    Head(Got, ObjectName, String),
}

impl Refusal {
    /// Bytes that were got to find it out.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Quota(got, _)
            | Self::Later(got)
            | Self::Author(got, _)
            | Self::Header(got, _)
            | Self::Head(got, ..) => got.bytes,
            Self::Stale | Self::Whole => 0,
        }
    }
}

/// What came of getting an object.
pub(super) enum Fetched<T> {
    /// It is here.
    Got(T),
    /// It is not there.
    Absent,
    /// What is there is not it, or cannot be read now; the problem was noted.
    Bad,
    /// It cannot be used.
    Refused(Refusal),
}

/// Gets one file, and hands what it holds to the store.
type Get<'a, T> = &'a mut dyn FnMut(&Round<'_>, &mut Store, &RemoteFile) -> Result<Tried<T>, RoundError>;

impl Round<'_> {
    /// Tries the candidates of an object until one is good. `bytes` is its size, where it is known.
    pub(super) fn fetch<T>(
        &mut self,
        store: &mut Store,
        object: &ObjectName,
        bytes: Option<u64>,
        now: Timestamp,
        attempt: Get<'_, T>,
    ) -> Result<Fetched<T>, RoundError> {
        let own = RemoteFile::object(object);
        let noted = store.rejected(&self.options.remote, own.path())?;
        // Where nothing was wrong before, the object's own name is tried without a look at its folder.
        let is_blind = noted.is_none() && !self.has_shelf(object);
        let (mut tried_own, mut is_unread) = (false, false);
        if is_blind {
            tried_own = true;
            match self.attempt(store, object, &own, now, attempt)? {
                Attempt::Done(fetched) => return Ok(fetched),
                Attempt::Next => {}
                Attempt::Unread => is_unread = true,
            }
        }
        // What is too large for a head is none; a copy of the head may be one.
        let may_be =
            |candidate: &Candidate| !matches!(object, ObjectName::Head { .. }) || candidate.bytes <= HEAD_BYTES_MAX;
        let candidates: Vec<_> = self.candidates(object)?.into_iter().filter(may_be).take(CANDIDATES_MAX).collect();
        let is_there = !candidates.is_empty();
        // Heads are removed all the time, and the newest names itself. Where only copies are, the next round begins with them.
        let has_own = candidates.iter().any(|candidate| candidate.name == own.name());
        if (!is_there || (tried_own && !has_own)) && !matches!(object, ObjectName::Head { .. }) {
            store.reject(&self.options.remote, own.path(), ABSENT, &Rejection::Absent, now)?;
        }
        // What its author made wrong is so in every copy: one that was read lately stands for the others.
        let is_hopeless = self.is_hopeless(store, object, &candidates, now)?;
        for candidate in if is_hopeless { Vec::new() } else { candidates } {
            let file = RemoteFile::new(object.folder(), &candidate.name)?;
            if tried_own && file == own {
                continue;
            }
            let known = store.rejected(&self.options.remote, file.path())?;
            if let Some(known) = &known
                && known.stamp == candidate.stamp
                && !is_over(known.last, AGAIN_AFTER, now)
                && self.mend.is_none()
            {
                continue;
            }
            if bytes.is_some_and(|bytes| bytes != candidate.bytes) && candidate.bytes != 0 {
                let why = Rejection::Damaged(format!("it has {} bytes", candidate.bytes));
                store.reject(&self.options.remote, file.path(), &candidate.stamp, &why, now)?;
                continue;
            }
            match self.attempt(store, object, &file, now, attempt)? {
                Attempt::Done(fetched) => return Ok(fetched),
                Attempt::Next => {}
                Attempt::Unread => is_unread = true,
            }
        }
        if !is_there {
            return Ok(Fetched::Absent);
        }
        if is_unread {
            return Ok(Fetched::Bad);
        }
        let problem = self.what_is_wrong(store, object, bytes, now)?;
        self.problem(problem);
        Ok(Fetched::Bad)
    }

    /// Whether one of these candidates was read lately and is as its author made it, and yet cannot be used; where its header is
    /// too large, whenever that was. In a repair each is read again.
    fn is_hopeless(
        &self,
        store: &Store,
        object: &ObjectName,
        candidates: &[Candidate],
        now: Timestamp,
    ) -> Result<bool, RoundError> {
        if self.mend.is_some() {
            return Ok(false);
        }
        for candidate in candidates {
            let path = format!("{}/{}", object.folder(), candidate.name);
            let known = store.rejected(&self.options.remote, &path)?;
            if known.is_some_and(|known| {
                let is_recent = known.stamp == candidate.stamp && !is_over(known.last, AGAIN_AFTER, now);
                matches!(known.why, Rejection::WrongHeader(_)) || is_recent && known.why.is_of_every_copy()
            }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How an object of which there are candidates, none of them good, is described: as arriving while one of them may be.
    fn what_is_wrong(
        &mut self,
        store: &Store,
        object: &ObjectName,
        bytes: Option<u64>,
        now: Timestamp,
    ) -> Result<Problem, RoundError> {
        let mut states = Vec::new();
        for candidate in self.candidates(object)?.into_iter().take(CANDIDATES_MAX) {
            let path = format!("{}/{}", object.folder(), candidate.name);
            if let Some(known) = store.rejected(&self.options.remote, &path)? {
                match known.why {
                    Rejection::Wrong(why) | Rejection::WrongHeader(why) => {
                        return Ok(Problem::StillWrong(object.clone(), why));
                    }
                    Rejection::Later => return Ok(Problem::NeedsUpgrade(object.log())),
                    Rejection::TooManyWays => {
                        return Ok(Problem::Quota(object.log(), store.reached(Limit::Ways)?));
                    }
                    Rejection::UnpackedTooMuch => {
                        let reached = store.reached(Limit::UnpackedAll)?;
                        return Ok(Problem::Quota(object.log(), reached));
                    }
                    Rejection::Absent
                    | Rejection::Damaged(_)
                    | Rejection::NoRoom
                    | Rejection::Unclear(_)
                    | Rejection::Older(_) => {}
                }
                let is_full = bytes == Some(candidate.bytes) && known.stamp == candidate.stamp;
                // A copy is made by a tool, and what it is a copy of says nothing of how far it is.
                let is_ours = matches!(candidate.form, Form::Itself | Form::Replica(_));
                let patience = if is_full && is_ours { FULL_FOR } else { ARRIVING_FOR };
                states.push(now.since(known.since) >= patience);
            }
        }
        let is_stable = !states.is_empty() && states.into_iter().all(|is_stable| is_stable);
        Ok(if is_stable { Problem::Damaged(object.clone()) } else { Problem::Arriving(object.clone()) })
    }

    fn attempt<T>(
        &mut self,
        store: &mut Store,
        object: &ObjectName,
        file: &RemoteFile,
        now: Timestamp,
        attempt: Get<'_, T>,
    ) -> Result<Attempt<T>, RoundError> {
        self.deadline.check(self.remote.place())?;
        match self.insist(&mut |round| attempt(round, store, file)) {
            Ok(Tried::Good(good, got)) => {
                self.n_failures = 0;
                self.note_read(object, file, &got);
                if let Some(mend) = &mut self.mend {
                    mend.read_last = Some(file.path().to_owned());
                }
                self.forget(store, object, file)?;
                Ok(Attempt::Done(Fetched::Got(good)))
            }
            Ok(Tried::Bad(got, why)) => {
                self.n_failures = 0;
                let stamp = got.map_or_else(String::new, |got| stamp(got.size, &got.version));
                store.reject(&self.options.remote, file.path(), &stamp, &Rejection::Damaged(why), now)?;
                Ok(Attempt::Next)
            }
            Ok(Tried::Refused(refusal)) => {
                self.note_refusal(store, object, file, &refusal, now)?;
                Ok(Attempt::Done(Fetched::Refused(refusal)))
            }
            Err(RoundError::Remote(error)) if error.class() == Class::NotThere => Ok(Attempt::Next),
            Err(RoundError::Remote(error)) => {
                // Another copy may lie where it can be read. One that is not reached says nothing of the others.
                let is_of_file = self.mend.is_some() || matches!(error.class(), Class::Internal | Class::Denied);
                self.survive_unread(store, object, file, error, now)?;
                Ok(if is_of_file { Attempt::Unread } else { Attempt::Done(Fetched::Bad) })
            }
            Err(error) => Err(error),
        }
    }

    /// Notes why no other copy is tried, where that was known only once this one was read: it is not read in each round.
    fn note_refusal(
        &mut self,
        store: &mut Store,
        object: &ObjectName,
        file: &RemoteFile,
        refusal: &Refusal,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        let (got, why, wrong) = match refusal {
            Refusal::Author(got, why) => (got, Rejection::Wrong(why.clone()), Some(why)),
            Refusal::Header(got, why) => (got, Rejection::WrongHeader(why.clone()), Some(why)),
            Refusal::Later(got) => (got, Rejection::Later, None),
            Refusal::Quota(got, Reached { limit: Limit::Ways, .. }) => (got, Rejection::TooManyWays, None),
            Refusal::Quota(got, Reached { limit: Limit::UnpackedAll, .. }) => (got, Rejection::UnpackedTooMuch, None),
            Refusal::Head(_, name, why) => {
                self.problem(Problem::Wrong(name.clone(), why.clone()));
                return Ok(());
            }
            Refusal::Quota(..) | Refusal::Stale | Refusal::Whole => return Ok(()),
        };
        let (remote, stamp) = (&self.options.remote, stamp(got.size, &got.version));
        let known = store.rejected(remote, file.path())?;
        store.reject(remote, file.path(), &stamp, &why, now)?;
        if let Some(words) = wrong {
            let is_known = known.is_some_and(|known| known.stamp == stamp && known.why == why);
            self.problem(match is_known && self.mend.is_none() {
                true => Problem::StillWrong(object.clone(), words.clone()),
                false => Problem::Wrong(object.clone(), words.clone()),
            });
        } else if why == Rejection::Later {
            self.problem(Problem::NeedsUpgrade(object.log()));
        }
        Ok(())
    }

    /// A file may have grown since it was listed, while somebody copied it there: all that follows is planned by what was read.
    fn note_read(&mut self, object: &ObjectName, file: &RemoteFile, got: &Got) {
        let shelf = match object.folder() {
            Folder::Log(log) => self.logs.get_mut(&log),
            Folder::Heads | Folder::Root => Some(&mut self.heads),
        };
        // A folder that was not looked at is not looked at for this.
        if let Some(shelf) = shelf {
            shelf.add_read(object, file, got);
        }
    }

    /// What was noted of an object's file is forgotten when one is good.
    fn forget(&self, store: &mut Store, object: &ObjectName, file: &RemoteFile) -> Result<(), RoundError> {
        let own = RemoteFile::object(object);
        for one in [&own, file] {
            // A damaged file under the object's own name stays known when a copy was good.
            let known = store.rejected(&self.options.remote, one.path())?;
            if known.is_some_and(|known| one == file || known.why == Rejection::Absent) {
                store.forget_rejected(&self.options.remote, one.path())?;
            }
        }
        Ok(())
    }

    /// Goes on after a failure that concerns one object, unless the remote seems to be gone.
    pub(super) fn survive(&mut self, object: &ObjectName, error: RemoteError) -> Result<(), RoundError> {
        let goes_on = match error.class() {
            Class::Unreachable | Class::Internal | Class::Denied => {
                self.n_failures += 1;
                self.n_failures < super::FAILURES_MAX
            }
            Class::NotThere | Class::Foreign | Class::TooLarge | Class::Changing | Class::InvalidName => true,
            Class::NoMarker
            | Class::WrongFormat
            | Class::Untrusted
            | Class::Full
            | Class::Cancelled
            | Class::Busy
            | Class::Local => false,
        };
        if !goes_on {
            return Err(error.into());
        }
        let problem = match error.class() {
            Class::Changing => Problem::Arriving(object.clone()),
            _ => Problem::Unreachable(object.clone(), describe(&error)),
        };
        self.problem(problem);
        Ok(())
    }

    /// Reads, and in a repair once more after a failure while the place itself answers: what cannot be read is put again there.
    pub(super) fn insist<T>(
        &mut self,
        read: &mut dyn FnMut(&mut Self) -> Result<T, RoundError>,
    ) -> Result<T, RoundError> {
        match read(self) {
            Err(RoundError::Remote(error)) if self.is_of_one_file(&error) => read(self),
            done => done,
        }
    }

    /// Whether, in a repair, a failure says something of one file alone: the place itself answers.
    fn is_of_one_file(&self, error: &RemoteError) -> bool {
        self.mend.is_some()
            && matches!(error.class(), Class::Unreachable | Class::Internal | Class::Denied)
            && self.remote.check(self.deadline).is_ok()
    }

    /// Goes on after one file could not be read. In a repair it counts as damaged from then on, and no number of such files ends
    /// the repair.
    pub(super) fn survive_unread(
        &mut self,
        store: &mut Store,
        object: &ObjectName,
        file: &RemoteFile,
        error: RemoteError,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        if !self.is_of_one_file(&error) {
            return self.survive(object, error);
        }
        let why = describe(&error);
        self.problem(Problem::Unreachable(object.clone(), why.clone()));
        if let Some(candidate) = self.candidates(object)?.into_iter().find(|candidate| candidate.name == file.name()) {
            let why = Rejection::Damaged(format!("it cannot be read: {why}"));
            store.reject(&self.options.remote, file.path(), &candidate.stamp, &why, now)?;
            if let Some(mend) = &mut self.mend {
                mend.add_damaged(file.path());
            }
        }
        Ok(())
    }

    /// Reads a small file into memory.
    pub(super) fn read(&self, file: &RemoteFile, part: Part) -> Result<(Vec<u8>, Got), RemoteError> {
        let mut bytes = Vec::new();
        let got = self.remote.get(file, part, &mut bytes, self.deadline)?;
        Ok((bytes, got))
    }
}

enum Attempt<T> {
    Done(Fetched<T>),
    Next,
    /// It cannot be read now, and the problem was noted; another may be.
    Unread,
}

/// Sorts what the store says of fetched bytes: whether another copy may be better, or none can be, or the store itself failed.
pub(super) fn sort_out<T>(error: StoreError, got: Got) -> Result<Tried<T>, RoundError> {
    let is_damage = match &error {
        StoreError::Segment(SegmentError::Read(_)) => return Err(error.into()),
        StoreError::List(crate::list::ListError::Newer(_)) => return Ok(Tried::Refused(Refusal::Later(got))),
        StoreError::Segment(error) => error.is_damage(),
        StoreError::Head(error) => error.is_damage(),
        StoreError::List(error) => error.is_damage(),
        StoreError::Full(limit) => {
            return Ok(Tried::Refused(Refusal::Quota(got, Reached { limit: *limit, disk: None })));
        }
        StoreError::UnknownLog(_) => return Ok(Tried::Refused(Refusal::Stale)),
        StoreError::WrongHead { name, why } => {
            return Ok(Tried::Refused(Refusal::Head(got, name.clone(), why.clone())));
        }
        _ => return Err(error.into()),
    };
    let why = describe(&error);
    Ok(match &error {
        _ if is_damage => Tried::Bad(Some(got), why),
        StoreError::Segment(SegmentError::HeaderSize(_)) => Tried::Refused(Refusal::Header(got, why)),
        _ => Tried::Refused(Refusal::Author(got, why)),
    })
}

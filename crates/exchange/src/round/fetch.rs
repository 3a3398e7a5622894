//! Gets one object, from whichever of its candidates is good.

use std::time::Duration;

use carry_kernel::clock::Timestamp;

use super::shelf::stamp;
use super::wants::ABSENT;
use super::{Problem, Reached, Round, RoundError};
use crate::name::ObjectName;
use crate::remote::{Class, Got, Part, RemoteError, RemoteFile};
use crate::store::{Store, StoreError, describe};

/// How long a file must not have changed before it is called damaged instead of arriving.
const ARRIVING_FOR: Duration = Duration::from_secs(10 * 60);
/// When a file that was damaged is read again though it looks the same: the reading may have been at fault.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);
/// Candidates of one object that are tried in one round: all that we put ourselves, and some copies.
const CANDIDATES_MAX: usize = 16;

/// What one candidate turned out to be.
pub(super) enum Tried<T> {
    /// Good.
    Good(T),
    /// Not what was named; another copy may be. With what was got, if anything was.
    Bad(Option<Got>, String),
    /// No copy can be used: its author made it so, or it needs a later version, or there is no room for it.
    Refused(Refusal),
}

/// Why no copy of an object can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no room for it.
    Quota(Reached),
    /// What is wanted has changed meanwhile: plan again.
    Stale,
    /// Its author made it so; says what is wrong. With what was got.
    Author(Got, String),
}

/// How the reason begins when an author's own doing is the matter: no other copy is asked for.
pub(super) const AUTHOR: &str = "as its author made it: ";

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
        let mut tried_own = false;
        if is_blind {
            tried_own = true;
            match self.attempt(store, object, &own, now, attempt)? {
                Attempt::Done(fetched) => return Ok(fetched),
                Attempt::Next => {}
            }
        }
        let mut is_there = false;
        for candidate in self.candidates(object)?.into_iter().take(CANDIDATES_MAX) {
            is_there = true;
            let file = RemoteFile::new(object.folder(), &candidate.name)?;
            if tried_own && file == own {
                continue;
            }
            let known = store.rejected(&self.options.remote, file.path())?;
            if let Some(known) = &known
                && known.stamp == candidate.stamp
                && now.since(known.last) < AGAIN_AFTER
            {
                continue;
            }
            if bytes.is_some_and(|bytes| bytes != candidate.bytes) && candidate.bytes != 0 {
                let why = format!("it has {} bytes", candidate.bytes);
                store.reject(&self.options.remote, file.path(), &candidate.stamp, &why, now)?;
                continue;
            }
            match self.attempt(store, object, &file, now, attempt)? {
                Attempt::Done(fetched) => return Ok(fetched),
                Attempt::Next => {}
            }
        }
        if !is_there {
            // Heads are removed all the time, and the newest names itself.
            if !matches!(object, ObjectName::Head { .. }) {
                store.reject(&self.options.remote, own.path(), ABSENT, "it is not there", now)?;
            }
            return Ok(Fetched::Absent);
        }
        let problem = self.what_is_wrong(store, object, now)?;
        self.problem(problem);
        Ok(Fetched::Bad)
    }

    /// How an object of which there are candidates, none of them good, is described.
    fn what_is_wrong(&mut self, store: &Store, object: &ObjectName, now: Timestamp) -> Result<Problem, RoundError> {
        let mut since = None::<Timestamp>;
        for candidate in self.candidates(object)?.into_iter().take(CANDIDATES_MAX) {
            let path = format!("{}/{}", object.folder(), candidate.name);
            if let Some(known) = store.rejected(&self.options.remote, &path)? {
                if known.why.starts_with(AUTHOR) {
                    return Ok(Problem::Wrong(object.clone(), known.why));
                }
                since = since.max(Some(known.since));
            }
        }
        let is_stable = since.is_some_and(|since| now.since(since) >= ARRIVING_FOR);
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
        match attempt(self, store, file) {
            Ok(Tried::Good(good)) => {
                self.n_failures = 0;
                self.forget(store, object, file)?;
                Ok(Attempt::Done(Fetched::Got(good)))
            }
            Ok(Tried::Bad(got, why)) => {
                self.n_failures = 0;
                let stamp = got.map_or_else(String::new, |got| stamp(got.size, &got.version));
                store.reject(&self.options.remote, file.path(), &stamp, &why, now)?;
                Ok(Attempt::Next)
            }
            Ok(Tried::Refused(refusal)) => {
                if let Refusal::Author(got, why) = &refusal {
                    let (stamp, why) = (stamp(got.size, &got.version), format!("{AUTHOR}{why}"));
                    store.reject(&self.options.remote, file.path(), &stamp, &why, now)?;
                    self.problem(Problem::Wrong(object.clone(), why));
                }
                Ok(Attempt::Done(Fetched::Refused(refusal)))
            }
            Err(RoundError::Remote(error)) if error.class() == Class::NotThere => Ok(Attempt::Next),
            Err(RoundError::Remote(error)) => {
                self.survive(object, error)?;
                Ok(Attempt::Done(Fetched::Bad))
            }
            Err(error) => Err(error),
        }
    }

    /// What was noted of an object's file is forgotten when one is good.
    fn forget(&self, store: &mut Store, object: &ObjectName, file: &RemoteFile) -> Result<(), RoundError> {
        let own = RemoteFile::object(object);
        for one in [&own, file] {
            // A damaged file under the object's own name stays known when a copy was good.
            let known = store.rejected(&self.options.remote, one.path())?;
            if known.is_some_and(|known| one == file || known.stamp == ABSENT) {
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
            Class::NoMarker | Class::WrongFormat | Class::Full | Class::Cancelled | Class::Busy | Class::Local => false,
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
}

/// Sorts what the store says of fetched bytes: whether another copy may be better, or none can be, or the store itself failed.
pub(super) fn sort_out<T>(error: StoreError, got: Got) -> Result<Tried<T>, RoundError> {
    let is_damage = match &error {
        StoreError::Segment(crate::segment::SegmentError::Read(_)) => return Err(error.into()),
        StoreError::Segment(error) => error.is_damage(),
        StoreError::Head(error) => error.is_damage(),
        StoreError::List(error) => error.is_damage(),
        StoreError::Full(why) => {
            return Ok(Tried::Refused(Refusal::Quota(Reached { limit: error.limit(), why })));
        }
        StoreError::UnknownLog(_) => return Ok(Tried::Refused(Refusal::Stale)),
        _ => return Err(error.into()),
    };
    let why = describe(&error);
    Ok(if is_damage { Tried::Bad(Some(got), why) } else { Tried::Refused(Refusal::Author(got, why)) })
}

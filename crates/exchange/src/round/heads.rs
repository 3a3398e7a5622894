//! Reads the heads that are new at a remote.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::clock::Timestamp;

use super::fetch::{AGAIN_AFTER, Fetched, Refusal, Tried, sort_out};
use super::shelf::Candidate;
use super::{Problem, Round, RoundError, Shelf, Step};
use crate::limits::HEAD_BYTES_MAX;
use crate::name::{Folder, LogId, ObjectId, ObjectName};
use crate::remote::Part;
use crate::store::{LogState, Rejected, Rejection, Seen, Store};
use crate::wait::is_over;

/// Heads of one log that are read in one round; the next goes on.
const HEADS_MAX: usize = 32;
/// Heads of logs that nobody approved that are read in one round, all together.
const STRANGERS_MAX: usize = 128;

impl Round<'_> {
    /// Lists the heads, and reads those of the own log that are new, so that it goes on under a new key before anything is
    /// said in it.
    pub(super) fn look(&mut self, store: &mut Store, now: Timestamp) -> Result<(), RoundError> {
        (self.tell)(Step::Listing);
        self.list_heads()?;
        if self.options.is_dry_run {
            return Ok(());
        }
        let own = store.log();
        let unknown = self.unknown(store, now)?.remove(&own).unwrap_or_default();
        for name in unknown.iter().take(HEADS_MAX) {
            self.read_head(store, name, now)?;
        }
        Ok(())
    }

    fn list_heads(&mut self) -> Result<(), RoundError> {
        self.heads = Shelf::read(self.remote, Folder::Heads, self.deadline)?;
        if self.heads.is_cut() {
            self.problem(Problem::Cut(None));
        }
        Ok(())
    }

    /// Lists the heads again; says whether there are any that are new.
    pub(super) fn look_again(&mut self, store: &mut Store, now: Timestamp) -> Result<bool, RoundError> {
        (self.tell)(Step::Listing);
        self.list_heads()?;
        // What was seen of the folders of logs is as old as the listing before.
        self.logs.clear();
        self.read_newest(store, now)
    }

    /// Reads of each log the newest head that is new and good. Says whether any was.
    pub(super) fn read_newest(&mut self, store: &mut Store, now: Timestamp) -> Result<bool, RoundError> {
        self.name_too_large(store)?;
        let (mut is_news, mut n_strangers) = (false, 0);
        for (log, names) in self.unknown(store, now)? {
            for name in names.iter().take(HEADS_MAX) {
                if !self.may_read(store, log, &mut n_strangers)? {
                    break;
                }
                if let Some(Seen::Followed { .. } | Seen::Forked { .. } | Seen::Foreign { .. }) =
                    self.read_head(store, name, now)?
                {
                    is_news = true;
                    break;
                }
            }
        }
        Ok(is_news)
    }

    /// Reads the older heads that are new, which may show that a log was forked. Says whether any did.
    pub(super) fn read_older(&mut self, store: &mut Store, now: Timestamp) -> Result<bool, RoundError> {
        let (mut is_news, mut n_strangers) = (false, 0);
        for (log, names) in self.unknown(store, now)? {
            for (at, name) in names.iter().enumerate() {
                if at >= HEADS_MAX {
                    // Where nothing more is remembered, the next round would read the same.
                    self.report.has_more |= store.has_room_for_rejected(&self.options.remote)?;
                    break;
                }
                if !self.may_read(store, log, &mut n_strangers)? {
                    break;
                }
                let seen = self.read_head(store, name, now)?;
                is_news |= matches!(seen, Some(Seen::Followed { .. } | Seen::Forked { .. } | Seen::Foreign { .. }));
            }
        }
        Ok(is_news)
    }

    /// Names what lies under the name of a head of a known log and is larger than any head may be, one a log: it is not read.
    /// As it is not signed, it says nothing of the log, and nothing of it is kept.
    fn name_too_large(&mut self, store: &Store) -> Result<(), RoundError> {
        let mut found: BTreeMap<LogId, Option<ObjectName>> = BTreeMap::new();
        for name in self.heads.objects() {
            let is_too_large = self.heads.candidates(name).iter().all(|candidate| candidate.bytes > HEAD_BYTES_MAX);
            if is_too_large && !found.contains_key(&name.log()) {
                found.insert(name.log(), store.state(name.log())?.map(|_| name.clone()));
            }
        }
        found.into_values().flatten().for_each(|name| self.problem(Problem::NoHead(name)));
        Ok(())
    }

    /// Whether there is room for one more head of a log.
    fn may_read(&mut self, store: &Store, log: LogId, n_strangers: &mut usize) -> Result<bool, RoundError> {
        if matches!(store.state(log)?, Some(LogState::Own | LogState::Former | LogState::Approved)) {
            return Ok(true);
        }
        *n_strangers += 1;
        Ok(*n_strangers <= STRANGERS_MAX)
    }

    /// The heads that are not known here and not known to be bad, by log: of those after the followed one the largest number
    /// first, then the smallest and so on, as names may be made up at either end; then the others, downwards.
    pub(super) fn unknown(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<BTreeMap<LogId, Vec<ObjectName>>, RoundError> {
        let mut unknown: BTreeMap<LogId, Vec<ObjectName>> = BTreeMap::new();
        let _at_once = store.snapshot()?;
        let mut known: BTreeMap<LogId, BTreeSet<(u64, ObjectId)>> = BTreeMap::new();
        for (log, (first, last)) in self.shown_numbers() {
            known.insert(log, store.known_heads(log, first, last)?);
        }
        // Names ascend by log and number.
        for name in self.heads.objects().rev() {
            let &ObjectName::Head { log, n, id } = name else { continue };
            if known.get(&log).is_some_and(|known| known.contains(&(n, id))) {
                continue;
            }
            let mut is_new = false;
            for candidate in self.heads.candidates(name) {
                let known = store.rejected(&self.options.remote, &path(name, candidate))?;
                // What is too large is no head, however often it is asked for.
                let may_be = candidate.bytes <= HEAD_BYTES_MAX;
                is_new |= may_be
                    && match known {
                        Some(known) if known.stamp == candidate.stamp => is_worth_it(store, name.log(), &known, now)?,
                        _ => true,
                    };
            }
            if is_new && !store.is_forgotten(name.log(), now)? {
                unknown.entry(name.log()).or_default().push(name.clone());
            }
        }
        for (log, names) in &mut unknown {
            let followed = store.followed_n(*log)?;
            let is_after = |name: &ObjectName| matches!(name, ObjectName::Head { n, .. } if *n > followed);
            let (after, before): (Vec<_>, Vec<_>) = std::mem::take(names).into_iter().partition(is_after);
            *names = from_both_ends(after);
            names.extend(before);
        }
        Ok(unknown)
    }

    /// The smallest and the largest number of the heads of each log that are there.
    pub(super) fn shown_numbers(&self) -> BTreeMap<LogId, (u64, u64)> {
        let mut numbers: BTreeMap<LogId, (u64, u64)> = BTreeMap::new();
        for name in self.heads.objects() {
            if let &ObjectName::Head { log, n, .. } = name {
                let (first, last) = numbers.entry(log).or_insert((n, n));
                (*first, *last) = (n.min(*first), n.max(*last));
            }
        }
        numbers
    }

    /// Notes a head for which there is no room, so that it is not read in each round.
    fn note_no_room(&self, store: &mut Store, name: &ObjectName, now: Timestamp) -> Result<(), RoundError> {
        let counts = store.state(name.log())?.is_some_and(LogState::counts);
        let why = if counts { Rejection::TooManyWays } else { Rejection::NoRoom };
        self.note_head(store, name, &why, now)
    }

    fn note_head(
        &self,
        store: &mut Store,
        name: &ObjectName,
        why: &Rejection,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        for candidate in self.heads.candidates(name) {
            store.reject(&self.options.remote, &path(name, candidate), &candidate.stamp, why, now)?;
        }
        Ok(())
    }

    /// Notes a head that was judged, where that was forgotten at once for the newer ones of its log. What could not be used is
    /// not forgotten for it.
    fn note_older(&self, store: &mut Store, name: &ObjectName, now: Timestamp) -> Result<(), RoundError> {
        if store.knows_head(name)? || !store.has_room_for_rejected(&self.options.remote)? {
            return Ok(());
        }
        self.note_head(store, name, &older(), now)
    }

    /// Forgets that there was no room for a head, that it was unclear or older than is remembered: it is tried again.
    fn forget_no_room(&self, store: &mut Store, name: &ObjectName) -> Result<(), RoundError> {
        for candidate in self.heads.candidates(name) {
            let path = path(name, candidate);
            let known = store.rejected(&self.options.remote, &path)?;
            let is_put_off = |why| {
                matches!(why, Rejection::NoRoom | Rejection::TooManyWays | Rejection::Unclear(_) | Rejection::Older(_))
            };
            if known.is_some_and(|known| is_put_off(known.why)) {
                store.forget_rejected(&self.options.remote, &path)?;
            }
        }
        Ok(())
    }

    fn read_head(&mut self, store: &mut Store, name: &ObjectName, now: Timestamp) -> Result<Option<Seen>, RoundError> {
        let log = name.log();
        let is_new_log = store.state(log)?.is_none();
        self.forget_no_room(store, name)?;
        let fetched = self.fetch(store, name, None, now, &mut |round, store, file| {
            let (bytes, got) = round.read(file, Part::Whole { bytes_max: HEAD_BYTES_MAX })?;
            match store.see_head(name, &bytes, now) {
                Ok(seen) => Ok(Tried::Good((seen, got.bytes), got)),
                Err(error) => sort_out(error, got),
            }
        })?;
        let (seen, bytes) = match fetched {
            Fetched::Got(got) => got,
            Fetched::Refused(Refusal::Quota(_, reached)) => {
                self.note_no_room(store, name, now)?;
                self.problem(Problem::Quota(log, reached));
                return Ok(None);
            }
            Fetched::Refused(Refusal::Head(..)) => {
                self.note_older(store, name, now)?;
                return Ok(None);
            }
            // The listing was behind, or what is there was named as a problem.
            Fetched::Absent | Fetched::Bad | Fetched::Refused(_) => return Ok(None),
        };
        self.report.pulled.n_heads += 1;
        self.report.pulled.bytes += bytes;
        if is_new_log && store.state(log)?.is_some() {
            self.report.new_logs.push(log);
        }
        if seen == Seen::Unclear {
            let why = unclear(store, log)?;
            self.note_head(store, name, &why, now)?;
        } else {
            self.note_older(store, name, now)?;
        }
        match &seen {
            Seen::Shrunk { .. } => self.problem(Problem::Shrunk(log)),
            Seen::Forked { .. } => self.problem(Problem::Forked(log)),
            Seen::NeedsUpgrade => self.problem(Problem::NeedsUpgrade(log)),
            Seen::Foreign { log } => self.report.renewed = Some(*log),
            Seen::Followed { .. } | Seen::Known | Seen::Old | Seen::Unclear => {}
        }
        Ok(Some(seen))
    }
}

fn path(name: &ObjectName, candidate: &Candidate) -> String {
    format!("{}/{}", name.folder(), candidate.name)
}

/// Why a head is not read again that is older than those that are remembered.
fn older() -> Rejection {
    Rejection::Older(env!("CARGO_PKG_VERSION").to_owned())
}

/// Why a head is not clear: what is followed and held of its log.
fn unclear(store: &Store, log: LogId) -> Result<Rejection, RoundError> {
    let mut known = String::new();
    for followed in store.followed_of(log)? {
        let held = store.held(log, followed.track)?.into_values().map(|held| held.count()).sum::<u64>();
        known.push_str(&format!("{}/{held} ", followed.head.head().n));
    }
    Ok(Rejection::Unclear(known))
}

/// Whether a head that was not used in the state that it is in is tried again: where there was no room, once there is a place
/// for its log; where it was unclear, once more is known of its log; and both now and then.
fn is_worth_it(store: &Store, log: LogId, known: &Rejected, now: Timestamp) -> Result<bool, RoundError> {
    let is_long_ago = is_over(known.last, AGAIN_AFTER, now);
    Ok(match &known.why {
        Rejection::NoRoom => is_long_ago || has_room(store, log)?,
        Rejection::TooManyWays => is_long_ago,
        Rejection::Unclear(_) => is_long_ago || known.why != unclear(store, log)?,
        Rejection::Older(_) => known.why != older(),
        Rejection::Absent
        | Rejection::Damaged(_)
        | Rejection::Wrong(_)
        | Rejection::WrongHeader(_)
        | Rejection::Later
        | Rejection::UnpackedTooMuch => false,
    })
}

fn has_room(store: &Store, log: LogId) -> Result<bool, RoundError> {
    Ok(match store.state(log)? {
        None => store.has_room_for_strangers()?,
        Some(LogState::Unapproved | LogState::Revoked) => false,
        Some(LogState::Own | LogState::Former | LogState::Approved) => true,
    })
}

/// The first, the last, the second, the last but one, and so on.
fn from_both_ends(names: Vec<ObjectName>) -> Vec<ObjectName> {
    let (n, mut names) = (names.len(), names.into_iter());
    let take = |at: usize| if at.is_multiple_of(2) { names.next() } else { names.next_back() };
    (0..n).filter_map(take).collect()
}

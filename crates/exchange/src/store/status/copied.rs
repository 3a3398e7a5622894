//! Which devices' homes were copied, as far as heads show it.

use std::collections::{BTreeMap, BTreeSet};

use super::{LogStatus, Status};
use crate::name::LogId;
use crate::store::LogState;

/// The homes that write under one device's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied<'s> {
    /// Of each home the log that it writes now; two at least.
    pub sides: Vec<&'s LogStatus>,
    /// Whether two of them said something at one time. Else one of them began under the key without the word of another log, and
    /// may be the same home, begun anew.
    pub is_certain: bool,
}

impl Status {
    /// The devices whose home was copied: of each the logs that are written beside each other under its key, those that were
    /// revoked left out. A log that ended before its successor began, as when a backup was restored, is none; of one that ended
    /// later than another home began, its successor stands for it.
    ///
    /// Told by when heads were signed and when they came, so that it is said as soon as both have gone on, and no sooner.
    pub fn copied(&self) -> Vec<Copied<'_>> {
        let mut devices: BTreeMap<[u8; 32], Vec<&LogStatus>> = BTreeMap::new();
        for log in self.logs.iter().filter(|log| log.row.state != LogState::Revoked) {
            if let Some(key) = log.device_key() {
                devices.entry(key).or_default().push(log);
            }
        }
        let sides = devices.into_values().map(|logs| self.sides(&logs));
        sides.filter(|copied| copied.sides.len() > 1).collect()
    }

    /// The homes that write the logs of one device beside each other.
    fn sides<'s>(&self, logs: &[&'s LogStatus]) -> Copied<'s> {
        let (mut all, mut is_certain) = (BTreeSet::new(), false);
        for (log, other) in logs.iter().flat_map(|log| logs.iter().map(move |other| (*log, *other))) {
            let homes = [self.newest_of_home(log, logs), self.newest_of_home(other, logs)];
            if self.is_beside(log, other) && homes[0].row.log != homes[1].row.log {
                all.extend(homes.map(|home| home.row.log));
                is_certain |= went_on_beside(log, other);
            }
        }
        Copied { sides: logs.iter().copied().filter(|log| all.contains(&log.row.log)).collect(), is_certain }
    }

    /// The log that the home of a log writes now: that goes on from it, and began when it had ended.
    fn newest_of_home<'s>(&self, log: &'s LogStatus, logs: &[&'s LogStatus]) -> &'s LogStatus {
        let next = |log: &LogStatus| {
            let goes_on = logs.iter().copied().filter(|next| {
                next.row.vouched_by == Some(log.row.log)
                    && self.root_of(next) == self.root_of(log)
                    && !went_on_beside(log, next)
            });
            goes_on.max_by_key(|next| next.first_at)
        };
        std::iter::successors(Some(log), |log| next(log)).take(logs.len()).last().unwrap_or(log)
    }

    /// Whether both logs of one device were written at the same time.
    fn is_beside(&self, log: &LogStatus, other: &LogStatus) -> bool {
        if log.row.log == other.row.log {
            return false;
        }
        // A key that began a second log without the word of the first is in two homes whenever that was.
        if self.root_of(log) != self.root_of(other) {
            return true;
        }
        went_on_beside(log, other)
    }

    /// Whether both logs are of one device, and nothing shows that two homes of it write them: what one holds is on the other's disk.
    pub(super) fn is_of_one_home(&self, log: &LogStatus, other: &LogStatus) -> bool {
        let key = log.device_key();
        let is_of_one_device = key.is_some() && key == other.device_key() || self.root_of(log) == self.root_of(other);
        is_of_one_device && !went_on_beside(log, other)
    }

    /// Whether a log ended: a later one of the same home counts, so that what it held was on the disk that this one writes now.
    pub(super) fn is_left(&self, log: &LogStatus) -> bool {
        self.logs.iter().any(|next| {
            matches!(next.row.state, LogState::Own | LogState::Approved)
                && self.is_later(next, log)
                && self.is_of_one_home(log, next)
        })
    }

    /// Whether a log comes after another: it goes on from it, or neither does from the other, and it began later.
    fn is_later(&self, next: &LogStatus, log: &LogStatus) -> bool {
        let goes_on_from = |later: &LogStatus, from: &LogStatus| self.earlier(later).any(|log| log == from.row.log);
        let began_later = next.first_at.zip(log.first_at).is_some_and(|(next, log)| next > log);
        !goes_on_from(log, next) && (goes_on_from(next, log) || began_later)
    }

    /// Whether two homes write a log, and none of them goes on in one of its own yet, which tells them apart. One that was
    /// revoked needs no telling apart.
    pub fn is_forked(&self, log: &LogStatus) -> bool {
        let goes_on = self.logs.iter().any(|next| next.row.vouched_by == Some(log.row.log));
        log.n_ways > 1 && !goes_on && log.row.state != LogState::Revoked
    }

    /// The log that one goes on from, from word to word.
    fn root_of(&self, log: &LogStatus) -> LogId {
        self.earlier(log).last().unwrap_or(log.row.log)
    }

    /// The logs that one goes on from, the newest first.
    fn earlier(&self, log: &LogStatus) -> impl Iterator<Item = LogId> {
        let from = std::iter::successors(log.row.vouched_by, |from| self.log(*from)?.row.vouched_by);
        // Words may lead in a circle.
        from.take(self.logs.len())
    }
}

/// Whether the older of two logs said something after the younger began.
fn went_on_beside(log: &LogStatus, other: &LogStatus) -> bool {
    let (Some(first), Some(second)) = (log.first_at, other.first_at) else { return false };
    let (older, younger, began) = if first <= second { (log, other, second) } else { (other, log, first) };
    let Some(newest) = older.head else { return false };
    // Clocks may differ: one that was moved to a machine whose clock is behind had said its last before the other was met.
    newest.at > began && newest.came.is_none_or(|came| came >= younger.row.since)
}

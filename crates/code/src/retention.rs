//! Which snapshots to keep: everything for a while, then hourly, daily, weekly. Pure.

use std::collections::HashSet;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::config::Config;

use crate::git::ObjectId;

/// Ages up to which how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Everything.
    pub all: Duration,
    /// One an hour.
    pub hourly: Duration,
    /// One a day.
    pub daily: Duration,
    /// One a week.
    pub weekly: Duration,
}

/// A snapshot as retention sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its commit.
    pub commit: ObjectId,
    /// When it was made.
    pub time: Timestamp,
    /// What it wrote.
    pub bytes: u64,
}

/// What to keep of one line, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Stay, and why.
    pub keep: Vec<(ObjectId, Why)>,
    /// Go.
    pub drop: Vec<ObjectId>,
    /// Bytes the dropped ones wrote.
    pub bytes: u64,
}

/// Why a snapshot stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The newest of its line.
    Newest,
    /// Pinned.
    Pinned,
    /// Young.
    Recent,
    /// The newest of its hour.
    Hourly,
    /// The newest of its day.
    Daily,
    /// The newest of its week.
    Weekly,
    /// Its time lies in the future: a clock lied, so age says nothing.
    Future,
    /// No remote has it yet. Not for a policy to say: see [`crate::prune`].
    Unpublished,
}

impl Policy {
    /// Reads it off a configuration loaded with [`crate::settings::KEYS`].
    pub fn new(config: &Config) -> Self {
        let duration = |name| config.duration(name).expect("declared with a default");
        Self {
            all: duration("retention.all"),
            hourly: duration("retention.hourly"),
            daily: duration("retention.daily"),
            weekly: duration("retention.weekly"),
        }
    }

    /// A tighter policy for when the budget runs out: every age a quarter, but all of the last hour. Never keeps more
    /// than `self` does.
    #[must_use]
    pub fn tightened(self) -> Self {
        Self {
            all: (self.all / 4).max(HOUR).min(self.all),
            hourly: self.hourly / 4,
            daily: self.daily / 4,
            weekly: self.weekly / 4,
        }
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The hour, day and week that a time lies in, counted from the epoch.
///
/// Weeks hold whole days and days whole hours, so that the newest of a week is also the newest of its day and hour. A
/// snapshot that is kept for the longer span is therefore kept at every earlier time as well: thinning early and
/// often comes to the same as thinning late.
fn buckets(time: Timestamp) -> [i64; 3] {
    let hour = time.as_secs().div_euclid(60 * 60);
    let day = hour.div_euclid(24);
    [hour, day, day.div_euclid(7)]
}

/// Decides for one line. `items` newest first, as the line has them; hours, days and weeks are of UTC. The newest item always stays.
///
/// "Newest of its hour" goes by the order of the line, not by the times, since clocks may lie. An item counts as no older
/// than the one before it in the line, so that a clock that was set back does not make fresh ones look old. Idempotent
/// as long as the clock did not go back: a plan for what a plan keeps, at the same time, drops nothing.
pub fn plan(items: &[Item], pinned: &HashSet<ObjectId>, policy: &Policy, now: Timestamp) -> Plan {
    let mut seen: [HashSet<i64>; 3] = Default::default();
    let mut plan = Plan::default();
    let mut times: Vec<Timestamp> = items.iter().map(|item| item.time).collect();
    for at in (1..times.len()).rev() {
        times[at - 1] = times[at - 1].max(times[at]);
    }
    for (at, item) in items.iter().enumerate() {
        // Each item takes its place in its buckets, whatever else it is kept for.
        let mut first = [false; 3];
        for ((first, seen), bucket) in first.iter_mut().zip(&mut seen).zip(buckets(item.time)) {
            *first = seen.insert(bucket);
        }
        match reason(item, times[at], at == 0, pinned, policy, now, first) {
            Some(why) => plan.keep.push((item.commit, why)),
            None => {
                plan.drop.push(item.commit);
                plan.bytes = plan.bytes.saturating_add(item.bytes);
            }
        }
    }
    plan
}

/// Why an item that counts as made at `time` stays; `None` when it goes.
fn reason(
    item: &Item,
    time: Timestamp,
    newest: bool,
    pinned: &HashSet<ObjectId>,
    policy: &Policy,
    now: Timestamp,
    first: [bool; 3],
) -> Option<Why> {
    if newest {
        return Some(Why::Newest);
    }
    if pinned.contains(&item.commit) {
        return Some(Why::Pinned);
    }
    if item.time > now {
        return Some(Why::Future);
    }
    let age = now.since(time);
    if age < policy.all {
        return Some(Why::Recent);
    }
    let [hour, day, week] = first;
    let spans =
        [(hour, policy.hourly, Why::Hourly), (day, policy.daily, Why::Daily), (week, policy.weekly, Why::Weekly)];
    spans.into_iter().find(|(first, span, _)| *first && age < *span).map(|(_, _, why)| why)
}

#[cfg(test)]
mod tests;

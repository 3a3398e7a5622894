//! What a run reached: how often each thing happened that the checks are there for. A check proves nothing of what never happens.

use std::collections::{BTreeMap, BTreeSet};

/// Something that can happen in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// An armed failure failed, and the program ended.
    Crash,
    /// A home was put back to an earlier state.
    PutBack,
    /// A home was copied.
    Copied,
    /// A home went on in a new log.
    Renewed,
    /// A device saw that two homes write a log.
    Fork,
    /// A device saw a head that covers less than the one before.
    RolledBack,
    /// Small segments became a larger one.
    Merge,
    /// Records that were replaced became stubs.
    Stub,
    /// Old stubs became a run.
    Run,
    /// An attachment that nothing wants any more was dropped in a merge.
    AttachmentDropped,
    /// A segment that no head names was removed at a place.
    SegmentCollected,
    /// A list was.
    ListCollected,
    /// An old head was.
    HeadCollected,
    /// A head of another device was put where it was not.
    Relay,
    /// A file that had been put before and was gone was put again.
    PutAgain,
    /// A file was put beside a damaged one.
    Replica,
    /// A file of somebody else was found damaged.
    Damaged,
    /// A file that a head names was not there.
    Missing,
    /// A file was short or wrong and still changing.
    Arriving,
    /// All names of an object were taken.
    Blocked,
    /// A file was as its author made it, and of no use.
    Wrong,
    /// A file that unpacks to more than it says was met.
    Bomb,
    /// A head of a later version was met.
    LaterHead,
    /// Records of a kind that is not known yet were put off.
    LaterKind,
    /// Records waited for an attachment.
    Waited,
    /// Records were taken back.
    Retracted,
    /// A device was revoked.
    Revoked,
    /// A limit on what others bring was reached.
    Quota,
    /// A register was left with edits that did not know each other.
    Conflict,
    /// An edit settled a conflict.
    Settled,
    /// A thing was removed.
    Tombstone,
    /// A thing replaced an earlier one.
    Replaced,
    /// Somebody who means harm planted something.
    Attack,
    /// Something happened to files while no device looked.
    Mischief,
    /// A call failed because it was made to.
    CallFailed,
}

/// All of them, in words.
const EVENTS: &[(Event, &str)] = &[
    (Event::Crash, "crashes"),
    (Event::PutBack, "homes put back"),
    (Event::Copied, "homes copied"),
    (Event::Renewed, "homes that went on in a new log"),
    (Event::Fork, "forks seen"),
    (Event::RolledBack, "heads seen that cover less"),
    (Event::Merge, "merges of segments"),
    (Event::Stub, "replaced records dropped in them"),
    (Event::Run, "runs of old stubs made in them"),
    (Event::AttachmentDropped, "attachments dropped in them"),
    (Event::SegmentCollected, "segments collected"),
    (Event::ListCollected, "lists collected"),
    (Event::HeadCollected, "heads collected"),
    (Event::Relay, "heads passed on"),
    (Event::PutAgain, "lost files put again"),
    (Event::Replica, "files put beside damaged ones"),
    (Event::Damaged, "damaged files met"),
    (Event::Missing, "missing files met"),
    (Event::Arriving, "arriving files met"),
    (Event::Blocked, "objects without a free name"),
    (Event::Wrong, "useless files met"),
    (Event::Bomb, "bombs among them"),
    (Event::LaterHead, "heads of a later version met"),
    (Event::LaterKind, "deliveries that put off a later kind"),
    (Event::Waited, "deliveries in which records waited"),
    (Event::Retracted, "deliveries that took records back"),
    (Event::Revoked, "devices revoked"),
    (Event::Quota, "limits reached"),
    (Event::Conflict, "conflicts left in the end"),
    (Event::Settled, "conflicts settled"),
    (Event::Tombstone, "things removed"),
    (Event::Replaced, "things replaced"),
    (Event::Attack, "attacks"),
    (Event::Mischief, "files and trees meddled with"),
    (Event::CallFailed, "rounds that a place failed"),
];

/// What one run reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    counts: BTreeMap<Event, u64>,
    /// The points at which something crashed.
    crashed_at: BTreeSet<String>,
    /// The points that were passed.
    passed: BTreeSet<String>,
}

impl Reached {
    /// Notes that something happened.
    pub fn note(&mut self, event: Event) {
        self.add(event, 1);
    }

    /// Notes that something happened so often.
    pub fn add(&mut self, event: Event, n: u64) {
        if n > 0 {
            *self.counts.entry(event).or_default() += n;
        }
    }

    /// Notes a crash, and where.
    pub fn crashed(&mut self, at: Option<String>) {
        self.note(Event::Crash);
        self.crashed_at.extend(at);
    }

    /// Notes the points that were passed.
    pub fn pass(&mut self, points: BTreeMap<String, u64>) {
        self.passed.extend(points.into_keys());
    }
}

/// What many runs reached.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// How often, and in how many runs.
    counts: BTreeMap<Event, (u64, u64)>,
    crashed_at: BTreeSet<String>,
    passed: BTreeSet<String>,
}

impl Sum {
    /// Adds a run.
    pub fn add(&mut self, reached: &Reached) {
        for (event, n) in &reached.counts {
            let sum = self.counts.entry(*event).or_default();
            *sum = (sum.0 + n, sum.1 + 1);
        }
        self.crashed_at.extend(reached.crashed_at.iter().cloned());
        self.passed.extend(reached.passed.iter().cloned());
    }

    /// One line an event: how often it was reached, and by how many seeds. What was never reached stands there, too.
    pub fn lines(&self) -> Vec<String> {
        let line = |(event, what): &(Event, &str)| {
            let (n, n_seeds) = self.counts.get(event).copied().unwrap_or_default();
            format!("reached {n:>8} {what}, by {n_seeds} seeds")
        };
        let mut lines: Vec<String> = EVENTS.iter().map(line).collect();
        let missed: Vec<&str> = self.passed.difference(&self.crashed_at).map(String::as_str).collect();
        let but = if missed.is_empty() { String::new() } else { format!("; none at {}", missed.join(", ")) };
        lines.push(format!("reached {:>8} of {} points with crashes{but}", self.crashed_at.len(), self.passed.len()));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_reached_is_said_too() {
        let (mut sum, mut reached) = (Sum::default(), Reached::default());
        reached.crashed(Some("a".to_owned()));
        reached.pass(BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 1), ("c".to_owned(), 2)]));
        reached.add(Event::Merge, 2);
        sum.add(&reached);
        sum.add(&Reached::default());
        let lines = sum.lines().join("\n");
        assert!(lines.contains("       1 crashes, by 1 seeds"), "{lines}");
        assert!(lines.contains("       2 merges of segments, by 1 seeds"), "{lines}");
        assert!(lines.contains("       0 devices revoked, by 0 seeds"), "{lines}");
        assert!(lines.ends_with("1 of 3 points with crashes; none at b, c"), "{lines}");
    }

    #[test]
    fn every_event_has_its_words() {
        let mut said: Vec<Event> = EVENTS.iter().map(|(event, _)| *event).collect();
        said.sort_unstable();
        said.dedup();
        assert_eq!(said.len(), EVENTS.len());
        assert_eq!(said.len(), Event::CallFailed as usize + 1, "the last one is not the last any more");
    }
}

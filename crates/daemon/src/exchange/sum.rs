//! Several rounds as one.

use carry_exchange::name::ObjectName;
use carry_exchange::round::{Moved, Problem, Report, Unsent};

/// What moved, over rounds and remotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Records that are held now and were not before.
    pub n_records: u64,
    /// Records that this device said.
    pub n_said: u64,
    /// Taken in.
    pub pulled: Moved,
    /// Put of the own log.
    pub pushed: Moved,
    /// Put of others' logs.
    pub relayed: Moved,
    /// Removed.
    pub collected: Moved,
}

impl Sum {
    /// What moved in these rounds.
    pub fn of(report: &Report) -> Self {
        Self {
            n_records: report.records.values().copied().fold(0, u64::saturating_add),
            n_said: report.said.values().map(|n| u64::try_from(*n).unwrap_or(u64::MAX)).fold(0, u64::saturating_add),
            pulled: report.pulled,
            pushed: report.pushed,
            relayed: report.relayed,
            collected: report.collected,
        }
    }
}

/// Whether a round moved, folded or said anything.
pub(super) fn has_moved(report: &Report) -> bool {
    let moved = [report.pulled, report.pushed, report.relayed, report.collected];
    moved.iter().any(|moved| *moved != Moved::default())
        || !report.records.is_empty()
        || report.said.values().any(|n| *n > 0)
        || report.delivered.values().any(|delivered| delivered.n_folded > 0)
}

/// Adds a round to those before.
pub(super) fn add(all: &mut Report, report: Report) {
    for (sum, more) in [
        (&mut all.pulled, report.pulled),
        (&mut all.pushed, report.pushed),
        (&mut all.relayed, report.relayed),
        (&mut all.collected, report.collected),
    ] {
        sum.n_heads += more.n_heads;
        sum.n_objects += more.n_objects;
        sum.bytes = sum.bytes.saturating_add(more.bytes);
    }
    for (place, n) in report.records {
        *all.records.entry(place).or_default() += n;
    }
    for (stream, n) in report.said {
        *all.said.entry(stream).or_default() += n;
    }
    for (stream, more) in report.delivered {
        let delivered = all.delivered.entry(stream).or_default();
        delivered.n_folded += more.n_folded;
        delivered.n_retracted += more.n_retracted;
        // These say how it stands, not what was done.
        (delivered.n_deferred, delivered.n_waiting, delivered.n_damaged) =
            (more.n_deferred, more.n_waiting, more.n_damaged);
        (delivered.n_refused, delivered.n_asked) = (more.n_refused, more.n_asked);
    }
    all.published = report.published.or(all.published);
    all.renewed = report.renewed.or(all.renewed);
    for log in report.new_logs {
        if !all.new_logs.contains(&log) {
            all.new_logs.push(log);
        }
    }
    let before = std::mem::take(&mut all.unsent);
    for (place, unsent) in report.unsent {
        let is_new = unsent.is_new || before.get(&place).is_some_and(|before| before.is_new);
        all.unsent.insert(place, Unsent { is_new, ..unsent });
    }
    all.placed = report.placed;
    // What a later round could do after all is none any more. What is told once was found by this exchange all the same.
    let before = std::mem::replace(&mut all.problems, report.problems);
    for one in before {
        match one {
            Problem::Wrong(object, why) => {
                let again = Problem::StillWrong(object.clone(), why.clone());
                let found = all.problems.iter_mut().find(|problem| **problem == again);
                match (found, &object) {
                    (Some(found), _) => *found = Problem::Wrong(object, why),
                    (None, ObjectName::Head { .. }) => all.problems.push(Problem::Wrong(object, why)),
                    (None, ObjectName::List { .. } | ObjectName::Segment { .. }) => {}
                }
            }
            Problem::NeedsUpgrade(_) if !all.problems.contains(&one) => all.problems.push(one),
            _ => {}
        }
    }
    all.has_more = report.has_more;
}

#[cfg(test)]
mod tests {
    use carry_exchange::hash::Digest;
    use carry_exchange::name::LogId;

    use super::*;

    #[test]
    fn what_an_exchange_found_wrong_it_says_however_many_rounds_it_has() {
        let log = LogId::of_key(&[1; 32]);
        let (digest, why) = (Digest::of(&[b"a file"]), "why".to_owned());
        let (head, list) = (ObjectName::head(log, 1, digest), ObjectName::list(log, digest));
        let round = |problems: Vec<Problem>| Report { problems, ..Report::default() };
        let mut all = Report::default();
        let wrong = [head.clone(), list.clone()].map(|object| Problem::Wrong(object, why.clone()));
        add(&mut all, round([&wrong[..], &[Problem::NeedsUpgrade(log)]].concat()));
        add(&mut all, round(vec![Problem::StillWrong(list.clone(), why.clone())]));
        assert_eq!(all.problems, [wrong[1].clone(), wrong[0].clone(), Problem::NeedsUpgrade(log)]);
        // What an earlier exchange found stays no news, and a list that nothing names any more is none.
        let mut all = Report::default();
        add(&mut all, round(vec![Problem::StillWrong(head.clone(), why.clone()), wrong[1].clone()]));
        add(&mut all, round(vec![Problem::StillWrong(head.clone(), why.clone())]));
        assert_eq!(all.problems, [Problem::StillWrong(head, why)]);
    }

    #[test]
    fn rounds_add_up_and_the_last_one_says_what_is_wrong() {
        let (one, two) = (LogId::of_key(&[1; 32]), LogId::of_key(&[2; 32]));
        let stream: carry_exchange::name::StreamName = "notes".parse().expect("a name");
        let round = |n: u64, log| Report {
            pulled: Moved { n_heads: 1, n_objects: 2, bytes: n },
            records: [((one, stream.clone()), n)].into(),
            new_logs: vec![log],
            problems: vec![Problem::Forked(log)],
            has_more: n == 5,
            published: (n == 5).then_some(9),
            unsent: [((one, stream.clone()), Unsent { is_new: n == 5, ..Unsent::default() })].into(),
            ..Report::default()
        };
        let mut all = Report::default();
        assert!(!has_moved(&all));
        add(&mut all, round(5, one));
        add(&mut all, round(7, two));
        add(&mut all, Report { problems: Vec::new(), ..round(1, two) });
        assert_eq!(Sum::of(&all).n_records, 13);
        assert_eq!(all.pulled, Moved { n_heads: 3, n_objects: 6, bytes: 13 });
        assert_eq!(all.new_logs, [one, two]);
        assert_eq!((all.published, all.has_more, all.problems.len()), (Some(9), false, 0));
        assert!(all.unsent[&(one, stream.clone())].is_new, "it is said after the last one");
        assert!(has_moved(&all));
    }
}

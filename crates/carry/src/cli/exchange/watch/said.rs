//! What was said of one remote while exchanges with it go on, so that each thing is said once until it changes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use carry_daemon::exchange::unsent::is_kept_back;
use carry_exchange::name::{ObjectName, StreamName};
use carry_exchange::round::{Problem, Report};
use carry_exchange::store::Delivered;

use super::super::names::Names;
use super::super::problem;

/// What a problem is about: its kind and, where it has one, its object, log or stream.
type About = (&'static str, String);

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Problems, by what they are about, as it is said that they are settled.
    problems: BTreeMap<About, (Problem, String)>,
    /// What waits and what is damaged, by stream.
    delivered: BTreeMap<StreamName, Delivered>,
}

/// What there is to say after a round.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Problems that are new, or others than before.
    pub(super) problems: Vec<Problem>,
    /// What is not so any more, in words.
    pub(super) settled: Vec<String>,
}

impl Said {
    /// Takes a round in. Leaves in `report` what is to be said of strands, and gives what there is to say of problems.
    pub(super) fn take_in(&mut self, report: &mut Report, names: &Names) -> News {
        let mut news = News::default();
        let mut now = BTreeMap::new();
        for one in report.problems.iter().filter(|problem| !is_kept_back(report, problem)) {
            let about = about(one);
            if !self.problems.contains_key(&about) && !now.contains_key(&about) {
                news.problems.push(one.clone());
            }
            now.insert(about, (one.clone(), problem::settled(one, names)));
        }
        let named: BTreeSet<String> = now.keys().map(|(_, subject)| subject.clone()).collect();
        let before = std::mem::take(&mut self.problems);
        for (about, said) in before {
            if now.contains_key(&about) {
                continue;
            }
            if !is_over(&said.0, report) {
                now.insert(about, said);
            } else if !named.contains(&about.1) {
                news.settled.push(said.1);
            }
        }
        self.problems = now;
        for (stream, delivered) in &mut report.delivered {
            let counts = Delivered { n_folded: 0, n_retracted: 0, ..*delivered };
            if self.delivered.insert(stream.clone(), counts) == Some(counts) {
                (delivered.n_waiting, delivered.n_deferred, delivered.n_damaged) = (0, 0, 0);
            }
        }
        news
    }
}

fn about(one: &Problem) -> About {
    let subject = match one {
        Problem::Arriving(object)
        | Problem::Damaged(object)
        | Problem::Missing(object)
        | Problem::NoHead(object)
        | Problem::Blocked(object)
        | Problem::Wrong(object, _)
        | Problem::StillWrong(object, _)
        | Problem::Unreachable(object, _)
        | Problem::Lost(object, _) => object.to_string(),
        Problem::Shrunk(log) | Problem::Forked(log) | Problem::NeedsUpgrade(log) => log.to_string(),
        // How full the disk is changes all the time.
        Problem::Quota(log, reached) => format!("{log} {}", reached.limit.as_str()),
        Problem::Cut(log) => log.map_or(String::new(), |log| log.to_string()),
        Problem::Strand(stream, why) => format!("{} {why}", stream.as_str()),
    };
    (problem::kind(one), subject)
}

/// Whether what was said before, and was not met in this round, is so no more.
fn is_over(said: &Problem, report: &Report) -> bool {
    match said {
        // What cannot be put is met when a log is compared with what is there, which is once a day: that the rounds between say
        // nothing of it does not mean that it is settled.
        Problem::Lost(object, _) | Problem::Blocked(object) => {
            report.placed.get(&object.log()).is_some_and(|without| !without.contains(object))
        }
        // Only said when it is met.
        Problem::Shrunk(_) | Problem::Forked(_) | Problem::NeedsUpgrade(_) | Problem::Cut(_) => false,
        // A head that is wrong is not read again.
        Problem::Wrong(ObjectName::Head { .. }, _) | Problem::StillWrong(ObjectName::Head { .. }, _) => false,
        // A round that ended early has not come to everything.
        Problem::Arriving(_)
        | Problem::Damaged(_)
        | Problem::Missing(_)
        | Problem::Wrong(..)
        | Problem::StillWrong(..)
        | Problem::NoHead(_)
        | Problem::Unreachable(..)
        | Problem::Quota(..)
        | Problem::Strand(..) => !report.has_more,
    }
}

#[cfg(test)]
mod tests {
    use carry_exchange::hash::Digest;
    use carry_exchange::name::{LogId, ObjectName};
    use carry_exchange::round::Reached;
    use carry_exchange::store::Limit;

    use super::*;

    fn object(n: u64) -> ObjectName {
        let log: LogId = "0123456789abcdef0123456789abcdef".parse().unwrap_or_else(|e| panic!("{e}"));
        ObjectName::head(log, n, Digest::of(&[b"a head"]))
    }

    fn round(said: &mut Said, problems: &[Problem], has_more: bool) -> (usize, Vec<String>) {
        let mut report = Report { problems: problems.to_vec(), has_more, ..Report::default() };
        let news = said.take_in(&mut report, &Names::default());
        assert_eq!(report.problems, problems, "machines are told all of it");
        (news.problems.len(), news.settled)
    }

    #[test]
    fn a_problem_is_said_once_until_it_changes_or_is_settled() {
        let mut said = Said::default();
        let (missing, arriving) = (Problem::Missing(object(1)), Problem::Arriving(object(1)));
        let other = Problem::Unreachable(object(2), "no".to_owned());
        assert_eq!(round(&mut said, &[missing.clone(), other.clone()], false), (2, vec![]));
        assert_eq!(round(&mut said, &[other.clone(), missing.clone()], false), (0, vec![]));
        // Another reason is no news of the same file, another kind is, and neither is settled by it.
        let again = Problem::Unreachable(object(2), "still no".to_owned());
        assert_eq!(round(&mut said, &[again.clone(), arriving], false), (1, vec![]));
        // A round that was cut short says nothing of the rest.
        assert_eq!(round(&mut said, &[], true), (0, vec![]));
        let (n, settled) = round(&mut said, &[again], false);
        assert!(n == 0 && settled.len() == 1 && settled[0].contains("still arriving"), "{settled:?}");
        let (n, settled) = round(&mut said, std::slice::from_ref(&missing), false);
        assert!(n == 1 && settled.len() == 1 && settled[0].contains("still no"), "{settled:?}");
        assert_eq!(round(&mut said, &[missing], false), (0, vec![]));
    }

    #[test]
    fn a_disk_that_fills_up_is_said_once_and_what_is_met_once_is_not_settled() {
        let mut said = Said::default();
        let log = object(1).log();
        let full = |free| {
            let disk = Some(carry_exchange::store::DiskRoom { free, needed: 100 });
            Problem::Quota(log, Reached { limit: Limit::Disk, disk })
        };
        assert_eq!(round(&mut said, &[full(5), Problem::Forked(log)], false).0, 2);
        assert_eq!(round(&mut said, &[full(4)], false), (0, vec![]));
        let (n, settled) = round(&mut said, &[Problem::Forked(log)], false);
        assert!(n == 0 && settled.len() == 1 && settled[0].contains("4 bytes free"), "{settled:?}");
        assert_eq!(round(&mut said, &[full(3)], false).0, 1);
    }

    #[test]
    fn what_only_a_comparison_meets_is_not_settled_by_a_round_that_makes_none() {
        let mut said = Said::default();
        let (lost, blocked) = (Problem::Lost(object(1), "gone".to_owned()), Problem::Blocked(object(2)));
        assert_eq!(round(&mut said, &[lost.clone(), blocked.clone()], false), (2, vec![]));
        assert_eq!(round(&mut said, &[], false), (0, vec![]));
        assert_eq!(round(&mut said, &[lost, blocked], false), (0, vec![]), "it was said");
    }

    #[test]
    fn what_could_not_be_put_is_said_to_be_there_once_and_by_name() {
        let mut said = Said::default();
        let (lost, blocked) = (Problem::Lost(object(1), "gone".to_owned()), Problem::Blocked(object(2)));
        assert_eq!(round(&mut said, &[lost, blocked], false), (2, vec![]));
        let mut placed = |without: &[u64]| {
            let without = without.iter().map(|n| object(*n)).collect();
            let placed = BTreeMap::from([(object(1).log(), without)]);
            // Also where there is more to come: the log itself was gone through.
            let mut report = Report { placed, has_more: true, ..Report::default() };
            said.take_in(&mut report, &Names::default()).settled
        };
        let is_of = |settled: &[String], n| settled.len() == 1 && settled[0].contains(&object(n).to_string());
        let settled = placed(&[1]);
        assert!(is_of(&settled, 2) && settled[0].contains("that could not be put"), "{settled:?}");
        let settled = placed(&[]);
        assert!(is_of(&settled, 1) && settled[0].contains("that was lost"), "{settled:?}");
        assert!(placed(&[]).is_empty(), "it was said");
    }

    #[test]
    fn what_waits_is_said_when_it_is_more_or_less() {
        let mut said = Said::default();
        let stream: StreamName = "code".parse().unwrap_or_else(|e| panic!("{e}"));
        let mut shown = |n_waiting, n_folded| {
            let delivered = Delivered { n_waiting, n_folded, ..Delivered::default() };
            let mut report = Report { delivered: BTreeMap::from([(stream.clone(), delivered)]), ..Report::default() };
            said.take_in(&mut report, &Names::default());
            report.delivered[&stream].n_waiting
        };
        assert_eq!([shown(2, 0), shown(2, 5), shown(1, 0), shown(1, 1), shown(2, 0)], [2, 0, 1, 0, 2]);
    }
}

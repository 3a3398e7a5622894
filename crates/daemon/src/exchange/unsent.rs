//! What other devices keep from a remote by their settings, as uncommitted code: it is missing there and is not lost.
//!
//! A head names all that its device has said, wherever that went. Nobody but the device knows where it sends what it sends only to
//! places of its choice; where the end of such a stream is not there, it may also be still on its way.

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::round::{Problem, Report, Unsent};
use carry_exchange::store::status::StreamStatus;

use super::settings::PLAIN;

/// What of a round may be kept from the remote: by log and stream.
pub fn kept_back(report: &Report) -> impl Iterator<Item = (LogId, &StreamName, &Unsent)> {
    let of_choice = report.unsent.iter().filter(|((_, stream), _)| !PLAIN.contains(&stream.as_str()));
    of_choice.map(|((log, stream), unsent)| (*log, stream, unsent))
}

/// Whether a problem of a round is that a file is not there which may be kept from there.
pub fn is_kept_back(report: &Report, problem: &Problem) -> bool {
    let Problem::Missing(object) = problem else { return false };
    kept_back(report).any(|(_, _, unsent)| unsent.objects.contains(object))
}

/// Whether what is missing here of a stream of another device may be kept from the remotes that are asked: the end of it is missing.
pub fn may_be_kept_back(stream: &StreamName, standing: &StreamStatus) -> bool {
    !PLAIN.contains(&stream.as_str()) && standing.missing.last() > standing.held.last()
}

#[cfg(test)]
pub(crate) mod tests {
    use carry_exchange::hash::Digest;
    use carry_exchange::ranges::Ranges;
    use carry_exchange::segment::SegmentRef;

    use super::*;

    /// A round in which a file of this stream was missing, and nothing newer of it was there.
    pub(crate) fn without(stream: &str) -> Report {
        let (log, stream) = (LogId::of_key(&[7; 32]), stream.parse::<StreamName>().expect("a name"));
        let object = SegmentRef { first: 1, last: 2, bytes: 3, digest: Digest::of(&[b"x"]) }.name(log, &stream);
        let unsent = Unsent { objects: [object.clone()].into(), is_new: true };
        Report {
            problems: vec![Problem::Missing(object)],
            unsent: [((log, stream), unsent)].into(),
            ..Report::default()
        }
    }

    #[test]
    fn only_what_goes_to_places_of_choice_may_be_kept_from_one() {
        for (stream, is_of_choice) in [("code", true), ("sessions", false), ("curation", false)] {
            let report = without(stream);
            assert_eq!(kept_back(&report).count(), usize::from(is_of_choice), "{stream}");
            assert_eq!(is_kept_back(&report, &report.problems[0]), is_of_choice, "{stream}");
        }
        let report = without("code");
        let of_another = without("sessions").problems.remove(0);
        assert!(
            !is_kept_back(&report, &of_another) && !is_kept_back(&report, &Problem::Forked(LogId::of_key(&[7; 32])))
        );
    }

    #[test]
    fn it_may_be_kept_back_while_the_end_of_it_is_missing() {
        let of = |stream: &str, held, missing| {
            let standing = StreamStatus { held, missing, ..StreamStatus::default() };
            may_be_kept_back(&stream.parse().expect("a name"), &standing)
        };
        assert!(of("code", Ranges::default(), Ranges::of(1, 3)) && of("code", Ranges::of(1, 3), Ranges::of(4, 9)));
        assert!(!of("code", Ranges::of(4, 9), Ranges::of(1, 3)), "what came later was sent");
        assert!(!of("code", Ranges::of(1, 9), Ranges::default()), "nothing is missing");
        assert!(!of("sessions", Ranges::default(), Ranges::of(1, 3)), "that goes everywhere");
    }
}

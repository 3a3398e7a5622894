//! What is not at remotes, as its device may not send it there. It is said once, and of what is not here either: what this device
//! has from another remote it passes on, or nobody need care.

use std::collections::{BTreeMap, BTreeSet};

use carry_daemon::exchange::unsent::kept_back;
use carry_exchange::name::{LogId, ObjectName, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::round::Report;
use carry_exchange::store::status::{self, Status};

use super::names::Names;
use super::problem::unsent_advice;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// The streams of which something was missed that was not missed there before.
#[derive(Debug, Default)]
pub(super) struct Unsent(BTreeMap<(LogId, StreamName), Missed>);

/// What is missed of one.
#[derive(Debug, Default)]
struct Missed {
    remotes: BTreeSet<String>,
    objects: BTreeSet<ObjectName>,
}

impl Unsent {
    /// Adds what a round missed.
    pub(super) fn add(&mut self, remote: &str, report: &Report) {
        for (log, stream, unsent) in kept_back(report).filter(|(_, _, unsent)| unsent.is_new) {
            let missed = self.0.entry((log, stream.clone())).or_default();
            missed.remotes.insert(remote.to_owned());
            missed.objects.extend(unsent.objects.iter().cloned());
        }
    }

    /// Leaves what is missing here.
    pub(super) fn missing_here(mut self, shell: &Shell) -> Result<Self, Failure> {
        if self.is_empty() {
            return Ok(self);
        }
        if let Some(status) = status::look(&shell.home)? {
            self.leave_missing(&status);
        }
        Ok(self)
    }

    fn leave_missing(&mut self, status: &Status) {
        self.0.retain(|_, missed| {
            missed.objects.retain(|object| is_missing(object, status));
            !missed.objects.is_empty()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says it.
    pub(super) fn show(&self, shell: &Shell, names: &Names) {
        for ((log, stream), missed) in &self.0 {
            let n = u64::try_from(missed.objects.len()).unwrap_or(u64::MAX);
            let are = if n == 1 { "is" } else { "are" };
            let remotes: Vec<&str> = missed.remotes.iter().map(String::as_str).collect();
            shell.out.note(format_args!(
                "{} of {stream} of {} {are} not here, and not at {}. {} This is said once; `carry devices` says it as long as it is so.",
                text::count(n, "file"),
                names.whose(*log),
                remotes.join(" or "),
                unsent_advice(stream)
            ));
        }
    }
}

/// Whether a record of a file is published and not here.
fn is_missing(object: &ObjectName, status: &Status) -> bool {
    let ObjectName::Segment { log, stream, first, last, .. } = object else { return true };
    let missing = status.log(*log).and_then(|log| Some(&log.streams.get(stream)?.missing));
    missing.is_some_and(|missing| !missing.intersection(&Ranges::of(*first, *last)).is_empty())
}

#[cfg(test)]
mod tests {
    use carry_exchange::hash::Digest;
    use carry_exchange::segment::SegmentRef;
    use carry_exchange::store::status::{LogStatus, StreamStatus};
    use carry_exchange::store::{LogRow, LogState};
    use carry_kernel::clock::Timestamp;

    use super::*;

    fn status(log: LogId, stream: &StreamName, missing: Ranges) -> Status {
        let row = LogRow {
            log,
            alias: "desk".to_owned(),
            state: LogState::Approved,
            vouched_by: None,
            revoked_by: None,
            since: Timestamp::from_millis(0),
        };
        let streams = [(stream.clone(), StreamStatus { missing, ..StreamStatus::default() })].into();
        let of_log = LogStatus { streams, ..LogStatus::unseen(row) };
        Status { own: LogId::of_key(&[1; 32]), logs: vec![of_log] }
    }

    #[test]
    fn what_another_remote_brought_is_not_said() {
        let (log, stream) = (LogId::of_key(&[7; 32]), "code".parse::<StreamName>().expect("a name"));
        let object = |first, last| SegmentRef { first, last, bytes: 3, digest: Digest::of(&[b"x"]) }.name(log, &stream);
        let round = |is_new| {
            let missed = carry_exchange::round::Unsent { objects: [object(1, 2), object(3, 4)].into(), is_new };
            Report { unsent: [((log, stream.clone()), missed)].into(), ..Report::default() }
        };
        let left = |is_new, missing| {
            let mut unsent = Unsent::default();
            for remote in ["nas", "hub"] {
                unsent.add(remote, &round(is_new));
            }
            unsent.leave_missing(&status(log, &stream, missing));
            unsent.0.into_values().map(|missed| (missed.objects.len(), missed.remotes.len())).collect::<Vec<_>>()
        };
        assert_eq!(left(true, Ranges::of(1, 4)), [(2, 2)], "it is missed at both, and said once");
        assert_eq!(left(true, Ranges::of(4, 4)), [(1, 2)]);
        assert_eq!(left(true, Ranges::default()), []);
        assert_eq!(left(false, Ranges::of(1, 4)), [], "it was said before");
    }
}

//! What did not go as it should in an exchange, in words: what it means, and the way forward.

use carry_daemon::exchange::settings::CODE;
use carry_daemon::exchange::unsent::is_kept_back;
use carry_exchange::name::{ObjectName, StreamName};
use carry_exchange::remote::RemoteFile;
use carry_exchange::round::{Problem, Reached, Report};
use carry_exchange::store::{DiskRoom, Limit};
use serde::Serialize;

use super::names::Names;
use crate::text;

/// What a file of this device that nobody has a good copy of means, once all that could be asked was.
pub(super) const LOST_ADVICE: &str =
    "What it held is lost, unless another device has it. Everything else goes on, and nothing need be done.";

/// What it means that a file of this stream is missing where its device may not send it.
pub(in crate::cli) fn unsent_advice(stream: &StreamName) -> String {
    if stream.as_str() == CODE {
        "Perhaps its device sends no code there, which `carry remote add` with --code there changes; else it is on its way, and nothing is to be done."
            .to_owned()
    } else {
        format!(
            "A later version of Carry writes {stream}. Perhaps its device sends none there, or it is on its way; nothing is to be done."
        )
    }
}

/// What to do when two homes write one log.
pub(super) const FORK_ADVICE: &str = "Nothing is lost: both are taken in, and told apart as soon as one of them sees what the other said. See \"two homes write as\" in docs/exchange.md.";

/// What to do about what a device made wrong.
pub(super) const WRONG_ADVICE: &str =
    "The rest went on. Its device runs a program that is broken or not Carry: update it there.";

/// A problem for people.
pub(super) struct Words {
    /// What is so.
    pub(super) text: String,
    /// What to do, or that nothing is to be done.
    pub(super) advice: String,
}

/// A problem, for machines.
#[derive(Serialize)]
pub(super) struct ProblemJson {
    kind: &'static str,
    object: Option<String>,
    log: Option<String>,
    stream: Option<String>,
    reason: Option<String>,
    advice: String,
}

/// Whether something was not exchanged because of it that should have been.
pub(super) fn is_failure(problem: &Problem) -> bool {
    match problem {
        Problem::Damaged(_)
        | Problem::Wrong(..)
        | Problem::Unreachable(..)
        | Problem::Lost(..)
        | Problem::Blocked(_)
        | Problem::Cut(_)
        | Problem::Strand(..) => true,
        // Of a log that nobody approved no more is wanted; of others it is.
        Problem::Quota(_, reached) => matches!(reached.limit, Limit::Disk | Limit::Log | Limit::Segment),
        // These are how things stand, and settle or stay without anything being lost.
        Problem::Arriving(_)
        | Problem::Missing(_)
        | Problem::StillWrong(..)
        | Problem::NoHead(_)
        | Problem::Shrunk(_)
        | Problem::Forked(_)
        | Problem::NeedsUpgrade(_) => false,
    }
}

/// In words.
pub(super) fn words(problem: &Problem, names: &Names) -> Words {
    let of = |object: &ObjectName| names.whose(object.log());
    let (text, advice) = match problem {
        Problem::Arriving(object) => (
            format!("a file of {} is still arriving: {object}", of(object)),
            "Nothing is to be done: each exchange looks again, and names it as damaged if it stays as it is.".to_owned(),
        ),
        Problem::Damaged(object) => (
            format!("a file of {} is damaged there: {object}", of(object)),
            "The rest went on. `carry exchange verify --repair --deep` on a device that has a good copy puts it again at once; exchanges there do so within a day.".to_owned(),
        ),
        Problem::Wrong(object, why) | Problem::StillWrong(object, why) => (
            format!("a file of {} is as it was made, and cannot be used: {object}: {}", of(object), text::line(why)),
            WRONG_ADVICE.to_owned(),
        ),
        Problem::NoHead(object) => (
            format!("a file that is too large for it has the name of a head of {}: {object}", of(object)),
            "It is not read, and all else goes on. It is not signed, so it need not come from that device: delete it there.".to_owned(),
        ),
        Problem::Missing(object) => (
            format!("a file of {} is not there yet: {object}", of(object)),
            "It may still be on its way. If it never comes, `carry exchange verify --repair` on a device that has it puts it again at once; exchanges there do so within a day or two.".to_owned(),
        ),
        Problem::Unreachable(object, why) => (
            format!("a file of {} could not be read or written: {object}: {}", of(object), text::line(why)),
            "It is tried again. It must be yours to read and write; a file that a sync tool keeps only online must be made available on this device.".to_owned(),
        ),
        Problem::Lost(object, why) => (
            lost(object, why, names, None),
            "`carry exchange verify --repair` fetches it from whichever remote has it. What nobody has is lost; all else goes on.".to_owned(),
        ),
        Problem::Shrunk(log) => (
            format!("{} has gone back to an earlier state", names.show(*log)),
            "What it had said stays. Was a backup restored there? Its next exchange goes on under a new key.".to_owned(),
        ),
        Problem::Forked(log) => (
            format!("two homes write as {}", names.show(*log)),
            FORK_ADVICE.to_owned(),
        ),
        Problem::NeedsUpgrade(log) => (
            format!("{} runs a later version of Carry", names.show(*log)),
            "What this one cannot read of it is kept and passed on. Update Carry on this device, and it is taken in.".to_owned(),
        ),
        Problem::Quota(log, reached) => return quota(&names.show(*log), *reached),
        Problem::Blocked(object) => (
            format!("damaged files stand in the way of {object}"),
            "Delete them there: all files whose names begin so, and that a sync tool may have made copies of.".to_owned(),
        ),
        Problem::Cut(log) => (
            match log {
                Some(log) => format!("there are more files of {} than are looked at", names.show(*log)),
                None => "there are more files in the folder `h` than are looked at".to_owned(),
            },
            "Find out who puts them there, and delete what no device of yours wrote.".to_owned(),
        ),
        Problem::Strand(stream, why) => (
            format!("{} could not be read or written here: {}", stream.as_str(), text::line(why)),
            "The rest went on. `carry doctor` looks at what is kept here.".to_owned(),
        ),
    };
    Words { text, advice }
}

/// That it is settled, in words.
pub(super) fn settled(problem: &Problem, names: &Names) -> String {
    // What is needed no more, as what was merged into another file since, is not lost either.
    let is_there = |what: &str, object: &ObjectName| {
        format!("a file of {} {what} is there by now, or not needed any more: {object}", names.whose(object.log()))
    };
    match problem {
        Problem::Lost(object, _) => is_there("that was lost", object),
        Problem::Blocked(object) => is_there("that could not be put", object),
        _ => words(problem, names).text,
    }
}

/// That a file is neither good here nor there. `damaged` are the paths there at which nothing good can be read, where that was
/// looked at.
pub(super) fn lost(object: &ObjectName, why: &str, names: &Names, damaged: Option<&[String]>) -> String {
    let file = RemoteFile::object(object);
    let there = match damaged {
        None => "no good copy of it is there",
        Some(paths) if paths.iter().any(|path| path == file.path()) => "damaged there as well",
        Some(_) => "it is not there",
    };
    let (whose, held) = (names.whose(object.log()), held_in(object));
    format!("a file of {whose} is damaged here, and {there}: {held}: {}", text::line(why))
}

/// What is in a file: `records 3 to 5 of code`.
pub(super) fn held_in(object: &ObjectName) -> String {
    match object {
        ObjectName::Segment { stream, first, last, .. } if first == last => {
            format!("record {first} of {}", stream.as_str())
        }
        ObjectName::Segment { stream, first, last, .. } => {
            format!("records {first} to {last} of {}", stream.as_str())
        }
        ObjectName::Head { n, .. } => format!("head {n}"),
        ObjectName::List { .. } => "a list of files".to_owned(),
    }
}

/// A limit that was reached by what `name` brings.
fn quota(name: &str, reached: Reached) -> Words {
    let (text, advice) = match reached.limit {
        Limit::UnapprovedLog | Limit::Unpacked | Limit::Unapproved | Limit::UnpackedAll => (
            format!("no more is kept of {name}, which nobody approved"),
            "`carry devices approve NAME` trusts it, `carry devices forget NAME` lets go of it.",
        ),
        Limit::Disk => (
            format!(
                "the disk here is nearly full{}, and no more of {name} is taken in but what people decided",
                disk(reached.disk)
            ),
            "Make room on this disk, and the next exchange goes on by itself; or say how much must be free (exchange.free_min).",
        ),
        Limit::Log => (
            format!("{name} has brought as much as one device may"),
            "What is kept stays, and nothing more of it is taken in; exchange.quota_per_device says how much may be kept of one device.",
        ),
        Limit::Segment => (format!("{name} brings a file that is larger than any may be"), WRONG_ADVICE),
        Limit::Waiting | Limit::Logs | Limit::Ways | Limit::Streams | Limit::Segments | Limit::Attachment => (
            format!("not all of {name} is taken in: {}", reached.limit),
            "The rest went on. `carry devices` shows what is known here; `carry devices forget NAME` lets go of a device.",
        ),
    };
    Words { text, advice: advice.to_owned() }
}

/// ` (1.2 GiB free, 2 GiB must be)`, where that is known.
fn disk(disk: Option<DiskRoom>) -> String {
    disk.map_or(String::new(), |disk| format!(" ({})", of_disk(disk)))
}

/// `1.2 GiB free, 2 GiB must be`.
pub(in crate::cli) fn of_disk(disk: DiskRoom) -> String {
    format!("{} free, {} must be", text::size(disk.free), text::size(disk.needed))
}

/// The name of its kind.
pub(super) fn kind(problem: &Problem) -> &'static str {
    match problem {
        Problem::Arriving(_) => "arriving",
        Problem::Damaged(_) => "damaged",
        Problem::Missing(_) => "missing",
        Problem::Wrong(..) | Problem::StillWrong(..) => "wrong",
        Problem::NoHead(_) => "no-head",
        Problem::Unreachable(..) => "unreachable",
        Problem::Lost(..) => "lost",
        Problem::Shrunk(_) => "shrunk",
        Problem::Forked(_) => "forked",
        Problem::NeedsUpgrade(_) => "needs-upgrade",
        Problem::Quota(..) => "quota",
        Problem::Blocked(_) => "blocked",
        Problem::Cut(_) => "listing-cut",
        Problem::Strand(..) => "strand",
    }
}

/// For machines, of a repair: that needs no advice to repair.
pub(super) fn json_of_repair(problem: &Problem, names: &Names) -> ProblemJson {
    let mut json = json(problem, names);
    if matches!(problem, Problem::Lost(..)) {
        LOST_ADVICE.clone_into(&mut json.advice);
    }
    json
}

/// For machines, of a round.
pub(super) fn json_of_round(problem: &Problem, report: &Report, names: &Names) -> ProblemJson {
    let mut json = json(problem, names);
    if let (true, Problem::Missing(ObjectName::Segment { stream, .. })) = (is_kept_back(report, problem), problem) {
        json.advice = unsent_advice(stream);
    }
    json
}

/// For machines.
fn json(problem: &Problem, names: &Names) -> ProblemJson {
    let reason_of_limit;
    let (object, log, stream, reason) = match problem {
        Problem::Arriving(object)
        | Problem::Damaged(object)
        | Problem::Missing(object)
        | Problem::NoHead(object)
        | Problem::Blocked(object) => (Some(object), Some(object.log()), None, None),
        Problem::Unreachable(object, why)
        | Problem::Lost(object, why)
        | Problem::Wrong(object, why)
        | Problem::StillWrong(object, why) => (Some(object), Some(object.log()), None, Some(why)),
        Problem::Shrunk(log) | Problem::Forked(log) | Problem::NeedsUpgrade(log) => (None, Some(*log), None, None),
        Problem::Quota(log, reached) => {
            reason_of_limit = reached.limit.as_str().to_owned();
            (None, Some(*log), None, Some(&reason_of_limit))
        }
        Problem::Cut(log) => (None, *log, None, None),
        Problem::Strand(stream, why) => (None, None, Some(stream), Some(why)),
    };
    ProblemJson {
        kind: kind(problem),
        object: object.map(ToString::to_string),
        log: log.map(|log| log.to_string()),
        stream: stream.map(|stream| stream.as_str().to_owned()),
        reason: reason.cloned(),
        advice: words(problem, names).advice,
    }
}

#[cfg(test)]
mod tests {
    use carry_exchange::name::LogId;

    use super::*;

    #[test]
    fn what_cannot_be_written_is_not_taken_for_what_a_sync_tool_keeps_elsewhere_alone() {
        let log: LogId = "0123456789abcdef0123456789abcdef".parse().unwrap_or_else(|e| panic!("{e}"));
        let object = ObjectName::head(log, 1, carry_exchange::hash::Digest::of(&[b"a head"]));
        let words = words(&Problem::Unreachable(object, "permission denied".to_owned()), &Names::default());
        assert!(
            words.advice.contains("yours to read and write") && words.advice.contains("only online"),
            "{}",
            words.advice
        );
    }

    #[test]
    fn what_another_device_made_wrong_fails_the_exchange_that_finds_it_and_no_other() {
        let log: LogId = "0123456789abcdef0123456789abcdef".parse().unwrap_or_else(|e| panic!("{e}"));
        let object = ObjectName::head(log, 1, carry_exchange::hash::Digest::of(&[b"a head"]));
        let (new, known) = (Problem::Wrong(object.clone(), String::new()), Problem::StillWrong(object, String::new()));
        assert_eq!((is_failure(&new), is_failure(&known)), (true, false));
        assert_eq!(kind(&new), kind(&known));
    }

    #[test]
    fn each_limit_is_named_as_what_it_is() {
        let log: LogId = "0123456789abcdef0123456789abcdef".parse().unwrap_or_else(|e| panic!("{e}"));
        let of = |limit| Problem::Quota(log, Reached { limit, disk: None });
        for (limit, is_bad) in [
            (Limit::Disk, true),
            (Limit::Log, true),
            (Limit::Segment, true),
            (Limit::Unapproved, false),
            (Limit::UnapprovedLog, false),
            (Limit::UnpackedAll, false),
            (Limit::Ways, false),
        ] {
            assert_eq!(is_failure(&of(limit)), is_bad, "{limit:?}");
            let words = quota("desk", Reached { limit, disk: None });
            let is_stranger = matches!(limit, Limit::Unapproved | Limit::UnapprovedLog | Limit::UnpackedAll);
            assert_eq!(words.text.contains("nobody approved"), is_stranger, "{}", words.text);
            assert_eq!(words.text.contains("disk"), limit == Limit::Disk, "{}", words.text);
            assert_eq!(words.text.contains("8 ways at most"), limit == Limit::Ways, "{}", words.text);
        }
        let disk = Some(DiskRoom { free: 1 << 20, needed: 2 << 30 });
        let words = quota("desk", Reached { limit: Limit::Disk, disk });
        assert!(words.text.contains("(1.0 MiB free, 2.0 GiB must be)"), "{}", words.text);
    }
}

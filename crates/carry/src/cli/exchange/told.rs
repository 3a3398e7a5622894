//! What an exchange did, for people and machines.

use std::collections::BTreeMap;

use carry_daemon::exchange::settings::RemoteSettings;
use carry_daemon::exchange::unsent::{is_kept_back, kept_back};
use carry_daemon::exchange::{How, Sum};
use carry_exchange::round::{Direction, Moved, Report};
use carry_exchange::store::Delivered;
use serde::Serialize;

use super::names::Names;
use super::problem::{self, ProblemJson};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Problems of a kind that are named one by one for people.
const NAMED_MAX: usize = 5;

/// Says what came of it.
pub(super) fn show(
    shell: &Shell,
    remote: &RemoteSettings,
    how: &How,
    report: &Report,
    names: &Names,
) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&ExchangedJson::new(remote, how, report, names));
    }
    shell.out.say(format_args!("{}: {}.", remote.name, sentence(how, report, names)))?;
    if let Some(log) = report.renewed {
        shell.out.warn(format_args!(
            "something else wrote as this device, as after a backup or a copy; it goes on under a new key ({log})"
        ));
    }
    for log in &report.new_logs {
        if let Some(from) = names.spoken_for(*log) {
            shell.out.note(format_args!(
                "{} counts without a question, since {from} is approved and speaks for it: a backup was restored there, or its home was \
                 copied. `carry devices` says when both go on.",
                names.show(*log)
            ));
        }
    }
    show_problems(shell, report, names);
    if report.has_more && !how.is_dry_run {
        shell.out.note("There is more to move; the next exchange goes on.");
    }
    Ok(())
}

/// `took in 12 records of desktop (3.4 KiB), put 5 records (1.2 KiB)`. That old heads went, each replaced by its successor, is said to
/// machines and by `carry exchange gc` alone: it is no news, and sounds like a loss.
fn sentence(how: &How, report: &Report, names: &Names) -> String {
    news(how, report, names).unwrap_or_else(|| "nothing new".to_owned())
}

/// What of a round is said to people; `None` where nothing is.
pub(super) fn news(how: &How, report: &Report, names: &Names) -> Option<String> {
    let sum = Sum::of(report);
    let would = if how.is_dry_run { "would have " } else { "" };
    let mut parts = Vec::new();
    if sum.n_records > 0 || sum.pulled != Moved::default() {
        let records = match by_device(report, names) {
            by if by.is_empty() => moved(&sum.pulled),
            by => format!("{} ({})", by.join(", "), moved(&sum.pulled)),
        };
        parts.push(format!("taken in {records}"));
    }
    if sum.pushed != Moved::default() || sum.n_said > 0 {
        parts.push(match sum.n_said {
            0 => format!("put {}", moved(&sum.pushed)),
            n => format!("put {} ({})", text::count(n, "record"), moved(&sum.pushed)),
        });
    }
    if sum.relayed != Moved::default() {
        parts.push(format!("passed on {}", moved(&sum.relayed)));
    }
    (!parts.is_empty()).then(|| format!("{would}{}", parts.join(", ")))
}

/// `2 heads, 3 files, 1.2 KiB`.
fn moved(moved: &Moved) -> String {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    if moved.n_heads > 0 {
        parts.push(text::count(number(moved.n_heads), "head"));
    }
    if moved.n_objects > 0 {
        parts.push(text::count(number(moved.n_objects), "file"));
    }
    parts.push(text::size(moved.bytes));
    parts.join(", ")
}

/// `12 records of desktop`.
fn by_device(report: &Report, names: &Names) -> Vec<String> {
    let mut by_log: BTreeMap<_, u64> = BTreeMap::new();
    for ((log, _), n) in &report.records {
        *by_log.entry(*log).or_default() += n;
    }
    by_log.into_iter().map(|(log, n)| format!("{} of {}", text::count(n, "record"), names.show(log))).collect()
}

pub(super) fn show_problems(shell: &Shell, report: &Report, names: &Names) {
    let mut by_kind: BTreeMap<&'static str, Vec<problem::Words>> = BTreeMap::new();
    for problem in report.problems.iter().filter(|problem| !is_kept_back(report, problem)) {
        by_kind.entry(problem::kind(problem)).or_default().push(problem::words(problem, names));
    }
    for words in by_kind.into_values() {
        for one in words.iter().take(NAMED_MAX) {
            shell.out.warn(&one.text);
        }
        if words.len() > NAMED_MAX {
            shell.out.warn(format_args!("and {} more like these", words.len() - NAMED_MAX));
        }
        if let Some(first) = words.first() {
            shell.out.problem(style::HINT, "Hint", &first.advice);
        }
    }
    for (stream, delivered) in &report.delivered {
        put_off(stream.as_str(), delivered).iter().for_each(|words| shell.out.note(words));
        let stream = stream.as_str();
        if delivered.n_damaged > 0 {
            shell.out.warn(format_args!(
                "{stream}: what is kept here is damaged in places; `carry exchange verify --repair` fetches good copies"
            ));
        }
    }
}

/// Which records wait, and for what, as sentences.
fn put_off(stream: &str, delivered: &Delivered) -> Vec<String> {
    let records = |n: usize, one: &str, several: &str| {
        let verb = if n == 1 { one } else { several };
        format!("{} of {stream} {verb}", text::count(u64::try_from(n).unwrap_or(u64::MAX), "record"))
    };
    let mut said = Vec::new();
    if delivered.n_waiting > 0 {
        let waits = records(delivered.n_waiting, "waits", "wait");
        said.push(match (delivered.n_refused, delivered.n_waiting) {
            (0, _) => format!("{waits} for a file that is still to come."),
            (1, 1) if delivered.n_asked == 1 => format!(
                "{waits} for a file that came and stands on more than a partial clone here has; its device is asked for all of it."
            ),
            (_, 1) => format!("{waits} for a file that came and cannot be used; it is tried again."),
            // Which of them wait for which file is not known here.
            (1, _) => format!(
                "{waits} for files that are still to come, or that came and cannot be used: 1 such file is tried again."
            ),
            (n, _) => format!(
                "{waits} for files that are still to come, or that came and cannot be used: {n} such files are tried again."
            ),
        });
    }
    if delivered.n_asked > 0 && (delivered.n_refused, delivered.n_waiting) != (1, 1) {
        let n = u64::try_from(delivered.n_asked).unwrap_or(u64::MAX);
        let stands = if n == 1 { "stands" } else { "stand" };
        let files = text::count(n, "file");
        said.push(format!(
            "{files} of {stream} that came {stands} on more than a partial clone here has; the device is asked for all of it."
        ));
    }
    if delivered.n_asked > 0 {
        said.push("`git fetch --refetch --no-filter` in the clone gets it from the Git remote, too.".to_owned());
    }
    if delivered.n_deferred > 0 {
        let (are, they) = if delivered.n_deferred == 1 { ("it is", "it") } else { ("they are", "them") };
        said.push(format!(
            "{} of a kind that a later version of Carry knows; {are} kept, and an upgrade takes {they} in.",
            records(delivered.n_deferred, "is", "are")
        ));
    }
    said
}

/// An exchange that did not come about, for machines.
pub(super) fn show_failed(
    shell: &Shell,
    remote: &RemoteSettings,
    how: &How,
    class: &'static str,
    failure: &Failure,
) -> Result<(), Failure> {
    let (report, names) = (Report::default(), Names::default());
    let mut json = ExchangedJson::new(remote, how, &report, &names);
    (json.ok, json.class, json.error) = (false, Some(class), Some(failure.in_one_line()));
    shell.out.json(&json)
}

/// What an exchange did, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange")]
struct ExchangedJson<'a> {
    remote: &'a str,
    direction: &'static str,
    dry_run: bool,
    ok: bool,
    class: Option<&'static str>,
    error: Option<String>,
    records: Vec<RecordsJson<'a>>,
    said: BTreeMap<&'a str, usize>,
    delivered: BTreeMap<&'a str, DeliveredJson>,
    pulled: MovedJson,
    pushed: MovedJson,
    relayed: MovedJson,
    collected: MovedJson,
    published: Option<u64>,
    new_logs: Vec<String>,
    renewed: Option<String>,
    problems: Vec<ProblemJson>,
    unsent: Vec<UnsentJson<'a>>,
    has_more: bool,
}

/// Files that the device of a log may not send there.
#[derive(Serialize)]
struct UnsentJson<'a> {
    log: String,
    name: Option<&'a str>,
    device: Option<&'a str>,
    stream: &'a str,
    files: usize,
    new: bool,
}

/// Records that came.
#[derive(Serialize)]
struct RecordsJson<'a> {
    log: String,
    name: Option<&'a str>,
    device: Option<&'a str>,
    stream: &'a str,
    records: u64,
}

/// What a strand did.
#[derive(Serialize)]
struct DeliveredJson {
    folded: usize,
    waiting: usize,
    refused: usize,
    asked: usize,
    deferred: usize,
    retracted: usize,
    damaged: usize,
}

/// Files and bytes.
#[derive(Serialize)]
struct MovedJson {
    heads: usize,
    objects: usize,
    bytes: u64,
}

impl MovedJson {
    fn new(moved: Moved) -> Self {
        Self { heads: moved.n_heads, objects: moved.n_objects, bytes: moved.bytes }
    }
}

impl<'a> ExchangedJson<'a> {
    fn new(remote: &'a RemoteSettings, how: &How, report: &'a Report, names: &'a Names) -> Self {
        let records = report.records.iter().map(|((log, stream), records)| {
            let name = names.get(*log);
            RecordsJson {
                log: log.to_string(),
                name: name.map(|name| name.alias.as_str()),
                device: name.and_then(|name| name.device.as_deref()),
                stream: stream.as_str(),
                records: *records,
            }
        });
        let unsent = kept_back(report).map(|(log, stream, unsent)| {
            let name = names.get(log);
            UnsentJson {
                log: log.to_string(),
                name: name.map(|name| name.alias.as_str()),
                device: name.and_then(|name| name.device.as_deref()),
                stream: stream.as_str(),
                files: unsent.objects.len(),
                new: unsent.is_new,
            }
        });
        let delivered = report.delivered.iter().map(|(stream, delivered)| {
            let json = DeliveredJson {
                folded: delivered.n_folded,
                waiting: delivered.n_waiting,
                refused: delivered.n_refused,
                asked: delivered.n_asked,
                deferred: delivered.n_deferred,
                retracted: delivered.n_retracted,
                damaged: delivered.n_damaged,
            };
            (stream.as_str(), json)
        });
        Self {
            remote: &remote.name,
            direction: match how.direction {
                Direction::Both => "both",
                Direction::Pull => "pull",
                Direction::Push => "push",
            },
            dry_run: how.is_dry_run,
            ok: true,
            class: None,
            error: None,
            records: records.collect(),
            said: report.said.iter().map(|(stream, n)| (stream.as_str(), *n)).collect(),
            delivered: delivered.collect(),
            pulled: MovedJson::new(report.pulled),
            pushed: MovedJson::new(report.pushed),
            relayed: MovedJson::new(report.relayed),
            collected: MovedJson::new(report.collected),
            published: report.published,
            new_logs: report.new_logs.iter().map(ToString::to_string).collect(),
            renewed: report.renewed.map(|log| log.to_string()),
            problems: report.problems.iter().map(|problem| problem::json_of_round(problem, report, names)).collect(),
            unsent: unsent.collect(),
            has_more: report.has_more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_is_told_of_as_one() {
        let of = |n_waiting, n_refused, n_deferred| {
            let delivered = Delivered { n_waiting, n_refused, n_deferred, ..Delivered::default() };
            put_off("code", &delivered).join(" ")
        };
        assert_eq!(of(1, 0, 0), "1 record of code waits for a file that is still to come.");
        assert_eq!(of(2, 0, 0), "2 records of code wait for a file that is still to come.");
        assert_eq!(of(1, 1, 0), "1 record of code waits for a file that came and cannot be used; it is tried again.");
        let both = "12 records of code wait for files that are still to come, or that came and cannot be used:";
        assert_eq!(of(12, 1, 0), format!("{both} 1 such file is tried again."));
        assert_eq!(of(12, 2, 0), format!("{both} 2 such files are tried again."));
        let asked = |n_waiting, n_refused, n_asked| {
            put_off("code", &Delivered { n_waiting, n_refused, n_asked, ..Delivered::default() }).join(" ")
        };
        let stands = "on more than a partial clone here has;";
        let too = "`git fetch --refetch --no-filter` in the clone gets it from the Git remote, too.";
        assert_eq!(
            asked(1, 1, 1),
            format!(
                "1 record of code waits for a file that came and stands {stands} its device is asked for all of it. {too}"
            )
        );
        let asks = format!("{stands} the device is asked for all of it. {too}");
        assert_eq!(asked(12, 2, 1), format!("{} 1 file of code that came stands {asks}", of(12, 2, 0)));
        assert_eq!(asked(12, 2, 2), format!("{} 2 files of code that came stand {asks}", of(12, 2, 0)));
        assert_eq!(
            of(0, 0, 1),
            "1 record of code is of a kind that a later version of Carry knows; it is kept, and an upgrade takes it in."
        );
        assert_eq!(
            of(0, 0, 2),
            "2 records of code are of a kind that a later version of Carry knows; they are kept, and an upgrade takes them in."
        );
    }
}

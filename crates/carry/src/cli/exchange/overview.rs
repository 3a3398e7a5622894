//! The exchange in a few words: rows of `status`, a line of `up`, findings of `doctor`.

use carry_code::doctor::{Finding, Severity};
use carry_exchange::location::Location;
use carry_exchange::store::status::{self, Status};
use carry_exchange::store::{LostRow, StoreError, disk_room, look_at_lost};
use serde::Serialize;

use super::names::Names;
use super::overdue::{self, OverdueJson};
use super::problem::{FORK_ADVICE, WRONG_ADVICE, of_disk};
use super::silent;
use super::verify::counts;
use super::{aside, code};
use crate::cli::devices::{fingerprint_of, homes, waiting};
use crate::cli::remote::{self, Rounds, failing};
use crate::cli::sessions::{gaps, unsaid};
use crate::failure::{Failure, is_damaged_store};
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Clocks that differ by less are not worth a word.
const SKEW_MAX_MS: i64 = 5 * 60 * 1000;
/// Files that are lost and named one by one; `status --json` lists all.
const LOST_NAMED: usize = 5;

/// Says how the exchange stands; nothing when there is none. Asks no remote.
pub(in crate::cli) fn show(shell: &Shell) -> Result<(), Failure> {
    let settings = shell.exchange();
    if settings.remotes.is_empty() {
        return Ok(());
    }
    // That it cannot be read is no reason to say nothing of the repositories.
    let mut unread = None;
    let rounds = or_nothing(Rounds::look(shell), &mut unread);
    let status = or_nothing(status::look(&shell.home), &mut unread);
    let lost = or_nothing(look_at_lost(&shell.home), &mut unread);
    let overdue = status.as_ref().map_or(Ok(Vec::new()), |status| overdue::look(shell, status));
    let overdue = or_nothing(overdue, &mut unread);
    let unread = unread.map(Unread::new);
    let n_waiting = status.as_ref().map_or(Ok(0), |status| waiting(shell, status).map(|all| all.len()))?;
    let silent =
        status.as_ref().map_or_else(Vec::new, |status| silent::devices(shell, status, &rounds, &settings.remotes));
    // One that does not say is not low.
    let low = disk_room(&shell.home, settings.free).ok().flatten().filter(|disk| disk.is_low());
    if !shell.out.is_json() {
        shell.out.line(shell.out.paint(style::TITLE, "Exchange"))?;
    }
    let row = |label: &str, text: String| shell.out.line(format_args!("  {label:<10} {text}"));
    for remote in &settings.remotes {
        let row_of = rounds.of(&remote.name);
        let failing = failing(&row_of);
        let lost_there: Vec<&LostRow> = lost.iter().filter(|row| row.remote == remote.name).collect();
        if shell.out.is_json() {
            shell.out.json(&OverviewJson {
                remote: &remote.name,
                last_pull: row_of.pull.ok.map(|at| at.to_rfc3339()),
                last_push: row_of.push.ok.map(|at| at.to_rfc3339()),
                error: failing.map(|(.., why)| why).or(unread.as_ref().map(|unread| unread.what.as_str())),
                advice: unread.as_ref().map(|unread| unread.advice.as_str()),
                silent: silent::remote(shell, &rounds, &remote.name).is_some(),
                unapproved: n_waiting,
                unheard: silent.iter().map(|(log, _)| log.row.alias.as_str()).collect(),
                disk_low: low.is_some(),
                overdue: overdue.iter().map(OverdueJson::new).collect(),
                lost: lost_there.iter().map(|row| LostJson::new(row)).collect(),
            })?;
            continue;
        }
        let last = match row_of.pull.ok.into_iter().chain(row_of.push.ok).max() {
            Some(at) => format!("exchanged {}", carry_code::time::age(at, shell.now())),
            None if unread.is_some() => "not known when it was exchanged with last".to_owned(),
            None => "never exchanged; `carry exchange` does".to_owned(),
        };
        let code = if remote.has_code { ", with code" } else { "" };
        row(&remote.name, format!("{last}{code}"))?;
        if let Some((way, at, why)) = failing {
            let text = format!("{way} failed {}: {}", carry_code::time::age(at, shell.now()), text::line(why));
            row("attention", shell.out.paint(style::WARNING, text))?;
        }
        if let Some(days) = silent::remote(shell, &rounds, &remote.name) {
            let days = text::count(days, "day");
            let text = format!("no exchange with it went well for {days}; `carry remote test {}` asks it", remote.name);
            row("attention", shell.out.paint(style::WARNING, text))?;
        }
        if !lost_there.is_empty() {
            row("attention", shell.out.paint(style::WARNING, of_lost(&lost_there)))?;
        }
    }
    if shell.out.is_json() {
        return Ok(());
    }
    if let Some(unread) = unread {
        row("attention", shell.out.paint(style::WARNING, text::line(&unread.what)))?;
        shell.out.problem(style::HINT, "Hint", &unread.advice);
    }
    if n_waiting > 0 {
        let n = text::count(u64::try_from(n_waiting).unwrap_or(u64::MAX), "device");
        let wait = if n_waiting == 1 { "waits" } else { "wait" };
        row(
            "attention",
            shell.out.paint(style::WARNING, format!("{n} {wait} to be approved; `carry devices` names them")),
        )?;
    }
    let names = status.as_ref().map(Names::of).unwrap_or_default();
    if let Some(silent) = silent::in_words(shell, &silent, &names) {
        let text = format!("nothing was heard of {silent}; `carry devices revoke NAME` parts with one that is gone");
        row("attention", shell.out.paint(style::WARNING, text))?;
    }
    for overdue in &overdue {
        let text = overdue::in_words(overdue, &names, shell.now());
        let text = format!("{text}; each exchange asks other devices for what is missing, `carry doctor` says more");
        row("attention", shell.out.paint(style::WARNING, text))?;
    }
    if let Some(disk) = low {
        let text = format!("the disk is nearly full, and little is taken in: {}", of_disk(disk));
        row("attention", shell.out.paint(style::WARNING, text))?;
    }
    // That it cannot be read is told by what reads more of it.
    for held in code::in_a_word(shell).unwrap_or_default() {
        row("attention", shell.out.paint(style::WARNING, held))?;
    }
    Ok(())
}

/// Why it is not known how the exchange stands.
struct Unread {
    what: String,
    advice: String,
}

impl Unread {
    fn new(error: StoreError) -> Self {
        let how = if is_damaged_store(&error) { "is damaged" } else { "cannot be read" };
        let failure = Failure::from(error);
        Self { what: format!("exchange.db {how}: {}", failure.in_one_line()), advice: failure.hints().join(" ") }
    }
}

/// What was read, or nothing; the first error is kept.
fn or_nothing<T: Default>(read: Result<T, StoreError>, unread: &mut Option<StoreError>) -> T {
    read.unwrap_or_else(|error| {
        unread.get_or_insert(error);
        T::default()
    })
}

/// What is lost at one remote, in a few words.
fn of_lost(lost: &[&LostRow]) -> String {
    let n = text::count(text::len(lost), "file");
    let (are, them) = if lost.len() == 1 { ("is", "it") } else { ("are", "them") };
    format!(
        "{n} that this device wrote {are} damaged or gone here and missing there, so that no other can fetch {them}; \
         `carry exchange verify --repair` brings {them} back if any remote has a good copy"
    )
}

/// Says that there are remotes: part of `up`.
pub(in crate::cli) fn announce(shell: &Shell) -> Result<(), Failure> {
    let settings = shell.exchange();
    if settings.remotes.is_empty() || shell.out.is_json() {
        return Ok(());
    }
    let names: Vec<&str> = settings.remotes.iter().map(|remote| remote.name.as_str()).collect();
    shell.out.say(format_args!("Your devices exchange through {}; `carry exchange` does so now.", names.join(", ")))
}

/// After an exchange: who waits to be approved. With `met` also how to compare.
pub(super) fn note_unapproved(shell: &Shell, met: bool) -> Result<(), Failure> {
    if shell.out.is_json() {
        return Ok(());
    }
    let Some(status) = status::look(&shell.home)? else { return Ok(()) };
    let waiting = waiting(shell, &status)?;
    if waiting.is_empty() {
        return Ok(());
    }
    if !met {
        let n = text::count(text::len(&waiting), "device");
        shell
            .out
            .note(format_args!("{n} not approved yet; `carry devices` names them. Nothing of theirs is taken over."));
        return Ok(());
    }
    let names = Names::read(shell)?;
    for log in &waiting {
        shell.out.note(format_args!("{} is not approved yet. {}", names.show(log.row.log), fingerprint_of(log)));
    }
    shell.out.note(
        "Compare it with the one that `carry devices` shows there at the top; `carry devices approve NAME` then takes over what it writes.",
    );
    Ok(())
}

/// What is wrong with remotes, and with what is kept. Asks folders whether they are there, and no address.
pub(in crate::cli) fn findings(shell: &Shell) -> Vec<Finding> {
    let finding = |code, severity, problem: String, advice: &str| Finding {
        code,
        severity,
        problem,
        advice: advice.to_owned(),
        fix: None,
    };
    let settings = shell.exchange();
    let mut findings: Vec<Finding> = settings
        .warnings
        .iter()
        .map(|warning| {
            let advice = "It has no effect; `carry config edit` opens the file.";
            finding("exchange-configuration", Severity::Warning, warning.clone(), advice)
        })
        .collect();
    let rounds = Rounds::look(shell).unwrap_or_default();
    for remote in &settings.remotes {
        if let Some(days) = silent::remote(shell, &rounds, &remote.name) {
            findings.push(finding(
                "exchange-silent",
                Severity::Warning,
                format!("No exchange with {} went well for {}.", remote.name, text::count(days, "day")),
                "`carry remote test` says why, `carry up` starts a daemon that exchanges by itself, and `carry remote remove` forgets \
                 a remote that is not needed any more.",
            ));
        }
        let shown = remote::place(shell, &remote.location);
        if let Location::Folder(folder) = &remote.location {
            if !folder.is_dir() {
                findings.push(finding(
                    "exchange-unreachable",
                    Severity::Warning,
                    format!("The remote {} is not there: {shown}.", remote.name),
                    "Mount the disk or start the sync tool. Nothing is lost meanwhile; `carry remote remove` forgets it.",
                ));
                continue;
            }
            if !folder.join("carry/format.json").is_file() {
                findings.push(finding(
                    "exchange-no-marker",
                    Severity::Error,
                    format!("{shown} is not an exchange: carry/format.json is not there."),
                    "Is the right disk mounted, and has the sync tool finished? Nothing is written there until `carry remote add` \
                     makes it an exchange again.",
                ));
                continue;
            }
        }
        if let Some((way, _, why)) = failing(&rounds.of(&remote.name)) {
            let problem = format!("The last {way} with {} failed: {}.", remote.name, why.trim_end_matches('.'));
            let advice = "`carry remote test` asks it again, `carry exchange` tries again.";
            findings.push(finding("exchange-failing", Severity::Warning, problem, advice));
        }
    }
    findings.extend(gaps::finding(shell));
    findings.extend(unsaid::findings(shell));
    findings.extend(code::findings(shell));
    // That it cannot be read is told below.
    if let Ok(Some(status)) = status::look(&shell.home) {
        let silent = silent::devices(shell, &status, &rounds, &settings.remotes);
        if let Some(silent) = silent::in_words(shell, &silent, &Names::of(&status)) {
            findings.push(finding(
                "exchange-unheard",
                Severity::Warning,
                format!("Nothing was heard of {silent}."),
                "Does it still exchange? `carry exchange` there says so. `carry devices revoke NAME` parts with a device that is gone.",
            ));
        }
        findings.extend(overdue::findings(shell, &status));
    }
    findings.extend(of_store(shell, &finding));
    findings
}

/// What is wrong with what is kept, as far as tables and the sizes of files tell.
fn of_store(shell: &Shell, finding: &dyn Fn(&'static str, Severity, String, &str) -> Finding) -> Vec<Finding> {
    let mut findings = Vec::new();
    let store = match shell.store_to_read() {
        Ok(Some(store)) => store,
        Ok(None) => return findings,
        Err(failure) => {
            let problem = format!("What is kept of the exchange cannot be opened: {}.", failure.in_one_line());
            let advice = failure.hints().join(" ");
            let advice = if advice.is_empty() { "Nothing is exchanged while this is so." } else { &advice };
            findings.push(finding("exchange-unreadable", Severity::Error, problem, advice));
            return findings;
        }
    };
    match store.verify_quick() {
        Ok(found) => findings.extend(found.iter().map(|found| {
            let problem = format!("{}: {}.", found.what, found.problem);
            let advice = "`carry exchange verify --repair` fetches a good copy from a remote that has one.";
            finding("exchange-damaged", Severity::Error, problem, advice)
        })),
        Err(error) => {
            let problem = format!("What is kept of the exchange cannot be checked: {error}.");
            findings.push(finding(
                "exchange-unreadable",
                Severity::Error,
                problem,
                "`carry exchange verify` says more.",
            ));
        }
    }
    // What cannot be listed is no reason to say nothing of the rest.
    findings.extend(aside::findings(shell, &store.aside_dir(), &store.aside().unwrap_or_default()));
    if let Ok(Some(disk)) = store.disk_room()
        && disk.is_low()
        && !shell.exchange().remotes.is_empty()
    {
        findings.push(finding(
            "exchange-disk-low",
            Severity::Warning,
            format!(
                "The disk is nearly full ({}): of what other devices bring only what people decided is taken in.",
                of_disk(disk)
            ),
            "Make room, and the next exchange takes in the rest; exchange.free_min says how much must be free.",
        ));
    }
    if store.n_recent_renewals(shell.now()).is_ok_and(|n| n >= carry_exchange::store::RENEWALS_MAX) {
        findings.push(finding(
            "exchange-renewals",
            Severity::Warning,
            "This device went on under a new key 3 times or more in 7 days, since its home seemed to be copied each time.".to_owned(),
            "It goes on without doing so for now. A home on a stick or in a container looks so; if it was really copied, remove \
             the folder exchange and exchange.db from the copy.",
        ));
    }
    // That it cannot be read was told above.
    let mut lost = look_at_lost(&shell.home).unwrap_or_default();
    lost.retain(|row| shell.exchange().remote(&row.remote).is_some());
    findings.extend(of_lost_files(&lost, finding));
    if let Ok(status) = store.status() {
        findings.extend(of_logs(&status, finding));
    }
    findings
}

/// What is lost at remotes: the first by name, and how many more there are.
fn of_lost_files(lost: &[LostRow], finding: &dyn Fn(&'static str, Severity, String, &str) -> Finding) -> Vec<Finding> {
    let named = lost.iter().take(LOST_NAMED).map(|row| {
        format!("{} is missing at {}, and cannot be put there: {}.", row.object, row.remote, text::line(&row.why))
    });
    let more = match lost.len().saturating_sub(LOST_NAMED) {
        0 => None,
        1 => Some("1 more file that this device wrote is missing at a remote, and cannot be put there.".to_owned()),
        n => Some(format!("{n} more files that this device wrote are missing at remotes, and cannot be put there.")),
    };
    let advice = "`carry exchange verify --repair` brings one back if any remote has a good copy; another device that has one puts it there with \
                  `carry exchange verify --repair --deep`. If none has, what it held is lost: everything else goes on, and nothing need \
                  be done.";
    named.chain(more).map(|problem| finding("exchange-lost", Severity::Error, problem, advice)).collect()
}

fn of_logs(status: &Status, finding: &dyn Fn(&'static str, Severity, String, &str) -> Finding) -> Vec<Finding> {
    let mut findings = Vec::new();
    for log in &status.logs {
        let name = log.device.as_ref().map_or(log.row.alias.as_str(), |device| device.as_str());
        let mut add = |code, severity, problem: String, advice: &str| {
            findings.push(finding(code, severity, problem, advice));
        };
        if status.is_forked(log) {
            add("exchange-fork", Severity::Warning, format!("Two homes write as {name}."), FORK_ADVICE);
        }
        if log.has_shrunk {
            let advice =
                "What it had said stays. Was a backup restored there? Its next exchange goes on under a new key.";
            add("exchange-rollback", Severity::Warning, format!("{name} went back to an earlier state."), advice);
        }
        if log.needs_upgrade {
            let advice = "What it writes is kept, and taken in after an upgrade here.";
            add("exchange-upgrade", Severity::Warning, format!("{name} runs a later version of Carry."), advice);
        }
        // Anyone who can write to a place can put there what a stranger made wrong.
        if let Some((object, why)) = log.wrong.first().filter(|_| counts(log)) {
            let more = match log.wrong.len() {
                1 => String::new(),
                n => format!(" It made {} more wrong.", n - 1),
            };
            let problem = format!("{name} made {object} wrong, and it cannot be used: {}.{more}", text::line(why));
            add("exchange-wrong", Severity::Warning, problem, WRONG_ADVICE);
        }
        if let Some(skew) = log.skew_ms.filter(|skew| skew.abs() >= SKEW_MAX_MS) {
            let (minutes, how) = (skew.abs() / 60_000, if skew > 0 { "ahead of" } else { "behind" });
            let problem = format!("The clock of {name} is {minutes} min {how} this one, or more.");
            let advice = "Nothing is lost, but which of two edits is shown may surprise. Set the clock that is wrong.";
            add("exchange-skew", Severity::Warning, problem, advice);
        }
    }
    for copied in status.copied() {
        let sides = &copied.sides;
        let names: Vec<&str> = sides.iter().map(|log| log.row.alias.as_str()).collect();
        let device = sides.iter().find_map(|log| log.label()).unwrap_or("one device");
        findings.push(finding(
            "exchange-copied",
            Severity::Note,
            format!("{}: {}.", homes(&copied, &text::line(device)), names.join(", ")),
            "Each goes on in a log of its own, and nothing is lost. `carry devices` says more, and how to part with one.",
        ));
    }
    findings
}

/// One remote, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-overview")]
struct OverviewJson<'a> {
    remote: &'a str,
    last_pull: Option<String>,
    last_push: Option<String>,
    error: Option<&'a str>,
    advice: Option<&'a str>,
    silent: bool,
    unapproved: usize,
    unheard: Vec<&'a str>,
    disk_low: bool,
    overdue: Vec<OverdueJson<'a>>,
    lost: Vec<LostJson<'a>>,
}

/// An own file that is nowhere to be fetched, for machines.
#[derive(Serialize)]
struct LostJson<'a> {
    object: String,
    reason: &'a str,
    since: String,
}

impl<'a> LostJson<'a> {
    fn new(row: &'a LostRow) -> Self {
        Self { object: row.object.to_string(), reason: &row.why, since: row.since.to_rfc3339() }
    }
}

#[cfg(test)]
mod tests {
    use carry_exchange::hash::Digest;
    use carry_exchange::name::{LogId, ObjectName};
    use carry_exchange::store::status::LogStatus;
    use carry_exchange::store::{LogRow, LogState};
    use carry_kernel::clock::Timestamp;

    use super::*;

    #[test]
    fn what_was_made_wrong_is_counted_and_only_of_devices_that_count() {
        let log: LogId = "0123456789abcdef0123456789abcdef".parse().unwrap_or_else(|e| panic!("{e}"));
        let object = |n| ObjectName::head(log, n, Digest::of(&[b"a head"]));
        let found = |state, n: u64| {
            let row = LogRow {
                log,
                alias: "desk".to_owned(),
                state,
                vouched_by: None,
                revoked_by: None,
                since: Timestamp::from_millis(0),
            };
            let wrong = (1..=n).map(|n| (object(n), "it is no list".to_owned())).collect();
            let of_log = LogStatus { wrong, ..LogStatus::unseen(row) };
            let status = Status { own: log, logs: vec![of_log] };
            let finding = |code, severity, problem, advice: &str| Finding {
                code,
                severity,
                problem,
                advice: advice.to_owned(),
                fix: None,
            };
            of_logs(&status, &finding).into_iter().map(|found| found.problem).collect::<Vec<_>>()
        };
        let one = format!("desk made {} wrong, and it cannot be used: it is no list.", object(1));
        assert_eq!(found(LogState::Approved, 1), std::slice::from_ref(&one));
        assert_eq!(found(LogState::Approved, 3), [format!("{one} It made 2 more wrong.")]);
        for state in [LogState::Unapproved, LogState::Revoked] {
            assert_eq!(found(state, 2), Vec::<String>::new(), "{state:?}");
        }
    }
}

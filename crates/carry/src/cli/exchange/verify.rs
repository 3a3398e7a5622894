//! `carry exchange verify`: look at everything that is kept of the exchange, and heal it.

use std::collections::BTreeMap;

use carry_daemon::exchange::unsent::may_be_kept_back;
use carry_exchange::name::LogId;
use carry_exchange::store::status::{self, LogStatus};
use carry_exchange::store::{Finding, LogState};
use carry_sessions::stream::{self, Unread};
use serde::Serialize;

use super::aside;
use super::mend::{self, NAMED_MAX};
use super::names::Names;
use super::problem::unsent_advice;
use crate::failure::Failure;
use crate::output::style;
use crate::progress::Spinner;
use crate::text;
use crate::wire::Shell;

/// Check everything that is kept here of the exchange, and heal it
///
/// Reads every file and compares it with what was signed. Asks no remote, unless --repair is given: then what is damaged or missing
/// here is fetched from a remote that has it, and what is missing or damaged at a remote is put there. The exit code is 3 when
/// something could not be healed. What other devices wrote and has not come yet is named, and is no failure.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the remote to heal with; all by default
    #[arg(requires = "repair")]
    pub(super) remote: Option<String>,
    /// Only look whether every file is there in its full length
    #[arg(long)]
    quick: bool,
    /// Fetch what is damaged or missing here, and put what is missing or damaged at the remotes
    #[arg(long, conflicts_with = "quick")]
    repair: bool,
    /// Read every file at the remotes, too; else those whose size is right are believed
    #[arg(long, requires = "repair")]
    pub(super) deep: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    if args.repair {
        return mend::run(shell, args);
    }
    let Some(store) = shell.store_to_read()? else {
        return if shell.out.is_json() { Ok(()) } else { shell.out.line("Nothing was exchanged yet.") };
    };
    let findings = {
        let _spinner = Spinner::new(shell, "checking what is kept");
        if args.quick { store.verify_quick()? } else { store.verify()? }
    };
    show(shell, &findings, None, &Names::read(shell)?)?;
    if findings.is_empty() && !shell.out.is_json() {
        shell.out.line("Everything is as it was written.")?;
    }
    aside::show(shell, &store.aside()?)?;
    let has_lost = show_missing(shell)?;
    if !args.quick {
        let unread = {
            let _spinner = Spinner::new(shell, "reading what others say");
            stream::unread(&store)?
        };
        show_unread(shell, &unread)?;
    }
    drop(store);
    match (findings.is_empty(), has_lost) {
        (true, false) => return Ok(()),
        (true, true) => {
            return Err(Failure::failed("records that this device wrote are missing here")
                .hint("`carry exchange verify --repair` fetches good copies from the remotes that have them."));
        }
        (false, _) => {}
    }
    let are = if findings.len() == 1 { "is" } else { "are" };
    let n = text::count(text::len(&findings), "thing");
    Err(Failure::failed(format!("{n} kept here {are} not as written"))
        .hint("`carry exchange verify --repair` fetches good copies from the remotes that have them."))
}

/// Shows what was found. `left` is what still is so after a repair, or has come to be so; without one nothing was repaired.
pub(super) fn show(
    shell: &Shell,
    findings: &[Finding],
    left: Option<&[Finding]>,
    names: &Names,
) -> Result<(), Failure> {
    // What is wrong with a thing may be another thing after some of it was healed.
    let is_in = |all: &[Finding], one: &Finding| all.iter().any(|other| other.what == one.what);
    let new = left.into_iter().flatten().filter(|left| !is_in(findings, left));
    let all: Vec<&Finding> = findings.iter().chain(new).collect();
    let n_named = if shell.out.is_json() { all.len() } else { all.len().min(NAMED_MAX) };
    for &finding in &all[..n_named] {
        let repaired = left.is_some_and(|left| !is_in(left, finding));
        if shell.out.is_json() {
            shell.out.json(&FindingJson { what: &finding.what, problem: &finding.problem, repaired })?;
            continue;
        }
        let what = shell.out.paint(style::ERROR, names.what(&finding.what));
        let healed = if repaired { " (healed)" } else { "" };
        shell.out.line(format_args!("{what}: {}{healed}", text::line(&finding.problem)))?;
    }
    if all.len() > n_named {
        shell.out.line(format_args!("and {} more", all.len() - n_named))?;
    }
    Ok(())
}

/// Names what heads name and is missing here, of devices that count and streams that are taken in. Says whether this device wrote
/// any of it.
fn show_missing(shell: &Shell) -> Result<bool, Failure> {
    let Some(status) = status::look(&shell.home)? else { return Ok(false) };
    let (names, settings) = (Names::of(&status), shell.exchange());
    let mut has_lost = false;
    for log in status.logs.iter().filter(|log| counts(log)) {
        show_wrong(shell, log, &names)?;
        for (stream, state) in &log.streams {
            let n = state.missing.count();
            if n == 0 || !(log.is_ours() || settings.takes(stream)) {
                continue;
            }
            let is_lost = log.row.state == LogState::Own;
            has_lost |= is_lost;
            if shell.out.is_json() {
                shell.out.json(&MissingJson {
                    log: log.row.log.to_string(),
                    name: &log.row.alias,
                    stream: stream.as_str(),
                    missing: state.missing.iter().map(|range| [*range.start(), *range.end()]).collect(),
                    lost: is_lost,
                })?;
                continue;
            }
            let (records, whose) = (text::count(n, "record"), names.whose(log.row.log));
            let (are, they) = if n == 1 { ("is", "it is") } else { ("are", "they are") };
            let then = if is_lost { "" } else { "; each exchange asks for them" };
            let then = if n == 1 { then.replace("them", "it") } else { then.to_owned() };
            let what = format!("{records} of {} of {whose} {are} missing here ({})", stream.as_str(), state.missing);
            match is_lost {
                true => shell.out.warn(format_args!("{what}, and {they} this device's own")),
                false => shell.out.line(format_args!("{what}{then}."))?,
            }
            if !log.is_ours() && may_be_kept_back(stream, state) {
                shell.out.note(unsent_advice(stream));
            }
        }
    }
    Ok(has_lost)
}

/// Whether what its device says is taken in.
pub(super) fn counts(log: &LogStatus) -> bool {
    matches!(log.row.state, LogState::Own | LogState::Former | LogState::Approved)
}

/// Names what a device made wrong. Nothing here is amiss with it.
fn show_wrong(shell: &Shell, log: &LogStatus, names: &Names) -> Result<(), Failure> {
    for (object, reason) in &log.wrong {
        if shell.out.is_json() {
            let (log, object) = (log.row.log.to_string(), object.to_string());
            shell.out.json(&WrongJson { log, object, reason })?;
            continue;
        }
        shell.out.line(format_args!(
            "{} of {} is as it was made, and cannot be used: {}. Update Carry there.",
            object,
            names.whose(log.row.log),
            text::line(reason)
        ))?;
    }
    Ok(())
}

/// Names what other devices say and this version cannot read. That is no failure: it is kept as it is.
fn show_unread(shell: &Shell, unread: &BTreeMap<(LogId, &'static str), Unread>) -> Result<(), Failure> {
    if unread.is_empty() {
        return Ok(());
    }
    let status = status::look(&shell.home)?;
    let names = status.as_ref().map(Names::of).unwrap_or_default();
    for ((log, stream), unread) in unread {
        if shell.out.is_json() {
            let name = names.get(*log).map(|name| name.alias.as_str());
            let Unread { n_messages, n_records } = *unread;
            shell.out.json(&UnreadJson {
                log: log.to_string(),
                name,
                stream,
                messages: n_messages,
                records: n_records,
            })?;
            continue;
        }
        unread_words(stream, &names.whose(*log), *unread).iter().try_for_each(|words| shell.out.line(words))?;
    }
    Ok(())
}

fn unread_words(stream: &str, whose: &str, unread: Unread) -> Vec<String> {
    const BY: &str = "another program wrote that, or a later version of Carry";
    let Unread { n_messages, n_records } = unread;
    let mut words = Vec::new();
    if n_messages > 0 {
        let (n, are) = (text::count(n_messages, "message"), if n_messages == 1 { "is" } else { "are" });
        words.push(format!("{n} of {stream} of {whose} {are} shown as far as this version can read: {BY}."));
    }
    if n_records > 0 {
        let n = text::count(n_records, "record");
        let (are, them) = if n_records == 1 { ("is", "it") } else { ("are", "them") };
        words.push(format!("{n} of {stream} of {whose} {are} passed over, as this version cannot read {them}: {BY}."));
    }
    words
}

/// What its author made wrong, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-wrong")]
struct WrongJson<'a> {
    log: String,
    object: String,
    reason: &'a str,
}

/// What cannot be read of a stream, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-unread")]
struct UnreadJson<'a> {
    log: String,
    name: Option<&'a str>,
    stream: &'a str,
    messages: u64,
    records: u64,
}

/// Records that are missing here, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-missing")]
struct MissingJson<'a> {
    log: String,
    name: &'a str,
    stream: &'a str,
    missing: Vec<[u64; 2]>,
    lost: bool,
}

/// One finding, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-finding")]
struct FindingJson<'a> {
    what: &'a str,
    problem: &'a str,
    repaired: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_counted() {
        let words = |n_messages, n_records| unread_words("sessions", "laptop", Unread { n_messages, n_records });
        let by = "another program wrote that, or a later version of Carry.";
        assert_eq!(
            words(1, 2),
            [
                format!("1 message of sessions of laptop is shown as far as this version can read: {by}"),
                format!("2 records of sessions of laptop are passed over, as this version cannot read them: {by}"),
            ]
        );
        assert_eq!(words(2, 0).len() + words(0, 1).len(), 2);
    }
}

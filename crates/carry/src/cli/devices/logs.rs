//! What devices exchange: what of each is here, what is missing, and who has what.

use std::collections::BTreeMap;

use carry_code::registry::KnownDevice;
use carry_daemon::exchange::accord;
use carry_daemon::exchange::settings::Settings;
use carry_daemon::exchange::unsent::may_be_kept_back;
use carry_exchange::name::{ObjectName, StreamName};
use carry_exchange::store::LogState;
use carry_exchange::store::status::{Copied, LogStatus, Status, StreamStatus};
use comfy_table::{ColumnConstraint, Width};
use serde::Serialize;

use super::conflicts::Conflicts;
use super::waiting::waiting;
use super::{fingerprint, fingerprint_of};
use crate::called::Called;
use crate::cli::exchange::{Names, unsent_advice};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Files of one device that are wrong and named one by one; `--json` lists all.
const WRONG_SHOWN: usize = 3;
/// Clocks that differ by less are not worth a word.
const SKEW_SHOWN_MS: i64 = 60_000;

/// Spaces after a column.
const PADDING: u16 = 2;
/// Characters of a device's name and id that stand on one line, so that they can be copied.
const NAME_CHARS: usize = 48;

/// What a log is, once what was said of its device at Git remotes is known, too.
pub(super) fn state_of(log: &LogStatus, known: &[KnownDevice]) -> LogState {
    let is_revoked = accord::known_of(known, log).is_some_and(|known| known.is_revoked);
    match log.row.state {
        LogState::Unapproved if is_revoked => LogState::Revoked,
        state => state,
    }
}

/// Whether a log counts, in a word.
pub(super) fn state(log: &LogStatus, known: &[KnownDevice]) -> &'static str {
    match state_of(log, known) {
        LogState::Own => "this device",
        LogState::Former => "this device",
        LogState::Approved => "approved",
        LogState::Unapproved => "unknown",
        LogState::Revoked => "revoked",
    }
}

/// The state of a log as a table shows it.
fn standing(log: &LogStatus, known: &[KnownDevice]) -> &'static str {
    match state_of(log, known) {
        LogState::Own => "this device",
        LogState::Former => "formerly this",
        LogState::Approved => "approved",
        LogState::Unapproved => "NOT APPROVED",
        LogState::Revoked => "revoked",
    }
}

/// Shows all logs.
pub(super) fn show(
    shell: &Shell,
    status: &Status,
    conflicts: &Conflicts,
    known: &[KnownDevice],
) -> Result<(), Failure> {
    let (names, settings, called) = (Names::of(status), shell.exchange(), Called::read(shell)?);
    let mut table =
        shell.out.table(&["EXCHANGE", "NAME", "STATE", "STREAM", "PUBLISHED", "HERE", "MISSING", "SEEN", "SAFE ON"]);
    let mut widest = 0;
    for log in &status.logs {
        let device = match (&log.device, log.row.state) {
            (None, _) => "-".to_owned(),
            // What a stranger calls itself stands beside its id.
            (Some(_), LogState::Unapproved) => names.show(log.row.log),
            (Some(device), _) => called.log(log.row.log).unwrap_or_else(|| text::line(device.as_str())),
        };
        widest = widest.max(device.chars().count().min(NAME_CHARS));
        let seen = match (log.row.state, log.head) {
            (LogState::Own, _) => "-".to_owned(),
            (_, Some(head)) => carry_code::time::age(head.came.unwrap_or(head.at), shell.now()),
            (_, None) => "no head yet".to_owned(),
        };
        let first = [device, log.row.alias.clone(), standing(log, known).to_owned()];
        if log.streams.is_empty() {
            table.add_row(first.iter().map(String::as_str).chain(["-", "-", "-", "-", &seen, "-"]));
        }
        for (name, stream) in &log.streams {
            let safe: Vec<String> =
                status.safe_on(log.row.log, name).iter().map(|other| names.show(other.row.log)).collect();
            let safe = match (log.is_ours(), safe.is_empty()) {
                (true, true) => "nobody yet".to_owned(),
                (_, true) => "-".to_owned(),
                (_, false) => safe.join(", "),
            };
            let row = [
                name.as_str().to_owned(),
                published(stream),
                stream.held.count().to_string(),
                missing(stream, log.is_ours() || settings.takes(name)),
            ];
            table.add_row(first.iter().chain(&row).map(String::as_str).chain([seen.as_str(), &safe]));
        }
    }
    if let (Some(column), Ok(width)) = (table.column_mut(0), u16::try_from(widest)) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + PADDING)));
    }
    shell.out.line("")?;
    shell.out.line(table.trim_fmt())?;
    differing(shell, status, conflicts, &names)?;
    remarks(shell, status, &names)?;
    unsent(shell, status, &names);
    Ok(())
}

/// Says how many conflicts each device has a value in, if there are any. A column for them would be empty nearly always.
fn differing(shell: &Shell, status: &Status, conflicts: &Conflicts, names: &Names) -> Result<(), Failure> {
    let streams = status.logs.iter().flat_map(|log| log.streams.keys().map(move |stream| (log.row.log, stream)));
    let counted = streams.filter_map(|(log, stream)| {
        let n = conflicts.of(log, stream).filter(|n| *n > 0)?;
        Some(format!("{n} in {stream} of {}", names.whose(log)))
    });
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() {
        return Ok(());
    }
    let text = format!("Conflicts: {}; `carry conflicts` shows them.", counted.join(", "));
    shell.out.line(shell.out.paint(style::WARNING, text))
}

/// Says of what is missing here that its device may not send it, which is no fault.
fn unsent(shell: &Shell, status: &Status, names: &Names) {
    let settings = shell.exchange();
    for log in status.logs.iter().filter(|log| log.row.state == LogState::Approved) {
        let of_log =
            log.streams.iter().filter(|(stream, state)| settings.takes(stream) && may_be_kept_back(stream, state));
        for (stream, state) in of_log {
            let n = state.missing.count();
            shell.out.note(format_args!(
                "{} of {stream} of {} {} missing here, and may be at none of this device's remotes. {}",
                text::count(n, "record"),
                names.show(log.row.log),
                if n == 1 { "is" } else { "are" },
                unsent_advice(stream)
            ));
        }
    }
}

fn published(stream: &StreamStatus) -> String {
    match stream.n_unpublished() {
        0 => stream.published.to_string(),
        n => format!("{} (+{n} new)", stream.published),
    }
}

/// What is missing here of what is wanted. Nothing of a stream that no remote brings is, as of code without `--code`.
fn missing(stream: &StreamStatus, is_taken: bool) -> String {
    let mut parts = Vec::new();
    match stream.missing.count() {
        0 => {}
        _ if !is_taken => parts.push("not taken".to_owned()),
        n if stream.missing.n_ranges() <= 2 => parts.push(format!("{n} ({})", stream.missing)),
        n => parts.push(n.to_string()),
    }
    if stream.n_waiting > 0 {
        parts.push(format!("{} wait", stream.n_waiting));
    }
    if stream.n_deferred > 0 {
        parts.push(format!("{} of a later version", stream.n_deferred));
    }
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

/// What is not as it should be.
fn remarks(shell: &Shell, status: &Status, names: &Names) -> Result<(), Failure> {
    for log in &status.logs {
        let name = names.show(log.row.log);
        if status.is_forked(log) {
            shell.out.warn(format_args!(
                "two homes write as {name}; both are taken in, and told apart as soon as one of them sees what the other said. \
                 See \"two homes write as\" in docs/exchange.md"
            ));
        }
        if log.has_shrunk {
            shell.out.warn(format_args!("{name} went back to an earlier state; what it had said stays"));
        }
        if log.needs_upgrade {
            shell.out.warn(format_args!(
                "{name} runs a later version of Carry; what it writes is kept until an upgrade here"
            ));
        }
        for (object, why) in log.wrong.iter().take(WRONG_SHOWN) {
            shell.out.warn(format_args!("{name} made {object} wrong, and it cannot be used: {}", text::line(why)));
        }
        if log.wrong.len() > WRONG_SHOWN {
            shell.out.warn(format_args!("{name} made {} more wrong", log.wrong.len() - WRONG_SHOWN));
        }
        if let Some(skew) = log.skew_ms.filter(|skew| skew.abs() >= SKEW_SHOWN_MS) {
            let how = if skew > 0 { "ahead of" } else { "behind" };
            shell.out.warn(format_args!("the clock of {name} is {} min {how} this one, or more", skew.abs() / 60_000));
        }
    }
    copied(shell, status);
    let waiting = waiting(shell, status)?;
    if waiting.is_empty() {
        return Ok(());
    }
    for log in waiting {
        shell.out.note(format_args!("{} is not approved. {}", names.show(log.row.log), fingerprint_of(log)));
    }
    shell.out.note(
        "Nothing of theirs is taken over. Compare the fingerprint with the one that `carry devices` shows there at the top; \
         `carry devices approve NAME` trusts one, `carry devices forget NAME` lets go of it.",
    );
    Ok(())
}

/// Names the devices that run in two homes, with what means each.
fn copied(shell: &Shell, status: &Status) {
    let all = status.copied();
    for copied in &all {
        let [first, ..] = copied.sides.as_slice() else { continue };
        let device = first.label().or(first.device.as_ref().map(|device| device.as_str())).unwrap_or(&first.row.alias);
        let print = first.device_key().map_or(String::new(), |key| format!(" (fingerprint {})", fingerprint(&key)));
        shell.out.warn(format_args!(
            "{}: {}",
            homes(copied, &format!("{}{print}", text::line(device))),
            sides(shell, status, &copied.sides).join(", ")
        ));
    }
    if !all.is_empty() {
        shell.out.note(
            "If both are yours, nothing is lost and nothing has to be done: each goes on in a log of its own. `carry devices revoke NAME`, \
             with the name that stands before the brackets, takes nothing more over from that one alone. See \"a home was copied\" in \
             docs/exchange.md.",
        );
    }
}

/// How many homes write as a device, and what that means.
pub(in crate::cli) fn homes(copied: &Copied<'_>, device: &str) -> String {
    let n = copied.sides.len();
    match copied.is_certain {
        true => format!("{n} homes write as {device}, so one is a copy"),
        false => format!(
            "{n} homes write as {device}, or one that began anew without what it had exchanged: neither log speaks for the other"
        ),
    }
}

/// The homes, each by the name here of what it writes, with what tells it from the others.
pub(super) fn sides(shell: &Shell, status: &Status, sides: &[&LogStatus]) -> Vec<String> {
    sides.iter().map(|log| format!("{} ({})", log.row.alias, side(shell, status, log))).collect()
}

/// What tells one home from the other.
fn side(shell: &Shell, status: &Status, log: &LogStatus) -> String {
    let mut parts = vec![match (log.row.state, log.head.and_then(|head| head.came)) {
        (LogState::Own, _) => "this one".to_owned(),
        (_, Some(came)) => format!("seen {}", carry_code::time::age(came, shell.now())),
        (_, None) => "not seen yet".to_owned(),
    }];
    if let Some(from) = log.row.vouched_by {
        let from = status.log(from).map_or(from.to_string(), |from| from.row.alias.clone());
        parts.push(format!("goes on from {from}"));
    }
    if log.row.state == LogState::Unapproved {
        parts.push("not approved".to_owned());
    }
    parts.join(", ")
}

/// The names here of the logs that another home writes under the key of this one's device.
fn beside(log: &LogStatus, status: &Status) -> Vec<String> {
    let is_it = |other: &&LogStatus| other.row.log == log.row.log;
    let copied = status.copied().into_iter().find(|copied| copied.sides.iter().any(is_it));
    let sides = copied.map(|copied| copied.sides).unwrap_or_default();
    sides.into_iter().filter(|other| !is_it(other)).map(|other| other.row.alias.clone()).collect()
}

/// What a device exchanges, for machines.
#[derive(Clone, Serialize)]
pub(super) struct LogJson {
    log: String,
    name: String,
    state: &'static str,
    vouched_by: Option<String>,
    label: Option<String>,
    fingerprint: Option<String>,
    head: Option<u64>,
    signed: Option<String>,
    seen: Option<String>,
    skew_ms: Option<i64>,
    ways: usize,
    shrunk: bool,
    needs_upgrade: bool,
    wrong: Vec<WrongJson>,
    beside: Vec<String>,
    streams: BTreeMap<String, StreamJson>,
}

/// Something that its author made wrong.
#[derive(Clone, Serialize)]
struct WrongJson {
    object: String,
    reason: String,
}

impl WrongJson {
    fn new((object, why): &(ObjectName, String)) -> Self {
        Self { object: object.to_string(), reason: why.clone() }
    }
}

/// One stream.
#[derive(Clone, Serialize)]
struct StreamJson {
    published: u64,
    unpublished: u64,
    held: u64,
    missing: Vec<[u64; 2]>,
    taken: bool,
    waiting: u64,
    deferred: u64,
    conflicts: Option<u64>,
    safe_on: Vec<String>,
}

impl LogJson {
    pub(super) fn new(
        log: &LogStatus,
        status: &Status,
        conflicts: &Conflicts,
        known: &[KnownDevice],
        settings: &Settings,
    ) -> Self {
        let streams = log.streams.iter();
        Self {
            log: log.row.log.to_string(),
            name: log.row.alias.clone(),
            state: state_of(log, known).as_str(),
            vouched_by: log.row.vouched_by.map(|log| log.to_string()),
            label: log.label().map(ToOwned::to_owned),
            fingerprint: log.device_key().as_ref().map(fingerprint),
            head: log.head.map(|head| head.n),
            signed: log.head.map(|head| head.at.to_rfc3339()),
            seen: log.head.and_then(|head| head.came).map(|at| at.to_rfc3339()),
            skew_ms: log.skew_ms,
            ways: log.n_ways,
            shrunk: log.has_shrunk,
            needs_upgrade: log.needs_upgrade,
            wrong: log.wrong.iter().map(WrongJson::new).collect(),
            beside: beside(log, status),
            streams: streams
                .map(|(name, stream)| {
                    let is_taken = log.is_ours() || settings.takes(name);
                    let n_conflicts = conflicts.of(log.row.log, name);
                    (name.as_str().to_owned(), StreamJson::new(log, name, stream, status, n_conflicts, is_taken))
                })
                .collect(),
        }
    }
}

impl StreamJson {
    fn new(
        log: &LogStatus,
        name: &StreamName,
        stream: &StreamStatus,
        status: &Status,
        n_conflicts: Option<u64>,
        is_taken: bool,
    ) -> Self {
        let missing = stream.missing.iter().filter(|_| is_taken);
        Self {
            published: stream.published,
            unpublished: stream.n_unpublished(),
            held: stream.held.count(),
            missing: missing.map(|range| [*range.start(), *range.end()]).collect(),
            taken: is_taken,
            waiting: stream.n_waiting,
            deferred: stream.n_deferred,
            conflicts: n_conflicts,
            safe_on: status.safe_on(log.row.log, name).iter().map(|other| other.row.alias.clone()).collect(),
        }
    }
}

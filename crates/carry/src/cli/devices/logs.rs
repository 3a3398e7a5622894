//! What devices exchange: what of each is here, what is missing, and who has what.

use std::collections::BTreeMap;

use carry_exchange::name::StreamName;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{LogStatus, Status, StreamStatus};
use serde::Serialize;

use super::fingerprint;
use crate::cli::exchange::Names;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Clocks that differ by less are not worth a word.
const SKEW_SHOWN_MS: i64 = 60_000;

/// Whether a log counts, in a word.
pub(super) fn state(state: LogState) -> &'static str {
    match state {
        LogState::Own => "this device",
        LogState::Former => "this device",
        LogState::Approved => "approved",
        LogState::Unapproved => "unknown",
        LogState::Revoked => "revoked",
    }
}

/// The state of a log as a table shows it.
fn standing(log: &LogStatus) -> &'static str {
    match log.row.state {
        LogState::Own => "this device",
        LogState::Former => "formerly this",
        LogState::Approved => "approved",
        LogState::Unapproved => "NOT APPROVED",
        LogState::Revoked => "revoked",
    }
}

/// Shows all logs.
pub(super) fn show(shell: &Shell, status: &Status) -> Result<(), Failure> {
    let names = Names::of(status);
    let mut table =
        shell.out.table(&["EXCHANGE", "NAME", "STATE", "STREAM", "PUBLISHED", "HERE", "MISSING", "SEEN", "SAFE ON"]);
    for log in &status.logs {
        let device = log.device.as_ref().map_or("-".to_owned(), |device| text::line(device.as_str()));
        let seen = match (log.row.state, log.head) {
            (LogState::Own, _) => "-".to_owned(),
            (_, Some(head)) => carry_code::time::age(head.came.unwrap_or(head.at), shell.now()),
            (_, None) => "no head yet".to_owned(),
        };
        let first = [device, log.row.alias.clone(), standing(log).to_owned()];
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
            let row = [name.as_str().to_owned(), published(stream), stream.held.count().to_string(), missing(stream)];
            table.add_row(first.iter().chain(&row).map(String::as_str).chain([seen.as_str(), &safe]));
        }
    }
    shell.out.line("")?;
    shell.out.line(table.trim_fmt())?;
    if let Some(key) = status.own().and_then(|own| own.key.as_ref()) {
        let print = fingerprint(key);
        shell
            .out
            .note(format_args!("The fingerprint of this device's exchange key: {}", shell.out.paint(style::ID, print)));
    }
    remarks(shell, status, &names);
    Ok(())
}

fn published(stream: &StreamStatus) -> String {
    match stream.n_unpublished() {
        0 => stream.published.to_string(),
        n => format!("{} (+{n} new)", stream.published),
    }
}

fn missing(stream: &StreamStatus) -> String {
    let mut parts = Vec::new();
    match stream.missing.count() {
        0 => {}
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
fn remarks(shell: &Shell, status: &Status, names: &Names) {
    for log in &status.logs {
        let name = names.show(log.row.log);
        if log.n_ways > 1 {
            shell.out.warn(format_args!("two homes write as {name}; both are taken in"));
        }
        if log.has_shrunk {
            shell.out.warn(format_args!("{name} went back to an earlier state; what it had said stays"));
        }
        if log.needs_upgrade {
            shell.out.warn(format_args!(
                "{name} runs a later version of Carry; what it writes is kept until an upgrade here"
            ));
        }
        if let Some(skew) = log.skew_ms.filter(|skew| skew.abs() >= SKEW_SHOWN_MS) {
            let how = if skew > 0 { "ahead of" } else { "behind" };
            shell.out.warn(format_args!("the clock of {name} is {} min {how} this one, or more", skew.abs() / 60_000));
        }
    }
    let mut waiting = status.unapproved().peekable();
    if waiting.peek().is_none() {
        return;
    }
    for log in waiting {
        let print = log.key.as_ref().map_or("not known yet".to_owned(), fingerprint);
        shell.out.note(format_args!(
            "{} is not approved. The fingerprint of its exchange key: {print}",
            names.show(log.row.log)
        ));
    }
    shell.out.note(
        "Nothing of theirs is taken over. Compare the fingerprint with what `carry devices` shows there; `carry devices approve NAME` \
         trusts one, `carry devices forget NAME` lets go of it.",
    );
}

/// What a device exchanges, for machines.
#[derive(Clone, Serialize)]
pub(super) struct LogJson {
    log: String,
    name: String,
    state: &'static str,
    vouched_by: Option<String>,
    fingerprint: Option<String>,
    head: Option<u64>,
    signed: Option<String>,
    seen: Option<String>,
    skew_ms: Option<i64>,
    ways: usize,
    shrunk: bool,
    needs_upgrade: bool,
    streams: BTreeMap<String, StreamJson>,
}

/// One stream.
#[derive(Clone, Serialize)]
struct StreamJson {
    published: u64,
    unpublished: u64,
    held: u64,
    missing: Vec<[u64; 2]>,
    waiting: u64,
    deferred: u64,
    safe_on: Vec<String>,
}

impl LogJson {
    pub(super) fn new(log: &LogStatus, status: &Status) -> Self {
        let streams = log.streams.iter();
        Self {
            log: log.row.log.to_string(),
            name: log.row.alias.clone(),
            state: log.row.state.as_str(),
            vouched_by: log.row.vouched_by.map(|log| log.to_string()),
            fingerprint: log.key.as_ref().map(fingerprint),
            head: log.head.map(|head| head.n),
            signed: log.head.map(|head| head.at.to_rfc3339()),
            seen: log.head.and_then(|head| head.came).map(|at| at.to_rfc3339()),
            skew_ms: log.skew_ms,
            ways: log.n_ways,
            shrunk: log.has_shrunk,
            needs_upgrade: log.needs_upgrade,
            streams: streams
                .map(|(name, stream)| (name.as_str().to_owned(), StreamJson::new(log, name, stream, status)))
                .collect(),
        }
    }
}

impl StreamJson {
    fn new(log: &LogStatus, name: &StreamName, stream: &StreamStatus, status: &Status) -> Self {
        Self {
            published: stream.published,
            unpublished: stream.n_unpublished(),
            held: stream.held.count(),
            missing: stream.missing.iter().map(|range| [*range.start(), *range.end()]).collect(),
            waiting: stream.n_waiting,
            deferred: stream.n_deferred,
            safe_on: status.safe_on(log.row.log, name).iter().map(|other| other.row.alias.clone()).collect(),
        }
    }
}

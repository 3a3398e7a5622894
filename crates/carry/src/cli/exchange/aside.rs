//! Files that the exchange's database does not know.

use std::path::Path;

use carry_code::doctor::{Finding, Severity};
use carry_exchange::store::Aside;
use carry_kernel::clock::Timestamp;
use serde::Serialize;

use super::mend::NAMED_MAX;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Names files that nothing here knows. That is no failure: a process may have died between a file and the note of it.
pub(super) fn show(shell: &Shell, aside: &[Aside]) -> Result<(), Failure> {
    if shell.out.is_json() {
        return aside.iter().try_for_each(|file| {
            let path = file.path.display().to_string();
            shell.out.json(&AsideJson { path, bytes: file.bytes, since: file.since.map(|since| since.to_rfc3339()) })
        });
    }
    for file in aside.iter().take(NAMED_MAX) {
        let path = text::line(&file.path.display().to_string());
        let then = match file.since {
            Some(_) => "lies aside and goes when its grace period (exchange.grace) is over",
            None => "the next exchange takes it in again if it is this device's, or sets it aside",
        };
        shell.out.note(format_args!("Nothing here knows {path} ({}): {then}.", text::size(file.bytes)));
    }
    if aside.len() > NAMED_MAX {
        shell.out.note(format_args!("And {} more.", text::count(text::len(aside) - NAMED_MAX as u64, "such file")));
    }
    Ok(())
}

/// How many files of these there are, how large, where, and until when.
pub(super) fn findings(shell: &Shell, dir: &Path, all: &[Aside]) -> Vec<Finding> {
    let (aside, left): (Vec<&Aside>, Vec<&Aside>) = all.iter().partition(|file| file.since.is_some());
    let finding = |files: &[&Aside], place: String, advice: String| {
        let bytes = files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
        let (n, lie) = (text::count(text::len(files), "file"), if files.len() == 1 { "lies" } else { "lie" });
        let problem = format!("{n} ({}) that exchange.db does not know {lie} {place}.", text::size(bytes));
        Finding { code: "exchange-aside", severity: Severity::Note, problem, advice, fix: None }
    };
    let since = || aside.iter().filter_map(|file| file.since);
    let mut findings = Vec::new();
    if let (Some(first), Some(last)) = (since().min(), since().max()) {
        let grace = shell.exchange().grace;
        let until = |since: Timestamp| text::local_time(since.after(grace));
        let until = match first == last {
            true => format!("on {}", until(first)),
            false => format!("between {} and {}", until(first), until(last)),
        };
        let advice = format!(
            "Nothing need be done: exchanges remove what has lain there for exchange.grace, {until}. `carry exchange verify` names them."
        );
        findings.push(finding(&aside, format!("aside in {}", shell.folder(dir)), advice));
    }
    if !left.is_empty() {
        let advice = "Nothing need be done: the next exchange takes in again what goes on from this device's log, and sets the \
                      rest aside for exchange.grace. `carry exchange verify` names them.";
        let place = format!("in {}", shell.folder(dir.parent().unwrap_or(dir)));
        findings.push(finding(&left, place, advice.to_owned()));
    }
    findings
}

/// A file that nothing here knows, for machines; without `since` it lies where it was.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-aside")]
struct AsideJson {
    path: String,
    bytes: u64,
    since: Option<String>,
}

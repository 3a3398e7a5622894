//! `carry sessions verify`: whether the archive is whole, and holds what the agents have.

use carry_sessions::archive::Archive;
use carry_sessions::list::Filter;
use serde::Serialize;

use super::archive;
use super::raw::{self, Standing, Version};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::text;
use crate::wire::Shell;

/// Problems named one by one for people.
const NAMED_MAX: usize = 20;

/// Check the archive, and compare it with the agents' files
///
/// Fails when something in the archive is damaged. The exit code is 3 when an agent's file is not as it was archived.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(shell: &Shell, _args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let progress = Progress::new(shell);
    let damage = archive.verify(&mut |done, total| progress.show("checking the archive", done, total))?;
    let mut checked = Checked::default();
    compare(&archive, &progress, &mut checked)?;
    drop(progress);
    if shell.out.is_json() {
        shell.out.json(&VerifiedJson {
            sessions: checked.sessions,
            damage: &damage,
            same: checked.same,
            longer: checked.longer,
            gone: checked.gone,
            different: &checked.different,
            unreadable: &checked.unreadable,
        })?;
    } else {
        show(shell, &damage, &checked)?;
    }
    match (damage.len(), checked.different.len() + checked.unreadable.len()) {
        (0, 0) => Ok(()),
        (0, n) => Err(Failure::partly(format!("{} of the agents' files are not as they were archived", n))
            .hint("`carry sessions index` archives them as they are now; what was archived before stays restorable.")),
        (n, _) => Err(Failure::failed(format!("the archive is damaged in {}", text::count(n as u64, "place")))
            .hint("Move the archive away, but keep it, and run `carry sessions index`: what agents still have is archived anew. Stars, labels, names, pins and sessions that are only here stay behind in the old file.")),
    }
}

/// What the comparison found.
#[derive(Default)]
struct Checked {
    sessions: u64,
    same: u64,
    longer: u64,
    gone: u64,
    /// Paths of files that differ.
    different: Vec<String>,
    /// Paths of files that cannot be read.
    unreadable: Vec<String>,
}

impl Checked {
    /// All files that were compared.
    fn files(&self) -> u64 {
        self.same + self.longer + self.gone + text::len(&self.different) + text::len(&self.unreadable)
    }
}

/// So many are something.
fn are(n: u64, what: &str) -> String {
    format!("{n} {} {what}", if n == 1 { "is" } else { "are" })
}

/// Compares every file once, however many sessions came from it.
fn compare(archive: &Archive, progress: &Progress, checked: &mut Checked) -> Result<(), Failure> {
    let mut sessions = Vec::new();
    for is_trashed in [false, true] {
        sessions.extend(archive.list(&Filter { all: true, is_trashed, ..Filter::default() })?.sessions);
    }
    checked.sessions = text::len(&sessions);
    let units = archive.units()?;
    let of_file: std::collections::BTreeSet<_> =
        units.iter().filter(|unit| !raw::is_container(&unit.source)).map(|unit| unit.path.as_path()).collect();
    let mut seen = std::collections::BTreeSet::new();
    for (done, session) in sessions.iter().enumerate() {
        progress.show("comparing with the agents' files", done as u64, checked.sessions);
        let Some(path) = session.path.as_deref().filter(|path| of_file.contains(path)) else { continue };
        if !seen.insert(path) {
            continue;
        }
        match raw::compare(archive, session, Version::Now, path) {
            Ok(Some(Standing::Same | Standing::Unfinished)) => checked.same += 1,
            Ok(Some(Standing::Longer)) => checked.longer += 1,
            Ok(Some(Standing::Missing)) => checked.gone += 1,
            Ok(Some(Standing::Different)) => checked.different.push(text::json_file(path)),
            Ok(None) => {}
            Err(_) => checked.unreadable.push(text::json_file(path)),
        }
    }
    Ok(())
}

fn show(shell: &Shell, damage: &[String], checked: &Checked) -> Result<(), Failure> {
    for problem in damage.iter().take(NAMED_MAX) {
        shell.out.warn(text::line(problem));
    }
    for path in checked.different.iter().take(NAMED_MAX) {
        shell.out.warn(format_args!("{path} is not as it was archived"));
    }
    for path in checked.unreadable.iter().take(NAMED_MAX) {
        shell.out.warn(format_args!("{path} cannot be read"));
    }
    let state = if damage.is_empty() { "whole" } else { "damaged" };
    shell.out.line(format_args!(
        "The archive is {state}: {}. Of {} of agents {}, {} went on since, {}, {}.",
        text::count(checked.sessions, "session"),
        text::count(checked.files(), "file"),
        are(checked.same, "as archived"),
        checked.longer,
        are(checked.gone, "only here"),
        are(text::len(&checked.different) + text::len(&checked.unreadable), "different or unreadable"),
    ))
}

/// What was found, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "sessions-verified")]
struct VerifiedJson<'a> {
    sessions: u64,
    damage: &'a [String],
    same: u64,
    longer: u64,
    gone: u64,
    different: &'a [String],
    unreadable: &'a [String],
}

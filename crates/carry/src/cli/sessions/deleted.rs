//! `carry sessions deleted`: who deleted what, and when.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::Archive;
use carry_sessions::curation::{Deleted, DeletedHow};
use carry_sessions::model::SessionId;
use serde::Serialize;

use super::archive;
use crate::called::Called;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// List what was deleted for good, and what is about to be
///
/// With the device that said so, the time by its clock, and the record in that device's log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only what can still be taken back
    #[arg(long)]
    pending: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut all = archive::to_read(shell)?.deletions()?;
    if args.pending {
        all.retain(|one| matches!(one.how, DeletedHow::Pending(_)));
    }
    let called = Called::read(shell)?;
    if shell.out.is_json() {
        return all.iter().try_for_each(|one| shell.out.json(&DeletionJson::new(one, &called)));
    }
    if all.is_empty() {
        shell.out.note(match args.pending {
            true => "Nothing is about to be deleted.",
            false => "Nothing was deleted for good.",
        });
        return Ok(());
    }
    let mut table = shell.out.table(&["SESSION", "STATE", "SAID", "BY", "RECORD"]);
    for one in &all {
        let by = by(one, &called);
        let by = if one.is_own { format!("{by} (this device)") } else { by };
        let state = match one.how {
            DeletedHow::Here => "deleted here".to_owned(),
            DeletedHow::Everywhere => "deleted".to_owned(),
            DeletedHow::Pending(due) => goes(due),
            DeletedHow::Undone => "taken back".to_owned(),
        };
        table.add_row([
            one.session.to_string(),
            state,
            text::local_time(said(one)),
            by,
            // JSON has the whole log.
            one.record.map_or("-".to_owned(), |(log, seq)| format!("{:.8}/{seq}", log.to_string())),
        ]);
    }
    shell.out.line(table.trim_fmt())
}

/// What is about to be deleted, and when the first that said so lets it go.
pub(super) fn pending(archive: &Archive) -> Result<BTreeMap<SessionId, Option<Timestamp>>, Failure> {
    let mut pending = BTreeMap::new();
    for one in archive.deletions()? {
        let DeletedHow::Pending(due) = one.how else { continue };
        let known: &mut Option<Timestamp> = pending.entry(one.session).or_insert(due);
        *known = known.iter().copied().chain(due).min();
    }
    Ok(pending)
}

/// When it goes, in words.
pub(super) fn goes(due: Option<Timestamp>) -> String {
    due.map_or("about to go".to_owned(), |due| format!("goes on {}", text::local_time(due)))
}

/// Who said it, as people call that device.
pub(super) fn by(one: &Deleted, called: &Called) -> String {
    let log = one.record.and_then(|(log, _)| called.log(log));
    log.unwrap_or_else(|| called.device(&one.device))
}

/// When it was said, by its author's clock.
pub(super) fn said(one: &Deleted) -> Timestamp {
    Timestamp::from_millis(i64::try_from(one.at.wall_ms).unwrap_or(i64::MAX))
}

/// A deletion, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-deletion")]
struct DeletionJson<'a> {
    session: &'a str,
    state: &'static str,
    time: String,
    hlc: String,
    device: &'a str,
    label: String,
    own: bool,
    due: Option<String>,
    log: Option<String>,
    record: Option<u64>,
}

impl<'a> DeletionJson<'a> {
    fn new(one: &'a Deleted, called: &Called) -> Self {
        let (state, due) = match one.how {
            DeletedHow::Here => ("deleted-here", None),
            DeletedHow::Everywhere => ("deleted", None),
            DeletedHow::Pending(due) => ("pending", due),
            DeletedHow::Undone => ("undone", None),
        };
        Self {
            session: one.session.as_str(),
            state,
            time: said(one).to_rfc3339(),
            hlc: one.at.to_string(),
            device: &one.device,
            label: by(one, called),
            own: one.is_own,
            due: due.map(|due| due.to_rfc3339()),
            log: one.record.map(|(log, _)| log.to_string()),
            record: one.record.map(|(_, seq)| seq),
        }
    }
}

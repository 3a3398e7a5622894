//! `carry remote list`: the places, and when they were exchanged with last.

use super::{RemoteJson, Rounds, failing, kind, place};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// List the remotes
///
/// Says what is known here; `carry remote test` asks them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(shell: &Shell, _args: &Args) -> Result<(), Failure> {
    let settings = shell.exchange();
    for warning in &settings.warnings {
        shell.out.warn(text::line(warning));
    }
    let rounds = Rounds::look(shell)?;
    if shell.out.is_json() {
        for remote in &settings.remotes {
            shell.out.json(&RemoteJson::new(remote, &rounds.of(&remote.name), false))?;
        }
        return Ok(());
    }
    if settings.remotes.is_empty() {
        shell.out.note("No remote is configured; `carry remote add NAME PLACE` adds one.");
        return Ok(());
    }
    let age = |at: Option<_>| at.map_or("never".to_owned(), |at| carry_code::time::age(at, shell.now()));
    let mut table = shell.out.table(&["REMOTE", "KIND", "CODE", "PULLED", "PUSHED", "PLACE"]);
    for remote in &settings.remotes {
        let row = rounds.of(&remote.name);
        table.add_row([
            remote.name.clone(),
            kind(&remote.location).to_owned(),
            if remote.has_code { "yes" } else { "no" }.to_owned(),
            age(row.pull.ok),
            age(row.push.ok),
            place(shell, &remote.location),
        ]);
    }
    shell.out.line(table.trim_fmt())?;
    for remote in &settings.remotes {
        if let Some((way, at, why)) = failing(&rounds.of(&remote.name)) {
            let age = carry_code::time::age(at, shell.now());
            let text = format!("{}: {way} failed {age}: {}", remote.name, text::line(why));
            shell.out.line(shell.out.paint(style::WARNING, text))?;
        }
    }
    Ok(())
}

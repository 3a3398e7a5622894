//! `carry list`: every registered working tree.

use super::status::RepositoryJson;
use crate::failure::Failure;
use crate::overview;
use crate::text;
use crate::wire::Shell;

/// List the registered working trees
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(shell: &Shell, _: &Args) -> Result<(), Failure> {
    let Some(registry) = shell.registry_to_read()? else {
        shell.out.note("No repository is registered yet; `carry up` in one begins.");
        return Ok(());
    };
    let (_, overviews) = overview::look(shell, &registry, registry.trees()?)?;
    if shell.out.is_json() {
        return overviews.iter().try_for_each(|overview| shell.out.json(&RepositoryJson::new(overview, None)));
    }
    if overviews.is_empty() {
        shell.out.note("No repository is registered; `carry up` in one begins.");
        return Ok(());
    }
    let mut table = shell.out.table(&["PATH", "BRANCH", "CAPTURED", "STATE", "SNAPSHOTS", "SIZE", "ID"]);
    for overview in &overviews {
        let state = &overview.state;
        let age = state.captured.map_or("never".to_owned(), |at| carry_code::time::age(at, shell.now()));
        table.add_row([
            shell.folder(&overview.tree.root),
            state.branch.as_deref().map_or("-".to_owned(), |branch| text::path(branch.into())),
            age,
            overview.word().to_owned(),
            state.snapshots.to_string(),
            text::size(state.bytes),
            overview.tree.id.to_string(),
        ]);
    }
    shell.out.line(table.trim_fmt())
}

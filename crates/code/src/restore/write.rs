//! The order in which steps are carried out.

use std::io;
use std::path::Path;

use carry_kernel::disk::DiskError;

use super::filters::{Filters, is_attributes};
use super::look::leaves;
use super::writer::Writer;
use super::{Action, Plan, RestoreError, Restored, Step, paths};
use crate::git::{BString, ByteSlice as _};
use crate::repo::Repo;
use crate::snapshot::Snapshot;

pub(super) fn execute(
    repo: &Repo,
    plan: &Plan,
    before: &dyn Fn(&Step) -> io::Result<()>,
) -> Result<Restored, RestoreError> {
    let before = |step: &Step| before(step).map_err(|e| e.to_string());
    let gix = repo.gix();
    let mut writer = Writer::new(repo.root(), &gix, Filters::of_worktree(repo, &gix)?)?;
    // What is in the way goes first, the deepest first; then the attributes that decide how the rest is written.
    for step in plan.steps.iter().rev().filter(|step| step.action == Action::Delete) {
        writer.run(&step.path, |writer| before(step).and_then(|()| writer.delete(step)));
    }
    let (wanted, aside): (Vec<_>, Vec<_>) =
        plan.steps.iter().filter(|step| step.action != Action::Delete).partition(|step| step.entry.is_some());
    for step in aside {
        writer.run(&step.path, |writer| before(step).and_then(|()| writer.move_aside(step)));
    }
    let (attributes, others): (Vec<&Step>, Vec<&Step>) = wanted
        .into_iter()
        .partition(|step| step.entry.is_some_and(|entry| is_attributes(step.path.as_bstr(), entry.0)));
    let changes_attributes = plan.steps.iter().any(|step| paths::split(step.path.as_bstr()).1 == ".gitattributes");
    for step in attributes {
        writer.run(&step.path, |writer| before(step).and_then(|()| writer.put(step)));
    }
    match if changes_attributes { Filters::of_worktree(repo, &gix).map(Some) } else { Ok(None) } {
        Ok(filters) => {
            writer.filters = filters.unwrap_or(writer.filters);
            for step in others {
                writer.run(&step.path, |writer| before(step).and_then(|()| writer.put(step)));
            }
        }
        // What was written by then stands, and is told.
        Err(error) => writer.restored.failed.extend(others.iter().map(|step| (step.path.clone(), error.to_string()))),
    }
    writer.remove_emptied();
    Ok(writer.finish())
}

pub(super) fn write_to(
    repo: &Repo,
    snapshot: &Snapshot,
    asked: &[BString],
    to: &Path,
) -> Result<Restored, RestoreError> {
    let gix = repo.gix();
    std::fs::create_dir_all(to).map_err(DiskError::at("make", to))?;
    let attributes = leaves(&gix, snapshot.tree, b"".as_bstr())?
        .into_iter()
        .filter(|(path, entry)| is_attributes(path.as_bstr(), entry.0) && paths::parts(path.as_bstr()).is_ok())
        .map(|(path, entry)| (path, entry.1));
    let mut writer = Writer::new(to, &gix, Filters::of_snapshot(repo, &gix, attributes)?)?;
    for path in paths::outermost(asked) {
        if crate::history::entry_at(&gix, snapshot.tree, path.as_bstr())?.is_none() {
            writer.restored.failed.push((path, "the snapshot does not have it".to_owned()));
            continue;
        }
        let mut leaves = leaves(&gix, snapshot.tree, path.as_bstr())?;
        leaves.sort();
        for (path, entry) in leaves {
            writer.run(&path, |writer| writer.put_new(path.as_bstr(), entry));
        }
    }
    Ok(writer.finish())
}

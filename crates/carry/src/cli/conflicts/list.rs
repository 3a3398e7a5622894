//! `carry conflicts list`: all of them.

use super::{ConflictJson, print};
use crate::failure::Failure;
use crate::wire::Shell;

/// List the conflicts, with every value, its device and its time
#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(shell: &Shell, _: &Args) -> Result<(), Failure> {
    let archive = carry_sessions::archive::Archive::open_read_only(&shell.home)?;
    let mut all = archive.as_ref().map(|archive| archive.conflicts(None)).transpose()?.unwrap_or_default();
    super::call(shell, &mut all)?;
    let Some(archive) = archive.filter(|_| !all.is_empty()) else {
        shell.out.note("There are no conflicts.");
        return Ok(());
    };
    for conflict in &all {
        match shell.out.is_json() {
            true => shell.out.json(&ConflictJson::new(&archive, conflict))?,
            false => print(shell, &archive, conflict)?,
        }
    }
    shell.out.note("`carry conflicts resolve ID FIELD --take DEVICE` settles one.");
    Ok(())
}

//! `carry` without a command: registers the repository one stands in and shows how it stands.

use std::path::Path;

use super::status::{self, Scope};
use crate::failure::Failure;
use crate::targets::{self, Place};
use crate::wire::Shell;

pub(super) fn run(shell: &Shell) -> Result<(), Failure> {
    let registry = shell.registry_to_read()?;
    if let Place::Outside = targets::place(registry.as_ref(), &shell.cwd)? {
        // Inside a bare repository this fails with the reason; elsewhere there is just no repository.
        match targets::discover(shell, Path::new(".")) {
            Err(failure) if !failure.is_outside() => return Err(failure),
            _ => {}
        }
        status::show(shell, &Scope::All)?;
        shell.out.note("This is not inside a Git working tree. `carry --help` lists the commands.");
        return Ok(());
    }
    let registered = targets::register(shell, Path::new("."), false)?;
    if registered.is_change() {
        registered.say(shell)?;
    }
    status::show(shell, &Scope::Root(registered.tree().root.clone()))
}

//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where cargo builds, as seen from our own program: `<target>/debug/xtask`.
pub(crate) fn target() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.ancestors().nth(2).ok_or("xtask must be run by cargo")?.to_owned())
}

/// The cargo that runs us, in the root of the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(args).stdin(Stdio::null());
    // What cargo told us about xtask must not reach the build scripts of others.
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("CARGO_PKG_") || ours.starts_with("CARGO_MANIFEST_") || ours == "CARGO_CRATE_NAME" {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Runs to the end with output shown; an exit code other than 0 is an error.
pub(crate) fn shown(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("cannot run {}: {error}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", name(command)).into()) }
}

/// Runs to the end and returns standard output; on failure the error holds what it said.
pub(crate) fn captured(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", name(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{} ended with {}: {said}", name(command), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Folders of servers and administration, which are not on every user's search path.
const ADMINISTRATION: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Where Debian keeps a folder for each version of PostgreSQL.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Where `program` lies on the search path, or among the programs of administration or of the newest PostgreSQL.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(ADMINISTRATION.iter().map(PathBuf::from));
    let mut folders = folders.chain(versions_in(Path::new(POSTGRESQL)).into_iter().map(|folder| folder.join("bin")));
    folders.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()))
}

/// The folders there whose names are numbers, the greatest first.
fn versions_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |entry: std::fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path()));
    let mut versions: Vec<(u32, PathBuf)> = entries.filter_map(number).collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, path)| path).collect()
}

/// The program and its first arguments, for messages.
fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args().take(3));
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_and_what_is_none_is_left_out() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in ["9", "15", "13", "README"] {
            std::fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        let found: Vec<PathBuf> = versions_in(dir.path());
        assert_eq!(found, ["15", "13", "9"].map(|name| dir.path().join(name)));
        assert!(versions_in(&dir.path().join("missing")).is_empty());
    }
}

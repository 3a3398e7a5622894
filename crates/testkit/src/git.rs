//! The `git` program as tests run it: nothing of the machine's or the user's configuration, a fixed identity and zone.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Seconds since 1970 at which the clock of test commits starts (2025-01-01).
pub const EPOCH: u64 = 1_735_689_600;

/// `git`, to be run in `dir`, with its commits dated `at` (seconds since 1970). `home` stands for the user's home folder.
pub fn command(dir: &Path, home: &Path, at: u64) -> Command {
    let mut git = Command::new("git");
    isolate(&mut git, home);
    let date = format!("{at} +0000");
    git.current_dir(dir)
        .env("GIT_AUTHOR_NAME", "Test Author")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_NAME", "Test Committer")
        .env("GIT_COMMITTER_EMAIL", "committer@example.com")
        .env("GIT_COMMITTER_DATE", &date)
        .stdin(Stdio::null());
    git
}

/// Takes everything out of a program's environment that could make Git, or Carry, behave otherwise here than elsewhere.
pub fn isolate(program: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = text.starts_with("GIT_") || text.starts_with("CARRY_") || text.starts_with("XDG_");
        if ours || matches!(&*text, "EMAIL" | "NO_COLOR" | "CLICOLOR" | "COLUMNS" | "PAGER" | "LESS") {
            program.env_remove(&name);
        }
    }
    program
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_EDITOR", "true")
        .env("GIT_SEQUENCE_EDITOR", "true")
        .env("GIT_MERGE_AUTOEDIT", "no")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
}

/// Runs a command to its end, whatever that is.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

/// Runs a command that must succeed; returns its standard output.
#[track_caller]
pub fn succeed(command: &mut Command) -> Vec<u8> {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Reads something from the repository at `root` without writing anything, in the user's place; returns the output with
/// its line end taken off.
#[track_caller]
pub fn read<S: AsRef<OsStr>>(root: &Path, args: impl IntoIterator<Item = S>) -> String {
    let mut git = command(root, Path::new("/nonexistent"), EPOCH);
    git.env("GIT_OPTIONAL_LOCKS", "0").args(args);
    let text = String::from_utf8_lossy(&succeed(&mut git)).into_owned();
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

//! An empty home for Carry, and the program run in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{git, patience};

/// A home (`CARRY_HOME`) in a temporary folder, and the program that lives there. A daemon that a test started is stopped
/// when this value goes.
#[derive(Debug)]
pub struct TestHome {
    dir: TempDir,
    program: PathBuf,
    variables: Vec<(String, String)>,
}

/// What a run of the program came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl TestHome {
    /// A home for `program`, which in a crate's own tests is `env!("CARGO_BIN_EXE_carry")`.
    #[track_caller]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let dir = TempDir::new().expect("a temporary folder can be made");
        Self { dir, program: program.into(), variables: Vec::new() }
    }

    /// Sets a variable for every later run, e.g. `CARRY_FAULT`.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.set_env(name, value);
        self
    }
    /// As [`TestHome::with_env`].
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// What `CARRY_HOME` is set to.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("carry")
    }
    /// What `HOME` is set to: a folder of its own, not there until somebody makes it.
    pub fn user_home(&self) -> PathBuf {
        self.dir.path().join("user")
    }
    /// Writes the user's configuration.
    #[track_caller]
    pub fn configure(&self, toml: &str) {
        crate::repo::write_file(&self.path().join("config/config.toml"), toml.as_bytes());
    }

    /// The program in `dir`, to be given arguments: isolated, without a terminal, 100 columns wide.
    pub fn command(&self, dir: &Path) -> Command {
        let mut program = Command::new(&self.program);
        git::isolate(&mut program, &self.user_home());
        program.current_dir(dir).env("CARRY_HOME", self.path()).env("COLUMNS", "100").env("NO_COLOR", "1");
        program.envs(self.variables.iter().map(|(name, value)| (name, value))).stdin(std::process::Stdio::null());
        program
    }
    /// Runs the program in `dir`, whatever comes of it.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::from(git::run(self.command(dir).args(args)))
    }
    /// Runs the program in `dir`; it must end with 0. Returns its standard output.
    #[track_caller]
    pub fn carry<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> String {
        let mut command = self.command(dir);
        command.args(args);
        let ran = Ran::from(git::run(&mut command));
        assert!(ran.code == Some(0), "{command:?} ended with {:?}\n{}{}", ran.code, ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Asks again and again until `done` says so; see [`patience::until`].
    #[track_caller]
    pub fn wait_until(&self, what: &str, done: impl FnMut() -> bool) {
        patience::until(what, done);
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        // Best effort: most tests never start one, and one whose home vanishes ends by itself.
        if self.path().join("state/daemon.sock").exists() {
            let _ = self.command(self.dir.path()).args(["daemon", "stop"]).output();
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_sees_only_its_own_home() {
        let home = TestHome::new("env").with_env("CARRY_FAULT", "x=error");
        let seen = home.carry(home.dir.path(), ["-u", "PATH"]);
        assert!(seen.contains(&format!("CARRY_HOME={}", home.path().display())), "{seen}");
        assert!(seen.contains("CARRY_FAULT=x=error"), "{seen}");
        assert!(!seen.contains("XDG_"), "{seen}");
    }
}

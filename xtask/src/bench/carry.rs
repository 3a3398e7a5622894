//! The program under test in a home of its own, with or without a daemon.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use carry_testkit::git::isolate;

use super::measure::{syncs_in, traced};
use crate::Outcome;
use crate::run::captured;

/// Longest wait for an answer of the daemon: far more than any capture takes, so that a bench cannot hang.
const ANSWER_MAX: Duration = Duration::from_secs(300);

/// A home. A daemon that was started in it is stopped when this value goes.
#[derive(Debug)]
pub(super) struct Carry {
    program: PathBuf,
    home: PathBuf,
    pub(super) daemon: Option<u32>,
}

impl Carry {
    /// An empty home. The daemon, if one is started, captures only when it is asked: otherwise it would run in between.
    pub(super) fn new(program: &Path, home: &Path) -> Outcome<Self> {
        let config = home.join("config/config.toml");
        std::fs::create_dir_all(home.join("config"))?;
        crate::docs::write_file(&config, "[code]\nquiet = \"1h\"\nmax_wait = \"1h\"\n")?;
        Ok(Self { program: program.to_owned(), home: home.to_owned(), daemon: None })
    }

    /// As a user has it: no configuration at all.
    pub(super) fn with_defaults(program: &Path, home: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(home)?;
        Ok(Self { program: program.to_owned(), home: home.to_owned(), daemon: None })
    }

    /// Runs a command in `dir`; returns what it printed.
    pub(super) fn run(&self, dir: &Path, args: &[&str]) -> Outcome<String> {
        captured(&mut self.command(dir, args))
    }

    /// Starts a daemon.
    pub(super) fn start(&mut self) -> Outcome {
        // Its output must not be a pipe of ours, which it would keep open.
        let mut start = self.command(&self.home, &["daemon", "start"]);
        crate::run::shown(start.stdout(Stdio::null()))?;
        let status = self.run(&self.home, &["daemon", "status", "--json"])?;
        let status: serde_json::Value = serde_json::from_str(status.lines().next().unwrap_or_default())?;
        let pid = status["pid"].as_u64().ok_or("`carry daemon status --json` names no pid")?;
        self.daemon = Some(u32::try_from(pid)?);
        Ok(())
    }

    /// Captures through the control socket and returns when it is durable: what a capture takes inside the daemon.
    pub(super) fn capture_inside(&self) -> Outcome {
        let mut stream = UnixStream::connect(self.home.join("state/daemon.sock"))?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.write_all(b"{\"request\":\"capture\",\"trees\":[],\"watched\":true}\n")?;
        for line in BufReader::new(stream).lines() {
            let line = line?;
            let answer: serde_json::Value = serde_json::from_str(&line)?;
            match answer["answer"].as_str() {
                Some("progress") => {}
                Some("captured") if !line.contains("\"error\":\"") => return Ok(()),
                _ => return Err(format!("the daemon answered {line}").into()),
            }
        }
        Err("the daemon hung up".into())
    }

    /// The newest snapshot of the working tree at `root`.
    pub(super) fn newest(&self, root: &Path) -> Outcome<String> {
        let log = self.run(root, &["log", "--json", "--limit", "1"])?;
        let snapshot: serde_json::Value = serde_json::from_str(log.lines().next().unwrap_or_default())?;
        Ok(snapshot["commit"].as_str().ok_or("`carry log --json` names no commit")?.to_owned())
    }

    /// Syncs of one command, and of the daemon meanwhile.
    pub(super) fn count_syncs(&self, dir: &Path, args: &[&str]) -> Outcome<u32> {
        let log = self.home.join("strace.log");
        let Some(pid) = self.daemon else {
            captured(&mut traced(&self.command(dir, args), &log))?;
            return Ok(syncs_in(&log));
        };
        let mut strace = Command::new("strace")
            .args(["-f", "-q", "-e", "trace=fsync,fdatasync,syncfs,sync", "-p", &pid.to_string(), "-o"])
            .arg(&log)
            .stderr(Stdio::null())
            .spawn()?;
        // Attaching to every thread takes a moment, and strace does not say when it is done.
        std::thread::sleep(Duration::from_millis(700));
        let done = self.run(dir, args);
        captured(Command::new("kill").args(["-INT", &strace.id().to_string()]))?;
        strace.wait()?;
        done.map(|_| syncs_in(&log))
    }

    /// Processor time of the daemon so far, in ticks.
    pub(super) fn ticks(&self) -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.daemon?)).ok()?;
        // The name, in brackets, may hold spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    }

    /// Resident memory of the daemon, in KiB.
    pub(super) fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut program = Command::new(&self.program);
        isolate(&mut program, &self.home.join("user"));
        program.current_dir(dir).env("CARRY_HOME", &self.home).args(args).stdin(Stdio::null());
        program
    }
}

impl Drop for Carry {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            // If it does not stop, it ends when its home vanishes with the bench's folder.
            let _ = self.command(&self.home, &["daemon", "stop"]).output();
        }
    }
}

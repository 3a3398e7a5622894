//! Captures in a process of their own, that may die.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carry_code::capture::{Capturer, Look, Outcome, Request};
use carry_code::context::Context;
use carry_code::git::BString;
use carry_code::registry::Registry;
use carry_kernel::clock::{Clock, ManualClock, SystemClock};
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;
use carry_testkit::git::isolate;

use crate::rig::Rig;

const ROOT: &str = "TEST_CAPTURE_ROOT";
const HOME: &str = "TEST_CAPTURE_HOME";
const WARM: &str = "TEST_CAPTURE_WARM";
const TIMES: &str = "TEST_CAPTURE_TIMES";
const LATER: &str = "TEST_CAPTURE_LATER";
const SAID: &str = "TEST_CAPTURE_SAID";

/// A capture in another process, to be started.
pub(super) struct Other {
    command: Command,
    said: PathBuf,
    _dir: tempfile::TempDir,
}

impl Other {
    /// Of the rig's tree, with the rig's home.
    pub(super) fn new(rig: &Rig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let said = dir.path().join("said");
        let mut command = Command::new(std::env::current_exe().unwrap());
        isolate(&mut command, &rig.git.home());
        command
            .args(["--exact", "faults::child::captures"])
            .env(ROOT, rig.git.root())
            .env(HOME, rig.home())
            .env(SAID, &said)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self { command, said, _dir: dir }
    }

    /// Captures twice: everything, then, after writing `content` to `path`, only that.
    pub(super) fn warm(mut self, path: &str, content: &str) -> Self {
        self.command.env(WARM, format!("{path}={content}"));
        self
    }

    /// Captures so often.
    pub(super) fn times(mut self, n: usize) -> Self {
        self.command.env(TIMES, n.to_string());
        self
    }

    /// With a clock that is so many seconds ahead.
    pub(super) fn later(mut self, seconds: u64) -> Self {
        self.command.env(LATER, seconds.to_string());
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs under another program, e.g. `strace`.
    pub(super) fn under(mut self, program: &[&str]) -> Self {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command = command;
        self
    }

    /// Runs to its end. Says whether it got there by itself, and what each capture came to.
    #[track_caller]
    pub(super) fn run(mut self) -> (bool, Vec<String>) {
        let status = self.command.status().unwrap();
        (status.success(), lines(&self.said))
    }

    /// Runs while others do.
    #[track_caller]
    pub(super) fn start(mut self) -> Running {
        Running { child: self.command.spawn().unwrap(), other: self }
    }
}

pub(super) struct Running {
    child: Child,
    other: Other,
}

impl Running {
    pub(super) fn wait(mut self) -> Vec<String> {
        assert!(self.child.wait().unwrap().success(), "{:?}", lines(&self.other.said));
        lines(&self.other.said)
    }
}

fn lines(said: &Path) -> Vec<String> {
    std::fs::read_to_string(said).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn captures() {
    // Nothing to do unless another test runs this as a process of its own.
    let var = |name: &str| std::env::var(name).ok();
    let (Some(root), Some(home), Some(said)) = (var(ROOT), var(HOME), var(SAID)) else { return };
    let mut said = File::options().append(true).create(true).open(said).unwrap();
    let home = Home::at(home);
    let device = Device::load_or_create(&home, "testhost").unwrap();
    let sources = Sources { user: Some(home.config_file()), ..Sources::default() };
    let later = std::time::Duration::from_secs(var(LATER).map_or(0, |n| n.parse().unwrap()));
    let clock: Arc<dyn Clock> = match later.as_secs() {
        0 => Arc::new(SystemClock),
        _ => Arc::new(ManualClock::new(SystemClock.now().after(later))),
    };
    let ctx = Context { home, device: device.into(), clock, sources };
    let tree = Registry::open(&ctx.home).unwrap().by_root(Path::new(&root)).unwrap().expect("it is registered");
    let times = var(TIMES).map_or(1, |n| n.parse().unwrap());
    for _ in 0..times {
        let mut capturer = Capturer::new(ctx.clone(), tree.clone());
        let mut capture = |look| {
            let cancel = AtomicBool::new(false);
            let request = Request::new(look, &cancel);
            let line = match capturer.capture(&request) {
                Ok(report) => match report.outcome {
                    Outcome::Captured(s) => format!("captured {} {} {}", s.commit, s.tree, report.fsyncs),
                    Outcome::Unchanged(s) => {
                        format!("unchanged {}", s.map_or_else(String::new, |s| s.commit.to_string()))
                    }
                    Outcome::Waiting(state) => format!("waiting {}", state.name()),
                },
                Err(error) => format!("failed {}", told(&error)),
            };
            writeln!(said, "{line}").unwrap();
        };
        capture(Look::Everything);
        if let Some((path, content)) = var(WARM).as_deref().and_then(|warm| warm.split_once('=')) {
            carry_testkit::repo::write_file(&Path::new(&root).join(path), content.as_bytes());
            capture(Look::At([BString::from(path)].into()));
        }
    }
}

/// An error with its causes.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

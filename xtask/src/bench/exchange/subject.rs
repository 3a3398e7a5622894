//! The two programs, each with a device that has archived the set, one that has nothing, and a folder between them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::beside::Counts;
use super::super::sessions::{self, counts_in, measured};
use crate::Outcome;
use crate::run::captured;

/// What agentsview says when it wants to be run again.
const WORK_REMAINS: &str = "work remains";
/// Runs after which it is taken for endless.
const RUNS_MAX: usize = 200;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Carry,
    Agentsview,
}

/// What an exchange cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// All processes together; of memory the most.
    pub(super) process: sessions::Cost,
    /// How often the program was run.
    pub(super) runs: usize,
    /// Files in the folder that were not there before.
    pub(super) files: u64,
    /// Bytes of the folder afterwards, less those before.
    pub(super) bytes: u64,
    /// Files and bytes of the folder.
    pub(super) total: (u64, u64),
    /// Messages in the archive of the device that ran, afterwards, less those before.
    pub(super) messages: u64,
}

/// One program with its two devices.
#[derive(Debug)]
pub(super) struct Pair {
    which: Program,
    program: PathBuf,
    /// Everything as it is now; `fresh` as it was before the first exchange.
    folder: PathBuf,
    fresh: PathBuf,
}

impl Pair {
    /// Archives the set on the first device, and keeps everything as it is then.
    pub(super) fn new(which: Program, folder: &Path, program: &Path, set: &Path) -> Outcome<Self> {
        let pair = Self { which, program: program.to_owned(), folder: folder.join("now"), fresh: folder.join("fresh") };
        for device in ["here", "there"] {
            std::fs::create_dir_all(pair.folder.join(device))?;
        }
        std::fs::create_dir_all(pair.shared())?;
        // Times are kept: a copy is as old as what it is of.
        captured(Command::new("cp").arg("-a").arg(set).arg(pair.home("here")))?;
        std::fs::create_dir_all(pair.home("there"))?;
        pair.archive()?;
        captured(Command::new("cp").arg("-a").arg(&pair.folder).arg(&pair.fresh))?;
        Ok(pair)
    }

    /// As it was before the first exchange.
    pub(super) fn begin_anew(&self) -> Outcome {
        std::fs::remove_dir_all(&self.folder)?;
        captured(Command::new("cp").arg("-a").arg(&self.fresh).arg(&self.folder))?;
        // A copy has other inodes; whoever goes by these looks at the files once more now.
        self.archive()?;
        if self.which == Program::Carry {
            for device in ["here", "there"] {
                let place = self.shared();
                captured(self.command(device).args(["--yes", "remote", "add", "shared", "--no-code"]).arg(place))?;
            }
        }
        Ok(())
    }

    /// Lets the first session go on by a turn, and archives that.
    pub(super) fn append(&self, generator: &mut Command) -> Outcome {
        captured(generator.args(["--append-to", "0", "--append-turns", "1", "--out"]).arg(self.home("here")))?;
        self.archive()
    }

    /// Lets the first session go on by one message of its user, and archives that.
    pub(super) fn append_message(&self) -> Outcome {
        let home = self.home("here");
        let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(home.join("manifest.json"))?)?;
        let path = manifest["files"][0]["path"].as_str().ok_or("the set's manifest names no file")?;
        let text = std::fs::read_to_string(home.join(path))?;
        let records = text.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let prompt =
            records.clone().find(|record| record["type"] == "user" && record["message"]["content"].is_string());
        let mut prompt = prompt.ok_or("the first session has no prompt")?;
        let last = records.clone().find(|record| record["uuid"].is_string()).ok_or("the first session has no ids")?;
        prompt["parentUuid"] = last["uuid"].clone();
        prompt["timestamp"] = last["timestamp"].clone();
        // Another each time, and never one that is there.
        prompt["uuid"] = format!("00000000-0000-4000-8000-{:012}", text.lines().count()).into();
        prompt["message"]["content"] = "Thank you. Before you go on, please say which of the tests you ran.".into();
        let mut file = std::fs::OpenOptions::new().append(true).open(home.join(path))?;
        writeln!(file, "{prompt}")?;
        self.archive()
    }

    /// Exchanges until nothing is left. The first time on the second device it has to approve the first.
    pub(super) fn exchange(&self, is_there: bool, is_first: bool) -> Outcome<Cost> {
        super::super::measure::settle_disk();
        let device = if is_there { "there" } else { "here" };
        let (before, archived) = (self.weigh()?, self.archived(device)?);
        let mut cost = Cost {
            process: sessions::Cost { wall: 0.0, cpu: 0.0, rss: 0, written: 0 },
            runs: 0,
            files: 0,
            bytes: 0,
            total: (0, 0),
            messages: 0,
        };
        match self.which {
            Program::Carry => {
                let exchange: &[&str] = &["exchange", "--once"];
                let approve: &[&str] = &["--yes", "devices", "approve", "--all"];
                let steps = if is_first { vec![exchange, approve, exchange] } else { vec![exchange] };
                for arguments in steps {
                    self.run(device, arguments, &mut cost)?;
                }
            }
            Program::Agentsview => {
                let shared = self.shared();
                let shared = shared.to_str().ok_or("the folder's path is no text")?;
                while self.run(device, &["sync", "--target", shared], &mut cost)?.contains(WORK_REMAINS) {
                    if cost.runs >= RUNS_MAX {
                        return Err(format!("after {RUNS_MAX} runs there is still work").into());
                    }
                }
            }
        }
        cost.total = self.weigh()?;
        cost.files = cost.total.0.saturating_sub(before.0);
        cost.bytes = cost.total.1.saturating_sub(before.1);
        cost.messages = self.archived(device)?.1.saturating_sub(archived.1);
        Ok(cost)
    }

    /// What both devices have archived.
    pub(super) fn counts(&self) -> Outcome<Counts> {
        Ok(Counts { here: self.archived("here")?, there: self.archived("there")? })
    }

    /// Runs the program once and says what it printed.
    fn run(&self, device: &str, arguments: &[&str], cost: &mut Cost) -> Outcome<String> {
        let one = measured(self.command(device).args(arguments), &self.folder)?;
        cost.process = sessions::Cost {
            wall: cost.process.wall + one.wall,
            cpu: cost.process.cpu + one.cpu,
            rss: cost.process.rss.max(one.rss),
            written: cost.process.written + one.written,
        };
        cost.runs += 1;
        Ok(std::fs::read_to_string(self.folder.join("said"))?)
    }

    fn archive(&self) -> Outcome {
        let arguments: &[&str] = match self.which {
            Program::Carry => &["sessions", "index"],
            Program::Agentsview => &["sync"],
        };
        captured(self.command("here").args(arguments)).map(drop)
    }

    /// Files of the folder, and their bytes.
    fn weigh(&self) -> Outcome<(u64, u64)> {
        let (mut n, mut bytes) = (0, 0);
        let mut folders = vec![self.shared()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                let about = entry.metadata()?;
                if about.is_dir() {
                    folders.push(entry.path());
                } else {
                    (n, bytes) = (n + 1, bytes + about.len());
                }
            }
        }
        Ok((n, bytes))
    }

    /// Sessions and messages in a device's archive; none where there is no archive yet.
    fn archived(&self, device: &str) -> Outcome<(u64, u64)> {
        let database = match self.which {
            Program::Carry => self.folder.join(device).join("carry/data/sessions.db"),
            Program::Agentsview => self.home(device).join(".agentsview/sessions.db"),
        };
        if database.is_file() { counts_in(&database) } else { Ok((0, 0)) }
    }

    fn home(&self, device: &str) -> PathBuf {
        self.folder.join(device).join("home")
    }

    fn shared(&self) -> PathBuf {
        self.folder.join("shared")
    }

    fn command(&self, device: &str) -> Command {
        let (mut command, home) = (Command::new(&self.program), self.home(device));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &home).env("CARRY_HOME", self.folder.join(device).join("carry")).current_dir(&home);
        command.env("AGENTSVIEW_NO_DAEMON", "1").env("AGENTSVIEW_TELEMETRY_ENABLED", "0");
        command.env("AGENTSVIEW_DISABLE_UPDATE_CHECK", "1");
        command
    }
}

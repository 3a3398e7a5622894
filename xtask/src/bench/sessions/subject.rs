//! The two programs that archive, each with a copy of the set.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;
use crate::run::captured;

const MEASURED: &str = include_str!("measured.py");
const COUNTED: &str = include_str!("counted.py");

/// What a process cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Cost {
    /// Seconds.
    pub(in super::super) wall: f64,
    /// Seconds of processor, user and system.
    pub(in super::super) cpu: f64,
    /// Most memory, in bytes.
    pub(in super::super) rss: u64,
    /// Bytes written to the disk.
    pub(in super::super) written: u64,
}

/// One query and how long it took each time, in milliseconds.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) kind: &'static str,
    pub(super) query: &'static str,
    pub(super) found: usize,
    pub(super) ms: Vec<f64>,
}

/// Queries of each kind: a word that few records hold, one that many hold, and words that must follow each other.
const QUERIES: [(&str, &str); 3] = [("rare", "0a1b2c3d"), ("common", "test"), ("phrase", "\"the test\"")];

/// One program.
#[derive(Debug)]
pub(super) struct Subject {
    program: PathBuf,
    arguments: &'static [&'static str],
    /// Its own folder for small things.
    folder: PathBuf,
    /// The user's home: a copy of the set.
    home: PathBuf,
    /// What it makes, to be forgotten before it begins anew.
    state: PathBuf,
    database: PathBuf,
}

impl Subject {
    pub(super) fn carry(folder: &Path, program: &Path, set: &Path) -> Outcome<Self> {
        let (home, state) = (copy(set, folder)?, folder.join("carry"));
        let database = state.join("data/sessions.db");
        let arguments = &["sessions", "index"];
        Ok(Self { program: program.to_owned(), arguments, folder: folder.to_owned(), home, state, database })
    }

    pub(super) fn agentsview(folder: &Path, program: &Path, set: &Path) -> Outcome<Self> {
        let home = copy(set, folder)?;
        let state = home.join(".agentsview");
        let database = state.join("sessions.db");
        Ok(Self { program: program.to_owned(), arguments: &["sync"], folder: folder.to_owned(), home, state, database })
    }

    /// Forgets everything that was archived.
    pub(super) fn forget(&self) -> Outcome {
        match std::fs::remove_dir_all(&self.state) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Lets the first session go on by a turn.
    pub(super) fn append(&self, generator: &mut Command) -> Outcome {
        captured(generator.args(["--append-to", "0", "--append-turns", "1", "--out"]).arg(&self.home)).map(drop)
    }

    /// Archives what is new.
    pub(super) fn archive(&self) -> Outcome<Cost> {
        measured(self.command().args(self.arguments), &self.folder)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.home).env("CARRY_HOME", self.folder.join("carry"));
        command.env("AGENTSVIEW_NO_DAEMON", "1").env("AGENTSVIEW_TELEMETRY_ENABLED", "0");
        command.env("AGENTSVIEW_DISABLE_UPDATE_CHECK", "1").current_dir(&self.home);
        command
    }

    /// Sessions and messages that it has archived.
    pub(super) fn counts(&self) -> Outcome<(u64, u64)> {
        counts_in(&self.database)
    }

    /// Searches, each query so many times.
    pub(super) fn searches(&self, rounds: usize) -> Outcome<Vec<Search>> {
        let mut searches = Vec::new();
        for (kind, query) in QUERIES {
            let mut search = Search { kind, query, found: 0, ms: Vec::new() };
            for _ in 0..rounds {
                let start = Instant::now();
                let said = self.command().args(["sessions", "search", query]).stdin(Stdio::null()).output()?;
                search.ms.push(start.elapsed().as_secs_f64() * 1000.0);
                search.found = said.stdout.iter().filter(|byte| **byte == b'\n').count();
            }
            searches.push(search);
        }
        Ok(searches)
    }
}

/// Sessions and messages in an archive.
pub(in super::super) fn counts_in(database: &Path) -> Outcome<(u64, u64)> {
    let said = captured(Command::new("python3").args(["-c", COUNTED]).arg(database))?;
    let mut numbers = said.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(sessions), Some(messages)) => Ok((sessions?, messages?)),
        _ => Err(format!("the counts make no sense: {said:?}").into()),
    }
}

/// Sessions that a set holds, subagents included.
pub(in super::super) fn expected(set: &Path) -> Outcome<u64> {
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(set.join("manifest.json"))?)?;
    let total = |name: &str| manifest["totals"][name].as_u64().ok_or_else(|| format!("the manifest has no {name}"));
    Ok(total("sessions")? + total("subagents")?)
}

/// How many bytes the agents wrote.
pub(in super::super) fn bytes(set: &Path) -> Outcome<u64> {
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(set.join("manifest.json"))?)?;
    Ok(manifest["totals"]["bytes"].as_u64().ok_or("the manifest has no bytes")?)
}

fn copy(set: &Path, folder: &Path) -> Outcome<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let home = folder.join("home");
    // Times are kept: a copy is as old as what it is of.
    captured(Command::new("cp").arg("-a").arg(set).arg(&home))?;
    Ok(home)
}

/// Runs a program to its end; one that fails is an error.
pub(in super::super) fn measured(command: &Command, folder: &Path) -> Outcome<Cost> {
    let (result, said) = (folder.join("measured.json"), folder.join("said"));
    let mut python = Command::new("python3");
    python.args(["-c", MEASURED]).arg(&result).arg(command.get_program()).args(command.get_args());
    if command.get_envs().next().is_some() {
        python.env_clear();
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            python.env(name, value);
        }
    }
    if let Some(dir) = command.get_current_dir() {
        python.current_dir(dir);
    }
    let file = std::fs::File::create(&said)?;
    let status = python.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?;
    let say = || std::fs::read_to_string(&said).unwrap_or_default();
    if !status.success() {
        return Err(format!("{} could not be run: {}", command.get_program().display(), say()).into());
    }
    let cost: serde_json::Value = serde_json::from_slice(&std::fs::read(&result)?)?;
    if cost["code"] != 0 {
        return Err(format!("{} ended with {}: {}", command.get_program().display(), cost["code"], say()).into());
    }
    let number = |name: &str| cost[name].as_f64().ok_or_else(|| format!("{name} was not measured"));
    let whole = |name: &str| cost[name].as_u64().ok_or_else(|| format!("{name} was not measured"));
    Ok(Cost { wall: number("wall")?, cpu: number("cpu")?, rss: whole("rss")?, written: whole("written")? })
}

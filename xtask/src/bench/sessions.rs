//! `cargo xtask bench sessions`: what archiving sessions costs, beside agentsview.
//!
//! Whole processes of the release build, each with a home of its own on a copy of the same generated set, in turns, so that
//! both meet the same machine. What both archived is counted, and rows whose counts are wrong are void.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::{Choice, Options};
use crate::run::{captured, root, shown};
use crate::{Outcome, out};

mod subject;
mod table;

use subject::Subject;
pub(super) use subject::{Cost, bytes, counts_in, expected, measured};

/// The version we compare with.
const AGENTSVIEW: &str = "0.46.1";

/// A generated set of sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) options: &'static [&'static str],
}

const SETS: &[Set] = &[
    Set {
        name: "S1",
        what: "500 sessions of 200 records",
        options: &[
            "--sessions",
            "500",
            "--messages",
            "200",
            "--formats",
            "claude,codex",
            "--seed",
            "1",
            "--pending-session",
            "0",
        ],
    },
    Set {
        name: "S2",
        what: "5,000 small sessions",
        options: &["--sessions", "5000", "--messages", "8", "--scale", "0.5", "--seed", "2"],
    },
    Set {
        name: "S3",
        what: "one session of 40,000 records",
        options: &[
            "--sessions",
            "1",
            "--messages",
            "40000",
            "--formats",
            "claude",
            "--seed",
            "3",
            "--subagent-rate",
            "0",
        ],
    },
];

/// What is done to a set before it is archived again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// Nothing is archived yet.
    Cold,
    /// Nothing changed.
    Unchanged,
    /// One session goes on by a turn.
    Append,
}

impl Scenario {
    const ALL: [Self; 3] = [Self::Cold, Self::Unchanged, Self::Append];

    /// For the table.
    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Unchanged => "nothing changed",
            Self::Append => "one turn appended",
        }
    }
}

/// Runs the bench.
pub(super) fn run(args: &[String]) -> Outcome {
    let plan = parse(args)?;
    let (program, agentsview) = plan.programs()?;
    let dir = tempfile::Builder::new().prefix("sessions-").tempdir_in(&plan.dir)?;
    out::line(&super::report::machine(plan.rounds));
    for set in &plan.sets {
        let made = make(set, &plan.dir)?;
        measure_one(set, &made, dir.path(), &program, &agentsview, plan.rounds)?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Outcome<Options> {
    Options::parse(args, Choice { usual: SETS.to_vec(), quick: None, takes_many: true, named: set_named })
}

pub(super) fn set_named(name: &str) -> Outcome<Set> {
    let set = SETS.iter().find(|set| set.name == name).copied();
    set.ok_or_else(|| format!("there is no set {name}; there are S1, S2 and S3").into())
}

/// Installs the yardstick into a folder of its own.
pub(super) fn install_agentsview(dir: &Path) -> Outcome<PathBuf> {
    let folder = dir.join(format!("agentsview-{AGENTSVIEW}"));
    let program = folder.join("bin/agentsview");
    if !program.is_file() {
        out::note(&format!("Installing agentsview {AGENTSVIEW} below {}.", folder.display()));
        shown(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let package = format!("agentsview=={AGENTSVIEW}");
        shown(Command::new(folder.join("bin/pip")).args(["install", "--quiet", &package]))?;
    }
    Ok(program)
}

/// The generator of sets.
pub(super) fn generator() -> Command {
    let mut python = Command::new("python3");
    python.arg(root().join("crates/sessions/tests/fixtures/generate_sessions.py"));
    python
}

/// Makes a set, unless an earlier run did.
pub(super) fn make(set: &Set, dir: &Path) -> Outcome<PathBuf> {
    let folder = dir.join(format!("set-{}", set.name));
    if !folder.join("manifest.json").is_file() {
        out::note(&format!("{}: generating {}", set.name, set.what));
        captured(generator().args(set.options).arg("--out").arg(&folder))?;
    }
    Ok(folder)
}

fn measure_one(set: &Set, made: &Path, dir: &Path, program: &Path, agentsview: &Path, rounds: usize) -> Outcome {
    let expected = subject::expected(made)?;
    let mut subjects = [
        Subject::carry(&dir.join(format!("{}-carry", set.name)), program, made)?,
        Subject::agentsview(&dir.join(format!("{}-agentsview", set.name)), agentsview, made)?,
    ];
    let mut rows: Vec<(Scenario, [Vec<Cost>; 2])> = Scenario::ALL.map(|scenario| (scenario, Default::default())).into();
    for round in 0..rounds {
        for (scenario, costs) in &mut rows {
            out::note(&format!("{}: {}, round {}", set.name, scenario.name(), round + 1));
            for (subject, costs) in subjects.iter_mut().zip(costs.iter_mut()) {
                match scenario {
                    Scenario::Cold => subject.forget()?,
                    Scenario::Unchanged => {}
                    Scenario::Append => subject.append(&mut generator())?,
                }
                super::measure::settle_disk();
                costs.push(subject.archive()?);
            }
        }
    }
    let counts = [subjects[0].counts()?, subjects[1].counts()?];
    out::line(&table::costs(set, &rows, counts, expected));
    let searches = subjects[0].searches(rounds)?;
    out::line(&table::searches(&searches));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_and_unknown_ones_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let plan = parse(&words("--sets S3,S1 --rounds 2")).expect("all are known");
        assert_eq!((plan.sets.len(), plan.sets[0].name, plan.rounds), (2, "S3", 2));
        assert!(parse(&words("--sets S9")).is_err());
        assert!(parse(&words("--rounds 0")).is_err());
        assert!(parse(&words("--size 1")).is_err());
    }

    #[test]
    fn a_process_is_measured() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut head = Command::new("/bin/sh");
        head.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]);
        let cost = subject::measured(&head, dir.path()).expect("the shell runs");
        assert!(cost.cpu > 0.0 && cost.wall >= cost.cpu / 4.0 && cost.rss > 100_000, "{cost:?}");
        assert!(subject::measured(Command::new("/bin/sh").args(["-c", "exit 3"]), dir.path()).is_err());
    }
}

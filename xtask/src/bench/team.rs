//! `cargo xtask bench team`: what pushing sessions to a team's database costs, beside agentsview.
//!
//! Whole processes of the release build, in turns, against one PostgreSQL of the bench's own that writes as durably as it does by
//! default, with a database for each program. Both have archived the same generated set before; only the push is counted. Between
//! program and server stands a proxy that counts bytes and statements. What lies in the databases afterwards is counted, and rows
//! whose counts are wrong are void.
//!
//! The first push includes making the tables. Ours masks secrets, and what that takes is told apart; agentsview's looks for new sessions first, which cannot be told apart.

use super::beside::Runs;
use super::options::{Choice, Options};
use super::sessions::{Set, generator, make, set_named};
use crate::{Outcome, out};

mod server;
mod subject;
mod table;

use server::Server;
use subject::{Cost, Subject};

/// A set that is made and pushed in seconds, to see whether everything works.
const QUICK: Set = Set {
    name: "quick",
    what: "12 sessions of 20 records",
    options: &[
        "--sessions",
        "12",
        "--messages",
        "20",
        "--formats",
        "claude,codex",
        "--seed",
        "1",
        "--pending-session",
        "0",
    ],
};

/// What is done before a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// Nothing is in the database yet.
    First,
    /// Nothing has changed.
    Unchanged,
    /// One session has gone on by a turn.
    Append,
}

impl Scenario {
    const ALL: [Self; 3] = [Self::First, Self::Unchanged, Self::Append];

    /// For the table.
    fn name(self) -> &'static str {
        match self {
            Self::First => "first push, tables included",
            Self::Unchanged => "nothing changed",
            Self::Append => "one turn appended",
        }
    }
}

/// The pushes of one scenario, and what was archived and lay in the database after the last.
type Pushes = Runs<Cost>;

/// Runs the bench.
pub(super) fn run(args: &[String]) -> Outcome {
    let plan = parse(args)?;
    let (program, agentsview) = plan.programs()?;
    let [chosen] = &plan.sets[..] else { return Err("one set is measured".into()) };
    let set = make(chosen, &plan.dir)?;
    let dir = tempfile::Builder::new().prefix("team-").tempdir_in(&plan.dir)?;
    let server = Server::start();
    out::line(&super::report::machine(plan.rounds));
    out::line(&server.version());
    out::note("Both archive the set.");
    let subjects = [
        Subject::carry(&dir.path().join("carry"), &program, &set, &server)?,
        Subject::agentsview(&dir.path().join("agentsview"), &agentsview, &set, &server)?,
    ];
    let expected = super::sessions::expected(&set)?;
    let mut rows = Scenario::ALL.map(|scenario| (scenario, Pushes::default()));
    for round in 0..plan.rounds {
        for (scenario, pushes) in &mut rows {
            out::note(&format!("{}: {}, round {}", chosen.name, scenario.name(), round + 1));
            for (at, subject) in subjects.iter().enumerate() {
                match scenario {
                    Scenario::First => subject.begin_anew(&server)?,
                    Scenario::Unchanged => {}
                    Scenario::Append => subject.append(&mut generator())?,
                }
                let cost = subject.push(&server, *scenario == Scenario::First)?;
                let counts = subject.counts(&server)?;
                pushes.add(at, cost, counts, counts.agree(expected));
            }
        }
    }
    let previews = (0..plan.rounds).map(|_| subjects[0].preview()).collect::<Outcome<Vec<_>>>()?;
    out::line(&table::pushes(chosen, &rows, expected));
    out::line(&table::masking(&previews, &rows[0].1));
    Ok(())
}

fn parse(args: &[String]) -> Outcome<Options> {
    let usual = vec![set_named("S1")?];
    Options::parse(args, Choice { usual, quick: Some(QUICK), takes_many: false, named: set_named })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_and_unknown_ones_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let plan = parse(&words("--set S3 --rounds 2")).expect("all are known");
        assert_eq!((plan.sets[0].name, plan.rounds), ("S3", 2));
        let quick = parse(&words("--quick --rounds 2")).expect("all are known");
        assert_eq!((quick.sets[0].name, quick.rounds), ("quick", 2));
        assert!(parse(&words("--sets S1")).is_err() && parse(&words("--rounds 0")).is_err());
    }
}

//! `cargo xtask bench exchange`: what carrying an archive from one device to another over a folder costs, beside agentsview.
//!
//! Whole processes of the release build, in turns. Each program has a device that has archived a generated set and one that has
//! nothing, and an empty folder between them. Its command is run until it says that nothing is left, since one of them moves a
//! bounded number of files in a run. What the second device holds is counted, and rows whose counts are wrong are void.
//!
//! Ours verifies signatures, masks what it says and asks once for approval on the second device, which is counted in; the other
//! does none of that.

use super::beside::Runs;
use super::options::{Choice, Options};
use super::sessions::{Set, generator, make, set_named};
use crate::{Outcome, out};

mod subject;
mod table;

use subject::{Cost, Pair, Program};

/// The sets that only this bench has.
const SETS: &[Set] = &[
    Set {
        name: "S0",
        what: "300 sessions of 100 records",
        options: &[
            "--sessions",
            "300",
            "--messages",
            "100",
            "--formats",
            "claude",
            "--seed",
            "4",
            "--pending-session",
            "0",
            "--subagent-rate",
            "0",
        ],
    },
    Set {
        name: "S9",
        what: "100,000 sessions of 4 records",
        options: &[
            "--sessions",
            "100000",
            "--messages",
            "4",
            "--formats",
            "claude",
            "--seed",
            "5",
            "--pending-session",
            "0",
            "--subagent-rate",
            "0",
        ],
    },
    Set {
        name: "quick",
        what: "12 sessions of 20 records",
        options: &[
            "--sessions",
            "12",
            "--messages",
            "20",
            "--formats",
            "claude",
            "--seed",
            "1",
            "--pending-session",
            "0",
        ],
    },
];

/// Sets of more sessions than this are measured with ours alone: the other moves 128 files in a run.
const OTHER_SESSIONS_MAX: u64 = 5_000;

/// What is done before an exchange, and which device makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// The folder is empty.
    Publish,
    /// The second device has nothing.
    Import,
    /// Nothing has changed, on the first device …
    Unchanged,
    /// … and on the second.
    UnchangedThere,
    /// One session has gone on by a turn.
    Append,
    /// That turn comes to the second device.
    ImportAppend,
    /// The same session has gone on by one message.
    Message,
    /// That message comes to the second device.
    ImportMessage,
}

impl Scenario {
    const ALL: [Self; 8] = [
        Self::Publish,
        Self::Import,
        Self::Unchanged,
        Self::UnchangedThere,
        Self::Append,
        Self::ImportAppend,
        Self::Message,
        Self::ImportMessage,
    ];

    /// Whether the second device makes the exchange.
    fn is_there(self) -> bool {
        matches!(self, Self::Import | Self::UnchangedThere | Self::ImportAppend | Self::ImportMessage)
    }

    /// For the table.
    fn name(self) -> &'static str {
        match self {
            Self::Publish => "first publish",
            Self::Import => "first import",
            Self::Unchanged => "nothing changed",
            Self::UnchangedThere => "nothing changed, importer",
            Self::Append => "one turn appended",
            Self::ImportAppend => "that turn imported",
            Self::Message => "one message appended",
            Self::ImportMessage => "that message imported",
        }
    }
}

/// The exchanges of one scenario, and what both devices had archived after the last.
type Exchanges = Runs<Cost>;

/// Runs the bench.
pub(super) fn run(args: &[String]) -> Outcome {
    let plan = parse(args)?;
    let (program, agentsview) = plan.programs()?;
    out::line(&super::report::machine(plan.rounds));
    for set in &plan.sets {
        measure_one(set, &plan, &program, &agentsview)?;
    }
    Ok(())
}

fn measure_one(set: &Set, plan: &Options, program: &std::path::Path, agentsview: &std::path::Path) -> Outcome {
    let made = make(set, &plan.dir)?;
    let expected = super::sessions::expected(&made)?;
    let dir = tempfile::Builder::new().prefix("exchange-").tempdir_in(&plan.dir)?;
    out::note(&format!("{}: archiving", set.name));
    let mut pairs = vec![Pair::new(Program::Carry, &dir.path().join("carry"), program, &made)?];
    if expected <= OTHER_SESSIONS_MAX {
        pairs.push(Pair::new(Program::Agentsview, &dir.path().join("agentsview"), agentsview, &made)?);
    }
    let mut rows = Scenario::ALL.map(|scenario| (scenario, Exchanges::default()));
    for round in 0..plan.rounds {
        for (scenario, exchanges) in &mut rows {
            out::note(&format!("{}: {}, round {}", set.name, scenario.name(), round + 1));
            for (at, pair) in pairs.iter().enumerate() {
                match scenario {
                    Scenario::Publish => pair.begin_anew()?,
                    Scenario::Append => pair.append(&mut generator())?,
                    Scenario::Message => pair.append_message()?,
                    _ => {}
                }
                let is_there = scenario.is_there();
                let cost = pair.exchange(is_there, *scenario == Scenario::Import)?;
                let counts = pair.counts()?;
                exchanges.add(at, cost, counts, !is_there || counts.agree(expected));
            }
        }
    }
    out::line(&table::exchanges(set, &rows, pairs.len()));
    out::line(&table::rates(&rows));
    out::line(&table::share(&rows, super::sessions::bytes(&made)?));
    Ok(())
}

fn parse(args: &[String]) -> Outcome<Options> {
    let usual = vec![SETS[0], named("S1")?, SETS[1]];
    Options::parse(args, Choice { usual, quick: Some(named("quick")?), takes_many: true, named })
}

fn named(name: &str) -> Outcome<Set> {
    match SETS.iter().find(|set| set.name == name) {
        Some(set) => Ok(*set),
        None => set_named(name).map_err(|_| format!("there is no set {name}; there are S0, S1, S2, S3 and S9").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_and_unknown_ones_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let plan = parse(&words("--sets S0,S3 --rounds 2")).expect("all are known");
        assert_eq!((plan.sets.len(), plan.sets[1].name, plan.rounds), (2, "S3", 2));
        let quick = parse(&words("--quick --rounds 2")).expect("all are known");
        assert_eq!((quick.sets[0].name, quick.rounds), ("quick", 2));
        assert!(parse(&words("--sets S8")).is_err() && parse(&words("--rounds 0")).is_err());
        assert!(parse(&words("--set S0")).is_err());
    }
}

//! The project's own chores: `cargo xtask COMMAND`.
//!
//! `test` runs every test and says what it came to, `ci` checks all that needs no test, `bench` measures, `docs` writes the
//! parts of the documents that come from the program, `fuzz` runs the fuzz targets, `sim` the fleet simulator, `dist` builds
//! what is handed out.

use std::process::ExitCode;

mod apt;
mod bench;
mod ci;
mod dist;
mod docs;
mod fuzz;
mod out;
mod run;
mod sim;
mod test;

/// What a chore comes to. The message is for people.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  test [ARGS]   Install what tests need, run all tests (ARGS go to `cargo test`), count them; without ARGS 10,000 seeds of
                the simulator follow
  ci            Check formatting, lints, documents, layers, licences
  docs          Write the generated parts of docs/
  bench code [--sizes N,N] [--rounds N] [--idle SECONDS] [--real PATH] [--dir PATH] [--program PATH]
                Measure captures against Git and git-pulsar's plumbing; prints a table
  bench handoff [--sizes N,N] [--rounds N] [--dir PATH] [--program PATH]
                Measure from a save on one device to the file on another, against git-pulsar's plumbing and plain Git
  bench exchange [--sets S0,S1,S9] [--quick] [--rounds N] [--dir PATH] [--program PATH] [--agentsview PATH]
                Measure carrying an archive to another device over a folder, against agentsview
  fuzz [TARGET...] [--seconds N]
                Run the fuzz targets (all of them, 10 s each); needs a C++ compiler
  bench sessions [--sets S1,S2,S3] [--rounds N] [--dir PATH] [--program PATH] [--agentsview PATH]
                Measure archiving sessions against agentsview
  bench redact [--rounds N] [--dir PATH]
                Measure how fast secrets are masked, and count how many are found
  bench team [--set S1] [--quick] [--rounds N] [--dir PATH] [--program PATH] [--agentsview PATH]
                Measure pushing an archive to a team store, against agentsview
  sim [--seeds N] [--from SEED] [--threads N] [--fail-fast] | --seed SEED [--trace]
                Run the fleet simulator on N seeds (1000), or one of them with what happens in it
  dist          Build the program as it is handed out";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = args.split_first().map_or(("help", &[][..]), |(first, rest)| (first.as_str(), rest));
    let outcome = match command {
        "test" => test::run(rest),
        "ci" => ci::run(),
        "docs" => docs::write(),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "sim" => sim::run(rest),
        "dist" => dist::run(),
        "help" | "--help" | "-h" => {
            out::line(HELP);
            Ok(())
        }
        other => {
            out::note(&format!("Error: there is no chore {other:?}.\n\n{HELP}"));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::note(&format!("Error: {error}"));
            ExitCode::FAILURE
        }
    }
}

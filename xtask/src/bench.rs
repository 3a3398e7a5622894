//! `cargo xtask bench code`: what a capture costs, measured beside what it is compared with. `exchange`,
//! `handoff`, `sessions`, `redact` and `team` are in modules of their own.
//!
//! Whole processes, in random order within each round, the first round thrown away, each result checked against the file it
//! should hold. A row whose results are wrong is void. Absolute times say little on a shared machine; the ratios within one
//! run do.

use std::path::PathBuf;

use crate::run::{root, target};
use crate::{Outcome, out};

mod beside;
mod carry;
mod exchange;
mod handoff;
mod idle;
mod measure;
mod method;
mod options;
mod plumbing;
mod redact;
mod report;
mod scenario;
mod sessions;
mod subject;
mod team;

/// What is to be measured.
#[derive(Debug)]
struct Plan {
    sizes: Vec<usize>,
    /// Kept rounds; one more is run first and thrown away.
    rounds: usize,
    idle_seconds: u64,
    /// A real repository to measure on besides; `None`: none.
    real: Option<PathBuf>,
    /// Where everything is made; it must be on a real disk, since a tmpfs syncs for nothing.
    dir: PathBuf,
    /// The program, when it is not to be built.
    program: Option<PathBuf>,
}

/// Runs the bench that `args` name.
pub(crate) fn run(args: &[String]) -> Outcome {
    match args.split_first() {
        Some((what, rest)) if what == "code" => code(&parse(rest)?),
        Some((what, rest)) if what == "exchange" => exchange::run(rest),
        Some((what, rest)) if what == "handoff" => handoff::run(rest),
        Some((what, rest)) if what == "sessions" => sessions::run(rest),
        Some((what, rest)) if what == "redact" => redact::run(rest),
        Some((what, rest)) if what == "team" => team::run(rest),
        _ => Err(
            "say what to measure: `cargo xtask bench code`, `… exchange`, `… handoff`, `… sessions`, `… redact` or \
                 `… team`"
                .into(),
        ),
    }
}

fn parse(args: &[String]) -> Outcome<Plan> {
    let mut plan = Plan {
        sizes: vec![1_000, 20_000, 100_000],
        rounds: 10,
        idle_seconds: 60,
        real: Some(root().to_owned()),
        dir: target()?.join("bench"),
        program: None,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--sizes" => plan.sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--rounds" => plan.rounds = value.parse()?,
            "--idle" => plan.idle_seconds = value.parse()?,
            "--real" => plan.real = (value != "none").then(|| PathBuf::from(value)),
            "--dir" => plan.dir = PathBuf::from(value),
            "--program" => plan.program = Some(PathBuf::from(value).canonicalize()?),
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    if plan.rounds == 0 {
        return Err("--rounds must be 1 or more".into());
    }
    Ok(plan)
}

fn code(plan: &Plan) -> Outcome {
    let program = options::program(plan.program.as_deref())?;
    std::fs::create_dir_all(&plan.dir)?;
    let dir = tempfile::Builder::new().prefix("run-").tempdir_in(&plan.dir)?;
    out::line(&report::machine(plan.rounds));

    let mut results = report::Results::default();
    for files in &plan.sizes {
        let subject = subject::Subject::synthetic(&dir.path().join(format!("tree{files}")), *files)?;
        measure_one(subject, &program, plan, &mut results)?;
    }
    if let Some(real) = &plan.real {
        match subject::Subject::clone_of(&dir.path().join("real"), real) {
            Ok(subject) => measure_one(subject, &program, plan, &mut results)?,
            Err(error) => out::note(&format!("No real repository is measured: {error}")),
        }
    }
    if plan.idle_seconds > 0 {
        let idle = idle::measure(&dir.path().join("idle"), &program, plan.idle_seconds)?;
        out::line(&format!("\n{idle}"));
        results.idle = Some(idle);
    }
    out::line(&format!("\n{}", results.targets()));
    Ok(())
}

/// All scenarios on one tree, whose folder is removed afterwards.
fn measure_one(
    subject: subject::Subject,
    program: &std::path::Path,
    plan: &Plan,
    results: &mut report::Results,
) -> Outcome {
    let mut rig = method::Rig::new(subject, program)?;
    for scenario in scenario::Scenario::ALL {
        out::note(&format!("{}: {}", rig.subject.name, scenario.name(&rig.subject)));
        let rows = scenario::measure(&mut rig, scenario, plan.rounds)?;
        out::line(&report::table(&rig.subject, scenario, &rows));
        results.add(&rig.subject, scenario, rows);
    }
    if let Some(memory) = rig.warm.resident_kib() {
        out::line(&format!("\nResident memory of the daemon on this tree: {:.1} MiB.", memory as f64 / 1024.0));
    }
    let folder = rig.subject.folder.clone();
    drop(rig);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_and_unknown_ones_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let plan = parse(&words("--sizes 10,20 --rounds 3 --real none")).expect("all are known");
        assert_eq!((plan.sizes, plan.rounds, plan.real), (vec![10, 20], 3, None));
        assert!(parse(&words("--size 10")).is_err());
        assert!(parse(&words("--rounds")).is_err());
    }
}

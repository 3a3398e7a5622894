//! What happened since the snapshot before, and the rounds that measure it.

use super::measure::{Sample, Spread, settle_disk};
use super::method::{Method, Rig};
use super::subject::{Subject, thousands};
use crate::Outcome;

/// Files changed where many are.
const MANY: usize = 2_000;
/// Rounds of the scenarios that take long, at most.
const LONG_ROUNDS_MAX: usize = 5;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// One file was changed.
    One,
    /// Nothing was.
    Nothing,
    /// Two thousand files were.
    Many,
    /// There was no snapshot before; one file differs from HEAD.
    First,
}

/// What came of one method.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) method: Method,
    /// Why it does not count, if it does not.
    pub(super) void: Option<String>,
    pub(super) ms: Option<Spread>,
    pub(super) bytes: Option<f64>,
    pub(super) syncs: Option<u32>,
}

impl Scenario {
    pub(super) const ALL: [Self; 4] = [Self::One, Self::Nothing, Self::Many, Self::First];

    /// For the table.
    pub(super) fn name(self, subject: &Subject) -> String {
        match self {
            Self::One => "one file changed".to_owned(),
            Self::Nothing => "nothing changed".to_owned(),
            Self::Many => format!("{} files changed", thousands(MANY.min(subject.files))),
            Self::First => "first capture".to_owned(),
        }
    }

    fn methods(self) -> Vec<Method> {
        use Method::{Cold, Fresh, Inside, Kept, Status, Warm};
        match self {
            // A warm daemon has captured before.
            Self::First => vec![Status, Fresh, Kept, Cold],
            _ => vec![Status, Fresh, Kept, Cold, Warm, Inside],
        }
    }

    fn rounds(self, wanted: usize) -> usize {
        match self {
            Self::One | Self::Nothing => wanted,
            Self::Many | Self::First => wanted.min(LONG_ROUNDS_MAX),
        }
    }

    fn changes(self) -> usize {
        match self {
            Self::One | Self::First => 1,
            Self::Nothing => 0,
            Self::Many => MANY,
        }
    }
}

/// Runs all methods `rounds` times and once more, in random order each time; the first round does not count.
pub(super) fn measure(rig: &mut Rig, scenario: Scenario, rounds: usize) -> Outcome<Vec<Row>> {
    rig.reset()?;
    let mut methods = scenario.methods();
    let mut samples: Vec<(Method, Vec<Sample>, Option<String>)> =
        methods.iter().map(|m| (*m, Vec::new(), None)).collect();
    for round in 0..=scenario.rounds(rounds) {
        rig.subject.rng.shuffle(&mut methods);
        for method in &methods {
            let taken = once(rig, scenario, *method);
            let (_, kept, void) = samples.iter_mut().find(|(known, ..)| known == method).expect("all are listed");
            match taken {
                Ok(sample) if round > 0 => kept.push(sample),
                Ok(_) => {}
                Err(error) => *void = Some(error.to_string()),
            }
        }
    }
    samples.into_iter().map(|(method, samples, void)| row(rig, scenario, method, &samples, void)).collect()
}

/// One run: what was there before is known to the method, then comes the change, then the clock starts.
fn once(rig: &mut Rig, scenario: Scenario, method: Method) -> Outcome<Sample> {
    let paths = prepare(rig, scenario, method)?;
    let sample = rig.run(method)?;
    rig.verify(method, &paths)?;
    Ok(sample)
}

fn prepare(rig: &mut Rig, scenario: Scenario, method: Method) -> Outcome<Vec<std::path::PathBuf>> {
    if scenario == Scenario::First {
        rig.forget(method)?;
    } else if method != Method::Status {
        // Takes in what changed while the others were measured.
        rig.run(method)?;
    }
    let changed = rig.subject.change(scenario.changes())?;
    settle_disk();
    Ok(if changed.is_empty() { rig.subject.some() } else { changed })
}

fn row(rig: &mut Rig, scenario: Scenario, method: Method, samples: &[Sample], void: Option<String>) -> Outcome<Row> {
    let ms = Spread::of(samples.iter().map(|sample| sample.ms));
    let bytes = Spread::of(samples.iter().filter_map(|sample| sample.bytes).map(|bytes| bytes as f64));
    let syncs = if void.is_none() {
        prepare(rig, scenario, method)?;
        rig.count_syncs(method)?
    } else {
        None
    };
    Ok(Row { method, void, ms, bytes: bytes.map(|spread| spread.median), syncs })
}

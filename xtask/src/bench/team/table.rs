//! The tables.

use std::fmt::Write as _;

use super::super::measure::Spread;
use super::super::sessions::{self, Set};
use super::subject::{Cost, Counts};
use super::{Pushes, Scenario};

/// What is told of a push: the heading, the value, digits after the point.
type Column = (&'static str, fn(&Cost) -> f64, usize);

const COLUMNS: [Column; 10] = [
    ("wall s", |cost| cost.process.wall, 3),
    ("processor s", |cost| cost.process.cpu, 3),
    ("memory MB", |cost| cost.process.rss as f64 / 1e6, 0),
    ("sent kB", |cost| cost.work.sent as f64 / 1e3, 1),
    ("received kB", |cost| cost.work.received as f64 / 1e3, 1),
    ("statements", |cost| cost.work.statements as f64, 0),
    ("waits", |cost| cost.work.turns as f64, 0),
    ("rows written", |cost| cost.work.rows as f64, 0),
    ("log MB", |cost| cost.work.wal as f64 / 1e6, 2),
    ("database MB", |cost| cost.size as f64 / 1e6, 1),
];

/// The names of both programs.
const NAMES: [&str; 2] = ["carry", "agentsview"];

/// Costs of both programs and how they compare.
pub(super) fn pushes(set: &Set, rows: &[(Scenario, Pushes)], expected: u64) -> String {
    let mut text = format!("\n### {}: {}, pushed\n\n| | program |", set.name, set.what);
    COLUMNS.iter().for_each(|(heading, ..)| {
        let _ = write!(text, " {heading} |");
    });
    let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(COLUMNS.len()));
    for (scenario, pushes) in rows {
        let medians = pushes.costs.each_ref().map(|costs| COLUMNS.map(|(_, of, _)| median(costs.iter().map(of))));
        for at in [0, 1] {
            let void = if is_void(pushes, at, expected) { " **void**" } else { "" };
            let _ = write!(text, "| {} | {}{void} |", scenario.name(), NAMES[at]);
            for ((_, _, digits), value) in COLUMNS.iter().zip(medians[at]) {
                let _ = write!(text, " {value:.digits$} |");
            }
            text.push('\n');
        }
        text.push_str("| | |");
        for (ours, theirs) in medians[0].iter().zip(medians[1]) {
            if theirs > 0.0 {
                let _ = write!(text, " {:.2} × |", ours / theirs);
            } else {
                text.push_str(" – |");
            }
        }
        text.push('\n');
    }
    text.push('\n');
    for (scenario, pushes) in rows {
        for (name, counts) in NAMES.iter().zip(pushes.counts) {
            let Counts { archived, pushed } = counts;
            let _ = writeln!(
                text,
                "{}: {name} has {} sessions and {} messages in its archive, {} and {} in the database.",
                scenario.name(),
                archived.0,
                archived.1,
                pushed.0,
                pushed.1
            );
        }
    }
    let _ = writeln!(text, "Generated were {expected} sessions.");
    text
}

/// Whether what a program pushed is not what it has, or not what was generated.
fn is_void(pushes: &Pushes, at: usize, expected: u64) -> bool {
    pushes.is_void[at] || pushes.counts[at].pushed.0 != expected
}

/// What masking takes, and how much of the first push that is.
pub(super) fn masking(previews: &[sessions::Cost], first: &Pushes) -> String {
    let cpu = median(previews.iter().map(|cost| cost.cpu));
    let whole = median(first.costs[0].iter().map(|cost| cost.process.cpu));
    format!(
        "Carry masks what it pushes, agentsview does not: reading, masking and shaping all of it without a connection takes \
         {cpu:.3} s of processor, {:.0} % of its first push.",
        cpu * 100.0 / whole
    )
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(values).map_or(f64::NAN, |spread| spread.median)
}

#[cfg(test)]
mod tests {
    use super::super::server::Work;
    use super::*;

    fn process(cpu: f64) -> sessions::Cost {
        sessions::Cost { wall: cpu * 2.0, cpu, rss: 50_000_000, written: 0 }
    }

    fn cost(cpu: f64, statements: u64) -> Cost {
        let work = Work { sent: 1_500, statements, ..Work::default() };
        Cost { process: process(cpu), work, size: 9_000_000 }
    }

    fn first(pushed: (u64, u64)) -> Pushes {
        let counts = [Counts { archived: (597, 10), pushed }, Counts { archived: (597, 9), pushed: (597, 9) }];
        let is_void = [!counts[0].agree(), !counts[1].agree()];
        let ours = vec![cost(1.0, 10), cost(3.0, 10), cost(2.0, 10)];
        Pushes { costs: [ours, vec![cost(8.0, 40)]], counts, is_void }
    }

    #[test]
    fn a_table_shows_medians_and_ratios() {
        let text = pushes(&super::super::QUICK, &[(Scenario::First, first((597, 10)))], 597);
        assert!(
            text.contains(
                "| first push, tables included | carry | 4.000 | 2.000 | 50 | 1.5 | 0.0 | 10 | 0 | 0 | 0.00 | 9.0 |"
            ),
            "{text}"
        );
        assert!(text.contains("| | | 0.25 × | 0.25 × | 1.00 × | 1.00 × | – | 0.25 × |"), "{text}");
        assert!(!text.contains("void"), "{text}");
    }

    #[test]
    fn what_is_not_in_the_database_makes_a_row_void() {
        for pushed in [(597, 9), (596, 10), (0, 0)] {
            let text = pushes(&super::super::QUICK, &[(Scenario::First, first(pushed))], 597);
            assert!(text.contains("carry **void**") && !text.contains("agentsview **void**"), "{text}");
        }
    }

    #[test]
    fn what_masking_takes_is_told_apart() {
        let text = masking(&[process(0.5)], &first((597, 10)));
        assert!(text.contains("0.500 s") && text.contains("25 %"), "{text}");
    }
}

//! The tables.

use std::fmt::Write as _;

use super::super::beside::{Column, NAMES, Table, median};
use super::super::sessions::{self, Set};
use super::subject::Cost;
use super::{Pushes, Scenario};

/// What is told of a push.
const COLUMNS: [Column<Cost>; 10] = [
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

/// Costs of both programs and how they compare.
pub(super) fn pushes(set: &Set, rows: &[(Scenario, Pushes)], expected: u64) -> String {
    let table = Table {
        heading: format!("{}: {}, pushed", set.name, set.what),
        columns: &COLUMNS,
        n_programs: NAMES.len(),
        places: ["in its archive", "in the database"],
    };
    let mut text = table.show(&rows.iter().map(|(scenario, pushes)| (scenario.name(), pushes)).collect::<Vec<_>>());
    let _ = writeln!(text, "Generated were {expected} sessions.");
    text
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

#[cfg(test)]
mod tests {
    use super::super::super::beside::Counts;
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
        let counts = [Counts { here: (597, 10), there: pushed }, Counts { here: (597, 9), there: (597, 9) }];
        let is_void = counts.map(|counts| !counts.agree(597));
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

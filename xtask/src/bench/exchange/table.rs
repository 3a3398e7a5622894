//! The tables.

use std::fmt::Write as _;

use super::super::beside::{Column, NAMES, Table, median};
use super::super::sessions::Set;
use super::subject::Cost;
use super::{Exchanges, Scenario};

/// What is told of an exchange.
const COLUMNS: [Column<Cost>; 9] = [
    ("runs", |cost| cost.runs as f64, 0),
    ("wall s", |cost| cost.process.wall, 3),
    ("processor s", |cost| cost.process.cpu, 3),
    ("memory MB", |cost| cost.process.rss as f64 / 1e6, 0),
    ("written MB", |cost| cost.process.written as f64 / 1e6, 2),
    ("new files", |cost| cost.files as f64, 0),
    ("new kB", |cost| cost.bytes as f64 / 1e3, 1),
    ("files", |cost| cost.total.0 as f64, 0),
    ("MB", |cost| cost.total.1 as f64 / 1e6, 2),
];

/// Costs of the programs and how they compare.
pub(super) fn exchanges(set: &Set, rows: &[(Scenario, Exchanges)], n_programs: usize) -> String {
    let table = Table {
        heading: format!("{}: {}, over a folder", set.name, set.what),
        columns: &COLUMNS,
        n_programs,
        places: ["on the first device", "on the second"],
    };
    table.show(&rows.iter().map(|(scenario, exchanges)| (scenario.name(), exchanges)).collect::<Vec<_>>())
}

/// Messages that a first import brings in a second: verified, durable, searchable.
pub(super) fn rates(rows: &[(Scenario, Exchanges)]) -> String {
    let import = rows.iter().find(|(scenario, _)| *scenario == Scenario::Import);
    let mut text = String::new();
    for (name, costs) in NAMES.iter().zip(import.iter().flat_map(|(_, exchanges)| &exchanges.costs)) {
        let rate = median(costs.iter().map(|cost| cost.messages as f64 / cost.process.wall));
        if rate.is_finite() {
            let _ = writeln!(text, "First import: {name} takes in {rate:.0} messages a second.");
        }
    }
    text
}

/// What the folder takes after the first publish, of what the agents wrote.
pub(super) fn share(rows: &[(Scenario, Exchanges)], written: u64) -> String {
    let publish = rows.iter().find(|(scenario, _)| *scenario == Scenario::Publish);
    let mut text = String::new();
    for (name, costs) in NAMES.iter().zip(publish.iter().flat_map(|(_, exchanges)| &exchanges.costs)) {
        let share = median(costs.iter().map(|cost| cost.total.1 as f64 / written as f64 * 100.0));
        if share.is_finite() {
            let _ = writeln!(
                text,
                "First publish: {name} takes {share:.1} % of the {} MB that agents wrote.",
                written / 1_000_000
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::beside::Counts;
    use super::super::super::sessions;
    use super::*;

    fn cost(wall: f64, bytes: u64) -> Cost {
        let process = sessions::Cost { wall, cpu: wall / 2.0, rss: 50_000_000, written: 0 };
        Cost { process, runs: 1, files: 2, bytes, total: (12, 9_000_000), messages: 1_000 }
    }

    fn import(there: (u64, u64)) -> Exchanges {
        let counts = [Counts { here: (12, 10), there }, Counts { here: (12, 9), there: (12, 9) }];
        let is_void = counts.map(|counts| !counts.agree(12));
        let ours = vec![cost(1.0, 500), cost(3.0, 700), cost(2.0, 600)];
        Exchanges { costs: [ours, vec![cost(8.0, 1200)]], counts, is_void }
    }

    #[test]
    fn a_table_shows_medians_and_ratios() {
        let text = exchanges(&super::super::SETS[2], &[(Scenario::Import, import((12, 10)))], 2);
        let ours = "| first import | carry | 1 | 2.000 | 1.000 | 50 | 0.00 | 2 | 0.6 | 12 | 9.00 |";
        assert!(text.contains(ours), "{text}");
        assert!(text.contains("| | | 1.00 × | 0.25 × | 0.25 × | 1.00 × | – | 1.00 × | 0.50 ×"), "{text}");
        assert!(!text.contains("void"), "{text}");
        assert!(rates(&[(Scenario::Import, import((12, 10)))]).contains("carry takes in 500 messages"));
    }

    #[test]
    fn what_the_folder_takes_is_compared_with_what_agents_wrote() {
        let text = share(&[(Scenario::Publish, import((12, 10)))], 90_000_000);
        assert!(text.contains("carry takes 10.0 % of the 90 MB that agents wrote"), "{text}");
    }

    #[test]
    fn what_did_not_arrive_makes_a_row_void() {
        for there in [(12, 9), (11, 10), (0, 0)] {
            let text = exchanges(&super::super::SETS[2], &[(Scenario::Import, import(there))], 2);
            assert!(text.contains("carry **void**") && !text.contains("agentsview **void**"), "{text}");
        }
    }

    #[test]
    fn one_program_alone_has_no_ratios() {
        let text = exchanges(&super::super::SETS[2], &[(Scenario::Import, import((12, 10)))], 1);
        assert!(!text.contains('×') && !text.contains("agentsview"), "{text}");
    }
}

//! The tables.

use std::fmt::Write as _;

use super::super::measure::Spread;
use super::subject::{Cost, Search};
use super::{Scenario, Set};

/// Costs of both programs and how they compare.
pub(super) fn costs(set: &Set, rows: &[(Scenario, [Vec<Cost>; 2])], counts: [(u64, u64); 2], expected: u64) -> String {
    let mut text = format!("\n### {}: {}\n\n", set.name, set.what);
    text.push_str("| | program | processor s | wall s | memory MB | written MB |\n|---|---|---|---|---|---|\n");
    for (scenario, [ours, theirs]) in rows {
        for (name, costs) in [("carry", ours), ("agentsview", theirs)] {
            let [cpu, wall, rss, written] = medians(costs);
            let line = format!(
                "| {} | {name} | {cpu:.3} | {wall:.3} | {:.0} | {:.1} |\n",
                scenario.name(),
                rss / 1e6,
                written / 1e6
            );
            text.push_str(&line);
        }
        let (ours, theirs) = (medians(ours), medians(theirs));
        let ratio =
            |at: usize| if theirs[at] > 0.0 { format!("{:.2} ×", ours[at] / theirs[at]) } else { "–".to_owned() };
        let _ = writeln!(text, "| | | **{}** | {} | {} | {} |", ratio(0), ratio(1), ratio(2), ratio(3));
    }
    let [ours, theirs] = counts;
    let verdict = if ours.0 == expected { "as generated" } else { "**void: not what was generated**" };
    let _ = writeln!(
        text,
        "\nArchived: carry {} sessions, {} messages ({verdict}: {expected} sessions); agentsview {} sessions, {} messages.",
        ours.0, ours.1, theirs.0, theirs.1
    );
    text
}

/// Latencies of whole processes.
pub(super) fn searches(searches: &[Search]) -> String {
    let mut text = "\n| search | query | lines | ms (least to greatest) |\n|---|---|---|---|\n".to_owned();
    for Search { kind, query, found, ms } in searches {
        let spread = Spread::of(ms.iter().copied());
        let ms = spread
            .map_or_else(String::new, |Spread { median, min, max }| format!("{median:.1} ({min:.1} to {max:.1})"));
        let _ = writeln!(text, "| {kind} | `{query}` | {found} | {ms} |");
    }
    text
}

/// Processor, wall, memory, written.
fn medians(costs: &[Cost]) -> [f64; 4] {
    let median = |of: fn(&Cost) -> f64| Spread::of(costs.iter().map(of)).map_or(f64::NAN, |spread| spread.median);
    [
        median(|cost| cost.cpu),
        median(|cost| cost.wall),
        median(|cost| cost.rss as f64),
        median(|cost| cost.written as f64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(cpu: f64) -> Cost {
        Cost { wall: cpu * 2.0, cpu, rss: 50_000_000, written: 1_000_000 }
    }

    #[test]
    fn a_table_shows_medians_and_ratios() {
        let ours = vec![cost(1.0), cost(3.0), cost(2.0)];
        let rows = [(Scenario::Cold, [ours, vec![cost(8.0)]])];
        let text = costs(&super::super::SETS[0], &rows, [(597, 10), (597, 9)], 597);
        assert!(text.contains("| cold | carry | 2.000 | 4.000 | 50 | 1.0 |"), "{text}");
        assert!(text.contains("| | | **0.25 ×** | 0.25 × | 1.00 × | 1.00 × |"), "{text}");
        assert!(text.contains("as generated"), "{text}");
    }

    #[test]
    fn sessions_that_are_missing_make_it_void() {
        let rows = [(Scenario::Cold, [vec![cost(1.0)], vec![cost(1.0)]])];
        assert!(costs(&super::super::SETS[0], &rows, [(596, 10), (597, 9)], 597).contains("void"));
    }
}

//! Ours beside agentsview: what both cost in the same scenarios, and how that compares.

use std::fmt::Write as _;

use super::measure::Spread;

/// The names of both programs, in the order of everything that is told by program.
pub(super) const NAMES: [&str; 2] = ["carry", "agentsview"];

/// What is told of a run: the heading, the value, digits after the point.
pub(super) type Column<C> = (&'static str, fn(&C) -> f64, usize);

/// Sessions and messages where they came from and where they are to arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) here: (u64, u64),
    pub(super) there: (u64, u64),
}

impl Counts {
    /// Whether all arrived, and that is what was generated.
    pub(super) fn agree(&self, expected: u64) -> bool {
        self.here == self.there && self.here.0 == expected && self.here.1 > 0
    }
}

/// The runs of one scenario, by program.
#[derive(Debug)]
pub(super) struct Runs<C> {
    pub(super) costs: [Vec<C>; 2],
    /// What was counted after the last.
    pub(super) counts: [Counts; 2],
    /// Whether a count was ever wrong.
    pub(super) is_void: [bool; 2],
}

impl<C> Default for Runs<C> {
    fn default() -> Self {
        Self { costs: [Vec::new(), Vec::new()], counts: Default::default(), is_void: [false; 2] }
    }
}

impl<C> Runs<C> {
    /// Adds one run of the program at this place. `is_right` says whether its counts are what they must be.
    pub(super) fn add(&mut self, at: usize, cost: C, counts: Counts, is_right: bool) {
        self.costs[at].push(cost);
        self.counts[at] = counts;
        self.is_void[at] |= !is_right;
    }
}

/// What is told of the runs, and in which words.
pub(super) struct Table<'a, C> {
    pub(super) heading: String,
    pub(super) columns: &'a [Column<C>],
    /// Of how many programs.
    pub(super) n_programs: usize,
    /// Where [`Counts`] were taken, as in "10 messages on the first device".
    pub(super) places: [&'a str; 2],
}

impl<C> Table<'_, C> {
    /// Medians of each scenario, where there are two programs how they compare, and what was counted.
    pub(super) fn show(&self, rows: &[(&str, &Runs<C>)]) -> String {
        let mut text = format!("\n### {}\n\n| | program |", self.heading);
        for (name, ..) in self.columns {
            let _ = write!(text, " {name} |");
        }
        let _ = writeln!(text, "\n|---|---|{}", "--:|".repeat(self.columns.len()));
        for (scenario, runs) in rows {
            self.show_one(&mut text, scenario, runs);
        }
        text.push('\n');
        for (scenario, runs) in rows {
            for (name, Counts { here, there }) in NAMES.iter().zip(&runs.counts).take(self.n_programs) {
                let [at_first, at_last] = self.places;
                let _ = writeln!(
                    text,
                    "{scenario}: {name} has {} sessions and {} messages {at_first}, {} and {} {at_last}.",
                    here.0, here.1, there.0, there.1
                );
            }
        }
        text
    }

    fn show_one(&self, text: &mut String, scenario: &str, runs: &Runs<C>) {
        let medians = runs.costs.each_ref().map(|costs| {
            let of_one = |(_, of, _): &Column<C>| median(costs.iter().map(*of));
            self.columns.iter().map(of_one).collect::<Vec<_>>()
        });
        for at in 0..self.n_programs {
            let void = if runs.is_void[at] { " **void**" } else { "" };
            let _ = write!(text, "| {scenario} | {}{void} |", NAMES[at]);
            for ((_, _, digits), value) in self.columns.iter().zip(&medians[at]) {
                let _ = write!(text, " {value:.digits$} |");
            }
            text.push('\n');
        }
        if self.n_programs < 2 {
            return;
        }
        text.push_str("| | |");
        for (ours, theirs) in medians[0].iter().zip(&medians[1]) {
            if *theirs > 0.0 {
                let _ = write!(text, " {:.2} × |", ours / theirs);
            } else {
                text.push_str(" – |");
            }
        }
        text.push('\n');
    }
}

/// The middle value; not a number where there is none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(values).map_or(f64::NAN, |spread| spread.median)
}

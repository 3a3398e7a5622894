//! The tables, and whether what we promise is met.

use std::fmt::Write as _;
use std::process::Command;

use super::idle::Idle;
use super::method::Method;
use super::scenario::{Row, Scenario};
use super::subject::Subject;
use crate::run::captured;

/// Everything measured, for the promises at the end.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// Files of the tree, what happened, method, median in milliseconds.
    medians: Vec<(usize, Scenario, Method, f64)>,
    pub(super) idle: Option<Idle>,
}

/// The size our promises are about.
const PROMISED: usize = 100_000;

impl Results {
    /// Keeps the rows that count.
    pub(super) fn add(&mut self, subject: &Subject, scenario: Scenario, rows: Vec<Row>) {
        let valid = rows.into_iter().filter(|row| row.void.is_none());
        self.medians.extend(valid.filter_map(|row| Some((subject.files, scenario, row.method, row.ms?.median))));
    }

    /// What is promised, what was measured, whether it is met.
    pub(super) fn targets(&self) -> String {
        let mut text = "| promise | measured | |\n|---|---|---|\n".to_owned();
        let mut line = |promise: &str, measured: Option<f64>, most: f64, unit: &str| {
            let (measured, verdict) = match measured {
                None => ("not measured".to_owned(), ""),
                Some(value) => (format!("{value:.3}{unit}"), if value <= most { "met" } else { "missed" }),
            };
            add(&mut text, format_args!("| {promise} ≤ {most}{unit} | {measured} | {verdict} |\n"));
        };
        let ratio = |method, to| self.ratio(method, to);
        line(
            "one of 100,000 files, warm, inside the daemon: `git status` ×",
            ratio(Method::Inside, Method::Status),
            0.05,
            "",
        );
        line("the same as a whole process: `git status` ×", ratio(Method::Warm, Method::Status), 0.05, "");
        line("the same, cold: `git status` ×", ratio(Method::Cold, Method::Status), 1.2, "");
        line("the same, cold: git-pulsar's plumbing ×", ratio(Method::Cold, Method::Fresh), 0.25, "");
        line("idle processor, 20 repositories", self.idle.map(|idle| idle.cpu_percent), 0.1, " %");
        line("idle memory, 20 repositories", self.idle.map(|idle| idle.resident_mib), 60.0, " MiB");
        text
    }

    fn ratio(&self, method: Method, to: Method) -> Option<f64> {
        let median = |wanted| {
            let mut rows = self.medians.iter();
            let row = rows
                .find(|(files, scenario, method, _)| (*files, *scenario, *method) == (PROMISED, Scenario::One, wanted));
            row.map(|(.., ms)| *ms)
        };
        Some(median(method)? / median(to)?)
    }
}

/// One tree, one scenario.
pub(super) fn table(subject: &Subject, scenario: Scenario, rows: &[Row]) -> String {
    let median = |method| rows.iter().find(|row| row.method == method && row.void.is_none())?.ms.map(|ms| ms.median);
    let mut text = format!("\n### {}, {}\n\n", subject.name, scenario.name(subject));
    text.push_str(
        "| method | median ms | min–max | ÷ status | ÷ plumbing | written | syncs |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        if let Some(why) = &row.void {
            add(
                &mut text,
                format_args!("| {} | void: {} | | | | | |\n", row.method.name(), why.lines().next().unwrap_or("")),
            );
            continue;
        }
        let Some(ms) = row.ms else { continue };
        let ratio = |to| median(to).map_or("–".to_owned(), |to| format!("{:.2}", ms.median / to));
        let (status, plumbing) = (ratio(Method::Status), ratio(Method::Fresh));
        let spread = format!("{:.1}–{:.1}", ms.min, ms.max);
        let written = row.bytes.map_or("–".to_owned(), bytes);
        let syncs = row.syncs.map_or("–".to_owned(), |n| n.to_string());
        let name = row.method.name();
        add(
            &mut text,
            format_args!("| {name} | {:.1} | {spread} | {status} | {plumbing} | {written} | {syncs} |\n", ms.median),
        );
    }
    text
}

/// The machine and what is on it.
pub(super) fn machine(rounds: usize) -> String {
    let said =
        |program: &str, args: &[&str]| captured(Command::new(program).args(args)).unwrap_or_default().trim().to_owned();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {cores} cores, load {} at the start; {}; {rounds} rounds kept, first one thrown away; medians.",
        said("uname", &["-srm"]),
        load.split(' ').next().unwrap_or("unknown"),
        said("git", &["--version"]),
    )
}

/// A number of bytes, in the unit that fits.
pub(super) fn bytes(n: f64) -> String {
    match n {
        n if n < 1024.0 => format!("{n:.0} B"),
        n if n < 1_048_576.0 => format!("{:.1} KiB", n / 1024.0),
        n => format!("{:.1} MiB", n / 1_048_576.0),
    }
}

fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a string does not fail");
}

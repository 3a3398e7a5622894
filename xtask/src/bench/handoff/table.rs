//! The tables.

use std::fmt::Write as _;

use super::pair::{Looks, Sent, Way};
use super::{By, Row};
use crate::bench::measure::Spread;
use crate::bench::report::bytes;
use crate::bench::subject::thousands;

/// Middle value, and the one that all but one in a hundred stay below.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Latency {
    p50: f64,
    p99: f64,
}

impl Latency {
    /// By nearest rank; of fewer than a hundred values `p99` is the greatest. `None` of nothing.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let rank = |percent: usize| (values.len() * percent).div_ceil(100).saturating_sub(1);
        Some(Self { p50: *values.get(rank(50))?, p99: *values.get(rank(99))? })
    }
}

/// What the ways took, side by side.
pub(super) fn handoffs(files: usize, changes: usize, by: By, rows: &[Row]) -> String {
    let total = |sent: &Sent| sent.send_ms + sent.take_ms;
    let latency = |row: &Row, of: &dyn Fn(&Sent) -> f64| Latency::of(row.sent.iter().map(of));
    let p50 = |way| latency(rows.iter().find(|row| row.way == way && row.void.is_none())?, &total).map(|l| l.p50);
    let mut text = format!(
        "\n### {} files (synthetic), {} changed, remote {}\n\n",
        thousands(files),
        if changes == 1 { "one file".to_owned() } else { format!("{} files", thousands(changes)) },
        by.name()
    );
    text.push_str(
        "| way | save to applied p50 ms | p99 | send p50 | p99 | take p50 | p99 | ÷ git-pulsar | ÷ plain Git | sent | ÷ changed | fetched |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let name = row.way.name();
        if let Some(why) = &row.void {
            add(
                &mut text,
                format_args!("| {name} | void: {} | | | | | | | | | | |\n", why.lines().next().unwrap_or("")),
            );
            continue;
        }
        let (Some(all), Some(send), Some(take)) =
            (latency(row, &total), latency(row, &|sent| sent.send_ms), latency(row, &|sent| sent.take_ms))
        else {
            continue;
        };
        let ratio = |way| p50(way).map_or("–".to_owned(), |other| format!("{:.2}", all.p50 / other));
        let median = |of: &dyn Fn(&Sent) -> Option<u64>| {
            Spread::of(row.sent.iter().filter_map(|sent| Some(of(sent)? as f64))).map(|spread| spread.median)
        };
        let (sent, taken) = (median(&|sent| sent.bytes_sent), median(&|sent| sent.bytes_taken));
        let changed = median(&|sent| Some(sent.bytes_changed));
        let against = sent.zip(changed).map_or("–".to_owned(), |(sent, changed)| format!("{:.2}", sent / changed));
        let shown = |n: Option<f64>| n.map_or("–".to_owned(), bytes);
        add(
            &mut text,
            format_args!(
                "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {against} | {} |\n",
                all.p50,
                all.p99,
                send.p50,
                send.p99,
                take.p50,
                take.p99,
                ratio(Way::Pulsar),
                ratio(Way::Git),
                shown(sent),
                shown(taken),
            ),
        );
    }
    text
}

/// What looking takes.
pub(super) fn looks(files: usize, by: By, looks: &Looks) -> String {
    let mut text = format!("\n### {} files (synthetic), looking, remote {}\n\n", thousands(files), by.name());
    text.push_str("| command | p50 ms | p99 ms | ÷ git status |\n|---|--:|--:|--:|\n");
    let status = Latency::of(looks.git_status.iter().copied());
    for (name, values) in [
        ("`carry status`", &looks.carry_status),
        ("`carry prompt`", &looks.carry_prompt),
        ("`git status --porcelain`", &looks.git_status),
    ] {
        let Some(latency) = Latency::of(values.iter().copied()) else { continue };
        let ratio = status.map_or("–".to_owned(), |status| format!("{:.2}", latency.p50 / status.p50));
        add(&mut text, format_args!("| {name} | {:.1} | {:.1} | {ratio} |\n", latency.p50, latency.p99));
    }
    text
}

fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        assert_eq!(Latency::of((1..=100).map(f64::from)), Some(Latency { p50: 50.0, p99: 99.0 }));
        assert_eq!(Latency::of([3.0, 1.0, 2.0]), Some(Latency { p50: 2.0, p99: 3.0 }));
        assert_eq!(Latency::of([]), None);
    }
}

//! `carry exchange stats`: how much is kept of the exchange, and how it goes with each remote.

use carry_exchange::store::{DiskRoom, PutTotals, RoundRow, Sizes, Store, Went, disk_room};
use serde::Serialize;

use super::code;
use super::problem::of_disk;
use crate::cli::remote::{self, Rounds};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Show how much is kept of the exchange, and how it goes with each remote
///
/// Asks no remote.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(shell: &Shell, _args: &Args) -> Result<(), Failure> {
    let settings = shell.exchange();
    let store = shell.store_to_read()?;
    let sizes = store.as_ref().map(Store::sizes).transpose()?.unwrap_or_default();
    let disk = disk_room(&shell.home, settings.free)?;
    let aside = store.as_ref().map(Store::aside).transpose()?.unwrap_or_default();
    let aside = (text::len(&aside), aside.iter().map(|file| file.bytes).fold(0, u64::saturating_add));
    let rounds = Rounds::look(shell)?;
    if shell.out.is_json() {
        shell.out.json(&StatsJson::new(&sizes, disk, aside))?;
    } else {
        show(shell, &sizes)?;
        if aside.0 > 0 {
            let (files, bytes) = (text::count(aside.0, "file"), text::size(aside.1));
            row(
                shell,
                "aside",
                format!("{files}, {bytes}, that nothing here knows; `carry exchange verify` names them"),
            )?;
        }
        if let Some(disk) = disk {
            let style = if disk.is_low() { style::WARNING } else { style::DIM };
            row(shell, "disk", shell.out.paint(style, of_disk(disk)))?;
        }
    }
    for remote in &settings.remotes {
        let row = rounds.of(&remote.name);
        let totals = store.as_ref().map(|store| store.put_totals(&remote.name)).transpose()?.unwrap_or_default();
        let published = store.as_ref().map(|store| store.published(&remote.name, store.log())).transpose()?.flatten();
        if shell.out.is_json() {
            shell.out.json(&RemoteStatsJson {
                remote: &remote.name,
                put_files: totals.n_files,
                put_bytes: totals.bytes,
                rejected: totals.n_rejected,
                published,
                pull: WentJson::new(&row.pull),
                push: WentJson::new(&row.push),
            })?;
            continue;
        }
        let title = shell.out.paint(style::TITLE, &remote.name);
        shell.out.line(format_args!("{title}  {}", remote::place(shell, &remote.location)))?;
        show_remote(shell, &row, &totals, published)?;
    }
    code::stats(shell)
}

fn row(shell: &Shell, label: &str, text: String) -> Result<(), Failure> {
    shell.out.line(format_args!("  {label:<10} {text}"))
}

fn show(shell: &Shell, sizes: &Sizes) -> Result<(), Failure> {
    shell.out.line(shell.out.paint(style::TITLE, "Kept here"))?;
    let files = text::count(sizes.n_segments, "file");
    row(
        shell,
        "records",
        format!("{files} of {}, {}", text::count(sizes.n_logs, "log"), text::size(sizes.segment_bytes)),
    )?;
    if sizes.n_superseded > 0 {
        let files = text::count(sizes.n_superseded, "file");
        row(
            shell,
            "merged",
            format!("{files}, {}, kept for those who still read them", text::size(sizes.superseded_bytes)),
        )?;
    }
    if sizes.n_unsealed + sizes.n_attachments > 0 {
        let (records, files) =
            (text::count(sizes.n_unsealed, "record"), text::count(sizes.n_attachments, "attachment"));
        row(shell, "new", format!("{records} and {files} that wait to be put"))?;
    }
    if sizes.n_renewals > 0 {
        let n = if sizes.n_renewals == 1 { "once".to_owned() } else { format!("{} times", sizes.n_renewals) };
        row(shell, "renewed", format!("{n}: this device went on under a new key"))?;
    }
    Ok(())
}

fn show_remote(shell: &Shell, rounds: &RoundRow, totals: &PutTotals, published: Option<u64>) -> Result<(), Failure> {
    let age = |at| carry_code::time::age(at, shell.now());
    for (label, went) in [("pulled", &rounds.pull), ("pushed", &rounds.push)] {
        row(shell, label, went.ok.map_or("never".to_owned(), age))?;
        if let Some((at, why)) = &went.failed {
            let since = if went.n_failures > 0 { format!("{} since", went.n_failures) } else { "over".to_owned() };
            let text = format!("failed {} ({since}): {}", age(*at), text::line(why));
            let style = if went.n_failures > 0 { style::WARNING } else { style::DIM };
            row(shell, "", shell.out.paint(style, text))?;
        }
    }
    let files = text::count(totals.n_files, "file");
    let head = published.map_or("no head yet".to_owned(), |n| format!("head {n}"));
    row(shell, "put", format!("{files}, {}; {head}", text::size(totals.bytes)))?;
    if totals.n_rejected > 0 {
        row(shell, "unusable", format!("{} there could not be used", text::count(totals.n_rejected, "file")))?;
    }
    Ok(())
}

/// What is kept, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-stats")]
struct StatsJson {
    segments: u64,
    segment_bytes: u64,
    superseded: u64,
    superseded_bytes: u64,
    unsealed: u64,
    attachments: u64,
    logs: u64,
    renewals: u64,
    aside: u64,
    aside_bytes: u64,
    disk_free: Option<u64>,
    disk_free_min: Option<u64>,
    disk_low: bool,
}

impl StatsJson {
    fn new(sizes: &Sizes, disk: Option<DiskRoom>, (aside, aside_bytes): (u64, u64)) -> Self {
        Self {
            segments: sizes.n_segments,
            segment_bytes: sizes.segment_bytes,
            superseded: sizes.n_superseded,
            superseded_bytes: sizes.superseded_bytes,
            unsealed: sizes.n_unsealed,
            attachments: sizes.n_attachments,
            logs: sizes.n_logs,
            renewals: sizes.n_renewals,
            aside,
            aside_bytes,
            disk_free: disk.map(|disk| disk.free),
            disk_free_min: disk.map(|disk| disk.needed),
            disk_low: disk.is_some_and(DiskRoom::is_low),
        }
    }
}

/// One remote, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "remote-stats")]
struct RemoteStatsJson<'a> {
    remote: &'a str,
    put_files: u64,
    put_bytes: u64,
    rejected: u64,
    published: Option<u64>,
    pull: WentJson<'a>,
    push: WentJson<'a>,
}

/// How one half of the rounds went.
#[derive(Serialize)]
struct WentJson<'a> {
    ok: Option<String>,
    n_ok: u64,
    failed: Option<String>,
    reason: Option<&'a str>,
    n_failed: u64,
    failures: u64,
}

impl<'a> WentJson<'a> {
    fn new(went: &'a Went) -> Self {
        Self {
            ok: went.ok.map(|at| at.to_rfc3339()),
            n_ok: went.n_ok,
            failed: went.failed.as_ref().map(|(at, _)| at.to_rfc3339()),
            reason: went.failed.as_ref().map(|(_, why)| why.as_str()),
            n_failed: went.n_failed,
            failures: went.n_failures,
        }
    }
}

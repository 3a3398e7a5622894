//! `carry sessions index`: one pass over everything that agents have left here.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use carry_sessions::archive::Cut;
use carry_sessions::ingest::{LEASE, Pass, Progress as PassProgress, Report};
use carry_sessions::model::Agent;
use carry_sessions::settings::Settings;
use carry_sessions::source::{Places, Source};
use serde::Serialize;

use super::archive;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::wire::Shell;
use crate::{lease, paths, text};

/// Problems named one by one for people.
const NAMED_MAX: usize = 10;

/// Archive the sessions on this machine, without a daemon
///
/// Reads what changed since the last pass. It can be stopped at any time: the next pass goes on. The exit code is 3 when
/// something could not be read; the rest is archived all the same.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this folder, too (with --agent, which says whose it is)
    #[arg(long, value_name = "DIR", requires = "agent")]
    root: Vec<PathBuf>,
    /// Read only this agent's sessions (may be given more than once)
    #[arg(long, value_name = "NAME")]
    agent: Vec<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    // What is not to be archived is not known while its file cannot be read.
    shell.check_config(None)?;
    let mut settings = shell.sessions()?;
    for warning in &settings.warnings {
        shell.out.warn(warning);
    }
    let sources = chosen(&settings, args)?;
    add_roots(shell, &mut settings.places, args)?;
    let report = pass(shell, &settings, &sources)?;
    let total = archive::to_read(shell)?.total()?;
    show(shell, &report, total)?;
    let problems = report.failed.len() + report.unlisted.len();
    match (problems, report.was_stopped) {
        (_, true) => Err(Failure::partly("the pass was stopped before its end")
            .hint("`carry sessions index` goes on where it stopped.")),
        (0, false) => Ok(()),
        (n, false) => Err(Failure::partly(format!("{n} of the places could not be read"))
            .hint("The rest is archived. `carry sessions sources` says what could not be read and why.")),
    }
}

/// The sources that were asked for; all that are not switched off.
fn chosen(settings: &Settings, args: &Args) -> Result<Vec<Box<dyn Source>>, Failure> {
    let sources = settings.sources();
    for name in &args.agent {
        if !sources.iter().any(|source| source.name() == name) {
            let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
            return Err(Failure::usage(format!("there is no source {name:?}"))
                .hint(format!("The sources are {}.", names.join(", "))));
        }
    }
    let is_wanted = |source: &dyn Source| args.agent.is_empty() || args.agent.iter().any(|name| name == source.name());
    Ok(sources.into_iter().filter(|source| is_wanted(source.as_ref())).collect())
}

/// Adds the folders that the command line names.
fn add_roots(shell: &Shell, places: &mut Places, args: &Args) -> Result<(), Failure> {
    if args.root.is_empty() {
        return Ok(());
    }
    let [name] = args.agent.as_slice() else {
        return Err(Failure::usage("--root goes with one --agent, which says whose sessions lie there"));
    };
    for root in &args.root {
        let full = paths::without_dots(&shell.cwd.join(root));
        if !full.exists() {
            return Err(Failure::usage(format!("{} is not there", text::file(&full))));
        }
        places.extra.push((Agent::named(name), full));
    }
    Ok(())
}

/// Runs a pass under the lease that keeps other processes from doing the same.
pub(super) fn pass(shell: &Shell, settings: &Settings, sources: &[Box<dyn Source>]) -> Result<Report, Failure> {
    let mut archive = archive::to_write(shell)?;
    let progress = Mutex::new(Progress::new(shell));
    let told = |at: PassProgress| {
        let (done, total) = at.bytes;
        let what = format!("archiving sessions ({} of {})", at.units.0, at.units.1);
        if let Ok(progress) = progress.lock() {
            progress.show(&what, done, total);
        }
    };
    lease::hold(shell, LEASE, "archiving sessions", |lost| {
        let pass = Pass {
            sources,
            places: &settings.places,
            only: None,
            now: shell.now(),
            limits: settings.limits,
            progress: &told,
            should_stop: &|| lost.load(Ordering::Relaxed),
        };
        Ok(pass.run(&mut archive)?)
    })
}

fn show(shell: &Shell, report: &Report, total: u64) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&IndexedJson::new(report, total));
    }
    for (path, why) in report.failed.iter().chain(&report.unlisted).take(NAMED_MAX) {
        shell.out.warn(format_args!("{}: {why}", shell.folder(path)));
    }
    let more = (report.failed.len() + report.unlisted.len()).saturating_sub(NAMED_MAX);
    if more > 0 {
        shell.out.warn(format_args!("{more} more could not be read"));
    }
    let found: Vec<String> =
        report.found.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
    if found.is_empty() {
        shell.out.say("No agent has left sessions where this machine's agents keep them.")?;
        shell.out.note("`carry sessions sources` says where they are looked for.");
        return Ok(());
    }
    shell.out.say(format_args!("Found {}.", found.join(", ")))?;
    let written = &report.written;
    shell.out.say(format_args!(
        "Read {} ({}), {} unchanged. {} changed; the archive holds {}.",
        text::count(report.read, "file"),
        text::size(written.raw_bytes),
        report.unchanged,
        text::count(written.sessions, "session"),
        text::count(total, "session"),
    ))?;
    for (path, cut) in report.cut.iter().take(NAMED_MAX) {
        shell.out.note(format_args!(
            "{} was {} by its agent; what it held is kept: `carry sessions restore {} --before`.",
            shell.folder(path),
            how_cut(cut),
            cut.session
        ));
    }
    if report.cut.len() > NAMED_MAX {
        shell.out.note(format_args!("{} more were cut or rewritten.", report.cut.len() - NAMED_MAX));
    }
    for path in &report.unfinished {
        shell.out.note(format_args!("{} is still being written.", shell.folder(path)));
    }
    shell.out.note("`carry sessions list` lists them, `carry sessions search WORDS` searches them.");
    Ok(())
}

/// What became of a file that lost bytes.
fn how_cut(cut: &Cut) -> String {
    if cut.after < cut.before {
        format!("cut from {} to {}", text::count(cut.before, "byte"), text::count(cut.after, "byte"))
    } else {
        format!("rewritten ({}, before {})", text::count(cut.after, "byte"), text::count(cut.before, "byte"))
    }
}

/// What agents have left on this machine, without reading it.
#[derive(Debug, Default)]
pub(in crate::cli) struct Found {
    /// Files and databases, by source.
    pub(in crate::cli) units: Vec<(&'static str, u64)>,
    /// Folders that are not there though they were asked for: no agent was used yet, or the name is wrong.
    pub(in crate::cli) absent: Vec<PathBuf>,
    /// Folders that could not be listed, and why.
    pub(in crate::cli) problems: Vec<(PathBuf, String)>,
}

/// Looks what agents have left on this machine.
pub(in crate::cli) fn found(settings: &Settings) -> Found {
    let mut found = Found::default();
    for source in settings.sources() {
        let mut n = 0;
        for root in source.roots(&settings.places) {
            let mut problem = |path: &Path, error: std::io::Error| match error.kind() {
                std::io::ErrorKind::NotFound if root.is_default => {}
                std::io::ErrorKind::NotFound if path == root.path => found.absent.push(path.to_owned()),
                _ => found.problems.push((path.to_owned(), error.to_string())),
            };
            source.discover(&root, &mut |_| n += 1, &mut problem);
        }
        found.units.push((source.name(), n));
    }
    found
}

/// Says what agents have left on this machine, and who archives it: part of `up`.
pub(in crate::cli) fn announce(shell: &Shell) -> Result<(), Failure> {
    // Without a home there is nothing to look at.
    let Ok(settings) = shell.sessions() else { return Ok(()) };
    if !settings.enabled {
        return Ok(());
    }
    let found = found(&settings);
    let total: u64 = found.units.iter().map(|(_, n)| n).sum();
    if total == 0 {
        return Ok(());
    }
    if shell.out.is_json() {
        return shell.out.json(&FoundJson {
            sources: found.units.iter().map(|&(name, units)| SourceCountJson { name, units }).collect(),
            units: total,
        });
    }
    let of: Vec<&str> = found.units.iter().filter(|(_, n)| *n > 0).map(|(name, _)| *name).collect();
    shell.out.say(format_args!(
        "Found {} of coding agents ({}); the daemon archives them. `carry sessions list` lists what is archived.",
        text::count(total, "session file"),
        of.join(", "),
    ))
}

/// What was found, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "sessions-found")]
struct FoundJson {
    units: u64,
    sources: Vec<SourceCountJson>,
}

/// How much of a source, for machines.
#[derive(Serialize)]
struct SourceCountJson {
    name: &'static str,
    units: u64,
}

/// What a pass did, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "sessions-indexed")]
struct IndexedJson<'a> {
    found: Vec<CountJson<'a>>,
    read: u64,
    unchanged: u64,
    missing: u64,
    bytes: u64,
    changed: u64,
    sessions: u64,
    failed: Vec<ProblemJson<'a>>,
    unfinished: Vec<String>,
    cut: Vec<CutJson<'a>>,
    stopped: bool,
}

#[derive(Serialize)]
struct CountJson<'a> {
    name: &'a str,
    units: u64,
}

/// A file that lost bytes, for machines.
#[derive(Serialize)]
struct CutJson<'a> {
    path: String,
    session: &'a str,
    before: u64,
    after: u64,
}

#[derive(Serialize)]
struct ProblemJson<'a> {
    path: String,
    reason: &'a str,
}

impl<'a> IndexedJson<'a> {
    fn new(report: &'a Report, total: u64) -> Self {
        let problem = |(path, reason): &'a (PathBuf, String)| ProblemJson { path: text::json_file(path), reason };
        let cut = |(path, cut): &'a (PathBuf, Cut)| CutJson {
            path: text::json_file(path),
            session: &cut.session,
            before: cut.before,
            after: cut.after,
        };
        Self {
            found: report.found.iter().map(|(name, units)| CountJson { name, units: *units }).collect(),
            read: report.read,
            unchanged: report.unchanged,
            missing: report.missing,
            bytes: report.written.raw_bytes,
            changed: report.written.sessions,
            sessions: total,
            failed: report.failed.iter().chain(&report.unlisted).map(problem).collect(),
            unfinished: report.unfinished.iter().map(|path| text::json_file(path)).collect(),
            cut: report.cut.iter().map(cut).collect(),
            stopped: report.was_stopped,
        }
    }
}

//! `carry sessions sources`: what was found where, and what could not be read.

use std::path::{Path, PathBuf};

use carry_sessions::archive::{Archive, UnitRow};
use carry_sessions::list::Filter;
use carry_sessions::source::{Root, Source};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Problems named one by one for people; JSON has all.
const NAMED_MAX: usize = 5;

/// Show where sessions are looked for, and what could not be read
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show every problem
    #[arg(short, long)]
    all: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let settings = shell.sessions()?;
    for warning in &settings.warnings {
        shell.out.warn(warning);
    }
    let archive = Archive::open_read_only(&shell.home)?;
    let units = archive.as_ref().map(Archive::units).transpose()?.unwrap_or_default();
    let sources = carry_sessions::source::all();
    for source in &sources {
        let is_disabled = settings.disabled.iter().any(|name| name == source.name());
        let of_it: Vec<&UnitRow> = units.iter().filter(|unit| unit.source == source.name()).collect();
        let sessions = match &archive {
            Some(archive) => sessions(archive, source.as_ref())?,
            None => 0,
        };
        let json = SourceJson::new(source.as_ref(), source.roots(&settings.places), is_disabled, &of_it, sessions);
        if shell.out.is_json() {
            shell.out.json(&json)?;
        } else {
            show(shell, source.as_ref(), &json, args.all)?;
        }
    }
    if archive.is_none() {
        shell.out.note("Nothing is archived yet; `carry sessions index` reads what is there.");
    }
    Ok(())
}

/// How many sessions of the source's agent there are, whatever brought them in.
fn sessions(archive: &Archive, source: &dyn Source) -> Result<u64, Failure> {
    // The reader of another archive has no sessions of its own.
    if source.name() != source.agent().as_str() {
        return Ok(0);
    }
    let filter = Filter { agents: vec![source.agent()], all: true, limit: Some(0), ..Filter::default() };
    let listed = archive.list(&filter)?;
    Ok(listed.more + text::len(&listed.sessions))
}

fn show(shell: &Shell, source: &dyn Source, json: &SourceJson<'_>, all: bool) -> Result<(), Failure> {
    let out = &shell.out;
    let state = match (json.disabled, json.units) {
        (true, _) => "switched off by sessions.disabled".to_owned(),
        (false, 0) => "nothing archived".to_owned(),
        (false, units) => {
            let what = if source.is_container() { "database" } else { "file" };
            let mut state = format!("{}, {}", text::count(units, what), text::size(json.bytes));
            if json.sessions > 0 {
                state = format!("{}, {state}", text::count(json.sessions, "session"));
            }
            if json.gone > 0 {
                state.push_str(&format!(", {} gone from disk", json.gone));
            }
            state
        }
    };
    out.line(format_args!("{}  {state}", out.paint(style::TITLE, json.name)))?;
    for root in &json.roots {
        let there = if root.exists { "" } else { "  (not there)" };
        let line = format!("    {}{there}", shell.folder(&root.full));
        out.line(if root.exists { line } else { out.paint(style::DIM, line) })?;
    }
    if json.skipped > 0 {
        out.line(format_args!("    {} without a session", text::count(json.skipped, "file")))?;
    }
    if json.malformed > 0 {
        out.line(format_args!("    {} could not be read (kept as bytes)", text::count(json.malformed, "line")))?;
    }
    // Lines that could not be read are said above.
    for odd in json.odd.iter().filter(|odd| odd.kind != "malformed") {
        out.line(format_args!("    {}: {}", text::line(&odd.kind.replace('_', " ")), odd.count))?;
    }
    let shown = if all { json.problems.len() } else { NAMED_MAX };
    for problem in json.problems.iter().take(shown) {
        let line = format!("{}: {}", shell.folder(problem.full), text::line(problem.reason));
        out.line(format_args!("    {}", out.paint(style::WARNING, line)))?;
    }
    if json.problems.len() > shown {
        out.line(format_args!("    {} more; --all shows them", json.problems.len() - shown))?;
    }
    Ok(())
}

/// One source, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-source")]
struct SourceJson<'a> {
    name: &'a str,
    disabled: bool,
    roots: Vec<RootJson>,
    sessions: u64,
    units: u64,
    bytes: u64,
    gone: u64,
    skipped: u64,
    malformed: u64,
    odd: Vec<OddJson>,
    problems: Vec<ProblemJson<'a>>,
}

/// A place where sessions are looked for, for machines.
#[derive(Serialize)]
struct RootJson {
    path: String,
    #[serde(skip)]
    full: PathBuf,
    exists: bool,
    default: bool,
}

/// How often a source had something odd, for machines.
#[derive(Serialize)]
struct OddJson {
    kind: String,
    count: u64,
}

/// What could not be read, for machines.
#[derive(Serialize)]
struct ProblemJson<'a> {
    path: String,
    #[serde(skip)]
    full: &'a Path,
    reason: &'a str,
}

impl<'a> SourceJson<'a> {
    fn new(source: &'a dyn Source, roots: Vec<Root>, disabled: bool, units: &[&'a UnitRow], sessions: u64) -> Self {
        let mut odd: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
        for (kind, count) in units.iter().flat_map(|unit| &unit.odd) {
            *odd.entry(kind).or_default() += count;
        }
        let problems = units.iter().filter_map(|unit| {
            let reason = unit.error.as_deref()?;
            Some(ProblemJson { path: text::json_file(&unit.path), full: &unit.path, reason })
        });
        let count =
            |holds: fn(&UnitRow) -> bool| text::len(&units.iter().filter(|unit| holds(unit)).collect::<Vec<_>>());
        Self {
            name: source.name(),
            disabled,
            roots: roots
                .into_iter()
                .map(|root| RootJson {
                    path: text::json_file(&root.path),
                    exists: root.path.exists(),
                    default: root.is_default,
                    full: root.path,
                })
                .collect(),
            sessions,
            units: text::len(units),
            bytes: units.iter().map(|unit| unit.stamp.size).sum(),
            gone: count(|unit| unit.missing.is_some()),
            skipped: count(|unit| unit.skipped.is_some()),
            malformed: units.iter().map(|unit| unit.malformed).sum(),
            odd: odd.into_iter().map(|(kind, count)| OddJson { kind: kind.to_owned(), count }).collect(),
            problems: problems.collect(),
        }
    }
}

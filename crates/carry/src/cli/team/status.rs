//! `carry team status`: what is in the store, what waits, and what went wrong.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::status::Row;
use carry_team::share::Mode;
use serde::Serialize;

use super::rules::{self, Group};
use super::stand::{Looked, Stand};
use super::store::{self, StoreArg};
use super::unit::{self, ElsewhereJson};
use crate::cli::status::phase_parts;
use crate::failure::Failure;
use crate::output::style;
use crate::wire::Shell;
use crate::{overview, text};

/// Problems named one by one for people.
const NAMED_MAX: usize = 10;
/// Rules of masking named for people.
const RULES_MAX: usize = 8;

/// Show what is in the team store, and what is not
///
/// Says what this device knows, so that it answers without a connection: `carry team verify` asks the store.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let stores = match &args.store.store {
        Some(_) => vec![args.store.settings(shell)?],
        None => store::configured(shell)?,
    };
    let looked = Looked::open(shell)?;
    let groups = rules::groups(looked.archive.as_ref())?;
    let daemon = shell.daemon()?;
    let rows: Vec<Row> = overview::rows(shell, daemon)?;
    for warning in &looked.settings.warnings {
        shell.out.warn(text::line(warning));
    }
    for settings in &stores {
        let stand = looked.stand(shell, settings, &rows)?;
        if shell.out.is_json() {
            shell.out.json(&StatusJson::new(shell, &stand, &groups, daemon.is_some()))?;
        } else {
            show(shell, &stand, &groups)?;
        }
    }
    Ok(())
}

fn show(shell: &Shell, stand: &Stand, groups: &[Group]) -> Result<(), Failure> {
    let out = &shell.out;
    let age = |at| carry_code::time::age(at, shell.now());
    let row = |label: &str, text: String| out.line(format_args!("  {label:<10} {text}"));
    out.line(format_args!("{}  {}", out.paint(style::TITLE, &stand.store.name), text::line(&stand.place(shell))))?;
    row(
        "pushed",
        match stand.row.pushed_at {
            Some(at) => format!("{}, {}, {} masked", age(at), stand.content(), text::count(stand.masked(), "secret")),
            None => "never".to_owned(),
        },
    )?;
    if !stand.row.masked.is_empty() {
        row("masked", masked(&stand.row.masked))?;
    }
    let mut worker = stand.phase().to_owned();
    if let Some(until) = stand.backoff() {
        worker.push_str(&format!(", tried again {}", coming(until, shell.now())));
    }
    row("worker", worker)?;
    match stand.pending {
        Some(0) => row("pending", "nothing".to_owned())?,
        Some(n) => row("pending", text::count(n, "session"))?,
        None => row("pending", "nothing: no session is archived yet".to_owned())?,
    }
    let counts = rules::counts(&stand.store.shares, groups);
    for (n, (rule, sessions)) in stand.store.shares.rules().iter().zip(counts).enumerate() {
        let what = if rule.pattern == "*" { "every other project".to_owned() } else { text::line(&rule.pattern) };
        let how = match rule.mode {
            Mode::Off => "not".to_owned(),
            mode => format!("as {mode}"),
        };
        row(if n == 0 { "shares" } else { "" }, format!("{what} {how}: {}", text::count(sessions, "session")))?;
    }
    if stand.store.shares.rules().is_empty() {
        row("shares", "nothing; `carry team share . --mode full` shares the project you stand in".to_owned())?;
    }
    for (n, (key, failed)) in stand.row.failed.iter().take(NAMED_MAX).enumerate() {
        let text = format!("{key}: {}; tried again {}", text::line(&failed.why), coming(failed.retry_at, shell.now()));
        row(if n == 0 { "set aside" } else { "" }, out.paint(style::WARNING, text))?;
    }
    if stand.row.failed.len() > NAMED_MAX {
        row("", out.paint(style::WARNING, format!("and {} more", stand.row.failed.len() - NAMED_MAX)))?;
    }
    if !stand.row.elsewhere.is_empty() {
        let n = text::count(text::len(&stand.row.elsewhere), "session");
        row("elsewhere", format!("{n} came from another device of yours, which goes on pushing them"))?;
    }
    if let Some(error) = stand.error() {
        row("attention", out.paint(style::WARNING, text::line(error)))?;
    }
    Ok(())
}

/// When something is done that waits: to the second, while there are only some.
fn coming(at: Timestamp, now: Timestamp) -> String {
    match at.since(now).as_secs() {
        _ if at <= now => "as soon as can be".to_owned(),
        seconds @ ..60 => format!("in {} s", seconds + 1),
        _ => carry_code::time::age(at, now),
    }
}

/// `github-pat 3, generic 2`, most first.
pub(super) fn masked(by_rule: &BTreeMap<String, u64>) -> String {
    let mut rules: Vec<(&String, &u64)> = by_rule.iter().collect();
    rules.sort_by_key(|(rule, n)| (std::cmp::Reverse(**n), *rule));
    let mut named: Vec<String> = rules.iter().take(RULES_MAX).map(|(rule, n)| format!("{rule} {n}")).collect();
    if rules.len() > RULES_MAX {
        named.push(format!("{} more rules", rules.len() - RULES_MAX));
    }
    named.join(", ")
}

/// A store, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-status")]
struct StatusJson<'a> {
    store: &'a str,
    store_id: Option<&'a str>,
    owner: Option<&'a str>,
    place: String,
    schema: &'a str,
    person: String,
    running: bool,
    phase: Option<&'static str>,
    step: Option<&'a str>,
    backoff_until: Option<String>,
    last_sync_at: Option<String>,
    last_error: Option<&'a str>,
    last_error_at: Option<String>,
    total_sessions_synced: u64,
    total_sums_synced: u64,
    total_secrets_detected: u64,
    masked: &'a BTreeMap<String, u64>,
    pending: Option<u64>,
    set_aside: Vec<AsideJson<'a>>,
    elsewhere: Vec<ElsewhereJson<'a>>,
    rules: Vec<RuleJson<'a>>,
}

/// A unit that was set aside.
#[derive(Serialize)]
struct AsideJson<'a> {
    unit: &'a str,
    reason: &'a str,
    attempts: u32,
    retry_at: String,
}

/// A rule.
#[derive(Serialize)]
struct RuleJson<'a> {
    pattern: &'a str,
    mode: &'a str,
    sessions: u64,
}

impl<'a> StatusJson<'a> {
    fn new(shell: &Shell, stand: &'a Stand, groups: &[Group], running: bool) -> Self {
        let Stand { store, row, worker, pending } = stand;
        let (phase, step) = worker.as_ref().map_or((None, None), |worker| phase_parts(&worker.phase));
        let counts = rules::counts(&store.shares, groups);
        Self {
            store: &store.name,
            store_id: row.store_id.as_deref(),
            owner: row.owner.as_deref(),
            place: stand.place(shell),
            schema: &store.schema,
            person: shell.person(),
            running,
            phase,
            step,
            backoff_until: stand.backoff().map(|at| at.to_rfc3339()),
            last_sync_at: row.pushed_at.map(|at| at.to_rfc3339()),
            last_error: stand.error(),
            last_error_at: stand.error_at().map(|at| at.to_rfc3339()),
            total_sessions_synced: row.units - row.sums,
            total_sums_synced: row.sums,
            total_secrets_detected: stand.masked(),
            masked: &row.masked,
            pending: *pending,
            set_aside: row
                .failed
                .iter()
                .map(|(unit, failed)| AsideJson {
                    unit,
                    reason: &failed.why,
                    attempts: failed.attempts,
                    retry_at: failed.retry_at.to_rfc3339(),
                })
                .collect(),
            elsewhere: unit::elsewhere(&row.elsewhere),
            rules: store
                .shares
                .rules()
                .iter()
                .zip(counts)
                .map(|(rule, sessions)| RuleJson { pattern: &rule.pattern, mode: rule.mode.as_str(), sessions })
                .collect(),
        }
    }
}

//! `carry team totals`: what projects come to that share no more than that.

use carry_team::postgres::PostgresReader;
use carry_team::reader::{Filter, Reader as _, SharedTotals};
use carry_team::unit::Total;
use serde_json::{Value, json};

use super::shared;
use super::store::StoreArg;
use crate::cli::sessions::filter::{begin, time};
use crate::cli::sessions::row;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Characters of a name.
const NAME_CHARS: usize = 28;

/// Show the sums of projects that share sums only
///
/// A project that is shared as aggregates has no sessions in the store: only what they come to, by day, agent and model.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only what this person shared; a part of the name is enough
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// Only of this project: a part of its name or remote
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Only sessions of this agent
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Only days from TIME on, such as "2 weeks ago" or 2026-11-20
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only days before TIME
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show at most N rows; 0 shows all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 0)]
    limit: usize,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let filter = Filter {
        person: args.person.clone(),
        project: args.project.clone(),
        agent: args.agent.as_deref().map(str::to_lowercase),
        since: args.since.as_deref().map(|spec| begin(shell, "--since", spec)).transpose()?,
        until: args.until.as_deref().map(|spec| time(shell, "--until", spec)).transpose()?,
        limit: if args.limit > 0 { args.limit } else { usize::MAX },
        ..Filter::default()
    };
    let found = PostgresReader::new(&args.store.settings(shell)?).totals(&filter)?;
    shell.out.start_pager();
    if shell.out.is_json() {
        found.items.iter().try_for_each(|totals| shell.out.json(&totals_json(totals)))?;
    } else if !found.items.is_empty() {
        show(shell, &found.items)?;
    }
    shared::notes(shell, &found.notes);
    if found.items.is_empty() {
        shell.out.note("No project shares sums like that; `carry team list` lists sessions that are shared.");
    }
    if found.more > 0 {
        let more = text::count(found.more, "more row");
        shell.out.note(format_args!("{more}; `--limit 0` shows all."));
    }
    Ok(())
}

fn show(shell: &Shell, found: &[SharedTotals]) -> Result<(), Failure> {
    let mut table = shell.out.table(&["PERSON", "PROJECT", "AGENT", "DAYS", "SESSIONS", "MESSAGES", "OUTPUT", "COST"]);
    for shared in found {
        let sum = sum(&shared.totals.days);
        let name = |name: &str| row::cut(&text::line(name), NAME_CHARS);
        table.add_row([
            name(&match shared.device.is_empty() {
                true => shared.person.clone(),
                false => format!("{} ({})", shared.person, shared.device),
            }),
            name(&shared.totals.project),
            name(&agents(&shared.totals.days)),
            days(&shared.totals.days),
            sum.sessions.to_string(),
            sum.messages.to_string(),
            row::tokens(sum.output_tokens),
            row::money(sum.cost_micros),
        ]);
    }
    shell.out.line(table.trim_fmt())
}

/// Which agents.
fn agents(days: &[Total]) -> String {
    let agents: std::collections::BTreeSet<&str> = days.iter().map(|total| total.agent.as_str()).collect();
    agents.into_iter().collect::<Vec<_>>().join(", ")
}

/// From when to when.
fn days(days: &[Total]) -> String {
    let known = || days.iter().map(|total| total.day.as_str()).filter(|day| !day.is_empty());
    match (known().min(), known().max()) {
        (Some(first), Some(last)) if first != last => text::line(&format!("{first} to {last}")),
        (Some(day), _) => text::line(day),
        _ => String::new(),
    }
}

fn sum(days: &[Total]) -> Total {
    let mut sum = Total::default();
    for day in days {
        sum.sessions = sum.sessions.saturating_add(day.sessions);
        sum.messages = sum.messages.saturating_add(day.messages);
        sum.output_tokens = sum.output_tokens.saturating_add(day.output_tokens);
        sum.cost_micros = sum.cost_micros.saturating_add(day.cost_micros);
    }
    sum
}

fn totals_json(shared: &SharedTotals) -> Value {
    json!({
        "type": "team-totals",
        "person": shared.person,
        "device": shared.device,
        "project": shared.totals.project,
        "project_key": shared.totals.project_key,
        "days": shared.totals.days.iter().map(shared::day_json).collect::<Vec<_>>(),
    })
}

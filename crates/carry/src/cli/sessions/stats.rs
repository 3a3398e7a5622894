//! `carry sessions stats`: usage by day, model, project, agent and tool.

use carry_code::time;
use carry_kernel::clock::Timestamp;
use carry_sessions::stats::{Stats, Sum, ToolSum};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::filter::{FilterArgs, check_names};
use super::{archive, row};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Columns of the longest bar.
const BAR: u64 = 24;
/// Rows of a part, unless it is the only one.
const ROWS: usize = 10;
/// Characters of a name.
const NAME_CHARS: usize = 28;

/// Show what sessions used, by day, model, project, agent and tool
///
/// An answer counts once, also when forked or resumed sessions repeat it. Costs are computed by list prices, where the agent
/// does not say them itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only by this, and all of it
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<By>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// By what to sum up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// By day
    Day,
    /// By model
    Model,
    /// By project
    Project,
    /// By agent
    Agent,
    /// By tool
    Tool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let mut filter = args.filter.filter(shell, None)?;
    // Subagents and programs use tokens, too.
    filter.all = true;
    check_names(shell, &archive, &filter)?;
    let stats = archive.stats(&filter, &day)?;
    if shell.out.is_json() {
        return shell.out.json(&stats_json(&stats));
    }
    shell.out.start_pager();
    total(shell, &stats.total)?;
    let wants = |by: By| args.by.is_none_or(|wanted| wanted == by);
    let rows = if args.by.is_some() { usize::MAX } else { ROWS };
    if wants(By::Day) {
        // The newest days matter most; they stand at the end.
        let skip = stats.days.len().saturating_sub(rows);
        part(shell, "Days", &stats.days[skip..])?;
    }
    for (by, title, sums) in [
        (By::Model, "Models", &stats.models),
        (By::Project, "Projects", &stats.projects),
        (By::Agent, "Agents", &stats.agents),
    ] {
        if wants(by) {
            part(shell, title, &sums[..sums.len().min(rows)])?;
        }
    }
    if wants(By::Tool) {
        tools(shell, &stats.tools[..stats.tools.len().min(rows)])?;
    }
    Ok(())
}

/// The day in the zone of this machine.
fn day(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(zoned) if time::is_date(at) => zoned.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d").to_string(),
        Ok(_) | Err(_) => time::NO_DATE.to_owned(),
    }
}

fn total(shell: &Shell, sum: &Sum) -> Result<(), Failure> {
    shell.out.line(format_args!(
        "{}, {}: {} input tokens, {} output, {} from the cache, {} into it; {}",
        text::count(sum.sessions, "session"),
        text::count(sum.messages, "message"),
        row::tokens(sum.input),
        row::tokens(sum.output),
        row::tokens(sum.cache_read),
        row::tokens(sum.cache_write),
        row::money(sum.cost_micros),
    ))?;
    if sum.unpriced > 0 {
        let answers = text::count(sum.unpriced, "answer");
        shell.out.note(format_args!("{answers} came from models without a known price."));
    }
    Ok(())
}

/// Sums with bars: of money where there is any, else of tokens.
fn part(shell: &Shell, title: &str, sums: &[Sum]) -> Result<(), Failure> {
    if sums.is_empty() {
        return Ok(());
    }
    let has_costs = sums.iter().any(|sum| sum.cost_micros > 0);
    let weight = |sum: &Sum| match has_costs {
        true => sum.cost_micros,
        false => sum.input.saturating_add(sum.output),
    };
    let most = sums.iter().map(weight).max().unwrap_or(0);
    let mut table = shell.out.table(&[title, "", "COST", "OUTPUT", "SESSIONS"]);
    for sum in sums {
        table.add_row([
            name(&sum.name),
            bar(weight(sum), most),
            row::money(sum.cost_micros),
            row::tokens(sum.output),
            sum.sessions.to_string(),
        ]);
    }
    shell.out.line(format_args!("\n{}", table.trim_fmt()))
}

fn tools(shell: &Shell, tools: &[ToolSum]) -> Result<(), Failure> {
    if tools.is_empty() {
        return Ok(());
    }
    let most = tools.iter().map(|tool| tool.calls).max().unwrap_or(0);
    let mut table = shell.out.table(&["Tools", "", "CALLS", "FAILED"]);
    for tool in tools {
        let failed = if tool.failures > 0 { shell.out.paint(style::ERROR, tool.failures) } else { "0".to_owned() };
        table.add_row([name(&tool.name), bar(tool.calls, most), tool.calls.to_string(), failed]);
    }
    shell.out.line(format_args!("\n{}", table.trim_fmt()))
}

fn name(name: &str) -> String {
    if name.is_empty() { "(unknown)".to_owned() } else { row::cut(&text::line(name), NAME_CHARS) }
}

/// A bar; what is not nothing is at least a sliver.
fn bar(value: u64, most: u64) -> String {
    /// Eighths of a block.
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if value == 0 || most == 0 {
        return String::new();
    }
    let eighths = u128::from(value) * u128::from(BAR * 8) / u128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or(0).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn stats_json(stats: &Stats) -> Value {
    let sum = |sum: &Sum| {
        json!({
            "name": sum.name,
            "sessions": sum.sessions,
            "messages": sum.messages,
            "input_tokens": sum.input,
            "output_tokens": sum.output,
            "cache_read_tokens": sum.cache_read,
            "cache_write_tokens": sum.cache_write,
            "cost": sum.cost_micros as f64 / 1e6,
            "unpriced": sum.unpriced,
        })
    };
    let sums = |of: &[Sum]| of.iter().map(sum).collect::<Vec<_>>();
    let tool = |tool: &ToolSum| json!({"name": tool.name, "calls": tool.calls, "failures": tool.failures});
    json!({
        "type": "session-stats",
        "total": sum(&stats.total),
        "days": sums(&stats.days),
        "models": sums(&stats.models),
        "projects": sums(&stats.projects),
        "agents": sums(&stats.agents),
        "tools": stats.tools.iter().map(tool).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use carry_kernel::clock::Timestamp;

    use super::{bar, day};

    #[test]
    fn a_time_that_cannot_be_meant_is_no_day() {
        assert_eq!(day(Timestamp::from_secs(1_790_000_000)).len(), "2026-09-21".len());
        for ms in [-1, 9_007_199_254_740_991, i64::MAX] {
            assert_eq!(day(Timestamp::from_millis(ms)), "no date", "{ms}");
        }
    }

    #[test]
    fn bars_are_in_proportion_and_what_is_little_is_seen() {
        assert_eq!(bar(8, 8).chars().count(), 24);
        assert_eq!(bar(4, 8).chars().count(), 12);
        assert_eq!((bar(1, u64::MAX).as_str(), bar(0, 8).as_str(), bar(0, 0).as_str()), ("▏", "", ""));
        assert_eq!(bar(u64::MAX, u64::MAX).chars().count(), 24);
    }
}

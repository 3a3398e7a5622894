//! `carry team list`: what the team has shared.

use carry_team::postgres::PostgresReader;
use carry_team::reader::Reader as _;

use super::filter::FilterArgs;
use super::shared;
use super::store::StoreArg;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Sessions that are shown unless more are asked for.
const LIMIT: usize = 30;
/// Columns that whose it is takes at most, unless it is longer.
const WHOSE_CHARS_MAX: usize = 24;

/// List the sessions that the team has shared, newest first
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Show at most N sessions; 0 shows all
    #[arg(short = 'n', long, value_name = "N", default_value_t = LIMIT)]
    limit: usize,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let limit = if args.limit > 0 { args.limit } else { usize::MAX };
    let filter = args.filter.filter(shell, limit)?;
    let listed = PostgresReader::new(&args.store.settings(shell)?).list(&filter)?;
    shell.out.start_pager();
    let width = listed.items.iter().map(|shared| shared::whose(shared).chars().count()).max().unwrap_or(0);
    for shared in &listed.items {
        if shell.out.is_json() {
            shell.out.json(&shared::json(shared))?;
        } else {
            shell.out.line(shared::line(shell, shared, width.min(WHOSE_CHARS_MAX)))?;
        }
    }
    shared::notes(shell, &listed.notes);
    if listed.items.is_empty() {
        shell.out.note(match args.filter.is_empty() && listed.hidden == 0 {
            true => {
                "Nobody has shared a session yet; `carry team share` says what to share, `carry team push` pushes it."
            }
            false => "No shared session is like that.",
        });
    }
    if listed.more > 0 {
        let more = text::count(listed.more, "more session");
        shell.out.note(format_args!("{more}; `--limit 0` shows all."));
    }
    if listed.hidden > 0 {
        let hidden = match listed.hidden {
            1 => "1 subagent, abandoned branch, automated or trashed session is hidden".to_owned(),
            n => format!("{n} subagents, abandoned branches, automated and trashed sessions are hidden"),
        };
        shell.out.note(format_args!("{hidden}; --all shows them."));
    }
    Ok(())
}

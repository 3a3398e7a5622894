//! `carry team search`: what was said, called and returned in what the team has shared.

use carry_sessions::model::Role;
use carry_sessions::search::Field;
use carry_team::postgres::PostgresReader;
use carry_team::reader::{Hit, Query, Reader as _};
use serde_json::json;

use super::filter::FilterArgs;
use super::shared;
use super::store::StoreArg;
use crate::cli::sessions::search::{field_name, highlighted, joined};
use crate::failure::Failure;
use crate::output::style;
use crate::wire::Shell;

/// Hits that are shown unless more are asked for.
const LIMIT: usize = 30;

/// Search what the team has shared
///
/// All words must be in one message: "several words" in quotes follow each other, begin* stands for words that begin so.
/// --without WORD leaves messages out that have it; after `--`, so does -word. Parts of identifiers count as words. Found is what
/// is shared: of a project that shares prompts or metadata, no more than that.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to search for
    #[arg(required = true, value_name = "WORDS")]
    words: Vec<String>,
    /// Leave out messages with this word (may be given more than once)
    #[arg(long, value_name = "WORD")]
    without: Vec<String>,
    /// Show at most N hits
    #[arg(short = 'n', long, value_name = "N", default_value_t = LIMIT)]
    limit: usize,
    /// Leave out the first N hits
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let query = Query {
        text: joined(&args.words, &args.without),
        filter: args.filter.filter(shell, args.limit)?,
        offset: args.offset,
    };
    // Said before a store is asked.
    carry_sessions::search::Wanted::parse(&query.text).map_err(|error| Failure::usage(error.to_string()))?;
    let found = PostgresReader::new(&args.store.settings(shell)?).search(&query)?;
    shell.out.start_pager();
    if shell.out.is_json() {
        found.items.iter().try_for_each(|hit| shell.out.json(&hit_json(hit)))?;
    } else {
        show(shell, &found.items)?;
    }
    shared::notes(shell, &found.notes);
    if found.items.is_empty() {
        shell.out.note("Nothing matches.");
    }
    if found.more > 0 {
        let next = args.offset.saturating_add(args.limit);
        shell.out.note(format_args!("There are more hits; `--offset {next}` shows the next."));
    }
    Ok(())
}

/// Hits by session; those of one session follow each other already.
fn show(shell: &Shell, hits: &[Hit]) -> Result<(), Failure> {
    for (at, hits) in hits.chunk_by(|a, b| a.session.link == b.session.link).enumerate() {
        if at > 0 {
            shell.out.line("")?;
        }
        if let Some(first) = hits.first() {
            shell.out.line(shared::line(shell, &first.session, 0))?;
        }
        for hit in hits {
            let number = shell.out.paint(style::DIM, format!("{:>5}", format!("#{}", hit.ordinal)));
            let snippet = highlighted(shell, &hit.snippet, &hit.highlights);
            shell.out.line(format_args!("{number} {:<8} {snippet}", place(hit)))?;
        }
    }
    Ok(())
}

fn place(hit: &Hit) -> &'static str {
    match (hit.field, hit.role) {
        (Field::Text, Role::User) => "user",
        (Field::Text, Role::Assistant) => "agent",
        (field, _) => field_name(field),
    }
}

fn hit_json(hit: &Hit) -> serde_json::Value {
    let mut link = hit.session.link.clone();
    link.ordinal = Some(hit.ordinal);
    json!({
        "type": "team-hit",
        "link": link.to_string(),
        "session": shared::json(&hit.session),
        "message": hit.ordinal,
        "call": hit.call,
        "field": field_name(hit.field),
        "role": hit.role.to_string(),
        "snippet": hit.snippet,
        "highlights": hit.highlights.iter().map(|range| [range.start, range.end]).collect::<Vec<_>>(),
    })
}

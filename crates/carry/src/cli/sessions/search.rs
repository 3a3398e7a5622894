//! `carry sessions search`: what was said, called and returned.

use std::ops::Range;

use carry_sessions::model::Role;
use carry_sessions::search::{Field, Hit, Kind, Query};
use clap::ValueEnum;
use serde_json::json;

use super::filter::{FilterArgs, check_names};
use super::gaps::Gaps;
use super::{archive, row};
use crate::called::Called;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Hits that are shown unless more are asked for.
const LIMIT: usize = 30;

/// Search everything that was said, called and returned
///
/// All words must be in one message: "several words" in quotes follow each other, begin* stands for words that begin so.
/// --without WORD leaves messages out that have it; after `--`, so does -word. Parts of identifiers count as words.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to search for
    #[arg(required = true, value_name = "WORDS")]
    words: Vec<String>,
    /// Leave out messages with this word (may be given more than once)
    #[arg(long, value_name = "WORD", conflicts_with_all = ["substring", "regex"])]
    without: Vec<String>,
    /// Search for this text as it stands, also inside words
    #[arg(long, conflicts_with = "regex")]
    substring: bool,
    /// Search by a regular expression
    #[arg(long)]
    regex: bool,
    /// Look only there (may be given more than once)
    #[arg(long = "in", value_enum, value_name = "FIELD")]
    fields: Vec<FieldArg>,
    /// Only what this side said
    #[arg(long, value_enum, value_name = "WHO")]
    role: Option<RoleArg>,
    /// Show at most N hits
    #[arg(short = 'n', long, value_name = "N", default_value_t = LIMIT)]
    limit: usize,
    /// Leave out the first N hits
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Where to look.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FieldArg {
    /// What user and agent say
    Text,
    /// Reasoning
    Thinking,
    /// Inputs of tools
    Input,
    /// Outputs of tools
    Output,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    /// The user
    User,
    /// The agent
    Assistant,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let query = Query {
        text: text_of(args),
        kind: match (args.substring, args.regex) {
            (true, _) => Kind::Substring,
            (_, true) => Kind::Regex,
            _ => Kind::Words,
        },
        filter: args.filter.filter(shell, None)?,
        fields: args.fields.iter().map(|field| field.field()).collect(),
        role: args.role.map(|role| match role {
            RoleArg::User => Role::User,
            RoleArg::Assistant => Role::Assistant,
        }),
        offset: args.offset,
        limit: args.limit,
    };
    check_names(shell, &archive, &query.filter)?;
    let found = archive.search(&query)?;
    shell.out.start_pager();
    if shell.out.is_json() {
        let (called, gaps) = (Called::read(shell)?, Gaps::read(shell, &archive)?);
        found.hits.iter().try_for_each(|hit| shell.out.json(&hit_json(hit, &called, &gaps)))?;
    } else {
        show(shell, &found.hits)?;
    }
    if found.hits.is_empty() {
        shell.out.note("Nothing matches.");
    }
    if found.is_bounded {
        shell.out.note(
            "There were too many candidates: only the newest were looked at. More words or a filter narrow it down.",
        );
    }
    if found.has_more {
        let next = args.offset.saturating_add(args.limit);
        shell.out.note(format_args!("There are more hits; `--offset {next}` shows the next."));
    }
    Ok(())
}

/// The words as the search takes them.
fn text_of(args: &Args) -> String {
    joined(&args.words, &args.without)
}

/// Words, and those that must not be there, as one query.
pub(in crate::cli) fn joined(words: &[String], without: &[String]) -> String {
    let without = without.iter().map(|word| match word.contains(char::is_whitespace) {
        true => format!("-\"{}\"", word.replace('"', " ")),
        false => format!("-{word}"),
    });
    words.iter().cloned().chain(without).collect::<Vec<_>>().join(" ")
}

/// Hits by session, sessions in the order of their best hit.
fn show(shell: &Shell, hits: &[Hit]) -> Result<(), Failure> {
    let mut order: Vec<i64> = Vec::new();
    for hit in hits {
        if !order.contains(&hit.session.n) {
            order.push(hit.session.n);
        }
    }
    for (at, session) in order.iter().enumerate() {
        let mut of_it = hits.iter().filter(|hit| hit.session.n == *session).peekable();
        if let Some(first) = of_it.peek() {
            if at > 0 {
                shell.out.line("")?;
            }
            shell.out.line(row::line(shell, &first.session))?;
        }
        for hit in of_it {
            let number = shell.out.paint(style::DIM, format!("{:>5}", format!("#{}", hit.ordinal)));
            shell.out.line(format_args!(
                "{number} {:<8} {}",
                place(hit),
                highlighted(shell, &hit.snippet, &hit.highlights)
            ))?;
        }
    }
    Ok(())
}

fn place(hit: &Hit) -> &'static str {
    match (hit.field, hit.role) {
        (Field::Text, Role::User) => "you",
        (Field::Text, Role::Assistant) => "agent",
        (field, _) => field_name(field),
    }
}

pub(in crate::cli) fn field_name(field: Field) -> &'static str {
    match field {
        Field::Text => "text",
        Field::Thinking => "thinking",
        Field::Input => "input",
        Field::Output => "output",
    }
}

/// The snippet with what matches in bold. Without colour it stands as it is: the words are the user's own.
pub(in crate::cli) fn highlighted(shell: &Shell, snippet: &str, highlights: &[Range<usize>]) -> String {
    let letters: Vec<char> = snippet.chars().collect();
    let part = |from: usize, to: usize| text::line(&letters[from..to].iter().collect::<String>());
    let mut shown = String::new();
    let mut at = 0;
    for range in highlights {
        let (start, end) = (range.start.min(letters.len()).max(at), range.end.min(letters.len()));
        if start < end {
            shown.push_str(&part(at, start));
            shown.push_str(&shell.out.paint(style::WARNING, part(start, end)));
            at = end;
        }
    }
    shown.push_str(&part(at, letters.len()));
    shown
}

fn hit_json(hit: &Hit, called: &Called, gaps: &Gaps) -> serde_json::Value {
    json!({
        "type": "session-hit",
        "session": row::json(&hit.session, called, gaps),
        "message": hit.ordinal,
        "call": hit.call,
        "field": field_name(hit.field),
        "role": hit.role.to_string(),
        "snippet": hit.snippet,
        "highlights": hit.highlights.iter().map(|range| [range.start, range.end]).collect::<Vec<_>>(),
        "score": hit.score,
    })
}

impl FieldArg {
    fn field(self) -> Field {
        match self {
            Self::Text => Field::Text,
            Self::Thinking => Field::Thinking,
            Self::Input => Field::Input,
            Self::Output => Field::Output,
        }
    }
}

//! `carry sessions diff`: what the working tree did while a session worked.

use carry_code::repo::Repo;
use carry_sessions::archive::{Archive, SessionRow};
use carry_timeline::{Turn, TurnDiff, turn_diff, turns};
use serde::Serialize;

use super::{archive, row};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::tree_diff::{Side, TreeDiff};
use crate::wire::Shell;

/// Show what changed in the working tree during a session
///
/// Compares the snapshots around a turn: everything that changed then is shown, whoever did it, shell commands included.
/// Without TURN all of the session is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Number of the turn: 1 follows the user's first prompt
    #[arg(value_name = "TURN")]
    turn: Option<u32>,
    /// List the turns
    #[arg(long, conflicts_with_all = ["turn", "stat"])]
    turns: bool,
    /// Show how much changed in which file first
    #[arg(long)]
    stat: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let session = archive.find(&args.session)?;
    let all = turns(&archive, &session)?;
    if args.turns {
        return list(shell, &all);
    }
    let (first, last) = match args.turn {
        Some(number) => {
            let diff = around(shell, &archive, &session, number)?;
            (diff.clone(), diff)
        }
        None => whole(shell, &archive, &session, &all)?,
    };
    if !(first.exact && last.exact) {
        shell.out.note(
            "Snapshots were not taken close enough to the turn: other changes may be among these, or some missing.",
        );
    }
    let repo = Repo::open(&first.tree.root)?;
    let diff = TreeDiff::new(shell, &repo, Some(first.before.tree), Side::Tree(Some(last.after.tree)), &[])?;
    if shell.out.is_json() {
        let changes = diff.changed()?;
        return shell.out.json(&DiffJson {
            session: session.id.as_str(),
            turns: [first.turn.number, last.turn.number],
            root: text::json_file(&first.tree.root),
            before: first.before.commit.to_string(),
            after: last.after.commit.to_string(),
            exact: first.exact && last.exact,
            changes: changes
                .iter()
                .map(|changed| ChangeJson { path: text::json_path(changed.path.as_ref()), status: changed.status })
                .collect(),
        });
    }
    if first.before.tree == last.after.tree {
        shell.out.note("Nothing changed.");
        return Ok(());
    }
    shell.out.start_pager();
    diff.show(args.stat)
}

fn around(shell: &Shell, archive: &Archive, session: &SessionRow, number: u32) -> Result<TurnDiff, Failure> {
    let registry = shell.registry_to_read()?.ok_or_else(|| {
        Failure::failed("no repository is registered, so that nothing is known of its changes")
            .hint("`carry up` in the repository captures it from now on.")
    })?;
    Ok(turn_diff(&registry, archive, session, number)?)
}

/// The first and the last turn of which something is known.
fn whole(
    shell: &Shell,
    archive: &Archive,
    session: &SessionRow,
    all: &[Turn],
) -> Result<(TurnDiff, TurnDiff), Failure> {
    let mut failure = None;
    let mut of = |turn: &Turn| match around(shell, archive, session, turn.number) {
        Ok(diff) => Some(diff),
        Err(error) => {
            failure.get_or_insert(error);
            None
        }
    };
    let first = all.iter().find_map(&mut of);
    let last = all.iter().rev().find_map(&mut of);
    match (first, last) {
        (Some(first), Some(last)) => Ok((first, last)),
        _ => Err(failure.unwrap_or_else(|| Failure::failed(format!("{} has no turn", archive::name(session))))),
    }
}

fn list(shell: &Shell, all: &[Turn]) -> Result<(), Failure> {
    for turn in all {
        if shell.out.is_json() {
            shell.out.json(&TurnJson {
                number: turn.number,
                messages: [*turn.ordinals.start(), *turn.ordinals.end()],
                prompt: &turn.prompt,
                started: turn.started.map(|at| at.to_rfc3339()),
                ended: turn.ended.map(|at| at.to_rfc3339()),
            })?;
            continue;
        }
        let at = turn.started.map(text::local_time).unwrap_or_default();
        let number = shell.out.paint(style::ID, format!("{:>3}", turn.number));
        shell.out.line(format_args!("{number}  {at}  {}", text::line(&row::cut(&turn.prompt, 80))))?;
    }
    if all.is_empty() {
        shell.out.note("Nobody typed anything in it.");
    }
    Ok(())
}

/// What changed, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-diff")]
struct DiffJson<'a> {
    session: &'a str,
    turns: [u32; 2],
    root: String,
    before: String,
    after: String,
    exact: bool,
    changes: Vec<ChangeJson>,
}

/// One path that differs, for machines.
#[derive(Serialize)]
struct ChangeJson {
    path: String,
    status: &'static str,
}

/// A turn, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-turn")]
struct TurnJson<'a> {
    number: u32,
    messages: [u32; 2],
    prompt: &'a str,
    started: Option<String>,
    ended: Option<String>,
}

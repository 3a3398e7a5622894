//! `carry sessions for`: the conversations behind a commit, a pull request or a file.

use std::path::PathBuf;

use carry_code::repo::Repo;
use carry_sessions::behind::{Behind, What};
use carry_sessions::export::link_json;
use carry_sessions::git_links::Evidence;
use carry_sessions::project::normal_remote;
use clap::ValueEnum;
use serde_json::json;

use super::filter;
use super::gaps::Gaps;
use super::{archive, row};
use crate::called::Called;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::tree_diff::run as git;
use crate::wire::Shell;

/// Find the conversations behind a commit, a pull request or a file
///
/// A commit is named by its id or, inside a repository, as Git names revisions (HEAD~2, a branch). A pull request is named by
/// its address or number (#12). What a subagent did is found with the session that started it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Commit, pull request or file
    #[arg(value_name = "COMMIT|PR|FILE")]
    what: String,
    /// Which of them it is, for certain
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<KindArg>,
}

/// What may be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// A commit
    Commit,
    /// A pull or merge request
    Pr,
    /// A file
    File,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let repo = Repo::discover(&shell.cwd).ok();
    let what = what(shell, repo.as_ref(), args)?;
    let mut found = archive.behind(&what)?;
    if let (What::Number(number, Some(_)), true) = (&what, found.is_empty()) {
        // Links of which no repository is known, and those of forks.
        found = archive.behind(&What::Number(*number, None))?;
    }
    let (called, gaps) = match shell.out.is_json() {
        true => (Called::read(shell)?, Gaps::read(shell, &archive)?),
        false => Default::default(),
    };
    for behind in &found {
        if shell.out.is_json() {
            shell.out.json(&json!({
                "type": "session-for",
                "session": row::json(&behind.session, &called, &gaps),
                "subagent": behind.subagent.as_ref().map(|session| session.id.as_str()),
                "message": behind.ordinal,
                "link": behind.link.as_ref().map(link_json),
                "calls": behind.calls,
            }))?;
        } else {
            show(shell, behind)?;
        }
    }
    if found.is_empty() {
        shell.out.note(match what {
            What::Commit(_) => "No archived conversation made or mentions that commit.",
            What::PullRequest(_) | What::Number(..) => "No archived conversation made or mentions that pull request.",
            What::File(_) => "No archived conversation read or changed that file.",
        });
    }
    Ok(())
}

fn show(shell: &Shell, behind: &Behind) -> Result<(), Failure> {
    shell.out.line(row::line(shell, &behind.session))?;
    let how = match &behind.link {
        None => format!("{} from message #{} on", text::count(behind.calls.into(), "call"), behind.ordinal),
        Some(link) => {
            let verb = match link.evidence {
                Evidence::Created => "made",
                Evidence::Recorded => "recorded",
                Evidence::Start => "began at",
                Evidence::Mentioned => "mentions",
            };
            let subject = link.subject.as_deref().map(|subject| format!(" ({})", text::line(subject)));
            let replaced = link.superseded_by.as_deref().map(|by| format!(", replaced by {}", text::line(by)));
            format!(
                "{verb} {}{}{} in message #{}",
                text::line(&link.target),
                subject.unwrap_or_default(),
                replaced.unwrap_or_default(),
                behind.ordinal
            )
        }
    };
    let whose = behind.subagent.as_ref().map(|session| format!(", by subagent {}", row::short_id(session)));
    shell.out.line(format_args!("    {}", shell.out.paint(style::DIM, format!("{how}{}", whose.unwrap_or_default()))))
}

/// What is meant.
fn what(shell: &Shell, repo: Option<&Repo>, args: &Args) -> Result<What, Failure> {
    let said = args.what.trim();
    let wants = |kind: KindArg| args.kind.is_none_or(|wanted| wanted == kind);
    if said.is_empty() {
        return Err(Failure::usage("nothing was asked for"));
    }
    if wants(KindArg::Pr) {
        if said.contains("://") {
            return Ok(What::PullRequest(said.to_owned()));
        }
        let marked = said.strip_prefix(['#', '!']);
        let is_short = said.len() < 7;
        if let Some(number) =
            marked.or(Some(said).filter(|_| is_short || args.kind.is_some())).and_then(|n| n.parse().ok())
            && !is_file(shell, said)
        {
            return Ok(What::Number(number, repo.and_then(remote)));
        }
        if args.kind.is_some() {
            return Err(Failure::usage(format!("{said:?} is neither an address nor a number of a pull request")));
        }
    }
    if wants(KindArg::File) && (args.kind.is_some() || is_file(shell, said)) {
        return Ok(What::File(filter::path(shell, said)));
    }
    if wants(KindArg::Commit) {
        let lower = said.to_ascii_lowercase();
        if let Some(id) = repo.and_then(|repo| resolve(repo, said)) {
            return Ok(What::Commit(id));
        }
        // A commit need not be in the repository one stands in.
        if (4..=64).contains(&lower.len()) && lower.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(What::Commit(lower));
        }
        if args.kind.is_some() {
            return Err(
                Failure::failed(format!("{said:?} is no commit")).hint("Give its id, or go into its repository.")
            );
        }
    }
    if args.kind.is_none() && said.starts_with(['#', '!']) && said[1..].bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::usage(format!("{said:?} is no pull request"))
            .hint("A pull request is named by its address or number (#12), a commit by its id, a file by its path."));
    }
    let is_revision = said == "@" || said.starts_with("HEAD") || said.starts_with("@{") || said.contains(['~', '^']);
    if repo.is_none() && args.kind.is_none() && is_revision && !said.contains('/') {
        return Err(Failure::failed(format!(
            "{said:?} means something inside a repository only; this is not in a Git repository"
        ))
        .hint("Give the commit's id, or go into its repository. `--as file` looks for a file of that name."));
    }
    // What is left looks like a file that is gone.
    Ok(What::File(filter::path(shell, said)))
}

fn is_file(shell: &Shell, said: &str) -> bool {
    shell.cwd.join(PathBuf::from(said)).symlink_metadata().is_ok()
}

/// The commit that Git takes `said` for.
pub(in crate::cli) fn resolve(repo: &Repo, said: &str) -> Option<String> {
    let mut command = carry_code::git::command(repo.root());
    command.args(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{said}^{{commit}}")]);
    let id = String::from_utf8(git(&mut command).ok()?).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The repository's remote as links have it.
pub(in crate::cli) fn remote(repo: &Repo) -> Option<String> {
    let mut command = carry_code::git::command(repo.root());
    command.args(["remote", "get-url", "origin"]);
    normal_remote(String::from_utf8(git(&mut command).ok()?).ok()?.trim())
}

//! Settling conflicts: by a flag for all, or file by file on a terminal.

use carry_code::diff::{self, Delta, mode};
use carry_code::git::{BString, ObjectId};
use carry_code::handoff::Handoff;
use carry_code::merge::{Choice, Conflict};
use carry_code::pack::Kind;
use carry_code::repo::Repo;

use crate::failure::Failure;
use crate::merge_tool::{self, Sides};
use crate::wire::Shell;
use crate::{prompt, size, text, writers};

/// Paths named one by one in an error; JSON and `--dry-run` have all.
const NAMED_MAX: usize = 10;

/// What the flags say about all conflicts.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Flags {
    /// Settle conflicts by what is here
    #[arg(long, conflicts_with_all = ["theirs", "markers"])]
    ours: bool,
    /// Settle conflicts by what the other device has
    #[arg(long, conflicts_with = "markers")]
    theirs: bool,
    /// Write both into the file, with conflict markers
    #[arg(long)]
    markers: bool,
}

impl Flags {
    fn choice(&self) -> Option<Choice> {
        match (self.ours, self.theirs, self.markers) {
            (true, _, _) => Some(Choice::Ours),
            (_, true, _) => Some(Choice::Theirs),
            (_, _, true) => Some(Choice::Markers),
            _ => None,
        }
    }

    /// Whether they settle all conflicts.
    pub(super) fn settle_all(&self) -> bool {
        self.choice().is_some()
    }
}

/// How each conflict is settled. Fails, naming them, where there is neither a flag nor somebody to ask.
pub(super) fn settle(
    shell: &Shell,
    repo: &Repo,
    handoff: &mut Handoff,
    flags: &Flags,
) -> Result<Vec<(BString, Choice)>, Failure> {
    let conflicts = handoff.merged.conflicts.clone();
    if let Some(choice) = flags.choice() {
        return Ok(conflicts.into_iter().map(|conflict| (conflict.path, choice)).collect());
    }
    if conflicts.is_empty() {
        return Ok(Vec::new());
    }
    if !prompt::can_ask(shell) {
        return Err(unsettled(&conflicts));
    }
    let tool = merge_tool::configured(repo);
    let mut choices = Vec::new();
    for conflict in conflicts {
        let choice = one(shell, repo, handoff, &conflict, tool.as_deref())?;
        choices.push((conflict.path, choice));
    }
    Ok(choices)
}

fn unsettled(conflicts: &[Conflict]) -> Failure {
    let mut paths: Vec<String> = conflicts.iter().take(NAMED_MAX).map(|c| text::path(c.path.as_ref())).collect();
    if conflicts.len() > NAMED_MAX {
        paths.push(format!("{} more", conflicts.len() - NAMED_MAX));
    }
    let n = text::count(text::len(conflicts), "file");
    let verb = if conflicts.len() == 1 { "was" } else { "were" };
    Failure::failed(format!("{n} {verb} changed on both sides: {}", paths.join(", ")))
        .hint("With --yes, --ours keeps what is here, --theirs takes the other, --markers writes both into the file.")
        .hint("Nothing was changed. On a terminal you are asked file by file.")
}

/// What can be answered about a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    ShowDiff,
    Ours,
    Theirs,
    Markers,
    Tool,
    Abort,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ShowDiff => "show diff",
            Self::Ours => "keep what is here",
            Self::Theirs => "take theirs",
            Self::Markers => "write both, with markers",
            Self::Tool => "open the merge tool",
            Self::Abort => "abort; nothing is changed",
        })
    }
}

fn one(
    shell: &Shell,
    repo: &Repo,
    handoff: &mut Handoff,
    conflict: &Conflict,
    tool: Option<&str>,
) -> Result<Choice, Failure> {
    let path = text::path(conflict.path.as_ref());
    let theirs = writers::name(shell, &handoff.tip);
    let question = match (conflict.ours, conflict.theirs) {
        (None, _) => format!("{path} was deleted here and changed on {theirs}."),
        (_, None) => format!("{path} was changed here and deleted on {theirs}."),
        _ => format!("{path} was changed here and on {theirs}."),
    };
    // What a stray Enter chooses must not change anything.
    let mut choices = vec![Answer::ShowDiff, Answer::Ours, Answer::Theirs, Answer::Markers];
    let tool = tool.filter(|_| conflict.marked.is_some());
    choices.extend(tool.map(|_| Answer::Tool));
    choices.push(Answer::Abort);
    loop {
        match prompt::choose(shell, &question, choices.clone())? {
            Some(Answer::ShowDiff) => {
                let delta = Delta { path: conflict.path.clone(), old: conflict.ours, new: conflict.theirs };
                shell.out.bytes(diff::unified(repo, &delta)?.as_bytes())?;
            }
            Some(Answer::Ours) => return Ok(Choice::Ours),
            Some(Answer::Theirs) => return Ok(Choice::Theirs),
            Some(Answer::Markers) => return Ok(Choice::Markers),
            Some(Answer::Tool) => {
                if let Some(entry) = with_tool(shell, repo, handoff, conflict, tool.unwrap_or_default())? {
                    return Ok(Choice::Blob(entry));
                }
            }
            Some(Answer::Abort) | None => return Err(prompt::cancelled()),
        }
    }
}

/// Lets the user's tool merge the file; nothing when it did not.
fn with_tool(
    shell: &Shell,
    repo: &Repo,
    handoff: &mut Handoff,
    conflict: &Conflict,
    tool: &str,
) -> Result<Option<(u32, ObjectId)>, Failure> {
    let content = |entry| size::content(repo, &handoff.merged, entry).unwrap_or_default();
    let sides = Sides {
        path: conflict.path.clone(),
        base: conflict.base.map(|base| content(Some(base))),
        ours: content(conflict.ours),
        theirs: content(conflict.theirs),
        marked: content(conflict.marked),
    };
    shell.out.flush()?;
    let Some(merged) = merge_tool::run(repo, tool, &sides)? else {
        shell.out.note("The merge tool says that the file is not merged.");
        return Ok(None);
    };
    let has_markers = merged.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"<<<<<<< "));
    if has_markers && !prompt::confirm(shell, "The file still has conflict markers. Take it all the same?", "")? {
        return Ok(None);
    }
    let entry_mode = conflict.ours.or(conflict.theirs).map_or(mode::FILE, |entry| entry.0);
    Ok(Some((entry_mode, handoff.merged.objects.add(Kind::Blob, &merged))))
}

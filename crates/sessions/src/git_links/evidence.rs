//! What one call and one of its outputs say.

use serde_json::Value;

use super::action::{Action, Maker, Replaces, action_of};
use super::address::Request;
use super::output::{self, Trace};
use super::shell::{self, Command};
use super::{Evidence, GitLink, LinkKind, fold};
use crate::model::{Category, ToolCall};
use crate::project::joined;

/// Longer outputs are looked at up to here.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a call does that counts, and in which folder the last of it works.
pub(super) fn actions(call: &ToolCall, cwd: Option<&str>) -> (Vec<Action>, Option<String>) {
    if is_request_tool(&call.name) {
        return (vec![Action::Request(Maker::Any)], cwd.map(str::to_owned));
    }
    let mut dir = None;
    let actions = commands_of(&call.input, cwd)
        .iter()
        .filter_map(|command| {
            let (action, moved) = action_of(command)?;
            if action != Action::Other {
                dir = match &moved {
                    Some(to) => joined(command.dir.as_deref(), to),
                    None => command.dir.clone(),
                };
            }
            Some(action)
        })
        .collect();
    (actions, dir)
}

/// The programs that the input of a tool runs, in the shapes in which agents write it.
fn commands_of(input: &str, cwd: Option<&str>) -> Vec<Command> {
    let Ok(value) = serde_json::from_str::<Value>(input) else { return shell::commands(input, cwd) };
    let shape = match value.get("action") {
        Some(action) if action.is_object() => action,
        _ => &value,
    };
    let dir = ["workdir", "working_directory", "cwd", "directory", "dir_path", "dir", "path"]
        .iter()
        .find_map(|name| shape.get(name).or_else(|| value.get(name)).and_then(Value::as_str))
        .filter(|dir| !dir.is_empty());
    let dir = match dir {
        Some(dir) => joined(cwd, dir),
        None => cwd.map(str::to_owned),
    };
    let script = ["command", "cmd", "script", "commands", "code", "input"]
        .iter()
        .find_map(|name| shape.get(name))
        .unwrap_or(shape);
    match script {
        Value::String(text) => shell::commands(text, dir.as_deref()),
        Value::Array(words) => {
            let words: Vec<String> = words.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            shell::commands_of_words(&words, dir.as_deref())
        }
        _ => Vec::new(),
    }
}

/// Whether a tool of this name opens a request by itself.
pub(super) fn is_request_tool(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    ["createpullrequest", "createmergerequest", "openpullrequest"].iter().any(|verb| plain.contains(verb))
}

/// Whether outputs of a call can say anything.
pub(super) fn is_of_interest(category: Category, name: &str, input: &str) -> bool {
    let holds = |text: &str| memchr::memmem::find(input.as_bytes(), text.as_bytes()).is_some();
    match category {
        Category::Bash => {
            const VERBS: [&str; 14] = [
                "commit",
                "merge",
                "cherry-pick",
                "revert",
                "rebase",
                " am",
                "pull",
                "push",
                "rev-parse",
                " log",
                " show",
                " ci",
                "api",
                "mr ",
            ];
            (holds("git") && VERBS.iter().any(|verb| holds(verb)))
                || ["gh ", "\"gh\"", "glab", "hub ", "gt ", "jj ", "sl ", "hg ", "tea ", "az repos"]
                    .iter()
                    .any(|program| holds(program))
        }
        _ => is_request_tool(name),
    }
}

/// What the call and its output say, in order.
pub(super) fn evidence_of(call: &ToolCall, content: &str, cwd: Option<&str>, place: Place) -> Vec<GitLink> {
    let (actions, _) = actions(call, cwd);
    let text = output::text_of(content);
    let mut end = text.len().min(OUTPUT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    let mut links = commits(&actions, &output::traces(text), has_failed(text), place);
    links.extend(requests(&actions, output::requests(text), text, place));
    links
}

/// Where evidence stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub ordinal: u32,
    pub index: Option<u32>,
}

impl Place {
    fn link(self, kind: LinkKind, target: &str, evidence: Evidence) -> GitLink {
        GitLink {
            kind,
            target: target.to_owned(),
            evidence,
            repo: None,
            number: None,
            branch: None,
            subject: None,
            full_sha: Some(target.to_owned()).filter(|sha| kind == LinkKind::Commit && sha.len() >= 40),
            supersedes: None,
            superseded_by: None,
            ordinal: self.ordinal,
            index: self.index,
        }
    }
}

/// What a commit that the call makes stands in the place of.
#[derive(Clone, Debug)]
struct Making {
    quiet: bool,
    supersedes: Option<String>,
}

fn commits(actions: &[Action], traces: &[Trace], has_failed: bool, place: Place) -> Vec<GitLink> {
    let makers = makers(actions);
    let mut loud = makers.iter().filter(|maker| !maker.quiet).peekable();
    let mut last_loud: Option<&Making> = None;
    let mut hidden = if has_failed { 0 } else { hidden(actions, traces) };
    let (mut links, mut made): (Vec<GitLink>, Vec<String>) = (Vec::new(), Vec::new());
    let shows =
        actions.iter().filter_map(|action| if let Action::Print(count) = action { Some(*count) } else { None }).max();
    let pushes = actions.iter().any(|action| matches!(action, Action::Push { .. }));
    for trace in traces {
        match trace {
            Trace::Made { branch, sha, subject } => {
                let maker = loud.next().or(last_loud);
                last_loud = maker;
                let evidence = if makers.is_empty() { Evidence::Mentioned } else { Evidence::Created };
                let mut link = place.link(LinkKind::Commit, sha, evidence);
                link.branch.clone_from(branch);
                link.subject = Some(subject.clone()).filter(|subject| !subject.is_empty());
                link.supersedes = maker.and_then(|maker| maker.supersedes.clone());
                made.push(sha.clone());
                links.push(link);
            }
            Trace::Shown { sha, subject } => {
                let Some(shows) = shows else { continue };
                let known = made.iter().any(|made| sha.starts_with(made.as_str()) || made.starts_with(sha.as_str()));
                let mut link = place.link(LinkKind::Commit, sha, Evidence::Mentioned);
                link.subject.clone_from(subject);
                if !known && hidden > 0 {
                    hidden -= 1;
                    link.evidence = Evidence::Created;
                    link.supersedes =
                        makers.iter().rev().find(|maker| maker.quiet).and_then(|maker| maker.supersedes.clone());
                    made.push(sha.clone());
                } else if shows > 1 {
                    link.supersedes = Some(fold::completes());
                }
                links.push(link);
            }
            Trace::Moved { range, sha, branch, repo } if pushes => {
                let mut link = place.link(LinkKind::Push, range, Evidence::Created);
                link.repo.clone_from(repo);
                link.branch = Some(branch.clone());
                links.push(link);
                let known = made.iter().any(|made| sha.starts_with(made.as_str()) || made.starts_with(sha.as_str()));
                let mut link = place.link(LinkKind::Commit, sha, Evidence::Mentioned);
                link.repo.clone_from(repo);
                link.branch = Some(branch.clone());
                if !known && hidden > 0 {
                    hidden -= 1;
                    link.evidence = Evidence::Created;
                    made.push(sha.clone());
                } else {
                    link.supersedes = Some(fold::completes());
                }
                links.push(link);
            }
            Trace::Moved { .. } | Trace::Merged => {}
        }
    }
    links
}

/// Whether Git says that it made no commit.
fn has_failed(text: &str) -> bool {
    text.lines().any(|line| {
        ["nothing to commit", "no changes added", "nothing added to commit", "fatal:", "error:", "CONFLICT ("]
            .iter()
            .any(|start| line.trim_start().starts_with(start))
    })
}

/// The commits that the call makes, in order.
fn makers(actions: &[Action]) -> Vec<Making> {
    let mut taken_back = None;
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Uncommit(count) => {
                taken_back = Some(*count);
                None
            }
            Action::Make { quiet, replaces } => {
                let back = taken_back.take();
                let supersedes = match replaces {
                    Replaces::Newest => Some(fold::newest(back.unwrap_or(0).max(1))),
                    Replaces::SameSubject => Some(fold::same_subject()),
                    Replaces::Nothing => back.map(fold::newest),
                };
                Some(Making { quiet: *quiet, supersedes })
            }
            _ => None,
        })
        .collect()
}

/// How many commits the call made whose ids are only to be seen in what it shows afterwards: those made quietly and
/// merges, when nothing that makes commits follows what shows them.
fn hidden(actions: &[Action], traces: &[Trace]) -> usize {
    let shows = |action: &Action| matches!(action, Action::Print(_) | Action::Push { .. });
    let Some(last) = actions.iter().rposition(|action| matches!(action, Action::Make { .. })) else { return 0 };
    if !actions[last..].iter().any(shows) {
        return 0;
    }
    let quiet = matches!(actions[last], Action::Make { quiet: true, replaces: Replaces::Nothing | Replaces::Newest });
    let merged = traces.contains(&Trace::Merged);
    usize::from(quiet || merged)
}

fn requests(actions: &[Action], found: Vec<Request>, text: &str, place: Place) -> Vec<GitLink> {
    let mut makers: Vec<Maker> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Request(maker) => Some(*maker),
            Action::Push { requests: true } => Some(Maker::Merge),
            _ => None,
        })
        .collect();
    let exists = ["already exists", "already open"].iter().any(|words| text.contains(words));
    found
        .into_iter()
        .map(|request| {
            let maker = makers.iter().position(|maker| match maker {
                Maker::Any => true,
                Maker::Merge => request.is_merge(),
                Maker::Pull => !request.is_merge(),
                Maker::Stack => !request.is_merge() && is_told_created(text, request.at),
            });
            let evidence = match maker {
                Some(at) if !exists => {
                    if makers[at] != Maker::Stack {
                        makers.remove(at);
                    }
                    Evidence::Created
                }
                _ => Evidence::Mentioned,
            };
            request.link(evidence, place.ordinal, place.index)
        })
        .collect()
}

/// Whether the line around `at` says that something was created.
fn is_told_created(text: &str, at: usize) -> bool {
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    text[start..end].to_ascii_lowercase().contains("created")
}

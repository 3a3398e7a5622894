//! What a command does that can leave a link.

use super::shell::Command;

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Makes commits.
    Make {
        /// Says nothing about them.
        quiet: bool,
        /// What the new commit stands in the place of.
        replaces: Replaces,
    },
    /// Takes back commits but keeps their changes: the next commit replaces them.
    Uncommit(u32),
    /// Sends commits.
    Push {
        /// Asks the server to open a request.
        requests: bool,
    },
    /// Prints ids of the newest commits, at most so many.
    Print(u32),
    /// Opens a request.
    Request(Maker),
    /// Something else of these programs: what it prints is only mentioned.
    Other,
}

/// What a new commit stands in the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaces {
    /// Nothing.
    Nothing,
    /// The commit before it.
    Newest,
    /// A commit of the same subject.
    SameSubject,
}

/// Who opens a request, which tells its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// GitHub's and Gitea's tools: `/pull/`, `/pulls/`.
    Pull,
    /// GitLab's: `/merge_requests/`.
    Merge,
    /// Graphite's, which opens several at once.
    Stack,
    /// Any.
    Any,
}

/// What `command` does, if it is one that counts; the second part is where it works, if options say so.
pub(super) fn action_of(command: &Command) -> Option<(Action, Option<String>)> {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    let (program, rest) = words.split_first()?;
    let action = match *program {
        "git" => return git(rest),
        "hub" => match rest.first().copied() {
            Some("pull-request") => Action::Request(Maker::Pull),
            _ => return git(rest),
        },
        "gh" | "tea" | "fj" => forge(rest, Maker::Pull),
        "glab" => forge(rest, Maker::Merge),
        "az" if rest.starts_with(&["repos", "pr", "create"]) => Action::Request(Maker::Any),
        "gt" => graphite(rest),
        "jj" => match rest.iter().find(|word| !word.starts_with('-')).copied() {
            Some("commit" | "ci") => Action::Make { quiet: false, replaces: Replaces::Nothing },
            Some("log" | "show") => Action::Print(1),
            _ => Action::Other,
        },
        "sl" | "hg" => match rest.iter().find(|word| !word.starts_with('-')).copied() {
            Some("commit" | "ci") => Action::Make { quiet: !has(rest, "-v", "--verbose"), replaces: Replaces::Nothing },
            Some("amend") => Action::Make { quiet: !has(rest, "-v", "--verbose"), replaces: Replaces::Newest },
            Some("log" | "id" | "identify" | "whereami") => Action::Print(1),
            Some("pr") => Action::Request(Maker::Pull),
            _ => Action::Other,
        },
        _ => return None,
    };
    Some((action, None))
}

fn git(words: &[&str]) -> Option<(Action, Option<String>)> {
    let mut dir = None;
    let mut at = 0;
    let verb = loop {
        let word = *words.get(at)?;
        at += 1;
        match word {
            "-C" | "--work-tree" => {
                dir = words.get(at).map(|dir| (*dir).to_owned());
                at += 1;
            }
            "-c" | "--git-dir" | "--namespace" | "--exec-path" | "--config-env" | "--super-prefix" => at += 1,
            option if option.starts_with('-') => {
                if let Some(tree) = option.strip_prefix("--work-tree=") {
                    dir = Some(tree.to_owned());
                }
                if let Some(folder) = option.strip_prefix("--git-dir=").filter(|_| dir.is_none()) {
                    dir = Some(folder.trim_end_matches('/').trim_end_matches(".git").to_owned())
                        .filter(|dir| !dir.is_empty());
                }
            }
            verb => break verb,
        }
    };
    let rest = words.get(at..).unwrap_or_default();
    let quiet = has(rest, "-q", "--quiet") || rest.iter().any(|word| is_short_with(word, 'q'));
    let action = match verb {
        "commit" | "ci" if has(rest, "--dry-run", "--dry-run") => Action::Other,
        "commit" | "ci" => {
            let replaces = if rest.contains(&"--amend") { Replaces::Newest } else { Replaces::Nothing };
            Action::Make { quiet, replaces }
        }
        "merge" | "cherry-pick" | "revert" | "am" | "pull"
            if !has(rest, "--abort", "--no-commit") && !rest.contains(&"-n") =>
        {
            // Most merges and pulls make no commit, and say so; patches are applied without naming the commits.
            Action::Make { quiet: verb == "am", replaces: Replaces::Nothing }
        }
        "rebase" if !rest.contains(&"--abort") => Action::Make { quiet, replaces: Replaces::SameSubject },
        "reset" if rest.contains(&"--soft") => Action::Uncommit(rest.iter().find_map(|word| back(word)).unwrap_or(1)),
        "push" => Action::Push { requests: rest.iter().any(|word| word.contains("merge_request.create")) },
        "rev-parse" if rest.iter().any(|word| *word == "HEAD" || *word == "@") => Action::Print(1),
        "show" => Action::Print(1),
        "log" => Action::Print(log_count(rest)),
        _ => Action::Other,
    };
    Some((action, dir))
}

fn forge(words: &[&str], maker: Maker) -> Action {
    let plain: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).take(4).collect();
    match plain.as_slice() {
        ["pr" | "mr" | "pulls" | "pull", "create" | "new" | "c", ..] => Action::Request(maker),
        ["api", ..] => {
            let is_list = words.iter().any(|word| {
                let path = word.split('?').next().unwrap_or(word).trim_end_matches('/');
                path.ends_with("/pulls") || path.ends_with("/merge_requests")
            });
            let posts = words
                .windows(2)
                .any(|pair| matches!(pair[0], "-X" | "--method") && pair[1].eq_ignore_ascii_case("POST"))
                || words.iter().any(|word| {
                    matches!(*word, "-f" | "-F" | "--field" | "--raw-field" | "--input" | "-XPOST" | "--method=POST")
                });
            let gets = words
                .windows(2)
                .any(|pair| matches!(pair[0], "-X" | "--method") && pair[1].eq_ignore_ascii_case("GET"));
            if is_list && posts && !gets { Action::Request(maker) } else { Action::Other }
        }
        _ => Action::Other,
    }
}

fn graphite(words: &[&str]) -> Action {
    match words.iter().find(|word| !word.starts_with('-')).copied() {
        Some("create" | "c") => Action::Make { quiet: false, replaces: Replaces::Nothing },
        Some("modify" | "m") => {
            let adds = has(words, "-c", "--commit");
            Action::Make { quiet: false, replaces: if adds { Replaces::Nothing } else { Replaces::Newest } }
        }
        Some("submit" | "s" | "ss" | "stack") => Action::Request(Maker::Stack),
        _ => Action::Other,
    }
}

/// How many commits a log shows: one, some, or too many to say which are new.
fn log_count(words: &[&str]) -> u32 {
    let number = |text: &str| text.parse::<u32>().ok();
    for (at, word) in words.iter().enumerate() {
        let count = match *word {
            "-n" | "--max-count" => words.get(at + 1).and_then(|next| number(next)),
            option => option
                .strip_prefix("--max-count=")
                .or_else(|| option.strip_prefix("-n"))
                .or_else(|| option.strip_prefix('-'))
                .and_then(number),
        };
        if let Some(count) = count {
            return count.clamp(1, 64);
        }
    }
    64
}

/// How far `HEAD~2`, `HEAD^^` or `@~` goes back.
fn back(word: &str) -> Option<u32> {
    let rest = word.strip_prefix("HEAD").or_else(|| word.strip_prefix('@'))?;
    match rest.strip_prefix('~') {
        Some("") => Some(1),
        Some(number) => number.parse().ok().map(|number: u32| number.clamp(1, 64)),
        None if !rest.is_empty() && rest.bytes().all(|b| b == b'^') => {
            u32::try_from(rest.len()).ok().map(|n| n.min(64))
        }
        None => None,
    }
}

fn has(words: &[&str], short: &str, long: &str) -> bool {
    words.iter().any(|word| *word == short || *word == long)
}

/// Whether options written together (`-qam`) hold `letter` before the one that takes a text.
fn is_short_with(word: &str, letter: char) -> bool {
    word.strip_prefix('-')
        .filter(|rest| !rest.starts_with('-') && rest.len() <= 6)
        .is_some_and(|rest| rest.split(['m', 'F', 'C', 'c']).next().is_some_and(|flags| flags.contains(letter)))
}

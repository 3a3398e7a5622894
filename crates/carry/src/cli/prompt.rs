//! `carry prompt`: a few characters for the shell's prompt.
//!
//! It runs before every prompt, so that it may take a few milliseconds only: it reads what was noted, and opens no repository.

use std::fs;
use std::path::{Path, PathBuf};

use carry_code::line::Branch;
use carry_code::publish::LineState;
use carry_code::registry::{Consent, Registry, Tree, TreeState};
use carry_kernel::clock::Timestamp;
use clap::ValueEnum;
use serde::Serialize;

use crate::cli::Options;
use crate::failure::Failure;
use crate::output::Output;
use crate::targets::{self, Place};
use crate::wire::Shell;

/// Longest name shown, in characters.
const NAME_CHARS_MAX: usize = 20;

/// Print a few characters for the shell's prompt
///
/// Prints a short word when another device has newer work on this branch, and `!` when changes here are not safe: a push is
/// held back or refused, or no daemon runs. Otherwise nothing, as in a folder that is not registered or is paused. The exit code is
/// 0 whatever happens. For example, in ~/.bashrc:
/// source <(carry prompt --setup bash)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print what to put into the configuration of this shell
    #[arg(long, value_enum, value_name = "SHELL")]
    setup: Option<Kind>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Bash,
    Zsh,
    Fish,
    Starship,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    if let Some(kind) = args.setup {
        return shell.out.bytes(setup(kind).as_bytes());
    }
    let segment = segment(shell).unwrap_or_default();
    if shell.out.is_json() {
        return shell.out.json(&PromptJson { text: &segment });
    }
    if segment.is_empty() { Ok(()) } else { shell.out.line(segment) }
}

/// The same without the command line's whole parser, if that is all that is asked for. A prompt must not show errors.
pub(super) fn at_once(arguments: &[std::ffi::OsString]) -> bool {
    if arguments.len() != 2 || arguments[1] != "prompt" {
        return false;
    }
    let options = Options::default();
    let out = Output::new(&options, &|name| std::env::var_os(name));
    if let Ok(shell) = Shell::new(options, out) {
        // A shell that does not read what it asked for is not told.
        let _ = run(&shell, &Args { setup: None }).and_then(|()| shell.out.finish());
    }
    true
}

/// What to show; nothing outside of registered working trees, and where something cannot be read.
fn segment(shell: &Shell) -> Option<String> {
    let registry = shell.registry_to_read().ok()??;
    let Place::Registered(tree) = targets::place(Some(&registry), &shell.cwd).ok()? else { return None };
    let state = registry.state(&tree.id).ok()?;
    let mut words = Vec::new();
    words.extend(newer(&state, &tree, shell.now()));
    if is_unsafe(shell, &registry, &tree) {
        words.push("!".to_owned());
    }
    Some(words.join(" "))
}

/// `⇣desktop 3m`.
fn newer(state: &TreeState, tree: &Tree, now: Timestamp) -> Option<String> {
    let branch = branch(&tree.root)?;
    let noted = state.drift.iter().find(|noted| noted.branch == branch)?;
    let sign = if noted.diverged { "⇅" } else { "⇣" };
    Some(format!("{sign}{} {}", plain(&noted.device), short_age(noted.made(), now)))
}

/// Shells take some characters of a prompt for commands of theirs; a name from elsewhere keeps none of those.
fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    name.chars().take(NAME_CHARS_MAX).map(keep).collect()
}

fn short_age(at: Timestamp, now: Timestamp) -> String {
    match now.since(at).as_secs() {
        ..60 => "now".to_owned(),
        secs @ ..3600 => format!("{}m", secs / 60),
        secs @ ..86_400 => format!("{}h", secs / 3600),
        secs => format!("{}d", secs / 86_400),
    }
}

/// The branch that HEAD names, as in a trailer; nothing when detached, or when HEAD does not say (reftable).
fn branch(root: &Path) -> Option<String> {
    let head = fs::read(git_dir(root)?.join("HEAD")).ok()?;
    let name = head.strip_prefix(b"ref: refs/heads/")?;
    let name = name.strip_suffix(b"\n").unwrap_or(name);
    (name != b".invalid").then(|| Branch::Named(name.into()).to_trailer())
}

/// The working tree's own git directory.
fn git_dir(root: &Path) -> Option<PathBuf> {
    let dot_git = root.join(".git");
    if dot_git.is_dir() {
        return Some(dot_git);
    }
    let text = fs::read_to_string(&dot_git).ok()?;
    Some(root.join(text.strip_prefix("gitdir: ")?.trim_end_matches('\n')))
}

/// Whether what is here is nowhere else, and does not get there by itself. Without a daemon that is so of whatever is changed next;
/// what was changed since the last capture only a look at every file would tell.
fn is_unsafe(shell: &Shell, registry: &Registry, tree: &Tree) -> bool {
    let is_dead = !tree.paused && matches!(shell.daemon(), Ok(None));
    is_dead || is_held(registry, tree).unwrap_or(false)
}

/// Whether a line of the tree is held back from, or refused by, a remote that the user agreed to.
fn is_held(registry: &Registry, tree: &Tree) -> Result<bool, Failure> {
    for link in registry.links(&tree.common_dir)? {
        if link.consent != Some(Consent::Agreed) {
            continue;
        }
        let is_stuck = |state: &LineState| matches!(state, LineState::Held { .. } | LineState::Refused { .. });
        let published = registry.published(&tree.common_dir, &link.url)?;
        if published.iter().any(|known| known.line.tree == tree.id && is_stuck(&known.state)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn setup(kind: Kind) -> &'static str {
    match kind {
        Kind::Bash => BASH,
        Kind::Zsh => ZSH,
        Kind::Fish => FISH,
        Kind::Starship => STARSHIP,
    }
}

const BASH: &str = r#"# Carry in the prompt. In ~/.bashrc: source <(carry prompt --setup bash)
__carry_prompt() {
    local code=$? segment
    segment=$(command carry prompt 2>/dev/null)
    [ -n "$segment" ] && printf '%s ' "$segment"
    return $code
}
case $PS1 in
    *__carry_prompt*) ;;
    *) PS1='$(__carry_prompt)'"$PS1" ;;
esac
"#;

const ZSH: &str = r#"# Carry in the prompt. In ~/.zshrc: source <(carry prompt --setup zsh)
__carry_prompt() {
    local code=$? segment
    segment=$(command carry prompt 2>/dev/null)
    [ -n "$segment" ] && printf '%s ' "$segment"
    return $code
}
setopt PROMPT_SUBST
case $PROMPT in
    *__carry_prompt*) ;;
    *) PROMPT='$(__carry_prompt)'"$PROMPT" ;;
esac
"#;

const FISH: &str = r#"# Carry in the prompt. In ~/.config/fish/config.fish: carry prompt --setup fish | source
functions -q __carry_fish_prompt; or functions -c fish_prompt __carry_fish_prompt
function __carry_status
    return $argv[1]
end
function fish_prompt
    set -l code $status
    set -l segment (command carry prompt 2>/dev/null)
    test -n "$segment"; and echo -n "$segment "
    __carry_status $code
    __carry_fish_prompt
end
"#;

const STARSHIP: &str = r#"# Carry in the prompt. In ~/.config/starship.toml:
[custom.carry]
command = "carry prompt"
when = true
require_repo = true
shell = ["sh"]
format = "([$output]($style) )"
style = "yellow"
"#;

/// What a prompt would show, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "prompt")]
struct PromptJson<'a> {
    text: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_cannot_command_the_shell() {
        assert_eq!(plain("my desk%{top}`id`$(id)\\w"), "my-desk--top--id---i");
        assert_eq!(plain("grün"), "grün");
    }

    #[test]
    fn ages_are_short() {
        let age = |secs| short_age(Timestamp::from_secs(0), Timestamp::from_secs(secs));
        assert_eq!([age(5), age(200), age(7200), age(200_000)], ["now", "3m", "2h", "2d"].map(str::to_owned));
        // A clock that lies must not make it longer.
        assert_eq!(short_age(Timestamp::from_secs(100), Timestamp::from_secs(5)), "now");
    }

    #[test]
    fn the_branch_is_read_off_head_also_in_a_linked_worktree() {
        let test = carry_testkit::repo::TestRepo::new();
        test.write("a", "x").commit_all("first");
        test.git(["switch", "-qc", "feature/x"]);
        assert_eq!(branch(test.root()).as_deref(), Some("feature/x"));
        test.git(["worktree", "add", "-q", "../linked", "-b", "other"]);
        assert_eq!(branch(&test.root().join("../linked")).as_deref(), Some("other"));
        test.git(["checkout", "-q", "--detach"]);
        assert_eq!(branch(test.root()), None);
    }
}

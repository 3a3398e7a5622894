//! `carry ignore`: leave files out of captures.

use carry_code::git::{self, ByteSlice as _};
use carry_code::repo::Repo;
use carry_kernel::config;
use serde::Serialize;

use crate::failure::Failure;
use crate::wire::{KEYS, Shell};
use crate::{text, tree_diff};

/// The setting it edits.
const KEY: &str = "files.ignore";
/// Tracked files named one by one.
const NAMED_MAX: usize = 5;

/// Leave files out of captures
///
/// Adds GLOB, in .gitignore's syntax, to files.ignore in your own configuration; it holds for all repositories. No
/// .gitignore and no index is touched. Files that Git tracks are captured all the same.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Pattern, e.g. `*.iso` or `/build/`
    #[arg(value_name = "GLOB", required_unless_present = "list")]
    glob: Option<String>,
    /// Take the pattern out again
    #[arg(long, requires = "glob")]
    remove: bool,
    /// List the patterns and where they come from
    #[arg(short, long, conflicts_with_all = ["glob", "remove"])]
    list: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let repo = Repo::discover(&shell.cwd).ok();
    let Some(glob) = &args.glob else { return list(shell, repo.as_ref()) };
    if glob.trim().is_empty() || glob.contains(char::is_control) {
        return Err(Failure::usage("a pattern cannot be empty or have control characters"));
    }
    let file = shell.home.config_file();
    if args.remove {
        if !config::remove_user_list(KEYS, &file, KEY, glob)? {
            return Err(Failure::failed(format!("{glob} is not in {}", file.display()))
                .hint("`carry ignore --list` says where a pattern comes from."));
        }
        shell.out.say(format_args!("{glob} is captured again."))?;
    } else {
        if config::append_user_list(KEYS, &file, KEY, glob)? {
            shell.out.say(format_args!("{glob} is left out from now on, in every repository."))?;
        } else {
            shell.out.say(format_args!("{glob} is left out already."))?;
        }
        if let Some(repo) = &repo {
            warn_of_tracked(shell, repo, glob)?;
        }
    }
    shell.reload_daemon();
    Ok(())
}

fn warn_of_tracked(shell: &Shell, repo: &Repo, glob: &str) -> Result<(), Failure> {
    let mut list = git::command(repo.root());
    list.args(["ls-files", "-z", "--cached", "--ignored"]).arg(format!("--exclude={glob}"));
    let found = tree_diff::run(&mut list)?;
    let tracked: Vec<_> = found.split_str(b"\0").filter(|path| !path.is_empty()).collect();
    if tracked.is_empty() {
        return Ok(());
    }
    let mut names: Vec<_> = tracked.iter().take(NAMED_MAX).map(|path| text::path((*path).into())).collect();
    if tracked.len() > NAMED_MAX {
        names.push(format!("{} more", tracked.len() - NAMED_MAX));
    }
    shell.out.warn(format_args!("Git tracks {}: captured all the same.", names.join(", ")));
    Ok(())
}

fn list(shell: &Shell, repo: Option<&Repo>) -> Result<(), Failure> {
    let config = shell.config(repo.map(Repo::root));
    let Some(resolved) = config.get(KEY) else { return Ok(()) };
    for (glob, origin) in config.list(KEY).iter().zip(&resolved.origins) {
        if shell.out.is_json() {
            shell.out.json(&IgnoreJson { glob, origin: origin.to_string() })?;
        } else {
            shell.out.line(format_args!("{}  ({})", text::line(glob), text::line(&origin.to_string())))?;
        }
    }
    Ok(())
}

/// One pattern, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "ignore")]
struct IgnoreJson<'a> {
    glob: &'a str,
    origin: String,
}

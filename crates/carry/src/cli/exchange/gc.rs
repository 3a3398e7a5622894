//! `carry exchange gc`: remove what nobody needs any more at the remotes.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use carry_daemon::exchange::settings::RemoteSettings;
use carry_daemon::exchange::{self, Ground, How};
use carry_exchange::round::{Collect, Collection};
use carry_kernel::config::parse_duration;
use serde::Serialize;

use crate::cli::remote;
use crate::failure::Failure;
use crate::output::style;
use crate::wire::Shell;
use crate::{prompt, text};

/// Remove what this device put to the remotes and nobody needs any more
///
/// Exchanges do so by themselves when the grace period (exchange.grace) is over. Removes only what this device put there, and what
/// the newest state does not name. A shorter grace period takes files from devices that are just reading them, and is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the remote; all by default
    remote: Option<String>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Grace period instead of exchange.grace, such as 1d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    grace: Option<Duration>,
}

/// Files named one by one for people.
const NAMED_MAX: usize = 20;
/// What to answer where nobody can be asked.
const CONSENT: &str = "--yes removes what --dry-run shows.";

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let ground = shell.ground()?;
    let remotes = remote::meant(&ground.settings, args.remote.as_deref())?;
    let collect = args.grace.map_or(Collect::AfterGrace, Collect::After);
    let mut failures = Vec::new();
    let mut went = false;
    for remote in &remotes {
        match one(shell, &ground, remote, collect, args) {
            Ok(()) => went = true,
            Err(failure) => failures.push((&remote.name, failure)),
        }
    }
    let Some((_, last)) = failures.pop() else { return Ok(()) };
    for (name, failure) in &failures {
        shell.out.warn(format_args!("{name}: {}", failure.in_one_line()));
        failure.hints().iter().for_each(|hint| shell.out.problem(style::HINT, "Hint", hint));
    }
    Err(if went { last.into_partly() } else { last })
}

/// Plans, shows, and removes at one remote.
fn one(shell: &Shell, ground: &Ground, remote: &RemoteSettings, collect: Collect, args: &Args) -> Result<(), Failure> {
    let how = How { collect, is_dry_run: true, ..How::default() };
    let never = AtomicBool::new(false);
    let plan = exchange::collect(ground, remote, &how, &never)?;
    if args.dry_run || plan.removed.is_empty() {
        return show(shell, remote, &plan, true);
    }
    if args.grace.is_some_and(|grace| grace < ground.settings.grace) {
        prompt::check(shell, CONSENT)?;
        if !shell.out.is_json() {
            show(shell, remote, &plan, true)?;
        }
        if !prompt::confirm(shell, &format!("Remove them at {} now?", remote.name), CONSENT)? {
            return Err(prompt::cancelled());
        }
    }
    let done = exchange::collect(ground, remote, &How { is_dry_run: false, ..how }, &never)?;
    show(shell, remote, &done, false)
}

fn show(shell: &Shell, remote: &RemoteSettings, collection: &Collection, is_dry: bool) -> Result<(), Failure> {
    let bytes = |files: &[(String, u64)]| files.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
    if shell.out.is_json() {
        let files = |files: &[(String, u64)]| {
            files.iter().map(|(path, bytes)| FileJson { path: path.clone(), bytes: *bytes }).collect()
        };
        return shell.out.json(&CollectedJson {
            remote: &remote.name,
            dry_run: is_dry,
            removed: files(&collection.removed),
            waiting: files(&collection.waiting),
        });
    }
    let name = &remote.name;
    match collection.removed.as_slice() {
        [] => shell.out.say(format_args!("{name}: nothing is to be removed."))?,
        removed => {
            let what = format!("{}, {}", kinds(removed), text::size(bytes(removed)));
            let verb = if is_dry { "would remove" } else { "removed" };
            shell.out.say(format_args!("{name}: {verb} {what}."))?;
            if is_dry {
                for (path, bytes) in removed.iter().take(NAMED_MAX) {
                    shell.out.say(format_args!("  {} ({})", text::line(path), text::size(*bytes)))?;
                }
                if removed.len() > NAMED_MAX {
                    shell.out.say(format_args!("  and {} more", removed.len() - NAMED_MAX))?;
                }
            }
        }
    }
    if !collection.waiting.is_empty() {
        let waiting = &collection.waiting;
        shell.out.note(format_args!(
            "{} more, {}, are not needed any more and go when their grace period is over.",
            text::count(text::len(waiting), "file"),
            text::size(bytes(waiting))
        ));
    }
    Ok(())
}

/// `2 old heads, each replaced by a newer one, and 3 files that were merged into others`.
fn kinds(files: &[(String, u64)]) -> String {
    let n_heads = files.iter().filter(|(path, _)| path.ends_with(".head")).count();
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let heads = match n_heads {
        1 => "1 old head, replaced by a newer one".to_owned(),
        n => format!("{}, each replaced by a newer one", text::count(number(n), "old head")),
    };
    let others = match files.len() - n_heads {
        1 => "1 file that no head names any more".to_owned(),
        n => format!("{} that no head names any more", text::count(number(n), "file")),
    };
    match (n_heads, files.len() - n_heads) {
        (0, _) => others,
        (_, 0) => heads,
        _ => format!("{heads}, and {others}"),
    }
}

/// A collection, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-gc")]
struct CollectedJson<'a> {
    remote: &'a str,
    dry_run: bool,
    removed: Vec<FileJson>,
    waiting: Vec<FileJson>,
}

/// A file there.
#[derive(Serialize)]
struct FileJson {
    path: String,
    bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_called_what_it_is() {
        let files = |heads: usize, others: usize| {
            let head = (0..heads).map(|n| (format!("h/x-{n}.head"), 10));
            kinds(&head.chain((0..others).map(|n| (format!("l/x/{n}.seg"), 10))).collect::<Vec<_>>())
        };
        assert_eq!(files(1, 0), "1 old head, replaced by a newer one");
        assert_eq!(files(0, 2), "2 files that no head names any more");
        assert_eq!(files(3, 1), "3 old heads, each replaced by a newer one, and 1 file that no head names any more");
    }
}

//! `carry remote`: the places that devices exchange through.

use std::path::Path;

use carry_code::git::ByteSlice as _;
use carry_code::repo::Repo;
use carry_daemon::exchange::lease_name;
use carry_daemon::exchange::settings::{RemoteSettings, Settings};
use carry_exchange::location::Location;
use carry_exchange::store::{self, RoundRow, Store, StoreError, Went};
use carry_kernel::clock::Timestamp;
use carry_kernel::config;
use clap::Subcommand;
use serde::Serialize;

use crate::failure::Failure;
use crate::wire::{KEYS, Shell};
use crate::{lease, text};

mod add;
mod list;
mod near;
mod remove;
mod set_url;
mod test;

/// Add, list and test the places that devices exchange through
///
/// A place is a folder that a sync tool carries from device to device, on a network drive or a stick, a bucket, a folder over WebDAV, or
/// another device of yours. Every device that is to take part adds the same place.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(add::Args),
    List(list::Args),
    Remove(remove::Args),
    SetUrl(set_url::Args),
    Test(test::Args),
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    if let Command::List(_) | Command::Test(_) = args.command {
        shell.check_config(None)?;
    }
    match &args.command {
        Command::Add(args) => add::run(shell, args),
        Command::List(args) => list::run(shell, args),
        Command::Remove(args) => remove::run(shell, args),
        Command::SetUrl(args) => set_url::run(shell, args),
        Command::Test(args) => test::run(shell, args),
    }
}

/// The remotes that are meant: the one named, or all, at least one.
pub(super) fn meant(settings: &Settings, name: Option<&str>) -> Result<Vec<RemoteSettings>, Failure> {
    if settings.remotes.is_empty() {
        let failure = Failure::failed("no remote is configured").hint(
            "`carry remote add NAME PLACE` adds one: a folder that a sync tool carries, an s3://, a dav+https:// or an https:// address.",
        );
        // One that is there, but not understood, is not "none".
        return Err(settings.warnings.iter().fold(failure, |failure, warning| failure.hint(text::line(warning))));
    }
    match name {
        None => Ok(settings.remotes.clone()),
        Some(name) => match settings.remote(name) {
            Some(remote) => Ok(vec![remote.clone()]),
            None => Err(unknown(settings, name)),
        },
    }
}

/// There is no such remote.
fn unknown(settings: &Settings, name: &str) -> Failure {
    let names: Vec<&str> = settings.remotes.iter().map(|remote| remote.name.as_str()).collect();
    let failure = Failure::usage(format!("there is no remote {:?}", text::line(name)));
    match names.is_empty() {
        true => failure.hint("`carry remote add NAME PLACE` adds one."),
        false => failure.hint(format!("These are configured: {}.", names.join(", "))),
    }
}

/// The same for who would change it. One of Git's may be meant: `command` is what Git has for that.
fn unknown_here(shell: &Shell, settings: &Settings, name: &str, command: &str) -> Failure {
    let repo = Repo::discover(&shell.cwd).ok();
    let is_of_git = repo.is_some_and(|repo| repo.gix().remote_names().iter().any(|of| of.to_str_lossy() == name));
    if !is_of_git {
        return unknown(settings, name);
    }
    let name = text::line(name);
    Failure::usage(format!("{name} is a Git remote of this repository, and no place that devices exchange through"))
        .hint(format!("`git remote {command}` is the command for those."))
}

/// The items of a list that stand in the user's file. Those of variables and flags hold for one run only.
fn said_by_user(shell: &Shell, key: &str) -> Vec<String> {
    let config = shell.config(None);
    let Some(resolved) = config.get(key) else { return Vec::new() };
    let Some(config::Value::List(items)) = &resolved.value else { return Vec::new() };
    let of_user = |origin: &config::Origin| matches!(origin, config::Origin::User { .. });
    items.iter().zip(&resolved.origins).filter(|(_, origin)| of_user(origin)).map(|(item, _)| item.clone()).collect()
}

/// Switches the stream of uncommitted code on or off for a remote; says whether that changed anything.
fn set_code(shell: &Shell, name: &str, has_code: bool) -> Result<bool, Failure> {
    let file = shell.home.config_file();
    Ok(match has_code {
        true => config::append_user_list(KEYS, &file, "exchange.code", name)?,
        false => config::remove_user_list(KEYS, &file, "exchange.code", name)?,
    })
}

/// Changes what is noted of a remote, under the lease of the rounds with it: one that is under way would go on noting what it does.
/// Gives why that could not be waited for.
fn note_of(
    shell: &Shell,
    name: &str,
    change: impl FnOnce(&mut Store) -> Result<(), StoreError>,
) -> Result<Option<Failure>, Failure> {
    let mut is_held = false;
    let done = lease::hold(shell, &lease_name(name), &format!("exchanging with {}", text::line(name)), |_| {
        is_held = true;
        Ok(change(&mut shell.ground()?.store()?)?)
    });
    match done {
        Err(failure) if !is_held => Ok(Some(failure)),
        done => done.map(|()| None),
    }
}

/// Whether an item `name=…` of a list speaks of the remote of this name.
fn is_of(name: &str, item: &str) -> bool {
    item.split_once('=').is_some_and(|(of, _)| of.trim() == name)
}

/// A place as a word of a command that can be pasted.
pub(super) fn place_word(location: &Location) -> String {
    text::line(&text::shell_word(Path::new(&location.to_string())))
}

/// A place for people.
pub(super) fn place(shell: &Shell, location: &Location) -> String {
    match location {
        Location::Folder(path) => shell.folder(path),
        other => text::line(&other.to_string()),
    }
}

/// A kind of place in a word.
fn kind(location: &Location) -> &'static str {
    match location {
        Location::Folder(_) => "folder",
        Location::Bucket(_) => "bucket",
        Location::WebDav { .. } => "webdav",
        Location::Peer { .. } => "peer",
    }
}

/// How the rounds with all remotes went, as far as it is known here.
#[derive(Default)]
pub(super) struct Rounds(Vec<RoundRow>);

impl Rounds {
    /// Reads them. Makes nothing.
    pub(super) fn look(shell: &Shell) -> Result<Self, StoreError> {
        Ok(Self(store::look_at_rounds(&shell.home)?))
    }

    /// Those with one remote.
    pub(super) fn of(&self, name: &str) -> RoundRow {
        self.0.iter().find(|row| row.remote == name).cloned().unwrap_or_default()
    }
}

/// Which half of the rounds fails now, since when, and why.
pub(super) fn failing(row: &RoundRow) -> Option<(&'static str, Timestamp, &str)> {
    let of = |way, went: &'_ Went| went.failed.as_ref().filter(|_| went.n_failures > 0).map(|failed| (way, failed.0));
    let (way, at) = of("pull", &row.pull).or_else(|| of("push", &row.push))?;
    let went = if way == "pull" { &row.pull } else { &row.push };
    Some((way, at, went.failed.as_ref().map_or("", |failed| failed.1.as_str())))
}

/// A remote, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "remote")]
struct RemoteJson<'a> {
    name: &'a str,
    place: String,
    kind: &'static str,
    code: bool,
    private: bool,
    last_pull: Option<String>,
    last_push: Option<String>,
    failing: Option<FailingJson<'a>>,
    changed: bool,
}

/// What is failing, for machines.
#[derive(Serialize)]
struct FailingJson<'a> {
    way: &'static str,
    reason: &'a str,
    at: String,
}

impl<'a> RemoteJson<'a> {
    fn new(remote: &'a RemoteSettings, rounds: &'a RoundRow, changed: bool) -> Self {
        Self {
            name: &remote.name,
            place: match &remote.location {
                Location::Folder(path) => text::json_file(path),
                other => other.to_string(),
            },
            kind: kind(&remote.location),
            code: remote.has_code,
            private: remote.is_private,
            last_pull: rounds.pull.ok.map(|at| at.to_rfc3339()),
            last_push: rounds.push.ok.map(|at| at.to_rfc3339()),
            failing: failing(rounds).map(|(way, at, reason)| FailingJson { way, reason, at: at.to_rfc3339() }),
            changed,
        }
    }
}

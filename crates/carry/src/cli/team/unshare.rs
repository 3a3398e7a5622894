//! `carry team unshare`: taking a project back.

use carry_team::settings::DEFAULT_STORE;
use carry_team::share::{Mode, Rule, Shares, with_rule, without_rule};
use serde::Serialize;

use super::engine::Engine;
use super::naming;
use super::push;
use super::rules::{self, Named, SHARE};
use super::store::StoreArg;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Share a project no longer, and withdraw its sessions
///
/// Takes the project's rule away; where a wider rule would share it all the same, one that says off takes its place. With --all
/// every rule goes. Then pushes, so that the sessions are out of the store when it returns. The exit code is 3 when the project is
/// still shared afterwards. What somebody has read or copied meanwhile is not taken back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The project, as `share` takes it
    #[arg(value_name = "PROJECT", conflicts_with = "all", required_unless_present = "all")]
    project: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
    /// Leave withdrawing to the next push
    #[arg(long)]
    no_push: bool,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let store = args.store.settings(shell)?;
    let said = rules::said_by_user(shell, SHARE);
    let named =
        args.project.as_deref().map(|project| Named::of(shell, &naming::resolve(shell, project)?)).transpose()?;
    let new = match &named {
        Some(named) => without(shell, &said, named, &store.name)?,
        None => said.iter().filter(|said| !is_of(said, &store.name, shell)).cloned().collect(),
    };
    let is_changed = new != said;
    if is_changed {
        rules::set_list(shell, SHARE, &new)?;
        shell.reload_daemon();
    }
    let shares = shell.team().store(&store.name).map(|store| store.shares.clone()).unwrap_or_default();
    let engine = Engine::open(shell, &store.name)?;
    let groups = rules::groups(engine.archive())?;
    let still = rules::still_shared(&shares, named.as_ref().unwrap_or(&Named::all()), &groups);
    let is_left = named.as_ref().is_some_and(|named| {
        let is_itself = shares.mode_of(named.project()) != Mode::Off;
        !named.is_beginning() && (is_itself || (!is_changed && !still.is_empty()))
    });
    let pattern = named.as_ref().map_or("*", |named| named.pattern.as_str());
    if shell.out.is_json() {
        shell.out.json(&UnsharedJson { pattern, store: &store.name, changed: is_changed, still_shared: &still })?;
    } else {
        let by_rule = named.as_ref().and_then(|named| shares.rule_of(named.project()));
        let is_off = by_rule.is_some_and(|rule| rule.mode == Mode::Off);
        let how = match (is_changed, is_off) {
            (true, true) => "is not shared any more: a rule says off",
            (true, false) => "is not shared any more",
            (false, _) => "was not shared",
        };
        match named.is_some() {
            true if is_left => {}
            true => shell.out.say(format_args!("{} {how}.", text::line(pattern)))?,
            false if is_changed => shell.out.say("Nothing is shared any more.")?,
            false => shell.out.say("Nothing was shared.")?,
        }
        if is_changed && is_off {
            shell.out.note(format_args!("`carry team share {} --forget` removes that rule.", text::line(pattern)));
        }
    }
    if let Some(named) = &named
        && engine.archive().is_some()
        && rules::meant(&named.pattern, &groups).next().is_none()
    {
        shell.out.warn("no session is archived of such a project; `carry team share` lists the rules there are");
    }
    for project in &still {
        shell.out.warn(format_args!("{} is still shared, by a rule of its own", text::line(project)));
    }
    if args.no_push && !is_left {
        shell.out.note("What is in the store of it is withdrawn with the next push: `carry team push`.");
    }
    // Without an archive nothing could ever have left.
    if !args.no_push && engine.archive().is_some() {
        // It is not shared any more, whatever comes now.
        push::one(shell, &engine, &push::How::default()).map_err(|failure| {
            failure.into_partly().hint("What is in the store of it is withdrawn with the next push that comes through.")
        })?;
    }
    match is_left {
        true => Err(Failure::partly(format!("{} is still shared", text::line(pattern)))
            .hint("`carry team share` lists the rules; name the project as one of them does.")),
        false => Ok(()),
    }
}

/// The rules without the project's, and with one that says off if others would share it.
fn without(shell: &Shell, said: &[String], named: &Named, store: &str) -> Result<Vec<String>, Failure> {
    let home = shell.user_home.as_deref();
    let mut new = without_rule(said, &named.pattern, store, home).map_err(rules::wrong)?;
    if let Some(also) = &named.also {
        new = without_rule(&new, also, store, home).map_err(rules::wrong)?;
    }
    if Shares::parse(&new, store, home).0.mode_of(named.project()) == Mode::Off {
        return Ok(new);
    }
    with_rule(&new, &named.pattern, Mode::Off, store, home).map_err(rules::wrong)
}

/// Whether a rule is of this store.
fn is_of(said: &str, store: &str, shell: &Shell) -> bool {
    match Rule::parse(said, shell.user_home.as_deref()) {
        Ok(rule) => rule.store == store,
        // One that means nothing shares nothing.
        Err(_) => store == DEFAULT_STORE && !said.contains('@'),
    }
}

/// What is not shared any more, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-unshare")]
struct UnsharedJson<'a> {
    pattern: &'a str,
    store: &'a str,
    changed: bool,
    still_shared: &'a [String],
}

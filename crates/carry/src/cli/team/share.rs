//! `carry team share`: which projects are shared, and how much of them.

use carry_sessions::archive::Archive;
use carry_team::settings::DEFAULT_STORE;
use carry_team::share::{Mode, Rule, with_rule, without_rule};
use serde::Serialize;

use super::naming;
use super::rules::{self, Named, SHARE};
use super::store::StoreArg;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Say which projects are shared, and how much of them
///
/// PROJECT is a folder with all below it, a remote, the beginning of one with * at its end, or the name of a project that lists show.
/// Of the rules about a session's remote and of those about its folder, the most particular one each counts, and of the two the
/// one that shares less; --all where there is neither. MODE is off, aggregates (sums only), metadata (no text), prompts (what users
/// wrote) or full. Nothing leaves before the next push. Without PROJECT the rules are listed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The project; . is the one you stand in
    #[arg(value_name = "PROJECT", conflicts_with = "all")]
    project: Option<String>,
    /// Every project that no other rule names
    #[arg(long)]
    all: bool,
    /// How much: off, aggregates, metadata, prompts or full
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<Mode>,
    /// Remove the rule for it, so that a wider one counts, if there is one
    #[arg(long, conflicts_with = "mode")]
    forget: bool,
    #[command(flatten)]
    store: StoreArg,
}

/// A mode's name on the command line.
pub(super) fn mode(said: &str) -> Result<Mode, String> {
    let names = Mode::ALL.map(Mode::as_str).join(", ");
    Mode::named(said).ok_or_else(|| format!("the modes are {names}"))
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let named = match &args.project {
        Some(project) => Named::of(shell, &naming::resolve(shell, project)?)?,
        None if args.all => Named::all(),
        None if args.mode.is_some() || args.forget => {
            return Err(
                Failure::usage("say what to share: a project, or --all").hint("`.` is the project you stand in.")
            );
        }
        None => return list(shell, args),
    };
    if args.forget {
        return forget(shell, args, &named);
    }
    let Some(mode) = args.mode else {
        return Err(Failure::usage("say how much of it is shared: --mode MODE")
            .hint("off: nothing; aggregates: sums; metadata: no text; prompts: what users wrote; full: all, masked."));
    };
    let store = args.store.settings(shell)?;
    let said = rules::said_by_user(shell, SHARE);
    let new = with_rule(&said, &named.pattern, mode, &store.name, shell.user_home.as_deref()).map_err(rules::wrong)?;
    let is_new = new != said;
    if is_new {
        rules::set_list(shell, SHARE, &new)?;
        shell.reload_daemon();
    }
    let settings = shell.team();
    let shares = settings.store(&store.name).map(|store| store.shares.clone()).unwrap_or_default();
    let archive = Archive::open_read_only(&shell.home)?;
    let groups = rules::groups(archive.as_ref())?;
    let counts = rules::counts(&shares, &groups);
    let pattern = named.pattern;
    let place = shares.rules().iter().position(|rule| rule.pattern == pattern);
    let sessions = place.and_then(|place| counts.get(place).copied()).unwrap_or(0);
    if shell.out.is_json() {
        return shell.out.json(&RuleJson { pattern: &pattern, mode: mode.as_str(), store: &store.name, sessions });
    }
    let what = if pattern == "*" { "Every other project".to_owned() } else { text::line(&pattern) };
    let how = if is_new { "is shared" } else { "was shared already" };
    let with = if store.name == DEFAULT_STORE { String::new() } else { format!(" with {}", store.name) };
    match mode {
        Mode::Off => {
            shell.out.say(format_args!("{what} is not shared{with}: {}.", text::count(sessions, "session")))?
        }
        mode => {
            shell.out.say(format_args!("{what} {how}{with} as {mode}: {}.", text::count(sessions, "session")))?;
        }
    }
    if let Some(by) = place.and_then(|place| shares.rules().get(place)).filter(|rule| rule.mode != mode) {
        shell.out.warn(format_args!("a variable or flag of this run says {} for it", by.mode));
    }
    let others = if pattern == "*" { 0 } else { rules::otherwise(&shares, &pattern, mode, &groups) };
    if others > 0 {
        let n = text::count(others, "session");
        shell.out.warn(format_args!(
            "of {n} there another rule, more particular or about less, says how much is shared; `carry team share` lists them"
        ));
    } else if sessions == 0 {
        shell
            .out
            .warn("no session is archived of such a project yet; `carry sessions list` names the projects there are");
    }
    match mode {
        Mode::Off => shell.out.note("What is in the store of it is withdrawn with the next push: `carry team push`."),
        _ if shell.daemon()?.is_some() => {
            shell.out.note("The daemon pushes it soon. `carry team preview` shows what leaves, and what is masked.")
        }
        _ => {
            shell.out.note("Nothing has left yet. `carry team preview` shows what would, `carry team push` pushes it.")
        }
    }
    Ok(())
}

/// Takes the rule for a project away.
fn forget(shell: &Shell, args: &Args, named: &Named) -> Result<(), Failure> {
    let store = args.store.settings(shell)?;
    let said = rules::said_by_user(shell, SHARE);
    let home = shell.user_home.as_deref();
    let mut new = without_rule(&said, &named.pattern, &store.name, home).map_err(rules::wrong)?;
    if let Some(also) = &named.also {
        new = without_rule(&new, also, &store.name, home).map_err(rules::wrong)?;
    }
    let pattern = text::line(&named.pattern);
    if new == said {
        return Err(Failure::failed(format!("there is no rule for {pattern}")).hint("`carry team share` lists them."));
    }
    rules::set_list(shell, SHARE, &new)?;
    shell.reload_daemon();
    let shares = shell.team().store(&store.name).map(|store| store.shares.clone()).unwrap_or_default();
    let mode = shares.mode_of(named.project());
    if shell.out.is_json() {
        let (archive, mode) = (Archive::open_read_only(&shell.home)?, mode.as_str());
        let sessions =
            rules::meant(&named.pattern, &rules::groups(archive.as_ref())?).map(|group| group.sessions).sum();
        return shell.out.json(&RuleJson { pattern: &named.pattern, mode, store: &store.name, sessions });
    }
    shell.out.say(match mode {
        Mode::Off => format!("The rule for {pattern} is gone: it is not shared."),
        mode => format!("The rule for {pattern} is gone: a wider one shares it as {mode}."),
    })?;
    shell.out.note("The next push makes the store so: `carry team push`.");
    Ok(())
}

/// Lists the rules.
fn list(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let settings = shell.team();
    let archive = Archive::open_read_only(&shell.home)?;
    let groups = rules::groups(archive.as_ref())?;
    let mut all: Vec<(Rule, u64)> = Vec::new();
    let only = args.store.store.as_ref().map(|_| args.store.settings(shell)).transpose()?;
    for store in settings.stores.iter().filter(|store| only.as_ref().is_none_or(|only| only.name == store.name)) {
        let counts = rules::counts(&store.shares, &groups);
        all.extend(store.shares.rules().iter().cloned().zip(counts));
    }
    for warning in &settings.warnings {
        shell.out.warn(text::line(warning));
    }
    if shell.out.is_json() {
        return all.iter().try_for_each(|(rule, sessions)| {
            let (pattern, store) = (rule.pattern.as_str(), rule.store.as_str());
            shell.out.json(&RuleJson { pattern, mode: rule.mode.as_str(), store, sessions: *sessions })
        });
    }
    if all.is_empty() {
        let why = if settings.stores.is_empty() { "no team store is configured" } else { "nothing is shared" };
        shell.out.note(format_args!(
            "{}: {}",
            if settings.stores.is_empty() { "Nothing can be shared" } else { "No project is named" },
            match settings.stores.is_empty() {
                true => format!("{why}; `carry team init --url postgres://user@host/database` sets one up."),
                false => format!("{why}; `carry team share . --mode full` shares the project you stand in."),
            }
        ));
        return Ok(());
    }
    let has_several = settings.stores.len() > 1;
    let header =
        if has_several { &["PROJECT", "MODE", "SESSIONS", "STORE"][..] } else { &["PROJECT", "MODE", "SESSIONS"] };
    let mut table = shell.out.table(header);
    for (rule, sessions) in &all {
        let style = if rule.mode == Mode::Off { style::DIM } else { style::GOOD };
        let mut row = vec![text::line(&rule.pattern), shell.out.paint(style, rule.mode), sessions.to_string()];
        row.extend(has_several.then(|| rule.store.clone()));
        table.add_row(row);
    }
    shell.out.line(table.trim_fmt())
}

/// A rule, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-share")]
struct RuleJson<'a> {
    pattern: &'a str,
    mode: &'a str,
    store: &'a str,
    sessions: u64,
}

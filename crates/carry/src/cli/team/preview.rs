//! `carry team preview`: what would leave, exactly.

use std::collections::BTreeMap;

use carry_sessions::archive::FindError;
use carry_sessions::project::normal_remote;
use carry_team::preview::{Item, Preview, Standing, Which};
use carry_team::share::{Mode, Shares};
use carry_team::state::State;
use serde::Serialize;

use super::content;
use super::engine::Engine;
use super::rules::Named;
use super::share::mode;
use super::status::masked;
use super::store::StoreArg;
use crate::cli::sessions::row;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Hex digits of a unit in a list: enough to be typed.
const ID_CHARS: usize = 10;
/// Characters of a title in a list.
const TITLE_CHARS: usize = 48;

/// Show what would leave, and what is masked in it
///
/// Without SESSION everything that is shared is listed. With SESSION its content is shown as it would stand in the store. Connects to
/// nothing and changes nothing; the rows of a push are made by the same code.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session: its id, or the beginning of it
    #[arg(value_name = "SESSION")]
    session: Option<String>,
    /// Only of this project: a folder, a remote or a name
    #[arg(long, value_name = "PROJECT", conflicts_with = "session")]
    project: Option<String>,
    /// As if it were shared so (aggregates, metadata, prompts, full), whatever the rules say; needs no store
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<Mode>,
    /// Show inputs and outputs of tools in full
    #[arg(long, requires = "session")]
    full: bool,
    /// Show what the agent thought
    #[arg(long, requires = "session")]
    thinking: bool,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let is_rehearsal = args.mode.is_some() && args.store.store.is_none() && shell.team().stores.is_empty();
    let mut engine = match is_rehearsal {
        true => Engine::without_store(shell)?,
        false => Engine::open(shell, &args.store.settings(shell)?.name)?,
    };
    let name = engine.store.name.clone();
    if let Some(mode) = args.mode {
        let rule = format!("*={mode}@{name}");
        engine.store.shares = Shares::parse(&[rule], &name, shell.user_home.as_deref()).0;
    }
    let archive = engine.whole_archive()?;
    let state = State::open_read_only(&shell.home)?;
    let redactor = engine.redactor(shell)?;
    let preview = Preview { archive, state: state.as_ref(), store: &engine.store, redactor: &redactor };
    if let Some(spec) = &args.session {
        let key = match archive.find(spec) {
            Ok(session) => session.id.to_string(),
            // Sums of a project have keys of their own.
            Err(FindError::None { .. }) if is_totals(spec) => spec.clone(),
            Err(error) => return Err(error.into()),
        };
        let with = with_it(shell, &engine);
        let how = content::How { full: args.full, thinking: args.thinking, with: &with };
        return content::show(shell, &preview, &key, how);
    }
    let which = match &args.project {
        None => Which::All,
        Some(project) => {
            let named = Named::of(shell, project)?.pattern;
            Which::Project(normal_remote(&named).unwrap_or(named))
        }
    };
    list(shell, args, &preview, &which, &with_it(shell, &engine))
}

/// What goes with everything, in every mode.
fn with_it(shell: &Shell, engine: &Engine) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let device = match engine.client(shell) {
        Ok(client) => format!(
            "the device's id {} and label {}, the name {}",
            text::line(&client.origin),
            text::line(&client.label),
            text::line(&client.person)
        ),
        Err(_) => "the device's id and label, your name".to_owned(),
    };
    format!("With whatever leaves, in every mode: {device}, the login, Carry's version ({version}), and when.")
}

fn is_totals(spec: &str) -> bool {
    spec.strip_prefix('t').is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Sums of a list.
#[derive(Default)]
struct Sums {
    units: u64,
    new: u64,
    changed: u64,
    bytes: u64,
    masked: BTreeMap<String, u64>,
    withheld: u64,
}

fn list(shell: &Shell, args: &Args, preview: &Preview<'_>, which: &Which, with: &str) -> Result<(), Failure> {
    shell.out.start_pager();
    let mut sums = Sums::default();
    let mut told = Ok(());
    preview.items(which, &mut |item| {
        sums.add(&item);
        if told.is_ok() {
            told = one(shell, &item);
        }
    })?;
    told?;
    // What is previewed in another mode, or in part, says nothing about what goes.
    let withdrawn = match (which, args.mode) {
        (Which::All, None) => preview.withdrawals()?,
        _ => Vec::new(),
    };
    if shell.out.is_json() {
        return withdrawn.iter().try_for_each(|unit| shell.out.json(&WithdrawnJson { unit }));
    }
    if sums.units == 0 && withdrawn.is_empty() {
        shell.out.note(match (preview.store.shares.rules().is_empty(), args.project.is_some()) {
            (true, _) => "Nothing would leave: nothing is shared. `carry team share . --mode full` shares the project you stand in, `--mode MODE` here shows what that would be.",
            (false, true) => "Nothing would leave of such a project.",
            (false, false) => "Nothing would leave: no session is of a project that is shared.",
        });
        return Ok(());
    }
    shell.out.line(format_args!(
        "{} to share ({}): {} new, {} changed, {} to withdraw; {} masked{}.",
        text::count(sums.units - sums.withheld, "session"),
        text::size(sums.bytes),
        sums.new,
        sums.changed,
        withdrawn.len(),
        text::count(sums.masked.values().sum(), "secret"),
        if sums.masked.is_empty() { String::new() } else { format!(" ({})", masked(&sums.masked)) },
    ))?;
    if sums.units > 0 {
        shell.out.note(with);
    }
    if sums.withheld > 0 {
        shell.out.warn(format_args!("{} cannot be masked, and would not leave", text::count(sums.withheld, "session")));
    }
    Ok(())
}

fn one(shell: &Shell, item: &Item) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&ItemJson::new(item));
    }
    let id: String = item.key.chars().take(ID_CHARS).collect();
    let id = shell.out.paint(style::ID, id);
    if let Some(why) = &item.failure {
        let why = shell.out.paint(style::WARNING, format!("does not leave: {}", text::line(why)));
        return shell.out.line(format_args!("{id}  {why}"));
    }
    let mut line = format!(
        "{id}  {:<8} {:<10} {}  {}  {}, {}",
        standing(item.standing),
        item.mode.as_str(),
        shell.out.paint(style::GOOD, text::line(&item.project)),
        text::line(&row::cut(&item.title, TITLE_CHARS)),
        text::count(item.messages, "message"),
        text::size(item.bytes),
    );
    if !item.masked.is_empty() {
        let n = text::count(item.masked.values().sum(), "secret");
        line.push_str(&format!(", {n} masked ({})", masked(&item.masked)));
    }
    shell.out.line(line)
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Same => "same",
        Standing::Changed => "changed",
        Standing::New => "new",
    }
}

impl Sums {
    fn add(&mut self, item: &Item) {
        self.units += 1;
        if item.failure.is_some() {
            self.withheld += 1;
            return;
        }
        self.new += u64::from(item.standing == Standing::New);
        self.changed += u64::from(item.standing == Standing::Changed);
        self.bytes = self.bytes.saturating_add(item.bytes);
        for (rule, n) in &item.masked {
            *self.masked.entry(rule.clone()).or_default() += n;
        }
    }
}

/// A unit that would be in the store, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-preview")]
struct ItemJson<'a> {
    unit: &'a str,
    mode: &'a str,
    project: &'a str,
    title: &'a str,
    standing: &'static str,
    messages: u64,
    bytes: u64,
    masked: &'a BTreeMap<String, u64>,
    withheld: Option<&'a str>,
}

impl<'a> ItemJson<'a> {
    fn new(item: &'a Item) -> Self {
        Self {
            unit: &item.key,
            mode: item.mode.as_str(),
            project: &item.project,
            title: &item.title,
            standing: standing(item.standing),
            messages: item.messages,
            bytes: item.bytes,
            masked: &item.masked,
            withheld: item.failure.as_deref(),
        }
    }
}

/// A unit that would go out of the store, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-withdrawal")]
struct WithdrawnJson<'a> {
    unit: &'a str,
}

//! `carry team init`: set a store up, and remember it.

use std::path::PathBuf;

use carry_kernel::{config, disk};
use carry_team::postgres::{Initialised, Postgres};
use carry_team::settings::{Address, DEFAULT_STORE, StoreSettings, is_store_name};
use serde::Serialize;

use super::address::Typed;
use super::rules;
use super::store::StoreArg;
use crate::failure::Failure;
use crate::text;
use crate::wire::{KEYS, Shell};

/// Set up a team store, and remember it
///
/// Makes the tables in an empty database, or brings older ones up to date; both need the right to. Where everything is up to date
/// it only looks, and remembers the store. Nothing is shared by it, and running it again does no harm. A password is kept in a
/// file that only you can read, never in the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The store, as postgres://user@host/database; - reads it from standard input, where nobody sees a password. Without it the
    /// store that is configured is set up
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What you are called in it; Git's user.name by default
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let name = args.store.store.as_deref().unwrap_or(DEFAULT_STORE);
    let person = args.person.as_deref().map(person).transpose()?;
    let typed = args.url.as_deref().map(Typed::read).transpose()?;
    let settings = match &typed {
        Some(typed) => settings_of(shell, name, typed)?,
        None => args.store.settings(shell)?,
    };
    if args.url.as_deref().is_some_and(|url| url != "-") && typed.as_ref().is_some_and(Typed::has_password) {
        shell.out.note("A password on the command line can be seen by others on this machine; `--url -` reads it from standard input.");
    }
    // Only a store that answers is remembered.
    let made = Postgres::new(&settings).init()?;
    let file = typed.as_ref().map(|typed| remember(shell, name, typed)).transpose()?.flatten();
    remember_person(shell, person)?;
    shell.reload_daemon();
    show(shell, name, &settings, typed.as_ref(), &made, file)
}

/// A name as stores take it.
fn person(said: &str) -> Result<String, Failure> {
    let said = said.trim();
    if said.is_empty() || said.chars().count() > 128 || said.chars().any(char::is_control) {
        return Err(Failure::usage("--person is empty, too long, or has control characters in it"));
    }
    Ok(said.to_owned())
}

/// The settings as they would be with this URL.
fn settings_of(shell: &Shell, name: &str, typed: &Typed) -> Result<StoreSettings, Failure> {
    if !is_store_name(name) {
        return Err(
            Failure::usage(format!("{name:?} is no name of a store")).hint("A name has 1 to 32 of a-z, 0-9 and -.")
        );
    }
    let said = match name {
        DEFAULT_STORE => ("team.url", quoted(&typed.shown)),
        name => ("team.stores", format!("[{}]", quoted(&format!("{name}={}", typed.shown)))),
    };
    let settings = shell.team_with(&[said]);
    let Some(store) = settings.store(name) else {
        let failure = Failure::usage("the store cannot be configured so");
        return Err(settings.warnings.into_iter().fold(failure, Failure::hint));
    };
    Ok(StoreSettings { address: Address::Url(typed.whole.clone()), ..store.clone() })
}

/// As TOML takes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes down where the store is. Returns the file that holds its URL, if that has a password.
fn remember(shell: &Shell, name: &str, typed: &Typed) -> Result<Option<PathBuf>, Failure> {
    let config_file = shell.home.config_file();
    let file = typed.has_password().then(|| shell.home.config_dir().join(format!("team-{name}.url")));
    if let Some(file) = &file {
        disk::write_atomic(file, format!("{}\n", typed.whole).as_bytes())?;
    }
    if name == DEFAULT_STORE {
        let (set, to, unset) = match &file {
            Some(file) => ("team.url_file", path(file)?, "team.url"),
            None => ("team.url", typed.shown.clone(), "team.url_file"),
        };
        config::set_user_value(KEYS, &config_file, set, &quoted(&to))?;
        config::unset_user_value(KEYS, &config_file, unset)?;
        return Ok(file);
    }
    let item = match &file {
        Some(file) => format!("{name}=file:{}", path(file)?),
        None => format!("{name}={}", typed.shown),
    };
    let of_it = |said: &String| said.split_once('=').is_some_and(|(of, _)| of.trim() == name);
    let mut stores: Vec<String> =
        rules::said_by_user(shell, "team.stores").into_iter().filter(|said| !of_it(said)).collect();
    stores.push(item);
    rules::set_list(shell, "team.stores", &stores)?;
    Ok(file)
}

fn path(file: &std::path::Path) -> Result<String, Failure> {
    file.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::failed(format!("{} is not UTF-8, so that no setting can name it", text::file(file))))
}

/// Writes down what the user is called, so that this machine's daemon and its commands call them the same for ever.
fn remember_person(shell: &Shell, person: Option<String>) -> Result<(), Failure> {
    let is_said = shell.config(None).layer("team.person") > 0;
    let person = match person {
        Some(person) => Some(person),
        None if is_said => None,
        None => Some(shell.person()).filter(|person| !person.is_empty()),
    };
    if let Some(person) = person {
        config::set_user_value(KEYS, &shell.home.config_file(), "team.person", &quoted(&person))?;
    }
    Ok(())
}

fn show(
    shell: &Shell,
    name: &str,
    settings: &StoreSettings,
    typed: Option<&Typed>,
    made: &Initialised,
    file: Option<PathBuf>,
) -> Result<(), Failure> {
    let person = shell.person();
    if shell.out.is_json() {
        return shell.out.json(&StoreJson {
            store: name,
            store_id: &made.store_id,
            schema: &settings.schema,
            from: made.from,
            to: made.to,
            url_file: file.as_deref().map(text::json_file),
            person: &person,
        });
    }
    let schema = text::line(&settings.schema);
    match made.from {
        None => {
            shell.out.say(format_args!("Made the tables of the store in the schema {schema} (version {}).", made.to))?
        }
        Some(from) if from < made.to => {
            shell.out.say(format_args!("Brought the store from version {from} to version {}.", made.to))?;
        }
        Some(_) => shell.out.say(format_args!("The store is set up and up to date (version {}).", made.to))?,
    }
    if let Some(typed) = typed {
        let shown = text::line(&typed.shown);
        match &file {
            Some(file) => shell.out.say(format_args!(
                "Remembered {shown} as {name}; the password is in {}, which only you can read.",
                shell.folder(file)
            ))?,
            None => shell.out.say(format_args!("Remembered {shown} as {name}."))?,
        }
    }
    if person.is_empty() {
        shell.out.warn("nobody says what you are called there: `carry config set team.person NAME`");
    } else {
        shell.out.say(format_args!("You are {} there.", text::line(&person)))?;
    }
    match settings.shares.rules() {
        [] => shell.out.note(
            "Nothing is shared yet: `carry team share . --mode full` shares the project you stand in, `carry team preview` shows what would leave.",
        ),
        _ => shell.out.note("`carry team share` says what is shared, `carry team preview` what would leave, `carry team push` pushes it."),
    }
    Ok(())
}

/// A store that was set up, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-store")]
struct StoreJson<'a> {
    store: &'a str,
    store_id: &'a str,
    schema: &'a str,
    from: Option<u32>,
    to: u32,
    url_file: Option<String>,
    person: &'a str,
}

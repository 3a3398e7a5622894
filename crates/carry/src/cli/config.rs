//! `carry config`: show and change settings.

use std::path::PathBuf;
use std::process::Command;

use carry_code::repo::Repo;
use carry_kernel::config::{self, Config, Kind, RepoRule, Resolved, Value};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::{KEYS, Shell};

/// Show and change settings
///
/// Layers, weakest first: defaults, your configuration file, the repository's carry.toml (or [tool.carry] in
/// pyproject.toml), CARRY_* in the environment, --config.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show every setting as it holds here
    Show {
        /// Say where each value was set, with file and line
        #[arg(long)]
        origin: bool,
    },
    /// Print one setting as it holds here
    Get {
        /// Its name, e.g. limits.large_file
        key: String,
    },
    /// Set one in your configuration file
    Set {
        /// Its name
        key: String,
        /// Its value, in TOML or as bare text
        value: String,
    },
    /// Remove one from your configuration file, so that its default counts again
    Unset {
        /// Its name
        key: String,
    },
    /// Open your configuration file in your editor
    Edit,
    /// List every setting with its meaning and default
    List,
    /// Print a configuration file that lists every setting
    Template,
    /// Print where your configuration file is
    Path,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let file = shell.home.config_file();
    match &args.action {
        Action::Show { origin } => show(shell, *origin),
        Action::Get { key } => get(shell, key),
        Action::Set { key, value } => {
            check(shell, key, value)?;
            config::set_user_value(KEYS, &file, key, value)?;
            shell.out.say(format_args!("Set {key} in {}.", text::file(&file)))?;
            shell.reload_daemon();
            // An environment variable or a repository may say otherwise.
            warn(shell, &effective(shell));
            Ok(())
        }
        Action::Unset { key } => {
            if config::unset_user_value(KEYS, &file, key)? {
                shell.out.say(format_args!("Removed {key} from {}.", text::file(&file)))?;
                shell.reload_daemon();
            } else {
                shell.out.say(format_args!("{key} is not set in {}.", text::file(&file)))?;
            }
            Ok(())
        }
        Action::Edit => edit(shell, file),
        Action::List => list(shell),
        Action::Template => {
            let text = config::template(KEYS);
            if shell.out.is_json() {
                shell.out.json(&TemplateJson { text: &text })
            } else {
                shell.out.bytes(text.as_bytes())
            }
        }
        Action::Path => {
            if shell.out.is_json() {
                shell.out.json(&PathJson { path: text::json_file(&file), exists: file.is_file() })
            } else {
                shell.out.line(text::file(&file))
            }
        }
    }
}

/// Refuses what has the right kind, and yet says nothing that those who go by the setting understand. What no setting or kind is, is
/// refused by who writes it.
fn check(shell: &Shell, key: &str, value: &str) -> Result<(), Failure> {
    let mut keys = KEYS.iter().copied().flatten();
    let Some(known) = keys.find(|known| known.name == key || known.aliases.contains(&key)) else { return Ok(()) };
    // Of files that are named it is said elsewhere whether they are there: they may come later.
    if known.kind != Kind::List && !["team.url", "team.schema"].contains(&known.name) {
        return Ok(());
    }
    let group = known.name.split('.').next().unwrap_or_default();
    let config = shell.config_if(|file| config::set_user_value(KEYS, file, key, value))?;
    let warnings = match group {
        "exchange" => shell.exchange_of(&config).warnings,
        "team" => shell.team_of(&config).warnings,
        "sessions" => shell.sessions_of(&config)?.warnings,
        _ => return Ok(()),
    };
    let about = format!("`{}`", known.name);
    // Of a list one entry is named: the others are as they should be, or are named next.
    let Some(warning) = warnings.iter().find(|warning| warning.starts_with(&about)) else { return Ok(()) };
    let rest = warning.trim_start_matches(&about).trim_end_matches('.');
    let what = rest.strip_prefix(", ").map_or_else(|| format!("it{rest}"), ToOwned::to_owned);
    let failure = Failure::failed(format!("{} cannot be set so: {}", known.name, text::line(&what)));
    Err(match instead(known.name) {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

/// The command that sets a structured setting.
fn instead(key: &str) -> Option<&'static str> {
    Some(match key {
        "exchange.remotes" => {
            "`carry remote add NAME PLACE` adds one, `carry remote set-url NAME PLACE` changes its address, `carry remote remove \
             NAME` forgets it."
        }
        "exchange.code" => {
            "`carry remote add NAME PLACE --code` lets uncommitted code go to a remote, --no-code does not. A list is \
             written [\"NAME\", …]."
        }
        "exchange.private" => "It is a list of names of remotes: [\"NAME\", …]. `carry remote list` lists them.",
        "exchange.token_files" => "`carry remote add NAME PLACE --token-file FILE` names one.",
        "exchange.ca_files" => "`carry remote add NAME PLACE --ca-file FILE` names one.",
        "exchange.rates" => "It is a list: [\"NAME=500 KiB\", …]. `carry remote list` lists the remotes.",
        "sessions.roots" => "It is a list: [\"AGENT=/absolute/path\", …]. `carry sessions sources` lists the agents.",
        "sessions.disabled" => "`carry sessions sources` lists the sources.",
        "team.stores" | "team.url" | "team.url_file" => "`carry team init` sets a store up and remembers it.",
        "team.share" => "`carry team share PROJECT --mode MODE` says what is shared.",
        _ => return None,
    })
}

/// As it holds where we stand.
fn effective(shell: &Shell) -> Config {
    let repo = Repo::discover(&shell.cwd).ok();
    shell.config(repo.as_ref().map(Repo::root))
}

/// Says what has no effect, each with its file and line.
fn warn(shell: &Shell, config: &Config) {
    // Of files that cannot be parsed it was said already.
    for warning in config.warnings().iter().filter(|warning| !config.broken().contains(warning)) {
        shell.out.warn(warning);
    }
}

fn show(shell: &Shell, origin: bool) -> Result<(), Failure> {
    let config = effective(shell);
    warn(shell, &config);
    let header = if origin { &["SETTING", "VALUE", "ORIGIN"][..] } else { &["SETTING", "VALUE"] };
    let mut table = shell.out.table(header);
    for resolved in config.iter() {
        if shell.out.is_json() {
            shell.out.json(&SettingJson::new(resolved))?;
            continue;
        }
        let mut row = vec![
            resolved.key.name.to_owned(),
            resolved.shown().map_or("unset".to_owned(), |value| text::line(&value.to_string())),
        ];
        if origin {
            row.push(text::line(&origins(resolved)));
        }
        table.add_row(row);
    }
    if shell.out.is_json() { Ok(()) } else { shell.out.line(table.trim_fmt()) }
}

/// Of a value the place that counts; of a list those of all its items.
fn origins(resolved: &Resolved) -> String {
    let mut all: Vec<String> = resolved.origins.iter().map(ToString::to_string).collect();
    if resolved.key.kind != Kind::List {
        return all.pop().unwrap_or_else(|| "default".to_owned());
    }
    all.dedup();
    if all.is_empty() { "default".to_owned() } else { all.join(", ") }
}

fn get(shell: &Shell, key: &str) -> Result<(), Failure> {
    let config = effective(shell);
    warn(shell, &config);
    let is_meant = |resolved: &&Resolved| resolved.key.name == key || resolved.key.aliases.contains(&key);
    let Some(resolved) = config.iter().find(is_meant) else {
        return Err(Failure::failed(format!("there is no setting {key}")).hint("`carry config list` lists them."));
    };
    match &resolved.shown() {
        _ if shell.out.is_json() => shell.out.json(&SettingJson::new(resolved)),
        Some(Value::List(items)) if items.is_empty() => Ok(()),
        Some(value) => shell.out.line(bare(value)),
        None => Err(Failure::failed(format!("{key} is not set and has no default"))),
    }
}

fn list(shell: &Shell) -> Result<(), Failure> {
    for key in KEYS.iter().copied().flatten() {
        if shell.out.is_json() {
            shell.out.json(&KeyJson {
                name: key.name,
                aliases: key.aliases,
                kind: kind_name(key.kind),
                default: (!key.default.is_empty()).then_some(key.default),
                repository: rule_name(key.repo),
                doc: key.doc,
            })?;
            continue;
        }
        let default = if key.default.is_empty() { "unset" } else { key.default };
        shell.out.line(format_args!("{} = {default}", shell.out.paint(style::TITLE, key.name)))?;
        shell.out.line(format_args!("    {}", key.doc))?;
        if !key.aliases.is_empty() {
            shell.out.line(format_args!("    Also known as {}.", key.aliases.join(", ")))?;
        }
    }
    Ok(())
}

fn edit(shell: &Shell, file: PathBuf) -> Result<(), Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let Some(editor) = editor else {
        return Err(Failure::failed("no editor is set")
            .hint(format!("Set VISUAL or EDITOR, or edit {} yourself.", text::file(&file))));
    };
    carry_kernel::disk::create_new(&file, config::template(KEYS).as_bytes())?;
    shell.out.flush()?;
    // Editors are given with arguments, as Git takes them: the shell takes them apart.
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$@\"")).arg(&editor).arg(&file).status()?;
    if !status.success() {
        return Err(Failure::failed(format!("the editor `{editor}` failed ({status})")));
    }
    warn(shell, &effective(shell));
    shell.reload_daemon();
    Ok(())
}

/// As a script wants it: without quotes; of a list one item a line.
fn bare(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::List(items) => items.join("\n"),
        other => other.to_string().trim_matches('"').to_owned(),
    }
}

/// As JSON: sizes are bytes, durations seconds.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Duration(value) if value.subsec_nanos() == 0 => value.as_secs().into(),
        Value::Duration(value) => value.as_secs_f64().into(),
        Value::Size(value) => (*value).into(),
        Value::Text(value) => value.as_str().into(),
        Value::List(items) => items.as_slice().into(),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Integer { .. } => "integer",
        Kind::Duration => "duration",
        Kind::Size => "size",
        Kind::Text => "text",
        Kind::Choice(_) => "choice",
        Kind::List => "list",
    }
}

fn rule_name(rule: RepoRule) -> &'static str {
    match rule {
        RepoRule::Ignored => "ignored",
        RepoRule::Lower => "lower",
        RepoRule::Raise => "raise",
        RepoRule::Append => "append",
        RepoRule::OffOnly => "off-only",
    }
}

/// A setting as it holds, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "setting")]
struct SettingJson<'a> {
    name: &'a str,
    value: Option<serde_json::Value>,
    origins: Vec<String>,
}

impl<'a> SettingJson<'a> {
    fn new(resolved: &'a Resolved) -> Self {
        Self {
            name: resolved.key.name,
            value: resolved.shown().as_ref().map(json),
            origins: resolved.origins.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A setting that exists, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "key")]
struct KeyJson<'a> {
    name: &'a str,
    aliases: &'a [&'a str],
    kind: &'static str,
    default: Option<&'a str>,
    repository: &'static str,
    doc: &'a str,
}

/// A file that lists every setting, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "config-template")]
struct TemplateJson<'a> {
    text: &'a str,
}

/// Where the file is, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "config-path")]
struct PathJson {
    path: String,
    exists: bool,
}

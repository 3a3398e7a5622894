//! `carry conflicts`: what devices said about sessions without knowing of each other.

use carry_exchange::store::status;
use carry_kernel::clock::Timestamp;
use carry_sessions::archive::Archive;
use carry_sessions::curation::{Conflict, ConflictValue, RegisterName};
use clap::Subcommand;
use serde::Serialize;

use super::sessions::archive;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;
use crate::writers;

/// The fields as they are written on the command line.
const FIELDS: &str = "`name`, `star`, `trash`, `label:TEXT` and `pin:MESSAGE`";

mod list;
mod resolve;
mod show;

/// Show and settle what devices say differently about sessions
///
/// What two devices say differently about one session, without having heard of each other, is a conflict: the later value is
/// shown and both are kept, until you say which it is. It may be in each of the fields: `name` (its name), `star`, `trash`,
/// `label:TEXT` (whether it bears this label) and `pin:MESSAGE` (the note on a pinned message). Without a command it lists them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Resolve(resolve::Args),
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    match &args.command {
        None => list::run(shell, &list::Args::default()),
        Some(Command::List(args)) => list::run(shell, args),
        Some(Command::Show(args)) => show::run(shell, args),
        Some(Command::Resolve(args)) => resolve::run(shell, args),
    }
}

/// The conflict of a session's field, as it is written on the command line.
fn find(shell: &Shell, archive: &Archive, session: &str, field: &str) -> Result<Conflict, Failure> {
    let id = session_id(archive, session)?;
    let mut all = archive.conflicts(Some(&id))?;
    call(shell, &mut all)?;
    let hint = match all.as_slice() {
        [] => "It has no conflicts. `carry conflicts` lists those there are.".to_owned(),
        some => {
            let fields: Vec<String> = some.iter().map(|one| format!("`{}`", field_of(&one.name))).collect();
            format!("It has conflicts in {}.", fields.join(", "))
        }
    };
    if let Some(found) = all.into_iter().find(|one| field_of(&one.name) == field) {
        return Ok(found);
    }
    let failure = Failure::failed(format!("session {id} has no conflict in {field:?}")).hint(hint);
    Err(match carry_sessions::curation::FIELDS.contains(&field.split(':').next().unwrap_or_default()) {
        true => failure,
        false => failure.hint(format!("The fields are {FIELDS}.")),
    })
}

/// Calls devices in conflicts as people do: by their labels, else by the names that the user gave them here, else by their ids.
fn call(shell: &Shell, conflicts: &mut [Conflict]) -> Result<(), Failure> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let logs = status::look(&shell.home)?.map(|status| status.logs).unwrap_or_default();
    let own = shell.existing_context()?.map(|ctx| ctx.device.get());
    for value in conflicts.iter_mut().flat_map(|conflict| &mut conflict.values) {
        if let Some(own) = own.as_ref().filter(|own| value.is_own && own.id().as_str() == value.device) {
            value.device = own.label().to_owned();
        }
        let Some(log) = logs.iter().find(|log| !value.is_own && Some(log.row.log) == value.log) else { continue };
        if let Some(id) = &log.device {
            let label = writers::label_of(shell, id.as_str())?;
            // Until somebody names a log, it is called by the first digits of its own.
            let is_named = !log.row.log.to_string().starts_with(&value.device);
            if label != id.as_str() || !is_named {
                value.device = label;
            }
        }
    }
    Ok(())
}

/// The session that is meant: one that is here, or the whole id of one that has not come yet.
fn session_id(archive: &Archive, spec: &str) -> Result<carry_sessions::model::SessionId, Failure> {
    let id = carry_sessions::model::SessionId::parse(spec.trim());
    match (archive.find(spec), id) {
        (Ok(session), _) => Ok(session.id),
        (Err(_), Some(id)) if !archive.conflicts(Some(&id))?.is_empty() => Ok(id),
        (Err(error), _) => Err(error.into()),
    }
}

/// A register's field as it is written on the command line: `name`, `label:TEXT`.
fn field_of(name: &RegisterName) -> String {
    match name.item.as_str() {
        "" => name.field.clone(),
        item => format!("{}:{item}", name.field),
    }
}

/// The session for people: its id, and its name when it is here.
fn title(archive: &Archive, name: &RegisterName) -> String {
    match archive.find(name.session.as_str()) {
        Ok(session) => archive::name(&session),
        Err(_) => format!("{} (not here yet)", name.session),
    }
}

/// A value for people.
fn value_of(name: &RegisterName, value: Option<&str>) -> String {
    match (name.field.as_str(), value) {
        ("name", None) => "(the agent's name)".to_owned(),
        ("pin", None) => "(not pinned)".to_owned(),
        ("pin", Some("")) => "(pinned without a note)".to_owned(),
        ("star" | "label" | "trash", value) => (if value.is_some() { "(set)" } else { "(not set)" }).to_owned(),
        (_, None) => "(none)".to_owned(),
        (_, Some(text)) => text::line(text),
    }
}

/// Prints a conflict for people, the value that is shown first.
fn print(shell: &Shell, archive: &Archive, conflict: &Conflict) -> Result<(), Failure> {
    let field = text::line(&field_of(&conflict.name));
    shell.out.line(format_args!("{}  {}", title(archive, &conflict.name), shell.out.paint(style::TITLE, field)))?;
    for (at, one) in conflict.values.iter().enumerate() {
        let device = if one.is_own { format!("{}, this device", one.device) } else { one.device.clone() };
        let shown = if at == 0 { "; shown" } else { "" };
        shell.out.line(format_args!(
            "    {}  ({}, {}{shown})",
            value_of(&conflict.name, one.value.as_deref()),
            text::line(&device),
            text::local_time(said(one)),
        ))?;
    }
    Ok(())
}

fn said(value: &ConflictValue) -> Timestamp {
    Timestamp::from_millis(i64::try_from(value.at.wall_ms).unwrap_or(i64::MAX))
}

/// A conflict, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "conflict")]
struct ConflictJson<'a> {
    session: &'a str,
    name: Option<String>,
    field: &'a str,
    item: &'a str,
    values: Vec<ValueJson<'a>>,
}

#[derive(Serialize)]
struct ValueJson<'a> {
    value: Option<&'a str>,
    device: &'a str,
    own: bool,
    shown: bool,
    time: String,
    hlc: String,
    log: Option<String>,
}

impl<'a> ConflictJson<'a> {
    fn new(archive: &Archive, conflict: &'a Conflict) -> Self {
        let values = conflict.values.iter().enumerate().map(|(at, one)| ValueJson {
            value: one.value.as_deref(),
            device: &one.device,
            own: one.is_own,
            shown: at == 0,
            time: said(one).to_rfc3339(),
            hlc: one.at.to_string(),
            log: one.log.map(|log| log.to_string()),
        });
        let session = archive.find(conflict.name.session.as_str()).ok();
        Self {
            session: conflict.name.session.as_str(),
            name: session.map(|session| carry_sessions::export::title(&session)),
            field: &conflict.name.field,
            item: &conflict.name.item,
            values: values.collect(),
        }
    }
}

//! `carry conflicts resolve`: says which value it is.

use carry_sessions::curation::Conflict;
use serde::Serialize;

use super::{field_of, find, title, value_of};
use crate::cli::sessions::archive;
use crate::failure::Failure;
use crate::wire::Shell;

/// Settle a conflict
///
/// The value that you take, or give, holds on all devices from now on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// The field: `name`, `star`, `trash`, `label:TEXT`, `pin:MESSAGE`
    field: String,
    #[command(flatten)]
    choice: Choice,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Choice {
    /// Take what this device said
    #[arg(long, value_name = "DEVICE")]
    take: Option<String>,
    /// Take this value; for a star, a label or the trash any text means that it is set
    #[arg(long, value_name = "TEXT")]
    value: Option<String>,
    /// Take it back: no star, no label, the agent's name
    #[arg(long)]
    null: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut archive = archive::to_change(shell)?;
    let conflict = find(shell, &archive, &args.session, &args.field)?;
    let value = choose(&args.choice, &conflict)?;
    let device = shell.context()?.device.id();
    archive.resolve(&conflict.name, value.as_deref(), device.as_str(), shell.now())?;
    shell.tell_of_sessions();
    shell.out.say(format_args!(
        "Settled: {} of {} is {}.",
        crate::text::line(&field_of(&conflict.name)),
        title(&archive, &conflict.name),
        value_of(&conflict.name, value.as_deref()),
    ))?;
    if shell.out.is_json() {
        shell.out.json(&ResolvedJson {
            session: conflict.name.session.as_str(),
            field: &conflict.name.field,
            item: &conflict.name.item,
            value: value.as_deref(),
        })?;
    }
    Ok(())
}

fn choose(choice: &Choice, conflict: &Conflict) -> Result<Option<String>, Failure> {
    let is_switch = matches!(conflict.name.field.as_str(), "star" | "label" | "trash");
    match (&choice.take, &choice.value) {
        (Some(device), _) => taken(device, conflict),
        (None, Some(_)) if is_switch => Ok(Some("1".to_owned())),
        (None, Some(value)) if conflict.name.field == "name" => Ok(Some(crate::cli::sessions::checked_name(value)?)),
        (None, value) => Ok(value.clone()),
    }
}

/// What a device said.
fn taken(device: &str, conflict: &Conflict) -> Result<Option<String>, Failure> {
    let is_it = |name: &str, log: Option<String>| name == device || log.is_some_and(|log| log == device);
    let mut of_it: Vec<&Option<String>> = Vec::new();
    for one in &conflict.values {
        if is_it(&one.device, one.log.map(|log| log.to_string())) && !of_it.contains(&&one.value) {
            of_it.push(&one.value);
        }
    }
    let devices: Vec<String> = conflict.values.iter().map(|one| format!("`{}`", one.device)).collect();
    match of_it.as_slice() {
        [value] => Ok((*value).clone()),
        [] => Err(Failure::failed(format!("{device:?} is none of the devices that differ"))
            .hint(format!("They are {}.", devices.join(", ")))),
        _ => Err(Failure::failed(format!("{device:?} said several things: its home was copied"))
            .hint("Give the value itself with --value or --null.")),
    }
}

/// What was settled, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "conflict-resolved")]
struct ResolvedJson<'a> {
    session: &'a str,
    field: &'a str,
    item: &'a str,
    value: Option<&'a str>,
}

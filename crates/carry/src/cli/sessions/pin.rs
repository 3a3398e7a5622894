//! `carry sessions pin`: a message one wants to find again.

use carry_sessions::archive::{Archive, SessionRow};
use carry_sessions::curation::{Edit, Pin};
use carry_sessions::model::{Block, Message};
use serde::Serialize;

use super::archive;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Pin a message, or list the pins
///
/// Without MESSAGE it lists what is pinned in the session. Messages are named by their number, as `show` prints it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Number of the message
    #[arg(value_name = "MESSAGE")]
    message: Option<String>,
    /// Why it is pinned
    #[arg(short, long, value_name = "TEXT", requires = "message", conflicts_with = "remove")]
    note: Option<String>,
    /// Take the pin out
    #[arg(long, requires = "message")]
    remove: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let Some(spec) = &args.message else { return list(shell, &args.session) };
    set(shell, &args.session, spec, (!args.remove).then(|| args.note.clone().unwrap_or_default()))
}

/// Pins a message with a note, or takes the pin out.
pub(super) fn set(shell: &Shell, session: &String, spec: &str, note: Option<String>) -> Result<(), Failure> {
    let ordinal = number(spec)?;
    let edit = |archive: &Archive, session: &SessionRow| {
        let message = message(archive, session, ordinal)?;
        Ok(Edit::Pin(message.key.unwrap_or_else(|| format!("#{ordinal}")), note.clone()))
    };
    let (done, nothing) = match note {
        Some(_) => (format!("Pinned message {ordinal} of"), format!("Message {ordinal} is pinned like that already:")),
        None => (format!("Took out the pin on message {ordinal} of"), format!("Message {ordinal} is not pinned:")),
    };
    archive::edit(shell, std::slice::from_ref(session), edit, &done, &nothing)
}

/// A message's number, with or without `#`.
pub(super) fn number(spec: &str) -> Result<u32, Failure> {
    spec.trim_start_matches('#').parse().map_err(|_| {
        Failure::usage(format!("{spec:?} is no message number")).hint("`carry sessions show ID` prints the numbers.")
    })
}

/// One message.
pub(super) fn message(archive: &Archive, session: &SessionRow, ordinal: u32) -> Result<Message, Failure> {
    let found = archive.messages(session.n, ordinal, 1)?.into_iter().next().map(|stored| stored.message);
    found.filter(|message| message.ordinal == ordinal).ok_or_else(|| {
        Failure::failed(format!("{} has no message {ordinal}", archive::name(session)))
            .hint(format!("`carry sessions show {}` prints the numbers.", session.id))
    })
}

fn list(shell: &Shell, spec: &str) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let session = archive.find(spec)?;
    let pins = archive.pins(&session.id)?;
    if pins.is_empty() {
        shell.out.note("Nothing is pinned in it.");
        return Ok(());
    }
    let messages = archive::all_messages(&archive, &session)?;
    for pin in &pins {
        let pinned = messages.iter().map(|stored| &stored.message).find(|message| is_of(pin, message));
        if shell.out.is_json() {
            shell.out.json(&PinJson {
                session: session.id.as_str(),
                message: pinned.map(|message| message.ordinal),
                key: &pin.message,
                note: &pin.note,
            })?;
            continue;
        }
        let number = pinned.map_or("gone".to_owned(), |message| format!("#{}", message.ordinal));
        let beginning = pinned.map(beginning).unwrap_or_default();
        let mut line = format!("{}  {}", shell.out.paint(style::ID, number), text::line(&beginning));
        if !pin.note.is_empty() {
            line.push_str(&format!("  ({})", text::line(&pin.note)));
        }
        shell.out.line(line)?;
    }
    Ok(())
}

fn is_of(pin: &Pin, message: &Message) -> bool {
    message.key.as_deref() == Some(&pin.message) || pin.message == format!("#{}", message.ordinal)
}

/// The first words of a message.
fn beginning(message: &Message) -> String {
    let text = message.blocks.iter().find_map(|block| match block {
        Block::Text(text) if !text.trim().is_empty() => Some(text.as_str()),
        _ => None,
    });
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().take(20).collect();
    super::row::cut(&words.join(" "), 72)
}

/// A pin, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-pin")]
struct PinJson<'a> {
    session: &'a str,
    message: Option<u32>,
    key: &'a str,
    note: &'a str,
}

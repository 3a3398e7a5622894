//! `carry sessions rename`: a name of one's own.

use carry_sessions::curation::Edit;

use super::archive;
use crate::failure::Failure;
use crate::wire::Shell;

/// Give a session another name
///
/// The agent's own name comes back when NAME is left out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// The name
    name: Option<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let name = args.name.as_deref().map(|name| checked("name", name)).transpose()?;
    let done = if name.is_some() { "Renamed" } else { "Has the agent's name again:" };
    archive::edit(
        shell,
        std::slice::from_ref(&args.session),
        |_, _| Ok(Edit::Rename(name.clone())),
        done,
        "Called so already:",
    )
}

/// A name or label: something on one line that can be shown.
pub(super) fn checked(what: &str, text: &str) -> Result<String, Failure> {
    /// Longest name, in characters.
    const CHARS_MAX: usize = 200;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > CHARS_MAX || text.chars().any(char::is_control) {
        return Err(Failure::usage(format!("a {what} is 1 to {CHARS_MAX} characters without control characters")));
    }
    Ok(text.to_owned())
}

//! The archive as commands open it, and one session of it.

use carry_sessions::archive::{Archive, SessionRow, StoredMessage};
use carry_sessions::curation::Edit;
use carry_sessions::export::title;

use super::gaps::Gaps;
use super::row;
use crate::called::Called;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Messages read at a time.
pub(super) const PAGE: usize = 500;

/// The archive, to be read. One of an older Carry is brought up to date.
pub(in crate::cli) fn to_read(shell: &Shell) -> Result<Archive, Failure> {
    Archive::open_read_only(&shell.home)?.ok_or_else(|| {
        Failure::failed("no session is archived yet")
            .hint("`carry sessions index` reads what agents have left on this machine.")
    })
}

/// The archive, to be written; made when there is none.
pub(super) fn to_write(shell: &Shell) -> Result<Archive, Failure> {
    Ok(Archive::open(&shell.home, shell.context()?.device.id().as_str())?)
}

/// The archive, to be changed: nothing is made when there is none.
pub(in crate::cli) fn to_change(shell: &Shell) -> Result<Archive, Failure> {
    drop(to_read(shell)?);
    to_write(shell)
}

/// All messages of a session.
pub(super) fn all_messages(archive: &Archive, session: &SessionRow) -> Result<Vec<StoredMessage>, Failure> {
    let mut all = Vec::new();
    each_page(archive, session, 0, |page| {
        all.extend(page);
        Ok(true)
    })?;
    Ok(all)
}

/// Gives `take` the messages from `from` on, a page at a time, until it has enough.
pub(super) fn each_page(
    archive: &Archive,
    session: &SessionRow,
    from: u32,
    mut take: impl FnMut(Vec<StoredMessage>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut next = Some(from);
    while let Some(from) = next {
        let page = archive.messages(session.n, from, PAGE)?;
        next = page.last().filter(|_| page.len() == PAGE).and_then(|last| last.message.ordinal.checked_add(1));
        if page.is_empty() || !take(page)? {
            break;
        }
    }
    Ok(())
}

/// Refuses what needs the agent's file of a session that another device read. `so` says what that means here.
pub(super) fn check_is_here(shell: &Shell, archive: &Archive, session: &SessionRow, so: &str) -> Result<(), Failure> {
    if !archive.is_received(session)? {
        return Ok(());
    }
    let device = Called::read(shell)?.device(&session.origin);
    let failure = Failure::failed(format!("the file of {} lies on another device, {device}: {so}", name(session)));
    Err(failure
        .hint(format!("Do that on {device}, or `carry sessions export {}` writes the conversation.", session.id)))
}

/// What a session is called in a sentence.
pub(in crate::cli) fn name(session: &SessionRow) -> String {
    /// Longer titles are cut.
    const CHARS: usize = 60;
    let title = title(session);
    let short: String = title.chars().take(CHARS).collect();
    let dots = if short.len() < title.len() { "…" } else { "" };
    format!("{} ({}{dots})", session.id, text::line(&short))
}

/// Makes an edit of each session that is named, says what it did, and shows them as they are now.
pub(super) fn edit(
    shell: &Shell,
    specs: &[String],
    edit: impl Fn(&Archive, &SessionRow) -> Result<Edit, Failure>,
    done: &str,
    nothing: &str,
) -> Result<(), Failure> {
    let mut archive = to_change(shell)?;
    let device = shell.context()?.device.id();
    // All are found before one is changed: a mistyped id leaves the others as they were.
    let sessions: Vec<SessionRow> = specs.iter().map(|spec| Ok(archive.find(spec)?)).collect::<Result<_, Failure>>()?;
    let edits: Vec<Edit> = sessions.iter().map(|session| edit(&archive, session)).collect::<Result<_, _>>()?;
    for (session, edit) in sessions.iter().zip(&edits) {
        let changed = archive.curate(&session.id, edit, device.as_str(), shell.now())?;
        let now = archive.session(session.n)?;
        let shown = now.as_ref().unwrap_or(session);
        shell.out.say(format_args!("{} {}.", if changed { done } else { nothing }, name(shown)))?;
        if shell.out.is_json()
            && let Some(now) = &now
        {
            shell.out.json(&row::json(now, &Called::read(shell)?, &Gaps::read(shell, &archive)?))?;
        }
    }
    Ok(())
}

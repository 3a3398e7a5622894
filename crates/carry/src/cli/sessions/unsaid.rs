//! What was said here of sessions and cannot be exchanged, so that no other device sees it.

use carry_code::doctor::{Finding, Severity};
use carry_sessions::archive::Archive;
use carry_sessions::curation::RegisterName;

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

const ADVICE: &str = "It stays on this device. Made anew and shorter it goes to the others; what masking puts in the place of \
                      secrets counts. Taken back, it is not said at all.";

/// Edits that are named one by one.
const NAMED_MAX: usize = 3;

/// The edits, and why each cannot be exchanged; none where nothing is exchanged.
pub(super) fn read(shell: &Shell, archive: &Archive) -> Result<Vec<(RegisterName, String)>, Failure> {
    if shell.exchange().remotes.is_empty() { Ok(Vec::new()) } else { Ok(archive.unsaid()?) }
}

/// That there are some, in a few words.
pub(super) fn in_words(n: u64) -> String {
    let (stay, they) = if n == 1 { ("stays", "it") } else { ("stay", "they") };
    format!("{} of sessions {stay} on this device, since {they} cannot be exchanged", text::count(n, "edit"))
}

/// The same as findings of `doctor`.
pub(in crate::cli) fn findings(shell: &Shell) -> Vec<Finding> {
    // That the archive cannot be read is found elsewhere.
    let Ok(Some(archive)) = Archive::open_read_only(&shell.home) else { return Vec::new() };
    let all = read(shell, &archive).unwrap_or_default();
    let named = all.iter().take(NAMED_MAX).map(|(name, why)| {
        format!("The {} of session {} is not exchanged: {}.", text::line(&name.field), name.session, text::line(why))
    });
    let more = match text::len(all.get(NAMED_MAX..).unwrap_or_default()) {
        0 => None,
        1 => Some("1 more edit of a session is not exchanged, either.".to_owned()),
        n => Some(format!("{n} more edits of sessions are not exchanged, either.")),
    };
    let finding = |problem| Finding {
        code: "sessions-unsaid",
        severity: Severity::Warning,
        problem,
        advice: ADVICE.to_owned(),
        fix: None,
    };
    named.chain(more).map(finding).collect()
}

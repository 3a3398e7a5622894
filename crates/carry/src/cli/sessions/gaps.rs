//! What is missing here of sessions of other devices.

use std::collections::BTreeMap;

use carry_code::doctor::{Finding, Severity};
use carry_exchange::store::status;
use carry_sessions::archive::{Archive, SessionRow};
use carry_sessions::model::SessionId;
use carry_sessions::stream::content::Incomplete;

use crate::called::Called;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// The sessions of which something is missing, read once.
#[derive(Debug, Default)]
pub(in crate::cli) struct Gaps(BTreeMap<SessionId, Incomplete>);

impl Gaps {
    /// Reads them.
    pub(in crate::cli) fn read(shell: &Shell, archive: &Archive) -> Result<Self, Failure> {
        // That it cannot be read is told by `status` and `doctor`, and is no reason not to show a session.
        let Ok(Some(status)) = status::look(&shell.home) else { return Ok(Self::default()) };
        Ok(Self(archive.incomplete(&status)?))
    }

    /// What is missing of a session.
    pub(in crate::cli) fn of(&self, session: &SessionRow) -> Option<&Incomplete> {
        self.0.get(&session.id)
    }

    /// How many sessions there are.
    pub(in crate::cli) fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }
}

/// What is missing of a session and why, as sentences.
pub(super) fn sentences(shell: &Shell, missing: &Incomplete) -> Result<String, Failure> {
    let (called, n) = (Called::read(shell)?, missing.n_records);
    let (have, are) = if n == 1 { ("has", "is") } else { ("have", "are") };
    Ok(format!(
        "Missing here: {missing}. {} of conversations of {} {have} not come yet, or {are} lost; `carry exchange verify --repair` \
         fetches what any remote has.",
        text::count(n, "record"),
        called.log(missing.log).unwrap_or_else(|| missing.log.to_string())
    ))
}

/// That sessions are incomplete, in a few words.
pub(super) fn in_words(n: u64) -> String {
    let are = if n == 1 { "is" } else { "are" };
    format!("{} of other devices {are} incomplete, or may be", text::count(n, "session"))
}

/// That sessions are incomplete: part of `doctor`.
pub(in crate::cli) fn finding(shell: &Shell) -> Option<Finding> {
    // That the archive cannot be read is found elsewhere.
    let archive = Archive::open_read_only(&shell.home).ok()??;
    let n = Gaps::read(shell, &archive).ok()?.count();
    (n > 0).then(|| Finding {
        code: "sessions-incomplete",
        severity: Severity::Warning,
        problem: format!("{}: records of them are missing here.", in_words(n)),
        advice: "`carry sessions list --all` marks them, `carry devices` says what is missing, and `carry exchange verify --repair` fetches \
                 what any remote has."
            .to_owned(),
        fix: None,
    })
}

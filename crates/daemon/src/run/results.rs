//! What errors and reports mean to workers, commands and people. Pure.

use std::error::Error;
use std::fmt::Write as _;

use carry_code::capture::{CaptureError, Outcome, Report};
use carry_code::refs::RefError;
use carry_code::repo::OpenError;
use carry_code::snapshot::Skipped;
use carry_kernel::id::TreeId;
use carry_kernel::worker::{Failure, Reason};

use crate::handle::{CaptureResult, reason};

/// Paths an answer names; a working tree with more that cannot be captured is told by its snapshot.
const SKIPPED_MAX: usize = 200;

/// An error with its causes as a full sentence.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Transparent errors say the same as what they wrap.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    let mut letters = text.chars();
    let text: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    if text.ends_with(['.', '!', '?']) { text } else { text + "." }
}

/// What a panic was called with.
pub(super) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// The class and words of a failure; `None` for a capture that was cancelled.
pub(super) fn failure(error: &CaptureError) -> Option<Failure> {
    let reason = match error {
        CaptureError::Cancelled => return None,
        CaptureError::Open(open) => match open {
            OpenError::Missing { .. } => Reason::Unreachable,
            OpenError::Untrusted { .. } => Reason::PolicyForbidden,
            OpenError::NotARepository { .. } | OpenError::Bare { .. } | OpenError::Damaged { .. } => {
                Reason::InvalidData
            }
        },
        CaptureError::OverBudget { .. } | CaptureError::DiskFull { .. } => Reason::StorageFull,
        CaptureError::Disk(disk) => of_disk(disk),
        CaptureError::Ref(RefError::Disk(disk)) => of_disk(disk),
        CaptureError::Ref(RefError::Locked { .. } | RefError::Moved { .. }) | CaptureError::Vanished { .. } => {
            Reason::Busy
        }
        CaptureError::Ref(_) | CaptureError::History(_) | CaptureError::Git { .. } => Reason::InvalidData,
        // Tried again before long: nobody says when the file is mended.
        CaptureError::Configuration { .. } => Reason::Busy,
        CaptureError::Db(_) | CaptureError::Device(_) => Reason::InternalError,
    };
    Some(Failure { reason, message: sentence(error), retry_after: None })
}

pub(super) fn of_disk(error: &carry_kernel::disk::DiskError) -> Reason {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, StorageFull};
    match error.source.kind() {
        StorageFull | QuotaExceeded => Reason::StorageFull,
        PermissionDenied => Reason::PolicyForbidden,
        _ => Reason::Unreachable,
    }
}

/// What a capture came to, for a command.
pub(super) fn result(tree: &TreeId, report: &Report) -> CaptureResult {
    let (snapshot, new) = match &report.outcome {
        Outcome::Captured(snapshot) => (Some(snapshot), true),
        Outcome::Unchanged(snapshot) => (snapshot.as_ref(), false),
        Outcome::Waiting(_) => (None, false),
    };
    CaptureResult {
        tree: tree.clone(),
        snapshot: snapshot.map(|s| s.commit.to_string()),
        new,
        subject: snapshot.map(|s| s.meta.subject.clone()),
        skipped: report
            .skipped
            .iter()
            .take(SKIPPED_MAX)
            .map(|Skipped { path, reason }| (quoted(path), reason.name().to_owned()))
            .collect(),
        error: None,
        reason: None,
    }
}

/// A capture that did not come about.
pub(super) fn refusal(tree: &TreeId, why: impl Into<String>) -> CaptureResult {
    let error = Some(why.into());
    CaptureResult {
        tree: tree.clone(),
        snapshot: None,
        new: false,
        subject: None,
        skipped: Vec::new(),
        error,
        reason: None,
    }
}

/// The same, of a kind that a command knows what to do about.
pub(super) fn refusal_for(tree: &TreeId, kind: &str, why: impl Into<String>) -> CaptureResult {
    CaptureResult { reason: Some(kind.to_owned()), ..refusal(tree, why) }
}

/// A capture that failed.
pub(super) fn refusal_of(tree: &TreeId, error: &CaptureError) -> CaptureResult {
    let kind = match error {
        CaptureError::OverBudget { .. } => Some(reason::OVER_BUDGET),
        CaptureError::DiskFull { .. } => Some(reason::DISK_FULL),
        CaptureError::Open(OpenError::Untrusted { .. }) => Some(reason::UNTRUSTED),
        CaptureError::Open(OpenError::Missing { .. }) => Some(reason::MISSING),
        _ => None,
    };
    CaptureResult { reason: kind.map(str::to_owned), ..refusal(tree, sentence(error)) }
}

/// A path as text, odd bytes as `%xx`: the form in which messages and the registry have them.
fn quoted(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for (at, byte) in path.iter().enumerate() {
        match byte {
            b' ' if at == 0 || at + 1 == path.len() => text.push_str("%20"),
            b' '..=b'~' if *byte != b'%' => text.push(char::from(*byte)),
            odd => write!(text, "%{odd:02x}").expect("writing to a string does not fail"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use carry_kernel::disk::DiskError;

    use super::*;

    #[test]
    fn an_error_becomes_a_sentence_with_its_causes() {
        let error = DiskError::at("write", Path::new("/x"))(io::Error::other("no luck"));
        assert_eq!(sentence(&error), "Cannot write /x: no luck.");
        assert_eq!(sentence(&CaptureError::Disk(error)), "Cannot write /x: no luck.");
    }

    #[test]
    fn a_full_disk_is_told_from_an_absent_one_and_cancelling_is_no_failure() {
        let disk = |kind: io::ErrorKind| CaptureError::Disk(DiskError::at("write", Path::new("/x"))(kind.into()));
        let reason = |error| failure(&error).map(|failure| failure.reason);
        assert_eq!(reason(disk(io::ErrorKind::StorageFull)), Some(Reason::StorageFull));
        assert_eq!(reason(disk(io::ErrorKind::NotFound)), Some(Reason::Unreachable));
        assert_eq!(reason(CaptureError::DiskFull { free: 1 }), Some(Reason::StorageFull));
        assert_eq!(reason(CaptureError::Cancelled), None);
    }

    #[test]
    fn odd_bytes_cross_the_socket_as_text() {
        assert_eq!(quoted(b" a b/100%/caf\xc3\xa9\n"), "%20a b/100%25/caf%c3%a9%0a");
    }

    #[test]
    fn a_panic_says_what_it_was_called_with() {
        let caught = std::panic::catch_unwind(|| std::panic::panic_any(7)).unwrap_err();
        assert_eq!(panic_message(&*caught), "a panic without a message");
        assert_eq!(panic_message(&"text"), "text");
    }
}

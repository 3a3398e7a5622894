//! What a push that failed means to its worker.

use carry_kernel::worker::{Failure, Reason};
use carry_sessions::archive::ArchiveError;
use carry_team::push::PushError;
use carry_team::sink::Class;

use super::super::link::patience;
use super::super::results::{of_disk, sentence};

/// The class and words of a failure.
pub(super) fn of(error: &PushError) -> Failure {
    let reason = match error {
        PushError::Sink(error) => of_class(error.class),
        PushError::Archive(ArchiveError::Disk(disk)) => of_disk(disk),
        PushError::Archive(ArchiveError::Damaged { .. }) => Reason::InvalidData,
        PushError::Archive(_) | PushError::Mask(_) | PushError::State(_) => Reason::InternalError,
    };
    let mut message = sentence(error);
    if let PushError::Sink(error) = error
        && let Some(hint) = &error.hint
    {
        message = format!("{message} {hint}");
    }
    // A store that restarts says that it is full or shuts down: it may be back in a moment.
    let retry_after = if reason == Reason::StorageFull { None } else { patience(reason) };
    Failure { reason, message, retry_after }
}

fn of_class(class: Class) -> Reason {
    match class {
        Class::Unreachable => Reason::Unreachable,
        Class::AuthRequired => Reason::AuthRequired,
        Class::Forbidden => Reason::PolicyForbidden,
        Class::Unsupported => Reason::ServerUnsupported,
        Class::Full | Class::Exhausted => Reason::StorageFull,
        Class::Busy | Class::Contended => Reason::Busy,
        Class::Refused => Reason::InvalidData,
        Class::Internal => Reason::InternalError,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use carry_team::sink::SinkError;

    use super::*;

    fn failed(class: Class) -> Failure {
        let hint = Some("Ask whoever runs it.".to_owned());
        of(&PushError::Sink(SinkError { class, message: "it says no".to_owned(), hint, source: None }))
    }

    #[test]
    fn a_failure_says_what_is_wrong_and_what_to_do() {
        assert_eq!(failed(Class::Forbidden).message, "It says no. Ask whoever runs it.");
    }

    #[test]
    fn what_somebody_must_mend_is_tried_rarely_and_what_passes_by_itself_soon() {
        for class in [Class::AuthRequired, Class::Forbidden, Class::Unsupported] {
            assert!(failed(class).retry_after > Some(Duration::from_secs(60)), "{class:?}");
        }
        for class in [Class::Unreachable, Class::Full, Class::Busy, Class::Internal] {
            assert_eq!(failed(class).retry_after, None, "{class:?}");
        }
    }
}

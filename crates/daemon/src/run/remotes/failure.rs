//! What an exchange that failed means to its worker.

use carry_exchange::remote::Class;
use carry_exchange::round::RoundError;
use carry_kernel::worker::{Failure, Reason};

use super::super::link::patience;
use super::super::results::sentence;
use crate::exchange::{ConnectError, ExchangeError};

/// The class and words of a failure.
pub(super) fn of(error: &ExchangeError) -> Failure {
    let (reason, asked) = match error {
        ExchangeError::Round(RoundError::Remote(error)) => (of_class(error.class()), error.retry_after()),
        ExchangeError::Connect(ConnectError::Token { .. }) => (Reason::AuthRequired, None),
        ExchangeError::Busy { .. } => (Reason::Busy, None),
        ExchangeError::Silent { .. } => (Reason::Unreachable, None),
        ExchangeError::Left { .. } => (of_class(Class::Cancelled), None),
        _ => (Reason::InternalError, None),
    };
    Failure { reason, message: sentence(error), retry_after: asked.or_else(|| patience(reason)) }
}

fn of_class(class: Class) -> Reason {
    match class {
        Class::Unreachable | Class::Untrusted | Class::NotThere | Class::NoMarker | Class::Changing => {
            Reason::Unreachable
        }
        Class::Denied => Reason::AuthRequired,
        Class::WrongFormat => Reason::ServerUnsupported,
        Class::Full => Reason::StorageFull,
        Class::Foreign | Class::InvalidName | Class::TooLarge => Reason::InvalidData,
        Class::Busy => Reason::Busy,
        Class::Cancelled => Reason::TimedOut,
        Class::Local | Class::Internal => Reason::InternalError,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use carry_exchange::remote::RemoteError;

    use super::*;

    #[test]
    fn what_the_place_asks_for_is_kept_and_a_place_that_is_gone_is_tried_soon() {
        let busy = RemoteError::Busy {
            place: "https://hub.example.org".to_owned(),
            retry_after: Some(Duration::from_secs(77)),
        };
        let failure = of(&ExchangeError::Round(RoundError::Remote(busy)));
        assert_eq!((failure.reason, failure.retry_after), (Reason::Busy, Some(Duration::from_secs(77))));
        let gone = RemoteError::NoMarker { place: "/mnt/nas".to_owned() };
        let failure = of(&ExchangeError::Round(RoundError::Remote(gone)));
        assert_eq!((failure.reason, failure.retry_after), (Reason::Unreachable, None));
        assert!(failure.message.contains("/mnt/nas"), "{}", failure.message);
    }
}

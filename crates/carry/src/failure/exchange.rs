//! Failures of the exchange between devices. Each cause has words of its own, and a way out.

use carry_daemon::exchange::{ConnectError, ExchangeError, GroundError};
use carry_exchange::location::LocationError;
use carry_exchange::remote::{Class, RemoteError};
use carry_exchange::round::RoundError;
use carry_exchange::store::StoreError;

use super::{Failure, Kind};

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let hint = hint_of(error.class());
        Self::new(Kind::Failed, error).with(hint)
    }
}

/// What to do about failures of a class that does not say so itself.
fn hint_of(class: Class) -> Option<&'static str> {
    match class {
        Class::NotThere => Some("The sync tool may still be bringing it. `carry exchange` tries again."),
        Class::NoMarker | Class::WrongFormat | Class::Full | Class::Foreign => None,
        Class::Unreachable => Some("Nothing is lost: what waits goes out as soon as it can be reached."),
        Class::Denied => {
            Some("A folder must be yours to read and write. For an address, the token or key may have run out.")
        }
        Class::Changing | Class::Busy => Some("`carry exchange` tries again."),
        Class::Cancelled => Some("Nothing is lost: the next exchange goes on where this one ended."),
        Class::Local => Some("`carry exchange verify` looks at what is kept here."),
        Class::InvalidName | Class::TooLarge | Class::Internal => None,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Db(_) | StoreError::Sqlite(_) | StoreError::Damaged { .. } | StoreError::Segment(_) => {
                Some("`carry exchange verify` says what is damaged, and --repair fetches it again.")
            }
            StoreError::Key { .. } => Some(
                "Bring the key's file back from a backup. Without it this device must begin anew: move exchange.db and the folder \
                 exchange in Carry's data folder away, and approve it again on the others.",
            ),
            StoreError::UnknownLog(_) => Some("`carry devices` lists them."),
            StoreError::Alias(_) => Some("Give another name."),
            _ => None,
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

impl From<RoundError> for Failure {
    fn from(error: RoundError) -> Self {
        match error {
            RoundError::Remote(error) => error.into(),
            RoundError::Store(error) => error.into(),
        }
    }
}

impl From<GroundError> for Failure {
    fn from(error: GroundError) -> Self {
        match error {
            GroundError::Store(error) => error.into(),
            GroundError::Disk(error) => error.into(),
            other => Self::new(Kind::Failed, other),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let hint = match &error {
            ConnectError::Token { .. } => Some(
                "`carry config set exchange.token_files` names the file with the token, which must be yours alone (0600).",
            ),
            _ => None,
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Ground(error) => error.into(),
            ExchangeError::Connect(error) => error.into(),
            ExchangeError::Round(error) => error.into(),
            error @ ExchangeError::Busy { .. } => Self::new(Kind::Failed, error)
                .hint("Nothing is lost: it does this work. `carry exchange stats` shows when it was done last."),
            other => Self::new(Kind::Failed, other),
        }
    }
}

impl From<LocationError> for Failure {
    fn from(error: LocationError) -> Self {
        let hint = match &error {
            LocationError::Credentials => Some(
                "The token for an https:// address comes from CARRY_REMOTE_TOKEN_NAME or exchange.token_files; keys for a bucket \
                 from AWS_ACCESS_KEY_ID and its kin.",
            ),
            _ => None,
        };
        Self::new(Kind::Usage, error).with(hint)
    }
}

//! Failures of the exchange between devices. Each cause has words of its own, and a way out.

use carry_daemon::exchange::{ConnectError, ExchangeError, GroundError};
use carry_exchange::location::LocationError;
use carry_exchange::remote::{Class, PlaceKind, RemoteError};
use carry_exchange::round::RoundError;
use carry_exchange::store::StoreError;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::{self, ErrorCode};

use super::{Failure, Kind};

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let hint = hint_of(error.class(), error.kind());
        Self::new(Kind::Failed, error).with(hint)
    }
}

/// What to do about failures of a class that does not say so itself, at a place of this kind.
fn hint_of(class: Class, kind: PlaceKind) -> Option<&'static str> {
    match (class, kind) {
        (Class::NotThere, PlaceKind::Folder) => {
            Some("The sync tool may still be bringing it. `carry exchange` tries again.")
        }
        (Class::NotThere | Class::Changing | Class::Busy, _) => Some("`carry exchange` tries again."),
        (Class::NoMarker | Class::WrongFormat | Class::Full | Class::Foreign, _) => None,
        (Class::Unreachable, _) => Some("Nothing is lost: what waits goes out as soon as it can be reached."),
        (Class::Untrusted, PlaceKind::Server | PlaceKind::WebDav) => Some(
            "If the server signed its certificate itself, copy that here and name it: `carry remote add NAME PLACE --ca-file FILE`.",
        ),
        (Class::Untrusted, _) => {
            Some("If the server has an authority of its own, AWS_CA_BUNDLE names the file (PEM) with its certificate.")
        }
        (Class::Denied, PlaceKind::Folder) => {
            Some("A folder must be yours to read and write; `ls -ld` says whose it is.")
        }
        (Class::Denied, PlaceKind::Server) => Some(
            "Put the token into the file that holds this remote's, for you alone (chmod 600); `carry remote add NAME PLACE --token-file FILE` \
             names one.",
        ),
        (Class::Denied, PlaceKind::WebDav) => Some(
            "Put user:password into a file for you alone (chmod 600) and name that: `carry remote add NAME PLACE --token-file FILE`.",
        ),
        (Class::Denied, _) => None,
        (Class::Cancelled, _) => Some("Nothing is lost: the next exchange goes on where this one ended."),
        (Class::Local, _) => Some("`carry exchange verify` looks at what is kept here."),
        (Class::InvalidName | Class::TooLarge | Class::Internal, _) => None,
    }
}

/// What to do about a database that is damaged, as a whole or in a row: no remote has another copy of it.
const BEGIN_ANEW: &str = "Move exchange.db away, with exchange.db-wal and exchange.db-shm if they are there, but keep them, and run \
                          `carry exchange`: this device goes on in a new log that the old one's key speaks for, and what it had \
                          said stays. The other devices are approved anew here. See \"exchange.db is damaged\" in docs/exchange.md.";

fn is_damaged(error: &DbError) -> bool {
    match error {
        DbError::Foreign { .. } => true,
        DbError::Sqlite { source, .. } => is_corrupt(source),
        DbError::Newer { .. } | DbError::Older { .. } | DbError::Disk(_) => false,
    }
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    // A table or a column that is not there is one whose name was altered.
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown))
        || is_no_value(error)
}

/// Whether a column of a row holds what nothing here writes.
fn is_no_value(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..))
}

/// Whether the exchange's database is damaged, as a whole or in a row: no file of records that could be fetched again.
pub(crate) fn is_damaged_store(error: &StoreError) -> bool {
    match error {
        StoreError::Db(error) => is_damaged(error),
        StoreError::Sqlite(error) => is_corrupt(error),
        StoreError::Damaged { is_row, .. } => *is_row,
        StoreError::Name(_) => true,
        _ => false,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Db(DbError::Newer { .. }) => Some("Install the newer Carry here too."),
            StoreError::Db(DbError::Older { .. }) => Some("`carry exchange` brings it to the format of this one."),
            error if is_damaged_store(error) => Some(BEGIN_ANEW),
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
                "`carry serve token NAME` on the server prints one; it goes into a file for you alone (chmod 600) that `carry remote add \
                 NAME PLACE --token-file FILE` names. For WebDAV the file holds user:password.",
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
                "The token for an https:// address, or user:password for a dav+https:// one, comes from CARRY_REMOTE_TOKEN_NAME or \
                 exchange.token_files; keys for a bucket from AWS_ACCESS_KEY_ID and its kin.",
            ),
            _ => None,
        };
        Self::new(Kind::Usage, error).with(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_not_known_is_named_where_the_place_takes_it() {
        for (place, way) in [
            ("https://hub.example.org", "--ca-file"),
            ("dav+https://cloud.example.org/x", "--ca-file"),
            ("s3://bucket/prefix", "AWS_CA_BUNDLE"),
        ] {
            let hint = hint_of(Class::Untrusted, PlaceKind::of(place)).expect("a hint");
            assert!(hint.contains(way), "{place}: {hint}");
        }
        let hint = hint_of(Class::Denied, PlaceKind::of("dav+https://cloud.example.org/x")).expect("a hint");
        assert!(hint.contains("user:password") && hint.contains("--token-file"), "{hint}");
    }
}

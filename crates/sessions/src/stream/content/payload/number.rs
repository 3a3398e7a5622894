//! Numbers and times as records hold them.

use carry_exchange::limits::JSON_NUMBER_MAX;
use carry_kernel::clock::Timestamp;

use super::{PayloadError, UnsayableError};

/// A count that every reader keeps exactly.
pub(super) fn say(count: Option<u64>, what: &'static str) -> Result<Option<u64>, UnsayableError> {
    if count.is_some_and(|count| count > JSON_NUMBER_MAX) { Err(UnsayableError::Number(what)) } else { Ok(count) }
}

/// A time, in milliseconds.
pub(super) fn say_time(at: Option<i64>, what: &'static str) -> Result<Option<i64>, UnsayableError> {
    match at.is_some_and(|at| at.unsigned_abs() > JSON_NUMBER_MAX) {
        true => Err(UnsayableError::Number(what)),
        false => Ok(at),
    }
}

/// A count that was said.
pub(super) fn heard(count: Option<u64>, what: &'static str) -> Result<Option<u64>, PayloadError> {
    if count.is_some_and(|count| count > JSON_NUMBER_MAX) { Err(PayloadError::Member(what)) } else { Ok(count) }
}

/// A time that was said.
pub(super) fn heard_time(at: Option<i64>, what: &'static str) -> Result<Option<i64>, PayloadError> {
    if at.is_some_and(|at| at.unsigned_abs() > JSON_NUMBER_MAX) { Err(PayloadError::Member(what)) } else { Ok(at) }
}

/// A time in milliseconds as one that was said.
pub(super) fn heard_stamp(at: Option<i64>, what: &'static str) -> Result<Option<Timestamp>, PayloadError> {
    Ok(heard_time(at, what)?.map(Timestamp::from_millis))
}

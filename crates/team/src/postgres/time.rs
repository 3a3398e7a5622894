//! Times as PostgreSQL holds them. What it cannot hold is infinite.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carry_kernel::clock::Timestamp;
use tokio_postgres::types::Timestamp as Stored;

/// The first and the last time that the server takes, in milliseconds.
const RANGE: std::ops::Range<i64> = -210_866_803_200_000..9_225_264_700_800_000;

/// For the server.
pub(super) fn to_server(at: Timestamp) -> Stored<SystemTime> {
    let ms = at.as_millis();
    let distance = Duration::from_millis(ms.unsigned_abs());
    let value = if ms < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    match value.filter(|_| RANGE.contains(&ms)) {
        Some(value) => Stored::Value(value),
        None if ms < 0 => Stored::NegInfinity,
        None => Stored::PosInfinity,
    }
}

/// From the server.
pub(crate) fn from_server(at: Stored<SystemTime>) -> Timestamp {
    match at {
        Stored::Value(at) => Timestamp::from(at),
        Stored::NegInfinity => Timestamp::from_millis(i64::MIN),
        Stored::PosInfinity => Timestamp::from_millis(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_were_and_impossible_ones_as_infinite() {
        for ms in [0, 1, -1, 1_764_000_000_123, -62_135_596_800_001, RANGE.start, RANGE.end - 1] {
            assert_eq!(from_server(to_server(Timestamp::from_millis(ms))).as_millis(), ms);
        }
        for ms in [i64::MIN, RANGE.start - 1] {
            assert_eq!(to_server(Timestamp::from_millis(ms)), Stored::NegInfinity);
        }
        for ms in [i64::MAX, RANGE.end] {
            assert_eq!(to_server(Timestamp::from_millis(ms)), Stored::PosInfinity);
        }
    }
}

//! What a person means by `2f6c01` or `10 minutes ago`.

use carry_kernel::clock::Timestamp;
use jiff::tz::TimeZone;

use super::HistoryError;
use crate::snapshot::Snapshot;

/// Fewest digits of an id.
const PREFIX_HEX_MIN: usize = 4;
/// How much of what was asked for an error repeats, in characters.
const SHOWN_CHARS: usize = 100;

pub(super) fn find(
    snapshots: impl Iterator<Item = Result<Snapshot, HistoryError>>,
    spec: &str,
    now: Timestamp,
    tz: &TimeZone,
) -> Result<Snapshot, HistoryError> {
    let shown = || spec.chars().take(SHOWN_CHARS).collect::<String>();
    let wanted = spec.trim().to_ascii_lowercase();
    let is_id = wanted.len() >= PREFIX_HEX_MIN && wanted.bytes().all(|b| b.is_ascii_hexdigit());
    let time = crate::time::parse(spec, now, tz);
    if !is_id && time.is_none() {
        return Err(HistoryError::BadSpec { spec: shown() });
    }

    let mut by_id: Vec<Snapshot> = Vec::new();
    let mut by_time = None;
    let mut failed = None;
    let mut oldest = None;
    for snapshot in snapshots {
        // One line in ruins must not hide what another holds; it counts only when nothing was found.
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        oldest = Some(snapshot.time);
        if by_time.is_none() && time.is_some_and(|time| snapshot.time <= time) {
            by_time = Some(snapshot.clone());
            if !is_id {
                break;
            }
        }
        if is_id
            && snapshot.commit.to_string().starts_with(&wanted)
            && by_id.iter().all(|known| known.commit != snapshot.commit)
        {
            by_id.push(snapshot);
        }
    }
    match (by_id.len(), by_id.pop().or(by_time), failed) {
        (0 | 1, Some(snapshot), _) => Ok(snapshot),
        (_, None, Some(error)) => Err(error),
        (_, None, None) => Err(match oldest {
            Some(oldest) if time.is_some() && !is_id => HistoryError::TooEarly { spec: shown(), oldest },
            _ => HistoryError::NoMatch { spec: shown() },
        }),
        (n, Some(_), _) => Err(HistoryError::Ambiguous { spec: shown(), n }),
    }
}

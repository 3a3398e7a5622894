//! Reads how logs stand from the tables.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};

use super::skew::{OWN_HEADS, skew};
use super::{LogStatus, NewestHead, Status, wrong};
use crate::head::SignedHead;
use crate::holds::Holds;
use crate::name::{LogId, ObjectName, StreamName};
use crate::ranges::Ranges;
use crate::store::later::named_later;
use crate::store::rows::{self, Lane, digest, int, number, parsed, track};
use crate::store::verified::Verified;
use crate::store::{LogRow, LogState, StoreError, logs, sign, trust};

/// How everything stands, as the log `own` is this device's and `own_key` its key.
pub(super) fn read(db: &Connection, own: LogId, own_key: Option<[u8; 32]>) -> Result<Status, StoreError> {
    let own_heads = own_heads(db, own)?;
    let mut all = Vec::new();
    for row in logs::all(db)? {
        let is_own = row.log == own;
        let mut status = log_status(db, row, own, &own_heads)?;
        if is_own {
            status.key = own_key.or(status.key);
            status.holds = sign::holds(db)?;
        }
        all.push(status);
    }
    let rank = |log: &LogStatus| match log.row.state {
        LogState::Own => 0,
        LogState::Former => 1,
        LogState::Approved | LogState::Unapproved | LogState::Revoked => 2,
    };
    all.sort_by(|a, b| (rank(a), &a.row.alias).cmp(&(rank(b), &b.row.alias)));
    Ok(Status { own, logs: all })
}

fn log_status(db: &Connection, row: LogRow, own: LogId, own_heads: &[SignedHead]) -> Result<LogStatus, StoreError> {
    let log = row.log;
    let mut status = LogStatus {
        first_at: first_at(db, log)?,
        has_shrunk: verdict_seen(db, log, "shrunk")?,
        needs_upgrade: verdict_seen(db, log, "newer")?,
        wrong: wrong::of(db, log)?,
        ..LogStatus::unseen(row)
    };
    let mut heads = followed(db, log)?;
    if log == own {
        heads.extend(own_heads.first().cloned().map(|head| (0, head, None)));
    }
    status.n_ways = heads.len().max(1);
    let mut published: BTreeMap<(u32, StreamName), u64> = BTreeMap::new();
    for (track, head, came) in &heads {
        for (stream, state) in &head.head().streams {
            published.insert((*track, stream.clone()), state.last);
        }
        if status.head.is_none_or(|newest| newest.n < head.head().n) {
            let at = Timestamp::from_millis(i64::try_from(head.head().at.wall_ms).unwrap_or(i64::MAX));
            status.head = Some(NewestHead { n: head.head().n, at, came: *came });
            status.key = Some(head.head().key);
            status.device = Some(head.head().device.clone());
            status.author = head.head().author.clone();
            status.holds = holds_of(db, head)?;
            status.skew_ms = came.and_then(|came| skew(head, at, came, &status.holds, own, own_heads));
        }
    }
    if status.head.is_none() && log != own {
        status.remembered = trust::remembered(db, log)?;
        let device = status.remembered.as_ref().and_then(|one| one.device.as_deref());
        status.device = device.and_then(|device| device.parse().ok());
    }
    let revoked_at = match status.row.state {
        LogState::Revoked => Some(trust::positions(db, log)?),
        _ => None,
    };
    // What comes after a revocation is not fetched, and so not missing.
    let wanted = |stream: &StreamName, last: u64| match &revoked_at {
        Some(at) => at.get(stream).map_or(0, |at| at.0.min(last)),
        None => last,
    };
    for lane in lanes_of(db, log)? {
        let known = published.entry((lane.track, lane.stream.clone())).or_default();
        let held = rows::held(db, &lane)?;
        let stream = status.streams.entry(lane.stream.clone()).or_default();
        stream.missing = stream.missing.union(&held.gaps(wanted(&lane.stream, *known)));
        stream.held = stream.held.union(&held);
        stream.n_waiting += count(db, "SELECT count(DISTINCT seq) FROM waiting", &lane)?;
        stream.n_deferred += count(db, "SELECT count(*) FROM deferred", &lane)?;
    }
    let later = named_later(db, log)?;
    status.needs_upgrade |= !later.is_empty();
    for ((track, stream), last) in published {
        let lane = Lane { log, track, stream: stream.clone() };
        let wanted = wanted(&stream, last);
        let stream = status.streams.entry(stream).or_default();
        stream.published = stream.published.max(last);
        if wanted > 0 && rows::held(db, &lane)?.is_empty() {
            stream.missing = stream.missing.union(&Ranges::of(1, wanted));
        }
    }
    for kept in later {
        let ranges = Ranges::of(kept.reference.first, kept.reference.last);
        let stream = status.streams.entry(kept.stream).or_default();
        stream.n_deferred += ranges.intersection(&stream.missing).count();
        stream.missing = stream.missing.difference(&ranges);
    }
    Ok(status)
}

/// The heads that are followed, one a way, and when they came.
pub(in crate::store) fn followed(
    db: &Connection,
    log: LogId,
) -> Result<Vec<(u32, SignedHead, Option<Timestamp>)>, StoreError> {
    let sql = "SELECT track, n, digest, bytes, at_ms FROM heads_seen
               WHERE log = ?1 AND verdict = 'followed' AND bytes IS NOT NULL ORDER BY track";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map([log.to_string()], |row| {
        Ok((track(row, 0)?, number(row, 1)?, digest(row, 2)?, row.get::<_, Vec<u8>>(3)?, row.get::<_, i64>(4)?))
    })?;
    let mut heads = Vec::new();
    for row in rows {
        let (track, n, digest, bytes, at) = row?;
        // One that is damaged here says nothing; `verify` names it.
        if let Ok(head) = SignedHead::read(&ObjectName::head(log, n, digest), &bytes) {
            heads.push((track, head, Some(Timestamp::from_millis(at))));
        }
    }
    Ok(heads)
}

/// When the oldest head that is kept of a log was signed.
fn first_at(db: &Connection, log: LogId) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT n, digest, bytes FROM heads_signed WHERE log = ?1 AND bytes IS NOT NULL
               UNION ALL SELECT n, digest, bytes FROM heads_seen
                   WHERE log = ?1 AND bytes IS NOT NULL AND verdict IN ('followed', 'old')
               ORDER BY n LIMIT 1";
    let row = db
        .prepare_cached(sql)?
        .query_row([log.to_string()], |row| Ok((number(row, 0)?, digest(row, 1)?, row.get::<_, Vec<u8>>(2)?)));
    let Some((n, digest, bytes)) = row.optional()? else { return Ok(None) };
    let head = SignedHead::read(&ObjectName::head(log, n, digest), &bytes).ok();
    Ok(head.map(|head| Timestamp::from_millis(i64::try_from(head.head().at.wall_ms).unwrap_or(i64::MAX))))
}

/// The newest heads that this device signed, newest first.
fn own_heads(db: &Connection, own: LogId) -> Result<Vec<SignedHead>, StoreError> {
    let sql = "SELECT n, digest, bytes FROM heads_signed WHERE log = ?1 AND bytes IS NOT NULL ORDER BY n DESC LIMIT ?2";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map((own.to_string(), int(OWN_HEADS)), |row| {
        Ok((number(row, 0)?, digest(row, 1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let mut heads = Vec::new();
    for row in rows {
        let (n, digest, bytes) = row?;
        heads.extend(SignedHead::read(&ObjectName::head(own, n, digest), &bytes).ok());
    }
    Ok(heads)
}

/// What a head says its author holds: in full in its list, and in itself what changed since.
fn holds_of(db: &Connection, head: &SignedHead) -> Result<Holds, StoreError> {
    let log = head.head().log();
    let mut holds = match &head.head().list {
        Some(list) => match sign::find_list(db, &Verified::default(), log, list) {
            Ok(list) => list.map(|list| list.holds.clone()).unwrap_or_default(),
            Err(StoreError::Damaged { .. }) => Holds::new(),
            Err(error) => return Err(error),
        },
        None => Holds::new(),
    };
    for (log, streams) in &head.head().holds {
        holds.entry(*log).or_default().extend(streams.clone());
    }
    Ok(holds)
}

fn verdict_seen(db: &Connection, log: LogId, verdict: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM heads_seen WHERE log = ?1 AND verdict = ?2 LIMIT 1";
    let row = db.prepare_cached(sql)?.query_row((log.to_string(), verdict), |_| Ok(()));
    Ok(row.optional()?.is_some())
}

fn lanes_of(db: &Connection, log: LogId) -> Result<Vec<Lane>, StoreError> {
    let mut rows = db.prepare_cached("SELECT DISTINCT track, stream FROM ranges WHERE log = ?1")?;
    let rows =
        rows.query_map([log.to_string()], |row| Ok(Lane { log, track: track(row, 0)?, stream: parsed(row, 1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn count(db: &Connection, sql: &str, lane: &Lane) -> Result<u64, StoreError> {
    let sql = format!("{sql} WHERE log = ?1 AND track = ?2 AND stream = ?3");
    let place = (lane.log.to_string(), lane.track, lane.stream.as_str());
    Ok(db.prepare_cached(&sql)?.query_row(place, |row| number(row, 0))?)
}

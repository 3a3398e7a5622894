//! When a log goes on under a new key, and how.
//!
//! Two homes that write one log would contradict each other. So a home that was copied, or put back to an earlier state,
//! goes on in a new log that the earlier key vouches for, as soon as it can know.

use std::collections::BTreeMap;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};
use carry_kernel::disk::{self, DiskError};
use ed25519_dalek::{Signer as _, SigningKey};

use super::fault::point;
use super::places::Places;
use super::rows::{self, Lane, int};
use super::{Entropy, Store, StoreError};
use crate::chain::{chain_next, chain_start};
use crate::frame::Frame;
use crate::hash::{self, Digest};
use crate::head::Vouch;
use crate::name::{LogId, StreamName};

/// In this time at most [`RENEWALS_MAX`] renewals are made for a changed place.
pub const RENEWALS_WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Beyond so many a changing place is taken for normal here: a home on a stick, a container.
pub const RENEWALS_MAX: usize = 3;

/// Why a log goes on under a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The home lies elsewhere than it did.
    Place,
    /// Somewhere is a head of the log that this home did not sign.
    ForeignHead,
    /// A strand knows of records of the log that are not in it: the database was put back, and the strand's file was not.
    WentBack,
    /// The database is gone, and the key is there.
    Lost,
}

/// What opening a store decided about its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The log goes on.
    GoOn,
    /// The place is another, but nothing was published yet: the log goes on.
    Adopt,
    /// The log goes on under a new key.
    Renew(Reason),
    /// The place changes too often to be believed; the log goes on, and somebody should look.
    TooMany,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Place, Self::ForeignHead, Self::WentBack, Self::Lost];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::ForeignHead => "foreign head",
            Self::WentBack => "went back",
            Self::Lost => "lost",
        }
    }
}

/// Decides. `renewed` are the times of earlier renewals for a changed place.
pub fn decide(kept: Digest, found: Digest, is_published: bool, renewed: &[Timestamp], now: Timestamp) -> Decision {
    if kept == found {
        return Decision::GoOn;
    }
    if !is_published {
        return Decision::Adopt;
    }
    // A clock that was set back makes earlier renewals lie ahead; they count.
    let start = now.before(RENEWALS_WINDOW);
    let n_recent = renewed.iter().filter(|at| **at > start).count();
    if n_recent >= RENEWALS_MAX { Decision::TooMany } else { Decision::Renew(Reason::Place) }
}

/// A new key, whose file is durable.
pub(super) fn new_key(places: &Places, entropy: &mut dyn Entropy) -> Result<(LogId, SigningKey), StoreError> {
    let mut seed = [0; 32];
    entropy.fill(&mut seed).map_err(StoreError::Entropy)?;
    let key = SigningKey::from_bytes(&seed);
    let log = LogId::of_key(key.verifying_key().as_bytes());
    let text = format!("{}\n", hash::encode_hex(&seed));
    disk::create_new(&places.key_file(log), text.as_bytes())?;
    point("exchange.key.made")?;
    Ok((log, key))
}

/// The key of a log of this device.
pub(super) fn load_key(places: &Places, log: LogId) -> Result<SigningKey, StoreError> {
    let path = places.key_file(log);
    let damaged = |problem: &str| StoreError::damaged(path.display().to_string(), problem);
    let bytes = disk::read_bounded(&path, 128)?;
    let bytes = bytes.ok_or_else(|| StoreError::Key { log, path: path.clone() })?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let seed = text.and_then(hash::decode_hex).ok_or_else(|| damaged("it does not hold a key of 64 hex digits"))?;
    let key = SigningKey::from_bytes(&seed);
    if LogId::of_key(key.verifying_key().as_bytes()) != log {
        return Err(damaged("its key is another log's"));
    }
    Ok(key)
}

impl Store {
    /// What opening decided about the log of this device.
    pub fn opened(&self) -> Decision {
        self.opened
    }

    /// Why the log of this device goes on from another one, if it does.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn renewed(&self) -> Result<Option<Reason>, StoreError> {
        let sql = "SELECT reason FROM rotations WHERE log = ?1";
        let mut row = self.db.conn().prepare_cached(sql)?;
        let reason: Option<String> = row.query_row([self.log.to_string()], |row| row.get(0)).optional()?;
        Ok(reason.and_then(|reason| Reason::ALL.into_iter().find(|known| known.as_str() == reason)))
    }

    /// Goes on under a new key. What was never signed moves to the new log; the rest stays in the old one, which is from
    /// now on read like anyone's: its other holder may still write it.
    pub(super) fn renew(&mut self, reason: Reason, place: Option<Digest>, now: Timestamp) -> Result<(), StoreError> {
        // Who says something on this device writes the log that is about to end.
        let _saying = self.saying()?;
        let old = self.log;
        self.refresh()?;
        if self.log != old {
            // Another process did it while this one waited.
            return Ok(());
        }
        let (log, key) = new_key(&self.places, &mut *self.entropy)?;
        let signed = self.newest_signed()?;
        let streams = signed.as_ref().map(|signed| signed.head().streams.clone()).unwrap_or_default();
        let at: BTreeMap<_, _> =
            streams.iter().map(|(name, state)| (name.clone(), (state.last, state.chain))).collect();
        let sign = |message: &[u8]| self.key.sign(message).to_bytes();
        let vouch = Vouch::new(self.key.verifying_key().to_bytes(), at.clone(), key.verifying_key().as_bytes(), &sign);
        // Everything that needs files is read before the transaction. Nobody else writes this log meanwhile: what was
        // appended or sealed after is found by the comparison of the positions.
        let mut moved = Vec::new();
        for stream in self.own_streams(old)? {
            let from = at.get(&stream).map_or(0, |(last, _)| *last);
            moved.push((stream.clone(), from, self.links(&Lane::own(old, &stream), from + 1, u64::MAX)?));
        }
        let _guard = self.places.guard()?;
        let attachments = self.unsigned_attachments(old, &at)?;
        point("exchange.renew.read")?;
        let aliases = self.free_alias(log)?;
        self.db.write(|tx| {
            let current: String = tx.prepare_cached("SELECT log FROM self")?.query_row([], |row| row.get(0))?;
            if current != old.to_string() {
                return Err(StoreError::damaged("the exchange's database", "another process went on under a new key"));
            }
            for (stream, from, links) in moved {
                let end = links.last().map_or(from, |link| link.frame.last());
                if super::append::position(tx, old, &stream)?.0 != end {
                    return Err(StoreError::Raced("is writing the log"));
                }
                move_records(tx, (old, log), &stream, from, links)?;
            }
            for pending in &attachments {
                pending.insert(tx, log)?;
            }
            rows::run(tx, "UPDATE pending SET log = ?2 WHERE log = ?1", &[old.to_string(), log.to_string()])?;
            tx.prepare_cached("UPDATE logs SET state = 'former' WHERE log = ?1")?.execute([old.to_string()])?;
            let since = now.as_millis();
            tx.prepare_cached(
                "INSERT INTO logs (log, alias, state, vouched_by, since_ms) VALUES (?1, ?2, 'own', ?3, ?4)",
            )?
            .execute((log.to_string(), &aliases, old.to_string(), since))?;
            note_vouch(tx, log, since, reason, &vouch)?;
            if let Some(signed) = &signed {
                tx.prepare_cached(
                    "INSERT OR IGNORE INTO heads_seen (log, digest, n, track, verdict, bytes, at_ms)
                     VALUES (?1, ?2, ?3, 0, 'followed', ?4, ?5)",
                )?
                .execute((
                    old.to_string(),
                    signed.digest().as_bytes(),
                    int(signed.head().n),
                    signed.bytes(),
                    since,
                ))?;
            }
            let place = place.map(|place| *place.as_bytes());
            tx.prepare_cached("UPDATE self SET log = ?1, fingerprint = coalesce(?2, fingerprint)")?
                .execute((log.to_string(), place))?;
            point("exchange.renew.moved")?;
            Ok(())
        })?;
        tracing::warn!(%old, new = %log, reason = reason.as_str(), "the log goes on under a new key");
        (self.log, self.key) = (log, key);
        Ok(())
    }

    /// How far this home itself said what its logs have of a stream. What a former one has beyond that is of another home with
    /// its key: one of both was copied from the other. Of logs from before the database was lost that cannot be told: all counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn said_here(&self, stream: &StreamName) -> Result<BTreeMap<LogId, u64>, StoreError> {
        let sql = "SELECT f.log, r.from_at FROM logs f
                   LEFT JOIN logs n ON n.vouched_by = f.log AND n.state IN ('own', 'former')
                   LEFT JOIN rotations r ON r.log = n.log AND r.reason <> ?1
                   WHERE f.state IN ('own', 'former')";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let mut rows = rows.query([Reason::Lost.as_str()])?;
        let mut said = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let last = match row.get::<_, Option<String>>(1)? {
                Some(at) => at_of(&at)?.get(stream).map_or(0, |(last, _)| *last),
                None => u64::MAX,
            };
            said.insert(rows::parsed(row, 0)?, last);
        }
        Ok(said)
    }

    /// The earlier key's word for the own log.
    pub(super) fn vouch(&self, log: LogId) -> Result<Option<Vouch>, StoreError> {
        let sql = "SELECT from_key, from_at, from_signature FROM rotations WHERE log = ?1";
        let row = self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?, row.get::<_, [u8; 64]>(2)?))
        });
        let Some((key, at, signature)) = row.optional()? else { return Ok(None) };
        Ok(Some(Vouch { key, at: at_of(&at)?, signature }))
    }
}

/// Notes the earlier key's word for a log.
pub(super) fn note_vouch(
    tx: &rusqlite::Connection,
    log: LogId,
    at_ms: i64,
    reason: Reason,
    vouch: &Vouch,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO rotations (log, at_ms, reason, from_key, from_at, from_signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let at = at_text(&vouch.at);
    let row = (log.to_string(), at_ms, reason.as_str(), vouch.key, at, vouch.signature);
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Writes unsigned records of the old log to the new one's tail, and takes them from the old one.
fn move_records(
    tx: &rusqlite::Transaction<'_>,
    (old, log): (LogId, LogId),
    stream: &StreamName,
    from: u64,
    links: Vec<crate::chain::Link>,
) -> Result<(), StoreError> {
    let (old_text, log_text) = (old.to_string(), log.to_string());
    let (mut next, mut chain) = (1, chain_start(log, stream));
    for link in links {
        // What was dropped is void: nothing is lost with it.
        let Frame::Record(mut record) = link.frame else { continue };
        let was = record.seq;
        record.seq = next;
        let mut frame = Vec::new();
        Frame::Record(record.clone()).encode(&mut frame)?;
        let r = record.digest()?;
        chain = chain_next(chain, r);
        super::append::insert(tx, (&log_text, stream.as_str(), next), &frame, None, chain)?;
        tx.prepare_cached(
            "UPDATE appended SET log = ?1, seq = ?2, r = ?3 WHERE log = ?4 AND stream = ?5 AND seq = ?6",
        )?
        .execute((&log_text, int(next), r.as_bytes(), &old_text, stream.as_str(), int(was)))?;
        super::append::note_replaced(tx, log, stream, &record)?;
        next += 1;
    }
    let after = (&old_text, stream.as_str(), int(from));
    tx.prepare_cached("DELETE FROM tail WHERE log = ?1 AND stream = ?2 AND seq > ?3")?.execute(after)?;
    tx.prepare_cached("DELETE FROM segments WHERE log = ?1 AND stream = ?2 AND first > ?3")?.execute(after)?;
    tx.prepare_cached("DELETE FROM marks WHERE log = ?1 AND stream = ?2 AND seq > ?3")?.execute(after)?;
    let lane = Lane::own(old, stream);
    let kept = rows::held(tx, &lane)?.intersection(&crate::ranges::Ranges::of(1, from));
    rows::set_held(tx, &lane, &kept)?;
    rows::add_held(tx, &Lane::own(log, stream), &crate::ranges::Ranges::of(1, next - 1))?;
    if next > 1 {
        tx.prepare_cached("INSERT OR REPLACE INTO moved (log, track, stream, after) VALUES (?1, 0, ?2, ?3)")?
            .execute(after)?;
    }
    Ok(())
}

fn at_text(at: &BTreeMap<StreamName, (u64, Digest)>) -> String {
    let at = at.iter().map(|(stream, (last, chain))| (stream.to_string(), serde_json::json!([last, chain.to_text()])));
    serde_json::Value::Object(at.collect()).to_string()
}

fn at_of(text: &str) -> Result<BTreeMap<StreamName, (u64, Digest)>, StoreError> {
    at_from(text).ok_or_else(|| StoreError::damaged_row("the word of the earlier key", "it cannot be read"))
}

fn at_from(text: &str) -> Option<BTreeMap<StreamName, (u64, Digest)>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let at = value.as_object()?.iter().map(|(stream, state)| {
        let chain = Digest::from_text(state[1].as_str()?)?;
        Some((stream.parse().ok()?, (state[0].as_u64()?, chain)))
    });
    at.collect()
}

/// The time of earlier renewals for a changed place.
pub(super) fn renewals(db: &rusqlite::Connection) -> Result<Vec<Timestamp>, StoreError> {
    let mut rows = db.prepare_cached("SELECT at_ms FROM rotations WHERE reason = 'place'")?;
    let rows = rows.query_map([], |row| row.get(0).map(Timestamp::from_millis))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A path as an error names it.
pub(super) fn disk_error(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let error = DiskError::at(action, path);
    move |source| error(source).into()
}

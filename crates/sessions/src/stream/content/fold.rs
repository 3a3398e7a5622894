//! Takes records in: what they say goes into the tables, and what that changes is shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use carry_exchange::record::{Flags, Record};
use carry_exchange::register::Lineage;
use carry_exchange::strand::{Batch, outbox};
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::burst::Told;
use super::payload::{self, Body, Generation, MESSAGES, Name, Payload, PayloadError, Piece};
use super::said::{self, Word};
use super::show::show;
use super::{ContentError, ContentStrand};
use crate::archive::{Receiver, StoredMessage};
use crate::model::SessionId;

/// The place of the facts among the places of pieces.
pub(super) const FACTS: i64 = -1;

/// What a batch did to one session.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) id: SessionId,
    /// Its row.
    pub(super) session: i64,
    /// Whether what is said of it is needed: it is not read here, and not deleted.
    pub(super) keeps: bool,
    pub(super) is_deleted: bool,
    /// Messages that lie nowhere else yet, by generation and ordinal, and by lineage.
    pub(super) pending: BTreeMap<(i64, u32), BTreeMap<i64, StoredMessage>>,
    /// Generations whose facts changed.
    pub(super) facts: BTreeSet<i64>,
    /// Whether words that were shown are gone.
    pub(super) is_cut: bool,
    /// How many messages are new, by generation.
    longer: BTreeMap<i64, i64>,
    /// Generations of which nothing was known before this batch, and the messages that it
    /// says of them, as long as there is only one word on each.
    fresh: BTreeMap<i64, BTreeSet<u32>>,
    /// Generations that this batch spoke of.
    seen: BTreeSet<i64>,
    /// The greatest time of its records.
    pub(super) at_ms: i64,
}

/// A record that is taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'r> {
    pub(super) key: &'r [u8],
    pub(super) flags: Flags,
    pub(super) kind: u16,
    pub(super) payload: &'r [u8],
    pub(super) seq: u64,
    pub(super) at: Hlc,
    /// Who says it.
    pub(super) of: Lineage,
}

impl<'r> Heard<'r> {
    fn of(record: &'r Record, of: Lineage) -> Self {
        let Record { key, flags, kind, payload, seq, at, .. } = record;
        Self { key, flags: *flags, kind: *kind, payload, seq: *seq, at: *at, of }
    }

    /// What it says, if it can be read.
    fn payload(self) -> Option<Payload> {
        let payload = Payload::decode(self.kind, self.payload);
        payload
            .inspect_err(|error| {
                tracing::warn!(log = %self.of.log, seq = self.seq, %error, "a record of a session cannot be read");
            })
            .ok()
    }
}

/// A batch on its way into the tables.
#[derive(Debug)]
pub(super) struct Folding<'t> {
    conn: &'t Connection,
    alias: &'t str,
    is_own: bool,
    /// The row of the origin.
    origin: i64,
    lineages: HashMap<Lineage, i64>,
    touched: BTreeMap<SessionId, Touched>,
}

impl ContentStrand {
    pub(super) fn fold_batch(&mut self, batch: &Batch<'_>) -> Result<(), ContentError> {
        self.archive.db.write(|tx| {
            let log = batch.origin.log.to_string();
            let mut folding = Folding::begin(tx, &log, batch.origin.track, batch.alias, batch.is_own)?;
            for folded in batch.records {
                folding.take(Heard::of(&folded.record, folded.lineage), None)?;
            }
            folding.end()?;
            outbox::cover(tx, batch.origin, batch.covers)?;
            Ok(())
        })
    }
}

impl<'t> Folding<'t> {
    pub(super) fn begin(
        conn: &'t Connection,
        log: &str,
        track: u32,
        alias: &'t str,
        is_own: bool,
    ) -> rusqlite::Result<Self> {
        let origin = said::origin(conn, log, track)?;
        Ok(Self { conn, alias, is_own, origin, lineages: HashMap::new(), touched: BTreeMap::new() })
    }

    /// Takes a record in. What says nothing is passed over: every device does. With the flag it makes void all the same what its
    /// log said before under this key, as a merge does. `told` is what it says, if that is known.
    pub(super) fn take(&mut self, record: Heard<'_>, told: Option<&Told>) -> rusqlite::Result<()> {
        let of = record.of;
        let Some(id) = std::str::from_utf8(record.key).ok().and_then(SessionId::parse) else {
            tracing::warn!(log = %of.log, seq = record.seq, "a record names no session");
            return Ok(());
        };
        let replaces = record.flags.has(Flags::REPLACES);
        let payload = if told.is_some() { None } else { record.payload() };
        if told.is_none() && payload.is_none() && !replaces {
            return Ok(());
        }
        let lineage = self.lineage(of)?;
        let conn = self.conn;
        let word = Word { lineage, seq: i64::try_from(record.seq).unwrap_or(i64::MAX), at: record.at };
        let mut touched = match self.touched.remove(&id) {
            Some(touched) => touched,
            None => Touched::of(conn, &id)?,
        };
        touched.at_ms = touched.at_ms.max(i64::try_from(record.at.wall_ms).unwrap_or(0));
        said::note_record(conn, self.origin, word.seq, touched.session)?;
        if self.is_own && (told.is_some() || payload.is_some()) {
            let sql = "UPDATE said_sessions SET is_withdrawn = 0 WHERE n = ?1 AND is_withdrawn";
            conn.prepare_cached(sql)?.execute([touched.session])?;
        }
        let counts = said::floor(conn, touched.session, lineage)? <= word.seq;
        if counts && replaces && said::raise_floor(conn, touched.session, word)? {
            touched.is_cut = true;
            // Lengths were counted anew.
            touched.longer.clear();
            touched.fresh.clear();
            touched.pending.values_mut().for_each(|messages| drop(messages.remove(&lineage)));
        }
        match (told, payload) {
            (Some(told), _) if !touched.keeps => self.say_told(&mut touched, word, told, counts)?,
            // Its texts are needed.
            (Some(_), _) => {
                if let Some(payload) = record.payload() {
                    self.say(&mut touched, word, record.kind, payload, counts)?;
                }
            }
            (None, Some(payload)) => self.say(&mut touched, word, record.kind, payload, counts)?,
            (None, None) => {}
        }
        self.touched.insert(id, touched);
        Ok(())
    }

    /// What is dead is so whatever its author said later; the rest is only taken in where it `counts`.
    fn say(
        &self,
        touched: &mut Touched,
        word: Word,
        kind: u16,
        payload: Payload,
        counts: bool,
    ) -> rusqlite::Result<()> {
        let conn = self.conn;
        let Payload { of, generation, replaces, body } = payload;
        self.replace(touched, generation, &replaces)?;
        if body == Body::Withdrawn {
            return self.bury(touched, generation);
        }
        let Some(n) = self.live(touched, generation, &of, counts)? else { return Ok(()) };
        match body {
            Body::Session(json) => touched.put_facts(conn, n, word, &json),
            Body::Withdrawn => Ok(()),
            Body::Messages(messages) => messages.iter().try_for_each(|json| touched.put_message(conn, n, word, json)),
            Body::Piece(piece) => touched.put_piece(conn, n, word, kind, &piece),
        }
    }

    /// The same of a record that was made here.
    fn say_told(&self, touched: &mut Touched, word: Word, told: &Told, counts: bool) -> rusqlite::Result<()> {
        let Told { of, generation, replaces, messages } = told;
        self.replace(touched, *generation, replaces)?;
        let Some(n) = self.live(touched, *generation, of, counts)? else { return Ok(()) };
        messages.iter().try_for_each(|(ordinal, hash)| touched.put(self.conn, n, word, (*ordinal, *hash), None))
    }

    /// These generations count no more.
    fn replace(&self, touched: &mut Touched, by: Generation, replaces: &[Generation]) -> rusqlite::Result<()> {
        replaces.iter().filter(|other| **other != by).try_for_each(|other| self.bury(touched, *other))
    }

    /// The row of a generation of which something is said, if that counts.
    fn live(
        &self,
        touched: &mut Touched,
        generation: Generation,
        of: &Name,
        counts: bool,
    ) -> rusqlite::Result<Option<i64>> {
        if !counts {
            return Ok(None);
        }
        let (n, is_dead) = said::generation(self.conn, touched.session, generation, Some(of))?;
        if is_dead {
            return Ok(None);
        }
        touched.note_fresh(self.conn, n)?;
        Ok(Some(n))
    }

    /// A generation was replaced or withdrawn. Own sessions of which that is said elsewhere are looked at again.
    fn bury(&self, touched: &mut Touched, generation: Generation) -> rusqlite::Result<()> {
        let (n, is_dead) = said::generation(self.conn, touched.session, generation, None)?;
        if is_dead {
            return Ok(());
        }
        said::bury(self.conn, n)?;
        touched.pending.retain(|(of, _), _| *of != n);
        touched.longer.remove(&n);
        touched.is_cut = true;
        if !self.is_own {
            self.conn
                .prepare_cached("UPDATE sessions SET said = NULL WHERE id = ?1")?
                .execute([touched.id.as_str()])?;
        }
        Ok(())
    }

    fn lineage(&mut self, of: Lineage) -> rusqlite::Result<i64> {
        if let Some(known) = self.lineages.get(&of) {
            return Ok(*known);
        }
        let n = said::lineage(self.conn, of, self.is_own, self.alias)?;
        self.lineages.insert(of, n);
        Ok(n)
    }

    /// Shows what changed.
    pub(super) fn end(self) -> rusqlite::Result<()> {
        let mut receiver = None;
        for (_, mut touched) in self.touched {
            for (generation, more) in std::mem::take(&mut touched.longer) {
                self.conn
                    .prepare_cached("UPDATE said_generations SET length = length + ?2 WHERE n = ?1")?
                    .execute((generation, more))?;
            }
            show(self.conn, receiver.get_or_insert_with(Receiver::new), touched)?;
        }
        receiver.map_or(Ok(()), |receiver| receiver.finish(self.conn))
    }
}

impl Touched {
    fn of(conn: &Connection, id: &SessionId) -> rusqlite::Result<Self> {
        let (session, _) = said::session(conn, id)?;
        let is_deleted = said::is_deleted(conn, id)?;
        let keeps = !is_deleted && !said::is_native(conn, id)?;
        Ok(Self {
            id: id.clone(),
            session,
            keeps,
            is_deleted,
            pending: BTreeMap::new(),
            facts: BTreeSet::new(),
            is_cut: false,
            longer: BTreeMap::new(),
            fresh: BTreeMap::new(),
            seen: BTreeSet::new(),
            at_ms: 0,
        })
    }

    /// Notes whether nothing is known of a generation.
    fn note_fresh(&mut self, conn: &Connection, generation: i64) -> rusqlite::Result<()> {
        if self.seen.insert(generation) {
            let sql = "SELECT 1 FROM said_messages WHERE generation = ?1 LIMIT 1";
            if !conn.prepare_cached(sql)?.exists([generation])? {
                self.fresh.insert(generation, BTreeSet::new());
            }
        }
        Ok(())
    }

    /// Whether there is no other word on the messages of a generation than those of this batch, one on each.
    pub(super) fn is_fresh(&self, generation: i64) -> bool {
        self.fresh.contains_key(&generation)
    }

    fn put_facts(&mut self, conn: &Connection, generation: i64, word: Word, json: &str) -> rusqlite::Result<()> {
        let kept = self.keeps.then(|| said::park(json));
        let changed = conn
            .prepare_cached(
                "INSERT INTO said_facts (generation, lineage, seq, wall_ms, counter, hash, facts)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (generation, lineage) DO UPDATE SET seq = excluded.seq, wall_ms = excluded.wall_ms,
                 counter = excluded.counter, hash = excluded.hash, facts = excluded.facts WHERE excluded.seq > seq",
            )?
            .execute((
                generation,
                word.lineage,
                word.seq,
                wall_ms(word.at),
                word.at.counter,
                payload::hash(json),
                kept,
            ))?;
        if changed > 0 {
            self.facts.insert(generation);
        }
        Ok(())
    }

    fn put_message(&mut self, conn: &Connection, generation: i64, word: Word, json: &str) -> rusqlite::Result<()> {
        let told = match self.keeps {
            true => read(&self.id, word, json).map(|message| (message.message.ordinal, Some(message))),
            false => payload::ordinal_of(json).map(|ordinal| (ordinal, None)),
        };
        let (ordinal, message) = match told {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(session = %self.id, seq = word.seq, %error, "a message has no number");
                return Ok(());
            }
        };
        self.put(conn, generation, word, (ordinal, payload::hash(json)), message)
    }

    /// A message with this hash was said.
    fn put(
        &mut self,
        conn: &Connection,
        generation: i64,
        word: Word,
        (ordinal, hash): (u32, i64),
        message: Option<StoredMessage>,
    ) -> rusqlite::Result<()> {
        let is_first = match self.fresh.get_mut(&generation) {
            Some(said) => said.insert(ordinal),
            None => false,
        };
        let before: Option<Option<i64>> = match is_first {
            true => None,
            false => {
                // From here on the tables are asked, whatever was fresh.
                self.fresh.remove(&generation);
                conn.prepare_cached(
                    "SELECT max(CASE lineage WHEN ?3 THEN seq END) FROM said_messages
                     WHERE generation = ?1 AND ordinal = ?2 HAVING count(*) > 0",
                )?
                .query_row((generation, ordinal, word.lineage), |row| row.get(0))
                .optional()?
            }
        };
        if before.flatten().is_some_and(|seq| seq >= word.seq) {
            return Ok(());
        }
        if before.is_none() {
            *self.longer.entry(generation).or_default() += 1;
        }
        conn.prepare_cached(
            "INSERT OR REPLACE INTO said_messages (generation, ordinal, lineage, seq, wall_ms, counter, hash, parked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)",
        )?
        .execute((generation, ordinal, word.lineage, word.seq, wall_ms(word.at), word.at.counter, hash))?;
        if let Some(message) = message {
            self.pending.entry((generation, ordinal)).or_default().insert(word.lineage, message);
        }
        Ok(())
    }

    /// Keeps a piece; when all are there, what they make is said where the last of them stands.
    fn put_piece(
        &mut self,
        conn: &Connection,
        generation: i64,
        word: Word,
        kind: u16,
        piece: &Piece,
    ) -> rusqlite::Result<()> {
        let place = piece.ordinal.map_or(FACTS, i64::from);
        conn.prepare_cached(
            "INSERT OR IGNORE INTO said_pieces (generation, place, part_of, idx, lineage, seq, wall_ms, counter, count, part)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            generation,
            place,
            piece.set.0,
            piece.index,
            word.lineage,
            word.seq,
            wall_ms(word.at),
            word.at.counter,
            piece.count,
            said::park(&piece.text),
        ))?;
        let set = (generation, place, piece.set.0, piece.count);
        let of = "FROM said_pieces WHERE generation = ?1 AND place = ?2 AND part_of = ?3 AND count = ?4";
        let (n, bytes) = said::parts(conn, &format!("SELECT substr(part, 1, 8), length(part) {of}"), set)?;
        if bytes > payload::TEXT_BYTES_MAX as u64 {
            tracing::warn!(session = %self.id, seq = word.seq, bytes, "a text in pieces is too long");
            // It is so in whatever order they come; what comes of it later is never all of it.
            conn.prepare_cached(&format!("DELETE {of}"))?.execute(set)?;
            return Ok(());
        }
        if n < piece.count {
            return Ok(());
        }
        let (mut json, mut last) = (String::new(), word);
        let sql = format!("SELECT part, lineage, seq, wall_ms, counter {of} ORDER BY idx");
        let mut query = conn.prepare_cached(&sql)?;
        let mut rows = query.query(set)?;
        while let Some(row) = rows.next()? {
            json.push_str(&said::unpark(row.get_ref(0)?.as_blob()?).unwrap_or_default());
            let at = Hlc { wall_ms: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0), counter: row.get(4)? };
            last = Word { lineage: row.get(1)?, seq: row.get(2)?, at };
        }
        conn.prepare_cached("DELETE FROM said_pieces WHERE generation = ?1 AND place = ?2 AND part_of = ?3")?
            .execute((generation, place, piece.set.0))?;
        if kind != MESSAGES {
            return self.put_facts(conn, generation, last, &json);
        }
        match payload::ordinal_of(&json) {
            Ok(ordinal) if Some(ordinal) == piece.ordinal => self.put_message(conn, generation, last, &json),
            _ => Ok(()),
        }
    }
}

/// The message that `json` says; or what is shown in its place.
fn read(session: &SessionId, word: Word, json: &str) -> Result<StoredMessage, PayloadError> {
    payload::decode_message(json).or_else(|error| {
        tracing::warn!(%session, seq = word.seq, %error, "a message cannot be read");
        payload::unreadable_message(json)
    })
}

fn wall_ms(at: Hlc) -> i64 {
    i64::try_from(at.wall_ms).unwrap_or(i64::MAX)
}

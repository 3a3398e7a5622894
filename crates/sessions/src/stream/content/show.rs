//! Brings a session that others tell of into the archive's rows.

use std::collections::BTreeMap;

use carry_kernel::db::rusqlite::{self, Connection};

use super::fold::Touched;
use super::payload::{self, Name};
use super::said::{self, GenerationRow};
use super::winner::{self, Candidate};
use crate::archive::facts::SessionFacts;
use crate::archive::{ReceivedName, ReceivedSession, Receiver, StoredMessage, stored};
use crate::model::{Agent, SessionId};

/// The generation that is shown: of those that nothing replaced, the longest; of two the one with the greater id.
pub(super) fn choose(generations: &[GenerationRow]) -> Option<&GenerationRow> {
    let is_shown = |of: &&GenerationRow| !of.is_dead && of.name.is_some() && (of.length > 0 || of.has_facts);
    let alive = generations.iter().filter(is_shown);
    alive.max_by_key(|generation| (generation.length, generation.id))
}

/// Shows what a batch changed of a session.
pub(super) fn show(conn: &Connection, receiver: &mut Receiver, mut touched: Touched) -> rusqlite::Result<()> {
    if !touched.keeps {
        return match touched.is_deleted {
            true => super::forget::forget_text(conn, touched.session),
            false => Ok(()),
        };
    }
    let (session, shown) = said::session(conn, &touched.id)?;
    let generations = said::generations(conn, session)?;
    let chosen = choose(&generations).and_then(|chosen| Some((chosen.n, chosen.name.clone()?)));
    let Some((chosen, name)) = chosen else {
        if shown.is_some() {
            receiver.delete(conn, &touched.id)?;
            said::set_shown(conn, session, None)?;
        }
        return park_pending(conn, touched.pending);
    };
    let is_anew = shown != Some(chosen) || touched.is_cut;
    if is_anew {
        if let Some(shown) = shown {
            park_shown(conn, &touched.id, shown, &touched.pending)?;
        }
        receiver.delete(conn, &touched.id)?;
    }
    let Some(mut open) = open(conn, receiver, &touched.id, &name, touched.at_ms)? else {
        said::set_shown(conn, session, None)?;
        return park_pending(conn, touched.pending);
    };
    let facts = facts(conn, chosen)?;
    if let Some(facts) = facts.as_ref().filter(|_| is_anew || touched.facts.contains(&chosen)) {
        receiver.learn(conn, &mut open, facts)?;
    }
    let ordinals = match is_anew {
        true => ordinals(conn, chosen)?,
        false => touched.pending.keys().filter(|(of, _)| *of == chosen).map(|(_, ordinal)| *ordinal).collect(),
    };
    let is_fresh = touched.is_fresh(chosen);
    for ordinal in ordinals {
        let pending = touched.pending.remove(&(chosen, ordinal)).unwrap_or_default();
        match pending.len() {
            // No other word is known: there is nothing to weigh.
            1 if is_fresh => {
                for (_, message) in pending {
                    receiver.put(conn, &mut open, message)?;
                }
            }
            _ => settle(conn, receiver, &mut open, (chosen, ordinal), pending)?,
        }
    }
    receiver.end(conn, open, facts.as_ref(), touched.at_ms)?;
    said::set_shown(conn, session, Some(chosen))?;
    park_pending(conn, touched.pending)
}

fn open(
    conn: &Connection,
    receiver: &mut Receiver,
    id: &SessionId,
    name: &Name,
    now_ms: i64,
) -> rusqlite::Result<Option<ReceivedSession>> {
    let name = ReceivedName { id, origin: &name.origin, agent: Agent::named(&name.agent), native: &name.native };
    let opened = receiver.open(conn, name, now_ms)?;
    if opened.is_none() {
        tracing::warn!(session = %id, "another session bears its name; it is not shown");
    }
    Ok(opened)
}

/// The facts of a generation that count.
fn facts(conn: &Connection, generation: i64) -> rusqlite::Result<Option<SessionFacts>> {
    let candidates = winner::on_facts(conn, generation)?;
    let json = winner::winner(&candidates).and_then(|winner| said::unpark(winner.parked.as_deref()?));
    Ok(json.and_then(|json| match payload::decode_facts(&json) {
        Ok(facts) => Some(facts),
        Err(error) => {
            tracing::warn!(generation, %error, "facts of a session cannot be read");
            None
        }
    }))
}

fn ordinals(conn: &Connection, generation: i64) -> rusqlite::Result<Vec<u32>> {
    let sql = "SELECT DISTINCT ordinal FROM said_messages WHERE generation = ?1 ORDER BY ordinal";
    conn.prepare_cached(sql)?.query_map([generation], |row| row.get(0))?.collect()
}

/// Puts the word that counts on a message into the archive's rows, and keeps the others.
fn settle(
    conn: &Connection,
    receiver: &mut Receiver,
    open: &mut ReceivedSession,
    (generation, ordinal): (i64, u32),
    mut pending: BTreeMap<i64, StoredMessage>,
) -> rusqlite::Result<()> {
    let candidates = winner::on_message(conn, generation, ordinal)?;
    let Some(won) = winner::winner(&candidates) else { return Ok(()) };
    for other in candidates.iter().filter(|other| other.word.lineage != won.word.lineage) {
        let message = match pending.remove(&other.word.lineage) {
            Some(message) => Some(message),
            None if other.parked.is_none() => stored(conn, open.n(), ordinal)?,
            None => continue,
        };
        if let Some(message) = message {
            park(conn, generation, ordinal, other.word.lineage, &message)?;
        }
    }
    let message = match pending.remove(&won.word.lineage) {
        Some(message) => message,
        // `None`: it lies there already.
        None => match unparked(won) {
            Some(message) => message,
            None => return Ok(()),
        },
    };
    receiver.put(conn, open, message)?;
    if won.parked.is_some() {
        conn.prepare_cached(
            "UPDATE said_messages SET parked = NULL WHERE generation = ?1 AND ordinal = ?2 AND lineage = ?3",
        )?
        .execute((generation, ordinal, won.word.lineage))?;
    }
    Ok(())
}

fn unparked(candidate: &Candidate) -> Option<StoredMessage> {
    let json = said::unpark(candidate.parked.as_deref()?)?;
    payload::decode_message(&json).ok()
}

/// Keeps a message that is not shown.
fn park(
    conn: &Connection,
    generation: i64,
    ordinal: u32,
    lineage: i64,
    message: &StoredMessage,
) -> rusqlite::Result<()> {
    // What was received can be said again: its numbers were checked.
    let Ok(json) = payload::encode_message(message) else { return Ok(()) };
    conn.prepare_cached("UPDATE said_messages SET parked = ?4 WHERE generation = ?1 AND ordinal = ?2 AND lineage = ?3")?
        .execute((generation, ordinal, lineage, said::park(&json)))
        .map(drop)
}

fn park_pending(
    conn: &Connection,
    pending: BTreeMap<(i64, u32), BTreeMap<i64, StoredMessage>>,
) -> rusqlite::Result<()> {
    for ((generation, ordinal), messages) in pending {
        for (lineage, message) in messages {
            park(conn, generation, ordinal, lineage, &message)?;
        }
    }
    Ok(())
}

/// Keeps what the archive's rows show of a generation, so that they can go.
fn park_shown(
    conn: &Connection,
    id: &SessionId,
    generation: i64,
    pending: &BTreeMap<(i64, u32), BTreeMap<i64, StoredMessage>>,
) -> rusqlite::Result<()> {
    let n: Option<i64> = {
        let mut query = conn.prepare_cached("SELECT n FROM sessions WHERE id = ?1 AND unit IS NULL")?;
        rusqlite::OptionalExtension::optional(query.query_row([id.as_str()], |row| row.get(0)))?
    };
    let Some(n) = n else { return Ok(()) };
    let shown: Vec<(u32, i64)> = conn
        .prepare_cached("SELECT ordinal, lineage FROM said_messages WHERE generation = ?1 AND parked IS NULL")?
        .query_map([generation], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (ordinal, lineage) in shown {
        if pending.get(&(generation, ordinal)).is_some_and(|of| of.contains_key(&lineage)) {
            continue;
        }
        if let Some(message) = stored(conn, n, ordinal)? {
            park(conn, generation, ordinal, lineage, &message)?;
        }
    }
    Ok(())
}

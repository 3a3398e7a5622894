//! Takes back what records said, and asks for what else was said of the same sessions.
//!
//! Only the newest word of each lineage is kept, so that what stood there before cannot be told any more. So all that is known of
//! the sessions concerned goes, and the records that spoke of them count as not applied: they are handed over again.

use std::collections::BTreeMap;

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::strand::{Origin, outbox};
use carry_kernel::db::rusqlite::{self, Transaction};

use super::{ContentError, ContentStrand};
use crate::archive::Receiver;
use crate::model::SessionId;

impl ContentStrand {
    pub(super) fn take_back(&mut self, origin: &Origin, after: u64) -> Result<(), ContentError> {
        let stream = self.stream.clone();
        self.archive.db.write(|tx| {
            let mut sessions = tx.prepare_cached(
                "SELECT DISTINCT r.session FROM said_records r JOIN said_origins o ON o.n = r.origin
                 WHERE o.log = ?1 AND o.track = ?2 AND r.seq > ?3",
            )?;
            let after_row = i64::try_from(after).unwrap_or(i64::MAX);
            let sessions = sessions
                .query_map((origin.log.to_string(), origin.track, after_row), |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            for session in sessions {
                ask_again(tx, &stream, session)?;
            }
            outbox::uncover(tx, origin, after)?;
            Ok(())
        })
    }
}

/// Forgets all that is known of a session and asks for its records again.
fn ask_again(tx: &Transaction<'_>, stream: &StreamName, session: i64) -> Result<(), ContentError> {
    let id: String =
        tx.prepare_cached("SELECT id FROM said_sessions WHERE n = ?1")?.query_row([session], |row| row.get(0))?;
    let mut receiver = Receiver::new();
    receiver.delete(tx, &SessionId::stored(id.clone()))?;
    receiver.finish(tx)?;
    let mut again: BTreeMap<(String, u32), Ranges> = BTreeMap::new();
    {
        let mut rows = tx.prepare_cached(
            "SELECT o.log, o.track, r.seq FROM said_records r JOIN said_origins o ON o.n = r.origin
             WHERE r.session = ?1",
        )?;
        let mut rows = rows.query([session])?;
        while let Some(row) = rows.next()? {
            let seq = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            again.entry((row.get(0)?, row.get(1)?)).or_default().insert_one(seq);
        }
    }
    for ((log, track), records) in again {
        let Ok(log) = log.parse::<LogId>() else { continue };
        let origin = Origin { log, track, stream: stream.clone() };
        let kept = outbox::applied(tx, &origin)?.difference(&records);
        outbox::uncover(tx, &origin, 0)?;
        outbox::cover(tx, &origin, &kept)?;
    }
    let of = "generation IN (SELECT n FROM said_generations WHERE session = ?1)";
    for sql in [
        format!("DELETE FROM said_facts WHERE {of}"),
        format!("DELETE FROM said_messages WHERE {of}"),
        format!("DELETE FROM said_pieces WHERE {of}"),
        "DELETE FROM said_generations WHERE session = ?1".to_owned(),
        "DELETE FROM said_floors WHERE session = ?1".to_owned(),
        "DELETE FROM said_records WHERE session = ?1".to_owned(),
        "DELETE FROM saying WHERE session = ?1".to_owned(),
        "DELETE FROM saying_buckets WHERE session = ?1".to_owned(),
        "DELETE FROM said_sessions WHERE n = ?1".to_owned(),
    ] {
        tx.prepare_cached(&sql)?.execute([session])?;
    }
    tx.prepare_cached("UPDATE sessions SET said = NULL WHERE id = ?1")?.execute([&id])?;
    Ok(())
}

//! What is kept of a session that was deleted for good: that it was told of, and not what.

use carry_kernel::db::rusqlite::{self, Connection};

use super::said;
use crate::model::SessionId;

/// Forgets all that others told of a session, and what waits to be said of it, in the transaction that deletes it.
///
/// # Errors
/// SQLite's.
pub(crate) fn forget(conn: &Connection, id: &SessionId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM outbox WHERE stream = ?1 AND key = CAST(?2 AS BLOB)";
    conn.prepare_cached(sql)?.execute((super::STREAM, id.as_str()))?;
    match said::find_session(conn, id)? {
        Some((session, _)) => forget_text(conn, session),
        None => Ok(()),
    }
}

/// The same of a session by its row. Which records spoke of it, and what this device said, is still known.
pub(super) fn forget_text(conn: &Connection, session: i64) -> rusqlite::Result<()> {
    let of = "generation IN (SELECT n FROM said_generations WHERE session = ?1)";
    for sql in [
        format!("UPDATE said_facts SET facts = NULL WHERE {of}"),
        format!("UPDATE said_messages SET parked = NULL WHERE {of} AND parked IS NOT NULL"),
        format!("DELETE FROM said_pieces WHERE {of}"),
        "UPDATE said_sessions SET shown = NULL WHERE n = ?1".to_owned(),
        "DELETE FROM saying WHERE session = ?1".to_owned(),
        "DELETE FROM saying_buckets WHERE session = ?1".to_owned(),
    ] {
        conn.prepare_cached(&sql)?.execute([session])?;
    }
    conn.prepare_cached("DELETE FROM unsayable WHERE session = (SELECT id FROM said_sessions WHERE n = ?1)")?
        .execute([session])?;
    Ok(())
}

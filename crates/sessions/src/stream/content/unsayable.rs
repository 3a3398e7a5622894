//! What could not be said, and why.

use carry_kernel::db::rusqlite::{self, Connection};

use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

/// A session, or a message, that does not leave this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsayable {
    /// The session.
    pub session: SessionId,
    /// The message; `None`: what the session is, or all of it.
    pub ordinal: Option<u32>,
    /// Why, as a sentence's end.
    pub reason: String,
}

impl Archive {
    /// What could not be said in the exchange, by session.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn unsayable(&self) -> Result<Vec<Unsayable>, ArchiveError> {
        let list = || -> rusqlite::Result<Vec<Unsayable>> {
            let sql = "SELECT session, ordinal, reason FROM unsayable ORDER BY session, ordinal";
            let mut query = self.db.conn().prepare_cached(sql)?;
            let rows = query.query_map([], |row| {
                Ok(Unsayable { session: SessionId::stored(row.get(0)?), ordinal: row.get(1)?, reason: row.get(2)? })
            })?;
            rows.collect()
        };
        Ok(list().map_err(self.db.failed())?)
    }
}

/// Notes what of a session cannot be said now. What was noted before goes where it is `said`, or all of it.
pub(super) fn note(
    conn: &Connection,
    session: &SessionId,
    reasons: &[(Option<u32>, String)],
    said: Option<&[Option<u32>]>,
) -> rusqlite::Result<()> {
    match said {
        None => {
            conn.prepare_cached("DELETE FROM unsayable WHERE session = ?1")?.execute([session.as_str()])?;
        }
        Some(said) => {
            for ordinal in said {
                conn.prepare_cached("DELETE FROM unsayable WHERE session = ?1 AND ordinal IS ?2")?
                    .execute((session.as_str(), ordinal))?;
            }
        }
    }
    for (ordinal, reason) in reasons {
        conn.prepare_cached("DELETE FROM unsayable WHERE session = ?1 AND ordinal IS ?2")?
            .execute((session.as_str(), ordinal))?;
        conn.prepare_cached("INSERT INTO unsayable (session, ordinal, reason) VALUES (?1, ?2, ?3)")?.execute((
            session.as_str(),
            ordinal,
            reason,
        ))?;
    }
    Ok(())
}

//! What rows a session has, without what is in them.

use carry_kernel::db::rusqlite::Connection;

use super::{Archive, ArchiveError};

/// A row of a session, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlineRow {
    /// The message, or that of the call.
    pub ordinal: u32,
    /// The call's place in the message and the output's among those of the call; `None`: it is a message.
    pub place: Option<(u32, u32)>,
    /// See [`message_digest`](super::message_digest) and [`result_digest`](super::result_digest).
    pub digest: [u8; 32],
    /// Whether it is a message of a branch that was given up, which its digest does not cover.
    pub is_abandoned: bool,
}

/// What is read while this lives is the archive as it was at one moment, whatever is written meanwhile. The log of the database
/// grows for as long: not for keeps, and one at a time.
#[derive(Debug)]
pub struct Snapshot<'a> {
    conn: &'a Connection,
    is_ours: bool,
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if self.is_ours {
            // Nothing was written; what fails here ends with the connection.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
    }
}

impl Archive {
    /// Begins to read the archive as it is at one moment.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn snapshot(&self) -> Result<Snapshot<'_>, ArchiveError> {
        let conn = self.db.conn();
        let is_ours = conn.is_autocommit();
        if is_ours {
            conn.execute_batch("BEGIN").map_err(self.db.failed())?;
        }
        Ok(Snapshot { conn, is_ours })
    }

    /// Says the rows of a session to `each`: messages in order, each followed by the results of its calls.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn outline(&self, session: i64, each: &mut dyn FnMut(OutlineRow)) -> Result<(), ArchiveError> {
        const ABANDONED: i64 = 2;
        let failed = self.db.failed();
        let mut query = self
            .db
            .conn()
            .prepare_cached(
                "SELECT ordinal, NULL AS idx, NULL AS event, digest, flags FROM messages WHERE session = ?1
                 UNION ALL SELECT ordinal, idx, event, digest, 0 FROM results WHERE session = ?1 ORDER BY 1, 2, 3",
            )
            .map_err(&failed)?;
        let mut rows = query.query([session]).map_err(&failed)?;
        let mut message = None;
        while let Some(row) = rows.next().map_err(&failed)? {
            let ordinal: u32 = row.get(0).map_err(&failed)?;
            let index: Option<u32> = row.get(1).map_err(&failed)?;
            let event: Option<u32> = row.get(2).map_err(&failed)?;
            let place = index.zip(event);
            if place.is_none() {
                message = Some(ordinal);
            } else if message != Some(ordinal) {
                continue;
            }
            let digest = row.get_ref(3).map_err(&failed)?.as_blob().ok().and_then(|digest| digest.try_into().ok());
            let digest = digest.ok_or_else(|| ArchiveError::Damaged {
                what: format!("message {ordinal} of session {session} has no digest"),
            })?;
            let flags: i64 = row.get(4).map_err(&failed)?;
            each(OutlineRow { ordinal, place, digest, is_abandoned: flags & ABANDONED != 0 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

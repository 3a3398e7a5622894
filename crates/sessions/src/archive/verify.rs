//! Comparing what lies in the archive with its digests.

use carry_kernel::db::rusqlite;

use super::digest::{Sum, message_digest, result_digest};
use super::session_state::State;
use super::write::recount;
use super::{Archive, ArchiveError, raw};

/// Messages that are read at a time.
const AT_A_TIME: usize = 500;

/// What there must be none of.
const ROWS: [(&str, &str); 5] = [
    (
        "results belong to no message",
        "SELECT count(*) FROM results r WHERE NOT EXISTS
         (SELECT 1 FROM messages m WHERE m.session = r.session AND m.ordinal = r.ordinal)",
    ),
    ("messages belong to no session", "SELECT count(*) FROM messages WHERE session NOT IN (SELECT n FROM sessions)"),
    (
        "messages are not in the index of words",
        "SELECT count(*) FROM messages m WHERE NOT EXISTS
         (SELECT 1 FROM pages p WHERE p.session = m.session AND m.n BETWEEN p.first AND p.last)",
    ),
    (
        "results are not in the index of words",
        "SELECT count(*) FROM results r WHERE NOT EXISTS
         (SELECT 1 FROM pages p WHERE p.session = r.session AND r.n BETWEEN p.first AND p.last)",
    ),
    (
        "pages of the index of words are empty",
        "SELECT count(*) FROM pages WHERE NOT EXISTS (SELECT 1 FROM words_docsize WHERE words_docsize.id = pages.id)",
    ),
];

impl Archive {
    /// Compares all digests and counts with what they are of, and raw bytes with their lengths, and looks for rows without words;
    /// says what is damaged. Sessions whose unit is being read are left out. `progress` is told the sessions done, and all.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<String>, ArchiveError> {
        let failed = self.db.failed();
        let conn = self.db.conn();
        let mut wrong = Vec::new();
        let check: String = conn.query_row("PRAGMA quick_check(10)", [], |row| row.get(0)).map_err(&failed)?;
        if check != "ok" {
            wrong.push(format!("the database: {check}"));
        }
        let sessions: Vec<(i64, String)> = conn
            .prepare(
                "SELECT s.n, s.id FROM sessions s LEFT JOIN units u ON u.id = s.unit
                 WHERE ifnull(u.is_complete, 1) ORDER BY s.n",
            )
            .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(&failed)?;
        let all = sessions.len() as u64;
        for (done, (n, id)) in (0u64..).zip(sessions) {
            progress(done, all);
            match self.session_problems(n) {
                Ok(problems) => wrong.extend(problems.into_iter().map(|what| format!("session {id}: {what}"))),
                Err(ArchiveError::Damaged { what }) => wrong.push(format!("session {id}: {what}")),
                Err(error) => return Err(error),
            }
        }
        wrong.extend(self.row_problems()?);
        wrong.extend(self.raw_problems()?);
        progress(all, all);
        Ok(wrong)
    }

    /// What a session's row says against what its other rows are.
    fn session_problems(&self, n: i64) -> Result<Vec<String>, ArchiveError> {
        let failed = self.db.failed();
        let conn = self.db.conn();
        let mut wrong = Vec::new();
        let (state, digest) = State::of_row(conn, n).map_err(&failed)?;
        if self.sum_of(n)? != state.sum {
            wrong.push("its messages or results are not those that were archived".to_owned());
        }
        if state.digest() != digest.as_slice() {
            wrong.push("what is known about it is not what was archived".to_owned());
        }
        let mut counted = state.clone();
        recount(conn, &mut counted).map_err(&failed)?;
        if counted != state {
            wrong.push("its counts are not those of its messages".to_owned());
        }
        Ok(wrong)
    }

    /// Rows that belong to nothing, and rows whose words are not in the index.
    fn row_problems(&self) -> Result<Vec<String>, ArchiveError> {
        let mut wrong = Vec::new();
        for (what, sql) in ROWS {
            let found: i64 = self.db.conn().query_row(sql, [], |row| row.get(0)).map_err(self.db.failed())?;
            if found > 0 {
                wrong.push(format!("{found} {what}"));
            }
        }
        Ok(wrong)
    }

    /// The sum of a session's rows, taken from what they hold.
    fn sum_of(&self, session: i64) -> Result<Sum, ArchiveError> {
        let (mut sum, mut from) = (Sum::default(), 0);
        loop {
            let messages = self.messages(session, from, AT_A_TIME)?;
            let Some(last) = messages.last() else { return Ok(sum) };
            let next = last.message.ordinal.checked_add(1);
            for stored in &messages {
                let ordinal = stored.message.ordinal;
                sum.add(ordinal, None, &message_digest(&stored.message));
                if stored.message.is_abandoned {
                    sum.add_abandoned(ordinal);
                }
                for result in &stored.results {
                    let crate::model::CallRef::At { index, .. } = result.result.call else { continue };
                    sum.add(ordinal, Some((index, result.event)), &result_digest(&result.result));
                }
            }
            let Some(next) = next else { return Ok(sum) };
            from = next;
        }
    }

    fn raw_problems(&self) -> Result<Vec<String>, ArchiveError> {
        let failed = self.db.failed();
        // Of a unit whose sessions were deleted for good, or that another says better, little or nothing is kept.
        let sql = "SELECT id, generation, offset, path FROM units WHERE is_complete = 1
                   AND EXISTS (SELECT 1 FROM sessions WHERE sessions.unit = units.id)";
        let units: Vec<(i64, i64, i64, Vec<u8>)> = self
            .db
            .conn()
            .prepare(sql)
            .and_then(|mut query| {
                query
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                    .collect::<rusqlite::Result<_>>()
            })
            .map_err(&failed)?;
        let mut wrong = Vec::new();
        for (unit, generation, offset, path) in units {
            let path = String::from_utf8_lossy(&path);
            match raw::copy(self.db.conn(), unit, generation, &mut std::io::sink()).map_err(&failed)? {
                Ok(bytes) if offset > 0 && bytes != offset as u64 => {
                    wrong.push(format!("{path}: {bytes} raw bytes are kept of {offset} that were read"));
                }
                Ok(_) => {}
                Err(_) => wrong.push(format!("{path}: its raw bytes are damaged")),
            }
        }
        Ok(wrong)
    }
}

#[cfg(test)]
mod tests;

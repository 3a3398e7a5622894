//! Which devices the sessions of an archive come from.

use carry_kernel::db::rusqlite;

use crate::archive::{Archive, ArchiveError, SessionRow};

/// Sessions whose shown account a log of this local name brought; takes two values, both the name.
pub(crate) const BROUGHT_BY: &str = "EXISTS (SELECT 1 FROM said_sessions d \
    JOIN said_messages m ON m.generation = d.shown JOIN said_lineages l ON l.n = m.lineage \
    WHERE d.id = s.id AND l.alias = ?) OR EXISTS (SELECT 1 FROM said_sessions d \
    JOIN said_facts f ON f.generation = d.shown JOIN said_lineages l ON l.n = f.lineage \
    WHERE d.id = s.id AND l.alias = ?)";

impl Archive {
    /// Whether another device, or an earlier archive of this one, told of a session, and no source of this one has it: its
    /// file is not here.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn is_received(&self, session: &SessionRow) -> Result<bool, ArchiveError> {
        let sql = "SELECT 1 FROM sessions s JOIN said_sessions d ON d.id = s.id
                   WHERE s.n = ?1 AND s.unit IS NULL AND d.shown IS NOT NULL";
        let mut query = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        Ok(query.exists([session.n]).map_err(self.db.failed())?)
    }

    /// Those of `found` that came from a device.
    pub(crate) fn keep_of_device(
        &self,
        mut found: Vec<SessionRow>,
        device: &str,
    ) -> Result<Vec<SessionRow>, ArchiveError> {
        let failed = self.db.failed();
        let sql = format!("SELECT 1 FROM sessions s WHERE s.n = ?1 AND (substr(s.origin, 1, ?2) = ?3 OR {BROUGHT_BY})");
        let sql = sql.replace("l.alias = ?)", "l.alias = ?3)");
        let mut query = self.db.conn().prepare_cached(&sql).map_err(&failed)?;
        let length = i64::try_from(device.chars().count()).unwrap_or(i64::MAX);
        let mut kept = Vec::new();
        for row in found.drain(..) {
            if query.exists((row.n, length, device)).map_err(&failed)? {
                kept.push(row);
            }
        }
        Ok(kept)
    }

    /// Where sessions of the archive were first archived, this device's first, and how many there are of each.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn origins(&self) -> Result<Vec<(String, u64)>, ArchiveError> {
        let list = || -> rusqlite::Result<Vec<(String, u64)>> {
            let sql = "SELECT origin, count(*) FROM sessions GROUP BY origin ORDER BY origin <> ?1, origin";
            let mut query = self.db.conn().prepare_cached(sql)?;
            let rows = query.query_map([&self.origin], |row| {
                Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
            })?;
            rows.collect()
        };
        Ok(list().map_err(self.db.failed())?)
    }
}

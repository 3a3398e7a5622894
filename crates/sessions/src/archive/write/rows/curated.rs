//! Registers that another archive's user set.

use std::collections::HashSet;

use carry_exchange::strand::registers::Set;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use crate::curation::REGISTERS;
use crate::model::SessionId;

/// The device of registers that another archive's user set. It sorts before every device's.
const IMPORTED: &str = "";

/// What another archive's user said (`None`: took back): older than anything said here, unless it bears a later time. Of what came
/// from there before, the newest reading counts.
pub(in super::super) fn curate(
    conn: &Connection,
    session: &SessionId,
    field: &str,
    item: &str,
    value: Option<&str>,
    at: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let known: Option<(Option<String>, String, String)> = conn
        .prepare_cached("SELECT value, hlc, device FROM curation WHERE session = ?1 AND field = ?2 AND item = ?3")?
        .query_row((session.as_str(), field, item), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let mut hlc = Hlc::default().tick(at.unwrap_or_default());
    if let Some((known, stamp, device)) = known {
        let stamp: Hlc = stamp.parse().unwrap_or_default();
        if device == IMPORTED {
            if known.as_deref() == value {
                return Ok(());
            }
            hlc = hlc.max(stamp.tick(Timestamp::default()));
        } else if hlc <= stamp {
            return Ok(());
        }
    }
    let target = session.as_str();
    REGISTERS.set_at(conn, &Set { target, field, item, value }, hlc, IMPORTED)
}

/// What another archive's user said and no longer says is taken back; what was said here stays.
pub(in super::super) fn take_back(
    conn: &Connection,
    session: &SessionId,
    said: &HashSet<(&'static str, String)>,
) -> rusqlite::Result<()> {
    let mut query = conn
        .prepare_cached("SELECT field, item FROM curation WHERE session = ?1 AND device = ?2 AND value IS NOT NULL")?;
    let known = query.query_map((session.as_str(), IMPORTED), |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (field, item) in known.collect::<rusqlite::Result<Vec<(String, String)>>>()? {
        if !said.iter().any(|(known, of)| *known == field && *of == item) {
            curate(conn, session, &field, &item, None, None)?;
        }
    }
    Ok(())
}

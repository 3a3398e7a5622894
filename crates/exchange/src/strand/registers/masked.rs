//! What was said here where it differs from what was exchanged of it.
//!
//! Items and values leave masked. This device goes on showing what its user wrote.

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use serde_json::Value;

use super::Name;

/// How a register is shown here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
    item: String,
    /// The value as exchanged, and as it was said here.
    value: Option<(Value, Option<String>)>,
}

impl Local {
    /// The item as it was said here.
    pub(super) fn item(&self) -> &str {
        &self.item
    }

    /// The text to show for an exchanged value; `None` for one that was taken back, or is no text.
    pub(super) fn value(&self, said: &Value) -> Option<String> {
        match &self.value {
            Some((known, local)) if known == said => local.clone(),
            _ => said.as_str().map(str::to_owned),
        }
    }
}

/// How a register is shown here.
pub(super) fn local(conn: &Connection, name: &Name) -> rusqlite::Result<Local> {
    let sql =
        "SELECT local_item, said, local_value FROM register_masked WHERE target = ?1 AND field = ?2 AND item = ?3";
    let row = conn.prepare_cached(sql)?.query_row(name.columns(), |row| {
        let said: Option<String> = row.get(1)?;
        let said = said.and_then(|said| serde_json::from_str(&said).ok());
        let local: Option<String> = row.get(2)?;
        Ok(Local { item: row.get(0)?, value: said.map(|said| (said, local)) })
    });
    Ok(row.optional()?.unwrap_or_else(|| Local { item: name.item.clone(), value: None }))
}

/// The register that is exchanged for one that is named as here.
pub(super) fn exchanged(conn: &Connection, local: &Name) -> rusqlite::Result<Name> {
    let sql = "SELECT item FROM register_masked WHERE target = ?1 AND field = ?2 AND local_item = ?3";
    let item: Option<String> = conn.prepare_cached(sql)?.query_row(local.columns(), |row| row.get(0)).optional()?;
    Ok(item.map_or_else(|| local.clone(), |item| local.with_item(&item)))
}

/// Notes what was said here (`local_item`, `local_value`) for what is exchanged of it.
pub(super) fn note(
    conn: &Connection,
    name: &Name,
    local_item: &str,
    said: &Value,
    local_value: Option<&str>,
) -> rusqlite::Result<()> {
    let differs = said.as_str() != local_value;
    if name.item == local_item && !differs {
        let sql = "DELETE FROM register_masked WHERE target = ?1 AND field = ?2 AND item = ?3";
        return conn.prepare_cached(sql)?.execute(name.columns()).map(drop);
    }
    let (target, field, item) = name.columns();
    let said = differs.then(|| said.to_string());
    let sql = "INSERT OR REPLACE INTO register_masked (target, field, item, local_item, said, local_value)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute((target, field, item, local_item, said, local_value.filter(|_| differs)))?;
    Ok(())
}

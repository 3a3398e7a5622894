//! The journal that `carry undo` goes back by.

use std::collections::HashSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::types::Type;
use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Row};
use carry_kernel::id::TreeId;

use super::{Registry, UndoEntry};
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::line::quote;

/// Entries of a tree that are kept. Each keeps a snapshot from being thinned.
pub const UNDO_MAX: u32 = 1000;

impl Registry {
    /// Appends to the journal that `carry undo` goes back by. The entry's own `id` is not looked at. Only the newest
    /// [`UNDO_MAX`] entries of a tree are kept.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn note_undo(&mut self, entry: &UndoEntry) -> Result<(), DbError> {
        let failed = self.db.failed();
        let paths: Vec<String> = entry.paths.iter().map(|path| quote::quote(path.as_bstr())).collect();
        let paths = serde_json::to_string(&paths).expect("text always fits JSON");
        self.db.write(|tx| {
            tx.execute(
                "INSERT INTO undo (tree, time, what, before, paths, staged) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    entry.tree.as_str(),
                    entry.time.as_millis(),
                    &entry.what,
                    entry.before.to_string(),
                    &paths,
                    entry.staged,
                ),
            )
            .map_err(&failed)?;
            tx.execute(
                "DELETE FROM undo WHERE tree = ?1 AND id <=
                    (SELECT id FROM undo WHERE tree = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (entry.tree.as_str(), UNDO_MAX),
            )
            .map_err(&failed)
            .map(drop)
        })
    }

    /// The snapshots that the journal of a tree still names.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn undo_snapshots(&self, tree: &TreeId) -> Result<HashSet<ObjectId>, DbError> {
        let failed = self.db.failed();
        let mut query = self.db.conn().prepare("SELECT before FROM undo WHERE tree = ?").map_err(&failed)?;
        let rows = query.query_map([tree.as_str()], |row| before(row, 0));
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// The newest journal entry of a tree that was not undone yet.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn last_undo(&self, tree: &TreeId) -> Result<Option<UndoEntry>, DbError> {
        self.db
            .conn()
            .query_row(
                "SELECT id, time, what, before, paths, staged FROM undo WHERE tree = ? AND NOT undone ORDER BY id DESC LIMIT 1",
                [tree.as_str()],
                |row| entry(tree, row),
            )
            .optional()
            .map_err(self.db.failed())
    }

    /// Marks a journal entry as undone.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn mark_undone(&mut self, id: i64) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| tx.execute("UPDATE undo SET undone = 1 WHERE id = ?", [id]).map_err(&failed).map(drop))
    }
}

fn entry(tree: &TreeId, row: &Row<'_>) -> Result<UndoEntry, Error> {
    let paths: String = row.get(4)?;
    Ok(UndoEntry {
        id: row.get(0)?,
        tree: tree.clone(),
        time: Timestamp::from_millis(row.get(1)?),
        what: row.get(2)?,
        before: before(row, 3)?,
        paths: unquoted(&paths).ok_or_else(|| Error::InvalidColumnType(4, "paths".to_owned(), Type::Text))?,
        staged: row.get(5)?,
    })
}

fn before(row: &Row<'_>, column: usize) -> Result<ObjectId, Error> {
    let hex: String = row.get(column)?;
    ObjectId::from_hex(hex.as_bytes()).map_err(|e| Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

fn unquoted(json: &str) -> Option<Vec<BString>> {
    let texts: Vec<String> = serde_json::from_str(json).ok()?;
    texts.iter().map(|text| quote::unquote(text.as_str().into())).collect()
}

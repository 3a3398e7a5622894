//! The journal that `carry undo` goes back by.

use std::collections::HashSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::types::Type;
use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Row};
use carry_kernel::id::TreeId;

use super::{Registry, UndoEntry};
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::handoff::HeadMove;
use crate::line::quote;

/// Entries of a tree that are kept. Each keeps a snapshot from being thinned.
pub const UNDO_MAX: u32 = 1000;

impl Registry {
    /// Appends to the journal that `carry undo` goes back by; returns the row. The entry's own `id` is not looked at. Only the
    /// newest [`UNDO_MAX`] entries of a tree are kept.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn note_undo(&mut self, entry: &UndoEntry) -> Result<i64, DbError> {
        self.note(entry, None)
    }

    /// The same for an entry that takes back another, which is marked as undone at the same moment.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn note_undo_of(&mut self, entry: &UndoEntry, undoes: i64) -> Result<i64, DbError> {
        self.note(entry, Some(undoes))
    }

    fn note(&mut self, entry: &UndoEntry, undoes: Option<i64>) -> Result<i64, DbError> {
        let failed = self.db.failed();
        let paths: Vec<String> = entry.paths.iter().map(|path| quote::quote(path.as_bstr())).collect();
        let paths = serde_json::to_string(&paths).expect("text always fits JSON");
        let handoff = entry.handoff.as_ref().map(|h| serde_json::to_string(h).expect("text always fits JSON"));
        self.db.write(|tx| {
            tx.execute(
                "INSERT INTO undo (tree, time, what, before, paths, staged, handoff) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.tree.as_str(),
                    entry.time.as_millis(),
                    &entry.what,
                    entry.before.to_string(),
                    &paths,
                    entry.staged,
                    &handoff,
                ),
            )
            .map_err(&failed)?;
            let id = tx.last_insert_rowid();
            if let Some(undoes) = undoes {
                tx.execute("UPDATE undo SET undone = 1 WHERE id = ?", [undoes]).map_err(&failed)?;
            }
            tx.execute(
                "DELETE FROM undo WHERE tree = ?1 AND id <=
                    (SELECT id FROM undo WHERE tree = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (entry.tree.as_str(), UNDO_MAX),
            )
            .map_err(&failed)?;
            Ok(id)
        })
    }

    /// Marks a handoff as carried out to its end.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn finish_handoff(&mut self, id: i64) -> Result<(), DbError> {
        let failed = self.db.failed();
        let sql = "UPDATE undo SET handoff = json_set(handoff, '$.done', json('true')) WHERE id = ?";
        self.db.write(|tx| tx.execute(sql, [id]).map_err(&failed).map(drop))
    }

    /// Notes what became of a branch after a handoff, by a commit that belongs to it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_handoff_head(&mut self, id: i64, head: &HeadMove) -> Result<(), DbError> {
        let failed = self.db.failed();
        let head = serde_json::to_string(head).expect("text always fits JSON");
        let sql =
            "UPDATE undo SET handoff = json_set(handoff, '$.head', json(?2)) WHERE id = ?1 AND handoff IS NOT NULL";
        self.db.write(|tx| tx.execute(sql, (id, head)).map_err(&failed).map(drop))
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
                "SELECT id, time, what, before, paths, staged, handoff FROM undo WHERE tree = ? AND NOT undone ORDER BY id DESC LIMIT 1",
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
        handoff: row.get::<_, Option<String>>(6)?.and_then(|json| serde_json::from_str(&json).ok()),
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

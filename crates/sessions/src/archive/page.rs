//! Pages of the word index: one row of the index holds the words of a few rows of one session that follow each other.
//!
//! A session says much the same words again and again, so that a page has far fewer of them than its rows have one by one. A row
//! that changes gets a page of its own besides: a page may speak of words that its rows no longer have, or of rows that are gone.
//! It only proposes.

use carry_kernel::db::rusqlite::{self, Connection};

use crate::search::words::Words;

/// Rows of a page at most.
const ROWS_MAX: i64 = 128;

/// Bytes of text after which a page is full.
const TEXT_BYTES_MAX: usize = 128 * 1024;

/// The page that is being filled.
#[derive(Debug, Default)]
pub(super) struct Pages {
    words: Words,
    text: String,
    session: i64,
    first: i64,
    rows: i64,
    bytes: usize,
}

impl Pages {
    /// Takes the words of a row. `add` adds them and says of how many bytes they are.
    pub(super) fn take(
        &mut self,
        conn: &Connection,
        session: i64,
        n: i64,
        add: impl FnOnce(&mut Words) -> usize,
    ) -> rusqlite::Result<usize> {
        let is_near = self.session == session && (self.first..=self.first + self.rows).contains(&n);
        if !is_near || self.rows == 0 {
            self.close(conn)?;
            (self.session, self.first) = (session, n);
        }
        self.rows = self.rows.max(n - self.first + 1);
        self.bytes += add(&mut self.words);
        let is_full = self.rows == ROWS_MAX || self.bytes >= TEXT_BYTES_MAX;
        if is_full { self.close(conn) } else { Ok(0) }
    }

    /// Writes the page. Returns how many bytes that holds.
    pub(super) fn close(&mut self, conn: &Connection) -> rusqlite::Result<usize> {
        if self.rows == 0 {
            return Ok(0);
        }
        let last = self.first + self.rows - 1;
        (self.rows, self.bytes) = (0, 0);
        self.text.clear();
        self.words.take(&mut self.text);
        conn.prepare_cached("INSERT INTO pages (session, first, last) VALUES (?1, ?2, ?3)")?.execute((
            self.session,
            self.first,
            last,
        ))?;
        let id = conn.last_insert_rowid();
        conn.prepare_cached("INSERT INTO words (rowid, w) VALUES (?1, ?2)")?.execute((id, &self.text))?;
        Ok(self.text.len())
    }
}

//! A session as far as it can be made ready without writing.

use carry_kernel::db::rusqlite::{self, Connection};

use super::account::Account;
use super::attempt::Attempt;
use super::{AttemptError, Source, remembered};
use crate::archive::SessionRow;
use crate::archive::facts::SessionFacts;
use crate::mask::pieces::{Known, MaskingError};
use crate::stream::content::ContentError;

/// What was found out of a session, and a first attempt at what to say.
#[derive(Debug)]
pub(super) struct Draft {
    /// As it was before anything else was read: what changed since is looked at again.
    pub(super) row: SessionRow,
    pub(super) facts: SessionFacts,
    /// What was said of it.
    pub(super) account: Account,
    /// What masking remembers of it.
    pub(super) known: Option<Known>,
    /// The messages that it has, ascending.
    pub(super) ordinals: Vec<u32>,
    pub(super) first: First,
}

/// What there is to say of a session that goes on as it was said.
#[derive(Debug)]
pub(super) enum First {
    /// It is empty, and was never spoken of.
    Nothing,
    /// It cannot be masked: it stays here.
    Unmaskable(MaskingError),
    /// This.
    Attempt(Box<Attempt>),
}

impl Draft {
    /// Of about `bytes` at most. `None` when there is no such session.
    pub(super) fn of(n: i64, source: Source<'_>, bytes: u64) -> Result<Option<Self>, ContentError> {
        let Some(row) = source.archive.session(n)? else { return Ok(None) };
        let conn = source.archive.db.conn();
        let Some(facts) = SessionFacts::read(conn, n)? else { return Ok(None) };
        let account = Account::load(conn, &row.id)?;
        let known = remembered::load(conn, account.session, source.redactor)?;
        let is_empty = row.messages == 0 && row.abandoned == 0 && facts.usage.is_empty();
        if is_empty && account.live.is_none() {
            return Ok(Some(Self { row, facts, account, known, ordinals: Vec::new(), first: First::Nothing }));
        }
        let ordinals = ordinals(conn, n)?;
        let first = match Attempt::make(source, &row, facts.clone(), known.as_ref(), &account.hashes, bytes) {
            Ok(attempt) => First::Attempt(Box::new(attempt)),
            Err(AttemptError::Masking(error)) => First::Unmaskable(error),
            Err(AttemptError::Content(error)) => return Err(error),
        };
        Ok(Some(Self { row, facts, account, known, ordinals, first }))
    }

    /// Whether it holds all that `bytes` allow: it was made with fewer.
    pub(super) fn is_whole(&self) -> bool {
        match &self.first {
            First::Attempt(attempt) => attempt.is_complete,
            First::Nothing | First::Unmaskable(_) => true,
        }
    }

    /// About how many bytes of messages it says.
    pub(super) fn bytes(&self) -> u64 {
        match &self.first {
            First::Attempt(attempt) => attempt.out.iter().map(|part| part.bytes() as u64).sum(),
            First::Nothing | First::Unmaskable(_) => 0,
        }
    }
}

fn ordinals(conn: &Connection, n: i64) -> rusqlite::Result<Vec<u32>> {
    let sql = "SELECT ordinal FROM messages WHERE session = ?1 ORDER BY ordinal";
    conn.prepare_cached(sql)?.query_map([n], |row| row.get(0))?.collect()
}

//! What is known of Git remotes: consent, what lies where, what was told already.

use std::path::Path;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Row};
use carry_kernel::id::TreeId;

use super::{Registry, bytes_of};
use crate::git::ObjectId;
use crate::line::{Branch, LineName};
use crate::publish::{LineState, Published};

#[cfg(test)]
mod tests;

/// What is read of a link.
const COLUMNS: &str = "remote, url, consent, fetched, pushed, fetch_error, push_error";

/// What the user said about publishing a repository to a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Yes.
    Agreed,
    /// No; not to be asked again.
    Declined,
}

/// A repository and a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// The remote's name when it was last used.
    pub remote: String,
    /// Its URL: consent is for this and no other.
    pub url: String,
    /// What the user said.
    pub consent: Option<Consent>,
    /// When it was last asked with success.
    pub fetched: Option<Timestamp>,
    /// When something was last pushed.
    pub pushed: Option<Timestamp>,
    /// Why the last fetch failed, if it did.
    pub fetch_error: Option<String>,
    /// Why the last push failed, if it did.
    pub push_error: Option<String>,
}

impl LinkState {
    /// One of which nothing is known.
    fn fresh(name: &str, url: &str) -> Self {
        Self {
            remote: name.to_owned(),
            url: url.to_owned(),
            consent: None,
            fetched: None,
            pushed: None,
            fetch_error: None,
            push_error: None,
        }
    }
}

impl Registry {
    /// All links of a repository, by URL.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn links(&self, common_dir: &Path) -> Result<Vec<LinkState>, DbError> {
        let failed = self.db.failed();
        let sql = format!("SELECT {COLUMNS} FROM links WHERE common_dir = ? ORDER BY url");
        let mut query = self.db.conn().prepare_cached(&sql).map_err(&failed)?;
        let rows = query.query_map([bytes_of(common_dir)], link);
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// One link; a fresh one when nothing is known.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn link(&self, common_dir: &Path, name: &str, url: &str) -> Result<LinkState, DbError> {
        let failed = self.db.failed();
        let sql = format!("SELECT {COLUMNS} FROM links WHERE common_dir = ? AND url = ?");
        let mut query = self.db.conn().prepare_cached(&sql).map_err(&failed)?;
        let found = query.query_row((bytes_of(common_dir), url), link).optional().map_err(&failed)?;
        Ok(found.unwrap_or_else(|| LinkState::fresh(name, url)))
    }

    /// Changes one link in one transaction. It is called `name` from then on; its URL is what it is known by and stays.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn update_link(
        &mut self,
        common_dir: &Path,
        name: &str,
        url: &str,
        change: impl FnOnce(&mut LinkState),
    ) -> Result<(), DbError> {
        let failed = self.db.failed();
        let sql = format!("SELECT {COLUMNS} FROM links WHERE common_dir = ? AND url = ?");
        self.db.write(|tx| {
            let found = tx.query_row(&sql, (bytes_of(common_dir), url), link).optional().map_err(&failed)?;
            let mut state = found.unwrap_or_else(|| LinkState::fresh(name, url));
            name.clone_into(&mut state.remote);
            change(&mut state);
            tx.execute(
                "INSERT OR REPLACE INTO links
                    (common_dir, url, remote, consent, fetched, pushed, fetch_error, push_error)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    bytes_of(common_dir),
                    url,
                    &state.remote,
                    state.consent.map(|consent| consent == Consent::Agreed),
                    state.fetched.map(Timestamp::as_millis),
                    state.pushed.map(Timestamp::as_millis),
                    &state.fetch_error,
                    &state.push_error,
                ),
            )
            .map(drop)
            .map_err(&failed)
        })
    }

    /// What is known of the lines of a repository on a remote, by ref. What a newer Carry wrote in a way that this one
    /// cannot read counts as not known.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn published(&self, common_dir: &Path, url: &str) -> Result<Vec<Published>, DbError> {
        let failed = self.db.failed();
        let sql = "SELECT ref, branch, seal, snapshot, pushed, state FROM published
                   WHERE common_dir = ? AND url = ? ORDER BY ref";
        let mut query = self.db.conn().prepare_cached(sql).map_err(&failed)?;
        let rows = query.query_map((bytes_of(common_dir), url), published).map_err(&failed)?;
        rows.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(&failed)
    }

    /// Notes how a line stands on a remote.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn note_published(&mut self, common_dir: &Path, url: &str, published: &Published) -> Result<(), DbError> {
        let failed = self.db.failed();
        let state = serde_json::to_string(&published.state).expect("text always fits JSON");
        self.db.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO published (common_dir, url, ref, branch, seal, snapshot, pushed, state)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    bytes_of(common_dir),
                    url,
                    published.line.ref_name(),
                    published.branch.to_trailer(),
                    published.seal.map(|id| id.to_string()),
                    published.snapshot.map(|id| id.to_string()),
                    published.pushed.map(Timestamp::as_millis),
                    &state,
                ),
            )
            .map(drop)
            .map_err(&failed)
        })
    }

    /// Whether nobody was told of this tip in this tree yet; from now on somebody was.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn tell_once(&mut self, tree: &TreeId, writer: &str, tip: ObjectId) -> Result<bool, DbError> {
        let failed = self.db.failed();
        let changed = self.db.write(|tx| {
            tx.execute(
                "INSERT INTO told (tree, writer, tip) VALUES (?, ?, ?)
                 ON CONFLICT (tree, writer) DO UPDATE SET tip = excluded.tip WHERE tip <> excluded.tip",
                (tree.as_str(), writer, tip.to_string()),
            )
            .map_err(&failed)
        });
        changed.map(|rows: usize| rows > 0)
    }
}

fn link(row: &Row<'_>) -> Result<LinkState, Error> {
    let time = |column| Ok::<_, Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let consent = |agreed| if agreed { Consent::Agreed } else { Consent::Declined };
    Ok(LinkState {
        remote: row.get(0)?,
        url: row.get(1)?,
        consent: row.get::<_, Option<bool>>(2)?.map(consent),
        fetched: time(3)?,
        pushed: time(4)?,
        fetch_error: row.get(5)?,
        push_error: row.get(6)?,
    })
}

fn published(row: &Row<'_>) -> Result<Option<Published>, Error> {
    let id = |column| {
        let hex: Option<String> = row.get(column)?;
        Ok::<_, Error>(hex.and_then(|hex| ObjectId::from_hex(hex.as_bytes()).ok()))
    };
    let (name, branch, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(5)?);
    let (Some(line), Some(branch)) = (LineName::from_ref(&name), Branch::from_trailer(branch.as_str().into())) else {
        return Ok(None);
    };
    Ok(Some(Published {
        line,
        branch,
        seal: id(2)?,
        snapshot: id(3)?,
        pushed: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        // The next push looks again.
        state: serde_json::from_str(&state).unwrap_or(LineState::Pending),
    }))
}

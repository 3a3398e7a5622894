//! Briefs: what tells whether anything that a session shows has changed, for all sessions at once.
//!
//! Whoever keeps a copy of sessions elsewhere asks for briefs first and reads those sessions whose hash is another than before. It
//! covers the digest (and with it messages and results), every column that is shown, project, links, and what the user says about the
//! session. It does not cover where the session came from on this disk and whether it is still there.

use std::collections::HashMap;
use std::sync::Arc;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::types::ValueRef;
use carry_kernel::db::rusqlite::{self, Connection, Params, Row, Rows};

use super::row::relation_named;
use super::{Archive, ArchiveError};
use crate::model::{RelationKind, SessionId};
use crate::project::Project;

/// Columns that are not hashed, and then those that are.
const COLUMNS: &str = "s.n, s.unit IS NOT NULL, s.project, \
    s.id, s.origin, s.ended_ms, s.agent, s.native, s.parent, s.relation, s.cwd, s.branch, s.name, s.entrypoint, s.kind, s.version, \
    s.resume, s.first_prompt, s.termination, s.is_automated, s.started_ms, s.messages, s.user_messages, s.abandoned, s.calls, \
    s.failures, s.model, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.peak_context, \
    s.cost_micros, s.malformed, s.digest";

/// The first of [`COLUMNS`] that is hashed.
const FIRST_HASHED: usize = 3;

/// Links of a session follow each other.
const LINKS: &str = "SELECT session, place, kind, target, evidence, repo, number, branch, subject, full_sha, supersedes, \
    superseded_by, ordinal, idx FROM links";

/// What was taken back is not shown. Of the stamps only those of pins are.
const REGISTERS: &str = "SELECT session, field, item, value, CASE field WHEN 'pin' THEN hlc END FROM curation \
    WHERE value IS NOT NULL AND field <> 'deleted'";

/// A session in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The row; only good within this archive.
    pub n: i64,
    /// Our id.
    pub id: SessionId,
    /// Where it was first archived.
    pub origin: String,
    /// Whether it was read from a unit of this device, not imported or received.
    pub is_from_here: bool,
    /// The project.
    pub project: Option<Arc<Project>>,
    /// Where it ran.
    pub cwd: Option<String>,
    /// What it is to the session it came from.
    pub relation: Option<RelationKind>,
    /// When it last went on.
    pub ended: Option<Timestamp>,
    /// In the trash, or about to be deleted for good.
    pub is_trashed: bool,
    /// A hash of all that it shows.
    pub shown: [u8; 32],
}

impl Archive {
    /// Briefs of all sessions, those in the trash included, in the order of their rows.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn briefs(&self, each: &mut dyn FnMut(Brief)) -> Result<(), ArchiveError> {
        let _snapshot = self.snapshot()?;
        let conn = self.db.conn();
        let mut all = || {
            let said = registers(conn, "", [])?;
            let mut links = conn.prepare_cached(&format!("{LINKS} ORDER BY session, kind, target, evidence"))?;
            let mut links = Links::new(links.query([])?)?;
            let projects = projects(conn, "", [])?;
            let mut sessions = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions s ORDER BY s.n"))?;
            let mut sessions = sessions.query([])?;
            while let Some(row) = sessions.next()? {
                each(brief(row, &projects, &said, &mut links)?);
            }
            Ok(())
        };
        Ok(all().map_err(self.db.failed())?)
    }

    /// The brief of one session.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn brief(&self, n: i64) -> Result<Option<Brief>, ArchiveError> {
        let conn = self.db.conn();
        let one = || {
            let mut session = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions s WHERE s.n = ?1"))?;
            let mut session = session.query([n])?;
            let Some(row) = session.next()? else { return Ok(None) };
            let said = registers(conn, " AND session = ?1", [row.get_ref("id")?.as_str()?])?;
            let sql = format!("{LINKS} WHERE session = ?1 ORDER BY session, kind, target, evidence");
            let mut links = conn.prepare_cached(&sql)?;
            let mut links = Links::new(links.query([n])?)?;
            let project = projects(conn, " WHERE id = ?1", [row.get::<_, Option<i64>>("project")?])?;
            brief(row, &project, &said, &mut links).map(Some)
        };
        Ok(one().map_err(self.db.failed())?)
    }
}

/// What the user says about a session.
#[derive(Default)]
struct Said {
    hasher: blake3::Hasher,
    is_trashed: bool,
}

/// By session.
fn registers(conn: &Connection, and: &str, of: impl Params) -> rusqlite::Result<HashMap<String, Said>> {
    let mut query = conn.prepare_cached(&format!("{REGISTERS}{and} ORDER BY session, field, item"))?;
    let mut rows = query.query(of)?;
    let mut all: HashMap<String, Said> = HashMap::new();
    while let Some(row) = rows.next()? {
        let session = row.get_ref(0)?.as_str()?;
        if !all.contains_key(session) {
            all.insert(session.to_owned(), Said::default());
        }
        if let Some(said) = all.get_mut(session) {
            said.is_trashed |= matches!(row.get_ref(1)?.as_str()?, "trash" | "deleting");
            hash(&mut said.hasher, row, 1)?;
        }
    }
    Ok(all)
}

/// By row.
fn projects(conn: &Connection, of: &str, which: impl Params) -> rusqlite::Result<HashMap<i64, Arc<Project>>> {
    let mut query = conn.prepare_cached(&format!("SELECT id, key, name, remote, root FROM projects{of}"))?;
    let rows = query.query_map(which, |row| {
        let project = Project { key: row.get(1)?, name: row.get(2)?, remote: row.get(3)?, root: row.get(4)? };
        Ok((row.get(0)?, Arc::new(project)))
    })?;
    rows.collect()
}

/// Links in the order of their sessions' rows, read beside these.
struct Links<'q> {
    rows: Rows<'q>,
    /// The session of the next one, and its hash.
    next: Option<(i64, blake3::Hash)>,
}

impl<'q> Links<'q> {
    fn new(rows: Rows<'q>) -> rusqlite::Result<Self> {
        let mut links = Self { rows, next: None };
        links.advance()?;
        Ok(links)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => {
                let mut hasher = blake3::Hasher::new();
                hash(&mut hasher, row, 1)?;
                Some((row.get(0)?, hasher.finalize()))
            }
            None => None,
        };
        Ok(())
    }

    /// Adds those of `session`, and passes those of sessions before it.
    fn add(&mut self, session: i64, hasher: &mut blake3::Hasher) -> rusqlite::Result<()> {
        while let Some((of, link)) = self.next.filter(|(of, _)| *of <= session) {
            if of == session {
                hasher.update(link.as_bytes());
            }
            self.advance()?;
        }
        Ok(())
    }
}

fn brief(
    row: &Row<'_>,
    projects: &HashMap<i64, Arc<Project>>,
    said: &HashMap<String, Said>,
    links: &mut Links<'_>,
) -> rusqlite::Result<Brief> {
    let (n, id): (i64, String) = (row.get(0)?, row.get(3)?);
    let mut hasher = blake3::Hasher::new_derive_key("carry sessions brief v1");
    hash(&mut hasher, row, FIRST_HASHED)?;
    let project = row.get::<_, Option<i64>>(2)?.and_then(|project| projects.get(&project));
    if let Some(project) = project {
        for text in [&project.key, &project.name] {
            value(&mut hasher, ValueRef::Text(text.as_bytes()));
        }
    }
    let said = said.get(&id);
    hasher.update(said.map(|said| said.hasher.finalize()).unwrap_or_else(|| blake3::hash(b"")).as_bytes());
    links.add(n, &mut hasher)?;
    Ok(Brief {
        n,
        id: SessionId::stored(id),
        origin: row.get(4)?,
        is_from_here: row.get(1)?,
        project: project.map(Arc::clone),
        relation: row.get::<_, Option<String>>(9)?.and_then(|name| relation_named(&name)),
        cwd: row.get(10)?,
        ended: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        is_trashed: said.is_some_and(|said| said.is_trashed),
        shown: *hasher.finalize().as_bytes(),
    })
}

/// Hashes the columns of a row from `first` on.
fn hash(hasher: &mut blake3::Hasher, row: &Row<'_>, first: usize) -> rusqlite::Result<()> {
    for column in first..row.as_ref().column_count() {
        value(hasher, row.get_ref(column)?);
    }
    Ok(())
}

/// Hashes a value so that its kind and its borders count.
fn value(hasher: &mut blake3::Hasher, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match &value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => (1, &number.to_le_bytes()),
        ValueRef::Real(number) => (2, &number.to_le_bytes()),
        ValueRef::Text(bytes) => (3, bytes),
        ValueRef::Blob(bytes) => (4, bytes),
    };
    hasher.update(&[kind]);
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests;

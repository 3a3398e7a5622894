//! The conversations behind a commit, a pull request or a file.

use carry_kernel::db::rusqlite::{self, Connection, Row, ToSql, params};

use crate::archive::{Archive, ArchiveError, SessionRow};
use crate::git_links::{Evidence, GitLink, LinkKind};
use crate::list::date;
use crate::model::RelationKind;

#[cfg(test)]
mod tests;

/// Fewest hex digits that name a commit.
const SHA_MIN: usize = 4;
/// Parents that are followed from a subagent, at most: they could form a ring.
const PARENTS_MAX: usize = 32;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A commit: its id or the beginning of it, lower case.
    Commit(String),
    /// A pull request by its address.
    PullRequest(String),
    /// A pull request by its number, in a repository (`host/owner/repo`) if that is known.
    Number(u64, Option<String>),
    /// A file: an absolute path, or the end of one.
    File(String),
}

/// A conversation, and why it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Behind {
    /// The session; of subagents, the one that started them.
    pub session: SessionRow,
    /// Where it happened, when a subagent did it.
    pub subagent: Option<SessionRow>,
    /// The link; `None` for a file.
    pub link: Option<GitLink>,
    /// The message.
    pub ordinal: u32,
    /// How often a file was read or changed there.
    pub calls: u32,
}

/// A place as the tables have it.
struct Place {
    session: i64,
    link: Option<GitLink>,
    ordinal: u32,
    calls: u32,
}

impl Archive {
    /// The links of a session, in its order.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn links_of(&self, session: i64) -> Result<Vec<GitLink>, ArchiveError> {
        let rows = links(self.conn(), "session = ?1 ORDER BY ordinal, idx, kind, target", &[&session]);
        Ok(rows.map_err(self.failed())?.into_iter().filter_map(|place| place.link).collect())
    }

    /// The conversations behind `what`: those that made it first, then those that only mention it; newest first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn behind(&self, what: &What) -> Result<Vec<Behind>, ArchiveError> {
        let places = match what {
            What::Commit(sha) => by_commit(self.conn(), sha),
            What::PullRequest(url) => links(self.conn(), "kind = 'pr' AND target = ?1", &[&url.trim_end_matches('/')]),
            What::Number(number, repo) => {
                let number = i64::try_from(*number).unwrap_or(i64::MAX);
                let sql = "kind = 'pr' AND number = ?1 AND (?2 IS NULL OR repo = ?2)";
                links(self.conn(), sql, &[&number, repo])
            }
            What::File(path) => by_file(self.conn(), path),
        };
        let mut found: Vec<Behind> = Vec::new();
        for place in places.map_err(self.failed())? {
            let Some(row) = self.session(place.session)? else { continue };
            let top = self.top_of(&row)?;
            let is_subagent = top.n != row.n;
            found.push(Behind {
                session: top,
                subagent: is_subagent.then_some(row),
                link: place.link,
                ordinal: place.ordinal,
                calls: place.calls,
            });
        }
        let weight = |behind: &Behind| behind.link.as_ref().map_or(Evidence::Created, |link| link.evidence);
        found.sort_by(|a, b| {
            let newest = date(b.session.ended).cmp(&date(a.session.ended));
            weight(a).cmp(&weight(b)).then(newest).then(a.session.n.cmp(&b.session.n)).then(a.ordinal.cmp(&b.ordinal))
        });
        Ok(found)
    }

    /// The session that started a subagent, and so on up.
    fn top_of(&self, row: &SessionRow) -> Result<SessionRow, ArchiveError> {
        let mut top = row.clone();
        for _ in 0..PARENTS_MAX {
            let Some((parent, RelationKind::Subagent)) = &top.parent else { break };
            match self.by_native(top.agent, parent)? {
                Some(parent) if parent.n != row.n => top = parent,
                _ => break,
            }
        }
        Ok(top)
    }

    fn conn(&self) -> &Connection {
        self.db.conn()
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> ArchiveError + use<> {
        let failed = self.db.failed();
        move |error| ArchiveError::Db(failed(error))
    }
}

/// Links for which `condition` holds.
fn links(conn: &Connection, condition: &str, params: &[&dyn ToSql]) -> rusqlite::Result<Vec<Place>> {
    let sql = format!(
        "SELECT session, kind, target, evidence, repo, number, branch, subject, full_sha, supersedes, superseded_by,
                ordinal, idx
         FROM links WHERE {condition}"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_map(params, place)?.collect()
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let kind = match row.get_ref("kind")?.as_str()? {
        "commit" => LinkKind::Commit,
        "push" => LinkKind::Push,
        _ => LinkKind::PullRequest,
    };
    let evidence = match row.get_ref("evidence")?.as_str()? {
        "created" => Evidence::Created,
        "recorded" => Evidence::Recorded,
        "start" => Evidence::Start,
        _ => Evidence::Mentioned,
    };
    let repo: String = row.get("repo")?;
    let number: Option<i64> = row.get("number")?;
    let ordinal = row.get("ordinal")?;
    let link = GitLink {
        kind,
        target: row.get("target")?,
        evidence,
        repo: (!repo.is_empty()).then_some(repo),
        number: number.and_then(|number| u64::try_from(number).ok()),
        branch: row.get("branch")?,
        subject: row.get("subject")?,
        full_sha: row.get("full_sha")?,
        supersedes: row.get("supersedes")?,
        superseded_by: row.get("superseded_by")?,
        ordinal,
        index: row.get("idx")?,
    };
    Ok(Place { session: row.get("session")?, link: Some(link), ordinal, calls: 0 })
}

/// A commit is known by as much of its id as the session showed, and asked for by as much as somebody has at hand.
fn by_commit(conn: &Connection, sha: &str) -> rusqlite::Result<Vec<Place>> {
    if sha.len() < SHA_MIN || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Vec::new());
    }
    let after = format!("{sha}g");
    let mut found = links(
        conn,
        "kind = 'commit' AND (target >= ?1 AND target < ?2 OR full_sha >= ?1 AND full_sha < ?2)",
        &[&sha, &after],
    )?;
    // Where the whole id is known, it has been compared already.
    for len in SHA_MIN..sha.len() {
        let short = "kind = 'commit' AND target = ?1 AND (full_sha IS NULL OR full_sha = '')";
        found.extend(links(conn, short, &[&&sha[..len]])?);
    }
    Ok(found)
}

/// Calls that read or changed a file, one place a session: the first.
fn by_file(conn: &Connection, path: &str) -> rusqlite::Result<Vec<Place>> {
    let mut statement = conn.prepare_cached(
        "SELECT session, MIN(ordinal), COUNT(*) FROM calls
         WHERE file = ?1 OR (?2 AND file IS NOT NULL AND substr(file, -length(?3)) = ?3) GROUP BY session",
    )?;
    let is_end = !path.starts_with('/');
    let places = statement.query_map(params![path, is_end, format!("/{path}")], |row| {
        Ok(Place { session: row.get(0)?, link: None, ordinal: row.get(1)?, calls: row.get(2)? })
    })?;
    places.collect()
}

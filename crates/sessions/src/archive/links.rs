//! Git links as rows.

use carry_kernel::db::rusqlite::{self, Connection, params};

use crate::git_links::{Evidence, GitLink, LinkKind};

const KINDS: [(LinkKind, &str); 3] =
    [(LinkKind::Commit, "commit"), (LinkKind::PullRequest, "pr"), (LinkKind::Push, "push")];

const EVIDENCE: [(Evidence, &str); 4] = [
    (Evidence::Created, "created"),
    (Evidence::Recorded, "recorded"),
    (Evidence::Start, "start"),
    (Evidence::Mentioned, "mentioned"),
];

impl LinkKind {
    /// Its name in the archive and in JSON.
    pub fn as_str(self) -> &'static str {
        name(&KINDS, self)
    }

    /// The kind of this name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        named(&KINDS, text)
    }
}

impl Evidence {
    /// Its name in the archive and in JSON.
    pub fn as_str(self) -> &'static str {
        name(&EVIDENCE, self)
    }

    /// The evidence of this name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        named(&EVIDENCE, text)
    }
}

fn name<T: Copy + PartialEq>(names: &[(T, &'static str)], value: T) -> &'static str {
    names.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
}

fn named<T: Copy>(names: &[(T, &'static str)], text: &str) -> Option<T> {
    names.iter().find(|(_, name)| *name == text).map(|(known, _)| *known)
}

/// The links of a session, in the order in which they were seen.
pub(super) fn load(conn: &Connection, session: i64) -> rusqlite::Result<Vec<GitLink>> {
    let mut query = conn.prepare_cached(
        "SELECT kind, target, evidence, repo, number, branch, subject, full_sha, supersedes, superseded_by, ordinal, idx
         FROM links WHERE session = ?1 ORDER BY place",
    )?;
    let rows = query.query_map([session], |row| {
        let (kind, evidence): (String, String) = (row.get(0)?, row.get(2)?);
        let repo: String = row.get(3)?;
        Ok(GitLink {
            kind: named(&KINDS, &kind).unwrap_or(LinkKind::Commit),
            target: row.get(1)?,
            evidence: named(&EVIDENCE, &evidence).unwrap_or(Evidence::Mentioned),
            repo: (!repo.is_empty()).then_some(repo),
            number: row.get::<_, Option<i64>>(4)?.and_then(|number| u64::try_from(number).ok()),
            branch: row.get(5)?,
            subject: row.get(6)?,
            full_sha: row.get(7)?,
            supersedes: row.get(8)?,
            superseded_by: row.get(9)?,
            ordinal: row.get(10)?,
            index: row.get(11)?,
        })
    })?;
    rows.collect()
}

/// Puts `links` in the place of those the session has.
pub(super) fn save(conn: &Connection, session: i64, links: &[GitLink]) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM links WHERE session = ?1")?.execute([session])?;
    let mut insert = conn.prepare_cached(
        "INSERT OR IGNORE INTO links (session, place, kind, target, evidence, repo, number, branch, subject, full_sha,
         supersedes, superseded_by, ordinal, idx) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    for (place, link) in (0i64..).zip(links) {
        insert.execute(params![
            session,
            place,
            link.kind.as_str(),
            link.target,
            link.evidence.as_str(),
            link.repo.as_deref().unwrap_or_default(),
            link.number.and_then(|number| i64::try_from(number).ok()),
            link.branch,
            link.subject,
            link.full_sha,
            link.supersedes,
            link.superseded_by,
            link.ordinal,
            link.index,
        ])?;
    }
    Ok(())
}

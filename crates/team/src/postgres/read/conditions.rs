//! A filter as SQL.

use carry_kernel::clock::Timestamp;
use carry_sessions::git_links;
use tokio_postgres::types::{ToSql, Type};

use crate::postgres::time::to_server;
use crate::reader::{COMMIT_MIN, Filter};

/// Whether a list leaves a session out: what lies in the trash, subagents, what a program ran, and branches of a conversation
/// (those without a message that counts, of background jobs, and those whose beginning is shared, too).
const HIDDEN: &str = "(s.is_trashed OR s.is_automated OR coalesce(s.relation, '') = 'subagent' \
    OR coalesce(s.relation, '') = 'fork' AND (s.messages = 0 OR coalesce(s.kind, '') = 'bg' OR EXISTS (\
        SELECT 1 FROM sessions p JOIN units pu ON pu.n = p.unit \
        WHERE pu.owner = u.owner AND left(p.native, 200) = left(s.parent, 200) AND p.native = s.parent AND p.agent = s.agent)) \
    OR coalesce(s.relation, '') = 'continuation' AND coalesce(s.kind, '') = 'bg')";

/// A value of a statement.
type Value = Box<dyn ToSql + Sync>;

/// Values of a statement with their types.
pub(in crate::postgres) type Values<'v> = Vec<(&'v (dyn ToSql + Sync), Type)>;

/// Conditions on sessions `s`, units `u` and owners `o`, with their values from `$1` on.
#[derive(Default)]
pub(in crate::postgres) struct Conditions {
    sql: Vec<String>,
    values: Vec<(Value, Type)>,
    shows_all: bool,
}

impl Conditions {
    /// Those of a filter.
    pub(in crate::postgres) fn of(filter: &Filter) -> Self {
        let mut all = Self { shows_all: filter.all, ..Self::default() };
        if let Some(person) = &filter.person {
            let whole = all.text(person);
            let part = all.text(&person.to_lowercase());
            all.sql.push(format!("(o.role::text = {whole} OR strpos(lower(o.person), {part}) > 0)"));
        }
        if let Some(project) = &filter.project {
            let part = all.text(&project.to_lowercase());
            all.sql.push(format!("(strpos(lower(s.project), {part}) > 0 OR strpos(lower(s.project_key), {part}) > 0)"));
        }
        if let Some(agent) = &filter.agent {
            let agent = all.text(agent);
            all.sql.push(format!("s.agent = {agent}"));
        }
        if let Some(commit) = &filter.commit {
            all.commit(&commit.to_ascii_lowercase());
        }
        if let Some(request) = &filter.request {
            all.request(request.trim());
        }
        if let Some(since) = filter.since {
            let since = all.time(since);
            all.sql.push(format!("s.ended >= {since}"));
        }
        if let Some(until) = filter.until {
            let until = all.time(until);
            all.sql.push(format!("s.started < {until}"));
        }
        all
    }

    /// The condition for what is looked for, hidden or not.
    pub(in crate::postgres) fn chosen(&self) -> String {
        if self.sql.is_empty() { "true".to_owned() } else { self.sql.join(" AND ") }
    }

    /// The condition for what is shown.
    pub(in crate::postgres) fn shown(&self) -> String {
        if self.shows_all { self.chosen() } else { format!("{} AND NOT {HIDDEN}", self.chosen()) }
    }

    /// Whether a session is hidden, unless all are shown.
    pub(in crate::postgres) fn hidden(&self) -> &'static str {
        if self.shows_all { "false" } else { HIDDEN }
    }

    /// The values.
    pub(in crate::postgres) fn values(&self) -> Values<'_> {
        self.values.iter().map(|(value, of)| (&**value, of.clone())).collect()
    }

    /// Takes a further condition, made with the place of a text.
    pub(in crate::postgres) fn add(&mut self, text: &str, sql: impl FnOnce(&str) -> String) {
        let place = self.text(text);
        self.sql.push(sql(&place));
    }

    /// Takes a text; says how it is named in SQL.
    fn text(&mut self, text: &str) -> String {
        self.value(without_nul(text), Type::TEXT)
    }

    fn number(&mut self, number: i64) -> String {
        self.value(number, Type::INT8)
    }

    fn time(&mut self, at: Timestamp) -> String {
        self.value(to_server(at), Type::TIMESTAMPTZ)
    }

    fn value(&mut self, value: impl ToSql + Sync + 'static, of: Type) -> String {
        self.values.push((Box::new(value), of));
        format!("${}", self.values.len())
    }

    /// A commit is known by as much of its id as the session showed, and asked for by as much as somebody has at hand.
    fn commit(&mut self, sha: &str) {
        if sha.len() < COMMIT_MIN || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
            self.sql.push("false".to_owned());
            return;
        }
        let lengths = COMMIT_MIN..sha.len();
        let (begins, whole) = (self.text(&format!("{sha}%")), self.text(sha));
        // As the indexes have it. Digits mean nothing to LIKE.
        self.sql.push(format!(
            "s.unit IN (SELECT l.unit FROM links l WHERE l.kind = 'commit' AND (left(l.target, 200) LIKE {begins} \
             OR left(l.full_sha, 64) LIKE {begins} OR l.supersedes LIKE {begins} OR l.superseded_by LIKE {begins} \
             OR coalesce(l.full_sha, '') = '' AND length(l.target) BETWEEN {} AND {} AND starts_with({whole}, l.target)))",
            lengths.start, lengths.end,
        ));
    }

    /// A request by its address, or by its number and maybe its repository.
    fn request(&mut self, said: &str) {
        let condition = match said.rsplit_once('#').map_or(("", said), |(repo, number)| (repo, number)) {
            _ if said.contains("://") => {
                // The address as links have it, without what may follow it.
                let known = git_links::mentions(said, 0).into_iter().next().map(|link| link.target);
                let target = self.text(known.as_deref().unwrap_or_else(|| said.trim_end_matches('/')));
                format!("left(l.target, 200) = left({target}, 200) AND l.target = {target}")
            }
            (repo, number) => match number.parse::<u32>() {
                Ok(number) => {
                    let number = self.number(number.into());
                    let repo = self.text(repo.trim());
                    // Of some links nobody knows the repository.
                    format!("l.number = {number} AND ({repo} = '' OR coalesce(l.repo, '') IN ('', {repo}))")
                }
                Err(_) => "false".to_owned(),
            },
        };
        self.sql.push(format!("s.unit IN (SELECT l.unit FROM links l WHERE l.kind = 'pull_request' AND {condition})"));
    }
}

/// PostgreSQL holds no NUL: what has one is in no store, and the text with another character in its place finds what stands there
/// instead.
pub(in crate::postgres) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

//! Reading what the team has shared.
//!
//! Others wrote it: any text may hold anything, and whoever shows it makes it harmless first. A row that cannot be what it should
//! be is left out and named in [`Page::notes`], or, where a single session was asked for, is an error that names it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::StoredMessage;
use carry_sessions::model::{Role, SessionId};
use carry_sessions::search::Field;

use crate::sink::SinkError;
use crate::unit::SessionHead;

#[cfg(test)]
mod tests;

/// How every permalink begins.
pub const SCHEME: &str = "carry://team/";

/// Sessions that [`Reader::find`] gives at most.
pub const FIND_MAX: usize = 10;

/// Characters that the beginning of an id needs at least.
pub const PREFIX_MIN: usize = 4;

/// Digits that the beginning of a commit's id needs at least.
pub const COMMIT_MIN: usize = 7;

/// Characters of a store's or an owner's name in a permalink, at most.
const NAME_MAX: usize = 64;

/// Which sessions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of this person (a part of the name is enough) or owner.
    pub person: Option<String>,
    /// Of a project: its name, key; a part is enough.
    pub project: Option<String>,
    /// Of an agent.
    pub agent: Option<String>,
    /// That made or mention this commit (7 digits at least).
    pub commit: Option<String>,
    /// That made or mention this pull request: its address, or its number as `host/owner/repo#12` or `#12`.
    pub request: Option<String>,
    /// That went on after.
    pub since: Option<Timestamp>,
    /// That began before.
    pub until: Option<Timestamp>,
    /// Subagents, abandoned forks and automated sessions too, and those in the trash.
    pub all: bool,
    /// At most so many.
    pub limit: usize,
}

/// A session that was shared.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    /// Where it is, for ever.
    pub link: Permalink,
    /// The person who shared it.
    pub person: String,
    /// The device.
    pub device: String,
    /// The session.
    pub head: SessionHead,
    /// When the store last took something of it, by the store's clock.
    pub pushed: Timestamp,
}

/// An address of a session in a store, or of a message in it: `carry://team/<store>/<owner>/<session>[#<ordinal>]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permalink {
    /// The store's own name.
    pub store: String,
    /// The owner.
    pub owner: String,
    /// The session's id.
    pub session: String,
    /// The message.
    pub ordinal: Option<u32>,
}

impl Permalink {
    /// The permalink that `text` is; `None` when it is none, whatever is wrong with it.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(SCHEME)?;
        let (path, ordinal) = match rest.split_once('#') {
            Some((path, ordinal)) => (path, Some(number(ordinal)?)),
            None => (rest, None),
        };
        let mut parts = path.split('/');
        let (store, owner, session) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !is_name(store) || !is_name(owner) || SessionId::parse(session).is_none() {
            return None;
        }
        Some(Self { store: store.to_owned(), owner: owner.to_owned(), session: session.to_owned(), ordinal })
    }
}

impl fmt::Display for Permalink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}/{}", self.store, self.owner, self.session)?;
        self.ordinal.map_or(Ok(()), |ordinal| write!(f, "#{ordinal}"))
    }
}

/// Names of stores and owners are made by stores, of letters and digits.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A number as we write it: digits, none of them too many.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// As [`carry_sessions::search::Query::text`] of kind words.
    pub text: String,
    /// Which sessions.
    pub filter: Filter,
    /// Leave out so many hits, for the next page.
    pub offset: usize,
}

/// A place that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The session; hits of one session have it in common.
    pub session: Arc<Shared>,
    /// The message.
    pub ordinal: u32,
    /// The call in it.
    pub call: Option<u32>,
    /// Where.
    pub field: Field,
    /// Who speaks.
    pub role: Role,
    /// The text around, without line breaks.
    pub snippet: String,
    /// What matches in it, in characters.
    pub highlights: Vec<Range<usize>>,
}

/// Sums over days that a project shares instead of sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedTotals {
    /// The person.
    pub person: String,
    /// The device.
    pub device: String,
    /// The totals.
    pub totals: crate::unit::TotalsHead,
}

/// What is found, and how much more there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The first of them.
    pub items: Vec<T>,
    /// Left out by the limit. Of a search: one when there are more.
    pub more: u64,
    /// Hidden (see [`Filter::all`]).
    pub hidden: u64,
    /// What was left out because it is damaged, and the like, as full sentences.
    pub notes: Vec<String>,
}

/// A store that is read. It is asked for reading only, so that the right to read is enough.
pub trait Reader {
    /// Sessions, newest first, at most [`Filter::limit`], and fewer when they are large.
    ///
    /// # Errors
    /// [`SinkError`].
    fn list(&mut self, filter: &Filter) -> Result<Page<Shared>, SinkError>;

    /// Places that match, newest session first, at most [`Filter::limit`].
    ///
    /// # Errors
    /// [`SinkError`].
    fn search(&mut self, query: &Query) -> Result<Page<Hit>, SinkError>;

    /// The sessions that `spec` (an id, the agent's own id, the beginning of either, or a permalink) could be: at most
    /// [`FIND_MAX`], newest first.
    ///
    /// # Errors
    /// [`SinkError`].
    fn find(&mut self, spec: &str) -> Result<Vec<Shared>, SinkError>;

    /// Messages of a session with their results, from `from` on, at most `limit`, and fewer when they are large; none: there are
    /// no more.
    ///
    /// # Errors
    /// [`SinkError`].
    fn messages(&mut self, link: &Permalink, from: u32, limit: usize) -> Result<Vec<StoredMessage>, SinkError>;

    /// Totals of projects that share no more than these; `since` and `until` choose days (in UTC).
    ///
    /// # Errors
    /// [`SinkError`].
    fn totals(&mut self, filter: &Filter) -> Result<Page<SharedTotals>, SinkError>;
}

//! One session while a unit that speaks of it is read.

use std::collections::{HashMap, HashSet};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};

use super::super::session_state::State;
use super::Tools;
use super::marks::Marks;
use super::rows;
use crate::git_links::{Evidence, GitLink, LinkKind};
use crate::model::{Agent, NativeId, Relation, SessionId, ToolCall};
use crate::source::Op;

mod end;
mod message;
mod received;
mod result;
mod usage;

pub(crate) use received::{ReceivedName, ReceivedSession, Receiver};
use usage::countable;

/// Which unit speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) unit: i64,
    pub(super) is_weak: bool,
}

/// How it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) is_whole: bool,
    pub(super) is_deleted: bool,
    pub(super) now_ms: i64,
}

/// A session that a reading speaks of.
#[derive(Debug)]
pub(super) struct OpenSession {
    state: State,
    /// What the archive had, when a reading begins anew.
    before: Option<Box<State>>,
    id: SessionId,
    /// Rows lie in the archive that may have to be compared.
    has_rows: bool,
    is_whole: bool,
    /// Deleted for good, or another unit's: what is said of it is not written.
    is_ignored: bool,
    /// Deleted for good: nothing of it is kept.
    pub(super) is_deleted: bool,
    /// Other devices' records bring it: links are not looked for.
    is_received: bool,
    /// Whether anything was said that may change the row.
    is_dirty: bool,
    now_ms: i64,
    /// What was said of calls and messages that the session does not have.
    pub(super) strays: u64,
    /// Messages that this reading said.
    said: HashSet<u32>,
    /// How many results each call has, in this reading.
    events: HashMap<(u32, u32), u32>,
    /// Calls of this reading, by the agent's id.
    calls: HashMap<String, (u32, u32)>,
    /// Rows of calls of a session that is new: they need not be looked up.
    new_calls: HashMap<(u32, u32), rows::Call>,
    /// Calls of this reading whose outputs may speak of commits.
    telling: HashMap<(u32, u32), ToolCall>,
    /// Messages of earlier readings whose calls were looked at.
    looked: HashSet<u32>,
    abandoned: Marks,
    usage: HashSet<(String, String)>,
    /// What the other archive's user says, when the unit is another archive's.
    curated: HashSet<(&'static str, String)>,
    is_weak: bool,
    links: Vec<GitLink>,
    /// Counts must be taken anew from the rows.
    recount: bool,
    has_moved: bool,
}

impl OpenSession {
    /// Opens the session of this name, made when new.
    pub(super) fn open(
        conn: &Connection,
        origin: &str,
        agent: Agent,
        native: &NativeId,
        owner: Owner,
        reading: Reading,
    ) -> rusqlite::Result<Self> {
        let known = State::load(conn, origin, agent, native)?;
        let is_other = match known.as_ref().and_then(|state| state.unit).filter(|unit| *unit != owner.unit) {
            Some(other) => !gives_way(conn, other, owner)?,
            None => false,
        };
        let is_new = known.is_none();
        let mut state = known.unwrap_or_default();
        let is_ignored = reading.is_deleted || is_other;
        // A reading of another unit begins anew: what the first one said is compared. So does one of a session that came from
        // another device so far.
        let is_whole = reading.is_whole || (!is_new && state.unit != Some(owner.unit));
        let mut before = None;
        if !is_ignored {
            if is_whole && !is_new {
                before = Some(Box::new(state.clone()));
                state = State { n: state.n, project: state.project, ..State::default() };
            }
            state.unit = Some(owner.unit);
            if is_new {
                state.insert(conn, origin, agent, native, reading.now_ms)?;
            }
        }
        let id = SessionId::new(origin, agent, native);
        Ok(Self {
            before,
            is_whole,
            is_ignored,
            is_deleted: reading.is_deleted,
            is_dirty: is_new || is_whole,
            is_weak: owner.is_weak,
            has_moved: is_whole || is_new,
            ..Self::unsaid(state, id, is_new, reading.now_ms)
        })
    }

    /// A session of which nothing was said yet.
    fn unsaid(state: State, id: SessionId, is_new: bool, now_ms: i64) -> Self {
        Self {
            state,
            before: None,
            id,
            has_rows: !is_new,
            is_whole: false,
            is_ignored: false,
            is_deleted: false,
            is_received: false,
            is_dirty: is_new,
            now_ms,
            strays: 0,
            said: HashSet::new(),
            events: HashMap::new(),
            calls: HashMap::new(),
            new_calls: HashMap::new(),
            telling: HashMap::new(),
            looked: HashSet::new(),
            abandoned: Marks::default(),
            usage: HashSet::new(),
            curated: HashSet::new(),
            is_weak: false,
            links: Vec::new(),
            recount: false,
            has_moved: false,
        }
    }

    /// Whether what is said of it is not written.
    pub(super) fn is_ignored(&self) -> bool {
        self.is_ignored
    }

    pub(super) fn relate(&mut self, relation: Option<Relation>) {
        self.is_dirty |= relation.is_some();
        self.state.relate(relation);
    }

    /// Takes an op; says about how many bytes are held for it.
    pub(super) fn take(
        &mut self,
        conn: &Connection,
        tools: &mut Tools,
        op: Op,
        keeps_reads: bool,
    ) -> rusqlite::Result<usize> {
        if let Op::Curate { field, item, value, at } = &op {
            // A time to come would win over all that is said here from now on.
            let at = at.map(|at| at.min(Timestamp::from_millis(self.now_ms)));
            rows::curate(conn, &self.id, field, item, Some(value), at)?;
            self.curated.insert((field, item.clone()));
            return Ok(0);
        }
        if self.is_ignored {
            return Ok(0);
        }
        self.is_dirty = true;
        match op {
            Op::Facts(facts) => {
                if let Some(sha) = &facts.start_commit {
                    self.links.push(link(LinkKind::Commit, sha.clone(), Evidence::Start, 0));
                }
                self.has_moved |= self.state.learn(*facts);
                Ok(0)
            }
            Op::Message(mut message) => {
                message.usage = message.usage.map(countable);
                self.message(conn, tools, &message)
            }
            Op::Extend { ordinal, blocks, usage } => self.extend(conn, tools, ordinal, blocks, usage.map(countable)),
            Op::Result(result) => self.result(conn, tools, *result, keeps_reads),
            Op::Abandon { ordinals, is_abandoned } => {
                self.abandoned.set(ordinals, is_abandoned);
                Ok(0)
            }
            Op::Usage(mut event) => {
                event.usage = countable(event.usage);
                self.usage(conn, tools, &event)
            }
            Op::PullRequest { url, ordinal } => {
                self.links.push(link(LinkKind::PullRequest, url, Evidence::Recorded, ordinal.unwrap_or(0)));
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// Counts something that belongs to nothing.
    fn stray(&mut self) -> usize {
        self.strays += 1;
        0
    }
}

fn link(kind: LinkKind, target: String, evidence: Evidence, ordinal: u32) -> GitLink {
    GitLink {
        kind,
        target,
        evidence,
        repo: None,
        number: None,
        branch: None,
        subject: None,
        full_sha: None,
        supersedes: None,
        superseded_by: None,
        ordinal,
        index: None,
    }
}

/// Whether the unit that a session came from gives way to another: a weaker one does, and one that is gone.
fn gives_way(conn: &Connection, unit: i64, to: Owner) -> rusqlite::Result<bool> {
    let other: Option<(String, Option<i64>)> = conn
        .prepare_cached("SELECT source, missing_ms FROM units WHERE id = ?1")?
        .query_row(params![unit], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((source, missing)) = other else { return Ok(true) };
    let is_weak = source == super::WEAK_SOURCE;
    Ok(match (is_weak, to.is_weak) {
        (true, false) => true,
        (false, true) => false,
        _ => missing.is_some(),
    })
}

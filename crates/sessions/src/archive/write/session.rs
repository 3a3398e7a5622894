//! One session while a unit that speaks of it is read.

use std::collections::{HashMap, HashSet};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};

use super::super::digest::{message_digest, result_digest, status_number};
use super::super::session_state::{Counted, State};
use super::Tools;
use super::marks::Marks;
use super::rows::{self, Before};
use crate::archive::links;
use crate::git_links::{self, Evidence, GitLink, LinkKind};
use crate::model::{
    Agent, Block, CallRef, Category, Message, NativeId, Relation, ResultEvent, ResultStatus, Role, SessionId, ToolCall,
    Usage, UsageEvent,
};
use crate::price;
use crate::project::{Disk, Repositories as _, normal_remote, project_of};
use crate::source::Op;

mod received;

pub(crate) use received::{ReceivedName, ReceivedSession, Receiver};

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
        Ok(Self {
            id: SessionId::new(origin, agent, native),
            has_rows: !is_new,
            is_whole,
            is_ignored,
            is_deleted: reading.is_deleted,
            is_received: false,
            is_dirty: is_new || is_whole,
            now_ms: reading.now_ms,
            strays: 0,
            state,
            before,
            said: HashSet::new(),
            events: HashMap::new(),
            calls: HashMap::new(),
            new_calls: HashMap::new(),
            telling: HashMap::new(),
            looked: HashSet::new(),
            abandoned: Marks::default(),
            usage: HashSet::new(),
            curated: HashSet::new(),
            is_weak: owner.is_weak,
            links: Vec::new(),
            recount: false,
            has_moved: is_whole || is_new,
        })
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

    fn message(&mut self, conn: &Connection, tools: &mut Tools, message: &Message) -> rusqlite::Result<usize> {
        let n = self.state.n;
        let digest = message_digest(message);
        let before = if self.has_rows || self.said.contains(&message.ordinal) {
            Before::load(conn, n, message.ordinal)?
        } else {
            None
        };
        let was_said = before.is_some() && (!self.is_whole || self.said.contains(&message.ordinal));
        let cost = message.usage.and_then(|usage| cost_of(message.model.as_deref(), &usage));
        if message.is_abandoned {
            self.abandoned.set(message.ordinal..=message.ordinal, true);
        } else if !was_said && self.abandoned.get(message.ordinal) == Some(true) {
            // What was given up was said before this one.
            self.abandoned.set(message.ordinal..=message.ordinal, false);
        }
        if !was_said {
            // Whether it was given up is settled at the end of the reading.
            self.state.count(Counted { is_abandoned: false, ..Counted::of(message, cost) });
        } else if before.as_ref().is_some_and(|before| before.digest == digest) {
            self.note_calls(message, false);
            return Ok(0);
        } else {
            // An answer that was still growing when it was read.
            self.replace(conn, message, cost)?;
        }
        self.said.insert(message.ordinal);
        if let (Some(before), true) = (&before, was_said) {
            self.state.sum.take(message.ordinal, None, &before.digest);
        }
        self.state.sum.add(message.ordinal, None, &digest);
        self.note_calls(message, !was_said);
        self.note_mentions(&message.blocks, message.ordinal);
        if before.as_ref().is_some_and(|before| before.digest == digest) {
            return Ok(0);
        }
        let held = rows::put_message(conn, tools, n, message, &digest, cost, before.as_ref())?;
        if before.is_some() {
            tools.written.updated += 1;
        } else {
            tools.written.inserted += 1;
        }
        Ok(held)
    }

    fn note_calls(&mut self, message: &Message, is_new: bool) {
        if !is_new {
            // The row counts from now on.
            let _ = (0..).find(|index| self.new_calls.remove(&(message.ordinal, *index)).is_none());
        }
        for block in &message.blocks {
            let Block::Call(call) = block else { continue };
            let place = (message.ordinal, call.index);
            if !self.has_rows && is_new {
                self.new_calls.insert(place, rows::Call::new(&call.id, call.category));
            }
            if !call.id.is_empty() && self.is_whole {
                let newest = self.calls.entry(call.id.clone()).or_insert(place);
                *newest = place.max(*newest);
            }
            if self.is_received {
                continue;
            }
            if git_links::is_of_interest(call.category, &call.name, &call.input) {
                self.telling.insert(place, call.clone());
            } else {
                self.telling.remove(&place);
            }
        }
    }

    fn note_mentions(&mut self, blocks: &[Block], ordinal: u32) {
        for block in blocks {
            if let Block::Text(text) = block
                && !self.is_received
                && memchr::memmem::find(text.as_bytes(), b"://").is_some()
            {
                self.links.extend(git_links::mentions(text, ordinal));
            }
        }
    }

    /// Counts something that belongs to nothing.
    fn stray(&mut self) -> usize {
        self.strays += 1;
        0
    }

    fn extend(
        &mut self,
        conn: &Connection,
        tools: &mut Tools,
        ordinal: u32,
        blocks: Vec<Block>,
        usage: Option<Usage>,
    ) -> rusqlite::Result<usize> {
        let n = self.state.n;
        // In a whole reading only what was said counts.
        let found =
            if self.is_whole && !self.said.contains(&ordinal) { None } else { rows::load_message(conn, n, ordinal)? };
        let Some((before, mut message)) = found else { return Ok(self.stray()) };
        self.note_mentions(&blocks, ordinal);
        let mut index = message.blocks.iter().filter(|block| matches!(block, Block::Call(_))).count() as u32;
        let old = message.clone();
        for mut block in blocks {
            if let Block::Call(call) = &mut block {
                call.index = index;
                index += 1;
            }
            message.blocks.push(block);
        }
        message.usage = usage.or(message.usage);
        let digest = message_digest(&message);
        if before.digest == digest {
            return Ok(0);
        }
        self.state.sum.take(ordinal, None, &before.digest);
        self.state.sum.add(ordinal, None, &digest);
        let cost = message.usage.and_then(|usage| cost_of(message.model.as_deref(), &usage));
        // Usage is not a sum of pieces, and a first text may come with this one: unless it only adds, count anew.
        self.recount |= old.is_abandoned || has_other_prompt(&old, &message);
        if old.usage == message.usage && !old.is_abandoned {
            self.state.calls += i64::from(index) - Counted::of(&old, None).calls;
        } else if old.usage.is_none() && !old.is_abandoned {
            self.state.calls += i64::from(index) - Counted::of(&old, None).calls;
            self.state.use_up(message.usage, cost);
        } else {
            self.replace_usage(&old, &message, cost, i64::from(index));
        }
        self.note_calls(&message, false);
        tools.written.updated += 1;
        rows::put_message(conn, tools, n, &message, &digest, cost, Some(&before))
    }

    /// Another message stands in the place of one that was counted.
    fn replace(&mut self, conn: &Connection, message: &Message, cost: Option<u64>) -> rusqlite::Result<()> {
        let Some((_, old)) = rows::load_message(conn, self.state.n, message.ordinal)? else {
            self.recount = true;
            return Ok(());
        };
        let (was, is) = (Counted::of(&old, None), Counted::of(message, None));
        let has_same_place =
            (was.is_user, was.is_system, was.model, was.at_ms) == (is.is_user, is.is_system, is.model, is.at_ms);
        if is.calls < was.calls {
            self.drop_results(conn, message)?;
        }
        if has_same_place && !old.is_abandoned && !has_other_prompt(&old, message) {
            if old.usage.is_none() {
                self.state.calls += is.calls - was.calls;
                self.state.use_up(message.usage, cost);
            } else {
                self.replace_usage(&old, message, cost, is.calls);
                self.recount |= message.usage.is_none();
            }
        } else {
            self.state.time(is.at_ms);
            self.recount = true;
        }
        Ok(())
    }

    /// A message that is said again with fewer calls takes the outputs of the others along.
    fn drop_results(&mut self, conn: &Connection, message: &Message) -> rusqlite::Result<()> {
        let kept = rows::calls_of(message);
        for (index, event, digest) in rows::drop_results(conn, self.state.n, message.ordinal, kept)? {
            let place = (message.ordinal, index);
            if !self.is_whole || self.events.get(&place).is_some_and(|next| event < *next) {
                self.state.sum.take(place.0, Some((index, event)), &digest);
            }
        }
        let ordinal = message.ordinal;
        self.events.retain(|place, _| place.0 != ordinal || place.1 < kept);
        self.recount = true;
        Ok(())
    }

    /// A growing message's usage replaces what was counted for it.
    fn replace_usage(&mut self, old: &Message, new: &Message, cost: Option<u64>, calls: i64) {
        let old_cost = old.usage.and_then(|usage| cost_of(old.model.as_deref(), &usage));
        self.state.calls += calls - Counted::of(old, None).calls;
        let (Some(was), Some(is)) = (old.usage, new.usage) else { return };
        let mut recount = false;
        let mut less = |total: &mut Option<i64>, was: Option<u64>, is: Option<u64>| {
            if was.is_some() || is.is_some() {
                let number = |count: Option<u64>| i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX);
                let (before, after) = (number(was), number(is));
                // A total at its bound, or of nothing that is known, cannot be corrected.
                recount |= is < was || *total == Some(i64::MAX) || after == i64::MAX;
                *total = Some(total.unwrap_or(0).saturating_add(after.saturating_sub(before)));
            }
        };
        less(&mut self.state.input_tokens, was.input, is.input);
        less(&mut self.state.output_tokens, was.output, is.output);
        less(&mut self.state.cache_read_tokens, was.cache_read, is.cache_read);
        less(&mut self.state.cache_write_tokens, was.cache_write, is.cache_write);
        less(&mut self.state.cache_write_tokens, was.cache_write_1h, is.cache_write_1h);
        less(&mut self.state.cost_micros, old_cost, cost);
        // A smaller context than before would have to be looked for in all rows.
        let context = is.context().map(|context| i64::try_from(context).unwrap_or(i64::MAX));
        self.recount |= recount || is.context() < was.context();
        self.state.peak_context = self.state.peak_context.max(context);
    }

    fn result(
        &mut self,
        conn: &Connection,
        tools: &mut Tools,
        mut result: ResultEvent,
        keeps_reads: bool,
    ) -> rusqlite::Result<usize> {
        let n = self.state.n;
        let place = match &result.call {
            // In a whole reading only what was said counts.
            CallRef::At { ordinal, .. } if self.is_whole && !self.said.contains(ordinal) => None,
            CallRef::At { ordinal, index } => Some((*ordinal, *index)),
            CallRef::Id(id) if self.is_whole => self.calls.get(id).copied(),
            CallRef::Id(id) => rows::call_place(conn, n, id)?,
        };
        let found = match place {
            Some(place) => self.call_at(conn, place)?.map(|call| (place, call)),
            None => None,
        };
        let found = match (found, &result.call) {
            // A message said again may have lost the call that bore this id: then an earlier one is meant.
            (found, CallRef::Id(id))
                if self.is_whole && place.is_some() && !found.is_some_and(|(_, call)| call.is_called(id)) =>
            {
                match rows::call_place(conn, n, id)?.filter(|place| self.said.contains(&place.0)) {
                    Some(place) => rows::Call::load(conn, n, place)?.map(|call| (place, call)),
                    None => None,
                }
            }
            (found, _) => found,
        };
        let Some((place, call)) = found else { return Ok(self.stray()) };
        if !keeps_reads && matches!(call.category, Category::Read | Category::Glob) {
            result.content.clear();
            result.images.clear();
        }
        let event = match self.events.get(&place) {
            Some(next) => *next,
            None if self.is_whole => 0,
            None => call.results,
        };
        let after = event.saturating_add(1);
        self.events.insert(place, after);
        let digest = result_digest(&result);
        self.state.sum.add(place.0, Some((place.1, event)), &digest);
        self.state.time(result.at.map(Timestamp::as_millis));
        let before_failed = if self.is_whole && event == 0 { false } else { call.status == 3 };
        let status = if result.status == ResultStatus::Unknown {
            call.status_before(event)
        } else {
            status_number(result.status)
        };
        self.state.failures += i64::from(status == 3) - i64::from(before_failed);
        let before = if self.has_rows { rows::ResultBefore::load(conn, n, place, event)? } else { None };
        self.find_links(conn, &mut tools.disk, place, &result)?;
        if let Some(subagent) = &result.subagent {
            rows::set_subagent(conn, n, place, subagent)?;
        }
        if (call.status, call.results) != (status, after) {
            rows::set_call(conn, n, place, status, after)?;
            if let Some(call) = self.new_calls.get_mut(&place) {
                (call.status, call.results) = (status, after);
            }
        }
        if before.as_ref().is_some_and(|before| before.digest == digest) {
            return Ok(0);
        }
        if before.is_some() {
            tools.written.updated += 1;
        } else {
            tools.written.inserted += 1;
        }
        rows::put_result(conn, tools, n, place, event, &result, &digest, before)
    }

    fn call_at(&self, conn: &Connection, place: (u32, u32)) -> rusqlite::Result<Option<rows::Call>> {
        match self.new_calls.get(&place) {
            Some(call) => Ok(Some(*call)),
            None => rows::Call::load(conn, self.state.n, place),
        }
    }

    fn find_links(
        &mut self,
        conn: &Connection,
        disk: &mut Disk,
        place: (u32, u32),
        result: &ResultEvent,
    ) -> rusqlite::Result<()> {
        // A call of an earlier reading: its message has the input.
        if !self.is_received
            && !self.is_whole
            && !self.said.contains(&place.0)
            && self.looked.insert(place.0)
            && let Some((_, message)) = rows::load_message(conn, self.state.n, place.0)?
        {
            self.note_calls(&message, false);
        }
        if let Some(call) = self.telling.get(&place) {
            let found = evidence(&self.state, disk, call, place, result);
            self.links.extend(found);
        }
        Ok(())
    }

    fn usage(&mut self, conn: &Connection, tools: &mut Tools, event: &UsageEvent) -> rusqlite::Result<usize> {
        let cost = cost_of(event.model.as_deref(), &event.usage);
        let key = (event.source.clone(), event.dedup.clone());
        let is_known = rows::has_usage(conn, self.state.n, event)?;
        if self.usage.contains(&key) || (is_known && !self.is_whole) {
            self.recount = true;
        } else {
            self.state.use_up(Some(event.usage), cost);
            self.state.time(event.at.map(Timestamp::as_millis));
        }
        self.usage.insert(key);
        if rows::put_usage(conn, self.state.n, event, cost)? {
            let count = if is_known { &mut tools.written.updated } else { &mut tools.written.inserted };
            *count += 1;
        }
        Ok(0)
    }

    /// Writes what is known at the end of a reading: rows that were not said again go, counts and digest are saved.
    pub(super) fn end(
        &mut self,
        conn: &Connection,
        tools: &mut Tools,
        is_complete: bool,
        malformed: u64,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        if is_complete && self.is_weak {
            rows::take_back(conn, &self.id, &self.curated)?;
        }
        if self.is_ignored || !self.is_dirty {
            return Ok(());
        }
        let n = self.state.n;
        if is_complete && self.is_whole && self.has_rows {
            let gone = rows::delete_unsaid(conn, n, &self.said, &self.events, &self.usage)?;
            tools.written.deleted += gone;
        }
        let is_cut = self.is_whole && self.has_rows && !is_complete;
        if is_cut {
            // What was not said yet is still there.
            if let Some(before) = self.before.take() {
                self.state.keep(*before);
            }
            self.state.sum = rows::sum(conn, n)?;
            self.recount = true;
        }
        let is_whole = self.is_whole && !is_cut;
        self.apply_abandoned(conn, is_whole)?;
        if self.recount {
            rows::recount(conn, &mut self.state)?;
        }
        if self.has_moved {
            let state = &self.state;
            let (cwd, hint) = (state.cwd.as_deref(), state.project_hint.as_deref());
            let project = project_of(cwd, hint, state.remote.as_deref(), &mut tools.disk);
            self.state.project = Some(rows::project(conn, &project)?);
        }
        self.save_links(conn, is_whole)?;
        if self.state.save(conn, i64::try_from(malformed).unwrap_or(i64::MAX), now_ms)? {
            tools.written.sessions += 1;
        }
        Ok(())
    }

    /// Sets and clears the marks of branches that were given up. In a whole reading, what is not said is not given up.
    fn apply_abandoned(&mut self, conn: &Connection, is_whole: bool) -> rusqlite::Result<()> {
        if self.abandoned.is_empty() && !(is_whole && self.has_rows) {
            return Ok(());
        }
        let marked = rows::abandoned_flags(conn, self.state.n, self.abandoned.stretches(), is_whole)?;
        for (ordinal, was) in marked {
            let is = self.abandoned.get(ordinal).unwrap_or(if is_whole { false } else { was });
            if is != was {
                rows::set_abandoned(conn, self.state.n, ordinal, is)?;
            }
            match (is_whole, was, is) {
                // A whole reading began with an empty sum.
                (true, _, true) | (false, false, true) => self.state.sum.add_abandoned(ordinal),
                (false, true, false) => self.state.sum.take_abandoned(ordinal),
                _ => {}
            }
            self.recount |= is != was || (is_whole && is);
        }
        Ok(())
    }

    fn save_links(&mut self, conn: &Connection, is_whole: bool) -> rusqlite::Result<()> {
        if self.links.is_empty() && !(is_whole && self.has_rows) {
            return Ok(());
        }
        let before = if self.has_rows { links::load(conn, self.state.n)? } else { Vec::new() };
        let mut now = if is_whole { Vec::new() } else { before.clone() };
        git_links::fold(&mut now, std::mem::take(&mut self.links));
        // A repository that is gone from the disk meanwhile is still the one that it was.
        for link in now.iter_mut().filter(|link| link.repo.is_none() && link.kind != LinkKind::PullRequest) {
            let same = |known: &&GitLink| (known.kind, &known.target) == (link.kind, &link.target);
            link.repo = before.iter().find(same).and_then(|known| known.repo.clone());
        }
        if now != before {
            links::save(conn, self.state.n, &now)?;
        }
        Ok(())
    }
}

/// What an output says about commits and requests, with the repository in which its call worked.
fn evidence(state: &State, disk: &mut Disk, call: &ToolCall, place: (u32, u32), result: &ResultEvent) -> Vec<GitLink> {
    let cwd = state.cwd.as_deref();
    let mut links = git_links::evidence_of(call, result, place.0, cwd);
    if links.iter().any(|link| link.repo.is_none()) {
        let around =
            git_links::directory_of(call, cwd).and_then(|folder| disk.around(&folder)).and_then(|(_, remote)| remote);
        let repo = around.or_else(|| state.remote.clone()).as_deref().and_then(normal_remote);
        links.iter_mut().filter(|link| link.repo.is_none()).for_each(|link| link.repo.clone_from(&repo));
    }
    links
}

/// Counts as rows can hold them.
fn countable(mut usage: Usage) -> Usage {
    let counts = [
        &mut usage.input,
        &mut usage.output,
        &mut usage.reasoning,
        &mut usage.cache_read,
        &mut usage.cache_write,
        &mut usage.cache_write_1h,
        &mut usage.cost_micros,
    ];
    for count in counts {
        *count = count.map(|count| count.min(i64::MAX as u64));
    }
    usage
}

/// Whether the prompt that a list may show is another now.
fn has_other_prompt(old: &Message, new: &Message) -> bool {
    old.role == Role::User && Counted::of(old, None).prompt != Counted::of(new, None).prompt
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

fn cost_of(model: Option<&str>, usage: &Usage) -> Option<u64> {
    usage.cost_micros.or_else(|| price::cost_micros(model?, usage))
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

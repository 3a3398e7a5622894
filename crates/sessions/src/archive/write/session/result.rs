//! What calls put out, and what that says about commits and requests.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection};

use super::super::Tools;
use super::super::rows;
use super::OpenSession;
use crate::archive::digest::{result_digest, status_number};
use crate::archive::session_state::State;
use crate::git_links::{self, GitLink};
use crate::model::{CallRef, Category, ResultEvent, ResultStatus, ToolCall};
use crate::project::{Disk, Repositories as _, normal_remote};

impl OpenSession {
    pub(super) fn result(
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

//! The end of a reading: rows that were not said again go, marks, links, counts and digest are saved.

use carry_kernel::db::rusqlite::{self, Connection};

use super::super::Tools;
use super::super::rows;
use super::OpenSession;
use crate::archive::links;
use crate::git_links::{self, GitLink, LinkKind};
use crate::project::project_of;

impl OpenSession {
    /// Writes what is known at the end of a reading: rows that were not said again go, counts and digest are saved.
    pub(in super::super) fn end(
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

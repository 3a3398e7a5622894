//! Telling others how the workers are: their rows on the status board.

use std::collections::BTreeSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::worker::Phase;

use super::chores::Daemon;
use super::job::name_of;
use super::link::{self, Link};
use super::slot::Key;

impl Daemon<'_> {
    /// Writes a worker's row. Short cycles are not worth one; `slow` shows one that is not short.
    pub(super) fn publish(&mut self, key: &Key, now: Timestamp, slow: bool) {
        let status = match key {
            Key::Tree(id) => self.jobs.get(id).map(|job| job.status(now)),
            Key::Sessions => Some(self.sessions.status()),
            Key::Remote(name) => self.remotes.status(name),
            Key::Team(name) => self.team.status(name),
            Key::Link(..) => self.slot(key).map(|slot| slot.worker.status()),
        };
        let Some((status, slot)) = status.zip(self.slot(key)) else { return };
        if matches!(status.phase, Phase::Working(_)) {
            let Some(running) = slot.running.as_mut().filter(|running| slow || running.is_shown) else { return };
            running.is_shown = true;
        }
        let row = slot.row.clone();
        let wall = self.ctx.clock.now();
        if let Err(error) = self.board.publish(&row, &status.on_wall_clock(now, wall), std::process::id(), wall) {
            self.complain("a status cannot be published", &error);
        }
    }

    /// Removes a row whose worker is gone.
    pub(super) fn remove_row(&mut self, row: &str) {
        if let Err(error) = self.board.remove(row) {
            self.complain("an old status cannot be removed", &error);
        }
    }

    /// Removes the rows of trees that are not registered any more, and of their links. Those of links that are used stay:
    /// until the remotes are looked up, all of a registered repository count as such.
    pub(super) fn sweep_board(&mut self) {
        let trees = match self.registry.trees() {
            Ok(trees) => trees,
            Err(error) => return self.complain("the registry cannot be read", &error),
        };
        let known: BTreeSet<String> = trees.iter().map(|tree| name_of(&tree.id)).collect();
        let used: BTreeSet<&str> = self.links.values().flat_map(Link::slots).map(|slot| slot.row.as_str()).collect();
        let repositories: BTreeSet<String> = trees.iter().map(|tree| link::repository_of(&tree.common_dir)).collect();
        let is_stale = |row: &str| {
            if link::is_row(row) {
                let may_be_used = repositories.iter().any(|repository| link::is_row_of(row, repository));
                !may_be_used || self.are_links_known && !used.contains(row)
            } else {
                row.starts_with("code/") && !known.contains(row)
            }
        };
        let rows = self.board.rows().unwrap_or_default();
        let stale: Vec<String> = rows.into_iter().map(|row| row.worker).filter(|row| is_stale(row)).collect();
        for row in stale {
            self.remove_row(&row);
        }
    }
}

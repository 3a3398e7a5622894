//! Registering trees, finding them, forgetting them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::types::Type;
use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Params, Row, Transaction};
use carry_kernel::db::{Db, DbError};
use carry_kernel::id::{DeviceId, TreeId};

use super::adopt::{self, Found};
use super::place::{self, Place};
use super::{Added, Presence, Registry, RegistryError, Tree, bytes_of, packs, state};
use crate::history::Line;
use crate::repo::{OpenError, Repo};

const COLUMNS: &str = "id, root, common_dir, added, paused, automatic, dev, ino, born";

impl Registry {
    /// Registers a working tree. `force` allows `home_dir` and `/`.
    ///
    /// A tree that came by itself, or was unwanted, becomes one that the user asked for. One that is not registered but
    /// has lines of `device` in its repository goes on under their id, if it can be told which are its own.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn add(
        &mut self,
        repo: &Repo,
        device: &DeviceId,
        now: Timestamp,
        force: bool,
        home_dir: Option<&Path>,
    ) -> Result<Added, RegistryError> {
        if let Some(what) = guarded(repo.root(), home_dir).filter(|_| !force) {
            return Err(RegistryError::Guarded { path: repo.root().to_owned(), what });
        }
        let new = Candidate::of(repo)?;
        let lines = adopt::lines(repo, device)?;
        let failed = self.db.failed();
        Ok(self.db.write(|tx| {
            tx.execute("UPDATE trees SET automatic = 0 WHERE root = ?", [bytes_of(new.root)]).map_err(&failed)?;
            let added = register(tx, &new, &lines, now, false).map_err(&failed)?;
            tx.execute("DELETE FROM unwanted WHERE root = ?", [bytes_of(new.root)]).map_err(&failed)?;
            if let Added::Moved { tree, .. } = &added {
                tx.execute("UPDATE trees SET automatic = 0 WHERE id = ?", [tree.id.as_str()]).map_err(&failed)?;
            }
            Ok::<_, DbError>(match added {
                Added::Moved { tree, from } => Added::Moved { tree: Tree { automatic: false, ..tree }, from },
                other => other,
            })
        })?)
    }

    /// Registers the linked worktrees of registered repositories that are not known yet; returns the new ones.
    ///
    /// Does nothing when `repo` itself is not registered. The main worktree never comes by itself: it may be the home
    /// directory. One that cannot be opened is passed over; it is looked at again next time.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn add_linked(&mut self, repo: &Repo, device: &DeviceId, now: Timestamp) -> Result<Vec<Tree>, RegistryError> {
        if self.by_root(repo.root())?.is_none() {
            return Ok(Vec::new());
        }
        let mut added = Vec::new();
        for root in repo.other_worktrees() {
            // Opening costs more than looking it up, and the common case is that it is known.
            if self.by_root(&root)?.is_some() {
                continue;
            }
            let linked = match Repo::open(&root) {
                Ok(linked) if linked.common_dir() == repo.common_dir() && linked.git_dir() != repo.common_dir() => {
                    linked
                }
                Ok(_) => continue,
                Err(error) => {
                    tracing::debug!(root = %root.display(), %error, "a linked worktree cannot be opened");
                    continue;
                }
            };
            let new = Candidate::of(&linked)?;
            let lines = adopt::lines(&linked, device)?;
            let failed = self.db.failed();
            let one = self.db.write(|tx| {
                if is_unwanted(tx, &new).map_err(&failed)? {
                    return Ok(None);
                }
                register(tx, &new, &lines, now, true).map(Some).map_err(&failed)
            })?;
            if let Some(Added::New(tree)) = one {
                added.push(tree);
            }
        }
        Ok(added)
    }

    /// All trees, by path.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn trees(&self) -> Result<Vec<Tree>, DbError> {
        let sql = format!("SELECT {COLUMNS} FROM trees ORDER BY root");
        let mut query = self.db.conn().prepare(&sql).map_err(self.db.failed())?;
        let rows = query.query_map([], |row| known(row).map(|known| known.tree));
        rows.and_then(Iterator::collect).map_err(self.db.failed())
    }

    /// The tree whose root is `root`, exactly.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn by_root(&self, root: &Path) -> Result<Option<Tree>, DbError> {
        let sql = format!("SELECT {COLUMNS} FROM trees WHERE root = ?");
        let mut query = self.db.conn().prepare(&sql).map_err(self.db.failed())?;
        let found = query.query_row([bytes_of(root)], |row| known(row).map(|known| known.tree));
        found.optional().map_err(self.db.failed())
    }

    /// Forgets a tree. Its snapshots stay in the repository, and it has them again when it is added again. A linked worktree
    /// that came by itself is remembered as unwanted.
    ///
    /// So is every other one, lest it come back as the linked worktree of a tree that is still registered. That holds for
    /// this folder, not for another that is made at its path later.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove(&mut self, id: &TreeId) -> Result<bool, DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            let run = |sql: &str| tx.execute(sql, [id.as_str()]).map_err(&failed);
            run("INSERT OR REPLACE INTO unwanted (root, dev, ino, born, id, common_dir)
                 SELECT root, dev, ino, born, id, common_dir FROM trees WHERE id = ?")?;
            run("DELETE FROM undo WHERE tree = ?")?;
            Ok(run("DELETE FROM trees WHERE id = ?")? > 0)
        })
    }

    /// Pauses or resumes a tree.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_paused(&mut self, id: &TreeId, paused: bool) -> Result<bool, DbError> {
        change(&mut self.db, "UPDATE trees SET paused = ? WHERE id = ?", (paused, id.as_str()))
    }

    /// Whether the tree is still where it was.
    pub fn presence(&self, tree: &Tree) -> Presence {
        place::presence(tree)
    }
}

/// What may become a registered tree.
pub(super) struct Candidate<'a> {
    pub(super) root: &'a Path,
    pub(super) common_dir: &'a Path,
    pub(super) place: Place,
    pub(super) repo: &'a Repo,
}

impl<'a> Candidate<'a> {
    fn of(repo: &'a Repo) -> Result<Self, OpenError> {
        let root = repo.root();
        let place = Place::of(root).ok_or_else(|| OpenError::Missing { path: root.to_owned() })?;
        Ok(Self { root, common_dir: repo.common_dir(), place, repo })
    }
}

/// A row of the table.
pub(super) struct Known {
    pub(super) tree: Tree,
    pub(super) place: Place,
}

/// Registers `new`: known by its path, or by its folder if that was moved here, or by its `lines`, or new.
fn register(
    tx: &Transaction<'_>,
    new: &Candidate<'_>,
    lines: &[Line],
    now: Timestamp,
    automatic: bool,
) -> Result<Added, Error> {
    let at_root = find(tx, "root = ?", [bytes_of(new.root)])?.into_iter().next();
    if let Some(found) = at_root {
        let replaced = !found.place.is(&new.place);
        let tree = settle(tx, found, new)?;
        if replaced {
            // Another folder, as after a new clone: what was known of the old one's snapshots says nothing of its own.
            state::put(tx, &tree.id, &adopt::state(new.repo, lines, &tree.id))?;
        }
        return Ok(Added::Known(tree));
    }
    // A copy has another folder; a moved one is the same folder, and nothing is left where it was.
    let twins = find(tx, "dev = ? AND ino = ?", (new.place.dev, new.place.ino))?;
    if let Some(found) = twins.into_iter().find(|old| old.place.is(&new.place) && place::is_gone(&old.tree.root)) {
        let from = found.tree.root.clone();
        return Ok(Added::Moved { tree: settle(tx, found, new)?, from });
    }
    let (id, known) = match adopt::find(tx, new, lines, automatic)? {
        Some(Found::Elsewhere(found)) => {
            let from = found.tree.root.clone();
            return Ok(Added::Moved { tree: settle(tx, *found, new)?, from });
        }
        Some(Found::Unregistered(id)) => {
            let state = adopt::state(new.repo, lines, &id);
            (id, Some(state))
        }
        None => (TreeId::random(), None),
    };
    tx.execute("DELETE FROM unwanted WHERE id = ?", [id.as_str()])?;
    let tree = Tree {
        id,
        root: new.root.to_owned(),
        common_dir: new.common_dir.to_owned(),
        added: now,
        paused: false,
        automatic,
    };
    tx.execute(
        &format!("INSERT INTO trees ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        (
            tree.id.as_str(),
            bytes_of(new.root),
            bytes_of(new.common_dir),
            now.as_millis(),
            tree.paused,
            automatic,
            new.place.dev,
            new.place.ino,
            new.place.born,
        ),
    )?;
    if let Some(known) = known {
        state::put(tx, &tree.id, &known)?;
    }
    Ok(Added::New(tree))
}

/// Brings a row up to date with what is there now. Trees that share a git directory which moved go with it.
fn settle(tx: &Transaction<'_>, found: Known, new: &Candidate<'_>) -> Result<Tree, Error> {
    let mut tree = found.tree;
    if tree.common_dir != new.common_dir && place::is_gone(&tree.common_dir) {
        packs::move_store(tx, &tree.common_dir, new.common_dir)?;
    }
    tx.execute(
        "UPDATE trees SET root = ?, common_dir = ?, dev = ?, ino = ?, born = ? WHERE id = ?",
        (bytes_of(new.root), bytes_of(new.common_dir), new.place.dev, new.place.ino, new.place.born, tree.id.as_str()),
    )?;
    new.root.clone_into(&mut tree.root);
    new.common_dir.clone_into(&mut tree.common_dir);
    Ok(tree)
}

fn is_unwanted(tx: &Transaction<'_>, new: &Candidate<'_>) -> Result<bool, Error> {
    let found = tx.query_row("SELECT dev, ino, born FROM unwanted WHERE root = ?", [bytes_of(new.root)], |row| {
        Ok(Place { dev: row.get(0)?, ino: row.get(1)?, born: row.get(2)? })
    });
    Ok(found.optional()?.is_some_and(|place| place.is(&new.place)))
}

pub(super) fn find(tx: &Transaction<'_>, condition: &str, values: impl Params) -> Result<Vec<Known>, Error> {
    tx.prepare(&format!("SELECT {COLUMNS} FROM trees WHERE {condition}"))?.query_map(values, known)?.collect()
}

fn known(row: &Row<'_>) -> Result<Known, Error> {
    let id: String = row.get(0)?;
    let tree = Tree {
        id: id.try_into().map_err(|e| Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))?,
        root: path(row, 1)?,
        common_dir: path(row, 2)?,
        added: Timestamp::from_millis(row.get(3)?),
        paused: row.get(4)?,
        automatic: row.get(5)?,
    };
    Ok(Known { tree, place: Place { dev: row.get(6)?, ino: row.get(7)?, born: row.get(8)? } })
}

fn path(row: &Row<'_>, column: usize) -> Result<PathBuf, Error> {
    row.get(column).map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
}

fn change(db: &mut Db, sql: &str, values: impl Params) -> Result<bool, DbError> {
    let failed = db.failed();
    db.write(|tx| tx.execute(sql, values).map(|n| n > 0).map_err(&failed))
}

/// What `root` is, if it is a place that is rarely meant.
fn guarded(root: &Path, home_dir: Option<&Path>) -> Option<&'static str> {
    // The root of an opened tree has its links resolved; the home directory may be one.
    let is_home = |home: &Path| root == home || std::fs::canonicalize(home).is_ok_and(|home| root == home);
    if root.parent().is_none() {
        Some("the root of the file system")
    } else if home_dir.is_some_and(is_home) {
        Some("your home directory")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;

//! The snapshots around a turn.

use std::path::{Path, PathBuf};

use carry_code::history::{self, HistoryError};
use carry_code::registry::{Registry, Tree};
use carry_code::repo::{OpenError, Repo};
use carry_code::snapshot::Snapshot;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_sessions::archive::{Archive, ArchiveError, SessionRow};

use crate::place::place;
use crate::turns::{Turn, turns};

/// Why nothing can be said about a turn.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] DbError),
    /// The repository cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its snapshots cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The session has no such turn.
    #[error("this session has {turns} turns, no turn {number}")]
    NoTurn {
        /// What was asked for.
        number: u32,
        /// How many there are.
        turns: usize,
    },
    /// Nothing in the turn says when it was.
    #[error("turn {number} has no time")]
    NoTime {
        /// Which.
        number: u32,
    },
    /// The session does not say where it worked.
    #[error("this session does not say in which folder it worked")]
    NoFolder,
    /// No registered working tree holds the folder.
    #[error("no repository that is captured holds {}", cwd.display())]
    NotRegistered {
        /// The folder.
        cwd: PathBuf,
    },
    /// There are no snapshots from around that time.
    #[error("there is no snapshot of {} from turn {number} or before it", root.display())]
    NoSnapshots {
        /// The working tree.
        root: PathBuf,
        /// Which turn.
        number: u32,
    },
}

/// A turn and the snapshots around it. What differs between their trees is what was done in the turn, by whomever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnDiff {
    /// The turn.
    pub turn: Turn,
    /// The working tree.
    pub tree: Tree,
    /// How it was before; the same as `after` when nothing is known to have changed.
    pub before: Snapshot,
    /// How it was after.
    pub after: Snapshot,
    /// Whether snapshots were taken close enough to show this turn and nothing else.
    pub exact: bool,
}

/// The innermost registered working tree that holds `cwd`.
///
/// # Errors
/// [`DbError`].
pub fn tree_around(registry: &Registry, cwd: &Path) -> Result<Option<Tree>, DbError> {
    // Trees are registered by their real path. A folder that is gone is looked for as it was written.
    let real = cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned());
    let around = registry.trees()?.into_iter().filter(|tree| real.starts_with(&tree.root));
    Ok(around.max_by_key(|tree| tree.root.as_os_str().len()))
}

/// The snapshots around turn `number` (from 1) of a session.
///
/// # Errors
/// [`TimelineError`].
pub fn turn_diff(
    registry: &Registry,
    archive: &Archive,
    session: &SessionRow,
    number: u32,
) -> Result<TurnDiff, TimelineError> {
    let turns = turns(archive, session)?;
    let at = number.checked_sub(1).and_then(|at| usize::try_from(at).ok()).filter(|at| *at < turns.len());
    let at = at.ok_or(TimelineError::NoTurn { number, turns: turns.len() })?;
    let turn = turns[at].clone();
    let (Some(started), Some(ended)) = (turn.started, turn.ended) else {
        return Err(TimelineError::NoTime { number });
    };
    let next = turns.get(at + 1).and_then(|next| next.started);
    let cwd = PathBuf::from(session.cwd.as_ref().ok_or(TimelineError::NoFolder)?);
    let tree = tree_around(registry, &cwd)?.ok_or(TimelineError::NotRegistered { cwd })?;
    let repo = Repo::open(&tree.root)?;
    let snapshots = since(history::of_tree(&repo, &tree.id)?, started)?;
    let times: Vec<Timestamp> = snapshots.iter().map(taken).collect();
    let placed = place(&times, started, ended, next)
        .ok_or_else(|| TimelineError::NoSnapshots { root: tree.root.clone(), number })?;
    let [before, after] = [placed.before, placed.after].map(|at| snapshots[at].clone());
    Ok(TurnDiff { turn, tree, before, after, exact: placed.exact })
}

/// The snapshots from the last one up to `started` on, oldest first.
fn since(
    newest_first: impl Iterator<Item = Result<Snapshot, HistoryError>>,
    started: Timestamp,
) -> Result<Vec<Snapshot>, HistoryError> {
    let mut snapshots = Vec::new();
    for snapshot in newest_first {
        let snapshot = snapshot?;
        let is_before = taken(&snapshot) <= started;
        snapshots.push(snapshot);
        if is_before {
            break;
        }
    }
    // Clocks that were set back leave times out of order.
    snapshots.sort_by_key(taken);
    Ok(snapshots)
}

/// When a snapshot was taken, to the millisecond where its stamp follows the clock.
fn taken(snapshot: &Snapshot) -> Timestamp {
    let exact = i64::try_from(snapshot.meta.hlc.wall_ms).map(Timestamp::from_millis);
    exact.ok().filter(|exact| exact.as_secs() == snapshot.time.as_secs()).unwrap_or(snapshot.time)
}

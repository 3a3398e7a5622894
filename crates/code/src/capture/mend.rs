//! The line as a capture finds it: whole, or made whole before anything builds on it.

use std::collections::{HashMap, HashSet};

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::Hlc;

use super::CaptureError;
use crate::git::{self, BStr, ByteSlice as _, ObjectId};
use crate::line::{KEEP, LineName};
use crate::repo::{Repo, is_partial};
use crate::seal::NotASeal;
use crate::snapshot::Snapshot;
use crate::{diff, durable, history, keeper, pack, refs};

/// What a line's ref points at.
pub(super) struct Tip {
    pub(super) keeper: ObjectId,
    pub(super) snapshot: Snapshot,
    /// The keeper before.
    pub(super) before: Option<ObjectId>,
}

impl Tip {
    /// Of the line `name` of the device with this public key; `None` when it has no snapshot.
    pub(super) fn read(
        repo: &Repo,
        gix: &gix::Repository,
        name: &str,
        key: &[u8; 32],
    ) -> Result<Option<Self>, CaptureError> {
        let Some(tip) = refs::read(repo, name)? else { return Ok(None) };
        let keeper = own_keeper(gix, name, key, tip)?;
        let (snapshot, before) = history::keeper(gix, keeper)?;
        if keeper != tip {
            tracing::warn!(name, seal = %tip, "the line was at a seal of ours, as a mirroring fetch leaves it; going on from its keeper");
            refs::update(repo, name, Some(tip), keeper)?;
        }
        Ok(Some(Self { keeper, snapshot, before }))
    }

    /// Whether objects are missing that it may be the first of the line to need. Where much is missing on purpose, in a
    /// partial clone, nobody can tell.
    pub(super) fn is_torn(&self, repo: &Repo, gix: &gix::Repository) -> Result<bool, CaptureError> {
        if is_partial(gix) {
            return Ok(false);
        }
        let named = self.snapshot.meta.head.into_iter().chain(self.snapshot.meta.staged).chain([self.snapshot.tree]);
        let mut needed: Vec<ObjectId> = named.collect();
        if durable::missing(repo, &needed)?.is_empty() {
            let before = match self.before {
                // What is wrong with an older one is not for this to say; then all files are looked for.
                Some(before) => history::keeper(gix, before).ok().map(|(snapshot, _)| snapshot.tree),
                None => match self.snapshot.meta.head {
                    Some(head) => gix.find_commit(head).ok().and_then(|c| Some(c.tree_id().ok()?.detach())),
                    None => None,
                },
            };
            // A tree that is missing makes this fail, as it would make Git fail; so does one that cannot be read now.
            let since = |before| diff::trees(gix, before, Some(self.snapshot.tree), BStr::new(b""));
            let deltas = match since(before).or_else(|_| since(None)) {
                Ok(deltas) => deltas,
                Err(_) if lacks_tree(repo, gix, self.snapshot.tree)? => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            needed =
                deltas.iter().filter_map(|d| d.new).filter(|n| n.0 != diff::mode::SUBMODULE).map(|n| n.1).collect();
        }
        Ok(!durable::missing(repo, &needed)?.is_empty())
    }

    /// Whether somebody may have been told of it: it was made before a look at the tree that ended well. The registry
    /// knows the last one of the tree only, which may have been on another branch.
    pub(super) fn may_be_reported(&self, captured: Option<Timestamp>) -> bool {
        let made = Timestamp::from_millis(i64::try_from(self.snapshot.meta.hlc.wall_ms).unwrap_or(i64::MAX));
        captured.is_some_and(|captured| made < captured)
    }

    /// What stops captures until somebody looks: history is not given up for what others took away.
    pub(super) fn damaged(&self, name: &str) -> CaptureError {
        let source = format!("objects of the snapshot {} are missing", self.snapshot.commit).into();
        CaptureError::Git { what: name.to_owned(), source }
    }

    /// Takes the line back to the keeper before. For a snapshot that nobody was told of, or that is not whole.
    pub(super) fn take_back(&self, repo: &Repo, name: &str) -> Result<(), CaptureError> {
        take_back(repo, name, self.keeper, self.before)
    }
}

/// The keeper that the line's ref, at `tip`, means: itself, or the one below a seal of ours. Nobody else seals our lines.
fn own_keeper(
    gix: &gix::Repository,
    name: &str,
    key: &[u8; 32],
    tip: ObjectId,
) -> Result<ObjectId, history::HistoryError> {
    match history::seal(gix, tip)? {
        None => Ok(tip),
        Some(seal) if seal.key == *key && seal.line.ref_name() == name => Ok(seal.keeper),
        Some(seal) => Err(NotASeal {
            commit: tip,
            problem: format!("it is not ours, or of another line: {}", seal.line.ref_name()),
        }
        .into()),
    }
}

/// Whether a tree, or one below it, is certainly missing.
fn lacks_tree(repo: &Repo, gix: &gix::Repository, tree: ObjectId) -> Result<bool, CaptureError> {
    let (mut next, mut seen) = (vec![tree], HashSet::new());
    while let Some(id) = next.pop() {
        if id.is_empty_tree() || !seen.insert(id) {
            continue;
        }
        match history::entries(gix, id) {
            Ok(entries) => next.extend(entries.iter().filter(|e| e.mode == diff::mode::FOLDER).map(|e| e.id)),
            Err(error) if durable::missing(repo, &[id])?.is_empty() => return Err(error.into()),
            Err(_) => return Ok(true),
        }
    }
    Ok(false)
}

/// Moves the line from `keeper` back to `before`.
pub(super) fn take_back(
    repo: &Repo,
    name: &str,
    keeper: ObjectId,
    before: Option<ObjectId>,
) -> Result<(), CaptureError> {
    tracing::warn!(name, %keeper, "taking back a snapshot that objects are missing from");
    match before {
        Some(before) => refs::update(repo, name, Some(keeper), before).map(drop)?,
        None => refs::delete(repo, name, keeper)?,
    }
    Ok(())
}

/// Makes whole what captures that died, or a disk that lost writes, left of ours in a repository. What cannot be made
/// whole now does not hold up a capture: if that needs it, it fails by itself.
pub(super) fn everything(repo: &Repo) {
    pack::remove_leftovers(&repo.objects_dir());
    if let Err(error) = broken_refs(repo) {
        tracing::warn!(repo = %repo.root().display(), %error, "broken refs could not be made whole");
    }
}

fn broken_refs(repo: &Repo) -> Result<(), CaptureError> {
    let broken = refs::broken(repo)?;
    if broken.is_empty() {
        return Ok(());
    }
    let keepers = keepers(repo)?;
    for found in &broken {
        tracing::warn!(name = found.name, problem = found.problem, "a ref of ours is broken");
        let candidates = match found.name.strip_prefix(KEEP) {
            // These bear the id in their name.
            Some(kept) => kept.rsplit('-').take(1).filter_map(|hex| ObjectId::from_hex(hex.as_bytes()).ok()).collect(),
            None => keepers.get(&found.name).cloned().unwrap_or_default(),
        };
        // What cannot be told of one says nothing about the others; it stays as it is.
        if let Err(error) = refs::repair(repo, found, &candidates) {
            tracing::warn!(name = found.name, %error, "the ref could not be made whole");
        }
    }
    Ok(())
}

/// Puts aside a commit that somebody pointed the line at and that is no keeper of ours, so that the line can go on.
pub(super) fn put_aside(repo: &Repo, gix: &gix::Repository, name: &str, key: &[u8; 32]) -> Result<(), CaptureError> {
    let Some(foreign) = refs::read(repo, name)? else { return Ok(()) };
    // Only what can be read is known to be none of ours.
    match own_keeper(gix, name, key, foreign).and_then(|keeper| history::keeper(gix, keeper)) {
        Err(history::HistoryError::NotASnapshot(_) | history::HistoryError::NotASeal(_)) => {}
        _ => return Ok(()),
    }
    let aside = format!("{KEEP}foreign/{foreign}");
    tracing::warn!(name, aside, "the line points at what is no snapshot of ours; keeping that aside");
    if refs::read(repo, &aside)?.is_none() {
        refs::update(repo, &aside, None, foreign)?;
    }
    match keepers(repo)?.get(name).and_then(|all| all.first()) {
        Some(keeper) => refs::update(repo, name, Some(foreign), *keeper).map(drop)?,
        None => refs::delete(repo, name, foreign)?,
    }
    Ok(())
}

/// Most keepers of one line that are tried, newest first.
const CANDIDATES_MAX: usize = 100;

/// The keepers of all lines that the repository holds, reachable or not: by the name of the line, newest first.
/// Takes as long as listing all objects; for repairs only.
fn keepers(repo: &Repo) -> Result<HashMap<String, Vec<ObjectId>>, CaptureError> {
    let gix = repo.gix();
    let null = ObjectId::null(repo.hash());
    let longest =
        keeper::keeper_bytes(null, null, Some(null), carry_kernel::clock::Timestamp::from_millis(i64::MAX)).len();
    let mut found: HashMap<String, Vec<(Hlc, ObjectId)>> = HashMap::new();
    for id in small_commits(repo, longest)? {
        let snapshot = match history::keeper(&gix, id) {
            Ok((snapshot, _)) => snapshot,
            Err(history::HistoryError::NotASnapshot(_) | history::HistoryError::NotASeal(_)) => continue,
            // Its snapshot is missing, or nobody can tell what the newest keeper is now.
            Err(error) => {
                let parents: Vec<_> = gix
                    .find_commit(id)
                    .map_or_else(|_| vec![id], |commit| commit.parent_ids().map(gix::Id::detach).collect());
                if durable::missing(repo, &parents)?.is_empty() {
                    return Err(error.into());
                }
                continue;
            }
        };
        let meta = &snapshot.meta;
        let line = LineName::new(&meta.device, &meta.tree_id, &meta.branch).ref_name();
        found.entry(line).or_default().push((meta.hlc, id));
    }
    let newest_first = |(line, mut all): (String, Vec<(Hlc, ObjectId)>)| {
        all.sort_by(|a, b| b.cmp(a));
        (line, all.into_iter().take(CANDIDATES_MAX).map(|(_, id)| id).collect())
    };
    Ok(found.into_iter().map(newest_first).collect())
}

/// All commits of at most `bytes`.
fn small_commits(repo: &Repo, bytes: usize) -> Result<Vec<ObjectId>, CaptureError> {
    let failed = |source| CaptureError::Git { what: "the list of all objects".into(), source };
    let output = git::command(repo.root())
        .args(["cat-file", "--batch-all-objects", "--unordered"])
        .arg("--batch-check=%(objecttype) %(objectsize) %(objectname)")
        .output()
        .map_err(|e| failed(e.into()))?;
    if !output.status.success() {
        return Err(failed(output.stderr.trim().to_str_lossy().into_owned().into()));
    }
    let parse = |line: &[u8]| {
        let mut words = line.strip_prefix(b"commit ")?.to_str().ok()?.split(' ');
        let size: usize = words.next()?.parse().ok()?;
        ObjectId::from_hex(words.next()?.as_bytes()).ok().filter(|_| size <= bytes)
    };
    Ok(output.stdout.lines().filter_map(parse).collect())
}

#[cfg(test)]
mod tests;

//! Looking for secrets in all that a push would publish and the remote lacks.
//!
//! Snapshots are looked through from the oldest unpublished one on, each by what it changes. A secret is live from the
//! snapshot that brings it to the one that takes it away. Commits that were not pushed go out with the snapshots, and so
//! does what is staged. Names of files and branches and messages are looked at as well.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::process::Stdio;

use super::due::Due;
use super::{Gathered, is_tracked, unpushed};
use crate::diff::{self, Delta, mode};
use crate::git::{self, BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{self, HistoryError, entry_at};
use crate::remote::{Remote, RemoteError};
use crate::repo::Repo;
use crate::secrets::{self, Finding, PIECE_BYTES};
use crate::seen::Source;
use crate::snapshot::Snapshot;

/// What was found in one line.
#[derive(Debug, Default)]
pub(super) struct Screened {
    /// What the newest snapshot would publish.
    pub(super) live: Vec<Finding>,
    /// Older snapshots that would publish some.
    pub(super) bad: HashSet<ObjectId>,
}

/// Looks through one line.
pub(super) fn line(repo: &Repo, remote: &Remote, due: &Due) -> Result<Screened, RemoteError> {
    let gix = repo.gix();
    let published = due.published().and_then(|commit| history::snapshot(&gix, commit).ok());
    let unpublished = unpublished(&gix, due, published.as_ref())?;
    let mut there = unpushed::There::new(repo, remote, published.as_ref().map(|p| p.commit))?;
    let base = match (&published, unpublished.first().and_then(|oldest| oldest.meta.head)) {
        (Some(published), _) => Some(published.tree),
        (None, Some(head)) if there.has(head)? => Some(tree_of(&gix, head)?),
        _ => None,
    };
    let known = known(&mut there, base, due)?;
    let mut screen = Screen {
        repo,
        gix: &gix,
        there: &mut there,
        live: BTreeMap::new(),
        names: BTreeSet::new(),
        scanned: HashMap::new(),
    };
    let mut screened = Screened::default();
    let mut before = base;
    let mut tip = None;
    for snapshot in &unpublished {
        screen.pass(before, snapshot)?;
        before = Some(snapshot.tree);
        let mut gathered = Gathered::new(repo);
        screen.staged(snapshot, &mut gathered)?;
        gathered.add(screen.live.values().flatten().cloned());
        screen.names.iter().for_each(|path| gathered.path(path.as_bstr()));
        if published.as_ref().is_none_or(|published| published.commit != snapshot.commit) {
            gathered.message(snapshot.commit)?;
        }
        if snapshot.commit == due.tip.commit {
            tip = Some(gathered);
        } else if !gathered.finish(&known, &due.branch, true)?.is_empty() {
            screened.bad.insert(snapshot.commit);
        }
    }
    let heads = |snapshots: &[Snapshot]| -> Vec<ObjectId> {
        let mut heads: Vec<ObjectId> = snapshots.iter().filter_map(|s| s.meta.head).collect();
        heads.sort();
        heads.dedup();
        heads
    };
    let tip_head: Vec<ObjectId> = due.tip.meta.head.into_iter().collect();
    let mut tip = tip.unwrap_or_else(|| Gathered::new(repo));
    there.gather(&tip_head, &[], &mut tip)?;
    let is_branch_known = due.there().is_some() || is_tracked(repo, Some(&remote.name), &due.branch)?;
    screened.live = tip.finish(&known, &due.branch, is_branch_known)?;
    let has_secrets = |heads: &[ObjectId]| -> Result<bool, RemoteError> {
        let mut gathered = Gathered::new(repo);
        there.gather(heads, &tip_head, &mut gathered)?;
        Ok(!gathered.finish(&known, &due.branch, true)?.is_empty())
    };
    let older = heads(&unpublished);
    // What the newest one's commits hold was looked at; most are its ancestors.
    if has_secrets(&older)? {
        for head in older.into_iter().filter(|head| !tip_head.contains(head)) {
            if has_secrets(&[head])? {
                let with = unpublished.iter().filter(|s| s.meta.head == Some(head) && s.commit != due.tip.commit);
                screened.bad.extend(with.map(|s| s.commit));
            }
        }
    }
    Ok(screened)
}

/// What names of files the remote has: those of the snapshot there, and those of the commits on which ours stand.
fn known(there: &mut unpushed::There<'_>, base: Option<ObjectId>, due: &Due) -> Result<Vec<ObjectId>, RemoteError> {
    let mut known: Vec<ObjectId> = base.into_iter().collect();
    match due.tip.meta.head {
        Some(head) if there.has(head)? => known.push(head),
        Some(head) => known.extend(there.boundary(head)?),
        None => {}
    }
    Ok(known)
}

/// The snapshots that the remote lacks, oldest first. The newest is always among them.
fn unpublished(gix: &gix::Repository, due: &Due, published: Option<&Snapshot>) -> Result<Vec<Snapshot>, HistoryError> {
    let own = Source::line(&due.name.device, &due.name.tree);
    // Thinning may have taken the published one; the older ones of what is left are older than it all the same.
    let least = published.filter(|p| p.meta.device == due.name.device).map(|p| p.meta.seen.get(&own));
    let mut found = Vec::new();
    let mut next = Some(due.keeper);
    while let Some(keeper) = next {
        let (snapshot, before) = history::keeper(gix, keeper)?;
        let is_published = published.is_some_and(|p| p.commit == snapshot.commit)
            || least.is_some_and(|least| least > 0 && snapshot.meta.seen.get(&own) <= least);
        if is_published && !found.is_empty() {
            break;
        }
        found.push(snapshot);
        next = before.filter(|_| !is_published);
    }
    found.reverse();
    Ok(found)
}

fn tree_of(gix: &gix::Repository, commit: ObjectId) -> Result<ObjectId, HistoryError> {
    let failed = |e: String| history::cannot_read(&format!("commit {commit}"), gix.path(), e);
    let commit = gix.find_commit(commit).map_err(|e| failed(e.to_string()))?;
    Ok(commit.tree_id().map_err(|e| failed(e.to_string()))?.detach())
}

struct Screen<'a, 'r> {
    repo: &'a Repo,
    gix: &'a gix::Repository,
    there: &'a mut unpushed::There<'r>,
    /// Secrets in the snapshot at hand that the remote lacks, by path.
    live: BTreeMap<BString, Vec<Finding>>,
    /// Paths in it that are new and hold what looks like a secret.
    names: BTreeSet<BString>,
    scanned: HashMap<(BString, ObjectId), Vec<Finding>>,
}

impl Screen<'_, '_> {
    /// Goes on from the tree before to `snapshot`.
    fn pass(&mut self, before: Option<ObjectId>, snapshot: &Snapshot) -> Result<(), RemoteError> {
        for delta in diff::trees(self.gix, before, Some(snapshot.tree), BStr::new(b""))? {
            self.live.remove(&delta.path);
            match (delta.old, delta.new) {
                (_, None) => {
                    self.names.remove(&delta.path);
                }
                (None, _) if has_token(delta.path.as_bstr()) => {
                    self.names.insert(delta.path.clone());
                }
                _ => {}
            }
            let found = self.delta(&delta, snapshot)?;
            if !found.is_empty() {
                self.live.insert(delta.path, found);
            }
        }
        Ok(())
    }

    /// What is staged and differs from the working tree.
    fn staged(&mut self, snapshot: &Snapshot, gathered: &mut Gathered<'_>) -> Result<(), RemoteError> {
        let Some(side) = snapshot.meta.staged else { return Ok(()) };
        gathered.message(side)?;
        let side = tree_of(self.gix, side)?;
        for stage in history::entries(self.gix, side)?.into_iter().filter(|entry| entry.mode == mode::FOLDER) {
            for delta in diff::trees(self.gix, Some(snapshot.tree), Some(stage.id), BStr::new(b""))? {
                gathered.add(self.delta(&delta, snapshot)?);
                if delta.old.is_none() && has_token(delta.path.as_bstr()) {
                    gathered.path(delta.path.as_bstr());
                }
            }
        }
        Ok(())
    }

    /// What a change brings, unless it is what a commit says that the remote has.
    fn delta(&mut self, delta: &Delta, snapshot: &Snapshot) -> Result<Vec<Finding>, RemoteError> {
        let Some((_, id)) = delta.new.filter(|(m, _)| matches!(*m, mode::FILE | mode::EXECUTABLE)) else {
            return Ok(Vec::new());
        };
        let found = self.blob(delta.path.as_bstr(), id)?;
        if let Some(head) = snapshot.meta.head.filter(|_| !found.is_empty())
            && self.there.has(head)?
            && entry_at(self.gix, tree_of(self.gix, head)?, delta.path.as_bstr())?.is_some_and(|entry| entry.1 == id)
        {
            return Ok(Vec::new());
        }
        Ok(found)
    }

    fn blob(&mut self, path: &BStr, id: ObjectId) -> Result<Vec<Finding>, HistoryError> {
        let key = (path.to_owned(), id);
        if let Some(known) = self.scanned.get(&key) {
            return Ok(known.clone());
        }
        let found = scan(self.repo, self.gix, path, id)?;
        self.scanned.insert(key, found.clone());
        Ok(found)
    }
}

fn has_token(path: &BStr) -> bool {
    !secrets::names::tokens(path).is_empty()
}

/// Scans one blob. One that is not here came from a remote, and goes nowhere.
fn scan(repo: &Repo, gix: &gix::Repository, path: &BStr, id: ObjectId) -> Result<Vec<Finding>, HistoryError> {
    match gix.try_find_header(id) {
        Ok(Some(header)) if header.kind() == gix::objs::Kind::Blob => blob(repo, gix, path, id, header.size()),
        _ => Ok(Vec::new()),
    }
}

/// Scans a blob of this size that is here.
pub(super) fn blob(
    repo: &Repo,
    gix: &gix::Repository,
    path: &BStr,
    id: ObjectId,
    size: u64,
) -> Result<Vec<Finding>, HistoryError> {
    if size > PIECE_BYTES as u64 {
        let failed = |e: io::Error| history::cannot_read(&format!("object {id}"), repo.root(), e);
        return large(repo, path, id, size).map_err(failed);
    }
    let blob = history::find_object(gix, id)?;
    Ok(secrets::scan(path, &blob.data))
}

/// Scans a blob that is not to lie in memory as a whole.
fn large(repo: &Repo, path: &BStr, id: ObjectId, size: u64) -> io::Result<Vec<Finding>> {
    let mut command = git::command(repo.root());
    // Git holds what is smaller than this in memory.
    command.args(["-c", "core.bigFileThreshold=1m", "cat-file", "blob", &id.to_string()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let found = match child.stdout.take() {
        Some(mut stdout) => secrets::read(path, size, &mut stdout),
        None => Ok(Vec::new()),
    };
    // This child, which may have more to say than was read.
    let _ = child.kill();
    child.wait()?;
    found
}

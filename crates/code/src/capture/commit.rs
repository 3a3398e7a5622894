//! The second half of a capture: from a tree to a durable snapshot.

use carry_kernel::clock::Timestamp;
use carry_kernel::disk::DiskError;
use carry_kernel::fault;
use carry_kernel::hlc::Hlc;
use carry_kernel::id::DeviceId;

use super::mend;
use super::store::Store;
use super::{CaptureError, Outcome, Report, Request};
use crate::budget::Budget;
use crate::context::Context;
use crate::diff::mode;
use crate::git::{BStr, BString, HashKind, ObjectId};
use crate::line::Branch;
use crate::message;
use crate::pack::{Batch, Kind};
use crate::refs;
use crate::registry::{Registry, Tree};
use crate::repo::{Repo, is_partial};
use crate::seen::{Seen, Source};
use crate::snapshot::{Meta, SKIPPED_MAX, Skipped, Snapshot, State};
use crate::staged::Side;
use crate::{diff, durable, keeper};

/// What a snapshot's and a keeper's commit take, compressed, in bytes.
const COMMITS_BYTES: u64 = 640;

/// Who signs snapshots: the user, or Carry where the user has no identity.
pub(super) struct Author {
    line: Vec<u8>,
}

impl Author {
    pub(super) fn new(repo: &gix::Repository, now: Timestamp) -> Self {
        let mut line = Vec::new();
        match repo.committer() {
            Some(Ok(who)) if !who.name.is_empty() || !who.email.is_empty() => {
                line.extend(sanitised(who.name));
                line.extend_from_slice(b" <");
                line.extend(sanitised(who.email));
                line.push(b'>');
            }
            _ => line.extend_from_slice(b"Carry <carry@localhost>"),
        }
        line.extend_from_slice(format!(" {} +0000", now.as_secs().max(0)).as_bytes());
        Self { line }
    }
}

/// A name without the characters that would end it.
fn sanitised(text: &BStr) -> impl Iterator<Item = u8> + '_ {
    text.iter().copied().filter(|b| !matches!(b, b'<' | b'>' | b'\n' | 0))
}

/// A commit object.
fn commit_bytes(tree: ObjectId, parents: impl IntoIterator<Item = ObjectId>, who: &Author, message: &[u8]) -> Vec<u8> {
    let mut bytes = format!("tree {tree}\n").into_bytes();
    for parent in parents {
        bytes.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    for role in [&b"author "[..], b"committer "] {
        bytes.extend_from_slice(role);
        bytes.extend_from_slice(&who.line);
        bytes.push(b'\n');
    }
    bytes.push(b'\n');
    bytes.extend_from_slice(message);
    bytes
}

/// The side commit that records what is staged.
pub(super) fn side_bytes(side: &Side, head: Option<ObjectId>, who: &Author) -> Vec<u8> {
    commit_bytes(side.tree, head, who, &side.message)
}

/// What the look came to.
pub(super) struct Found {
    pub(super) tree: ObjectId,
    pub(super) side: Option<ObjectId>,
    /// HEAD's commit and its tree.
    pub(super) head: Option<(ObjectId, ObjectId)>,
    pub(super) state: Option<State>,
    pub(super) branch: Branch,
    pub(super) skipped: Vec<Skipped>,
    pub(super) nested: Vec<BString>,
    /// What it has seen, when that is another than what the snapshot before had.
    pub(super) pending: Option<Seen>,
}

impl Found {
    /// Whether it differs from the line's newest snapshot. A HEAD that moved counts: the snapshot then keeps its commits. So
    /// does what was seen meanwhile, and that the snapshot before was made under another identity.
    pub(super) fn is_new(&self, previous: Option<&Snapshot>, device: &DeviceId, hash: HashKind) -> bool {
        match previous {
            Some(p) => {
                self.pending.is_some()
                    || p.meta.device != *device
                    || p.tree != self.tree
                    || p.meta.staged != self.side
                    || p.meta.head != self.head.map(|h| h.0)
                    || p.meta.state != self.state
            }
            None => self.head.is_some() || self.side.is_some() || self.tree != ObjectId::empty_tree(hash),
        }
    }
}

pub(super) struct Committing<'a> {
    pub(super) ctx: &'a Context,
    /// Whose the line is.
    pub(super) device: &'a DeviceId,
    pub(super) tree: &'a Tree,
    pub(super) repo: &'a Repo,
    pub(super) gix: &'a gix::Repository,
    pub(super) request: &'a Request<'a>,
    pub(super) budget: &'a Budget,
    pub(super) who: &'a Author,
    pub(super) line: &'a str,
    pub(super) started: Timestamp,
}

impl Committing<'_> {
    /// Writes everything and moves the line. Returns how many objects vanished meanwhile, if any did: then the capture must be
    /// made again without relying on what is there.
    pub(super) fn commit(
        &self,
        found: &Found,
        previous: Option<&Snapshot>,
        keeper_before: Option<ObjectId>,
        mut store: Store<'_>,
        registry: &mut Registry,
        report: &mut Report,
    ) -> Result<Option<usize>, CaptureError> {
        // Objects that are no commits of ours must be there before the commit names them.
        if found.tree == ObjectId::empty_tree(self.gix.object_hash()) {
            store.put(Kind::Tree, b"");
        }
        let subject = self.describe(found, previous, &mut store)?;
        // The two commits are not made yet; their size hardly varies.
        let framing = Batch::framing_bytes(self.gix.object_hash(), store.batch.len() + 2);
        let bytes = store.batch.bytes() + framing + COMMITS_BYTES;
        if !self.budget.allows(bytes) {
            return Err(self.over_budget());
        }
        let meta = self.meta(found, previous, subject, bytes);
        let parents = found.head.map(|h| h.0).into_iter().chain(found.side);
        let commit = store.put(Kind::Commit, &commit_bytes(found.tree, parents, self.who, &meta.to_message()));
        let time = Timestamp::from_secs(self.started.as_secs().max(0));
        let keeper = store.put(Kind::Commit, &keeper::keeper_bytes(commit, found.tree, keeper_before, time));

        self.may_go_on()?;
        (self.request.progress)("writing", 0, store.batch.len() as u64);
        let reused: Vec<ObjectId> = store.reused.iter().copied().collect();
        let partial_clone = is_partial(self.gix);
        // What cannot be marked as in use (a pack of another user's, a cruft pack) is copied while it is there.
        let mut gone = durable::freshen(self.repo, &reused)?;
        gone.retain(|id| !store.copy(*id));
        if store.rewrites() {
            // What could be written again is in the batch. The rest need not be ours to mark.
            gone = durable::missing(self.repo, &gone)?;
        }
        if !gone.is_empty() && !partial_clone {
            return Ok(Some(gone.len()));
        }
        let objects = self.repo.objects_dir();
        let (written, _keep) = store.batch.write_kept(&objects)?;
        report.bytes_written += written.bytes;
        report.fsyncs += written.fsyncs;
        if let Some(pack) = &written.pack {
            registry.note_pack(self.repo.common_dir(), pack, written.bytes)?;
        }
        // Loose objects of the user's own are on stable storage only if somebody puts them there.
        let head_moved = previous.is_none_or(|p| p.meta.head != found.head.map(|h| h.0));
        let synced = head_moved || durable::any_loose(self.repo, &reused);
        if synced {
            let until = registry.durable_until(self.repo.common_dir())?;
            report.fsyncs += durable::sync_loose_since(self.repo, until.filter(|t| *t <= self.started))?;
        }
        fault::point("capture.written").map_err(DiskError::at("capture", self.repo.root()))?;

        self.may_go_on()?;
        if !(self.request.may_commit)() {
            return Err(CaptureError::Cancelled);
        }
        // Another process may have found meanwhile that another machine writes this line, too.
        self.ctx.refresh_device()?;
        if self.ctx.device.id() != *self.device {
            return Err(CaptureError::Cancelled);
        }
        (self.request.progress)("committing", 0, 0);
        report.fsyncs += refs::update(self.repo, self.line, keeper_before, keeper)?;
        fault::point("capture.moved").map_err(DiskError::at("capture", self.repo.root()))?;

        // Only now that the line holds them are the objects safe; what was collected before is written again.
        (self.request.progress)("verifying", 0, 0);
        let mut needed = reused;
        needed.push(commit);
        needed.push(keeper);
        needed.extend(found.head.into_iter().flat_map(|(commit, tree)| [commit, tree]));
        let gone = durable::missing(self.repo, &needed)?;
        if !gone.is_empty() && (!partial_clone || gone.contains(&commit) || gone.contains(&keeper)) {
            // A line that lacks something would make the user's fetch and gc fail.
            mend::take_back(self.repo, self.line, keeper, keeper_before)?;
            return Ok(Some(gone.len()));
        }
        if synced {
            registry.set_durable_until(self.repo.common_dir(), self.started)?;
        }
        if let Some(used) = &found.pending {
            // Only now: a process that dies before has it counted once more, which changes nothing.
            registry.used_pending_seen(&self.tree.id, &found.branch, used)?;
        }
        report.outcome = Outcome::Captured(Snapshot { commit, tree: found.tree, time, meta });
        fault::point("capture.done").map_err(DiskError::at("capture", self.repo.root()))?;
        Ok(None)
    }

    fn may_go_on(&self) -> Result<(), CaptureError> {
        if self.request.cancel.load(std::sync::atomic::Ordering::Relaxed) {
            Err(CaptureError::Cancelled)
        } else {
            Ok(())
        }
    }

    fn over_budget(&self) -> CaptureError {
        let b = self.budget;
        if b.free < crate::budget::FREE_MIN {
            return CaptureError::DiskFull { free: b.free };
        }
        if b.repository_used.saturating_mul(b.total) >= b.total_used.saturating_mul(b.repository) {
            CaptureError::OverBudget { used: b.repository_used, ceiling: b.repository }
        } else {
            CaptureError::OverBudget { used: b.total_used, ceiling: b.total }
        }
    }

    /// The subject, and on the way which existing objects the new snapshot is the first of ours to rely on.
    fn describe(
        &self,
        found: &Found,
        previous: Option<&Snapshot>,
        store: &mut Store<'_>,
    ) -> Result<String, CaptureError> {
        let before = previous.map(|p| p.tree).or(found.head.map(|h| h.1));
        let deltas = match diff::trees(self.gix, before, Some(found.tree), BStr::new(b"")) {
            Ok(deltas) => deltas,
            // In a clone that lacks trees the difference may be unknown; the snapshot is right all the same.
            Err(_) if is_partial(self.gix) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        for delta in &deltas {
            if let Some((m, id)) = delta.new
                && m != mode::SUBMODULE
            {
                store.rely_on(id);
            }
        }
        let read = &mut |id: &ObjectId| match store.batch.get(id) {
            Some((Kind::Blob, bytes)) => Some(bytes),
            Some(_) => None,
            None => {
                let header = self.gix.try_find_header(*id).ok()??;
                if header.kind() != gix::objs::Kind::Blob || header.size() > message::DIFF_BYTES_MAX {
                    return None;
                }
                Some(self.gix.find_blob(*id).ok()?.take_data())
            }
        };
        Ok(message::subject(&diff::to_changes(&deltas), previous.is_none(), read))
    }

    fn meta(&self, found: &Found, previous: Option<&Snapshot>, subject: String, bytes: u64) -> Meta {
        let own = Source::line(self.device, &self.tree.id);
        let before = previous.map(|p| p.meta.seen.clone()).unwrap_or_default();
        let count = before.get(&own) + 1;
        // After a handoff more was seen than the snapshot before had, after its undo less.
        let mut seen = found.pending.clone().unwrap_or(before);
        seen.set(own, count);
        let skipped: Vec<Skipped> = found.skipped.iter().take(SKIPPED_MAX).cloned().collect();
        Meta {
            subject,
            device: self.device.clone(),
            tree_id: self.tree.id.clone(),
            branch: found.branch.clone(),
            head: found.head.map(|h| h.0),
            staged: found.side,
            hlc: previous.map_or_else(Hlc::default, |p| p.meta.hlc).tick(self.started),
            seen,
            state: found.state,
            skipped_more: (found.skipped.len() - skipped.len()) as u64,
            skipped,
            nested: found.nested.iter().take(SKIPPED_MAX).cloned().collect(),
            bytes,
        }
    }
}

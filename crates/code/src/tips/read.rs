//! From a line to a tip: whose it is, and whether it may be trusted.

use std::sync::Arc;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::device::Device;

use super::{Tip, Trust, Writer, finish};
use crate::context::Context;
use crate::history::{self, HistoryError, Line};
use crate::registry::Registry;
use crate::repo::Repo;
use crate::snapshot::Snapshot;

/// What reading tips of one repository takes.
pub(super) struct Reader {
    gix: gix::Repository,
    device: Arc<Device>,
    registry: Option<Registry>,
}

impl Reader {
    pub(super) fn new(ctx: &Context, repo: &Repo) -> Result<Self, HistoryError> {
        Ok(Self { gix: repo.gix(), device: ctx.device.get(), registry: Registry::open_read_only(&ctx.home)? })
    }

    /// The line's tip, or why it has none that counts.
    pub(super) fn tip(&self, line: &Line) -> Result<Result<Tip, String>, HistoryError> {
        let snapshot = match history::newest(&self.gix, line) {
            Ok(snapshot) => snapshot,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let Some(trust) = self.trust(line)? else {
            return Ok(Err("it is another device's, and not sealed".to_owned()));
        };
        if let Err(problem) = fits(line, &snapshot) {
            return Ok(Err(problem.to_owned()));
        }
        let finished = match (&line.seal, &self.registry) {
            (Some(seal), _) => seal.finished,
            (None, Some(registry)) => finish::is_finished(registry, &self.gix, &snapshot)?,
            (None, None) => false,
        };
        let time = moment(&snapshot);
        let meta = snapshot.meta;
        Ok(Ok(Tip {
            writer: Writer::Carry {
                line: line.name.clone(),
                label: line.seal.as_ref().map_or_else(|| self.device.label().to_owned(), |seal| seal.label.clone()),
                key: line.seal.as_ref().map(|seal| seal.key),
            },
            trust,
            branch: meta.branch,
            commit: snapshot.commit,
            tree: snapshot.tree,
            head: meta.head,
            staged: meta.staged,
            time,
            seen: meta.seen,
            skipped: meta.skipped,
            skipped_more: meta.skipped_more,
            finished,
        }))
    }

    /// `None` for a line that nobody vouches for. A seal's key alone proves nothing: an id holds so little of it that one
    /// that fits can be found. What counts is the key that is known.
    fn trust(&self, line: &Line) -> Result<Option<Trust>, DbError> {
        let device = &line.name.device;
        let Some(seal) = &line.seal else {
            return Ok(self.device.public_key_of(device).map(|_| Trust::Own));
        };
        if let Some(own) = self.device.public_key_of(device) {
            return Ok(Some(if own == seal.key { Trust::Own } else { Trust::Impostor }));
        }
        let known = match &self.registry {
            Some(registry) => registry.device(device.as_str())?,
            None => None,
        };
        Ok(Some(match known {
            Some(known) if known.key.is_some_and(|pinned| pinned != seal.key) => Trust::Impostor,
            Some(known) if known.is_revoked => Trust::Revoked,
            Some(known) if known.key.is_some() && known.approved.is_some() => Trust::Approved,
            _ => Trust::Unknown,
        }))
    }
}

/// Whether a line's newest snapshot is one of that line: a seal vouches for what its writer wrote, not for what others did.
fn fits(line: &Line, snapshot: &Snapshot) -> Result<(), &'static str> {
    let meta = &snapshot.meta;
    if meta.branch.component() != line.name.component || meta.tree_id != line.name.tree {
        return Err("its newest snapshot is of another line");
    }
    match &line.seal {
        // A line of ours goes on under a new id with snapshots that were made under the old one.
        None => Ok(()),
        Some(seal) if seal.branch == meta.branch && meta.device == line.name.device => Ok(()),
        Some(_) => Err("its newest snapshot is not what its seal says"),
    }
}

/// When a snapshot was made, to the millisecond where its stamp agrees with its date: of two made in the same second one is
/// the later. A stamp that runs ahead of the clock that wrote it is not the time.
pub(crate) fn moment(snapshot: &Snapshot) -> Timestamp {
    let stamp = Timestamp::from_millis(i64::try_from(snapshot.meta.hlc.wall_ms).unwrap_or(i64::MAX));
    if stamp.as_secs() == snapshot.time.as_secs() { stamp } else { snapshot.time }
}

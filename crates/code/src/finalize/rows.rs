//! The table that is shown first: whose line, how much is in it, and whether a remote has it.

use std::collections::HashSet;

use super::{Row, commits};
use crate::context::Context;
use crate::diff;
use crate::git::ObjectId;
use crate::handoff::HandoffError;
use crate::history::{HistoryError, cannot_read};
use crate::line::LineName;
use crate::registry::Registry;
use crate::repo::Repo;
use crate::tips::{Tip, Trust, Writer};

/// Largest file of which lines are counted, in bytes.
const COUNTED_BYTES_MAX: u64 = 4 << 20;

/// Makes rows.
pub(super) struct Counter {
    /// The commit that the change will be relative to.
    start: Option<ObjectId>,
    /// What lies on some remote, as far as we know.
    published: HashSet<(LineName, ObjectId)>,
}

impl Counter {
    pub(super) fn new(ctx: &Context, repo: &Repo, start: Option<ObjectId>) -> Result<Self, HandoffError> {
        let mut published = HashSet::new();
        if let Some(registry) = Registry::open_read_only(&ctx.home)? {
            for link in registry.links(repo.common_dir())? {
                let lines = registry.published(repo.common_dir(), &link.url)?;
                published.extend(lines.into_iter().filter_map(|p| Some((p.line, p.snapshot?))));
            }
        }
        Ok(Self { start, published })
    }

    /// The row of a tip, before it is gathered.
    pub(super) fn row(&self, gix: &gix::Repository, tip: Tip) -> Result<Row, HistoryError> {
        let from = commits::tree_of(gix, commits::common(gix, self.start, tip.head))?;
        let deltas = diff::trees(gix, Some(from), Some(tip.tree), "".into())?;
        let (mut added, mut removed) = (0, 0);
        for delta in &deltas {
            let (old, new) = (content(gix, delta.old)?, content(gix, delta.new)?);
            if let (Some(old), Some(new)) = (old, new) {
                let (more, less) = diff::line_counts(&old, &new).unwrap_or_default();
                (added, removed) = (added + more, removed + less);
            }
        }
        let unpublished = match &tip.writer {
            // What is of another device came from a remote.
            Writer::Carry { line, .. } if tip.trust == Trust::Own => {
                !self.published.contains(&(line.clone(), tip.commit))
            }
            _ => false,
        };
        Ok(Row {
            tip,
            files: deltas.len(),
            added,
            removed,
            conflicts: Vec::new(),
            contained: false,
            left_out: false,
            unpublished,
        })
    }
}

/// What is there: nothing, or a file; `None` for what has no lines.
fn content(gix: &gix::Repository, entry: Option<(u32, ObjectId)>) -> Result<Option<Vec<u8>>, HistoryError> {
    let Some((mode, id)) = entry else { return Ok(Some(Vec::new())) };
    if mode == diff::mode::SUBMODULE {
        return Ok(None);
    }
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| cannot_read(&format!("blob {id}"), gix.path(), e);
    if gix.find_header(id).map_err(|e| failed(e.into()))?.size() > COUNTED_BYTES_MAX {
        return Ok(None);
    }
    Ok(Some(gix.find_object(id).map_err(|e| failed(e.into()))?.detach().data))
}

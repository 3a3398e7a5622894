//! How much differs: files, and lines added and removed.

use carry_code::diff;
use carry_code::git::{BStr, ByteSlice as _, ObjectId};
use carry_code::history::{self, HistoryError};
use carry_code::merge::{Entry, Merged};
use carry_code::repo::Repo;
use carry_code::restore::Step;

use crate::text;

/// Largest file of which lines are counted, in bytes: what is shown must not take longer than what is done.
const COUNTED_BYTES_MAX: usize = 1 << 20;

/// What differs. Lines of files that are binary or large are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Files.
    pub(crate) files: usize,
    /// Lines added.
    pub(crate) added: usize,
    /// Lines removed.
    pub(crate) removed: usize,
}

impl Size {
    /// Of the steps of a plan, in a working tree that is as `current` has it. `merged` holds objects not written yet.
    pub(crate) fn of_steps(
        repo: &Repo,
        merged: &Merged,
        current: ObjectId,
        steps: &[Step],
    ) -> Result<Self, HistoryError> {
        let mut all = Self::default();
        for step in steps {
            let one = Self::of_step(repo, merged, current, step)?;
            all = Self { files: all.files + 1, added: all.added + one.added, removed: all.removed + one.removed };
        }
        Ok(all)
    }

    /// Of one step.
    pub(crate) fn of_step(repo: &Repo, merged: &Merged, current: ObjectId, step: &Step) -> Result<Self, HistoryError> {
        let old = history::entry_at(&repo.gix(), current, step.path.as_bstr())?;
        let (old, new) = (content(repo, merged, old), content(repo, merged, step.entry));
        let (added, removed) = match (old, new) {
            (Some(old), Some(new)) if old.len().max(new.len()) <= COUNTED_BYTES_MAX => {
                diff::line_counts(&old, &new).unwrap_or_default()
            }
            _ => (0, 0),
        };
        Ok(Self { files: 1, added, removed })
    }

    /// Of two trees, files alone.
    pub(crate) fn files_between(repo: &Repo, old: ObjectId, new: ObjectId) -> Result<usize, HistoryError> {
        Ok(diff::trees(&repo.gix(), Some(old), Some(new), BStr::new(""))?.len())
    }
}

/// `4 files, +12 -3`.
impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::count(u64::try_from(self.files).unwrap_or(u64::MAX), "file"))?;
        if self.added + self.removed > 0 {
            write!(f, ", +{} -{}", self.added, self.removed)?;
        }
        Ok(())
    }
}

/// The bytes of an entry, nothing of none; `None` when they cannot be had (a submodule's commit lies elsewhere).
pub(crate) fn content(repo: &Repo, merged: &Merged, entry: Option<Entry>) -> Option<Vec<u8>> {
    let Some((mode, id)) = entry else { return Some(Vec::new()) };
    if mode == diff::mode::SUBMODULE {
        return None;
    }
    if let Some((_, bytes)) = merged.objects.get(&id) {
        return Some(bytes);
    }
    repo.gix().find_object(id).ok().map(|found| found.detach().data)
}

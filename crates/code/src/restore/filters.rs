//! From a blob to what a checkout would write: smudge filters, line ends, encodings.

use std::io::{self, Write};
use std::path::PathBuf;

use gix::filter::plumbing::driver::apply::{Delay, MaybeDelayed};
use gix::filter::plumbing::pipeline::convert::ToWorktreeOutcome;
use gix::filter::plumbing::pipeline::convert::to_worktree::Options;
use gix::index::entry::{Flags, Mode, Stat};
use gix::worktree::stack::state::attributes::Source;

use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::repo::Repo;
use crate::restore::{RestoreError, paths};

/// Filters with the attributes that choose among them.
pub(super) struct Filters<'r> {
    pipeline: gix::filter::Pipeline<'r>,
    /// The working tree, if its own attribute files are read.
    root: Option<PathBuf>,
}

impl<'r> Filters<'r> {
    /// With the attributes of the working tree as it is now; those of Git's index where a folder has none.
    pub(super) fn of_worktree(repo: &Repo, gix: &'r gix::Repository) -> Result<Self, RestoreError> {
        let index = gix.index_or_empty().map_err(|e| RestoreError::cannot_read("Git's index", repo, e))?;
        let filters = Self::new(repo, gix, &index, Source::WorktreeThenIdMapping)?;
        Ok(Self { root: Some(repo.root().to_owned()), ..filters })
    }

    /// With the attributes that a snapshot holds: `files` are all its `.gitattributes`.
    pub(super) fn of_snapshot(
        repo: &Repo,
        gix: &'r gix::Repository,
        files: impl Iterator<Item = (BString, ObjectId)>,
    ) -> Result<Self, RestoreError> {
        let mut index = gix::index::State::new(gix.object_hash());
        for (path, id) in files {
            index.dangerously_push_entry(Stat::default(), id, Flags::empty(), Mode::FILE, path.as_bstr());
        }
        index.sort_entries();
        Self::new(repo, gix, &index, Source::IdMapping)
    }

    fn new(
        repo: &Repo,
        gix: &'r gix::Repository,
        index: &gix::index::State,
        source: Source,
    ) -> Result<Self, RestoreError> {
        let failed = |e| RestoreError::cannot_read("attributes and filters", repo, e);
        let attributes = gix.attributes_only(index, source).map_err(failed)?.detach();
        Ok(Self { pipeline: gix::filter::Pipeline::new(gix, attributes).map_err(failed)?, root: None })
    }

    /// Writes what `blob` is in the working tree at `path`.
    pub(super) fn write(&mut self, blob: &[u8], path: &BStr, to: &mut dyn Write) -> io::Result<()> {
        if self.root.as_ref().is_some_and(|root| crate::scan::has_special_rules(root, path, ".gitattributes")) {
            // Reading the attributes would wait for whoever holds the pipe.
            return to.write_all(blob);
        }
        let options = Options { can_delay: Delay::Forbid, ..Options::default() };
        match self.pipeline.convert_to_worktree(blob, path, options).map_err(|e| io::Error::other(e.to_string()))? {
            ToWorktreeOutcome::Unchanged(bytes) | ToWorktreeOutcome::Buffer(bytes) => to.write_all(bytes),
            ToWorktreeOutcome::Process(MaybeDelayed::Immediate(mut output)) => io::copy(&mut output, to).map(drop),
            ToWorktreeOutcome::Process(MaybeDelayed::Delayed(_)) => {
                Err(io::Error::other("its filter wants to answer later"))
            }
        }
    }
}

/// Whether a path is one that attributes are read from.
pub(super) fn is_attributes(path: &BStr, entry_mode: u32) -> bool {
    paths::split(path).1 == ".gitattributes" && entry_mode & 0o170_000 == mode::FILE & 0o170_000
}

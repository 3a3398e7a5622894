//! Two versions of one file, merged: kind, exec bit, text.

use gix::merge::blob::platform::merge::Options;
use gix::merge::blob::{BuiltinDriver, Platform, Resolution, ResourceKind};
use gix::objs::tree::EntryKind;

use super::{Bench, Entry};
use crate::diff::mode;
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, cannot_read};
use crate::pack::Kind;

/// What came of it.
pub(super) enum Content {
    /// One version.
    Merged(Entry),
    /// Two, and both with markers if they are text.
    Conflict(Option<Entry>),
}

/// Merges texts; attributes (`-merge`, `merge=union`) are those of Git's index.
pub(super) struct Texts<'b> {
    bench: &'b mut Bench,
    labels: [&'b str; 3],
    /// Made for the first text that needs merging.
    platform: Option<(Platform, Options)>,
}

impl<'b> Texts<'b> {
    /// `labels` name base, ours and theirs.
    pub(super) fn new(bench: &'b mut Bench, labels: [&'b str; 3]) -> Self {
        Self { bench, labels, platform: None }
    }

    /// Where objects go.
    pub(super) fn bench(&mut self) -> &mut Bench {
        self.bench
    }

    /// Merges two versions of the file at `path`.
    pub(super) fn merge(
        &mut self,
        path: &BString,
        base: Option<Entry>,
        ours: Entry,
        theirs: Entry,
    ) -> Result<Content, HistoryError> {
        if ours == theirs || base == Some(theirs) {
            return Ok(Content::Merged(ours));
        }
        if base == Some(ours) {
            return Ok(Content::Merged(theirs));
        }
        if !is_file(ours.0) || !is_file(theirs.0) {
            return Ok(Content::Conflict(None));
        }
        let base = base.filter(|base| is_file(base.0));
        let merged_mode = one_of(base.map(|b| b.0), ours.0, theirs.0);
        let merged = match one_of(base.map(|b| b.1), ours.1, theirs.1) {
            Some(id) => Some((id, false)),
            None => self.text(path, base.map(|b| b.1), ours.1, theirs.1)?,
        };
        Ok(match (merged_mode, merged) {
            (Some(mode), Some((id, false))) => Content::Merged((mode, id)),
            (mode, merged) => Content::Conflict(merged.map(|(id, _)| (mode.unwrap_or(ours.0), id))),
        })
    }

    /// The merged text, and whether it has markers; `None` when it is no text.
    fn text(
        &mut self,
        path: &BString,
        base: Option<ObjectId>,
        ours: ObjectId,
        theirs: ObjectId,
    ) -> Result<Option<(ObjectId, bool)>, HistoryError> {
        let [ancestor, current, other] = self.labels;
        // In an order of their own first, so that what merges does not depend on the side one stands on.
        let in_order = ours <= theirs;
        let ordered = if in_order { (ours, theirs) } else { (theirs, ours) };
        let labels = if in_order { [ancestor, current, other] } else { [ancestor, other, current] };
        match self.run(path, base, ordered, labels)? {
            Some((bytes, true)) if !in_order => {
                let again = self.run(path, base, (ours, theirs), self.labels)?;
                let bytes = again.map_or(bytes, |(bytes, _)| bytes);
                Ok(Some((self.bench.add(Kind::Blob, &bytes)?, true)))
            }
            Some((bytes, marked)) => Ok(Some((self.bench.add(Kind::Blob, &bytes)?, marked))),
            None => Ok(None),
        }
    }

    fn run(
        &mut self,
        path: &BString,
        base: Option<ObjectId>,
        (ours, theirs): (ObjectId, ObjectId),
        labels: [&str; 3],
    ) -> Result<Option<(Vec<u8>, bool)>, HistoryError> {
        use gix::merge::blob::builtin_driver::text::Labels;
        use gix::merge::blob::platform::builtin_merge::Pick;
        let gix = self.bench.gix();
        let failed = |e: gix::Error| cannot_read(&path.to_str_lossy(), gix.path(), e);
        let (platform, options) = match &mut self.platform {
            Some(known) => known,
            None => {
                let platform = gix.merge_resource_cache(Default::default()).map_err(failed)?;
                self.platform.insert((platform, gix.blob_merge_options().unwrap_or_default()))
            }
        };
        let null = ObjectId::null(gix.object_hash());
        for (id, kind) in [
            (base.unwrap_or(null), ResourceKind::CommonAncestorOrBase),
            (ours, ResourceKind::CurrentOrOurs),
            (theirs, ResourceKind::OtherOrTheirs),
        ] {
            platform.set_resource(id, EntryKind::Blob, path.as_bstr(), kind, &gix.objects).map_err(failed)?;
        }
        let prepared = platform.prepare_merge(&gix.objects, *options).map_err(failed)?;
        let driver = match prepared.configured_driver() {
            Ok(_) => BuiltinDriver::Text,
            Err(builtin) => builtin,
        };
        let [ancestor, current, other] = labels.map(|label| Some(label.into()));
        let mut out = Vec::new();
        let labels = Labels { ancestor, current, other };
        let (pick, resolution) = prepared.builtin_merge(driver, &mut out, &mut Default::default(), labels);
        Ok((pick == Pick::Buffer).then_some((out, resolution == Resolution::Conflict)))
    }
}

/// The value that both have, or that one of them changed.
fn one_of<T: PartialEq>(base: Option<T>, ours: T, theirs: T) -> Option<T> {
    let base = base.as_ref();
    if ours == theirs || base == Some(&theirs) {
        Some(ours)
    } else if base == Some(&ours) {
        Some(theirs)
    } else {
        None
    }
}

/// Whether it is a file, executable or not.
fn is_file(entry_mode: u32) -> bool {
    entry_mode & 0o170_000 == mode::FILE & 0o170_000
}

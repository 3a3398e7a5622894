//! What `undo` has to know of a restore, in the journal's one list of paths.
//!
//! A restore writes files, and with `--staged` entries of the index, which need not be of the same paths: going back must
//! touch neither a file that only had its staging changed, nor what else was staged since. So the paths of the index
//! stand behind those of the files, with a slash in front, which no path from the root begins with.

use carry_code::git::BString;
use carry_code::registry::UndoEntry;

/// What is to be gone back to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Files that were written or deleted.
    pub(crate) files: Vec<BString>,
    /// Files and folders whose staging was changed.
    pub(crate) index: Vec<BString>,
}

impl Touched {
    /// As it stands in the journal.
    pub(crate) fn of(entry: &UndoEntry) -> Self {
        let (index, files): (Vec<BString>, Vec<BString>) =
            entry.paths.iter().cloned().partition(|path| path.starts_with(b"/"));
        let mut index: Vec<BString> = index.iter().map(|path| BString::from(&path.as_slice()[1..])).collect();
        if entry.staged && index.is_empty() {
            index.clone_from(&files);
        }
        Self { files, index }
    }

    /// As it is written to the journal.
    pub(crate) fn into_paths(self) -> Vec<BString> {
        let slashed = |path: &BString| BString::from([b"/", path.as_slice()].concat());
        let index: Vec<BString> = self.index.iter().map(slashed).collect();
        [self.files, index].concat()
    }
}

#[cfg(test)]
mod tests {
    use carry_code::git::ObjectId;
    use carry_kernel::clock::Timestamp;
    use carry_kernel::id::TreeId;

    use super::*;

    #[test]
    fn files_and_index_are_told_apart() {
        let paths = |paths: &[&str]| paths.iter().map(|path| BString::from(*path)).collect::<Vec<_>>();
        for (files, index) in [(&["a", "b/c"][..], &["b", ""][..]), (&[], &["a"]), (&["a"], &[])] {
            let entry = UndoEntry {
                id: 0,
                tree: TreeId::try_from("0123456789ab".to_owned()).unwrap(),
                time: Timestamp::EPOCH,
                what: "restore a".to_owned(),
                before: ObjectId::empty_tree(carry_code::git::HashKind::Sha1),
                paths: Touched { files: paths(files), index: paths(index) }.into_paths(),
                staged: !index.is_empty(),
                handoff: None,
            };
            assert_eq!(Touched::of(&entry), Touched { files: paths(files), index: paths(index) });
        }
    }
}

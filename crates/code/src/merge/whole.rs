//! All files of a merge together: no two may lie at one place, and none where another needs a folder.

use std::collections::{BTreeMap, BTreeSet};

use super::content::Texts;
use super::item::{Item, Outcome, items};
use super::sides::{Side, sides};
use super::{Bench, Conflict};
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, entry_at};
use crate::tree::Edit;

pub(super) fn merge(
    bench: &mut Bench,
    base: ObjectId,
    ours: ObjectId,
    theirs: ObjectId,
    labels: [&str; 3],
) -> Result<(ObjectId, Vec<Conflict>), HistoryError> {
    if ours == theirs || theirs == base {
        return Ok((ours, Vec::new()));
    }
    if ours == base {
        return Ok((theirs, Vec::new()));
    }
    let mut sides = sides(bench.gix(), base, ours, theirs)?;
    let mut texts = Texts::new(bench, labels);
    loop {
        let items = items(&sides);
        let merged: Vec<(Item, Outcome)> = items
            .into_iter()
            .map(|item| item.merge(&mut texts).map(|outcome| (item, outcome)))
            .collect::<Result<_, _>>()?;
        let roots = match clashes(&merged) {
            Clashes::Same(paths) => {
                // Renamed onto what is there: then they are files of their own.
                forget(&mut sides, &merged, |item| item.paths().any(|path| paths.contains(path)));
                continue;
            }
            Clashes::Folders(roots) => roots,
        };
        let below = |path: &BString| roots.iter().any(|root| is_within(path, root.as_bstr()));
        if !roots.is_empty() && forget(&mut sides, &merged, |item| item.paths().any(below)) {
            continue;
        }
        let mut conflicts = Vec::new();
        let mut edits: Vec<Edit> = Vec::new();
        for (item, outcome) in merged.into_iter().filter(|(item, _)| !item.paths().any(below)) {
            edits.extend(item.edits(&outcome));
            if let Outcome::Conflicts(more) = outcome {
                conflicts.extend(more);
            }
        }
        let bench = texts.bench();
        for root in roots {
            let at = |tree| entry_at(bench.gix(), tree, root.as_bstr());
            let (base, ours, theirs) = (at(base)?, at(ours)?, at(theirs)?);
            conflicts.push(Conflict { path: root, base, ours, theirs, marked: None });
        }
        conflicts.sort_by(|a, b| a.path.cmp(&b.path));
        return Ok((bench.edit(ours, &edits)?, conflicts));
    }
}

/// Places that cannot all be had.
enum Clashes {
    /// Paths at which two files want to lie.
    Same(BTreeSet<BString>),
    /// Files that lie where others need a folder; none when all is well.
    Folders(BTreeSet<BString>),
}

fn clashes(merged: &[(Item, Outcome)]) -> Clashes {
    let mut taken: BTreeMap<&BString, usize> = BTreeMap::new();
    for place in merged.iter().flat_map(|(_, outcome)| outcome.places()) {
        *taken.entry(place).or_default() += 1;
    }
    let same: BTreeSet<BString> = taken.iter().filter(|(_, n)| **n > 1).map(|(path, _)| (*path).clone()).collect();
    if !same.is_empty() {
        return Clashes::Same(same);
    }
    let mut roots = BTreeSet::new();
    for path in taken.keys() {
        // The outermost counts.
        let above = path.find_iter("/").map(|at| BString::from(&path[..at]));
        roots.extend(above.into_iter().find(|above| taken.contains_key(above)));
    }
    Clashes::Folders(roots)
}

/// Takes the renames of those items for what they are without: a file gone and a file added. Says whether there were any.
fn forget(sides: &mut [Side; 2], merged: &[(Item, Outcome)], which: impl Fn(&Item) -> bool) -> bool {
    let mut any = false;
    for (item, _) in merged.iter().filter(|(item, _)| which(item)) {
        if let Some((from, _)) = &item.base {
            for side in &mut *sides {
                any |= side.renames.remove(from).is_some();
            }
        }
    }
    any
}

/// Whether `path` is `folder` or lies below it.
fn is_within(path: &BString, folder: &BStr) -> bool {
    path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

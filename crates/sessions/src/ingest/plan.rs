//! Planning: which units to read, and how.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::archive::UnitRow;
use crate::source::{Mode, Stamp, Unit};

/// What planning must know of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: u32,
    /// Whether its units hold many sessions; it then knows itself which of them changed.
    pub is_container: bool,
}

/// One unit to read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which source, by its place in the list.
    pub source: usize,
    /// The unit.
    pub unit: Unit,
    /// How.
    pub mode: Mode,
}

/// What a pass will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rows of units that lie elsewhere now, and where. Each of them is among those to read, too.
    pub moved: Vec<(i64, PathBuf)>,
    /// To read, oldest first.
    pub read: Vec<Reading>,
    /// Rows of units that are gone.
    pub missing: Vec<i64>,
    /// How many are unchanged.
    pub unchanged: usize,
}

/// Which file, whatever its path.
type FileId = (u64, u64);

/// Compares what was found with what is known. Pure.
///
/// `found` holds every unit that was looked for and is there, `readers` the sources that its numbers mean. A known unit that
/// was not found is missing if `listed` says that it would have been. Several paths to one file are one unit: the path that
/// is known, else the first.
///
/// A unit is read as a whole when its source's version grew, its last reading was cut off, its inode or device is another, it
/// shrank, it changed without growing, or its source kept no place to go on from; a container only for the first two reasons
/// and the last. A known file under a new path keeps
/// its row.
pub fn plan(
    found: &[(usize, Unit)],
    known: &[UnitRow],
    readers: &[Reader<'_>],
    listed: &dyn Fn(&UnitRow) -> bool,
) -> Plan {
    let by_path: HashMap<&[u8], usize> = known.iter().enumerate().map(|(at, row)| (bytes(&row.path), at)).collect();
    let there: HashSet<&[u8]> = found.iter().map(|(_, unit)| bytes(&unit.path)).collect();
    // Only what is not known by its path may have moved, so that a pass without news never builds this.
    let mut by_file: Option<HashMap<FileId, usize>> = None;
    let mut plan = Plan::default();
    for (source, unit) in distinct(found, &by_path) {
        let reader = &readers[*source];
        let same_path = by_path.get(bytes(&unit.path)).map(|at| &known[*at]);
        let mode = match same_path {
            Some(row) if row.source == reader.name => how(row, &row.stamp, unit, reader),
            Some(_) => Some(Mode::Whole),
            None => {
                let by_file = by_file.get_or_insert_with(|| absent_by_file(known, &there));
                let before = file_id(&unit.stamp).and_then(|id| by_file.remove(&id)).map(|at| &known[at]);
                match before.filter(|row| row.source == reader.name && may_be_same(row, &unit.stamp)) {
                    Some(row) => {
                        plan.moved.push((row.id, unit.path.clone()));
                        // To move a file changes its change time and nothing else.
                        let then = Stamp { ctime_ns: unit.stamp.ctime_ns, ..row.stamp };
                        Some(how(row, &then, unit, reader).unwrap_or_else(|| goes_on(row)))
                    }
                    None => Some(Mode::Whole),
                }
            }
        };
        match mode {
            Some(mode) => plan.read.push(Reading { source: *source, unit: unit.clone(), mode }),
            None => plan.unchanged += 1,
        }
    }
    let moved: HashSet<i64> = plan.moved.iter().map(|(id, _)| *id).collect();
    let is_gone = |row: &&UnitRow| {
        row.missing.is_none() && !there.contains(bytes(&row.path)) && !moved.contains(&row.id) && listed(row)
    };
    plan.missing = known.iter().filter(is_gone).map(|row| row.id).collect();
    // What has no time of its own comes last: other archives' copies of sessions, after the agents' own files.
    let age = |reading: &Reading| match reading.unit.stamp.mtime_ns {
        0 => i64::MAX,
        mtime_ns => mtime_ns,
    };
    plan.read.sort_by(|a, b| (age(a), &a.unit.path, a.source).cmp(&(age(b), &b.unit.path, b.source)));
    plan
}

/// Paths are compared byte by byte, which is much cheaper than part by part.
fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// `None` where nobody gave an inode: such units are told apart by path alone.
fn file_id(stamp: &Stamp) -> Option<FileId> {
    (stamp.inode != 0).then_some((stamp.device, stamp.inode))
}

/// What was found, each file and each path once.
fn distinct<'a>(
    found: &'a [(usize, Unit)],
    known: &HashMap<&[u8], usize>,
) -> impl Iterator<Item = &'a (usize, Unit)> + use<'a> {
    let mut chosen: HashMap<(usize, FileId), usize> = HashMap::with_capacity(found.len());
    let mut paths: HashSet<&[u8]> = HashSet::with_capacity(found.len());
    let mut is_kept = vec![false; found.len()];
    for (at, (source, unit)) in found.iter().enumerate() {
        if !paths.insert(bytes(&unit.path)) {
            continue;
        }
        let Some(id) = file_id(&unit.stamp) else {
            is_kept[at] = true;
            continue;
        };
        match chosen.get(&(*source, id)).copied() {
            None => {
                chosen.insert((*source, id), at);
                is_kept[at] = true;
            }
            Some(other) => {
                let is_known = |at: usize| known.contains_key(bytes(&found[at].1.path));
                if is_known(at) && !is_known(other) {
                    (is_kept[other], is_kept[at]) = (false, true);
                    chosen.insert((*source, id), at);
                }
            }
        }
    }
    found.iter().enumerate().filter(move |(at, _)| is_kept[*at]).map(|(_, unit)| unit)
}

/// Known units whose path holds nothing now, by file. Of several that were the same file the newest row counts.
fn absent_by_file(known: &[UnitRow], there: &HashSet<&[u8]>) -> HashMap<FileId, usize> {
    let absent = known.iter().enumerate().filter(|(_, row)| !there.contains(bytes(&row.path)));
    absent.filter_map(|(at, row)| Some((file_id(&row.stamp)?, at))).collect()
}

/// Whether a file with the inode of a known one is that file: an inode is given away again when its file is deleted.
fn may_be_same(row: &UnitRow, now: &Stamp) -> bool {
    now.size > row.stamp.size || (now.size == row.stamp.size && now.mtime_ns == row.stamp.mtime_ns)
}

/// How to read a unit that is known and looked like `then`; `None` when nothing about it changed.
fn how(row: &UnitRow, then: &Stamp, unit: &Unit, reader: &Reader<'_>) -> Option<Mode> {
    let now = &unit.stamp;
    if row.version < reader.version || !row.is_complete {
        return Some(Mode::Whole);
    }
    // Device numbers of some file systems change with each boot; all else equal means the same file.
    let is_same = Stamp { device: 0, ..*then } == Stamp { device: 0, ..*now };
    if is_same && row.missing.is_none() && row.error.is_none() {
        return None;
    }
    if row.version > reader.version {
        // A newer program wrote a state that means nothing here.
        return Some(Mode::Whole);
    }
    if reader.is_container || is_same {
        return Some(goes_on(row));
    }
    let is_replaced = (then.inode, then.device) != (now.inode, now.device);
    let has_grown = now.size > then.size;
    let is_touched = (then.mtime_ns, then.ctime_ns) != (now.mtime_ns, now.ctime_ns);
    let is_rewritten = is_replaced || now.size < then.size || (is_touched && !has_grown);
    Some(if is_rewritten { Mode::Whole } else { goes_on(row) })
}

/// Reads what was appended; all of it where the source keeps no place to go on from.
fn goes_on(row: &UnitRow) -> Mode {
    match row.checkpoint.offset {
        0 => Mode::Whole,
        _ => Mode::From(row.checkpoint.clone()),
    }
}

#[cfg(test)]
mod tests;

//! What two sides have seen last.

use std::collections::BTreeMap;

use super::{Bench, Conflict, settle_on, whole};
use crate::context::Context;
use crate::git::{BString, ObjectId};
use crate::history::{self, HistoryError, cannot_read};
use crate::line::Branch;
use crate::merge::Choice;
use crate::pulsar;
use crate::repo::Repo;
use crate::seen::{Relation, Seen};
use crate::snapshot::Snapshot;
use crate::tips::{Tip, Writer};

/// Snapshots of one line that are looked at, from the newest on.
const WALKED_MAX: usize = 10_000;
/// Most snapshots that are merged into one base. With more, the first ones will do: a base that is older than it need be
/// only makes for more conflicts.
const BASES_MAX: usize = 8;
/// How often a base of bases is looked for before the common commit has to do.
const DEPTH_MAX: usize = 4;

/// Something both sides may have seen.
#[derive(Clone, Debug)]
struct Point {
    tree: ObjectId,
    head: Option<ObjectId>,
    seen: Seen,
}

impl From<&Snapshot> for Point {
    fn from(snapshot: &Snapshot) -> Self {
        Self { tree: snapshot.tree, head: snapshot.meta.head, seen: snapshot.meta.seen.clone() }
    }
}

impl From<&Tip> for Point {
    fn from(tip: &Tip) -> Self {
        Self { tree: tip.tree, head: tip.head, seen: tip.seen.clone() }
    }
}

/// Finds the tree that `ours` and `theirs` are merged from.
pub(super) fn find(
    ctx: &Context,
    repo: &Repo,
    bench: &mut Bench,
    ours: &Tip,
    theirs: &Tip,
) -> Result<ObjectId, HistoryError> {
    let mut points = snapshots(repo, &ours.branch)?;
    for (stream, other) in [(theirs, ours), (ours, theirs)] {
        points.extend(shadow(ctx, repo, stream, other)?.map(|point| vec![point]));
    }
    base(bench, &points, &ours.into(), &theirs.into(), 0)
}

/// All snapshots of a branch, by line, newest first. What cannot be read is passed over: without it the base is older.
fn snapshots(repo: &Repo, branch: &Branch) -> Result<Vec<Vec<Point>>, HistoryError> {
    let component = branch.component();
    let mut points = Vec::new();
    for line in history::lines(repo)?.iter().filter(|line| line.name.component == component) {
        let mut of_line = Vec::new();
        for snapshot in history::snapshots(repo, line).take(WALKED_MAX) {
            match snapshot {
                // A component may stand for a long name that was cut.
                Ok(snapshot) if snapshot.meta.branch == *branch => of_line.push(Point::from(&snapshot)),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(line = line.name.ref_name(), %error, "a line cannot be read to its end");
                    break;
                }
            }
        }
        points.push(of_line);
    }
    Ok(points)
}

/// What of git-pulsar's `stream` `other` has seen last, as it was taken over.
fn shadow(ctx: &Context, repo: &Repo, stream: &Tip, other: &Tip) -> Result<Option<Point>, HistoryError> {
    let Writer::Pulsar { .. } = stream.writer else { return Ok(None) };
    let Some(source) = stream.source() else { return Ok(None) };
    let known = other.seen.get(&source);
    // What was seen of a chain that ended is no part of this one.
    if known == 0 {
        return Ok(None);
    }
    let Some(commit) = pulsar::numbered(repo, stream.commit, known)? else { return Ok(None) };
    let tree = pulsar::tree_of(ctx, repo, commit)?;
    Ok(Some(Point { tree, head: None, seen: [(source, known)].into_iter().collect() }))
}

fn base(
    bench: &mut Bench,
    points: &[Vec<Point>],
    a: &Point,
    b: &Point,
    depth: usize,
) -> Result<ObjectId, HistoryError> {
    let common = common_commit(bench.gix(), a.head, b.head);
    let latest = if depth > DEPTH_MAX { Vec::new() } else { latest(points, a, b) };
    let mut latest = latest.into_iter();
    let Some(first) = latest.next() else {
        return match common {
            Some(commit) => tree_of(bench.gix(), commit),
            None => Ok(ObjectId::empty_tree(bench.gix().object_hash())),
        };
    };
    let mut all = Point { tree: brought_to(bench, &first, common)?, ..first };
    for next in latest {
        let tree = brought_to(bench, &next, common)?;
        let below = base(bench, points, &all, &next, depth + 1)?;
        let (merged, conflicts) = whole::merge(bench, below, all.tree, tree, ["", "", ""])?;
        // What these two did not agree on is as it was before them, so that both sides differ from it.
        let merged = settle_as_base(bench, merged, &conflicts)?;
        let head = all.head.filter(|head| next.head == Some(*head));
        all = Point { tree: merged, head, seen: all.seen.union(&next.seen) };
    }
    Ok(all.tree)
}

/// Both have those commits too: what they brought is no change of either side.
fn brought_to(bench: &mut Bench, point: &Point, common: Option<ObjectId>) -> Result<ObjectId, HistoryError> {
    let (Some(commit), Some(head)) = (common, point.head) else { return Ok(point.tree) };
    if commit == head || !descends(bench.gix(), commit, head) {
        return Ok(point.tree);
    }
    let (from, to) = (tree_of(bench.gix(), head)?, tree_of(bench.gix(), commit)?);
    let (merged, _) = whole::merge(bench, from, to, point.tree, ["", "", ""])?;
    Ok(merged)
}

/// Of what both have seen, that which nothing else among it has seen: at most one of each line.
fn latest(points: &[Vec<Point>], a: &Point, b: &Point) -> Vec<Point> {
    let known = |point: &&Point| a.seen.has_seen(&point.seen) && b.seen.has_seen(&point.seen);
    let mut by_seen: BTreeMap<&Seen, &Point> = BTreeMap::new();
    for line in points {
        if let Some(point) = line.iter().find(known) {
            by_seen.entry(&point.seen).or_insert(point);
        }
    }
    let newest = by_seen
        .values()
        .filter(|point| !by_seen.values().any(|other| other.seen.compare(&point.seen) == Relation::Newer));
    newest.take(BASES_MAX).map(|point| (*point).clone()).collect()
}

fn settle_as_base(bench: &mut Bench, tree: ObjectId, conflicts: &[Conflict]) -> Result<ObjectId, HistoryError> {
    // Settled with theirs, which here is what the base has.
    let as_base: Vec<Conflict> = conflicts.iter().map(|c| Conflict { theirs: c.base, ..c.clone() }).collect();
    let choices: Vec<(BString, Choice)> = conflicts.iter().map(|c| (c.path.clone(), Choice::Theirs)).collect();
    settle_on(bench, tree, &as_base, &choices)
}

/// The best commit that both come from.
fn common_commit(gix: &gix::Repository, a: Option<ObjectId>, b: Option<ObjectId>) -> Option<ObjectId> {
    let (a, b) = (a?, b?);
    if a == b {
        return Some(a);
    }
    // A clone need not have all that came before.
    gix.merge_base(a, b).ok().flatten().map(gix::Id::detach)
}

fn descends(gix: &gix::Repository, commit: ObjectId, from: ObjectId) -> bool {
    common_commit(gix, Some(commit), Some(from)) == Some(from)
}

fn tree_of(gix: &gix::Repository, commit: ObjectId) -> Result<ObjectId, HistoryError> {
    let failed = |e: String| cannot_read(&format!("commit {commit}"), gix.path(), e);
    let commit = gix.find_commit(commit).map_err(|e| failed(e.to_string()))?;
    commit.tree_id().map(gix::Id::detach).map_err(|e| failed(e.to_string()))
}

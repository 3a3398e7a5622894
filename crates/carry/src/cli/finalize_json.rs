//! What `finalize` gives to machines. `docs/json.md` describes it.

use carry_code::finalize::{Finalize, Refusal, Row};
use carry_code::git::ObjectId;
use carry_code::snapshot::Snapshot;
use serde::Serialize;

use super::finalize::reason;
use super::push::branch_json;
use super::sync_json::{ConflictJson, WriterJson};
use crate::links::Here;
use crate::text;

/// What would be gathered, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "finalize-plan")]
pub(super) struct FinalizePlanJson<'a> {
    repository: &'a str,
    root: String,
    branch: Option<String>,
    onto: Option<String>,
    lines: Vec<LineJson<'a>>,
    refusals: Vec<RefusalJson>,
}

/// One device's share, for machines.
#[derive(Serialize)]
struct LineJson<'a> {
    device: WriterJson<'a>,
    snapshot: String,
    time: String,
    files: usize,
    added: usize,
    removed: usize,
    conflicts: Vec<ConflictJson>,
    contained: bool,
    left_out: bool,
    published: bool,
}

/// Why not, for machines.
#[derive(Serialize)]
struct RefusalJson {
    code: &'static str,
    problem: String,
    advice: String,
}

impl<'a> FinalizePlanJson<'a> {
    pub(super) fn new(here: &'a Here, plan: &'a Finalize) -> Self {
        Self {
            repository: here.tree.id.as_str(),
            root: text::json_file(&here.tree.root),
            branch: branch_json(&plan.branch),
            onto: branch_json(&plan.target),
            lines: plan.rows.iter().map(LineJson::new).collect(),
            refusals: plan.refusals.iter().map(RefusalJson::new).collect(),
        }
    }
}

impl<'a> LineJson<'a> {
    fn new(row: &'a Row) -> Self {
        Self {
            device: WriterJson::new(&row.tip),
            snapshot: row.tip.commit.to_string(),
            time: row.tip.time.to_rfc3339(),
            files: row.files,
            added: row.added,
            removed: row.removed,
            conflicts: row.conflicts.iter().map(ConflictJson::new).collect(),
            contained: row.contained,
            left_out: row.left_out,
            published: !row.unpublished,
        }
    }
}

impl RefusalJson {
    fn new(refusal: &Refusal) -> Self {
        let code = match refusal {
            Refusal::Conflicts { .. } => "conflicts",
            Refusal::NotCaptured { .. } => "not-captured",
            Refusal::InProgress { .. } => "in-progress",
            Refusal::Target { .. } => "target-conflicts",
            Refusal::NoTarget { .. } => "no-target",
            Refusal::Nothing => "nothing",
        };
        let (problem, advice) = reason(refusal);
        Self { code, problem, advice }
    }
}

/// What was done, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "finalized")]
pub(super) struct FinalizedJson<'a> {
    repository: &'a str,
    root: String,
    branch: Option<String>,
    onto: Option<String>,
    before: String,
    after: Option<String>,
    commit: Option<String>,
    finished_on: &'a [String],
}

impl<'a> FinalizedJson<'a> {
    pub(super) fn new(
        here: &'a Here,
        plan: &Finalize,
        before: &Snapshot,
        after: Option<&Snapshot>,
        commit: Option<ObjectId>,
        finished_on: &'a [String],
    ) -> Self {
        Self {
            repository: here.tree.id.as_str(),
            root: text::json_file(&here.tree.root),
            branch: branch_json(&plan.branch),
            onto: branch_json(&plan.target),
            before: before.commit.to_string(),
            after: after.map(|after| after.commit.to_string()),
            commit: commit.map(|id| id.to_string()),
            finished_on,
        }
    }
}

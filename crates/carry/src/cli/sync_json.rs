//! What `sync` gives to machines. `docs/json.md` describes it.

use carry_code::handoff::Handoff;
use carry_code::line::Branch;
use carry_code::merge::Conflict;
use carry_code::restore::Plan;
use carry_code::seen::Relation;
use carry_code::snapshot::Snapshot;
use carry_code::tips::{Tip, Writer};
use serde::Serialize;

use super::push::branch_json;
use super::restore_json::{FailedJson, KeptJson, StepJson};
use super::sync::Chosen;
use super::takeover::{self, Carried};
use crate::failure::Failure;
use crate::links::{Here, Known};
use crate::size::Size;
use crate::{text, writers};

/// Whose work it is, for machines.
#[derive(Serialize)]
pub(super) struct WriterJson<'a> {
    id: String,
    label: &'a str,
    kind: &'static str,
    trust: &'static str,
}

impl<'a> WriterJson<'a> {
    pub(super) fn new(tip: &'a Tip) -> Self {
        let kind = match tip.writer {
            Writer::Carry { .. } => "carry",
            Writer::Pulsar { .. } => "git-pulsar",
        };
        Self { id: tip.writer.id(), label: tip.writer.name(), kind, trust: writers::trust(tip.trust) }
    }
}

/// What each side has of a path in conflict, for machines.
#[derive(Serialize)]
pub(super) struct ConflictJson {
    path: String,
    base: Option<String>,
    ours: Option<String>,
    theirs: Option<String>,
}

impl ConflictJson {
    pub(super) fn new(conflict: &Conflict) -> Self {
        let id = |entry: Option<carry_code::merge::Entry>| entry.map(|(_, id)| id.to_string());
        Self {
            path: text::json_path(conflict.path.as_ref()),
            base: id(conflict.base),
            ours: id(conflict.ours),
            theirs: id(conflict.theirs),
        }
    }
}

/// What becomes of HEAD and a branch, for machines.
#[derive(Serialize)]
pub(super) struct HeadJson<'a> {
    r#ref: &'a str,
    old: Option<&'a str>,
    new: &'a str,
}

impl<'a> HeadJson<'a> {
    pub(super) fn new(handoff: &'a Handoff) -> Option<Self> {
        let head = handoff.head.as_ref()?;
        Some(Self { r#ref: &head.branch, old: head.old.as_deref(), new: &head.new })
    }
}

/// What `sync` would do, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "sync-plan")]
pub(super) struct SyncPlanJson<'a> {
    repository: &'a str,
    root: String,
    branch: Option<String>,
    device: WriterJson<'a>,
    snapshot: String,
    time: String,
    relation: &'static str,
    before: String,
    files: Option<usize>,
    added: Option<usize>,
    removed: Option<usize>,
    steps: Option<Vec<StepJson>>,
    conflicts: Vec<ConflictJson>,
    head: Option<HeadJson<'a>>,
    commits_as_changes: u64,
    not_captured: Vec<String>,
    others: &'a [String],
}

impl<'a> SyncPlanJson<'a> {
    pub(super) fn new(
        here: &'a Here,
        chosen: &'a Chosen,
        handoff: &'a Handoff,
        files: Option<&'a Plan>,
    ) -> Result<Self, Failure> {
        let measure = |plan: &Plan| Size::of_steps(&here.repo, &handoff.merged, handoff.current.tree, &plan.steps);
        let size = files.map(measure).transpose()?;
        Ok(Self {
            repository: here.tree.id.as_str(),
            root: text::json_file(&here.tree.root),
            branch: branch_json(&handoff.tip.branch),
            device: WriterJson::new(&chosen.tip),
            snapshot: handoff.tip.commit.to_string(),
            time: handoff.tip.time.to_rfc3339(),
            relation: relation(handoff.relation),
            before: handoff.current.commit.to_string(),
            files: size.map(|size| size.files),
            added: size.map(|size| size.added),
            removed: size.map(|size| size.removed),
            steps: files.map(|plan| plan.steps.iter().map(StepJson::new).collect()),
            conflicts: handoff.merged.conflicts.iter().map(ConflictJson::new).collect(),
            head: HeadJson::new(handoff),
            commits_as_changes: handoff.commits_as_changes,
            not_captured: takeover::paths_json(&handoff.not_captured),
            others: &chosen.others,
        })
    }
}

/// How one snapshot stands to another, in a word.
pub(super) fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Same => "same",
        Relation::Older => "older",
        Relation::Newer => "newer",
        Relation::Diverged => "diverged",
    }
}

/// What `sync` did, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "synced")]
pub(super) struct SyncedJson<'a> {
    repository: &'a str,
    root: String,
    branch: Option<String>,
    outcome: &'static str,
    device: Option<WriterJson<'a>>,
    from: Option<String>,
    before: Option<String>,
    after: Option<String>,
    written: Vec<String>,
    deleted: Vec<String>,
    kept: Vec<KeptJson>,
    failed: Vec<FailedJson>,
    staged_error: Option<&'a str>,
    head_moved: bool,
    known: Vec<KnownJson<'a>>,
}

/// How current what is known of a remote is, for machines.
#[derive(Serialize)]
struct KnownJson<'a> {
    remote: &'a str,
    fetched: Option<String>,
    error: Option<&'a str>,
}

impl<'a> SyncedJson<'a> {
    pub(super) fn up_to_date(here: &'a Here, branch: &Branch, known: &'a [Known]) -> Self {
        let known = known.iter().map(|known| KnownJson {
            remote: &known.remote,
            fetched: known.fetched.map(|at| at.to_rfc3339()),
            error: known.error.as_deref(),
        });
        Self {
            repository: here.tree.id.as_str(),
            root: text::json_file(&here.tree.root),
            branch: branch_json(branch),
            outcome: "up-to-date",
            device: None,
            from: None,
            before: None,
            after: None,
            written: Vec::new(),
            deleted: Vec::new(),
            kept: Vec::new(),
            failed: Vec::new(),
            staged_error: None,
            head_moved: false,
            known: known.collect(),
        }
    }

    pub(super) fn new(here: &'a Here, chosen: &'a Chosen, before: &Snapshot, carried: &'a Carried) -> Self {
        let restored = &carried.done.files;
        Self {
            branch: branch_json(&chosen.tip.branch),
            outcome: if carried.done.finished { "done" } else { "partly" },
            device: Some(WriterJson::new(&chosen.tip)),
            from: Some(chosen.tip.commit.to_string()),
            before: Some(before.commit.to_string()),
            after: carried.after.as_ref().map(|after| after.commit.to_string()),
            written: takeover::paths_json(&restored.written),
            deleted: takeover::paths_json(&restored.deleted),
            kept: restored.kept.iter().map(KeptJson::new).collect(),
            failed: restored.failed.iter().map(FailedJson::new).collect(),
            staged_error: carried.done.staged.as_deref(),
            head_moved: carried.done.head_moved,
            ..Self::up_to_date(here, &chosen.tip.branch, &[])
        }
    }
}

//! What `restore` and `undo` give to machines. `docs/json.md` describes it.

use std::path::PathBuf;

use carry_code::git::{BString, ObjectId};
use carry_code::handoff;
use carry_code::restore::{Action, Plan, Restored, Step};
use serde::Serialize;

use super::restore::{Done, Job};
use crate::text;

/// What was done, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "restored")]
pub(super) struct RestoredJson {
    from: String,
    before: Option<String>,
    written: Vec<String>,
    deleted: Vec<String>,
    kept: Vec<KeptJson>,
    failed: Vec<FailedJson>,
    not_found: Vec<String>,
    submodules: Vec<String>,
    staged: bool,
    staged_error: Option<String>,
}

/// What was moved aside, for machines.
#[derive(Serialize)]
pub(super) struct KeptJson {
    path: String,
    kept_as: String,
}

/// What could not be written, for machines.
#[derive(Serialize)]
pub(super) struct FailedJson {
    path: String,
    error: String,
}

impl KeptJson {
    pub(super) fn new((path, kept): &(BString, PathBuf)) -> Self {
        Self { path: text::json_path(path.as_ref()), kept_as: text::json_file(kept) }
    }
}

impl FailedJson {
    pub(super) fn new((path, why): &(BString, String)) -> Self {
        Self { path: text::json_path(path.as_ref()), error: why.clone() }
    }
}

impl RestoredJson {
    pub(super) fn new(job: &Job<'_>, plan: &Plan, done: &Done) -> Self {
        Self {
            staged: matches!(done.index, Some(Ok(()))),
            staged_error: done.index.as_ref().and_then(|index| index.as_ref().err()).map(ToString::to_string),
            ..Self::of(job.source.commit, Some(job.current.commit), plan, &done.files)
        }
    }

    /// What taking a handoff back did.
    pub(super) fn of_handoff(from: ObjectId, before: ObjectId, plan: &Plan, done: &handoff::Done) -> Self {
        Self {
            staged: done.finished && done.head_stays.is_none(),
            staged_error: done.staged.as_ref().or(done.head_stays.as_ref()).cloned(),
            ..Self::of(from, Some(before), plan, &done.files)
        }
    }

    pub(super) fn of(from: ObjectId, before: Option<ObjectId>, plan: &Plan, restored: &Restored) -> Self {
        let names = |paths: &[BString]| paths.iter().map(|path| text::json_path(path.as_ref())).collect();
        Self {
            from: from.to_string(),
            before: before.map(|id| id.to_string()),
            written: names(&restored.written),
            deleted: names(&restored.deleted),
            kept: restored.kept.iter().map(KeptJson::new).collect(),
            failed: restored.failed.iter().map(FailedJson::new).collect(),
            not_found: names(&plan.not_found),
            submodules: names(&plan.submodules),
            staged: false,
            staged_error: None,
        }
    }
}

/// One step of a plan, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "step")]
pub(super) struct StepJson {
    action: &'static str,
    path: String,
}

impl StepJson {
    /// That a file or folder would be written elsewhere.
    pub(super) fn write(path: &BString) -> Self {
        Self { action: "write", path: text::json_path(path.as_ref()) }
    }
    pub(super) fn new(step: &Step) -> Self {
        let action = match step.action {
            Action::Create => "create",
            Action::Replace => "replace",
            Action::KeepAside => "keep-aside",
            Action::Delete => "delete",
        };
        Self { action, path: text::json_path(step.path.as_ref()) }
    }
}

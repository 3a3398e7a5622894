//! A snapshot as `log`, `show` and `now` give it to machines. `docs/json.md` describes it.

use carry_code::line::Branch;
use carry_code::snapshot::{Skipped, Snapshot};
use serde::Serialize;

use crate::text;

/// One snapshot.
#[derive(Serialize)]
#[serde(tag = "type", rename = "snapshot")]
pub(super) struct SnapshotJson<'a> {
    commit: String,
    tree: String,
    time: String,
    hlc: String,
    device: &'a str,
    repository: &'a str,
    branch: Option<String>,
    head: Option<String>,
    staged: Option<String>,
    state: Option<&'static str>,
    subject: &'a str,
    skipped: Vec<SkippedJson>,
    skipped_more: u64,
    nested: Vec<String>,
    bytes: u64,
}

/// One path that was left out.
#[derive(Serialize)]
pub(super) struct SkippedJson {
    path: String,
    reason: String,
}

impl SkippedJson {
    pub(super) fn new(skipped: &Skipped) -> Self {
        Self { path: text::json_path(skipped.path.as_ref()), reason: skipped.reason.name().to_owned() }
    }
}

impl<'a> SnapshotJson<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let meta = &snapshot.meta;
        Self {
            commit: snapshot.commit.to_string(),
            tree: snapshot.tree.to_string(),
            time: snapshot.time.to_rfc3339(),
            hlc: meta.hlc.to_string(),
            device: meta.device.as_str(),
            repository: meta.tree_id.as_str(),
            branch: match &meta.branch {
                Branch::Named(name) => Some(text::json_path(name.as_ref())),
                Branch::Detached => None,
            },
            head: meta.head.map(|id| id.to_string()),
            staged: meta.staged.map(|id| id.to_string()),
            state: meta.state.map(|state| state.name()),
            subject: &meta.subject,
            skipped: meta.skipped.iter().map(SkippedJson::new).collect(),
            skipped_more: meta.skipped_more,
            nested: meta.nested.iter().map(|path| text::json_path(path.as_ref())).collect(),
            bytes: meta.bytes,
        }
    }
}

//! What `status` gives to machines of remotes and other devices. `docs/json.md` describes it.

use carry_code::handoff::Interrupted;
use serde::Serialize;

use super::push::branch_json;
use super::sync_json::{self, WriterJson};
use crate::far::{DriftRow, RemoteRow};

/// How a remote stands.
#[derive(Serialize)]
pub(super) struct RemoteJson<'a> {
    remote: &'a str,
    url: &'a str,
    state: &'static str,
    reason: Option<&'a str>,
    waiting: u64,
    pushed: Option<String>,
    fetched: Option<String>,
    backoff_until: Option<String>,
    step: Option<&'a str>,
    fetch_error: Option<&'a str>,
}

impl<'a> RemoteJson<'a> {
    pub(super) fn new(row: &'a RemoteRow) -> Self {
        Self {
            remote: &row.name,
            url: &row.url,
            state: row.state,
            reason: row.why.as_deref(),
            waiting: row.waiting,
            pushed: row.pushed.map(|at| at.to_rfc3339()),
            fetched: row.fetched.map(|at| at.to_rfc3339()),
            backoff_until: row.backoff.map(|at| at.to_rfc3339()),
            step: row.step.as_deref(),
            fetch_error: row.fetch_error.as_deref(),
        }
    }
}

/// Newer work of another device.
#[derive(Serialize)]
pub(super) struct DriftJson<'a> {
    device: WriterJson<'a>,
    branch: Option<String>,
    snapshot: String,
    time: String,
    relation: &'static str,
    files: usize,
    first: bool,
}

impl<'a> DriftJson<'a> {
    pub(super) fn new(row: &'a DriftRow) -> Self {
        let tip = &row.drift.tip;
        Self {
            device: WriterJson::new(tip),
            branch: branch_json(&tip.branch),
            snapshot: tip.commit.to_string(),
            time: tip.time.to_rfc3339(),
            relation: sync_json::relation(row.drift.relation),
            files: row.files,
            first: row.drift.is_first,
        }
    }
}

/// A handoff that was begun and not ended.
#[derive(Serialize)]
pub(super) struct InterruptedJson<'a> {
    what: &'a str,
    since: String,
    before: String,
}

impl<'a> InterruptedJson<'a> {
    pub(super) fn new(interrupted: &'a Interrupted) -> Self {
        Self {
            what: &interrupted.entry.what,
            since: interrupted.since.to_rfc3339(),
            before: interrupted.entry.before.to_string(),
        }
    }
}

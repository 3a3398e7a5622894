//! How a session's row is read, and the names that stand in it.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Row};

use super::SessionRow;
use crate::model::{Agent, NativeId, RelationKind, SessionId, Termination};

/// What [`session_row`] reads, in order.
pub(crate) const COLUMNS: &str = "s.n, s.id, s.origin, s.agent, s.native, s.parent, s.relation, p.name, p.key, s.cwd, \
    s.branch, s.name, s.first_prompt, s.entrypoint, s.kind, s.version, s.resume, s.termination, s.is_automated, \
    s.started_ms, s.ended_ms, s.messages, s.user_messages, s.abandoned, s.calls, s.failures, s.model, s.input_tokens, \
    s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.peak_context, s.cost_micros, s.malformed, s.digest, \
    s.revision, u.path, s.missing_ms, \
    (SELECT value FROM curation c WHERE c.session = s.id AND c.field = 'name' AND c.item = ''), \
    (SELECT value FROM curation c WHERE c.session = s.id AND c.field = 'star' AND c.item = '') IS NOT NULL, \
    EXISTS (SELECT 1 FROM curation c WHERE c.session = s.id AND c.field IN ('trash', 'deleting') AND c.item = '' \
        AND c.value IS NOT NULL), \
    (SELECT json_group_array(item) FROM curation c WHERE c.session = s.id AND c.field = 'label' AND c.value IS NOT NULL)";

/// Where [`COLUMNS`] come from.
pub(crate) const TABLES: &str =
    "sessions s LEFT JOIN projects p ON p.id = s.project LEFT JOIN units u ON u.id = s.unit";

/// Reads [`COLUMNS`].
///
/// # Errors
/// SQLite's, also when a value is of another type.
pub(crate) fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let number =
        |at: usize| row.get::<_, Option<i64>>(at).map(|value| value.and_then(|value| u64::try_from(value).ok()));
    let small = |at: usize| row.get::<_, i64>(at).map(|value| u32::try_from(value.max(0)).unwrap_or(u32::MAX));
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|value| value.map(Timestamp::from_millis));
    let relation = row.get::<_, Option<String>>(6)?.and_then(|name| relation_named(&name));
    let parent = row.get::<_, Option<String>>(5)?.map(NativeId).zip(relation);
    let own: Option<String> = row.get(38)?;
    let is_renamed = own.is_some();
    let mut labels: Vec<String> = serde_json::from_str(&row.get::<_, String>(41)?).unwrap_or_default();
    labels.sort_unstable();
    Ok(SessionRow {
        n: row.get(0)?,
        id: SessionId::stored(row.get(1)?),
        origin: row.get(2)?,
        agent: Agent::named(row.get_ref(3)?.as_str()?),
        native: NativeId(row.get(4)?),
        parent,
        project: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
        project_key: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
        cwd: row.get(9)?,
        branch: row.get(10)?,
        name: own.or(row.get(11)?),
        is_renamed,
        first_prompt: row.get(12)?,
        entrypoint: row.get(13)?,
        kind: row.get(14)?,
        version: row.get(15)?,
        resume: row.get(16)?,
        termination: row.get::<_, Option<String>>(17)?.and_then(|name| termination_named(&name)),
        is_automated: row.get(18)?,
        started: time(19)?,
        ended: time(20)?,
        messages: small(21)?,
        user_messages: small(22)?,
        abandoned: small(23)?,
        calls: small(24)?,
        failures: small(25)?,
        model: row.get(26)?,
        input_tokens: number(27)?,
        output_tokens: number(28)?,
        cache_read_tokens: number(29)?,
        cache_write_tokens: number(30)?,
        peak_context: number(31)?,
        cost_micros: number(32)?,
        malformed: small(33)?,
        digest: row.get(34)?,
        revision: number(35)?.unwrap_or(0),
        path: row.get::<_, Option<Vec<u8>>>(36)?.map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes))),
        missing: time(37)?,
        is_starred: row.get(39)?,
        is_trashed: row.get(40)?,
        labels,
    })
}

/// The name of a relation in the archive.
pub(crate) fn relation_name(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Subagent => "subagent",
        RelationKind::Fork => "fork",
        RelationKind::Continuation => "continuation",
    }
}

/// The relation of this name.
pub(crate) fn relation_named(name: &str) -> Option<RelationKind> {
    [RelationKind::Subagent, RelationKind::Fork, RelationKind::Continuation]
        .into_iter()
        .find(|kind| relation_name(*kind) == name)
}

/// The name of a termination in the archive.
pub(crate) fn termination_name(termination: Termination) -> &'static str {
    match termination {
        Termination::Truncated => "truncated",
        Termination::ToolCallPending => "tool_call_pending",
        Termination::AwaitingUser => "awaiting_user",
        Termination::Clean => "clean",
    }
}

/// The termination of this name.
pub(crate) fn termination_named(name: &str) -> Option<Termination> {
    [Termination::Truncated, Termination::ToolCallPending, Termination::AwaitingUser, Termination::Clean]
        .into_iter()
        .find(|termination| termination_name(*termination) == name)
}

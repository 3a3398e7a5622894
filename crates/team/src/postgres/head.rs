//! Heads as statements. What was there before goes, what is there now comes.

use carry_sessions::curation::Pin;
use carry_sessions::git_links::{Evidence, GitLink, LinkKind};
use carry_sessions::model::{RelationKind, Termination};
use tokio_postgres::types::Type;

use super::statement::Statement;
use super::time::to_server;
use crate::share::Mode;
use crate::unit::{Head, SessionHead, TotalsHead, UnitKey};

/// Something that has a name in the store.
pub(crate) trait Names: Copy + PartialEq + Sized + 'static {
    /// All of them with their names.
    const NAMES: &'static [(Self, &'static str)];

    /// Its name.
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }

    /// The one of this name.
    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, one)| *one == name).map(|(one, _)| *one)
    }
}

impl Names for LinkKind {
    const NAMES: &'static [(Self, &'static str)] =
        &[(Self::Commit, "commit"), (Self::PullRequest, "pull_request"), (Self::Push, "push")];
}

impl Names for Evidence {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Created, "created"),
        (Self::Recorded, "recorded"),
        (Self::Start, "start"),
        (Self::Mentioned, "mentioned"),
    ];
}

impl Names for RelationKind {
    const NAMES: &'static [(Self, &'static str)] =
        &[(Self::Subagent, "subagent"), (Self::Fork, "fork"), (Self::Continuation, "continuation")];
}

impl Names for Termination {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Truncated, "truncated"),
        (Self::ToolCallPending, "tool_call_pending"),
        (Self::AwaitingUser, "awaiting_user"),
        (Self::Clean, "clean"),
    ];
}

/// What kind of unit a key names.
pub(super) fn kind_of(key: &UnitKey) -> &'static str {
    match key {
        UnitKey::Session(_) => "session",
        UnitKey::Totals { .. } => "totals",
    }
}

/// How much of a unit with this head is shared.
pub(super) fn mode_of(head: &Head) -> Mode {
    match head {
        Head::Session(head) => head.mode,
        Head::Totals(_) => Mode::Aggregates,
    }
}

/// What is masked in it, as JSON.
pub(super) fn masked_of(head: &Head) -> String {
    match head {
        Head::Session(head) => serde_json::to_string(&head.masked).unwrap_or_else(|_| "{}".to_owned()),
        Head::Totals(_) => "{}".to_owned(),
    }
}

/// About how many bytes a head takes on the wire.
pub(super) fn bytes(head: &Head) -> u64 {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let bytes = match head {
        Head::Session(head) => {
            let session = &head.session;
            let texts = [&session.cwd, &session.branch, &session.name, &session.first_prompt];
            let links = head.links.iter().map(|link| 64 + link.target.len() + text(&link.subject) + text(&link.repo));
            let pins = head.pins.iter().map(|pin| 32 + pin.message.len() + pin.note.len());
            let labels = session.labels.iter().map(String::len);
            512 + texts.into_iter().map(text).sum::<usize>() + links.chain(pins).chain(labels).sum::<usize>()
        }
        Head::Totals(head) => 64 + head.project_key.len() + head.project.len() + 128 * head.days.len(),
    };
    bytes as u64
}

/// The statements that put it in the place of the one before, for the unit `n` of `owner`.
pub(super) fn statements(owner: i32, n: i64, head: &Head) -> Vec<Statement> {
    let of = |sql| Statement::new(sql).with(owner, Type::INT4).with(n, Type::INT8);
    match head {
        Head::Session(head) => {
            let mut all = vec![
                of("DELETE FROM sessions WHERE owner = $1 AND unit = $2"),
                of("DELETE FROM links WHERE owner = $1 AND unit = $2"),
                of("DELETE FROM pins WHERE owner = $1 AND unit = $2"),
                session(owner, n, head),
            ];
            all.extend((!head.links.is_empty()).then(|| links(owner, n, &head.links)));
            all.extend((!head.pins.is_empty()).then(|| pins(owner, n, &head.pins)));
            all
        }
        Head::Totals(head) => {
            let mut all = vec![
                of("DELETE FROM projects WHERE owner = $1 AND unit = $2"),
                of("DELETE FROM totals WHERE owner = $1 AND unit = $2"),
                of("INSERT INTO projects (owner, unit, project_key, project) VALUES ($1, $2, $3, $4)")
                    .text(&head.project_key)
                    .text(&head.project),
            ];
            all.extend((!head.days.is_empty()).then(|| totals(owner, n, head)));
            all
        }
    }
}

fn session(owner: i32, n: i64, head: &SessionHead) -> Statement {
    let session = &head.session;
    let (parent, relation) = match &session.parent {
        Some((parent, relation)) => (Some(parent.0.clone()), Some(relation.name().to_owned())),
        None => (None, None),
    };
    let count = |number: Option<u64>| number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let sql = "INSERT INTO sessions (owner, unit, agent, native, origin, parent, relation, project, project_key, cwd, branch, \
        name, is_renamed, first_prompt, entrypoint, kind, version, termination, is_automated, started, ended, \
        messages, user_messages, abandoned, calls, failures, model, input_tokens, output_tokens, cache_read_tokens, \
        cache_write_tokens, peak_context, cost_micros, malformed, is_starred, is_trashed, labels) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, \
        $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37)";
    Statement::new(sql)
        .with(owner, Type::INT4)
        .with(n, Type::INT8)
        .text(session.agent.as_str())
        .text(&session.native.0)
        .text(&session.origin)
        .maybe(parent)
        .maybe(relation)
        .text(&session.project)
        .text(&session.project_key)
        .maybe(session.cwd.clone())
        .maybe(session.branch.clone())
        .maybe(session.name.clone())
        .with(session.is_renamed, Type::BOOL)
        .maybe(session.first_prompt.clone())
        .maybe(session.entrypoint.clone())
        .maybe(session.kind.clone())
        .maybe(session.version.clone())
        .maybe(session.termination.map(|termination| termination.name().to_owned()))
        .with(session.is_automated, Type::BOOL)
        .with(session.started.map(to_server), Type::TIMESTAMPTZ)
        .with(session.ended.map(to_server), Type::TIMESTAMPTZ)
        .number(session.messages)
        .number(session.user_messages)
        .number(session.abandoned)
        .number(session.calls)
        .number(session.failures)
        .maybe(session.model.clone())
        .with(count(session.input_tokens), Type::INT8)
        .with(count(session.output_tokens), Type::INT8)
        .with(count(session.cache_read_tokens), Type::INT8)
        .with(count(session.cache_write_tokens), Type::INT8)
        .with(count(session.peak_context), Type::INT8)
        .with(count(session.cost_micros), Type::INT8)
        .number(session.malformed)
        .with(session.is_starred, Type::BOOL)
        .with(session.is_trashed, Type::BOOL)
        .with(session.labels.clone(), Type::TEXT_ARRAY)
}

fn links(owner: i32, n: i64, links: &[GitLink]) -> Statement {
    let texts = |of: fn(&GitLink) -> Option<&String>| -> Vec<Option<String>> {
        links.iter().map(|link| of(link).cloned()).collect()
    };
    let sql = "INSERT INTO links (owner, unit, idx, kind, target, evidence, repo, number, branch, subject, full_sha, supersedes, \
        superseded_by, ordinal, call) SELECT $1, $2, new.* FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
        AS new";
    Statement::new(sql)
        .with(owner, Type::INT4)
        .with(n, Type::INT8)
        .with((0_i32..).take(links.len()).collect::<Vec<_>>(), Type::INT4_ARRAY)
        .with(links.iter().map(|link| link.kind.name()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(links.iter().map(|link| link.target.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(links.iter().map(|link| link.evidence.name()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(texts(|link| link.repo.as_ref()), Type::TEXT_ARRAY)
        .with(
            links
                .iter()
                .map(|link| link.number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
                .collect::<Vec<_>>(),
            Type::INT8_ARRAY,
        )
        .with(texts(|link| link.branch.as_ref()), Type::TEXT_ARRAY)
        .with(texts(|link| link.subject.as_ref()), Type::TEXT_ARRAY)
        .with(texts(|link| link.full_sha.as_ref()), Type::TEXT_ARRAY)
        .with(texts(|link| link.supersedes.as_ref()), Type::TEXT_ARRAY)
        .with(texts(|link| link.superseded_by.as_ref()), Type::TEXT_ARRAY)
        .with(links.iter().map(|link| i64::from(link.ordinal)).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(links.iter().map(|link| link.index.map(i64::from)).collect::<Vec<_>>(), Type::INT8_ARRAY)
}

fn pins(owner: i32, n: i64, pins: &[Pin]) -> Statement {
    let sql = "INSERT INTO pins (owner, unit, idx, message, note, stamp) SELECT $1, $2, new.* FROM unnest($3, $4, $5, $6) AS new";
    Statement::new(sql)
        .with(owner, Type::INT4)
        .with(n, Type::INT8)
        .with((0_i32..).take(pins.len()).collect::<Vec<_>>(), Type::INT4_ARRAY)
        .with(pins.iter().map(|pin| pin.message.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(pins.iter().map(|pin| pin.note.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(pins.iter().map(|pin| pin.at.to_string()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
}

fn totals(owner: i32, n: i64, head: &TotalsHead) -> Statement {
    let numbers = |of: fn(&crate::unit::Total) -> u64| -> Vec<i64> {
        head.days.iter().map(|day| i64::try_from(of(day)).unwrap_or(i64::MAX)).collect()
    };
    let texts = |of: fn(&crate::unit::Total) -> &String| -> Vec<String> {
        head.days.iter().map(|day| of(day).clone()).collect()
    };
    let sql = "INSERT INTO totals (owner, unit, idx, day, agent, model, sessions, messages, user_messages, calls, failures, \
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros) \
        SELECT $1, $2, new.* FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS new";
    let statement = Statement::new(sql)
        .with(owner, Type::INT4)
        .with(n, Type::INT8)
        .with((0_i32..).take(head.days.len()).collect::<Vec<_>>(), Type::INT4_ARRAY)
        .with(texts(|day| &day.day), Type::TEXT_ARRAY)
        .with(texts(|day| &day.agent), Type::TEXT_ARRAY)
        .with(texts(|day| &day.model), Type::TEXT_ARRAY);
    let columns: [fn(&crate::unit::Total) -> u64; 10] = [
        |day| day.sessions,
        |day| day.messages,
        |day| day.user_messages,
        |day| day.calls,
        |day| day.failures,
        |day| day.input_tokens,
        |day| day.output_tokens,
        |day| day.cache_read_tokens,
        |day| day.cache_write_tokens,
        |day| day.cost_micros,
    ];
    columns.into_iter().fold(statement, |statement, column| statement.with(numbers(column), Type::INT8_ARRAY))
}

//! Sessions with a canary in every text.

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::Hlc;
use carry_sessions::archive::{SessionRow, StoredMessage, StoredResult};
use carry_sessions::curation::Pin;
use carry_sessions::git_links::{Evidence, GitLink, LinkKind};
use carry_sessions::model::{
    Agent, Block, CallRef, Category, Image, Message, NativeId, ProviderId, RelationKind, ResultEvent, ResultStatus,
    Role, SessionId, Termination, ToolCall, Usage,
};

use carry_sessions::mask::pieces::MaskedHead;

/// A text that stands in one field only.
pub(super) fn canary(field: &str) -> String {
    format!("canary<{field}>")
}

/// Which canaries stand in a text, sorted.
pub(super) fn canaries(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text.split("canary<").skip(1).filter_map(|rest| rest.split('>').next()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A session with a canary in every text.
pub(super) fn session() -> SessionRow {
    let text = |field: &str| Some(canary(field));
    let native = NativeId(canary("native"));
    SessionRow {
        n: 7,
        id: SessionId::new("origin", Agent::Claude, &native),
        origin: canary("origin"),
        agent: Agent::Claude,
        native,
        parent: Some((NativeId(canary("parent")), RelationKind::Fork)),
        project: canary("project"),
        project_key: canary("project_key"),
        cwd: text("cwd"),
        branch: text("branch"),
        name: text("name"),
        is_renamed: true,
        first_prompt: text("first_prompt"),
        entrypoint: text("entrypoint"),
        kind: text("kind"),
        version: text("version"),
        resume: text("resume"),
        termination: Some(Termination::Clean),
        is_automated: true,
        started: Some(Timestamp::from_millis(1_763_000_000_000)),
        ended: Some(Timestamp::from_millis(1_763_000_060_000)),
        messages: 5,
        user_messages: 4,
        abandoned: 3,
        calls: 2,
        failures: 1,
        model: text("model"),
        input_tokens: Some(10),
        output_tokens: Some(20),
        cache_read_tokens: Some(30),
        cache_write_tokens: Some(40),
        peak_context: Some(50),
        cost_micros: Some(60),
        malformed: 6,
        digest: [7; 32],
        revision: 8,
        path: Some(canary("path").into()),
        missing: Some(Timestamp::EPOCH),
        is_starred: true,
        is_trashed: true,
        labels: vec![canary("label")],
    }
}

pub(super) fn pin() -> Pin {
    Pin { message: canary("pin.message"), note: canary("pin.note"), at: Hlc { wall_ms: 1, counter: 2 } }
}

pub(super) fn link() -> GitLink {
    let text = |field: &str| Some(canary(&format!("link.{field}")));
    GitLink {
        kind: LinkKind::Commit,
        target: canary("link.target"),
        evidence: Evidence::Created,
        repo: text("repo"),
        number: Some(5),
        branch: text("branch"),
        subject: text("subject"),
        full_sha: text("full_sha"),
        supersedes: text("supersedes"),
        superseded_by: text("superseded_by"),
        ordinal: 1,
        index: Some(0),
    }
}

pub(super) fn masked_head() -> MaskedHead {
    MaskedHead { session: session(), pins: vec![pin()], links: vec![link()], texts: Vec::new(), findings: Vec::new() }
}

pub(super) fn call() -> ToolCall {
    ToolCall {
        index: 0,
        id: canary("call.id"),
        name: canary("call.name"),
        category: Category::Bash,
        input: serde_json::json!({ "command": canary("call.input") }).to_string(),
        skill: Some(canary("call.skill")),
        subagent: Some(NativeId(canary("call.subagent"))),
        file: Some(canary("call.file")),
    }
}

pub(super) fn result(ordinal: u32, who: &str) -> StoredResult {
    let text = |field: &str| canary(&format!("{who}.result.{field}"));
    let image = Image { media: text("media"), bytes: 3, hash: text("hash") };
    StoredResult {
        n: 9,
        event: 0,
        result: ResultEvent {
            call: CallRef::At { ordinal, index: 0 },
            source: text("source"),
            status: ResultStatus::Failed,
            at: Some(Timestamp::from_millis(5)),
            content: text("content"),
            images: vec![image],
            content_bytes: 12,
            subagent: Some(NativeId(text("subagent"))),
        },
    }
}

/// A message with a canary in every text.
pub(super) fn message(ordinal: u32, role: Role, is_system: bool, who: &str) -> StoredMessage {
    let text = |field: &str| canary(&format!("{who}.{field}"));
    let blocks = vec![
        Block::Text(text("text")),
        Block::Thinking(text("thinking")),
        Block::Call(call()),
        Block::Image(Image { media: text("image.media"), bytes: 3, hash: text("image.hash") }),
        Block::Other { kind: text("other.kind"), json: format!("{{\"x\":\"{}\"}}", text("other.json")) },
    ];
    let message = Message {
        ordinal,
        key: Some(text("key")),
        role,
        subtype: Some(text("subtype")),
        is_system,
        is_abandoned: true,
        at: Some(Timestamp::from_millis(4)),
        model: Some(text("model")),
        effort: Some(text("effort")),
        provider_id: Some(ProviderId { message: text("provider.message"), request: text("provider.request") }),
        usage: Some(Usage { input: Some(1), cost_micros: Some(7), ..Usage::default() }),
        blocks,
    };
    StoredMessage { n: 3, message, results: vec![result(ordinal, who)] }
}

pub(super) fn messages() -> Vec<StoredMessage> {
    vec![
        message(0, Role::User, false, "user"),
        message(1, Role::User, true, "system"),
        message(2, Role::Assistant, false, "agent"),
    ]
}

pub(super) fn text_message(ordinal: u32, text: &str) -> StoredMessage {
    let mut stored = message(ordinal, Role::User, false, "x");
    stored.message.blocks = vec![Block::Text(text.to_owned())];
    stored.results.clear();
    stored
}

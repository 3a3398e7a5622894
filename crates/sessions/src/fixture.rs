//! Sessions made up for the tests of what reads the archive.

use carry_kernel::clock::Timestamp;

use crate::archive::{SessionRow, StoredMessage, StoredResult};
use crate::model::{
    Agent, Block, CallRef, Category, Message, NativeId, ResultEvent, ResultStatus, Role, SessionId, ToolCall,
};

/// A session of Claude Code without anything special.
pub(crate) fn session() -> SessionRow {
    let native = NativeId("0f9c1a52-1111-4222-8333-444455556666".to_owned());
    SessionRow {
        n: 1,
        id: SessionId::new("origin", Agent::Claude, &native),
        origin: "origin".to_owned(),
        agent: Agent::Claude,
        native,
        parent: None,
        project: "orchard".to_owned(),
        project_key: "/src/orchard".to_owned(),
        cwd: Some("/src/orchard".to_owned()),
        branch: Some("main".to_owned()),
        name: None,
        is_renamed: false,
        first_prompt: Some("Fix the <gate>".to_owned()),
        entrypoint: None,
        kind: None,
        version: None,
        resume: None,
        termination: None,
        is_automated: false,
        started: Some(Timestamp::from_millis(1_763_000_000_000)),
        ended: Some(Timestamp::from_millis(1_763_000_060_000)),
        messages: 2,
        user_messages: 1,
        abandoned: 0,
        calls: 1,
        failures: 0,
        model: Some("claude-opus".to_owned()),
        input_tokens: Some(10),
        output_tokens: Some(20),
        cache_read_tokens: None,
        cache_write_tokens: None,
        peak_context: Some(10),
        cost_micros: Some(1_230_000),
        malformed: 0,
        digest: [7; 32],
        revision: 3,
        path: Some("/home/u/.claude/projects/-src-orchard/0f9c1a52.jsonl".into()),
        missing: None,
        is_starred: false,
        is_trashed: false,
        labels: vec!["review".to_owned()],
    }
}

/// A message of these blocks.
pub(crate) fn message(ordinal: u32, role: Role, blocks: Vec<Block>) -> StoredMessage {
    StoredMessage {
        n: i64::from(ordinal),
        message: Message {
            ordinal,
            key: Some(format!("key-{ordinal}")),
            role,
            subtype: None,
            is_system: false,
            is_abandoned: false,
            at: Some(Timestamp::from_millis(1_763_000_000_000 + i64::from(ordinal))),
            model: None,
            effort: None,
            provider_id: None,
            usage: None,
            blocks,
        },
        results: Vec::new(),
    }
}

/// A call of Bash.
pub(crate) fn bash(command: &str) -> ToolCall {
    ToolCall {
        index: 0,
        id: "call-1".to_owned(),
        name: "Bash".to_owned(),
        category: Category::Bash,
        input: serde_json::json!({ "command": command }).to_string(),
        skill: None,
        subagent: None,
        file: None,
    }
}

/// An output of the first call of a message.
pub(crate) fn output(ordinal: u32, event: u32, content: &str) -> StoredResult {
    StoredResult {
        n: i64::from(event),
        event,
        result: ResultEvent {
            call: CallRef::At { ordinal, index: 0 },
            source: "tool_result".to_owned(),
            status: ResultStatus::Completed,
            at: None,
            content: content.to_owned(),
            images: Vec::new(),
            content_bytes: content.len() as u64,
            subagent: None,
        },
    }
}

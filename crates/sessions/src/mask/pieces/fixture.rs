//! An archive on disk, and sessions made up for tests: those of masking here, and those of the crate that shares what is masked,
//! which takes this file in.

use carry_kernel::clock::Timestamp;
use carry_kernel::home::Home;
use carry_redact::{Key, Redactor, Rules};
use carry_sessions::archive::{Archive, SessionRow, StoredMessage, StoredResult, WriterLimits, Written};
use carry_sessions::model::{
    Agent, Block, CallRef, Category, Facts, Message, NativeId, Relation, ResultEvent, ResultStatus, Role, ToolCall,
};
use carry_sessions::source::{Checkpoint, Mode, Op, ReadEnd, Sink as _, Stamp, Unit};

/// What every test's clock shows.
pub(crate) const NOW: i64 = 1_763_000_000_000;

/// An archive in a home of its own, which goes with it.
pub(crate) struct Fixture {
    pub(crate) archive: Archive,
    pub(crate) home: Home,
    _dir: tempfile::TempDir,
}

impl Fixture {
    /// An empty archive of the origin `here`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().to_owned());
        let archive = Archive::open(&home, "here").unwrap();
        Self { archive, home, _dir: dir }
    }

    /// Archives a session of Claude Code as its source says it now: what it said before and does not say any more is gone.
    pub(crate) fn put(&mut self, native: &str, messages: &[StoredMessage]) -> Written {
        let facts = Facts { cwd: Some("/nowhere/orchard".to_owned()), ..Facts::default() };
        self.put_with(native, facts, messages)
    }

    /// The same, with facts.
    pub(crate) fn put_with(&mut self, native: &str, facts: Facts, messages: &[StoredMessage]) -> Written {
        self.put_related(native, None, facts, messages)
    }

    /// The same of one that came from another session.
    #[allow(dead_code, reason = "this file serves several sets of tests, of which some need no such session")]
    pub(crate) fn put_as(&mut self, native: &str, relation: Option<Relation>, messages: &[StoredMessage]) -> Written {
        let facts = Facts { cwd: Some("/nowhere/orchard".to_owned()), ..Facts::default() };
        self.put_related(native, relation, facts, messages)
    }

    fn put_related(
        &mut self,
        native: &str,
        relation: Option<Relation>,
        facts: Facts,
        messages: &[StoredMessage],
    ) -> Written {
        put_ops(&mut self.archive, native, ops(native, relation, facts, messages))
    }

    /// The session of this id.
    pub(crate) fn session(&self, native: &str) -> SessionRow {
        self.archive.by_native(Agent::Claude, &NativeId(native.to_owned())).unwrap().unwrap()
    }

    /// All its messages.
    pub(crate) fn messages(&self, native: &str) -> Vec<StoredMessage> {
        self.archive.messages(self.session(native).n, 0, usize::MAX).unwrap()
    }
}

/// Archives what a source says of a session's file.
pub(crate) fn put_ops(archive: &mut Archive, native: &str, ops: Vec<Op>) -> Written {
    let path = format!("/nowhere/{native}.jsonl").into();
    let mut writer = archive.writer(Timestamp::from_millis(NOW), WriterLimits::default());
    let unit = Unit { path, stamp: Stamp { size: ops.len() as u64, ..Stamp::default() } };
    writer.begin_unit("lines", Agent::Claude, 1, &unit, &Mode::Whole).unwrap();
    let raw = format!("{ops:?}\n");
    writer.raw(raw.as_bytes()).unwrap();
    for op in ops {
        writer.op(op).unwrap();
    }
    let checkpoint = Checkpoint { offset: raw.len() as u64, state: vec![1], probes: Vec::new() };
    writer.end_unit(ReadEnd { checkpoint, ..ReadEnd::default() }).unwrap();
    writer.finish().unwrap()
}

/// What a source says of these messages.
pub(crate) fn ops(native: &str, relation: Option<Relation>, facts: Facts, messages: &[StoredMessage]) -> Vec<Op> {
    let mut ops =
        vec![Op::Session { agent: None, native: NativeId(native.to_owned()), relation }, Op::Facts(Box::new(facts))];
    for stored in messages {
        ops.push(Op::Message(Box::new(stored.message.clone())));
        ops.extend(stored.results.iter().map(|result| Op::Result(Box::new(result.result.clone()))));
    }
    ops
}

/// A message of these blocks, without results.
pub(crate) fn said(ordinal: u32, role: Role, blocks: Vec<Block>) -> StoredMessage {
    let message = Message {
        ordinal,
        key: Some(format!("key-{ordinal}")),
        role,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: Some(Timestamp::from_millis(NOW + i64::from(ordinal) * 1000)),
        model: (role == Role::Assistant).then(|| "claude-sonnet-4".to_owned()),
        effort: None,
        provider_id: None,
        usage: None,
        blocks,
    };
    StoredMessage { n: 0, message, results: Vec::new() }
}

/// What the user typed.
pub(crate) fn prompt(ordinal: u32, text: &str) -> StoredMessage {
    said(ordinal, Role::User, vec![Block::Text(text.to_owned())])
}

/// What the agent answered.
pub(crate) fn answer(ordinal: u32, text: &str) -> StoredMessage {
    said(ordinal, Role::Assistant, vec![Block::Text(text.to_owned())])
}

/// An answer that calls Bash once, and what came of it, one output after the other.
pub(crate) fn run(ordinal: u32, text: &str, command: &str, outputs: &[&str]) -> StoredMessage {
    let blocks = vec![Block::Text(text.to_owned()), Block::Call(bash(ordinal, 0, command))];
    let mut stored = said(ordinal, Role::Assistant, blocks);
    stored.results = (0..).zip(outputs).map(|(event, content)| output(ordinal, 0, event, content)).collect();
    stored
}

/// A call of Bash.
pub(crate) fn bash(ordinal: u32, index: u32, command: &str) -> ToolCall {
    ToolCall {
        index,
        id: format!("call-{ordinal}-{index}"),
        name: "Bash".to_owned(),
        category: Category::Bash,
        input: serde_json::json!({ "command": command }).to_string(),
        skill: None,
        subagent: None,
        file: None,
    }
}

/// An output of a call.
pub(crate) fn output(ordinal: u32, index: u32, event: u32, content: &str) -> StoredResult {
    let result = ResultEvent {
        call: CallRef::At { ordinal, index },
        source: "tool_result".to_owned(),
        status: ResultStatus::Completed,
        at: Some(Timestamp::from_millis(NOW + i64::from(ordinal) * 1000 + 500)),
        content: content.to_owned(),
        images: Vec::new(),
        content_bytes: content.len() as u64,
        subagent: None,
    };
    StoredResult { n: 0, event, result }
}

/// A redactor with the builtin rules.
pub(crate) fn redactor() -> Redactor {
    Redactor::new(Rules::builtin(), Key::new([7; 32]))
}

/// A token in the shape of a provider's, found wherever it stands. Made of pieces so that no scanner takes this file for a leak.
pub(crate) fn token() -> String {
    format!("{}_{}", "ghp", "0Kb5Jc8TqWv3Zx7Rm2Ld9Fs4Hy6Ng1Pa3uEi")
}

/// One of many values that are secrets only where something says so (see [`named`]).
pub(crate) fn value(n: usize) -> String {
    format!("F{n:04}xvDIpq0{}O3xJK", n * 7919 % 9973)
}

/// A text that says that [`value`] is a secret.
pub(crate) fn named(n: usize) -> String {
    format!("password={}\n", value(n))
}

#[test]
fn what_is_put_is_what_lies_in_the_archive() {
    let mut fixture = Fixture::new();
    let messages = [prompt(0, "do it"), run(1, "so", "ls", &["a", "b"]), answer(9, "done")];
    fixture.put("one", &messages);
    let mut stored = fixture.messages("one");
    for message in &mut stored {
        message.n = 0;
        message.results.iter_mut().for_each(|result| result.n = 0);
    }
    assert_eq!(stored, messages);
    assert_eq!(fixture.session("one").project, "orchard");
    let again = fixture.put("one", &messages);
    assert_eq!((again.inserted, again.updated, again.deleted), (0, 0, 0));
    assert_eq!(fixture.put("one", &messages[..2]).deleted, 1);
    assert!(fixture.home.database("sessions").is_file());
}

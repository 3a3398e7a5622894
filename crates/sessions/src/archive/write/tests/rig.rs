//! An archive on disk, and readings that tests make up.

use carry_kernel::home::Home;
use proptest::prelude::*;

use super::*;
use crate::model::{Block, CallRef, Category, Facts, Message, Relation, RelationKind, ResultEvent, ResultStatus, Role};
use crate::model::{ToolCall, Usage, UsageEvent};

/// What every test's clock shows.
pub(in crate::archive) const NOW: i64 = 1_700_000_000_000;

pub(in crate::archive) struct Rig {
    pub(in crate::archive) archive: Archive,
    pub(in crate::archive) limits: WriterLimits,
    pub(in crate::archive) _dir: tempfile::TempDir,
}

/// How a reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum End {
    Well,
    Cut,
    Failed,
}

impl Rig {
    pub(in crate::archive) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open(&home(dir.path()), "here").unwrap();
        Self { archive, limits: WriterLimits::default(), _dir: dir }
    }

    /// Reads the unit of this name as a whole.
    pub(in crate::archive) fn whole(&mut self, unit: &str, ops: &[Op]) -> Written {
        self.read("lines", unit, None, ops, End::Well)
    }

    /// Reads what was appended to it behind the first `from` ops.
    pub(in crate::archive) fn more(&mut self, unit: &str, from: usize, ops: &[Op]) -> Written {
        self.read("lines", unit, Some(from), ops, End::Well)
    }

    pub(in crate::archive) fn read(
        &mut self,
        source: &str,
        unit: &str,
        from: Option<usize>,
        ops: &[Op],
        end: End,
    ) -> Written {
        let mut writer = self.archive.writer(Timestamp::from_millis(NOW), self.limits);
        read(&mut writer, source, unit, from, ops, end).unwrap();
        writer.finish().unwrap()
    }

    pub(in crate::archive) fn dump(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.archive.dump(&mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    /// What is archived of sessions, without what only grows and where it came from.
    pub(in crate::archive) fn dump_of_sessions(&self) -> Vec<String> {
        let left_out = ["projects", "blobs", "units", "raw"].map(|table| format!("\"table\":\"{table}\""));
        self.dump().into_iter().filter(|line| !left_out.iter().any(|table| line.contains(table))).collect()
    }

    pub(in crate::archive) fn verify(&self) -> Vec<String> {
        self.archive.verify(&mut |_, _| {}).unwrap()
    }

    pub(in crate::archive) fn session(&self, native: &str) -> crate::archive::SessionRow {
        self.archive.by_native(Agent::Claude, &NativeId(native.to_owned())).unwrap().unwrap()
    }

    pub(in crate::archive) fn sql(&self, sql: &str) -> usize {
        self.archive.db.conn().execute(sql, []).unwrap()
    }

    pub(in crate::archive) fn number(&self, sql: &str) -> i64 {
        self.archive.db.conn().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

pub(in crate::archive) fn home(dir: &std::path::Path) -> Home {
    Home::at(dir.to_owned())
}

/// The raw bytes of op `at`: nine each, so that an offset says how many there are.
fn line(at: usize) -> String {
    format!("{at:08}\n")
}

pub(in crate::archive) fn read(
    writer: &mut Writer<'_>,
    source: &str,
    unit: &str,
    from: Option<usize>,
    ops: &[Op],
    end: End,
) -> Result<(), SinkError> {
    let start = from.unwrap_or(0);
    let checkpoint = |at: usize| Checkpoint { offset: at as u64 * 9, state: vec![1], probes: vec![2] };
    let mode = from.map_or(Mode::Whole, |from| Mode::From(checkpoint(from)));
    let stamp = Stamp { size: (start + ops.len()) as u64 * 9, ..Stamp::default() };
    writer.begin_unit(source, Agent::Claude, 1, &Unit { path: unit.into(), stamp }, &mode)?;
    for (at, op) in (start..).zip(ops) {
        writer.raw(line(at).as_bytes())?;
        writer.op(op.clone())?;
    }
    match end {
        End::Well => {
            writer.end_unit(ReadEnd { checkpoint: checkpoint(start + ops.len()), ..ReadEnd::default() }).map(drop)?
        }
        End::Cut => writer.interrupt_unit()?,
        End::Failed => writer.fail_unit("it broke")?,
    }
    Ok(())
}

pub(in crate::archive) fn open(native: &str) -> Op {
    Op::Session { agent: None, native: NativeId(native.to_owned()), relation: None }
}

pub(in crate::archive) fn said(ordinal: u32, role: Role, blocks: Vec<Block>) -> Message {
    Message {
        ordinal,
        key: Some(format!("key-{ordinal}")),
        role,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: Some(Timestamp::from_millis(NOW + i64::from(ordinal))),
        model: (role == Role::Assistant).then(|| "claude-sonnet-4".to_owned()),
        effort: None,
        provider_id: None,
        usage: None,
        blocks,
    }
}

pub(in crate::archive) fn prompt(ordinal: u32, text: &str) -> Op {
    Op::Message(Box::new(said(ordinal, Role::User, vec![Block::Text(text.to_owned())])))
}

/// An answer with so many calls; their ids are `call-ORDINAL-INDEX`.
pub(in crate::archive) fn answer(ordinal: u32, text: &str, calls: u32) -> Op {
    let mut blocks = vec![Block::Text(text.to_owned())];
    blocks.extend((0..calls).map(|index| Block::Call(call(ordinal, index))));
    Op::Message(Box::new(said(ordinal, Role::Assistant, blocks)))
}

pub(in crate::archive) fn call(ordinal: u32, index: u32) -> ToolCall {
    ToolCall {
        index,
        id: format!("call-{ordinal}-{index}"),
        name: if index == 1 { "Read" } else { "Bash" }.to_owned(),
        category: if index == 1 { Category::Read } else { Category::Bash },
        input: format!(r#"{{"command":"git commit -m 'step {ordinal}'"}}"#),
        skill: None,
        subagent: None,
        file: (index == 1).then(|| format!("/src/{ordinal}.rs")),
    }
}

pub(in crate::archive) fn result(id: &str, content: &str, status: ResultStatus) -> Op {
    Op::Result(Box::new(ResultEvent {
        call: CallRef::Id(id.to_owned()),
        source: "tool_result".to_owned(),
        status,
        at: Some(Timestamp::from_millis(NOW + 77)),
        content: content.to_owned(),
        images: Vec::new(),
        content_bytes: content.len() as u64,
        subagent: None,
    }))
}

/// A stream of ops over two sessions. Whatever is opened is opened again after each cut.
pub(in crate::archive) fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec((0u8..16, 0u8..12, any::<u8>()), 0..50).prop_map(|steps| {
        let mut ops = vec![open("one")];
        ops.extend(steps.into_iter().map(|(kind, a, b)| op(kind, u32::from(a), b)));
        ops
    })
}

fn tokens(b: u8) -> Option<Usage> {
    let some = |bit: u8, tokens: u64| (b & bit != 0).then_some(tokens + u64::from(b));
    (!b.is_multiple_of(3)).then(|| Usage {
        input: some(1, 10),
        output: some(2, 20),
        reasoning: some(4, 3),
        cache_read: some(8, 1000),
        cache_write: some(16, 50),
        cache_write_1h: some(32, 60),
        cost_micros: some(64, if b == 255 { u64::MAX - 255 } else { 7 }),
    })
}

fn op(kind: u8, ordinal: u32, b: u8) -> Op {
    match kind {
        0..=2 => {
            let text = match b % 4 {
                0 => format!("do {ordinal}"),
                1 => "/model sonnet".to_owned(),
                2 => format!("see https://github.com/us/carry/pull/{ordinal}"),
                _ => String::new(),
            };
            let mut message = said(ordinal, Role::User, vec![Block::Text(text)]);
            message.is_system = b > 220;
            message.is_abandoned = b == 100;
            Op::Message(Box::new(message))
        }
        3..=6 => {
            let mut blocks = vec![Block::Thinking(format!("hm {b}")), Block::Text("so".to_owned())];
            blocks.extend((0..u32::from(b % 4)).map(|index| Block::Call(call(ordinal, index))));
            let mut message = said(ordinal, Role::Assistant, blocks);
            message.usage = tokens(b);
            message.at = (!b.is_multiple_of(5)).then(|| Timestamp::from_millis(NOW + i64::from(b)));
            Op::Message(Box::new(message))
        }
        7..=10 => {
            let status = [ResultStatus::Unknown, ResultStatus::Running, ResultStatus::Completed, ResultStatus::Failed];
            let content = format!("[main abc{b:04x}] step {ordinal}\n 1 file changed");
            let mut op = result(&format!("call-{ordinal}-{}", b % 4), &content, status[usize::from(b / 64)]);
            if let (Op::Result(result), true) = (&mut op, kind == 10) {
                result.call = CallRef::At { ordinal, index: u32::from(b % 4) };
                result.subagent = Some(NativeId("three".to_owned()));
            }
            op
        }
        11 => Op::Extend {
            ordinal,
            blocks: vec![
                Block::Text(format!("and https://github.com/us/carry/pull/{b}")),
                Block::Call(call(ordinal, 9)),
            ],
            usage: tokens(b),
        },
        12 => Op::Abandon { ordinals: ordinal..=ordinal + u32::from(b % 5), is_abandoned: !b.is_multiple_of(3) },
        13 => Op::Usage(Box::new(UsageEvent {
            source: "session".to_owned(),
            dedup: format!("{}", b % 4),
            at: Some(Timestamp::from_millis(NOW - i64::from(b))),
            model: None,
            usage: tokens(b).unwrap_or_default(),
        })),
        14 => Op::Facts(Box::new(Facts {
            cwd: (b.is_multiple_of(2)).then(|| format!("/nowhere/{ordinal}")),
            name: (b.is_multiple_of(3)).then(|| format!("name {b}")),
            branch: (b.is_multiple_of(5)).then(|| "main".to_owned()),
            is_automated: (b > 200).then_some(true),
            times: vec![Timestamp::from_millis(NOW + i64::from(b) * 10)],
            ..Facts::default()
        })),
        _ if b.is_multiple_of(2) => {
            Op::PullRequest { url: format!("https://github.com/us/carry/pull/{b}"), ordinal: Some(ordinal) }
        }
        _ => Op::Session {
            agent: None,
            native: NativeId(if b % 4 == 1 { "one" } else { "two" }.to_owned()),
            relation: (b > 128).then(|| Relation {
                kind: RelationKind::Fork,
                parent: NativeId("zero".to_owned()),
                call: Some(format!("call-{ordinal}-0")),
            }),
        },
    }
}

/// `ops` cut at these places; each piece opens the session that was open.
pub(in crate::archive) fn pieces(ops: &[Op], cuts: &[usize]) -> Vec<Vec<Op>> {
    let mut pieces = vec![Vec::new()];
    let mut last = open("one");
    for (at, op) in ops.iter().enumerate() {
        if cuts.contains(&at) && at > 0 {
            pieces.push(vec![last.clone()]);
        }
        if let Op::Session { native, .. } = op {
            last = open(&native.0);
        }
        pieces.last_mut().unwrap().push(op.clone());
    }
    pieces
}

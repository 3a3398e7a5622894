//! Nothing leaves unmasked.

use std::path::Path;

use carry_exchange::strand::outbox;

use super::device::{Device, Recorder};
use crate::archive::{StoredMessage, StoredResult};
use crate::mask::pieces::fixture::{answer, bash, named, output, prompt, put_ops, said, token, value};
use crate::model::{
    Block, Facts, Image, NativeId, ProviderId, Relation, RelationKind, ResultEvent, Role, ToolCall, Usage, UsageEvent,
};
use crate::source::Op;

/// A secret of a shape that is found wherever it stands, another for each field.
fn canary(n: usize) -> String {
    let mut tail = format!("{n:04}");
    tail.push_str("CanaryW5qTz8Lk3Vb7Nf2Hs6Jd9RpX0gM");
    format!("{}_{}", "ghp", &tail[..36])
}

fn spent(n: usize) -> String {
    format!("x {} y", canary(n))
}

/// A message and an output with a canary in each text.
fn full(ordinal: u32) -> StoredMessage {
    let mut call = ToolCall { skill: Some(spent(1)), subagent: Some(NativeId(canary(2))), ..bash(ordinal, 0, "ls") };
    (call.id, call.name, call.file) = (spent(3), spent(4), Some(format!("/x/{}", canary(5))));
    call.input = serde_json::json!({ "command": spent(6), "nested": { canary(7): [canary(8)] } }).to_string();
    let mut stored = said(
        ordinal,
        Role::Assistant,
        vec![
            Block::Text(spent(9)),
            Block::Thinking(spent(10)),
            Block::Call(call),
            Block::Image(Image { media: spent(11), bytes: 1, hash: "00".repeat(32) }),
            Block::Other { kind: spent(12), json: format!(r#"{{"a":"{}"}}"#, canary(13)) },
        ],
    );
    let message = &mut stored.message;
    (message.key, message.subtype) = (Some(spent(14)), Some(spent(15)));
    (message.model, message.effort) = (Some(spent(16)), Some(spent(17)));
    message.provider_id = Some(ProviderId { message: spent(18), request: spent(19) });
    message.usage = Some(Usage { input: Some(1), ..Usage::default() });
    let StoredResult { result, .. } = output(ordinal, 0, 0, &spent(20));
    let result = ResultEvent {
        source: spent(21),
        images: vec![Image { media: spent(22), bytes: 1, hash: "11".repeat(32) }],
        subagent: Some(NativeId(canary(23))),
        ..result
    };
    stored.results = vec![StoredResult { n: 0, event: 0, result }];
    stored
}

fn facts() -> Facts {
    Facts {
        cwd: Some(format!("/home/{}/p", canary(30))),
        branch: Some(spent(31)),
        name: Some(spent(32)),
        project: Some(spent(33)),
        remote: Some(format!("https://me:{}@example.org/o/r.git", canary(34))),
        start_commit: Some(canary(35)),
        entrypoint: Some(spent(36)),
        kind: Some(spent(37)),
        label: Some(spent(38)),
        version: Some(spent(39)),
        resume: Some(canary(40)),
        token: Some(canary(41)),
        ..Facts::default()
    }
}

fn ops() -> Vec<Op> {
    let relation = Relation { kind: RelationKind::Subagent, parent: NativeId(canary(50)), call: Some(canary(51)) };
    let usage = UsageEvent {
        source: spent(52),
        dedup: spent(53),
        at: None,
        model: Some(spent(54)),
        usage: Usage { input: Some(7), ..Usage::default() },
    };
    let mut ops = vec![
        Op::Session { agent: None, native: NativeId(canary(55)), relation: Some(relation) },
        Op::Facts(Box::new(facts())),
        Op::PullRequest { url: format!("https://github.com/{}/r/pull/7", canary(56)), ordinal: Some(0) },
        Op::Usage(Box::new(usage)),
    ];
    for ordinal in [0, 1] {
        let stored = full(ordinal);
        ops.push(Op::Message(Box::new(stored.message)));
        ops.extend(stored.results.into_iter().map(|result| Op::Result(Box::new(result.result))));
    }
    ops
}

/// All bytes of a folder's files, packed blocks unpacked as far as records go.
fn bytes_below(folder: &Path, found: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => bytes_below(&path, found),
            false => found.extend(std::fs::read(&path).unwrap()),
        }
    }
}

fn has_canary(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"CanaryW5q").is_some()
}

#[test]
fn no_field_of_a_session_leaves_a_secret() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    put_ops(a.strand.archive_mut(), "one", ops());
    let mut raw = Vec::new();
    a.strand.archive().dump(&mut raw).unwrap();
    assert!(has_canary(&raw), "the canaries are there to be found");
    // The outbox, before anything is handed over.
    let n = a.strand.archive().list(&crate::list::Filter { all: true, ..Default::default() }).unwrap().sessions[0].n;
    a.strand.say_only(&mut a.store, n);
    let conn = a.strand.archive().db.conn();
    let mut query = conn.prepare("SELECT payload, plain_bytes, key FROM outbox").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))).unwrap();
    let rows: Vec<(Vec<u8>, Option<u32>, Vec<u8>)> = rows.map(Result::unwrap).collect();
    drop(query);
    let unpacked = |(payload, plain_bytes, key)| [outbox::unpacked(payload, plain_bytes).unwrap(), key].concat();
    let payloads: Vec<Vec<u8>> = rows.into_iter().map(unpacked).collect();
    assert!(payloads.len() > 1 && payloads.iter().all(|payload| !has_canary(payload)));
    a.say();
    for record in Recorder::records(&mut a.store) {
        assert!(!has_canary(&record.payload) && !has_canary(&record.key));
    }
    let home = carry_kernel::home::Home::at(&a.root);
    let mut exchanged = std::fs::read(home.database("exchange")).unwrap();
    bytes_below(&home.data_dir().join("exchange"), &mut exchanged);
    assert!(!has_canary(&exchanged));
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.strand.archive().total().unwrap(), 1);
    let mut received = Vec::new();
    bytes_below(&b.root, &mut received);
    assert!(!received.is_empty() && !has_canary(&received));
    let dump = b.dump();
    assert!(!has_canary(dump.as_bytes()));
    // What the archive keeps packed is unpacked to look.
    let listed = b.strand.archive().list(&crate::list::Filter { all: true, ..Default::default() }).unwrap();
    let text = format!("{:?}", b.strand.archive().messages(listed.sessions[0].n, 0, usize::MAX).unwrap());
    assert!(!has_canary(text.as_bytes()));
    assert_eq!(text.matches("Thinking").count(), 2, "{text}");
}

#[test]
fn a_value_that_turns_up_late_goes_from_what_was_said_before() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let mut messages: Vec<StoredMessage> = (0..80).map(|i| answer(i, &format!("did {i}"))).collect();
    messages[3] = answer(3, &format!("it said {} there", value(5)));
    a.put("one", &messages);
    a.say();
    b.trust(&a);
    b.pull(&a);
    assert!(b.text("one").contains(&value(5)), "nothing says that it is a secret");
    messages.push(prompt(80, &named(5)));
    a.put("one", &messages);
    a.say();
    b.pull(&a);
    assert!(!b.text("one").contains(&value(5)));
    assert_eq!(b.messages("one").len(), 81);
    // What was said first is void, and goes from the log when that is merged.
    let void = {
        let records = Recorder::records(&mut a.store);
        let last =
            records.iter().rposition(|record| record.flags.has(carry_exchange::record::Flags::REPLACES)).unwrap();
        records[last..].iter().all(|record| memchr::memmem::find(&record.payload, value(5).as_bytes()).is_none())
    };
    assert!(void);
}

#[test]
fn an_append_looks_at_the_last_messages_alone() {
    let mut a = Device::new("laptop-3f9a1c00");
    let mut messages: Vec<StoredMessage> = (0..400)
        .map(|i| if i % 2 == 0 { prompt(i, &format!("do {i}")) } else { answer(i, &format!("did {i}")) })
        .collect();
    a.put("one", &messages);
    a.say();
    // A damaged body far back is not read.
    let n = a.session("one").n;
    let conn = a.strand.archive().db.conn();
    conn.execute("UPDATE messages SET body = x'ff' WHERE session = ?1 AND ordinal < 200", [n]).unwrap();
    messages.push(prompt(400, "and"));
    let mut ops = crate::mask::pieces::fixture::ops("one", None, Facts::default(), &messages[400..]);
    ops.truncate(3);
    append(&mut a, ops);
    assert_eq!(a.say(), 1);
}

/// Reads on where the file was read to.
fn append(a: &mut Device, ops: Vec<Op>) {
    use crate::source::{Checkpoint, Mode, ReadEnd, Sink as _, Stamp, Unit};
    let now = a.now();
    let mut writer = a.strand.archive_mut().writer(now, crate::archive::WriterLimits::default());
    let unit = Unit { path: "/nowhere/one.jsonl".into(), stamp: Stamp { size: 9, ..Stamp::default() } };
    let checkpoint = Checkpoint { offset: 1, state: vec![1], probes: Vec::new() };
    writer.begin_unit("lines", crate::model::Agent::Claude, 1, &unit, &Mode::From(checkpoint.clone())).unwrap();
    for op in ops {
        writer.op(op).unwrap();
    }
    writer.end_unit(ReadEnd { checkpoint, ..ReadEnd::default() }).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_token_in_a_prompt_is_a_placeholder_elsewhere() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &[prompt(0, &format!("use {}", token()))]);
    a.say();
    b.trust(&a);
    b.pull(&a);
    assert!(!b.text("one").contains(&token()));
    assert!(b.session("one").first_prompt.unwrap().starts_with("use "));
    assert!(a.text("one").contains(&token()), "here it stays as it was written");
    assert_eq!(a.say(), 0);
}

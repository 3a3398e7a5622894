use super::*;
use crate::archive::facts::{ProjectFacts, SessionFacts};
use crate::git_links::{Evidence, GitLink, LinkKind};
use crate::mask::pieces::fixture::{answer, output, prompt, run};
use crate::model::{Block, Image, ProviderId, ResultStatus, Usage, UsageEvent};
use carry_kernel::clock::Timestamp;

fn name() -> Name {
    Name { origin: "laptop-3f9a1c00".into(), agent: "claude".into(), native: "abc".into() }
}

fn payload(body: Body) -> Payload {
    Payload { of: name(), generation: Generation([0xab; 16]), replaces: vec![Generation([1; 16])], body }
}

#[track_caller]
fn golden(kind: u16, body: Body, expected: &str) {
    let payload = payload(body);
    let bytes = payload.clone().encode().unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
    carry_exchange::json::check_payload(&bytes).unwrap();
    assert_eq!(Payload::decode(kind, &bytes).unwrap(), payload);
}

#[test]
fn records_have_these_bytes() {
    let head = r#"{"of":{"origin":"laptop-3f9a1c00","agent":"claude","native":"abc"},"generation":"abababababababababababababababab","replaces":["01010101010101010101010101010101"],"#;
    golden(SESSION, Body::Session(r#"{"cwd":"/x"}"#.into()), &format!(r#"{head}"session":{{"cwd":"/x"}}}}"#));
    golden(SESSION, Body::Withdrawn, &format!(r#"{head}"withdrawn":true}}"#));
    let messages = Body::Messages(vec![r#"{"ordinal":1}"#.into(), r#"{"ordinal":2}"#.into()]);
    golden(MESSAGES, messages, &format!(r#"{head}"messages":[{{"ordinal":1}},{{"ordinal":2}}]}}"#));
    let piece = Piece { ordinal: Some(7), set: Generation([2; 16]), index: 0, count: 2, text: "{\"o".into() };
    golden(
        MESSAGES,
        Body::Piece(piece),
        &format!(
            r#"{head}"piece":{{"ordinal":7,"set":"02020202020202020202020202020202","index":0,"count":2,"text":"{{\"o"}}}}"#
        ),
    );
}

#[test]
fn a_message_has_these_bytes() {
    let mut stored = run(3, "so", "ls", &[]);
    let message = &mut stored.message;
    message.provider_id = Some(ProviderId { message: "msg".into(), request: "req".into() });
    message.usage = Some(Usage { input: Some(1), cache_write_1h: Some(2), cost_micros: Some(3), ..Usage::default() });
    (message.is_abandoned, message.effort) = (true, Some("high".into()));
    message.blocks.push(Block::Thinking("hm".into()));
    message.blocks.push(Block::Image(Image { media: "image/png".into(), bytes: 9, hash: "00".into() }));
    message.blocks.push(Block::Other { kind: "odd".into(), json: r#"{"a":1}"#.into() });
    stored.results = vec![output(3, 0, 0, "a")];
    stored.results[0].result.status = ResultStatus::Failed;
    let json = encode_message(&stored).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"ordinal":3,"key":"key-3","role":"assistant","abandoned":true,"at_ms":1763000003000,"model":"claude-sonnet-4","#,
            r#""effort":"high","provider":{"message":"msg","request":"req"},"#,
            r#""usage":{"input":1,"cache_write_1h":2,"cost_micros":3},"#,
            r#""blocks":[{"text":"so"},{"call":{"index":0,"id":"call-3-0","name":"Bash","category":"Bash","#,
            r#""input":"{\"command\":\"ls\"}"}},{"thinking":"hm"},{"image":{"media":"image/png","bytes":9,"hash":"00"}},"#,
            r#"{"other":{"kind":"odd","json":"{\"a\":1}"}}],"#,
            r#""results":[{"call":0,"source":"tool_result","status":"failed","at_ms":1763000003500,"content":"a","content_bytes":1}]}"#
        )
    );
    assert_eq!(decode_message(&json).unwrap(), stored);
    assert_eq!(ordinal_of(&json).unwrap(), 3);
    for stored in [prompt(0, ""), answer(9, "\u{0}\"\\ é")] {
        assert_eq!(decode_message(&encode_message(&stored).unwrap()).unwrap(), stored);
    }
}

#[test]
fn facts_have_these_bytes() {
    let facts = SessionFacts {
        parent: Some("p".into()),
        relation: Some("fork".into()),
        cwd: Some("/x".into()),
        termination: Some("clean".into()),
        is_automated: true,
        started_ms: Some(-5),
        project: Some(ProjectFacts { key: "k".into(), name: "n".into(), remote: Some("k".into()) }),
        usage: vec![UsageEvent {
            source: "session".into(),
            dedup: "1".into(),
            at: Some(Timestamp::from_millis(7)),
            model: None,
            usage: Usage { output: Some(4), ..Usage::default() },
        }],
        links: vec![GitLink {
            kind: LinkKind::Commit,
            target: "abc".into(),
            evidence: Evidence::Created,
            repo: None,
            number: None,
            branch: Some("main".into()),
            subject: None,
            full_sha: None,
            supersedes: None,
            superseded_by: None,
            ordinal: 2,
            index: Some(0),
        }],
        ..SessionFacts::default()
    };
    let json = encode_facts(&facts).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"parent":"p","relation":"fork","cwd":"/x","termination":"clean","automated":true,"started_ms":-5,"#,
            r#""project":{"key":"k","name":"n","remote":"k"},"#,
            r#""usage":[{"source":"session","dedup":"1","at_ms":7,"usage":{"output":4}}],"#,
            r#""links":[{"kind":"commit","target":"abc","evidence":"created","ordinal":2,"call":0,"branch":"main"}]}"#
        )
    );
    assert_eq!(decode_facts(&json).unwrap(), facts);
    let later =
        r#"{"relation":"cousin","termination":"x","links":[{"kind":"wish","target":"t","evidence":"e","ordinal":0}]}"#;
    assert_eq!(decode_facts(later).unwrap(), SessionFacts::default());
}

#[test]
fn numbers_that_would_be_rounded_are_not_said() {
    let mut stored = prompt(0, "x");
    stored.message.at = Some(Timestamp::from_millis(i64::MAX));
    assert!(matches!(encode_message(&stored), Err(UnsayableError::Number(_))));
    stored.message.at = None;
    stored.message.usage = Some(Usage { output: Some((1 << 53) + 1), ..Usage::default() });
    assert!(matches!(encode_message(&stored), Err(UnsayableError::Number(_))));
    stored.message.usage = Some(Usage { output: Some(1 << 53), ..Usage::default() });
    assert_eq!(decode_message(&encode_message(&stored).unwrap()).unwrap(), stored);
}

#[test]
fn the_outbox_tables_are_those_of_the_exchange() {
    let sql = include_str!("../../../archive/exchange.sql");
    assert!(sql.contains(carry_exchange::strand::outbox::SQL.trim()));
}

#[test]
fn no_text_is_said_that_readers_do_not_take() {
    let piece = 384 * 1024;
    assert_eq!(check_size(TEXT_BYTES_MAX, piece), Ok(()));
    assert_eq!(check_size(TEXT_BYTES_MAX + 1, piece), Err(UnsayableError::TooLarge(TEXT_BYTES_MAX + 1)));
    assert_eq!(check_size(4096 * 10, 10), Err(UnsayableError::TooLarge(40_960)));
}

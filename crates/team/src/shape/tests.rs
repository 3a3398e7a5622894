use carry_redact::{Encoding, Fingerprint, placeholder};
use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Pin;
use carry_sessions::export::{message_of_json, result_of_json};
use carry_sessions::git_links::{Evidence, GitLink, LinkKind};
use carry_sessions::model::{Agent, Block, NativeId, RelationKind, Role, SessionId, Termination, ToolCall, Usage};
use proptest::prelude::*;

use super::*;
use crate::unit::{Body, Digest, Total};

mod canary;
mod digests;
mod words;

use canary::*;

fn head_of(mode: Mode) -> SessionHead {
    match session_head(mode, masked_head(), BTreeMap::new()) {
        Head::Session(head) => *head,
        Head::Totals(_) => panic!("a session's head"),
    }
}

const IN_METADATA: [&str; 16] = [
    "branch",
    "entrypoint",
    "kind",
    "link.branch",
    "link.full_sha",
    "link.repo",
    "link.superseded_by",
    "link.supersedes",
    "link.target",
    "model",
    "native",
    "origin",
    "parent",
    "project",
    "project_key",
    "version",
];
const IN_PROMPTS: [&str; 6] = ["cwd", "first_prompt", "label", "name", "pin.message", "pin.note"];

#[test]
fn of_a_head_each_mode_lets_through_exactly_these_texts() {
    for mode in Mode::ALL {
        let mut expected: Vec<&str> = match mode {
            Mode::Off | Mode::Aggregates => vec!["origin"],
            Mode::Metadata => IN_METADATA.to_vec(),
            Mode::Prompts => [&IN_METADATA[..], &IN_PROMPTS].concat(),
            Mode::Full => [&IN_METADATA[..], &IN_PROMPTS, &["link.subject"]].concat(),
        };
        expected.sort_unstable();
        assert_eq!(canaries(&format!("{:?}", head_of(mode))), expected, "{mode}");
    }
}

#[test]
fn numbers_and_times_stay_and_what_is_only_good_on_the_device_does_not() {
    let head = head_of(Mode::Metadata);
    let session = &head.session;
    assert_eq!((session.n, session.digest, session.revision), (0, [0; 32], 0));
    assert_eq!((&session.path, session.missing, &session.resume), (&None, None, &None));
    assert_eq!((session.messages, session.input_tokens, session.cost_micros), (5, Some(10), Some(60)));
    assert_eq!(session.started, Some(Timestamp::from_millis(1_763_000_000_000)));
    assert!(session.is_starred && session.is_trashed && !session.is_renamed);
    let link = &head.links[0];
    assert_eq!((link.number, link.ordinal, link.index), (Some(5), 1, Some(0)));
    assert!(head_of(Mode::Prompts).session.is_renamed);
}

/// All that stands in the rows of a mode.
fn shown(mode: Mode) -> String {
    format!("{:?}", rows(mode, Bucket(0), &messages()))
}

#[test]
fn of_messages_each_mode_lets_through_exactly_these_texts() {
    for mode in [Mode::Off, Mode::Aggregates, Mode::Metadata] {
        assert_eq!(rows(mode, Bucket(0), &messages()), Vec::new(), "{mode}");
    }
    let prompts = [
        "user.effort",
        "user.key",
        "user.model",
        "user.provider.message",
        "user.provider.request",
        "user.subtype",
        "user.text",
    ];
    assert_eq!(canaries(&shown(Mode::Prompts)), prompts);
    let of_message = ["key", "subtype", "model", "effort", "provider.message", "provider.request", "text", "thinking"];
    let of_others = ["image.media", "image.hash", "other.kind", "other.json"];
    let of_result = ["result.source", "result.content", "result.media", "result.hash", "result.subagent"];
    let of_call = ["call.id", "call.name", "call.input", "call.skill", "call.subagent", "call.file"];
    let mut full: Vec<String> = of_call.map(str::to_owned).to_vec();
    for who in ["user", "system", "agent"] {
        full.extend([&of_message[..], &of_others, &of_result].concat().iter().map(|field| format!("{who}.{field}")));
    }
    full.sort_unstable();
    assert_eq!(canaries(&shown(Mode::Full)), full);
}

#[test]
fn words_are_those_of_what_is_shared() {
    let words = |mode| {
        let rows = rows(mode, Bucket(0), &messages());
        let words = rows.into_iter().find_map(|row| match row.body {
            Body::Words(words) => Some(words),
            _ => None,
        });
        words.expect("words")
    };
    assert_eq!(words(Mode::Prompts), ["canary", "text", "user"]);
    let full = words(Mode::Full);
    for word in ["text", "thinking", "input", "content", "command"] {
        assert!(full.iter().any(|known| known == word), "{word}: {full:?}");
    }
    assert!(!full.iter().any(|word| word == "skill"));
}

#[test]
fn prompts_without_text_are_no_rows() {
    let mut stored = message(0, Role::User, false, "user");
    stored.message.blocks.retain(|block| !matches!(block, Block::Text(_)));
    assert_eq!(rows(Mode::Prompts, Bucket(0), &[stored]), Vec::new());
}

#[test]
fn what_a_subagent_was_told_is_no_users_prompt() {
    let of = |kind, mode| mode_of(mode, Some(kind));
    assert_eq!(mode_of(Mode::Prompts, None), Mode::Prompts);
    assert_eq!(of(RelationKind::Subagent, Mode::Prompts), Mode::Metadata);
    assert_eq!(of(RelationKind::Fork, Mode::Prompts), Mode::Prompts);
    for mode in [Mode::Off, Mode::Aggregates, Mode::Metadata, Mode::Full] {
        assert_eq!(of(RelationKind::Subagent, mode), mode);
    }
}

#[test]
fn a_key_that_is_a_folder_is_shown_only_with_the_working_directory() {
    let project = |key: &str, remote: Option<&str>, root: Option<&str>| Project {
        key: key.to_owned(),
        name: "orchard".to_owned(),
        remote: remote.map(str::to_owned),
        root: root.map(str::to_owned),
    };
    let shown = |mode, project: &Project| {
        project_key(mode, project, |key| Fingerprint([u8::try_from(key.len()).unwrap(); 4])).into_owned()
    };
    for (root, hash) in [("/home/ada/orchard", "11"), (r"C:\ada\orchard", "0e"), ("host.x/orchard", "0e")] {
        let folder = project(root, None, Some(root));
        for mode in [Mode::Off, Mode::Aggregates, Mode::Metadata] {
            assert_eq!(shown(mode, &folder), format!("orchard~{}", hash.repeat(4)), "{root} when {mode}");
        }
        for mode in [Mode::Prompts, Mode::Full] {
            assert_eq!(shown(mode, &folder), root);
        }
    }
    let remote = project("github.com/acme/orchard", Some("github.com/acme/orchard"), Some("/home/ada/orchard"));
    for (project, key) in [(remote, "github.com/acme/orchard"), (project("orchard", None, None), "orchard")] {
        assert_eq!(shown(Mode::Aggregates, &project), key);
    }
}

#[test]
fn rows_stand_in_the_order_of_their_places_whatever_order_the_messages_have() {
    let mut messages = messages();
    messages.push(message(40, Role::User, false, "elsewhere"));
    let all = rows(Mode::Full, Bucket(0), &messages);
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by_key(|row| row.place));
    assert!(all.iter().all(|row| row.place.bucket() == Bucket(0) && row.digest == digest_of_body(&row.body)));
    messages.reverse();
    assert_eq!(rows(Mode::Full, Bucket(0), &messages), all);
    let next = rows(Mode::Full, Bucket(1), &messages);
    assert_eq!(next[0].place, Place::Message(40));
}

fn finding(rule: &'static str, fingerprint: u8) -> Finding {
    Finding { rule, span: 0..1, fingerprint: Fingerprint([fingerprint; 4]), encoding: Encoding::Plain }
}

#[test]
fn places_are_counted_where_they_are_shared_and_were_masked_now() {
    let secret = |n| placeholder("rule-a", Fingerprint([n; 4]));
    let mut stored = message(0, Role::User, false, "x");
    stored.message.blocks =
        vec![Block::Text(format!("{} {}", secret(1), secret(9))), Block::Thinking(format!("{0} {0}", secret(1)))];
    stored.results[0].result.content = secret(2);
    // 9 was in the text before, 3 was found in what another message has.
    let findings = [(0, 1), (0, 1), (0, 1), (0, 2), (3, 9), (3, 3)].map(|(at, n)| (at, finding("rule-a", n)));
    let counted = |mode| masked_in(&rows(mode, Bucket(0), std::slice::from_ref(&stored)), &findings);
    assert_eq!(counted(Mode::Full), BTreeMap::from([("rule-a".to_owned(), 4)]));
    assert_eq!(counted(Mode::Prompts), BTreeMap::from([("rule-a".to_owned(), 1)]));
    assert_eq!(counted(Mode::Metadata), BTreeMap::new());
}

#[test]
fn places_of_a_head_are_counted_when_they_stay() {
    let mut head = masked_head();
    head.session.name = Some(placeholder("rule-a", Fingerprint([1; 4])));
    head.session.branch = Some(placeholder("rule-b", Fingerprint([2; 4])));
    head.findings = vec![finding("rule-a", 1), finding("rule-b", 2)];
    let counted = |mode| match session_head(mode, head.clone(), BTreeMap::from([("rule-b".to_owned(), 5)])) {
        Head::Session(head) => head.masked,
        Head::Totals(_) => panic!("a session's head"),
    };
    assert_eq!(counted(Mode::Full), BTreeMap::from([("rule-a".to_owned(), 1), ("rule-b".to_owned(), 6)]));
    assert_eq!(counted(Mode::Metadata), BTreeMap::from([("rule-b".to_owned(), 6)]));
}

#[test]
fn a_text_of_openings_takes_no_time() {
    let text = "[REDACTED:".repeat(200_000);
    let many: Vec<(u32, Finding)> = (0..20_000).map(|n| (0, finding("rule-a", n as u8))).collect();
    assert_eq!(masked_in(&rows(Mode::Full, Bucket(0), &[text_message(0, &text)]), &many), BTreeMap::new());
}

#[test]
fn totals_are_sums_by_day_agent_and_model() {
    let day = |n: i64| Some(Timestamp::from_millis(1_763_000_000_000 + n * 86_400_000));
    let of = |started, model: &str| SessionRow { started, model: Some(model.to_owned()), ..session() };
    let sessions = [
        of(day(0), "a"),
        of(day(0), "a"),
        of(day(0), "b"),
        of(day(1), "a"),
        of(None, "a"),
        of(Some(Timestamp::from_millis(i64::MAX)), "a"),
        SessionRow { cost_micros: Some(u64::MAX), input_tokens: None, ..of(day(2), "a\0") },
    ];
    let head = totals("key\0", "name", &sessions);
    assert_eq!((head.project_key.as_str(), head.project.as_str()), ("key\u{FFFD}", "name"));
    let days: Vec<(&str, &str, u64)> =
        head.days.iter().map(|total| (total.day.as_str(), total.model.as_str(), total.sessions)).collect();
    let expected = [
        ("", "a", 2),
        ("2025-11-13", "a", 2),
        ("2025-11-13", "b", 1),
        ("2025-11-14", "a", 1),
        ("2025-11-15", "a\u{FFFD}", 1),
    ];
    assert_eq!(days, expected);
    let two = Total {
        day: "2025-11-13".to_owned(),
        agent: "claude".to_owned(),
        model: "a".to_owned(),
        sessions: 2,
        messages: 10,
        user_messages: 8,
        calls: 4,
        failures: 2,
        input_tokens: 20,
        output_tokens: 40,
        cache_read_tokens: 60,
        cache_write_tokens: 80,
        cost_micros: 120,
    };
    assert_eq!(head.days[1], two);
    assert_eq!((head.days[4].cost_micros, head.days[4].input_tokens), (i64::MAX.cast_unsigned(), 0));
    // Nothing of a single session stands there but what it is summed by.
    assert_eq!(canaries(&format!("{:?}", totals("k", "n", &[session()]))), ["model"]);
    let mut turned = sessions.clone();
    turned.reverse();
    assert_eq!(totals("key\0", "name", &turned), head);
}

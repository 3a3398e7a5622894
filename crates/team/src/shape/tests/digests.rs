//! Digests cover everything, and what was read back gives the same.

use super::*;
use crate::unit::TotalsHead;

/// A head, and a change to it.
type Change = (&'static str, fn(&mut SessionHead));

/// Every field of a head that is kept, changed.
const CHANGES: [Change; 53] = [
    ("mode", |head| head.mode = Mode::Prompts),
    ("id", |head| head.session.id = SessionId::new("other", Agent::Claude, &head.session.native)),
    ("origin", |head| head.session.origin.push('x')),
    ("agent", |head| head.session.agent = Agent::Codex),
    ("native", |head| head.session.native.0.push('x')),
    ("parent", |head| head.session.parent = Some((NativeId("x".to_owned()), RelationKind::Fork))),
    ("relation", |head| head.session.parent = head.session.parent.take().map(|(id, _)| (id, RelationKind::Subagent))),
    ("no parent", |head| head.session.parent = None),
    ("project", |head| head.session.project.push('x')),
    ("project_key", |head| head.session.project_key.push('x')),
    ("cwd", |head| head.session.cwd = None),
    ("branch", |head| head.session.branch = None),
    ("name", |head| head.session.name = Some(String::new())),
    ("no name", |head| head.session.name = None),
    ("is_renamed", |head| head.session.is_renamed ^= true),
    ("first_prompt", |head| head.session.first_prompt = None),
    ("entrypoint", |head| head.session.entrypoint = None),
    ("kind", |head| head.session.kind = None),
    ("version", |head| head.session.version = None),
    ("termination", |head| head.session.termination = Some(Termination::Truncated)),
    ("no termination", |head| head.session.termination = None),
    ("is_automated", |head| head.session.is_automated ^= true),
    ("started", |head| head.session.started = None),
    ("ended", |head| head.session.ended = head.session.started),
    ("messages", |head| head.session.messages += 1),
    ("user_messages", |head| head.session.user_messages += 1),
    ("abandoned", |head| head.session.abandoned += 1),
    ("calls", |head| head.session.calls += 1),
    ("failures", |head| head.session.failures += 1),
    ("model", |head| head.session.model = None),
    ("input_tokens", |head| head.session.input_tokens = Some(0)),
    ("no input_tokens", |head| head.session.input_tokens = None),
    ("output_tokens", |head| head.session.output_tokens = None),
    ("cache_read_tokens", |head| head.session.cache_read_tokens = None),
    ("cache_write_tokens", |head| head.session.cache_write_tokens = None),
    ("peak_context", |head| head.session.peak_context = None),
    ("cost_micros", |head| head.session.cost_micros = None),
    ("malformed", |head| head.session.malformed += 1),
    ("is_starred", |head| head.session.is_starred ^= true),
    ("is_trashed", |head| head.session.is_trashed ^= true),
    ("labels", |head| head.session.labels.push("x".to_owned())),
    ("pin.message", |head| head.pins[0].message.push('x')),
    ("pin.note", |head| head.pins[0].note.push('x')),
    ("pin.at", |head| head.pins[0].at.counter += 1),
    ("pins", |head| head.pins.push(pin())),
    ("link.kind", |head| head.links[0].kind = LinkKind::Push),
    ("link.target", |head| head.links[0].target.push('x')),
    ("link.evidence", |head| head.links[0].evidence = Evidence::Mentioned),
    ("link.number", |head| head.links[0].number = None),
    ("link.ordinal", |head| head.links[0].ordinal += 1),
    ("link.index", |head| head.links[0].index = None),
    ("links", |head| head.links.clear()),
    ("masked", |head| {
        head.masked.insert("rule".to_owned(), 1);
    }),
];

#[test]
fn a_heads_digest_covers_every_field() {
    let digest = |head: &SessionHead| head_digest(&Head::Session(Box::new(head.clone())));
    let head = head_of(Mode::Full);
    let mut seen = vec![("nothing", digest(&head))];
    let mut see = |what: &'static str, digest: Digest| {
        let known = seen.iter().find(|(_, known)| *known == digest);
        assert_eq!(known, None, "{what}");
        seen.push((what, digest));
    };
    for (what, change) in CHANGES {
        let mut changed = head.clone();
        change(&mut changed);
        see(what, digest(&changed));
    }
    let texts: [Change; 6] = [
        ("link.repo", |head| head.links[0].repo = None),
        ("link.branch", |head| head.links[0].branch = None),
        ("link.subject", |head| head.links[0].subject = None),
        ("link.full_sha", |head| head.links[0].full_sha = None),
        ("link.supersedes", |head| head.links[0].supersedes = None),
        ("link.superseded_by", |head| head.links[0].superseded_by = None),
    ];
    for (what, change) in texts {
        let mut changed = head.clone();
        change(&mut changed);
        see(what, digest(&changed));
    }
}

#[test]
fn the_order_in_which_a_store_gives_pins_links_labels_and_days_does_not_count() {
    let mut head = head_of(Mode::Full);
    head.pins.push(Pin { note: "x".to_owned(), ..pin() });
    head.links.push(GitLink { ordinal: 9, ..link() });
    head.session.labels.push("a".to_owned());
    let before = head_digest(&Head::Session(Box::new(head.clone())));
    head.pins.reverse();
    head.links.reverse();
    head.session.labels.reverse();
    assert_eq!(head_digest(&Head::Session(Box::new(head))), before);
    let mut days = totals("k", "n", &[session(), SessionRow { started: None, ..session() }]);
    let before = head_digest(&Head::Totals(days.clone()));
    days.days.reverse();
    assert_eq!(head_digest(&Head::Totals(days)), before);
}

#[test]
fn the_digest_of_totals_covers_every_field() {
    let changes: [fn(&mut TotalsHead); 16] = [
        |_| {},
        |head| head.project_key.push('x'),
        |head| head.project.push('x'),
        |head| head.days[0].day.push('x'),
        |head| head.days[0].agent.push('x'),
        |head| head.days[0].model.push('x'),
        |head| head.days[0].sessions += 1,
        |head| head.days[0].messages += 1,
        |head| head.days[0].user_messages += 1,
        |head| head.days[0].calls += 1,
        |head| head.days[0].failures += 1,
        |head| head.days[0].input_tokens += 1,
        |head| head.days[0].output_tokens += 1,
        |head| head.days[0].cache_read_tokens += 1,
        |head| head.days[0].cache_write_tokens += 1,
        |head| head.days[0].cost_micros += 1,
    ];
    let digests = changes.map(|change| {
        let mut head = totals("k", "n", &[session()]);
        change(&mut head);
        head_digest(&Head::Totals(head))
    });
    assert_eq!(digests.iter().collect::<std::collections::BTreeSet<_>>().len(), changes.len());
}

#[test]
fn a_rows_digest_covers_every_column() {
    let message = |change: fn(&mut Body)| {
        let mut body = Body::Message {
            role: 0,
            subtype: None,
            is_system: false,
            is_abandoned: false,
            at: None,
            model: None,
            json: "{}".to_owned(),
        };
        change(&mut body);
        digest_of_body(&body)
    };
    let set: [fn(&mut Body); 8] = [
        |_| {},
        |body| {
            if let Body::Message { role, .. } = body {
                *role = 1
            }
        },
        |body| {
            if let Body::Message { subtype, .. } = body {
                *subtype = Some(String::new())
            }
        },
        |body| {
            if let Body::Message { is_system, .. } = body {
                *is_system = true
            }
        },
        |body| {
            if let Body::Message { is_abandoned, .. } = body {
                *is_abandoned = true
            }
        },
        |body| {
            if let Body::Message { at, .. } = body {
                *at = Some(Timestamp::EPOCH)
            }
        },
        |body| {
            if let Body::Message { model, .. } = body {
                *model = Some(String::new())
            }
        },
        |body| {
            if let Body::Message { json, .. } = body {
                *json = "{ }".to_owned()
            }
        },
    ];
    let mut digests: Vec<Digest> = set.into_iter().map(message).collect();
    for (status, at, json) in [(0, None, "{}"), (1, None, "{}"), (0, Some(Timestamp::EPOCH), "{}"), (0, None, "{ }")] {
        digests.push(digest_of_body(&Body::Result { status, at, json: json.to_owned() }));
    }
    for words in [vec![], vec!["a"], vec!["a", "b"], vec!["ab"]] {
        digests.push(digest_of_body(&Body::Words(words.into_iter().map(str::to_owned).collect())));
    }
    assert_eq!(digests.iter().collect::<std::collections::BTreeSet<_>>().len(), digests.len());
    let of = |words: [&str; 2]| digest_of_body(&Body::Words(words.map(str::to_owned).to_vec()));
    assert_eq!(of(["a", "b"]), of(["b", "a"]));
}

#[test]
fn nothing_that_a_store_cannot_hold_is_handed_to_it() {
    let mut head = masked_head();
    head.session.name = Some("a\0b".to_owned());
    head.session.labels = vec!["l\0".to_owned()];
    head.session.started = Some(Timestamp::from_millis(i64::MIN));
    head.session.input_tokens = Some(u64::MAX);
    head.links[0].number = Some(u64::MAX);
    head.pins[0].note = "\0".to_owned();
    let head = session_head(Mode::Full, head, BTreeMap::new());
    let shown = format!("{head:?}");
    assert!(!shown.contains("\\0") && shown.contains("a\u{FFFD}b"), "{shown}");
    let Head::Session(head) = head else { panic!("a session's head") };
    assert_eq!((head.session.started, head.session.input_tokens), (None, Some(i64::MAX.cast_unsigned())));
    assert_eq!(head.links[0].number, Some(i64::MAX.cast_unsigned()));

    let mut stored = message(0, Role::Assistant, false, "x");
    stored.message.subtype = Some("s\0".to_owned());
    stored.message.at = Some(Timestamp::from_millis(i64::MAX));
    stored.message.blocks = vec![
        Block::Text("t\0".to_owned()),
        Block::Call(ToolCall { input: "{\"k\\u0000\":\"v\\u0000\"}".to_owned(), ..call() }),
        Block::Call(ToolCall { index: 1, input: "no json \0".to_owned(), ..call() }),
    ];
    stored.results[0].result.content = "c\0".to_owned();
    for row in rows(Mode::Full, Bucket(0), &[stored]) {
        let shown = format!("{row:?}");
        assert!(!shown.contains("\\0") && !shown.contains("u0000") && !shown.contains("u{0}"), "{shown}");
        if let Body::Message { at, .. } = row.body {
            assert_eq!(at, None);
        }
    }
}

fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z_ü\0\\\\\"\n]{0,20}", any::<String>()]
}

fn odd_input() -> impl Strategy<Value = String> {
    prop_oneof![
        odd_text(),
        odd_text().prop_map(|text| serde_json::json!({ text.as_str(): [text, 1] }).to_string()),
        odd_text().prop_map(|text| format!(" {:#} ", serde_json::json!([text]))),
        odd_text().prop_map(|text| serde_json::Value::from(serde_json::json!([text]).to_string()).to_string()),
        any::<f64>().prop_map(|number| format!("[{number:e}]")),
        Just("{\"a\":1,\"a\":\"\\u0000\",\"\\u0000\":1,\"\u{FFFD}\":2}".to_owned()),
        Just("\"\\u0000\"".to_owned()),
        Just("\"\\ud83d\"".to_owned()),
        (60..130_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ]
}

proptest! {
    #[test]
    fn a_message_that_was_read_back_gives_the_same_rows(
        texts in prop::collection::vec(odd_text(), 4),
        inputs in prop::collection::vec(odd_input(), 3),
        at in prop::option::of(any::<i64>()),
        cost in prop::option::of(any::<u64>()),
    ) {
        let mut stored = message(33, Role::Assistant, false, "x");
        stored.message.key = Some(texts[0].clone());
        stored.message.at = at.map(Timestamp::from_millis);
        stored.message.usage = Some(Usage { cost_micros: cost, ..Usage::default() });
        stored.message.blocks = vec![
            Block::Text(texts[1].clone()),
            Block::Thinking(texts[2].clone()),
            Block::Call(ToolCall { input: inputs[0].clone(), ..call() }),
            Block::Call(ToolCall { index: 1, input: inputs[1].clone(), ..call() }),
            Block::Other { kind: "k".to_owned(), json: inputs[2].clone() },
        ];
        stored.results[0].result.content = texts[3].clone();
        let rows = rows(Mode::Full, Bucket(1), &[stored]);
        let parsed = |row: &Row| serde_json::from_str(row.body.json().expect("JSON")).expect("what was written can be read");
        let mut back = message_of_json(&parsed(&rows[0])).expect("a message");
        back.results.push(result_of_json(&parsed(&rows[1])).expect("a result"));
        prop_assert_eq!(super::rows(Mode::Full, Bucket(1), &[back]), rows);
    }
}

#[test]
fn digests_are_what_they_always_were() {
    let hex = |digest: Digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let rows = rows(Mode::Full, Bucket(0), &messages()[..1]);
    let digests: Vec<String> = rows.iter().map(|row| hex(row.digest)).collect();
    let head = hex(head_digest(&Head::Session(Box::new(head_of(Mode::Full)))));
    let days = hex(head_digest(&Head::Totals(totals("k", "n", &[session()]))));
    // Whoever changes these changes the version, too: all that is in stores is compared anew.
    assert_eq!(VERSION, 2);
    let of_rows = [
        "becc430bdb941d3b8fb38dd2f7aa3d72bb60ab17af491cdeb8e12dfb3c3ff67e",
        "b9d838c0a24be2044ae20404ee4be7e256de57601ac77946593c56e57cd572f5",
        "c0f37ceb64685b8072692d237dc264c1024776b4899ca87fb763923440affd72",
    ];
    assert_eq!(digests, of_rows);
    assert_eq!(head, "428b282aea8acd27dcb600e03c5f698e2a1cc9006f525aad2e84dcc2c2f1e2e9");
    assert_eq!(days, "0a9be010dee120fa6d66c704c017710f112252abd36ed4abd84a9e4a9f1d41e0");
}

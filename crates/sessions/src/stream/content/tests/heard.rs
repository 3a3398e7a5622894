//! What is shown of what was said.

use std::collections::BTreeMap;

use super::super::payload::{Body, Generation, MESSAGES, Name, Payload, Piece, SESSION, VERSION};
use super::super::unread;
use super::device::{Device, Recorder, cwd};
use crate::list::Filter;
use crate::mask::pieces::fixture::{answer, ops, prompt, put_ops, run};
use crate::model::{Agent, Block, NativeId, Relation, RelationKind, SessionId};
use crate::search::Query;
use carry_exchange::record::{Flags, Record};

#[test]
fn words_are_found_and_the_list_shows_it() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &[prompt(0, "plant the quincunx"), run(1, "so", "make quincunx", &["planted"])]);
    a.say();
    b.trust(&a);
    b.pull(&a);
    let listed = b.strand.archive().list(&Filter::default()).unwrap();
    assert_eq!(listed.sessions.len(), 1);
    let found = b.strand.archive().search(&Query { text: "quincunx".into(), limit: 10, ..Query::default() }).unwrap();
    assert!(!found.hits.is_empty());
    b.check();
}

#[test]
fn sessions_are_listed_by_device() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &[prompt(0, "here")]);
    b.put("two", &[prompt(0, "there")]);
    a.say();
    b.trust(&a);
    b.store.set_alias(a.store.log(), "travel").unwrap();
    b.pull(&a);
    let natives = |device: &str| {
        let filter = Filter { device: Some(device.to_owned()), ..Filter::default() };
        let listed = b.strand.archive().list(&filter).unwrap();
        listed.sessions.into_iter().map(|row| row.native.0).collect::<Vec<_>>()
    };
    assert_eq!(natives("laptop"), ["one"]);
    assert_eq!(natives("laptop-3f9a1c00"), ["one"]);
    assert_eq!(natives("travel"), ["one"]);
    assert_eq!(natives("desk"), ["two"]);
    assert!(natives("other").is_empty());
    assert_eq!(b.strand.archive().origins().unwrap(), [("desk-11111111".into(), 1), ("laptop-3f9a1c00".into(), 1)]);
}

#[test]
fn a_subagent_is_found_from_its_parent_whichever_came_first() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let of = Relation { kind: RelationKind::Subagent, parent: NativeId("one".into()), call: Some("call".into()) };
    put_ops(a.strand.archive_mut(), "child", ops("child", Some(of), cwd(), &[prompt(0, "look")]));
    a.say();
    b.trust(&a);
    b.pull(&a);
    a.put("one", &[prompt(0, "go"), run(1, "call", "task", &["done"])]);
    a.say();
    b.pull(&a);
    // A session of the same name that is read here is not taken for the parent.
    b.put("one", &[prompt(0, "mine")]);
    let parent = b.strand.archive().children(&a.session("one")).unwrap();
    assert_eq!(parent.iter().map(|row| row.native.0.as_str()).collect::<Vec<_>>(), ["child"]);
    assert_eq!(parent[0].id, a.session("child").id);
    assert_eq!(b.strand.archive().children(&b.session("one")).unwrap().len(), 0);
    b.check();
}

#[test]
fn a_session_that_is_read_here_is_not_overwritten() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &[prompt(0, "first"), answer(1, "yes")]);
    a.say();
    // The same home elsewhere, where the session went on in another way.
    let mut c = a.copy("elsewhere");
    c.put("one", &[prompt(0, "first"), answer(1, "no"), answer(2, "but")]);
    c.say();
    a.trust(&c);
    a.pull(&c);
    assert_eq!(a.messages("one"), [prompt(0, "first"), answer(1, "yes")]);
    // Neither answers the other for ever.
    for _ in 0..3 {
        a.say();
        c.trust(&a);
        c.pull(&a);
        c.say();
        a.pull(&c);
    }
    assert_eq!((a.say(), c.say()), (0, 0));
}

#[test]
fn two_keys_of_one_device_make_one_session() {
    let mut a = Device::new("laptop-3f9a1c00");
    let mut messages = vec![prompt(0, "first"), answer(1, "yes")];
    a.put("one", &messages);
    a.say();
    let mut c = a.copy("new machine");
    messages.push(prompt(2, "and"));
    c.put("one", &messages);
    assert_eq!(c.say(), 1, "what the old key said is said");
    let mut b = Device::new("desk-11111111");
    b.trust(&a);
    b.trust(&c);
    b.pull(&c);
    b.pull(&a);
    assert_eq!(b.messages("one"), messages);
    assert_eq!(b.strand.archive().total().unwrap(), 1);
}

#[test]
fn what_a_revoked_log_brought_goes() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &[prompt(0, "first")]);
    a.say();
    b.trust(&a);
    b.pull(&a);
    let (head, _) = a.store.signed_segments().unwrap().unwrap();
    let streams = &head.head().streams;
    let at: BTreeMap<_, _> =
        streams.iter().map(|(stream, state)| (stream.clone(), (state.last, state.chain))).collect();
    a.put("one", &[prompt(0, "first"), answer(1, "second")]);
    a.put("two", &[prompt(0, "other")]);
    a.say();
    let before = b.dump();
    b.pull(&a);
    assert_ne!(b.dump(), before);
    let now = b.now();
    b.store.revoke(a.store.log(), &at, now).unwrap();
    b.store.deliver(&mut b.strand).unwrap();
    b.store.deliver(&mut b.strand).unwrap();
    assert_eq!(b.messages("one"), [prompt(0, "first")]);
    assert_eq!(b.find("two"), None);
    assert_eq!(b.dump(), before);
    b.check();
}

/// A record as a hostile or later author may write it.
fn record(seq: u64, id: &SessionId, kind: u16, payload: Vec<u8>) -> Record {
    Record {
        flags: Flags::default(),
        seq,
        at: carry_kernel::hlc::Hlc { wall_ms: 1_790_000_000_000 + seq, counter: 0 },
        kind,
        kind_version: VERSION,
        salt: [0; 16],
        key: id.as_str().as_bytes().to_vec(),
        wants: Vec::new(),
        payload,
    }
}

#[test]
fn records_that_mean_nothing_are_passed_over() {
    let mut b = Device::new("desk-11111111");
    let id = SessionId::new("x", Agent::Claude, &NativeId("n".into()));
    let of = Name { origin: "x".into(), agent: "claude".into(), native: "n".into() };
    let good = Payload {
        of: of.clone(),
        generation: Generation([1; 16]),
        replaces: Vec::new(),
        body: Body::Messages(vec![
            r#"{"ordinal":0,"role":"user","blocks":[{"text":"hello"}],"later":{"a":1}}"#.into(),
            r#"{"ordinal":1,"role":"nobody","blocks":[]}"#.into(),
            r#"{"ordinal":2,"role":"user","at_ms":9007199254740999}"#.into(),
            r#"{"ordinal":3,"role":"user","blocks":[{"later":"x"}]}"#.into(),
            r#"{"ordinal":4,"ordinal":5,"role":"user"}"#.into(),
        ]),
    };
    let payloads = [
        (SESSION, b"{}".to_vec()),
        (MESSAGES, b"not json".to_vec()),
        (MESSAGES, b"[1]".to_vec()),
        (MESSAGES, vec![0xff, 0xfe]),
        (SESSION, good.clone().encode().unwrap()),
        (MESSAGES, good.clone().encode().unwrap()),
        (MESSAGES, br#"{"of":{"origin":"x","agent":"claude","native":"n"},"generation":"zz","messages":[]}"#.to_vec()),
    ];
    let records: Vec<Record> =
        payloads.into_iter().zip(1..).map(|((kind, payload), seq)| record(seq, &id, kind, payload)).collect();
    b.fold(&records);
    // What has no number has no place. Of the others what cannot be read is shown as such.
    let messages = b.messages("n");
    assert_eq!(messages.iter().map(|one| one.message.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(messages[0].message.subtype, None);
    assert!(messages[1..3].iter().all(|one| one.message.subtype.as_deref() == Some("unreadable")), "{messages:?}");
    let unread = |record: &Record| {
        let unread = unread(record);
        (unread.n_records, unread.n_messages)
    };
    let counts: Vec<(u64, u64)> = records.iter().map(unread).collect();
    assert_eq!(counts, [(1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 3), (1, 0)], "as shown above");
    assert_eq!(unread(&Record { kind_version: 2, ..records[0].clone() }), (0, 0), "it waits for a later version");
    // A key that is no session's.
    for (key, flags) in [(b"".to_vec(), Flags::default()), (b"\xff".to_vec(), Flags::REPLACES)] {
        let mut odd = record(9, &id, MESSAGES, good.clone().encode().unwrap());
        (odd.key, odd.flags) = (key, flags);
        assert_eq!(unread(&odd), (1, 0));
        b.fold(&[odd]);
    }
    // Another session that claims the same name is not shown in its place.
    let other = SessionId::parse("0123456789abcdef").unwrap();
    let claim = Payload {
        of,
        generation: Generation([2; 16]),
        replaces: Vec::new(),
        body: Body::Messages(vec![r#"{"ordinal":0,"role":"user","blocks":[{"text":"mine"}]}"#.into()]),
    };
    b.fold(&[record(10, &other, MESSAGES, claim.encode().unwrap())]);
    assert!(b.text("n").contains("hello"));
    assert_eq!(b.strand.archive().total().unwrap(), 1);
    b.check();
}

#[test]
fn what_cannot_be_read_makes_void_what_was_said_before_all_the_same() {
    let id = SessionId::new("x", Agent::Claude, &NativeId("n".into()));
    let said = Payload {
        of: Name { origin: "x".into(), agent: "claude".into(), native: "n".into() },
        generation: Generation([1; 16]),
        replaces: Vec::new(),
        body: Body::Messages(vec![r#"{"ordinal":0,"role":"user","blocks":[{"text":"hello"}]}"#.into()]),
    };
    let said = |seq| record(seq, &id, MESSAGES, said.clone().encode().unwrap());
    let mut odd = record(2, &id, SESSION, b"junk".to_vec());
    // A merge drops what stands before it, whatever its payload says: so does a fold, in any order.
    for (flags, n_left) in [(Flags::default(), 1), (Flags::REPLACES, 0)] {
        odd.flags = flags;
        for records in [[said(1), odd.clone()], [odd.clone(), said(1)]] {
            let mut b = Device::new("desk-11111111");
            records.iter().for_each(|record| b.fold(std::slice::from_ref(record)));
            assert_eq!(b.messages("n").len(), n_left);
            b.fold(&[said(3)]);
            assert_eq!(b.messages("n").len(), 1);
            b.check();
        }
    }
}

#[test]
fn a_block_that_cannot_be_read_takes_no_other_with_it() {
    let mut b = Device::new("desk-11111111");
    let id = SessionId::new("x", Agent::Claude, &NativeId("n".into()));
    let odd = [
        r#"{"hologram":{"a":1}}"#,
        r#"{"text":"hi","more":2}"#,
        r#"{"text":"a","thinking":"b"}"#,
        r#"{"call":{"name":"Read","category":"Read","input":{"a":1}}}"#,
        r#"{"image":{"media":"image/png","bytes":9007199254740993,"hash":"00"}}"#,
        "7",
        "{}",
    ];
    let blocks = odd.map(|block| format!("{block},")).concat();
    let message = format!(r#"{{"ordinal":0,"role":"user","blocks":[{{"text":"before"}},{blocks}{{"text":"after"}}]}}"#);
    let payload = Payload {
        of: Name { origin: "x".into(), agent: "claude".into(), native: "n".into() },
        generation: Generation([1; 16]),
        replaces: Vec::new(),
        body: Body::Messages(vec![message]),
    };
    b.fold(&[record(1, &id, MESSAGES, payload.encode().unwrap())]);
    let blocks = b.messages("n").remove(0).message.blocks;
    let part = |json: &str| Block::Other { kind: "a part that needs a later version".into(), json: json.into() };
    let expected: Vec<Block> = odd.iter().map(|json| part(json)).collect();
    assert_eq!(blocks[1..blocks.len() - 1], expected);
    assert_eq!((&blocks[0], blocks.last()), (&Block::Text("before".into()), Some(&Block::Text("after".into()))));
    // It is the same when it was put aside meanwhile.
    let longer = Payload {
        of: Name { origin: "x".into(), agent: "claude".into(), native: "n".into() },
        generation: Generation([2; 16]),
        replaces: Vec::new(),
        body: Body::Messages((0..2).map(|n| format!(r#"{{"ordinal":{n},"role":"user"}}"#)).collect()),
    };
    b.fold(&[record(2, &id, MESSAGES, longer.clone().encode().unwrap())]);
    assert_eq!(b.messages("n").len(), 2);
    let gone = Payload { body: Body::Withdrawn, ..longer };
    b.fold(&[record(3, &id, SESSION, gone.encode().unwrap())]);
    assert_eq!(b.messages("n").remove(0).message.blocks, blocks);
    b.check();
}

/// The pieces of one message of `n` times `bytes` bytes, `Record`s from `first` on.
fn pieces(first: u64, id: &SessionId, set: u8, n: u32, bytes: usize) -> Vec<Record> {
    let of = Name { origin: "x".into(), agent: "claude".into(), native: "n".into() };
    let (head, tail) = (r#"{"ordinal":0,"role":"user","blocks":[{"text":""#, r#""}]}"#);
    let piece = |(index, seq): (u32, u64)| {
        let mut text = "a".repeat(bytes);
        if index == 0 {
            text.insert_str(0, head);
        }
        if index + 1 == n {
            text.push_str(tail);
        }
        let body = Body::Piece(Piece { ordinal: Some(0), set: Generation([set; 16]), index, count: n, text });
        let payload = Payload { of: of.clone(), generation: Generation([1; 16]), replaces: Vec::new(), body };
        record(seq, id, MESSAGES, payload.encode().unwrap())
    };
    (0..n).zip(first..).map(piece).collect()
}

#[test]
fn a_text_in_pieces_that_is_too_long_is_not_put_together_and_does_not_stay() {
    let mut b = Device::new("desk-11111111");
    let id = SessionId::new("x", Agent::Claude, &NativeId("n".into()));
    let n_kept = |b: &Device| -> i64 {
        let conn = b.strand.archive().db.conn();
        conn.query_row("SELECT count(*) FROM said_pieces", [], |row| row.get(0)).unwrap()
    };
    const MIB: usize = 1024 * 1024;
    let mut long = pieces(1, &id, 7, 66, MIB - 4096);
    for turned in [false, true] {
        if turned {
            long.reverse();
        }
        b.fold(&long);
        assert!(b.find("n").is_none_or(|row| row.messages == 0), "{turned}");
        assert!(n_kept(&b) < 3, "{}", n_kept(&b));
    }
    b.fold(&pieces(100, &id, 8, 3, 5000));
    assert_eq!(b.messages("n").len(), 1);
}

#[test]
fn of_two_accounts_the_longer_is_shown_and_the_one_that_was_replaced_never() {
    let mut b = Device::new("desk-11111111");
    let id = SessionId::new("x", Agent::Claude, &NativeId("n".into()));
    let of = Name { origin: "x".into(), agent: "claude".into(), native: "n".into() };
    let said = |generation: u8, replaces: &[u8], texts: &[&str]| {
        let messages = (0..)
            .zip(texts)
            .map(|(i, text)| format!(r#"{{"ordinal":{i},"role":"user","blocks":[{{"text":"{text}"}}]}}"#));
        let payload = Payload {
            of: of.clone(),
            generation: Generation([generation; 16]),
            replaces: replaces.iter().map(|byte| Generation([*byte; 16])).collect(),
            body: Body::Messages(messages.collect()),
        };
        payload.encode().unwrap()
    };
    b.fold(&[record(1, &id, MESSAGES, said(1, &[], &["a", "b", "c"]))]);
    b.fold(&[record(2, &id, MESSAGES, said(2, &[], &["x", "y"]))]);
    assert!(b.text("n").contains("\"a\""));
    b.fold(&[record(3, &id, MESSAGES, said(2, &[], &["x", "y", "z", "w"]))]);
    assert!(b.text("n").contains("\"w\"") && !b.text("n").contains("\"a\""));
    b.fold(&[record(4, &id, MESSAGES, said(3, &[2], &["new"]))]);
    assert!(b.text("n").contains("\"a\""), "the first was parked and is the longest again");
    b.fold(&[record(5, &id, MESSAGES, said(3, &[1, 2], &["new"]))]);
    assert!(b.text("n").contains("\"new\"") && b.messages("n").len() == 1);
    b.fold(&[record(6, &id, MESSAGES, said(2, &[], &["x", "y", "z", "w", "v"]))]);
    assert_eq!(b.messages("n").len(), 1);
    b.check();
}

#[test]
fn merged_records_say_the_same() {
    let (mut a, mut b, mut c) =
        (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"), Device::new("shed-22222222"));
    b.trust(&a);
    let mut messages = Vec::new();
    for i in 0..20 {
        let mut call = run(i, "so", "make", &[]);
        messages.push(call.clone());
        a.put("one", &messages);
        a.say();
        b.trust(&a);
        b.pull(&a);
        call.results = run(i, "so", "make", &["built"]).results;
        messages.pop();
        messages.push(call);
        a.put("one", &messages);
        a.say();
    }
    let before = Recorder::records(&mut a.store).len();
    let now = a.now();
    let merged = a.store.compact(&[&a.strand], now).unwrap();
    assert!(merged.iter().map(|one| one.n_dropped).sum::<usize>() > 10, "{merged:?}");
    a.publish();
    assert!(Recorder::records(&mut a.store).len() < before);
    c.trust(&a);
    c.pull(&a);
    b.pull(&a);
    assert_eq!(c.dump(), b.dump());
    assert_eq!(c.messages("one"), messages);
    // Its own archive, made anew from what was merged, says nothing again.
    a.lose_archive();
    a.put("one", &messages);
    assert_eq!(a.say(), 0);
    a.check();
    c.check();
}

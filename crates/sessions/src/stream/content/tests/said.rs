//! What is said, and what is not said again.

use carry_exchange::strand::Strand as _;

use super::super::payload::{MESSAGES, SESSION};
use super::device::{Device, Recorder, cwd};
use crate::archive::StoredMessage;
use crate::curation::Edit;
use crate::mask::pieces::fixture::{answer, ops, output, prompt, put_ops, run};
use crate::model::{Facts, Usage, UsageEvent};
use crate::source::Op;

fn talk(n: u32) -> Vec<StoredMessage> {
    (0..n).map(|i| if i % 2 == 0 { prompt(i, &format!("do {i}")) } else { answer(i, &format!("did {i}")) }).collect()
}

#[test]
fn a_session_arrives_as_it_is_and_is_said_once() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let mut messages = talk(9);
    messages.push(run(9, "so", "ls", &["a", "b"]));
    a.put("one", &messages);
    assert!(a.say() > 0);
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("one"), messages);
    let (ours, theirs) = (a.session("one"), b.session("one"));
    assert_eq!((&ours.id, ours.digest, &ours.origin), (&theirs.id, theirs.digest, &theirs.origin));
    assert_eq!((ours.messages, ours.calls, &ours.first_prompt), (theirs.messages, theirs.calls, &theirs.first_prompt));
    assert_eq!((ours.started, ours.ended, &ours.project), (theirs.started, theirs.ended, &theirs.project));
    assert_eq!(theirs.path, None);
    assert_eq!(a.say(), 0);
    assert_eq!(b.say(), 0, "what was received is not said again");
    a.check();
    b.check();
}

#[test]
fn what_reads_the_same_is_not_said_again() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &talk(10));
    a.say();
    // Read again, and by a program that was started anew.
    a.put("one", &talk(10));
    assert_eq!(a.say(), 0);
    a.reopen();
    assert_eq!(a.say(), 0);
}

#[test]
fn where_a_file_lies_and_when_it_was_touched_is_not_said() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &talk(10));
    a.say();
    b.trust(&a);
    b.pull(&a);
    let before = b.dump();
    // The same session in a file elsewhere, as after a move.
    put_ops(a.strand.archive_mut(), "moved/elsewhere", ops("one", None, cwd(), &talk(10)));
    assert_eq!(a.say(), 0);
    b.pull(&a);
    assert_eq!(b.dump(), before);
    for record in Recorder::records(&mut a.store) {
        assert!(!String::from_utf8_lossy(&record.payload).contains("jsonl"));
    }
    // And it goes on from there.
    put_ops(a.strand.archive_mut(), "moved/elsewhere", ops("one", None, cwd(), &talk(11)));
    a.say();
    b.pull(&a);
    assert_eq!(b.messages("one"), a.messages("one"));
}

#[test]
fn what_is_added_while_something_is_on_its_way_out_is_said_next() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &talk(6));
    let n = a.session("one").n;
    a.strand.say_only(&mut a.store, n);
    // Not handed over yet, and the file grows.
    a.put("one", &talk(9));
    assert!(a.say() > 0);
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("one"), talk(9));
    assert_eq!(a.say(), 0);
    a.check();
}

#[test]
fn a_device_that_is_called_otherwise_now_is_the_same_and_goes_on() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &talk(4));
    a.say();
    b.trust(&a);
    b.pull(&a);
    a.origin = "renamed-3f9a1c00".to_owned();
    a.reopen();
    a.put("one", &talk(5));
    a.put("two", &talk(2));
    assert!(a.say() > 0);
    b.pull(&a);
    assert_eq!((b.messages("one"), b.messages("two")), (talk(5), talk(2)));
    assert_eq!(b.strand.archive().origins().unwrap(), [("laptop-3f9a1c00".into(), 2)]);
}

#[test]
fn the_users_name_for_a_session_is_no_fact_of_it_and_the_agents_is() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let named = || Facts { name: Some("as the agent says".to_owned()), ..cwd() };
    a.put_with("one", named(), &talk(2));
    let (id, now) = (a.session("one").id, a.now());
    a.strand.archive_mut().curate(&id, &Edit::Rename(Some("as the user says".into())), "laptop", now).unwrap();
    a.put_with("one", named(), &talk(3));
    a.say();
    b.trust(&a);
    b.pull(&a);
    assert_eq!(a.session("one").name.as_deref(), Some("as the user says"));
    assert_eq!(b.session("one").name.as_deref(), Some("as the agent says"), "the name of the user's goes another way");
    for record in Recorder::records(&mut a.store) {
        assert!(!String::from_utf8_lossy(&record.payload).contains("user says"));
    }
}

#[test]
fn an_agent_may_call_its_sessions_anything() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let long = "x".repeat(500);
    let natives = ["other-111111~one", "~", "a/../b:c d", "ünï\n\"", "CON", "'); --", &long];
    for (n, native) in natives.iter().enumerate() {
        a.put(native, &[prompt(0, &format!("session {n}"))]);
    }
    a.say();
    b.trust(&a);
    b.pull(&a);
    for (n, native) in natives.iter().enumerate() {
        assert_eq!(b.messages(native), [prompt(0, &format!("session {n}"))], "{native}");
    }
    assert_eq!(b.strand.archive().total().unwrap(), natives.len() as u64);
    b.check();
}

#[test]
fn an_append_is_said_with_what_is_new_alone() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &talk(100));
    a.say();
    let n = Recorder::records(&mut a.store).len();
    a.put("one", &talk(101));
    assert_eq!(a.say(), 1, "facts have not changed");
    let records = Recorder::records(&mut a.store);
    assert_eq!(records.len(), n + 1);
    let payload = String::from_utf8(records[n].payload.clone()).unwrap();
    assert!(payload.contains("do 100") && !payload.contains("did 99"), "{payload}");
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("one"), talk(101));
}

#[test]
fn an_output_that_comes_later_takes_the_place_of_the_message() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let mut messages = vec![prompt(0, "go"), run(1, "so", "make", &[])];
    a.put("one", &messages);
    a.say();
    b.trust(&a);
    b.pull(&a);
    messages[1].results = vec![output(1, 0, 0, "built")];
    messages.push(answer(2, "done"));
    a.put("one", &messages);
    a.say();
    b.pull(&a);
    assert_eq!(b.messages("one"), messages);
    assert_eq!(b.session("one").digest, a.session("one").digest);
    a.check();
    b.check();
}

#[test]
fn a_rewritten_file_begins_anew_and_voids_what_was_said() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &talk(40));
    a.say();
    b.trust(&a);
    b.pull(&a);
    let shorter: Vec<StoredMessage> = talk(40).into_iter().filter(|m| m.message.ordinal != 3).collect();
    a.put("one", &shorter);
    a.say();
    b.pull(&a);
    assert_eq!(b.messages("one"), shorter);
    let records = Recorder::records(&mut a.store);
    let first = records.iter().position(|record| record.flags.has(carry_exchange::record::Flags::REPLACES)).unwrap();
    assert_eq!(first, 0, "the first of each generation replaces");
    assert_eq!(records.iter().filter(|r| r.flags.has(carry_exchange::record::Flags::REPLACES)).count(), 2);
    assert_eq!(b.session("one").digest, a.session("one").digest);
    b.check();
}

#[test]
fn a_rebuilt_archive_says_nothing_again() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &talk(30));
    a.put("two", &talk(5));
    a.say();
    let whole = a.dump();
    a.lose_archive();
    a.put("one", &talk(30));
    a.put("two", &talk(5));
    assert_eq!(a.say(), 0);
    assert_eq!(a.dump(), whole);
    // What is gone from the sources is there from the log.
    a.lose_archive();
    a.put("two", &talk(5));
    assert_eq!(a.say(), 0);
    assert_eq!(a.messages("one"), talk(30));
    // And when the file turns up, it counts, and is not said again.
    a.put("one", &talk(30));
    assert_eq!(a.say(), 0);
    assert_eq!(a.dump(), whole);
    a.put("one", &talk(31));
    assert_eq!(a.say(), 1);
    a.check();
}

#[test]
fn a_go_is_bounded_and_the_next_goes_on() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let long: Vec<StoredMessage> = (0..300).map(|i| answer(i, &format!("{i} {}", "lorem ".repeat(40)))).collect();
    a.put("long", &long);
    a.put("short", &talk(2));
    let (mut goes, mut records) = (0, 0);
    loop {
        let offered = a.offer(8000);
        goes += 1;
        records += offered.n_records;
        if !offered.has_more {
            break;
        }
        assert!(goes < 100);
    }
    assert!((10..=20).contains(&goes), "{goes}");
    a.publish();
    assert_eq!(Recorder::records(&mut a.store).len(), records);
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("long"), long);
    assert_eq!(a.say(), 0);
}

#[test]
fn newest_sessions_come_first() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("old", &talk(3));
    a.put("new", &talk(9));
    assert!(a.offer(1).has_more);
    let id = a.session("new").id;
    let records = Recorder::records(&mut a.store);
    assert!(!records.is_empty() && records.iter().all(|record| record.key == id.as_str().as_bytes()));
}

#[test]
fn a_long_text_comes_in_pieces_and_nothing_is_cut() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let text = "ünïcode \"and\" \\ lines\n".repeat(1500);
    let messages = vec![prompt(0, "go"), answer(1, &text), answer(2, "done")];
    a.put_with("one", Facts { name: Some("long ".repeat(2000)), ..cwd() }, &messages);
    a.say();
    let records = Recorder::records(&mut a.store);
    assert!(records.iter().filter(|record| record.kind == MESSAGES).count() > 8);
    assert!(records.iter().filter(|record| record.kind == SESSION).count() > 2);
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("one"), messages);
    assert_eq!(b.session("one").name, a.session("one").name);
    assert_eq!(a.say(), 0);
}

#[test]
fn a_message_as_large_as_a_segment_gets_through() {
    let (mut a, mut b) = (
        Device::with("laptop-3f9a1c00", super::super::Limits::default()),
        Device::with("desk-11111111", super::super::Limits::default()),
    );
    let text = "\"\\\n\u{1}words of a long output ".repeat(100_000);
    a.put("one", &[prompt(0, "go"), answer(1, &text)]);
    assert!(a.say() > 5);
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("one")[1], answer(1, &text));
}

#[test]
fn usage_without_messages_is_said_and_nothing_of_what_is_empty() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let usage = UsageEvent {
        source: "session".into(),
        dedup: "1".into(),
        at: None,
        model: Some("claude-sonnet-4".into()),
        usage: Usage { input: Some(1000), output: Some(50), ..Usage::default() },
    };
    let native = crate::model::NativeId("used".to_owned());
    let ops = vec![Op::Session { agent: None, native, relation: None }, Op::Usage(Box::new(usage))];
    crate::mask::pieces::fixture::put_ops(a.strand.archive_mut(), "used", ops);
    a.put("empty", &[]);
    assert_eq!(a.say(), 1);
    b.trust(&a);
    b.pull(&a);
    let (ours, theirs) = (a.session("used"), b.session("used"));
    assert_eq!(theirs.input_tokens, Some(1000));
    assert_eq!((theirs.cost_micros, theirs.digest), (ours.cost_micros, ours.digest));
    assert_eq!(b.find("empty"), None);
    assert_eq!(a.say(), 0);
}

#[test]
fn a_number_that_cannot_be_said_holds_nothing_up() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    let mut messages = talk(3);
    messages[1].message.usage = Some(Usage { input: Some(1 << 60), ..Usage::default() });
    a.put("one", &messages);
    a.say();
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("one"), [messages[0].clone(), messages[2].clone()]);
    let noted = a.strand.archive().unsayable().unwrap();
    assert_eq!(noted.len(), 1);
    assert_eq!((noted[0].ordinal, noted[0].reason.contains("too large")), (Some(1), true));
    // Put right, it is said, and no longer listed.
    a.put("one", &talk(3));
    a.say();
    b.pull(&a);
    assert_eq!(b.messages("one"), talk(3));
    assert_eq!(a.strand.archive().unsayable().unwrap(), []);
}

#[test]
fn a_crash_between_outbox_and_log_says_nothing_twice() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &talk(6));
    let n = a.session("one").n;
    // As far as the outbox, and no further.
    a.strand.say_only(&mut a.store, n);
    a.reopen();
    assert!(a.say() > 0);
    assert_eq!(a.say(), 0);
    let records = Recorder::records(&mut a.store);
    let payloads: std::collections::BTreeSet<&[u8]> = records.iter().map(|record| record.payload.as_slice()).collect();
    assert_eq!(payloads.len(), records.len());
}

/// What is known of each message that was said, with its stamp.
fn stamps(device: &Device) -> Vec<(i64, i64, i64, i64)> {
    let sql = "SELECT ordinal, seq, wall_ms, counter FROM said_messages ORDER BY generation, ordinal, lineage";
    let conn = device.strand.archive().db.conn();
    let mut rows = conn.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn own_words_bear_the_stamps_here_that_others_see() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    // Its clock was ahead once: stamps go on from there.
    let ahead = carry_kernel::hlc::Hlc { wall_ms: u64::try_from(a.now_ms).unwrap() + 60_000, counter: 7 };
    let now = a.now();
    a.store.observe(ahead, now).unwrap();
    a.put("one", &talk(9));
    a.say();
    b.trust(&a);
    b.pull(&a);
    let own = stamps(&a);
    assert!(own.iter().all(|(.., wall_ms, counter)| (*wall_ms, *counter) > (ahead.wall_ms as i64, 7)), "{own:?}");
    assert_eq!(own, stamps(&b));
}

#[test]
fn two_processes_of_one_home_say_each_thing_once() {
    use carry_exchange::round::{Side, say};
    use carry_exchange::store::Statement;
    use carry_exchange::strand::Strand as _;
    let mut a = Device::new("laptop-3f9a1c00");
    let mut other = a.beside();
    let clock = carry_kernel::clock::ManualClock::new(a.now());
    for n in 0..8 {
        a.put(&format!("session {n}"), &talk(40 + n));
    }
    let begin = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let (store, strand) = (&mut a.store, &mut a.strand);
        for (store, strand) in [(store, strand), (&mut other.0, &mut other.1)] {
            scope.spawn(|| {
                let mut side = Side { store, strands: vec![strand], clock: &clock };
                begin.wait();
                for _ in 0..3 {
                    let said = say(&mut side, &Statement::default()).unwrap();
                    assert!(said.problems.is_empty(), "{:?}", said.problems);
                }
            });
        }
    });
    let conn = a.strand.archive().db.conn();
    let n: i64 = conn.query_row("SELECT count(*) FROM said_generations", [], |row| row.get(0)).unwrap();
    assert_eq!(n, 8, "one account of each session");
    let records = Recorder::records(&mut a.store);
    let mut again = Device::new("laptop-3f9a1c00");
    for n in 0..8 {
        again.put(&format!("session {n}"), &talk(40 + n));
    }
    let clock_now = again.now();
    let offered = again.strand.offer(&mut again.store, u64::MAX, clock_now).unwrap();
    assert_eq!(records.len(), offered.n_records, "as many as when one says it alone");
    a.check();
}

#[test]
fn sessions_that_are_made_ready_beside_each_other_are_said_newest_first() {
    let mut a = Device::new("laptop-3f9a1c00");
    let messages = |n: u32| (0..=n).map(move |at| answer(at, &format!("did {n} {}", "so ".repeat(at as usize * 40))));
    // Later sessions have more messages, and end later.
    for n in [3, 9, 1, 7, 5, 8, 2, 6, 4] {
        a.put(&format!("s{n}"), &messages(n).collect::<Vec<_>>());
    }
    a.say();
    let mut keys: Vec<String> = Vec::new();
    for record in Recorder::records(&mut a.store) {
        let key = String::from_utf8(record.key).unwrap();
        if keys.last() != Some(&key) {
            keys.push(key);
        }
    }
    let expected: Vec<String> = (1..=9).rev().map(|n| a.session(&format!("s{n}")).id.as_str().to_owned()).collect();
    assert_eq!(keys, expected);
    let mut b = Device::new("desk-11111111");
    b.trust(&a);
    b.pull(&a);
    for n in 1..=9 {
        assert_eq!(b.messages(&format!("s{n}")), messages(n).collect::<Vec<_>>());
    }
    a.check();
}

#[test]
fn a_session_that_cannot_be_read_ends_saying_and_loses_nothing() {
    let mut a = Device::new("laptop-3f9a1c00");
    for n in 0..9u32 {
        a.put(&format!("s{n}"), &(0..=n).map(|at| answer(at, &format!("did {n}"))).collect::<Vec<_>>());
    }
    let n = a.session("s4").n;
    let body: Vec<u8> = a
        .strand
        .archive()
        .db
        .conn()
        .query_row("SELECT body FROM messages WHERE session = ?1 AND ordinal = 2", [n], |row| row.get(0))
        .unwrap();
    let put = |a: &mut Device, body: &[u8]| {
        let sql = "UPDATE messages SET body = ?2 WHERE session = ?1 AND ordinal = 2";
        a.strand
            .archive_mut()
            .db
            .write(|tx| Ok::<_, crate::archive::ArchiveError>(tx.execute(sql, (n, body))))
            .unwrap()
            .unwrap();
    };
    put(&mut a, b"damaged");
    let now = a.now();
    a.strand.offer(&mut a.store, u64::MAX, now).unwrap_err();
    put(&mut a, &body);
    a.say();
    let mut b = Device::new("desk-11111111");
    b.trust(&a);
    b.pull(&a);
    for n in 0..9 {
        assert_eq!(b.messages(&format!("s{n}")).len(), n + 1);
    }
    a.check();
}

#[test]
fn what_was_made_ready_for_an_account_that_counts_no_more_is_made_ready_again() {
    let mut a = Device::new("laptop-3f9a1c00");
    let messages: Vec<StoredMessage> = (0..4).map(|at| answer(at, &format!("did {at}"))).collect();
    a.put("one", &messages[..2]);
    a.say();
    a.put("one", &messages);
    let row = a.session("one");
    // As another process does that hears of it from another device.
    a.strand.say_late(&mut a.store, row.n, |archive| {
        let bury = |tx: &carry_kernel::db::rusqlite::Transaction<'_>| {
            let (session, _) = super::super::said::find_session(tx, &row.id).unwrap().expect("it was said");
            for generation in super::super::said::generations(tx, session).unwrap() {
                super::super::said::bury(tx, generation.n).unwrap();
            }
            tx.execute("UPDATE sessions SET said = NULL WHERE n = ?1", [row.n]).unwrap();
            Ok::<_, carry_kernel::db::DbError>(())
        };
        archive.db.write(bury).unwrap();
    });
    a.say();
    // Whoever heard of it, too, shows what is said in an account that counts.
    let live = "SELECT count(*) FROM said_generations WHERE NOT is_dead";
    let live: i64 = a.strand.archive().db.conn().query_row(live, [], |row| row.get(0)).unwrap();
    assert_eq!(live, 1);
    let mut b = Device::new("desk-11111111");
    b.trust(&a);
    b.pull(&a);
    assert_eq!(b.messages("one"), messages);
    a.check();
}

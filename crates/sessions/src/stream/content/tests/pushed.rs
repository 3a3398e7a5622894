//! What is known of records that were made here, in place of reading them again.

use super::device::Device;
use crate::archive::StoredMessage;
use crate::mask::pieces::fixture::{answer, prompt};

fn talk(n: u32) -> Vec<StoredMessage> {
    (0..n).map(|i| if i % 2 == 0 { prompt(i, &format!("do {i}")) } else { answer(i, &format!("did {i}")) }).collect()
}

/// All that is known of what was said.
fn said(device: &Device) -> Vec<String> {
    let sql = "SELECT json_array(s.id, hex(g.id), g.origin, g.agent, g.native, g.is_dead, g.length, m.ordinal, m.seq,
                   m.wall_ms, m.counter, m.hash, m.parked IS NULL)
               FROM said_generations g JOIN said_sessions s ON s.n = g.session
               LEFT JOIN said_messages m ON m.generation = g.n ORDER BY s.id, g.id, m.ordinal, m.seq";
    let conn = device.strand.archive().db.conn();
    let mut rows = conn.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| row.get(0));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Says how many rows wait.
fn push(device: &mut Device) -> i64 {
    let n = device.session("one").n;
    device.strand.say_only(&mut device.store, n);
    let sql = "SELECT count(*) FROM outbox WHERE plain_bytes IS NOT NULL";
    device.strand.archive().db.conn().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn drain(device: &mut Device) -> usize {
    let now = device.now();
    device.strand.drain(&mut device.store, now).unwrap()
}

#[test]
fn what_is_known_of_a_record_is_what_is_read_in_it() {
    let mut a = Device::new("laptop-3f9a1c00");
    let mut messages = talk(11);
    messages[4] = prompt(4, &"so it is, and so it will be. ".repeat(300));
    messages[7] = answer(7, &"once more, and then again. ".repeat(60));
    a.put("two", &talk(3));
    a.put("one", &messages);
    a.say();
    messages.push(prompt(11, "one more"));
    a.put("one", &messages);
    a.say();
    // It is told anew, and what was said is void.
    a.put("two", &talk(2));
    a.say();
    let before = said(&a);
    assert!(before.len() > 12, "{before:?}");
    a.lose_archive();
    a.put("two", &talk(2));
    a.put("one", &messages);
    assert_eq!(a.say(), 0, "it was read in the own log");
    assert_eq!(said(&a), before);
}

#[test]
fn it_makes_no_difference_whether_the_process_that_said_it_hands_it_over() {
    let messages: Vec<StoredMessage> =
        (0..9).map(|i| prompt(i, &format!("do {i}, {}", "and so on, ".repeat(60)))).collect();
    let ends = [false, true].map(|is_another| {
        let mut a = Device::new("laptop-3f9a1c00");
        a.put("one", &messages);
        assert!(push(&mut a) > 1, "some are long enough to lie packed");
        if is_another {
            a.reopen();
        }
        assert!(drain(&mut a) > 1);
        a.publish();
        a.check();
        let known: Vec<String> = said(&a).iter().map(|row| row.split(',').skip(2).collect()).collect();
        (known, a.dump())
    });
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn texts_of_a_session_that_is_no_longer_read_here_are_kept() {
    let ends = [false, true].map(|is_another| {
        let mut a = Device::new("laptop-3f9a1c00");
        a.put("one", &talk(9));
        push(&mut a);
        // Nothing on this device is its source any more when it is handed over.
        let forget = "UPDATE sessions SET unit = NULL; DELETE FROM results; DELETE FROM messages;";
        a.strand.archive_mut().db.conn().execute_batch(forget).unwrap();
        if is_another {
            a.reopen();
        }
        assert!(drain(&mut a) > 0);
        assert_eq!(a.messages("one"), talk(9), "{is_another}");
        a.dump()
    });
    assert_eq!(ends[0], ends[1]);
}

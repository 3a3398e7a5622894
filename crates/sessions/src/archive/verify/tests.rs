use crate::archive::write::tests::rig::{Rig, answer, open, prompt, result};
use crate::model::ResultStatus;

fn rig() -> Rig {
    let mut rig = Rig::new();
    let ops = [
        open("one"),
        prompt(0, "do it"),
        answer(1, &"and so on ".repeat(100), 1),
        result("call-1-0", &"a long output ".repeat(100), ResultStatus::Completed),
    ];
    rig.whole("a", &ops);
    assert_eq!(rig.verify(), Vec::<String>::new());
    rig
}

#[track_caller]
fn finds(sql: &str, what: &str) {
    let rig = rig();
    assert_ne!(rig.sql(sql), 0, "{sql}");
    let found = rig.verify();
    assert!(found.iter().any(|problem| problem.contains(what)), "{sql}: {found:?}");
}

#[test]
fn a_flipped_bit_in_any_body_is_found() {
    let rig = rig();
    let bodies: Vec<(&str, i64, Vec<u8>)> = ["messages", "results"]
        .into_iter()
        .flat_map(|table| {
            let mut query = rig.archive.db.conn().prepare(&format!("SELECT n, body FROM {table}")).unwrap();
            let rows = query.query_map([], |row| Ok((table, row.get(0)?, row.get(1)?))).unwrap();
            rows.collect::<Result<Vec<_>, _>>().unwrap()
        })
        .collect();
    assert_eq!(bodies.len(), 3);
    for (table, n, body) in bodies {
        let update = format!("UPDATE {table} SET body = ?1 WHERE n = ?2");
        for at in 0..body.len() {
            let mut flipped = body.clone();
            flipped[at] ^= 1 << (at % 8);
            rig.archive.db.conn().execute(&update, (&flipped, n)).unwrap();
            let is_same = super::super::body::unpack(&flipped) == super::super::body::unpack(&body);
            assert_eq!(rig.verify().is_empty(), is_same, "{table} {n}, byte {at}");
        }
        rig.archive.db.conn().execute(&update, (&body, n)).unwrap();
    }
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn missing_and_changed_rows_are_found() {
    finds("DELETE FROM results", "not those that were archived");
    finds("DELETE FROM messages WHERE ordinal = 0", "not those that were archived");
    finds("DELETE FROM messages WHERE ordinal = 1", "results belong to no message");
    finds("DELETE FROM sessions", "messages belong to no session");
    finds("UPDATE messages SET at_ms = at_ms + 1 WHERE ordinal = 0", "not those that were archived");
    finds("UPDATE messages SET flags = flags | 2 WHERE ordinal = 0", "not those that were archived");
    finds("UPDATE results SET status = 3", "not those that were archived");
    finds("UPDATE sessions SET messages = messages + 1", "counts");
    finds("UPDATE sessions SET first_prompt = 'another'", "counts");
    finds("UPDATE sessions SET output_tokens = 5", "counts");
    finds("UPDATE calls SET status = 3", "counts");
    finds("UPDATE sessions SET branch = 'other'", "what is known about it");
    finds("UPDATE sessions SET digest = zeroblob(32)", "what is known about it");
    finds("UPDATE sessions SET sum = x'00'", "not those that were archived");
}

#[test]
fn missing_words_are_found() {
    finds("DELETE FROM pages", "messages are not in the index");
    finds("UPDATE pages SET first = last + 1", "results are not in the index");
    finds("DELETE FROM words", "pages of the index of words are empty");
}

#[test]
fn raw_bytes_that_are_missing_or_damaged_are_found() {
    finds("DELETE FROM raw", "raw bytes are kept of");
    finds("UPDATE raw SET bytes = x'00'", "damaged");
    finds("UPDATE raw SET length = length + 1", "damaged");
    finds("UPDATE raw SET start = 5", "damaged");
}

#[test]
fn a_path_that_is_not_utf8_is_told_as_well_as_it_can_be() {
    let rig = rig();
    rig.sql("UPDATE units SET path = x'2f61ff62'");
    assert_eq!(rig.verify(), Vec::<String>::new());
    rig.sql("UPDATE raw SET bytes = x'00'");
    assert_eq!(rig.verify(), ["/a\u{fffd}b: its raw bytes are damaged"]);
}

#[test]
fn a_unit_that_is_being_read_is_not_damaged() {
    let rig = rig();
    rig.sql("UPDATE sessions SET sum = zeroblob(32)");
    rig.sql("UPDATE units SET is_complete = 0");
    assert_eq!(rig.verify(), Vec::<String>::new());
}

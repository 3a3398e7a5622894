//! Search.

use carry_sessions::model::Role;
use carry_sessions::search::Field;
use carry_team::reader::{Filter, Hit, Query, Reader as _};

use super::rig::{Put, Rig, any, id};

const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";

fn rig() -> Rig {
    let rig = Rig::new();
    rig.put(&Put {
        id: A,
        ended: "2026-11-18",
        messages: &[
            ("user", "Please mend the readFile of the gate, 修复登录问题", None),
            ("assistant", "I read it: a naïve loop", Some("fn read_file() { needle_in_hay() }")),
            ("user", "the gate again", None),
        ],
        ..Put::default()
    });
    rig.put(&Put { id: B, ended: "2026-11-20", messages: &[("user", "the GATE is open", None)], ..Put::default() });
    rig
}

fn query(text: &str) -> Query {
    Query { text: text.into(), filter: any(), offset: 0 }
}

#[track_caller]
fn ask(rig: &Rig, query: &Query) -> Vec<Hit> {
    let found = rig.reader().search(query).expect("an answer");
    assert_eq!(found.notes, Vec::<String>::new());
    found.items
}

fn places(rig: &Rig, text: &str) -> Vec<(String, u32)> {
    ask(rig, &query(text)).iter().map(|hit| (id(&hit.session), hit.ordinal)).collect()
}

fn at(id: &str, ordinal: u32) -> (String, u32) {
    (id.to_owned(), ordinal)
}

#[test]
fn words_are_found_newest_session_first_and_shown_where_they_stand() {
    let rig = rig();
    assert_eq!(places(&rig, "gate"), [at(B, 0), at(A, 0), at(A, 2)]);
    let hits = ask(&rig, &query("gate"));
    assert_eq!((hits[0].snippet.as_str(), hits[0].highlights.len()), ("the GATE is open", 1));
    assert_eq!(hits[0].highlights[0], 4..8);
    assert_eq!((hits[0].field, hits[0].role, hits[0].session.person.as_str()), (Field::Text, Role::User, "Dana Ärger"));
}

#[test]
fn outputs_are_found_by_themselves() {
    let rig = rig();
    let hits = ask(&rig, &query("needle"));
    assert_eq!(hits.len(), 1);
    assert_eq!(
        (hits[0].ordinal, hits[0].field, hits[0].call, hits[0].role),
        (1, Field::Output, Some(0), Role::Assistant)
    );
    // All words must stand in one text of a message, as in the archive.
    assert_eq!(places(&rig, "needle loop"), []);
}

#[test]
fn phrases_beginnings_and_what_must_not_be_there_are_as_in_the_archive() {
    let rig = rig();
    assert_eq!(places(&rig, "\"the gate\""), [at(B, 0), at(A, 0), at(A, 2)]);
    assert_eq!(places(&rig, "\"gate the\""), []);
    assert_eq!(places(&rig, "gat*"), [at(B, 0), at(A, 0), at(A, 2)]);
    assert_eq!(places(&rig, "ga"), []);
    assert_eq!(places(&rig, "gate -open"), [at(A, 0), at(A, 2)]);
    assert_eq!(places(&rig, "open OR again"), [at(B, 0), at(A, 2)]);
    assert_eq!(places(&rig, "gate mend"), [at(A, 0)]);
    assert_eq!(places(&rig, "gate needle"), []);
    assert_eq!(places(&rig, "naive"), [at(A, 1)]);
}

#[test]
fn identifiers_and_scripts_without_blanks_are_found() {
    let rig = rig();
    assert_eq!(places(&rig, "readFile"), [at(A, 0), at(A, 1)]);
    assert_eq!(places(&rig, "read_file"), [at(A, 0), at(A, 1)]);
    assert_eq!(places(&rig, "登录"), [at(A, 0)]);
    assert_eq!(places(&rig, "复登录"), [at(A, 0)]);
    assert_eq!(places(&rig, "题"), [at(A, 0)]);
    assert_eq!(places(&rig, "修登录"), []);
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let rig = Rig::new();
    let many: Vec<_> = (0..100).map(|_| ("user", "one more gate", None)).collect();
    rig.put(&Put { id: A, messages: &many, ..Put::default() });
    rig.put(&Put { id: B, ended: "2026-11-21", messages: &many[..5], ..Put::default() });
    let mut seen = Vec::new();
    loop {
        let query = Query { filter: Filter { limit: 10, ..any() }, offset: seen.len(), ..query("gate") };
        let page = rig.reader().search(&query).expect("an answer");
        seen.extend(page.items.iter().map(|hit| (id(&hit.session), hit.ordinal)));
        if page.more == 0 {
            break;
        }
        assert_eq!(page.items.len(), 10);
    }
    let expected: Vec<_> = (0..5).map(|n| at(B, n)).chain((0..100).map(|n| at(A, n))).collect();
    assert_eq!(seen, expected);
}

#[test]
fn only_sessions_that_the_filter_lets_through_are_searched() {
    let rig = rig();
    rig.owner("eli", "Eli", "desk");
    rig.put(&Put { id: A, owner: 2, ended: "2026-11-21", messages: &[("user", "his gate", None)], ..Put::default() });
    let of = |filter: Filter| -> usize { ask(&rig, &Query { filter, ..query("gate") }).len() };
    assert_eq!(of(any()), 4);
    assert_eq!(of(Filter { person: Some("eli".into()), ..any() }), 1);
    rig.sql("UPDATE sessions SET is_trashed = true WHERE owner = 2");
    assert_eq!(of(any()), 3);
    assert_eq!(of(Filter { all: true, ..any() }), 4);
    rig.sql("UPDATE messages SET is_abandoned = true WHERE ordinal = 2");
    assert_eq!(of(any()), 2);
    assert_eq!(of(Filter { all: true, ..any() }), 4);
}

#[test]
fn what_the_index_says_is_compared_with_the_text() {
    let rig = rig();
    rig.sql("UPDATE words SET words = array_to_tsvector(ARRAY['unsaid', 'gate'])");
    assert_eq!(places(&rig, "unsaid"), []);
    assert_eq!(places(&rig, "gate").len(), 3);
}

#[test]
fn words_in_several_parts_of_a_bucket_are_found_once() {
    let rig = rig();
    rig.sql("INSERT INTO words SELECT unit, owner, bucket, 1, 2, words, digest FROM words");
    assert_eq!(places(&rig, "gate").len(), 3);
}

#[test]
fn hostile_queries_are_answered_or_refused_without_harm() {
    let rig = rig();
    for text in ["", " ", "\"", "-a", "\0", "*", &"a ".repeat(1 << 16)] {
        assert!(rig.reader().search(&query(text)).is_err(), "{text:.20?}");
    }
    for text in
        ["'; DROP TABLE words; --", "a' | 'b", "a & b", "gate:*", "!gate \\", "a\0b", "$1", "\u{202e}ж*", "(gate"]
    {
        let found = rig.reader().search(&query(text)).expect(text);
        assert!(found.items.len() <= 3, "{text}");
    }
    assert_eq!(places(&rig, "gate").len(), 3);
}

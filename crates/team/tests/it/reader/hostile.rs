//! Rows that no client of ours would write.

use carry_team::reader::{Filter, Query, Reader as _};
use carry_team::sink::Class;

use super::rig::{Put, Rig, any, id};

const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";

fn rig() -> (Rig, i64) {
    let rig = Rig::new();
    rig.put(&Put { id: A, messages: &[("user", "a gate", None)], ..Put::default() });
    let unit = rig.put(&Put {
        id: B,
        ended: "2026-11-30",
        messages: &[("user", "b gate", None), ("assistant", "b", Some("gate"))],
        ..Put::default()
    });
    (rig, unit)
}

#[test]
fn a_session_that_cannot_be_one_is_left_out_and_named() {
    for set in ["key = 'zzzz'", "key = E'\\x1b[2J\\n'", "key = 'BBBBBBBBBBBBBBBB'"] {
        let (rig, unit) = rig();
        rig.sql(&format!("UPDATE units SET {set} WHERE n = {unit}"));
        let listed = rig.reader().list(&any()).expect("an answer");
        assert_eq!(listed.items.iter().map(id).collect::<Vec<_>>(), [A]);
        assert_eq!(listed.notes.len(), 1, "{:?}", listed.notes);
        assert!(listed.notes[0].contains("\"dana\""), "{:?}", listed.notes);
        assert!(!listed.notes[0].contains('\u{1b}'), "{:?}", listed.notes);
        let found = rig.reader().search(&Query { text: "gate".into(), filter: any(), offset: 0 }).expect("an answer");
        assert_eq!(found.items.iter().map(|hit| id(&hit.session)).collect::<Vec<_>>(), [A]);
        let error = rig.reader().find("native-bbbbbbbbbbbbbbbb").expect_err("it is damaged");
        assert_eq!(error.class, Class::Refused);
    }
}

#[test]
fn impossible_times_counts_and_names_harm_nothing() {
    let (rig, unit) = rig();
    for set in [
        "started = 'infinity', ended = 'infinity'",
        "started = '-infinity', ended = '-infinity'",
        "started = '4713-01-01 BC', ended = '294276-12-31'",
        "messages = -1, calls = 9223372036854775807, cost_micros = -9223372036854775808",
        "agent = repeat('x', 100000), native = repeat('y', 100000)",
        "relation = 'nonsense', termination = '?', parent = ''",
        "name = repeat('long ', 1000000), labels = ARRAY(SELECT repeat('l', 100000) FROM generate_series(1, 500))",
        "labels = '{}', project = E'\\x1b]0;x\\x07'",
        "labels = ARRAY[ARRAY['a', 'b'], ARRAY['c', 'd']]",
    ] {
        rig.sql(&format!("UPDATE sessions SET {set} WHERE unit = {unit}"));
        let listed = rig.reader().list(&Filter { all: true, ..any() }).expect(set);
        assert_eq!((listed.items.len(), listed.notes.len()), (2, 0), "{set}");
        let texts: usize = listed.items.iter().map(|shared| format!("{shared:?}").len()).sum();
        assert!(texts < 2_000_000, "{set}: {texts}");
    }
}

#[test]
fn a_message_that_cannot_be_one_is_named_by_a_search_that_goes_on() {
    let (rig, unit) = rig();
    let query = Query { text: "gate".into(), filter: any(), offset: 0 };
    assert_eq!(rig.reader().search(&query).expect("an answer").items.len(), 3);
    for (table, left) in [("messages", 2), ("results", 1)] {
        rig.sql(&format!("UPDATE {table} SET json = '[{{}}]' WHERE unit = {unit}"));
        let found = rig.reader().search(&query).expect("an answer");
        let of_it = found.items.iter().filter(|hit| id(&hit.session) == B).count();
        assert_eq!(of_it + 1, left, "{table}");
        assert!(found.notes.iter().any(|note| note.contains(B)), "{:?}", found.notes);
    }
}

#[test]
fn links_and_pins_that_mean_nothing_are_left_out() {
    let (rig, unit) = rig();
    rig.link(unit, "nonsense", "x", &[]);
    rig.link(unit, "commit", "0123456", &[("number", "-1"), ("call", "-7")]);
    rig.sql(&format!(
        "INSERT INTO pins (unit, owner, idx, message, note, stamp) VALUES ({unit}, 1, 0, '#1', '', 'no stamp');
         INSERT INTO links (unit, owner, idx, kind, target, evidence, ordinal)
            SELECT {unit}, 1, 1000 + n, 'commit', 'abcdef0', 'mentioned', -n FROM generate_series(1, 5000) n"
    ));
    let listed = rig.reader().list(&any()).expect("an answer");
    let head = &listed.items[0].head;
    assert_eq!((head.links.len(), head.links[0].target.as_str()), (999, "0123456"));
    assert_eq!((head.links[0].number, head.links[0].index), (None, None));
    assert_eq!(head.pins.len(), 1);
}

#[test]
fn an_answer_has_a_bound_however_large_what_it_is_of() {
    let (rig, unit) = rig();
    rig.sql(&format!(
        "INSERT INTO links (unit, owner, idx, ordinal, kind, target, evidence, repo, branch, subject, full_sha, supersedes, superseded_by)
            SELECT {unit}, 1, 1000 + n, 0, 'commit', 'abcdef0', 'mentioned', x, x, x, x, x, x
            FROM generate_series(1, 1000) n, (SELECT repeat('登', 2000) AS x) AS x"
    ));
    let listed = rig.reader().list(&any()).expect("an answer");
    let links = listed.items[0].head.links.len();
    assert!(links > 0 && links < 1000, "{links}");
    assert!(listed.notes.iter().any(|note| note.contains("links and pins")), "{:?}", listed.notes);
    // A head has room for a megabyte of labels.
    for n in 0..80 {
        rig.put(&Put { id: &format!("{n:016x}"), ..Put::default() });
    }
    rig.sql("UPDATE sessions SET labels = ARRAY(SELECT repeat('登', 2000) FROM generate_series(1, 200))");
    let listed = rig.reader().list(&Filter { limit: 1000, ..any() }).expect("an answer");
    assert!((30..80).contains(&listed.items.len()), "{}", listed.items.len());
    assert_eq!(listed.items.len() as u64 + listed.more, 82);
    assert!(listed.notes.iter().any(|note| note.contains("sessions after these")), "{:?}", listed.notes);
}

#[test]
fn tables_of_another_shape_are_an_answer_and_no_panic() {
    let (rig, _) = rig();
    rig.sql("ALTER TABLE sessions ALTER COLUMN messages TYPE text, ALTER COLUMN is_starred TYPE text, ALTER COLUMN labels TYPE text");
    assert!(rig.reader().list(&any()).is_err());
    rig.sql("DROP TABLE words");
    assert!(rig.reader().search(&Query { text: "gate".into(), filter: any(), offset: 0 }).is_err());
}

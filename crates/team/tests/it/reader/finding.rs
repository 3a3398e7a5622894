//! Sessions by what names them.

use carry_team::reader::{FIND_MAX, Permalink, Reader as _};
use carry_team::sink::Class;

use super::rig::{Put, Rig, any, id};

const A: &str = "aaaaaaaaaaaaaaaa";
const AB: &str = "aaaabbbbbbbbbbbb";

fn find(rig: &Rig, spec: &str) -> Vec<(String, String)> {
    let found = rig.reader().find(spec).expect("an answer");
    found.iter().map(|shared| (id(shared), shared.person.clone())).collect()
}

fn of(id: &str, person: &str) -> (String, String) {
    (id.to_owned(), person.to_owned())
}

#[test]
fn a_session_is_named_by_either_id_or_the_beginning_of_it() {
    let rig = Rig::new();
    rig.put(&Put { id: A, ..Put::default() });
    rig.put(&Put { id: AB, ended: "2026-11-21", ..Put::default() });
    rig.sql(
        "UPDATE sessions SET agent = 'codex', native = 'native:with-colon' WHERE native = 'native-aaaabbbbbbbbbbbb'",
    );
    let dana = "Dana Ärger";
    assert_eq!(find(&rig, A), [of(A, dana)]);
    assert_eq!(find(&rig, " aaaaa "), [of(A, dana)]);
    assert_eq!(find(&rig, "native-aaaaaaaaaaaaaaaa"), [of(A, dana)]);
    assert_eq!(find(&rig, "claude:native-aa"), [of(A, dana)]);
    assert_eq!(find(&rig, "codex:native:with-colon"), [of(AB, dana)]);
    assert_eq!(find(&rig, "native:with-colon"), [of(AB, dana)]);
    // Newest first.
    assert_eq!(find(&rig, "aaaa"), [of(AB, dana), of(A, dana)]);
    assert_eq!(find(&rig, "nati"), [of(AB, dana), of(A, dana)]);
    for none in ["aaa", "", "codex:native-aaaaaaaaaaaaaaaa", "%%%%%%", "____", "aaaa\0", "' OR true --"] {
        assert_eq!(find(&rig, none), [], "{none:?}");
    }
}

#[test]
fn one_id_of_two_owners_is_two_sessions_that_permalinks_tell_apart() {
    let rig = Rig::new();
    rig.owner("eli", "Eli", "desk");
    rig.put(&Put { id: A, messages: &[("user", "hers", None)], ..Put::default() });
    rig.put(&Put { id: A, owner: 2, messages: &[("user", "his", None)], ..Put::default() });
    assert_eq!(find(&rig, A).len(), 2);
    for shared in rig.reader().list(&any()).expect("an answer").items {
        let link = shared.link.to_string();
        assert_eq!(Permalink::parse(&link), Some(shared.link.clone()));
        assert_eq!(find(&rig, &link), [of(A, &shared.person)]);
        assert_eq!(find(&rig, &format!("{link}#7")), [of(A, &shared.person)]);
        let messages = rig.reader().messages(&shared.link, 0, 10).expect("an answer");
        let said = if shared.person == "Eli" { "his" } else { "hers" };
        assert_eq!(messages[0].message.blocks, [carry_sessions::model::Block::Text(said.into())]);
    }
}

#[test]
fn a_permalink_of_another_store_is_refused_and_one_of_nothing_finds_nothing() {
    let rig = Rig::new();
    rig.put(&Put { id: A, ..Put::default() });
    let link = rig.reader().list(&any()).expect("an answer").items[0].link.clone();
    assert_eq!(rig.reader().store_id().expect("a name"), link.store);
    let elsewhere = Permalink { store: "another".into(), ..link.clone() };
    assert_eq!(rig.reader().find(&elsewhere.to_string()).expect_err("it is refused").class, Class::Refused);
    assert_eq!(rig.reader().messages(&elsewhere, 0, 1).expect_err("it is refused").class, Class::Refused);
    for owner in ["999", "01", "x"] {
        let nobody = Permalink { owner: owner.into(), ..link.clone() };
        assert_eq!(find(&rig, &nobody.to_string()), []);
        assert_eq!(rig.reader().messages(&nobody, 0, 1).expect_err("there is none").class, Class::Refused);
    }
}

#[test]
fn no_more_than_ten_are_given() {
    let rig = Rig::new();
    for n in 0..12 {
        rig.put(&Put { id: &format!("aaaaaaaaaaaaaa{n:02}"), ..Put::default() });
    }
    assert_eq!(find(&rig, "aaaa").len(), FIND_MAX);
}

use super::*;
use crate::archive::fixture::Fixture;

fn all(fixture: &Fixture) -> Vec<Brief> {
    let mut all = Vec::new();
    fixture.archive.briefs(&mut |brief| all.push(brief)).unwrap();
    all
}

fn shown(fixture: &Fixture, n: i64) -> [u8; 32] {
    let alone = fixture.archive.brief(n).unwrap().unwrap();
    assert!(all(fixture).contains(&alone), "one alone and one among all are the same");
    alone.shown
}

fn link(fixture: &Fixture, session: i64, target: &str) {
    let sql =
        "INSERT INTO links (session, place, kind, target, evidence, ordinal) VALUES (?, 0, 'commit', ?, 'created', 0)";
    fixture.conn().execute(sql, (session, target)).unwrap();
}

#[test]
fn everything_that_is_shown_changes_the_hash() {
    let fixture = Fixture::new();
    for (n, id) in [(1, "a"), (2, "b"), (3, "c")] {
        fixture.session(n, id);
    }
    let others = (shown(&fixture, 1), shown(&fixture, 3));
    let mut seen = vec![shown(&fixture, 2)];
    let mut changed = |what: &str| {
        let now = shown(&fixture, 2);
        assert!(!seen.contains(&now), "{what} changes nothing");
        seen.push(now);
        assert_eq!((shown(&fixture, 1), shown(&fixture, 3)), others, "{what} changes the others");
    };
    for (column, value) in [
        ("digest", "randomblob(32)"),
        ("input_tokens", "5"),
        ("cost_micros", "5"),
        ("name", "'n'"),
        ("first_prompt", "'p'"),
        ("branch", "'main'"),
        ("model", "'m'"),
        ("termination", "'clean'"),
        ("failures", "1"),
        ("parent", "'x'"),
        ("project", "NULL"),
    ] {
        fixture.set(2, column, value);
        changed(column);
    }
    for (field, item) in [("star", ""), ("name", ""), ("label", "l"), ("label", "m"), ("pin", "#0"), ("trash", "")] {
        fixture.register("b", field, item, Some("1"));
        changed(field);
    }
    for target in ["a", "b"] {
        link(&fixture, 2, target);
        changed("link");
    }
}

#[test]
fn what_is_taken_back_is_as_if_it_had_never_been() {
    let fixture = Fixture::new();
    fixture.session(1, "a");
    let before = shown(&fixture, 1);
    fixture.register("a", "star", "", None);
    fixture.register("a", "label", "l", None);
    assert_eq!(shown(&fixture, 1), before);
}

#[test]
fn where_it_lies_on_this_disk_is_not_shown() {
    let fixture = Fixture::new();
    fixture.session(1, "a");
    let before = shown(&fixture, 1);
    fixture.set(1, "missing_ms", "5");
    fixture.set(1, "unit", "7");
    fixture.set(1, "revision", "9");
    assert_eq!(shown(&fixture, 1), before);
    assert!(fixture.archive.brief(1).unwrap().unwrap().is_from_here);
}

#[test]
fn links_of_sessions_that_are_gone_are_passed() {
    let fixture = Fixture::new();
    fixture.session(2, "a");
    fixture.session(5, "b");
    link(&fixture, 5, "x");
    let before = shown(&fixture, 5);
    for session in [1, 3, 9] {
        link(&fixture, session, "x");
    }
    assert_eq!(shown(&fixture, 5), before);
    assert_eq!(fixture.archive.brief(3).unwrap(), None);
}

#[test]
fn a_session_in_the_trash_is_there_and_known_to_be() {
    let fixture = Fixture::new();
    fixture.session(1, "a");
    assert!(!all(&fixture)[0].is_trashed);
    fixture.register("a", "trash", "", Some("1"));
    assert!(all(&fixture)[0].is_trashed);
    assert_eq!(all(&fixture)[0].project.as_ref().unwrap().name, "carry");
}

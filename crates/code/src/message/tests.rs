use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Blobs by the number that fills their id.
struct Blobs(HashMap<ObjectId, Vec<u8>>);

fn id(n: u8) -> ObjectId {
    ObjectId::from([n; 20])
}

fn lines(n: usize) -> Vec<u8> {
    (0..n).map(|i| format!("{i}\n")).collect::<String>().into_bytes()
}

fn change(path: impl Into<BString>, old: Option<u8>, new: Option<u8>) -> Change {
    Change { path: path.into(), old: old.map(id), new: new.map(id) }
}

/// Blob n has n lines; 200 is binary; 201 and up cannot be read.
fn check(changes: &[Change], expected: &str) {
    let blobs = Blobs((0..200).map(|n| (id(n), lines(n.into()))).chain([(id(200), b"a\0".to_vec())]).collect());
    assert_eq!(subject(changes, false, &mut |id| blobs.0.get(id).cloned()), expected);
}

#[test]
fn one_change_is_named_with_its_lines() {
    check(&[change("src/net.rs", Some(3), Some(15))], "modified src/net.rs (+12 −0)");
    check(&[change("a", Some(15), Some(3))], "modified a (+0 −12)");
    check(&[change("a", None, Some(7))], "new a (+7)");
    check(&[change("a", Some(7), None)], "deleted a (−7)");
}

#[test]
fn counts_are_left_out_where_they_say_nothing() {
    check(&[change("run.sh", Some(3), Some(3))], "modified run.sh");
    check(&[change("logo.png", Some(200), Some(3))], "modified logo.png");
    check(&[change("huge", Some(250), Some(3))], "modified huge");
    let huge = vec![b'\n'; DIFF_BYTES_MAX as usize + 1];
    assert_eq!(subject(&[change("huge", None, Some(1))], false, &mut |_| Some(huge.clone())), "new huge");
}

#[test]
fn nothing_changed_means_that_something_else_did() {
    assert_eq!(subject(&[], true, &mut |_| None), "first snapshot");
    check(&[], "staged changes");
}

#[test]
fn the_change_that_says_most_is_named() {
    let (new, deleted) = (change("new", None, Some(90)), change("deleted", Some(99), None));
    let (small, large) = (change("a", Some(1), Some(2)), change("b", Some(1), Some(5)));
    check(&[new.clone(), deleted.clone(), small.clone(), large], "modified b (+4 −0), 3 more");
    check(&[deleted.clone(), new], "new new (+90), 1 more");
    let lock = change("Cargo.lock", Some(1), Some(90));
    check(&[lock.clone(), small], "modified a (+1 −0), 1 more");
    check(&[lock.clone(), deleted], "deleted deleted (−99), 1 more");
    check(&[change("dist/app.js", None, Some(9)), lock], "modified Cargo.lock (+89 −0), 1 more");
}

#[test]
fn what_programs_write_is_known_by_its_name_or_folder() {
    for path in ["yarn.lock", "web/package-lock.json", "a/dist/x.js", "x.min.JS", "node_modules/a/b.js", "go.sum"] {
        assert!(is_generated(path.into()), "{path}");
    }
    for path in ["src/lock.rs", "dist", "distance/x.js", "a.js", "build.rs", "src/target.rs"] {
        assert!(!is_generated(path.into()), "{path}");
    }
}

#[test]
fn only_so_many_blobs_are_read() {
    let changes: Vec<Change> = (0..200u8).map(|n| change(format!("{n:03}"), Some(0), Some(1))).collect();
    let mut reads = 0;
    let text = subject(&changes, false, &mut |_| {
        reads += 1;
        Some(Vec::new())
    });
    assert_eq!((text.as_str(), reads), ("modified 000 (+0 −0), 199 more", 2 * CANDIDATES_MAX));
}

#[test]
fn a_long_or_hostile_path_stays_one_short_line() {
    let long = format!("src/{}/the_end.rs", "deep/".repeat(40));
    let text = subject(&[change(long, None, Some(1)), change("dist/x", None, None)], false, &mut |_| Some(lines(1)));
    assert_eq!(text.chars().count(), SUBJECT_CHARS_MAX);
    assert!(
        text.starts_with("new src/deep/") && text.contains('…') && text.ends_with("/the_end.rs (+1), 1 more"),
        "{text}"
    );
    check(&[change(b"a\n\x1b[2Jb\xff".to_vec(), Some(1), Some(1))], "modified a\u{fffd}\u{fffd}[2Jb\u{fffd}");
}

proptest! {
    #[test]
    fn a_subject_is_always_one_line_of_at_most_100_characters(
        changes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), any::<Option<u8>>(), any::<Option<u8>>()), 0..20),
        first in any::<bool>(),
    ) {
        let changes: Vec<Change> = changes.into_iter().map(|(path, old, new)| change(path, old, new)).collect();
        let text = subject(&changes, first, &mut |id| Some(id.as_slice().to_vec()));
        prop_assert!(text.chars().count() <= SUBJECT_CHARS_MAX);
        prop_assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
}

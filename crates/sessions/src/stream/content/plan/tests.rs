use super::*;

#[track_caller]
fn check(difference: Difference, expected: bool) {
    assert_eq!(difference.begins_anew(), expected, "{difference:?}");
}

#[test]
fn what_was_said_holds_unless_messages_vanish_or_change_wholesale() {
    let same = Difference { said: 20, is_masked_alike: true, ..Difference::default() };
    check(same, false);
    check(Difference { changed: 3, ..same }, false);
    check(Difference { changed: 10, ..same }, false);
    check(Difference { changed: 11, ..same }, true);
    check(Difference { changed: 3, said: 3, ..same }, false);
    check(Difference { vanished: 1, ..same }, true);
    check(Difference { has_other_name: true, ..same }, true);
    check(Difference { is_masked_alike: false, ..same }, false);
    check(Difference { is_masked_alike: false, changed: 1, ..same }, true);
}

#[test]
fn messages_that_vanished_are_counted() {
    let said = BTreeMap::from([(0, 1), (2, 1), (7, 1)]);
    assert_eq!(n_vanished(&said, &[0, 1, 2, 7]), 0);
    assert_eq!(n_vanished(&said, &[1, 2]), 2);
    assert_eq!(n_vanished(&BTreeMap::new(), &[]), 0);
}

#[test]
fn bursts_keep_both_bounds() {
    assert_eq!(bursts([1; 9], 4, 100), [4, 4, 1]);
    assert_eq!(bursts([60, 30, 30, 500, 1], 4, 100), [2, 1, 1, 1]);
    assert!(bursts([], 4, 100).is_empty());
    assert_eq!(bursts([5], 0, 0), [1]);
}

#[test]
fn parts_end_between_characters_and_make_the_text() {
    for bytes in [0, 1, 2, 3, 5, 100] {
        let text = "aé漢🦀b";
        let parts = parts(text, bytes);
        assert_eq!(parts.concat(), text);
        assert!(parts.iter().all(|part| part.len() <= bytes.max(4)));
    }
    assert!(parts("", 4).is_empty());
}

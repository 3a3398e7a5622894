use super::*;

/// Snapshots at these seconds; a turn from 100 to 200, the next one from `next`.
fn placed(times: &[i64], next: Option<i64>) -> Option<(usize, usize, bool)> {
    let second = Timestamp::from_secs;
    let times: Vec<Timestamp> = times.iter().map(|at| second(*at)).collect();
    place(&times, second(100), second(200), next.map(second)).map(|at| (at.before, at.after, at.exact))
}

#[test]
fn the_last_before_and_the_last_within_are_exact() {
    assert_eq!(placed(&[50, 90, 120, 190, 300], Some(250)), Some((1, 3, true)));
    assert_eq!(placed(&[100, 150], None), Some((0, 1, true)), "one taken at the start shows how it was before");
}

#[test]
fn one_taken_right_after_the_end_belongs_to_the_turn() {
    assert_eq!(placed(&[90, 150, 203, 300], Some(250)), Some((0, 2, true)));
    assert_eq!(placed(&[90, 230, 231], None), Some((0, 1, true)));
}

#[test]
fn what_the_next_turn_did_does_not() {
    assert_eq!(placed(&[90, 150, 210], Some(205)), Some((0, 1, true)));
    assert_eq!(placed(&[90, 210], Some(205)), Some((0, 0, false)), "nothing changed as far as we know");
}

#[test]
fn the_first_after_the_end_is_only_near() {
    assert_eq!(placed(&[90, 280, 290], Some(300)), Some((0, 1, false)));
    assert_eq!(placed(&[90, 100_000], None), Some((0, 1, false)));
}

#[test]
fn without_one_before_the_first_within_stands_for_it() {
    assert_eq!(placed(&[120, 150], None), Some((0, 1, false)));
    assert_eq!(placed(&[120], None), Some((0, 0, false)));
    assert_eq!(placed(&[500], None), None);
    assert_eq!(placed(&[], None), None);
}

#[test]
fn nothing_within_and_nothing_after_is_no_change() {
    assert_eq!(placed(&[50, 90], None), Some((1, 1, false)));
}

#[test]
fn a_turn_whose_times_lie_is_survived() {
    let second = Timestamp::from_secs;
    let times = [second(90), second(150)];
    // It ends before it begins, and the next one began before it.
    let at = place(&times, second(100), second(20), Some(second(10)));
    assert_eq!(at, Some(Placed { before: 0, after: 0, exact: false }));
}

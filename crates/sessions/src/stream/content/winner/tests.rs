use super::*;

fn candidate(log: &str, branch: &str, seq: i64, wall_ms: u64) -> Candidate {
    Candidate {
        word: Word { lineage: seq, seq, at: Hlc { wall_ms, counter: 0 } },
        log: log.into(),
        branch: branch.into(),
        is_own: false,
        hash: 0,
        parked: None,
    }
}

#[track_caller]
fn check(candidates: &[(&str, &str, i64, u64)], expected: (&str, i64)) {
    let mut all: Vec<Candidate> = candidates.iter().map(|(l, b, s, w)| candidate(l, b, *s, *w)).collect();
    for _ in 0..all.len() {
        let won = winner(&all).unwrap();
        assert_eq!((won.log.as_str(), won.word.seq), expected);
        all.rotate_left(1);
    }
}

#[test]
fn the_greatest_stamp_wins_and_ties_are_broken_by_log() {
    check(&[("a", "", 1, 10), ("b", "", 9, 9)], ("a", 1));
    check(&[("a", "", 1, 10), ("b", "", 9, 10)], ("b", 9));
    assert_eq!(winner(&[]), None);
}

#[test]
fn a_branch_passes_the_trunk_that_it_left_whatever_its_clock_says() {
    check(&[("a", "", 5, 100), ("a", "000000000006-01", 6, 1)], ("a", 6));
    // What the trunk says behind the fork is another way, and is told so by the exchange.
    check(&[("a", "", 7, 100), ("a", "000000000006-01", 6, 1)], ("a", 7));
}

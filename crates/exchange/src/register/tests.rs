use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::hash::Digest;
use fleet::{Fleet, picks, steps};

mod fleet;
mod lies;

fn test_log(n: u8) -> LogId {
    LogId::of_key(&[n; 32])
}

fn live(register: &Register<u8>) -> BTreeSet<(LogId, u64, u8)> {
    register.live().map(|(lineage, edit)| (lineage.log, edit.seq, edit.value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_live_is_what_nothing_received_had_seen(steps in steps(), picks in picks(), keeps in any::<u64>()) {
        let mut fleet = Fleet::new(4);
        for step in &steps {
            fleet.step(step);
        }
        // Any subset: gaps, edits that their author has dropped since, repeats, any order. No conflict is missed.
        let ids: Vec<_> = if fleet.made.is_empty() { vec![] } else { picks.iter().map(|pick| pick.index(fleet.made.len())).collect() };
        let register = fleet.folded(&ids);
        prop_assert!(live(&register).is_superset(&fleet.truth(&ids)), "{:?} has {:?}", live(&register), fleet.truth(&ids));
        let mut turned = ids.clone();
        turned.reverse();
        turned.extend(&ids);
        prop_assert_eq!(&fleet.folded(&turned), &register);
        for (device, register) in fleet.registers.iter().enumerate() {
            let known: Vec<_> = fleet.knows[device].iter().copied().collect();
            prop_assert!(live(register).is_superset(&fleet.truth(&known)));
        }
        // And none is too many where nothing is missing, whatever void edits were dropped before.
        let heard_out = fleet.heard_out(&ids, |id| keeps & (1 << (id % 64)) != 0);
        let register = fleet.folded(&heard_out);
        prop_assert_eq!(live(&register), fleet.truth(&heard_out));
        prop_assert_eq!(&fleet.folded(&fleet.heard_out(&ids, |_| false)), &register, "what is void makes no difference");
    }

    #[test]
    fn in_forked_logs_no_conflict_is_missed(before in steps(), after in steps(), picks in picks(), device in 0..4usize) {
        let mut fleet = Fleet::new(4);
        for step in &before {
            fleet.step(step);
        }
        fleet.copy(device);
        for step in &after {
            fleet.step(step);
        }
        let ids: Vec<_> = if fleet.made.is_empty() { vec![] } else { picks.iter().map(|pick| pick.index(fleet.made.len())).collect() };
        let register = fleet.folded(&ids);
        let truth = fleet.truth(&ids);
        prop_assert!(live(&register).is_superset(&truth), "{:?} has {:?}", live(&register), truth);
        let mut turned = ids.clone();
        turned.reverse();
        prop_assert_eq!(fleet.folded(&turned), register);
    }
}

proptest! {
    #[test]
    fn the_same_edits_give_the_same_state_whatever_they_say(
        said in proptest::collection::vec((1..5u8, 1..6u64, proptest::collection::vec((1..5u8, 1..8u64), 0..4)), 0..12),
        picks in picks(),
    ) {
        let mut made = BTreeMap::new();
        for (log, seq, seen) in &said {
            made.entry((*log, *seq)).or_insert_with(|| edit(*log, *seq, 1, *log, seen));
        }
        let edits: Vec<_> = made.into_values().collect();
        let mut shuffled: Vec<_> = if edits.is_empty() { vec![] } else { picks.iter().map(|pick| pick.get(&edits).clone()).collect() };
        shuffled.extend(edits.iter().rev().cloned());
        prop_assert_eq!(fold(&shuffled), fold(&edits));
        // Even where all digests are foretold.
        prop_assert_eq!(fold(&edits).shown().is_some(), !edits.is_empty());
    }
}

#[test]
fn an_edit_that_is_superseded_still_tells_what_it_had_seen() {
    // Two copies of home 1 that do not know of each other: what one had seen, the other's edit need not say.
    let (log, mut forks) = (test_log(1), Forks::default());
    for r4 in [[1; 4], [2; 4]] {
        forks.add(log, Branch { parent: None, first: 1, r4 });
    }
    let left = Edit { r4: [1; 4], ..edit(1, 1, 1, 1, &[]) };
    let between = Edit { seen: [(log, 1, [1; 4])].into_iter().collect(), ..edit(2, 1, 1, 2, &[]) };
    let right = Edit { r4: [2; 4], ..edit(1, 1, 1, 3, &[(2, 1)]) };
    let folded = |order: [&Edit<u8>; 3]| {
        let mut register = Register::default();
        for edit in order {
            register.apply(edit.clone(), &forks);
        }
        register
    };
    let register = folded([&left, &between, &right]);
    assert_eq!(register.live().map(|(_, live)| live.value).collect::<Vec<_>>(), [3]);
    assert_eq!(folded([&right, &left, &between]), register);
    assert_eq!(folded([&right, &between, &left]), register);
}

fn edit(log: u8, seq: u64, at: u64, value: u8, seen: &[(u8, u64)]) -> Edit<u8> {
    let r4 = |log: u8, seq: u64| Digest::of(&[&[log], &seq.to_le_bytes()]).first4();
    let seen = seen.iter().map(|&(other, seq)| (test_log(other), seq, r4(other, seq))).collect();
    Edit { log: test_log(log), seq, r4: r4(log, seq), at: Hlc { wall_ms: at, counter: 0 }, value, seen }
}

fn fold(edits: &[Edit<u8>]) -> Register<u8> {
    let mut register = Register::default();
    for edit in edits {
        register.apply(edit.clone(), &Forks::default());
    }
    register
}

#[test]
fn an_edit_that_saw_the_other_wins_whatever_the_clocks_say() {
    let register = fold(&[edit(1, 1, 9_000, 1, &[]), edit(2, 1, 5, 2, &[(1, 1)])]);
    assert_eq!(register.shown().unwrap().value, 2);
    assert!(!register.is_conflict());
}

#[test]
fn edits_that_had_not_seen_each_other_are_a_conflict_until_the_next_one() {
    let (a, b) = (edit(1, 1, 10, 1, &[]), edit(2, 1, 20, 2, &[]));
    let mut register = fold(&[a.clone(), b.clone()]);
    assert!(register.is_conflict());
    assert_eq!(register.shown().unwrap().value, 2);
    assert!(register.would_change(&2), "it settles the conflict");
    let settled = Edit { seen: register.seen(test_log(3)), ..edit(3, 1, 0, 1, &[]) };
    assert!(register.apply(settled.clone(), &Forks::default()));
    assert!(!register.is_conflict() && !register.would_change(&1));
    assert!(!register.apply(a.clone(), &Forks::default()), "what is known changes nothing");
    assert_eq!(fold(&[settled, b, a]), register);
}

#[test]
fn equal_values_are_no_conflict() {
    let register = fold(&[edit(1, 1, 10, 7, &[]), edit(2, 1, 20, 7, &[])]);
    assert!(!register.is_conflict());
    assert!(!register.would_change(&7) && register.would_change(&8));
}

#[test]
fn an_edit_compacted_away_leaves_no_false_conflict() {
    // The second edit of log 1 saw log 2's and was voided by the third, which alone arrives.
    let register = fold(&[edit(2, 1, 50, 2, &[]), edit(1, 3, 10, 3, &[(2, 1)])]);
    assert_eq!(register.live().count(), 1);
    assert_eq!(register.shown().unwrap().value, 3);
}

#[test]
fn what_an_edit_says_of_its_own_log_is_not_believed() {
    for ahead in [2, 1_000] {
        let register = fold(&[edit(1, 1, 1, 1, &[(1, ahead)]), edit(1, 2, 2, 2, &[])]);
        assert_eq!(live(&register), BTreeSet::from([(test_log(1), 2, 2)]));
    }
}

#[test]
fn seeing_one_branch_is_not_seeing_the_other() {
    let log = test_log(1);
    let on = |r4: [u8; 4], value| Edit { r4, value, ..edit(1, 6, 10, 0, &[]) };
    let (left, right) = (on([1; 4], 1), on([2; 4], 2));
    let mut forks = Forks::default();
    for r4 in [[1; 4], [2; 4]] {
        forks.add(log, Branch { parent: None, first: 6, r4 });
    }
    let trunk = edit(1, 5, 1, 9, &[]);
    let mut register = Register::default();
    for edit in [&trunk, &left, &right] {
        register.apply(edit.clone(), &forks);
    }
    assert_eq!(register.live().count(), 2, "the trunk's edit was known on both branches");
    let saw_left = Edit { seen: [(log, 6, [1; 4])].into_iter().collect(), ..edit(2, 1, 0, 3, &[]) };
    register.apply(saw_left, &forks);
    assert_eq!(register.live().map(|(_, live)| live.value).collect::<BTreeSet<_>>(), BTreeSet::from([2, 3]));
    // One that saw both can say so.
    assert_eq!(
        register.seen(test_log(3)).iter().filter(|(seen, ..)| *seen == log).count(),
        3,
        "trunk and two branches"
    );
    let settles = Edit { seen: register.seen(test_log(3)), ..edit(3, 1, 0, 4, &[]) };
    register.apply(settles, &forks);
    assert_eq!(register.live().count(), 1);
    // A place that stands on no branch that is known is the name of nothing, also for the trunk.
    let lost = Edit { seen: [(log, 9, [8; 4])].into_iter().collect(), ..edit(2, 1, 0, 5, &[]) };
    let mut register = Register::default();
    for edit in [&trunk, &lost] {
        register.apply(edit.clone(), &forks);
    }
    assert_eq!(register.live().count(), 2);
}

#[test]
fn a_branch_that_forks_again_knows_all_before_it() {
    let log = test_log(1);
    let mut forks = Forks::default();
    let name = |first: u64, r4: u8| (first, [r4; 4]);
    forks.add(log, Branch { parent: None, first: 4, r4: [1; 4] });
    forks.add(log, Branch { parent: Some(name(4, 1)), first: 7, r4: [2; 4] });
    let branch = |name| Lineage { log, branch: Some(name) };
    assert_eq!(forks.comes_from(branch(name(7, 2))), [(branch(name(4, 1)), 6), (Lineage::trunk(log), 3)]);
    // One that nobody noted comes from the trunk, as far as all have it.
    assert_eq!(forks.comes_from(branch(name(9, 3))), [(Lineage::trunk(log), 3)]);
    assert_eq!(forks.comes_from(Lineage::trunk(log)), []);
}

#[test]
fn eight_branches_count_and_the_same_everywhere() {
    let log = test_log(1);
    let branch = |n: u8| Branch { parent: None, first: 2, r4: [n; 4] };
    let (mut up, mut down) = (Forks::default(), Forks::default());
    for n in 1..=20 {
        up.add(log, branch(n));
        down.add(log, branch(21 - n));
    }
    for forks in [up, down] {
        let counted: Vec<_> = (1..=20).filter(|n| forks.counts(Lineage { log, branch: Some((2, [*n; 4])) })).collect();
        assert_eq!(counted, [1, 2, 3, 4, 5, 6, 7, 8]);
        let mut register = Register::default();
        assert!(!register.apply(Edit { r4: [9; 4], ..edit(1, 2, 0, 1, &[]) }, &forks));
        assert_eq!(register.live().count(), 0);
    }
}

#[test]
fn parents_that_go_in_a_circle_end() {
    let log = test_log(1);
    let mut forks = Forks::default();
    forks.add(log, Branch { parent: Some((9, [2; 4])), first: 5, r4: [1; 4] });
    forks.add(log, Branch { parent: Some((5, [1; 4])), first: 9, r4: [2; 4] });
    assert_eq!(forks.comes_from(Lineage { log, branch: Some((5, [1; 4])) }).len(), 1);
}

#[test]
fn of_many_places_those_that_need_it_are_said() {
    // Of a hundred logs sixty are superseded: thirty by one edit that stays, thirty by edits of the one that is asked.
    let mut register = Register::default();
    for log in 1..=100 {
        register.apply(edit(log, 1, 1, log, &[]), &Forks::default());
    }
    let of = |logs: std::ops::RangeInclusive<u8>| logs.map(|log| (log, 1)).collect::<Vec<_>>();
    register.apply(edit(200, 1, 1, 0, &of(1..=30)), &Forks::default());
    register.apply(edit(250, 1, 1, 0, &of(31..=60)), &Forks::default());
    let said = |log: u8| -> BTreeSet<LogId> { register.seen(test_log(log)).iter().map(|(log, ..)| log).collect() };
    // 40 and the two that stay are live.
    let others = said(251);
    assert_eq!(others.len(), SEEN_MAX);
    assert!((61..=100).chain([200, 250]).map(test_log).all(|log| others.contains(&log)));
    // What is superseded by nothing but the own edit that goes is said again: 71 in all, so that seven are left out.
    let own = said(250);
    assert_eq!(own.len(), SEEN_MAX);
    assert!((31..=100).chain([200]).map(test_log).filter(|log| own.contains(log)).count() == SEEN_MAX);
    // The next edit settles all, since what it names says the rest; so does the one that makes it void.
    for seq in 2..=3 {
        let next = Edit { seen: register.seen(test_log(251)), ..edit(251, seq, 1, 9, &[]) };
        register.apply(next, &Forks::default());
        assert_eq!(live(&register), BTreeSet::from([(test_log(251), seq, 9)]));
    }
}

#[test]
fn a_payload_is_read_as_it_was_written() {
    let seen: Seen = [(test_log(1), 3, [1, 2, 3, 4])].into_iter().collect();
    let payload =
        EditPayload { target: "s-1".into(), field: "label:work".into(), value: serde_json::json!({"a": [1]}), seen };
    let bytes = payload.to_bytes().unwrap();
    assert_eq!(EditPayload::from_bytes(&bytes).unwrap(), payload);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(
        text,
        format!(r#"{{"t":"s-1","f":"label:work","v":{{"a":[1]}},"seen":[["{}",3,"01020304"]]}}"#, test_log(1))
    );
    let read = |from: &str, to: &str| EditPayload::from_bytes(text.replacen(from, to, 1).as_bytes());
    assert!(read(r#"{"t""#, r#"{"later":1,"t""#).is_ok());
    assert!(matches!(read("01020304", "0102030"), Err(EditError::Shape(_))));
    assert!(matches!(
        read(r#""01020304"]"#, r#""01020304"],["00000000000000000000000000000000",1,"00000000"]"#),
        Err(EditError::Shape(_))
    ));
    assert!(matches!(read(r#""f":"#, r#""t":"#), Err(EditError::Json(_))));
    let large = EditPayload { value: "x".repeat(70_000).into(), ..payload };
    assert!(matches!(large.to_bytes(), Err(EditError::Value(_))));
}

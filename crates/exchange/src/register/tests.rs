use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::hash::Digest;

/// What happens in a history. Devices and edits are taken modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    /// A device edits, after skipping some sequence numbers, with a clock that may say anything.
    Write { device: usize, value: u8, skip: u64, wall_ms: u64 },
    /// A device receives an edit.
    Receive { device: usize, edit: usize },
}

/// An edit, and the truth about it: all edits that its author knew when it was made.
#[derive(Clone, Debug)]
struct Made {
    edit: Edit<u8>,
    past: BTreeSet<usize>,
}

/// Devices, each with a log; those of one home have the same.
struct Fleet {
    logs: Vec<LogId>,
    registers: Vec<Register<u8>>,
    /// What each device knows, told apart from the registers.
    knows: Vec<BTreeSet<usize>>,
    next: Vec<u64>,
    /// The branch that a device writes, once it has begun one: for devices of a home that was copied.
    branch: Vec<Option<(u64, [u8; 4])>>,
    is_copied: Vec<bool>,
    made: Vec<Made>,
    forks: Forks,
}

fn test_log(n: u8) -> LogId {
    LogId::of_key(&[n; 32])
}

impl Fleet {
    fn new(n_devices: u8) -> Self {
        let n = usize::from(n_devices);
        Self {
            logs: (0..n_devices).map(test_log).collect(),
            registers: vec![Register::default(); n],
            knows: vec![BTreeSet::new(); n],
            next: vec![1; n],
            branch: vec![None; n],
            is_copied: vec![false; n],
            made: Vec::new(),
            forks: Forks::default(),
        }
    }

    /// A device as it is now, once more.
    fn copy(&mut self, device: usize) {
        self.logs.push(self.logs[device]);
        self.registers.push(self.registers[device].clone());
        self.knows.push(self.knows[device].clone());
        self.next.push(self.next[device]);
        self.branch.push(None);
        self.is_copied[device] = true;
        self.is_copied.push(true);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Write { device, value, skip, wall_ms } => self.write(device % self.logs.len(), value, skip, wall_ms),
            Step::Receive { device, edit } if !self.made.is_empty() => {
                self.receive(device % self.logs.len(), edit % self.made.len());
            }
            Step::Receive { .. } => {}
        }
    }

    fn write(&mut self, device: usize, value: u8, skip: u64, wall_ms: u64) {
        let (log, id) = (self.logs[device], self.made.len());
        let seq = self.next[device] + skip;
        let r4 = Digest::of(&[&id.to_le_bytes()]).first4();
        if self.is_copied[device] {
            let branch = *self.branch[device].get_or_insert_with(|| {
                let name = (self.next[device], r4);
                // The copies part at the first sequence number that both use for themselves.
                let before = self
                    .made
                    .iter()
                    .rev()
                    .map(|made| &made.edit)
                    .find(|edit| (edit.log, edit.seq + 1) == (log, name.0));
                let parent_r4 = before.map_or([0; 4], |edit| edit.r4);
                self.forks.add(log, Branch { parent: None, parent_r4, first: name.0, r4 });
                name
            });
            self.forks.place(log, branch, seq, r4);
        }
        self.next[device] = seq + 1;
        let seen = self.registers[device].seen(log);
        let edit = Edit { log, seq, r4, at: Hlc { wall_ms, counter: 0 }, value, seen };
        self.made.push(Made { edit, past: self.knows[device].clone() });
        self.receive(device, id);
    }

    fn receive(&mut self, device: usize, id: usize) {
        self.registers[device].apply(self.made[id].edit.clone(), &self.forks);
        let past = self.made[id].past.clone();
        self.knows[device].extend(past);
        self.knows[device].insert(id);
    }

    /// The register of somebody who receives these edits.
    fn folded(&self, ids: &[usize]) -> Register<u8> {
        let mut register = Register::default();
        for id in ids {
            register.apply(self.made[*id].edit.clone(), &self.forks);
        }
        register
    }

    /// The edits among these that none of them had in its past.
    fn truth(&self, ids: &[usize]) -> BTreeSet<(LogId, u64, u8)> {
        let is_live = |id: &&usize| !ids.iter().any(|other| self.made[*other].past.contains(id));
        let named = |id: &usize| {
            let edit = &self.made[*id].edit;
            (edit.log, edit.seq, edit.value)
        };
        ids.iter().filter(is_live).map(named).collect()
    }
}

fn live(register: &Register<u8>) -> BTreeSet<(LogId, u64, u8)> {
    register.live().map(|(lineage, live)| (lineage.log, live.seq, live.value)).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..8usize, 0..3u8, 0..3u64, 0..5u64).prop_map(|(device, value, skip, wall_ms)| Step::Write {
        device,
        value,
        skip,
        wall_ms,
    });
    let receive = (0..8usize, any::<usize>()).prop_map(|(device, edit)| Step::Receive { device, edit });
    proptest::collection::vec(prop_oneof![write, receive], 1..40)
}

/// Which edits an observer receives, in which order, some of them twice.
fn picks() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_live_is_what_nothing_received_had_seen(steps in steps(), picks in picks()) {
        let mut fleet = Fleet::new(4);
        for step in &steps {
            fleet.step(step);
        }
        // Any subset: gaps, edits that their author has dropped since, repeats, any order.
        let ids: Vec<_> = if fleet.made.is_empty() { vec![] } else { picks.iter().map(|pick| pick.index(fleet.made.len())).collect() };
        let register = fleet.folded(&ids);
        prop_assert_eq!(live(&register), fleet.truth(&ids));
        let mut turned = ids.clone();
        turned.reverse();
        turned.extend(&ids);
        prop_assert_eq!(&fleet.folded(&turned).live, &register.live);
        prop_assert_eq!(fleet.folded(&turned).known, register.known);
        for (device, register) in fleet.registers.iter().enumerate() {
            let known: Vec<_> = fleet.knows[device].iter().copied().collect();
            prop_assert_eq!(live(register), fleet.truth(&known));
        }
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
    }
}

#[test]
fn an_edit_that_is_superseded_still_tells_what_it_had_seen() {
    // Two copies of home 1 that do not know of each other: what one had seen, the other's edit need not say.
    let (log, mut forks) = (test_log(1), Forks::default());
    for r4 in [[1; 4], [2; 4]] {
        forks.add(log, Branch { parent: None, parent_r4: [0; 4], first: 1, r4 });
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
    let register = fold(&[edit(1, 1, 1, 1, &[(1, 1_000)]), edit(1, 2, 2, 2, &[])]);
    assert_eq!(register.shown().unwrap().value, 2);
}

#[test]
fn seeing_one_branch_is_not_seeing_the_other() {
    let (log, other) = (test_log(1), test_log(2));
    let on = |r4: [u8; 4], value| Edit { r4, value, ..edit(1, 6, 10, 0, &[]) };
    let (left, right) = (on([1; 4], 1), on([2; 4], 2));
    let mut forks = Forks::default();
    for r4 in [[1; 4], [2; 4]] {
        forks.add(log, Branch { parent: None, parent_r4: [0; 4], first: 6, r4 });
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
    // A place that stands on no branch that is known counts as the last record in common.
    let lost = forks.lineage_seen(log, 9, [8; 4]);
    assert_eq!(lost, Some((Lineage::trunk(log), 5, [0; 4])));
    assert_eq!(forks.lineage_seen(other, 9, [8; 4]), Some((Lineage::trunk(other), 9, [8; 4])));
}

#[test]
fn a_branch_that_forks_again_knows_all_before_it() {
    let log = test_log(1);
    let mut forks = Forks::default();
    let name = |first: u64, r4: u8| (first, [r4; 4]);
    forks.add(log, Branch { parent: None, parent_r4: [0; 4], first: 4, r4: [1; 4] });
    forks.add(log, Branch { parent: Some(name(4, 1)), parent_r4: [9; 4], first: 7, r4: [2; 4] });
    let past = forks.past(Lineage { log, branch: Some(name(7, 2)) }, 8, [3; 4]);
    let branch = |name| Lineage { log, branch: Some(name) };
    let expected = [(branch(name(7, 2)), 8, [3; 4]), (branch(name(4, 1)), 6, [9; 4]), (Lineage::trunk(log), 3, [0; 4])];
    assert_eq!(past, expected);
}

#[test]
fn eight_branches_count_and_the_same_everywhere() {
    let log = test_log(1);
    let branch = |n: u8| Branch { parent: None, parent_r4: [0; 4], first: 2, r4: [n; 4] };
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
    forks.add(log, Branch { parent: Some((9, [2; 4])), parent_r4: [0; 4], first: 5, r4: [1; 4] });
    forks.add(log, Branch { parent: Some((5, [1; 4])), parent_r4: [0; 4], first: 9, r4: [2; 4] });
    assert!(forks.past(Lineage { log, branch: Some((5, [1; 4])) }, 5, [1; 4]).len() < 10);
}

#[test]
fn of_many_places_those_with_live_edits_are_said() {
    let mut register = Register::default();
    for log in 1..=100 {
        register.apply(edit(log, 1, 1, log, &[]), &Forks::default());
    }
    for log in 1..=60 {
        register.apply(edit(200, u64::from(log), 1, 0, &[(log, 1)]), &Forks::default());
    }
    let seen = register.seen(test_log(250));
    assert_eq!(seen.len(), SEEN_MAX);
    let said: BTreeSet<_> = seen.iter().map(|(log, ..)| log).collect();
    assert!((61..=100).map(test_log).all(|log| said.contains(&log)));
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

//! Approved devices that name what they have not seen, and what is not written yet.

use super::fleet::Step;
use super::*;
use crate::limits::NUMBER_MAX;

/// What happens in a history with liars.
#[derive(Clone, Debug)]
enum Move {
    Honest(Step),
    /// One of two liars edits, after skipping some sequence numbers.
    Lie {
        liar: u8,
        value: u8,
        skip: u64,
        claims: Vec<Claim>,
    },
}

/// What a liar says that it has seen. Devices and edits are taken modulo how many there are.
#[derive(Clone, Debug)]
enum Claim {
    /// An edit that is there, whether it saw it or not.
    There(usize),
    /// A place that a device may come to write, with a digest that it guesses.
    Ahead { device: usize, by: u64, r4: [u8; 4] },
    /// The last place of all.
    Last { device: usize, r4: [u8; 4] },
    /// A place of the other liar, or its own.
    Liar { liar: u8, seq: u64, r4: [u8; 4] },
}

fn liar_log(liar: u8) -> LogId {
    test_log(100 + liar % 2)
}

impl Fleet {
    fn make(&mut self, step: &Move) {
        match step {
            Move::Honest(step) => self.step(step),
            Move::Lie { liar, value, skip, claims } => self.lie(*liar, *value, *skip, claims),
        }
    }

    fn lie(&mut self, liar: u8, value: u8, skip: u64, claims: &[Claim]) {
        let (log, id) = (liar_log(liar), self.made.len());
        let own: Vec<usize> = (0..id).filter(|id| self.made[*id].edit.log == log).collect();
        let seq = own.last().map_or(0, |last| self.made[*last].edit.seq) + 1 + skip;
        // What it can name it may have seen.
        let mut past: BTreeSet<usize> = own.into_iter().collect();
        let mut seen = Vec::new();
        for claim in claims {
            seen.push(match *claim {
                Claim::There(_) if id == 0 => continue,
                Claim::There(edit) => {
                    let there = &self.made[edit % id].edit;
                    past.insert(edit % id);
                    (there.log, there.seq, there.r4)
                }
                Claim::Ahead { device, by, r4 } => {
                    let device = device % self.logs.len();
                    (self.logs[device], self.next[device] + by, r4)
                }
                Claim::Last { device, r4 } => (self.logs[device % self.logs.len()], NUMBER_MAX, r4),
                Claim::Liar { liar, seq, r4 } => (liar_log(liar), seq, r4),
            });
        }
        let r4 = Digest::of(&[&id.to_le_bytes()]).first4();
        let at = Hlc { wall_ms: 9_999, counter: 0 };
        let edit = Edit { log, seq, r4, at, value, seen: seen.into_iter().collect() };
        self.made.push(fleet::Made { edit, past });
    }

    fn is_lie(&self, id: usize) -> bool {
        [liar_log(0), liar_log(1)].contains(&self.made[id].edit.log)
    }

    /// What is live of those that do not lie.
    fn honest(&self, ids: &[usize]) -> BTreeSet<(LogId, u64, u8)> {
        let mut live = live(&self.folded(ids));
        live.retain(|(log, ..)| ![liar_log(0), liar_log(1)].contains(log));
        live
    }
}

/// Histories whose liars name what is there as well, or only what is not.
fn moves(with_there: bool) -> impl Strategy<Value = Vec<Move>> {
    let r4 = || any::<[u8; 4]>();
    let ahead = (0..8usize, 0..6u64, r4()).prop_map(|(device, by, r4)| Claim::Ahead { device, by, r4 });
    let last = (0..8usize, r4()).prop_map(|(device, r4)| Claim::Last { device, r4 });
    let liar = (0..2u8, 1..9u64, r4()).prop_map(|(liar, seq, r4)| Claim::Liar { liar, seq, r4 });
    let nowhere = prop_oneof![3 => ahead, 2 => last, 1 => liar].boxed();
    let claim = match with_there {
        true => prop_oneof![any::<usize>().prop_map(Claim::There), nowhere].boxed(),
        false => nowhere,
    };
    let lie = (0..2u8, 0..3u8, 0..3u64, proptest::collection::vec(claim, 0..8))
        .prop_map(|(liar, value, skip, claims)| Move::Lie { liar, value, skip, claims });
    let honest = steps().prop_map(|steps| steps.into_iter().map(Move::Honest).collect::<Vec<_>>());
    (honest, proptest::collection::vec((any::<prop::sample::Index>(), lie), 1..8)).prop_map(|(mut moves, lies)| {
        for (at, lie) in lies {
            moves.insert(at.index(moves.len() + 1), lie);
        }
        moves
    })
}

fn ids(fleet: &Fleet, picks: &[prop::sample::Index]) -> Vec<usize> {
    if fleet.made.is_empty() { vec![] } else { picks.iter().map(|pick| pick.index(fleet.made.len())).collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn among_lies_the_state_is_the_same_in_any_order_and_nothing_unseen_is_superseded(
        moves in moves(true),
        picks in picks(),
        is_copied in any::<bool>(),
    ) {
        let mut fleet = Fleet::new(4);
        let half = moves.len() / 2;
        for (at, step) in moves.iter().enumerate() {
            if at == half && is_copied {
                fleet.copy(0);
            }
            fleet.make(step);
        }
        let ids = ids(&fleet, &picks);
        let register = fleet.folded(&ids);
        let mut turned = ids.clone();
        turned.reverse();
        turned.extend(&ids);
        prop_assert_eq!(&fleet.folded(&turned), &register);
        prop_assert!(live(&register).is_superset(&fleet.truth(&ids)), "{:?} has {:?}", live(&register), fleet.truth(&ids));
        // The same once the liars do not count any more.
        let honest: Vec<_> = ids.iter().copied().filter(|id| !fleet.is_lie(*id)).collect();
        prop_assert!(live(&fleet.folded(&honest)).is_superset(&fleet.truth(&honest)));
    }

    #[test]
    fn what_names_only_what_is_not_there_changes_nothing(moves in moves(false), picks in picks()) {
        let mut fleet = Fleet::new(4);
        for step in &moves {
            fleet.make(step);
        }
        let ids = ids(&fleet, &picks);
        let honest: Vec<_> = ids.iter().copied().filter(|id| !fleet.is_lie(*id)).collect();
        prop_assert_eq!(fleet.honest(&ids), live(&fleet.folded(&honest)));
        // Where nothing is missing that is the truth.
        let heard_out: Vec<_> = fleet.heard_out(&honest, |_| false);
        prop_assert_eq!(fleet.honest(&heard_out), fleet.truth(&heard_out).into_iter().filter(|(log, ..)| ![liar_log(0), liar_log(1)].contains(log)).collect::<BTreeSet<_>>());
    }

    #[test]
    fn who_has_heard_all_settles_all_and_the_lies_stay_behind(moves in moves(true)) {
        let mut fleet = Fleet::new(4);
        for step in &moves {
            fleet.make(step);
        }
        for id in 0..fleet.made.len() {
            fleet.receive(0, id);
        }
        fleet.step(&Step::Write { device: 0, value: 7, skip: 0, wall_ms: 0 });
        let all: Vec<_> = (0..fleet.made.len()).collect();
        let last = &fleet.made[all.len() - 1].edit;
        prop_assert_eq!(live(&fleet.folded(&all)), BTreeSet::from([(last.log, last.seq, 7)]));
        // It names what is there, and nothing else.
        let is_there = |name| fleet.made.iter().any(|made| (made.edit.log, made.edit.seq, made.edit.r4) == name);
        prop_assert!(last.seen.iter().all(is_there));
    }
}

/// An edit of log 9 that claims to have seen all that logs 1 and 2 will ever say.
fn lie() -> Edit<u8> {
    let claims = [1, 2].into_iter().flat_map(|log| {
        let guesses = (1..=20).map(move |seq| (test_log(log), seq, [log; 4]));
        guesses.chain([(test_log(log), NUMBER_MAX, [0; 4])])
    });
    Edit { seen: claims.collect(), ..edit(9, 1, 9_000, 9, &[]) }
}

#[test]
fn a_claim_of_the_future_silences_nobody() {
    // One edits who knows nothing of the lie, and again; one edits who has seen all.
    let (first, second) = (edit(1, 1, 1, 1, &[]), edit(1, 5, 2, 2, &[]));
    let in_both_orders = |edits: [Edit<u8>; 2], expected: &[(u8, u64, u8)]| {
        let expected: BTreeSet<_> = expected.iter().map(|(log, seq, value)| (test_log(*log), *seq, *value)).collect();
        let [one, other] = edits;
        assert_eq!(live(&fold(&[one.clone(), other.clone()])), expected);
        assert_eq!(live(&fold(&[other, one])), expected);
    };
    in_both_orders([first, lie()], &[(1, 1, 1), (9, 1, 9)]);
    in_both_orders([second.clone(), lie()], &[(1, 5, 2), (9, 1, 9)]);
    let mut register = fold(&[lie(), second.clone()]);
    let aware = Edit { seen: register.seen(test_log(2)), ..edit(2, 1, 0, 3, &[]) };
    register.apply(aware.clone(), &Forks::default());
    assert_eq!(live(&register), BTreeSet::from([(test_log(2), 1, 3)]));
    // What it passes on is what is there.
    assert_eq!(aware.seen.len(), 2);
    // And without the liar nothing is missing.
    in_both_orders([second, aware], &[(2, 1, 3)]);
}

#[test]
fn a_place_that_is_there_with_another_digest_is_not_what_was_named() {
    let named = Edit { seen: [(test_log(1), 5, [7; 4])].into_iter().collect(), ..edit(9, 1, 9_000, 9, &[]) };
    for seq in [4, 5, 6] {
        assert_eq!(fold(&[edit(1, seq, 1, 1, &[]), named.clone()]).live().count(), 2, "at {seq}");
    }
}

#[test]
fn a_name_waits_for_its_edit_and_then_counts() {
    // Log 2 saw the second edit of log 1; the first comes to somebody before it.
    let (first, second) = (edit(1, 1, 1, 1, &[]), edit(1, 2, 2, 2, &[]));
    let mut register = fold(&[first, edit(2, 1, 0, 3, &[(1, 2)])]);
    assert!(register.is_conflict(), "nobody can tell whether there is such an edit");
    assert!(register.apply(second, &Forks::default()));
    assert_eq!(live(&register), BTreeSet::from([(test_log(2), 1, 3)]));
}

#[test]
fn a_void_edit_says_nothing_whether_it_was_received_or_not() {
    let (victim, lie, next) = (edit(1, 1, 1, 1, &[]), edit(9, 1, 9, 9, &[(1, 1)]), edit(9, 2, 9, 8, &[]));
    assert_eq!(fold(&[victim.clone(), lie.clone(), next.clone()]), fold(&[victim.clone(), next.clone()]));
    assert_eq!(fold(&[next, victim, lie]).live().count(), 2);
}

#[test]
fn edits_that_name_each_other_in_a_circle_are_all_live() {
    // The first bytes of a digest can be found by trying, by who forks their own log.
    let circle = [edit(1, 1, 1, 1, &[(3, 1)]), edit(2, 1, 2, 2, &[(1, 1)]), edit(3, 1, 3, 3, &[(2, 1)])];
    let mut register = fold(&circle);
    assert_eq!(register.live().count(), 3);
    // One that names one of them settles it: that one has seen the others.
    register.apply(edit(4, 1, 0, 4, &[(2, 1)]), &Forks::default());
    assert_eq!(live(&register), BTreeSet::from([(test_log(4), 1, 4)]));
    // An edit that names itself is live as well.
    assert_eq!(fold(&[edit(1, 1, 1, 1, &[(1, 1)]), edit(2, 1, 1, 2, &[])]).live().count(), 2);
}

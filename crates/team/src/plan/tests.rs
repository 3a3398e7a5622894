use carry_sessions::model::{Agent, NativeId, SessionId};
use proptest::prelude::*;

use super::*;
use crate::unit::Body;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn key(n: u8) -> UnitKey {
    UnitKey::Session(SessionId::new("origin", Agent::Claude, &NativeId(n.to_string())))
}

fn wanted(n: u8, input: u8, ended: Option<i64>) -> Wanted {
    let ended = ended.map(Timestamp::from_millis);
    Wanted { key: key(n), mode: Mode::Full, input: [input; 32], ended }
}

fn pushed(input: u8) -> Known {
    Known { input: Some([input; 32]), mask: "m1".to_owned(), retry_at: None, failed_input: None }
}

fn failed(known: Known, input: u8, retry_ms: i64) -> Known {
    Known { retry_at: Some(Timestamp::from_millis(retry_ms)), failed_input: Some([input; 32]), ..known }
}

fn known(all: impl IntoIterator<Item = (u8, Known)>) -> BTreeMap<String, Known> {
    all.into_iter().map(|(n, known)| (key(n).to_text(), known)).collect()
}

/// What is done with one unit.
fn one(unit: &Wanted, known_as: Known) -> Option<Why> {
    let steps = plan(std::slice::from_ref(unit), &known([(1, known_as)]), "m1", NOW);
    steps.first().map(|step| step.why)
}

#[test]
fn what_is_as_it_was_is_left_alone() {
    assert_eq!(one(&wanted(1, 7, None), pushed(7)), None);
    assert_eq!(one(&wanted(1, 8, None), pushed(7)), Some(Why::Changed));
    assert_eq!(one(&wanted(1, 7, None), Known { input: None, ..pushed(7) }), Some(Why::New));
    assert_eq!(plan(&[wanted(1, 7, None)], &known([]), "m1", NOW)[0].why, Why::New);
}

#[test]
fn another_mask_is_applied_to_everything() {
    assert_eq!(plan(&[wanted(1, 7, None)], &known([(1, pushed(7))]), "m2", NOW)[0].why, Why::Remask);
    assert_eq!(plan(&[wanted(1, 8, None)], &known([(1, pushed(7))]), "m2", NOW)[0].why, Why::Changed);
}

#[test]
fn what_failed_waits_until_its_time_or_until_it_changes() {
    let now = NOW.as_millis();
    let never = Known { input: None, ..pushed(0) };
    for before in [never.clone(), pushed(6)] {
        assert_eq!(one(&wanted(1, 7, None), failed(before.clone(), 7, now + 1)), None);
        assert_eq!(one(&wanted(1, 7, None), failed(before, 7, now)), Some(Why::Retry));
    }
    assert_eq!(one(&wanted(1, 8, None), failed(pushed(6), 7, now + 1)), Some(Why::Changed));
    assert_eq!(one(&wanted(1, 8, None), failed(never, 7, now + 1)), Some(Why::New));
    // Back to what is in the store already.
    assert_eq!(one(&wanted(1, 6, None), failed(pushed(6), 7, now + 1)), None);
    // The clock was set back by a year.
    assert_eq!(one(&wanted(1, 7, None), failed(pushed(6), 7, now + 31_536_000_000)), Some(Why::Retry));
}

#[test]
fn what_is_not_wanted_any_more_is_withdrawn_whatever_became_of_it() {
    let waiting = failed(Known { input: None, ..pushed(0) }, 7, i64::MAX);
    let off = Wanted { mode: Mode::Off, ..wanted(3, 7, None) };
    let steps = plan(&[off], &known([(1, pushed(7)), (2, waiting), (3, pushed(7))]), "m1", NOW);
    assert_eq!(steps.len(), 3);
    assert!(steps.iter().all(|step| step.why == Why::Withdraw));
}

#[test]
fn withdrawals_come_first_then_changes_newest_first() {
    let units = [
        wanted(1, 1, Some(10)),
        wanted(2, 1, Some(30)),
        wanted(3, 1, None),
        // By a clock that is broken.
        wanted(9, 1, Some(9_007_199_254_740_991)),
        wanted(4, 2, Some(5)),
        wanted(5, 2, Some(6)),
        wanted(6, 1, Some(99)),
        wanted(7, 3, Some(98)),
    ];
    let before = [(4, pushed(1)), (5, pushed(1)), (6, Known { mask: "m0".to_owned(), ..pushed(1) }), (8, pushed(1))];
    let mut before = known(before);
    before.insert(key(7).to_text(), failed(pushed(1), 3, 0));
    let steps = plan(&units, &before, "m1", NOW);
    // Those without a date stand by their keys.
    let order = [8, 5, 4, 2, 1, 9, 3, 7, 6].map(|n| key(n).to_text());
    assert_eq!(steps.iter().map(|step| step.key.clone()).collect::<Vec<_>>(), order);
}

fn unit() -> impl Strategy<Value = Wanted> {
    (0..12_u8, 0..3_u8, prop::option::of(0..4_i64), any::<bool>()).prop_map(|(n, input, ended, is_off)| {
        let mode = if is_off { Mode::Off } else { Mode::Full };
        Wanted { mode, ..wanted(n, input, ended) }
    })
}

fn held() -> impl Strategy<Value = BTreeMap<Place, Digest>> {
    let place = prop_oneof![
        (0..40_u32).prop_map(Place::Message),
        (0..40_u32, 0..2_u32, 0..2_u32).prop_map(|(ordinal, index, event)| Place::Result { ordinal, index, event }),
        (0..2_u32).prop_map(|bucket| Place::Words(crate::unit::Bucket(bucket))),
    ];
    prop::collection::btree_map(place, (0..3_u8).prop_map(|n| [n; 32]), 0..40)
}

proptest! {
    #[test]
    fn a_plan_does_not_depend_on_the_order_of_what_is_wanted(
        units in prop::collection::vec(unit(), 0..20),
        before in prop::collection::btree_map(0..12_u8, 0..3_u8, 0..12),
        turn in 0..20_usize,
    ) {
        let before = known(before.into_iter().map(|(n, input)| (n, pushed(input))));
        let steps = plan(&units, &before, "m1", NOW);
        let mut turned = units.clone();
        turned.rotate_left(turn.min(units.len()));
        turned.reverse();
        let other: BTreeMap<String, Why> = plan(&turned, &before, "m1", NOW).into_iter().map(|s| (s.key, s.why)).collect();
        let same: BTreeMap<String, Why> = steps.iter().map(|step| (step.key.clone(), step.why)).collect();
        prop_assert_eq!(&same, &other);
        prop_assert_eq!(same.len(), steps.len());
        prop_assert!(steps.is_sorted_by_key(|step| step.why));
    }

    #[test]
    fn after_a_delta_a_store_holds_exactly_the_rows(before in held(), after in held()) {
        let row = |(place, digest): (&Place, &Digest)| Row { place: *place, digest: *digest, body: Body::Words(Vec::new()) };
        let rows: Vec<Row> = after.iter().map(row).collect();
        let Delta { put, take } = delta(&Held { rows: before.clone(), ..Held::default() }, rows.clone());
        let mut now = before.clone();
        for place in &take {
            prop_assert!(now.remove(place).is_some());
        }
        for row in &put {
            prop_assert_ne!(now.insert(row.place, row.digest), Some(row.digest));
        }
        prop_assert_eq!(&now, &after);
        let again = delta(&Held { rows: now, ..Held::default() }, rows);
        prop_assert_eq!(again, Delta::default());
        prop_assert!(put.is_sorted_by_key(|row| row.place) && take.is_sorted());
    }
}

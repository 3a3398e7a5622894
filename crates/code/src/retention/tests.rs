use proptest::prelude::*;

use super::*;

const DAY: i64 = 24 * 60 * 60;
const NOW: Timestamp = Timestamp::from_secs(20_000 * DAY);

fn id(n: usize) -> ObjectId {
    ObjectId::from_hex(format!("{n:040x}").as_bytes()).unwrap()
}

fn days(n: u64) -> Duration {
    HOUR * 24 * u32::try_from(n).unwrap()
}

fn default_policy() -> Policy {
    Policy { all: days(1), hourly: days(7), daily: days(30), weekly: days(365) }
}

/// Items with these ages in seconds, newest first.
fn aged(ages: &[i64]) -> Vec<Item> {
    let item =
        |(n, age): (usize, &i64)| Item { commit: id(n), time: Timestamp::from_secs(NOW.as_secs() - age), bytes: 10 };
    ages.iter().enumerate().map(item).collect()
}

fn why(ages: &[i64]) -> Vec<Option<Why>> {
    let items = aged(ages);
    let plan = plan(&items, &HashSet::new(), &default_policy(), NOW);
    items.iter().map(|item| plan.keep.iter().find(|(id, _)| *id == item.commit).map(|(_, why)| *why)).collect()
}

#[test]
fn everything_young_stays_then_the_newest_of_each_hour_day_and_week() {
    // NOW is midnight, so that hours and days of UTC are whole ones back from it.
    assert_eq!(why(&[0, 10, DAY - 1]), [Some(Why::Newest), Some(Why::Recent), Some(Why::Recent)]);
    assert_eq!(
        why(&[0, DAY + 60, DAY + 120, DAY + 3700]),
        [Some(Why::Newest), Some(Why::Hourly), None, Some(Why::Hourly)]
    );
    assert_eq!(
        why(&[0, 8 * DAY + 60, 8 * DAY + 7300, 9 * DAY + 60]),
        [Some(Why::Newest), Some(Why::Daily), None, Some(Why::Daily)]
    );
    // Day 20000 is the second of a week of ours: 20000 = 7 * 2857 + 1.
    let week = |n: i64| (7 * n + 1) * DAY + 60;
    assert_eq!(
        why(&[0, week(6), week(6) + 2 * DAY, week(7)]),
        [Some(Why::Newest), Some(Why::Weekly), None, Some(Why::Weekly)]
    );
    assert_eq!(why(&[0, 366 * DAY]), [Some(Why::Newest), None]);
}

#[test]
fn the_newest_stays_however_old_it_is() {
    assert_eq!(why(&[4000 * DAY, 4001 * DAY]), [Some(Why::Newest), None]);
}

#[test]
fn what_lies_in_the_future_stays() {
    assert_eq!(why(&[0, -1, -400 * DAY]), [Some(Why::Newest), Some(Why::Future), Some(Why::Future)]);
}

#[test]
fn a_clock_that_was_set_back_does_not_make_fresh_ones_old() {
    assert_eq!(
        why(&[0, 4000 * DAY, 4000 * DAY + 1, 60]),
        [Some(Why::Newest), Some(Why::Recent), Some(Why::Recent), Some(Why::Recent)]
    );
    // They do not take the place of older ones either.
    assert_eq!(why(&[0, 4000 * DAY, 2 * DAY + 60])[2], Some(Why::Hourly));
}

#[test]
fn a_pinned_one_stays_and_stands_for_its_hour() {
    let items = aged(&[0, 2 * DAY + 60, 2 * DAY + 61, 400 * DAY]);
    let pinned = HashSet::from([items[1].commit, items[3].commit]);
    let plan = plan(&items, &pinned, &default_policy(), NOW);
    assert_eq!(plan.drop, [items[2].commit]);
    assert_eq!(plan.bytes, 10);
}

#[test]
fn times_before_the_epoch_fall_into_buckets_of_the_same_length() {
    assert_eq!(buckets(Timestamp::from_secs(-1)), [-1, -1, -1]);
    assert_eq!(buckets(Timestamp::from_secs(-3601)), [-2, -1, -1]);
    assert_eq!(buckets(Timestamp::from_secs(-7 * DAY - 1))[2], -2);
}

#[test]
fn tightened_keeps_the_last_hour_and_never_more_than_before() {
    let tight = default_policy().tightened();
    assert_eq!(tight.all, HOUR * 6);
    assert_eq!(tight.weekly, days(365) / 4);
    let short = Policy { all: HOUR / 2, ..default_policy() }.tightened();
    assert_eq!(short.all, HOUR / 2);
    assert_eq!(Policy { all: HOUR * 2, ..default_policy() }.tightened().all, HOUR);
}

fn policies() -> impl Strategy<Value = Policy> {
    (0..100u64, 0..1000u64, 0..5000u64, 0..20_000u64).prop_map(|(all, hourly, daily, weekly)| {
        let hours = |n: u64| HOUR * u32::try_from(n).unwrap();
        Policy { all: hours(all), hourly: hours(hourly), daily: hours(daily), weekly: hours(weekly) }
    })
}

/// Items as a line has them; with `lies` in any order of time.
fn lines(lies: bool) -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec((-100_000i64..40_000_000, 0..1000u64), 0..200).prop_map(move |mut ages| {
        if !lies {
            ages.sort_unstable();
        }
        let item = |(n, (age, bytes)): (usize, (i64, u64))| Item {
            commit: id(n),
            time: Timestamp::from_secs(NOW.as_secs() - age),
            bytes,
        };
        ages.into_iter().enumerate().map(item).collect()
    })
}

fn kept(items: &[Item], plan: &Plan) -> Vec<Item> {
    let kept: HashSet<ObjectId> = plan.keep.iter().map(|(id, _)| *id).collect();
    items.iter().copied().filter(|item| kept.contains(&item.commit)).collect()
}

proptest! {
    #[test]
    fn each_item_is_kept_or_dropped_in_order_and_the_newest_and_pinned_are_kept(
        items in lines(true), policy in policies(), pins in prop::collection::hash_set(0..200usize, 0..10),
    ) {
        let pinned: HashSet<ObjectId> = pins.into_iter().map(id).collect();
        let made = plan(&items, &pinned, &policy, NOW);
        let keep: Vec<ObjectId> = made.keep.iter().map(|(id, _)| *id).collect();
        let is_kept: HashSet<ObjectId> = keep.iter().copied().collect();
        let order: Vec<ObjectId> = items.iter().map(|i| i.commit).collect();
        prop_assert_eq!(&keep, &order.iter().copied().filter(|id| is_kept.contains(id)).collect::<Vec<_>>());
        prop_assert_eq!(&made.drop, &order.iter().copied().filter(|id| !is_kept.contains(id)).collect::<Vec<_>>());
        prop_assert_eq!(keep.first(), order.first());
        prop_assert!(made.drop.iter().all(|id| !pinned.contains(id)));
        let bytes: u64 = items.iter().filter(|i| !is_kept.contains(&i.commit)).map(|i| i.bytes).sum();
        prop_assert_eq!(made.bytes, bytes);
    }

    #[test]
    fn planning_again_what_was_kept_drops_nothing(items in lines(false), policy in policies()) {
        let first = plan(&items, &HashSet::new(), &policy, NOW);
        let again = plan(&kept(&items, &first), &HashSet::new(), &policy, NOW);
        prop_assert!(again.drop.is_empty());
        prop_assert_eq!(again.keep.len(), first.keep.len());
    }

    #[test]
    fn what_is_kept_later_was_kept_earlier(items in lines(true), policy in policies(), earlier in 0..40_000_000u64) {
        let later: HashSet<ObjectId> = plan(&items, &HashSet::new(), &policy, NOW).keep.into_iter().map(|k| k.0).collect();
        let before = plan(&items, &HashSet::new(), &policy, NOW.before(Duration::from_secs(earlier)));
        prop_assert!(before.drop.iter().all(|id| !later.contains(id)));
    }

    #[test]
    fn thinning_on_the_way_comes_to_the_same_when_clocks_are_right(
        items in lines(false), policy in policies(), earlier in 0..40_000_000u64,
    ) {
        // With spans in order: a policy that keeps days but no hours in between has nothing to choose from later.
        let all = policy.all;
        let hourly = policy.hourly.max(all);
        let daily = policy.daily.max(hourly);
        let policy = Policy { all, hourly, daily, weekly: policy.weekly.max(daily) };
        let none = HashSet::new();
        let before = plan(&items, &none, &policy, NOW.before(Duration::from_secs(earlier)));
        let rest = kept(&items, &before);
        prop_assert_eq!(kept(&rest, &plan(&rest, &none, &policy, NOW)), kept(&items, &plan(&items, &none, &policy, NOW)));
    }

    #[test]
    fn the_number_kept_is_bounded_by_the_spans(items in lines(false), policy in policies()) {
        let spans = |span: Duration, unit: u64| span.as_secs() / unit + 2;
        let bound = 1 + spans(policy.hourly, 3600) + spans(policy.daily, 86_400) + spans(policy.weekly, 7 * 86_400);
        let made = plan(&items, &HashSet::new(), &policy, NOW);
        let thinned = made.keep.iter().filter(|(_, why)| !matches!(why, Why::Recent | Why::Future)).count();
        prop_assert!(u64::try_from(thinned).unwrap() <= bound);
    }

    #[test]
    fn a_tightened_policy_keeps_nothing_more(items in lines(true), policy in policies()) {
        let loose: HashSet<ObjectId> = plan(&items, &HashSet::new(), &policy, NOW).keep.into_iter().map(|k| k.0).collect();
        let tight = plan(&items, &HashSet::new(), &policy.tightened(), NOW);
        prop_assert!(tight.keep.iter().all(|(id, _)| loose.contains(id)));
    }
}

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::home::Home;

const TTL: Duration = Duration::from_secs(30);

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// A living owner on this machine.
fn here(nonce: u64) -> Owner {
    Owner { nonce, ..Owner::this_process() }
}

/// An owner on another machine that shares the home.
fn elsewhere(nonce: u64) -> Owner {
    Owner { host: "elsewhere.invalid".into(), boot: "another-boot".into(), nonce, ..Owner::this_process() }
}

struct Fixture {
    _dir: tempfile::TempDir,
    home: Home,
    wall: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        Self { _dir: dir, home, wall: Arc::new(ManualClock::new(at(1_000_000))) }
    }

    fn open(&self, owner: Owner) -> Lease {
        Lease::open(&self.home, owner).unwrap().with_clock(self.wall.clone())
    }
}

#[track_caller]
fn granted(outcome: Outcome) -> Held {
    match outcome {
        Outcome::Granted(held) => held,
        Outcome::Refused { owner, until } => panic!("refused: {owner:?} until {until}"),
    }
}

#[track_caller]
fn refused_until(outcome: Outcome) -> Timestamp {
    match outcome {
        Outcome::Granted(held) => panic!("granted: {held:?}"),
        Outcome::Refused { until, .. } => until,
    }
}

#[test]
fn a_living_holder_keeps_it_until_its_deadline() {
    let fixture = Fixture::new();
    let (mut a, mut b) = (fixture.open(here(1)), fixture.open(here(2)));
    let held = granted(a.acquire("job", TTL, at(0)).unwrap());
    assert_eq!((held.fence, held.until), (1, at(30)));
    assert_eq!(b.acquire("job", TTL, at(29)).unwrap(), Outcome::Refused { owner: a.owner.clone(), until: at(30) });
    let taken = granted(b.acquire("job", TTL, at(30)).unwrap());
    assert_eq!(taken.fence, 2);
    assert!(b.check(&taken).unwrap() && !a.check(&held).unwrap());
    assert_eq!(a.renew(&held, TTL, at(31)).unwrap(), None);
}

#[test]
fn jobs_are_leased_apart() {
    let fixture = Fixture::new();
    let (mut a, mut b) = (fixture.open(here(1)), fixture.open(here(2)));
    granted(a.acquire("one", TTL, at(0)).unwrap());
    granted(b.acquire("two", TTL, at(0)).unwrap());
}

#[test]
fn taking_what_one_holds_renews_it() {
    let fixture = Fixture::new();
    let mut a = fixture.open(here(1));
    let first = granted(a.acquire("job", TTL, at(0)).unwrap());
    let again = granted(a.acquire("job", TTL, at(10)).unwrap());
    assert_eq!((again.fence, again.until), (first.fence, at(40)));
    assert!(a.check(&first).unwrap());
}

#[test]
fn renewing_moves_the_deadline_and_works_late_when_nobody_took_it() {
    let fixture = Fixture::new();
    let (mut a, mut b) = (fixture.open(here(1)), fixture.open(here(2)));
    let held = granted(a.acquire("job", TTL, at(0)).unwrap());
    let held = a.renew(&held, TTL, at(20)).unwrap().unwrap();
    assert_eq!(refused_until(b.acquire("job", TTL, at(40)).unwrap()), at(50));
    assert!(a.renew(&held, TTL, at(500)).unwrap().is_some());
}

#[test]
fn a_release_frees_it_and_the_fence_still_grows() {
    let fixture = Fixture::new();
    let (mut a, mut b) = (fixture.open(here(1)), fixture.open(here(2)));
    let held = granted(a.acquire("job", TTL, at(0)).unwrap());
    a.release(held.clone()).unwrap();
    assert!(!a.check(&held).unwrap());
    let taken = granted(b.acquire("job", TTL, at(1)).unwrap());
    assert_eq!(taken.fence, 2);
    a.release(held).unwrap();
    assert!(b.check(&taken).unwrap(), "giving back what was lost does nothing");
}

#[test]
fn a_killed_holder_loses_it_at_once() {
    let fixture = Fixture::new();
    let mut child = std::process::Command::new("sh").args(["-c", "kill -9 $$"]).spawn().unwrap();
    let mut dead = fixture.open(Owner { pid: child.id(), started: 0, ..here(1) });
    child.wait().unwrap();
    granted(dead.acquire("job", TTL, at(0)).unwrap());
    assert_eq!(granted(fixture.open(here(2)).acquire("job", TTL, at(1)).unwrap()).fence, 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_holder_loses_it_though_the_host_was_renamed() {
    let fixture = Fixture::new();
    let mut child = std::process::Command::new("sh").args(["-c", "kill -9 $$"]).spawn().unwrap();
    let dead = Owner { pid: child.id(), started: 0, host: "before.invalid".into(), ..here(1) };
    child.wait().unwrap();
    granted(fixture.open(dead).acquire("job", TTL, at(0)).unwrap());
    assert_eq!(granted(fixture.open(here(2)).acquire("job", TTL, at(1)).unwrap()).fence, 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_boot_ends_every_lease_of_this_host() {
    let fixture = Fixture::new();
    granted(fixture.open(Owner { boot: "an-earlier-boot".into(), ..here(1) }).acquire("job", TTL, at(90_000)).unwrap());
    granted(fixture.open(here(2)).acquire("job", TTL, at(5)).unwrap());
}

#[test]
fn another_hosts_lease_lapses_by_the_wall_clock_and_a_margin() {
    let fixture = Fixture::new();
    let (mut theirs, mut ours) = (fixture.open(elsewhere(1)), fixture.open(here(2)));
    granted(theirs.acquire("job", TTL, at(7_777_777)).unwrap());
    let left = TTL + FOREIGN_MARGIN;
    assert_eq!(refused_until(ours.acquire("job", TTL, at(10)).unwrap()), at(10).after(left));
    fixture.wall.advance(left - Duration::from_millis(1));
    refused_until(ours.acquire("job", TTL, at(10)).unwrap());
    fixture.wall.advance(Duration::from_millis(1));
    granted(ours.acquire("job", TTL, at(10)).unwrap());
}

#[test]
fn a_wall_clock_in_the_next_century_cannot_hold_a_lease() {
    let fixture = Fixture::new();
    fixture.wall.set(at(4_000_000_000));
    granted(fixture.open(elsewhere(1)).acquire("job", TTL, at(0)).unwrap());
    fixture.wall.set(at(1_700_000_000));
    granted(fixture.open(here(2)).acquire("job", TTL, at(0)).unwrap());
}

#[test]
fn a_lease_survives_closing_the_database() {
    let fixture = Fixture::new();
    let held = granted(fixture.open(here(1)).acquire("job", TTL, at(0)).unwrap());
    refused_until(fixture.open(here(2)).acquire("job", TTL, at(1)).unwrap());
    assert!(fixture.open(here(1)).check(&held).unwrap());
}

#[derive(Clone, Debug)]
enum Act {
    Acquire(usize),
    Renew(usize),
    Release(usize),
    Wait(u8),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3_usize).prop_map(Act::Acquire),
        2 => (0..3_usize).prop_map(Act::Renew),
        1 => (0..3_usize).prop_map(Act::Release),
        3 => (0..40_u8).prop_map(Act::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_order_one_holder_is_valid_and_the_fence_grows(acts in prop::collection::vec(any_act(), 1..40)) {
        let fixture = Fixture::new();
        let mut leases = [fixture.open(here(1)), fixture.open(here(2)), fixture.open(elsewhere(3))];
        // Everything each owner was ever granted: a sleeper may come back with any of it.
        let mut holdings: [Vec<Held>; 3] = Default::default();
        let (mut now, mut fence_max) = (at(0), 0);
        for act in acts {
            match act {
                Act::Acquire(i) => if let Outcome::Granted(held) = leases[i].acquire("job", TTL, now).unwrap() {
                    let renewed = holdings[i].last().is_some_and(|h| h.fence == held.fence);
                    prop_assert!(renewed && held.fence == fence_max || held.fence == fence_max + 1);
                    fence_max = held.fence;
                    holdings[i].push(held);
                },
                Act::Renew(i) => if let Some(held) = holdings[i].last().cloned() {
                    let was_valid = leases[i].check(&held).unwrap();
                    let renewed = leases[i].renew(&held, TTL, now).unwrap();
                    prop_assert_eq!(renewed.is_some(), was_valid);
                },
                Act::Release(i) => if let Some(held) = holdings[i].last().cloned() {
                    leases[i].release(held).unwrap();
                },
                Act::Wait(secs) => {
                    now = now.after(Duration::from_secs(secs.into()));
                    fixture.wall.advance(Duration::from_secs(secs.into()));
                }
            }
            let mut valid = std::collections::BTreeSet::new();
            for (i, lease) in leases.iter().enumerate() {
                for held in &holdings[i] {
                    if lease.check(held).unwrap() {
                        valid.insert((i, held.fence));
                    }
                }
            }
            prop_assert!(valid.len() <= 1, "{valid:?}");
            prop_assert!(valid.iter().all(|(_, fence)| *fence == fence_max));
        }
    }
}

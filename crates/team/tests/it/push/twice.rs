//! Two pushes of what is one device at the same time.

use std::sync::Barrier;

use carry_sessions::archive::Archive;
use carry_team::postgres::Postgres;
use carry_team::push::{Depth, PushError, Report};
use carry_team::sink::Class;
use carry_team::state::State;
use carry_testkit::postgres::shared;

use super::content::turn;
use super::hooked::Hooked;
use super::rig::{Device, Mirror, client, run};
use crate::rig::store_at;

/// A second push of a home, with an archive and a state of its own in the same files.
fn push_beside(device: &Device, barrier: &Barrier) -> impl FnOnce() -> Result<Report, PushError> + Send {
    let archive = Archive::open_read_only(&device.fixture.home).unwrap().unwrap();
    let mut state = State::open(&device.fixture.home).unwrap();
    let (settings, now) = (device.settings.clone(), device.now);
    move || {
        let mut sink = Hooked::new(Postgres::new(&settings), |name| {
            if name == "summary" {
                barrier.wait();
            }
        });
        run(&archive, &mut state, &mut sink, &settings, client("Ann"), now, Depth::Changed)
    }
}

#[test]
fn two_pushes_of_one_home_at_once_leave_what_one_would() {
    let (database, store) = store_at(shared());
    let mut device = Device::new("");
    device.settings = store;
    let mirror = Mirror::new();
    for round in 0..6 {
        turn(&mut device, round % 2 == 0);
        device.now += 1000;
        let expected = mirror.of(&device);
        let barrier = Barrier::new(2);
        let (one, two) = (push_beside(&device, &barrier), push_beside(&device, &barrier));
        let pushed = std::thread::scope(|scope| {
            let pushes = [scope.spawn(one), scope.spawn(two)];
            pushes.map(|push| push.join().expect("no panic"))
        });
        // The one that ends first gives the claim of both back, which the other goes on with.
        for pushed in pushed {
            let report = pushed.unwrap();
            assert_eq!((report.failed, report.unknown), (Vec::new(), Vec::new()), "round {round}");
        }
        device.now += 1000;
        device.push().unwrap();
        device.assert_settled(shared(), &database, &expected);
    }
}

#[test]
fn of_two_copies_of_a_home_one_pushes_at_a_time() {
    let (database, store) = store_at(shared());
    let mut first = Device::new("");
    first.settings = store;
    let mut second = Device::new("");
    second.settings = first.settings.clone();
    for device in [&mut first, &mut second] {
        turn(device, false);
    }
    first.push().unwrap();
    turn(&mut first, true);
    turn(&mut second, true);
    let mut refused = None;
    {
        let mut sink = Hooked::new(first.sink(), |name| {
            // Where no lock is held that would have to be waited for.
            if name == "change" && refused.is_none() {
                refused = Some(second.push());
            }
        });
        first.run_on(&mut sink, Depth::Changed).unwrap();
    }
    second.assert_failed(refused.expect("something was committed"), Class::Busy, None);
    let expected = Mirror::new().of(&first);
    first.assert_settled(shared(), &database, &expected);
    let report = second.push().unwrap();
    assert_eq!((report.done, report.unknown), (Vec::new(), Vec::new()), "all of it is there already");
    second.assert_settled(shared(), &database, &expected);
}

//! A wire that is cut, or goes silent, while a push is under way.

use std::cell::Cell;
use std::time::Duration;

use carry_team::postgres::Limits;
use carry_team::push::Depth;
use carry_team::sink::Class;
use carry_testkit::postgres::{ADMIN, PASSWORD, shared};
use carry_testkit::rng::Rng;
use carry_testkit::wire::{Proxy, Way};

use super::content::turn;
use super::hooked::Hooked;
use super::rig::{Device, Mirror};
use crate::rig::{settings, store_at};

#[test]
fn a_push_that_is_cut_anywhere_is_ended_by_the_next() {
    let (database, _) = store_at(shared());
    let proxy = Proxy::start(shared().address());
    let mut device = Device::new(&shared().url_at(proxy.port(), ADMIN, PASSWORD, &database));
    let mirror = Mirror::new();
    let expected = [false, true].map(|is_second| {
        turn(&mut device, is_second);
        mirror.of(&device)
    });
    let bytes = || [proxy.bytes(Way::Up), proxy.bytes(Way::Down)];
    // How much goes over the wire when nothing is cut, in each direction of the change.
    let sizes = [false, true, false].map(|is_second| {
        turn(&mut device, is_second);
        let before = bytes();
        device.push().unwrap();
        let after = bytes();
        [after[0] - before[0], after[1] - before[1]]
    });
    let sizes = [sizes[2], sizes[1]];
    let mut rng = Rng::new(20_261_130);
    let (mut cut, mut is_second) = (0, false);
    for round in 0..60_u64 {
        device.now += 60_000;
        let before = device.status().pushed_at;
        is_second = !is_second;
        turn(&mut device, is_second);
        let way = if round % 2 == 0 { Way::Up } else { Way::Down };
        let size = sizes[usize::from(is_second)][way as usize];
        proxy.cut_after(way, rng.below(usize::try_from(size).unwrap()) as u64);
        let pushed = device.push();
        proxy.heal();
        match pushed {
            // Cut when there was nothing left to say but goodbye.
            Ok(report) => assert_eq!(report.failed, [], "round {round}"),
            pushed => {
                cut += 1;
                device.assert_failed(pushed, Class::Unreachable, before);
            }
        }
        device.now += 60_000;
        assert_eq!(device.push().unwrap().failed, [], "round {round}");
        device.assert_settled(shared(), &database, &expected[usize::from(is_second)]);
    }
    assert!(cut >= 50, "{cut} cuts");
}

#[test]
fn a_push_through_a_wire_that_goes_silent_at_any_call_ends_soon_and_the_next_brings_all() {
    let (database, _) = store_at(shared());
    let proxy = Proxy::start(shared().address());
    let mut device = Device::new("");
    device.settings = settings(&shared().url_at(proxy.port(), ADMIN, PASSWORD, &database));
    let short = Duration::from_secs(2);
    let mirror = Mirror::new();
    let expected = [false, true].map(|is_second| {
        turn(&mut device, is_second);
        mirror.of(&device)
    });
    turn(&mut device, false);
    device.push().unwrap();
    let mut is_second = false;
    for call in ["summary", "remove", "change", "held", "commit", "close"] {
        device.now += 60_000;
        let before = device.status().pushed_at;
        is_second = !is_second;
        turn(&mut device, is_second);
        let limits = Limits { statement: short, bulk: short, ..Limits::default() };
        let is_stalled = Cell::new(false);
        let pushed = {
            device.limits = limits;
            let mut sink = Hooked::new(device.sink(), |name| {
                if name == call {
                    proxy.stall();
                    is_stalled.set(true);
                }
            });
            device.run_on(&mut sink, Depth::Changed)
        };
        assert!(is_stalled.get(), "{call}");
        proxy.cut();
        proxy.heal();
        if call == "close" {
            pushed.unwrap();
        } else {
            device.assert_failed(pushed, Class::Unreachable, before);
        }
        device.limits = Limits::default();
        device.push().unwrap();
        device.assert_settled(shared(), &database, &expected[usize::from(is_second)]);
    }
}

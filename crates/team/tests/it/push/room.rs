//! A server whose disk is full.

use carry_kernel::clock::Timestamp;
use carry_team::sink::Class;
use carry_testkit::postgres::{Options, Server};
use carry_testkit::rng::Rng;
use carry_testkit::tmpfs::Tmpfs;

use super::content::turn;
use super::rig::{Device, Mirror, rows};
use crate::fixture::answer;
use crate::rig::store_at;

/// Letters that no compression makes less of.
fn noise(rng: &mut Rng, bytes: usize) -> String {
    let letter = |n: u64| char::from(b'a' + u8::try_from(n % 26).unwrap());
    (0..bytes).map(|at| if at % 8 == 0 { ' ' } else { letter(rng.next_u64()) }).collect()
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_push_keeps_what_was_done_and_takes_the_rest_when_there_is_room() {
    let Some(disk) = Tmpfs::mount(128 << 20) else {
        eprintln!("no disk can be mounted here: nothing is filled");
        return;
    };
    let data = disk.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let server = Server::start_with(&Options { data: Some(data), is_unsafe: true, ..Options::default() });
    let (database, store) = store_at(&server);
    let mut device = Device::new("");
    device.settings = store;
    turn(&mut device, false);
    device.push().unwrap();
    let pushed_at = device.status().pushed_at;
    let before = rows(&server, &database);
    let mut rng = Rng::new(1);
    for native in ["w", "x", "y", "z"] {
        let messages: Vec<_> = (0..3).map(|n| answer(n, &noise(&mut rng, 200 << 10))).collect();
        device.fixture.put(native, &messages);
    }
    disk.fill(4 << 20);
    device.now += 1000;
    let pushed = device.push();
    device.assert_failed(pushed, Class::Full, pushed_at);
    // Those that got there are whole; the others are not there at all.
    let units = |rows: &[String]| rows.iter().filter(|row| row.starts_with("units|")).count();
    let there = rows(&server, &database);
    assert!((1..4).contains(&(units(&there) - units(&before))), "{} came there", units(&there) - units(&before));
    assert_eq!(device.status().units, units(&there) as u64);
    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    let report = device.push().unwrap();
    assert_eq!(report.done.len(), 4 + units(&before) - units(&there), "only what was left");
    device.assert_settled(&server, &database, &Mirror::new().of(&device));
    assert_eq!(device.status().pushed_at, Some(Timestamp::from_millis(device.now)));
    drop(server);
}

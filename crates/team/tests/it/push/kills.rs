//! A server that dies, and a process that dies, at every point of a push.

use std::cell::Cell;
use std::process::Command;

use carry_kernel::home::Home;
use carry_sessions::archive::Archive;
use carry_team::push::Depth;
use carry_team::sink::Class;
use carry_team::state::State;
use carry_testkit::postgres::{Options, Server, shared};

use super::content::turn;
use super::hooked::Hooked;
use super::rig::{Device, Mirror, client, rows, run, shares};
use crate::rig::{settings, store_at};

#[test]
fn a_server_that_is_killed_at_any_call_of_a_push_holds_after_the_next_what_it_should() {
    let mut server = Server::start_with(&Options { is_unsafe: true, ..Options::default() });
    let (database, store) = store_at(&server);
    let mut device = Device::new("");
    device.settings = store;
    let mirror = Mirror::new();
    let expected = [false, true].map(|is_second| {
        turn(&mut device, is_second);
        mirror.of(&device)
    });
    turn(&mut device, false);
    device.push().unwrap();
    let mut names = Vec::new();
    for is_second in [true, false] {
        for killed_at in 1.. {
            device.now += 60_000;
            let before = device.status().pushed_at;
            turn(&mut device, is_second);
            let calls = Cell::new(0);
            let mut killed = None;
            let pushed = {
                let mut sink = Hooked::new(device.sink(), |name| {
                    calls.set(calls.get() + 1);
                    if calls.get() == killed_at {
                        server.kill();
                        killed = Some(name);
                    }
                });
                device.run_on(&mut sink, Depth::Changed)
            };
            server.start();
            match killed {
                // All was said before.
                None | Some("close") => assert_eq!(pushed.unwrap().failed, []),
                Some(_) => device.assert_failed(pushed, Class::Unreachable, before),
            }
            device.now += 60_000;
            assert_eq!(device.push().unwrap().failed, [], "{killed:?}");
            device.assert_settled(&server, &database, &expected[usize::from(is_second)]);
            let Some(name) = killed else { break };
            names.push(name);
            // Back to where the next one begins.
            turn(&mut device, !is_second);
            device.push().unwrap();
        }
        turn(&mut device, is_second);
        device.push().unwrap();
    }
    for name in ["open", "summary", "remove", "held", "change", "put", "take", "commit", "close"] {
        assert!(names.contains(&name), "{name} was not among {names:?}");
    }
}

/// Pushes what `CARRY_TEST_HOME` has, in a process that may be killed.
#[test]
fn a_push_in_a_process_of_its_own() {
    let Ok(home) = std::env::var("CARRY_TEST_HOME") else { return };
    let home = Home::at(home);
    let mut settings = settings(&std::env::var("CARRY_TEST_URL").unwrap());
    let rules = std::env::var("CARRY_TEST_RULES").unwrap();
    settings.shares = shares(&rules.split(' ').collect::<Vec<_>>());
    let (archive, mut state) = (Archive::open(&home, "here").unwrap(), State::open(&home).unwrap());
    let now = std::env::var("CARRY_TEST_NOW").unwrap().parse().unwrap();
    let mut sink = carry_team::postgres::Postgres::new(&settings);
    run(&archive, &mut state, &mut sink, &settings, client("Ann"), now, Depth::Changed).unwrap();
}

#[test]
fn a_process_that_is_killed_in_a_push_is_followed_by_one_that_ends_it() {
    let (database, store) = store_at(shared());
    let url = shared().admin_url(&database);
    let mut device = Device::new(&url);
    device.settings = store;
    let mirror = Mirror::new();
    let expected = [false, true].map(|is_second| {
        turn(&mut device, is_second);
        mirror.of(&device)
    });
    turn(&mut device, false);
    device.push().unwrap();
    let points = ["team.committed", "team.committed#2", "team.removed", "team.recorded", "team.recorded#2"];
    for (point, is_second) in points.into_iter().zip([true, false].into_iter().cycle()) {
        let before = device.status().pushed_at;
        device.now += 60_000;
        turn(&mut device, is_second);
        let meadow = if is_second { "aggregates" } else { "prompts" };
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "push::kills::a_push_in_a_process_of_its_own", "--test-threads=1"]);
        child.env("CARRY_TEST_HOME", device.fixture.home.data_dir().parent().unwrap());
        child.env("CARRY_TEST_URL", &url).env("CARRY_TEST_NOW", device.now.to_string());
        child.env("CARRY_TEST_RULES", format!("*=full /nowhere/meadow={meadow}"));
        let output = child.env("CARRY_FAULT", format!("{point}=kill")).output().unwrap();
        assert!(!output.status.success(), "{point} was not passed: {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(9), "{point}");
        assert_ne!(rows(shared(), &database), expected[usize::from(!is_second)], "{point}: something was done");
        assert_eq!(device.status().pushed_at, before, "{point}");
        device.push().unwrap();
        device.assert_settled(shared(), &database, &expected[usize::from(is_second)]);
    }
}

//! How an exchange is told of: each remote when it is done, and what was silent for long.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use carry_testkit::dav;

use crate::exchange::device;
use crate::world::{Ran, World};

/// Runs `carry` as if so many days had gone by.
fn later(world: &World, days: u64, arguments: &[&str]) -> Ran {
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.home());
    world.run(command.args(arguments).env("CARRY_CLOCK_OFFSET", (days * 24 * 60 * 60).to_string()))
}

#[test]
fn what_came_of_a_remote_is_told_while_another_hangs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = dav::Dav::start();
    server.set(dav::Quirks { is_open: true, ..dav::Quirks::default() });
    server.plant("/dav/keep", b"");
    let world = device(&folder);
    world.ok(&["remote", "add", "cloud", &format!("dav+http://{}/dav/e", server.address()), "--no-code", "--yes"]);
    server.fail("/dav/e/carry/l", u32::MAX, dav::Fault::Silence);
    for (arguments, said) in
        [(&["exchange"][..], "nas: "), (&["exchange", "--json"], "{\"type\":\"exchange\",\"remote\":\"nas\"")]
    {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.home());
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let line = BufReader::new(child.stdout.take().expect("a pipe")).lines().next().expect("a line").expect("text");
        assert!(line.starts_with(said), "{line}");
        child.kill().expect("it runs: the other remote hangs");
        let noted = child.wait_with_output().expect("it ends").stderr;
        let noted = String::from_utf8_lossy(&noted);
        assert!(!noted.contains("Still waiting"), "it did not wait for the other: {noted}");
    }
}

#[test]
fn remotes_and_devices_that_were_silent_for_two_weeks_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (device(&folder), device(&folder));
    two.ok(&["devices", "rename", "laptop"]);
    for world in [&one, &two, &one] {
        world.ok(&["exchange"]);
        world.ok(&["devices", "approve", "--all", "--yes"]);
    }
    let said = |days| {
        let (status, doctor) = (later(&one, days, &["status", "--all"]), later(&one, days, &["doctor"]));
        (status.stdout, doctor.stdout)
    };
    let is_quiet = |days| {
        let (status, doctor) = said(days);
        let all = format!("{status}{doctor}");
        !all.contains("went well for") && !all.to_lowercase().contains("nothing was heard of")
    };
    assert!(is_quiet(0) && is_quiet(13));
    // Who was silent cannot be known while no remote is reached.
    let (status, doctor) = said(20);
    assert!(status.contains("no exchange with it went well for 20 days; `carry remote test nas` asks it"), "{status}");
    assert!(doctor.contains("No exchange with nas went well for 20 days."), "{doctor}");
    assert!(!status.contains("was heard of") && !doctor.contains("was heard of"), "{status}{doctor}");
    let overview = |days| {
        let ran = later(&one, days, &["status", "--all", "--json"]);
        let lines = ran.raw.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let found = lines.filter(|line| line["type"] == "exchange-overview").last().expect("one remote");
        (found["silent"].clone(), found["unheard"].clone())
    };
    assert_eq!(overview(20), (true.into(), serde_json::json!([])));

    later(&one, 20, &["exchange"]);
    let (status, doctor) = said(21);
    assert!(status.contains("nothing was heard of laptop for 21 days; `carry devices revoke NAME`"), "{status}");
    assert!(doctor.contains("Nothing was heard of laptop for 21 days."), "{doctor}");
    assert!(!status.contains("went well for") && !doctor.contains("went well for"), "{status}{doctor}");
    let (silent, unheard) = overview(21);
    assert_eq!((silent, unheard.as_array().map(Vec::len)), (false.into(), Some(1)));

    // It speaks again.
    two.ok(&["devices", "rename", "notebook"]);
    later(&two, 21, &["exchange"]);
    later(&one, 21, &["exchange"]);
    assert!(is_quiet(22));
    later(&one, 30, &["exchange"]);
    assert!(!is_quiet(36));
    // Nobody waits for one that was revoked.
    one.ok(&["devices", "revoke", "notebook"]);
    assert!(is_quiet(36));
}

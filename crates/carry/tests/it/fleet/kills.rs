//! Processes that die at each point there is, as by `kill -9`: the old or the new, never something between.

use carry_testkit::fleet::{Device, Fleet, Transport};

use super::{fetch, friends, push, sync};

/// Runs a command that is killed at `point`; says whether it came that far.
#[track_caller]
fn killed(device: &Device, point: &str, args: &[&str]) {
    let ran = device.run_with(("CARRY_FAULT", &format!("{point}=kill")), args);
    assert_eq!(ran.code, None, "it does not pass {point}: {ran:?}");
}

/// The fleet with changes on the first device: one file each changed, new, gone and staged.
#[track_caller]
fn changed(transport: Transport) -> Fleet {
    let fleet = friends(transport, 2);
    let one = fleet.at(0);
    one.write("a.txt", "changed\n").delete("b.txt").write("new.txt", "new\n");
    one.write("src/net.rs", "fn staged() {}\n").git(["add", "src/net.rs"]);
    fleet
}

#[test]
fn a_push_that_is_killed_is_made_up_for() {
    for transport in Transport::ALL {
        let fleet = friends(transport, 2);
        let (one, two) = (fleet.at(0), fleet.at(1));
        for point in ["push.planned", "push.sealed", "push.sent", "push.noted"] {
            one.write("a.txt", format!("{point}\n")).write(point, "new\n").git(["add", "a.txt"]);
            let (files, state) = (one.files(), super::state(one));
            killed(one, point, &["now", "--push", "--yes"]);
            assert_eq!((one.files(), super::state(one)), (files.clone(), state.clone()), "{transport:?} {point}");
            fleet.fsck();
            push(one);
            sync(two);
            assert_eq!(two.files(), files, "{transport:?} {point}");
            assert_eq!(super::state(one), state, "{transport:?} {point}");
            fleet.fsck();
        }
    }
}

#[test]
fn a_fetch_that_is_killed_is_made_up_for() {
    for transport in Transport::ALL {
        let fleet = friends(transport, 2);
        let (one, two) = (fleet.at(0), fleet.at(1));
        for point in ["fetch.listed", "fetch.got", "fetch.written", "fetch.moved", "fetch.noted"] {
            one.write("a.txt", format!("{point}\n")).write(point, "new\n");
            push(one);
            let (files, state) = (two.files(), super::state(two));
            killed(two, point, &["sync", "--dry-run"]);
            assert_eq!((two.files(), super::state(two)), (files, state), "{transport:?} {point}");
            fleet.fsck();
            sync(two);
            assert_eq!(two.files(), one.files(), "{transport:?} {point}");
            fleet.fsck();
        }
    }
}

/// Every point of a sync; each file has one of its own.
const OF_A_SYNC: [&str; 9] = [
    "handoff.noted",
    "handoff.file#1",
    "handoff.file#2",
    "handoff.file#3",
    "handoff.file#4",
    "handoff.files",
    "handoff.index",
    "handoff.head",
    "handoff.done",
];

#[test]
fn a_sync_that_is_killed_is_completed_by_the_next() {
    for point in OF_A_SYNC {
        let fleet = changed(Transport::Path);
        let (one, two) = (fleet.at(0), fleet.at(1));
        push(one);
        killed(two, point, &["sync", "--yes"]);
        fleet.fsck();
        sync(two);
        assert_eq!(two.files(), one.files(), "{point}");
        assert_eq!(two.git(["diff", "--cached", "--name-only"]), "src/net.rs", "{point}");
        fleet.fsck();
    }
}

#[test]
fn a_sync_that_is_killed_is_taken_back() {
    for point in OF_A_SYNC {
        let fleet = changed(Transport::Path);
        let (one, two) = (fleet.at(0), fleet.at(1));
        push(one);
        two.write("mine.txt", "mine\n");
        let (files, state) = (two.files(), super::state(two));
        killed(two, point, &["sync", "--yes"]);
        two.carry(["undo"]);
        assert_eq!(two.files(), files, "{point}");
        assert_eq!(super::state(two)[..4], state[..4], "{point}");
        fleet.fsck();
        // And forward after all.
        sync(two);
        assert_eq!(two.read("a.txt").as_deref(), Some("changed\n"), "{point}");
        assert_eq!(two.read("b.txt"), None, "{point}");
    }
}

#[test]
fn a_sync_that_moves_a_branch_is_whole_or_not_there() {
    for point in OF_A_SYNC {
        let fleet = changed(Transport::Path);
        let (one, two) = (fleet.at(0), fleet.at(1));
        one.git(["commit", "-qm", "work"]);
        push(one);
        let (files, state) = (two.files(), super::state(two));
        killed(two, point, &["sync", "--yes"]);
        if point.len() % 2 == 0 {
            sync(two);
            assert_eq!(two.files(), one.files(), "{point}");
            assert_eq!(super::state(two)[..2], super::state(one)[..2], "{point}");
        } else {
            two.carry(["undo"]);
            assert_eq!(two.files(), files, "{point}");
            assert_eq!(super::state(two)[..4], state[..4], "{point}");
        }
        fleet.fsck();
    }
}

#[test]
fn connections_that_are_cut_leave_nothing_half_done() {
    let fleet = changed(Transport::Http);
    let server = fleet.http.as_ref().expect("it is reached over HTTP");
    let (one, two) = (fleet.at(0), fleet.at(1));
    for bytes in [0, 300, 900, 1_500, 2_500] {
        server.cut_after(bytes);
        let ran = one.run(["now", "--push", "--yes"]);
        server.heal();
        assert!(matches!(ran.code, Some(0 | 1)), "{bytes}: {ran:?}");
        fleet.fsck();
    }
    push(one);
    let files = two.files();
    for bytes in [0, 300, 900, 1_500, 2_500] {
        server.cut_after(bytes);
        let ran = two.run(["sync", "--dry-run"]);
        server.heal();
        assert!(ran.code.is_some(), "{bytes}: {ran:?}");
        assert_eq!(two.files(), files, "{bytes}");
        fleet.fsck();
    }
    fetch(two);
    sync(two);
    assert_eq!(two.files(), one.files());
}

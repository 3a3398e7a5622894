//! With the daemon: nobody runs a command, and the other device hears of it all the same.

use carry_testkit::fleet::{Device, Transport};

use super::{drift, friends, objects, remote};

/// Short intervals, so that a test need not wait for the usual ones.
const SOON: &str = "[code]\nquiet = \"50ms\"\nmax_wait = \"200ms\"\n[daemon]\npush_interval = \"1s\"\nradar_interval = \"1m\"\nnotify = false\n";

#[track_caller]
fn start(device: &Device) {
    device.home.configure(SOON);
    device.carry(["daemon", "start"]);
}

#[test]
fn a_change_is_pushed_and_shown_on_the_other_device_without_a_command() {
    for transport in Transport::ALL {
        let fleet = friends(transport, 2);
        let (one, two) = (fleet.at(0), fleet.at(1));
        start(one);
        let before = fleet.remote_refs();
        one.write("a.txt", "by itself\n");
        one.home.wait_until("the change is on the remote", || fleet.remote_refs() != before);
        one.home.wait_until("the remote has everything", || remote(one)["state"] == "published");
        let files = two.files();
        // It asks as soon as it starts.
        start(two);
        two.home.wait_until("the other device names it", || drift(two) == ["one"]);
        two.home.wait_until("the prompt names it", || two.carry(["prompt"]).contains("one"));
        assert_eq!(two.files(), files, "nothing is taken over by itself");
        two.carry(["sync", "--offline", "--yes"]);
        assert_eq!(two.read("a.txt").as_deref(), Some("by itself\n"));
        for device in fleet.devices() {
            device.carry(["daemon", "stop"]);
        }
        fleet.fsck();
    }
}

#[test]
fn a_daemon_pushes_nothing_that_nobody_agreed_to() {
    let fleet = super::strangers(Transport::Path, 1);
    let one = fleet.at(0);
    start(one);
    one.write("a.txt", "private\n");
    one.home.wait_until("it is captured", || {
        let log = one.carry(["log", "--json", "--limit", "1"]);
        objects(&log).first().is_some_and(|snapshot| snapshot.to_string().contains("a.txt"))
    });
    one.carry(["daemon", "stop"]);
    assert_eq!(fleet.remote_refs().len(), 1);
    assert_eq!(remote(one)["state"], "unasked");
}

#[test]
fn a_daemon_that_could_not_push_makes_up_for_it() {
    let mut fleet = friends(Transport::Http, 1);
    let mut server = fleet.http.take().expect("over HTTP");
    let one = fleet.at(0);
    start(one);
    server.stop();
    one.write("a.txt", "while it was gone\n");
    one.home.wait_until("the push failed", || remote(one)["state"] == "failing");
    server.resume();
    // Back-off ends at once when somebody asks.
    one.carry(["now", "--push"]);
    assert_eq!(remote(one)["state"], "published");
    one.carry(["daemon", "stop"]);
}

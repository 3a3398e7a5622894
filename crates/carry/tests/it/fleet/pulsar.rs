//! A device that runs git-pulsar beside one that runs Carry.

use std::time::{SystemTime, UNIX_EPOCH};

use carry_testkit::fleet::{Device, Transport};
use carry_testkit::pulsar::Pulsar;

use super::{drift, fetch, foreign_refs, push, strangers};

/// Now, in seconds.
fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "git-pulsar reads the clock too")]
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn on(device: &Device) -> Pulsar {
    Pulsar::new(device.root(), &device.home.user_home(), "laptop--89abcdef")
}

#[test]
fn work_of_git_pulsar_is_shown_as_unknown_and_taken_over_when_named() {
    let fleet = strangers(Transport::Path, 2);
    let (carry, other) = (fleet.at(0), fleet.at(1));
    let pulsar = on(other);
    other.write("a.txt", "by git-pulsar\n").write("new.txt", "new\n");
    pulsar.snapshot(now());
    pulsar.push("origin");
    fetch(carry);
    assert_eq!(drift(carry), [""; 0]);
    carry.write("b.txt", "mine\n");
    carry.carry(["sync", "--device", "laptop", "--yes"]);
    assert_eq!(carry.read("a.txt").as_deref(), Some("by git-pulsar\n"));
    assert_eq!(carry.read("new.txt").as_deref(), Some("new\n"));
    assert_eq!(carry.read("b.txt").as_deref(), Some("mine\n"));
    // It does not say what was staged, and it makes no branches here.
    assert_eq!(carry.git(["diff", "--cached", "--name-only"]), "");
    assert_eq!(foreign_refs(carry), [""; 0]);
    carry.carry(["undo"]);
    assert_eq!(carry.read("a.txt").as_deref(), Some("one\ntwo\nthree\nfour\nfive\n"));
}

#[test]
fn git_pulsar_sees_our_work_when_the_setting_says_so() {
    let mut fleet = strangers(Transport::Path, 2);
    fleet.at(0).carry(["config", "set", "code.namespace", "pulsar"]);
    // Dates of a stream grow by a second at least, and never lie in the future.
    for (offset, text) in [(0, "first\n"), (5, "second\n")] {
        fleet.at_mut(0).set_clock_offset(offset);
        let (carry, other) = (fleet.at(0), fleet.at(1));
        let pulsar = on(other);
        carry.write("a.txt", text);
        push(carry);
        let taken = pulsar.sync("origin").expect("there is a newer stream");
        assert!(taken.ends_with("/main"), "{taken}");
        assert_eq!(other.read("a.txt").as_deref(), Some(text));
    }
    assert_eq!(foreign_refs(fleet.at(0)), [""; 0]);
    assert!(fleet.remote_refs().iter().any(|(name, _)| name.starts_with("refs/heads/wip/pulsar/")));
}

#[test]
fn one_file_of_git_pulsar_comes_alone_and_its_work_goes_into_the_one_commit() {
    let fleet = strangers(Transport::Path, 2);
    let (carry, other) = (fleet.at(0), fleet.at(1));
    let pulsar = on(other);
    other.write("a.txt", "by git-pulsar\n").write("new.txt", "new\n");
    pulsar.snapshot(now());
    pulsar.push("origin");
    fetch(carry);
    carry.carry(["restore", "new.txt", "--device", "laptop", "--yes"]);
    assert_eq!(carry.read("new.txt").as_deref(), Some("new\n"));
    assert_eq!(carry.read("a.txt").as_deref(), Some("one\ntwo\nthree\nfour\nfive\n"));
    carry.write("b.txt", "mine\n");
    carry.carry(["devices", "approve", "laptop", "--yes"]);
    assert!(carry.carry(["devices"]).contains("git-pulsar"));
    carry.carry(["finalize", "--commit", "-m", "all of it", "--yes"]);
    let changed = carry.git(["show", "--name-only", "--format="]);
    assert_eq!(changed.split_whitespace().collect::<Vec<_>>(), ["a.txt", "b.txt", "new.txt"]);
}

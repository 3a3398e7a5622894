//! Work goes round between three devices, over each transport.

use carry_testkit::fleet::{Device, Fleet, Transport};

use super::{drift, fetch, foreign_refs, friends, objects, push, strangers, sync};

#[test]
fn work_goes_round_by_path() {
    round(&strangers(Transport::Path, 3));
}

#[test]
fn work_goes_round_over_http() {
    round(&strangers(Transport::Http, 3));
}

#[test]
fn work_goes_round_over_ssh() {
    round(&strangers(Transport::Ssh, 3));
}

fn round(fleet: &Fleet) {
    let [one, two, three] = [fleet.at(0), fleet.at(1), fleet.at(2)];
    there_and_back(one, two);
    the_third_takes_the_latest(one, two, three);
    conflicts_are_settled_as_asked(one, three);
    the_work_is_finalized(fleet, one, two, three);
    for device in fleet.devices() {
        assert_eq!(foreign_refs(device), [""; 0], "{}", device.name);
    }
    let refs = fleet.remote_refs();
    assert!(refs.iter().all(|(name, _)| name == "refs/heads/main" || name.starts_with("refs/carry/")), "{refs:?}");
    fleet.fsck();
}

fn there_and_back(one: &Device, two: &Device) {
    one.write("a.txt", "ONE\ntwo\nthree\nfour\nfive\n").write("new/file.txt", "new\n").delete("b.txt");
    one.write("src/net.rs", "fn staged() {}\n").git(["add", "src/net.rs"]);
    push(one);

    // Unknown: shown once, never offered, taken over only when named.
    let before = two.files();
    fetch(two);
    assert_eq!(drift(two), [""; 0]);
    let devices = objects(&two.carry(["devices", "--json"]));
    let known = devices.iter().find(|device| device["label"] == "one").expect("it was seen");
    assert_eq!(known["state"], "unknown");
    two.carry(["sync"]);
    assert_eq!(two.files(), before);

    two.carry(["devices", "approve", "one", "--yes"]);
    assert_eq!(drift(two), ["one"]);
    two.carry(["sync", "--dry-run"]);
    assert_eq!(two.files(), before);
    sync(two);
    assert_eq!(two.files(), one.files());
    assert_eq!(two.git(["diff", "--cached", "--name-only"]), "src/net.rs", "what was staged is staged");
    assert_eq!(drift(two), [""; 0]);
    two.carry(["sync"]);
    assert_eq!(two.files(), one.files());

    two.write("b.txt", "back\n").write("new/file.txt", "newer\n");
    push(two);
    fetch(one);
    assert_eq!(drift(one), [""; 0]);
    one.carry(["sync", "--device", "two", "--yes"]);
    assert_eq!(one.files(), two.files());
}

fn the_third_takes_the_latest(one: &Device, two: &Device, three: &Device) {
    one.write("a.txt", "ONE\ntwo\nthree\nfour\nfive\nsix\n");
    push(one);
    sync(two);
    two.write("a.txt", "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    push(two);
    // A change of its own elsewhere is merged with theirs.
    three.write("own.txt", "three\n");
    sync(three);
    assert_eq!(three.read("a.txt"), two.read("a.txt"));
    assert_eq!(three.read("own.txt").as_deref(), Some("three\n"));
    three.carry(["devices", "approve", "--all", "--yes"]);
    assert_eq!(drift(three), [""; 0]);
    push(three);
    one.carry(["sync", "--device", "three", "--yes"]);
    sync(two);
    assert_eq!(one.files(), three.files());
    assert_eq!(two.files(), three.files());
    push(one);
    push(two);
}

fn conflicts_are_settled_as_asked(one: &Device, three: &Device) {
    one.write("b.txt", "as one has it\n");
    push(one);
    three.write("b.txt", "as three has it\n").write("own.txt", "three again\n");
    let before = three.files();
    let ran = three.run(["sync", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("b.txt"), "{ran:?}");
    assert_eq!(three.files(), before);

    three.carry(["sync", "--markers", "--yes"]);
    let marked = three.read("b.txt").expect("it is there");
    assert!(
        marked.contains("<<<<<<<") && marked.contains("as one has it") && marked.contains("as three has it"),
        "{marked}"
    );
    three.carry(["undo"]);
    assert_eq!(three.files(), before);

    three.carry(["sync", "--ours", "--yes"]);
    assert_eq!(three.files(), before);
    three.carry(["sync", "--abort"]);
    assert_eq!(three.files(), before);

    three.carry(["sync", "--theirs", "--yes"]);
    assert_eq!(three.read("b.txt").as_deref(), Some("as one has it\n"));
    assert_eq!(three.read("own.txt").as_deref(), Some("three again\n"));
    push(three);
    one.carry(["sync", "--device", "three", "--yes"]);
    assert_eq!(one.files(), three.files());
    push(one);
}

fn the_work_is_finalized(fleet: &Fleet, one: &Device, two: &Device, three: &Device) {
    for device in [one, two, three] {
        fetch(device);
        device.carry(["devices", "approve", "--all", "--yes"]);
        sync(device);
        push(device);
    }
    two.write("two.txt", "two\n");
    push(two);
    let head = one.git(["rev-parse", "HEAD"]);
    one.carry(["finalize", "--dry-run"]);
    assert_eq!(one.read("two.txt"), None);
    one.carry(["finalize", "--commit", "-m", "all of it", "--yes"]);
    assert_eq!(one.git(["rev-parse", "HEAD^"]), head);
    assert_eq!(one.git(["status", "--porcelain"]), "");
    assert_eq!(one.git(["show", "HEAD:two.txt"]), "two");
    assert_eq!(one.git(["show", "HEAD:own.txt"]), "three again");
    one.git(["push", "-q", "origin", "main"]);
    // Finished work is no drift.
    for device in [two, three] {
        fetch(device);
        assert_eq!(drift(device), [""; 0], "{}", device.name);
    }
    assert_eq!(fleet.remote_git(["rev-parse", "main"]), one.git(["rev-parse", "HEAD"]));
}

#[test]
fn a_sync_is_taken_back_and_can_be_done_again() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "changed\n").delete("b.txt").write("new.txt", "new\n");
    one.git(["commit", "-qam", "work"]);
    one.write("a.txt", "changed again\n").git(["add", "a.txt"]);
    push(one);
    two.write("mine.txt", "mine\n").write("src/net.rs", "fn mine() {}\n").git(["add", "mine.txt"]);
    let (files, state) = (two.files(), super::state(two));
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("changed again\n"));
    assert_eq!(
        two.git(["rev-parse", "HEAD"]),
        one.git(["rev-parse", "HEAD"]),
        "a branch without commits of its own moves"
    );
    two.carry(["undo"]);
    assert_eq!(two.files(), files);
    assert_eq!(super::state(two)[..4], state[..4]);
    assert_eq!(drift(two), ["one"], "what was taken back is offered again");
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("changed again\n"));
    assert_eq!(two.read("mine.txt").as_deref(), Some("mine\n"));
    fleet.fsck();
}

#[test]
fn one_file_of_another_device_is_fetched_alone() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "theirs\n").write("b.txt", "theirs too\n");
    push(one);
    fetch(two);
    two.write("a.txt", "mine, unsaved anywhere\n");
    two.carry(["restore", "a.txt", "--device", "one", "--force"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("theirs\n"));
    assert_eq!(two.read("b.txt").as_deref(), Some("bee\n"));
    two.carry(["undo"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("mine, unsaved anywhere\n"));
}

#[test]
fn another_branch_is_checked_out_with_its_work() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.git(["switch", "-qc", "feature/x"]);
    one.write("a.txt", "on a branch\n");
    push(one);
    two.carry(["sync", "--branch", "feature/x", "--yes"]);
    assert_eq!(two.git(["branch", "--show-current"]), "feature/x");
    assert_eq!(two.read("a.txt").as_deref(), Some("on a branch\n"));
    two.carry(["undo"]);
    assert_eq!(two.git(["branch", "--show-current"]), "main");
    assert_eq!(two.read("a.txt").as_deref(), Some("one\ntwo\nthree\nfour\nfive\n"));
}

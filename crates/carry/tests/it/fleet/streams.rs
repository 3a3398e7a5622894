//! Lines of several devices beside each other, here and on the remote.

use carry_testkit::fleet::{Device, Fleet, Transport};

use super::{drift, fetch, foreign_refs, friends, push, sync};

/// Thins to one snapshot.
const PRUNE: [&str; 10] = [
    "prune",
    "--yes",
    "--config",
    "retention.all=0s",
    "--config",
    "retention.hourly=0s",
    "--config",
    "retention.daily=0s",
    "--config",
    "retention.weekly=1y",
];

/// The lines of one device's clone or of the remote.
fn lines(refs: &[(String, String)]) -> Vec<(String, String)> {
    refs.iter().filter(|(name, _)| name.starts_with("refs/carry/")).cloned().collect()
}

/// Refs on the remote of the device's lines, by its name for itself.
fn own_lines(fleet: &Fleet, device: &Device) -> Vec<String> {
    let own: Vec<String> = lines(&device.refs()).into_iter().map(|(name, _)| name).collect();
    let ids = device.carry(["devices", "--json"]);
    let id = super::objects(&ids).into_iter().find(|d| d["state"] == "this device").expect("it lists itself");
    let prefix = format!("refs/carry/{}/", id["id"].as_str().expect("an id"));
    let there = lines(&fleet.remote_refs());
    own.into_iter().filter(|name| name.starts_with(&prefix) && there.iter().any(|(known, _)| known == name)).collect()
}

#[test]
fn pruning_while_fetching_deletes_no_line() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    for device in fleet.devices() {
        device.git(["config", "fetch.prune", "true"]);
        device.git(["config", "remote.origin.prune", "true"]);
        device.git(["config", "fetch.pruneTags", "true"]);
    }
    one.write("a.txt", "not pushed\n");
    one.carry(["now"]);
    two.git(["tag", "local-only"]);
    let before = [lines(&one.refs()), lines(&two.refs())];
    for device in fleet.devices() {
        fetch(device);
    }
    assert_eq!(two.git(["tag"]), "local-only");
    for device in fleet.devices() {
        device.git(["fetch", "-q"]);
    }
    assert_eq!([lines(&one.refs()), lines(&two.refs())], before);
}

#[test]
fn what_vanished_from_the_remote_stays_here_and_is_published_again() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "precious\n");
    push(one);
    fetch(two);
    for (name, _) in lines(&fleet.remote_refs()) {
        fleet.remote_git(["update-ref", "-d", &name]);
    }
    let held = lines(&two.refs());
    fetch(two);
    assert_eq!(lines(&two.refs()), held);
    assert_eq!(drift(two), ["one"]);
    // The owner sees that it is gone when it next asks.
    fetch(one);
    push(one);
    assert_eq!(own_lines(&fleet, one).len(), 1);
}

#[test]
fn pruning_and_then_pushing_is_not_refused() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    for n in 0..6 {
        one.write("a.txt", format!("{n}\n"));
        push(one);
    }
    one.carry(PRUNE);
    one.write("a.txt", "after\n");
    push(one);
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("after\n"));
    one.carry(PRUNE);
    push(one);
    assert_eq!(own_lines(&fleet, one).len(), 1, "one ref a line, however many snapshots");
    fleet.fsck();
}

#[test]
fn being_ahead_of_the_remote_does_not_blind() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "pushed\n");
    push(one);
    one.write("a.txt", "ahead\n");
    one.carry(["now"]);
    two.write("b.txt", "theirs\n");
    push(two);
    fetch(one);
    assert_eq!(drift(one), ["two"]);
    sync(one);
    assert_eq!((one.read("a.txt").as_deref(), one.read("b.txt").as_deref()), (Some("ahead\n"), Some("theirs\n")));
}

#[test]
fn one_bad_line_does_not_blind_all() {
    let fleet = friends(Transport::Path, 3);
    let [one, two, three] = [fleet.at(0), fleet.at(1), fleet.at(2)];
    two.write("b.txt", "good\n");
    push(two);
    // Somebody puts an ordinary commit where the first one's line is, and rubbish beside it.
    let line = own_lines(&fleet, one).pop().expect("it published");
    fleet.remote_git(["update-ref", &line, "refs/heads/main"]);
    fleet.remote_git(["update-ref", "refs/carry/nobody-00000000/0123456789ab/main", "refs/heads/main"]);
    fleet.remote_git(["update-ref", "refs/carry/short", "refs/heads/main"]);
    let held = lines(&three.refs());
    fetch(three);
    assert_eq!(drift(three), ["two"]);
    let held_now = lines(&three.refs());
    assert!(held.iter().filter(|(name, _)| *name == line).eq(held_now.iter().filter(|(name, _)| *name == line)));
    assert!(!held_now.iter().any(|(name, _)| name.contains("nobody")), "{held_now:?}");
    // The owner mends its own line.
    one.write("a.txt", "mine\n");
    push(one);
    sync(three);
    sync(three);
    assert_eq!((three.read("a.txt").as_deref(), three.read("b.txt").as_deref()), (Some("mine\n"), Some("good\n")));
    fleet.fsck();
}

#[test]
fn branches_whose_names_overlap_live_beside_each_other() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    for branch in ["feature", "Feature", "x"] {
        one.git(["switch", "-q", "-c", branch, "main"]);
        one.write("a.txt", format!("on {branch}\n"));
        push(one);
        one.git(["checkout", "-q", "--", "."]);
    }
    one.git(["switch", "-q", "main"]);
    one.git(["branch", "-q", "-D", "feature"]);
    one.git(["switch", "-q", "-c", "feature/x"]);
    one.write("a.txt", "on feature/x\n");
    push(one);
    for branch in ["feature/x", "Feature", "x"] {
        two.git(["switch", "-q", "-c", branch, "main"]);
        fetch(two);
        assert_eq!(drift(two), ["one"], "{branch}");
        sync(two);
        assert_eq!(two.read("a.txt"), Some(format!("on {branch}\n")));
        two.carry(["undo"]);
        two.git(["checkout", "-q", "--", "."]);
    }
    fleet.fsck();
}

#[test]
fn neither_tracking_refs_nor_branches_appear() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    // With refspecs that would map whatever is fetched or pushed.
    for device in fleet.devices() {
        device.git(["config", "--add", "remote.origin.fetch", "+refs/carry/*:refs/remotes/origin/carry/*"]);
        device.git(["config", "push.followTags", "true"]);
    }
    one.git(["tag", "-a", "-m", "t", "mine"]);
    one.write("a.txt", "quietly\n");
    push(one);
    fetch(two);
    sync(two);
    push(two);
    fetch(one);
    for device in fleet.devices() {
        let foreign: Vec<String> = foreign_refs(device).into_iter().filter(|name| name != "refs/tags/mine").collect();
        assert_eq!(foreign, [""; 0], "{}", device.name);
        assert!(!device.path(".git/FETCH_HEAD").exists(), "{}", device.name);
    }
    assert!(!fleet.remote_refs().iter().any(|(name, _)| name.starts_with("refs/tags/")));
    assert_eq!(fleet.remote_git(["for-each-ref", "refs/heads"]).lines().count(), 1);
}

#[test]
fn a_mirror_does_not_delete_what_others_published() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    two.git(["config", "remote.origin.mirror", "true"]);
    one.write("a.txt", "precious\n");
    push(one);
    let before = own_lines(&fleet, one);
    two.write("b.txt", "from a mirror\n");
    push(two);
    assert_eq!(own_lines(&fleet, one), before);
    assert!(!own_lines(&fleet, two).is_empty());
}

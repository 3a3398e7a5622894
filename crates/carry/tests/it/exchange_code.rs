//! Uncommitted code through the exchange: two or three homes, one folder, and no Git remote unless it is said.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{Ran, World, field};

mod asking;
mod cloning;

/// A folder that all devices see.
pub(super) fn shared() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The home exchanges through the folder, code included.
pub(super) fn joins(world: &World, folder: &tempfile::TempDir) {
    let place = folder.path().canonicalize().expect("it is there");
    let place = place.to_str().expect("a plain path");
    world.roomy();
    let ran = world.carry_in(&world.home(), &["remote", "add", "nas", place, "--code", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// The lines of a run as JSON objects of one type.
pub(super) fn objects(ran: &Ran, kind: &str) -> Vec<Value> {
    let lines = ran.raw.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|object| object["type"] == kind).collect()
}

/// Another home whose `~/repo` is a clone of the first one's, without a remote; or has none, without `is_clone`.
pub(super) fn beside(one: &World, is_clone: bool) -> World {
    let two = World::new();
    fs::remove_dir_all(two.repo()).expect("it is there");
    if is_clone {
        let mut git = two.command(Path::new("git"), &two.home());
        let said = git.args(["clone", "-q"]).arg(one.repo()).arg(two.repo()).output().expect("git");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        two.git(&["remote", "remove", "origin"]);
    }
    two
}

/// Both met at the folder and approved each other.
pub(super) fn meet(one: &World, two: &World) {
    for world in [one, two, one] {
        world.carry_in(&world.home(), &["exchange"]);
    }
    for world in [one, two] {
        let ran = world.carry_in(&world.home(), &["devices", "approve", "--all", "--yes"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

/// An exchange that goes well.
#[track_caller]
pub(super) fn exchange(world: &World) -> Ran {
    let ran = world.carry_in(&world.home(), &["exchange"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// Work in all its forms: a change, a new file, a deletion, something staged, a commit that no other has.
pub(super) fn work(world: &World) {
    world.file("b.txt", "committed\n");
    world.git(&["add", "b.txt"]);
    world.git(&["commit", "-qm", "second"]);
    world.file("a.txt", "staged\n");
    world.git(&["add", "a.txt"]);
    world.file("a.txt", "edited\n");
    world.file("new/c.txt", "new\n");
    world.delete("src/net.rs");
    world.ok(&["now"]);
}

/// What Git says of a working tree: commits, index, and what differs.
pub(super) fn state(world: &World, folder: &Path) -> String {
    let git = |arguments: &[&str]| {
        let said = world.command(Path::new("git"), folder).args(arguments).output().expect("git");
        assert!(said.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let show = [git(&["log", "--format=%H %s"]), git(&["symbolic-ref", "HEAD"]), git(&["ls-files", "-s"])];
    format!("{}{}{}", show.concat(), git(&["status", "--porcelain"]), git(&["diff"]))
}

#[test]
fn what_the_exchange_brought_is_not_said_to_be_of_a_git_remote() {
    let (folder, one) = (shared(), World::with_remote());
    let two = World::beside(&one);
    one.ok(&["devices", "rename", "laptop"]);
    joins(&one, &folder);
    joins(&two, &folder);
    two.ok(&["now"]);
    work(&one);
    meet(&one, &two);
    exchange(&one);
    exchange(&two);
    // The Git remote is asked, too, and has the branch alone.
    two.ok(&["sync", "--dry-run"]);
    let ran = two.ok(&["devices"]);
    let row = ran.stdout.lines().find(|line| line.starts_with("laptop")).expect("a row");
    assert!(row.contains(" exchange (nas) ") && !row.contains("fetched from"), "{ran:?}");
}

#[test]
fn two_clones_on_one_device_are_told_apart() {
    let (folder, one) = (shared(), World::with_commit());
    let (two, three) = (beside(&one, true), beside(&one, false));
    one.ok(&["devices", "rename", "laptop"]);
    let second = one.home().join("second");
    let mut git = one.command(Path::new("git"), &one.home());
    assert!(git.args(["clone", "-q"]).arg(one.repo()).arg(&second).status().expect("git").success());
    two.ok(&["now"]);
    for world in [&one, &two, &three] {
        joins(world, &folder);
    }
    work(&one);
    one.file("../second/second.txt", "x\n");
    assert_eq!(one.carry_in(&second, &["now"]).code, 0);
    for reader in [&two, &three] {
        meet(&one, reader);
    }
    exchange(&two);
    exchange(&three);
    let ran = two.ok(&["devices"]);
    assert!(ran.stdout.contains(" main in repo ") && ran.stdout.contains(" main in second "), "{ran:?}");
    let ran = three.carry_in(&three.home(), &["clone"]);
    assert!(
        ran.stdout.contains("  laptop  main in repo  ") && ran.stdout.contains("  laptop  main in second  "),
        "{ran:?}"
    );
    let json = objects(&three.carry_in(&three.home(), &["clone", "--json"]), "clone-candidate");
    let lines = json[0]["lines"].as_array().expect("a list");
    let of = |name: &str| lines.iter().find(|line| line["name"] == name).expect("a line")["tree"].clone();
    assert_ne!(of("repo"), of("second"));
}

#[test]
fn work_goes_from_device_to_device_through_a_folder_and_back() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, true);
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["devices", "rename", "desktop"]);
    joins(&one, &folder);
    joins(&two, &folder);
    two.ok(&["now"]);
    work(&one);
    meet(&one, &two);
    let ran = exchange(&one);
    assert!(!ran.stderr.contains("Warning"), "{ran:?}");
    exchange(&two);

    let ran = two.ok(&["log", "--device", "laptop", "--json"]);
    assert_eq!(field(&ran.raw, "commit"), one.newest(), "{ran:?}");
    let devices = objects(&two.ok(&["devices", "--json"]), "device");
    let laptop = devices.iter().find(|device| device["label"] == "laptop").expect("it is known");
    assert_eq!((&laptop["state"], &laptop["lines"][0]["branch"]), (&"approved".into(), &"main".into()), "{laptop}");
    assert_eq!(laptop["lines"][0]["snapshot"], Value::from(one.newest()), "{laptop}");
    let ran = two.ok(&["sync", "--dry-run"]);
    assert!(ran.stdout.contains("laptop has work on main"), "{ran:?}");
    two.ok(&["sync", "--yes"]);
    assert_eq!(state(&two, &two.repo()), state(&one, &one.repo()));
    assert_eq!(two.read("a.txt").as_deref(), Some("edited\n"));
    assert!(state(&two, &two.repo()).contains("MM a.txt"));

    // And the way back, without being approved anew.
    two.file("a.txt", "from the desktop\n");
    two.ok(&["now"]);
    exchange(&two);
    exchange(&one);
    one.ok(&["sync", "--yes"]);
    assert_eq!(one.read("a.txt").as_deref(), Some("from the desktop\n"));
    assert_eq!(state(&two, &two.repo()), state(&one, &one.repo()));
}

#[test]
fn nothing_of_a_device_is_taken_over_before_it_is_approved() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, true);
    joins(&one, &folder);
    joins(&two, &folder);
    two.ok(&["now"]);
    work(&one);
    exchange(&one);
    exchange(&two);
    let ran = two.ok(&["sync", "--yes"]);
    assert!(ran.stdout.starts_with("Up to date") && ran.stdout.contains("`carry exchange` asks"), "{ran:?}");
    assert_eq!(objects(&two.ok(&["clone", "--json"]), "clone-candidate").len(), 0);
}

/// An exchange that leaves code of this home here.
#[track_caller]
fn held(world: &World) -> Ran {
    let ran = world.carry_in(&world.home(), &["exchange"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("Error: not all code of this device went out\n"), "{ran:?}");
    ran
}

/// The notes on code that an exchange, or `stats`, gives.
fn notes(world: &World, arguments: &[&str]) -> Vec<(String, String)> {
    let ran = world.carry_in(&world.home(), arguments);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    objects(&ran, "exchange-code").iter().map(|note| (text(&note["kind"]), text(&note["reason"]))).collect()
}

#[test]
fn a_secret_holds_a_line_back_and_the_way_out_works() {
    let (folder, one) = (shared(), World::with_commit());
    let two = World::new();
    joins(&one, &folder);
    joins(&two, &folder);
    let body: String = (0..20u64).map(|n| format!("{:064x}\n", (n + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let key = format!("-----BEGIN {0} PRIVATE KEY-----\n{body}-----END {0} PRIVATE KEY-----\n", "RSA");
    one.file("deploy.txt", &key);
    one.ok(&["now"]);
    meet(&one, &two);
    let ran = held(&one);
    assert!(ran.stderr.contains("main of ~/repo is held back") && ran.stderr.contains("deploy.txt"), "{ran:?}");
    assert!(ran.stderr.contains("Take it out of the file") && !ran.stderr.contains("git rebase"), "{ran:?}");
    assert!(ran.stderr.contains("code.exchange_secrets"), "{ran:?}");
    assert!(!ran.stderr.contains("BEGIN"), "{ran:?}");
    let held = notes(&one, &["exchange", "--json"]);
    assert!(held.len() == 1 && held[0].0 == "held" && held[0].1.contains("deploy.txt"), "{held:?}");
    assert_eq!(notes(&one, &["exchange", "stats", "--json"]), held);
    assert!(one.ok(&["exchange", "stats"]).stdout.contains("held back"));
    assert!(one.ok(&["status", "--all"]).stdout.contains("1 branch is held back or could not be sent"));

    one.ok(&["config", "set", "code.exchange_secrets", "send"]);
    exchange(&one);
    assert_eq!(notes(&one, &["exchange", "--json"]), []);
    exchange(&two);
    assert_eq!(notes(&two, &["exchange", "--json"]).len(), 1, "it is named where it is not, too");
}

/// A token of nobody's, put together here so that the source holds none.
fn token() -> String {
    ["gh", "p_", "Zq81kd0VbN3xW7cT5mR2yL9aH4sJ6uE1pG0f"].concat()
}

#[test]
fn a_secret_in_a_commit_or_a_branch_name_has_a_way_out_of_its_own() {
    let (folder, one) = (shared(), World::with_commit());
    joins(&one, &folder);
    one.file("deploy.txt", &token());
    one.git(&["add", "deploy.txt"]);
    one.git(&["commit", "-qm", "deploys"]);
    one.git(&["rm", "-q", "deploy.txt"]);
    one.git(&["commit", "-qm", "does not"]);
    one.ok(&["now"]);
    let ran = held(&one);
    assert!(ran.stderr.contains("deploy.txt: GitHub token"), "{ran:?}");
    assert!(ran.stderr.contains("`git rebase -i` takes it out") && !ran.stderr.contains("Take it out"), "{ran:?}");
    one.git(&["reset", "-q", "--hard", "HEAD~2"]);
    one.git(&["switch", "-qc", &token()]);
    one.file("a.txt", "harmless\n");
    one.ok(&["now"]);
    let ran = held(&one);
    assert!(ran.stderr.contains("the name of the branch ") && ran.stderr.contains("`git branch -m`"), "{ran:?}");
    one.git(&["branch", "-m", "plain"]);
    one.ok(&["now"]);
    // Nothing can be done about the branch that is gone; main is there and has its old snapshot.
    let ran = held(&one);
    assert!(!ran.stderr.contains("the name of the branch ") && ran.stderr.contains("main of ~/repo"), "{ran:?}");
    one.git(&["branch", "-qD", "main"]);
    exchange(&one);
}

#[test]
fn what_is_held_back_does_not_fail_an_exchange_that_sends_no_code() {
    let (folder, one) = (shared(), World::with_commit());
    joins(&one, &folder);
    one.file("deploy.txt", &token());
    one.ok(&["now"]);
    held(&one);
    let ran = one.carry_in(&one.home(), &["exchange", "--pull"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("is held back"), "it is said all the same: {ran:?}");
    let other = shared();
    let place = other.path().canonicalize().expect("it is there");
    let place = place.to_str().expect("a plain path");
    assert_eq!(one.carry_in(&one.home(), &["remote", "add", "other", place, "--no-code", "--yes"]).code, 0);
    let ran = one.carry_in(&one.home(), &["exchange", "other"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_repository_that_is_not_here_is_named_until_it_is() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, false);
    joins(&one, &folder);
    joins(&two, &folder);
    work(&one);
    meet(&one, &two);
    exchange(&one);
    let ran = exchange(&two);
    assert!(ran.stderr.contains("repo of ") && ran.stderr.contains("`carry clone repo` brings it"), "{ran:?}");
    let elsewhere = notes(&two, &["exchange", "stats", "--json"]);
    assert_eq!(elsewhere.iter().map(|note| note.0.as_str()).collect::<Vec<_>>(), ["elsewhere"]);
    // A clone of it that is made by hand is enough.
    let path: PathBuf = two.repo();
    let mut git = two.command(Path::new("git"), &two.home());
    assert!(git.args(["clone", "-q"]).arg(one.repo()).arg(&path).output().expect("git").status.success());
    two.ok(&["now"]);
    exchange(&two);
    assert_eq!(notes(&two, &["exchange", "stats", "--json"]), []);
    two.ok(&["sync", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("edited\n"));
}

#[test]
fn code_that_is_switched_on_later_goes_out_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().to_str().expect("a plain path").to_owned();
    let world = World::with_commit();
    world.ok(&["now"]);
    let other = tempfile::tempdir().expect("a temporary folder");
    world.ok(&["remote", "add", "other", other.path().to_str().expect("a plain path"), "--yes", "--code"]);
    world.ok(&["exchange"]);
    world.ok(&["remote", "add", "nas", &place, "--yes", "--no-code"]);
    world.ok(&["exchange"]);
    let n_code = || {
        let logs = std::fs::read_dir(folder.path().join("carry/l")).into_iter().flatten().flatten();
        let files = logs.flat_map(|log| std::fs::read_dir(log.path()).expect("a folder")).flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("code-")).count()
    };
    assert_eq!(n_code(), 0);
    world.ok(&["remote", "add", "nas", &place, "--yes", "--code"]);
    world.ok(&["exchange", "nas"]);
    assert!(n_code() > 0);
}

#[test]
fn watching_says_of_code_what_one_exchange_says_and_says_it_once() {
    use std::io::{BufRead as _, BufReader};
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, false);
    one.ok(&["devices", "rename", "laptop"]);
    joins(&one, &folder);
    joins(&two, &folder);
    work(&one);
    meet(&one, &two);
    exchange(&one);
    let ran = exchange(&two);
    let note = "repo of laptop is not here: `carry clone repo` brings it.";
    assert_eq!(ran.stderr, format!("{note}\n"), "{ran:?}");
    let mut command = two.command(Path::new(env!("CARGO_BIN_EXE_carry")), &two.home());
    command.args(["exchange", "--watch"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    let begun = lines.next().expect("a line");
    assert!(begun.starts_with("Exchanging with nas whenever something is new"), "{begun}");
    assert_eq!(lines.next().as_deref(), Some(note));
    // Something new of that device brings about another exchange; the same note is not said again.
    one.file("a.txt", "more\n");
    one.ok(&["now"]);
    exchange(&one);
    let ran = two.carry_in(&two.home(), &["remote", "remove", "nas"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rest: Vec<String> = lines.collect();
    assert_eq!(rest, ["The remote nas was removed, and is not exchanged with any more."]);
    assert_eq!(child.wait().expect("it ends by itself").code(), Some(0));
}

#[test]
fn two_remotes_that_bring_the_same_at_once_are_nothing_to_warn_of() {
    let (first, second, one) = (shared(), shared(), World::with_commit());
    let two = beside(&one, true);
    for world in [&one, &two] {
        joins(world, &first);
        let place = second.path().canonicalize().expect("it is there");
        let place = place.to_str().expect("a plain path");
        world.ok(&["remote", "add", "usb", place, "--code", "--yes"]);
    }
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["now"]);
    one.ok(&["now"]);
    meet(&one, &two);
    for n in 0..4 {
        one.file("a.txt", &format!("{n}\n"));
        one.ok(&["now"]);
        let said = exchange(&one);
        let ran = exchange(&two);
        assert!(!ran.stderr.contains("Warning") && !ran.stderr.contains("wait for"), "{n}: {ran:?}");
        let there = two.ok(&["log", "--device", "laptop", "--json"]);
        assert_eq!(field(&there.raw, "commit"), one.newest(), "{n}: {said:?} {ran:?}");
    }
    two.ok(&["sync", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("3\n"));
}

//! `sync`, and taking it back.

use crate::world::{World, field};

/// Two devices that know and trust each other.
fn pair() -> (World, World) {
    let one = World::with_remote();
    let two = World::beside(&one);
    one.publish_as("desktop");
    two.publish_as("laptop");
    two.ok(&["sync", "--dry-run"]);
    two.ok(&["devices", "approve", "--all", "--yes"]);
    (one, two)
}

#[test]
fn newer_work_is_taken_over_and_brought_back() {
    let (one, two) = pair();
    one.file("a.txt", "two\n");
    one.file("new.txt", "new\n");
    one.delete("src/net.rs");
    one.ok(&["now", "--push"]);
    let ran = two.carry(&["sync"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Hint: --yes takes it over, --dry-run shows what would be done.\n"), "{ran:?}");
    assert_eq!(two.read("a.txt").as_deref(), Some("one\n"));

    let ran = two.ok(&["sync", "--dry-run"]);
    assert!(ran.stdout.contains("desktop has work on main made <AGE>, "), "{ran:?}");
    assert!(ran.stdout.contains("  overwrite a.txt  +1 -1\n  create    new.txt  +1 -0\n"), "{ran:?}");
    assert!(ran.stdout.contains("  delete    src/net.rs  +0 -1\n"), "{ran:?}");
    assert!(ran.stderr.ends_with("3 files, +2 -2; nothing was changed.\n"), "{ran:?}");

    let status = two.ok(&["status"]);
    assert!(status.stdout.contains("  newer      on desktop: <AGE>, 3 files"), "{status:?}");

    let ran = two.ok(&["sync", "--yes"]);
    assert!(ran.stdout.ends_with("Took over desktop: 3 files changed.\n"), "{ran:?}");
    assert!(ran.stderr.ends_with("What was there before is kept in snapshot <ID>; `carry undo` brings it back.\n"));
    assert_eq!((two.read("a.txt").as_deref(), two.read("src/net.rs")), (Some("two\n"), None));

    let ran = two.ok(&["sync"]);
    assert!(
        ran.stdout.starts_with("Up to date: no approved device has newer work on main (origin fetched <AGE>"),
        "{ran:?}"
    );

    let ran = two.ok(&["undo"]);
    assert!(ran.stdout.starts_with("Undoing: sync with desktop (<AGE>).\n"), "{ran:?}");
    assert_eq!((two.read("a.txt").as_deref(), two.read("new.txt")), (Some("one\n"), None));
    assert_eq!(two.read("src/net.rs").as_deref(), Some("fn a() {}\n"));
    let ran = two.ok(&["undo"]);
    assert!(ran.stdout.starts_with("Undoing: undo of sync with desktop ("), "{ran:?}");
    assert_eq!(two.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn conflicts_without_an_answer_change_nothing_and_are_named() {
    let (one, two) = pair();
    one.file("a.txt", "theirs\n");
    one.ok(&["now", "--push"]);
    two.file("a.txt", "ours\n");
    let ran = two.carry(&["sync", "--yes"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("Error: 1 file was changed on both sides: a.txt\n"), "{ran:?}");
    assert!(
        ran.stderr.contains("Hint: With --yes, --ours keeps what is here, --theirs takes the other, --markers writes")
    );
    assert_eq!(two.read("a.txt").as_deref(), Some("ours\n"));
    let ran = two.ok(&["sync", "--dry-run"]);
    assert!(ran.stdout.ends_with("  conflict  a.txt\n"), "{ran:?}");
    let ran = two.carry(&["sync", "--yes", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "sync-plan");
    assert!(field(&ran.raw, "conflicts").contains("\"path\":\"a.txt\""), "{}", ran.raw);
    assert!(ran.raw.lines().nth(1).is_some_and(|line| field(line, "type") == "error"), "{}", ran.raw);

    two.ok(&["sync", "--theirs", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("theirs\n"));
    two.ok(&["sync", "--abort"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("ours\n"));
    two.ok(&["sync", "--markers", "--yes"]);
    let marked = two.read("a.txt").expect("it is there");
    assert!(marked.contains("<<<<<<<") && marked.contains("ours\n") && marked.contains("theirs\n"), "{marked}");
}

#[test]
fn only_one_way_to_settle_can_be_asked_for() {
    let world = World::with_remote();
    assert_eq!(world.carry(&["sync", "--ours", "--theirs"]).code, 2);
    assert_eq!(world.carry(&["sync", "--abort", "--device", "x"]).code, 2);
}

#[test]
fn abort_takes_back_syncs_alone() {
    let world = World::with_remote();
    world.ok(&["now"]);
    let ran = world.carry(&["sync", "--abort"]);
    ran.is(1, "", "Error: there is no sync to take back here\n");
    let first = world.newest();
    world.file("a.txt", "two\n");
    world.ok(&["restore", "a.txt", "--from", &first, "--force"]);
    let ran = world.carry(&["sync", "--abort"]);
    assert!(ran.stderr.starts_with("Error: the last step here was no sync, but restore a.txt\n"), "{ran:?}");
}

#[test]
fn a_clone_without_anything_takes_over_what_another_device_has() {
    let one = World::new();
    let remote = one.remote();
    one.git(&["init", "-q", "--bare", remote.to_str().expect("a plain path")]);
    one.git(&["remote", "add", "origin", remote.to_str().expect("a plain path")]);
    one.file("a.txt", "one\n");
    one.publish_as("desktop");
    let two = World::beside(&one);
    two.ok(&["add"]);
    two.ok(&["sync", "--yes", "--device", "desktop"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("one\n"));
    let ran = two.ok(&["undo"]);
    assert!(ran.stdout.starts_with("Undoing: sync with desktop ("), "{ran:?}");
    assert_eq!(two.read("a.txt"), None);

    // A commit comes with it, and goes again.
    one.git(&["add", "a.txt"]);
    one.git(&["commit", "-qm", "first"]);
    one.file("b.txt", "b\n");
    one.ok(&["now", "--push"]);
    two.ok(&["sync", "--yes"]);
    assert_eq!(two.git(&["rev-parse", "HEAD"]), one.git(&["rev-parse", "HEAD"]));
    assert_eq!(two.read("b.txt").as_deref(), Some("b\n"));
    two.ok(&["undo"]);
    assert_eq!((two.read("a.txt"), two.read("b.txt")), (None, None));
    assert_eq!(two.git(&["for-each-ref", "refs/heads"]), "");
}

#[test]
fn an_unknown_device_is_named_and_not_offered() {
    let one = World::with_remote();
    let two = World::beside(&one);
    one.publish_as("desktop");
    one.file("a.txt", "two\n");
    one.ok(&["now", "--push"]);
    two.ok(&["now"]);
    let ran = two.ok(&["sync"]);
    assert!(ran.stdout.starts_with("Up to date: "), "{ran:?}");
    assert!(ran.stderr.contains("and is not approved: `carry devices approve desktop`"), "{ran:?}");
    assert_eq!(two.read("a.txt").as_deref(), Some("one\n"));
    let ran = two.carry(&["sync", "--device", "nobody", "--yes"]);
    assert!(ran.stderr.contains("Error: no device called nobody has work on main\n"), "{ran:?}");
    let told = ") is not approved yet: taking this over approves it, and so does `carry devices approve desktop`.\n";
    let ran = two.ok(&["sync", "--device", "desktop", "--dry-run"]);
    assert!(ran.stderr.contains(told), "{ran:?}");
    two.ok(&["sync", "--device", "desktop", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("two\n"));
    let ran = two.ok(&["sync", "--device", "desktop", "--dry-run"]);
    assert!(!ran.stderr.contains("approve"), "{ran:?}");
    let devices = two.ok(&["devices", "--json"]);
    assert!(devices.raw.lines().any(|line| field(line, "label") == "desktop" && field(line, "state") == "approved"));
}

#[test]
fn a_remote_that_is_gone_is_a_warning_and_what_is_here_is_used() {
    let (one, two) = pair();
    one.file("a.txt", "two\n");
    one.ok(&["now", "--push"]);
    two.ok(&["sync", "--dry-run"]);
    std::fs::rename(one.remote(), one.root().join("away")).expect("it is there");
    let ran = two.ok(&["sync", "--yes"]);
    assert!(ran.stderr.contains("Warning: origin could not be asked (last <AGE>): "), "{ran:?}");
    assert_eq!(two.read("a.txt").as_deref(), Some("two\n"));
    let ran = two.ok(&["sync", "--offline"]);
    assert!(!ran.stderr.contains("Warning"), "{ran:?}");
}

#[test]
fn a_detached_head_has_nothing_to_take_over() {
    let world = World::with_remote();
    world.ok(&["now"]);
    world.git(&["checkout", "-q", "--detach"]);
    let ran = world.carry(&["sync"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("Error: no branch is checked out, and work is taken over branch by branch\n"));
}

#[test]
fn sync_gives_json() {
    let (one, two) = pair();
    one.file("a.txt", "two\n");
    one.ok(&["now", "--push"]);
    let ran = two.ok(&["sync", "--yes", "--json"]);
    let lines: Vec<serde_json::Value> =
        ran.raw.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!((lines.len(), &lines[0]["type"], &lines[1]["type"]), (2, &"sync-plan".into(), &"synced".into()));
    assert_eq!((&lines[0]["device"]["label"], &lines[0]["files"]), (&"desktop".into(), &1.into()));
    assert_eq!((&lines[0]["added"], &lines[0]["removed"]), (&1.into(), &1.into()));
    assert_eq!((&lines[1]["outcome"], &lines[1]["written"][0]), (&"done".into(), &"a.txt".into()));
    assert!(lines[1]["after"].is_string(), "{}", lines[1]);
    let ran = two.ok(&["sync", "--json"]);
    assert_eq!(field(&ran.raw, "outcome"), "up-to-date");
}

#[test]
fn a_file_comes_from_another_device_alone() {
    let (one, two) = pair();
    one.file("a.txt", "theirs\n");
    one.file("src/net.rs", "theirs\n");
    one.ok(&["now", "--push"]);
    let older = one.newest();
    one.file("a.txt", "theirs, newer\n");
    one.ok(&["now", "--push"]);
    two.ok(&["sync", "--dry-run"]);
    two.ok(&["restore", "a.txt", "--device", "desktop", "--force"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("theirs, newer\n"));
    assert_eq!(two.read("src/net.rs").as_deref(), Some("fn a() {}\n"));
    two.ok(&["restore", "a.txt", "--device", "desktop", "--from", &older, "--force"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("theirs\n"));
    let log = two.ok(&["log", "--device", "desktop", "--json"]);
    assert_eq!(log.raw.lines().nth(1).map(|line| field(line, "commit")), Some(older));
    assert_eq!(two.carry(&["log", "--device", "nobody"]).code, 1);
}

#[test]
fn a_mistyped_branch_is_no_branch_without_news() {
    let one = World::with_remote();
    let two = World::beside(&one);
    two.publish_as("laptop");
    one.ok(&["now"]);
    let ran = one.carry(&["sync", "--branch", "mian", "--yes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Error: neither this repository nor another device has a branch mian\n"), "{ran:?}");
}

#[test]
fn going_over_to_another_branch_says_where_the_work_here_goes() {
    let one = World::with_remote();
    let two = World::beside(&one);
    two.publish_as("laptop");
    two.git(&["switch", "-qc", "feature"]);
    two.file("f.txt", "f\n");
    two.ok(&["now", "--push"]);
    one.ok(&["now"]);
    one.file("local.txt", "only here\n");
    let ran = one.ok(&["sync", "--branch", "feature", "--device", "laptop", "--yes"]);
    assert!(ran.stderr.contains("What is not committed on main is put away: snapshot <ID> holds it"), "{ran:?}");
    assert!(ran.stderr.contains("laptop is approved from now on.\n"), "{ran:?}");
    let print = crate::world::field(&two.ok(&["devices", "--json"]).raw, "fingerprint");
    assert!(ran.stderr.contains(&format!("Its fingerprint: {print}\n")), "{ran:?}");
    assert!(ran.stderr.contains("What it calls itself proves nothing: compare the fingerprint"), "{ran:?}");
    assert_eq!(one.read("local.txt"), None);
    one.ok(&["undo"]);
    assert_eq!(one.read("local.txt").as_deref(), Some("only here\n"));
    let ran = one.carry(&["sync", "--abort"]);
    assert!(ran.stderr.contains("Error: the last sync here is taken back already\n"), "{ran:?}");
}

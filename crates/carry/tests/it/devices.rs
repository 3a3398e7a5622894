//! `devices`.

use crate::world::{World, field};

#[test]
fn this_device_is_listed_first_and_can_be_renamed() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.ok(&["devices", "rename", "desk top"]);
    let ran = world.ok(&["devices", "--json"]);
    assert_eq!((field(&ran.raw, "label"), field(&ran.raw, "state")), ("desk top".to_owned(), "this device".to_owned()));
    assert_eq!(field(&ran.raw, "fingerprint").len(), 19);
    let ran = world.ok(&["devices"]);
    assert!(ran.stdout.lines().nth(1).is_some_and(|line| line.starts_with("desk top  this device  main ")), "{ran:?}");
    assert_eq!(world.carry(&["devices", "rename", "a\u{7}b"]).code, 1);
}

#[test]
fn others_are_unknown_until_approved_and_again_when_revoked() {
    let one = World::with_remote();
    let two = World::beside(&one);
    one.publish_as("desktop");
    one.file("a.txt", "two\n");
    one.ok(&["now", "--push"]);
    two.ok(&["now"]);
    two.ok(&["sync", "--dry-run"]);
    let state = |world: &World| {
        let ran = world.ok(&["devices", "--json"]);
        let line = ran.raw.lines().find(|line| field(line, "label") == "desktop").expect("it was seen").to_owned();
        field(&line, "state")
    };
    assert_eq!(state(&two), "unknown");
    let ran = two.carry(&["devices", "approve", "desktop"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("Hint: --yes approves it.\n"), "{ran:?}");
    let ran = two.ok(&["devices", "approve", "desktop", "--yes"]);
    assert!(ran.stdout.ends_with("Approved desktop.\n"), "{ran:?}");
    let theirs = field(&one.ok(&["devices", "--json"]).raw, "fingerprint");
    assert!(ran.stderr.contains(&format!("Its fingerprint: {theirs}\n")), "{ran:?}");
    assert_eq!(state(&two), "approved");
    let ran = two.ok(&["devices"]);
    assert!(ran.stdout.contains("fetched from origin <AGE>"), "{ran:?}");
    let row = ran.stdout.lines().find(|line| line.starts_with("desktop")).expect("a row");
    // Nothing was done here: what is there is ahead, though neither has seen the other.
    assert!(row.contains(" approved ") && row.contains(" ahead "), "{row}");
    two.file("b.txt", "mine\n");
    two.ok(&["now"]);
    let ran = two.ok(&["devices"]);
    let row = ran.stdout.lines().find(|line| line.starts_with("desktop")).expect("a row");
    assert!(row.contains(" approved ") && row.contains(" diverged "), "{row}");
    two.ok(&["devices", "revoke", "desktop"]);
    assert_eq!(state(&two), "revoked");
    // It is not offered again, and not taken over by the way.
    let ran = two.ok(&["sync", "--dry-run", "--yes"]);
    assert!(ran.stdout.starts_with("Up to date") && !ran.stderr.contains("desktop"), "{ran:?}");
    for arguments in [&["sync", "--device", "desktop", "--yes"][..], &["log", "--device", "desktop"]] {
        let ran = two.carry(arguments);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr.contains(" was revoked\n") && ran.stderr.contains("`carry devices approve desktop`"),
            "{ran:?}"
        );
    }
    let ran = two.ok(&["devices", "approve", "--all", "--yes"]);
    assert_eq!(
        (ran.stderr.as_str(), state(&two).as_str()),
        ("Every device that was seen is approved or revoked.\n", "revoked")
    );
    let ran = two.ok(&["devices", "approve", "desktop", "--yes"]);
    assert!(ran.stderr.contains("desktop was revoked.\n"), "{ran:?}");
    assert_eq!(state(&two), "approved");
    assert_eq!(two.carry(&["devices", "revoke", "nobody"]).code, 1);
}

#[test]
fn this_device_is_not_approved_or_revoked_but_named() {
    let world = World::with_commit();
    world.ok(&["devices", "rename", "desk"]);
    let ran = world.ok(&["devices"]);
    let object = world.ok(&["devices", "--json"]);
    let (id, print) = (field(&object.raw, "id"), field(&object.raw, "fingerprint"));
    assert!(ran.stderr.starts_with(&format!("The fingerprint of this device: {print}. ")), "{ran:?}");
    for name in ["desk", &id, &id[..id.len() - 2]] {
        for act in ["approve", "revoke", "forget"] {
            let ran = world.carry(&["devices", act, name, "--yes"]);
            assert_eq!(ran.code, 1, "{ran:?}");
            assert!(ran.stderr.starts_with(&format!("Error: {name} is this device\n")), "{ran:?}");
            let elsewhere = if act == "approve" { "approve" } else { "revoke" };
            assert!(ran.stderr.contains(&format!("`carry devices {elsewhere} {id}`")), "{ran:?}");
        }
    }
    let ran = world.carry(&["devices", "rename", "other", "--device", "desk"]);
    assert!(ran.code == 1 && ran.stderr.contains("without --device"), "{ran:?}");
}

#[test]
fn namesakes_are_pointed_out() {
    let one = World::with_remote();
    let two = World::beside(&one);
    one.publish_as("twin");
    two.publish_as("twin");
    two.ok(&["sync", "--dry-run"]);
    let ran = two.ok(&["devices"]);
    assert!(
        ran.stderr.contains(
            "Warning: several devices are called twin; `carry devices rename LABEL` on one of them tells them apart\n"
        ),
        "{ran:?}"
    );
}

#[test]
fn outside_of_a_repository_devices_are_listed_too() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.carry_in(&world.root(), &["devices"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("this device"), "{ran:?}");
}

#[test]
fn a_machine_with_a_copied_home_is_told_apart_from_this_one() {
    let world = World::with_remote();
    world.publish_as("laptop");
    // Both machines have everything at the same place: the one lies aside while the other works.
    let root = world.root();
    for folder in ["home", "carry"] {
        let aside = root.join(format!("{folder}-aside"));
        let copied = std::process::Command::new("cp").arg("-a").arg(root.join(folder)).arg(aside).status();
        assert!(copied.expect("cp runs").success());
    }
    world.file("theirs.txt", "x\n");
    world.ok(&["now", "--push"]);
    for folder in ["home", "carry"] {
        std::fs::rename(root.join(folder), root.join(format!("{folder}-other"))).expect("it is there");
        std::fs::rename(root.join(format!("{folder}-aside")), root.join(folder)).expect("it is there");
    }
    world.file("ours.txt", "x\n");
    let ran = world.ok(&["now", "--push"]);
    assert!(ran.stderr.contains("another machine writes as this device"), "{ran:?}");
    world.ok(&["now"]);
    let ran = world.ok(&["devices"]);
    let row = ran.stdout.lines().find(|line| line.starts_with("laptop (a copy of")).expect("a row");
    assert!(row.contains(" diverged ") && row.contains(" fetched from origin "), "{ran:?}");
    let ran = world.ok(&["sync", "--dry-run", "--device", "laptop"]);
    assert!(ran.stdout.contains("laptop (a copy of this device) has work on main made <AGE>, "), "{ran:?}");
}

#[test]
fn a_branch_that_two_working_trees_had_stands_beside_the_folder_of_each() {
    let world = World::with_commit();
    world.ok(&["now"]);
    assert!(!world.ok(&["devices"]).stdout.contains(" in "), "one needs no more than its branch");
    world.git(&["switch", "-qc", "other"]);
    world.git(&["worktree", "add", "-q", "../linked", "main"]);
    world.file("../linked/new.txt", "x\n");
    assert_eq!(world.carry_in(&world.home().join("linked"), &["now"]).code, 0);
    let ran = world.ok(&["devices"]);
    assert!(ran.stdout.contains(" main in ~/repo ") && ran.stdout.contains(" main in ~/linked "), "{ran:?}");
}

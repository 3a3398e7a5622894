//! `finalize`.

use crate::world::{World, field};

/// Two devices that trust each other, with work on both.
fn pair() -> (World, World) {
    let one = World::with_remote();
    let two = World::beside(&one);
    two.publish_as("laptop");
    one.publish_as("desktop");
    two.file("two.txt", "two\n");
    two.ok(&["now", "--push"]);
    one.file("one.txt", "one\n");
    one.ok(&["now", "--push"]);
    for world in [&one, &two] {
        world.ok(&["sync", "--dry-run"]);
        world.ok(&["devices", "approve", "--all", "--yes"]);
    }
    (one, two)
}

#[test]
fn the_work_of_all_is_staged_as_one_change() {
    let (one, two) = pair();
    let ran = one.carry(&["finalize"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("Hint: --yes does it, --dry-run shows what would be done.\n"), "{ran:?}");
    let ran = one.ok(&["finalize", "--dry-run"]);
    assert!(ran.stdout.contains("laptop "), "{ran:?}");
    assert_eq!(one.read("two.txt"), None);

    let ran = one.ok(&["finalize", "--yes"]);
    assert!(ran.stdout.ends_with("The work of all devices is staged as one change.\n"), "{ran:?}");
    assert!(ran.stderr.ends_with("next: `git commit`, then `git push`.\n"), "{ran:?}");
    assert_eq!(one.git(&["status", "--porcelain"]), "A  one.txt\nA  two.txt\n");
    // What went into the change is offered to nobody.
    let ran = two.ok(&["sync", "--dry-run"]);
    assert!(ran.stdout.starts_with("Up to date"), "{ran:?}");

    one.ok(&["undo"]);
    assert_eq!(one.git(&["status", "--porcelain"]), "?? one.txt\n");
}

#[test]
fn it_is_committed_with_the_users_hooks() {
    let (one, _two) = pair();
    one.file(".git/hooks/commit-msg", "#!/bin/sh\necho hooked >> \"$1\"\n");
    let hook = one.repo().join(".git/hooks/commit-msg");
    std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is there");
    let ran = one.ok(&["finalize", "--commit", "-m", "all of it", "--yes", "--json"]);
    let last = ran.raw.lines().last().expect("a line").to_owned();
    assert_eq!(field(&last, "type"), "finalized");
    assert_eq!(field(&last, "commit"), one.git(&["rev-parse", "HEAD"]).trim());
    assert_eq!(field(&last, "finished_on"), "[\"origin\"]");
    assert!(one.git(&["log", "-1", "--format=%B"]).contains("hooked"));
    assert_eq!(one.git(&["status", "--porcelain"]), "");
    let before = one.git(&["rev-parse", "HEAD^"]);
    one.ok(&["undo"]);
    assert_eq!(one.git(&["rev-parse", "HEAD"]), before, "the commit is taken back");
    assert_eq!(one.git(&["status", "--porcelain"]), "?? one.txt\n");
}

#[test]
fn a_commit_that_the_users_hook_refuses_leaves_the_change_staged() {
    let (one, _two) = pair();
    one.file(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    let hook = one.repo().join(".git/hooks/pre-commit");
    std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is there");
    let ran = one.carry(&["finalize", "--commit", "-m", "x", "--yes"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("Hint: The change is staged; `git commit` tries again, `carry undo` goes back.\n"));
    assert_eq!(one.git(&["status", "--porcelain"]), "A  one.txt\nA  two.txt\n");
}

#[test]
fn conflicts_are_refused_with_a_way_forward() {
    let (one, two) = pair();
    two.file("a.txt", "as two has it\n");
    two.ok(&["now", "--push"]);
    one.file("a.txt", "as one has it\n");
    let ran = one.carry(&["finalize", "--yes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Refused: laptop changed the same as others: a.txt\n"), "{ran:?}");
    assert!(ran.stderr.contains("Hint: `carry sync --device laptop` settles that first.\n"), "{ran:?}");
    assert_eq!(one.git(&["diff", "--cached", "--name-only"]), "");
}

#[test]
fn there_may_be_nothing_to_finalize() {
    let world = World::with_remote();
    world.ok(&["now"]);
    let ran = world.carry(&["finalize", "--yes"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("Error: nothing differs from main\n"), "{ran:?}");
    assert_eq!(world.carry(&["finalize", "-m", "x"]).code, 2, "a message is for a commit");
}

#[test]
fn work_that_goes_onto_another_branch_is_finished_for_all() {
    let one = World::with_remote();
    let two = World::beside(&one);
    for (world, name) in [(&one, "desktop"), (&two, "laptop")] {
        world.git(&["switch", "-qc", "feature"]);
        world.publish_as(name);
        world.file(&format!("{name}.txt"), "work\n");
        world.ok(&["now", "--push"]);
    }
    for world in [&one, &two] {
        world.ok(&["sync", "--dry-run"]);
        world.ok(&["devices", "approve", "--all", "--yes"]);
    }
    one.ok(&["finalize", "--onto", "main", "--commit", "-m", "all of it", "--yes"]);
    assert_eq!(one.git(&["log", "--format=%s", "-2", "main"]), "all of it\nfirst\n");
    assert_eq!(one.git(&["branch", "--show-current"]), "main\n");
    assert_eq!(one.git(&["show", "--name-only", "--format=", "main"]), "desktop.txt\nlaptop.txt\n");
    let ran = two.ok(&["sync", "--dry-run"]);
    assert!(ran.stdout.starts_with("Up to date"), "{ran:?}");
    one.ok(&["undo"]);
    assert_eq!(one.git(&["branch", "--show-current"]), "feature\n");
    assert_eq!(one.git(&["log", "--format=%s", "main"]), "first\n");
    assert_eq!(one.read("laptop.txt"), None);
    assert_eq!(one.read("desktop.txt").as_deref(), Some("work\n"));
}

#[test]
fn the_others_follow_to_the_commit_with_a_plain_sync() {
    let (one, two) = pair();
    one.ok(&["finalize", "--commit", "-m", "all of it", "--yes"]);
    one.git(&["push", "-q", "origin", "main"]);
    assert_eq!(two.git(&["status", "--porcelain"]), "?? two.txt\n");
    let ran = two.ok(&["sync", "--yes"]);
    assert!(ran.stdout.contains("and the branch moved"), "{ran:?}");
    assert_eq!(two.git(&["log", "-1", "--format=%s"]), "all of it\n");
    assert_eq!(two.git(&["status", "--porcelain"]), "");
    assert!(two.ok(&["sync", "--yes"]).stdout.starts_with("Up to date"));
}

#[test]
fn work_of_a_device_that_is_not_approved_stays_out_whatever_is_agreed_to() {
    let (one, two) = pair();
    one.ok(&["devices", "revoke", "laptop", "--yes"]);
    let ran = one.ok(&["finalize", "--commit", "-m", "mine", "--yes"]);
    assert!(ran.stderr.contains("laptop is revoked and left out; `carry devices approve laptop`"), "{ran:?}");
    assert_eq!(one.git(&["show", "--name-only", "--format="]), "one.txt\n");
    assert_eq!(two.read("two.txt").as_deref(), Some("two\n"));
}

#[test]
fn an_undone_finalize_is_not_finished() {
    let (one, two) = pair();
    one.ok(&["finalize", "--yes"]);
    one.ok(&["undo"]);
    one.ok(&["now", "--push"]);
    let ran = two.ok(&["sync", "--dry-run"]);
    assert!(ran.stdout.contains("one.txt"), "it is offered again: {ran:?}");
}

#[test]
fn markers_of_a_conflict_are_pointed_out() {
    let (one, two) = pair();
    two.file("a.txt", "as two has it\n");
    two.ok(&["now", "--push"]);
    one.file("a.txt", "as one has it\n");
    let ran = one.ok(&["sync", "--yes", "--markers"]);
    assert!(ran.stderr.contains("Warning: a.txt holds both sides; edit it before you commit\n"), "{ran:?}");
    let ran = one.ok(&["finalize", "--dry-run"]);
    assert!(ran.stderr.contains("Warning: a.txt holds the markers of a conflict; edit it"), "{ran:?}");
}

#[test]
fn what_a_device_has_not_on_disk_is_not_deleted_for_all() {
    // Tracked although ignored, a submodule that a clone does not fetch, and a folder outside of a sparse checkout.
    let one = World::with_remote();
    one.file(".gitignore", "*.log\n");
    one.file("build.log", "kept all the same\n");
    one.file("far/away.txt", "far\n");
    one.file(".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = ../sub.git\n");
    let head = one.git(&["rev-parse", "HEAD"]);
    one.git(&["add", "-A"]);
    one.git(&["add", "-f", "build.log"]);
    one.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", head.trim())]);
    one.git(&["commit", "-qm", "second"]);
    one.git(&["push", "-q"]);
    let two = World::beside(&one);
    two.git(&["sparse-checkout", "set", "--cone", "src"]);
    assert_eq!(two.read("far/away.txt"), None);
    for (world, name) in [(&one, "desktop"), (&two, "laptop")] {
        world.publish_as(name);
        world.file(&format!("src/{name}.txt"), "work\n");
        world.ok(&["now", "--push"]);
    }
    for world in [&one, &two] {
        world.ok(&["sync", "--dry-run"]);
        world.ok(&["devices", "approve", "--all", "--yes"]);
    }
    two.ok(&["sync", "--yes"]);
    assert_eq!(two.read("src/desktop.txt").as_deref(), Some("work\n"));
    assert_eq!(two.git(&["diff", "--name-status", "HEAD"]), "");
    two.ok(&["now", "--push"]);
    one.ok(&["finalize", "--yes"]);
    assert_eq!(one.git(&["diff", "--cached", "--name-status"]), "A\tsrc/desktop.txt\nA\tsrc/laptop.txt\n");
    assert_eq!(one.read("far/away.txt").as_deref(), Some("far\n"));
    assert_eq!(one.read("build.log").as_deref(), Some("kept all the same\n"));
    assert!(one.git(&["ls-files", "--stage", "sub"]).starts_with("160000 "));
}

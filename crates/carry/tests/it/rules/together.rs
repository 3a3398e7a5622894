//! Captures beside each other, beside the daemon and beside changes of the registry.

use std::path::PathBuf;

use super::{Gate, put};
use crate::world::{World, field};

#[test]
fn other_trees_are_captured_while_one_waits() {
    let world = World::with_commit();
    let other = world.home().join("other");
    world.git(&["clone", "-q", ".", other.to_str().unwrap()]);
    world.configure("code.quiet = \"50ms\"\n");
    assert_eq!(world.carry_in(&other, &["up"]).code, 0);
    let gate = Gate::new(&world, &world.repo());
    world.file("one.slow", "slow\n");
    world.ok(&["add"]);
    let waiting = world.start(&world.repo(), &["now"]);
    let held = gate.reached();
    put(&other.join("a.txt"), b"not held up\n");
    world.start(&other, &["now"]).ok();
    let newest = field(&world.carry_in(&other, &["log", "--json", "--limit", "1"]).raw, "commit");
    assert_eq!(world.git_in(&other, &["show", &format!("{newest}:a.txt")]), "not held up\n");
    gate.open();
    drop(held);
    waiting.ok();
    assert_eq!(world.ok(&["show", &world.newest(), "one.slow"]).raw, "slow\n");
}

#[test]
fn two_captures_at_once_both_succeed() {
    let world = World::with_commit();
    world.ok(&["add"]);
    for round in 0..5 {
        let content = format!("round {round}\n");
        world.file("a.txt", &content);
        let both = [world.start(&world.repo(), &["now"]), world.start(&world.repo(), &["now"])];
        for one in both {
            one.ok();
        }
        assert_eq!(world.ok(&["show", &world.newest(), "a.txt"]).raw, content);
    }
    assert_whole(&world);
}

#[test]
fn captures_beside_the_daemon_succeed() {
    let world = World::with_commit();
    world.configure("code.quiet = \"10ms\"\ncode.max_wait = \"50ms\"\n");
    world.ok(&["up"]);
    for round in 0..5 {
        let content = format!("round {round}\n");
        world.file("a.txt", &content);
        let all = [(); 3].map(|()| world.start(&world.repo(), &["now"]));
        for one in all {
            one.ok();
        }
        assert_eq!(world.ok(&["show", &world.newest(), "a.txt"]).raw, content);
    }
    assert_whole(&world);
}

#[test]
fn first_captures_at_once_make_one_device_and_one_tree() {
    let world = World::with_commit();
    let all = [(); 4].map(|()| world.start(&world.repo(), &["now"]));
    for one in all {
        one.ok();
    }
    assert_eq!(world.ok(&["list", "--json"]).raw.lines().count(), 1);
    assert_eq!(world.lines().len(), 1, "{:?}", world.lines());
    assert_whole(&world);
}

/// No snapshot is empty or broken.
#[track_caller]
fn assert_whole(world: &World) {
    let empty = world.git(&["hash-object", "-t", "tree", "/dev/null"]);
    for line in world.ok(&["log", "--json"]).raw.lines() {
        assert_ne!(field(line, "tree"), empty.trim());
    }
    world.git(&["fsck", "--strict"]);
}

#[test]
fn worktrees_of_one_repository_are_captured_at_once() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let roots: Vec<PathBuf> = (0..4).map(|n| world.home().join(format!("linked{n}"))).collect();
    for root in &roots {
        world.git(&["worktree", "add", "-q", root.to_str().unwrap()]);
    }
    for round in 0..3 {
        for root in &roots {
            put(&root.join("a.txt"), format!("{round} {}\n", root.display()).as_bytes());
        }
        let all: Vec<_> = roots.iter().map(|root| world.start(root, &["now"])).collect();
        for one in all {
            one.ok();
        }
    }
    assert_eq!(world.lines().len(), 5, "{:?}", world.lines());
    world.git(&["fsck", "--strict"]);
}

#[test]
fn registering_at_once_loses_nothing() {
    let world = World::with_commit();
    world.ok(&["daemon", "start"]);
    let roots: Vec<PathBuf> = (0..6).map(|n| world.home().join(format!("clone{n}"))).collect();
    for root in &roots {
        world.git(&["clone", "-q", ".", root.to_str().unwrap()]);
    }
    let adding: Vec<_> = roots.iter().map(|root| world.start(root, &["add"])).collect();
    for one in adding {
        one.ok();
    }
    assert_eq!(world.ok(&["list", "--json"]).raw.lines().count(), 6);
    let (first, rest) = roots.split_at(3);
    let mut changing: Vec<_> = first.iter().map(|root| world.start(root, &["remove"])).collect();
    changing.extend(rest.iter().map(|root| world.start(root, &["pause"])));
    for one in changing {
        one.ok();
    }
    let listed = world.ok(&["list", "--json"]).raw;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(rest.iter().all(|root| listed.contains(root.to_str().unwrap())), "{listed}");
    assert_eq!(listed.matches("\"paused\":true").count(), 3, "{listed}");
}

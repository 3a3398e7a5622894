//! `prune`.

use std::path::Path;

use crate::world::{World, field};

/// Three snapshots of which none is young enough to be kept but the newest.
fn old_snapshots(world: &World, repo: &Path) {
    for text in ["two\n", "three\n", "four\n"] {
        std::io::Write::write_all(
            &mut std::fs::File::create(repo.join("a.txt")).expect("the file system serves the test"),
            text.as_bytes(),
        )
        .expect("the file system serves the test");
        assert_eq!(world.carry_in(repo, &["now"]).code, 0);
    }
}

const POLICY: [&str; 8] = [
    "--config",
    "retention.all=0s",
    "--config",
    "retention.hourly=0s",
    "--config",
    "retention.daily=0s",
    "--config",
    "retention.weekly=1y",
];

#[test]
fn thinning_nothing_gives_an_object_all_the_same() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.ok(&["prune", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "pruned");
    assert_eq!(field(&ran.raw, "snapshots"), "0");
}

#[test]
fn a_repository_that_cannot_be_thinned_does_not_stop_the_rest() {
    let world = World::with_commit();
    let other = world.home().join("another");
    world.git(&["clone", "-q", ".", other.to_str().unwrap()]);
    old_snapshots(&world, &world.repo());
    old_snapshots(&world, &other);
    // The first by path: its lines cannot be read.
    let config = other.join(".git/config");
    let before = std::fs::read(&config).unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&config)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"\n[damaged\n"))
        .unwrap();
    let ran = world.carry_in(&world.home(), &[&POLICY[..], &["prune", "--all", "--yes"]].concat());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("Warning: ~/another: "), "{ran:?}");
    assert!(ran.stdout.contains("of ~/repo"), "{ran:?}");
    assert!(ran.stderr.ends_with("Error: 1 of 2 repositories could not be thinned\n"), "{ran:?}");
    assert_eq!(world.ok(&["log", "--json"]).raw.lines().count(), 1);
    std::io::Write::write_all(&mut std::fs::File::create(&config).unwrap(), &before).unwrap();
}

#[test]
fn a_gc_that_fails_is_part_of_the_result() {
    let world = World::with_commit();
    old_snapshots(&world, &world.repo());
    world.git(&["config", "gc.pruneExpire", "not a date"]);
    let ran = world.carry(&[&POLICY[..], &["prune", "--yes", "--gc"]].concat());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("of ~/repo"), "{ran:?}");
    assert!(ran.stderr.contains("Error: git gc failed: "), "{ran:?}");
}

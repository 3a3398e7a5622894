//! Which snapshot is taken when none is named.

use super::*;

fn source(world: &World, current: &Snapshot, asked: &[&str]) -> Option<ObjectId> {
    default_source(&world.repo(), &world.tree, current, &paths(asked)).unwrap().map(|snapshot| snapshot.commit)
}

#[test]
fn it_is_the_newest_in_which_the_path_differs_or_is_still_there() {
    let world = World::new();
    world.write("other", "o\n");
    world.snapshot();
    world.write("file", "two\n");
    let second = world.snapshot();
    world.write("file", "three\n");
    world.write("unrelated", "u\n");
    let third = world.snapshot();
    std::fs::remove_file(world.path("other")).unwrap();
    let current = world.snapshot();
    assert_eq!(source(&world, &current, &["file"]), Some(second.commit));
    assert_eq!(source(&world, &current, &["other"]), Some(third.commit));
    assert_eq!(source(&world, &current, &["file", "other"]), Some(third.commit));
    assert_eq!(source(&world, &current, &[""]), Some(third.commit));
    assert_eq!(source(&world, &current, &["unrelated"]), None);
    assert_eq!(source(&world, &current, &["nowhere"]), None);
    assert_eq!(source(&world, &current, &[]), None);
    // Seen from an older one, it is still the newest of all.
    assert_eq!(source(&world, &second, &["file"]), Some(current.commit));
}

#[test]
fn it_looks_across_branches() {
    let world = World::new();
    world.write("file", "on another branch\n");
    let other = world.made(Made { branch: "topic", ..Made::default() });
    world.write("file", "here\n");
    let current = world.snapshot();
    assert_eq!(source(&world, &current, &["file"]), Some(other.commit));
}

#[test]
fn it_is_the_capture_itself_where_that_does_not_show_what_is_on_disk() {
    let world = World::new();
    let tree = world.write_tree();
    world.write("file", "too large\n");
    let skipped = vec![Skipped { path: "file".into(), reason: SkipReason::TooLarge }];
    let current = world.made_of(tree, Made { skipped, ..Made::default() });
    assert_eq!(source(&world, &current, &["file"]), Some(current.commit));
    // That a file was skipped does not make a whole folder another.
    assert_eq!(source(&world, &current, &[""]), None);
}

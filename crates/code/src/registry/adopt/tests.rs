use std::fs;
use std::process::Command;

use carry_kernel::home::Home;

use super::super::{Added, Registry, Tree};
use super::*;
use crate::prune::fixture::{Made, NOW, World};

/// Registers the tree at `root`.
fn add(world: &World, home: &Home, root: &Path) -> Added {
    let repo = Repo::open(root).unwrap();
    Registry::open(home).unwrap().add(&repo, &world.ctx.device.id(), NOW, false, None).unwrap()
}

#[track_caller]
fn new(added: Added) -> Tree {
    let Added::New(tree) = added else { panic!("{added:?}") };
    tree
}

/// A world whose tree has two snapshots, of 100 bytes each.
fn captured() -> World {
    let world = World::new();
    for (text, branch) in [("one", "main"), ("two", "other")] {
        world.write("file", text);
        world.made(Made { branch, ..Made::default() });
    }
    world
}

fn remove(world: &World, id: &TreeId) {
    assert!(Registry::open(&world.ctx.home).unwrap().remove(id).unwrap());
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

fn linked(world: &World, name: &str) -> PathBuf {
    if world.repo().head().unwrap().commit.is_none() {
        world.git.commit("file", "committed");
    }
    let root = world.git.dir().canonicalize().unwrap().join(name);
    world.git.git(&["worktree", "add", "-q", "--detach", root.to_str().unwrap()]);
    root
}

/// A snapshot of another tree of the repository, on a line of its own.
fn snapshot_as(world: &mut World, id: &TreeId) {
    let before = std::mem::replace(&mut world.tree, id.clone());
    world.made(Made { branch: "side", ..Made::default() });
    world.tree = before;
}

#[test]
fn a_tree_that_was_removed_has_its_snapshots_again() {
    let world = captured();
    remove(&world, &world.tree);
    let tree = new(add(&world, &world.ctx.home, &world.git.root()));
    assert_eq!(tree.id, world.tree);
    let registry = Registry::open(&world.ctx.home).unwrap();
    let state = registry.state(&tree.id).unwrap();
    assert_eq!((state.snapshots, state.bytes), (2, 200));
    assert_eq!(registry.bytes_used(&tree.common_dir).unwrap(), (200, 200));
}

#[test]
fn it_has_them_also_when_it_was_moved_meanwhile() {
    let mut world = captured();
    let side = linked(&world, "side");
    let side_id = new(add(&world, &world.ctx.home, &side)).id;
    snapshot_as(&mut world, &side_id);
    for id in [world.tree.clone(), side_id.clone()] {
        remove(&world, &id);
    }
    // Two could be meant, but it is remembered whose each is.
    let moved = world.git.dir().canonicalize().unwrap().join("moved");
    fs::rename(world.git.root(), &moved).unwrap();
    assert_eq!(new(add(&world, &world.ctx.home, &moved)).id, world.tree);
    crate::git::fixture::command(&moved).args(["worktree", "repair"]).output().unwrap();
    assert_eq!(new(add(&world, &world.ctx.home, &side)).id, side_id);
}

#[test]
fn a_lost_registration_is_found_again_in_the_repository() {
    let world = captured();
    let home = Home::at(world.home.path().join("fresh"));
    assert_eq!(new(add(&world, &home, &world.git.root())).id, world.tree);
    assert_eq!(Registry::open(&home).unwrap().state(&world.tree).unwrap().snapshots, 2);
}

#[test]
fn where_several_could_be_meant_none_is_taken() {
    let mut world = captured();
    let other = TreeId::random();
    snapshot_as(&mut world, &other);
    let home = Home::at(world.home.path().join("fresh"));
    let fresh = new(add(&world, &home, &world.git.root())).id;
    assert!(fresh != world.tree && fresh != other);
}

#[test]
fn lines_of_another_device_are_not_ours() {
    let world = captured();
    let device = DeviceId::new("elsewhere", &[7; 32]);
    let mut registry = Registry::open(&Home::at(world.home.path().join("fresh"))).unwrap();
    assert_ne!(new(registry.add(&world.repo(), &device, NOW, false, None).unwrap()).id, world.tree);
}

#[test]
fn a_copy_takes_the_id_over_only_when_the_original_is_gone() {
    let world = captured();
    let folder = world.git.dir().canonicalize().unwrap();
    copy(&world.git.root(), &folder.join("first"));
    assert_ne!(new(add(&world, &world.ctx.home, &folder.join("first"))).id, world.tree);
    copy(&world.git.root(), &folder.join("second"));
    fs::remove_dir_all(world.git.root()).unwrap();
    match add(&world, &world.ctx.home, &folder.join("second")) {
        Added::Moved { tree, from } => assert_eq!((tree.id, from), (world.tree.clone(), world.git.root())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_removed_original_that_is_still_there_keeps_its_id() {
    let world = captured();
    let folder = world.git.dir().canonicalize().unwrap();
    copy(&world.git.root(), &folder.join("copy"));
    remove(&world, &world.tree);
    assert_ne!(new(add(&world, &world.ctx.home, &folder.join("copy"))).id, world.tree);
    assert_eq!(new(add(&world, &world.ctx.home, &world.git.root())).id, world.tree);
}

#[test]
fn a_new_worktree_does_not_go_on_as_one_that_was_deleted() {
    for is_removed in [false, true] {
        let mut world = captured();
        let first = linked(&world, "first");
        let id = new(add(&world, &world.ctx.home, &first)).id;
        snapshot_as(&mut world, &id);
        if is_removed {
            remove(&world, &id);
        }
        world.git.git(&["worktree", "remove", "--force", first.to_str().unwrap()]);
        let second = linked(&world, "second");
        assert_ne!(new(add(&world, &world.ctx.home, &second)).id, id);
        let third = linked(&world, "third");
        let mut registry = Registry::open(&world.ctx.home).unwrap();
        let came = registry.add_linked(&world.repo(), &world.ctx.device.id(), NOW).unwrap();
        assert_eq!(came.iter().map(|tree| tree.root.clone()).collect::<Vec<_>>(), [third]);
        assert_ne!(came[0].id, id);
    }
}

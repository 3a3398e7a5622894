use std::fs;

use carry_kernel::home::Home;

use super::*;
use crate::history::fixture::{Fixture, init, run};
use crate::registry::UnansweredRow;

const NOW: Timestamp = Timestamp::from_secs(1_795_171_200);

fn device() -> DeviceId {
    DeviceId::new("here", &[1; 32])
}

struct World {
    fixture: Fixture,
    registry: Registry,
}

impl World {
    /// One repository with a commit, and an empty registry.
    fn new() -> Self {
        let fixture = Fixture::new();
        fixture.git(&["commit", "-q", "--allow-empty", "-m", "start"]);
        let registry = Registry::open(&Home::at(fixture.folder().join("home"))).unwrap();
        Self { fixture, registry }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.fixture.folder().join(name)
    }

    fn add(&mut self, name: &str) -> Added {
        let repo = Repo::open(&self.path(name)).unwrap();
        self.registry.add(&repo, &device(), NOW, false, None).unwrap()
    }

    fn add_linked(&mut self, name: &str) -> Vec<PathBuf> {
        let repo = Repo::open(&self.path(name)).unwrap();
        self.registry.add_linked(&repo, &device(), NOW).unwrap().into_iter().map(|tree| tree.root).collect()
    }

    fn worktree(&self, name: &str) {
        self.fixture.git(&["worktree", "add", "-q", "--detach", self.path(name).to_str().unwrap()]);
    }
}

fn tree(added: Added) -> Tree {
    match added {
        Added::New(tree) | Added::Known(tree) | Added::Moved { tree, .. } => tree,
    }
}

#[test]
fn registering_twice_gives_the_same_tree() {
    let mut world = World::new();
    let Added::New(first) = world.add("repo") else { panic!("not new") };
    assert_eq!((first.root.clone(), first.common_dir.clone()), (world.path("repo"), world.path("repo/.git")));
    assert_eq!((first.added, first.paused, first.automatic), (NOW, false, false));
    assert_eq!(world.add("repo"), Added::Known(first.clone()));
    assert_eq!(world.registry.trees().unwrap(), std::slice::from_ref(&first));
    assert_eq!(world.registry.by_root(&world.path("repo")).unwrap(), Some(first));
    assert_eq!(world.registry.by_root(&world.path("repo/")).unwrap().map(|t| t.root), None);
}

#[test]
fn a_moved_tree_keeps_its_id_and_what_is_known_of_its_objects() {
    let mut world = World::new();
    let first = tree(world.add("repo"));
    let pack = first.common_dir.join("objects/pack/pack-1.pack");
    fs::create_dir_all(pack.parent().unwrap()).unwrap();
    fs::File::create(&pack).unwrap();
    world.registry.note_pack(&first.common_dir, &pack, 9).unwrap();
    world.registry.set_durable_until(&first.common_dir, NOW).unwrap();
    let log = carry_exchange::name::LogId::of_key(&[7; 32]);
    let unanswered = UnansweredRow {
        log,
        id: "whole.1".parse().unwrap(),
        common_dir: first.common_dir.clone(),
        branch: None,
        asked_by: vec![log],
        failures: 1,
        tried: NOW,
        version: "1".to_owned(),
        state: crate::stream::LineStanding::Failed { message: "full".to_owned() },
    };
    world.registry.note_unanswered(&unanswered).unwrap();

    fs::rename(world.path("repo"), world.path("moved")).unwrap();
    assert_eq!(world.registry.presence(&first), Presence::Missing);
    let Added::Moved { tree: moved, from } = world.add("moved") else { panic!("not moved") };
    assert_eq!((moved.id, from), (first.id, world.path("repo")));
    let store = world.path("moved/.git");
    assert_eq!(world.registry.packs(&store).unwrap(), [(store.join("objects/pack/pack-1.pack"), 9)]);
    assert_eq!(world.registry.durable_until(&store).unwrap(), Some(NOW));
    assert_eq!(world.registry.durable_until(&first.common_dir).unwrap(), None);
    assert_eq!(world.registry.unanswered().unwrap(), [UnansweredRow { common_dir: store, ..unanswered }]);
    assert_eq!(world.registry.trees().unwrap().len(), 1);
}

#[test]
fn a_copy_and_a_new_clone_where_one_was_deleted_get_their_own_id() {
    let mut world = World::new();
    let first = tree(world.add("repo"));
    let copied =
        std::process::Command::new("cp").arg("-a").arg(world.path("repo")).arg(world.path("copy")).status().unwrap();
    assert!(copied.success());
    let copy = tree(world.add("copy"));
    assert_ne!(copy.id, first.id);
    // File systems give a new folder the inode of one just deleted.
    fs::remove_dir_all(world.path("repo")).unwrap();
    init(&world.path("other"));
    if Place::of(&world.path("other")).is_some_and(|place| place.born.is_some()) {
        assert!(matches!(world.add("other"), Added::New(_)));
    }
}

#[test]
fn the_home_directory_and_the_root_need_force() {
    let mut world = World::new();
    let repo = Repo::open(&world.path("repo")).unwrap();
    let link = world.path("link");
    std::os::unix::fs::symlink(world.path("repo"), &link).unwrap();
    for home in [world.path("repo"), link] {
        let refused = world.registry.add(&repo, &device(), NOW, false, Some(&home)).unwrap_err();
        assert!(matches!(refused, RegistryError::Guarded { what: "your home directory", .. }), "{refused}");
    }
    assert!(world.registry.trees().unwrap().is_empty());
    let home = world.path("repo");
    assert!(matches!(world.registry.add(&repo, &device(), NOW, true, Some(&home)), Ok(Added::New(_))));
    assert_eq!(guarded(Path::new("/"), None), Some("the root of the file system"));
    assert_eq!(guarded(&world.path("repo"), Some(&world.path(""))), None);
}

#[test]
fn linked_worktrees_come_by_themselves_but_never_the_main_one() {
    let mut world = World::new();
    world.worktree("linked");
    assert!(world.add_linked("repo").is_empty(), "the repository is not registered");
    world.add("repo");
    assert_eq!(world.add_linked("repo"), [world.path("linked")]);
    assert!(world.add_linked("repo").is_empty(), "it is known now");
    let linked = world.registry.by_root(&world.path("linked")).unwrap().unwrap();
    assert!(linked.automatic);
    assert_eq!(linked.common_dir, world.path("repo/.git"));

    let main = world.registry.by_root(&world.path("repo")).unwrap().unwrap();
    assert!(world.registry.remove(&main.id).unwrap());
    assert!(world.add_linked("linked").is_empty());
}

#[test]
fn a_removed_worktree_stays_away_until_it_is_asked_for() {
    let mut world = World::new();
    world.worktree("linked");
    world.add("repo");
    world.add_linked("repo");
    let linked = world.registry.by_root(&world.path("linked")).unwrap().unwrap();
    assert!(world.registry.remove(&linked.id).unwrap());
    assert!(!world.registry.remove(&linked.id).unwrap());
    assert!(world.add_linked("repo").is_empty());
    assert!(!tree(world.add("linked")).automatic);
    let again = world.registry.by_root(&world.path("linked")).unwrap().unwrap();
    world.registry.remove(&again.id).unwrap();
    assert!(world.add_linked("repo").is_empty(), "one that was asked for does not come back either");
}

#[test]
fn asking_for_an_automatic_tree_makes_it_the_users() {
    let mut world = World::new();
    world.worktree("linked");
    world.add("repo");
    world.add_linked("repo");
    assert!(!tree(world.add("linked")).automatic);
    assert!(!world.registry.by_root(&world.path("linked")).unwrap().unwrap().automatic);
}

#[test]
fn linked_worktrees_follow_a_main_one_that_moved() {
    let mut world = World::new();
    world.worktree("linked");
    world.add("repo");
    world.add_linked("repo");
    fs::rename(world.path("repo"), world.path("moved")).unwrap();
    world.add("moved");
    run(&world.path("moved"), &["worktree", "repair"]);
    let linked = world.registry.by_root(&world.path("linked")).unwrap().unwrap();
    assert_eq!(linked.common_dir, world.path("moved/.git"));
    assert_eq!(world.registry.presence(&linked), Presence::Present);
}

#[test]
fn presence_tells_missing_from_replaced() {
    let mut world = World::new();
    world.worktree("linked");
    let main = tree(world.add("repo"));
    let linked = tree(world.add("linked"));
    for tree in [&main, &linked] {
        assert_eq!(world.registry.presence(tree), Presence::Present);
    }
    fs::rename(world.path("repo/.git"), world.path("kept")).unwrap();
    assert_eq!(world.registry.presence(&main), Presence::Replaced);
    assert_eq!(world.registry.presence(&linked), Presence::Replaced);
    fs::rename(world.path("kept"), world.path("repo/.git")).unwrap();
    fs::remove_dir_all(world.path("linked")).unwrap();
    assert_eq!(world.registry.presence(&linked), Presence::Missing);
    init(&world.path("linked"));
    assert_eq!(world.registry.presence(&linked), Presence::Replaced);
}

#[test]
fn pausing_is_remembered_and_a_path_may_be_any_bytes() {
    let mut world = World::new();
    let name = OsString::from_vec(b"n\xffd".to_vec());
    let root = world.fixture.folder().join(&name);
    fs::rename(world.path("repo"), &root).unwrap();
    let repo = Repo::open(&root).unwrap();
    let added = tree(world.registry.add(&repo, &device(), NOW, false, None).unwrap());
    assert!(world.registry.set_paused(&added.id, true).unwrap());
    assert_eq!(world.registry.by_root(&root).unwrap(), Some(Tree { paused: true, ..added }));
    assert!(!world.registry.set_paused(&TreeId::random(), true).unwrap());
}

#[test]
fn a_new_clone_at_the_same_place_does_not_inherit_what_was_counted() {
    let mut world = World::new();
    let first = tree(world.add("repo"));
    let counted = |state: &mut crate::registry::TreeState| (state.snapshots, state.bytes) = (7, 700);
    world.registry.update_state(&first.id, counted).unwrap();
    assert_eq!(tree(world.add("repo")).id, first.id);
    assert_eq!(world.registry.bytes_used(&first.common_dir).unwrap(), (700, 700));
    // The old one still exists elsewhere, so that the new one cannot have its inode.
    fs::rename(world.path("repo"), world.path("away")).unwrap();
    init(&world.path("repo"));
    assert_eq!(world.add("repo"), Added::Known(first.clone()));
    let state = world.registry.state(&first.id).unwrap();
    assert_eq!((state.snapshots, state.bytes), (0, 0));
    assert_eq!(world.registry.bytes_used(&first.common_dir).unwrap(), (0, 0));
}

use std::fs::File;

use super::*;
use crate::git::fixture::{Fixture, write};
use crate::pack::{Batch, Kind, remove_leftovers};

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    fixture: Fixture,
    objects: PathBuf,
}

impl World {
    fn new() -> Self {
        let fixture = Fixture::init(&[]);
        let objects = fixture.root().join(".git/objects");
        Self { fixture, objects }
    }

    /// A pack with its index.
    fn pack(&self, content: &str) -> PathBuf {
        let mut batch = Batch::new(self.fixture.open().hash());
        batch.add(Kind::Blob, content.as_bytes());
        batch.write(&self.objects).unwrap().pack.unwrap()
    }

    /// One that lost it, last written so long ago.
    fn orphan(&self, content: &str, age: Duration) -> PathBuf {
        let pack = self.pack(content);
        std::fs::remove_file(pack.with_extension("idx")).unwrap();
        self.age(&pack, age);
        pack
    }

    fn age(&self, path: &Path, age: Duration) {
        File::open(path).unwrap().set_modified(self.now() - age).unwrap();
    }

    fn now(&self) -> SystemTime {
        stamp(&self.objects).unwrap()
    }
}

#[test]
fn only_old_packs_without_any_index_are_found() {
    let world = World::new();
    let whole = world.pack("whole");
    world.age(&whole, HOUR);
    world.orphan("young", Duration::from_secs(60));
    let kept = world.orphan("kept", HOUR);
    write(&kept.with_extension("keep"), b"theirs\n");
    let old = world.orphan("old", HOUR);
    assert_eq!(without_index(&world.objects, world.now()), [old]);
}

#[test]
fn a_pack_that_a_multi_pack_index_names_has_an_index() {
    let world = World::new();
    let named = world.pack("named");
    world.fixture.git(&["multi-pack-index", "write"]);
    std::fs::remove_file(named.with_extension("idx")).unwrap();
    world.age(&named, HOUR);
    assert_eq!(without_index(&world.objects, world.now()), Vec::<PathBuf>::new());
    assert_eq!(remove_orphans(&world.objects, std::slice::from_ref(&named)), 0);
    assert!(named.exists());
}

#[test]
fn only_what_is_ours_is_removed() {
    let world = World::new();
    let (ours, theirs) = (world.orphan("ours", HOUR), world.orphan("theirs", HOUR));
    let young = world.orphan("young", Duration::ZERO);
    let day = [("tmp_pack_carry_old", 25), ("tmp_pack_carry_new", 1), ("tmp_pack_theirs", 25)].map(|(name, hours)| {
        let path = world.objects.join("pack").join(name);
        write(&path, b"half");
        world.age(&path, hours * HOUR);
        path
    });
    assert_eq!(remove_orphans(&world.objects, &[ours.clone(), young.clone()]), 2);
    assert!(!ours.exists() && theirs.exists() && young.exists());
    assert_eq!(day.map(|path| path.exists()), [false, true, true]);
    assert_eq!(remove_orphans(&world.objects, &[ours, young]), 0, "again does nothing");
}

#[test]
fn nothing_is_removed_while_git_collects() {
    let world = World::new();
    let ours = world.orphan("ours", HOUR);
    write(&world.fixture.root().join(".git/gc.pid"), format!("{} elsewhere.invalid", 1).as_bytes());
    assert_eq!(remove_orphans(&world.objects, std::slice::from_ref(&ours)), 0);
    assert!(ours.exists());
}

#[test]
fn a_pack_whose_writer_died_before_the_index_goes_with_its_keep_file() {
    let world = World::new();
    let (whole, half) = (world.pack("whole"), world.orphan("half", Duration::ZERO));
    for pack in [&whole, &half] {
        write(&pack.with_extension("keep"), b"carry\n");
    }
    remove_leftovers(&world.objects);
    assert!(!half.exists() && !half.with_extension("keep").exists());
    assert!(whole.exists() && !whole.with_extension("keep").exists());
}

#[test]
fn who_writes_the_same_pack_again_takes_the_keep_file_over() {
    let world = World::new();
    let half = world.orphan("half", Duration::ZERO);
    write(&half.with_extension("keep"), b"carry\n");
    let keep = super::super::Keep::new(&half).unwrap().expect("nobody holds it");
    remove_leftovers(&world.objects);
    assert!(half.exists(), "its index is on the way");
    drop(keep);
    assert!(!half.with_extension("keep").exists());
}

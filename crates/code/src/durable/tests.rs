use std::time::SystemTime;

use super::*;
use crate::git::HashKind;
use crate::git::fixture::{Fixture, git, write};
use crate::pack::{Batch, Kind};

fn loose_path(fixture: &Fixture, id: &ObjectId) -> PathBuf {
    let hex = id.to_string();
    fixture.root().join(".git/objects").join(&hex[..2]).join(&hex[2..])
}

/// Stamps a file as an hour older than it is; returns that time.
fn age(path: &Path) -> SystemTime {
    let old = path.metadata().unwrap().modified().unwrap() - Duration::from_secs(3600);
    let file = File::open(path).unwrap();
    file.set_modified(old).unwrap();
    old
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

fn packs(fixture: &Fixture) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(fixture.root().join(".git/objects/pack")).unwrap();
    dir.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "pack")).collect()
}

#[test]
fn all_loose_objects_and_their_folders_are_synced() {
    let fixture = Fixture::init(&[]);
    let repo = fixture.open();
    assert_eq!(sync_loose_since(&repo, None).unwrap(), 1, "only the folder of all");
    let ids: Vec<_> = (0..5).map(|n| fixture.loose_blob(&[n])).collect();
    let mut folders: Vec<_> = ids.iter().map(|id| id.first_byte()).collect();
    folders.sort_unstable();
    folders.dedup();
    let expected = u32::try_from(5 + folders.len() + 1).unwrap();
    assert_eq!(sync_loose_since(&repo, None).unwrap(), expected);
    // Git's own unfinished files are none of ours.
    write(&loose_path(&fixture, &ids[0]).with_file_name("tmp_obj_x"), b"");
    assert_eq!(sync_loose_since(&repo, None).unwrap(), expected);
}

#[test]
fn only_what_is_new_is_synced() {
    let fixture = Fixture::init(&[]);
    let repo = fixture.open();
    let id = fixture.loose_blob(b"x");
    let now = Timestamp::from(modified(&loose_path(&fixture, &id)));
    assert_eq!(sync_loose_since(&repo, Some(now)).unwrap(), 3);
    assert_eq!(sync_loose_since(&repo, Some(now.after(Duration::from_secs(60)))).unwrap(), 0);
    // The time a file was given its name counts, not only when it was written.
    age(&loose_path(&fixture, &id));
    assert_eq!(sync_loose_since(&repo, Some(now)).unwrap(), 3);
}

#[test]
fn very_many_are_synced_at_once() {
    let fixture = Fixture::init(&[]);
    let names: Vec<String> = (0..SYNC_ALL).map(|n| format!("file-{n}")).collect();
    for name in &names {
        write(&fixture.root().join(name), name.as_bytes());
    }
    fixture.git(&["add", "."]);
    let fsyncs = sync_loose_since(&fixture.open(), None).unwrap();
    assert_eq!(fsyncs == 1, cfg!(any(target_os = "linux", target_os = "android")));
}

#[test]
fn a_loose_object_is_marked_as_used() {
    let fixture = Fixture::init(&[]);
    let id = fixture.loose_blob(b"x");
    let old = age(&loose_path(&fixture, &id));
    assert_eq!(freshen(&fixture.open(), &[id, id]).unwrap(), [] as [ObjectId; 0]);
    assert!(modified(&loose_path(&fixture, &id)) > old);
}

#[test]
fn a_packed_object_is_marked_by_its_pack() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fixture.git(&["repack", "-adq"]);
    let (old, id) = (age(&packs(&fixture)[0]), fixture.id("HEAD:file"));
    assert_eq!(freshen(&repo, &[id, fixture.id("HEAD")]).unwrap(), [] as [ObjectId; 0]);
    assert!(modified(&packs(&fixture)[0]) > old);
}

#[test]
fn what_does_not_exist_is_returned() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    let (head, gone) = (fixture.id("HEAD"), Batch::id_of(HashKind::Sha1, Kind::Blob, b"nowhere"));
    let empty = fixture.loose_blob(b"x");
    let file = loose_path(&fixture, &empty);
    std::fs::remove_file(&file).unwrap();
    write(&file, b"");
    for _ in 0..2 {
        assert_eq!(freshen(&repo, &[gone, head, empty]).unwrap(), [gone, empty]);
        assert_eq!(missing(&repo, &[gone, head, empty]).unwrap(), [gone, empty]);
        fixture.git(&["repack", "-adq"]);
    }
}

#[test]
fn a_pack_for_unreachable_objects_protects_nothing() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    let id = fixture.loose_blob(b"unreachable");
    fixture.git(&["repack", "--cruft", "-dq"]);
    assert!(!loose_path(&fixture, &id).exists());
    assert_eq!(missing(&repo, &[id]).unwrap(), [] as [ObjectId; 0]);
    assert_eq!(freshen(&repo, &[id]).unwrap(), [id]);
}

#[test]
fn a_freshened_object_survives_a_gc() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    let ids: Vec<_> = [&b"kept"[..], b"lost"].map(|text| fixture.loose_blob(text)).into();
    for id in &ids {
        age(&loose_path(&fixture, id));
    }
    assert_eq!(freshen(&repo, &ids[..1]).unwrap(), [] as [ObjectId; 0]);
    fixture.git(&["prune", "--expire=30.minutes.ago"]);
    assert_eq!(missing(&repo, &ids).unwrap(), ids[1..]);
}

#[test]
fn what_vanished_since_the_repository_was_opened_is_missing() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    let mut batch = Batch::new(repo.hash());
    let id = batch.add(Kind::Blob, b"in a pack of ours");
    let pack = batch.write(&repo.objects_dir()).unwrap().pack.unwrap();
    assert!(repo.gix().has_object(id));
    assert_eq!(missing(&repo, &[id]).unwrap(), [] as [ObjectId; 0]);
    std::fs::remove_file(&pack).unwrap();
    assert_eq!(missing(&repo, &[id]).unwrap(), [id]);
    assert_eq!(freshen(&repo, &[id]).unwrap(), [id]);
}

#[test]
fn objects_of_an_alternate_count() {
    let fixture = Fixture::new();
    git(&fixture.dir(), &["clone", "--quiet", "--shared", "repo", "copy"]);
    let copy = Repo::open(&fixture.dir().join("copy")).unwrap();
    let id = fixture.id("HEAD:file");
    let old = age(&loose_path(&fixture, &id));
    assert_eq!(missing(&copy, &[id]).unwrap(), [] as [ObjectId; 0]);
    assert_eq!(freshen(&copy, &[id]).unwrap(), [] as [ObjectId; 0]);
    assert!(modified(&loose_path(&fixture, &id)) > old);
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_missing() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    let repo = fixture.open();
    let id = fixture.loose_blob(b"x");
    let folder = loose_path(&fixture, &id).parent().unwrap().to_owned();
    let chmod = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    chmod(0o000);
    // Root may read everything.
    let unreadable = std::fs::read_dir(&folder).is_err();
    let answer = missing(&repo, &[id]);
    chmod(0o755);
    assert_eq!(answer.is_err(), unreadable);
    // This one stops root as well: a link that leads to itself.
    std::fs::remove_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(&folder, &folder).unwrap();
    assert!(missing(&repo, &[id]).is_err());
    assert!(freshen(&repo, &[id]).is_err());
}

#[test]
fn an_alternate_that_is_not_there_makes_nothing_missing() {
    let fixture = Fixture::new();
    git(&fixture.dir(), &["clone", "--quiet", "--shared", "repo", "copy"]);
    let copy = Repo::open(&fixture.dir().join("copy")).unwrap();
    let id = fixture.id("HEAD:file");
    let store = fixture.root().join(".git/objects");
    let away = fixture.dir().join("away");
    std::fs::rename(&store, &away).unwrap();
    assert!(missing(&copy, &[id]).is_err(), "gone");
    std::fs::create_dir(&store).unwrap();
    assert!(missing(&copy, &[id]).is_err(), "an empty mount point");
    std::fs::remove_dir(&store).unwrap();
    std::fs::rename(&away, &store).unwrap();
    assert_eq!(missing(&copy, &[id]).unwrap(), [] as [ObjectId; 0]);
}

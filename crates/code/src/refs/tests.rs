use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::git::HashKind;
use crate::git::fixture::{Fixture, write};

const NAME: &str = "refs/carry/laptop-0a1b2c3d/tree/main";

/// A repository with three commits, and those, oldest first.
fn commits(args: &[&str]) -> (Fixture, [ObjectId; 3]) {
    let fixture = Fixture::init(args);
    let ids = ["one", "two", "three"].map(|text| fixture.commit("file", text));
    (fixture, ids)
}

fn path(fixture: &Fixture, name: &str) -> PathBuf {
    fixture.root().join(".git").join(name)
}

fn git_value(fixture: &Fixture, name: &str) -> Option<ObjectId> {
    let output = fixture.try_git(&["rev-parse", "--quiet", "--verify", name]);
    output.status.success().then(|| ObjectId::from_hex(output.stdout.trim_ascii()).unwrap())
}

fn moves_only_from_what_was_expected(args: &[&str]) {
    let (fixture, [one, two, three]) = commits(args);
    let repo = fixture.open();
    assert_eq!(read(&repo, NAME).unwrap(), None);
    assert!(matches!(update(&repo, NAME, Some(one), two), Err(RefError::Moved { found: None, .. })));
    assert!(update(&repo, NAME, None, one).unwrap() >= 1);
    assert_eq!(git_value(&fixture, NAME), Some(one));
    update(&repo, NAME, Some(one), two).unwrap();
    for old in [None, Some(one)] {
        let moved = update(&repo, NAME, old, three);
        assert!(matches!(moved, Err(RefError::Moved { found: Some(now), .. }) if now == two), "{moved:?}");
    }
    fixture.git(&["pack-refs", "--all", "--prune"]);
    assert_eq!(read(&repo, NAME).unwrap(), Some(two));
    let moved = update(&repo, NAME, Some(one), three);
    assert!(matches!(moved, Err(RefError::Moved { found: Some(now), .. }) if now == two), "{moved:?}");
    update(&repo, NAME, Some(two), three).unwrap();
    assert_eq!(git_value(&fixture, NAME), Some(three));
    assert_eq!(fixture.git(&["reflog", "list"]).matches("carry").count(), 0);

    let other = format!("{NAME}-other");
    update(&repo, &other, None, one).unwrap();
    assert_eq!(list(&repo, "refs/carry/").unwrap(), [(NAME.to_owned(), three), (other.clone(), one)]);
    assert_eq!(list(&repo, &other).unwrap(), [(other.clone(), one)]);
    assert_eq!(list(&repo, "refs/carry-keep/").unwrap(), []);

    assert!(matches!(delete(&repo, NAME, one), Err(RefError::Moved { found: Some(now), .. }) if now == three));
    delete(&repo, NAME, three).unwrap();
    assert_eq!((read(&repo, NAME).unwrap(), git_value(&fixture, NAME)), (None, None));
    assert!(matches!(delete(&repo, NAME, three), Err(RefError::Moved { found: None, .. })));
    fixture.git(&["fsck", "--strict"]);
}

#[test]
fn a_ref_moves_only_from_what_was_expected() {
    moves_only_from_what_was_expected(&[]);
}

#[test]
fn so_it_does_in_sha256_repositories() {
    moves_only_from_what_was_expected(&["--object-format=sha256"]);
}

#[test]
fn so_it_does_in_reftable_repositories() {
    moves_only_from_what_was_expected(&["--ref-format=reftable"]);
}

#[test]
fn a_linked_worktree_shares_them() {
    let (fixture, [one, ..]) = commits(&[]);
    fixture.git(&["worktree", "add", "--quiet", "--detach", "../side"]);
    let side = Repo::open(&fixture.dir().join("side")).unwrap();
    update(&side, NAME, None, one).unwrap();
    assert_eq!(git_value(&fixture, NAME), Some(one));
    assert_eq!(read(&fixture.open(), NAME).unwrap(), Some(one));
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    let (fixture, [one, ..]) = commits(&[]);
    let repo = fixture.open();
    for name in
        ["HEAD", "carry", "refs/../config", "refs/carry/", "/refs/carry/x", "refs/carry/x.lock", "refs/carry/a b"]
    {
        assert!(matches!(update(&repo, name, None, one), Err(RefError::Git { .. })), "{name}");
        assert!(matches!(read(&repo, name), Err(RefError::Git { .. })), "{name}");
        assert!(delete(&repo, name, one).is_err(), "{name}");
    }
    assert!(matches!(update(&repo, NAME, None, HashKind::Sha1.null()), Err(RefError::Git { .. })));
}

#[test]
fn a_name_and_a_folder_of_that_name_exclude_each_other() {
    let (fixture, [one, ..]) = commits(&[]);
    let repo = fixture.open();
    update(&repo, NAME, None, one).unwrap();
    let (above, below) = ("refs/carry/laptop-0a1b2c3d/tree".to_owned(), format!("{NAME}/deeper"));
    for packed in [false, true] {
        if packed {
            fixture.git(&["pack-refs", "--all", "--prune"]);
            assert!(!path(&fixture, NAME).exists());
        }
        for name in [&above, &below] {
            let made = update(&repo, name, None, one);
            assert!(matches!(made, Err(RefError::Git { .. })), "{name}, packed: {packed}: {made:?}");
        }
    }
    delete(&repo, NAME, one).unwrap();
    std::fs::create_dir_all(path(&fixture, &below)).unwrap();
    update(&repo, NAME, None, one).unwrap();
    assert_eq!(git_value(&fixture, NAME), Some(one));
}

#[test]
fn hooks_of_the_user_are_not_run() {
    for args in [&[][..], &["--ref-format=reftable"]] {
        let (fixture, [one, ..]) = commits(args);
        let hook = path(&fixture, "hooks/reference-transaction");
        write(&hook, b"#!/bin/sh\nexit 1\n");
        std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let repo = fixture.open();
        update(&repo, NAME, None, one).unwrap();
        delete(&repo, NAME, one).unwrap();
    }
}

/// Makes a lock that is as old as `age`; open.
fn old_lock(fixture: &Fixture, name: &str, age: u64) -> File {
    let lock = path(fixture, &format!("{name}.lock"));
    write(&lock, b"");
    let file = File::options().write(true).open(lock).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - Duration::from_secs(age)).unwrap();
    file
}

#[test]
fn a_lock_is_respected_unless_it_is_a_leftover_of_ours() {
    let (fixture, [one, two, _]) = commits(&[]);
    let repo = fixture.open();
    let locked = |name: &str, old| matches!(update(&repo, name, old, two), Err(RefError::Locked { .. }));

    drop(old_lock(&fixture, NAME, 30));
    assert!(locked(NAME, None), "it is young");
    drop(old_lock(&fixture, "refs/heads/other", 3600));
    assert!(locked("refs/heads/other", None), "it is not in our part of the refs");
    let held = old_lock(&fixture, NAME, 3600);
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(locked(NAME, None), "a process holds it");
    assert!(path(&fixture, &format!("{NAME}.lock")).exists());

    drop(held);
    update(&repo, NAME, None, one).unwrap();
    assert!(!path(&fixture, &format!("{NAME}.lock")).exists());
}

#[test]
fn writers_and_gits_packing_do_not_disturb_each_other() {
    let (fixture, ids) = commits(&[]);
    let repo = fixture.open();
    let busy = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let packer = scope.spawn(|| {
            while busy.load(Ordering::Relaxed) {
                fixture.git(&["pack-refs", "--all", "--prune"]);
            }
        });
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let repo = &repo;
                scope.spawn(move || {
                    let name = format!("refs/carry/device-{n}/tree/main");
                    let mut old = None;
                    for new in ids.iter().cycle().take(60) {
                        // Tests wait for a lock of Git's less long than the program does.
                        while let Err(e) = update(repo, &name, old, *new) {
                            assert!(matches!(e, RefError::Locked { .. }), "{e}");
                        }
                        old = Some(*new);
                        assert_eq!(read(repo, &name).unwrap(), old);
                    }
                })
            })
            .collect();
        let results: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        busy.store(false, Ordering::Relaxed);
        packer.join().unwrap();
        results.into_iter().for_each(|r| r.unwrap());
    });
    assert_eq!(list(&repo, "refs/carry/").unwrap().len(), 4);
    assert_eq!(fixture.git(&["for-each-ref", "refs/carry"]).lines().count(), 4);
}

#[test]
fn of_two_that_move_a_ref_from_the_same_value_one_wins() {
    let (fixture, [one, two, three]) = commits(&[]);
    let repo = fixture.open();
    for n in 0..20 {
        let name = format!("refs/carry/device/tree/{n}");
        update(&repo, &name, None, one).unwrap();
        let results = std::thread::scope(|scope| {
            [two, three]
                .map(|new| {
                    scope.spawn({
                        let (repo, name) = (&repo, &name);
                        move || update(repo, name, Some(one), new).is_ok()
                    })
                })
                .map(|t| t.join().unwrap())
        });
        assert_eq!(results.iter().filter(|ok| **ok).count(), 1, "{results:?}");
    }
}

/// Runs the test `child` in a process that fails as `fault` says.
fn in_child(fixture: &Fixture, fault: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "refs::tests::child"])
        .env("CARRY_TEST_ROOT", fixture.root())
        .env("CARRY_FAULT", fault)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "{fault} was not reached");
}

#[test]
fn child() {
    // Nothing to do unless another test runs this as a process of its own.
    if std::env::var_os("CARRY_TEST_ROOT").is_none() {
        return;
    }
    let repo = Repo::open(std::path::Path::new(&std::env::var_os("CARRY_TEST_ROOT").unwrap())).unwrap();
    let new = repo.head().unwrap().commit.unwrap();
    let old = read(&repo, NAME).unwrap();
    update(&repo, NAME, old, new).unwrap();
}

#[test]
fn a_process_that_dies_leaves_the_old_value_or_the_new() {
    let points = [
        "ref.locked=kill",
        "ref.write=kill",
        "ref.write=torn",
        "ref.written=kill",
        "ref.renamed=kill",
        "ref.done=kill",
    ];
    for (fault, moved) in points.into_iter().zip([false, false, false, false, true, true]) {
        let (fixture, [one, _, three]) = commits(&[]);
        let repo = fixture.open();
        update(&repo, NAME, None, one).unwrap();
        in_child(&fixture, fault);
        let now = if moved { three } else { one };
        assert_eq!(read(&repo, NAME).unwrap(), Some(now), "{fault}");
        assert_eq!(broken(&repo).unwrap(), []);
        fixture.git(&["fsck", "--strict"]);
        // What is left is a lock at most, and that is dealt with.
        let lock = path(&fixture, &format!("{NAME}.lock"));
        assert_eq!(lock.exists(), !moved, "{fault}");
        update(&repo, NAME, Some(now), one).unwrap();
    }
}

#[test]
fn an_error_leaves_the_old_value_and_no_lock() {
    for fault in ["ref.locked=error", "ref.write=enospc", "ref.written=error"] {
        let (fixture, [one, ..]) = commits(&[]);
        let repo = fixture.open();
        update(&repo, NAME, None, one).unwrap();
        in_child(&fixture, fault);
        assert_eq!(read(&repo, NAME).unwrap(), Some(one));
        assert!(!path(&fixture, &format!("{NAME}.lock")).exists(), "{fault}");
    }
}

/// A commit object that names a tree which does not exist.
fn headless(fixture: &Fixture) -> ObjectId {
    let commit =
        b"tree 1111111111111111111111111111111111111111\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n";
    write(&fixture.dir().join("commit"), commit);
    let id = fixture.git(&["hash-object", "-w", "-t", "commit", "../commit"]);
    ObjectId::from_hex(id.as_bytes()).unwrap()
}

#[test]
fn broken_refs_are_found_and_repaired_so_that_git_works_again() {
    let missing = "1234567890123456789012345678901234567890\n";
    let damages: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("torn", b"12345678"),
        ("no id", b"hello, this is no object id at all, is it?\n"),
        ("dangling", missing.as_bytes()),
    ];
    for (what, content) in damages {
        for repairable in [true, false] {
            let (fixture, [one, two, _]) = commits(&[]);
            let repo = fixture.open();
            let good = "refs/carry/laptop-0a1b2c3d/tree/good";
            update(&repo, good, None, one).unwrap();
            assert_eq!(broken(&repo).unwrap(), []);
            write(&path(&fixture, NAME), content);
            let found = broken(&repo).unwrap();
            assert_eq!(found.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), [NAME], "{what}");
            assert!(!fixture.try_git(&["gc", "--quiet"]).status.success(), "{what}: git had no trouble with it");

            // Candidates that are not whole themselves are passed over.
            let gone = ObjectId::from_hex(missing.trim().as_bytes()).unwrap();
            let candidates = [gone, headless(&fixture), two];
            repair(&repo, &found[0], &candidates[..if repairable { 3 } else { 2 }]).unwrap();
            assert_eq!(read(&repo, NAME).unwrap(), repairable.then_some(two), "{what}");
            let notes = list(&repo, repair::TORN).unwrap();
            assert_eq!(notes.len(), usize::from(!repairable), "{what}");
            for (_, note) in notes {
                assert!(fixture.git(&["cat-file", "blob", &note.to_string()]).starts_with(NAME));
            }
            assert_eq!(broken(&repo).unwrap(), []);
            assert_eq!(read(&repo, good).unwrap(), Some(one));
            fixture.git(&["gc", "--quiet"]);
            fixture.git(&["fetch", "--quiet", ".", "refs/heads/main:refs/heads/copy"]);
            fixture.git(&["fsck", "--strict"]);
            // Again it does nothing.
            repair(&repo, &found[0], &[one]).unwrap();
            assert_eq!(read(&repo, NAME).unwrap(), repairable.then_some(two));
        }
    }
}

#[test]
fn a_broken_packed_ref_is_repaired_too() {
    for repairable in [true, false] {
        let (fixture, [one, two, _]) = commits(&[]);
        let repo = fixture.open();
        update(&repo, NAME, None, one).unwrap();
        fixture.git(&["pack-refs", "--all", "--prune"]);
        let packed = path(&fixture, "packed-refs");
        let content = std::fs::read_to_string(&packed).unwrap();
        let torn =
            content.replace(&format!("{one} {NAME}"), &format!("1234567890123456789012345678901234567890 {NAME}"));
        write(&packed, torn.as_bytes());
        let found = broken(&repo).unwrap();
        assert_eq!(found.len(), 1);
        repair(&repo, &found[0], &[two][..usize::from(repairable)]).unwrap();
        assert_eq!(read(&repo, NAME).unwrap(), repairable.then_some(two));
        fixture.git(&["gc", "--quiet"]);
    }
}

#[test]
fn without_a_candidate_a_whole_packed_value_is_taken() {
    let (fixture, [one, ..]) = commits(&[]);
    let repo = fixture.open();
    update(&repo, NAME, None, one).unwrap();
    fixture.git(&["pack-refs", "--all", "--prune"]);
    write(&path(&fixture, NAME), b"");
    repair(&repo, &broken(&repo).unwrap()[0], &[]).unwrap();
    assert_eq!(read(&repo, NAME).unwrap(), Some(one));
}

#[test]
fn a_ref_to_what_is_no_whole_commit_is_broken() {
    let (fixture, [_, two, _]) = commits(&[]);
    let repo = fixture.open();
    let blob = fixture.loose_blob(b"no commit");
    for bad in [blob, headless(&fixture)] {
        write(&path(&fixture, NAME), format!("{bad}\n").as_bytes());
        let found = broken(&repo).unwrap();
        assert_eq!(found.len(), 1);
        repair(&repo, &found[0], &[two]).unwrap();
        assert_eq!(read(&repo, NAME).unwrap(), Some(two));
    }
}

#[test]
fn a_dangling_ref_in_a_reftable_is_found_and_repaired() {
    for repairable in [true, false] {
        let (fixture, [_, two, _]) = commits(&["--ref-format=reftable"]);
        let repo = fixture.open();
        let lost = fixture.git(&["commit-tree", "HEAD^{tree}", "-m", "lost"]);
        let id = ObjectId::from_hex(lost.as_bytes()).unwrap();
        update(&repo, NAME, None, id).unwrap();
        std::fs::remove_file(path(&fixture, &format!("objects/{}/{}", &lost[..2], &lost[2..]))).unwrap();
        let found = broken(&repo).unwrap();
        assert_eq!(found.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), [NAME]);
        repair(&repo, &found[0], &[two][..usize::from(repairable)]).unwrap();
        assert_eq!(read(&repo, NAME).unwrap(), repairable.then_some(two));
        assert_eq!(broken(&repo).unwrap(), []);
        fixture.git(&["gc", "--quiet"]);
    }
}

#[test]
fn a_repository_that_was_moved_away_does_not_come_to_be_again() {
    let (fixture, [one, ..]) = commits(&[]);
    let repo = fixture.open();
    std::fs::rename(fixture.root(), fixture.dir().join("moved")).unwrap();
    let failed = update(&repo, NAME, None, one).unwrap_err();
    assert!(
        matches!(&failed, RefError::Disk(error) if error.source.kind() == std::io::ErrorKind::NotFound),
        "{failed:?}"
    );
    assert!(!fixture.root().exists());
}

#[test]
fn nothing_is_repaired_while_it_cannot_be_told_what_is_missing() {
    for args in [&[][..], &["--ref-format=reftable"]] {
        let (fixture, [one, _, three]) = commits(args);
        crate::git::fixture::git(&fixture.dir(), &["clone", "--quiet", "--shared", "repo", "copy"]);
        let copy = Repo::open(&fixture.dir().join("copy")).unwrap();
        update(&copy, NAME, None, three).unwrap();
        let away = fixture.dir().join("away");
        std::fs::rename(path(&fixture, "objects"), &away).unwrap();
        let found = broken(&copy).unwrap();
        assert_eq!(found.len(), 1, "it is told all the same");
        for candidates in [&[][..], &[one]] {
            assert!(repair(&copy, &found[0], candidates).is_err());
            assert_eq!(read(&copy, NAME).unwrap(), Some(three));
        }
        std::fs::rename(&away, path(&fixture, "objects")).unwrap();
        assert_eq!(broken(&copy).unwrap(), []);
    }
}

#[test]
fn a_seal_is_whole_only_with_what_its_keeper_names() {
    let (fixture, [commit, ..]) = commits(&[]);
    let tree = fixture.id("HEAD^{tree}");
    let store = |message: &str, parent: ObjectId| {
        let mut batch = crate::pack::Batch::new(HashKind::Sha1);
        let who = "Carry <carry@localhost> 1795171200 +0000";
        let raw = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{message}");
        let id = batch.add(crate::pack::Kind::Commit, raw.as_bytes());
        batch.write(&fixture.open().objects_dir()).unwrap();
        id
    };
    let nowhere = ObjectId::from_hex(&[b'1'; 40]).unwrap();
    let seal = |keeper| store("carry seal\n\n", keeper);
    let name = "refs/carry/laptop-0123abcd/0123456789ab/main";
    for (tip, problem) in [
        (seal(store(crate::keeper::MESSAGE, commit)), None),
        (seal(store(crate::keeper::MESSAGE, nowhere)), Some(nowhere)),
        (seal(nowhere), Some(nowhere)),
    ] {
        fixture.git(&["update-ref", "--no-deref", name, &commit.to_string()]);
        update(&fixture.open(), name, Some(commit), tip).unwrap();
        let found = broken(&fixture.open()).unwrap();
        let expected = problem.map(|id| format!("the object {id} is missing"));
        assert_eq!(found.first().map(|broken| broken.problem.clone()), expected);
    }
}

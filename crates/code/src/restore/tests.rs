use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::diff::mode;
use crate::pack::Kind;
use crate::prune::fixture::{Made, World, link, paths};
use crate::snapshot::{SkipReason, Skipped};

mod hostile;
mod random;
mod source;
mod staged;

fn steps(plan: &Plan) -> Vec<(String, Action)> {
    plan.steps.iter().map(|step| (step.path.to_string(), step.action.clone())).collect()
}

fn step(path: &str, action: Action) -> (String, Action) {
    (path.to_owned(), action)
}

/// Captures, plans and restores; nothing may fail.
fn restore(world: &World, snapshot: &Snapshot, asked: &[&str], exact: bool) -> Restored {
    let current = world.snapshot();
    let repo = world.repo();
    let plan = plan(&repo, snapshot, &current, &paths(asked), exact).unwrap();
    let restored = execute(&repo, &plan).unwrap();
    assert_eq!(restored.failed, []);
    restored
}

fn permissions(world: &World, path: &str) -> u32 {
    world.path(path).symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn set_permissions(world: &World, path: &str, mode: u32) {
    std::fs::set_permissions(world.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Names of temporary files that stayed behind.
fn left_behind(world: &World) -> String {
    world.git.git(&["ls-files", "--others", "*.carry-tmp-*"])
}

#[test]
fn missing_files_are_created_and_changed_ones_replaced() {
    let world = World::new();
    world.write("a/b/new", "new\n");
    world.write("run", "#!/bin/sh\n");
    set_permissions(&world, "run", 0o755);
    link("a/b/new", &world.path("link"));
    let snapshot = world.snapshot();
    world.write("file", "two\n");
    std::fs::remove_dir_all(world.path("a")).unwrap();
    std::fs::remove_file(world.path("link")).unwrap();
    std::fs::remove_file(world.path("run")).unwrap();

    let repo = world.repo();
    let current = world.snapshot();
    let plan = plan(&repo, &snapshot, &current, &paths(&[""]), false).unwrap();
    let expected = [
        step("a/b/new", Action::Create),
        step("file", Action::Replace),
        step("link", Action::Create),
        step("run", Action::Create),
    ];
    assert_eq!(steps(&plan), expected);
    let restored = execute(&repo, &plan).unwrap();
    assert_eq!(restored.written, paths(&["a/b/new", "file", "link", "run"]));
    assert_eq!(world.write_tree(), snapshot.tree);
    assert_eq!(world.read("file"), "one\n");
    assert_eq!(left_behind(&world), "");
}

#[test]
fn what_is_as_wanted_is_left_alone() {
    let world = World::new();
    let snapshot = world.snapshot();
    let before = world.path("file").metadata().unwrap();
    assert_eq!(restore(&world, &snapshot, &[""], true), Restored::default());
    assert_eq!(
        Stat::of(&rustix::fs::lstat(world.path("file")).unwrap()).ino,
        std::os::unix::fs::MetadataExt::ino(&before)
    );
}

#[test]
fn only_what_is_asked_for_comes_back() {
    let world = World::new();
    world.write("dir/a", "a\n");
    world.write("directory", "d\n");
    let snapshot = world.snapshot();
    for path in ["file", "dir/a", "directory"] {
        world.write(path, "changed\n");
    }
    restore(&world, &snapshot, &["./dir/"], false);
    assert_eq!(
        (world.read("dir/a"), world.read("directory"), world.read("file")),
        ("a\n".into(), "changed\n".into(), "changed\n".into())
    );
    restore(&world, &snapshot, &["file"], false);
    assert_eq!(world.read("file"), "one\n");
}

#[test]
fn nothing_asked_for_means_nothing_done_and_what_is_unknown_is_named() {
    let world = World::new();
    let snapshot = world.snapshot();
    world.write("file", "two\n");
    let current = world.snapshot();
    assert_eq!(plan(&world.repo(), &snapshot, &current, &[], true).unwrap(), Plan::default());
    let plan = plan(&world.repo(), &snapshot, &current, &paths(&["nowhere", "../x", "file/below"]), true).unwrap();
    assert_eq!(plan.not_found, paths(&["../x", "file/below", "nowhere"]));
    assert!(plan.steps.is_empty());
}

#[test]
fn a_file_that_no_capture_holds_is_kept_aside() {
    let world = World::new();
    world.write("data", "tracked once\n");
    let snapshot = world.snapshot();
    world.write("data", "precious\n");
    world.write("data.carry-kept-1", "taken\n");
    world.write(".gitignore", "data*\n");
    let restored = restore(&world, &snapshot, &["data"], false);
    assert_eq!(world.read("data"), "tracked once\n");
    assert_eq!(world.read("data.carry-kept-1"), "taken\n");
    assert_eq!(world.read("data.carry-kept-2"), "precious\n");
    assert_eq!(restored.kept, [("data".into(), world.path("data.carry-kept-2"))]);
}

#[test]
fn a_skipped_file_is_never_taken_for_what_was_last_known_of_it() {
    let world = World::new();
    let snapshot = world.snapshot();
    let tree = world.write_tree();
    world.write("file", "too large to capture\n");
    let skipped = vec![Skipped { path: "file".into(), reason: SkipReason::TooLarge }];
    // The capture's entry is the wanted one; what is on disk is neither.
    let current = world.made_of(tree, Made { skipped, ..Made::default() });
    let repo = world.repo();
    let plan = plan(&repo, &snapshot, &current, &paths(&[""]), false).unwrap();
    assert_eq!(steps(&plan), [step("file", Action::KeepAside)]);
    execute(&repo, &plan).unwrap();
    assert_eq!(world.read("file"), "one\n");
    assert_eq!(world.read("file.carry-kept-1"), "too large to capture\n");
}

#[test]
fn what_changes_after_the_plan_is_kept_aside_or_not_deleted() {
    let world = World::new();
    world.write("made", "made\n");
    let snapshot = world.snapshot();
    world.write("file", "two\n");
    world.write("later", "later\n");
    std::fs::remove_file(world.path("made")).unwrap();
    let (repo, current) = (world.repo(), world.snapshot());
    let plan = plan(&repo, &snapshot, &current, &paths(&[""]), true).unwrap();
    assert_eq!(
        steps(&plan),
        [step("file", Action::Replace), step("later", Action::Delete), step("made", Action::Create)]
    );
    for path in ["file", "later", "made"] {
        world.write(path, format!("{path}, saved just now\n"));
    }
    let restored = execute(&repo, &plan).unwrap();
    assert_eq!(world.read("file"), "one\n");
    assert_eq!(world.read("file.carry-kept-1"), "file, saved just now\n");
    assert_eq!(world.read("made"), "made\n");
    assert_eq!(world.read("made.carry-kept-1"), "made, saved just now\n");
    assert_eq!(world.read("later"), "later, saved just now\n");
    assert_eq!(restored.failed, [("later".into(), "it changed meanwhile".to_owned())]);
}

#[test]
fn exact_deletes_what_the_snapshot_lacks_and_the_folders_it_empties() {
    let world = World::new();
    world.write("dir/keep", "k\n");
    world.write(".gitignore", "*.log\n");
    let snapshot = world.snapshot();
    world.write("dir/deep/er/new", "n\n");
    world.write("dir/logs/x.log", "ignored\n");
    world.write("dir/logs/y", "y\n");
    world.write("other/new", "not asked for\n");
    let restored = restore(&world, &snapshot, &["dir"], true);
    assert_eq!(restored.deleted, paths(&["dir/deep/er/new", "dir/logs/y"]));
    assert!(!world.exists("dir/deep"));
    assert_eq!(world.read("dir/logs/x.log"), "ignored\n");
    assert!(world.exists("other/new") && world.exists("dir/keep"));

    // Without it nothing is deleted.
    world.write("dir/new", "n\n");
    assert_eq!(restore(&world, &snapshot, &["dir"], false), Restored::default());
}

#[test]
fn exact_in_a_folder_the_snapshot_lacks_deletes_nothing() {
    let world = World::new();
    let snapshot = world.snapshot();
    world.write("dir/new", "n\n");
    let (repo, current) = (world.repo(), world.snapshot());
    let plan = plan(&repo, &snapshot, &current, &paths(&["dir"]), true).unwrap();
    assert_eq!((plan.steps, plan.not_found), (vec![], paths(&["dir"])));
}

#[test]
fn a_file_takes_the_place_of_a_folder_whose_files_are_held() {
    let world = World::new();
    let snapshot = world.snapshot();
    std::fs::remove_file(world.path("file")).unwrap();
    world.write("file/a/b", "held\n");
    world.write("file/c", "held\n");
    std::fs::create_dir(world.path("file/empty")).unwrap();
    for exact in [false, true] {
        let current = world.snapshot();
        let plan = plan(&world.repo(), &snapshot, &current, &paths(&["file"]), exact).unwrap();
        assert_eq!(
            steps(&plan),
            [step("file", Action::Create), step("file/a/b", Action::Delete), step("file/c", Action::Delete)]
        );
    }
    restore(&world, &snapshot, &[""], false);
    assert_eq!(world.read("file"), "one\n");
}

#[test]
fn a_folder_with_something_that_is_not_held_is_kept_aside_whole() {
    let world = World::new();
    let snapshot = world.snapshot();
    std::fs::remove_file(world.path("file")).unwrap();
    world.write("file/held", "held\n");
    world.write("file/ignored", "precious\n");
    world.write(".gitignore", "ignored\n");
    for exact in [false, true] {
        let restored = restore(&world, &snapshot, &[""], exact);
        assert_eq!(restored.kept.len(), 1);
        assert_eq!(world.read("file"), "one\n");
        assert_eq!(world.read("file.carry-kept-1/ignored"), "precious\n");
        assert_eq!(world.read("file.carry-kept-1/held"), "held\n");
        std::fs::remove_file(world.path("file")).unwrap();
        std::fs::rename(world.path("file.carry-kept-1"), world.path("file")).unwrap();
        world.write(".gitignore", "ignored\n");
    }
}

#[test]
fn a_folder_takes_the_place_of_a_file() {
    let world = World::new();
    world.write("dir/a", "a\n");
    world.write("dir/b", "b\n");
    let snapshot = world.snapshot();
    std::fs::remove_dir_all(world.path("dir")).unwrap();
    world.write("dir", "held\n");
    let (repo, current) = (world.repo(), world.snapshot());
    let held = plan(&repo, &snapshot, &current, &paths(&["dir/a"]), false).unwrap();
    assert_eq!(steps(&held), [step("dir", Action::Delete), step("dir/a", Action::Create)]);
    restore(&world, &snapshot, &["dir"], false);
    assert_eq!((world.read("dir/a"), world.read("dir/b")), ("a\n".into(), "b\n".into()));

    std::fs::remove_dir_all(world.path("dir")).unwrap();
    world.write("dir", "precious\n");
    world.write(".gitignore", "dir\n");
    restore(&world, &snapshot, &["dir"], false);
    assert_eq!((world.read("dir/a"), world.read("dir.carry-kept-1")), ("a\n".into(), "precious\n".into()));
}

#[test]
fn line_ends_and_filters_apply_as_the_restored_attributes_say() {
    let world = World::new();
    world.git.git(&["config", "filter.rot.clean", "tr a-z n-za-m"]);
    world.git.git(&["config", "filter.rot.smudge", "tr a-z n-za-m"]);
    world.write(".gitattributes", "*.txt text eol=crlf\n*.rot filter=rot\n");
    world.write("a.txt", "x\r\ny\r\n");
    world.write("dir/b.rot", "secret\n");
    let snapshot = world.snapshot();
    assert_eq!(world.git.git(&["show", &format!("{}:dir/b.rot", snapshot.tree)]), "frperg");
    for path in [".gitattributes", "a.txt", "dir/b.rot"] {
        std::fs::remove_file(world.path(path)).unwrap();
    }
    restore(&world, &snapshot, &[""], false);
    assert_eq!((world.read("a.txt"), world.read("dir/b.rot")), ("x\r\ny\r\n".into(), "secret\n".into()));
    assert_eq!(world.write_tree(), snapshot.tree);
    assert_eq!(restore(&world, &snapshot, &[""], true), Restored::default());
}

#[test]
fn a_filter_that_fails_leaves_the_file_as_it_was() {
    let world = World::new();
    world.write(".gitattributes", "*.x filter=bad\n");
    world.write("a.x", "one\n");
    let snapshot = world.snapshot();
    world.write("a.x", "two\n");
    world.write("file", "two\n");
    let current = world.snapshot();
    world.git.git(&["config", "filter.bad.smudge", "false"]);
    world.git.git(&["config", "filter.bad.required", "true"]);
    let repo = world.repo();
    let plan = plan(&repo, &snapshot, &current, &paths(&["file", "a.x"]), false).unwrap();
    let restored = execute(&repo, &plan).unwrap();
    assert_eq!(restored.written, paths(&["file"]));
    assert_eq!(restored.failed.len(), 1);
    assert_eq!(world.read("a.x"), "two\n");
    assert_eq!(left_behind(&world), "");
}

#[test]
fn a_private_file_stays_private_and_execution_follows_the_snapshot() {
    let world = World::new();
    world.write("run", "one\n");
    set_permissions(&world, "run", 0o700);
    set_permissions(&world, "file", 0o600);
    let snapshot = world.snapshot();
    world.write("run", "two\n");
    world.write("file", "two\n");
    set_permissions(&world, "run", 0o640);
    restore(&world, &snapshot, &[""], false);
    assert_eq!(permissions(&world, "file"), 0o600);
    assert_eq!(permissions(&world, "run"), 0o750);
    assert_eq!(world.write_tree(), snapshot.tree);
}

#[test]
fn undo_brings_back_what_was_and_removes_what_was_not() {
    let world = World::new();
    world.write("old", "old\n");
    let wanted = world.snapshot();
    world.write("file", "two\n");
    world.write("new", "new\n");
    std::fs::remove_file(world.path("old")).unwrap();
    let before = world.snapshot();
    let done = restore(&world, &wanted, &[""], true);
    world.write("unrelated", "u\n");
    let changed: Vec<BString> = done.written.iter().chain(&done.deleted).cloned().collect();
    assert_eq!(changed, paths(&["file", "old", "new"]));

    let (repo, current) = (world.repo(), world.snapshot());
    let back = execute(&repo, &undo_plan(&repo, &before, &current, &changed).unwrap()).unwrap();
    assert_eq!(back.deleted, paths(&["old"]));
    assert_eq!((world.read("file"), world.read("new")), ("two\n".into(), "new\n".into()));
    assert!(!world.exists("old") && world.exists("unrelated"));
    assert_eq!(undo_plan(&repo, &before, &current, &[]).unwrap(), Plan::default());
}

#[test]
fn submodules_are_left_alone_and_named() {
    let world = World::new();
    let commit = world.git.id("HEAD");
    let blob = world.git.loose_blob(b"one\n");
    let tree = |entries: &[(u32, &str, ObjectId)]| {
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|(mode, name, id)| [format!("{mode:o} {name}\0").as_bytes(), id.as_slice()].concat())
            .collect();
        world.object(Kind::Tree, &bytes)
    };
    let with = world.made_of(tree(&[(mode::FILE, "file", blob), (mode::SUBMODULE, "sub", commit)]), Made::default());
    let without = world.made_of(tree(&[(mode::FILE, "file", blob)]), Made::default());
    for (snapshot, current) in [(&with, &without), (&without, &with)] {
        let plan = plan(&world.repo(), snapshot, current, &paths(&[""]), true).unwrap();
        assert_eq!((plan.steps, plan.submodules), (vec![], paths(&["sub"])));
    }
    assert_eq!(plan(&world.repo(), &with, &with, &paths(&[""]), true).unwrap(), Plan::default());
}

#[test]
fn what_a_sparse_checkout_leaves_out_stays_out_unless_asked_for_by_name() {
    let world = World::new();
    world.git.commit("in/a", "a\n");
    world.git.commit("out/b", "b\n");
    world.git.git(&["sparse-checkout", "set", "in"]);
    assert!(!world.exists("out/b"));
    let snapshot = world.made_of(world.git.id("HEAD^{tree}"), Made::default());
    let repo = world.repo();
    assert_eq!(plan(&repo, &snapshot, &snapshot, &paths(&[""]), true).unwrap(), Plan::default());
    let named = plan(&repo, &snapshot, &snapshot, &paths(&["out/b"]), false).unwrap();
    assert_eq!(steps(&named), [step("out/b", Action::Create)]);
}

#[test]
fn writing_elsewhere_overwrites_nothing() {
    let world = World::new();
    world.write(".gitattributes", "*.txt text eol=crlf\n");
    world.write("dir/a.txt", "a\r\n");
    link("file", &world.path("dir/link"));
    let snapshot = world.snapshot();
    // The attributes that count are the snapshot's.
    world.write(".gitattributes", "");
    let to = world.home.path().join("out/deep");
    let repo = world.repo();
    let restored = write_to(&repo, &snapshot, &paths(&["dir", "nowhere"]), &to).unwrap();
    assert_eq!(restored.written, paths(&["dir/a.txt", "dir/link"]));
    assert_eq!(restored.failed, [("nowhere".into(), "the snapshot does not have it".to_owned())]);
    assert_eq!(std::fs::read(to.join("dir/a.txt")).unwrap(), b"a\r\n");
    assert_eq!(std::fs::read_link(to.join("dir/link")).unwrap(), Path::new("file"));

    crate::git::fixture::write(&to.join("dir/a.txt"), b"mine\n");
    let again = write_to(&repo, &snapshot, &paths(&[""]), &to).unwrap();
    assert_eq!(again.written, paths(&[".gitattributes", "file"]));
    assert_eq!(
        again.failed.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(),
        paths(&["dir/a.txt", "dir/link"])
    );
    assert_eq!(std::fs::read(to.join("dir/a.txt")).unwrap(), b"mine\n");
    assert_eq!(std::fs::read_dir(to.join("dir")).unwrap().count(), 2);
    assert!(write_to(&repo, &snapshot, &paths(&[""]), &world.path("file")).is_err());
}

#[test]
fn names_that_are_no_text_and_long_ones_come_back() {
    let world = World::new();
    let odd = world.git.root().join(os_path(b"\xff\xfe odd".as_bstr()));
    crate::git::fixture::write(&odd, b"odd\n");
    let long = "n".repeat(255);
    world.write(&long, "long\n");
    let snapshot = world.snapshot();
    std::fs::remove_file(&odd).unwrap();
    world.write(&long, "changed and ignored\n");
    world.write(".gitignore", "n*\n");
    let restored = restore(&world, &snapshot, &[""], false);
    assert_eq!(std::fs::read(&odd).unwrap(), b"odd\n");
    assert_eq!(world.read(&long), "long\n");
    assert_eq!(std::fs::read(&restored.kept[0].1).unwrap(), b"changed and ignored\n");
}

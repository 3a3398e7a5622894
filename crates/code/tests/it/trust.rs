//! What a capture believes of Git's index, configuration and attributes, and when it stops to. Found by `interleaved`.

use std::time::{Duration, SystemTime};

use carry_testkit::git::EPOCH;

use crate::rig::{Rig, snapshot_of};

/// Dates Git's index far ahead, so that Git believes it, whatever the clock says.
fn age_index(rig: &Rig) {
    let ahead = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH + 10 * 365 * 86_400);
    std::fs::File::open(rig.git.path(".git/index")).and_then(|index| index.set_modified(ahead)).unwrap();
}

#[test]
fn a_warm_capture_follows_changed_configuration() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.check();
    rig.git.git(["config", "core.fileMode", "false"]);
    rig.check_warm(&[]);
    rig.git.chmod("a", 0o755);
    rig.check_warm(&["a"]);
    rig.git.git(["config", "core.fileMode", "true"]);
    rig.check_warm(&[]);
}

#[test]
fn modes_come_from_the_index_only_while_the_file_system_cannot_hold_them() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("b", "1").commit_all("first");
    rig.git.git(["config", "core.fileMode", "false"]);
    rig.check();
    rig.git.git(["update-index", "--chmod=+x", "a"]);
    rig.check();
    rig.git.delete("a");
    rig.check();
    rig.git.write("a", "back");
    rig.check_warm(&["a"]);
    rig.git.git(["rm", "-qf", "--cached", "a"]);
    rig.check();
    rig.git.chmod("b", 0o755).stage("b");
    age_index(&rig);
    rig.git.git(["config", "core.fileMode", "true"]);
    rig.check();
}

#[test]
fn a_submodule_link_that_is_untracked_is_a_nested_repository_and_may_come_back() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.git.git(["init", "-q", "inner"]);
    rig.git.at("inner").write("f", "x").commit_all("inside");
    rig.git.git(["add", "inner"]);
    rig.check();
    std::fs::rename(rig.git.path("inner"), rig.git.path("../inner")).unwrap();
    rig.check_warm(&["inner"]);
    std::fs::rename(rig.git.path("../inner"), rig.git.path("inner")).unwrap();
    rig.check_warm(&["inner"]);
    rig.git.git(["rm", "-qf", "--cached", "inner"]);
    let snapshot = rig.check();
    assert_eq!(snapshot.meta.nested, ["inner"]);
}

#[test]
fn a_submodule_that_is_not_checked_out_is_where_the_index_says() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    let link = |rig: &Rig, commit: String| {
        rig.git.git(["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")])
    };
    link(&rig, rig.git.id("HEAD"));
    std::fs::create_dir(rig.git.path("sub")).unwrap();
    rig.check();
    rig.git.commit("second");
    link(&rig, rig.git.id("HEAD"));
    rig.check();
    rig.git.delete("sub").write("sub", "a file");
    rig.check_warm(&["sub"]);
    rig.git.delete("sub").write("sub/file", "inside, but of no repository");
    rig.check_warm(&["sub", "sub/file"]);
}

#[test]
fn attributes_that_were_deleted_no_longer_apply() {
    let mut rig = Rig::new();
    rig.git.write(".gitattributes", "* text\n").write("a", "1\n").commit_all("first");
    rig.git.delete(".gitattributes").write("crlf", "1\r\n");
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "crlf"), "1\r\n");
    rig.git.write("crlf", "22\r\n");
    let (snapshot, _) = rig.check_warm(&["crlf"]);
    assert_eq!(rig.content(&snapshot, "crlf"), "22\r\n");
}

#[test]
fn attributes_that_a_switch_brings_apply_to_what_was_captured_before() {
    let mut rig = Rig::new();
    rig.git.write("a", "1\n").commit_all("first");
    rig.git.git(["checkout", "-q", "-b", "other"]);
    rig.git.write(".gitattributes", "* text\n").commit_all("with attributes");
    rig.git.git(["checkout", "-q", "main"]);
    rig.git.write("untracked", "1\r\n");
    rig.check();
    rig.git.git(["checkout", "-q", "other"]);
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "untracked"), "1\n");
}

#[test]
fn attributes_that_are_ignored_files_apply_until_they_are_deleted() {
    let mut rig = Rig::new();
    rig.git.write(".gitignore", ".gitattributes\n").write("a", "1\n").commit_all("first");
    rig.git.write(".gitattributes", "* text\n").write("crlf", "1\r\n");
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "crlf"), "1\n");
    rig.git.delete(".gitattributes");
    let (snapshot, _) = rig.check_warm(&[".gitattributes"]);
    assert_eq!(rig.content(&snapshot, "crlf"), "1\r\n");
}

#[test]
fn line_ends_that_the_index_kept_are_converted_once_it_lets_go() {
    let mut rig = Rig::new();
    rig.git.git(["config", "core.autocrlf", "false"]);
    rig.git.write("crlf", "1\r\n").write("a", "1\n").commit_all("first");
    rig.git.git(["config", "core.autocrlf", "true"]);
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "crlf"), "1\r\n");
    rig.git.write("a", "2\n").stage("a");
    rig.check();
    rig.git.git(["rm", "-q", "--cached", "crlf"]);
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "crlf"), "1\n");
}

#[test]
fn warm_and_full_looks_agree_on_files_that_git_never_normalised() {
    let mut rig = Rig::new();
    rig.git.write("crlf", "1\r\n").commit_all("first");
    age_index(&rig);
    rig.git.write(".gitattributes", "* text eol=lf\n").stage(".gitattributes");
    age_index(&rig);
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "crlf"), "1\r\n", "Git believes its index");
    let (snapshot, _) = rig.check_warm(&["crlf"]);
    assert_eq!(rig.content(&snapshot, "crlf"), "1\r\n");
}

#[test]
fn files_that_git_does_not_look_at_make_way_for_what_is_in_their_place() {
    let mut rig = Rig::new();
    rig.git.write("d/e/z", "1").write("f", "1").write("g", "1").commit_all("first");
    rig.git.git(["update-index", "--assume-unchanged", "d/e/z", "f"]);
    rig.check();
    rig.git.delete("d").write("d", "a file").delete("f").write("f/x", "in a folder");
    let snapshot = rig.check();
    assert_eq!(rig.files(&snapshot), ["d", "f/x", "g"]);
    rig.git.write("g", "2").stage("g");
    let snapshot = rig.check();
    assert_eq!(rig.files(&snapshot), ["d", "f/x", "g"]);
    rig.git.delete("d").delete("f");
    let snapshot = snapshot_of(&rig.cold());
    assert_eq!(rig.files(&snapshot), ["d/e/z", "f", "g"], "Git takes them as unchanged again");
    rig.fsck();
}

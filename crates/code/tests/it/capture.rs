use carry_code::capture::Outcome;
use carry_code::line::Branch;
use carry_code::snapshot::{SkipReason, State};
use carry_testkit::repo::TestRepo;

use crate::rig::{Rig, is_new, snapshot_of};

#[test]
fn a_first_capture_holds_tracked_and_untracked_files_but_not_ignored_ones() {
    let mut rig = Rig::new();
    rig.git.write("a.txt", "one\n").write("dir/b.txt", "two\n").write(".gitignore", "*.o\n").commit_all("first");
    rig.git.write("a.txt", "changed\n").write("new/c.txt", "new\n").write("junk.o", "x").write("dir/junk.o", "x");
    let snapshot = rig.check();
    assert_eq!(rig.files(&snapshot), [".gitignore", "a.txt", "dir/b.txt", "new/c.txt"]);
    rig.fsck();
}

#[test]
fn an_empty_repository_has_nothing_to_capture() {
    let mut rig = Rig::new();
    assert_eq!(rig.cold().outcome, Outcome::Unchanged(None));
}

#[test]
fn an_unborn_branch_is_captured_without_a_head_parent() {
    let mut rig = Rig::new();
    rig.git.write("a", "1");
    let snapshot = rig.check();
    assert_eq!(snapshot.meta.head, None);
    assert_eq!(
        rig.git.git(["rev-list", "--parents", "-1", &snapshot.commit.to_string()]).trim(),
        snapshot.commit.to_string()
    );
    rig.fsck();
}

#[test]
fn nothing_changed_writes_nothing() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.git.write("a", "2");
    assert!(is_new(&rig.cold()));
    let again = rig.cold();
    assert!(!is_new(&again));
    assert_eq!((again.bytes_written, again.fsyncs), (0, 0));
}

#[test]
fn later_captures_follow_edits_deletions_and_changes_of_kind() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("d/x", "x").write("d/y", "y").write("link-to-be", "f").commit_all("first");
    rig.check();
    rig.git.write("a", "2").delete("d/x").write("n/m/o", "deep");
    rig.check();
    rig.git.delete("a").write("a/now/a/folder", "z");
    rig.check();
    rig.git.delete("a").write("a", "a file again").delete("n");
    rig.check();
    rig.git.delete("link-to-be").symlink("link-to-be", "a").write("run", "#!/bin/sh\n").chmod("run", 0o755);
    rig.check();
    rig.git.chmod("run", 0o644).delete("d");
    rig.check();
    rig.fsck();
}

#[test]
fn a_warm_capture_looks_only_where_told() {
    let mut rig = Rig::new();
    for n in 0..50 {
        rig.git.write(format!("d{}/f{n}", n % 5), format!("{n}"));
    }
    rig.git.commit_all("first");
    rig.check();
    rig.git.write("d1/f1", "changed").write("d9/new", "new").delete("d2/f2");
    let (_, report) = rig.check_warm(&["d1/f1", "d9", "d2/f2"]);
    assert!(!report.full);
    assert!(report.looked_at <= 4, "{report:?}");
    rig.git.delete("d3").write("d3", "a file now");
    let (_, report) = rig.check_warm(&["d3"]);
    assert!(!report.full);
    rig.git.delete("d3").write("d3/sub/x", "a folder again").delete("d9");
    let (_, report) = rig.check_warm(&["d3", "d9"]);
    assert!(!report.full);
    rig.check();
    rig.fsck();
}

#[test]
fn a_warm_capture_leaves_ignored_files_and_nested_repositories_alone() {
    let mut rig = Rig::new();
    rig.git.write(".gitignore", "*.o\nbuild/\n").write("a", "1").commit_all("first");
    rig.check();
    rig.git.write("x.o", "o").write("build/out", "b").write("a", "2");
    let (snapshot, report) = rig.check_warm(&["x.o", "build", "build/out", "a"]);
    assert!(!report.full);
    assert_eq!(rig.files(&snapshot), [".gitignore", "a"]);
    rig.git.git(["init", "-q", "inner"]);
    rig.git.write("inner/file", "x").write("a", "3");
    let report = rig.warm(&["inner", "a"]);
    assert_eq!(rig.files(&snapshot_of(&report)), [".gitignore", "a"]);
    assert_eq!(report.nested, ["inner"]);
}

#[test]
fn a_changed_ignore_file_is_followed() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("b.log", "log").commit_all("first");
    rig.git.write("c.log", "untracked log");
    rig.check();
    rig.git.write(".gitignore", "*.log\n");
    let (snapshot, report) = rig.check_warm(&[".gitignore"]);
    assert!(report.full, "rules changed, so everything must be looked at");
    assert_eq!(rig.files(&snapshot), [".gitignore", "a", "b.log"]);
}

#[test]
fn tracked_but_ignored_files_are_captured() {
    let mut rig = Rig::new();
    rig.git.write(".gitignore", "secret\nout/\n").write("secret", "1").write("out/kept", "k");
    rig.git.git(["add", "-f", "."]);
    rig.git.commit("first");
    rig.git.write("secret", "2").write("out/kept", "k2").write("out/junk", "j");
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "secret"), "2");
    assert_eq!(rig.files(&snapshot), [".gitignore", "out/kept", "secret"]);
    rig.git.delete("secret").write("out/kept", "k3");
    rig.check_warm(&["secret", "out/kept"]);
    rig.git.write("secret", "back");
    let (snapshot, _) = rig.check_warm(&["secret"]);
    assert_eq!(rig.content(&snapshot, "secret"), "back");
}

#[test]
fn paths_that_are_not_utf8_are_bytes_end_to_end() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut rig = Rig::new();
    rig.git.write("plain", "p").commit_all("first");
    rig.git
        .write(std::ffi::OsStr::from_bytes(b"caf\xe9/\xff\xfe"), "odd")
        .write("new\nline", "n")
        .write("\u{20ac}", "e");
    rig.check();
}

#[test]
fn line_ends_and_clean_filters_apply_as_for_git() {
    let mut rig = Rig::new();
    rig.git.git(["config", "core.autocrlf", "false"]);
    rig.git.write("crlf-in-git", "a\r\nb\r\n").commit_all("with carriage returns");
    rig.git.git(["config", "core.autocrlf", "true"]);
    rig.git.write("crlf-in-git", "a\r\nb\r\nc\r\n").write("fresh", "x\r\ny\r\n").write("bin", b"\0\r\n");
    rig.check();
    rig.git.git(["config", "filter.up.clean", "tr a-z A-Z"]);
    rig.git
        .write(".gitattributes", "*.up filter=up\n*.txt text eol=lf\n")
        .write("w.up", "word\n")
        .write("w.txt", "w\r\n");
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "w.up"), "WORD\n");
    rig.git.write("w.up", "other\n");
    rig.check_warm(&["w.up"]);
    rig.git.git(["config", "filter.up.clean", "tr a-z B-ZA"]);
    let snapshot = rig.cold();
    assert_eq!(rig.content(&snapshot_of(&snapshot), "w.up"), "PUIFS\n", "a changed filter makes old ids void");
}

#[test]
fn a_failing_filter_skips_one_file_and_names_it() {
    let mut rig = Rig::new();
    rig.git.write("good", "1").write("bad.x", "old").commit_all("first");
    rig.git.git(["config", "filter.broken.clean", "false"]);
    rig.git.git(["config", "filter.broken.required", "true"]);
    rig.git.write(".gitattributes", "*.x filter=broken\n").write("bad.x", "new").write("good", "2");
    let report = rig.cold();
    let snapshot = snapshot_of(&report);
    assert_eq!(rig.content(&snapshot, "good"), "2");
    assert_eq!(rig.content(&snapshot, "bad.x"), "old", "the last known content stays");
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(
        (report.skipped[0].path.to_string(), report.skipped[0].reason.clone()),
        ("bad.x".into(), SkipReason::FilterFailed)
    );
    assert_eq!(snapshot.meta.skipped, report.skipped);
}

#[test]
fn large_files_pipes_and_sockets_are_skipped_one_by_one() {
    let mut rig = Rig::new();
    rig.configure("[limits]\nlarge_file = \"1 KiB\"\n");
    rig.git.write("small", "s").write("grows", "g").commit_all("first");
    rig.git.write("grows", vec![b'x'; 2000]).write("big", vec![b'y'; 2000]).write("small", "s2").fifo("pipe");
    let _socket = std::os::unix::net::UnixListener::bind(rig.git.path("sock")).unwrap();
    let report = rig.cold();
    let snapshot = snapshot_of(&report);
    assert_eq!(rig.files(&snapshot), ["grows", "small"]);
    assert_eq!(rig.content(&snapshot, "grows"), "g");
    assert_eq!(rig.content(&snapshot, "small"), "s2");
    let named: Vec<(String, SkipReason)> =
        report.skipped.iter().map(|s| (s.path.to_string(), s.reason.clone())).collect();
    assert_eq!(
        named,
        [
            ("big".into(), SkipReason::TooLarge),
            ("grows".into(), SkipReason::TooLarge),
            ("pipe".into(), SkipReason::Special),
            ("sock".into(), SkipReason::Special),
        ]
    );
}

#[test]
fn nested_repositories_are_left_out_and_named() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.git.git(["init", "-q", "vendor/inner"]);
    rig.git.write("vendor/inner/f", "x").write("vendor/own", "o");
    let snapshot = rig.check();
    assert_eq!(rig.files(&snapshot), ["a", "vendor/own"]);
    assert_eq!(snapshot.meta.nested, ["vendor/inner"]);
}

#[test]
fn submodules_are_links_whether_or_not_they_are_checked_out() {
    let lib = TestRepo::new();
    lib.write("l", "1").commit_all("lib");
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    let url = lib.root().to_str().unwrap().to_owned();
    rig.git.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    rig.git.commit("with a submodule");
    rig.check();
    let sub = rig.git.at("sub");
    sub.write("l", "2").commit_all("inside");
    rig.check();
    rig.git.git(["submodule", "--quiet", "deinit", "-f", "sub"]);
    rig.check();
}

#[test]
fn sparse_checkouts_keep_what_is_not_checked_out() {
    let mut rig = Rig::new();
    rig.git.write("in/a", "1").write("out/b", "2").write("out/deep/c", "3").write("top", "t").commit_all("first");
    for cone in [["sparse-checkout", "set", "--cone", "in"], ["sparse-checkout", "set", "--sparse-index", "in"]] {
        rig.git.git(cone);
        rig.git.write("in/a", format!("{cone:?}"));
        let snapshot = rig.check();
        assert_eq!(rig.files(&snapshot), ["in/a", "out/b", "out/deep/c", "top"], "{cone:?}");
    }
    rig.git.write("out/b", "edited outside the cone");
    let snapshot = snapshot_of(&rig.cold());
    assert_eq!(rig.content(&snapshot, "out/b"), "edited outside the cone");
    rig.git.delete("out");
    let snapshot = snapshot_of(&rig.cold());
    assert_eq!(rig.content(&snapshot, "out/b"), "2");
}

#[test]
fn edits_under_assume_unchanged_and_skip_worktree_are_captured() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("s", "1").commit_all("first");
    rig.git.git(["update-index", "--assume-unchanged", "a"]);
    rig.git.git(["update-index", "--skip-worktree", "s"]);
    rig.git.write("a", "hidden edit").write("s", "local edit");
    let snapshot = snapshot_of(&rig.cold());
    assert_eq!(rig.content(&snapshot, "a"), "hidden edit");
    assert_eq!(rig.content(&snapshot, "s"), "local edit");
}

#[test]
fn file_modes_and_links_follow_the_index_where_the_file_system_cannot_hold_them() {
    let mut rig = Rig::new();
    rig.git.write("run", "#!/bin/sh\n").chmod("run", 0o755).symlink("link", "run").commit_all("first");
    rig.git.git(["config", "core.fileMode", "false"]);
    rig.git.chmod("run", 0o644).write("run", "#!/bin/sh\necho\n").write("new", "n").chmod("new", 0o755);
    rig.check();
    rig.git.git(["config", "core.symlinks", "false"]);
    rig.git.delete("link").write("link", "elsewhere");
    rig.check();
}

#[test]
fn a_detached_head_is_captured_on_a_line_of_its_own() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    let on_branch = rig.check();
    rig.git.git(["checkout", "-q", "--detach"]);
    rig.git.write("a", "2");
    let detached = rig.check();
    assert_eq!(on_branch.meta.branch, Branch::Named("main".into()));
    assert_eq!(detached.meta.branch, Branch::Detached);
    let refs = rig.git.git(["for-each-ref", "--format=%(refname)", "refs/carry"]);
    assert_eq!(refs.lines().count(), 2, "{refs}");
}

#[test]
fn feature_and_feature_slash_x_have_lines_side_by_side() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    for branch in ["feature", "Feature"] {
        rig.git.git(["checkout", "-q", "-b", branch]);
        rig.git.write("a", branch);
        rig.check();
    }
    rig.git.git(["branch", "-D", "feature"]);
    rig.git.git(["checkout", "-q", "-b", "feature/x"]);
    rig.git.write("a", "x");
    rig.check();
    assert_eq!(rig.git.git(["for-each-ref", "refs/carry"]).lines().count(), 3);
}

#[test]
fn an_unfinished_merge_is_captured_marked_with_its_conflict_stages() {
    let mut rig = Rig::new();
    rig.git.write("a", "base\n").commit_all("base");
    rig.git.git(["checkout", "-q", "-b", "other"]);
    rig.git.write("a", "theirs\n").commit_all("theirs");
    rig.git.git(["checkout", "-q", "main"]);
    rig.git.write("a", "ours\n").commit_all("ours");
    assert!(!rig.git.try_git(["merge", "other"]).status.success());
    let snapshot = rig.check();
    assert_eq!(snapshot.meta.state, Some(State::Merge));
    let side = snapshot.meta.staged.expect("conflicts are staged state").to_string();
    assert_eq!(rig.git.git(["show", &format!("{side}:1/a")]), "base\n");
    assert_eq!(rig.git.git(["show", &format!("{side}:2/a")]), "ours\n");
    assert_eq!(rig.git.git(["show", &format!("{side}:3/a")]), "theirs\n");
    assert!(rig.content(&snapshot, "a").contains("<<<<<<<"));
}

#[test]
fn a_capture_can_be_told_to_wait_for_the_end_of_a_merge() {
    let mut rig = Rig::new();
    rig.configure("[code]\nin_progress = \"wait\"\n");
    rig.git.write("a", "1").commit_all("first");
    rig.git.write(".git/MERGE_HEAD", format!("{}\n", rig.git.id("HEAD")));
    assert_eq!(rig.cold().outcome, Outcome::Waiting(State::Merge));
}

#[test]
fn what_was_staged_is_kept_beside_what_is_there() {
    let mut rig = Rig::new();
    rig.git.write("a", "1\n").write("b", "1\n").commit_all("first");
    rig.git.write("a", "staged\n").stage("a").write("a", "and more\n").write("c", "new");
    rig.git.git(["add", "-N", "c"]);
    let snapshot = rig.check();
    let side = snapshot.meta.staged.expect("something is staged").to_string();
    assert_eq!(rig.git.git(["show", &format!("{side}:0/a")]), "staged\n");
    assert_eq!(rig.git.git(["show", &format!("{side}:0/b")]), "1\n");
    assert!(rig.git.git(["log", "-1", "--format=%B", &side]).contains("Carry-Intent-To-Add: c"));
    rig.git.git(["reset", "-q"]);
    rig.git.git(["prune", "--expire=now"]);
    assert_eq!(rig.git.git(["show", &format!("{side}:0/a")]), "staged\n", "what was staged outlives the index");
    let unstaged = snapshot_of(&rig.cold());
    assert_eq!(unstaged.meta.staged, None);
    rig.fsck();
}

#[test]
fn a_commit_moves_the_head_of_the_next_snapshot() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.git.write("a", "2");
    rig.check();
    rig.git.commit_all("second");
    let second = rig.git.id("HEAD");
    let snapshot = rig.check();
    assert_eq!(snapshot.meta.head.unwrap().to_string(), second.trim());
    rig.git.git(["reset", "-q", "--hard", "HEAD~1"]);
    rig.git.git(["reflog", "expire", "--expire=now", "--all"]);
    rig.git.git(["gc", "-q", "--prune=now"]);
    rig.git.git(["cat-file", "-e", second.trim()]);
}

#[test]
fn stashes_survive_being_dropped() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.git.write("a", "stashed");
    rig.git.git(["stash", "-q"]);
    let stash = rig.git.id("stash");
    rig.cold();
    rig.git.git(["stash", "drop", "-q"]);
    rig.git.git(["gc", "-q", "--prune=now"]);
    assert_eq!(rig.git.git(["show", &format!("{}:a", stash.trim())]), "stashed");
}

#[test]
fn linked_worktrees_are_captured_each_for_itself() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.check();
    let other = rig.git.base().join("other");
    rig.git.git(["worktree", "add", "-q", "-b", "side", other.to_str().unwrap()]);
    let linked = Rig::over(rig.git.at(&other));
    let mut linked = linked;
    linked.git.write("a", "in the linked tree").write("n", "new");
    let snapshot = linked.check();
    assert_eq!(snapshot.meta.branch, Branch::Named("side".into()));
}

#[test]
fn sha256_repositories_work() {
    let mut rig = Rig::over(TestRepo::init(&["--object-format=sha256"]));
    rig.git.write("a", "1").write("d/b", "2").commit_all("first");
    rig.git.write("a", "3").write("e/f", "4");
    rig.check();
    rig.git.write("d/b", "5");
    rig.check_warm(&["d/b"]);
    rig.fsck();
}

#[test]
fn gc_with_immediate_pruning_never_takes_a_snapshot() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    let mut kept = Vec::new();
    for n in 0..5 {
        rig.git.write("a", format!("version {n}"));
        kept.push(snapshot_of(&rig.cold()));
        rig.git.git(["gc", "-q", "--prune=now"]);
    }
    for (n, snapshot) in kept.iter().enumerate() {
        assert_eq!(rig.content(snapshot, "a"), format!("version {n}"));
    }
    rig.fsck();
}

#[test]
fn an_unreadable_folder_keeps_what_is_known_of_it() {
    // The superuser reads everything; a folder that is no folder for the walk does the same to anyone.
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("locked/b", "2").commit_all("first");
    rig.check();
    rig.git.chmod("locked", 0o000);
    rig.git.write("a", "2");
    let report = rig.try_capture(carry_code::capture::Look::Everything).unwrap();
    rig.git.chmod("locked", 0o755);
    let snapshot = snapshot_of(&report);
    assert_eq!(rig.files(&snapshot), ["a", "locked/b"]);
    assert_eq!(rig.content(&snapshot, "a"), "2");
}

#[test]
fn a_file_that_can_no_longer_be_captured_keeps_its_newest_content() {
    let mut rig = Rig::new();
    rig.git.write("tracked", "committed").commit_all("first");
    rig.check();
    for version in ["v1", "v2"] {
        rig.git.write("notes", version).write("tracked", version);
        rig.warm(&["notes", "tracked"]);
    }
    rig.configure("[limits]\nlarge_file = \"1 KiB\"\n");
    rig.git.write("notes", vec![b'x'; 2000]).write("tracked", vec![b'x'; 2000]);
    let report = rig.cold();
    let snapshot = snapshot_of(&report);
    assert_eq!(report.skipped.len(), 2);
    assert_eq!((rig.content(&snapshot, "notes"), rig.content(&snapshot, "tracked")), ("v2".into(), "v2".into()));
}

#[test]
fn untracked_files_beyond_the_budget_do_not_hold_back_tracked_ones() {
    let mut rig = Rig::new();
    rig.git.write("src", "1").commit_all("first");
    rig.check();
    rig.configure("[budget]\nrepository = \"1 MiB\"\n");
    let mut rng = carry_testkit::rng::Rng::new(7);
    let noise: Vec<u8> = (0..2 << 20).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
    rig.git.write("data/set", noise).write("src", "2");
    let report = rig.cold();
    let snapshot = snapshot_of(&report);
    assert_eq!(rig.content(&snapshot, "src"), "2");
    assert_eq!(rig.files(&snapshot), ["src"]);
    let named: Vec<(String, SkipReason)> =
        report.skipped.iter().map(|s| (s.path.to_string(), s.reason.clone())).collect();
    assert_eq!(named, [("data".into(), SkipReason::OverBudget)]);
}

#[test]
fn names_that_would_be_taken_for_gits_folder_are_named_and_left_out() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").commit_all("first");
    rig.check();
    rig.git.write(".GIT/config", "x").write("d/GIT~1", "x").write("a", "2");
    let report = rig.warm(&[".GIT", ".GIT/config", "d", "a"]);
    assert_eq!(rig.files(&snapshot_of(&report)), ["a"]);
    let named: Vec<String> = report.skipped.iter().map(|s| s.path.to_string()).collect();
    assert_eq!(named, [".GIT", "d/GIT~1"]);
    rig.fsck();
}

#[test]
fn a_repository_made_anew_in_the_same_place_is_captured() {
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("d/b", "2");
    rig.check();
    rig.git.delete(".git");
    rig.git.git(["init", "-q", "-b", "main", "."]);
    let snapshot = rig.check();
    assert_eq!(rig.files(&snapshot), ["a", "d/b"]);
    rig.fsck();
}

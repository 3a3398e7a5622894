//! A capture that ends at each of its steps, in each way a step can fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use carry_testkit::fingerprint::Fingerprint;
use carry_testkit::git::{read, run, succeed};
use carry_testkit::repo::TestRepo;

use super::child::Other;
use crate::rig::Rig;

/// Points every capture that writes passes.
const DOCUMENTED: &[&str] = &[
    "capture.looked",
    "pack.begin",
    "pack.written",
    "pack.synced",
    "pack.idx.synced",
    "pack.renamed",
    "pack.done",
    "capture.written",
    "ref.locked",
    "ref.write",
    "ref.written",
    "ref.renamed",
    "ref.done",
    "capture.moved",
    "capture.done",
];

/// Points that write, and so can be torn.
const WRITES: &[&str] = &["pack.written", "ref.write"];

/// How a test's repository comes to be what it is before each capture.
struct Scene {
    /// Makes the repository and, unless the capture is to be the first, captures once.
    begin: fn() -> Rig,
    /// Done before each capture.
    before: fn(&Rig),
    /// Whether each capture needs a repository that never saw one.
    fresh: bool,
    /// Whether the capture is the second of its process.
    warm: bool,
}

#[test]
fn a_first_capture_may_die_anywhere() {
    Scene { begin: plain, before: |_| {}, fresh: true, warm: false }.play();
}

#[test]
fn a_later_capture_may_die_anywhere() {
    Scene { begin: captured, before: |_| {}, fresh: false, warm: false }.play();
}

#[test]
fn a_warm_capture_may_die_anywhere() {
    Scene { begin: captured, before: |_| {}, fresh: false, warm: true }.play();
}

#[test]
fn a_capture_onto_packed_refs_may_die_anywhere() {
    let pack = |rig: &Rig| drop(rig.git.git(["pack-refs", "--all", "--prune"]));
    Scene { begin: captured, before: pack, fresh: false, warm: false }.play();
}

#[test]
fn a_capture_of_a_linked_worktree_may_die_anywhere() {
    Scene { begin: linked, before: |_| {}, fresh: false, warm: false }.play();
}

fn plain() -> Rig {
    let rig = Rig::new();
    rig.git.write("a", "1").write("dir/b", "2").commit_all("first");
    rig.git.write("a", "staged").stage("a").write("a", "and more").write("new/c", "untracked");
    rig
}

fn captured() -> Rig {
    let mut rig = plain();
    rig.check();
    rig
}

fn linked() -> Rig {
    let main = TestRepo::new();
    main.write("a", "1").write("dir/b", "2").commit_all("first");
    let place = main.base().join("linked");
    main.git(["worktree", "add", "-q", "-b", "side", place.to_str().unwrap()]);
    let mut rig = Rig::over(main.at(&place));
    rig.git.write("new/c", "untracked");
    rig.check();
    rig
}

impl Scene {
    fn play(&self) {
        let mut rig = (self.begin)();
        let mut kept = Vec::new();
        let mut n = 0;
        for (point, passages) in self.points() {
            // To the code after it any error is like any other; full disks meet what writes.
            let error = if point.starts_with("capture.") { "error" } else { "enospc" };
            for action in ["kill", "torn", error] {
                if action == "torn" && !WRITES.contains(&point.as_str()) {
                    continue;
                }
                for passage in 1..=passages {
                    if self.fresh {
                        rig = (self.begin)();
                        kept.clear();
                    }
                    n += 1;
                    self.fail(&mut rig, &point, passage, action, n, &mut kept);
                }
            }
        }
    }

    /// The points one capture passes, and how often each.
    fn points(&self) -> BTreeMap<String, usize> {
        let rig = (self.begin)();
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("trace");
        (self.before)(&rig);
        let (ended, said) = self.edit_and_capture(&rig, "traced", |other| other.env("CARRY_FAULT_TRACE", &trace));
        assert!(ended && said.last().is_some_and(|line| line.starts_with("captured")), "{said:?}");
        let mut points = BTreeMap::new();
        for point in std::fs::read_to_string(&trace).unwrap().lines() {
            *points.entry(point.to_owned()).or_insert(0) += 1;
        }
        for point in DOCUMENTED {
            assert!(points.contains_key(*point), "{point} is not passed: {points:?}");
        }
        points
    }

    fn edit_and_capture(&self, rig: &Rig, content: &str, with: impl FnOnce(Other) -> Other) -> (bool, Vec<String>) {
        if self.warm {
            return with(Other::new(rig).warm("edited", content)).run();
        }
        rig.git.write("edited", content);
        with(Other::new(rig)).run()
    }

    fn fail(&self, rig: &mut Rig, point: &str, passage: usize, action: &str, n: usize, kept: &mut Vec<String>) {
        let fault = format!("{point}#{passage}={action}");
        let content = format!("edit {n}, {fault}");
        (self.before)(rig);
        let before = tip(rig);
        let theirs = Fingerprint::of_git(rig.git.root());
        let (ended, said) = self.edit_and_capture(rig, &content, |other| other.env("CARRY_FAULT", &fault));
        assert_eq!(ended, !matches!(action, "kill" | "torn"), "{fault}: {said:?}");
        Fingerprint::of_git(rig.git.root()).assert_same_as(&theirs);
        // One that died before it came to its edit has nothing to capture.
        let content = String::from_utf8(std::fs::read(rig.git.path("edited")).unwrap_or_default()).unwrap();
        kept.extend(
            said.iter().filter_map(|line| line.strip_prefix("captured ")?.split(' ').next()).map(str::to_owned),
        );

        let after = tip(rig);
        if after != before {
            let keeper = after.as_deref().expect("a line never goes away");
            let parents = git(rig, &["rev-list", "--parents", "-1", keeper]);
            let parents: Vec<&str> = parents.split(' ').skip(1).collect();
            let shape = parents.len() == 1 + usize::from(before.is_some());
            assert!(
                shape && before.as_deref().is_none_or(|b| b == parents[0]),
                "{fault}: {parents:?} after {before:?}"
            );
            assert_eq!(git(rig, &["show", &format!("{keeper}:edited")]), content, "{fault}");
        }
        if matches!(point, "ref.renamed" | "ref.done" | "capture.moved" | "capture.done") && passage == 1 {
            assert_ne!(after, before, "{fault}: the line had moved already");
        }
        rig.fsck();
        if matches!(action, "kill" | "torn") {
            git_works_on(rig, &fault);
        }
        reachable(rig, kept, &fault);

        let next = rig.check();
        if !content.is_empty() {
            assert_eq!(rig.content(&next, "edited"), content, "{fault}");
        }
        kept.push(next.commit.to_string());
        reachable(rig, kept, &fault);
        assert_eq!(leftovers(rig), Vec::<String>::new(), "{fault}");
    }
}

/// What the line points at.
fn tip(rig: &Rig) -> Option<String> {
    let tips = git(rig, &["for-each-ref", "--format=%(objectname)", "refs/carry/"]);
    assert!(tips.lines().count() <= 1, "{tips}");
    tips.lines().next().map(str::to_owned)
}

fn git(rig: &Rig, args: &[&str]) -> String {
    read(rig.git.root(), args)
}

#[track_caller]
fn reachable(rig: &Rig, kept: &[String], fault: &str) {
    let all = git(rig, &["rev-list", "--all"]);
    for commit in kept {
        assert!(all.contains(commit.as_str()), "{fault}: {commit} is lost");
    }
}

/// What the user does next, on a copy: nothing of it may fail, nor say that anything is broken.
#[track_caller]
fn git_works_on(rig: &Rig, fault: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (copy, clone) = (dir.path().join("copy"), dir.path().join("clone"));
    let common = read(rig.git.root(), ["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    succeed(Command::new("cp").args(["-a", &common]).arg(&copy));
    let git = |at: &Path, args: &[&str]| {
        let mut command = carry_testkit::git::command(at, dir.path(), carry_testkit::git::EPOCH);
        let output = run(command.args(args));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("fatal"), "{fault}: git {args:?}: {said}");
        said
    };
    assert_eq!(git(rig.git.root(), &["status", "--short"]), "", "{fault}");
    git(dir.path(), &["init", "-q", "--bare", "clone"]);
    assert_eq!(git(&clone, &["fetch", "-q", copy.to_str().unwrap(), "+refs/*:refs/*"]), "", "{fault}");
    git(&copy, &["gc", "-q", "--prune=now"]);
    git(&copy, &["fsck", "--full", "--strict", "--no-dangling"]);
}

/// Files of ours that a dead capture left and the next one did not tidy up. Temporary packs are Git's gc's to remove.
fn leftovers(rig: &Rig) -> Vec<String> {
    let common = read(rig.git.root(), ["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    let found = succeed(Command::new("find").arg(&common).args(["-name", "*.lock", "-o", "-name", "*.keep"]));
    // A pack that died before it got its index is nothing to Git; it and its mark go when it is ten minutes old.
    let holds_back = |path: &&str| !path.ends_with(".keep") || Path::new(path).with_extension("idx").exists();
    String::from_utf8_lossy(&found).lines().filter(holds_back).map(str::to_owned).collect()
}

//! A line's ref that says nothing, nonsense, or what is not there.

use carry_testkit::repo::write_file;

use crate::rig::{Rig, snapshot_of};

/// A line of three snapshots, its ref's name, and its keepers, newest first.
fn line() -> (Rig, String, Vec<String>) {
    let mut rig = Rig::new();
    rig.git.write("a", "0").commit_all("first");
    for n in 1..4 {
        rig.git.write("a", n.to_string());
        rig.check();
    }
    let name = rig.git.git(["for-each-ref", "--format=%(refname)", "refs/carry"]).trim().to_owned();
    let keepers = rig.git.git(["rev-list", "--first-parent", "--grep=^carry keeper$", &name]);
    (rig, name, keepers.lines().map(str::to_owned).collect())
}

fn break_it(rig: &Rig, name: &str, content: &str) {
    write_file(&rig.git.path(".git").join(name), content.as_bytes());
    let other = rig.git.base().join("other");
    rig.git.git(["init", "-q", "--bare", other.to_str().unwrap()]);
}

/// The next capture makes it whole, with everything it held.
#[track_caller]
fn mends(rig: &mut Rig, name: &str, keepers: &[String]) {
    rig.git.write("a", "after");
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "a"), "after");
    rig.fsck();
    let now = rig.git.git(["rev-list", "--first-parent", name]);
    for keeper in keepers {
        assert!(now.contains(keeper.as_str()), "{keeper} is lost: {now}");
    }
    let root = rig.git.root().to_str().unwrap().to_owned();
    rig.git.at("../other").git(["fetch", "-q", &root, "+refs/*:refs/*"]);
    rig.git.git(["gc", "-q", "--prune=now"]);
    assert_eq!(rig.content(&snapshot, "a"), "after");
}

#[test]
fn an_empty_ref_is_mended_with_all_it_held() {
    let (mut rig, name, keepers) = line();
    break_it(&rig, &name, "");
    assert!(!rig.git.try_git(["gc", "-q"]).status.success(), "this is what the user would meet");
    mends(&mut rig, &name, &keepers);
}

#[test]
fn a_torn_ref_is_mended_with_all_it_held() {
    let (mut rig, name, keepers) = line();
    break_it(&rig, &name, &keepers[0][..17]);
    mends(&mut rig, &name, &keepers);
}

#[test]
fn a_dangling_ref_is_mended_with_all_it_held() {
    let (mut rig, name, keepers) = line();
    break_it(&rig, &name, &format!("{}\n", "1".repeat(40)));
    mends(&mut rig, &name, &keepers);
}

#[test]
fn a_ref_that_leads_to_another_is_mended_with_all_it_held() {
    let (mut rig, name, keepers) = line();
    break_it(&rig, &name, "ref: refs/heads/none\n");
    mends(&mut rig, &name, &keepers);
}

#[test]
fn a_broken_ref_after_gc_is_mended_with_all_it_held() {
    let (mut rig, name, keepers) = line();
    rig.git.git(["gc", "-q"]);
    break_it(&rig, &name, "");
    mends(&mut rig, &name, &keepers);
}

#[test]
fn a_line_of_another_branch_is_mended_too() {
    let (mut rig, name, keepers) = line();
    rig.git.git(["checkout", "-q", "-f", "-b", "other"]);
    break_it(&rig, &name, "");
    rig.git.write("a", "on another branch");
    rig.check();
    let now = rig.git.git(["rev-list", "--first-parent", &name]);
    assert!(keepers.iter().all(|keeper| now.contains(keeper.as_str())), "{now}");
    rig.git.git(["gc", "-q", "--prune=now"]);
    rig.fsck();
}

#[test]
fn a_ref_whose_snapshots_are_gone_starts_a_new_line() {
    let (mut rig, name, keepers) = line();
    break_it(&rig, &name, "");
    for pack in std::fs::read_dir(rig.git.path(".git/objects/pack")).unwrap() {
        std::fs::remove_file(pack.unwrap().path()).unwrap();
    }
    mends(&mut rig, &name, &[]);
    assert!(!rig.git.git(["rev-list", &name]).contains(&keepers[0]));
}

#[test]
fn a_ref_that_somebody_set_to_another_commit_is_kept_aside() {
    let (mut rig, name, _) = line();
    let lost = rig.git.git(["commit-tree", "-m", "foreign", "HEAD^{tree}"]);
    rig.git.git(["update-ref", &name, lost.trim()]);
    rig.git.write("a", "after");
    let report = rig.cold();
    assert_eq!(rig.content(&snapshot_of(&report), "a"), "after");
    rig.fsck();
    assert!(rig.git.git(["rev-list", "--all"]).contains(lost.trim()), "what somebody put there is lost");
}

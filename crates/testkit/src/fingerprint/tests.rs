use super::*;
use crate::repo::TestRepo;

fn repo() -> TestRepo {
    let repo = TestRepo::new();
    repo.write("a", "1\n").write("dir/b", "2\n").commit_all("one");
    repo
}

/// What differs after `step`, without the parts in brackets and numbers that vary.
#[track_caller]
fn check(step: impl FnOnce(&TestRepo), expected: &[&str]) {
    let repo = repo();
    let before = Fingerprint::of(repo.root());
    step(&repo);
    let differences = Fingerprint::of(repo.root()).differences(&before);
    let places: Vec<&str> = differences.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(places, expected, "{differences:#?}");
}

#[test]
fn looking_changes_nothing() {
    check(|repo| drop(crate::git::read(repo.root(), ["status"])), &[]);
}

#[test]
fn staging_is_noticed() {
    check(
        |repo| {
            repo.write("a", "3\n").stage("a");
        },
        &["git/index", "tree/a"],
    );
}

#[test]
fn a_rewritten_index_is_noticed_even_with_the_same_bytes() {
    check(
        |repo| {
            let index = repo.read(".git/index");
            repo.write(".git/index", index);
        },
        &["git/index"],
    );
}

#[test]
fn modes_links_and_new_files_are_noticed() {
    check(
        |repo| {
            repo.chmod("a", 0o755);
        },
        &["tree/a"],
    );
    check(
        |repo| {
            repo.symlink("dir/link", "b");
        },
        &["tree/dir", "tree/dir/link"],
    );
    check(
        |repo| {
            repo.delete("dir/b");
        },
        &["tree/dir", "tree/dir/b"],
    );
}

#[test]
fn our_refs_and_objects_do_not_count_loose_or_packed() {
    let repo = repo();
    repo.git(["pack-refs", "--all"]);
    let before = Fingerprint::of(repo.root());
    repo.git(["update-ref", "refs/carry/d/t/main", "HEAD"]);
    repo.git(["update-ref", "refs/carry-keep/t/pin", "HEAD"]);
    Fingerprint::of(repo.root()).assert_same_as(&before);
    repo.git(["pack-refs", "--all"]);
    Fingerprint::of(repo.root()).assert_same_as(&before);
}

#[test]
fn a_log_of_our_refs_counts() {
    check(
        |repo| drop(repo.git(["update-ref", "--create-reflog", "-m", "why", "refs/carry/d/t/main", "HEAD"])),
        &["git/logs/refs/carry/d/t/main"],
    );
}

#[test]
fn another_ref_counts() {
    check(|repo| drop(repo.git(["tag", "v1"])), &["git/refs/tags/v1"]);
}

#[test]
fn a_linked_worktree_is_seen_with_what_it_shares() {
    let repo = repo();
    repo.git(["worktree", "add", "-q", "../linked", "-b", "side"]);
    let linked = repo.at("../linked");
    let before = Fingerprint::of(linked.root());
    repo.git(["tag", "v1"]);
    let differences = Fingerprint::of(linked.root()).differences(&before);
    assert_eq!(differences.len(), 1, "{differences:#?}");
    assert!(differences[0].starts_with("common/refs/tags/v1: new"), "{differences:#?}");
}

#[test]
fn times_can_be_left_out_to_compare_two_clones() {
    let (one, two) = (repo(), repo());
    let fingerprint = |repo: &TestRepo| Fingerprint::of_working_tree(repo.root()).without_times();
    fingerprint(&one).assert_same_as(&fingerprint(&two));
    assert_eq!(Fingerprint::of_git(one.root()).differences(&Fingerprint::of_git(one.root())), Vec::<String>::new());
}

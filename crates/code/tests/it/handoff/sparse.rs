//! What is taken over where a sparse checkout shows nothing.

use super::pair::{Pair, capture, undo};

/// Ways to check out `in` and leave `out` alone.
const WAYS: [&[&str]; 3] =
    [&["--cone", "--no-sparse-index", "in"], &["--cone", "--sparse-index", "in"], &["--no-cone", "/in/", "/top"]];

/// Theirs is whole, ours is sparse; both have seen the same.
fn pair(way: &[&str]) -> Pair {
    let mut pair = Pair::seen(|git| {
        for path in ["in/a", "out/changed", "out/gone", "out/deep/gone", "out/stays", "top"] {
            git.write(path, "1\n");
        }
        git.commit_all("one");
    });
    narrow(&pair, way);
    capture(&mut pair.ours);
    pair
}

fn narrow(pair: &Pair, way: &[&str]) {
    pair.ours.git.git(["sparse-checkout", "set"].into_iter().chain(way.iter().copied()));
}

fn status(pair: &Pair) -> String {
    pair.ours.git.git(["status", "--porcelain", "--untracked-files=all"])
}

/// Captures ours, which must have just what theirs has.
#[track_caller]
fn assert_same(pair: &mut Pair, when: &str) {
    let (ours, theirs) = (capture(&mut pair.ours), capture(&mut pair.theirs));
    assert_eq!(pair.ours.files(&ours), pair.theirs.files(&theirs), "{when}");
    assert_eq!(ours.tree, theirs.tree, "{when}");
}

#[test]
fn what_went_outside_stays_gone() {
    for way in WAYS {
        let mut pair = pair(way);
        let git = &pair.theirs.git;
        git.delete("out/gone").delete("out/deep/gone").write("out/changed", "2\n").write("out/new", "n\n");
        let done = pair.take();
        assert_eq!(done.files.deleted.len(), 2, "{way:?}");
        assert_eq!(status(&pair), " M out/changed\n D out/deep/gone\n D out/gone\n?? out/new\n", "{way:?}");
        assert_same(&mut pair, "taken over");
        // Git forgets such deletions whenever it applies the patterns.
        pair.ours.git.git(["sparse-checkout", "reapply"]);
        assert!(!status(&pair).contains("gone"), "{way:?}");
        assert_same(&mut pair, "reapplied");
        pair.ours.git.write("in/a", "ours\n").git(["commit", "-q", "-m", "ours", "in/a"]);
        pair.theirs.git.write("in/a", "ours\n");
        assert_same(&mut pair, "committed");
        // A new line begins where the other was.
        pair.ours.git.git(["checkout", "-q", "-b", "topic"]);
        assert_same(&mut pair, "on a new branch");
    }
}

#[test]
fn git_may_forget_it_before_it_is_captured() {
    for way in WAYS {
        let mut pair = pair(way);
        pair.theirs.git.delete("out/gone");
        pair.take();
        pair.ours.git.git(["sparse-checkout", "reapply"]);
        assert_same(&mut pair, "reapplied at once");
    }
}

#[test]
fn a_wider_checkout_shows_it_as_deleted() {
    for way in WAYS {
        let mut pair = pair(way);
        pair.theirs.git.delete("out/gone");
        pair.take();
        pair.ours.git.git(["sparse-checkout", "disable"]);
        assert_eq!(status(&pair), " D out/gone\n", "{way:?}");
        assert_same(&mut pair, "disabled");
    }
}

#[test]
fn what_went_before_the_checkout_became_sparse_stays_gone() {
    for way in WAYS {
        let mut pair = pair(way);
        pair.ours.git.git(["sparse-checkout", "disable"]);
        pair.theirs.git.delete("out/gone");
        pair.take();
        assert_same(&mut pair, "whole");
        narrow(&pair, way);
        assert_eq!(status(&pair), "", "{way:?}");
        assert_same(&mut pair, "sparse");
    }
}

#[test]
fn what_the_index_says_anew_counts_again() {
    for way in WAYS {
        let mut pair = pair(way);
        pair.theirs.git.delete("out/gone");
        pair.take();
        capture(&mut pair.ours);
        pair.ours.git.git(["sparse-checkout", "reapply"]);
        pair.theirs.git.write("out/gone", "again\n").commit_all("two");
        let root = pair.theirs.git.root().to_str().unwrap().to_owned();
        pair.ours.git.git(["pull", "-q", "--ff-only", &root, "main"]);
        assert_same(&mut pair, "pulled");
        assert!(!pair.ours.git.path("out/gone").exists(), "{way:?}");
    }
}

#[test]
fn the_way_back_brings_it_back() {
    for way in WAYS {
        let mut pair = pair(way);
        let before = capture(&mut pair.ours);
        pair.theirs.git.delete("out/gone");
        pair.take();
        assert_ne!(capture(&mut pair.ours).tree, before.tree);
        undo(&mut pair.ours);
        assert_eq!(capture(&mut pair.ours).tree, before.tree, "{way:?}");
        assert_eq!(status(&pair), "", "{way:?}");
        undo(&mut pair.ours);
        assert_same(&mut pair, "taken over again");
    }
}

//! What arrives, and what is left alone.

use carry_code::git::BString;
use carry_code::handoff::{self, HandoffError};
use carry_code::merge::Choice;
use carry_code::restore::RestoreError;
use carry_code::seen::Relation;
use carry_code::snapshot::{SkipReason, Skipped};

use super::pair::{Pair, State, capture, pending, registry, repo};

#[test]
fn everything_arrives_as_it_was_left() {
    let mut pair = Pair::seen(|git| {
        for n in 0..8 {
            git.write(format!("d/f{n}"), format!("{n}\n"));
        }
        git.write("run", "1\n")
            .write("long", "1\n2\n3\n4\n5\n6\n")
            .write("gone", "x\n")
            .write("staged", "1\n")
            .commit_all("one");
    });
    let git = &pair.theirs.git;
    git.write("d/f1", "edited\n").delete("gone").delete("long").write("longer", "1\n2\n3\n4\n5\n6\nx\n");
    git.chmod("run", 0o755).symlink("link", "d/f2").write("d/new/untracked", "new\n").write("d/f3", "\0binary");
    git.write("staged", "2\n").stage("staged").write("staged", "3\n").write("added", "a\n").stage("added");
    git.git(["rm", "-q", "--cached", "d/f4"]);
    git.write("intent", "i\n").git(["add", "-N", "intent"]);
    let handoff = pair.plan();
    assert_eq!((handoff.relation, handoff.merged.conflicts.len()), (Relation::Newer, 0));
    assert_eq!((&handoff.head, handoff.commits_as_changes), (&None, 0));
    pair.carry_out(handoff, &[]);
    assert_eq!(State::of(&pair.ours), State::of(&pair.theirs));
    // What is captured next has seen theirs, and only then.
    assert!(pending(&pair.ours, &pair.ours.tree));
    let theirs = capture(&mut pair.theirs);
    let ours = capture(&mut pair.ours);
    assert_eq!(ours.meta.seen.compare(&theirs.meta.seen), Relation::Newer);
    assert_eq!(ours.tree, theirs.tree);
    assert!(!pending(&pair.ours, &pair.ours.tree));
}

#[test]
fn handed_to_and_fro_nothing_is_ever_in_conflict() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "0\n").commit_all("one");
    });
    for n in 1..5 {
        pair.theirs.git.write("a", format!("{n}\n")).write(format!("f{n}"), "x\n").delete(format!("f{}", n - 1));
        let handoff = pair.plan();
        assert_eq!(handoff.relation, Relation::Newer, "{n}");
        pair.carry_out(handoff, &[]);
        assert_eq!(State::of(&pair.ours), State::of(&pair.theirs));
        let (theirs, ours) = (capture(&mut pair.theirs), capture(&mut pair.ours));
        assert_eq!(theirs.tree, ours.tree);
        std::mem::swap(&mut pair.ours, &mut pair.theirs);
    }
}

#[test]
fn what_is_older_or_the_same_changes_nothing() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "0\n").commit_all("one");
    });
    pair.theirs.git.write("a", "1\n");
    pair.take();
    pair.ours.git.write("a", "2\n").write("b", "staged\n").stage("b");
    capture(&mut pair.ours);
    let before = State::exactly(&pair.ours);
    let handoff = pair.plan();
    assert_eq!(handoff.relation, Relation::Older);
    let done = pair.carry_out(handoff, &[]);
    assert_eq!((done.files.written.len(), done.head_moved), (0, false));
    assert_eq!(State::exactly(&pair.ours), before);
}

#[test]
fn both_sides_of_a_merge_come_to_the_same() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n2\n3\n4\n5\n").write("b", "1\n").write("c", "1\n").write("d", "1\n").commit_all("one");
    });
    pair.ours.git.write("a", "x\n2\n3\n4\n5\n").delete("b").write("ours", "o\n");
    pair.theirs.git.write("a", "1\n2\n3\n4\ny\n").delete("c").write("theirs", "t\n").chmod("d", 0o755);
    pair.ours.git.write("staged", "s\n").stage("staged");
    let handoff = pair.plan();
    assert_eq!(handoff.relation, Relation::Diverged);
    let (to_theirs, at) = (tip(&mut pair), pair.ours.git.git(["diff", "--cached", "--name-status"]));
    pair.carry_out(handoff, &[]);
    assert_eq!(pair.ours.git.read("a"), b"x\n2\n3\n4\ny\n");
    // What was staged is staged, and nothing else.
    assert_eq!(pair.ours.git.git(["diff", "--cached", "--name-status"]), at);

    // The other way round, from what there was before.
    let root = pair.ours.git.root().to_str().unwrap().to_owned();
    let lines = format!("refs/carry/{}/*", pair.ours.ctx.device.id());
    pair.theirs.git.git(["fetch", "-q", &root, &format!("+{lines}:{lines}")]);
    let current = capture(&mut pair.theirs);
    let (repo, ctx, tree) = (repo(&pair.theirs), &pair.theirs.ctx, &pair.theirs.tree);
    let mut handoff = handoff::plan(ctx, &repo, tree, &current, &to_theirs, None).unwrap();
    let files = handoff::files(&repo, &mut handoff, &[]).unwrap();
    handoff::execute(ctx, &repo, tree, &handoff, &files, "sync").unwrap();
    assert_eq!(State::of(&pair.theirs).files, State::of(&pair.ours).files);
    assert_eq!(capture(&mut pair.theirs).tree, capture(&mut pair.ours).tree);
}

/// Our own newest snapshot, as the other side would see it.
fn tip(pair: &mut Pair) -> carry_code::tips::Tip {
    super::pair::tip_of(&capture(&mut pair.ours))
}

#[test]
fn conflicts_have_to_be_settled_first() {
    for (choice, wanted) in [
        (Choice::Ours, "ours\n"),
        (Choice::Theirs, "theirs\n"),
        (Choice::Markers, "<<<<<<< here\nours\n=======\ntheirs\n>>>>>>> desk\n"),
    ] {
        let mut pair = Pair::seen(|git| {
            git.write("a", "1\n").write("b", "1\n").commit_all("one");
        });
        pair.ours.git.write("a", "ours\n");
        pair.theirs.git.write("a", "theirs\n").write("b", "2\n");
        let before = State::exactly(&pair.ours);
        let mut handoff = pair.plan();
        match handoff::files(&repo(&pair.ours), &mut handoff, &[("b".into(), choice)]) {
            Err(HandoffError::Conflicts { conflicts }) => {
                assert_eq!(conflicts.iter().map(|c| c.path.to_string()).collect::<Vec<_>>(), ["a"]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(State::exactly(&pair.ours), before);
        pair.carry_out(handoff, &[("a", choice)]);
        assert_eq!(String::from_utf8(pair.ours.git.read("a")).unwrap(), wanted);
        assert_eq!(pair.ours.git.read("b"), b"2\n");
        // They take over the decision as it is.
        capture(&mut pair.ours);
        std::mem::swap(&mut pair.ours, &mut pair.theirs);
        let handoff = pair.plan();
        assert_eq!(handoff.relation, Relation::Newer);
        pair.carry_out(handoff, &[]);
        assert_eq!(String::from_utf8(pair.ours.git.read("a")).unwrap(), wanted);
    }
}

#[test]
fn what_they_did_not_capture_stays_as_it_is_here() {
    let mut pair = Pair::seen(|git| {
        git.write("big", "1\n").write("gone", "1\n").write("a", "1\n").commit_all("one");
    });
    pair.ours.git.write("big", "ours\n");
    pair.ours.git.write("mine/too", "ours\n");
    capture(&mut pair.ours);
    std::mem::swap(&mut pair.ours, &mut pair.theirs);
    pair.take();
    std::mem::swap(&mut pair.ours, &mut pair.theirs);
    pair.theirs.git.write("big", "theirs\n").delete("gone").delete("mine/too").write("a", "2\n");
    let mut tip = pair.fetch();
    tip.skipped =
        ["big", "mine"].map(|path| Skipped { path: BString::from(path), reason: SkipReason::TooLarge }).to_vec();
    for (more, gone) in [(0, false), (1, true)] {
        tip.skipped_more = more;
        let current = capture(&mut pair.ours);
        let (repo, ctx, tree) = (repo(&pair.ours), &pair.ours.ctx, &pair.ours.tree);
        let mut handoff = handoff::plan(ctx, &repo, tree, &current, &tip, None).unwrap();
        assert_eq!(handoff.relation, Relation::Newer);
        assert_eq!(handoff.not_captured, ["big", "mine"]);
        let files = handoff::files(&repo, &mut handoff, &[]).unwrap();
        let touched: Vec<String> = files.steps.iter().map(|step| step.path.to_string()).collect();
        assert_eq!(touched, if gone { vec!["a"] } else { vec!["a", "gone"] });
    }
}

#[test]
fn files_that_no_snapshot_holds_are_kept_aside() {
    let mut pair = Pair::seen(|git| {
        git.write(".gitignore", "*.log\n").write("a", "1\n").commit_all("one");
    });
    pair.ours.git.write("out.log", "precious\n").write("other.log", "also\n");
    pair.theirs.git.write("out.log", "tracked there\n").git(["add", "-f", "out.log"]);
    pair.theirs.git.write("other.log", "not captured there\n");
    let done = pair.take();
    assert_eq!(pair.ours.git.read("out.log"), b"tracked there\n");
    assert_eq!(pair.ours.git.read("out.log.carry-kept-1"), b"precious\n");
    assert_eq!(pair.ours.git.read("other.log"), b"also\n");
    assert_eq!(done.files.kept.len(), 1);
}

#[test]
fn in_the_middle_of_something_nothing_is_taken_over() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").commit_all("one").git(["checkout", "-q", "-b", "side"]);
        git.write("a", "side\n").commit_all("side").git(["checkout", "-q", "main"]);
        git.write("a", "main\n").commit_all("main").git(["branch", "-q", "both", "side"]);
    });
    pair.theirs.git.write("b", "2\n");
    let root = pair.theirs.git.root().to_str().unwrap().to_owned();
    pair.ours.git.git(["fetch", "-q", &root, "side:side"]);
    assert!(!pair.ours.git.try_git(["merge", "-q", "side"]).status.success());
    for _ in 0..2 {
        let before = State::exactly(&pair.ours);
        match pair.try_plan(None) {
            Err(HandoffError::Busy { state }) => assert_eq!(state.name(), "merge"),
            other => panic!("{other:?}"),
        }
        assert_eq!(State::exactly(&pair.ours), before);
        // What is left of a merge that was forgotten: an index in conflict.
        let _ = std::fs::remove_file(pair.ours.git.path(".git/MERGE_HEAD"));
    }
}

#[test]
fn an_index_that_is_locked_stops_it_before_anything_is_done() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").commit_all("one");
    });
    pair.theirs.git.write("a", "2\n").stage("a");
    let mut handoff = pair.plan();
    let (repo, before) = (repo(&pair.ours), State::exactly(&pair.ours));
    let files = handoff::files(&repo, &mut handoff, &[]).unwrap();
    pair.ours.git.write(".git/index.lock", "");
    let run = || handoff::execute(&pair.ours.ctx, &repo, &pair.ours.tree, &handoff, &files, "sync");
    match run() {
        Err(HandoffError::Restore(RestoreError::IndexLocked { .. })) => {}
        other => panic!("{other:?}"),
    }
    pair.ours.git.delete(".git/index.lock");
    assert_eq!(State::exactly(&pair.ours), before);
    assert_eq!(registry(&pair.ours.ctx).last_undo(&pair.ours.tree.id).unwrap(), None);
    assert!(run().unwrap().finished);
    assert_eq!(State::of(&pair.ours), State::of(&pair.theirs));
}

#[test]
fn their_index_in_conflict_does_not_come_along() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").write("b", "1\n").write("c", "1\n").commit_all("one");
    });
    let git = &pair.theirs.git;
    git.write("b", "stashed\n").git(["stash", "-q"]);
    git.write("b", "2\n").commit_all("two");
    assert!(!git.try_git(["stash", "pop", "-q"]).status.success());
    git.write("c", "staged\n").stage("c");
    assert_ne!(git.git(["ls-files", "--unmerged"]), "");
    pair.take();
    assert_eq!(pair.ours.git.git(["ls-files", "--unmerged"]), "");
    assert_eq!(pair.ours.git.git(["diff", "--cached", "--name-status"]), "M\tc\n");
    assert_eq!(pair.ours.git.read("b"), pair.theirs.git.read("b"));
}

#[test]
fn names_that_git_would_not_write_are_left_out() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").commit_all("one");
    });
    pair.theirs.git.write("a", "2\n").write("d/b", "2\n");
    let mut tip = pair.fetch();
    let blob = pair.ours.git.git(["rev-parse", &format!("{}:a", tip.tree)]);
    let tree = |lines: &str| {
        let file = pair.ours.git.base().join("lines");
        carry_testkit::repo::write_file(&file, lines.as_bytes());
        let mut git = pair.ours.git.command();
        git.args(["mktree", "--missing"]).stdin(std::fs::File::open(file).unwrap());
        String::from_utf8(carry_testkit::git::succeed(&mut git)).unwrap().trim().to_owned()
    };
    let blob = blob.trim();
    let inner = tree(&format!("100644 blob {blob}\tconfig\n"));
    let below = tree(&format!("040000 tree {inner}\t.GIT\n100644 blob {blob}\tb\n"));
    let root = tree(&format!("040000 tree {inner}\t.git\n100644 blob {blob}\ta\n040000 tree {below}\td\n"));
    tip.tree = super::pair::id(&root);
    let config = pair.ours.git.read(".git/config");
    let current = capture(&mut pair.ours);
    let (repo, ctx, tree) = (repo(&pair.ours), &pair.ours.ctx, &pair.ours.tree);
    let mut handoff = handoff::plan(ctx, &repo, tree, &current, &tip, None).unwrap();
    assert_eq!(handoff.not_captured, [".git/config", "d/.GIT/config"]);
    let files = handoff::files(&repo, &mut handoff, &[]).unwrap();
    let done = handoff::execute(ctx, &repo, tree, &handoff, &files, "sync").unwrap();
    assert!(done.finished, "{done:?}");
    assert_eq!(pair.ours.git.read("d/b"), b"2\n");
    assert_eq!(pair.ours.git.read(".git/config"), config);
    assert!(!pair.ours.git.path("d/.GIT").exists());
}

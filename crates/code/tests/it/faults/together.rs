//! Two captures at the same time, and captures beside Git at work.

use std::sync::atomic::{AtomicBool, Ordering};

use carry_code::capture::{Capturer, Look, Outcome};
use carry_testkit::repo::TestRepo;

use super::child::{Other, told};
use crate::rig::{Rig, snapshot_of};

fn rig() -> Rig {
    let rig = Rig::new();
    for n in 0..20 {
        rig.git.write(format!("d{}/f{n}", n % 4), format!("{n}\n"));
    }
    rig.git.commit_all("first");
    rig
}

/// The line holds all of these, whole.
#[track_caller]
fn holds(rig: &Rig, commits: &[String]) {
    rig.fsck();
    let all = rig.git.git(["rev-list", "--all"]);
    for commit in commits {
        assert!(all.contains(commit.as_str()), "{commit} is lost");
        let files = rig.git.git(["ls-tree", "-r", "--name-only", commit]);
        assert!(files.lines().count() >= 20, "{commit} holds only {files:?}");
    }
}

#[test]
fn two_captures_at_once_lose_nothing_and_fail_never() {
    let mut rig = rig();
    let mut kept = Vec::new();
    for n in 0..25 {
        let content = format!("edit {n}");
        rig.git.write("edited", &content);
        let pair = [Other::new(&rig).start(), Other::new(&rig).start()];
        for said in pair.map(super::child::Running::wait) {
            assert_eq!(said.len(), 1);
            let mut words = said[0].split(' ');
            assert!(matches!(words.next(), Some("captured" | "unchanged")), "{said:?}");
            let commit = words.next().unwrap();
            assert_eq!(rig.git.git(["show", &format!("{commit}:edited")]), content);
            kept.push(commit.to_owned());
        }
    }
    holds(&rig, &kept);
    rig.check();
}

#[test]
fn two_that_capture_what_is_being_edited_lose_nothing() {
    let mut rig = rig();
    let pair = [Other::new(&rig).times(20).start(), Other::new(&rig).times(20).start()];
    for n in 0..200 {
        rig.git.write("edited", format!("edit {n}"));
    }
    let said: Vec<String> = pair.into_iter().flat_map(super::child::Running::wait).collect();
    assert_eq!(said.len(), 40);
    let failed: Vec<&String> = said.iter().filter(|line| line.starts_with("failed")).collect();
    assert_eq!(failed, Vec::<&String>::new());
    let kept: Vec<String> = said.iter().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect();
    holds(&rig, &kept);
    rig.check();
}

/// Captures one edit after the other while Git does something again and again.
#[track_caller]
fn beside(rounds: usize, work: impl Fn(&TestRepo, usize) + Sync) {
    let mut rig = rig();
    rig.check();
    let root = rig.git.root().to_owned();
    let busy = AtomicBool::new(true);
    let kept = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let repo = TestRepo::new().at(&root);
            let mut n = 0;
            while busy.load(Ordering::Relaxed) {
                work(&repo, n);
                n += 1;
            }
            n
        });
        let mut kept = Vec::new();
        let mut failed = None;
        for n in 0..rounds {
            let content = format!("edit {n}");
            rig.git.write("edited", &content);
            let look = if n % 2 == 0 {
                rig.capturer = Capturer::new(rig.ctx.clone(), rig.tree.clone());
                Look::Everything
            } else {
                Look::At(["edited".into()].into())
            };
            match rig.try_capture(look) {
                Ok(report) => {
                    assert!(matches!(report.outcome, Outcome::Captured(_)), "{:?}", report.outcome);
                    kept.push((snapshot_of(&report), content));
                }
                Err(error) => {
                    failed = Some(format!("round {n}: {}", told(&error)));
                    break;
                }
            }
        }
        busy.store(false, Ordering::Relaxed);
        let worked = worker.join().unwrap();
        assert_eq!(failed, None);
        assert!(worked > 1, "Git came to nothing");
        kept
    });
    for (snapshot, content) in &kept {
        assert_eq!(rig.content(snapshot, "edited"), *content);
    }
    holds(&rig, &kept.iter().map(|(snapshot, _)| snapshot.commit.to_string()).collect::<Vec<_>>());
    rig.check();
}

#[test]
fn captures_beside_gc_that_prunes_at_once() {
    beside(40, |repo, _| drop(repo.git(["gc", "-q", "--prune=now"])));
}

#[test]
fn captures_beside_repacking() {
    beside(40, |repo, _| drop(repo.git(["repack", "-adq"])));
}

#[test]
fn captures_beside_commits() {
    beside(40, |repo, n| {
        repo.write("d1/f1", format!("commit {n}")).git(["commit", "-q", "-m", "x", "--", "d1/f1"]);
    });
}

#[test]
fn captures_beside_switching_branches() {
    beside(40, |repo, n| {
        if n == 0 {
            repo.git(["checkout", "-q", "-b", "other"]);
            repo.write("d2/f2", "other").git(["commit", "-q", "-m", "other", "--", "d2/f2"]);
        }
        repo.git(["checkout", "-q", ["main", "other"][n % 2]]);
    });
}

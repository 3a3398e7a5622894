//! What an offer costs: by what changed, not by what there is.

use carry_code::git::n_commands;
use carry_testkit::repo::TestRepo;

use super::side::{Side, copy_of};

/// So many folders, with twenty files each, and a history.
fn with_folders(n: usize) -> TestRepo {
    let git = TestRepo::new();
    for folder in 0..n {
        for file in 0..20 {
            git.write(format!("d{folder}/below/f{file}"), format!("file {file} of {folder}\n"));
        }
    }
    git.commit_all("first");
    for n in 0..5 {
        git.write("d0/below/f0", format!("{n}\n")).commit_all("more");
    }
    git
}

/// Git's processes, and the objects that were looked at.
#[track_caller]
fn offered(side: &mut Side) -> (u64, u64) {
    let before = n_commands();
    assert_eq!(side.offer().n_records, 1, "{:?}", side.own());
    let n = n_commands() - before;
    side.seal();
    (n, side.strand.n_looked_at())
}

#[test]
fn an_offer_after_a_small_change_costs_what_changed() {
    let mut counts = Vec::new();
    for n in [2, 100] {
        let git = with_folders(n);
        let copy = copy_of(&git);
        let (mut a, mut b) = (Side::over(git), Side::over(copy));
        b.trust(&a);
        a.capture();
        let first = offered(&mut a);
        assert!(first.1 > 20 * n as u64, "{first:?}");
        let mut later = Vec::new();
        for content in ["an edit\n", "another\n", "and another\n"] {
            a.rig.git.write("d1/below/f7", content);
            a.capture();
            later.push(offered(&mut a));
        }
        a.rig.git.write("d1/below/f8", "staged\n").stage("d1/below/f8").write("d1/below/f8", "and on\n");
        a.capture();
        later.push(offered(&mut a));
        a.rig.git.commit_all("all of it");
        a.rig.git.write("d1/below/f9", "after the commit\n");
        a.capture();
        later.push(offered(&mut a));
        counts.push(later);
        b.pull(&a);
        assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
        b.rig.fsck();
    }
    assert_eq!(counts[0], counts[1], "the size of the repository makes no difference");
    let (edit, commit) = (counts[0][0], counts[0][4]);
    assert_eq!(edit.0, 1, "the pack is made, and no more: {counts:?}");
    assert!(edit.1 < 20 && commit.1 < 60, "{counts:?}");
    assert!(commit.0 <= 2, "where the history begins is looked up besides: {counts:?}");
}

#[test]
fn what_was_moved_or_copied_does_not_go_out_again_when_it_is_large() {
    let (mut a, mut b) = Side::pair();
    let noise: Vec<u8> = (0..500_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    a.rig.git.write("large/noise", &noise);
    a.capture();
    a.say();
    let before = a.said_bytes();
    a.rig.git.write("copy/noise", &noise);
    std::fs::rename(a.rig.git.path("large"), a.rig.git.path("moved")).unwrap();
    a.capture();
    a.say();
    assert!(a.said_bytes() - before < 20_000, "{}", a.said_bytes() - before);
    b.pull(&a);
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
    b.rig.fsck();
}

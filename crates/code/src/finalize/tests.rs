use super::fixture::{Says, Who};
use super::*;
use crate::git::BString;
use crate::handoff::{self, HeadMove};
use crate::prune::fixture::{NOW, World};
use crate::publish::{LineState, Published};
use crate::registry::Registry;
use crate::seen::{Relation, Source};
use crate::snapshot::{SkipReason, State};

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn on(name: &str) -> Branch {
    Branch::Named(name.into())
}

/// A world whose `main` has `file` with ten lines and `old` in one commit.
fn world() -> World {
    let world = World::new();
    world.git.commit("file", TEN);
    world.git.commit("old", "old\n");
    world
}

fn seen(of: &[(&Who, u64)]) -> Vec<(Source, u64)> {
    of.iter().map(|(who, count)| (who.source(), *count)).collect()
}

fn planned(world: &World, ours: &Snapshot, target: &str, accept_unknown: bool) -> Finalize {
    plan(&world.ctx, &world.repo(), &world.registered(), ours, &ours.meta.branch, &on(target), accept_unknown).unwrap()
}

/// The tree that a plan without refusals comes to, its objects written.
#[track_caller]
fn tree_of(world: &World, finalize: &Finalize) -> ObjectId {
    assert_eq!(finalize.refusals, []);
    let handoff = finalize.handoff.as_ref().unwrap();
    handoff.merged.objects.write(&world.repo().objects_dir()).unwrap();
    assert_eq!((finalize.index, handoff.index), (Some(handoff.merged.tree), Index::Tree(handoff.merged.tree)));
    assert!(handoff.merged.conflicts.is_empty());
    handoff.merged.tree
}

#[track_caller]
fn refused(finalize: &Finalize, refusals: &[Refusal]) {
    assert_eq!(finalize.refusals, refusals);
    assert!(finalize.handoff.is_none() && finalize.index.is_none());
}

fn with_line(n: usize, line: &str) -> String {
    let lines: Vec<&str> = TEN.lines().enumerate().map(|(at, was)| if at + 1 == n { line } else { was }).collect();
    lines.join("\n") + "\n"
}

#[test]
fn alone_everything_that_differs_from_head_is_the_change() {
    let world = world();
    let ours = world.writes(&world.us(), world.files(&[("file", &with_line(2, "b")), ("new", "n\n")]), Says::default());
    let finalize = planned(&world, &ours, "main", false);
    assert_eq!(tree_of(&world, &finalize), ours.tree);
    let handoff = finalize.handoff.as_ref().unwrap();
    assert_eq!((&handoff.head, handoff.relation, handoff.commits_as_changes), (&None, Relation::Same, 0));
    assert_eq!(handoff.seen, ours.meta.seen);
    let [row] = &finalize.rows[..] else { panic!("{:?}", finalize.rows) };
    assert_eq!((row.files, row.added, row.removed, row.unpublished), (3, 2, 2, true));
}

#[test]
fn what_a_remote_has_is_published() {
    let world = world();
    let ours = world.writes(&world.us(), world.files(&[("new", "n\n")]), Says::default());
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    let common_dir = world.repo().common_dir().to_owned();
    registry.update_link(&common_dir, "origin", "/remote", |_| {}).unwrap();
    let line = crate::line::LineName::new(&ours.meta.device, &ours.meta.tree_id, &ours.meta.branch);
    let mut published = Published {
        line,
        branch: on("main"),
        seal: None,
        snapshot: Some(ours.tree),
        pushed: Some(NOW),
        state: LineState::Published,
    };
    registry.note_published(&common_dir, "/remote", &published).unwrap();
    assert!(planned(&world, &ours, "main", false).rows[0].unpublished, "another snapshot is there");
    published.snapshot = Some(ours.commit);
    registry.note_published(&common_dir, "/remote", &published).unwrap();
    assert!(!planned(&world, &ours, "main", false).rows[0].unpublished);
}

#[test]
fn nothing_is_to_be_done_where_nothing_differs() {
    let world = world();
    let files = [("file", TEN), ("old", "old\n")];
    let ours = world.writes(&world.us(), world.files(&files), Says::default());
    refused(&planned(&world, &ours, "main", false), &[Refusal::Nothing]);
    let desk = world.device("desk", true);
    world.writes(&desk, world.files(&files), Says::default());
    refused(&planned(&world, &ours, "main", false), &[Refusal::Nothing]);
}

#[test]
fn each_line_is_gathered_and_deletions_travel() {
    let world = world();
    let (desk, lab) = (world.device("desk", true), world.device("lab", true));
    let ours = world.files(&[("file", &with_line(1, "ours")), ("old", "old\n")]);
    let ours = world.writes(&world.us(), ours, Says::default());
    world.writes(&desk, world.files(&[("file", &with_line(10, "desk"))]), Says::default());
    world.writes(&lab, world.files(&[("file", TEN), ("lab", "lab\n"), ("old", "old\n")]), Says::default());
    let finalize = planned(&world, &ours, "main", false);
    let tree = tree_of(&world, &finalize);
    assert_eq!(world.show(tree, "file").unwrap(), with_line(1, "ours").replace("10", "desk"));
    assert_eq!((world.show(tree, "old"), world.show(tree, "lab").as_deref()), (None, Some("lab\n")));
    let counts: Vec<_> =
        finalize.rows.iter().map(|row| (row.tip.writer.name(), row.files, row.added, row.removed)).collect();
    assert_eq!(counts, [("laptop", 1, 1, 1), ("desk", 2, 1, 2), ("lab", 1, 1, 0)]);
    assert!(finalize.rows.iter().all(|row| !row.contained && row.conflicts.is_empty()));
    let handoff = finalize.handoff.unwrap();
    for who in [&world.us(), &desk, &lab] {
        assert_eq!(handoff.seen.get(&who.source()), 1);
    }
    assert_eq!((handoff.relation, handoff.current), (Relation::Newer, ours));
}

#[test]
fn conflicts_are_refused_with_device_and_path() {
    let world = world();
    let (desk, lab) = (world.device("desk", true), world.device("lab", true));
    let ours = world.writes(&world.us(), world.files(&[("file", &with_line(5, "ours"))]), Says::default());
    world.writes(&desk, world.files(&[("file", &with_line(5, "desk"))]), Says::default());
    world.writes(&lab, world.files(&[("file", &with_line(5, "ours")), ("lab", "lab\n")]), Says::default());
    let finalize = planned(&world, &ours, "main", false);
    refused(&finalize, &[Refusal::Conflicts { device: "desk".into(), paths: vec!["file".into()] }]);
    let conflicts: Vec<usize> = finalize.rows.iter().map(|row| row.conflicts.len()).collect();
    assert_eq!(conflicts, [0, 1, 0]);
}

#[test]
fn what_another_line_has_seen_is_contained_in_it() {
    let world = world();
    let (us, desk, lab) = (world.us(), world.device("desk", true), world.device("lab", true));
    // The desk wrote; the lab took that over and went back on part of it; we have seen neither.
    world.writes(&desk, world.files(&[("desk", "1\n"), ("file", TEN), ("wrong", "w\n")]), Says::default());
    let says = Says { seen: seen(&[(&desk, 1)]), ..Says::default() };
    world.writes(&lab, world.files(&[("desk", "2\n"), ("file", TEN)]), says);
    let ours = world.writes(&us, world.files(&[("file", TEN), ("ours", "o\n")]), Says::default());
    let finalize = planned(&world, &ours, "main", false);
    let tree = tree_of(&world, &finalize);
    assert_eq!(world.show(tree, "desk").as_deref(), Some("2\n"));
    assert_eq!((world.show(tree, "wrong"), world.show(tree, "ours").as_deref()), (None, Some("o\n")));
    let rows: Vec<_> = finalize.rows.iter().map(|row| (row.tip.writer.name(), row.contained)).collect();
    assert_eq!(rows, [("laptop", false), ("lab", false), ("desk", true)]);

    // What we have seen ourselves does not come back.
    let says = Says { seen: seen(&[(&desk, 1), (&lab, 1)]), ..Says::default() };
    let ours = world.writes(&us, world.files(&[("file", "mine alone\n")]), says);
    let finalize = planned(&world, &ours, "main", false);
    assert_eq!(tree_of(&world, &finalize), ours.tree);
    assert!(finalize.rows[1..].iter().all(|row| row.contained));
}

#[test]
fn unknown_devices_are_left_out_unless_accepted() {
    let world = world();
    let stranger = world.device("stranger", false);
    let ours = world.writes(&world.us(), world.files(&[("file", TEN), ("ours", "o\n")]), Says::default());
    world.writes(&stranger, world.files(&[("file", TEN), ("old", "old\n"), ("theirs", "t\n")]), Says::default());
    let finalize = planned(&world, &ours, "main", false);
    assert_eq!(tree_of(&world, &finalize), ours.tree);
    assert!(finalize.rows.len() == 2 && finalize.rows[1].left_out, "it is shown all the same");
    let tree = tree_of(&world, &planned(&world, &ours, "main", true));
    assert_eq!(
        (world.show(tree, "theirs").as_deref(), world.show(tree, "ours").as_deref()),
        (Some("t\n"), Some("o\n"))
    );
}

#[test]
fn an_unknown_line_does_not_stand_in_for_one_that_it_has_seen() {
    let world = world();
    let (desk, stranger) = (world.device("desk", true), world.device("stranger", false));
    let ours = world.writes(&world.us(), world.files(&[("file", TEN), ("old", "old\n")]), Says::default());
    world.writes(&desk, world.files(&[("file", &with_line(1, "desk"))]), Says::default());
    let says = Says { seen: seen(&[(&desk, 1)]), ..Says::default() };
    world.writes(&stranger, world.files(&[]), says);
    let finalize = planned(&world, &ours, "main", false);
    assert!(finalize.rows.iter().all(|row| !row.contained));
    assert_eq!(finalize.rows.iter().filter(|row| row.left_out).count(), 1);
    assert_eq!(world.show(tree_of(&world, &finalize), "file"), Some(with_line(1, "desk")));
}

#[test]
fn finished_lines_are_left_out() {
    let world = world();
    let desk = world.device("desk", true);
    let ours = world.writes(&world.us(), world.files(&[("ours", "o\n")]), Says::default());
    let says = Says { finished: true, ..Says::default() };
    world.writes(&desk, world.files(&[("done", "d\n")]), says);
    let finalize = planned(&world, &ours, "main", false);
    assert_eq!((tree_of(&world, &finalize), finalize.rows.len()), (ours.tree, 1));
}

#[test]
fn files_that_a_device_could_not_capture_are_refused() {
    let world = world();
    let desk = world.device("desk", true);
    let ours = world.writes(&world.us(), world.files(&[("ours", "o\n")]), Says::default());
    let special = Says { skipped: vec![("pipe", SkipReason::Special)], ..Says::default() };
    world.writes(&desk, world.files(&[("file", TEN), ("old", "old\n")]), special);
    tree_of(&world, &planned(&world, &ours, "main", false));
    let skipped = vec![("big.iso", SkipReason::TooLarge), ("pipe", SkipReason::Special)];
    let large = Says { skipped, ..Says::default() };
    world.writes(&desk, world.files(&[("file", TEN), ("old", "2\n")]), large);
    let refusal = Refusal::NotCaptured { device: "desk".into(), paths: vec!["big.iso".into()] };
    let finalize = planned(&world, &ours, "main", false);
    assert!(finalize.refusals.contains(&refusal), "{:?}", finalize.refusals);
}

#[test]
fn unfinished_operations_here_or_there_are_refused() {
    let world = world();
    let (us, desk) = (world.us(), world.device("desk", true));
    let merging = Says { state: Some(State::Merge), ..Says::default() };
    let rebasing = Says { state: Some(State::Rebase), ..Says::default() };
    let ours = world.writes(&us, world.files(&[("file", TEN), ("old", "old\n"), ("x", "x\n")]), Says::default());
    world.writes(&desk, world.files(&[("file", &with_line(2, "b")), ("old", "old\n")]), rebasing);
    let there = Refusal::InProgress { what: "rebase on desk".into() };
    refused(&planned(&world, &ours, "main", false), std::slice::from_ref(&there));
    let ours = world.writes(&us, ours.tree, merging);
    let here = Refusal::InProgress { what: "merge in this working tree".into() };
    refused(&planned(&world, &ours, "main", false), &[here, there]);
}

#[test]
fn commits_of_another_device_are_gone_forward_to_and_not_squashed() {
    let world = world();
    let desk = world.device("desk", true);
    let here = world.git.id("HEAD");
    world.git.git(&["checkout", "-q", "--detach"]);
    let ahead = world.git.commit("committed", "c\n");
    world.git.git(&["checkout", "-q", "main"]);
    let ours = world.files(&[("file", &with_line(1, "ours")), ("old", "old\n")]);
    let ours = world.writes(&world.us(), ours, Says::default());
    let theirs = world.files(&[("committed", "c\n"), ("file", TEN), ("old", "old\n"), ("wip", "w\n")]);
    world.writes(&desk, theirs, Says { head: Some(ahead), ..Says::default() });
    let finalize = planned(&world, &ours, "main", false);
    let tree = tree_of(&world, &finalize);
    assert_eq!(world.git.git(&["diff", "--name-only", &ahead.to_string(), &tree.to_string()]), "file\nwip");
    let handoff = finalize.handoff.unwrap();
    let moved = HeadMove {
        branch: "refs/heads/main".into(),
        old: Some(here.to_string()),
        new: ahead.to_string(),
        head: None,
        back: false,
    };
    assert_eq!((handoff.head, handoff.commits_as_changes), (Some(moved), 0));
}

#[test]
fn commits_that_do_not_descend_from_ours_arrive_as_changes() {
    let world = world();
    let desk = world.device("desk", true);
    world.git.git(&["checkout", "-q", "--detach"]);
    let aside = world.git.commit("committed", "c\n");
    world.git.git(&["checkout", "-q", "main"]);
    world.git.commit("mine", "m\n");
    let files = [("file", TEN), ("mine", "m\n"), ("old", "old\n")];
    let ours = world.writes(&world.us(), world.files(&files), Says::default());
    let theirs = world.files(&[("committed", "c\n"), ("file", TEN), ("old", "old\n")]);
    world.writes(&desk, theirs, Says { head: Some(aside), ..Says::default() });
    let finalize = planned(&world, &ours, "main", false);
    let tree = tree_of(&world, &finalize);
    assert_eq!(world.git.git(&["diff", "--name-only", "HEAD", &tree.to_string()]), "committed");
    let handoff = finalize.handoff.unwrap();
    assert_eq!((handoff.head, handoff.commits_as_changes), (None, 1));
}

/// `feature` is checked out and has one commit; `main` went on meanwhile.
fn feature() -> (World, ObjectId) {
    let world = world();
    world.git.git(&["checkout", "-q", "-b", "feature"]);
    world.git.commit("feature", "f\n");
    world.git.git(&["checkout", "-q", "main"]);
    let main = world.git.commit("file", &with_line(10, "main"));
    world.git.git(&["checkout", "-q", "feature"]);
    (world, main)
}

#[test]
fn onto_another_branch_the_change_is_relative_to_that() {
    let (world, main) = feature();
    let desk = world.device("desk", true);
    let ours = world.files(&[("feature", "f\n"), ("file", &with_line(1, "ours")), ("old", "old\n")]);
    let ours = world.writes_on("feature", &world.us(), ours, Says::default());
    let theirs = world.files(&[("desk", "d\n"), ("feature", "f\n"), ("file", TEN)]);
    world.writes_on("feature", &desk, theirs, Says::default());
    let finalize = planned(&world, &ours, "main", false);
    let tree = tree_of(&world, &finalize);
    let changed = world.git.git(&["diff", "--name-status", &main.to_string(), &tree.to_string()]);
    assert_eq!(changed, "A\tdesk\nA\tfeature\nM\tfile\nD\told");
    assert_eq!(world.show(tree, "file").unwrap(), with_line(1, "ours").replace("10", "main"));
    let handoff = finalize.handoff.unwrap();
    let moved = HeadMove {
        branch: "refs/heads/main".into(),
        old: Some(main.to_string()),
        new: main.to_string(),
        head: Some("refs/heads/feature".into()),
        back: false,
    };
    assert_eq!(handoff.head, Some(moved));
    assert!(handoff.seen.is_empty(), "what was seen of one branch means nothing on another");
    let rows: Vec<_> = finalize.rows.iter().map(|row| (row.files, row.added, row.removed)).collect();
    assert_eq!(rows, [(2, 2, 1), (3, 2, 1)]);
}

#[test]
fn what_does_not_fit_the_target_is_refused() {
    let (world, _) = feature();
    let ours = world.files(&[("feature", "f\n"), ("file", &with_line(10, "ours")), ("old", "old\n")]);
    let ours = world.writes_on("feature", &world.us(), ours, Says::default());
    refused(&planned(&world, &ours, "main", false), &[Refusal::Target { paths: vec!["file".into()] }]);
    refused(&planned(&world, &ours, "nowhere", false), &[Refusal::NoTarget { branch: "nowhere".into() }]);
}

#[test]
fn a_target_that_holds_everything_already_has_nothing_to_take() {
    let (world, _) = feature();
    world.git.git(&["branch", "all", "feature"]);
    let ours = world.writes_on("feature", &world.us(), world.write_tree(), Says::default());
    refused(&planned(&world, &ours, "all", false), &[Refusal::Nothing]);
}

#[test]
fn a_target_that_is_checked_out_elsewhere_is_refused() {
    let (world, _) = feature();
    world.git.git(&["worktree", "add", "-q", "../elsewhere", "main"]);
    let ours = world.files(&[("feature", "f\n"), ("file", TEN), ("new", "n\n"), ("old", "old\n")]);
    let ours = world.writes_on("feature", &world.us(), ours, Says::default());
    let finalize = planned(&world, &ours, "main", false);
    let [Refusal::InProgress { what }] = &finalize.refusals[..] else { panic!("{:?}", finalize.refusals) };
    assert!(what.contains("main") && what.contains("elsewhere"), "{what}");
}

#[test]
fn a_branch_without_commits_takes_in_those_of_others() {
    let world = World::with(crate::git::fixture::Fixture::init(&[]));
    let desk = world.device("desk", true);
    let ours = world.writes(&world.us(), world.files(&[("ours", "o\n")]), Says::default());
    let tree = world.files(&[("committed", "c\n")]);
    let commit =
        ObjectId::from_hex(world.git.git(&["commit-tree", "-m", "first", &tree.to_string()]).as_bytes()).unwrap();
    let theirs = world.files(&[("committed", "c\n"), ("wip", "w\n")]);
    world.writes(&desk, theirs, Says { head: Some(commit), ..Says::default() });
    let finalize = planned(&world, &ours, "main", false);
    let tree = tree_of(&world, &finalize);
    let names = world.git.git(&["ls-tree", "-r", "--name-only", &tree.to_string()]);
    assert_eq!(names, "committed\nours\nwip");
    let head = finalize.handoff.unwrap().head.unwrap();
    assert_eq!((head.old, head.new), (None, commit.to_string()));
}

#[test]
fn names_that_are_no_text_are_planned_all_the_same() {
    let world = world();
    let ours = world.writes(&world.us(), world.write_tree(), Says::default());
    let target = Branch::Named(BString::from(b"caf\xe9".as_bstr()));
    let finalize =
        plan(&world.ctx, &world.repo(), &world.registered(), &ours, &ours.meta.branch, &target, false).unwrap();
    refused(&finalize, &[Refusal::NoTarget { branch: "caf\u{fffd}".into() }]);
}

/// Carries a plan out as the command does.
fn carried_out(world: &World, finalize: Finalize) {
    assert_eq!(finalize.refusals, []);
    let (repo, tree) = (world.repo(), world.registered());
    let mut handoff = finalize.handoff.unwrap();
    let files = handoff::files(&repo, &mut handoff, &[]).unwrap();
    let done = handoff::execute(&world.ctx, &repo, &tree, &handoff, &files, "finalize").unwrap();
    assert!(done.finished && done.staged.is_none(), "{done:?}");
}

#[test]
fn carried_out_the_change_is_staged_and_head_stays() {
    let world = world();
    let desk = world.device("desk", true);
    world.write("file", with_line(1, "ours"));
    world.write("untracked", "u\n");
    let head = world.git.id("HEAD");
    let ours = world.writes(&world.us(), world.write_tree(), Says::default());
    world.writes(&desk, world.files(&[("file", TEN), ("theirs", "t\n")]), Says::default());
    carried_out(&world, planned(&world, &ours, "main", false));
    assert_eq!(world.git.git(&["status", "--porcelain"]), "M  file\nD  old\nA  theirs\nA  untracked");
    assert_eq!((world.read("theirs"), world.exists("old")), ("t\n".to_owned(), false));
    assert_eq!((world.git.id("HEAD"), world.git.git(&["symbolic-ref", "HEAD"])), (head, "refs/heads/main".to_owned()));
}

#[test]
fn carried_out_onto_another_branch_that_is_checked_out_with_the_change_staged() {
    let (world, main) = feature();
    let desk = world.device("desk", true);
    world.write("file", with_line(1, "ours"));
    let ours = world.writes_on("feature", &world.us(), world.write_tree(), Says::default());
    let theirs = world.files(&[("desk", "d\n"), ("feature", "feature\n"), ("file", TEN), ("old", "old\n")]);
    world.writes_on("feature", &desk, theirs, Says::default());
    carried_out(&world, planned(&world, &ours, "main", false));
    assert_eq!(world.git.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!((world.git.id("HEAD"), world.git.id("refs/heads/main")), (main, main));
    assert_eq!(world.git.git(&["status", "--porcelain"]), "A  desk\nA  feature\nM  file");
    assert_eq!(world.read("file"), with_line(1, "ours").replace("10", "main"));
}

//! What git-pulsar on other machines, and in the same clone, needs of us, rule by rule.

use std::time::Duration;

use super::super::fixture::{Fleet, Machine};
use super::super::*;
use crate::prune::fixture::NOW;
use crate::{line, refs};

const SLUG: &str = "desk--0a1b2c3d";

/// A fleet with one published snapshot, and a machine with git-pulsar.
fn met() -> (Fleet, Machine) {
    let fleet = Fleet::new();
    fleet.work("file", "ours\n", NOW);
    assert_eq!(fleet.publish().unwrap(), [Branch::Named("main".into())]);
    let machine = fleet.machine(SLUG);
    machine.snapshot(NOW.as_secs() - 50);
    (fleet, machine)
}

fn parents(fleet: &Fleet, commit: &str) -> Vec<String> {
    let listed = fleet.there(&["rev-list", "--parents", "-n", "1", commit]);
    listed.split(' ').skip(1).map(str::to_owned).collect()
}

#[test]
fn rule_1_git_pulsar_lists_our_stream_beside_its_own() {
    let (fleet, machine) = met();
    assert!(machine.fetch().status.success());
    let mut expected = [fleet.stream(), machine.stream()];
    expected.sort();
    assert_eq!(machine.sees(), expected);
    let slug = fleet.slug();
    let (name, id) = slug.split_once("--").unwrap();
    assert!(!name.is_empty() && id.len() == 8 && !slug.contains('/'));
}

#[test]
fn rule_1_a_branch_with_slashes_is_seen_from_that_branch() {
    let (fleet, machine) = met();
    fleet.world.git.git(&["switch", "--quiet", "-c", "feature/x"]);
    fleet.world.write("file", "on a branch\n");
    let made = crate::prune::fixture::Made { branch: "feature/x", ..Default::default() };
    fleet.line_published(&fleet.world.made(made));
    fleet.world.clock.advance(Duration::from_secs(5));
    assert_eq!(fleet.publish().unwrap(), [Branch::Named("feature/x".into())]);
    machine.git(&["switch", "--quiet", "-c", "feature/x"]);
    assert!(machine.fetch().status.success());
    assert_eq!(machine.sees(), [format!("{STREAMS}{}/feature/x", fleet.slug())]);
}

#[test]
fn rule_2_trees_are_the_working_tree_and_parents_the_one_before_and_head() {
    let fleet = Fleet::new();
    let head = fleet.world.git.git(&["rev-parse", "HEAD"]);
    let first = fleet.work("file", "1\n", NOW);
    fleet.publish().unwrap();
    let stream = fleet.stream();
    let one = fleet.there(&["rev-parse", &stream]);
    assert_eq!(parents(&fleet, &one), [head]);
    assert_eq!(fleet.there(&["rev-parse", &format!("{stream}^{{tree}}")]), first.tree.to_string());

    let head = fleet.world.git.commit("committed", "x").to_string();
    fleet.world.clock.advance(Duration::from_secs(60));
    let second = fleet.work("dir/new", "2\n", NOW);
    fleet.publish().unwrap();
    let two = fleet.there(&["rev-parse", &stream]);
    assert_eq!(parents(&fleet, &two), [one, head]);
    assert_eq!(fleet.there(&["rev-parse", &format!("{stream}^{{tree}}")]), second.tree.to_string());
}

#[test]
fn rule_2_git_pulsar_takes_our_work_over() {
    let (fleet, machine) = met();
    assert!(machine.fetch().status.success());
    machine.git(&["checkout", &fleet.stream(), "--", "."]);
    assert_eq!(std::fs::read_to_string(machine.root.join("file")).unwrap(), "ours\n");
    assert_eq!(machine.git(&["status", "--porcelain"]), "M  file");
}

#[test]
fn rule_3_times_are_those_of_capture_and_grow_and_never_lie_in_the_future() {
    let fleet = Fleet::new();
    let stream = fleet.stream();
    let published = |content: &str, secs: i64| {
        fleet.work("file", content, carry_kernel::clock::Timestamp::from_secs(NOW.as_secs() + secs));
        fleet.publish().unwrap();
        fleet.there(&["log", "-1", "--format=%ct %at", &stream])
    };
    let both = |secs: i64| format!("{0} {0}", NOW.as_secs() + secs);
    assert_eq!(published("1", -500), both(-500));
    assert_eq!(published("2", -400), both(-400));
    // Two in one second, and a clock that went back.
    assert_eq!(published("3", -400), both(-399));
    assert_eq!(published("4", -900), both(-398));
    // A clock that ran ahead.
    assert_eq!(published("5", 7200), both(0));
}

#[test]
fn rule_4_our_stream_only_ever_grows() {
    let (fleet, machine) = met();
    assert!(machine.fetch().status.success());
    for n in 0..3 {
        fleet.world.clock.advance(Duration::from_secs(60));
        fleet.work("file", &format!("{n}\n"), fleet.world.ctx.clock.now());
        fleet.publish().unwrap();
        // Without `+`: anything but growth would make all of it fail.
        assert!(machine.fetch().status.success(), "{n}");
        assert_eq!(machine.git(&["rev-parse", &fleet.stream()]), fleet.there(&["rev-parse", &fleet.stream()]));
    }
}

#[test]
fn rule_4_what_somebody_else_wrote_there_is_not_rewritten() {
    let (fleet, machine) = met();
    machine.git(&["push", "--quiet", "--force", "origin", &format!("{}:{}", machine.stream(), fleet.stream())]);
    let before = fleet.there(&["rev-parse", &fleet.stream()]);
    fleet.world.clock.advance(Duration::from_secs(60));
    fleet.work("file", "more\n", fleet.world.ctx.clock.now());
    let error = fleet.publish().unwrap_err();
    let expected = format!("{} was written by somebody else", fleet.stream());
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(error.reason(), Some(carry_kernel::worker::Reason::PolicyForbidden));
    assert_eq!(fleet.there(&["rev-parse", &fleet.stream()]), before);
    // Once it is gone there, all of ours is published again.
    fleet.there(&["update-ref", "-d", &fleet.stream()]);
    assert_eq!(fleet.publish().unwrap(), [Branch::Named("main".into())]);
    assert!(machine.fetch().status.success());
}

#[test]
fn rule_4_a_chain_that_was_lost_here_goes_on_from_what_came_back() {
    let (fleet, machine) = met();
    let there = fleet.there(&["rev-parse", &fleet.stream()]);
    let out = refs::list(&fleet.world.repo(), "refs/carry-keep/pulsar-").unwrap();
    for (name, id) in out {
        refs::delete(&fleet.world.repo(), &name, id).unwrap();
    }
    let kept = super::stream(&fleet.slug(), "main").fetched_ref();
    fleet.world.git.git(&["fetch", "--quiet", "origin", &format!("{}:{kept}", fleet.stream())]);
    fleet.world.clock.advance(Duration::from_secs(60));
    fleet.work("file", "more\n", fleet.world.ctx.clock.now());
    fleet.publish().unwrap();
    assert_eq!(parents(&fleet, &fleet.stream())[0], there);
    assert!(machine.fetch().status.success());
}

#[test]
fn rule_5_what_we_say_besides_stands_in_trailers() {
    let fleet = Fleet::new();
    let snapshot = fleet.work("file", "ours\n", NOW);
    fleet.publish().unwrap();
    let message = fleet.there(&["log", "-1", "--format=%B", &fleet.stream()]);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[0], format!("Shadow backup {}", NOW.to_rfc3339().replace('T', " ").trim_end_matches(".000Z")));
    assert_eq!(lines[1], "");
    let trailers = fleet.there(&["log", "-1", "--format=%(trailers:only,unfold)", &fleet.stream()]);
    let device = fleet.world.ctx.device.id();
    let (tree, commit) = (&fleet.world.tree, snapshot.commit);
    let expected = format!("Carry-Device: {device}\nCarry-Tree: {tree}\nCarry-Snapshot: {commit}");
    assert_eq!(trailers.trim(), expected);
}

#[test]
fn rule_5_git_pulsars_squash_merge_of_ours_works() {
    let (fleet, machine) = met();
    machine.write("theirs", "by git-pulsar\n");
    machine.snapshot(NOW.as_secs() - 10);
    fleet.world.clock.advance(Duration::from_secs(60));
    fleet.work("more", "ours too\n", fleet.world.ctx.clock.now());
    fleet.publish().unwrap();
    std::fs::remove_file(machine.root.join("theirs")).unwrap();
    machine.git(&["fetch", "--quiet", "origin", "refs/heads/wip/pulsar/*:refs/heads/wip/pulsar/*"]);
    let streams = machine.sees();
    assert_eq!(streams.len(), 2);
    machine.git(&["merge", "--squash", &streams[0], &streams[1]]);
    machine.git(&["commit", "--quiet", "--no-edit"]);
    let read = |path: &str| std::fs::read_to_string(machine.root.join(path)).unwrap();
    assert_eq!(
        (read("file"), read("more"), read("theirs")),
        ("ours\n".into(), "ours too\n".into(), "by git-pulsar\n".into())
    );
    let message = machine.git(&["log", "-1", "--format=%B"]);
    assert!(message.contains("Shadow backup") && message.contains("Carry-Device"), "{message}");
}

#[test]
fn rule_6_nothing_else_of_ours_lies_where_git_pulsar_looks() {
    let (fleet, _) = met();
    let all = fleet.there(&["for-each-ref", "--format=%(refname)"]);
    assert_eq!(all.lines().collect::<Vec<_>>(), ["refs/heads/main", &fleet.stream()]);
    // Nor here, and no tracking refs appear.
    let here = fleet.world.git.git(&["for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes"]);
    assert_eq!(here.lines().collect::<Vec<_>>(), ["refs/heads/main", "refs/remotes/origin/main"]);
}

#[test]
fn rule_6_detached_heads_and_git_pulsars_own_branches_are_not_published() {
    let fleet = Fleet::new();
    for branch in ["wip/pulsar/a--b/main", "refs/notes/commits"] {
        let made = crate::prune::fixture::Made { branch, ..Default::default() };
        fleet.line_published(&fleet.world.made(made));
    }
    assert_eq!(fleet.publish().unwrap(), []);
    assert_eq!(fleet.there(&["for-each-ref", "refs/heads/wip"]), "");
}

#[test]
fn rule_7_every_stream_on_the_remote_can_be_read() {
    let (fleet, machine) = met();
    machine.push();
    let old =
        Machine::clone_of(fleet.remote_path(), &fleet.world.git.dir().join("old"), "b08dfa6083e7567a1921a715000001fb");
    old.write("old", "x");
    old.snapshot(NOW.as_secs());
    old.push();
    let doubled = Machine::clone_of(fleet.remote_path(), &fleet.world.git.dir().join("doubled"), "macbook--macbook");
    doubled.git(&["switch", "--quiet", "-c", "feature/x"]);
    doubled.snapshot(NOW.as_secs());
    doubled.push();
    for line in fleet.there(&["for-each-ref", "--format=%(refname)", STREAMS]).lines() {
        let kept = Stream::from_remote(line).unwrap().fetched_ref();
        fleet.world.git.git(&["fetch", "--quiet", "origin", &format!("{line}:{kept}")]);
    }
    let found = tips(&fleet.world.ctx, &fleet.world.repo(), None).unwrap();
    let mut named: Vec<(String, String)> =
        found.iter().map(|tip| (tip.writer.name().to_owned(), tip.branch.display())).collect();
    named.sort();
    let expected = [("b08dfa6083e7567a1921a715000001fb", "main"), ("desk", "main"), ("macbook", "feature/x")];
    assert_eq!(named, expected.map(|(name, branch)| (name.to_owned(), branch.to_owned())));
}

#[test]
fn rule_8_streams_in_this_clone_are_read_too() {
    let fleet = Fleet::new();
    let here = Machine::at(&fleet.world.git.root(), SLUG);
    fleet.world.write("file", "by git-pulsar\n");
    let commit = here.snapshot(5);
    let found = tips(&fleet.world.ctx, &fleet.world.repo(), None).unwrap();
    assert_eq!(found.iter().map(|tip| tip.commit).collect::<Vec<_>>(), [commit]);
}

#[test]
fn rules_9_and_10_we_never_write_under_a_slug_of_git_pulsars() {
    let (fleet, _) = met();
    // The same machine runs both.
    let here = Machine::at(&fleet.world.git.root(), SLUG);
    here.snapshot(NOW.as_secs());
    here.push();
    fleet.world.clock.advance(Duration::from_secs(60));
    fleet.work("file", "more\n", fleet.world.ctx.clock.now());
    fleet.publish().unwrap();
    let all = fleet.there(&["for-each-ref", "--format=%(refname)", STREAMS]);
    let mut expected = [fleet.stream(), here.stream()];
    expected.sort();
    assert_eq!(all.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn rule_12_git_pulsars_fetch_with_prune_takes_nothing_of_ours() {
    let (fleet, _) = met();
    let world = &fleet.world;
    world.git.git(&["config", "fetch.prune", "true"]);
    let ours = |prefix: &str| refs::list(&world.repo(), prefix).unwrap();
    let before = (ours(line::LINES), ours(line::KEEP));
    assert!(!before.0.is_empty() && !before.1.is_empty());
    let here = Machine::at(&world.git.root(), SLUG);
    here.snapshot(NOW.as_secs());
    fleet.there(&["update-ref", "-d", &fleet.stream()]);
    here.fetch();
    assert_eq!(here.sees(), Vec::<String>::new(), "its own stream, never pushed, is gone");
    assert_eq!((ours(line::LINES), ours(line::KEEP)), before);
}

#[test]
fn rule_12_git_pulsars_prune_in_our_clone_does_not_break_our_stream() {
    let (fleet, machine) = met();
    let here = Machine::at(&fleet.world.git.root(), SLUG);
    here.git(&["fetch", "--quiet", "origin", "refs/heads/wip/pulsar/*:refs/heads/wip/pulsar/*"]);
    here.prune(i64::MAX);
    assert_eq!(here.sees(), Vec::<String>::new());
    here.git(&["gc", "--quiet", "--prune=now"]);
    fleet.world.clock.advance(Duration::from_secs(60));
    fleet.work("file", "more\n", fleet.world.ctx.clock.now());
    fleet.publish().unwrap();
    assert!(machine.fetch().status.success());
}

#[test]
fn the_one_branch_of_an_old_git_pulsar_is_named_as_what_is_in_the_way() {
    let fleet = Fleet::new();
    fleet.there(&["branch", "wip/pulsar", "main"]);
    fleet.work("file", "ours\n", NOW);
    let error = fleet.publish().unwrap_err().to_string();
    assert!(error.contains("the branch wip/pulsar of an old git-pulsar is in the way"), "{error}");
    fleet.there(&["branch", "-D", "wip/pulsar"]);
    assert_eq!(fleet.publish().unwrap(), [Branch::Named("main".into())]);
}

#[test]
fn nothing_is_pushed_twice_and_nothing_unless_it_is_asked_for() {
    let (mut fleet, _) = met();
    let tip = fleet.there(&["rev-parse", &fleet.stream()]);
    assert_eq!(fleet.publish().unwrap(), []);
    // The same content and HEAD again.
    fleet.world.clock.advance(Duration::from_secs(60));
    fleet.work("file", "ours\n", fleet.world.ctx.clock.now());
    assert_eq!(fleet.publish().unwrap(), []);
    assert_eq!(fleet.there(&["rev-parse", &fleet.stream()]), tip);

    fleet.world.ctx.sources.flags.clear();
    fleet.work("file", "more\n", fleet.world.ctx.clock.now());
    assert_eq!(fleet.publish().unwrap(), []);
    assert_eq!(fleet.there(&["rev-parse", &fleet.stream()]), tip);
}

#[test]
fn what_the_line_did_not_publish_the_stream_does_not_either() {
    let (fleet, _) = met();
    let tip = fleet.there(&["rev-parse", &fleet.stream()]);
    fleet.world.clock.advance(Duration::from_secs(60));
    fleet.world.write("secret", "held back\n");
    fleet.world.snapshot();
    assert_eq!(fleet.publish().unwrap(), []);
    assert_eq!(fleet.there(&["rev-parse", &fleet.stream()]), tip);
}

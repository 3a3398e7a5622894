use std::time::Duration;

use super::fixture::{Made, NOW, World};
use super::*;
use crate::retention::Policy;
use crate::snapshot::Snapshot;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn policy() -> Policy {
    let days = |n: u64| Duration::from_secs(n * 86_400);
    Policy { all: days(1), hourly: days(7), daily: days(30), weekly: days(365) }
}

/// A line with snapshots of these ages in seconds, oldest first.
fn line_of(world: &World, branch: &'static str, ages: &[i64]) -> Vec<Snapshot> {
    let made = |(n, age): (usize, &i64)| {
        world.write("file", format!("{branch} {n}\n"));
        world.made(Made { branch, time: Timestamp::from_secs(NOW.as_secs() - age), ..Made::default() })
    };
    ages.iter().enumerate().map(made).collect()
}

fn held(world: &World, branch: &str) -> Vec<ObjectId> {
    let repo = world.repo();
    let lines = history::lines(&repo).unwrap();
    let line = lines.iter().find(|line| line.name.component == branch).unwrap();
    history::snapshots(&repo, line).map(|snapshot| snapshot.unwrap().commit).collect()
}

fn prune(world: &World) -> Pruned {
    let repo = world.repo();
    let plans = plan(&world.ctx, &repo, &world.tree, &policy(), NOW).unwrap();
    execute(&world.ctx, &repo, &world.tree, &plans).unwrap()
}

#[test]
fn thinning_drops_by_age_and_keeps_the_ids_of_the_rest() {
    let world = World::new();
    let all = line_of(&world, "main", &[400 * DAY, 2 * DAY + 120, 2 * DAY + 60, 2 * DAY - HOUR, HOUR, 0]);
    let gone = line_of(&world, "gone", &[500 * DAY, 499 * DAY]);
    let pruned = prune(&world);
    assert_eq!(pruned, Pruned { snapshots: 3, bytes: 300, moved: 0 });
    let kept: Vec<ObjectId> = [5, 4, 3, 2].map(|n| all[n].commit).to_vec();
    assert_eq!(held(&world, "main"), kept);
    // A branch that is gone keeps its newest, too.
    assert_eq!(held(&world, "gone"), [gone[1].commit]);
    let state = Registry::open(&world.ctx.home).unwrap().state(&world.tree).unwrap();
    assert_eq!((state.snapshots, state.bytes), (5, 500));
    world.git.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn thinning_again_does_nothing_and_moves_nothing() {
    let world = World::new();
    line_of(&world, "main", &[400 * DAY, 2 * DAY + 120, 2 * DAY + 60, 0]);
    prune(&world);
    let before = history::lines(&world.repo()).unwrap();
    assert_eq!(prune(&world), Pruned::default());
    assert_eq!(history::lines(&world.repo()).unwrap(), before);
}

#[test]
fn keepers_older_than_what_is_dropped_stay_as_they_are() {
    let world = World::new();
    line_of(&world, "main", &[200 * DAY, 100 * DAY, 2 * DAY + 120, 2 * DAY + 60, 0]);
    let repo = world.repo();
    let keepers = || {
        let mut next = history::lines(&repo).unwrap().first().map(|line| line.keeper);
        let walk = std::iter::from_fn(|| {
            let id = next?;
            next = history::keeper(&world.repo().gix(), id).unwrap().1;
            Some(id)
        });
        walk.collect::<Vec<_>>()
    };
    let before = keepers();
    assert_eq!(prune(&world).snapshots, 1);
    let after = keepers();
    assert_eq!(after[2..], before[3..]);
    assert!(after[..2].iter().all(|id| !before.contains(id)));
}

#[test]
fn a_line_that_moved_since_the_plan_is_left_alone() {
    let world = World::new();
    line_of(&world, "main", &[400 * DAY, 0]);
    let repo = world.repo();
    let plans = plan(&world.ctx, &repo, &world.tree, &policy(), NOW).unwrap();
    line_of(&world, "main", &[0]);
    let pruned = execute(&world.ctx, &repo, &world.tree, &plans).unwrap();
    assert_eq!(pruned, Pruned { moved: 1, ..Pruned::default() });
    assert_eq!(held(&world, "main").len(), 3);
}

#[test]
fn pinned_snapshots_stay_also_when_pinned_after_the_plan() {
    let world = World::new();
    let all = line_of(&world, "main", &[500 * DAY, 400 * DAY, 0]);
    let repo = world.repo();
    pin(&repo, &world.tree, "undo", all[0].commit).unwrap();
    pin(&repo, &world.tree, "undo", all[0].commit).unwrap();
    let plans = plan(&world.ctx, &repo, &world.tree, &policy(), NOW).unwrap();
    assert_eq!(plans[0].plan.drop, [all[1].commit]);
    pin(&repo, &world.tree, "Turn 1/2", all[1].commit).unwrap();
    assert_eq!(execute(&world.ctx, &repo, &world.tree, &plans).unwrap(), Pruned::default());
    assert_eq!(held(&world, "main").len(), 3);
    assert_eq!(pins(&repo, &world.tree).unwrap(), HashSet::from([all[0].commit, all[1].commit]));

    unpin(&repo, &world.tree, "Turn 1/2", all[1].commit).unwrap();
    unpin(&repo, &world.tree, "Turn 1/2", all[1].commit).unwrap();
    assert_eq!(prune(&world).snapshots, 1);
    assert_eq!(pins(&repo, &TreeId::random()).unwrap(), HashSet::new());
}

#[test]
fn other_devices_and_trees_are_not_ours_to_thin() {
    let world = World::new();
    line_of(&world, "main", &[400 * DAY, 0]);
    let line = history::lines(&world.repo()).unwrap().remove(0);
    let foreign = crate::line::LineName { device: "desktop-0123abcd".parse().unwrap(), ..line.name.clone() };
    refs::update(&world.repo(), &foreign.ref_name(), None, line.keeper).unwrap();
    assert_eq!(plan(&world.ctx, &world.repo(), &world.tree, &policy(), NOW).unwrap().len(), 1);
    assert!(plan(&world.ctx, &world.repo(), &TreeId::random(), &policy(), NOW).unwrap().is_empty());
}

#[test]
fn gc_takes_the_dropped_and_leaves_the_kept() {
    let world = World::new();
    let all = line_of(&world, "main", &[400 * DAY, 0]);
    prune(&world);
    world.git.git(&["config", "gc.pruneExpire", "now"]);
    world.git.git(&["config", "gc.cruftPacks", "false"]);
    gc(&world.git.root()).unwrap();
    assert!(!world.git.try_git(&["cat-file", "-e", &all[0].commit.to_string()]).status.success());
    assert_eq!(held(&world, "main"), [all[1].commit]);
    assert!(gc(std::path::Path::new("/nonexistent")).is_err());
}

#[test]
fn a_line_whose_new_keepers_are_gone_goes_back_to_the_old_ones() {
    let world = World::new();
    line_of(&world, "main", &[400 * DAY, 0]);
    let repo = world.repo();
    let line = history::lines(&repo).unwrap().remove(0);
    let gone = ObjectId::from_hex(&[b'1'; 40]).unwrap();
    let rebuilt = Rebuilt { keeper: gone, new: vec![gone], dropped: 1, bytes: 1 };
    assert!(!move_line(&repo, &line, &rebuilt).unwrap());
    assert_eq!(history::lines(&repo).unwrap(), [line]);
}

#[test]
fn thinning_leaves_no_pack_that_git_may_not_touch() {
    let world = World::new();
    line_of(&world, "main", &[400 * DAY, 0]);
    prune(&world);
    let packs = std::fs::read_dir(world.path(".git/objects/pack")).unwrap();
    assert!(packs.map(|e| e.unwrap().path()).all(|path| path.extension().is_none_or(|e| e != "keep")));
}

#[test]
fn a_line_that_cannot_be_read_does_not_stop_the_others() {
    let world = World::new();
    line_of(&world, "main", &[400 * DAY, 0]);
    line_of(&world, "side", &[0]);
    let repo = world.repo();
    let side = history::lines(&repo).unwrap().into_iter().find(|line| line.name.component == "side").unwrap();
    refs::update(&repo, &side.name.ref_name(), Some(side.keeper), world.git.id("HEAD")).unwrap();
    assert!(plan(&world.ctx, &repo, &world.tree, &policy(), NOW).is_err());
    let (plans, unreadable) = plan_readable(&world.ctx, &repo, &world.tree, &policy(), NOW).unwrap();
    assert_eq!(unreadable.iter().map(|u| &u.line).collect::<Vec<_>>(), [&side.name]);
    assert_eq!(execute(&world.ctx, &repo, &world.tree, &plans).unwrap().snapshots, 1);
}

const URL: &str = "ssh://host/repo.git";

fn agree(world: &World, consent: crate::registry::Consent) {
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    let common = world.repo().common_dir().to_owned();
    registry.update_link(&common, "origin", URL, |link| link.consent = Some(consent)).unwrap();
}

fn publish(world: &World, branch: &str, snapshot: ObjectId) {
    let branch = crate::line::Branch::Named(branch.into());
    let published = crate::publish::Published {
        line: crate::line::LineName::new(&world.ctx.device.id(), &world.tree, &branch),
        branch,
        seal: None,
        snapshot: Some(snapshot),
        pushed: Some(NOW),
        state: crate::publish::LineState::Published,
    };
    let common = world.repo().common_dir().to_owned();
    Registry::open(&world.ctx.home).unwrap().note_published(&common, URL, &published).unwrap();
}

const NONE: [ObjectId; 0] = [];

/// What would be dropped of the line `main`.
fn dropped(world: &World) -> Vec<ObjectId> {
    let plans = plan(&world.ctx, &world.repo(), &world.tree, &policy(), NOW).unwrap();
    plans.into_iter().find(|plan| plan.line.name.component == "main").unwrap().plan.drop
}

#[test]
fn what_no_remote_has_stays_once_the_user_agreed_to_publish() {
    use crate::registry::Consent;
    let world = World::new();
    let all: Vec<ObjectId> =
        line_of(&world, "main", &[500 * DAY, 450 * DAY, 420 * DAY, 400 * DAY, 0]).iter().map(|s| s.commit).collect();
    let old = [all[3], all[2], all[1], all[0]];
    assert_eq!(dropped(&world), old);
    agree(&world, Consent::Declined);
    assert_eq!(dropped(&world), old);
    agree(&world, Consent::Agreed);
    assert_eq!(dropped(&world), NONE, "nothing was published yet");
    publish(&world, "side", all[4]);
    assert_eq!(dropped(&world), NONE, "of another line");
    publish(&world, "main", all[1]);
    let plans = plan(&world.ctx, &world.repo(), &world.tree, &policy(), NOW).unwrap();
    let unpublished = |id| (id, retention::Why::Unpublished);
    assert_eq!(plans[0].plan.keep, [(all[4], retention::Why::Newest), unpublished(all[3]), unpublished(all[2])]);
    assert_eq!((&plans[0].plan.drop[..], plans[0].plan.bytes), (&[all[1], all[0]][..], 200));
    assert_eq!(prune(&world).snapshots, 2);
    assert_eq!(dropped(&world), NONE, "what was published is gone, and still says what was not");
    publish(&world, "main", all[4]);
    assert_eq!(dropped(&world), [all[3], all[2]]);
}

#[test]
fn a_budget_that_runs_out_takes_what_only_waits() {
    let mut world = World::new();
    let all = line_of(&world, "main", &[500 * DAY, 400 * DAY, 0]);
    agree(&world, crate::registry::Consent::Agreed);
    let user = world.home.path().join("config.toml");
    world.ctx.sources.user = Some(user.clone());
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    registry.update_state(&world.tree, |state| state.bytes = 300).unwrap();
    for (ceiling, expected) in [("1000", vec![]), ("360", vec![all[1].commit, all[0].commit])] {
        let text = format!("[budget]\nrepository = {ceiling}\n");
        crate::git::fixture::write(&user, text.as_bytes());
        assert_eq!(dropped(&world), expected, "{ceiling}");
    }
}

#[test]
fn what_is_marked_as_finished_stays() {
    let world = World::new();
    let all = line_of(&world, "main", &[500 * DAY, 400 * DAY, 0]);
    let repo = world.repo();
    let plans = plan(&world.ctx, &repo, &world.tree, &policy(), NOW).unwrap();
    let main = crate::line::Branch::Named("main".into());
    Registry::open(&world.ctx.home).unwrap().set_finished(&world.tree, &main, all[1].commit).unwrap();
    assert_eq!(dropped(&world), [all[0].commit]);
    assert_eq!(
        execute(&world.ctx, &repo, &world.tree, &plans).unwrap().snapshots,
        1,
        "also when marked after the plan"
    );
    assert_eq!(held(&world, "main"), [all[2].commit, all[1].commit]);
}

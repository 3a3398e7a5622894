use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::capture::{CaptureError, Capturer, Look, Outcome, Request};
use crate::git::ObjectId;
use crate::prune::fixture::{Made, NOW, World};
use crate::registry::Registry;
use crate::{history, refs};

fn capture(world: &World) -> Result<Outcome, CaptureError> {
    let tree = Registry::open(&world.ctx.home).unwrap().trees().unwrap().remove(0);
    let cancel = AtomicBool::new(false);
    let request = Request::new(Look::Everything, &cancel);
    Capturer::new(world.ctx.clone(), tree).capture(&request).map(|report| report.outcome)
}

fn line(world: &World) -> Option<ObjectId> {
    history::lines(&world.repo()).unwrap().first().map(|line| line.keeper)
}

/// A line of two snapshots; the file that only the newest has is taken away. Returns its keepers, newest first.
fn torn(world: &World) -> [ObjectId; 2] {
    world.write("file", "first\n");
    world.made(Made::default());
    let first = line(world).unwrap();
    world.write("file", "second\n");
    world.made(Made::default());
    let blob = world.git.git(&["hash-object", "file"]);
    std::fs::remove_file(world.path(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    world.write("file", "third\n");
    world.clock.advance(Duration::from_secs(60));
    [line(world).unwrap(), first]
}

#[test]
fn a_torn_snapshot_that_nobody_was_told_of_is_taken_back() {
    let world = World::new();
    let [_, first] = torn(&world);
    assert!(matches!(capture(&world).unwrap(), Outcome::Captured(_)));
    let before = history::keeper(&world.repo().gix(), line(&world).unwrap()).unwrap().1;
    assert_eq!(before, Some(first));
}

#[test]
fn a_torn_snapshot_that_was_reported_stays() {
    let world = World::new();
    let [newest, _] = torn(&world);
    let captured = Some(NOW.after(Duration::from_secs(1)));
    Registry::open(&world.ctx.home).unwrap().update_state(&world.tree, |state| state.captured = captured).unwrap();
    assert!(matches!(capture(&world), Err(CaptureError::Git { .. })));
    assert_eq!(line(&world), Some(newest));
}

#[test]
fn a_disk_that_is_not_there_takes_nothing_away() {
    let world = World::new();
    let [newest, _] = torn(&world);
    crate::prune::pin(&world.repo(), &world.tree, "undo", newest).unwrap();
    let before = refs::list(&world.repo(), "refs/").unwrap();
    std::fs::create_dir_all(world.path(".git/objects/info")).unwrap();
    world.write(".git/objects/info/alternates", "/nonexistent/carry/objects\n");
    assert!(capture(&world).is_err());
    assert_eq!(refs::list(&world.repo(), "refs/").unwrap(), before);
}

/// Puts a seal of this device's on the line's newest keeper where the line is, as a mirroring fetch does it.
fn seal_own(world: &World) -> ObjectId {
    let line = history::lines(&world.repo()).unwrap().remove(0);
    let tip = history::newest(&world.repo().gix(), &line).unwrap();
    let device = world.ctx.device.get();
    let seal = crate::seal::Seal {
        line: line.name.clone(),
        branch: tip.meta.branch,
        keeper: line.keeper,
        label: "own".to_owned(),
        key: device.public_key(),
        count: 1,
        finished: false,
    };
    let raw = seal.to_commit(tip.tree, tip.time, &|bytes| device.sign(bytes));
    let commit = world.object(crate::pack::Kind::Commit, &raw);
    refs::update(&world.repo(), &line.name.ref_name(), Some(line.tip), commit).unwrap();
    commit
}

/// A line with one snapshot and something new to capture; returns its keeper.
fn waiting(world: &World) -> ObjectId {
    world.write("file", "first\n");
    world.made(Made::default());
    world.write("file", "second\n");
    world.clock.advance(Duration::from_secs(60));
    line(world).unwrap()
}

#[test]
fn a_line_at_a_seal_of_its_own_goes_on_from_the_keeper() {
    let world = World::new();
    let first = waiting(&world);
    let seal = seal_own(&world);
    assert!(matches!(capture(&world).unwrap(), Outcome::Captured(_)));
    let found = history::lines(&world.repo()).unwrap().remove(0);
    assert_eq!((found.tip, &found.seal), (found.keeper, &None));
    assert_ne!(found.tip, seal);
    assert_eq!(history::keeper(&world.repo().gix(), found.keeper).unwrap().1, Some(first));
}

#[test]
fn a_line_at_another_devices_seal_puts_that_aside() {
    use crate::tips::fixture::{Other, Wrote};
    let (world, desk) = (World::new(), Other::new("desk"));
    let first = waiting(&world);
    let own = history::lines(&world.repo()).unwrap().remove(0);
    desk.publishes(&world, &Wrote::new(world.write_tree(), &[(desk.source(), 1)]));
    let seal = refs::read(&world.repo(), &desk.line(&crate::line::Branch::Named("main".into())).ref_name()).unwrap();
    refs::update(&world.repo(), &own.name.ref_name(), Some(own.tip), seal.unwrap()).unwrap();
    assert!(matches!(capture(&world).unwrap(), Outcome::Captured(_)));
    let found = history::line(&world.repo(), &own.name).unwrap().unwrap();
    assert_eq!(history::keeper(&world.repo().gix(), found.keeper).unwrap().1, Some(first));
    let aside = format!("{}foreign/{}", crate::line::KEEP, seal.unwrap());
    assert_eq!(refs::read(&world.repo(), &aside).unwrap(), seal);
}

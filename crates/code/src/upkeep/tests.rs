use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carry_kernel::clock::{Clock as _, ManualClock, Timestamp};
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use super::*;
use crate::capture::{Capturer, Look, Outcome as Captured, Request};
use crate::git::fixture::{Fixture, write};
use crate::registry::Added;

struct World {
    repo: Fixture,
    ctx: Context,
    clock: Arc<ManualClock>,
    tree: Tree,
}

impl World {
    fn new() -> Self {
        let repo = Fixture::new();
        let home = Home::at(repo.dir().join("home"));
        let device = Device::load_or_create(&home, "here").unwrap().into();
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
        let ctx = Context { home, device, clock: clock.clone(), sources: Sources::default() };
        let added =
            Registry::open(&ctx.home).unwrap().add(&repo.open(), &ctx.device.id(), clock.now(), false, None).unwrap();
        let Added::New(tree) = added else { panic!("{added:?}") };
        Self { repo, ctx, clock, tree }
    }

    /// So many snapshots, so far apart.
    fn capture(&self, n: u32, apart: Duration) {
        let mut capturer = Capturer::new(self.ctx.clone(), self.tree.clone());
        for at in 0..n {
            self.clock.advance(apart);
            write(&self.repo.root().join("file"), format!("{at} of {n}\n").as_bytes());
            let cancel = AtomicBool::new(false);
            let request = Request::new(Look::Everything, &cancel);
            assert!(matches!(capturer.capture(&request).unwrap().outcome, Captured::Captured(_)));
        }
    }

    fn packs(&self) -> usize {
        Registry::open(&self.ctx.home).unwrap().packs(&self.tree.common_dir).unwrap().len()
    }
}

#[test]
fn many_packs_are_folded_and_everything_is_still_there() {
    let world = World::new();
    world.capture(20, Duration::from_secs(60));
    assert_eq!(world.packs(), 20);
    let report = upkeep(&world.ctx, &world.tree).unwrap();
    assert!(report.packs_folded >= 2 && !report.busy, "{report:?}");
    assert!(world.packs() <= PACKS_KEEP, "{}", world.packs());
    assert_eq!(report.pruned, Pruned::default());
    world.repo.git(&["fsck", "--strict"]);
    assert_eq!(upkeep(&world.ctx, &world.tree).unwrap().packs_folded, 0, "again does nothing");
}

#[test]
fn old_snapshots_are_thinned() {
    let world = World::new();
    world.capture(8, Duration::from_secs(600));
    assert_eq!(upkeep(&world.ctx, &world.tree).unwrap().pruned, Pruned::default(), "the clock is not known yet");
    world.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    let report = upkeep(&world.ctx, &world.tree).unwrap();
    assert!(report.pruned.snapshots >= 5, "one an hour stays: {report:?}");
    world.repo.git(&["fsck", "--strict"]);
    assert_eq!(upkeep(&world.ctx, &world.tree).unwrap().pruned, Pruned::default());
}

#[test]
fn two_at_a_time_do_not_meet() {
    let world = World::new();
    world.capture(20, Duration::from_secs(60));
    let mut lease = Lease::open(&world.ctx.home, Owner::this_process()).unwrap().with_clock(world.clock.clone());
    let name = lease_name(&world.tree.common_dir);
    let Outcome::Granted(held) = lease.acquire(&name, LEASE_TTL, world.clock.steady()).unwrap() else { panic!() };
    assert!(upkeep(&world.ctx, &world.tree).unwrap().busy);
    assert_eq!(world.packs(), 20);
    lease.release(held).unwrap();
    assert!(!upkeep(&world.ctx, &world.tree).unwrap().busy);
}

#[test]
fn a_repositorys_own_file_cannot_have_snapshots_thinned() {
    let world = World::new();
    world.capture(8, Duration::from_secs(600));
    let mean =
        "[retention]\nall = \"1s\"\nhourly = \"1s\"\ndaily = \"1s\"\nweekly = \"1s\"\n[budget]\nrepository = 1\n";
    write(&world.repo.root().join("carry.toml"), mean.as_bytes());
    world.clock.advance(Duration::from_secs(60));
    let report = upkeep(&world.ctx, &world.tree).unwrap();
    assert_eq!((report.pruned, report.level), (Pruned::default(), Level::Normal));
    // Nor by a command that asks for the tree's configuration.
    let of_tree = world.ctx.config(Some(world.repo.root().as_path()));
    assert_eq!(Policy::new(&of_tree), Policy::new(&world.ctx.config(None)));
    assert_eq!(of_tree.size("budget.repository"), None, "there is nothing to lower");
}

#[test]
fn pins_that_the_journal_does_not_name_any_more_are_taken_back() {
    use crate::registry::UndoEntry;
    let world = World::new();
    world.capture(2, Duration::from_secs(60));
    let repo = world.repo.open();
    let lines = crate::history::lines(&repo).unwrap();
    let all: Vec<_> = crate::history::snapshots(&repo, &lines[0]).map(|one| one.unwrap().commit).collect();
    for commit in &all {
        prune::pin(&repo, &world.tree.id, prune::UNDO, *commit).unwrap();
    }
    prune::pin(&repo, &world.tree.id, "turn", all[1]).unwrap();
    let entry = UndoEntry {
        id: 0,
        tree: world.tree.id.clone(),
        time: world.clock.now(),
        what: "restore".to_owned(),
        before: all[0],
        paths: vec![],
        staged: false,
        handoff: None,
    };
    Registry::open(&world.ctx.home).unwrap().note_undo(&entry).unwrap();
    upkeep(&world.ctx, &world.tree).unwrap();
    assert_eq!(prune::pinned_as(&repo, &world.tree.id, prune::UNDO).unwrap(), [all[0]]);
    assert_eq!(prune::pinned_as(&repo, &world.tree.id, "turn").unwrap(), [all[1]]);
}

#[test]
fn a_pack_of_ours_that_lost_its_index_is_removed() {
    let world = World::new();
    world.capture(1, Duration::from_secs(60));
    let packs = Registry::open(&world.ctx.home).unwrap().packs(&world.tree.common_dir).unwrap();
    // As a process leaves it that is killed while it removes a pack that was folded.
    let orphan = packs[0].0.with_file_name("pack-0123.pack");
    std::fs::copy(&packs[0].0, &orphan).unwrap();
    Registry::open(&world.ctx.home).unwrap().note_pack(&world.tree.common_dir, &orphan, 1).unwrap();
    assert_eq!(upkeep(&world.ctx, &world.tree).unwrap().leftovers, 0, "it is too young");
    let file = std::fs::File::open(&orphan).unwrap();
    let before = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(3600);
    file.set_modified(before).unwrap();
    assert_eq!(upkeep(&world.ctx, &world.tree).unwrap().leftovers, 1);
    assert_eq!(world.packs(), 1);
    world.repo.git(&["fsck", "--strict"]);
}

#[test]
fn a_line_that_cannot_be_read_stops_neither_folding_nor_the_others() {
    let world = World::new();
    world.capture(20, Duration::from_secs(600));
    upkeep(&world.ctx, &world.tree).unwrap();
    world.capture(20, Duration::from_secs(600));
    world.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    let repo = world.repo.open();
    let line = crate::history::lines(&repo).unwrap().remove(0);
    let bad = crate::line::LineName { component: "bad".into(), ..line.name };
    crate::refs::update(&repo, &bad.ref_name(), None, world.repo.id("HEAD")).unwrap();
    let report = upkeep(&world.ctx, &world.tree).unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert!(report.packs_folded > 0 && report.pruned.snapshots > 0, "{report:?}");
}

#[test]
fn packs_are_folded_only_where_there_is_room_for_them_twice() {
    assert!(fits(&[10, 20], FREE_MIN + 30));
    assert!(!fits(&[10, 20], FREE_MIN + 29));
    assert!(!fits(&[u64::MAX, 1], u64::MAX - 1));
}

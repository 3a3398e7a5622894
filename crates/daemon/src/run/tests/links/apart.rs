//! Links beside each other: each works, fails and goes by itself.

use super::*;

#[test]
fn a_remote_that_fails_holds_up_neither_others_nor_captures() {
    let fake = Fake::new(&[("bad", Reach::Local), ("good", Reach::Local)]);
    fake.failing.lock().unwrap().insert("bad".to_owned(), Reason::AuthRequired);
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it fails", "push", "bad", |status| status.failures > 0);
    let before = fake.pushes("good");
    world.change(&tree, "two\n");
    world.until("the other one gets it", || fake.pushes("good") > before);
    let status = world.link("push", "bad").unwrap();
    assert_eq!((status.reason, status.message.as_deref()), (Some(Reason::AuthRequired), Some("Bad: it says no.")));
    let wait = status.backoff_until.unwrap().since(SystemClock.now());
    assert!(wait > Duration::from_secs(600), "somebody must log in first: {wait:?}");
}

#[test]
fn a_link_does_one_thing_at_a_time() {
    let fake = Fake::local();
    fake.set_open(false);
    let (world, _, _) = World::publishing(&fake);
    world.until("it pushes", || fake.pushes("origin") == 1);
    world.until_link("the radar waits", "radar", "origin", |status| matches!(status.phase, Phase::Working(_)));
    let asked = fake.fetches();
    fake.set_open(true);
    world.until_link("both are done", "push", "origin", is_done);
    world.until_link("both are done", "radar", "origin", is_done);
    assert!(asked <= 1 && fake.fetches() == 1, "{asked}");
}

#[test]
fn a_radar_that_is_switched_off_asks_nobody() {
    let fake = Fake::local();
    fake.settings.lock().unwrap().radar = false;
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it is off", "radar", "origin", |status| status.phase == Phase::Disabled);
    world.until_link("pushes go on", "push", "origin", is_done);
    world.change(&tree, "two\n");
    assert_eq!(fake.fetches(), 0);
    fake.settings.lock().unwrap().radar = true;
    world.reload();
    world.until("it is on again", || fake.fetches() == 1);
}

#[test]
fn a_metered_connection_is_left_alone_and_this_machine_is_not_the_network() {
    let fake = Fake::new(&[("near", Reach::Loopback), ("far", Reach::Network)]);
    let mut world = World::new();
    let tree = world.repo("repo");
    for remote in fake.remotes.lock().unwrap().iter() {
        world.agree(&tree, remote, Some(Consent::Agreed));
    }
    let (tuning, _) = tuning(&fake);
    world.start(Tuning { metered: Arc::new(|| Some(true)), ..tuning });
    world.until_link("near is pushed to", "push", "near", is_done);
    world.until_link("far waits", "push", "far", |status| status.dirty && status.gates.contains(&Gate::Metered));
    assert_eq!(fake.pushes("far"), 0);
    assert!(!world.link("push", "near").unwrap().gates.contains(&Gate::Metered));
}

#[test]
fn a_panic_in_a_push_is_counted_and_holds_up_nobody() {
    let fake = Fake::local();
    fake.panics.store(1, Ordering::SeqCst);
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it panicked", "push", "origin", |status| status.panics == 1);
    world.change(&tree, "two\n");
    world.clock.0.store(60_000, Ordering::SeqCst);
    world.until_link("it recovers", "push", "origin", is_done);
}

#[test]
fn worktrees_share_a_link_and_a_paused_one_is_left_out() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    git(&tree.root, &["worktree", "add", "--quiet", "../linked"]);
    world.reload();
    world.until("it is taken up", || world.status().workers.len() == 2);
    world.until_link("it pushes", "push", "origin", is_done);
    assert_eq!(world.status().links.len(), 2);
    for tree in world.registry().trees().unwrap() {
        world.registry().set_paused(&tree.id, true).unwrap();
    }
    world.reload();
    world.until("nothing is left to push", || world.status().links.is_empty());
    let rows = || carry_kernel::status::StatusBoard::open_read_only(&world.ctx.home).unwrap().unwrap().rows().unwrap();
    assert!(
        rows().iter().all(|row| !row.worker.starts_with("push/") && !row.worker.starts_with("radar/")),
        "{:?}",
        rows()
    );
}

#[test]
fn rows_of_links_that_are_gone_are_swept() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let own = crate::run::link::repository_of(&tree.common_dir);
    let stale = [format!("push/{own}/elsewhere"), "radar/0123456789ab/origin".to_owned()];
    let mut board = carry_kernel::status::StatusBoard::open(&world.ctx.home).unwrap();
    for row in &stale {
        board.publish(row, &Status::new(Phase::Healthy), 1, SystemClock.now()).unwrap();
    }
    world.start(tuning(&Fake::local()).0);
    world.until("they are gone", || board.rows().unwrap().iter().all(|row| !stale.contains(&row.worker)));
}

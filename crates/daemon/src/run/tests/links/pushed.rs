//! When snapshots are pushed.

use super::*;

#[test]
fn what_waited_before_the_start_and_every_new_snapshot_is_pushed() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes at the start", "push", "origin", is_done);
    world.quiet(&tree);
    world.until_link("it is quiet", "push", "origin", is_done);
    let before = fake.pushes("origin");
    write(&tree.root.join("file"), "by itself\n");
    world.until("a capture by itself is pushed", || fake.pushes("origin") > before);
    let before = fake.pushes("origin");
    world.change(&tree, "asked for\n");
    world.until("a capture that was asked for is pushed", || fake.pushes("origin") > before);
}

#[test]
fn pushes_keep_their_interval() {
    let fake = Fake::local();
    fake.settings.lock().unwrap().push_interval = HOUR;
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes at the start", "push", "origin", is_done);
    world.now_one(&tree, false);
    world.change(&tree, "two\n");
    world.until_link("it waits", "push", "origin", |status| status.dirty);
    world.change(&tree, "three\n");
    assert_eq!(fake.pushes("origin"), 1);
    // As after a sleep of the machine.
    world.clock.0.store(2 * 3_600_000, Ordering::SeqCst);
    world.until("the interval is over", || fake.pushes("origin") == 2);
}

#[test]
fn without_consent_nothing_is_pushed_until_it_comes() {
    let fake = Fake::local();
    let mut world = World::new();
    let tree = world.repo("repo");
    world.start(tuning(&fake).0);
    world.until_link("it is off", "push", "origin", |status| status.phase == Phase::Disabled);
    world.until_link("others are asked all the same", "radar", "origin", is_done);
    world.change(&tree, "two\n");
    let message = world.link("push", "origin").unwrap().message.unwrap();
    assert!(message.contains("carry publish"), "{message}");
    assert_eq!(fake.pushes("origin"), 0);
    let remote = fake.remotes.lock().unwrap()[0].clone();
    world.agree(&tree, &remote, Some(Consent::Agreed));
    world.reload();
    world.until("what waited is pushed", || fake.pushes("origin") > 0);
    world.until_link("it is done", "push", "origin", is_done);
    let before = fake.pushes("origin");
    // Withdrawn without a word to the daemon.
    world.agree(&tree, &remote, Some(Consent::Declined));
    world.change(&tree, "three\n");
    world.until_link("it is off again", "push", "origin", |status| status.phase == Phase::Disabled);
    assert_eq!(fake.pushes("origin"), before);
}

#[test]
fn consent_is_for_a_url_and_not_for_a_name() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes at the start", "push", "origin", is_done);
    let before = fake.pushes("origin");
    fake.remotes.lock().unwrap()[0].url = "/remotes/another".to_owned();
    world.change(&tree, "two\n");
    world.until_link("it is off", "push", "origin", |status| status.phase == Phase::Disabled);
    assert_eq!(fake.pushes("origin"), before);
    assert_eq!(world.status().links.len(), 2, "the old link is gone");
}

#[test]
fn a_long_push_delays_no_capture_and_ends_with_the_daemon() {
    let fake = Fake::local();
    fake.set_open(false);
    let (mut world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes", "push", "origin", |status| status.phase == Phase::Working("pushing 45 %".to_owned()));
    for n in 0..3 {
        world.change(&tree, &format!("{n}\n"));
    }
    assert_eq!(fake.pushes("origin"), 1, "one at a time");
    world.stop();
    assert!(fake.was_cancelled.load(Ordering::SeqCst), "it is told, not waited for");
}

#[test]
fn lines_that_a_remote_lost_are_pushed_again() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    world.change(&tree, "two\n");
    let settled = || {
        world.quiet(&tree);
        world.until_link("it pushed", "push", "origin", is_done);
        world.until_link("it asked", "radar", "origin", is_done);
    };
    let ask_again = |hours: u64| {
        let fetches = fake.fetches();
        world.clock.0.store(hours * 3_600_000, Ordering::SeqCst);
        world.until("it is asked again", || fake.fetches() > fetches);
    };
    settled();
    let before = fake.pushes("origin");
    ask_again(2);
    settled();
    assert_eq!(fake.pushes("origin"), before, "asking alone pushes nothing");
    fake.lost.store(true, Ordering::SeqCst);
    ask_again(4);
    world.until("it is pushed again", || fake.pushes("origin") > before);
}

#[test]
fn a_command_that_pushes_is_waited_for() {
    use carry_kernel::lease::{Lease, Outcome, Owner};
    let fake = Fake::local();
    let mut world = World::new();
    let tree = world.repo("repo");
    let remote = fake.remotes.lock().unwrap()[0].clone();
    world.agree(&tree, &remote, Some(Consent::Agreed));
    let mut lease = Lease::open(&world.ctx.home, Owner::this_process()).unwrap().with_clock(world.clock.clone());
    let name = publish::lease_name(&tree.common_dir, &remote.key());
    let Outcome::Granted(held) = lease.acquire(&name, HOUR, world.clock.steady()).unwrap() else { panic!() };
    world.start(tuning(&fake).0);
    world.until_link("it waits", "push", "origin", |status| status.reason == Some(Reason::Busy));
    assert_eq!(fake.pushes("origin"), 0);
    lease.release(held).unwrap();
    world.until("it is its turn", || fake.pushes("origin") == 1);
}

//! What the desktop is told.

use super::*;

#[test]
fn newer_work_is_told_once_a_tip() {
    let fake = Fake::local();
    fake.drift.lock().unwrap().push(drift(1));
    let (world, tree, told) = World::publishing(&fake);
    let count = || told.lock().unwrap().len();
    world.until("it is told", || count() == 1);
    let notice = told.lock().unwrap()[0].clone();
    assert_eq!(notice.title(), "Newer work on laptop");
    assert!(notice.body().starts_with("repo, branch main: just now."), "{}", notice.body());
    let ask_again = |hours: u64| {
        let before = fake.fetches();
        world.clock.0.store(hours * 3_600_000, Ordering::SeqCst);
        world.until("it is asked again", || fake.fetches() > before);
        world.until_link("it is done", "radar", "origin", is_done);
    };
    ask_again(2);
    assert_eq!(count(), 1, "the same tip");
    *fake.drift.lock().unwrap() = vec![drift(2)];
    // With unshared work of its own, too.
    world.change(&tree, "two\n");
    ask_again(4);
    world.until("the next one is told", || count() == 2);
}

#[test]
fn a_user_who_wants_no_notices_gets_none() {
    let fake = Fake::local();
    fake.drift.lock().unwrap().push(drift(1));
    let mut world = World::new();
    world.ctx.sources.flags.push(("daemon.notify".to_owned(), "false".to_owned()));
    world.repo("repo");
    let (tuning, told) = tuning(&fake);
    world.start(tuning);
    world.until_link("it is asked", "radar", "origin", is_done);
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn an_unknown_device_is_told_of_once() {
    let fake = Fake::local();
    let mut world = World::new();
    world.repo("repo");
    let id = "laptop-01234567";
    world.registry().note_device(id, None, "laptop; rm -rf ~", SystemClock.now()).unwrap();
    let (tuning, told) = tuning(&fake);
    world.start(tuning);
    world.until("it is told of", || told.lock().unwrap().len() == 1);
    let body = told.lock().unwrap()[0].body().to_owned();
    assert!(body.ends_with(&format!("is not approved: `carry devices approve {id}`.")), "{body}");
    assert!(world.registry().device(id).unwrap().unwrap().shown);
    let before = fake.fetches();
    world.clock.0.store(2 * 3_600_000, Ordering::SeqCst);
    world.until("it is asked again", || fake.fetches() > before);
    world.until_link("it is done", "radar", "origin", is_done);
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[test]
fn a_line_that_is_left_behind_is_told_of_once_a_cause() {
    let fake = Fake::local();
    let refused = |message: &str| Some(LineState::Refused { message: message.to_owned() });
    *fake.state.lock().unwrap() = refused("a hook said no");
    let (world, tree, told) = World::publishing(&fake);
    let count = || told.lock().unwrap().len();
    world.until("it is told", || count() == 1);
    let pushed_again = |text: &str| {
        let before = fake.pushes("origin");
        world.change(&tree, text);
        world.until("it is pushed", || fake.pushes("origin") > before);
        world.until_link("it is done", "push", "origin", is_done);
    };
    pushed_again("two\n");
    assert_eq!(count(), 1, "the same cause");
    *fake.state.lock().unwrap() = refused("too large");
    pushed_again("three\n");
    world.until("another cause is told", || count() == 2);
    assert!(told.lock().unwrap()[1].body().contains("too large"));
}

#[test]
fn a_new_identity_is_taken_over_and_told_once() {
    let fake = Fake::local();
    let (world, tree, told) = World::publishing(&fake);
    world.change(&tree, "two\n");
    let other = tempfile::tempdir().unwrap();
    let other = Home::at(other.path());
    let renewed = Device::load_or_create(&other, "here").unwrap();
    let text = disk::read_bounded(&other.device_file(), 1 << 16).unwrap().unwrap();
    disk::write_atomic(&world.ctx.home.device_file(), &text).unwrap();
    world.reload();
    world.reload();
    assert_eq!(world.ctx.device.id(), *renewed.id());
    world.until("it is told", || told.lock().unwrap().len() == 1);
    world.change(&tree, "three\n");
    let lines = git(&tree.root, &["for-each-ref", "--format=%(refname)", "refs/carry/"]);
    assert!(lines.contains(&format!("refs/carry/{}/", renewed.id())), "{lines}");
    assert_eq!(told.lock().unwrap().len(), 1);
}

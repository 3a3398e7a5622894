use carry_code::registry::Coverage;

use super::*;

fn error_of(world: &World, tree: &Tree) -> String {
    world.now(&[tree], false)[0].error.clone().unwrap_or_default()
}

#[test]
fn trees_come_and_go_with_the_registry() {
    let (world, trees) = World::with(&["one"]);
    let two = world.repo("two");
    // A tree that was registered a moment ago is known when it is asked for.
    assert!(world.now_one(&two, true).error.is_none());
    world.registry().remove(&trees[0].id).unwrap();
    world.reload();
    world.until("it left", || world.status().workers.len() == 1);
    assert_eq!(error_of(&world, &trees[0]), "This working tree is not registered.");
    let board = carry_kernel::status::StatusBoard::open_read_only(&world.ctx.home).unwrap().unwrap();
    let is_of_tree = |row: &carry_kernel::status::Row| row.worker.starts_with("code/");
    world.until("its status left too", || board.rows().unwrap().iter().filter(|row| is_of_tree(row)).count() == 1);
}

#[test]
fn a_paused_tree_is_left_alone_until_it_is_resumed() {
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    world.now_one(tree, false);
    world.registry().set_paused(&tree.id, true).unwrap();
    world.reload();
    world.until("it is paused", || world.worker(tree).phase == Phase::Paused);
    write(&tree.root.join("file"), "while paused\n");
    assert_eq!(error_of(&world, tree), "This working tree is paused.");
    assert_eq!(world.now(&[], false), [], "of all trees only those that can be captured are meant");
    assert_ne!(world.snapshot_of(tree, "file").as_deref(), Some("while paused\n"));
    world.registry().set_paused(&tree.id, false).unwrap();
    world.reload();
    world.until("what came meanwhile is captured", || {
        world.snapshot_of(tree, "file").as_deref() == Some("while paused\n")
    });
}

#[test]
fn a_tree_that_is_away_is_taken_up_when_it_is_back() {
    let mut world = World::new();
    let tree = world.repo("repo");
    world.start(Tuning { absent_check: Duration::from_millis(20), ..Tuning::default() });
    world.now_one(&tree, false);
    world.quiet(&tree);
    std::fs::rename(&tree.root, world.path("away")).unwrap();
    world.until("it is missed", || world.worker(&tree).phase == Phase::Disabled);
    let error = error_of(&world, &tree);
    assert!(error.contains("is not there"), "{error}");
    assert!(world.state(&tree).error.is_some());
    write(&world.path("away/file"), "meanwhile\n");
    std::fs::rename(world.path("away"), &tree.root).unwrap();
    world.until("it is captured", || world.snapshot_of(&tree, "file").as_deref() == Some("meanwhile\n"));
    world.until("it is watched", || world.state(&tree).coverage == Some(Coverage::Watched));
    assert_eq!(world.state(&tree).error, None);
}

#[test]
fn a_tree_that_never_was_there_does_not_keep_the_daemon_from_starting() {
    let mut world = World::new();
    let (gone, there) = (world.repo("gone"), world.repo("there"));
    std::fs::remove_dir_all(&gone.root).unwrap();
    world.start(Tuning::default());
    world.now_one(&there, false);
    assert_eq!(world.worker(&gone).phase, Phase::Disabled);
}

#[test]
fn a_linked_worktree_is_captured_by_itself() {
    let mut world = World::new();
    let tree = world.repo("repo");
    world.start(Tuning { linked_after: [Duration::from_millis(50), Duration::from_millis(500)], ..Tuning::default() });
    world.now_one(&tree, false);
    world.until("it is watched", || world.state(&tree).coverage == Some(Coverage::Watched));
    git(&tree.root, &["worktree", "add", "--quiet", "../linked"]);
    world.until("it is taken up", || world.status().workers.len() == 2);
    let linked = world.registry().by_root(&world.path("linked")).unwrap().unwrap();
    assert!(linked.automatic);
    write(&linked.root.join("file"), "linked\n");
    world.until("it is captured", || world.snapshot_of(&linked, "file").as_deref() == Some("linked\n"));
    git(&tree.root, &["worktree", "remove", "--force", "../linked"]);
    world.until("it is missed", || world.worker(&linked).phase == Phase::Disabled);
}

#[test]
fn a_tree_may_switch_itself_off_and_on() {
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    world.now_one(tree, false);
    world.until("it is watched", || world.state(tree).coverage == Some(Coverage::Watched));
    write(&tree.root.join("carry.toml"), "[code]\nenabled = false\n");
    world.until("it is off", || world.worker(tree).phase == Phase::Disabled);
    assert!(error_of(&world, tree).contains("switched off"));
    std::fs::remove_file(tree.root.join("carry.toml")).unwrap();
    world.reload();
    assert!(world.now_one(tree, false).error.is_none());
}

#[test]
fn a_tree_that_switched_itself_off_is_taken_up_again_when_the_file_is_gone() {
    let mut world = World::new();
    let tree = world.repo("repo");
    git(&tree.root, &["checkout", "--quiet", "-b", "off"]);
    write(&tree.root.join("carry.toml"), "[code]\nenabled = false\n");
    git(&tree.root, &["add", "."]);
    git(&tree.root, &["commit", "--quiet", "-m", "off"]);
    world.start(Tuning { absent_check: Duration::from_millis(20), ..Tuning::default() });
    world.until("it is off", || world.worker(&tree).phase == Phase::Disabled);
    git(&tree.root, &["checkout", "--quiet", "main"]);
    write(&tree.root.join("file"), "on again\n");
    world.until("it is captured", || world.snapshot_of(&tree, "file").as_deref() == Some("on again\n"));
    world.until("it is watched", || world.state(&tree).coverage == Some(Coverage::Watched));
}

#[test]
fn a_capture_that_is_asked_for_reads_the_settings_of_a_tree_that_is_off_again() {
    for is_named in [true, false] {
        let mut world = World::new();
        let tree = world.repo("repo");
        write(&tree.root.join("carry.toml"), "[code]\nenabled = false\n");
        world.start(Tuning::default());
        assert!(error_of(&world, &tree).contains("switched off"));
        std::fs::remove_file(tree.root.join("carry.toml")).unwrap();
        let named: &[&Tree] = if is_named { &[&tree] } else { &[] };
        let results = world.now(named, true);
        assert_eq!(results.iter().map(|result| (&result.tree, &result.error)).collect::<Vec<_>>(), [(&tree.id, &None)]);
    }
}

#[test]
fn a_tree_that_switched_itself_off_while_it_was_away_is_off() {
    let mut world = World::new();
    let tree = world.repo("repo");
    world.start(Tuning { absent_check: Duration::from_millis(20), ..Tuning::default() });
    world.now_one(&tree, false);
    std::fs::rename(&tree.root, world.path("away")).unwrap();
    world.until("it is missed", || world.worker(&tree).phase == Phase::Disabled);
    write(&world.path("away/carry.toml"), "[code]\nenabled = false\n");
    std::fs::rename(world.path("away"), &tree.root).unwrap();
    world.until("it is off", || error_of(&world, &tree).contains("switched off"));
}

#[test]
fn what_cannot_be_watched_is_polled() {
    let mut world = World::new();
    // Without a folder for cookies the watcher cannot start.
    write(&world.ctx.home.state_dir().join("cookies"), "in the way\n");
    world.ctx.sources.flags.push(("code.poll".to_owned(), "1s".to_owned()));
    let tree = world.repo("repo");
    world.start(Tuning::default());
    world.until("it is polled", || world.state(&tree).coverage == Some(Coverage::Polled));
    assert!(world.state(&tree).coverage_reason.is_some());
    write(&tree.root.join("file"), "two\n");
    world.until("a poll found it", || world.snapshot_of(&tree, "file").as_deref() == Some("two\n"));
    write(&tree.root.join("file"), "three\n");
    world.now_one(&tree, true);
    assert_eq!(
        world.snapshot_of(&tree, "file").as_deref(),
        Some("three\n"),
        "without a watcher everything is looked at"
    );
}

#[test]
fn new_settings_take_effect() {
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    world.now_one(tree, false);
    // One that runs still has the old settings.
    world.quiet(tree);
    disk::write_atomic(&world.ctx.home.config_file(), b"[files]\nignore = [\"*.secret\"]\n").unwrap();
    world.reload();
    write(&tree.root.join("a.secret"), "no\n");
    write(&tree.root.join("b.plain"), "yes\n");
    world.until("what is not ignored is captured", || world.snapshot_of(tree, "b.plain").is_some());
    assert_eq!(world.snapshot_of(tree, "a.secret"), None);
}

#[test]
fn a_tree_that_is_back_is_captured_when_asked_for() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let never = Duration::from_secs(24 * 60 * 60);
    world.start(Tuning { absent_check: never, ..Tuning::default() });
    world.now_one(&tree, false);
    std::fs::rename(&tree.root, world.path("away")).unwrap();
    world.until("it is missed", || world.worker(&tree).phase == Phase::Disabled);
    write(&world.path("away/file"), "meanwhile\n");
    std::fs::rename(world.path("away"), &tree.root).unwrap();
    world.now_one(&tree, false);
    assert_eq!(world.snapshot_of(&tree, "file").as_deref(), Some("meanwhile\n"));
    assert_eq!(world.state(&tree).error, None);
}

#[test]
fn what_the_watcher_says_too_late_switches_no_tree_off_for_ever() {
    use carry_code::watch::Event as Heard;
    let mut world = World::new();
    let tree = world.repo("repo");
    let never = Duration::from_secs(24 * 60 * 60);
    let (events, inbox) = sync_channel(EVENTS_MAX);
    let (ctx, say) = (world.ctx.clone(), events.clone());
    let tuning = Tuning { absent_check: never, ..Tuning::default() };
    world.daemon = Some(std::thread::spawn(move || run_with(&ctx, tuning, events, &inbox)));
    world.until("the daemon answers", || world.ask(&Request::Status).is_some());
    world.now_one(&tree, false);
    std::fs::rename(&tree.root, world.path("away")).unwrap();
    world.until("it is missed", || world.worker(&tree).phase == Phase::Disabled);
    std::fs::rename(world.path("away"), &tree.root).unwrap();
    say.send(Event::Watch(Heard::Gone(tree.id.clone()))).unwrap();
    say.send(Event::Watch(Heard::Unwatchable(tree.id.clone(), "late".to_owned()))).unwrap();
    assert_eq!(world.worker(&tree).phase, Phase::Disabled);
    world.reload();
    world.until("it is watched", || world.state(&tree).coverage == Some(Coverage::Watched));
    write(&tree.root.join("file"), "back\n");
    world.until("it is captured", || world.snapshot_of(&tree, "file").as_deref() == Some("back\n"));
}

#[test]
fn a_linked_worktree_of_a_polled_tree_is_found_by_a_full_look() {
    let mut world = World::new();
    // Without a folder for cookies the watcher cannot start.
    write(&world.ctx.home.state_dir().join("cookies"), "in the way\n");
    world.ctx.sources.flags.push(("code.poll".to_owned(), "1s".to_owned()));
    let tree = world.repo("repo");
    world.start(Tuning { linked_after: [Duration::from_millis(50), Duration::from_millis(500)], ..Tuning::default() });
    world.until("it is polled", || world.state(&tree).coverage == Some(Coverage::Polled));
    world.now_one(&tree, false);
    git(&tree.root, &["worktree", "add", "--quiet", "../linked"]);
    world.until("it is taken up", || world.status().workers.len() == 2);
}

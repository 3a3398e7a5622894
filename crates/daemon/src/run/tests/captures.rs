use super::*;

#[test]
fn a_change_is_captured_by_itself() {
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    world.until("a first snapshot or look", || world.worker(tree).cycles > 0);
    write(&tree.root.join("file"), "two\n");
    write(&tree.root.join("new/deep/file"), "three\n");
    world.until("the change is captured", || {
        world.snapshot_of(tree, "file").as_deref() == Some("two\n")
            && world.snapshot_of(tree, "new/deep/file").as_deref() == Some("three\n")
    });
    std::fs::remove_dir_all(tree.root.join("new")).unwrap();
    world.until("the removal is captured", || world.snapshot_of(tree, "new/deep/file").is_none());
    assert_eq!(git(&tree.root, &["status", "--porcelain"]), " M file\n", "the user's state is untouched");
}

#[test]
fn now_captures_what_was_just_written() {
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    for n in 0..20 {
        write(&tree.root.join("file"), &format!("{n}\n"));
        let result = world.now_one(tree, n % 2 == 0);
        assert_eq!(world.snapshot_of(tree, "file"), Some(format!("{n}\n")));
        assert_eq!(result.snapshot, world.state(tree).snapshot.map(|id| id.to_string()));
    }
}

#[test]
fn now_without_a_change_gives_the_newest_snapshot_without_looking() {
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    write(&tree.root.join("file"), "two\n");
    let first = world.now_one(tree, false);
    // What the watcher told of the same change meanwhile may ask for one more look.
    let second = world.now_one(tree, true);
    assert_eq!((second.new, second.snapshot), (false, first.snapshot.clone()));
    world.quiet(tree);
    let cycles = world.worker(tree).cycles;
    let third = world.now_one(tree, true);
    assert_eq!((third.new, third.snapshot, world.worker(tree).cycles), (false, first.snapshot, cycles));
}

#[test]
fn all_trees_are_captured_when_none_is_named() {
    let (world, trees) = World::with(&["one", "two", "three"]);
    for tree in &trees {
        write(&tree.root.join("file"), "changed\n");
    }
    let results = world.now(&[], false);
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(|result| result.error.is_none() && result.snapshot.is_some()), "{results:?}");
    for tree in &trees {
        assert_eq!(world.snapshot_of(tree, "file").as_deref(), Some("changed\n"));
    }
}

#[test]
fn progress_is_told_while_it_runs() {
    let (world, trees) = World::with(&["repo"]);
    write(&trees[0].root.join("file"), "two\n");
    let mut steps = Vec::new();
    let request = Request::Capture { trees: vec![trees[0].id.clone()], watched: false };
    let answer = Remote::new(&world.ctx.home)
        .ask(&request, &mut |answer| {
            let Answer::Progress { step, .. } = answer else { panic!("{answer:?}") };
            steps.push(step.clone());
        })
        .unwrap();
    assert!(matches!(answer, Answer::Captured(_)));
    assert!(steps.iter().any(|step| step == "looking"), "{steps:?}");
}

#[test]
fn a_panic_is_counted_and_holds_up_nobody() {
    let mut world = World::new();
    let (bad, good) = (world.repo("bad"), world.repo("good"));
    let panics = Arc::new(AtomicU32::new(0));
    let (root, counted) = (bad.root.clone(), panics.clone());
    let before_capture = move |at: &Path| {
        if at == root && counted.fetch_add(1, Ordering::SeqCst) < 2 {
            panic!("this test wants it");
        }
    };
    world.start(Tuning { before_capture: Arc::new(before_capture), ..Tuning::default() });
    world.until("it panicked", || world.worker(&bad).panics > 0);
    write(&good.root.join("file"), "two\n");
    world.now_one(&good, false);
    assert_eq!(world.snapshot_of(&good, "file").as_deref(), Some("two\n"));
    let status = world.worker(&bad);
    let message = status.message.unwrap();
    assert!(message.contains("this test wants it"), "{message}");
    world.until("it recovers", || world.now(&[&bad], false)[0].error.is_none());
    assert_eq!(world.worker(&bad).panics, 2);
    assert_eq!(world.state(&bad).error, None);
}

#[test]
fn a_failing_tree_says_why_and_holds_up_nobody() {
    let (world, trees) = World::with(&["bad", "good"]);
    let (bad, good) = (&trees[0], &trees[1]);
    world.now(&[], false);
    std::fs::rename(bad.root.join(".git/HEAD"), bad.root.join(".git/HEAD.away")).unwrap();
    let results = world.now(&[bad, good], false);
    let of = |tree: &Tree| results.iter().find(|result| result.tree == tree.id).unwrap();
    assert!(of(bad).error.is_some());
    assert_eq!(of(good).error, None);
    std::fs::rename(bad.root.join(".git/HEAD.away"), bad.root.join(".git/HEAD")).unwrap();
    world.reload();
    world.until("it is captured again", || world.now(&[bad], false)[0].error.is_none());
}

#[test]
fn after_a_sleep_everything_is_looked_at() {
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    world.now_one(tree, false);
    world.quiet(tree);
    let cycles = world.worker(tree).cycles;
    world.clock.0.store(3_600_000, Ordering::SeqCst);
    world.until("it looked", || world.worker(tree).cycles > cycles);
}

#[test]
fn many_captures_do_not_leave_many_packs() {
    let mut world = World::new();
    let tree = world.repo("repo");
    world.start(Tuning { upkeep_gap: Duration::ZERO, ..Tuning::default() });
    world.quiet(&tree);
    let before = world.state(&tree).snapshots;
    for n in 0..40 {
        // In one step: a capture of the daemon's own may look at any moment.
        let next = world.path("next");
        write(&next, &format!("{n}\n"));
        std::fs::rename(next, tree.root.join("file")).unwrap();
        world.now_one(&tree, true);
    }
    world.until("packs are folded", || {
        world.registry().packs(&tree.common_dir).unwrap().len() <= carry_code::upkeep::PACKS_KEEP
    });
    git(&tree.root, &["fsck", "--strict"]);
    assert_eq!(world.state(&tree).snapshots, before + 40);
}

#[test]
fn another_process_at_the_same_tree_is_waited_for() {
    use carry_kernel::lease::{Lease, Outcome, Owner};
    let (world, trees) = World::with(&["repo"]);
    let tree = &trees[0];
    world.now_one(tree, false);
    world.quiet(tree);
    let before = world.worker(tree).cycles;
    let mut lease = Lease::open(&world.ctx.home, Owner::this_process()).unwrap().with_clock(world.clock.clone());
    let name = format!("code/{}", tree.id);
    let Outcome::Granted(held) = lease.acquire(&name, Duration::from_secs(3600), world.clock.steady()).unwrap() else {
        panic!()
    };
    write(&tree.root.join("file"), "two\n");
    world.until("it is told that somebody else is at it", || {
        world.worker(tree).reason == Some(carry_kernel::worker::Reason::Busy)
    });
    assert_eq!(world.worker(tree).cycles, before);
    lease.release(held).unwrap();
    world.until("the other one is done", || world.snapshot_of(tree, "file").as_deref() == Some("two\n"));
}

#[test]
fn trees_that_hang_are_named_and_hold_up_nobody() {
    let mut world = World::new();
    let trees = ["a", "b", "c", "good"].map(|name| world.repo(name));
    let (hung, good) = (&trees[..3], &trees[3]);
    let roots: Vec<PathBuf> = hung.iter().map(|tree| tree.root.clone()).collect();
    let gate = Arc::new(std::sync::Mutex::new(()));
    let (shut, waits) = (gate.clone(), gate.lock().unwrap());
    let before_capture = move |at: &Path| {
        if roots.iter().any(|root| root == at) {
            drop(shut.lock());
        }
    };
    let stall_after = Duration::from_millis(50);
    world.start(Tuning { stall_after, before_capture: Arc::new(before_capture), ..Tuning::default() });
    write(&good.root.join("file"), "two\n");
    world.now_one(good, false);
    assert_eq!(world.snapshot_of(good, "file").as_deref(), Some("two\n"));
    for tree in hung {
        let says = |world: &World| world.worker(tree).message.unwrap_or_default();
        world.until("it is said to hang", || says(&world).contains("has made no progress"));
    }
    drop(waits);
    for tree in hung {
        world.until("it goes on", || world.worker(tree).cycles > 0);
        world.until("nothing is said of it any more", || world.worker(tree).message.is_none());
    }
}

#[test]
fn upkeep_comes_by_itself_when_nothing_is_captured() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let n_upkeeps = Arc::new(AtomicU32::new(0));
    let counted = n_upkeeps.clone();
    let before_upkeep = move |_: &Path| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let (upkeep_gap, upkeep_every) = (Duration::ZERO, Duration::from_millis(20));
    world.start(Tuning { upkeep_gap, upkeep_every, before_upkeep: Arc::new(before_upkeep), ..Tuning::default() });
    world.until("it was kept up again and again", || n_upkeeps.load(Ordering::SeqCst) > 3);
    assert!(world.state(&tree).snapshots <= 1);
}

#[test]
fn a_tree_that_has_its_snapshot_is_kept_up_after_the_start() {
    let (mut world, trees) = World::with(&["repo"]);
    world.now_one(&trees[0], false);
    world.quiet(&trees[0]);
    world.stop();
    let n_upkeeps = Arc::new(AtomicU32::new(0));
    let counted = n_upkeeps.clone();
    let before_upkeep = move |_: &Path| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    world.start(Tuning { upkeep_gap: Duration::ZERO, before_upkeep: Arc::new(before_upkeep), ..Tuning::default() });
    world.until("it was kept up", || n_upkeeps.load(Ordering::SeqCst) > 0);
}

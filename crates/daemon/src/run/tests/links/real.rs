//! With Git and remotes on disk.

use super::*;

#[test]
fn a_snapshot_reaches_a_real_remote_by_itself() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let there = world.path("there.git");
    git(&tree.root, &["init", "--quiet", "--bare", &there.display().to_string()]);
    git(&tree.root, &["remote", "add", "origin", &there.display().to_string()]);
    let url = there.display().to_string();
    let origin = Far { name: "origin".to_owned(), url, reach: Reach::Local };
    world.agree(&tree, &origin, Some(Consent::Agreed));
    let (tuning, _) = tuning(&Fake::local());
    world.ctx.sources.flags.push(("daemon.push_interval".to_owned(), "0s".to_owned()));
    world.start(Tuning { far: Tuning::default().far, ..tuning });
    world.until_link("it is at rest", "push", "origin", is_done);
    world.change(&tree, "two\n");
    let line = LineName::new(&world.ctx.device.id(), &tree.id, &Branch::Named("main".into())).ref_name();
    world.until("the line is there", || {
        let mut show = carry_code::git::command(&there);
        let shown = show.args(["show", &format!("{line}:file")]).output().unwrap();
        String::from_utf8_lossy(&shown.stdout) == "two\n"
    });
    world.until_link("others are asked", "radar", "origin", is_done);
    assert!(world.registry().link(&tree.common_dir, "origin", &origin.url).unwrap().fetched.is_some());
}

#[test]
fn work_goes_on_to_the_remote_after_another_machine_wrote_as_this_device() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let there = world.path("there.git");
    let url = there.display().to_string();
    git(&tree.root, &["init", "--quiet", "--bare", &url]);
    git(&tree.root, &["remote", "add", "origin", &url]);
    let origin = Far { name: "origin".to_owned(), url, reach: Reach::Local };
    world.agree(&tree, &origin, Some(Consent::Agreed));
    let (tuning, _) = tuning(&Fake::local());
    world.ctx.sources.flags.push(("daemon.push_interval".to_owned(), "0s".to_owned()));
    world.ctx.sources.flags.push(("daemon.sync_enabled".to_owned(), "false".to_owned()));
    world.start(Tuning { far: Tuning::default().far, ..tuning });
    world.until_link("it is at rest", "push", "origin", is_done);
    world.change(&tree, "two\n");
    let old = world.ctx.device.id();
    let line = LineName::new(&old, &tree.id, &Branch::Named("main".into())).ref_name();
    let shown = |line: &str| {
        let mut show = carry_code::git::command(&there);
        String::from_utf8_lossy(&show.args(["show", &format!("{line}:file")]).output().unwrap().stdout).into_owned()
    };
    world.until("the line is there", || shown(&line) == "two\n");
    world.until_link("it is at rest", "push", "origin", is_done);
    // What a copy of this machine would push: a seal by the same key, on other work.
    push_as_a_copy(&world, &tree, &origin, "of the copy\n");
    assert_eq!(shown(&line), "of the copy\n");
    world.change(&tree, "three\n");
    world.until("it has a new identity", || world.ctx.device.id() != old);
    let new = LineName::new(&world.ctx.device.id(), &tree.id, &Branch::Named("main".into())).ref_name();
    world.until("its own line is there", || shown(&new) == "three\n");
    assert_eq!(shown(&line), "of the copy\n");
}

/// Copies home and repository, works on in the copy, and pushes from there.
fn push_as_a_copy(world: &World, tree: &Tree, origin: &Far, text: &str) {
    let away = tempfile::tempdir().unwrap();
    let base = away.path().canonicalize().unwrap();
    let from = [world.path("home"), tree.root.clone()];
    for (from, to) in from.into_iter().zip(["home", "repo"]) {
        assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(base.join(to)).status().unwrap().success());
    }
    let home = Home::at(base.join("home"));
    let device = Device::load(&home).unwrap().unwrap();
    let ctx = Context { home, device: device.into(), clock: Arc::new(SystemClock), sources: Sources::default() };
    let root = base.join("repo");
    let repo = Repo::open(&root).unwrap();
    let tree = Tree { common_dir: repo.common_dir().to_owned(), root: root.clone(), ..tree.clone() };
    write(&root.join("file"), text);
    let cancel = AtomicBool::new(false);
    let request = carry_code::capture::Request::new(carry_code::capture::Look::Everything, &cancel);
    carry_code::capture::Capturer::new(ctx.clone(), tree.clone()).capture(&request).unwrap();
    let io = Io { interactive: false, cancel: &AtomicBool::new(false), progress: &|_, _, _| {} };
    // Where it lies is another place than here, so what it knows of the remote it asks first.
    gather::fetch(&ctx, &repo, std::slice::from_ref(&tree), origin, &io).unwrap();
    let report = publish::push(&ctx, &repo, &tree, origin, &publish::Options::default(), &io).unwrap();
    assert!(report.pushed.len() == 1 && !report.renewed, "{report:?}");
}

//! A handoff, its going on, or its undo, in a process that may die.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use carry_code::context::Context;
use carry_code::handoff;
use carry_code::history;
use carry_code::registry::Registry;
use carry_code::repo::Repo;
use carry_kernel::clock::SystemClock;
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;
use carry_testkit::git::isolate;

use super::pair::{id, tip_of};
use crate::rig::Rig;

const ROOT: &str = "TEST_HANDOFF_ROOT";
const HOME: &str = "TEST_HANDOFF_HOME";
const WHAT: &str = "TEST_HANDOFF_WHAT";

/// Runs `what`: `take <theirs> <current>`, `resume <current>` or `undo <current>`. Says whether it came to its end.
pub(super) fn run(rig: &Rig, what: &str, env: &[(&str, &str)]) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    isolate(&mut command, &rig.git.home());
    command
        .args(["--exact", "handoff::child::does_as_told"])
        .env(ROOT, rig.git.root())
        .env(HOME, rig.home())
        .env(WHAT, what)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().unwrap().success()
}

#[test]
fn does_as_told() {
    // Nothing to do unless another test runs this as a process of its own.
    let var = |name: &str| std::env::var(name).ok();
    let (Some(root), Some(home), Some(what)) = (var(ROOT), var(HOME), var(WHAT)) else { return };
    let home = Home::at(home);
    let device = Device::load_or_create(&home, "testhost").unwrap();
    let sources = Sources { user: Some(home.config_file()), ..Sources::default() };
    let ctx = Context { home, device: device.into(), clock: Arc::new(SystemClock), sources };
    let repo = Repo::open(Path::new(&root)).unwrap();
    let registry = Registry::open(&ctx.home).unwrap();
    let tree = registry.by_root(Path::new(&root)).unwrap().expect("it is registered");
    let words: Vec<&str> = what.split(' ').collect();
    let snapshot = |hex: &str| history::snapshot(&repo.gix(), id(hex)).unwrap();
    let done = match words[..] {
        ["take", theirs, current] => {
            let tip = tip_of(&snapshot(theirs));
            let mut plan = handoff::plan(&ctx, &repo, &tree, &snapshot(current), &tip, None).unwrap();
            let files = handoff::files(&repo, &mut plan, &[]).unwrap();
            handoff::execute(&ctx, &repo, &tree, &plan, &files, "sync desk")
        }
        ["resume", current] => {
            let open = handoff::interrupted(&ctx, &tree).unwrap().expect("it was interrupted");
            handoff::resume(&ctx, &repo, &tree, &open, &snapshot(current))
        }
        ["undo", current] => {
            let entry = registry.last_undo(&tree.id).unwrap().unwrap();
            let plan = handoff::plan_undo(&repo, &entry, &snapshot(current)).unwrap();
            handoff::undo(&ctx, &repo, &tree, &plan, "undo of sync desk")
        }
        _ => panic!("{what}"),
    };
    assert!(done.unwrap().finished);
}

//! Processes that die on the way.

use std::process::{Command, Stdio};

use carry_code::capture::Capturer;
use carry_code::context::Context;
use carry_code::registry::Registry;
use carry_code::stream::CodeStrand;
use carry_exchange::strand::Strand as _;
use carry_kernel::clock::SystemClock;
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use super::side::{NOW, Side, open_store};

/// Says or takes in, in a process that may be killed.
#[test]
fn a_process_of_its_own() {
    let Ok(home) = std::env::var("TEST_STREAM_HOME") else { return };
    let home = Home::at(home);
    let device = Device::load(&home).unwrap().unwrap();
    let sources = Sources { user: Some(home.config_file()), ..Sources::default() };
    let ctx = Context { home, device: device.into(), clock: std::sync::Arc::new(SystemClock), sources };
    let mut store = open_store(&ctx);
    let mut strand = CodeStrand::open(ctx).unwrap();
    if std::env::var("TEST_STREAM_SAYS").is_ok() {
        strand.offer(&mut store, u64::MAX, NOW).unwrap();
    } else {
        store.deliver(&mut strand).unwrap();
    }
}

/// Has it die at `point`.
#[track_caller]
fn killed(side: &Side, says: bool, point: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    carry_testkit::git::isolate(&mut child, &side.rig.git.home());
    child.args(["--exact", "exchange::killed::a_process_of_its_own", "--test-threads=1"]);
    child.env("TEST_STREAM_HOME", side.rig.home()).env("CARRY_FAULT", format!("{point}=kill"));
    child.stdin(Stdio::null());
    if says {
        child.env("TEST_STREAM_SAYS", "1");
    }
    let output = child.output().unwrap();
    assert!(!output.status.success(), "{point} was not passed: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn who_dies_while_saying_says_it_the_next_time() {
    let points = ["ref.renamed", "code.said.attached", "code.said.noted", "db.write.done", "db.write.done#3"];
    for point in points {
        let (mut a, mut b) = Side::pair();
        a.says("one");
        let two = a.work("two");
        killed(&a, true, point);
        a.rig.fsck();
        a.reopen();
        a.say();
        assert_eq!(b.pull(&a).n_waiting, 0, "{point}");
        assert_eq!(b.snapshots(&a.line())[0], two.commit, "{point}");
        assert_eq!(b.snapshots(&a.line()).len(), 2, "{point}");
        let three = a.says("three");
        b.pull(&a);
        assert_eq!(b.snapshots(&a.line())[0], three.commit, "{point}");
        assert_eq!(a.store.verify().unwrap(), []);
    }
}

#[test]
fn who_dies_while_taking_in_goes_on_from_there() {
    let points = [
        "code.take.indexed",
        "pack.renamed",
        "code.take.written",
        "ref.renamed",
        "code.take.kept",
        "code.fold.written",
        "ref.renamed#2",
        "code.fold.moved",
        "code.fold.noted",
        "exchange.deliver.folded",
    ];
    let mut a = Side::new();
    let one = a.says("one");
    let two = a.says("two");
    for point in points {
        let mut b = Side::clone_of(&a);
        b.trust(&a);
        b.fetch_some(&a.store, &|_| true);
        killed(&b, false, point);
        b.rig.fsck();
        b.reopen();
        // Whatever lay around meanwhile is taken away by Git.
        b.rig.git.git(["gc", "-q", "--prune=now"]);
        assert_eq!(b.deliver().n_waiting, 0, "{point}");
        assert_eq!(b.snapshots(&a.line()), [two.commit, one.commit], "{point}");
        b.rig.fsck();
        let left = std::fs::read_dir(b.repo().objects_dir()).unwrap().flatten();
        let left: Vec<_> =
            left.map(|entry| entry.file_name()).filter(|n| n.to_string_lossy().starts_with("tmp_objdir")).collect();
        assert!(left.is_empty(), "{point}: {left:?}");
        assert!(Registry::open(&b.rig.ctx.home).unwrap().trees().unwrap().len() == 1);
        drop(Capturer::new(b.rig.ctx.clone(), b.rig.tree.clone()));
    }
}

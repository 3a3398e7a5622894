//! What a pack needs is there for whoever comes late, whatever was thinned, merged and dropped before.

use std::collections::BTreeMap;
use std::time::Duration;

use carry_code::line::{Branch, LineName};
use carry_code::prune;
use carry_code::retention::Policy;
use carry_exchange::head::Want;
use carry_exchange::store::Statement;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::Connection;

use super::side::{NOW, Side, copy_of, statement};

/// When all files of a test are old.
fn later() -> Timestamp {
    Timestamp::from_secs(NOW.as_secs() * 2)
}

/// Keeps nothing but the newest of each line, and merges what was said. Gives how many attachments were dropped.
fn thin_and_merge(a: &mut Side) -> usize {
    let zero = Duration::ZERO;
    let nothing = Policy { all: zero, hourly: zero, daily: zero, weekly: zero };
    let plans = prune::plan(&a.rig.ctx, &a.repo(), &a.rig.tree.id, &nothing, later()).unwrap();
    prune::execute(&a.rig.ctx, &a.repo(), &a.rig.tree.id, &plans).unwrap();
    let merged = a.store.compact(&[&a.strand], later()).unwrap();
    a.store.sign(&statement(), NOW).unwrap();
    assert_eq!(a.store.verify().unwrap(), []);
    merged.iter().map(|one| one.n_attachments_dropped).sum()
}

/// Takes away every pin that later packs stand on.
fn take_pins(a: &Side) {
    for commit in prune::pins(&a.repo(), &a.rig.tree.id).unwrap() {
        prune::unpin(&a.repo(), &a.rig.tree.id, "said", commit).unwrap();
    }
}

fn line_of(a: &Side, branch: &str) -> LineName {
    LineName::new(&a.rig.ctx.device.id(), &a.rig.tree.id, &Branch::Named(branch.into()))
}

#[test]
fn a_device_that_comes_late_has_all_that_new_snapshots_stand_on() {
    let mut a = Side::new();
    let clean = copy_of(&a.rig.git);
    let mut dropped = 0;
    let mut tips = BTreeMap::new();
    for n in 0..48 {
        let branch = ["main", "one", "two"][n / 2 % 3];
        if branch != "main" || n > 2 {
            let is_there = tips.contains_key(branch) || branch == "main";
            let args: &[&str] = if is_there { &["checkout", "-q", branch] } else { &["checkout", "-q", "-b", branch] };
            a.rig.git.write("work", "").git(args);
        }
        tips.insert(branch, a.work(&format!("{branch} {n}\n")).commit);
        a.say();
        if n % 9 == 8 {
            dropped += thin_and_merge(&mut a);
            // What it stood on before is gone for good, too, but for what pins hold.
            if n % 2 == 0 {
                take_pins(&a);
            }
            a.rig.git.git(["gc", "-q", "--prune=now"]);
        }
    }
    assert!(dropped > 10, "{dropped}");
    for late in [clean, carry_testkit::repo::TestRepo::new()] {
        let is_known = late.path("file").exists();
        let mut late = Side::over(late);
        late.trust(&a);
        let done = late.pull(&a);
        assert_eq!(done.n_waiting, 0, "{done:?} {:?}", late.standing());
        assert_eq!(late.store.wanted().unwrap(), BTreeMap::new());
        for (branch, tip) in &tips {
            let there = late.snapshots(&line_of(&a, branch));
            assert_eq!(there.first(), is_known.then_some(tip), "{branch}: {:?}", late.standing());
        }
        late.rig.fsck();
    }
}

/// The log brings none of the attachments any more that it brought so far, as if merges had dropped them.
fn lose_attachments(a: &Side) {
    let db = Connection::open(a.rig.ctx.home.database("exchange")).unwrap();
    assert!(db.execute("DELETE FROM attached", []).unwrap() > 0);
}

#[test]
fn a_snapshot_stands_on_nothing_that_the_log_does_not_bring_any_more() {
    let mut a = Side::new();
    let (mut b, mut c) = (Side::clone_of(&a), Side::clone_of(&a));
    b.trust(&a);
    c.trust(&a);
    a.work("one");
    a.say();
    a.work("two");
    a.say();
    lose_attachments(&a);
    let three = a.work("three");
    assert_eq!(a.say().n_records, 1);
    // Only the newest segment is to be had.
    for side in [&mut b, &mut c] {
        side.fetch_some(&a.store, &|at| at == 2);
        assert_eq!(side.deliver().n_waiting, 0);
        assert_eq!(side.snapshots(&a.line()), [three.commit], "{:?}", side.standing());
        side.rig.fsck();
    }
    // And it goes on as ever.
    let four = a.work("four");
    a.say();
    assert_eq!(b.pull(&a).n_waiting, 0);
    assert_eq!(b.snapshots(&a.line()), [four.commit, three.commit]);
}

#[test]
fn what_was_answered_and_dropped_since_is_answered_again() {
    let mut a = Side::new();
    let (mut b, mut c) = (Side::clone_of(&a), Side::clone_of(&a));
    a.work("one");
    a.say();
    a.work("two");
    a.say();
    let log = a.store.log();
    for (n, side) in [&mut b, &mut c].into_iter().enumerate() {
        side.trust(&a);
        a.trust(side);
        // The first pack is nowhere to be had.
        side.fetch_some(&a.store, &|at| at == 1);
        side.deliver();
        let wants = side.store.wanted().unwrap().remove(&log).unwrap();
        assert_eq!(wants.len(), 1);
        side.work("of its own");
        side.offer();
        side.store.seal().unwrap();
        let wants = wants.into_iter().map(|id| Want::Attachment(log, id)).collect();
        side.store.sign(&Statement { wants, ..statement() }, NOW).unwrap();
        a.pull(side);
        assert_eq!(a.say().n_records, 1, "{n}");
        assert_eq!(a.say().n_records, 0, "once");
        side.fetch_some(&a.store, &|at| at == 2 + n);
        assert_eq!(side.deliver().n_waiting, 0);
        assert_eq!(side.snapshots(&a.line()).len(), 2);
        lose_attachments(&a);
    }
}

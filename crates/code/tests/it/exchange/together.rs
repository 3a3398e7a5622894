//! Two remotes that bring the same at once: each is taken in by a strand of its own.

use std::io::Read as _;

use carry_code::stream::{CodeStrand, STREAM};
use carry_exchange::segment::Expected;
use carry_exchange::store::ObjectBytes;
use carry_kernel::db::rusqlite::Connection;
use carry_kernel::fault;

use super::side::{NOW, Side, open_store};

/// Has another strand deliver what is here as soon as this thread comes to `point`.
fn another_delivers(side: &Side, point: &str) -> fault::Meanwhile {
    let ctx = side.rig.ctx.clone();
    fault::meanwhile(point, move || {
        let mut store = open_store(&ctx);
        let mut strand = CodeStrand::open(ctx).unwrap();
        assert_eq!(store.deliver(&mut strand).unwrap().n_waiting, 0);
    })
}

#[test]
fn of_two_that_take_in_the_same_at_once_neither_finds_anything_wrong() {
    let points = ["code.take.indexed", "code.take.written", "code.take.kept", "code.fold.written", "code.fold.moved"];
    for point in points {
        let mut a = Side::new();
        let mut b = Side::clone_of(&a);
        b.trust(&a);
        for n in 0..3 {
            let newest = a.work(&format!("{n}\n"));
            a.say();
            b.fetch_some(&a.store, &|_| true);
            let delivered = another_delivers(&b, point);
            assert_eq!(b.deliver().n_waiting, 0, "{point}, {n}");
            drop(delivered);
            let line = b.foreign();
            assert!(line.refused.is_empty() && line.problem.is_none(), "{point}, {n}: {line:?}");
            assert_eq!(b.snapshots(&a.line())[0], newest.commit, "{point}, {n}");
            assert_eq!(b.deliver().n_waiting, 0, "{point}, {n}");
            assert_eq!(b.kept(), Vec::<String>::new(), "{point}, {n}");
        }
        b.rig.fsck();
    }
}

#[test]
fn who_folds_an_older_record_last_does_not_undo_the_newer_one() {
    let mut a = Side::new();
    let mut b = Side::clone_of(&a);
    b.trust(&a);
    a.work("one");
    a.say();
    let two = a.work("two");
    a.say();
    // This one has the older record and has decided about it, when the other one gets the newer, too.
    b.fetch_some(&a.store, &|at| at == 0);
    let (stream, log) = (STREAM.parse().unwrap(), a.store.log());
    let (_, segments) = a.store.signed_segments().unwrap().unwrap();
    let expected = Expected { log, reference: segments[&stream][1], stream };
    let name = expected.reference.name(log, &expected.stream);
    let Some(ObjectBytes::File(mut file)) = a.store.open_object(&name).unwrap() else { panic!("it is there") };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let ctx = b.rig.ctx.clone();
    let folded = fault::meanwhile("code.fold.moved", move || {
        let mut store = open_store(&ctx);
        let mut strand = CodeStrand::open(ctx).unwrap();
        store.accept_bytes(&expected, &bytes).unwrap();
        store.deliver(&mut strand).unwrap();
    });
    b.deliver();
    drop(folded);
    assert_eq!(b.snapshots(&a.line())[0], two.commit);
    let db = Connection::open(b.rig.ctx.home.database("code")).unwrap();
    let seq: i64 = db.query_row("SELECT seq FROM came", [], |row| row.get(0)).unwrap();
    assert_eq!(seq, 2);
}

#[test]
fn threads_that_take_in_the_same_at_once_leave_nothing_waiting() {
    let mut a = Side::new();
    let mut b = Side::clone_of(&a);
    b.trust(&a);
    for n in 0..20 {
        let newest = a.work(&format!("{n}\n"));
        a.say();
        b.fetch_some(&a.store, &|_| true);
        let both = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut store = open_store(&b.rig.ctx);
                    let mut strand = CodeStrand::open(b.rig.ctx.clone()).unwrap();
                    both.wait();
                    store.deliver_at(&mut strand, NOW).unwrap();
                });
            }
        });
        assert_eq!(b.store.deliver_at(&mut b.strand, NOW).unwrap().n_waiting, 0, "{n}");
        assert_eq!(b.snapshots(&a.line())[0], newest.commit, "{n}");
        assert!(b.foreign().refused.is_empty(), "{n}: {:?}", b.foreign());
    }
    b.rig.fsck();
}

use carry_kernel::db::rusqlite::Connection;

use super::*;
use crate::fixture::prompt;
use crate::push::tests::rig::{Rig, long};
use crate::unit::Body;

pub(crate) fn verify(rig: &Rig, how: Thoroughness) -> Verified {
    let mut sink = rig.store.sink(rig.role);
    let verify = Verify {
        archive: &rig.fixture.archive,
        state: Some(rig.state()),
        sink: &mut sink,
        store: &rig.settings,
        redactor: &rig.redactor,
        client: rig.client.clone(),
        cancel: &AtomicBool::new(false),
        progress: &|_| {},
    };
    verify.run(how).unwrap()
}

/// An archive of sessions that are in the store.
fn pushed(names: &[&str]) -> Rig {
    let mut rig = Rig::new();
    rig.share("*=full");
    for (seed, name) in (0..).zip(names) {
        rig.fixture.put(name, &long(seed, 40));
    }
    rig.push().unwrap();
    rig
}

/// Changes a session's unit behind our back.
fn tamper(rig: &Rig, name: &str, change: impl FnOnce(&mut crate::memory::Unit)) {
    let key = rig.id(name).to_string();
    rig.store.tamper(|units| {
        let unit = units.iter_mut().find(|((_, of), _)| *of == key).unwrap().1;
        change(unit);
    });
}

#[test]
fn what_was_pushed_is_the_same_whether_it_is_remembered_or_not() {
    let mut rig = pushed(&["a", "b"]);
    for how in [Thoroughness::Digests, Thoroughness::Contents] {
        let found = verify(&rig, how);
        assert!(found.is_good(), "{found:?}");
        assert_eq!((found.same, found.is_shallow), (2, false));
    }
    rig.lose_state();
    assert_eq!(verify(&rig, Thoroughness::Digests).same, 2);
}

#[test]
fn each_difference_is_found_and_nothing_is_changed() {
    let mut rig = pushed(&["same", "missing", "different", "withdrawn", "cut", "rootless"]);
    let ids: BTreeMap<&str, String> =
        ["missing", "different", "withdrawn", "cut", "rootless"].map(|name| (name, rig.id(name).to_string())).into();
    rig.store.tamper(|units| units.retain(|(_, key), _| *key != ids["missing"]));
    tamper(&rig, "cut", |unit| drop(unit.rows.remove(&Place::Message(3))));
    tamper(&rig, "rootless", |unit| unit.root = None);
    rig.fixture.put("different", &long(0, 41));
    rig.delete("withdrawn");
    let (units, known) = (rig.store.units(), rig.state().known("default").unwrap());
    let found = verify(&rig, Thoroughness::Digests);
    assert_eq!(found.same, 1);
    assert_eq!(found.missing, [ids["missing"].clone()]);
    assert_eq!(found.different, [ids["different"].clone()]);
    assert_eq!(found.only_there, [ids["withdrawn"].clone()]);
    let mut damaged = [ids["cut"].clone(), ids["rootless"].clone()];
    damaged.sort();
    assert_eq!(found.damaged.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), damaged);
    assert!(!found.is_good());
    assert_eq!((rig.store.units(), rig.state().known("default").unwrap()), (units, known));
    rig.run(crate::push::Depth::Full, false).unwrap();
    assert_eq!(verify(&rig, Thoroughness::Contents).same, 5);
}

#[test]
fn a_row_that_was_altered_beside_its_digest_is_found_by_reading_it_back() {
    let rig = pushed(&["a"]);
    tamper(&rig, "a", |unit| {
        let row = unit.rows.get_mut(&Place::Message(3)).unwrap();
        let Body::Message { json, .. } = &mut row.body else { panic!() };
        json.push(' ');
    });
    assert!(verify(&rig, Thoroughness::Digests).is_good());
    let found = verify(&rig, Thoroughness::Contents);
    assert_eq!(found.damaged, [(rig.id("a").to_string(), "message 3 is not what was put there".to_owned())]);
}

#[test]
fn a_head_that_was_altered_beside_its_digest_is_found_too_and_a_full_push_repairs_all_of_it() {
    let mut rig = pushed(&["a", "b", "c", "whole"]);
    let of_head = |unit: &mut crate::memory::Unit, change: fn(&mut crate::unit::SessionHead)| {
        let Some((crate::unit::Head::Session(head), _)) = &mut unit.head else { panic!() };
        change(head);
    };
    tamper(&rig, "a", |unit| of_head(unit, |head| head.session.cost_micros = Some(7)));
    tamper(&rig, "b", |unit| unit.mode = crate::share::Mode::Metadata);
    tamper(&rig, "c", |unit| {
        let Body::Message { json, .. } = &mut unit.rows.get_mut(&Place::Message(3)).unwrap().body else { panic!() };
        json.push(' ');
    });
    let found = verify(&rig, Thoroughness::Contents);
    let damaged: BTreeMap<String, String> = found.damaged.into_iter().collect();
    for (name, what) in [("a", "its head"), ("b", "its head"), ("c", "message 3")] {
        assert_eq!(damaged[&rig.id(name).to_string()], format!("{what} is not what was put there"));
    }
    assert_eq!((found.same, damaged.len()), (1, 3));
    let report = rig.run(crate::push::Depth::Full, false).unwrap();
    assert_eq!((report.done.len(), report.same, report.traffic.rows_written), (3, 1, 1), "no more than what is wrong");
    assert!(verify(&rig, Thoroughness::Contents).is_good());
    rig.assert_settled();
}

#[test]
fn what_cannot_be_made_here_is_said() {
    let mut rig = pushed(&["a", "b"]);
    rig.lose_state();
    let (archive, n) = (Connection::open(rig.fixture.home.database("sessions")).unwrap(), rig.fixture.session("a").n);
    archive.execute("UPDATE messages SET body = x'ff00' WHERE session = ?1", [n]).unwrap();
    let found = verify(&rig, Thoroughness::Digests);
    assert_eq!((found.failed[0].0.clone(), found.same), (rig.id("a").to_string(), 1));
}

#[test]
fn what_another_device_put_is_neither_missing_nor_different() {
    let first = pushed(&["a"]);
    let mut second = Rig::of("ana", first.store.clone());
    second.client.origin = "there".to_owned();
    second.share("*=full");
    second.fixture.put("a", &[prompt(0, "of the second")]);
    second.push().unwrap();
    let found = verify(&second, Thoroughness::Digests);
    assert_eq!(found.elsewhere, [(second.id("a").to_string(), "here".to_owned())]);
    assert!(found.is_good());
}

#[test]
fn neither_a_comparison_nor_a_rehearsal_needs_the_claim_or_leaves_anything() {
    let mut rig = pushed(&["a"]);
    let other = Client { holder: "another copy".to_owned(), ..rig.client.clone() };
    rig.store.sink(rig.role).open(&other).unwrap();
    assert!(verify(&rig, Thoroughness::Contents).is_good());
    assert_eq!(rig.run(crate::push::Depth::Full, true).unwrap().same, 1);
    // The other still has its claim.
    let busy = rig.push().unwrap_err();
    assert!(matches!(busy, PushError::Sink(error) if error.class == Class::Busy));
}

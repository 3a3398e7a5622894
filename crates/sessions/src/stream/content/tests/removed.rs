//! Sessions that were deleted.

use super::device::{Device, Recorder};
use crate::curation::Edit;
use crate::list::Filter;
use crate::mask::pieces::fixture::{answer, prompt};
use carry_exchange::record::Flags;

#[test]
fn what_is_deleted_for_good_is_taken_back_everywhere() {
    let (mut a, mut b, mut c) =
        (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"), Device::new("shed-22222222"));
    a.put("one", &[prompt(0, "private matters"), answer(1, "well")]);
    a.put("two", &[prompt(0, "other")]);
    a.say();
    b.trust(&a);
    b.pull(&a);
    let id = a.session("one").id;
    let now = a.now();
    a.strand.archive_mut().delete_for_good(&id, "laptop", now).unwrap();
    assert_eq!(a.say(), 1);
    assert_eq!(a.say(), 0);
    b.pull(&a);
    assert_eq!(b.find("one"), None);
    assert!(b.find("two").is_some());
    let last = Recorder::records(&mut a.store).pop().unwrap();
    assert!(last.flags.has(Flags::KEEPS.and(Flags::REPLACES)));
    // Nor does one get it that only now hears of it, in whatever order.
    c.trust(&a);
    c.pull(&a);
    assert_eq!(c.find("one"), None);
    for device in [&b, &c] {
        assert!(!bytes_of(device).contains("private matters"));
    }
    // The file is still there, and is read again.
    a.put("one", &[prompt(0, "private matters"), answer(1, "well"), answer(2, "more")]);
    assert_eq!(a.say(), 0);
    a.check();
    b.check();
    c.check();
}

#[test]
fn what_is_deleted_while_it_is_made_ready_is_never_said() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &[prompt(0, "private matters")]);
    let (row, now) = (a.session("one"), a.now());
    a.strand.say_late(&mut a.store, row.n, |archive| {
        archive.delete_for_good(&row.id, "laptop", now).unwrap();
    });
    assert_eq!(a.say(), 0);
    let remembered = "SELECT (SELECT count(*) FROM saying) + (SELECT count(*) FROM outbox)";
    let remembered: i64 = a.strand.archive().db.conn().query_row(remembered, [], |row| row.get(0)).unwrap();
    assert_eq!(remembered, 0);
    assert!(!bytes_of(&a).contains("private matters"));
}

#[test]
fn what_waits_to_be_said_goes_with_what_is_deleted() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &[prompt(0, "private matters")]);
    a.put("two", &[prompt(0, "other")]);
    for native in ["one", "two"] {
        let n = a.session(native).n;
        a.strand.say_only(&mut a.store, n);
    }
    let (id, now) = (a.session("one").id, a.now());
    a.strand.archive_mut().delete_for_good(&id, "laptop", now).unwrap();
    a.say();
    let said = Recorder::records(&mut a.store);
    assert!(!said.is_empty() && said.iter().all(|record| record.key != id.as_str().as_bytes()), "{said:?}");
    assert!(!bytes_of(&a).contains("private matters"));
    a.check();
}

#[test]
fn what_was_withdrawn_is_not_looked_at_again_until_it_was_said_again() {
    let mut a = Device::new("laptop-3f9a1c00");
    for native in ["one", "two", "three"] {
        a.put(native, &[prompt(0, "private matters")]);
    }
    a.say();
    let to_look_at = |a: &Device| -> i64 {
        let sql = "SELECT count(*) FROM said_sessions WHERE NOT is_withdrawn";
        a.strand.archive().db.conn().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    for native in ["one", "two"] {
        let (id, now) = (a.session(native).id, a.now());
        a.strand.archive_mut().delete_for_good(&id, "laptop", now).unwrap();
    }
    assert_eq!(a.say(), 2);
    assert_eq!(a.say(), 0);
    assert_eq!(to_look_at(&a), 1);
    // An archive made anew learns of its words one after the other, and asks again what they leave.
    let conn = a.strand.archive().db.conn();
    conn.execute_batch("UPDATE said_generations SET is_dead = 0; DELETE FROM applied").unwrap();
    assert_eq!(a.say(), 0);
    assert_eq!(to_look_at(&a), 1, "own words came, and the session was looked at once more");
}

#[test]
fn what_was_deleted_here_does_not_come_back_from_elsewhere() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &[prompt(0, "first")]);
    a.say();
    b.trust(&a);
    b.pull(&a);
    let id = b.session("one").id;
    let now = b.now();
    b.strand.archive_mut().delete_for_good(&id, "desk", now).unwrap();
    a.put("one", &[prompt(0, "first"), answer(1, "second")]);
    a.say();
    b.pull(&a);
    assert_eq!(b.find("one"), None);
    // It counts as applied: nothing is asked for again.
    assert_eq!(b.pull(&a).n_folded, 0);
    assert_eq!(b.say(), 0);
}

#[test]
fn the_trash_changes_nothing_that_is_said() {
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &[prompt(0, "first")]);
    a.say();
    let id = a.session("one").id;
    let now = a.now();
    a.strand.archive_mut().curate(&id, &Edit::Trash(true), "laptop", now).unwrap();
    assert_eq!(a.say(), 0);
}

#[test]
fn what_lies_in_the_trash_keeps_up_with_its_author() {
    let (mut a, mut b) = (Device::new("laptop-3f9a1c00"), Device::new("desk-11111111"));
    a.put("one", &[prompt(0, "first")]);
    a.say();
    b.trust(&a);
    b.pull(&a);
    let (id, now) = (b.session("one").id, b.now());
    b.strand.archive_mut().curate(&id, &Edit::Trash(true), "desk", now).unwrap();
    a.put("one", &[prompt(0, "first"), answer(1, "second")]);
    a.say();
    b.pull(&a);
    assert_eq!(b.strand.archive().list(&Filter::default()).unwrap().sessions.len(), 0, "it stays where it was put");
    b.strand.archive_mut().curate(&id, &Edit::Trash(false), "desk", now).unwrap();
    assert_eq!(b.strand.archive().list(&Filter::default()).unwrap().sessions.len(), 1);
    assert_eq!(b.messages("one"), [prompt(0, "first"), answer(1, "second")]);
    b.check();
}

/// The bytes of a device's archive.
fn bytes_of(device: &Device) -> String {
    let conn = &device.strand.archive().db;
    conn.conn().execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    String::from_utf8_lossy(&std::fs::read(conn.path()).unwrap()).into_owned()
}

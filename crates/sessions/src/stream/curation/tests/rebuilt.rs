//! Archives that are lost, go back, or are read anew.

use super::*;

#[test]
fn an_archive_made_anew_gets_back_what_was_said_and_says_nothing_again() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.rename(1, "old", 1);
    a.edit(1, &UserEdit::Star(true), 2);
    a.publish(3);
    b.pull(&a);
    a.edit(1, &UserEdit::Star(false), 4);
    b.rename(1, "of b", 5);
    a.publish(6);
    b.publish(6);
    a.pull(&b);
    let before = a.all_shown();
    a.lose_archive();
    assert_eq!(a.all_shown(), []);
    assert_eq!(a.publish(10), 0, "nothing is said again");
    a.deliver();
    assert_eq!(a.all_shown(), before);
    assert_eq!(a.conflicts(), []);
    // Ours are ours again.
    let star = a.strand.keeper().registers(Some(&session(1))).unwrap();
    assert!(star.iter().any(|one| one.field == "star" && one.device == "a"));
    a.rename(1, "goes on", 11);
    assert_eq!(a.publish(12), 1);
    b.pull(&a);
    assert_eq!((b.shown(&name(1)).as_deref(), b.conflicts()), (Some("goes on"), vec![]));
}

#[test]
fn what_is_imported_again_does_not_win_over_what_was_said_after_it() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    let import = |a: &Device| {
        let sql = format!("INSERT INTO registers VALUES ('{}', 'star', '', '1', '1789999999000-0000', '')", session(1));
        a.strand.keeper().db.conn().execute(&sql, []).unwrap();
    };
    let star = named(1, "star", "");
    import(&a);
    a.publish(1);
    a.edit(1, &UserEdit::Star(false), 2);
    a.publish(3);
    // The first of both is void by now.
    a.store.compact(&[&a.strand], at(1_000_000)).unwrap();
    b.pull(&a);
    a.lose_archive();
    // The other archive is read before anybody listens to anything.
    import(&a);
    assert_eq!(a.publish(10), 0);
    assert_eq!(a.shown(&star), None);
    b.pull(&a);
    assert_eq!((b.shown(&star), b.conflicts()), (None, vec![]));
}

#[test]
fn an_archive_that_went_back_does_not_say_old_edits_over_new_ones() {
    let mut a = Device::new("a");
    a.rename(1, "one", 1);
    a.publish(2);
    a.rename(1, "two", 3);
    let backup = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        for end in ["", "-wal"] {
            let name = format!("sessions.db{end}");
            if from.join(&name).exists() {
                std::fs::copy(from.join(&name), to.join(&name)).unwrap();
            }
        }
    };
    let home = Home::at(&a.root).database("sessions").parent().unwrap().to_owned();
    a.strand.keeper().db.sync().unwrap();
    copy(&home, backup.path());
    a.publish(4);
    a.rename(1, "three", 5);
    a.publish(6);
    // "two" waits again, as if it had never been said.
    a.lose_archive();
    drop(std::mem::replace(&mut a.strand, Device::new("spare").strand));
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(home.join(format!("sessions.db{end}")));
    }
    copy(backup.path(), &home);
    a.strand = Device::strand(&a.root, "a");
    assert_eq!(a.shown(&name(1)).as_deref(), Some("two"));
    assert_eq!(a.publish(10), 0);
    assert_eq!((a.shown(&name(1)).as_deref(), a.conflicts()), (Some("three"), vec![]));
}

#[test]
fn an_end_between_log_and_archive_says_an_edit_once() {
    let mut a = Device::new("a");
    a.publish(0);
    a.rename(1, "one", 1);
    a.strand.gather(a.store.log(), u64::MAX).unwrap();
    // The log has it, and the archive does not know yet.
    let mut file = carry_kernel::db::Db::open(&Home::at(&a.root).database("sessions"), crate::archive::SCHEMA).unwrap();
    let stream = a.strand.stream().clone();
    let lost = outbox::drain(&mut file, &stream, &mut a.store, at(2), &mut |_, _, _| Err(StoreError::Refused("lost")));
    assert!(lost.is_err());
    a.rename(1, "two", -400_000);
    assert_eq!(a.publish(3), 1);
    assert_eq!(a.count("SELECT count(*) FROM register_edits"), 2);
    assert_eq!(a.shown(&name(1)).as_deref(), Some("two"), "whatever the clock said");
    assert_eq!(a.count("SELECT count(*) FROM outbox"), 0);
    let held = a.store.held(a.store.log(), 0).unwrap().remove(a.strand.stream()).unwrap();
    assert_eq!(held.count(), 2);
}

#[test]
fn reading_all_sessions_anew_takes_back_nothing_and_says_nothing() {
    let mut a = Device::new("a");
    let id = deleting::write(&mut a, "one", "hello");
    a.strand.keeper_mut().curate(&id, &UserEdit::Rename(Some("Mine".into())), "a", at(1)).unwrap();
    a.publish(2);
    let before = a.all_shown();
    deleting::write(&mut a, "one", "hello, all of it again");
    assert_eq!(a.all_shown(), before);
    assert_eq!(a.publish(3), 0);
    assert_eq!(a.strand.keeper().find(id.as_str()).unwrap().name.as_deref(), Some("Mine"));
}

#[test]
fn what_the_log_lost_waits_as_it_was_said_and_is_said_in_another() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    let lost = deleting::write(&mut a, "one", "hello");
    a.rename(1, "kept", 1);
    a.edit(2, &UserEdit::Star(true), 2);
    a.publish(3);
    b.pull(&a);
    a.rename(1, "lost", 4);
    a.edit(2, &UserEdit::Star(false), 5);
    a.edit(3, &UserEdit::Star(true), 6);
    a.strand.keeper_mut().delete(&lost, Duration::from_secs(600), "a", at(7)).unwrap();
    assert_eq!(a.offer(8).n_records, 4);
    let (shown, origin) = (a.all_shown(), Origin { log: a.store.log(), track: 0, stream: a.strand.stream().clone() });
    assert_eq!(outbox::applied(a.strand.keeper().db.conn(), &origin).unwrap(), Ranges::of(1, 6));
    a.rename(1, "later", 9);
    a.strand.say_again(&origin, 2).unwrap();
    assert_eq!(outbox::applied(a.strand.keeper().db.conn(), &origin).unwrap(), Ranges::of(1, 2));
    assert_eq!(a.shown(&name(1)).as_deref(), Some("later"));
    let but_name = |all: Vec<(String, String, String, Option<String>, String)>| {
        all.into_iter().filter(|one| one.1 != "name").collect::<Vec<_>>()
    };
    assert_eq!(but_name(a.all_shown()), but_name(shown), "it is shown as before");
    // Another log goes on.
    let spare = Device::new("spare");
    let old = std::mem::replace(&mut a.store, Device::at(&spare.root.join("new"), "a", "here").store);
    assert_eq!(a.publish(10), 4, "what was said since stands for what it replaced");
    b.pull(&a);
    assert_eq!(b.shown(&name(1)).as_deref(), Some("later"));
    assert!(b.all_shown().iter().any(|one| one.0 == session(3).to_string() && one.1 == "star" && one.3.is_some()));
    assert_eq!((a.conflicts(), b.conflicts()), (vec![], vec![]));
    assert_eq!(a.publish(11), 0);
    drop(old);
}

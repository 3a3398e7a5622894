//! What edits do between devices.

use super::*;

#[test]
fn what_was_said_before_goes_out_with_its_stamps_and_wins_over_nothing_that_saw_it() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.rename(1, "old", -5000);
    a.edit(1, &UserEdit::Label("later".into(), true), -4000);
    a.edit(2, &UserEdit::Star(true), -3000);
    a.edit(2, &UserEdit::Star(false), -2000);
    assert_eq!(a.count("SELECT count(*) FROM register_pending"), 0, "nothing is noted where nothing is exchanged");
    assert_eq!(a.publish(0), 2, "what was set and taken back was never said");
    assert_eq!(a.publish(0), 0, "once");
    b.pull(&a);
    assert_eq!(b.all_shown(), a.all_shown());
    b.rename(1, "new", -9000);
    b.publish(0);
    a.pull(&b);
    assert_eq!(a.shown(&name(1)).as_deref(), Some("new"), "it saw the other, whatever the clock said");
    assert_eq!(a.conflicts(), []);
}

#[test]
fn every_kind_of_edit_travels_also_of_what_lies_in_the_trash() {
    let all = [
        UserEdit::Trash(true),
        UserEdit::Star(true),
        UserEdit::Rename(Some("named".into())),
        UserEdit::Label("later".into(), true),
        UserEdit::Pin("#3".into(), Some("why".into())),
    ];
    for edit in &all {
        // A new kind of edit has to stand above.
        match edit {
            UserEdit::Star(_) | UserEdit::Rename(_) | UserEdit::Label(..) | UserEdit::Pin(..) | UserEdit::Trash(_) => {}
        }
    }
    // Said before anything was exchanged, and after.
    for is_before in [true, false] {
        let (mut a, mut b) = (Device::new("a"), Device::new("b"));
        if !is_before {
            a.publish(0);
        }
        for (edit, ms) in all.iter().zip(1..) {
            assert!(a.edit(1, edit, ms));
        }
        assert_eq!(a.publish(10), all.len());
        b.pull(&a);
        assert_eq!(b.all_shown().len(), all.len());
        assert_eq!(b.all_shown(), a.all_shown());
    }
}

#[test]
fn what_others_said_is_not_said_again_as_what_was_there_before() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.rename(1, "of a", 1);
    a.edit(2, &UserEdit::Trash(true), 2);
    a.publish(3);
    b.edit(3, &UserEdit::Star(true), 1);
    // It listens before it says anything for the first time.
    b.pull(&a);
    assert_eq!(b.publish(10), 1, "its own star alone");
    a.pull(&b);
    assert_eq!((a.conflicts(), b.conflicts()), (vec![], vec![]));
    assert_eq!(a.all_shown(), b.all_shown());
}

#[test]
fn values_from_before_that_differ_are_a_conflict() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.rename(1, "left", 1);
    b.rename(1, "right", 2);
    a.edit(1, &UserEdit::Star(true), 1);
    b.edit(1, &UserEdit::Star(true), 2);
    // One listens before it says anything: what it had said had seen nothing all the same.
    a.publish(10);
    b.pull(&a);
    b.publish(10);
    a.pull(&b);
    for device in [&a, &b] {
        let [conflict] = &device.conflicts()[..] else { panic!("{:?}", device.conflicts()) };
        assert_eq!(conflict.name, name(1));
        let values: Vec<_> = conflict.values.iter().map(|one| one.value.as_deref().unwrap()).collect();
        assert_eq!(values, ["right", "left"]);
        assert_eq!(device.shown(&name(1)).as_deref(), Some("right"));
    }
    let of_a = &a.conflicts()[0].values;
    assert_eq!((of_a[1].device.as_str(), of_a[1].is_own, of_a[0].is_own), ("a", true, false));
    assert_eq!(of_a[0].log, Some(b.store.log()));
    // Settled by what is shown: an edit all the same.
    assert!(b.strand.keeper_mut().resolve(&name(1), Some("left"), "b", at(20)).unwrap());
    assert_eq!(b.conflicts(), []);
    assert!(!b.strand.keeper_mut().resolve(&name(1), Some("left"), "b", at(21)).unwrap(), "nothing is left to settle");
    b.publish(30);
    a.pull(&b);
    assert_eq!((a.conflicts(), a.shown(&name(1)).as_deref()), (vec![], Some("left")));
}

#[test]
fn an_edit_that_keeps_what_is_shown_settles_a_conflict() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.rename(1, "left", 1);
    b.rename(1, "right", 2);
    a.publish(10);
    b.pull(&a);
    assert_eq!(b.conflicts().len(), 1);
    assert!(b.rename(1, "right", 20));
    assert!(!b.rename(1, "right", 21));
    assert_eq!(b.conflicts(), []);
    b.publish(30);
    a.pull(&b);
    assert_eq!((a.conflicts(), a.shown(&name(1)).as_deref()), (vec![], Some("right")));
}

#[test]
fn an_edit_made_before_another_arrived_does_not_claim_to_have_seen_it() {
    for offers_before in [true, false] {
        let (mut a, mut b) = (Device::new("a"), Device::new("b"));
        a.rename(1, "first", 0);
        a.publish(1);
        b.pull(&a);
        b.publish(1);
        a.pull(&b);
        // Both edit, neither knows of the other; then b's arrives at a before a's was ever offered.
        b.rename(1, "of b", 100);
        b.publish(101);
        a.rename(1, "of a", 50);
        if offers_before {
            a.offer(60);
        }
        a.pull(&b);
        assert_eq!(a.shown(&name(1)).as_deref(), Some("of b"), "the later one is shown");
        assert_eq!(a.conflicts().len(), 1, "also while ours has no place");
        a.publish(200);
        b.pull(&a);
        assert_eq!(b.conflicts().len(), 1);
        assert_eq!(b.live(&name(1)), a.live(&name(1)));
        // An edit after that has seen both.
        a.rename(1, "both", 10);
        assert_eq!(a.conflicts(), []);
        a.publish(300);
        b.pull(&a);
        assert_eq!((b.conflicts(), b.shown(&name(1)).as_deref()), (vec![], Some("both")));
    }
}

#[test]
fn what_changes_nothing_is_not_said() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.publish(0);
    assert!(!a.edit(1, &UserEdit::Star(false), 1));
    assert!(a.edit(1, &UserEdit::Star(true), 2));
    assert!(!a.edit(1, &UserEdit::Star(true), 3));
    assert_eq!(a.publish(4), 1);
    b.pull(&a);
    assert!(!b.edit(1, &UserEdit::Star(true), 5), "also when another device said so");
    assert_eq!(b.publish(6), 0);
}

#[test]
fn of_edits_that_wait_only_the_last_is_said_and_earlier_ones_are_void() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.publish(0);
    for text in ["one", "two", "three"] {
        a.rename(1, text, 1);
    }
    assert_eq!(a.publish(2), 1);
    a.rename(1, "four", 3);
    a.publish(4);
    a.store.compact(&[&a.strand], at(1_000_000)).unwrap();
    b.pull(&a);
    assert_eq!(b.live(&name(1)), BTreeSet::from([r#""four""#.to_owned()]));
}

#[test]
fn elements_of_sets_are_registers_of_their_own() {
    let mut devices = [Device::new("a"), Device::new("b")];
    devices[0].edit(1, &UserEdit::Label("x".into(), true), 1);
    devices[1].edit(1, &UserEdit::Label("y".into(), true), 2);
    devices[0].edit(1, &UserEdit::Pin("key".into(), Some("why".into())), 3);
    devices[1].edit(1, &UserEdit::Pin("#4".into(), Some(String::new())), 3);
    meet(&mut devices, 10);
    devices[1].edit(1, &UserEdit::Label("x".into(), false), 20);
    meet(&mut devices, 30);
    let [a, b] = &devices;
    assert_eq!(a.all_shown(), b.all_shown());
    assert_eq!(a.shown(&named(1, "label", "x")), None);
    assert_eq!(a.shown(&named(1, "label", "y")).as_deref(), Some("1"));
    assert_eq!(a.strand.keeper().pins(&session(1)).unwrap().len(), 2);
    assert!(a.conflicts().is_empty() && b.conflicts().is_empty());
}

#[test]
fn an_offer_stays_within_its_bytes_and_says_that_more_waits() {
    let mut a = Device::new("a");
    for n in 0..10 {
        a.rename(n, &"long ".repeat(100), i64::from(n));
    }
    let mut rounds = 0;
    loop {
        let offered = a.strand.offer(&mut a.store, 1500, at(100)).unwrap();
        assert!(offered.n_records <= 3, "{offered:?}");
        rounds += 1;
        if !offered.has_more {
            break;
        }
    }
    assert!(rounds >= 4);
    assert_eq!(a.count("SELECT count(*) FROM register_edits"), 10);
    // The newest came first.
    let first = a.count("SELECT seq FROM register_edits WHERE target = '0000000000000009'");
    assert_eq!(first, 1);
}

#[test]
fn a_log_that_counts_no_more_is_taken_back() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.rename(1, "ours", 0);
    a.publish(1);
    b.pull(&a);
    b.rename(1, "theirs", 2);
    b.edit(2, &UserEdit::Star(true), 2);
    b.publish(3);
    a.pull(&b);
    assert_eq!(a.shown(&name(1)).as_deref(), Some("theirs"));
    a.store.revoke(b.store.log(), &BTreeMap::new(), at(10)).unwrap();
    a.deliver();
    assert_eq!(a.shown(&name(1)).as_deref(), Some("ours"));
    assert_eq!(a.shown(&named(2, "star", "")), None);
    a.store.approve(b.store.log(), at(20)).unwrap();
    a.deliver();
    assert_eq!(a.shown(&name(1)).as_deref(), Some("theirs"), "and comes back when it counts again");
    assert_eq!(a.conflicts(), []);
}

#[test]
fn what_is_taken_back_before_it_was_said_leaves_nothing_to_be_said() {
    let both =
        [UserEdit::Star(true), UserEdit::Label("later".into(), true), UserEdit::Pin("#1".into(), Some("a".into()))];
    let back = [UserEdit::Star(false), UserEdit::Label("later".into(), false), UserEdit::Pin("#1".into(), None)];
    // Before anything was exchanged, and after.
    for is_before in [true, false] {
        let (mut a, mut b) = (Device::new("a"), Device::new("b"));
        if !is_before {
            a.publish(0);
        }
        for (edit, ms) in both.iter().chain(&back).zip(1..) {
            assert!(a.edit(1, edit, ms));
        }
        // The other, who knows nothing of it, is later by its clock or earlier.
        b.edit(1, &UserEdit::Star(true), if is_before { -5 } else { 900 });
        assert_eq!(a.publish(10), 0, "before: {is_before}");
        b.publish(10);
        b.pull(&a);
        a.pull(&b);
        let star = named(1, "star", "");
        for device in [&a, &b] {
            assert_eq!((device.shown(&star).as_deref(), device.conflicts()), (Some("1"), vec![]));
        }
        assert_eq!(a.all_shown(), b.all_shown());
    }
}

#[test]
fn what_stands_in_the_outbox_is_taken_back_by_an_edit_of_its_own() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.publish(0);
    a.rename(1, "gathered", 1);
    // It is handed over to the outbox, and the program ends before it has a place.
    let own = a.store.log();
    a.strand.gather(own, u64::MAX).unwrap();
    a.rename(1, "later", 2);
    a.edit(1, &UserEdit::Rename(None), 3);
    assert_eq!(a.publish(4), 2);
    b.pull(&a);
    for device in [&a, &b] {
        assert_eq!((device.shown(&name(1)), device.conflicts()), (None, vec![]));
    }
}

#[test]
fn what_is_as_others_have_it_again_is_not_said_and_what_was_said_is_taken_back() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    b.rename(1, "theirs", 1);
    b.publish(2);
    a.publish(2);
    a.pull(&b);
    a.rename(1, "mine", 3);
    a.rename(1, "theirs", 4);
    assert_eq!(a.publish(5), 0);
    assert_eq!(a.shown(&name(1)).as_deref(), Some("theirs"));
    // What has a place already is taken back by an edit of its own.
    a.rename(1, "mine", 6);
    assert_eq!(a.publish(7), 1);
    a.rename(1, "theirs", 8);
    assert_eq!(a.publish(9), 1);
    b.pull(&a);
    assert_eq!((b.shown(&name(1)).as_deref(), b.conflicts()), (Some("theirs"), vec![]));
    // A conflict is settled by an edit, though it chooses what is shown.
    a.rename(1, "left", 20);
    b.rename(1, "right", 21);
    b.publish(22);
    a.publish(22);
    a.pull(&b);
    assert_eq!(a.conflicts().len(), 1);
    a.rename(1, "neither", 30);
    a.rename(1, "right", 31);
    assert_eq!((a.publish(32), a.conflicts()), (1, vec![]));
}

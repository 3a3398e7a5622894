//! What every store owes.

use std::collections::BTreeSet;

use carry_team::share::Mode;
use carry_team::sink::{Begun, Buckets, Class, ROW_BYTES_MAX, Sink, SinkError, Stored, Summary, summary_of};
use carry_team::unit::{Body, Bucket, Place, Root, UnitKey};

use crate::rig::{Content, Ground, client, held, key, message, put, result};

macro_rules! contract {
    ($($claim:ident)*) => {
        mod memory {
            $(#[test] fn $claim() { super::$claim(&crate::rig::Ground::memory()); })*
        }
        mod postgres {
            $(#[test] fn $claim() { super::$claim(&crate::rig::Ground::postgres()); })*
        }
    };
}

contract! {
    a_change_is_seen_whole_and_only_once_it_is_committed
    a_change_that_is_dropped_leaves_nothing
    a_change_begins_only_from_the_root_that_is_there
    of_two_holders_of_one_origin_the_second_waits
    a_unit_stays_with_the_device_that_put_it
    two_owners_may_have_one_key
    what_is_taken_out_is_gone
    the_summary_is_that_of_the_pure_function
    a_confirmed_mask_changes_nothing_else
    any_text_comes_back_as_it_was_handed_in
    rows_of_any_number_and_size_go_in
    only_the_buckets_asked_for_are_shown
    totals_are_a_unit_like_any_other
    a_unit_without_rows_is_one
    the_last_word_on_a_place_counts
    a_row_that_could_not_be_read_again_is_not_taken
    who_only_looks_leaves_no_trace_and_is_in_nobodys_way
    nothing_can_be_done_before_it_is_open
}

fn a_change_is_seen_whole_and_only_once_it_is_committed(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let mut other = ground.opened(0, &client("other", "home"));
    let (old, new) = (Content::session(1, 40), Content::session(2, 70));
    assert!(put(&mut *sink, &key("a"), None, &old).unwrap());
    assert_eq!(held(&mut *other, &key("a")), Some(old.held()));
    let Begun::Open(mut change) = sink.change(&key("a"), Some(old.root())).unwrap() else { panic!("it moved") };
    change.put(new.rows.values().cloned().collect()).unwrap();
    assert_eq!(held(&mut *other, &key("a")), Some(old.held()));
    change.commit(Some((&new.head, &new.head_digest)), new.root(), "mask 2").unwrap();
    assert_eq!(held(&mut *other, &key("a")), Some(new.held()));
    // Without a head that of before stays.
    let only_rows = Content { head: new.head.clone(), head_digest: new.head_digest, ..Content::session(3, 70) };
    let Begun::Open(mut change) = sink.change(&key("a"), Some(new.root())).unwrap() else { panic!("it moved") };
    change.put(only_rows.rows.values().cloned().collect()).unwrap();
    change.commit(None, only_rows.root(), "mask 3").unwrap();
    assert_eq!(held(&mut *other, &key("a")), Some(only_rows.held()));
}

fn a_change_that_is_dropped_leaves_nothing(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let (old, new) = (Content::session(1, 3), Content::session(2, 5));
    let Begun::Open(mut change) = sink.change(&key("a"), None).unwrap() else { panic!("it moved") };
    change.put(old.rows.values().cloned().collect()).unwrap();
    drop(change);
    assert_eq!(held(&mut *sink, &key("a")), None);
    assert_eq!(sink.summary().unwrap(), Summary::default());
    assert!(put(&mut *sink, &key("a"), None, &old).unwrap());
    let Begun::Open(mut change) = sink.change(&key("a"), Some(old.root())).unwrap() else { panic!("it moved") };
    change.put(new.rows.values().cloned().collect()).unwrap();
    change.take(&[Place::Message(0)]).unwrap();
    drop(change);
    assert_eq!(held(&mut *sink, &key("a")), Some(old.held()));
    let Begun::Open(change) = sink.change(&key("b"), None).unwrap() else { panic!("it moved") };
    let failed = change.commit(None, new.root(), "mask 1").unwrap_err();
    assert_eq!(failed.class, Class::Internal, "a new unit needs a head");
    assert_eq!(held(&mut *sink, &key("b")), None);
}

fn a_change_begins_only_from_the_root_that_is_there(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let (old, new) = (Content::session(1, 3), Content::session(2, 5));
    assert!(matches!(sink.change(&key("a"), Some(old.root())).unwrap(), Begun::Moved(None)));
    assert!(put(&mut *sink, &key("a"), None, &old).unwrap());
    for base in [None, Some(new.root()), Some(Root([0; 32]))] {
        let Begun::Moved(now) = sink.change(&key("a"), base).unwrap() else { panic!("{base:?}") };
        assert_eq!(now, Some(old.root()));
    }
    assert_eq!(held(&mut *sink, &key("a")), Some(old.held()));
    assert!(put(&mut *sink, &key("a"), Some(old.root()), &new).unwrap());
    assert_eq!(held(&mut *sink, &key("a")), Some(new.held()));
}

fn of_two_holders_of_one_origin_the_second_waits(ground: &Ground) {
    let (one, two) = (client("device", "one"), client("device", "two"));
    let mut first = ground.opened(0, &one);
    let mut second = ground.sink(0);
    assert_eq!(second.open(&two).unwrap_err().class, Class::Busy);
    // The same home may come again, and another device or owner is not concerned.
    ground.opened(0, &one);
    ground.opened(0, &client("other", "two"));
    ground.opened(1, &two);
    assert!(put(&mut *first, &key("a"), None, &Content::session(1, 1)).unwrap());
    first.close().unwrap();
    first.close().unwrap();
    second.open(&two).unwrap();
    // The first one has its claim no longer.
    let mut late = ground.sink(0);
    assert_eq!(late.open(&one).unwrap_err().class, Class::Busy);
    let root = Content::session(1, 1).root();
    assert!(put(&mut *second, &key("a"), Some(root), &Content::session(2, 1)).unwrap());
}

fn a_unit_stays_with_the_device_that_put_it(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let mut other = ground.opened(0, &client("other", "home"));
    let content = Content::session(1, 2);
    assert!(put(&mut *sink, &key("a"), None, &content).unwrap());
    for base in [None, Some(content.root())] {
        let Begun::Elsewhere { origin } = other.change(&key("a"), base).unwrap() else { panic!("{base:?}") };
        assert_eq!(origin, "device");
    }
    assert_eq!(other.remove(&[key("a").to_text()]).unwrap(), 0);
    other.confirm(&[key("a").to_text()], "mask 9").unwrap();
    assert!(other.roots().unwrap().is_empty());
    assert_eq!(other.summary().unwrap(), Summary::default());
    assert_eq!(held(&mut *other, &key("a")), Some(content.held()));
    assert_eq!(sink.roots().unwrap()[&key("a").to_text()].mask, "mask 1");
}

fn two_owners_may_have_one_key(ground: &Ground) {
    let mut one = ground.opened(0, &client("device", "home"));
    let mut two = ground.opened(1, &client("device", "home"));
    let mut person = client("device", "home");
    person.person = "Bob".to_owned();
    let mut three = ground.opened(0, &person);
    let contents = [Content::session(1, 2), Content::session(2, 2), Content::session(3, 2)];
    for (sink, content) in [&mut one, &mut two, &mut three].into_iter().zip(&contents) {
        assert!(put(&mut **sink, &key("a"), None, content).unwrap());
    }
    assert_eq!(two.remove(&[key("a").to_text()]).unwrap(), 1);
    assert_eq!(held(&mut *one, &key("a")), Some(contents[0].held()));
    assert_eq!(held(&mut *two, &key("a")), None);
    assert_eq!(held(&mut *three, &key("a")), Some(contents[2].held()));
    // The same person and role is the same owner, and the store is the same one for all.
    let again = ground.sink(0).open(&client("third", "x")).unwrap();
    assert_eq!(again, one.open(&client("device", "home")).unwrap());
    let other = two.open(&client("device", "home")).unwrap();
    assert_eq!(other.store_id, again.store_id);
    assert_ne!(other.owner, again.owner);
}

fn what_is_taken_out_is_gone(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    for native in ["a", "b", "c"] {
        assert!(put(&mut *sink, &key(native), None, &Content::session(1, 40)).unwrap());
    }
    let gone = [key("a").to_text(), key("c").to_text(), key("never").to_text(), String::new()];
    assert_eq!(sink.remove(&gone).unwrap(), 2);
    assert_eq!(sink.remove(&gone).unwrap(), 0);
    assert_eq!(sink.remove(&[]).unwrap(), 0);
    assert_eq!(held(&mut *sink, &key("a")), None);
    assert_eq!(sink.roots().unwrap().keys().cloned().collect::<Vec<_>>(), [key("b").to_text()]);
    // And can come back.
    assert!(put(&mut *sink, &key("a"), None, &Content::session(2, 3)).unwrap());
    assert_eq!(held(&mut *sink, &key("a")), Some(Content::session(2, 3).held()));
}

fn the_summary_is_that_of_the_pure_function(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    assert_eq!(sink.summary().unwrap(), Summary::default());
    for at in 0..20 {
        let content = Content::session(at, 1);
        assert!(put(&mut *sink, &key(&format!("{at}")), None, &content).unwrap());
    }
    assert!(put(&mut *sink, &totals_key(), None, &Content::totals(1)).unwrap());
    let roots = sink.roots().unwrap();
    let summary = sink.summary().unwrap();
    assert_eq!(summary.count, 21);
    assert_eq!(summary, summary_of(roots.iter().map(|(key, stored)| (key, stored.root))));
    sink.remove(&[key("3").to_text()]).unwrap();
    assert_ne!(sink.summary().unwrap(), summary);
}

fn a_confirmed_mask_changes_nothing_else(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let content = Content::session(1, 2);
    assert!(put(&mut *sink, &key("a"), None, &content).unwrap());
    assert!(put(&mut *sink, &key("b"), None, &content).unwrap());
    sink.confirm(&[key("a").to_text(), "none".to_owned()], "mask 2").unwrap();
    let roots = sink.roots().unwrap();
    let expected = |mask: &str| Stored { root: Some(content.root()), mask: mask.to_owned(), mode: Mode::Full };
    assert_eq!(roots[&key("a").to_text()], expected("mask 2"));
    assert_eq!(roots[&key("b").to_text()], expected("mask 1"));
    assert_eq!(held(&mut *sink, &key("a")), Some(content.held()));
}

fn any_text_comes_back_as_it_was_handed_in(ground: &Ground) {
    let mut sink = ground.opened(0, &client("dev'ice\u{1}\\", "ho\"me"));
    let hostile = "'; DROP TABLE messages; -- \\ \\x00 $1 %s {\"a\"} \u{7f}\u{1b}[31m\u{202e}\u{fffd}\u{10ffff} \t\r\n é 漢 \u{200b}";
    let content = Content::session(1, 1)
        .with_pair(message(Place::Message(7), hostile))
        .with_pair(result(Place::Result { ordinal: 7, index: u32::MAX, event: u32::MAX }, hostile))
        .with_pair(message(Place::Message(u32::MAX), ""))
        .with(
            Place::Words(Bucket(u32::MAX / 32)),
            Body::Words(vec![
                hostile.to_owned(),
                "'quote'".to_owned(),
                "back\\slash".to_owned(),
                "x".repeat(5000),
                String::new(),
            ]),
        );
    assert!(put(&mut *sink, &key("a"), None, &content).unwrap());
    assert_eq!(held(&mut *sink, &key("a")), Some(content.held()));
    assert_eq!(sink.summary().unwrap().count, 1);
}

fn rows_of_any_number_and_size_go_in(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let large = "x y".repeat(5 << 20 >> 1);
    let content = Content::session(1, 10_000)
        .with_pair(message(Place::Message(50), &large))
        .with_pair(result(Place::Result { ordinal: 51, index: 0, event: 0 }, &large))
        .with(Place::Words(Bucket(1)), Body::Words((0..300_000).map(|at| format!("word{at}")).collect()));
    assert!(put(&mut *sink, &key("a"), None, &content).unwrap());
    assert_eq!(held(&mut *sink, &key("a")), Some(content.held()));
    assert!(sink.traffic().bytes > 10 << 20);
    assert_eq!(sink.traffic().rows_written, content.rows.len() as u64);
    // All of it goes again, and what was parted leaves no part behind.
    let small = Content::session(2, 1);
    assert!(put(&mut *sink, &key("a"), Some(content.root()), &small).unwrap());
    assert_eq!(held(&mut *sink, &key("a")), Some(small.held()));
}

fn a_row_that_could_not_be_read_again_is_not_taken(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let large = Content::session(1, 3).with_pair(message(Place::Message(1), &"x".repeat(ROW_BYTES_MAX)));
    let error = put(&mut *sink, &key("a"), None, &large).unwrap_err();
    assert_eq!(error.class, Class::Refused, "{error}");
    assert_eq!(held(&mut *sink, &key("a")), None);
    assert!(put(&mut *sink, &key("a"), None, &Content::session(1, 3)).unwrap(), "others are");
}

fn only_the_buckets_asked_for_are_shown(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let content = Content::session(1, 100);
    assert!(put(&mut *sink, &key("a"), None, &content).unwrap());
    let wanted = BTreeSet::from([Bucket(1), Bucket(3), Bucket(77), Bucket(u32::MAX)]);
    let shown = sink.held(&key("a"), &Buckets::These(wanted.clone())).unwrap().unwrap();
    let mut expected = content.held();
    expected.rows.retain(|place, _| wanted.contains(&place.bucket()));
    assert_eq!(shown, expected);
    let none = sink.held(&key("a"), &Buckets::These(BTreeSet::new())).unwrap().unwrap();
    assert!(none.rows.is_empty() && none.root == Some(content.root()));
    assert_eq!(sink.held(&key("none"), &Buckets::These(wanted)).unwrap(), None);
}

fn totals_key() -> UnitKey {
    UnitKey::Totals { origin: "device".to_owned(), project: "github.com/acme/api".to_owned() }
}

fn totals_are_a_unit_like_any_other(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    for (base, seed) in [(None, 1), (Some(1), 2)] {
        let base = base.map(|seed| Content::totals(seed).root());
        assert!(put(&mut *sink, &totals_key(), base, &Content::totals(seed)).unwrap());
        assert_eq!(held(&mut *sink, &totals_key()), Some(Content::totals(seed).held()));
    }
    assert_eq!(sink.roots().unwrap()[&totals_key().to_text()].mode, Mode::Aggregates);
}

fn a_unit_without_rows_is_one(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let content = Content::session(1, 0);
    assert!(put(&mut *sink, &key("a"), None, &content).unwrap());
    assert_eq!(held(&mut *sink, &key("a")), Some(content.held()));
}

fn the_last_word_on_a_place_counts(ground: &Ground) {
    let mut sink = ground.opened(0, &client("device", "home"));
    let content = Content::session(1, 2);
    let stale = Content::session(9, 2);
    let Begun::Open(mut change) = sink.change(&key("a"), None).unwrap() else { panic!("it moved") };
    change.put(stale.rows.values().cloned().collect()).unwrap();
    change.take(&content.rows.keys().copied().collect::<Vec<_>>()).unwrap();
    change.put(content.rows.values().cloned().collect()).unwrap();
    change.put(vec![stale.rows[&Place::Message(1)].clone()]).unwrap();
    change.put(vec![content.rows[&Place::Message(1)].clone()]).unwrap();
    change
        .take(&[Place::Message(5), Place::Words(Bucket(9)), Place::Result { ordinal: 1, index: 9, event: 9 }])
        .unwrap();
    change.commit(Some((&content.head, &content.head_digest)), content.root(), "mask 1").unwrap();
    assert_eq!(held(&mut *sink, &key("a")), Some(content.held()));
}

fn who_only_looks_leaves_no_trace_and_is_in_nobodys_way(ground: &Ground) {
    let mut looker = ground.sink(0);
    let of_nobody = looker.look(&client("device", "copy")).unwrap();
    assert_eq!(of_nobody.owner, "");
    assert_eq!((looker.summary().unwrap(), looker.roots().unwrap().len()), (Summary::default(), 0));
    assert_eq!(held(&mut *looker, &key("a")), None);
    let mut sink = ground.opened(0, &client("device", "home"));
    let content = Content::session(1, 3);
    assert!(put(&mut *sink, &key("a"), None, &content).unwrap());
    // While another holder pushes, and without taking the claim from it.
    let looked = looker.look(&client("device", "copy")).unwrap();
    assert_eq!(looked.store_id, of_nobody.store_id);
    assert_ne!(looked.owner, "");
    assert_eq!(looker.summary().unwrap(), sink.summary().unwrap());
    assert_eq!(held(&mut *looker, &key("a")), Some(content.held()));
    let class = |result: Result<(), SinkError>| result.unwrap_err().class;
    assert_eq!(class(looker.change(&key("a"), None).map(|_| ())), Class::Internal);
    assert_eq!(class(looker.remove(&[key("a").to_text()]).map(|_| ())), Class::Internal);
    assert_eq!(class(looker.confirm(&[key("a").to_text()], "x")), Class::Internal);
    looker.close().unwrap();
    assert_eq!(ground.sink(0).open(&client("device", "third")).unwrap_err().class, Class::Busy);
    // The same name of the home: the claim is not given back for the one that has it.
    looker.look(&client("device", "home")).unwrap();
    looker.close().unwrap();
    assert_eq!(ground.sink(0).open(&client("device", "third")).unwrap_err().class, Class::Busy);
    assert!(put(&mut *sink, &key("b"), None, &content).unwrap());
}

fn nothing_can_be_done_before_it_is_open(ground: &Ground) {
    let mut sink: Box<dyn Sink> = ground.sink(0);
    assert_eq!(sink.summary().unwrap_err().class, Class::Internal);
    assert_eq!(sink.roots().unwrap_err().class, Class::Internal);
    assert_eq!(sink.held(&key("a"), &Buckets::All).unwrap_err().class, Class::Internal);
    assert_eq!(sink.change(&key("a"), None).err().map(|error| error.class), Some(Class::Internal));
    assert_eq!(sink.remove(&[]).unwrap_err().class, Class::Internal);
    assert_eq!(sink.confirm(&[], "").unwrap_err().class, Class::Internal);
    sink.close().unwrap();
}

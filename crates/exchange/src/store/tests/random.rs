//! Random work with failures anywhere, against a model that never fails.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Say {
        key: u8,
        replaces: bool,
    },
    Drain,
    Seal,
    Sign,
    Compact,
    Deliver,
    Reopen,
    /// The other device takes some segments, in some order.
    Pull {
        order: u64,
        limit: usize,
    },
    /// The step after the next so many points fails.
    Fail {
        after: u32,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4u8, any::<bool>()).prop_map(|(key, replaces)| Step::Say { key, replaces }),
        4 => Just(Step::Drain),
        4 => Just(Step::Seal),
        4 => Just(Step::Sign),
        3 => Just(Step::Compact),
        1 => Just(Step::Deliver),
        1 => Just(Step::Reopen),
        2 => (any::<u64>(), 0..5usize).prop_map(|(order, limit)| Step::Pull { order, limit }),
        3 => (0..12u32).prop_map(|after| Step::Fail { after }),
    ]
}

/// Takes one step; a failure that was armed is no surprise.
fn take(step: &Step, device: &mut Device) -> Result<(), StoreError> {
    match step {
        Step::Drain => device.drain().map(drop),
        Step::Seal => device.store.seal().map(drop),
        Step::Sign => device.store.sign(&statement(), NOW).map(drop),
        Step::Compact => device.store.compact(&[], NOW).map(drop),
        Step::Deliver => device.store.deliver(&mut device.facts).map(drop),
        Step::Say { .. } | Step::Reopen | Step::Pull { .. } | Step::Fail { .. } => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_and_in_whatever_order_things_come_the_same_is_shown(
        steps in proptest::collection::vec(any_step(), 20..120),
    ) {
        let (mut device, mut other) = (Device::new(), Device::new());
        other.trust(&device.store);
        let mut model: Vec<(u8, String)> = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Say { key, replaces } => {
                    let text = format!("text {n}");
                    let flags = if *replaces { Flags::REPLACES } else { Flags::default() };
                    device.facts.say_as(&format!("key {key}"), &text, flags, 1, &[]);
                    if *replaces {
                        model.retain(|(other, _)| other != key);
                    }
                    model.push((*key, text));
                }
                Step::Reopen => device.reopen(),
                Step::Pull { order, limit } => {
                    let armed = fault::tests::arm(None);
                    other.pull_some(&device.store, *order, *limit);
                    if armed {
                        fault::tests::arm(Some(2));
                    }
                    // Folding may fail as well, and is taken up again.
                    drop(other.store.deliver(&mut other.facts));
                }
                Step::Fail { after } => drop(fault::tests::arm(Some(*after))),
                step => {
                    if take(step, &mut device).is_err() {
                        device.reopen();
                    }
                }
            }
        }
        fault::tests::arm(None);
        device.drain().unwrap();
        device.publish();
        let shown: BTreeSet<String> = model.into_iter().map(|(_, text)| text).collect();
        prop_assert_eq!(&device.facts.shown(), &shown);
        other.pull(&device.store);
        prop_assert_eq!(&other.facts.shown(), &shown);
        while !device.store.compact(&[], NOW).unwrap().is_empty() {
            device.publish();
        }
        device.publish();
        let mut fresh = Device::new();
        fresh.trust(&device.store);
        fresh.pull(&device.store);
        prop_assert_eq!(&fresh.facts.shown(), &shown);
        other.pull(&device.store);
        prop_assert_eq!(&other.facts.shown(), &shown);
        // Everything is in the segments: what was folded can be made anew.
        device.facts.db.write(|tx| {
            tx.execute("DELETE FROM facts", [])?;
            Ok::<_, StoreError>(outbox::uncover_all(tx, &stream("notes"))?)
        }).unwrap();
        device.deliver();
        prop_assert_eq!(&device.facts.shown(), &shown);
        for one in [&device, &other, &fresh] {
            prop_assert_eq!(one.store.verify().unwrap(), vec![]);
        }
    }

    #[test]
    fn two_stores_that_hand_over_files_converge(
        steps in proptest::collection::vec((any::<bool>(), 0..4u8, any::<u64>(), 0..6usize), 5..40),
    ) {
        let (mut a, mut b) = (Device::new(), Device::new());
        a.trust(&b.store);
        b.trust(&a.store);
        let mut said = BTreeSet::new();
        for (n, (is_a, action, order, limit)) in steps.into_iter().enumerate() {
            let (one, two) = if is_a { (&mut a, &mut b) } else { (&mut b, &mut a) };
            match action {
                0 => {
                    let text = format!("text {n}");
                    one.facts.say(&text, &text);
                    said.insert(text);
                }
                1 => one.publish(),
                2 => {
                    one.pull_some(&two.store, order, limit);
                    one.deliver();
                }
                _ => drop(one.store.compact(&[], NOW).unwrap()),
            }
        }
        a.publish();
        b.publish();
        a.pull(&b.store);
        b.pull(&a.store);
        prop_assert_eq!(a.facts.shown(), said.clone());
        prop_assert_eq!(b.facts.shown(), said);
        for one in [&a, &b] {
            prop_assert_eq!(one.store.verify().unwrap(), vec![]);
        }
    }
}

//! Two processes of one home, each with a remote of its own.

use super::*;
use crate::store::FAN_IN;

#[test]
fn one_says_something_at_a_time_and_never_while_a_remote_is_waited_for() {
    let remote = memory();
    let mut device = Device::new();
    let other = || Store::open(setup(&device.root, "here", NOW)).unwrap();
    let (beside, watching) = (other(), other());
    device.notes.beside = Some(beside).into();
    remote.watch(watching);
    for direction in [Direction::Both, Direction::Push, Direction::Pull] {
        device.options.direction = direction;
        device.say("something");
        device.round(&remote);
    }
    assert!(remote.take().puts > 0);
    // An error lets go of it, too.
    device.options.direction = Direction::Push;
    device.notes.cannot_offer = true;
    device.round(&remote);
    assert!(device.store.try_saying().unwrap().is_some());
}

#[test]
fn what_another_process_merged_meanwhile_is_looked_at_again() {
    let remote = memory();
    let mut device = Device::new();
    for n in 0..FAN_IN {
        device.notes.say_as("one key", &format!("note {n}"), false, &[]);
        device.round(&remote);
    }
    device.notes.say_as("one key", "the last", false, &[]);
    let beside = Store::open(setup(&device.root, "here", NOW)).unwrap();
    // It holds no lock, as an earlier version does not.
    let mut options = device.options.clone();
    options.direction = Direction::Push;
    let Device { store, notes, clock, .. } = &mut device;
    notes.offer(store, u64::MAX, NOW).unwrap();
    notes.beside = Some(beside).into();
    let mut side = Side { store, strands: vec![notes], clock };
    say::seal(&mut side, &options.statement).unwrap();
    assert!(device.notes.beside.lock().unwrap().is_none(), "it was there first");
    device.round(&remote);
    assert_eq!(device.store.verify().unwrap(), []);
    let mut reader = Device::new();
    reader.trust(device.store.log());
    reader.round(&remote);
    assert_eq!(reader.shown(), device.shown());
}

#[test]
fn two_processes_say_nothing_twice_and_no_round_of_theirs_fails() {
    const ROUNDS: usize = 25;
    let (one, two) = (memory(), memory());
    let first = Device::new();
    let root = first.root.clone();
    let second = Device::at(&root, "here");
    let begin = std::sync::Barrier::new(2);
    let work = |mut device: Device, remote: &Counted<MemoryRemote>, name: &str| {
        begin.wait();
        for n in 0..ROUNDS {
            device.say(&format!("{name} {n}"));
            let report = device.try_round(remote, name).unwrap();
            assert_eq!(report.problems, []);
        }
        device
    };
    let mut devices = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| work(first, &one, "one")), scope.spawn(|| work(second, &two, "two"))];
        threads.map(|thread| thread.join().unwrap())
    });
    for (device, remote) in devices.iter_mut().zip([&one, &two]) {
        device.round(remote);
        let held = device.store.held(device.store.log(), 0).unwrap();
        assert_eq!(held[&stream("notes")], Ranges::of(1, 2 * ROUNDS as u64), "each note once");
        assert_eq!(device.shown().len(), 2 * ROUNDS);
        assert_eq!(device.store.verify().unwrap(), []);
        let mut reader = Device::new();
        reader.trust(device.store.log());
        reader.round(remote);
        assert_eq!(reader.shown(), device.shown());
    }
}

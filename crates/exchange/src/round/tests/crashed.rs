//! A round that ends anywhere is made again.

use super::*;
use crate::remote::{Faults, Faulty, FolderRemote};
use crate::store::arm;

#[test]
fn a_round_may_end_after_any_call() {
    for n in 0..40 {
        let remote = memory();
        let mut devices = fleet(2);
        for at in 0..12 {
            devices[0].say(&format!("before {at}"));
            devices[0].round(&remote);
        }
        devices[1].say("from the other");
        devices[1].round(&remote);
        devices[0].say("after");
        remote.end_after(Some(n));
        let ended = devices[0].try_round(&remote, "r");
        let has_ended = remote.end_after(None);
        assert!(ended.is_err() == has_ended || ended.is_ok(), "{ended:?}");
        devices[0].reopen();
        settle(&mut devices, &remote);
        assert_eq!(devices[1].shown().len(), 14);
        check_same(&devices);
        if !has_ended {
            assert!(n > 3);
            return;
        }
    }
    panic!("a round has fewer calls");
}

#[test]
fn a_round_may_end_at_any_step_here() {
    let mut n = 0;
    loop {
        let remote = memory();
        let mut devices = fleet(2);
        devices[1].say("from the other");
        devices[1].round(&remote);
        devices[0].say("a note");
        arm(Some(n));
        let ended = devices[0].try_round(&remote, "r");
        let was_passed = arm(None);
        devices[0].reopen();
        settle(&mut devices, &remote);
        assert_eq!(devices[0].shown(), texts(&["a note", "from the other"]), "step {n}: {ended:?}");
        check_same(&devices);
        if was_passed {
            break;
        }
        n += 1;
    }
    assert!(n > 10, "{n}");
}

#[test]
fn a_place_that_fails_in_every_way_converges_when_it_does_no_more() {
    for seed in 0..6 {
        let inner = MemoryRemote::new("memory");
        inner.init(&Deadline::NONE).unwrap();
        let remote = Faulty::new(inner, seed, Faults::all(12));
        let mut devices = fleet(3);
        for n in 0..12 {
            for (at, device) in devices.iter_mut().enumerate() {
                device.say(&format!("{at} says {n}"));
                // Whatever comes of it.
                let _ = device.try_round(&remote, "r");
                device.advance(MINUTE);
            }
        }
        remote.heal();
        let mut passes = 0;
        while devices.iter().any(|device| device.shown().len() < 36) {
            passes += 1;
            assert!(passes < 12, "seed {seed}: {:?}", devices.iter().map(|d| d.shown().len()).collect::<Vec<_>>());
            for device in &mut devices {
                device.round(&remote);
                device.advance(DAY);
            }
        }
        check_same(&devices);
    }
}

#[test]
fn a_folder_does_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let mut devices = fleet(3);
    let remotes: Vec<FolderRemote> = devices
        .iter()
        .enumerate()
        .map(|(n, device)| FolderRemote::new(dir.path(), device.store.log(), n as u64))
        .collect();
    remotes[0].init(&Deadline::NONE).unwrap();
    for n in 0..20 {
        for (at, (device, remote)) in devices.iter_mut().zip(&remotes).enumerate() {
            device.say(&format!("{at} says {n}"));
            device.round(remote);
        }
    }
    for _ in 0..2 {
        for (device, remote) in devices.iter_mut().zip(&remotes) {
            device.round(remote);
        }
    }
    assert_eq!(devices[0].shown().len(), 60);
    check_same(&devices);
}

#[test]
fn a_failed_round_is_remembered_with_its_reason() {
    let inner = MemoryRemote::new("memory");
    inner.init(&Deadline::NONE).unwrap();
    let remote = Faulty::new(inner, 1, Faults { before: 100, ..Faults::default() });
    let mut device = Device::new();
    assert!(device.try_round(&remote, "r").is_err());
    assert!(device.try_round(&remote, "r").is_err());
    let rounds = device.store.rounds().unwrap();
    assert_eq!((rounds[0].remote.as_str(), rounds[0].pull.n_failures, rounds[0].pull.ok), ("r", 2, None));
    assert!(rounds[0].pull.failed.as_ref().unwrap().1.contains("cannot reach"));
    remote.heal();
    device.round(&remote);
    let rounds = device.store.rounds().unwrap();
    assert_eq!((rounds[0].pull.n_failures, rounds[0].pull.n_failed, rounds[0].pull.ok), (0, 2, Some(NOW)));
    device.store.forget_remote("r").unwrap();
    assert_eq!(device.store.rounds().unwrap(), []);
}

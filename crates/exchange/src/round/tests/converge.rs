//! What one says, all show; and a round costs what changed.

use super::*;

/// Lists, gets, puts, deletes.
fn calls(remote: &Counted<MemoryRemote>) -> [u64; 4] {
    let calls = remote.take();
    [calls.lists, calls.gets, calls.puts, calls.deletes]
}

#[test]
fn what_one_says_all_show() {
    let remote = memory();
    let mut devices = fleet(3);
    for (at, device) in devices.iter_mut().enumerate() {
        device.say(&format!("note {at}"));
        device.curation.say(&format!("label {at}"));
    }
    settle(&mut devices, &remote);
    assert_eq!(devices[2].shown(), texts(&["note 0", "note 1", "note 2"]));
    assert_eq!(devices[0].curation.shown(), texts(&["label 0", "label 1", "label 2"]));
    check_same(&devices);
}

#[test]
fn nothing_new_is_one_listing() {
    let remote = memory();
    let mut devices = fleet(3);
    for device in &mut devices {
        device.say("something");
    }
    settle(&mut devices, &remote);
    for device in &mut devices {
        remote.take();
        let report = device.round(&remote);
        assert_eq!(calls(&remote), [1, 0, 0, 0]);
        assert_eq!((report.pushed, report.pulled, report.problems), Default::default());
        assert!(report.published.is_some());
    }
}

#[test]
fn one_record_is_a_small_segment_and_a_head() {
    let remote = memory();
    let mut devices = fleet(2);
    for n in 0..300 {
        devices[0].say(&format!("note {n}"));
        devices[0].round(&remote);
    }
    while devices[1].round(&remote).has_more {}
    settle(&mut devices, &remote);
    remote.take();
    let mut n_puts = 0;
    for n in 0..16 {
        devices[0].say(&format!("later {n}"));
        let report = devices[0].round(&remote);
        let seen = remote.take();
        assert!(seen.puts <= 4 && seen.lists == 1 && seen.gets == 0, "{seen:?}");
        assert!(seen.put_bytes < 80_000, "{seen:?}");
        assert_eq!(report.pushed.n_heads, 1);
        n_puts += seen.puts;
        devices[1].round(&remote);
        let seen = remote.take();
        // The head, the segment, now and then a list.
        assert!(seen.lists == 1 && seen.gets <= 3, "{seen:?}");
    }
    assert!(n_puts <= 16 * 2 + 6, "{n_puts}");
    check_same(&devices);
}

#[test]
fn a_place_without_a_marker_is_left_alone() {
    let remote = MemoryRemote::new("memory");
    let mut device = Device::new();
    device.say("something");
    let error = device.try_round(&remote, "r").unwrap_err();
    assert!(matches!(error, RoundError::Remote(RemoteError::NoMarker { .. })), "{error:?}");
    assert!(remote.files().is_empty());
    let rounds = device.store.rounds().unwrap();
    assert_eq!(rounds[0].pull.n_failures, 1);
    assert!(rounds[0].push.failed.as_ref().unwrap().1.contains("carry/format.json"));
    remote.init(&Deadline::NONE).unwrap();
    device.round(&remote);
    let rounds = device.store.rounds().unwrap();
    assert_eq!((rounds[0].push.n_failures, rounds[0].push.n_ok, rounds[0].push.n_failed), (0, 1, 1));
    assert_eq!(remote.files().len(), 3);
}

#[test]
fn a_backlog_goes_head_by_head() {
    let remote = memory();
    let mut devices = fleet(2);
    // Texts that compress well, so that the test is quick, and yet count in full.
    devices[0].notes.backlog = (0..300).map(|n| format!("{n} {}", "x".repeat(500_000))).collect();
    let report = devices[0].round(&remote);
    assert_eq!((report.said[&stream("notes")], report.pushed.n_heads, report.has_more), (300, 3, false));
    devices[1].round(&remote);
    assert_eq!(devices[1].shown(), devices[0].shown());
}

#[test]
fn a_strand_that_fails_holds_up_no_other() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("a note");
    devices[0].curation.say("a label");
    devices[0].round(&remote);
    devices[1].notes.is_broken = true;
    devices[1].notes.cannot_offer = true;
    devices[1].curation.say("another label");
    let report = devices[1].round(&remote);
    assert_eq!(report.problems.len(), 2, "{:?}", report.problems);
    assert_eq!(devices[1].curation.shown(), texts(&["a label", "another label"]));
    assert_eq!(report.pushed.n_heads, 1);
    (devices[1].notes.is_broken, devices[1].notes.cannot_offer) = (false, false);
    settle(&mut devices, &remote);
    assert_eq!(devices[1].shown(), texts(&["a note"]));
    check_same(&devices);
}

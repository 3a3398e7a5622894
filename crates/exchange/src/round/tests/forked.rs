//! Two homes that write one log.

use super::*;

#[test]
fn a_copied_home_goes_on_in_a_new_log_and_both_histories_arrive() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("common");
    devices[0].round(&remote);
    let copy = devices[0].copy();
    devices.push(copy);
    devices[0].say("of the first");
    devices[0].round(&remote);
    devices[2].say("of the copy");
    let report = devices[2].round(&remote);
    assert!(report.renewed.is_some(), "{report:?}");
    settle(&mut devices, &remote);
    settle(&mut devices, &remote);
    assert_eq!(devices[1].shown(), texts(&["common", "of the first", "of the copy"]));
    check_same(&devices);
}

#[test]
fn both_published_before_they_met() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet(3);
    devices[0].say("common");
    devices[0].round(&one);
    let copy = devices[0].copy();
    devices.push(copy);
    // Each writes the log's next head, at places that do not know each other.
    devices[0].say("of the first");
    devices[0].round(&one);
    devices[3].say("of the copy");
    devices[3].try_round(&two, "two").unwrap();
    devices[1].round(&one);
    devices[2].try_round(&two, "two").unwrap();
    let log = devices[0].store.log();
    let is_forked = |device: &Device| {
        let status = device.store.status().unwrap();
        status.is_forked(status.log(log).unwrap())
    };
    let says = |report: &Report| report.problems.contains(&Problem::Forked(log));
    assert!(says(&devices[1].try_round(&two, "two").unwrap()));
    assert!(!says(&devices[1].try_round(&two, "two").unwrap()), "it is said once");
    assert!(is_forked(&devices[1]) && !is_forked(&devices[2]));
    // They meet.
    for _ in 0..4 {
        for device in &mut devices {
            device.try_round(&one, "r").unwrap();
            device.try_round(&two, "two").unwrap();
        }
    }
    let expected = texts(&["common", "of the first", "of the copy"]);
    for device in &devices {
        assert_eq!(device.shown(), expected);
        assert!(!is_forked(device), "what goes on from it settles it");
    }
    // Who comes later meets the log and what goes on from it at once.
    let mut late = fleet(1).remove(0);
    for device in &devices {
        late.store.approve(device.store.log(), NOW).unwrap();
    }
    let reports = [late.try_round(&one, "r").unwrap(), late.try_round(&two, "two").unwrap()];
    assert!(!reports.iter().any(says) && late.store.status().unwrap().log(log).unwrap().n_ways == 2, "{reports:?}");
    check_same(&devices);
}

#[test]
fn what_was_signed_and_never_put_arrives_after_the_log_was_renewed() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("common");
    devices[0].round(&remote);
    let copy = devices[0].copy();
    devices.push(copy);
    // The original signs and does not get to put.
    devices[0].say("signed");
    remote.end_after(Some(2));
    assert!(devices[0].try_round(&remote, "r").is_err());
    remote.end_after(None);
    assert_eq!(devices[0].store.newest_signed().unwrap().unwrap().head().n, 2);
    devices[2].say("of the copy");
    devices[2].round(&remote);
    devices[0].say("unsigned");
    let report = devices[0].round(&remote);
    assert!(report.renewed.is_some(), "{report:?}");
    settle(&mut devices, &remote);
    settle(&mut devices, &remote);
    for device in &devices {
        assert_eq!(device.shown(), texts(&["common", "of the copy", "signed", "unsigned"]));
    }
    check_same(&devices);
}

#[test]
fn a_home_put_back_to_a_backup_takes_its_later_life_in() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("early");
    devices[0].round(&remote);
    let backup = devices[0].copy();
    devices[0].say("late");
    devices[0].round(&remote);
    devices[0] = backup;
    devices[0].say("after the backup came back");
    let report = devices[0].round(&remote);
    assert!(report.renewed.is_some());
    settle(&mut devices, &remote);
    assert_eq!(devices[1].shown(), texts(&["early", "late", "after the backup came back"]));
    check_same(&devices);
}

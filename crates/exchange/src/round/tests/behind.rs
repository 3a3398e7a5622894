//! A database that is older than the strands' files.

use super::*;

/// A copy of a home with the exchange's database that an earlier copy has, and with or without the files that it does not know.
fn with_database_of(later: &Device, before: &Device, keeps_files: bool) -> Device {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("copy");
    assert!(std::process::Command::new("cp").arg("-a").arg(&later.root).arg(&root).status().unwrap().success());
    for name in ["exchange.db", "exchange.db-wal", "exchange.db-shm"] {
        let (from, to) = (before.root.join("data").join(name), root.join("data").join(name));
        drop(std::fs::remove_file(&to));
        if from.exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
    let log = format!("data/exchange/{}", later.store.log());
    for entry in std::fs::read_dir(root.join(&log)).unwrap() {
        let name = entry.unwrap().file_name();
        if !keeps_files && !before.root.join(&log).join(&name).exists() {
            std::fs::remove_file(root.join(&log).join(name)).unwrap();
        }
    }
    let clock = ManualClock::new(carry_kernel::clock::Clock::now(&later.clock));
    Device { _dir: Some(dir), clock, ..Device::at(&root, "here") }
}

/// What was said after the database was kept reached no remote.
#[test]
fn a_database_put_back_alone_loses_nothing_that_was_handed_over() {
    for keeps_files in [true, false] {
        let remote = memory();
        let mut devices = fleet(2);
        devices[0].say("early");
        devices[0].round(&remote);
        let before = devices[0].copy();
        devices[0].say("late");
        devices[0].curation.say("late edit");
        remote.end_after(Some(2));
        assert!(devices[0].try_round(&remote, "r").is_err());
        remote.end_after(None);
        let (log, shown) = (devices[0].store.log(), devices[0].shown());
        devices[0] = with_database_of(&devices[0], &before, keeps_files);
        let report = devices[0].round(&remote);
        // With the files the log is whole again; without them its numbers are not given to anything else.
        assert_eq!(report.renewed.is_some(), !keeps_files, "{report:?}");
        assert_eq!(devices[0].store.log() == log, keeps_files);
        assert_eq!(devices[0].round(&remote).renewed, None, "it is told once");
        settle(&mut devices, &remote);
        assert_eq!(devices[1].shown(), shown);
        assert_eq!(devices[1].curation.shown(), texts(&["late edit"]));
        let n_of_old = devices[1].store.held(log, 0).unwrap()[&stream("notes")].count();
        assert_eq!(n_of_old, if keeps_files { 2 } else { 1 });
        assert_eq!(devices[1].store.verify().unwrap(), []);
        check_same(&devices);
    }
}

#[test]
fn what_a_strand_could_not_say_again_it_says_with_a_later_exchange() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("early");
    devices[0].round(&remote);
    let before = devices[0].copy();
    devices[0].say("late");
    remote.end_after(Some(2));
    assert!(devices[0].try_round(&remote, "r").is_err());
    devices[0] = with_database_of(&devices[0], &before, false);
    remote.end_after(None);
    // It goes on in a new log, and cannot say anything again.
    devices[0].notes.is_broken = true;
    let report = devices[0].round(&remote);
    assert!(report.renewed.is_some());
    assert!(report.problems.iter().any(|problem| matches!(problem, Problem::Strand(..))), "{report:?}");
    devices[0].reopen();
    settle(&mut devices, &remote);
    assert_eq!(devices[1].shown(), texts(&["early", "late"]));
    check_same(&devices);
}

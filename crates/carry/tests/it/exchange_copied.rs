//! A home that was copied, and both went on: which two there are, and how to part with one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::exchange_code::{exchange, joins, meet, objects, shared};
use crate::world::World;

/// The logs of the other device: name, state, and those that are written beside it.
#[track_caller]
fn logs(world: &World) -> Vec<(String, String, Vec<String>)> {
    let devices = objects(&world.ok(&["devices", "--json"]), "device");
    let of_device = devices.iter().filter(|device| device["state"] != "this device");
    let logs = of_device.flat_map(|device| device["exchange"].as_array().cloned().unwrap_or_default());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let beside = |log: &Value| log["beside"].as_array().expect("a list").iter().map(text).collect();
    logs.map(|log| (text(&log["name"]), text(&log["state"]), beside(&log))).collect()
}

/// The name of the log that a device writes.
fn own(world: &World) -> String {
    let devices = objects(&world.ok(&["devices", "--json"]), "device");
    let logs = devices[0]["exchange"].as_array().cloned().unwrap_or_default();
    let own = logs.iter().find(|log| log["state"] == "own").expect("it writes one");
    own["name"].as_str().expect("a name").to_owned()
}

/// A copy of a home, elsewhere.
fn copy_of(one: &World) -> World {
    let copy = World::new();
    let said = Command::new("cp").arg("-a").arg(one.root().join("carry")).arg(copy.root()).status();
    assert!(said.expect("cp runs").success());
    copy
}

/// Three: a laptop, a copy of its home elsewhere, and another device that approved the laptop. Both sides went on.
fn copied() -> (tempfile::TempDir, World, World, World) {
    let (folder, one, two) = (shared(), World::new(), World::new());
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["devices", "rename", "desk"]);
    for world in [&one, &two] {
        joins(world, &folder);
    }
    meet(&one, &two);
    for world in [&one, &two] {
        exchange(world);
    }
    let copy = copy_of(&one);
    let ran = exchange(&copy);
    assert!(ran.stderr.contains("This home was copied or moved: this device goes on in a new log, "), "{ran:?}");
    assert!(!exchange(&copy).stderr.contains("This home was"), "it is said once");
    let ran = exchange(&two);
    assert!(ran.stderr.contains(" counts without a question, since "), "{ran:?}");
    assert!(!two.ok(&["devices"]).stderr.contains("is a copy"), "the old one may have ended");
    // The original says something more.
    one.ok(&["devices", "rename", "notebook"]);
    for world in [&one, &two, &copy] {
        exchange(world);
    }
    (folder, one, copy, two)
}

#[test]
fn both_sides_are_named_with_what_means_each() {
    let (_folder, one, copy, two) = copied();
    let (first, second) = (own(&one), own(&copy));
    for (world, this) in [(&two, None), (&one, Some(&first)), (&copy, Some(&second))] {
        let ran = world.ok(&["devices"]);
        assert!(ran.stderr.contains("Warning: 2 homes write as "), "{ran:?}");
        for name in [&first, &second] {
            let how = if Some(name) == this { "this one" } else { "seen " };
            assert!(ran.stderr.contains(&format!("{name} ({how}")), "{name} {ran:?}");
        }
        assert!(ran.stderr.contains(&format!("goes on from {first})")), "{ran:?}");
        assert!(
            ran.stderr.contains("`carry devices revoke NAME`, with the name that stands before the brackets"),
            "{ran:?}"
        );
        let ran = world.ok(&["doctor", "--json"]);
        assert!(objects(&ran, "finding").iter().any(|finding| finding["code"] == "exchange-copied"), "{ran:?}");
    }
    let told = logs(&two).into_iter().map(|(name, _, beside)| (name, beside)).collect::<Vec<_>>();
    let both = [(first.clone(), vec![second.clone()]), (second.clone(), vec![first.clone()])];
    assert!(told.len() == 2 && both.iter().all(|side| told.contains(side)), "{told:?}");
    // Of this device's copy it is said whose it is.
    let ran = one.ok(&["devices"]);
    assert!(ran.stdout.contains("(a copy of this device)"), "{ran:?}");
}

#[test]
fn one_side_is_revoked_by_its_name_and_the_device_by_its_id() {
    let (_folder, one, copy, two) = copied();
    let (first, second) = (own(&one), own(&copy));
    let state = |name: &str| {
        let all = logs(&two);
        all.into_iter().find(|log| log.0 == name).map(|log| log.1).expect("it is known")
    };
    // A label means neither of them, and which there are is said.
    let id = crate::world::field(&one.ok(&["devices", "--json"]).raw, "id");
    for label in ["laptop", "notebook"] {
        let ran = two.carry(&["devices", "revoke", label]);
        assert!(ran.code == 1 && ran.stderr.starts_with(&format!("Error: 2 homes write as {label}, so")), "{ran:?}");
        for part in [format!("{first} ("), format!("{second} ("), format!("`carry devices revoke {id}`")] {
            assert!(ran.stderr.contains(&part), "{part} {ran:?}");
        }
        assert_eq!((state(&first).as_str(), state(&second).as_str()), ("approved", "approved"));
    }
    let ran = two.ok(&["devices", "revoke", &second]);
    assert!(ran.stderr.contains(&format!("{first} has the same key and still counts")), "{ran:?}");
    assert_eq!((state(&first).as_str(), state(&second).as_str()), ("approved", "revoked"));
    assert!(!two.ok(&["devices"]).stderr.contains("is a copy"), "one of them counts");
    // It stays so through further exchanges.
    for world in [&one, &copy, &two, &one, &two] {
        exchange(world);
    }
    assert_eq!((state(&first).as_str(), state(&second).as_str()), ("approved", "revoked"));
    two.ok(&["devices", "approve", &second, "--yes"]);
    assert_eq!(state(&second), "approved");
    // The one that the other goes on from takes it along, and that is said.
    let ran = two.ok(&["devices", "revoke", &first]);
    assert!(ran.stderr.contains(&format!("Revoked with it: {second}, which goes on from {first}.")), "{ran:?}");
    two.ok(&["devices", "approve", &second, "--yes"]);
    for world in [&one, &copy, &two] {
        exchange(world);
    }
    assert_eq!((state(&first).as_str(), state(&second).as_str()), ("revoked", "approved"));
    two.ok(&["devices", "approve", &first, "--yes"]);
    let ran = two.carry(&["devices", "revoke", &id]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((state(&first).as_str(), state(&second).as_str()), ("revoked", "revoked"));
}

#[test]
fn a_device_is_taken_back_whole_by_its_id_and_named_with_all_its_logs() {
    let (_folder, one, copy, two) = copied();
    let (first, second) = (own(&one), own(&copy));
    let id = crate::world::field(&one.ok(&["devices", "--json"]).raw, "id");
    let states = || {
        let mut all: Vec<_> = logs(&two).into_iter().map(|log| (log.0, log.1)).collect();
        all.sort();
        all
    };
    let both = |state: &str| {
        let mut all = vec![(first.clone(), state.to_owned()), (second.clone(), state.to_owned())];
        all.sort();
        all
    };
    let device = || objects(&two.ok(&["devices", "--json"]), "device")[1]["state"].clone();
    let ran = two.ok(&["devices", "revoke", &id]);
    assert!(ran.stdout.contains(&first) && ran.stdout.contains(&second), "{ran:?}");
    assert!(!ran.stdout.contains("already"), "{ran:?}");
    assert!(two.ok(&["devices", "revoke", &id]).stdout.contains(" is revoked already."));
    two.ok(&["devices", "approve", &second, "--yes"]);
    assert_eq!(device(), "approved", "one of its homes counts");
    for _ in 0..2 {
        two.ok(&["devices", "revoke", &first]);
        assert!(states().contains(&(second.clone(), "revoked".into())), "it goes on from the first");
        two.ok(&["devices", "approve", &second, "--yes"]);
        assert!(states().contains(&(first.clone(), "revoked".into())), "{:?}", states());
    }
    two.ok(&["devices", "approve", &first, "--yes"]);
    for _ in 0..2 {
        two.ok(&["devices", "revoke", &second]);
        assert!(states().contains(&(first.clone(), "approved".into())), "said again it means the same: {:?}", states());
    }
    two.ok(&["devices", "revoke", &id]);
    assert!(two.ok(&["devices", "revoke", &second]).stdout.contains(" is revoked already: "));
    assert_eq!((states(), device()), (both("revoked"), "revoked".into()));
    two.ok(&["devices", "approve", &id, "--yes"]);
    assert_eq!((states(), device()), (both("approved"), "approved".into()));
    assert!(two.ok(&["devices", "approve", &id]).stdout.contains("is approved already"));
    // A side's own name means that side alone, whichever of them it is.
    for (name, other) in [(&first, &second), (&second, &first)] {
        two.ok(&["devices", "revoke", &id]);
        two.ok(&["devices", "revoke", &first]);
        two.ok(&["devices", "revoke", &second]);
        two.ok(&["devices", "approve", name, "--yes"]);
        assert!(states().contains(&(other.clone(), "revoked".into())), "{name} {:?}", states());
        let ran = two.carry(&["devices", "approve", &id]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("fingerprint: "), "what is to be compared comes first: {ran:?}");
        two.ok(&["devices", "approve", &id, "--yes"]);
        assert_eq!((states(), device()), (both("approved"), "approved".into()));
    }
}

#[test]
fn of_its_own_copy_a_device_revokes_what_that_exchanges_and_never_itself() {
    let (_folder, one, copy, two) = copied();
    let (first, second) = (own(&one), own(&copy));
    exchange(&one);
    let ran = one.ok(&["devices", "revoke", &second]);
    assert!(!ran.stderr.contains("revokes the device as a whole"), "{ran:?}");
    let devices = objects(&one.ok(&["devices", "--json"]), "device");
    assert_eq!(devices[0]["state"], "this device");
    let states: Vec<_> = devices.iter().flat_map(|device| device["exchange"].as_array().cloned()).flatten().collect();
    let state = |name: &str| states.iter().find(|log| log["name"] == name).map(|log| log["state"].clone());
    assert_eq!((state(&first), state(&second)), (Some("own".into()), Some("revoked".into())));
    assert_eq!(logs(&two).iter().filter(|log| log.1 == "approved").count(), 2, "elsewhere both count");
    assert_eq!(exchange(&one).code, 0);
}

#[test]
fn a_home_that_was_put_back_is_one_place_and_its_fork_is_told_of_until_it_goes_on() {
    let (folder, other, kept) = (shared(), shared(), shared());
    let (one, two) = (World::new(), World::with_commit());
    for world in [&one, &two] {
        joins(world, &folder);
        let place = other.path().canonicalize().expect("it is there");
        world.ok(&["remote", "add", "disk", place.to_str().expect("a plain path"), "--code", "--yes"]);
    }
    two.ok(&["now"]);
    meet(&one, &two);
    let all = |worlds: &[&World]| worlds.iter().for_each(|world| drop(exchange(world)));
    all(&[&one, &two, &one, &two]);
    // Where the code of the second device is safe, by its own word.
    let safe = || {
        let devices = objects(&two.ok(&["devices", "--json"]), "device");
        devices[0]["exchange"][0]["streams"]["code"]["safe_on"].clone()
    };
    assert_eq!(safe(), Value::from(vec![own(&one)]));
    let data = one.root().join("carry");
    let copy = |from: PathBuf, to: PathBuf| {
        let said = Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(said.expect("cp runs").success());
    };
    copy(data.clone(), kept.path().join("carry"));
    let put_back = || {
        fs::remove_dir_all(&data).expect("it is there");
        copy(kept.path().join("carry"), data.clone());
    };
    let through = |name: &str| {
        let ran = one.carry_in(&one.home(), &["exchange", name]);
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    // What it said to one place is not at the other.
    one.ok(&["devices", "rename", "laptop"]);
    through("nas");
    put_back();
    one.ok(&["devices", "rename", "notebook"]);
    through("disk");
    let says = |code: &str| {
        let findings = objects(&two.carry_in(&two.home(), &["doctor", "--json"]), "finding");
        let is_found = findings.iter().any(|finding| finding["code"] == code);
        let ran = two.ok(&["devices"]);
        assert_eq!(is_found, ran.stderr.contains("two homes write as "), "{ran:?} {findings:?}");
        is_found
    };
    assert!(exchange(&two).stderr.contains("two homes write as "));
    assert!(says("exchange-fork"));
    all(&[&one, &two, &one, &two]);
    assert!(!says("exchange-fork"));
    assert_eq!(safe(), Value::from(vec![own(&one)]));
    put_back();
    all(&[&one, &two, &one, &two]);
    assert_eq!(logs(&two).len(), 3, "it wrote three logs by now");
    assert_eq!(safe(), Value::from(vec![own(&one)]));
    assert!(!says("exchange-fork"));
}

#[test]
fn who_only_looks_at_a_copied_home_changes_nothing() {
    let folder = shared();
    let one = World::new();
    joins(&one, &folder);
    exchange(&one);
    let copy = copy_of(&one);
    let data = copy.root().join("carry/data");
    let content = || {
        let all = fs::read_dir(&data).expect("it is there").map(|entry| entry.expect("an entry").path());
        let ours = |path: &PathBuf| path.is_file() && !path.display().to_string().ends_with("-shm");
        all.filter(ours).map(|path| (path.clone(), fs::read(path).expect("it is there"))).collect::<BTreeMap<_, _>>()
    };
    let before = content();
    for command in [
        &["exchange", "verify"][..],
        &["exchange", "verify", "--quick"],
        &["exchange", "stats"],
        &["doctor"],
        &["status"],
    ] {
        copy.carry_in(&copy.home(), command);
        assert_eq!(content(), before, "{command:?}");
    }
    exchange(&copy);
    assert_ne!(content(), before, "an exchange goes on under a new key");
}

#[test]
fn a_home_that_began_anew_counts_once_and_the_reason_is_told() {
    let (_folder, one, copy, two) = copied();
    let data = one.root().join("carry");
    let put_away = || {
        for name in ["exchange.db", "exchange.db-wal", "exchange.db-shm"] {
            let found = Command::new("find").arg(&data).args(["-name", name, "-delete"]).status();
            assert!(found.expect("find runs").success());
        }
    };
    // A log of which nothing was kept speaks for none.
    one.file("a.txt", "one\n");
    one.ok(&["now"]);
    exchange(&one);
    let before = own(&one);
    put_away();
    let ran = exchange(&one);
    assert!(
        ran.stderr.contains("exchange.db was gone, as where it was put away: this device goes on in a new log, "),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("This home was copied"), "{ran:?}");
    for world in [&copy, &two, &one, &copy, &two] {
        world.ok(&["devices", "rename", "again"]);
        exchange(world);
    }
    assert_ne!(own(&one), before);
    for world in [&two, &copy] {
        let ran = world.ok(&["devices"]);
        assert!(ran.stderr.contains("Warning: 2 homes write as "), "{ran:?}");
        assert!(!ran.stderr.contains(&format!("{before} (")), "it ended: {ran:?}");
    }
}

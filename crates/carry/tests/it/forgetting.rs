//! Devices that were forgotten, and approved again: by the name that is theirs alone.

use carry_code::registry::Registry;
use carry_kernel::clock::Timestamp;
use carry_kernel::home::Home;

use crate::exchange::{device, other_log, own_log};
use crate::exchange_code::{objects, shared};
use crate::world::{World, field};

/// A device that has met another one called laptop, and forgotten it; with the name that it had here.
fn forgetful() -> (tempfile::TempDir, World, World, String) {
    let folder = shared();
    let (one, two) = (device(&folder), device(&folder));
    one.ok(&["devices", "rename", "laptop"]);
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let alias = other_log(&two)["name"].as_str().expect("a name").to_owned();
    two.ok(&["devices", "forget", "laptop"]);
    two.ok(&["exchange"]);
    (folder, one, two, alias)
}

#[test]
fn a_device_that_was_forgotten_is_approved_by_what_it_was_called() {
    for by in ["label", "name", "id", "log"] {
        let (_folder, one, two, alias) = forgetful();
        let (log, print) = (own_log(&one)["log"].clone(), own_log(&one)["fingerprint"].clone());
        let id = field(&one.ok(&["devices", "--json"]).raw, "id");
        let name = match by {
            "label" => "laptop",
            "name" => &alias,
            "id" => &id,
            _ => &alias[..6],
        };
        let ran = two.carry(&["devices", "approve", name]);
        assert_eq!(ran.code, 1, "nobody was asked: {ran:?}");
        let ran = two.ok(&["devices", "approve", name, "--yes"]);
        let said = format!("laptop was forgotten <AGE>. Its fingerprint: {}\n", print.as_str().expect("it has one"));
        assert!(ran.stderr.contains(&said) && ran.stdout == "Approved laptop.\n", "{ran:?}");
        is_one_device(&two, &log);
        two.ok(&["exchange"]);
        assert_eq!((&other_log(&two)["log"], &other_log(&two)["state"]), (&log, &"approved".into()), "{by}");
        assert!(other_log(&two)["head"].is_u64(), "it comes again");
    }
}

/// Before anything of it came again, the device and its log are one.
#[track_caller]
fn is_one_device(world: &World, log: &serde_json::Value) {
    let known = objects(&world.ok(&["devices", "--json"]), "device");
    assert_eq!(known.len(), 2, "{known:?}");
    assert_eq!((&known[1]["label"], &known[1]["state"]), (&"laptop".into(), &"approved".into()));
    assert_eq!(&known[1]["exchange"][0]["log"], log);
    let shown = world.ok(&["devices"]).stdout;
    let rows: Vec<_> = shown.lines().filter(|line| line.starts_with("laptop ")).collect();
    assert!(rows.len() == 2 && rows[1].contains("no head yet"), "one as a device, one as a log: {shown}");
}

#[test]
fn a_forgotten_device_is_not_taken_for_another_of_its_name() {
    let (folder, one, two, alias) = forgetful();
    let third = device(&folder);
    third.ok(&["devices", "rename", "laptop"]);
    third.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let ran = two.carry(&["devices", "approve", "laptop", "--yes"]);
    assert!(ran.code == 1 && ran.stderr.starts_with("Error: 2 devices are called laptop: "), "{ran:?}");
    let print = |world: &World| own_log(world)["fingerprint"].as_str().expect("it has one").to_owned();
    for said in [format!("{alias} (fingerprint {}), which was forgotten", print(&one)), print(&third)] {
        assert!(ran.stderr.contains(&said), "{said} {ran:?}");
    }
    two.ok(&["devices", "approve", &alias, "--yes"]);
    two.ok(&["exchange"]);
    let known = objects(&two.ok(&["devices", "--json"]), "device");
    let approved: Vec<_> = known.iter().filter(|device| device["state"] == "approved").collect();
    assert_eq!(approved.len(), 1, "{approved:?}");
    assert_eq!(approved[0]["fingerprint"], print(&one));
}

fn print(world: &World) -> String {
    own_log(world)["fingerprint"].as_str().expect("it has one").to_owned()
}

/// The fingerprints of the devices that are approved.
fn approved(world: &World) -> Vec<String> {
    let known = objects(&world.ok(&["devices", "--json"]), "device");
    let approved = known.iter().filter(|device| device["state"] == "approved");
    approved.map(|device| device["fingerprint"].as_str().expect("it has one").to_owned()).collect()
}

#[test]
fn a_name_here_that_a_forgotten_device_had_means_the_one_that_has_it_now() {
    let folder = shared();
    let (one, two) = (device(&folder), device(&folder));
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let alias = other_log(&two)["name"].as_str().expect("a name").to_owned();
    two.ok(&["devices", "rename", "desktop", "--device", &alias]);
    two.ok(&["devices", "forget", "desktop"]);
    let third = device(&folder);
    third.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let alias = other_log(&two)["name"].as_str().expect("a name").to_owned();
    two.ok(&["devices", "rename", "desktop", "--device", &alias]);
    let ran = two.ok(&["devices", "approve", "desktop", "--yes"]);
    assert!(ran.stderr.contains(&print(&third)) && !ran.stderr.contains(&print(&one)), "{ran:?}");
    assert_eq!(approved(&two), [print(&third)]);
    // The whole id of a log means that log alone. What is remembered of it is shown.
    let log = own_log(&one)["log"].as_str().expect("a log").to_owned();
    let ran = two.ok(&["devices", "approve", &log, "--yes"]);
    assert!(ran.stderr.contains(&format!("was forgotten <AGE>. Its fingerprint: {}\n", print(&one))), "{ran:?}");
    assert!(!ran.stderr.contains("has come yet"), "{ran:?}");
    two.ok(&["exchange"]);
    assert_eq!(approved(&two).len(), 2);
}

/// Notes a device at Git remotes.
fn at_git(world: &World, id: &str, label: &str) -> Registry {
    let mut registry = Registry::open(&Home::at(world.root().join("carry"))).expect("the registry");
    registry.note_device(id, Some([7; 32]), label, Timestamp::from_secs(1_790_000_000)).expect("a device");
    registry
}

#[test]
fn a_device_at_a_git_remote_is_not_taken_for_a_forgotten_one() {
    let (_folder, one, two, alias) = forgetful();
    // It calls itself as the forgotten one was called here.
    let registry = at_git(&two, "elsewhere-0000", &alias);
    let ran = two.carry(&["devices", "approve", &alias, "--yes"]);
    assert!(ran.code == 1 && ran.stderr.starts_with("Error: 2 devices are called "), "{ran:?}");
    let log = own_log(&one)["log"].as_str().expect("a log").to_owned();
    // What stands before the brackets means one of them alone.
    for said in [format!("{log} (fingerprint {}), which was forgotten", print(&one)), "elsewhere-0000 (".to_owned()] {
        assert!(ran.stderr.contains(&said), "{said} {ran:?}");
    }
    two.ok(&["devices", "approve", "elsewhere-0000", "--yes"]);
    assert!(registry.device("elsewhere-0000").expect("a row").is_some_and(|known| known.approved.is_some()));
    two.ok(&["exchange"]);
    assert_eq!(approved(&two).len(), 1, "the other one is not");
    two.ok(&["devices", "approve", &log, "--yes"]);
    two.ok(&["exchange"]);
    assert!(approved(&two).contains(&print(&one)));
}

#[test]
fn an_id_under_another_key_is_named_when_a_forgotten_device_is_approved() {
    let (_folder, one, two, _) = forgetful();
    let id = field(&one.ok(&["devices", "--json"]).raw, "id");
    let registry = at_git(&two, &id, "other");
    let ran = two.ok(&["devices", "approve", "laptop", "--yes"]);
    assert!(ran.stderr.contains(&format!("the id {id} is known at Git remotes under another key")), "{ran:?}");
    assert_eq!(registry.device(&id).expect("a row").and_then(|known| known.approved), None);
    two.ok(&["exchange"]);
    // Two are known under one id then; what one exchanges counts.
    assert_eq!(approved(&two), [print(&one)]);
}

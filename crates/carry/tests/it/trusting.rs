//! One word, one fingerprint and one label for a device, at Git remotes and in the exchange.

use serde_json::Value;

use crate::exchange_code::{beside, exchange, joins, meet, objects, shared, work};
use crate::sessions::{A, archived, id_of, json};
use crate::world::{World, field};

/// What `devices` says of the device that is called so.
#[track_caller]
fn device(world: &World, label: &str) -> Value {
    let ran = world.ok(&["devices", "--json"]);
    let mut called: Vec<Value> = objects(&ran, "device").into_iter().filter(|one| one["label"] == label).collect();
    assert_eq!(called.len(), 1, "{ran:?}");
    called.remove(0)
}

/// The state of the device, and of each of its logs.
#[track_caller]
fn states(world: &World, label: &str) -> (String, Vec<String>) {
    let device = device(world, label);
    let text = |value: &Value| value.as_str().expect("a state").to_owned();
    let logs = device["exchange"].as_array().expect("a list");
    (text(&device["state"]), logs.iter().map(|log| text(&log["state"])).collect())
}

fn both(state: &str, log: &str) -> (String, Vec<String>) {
    (state.to_owned(), vec![log.to_owned()])
}

/// Fails, and says that the device was revoked and what trusts it again.
#[track_caller]
fn refuses(world: &World, arguments: &[&str], device: &str) {
    let ran = world.carry(arguments);
    assert_eq!(ran.code, 1, "{arguments:?} {ran:?}");
    assert!(ran.stderr.contains(" was revoked\n"), "{arguments:?} {ran:?}");
    assert!(ran.stderr.contains(&format!("`carry devices approve {device}` trusts it again")), "{arguments:?} {ran:?}");
}

/// Two machines with one Git remote, which both publish to, and a folder.
fn at_git_and_a_folder() -> (tempfile::TempDir, World, World) {
    let (folder, one) = (shared(), World::with_remote());
    let two = World::beside(&one);
    one.publish_as("laptop");
    two.ok(&["devices", "rename", "desk"]);
    (folder, one, two)
}

#[test]
fn a_device_that_is_revoked_in_the_exchange_is_offered_nowhere_until_it_is_approved() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, true);
    joins(&one, &folder);
    joins(&two, &folder);
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["now"]);
    work(&one);
    meet(&one, &two);
    exchange(&one);
    exchange(&two);
    assert_eq!(states(&two, "laptop"), both("approved", "approved"));
    two.ok(&["log", "--device", "laptop"]);

    two.ok(&["devices", "revoke", "laptop"]);
    assert_eq!(states(&two, "laptop"), both("revoked", "revoked"));
    let ran = two.ok(&["devices"]);
    assert_eq!(ran.stdout.matches(" revoked ").count(), 2, "{ran:?}");
    let ran = two.ok(&["sync", "--yes"]);
    assert!(ran.stdout.starts_with("Up to date") && !ran.stderr.contains("laptop"), "{ran:?}");
    refuses(&two, &["sync", "--device", "laptop", "--yes"], "laptop");
    refuses(&two, &["log", "--device", "laptop"], "laptop");
    refuses(&two, &["restore", "a.txt", "--device", "laptop", "--yes"], "laptop");
    // More of it does not change that, and nobody is asked to approve it.
    one.file("a.txt", "later\n");
    one.ok(&["now"]);
    exchange(&one);
    let ran = exchange(&two);
    assert!(!ran.stderr.contains("approve"), "{ran:?}");
    assert_eq!(states(&two, "laptop"), both("revoked", "revoked"));
    assert!(!two.ok(&["status", "--all"]).stdout.contains("to be approved"));

    two.ok(&["devices", "approve", "laptop", "--yes"]);
    assert_eq!(states(&two, "laptop"), both("approved", "approved"));
    exchange(&two);
    two.ok(&["sync", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("later\n"));
}

#[test]
fn what_was_here_of_a_device_is_told_when_it_is_approved() {
    let (folder, one) = (shared(), archived());
    let two = beside(&one, true);
    joins(&one, &folder);
    joins(&two, &folder);
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["now"]);
    work(&one);
    one.ok(&["sessions", "star", &id_of(&one, A)]);
    exchange(&one);
    exchange(&two);
    let ran = two.ok(&["devices", "approve", "laptop", "--yes"]);
    let n_sessions = json(&one, &["sessions", "list", "--all", "--limit", "0"]).len();
    let came = format!("Taken in what was here of it: 1 line of code, 1 edit, {n_sessions} sessions.\n");
    assert!(ran.stdout.starts_with("Approved laptop (") && ran.stdout.ends_with(&came), "{ran:?}");
    // What an exchange then brings is told by that.
    one.ok(&["sessions", "unstar", &id_of(&one, A)]);
    exchange(&one);
    let ran = exchange(&two);
    assert!(ran.stdout.starts_with("nas: taken in 1 record of laptop ("), "{ran:?}");
}

/// Two devices that met through a folder, with work on the first, the laptop: the second has not approved it.
fn strangers() -> (tempfile::TempDir, World, World) {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, true);
    joins(&one, &folder);
    joins(&two, &folder);
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["now"]);
    work(&one);
    exchange(&one);
    exchange(&two);
    (folder, one, two)
}

#[test]
fn one_that_nobody_approved_is_named_as_such_by_each_command_that_is_to_take_it() {
    let (_folder, _one, two) = strangers();
    for arguments in [
        &["sync", "--device", "laptop"][..],
        &["log", "--device", "Laptop"],
        &["restore", "a.txt", "--device", "laptop"],
    ] {
        let ran = two.carry(arguments);
        assert_eq!(ran.code, 1, "{arguments:?} {ran:?}");
        for part in [") is not approved here", "`carry devices approve ", "Its fingerprint: "] {
            assert!(ran.stderr.contains(part), "{part} {arguments:?} {ran:?}");
        }
        assert!(!ran.stderr.contains("no device called"), "{ran:?}");
    }
    let ran = two.ok(&["sync"]);
    assert!(ran.stdout.starts_with("Up to date") && ran.stderr.starts_with("laptop ("), "{ran:?}");
    assert!(ran.stderr.contains(") has exchanged code, and is not approved here"), "{ran:?}");
    // A name that nothing has is unknown as before, and a device that was revoked unapproved is no stranger any more.
    assert!(two.carry(&["sync", "--device", "desk"]).stderr.contains("no device called desk has work on main"));
    two.ok(&["devices", "revoke", "laptop"]);
    for arguments in [["sync", "--device", "laptop"], ["log", "--device", "laptop"]] {
        let ran = two.carry(&arguments);
        assert!(ran.stderr.contains(" was revoked\n") && ran.stderr.contains("trusts it again"), "{ran:?}");
    }
    assert!(!two.ok(&["sync"]).stderr.contains("laptop"));
    two.ok(&["devices", "approve", "laptop", "--yes"]);
    exchange(&two);
    two.ok(&["sync", "--device", "laptop", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("edited\n"));
}

#[test]
fn nothing_of_a_revoked_device_is_cloned() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, false);
    one.ok(&["devices", "rename", "laptop"]);
    joins(&one, &folder);
    joins(&two, &folder);
    work(&one);
    meet(&one, &two);
    exchange(&one);
    exchange(&two);
    let candidates = || objects(&two.carry_in(&two.home(), &["clone", "--json"]), "clone-candidate").len();
    assert_eq!(candidates(), 1);
    assert_eq!(two.carry_in(&two.home(), &["devices", "revoke", "laptop"]).code, 0);
    assert_eq!(candidates(), 0);
    let ran = two.carry_in(&two.home(), &["clone", "repo"]);
    assert!(ran.code == 1 && ran.stderr.contains("which was revoked"), "{ran:?}");
    assert!(!two.repo().exists());
    assert_eq!(two.carry_in(&two.home(), &["devices", "approve", "laptop", "--yes"]).code, 0);
    assert_eq!(candidates(), 1);
}

#[test]
fn what_was_said_of_a_device_at_a_git_remote_holds_for_its_log() {
    let (folder, one, two) = at_git_and_a_folder();
    let three = World::beside(&one);
    for world in [&two, &three] {
        world.ok(&["now"]);
        world.ok(&["sync", "--dry-run"]);
    }
    two.ok(&["devices", "approve", "laptop", "--yes"]);
    three.ok(&["devices", "revoke", "laptop"]);
    for world in [&one, &two, &three] {
        joins(world, &folder);
        exchange(world);
    }
    assert_eq!(states(&two, "laptop"), both("approved", "approved"));
    assert_eq!(states(&three, "laptop"), both("revoked", "revoked"));
    // Nobody is asked to approve what was revoked, though nothing was said of its log.
    let ran = three.carry_in(&three.home(), &["clone"]);
    assert!(ran.stderr.contains("desk") && !ran.stderr.contains("laptop"), "{ran:?}");
    let ran = three.ok(&["devices", "approve", "--all", "--yes"]);
    assert!(!ran.stdout.contains("laptop"), "{ran:?}");
    three.ok(&["devices", "approve", "laptop", "--yes"]);
    assert_eq!(states(&three, "laptop"), both("approved", "approved"));
}

#[test]
fn what_was_said_of_a_log_holds_for_its_device_at_a_git_remote() {
    let (folder, one, two) = at_git_and_a_folder();
    let three = World::beside(&one);
    for world in [&one, &two, &three] {
        joins(world, &folder);
        exchange(world);
    }
    two.ok(&["devices", "approve", "laptop", "--yes"]);
    three.ok(&["devices", "revoke", "laptop"]);
    // Its line is met only now.
    one.file("a.txt", "two\n");
    one.ok(&["now", "--push"]);
    for world in [&two, &three] {
        world.ok(&["now"]);
    }
    two.ok(&["sync", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("two\n"));
    let ran = three.ok(&["sync", "--yes"]);
    assert!(ran.stdout.starts_with("Up to date"), "{ran:?}");
    refuses(&three, &["sync", "--device", "laptop", "--yes"], "laptop");
    assert_eq!(states(&three, "laptop"), both("revoked", "revoked"));
}

#[test]
fn a_second_log_under_a_devices_key_waits_for_a_word_of_its_own() {
    let (folder, one, two) = at_git_and_a_folder();
    two.ok(&["now"]);
    two.ok(&["sync", "--dry-run"]);
    two.ok(&["devices", "approve", "laptop", "--yes"]);
    joins(&one, &folder);
    exchange(&one);
    joins(&two, &folder);
    exchange(&two);
    // Whoever has a copy of its key.
    let copy = World::new();
    joins(&copy, &folder);
    let identity = |world: &World| world.root().join("carry/data/device.toml");
    std::fs::copy(identity(&one), identity(&copy)).expect("a copy");
    exchange(&copy);
    exchange(&two);
    let (state, mut logs) = states(&two, "laptop");
    logs.sort();
    assert_eq!((state.as_str(), logs), ("approved", vec!["approved".to_owned(), "unapproved".to_owned()]));
    exchange(&one);
    let ran = one.ok(&["devices"]);
    assert!(ran.stdout.contains("laptop (a copy of"), "{ran:?}");
    // The device is revoked as a whole: both have its key.
    two.ok(&["devices", "revoke", "laptop"]);
    assert_eq!(states(&two, "laptop"), ("revoked".to_owned(), vec!["revoked".to_owned(); 2]));
}

#[test]
fn what_a_stranger_said_does_not_count_once_it_is_revoked() {
    let (_folder, _one, two) = strangers();
    two.ok(&["devices", "revoke", "laptop"]);
    exchange(&two);
    let ran = two.carry(&["log", "--device", "laptop"]);
    assert!(ran.code == 1 && ran.stdout.is_empty() && ran.stderr.contains(") was revoked\n"), "{ran:?}");
}

#[test]
fn a_label_comes_with_the_exchange_and_proves_nothing() {
    let (folder, one, two) = (shared(), World::new(), World::new());
    one.ok(&["devices", "rename", "kitchen \u{202e}table\u{200b}"]);
    two.ok(&["devices", "rename", "cellar"]);
    for world in [&one, &two] {
        joins(world, &folder);
    }
    exchange(&one);
    let ran = exchange(&two);
    let id = field(&one.ok(&["devices", "--json"]).raw, "id");
    let print = field(&one.ok(&["devices", "--json"]).raw, "fingerprint");
    assert!(
        ran.stderr.contains(&format!("kitchen table ({id}) is not approved yet. Its fingerprint: {print}\n")),
        "{ran:?}"
    );
    assert_eq!(device(&two, "kitchen table")["exchange"][0]["fingerprint"], Value::from(print));
    two.ok(&["devices", "approve", "kitchen table", "--yes"]);

    // Another name is news, once.
    one.ok(&["devices", "rename", "desk"]);
    assert!(exchange(&one).stdout.contains("put 1 head"));
    assert_eq!(exchange(&one).stdout, "nas: nothing new.\n");
    exchange(&two);
    assert_eq!(states(&two, "desk"), both("approved", "approved"));

    // A stranger calls itself the same. Whichever of the two logs comes first, the device and its log are one.
    let stranger = World::new();
    joins(&stranger, &folder);
    stranger.ok(&["devices", "rename", "desk"]);
    exchange(&stranger);
    let ran = exchange(&two);
    let other = field(&stranger.ok(&["devices", "--json"]).raw, "id");
    assert!(ran.stderr.contains(&format!("desk ({other}) is not approved yet")), "{ran:?}");
    let ran = two.carry(&["devices", "revoke", "desk"]);
    assert!(ran.code == 1 && ran.stderr.starts_with("Error: 2 devices call themselves desk: "), "{ran:?}");
    for alias in ["aa", "zz"] {
        two.ok(&["devices", "rename", "--device", &other, alias]);
        let ran = two.carry(&["devices", "revoke", "desk"]);
        assert!(ran.code == 1 && ran.stderr.starts_with("Error: 2 devices call themselves desk: "), "{ran:?}");
    }
    two.ok(&["devices", "revoke", &other]);
    let ran = two.ok(&["devices", "--json"]);
    let state = |id: &str| objects(&ran, "device").iter().find(|one| one["id"] == id).map(|one| one["state"].clone());
    assert_eq!((state(&id), state(&other)), (Some("approved".into()), Some("revoked".into())));
}

/// The log of a device says for one exchange that it is another's, which comes to count so.
fn plants(one: &World, planted: &World, reader: &World) {
    let identity = |world: &World| world.root().join("carry/data/device.toml");
    let own = std::fs::read(identity(one)).expect("an identity");
    std::fs::copy(identity(planted), identity(one)).expect("a copy");
    exchange(one);
    exchange(reader);
    carry_testkit::repo::write_file(&identity(one), own.as_ref());
    exchange(one);
    exchange(reader);
}

/// A device that is approved, what it planted, and the one that believes it.
fn planted() -> (tempfile::TempDir, World, World, World) {
    let folder = shared();
    let [one, planted, two] = ["laptop", "ghost", "cellar"].map(|label| {
        let world = World::new();
        world.ok(&["devices", "rename", label]);
        joins(&world, &folder);
        world
    });
    exchange(&one);
    exchange(&two);
    two.ok(&["devices", "approve", "laptop", "--yes"]);
    plants(&one, &planted, &two);
    exchange(&planted);
    exchange(&two);
    exchange(&two);
    (folder, one, planted, two)
}

#[test]
fn what_a_device_spoke_for_brings_no_log_and_goes_with_it() {
    let (_folder, _one, planted, two) = planted();
    assert_eq!(states(&two, "ghost"), both("approved", "unapproved"), "nobody approved its log");
    let ran = two.ok(&["devices", "revoke", "laptop"]);
    let print = field(&planted.ok(&["devices", "--json"]).raw, "fingerprint");
    assert!(ran.stderr.contains("Revoked with it: ghost (") && ran.stderr.contains(&print), "{ran:?}");
    assert_eq!(states(&two, "ghost"), both("revoked", "revoked"));
    exchange(&two);
    assert_eq!(states(&two, "ghost"), both("revoked", "revoked"));
    // Nor does it come back with the one that spoke for it.
    two.ok(&["devices", "approve", "laptop", "--yes"]);
    exchange(&two);
    assert_eq!(states(&two, "laptop"), both("approved", "approved"));
    assert_eq!(states(&two, "ghost"), both("revoked", "revoked"));
    two.ok(&["devices", "approve", "ghost", "--yes"]);
    assert_eq!(states(&two, "ghost"), both("approved", "approved"));
}

#[test]
fn what_a_person_approved_by_name_stays_when_the_one_that_spoke_for_it_goes() {
    let (_folder, _one, _planted, two) = planted();
    two.ok(&["devices", "approve", "ghost", "--yes"]);
    let ran = two.ok(&["devices", "revoke", "laptop"]);
    assert!(!ran.stderr.contains("Revoked with it"), "{ran:?}");
    exchange(&two);
    assert_eq!(states(&two, "ghost"), both("approved", "approved"));
    assert_eq!(states(&two, "laptop"), both("revoked", "revoked"));
}

#[test]
fn a_revocation_that_fails_half_way_says_what_is_done_and_goes_on() {
    let (_folder, _one, _planted, two) = planted();
    let home = carry_kernel::home::Home::at(two.root().join("carry"));
    let broken = |sql: &str| {
        let db = carry_kernel::db::rusqlite::Connection::open(home.database("exchange")).expect("it is there");
        db.execute_batch(sql).expect("it is done");
    };
    broken("CREATE TRIGGER stuck BEFORE UPDATE OF state ON logs BEGIN SELECT RAISE(ABORT, 'stuck'); END");
    let ran = two.carry(&["devices", "revoke", "laptop"]);
    assert!(ran.code != 0 && ran.stderr.contains("at Git remotes is offered no more, but not all"), "{ran:?}");
    assert_eq!(states(&two, "laptop"), both("revoked", "approved"));
    broken("DROP TRIGGER stuck");
    two.ok(&["devices", "revoke", "laptop"]);
    assert_eq!(states(&two, "laptop"), both("revoked", "revoked"));
    assert_eq!(states(&two, "ghost"), both("revoked", "revoked"));
}

#[test]
fn an_id_that_is_known_under_another_key_is_named_when_its_log_is_approved() {
    let (folder, one, two) = (shared(), World::new(), World::new());
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["devices", "rename", "cellar"]);
    let id = field(&one.ok(&["devices", "--json"]).raw, "id");
    let home = carry_kernel::home::Home::at(two.root().join("carry"));
    let now = carry_kernel::clock::Timestamp::from_secs(1_790_000_000);
    let mut registry = carry_code::registry::Registry::open(&home).expect("the registry");
    registry.note_device(&id, Some([7; 32]), "other", now).expect("a device");
    joins(&one, &folder);
    joins(&two, &folder);
    exchange(&one);
    exchange(&two);
    let ran = two.ok(&["devices", "approve", "laptop", "--yes"]);
    assert!(ran.stderr.contains(&format!("the id {id} is known at Git remotes under another key")), "{ran:?}");
    assert_eq!(registry.device(&id).expect("a row").and_then(|known| known.approved), None);
}

#[test]
fn what_was_forgotten_is_not_fetched_again() {
    let (folder, one, two) = (shared(), World::new(), World::new());
    one.ok(&["devices", "rename", "laptop"]);
    joins(&one, &folder);
    joins(&two, &folder);
    exchange(&one);
    exchange(&two);
    two.ok(&["devices", "forget", "laptop"]);
    exchange(&two).is(0, "nas: nothing new.\n", "");
    // Nor what it says later.
    one.ok(&["devices", "rename", "studio"]);
    exchange(&one);
    exchange(&two).is(0, "nas: nothing new.\n", "");
    assert_eq!(objects(&two.ok(&["devices", "--json"]), "device").len(), 1);
}

#[test]
fn an_agent_that_was_never_used_is_no_trouble() {
    let world = World::with_commit();
    let run = |arguments: &[&str]| {
        let mut command = world.command(std::path::Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        world.run(command.env("CLAUDE_CONFIG_DIR", world.home().join(".claude")).args(arguments))
    };
    let ran = run(&["sessions", "index"]);
    assert!(ran.code == 0 && !ran.stderr.contains(".claude"), "{ran:?}");
    let ran = run(&["doctor", "--json"]);
    let findings = objects(&ran, "finding");
    let absent: Vec<&Value> =
        findings.iter().filter(|one| one["problem"].as_str().is_some_and(|text| text.contains(".claude"))).collect();
    assert_eq!(absent.len(), 1, "{ran:?}");
    assert_eq!((&absent[0]["code"], &absent[0]["severity"]), (&"sessions-absent".into(), &"note".into()));

    // Once it was used, it is trouble when its folder goes.
    let project = world.home().join(".claude/projects/-repo");
    std::fs::create_dir_all(&project).expect("a folder");
    let line = "{\"type\":\"user\",\"sessionId\":\"0f9c1a52-0000-4000-8000-000000000001\",\"uuid\":\"a\",\
                \"timestamp\":\"2026-03-01T10:00:00.000Z\",\"cwd\":\"/repo\",\"message\":{\"role\":\"user\",\"content\":\"hello\"}}\n";
    let file = project.join("0f9c1a52-0000-4000-8000-000000000001.jsonl");
    std::io::Write::write_all(&mut std::fs::File::create(file).expect("a file"), line.as_bytes()).expect("room");
    assert_eq!(run(&["sessions", "index"]).code, 0);
    std::fs::remove_dir_all(world.home().join(".claude")).expect("it is there");
    let ran = run(&["sessions", "index"]);
    assert!(ran.code == 3 && ran.stderr.contains(".claude/projects"), "{ran:?}");
}

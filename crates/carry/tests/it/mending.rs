//! `doctor`, when what it looks at is damaged.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::world::World;

/// A captured repository, and a file of Carry's own by its name.
fn captured_with(name: &str) -> (World, PathBuf) {
    let world = World::with_commit();
    world.ok(&["now"]);
    let mut folders = vec![world.root().join("carry")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the file system serves the test") {
            let path = entry.expect("the file system serves the test").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|found| found == name) {
                return (world, path);
            }
        }
    }
    panic!("there is no {name}");
}

fn overwrite(path: &PathBuf, text: &str) {
    fs::File::create(path)
        .expect("the file system serves the test")
        .write_all(text.as_bytes())
        .expect("the file system serves the test");
}

/// The codes of all findings.
fn codes(json: &str) -> Vec<String> {
    let each = json.lines().filter(|line| line.contains("\"type\":\"finding\""));
    each.map(|line| crate::world::field(line, "code")).collect()
}

#[test]
fn a_damaged_identity_is_a_finding_among_others() {
    let (world, device) = captured_with("device.toml");
    overwrite(&device, "version = 1\nid = ");
    let ran = world.carry(&["doctor", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let codes = codes(&ran.raw);
    for code in ["device-unreadable", "daemon-not-running"] {
        assert!(codes.iter().any(|found| found == code), "{code}: {ran:?}");
    }
    let ran = world.carry(&["doctor"]);
    assert!(ran.stdout.contains(" is damaged: "), "{ran:?}");
    assert!(ran.stdout.contains("Bring the file back from a backup."), "{ran:?}");
}

#[test]
fn a_damaged_registry_is_a_finding_among_others() {
    let (world, database) = captured_with("code.db");
    // SQLite would read what it needs from there.
    for beside in ["code.db-wal", "code.db-shm"] {
        let _ = fs::remove_file(database.with_file_name(beside));
    }
    overwrite(
        &database,
        "this is no database, and it is long enough not to be taken for an empty one. ".repeat(20).as_str(),
    );
    let ran = world.carry(&["doctor", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let codes = codes(&ran.raw);
    for code in ["registry-unreadable", "daemon-not-running"] {
        assert_eq!(codes.iter().filter(|found| *found == code).count(), 1, "{code}: {ran:?}");
    }
}

#[test]
fn open_permissions_are_seen_before_anything_closes_them() {
    let (world, device) = captured_with("device.toml");
    fs::set_permissions(&device, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = world.carry(&["doctor"]);
    assert_eq!(ran.stdout.matches("device.toml may be used by others (mode 644).").count(), 1, "{ran:?}");
    fs::set_permissions(&device, fs::Permissions::from_mode(0o644)).unwrap();
    world.carry(&["doctor", "--fix", "--yes"]);
    assert_eq!(device.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_the_file_of_a_repository_says_in_vain_is_a_finding() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.file("carry.toml", "[core]\nremote_name = \"evil\"\n[code]\nquiett = \"3s\"\n");
    let ran = world.carry_in(&world.home(), &["doctor", "--json"]);
    let codes = codes(&ran.raw);
    assert_eq!(codes.iter().filter(|code| *code == "repository-configuration").count(), 2, "{ran:?}");
    assert!(ran.raw.contains("carry.toml:2: ") && ran.raw.contains("carry.toml:4: "), "{ran:?}");
}

#[test]
fn without_a_terminal_all_is_listed_and_the_way_to_agree_is_told() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.file("carry.toml", "nonsense = 1\n");
    let ran = world.carry(&["doctor", "--fix"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("[daemon-not-running]") && ran.stdout.contains("[repository-configuration]"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("Hint: Pass --yes to agree to every fix listed"), "{ran:?}");
    assert!(!ran.stderr.contains("--dry-run"), "{ran:?}");
}

//! `remote`, `exchange`, and `devices` of the exchange: two or three homes and one folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use carry_testkit::dav;

use crate::world::{Ran, World, field};

/// A folder that all devices see.
fn shared() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub(super) fn path(folder: &tempfile::TempDir) -> String {
    folder.path().canonicalize().expect("it is there").to_str().expect("a plain path").to_owned()
}

/// A home that exchanges through the folder under the name `nas`.
pub(super) fn device(folder: &tempfile::TempDir) -> World {
    let world = World::new();
    world.roomy();
    world.ok(&["remote", "add", "nas", &path(folder), "--yes"]);
    world
}

/// All files below a folder, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("it is there").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    all
}

/// The lines of a run as JSON objects of one type.
fn objects(ran: &Ran, kind: &str) -> Vec<serde_json::Value> {
    let lines = ran.raw.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    lines.filter(|object| object["type"] == kind).collect()
}

/// What a device says of its own exchange key, and of the other's.
pub(super) fn own_log(world: &World) -> serde_json::Value {
    let ran = world.ok(&["devices", "--json"]);
    objects(&ran, "device")[0]["exchange"][0].clone()
}

pub(super) fn other_log(world: &World) -> serde_json::Value {
    let ran = world.ok(&["devices", "--json"]);
    let devices = objects(&ran, "device");
    assert_eq!(devices.len(), 2, "{ran:?}");
    devices[1]["exchange"][0].clone()
}

fn config(world: &World) -> PathBuf {
    world.root().join("carry/config/config.toml")
}

#[test]
fn two_devices_meet_in_a_folder_and_approve_each_other() {
    let folder = shared();
    let (one, two) = (device(&folder), device(&folder));
    let ran = one.ok(&["exchange"]);
    assert!(ran.stdout.starts_with("nas: put 1 head, "), "{ran:?}");
    let ran = two.ok(&["exchange"]);
    assert!(ran.stdout.starts_with("nas: taken in 1 head, "), "{ran:?}");
    // What two says of one is what one says of itself.
    let print = own_log(&one)["fingerprint"].as_str().expect("it has a key").to_owned();
    assert!(ran.stderr.contains(&format!(" is not approved yet. Its fingerprint: {print}\n")), "{ran:?}");
    assert_eq!(other_log(&two)["fingerprint"], print);
    assert_eq!(other_log(&two)["state"], "unapproved");
    let ran = two.ok(&["devices"]);
    assert!(ran.stdout.contains(" NOT APPROVED "), "{ran:?}");
    assert!(ran.stderr.contains("`carry devices approve NAME` trusts one"), "{ran:?}");

    let name = other_log(&two)["name"].as_str().expect("a name").to_owned();
    let ran = two.carry(&["devices", "approve", &name]);
    assert_eq!((ran.code, other_log(&two)["state"].as_str()), (1, Some("unapproved")), "{ran:?}");
    let ran = two.ok(&["devices", "approve", &name, "--yes"]);
    assert!(ran.stderr.contains(&format!("Its fingerprint: {print}\n")), "{ran:?}");
    assert_eq!(other_log(&two)["state"], "approved");
    one.ok(&["exchange"]);
    one.ok(&["devices", "approve", "--all", "--yes"]);
    one.ok(&["exchange"]);
    let ran = one.ok(&["devices", "approve", "--all"]);
    assert_eq!(ran.stderr, "Every device that was seen is approved or revoked.\n");

    // Nothing new: nothing is said, and nothing written.
    let before = files(folder.path());
    one.ok(&["exchange"]).is(0, "nas: nothing new.\n", "");
    two.ok(&["exchange"]).is(0, "nas: nothing new.\n", "");
    assert_eq!(files(folder.path()), before);
    let ran = one.ok(&["status", "--all"]);
    assert!(ran.stdout.contains("Exchange\n  nas        exchanged <AGE>\n"), "{ran:?}");
    one.ok(&["exchange", "verify"]).is(0, "Everything is as it was written.\n", "");
    one.ok(&["exchange", "verify", "--quick"]).is(0, "Everything is as it was written.\n", "");
    let ran = one.ok(&["exchange", "gc", "--dry-run"]);
    assert_eq!(ran.stdout, "nas: nothing is to be removed.\n");
}

#[test]
fn what_an_exchange_did_is_told_to_machines() {
    let folder = shared();
    let (one, two) = (device(&folder), device(&folder));
    let ran = one.ok(&["exchange", "--dry-run", "--json"]);
    assert_eq!(objects(&ran, "exchange")[0]["dry_run"], true);
    assert_eq!(files(folder.path()).len(), 1, "the marker alone");
    one.ok(&["exchange"]);
    let ran = two.ok(&["exchange", "--pull", "--json"]);
    let exchange = &objects(&ran, "exchange")[0];
    assert_eq!((&exchange["ok"], &exchange["direction"]), (&true.into(), &"pull".into()));
    assert_eq!(exchange["pulled"]["heads"], 1);
    assert_eq!(exchange["pushed"]["heads"], 0);
    assert_eq!(exchange["new_logs"][0], own_log(&one)["log"]);
    let ran = two.ok(&["exchange", "stats", "--json"]);
    let stats = &objects(&ran, "remote-stats")[0];
    assert!(stats["pull"]["ok"].is_string() && stats["push"]["ok"].is_null(), "{stats}");
    two.ok(&["exchange", "--push"]);
    let ran = two.ok(&["exchange", "stats", "--json"]);
    assert_eq!(
        (&objects(&ran, "remote-stats")[0]["published"], &objects(&ran, "exchange-stats")[0]["logs"]),
        (&1.into(), &2.into())
    );
    let ran = two.ok(&["remote", "test", "--json"]);
    let test = &objects(&ran, "remote-test")[0];
    assert_eq!(
        (&test["ok"], &test["heads"], &test["logs"], &test["own_head"]),
        (&true.into(), &2.into(), &2.into(), &true.into())
    );
}

#[test]
fn each_mistake_in_adding_a_remote_has_words_of_its_own() {
    let folder = shared();
    let world = device(&folder);
    world.ok(&["now"]);
    fs::create_dir_all(world.root().join("other")).expect("a folder");
    fs::create_dir_all(world.root().join("foreign/carry")).expect("a folder");
    fs::File::create(world.root().join("foreign/carry/main.rs")).expect("a file");
    fs::create_dir_all(world.home().join(".claude/projects")).expect("a folder");
    std::os::unix::fs::symlink(folder.path(), world.root().join("link")).expect("a link");
    let at = |name: &str| world.root().join(name).to_str().expect("a plain path").to_owned();
    let place = path(&folder);
    let before = fs::read(config(&world)).expect("it is there");
    let cases: [(&str, &str, i32, &str); 16] = [
        ("Nas", &at("other"), 2, "\"Nas\" cannot be the name of a remote"),
        ("gc", &at("other"), 2, "\"gc\" cannot be the name of a remote"),
        ("nas", &at("other"), 1, "nas is "),
        ("two", &place, 1, "nas is that place already"),
        ("two", &at("link"), 1, "nas is that place already"),
        ("two", &at("none"), 1, "there is no folder "),
        ("two", &at("gitconfig"), 1, "<DIR>/gitconfig is not a folder"),
        ("two", &at("foreign"), 1, "<DIR>/foreign has a folder carry that is not an exchange's"),
        ("two", &at("carry/data"), 1, "<DIR>/carry/data would mix with <DIR>/carry/data, where Carry keeps its things"),
        ("two", &at("home/repo/src"), 1, "~/repo/src would mix with ~/repo, a captured working tree"),
        ("two", &at("home/.claude/projects"), 1, "~/.claude/projects would mix with "),
        ("two", "https://me:hunter2@example.org/", 2, "the address holds credentials"),
        ("two", "dav+https://me:hunter2@example.org/", 2, "the address holds credentials"),
        ("two", "dav+http://nas.local/x", 2, "http:// sends everything unencrypted"),
        ("two", "http://example.org/", 2, "http:// sends everything unencrypted"),
        ("two", "ftp://example.org/", 2, "ftp:// is not known"),
    ];
    fs::create_dir_all(world.repo().join("src")).expect("a folder");
    for (name, place, code, said) in cases {
        let ran = world.carry(&["remote", "add", name, place, "--yes"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{name} {place}: {ran:?}");
        assert!(ran.stderr.starts_with(&format!("Error: {said}")), "{name} {place}: {ran:?}");
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
    assert_eq!(fs::read(config(&world)).expect("it is there"), before, "nothing was written");
    assert_eq!(files(&world.root().join("other")).len(), 0);
    // The same once more does no harm.
    let ran = world.ok(&["remote", "add", "nas", &place, "--yes"]);
    assert!(ran.stdout.starts_with("The remote nas is ") && ran.stdout.ends_with(" already.\n"), "{ran:?}");
}

#[test]
fn without_consent_nothing_is_written() {
    let folder = shared();
    let world = World::new();
    let ran = world.carry(&["remote", "add", "nas", &path(&folder)]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let error = "Error: this needs your consent, and there is no terminal to ask on\n\
                 Hint: --yes agrees; --code exchanges uncommitted code there, too.\n";
    assert!(ran.stderr.ends_with(error), "{ran:?}");
    assert!(ran.stderr.contains(" becomes an exchange of Carry: "), "what is agreed to comes first: {ran:?}");
    assert!(files(folder.path()).is_empty() && !config(&world).exists());
}

#[test]
fn a_remote_is_remembered_beside_what_stands_in_the_file_and_forgotten_again() {
    let folder = shared();
    let world = World::new();
    fs::create_dir_all(config(&world).parent().expect("a folder")).expect("a folder");
    let text = "# mine\n[exchange]\n# every now and then\npoll = \"5m\" # slow\n";
    fs::File::create(config(&world)).and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
    let place = path(&folder);
    let ran = world.ok(&["remote", "add", "nas", &place, "--yes", "--code"]);
    assert!(ran.stdout.ends_with("conversations and uncommitted code.\n"), "{ran:?}");
    let kept = fs::read_to_string(config(&world)).expect("it is there");
    assert!(kept.starts_with(text), "{kept}");
    assert!(kept.contains(&format!("remotes = [\"nas={place}\"]")) && kept.contains("code = [\"nas\"]"), "{kept}");
    // The switch alone is changed.
    world.ok(&["remote", "add", "nas", &place, "--yes", "--no-code"]);
    let ran = world.ok(&["remote", "list", "--json"]);
    assert_eq!((field(&ran.raw, "name"), field(&ran.raw, "code")), ("nas".to_owned(), "false".to_owned()));
    world.ok(&["exchange"]);
    let before = files(folder.path());
    world.ok(&["remote", "remove", "nas"]).is(0, "Forgot the remote nas. Nothing was deleted there.\n", "");
    assert_eq!(files(folder.path()), before);
    let ran = world.carry(&["remote", "remove", "nas"]);
    assert_eq!((ran.code, ran.stderr.lines().next()), (2, Some("Error: there is no remote \"nas\"")), "{ran:?}");
    let ran = world.carry(&["exchange"]);
    assert_eq!((ran.code, ran.stderr.lines().next()), (1, Some("Error: no remote is configured")), "{ran:?}");
}

#[test]
fn where_no_disk_is_mounted_nothing_is_written_and_everything_says_so() {
    let folder = shared();
    let place = folder.path().join("disk");
    fs::create_dir(&place).expect("a folder");
    let name = place.to_str().expect("a plain path");
    let world = World::new();
    world.ok(&["remote", "add", "disk", name, "--yes"]);
    world.ok(&["exchange"]);
    let ran = world.carry(&["exchange", "dsik"]);
    ran.is(2, "", "Error: there is no remote \"dsik\"\nHint: These are configured: disk.\n");

    fs::rename(&place, folder.path().join("unplugged")).expect("it is there");
    let ran = world.carry(&["exchange"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.starts_with("Error: cannot reach ") && ran.stderr.contains("\nHint: Nothing is lost"),
        "{ran:?}"
    );
    assert!(world.carry(&["doctor"]).stdout.contains("[exchange-unreachable]"));

    fs::create_dir(&place).expect("a folder");
    for command in [&["exchange"][..], &["remote", "test"], &["exchange", "gc"]] {
        let ran = world.carry(command);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("is not an exchange of Carry: it has no carry/format.json"), "{ran:?}");
    }
    assert_eq!(world.carry(&["remote", "add", "disk", name]).code, 1, "it asks, as the first time");
    assert_eq!(fs::read_dir(&place).expect("it is there").count(), 0);
    assert!(world.carry(&["doctor"]).stdout.contains("[exchange-no-marker]"));
    assert!(world.ok(&["status", "--all"]).stdout.contains("attention  pull failed "));
    let ran = world.ok(&["remote", "list", "--json"]);
    assert!(field(&ran.raw, "failing").contains("format.json"), "{ran:?}");

    fs::remove_dir(&place).expect("it is empty");
    fs::rename(folder.path().join("unplugged"), &place).expect("it is there");
    world.ok(&["exchange"]);
    let ran = world.ok(&["remote", "list", "--json"]);
    assert_eq!(field(&ran.raw, "failing"), "null");
}

#[test]
fn a_remote_that_fails_holds_up_no_other() {
    let (gone, folder) = (shared(), shared());
    let world = device(&folder);
    world.ok(&["remote", "add", "gone", &path(&gone), "--yes"]);
    drop(gone);
    let ran = world.carry(&["exchange"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.starts_with("nas: put 1 head, "), "{ran:?}");
    assert!(ran.stderr.contains("There was no exchange with gone:\nError: cannot reach "), "{ran:?}");
    let ran = world.carry(&["exchange", "--json"]);
    let ok: BTreeMap<String, bool> = objects(&ran, "exchange")
        .iter()
        .map(|one| (one["remote"].as_str().unwrap_or_default().to_owned(), one["ok"] == true))
        .collect();
    assert_eq!(ok, BTreeMap::from([("gone".to_owned(), false), ("nas".to_owned(), true)]));
}

#[test]
fn a_device_is_named_revoked_and_forgotten_here_alone() {
    let folder = shared();
    let (one, two) = (device(&folder), device(&folder));
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let name = other_log(&two)["name"].as_str().expect("a name").to_owned();
    two.ok(&["devices", "rename", "desktop", "--device", &name]);
    assert_eq!(other_log(&two)["name"], "desktop");
    assert_eq!(two.carry(&["devices", "rename", "../x", "--device", "desktop"]).code, 1);
    let log = other_log(&two)["log"].as_str().expect("a log").to_owned();
    two.ok(&["devices", "forget", "desktop"]);
    assert_eq!(objects(&two.ok(&["devices", "--json"]), "device").len(), 1);
    two.ok(&["exchange"]);
    assert_eq!(objects(&two.ok(&["devices", "--json"]), "device").len(), 1, "it does not come back by itself");
    let ran = two.carry(&["devices", "approve", "nobody", "--yes"]);
    assert_eq!((ran.code, ran.stderr.contains("One that was forgotten is approved by the id")), (1, true), "{ran:?}");
    two.ok(&["devices", "approve", &log, "--yes"]);
    two.ok(&["exchange"]);
    assert_eq!(other_log(&two)["name"], name.as_str());
    let ran = two.carry(&["devices", "forget", &name]);
    assert_eq!((ran.code, ran.stderr.contains(" is approved\n")), (1, true), "{ran:?}");
    two.ok(&["devices", "revoke", &name]);
    assert_eq!(other_log(&two)["state"], "revoked");
    assert_eq!(two.carry(&["devices", "forget", &name]).code, 1);
    two.ok(&["devices", "approve", &name, "--yes"]);
    assert_eq!(other_log(&two)["state"], "approved", "taken back");
    assert_eq!(two.carry(&["devices", "approve", "nobody", "--yes"]).code, 1);
}

#[test]
fn a_device_is_meant_by_the_beginning_of_its_id_where_no_other_begins_so() {
    let folder = shared();
    let worlds = [(); 3].map(|()| World::new());
    let id = |world: &World| field(&world.ok(&["devices", "--json"]).raw, "id");
    for world in &worlds {
        // The number in an id is that of the key; the rest is what the machine was called.
        let (own, file) = (id(world), world.root().join("carry/data/device.toml"));
        let said = fs::read_to_string(&file).expect("a file");
        let other = format!("studio{}", &own[own.len() - 9..]);
        carry_kernel::disk::write_atomic(&file, said.replace(&own, &other).as_bytes()).expect("room on the disk");
        assert_eq!(id(world), other);
        world.roomy();
        world.ok(&["remote", "add", "nas", &path(&folder), "--yes"]);
        world.ok(&["devices", "rename", "the laptop in the kitchen"]);
        world.ok(&["exchange"]);
    }
    let [one, two, three] = &worlds;
    let whole = format!("\nthe laptop in the kitchen ({})", id(one));
    let ran = three.ok(&["devices"]);
    assert!(ran.stdout.contains(&whole), "it is on one line, to be copied: {ran:?}");
    let ran = three.carry(&["devices", "approve", "studio-", "--yes"]);
    assert!(ran.stderr.starts_with("Error: the ids of 2 devices or logs begin with studio-: "), "{ran:?}");
    for other in [one, two] {
        let print = own_log(other)["fingerprint"].as_str().expect("it has one").to_owned();
        assert!(ran.stderr.contains(&format!("(fingerprint {print})")), "{ran:?}");
    }
    let ran = three.carry(&["devices", "approve", "stu", "--yes"]);
    assert!(ran.code == 1 && ran.stderr.contains("at least the first 4 characters"), "{ran:?}");
    let begins = |world| id(world)[..12].to_owned();
    three.ok(&["devices", "approve", &begins(two), "--yes"]);
    let known = objects(&three.ok(&["devices", "--json"]), "device");
    let approved: Vec<_> = known.iter().filter(|device| device["state"] == "approved").collect();
    assert!(approved.len() == 1 && approved[0]["id"] == id(two).as_str(), "{known:?}");
    // What is known of it at Git remotes by now is the same device.
    let ran = three.carry(&["devices", "approve", "studio-", "--yes"]);
    assert!(ran.stderr.starts_with("Error: the ids of 2 devices or logs begin with studio-: "), "{ran:?}");
    three.ok(&["devices", "revoke", &begins(two)]);
}

#[test]
fn a_stranger_who_takes_a_devices_name_is_told_apart_from_it() {
    let folder = shared();
    let (one, two) = (device(&folder), device(&folder));
    one.ok(&["exchange"]);
    // The stranger has another key, and says that it is the same device.
    let stranger = World::new();
    stranger.roomy();
    stranger.ok(&["remote", "add", "nas", &path(&folder), "--yes"]);
    let id = field(&one.ok(&["devices", "--json"]).raw, "id");
    let identity = |world: &World| world.root().join("carry/data/device.toml");
    fs::copy(identity(&one), identity(&stranger)).expect("a copy");
    stranger.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let ran = two.carry(&["devices", "approve", &id, "--yes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.starts_with(&format!("Error: 2 devices call themselves {id}: ")), "{ran:?}");
    let print = own_log(&one)["fingerprint"].as_str().expect("it has a key").to_owned();
    assert!(ran.stderr.contains(&format!("(fingerprint {print})")), "{ran:?}");
    let name = own_log(&one)["log"].as_str().expect("a log").to_owned();
    two.ok(&["devices", "approve", &name, "--yes"]);
    let ran = two.ok(&["devices", "--json"]);
    let states: Vec<_> =
        objects(&ran, "device").iter().flat_map(|device| device["exchange"].as_array().cloned()).flatten().collect();
    let state = |log: &str| states.iter().find(|one| one["log"] == log).map(|one| one["state"].clone());
    assert_eq!(state(&name), Some("approved".into()));
    assert_eq!(state(own_log(&stranger)["log"].as_str().expect("a log")), Some("unapproved".into()));
}

#[test]
fn a_head_that_is_half_there_is_taken_in_when_the_rest_has_come() {
    let folder = shared();
    let (one, two) = (device(&folder), device(&folder));
    one.ok(&["exchange"]);
    let heads = folder.path().join("carry/h");
    let head = fs::read_dir(&heads).expect("it is there").next().expect("a head").expect("it is there").path();
    let whole = fs::read(&head).expect("a file");
    let write = |bytes: &[u8]| fs::File::create(&head).and_then(|mut file| file.write_all(bytes)).expect("room");
    write(&whole[..whole.len() / 2]);
    two.carry(&["exchange"]);
    assert_eq!(objects(&two.ok(&["devices", "--json"]), "device").len(), 1, "nothing of it is believed");
    write(&whole);
    two.ok(&["exchange"]);
    assert_eq!(other_log(&two)["log"], own_log(&one)["log"]);
}

#[test]
fn watching_exchanges_and_ends_on_an_interrupt() {
    let folder = shared();
    let world = device(&folder);
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
    let mut child =
        command.args(["exchange", "--watch"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.starts_with("nas: put 1 head, "), "{first}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(files(folder.path()).len(), 2, "the marker and one head");
}

/// `exchange --watch` of a home, with what it says: its results and its notes.
fn watch(world: &World) -> (Child, Lines<BufReader<ChildStdout>>, Lines<BufReader<ChildStderr>>) {
    watch_with(world, &[])
}

/// The same with more arguments.
fn watch_with(
    world: &World,
    arguments: &[&str],
) -> (Child, Lines<BufReader<ChildStdout>>, Lines<BufReader<ChildStderr>>) {
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.home());
    command.args(["exchange", "--watch"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let noted = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    (child, said, noted)
}

/// Reads lines until one holds `part`; gives all of them.
#[track_caller]
fn until(lines: impl Iterator<Item = std::io::Result<String>>, part: &str) -> Vec<String> {
    let mut read = Vec::new();
    for line in lines {
        read.push(line.expect("text"));
        if read.last().is_some_and(|line| line.contains(part)) {
            return read;
        }
    }
    panic!("{part:?} is not in {read:?}");
}

#[test]
fn what_is_under_way_to_a_remote_ends_when_it_is_removed() {
    let server = dav::Dav::start();
    server.set(dav::Quirks { is_open: true, ..dav::Quirks::default() });
    server.plant("/dav/keep", b"");
    let world = World::new();
    world.roomy();
    world.ok(&["remote", "add", "cloud", &format!("dav+http://{}/dav/e", server.address()), "--no-code", "--yes"]);
    // Longer than it could be silent before the call fails.
    server.fail("/dav/e/carry/l", u32::MAX, dav::Fault::Silence);
    let (mut child, _said, mut noted) = watch(&world);
    carry_testkit::patience::until("a request of the round hangs", || server.count("/dav/e/carry/l") > 0);
    world.ok(&["remote", "remove", "cloud"]);
    until(&mut noted, "The remote cloud was removed");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let more: Vec<String> = noted.map(|line| line.expect("text")).collect();
    assert!(more.is_empty(), "the round was cancelled and did not fail: {more:?}");
    assert!(server.count("/dav/e/carry/l") == 1, "{:?}", server.requests());
}

#[test]
fn a_remote_that_is_added_meanwhile_is_named_once() {
    let (folder, more, other) = (shared(), shared(), shared());
    let world = device(&folder);
    let (mut child, mut said, mut noted) = watch(&world);
    until(&mut said, "nas: put 1 head, ");
    until(&mut noted, "Exchanging with nas whenever something is new");
    let mut adds = |name: &str, place: &tempfile::TempDir| {
        world.ok(&["remote", "add", name, &path(place), "--no-code", "--yes"]);
        let said = format!("The remote {name} was added; `carry exchange --watch` again exchanges with it, too.");
        assert_eq!(until(&mut noted, &said).len(), 1);
    };
    adds("more", &more);
    world.ok(&["remote", "remove", "more"]);
    adds("other", &other);
    // One that was seen to go is added again when it comes.
    adds("more", &more);
    world.ok(&["remote", "remove", "nas"]);
    let lines = until(&mut noted, "The remote nas was removed");
    assert_eq!(lines.len(), 1, "it was said once: {lines:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn who_named_a_remote_hears_of_no_other_that_is_added() {
    let (folder, more) = (shared(), shared());
    let world = device(&folder);
    let (mut child, mut said, mut noted) = watch_with(&world, &["nas"]);
    until(&mut said, "nas: put 1 head, ");
    until(&mut noted, "Exchanging with nas whenever something is new");
    world.ok(&["remote", "add", "more", &path(&more), "--no-code", "--yes"]);
    world.ok(&["remote", "remove", "nas"]);
    let lines = until(&mut noted, "The remote nas was removed");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_configuration_that_cannot_be_read_ends_no_watch_and_a_changed_one_does() {
    let folder = shared();
    let world = device(&folder);
    let file = world.root().join("carry/config/config.toml");
    let before = fs::read_to_string(&file).expect("a file");
    let (mut child, mut said, mut noted) = watch(&world);
    until(&mut said, "nas: put 1 head, ");
    carry_testkit::repo::write_file(&file, format!("{before}[exchange\n").as_bytes());
    let lines = until(&mut noted, "not gone by until that is mended: The file has no effect: it is not valid TOML");
    assert!(!lines.iter().any(|line| line.contains("was removed")), "{lines:?}");
    carry_testkit::repo::write_file(&file, before.as_bytes());
    // What masking lets through changes, and nothing of the remote itself.
    world.ok(&["config", "set", "sessions.allow", "[\"example\"]"]);
    let lines = until(&mut noted, "The settings of the remote nas changed");
    assert_eq!(lines.len(), 1, "it was said once: {lines:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn another_file_of_a_known_remote_takes_the_place_of_the_one_before() {
    let server = dav::Dav::start();
    server.set(dav::Quirks { is_open: true, ..dav::Quirks::default() });
    let place = format!("dav+http://{}/x", server.address());
    let world = World::new();
    let files = ["before", "after"].map(|name| {
        let file = world.root().join(name);
        carry_kernel::disk::write_atomic(&file, dav::LOGIN.as_bytes()).expect("room on the disk");
        file.to_str().expect("a plain path").to_owned()
    });
    let add = |file: &str| world.ok(&["remote", "add", "cloud", &place, "--no-code", "--yes", "--token-file", file]);
    add(&files[0]);
    assert!(add(&files[0]).stdout.contains(" already."));
    let ran = add(&files[1]);
    assert_eq!(ran.stdout, "The remote cloud goes by the file that was named from now on.\n", "{ran:?}");
    let said = fs::read_to_string(world.root().join("carry/config/config.toml")).expect("a file");
    assert!(said.contains(&format!("cloud={}", files[1])) && !said.contains(&files[0]), "{said}");
}

#[test]
fn settings_that_mean_nothing_are_said_and_hold_up_no_other() {
    let folder = shared();
    let world = device(&folder);
    let ran = world.ok(&["exchange", "--config", "exchange.code=[\"nsa\"]"]);
    assert!(ran.stderr.starts_with("Warning: `exchange.code` names \"nsa\", which is no remote"), "{ran:?}");
    let ran = world.carry(&["exchange", "--config", "exchange.remotes=[\"x=https://hub.example.org\"]", "x"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.is_empty(), "{ran:?}");
}

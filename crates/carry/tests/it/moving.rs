//! A remote that gets another address: nothing is believed to be at the new place for having been at the old one.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use carry_kernel::clock::{Clock as _, SystemClock};
use carry_kernel::db::rusqlite::Connection;
use carry_kernel::home::Home;
use carry_kernel::lease::{Lease, Outcome, Owner};
use carry_testkit::dav;

use crate::exchange_code::{beside, exchange, joins, meet, objects, shared, work};
use crate::sessions::{archived, json};
use crate::world::World;

fn path(folder: &tempfile::TempDir) -> String {
    folder.path().canonicalize().expect("it is there").to_str().expect("a plain path").to_owned()
}

/// How many sessions are listed.
fn sessions(world: &World) -> usize {
    json(world, &["sessions", "list", "--all", "--limit", "0"]).len()
}

/// A laptop with sessions and a desk, which have exchanged all through a folder.
fn two() -> (tempfile::TempDir, World, World) {
    let (folder, one, two) = (shared(), archived(), World::new());
    for world in [&one, &two] {
        joins(world, &folder);
    }
    meet(&one, &two);
    for world in [&one, &two, &one] {
        exchange(world);
    }
    assert_eq!(sessions(&two), sessions(&one));
    (folder, one, two)
}

/// A third home that comes to the folder, approves all it finds there, and is approved by nobody.
#[track_caller]
fn newcomer(folder: &tempfile::TempDir) -> World {
    let world = World::new();
    joins(&world, folder);
    world.carry(&["exchange"]);
    world.ok(&["devices", "approve", "--all", "--yes"]);
    exchange(&world);
    world
}

#[test]
fn all_is_put_at_the_new_address_also_what_others_wrote() {
    let (old, one, two) = two();
    let new = shared();
    let ran = one.ok(&["remote", "set-url", "nas", &path(&new), "--yes"]);
    assert!(ran.stdout.starts_with("The remote nas is ") && ran.stdout.contains("from now on"), "{ran:?}");
    assert!(ran.stderr.contains("What lies at ") && ran.stderr.contains(" stays there."), "{ran:?}");
    let ran = one.ok(&["status", "--all"]);
    assert!(ran.stdout.contains("  nas        never exchanged; `carry exchange` does"), "{ran:?}");
    exchange(&one);
    fs::remove_dir_all(old.path().join("carry")).expect("it is there");
    let three = newcomer(&new);
    assert_eq!(sessions(&three), sessions(&one));
    let known = objects(&three.ok(&["devices", "--json"]), "device");
    assert_eq!(known.len(), 3, "what the desk wrote was passed on: {known:?}");
    let ran = one.ok(&["exchange", "verify", "--repair"]);
    assert!(ran.stdout.contains("nas: nothing had to be healed."), "{ran:?}");
    // The other one follows, and nothing has to be put again.
    two.ok(&["remote", "set-url", "nas", &path(&new), "--yes"]);
    exchange(&two);
    one.ok(&["exchange"]);
    assert_eq!(one.ok(&["exchange"]).stdout, "nas: nothing new.\n");
    // And back.
    let again = shared();
    two.ok(&["remote", "set-url", "nas", &path(&again), "--yes"]);
    exchange(&two);
    assert_eq!(sessions(&newcomer(&again)), sessions(&one), "who only reads passes on, too");
}

#[test]
fn the_folder_above_or_below_the_one_that_was_moved_is_not_taken_for_it_in_silence() {
    let (old, one, _two) = two();
    let new = shared();
    let moved = new.path().canonicalize().expect("it is there").join("moved");
    fs::create_dir_all(moved.join("deeper")).expect("a folder");
    fs::rename(old.path().join("carry"), moved.join("carry")).expect("it is there");
    let place = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let before = one.ok(&["remote", "list", "--json"]).raw;
    for wrong in [path(&new), place(&moved.join("deeper")), place(&moved.join("carry"))] {
        let ran = one.carry(&["remote", "set-url", "nas", &wrong]);
        assert_eq!(ran.code, 1, "{wrong}: {ran:?}");
        let right = format!("Hint: If you mean that one: `carry remote set-url nas {}`.\n", place(&moved));
        assert!(ran.stderr.contains("Warning: an exchange lies in ") && ran.stderr.contains(&right), "{ran:?}");
        assert!(ran.stderr.contains("--yes begins a new one all the same"), "{ran:?}");
        assert!(!Path::new(&wrong).join("carry").exists(), "nothing is begun there");
    }
    assert_eq!(one.ok(&["remote", "list", "--json"]).raw, before);
    // Whoever says so gets it.
    let ran = one.ok(&["remote", "set-url", "nas", &path(&new), "--yes"]);
    assert!(ran.stderr.contains("an exchange lies in ") && new.path().join("carry/format.json").is_file(), "{ran:?}");
    let ran = one.ok(&["remote", "set-url", "nas", &place(&moved), "--yes"]);
    assert!(!ran.stderr.contains("an exchange lies in "), "{ran:?}");
    exchange(&one);
    // What this device knows lies there is meant as it is.
    let ran = one.ok(&["remote", "add", "deep", &place(&moved.join("deeper")), "--yes"]);
    assert!(!ran.stderr.contains("an exchange lies in "), "{ran:?}");
}

#[test]
fn an_address_that_was_changed_in_the_file_is_noticed_too() {
    let (_old, one, _two) = two();
    let new = shared();
    fs::create_dir(new.path().join("carry")).expect("a folder");
    let marker = "carry/format.json";
    fs::copy(_old.path().join(marker), new.path().join(marker)).expect("a marker");
    let config = one.root().join("carry/config/config.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    carry_testkit::repo::write_file(&config, text.replace(&path(&_old), &path(&new)).as_bytes());
    exchange(&one);
    assert_eq!(sessions(&newcomer(&new)), sessions(&one));
}

#[test]
fn what_was_said_of_the_old_place_does_not_go_along() {
    let (old, one) = (shared(), World::with_commit());
    let two = beside(&one, true);
    joins(&one, &old);
    one.ok(&["config", "set", "exchange.private", "nas"]);
    work(&one);
    exchange(&one);
    let new = shared();
    let remote = || objects(&one.ok(&["remote", "list", "--json"]), "remote")[0].clone();
    assert_eq!((&remote()["code"], &remote()["private"]), (&true.into(), &true.into()));
    let ran = one.ok(&["remote", "set-url", "nas", &path(&new), "--yes"]);
    assert!(
        ran.stderr.contains("Uncommitted code does not go there") && ran.stderr.contains("exchange.private"),
        "{ran:?}"
    );
    assert_eq!((&remote()["code"], &remote()["private"]), (&false.into(), &false.into()));
    exchange(&one);
    let has_code = |folder: &Path| {
        let logs = fs::read_dir(folder.join("carry/l")).into_iter().flatten();
        let files = logs.flat_map(|log| fs::read_dir(log.expect("an entry").path()).expect("a folder"));
        files.into_iter().any(|file| file.expect("an entry").file_name().to_string_lossy().contains("code-"))
    };
    assert!(has_code(old.path()) && !has_code(new.path()));
    one.ok(&["remote", "set-url", "nas", &path(&old), "--code", "--yes"]);
    assert_eq!(remote()["code"], true);
    joins(&two, &old);
    meet(&one, &two);
    assert!(has_code(old.path()));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let (folder, world) = (shared(), World::with_remote());
    joins(&world, &folder);
    let config = world.root().join("carry/config/config.toml");
    let before = fs::read(&config).expect("a configuration");
    let (other, text) = (shared(), path(&folder));
    for (arguments, code, said) in [
        (
            &["set-url", "origin", "/elsewhere"][..],
            2,
            "origin is a Git remote of this repository, and no place that devices",
        ),
        (&["set-url", "nobody", "/elsewhere"], 2, "there is no remote \"nobody\""),
        (&["set-url", "nas", "/nowhere/at/all"], 1, "there is no folder /nowhere/at/all"),
        (&["set-url", "nas", "ftp://example.org"], 2, "Error: "),
        (&["set-url", "nas", &path(&other), "--token-file", "x"], 2, "token_files belongs to an https://"),
        (&["remove", "origin"], 2, "`git remote remove origin` is the command for those."),
    ] {
        let ran = world.carry(&[&["remote"], arguments].concat());
        assert_eq!(ran.code, code, "{arguments:?} {ran:?}");
        assert!(ran.stderr.contains(said), "{arguments:?} {ran:?}");
    }
    let ran = world.ok(&["remote", "set-url", "nas", &text]);
    assert!(ran.stdout.ends_with(" already.\n"), "{ran:?}");
    world.ok(&["remote", "add", "second", &path(&other), "--no-code", "--yes"]);
    let ran = world.carry(&["remote", "set-url", "second", &text, "--yes"]);
    assert!(ran.code == 1 && ran.stderr.contains("nas is that place already"), "{ran:?}");
    world.ok(&["remote", "remove", "second"]);
    assert_eq!(fs::read(&config).expect("a configuration"), before);
    // Without an answer nothing happens either.
    assert_eq!(world.carry(&["remote", "set-url", "nas", &path(&other)]).code, 1);
    assert_eq!(fs::read(&config).expect("a configuration"), before);
    let ran = world.carry(&["remote", "add", "nas", &path(&other), "--yes"]);
    assert!(ran.code == 1 && ran.stderr.contains("`carry remote set-url nas "), "{ran:?}");
}

#[test]
fn a_login_stays_with_its_server() {
    let folder = shared();
    let (first, second) = (dav::Dav::start(), dav::Dav::start());
    for server in [&first, &second] {
        server.plant("/dav/keep", b"");
    }
    let at = |server: &dav::Dav, path: &str| format!("dav+http://{}/dav/{path}", server.address());
    let world = archived();
    joins(&world, &folder);
    exchange(&world);
    let login = world.root().join("login");
    carry_kernel::disk::write_atomic(&login, dav::LOGIN.as_bytes()).expect("room on the disk");
    let login = login.to_str().expect("a plain path");
    let to = |place: &str, more: &[&str]| {
        world.carry(&[&["remote", "set-url", "nas", place, "--no-code", "--yes"], more].concat())
    };
    assert_eq!(to(&at(&first, "e"), &[]).code, 1, "it wants a login");
    let ran = to(&at(&first, "e"), &["--token-file", login]);
    assert_eq!(ran.code, 0, "{ran:?}");
    exchange(&world);
    // At another path of the server it is the same; another server gets it only when that is said.
    let ran = to(&at(&first, "f"), &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    exchange(&world);
    assert!(!first.files("/dav/f").is_empty());
    let config = world.root().join("carry/config/config.toml");
    let before = fs::read(&config).expect("a configuration");
    let ran = to(&at(&second, "e"), &[]);
    assert!(ran.code == 1 && ran.stderr.contains("401"), "the same would open it: {ran:?}");
    assert_eq!(fs::read(&config).expect("a configuration"), before);
    assert_eq!(to(&at(&second, "e"), &["--token-file", login]).code, 0);
    exchange(&world);
    // Back to a folder, which needs none.
    let ran = to(&path(&folder), &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("What exchange.token_files named for the old address was for that server"), "{ran:?}");
    let said = fs::read_to_string(&config).expect("a configuration");
    assert!(!said.contains(login), "{said}");
    exchange(&world);
    assert_eq!(sessions(&newcomer(&folder)), sessions(&world));
}

#[test]
fn what_is_said_of_the_address_that_it_has_counts_too() {
    let (folder, server) = (shared(), dav::Dav::start());
    server.plant("/dav/keep", b"");
    let world = archived();
    joins(&world, &folder);
    let remote = || objects(&world.ok(&["remote", "list", "--json"]), "remote")[0].clone();
    for (flag, has_code) in [("--no-code", false), ("--code", true)] {
        world.ok(&["remote", "set-url", "nas", &path(&folder), flag]);
        assert_eq!(remote()["code"], has_code, "{flag}");
    }
    let place = format!("dav+http://{}/dav/e", server.address());
    let [login, other] = ["login", "other"].map(|name| {
        let file = world.root().join(name);
        carry_kernel::disk::write_atomic(&file, dav::LOGIN.as_bytes()).expect("room on the disk");
        file.to_str().expect("a plain path").to_owned()
    });
    world.ok(&["remote", "set-url", "nas", &place, "--no-code", "--yes", "--token-file", &login]);
    world.ok(&["remote", "set-url", "nas", &place, "--token-file", &other]);
    let said = || fs::read_to_string(world.root().join("carry/config/config.toml")).expect("a configuration");
    assert!(said().contains(&other) && !said().contains(&login), "{}", said());
    // Also where the address was changed, and the rest was not.
    world.ok(&["config", "unset", "exchange.token_files"]);
    assert_eq!(world.carry(&["exchange"]).code, 1, "it wants a login");
    world.ok(&["remote", "set-url", "nas", &place, "--token-file", &login]);
    exchange(&world);
}

/// Runs the command while another process exchanges with `nas`, which notes something before it ends.
#[track_caller]
fn while_a_round_goes_on(world: &World, arguments: &[&str]) {
    let home = Home::at(world.root().join("carry"));
    let mut lease = Lease::open(&home, Owner::this_process()).expect("the leases");
    let got = lease.acquire("exchange/nas", Duration::from_secs(600), SystemClock.steady()).expect("an answer");
    let Outcome::Granted(held) = got else { panic!("somebody has it: {got:?}") };
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
    let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let said = BufReader::new(child.stderr.take().expect("asked for")).lines();
    let mut said = said.map(|line| line.expect("text"));
    assert!(said.any(|line| line.starts_with("Waiting for process ")), "{arguments:?} does not wait");
    let db = Connection::open(home.database("exchange")).expect("it is there");
    db.execute("INSERT INTO compared (remote, log, at_ms) VALUES ('nas', 'late', 1)", ()).expect("room");
    lease.release(held).expect("it was held");
    let more: Vec<String> = said.collect();
    assert!(child.wait().expect("it ends").success(), "{arguments:?} {more:?}");
    let sql = "SELECT COUNT(*) FROM compared WHERE remote = 'nas'";
    let n: i64 = db.query_row(sql, (), |row| row.get(0)).expect("a number");
    assert_eq!(n, 0, "{arguments:?}: nothing that was noted of the old place is believed");
}

#[test]
fn what_a_round_under_way_notes_is_forgotten_with_the_rest() {
    let (_old, one, _two) = two();
    let new = shared();
    while_a_round_goes_on(&one, &["remote", "set-url", "nas", &path(&new), "--yes"]);
    exchange(&one);
    assert_eq!(sessions(&newcomer(&new)), sessions(&one));
    while_a_round_goes_on(&one, &["remote", "remove", "nas"]);
}

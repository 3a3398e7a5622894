//! What is damaged or missing, here or at a remote, and heals on command; and a disk that is nearly full.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use carry_exchange::hash::Digest;
use carry_exchange::name::ObjectName;
use carry_testkit::dav;
use serde_json::Value;

use crate::exchange_code::{beside, exchange, joins, meet, objects, shared, work};
use crate::world::{Ran, World};

mod rows;

/// Two devices that have exchanged what the first one worked on, and have nothing more to say.
fn settled(folder: &tempfile::TempDir) -> (World, World) {
    let one = World::with_commit();
    let two = beside(&one, true);
    joins(&one, folder);
    joins(&two, folder);
    two.ok(&["now"]);
    work(&one);
    meet(&one, &two);
    for world in [&one, &two, &one, &two] {
        exchange(world);
    }
    (one, two)
}

/// The log that a device writes.
fn log_of(world: &World) -> String {
    let devices = objects(&world.carry_in(&world.home(), &["devices", "--json"]), "device");
    devices[0]["exchange"][0]["log"].as_str().expect("it has a log").to_owned()
}

/// The files of a log with records of code, in a folder.
fn code_files(folder: &Path, log: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join(log)).expect("a folder").map(|entry| entry.expect("it is there").path());
    let is_code =
        |path: &PathBuf| path.extension().is_some_and(|ending| ending == "seg") && name(path).contains("code-");
    let mut files: Vec<PathBuf> = entries.filter(is_code).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// Flips a bit of the last byte and leaves the size.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    carry_testkit::repo::write_file(path, &bytes);
}

#[track_caller]
fn repair(world: &World, code: i32, more: &[&str]) -> Ran {
    let ran = world.carry_in(&world.home(), &[&["exchange", "verify", "--repair"], more].concat());
    assert_eq!(ran.code, code, "{ran:?}");
    ran
}

#[test]
fn without_a_remote_what_is_kept_here_alone_is_looked_at() {
    let world = World::with_commit();
    let ran = repair(&world, 0, &[]);
    let note = "There is no remote that could have been looked at: `carry remote add NAME PLACE` adds one.\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("Everything kept here is as it was written.\n", note));
}

#[test]
fn what_is_gone_or_damaged_at_a_remote_is_put_there_on_command() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let (there, log) = (folder.path().join("carry/l"), log_of(&one));
    let file = code_files(&there, &log).remove(0);
    let whole = fs::read(&file).expect("a file");
    for (world, whose) in [(&one, "this device"), (&two, "")] {
        fs::remove_file(&file).expect("it is there");
        exchange(world);
        assert!(!file.exists(), "what was compared today is not compared again");
        let ran = repair(world, 0, &[]);
        assert!(ran.stdout.contains("nas: put what was damaged or missing there: 1 file, "), "{ran:?}");
        assert!(ran.stdout.contains(&format!("\n  to nas: record 1 of code of {whose}")), "{ran:?}");
        assert!(!ran.stdout.contains(&log), "nobody knows a device by the name of its log: {ran:?}");
        assert!(ran.stdout.ends_with("\nEverything is healed: 0 files fetched, 1 put.\n"), "{ran:?}");
        assert_eq!(fs::read(&file).expect("it is there again"), whole);
    }
    let ran = repair(&one, 0, &[]);
    assert_eq!(ran.stdout, "Everything kept here is as it was written.\nnas: nothing had to be healed.\n");
    // Of the right size and damaged: only who reads it sees that.
    flip(&file);
    assert!(!repair(&one, 0, &["nas"]).stdout.contains("put what"));
    let ran = repair(&two, 0, &["nas", "--deep", "--json"]);
    let told = &objects(&ran, "exchange-repair")[0];
    let put = told["put"].as_array().expect("a list");
    assert_eq!(
        (put.len(), told["damaged"].as_array().map(Vec::len), &told["ok"]),
        (1, Some(1), &Value::from(true)),
        "{told}"
    );
    let replicas: Vec<_> =
        code_files(&there, &log).into_iter().filter(|path| name(path).ends_with(".r1.seg")).collect();
    assert_eq!(replicas.iter().map(|path| fs::read(path).expect("a file")).collect::<Vec<_>>(), [whole]);
    assert_eq!(one.carry(&["exchange", "verify", "--repair", "elsewhere"]).code, 2, "there is no such remote");
    assert_eq!(one.carry(&["exchange", "verify", "nas"]).code, 2, "a remote is asked for a repair alone");
    assert_eq!(one.carry(&["exchange", "verify", "--deep"]).code, 2);
}

#[test]
fn what_is_damaged_here_is_fetched_back_be_it_ones_own_or_anothers() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let log = log_of(&one);
    for world in [&one, &two] {
        let files = || code_files(&world.root().join("carry/data/exchange"), &log);
        flip(&files()[0]);
        let ran = world.carry_in(&world.home(), &["exchange", "verify"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("`carry exchange verify --repair` fetches good copies"), "{ran:?}");
        assert!(ran.stdout.contains(" of code of ") && !ran.stdout.contains(&log), "{ran:?}");
        let ran = repair(world, 0, &[]);
        assert!(ran.stdout.contains("nas: fetched what was damaged or missing here: 1 file, "), "{ran:?}");
        assert!(ran.stdout.contains(" (healed)"), "{ran:?}");
        let ran = world.carry_in(&world.home(), &["exchange", "verify"]);
        ran.is(0, "Everything is as it was written.\n", "");
        // Of another's file of which some was good the rest is fetched, to a file of its own.
        let there = files();
        there.iter().for_each(|file| fs::remove_file(file).expect("it is there"));
        repair(world, 0, &["--json"]);
        assert!(!files().is_empty());
        world.carry_in(&world.home(), &["exchange", "verify"]).is(0, "Everything is as it was written.\n", "");
    }
}

#[test]
fn what_is_lost_here_and_at_a_remote_is_told_by_status_until_it_is_healed() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let log = log_of(&one);
    let gone = code_files(&folder.path().join("carry/l"), &log).remove(0);
    let here = one.root().join("carry/data/exchange").join(&log).join(name(&gone));
    fs::remove_file(&gone).expect("it is there");
    fs::remove_file(&here).expect("it is there");
    let lost = |world: &World| {
        let ran = world.carry_in(&world.home(), &["status", "--all", "--json"]);
        objects(&ran, "exchange-overview")[0]["lost"].as_array().expect("a list").clone()
    };
    assert_eq!(lost(&one), [0; 0], "nobody has looked yet");
    repair(&one, 3, &[]);
    let told = lost(&one);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["object"].as_str().is_some_and(|object| object.ends_with(&name(&gone))), "{told:?}");
    let text = "  attention  1 file that this device wrote is damaged or gone here and missing there, so that no other can \
                fetch it; `carry exchange verify --repair` brings it back if any remote has a good copy\n";
    let ran = one.carry_in(&one.home(), &["status", "--all"]);
    assert!(ran.stdout.contains(text), "{ran:?}");
    let ran = one.carry_in(&one.home(), &["doctor", "--json"]);
    let findings = |ran: &Ran| {
        let all = objects(ran, "finding").into_iter().filter(|finding| finding["code"] == "exchange-lost");
        all.map(|finding| finding["problem"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(findings(&ran).len(), 1, "{ran:?}");
    // Of many the first are named.
    let home = carry_kernel::home::Home::at(one.root().join("carry"));
    let db = carry_kernel::db::rusqlite::Connection::open(home.database("exchange")).expect("it is there");
    for n in 1..=30 {
        let object = ObjectName::head(log.parse().expect("a log"), n, Digest::of(&[b"no such head"]));
        let sql = "INSERT INTO lost (remote, log, name, why, since_ms) VALUES (?1, ?2, ?3, 'it is not there', 1)";
        for remote in ["nas", "removed"] {
            db.execute(sql, (remote, &log, object.to_string())).expect("room");
        }
    }
    let told = findings(&one.carry_in(&one.home(), &["doctor", "--json"]));
    assert!(told.len() == 6 && told[5].starts_with("26 more files that this device wrote are missing"), "{told:?}");
    db.execute("DELETE FROM lost WHERE why = 'it is not there' AND since_ms = 1", ()).expect("they are there");
    // The other one has it.
    repair(&two, 0, &[]);
    repair(&one, 0, &[]);
    assert_eq!(lost(&one), [0; 0]);
    let ran = one.carry_in(&one.home(), &["status", "--all"]);
    assert!(!ran.stdout.contains("gone here"), "{ran:?}");
}

#[test]
fn what_nobody_has_is_named_and_another_device_heals_it() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let log = log_of(&one);
    let file = code_files(&folder.path().join("carry/l"), &log).remove(0);
    fs::remove_file(&file).expect("it is there");
    flip(&code_files(&one.root().join("carry/data/exchange"), &log)[0]);
    let ran = repair(&one, 3, &[]);
    assert!(ran.stderr.contains("nobody that was asked has a good copy of a file of "), "{ran:?}");
    assert!(ran.stdout.contains("nas: nothing was healed.\n"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("Any other device that has a good copy puts it with `carry exchange verify --repair --deep`."),
        "{ran:?}"
    );
    let left = objects(&repair(&one, 3, &["--json"]), "exchange-left");
    assert_eq!((left.len(), &left[0]["kind"], &left[0]["log"]), (1, &"nowhere".into(), &log.as_str().into()));
    repair(&two, 0, &[]);
    repair(&one, 0, &[]);
    one.carry_in(&one.home(), &["exchange", "verify"]).is(0, "Everything is as it was written.\n", "");
}

#[test]
fn what_is_damaged_here_and_there_is_said_to_be_lost_and_not_to_be_repaired_again() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let log = log_of(&one);
    let there = code_files(&folder.path().join("carry/l"), &log).remove(0);
    flip(&there);
    flip(&code_files(&one.root().join("carry/data/exchange"), &log)[0]);
    let ran = repair(&one, 3, &["--deep"]);
    assert!(ran.stderr.contains("a file of this device is damaged here, and damaged there as well: "), "{ran:?}");
    assert!(ran.stderr.contains("nobody that was asked has a good copy of a file of this device: "), "{ran:?}");
    assert!(ran.stderr.contains(" of this device: record") && !ran.stderr.contains(&log), "{ran:?}");
    let left = "Error: not everything could be healed: 1 thing kept here is not as written, 1 file is nowhere\n";
    assert!(ran.stderr.contains(left), "{ran:?}");
    assert!(ran.stderr.contains("What it held is lost, unless another device has it."), "{ran:?}");
    assert!(!ran.stderr.contains("fetches it from whichever remote has it"), "{ran:?}");
    let told = repair(&one, 3, &["--deep", "--json"]);
    let problems = objects(&told, "exchange-repair")[0]["problems"].clone();
    assert!(problems.to_string().contains("nothing need be done"), "{problems}");
    // What the hint says another device is to do heals it.
    repair(&two, 0, &["--deep"]);
    repair(&one, 0, &["--deep"]);
}

#[test]
fn what_is_damaged_here_is_not_thrown_away_and_called_repaired_while_no_good_copy_can_be_had() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let log = log_of(&one);
    let file = code_files(&two.root().join("carry/data/exchange"), &log).remove(0);
    flip(&file);
    let found = objects(&two.carry_in(&two.home(), &["exchange", "verify", "--json"]), "exchange-finding");
    assert!(!found.is_empty());
    // The disk is not mounted.
    let away = folder.path().join("carry-away");
    fs::rename(folder.path().join("carry"), &away).expect("it is there");
    let ran = repair(&two, 1, &["--json"]);
    let told = objects(&ran, "exchange-finding");
    assert!(!told.is_empty() && told.iter().all(|finding| finding["repaired"] == false), "{ran:?}");
    let again = objects(&two.carry_in(&two.home(), &["exchange", "verify", "--json"]), "exchange-finding");
    assert_eq!(again, found, "nothing was let go of");
    // It is, and has none: what was let go of is not repaired either.
    fs::rename(&away, folder.path().join("carry")).expect("it is there");
    let there = code_files(&folder.path().join("carry/l"), &log).remove(0);
    let whole = fs::read(&there).expect("a file");
    fs::remove_file(&there).expect("it is there");
    let ran = repair(&two, 3, &["--json"]);
    let told = objects(&ran, "exchange-finding");
    assert!(!told.is_empty() && told.iter().all(|finding| finding["repaired"] == false), "{ran:?}");
    carry_testkit::repo::write_file(&there, &whole);
    repair(&two, 0, &[]);
    two.carry_in(&two.home(), &["exchange", "verify"]).is(0, "Everything is as it was written.\n", "");
}

#[test]
fn what_others_wrote_and_is_not_here_is_named_beside_what_is_whole() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let before = code_files(&folder.path().join("carry/l"), &log_of(&one));
    one.file("a.txt", "more of it\n");
    one.ok(&["now"]);
    exchange(&one);
    for file in code_files(&folder.path().join("carry/l"), &log_of(&one)) {
        if !before.contains(&file) {
            fs::remove_file(&file).expect("it is there");
        }
    }
    exchange(&two);
    let ran = two.carry_in(&two.home(), &["exchange", "verify"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("Everything is as it was written.\n"), "{ran:?}");
    assert!(ran.stdout.contains(" of code of ") && ran.stdout.contains("missing here ("), "{ran:?}");
    assert!(ran.stdout.contains("; each exchange asks for "), "{ran:?}");
    let missing = objects(&two.carry_in(&two.home(), &["exchange", "verify", "--json"]), "exchange-missing");
    assert_eq!((missing.len(), &missing[0]["stream"], &missing[0]["lost"]), (1, &"code".into(), &false.into()));
    one.carry_in(&one.home(), &["exchange", "verify"]).is(0, "Everything is as it was written.\n", "");
}

#[test]
fn a_repair_goes_on_beside_whoever_watches() {
    let folder = shared();
    let (one, _two) = settled(&folder);
    let file = code_files(&folder.path().join("carry/l"), &log_of(&one)).remove(0);
    let mut command = one.command(Path::new(env!("CARGO_BIN_EXE_carry")), &one.home());
    let child = command.args(["exchange", "--watch", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a line").expect("text");
    fs::remove_file(&file).expect("it is there");
    repair(&one, 0, &[]);
    assert!(file.is_file());
    let ended = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(ended.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_repair_that_is_interrupted_says_what_it_did_and_what_is_left() {
    let folder = shared();
    let (one, _two) = settled(&folder);
    let server = dav::Dav::start();
    server.set(dav::Quirks { is_open: true, ..dav::Quirks::default() });
    server.plant("/dav/keep", b"");
    one.ok(&["remote", "add", "web", &format!("dav+http://{}/dav/e", server.address()), "--no-code", "--yes"]);
    let file = code_files(&folder.path().join("carry/l"), &log_of(&one)).remove(0);
    fs::remove_file(&file).expect("it is there");
    server.fail("/dav/e/carry/l", u32::MAX, dav::Fault::Silence);
    let mut command = one.command(Path::new(env!("CARGO_BIN_EXE_carry")), &one.home());
    command.args(["exchange", "verify", "--repair"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    carry_testkit::patience::until("a request to the second one hangs", || server.count("/dav/e/carry/l") > 0);
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(interrupted.success());
    let ended = child.wait_with_output().expect("it ends");
    let (said, noted) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status.code(), Some(130), "{said} {noted}");
    assert!(said.contains("nas: put what was damaged or missing there: 1 file, ") && file.is_file(), "{said}");
    for part in ["Ending this; ", "Not gone through: web.\n", "Error: interrupted; what was healed before stays\n"] {
        assert!(noted.contains(part), "{part}: {noted}");
    }
    assert!(!noted.contains("nobody that was asked"), "not all were asked: {noted}");
}

#[test]
fn of_a_device_no_more_is_kept_than_the_settings_say() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, true);
    joins(&one, &folder);
    joins(&two, &folder);
    two.ok(&["now"]);
    meet(&one, &two);
    work(&one);
    exchange(&one);
    let with = |quota: &str| {
        let setting = format!("exchange.quota_per_device={quota}");
        two.carry_in(&two.home(), &["exchange", "--config", &setting])
    };
    let ran = with("1 KiB");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("has brought as much as one device may"), "{ran:?}");
    assert!(ran.stderr.contains("exchange.quota_per_device says how much may be kept of one device"), "{ran:?}");
    // What nobody can mean is named, and has no effect.
    let ran = two.carry_in(&two.home(), &["doctor", "--config", "exchange.quota_per_device=0"]);
    assert!(ran.stdout.contains("`exchange.quota_per_device` is 0"), "{ran:?}");
    let ran = with("0");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("nas: taken in "), "{ran:?}");
}

#[test]
fn where_no_remote_can_be_gone_through_each_is_named() {
    let (folder, stick, one) = (shared(), shared(), World::with_commit());
    joins(&one, &folder);
    let place = stick.path().canonicalize().expect("it is there");
    one.ok(&["remote", "add", "stick", place.to_str().expect("a plain path"), "--no-code", "--yes"]);
    for folder in [&folder, &stick] {
        fs::rename(folder.path().join("carry"), folder.path().join("away")).expect("it is there");
    }
    let ran = repair(&one, 1, &[]);
    let named = ["\nThe repair with nas did not come to its end:\nError: ", "Warning: stick: "];
    assert!(named.iter().all(|named| ran.stderr.contains(named)), "{ran:?}");
    let ran = repair(&one, 1, &["nas"]);
    assert!(!ran.stderr.contains("did not come to its end"), "nobody asks which: {ran:?}");
}

#[test]
fn on_a_disk_that_is_too_full_little_is_taken_in_and_everything_says_so() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, true);
    joins(&one, &folder);
    joins(&two, &folder);
    two.ok(&["now"]);
    // Of a device that nobody approved yet, some is kept all the same: what comes later is looked at.
    meet(&one, &two);
    work(&one);
    exchange(&one);
    let full = |arguments: &[&str]| {
        let setting = ["--config", "exchange.free_min=1000000 GiB"];
        two.carry_in(&two.home(), &[arguments, &setting].concat())
    };
    let ran = full(&["exchange"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("the disk here is nearly full (<SIZE> free, <SIZE> must be), and no more of "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("exchange.free_min"), "{ran:?}");
    let ran = full(&["status", "--all"]);
    assert!(
        ran.stdout.contains("the disk is nearly full, and little is taken in: <SIZE> free, <SIZE> must be"),
        "{ran:?}"
    );
    let ran = full(&["doctor"]);
    assert!(ran.stdout.contains("The disk is nearly full (<SIZE> free, <SIZE> must be)"), "{ran:?}");
    let stats = objects(&full(&["exchange", "stats", "--json"]), "exchange-stats").remove(0);
    assert_eq!((&stats["disk_low"], stats["disk_free_min"].as_u64()), (&true.into(), Some(1_000_000 << 30)), "{stats}");
    assert!(stats["disk_free"].as_u64() < stats["disk_free_min"].as_u64(), "{stats}");
    let n_here = || {
        let devices = objects(&two.carry_in(&two.home(), &["devices", "--json"]), "device");
        devices[1]["exchange"][0]["streams"]["code"]["held"].as_u64().expect("a number")
    };
    assert_eq!(n_here(), 0);
    exchange(&two);
    assert!(n_here() > 0);
    let ran = two.carry_in(&two.home(), &["status", "--all"]);
    assert!(!ran.stdout.contains("nearly full"), "{ran:?}");
}

#[test]
fn code_that_its_device_does_not_send_there_is_said_once_and_is_no_warning() {
    let (folder, stick, one) = (shared(), shared(), World::with_commit());
    let two = beside(&one, true);
    let place = |folder: &tempfile::TempDir| {
        let place = folder.path().canonicalize().expect("it is there");
        place.to_str().expect("a plain path").to_owned()
    };
    one.roomy();
    one.ok(&["remote", "add", "nas", &place(&folder), "--no-code", "--yes"]);
    one.ok(&["remote", "add", "stick", &place(&stick), "--code", "--yes"]);
    joins(&two, &folder);
    two.ok(&["now"]);
    meet(&one, &two);
    work(&one);
    // Both remotes are exchanged with at once: what is said for the one is put to the other the next time.
    exchange(&one);
    exchange(&one);
    let ran = exchange(&two);
    assert!(
        ran.stderr.contains(" of code of ")
            && ran.stderr.contains(" not at nas. Perhaps its device sends no code there"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("Warning"), "{ran:?}");
    let ran = exchange(&two);
    assert!(!ran.stderr.contains("code of") && !ran.stderr.contains("Warning"), "{ran:?}");
    // Whoever exchanged first, as a daemon, the reason can be read later.
    let says_why = |arguments: &[&str]| {
        let ran = two.carry_in(&two.home(), arguments);
        ran.stderr.contains("Perhaps its device sends no code there")
    };
    assert!(says_why(&["devices"]) && says_why(&["exchange", "verify"]));
    let told = objects(&two.carry_in(&two.home(), &["exchange", "--json"]), "exchange").remove(0);
    assert_eq!((&told["unsent"][0]["stream"], &told["unsent"][0]["new"]), (&"code".into(), &false.into()), "{told}");
    assert_eq!(told["problems"][0]["kind"], "missing");
    assert!(
        told["problems"][0]["advice"].as_str().expect("text").starts_with("Perhaps its device sends no code there")
    );
    one.ok(&["remote", "add", "nas", &place(&folder), "--code", "--yes"]);
    exchange(&one);
    let told = objects(&two.carry_in(&two.home(), &["exchange", "--json"]), "exchange").remove(0);
    assert_eq!((&told["unsent"], &told["problems"]), (&Value::Array(vec![]), &Value::Array(vec![])), "{told}");
    assert!(!says_why(&["devices"]) && !says_why(&["exchange", "verify"]));
}

#[test]
fn what_is_never_taken_in_is_not_missing() {
    let (folder, one) = (shared(), World::with_commit());
    let two = World::new();
    joins(&one, &folder);
    two.roomy();
    let place = folder.path().canonicalize().expect("it is there");
    two.ok(&["remote", "add", "nas", place.to_str().expect("a plain path"), "--no-code", "--yes"]);
    work(&one);
    meet(&one, &two);
    exchange(&one);
    exchange(&two);
    let code = || {
        let devices = objects(&two.ok(&["devices", "--json"]), "device");
        devices[1]["exchange"][0]["streams"]["code"].clone()
    };
    assert!(code()["published"].as_u64() > Some(0), "{}", code());
    assert_eq!((&code()["missing"], &code()["taken"]), (&Value::Array(Vec::new()), &false.into()));
    let ran = two.ok(&["devices"]);
    assert!(ran.stdout.contains(" not taken "), "{ran:?}");
    two.ok(&["remote", "add", "nas", place.to_str().expect("a plain path"), "--code", "--yes"]);
    assert_eq!((code()["missing"].as_array().map(Vec::len), &code()["taken"]), (Some(1), &true.into()));
    exchange(&two);
    assert_eq!((&code()["missing"], &code()["taken"]), (&Value::Array(Vec::new()), &true.into()));
}

/// The exchange's database and what SQLite keeps beside it.
const DATABASE: [&str; 3] = ["exchange.db", "exchange.db-wal", "exchange.db-shm"];

#[test]
fn a_database_older_than_the_rest_loses_nothing_and_is_told_once() {
    let (folder, kept) = (shared(), shared());
    let (one, two) = settled(&folder);
    let (data, log) = (one.root().join("carry/data"), log_of(&one));
    for name in DATABASE.iter().filter(|name| data.join(name).exists()) {
        fs::copy(data.join(name), kept.path().join(name)).expect("it is copied");
    }
    let before = code_files(&data.join("exchange"), &log);
    // What is said now reaches no remote.
    let (there, away) = (folder.path().join("carry/l").join(&log), folder.path().join("away"));
    fs::rename(&there, &away).expect("it is there");
    carry_testkit::repo::write_file(&there, b"in the way");
    one.file("later.txt", "what is written later\n");
    one.ok(&["now"]);
    assert_ne!(one.carry_in(&one.home(), &["exchange"]).code, 0);
    let new: Vec<_> =
        code_files(&data.join("exchange"), &log).into_iter().filter(|path| !before.contains(path)).collect();
    assert!(!new.is_empty());
    fs::remove_file(&there).expect("it is there");
    fs::rename(&away, &there).expect("it is there");
    for name in DATABASE {
        drop(fs::remove_file(data.join(name)));
        if kept.path().join(name).exists() {
            fs::copy(kept.path().join(name), data.join(name)).expect("it is copied");
        }
    }
    // To look costs nothing, and names what nothing knows.
    let ran = one.carry_in(&one.home(), &["exchange", "verify"]);
    assert!(ran.code == 0 && ran.stderr.contains("Nothing here knows "), "{ran:?}");
    let stats = objects(&one.carry_in(&one.home(), &["exchange", "stats", "--json"]), "exchange-stats").remove(0);
    assert!(stats["aside"].as_u64() >= Some(1), "{stats}");
    let notes = |world: &World| {
        let findings = objects(&world.carry_in(&world.home(), &["doctor", "--json"]), "finding");
        findings.into_iter().filter(|finding| finding["code"] == "exchange-aside").collect::<Vec<_>>()
    };
    let said = notes(&one);
    assert!(
        said.len() == 1 && said[0]["advice"].as_str().is_some_and(|it| it.contains("the next exchange")),
        "{said:?}"
    );
    assert!(new.iter().all(|path| path.exists()));
    // Here these files are gone, too.
    new.iter().for_each(|path| fs::remove_file(path).expect("it is there"));
    let ran = exchange(&one);
    assert!(ran.stderr.contains("it goes on under a new key ("), "{ran:?}");
    assert!(!exchange(&one).stderr.contains("new key"), "it is told once");
    assert_ne!(log_of(&one), log);
    for world in [&two, &one] {
        exchange(world);
    }
    let devices = objects(&two.carry_in(&two.home(), &["devices", "--json"]), "device");
    let logs = devices[1]["exchange"].as_array().expect("a list");
    let new = logs.iter().find(|other| other["log"] == log_of(&one).as_str()).expect("it is known");
    assert_eq!(new["state"], "approved", "{new}");
    assert!(new["streams"]["code"]["held"].as_u64() >= Some(1), "{new}");
    one.carry_in(&one.home(), &["exchange", "verify"]).is(0, "Everything is as it was written.\n", "");
}

#[test]
fn a_damaged_database_is_moved_away_and_its_log_speaks_for_the_next_one() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let (data, log) = (one.root().join("carry/data"), log_of(&one));
    for name in DATABASE {
        drop(fs::remove_file(data.join(name)));
    }
    carry_testkit::repo::write_file(&data.join("exchange.db"), &[b'x'; 8192]);
    for command in [&["exchange"][..], &["exchange", "verify"], &["exchange", "verify", "--repair"]] {
        let ran = one.carry_in(&one.home(), command);
        assert!(ran.code == 1 && ran.stderr.contains("Hint: Move exchange.db away, "), "{ran:?}");
    }
    let ran = one.carry_in(&one.home(), &["status"]);
    assert!(ran.code == 0 && !ran.stdout.contains("never exchanged"), "{ran:?}");
    assert!(ran.stdout.contains("  attention  exchange.db is damaged: "), "{ran:?}");
    assert!(ran.stderr.contains("Hint: Move exchange.db away, "), "{ran:?}");
    let overview = objects(&one.carry_in(&one.home(), &["status", "--json"]), "exchange-overview").remove(0);
    let says = |field: &str, part: &str| overview[field].as_str().is_some_and(|said| said.contains(part));
    assert!(says("error", "exchange.db is damaged") && says("advice", "Move exchange.db away, "), "{overview}");
    fs::rename(data.join("exchange.db"), data.join("exchange.db.kept")).expect("it is there");
    let ran = exchange(&one);
    assert!(
        ran.stderr.contains("exchange.db was gone, as where it was put away: this device goes on in a new log, "),
        "{ran:?}"
    );
    assert_ne!(log_of(&one), log);
    let ran = exchange(&two);
    assert!(ran.stderr.contains(" counts without a question, since "), "{ran:?}");
    let devices = objects(&one.carry_in(&one.home(), &["devices", "--json"]), "device");
    let logs = devices[0]["exchange"].as_array().expect("a list");
    let old = logs.iter().find(|other| other["log"] == log.as_str()).expect("it is this device's");
    assert_eq!(old["state"], "former", "{old}");
}

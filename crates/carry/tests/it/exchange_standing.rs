//! How an exchange is told of: each remote when it is done, what was silent for long, and what did not come.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use carry_testkit::dav;

use crate::exchange::{device, own_log};
use crate::exchange_code::{exchange, joins, objects, shared};
use crate::sessions::{A, C, archived, fixtures, id_of, json};
use crate::world::{Ran, World};

/// Runs `carry` as if so many days had gone by.
fn later(world: &World, days: u64, arguments: &[&str]) -> Ran {
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.home());
    world.run(command.args(arguments).env("CARRY_CLOCK_OFFSET", (days * 24 * 60 * 60).to_string()))
}

#[test]
fn what_came_of_a_remote_is_told_while_another_hangs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = dav::Dav::start();
    server.set(dav::Quirks { is_open: true, ..dav::Quirks::default() });
    server.plant("/dav/keep", b"");
    let world = device(&folder);
    world.ok(&["remote", "add", "cloud", &format!("dav+http://{}/dav/e", server.address()), "--no-code", "--yes"]);
    server.fail("/dav/e/carry/l", u32::MAX, dav::Fault::Silence);
    for (arguments, said) in
        [(&["exchange"][..], "nas: "), (&["exchange", "--json"], "{\"type\":\"exchange\",\"remote\":\"nas\"")]
    {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.home());
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let line = BufReader::new(child.stdout.take().expect("a pipe")).lines().next().expect("a line").expect("text");
        assert!(line.starts_with(said), "{line}");
        child.kill().expect("it runs: the other remote hangs");
        let noted = child.wait_with_output().expect("it ends").stderr;
        let noted = String::from_utf8_lossy(&noted);
        assert!(!noted.contains("Still waiting"), "it did not wait for the other: {noted}");
    }
}

#[test]
fn remotes_and_devices_that_were_silent_for_two_weeks_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (device(&folder), device(&folder));
    two.ok(&["devices", "rename", "laptop"]);
    for world in [&one, &two, &one] {
        world.ok(&["exchange"]);
        world.ok(&["devices", "approve", "--all", "--yes"]);
    }
    let said = |days| {
        let (status, doctor) = (later(&one, days, &["status", "--all"]), later(&one, days, &["doctor"]));
        (status.stdout, doctor.stdout)
    };
    let is_quiet = |days| {
        let (status, doctor) = said(days);
        let all = format!("{status}{doctor}");
        !all.contains("went well for") && !all.to_lowercase().contains("nothing was heard of")
    };
    assert!(is_quiet(0) && is_quiet(13));
    // Who was silent cannot be known while no remote is reached.
    let (status, doctor) = said(20);
    assert!(status.contains("no exchange with it went well for 20 days; `carry remote test nas` asks it"), "{status}");
    assert!(doctor.contains("No exchange with nas went well for 20 days."), "{doctor}");
    assert!(!status.contains("was heard of") && !doctor.contains("was heard of"), "{status}{doctor}");
    let overview = |days| {
        let ran = later(&one, days, &["status", "--all", "--json"]);
        let mut lines = ran.raw.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let found = lines.rfind(|line| line["type"] == "exchange-overview").expect("one remote");
        (found["silent"].clone(), found["unheard"].clone())
    };
    assert_eq!(overview(20), (true.into(), serde_json::json!([])));

    later(&one, 20, &["exchange"]);
    let (status, doctor) = said(21);
    assert!(status.contains("nothing was heard of laptop for 21 days; `carry devices revoke NAME`"), "{status}");
    assert!(doctor.contains("Nothing was heard of laptop for 21 days."), "{doctor}");
    assert!(!status.contains("went well for") && !doctor.contains("went well for"), "{status}{doctor}");
    let (silent, unheard) = overview(21);
    assert_eq!((silent, unheard.as_array().map(Vec::len)), (false.into(), Some(1)));

    // It speaks again.
    two.ok(&["devices", "rename", "notebook"]);
    later(&two, 21, &["exchange"]);
    later(&one, 21, &["exchange"]);
    assert!(is_quiet(22));
    later(&one, 30, &["exchange"]);
    assert!(!is_quiet(36));
    // Nobody waits for one that was revoked.
    one.ok(&["devices", "revoke", "notebook"]);
    assert!(is_quiet(36));
}

/// The files of a log's conversations in a folder, the first records first.
fn conversations(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for log in fs::read_dir(folder.join("carry/l")).expect("a folder") {
        for file in fs::read_dir(log.expect("it is there").path()).expect("a folder") {
            let path = file.expect("it is there").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sessions-")) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_conversation_of_which_messages_are_missing_is_marked_everywhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (device(&folder), device(&folder));
    // It is archived and told of in two parts.
    let project = ".claude/projects/-home-dana-code-orchard-api";
    let file = format!("{C}.jsonl");
    let whole = fs::read(fixtures().join("home").join(project).join(&file)).expect("a fixture");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let to = one.home().join(project);
    for n in [lines.len() / 2, lines.len()] {
        carry_testkit::repo::write_file(&to.join(&file), &lines[..n].concat());
        one.ok(&["sessions", "index"]);
        one.ok(&["exchange"]);
    }
    let files = conversations(folder.path());
    assert!(files.len() > 1, "each part is a file: {files:?}");
    let aside = folder.path().join("aside");
    fs::rename(&files[0], &aside).expect("the first goes");
    two.carry(&["exchange"]);
    two.ok(&["devices", "approve", "--all", "--yes"]);
    two.carry(&["exchange"]);

    let missing = |world: &World| json(world, &["sessions", "show", C])[0]["incomplete"].clone();
    let gap = missing(&two);
    assert_eq!((&gap["messages"][0][0], &gap["end"]), (&0.into(), &false.into()), "{gap}");
    assert_eq!(json(&two, &["sessions", "list", "--all"])[0]["incomplete"], gap);
    assert_eq!(json(&two, &["sessions", "export", C])[0]["session"]["incomplete"], gap);
    let shown = two.ok(&["sessions", "show", C]);
    assert!(shown.stdout.contains(" missing here\n"), "{shown:?}");
    assert!(shown.stdout.contains("\nMissing here: "), "{shown:?}");
    assert!(shown.stdout.contains("`carry exchange verify --repair` fetches what any remote has"), "{shown:?}");
    assert!(two.ok(&["sessions", "list", "--all"]).stdout.contains(" [incomplete]"));
    for form in ["markdown", "html"] {
        let ran = two.ok(&["sessions", "export", C, "--format", form]);
        assert!(ran.stdout.contains("Missing here") && ran.stderr.contains("Warning: Missing here: "), "{ran:?}");
    }
    let said = "1 session of other devices is incomplete, or may be";
    let (status, doctor) = (two.ok(&["status", "--all"]), two.carry(&["doctor"]));
    assert!(status.stdout.contains(said) && doctor.stdout.contains(said), "{status:?} {doctor:?}");
    let status = json(&two, &["status", "--all"]);
    assert_eq!(status.iter().find(|line| line["type"] == "sessions-status").expect("sessions")["incomplete"], 1);

    // Nothing is missing where it was written, nor once it has come.
    assert_eq!(missing(&one), serde_json::Value::Null);
    fs::rename(&aside, &files[0]).expect("it comes");
    two.ok(&["exchange"]);
    assert_eq!(missing(&two), serde_json::Value::Null);
    assert!(!two.ok(&["sessions", "list", "--all"]).stdout.contains("incomplete"));
    assert!(!two.ok(&["status", "--all"]).stdout.contains("incomplete"));
}

#[test]
fn what_lies_aside_is_told_by_doctor_with_where_it_lies_and_until_when() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = device(&folder);
    one.ok(&["exchange"]);
    let exchanged = one.root().join("carry/data/exchange");
    let log = own_log(&one)["log"].as_str().expect("it has a log").to_owned();
    for name in ["left.seg", "lost.seg"] {
        carry_testkit::repo::write_file(&exchanged.join(&log).join(name), b"12345");
    }
    one.ok(&["exchange"]);
    let findings = objects(&one.carry_in(&one.home(), &["doctor", "--json"]), "finding");
    let said: Vec<_> = findings.iter().filter(|finding| finding["code"] == "exchange-aside").collect();
    assert_eq!(said.len(), 1, "{findings:?}");
    let (problem, advice) =
        (said[0]["problem"].as_str().unwrap_or_default(), said[0]["advice"].as_str().unwrap_or_default());
    assert!(problem.starts_with("2 files (10 bytes) that exchange.db does not know lie aside in "), "{problem}");
    assert!(problem.ends_with("carry/data/exchange/aside."), "{problem}");
    assert!(advice.contains("what has lain there for exchange.grace, on "), "{advice}");
    assert_eq!(said[0]["severity"], "note");
}

#[test]
fn what_has_been_missing_for_a_day_is_told_until_it_comes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (device(&folder), device(&folder));
    one.ok(&["devices", "rename", "laptop"]);
    let project = ".claude/projects/-home-dana-code-orchard-api";
    let file = format!("{C}.jsonl");
    let whole = fs::read(fixtures().join("home").join(project).join(&file)).expect("a fixture");
    carry_testkit::repo::write_file(&one.home().join(project).join(&file), &whole);
    one.ok(&["sessions", "index"]);
    one.ok(&["exchange"]);
    let files = conversations(folder.path());
    let aside = folder.path().join("aside");
    assert_eq!(files.len(), 1);
    fs::rename(&files[0], &aside).expect("it goes");
    two.carry(&["exchange"]);
    two.ok(&["devices", "approve", "--all", "--yes"]);
    two.carry(&["exchange"]);

    let overdue = |days| {
        let ran = later(&two, days, &["status", "--all", "--json"]);
        objects(&ran, "exchange-overview")[0]["overdue"].as_array().expect("a list").clone()
    };
    let said = |days| {
        let (status, doctor) = (later(&two, days, &["status", "--all"]), later(&two, days, &["doctor"]));
        format!("{}{}", status.stdout, doctor.stdout)
    };
    // A sync tool may take a day, and who did not look again does not know.
    assert_eq!((overdue(0), overdue(3)), (Vec::new(), Vec::new()));
    assert!(!said(3).contains("been missing here"));
    later(&two, 3, &["exchange"]);
    let told = overdue(4);
    assert_eq!(told.len(), 1, "{told:?}");
    let missing = told[0]["missing"].as_array().expect("ranges").clone();
    assert_eq!((&told[0]["stream"], &missing[0][0]), (&"sessions".into(), &1.into()), "{told:?}");
    let n = missing[0][1].as_u64().expect("a number");
    let (records, have) = if n == 1 { ("record", "has") } else { ("records", "have") };
    let words = format!("{n} {records} of sessions of laptop {have} been missing here for 4 days");
    let all = said(4);
    assert!(all.contains(&format!("{words}; each exchange asks other devices")), "{all}");
    assert!(all.contains(&format!("{words}.")), "{all}");
    let findings = objects(&later(&two, 4, &["doctor", "--json"]), "finding");
    let found: Vec<_> = findings.iter().filter(|finding| finding["code"] == "exchange-missing").collect();
    assert_eq!((found.len(), &found[0]["severity"]), (1, &"warning".into()), "{findings:?}");

    fs::rename(&aside, &files[0]).expect("it comes");
    later(&two, 4, &["exchange"]);
    assert_eq!(overdue(5), Vec::<serde_json::Value>::new());
    assert!(!said(5).contains("been missing here"));
}

#[test]
fn what_was_said_and_cannot_be_exchanged_is_told_until_it_is_said_otherwise() {
    let (folder, world) = (shared(), archived());
    joins(&world, &folder);
    let id = id_of(&world, A);
    exchange(&world);
    // Masked, each of these is longer.
    let secrets: Vec<String> = (1000..4000).map(|n| format!("password=Zx9q{n}")).collect();
    world.ok(&["sessions", "pin", &id, "1", "--note", &secrets.join(" ")]);
    let findings = || {
        let all = objects(&world.carry(&["doctor", "--json"]), "finding");
        all.into_iter().filter(|finding| finding["code"] == "sessions-unsaid").collect::<Vec<_>>()
    };
    assert!(findings().is_empty(), "it was not tried yet");
    exchange(&world);
    let ran = world.ok(&["status", "--all"]);
    let told =
        "  attention  1 edit of sessions stays on this device, since it cannot be exchanged; `carry doctor` says";
    assert!(ran.stdout.contains(told), "{ran:?}");
    assert_eq!(objects(&world.ok(&["status", "--all", "--json"]), "sessions-status")[0]["unsaid"], 1);
    let found = findings();
    assert_eq!(found.len(), 1, "{found:?}");
    let problem = found[0]["problem"].as_str().expect("a text");
    assert!(problem.starts_with(&format!("The pin of session {id} is not exchanged: ")), "{problem}");
    assert!(!problem.contains("password"), "{problem}");
    world.ok(&["sessions", "pin", &id, "1", "--note", "short"]);
    exchange(&world);
    assert!(findings().is_empty());
    assert!(!world.ok(&["status", "--all"]).stdout.contains("cannot be exchanged"));
}

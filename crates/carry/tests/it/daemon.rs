//! `up`, `daemon`, `logs`: with a process in the background.

use crate::world::{World, field};

#[test]
fn up_registers_starts_captures_and_shows() {
    let world = World::with_commit();
    world.file("a.txt", "uncommitted\n");
    let ran = world.ok(&["up"]);
    assert!(ran.stdout.starts_with("Registered ~/repo.\nStarted the daemon (process <PID>).\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("captured   <AGE>, snapshot <ID>"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("The daemon runs (process <PID>).\n"), "{}", ran.stdout);
    assert_eq!(world.ok(&["show", &world.newest(), "a.txt"]).raw, "uncommitted\n");
    let ran = world.ok(&["up"]);
    assert!(ran.stdout.starts_with("~/repo is registered already.\nThe daemon runs already"), "{}", ran.stdout);
}

#[test]
fn the_daemon_captures_on_request() {
    let world = World::with_commit();
    world.ok(&["up"]);
    world.file("a.txt", "by the daemon\n");
    world.ok(&["now"]);
    assert_eq!(world.ok(&["show", &world.newest(), "a.txt"]).raw, "by the daemon\n");
    world.file("a.txt", "watched\n");
    world.ok(&["now", "--watched"]);
    world.ok(&["now"]);
    assert_eq!(world.ok(&["show", &world.newest(), "a.txt"]).raw, "watched\n");
}

#[test]
fn daemon_status_has_the_pid() {
    let world = World::new();
    assert_eq!(
        world.ok(&["daemon", "status", "--json"]).stdout,
        "{\"type\":\"daemon\",\"running\":false,\"pid\":null,\"answers\":false,\"version\":null,\"started\":null,\
         \"watches\":null,\"workers\":[],\"config\":null}\n"
    );
    world.ok(&["daemon", "start"]);
    let status = world.ok(&["daemon", "status", "--json"]).raw;
    let pid: u32 = field(&status, "pid").parse().unwrap();
    assert!(pid > 1);
    assert_eq!(field(&status, "answers"), "true");
    assert_eq!(field(&world.ok(&["status", "--json"]).raw, "pid"), pid.to_string());
    world.ok(&["daemon", "restart"]);
    assert_ne!(field(&world.ok(&["daemon", "status", "--json"]).raw, "pid"), pid.to_string());
    world.ok(&["daemon", "stop"]);
    assert_eq!(field(&world.ok(&["daemon", "status", "--json"]).raw, "running"), "false");
    assert_eq!(world.ok(&["daemon", "stop"]).stdout, "No daemon ran.\n");
}

#[test]
fn a_second_daemon_is_refused() {
    let world = World::new();
    world.ok(&["daemon", "start"]);
    let ran = world.carry(&["daemon", "run"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("a daemon already runs for this home"), "{ran:?}");
}

#[test]
fn logs_show_what_the_daemon_wrote() {
    let world = World::new();
    world.carry(&["logs"]).is(0, "", "There is no log yet; the daemon writes it.\n");
    world.ok(&["daemon", "start"]);
    world.ok(&["daemon", "stop"]);
    assert_ne!(world.ok(&["logs"]).stdout, "");
    assert_eq!(world.ok(&["logs", "-n", "1"]).stdout.lines().count(), 1);
}

#[test]
fn a_restore_works_beside_the_daemon() {
    let world = World::with_commit();
    world.ok(&["up"]);
    let first = world.newest();
    world.file("a.txt", "two\n");
    world.ok(&["restore", "a.txt", "--from", &first, "--force"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("one\n"));
    world.ok(&["undo"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn doctor_mends_a_missing_daemon() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.carry(&["doctor", "--fix", "--yes", "--json"]);
    assert!(
        ran.raw.lines().any(|line| line.contains("daemon-not-running") && line.contains("\"outcome\":\"mended\"")),
        "{ran:?}"
    );
    assert_eq!(field(&world.ok(&["daemon", "status", "--json"]).raw, "running"), "true");
}

#[test]
fn settings_of_this_run_hold_though_a_daemon_runs() {
    let world = World::with_commit();
    world.ok(&["up"]);
    world.file("big.bin", &"x".repeat(3000));
    let ran = world.ok(&["--config", "limits.large_file=2000", "now"]);
    assert_eq!(ran.stderr, "Warning: skipped big.bin (too large)\n");
    world.file("other.bin", &"y".repeat(3000));
    let mut command = world.command(env!("CARGO_BIN_EXE_carry").as_ref(), &world.repo());
    let ran = world.run(command.arg("now").env("CARRY_LIMITS_LARGE_FILE", "2000"));
    assert!(ran.stderr.contains("Warning: skipped other.bin (too large)\n"), "{ran:?}");
}

#[test]
fn a_daemon_that_has_not_heard_of_a_switch_is_told() {
    let world = World::with_commit();
    world.file("carry.toml", "[code]\nenabled = false\n");
    world.ok(&["daemon", "start"]);
    world.ok(&["add"]);
    world.file("carry.toml", "[code]\nenabled = true\n");
    let ran = world.ok(&["now"]);
    assert!(ran.stdout.starts_with("captured <ID> "), "{ran:?}");
}

#[test]
fn what_fails_in_the_daemon_keeps_its_hint() {
    let world = World::with_commit();
    world.ok(&["config", "set", "budget.repository", "1 B"]);
    world.ok(&["daemon", "start"]);
    world.ok(&["add"]);
    world.file("a.txt", "two\n");
    let ran = world.carry(&["now"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Hint: `carry prune --gc` gives space back"), "{ran:?}");
}

#[test]
fn up_promises_nothing_for_what_is_held_back() {
    let world = World::with_commit();
    world.ok(&["add"]);
    world.ok(&["pause"]);
    let ran = world.ok(&["up"]);
    assert!(!ran.stdout.contains("From now on"), "{}", ran.stdout);
    assert!(ran.stderr.contains("Warning: ~/repo is paused: nothing of it is captured\n"), "{ran:?}");
    assert!(ran.stderr.contains("Hint: `carry resume` captures it again.\n"), "{ran:?}");
    world.ok(&["resume"]);
    world.file("carry.toml", "[code]\nenabled = false\n");
    let ran = world.ok(&["up"]);
    assert!(!ran.stdout.contains("From now on"), "{}", ran.stdout);
    assert!(ran.stderr.contains("Hint: `carry config show --origin` there"), "{ran:?}");
}

#[test]
fn the_log_comes_as_objects() {
    let world = World::new();
    world.ok(&["daemon", "start"]);
    world.ok(&["daemon", "stop"]);
    let ran = world.ok(&["logs", "--json"]);
    assert_ne!(ran.raw, "");
    for line in ran.raw.lines() {
        assert_eq!(field(line, "type"), "log-line");
    }
}

#[test]
fn mending_in_json_prints_nothing_else() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.carry(&["doctor", "--fix", "--yes", "--json"]);
    for line in ran.raw.lines() {
        assert!(["finding", "error"].contains(&field(line, "type").as_str()), "{ran:?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_by_status_and_refuses_to_archive() {
    let world = World::with_commit();
    world.ok(&["up"]);
    let file = world.root().join("carry/config/config.toml");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    carry_testkit::repo::write_file(&file, format!("{before}\n[sessions\n").as_bytes());
    for command in [&["daemon", "status"][..], &["status"]] {
        let ran = world.ok(command);
        let said = &ran.stderr;
        assert!(said.contains("the daemon goes by the settings of before, since "), "{ran:?}");
        assert!(said.contains("config.toml:") && said.contains("TOML"), "{ran:?}");
        let json = world.ok(&[command, &["--json"]].concat()).raw;
        let daemon: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!(daemon["config"]["has_earlier"], true, "{daemon}");
        assert!(daemon["config"]["file"].as_str().unwrap().ends_with("config.toml"), "{daemon}");
        assert!(daemon["config"]["since"].is_string() && daemon["config"]["line"].is_u64(), "{daemon}");
    }
    let ran = world.carry(&["sessions", "index"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.is_empty() && ran.stderr.contains("config.toml"), "{ran:?}");
    carry_testkit::repo::write_file(&file, before.as_bytes());
    world.ok(&["sessions", "index"]);
    let ran = world.ok(&["daemon", "status"]);
    assert!(!ran.stderr.contains("config.toml"), "{ran:?}");
}

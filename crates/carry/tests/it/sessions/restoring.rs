//! Giving agents their files back, and going on with them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{A, A_SUBAGENT, archived, json};
use crate::world::World;

/// Writes a file of the tests.
pub(super) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).expect("room on the disk");
}

fn file_of_a(world: &World) -> PathBuf {
    world.home().join(format!(".claude/projects/-home-dana-code-orchard-api/{A}.jsonl"))
}

#[test]
fn an_agent_gets_its_file_back_to_the_byte() {
    let world = archived();
    let file = file_of_a(&world);
    let before = fs::read(&file).expect("the fixture");
    fs::remove_file(&file).expect("it is there");
    world.ok(&["sessions", "index"]);
    assert_eq!(
        json(&world, &["sessions", "list", "--all", "--limit", "0"]).iter().filter(|s| s["native"] == A).count(),
        1
    );
    let dry = json(&world, &["sessions", "restore", A, "--dry-run"]);
    assert_eq!(dry[0]["outcome"], "would-write");
    assert!(!file.exists());
    let ran = world.ok(&["sessions", "restore", A]);
    assert!(ran.stdout.starts_with("Wrote "), "{}", ran.stdout);
    assert_eq!(fs::read(&file).expect("it is back"), before);
    assert_eq!(file.metadata().expect("it is back").permissions().mode() & 0o777, 0o600);
    assert_eq!(json(&world, &["sessions", "restore", A])[0]["outcome"], "unchanged");
}

#[test]
fn a_file_that_differs_is_replaced_only_by_force() {
    let world = archived();
    let file = file_of_a(&world);
    let before = fs::read(&file).expect("the fixture");
    write(&file, "another\n");
    let ran = world.carry(&["sessions", "restore", A]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(fs::read(&file).expect("untouched"), b"another\n");
    world.ok(&["sessions", "restore", A, "--force"]);
    assert_eq!(fs::read(&file).expect("it is back"), before);
}

#[test]
fn what_an_agent_cut_is_kept_and_given_back() {
    let world = archived();
    let file = file_of_a(&world);
    let before = fs::read_to_string(&file).expect("the fixture");
    let half: String = before.lines().take(2).map(|line| format!("{line}\n")).collect();
    write(&file, &half);
    let ran = world.ok(&["sessions", "index"]);
    let told = "was cut from <SIZE> to <SIZE> by its agent";
    assert!(ran.stderr.contains(told) && ran.stderr.contains("--before"), "{}", ran.stderr);
    write(&file, "");
    let indexed = json(&world, &["sessions", "index"]);
    assert_eq!(indexed[0]["cut"][0]["before"], half.len(), "{indexed:?}");
    fs::remove_file(&file).expect("it is there");
    let ran = world.carry(&["sessions", "restore", A]);
    assert!(ran.code == 1 && ran.stderr.contains("--before"), "{}", ran.stderr);
    let ran = world.carry(&["sessions", "restore", A, "--before=3"]);
    assert!(ran.code == 1 && ran.stderr.contains("--before=2"), "{}", ran.stderr);
    world.ok(&["sessions", "restore", A, "--before"]);
    assert_eq!(fs::read_to_string(&file).expect("written"), half);
    assert_eq!(world.carry(&["sessions", "restore", A, "--before=2"]).code, 1, "a file that differs stays");
    world.ok(&["sessions", "restore", A, "--before=2", "--force"]);
    assert_eq!(fs::read_to_string(&file).expect("written"), before);
}

#[test]
fn a_file_is_written_elsewhere() {
    let world = archived();
    let to = world.root().join("out/a.jsonl");
    world.ok(&["sessions", "restore", A, "--to", to.to_str().expect("plain")]);
    assert_eq!(fs::read(&to).expect("written"), fs::read(file_of_a(&world)).expect("the fixture"));
}

#[test]
fn resume_starts_the_agent_in_the_folder_of_the_session() {
    let world = archived();
    let printed = world.ok(&["sessions", "resume", A, "--print"]);
    assert!(printed.stdout.contains(&format!("claude --resume {A}")), "{}", printed.stdout);
    let value = &json(&world, &["sessions", "resume", A])[0];
    assert_eq!(value["command"], serde_json::json!(["claude", "--resume", A]));
    let ran = world.carry(&["sessions", "resume", A_SUBAGENT]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("belongs to another session"), "{}", ran.stderr);
}

#[test]
fn resume_becomes_the_agent() {
    let world = World::with_commit();
    let folder = world.repo();
    let id = "0b51c9de-7a53-4c1f-9d6e-2f60a1b7c3d4";
    let line = serde_json::json!({
        "type": "user", "sessionId": id, "uuid": "a1", "cwd": folder, "timestamp": "2026-11-20T10:00:00.000Z",
        "message": {"role": "user", "content": "Why?"},
    });
    write(&world.home().join(format!(".claude/projects/-repo/{id}.jsonl")), &format!("{line}\n"));
    world.ok(&["sessions", "index"]);
    let bin = world.root().join("bin");
    write(&bin.join("claude"), "#!/bin/sh\necho \"$@ in $(pwd)\"\n");
    fs::set_permissions(bin.join("claude"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let carry = Path::new(env!("CARGO_BIN_EXE_carry"));
    let ran = world.run(world.command(carry, &world.root()).args(["sessions", "resume", id]).env("PATH", path));
    ran.is(0, &format!("--resume {id} in <DIR>/home/repo\n"), "");
}

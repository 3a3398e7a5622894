//! `carry sessions`: conversations with coding agents, from the fixtures of the library that reads them.

mod conflicting;
mod curating;
mod killed;
mod linking;
mod mistakes;
mod reading;
mod restoring;
mod sharing;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::world::{Ran, World};

/// Claude Code's sessions among the fixtures.
pub(crate) const A: &str = "51ea40b0-7088-4482-8231-74d06cde3e3a";
pub(crate) const A_SUBAGENT: &str = "agent-d09bbece3483c530b";
pub(crate) const C: &str = "1381972e-cf13-48c4-9cda-ebc8e9cdf984";
const H: &str = "54471716-98a1-4f3f-af7c-87b61bba52db";
const I: &str = "6b40cee8-7801-4be0-897f-ea044b3cd5dd";
/// One of Codex's.
const K1: &str = "019cfc79-1ed5-7189-9c57-36289dcd2763";

/// The folder of fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sessions/tests/fixtures")
}

/// A world in whose home agents have left the fixtures; nothing is archived yet.
pub(crate) fn with_agents() -> World {
    let world = World::with_commit();
    copy(&fixtures().join("home"), &world.home());
    world
}

/// The same, archived.
pub(crate) fn archived() -> World {
    let world = with_agents();
    world.ok(&["sessions", "index"]);
    world
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Runs `carry` and reads what it prints as JSON, one value a line.
#[track_caller]
pub(crate) fn json(world: &World, arguments: &[&str]) -> Vec<Value> {
    let ran = world.ok(&[&["--json"], arguments].concat());
    values(&ran)
}

#[track_caller]
pub(crate) fn values(ran: &Ran) -> Vec<Value> {
    ran.raw.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"))).collect()
}

/// Carry's id of a session of an agent.
#[track_caller]
pub(crate) fn id_of(world: &World, native: &str) -> String {
    let all = json(world, &["sessions", "list", "--all", "--limit", "0"]);
    let of_it = all.iter().find(|session| session["native"] == native);
    of_it.unwrap_or_else(|| panic!("no session {native}"))["id"].as_str().expect("text").to_owned()
}

/// Runs a script of the fixtures.
pub(crate) fn python(script: &str, arguments: &[&str]) {
    let said = Command::new("python3").arg(fixtures().join(script)).args(arguments).output().expect("python3");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

//! A first pass that dies at any moment is made good by the next one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{copy, values, with_agents};
use crate::world::World;

/// Runs `carry` with a home of its own for Carry; the agents' home is the same.
fn run(world: &World, carry_home: &Path, variables: &[(&str, String)], arguments: &[&str]) -> crate::world::Ran {
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
    command.env("CARRY_HOME", carry_home).args(arguments);
    for (name, value) in variables {
        command.env(name, value);
    }
    world.run(&mut command)
}

/// Everything in an archive, by session.
fn contents(world: &World, carry_home: &Path) -> BTreeMap<String, String> {
    let list = run(world, carry_home, &[], &["--json", "sessions", "list", "--all", "--limit", "0"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    let mut all = BTreeMap::new();
    for session in values(&list) {
        let id = session["id"].as_str().expect("an id").to_owned();
        let export = run(world, carry_home, &[], &["--json", "sessions", "export", "--raw", &id]);
        let mut value = values(&export).remove(0);
        // How often a session changed on its way is all that may differ.
        if let Value::Object(session) = &mut value["session"] {
            session.remove("revision");
        }
        all.insert(id, value.to_string());
    }
    all
}

#[test]
fn a_pass_that_is_killed_at_any_write_is_completed_by_the_next() {
    let world = with_agents();
    let base = world.root().join("base");
    // One identity for all, so that ids are the same.
    assert_eq!(run(&world, &base, &[], &["devices"]).code, 0);
    let undisturbed = world.root().join("undisturbed");
    copy(&base, &undisturbed);
    let trace = world.root().join("trace");
    let traced = [("CARRY_FAULT_TRACE", trace.display().to_string())];
    assert_eq!(run(&world, &undisturbed, &traced, &["sessions", "index"]).code, 0);
    let expected = contents(&world, &undisturbed);
    assert!(expected.len() > 15, "{}", expected.len());
    let passed = fs::read_to_string(&trace).expect("the trace");
    let mut points: BTreeMap<&str, u32> = BTreeMap::new();
    for point in passed.lines() {
        *points.entry(point).or_default() += 1;
    }
    let mut kills = 0;
    for (point, n) in points {
        // The first, the last, and some between them.
        let step = (n / 4).max(1);
        for nth in (1..=n).filter(|nth| *nth == n || (nth - 1) % step == 0) {
            let home = world.root().join(format!("{point}-{nth}"));
            copy(&base, &home);
            let fault = [("CARRY_FAULT", format!("{point}#{nth}=kill"))];
            let killed = run(&world, &home, &fault, &["sessions", "index"]);
            if killed.code == 0 {
                // Passed less often this time: others did not have to wait.
                continue;
            }
            kills += 1;
            let again = run(&world, &home, &[], &["sessions", "index"]);
            assert_eq!(again.code, 0, "{point} {nth}: {}", again.stderr);
            assert_eq!(contents(&world, &home), expected, "{point} {nth}");
            fs::remove_dir_all(&home).expect("it is ours");
        }
    }
    assert!(kills > 0, "no point was passed: {passed}");
}

//! Exports: no secret leaves.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{A, I, archived, json, python};
use crate::world::World;

#[test]
fn the_three_forms_hold_the_conversation() {
    let world = archived();
    let text = world.ok(&["sessions", "export", A]).raw;
    assert!(text.starts_with("# ") && text.contains("**Bash**"), "{text}");
    let value = &json(&world, &["sessions", "export", A])[0];
    assert_eq!((&value["type"], &value["session"]["native"]), (&"session-export".into(), &A.into()));
    assert!(value["mask"].is_string());
    let page = world.ok(&["sessions", "export", I, "--format", "html"]).raw;
    assert!(page.contains("default-src 'none'") && page.contains("id=\"msg-"), "{page}");
    assert!(!page.contains("<script"));
    let raw = &json(&world, &["sessions", "export", A, "--raw"])[0];
    assert_eq!(raw["mask"], Value::Null);
}

#[test]
fn a_file_is_written_for_its_owner() {
    let world = archived();
    let file = world.root().join("a.html");
    let ran = world.ok(&["sessions", "export", A, "-f", "html", "-o", file.to_str().expect("plain")]);
    assert!(ran.stdout.starts_with("Wrote "), "{}", ran.stdout);
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("written").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let told = json(&world, &["sessions", "export", A, "-f", "html", "-o", file.to_str().expect("plain")]);
    assert_eq!((&told[0]["type"], &told[0]["format"]), (&"session-exported".into(), &"html".into()));
}

/// Every form of an export of a session, masked.
fn exports(world: &World, session: &str) -> Vec<String> {
    ["markdown", "json", "html"].map(|form| world.ok(&["sessions", "export", session, "-f", form]).raw).into()
}

/// What stands in a page, as one reads it.
fn read(page: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(page.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn no_planted_secret_is_in_any_byte_that_leaves() {
    let world = World::with_commit();
    let out = world.root().join("built");
    python("build.py", &[out.to_str().expect("plain")]);
    super::copy(&out.join("home"), &world.home());
    world.ok(&["sessions", "index"]);
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(super::fixtures().join("expected-secrets.json")).expect("a file"))
            .expect("JSON");
    let session = expected["session"].as_str().expect("text");
    let mut planted: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
    for secret in expected["secrets"].as_array().expect("a list") {
        let len = usize::try_from(secret["len"].as_u64().expect("a number")).expect("small");
        let text = |name: &str| secret[name].as_str().expect("text").to_owned();
        planted.entry(len).or_default().push((text("sha256"), text("kind")));
    }
    let found = |text: &str| -> Vec<String> {
        let bytes = text.as_bytes();
        let mut kinds = Vec::new();
        for (len, secrets) in &planted {
            for window in bytes.windows(*len) {
                let hash: String = Sha256::digest(window).iter().map(|byte| format!("{byte:02x}")).collect();
                kinds.extend(secrets.iter().filter(|(sha, _)| *sha == hash).map(|(_, kind)| kind.clone()));
            }
        }
        kinds
    };
    let raw = world.ok(&["sessions", "export", session, "--raw"]).raw;
    let mut there = found(&raw);
    there.sort();
    there.dedup();
    assert!(there.len() >= 10, "the session holds them: {there:?}");
    for text in exports(&world, session) {
        assert_eq!(found(&text), Vec::<String>::new());
        assert_eq!(found(&read(&text)), Vec::<String>::new());
        assert!(text.contains("[REDACTED:"));
        for decoy in [format!("AKIA{}EXAMPLE", "IOSFODNN7"), format!("ghp_{}", "x".repeat(36))] {
            assert!(text.contains(&decoy), "{decoy}");
        }
    }
    let told = world.ok(&["sessions", "export", session]).stderr;
    assert!(told.starts_with("Masked "), "{told}");
}

#[test]
fn no_secret_of_the_matrix_is_in_any_byte_that_leaves_and_decoys_stay() {
    let world = World::with_commit();
    python("generate_sessions.py", &["--secrets-matrix", "--out", world.home().to_str().expect("plain")]);
    world.ok(&["sessions", "index"]);
    let truth: Value =
        serde_json::from_str(&fs::read_to_string(world.home().join("secrets-matrix.json")).expect("a file"))
            .expect("JSON");
    let list = |name: &str| truth[name].as_array().expect("a list").clone();
    for agent in ["claude", "codex"] {
        let session = truth[agent].as_str().expect("an id");
        let raw = world.ok(&["sessions", "export", session, "--raw"]).raw;
        for text in exports(&world, session).iter().flat_map(|text| [text.clone(), read(text)]) {
            for secret in list("secrets") {
                let value = secret["value"].as_str().expect("text");
                // Of several lines, one that is long enough to be nothing else.
                let line = value.lines().max_by_key(|line| line.len()).expect("a line");
                assert!(raw.contains(line), "{}", secret["kind"]);
                assert!(!text.contains(line), "{agent}: {} is not masked", secret["kind"]);
            }
            if agent == "claude" {
                let text = text.replace("\\_", "_").replace("\\#", "#");
                for decoy in list("decoys") {
                    let decoy = decoy.as_str().expect("text");
                    assert!(text.contains(decoy), "{decoy} does not stay");
                }
            }
        }
    }
}

#[test]
fn the_same_secret_has_the_same_placeholder_in_every_session() {
    let world = World::with_commit();
    let token = format!("{}_{}", "ghp", "0Kb5Jc8TqWv3Zx7Rm2Ld9Fs4Hy6Ng1Pa3uEi");
    for n in 0..2 {
        let id = format!("0b51c9de-7a53-4c1f-9d6e-2f60a1b7c3d{n}");
        let line = serde_json::json!({
            "type": "user", "sessionId": id, "uuid": format!("a{n}"), "cwd": "/x", "timestamp": "2026-11-20T10:00:00.000Z",
            "message": {"role": "user", "content": format!("take {token} please")},
        });
        super::restoring::write(&world.home().join(format!(".claude/projects/-x/{id}.jsonl")), &format!("{line}\n"));
    }
    world.ok(&["sessions", "index"]);
    let placeholder = |n: u32| {
        let id = format!("0b51c9de-7a53-4c1f-9d6e-2f60a1b7c3d{n}");
        let text = world.ok(&["sessions", "export", &id]).raw;
        let start = text.find("[REDACTED:").expect("a placeholder");
        text[start..].split_inclusive(']').next().expect("its end").to_owned()
    };
    let first = placeholder(0);
    assert_eq!(first, placeholder(1));
    // What is let through by its fingerprint is not masked any more.
    let fingerprint = first.trim_end_matches(']').rsplit(':').next().expect("a fingerprint").to_owned();
    let allow = format!("sessions.allow=[\"{fingerprint}\"]");
    let ran = world.ok(&["--config", &allow, "sessions", "export", "0b51c9de-7a53-4c1f-9d6e-2f60a1b7c3d0"]);
    assert!(ran.raw.contains(&token), "{}", ran.raw);
    let ran = world.carry(&[
        "--config",
        "sessions.allow=[\"what\"]",
        "sessions",
        "export",
        "0b51c9de-7a53-4c1f-9d6e-2f60a1b7c3d0",
    ]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("rule:NAME"), "{}", ran.stderr);
}

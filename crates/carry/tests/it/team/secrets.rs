//! From agents' files to the files of the server: no secret is in any byte of these.

use std::collections::BTreeSet;
use std::fs;

use carry_testkit::postgres::{Options, Server};
use serde_json::Value;

use super::carry_reading;
use crate::sessions::{json, python};
use crate::world::World;

/// A piece of a secret this long is as good as the secret to whoever looks for it.
const WINDOW: usize = 8;

/// Pieces of a secret that nothing else has: not the decoys, and not what the conversation says without it.
fn pieces(value: &str, harmless: &str) -> BTreeSet<String> {
    let letters: Vec<char> = value.chars().collect();
    let windows = letters.windows(WINDOW).map(|window| window.iter().collect::<String>());
    windows.filter(|window| !harmless.contains(window.as_str())).collect()
}

#[test]
fn no_piece_of_a_planted_secret_is_in_a_table_a_log_or_a_file_of_the_server() {
    // A server of its own: its files hold nothing of other tests.
    let server = Server::start_with(&Options { is_unsafe: true, ..Options::default() });
    let database = server.database();
    let world = World::with_commit();
    python("generate_sessions.py", &["--secrets-matrix", "--out", world.home().to_str().expect("plain")]);
    world.ok(&["sessions", "index"]);
    let truth: Value =
        serde_json::from_str(&fs::read_to_string(world.home().join("secrets-matrix.json")).expect("a file"))
            .expect("JSON");
    let ran = carry_reading(&world, &["team", "init", "--url", "-"], &server.admin_url(&database));
    assert_eq!(ran.code, 0, "{ran:?}");
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    // Curated, too: what the user writes is text like any other.
    let secrets: Vec<&str> = truth["secrets"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|secret| secret["value"].as_str().expect("text"))
        .collect();
    let session = truth["claude"].as_str().expect("an id");
    let token = secrets.iter().find(|value| value.starts_with("ghp_")).expect("one of them");
    world.ok(&["sessions", "rename", session, &format!("with {token}")]);
    world.ok(&["sessions", "pin", session, "0", "--note", &format!("note {token}")]);
    let preview = world.ok(&["team", "preview"]);
    let pushed = &json(&world, &["team", "push"])[0];
    let detected = &json(&world, &["team", "status"])[0]["total_secrets_detected"];
    assert!(detected.as_u64() >= Some(secrets.len() as u64 / 2), "{detected}");
    assert_eq!(pushed["failed"], serde_json::json!([]), "{pushed}");
    assert!(pushed["masked"].as_u64() >= Some(secrets.len() as u64 / 2), "{pushed}");
    world.ok(&["team", "push", "--full"]);
    world.ok(&["team", "verify", "--deep"]);
    world.ok(&["team", "share", "--all", "--mode", "prompts"]);
    world.ok(&["team", "push"]);
    // What may stand there: what an export shows, quoted as JSON and as it is.
    let exports = ["json", "markdown"].map(|form| world.ok(&["sessions", "export", session, "-f", form]).raw);
    let exported = format!("{}{}{}", exports[0], exports[1], exports[0].replace("\\\"", "\""));
    let dump = server.dump(&database);
    assert!(dump.contains("[REDACTED:"), "something was masked");
    for value in &secrets {
        let line = value.lines().max_by_key(|line| line.len()).expect("a line");
        let pieces = pieces(line, &exported);
        assert!(!pieces.is_empty(), "a secret has something of its own");
        for piece in &pieces {
            assert!(!dump.contains(piece.as_str()), "{piece:?} of a secret is in a table");
            assert!(!preview.raw.contains(piece.as_str()), "{piece:?} of a secret is in a preview");
        }
        // In the middle, where nothing belongs to its form.
        let middle = pieces.iter().nth(pieces.len() / 2).expect("one");
        let found = server.grep(middle);
        assert_eq!(found, Vec::<std::path::PathBuf>::new(), "{middle:?}");
    }
    let log = server.log();
    for value in &secrets {
        assert!(!log.contains(value), "a secret is in the server's log");
    }
    world.ok(&["team", "unshare", "--all"]);
}

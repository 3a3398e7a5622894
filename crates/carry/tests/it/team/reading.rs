//! `list`, `search`, `show`, `totals`: what others have shared, whatever they have put into their rows.

use carry_testkit::postgres::{PASSWORD, shared};
use serde_json::json;

use super::{Store, carry_reading, hides_the_password, pushed, set_up};
use crate::sessions::{A, A_SUBAGENT, id_of, json, values};
use crate::world::World;

const FULL: &str = "aaaaaaaaaaaaaaaa";
const META: &str = "bbbbbbbbbbbbbbbb";

/// A world that has nothing of its own, with a store to which Dana has pushed two sessions.
fn with_sessions() -> (World, Store) {
    let (world, store) = (World::with_commit(), Store::new());
    set_up(&world, &store);
    store.ask(
        "INSERT INTO owners (role, person) VALUES ('dana', 'Dana');
         INSERT INTO clients (owner, origin, holder, label, version, until) VALUES (1, 'o', 'h', 'laptop', '1', now())",
    );
    put(&store, FULL, "full", &[("user", "Mend the gate\n\nplease"), ("assistant", "The **gate** is open.")]);
    put(&store, META, "metadata", &[]);
    store.ask(
        "UPDATE sessions SET first_prompt = NULL, ended = '2020-01-01T00:00Z' WHERE native = 'native-bbbbbbbbbbbbbbbb'",
    );
    (world, store)
}

fn put(store: &Store, id: &str, mode: &str, messages: &[(&str, &str)]) {
    let mut sql = format!(
        "INSERT INTO units (owner, key, kind, origin, mode, mask) VALUES (1, '{id}', 'session', 'o', '{mode}', '1');
         INSERT INTO sessions (unit, owner, agent, native, origin, project, project_key, first_prompt, is_renamed, is_automated,
            started, ended, messages, user_messages, abandoned, calls, failures, malformed, is_starred, is_trashed, labels)
         SELECT n, 1, 'claude', 'native-{id}', 'o', 'orchard', 'github.com/acme/orchard', 'Mend the gate', false, false,
            now(), now(), 2, 1, 0, 0, 0, 0, false, false, '{{}}' FROM units WHERE key = '{id}';"
    );
    for (ordinal, (role, text)) in messages.iter().enumerate() {
        let json = json!({"ordinal": ordinal, "role": role, "blocks": [{"type": "text", "text": text}]});
        sql.push_str(&format!(
            "INSERT INTO messages (unit, owner, ordinal, role, is_system, is_abandoned, json, digest)
             SELECT n, 1, {ordinal}, {}, false, false, $q${json}$q$, sha256('') FROM units WHERE key = '{id}';",
            ordinal % 2,
        ));
    }
    sql.push_str(&format!(
        "INSERT INTO words (unit, owner, bucket, part, parts, words, digest)
         SELECT n, 1, 0, 0, 1, array_to_tsvector(ARRAY['mend', 'the', 'gate', 'please', 'is', 'open']), sha256('')
         FROM units WHERE key = '{id}'"
    ));
    store.ask(&sql);
}

#[test]
fn list_shows_whose_the_sessions_are_and_how_much_is_shared() {
    let (world, _store) = with_sessions();
    let ran = world.ok(&["team", "list"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stdout);
    assert!(lines[0].ends_with("claude   Dana (laptop)  orchard  Mend the gate"), "{}", ran.stdout);
    assert!(
        lines[1].contains("Dana (laptop)  orchard  Claude Code bbbb") && lines[1].ends_with("[metadata]"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stderr, "");
    let listed = json(&world, &["team", "list"]);
    assert_eq!(
        (&listed[0]["type"], &listed[0]["person"], &listed[0]["device"], &listed[0]["mode"]),
        (&"team-session".into(), &"Dana".into(), &"laptop".into(), &"full".into())
    );
    assert_eq!(listed[0]["session"]["id"], FULL);
    assert_eq!((listed[1]["mode"].as_str(), listed[1]["session"]["first_prompt"].as_str()), (Some("metadata"), None));
    let link = listed[0]["link"].as_str().expect("text");
    assert!(link.starts_with("carry://team/") && link.ends_with(FULL), "{link}");
}

#[test]
fn list_is_cut_filtered_and_says_so() {
    let (world, store) = with_sessions();
    let ran = world.ok(&["team", "list", "-n", "1"]);
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, "1 more session; `--limit 0` shows all.\n"));
    assert_eq!(json(&world, &["team", "list", "-n", "0"]).len(), 2);
    let head = world.git(&["rev-parse", "HEAD"]);
    store.ask(&format!(
        "INSERT INTO links (unit, owner, idx, kind, target, evidence, ordinal, repo, number) VALUES
            (1, 1, 0, 'commit', '{}', 'created', 0, NULL, NULL),
            (2, 1, 0, 'pull_request', 'https://github.com/acme/orchard/pull/12', 'created', 0, 'github.com/acme/orchard', 12)",
        &head[..9]
    ));
    let ids = |arguments: &[&str]| -> Vec<String> {
        let listed = json(&world, &[&["team", "list"], arguments].concat());
        listed.iter().map(|shared| shared["session"]["id"].as_str().expect("text").to_owned()).collect()
    };
    for (arguments, expected) in [
        (&["--commit", "HEAD"][..], &[FULL][..]),
        (&["--commit", head.trim()], &[FULL]),
        (&["--commit", "0123456"], &[]),
        (&["--pr", "12"], &[META]),
        (&["--pr", "https://github.com/acme/orchard/pull/12"], &[META]),
        (&["--pr", "#13"], &[]),
        (&["--person", "dan"], &[FULL, META]),
        (&["--person", "eli"], &[]),
        (&["--project", "orch", "--agent", "Claude"], &[FULL, META]),
        (&["--agent", "codex"], &[]),
        (&["--since", "2021-01-01"], &[FULL]),
        (&["--until", "2019-01-01"], &[]),
    ] {
        assert_eq!(ids(arguments), expected, "{arguments:?}");
    }
    assert_eq!(world.ok(&["team", "list", "--person", "eli"]).stderr, "No shared session is like that.\n");
    store.ask("UPDATE sessions SET is_trashed = true WHERE unit = 1");
    let ran = world.ok(&["team", "list"]);
    assert!(
        ran.stderr.contains("1 subagent, abandoned branch, automated or trashed session is hidden; --all"),
        "{}",
        ran.stderr
    );
    assert_eq!(ids(&["--all"]).len(), 2);
}

#[test]
fn search_shows_where_the_words_stand() {
    let (world, _store) = with_sessions();
    let ran = world.ok(&["team", "search", "gate"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].contains("Dana (laptop)"), "{}", ran.stdout);
    assert_eq!(lines[1..], ["   #0 user     Mend the gate please", "   #1 agent    The **gate** is open."]);
    let hits = json(&world, &["team", "search", "gate", "-n", "1"]);
    assert_eq!((hits.len(), &hits[0]["type"], &hits[0]["highlights"]), (1, &"team-hit".into(), &json!([[9, 13]])));
    assert!(hits[0]["link"].as_str().is_some_and(|link| link.ends_with(&format!("{FULL}#0"))), "{}", hits[0]);
    let more = world.ok(&["team", "search", "gate", "-n", "1"]);
    assert_eq!(more.stderr, "There are more hits; `--offset 1` shows the next.\n");
    assert_eq!(json(&world, &["team", "search", "gate", "--offset", "1"]).len(), 1);
    assert_eq!(json(&world, &["team", "search", "gate", "--without", "open"]).len(), 1);
    let none = world.ok(&["team", "search", "no-such-word"]);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "Nothing matches.\n"));
}

#[test]
fn show_renders_a_conversation_and_says_what_is_not_shared() {
    let (world, _store) = with_sessions();
    let link = json(&world, &["team", "list"])[0]["link"].as_str().expect("text").to_owned();
    for spec in [FULL, &FULL[..6], "native-aaaaaaaaaaaaaaaa", &link] {
        let ran = world.ok(&["team", "show", spec]);
        for part in ["Mend the gate\n", "Dana (laptop)", &link, "#0 Dana\n", "#1 Agent\n", "The gate is open.\n"] {
            assert!(ran.raw.contains(part), "{spec} {part}: {}", ran.raw);
        }
        assert_eq!(ran.stderr, "");
    }
    let one = world.ok(&["team", "show", &format!("{link}#1")]);
    assert_eq!(one.stdout, "#1 Agent\nThe gate is open.\n\n");
    assert_eq!(world.ok(&["team", "show", FULL, "--message", "1"]).stdout, one.stdout);
    let shown = json(&world, &["team", "show", FULL]);
    assert_eq!(
        (shown.len(), &shown[0]["type"], &shown[2]["type"]),
        (3, &"team-session".into(), &"team-message".into())
    );
    assert_eq!(shown[2]["link"], format!("{link}#1"));
    assert_eq!(shown[2]["blocks"][0]["text"], "The **gate** is open.");
    let ran = world.ok(&["team", "show", META]);
    assert_eq!(ran.stderr, "It is shared as metadata: its text is not in the store.\n");
    let ran = world.carry(&["team", "show", META, "--message", "0"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("has no message 0") && ran.stderr.contains("shared as metadata"), "{}", ran.stderr);
}

#[test]
fn what_names_no_or_several_sessions_is_told() {
    let (world, store) = with_sessions();
    let ran = world.carry(&["team", "show", "cccc"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no shared session \"cccc\""), "{}", ran.stderr);
    let ran = world.carry(&["team", "show", "native-"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("could be 2 sessions") && ran.stderr.matches("carry://team/").count() == 2,
        "{}",
        ran.stderr
    );
    let ran = world.carry(&["team", "show", "carry://team/x"]);
    assert_eq!(ran.code, 2);
    let ran = world.carry(&["team", "show", &format!("carry://team/elsewhere/1/{FULL}")]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("is of a store that is not configured here"), "{}", ran.stderr);
    let name = store.ask("SELECT value FROM meta WHERE key = 'store'");
    let ran = world.carry(&["team", "show", &format!("carry://team/{name}/77/{FULL}")]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no shared session"), "{}", ran.stderr);
}

#[test]
fn values_that_mean_nothing_are_wrong_usage() {
    let (world, _store) = with_sessions();
    for arguments in [
        &["list", "--since", "someday"][..],
        &["list", "--commit", "123456"],
        &["list", "--commit", "no-commit"],
        &["list", "--pr", "x"],
        &["list", "--pr", "#"],
        &["list", "--store", "another"],
        &["search", "-n", "x", "y"],
        &["search", "--", "-x"],
        &["search", "\""],
        &["totals", "--until", "?"],
        &["show"],
    ] {
        let ran = world.carry(&[&["team"], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn totals_are_shown_by_project() {
    let (world, store) = with_sessions();
    let ran = world.ok(&["team", "totals"]);
    assert!(ran.stdout.is_empty() && ran.stderr.starts_with("No project shares sums"), "{ran:?}");
    store.ask(
        "INSERT INTO units (owner, key, kind, origin, mode, mask) VALUES (1, 't1', 'totals', 'o', 'aggregates', '1');
         INSERT INTO projects SELECT n, 1, 'github.com/acme/cellar', 'cellar' FROM units WHERE key = 't1';
         INSERT INTO totals SELECT n, 1, 0, '2026-11-18', 'claude', 'm', 3, 30, 9, 5, 1, 100, 2000, 0, 0, 1500000
            FROM units WHERE key = 't1';
         INSERT INTO totals SELECT n, 1, 1, '2026-11-20', 'claude', 'm', 1, 10, 3, 5, 1, 100, 1000, 0, 0, 500000
            FROM units WHERE key = 't1'",
    );
    let ran = world.ok(&["team", "totals"]);
    let row: Vec<&str> =
        ran.stdout.lines().nth(1).unwrap_or_default().split("  ").filter(|cell| !cell.is_empty()).collect();
    let cells: Vec<&str> = row.iter().map(|cell| cell.trim()).collect();
    assert_eq!(
        cells,
        ["Dana (laptop)", "cellar", "claude", "2026-11-18 to 2026-11-20", "4", "40", "3.0 k", "$2.00"],
        "{}",
        ran.stdout
    );
    let totals = json(&world, &["team", "totals", "--since", "2026-11-19"]);
    assert_eq!((&totals[0]["type"], &totals[0]["project"]), (&"team-totals".into(), &"cellar".into()));
    assert_eq!((&totals[0]["days"][0]["sessions"], &totals[0]["days"][0]["cost"]), (&1.into(), &0.5.into()));
}

#[test]
fn nothing_in_a_row_steers_the_terminal() {
    let (world, store) = with_sessions();
    let evil = "\u{1b}[2J\u{1b}]0;gate\u{7}\u{202e}\r\u{9b}31m gate";
    store.ask(&format!(
        "UPDATE owners SET person = $q${evil}$q$; UPDATE clients SET label = $q${evil}$q$;
         UPDATE sessions SET project = $q${evil}$q$, branch = $q${evil}$q$, model = $q${evil}$q$, agent = $q${evil}$q$,
            name = $q${evil}$q$, labels = ARRAY[$q${evil}$q$], native = $q${evil}$q$ || unit"
    ));
    let json = json!({"ordinal": 0, "role": "user", "subtype": evil, "blocks": [
        {"type": "text", "text": evil},
        {"type": "call", "index": 0, "id": evil, "name": evil, "category": "Bash", "input": {"command": evil}},
        {"type": "other", "kind": evil, "value": evil},
    ]});
    store.ask(&format!("UPDATE messages SET json = $q${json}$q$ WHERE ordinal = 0"));
    for arguments in [
        &["list"][..],
        &["search", "gate"],
        &["show", FULL, "--full", "--all"],
        &["show", "aaaaa", "--message", "0"],
        &["show", "\u{1b}[2J"],
        &["list", "--person", "\u{1b}[2J"],
    ] {
        let ran = world.carry(&[&["team"], arguments].concat());
        for text in [&ran.raw, &ran.stderr] {
            let steers = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}');
            assert!(!text.contains(steers), "{arguments:?}: {text:?}");
        }
    }
    store.ask(&format!("UPDATE units SET key = $q${evil}$q$ WHERE n = 1"));
    let ran = world.ok(&["team", "list"]);
    assert!(ran.stderr.contains("damaged") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
}

#[test]
fn a_store_that_does_not_answer_or_lets_nobody_in_is_told_apart() {
    let (world, store) = with_sessions();
    let server = shared();
    let role = server.role("");
    let empty = server.database();
    for (url, said) in [
        ("postgres://u@127.0.0.1:1/d".to_owned(), "127.0.0.1:1 cannot be connected to"),
        (server.url(&role, "wrong", &store.database), "password"),
        (server.url(&role, PASSWORD, &store.database), "permission denied"),
        (server.admin_url(&empty), "carry team init"),
    ] {
        let file = world.root().join("url");
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create(true).truncate(true), 0o600);
        let mut file_of = options.open(&file).expect("a file");
        std::io::Write::write_all(&mut file_of, url.as_bytes()).expect("room on the disk");
        let config = format!("team.url_file={}", file.display());
        let ran = world.carry(&["--config", "team.url=", "--config", &config, "team", "list"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.contains(said) && ran.stderr.contains("Hint: "), "{said}: {}", ran.stderr);
        hides_the_password(&ran);
    }
    let ran = carry_reading(
        &world,
        &["--json", "--config", "team.url=postgres://u@127.0.0.1:1/d", "--config", "team.url_file=", "team", "list"],
        "",
    );
    assert_eq!(values(&ran)[0]["type"], "error");
}

#[test]
fn what_was_pushed_is_read_back() {
    let (world, _store) = pushed();
    let id = id_of(&world, A);
    let listed = json(&world, &["team", "list", "-n", "0", "--all"]);
    let local = json(&world, &["sessions", "list", "-n", "0", "--all"]);
    assert_eq!(listed.len(), local.len());
    let shared = listed.iter().find(|shared| shared["session"]["id"] == id.as_str()).expect("it was pushed");
    let archived = local.iter().find(|session| session["id"] == id.as_str()).expect("it is archived");
    for field in
        ["agent", "native", "project", "messages", "user_messages", "calls", "started", "ended", "input_tokens", "cost"]
    {
        assert_eq!(shared["session"][field], archived[field], "{field}");
    }
    let messages = |command: &str| -> Vec<serde_json::Value> {
        let mut shown = json(&world, &[command, "show", &id]).split_off(1);
        for message in &mut shown {
            for field in ["type", "link"] {
                message.as_object_mut().expect("an object").remove(field);
            }
        }
        shown
    };
    assert_eq!(messages("team"), messages("sessions"));
    let places = |command: &str| {
        let mut hits: Vec<_> = json(&world, &[command, "search", "commit", "-n", "1000"])
            .iter()
            .map(|hit| {
                (
                    hit["session"]["id"].as_str().or(hit["session"]["session"]["id"].as_str()).map(str::to_owned),
                    hit["message"].as_u64(),
                )
            })
            .collect();
        hits.sort();
        hits
    };
    assert_eq!(places("team"), places("sessions"));
    assert!(!json(&world, &["team", "list"]).iter().any(|shared| shared["session"]["native"] == A_SUBAGENT));
}

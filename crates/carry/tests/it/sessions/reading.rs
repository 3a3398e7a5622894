//! Index, list, search, show, stats, sources.

use std::fs;

use super::{A, A_SUBAGENT, C, H, I, K1, archived, id_of, json, with_agents};

#[test]
fn index_says_what_it_found_and_how_to_go_on() {
    let world = with_agents();
    let ran = world.ok(&["sessions", "index"]);
    for word in ["claude", "codex", "gemini"] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
    assert!(ran.stderr.contains("carry sessions list"), "{}", ran.stderr);
    let again = json(&world, &["sessions", "index"]);
    assert_eq!((&again[0]["type"], &again[0]["read"]), (&"sessions-indexed".into(), &0.into()), "{again:?}");
    assert_eq!(again[0]["changed"], 0);
}

#[test]
fn a_file_that_cannot_be_read_leaves_the_rest_and_gives_exit_code_three() {
    let world = with_agents();
    // A link to itself can be listed and not opened; permissions would mean nothing to root.
    let folder = world.home().join(".claude/projects/-home-dana-code-orchard-api");
    std::os::unix::fs::symlink("loop.jsonl", folder.join("loop.jsonl")).expect("a link");
    let ran = world.carry(&["sessions", "index"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("loop.jsonl") && ran.stdout.contains("codex 7"), "{} {}", ran.stdout, ran.stderr);
    let broken = world.home().join(".codex/sessions");
    fs::remove_dir_all(&broken).expect("it is there");
    super::restoring::write(&broken, "no folder");
    let ran = world.carry(&["sessions", "index"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(json(&world, &["sessions", "list", "--limit", "0"]).iter().any(|session| session["native"] == K1));
}

#[test]
fn list_shows_what_a_user_has_talked_about() {
    let world = archived();
    let listed = json(&world, &["sessions", "list", "--limit", "0"]);
    let natives: Vec<&str> = listed.iter().filter_map(|session| session["native"].as_str()).collect();
    assert!(natives.contains(&A) && natives.contains(&K1), "{natives:?}");
    assert!(!natives.contains(&A_SUBAGENT), "{natives:?}");
    for session in &listed {
        assert_eq!(session["type"], "session");
        assert_eq!(session["id"].as_str().map(str::len), Some(16));
    }
    let ended: Vec<&str> = listed.iter().filter_map(|session| session["ended"].as_str()).collect();
    assert!(ended.is_sorted_by(|a, b| a >= b), "{ended:?}");
    let all = json(&world, &["sessions", "list", "--all", "--limit", "0"]);
    assert!(all.iter().any(|session| session["native"] == A_SUBAGENT && session["relation"] == "subagent"));
}

#[test]
fn machines_are_told_what_the_device_of_a_session_is_called() {
    let world = archived();
    world.ok(&["devices", "rename", "big laptop"]);
    let file = "orchard";
    for command in [&["list"][..], &["show", A], &["star", A], &["search", file, "--limit", "1"]] {
        let said = json(&world, &[&["sessions"], command].concat());
        let session = if said[0]["session"].is_object() { &said[0]["session"] } else { &said[0] };
        assert_eq!((&session["device_label"], &session["device"]), (&"big laptop".into(), &session["origin"]));
    }
}

#[test]
fn list_is_cut_and_says_so() {
    let world = archived();
    let ran = world.ok(&["sessions", "list", "-n", "2"]);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("--limit 0") && ran.stderr.contains("--all"), "{}", ran.stderr);
}

#[test]
fn filters_narrow_the_list() {
    let world = archived();
    let natives = |arguments: &[&str]| -> Vec<String> {
        let listed = json(&world, &[&["sessions", "list", "--limit", "0"], arguments].concat());
        listed.iter().map(|session| session["native"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert!(natives(&["--agent", "codex"]).iter().all(|native| native.starts_with("019c")));
    assert!(natives(&["--agent", "codex"]).contains(&K1.to_owned()));
    assert!(natives(&["--tool", "MultiEdit"]).contains(&I.to_owned()));
    assert_eq!(natives(&["--starred"]), Vec::<String>::new());
    assert_eq!(natives(&["--until", "2020-01-01"]), Vec::<String>::new());
    assert_eq!(natives(&["--since", "2100-01-01"]), Vec::<String>::new());
    assert!(natives(&["--project", "orchard_web"]).contains(&H.to_owned()));
}

#[test]
fn search_finds_words_and_shows_where() {
    let world = archived();
    let hits = json(&world, &["sessions", "search", "commit"]);
    assert!(!hits.is_empty());
    for hit in &hits {
        assert_eq!(hit["type"], "session-hit");
        let snippet = hit["snippet"].as_str().expect("text");
        let marked = hit["highlights"].as_array().expect("a list");
        let first = &marked[0];
        let at = |n: usize| usize::try_from(first[n].as_u64().expect("a number")).expect("small");
        let word: String = snippet.chars().skip(at(0)).take(at(1) - at(0)).collect();
        assert!(word.to_lowercase().starts_with("commit"), "{hit}");
    }
    let ran = world.ok(&["sessions", "search", "no-such-word-anywhere"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "Nothing matches.\n"));
}

#[test]
fn show_renders_a_conversation() {
    let world = archived();
    let ran = world.ok(&["sessions", "show", A]);
    assert!(ran.stdout.contains("You") && ran.stdout.contains("Agent"), "{}", ran.stdout);
    assert!(ran.stdout.contains("● Bash"), "{}", ran.stdout);
    assert!(!ran.raw.contains('\u{1b}'));
    let coloured = world.ok(&["--color", "always", "sessions", "show", A]);
    assert!(coloured.raw.contains('\u{1b}'));
    let short = ran.stdout.lines().count();
    let full = world.ok(&["sessions", "show", A, "--full"]).stdout.lines().count();
    assert!(full > short, "{full} {short}");
    let turn = world.ok(&["sessions", "show", A, "--turn", "1"]).stdout.lines().count();
    assert!(turn < short, "{turn} {short}");
    let values = json(&world, &["sessions", "show", A]);
    assert_eq!(values[0]["type"], "session");
    assert!(values[1..].iter().all(|value| value["type"] == "session-message"));
    assert_eq!(values[0]["messages"].as_u64().map(|n| n > 0), Some(true));
}

#[test]
fn a_session_with_broken_lines_is_shown_all_the_same() {
    let world = archived();
    let ran = world.ok(&["sessions", "show", C]);
    assert!(!ran.raw.contains('\0'));
    let values = json(&world, &["sessions", "show", C]);
    // The fourth is the last line, which has no end yet.
    assert_eq!(values[0]["malformed"], 3, "{}", values[0]);
}

#[test]
fn sessions_are_named_by_either_id_or_the_beginning_of_it() {
    let world = archived();
    let ours = id_of(&world, A);
    for spec in [A, &A[..8], &ours, &ours[..10]] {
        assert_eq!(json(&world, &["sessions", "show", spec])[0]["native"], A, "{spec}");
    }
    let qualified = format!("codex:{K1}");
    assert_eq!(json(&world, &["sessions", "show", &qualified])[0]["native"], K1);
}

#[test]
fn stats_sum_up() {
    let world = archived();
    let stats = json(&world, &["sessions", "stats"]);
    assert_eq!(stats[0]["type"], "session-stats");
    assert!(stats[0]["total"]["sessions"].as_u64() > Some(10), "{}", stats[0]);
    assert!(stats[0]["tools"].as_array().is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "Bash")));
    let ran = world.ok(&["sessions", "stats"]);
    assert!(ran.stdout.contains('█') && ran.stdout.contains("Models"), "{}", ran.stdout);
    let only = world.ok(&["sessions", "stats", "--by", "tool"]);
    assert!(only.stdout.contains("CALLS") && !only.stdout.contains("Models"), "{}", only.stdout);
}

#[test]
fn sources_say_where_they_look_and_what_nobody_knows() {
    let world = archived();
    let sources = json(&world, &["sessions", "sources"]);
    let names: Vec<&str> = sources.iter().filter_map(|source| source["name"].as_str()).collect();
    assert_eq!(names, ["claude", "codex", "gemini", "copilot", "opencode", "cursor", "amp", "agentsview"]);
    let claude = &sources[0];
    assert!(claude["units"].as_u64() > Some(5) && claude["sessions"].as_u64() > Some(5), "{claude}");
    assert!(claude["malformed"].as_u64() >= Some(3), "{claude}");
    assert_eq!(claude["roots"][0]["exists"], true);
    let ran = world.ok(&["sessions", "sources"]);
    assert!(ran.stdout.contains("<DIR>/home/.claude") || ran.stdout.contains("~/.claude"), "{}", ran.stdout);
}

#[test]
fn verify_misses_nothing_of_what_was_deleted_for_good() {
    let world = archived();
    world.ok(&["sessions", "delete", A, "--yes"]);
    assert_eq!(json(&world, &["sessions", "verify"])[0]["damage"], serde_json::json!([]));
}

#[test]
fn verify_compares_with_the_agents_files() {
    let world = archived();
    let verified = json(&world, &["sessions", "verify"]);
    assert_eq!(verified[0]["damage"], serde_json::json!([]));
    assert!(verified[0]["same"].as_u64() > Some(10), "{}", verified[0]);
    let file = world.home().join(format!(".claude/projects/-home-dana-code-orchard-api/{A}.jsonl"));
    let text = fs::read_to_string(&file).expect("the fixture");
    crate::sessions::restoring::write(&file, &text.replacen("user", "usex", 1));
    let ran = world.carry(&["sessions", "verify"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(A), "{}", ran.stderr);
}

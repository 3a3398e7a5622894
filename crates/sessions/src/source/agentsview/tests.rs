use std::path::PathBuf;

use carry_kernel::db::rusqlite::Connection;
use carry_testkit::agentsview;

use super::*;
use crate::model::{Block, RelationKind};
use crate::source::fixture::{Model, Told, calls, fixtures, text, units};

/// A copy of the fixtures' home, and what the real program makes of it; `None` where that cannot be had.
struct Real {
    home: tempfile::TempDir,
    db: PathBuf,
}

impl Real {
    fn new() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(fixtures().join("home/."))
            .arg(home.path())
            .status()
            .unwrap();
        assert!(copied.success());
        let db = agentsview::sync(home.path())?;
        Some(Self { home, db })
    }

    fn places(&self) -> Places {
        Places { home: self.home.path().to_owned(), ..Places::default() }
    }

    fn read(&self) -> Model {
        read(&self.places())
    }
}

fn read(places: &Places) -> Model {
    let mut model = Model::default();
    for unit in units(&AgentsView, places) {
        AgentsView.read(&unit, &Mode::Whole, &mut model).unwrap();
    }
    model
}

fn expected() -> Vec<Value> {
    let all = std::fs::read(fixtures().join("expected-agentsview-0.46.1.json")).unwrap();
    let all: Value = serde_json::from_slice(&all).unwrap();
    // One is an empty shell.
    let has_messages = |session: &&Value| session["messages"].as_array().is_some_and(|messages| !messages.is_empty());
    all["sessions"].as_array().unwrap().iter().filter(has_messages).cloned().collect()
}

fn told<'a>(model: &'a Model, expected: &Value) -> &'a Told {
    let agent = expected["agent"].as_str().unwrap();
    let (agent, native) = split_id(expected["id"].as_str().unwrap(), agent);
    &model.sessions[&(Some(agent), native.0)]
}

#[test]
fn everything_in_the_real_archive_is_read() {
    let Some(real) = Real::new() else { return };
    let model = real.read();
    let expected = expected();
    // The session with secrets is not among the fixtures that are kept.
    assert_eq!(model.sessions.len(), expected.len());
    for session in &expected {
        let told = told(&model, session);
        let messages = session["messages"].as_array().unwrap();
        assert_eq!(told.messages.len(), messages.len(), "{}", session["id"]);
        for message in messages {
            let ours = &told.messages[&u32::try_from(message["ordinal"].as_u64().unwrap_or(0)).unwrap()];
            assert_eq!(ours.role.to_string(), message["role"].as_str().unwrap());
            assert_eq!(ours.subtype.as_deref(), message["source_subtype"].as_str());
            assert_eq!(ours.key.as_deref(), message["source_uuid"].as_str());
            let thinking = ours.blocks.iter().find_map(|block| match block {
                Block::Thinking(text) => Some(text.as_str()),
                _ => None,
            });
            // Where reasoning has no column of its own it stands in the text, between marks.
            if message["thinking_text"].is_string() {
                assert_eq!(thinking, message["thinking_text"].as_str());
            }
            if message["has_tool_use"].is_null() {
                let said =
                    message["dialogue_text"].as_str().or_else(|| message["content"].as_str()).unwrap_or_default();
                assert_eq!(text(ours), said.rsplit("[/Thinking]\n").next().unwrap_or(said), "{}", session["id"]);
            }
            let made = message["tool_calls"].as_array().cloned().unwrap_or_default();
            assert_eq!(calls(ours).count(), made.len());
            for (call, expected) in calls(ours).zip(&made) {
                assert_eq!(call.name, expected["tool_name"].as_str().unwrap());
                assert_eq!(call.id, expected["tool_use_id"].as_str().unwrap_or_default());
                assert_eq!(call.input, expected["input_json"].as_str().unwrap_or("{}"));
                let events = expected["result_events"].as_array().cloned().unwrap_or_default();
                let results = told.results.get(&(ours.ordinal, call.index)).cloned().unwrap_or_default();
                if events.is_empty() {
                    let inline = results.first().map(|result| result.content.as_str()).unwrap_or_default();
                    assert_eq!(inline, expected["result_content"].as_str().unwrap_or_default());
                } else {
                    let contents: Vec<_> = results.iter().map(|result| result.content.clone()).collect();
                    let wanted: Vec<_> =
                        events.iter().map(|event| event["content"].as_str().unwrap_or_default().to_owned()).collect();
                    assert_eq!(contents, wanted);
                }
            }
        }
    }
}

#[test]
fn relations_names_and_ways_to_end_are_taken_over() {
    let Some(real) = Real::new() else { return };
    let model = real.read();
    for session in &expected() {
        let told = told(&model, session);
        assert_eq!(told.facts.name.as_deref(), session["session_name"].as_str());
        assert_eq!(told.facts.kind.as_deref(), session["session_kind"].as_str());
        assert_eq!(told.facts.cwd.as_deref(), session["cwd"].as_str());
        assert_eq!(told.facts.termination.is_some(), session["termination_status"].is_string());
        let kind = told.relation.as_ref().map(|relation| relation.kind);
        let wanted = session["parent_session_id"].as_str().map(|_| match session["relationship_type"].as_str() {
            Some("subagent") => RelationKind::Subagent,
            Some("fork") => RelationKind::Fork,
            _ => RelationKind::Continuation,
        });
        assert_eq!(kind, wanted, "{}", session["id"]);
        assert_eq!(told.pull_requests.is_empty(), session["pr_links"].is_null());
    }
}

#[test]
fn what_its_user_said_is_taken_over_and_changes_the_stamp() {
    let Some(real) = Real::new() else { return };
    let before = units(&AgentsView, &real.places());
    let conn = Connection::open(&real.db).unwrap();
    let id: String = conn
        .query_row(
            "SELECT id FROM sessions WHERE agent = 'codex' AND message_count > 0 ORDER BY id LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    for sql in [
        "INSERT INTO starred_sessions (session_id, created_at) VALUES (?1, '2026-03-20T00:00:00Z')",
        "INSERT INTO session_labels (session_id, label, created_at) VALUES (?1, 'later', '2026-03-20T00:00:00Z')",
        "INSERT INTO pinned_messages (session_id, message_id, ordinal, note, created_at) SELECT ?1, id, ordinal, 'see', '2026-03-20T00:00:00Z' FROM messages LIMIT 1",
        "UPDATE sessions SET display_name = 'Mine', deleted_at = '2026-03-20T00:00:00Z' WHERE id = ?1",
    ] {
        conn.execute(sql, [&id]).unwrap();
    }
    drop(conn);
    let after = units(&AgentsView, &real.places());
    let changed = before.iter().zip(&after).filter(|(before, after)| before.stamp.beside != after.stamp.beside).count();
    assert_eq!(changed, 1, "the other sessions look as before");
    let model = real.read();
    let (agent, native) = split_id(&id, "codex");
    let curation = &model.sessions[&(Some(agent), native.0)].curation;
    let fields: Vec<_> =
        curation.iter().map(|((field, item), value)| (*field, item.as_str(), value.as_str())).collect();
    assert!(fields.contains(&("star", "", "1")) && fields.contains(&("label", "later", "1")));
    assert!(fields.contains(&("name", "", "Mine")) && fields.contains(&("trash", "", "1")));
    assert!(fields.iter().any(|(field, item, note)| *field == "pin" && item.starts_with('#') && *note == "see"));
}

#[test]
fn files_of_older_releases_are_read_with_what_they_have() {
    let Some(real) = Real::new() else { return };
    let sessions = real.read().sessions.len();
    // From the newest addition to the oldest: each step is one more release back.
    let tiers: [(&str, &[&str]); 9] = [
        ("sessions", &["pr_links", "session_labels.", "messages.dialogue_text"]),
        ("sessions", &["session_kind", "entrypoint", "agent_label", "deletion_cause", "usage_events."]),
        ("sessions", &["transcript_revision", "session_name", "termination_status"]),
        (
            "sessions",
            &["cwd", "git_branch", "messages.source_uuid", "messages.thinking_text", "parser_malformed_lines"],
        ),
        ("sessions", &["tool_result_events.", "tool_calls.call_index", "local_modified_at"]),
        ("sessions", &["messages.token_usage", "messages.model", "messages.is_system"]),
        ("sessions", &["display_name", "deleted_at", "starred_sessions.", "pinned_messages."]),
        ("sessions", &["relationship_type", "tool_calls.subagent_session_id"]),
        ("sessions", &["tool_calls.result_content", "tool_calls.skill_name"]),
    ];
    let conn = Connection::open(&real.db).unwrap();
    // Indexes, views and triggers would keep columns from being dropped.
    conn.execute_batch("PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE type IN ('index', 'view', 'trigger') AND sql IS NOT NULL; PRAGMA writable_schema = 0; VACUUM")
        .unwrap();
    for (table, gone) in tiers {
        for name in gone {
            let sql = match name.split_once('.') {
                Some((table, "")) => format!("DROP TABLE IF EXISTS {table}"),
                Some((table, column)) => format!("ALTER TABLE {table} DROP COLUMN {column}"),
                None => format!("ALTER TABLE {table} DROP COLUMN {name}"),
            };
            // Columns that this release has under no such name are gone already.
            if let Err(error) = conn.execute_batch(&sql) {
                assert!(error.to_string().contains("no such column"), "{sql}: {error}");
            }
        }
        let model = real.read();
        assert_eq!(model.sessions.len(), sessions, "without {gone:?}");
        assert!(model.sessions.values().any(|told| told.messages.values().any(|message| !text(message).is_empty())));
    }
}

#[test]
fn rows_that_are_only_in_the_log_are_read_and_nothing_is_made_beside() {
    let Some(real) = Real::new() else { return };
    let folder = real.db.parent().unwrap().to_owned();
    let files = || {
        std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = files();
    real.read();
    assert_eq!(files(), before, "reading makes no file");
    let writer = Connection::open(&real.db).unwrap();
    writer
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; UPDATE sessions SET session_name = 'In the log'",
        )
        .unwrap();
    let model = real.read();
    assert!(model.sessions.values().all(|told| told.facts.name.as_deref() == Some("In the log")));
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE sessions SET session_name = 'Not yet'").unwrap();
    assert_eq!(real.read().sessions.len(), model.sessions.len(), "a writer in its transaction disturbs nobody");
}

#[test]
fn a_file_in_the_place_of_the_old_one_gives_the_same_sessions() {
    let Some(real) = Real::new() else { return };
    let before = real.read();
    let copy = real.db.with_extension("new");
    std::fs::copy(&real.db, &copy).unwrap();
    std::fs::rename(&copy, &real.db).unwrap();
    assert_eq!(real.read().comparable(), before.comparable());
}

#[test]
fn ids_tell_agent_host_and_own_id_apart() {
    assert_eq!(split_id("codex:1", "codex"), (Agent::Codex, NativeId("1".into())));
    assert_eq!(split_id("abc", "claude"), (Agent::Claude, NativeId("abc".into())));
    assert_eq!(split_id("desk~codex:1", "codex"), (Agent::Codex, NativeId("desk~1".into())));
    assert_eq!(split_id("kiro:9", "kiro"), (Agent::named("kiro"), NativeId("9".into())));
}

#[test]
fn a_damaged_file_is_a_problem_and_no_panic() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".agentsview")).unwrap();
    let db = home.path().join(".agentsview/sessions.db");
    let places = Places { home: home.path().to_owned(), ..Places::default() };
    let root = &AgentsView.roots(&places)[0];
    for bytes in [&b"SQLite format 3\0"[..], &[0; 5000], b"text"] {
        carry_kernel::disk::write_atomic(&db, bytes).unwrap();
        let mut problems = 0;
        AgentsView.discover(root, &mut |_| {}, &mut |_, _| problems += 1);
        assert!(problems <= 1);
    }
    let conn = Connection::open(home.path().join(".agentsview/other.db")).unwrap();
    conn.execute_batch(
        "CREATE TABLE sessions (id); INSERT INTO sessions VALUES ('x'); INSERT INTO sessions VALUES (7)",
    )
    .unwrap();
    drop(conn);
    std::fs::rename(home.path().join(".agentsview/other.db"), &db).unwrap();
    let mut problems = 0;
    AgentsView.discover(root, &mut |_| {}, &mut |_, _| problems += 1);
    assert_eq!(problems, 1, "an id that is no text is said");
}

use carry_kernel::db::rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::source::fixture::{Model, calls, text, unit, units};

const SESSION: &str = "ses_1";

struct Rig {
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn places(&self) -> Places {
        Places { environment: vec![("OPENCODE_DIR".to_owned(), self.dir.path().to_owned())], ..Places::default() }
    }

    fn file(&self, path: &str, value: &Value) {
        let path = self.dir.path().join("storage").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        carry_kernel::disk::write_atomic(&path, value.to_string().as_bytes()).unwrap();
    }

    fn files(&self) {
        self.file("session/p/ses_1.json", &session());
        self.file("project/p.json", &json!({"id": "p", "worktree": "/home/dana/orchard"}));
        for (id, message, parts) in messages() {
            self.file(&format!("message/ses_1/{id}.json"), &message);
            for part in parts {
                self.file(&format!("part/{id}/{}.json", part["id"].as_str().unwrap()), &part);
            }
        }
    }

    fn database(&self) -> Connection {
        let conn = Connection::open(self.dir.path().join("opencode.db")).unwrap();
        conn.execute_batch(
            "CREATE TABLE session (id TEXT, project_id TEXT, parent_id TEXT, title TEXT, directory TEXT, time_created INTEGER, time_updated INTEGER);
             CREATE TABLE message (id TEXT, session_id TEXT, time_created INTEGER, data TEXT);
             CREATE TABLE part (id TEXT, message_id TEXT, session_id TEXT, data TEXT);
             CREATE TABLE project (id TEXT, worktree TEXT);
             INSERT INTO session VALUES ('ses_1', 'p', NULL, 'Gate', NULL, 1773000000000, 1773000009000);
             INSERT INTO project VALUES ('p', '/home/dana/orchard');",
        )
        .unwrap();
        for (id, message, parts) in messages() {
            let at = message["time"]["created"].as_i64();
            conn.execute("INSERT INTO message VALUES (?1, 'ses_1', ?2, ?3)", (id, at, message.to_string())).unwrap();
            for part in parts {
                let part_id = part["id"].as_str().unwrap();
                conn.execute("INSERT INTO part VALUES (?1, ?2, 'ses_1', ?3)", (part_id, id, part.to_string())).unwrap();
            }
        }
        conn
    }
}

fn session() -> Value {
    json!({"id": "ses_1", "projectID": "p", "title": "Gate", "version": "1.0", "time": {"created": 1_773_000_000_000_i64, "updated": 1_773_000_009_000_i64}})
}

fn messages() -> Vec<(&'static str, Value, Vec<Value>)> {
    vec![
        (
            "msg_1",
            json!({"id": "msg_1", "role": "user", "time": {"created": 1_773_000_001_000_i64}}),
            vec![json!({"id": "prt_1", "type": "text", "text": "open the gate"})],
        ),
        (
            "msg_2",
            json!({"id": "msg_2", "role": "assistant", "modelID": "claude-x", "cost": 0.25, "time": {"created": 1_773_000_002_000_i64},
                "tokens": {"input": 3, "output": 5, "reasoning": 2, "cache": {"read": 7, "write": 11}}}),
            vec![
                json!({"id": "prt_2", "type": "reasoning", "text": "rust"}),
                json!({"id": "prt_3", "type": "tool", "tool": "bash", "callID": "c1", "state": {"status": "completed", "input": {"command": "ls"}, "output": "hinge", "time": {"end": 1_773_000_003_000_i64}}}),
                json!({"id": "prt_4", "type": "step-finish"}),
            ],
        ),
    ]
}

fn check(model: &Model) {
    let told = model.session(SESSION);
    assert_eq!(told.facts.cwd.as_deref(), Some("/home/dana/orchard"));
    assert_eq!(told.facts.name.as_deref(), Some("Gate"));
    assert_eq!(told.messages.len(), 2);
    assert_eq!(text(&told.messages[&0]), "open the gate");
    assert_eq!(calls(&told.messages[&1]).next().unwrap().name, "bash");
    assert_eq!(told.results[&(1, 0)][0].content, "hinge", "outputs are kept");
    let usage = told.messages[&1].usage.unwrap();
    assert_eq!((usage.output, usage.cost_micros), (Some(7), Some(250_000)));
}

#[test]
fn files_and_rows_give_the_same_session() {
    let (files, rows) = (Rig::new(), Rig::new());
    files.files();
    let _conn = rows.database();
    for rig in [&files, &rows] {
        let found = units(&OpenCode, &rig.places());
        assert_eq!(found.len(), 1);
        let mut model = Model::default();
        OpenCode.read(&found[0], &Mode::Whole, &mut model).unwrap();
        check(&model);
        assert_eq!(model.raw.iter().filter(|byte| **byte == b'\n').count(), 8, "a line for each record");
    }
}

#[test]
fn the_database_wins() {
    let rig = Rig::new();
    rig.files();
    rig.database();
    let found = units(&OpenCode, &rig.places());
    assert_eq!(found.len(), 1);
    assert!(found[0].path.to_str().unwrap().ends_with("opencode.db#ses_1"));
}

#[test]
fn a_part_that_changes_alone_changes_the_stamp() {
    let rig = Rig::new();
    rig.files();
    let before = units(&OpenCode, &rig.places());
    rig.file("part/msg_2/prt_3.json", &json!({"id": "prt_3", "type": "text", "text": "longer than before, and done"}));
    assert_ne!(units(&OpenCode, &rig.places()), before);

    let rig = Rig::new();
    let conn = rig.database();
    let before = units(&OpenCode, &rig.places());
    conn.execute("UPDATE part SET data = data || ' ' WHERE id = 'prt_3'", []).unwrap();
    assert_ne!(units(&OpenCode, &rig.places()), before);
}

#[test]
fn a_running_program_is_not_disturbed() {
    let rig = Rig::new();
    let conn = rig.database();
    conn.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; UPDATE session SET title = 'Other'").unwrap();
    let found = units(&OpenCode, &rig.places());
    let mut model = Model::default();
    OpenCode.read(&found[0], &Mode::Whole, &mut model).unwrap();
    check(&model);
    conn.execute_batch("COMMIT").unwrap();
}

#[test]
fn what_is_no_database_is_a_problem_of_its_own() {
    let rig = Rig::new();
    rig.files();
    carry_kernel::disk::write_atomic(
        &rig.dir.path().join("opencode.db"),
        b"not a database at all, only text of some length",
    )
    .unwrap();
    let (mut found, mut problems) = (Vec::new(), 0);
    let root = &OpenCode.roots(&rig.places())[0];
    OpenCode.discover(root, &mut |unit| found.push(unit), &mut |_, _| problems += 1);
    assert_eq!((found.len(), problems), (1, 1));
    assert!(OpenCode.read(&unit(&rig.dir.path().join("opencode.db#x")), &Mode::Whole, &mut Model::default()).is_err());
}

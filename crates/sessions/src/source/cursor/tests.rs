use carry_kernel::db::rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::source::fixture::{Model, calls, text, units};

struct Rig {
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.dir.path().join("orchard/agent-transcripts").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        carry_kernel::disk::write_atomic(&path, bytes).unwrap();
    }

    fn places(&self) -> Places {
        let variables = ["CURSOR_PROJECTS_DIR", "CURSOR_IDE_DIR"];
        let environment = variables
            .map(|name| (name.to_owned(), self.dir.path().join(if name.contains("IDE") { "ide" } else { "" })));
        Places { environment: environment.into(), ..Places::default() }
    }

    fn read(&self) -> Model {
        let mut model = Model::default();
        for root in Cursor.roots(&self.places()) {
            Cursor.discover(
                &root,
                &mut |unit| {
                    Cursor.read(&unit, &Mode::Whole, &mut model).unwrap();
                },
                &mut |_, _| {},
            );
        }
        model
    }
}

const LINES: &str = concat!(
    r#"{"role":"user","message":{"content":[{"type":"text","text":"<user_query>\nopen the gate\n</user_query>"}]}}"#,
    "\n",
    r#"{"role":"assistant","message":{"content":[{"type":"text","text":"Looking."},{"type":"tool_use","id":"c1","name":"Shell","input":{"command":"ls"}}]}}"#,
    "\n",
    r#"{"role":"user","message":{"content":[{"type":"tool_result","tool_use_id":"c1","content":"hinge"}]}}"#,
    "\n",
);

const TEXT: &str = "user:\n<user_query>\nopen the gate\n</user_query>\n\nassistant:\n[Thinking] rust\nLooking.\n[Tool call] Shell\n  command: ls\n[Tool result] Shell\nhinge\n";

#[test]
fn lines_and_text_give_the_same_conversation() {
    for (name, bytes) in [("u1.jsonl", LINES), ("u1.txt", TEXT), ("u1/u1.jsonl", LINES)] {
        let rig = Rig::new();
        rig.file(name, bytes.as_bytes());
        let model = rig.read();
        let told = model.session("u1");
        assert_eq!(told.messages.len(), 2, "{name}");
        assert_eq!(text(&told.messages[&0]), "open the gate", "{name}");
        let call = calls(&told.messages[&1]).next().unwrap();
        assert_eq!(
            (call.name.as_str(), call.category, call.input.as_str()),
            ("Shell", Category::Bash, r#"{"command":"ls"}"#)
        );
        assert_eq!(told.results[&(1, 0)][0].content, "hinge", "{name}");
        assert_eq!(told.facts.project.as_deref(), Some("orchard"));
        assert_eq!(model.raw, bytes.as_bytes());
    }
}

#[test]
fn lines_win_over_text() {
    let rig = Rig::new();
    rig.file("u1.jsonl", LINES.as_bytes());
    rig.file("u1.txt", TEXT.as_bytes());
    assert_eq!(units(&Cursor, &rig.places()).len(), 1);
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let rig = Rig::new();
    rig.file("u1.jsonl", LINES.as_bytes());
    let whole = rig.read().comparable();
    let starts: Vec<usize> = LINES.match_indices('\n').map(|(at, _)| at + 1).collect();
    for split in starts {
        rig.file("u1.jsonl", &LINES.as_bytes()[..split]);
        let mut model = Model::default();
        let first = units(&Cursor, &rig.places()).remove(0);
        let end = Cursor.read(&first, &Mode::Whole, &mut model).unwrap();
        rig.file("u1.jsonl", LINES.as_bytes());
        let second = units(&Cursor, &rig.places()).remove(0);
        Cursor.read(&second, &Mode::From(end.checkpoint), &mut model).unwrap();
        let (mut model, mut whole) = (model.comparable(), whole.clone());
        // The file's own time is all there is.
        for told in model.sessions.values_mut().chain(whole.sessions.values_mut()) {
            told.facts.times.clear();
        }
        assert_eq!(model, whole);
    }
}

#[test]
fn odd_lines_are_counted_and_the_rest_is_read() {
    let rig = Rig::new();
    let mut bytes = b"{cut\n\xff\xfe\n{\"role\":\"oracle\"}\n".to_vec();
    bytes.extend(LINES.as_bytes());
    bytes.extend(b"{\"role\":\"user\",\"mess");
    rig.file("u1.jsonl", &bytes);
    let model = rig.read();
    assert_eq!(model.odd_count(Odd::Malformed), 2);
    assert_eq!(model.odd_count(Odd::Unknown), 1);
    assert_eq!(model.session("u1").messages.len(), 2);
}

#[test]
fn chats_of_the_editor_are_read() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.dir.path().join("ide")).unwrap();
    let conn = Connection::open(rig.dir.path().join("ide/state.vscdb")).unwrap();
    conn.execute_batch("CREATE TABLE cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)").unwrap();
    let put = |key: &str, value: Value| {
        conn.execute("INSERT INTO cursorDiskKV VALUES (?1, ?2)", (key, value.to_string())).unwrap();
    };
    put(
        "composerData:c1",
        json!({"name": "Gate", "createdAt": 1_773_000_000_000_i64, "fullConversationHeadersOnly": [{"bubbleId": "b1", "type": 1}, {"bubbleId": "b2", "type": 2}, {"bubbleId": "gone"}]}),
    );
    put("composerData:empty", json!({"name": "Nothing"}));
    put("bubbleId:c1:b1", json!({"bubbleId": "b1", "type": 1, "text": "open the gate"}));
    put(
        "bubbleId:c1:b2",
        json!({"bubbleId": "b2", "type": 2, "text": "Looking.", "thinking": {"text": "rust"}, "toolFormerData": {"name": "run_terminal_command", "toolCallId": "t1", "rawArgs": "{\"command\":\"ls\"}", "result": "hinge", "status": "completed"}}),
    );
    let before = units(&Cursor, &rig.places());
    let model = rig.read();
    let told = model.session("c1");
    assert_eq!(told.facts.name.as_deref(), Some("Gate"));
    assert_eq!(told.messages.len(), 2);
    assert_eq!(told.results[&(1, 0)][0].content, "hinge");
    put("bubbleId:c1:b2", json!({"bubbleId": "b2", "type": 2, "text": "Looking further."}));
    assert_ne!(units(&Cursor, &rig.places()), before, "a bubble that changes alone is noticed");
}

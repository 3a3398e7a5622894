//! Documents and databases, which are read as a whole each time: what is said again is not archived again.

use carry_kernel::db::rusqlite::Connection;
use carry_sessions::model::Agent;
use serde_json::{Value, json};

use crate::rig::{Rig, assert_same};

const DB: &str = ".local/share/opencode/opencode.db";

/// A thread of Amp with so many calls, each with its output.
fn thread(calls: usize) -> Vec<u8> {
    let mut messages = vec![json!({"role": "user", "messageId": 0, "content": [{"type": "text", "text": "open it"}]})];
    for n in 0..calls {
        let id = format!("toolu_{n}");
        messages.push(json!({"role": "assistant", "messageId": 2 * n + 1, "content": [
            {"type": "tool_use", "id": id, "name": "Read", "input": {"path": "/a"}}]}));
        messages.push(json!({"role": "user", "messageId": 2 * n + 2, "content": [
            {"type": "tool_result", "toolUseID": id, "run": {"status": "done", "result": {"output": format!("hinge {n}")}}}]}));
    }
    json!({"v": 3, "id": "T-1", "created": 1_773_000_000_000_i64, "title": "Gate", "messages": messages})
        .to_string()
        .into_bytes()
}

fn outputs(rig: &Rig, agent: Agent, native: &str) -> Vec<Vec<String>> {
    let seen = rig.seen(rig.by_native(agent, native).unwrap());
    let contents = |results: &Vec<(u32, carry_sessions::model::ResultEvent)>| {
        results.iter().map(|(_, result)| result.content.clone()).collect::<Vec<_>>()
    };
    seen.messages.iter().map(|(_, results)| contents(results)).filter(|results| !results.is_empty()).collect()
}

#[test]
fn a_document_that_grows_says_its_results_once() {
    let mut rig = Rig::new();
    for calls in 1..4 {
        rig.put(".local/share/amp/threads/T-1.json", &thread(calls));
        rig.good_pass();
        let expected: Vec<Vec<String>> = (0..calls).map(|n| vec![format!("hinge {n}")]).collect();
        assert_eq!(outputs(&rig, Agent::Amp, "T-1"), expected);
        rig.verify();
    }
    let mut anew = Rig::over(&rig.home());
    anew.good_pass();
    assert_same(&rig.contents(), &anew.contents());
}

fn database(rig: &Rig, name: &str) -> Connection {
    let path = rig.home().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(
        "CREATE TABLE session (id TEXT, project_id TEXT, parent_id TEXT, title TEXT, directory TEXT, time_created INTEGER, time_updated INTEGER);
         CREATE TABLE message (id TEXT, session_id TEXT, time_created INTEGER, data TEXT);
         CREATE TABLE part (id TEXT, message_id TEXT, session_id TEXT, data TEXT);
         CREATE TABLE project (id TEXT, worktree TEXT);
         INSERT INTO project VALUES ('p', '/home/dana/orchard');",
    )
    .unwrap();
    conn
}

fn add_session(conn: &Connection, session: &str) {
    let sql = "INSERT INTO session VALUES (?1, 'p', NULL, 'Gate', NULL, 1773000000000, 1773000009000)";
    conn.execute(sql, [session]).unwrap();
}

fn add_answer(conn: &Connection, session: &str, n: i64, output: &str) {
    let id = format!("msg_{n}");
    let at = 1_773_000_001_000_i64 + n;
    let message = json!({"id": id, "role": "assistant", "modelID": "m", "time": {"created": at}});
    let part = json!({"id": format!("prt_{n}"), "type": "tool", "tool": "bash", "callID": format!("c{n}"),
        "state": {"status": "completed", "input": {"command": "ls"}, "output": output}});
    conn.execute("INSERT INTO message VALUES (?1, ?2, ?3, ?4)", (&id, session, at, message.to_string())).unwrap();
    conn.execute("INSERT INTO part VALUES (?1, ?2, ?3, ?4)", (part["id"].as_str(), &id, session, part.to_string()))
        .unwrap();
}

#[test]
fn a_session_in_a_database_that_grows_says_its_results_once() {
    let mut rig = Rig::new();
    let conn = database(&rig, DB);
    add_session(&conn, "ses_1");
    for n in 0..3 {
        add_answer(&conn, "ses_1", n, &format!("hinge {n}"));
        rig.good_pass();
        let expected: Vec<Vec<String>> = (0..=n).map(|n| vec![format!("hinge {n}")]).collect();
        assert_eq!(outputs(&rig, Agent::OpenCode, "ses_1"), expected);
        rig.verify();
    }
    drop(conn);
    let mut anew = Rig::over(&rig.home());
    anew.good_pass();
    assert_same(&rig.contents(), &anew.contents());
}

#[test]
fn a_locked_database_is_said_and_its_sessions_are_not_missing() {
    let mut rig = Rig::of_fixtures();
    let conn = database(&rig, DB);
    add_session(&conn, "ses_1");
    add_answer(&conn, "ses_1", 0, "hinge");
    rig.good_pass();
    let before = rig.everything();
    conn.execute_batch("BEGIN EXCLUSIVE").unwrap();
    add_answer(&conn, "ses_1", 1, "half written");
    let path = rig.put(".claude/projects/p/new.jsonl", &line("while it was locked"));
    let report = rig.pass();
    let [(place, reason)] = &report.unlisted[..] else { panic!("{report:?}") };
    assert!(place.ends_with("opencode.db") && reason.contains("locked"), "{reason}");
    assert_eq!((report.missing, report.read), (0, 1));
    assert!(rig.by_native(Agent::Claude, "new").is_some(), "the rest is archived");
    std::fs::remove_file(path).unwrap();
    let mut after = rig.everything();
    after.remove("new");
    assert_same(&after, &before);
    conn.execute_batch("COMMIT").unwrap();
    rig.good_pass();
    assert_eq!(outputs(&rig, Agent::OpenCode, "ses_1").len(), 2);
}

fn line(text: &str) -> Vec<u8> {
    let line: Value = json!({"type": "user", "uuid": "u1", "parentUuid": null, "sessionId": "s", "timestamp": "2026-03-01T00:00:00Z",
        "message": {"role": "user", "content": text}});
    format!("{line}\n").into_bytes()
}

#[test]
fn a_swapped_database_is_read_and_what_is_not_in_it_stays() {
    let mut rig = Rig::new();
    let old = database(&rig, DB);
    for session in ["ses_1", "ses_2"] {
        add_session(&old, session);
    }
    add_answer(&old, "ses_1", 0, "old");
    add_answer(&old, "ses_2", 1, "only in the old one");
    drop(old);
    rig.good_pass();
    let ids = |rig: &Rig| ["ses_1", "ses_2"].map(|native| rig.by_native(Agent::OpenCode, native).unwrap().id);
    let before = ids(&rig);
    let new = database(&rig, ".local/share/opencode/new.db");
    add_session(&new, "ses_1");
    add_answer(&new, "ses_1", 0, "new");
    drop(new);
    let folder = rig.home().join(".local/share/opencode");
    std::fs::rename(folder.join("new.db"), folder.join("opencode.db")).unwrap();
    let report = rig.good_pass();
    assert_eq!(report.missing, 1);
    assert_eq!(ids(&rig), before);
    assert_eq!(outputs(&rig, Agent::OpenCode, "ses_1"), [["new"]]);
    assert_eq!(outputs(&rig, Agent::OpenCode, "ses_2"), [["only in the old one"]]);
    rig.verify();
    // The same sessions in a new file: nothing is written.
    std::fs::copy(folder.join("opencode.db"), folder.join("copy.db")).unwrap();
    std::fs::rename(folder.join("copy.db"), folder.join("opencode.db")).unwrap();
    let report = rig.good_pass();
    assert_eq!((report.missing, report.written), (0, Default::default()));
}

//! The archive of the real agentsview as a source beside the agents' own files.

use std::fs;
use std::path::PathBuf;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::Connection;
use carry_sessions::archive::Written;
use carry_sessions::curation::Edit;
use carry_sessions::model::{Agent, SessionId};
use carry_testkit::agentsview;

use crate::rig::{NOW, Rig, assert_same};

/// The fixtures, and what the real program made of them; `None` where it cannot be had.
fn real() -> Option<(Rig, PathBuf)> {
    let rig = Rig::of_fixtures();
    let db = agentsview::sync(&rig.home())?;
    Some((rig, db))
}

#[test]
fn sessions_with_files_are_ours_and_those_without_come_from_it() {
    let Some((mut rig, _)) = real() else { return };
    let mut clean = Rig::of_fixtures();
    clean.good_pass();
    let expected = clean.contents();
    for short in ["B", "K4", "G2"] {
        fs::remove_file(rig.file(short)).unwrap();
    }
    rig.good_pass();
    rig.verify();
    let found = rig.contents();
    assert_eq!(found.keys().filter(|id| expected.contains_key(*id)).count(), expected.len());
    let gone: Vec<String> = ["B", "K4", "G2"].map(|short| rig.id(short)).into();
    for (id, seen) in &found {
        let row = &seen.row;
        let ours = &expected[id];
        if gone.contains(&row.native.0) {
            assert_eq!(seen.messages.len(), ours.messages.len(), "{id}");
            let what = |row: &carry_sessions::archive::SessionRow| {
                (row.id.clone(), row.first_prompt.clone(), row.user_messages, row.started, row.ended, row.output_tokens)
            };
            assert_eq!(what(row), what(&ours.row), "{id}");
            assert_eq!(row.parent, ours.row.parent);
        } else {
            assert_eq!(seen, ours, "{id}");
        }
    }
    let again = rig.good_pass();
    assert_eq!((again.read, again.written), (0, Written::default()));
}

#[test]
fn what_files_say_is_not_kept_twice() {
    let Some((mut rig, _)) = real() else { return };
    let mut clean = Rig::of_fixtures();
    let expected = clean.good_pass();
    let report = rig.good_pass();
    assert!(report.read > expected.read);
    assert_eq!(report.written, expected.written);
    assert_same(&rig.contents(), &clean.contents());
}

#[test]
fn a_file_that_comes_back_takes_its_session_over() {
    let Some((mut rig, _)) = real() else { return };
    let path = rig.file("B");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    rig.good_pass();
    let theirs = rig.session("B");
    fs::File::create_new(&path).unwrap();
    crate::rig::append(&path, &bytes);
    rig.good_pass();
    rig.verify();
    let mut clean = Rig::of_fixtures();
    clean.good_pass();
    let ours = rig.seen(rig.session("B"));
    assert_eq!(ours.row.id, theirs.id);
    assert_eq!(ours.content(), clean.seen(clean.session("B")).content());
    // And once more gone, it stays ours.
    fs::remove_file(&path).unwrap();
    rig.good_pass();
    let kept = rig.seen(rig.session("B"));
    assert!(kept.row.missing.is_some());
    assert_eq!(kept.content(), ours.content());
}

#[test]
fn what_its_user_said_arrives_whoever_has_the_session() {
    let Some((mut rig, db)) = real() else { return };
    rig.good_pass();
    let before = rig.contents();
    let conn = Connection::open(&db).unwrap();
    for short in ["A", "K1"] {
        let row = rig.session(short);
        let id = row.agent.qualified(&row.native);
        for sql in [
            "INSERT INTO starred_sessions (session_id, created_at) VALUES (?1, '2026-03-20T00:00:00Z')",
            "INSERT INTO session_labels (session_id, label, created_at) VALUES (?1, 'later', '2026-03-20T00:00:00Z')",
            "INSERT INTO pinned_messages (session_id, message_id, ordinal, note, created_at) SELECT ?1, id, ordinal, 'see', '2026-03-20T00:00:00Z' FROM messages WHERE session_id = ?1 AND ordinal = 1",
            "UPDATE sessions SET display_name = 'Mine', local_modified_at = '2026-03-20T00:00:00Z' WHERE id = ?1",
        ] {
            conn.execute(sql, [&id]).unwrap();
        }
    }
    let trashed = rig.session("E2");
    conn.execute("UPDATE sessions SET deleted_at = '2026-03-20T00:00:00Z' WHERE id = ?1", [&trashed.native.0]).unwrap();
    let report = rig.good_pass();
    assert_eq!(report.read, 3, "{report:?}");
    for short in ["A", "K1"] {
        let row = rig.session(short);
        assert!(row.is_starred && row.is_renamed && row.labels == ["later"], "{row:?}");
        assert_eq!(row.name.as_deref(), Some("Mine"));
        let registers = rig.archive.registers(Some(&row.id)).unwrap();
        let pin = registers.iter().find(|register| register.field == "pin").unwrap();
        assert_eq!((pin.item.as_str(), pin.value.as_deref()), ("#1", Some("see")));
    }
    assert!(rig.session("E2").is_trashed);
    let untouched = rig.session("B");
    assert!(!untouched.is_starred && !untouched.is_trashed && untouched.labels.is_empty());
    for (id, seen) in rig.everything() {
        assert_eq!(seen.messages, before[&id].messages, "{id}");
        assert_eq!(seen.row.digest, before[&id].row.digest, "curation is no part of the conversation");
    }
    // What is taken back there is taken back here; what was said here stays.
    let (a, k1) = (rig.session("A"), rig.session("K1"));
    let later = Timestamp::from_secs(NOW);
    assert!(rig.archive.curate(&k1.id, &Edit::Label("ours".to_owned(), true), "here", later).unwrap());
    assert!(rig.archive.curate(&a.id, &Edit::Rename(Some("Ours".to_owned())), "here", later).unwrap());
    conn.execute_batch(
        "DELETE FROM starred_sessions; DELETE FROM session_labels; DELETE FROM pinned_messages;
         UPDATE sessions SET deleted_at = NULL, display_name = iif(display_name IS NULL, NULL, 'Another')",
    )
    .unwrap();
    rig.good_pass();
    let (a, k1) = (rig.session("A"), rig.session("K1"));
    assert!(!rig.session("E2").is_trashed && !a.is_starred && !k1.is_starred);
    assert_eq!((a.name.as_deref(), k1.name.as_deref()), (Some("Ours"), Some("Another")));
    assert_eq!((a.labels, k1.labels), (Vec::new(), vec!["ours".to_owned()]));
    assert_eq!(rig.archive.pins(&a.id).unwrap(), Vec::new());
}

#[test]
fn ids_of_other_hosts_are_sessions_of_their_own() {
    let Some((mut rig, db)) = real() else { return };
    let native = rig.id("K1");
    let conn = Connection::open(&db).unwrap();
    let columns: Vec<String> = {
        let mut query = conn.prepare("SELECT name FROM pragma_table_info('sessions') WHERE name <> 'id'").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let columns = columns.join(", ");
    let sql = format!(
        "INSERT INTO sessions (id, {columns}) SELECT 'desk~' || id, {columns} FROM sessions WHERE id = 'codex:{native}'"
    );
    assert_eq!(conn.execute(&sql, []).unwrap(), 1);
    let columns: Vec<String> = {
        let sql = "SELECT name FROM pragma_table_info('messages') WHERE name NOT IN ('id', 'session_id')";
        let mut query = conn.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let columns = columns.join(", ");
    let sql = format!(
        "INSERT INTO messages (session_id, {columns}) SELECT 'desk~' || session_id, {columns} FROM messages
         WHERE session_id = 'codex:{native}'"
    );
    conn.execute(&sql, []).unwrap();
    rig.good_pass();
    let ours = rig.session("K1");
    let theirs = rig.by_native(Agent::Codex, &format!("desk~{native}")).unwrap();
    assert_ne!(ours.id, theirs.id);
    assert_eq!(ours.messages, 11);
    // Two devices archive a session of one id: two sessions, each with its own.
    let of = |origin: &str| SessionId::new(origin, Agent::Codex, &ours.native);
    assert_eq!(of(rig.archive.origin()), ours.id);
    assert_ne!(of("there"), ours.id);
}

#[test]
fn a_full_resync_changes_nothing() {
    let Some((mut rig, db)) = real() else { return };
    for short in ["B", "K4"] {
        fs::remove_file(rig.file(short)).unwrap();
    }
    rig.good_pass();
    let before = rig.everything();
    let copy = db.with_extension("new");
    let conn = Connection::open(&db).unwrap();
    conn.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(conn);
    fs::rename(&copy, &db).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", db.display()));
    }
    let report = rig.good_pass();
    assert!(report.read > 0);
    assert_eq!((report.missing, report.written), (0, Written::default()));
    assert_same(&rig.everything(), &before);
}

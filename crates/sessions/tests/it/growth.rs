//! What happens to sessions while and after they are archived: files that grow, shrink, change, move and go.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::process::Command;

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::Written;
use carry_sessions::model::{Agent, Block, Termination};
use serde_json::{Value, json};

use crate::rig::{NOW, Rig, append, assert_same, files, fixtures, generate};

fn archived() -> Rig {
    let mut rig = Rig::of_fixtures();
    rig.good_pass();
    rig
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn set_modified(path: &Path, at: std::time::SystemTime) {
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(at)).unwrap();
}

#[test]
fn a_late_result_joins_its_call_and_is_no_message() {
    let mut rig = archived();
    let before = rig.seen(rig.session("H"));
    assert_eq!(before.row.termination, Some(Termination::ToolCallPending));
    let (message, results) = before.messages.last().unwrap();
    assert!(results.is_empty());
    let call = message.blocks.iter().find_map(|block| match block {
        Block::Call(call) => Some(call.clone()),
        _ => None,
    });
    let path = rig.file("H");
    let last = fs::read_to_string(&path).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    let line = json!({
        "type": "user", "uuid": "00000000-0000-4000-8000-000000000001", "parentUuid": last["uuid"],
        "sessionId": last["sessionId"], "cwd": last["cwd"], "timestamp": "2026-03-16T13:05:00Z", "isSidechain": false,
        "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.unwrap().id, "content": "late"}]},
    });
    append(&path, format!("{line}\n").as_bytes());
    let report = rig.good_pass();
    assert_eq!((report.read, report.written.deleted), (1, 0), "{report:?}");
    let after = rig.seen(rig.session("H"));
    assert_eq!(after.messages.len(), before.messages.len(), "no new ordinal");
    let results = &after.messages.last().unwrap().1;
    assert_eq!((results.len(), results[0].0, results[0].1.content.as_str()), (1, 0, "late"));
    assert_ne!(after.row.digest, before.row.digest);
    assert_eq!(after.row.revision, before.row.revision + 1);
    assert_ne!(after.row.termination, Some(Termination::ToolCallPending));
    rig.verify();
}

#[test]
fn what_a_cut_takes_away_goes_and_comes_back() {
    let mut rig = archived();
    let path = rig.file("A");
    let before = rig.seen(rig.session("A"));
    let others = rig.contents();
    let whole = fs::read(&path).unwrap();
    let tenth = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(9).unwrap().0 + 1;
    File::options().write(true).open(&path).unwrap().set_len(tenth as u64).unwrap();
    let report = rig.good_pass();
    assert!(report.written.deleted > 0, "{report:?}");
    let cut = rig.seen(rig.session("A"));
    assert!(!cut.messages.is_empty() && cut.messages.len() < 8, "{}", cut.messages.len());
    assert_eq!(cut.messages[..2], before.messages[..2]);
    assert!(cut.links.is_empty(), "the commits were made later: {:?}", cut.links);
    assert_eq!(cut.row.revision, before.row.revision + 1);
    rig.verify();
    append(&path, &whole[tenth..]);
    rig.good_pass();
    let after = rig.seen(rig.session("A"));
    assert_eq!(after.content(), before.content());
    assert_eq!(after.row.digest, before.row.digest);
    assert_same(&rig.contents(), &others);
    rig.verify();
}

#[test]
fn a_rewrite_of_equal_size_and_time_is_noticed() {
    let mut rig = archived();
    let path = rig.file("B");
    let (at, text) = (modified(&path), fs::read_to_string(&path).unwrap());
    let changed = text.replace("Now document the limiter.", "Now document the LIMITER.");
    assert!(changed != text && changed.len() == text.len());
    let before = rig.session("B");
    fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    append(&path, changed.as_bytes());
    set_modified(&path, at);
    assert_eq!(modified(&path), at);
    let report = rig.good_pass();
    assert_eq!((report.read, report.written.updated), (1, 1), "{report:?}");
    let after = rig.session("B");
    assert_eq!(after.first_prompt.as_deref(), Some("Now document the LIMITER."));
    assert_eq!((after.id, after.revision), (before.id, before.revision + 1));
    rig.verify();
}

#[test]
fn a_deleted_file_leaves_its_session_and_can_be_restored() {
    let mut rig = archived();
    let before = rig.seen(rig.session("C"));
    let path = rig.file("C");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let report = rig.good_pass();
    assert_eq!((report.missing, report.read), (1, 0));
    let after = rig.seen(rig.session("C"));
    assert_eq!(after.row.missing, Some(Timestamp::from_secs(NOW)));
    assert_eq!(after.content(), before.content());
    assert_eq!(after.row.revision, before.row.revision);
    let mut restored = Vec::new();
    rig.archive.raw(&rig.session("C"), &mut restored).unwrap();
    assert_eq!(restored, bytes[..restored.len()]);
    assert!(restored.len() > bytes.len() / 2, "{} of {}", restored.len(), bytes.len());
    assert_eq!(rig.good_pass().missing, 0, "it is said once");
    // It comes back as it was.
    append_new(&path, &bytes);
    rig.good_pass();
    let back = rig.seen(rig.session("C"));
    assert_eq!((back.row.missing, back.content()), (None, before.content()));
    assert_eq!(back.row.revision, before.row.revision);
}

fn append_new(path: &Path, bytes: &[u8]) {
    File::create_new(path).unwrap();
    append(path, bytes);
}

#[test]
fn touching_writes_nothing() {
    let mut rig = archived();
    let before = rig.everything();
    let mut all = Vec::new();
    files(&rig.home(), &mut all);
    for path in &all {
        set_modified(path, modified(path) + std::time::Duration::from_secs(100));
    }
    let report = rig.good_pass();
    assert!(report.read >= 20, "{report:?}");
    assert_eq!(report.written, Written::default());
    assert_same(&rig.everything(), &before);
    // Files that were copied anew have other inodes, and say the same.
    for path in &all {
        let copy = path.with_extension("copy");
        fs::copy(path, &copy).unwrap();
        fs::rename(&copy, path).unwrap();
    }
    let report = rig.good_pass();
    assert_eq!(report.written, Written::default());
    assert_same(&rig.everything(), &before);
}

#[test]
fn a_moved_file_is_the_same_session() {
    let mut rig = archived();
    let before = rig.everything();
    let moves = [("K4", ".codex/sessions/2026/02/22"), ("A", ".claude/projects/-home-dana-other")];
    for (short, folder) in moves {
        let from = rig.file(short);
        let to = rig.home().join(folder);
        fs::create_dir_all(&to).unwrap();
        fs::rename(&from, to.join(from.file_name().unwrap())).unwrap();
    }
    let report = rig.good_pass();
    assert_eq!((report.missing, report.written), (0, Written::default()), "{report:?}");
    let after = rig.everything();
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (id, seen) in &after {
        assert_eq!(seen.content(), before[id].content());
        let (is, was) = (&seen.row, &before[id].row);
        assert_eq!((&is.id, is.revision, is.digest, is.missing), (&was.id, was.revision, was.digest, None));
    }
    assert!(rig.session("A").path.unwrap().starts_with(rig.home().join(".claude/projects/-home-dana-other")));
    // It goes on at its new place.
    generate_turn(&rig, "K4");
    assert_eq!(rig.good_pass().read, 1);
}

/// Appends a line that is known to be read.
fn generate_turn(rig: &Rig, short: &str) {
    let mut found = Vec::new();
    files(&rig.home(), &mut found);
    let id = rig.id(short);
    let path = found.into_iter().find(|path| path.to_string_lossy().contains(&id)).unwrap();
    let line = json!({"timestamp": "2026-02-22T15:00:00Z", "type": "event_msg", "payload": {"type": "user_message", "message": "more"}});
    append(&path, format!("{line}\n").as_bytes());
}

/// The generator, in one of the modes that go on with a set.
fn go_on(out: &Path, arguments: &[&str]) {
    let script = fixtures().join("generate_sessions.py");
    let status = Command::new("python3").arg(script).arg("--out").arg(out).args(arguments).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
}

#[test]
fn a_generated_session_takes_its_late_result_and_more_turns() {
    let mut rig = Rig::new();
    let out = rig.home();
    generate(&out, &["--sessions", "4", "--messages", "30", "--pending-session", "0", "--seed", "11"]);
    rig.good_pass();
    let manifest: Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let id = manifest["files"][0]["id"].as_str().unwrap().to_owned();
    let seen = |rig: &Rig| rig.seen(rig.by_native(Agent::Claude, &id).unwrap());
    let before = seen(&rig);
    let results = |seen: &crate::rig::Seen| seen.messages.iter().map(|(_, results)| results.len()).sum::<usize>();
    go_on(&out, &["--late-result", "0"]);
    let report = rig.good_pass();
    assert_eq!((report.read, report.written.inserted), (1, 1), "{report:?}");
    let late = seen(&rig);
    assert_eq!(late.messages.len(), before.messages.len());
    assert_eq!(results(&late), results(&before) + 1);
    assert_ne!(late.row.digest, before.row.digest);
    for index in ["0", "1"] {
        go_on(&out, &["--append-to", index, "--append-turns", "3"]);
    }
    let report = rig.good_pass();
    assert_eq!((report.read, report.written.deleted), (2, 0), "{report:?}");
    assert!(seen(&rig).messages.len() > before.messages.len());
    rig.verify();
    let mut anew = Rig::over(&out);
    anew.good_pass();
    assert_same(&rig.contents(), &anew.contents());
}

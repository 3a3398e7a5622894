//! Files that nobody meant: each is a reason in the report, or is kept as far as it goes, and everything else is archived.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use carry_sessions::model::Agent;
use serde_json::json;

use crate::rig::{Rig, append, assert_same};

/// One file of each kind in which some source looks for sessions, and what lies beside them.
const PLACES: [&str; 18] = [
    ".claude/projects/p/garbage.jsonl",
    ".claude/projects/p/garbage-1/subagents/agent-garbage.jsonl",
    ".claude/projects/p/garbage-1/subagents/agent-garbage.meta.json",
    ".codex/sessions/2026/03/14/rollout-2026-03-14T00-00-00-019cfc79-0000-7000-8000-000000000000.jsonl",
    ".codex/archived_sessions/rollout-2026-03-14T00-00-01-019cfc79-0000-7000-8000-000000000001.jsonl",
    ".gemini/tmp/garbage/chats/session-2026-03-14T00-00-00000000.json",
    ".gemini/tmp/garbage/chats/session-2026-03-14T00-00-00000001.jsonl",
    ".gemini/trustedFolders.json",
    ".copilot/session-state/garbage.jsonl",
    ".copilot/session-state/garbage/events.jsonl",
    ".copilot/session-state/garbage/workspace.yaml",
    ".local/share/opencode/opencode.db",
    ".local/share/opencode/storage/session/p/ses_garbage.json",
    ".local/share/opencode/storage/message/ses_garbage/msg_1.json",
    ".cursor/projects/garbage/agent-transcripts/garbage.jsonl",
    ".config/Cursor/User/globalStorage/state.vscdb",
    ".local/share/amp/threads/T-garbage.json",
    ".agentsview/sessions.db",
];

fn line(text: &str) -> String {
    let line = json!({"type": "user", "uuid": text, "parentUuid": null, "sessionId": "s", "timestamp": "2026-03-01T00:00:00Z",
        "message": {"role": "user", "content": text}});
    format!("{line}\n")
}

fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str| format!("{}1{}\n", open.repeat(100_000), close.repeat(100_000)).into_bytes();
    let mut noise = vec![0; 100_000];
    let mut state = 88_172_645_463_325_252_u64;
    for byte in &mut noise {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state as u8;
    }
    vec![
        ("nothing", Vec::new()),
        ("NULs", vec![0; 70_000]),
        ("noise", noise),
        ("no UTF-8", b"{\"type\":\"user\",\"message\":{\"content\":\"\xff\xfe\xc0\"}}\n".to_vec()),
        ("a cut line", line("cut").as_bytes()[..60].to_vec()),
        ("deep lists", deep("[", "]")),
        ("deep objects", deep("{\"a\":", "}")),
        ("deep below what is read", {
            let deep = String::from_utf8(deep("[", "]")).unwrap();
            line("x").replace("\"x\"", deep.trim()).into_bytes()
        }),
        ("a list", b"[1,2,3]\n[]\nnull\n\"text\"\n7\n".to_vec()),
        ("wrong types", b"{\"type\":7,\"message\":[],\"payload\":{\"type\":[]},\"timestamp\":{},\"messages\":{\"a\":1},\"sessionId\":[1]}\n".to_vec()),
        ("huge numbers", b"{\"type\":\"assistant\",\"timestamp\":1e308,\"message\":{\"role\":\"assistant\",\"usage\":{\"input_tokens\":99999999999999999999,\"output_tokens\":-1}}}\n".to_vec()),
        ("a database cut off", b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20".to_vec()),
    ]
}

#[test]
fn garbage_in_every_place_takes_nothing_from_the_rest() {
    let mut clean = Rig::of_fixtures();
    clean.good_pass();
    let expected = clean.contents();
    for (what, bytes) in garbage() {
        let mut rig = Rig::of_fixtures();
        for place in PLACES {
            rig.put(place, &bytes);
        }
        let report = rig.pass();
        for (path, reason) in report.failed.iter().chain(&report.unlisted) {
            assert!(path.starts_with(rig.home()) && reason.len() > 10, "{what}: {path:?}: {reason}");
            assert!(!reason.contains("panicked"), "{what}: {path:?}: {reason}");
        }
        let mut found = rig.contents();
        found.retain(|id, _| expected.contains_key(id));
        assert_same(&found, &expected);
        rig.verify();
        let again = rig.pass();
        assert_eq!(again.written, Default::default(), "{what}");
    }
}

#[test]
fn databases_that_are_none_are_said_with_the_reason() {
    let mut rig = Rig::new();
    let databases: Vec<&str> = PLACES.into_iter().filter(|path| path.ends_with("db")).collect();
    for path in &databases {
        rig.put(path, &[7; 5000]);
    }
    let report = rig.pass();
    assert_eq!((databases.len(), report.unlisted.len()), (3, 3), "{report:?}");
    assert!(report.unlisted.iter().all(|(_, reason)| reason.contains("not a database")), "{report:?}");
}

#[test]
fn a_line_of_more_than_64_mebibytes_is_kept_raw_and_counted() {
    let mut rig = Rig::new();
    let path = rig.put(".claude/projects/p/long.jsonl", line("before").as_bytes());
    let long = format!("{{\"type\":\"user\",\"message\":{{\"content\":\"{}\"}}}}\n", "x".repeat(64 << 20));
    append(&path, long.as_bytes());
    append(&path, line("after").as_bytes());
    rig.good_pass();
    let row = rig.by_native(Agent::Claude, "long").unwrap();
    assert_eq!((row.messages, row.malformed), (2, 1));
    let unit = rig.archive.units().unwrap().pop().unwrap();
    assert_eq!(unit.odd, [("too_long".to_owned(), 1)]);
    let mut raw = Vec::new();
    rig.archive.raw(&row, &mut raw).unwrap();
    assert!(raw == fs::read(&path).unwrap(), "every byte is kept");
}

#[test]
fn links_in_circles_end_and_each_file_is_one_session() {
    let mut clean = Rig::of_fixtures();
    clean.good_pass();
    let mut rig = Rig::of_fixtures();
    let folders = [
        ".claude/projects",
        ".claude/projects/-home-dana-code-orchard-api",
        ".codex/sessions",
        ".codex/sessions/2026",
        ".gemini/tmp",
        ".gemini/tmp/orchard-api",
        ".copilot/session-state",
        ".local/share/opencode/storage/session/p",
        ".cursor/projects/x/agent-transcripts",
        ".local/share/amp/threads",
    ];
    for folder in folders {
        let folder = rig.home().join(folder);
        fs::create_dir_all(&folder).unwrap();
        for n in 0..6 {
            symlink(".", folder.join(format!("a-{n}"))).unwrap();
            symlink("..", folder.join(format!("b-{n}"))).unwrap();
        }
        symlink("nowhere", folder.join("broken.jsonl")).unwrap();
        symlink("itself.jsonl", folder.join("itself.jsonl")).unwrap();
    }
    let report = rig.pass();
    assert_eq!(report.failed, Vec::new());
    assert!(report.unlisted.iter().all(|(path, _)| fs::symlink_metadata(path).is_ok()), "{:?}", report.unlisted);
    assert_same(&rig.contents(), &clean.contents());
    assert_eq!(rig.pass().written, Default::default());
}

#[test]
fn what_cannot_be_read_is_said_and_waits_for_nobody() {
    let mut rig = Rig::of_fixtures();
    let project = rig.home().join(".claude/projects/-home-dana-code-orchard-api");
    let pipe = Command::new("mkfifo").arg(project.join("pipe.jsonl")).status().unwrap();
    assert!(pipe.success());
    fs::create_dir(project.join("folder.jsonl")).unwrap();
    // A file that nobody may read: root may open it, and fails then.
    let unreadable = Path::new("/sys/bus/platform/drivers_probe");
    let codex = rig.home().join(".codex/sessions/2026/03/14");
    let name = "rollout-2026-03-14T00-00-00-019cfc79-0000-7000-8000-000000000000.jsonl";
    for link in [project.join("unreadable.jsonl"), codex.join(name)] {
        symlink(unreadable, &link).unwrap();
    }
    let report = rig.pass();
    assert_eq!(report.unlisted, Vec::new());
    if unreadable.exists() {
        // One file that two sources find.
        assert_eq!(report.failed.len(), 2, "{report:?}");
        for (path, reason) in &report.failed {
            assert!(reason.contains("cannot read") && reason.contains("error"), "{path:?}: {reason}");
        }
    } else {
        eprintln!("there is no file here that nobody may read");
    }
    let mut clean = Rig::of_fixtures();
    clean.good_pass();
    let mut found = rig.contents();
    found.retain(|id, _| !id.contains("unreadable") && !id.contains("019cfc79-0000"));
    assert_same(&found, &clean.contents());
}

#[test]
fn a_file_that_may_not_be_opened_is_said_and_read_when_it_may() {
    let mut rig = Rig::of_fixtures();
    let path = rig.file("B");
    let set = |mode: &str| assert!(Command::new("chmod").arg(mode).arg(&path).status().unwrap().success());
    set("000");
    if fs::File::open(&path).is_ok() {
        eprintln!("this user may open every file: nothing to see here");
        return;
    }
    let report = rig.pass();
    let [(failed, reason)] = &report.failed[..] else { panic!("{report:?}") };
    assert!(*failed == path && reason.contains("denied"), "{reason}");
    assert_eq!(rig.everything().len(), 20);
    set("644");
    rig.good_pass();
    assert_eq!(rig.session("B").messages, 7);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_to_its_end_at_last() {
    let mut rig = Rig::of_fixtures();
    let path = rig.put(".claude/projects/p/growing.jsonl", line("0").as_bytes());
    let is_done = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| grow(&path, &is_done));
        for _ in 0..5 {
            rig.good_pass();
            rig.verify();
        }
        is_done.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    rig.good_pass();
    let seen = rig.seen(rig.by_native(Agent::Claude, "growing").unwrap());
    assert_eq!(seen.messages.len(), written);
    let mut anew = Rig::over(&rig.home());
    anew.good_pass();
    assert_same(&rig.contents(), &anew.contents());
}

/// Appends lines in pieces that do not end where lines do; says how many there are then.
fn grow(path: &Path, is_done: &AtomicBool) -> usize {
    let mut lines = 1;
    while lines < 3000 && !is_done.load(Ordering::Relaxed) {
        let text = line(&lines.to_string());
        let (head, tail) = text.split_at(text.len() / 2);
        append(path, head.as_bytes());
        append(path, tail.as_bytes());
        lines += 1;
    }
    lines
}

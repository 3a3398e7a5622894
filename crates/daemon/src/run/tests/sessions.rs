use carry_kernel::home::Home;
use carry_sessions::archive::Archive;
use carry_sessions::model::{Agent, NativeId};

use super::*;

pub(super) const ID: &str = "0f2b6c1e-3a55-4c1d-9b0e-5d2f8a7c4e10";

/// One line of a session of Claude Code, said now.
pub(super) fn line(n: usize, role: &str, cwd: &Path, text: &str) -> String {
    let parent = n.checked_sub(1).map_or("null".to_owned(), |n| format!("\"u{n}\""));
    let at = SystemClock.now();
    format!(
        r#"{{"type":"{role}","uuid":"u{n}","parentUuid":{parent},"sessionId":"{ID}","cwd":{cwd:?},"timestamp":"{at}","message":{{"role":"{role}","id":"m{n}","content":[{{"type":"text","text":{text:?}}}]}}}}"#
    ) + "\n"
}

impl World {
    /// With sessions switched on; they lie below a home of the test's own.
    pub(super) fn with_sessions() -> Self {
        let mut world = Self::new();
        let enabled = world.ctx.sources.flags.iter_mut().find(|(key, _)| key == "sessions.enabled").unwrap();
        enabled.1 = "true".to_owned();
        world
    }

    pub(super) fn start_sessions(&mut self, change: impl FnOnce(&mut Tuning)) {
        let home = self.path("user");
        let mut tuning = Tuning {
            sessions_quiet: Duration::from_millis(50),
            variable: Arc::new(move |name| (name == "HOME").then(|| home.clone().into())),
            ..Tuning::default()
        };
        change(&mut tuning);
        self.start(tuning);
    }

    fn session_file(&self) -> PathBuf {
        self.path(&format!("user/.claude/projects/-repo/{ID}.jsonl"))
    }

    fn say(&self, n: usize, role: &str, cwd: &Path, text: &str) {
        use std::io::Write as _;
        let path = self.session_file();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line(n, role, cwd, text).as_bytes()).unwrap();
    }

    /// Messages that are archived of the session.
    fn archived(&self) -> u32 {
        let Some(archive) = Archive::open_read_only(&self.ctx.home).unwrap() else { return 0 };
        archive.by_native(Agent::Claude, &NativeId(ID.to_owned())).unwrap().map_or(0, |row| row.messages)
    }

    fn sessions(&self) -> Status {
        self.status().sessions.unwrap()
    }
}

#[test]
fn a_session_that_grows_is_archived() {
    let mut world = World::with_sessions();
    let cwd = world.path("nowhere");
    world.say(0, "user", &cwd, "do it");
    world.start_sessions(|_| {});
    world.until("what is there is archived", || world.archived() == 1);
    world.until("the worker says so", || world.sessions().phase == Phase::Healthy);
    world.say(1, "assistant", &cwd, "it is done");
    world.until("what comes is archived", || world.archived() == 2);
    let rows = carry_kernel::status::StatusBoard::open(&world.ctx.home).unwrap().rows().unwrap();
    assert!(rows.iter().any(|row| row.worker == "sessions/ingest"), "{rows:?}");
}

#[test]
fn a_root_that_appears_later_is_noticed() {
    let mut world = World::with_sessions();
    std::fs::create_dir(world.path("user")).unwrap();
    world.start_sessions(|_| {});
    world.until("the first pass", || world.sessions().phase == Phase::Healthy);
    let cwd = world.path("nowhere");
    world.say(0, "user", &cwd, "do it");
    world.until("the new root is found", || world.archived() == 1);
    // It goes, and comes again as another folder.
    std::fs::remove_dir_all(world.path("user/.claude")).unwrap();
    world.say(0, "user", &cwd, "do it");
    world.say(1, "assistant", &cwd, "it is done");
    world.until("the folder that took its place is heard", || world.archived() == 2);
    world.say(2, "user", &cwd, "more");
    world.until("and watched", || world.archived() == 3);
}

#[test]
fn the_end_of_a_turn_captures_the_repository() {
    let mut world = World::with_sessions();
    // So long that no change is captured by itself.
    for (key, value) in &mut world.ctx.sources.flags {
        if key.starts_with("code.") {
            *value = "1h".to_owned();
        }
    }
    let tree = world.repo("repo");
    world.start_sessions(|_| {});
    world.until("a first look", || world.worker(&tree).cycles > 0);
    world.say(0, "user", &tree.root, "make it two");
    world.until("the prompt is archived", || world.archived() == 1);
    write(&tree.root.join("file"), "two\n");
    let cwd = tree.root.join("deep/in/it");
    std::fs::create_dir_all(&cwd).unwrap();
    world.say(1, "assistant", &cwd, "it is two");
    world.until("the turn is captured", || world.snapshot_of(&tree, "file").as_deref() == Some("two\n"));
}

#[test]
fn sessions_that_are_switched_off_are_left_alone() {
    let mut world = World::new();
    world.say(0, "user", &world.path("nowhere"), "do it");
    world.start_sessions(|_| {});
    world.until("it says so", || world.sessions().phase == Phase::Disabled);
    assert!(!world.ctx.home.database("sessions").exists());
}

#[test]
fn a_stop_does_not_wait_for_a_pass() {
    let mut world = World::with_sessions();
    let cwd = world.path("nowhere");
    let text = "word ".repeat(200);
    let lines: String = (0..20_000).map(|n| line(n, "user", &cwd, &text)).collect();
    write(&world.session_file(), &lines);
    world.start_sessions(|_| {});
    world.until("a pass runs", || matches!(world.sessions().phase, Phase::Working(_)));
    world.stop();
    // What was begun is begun anew and comes to the same.
    world.start_sessions(|_| {});
    world.until("the next daemon archives all of it", || world.archived() == 20_000);
}

#[test]
fn only_one_process_writes() {
    let mut world = World::with_sessions();
    world.say(0, "user", &world.path("nowhere"), "do it");
    let home: &Home = &world.ctx.home;
    let mut lease = carry_kernel::lease::Lease::open(home, carry_kernel::lease::Owner::this_process()).unwrap();
    let now = world.clock.steady();
    let taken = lease.acquire(carry_sessions::ingest::LEASE, Duration::from_secs(2), now).unwrap();
    assert!(matches!(taken, carry_kernel::lease::Outcome::Granted(_)));
    let _ = lease;
    world.start_sessions(|_| {});
    world.until("it waits for the other", || world.sessions().dirty);
    world.clock.0.fetch_add(60_000, Ordering::SeqCst);
    world.until("it goes on once the lease lapsed", || world.archived() == 1);
}

#[test]
fn a_rename_beside_the_folders_of_sessions_is_noticed() {
    let mut world = World::with_sessions();
    let id = "0199d2c4-7a10-7c33-9d55-1f2e3a4b5c6d";
    let said = |kind: &str, payload: String| {
        format!(r#"{{"timestamp":"2026-03-14T14:30:00Z","type":"{kind}","payload":{payload}}}"#) + "\n"
    };
    let path = world.path(&format!("user/.codex/sessions/2026/03/14/rollout-2026-03-14T14-30-00-{id}.jsonl"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"do it"}]}"#;
    let meta = format!(r#"{{"id":"{id}","cwd":"/nowhere"}}"#);
    write(&path, &(said("session_meta", meta) + &said("response_item", text.to_owned())));
    let home = world.ctx.home.clone();
    let name = move || {
        let archive = Archive::open_read_only(&home).unwrap()?;
        archive.by_native(Agent::Codex, &NativeId(id.to_owned())).unwrap().map(|row| row.name)
    };
    world.start_sessions(|_| {});
    world.until("what is there is archived", || name() == Some(None));
    let index = world.path("user/.codex/session_index.jsonl");
    for title in ["one", "two"] {
        let line = format!(r#"{{"id":"{id}","thread_name":"{title}"}}"#) + "\n";
        let before = std::fs::read_to_string(&index).unwrap_or_default();
        write(&index, &(before + &line));
        world.until("the name is archived", || name().flatten().as_deref() == Some(title));
    }
}

#[test]
fn a_row_that_only_the_log_of_a_database_holds_is_noticed() {
    let mut world = World::with_sessions();
    let folder = world.path("user/.local/share/opencode");
    std::fs::create_dir_all(&folder).unwrap();
    let db = carry_kernel::db::rusqlite::Connection::open(folder.join("opencode.db")).unwrap();
    db.execute_batch(
        r#"PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
        CREATE TABLE session (id TEXT, project_id TEXT, parent_id TEXT, title TEXT, directory TEXT, time_created INTEGER, time_updated INTEGER);
        CREATE TABLE message (id TEXT, session_id TEXT, time_created INTEGER, data TEXT);
        CREATE TABLE part (id TEXT, message_id TEXT, session_id TEXT, data TEXT);
        CREATE TABLE project (id TEXT, worktree TEXT);
        INSERT INTO session VALUES ('ses_a', NULL, NULL, 'a name', '/nowhere', 1, 1);"#,
    )
    .unwrap();
    let say = |n: u32| {
        db.execute_batch(&format!(
            r#"BEGIN; INSERT INTO message VALUES ('msg_{n}', 'ses_a', {n}, '{{"role":"user","time":{{"created":{n}}}}}');
            INSERT INTO part VALUES ('prt_{n}', 'msg_{n}', 'ses_a', '{{"type":"text","text":"word {n}"}}'); COMMIT;"#
        ))
        .unwrap();
    };
    let home = world.ctx.home.clone();
    let messages = move || {
        let Some(archive) = Archive::open_read_only(&home).unwrap() else { return 0 };
        archive.by_native(Agent::OpenCode, &NativeId("ses_a".to_owned())).unwrap().map_or(0, |row| row.messages)
    };
    say(1);
    world.start_sessions(|_| {});
    world.until("what is there is archived", || messages() == 1);
    for n in 2..4 {
        say(n);
        world.until("what comes is archived", || messages() == n);
    }
}

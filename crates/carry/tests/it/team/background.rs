//! Team stores in the background: real daemons and a real PostgreSQL.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use carry_testkit::patience::until;
use carry_testkit::postgres::{self, PASSWORD, Server};
use carry_testkit::wire::{Proxy, Way};
use serde_json::Value;

use crate::world::World;

/// A database of a server, and who uses it.
struct Store<'s> {
    server: &'s Server,
    database: String,
    role: String,
}

impl<'s> Store<'s> {
    /// An empty one, whose role may make tables.
    fn new(server: &'s Server) -> Self {
        let (database, role) = (server.database(), server.role(""));
        server.admin("postgres", &format!("ALTER DATABASE {database} OWNER TO {role}"));
        Self { server, database, role }
    }

    fn url(&self) -> String {
        self.server.url(&self.role, PASSWORD, &self.database)
    }

    /// The answer to a query, as text.
    fn ask(&self, sql: &str) -> String {
        self.server.admin(&self.database, sql)
    }

    fn number(&self, sql: &str) -> usize {
        self.ask(sql).parse().expect("a number")
    }

    fn sessions(&self) -> usize {
        self.number("SELECT count(*) FROM carry.sessions")
    }

    fn messages(&self) -> usize {
        self.number("SELECT count(*) FROM carry.messages")
    }
}

/// A machine whose agent has sessions and which shares all of them with a store.
struct Machine {
    world: World,
}

impl Machine {
    /// One whose daemon does not run yet.
    fn new(url: &str) -> Self {
        let machine = Self { world: World::with_commit() };
        machine.configure(url);
        machine
    }

    fn configure(&self, url: &str) {
        let folder = self.world.root().join("carry/config");
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("url");
        put(&file, url);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let config = format!(
            "[team]\nurl_file = {file:?}\nperson = \"Ada\"\nquiet = \"100ms\"\nshare = [\"*=full\"]\n[daemon]\nmax_load = 1000\n"
        );
        put(&folder.join("config.toml"), &config);
    }

    /// One more message of a session.
    fn say(&self, session: usize, message: usize, text: &str) {
        let id = native(session);
        let folder = self.world.home().join(".claude/projects/-repo");
        fs::create_dir_all(&folder).expect("a folder");
        let (role, parent) = match message.checked_sub(1) {
            None => ("user", Value::Null),
            Some(before) => ("assistant", format!("u{before}").into()),
        };
        let line = serde_json::json!({
            "type": role, "uuid": format!("u{message}"), "parentUuid": parent, "sessionId": id,
            "cwd": self.world.repo(), "timestamp": "2026-03-14T14:30:00Z",
            "message": {"role": role, "id": format!("m{message}"), "content": [{"type": "text", "text": text}]},
        });
        let path = folder.join(format!("{id}.jsonl"));
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("a file");
        file.write_all(format!("{line}\n").as_bytes()).expect("room on the disk");
    }

    fn start(&self) {
        self.world.ok(&["daemon", "start"]);
    }

    fn status(&self) -> Value {
        let ran = self.world.ok(&["team", "status", "--json"]);
        serde_json::from_str(ran.raw.lines().next().unwrap_or_default()).expect("JSON")
    }

    #[track_caller]
    fn until_healthy(&self, sessions: usize) {
        until("the store is as it should be", || {
            let status = self.status();
            let is_done = status["pending"] == 0 && status["total_sessions_synced"] == sessions;
            is_done && status["phase"] == "healthy" && status["last_error"].is_null()
        });
    }
}

fn native(session: usize) -> String {
    format!("0f2b6c1e-3a55-4c1d-9b0e-{session:012}")
}

fn put(path: &std::path::Path, text: &str) {
    let mut file = fs::File::create(path).expect("a file");
    file.write_all(text.as_bytes()).expect("room on the disk");
}

#[test]
fn a_session_that_grows_is_followed_to_the_store() {
    let store = Store::new(postgres::shared());
    let machine = Machine::new(&store.url());
    machine.world.ok(&["team", "init"]);
    machine.say(0, 0, "please begin");
    machine.start();
    until("it arrives", || (store.sessions(), store.messages()) == (1, 1));
    for message in 1..4 {
        machine.say(0, message, "going on");
        until("it is followed", || store.messages() == message + 1);
    }
    machine.until_healthy(1);
    let said = store.ask("SELECT json ->> 'ordinal' FROM carry.messages ORDER BY ordinal DESC LIMIT 1");
    assert_eq!(said, "3");
}

#[test]
fn what_is_curated_and_taken_back_arrives() {
    let store = Store::new(postgres::shared());
    let machine = Machine::new(&store.url());
    machine.world.ok(&["team", "init"]);
    machine.say(0, 0, "please begin");
    machine.start();
    machine.until_healthy(1);
    let is = |column: &str| store.ask(&format!("SELECT {column} FROM carry.sessions"));
    let id = native(0);
    for (does, takes_back, column, with, without) in [
        (&["star", &id][..], &["star", "--remove", &id][..], "is_starred", "t", "f"),
        (&["trash", &id], &["restore", &id], "is_trashed", "t", "f"),
        (&["rename", &id, "Orchard"], &["rename", &id, "Meadow"], "name", "Orchard", "Meadow"),
    ] {
        machine.world.ok(&[&["sessions"], does].concat());
        until("it arrives", || is(column) == with);
        machine.world.ok(&[&["sessions"], takes_back].concat());
        until("it is taken back", || is(column) == without);
    }
    machine.world.ok(&["--yes", "sessions", "delete", &id]);
    until("it is withdrawn", || store.sessions() == 0);
}

#[test]
fn two_machines_of_one_person_share_a_store() {
    let store = Store::new(postgres::shared());
    let machines = [Machine::new(&store.url()), Machine::new(&store.url())];
    machines[0].world.ok(&["team", "init"]);
    for (n, machine) in machines.iter().enumerate() {
        machine.say(n, 0, "please begin");
        machine.start();
    }
    machines.iter().for_each(|machine| machine.until_healthy(1));
    assert_eq!((store.sessions(), store.number("SELECT count(*) FROM carry.owners")), (2, 1));
    machines[0].say(0, 1, "going on");
    until("each goes on with its own", || store.messages() == 3);
    machines[0].world.ok(&["--yes", "sessions", "delete", &native(0)]);
    until("and takes back its own", || store.sessions() == 1);
    machines[1].until_healthy(1);
}

#[test]
fn a_copied_home_waits_while_the_other_pushes_and_says_so() {
    let store = Store::new(postgres::shared());
    let machine = Machine::new(&store.url());
    machine.world.ok(&["team", "init"]);
    machine.say(0, 0, "please begin");
    machine.world.ok(&["sessions", "index"]);
    machine.world.ok(&["team", "push"]);
    let copy = Machine { world: World::with_commit() };
    for folder in ["carry", "home/.claude"] {
        let (from, to) = (machine.world.root().join(folder), copy.world.root().join(folder));
        let _ = fs::remove_dir_all(&to);
        assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp").success());
    }
    copy.configure(&store.url());
    // As while the other one is in the middle of a push.
    store.ask("UPDATE carry.clients SET until = now() + interval '1 hour'");
    copy.say(1, 0, "please begin there");
    copy.start();
    until("it says so", || {
        let status = copy.status();
        !status["last_error"].is_null() && !status["backoff_until"].is_null()
    });
    let status = copy.status();
    assert!(status["last_error"].to_string().contains("copy of this device"), "{status}");
    assert_eq!(store.sessions(), 1, "it does not interfere");
    store.ask("UPDATE carry.clients SET until = now()");
    // Whoever mended it has the daemon look again.
    copy.world.ok(&["config", "set", "team.quiet", "200ms"]);
    copy.until_healthy(2);
    assert_eq!(store.sessions(), 2);
}

#[test]
fn a_server_that_dies_during_a_push_is_waited_for() {
    const SESSIONS: usize = 40;
    let options = postgres::Options { is_unsafe: true, ..postgres::Options::default() };
    let mut server = Server::start_with(&options);
    let machine = {
        let store = Store::new(&server);
        let machine = Machine::new(&store.url());
        machine.world.ok(&["team", "init"]);
        (machine, store.database, store.role)
    };
    let (machine, database, role) = machine;
    let proxy = Proxy::start(server.address());
    machine.configure(&server.url_at(proxy.port(), &role, PASSWORD, &database));
    for session in 0..SESSIONS {
        machine.say(session, 0, "please begin");
    }
    machine.world.ok(&["sessions", "index"]);
    // In the middle of it: what is said of a few sessions takes more than this.
    proxy.cut_after(Way::Up, 20_000);
    machine.start();
    until("the push broke", || !machine.status()["last_error"].is_null());
    server.kill();
    proxy.heal();
    machine.world.ok(&["config", "set", "team.quiet", "200ms"]);
    until("it waits for the server", || {
        let status = machine.status();
        status["phase"] == "backoff" && !status["backoff_until"].is_null()
    });
    let status = machine.status();
    assert!(status["running"] == true && status["last_error"].is_string(), "{status}");
    server.start();
    let count = |what: &str| server.admin(&database, &format!("SELECT count(*) FROM carry.{what}"));
    let before: usize = count("units").parse().expect("a number");
    assert!(before < SESSIONS, "it was in the middle of it");
    assert_eq!(count("units"), count("messages"), "none is there by halves");
    machine.world.ok(&["config", "set", "team.quiet", "100ms"]);
    machine.until_healthy(SESSIONS);
    assert_eq!((count("units"), count("messages")), (SESSIONS.to_string(), SESSIONS.to_string()));
}

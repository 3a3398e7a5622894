use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex};

use carry_kernel::worker::Reason;
use carry_sessions::archive::Archive;
use carry_sessions::curation::Edit;
use carry_sessions::model::{Agent, NativeId};
use carry_team::memory::{Memory, Store};
use carry_team::settings::StoreSettings;
use carry_team::sink::{Begun, Buckets, Class, Client, Held, Opened, Sink, SinkError, Stored, Summary, Traffic};
use carry_team::unit::{Root, UnitKey};

use super::*;

/// How often stores are compared in tests: so seldom that nothing comes twice by itself.
const RECONCILE_HOURS: u64 = 1000;

/// Stores in memory that do what a test says, by name.
#[derive(Default)]
struct Stores {
    stores: Mutex<BTreeMap<String, Store>>,
    /// How often each was opened.
    opened: Mutex<BTreeMap<String, usize>>,
    /// Those that fail when they are opened, and how.
    failing: Mutex<BTreeMap<String, Class>>,
    /// Those that take no unit.
    refusing: Mutex<BTreeSet<String>>,
    /// Those that panic when they are opened.
    panicking: Mutex<BTreeSet<String>>,
    /// Those whose units wait, and what tells of a change of these.
    shut: (Mutex<BTreeSet<String>>, Condvar),
    /// Units that were begun.
    begun: AtomicU64,
}

impl Stores {
    fn opened(&self, name: &str) -> usize {
        self.opened.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    fn store(&self, name: &str) -> Store {
        self.stores.lock().unwrap().entry(name.to_owned()).or_insert_with(|| Store::new(name)).clone()
    }

    /// How many units it holds, how many rows, and the title of the first.
    fn holds(&self, name: &str) -> (usize, usize) {
        let units = self.store(name).units();
        (units.len(), units.values().map(|unit| unit.rows.len()).sum())
    }

    fn shut(&self, name: &str) {
        self.shut.0.lock().unwrap().insert(name.to_owned());
    }

    fn open_all(&self) {
        self.shut.0.lock().unwrap().clear();
        self.shut.1.notify_all();
    }
}

/// A connection to one of them.
struct Scripted {
    stores: Arc<Stores>,
    name: String,
    inner: Memory,
}

fn error(class: Class) -> SinkError {
    SinkError { class, message: "it says no".to_owned(), hint: Some("Ask it why.".to_owned()), source: None }
}

impl Sink for Scripted {
    fn open(&mut self, client: &Client) -> Result<Opened, SinkError> {
        *self.stores.opened.lock().unwrap().entry(self.name.clone()).or_default() += 1;
        let panics = self.stores.panicking.lock().unwrap().contains(&self.name);
        assert!(!panics, "this test wants it");
        match self.stores.failing.lock().unwrap().get(&self.name) {
            Some(class) => Err(error(*class)),
            None => self.inner.open(client),
        }
    }

    fn change<'s>(&'s mut self, key: &UnitKey, base: Option<Root>) -> Result<Begun<'s>, SinkError> {
        self.stores.begun.fetch_add(1, Ordering::SeqCst);
        let (shut, bell) = &self.stores.shut;
        drop(bell.wait_while(shut.lock().unwrap(), |shut| shut.contains(&self.name)).unwrap());
        if self.stores.refusing.lock().unwrap().contains(&self.name) {
            return Err(error(Class::Refused));
        }
        self.inner.change(key, base)
    }

    fn look(&mut self, client: &Client) -> Result<Opened, SinkError> {
        self.inner.look(client)
    }
    fn summary(&mut self) -> Result<Summary, SinkError> {
        self.inner.summary()
    }
    fn roots(&mut self) -> Result<BTreeMap<String, Stored>, SinkError> {
        self.inner.roots()
    }
    fn held(&mut self, key: &UnitKey, buckets: &Buckets) -> Result<Option<Held>, SinkError> {
        self.inner.held(key, buckets)
    }
    fn remove(&mut self, keys: &[String]) -> Result<u64, SinkError> {
        self.inner.remove(keys)
    }
    fn confirm(&mut self, keys: &[String], mask: &str) -> Result<(), SinkError> {
        self.inner.confirm(keys, mask)
    }
    fn close(&mut self) -> Result<(), SinkError> {
        self.inner.close()
    }
    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
}

/// A world whose agent has these many sessions, and whose stores are the fakes.
struct TeamWorld {
    world: World,
    stores: Arc<Stores>,
}

impl std::ops::Deref for TeamWorld {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl TeamWorld {
    /// A daemon that pushes to these stores all there is; the first is the default one.
    fn new(names: &[&str]) -> Self {
        let mut world = Self { world: World::with_sessions(), stores: Arc::default() };
        world.configure(names);
        world.say_in(0, 0, "do it");
        world.start();
        world
    }

    fn start(&mut self) {
        let stores = self.stores.clone();
        self.world.start_sessions(|tuning| {
            tuning.metered = Arc::new(|| None);
            tuning.sink = Arc::new(move |settings: &StoreSettings| {
                let inner = stores.store(&settings.name).sink("role");
                Box::new(Scripted { stores: stores.clone(), name: settings.name.clone(), inner })
            });
        });
    }

    /// Writes the configuration with these stores.
    fn configure(&self, names: &[&str]) {
        let url = |name: &str| format!("postgres://me@localhost/{name}");
        let (first, more) = names.split_first().map_or(("", &[][..]), |(first, more)| (*first, more));
        let stores: Vec<String> = more.iter().map(|name| format!("\"{name}={}\"", url(name))).collect();
        let shares: Vec<String> = names
            .iter()
            .map(|name| if *name == "default" { "\"*=full\"".to_owned() } else { format!("\"*=full@{name}\"") })
            .collect();
        let first = if first.is_empty() { String::new() } else { url(first) };
        let text = format!(
            "[team]\nurl = \"{first}\"\nperson = \"Someone\"\nquiet = \"50ms\"\nreconcile = \"{RECONCILE_HOURS}h\"\nstores = [{}]\nshare = [{}]\n",
            stores.join(", "),
            shares.join(", ")
        );
        write(&self.world.ctx.home.config_file(), &text);
    }

    /// One line of one of the agent's sessions.
    fn say_in(&self, session: usize, n: usize, text: &str) {
        use std::io::Write as _;
        let id = format!("0f2b6c1e-3a55-4c1d-9b0e-{session:012}");
        let path = self.path(&format!("user/.claude/projects/-repo/{id}.jsonl"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let line = super::sessions::line(n, "user", &self.path("nowhere"), text);
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.replace(super::sessions::ID, &id).as_bytes()).unwrap();
    }

    fn team(&self, name: &str) -> Option<Status> {
        self.status().team.get(&format!("team/{name}")).cloned()
    }

    #[track_caller]
    fn until_store(&self, what: &str, name: &str, holds: impl Fn(&Status) -> bool) {
        self.until(what, || self.team(name).is_some_and(|status| holds(&status)));
    }

    /// Waits until the store holds so many units and rows of messages and words.
    #[track_caller]
    fn until_holds(&self, name: &str, sessions: usize, messages: usize) {
        let expected = |(units, rows)| units == sessions && rows >= messages + sessions;
        self.until(&format!("{name} holds {sessions} with {messages}"), || expected(self.stores.holds(name)));
        self.until_store("it says so", name, is_done);
    }

    fn rows(&self) -> Vec<String> {
        let rows = carry_kernel::status::StatusBoard::open(&self.ctx.home).unwrap().rows().unwrap();
        rows.into_iter().map(|row| row.worker).filter(|row| row.starts_with("team/")).collect()
    }

    fn forward(&self, by_ms: u64) {
        self.clock.0.fetch_add(by_ms, Ordering::SeqCst);
        self.clock.1.fetch_add(by_ms, Ordering::SeqCst);
        // Wakes the loop, unless it has ended.
        let _ = self.ask(&Request::Status);
    }
}

fn is_done(status: &Status) -> bool {
    status.cycles > 0 && !status.dirty && status.phase == Phase::Healthy
}

#[test]
fn what_is_archived_arrives_in_the_store() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    let before = world.stores.opened("default");
    world.say_in(0, 1, "and more");
    world.until_holds("default", 1, 2);
    assert_eq!(world.stores.opened("default"), before + 1, "one change is one push");
    assert_eq!(world.rows(), ["team/default"]);
}

#[test]
fn what_a_command_changed_arrives_once_the_daemon_is_told() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    let head = || world.stores.store("default").units().into_values().next().unwrap().head.unwrap().1;
    let before = head();
    let mut archive = Archive::open(&world.ctx.home, world.ctx.device.id().as_str()).unwrap();
    let native = NativeId("0f2b6c1e-3a55-4c1d-9b0e-000000000000".to_owned());
    let session = archive.by_native(Agent::Claude, &native).unwrap().unwrap();
    archive.curate(&session.id, &Edit::Star(true), world.ctx.device.id().as_str(), SystemClock.now()).unwrap();
    assert_eq!(world.ask(&Request::SessionsChanged), Some(Answer::Done));
    world.until("the star is there", || head() != before);
}

#[test]
fn many_changes_come_to_few_pushes() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    let before = world.stores.opened("default");
    for _ in 0..200 {
        assert_eq!(world.ask(&Request::SessionsChanged), Some(Answer::Done));
    }
    world.until_store("it is quiet", "default", is_done);
    let pushes = world.stores.opened("default") - before;
    assert!((1..100).contains(&pushes), "{pushes}");
}

#[test]
fn a_store_that_fails_waits_and_the_others_go_on() {
    let world = TeamWorld::new(&["default", "other"]);
    world.until_holds("other", 1, 1);
    world.stores.failing.lock().unwrap().insert("default".to_owned(), Class::AuthRequired);
    world.say_in(0, 1, "and more");
    world.until_holds("other", 1, 2);
    world.until_store("it failed", "default", |status| status.failures > 0 && status.phase == Phase::Backoff);
    let status = world.team("default").unwrap();
    assert_eq!(status.reason, Some(Reason::AuthRequired));
    assert_eq!(status.message.as_deref(), Some("It says no. Ask it why."));
    let wait = status.backoff_until.unwrap().since(SystemClock.now());
    assert!(wait > Duration::from_secs(600), "somebody must log in first: {wait:?}");
    world.stores.failing.lock().unwrap().clear();
    // Who mended it says so.
    world.reload();
    world.until_holds("default", 1, 2);
}

#[test]
fn a_store_that_comes_back_by_itself_is_found() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    world.stores.failing.lock().unwrap().insert("default".to_owned(), Class::Unreachable);
    world.say_in(0, 1, "and more");
    world.until_store("it failed", "default", |status| status.reason == Some(Reason::Unreachable));
    world.stores.failing.lock().unwrap().clear();
    world.forward(60_000);
    world.until_holds("default", 1, 2);
}

#[test]
fn stores_come_and_go_with_the_configuration() {
    let world = TeamWorld::new(&[]);
    world.until("it is archived", || world.status().sessions.is_some_and(|status| is_done(&status)));
    assert!(world.status().team.is_empty() && world.rows().is_empty());
    world.configure(&["default", "other"]);
    world.reload();
    world.until_holds("default", 1, 1);
    world.until_holds("other", 1, 1);
    world.configure(&["default"]);
    world.reload();
    world.until("its row goes", || world.rows() == ["team/default"]);
    assert_eq!(world.status().team.len(), 1);
    let before = world.stores.opened("other");
    world.say_in(0, 1, "and more");
    world.until_holds("default", 1, 2);
    assert_eq!((world.stores.opened("other"), world.stores.holds("other").0), (before, 1), "it is left as it was");
    world.configure(&["default", "other"]);
    world.reload();
    world.until_holds("other", 1, 2);
}

#[test]
fn what_is_no_longer_shared_is_withdrawn_at_once() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    let path = world.ctx.home.config_file();
    let text = std::fs::read_to_string(&path).unwrap();
    write(&path, &text.replace("*=full", "*=off"));
    world.reload();
    world.until("it is gone", || world.stores.holds("default") == (0, 0));
}

#[test]
fn a_row_that_an_earlier_daemon_left_goes() {
    let mut world = TeamWorld { world: World::with_sessions(), stores: Arc::default() };
    let mut board = carry_kernel::status::StatusBoard::open(&world.ctx.home).unwrap();
    let worker = carry_kernel::worker::Worker::new(carry_kernel::worker::Settings::default(), 1);
    board.publish("team/gone", &worker.status(), 1, SystemClock.now()).unwrap();
    world.start();
    assert!(world.rows().is_empty());
}

#[test]
fn what_was_set_aside_is_said_and_tried_again_by_itself() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    world.stores.refusing.lock().unwrap().insert("default".to_owned());
    world.say_in(1, 0, "another");
    world.until_store("it says so", "default", |status| {
        is_done(status) && status.message.as_deref().is_some_and(|message| message.contains("set aside"))
    });
    assert_eq!(world.stores.holds("default").0, 1, "the other one is there");
    world.stores.refusing.lock().unwrap().clear();
    // Sooner than anything else would ask for a push.
    world.until("it is tried again", || {
        world.forward(20_000);
        world.stores.holds("default").0 == 2
    });
    world.until_store("and nothing is aside", "default", |status| is_done(status) && status.message.is_none());
}

#[test]
fn a_stop_ends_a_push_after_the_unit_at_hand() {
    let mut world = TeamWorld { world: World::with_sessions(), stores: Arc::default() };
    for session in 0..5 {
        world.say_in(session, 0, "do it");
    }
    world.start();
    world.until("all are archived", || world.sessions_archived() == 5);
    world.world.stop();
    world.configure(&["default"]);
    world.stores.shut("default");
    world.start();
    world.until("a push is under way", || world.stores.begun.load(Ordering::SeqCst) > 0);
    assert_eq!(world.ask(&Request::Stop), Some(Answer::Done));
    world.stores.open_all();
    world.world.join().unwrap();
    assert_eq!(world.stores.holds("default").0, 1);
    world.start();
    world.until_holds("default", 5, 5);
}

#[test]
fn a_push_that_hangs_delays_nothing_and_is_given_up_at_the_end() {
    let mut world = TeamWorld::new(&["default", "other"]);
    world.until_holds("default", 1, 1);
    world.until_holds("other", 1, 1);
    world.stores.shut("other");
    let begun = world.stores.begun.load(Ordering::SeqCst);
    world.say_in(0, 1, "and more");
    world.until_holds("default", 1, 2);
    world.until("the other hangs", || world.stores.begun.load(Ordering::SeqCst) == begun + 2);
    world.say_in(0, 2, "and yet more");
    world.until_holds("default", 1, 3);
    assert_eq!(world.ask(&Request::Stop), Some(Answer::Done));
    // Its grace is over.
    world.until("it ends", || {
        world.forward(60_000);
        world.daemon.as_ref().is_some_and(JoinHandle::is_finished)
    });
    world.world.join().unwrap();
    world.stores.open_all();
}

#[test]
fn a_panic_is_reported_and_followed_by_another_try() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    world.stores.panicking.lock().unwrap().insert("default".to_owned());
    world.say_in(0, 1, "and more");
    world.until_store("it is reported", "default", |status| status.panics > 0);
    let status = world.team("default").unwrap();
    assert_eq!(status.reason, Some(Reason::InternalError));
    assert!(status.message.unwrap().contains("this test wants it"));
    world.stores.panicking.lock().unwrap().clear();
    world.forward(60_000);
    world.until_holds("default", 1, 2);
}

#[test]
fn a_store_is_compared_now_and_then_although_nothing_changed() {
    let world = TeamWorld::new(&["default"]);
    world.until_holds("default", 1, 1);
    world.stores.store("default").tamper(|units| units.clear());
    world.forward(2 * RECONCILE_HOURS * 3_600_000);
    world.until_holds("default", 1, 1);
}

#[test]
fn a_store_far_away_waits_for_a_network_that_costs_nothing() {
    let mut world = TeamWorld { world: World::with_sessions(), stores: Arc::default() };
    world.say_in(0, 0, "do it");
    let costs = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (stores, asked) = (world.stores.clone(), costs.clone());
    world.configure(&["default"]);
    let path = world.ctx.home.config_file();
    let text = std::fs::read_to_string(&path).unwrap();
    write(&path, &text.replace("@localhost", "@db.example.org"));
    world.world.start_sessions(|tuning| {
        tuning.metered = Arc::new(move || Some(asked.load(Ordering::SeqCst)));
        tuning.sink = Arc::new(move |settings: &StoreSettings| {
            let inner = stores.store(&settings.name).sink("role");
            Box::new(Scripted { stores: stores.clone(), name: settings.name.clone(), inner })
        });
    });
    world.until_store("it is held back", "default", |status| status.gates.contains(&carry_kernel::gate::Gate::Metered));
    assert_eq!(world.stores.opened("default"), 0);
}

impl TeamWorld {
    fn sessions_archived(&self) -> usize {
        let Some(archive) = Archive::open_read_only(&self.ctx.home).unwrap() else { return 0 };
        let is_there = |session: &usize| {
            let native = NativeId(format!("0f2b6c1e-3a55-4c1d-9b0e-{session:012}"));
            archive.by_native(Agent::Claude, &native).unwrap().is_some()
        };
        (0..9).filter(is_there).count()
    }
}

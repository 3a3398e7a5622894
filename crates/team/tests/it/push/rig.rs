//! A home with an archive, its pushes, and what they leave in a database.

use std::sync::atomic::AtomicBool;

use carry_kernel::clock::Timestamp;
use carry_kernel::home::Home;
use carry_redact::Redactor;
use carry_sessions::archive::Archive;
use carry_sessions::curation::Edit;
use carry_sessions::model::SessionId;
use carry_team::postgres::{Limits, Postgres};
use carry_team::push::{Depth, Push, PushError, Report};
use carry_team::settings::StoreSettings;
use carry_team::share::Shares;
use carry_team::sink::{Class, Client, Sink};
use carry_team::state::{State, StoreRow};
use carry_testkit::postgres::{Server, shared};

use crate::fixture::{self, Fixture};
use crate::rig::{settings, store_at};

/// The store's name.
pub(super) const STORE: &str = "default";

/// A home that pushes to one store.
pub(super) struct Device {
    pub(super) fixture: Fixture,
    pub(super) state: State,
    pub(super) settings: StoreSettings,
    pub(super) limits: Limits,
    pub(super) person: String,
    /// Milliseconds.
    pub(super) now: i64,
}

impl Device {
    /// One that shares everything.
    pub(super) fn new(url: &str) -> Self {
        let fixture = Fixture::new();
        let state = State::open(&fixture.home).unwrap();
        let limits = Limits::default();
        let mut device =
            Self { fixture, state, settings: settings(url), limits, person: "Ann".to_owned(), now: fixture::NOW };
        device.share(&["*=full"]);
        device
    }

    /// Shares by these rules and no others.
    pub(super) fn share(&mut self, rules: &[&str]) {
        self.settings.shares = shares(rules);
    }

    pub(super) fn edit(&mut self, native: &str, edit: &Edit) {
        let (id, now) = (self.id(native), Timestamp::from_millis(self.now));
        self.fixture.archive.curate(&id, edit, "here", now).unwrap();
    }

    pub(super) fn delete(&mut self, native: &str) {
        let (id, now) = (self.id(native), Timestamp::from_millis(self.now));
        self.fixture.archive.delete_for_good(&id, "here", now).unwrap();
    }

    pub(super) fn id(&self, native: &str) -> SessionId {
        self.fixture.session(native).id
    }

    pub(super) fn sink(&self) -> Postgres {
        Postgres::with_limits(&self.settings, self.limits)
    }

    pub(super) fn push(&mut self) -> Result<Report, PushError> {
        self.run(Depth::Changed)
    }

    pub(super) fn run(&mut self, depth: Depth) -> Result<Report, PushError> {
        let mut sink = self.sink();
        self.run_on(&mut sink, depth)
    }

    pub(super) fn run_on(&mut self, sink: &mut dyn Sink, depth: Depth) -> Result<Report, PushError> {
        let client = client(&self.person);
        run(&self.fixture.archive, &mut self.state, sink, &self.settings, client, self.now, depth)
    }

    /// What this home says of the store.
    pub(super) fn status(&self) -> StoreRow {
        self.state.store(STORE).unwrap()
    }

    /// The push failed for this reason, and nothing is said to be better than it is.
    #[track_caller]
    pub(super) fn assert_failed(&self, pushed: Result<Report, PushError>, class: Class, pushed_at: Option<Timestamp>) {
        match pushed {
            Err(PushError::Sink(error)) => assert_eq!(error.class, class, "{error}"),
            other => panic!("{other:?}"),
        }
        let status = self.status();
        assert_eq!((status.pushed_at, status.failed), (pushed_at, Vec::new()));
    }

    /// The database holds `expected`, says so when it is asked again, and this home does, too.
    #[track_caller]
    pub(super) fn assert_settled(&mut self, server: &Server, database: &str, expected: &[String]) {
        assert_same(&rows(server, database), expected);
        assert_eq!(
            server.admin(database, "SELECT (SELECT count(*) FROM carry.owners), (SELECT count(*) FROM carry.clients)"),
            "1|1"
        );
        let report = self.push().unwrap();
        assert_eq!(report.traffic.rows_written + report.traffic.rows_removed, 0);
        assert_eq!((report.done, report.same, report.failed), (Vec::new(), 0, Vec::new()));
        assert!(!report.was_repaired);
        let status = self.status();
        assert_eq!((status.failed, status.pushed_at), (Vec::new(), Some(Timestamp::from_millis(self.now))));
        let units = expected.iter().filter(|row| row.starts_with("units|")).count();
        assert_eq!(status.units, units as u64);
    }
}

/// What these rules share.
pub(super) fn shares(rules: &[&str]) -> Shares {
    let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
    let (shares, odd) = Shares::parse(&rules, STORE, None);
    assert!(odd.is_empty(), "{odd:?}");
    shares
}

pub(super) fn client(person: &str) -> Client {
    Client { person: person.to_owned(), ..crate::rig::client("here", "") }
}

pub(super) fn redactor() -> Redactor {
    fixture::redactor()
}

/// One push.
pub(super) fn run(
    archive: &Archive,
    state: &mut State,
    sink: &mut dyn Sink,
    settings: &StoreSettings,
    client: Client,
    now: i64,
    depth: Depth,
) -> Result<Report, PushError> {
    let push = Push {
        archive,
        state,
        sink,
        store: settings,
        redactor: &redactor(),
        client,
        now: &|| Timestamp::from_millis(now),
        cancel: &AtomicBool::new(false),
        progress: &|_| {},
    };
    push.run(depth, false)
}

/// A database in which there is nothing before a push.
pub(super) struct Mirror {
    database: String,
    settings: StoreSettings,
}

impl Mirror {
    pub(super) fn new() -> Self {
        let (database, settings) = store_at(shared());
        Self { database, settings }
    }

    /// What a push of all that a home has, which knows nothing yet, leaves there.
    pub(super) fn of(&self, device: &Device) -> Vec<String> {
        shared().admin(&self.database, "DELETE FROM carry.owners");
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(&Home::at(dir.path().to_owned())).unwrap();
        let settings = StoreSettings { shares: device.settings.shares.clone(), ..self.settings.clone() };
        let mut sink = Postgres::new(&settings);
        let (archive, client) = (&device.fixture.archive, client(&device.person));
        let report = run(archive, &mut state, &mut sink, &settings, client, device.now, Depth::Changed).unwrap();
        assert_eq!(report.failed, []);
        rows(shared(), &self.database)
    }
}

/// All rows of units, but for numbers that the server gives out and its times, in order.
#[track_caller]
pub(super) fn rows(server: &Server, database: &str) -> Vec<String> {
    rows_where(server, database, "true", "- '{n,unit,owner,pushed_at}'::text[]")
}

/// All rows of units of one role, with everything that is in them.
#[track_caller]
pub(super) fn rows_of_role(server: &Server, database: &str, role: &str) -> Vec<String> {
    rows_where(server, database, &format!("o.role = '{role}'"), "")
}

#[track_caller]
fn rows_where(server: &Server, database: &str, condition: &str, less: &str) -> Vec<String> {
    let mut sql = format!(
        "SET search_path = carry; SELECT 'units', u.key, to_jsonb(u) {less} FROM units u JOIN owners o ON o.id = u.owner \
         WHERE {condition};"
    );
    for table in ["sessions", "messages", "results", "words", "links", "pins", "projects", "totals"] {
        sql.push_str(&format!(
            "SELECT '{table}', u.key, to_jsonb(t) {less} FROM {table} t JOIN units u ON u.n = t.unit \
             JOIN owners o ON o.id = t.owner WHERE {condition};"
        ));
    }
    let mut rows: Vec<String> = server.admin(database, &sql).lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

/// Says of two lists of rows where they begin to differ.
#[track_caller]
pub(super) fn assert_same(found: &[String], expected: &[String]) {
    let only = |these: &[String], those: &[String]| {
        let row = these.iter().find(|row| !those.contains(row));
        row.map(|row| row.chars().take(600).collect::<String>())
    };
    if found != expected {
        let counts = (found.len(), expected.len());
        panic!("{counts:?} rows\n found {:?}\n expected {:?}", only(found, expected), only(expected, found));
    }
}

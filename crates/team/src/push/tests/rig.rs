//! An archive, a store in memory, and pushes between them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use carry_kernel::clock::Timestamp;
use carry_kernel::home::Home;
use carry_redact::{AllowList, Redactor};
use carry_sessions::archive::StoredMessage;
use carry_sessions::curation::Edit;
use carry_sessions::model::SessionId;

use super::super::*;
use crate::fixture::{self, Fixture, answer, prompt, run};
use crate::memory::Store;
use crate::settings::{Address, Password, StoreSettings};
use crate::share::Shares;
use crate::unit::{Place, Row, UnitKey};

pub(crate) struct Rig {
    pub(crate) fixture: Fixture,
    pub(crate) store: Store,
    pub(crate) settings: StoreSettings,
    pub(crate) redactor: Redactor,
    pub(crate) client: Client,
    pub(crate) role: &'static str,
    /// Milliseconds.
    pub(crate) now: Cell<i64>,
    state: Option<State>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::of("ana", Store::new("the store"))
    }

    /// One of a person, on this store.
    pub(crate) fn of(role: &'static str, store: Store) -> Self {
        let fixture = Fixture::new();
        let state = Some(State::open(&fixture.home).unwrap());
        let settings = StoreSettings {
            name: "default".to_owned(),
            address: Address::Url(String::new()),
            password: Password::default(),
            schema: "carry".to_owned(),
            allow_insecure: false,
            shares: Shares::default(),
        };
        let [origin, holder, person, label] = ["here", "", role, "desk"].map(str::to_owned);
        let client = Client { origin, holder, person, label };
        let (redactor, now) = (fixture::redactor(), Cell::new(fixture::NOW));
        Self { fixture, store, settings, redactor, client, role, now, state }
    }

    /// Shares by this rule and no other.
    pub(crate) fn share(&mut self, rule: &str) {
        let (shares, odd) = Shares::parse(&[rule.to_owned()], "default", None);
        assert!(odd.is_empty(), "{odd:?}");
        self.settings.shares = shares;
    }

    pub(crate) fn allow(&mut self, allow: AllowList) {
        self.redactor = fixture::redactor().allowing(allow);
    }

    pub(crate) fn state(&self) -> &State {
        self.state.as_ref().unwrap()
    }

    pub(crate) fn id(&self, native: &str) -> SessionId {
        self.fixture.session(native).id
    }

    /// The key that stands for a project's folder where that is not shared.
    pub(crate) fn folder_key(&self, name: &str, folder: &str) -> String {
        format!("{name}~{}", self.redactor.fingerprint(folder))
    }

    pub(crate) fn edit(&mut self, native: &str, edit: &Edit) {
        let (id, now) = (self.id(native), Timestamp::from_millis(self.now.get()));
        self.fixture.archive.curate(&id, edit, "here", now).unwrap();
    }

    pub(crate) fn delete(&mut self, native: &str) {
        let (id, now) = (self.id(native), Timestamp::from_millis(self.now.get()));
        self.fixture.archive.delete_for_good(&id, "here", now).unwrap();
    }

    /// Forgets all that is known of stores, and with it the name that the claim is under.
    pub(crate) fn lose_state(&mut self) {
        self.state = None;
        let path = self.fixture.home.database("team");
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
        self.state = Some(State::open(&self.fixture.home).unwrap());
        self.store.expire_claims();
    }

    pub(crate) fn push(&mut self) -> Result<Report, PushError> {
        self.run(Depth::Changed, false)
    }

    pub(crate) fn run(&mut self, depth: Depth, dry: bool) -> Result<Report, PushError> {
        let mut sink = self.store.sink(self.role);
        self.run_on(&mut sink, depth, dry, &|_, _| {})
    }

    /// Pushes, and cancels when so many units are done.
    pub(crate) fn run_until(&mut self, units: u64) -> Result<Report, PushError> {
        let mut sink = self.store.sink(self.role);
        let stop = |progress: Progress, cancel: &AtomicBool| cancel.store(progress.done >= units, Ordering::Relaxed);
        self.run_on(&mut sink, Depth::Changed, false, &stop)
    }

    pub(crate) fn run_on(
        &mut self,
        sink: &mut dyn Sink,
        depth: Depth,
        dry: bool,
        progress: &dyn Fn(Progress, &AtomicBool),
    ) -> Result<Report, PushError> {
        let cancel = AtomicBool::new(false);
        let push = Push {
            archive: &self.fixture.archive,
            state: self.state.as_mut().unwrap(),
            sink,
            store: &self.settings,
            redactor: &self.redactor,
            client: self.client.clone(),
            now: &|| Timestamp::from_millis(self.now.get()),
            cancel: &cancel,
            progress: &|now| progress(now, &cancel),
        };
        push.run(depth, dry)
    }

    /// What a push into an empty store, by a home that knows nothing, gives.
    pub(crate) fn fresh(&self) -> Store {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(&Home::at(dir.path().to_owned())).unwrap();
        let store = Store::new("fresh");
        let mut sink = store.sink(self.role);
        let push = Push {
            archive: &self.fixture.archive,
            state: &mut state,
            sink: &mut sink,
            store: &self.settings,
            redactor: &self.redactor,
            client: self.client.clone(),
            now: &|| Timestamp::from_millis(self.now.get()),
            cancel: &AtomicBool::new(false),
            progress: &|_| {},
        };
        push.run(Depth::Changed, false).unwrap();
        store
    }

    /// The store holds exactly what a fresh push gives, and another push only asks whether it is so.
    pub(crate) fn assert_settled(&mut self) {
        let (there, fresh) = (self.store.units(), self.fresh().units());
        let keys = |units: &BTreeMap<(usize, String), _>| units.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&there), keys(&fresh));
        for (key, unit) in &there {
            assert_eq!(unit, &fresh[key], "{key:?}");
        }
        let steps = self.store.steps();
        let report = self.push().unwrap();
        assert_eq!(report.traffic.rows_written + report.traffic.rows_removed, 0);
        assert_eq!((report.done, report.same, report.was_repaired), (Vec::new(), 0, false));
        assert_eq!(self.store.steps() - steps, 3, "open, summary, close");
    }

    /// The rows of a session's unit.
    pub(crate) fn rows(&self, native: &str) -> BTreeMap<Place, Row> {
        let key = UnitKey::Session(self.id(native)).to_text();
        self.store.units().into_iter().find(|((_, of), _)| *of == key).unwrap().1.rows
    }
}

/// So many messages, which say other things with another `seed`.
pub(crate) fn long(seed: u32, messages: u32) -> Vec<StoredMessage> {
    let message = |n| match n % 3 {
        0 => prompt(n, &format!("question {n} of {seed}")),
        1 => run(n, &format!("look at {n}"), &format!("ls dir{n}"), &[&format!("file{n} of the {seed}th kind")]),
        _ => answer(n, &format!("so it is {n}, {}", "and so on ".repeat(n as usize % 9))),
    };
    (0..messages).map(message).collect()
}

/// What a user typed.
pub(crate) fn prompts_of(texts: &[&str]) -> Vec<StoredMessage> {
    (0..).zip(texts).map(|(ordinal, text)| prompt(ordinal, text)).collect()
}

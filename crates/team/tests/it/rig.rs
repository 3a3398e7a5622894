//! Stores to ask, and units to put into them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::Hlc;
use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Pin;
use carry_sessions::git_links::{Evidence, GitLink, LinkKind};
use carry_sessions::model::{Agent, NativeId, RelationKind, SessionId, Termination};
use carry_team::memory;
use carry_team::postgres::{Limits, Postgres};
use carry_team::settings::{Address, Password, StoreSettings};
use carry_team::share::{Mode, Shares};
use carry_team::sink::{Begun, Buckets, Client, Held, Sink, SinkError};
use carry_team::unit::{
    Body, Bucket, Digest, Head, Place, Root, Row, SessionHead, Total, TotalsHead, UnitKey, bucket_hash, root,
};
use carry_testkit::postgres::{self, PASSWORD, Server};

/// A store that tests share nothing of.
pub(crate) enum Ground {
    /// In memory.
    Memory(memory::Store),
    /// A database of the server that all tests share, with two roles that may write.
    Postgres {
        /// The database.
        database: String,
        /// The roles.
        roles: [String; 2],
    },
}

impl Ground {
    pub(crate) fn memory() -> Self {
        Self::Memory(memory::Store::new("a store"))
    }

    pub(crate) fn postgres() -> Self {
        let server = postgres::shared();
        let database = server.database();
        Postgres::new(&settings(&server.admin_url(&database))).init().expect("the superuser may make tables");
        give_roles(server, &database);
        let roles = [writer(server), writer(server)];
        Self::Postgres { database, roles }
    }

    /// A connection of the first or second owner.
    pub(crate) fn sink(&self, who: usize) -> Box<dyn Sink> {
        match self {
            Self::Memory(store) => Box::new(store.sink(["one", "two"][who])),
            Self::Postgres { database, roles } => {
                let url = postgres::shared().url(&roles[who], PASSWORD, database);
                Box::new(Postgres::new(&settings(&url)))
            }
        }
    }

    /// The same, open.
    pub(crate) fn opened(&self, who: usize, client: &Client) -> Box<dyn Sink> {
        let mut sink = self.sink(who);
        sink.open(client).expect("it opens");
        sink
    }
}

/// Runs the script of the documentation. One at a time: roles are the whole server's.
pub(crate) fn give_roles(server: &Server, database: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    server.admin(database, include_str!("../../../../docs/team-roles.sql"));
}

/// A new role that may write.
pub(crate) fn writer(server: &Server) -> String {
    server.role("IN ROLE carry_writer")
}

/// Settings of a store at this address.
pub(crate) fn settings(url: &str) -> StoreSettings {
    StoreSettings {
        name: "default".to_owned(),
        address: Address::Url(url.to_owned()),
        password: Password::default(),
        schema: "carry".to_owned(),
        allow_insecure: false,
        shares: Shares::default(),
    }
}

/// A store of the superuser's in a new database of `server`, with its tables.
pub(crate) fn store_at(server: &Server) -> (String, StoreSettings) {
    let database = server.database();
    let settings = settings(&server.admin_url(&database));
    Postgres::new(&settings).init().expect("the superuser may make tables");
    (database, settings)
}

/// Limits for tests that wait for them.
pub(crate) fn short() -> Limits {
    let short = std::time::Duration::from_millis(300);
    Limits { lock: short, ..Limits::default() }
}

/// A client on a device.
pub(crate) fn client(origin: &str, holder: &str) -> Client {
    Client {
        origin: origin.to_owned(),
        holder: holder.to_owned(),
        person: "Ann".to_owned(),
        label: "laptop".to_owned(),
    }
}

/// A session's key.
pub(crate) fn key(native: &str) -> UnitKey {
    UnitKey::Session(SessionId::new("device", Agent::Claude, &NativeId(native.to_owned())))
}

/// A unit as it should be in a store.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) head: Head,
    pub(crate) head_digest: Digest,
    pub(crate) rows: BTreeMap<Place, Row>,
}

impl Content {
    /// A session of so many messages, each with a result; all of it depends on `seed`.
    pub(crate) fn session(seed: u64, messages: u32) -> Self {
        let mut rows = BTreeMap::new();
        for ordinal in 0..messages {
            add(&mut rows, seed, message(Place::Message(ordinal), &format!("message {ordinal}")));
            add(&mut rows, seed, result(Place::Result { ordinal, index: 0, event: 1 }, "done"));
            let words = Body::Words(vec!["word".to_owned(), format!("w{seed}"), format!("m{ordinal}")]);
            add(&mut rows, seed, (Place::Words(Bucket::of(ordinal)), words));
        }
        Self { head: Head::Session(Box::new(head(seed))), head_digest: digest(&format!("head {seed}")), rows }
    }

    /// Totals.
    pub(crate) fn totals(seed: u64) -> Self {
        let day = |day: &str| Total {
            day: day.to_owned(),
            agent: "claude".to_owned(),
            sessions: seed,
            cost_micros: u64::MAX,
            ..Total::default()
        };
        let days = vec![day("2026-11-29"), day("")];
        let head = TotalsHead { project_key: "github.com/acme/api".to_owned(), project: "api".to_owned(), days };
        Self { head: Head::Totals(head), head_digest: digest(&format!("totals {seed}")), rows: BTreeMap::new() }
    }

    /// With nothing in its head that a store cannot hold to the bit.
    pub(crate) fn tidied(mut self) -> Self {
        let cut = |number: &mut u64| *number = (*number).min(i64::MAX as u64);
        match &mut self.head {
            Head::Session(head) => {
                head.session.started = head.session.ended;
                head.session.input_tokens.iter_mut().for_each(cut);
                head.links.iter_mut().flat_map(|link| &mut link.number).for_each(cut);
            }
            Head::Totals(head) => head.days.iter_mut().for_each(|day| cut(&mut day.cost_micros)),
        }
        self
    }

    /// With another row.
    pub(crate) fn with(mut self, place: Place, body: Body) -> Self {
        let digest = digest(&format!("{place:?} {body:?}"));
        self.rows.insert(place, Row { place, digest, body });
        self
    }

    /// The same with place and body in one.
    pub(crate) fn with_pair(self, (place, body): (Place, Body)) -> Self {
        self.with(place, body)
    }

    pub(crate) fn root(&self) -> Root {
        root_of(&self.head_digest, &self.rows.iter().map(|(place, row)| (*place, row.digest)).collect())
    }

    pub(crate) fn held(&self) -> Held {
        Held {
            root: Some(self.root()),
            rows: self.rows.iter().map(|(place, row)| (*place, row.digest)).collect(),
            head: Some(self.head_digest),
        }
    }
}

/// The root over what is held: that of a unit that is whole.
pub(crate) fn root_of(head: &Digest, rows: &BTreeMap<Place, Digest>) -> Root {
    let mut buckets: BTreeMap<Bucket, Vec<(Place, &Digest)>> = BTreeMap::new();
    for (place, digest) in rows {
        buckets.entry(place.bucket()).or_default().push((*place, digest));
    }
    let hashes: BTreeMap<Bucket, Digest> =
        buckets.into_iter().map(|(bucket, rows)| (bucket, bucket_hash(rows))).collect();
    root(head, hashes.iter().map(|(bucket, hash)| (*bucket, hash)))
}

/// A message that says its place and `text`.
pub(crate) fn message(place: Place, text: &str) -> (Place, Body) {
    let json = serde_json::json!({ "place": format!("{place:?}"), "text": text }).to_string();
    let body = Body::Message {
        role: 1,
        subtype: Some("note".to_owned()),
        is_system: false,
        is_abandoned: true,
        at: Some(Timestamp::from_millis(1_764_000_000_123)),
        model: None,
        json,
    };
    (place, body)
}

pub(crate) fn result(place: Place, text: &str) -> (Place, Body) {
    let json = serde_json::json!({ "text": text }).to_string();
    (place, Body::Result { status: 2, at: None, json })
}

fn add(rows: &mut BTreeMap<Place, Row>, seed: u64, (place, body): (Place, Body)) {
    let digest = digest(&format!("{seed} {place:?}"));
    rows.insert(place, Row { place, digest, body });
}

/// Some digest of a text.
pub(crate) fn digest(text: &str) -> Digest {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut digest = [0; 32];
    for (at, chunk) in digest.chunks_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        (at, text).hash(&mut hasher);
        chunk.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    digest
}

fn head(seed: u64) -> SessionHead {
    let text = |name: &str| Some(format!("{name} {seed}"));
    let session = SessionRow {
        n: 0,
        id: SessionId::new("device", Agent::Claude, &NativeId("native".to_owned())),
        origin: "device".to_owned(),
        agent: Agent::Claude,
        native: NativeId("native".to_owned()),
        parent: Some((NativeId("parent".to_owned()), RelationKind::Fork)),
        project: "api".to_owned(),
        project_key: "github.com/acme/api".to_owned(),
        cwd: None,
        branch: text("branch"),
        name: text("name"),
        is_renamed: true,
        first_prompt: text("prompt"),
        entrypoint: None,
        kind: text("kind"),
        version: None,
        resume: None,
        termination: Some(Termination::ToolCallPending),
        is_automated: false,
        started: Some(Timestamp::from_millis(i64::MIN)),
        ended: Some(Timestamp::from_millis(1_764_000_000_123)),
        messages: u32::MAX,
        user_messages: 2,
        abandoned: 0,
        calls: 3,
        failures: 1,
        model: text("model"),
        input_tokens: Some(u64::MAX),
        output_tokens: Some(seed),
        cache_read_tokens: None,
        cache_write_tokens: None,
        peak_context: None,
        cost_micros: None,
        malformed: 0,
        digest: [0; 32],
        revision: 0,
        path: None,
        missing: None,
        is_starred: true,
        is_trashed: false,
        labels: vec!["a,b".to_owned(), "\"quoted\" {x}".to_owned()],
    };
    let link = |kind, target: &str| GitLink {
        kind,
        target: target.to_owned(),
        evidence: Evidence::Created,
        repo: Some("github.com/acme/api".to_owned()),
        number: Some(u64::MAX),
        branch: None,
        subject: Some("s".repeat(9000)),
        full_sha: None,
        supersedes: None,
        superseded_by: None,
        ordinal: u32::MAX,
        index: None,
    };
    SessionHead {
        mode: Mode::Full,
        session,
        pins: vec![Pin { message: "#1".to_owned(), note: String::new(), at: Hlc { wall_ms: 1, counter: 2 } }],
        links: vec![link(LinkKind::Commit, "1f3a09b"), link(LinkKind::PullRequest, &"x".repeat(5000))],
        masked: BTreeMap::from([("token".to_owned(), seed)]),
    }
}

/// Makes a unit what it should be: puts all rows, takes all others out. Returns whether the change could begin.
pub(crate) fn put(
    sink: &mut dyn Sink,
    key: &UnitKey,
    base: Option<Root>,
    content: &Content,
) -> Result<bool, SinkError> {
    let held = sink.held(key, &Buckets::All)?.unwrap_or_default();
    let gone: Vec<Place> = held.rows.keys().filter(|place| !content.rows.contains_key(place)).copied().collect();
    let Begun::Open(mut change) = sink.change(key, base)? else { return Ok(false) };
    change.take(&gone)?;
    change.put(content.rows.values().cloned().collect())?;
    change.commit(Some((&content.head, &content.head_digest)), content.root(), "mask 1")?;
    Ok(true)
}

/// What is held of a unit.
pub(crate) fn held(sink: &mut dyn Sink, key: &UnitKey) -> Option<Held> {
    sink.held(key, &Buckets::All).expect("it can be read")
}

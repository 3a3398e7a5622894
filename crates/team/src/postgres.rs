//! A team store in PostgreSQL (13 and later).
//!
//! Every unit is changed in one transaction: the claim is looked at, the unit's row locked and its root compared, rows are written
//! in batches, and head and root come last. Statements of one step are sent together, so that a small session takes three round
//! trips however many rows it has. Rows go as arrays of a few megabytes at most; no table is needed for that, and no right to make
//! one.
//!
//! Nothing is said to the server outside a transaction, and what is set is set for that transaction: pools of connections may stand
//! in between.

mod address;
mod back;
mod change;
mod connect;
mod erase;
mod failure;
mod head;
mod migrate;
mod password;
mod pgpass;
mod rows;
mod sink;
mod statement;
mod time;
mod tls;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future;
use tokio_postgres::{Client, Error};

pub use connect::is_here;
pub(crate) use connect::{Access, Link};
pub(crate) use head::Names;
pub(crate) use migrate::{checked, meta, understood};
pub(crate) use time::from_server;

mod read;
mod search;

pub use erase::OwnerRow;
pub use read::PostgresReader;

use crate::settings::StoreSettings;
use crate::sink::{Class, SinkError, Traffic};

/// The version of the tables that we make and understand.
pub const FORMAT: u32 = 1;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A statement, besides the time that its bytes take: see [`Limits::of`].
    pub statement: Duration,
    /// Waiting for what another writer holds.
    pub lock: Duration,
    /// A statement that may concern all units at once, or changes tables.
    pub bulk: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { statement: Duration::from_secs(60), lock: Duration::from_secs(10), bulk: Duration::from_secs(600) }
    }
}

/// The slowest line on which a large row gets there: bytes in a second.
const SLOWEST: u64 = 64 << 10;

impl Limits {
    /// How long statements may take that so many bytes are sent with.
    pub fn of(&self, bytes: u64) -> Duration {
        self.statement + Duration::from_secs(bytes / SLOWEST)
    }
}

/// A connection to a store.
#[derive(Debug)]
pub struct Postgres {
    settings: StoreSettings,
    limits: Limits,
    link: Option<Link>,
    /// Who we are there, once it is open.
    session: Option<Session>,
    /// Units (by `n`) with rows that can stand nowhere: these go with the next change.
    strays: BTreeSet<i64>,
    traffic: Traffic,
}

/// Who we are at the store.
#[derive(Clone, Debug)]
struct Session {
    /// Zero, which none has, when there is none.
    owner: i32,
    origin: String,
    holder: String,
    /// Whether it is open only to look.
    is_looking: bool,
}

/// What `init` found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialised {
    /// The store's own name.
    pub store_id: String,
    /// The version of its tables before; `None`: there were none.
    pub from: Option<u32>,
    /// Now.
    pub to: u32,
}

impl Postgres {
    /// A store with these settings; nothing is connected yet.
    pub fn new(settings: &StoreSettings) -> Self {
        Self::with_limits(settings, Limits::default())
    }

    /// The same with other limits of time.
    pub fn with_limits(settings: &StoreSettings, limits: Limits) -> Self {
        Self {
            settings: settings.clone(),
            limits,
            link: None,
            session: None,
            strays: BTreeSet::new(),
            traffic: Traffic::default(),
        }
    }

    /// Makes the schema, or brings it up to date: under a lock of the database, so that of two at once one waits. Does nothing when
    /// it is up to date, and then needs no right to.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn init(&mut self) -> Result<Initialised, SinkError> {
        migrate::init(self)
    }

    fn link(&mut self) -> Result<&mut Link, SinkError> {
        self.link.as_mut().ok_or_else(|| SinkError::new(Class::Internal, "the store is not open"))
    }

    fn session(&self) -> Result<Session, SinkError> {
        self.session.clone().ok_or_else(|| SinkError::new(Class::Internal, "the store is not open"))
    }

    /// The same for what changes something.
    fn writing(&self) -> Result<Session, SinkError> {
        let session = self.session()?;
        if session.is_looking {
            return Err(SinkError::new(Class::Internal, "the store is open only to look"));
        }
        Ok(session)
    }

    /// How a transaction begins.
    fn begin(&self, access: Access, statement: Duration) -> String {
        begin(&self.settings.schema, access, statement, self.limits.lock)
    }

    /// Asks in a transaction of its own that changes nothing. `work` must send all it has to ask when it is first polled.
    fn read<T>(&mut self, doing: &str, work: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, SinkError> {
        let limit = self.limits.bulk;
        let begin = self.begin(Access::Read, limit);
        self.traffic.queries += 1;
        let link = self.link()?;
        // When a statement fails, the end of the transaction, which is sent with it, takes it back.
        link.run(doing, limit, async |client| {
            let (begun, read, ended) =
                future::join3(client.batch_execute(&begin), work(client), client.batch_execute("COMMIT")).await;
            begun?;
            let read = read?;
            ended.map(|()| read)
        })
    }

    /// Does something in a transaction of its own, and keeps it if `is_wanted`. `work` must send all it has to say when it is first
    /// polled.
    fn write<T>(
        &mut self,
        doing: &str,
        limit: Duration,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
        is_wanted: impl FnOnce(&T) -> bool,
    ) -> Result<T, SinkError> {
        let begin = self.begin(Access::Write, limit);
        self.traffic.queries += 1;
        let link = self.link()?;
        let done = link.run(doing, limit, async |client| {
            let (begun, done) = future::join(client.batch_execute(&begin), work(client)).await;
            begun?;
            done
        });
        match done {
            Ok(done) if is_wanted(&done) => {
                link.run(doing, limit, async |client| client.batch_execute("COMMIT").await)?;
                Ok(done)
            }
            Ok(done) => {
                link.roll_back();
                Ok(done)
            }
            Err(error) => {
                link.roll_back();
                Err(error)
            }
        }
    }
}

/// How a transaction in `schema` begins.
pub(crate) fn begin(schema: &str, access: Access, statement: Duration, lock: Duration) -> String {
    let kind = match access {
        Access::Read => "ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Access::Write => "ISOLATION LEVEL READ COMMITTED",
    };
    format!(
        "BEGIN {kind}; SET LOCAL search_path = {}, pg_temp; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = 600000; \
         SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')",
        quoted(schema),
        statement.as_millis(),
        lock.as_millis(),
    )
}

/// A name as it stands in a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

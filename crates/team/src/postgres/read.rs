//! Reading a store.
//!
//! Nothing is ever written: the session is read-only, so that the right to read is enough, and a mistake of ours changes nothing.

use std::time::Duration;

use carry_sessions::archive::StoredMessage;
use carry_sessions::search::Wanted;
use futures_util::TryStreamExt as _;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::reader::{FIND_MAX, Filter, Hit, PREFIX_MIN, Page, Permalink, Query, Reader, Shared, SharedTotals, is_name};
use crate::settings::StoreSettings;
use crate::sink::{Class, SinkError};

pub(super) mod cells;
pub(super) mod conditions;
pub(super) mod heads;
pub(super) mod json;
mod messages;
mod totals;

use super::search::search;
use super::{Access, Link, begin, checked, meta, understood};

use conditions::{Conditions, without_nul};
use heads::Found;

/// Newest first.
pub(super) const ORDER: &str = "s.ended DESC NULLS LAST, u.n DESC";

/// Sessions that a list gives at most, however many are asked for: they lie in memory.
const LIST_MAX: usize = 20_000;

/// Bytes of heads that an answer has at most, and of their links, and of their pins: rows of hostile writers are as large as they can be.
const HEADS_BYTES_MAX: usize = 64 << 20;
const PARTS_BYTES_MAX: usize = 32 << 20;

/// Notes that an answer has at most.
pub(super) const NOTES_MAX: usize = 10;

/// Why an answer was not found.
pub(super) enum Trouble {
    /// The server failed.
    Server(tokio_postgres::Error),
    /// We know what it is.
    Said(SinkError),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl Trouble {
    fn with_hint(self, hint: &str) -> Self {
        match self {
            Self::Said(error) => Self::Said(error.with_hint(hint)),
            server @ Self::Server(_) => server,
        }
    }
}

/// How long the server works on a statement.
const STATEMENT_TIME: Duration = Duration::from_secs(30);

/// How long an answer, which may take several statements, is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A store that is read. Connects when it is asked for something first, and again after the connection was lost.
pub struct PostgresReader {
    settings: StoreSettings,
    open: Option<Open>,
}

/// A connection that only reads.
struct Open {
    link: Link,
    /// How each transaction begins.
    begin: String,
    store: String,
}

impl Open {
    /// Connects, and looks whether there is a store that we understand.
    fn new(settings: &StoreSettings) -> Result<Self, SinkError> {
        let schema = checked(&settings.schema)?;
        let mut link = Link::connect(settings, Access::Read)?;
        let meta = understood(meta(&mut link, schema, STATEMENT_TIME)?, schema)?;
        if !is_name(&meta.store_id) {
            return Err(SinkError::new(Class::Unsupported, "the store's own name cannot be one")
                .with_hint("Its tables are not as Carry made them. Whoever runs the store must look at it."));
        }
        let begin = begin(schema, Access::Read, STATEMENT_TIME, STATEMENT_TIME);
        Ok(Self { link, begin, store: meta.store_id })
    }

    /// Asks within a transaction that sees one state of the store. The outer failure is the server's, after which nothing more can be
    /// asked here.
    fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&Client, &str) -> Result<T, Trouble>,
    ) -> Result<Result<T, SinkError>, SinkError> {
        let Self { link, begin, store } = self;
        link.run("the store cannot be read", PATIENCE, async |client| {
            client.batch_execute(begin).await?;
            let answer = match question(client, store).await {
                Ok(answer) => Ok(answer),
                Err(Trouble::Said(error)) => Err(error),
                Err(Trouble::Server(error)) => return Err(error),
            };
            client.batch_execute("ROLLBACK").await?;
            Ok(answer)
        })
    }
}

impl PostgresReader {
    /// A reader with these settings; nothing is connected yet.
    pub fn new(settings: &StoreSettings) -> Self {
        Self { settings: settings.clone(), open: None }
    }

    /// The store's own name.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn store_id(&mut self) -> Result<String, SinkError> {
        Ok(self.open()?.store.clone())
    }

    fn open(&mut self) -> Result<&mut Open, SinkError> {
        match &mut self.open {
            Some(open) => Ok(open),
            none => Ok(none.insert(Open::new(&self.settings)?)),
        }
    }

    /// Asks; connects first when there is no connection.
    fn ask<T>(&mut self, question: impl AsyncFnOnce(&Client, &str) -> Result<T, Trouble>) -> Result<T, SinkError> {
        let open = self.open()?;
        match open.ask(question) {
            Ok(answer) => answer,
            // The transaction, if not the connection, is of no more use.
            Err(error) => {
                self.open = None;
                Err(error)
            }
        }
    }
}

impl Reader for PostgresReader {
    fn list(&mut self, filter: &Filter) -> Result<Page<Shared>, SinkError> {
        self.ask(async |client, store| list(client, store, filter).await)
    }

    fn search(&mut self, query: &Query) -> Result<Page<Hit>, SinkError> {
        let wanted = Wanted::parse(&query.text).map_err(|error| SinkError::new(Class::Refused, error.to_string()))?;
        self.ask(async |client, store| search(client, store, query, &wanted).await)
    }

    fn find(&mut self, spec: &str) -> Result<Vec<Shared>, SinkError> {
        self.ask(async |client, store| find(client, store, spec).await)
    }

    fn messages(&mut self, link: &Permalink, from: u32, limit: usize) -> Result<Vec<StoredMessage>, SinkError> {
        self.ask(async |client, store| {
            if link.store != store {
                return Err(refused("the permalink is of another store".to_owned()));
            }
            messages::messages(client, link, from, limit).await
        })
    }

    fn totals(&mut self, filter: &Filter) -> Result<Page<SharedTotals>, SinkError> {
        self.ask(async |client, _| totals::totals(client, filter).await)
    }
}

/// What was asked for is not there, or not what it must be.
fn refused(message: String) -> Trouble {
    Trouble::Said(SinkError::new(Class::Refused, message))
}

/// Sessions, newest first.
async fn list(client: &Client, store: &str, filter: &Filter) -> Result<Page<Shared>, Trouble> {
    let conditions = Conditions::of(filter);
    let sql = format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {ORDER} LIMIT {}",
        heads::COLUMNS,
        heads::TABLES,
        conditions.shown(),
        filter.limit.min(LIST_MAX),
    );
    let mut notes = Vec::new();
    let counts = format!(
        "SELECT count(*) FILTER (WHERE NOT {hidden}), count(*) FILTER (WHERE {hidden}) FROM {} WHERE {}",
        heads::TABLES,
        conditions.chosen(),
        hidden = conditions.hidden(),
    );
    let counts = client.query_typed_one(&counts, &conditions.values()).await?;
    let (shown, hidden): (i64, i64) = (counts.try_get(0)?, counts.try_get(1)?);
    let found = found(client, store, &sql, &conditions.values(), &mut notes).await?;
    let more = shown.saturating_sub(i64::try_from(found.rows).unwrap_or(i64::MAX));
    Ok(Page {
        items: found.items.into_iter().map(|found| found.shared).collect(),
        more: u64::try_from(more).unwrap_or(0),
        hidden: u64::try_from(hidden).unwrap_or(0),
        notes,
    })
}

/// Sessions that were found.
pub(super) struct FoundAll {
    pub(super) items: Vec<Found>,
    /// Rows that they come from, those that are damaged included.
    rows: usize,
}

/// The sessions that a statement over [`heads::COLUMNS`] finds, with their links and pins: as many as fit. What is damaged is left out
/// and noted.
pub(super) async fn found(
    client: &Client,
    store: &str,
    sql: &str,
    values: &[(&(dyn ToSql + Sync), Type)],
    notes: &mut Vec<String>,
) -> Result<FoundAll, Trouble> {
    let (mut items, mut count, mut damaged) = (Vec::new(), 0, 0_u64);
    let is_whole = rows(client, sql, values, HEADS_BYTES_MAX, |row| {
        count += 1;
        match heads::shared(store, row) {
            Ok(shared) => items.push(shared),
            Err(why) if notes.len() < NOTES_MAX => notes.push(why),
            Err(_) => damaged += 1,
        }
    })
    .await?;
    if damaged > 0 {
        notes.push(format!("{damaged} more sessions are damaged in the store and left out."));
    }
    if !is_whole {
        notes.push("The answer is too large: sessions after these are left out.".to_owned());
    }
    let units: Vec<i64> = items.iter().map(|found: &Found| found.unit).collect();
    if !units.is_empty() {
        let values: [(&(dyn ToSql + Sync), Type); 1] = [(&units, Type::INT8_ARRAY)];
        let places = heads::places(&items);
        let links = rows(client, heads::LINKS, &values, PARTS_BYTES_MAX, |row| {
            heads::add_link(&mut items, &places, row);
        });
        let links_fit = links.await?;
        let pins_fit = rows(client, heads::PINS, &values, PARTS_BYTES_MAX, |row| {
            heads::add_pin(&mut items, &places, row);
        });
        if !(links_fit && pins_fit.await?) {
            notes.push("The answer is too large: links and pins of some sessions are left out.".to_owned());
        }
    }
    Ok(FoundAll { items, rows: count })
}

/// Takes the rows of an answer one after the other, until they have more than so many bytes. Returns whether that were all.
async fn rows(
    client: &Client,
    sql: &str,
    values: &[(&(dyn ToSql + Sync), Type)],
    bytes_max: usize,
    mut take: impl FnMut(&Row),
) -> Result<bool, Trouble> {
    let rows = client.query_typed_raw(sql, values.iter().map(|(value, of)| (*value, of.clone()))).await?;
    let (mut rows, mut bytes) = (std::pin::pin!(rows), 0_usize);
    while let Some(row) = rows.try_next().await? {
        bytes = bytes.saturating_add(row.raw_size_bytes());
        if bytes > bytes_max {
            return Ok(false);
        }
        take(&row);
    }
    Ok(true)
}

/// The sessions that `spec` could be.
async fn find(client: &Client, store: &str, spec: &str) -> Result<Vec<Shared>, Trouble> {
    let spec = without_nul(spec.trim());
    let mut notes = Vec::new();
    let by = |condition: &str| {
        let (columns, tables) = (heads::COLUMNS, heads::TABLES);
        format!("SELECT {columns} FROM {tables} WHERE ({condition}) ORDER BY {ORDER} LIMIT {FIND_MAX}")
    };
    let all = if let Some(link) = Permalink::parse(&spec) {
        if link.store != store {
            return Err(refused("the permalink is of another store".to_owned()));
        }
        found(
            client,
            store,
            &by("o.id::text = $1 AND u.key = $2"),
            &[(&link.owner, Type::TEXT), (&link.session, Type::TEXT)],
            &mut notes,
        )
        .await?
        .items
    } else {
        // An id of an agent may itself hold a colon.
        let (agent, native) = match spec.split_once(':') {
            Some((agent, native)) if !native.is_empty() => (agent, native),
            _ => ("", spec.as_str()),
        };
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&spec, Type::TEXT), (&agent, Type::TEXT), (&native, Type::TEXT)];
        let exact = by("u.key = $1 OR left(s.native, 200) = left($1, 200) AND s.native = $1 \
             OR left(s.native, 200) = left($3, 200) AND s.native = $3 AND s.agent = $2");
        let mut all = found(client, store, &exact, &values, &mut notes).await?.items;
        if all.is_empty() && notes.is_empty() && native.chars().count() >= PREFIX_MIN {
            let begins =
                by("starts_with(u.key, $1) OR starts_with(s.native, $1) OR s.agent = $2 AND starts_with(s.native, $3)");
            all = found(client, store, &begins, &values, &mut notes).await?.items;
        }
        all
    };
    if all.is_empty()
        && let Some(note) = notes.pop()
    {
        return Err(refused(note.trim_end_matches('.').to_owned()));
    }
    Ok(all.into_iter().map(|found| found.shared).collect())
}

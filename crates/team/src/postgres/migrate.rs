//! Making the tables, and bringing older ones up to date. Forward only, all of it in one transaction.

use std::time::Duration;

use futures_util::future;
use tokio_postgres::types::Type;

use super::failure::cell;
use super::{Access, FORMAT, Initialised, Link, Postgres, begin, quoted};
use crate::sink::{Class, SinkError};

/// What makes each version of the one before it.
const MIGRATIONS: [&str; FORMAT as usize] = [include_str!("schema.sql")];

/// Longest name that PostgreSQL does not cut.
const NAME_BYTES_MAX: usize = 63;

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) format: u32,
    pub(crate) store_id: String,
}

/// Makes the tables or brings them up to date.
pub(super) fn init(store: &mut Postgres) -> Result<Initialised, SinkError> {
    let schema = checked(&store.settings.schema)?.to_owned();
    let limit = store.limits.bulk;
    let mut link = Link::connect(&store.settings, Access::Write)?;
    let there = exists(&mut link, &schema, limit)?;
    if there.has_tables
        && let Some(meta) = meta(&mut link, &schema, limit)?
        && meta.format == FORMAT
    {
        return Ok(Initialised { store_id: meta.store_id, from: Some(FORMAT), to: FORMAT });
    }
    let done = migrate(&mut link, &schema, limit);
    if done.is_err() {
        link.roll_back();
    }
    done.map_err(|error| match error.class {
        Class::Forbidden => error.with_hint(format!(
            "Whoever runs the database must do this: run `carry team init` as a role that may make schemas there, or first \
             make the schema for this one with CREATE SCHEMA {} AUTHORIZATION its name.",
            quoted(&schema)
        )),
        _ => error,
    })
}

fn migrate(link: &mut Link, schema: &str, limit: Duration) -> Result<Initialised, SinkError> {
    const DOING: &str = "the store's tables cannot be made";
    let begin = begin(schema, Access::Write, limit, limit);
    let key = format!("carry team {schema}");
    link.run(DOING, limit, async |client| {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let (begun, locked) =
            future::join(client.batch_execute(&begin), client.execute_typed(sql, &[(&key, Type::TEXT)])).await;
        begun?;
        locked
    })?;
    // Looked at again, now that nobody else is at it.
    let there = exists(link, schema, limit)?;
    let before = if there.has_tables { meta_in_transaction(link, schema, limit)? } else { None };
    let from = before.as_ref().map(|meta| meta.format);
    if let Some(format) = from.filter(|format| *format > FORMAT) {
        return Err(newer(format));
    }
    if !there.has_schema {
        let sql = format!("CREATE SCHEMA {}", quoted(schema));
        link.run(DOING, limit, async |client| client.batch_execute(&sql).await)?;
    }
    for sql in MIGRATIONS.iter().skip(from.unwrap_or(0) as usize) {
        link.run(DOING, limit, async |client| client.batch_execute(sql).await)?;
    }
    let format = FORMAT.to_string();
    let row = link.run(DOING, limit, async |client| {
        let put = "INSERT INTO meta (key, value) VALUES ('format', $1), ('store', replace(gen_random_uuid()::text, '-', '')) \
                   ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value WHERE meta.key = 'format'";
        client.execute_typed(put, &[(&format, Type::TEXT)]).await?;
        let row = client.query_typed_one("SELECT value FROM meta WHERE key = 'store'", &[]).await?;
        client.batch_execute("COMMIT").await?;
        Ok(row)
    })?;
    Ok(Initialised { store_id: cell(&row, 0)?, from, to: FORMAT })
}

/// What the store says of itself, if it is of a version that we understand.
///
/// # Errors
/// [`Class::Unsupported`].
pub(crate) fn understood(meta: Option<Meta>, schema: &str) -> Result<Meta, SinkError> {
    match meta {
        Some(meta) if meta.format == FORMAT => Ok(meta),
        Some(meta) if meta.format > FORMAT => Err(newer(meta.format)),
        Some(meta) => Err(SinkError::new(
            Class::Unsupported,
            format!("the store's tables are of version {}, this Carry needs {FORMAT}", meta.format),
        )
        .with_hint("Whoever runs the store must run `carry team init` with this version of Carry.")),
        None => Err(SinkError::new(
            Class::Unsupported,
            format!("there are no tables of Carry in schema {}", quoted(schema)),
        )
        .with_hint(
            "Whoever runs the store must run `carry team init` there; or team.schema must name the right schema.",
        )),
    }
}

fn newer(format: u32) -> SinkError {
    SinkError::new(Class::Unsupported, format!("the store's tables are of version {format}, this Carry knows {FORMAT}"))
        .with_hint("Install a newer Carry.")
}

/// A name that stands for itself.
///
/// # Errors
/// [`Class::Unsupported`].
pub(crate) fn checked(schema: &str) -> Result<&str, SinkError> {
    let is_good = (1..=NAME_BYTES_MAX).contains(&schema.len()) && !schema.contains('\0') && !schema.starts_with("pg_");
    is_good.then_some(schema).ok_or_else(|| {
        SinkError::new(Class::Unsupported, format!("team.schema {schema:?} is no name of a schema"))
            .with_hint("It has 1 to 63 bytes and does not begin with pg_.")
    })
}

/// What there is.
struct There {
    has_schema: bool,
    has_tables: bool,
}

fn exists(link: &mut Link, schema: &str, limit: Duration) -> Result<There, SinkError> {
    // The catalogue itself: what it says does not depend on what we may see.
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1), \
               EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                       WHERE n.nspname = $1 AND c.relname = 'meta'), \
               coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1), true)";
    let row = link.run("the store's tables cannot be looked for", limit, async |client| {
        client.query_typed_one(sql, &[(&schema, Type::TEXT)]).await
    })?;
    // Tables in a schema that may not be used look as if they were not there.
    if !cell::<bool>(&row, 2)? {
        return Err(SinkError::new(Class::Forbidden, format!("permission denied for schema {}", quoted(schema)))
            .with_hint("Whoever runs the store must give this role the rights it needs: see team-roles.sql in the documentation."));
    }
    Ok(There { has_schema: cell(&row, 0)?, has_tables: cell(&row, 1)? })
}

/// What the store says of itself; `None`: it has no tables.
///
/// # Errors
/// [`SinkError`].
pub(crate) fn meta(link: &mut Link, schema: &str, limit: Duration) -> Result<Option<Meta>, SinkError> {
    if !exists(link, schema, limit)?.has_tables {
        return Ok(None);
    }
    let begin = begin(schema, Access::Read, limit, limit);
    link.run("the store cannot be looked at", limit, async |client| client.batch_execute(&begin).await)?;
    let meta = meta_in_transaction(link, schema, limit);
    link.roll_back();
    meta
}

fn meta_in_transaction(link: &mut Link, schema: &str, limit: Duration) -> Result<Option<Meta>, SinkError> {
    // With its schema: what may not be read is told from what is not there. As text: it may be another program's.
    let meta = format!("{}.meta", quoted(schema));
    let sql = format!(
        "SELECT (SELECT max(value::text) FROM {meta} WHERE key::text = 'format'), \
                (SELECT max(value::text) FROM {meta} WHERE key::text = 'store')"
    );
    let row =
        link.run("the store's version cannot be read", limit, async |client| client.query_typed_one(&sql, &[]).await)?;
    let (format, store_id): (Option<String>, Option<String>) = (cell(&row, 0)?, cell(&row, 1)?);
    match (format, store_id) {
        (Some(format), Some(store_id)) => match format.parse() {
            Ok(format) => Ok(Some(Meta { format, store_id })),
            Err(_) => Err(SinkError::new(Class::Unsupported, "the store's version is no number")
                .with_hint("Its tables are not as Carry made them. Whoever runs the store must look at it.")),
        },
        (None, None) => Err(SinkError::new(Class::Unsupported, "the schema has a table \"meta\" that is not of Carry")
            .with_hint("Set team.schema to a schema of its own.")),
        _ => Err(SinkError::new(Class::Unsupported, "the store does not say its version and name")
            .with_hint("Its tables are not as Carry made them. Whoever runs the store must look at it.")),
    }
}

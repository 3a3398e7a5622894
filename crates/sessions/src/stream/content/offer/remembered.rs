//! What masking remembers of own sessions, as rows.

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_redact::Redactor;

use crate::mask::pieces::{Bucket, Digest, Known, KnownBucket, NOTHING};

/// What hashes of rows are keyed with: nothing that is remembered under another mask is good.
pub(super) fn key(redactor: &Redactor) -> Digest {
    blake3::derive_key("carry exchange masking v1", redactor.stamp().as_bytes())
}

/// What is remembered of a session, if it was masked as it is now.
pub(super) fn load(conn: &Connection, session: Option<i64>, redactor: &Redactor) -> rusqlite::Result<Option<Known>> {
    let Some(session) = session else { return Ok(None) };
    let values: Option<Digest> = conn
        .prepare_cached("SELECT found FROM saying WHERE session = ?1 AND stamp = ?2")?
        .query_row((session, redactor.stamp()), |row| row.get(0))
        .optional()?;
    let Some(values) = values else { return Ok(None) };
    let mut query = conn.prepare_cached("SELECT bucket, raw, has_secrets FROM saying_buckets WHERE session = ?1")?;
    let buckets = query.query_map([session], |row| {
        Ok((Bucket(row.get(0)?), KnownBucket { raw: row.get(1)?, shaped: NOTHING, has_secrets: row.get(2)? }))
    })?;
    Ok(Some(Known { buckets: buckets.collect::<rusqlite::Result<_>>()?, values }))
}

/// Remembers it. Only rows that changed are written.
pub(super) fn save(conn: &Connection, session: i64, redactor: &Redactor, known: &Known) -> rusqlite::Result<()> {
    let before = load(conn, Some(session), redactor)?;
    let buckets = before.as_ref().map(|before| &before.buckets);
    if before.is_none() {
        conn.prepare_cached("DELETE FROM saying_buckets WHERE session = ?1")?.execute([session])?;
    }
    if before.as_ref().is_none_or(|before| before.values != known.values) {
        conn.prepare_cached("INSERT OR REPLACE INTO saying (session, stamp, found) VALUES (?1, ?2, ?3)")?.execute((
            session,
            redactor.stamp(),
            known.values,
        ))?;
    }
    for bucket in buckets.into_iter().flat_map(|buckets| buckets.keys()) {
        if !known.buckets.contains_key(bucket) {
            conn.prepare_cached("DELETE FROM saying_buckets WHERE session = ?1 AND bucket = ?2")?
                .execute((session, bucket.0))?;
        }
    }
    for (bucket, now) in &known.buckets {
        if buckets.and_then(|buckets| buckets.get(bucket)).is_some_and(|before| before == now) {
            continue;
        }
        let sql = "INSERT OR REPLACE INTO saying_buckets (session, bucket, raw, has_secrets) VALUES (?1, ?2, ?3, ?4)";
        conn.prepare_cached(sql)?.execute((session, bucket.0, now.raw, now.has_secrets))?;
    }
    Ok(())
}

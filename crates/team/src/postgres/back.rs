//! Rows read back as they lie there, for whoever wants to check them.

mod head;

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures_util::future;
use tokio_postgres::types::{Timestamp as Stored, Type};
use tokio_postgres::{Error, Row as Found};

use super::sink::{Parameters, each};
use super::{Postgres, Session, from_server};
pub(super) use head::head;

use crate::sink::{ROW_BYTES_MAX, SinkError};
use crate::unit::{Body, Bucket, Digest, Place, Row, UnitKey};

/// The rows of a bucket, in the order of their places. What makes no sense is left out.
///
/// # Errors
/// [`SinkError`].
pub(super) fn rows(store: &mut Postgres, key: &UnitKey, bucket: Bucket) -> Result<Option<Vec<Row>>, SinkError> {
    let Session { owner, .. } = store.session()?;
    let key = key.to_text();
    let (first, last) = (i64::from(*bucket.ordinals().start()), i64::from(*bucket.ordinals().end()));
    let of_bucket = i64::from(bucket.0);
    let json =
        |table| format!("CASE WHEN octet_length({table}.json::text) <= {ROW_BYTES_MAX} THEN {table}.json::text END");
    let messages_sql = format!(
        "SELECT m.digest, m.ordinal, m.role, m.subtype, m.is_system, m.is_abandoned, m.at, m.model, {} FROM messages m \
         JOIN units u ON u.n = m.unit WHERE u.owner = $1 AND u.key = $2 AND m.ordinal BETWEEN $3 AND $4",
        json("m")
    );
    let results_sql = format!(
        "SELECT r.digest, r.ordinal, r.idx, r.event, r.status, r.at, {} FROM results r JOIN units u ON u.n = r.unit \
         WHERE u.owner = $1 AND u.key = $2 AND r.ordinal BETWEEN $3 AND $4",
        json("r")
    );
    let words_sql = "SELECT w.digest, tsvector_to_array(w.words) FROM words w JOIN units u ON u.n = w.unit \
                     WHERE u.owner = $1 AND u.key = $2 AND w.bucket = $3 ORDER BY w.part";
    let found = store.read("the unit's rows cannot be read back", async |client| {
        let of_unit: Parameters<'_> = vec![(&owner, Type::INT4), (&key, Type::TEXT)];
        let (mut of_messages, mut of_words) = (of_unit.clone(), of_unit);
        of_messages.extend([(&first as _, Type::INT8), (&last as _, Type::INT8)]);
        of_words.push((&of_bucket, Type::INT8));
        let of_results = of_messages.clone();
        let (mut messages, mut results, mut words) = (Vec::new(), Vec::new(), Vec::new());
        let (read_messages, read_results, read_words) = future::join3(
            each(client, &messages_sql, of_messages, |row| keep(&mut messages, message(row))),
            each(client, &results_sql, of_results, |row| keep(&mut results, result(row))),
            each(client, words_sql, of_words, |row| keep(&mut words, Some(part(row)))),
        )
        .await;
        read_messages?;
        read_results?;
        read_words?;
        messages.extend(results);
        messages.extend(joined(bucket, words));
        Ok(messages)
    })?;
    let by_place: BTreeMap<Place, Row> = found.into_iter().map(|row| (row.place, row)).collect();
    Ok(Some(by_place.into_values().collect()))
}

fn keep<T>(all: &mut Vec<T>, one: Option<T>) -> Result<(), Error> {
    all.extend(one);
    Ok(())
}

fn digest(row: &Found) -> Digest {
    row.try_get::<_, Option<&[u8]>>(0).ok().flatten().and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

fn number(row: &Found, at: usize) -> Option<u32> {
    u32::try_from(row.try_get::<_, i64>(at).ok()?).ok()
}

fn message(row: &Found) -> Option<Row> {
    let at: Option<Stored<SystemTime>> = row.try_get(6).ok()?;
    let body = Body::Message {
        role: row.try_get(2).ok()?,
        subtype: row.try_get(3).ok()?,
        is_system: row.try_get(4).ok()?,
        is_abandoned: row.try_get(5).ok()?,
        at: at.map(from_server),
        model: row.try_get(7).ok()?,
        json: row.try_get::<_, Option<String>>(8).ok()??,
    };
    Some(Row { place: Place::Message(number(row, 1)?), digest: digest(row), body })
}

fn result(row: &Found) -> Option<Row> {
    let at: Option<Stored<SystemTime>> = row.try_get(5).ok()?;
    let body = Body::Result {
        status: row.try_get(4).ok()?,
        at: at.map(from_server),
        json: row.try_get::<_, Option<String>>(6).ok()??,
    };
    let place = Place::Result { ordinal: number(row, 1)?, index: number(row, 2)?, event: number(row, 3)? };
    Some(Row { place, digest: digest(row), body })
}

fn part(row: &Found) -> (Digest, Vec<String>) {
    (digest(row), row.try_get::<_, Option<Vec<String>>>(1).ok().flatten().unwrap_or_default())
}

/// The words of all parts.
fn joined(bucket: Bucket, parts: Vec<(Digest, Vec<String>)>) -> Option<Row> {
    let digest = parts.first()?.0;
    let mut words: Vec<String> = parts.into_iter().flat_map(|(_, words)| words).collect();
    words.sort_unstable();
    words.dedup();
    Some(Row { place: Place::Words(bucket), digest, body: Body::Words(words) })
}

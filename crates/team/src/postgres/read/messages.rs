//! Messages of a shared session.

use carry_sessions::archive::StoredMessage;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::cells::Cells;
use super::{Trouble, json, refused};
use crate::reader::Permalink;
use crate::sink::ROW_BYTES_MAX;

/// Bytes of messages, and of their results, that are read at a time, unless the first alone has more.
const PAGE_BYTES: usize = 32 * 1024 * 1024;

/// Results read at a time, and what each takes besides its text.
const PAGE_RESULTS: usize = 10_000;
/// See [`PAGE_RESULTS`].
const RESULT_BYTES: usize = 256;

/// Bytes of one message with its results that are read: no message of an agent comes near, and it must fit into memory.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Messages read at a time.
const PAGE_MESSAGES: usize = 1000;

/// The number of a session's unit.
pub(super) async fn unit_of(client: &Client, link: &Permalink) -> Result<i64, Trouble> {
    let sql = "SELECT u.n FROM units u JOIN sessions s ON s.unit = u.n JOIN owners o ON o.id = u.owner \
               WHERE o.id::text = $1 AND u.key = $2";
    match client.query_typed_opt(sql, &[(&link.owner, Type::TEXT), (&link.session, Type::TEXT)]).await? {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(refused(format!("there is no session {} of owner {} in the store", link.session, link.owner))
            .with_hint("It was withdrawn, or is not for you to see. `carry team list --all` lists what is there.")),
    }
}

/// Messages from `from` on with their results.
pub(super) async fn messages(
    client: &Client,
    link: &Permalink,
    from: u32,
    limit: usize,
) -> Result<Vec<StoredMessage>, Trouble> {
    let unit = unit_of(client, link).await?;
    let limit = i64::try_from(limit.min(PAGE_MESSAGES)).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT ordinal, {json} FROM ( \
            SELECT ordinal, json, bytes, sum(bytes) OVER (ORDER BY ordinal) AS total, \
                row_number() OVER (ORDER BY ordinal) AS nth \
            FROM (SELECT ordinal, json::text AS json, octet_length(json::text)::bigint AS bytes FROM messages \
                WHERE unit = $1 AND ordinal >= $2 ORDER BY ordinal LIMIT $3) AS next \
         ) AS page WHERE nth = 1 OR total <= {PAGE_BYTES} ORDER BY ordinal",
        json = bounded("json", "bytes"),
    );
    let rows =
        client.query_typed(&sql, &[(&unit, Type::INT8), (&i64::from(from), Type::INT8), (&limit, Type::INT8)]).await?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in &rows {
        let (ordinal, json) = place_and_json(row, link)?;
        messages.push(json::message(&json, ordinal).map_err(|why| damaged(link, ordinal, &why))?);
    }
    results(client, link, unit, &mut messages).await?;
    Ok(messages)
}

/// Gives messages their results, some at a time. Messages whose results are no longer within what is read at a time are taken off,
/// but for the first, which is read whole.
async fn results(
    client: &Client,
    link: &Permalink,
    unit: i64,
    messages: &mut Vec<StoredMessage>,
) -> Result<(), Trouble> {
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(()) };
    let (first, last) = (i64::from(first.message.ordinal), i64::from(last.message.ordinal));
    let sql = format!(
        "SELECT ordinal, {json}, idx, event, bytes FROM ( \
            SELECT ordinal, idx, event, json, bytes, sum(bytes) OVER (ORDER BY ordinal, idx, event) AS total, \
                row_number() OVER (ORDER BY ordinal, idx, event) AS nth \
            FROM (SELECT ordinal, idx, event, json::text AS json, octet_length(json::text)::bigint AS bytes FROM results \
                WHERE unit = $1 AND (ordinal, idx, event) > ($2, $3, $4) AND ordinal <= $5 \
                ORDER BY ordinal, idx, event LIMIT {PAGE_RESULTS}) AS of_them \
         ) AS page WHERE nth = 1 OR total <= {PAGE_BYTES} ORDER BY ordinal, idx, event",
        json = bounded("json", "bytes"),
    );
    let (mut after, mut until, mut bytes) = ((first, i64::MIN, i64::MIN), last, 0);
    while after.0 <= until {
        let values: [(&(dyn ToSql + Sync), Type); 5] = [
            (&unit, Type::INT8),
            (&after.0, Type::INT8),
            (&after.1, Type::INT8),
            (&after.2, Type::INT8),
            (&until, Type::INT8),
        ];
        let rows = client.query_typed(&sql, &values).await?;
        let Some(end) = rows.last() else { break };
        after = (end.try_get(0)?, end.try_get(2)?, end.try_get(3)?);
        for row in &rows {
            let (ordinal, json) = place_and_json(row, link)?;
            bytes += json.len() + RESULT_BYTES;
            if bytes > MESSAGE_BYTES_MAX {
                return Err(damaged(link, ordinal, "its results are too large to be read"));
            }
            let at = messages.binary_search_by_key(&ordinal, |message| message.message.ordinal.into());
            let Ok(at) = at else { continue };
            messages[at].results.push(json::result(&json).map_err(|why| damaged(link, ordinal, &why))?);
        }
        if bytes >= PAGE_BYTES && until > first {
            // All before the last that was seen are whole; of the first alone what is missing is read.
            let whole = messages.partition_point(|message| i64::from(message.message.ordinal) < after.0);
            messages.truncate(whole.max(1));
            until = first;
        }
    }
    Ok(())
}

/// The text of a column, if its size is one that is read.
fn bounded(column: &str, bytes: &str) -> String {
    format!("CASE WHEN {bytes} <= {ROW_BYTES_MAX} THEN {column} END")
}

fn place_and_json(row: &Row, link: &Permalink) -> Result<(i64, String), Trouble> {
    let mut cells = Cells::new(row);
    let ordinal = cells.number().ok().flatten().unwrap_or(-1);
    match cells.text() {
        Ok(Some(json)) => Ok((ordinal, json)),
        Ok(None) => Err(damaged(link, ordinal, "it is too large to be read")),
        Err(why) => Err(damaged(link, ordinal, &why)),
    }
}

fn damaged(link: &Permalink, ordinal: i64, why: &str) -> Trouble {
    refused(format!("message {ordinal} of session {} is damaged in the store: {why}", link.session))
        .with_hint("Whoever shared it can push it again: `carry team push --full`.")
}

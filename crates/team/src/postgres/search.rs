//! Searching a store: its index of words proposes buckets of messages, newest sessions first; the text decides.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use carry_sessions::archive::StoredMessage;
use carry_sessions::model::{Message, Role};
use carry_sessions::search::{Spot, Wanted};
use futures_util::TryStreamExt as _;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::read::cells::Cells;
use super::read::conditions::Conditions;
use super::read::heads;
use super::read::{NOTES_MAX, ORDER, Trouble, json};
use crate::reader::{Hit, Page, Query, Shared};
use crate::unit::{BUCKET_MESSAGES, Bucket};

/// Buckets that the index proposes at most.
const CANDIDATES_MAX: usize = 2000;

/// Bytes of text that are compared at most.
const COMPARED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A row of more bytes is not compared.
const ROW_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// Buckets that are fetched together: few at first, since a page is often full before long.
const BATCHES: [usize; 3] = [4, 16, 64];

/// Hits that are given at most.
const HITS_MAX: usize = 1000;

/// A bucket that may hold what is looked for.
struct Candidate {
    unit: i64,
    bucket: Bucket,
    /// What the session is called in a sentence.
    name: String,
}

/// A hit before its session is known.
struct Place {
    unit: i64,
    ordinal: u32,
    spot: Spot,
}

/// What the comparison has come to.
#[derive(Default)]
struct Progress {
    places: Vec<Place>,
    skipped: usize,
    bytes: usize,
    notes: Vec<String>,
    has_more: bool,
}

/// Places that match, newest session first.
pub(super) async fn search(client: &Client, store: &str, query: &Query, wanted: &Wanted) -> Result<Page<Hit>, Trouble> {
    let (candidates, mut is_bounded) = candidates(client, query, wanted).await?;
    let mut progress = Progress::default();
    let (mut rest, mut batch) = (candidates.as_slice(), 0);
    while !rest.is_empty() && !progress.has_more {
        if progress.bytes >= COMPARED_BYTES_MAX {
            is_bounded = true;
            break;
        }
        let (now, later) = rest.split_at(BATCHES[batch].min(rest.len()));
        compare(client, query, wanted, now, &mut progress).await?;
        rest = later;
        batch = (batch + 1).min(BATCHES.len() - 1);
    }
    if is_bounded && !progress.has_more {
        progress.notes.push(
            "There were too many candidates: only the newest were looked at. More words or a filter narrow it down."
                .to_owned(),
        );
    }
    hits(client, store, progress).await
}

/// What the index proposes, and whether that is not all.
async fn candidates(client: &Client, query: &Query, wanted: &Wanted) -> Result<(Vec<Candidate>, bool), Trouble> {
    let mut conditions = Conditions::of(&query.filter);
    conditions.add(&question(wanted), |question| format!("w.words @@ {question}::tsquery"));
    let sql = format!(
        "SELECT DISTINCT s.ended, u.n, w.bucket, left(u.key, 100), left(o.role, 100) \
         FROM {} JOIN words w ON w.unit = u.n WHERE {} ORDER BY {ORDER}, w.bucket LIMIT {}",
        heads::TABLES,
        conditions.shown(),
        CANDIDATES_MAX + 1,
    );
    let rows = client.query_typed(&sql, &conditions.values()).await?;
    let mut candidates = Vec::with_capacity(rows.len().min(CANDIDATES_MAX));
    for row in rows.iter().take(CANDIDATES_MAX) {
        let bucket =
            u32::try_from(row.try_get::<_, i64>(2)?).ok().filter(|bucket| *bucket <= u32::MAX / BUCKET_MESSAGES);
        let Some(bucket) = bucket else { continue };
        let name = format!("session {:?} of {:?}", row.try_get::<_, &str>(3)?, row.try_get::<_, &str>(4)?);
        candidates.push(Candidate { unit: row.try_get(1)?, bucket: Bucket(bucket), name });
    }
    Ok((candidates, rows.len() > CANDIDATES_MAX))
}

/// The words as PostgreSQL's index is asked for them.
fn question(wanted: &Wanted) -> String {
    let groups = wanted.groups().into_iter().map(|group| {
        let alternatives = group.into_iter().map(|words| {
            let words = words.into_iter().map(|word| {
                // Words hold letters and digits; nothing here depends on it.
                let mut quoted = format!("'{}'", word.text.replace('\\', "\\\\").replace('\'', "''"));
                if word.is_prefix {
                    quoted.push_str(":*");
                }
                quoted
            });
            format!("({})", words.collect::<Vec<_>>().join(" & "))
        });
        format!("({})", alternatives.collect::<Vec<_>>().join(" | "))
    });
    groups.collect::<Vec<_>>().join(" & ")
}

/// Compares the rows of some buckets with what is looked for, one after the other: they are never all in memory.
async fn compare(
    client: &Client,
    query: &Query,
    wanted: &Wanted,
    candidates: &[Candidate],
    progress: &mut Progress,
) -> Result<(), Trouble> {
    let units: Vec<i64> = candidates.iter().map(|candidate| candidate.unit).collect();
    let firsts: Vec<i64> = candidates.iter().map(|candidate| (*candidate.bucket.ordinals().start()).into()).collect();
    let bounded =
        |of: &str| format!("CASE WHEN octet_length({of}.json::text) <= {ROW_BYTES_MAX} THEN {of}.json::text END");
    let last = i64::from(BUCKET_MESSAGES) - 1;
    let mut sql = String::from(
        "WITH c AS (SELECT * FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS c(unit, first, at)) ",
    );
    let _ = write!(
        sql,
        "SELECT c.at, m.ordinal AS ordinal, m.role::bigint, m.is_abandoned, -1::bigint AS idx, -1::bigint AS event, {} \
         FROM c JOIN messages m ON m.unit = c.unit AND m.ordinal BETWEEN c.first AND c.first + {last} \
         UNION ALL \
         SELECT c.at, r.ordinal, m.role::bigint, m.is_abandoned, r.idx, r.event, {} \
         FROM c JOIN results r ON r.unit = c.unit AND r.ordinal BETWEEN c.first AND c.first + {last} \
         JOIN messages m ON m.unit = r.unit AND m.ordinal = r.ordinal \
         ORDER BY 1, 2, 5, 6",
        bounded("m"),
        bounded("r"),
    );
    let rows = client.query_typed_raw(&sql, [(&units, Type::INT8_ARRAY), (&firsts, Type::INT8_ARRAY)]).await?;
    let mut rows = std::pin::pin!(rows);
    let end = query.filter.limit.min(HITS_MAX);
    while let Some(row) = rows.try_next().await? {
        let at = usize::try_from(row.try_get::<_, i64>(0)? - 1).unwrap_or(usize::MAX);
        let Some(candidate) = candidates.get(at) else { continue };
        let stored = match stored(&row, query.filter.all) {
            Ok(Some((stored, bytes))) => {
                progress.bytes = progress.bytes.saturating_add(bytes);
                stored
            }
            Ok(None) => continue,
            Err(why) => {
                if progress.notes.len() < NOTES_MAX {
                    progress.notes.push(format!("A message of {} was not looked at: {why}.", candidate.name));
                }
                continue;
            }
        };
        for spot in wanted.spots(&stored) {
            if progress.skipped < query.offset {
                progress.skipped += 1;
            } else if progress.places.len() < end {
                progress.places.push(Place { unit: candidate.unit, ordinal: stored.message.ordinal, spot });
            } else {
                progress.has_more = true;
                return Ok(());
            }
        }
        if progress.bytes >= COMPARED_BYTES_MAX {
            return Ok(());
        }
    }
    Ok(())
}

/// A row as a message that says, or returns, just this; with the bytes it took. `None`: it is not looked at.
fn stored(row: &Row, all: bool) -> Result<Option<(StoredMessage, usize)>, String> {
    let mut cells = Cells::new(row);
    cells.number()?;
    let (ordinal, role) = (cells.number()?, cells.number()?);
    if cells.flag()? && !all {
        return Ok(None);
    }
    let (call, _event) = (cells.number()?, cells.number()?);
    let text = cells.text()?.ok_or("it is too large")?;
    let ordinal = ordinal.and_then(|ordinal| u32::try_from(ordinal).ok()).ok_or("its number cannot be one")?;
    let stored = if call == Some(-1) {
        json::message(&text, ordinal.into())?
    } else {
        StoredMessage { n: 0, message: empty(ordinal, role), results: vec![json::result(&text)?] }
    };
    Ok(Some((stored, text.len())))
}

/// A message that says nothing.
fn empty(ordinal: u32, role: Option<i64>) -> Message {
    Message {
        ordinal,
        key: None,
        role: if role == Some(0) { Role::User } else { Role::Assistant },
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: None,
        model: None,
        effort: None,
        provider_id: None,
        usage: None,
        blocks: Vec::new(),
    }
}

/// Gives the places their sessions.
async fn hits(client: &Client, store: &str, progress: Progress) -> Result<Page<Hit>, Trouble> {
    let Progress { places, mut notes, has_more, .. } = progress;
    let mut units: Vec<i64> = places.iter().map(|place| place.unit).collect();
    units.dedup();
    let sql = format!("SELECT {} FROM {} WHERE u.n = ANY($1)", heads::COLUMNS, heads::TABLES);
    let found = super::read::found(client, store, &sql, &[(&units, Type::INT8_ARRAY)], &mut notes).await?;
    let sessions: HashMap<i64, Arc<Shared>> =
        found.items.into_iter().map(|found| (found.unit, Arc::new(found.shared))).collect();
    let hits = places.into_iter().filter_map(|place| {
        let session = Arc::clone(sessions.get(&place.unit)?);
        let Spot { call, field, role, snippet, highlights } = place.spot;
        Some(Hit { session, ordinal: place.ordinal, call, field, role, snippet, highlights })
    });
    Ok(Page { items: hits.collect(), more: u64::from(has_more), hidden: 0, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_holds_groups_alternatives_and_beginnings() {
        let wanted = Wanted::parse("readFile* OR \"the end\" 登录 -gone").expect("a query");
        assert_eq!(question(&wanted), "(('read' & 'file':*) | ('readfile':*) | ('the' & 'end')) & (('登录'))");
    }
}

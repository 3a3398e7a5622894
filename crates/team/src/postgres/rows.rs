//! Rows as statements: those of one kind go together, column by column.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio_postgres::types::{Timestamp as Stored, Type};

use super::statement::Statement;
use super::time::to_server;
use crate::unit::{Body, Digest, Place, Row};

#[cfg(test)]
mod tests;

/// Bytes of words in a part: PostgreSQL takes at most a MiB in one value.
const PART_BYTES_MAX: usize = 512 << 10;
/// Longest word that PostgreSQL takes.
const WORD_BYTES_MAX: usize = 2046;

/// What is to be done at some places; `None`: the row goes.
pub(super) type Pending = BTreeMap<Place, Option<Row>>;

/// The statements that do it, for the unit `n` of `owner`.
pub(super) fn statements(owner: i32, n: i64, pending: Pending) -> Vec<Statement> {
    let mut gone = Gone::default();
    let (mut messages, mut results, mut words) = (Messages::default(), Results::default(), Words::default());
    for (place, row) in pending {
        let Some(Row { digest, body, .. }) = row else {
            gone.add(place);
            continue;
        };
        match (place, body) {
            (Place::Message(ordinal), Body::Message { role, subtype, is_system, is_abandoned, at, model, json }) => {
                messages.ordinals.push(ordinal.into());
                messages.roles.push(role);
                messages.subtypes.push(subtype);
                messages.systems.push(is_system);
                messages.abandoned.push(is_abandoned);
                messages.times.push(at.map(to_server));
                messages.models.push(model);
                messages.jsons.push(json);
                messages.digests.push(digest.to_vec());
            }
            (Place::Result { ordinal, index, event }, Body::Result { status, at, json }) => {
                results.ordinals.push(ordinal.into());
                results.indices.push(index.into());
                results.events.push(event.into());
                results.statuses.push(status);
                results.times.push(at.map(to_server));
                results.jsons.push(json);
                results.digests.push(digest.to_vec());
            }
            (Place::Words(bucket), Body::Words(list)) => {
                // Parts of before may be more than those of now.
                gone.add(place);
                words.add(bucket.0, &list, &digest);
            }
            // A body that does not belong there cannot stand there.
            (place, _) => gone.add(place),
        }
    }
    let mut all = Vec::new();
    gone.statements(owner, n, &mut all);
    messages.statement(owner, n, &mut all);
    results.statement(owner, n, &mut all);
    words.statement(owner, n, &mut all);
    all
}

/// Takes out what can stand nowhere.
pub(super) fn strays(owner: i32, n: i64) -> Vec<Statement> {
    let of = |sql| Statement::new(sql).with(owner, Type::INT4).with(n, Type::INT8);
    vec![
        of("DELETE FROM messages WHERE owner = $1 AND unit = $2 AND NOT ordinal BETWEEN 0 AND 4294967295"),
        of("DELETE FROM results WHERE owner = $1 AND unit = $2 AND NOT (ordinal BETWEEN 0 AND 4294967295 \
            AND idx BETWEEN 0 AND 4294967295 AND event BETWEEN 0 AND 4294967295)"),
        of("DELETE FROM words WHERE owner = $1 AND unit = $2 AND NOT bucket BETWEEN 0 AND 4294967295"),
    ]
}

#[derive(Default)]
struct Gone {
    messages: Vec<i64>,
    results: [Vec<i64>; 3],
    words: Vec<i64>,
}

impl Gone {
    fn add(&mut self, place: Place) {
        match place {
            Place::Message(ordinal) => self.messages.push(ordinal.into()),
            Place::Result { ordinal, index, event } => {
                for (list, number) in self.results.iter_mut().zip([ordinal, index, event]) {
                    list.push(number.into());
                }
            }
            Place::Words(bucket) => self.words.push(bucket.0.into()),
        }
    }

    fn statements(self, owner: i32, n: i64, all: &mut Vec<Statement>) {
        let of = |sql| Statement::new(sql).with(owner, Type::INT4).with(n, Type::INT8);
        if !self.messages.is_empty() {
            all.push(
                of("DELETE FROM messages WHERE owner = $1 AND unit = $2 AND ordinal = ANY ($3)")
                    .with(self.messages, Type::INT8_ARRAY),
            );
        }
        let [ordinals, indices, events] = self.results;
        if !ordinals.is_empty() {
            all.push(
                of("DELETE FROM results r USING unnest($3, $4, $5) AS gone (ordinal, idx, event) WHERE r.owner = $1 \
                    AND r.unit = $2 AND r.ordinal = gone.ordinal AND r.idx = gone.idx AND r.event = gone.event")
                .with(ordinals, Type::INT8_ARRAY)
                .with(indices, Type::INT8_ARRAY)
                .with(events, Type::INT8_ARRAY),
            );
        }
        if !self.words.is_empty() {
            all.push(
                of("DELETE FROM words WHERE owner = $1 AND unit = $2 AND bucket = ANY ($3)")
                    .with(self.words, Type::INT8_ARRAY),
            );
        }
    }
}

type Times = Vec<Option<Stored<SystemTime>>>;

#[derive(Default)]
struct Messages {
    ordinals: Vec<i64>,
    roles: Vec<i16>,
    subtypes: Vec<Option<String>>,
    systems: Vec<bool>,
    abandoned: Vec<bool>,
    times: Times,
    models: Vec<Option<String>>,
    jsons: Vec<String>,
    digests: Vec<Vec<u8>>,
}

impl Messages {
    fn statement(self, owner: i32, n: i64, all: &mut Vec<Statement>) {
        if self.ordinals.is_empty() {
            return;
        }
        let sql = "INSERT INTO messages AS m (owner, unit, ordinal, role, subtype, is_system, is_abandoned, at, model, json, digest) \
            SELECT $1, $2, ordinal, role, subtype, is_system, is_abandoned, at, model, json::json, digest \
            FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11) \
                AS new (ordinal, role, subtype, is_system, is_abandoned, at, model, json, digest) \
            ON CONFLICT (unit, ordinal) DO UPDATE SET owner = EXCLUDED.owner, role = EXCLUDED.role, \
                subtype = EXCLUDED.subtype, is_system = EXCLUDED.is_system, is_abandoned = EXCLUDED.is_abandoned, \
                at = EXCLUDED.at, model = EXCLUDED.model, json = EXCLUDED.json, digest = EXCLUDED.digest";
        all.push(
            Statement::new(sql)
                .with(owner, Type::INT4)
                .with(n, Type::INT8)
                .with(self.ordinals, Type::INT8_ARRAY)
                .with(self.roles, Type::INT2_ARRAY)
                .with(self.subtypes, Type::TEXT_ARRAY)
                .with(self.systems, Type::BOOL_ARRAY)
                .with(self.abandoned, Type::BOOL_ARRAY)
                .with(self.times, Type::TIMESTAMPTZ_ARRAY)
                .with(self.models, Type::TEXT_ARRAY)
                .with(self.jsons, Type::TEXT_ARRAY)
                .with(self.digests, Type::BYTEA_ARRAY),
        );
    }
}

#[derive(Default)]
struct Results {
    ordinals: Vec<i64>,
    indices: Vec<i64>,
    events: Vec<i64>,
    statuses: Vec<i16>,
    times: Times,
    jsons: Vec<String>,
    digests: Vec<Vec<u8>>,
}

impl Results {
    fn statement(self, owner: i32, n: i64, all: &mut Vec<Statement>) {
        if self.ordinals.is_empty() {
            return;
        }
        let sql = "INSERT INTO results AS r (owner, unit, ordinal, idx, event, status, at, json, digest) \
            SELECT $1, $2, ordinal, idx, event, status, at, json::json, digest \
            FROM unnest($3, $4, $5, $6, $7, $8, $9) AS new (ordinal, idx, event, status, at, json, digest) \
            ON CONFLICT (unit, ordinal, idx, event) DO UPDATE SET owner = EXCLUDED.owner, status = EXCLUDED.status, \
                at = EXCLUDED.at, json = EXCLUDED.json, digest = EXCLUDED.digest";
        all.push(
            Statement::new(sql)
                .with(owner, Type::INT4)
                .with(n, Type::INT8)
                .with(self.ordinals, Type::INT8_ARRAY)
                .with(self.indices, Type::INT8_ARRAY)
                .with(self.events, Type::INT8_ARRAY)
                .with(self.statuses, Type::INT2_ARRAY)
                .with(self.times, Type::TIMESTAMPTZ_ARRAY)
                .with(self.jsons, Type::TEXT_ARRAY)
                .with(self.digests, Type::BYTEA_ARRAY),
        );
    }
}

#[derive(Default)]
struct Words {
    buckets: Vec<i64>,
    parts: Vec<i32>,
    counts: Vec<i32>,
    words: Vec<String>,
    digests: Vec<Vec<u8>>,
}

impl Words {
    fn add(&mut self, bucket: u32, list: &[String], digest: &Digest) {
        let parts = parts(list);
        let count = i32::try_from(parts.len()).unwrap_or(i32::MAX);
        for (at, part) in (0_i32..).zip(parts) {
            self.buckets.push(bucket.into());
            self.parts.push(at);
            self.counts.push(count);
            self.words.push(part);
            self.digests.push(digest.to_vec());
        }
    }

    fn statement(self, owner: i32, n: i64, all: &mut Vec<Statement>) {
        if self.buckets.is_empty() {
            return;
        }
        let sql = "INSERT INTO words (owner, unit, bucket, part, parts, words, digest) \
            SELECT $1, $2, bucket, part, parts, array_to_tsvector(string_to_array(words, ' ')), digest \
            FROM unnest($3, $4, $5, $6, $7) AS new (bucket, part, parts, words, digest)";
        all.push(
            Statement::new(sql)
                .with(owner, Type::INT4)
                .with(n, Type::INT8)
                .with(self.buckets, Type::INT8_ARRAY)
                .with(self.parts, Type::INT4_ARRAY)
                .with(self.counts, Type::INT4_ARRAY)
                .with(self.words, Type::TEXT_ARRAY)
                .with(self.digests, Type::BYTEA_ARRAY),
        );
    }
}

/// Words joined by blanks, in parts that PostgreSQL can take; one at least. What it cannot take as a word is left out.
fn parts(list: &[String]) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in list.iter().flat_map(|word| word.split(' ')) {
        if word.is_empty() || word.len() > WORD_BYTES_MAX {
            continue;
        }
        if parts.last().is_none_or(|part| part.len() + word.len() >= PART_BYTES_MAX) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            if !part.is_empty() {
                part.push(' ');
            }
            part.push_str(word);
        }
    }
    parts
}

//! What a [`Sink`] owes, from PostgreSQL.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::{TryStreamExt as _, future};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::failure::cell;
use super::migrate::{checked, meta, understood};
use super::{Access, Link, Postgres, Session, back, change, erase};
use crate::share::Mode;
use crate::sink::{
    Back, Begun, Buckets, Class, Client as Pusher, Held, Opened, Sink, SinkError, Stored, Summary, Traffic,
};
use crate::unit::{Bucket, Digest, Place, Root, UnitKey};

/// Longest name of a person, device or home.
const NAME_BYTES_MAX: usize = 1000;

pub(super) type Parameters<'p> = Vec<(&'p (dyn ToSql + Sync), Type)>;

/// Another holder has the claim.
pub(super) fn busy() -> SinkError {
    SinkError::new(Class::Busy, "another copy of this device pushes to this store")
        .with_hint("Of two copies of one home one at a time may push. It is tried again by itself; on the one that should not push, take the store out of the configuration.")
}

/// Text as the store takes it for a name.
fn name(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect();
    text.truncate(text.floor_char_boundary(NAME_BYTES_MAX));
    text
}

fn digest(bytes: Option<&[u8]>) -> Option<Digest> {
    bytes.and_then(|bytes| bytes.try_into().ok())
}

impl Postgres {
    /// Begins with a new connection; says the store's own name.
    fn connect_anew(&mut self, access: Access) -> Result<String, SinkError> {
        self.session = None;
        self.link = None;
        self.strays.clear();
        let schema = checked(&self.settings.schema)?.to_owned();
        let mut link = Link::connect(&self.settings, access)?;
        let meta = understood(meta(&mut link, &schema, self.limits.statement)?, &schema)?;
        self.link = Some(link);
        Ok(meta.store_id)
    }
}

impl Sink for Postgres {
    fn open(&mut self, client: &Pusher) -> Result<Opened, SinkError> {
        let store_id = self.connect_anew(Access::Write)?;
        let (person, label, holder, origin) =
            (name(&client.person), name(&client.label), name(&client.holder), name(&client.origin));
        let (person_of, label_of) = (&person, &label);
        let (holder_of, origin_of) = (&holder, &origin);
        let version = env!("CARGO_PKG_VERSION");
        let (owner, is_erased) = self.write(
            "the store does not let us in",
            self.limits.statement,
            async |client| {
                let of_person: Parameters<'_> = vec![(person_of, Type::TEXT)];
                let make = client.execute_typed(
                    "INSERT INTO owners (person) SELECT $1 WHERE NOT EXISTS \
                     (SELECT FROM owners WHERE role = session_user AND person = $1) ON CONFLICT (role, person) DO NOTHING",
                    &of_person,
                );
                let find = client.query_typed_one(
                    "SELECT id, erased_at IS NOT NULL FROM owners WHERE role = session_user AND person = $1",
                    &of_person,
                );
                let (made, found) = future::join(make, find).await;
                made?;
                let found = found?;
                Ok((found.try_get::<_, i32>(0)?, found.try_get::<_, bool>(1)?))
            },
            |_| true,
        )?;
        if is_erased {
            self.link = None;
            return Err(erase::erased());
        }
        // What an erasure that ended meanwhile has held up is taken back.
        let is_erased_now = "SELECT erased_at IS NOT NULL FROM owners WHERE id = $1";
        let (count, is_erased) = self.write(
            "the store does not let us in",
            self.limits.statement,
            async |client| {
                let parameters: Parameters<'_> = vec![
                    (&owner, Type::INT4),
                    (origin_of, Type::TEXT),
                    (holder_of, Type::TEXT),
                    (label_of, Type::TEXT),
                    (&version, Type::TEXT),
                ];
                let of_owner: Parameters<'_> = vec![(&owner, Type::INT4)];
                let claim = client.execute_typed(
                    "INSERT INTO clients AS c (owner, origin, holder, label, version, until) \
                         VALUES ($1, $2, $3, $4, $5, clock_timestamp() + interval '90 seconds') \
                         ON CONFLICT (owner, origin) DO UPDATE SET holder = EXCLUDED.holder, label = EXCLUDED.label, \
                         version = EXCLUDED.version, until = EXCLUDED.until \
                         WHERE c.holder = EXCLUDED.holder OR c.until <= clock_timestamp()",
                    &parameters,
                );
                let (claim, found) = future::join(claim, client.query_typed_one(is_erased_now, &of_owner)).await;
                Ok((claim?, found?.try_get::<_, bool>(0)?))
            },
            |(count, is_erased)| *count == 1 && !is_erased,
        )?;
        if is_erased {
            self.link = None;
            return Err(erase::erased());
        }
        if count != 1 {
            self.link = None;
            return Err(busy());
        }
        self.session = Some(Session { owner, origin, holder, is_looking: false });
        Ok(Opened { store_id, owner: owner.to_string() })
    }

    fn look(&mut self, client: &Pusher) -> Result<Opened, SinkError> {
        let store_id = self.connect_anew(Access::Read)?;
        let person = name(&client.person);
        let found = self.read("the store does not let us in", async |client| {
            let sql = "SELECT id, erased_at IS NOT NULL FROM owners WHERE role = session_user AND person = $1";
            let found = client.query_typed_opt(sql, &[(&person, Type::TEXT)]).await?;
            found.map(|found| Ok((found.try_get::<_, i32>(0)?, found.try_get::<_, bool>(1)?))).transpose()
        })?;
        let owner = match found {
            Some((_, true)) => {
                self.link = None;
                return Err(erase::erased());
            }
            Some((owner, false)) => Some(owner),
            None => None,
        };
        let (origin, holder) = (name(&client.origin), name(&client.holder));
        self.session = Some(Session { owner: owner.unwrap_or(0), origin, holder, is_looking: true });
        Ok(Opened { store_id, owner: owner.map_or_else(String::new, |owner| owner.to_string()) })
    }

    fn summary(&mut self) -> Result<Summary, SinkError> {
        let Session { owner, origin, .. } = self.session()?;
        // A root that cannot be one counts like none: as zeros.
        let sql = "SELECT count(*), sha256(coalesce(string_agg(CASE WHEN octet_length(root) = 32 THEN root \
                   ELSE decode(repeat('00', 32), 'hex') END, ''::bytea ORDER BY key COLLATE \"C\"), '')) \
                   FROM units WHERE owner = $1 AND origin = $2";
        let row = self.read("the store cannot be compared", async |client| {
            client.query_typed_one(sql, &[(&owner, Type::INT4), (&origin, Type::TEXT)]).await
        })?;
        let count = u64::try_from(cell::<i64>(&row, 0)?).unwrap_or(0);
        let hash = digest(cell(&row, 1)?).filter(|_| count > 0).unwrap_or_default();
        Ok(Summary { count, hash })
    }

    fn roots(&mut self) -> Result<BTreeMap<String, Stored>, SinkError> {
        let Session { owner, origin, .. } = self.session()?;
        let sql = "SELECT key, root, mask, mode FROM units WHERE owner = $1 AND origin = $2";
        self.read("the store cannot be compared", async |client| {
            let parameters: Parameters<'_> = vec![(&owner, Type::INT4), (&origin, Type::TEXT)];
            let mut roots = BTreeMap::new();
            each(client, sql, parameters, |row| {
                let mode = Mode::named(row.try_get(3)?);
                let root = digest(row.try_get(1)?).filter(|_| mode.is_some()).map(Root);
                roots.insert(row.try_get(0)?, Stored { root, mask: row.try_get(2)?, mode: mode.unwrap_or_default() });
                Ok(())
            })
            .await?;
            Ok(roots)
        })
    }

    fn held(&mut self, key: &UnitKey, buckets: &Buckets) -> Result<Option<Held>, SinkError> {
        let Session { owner, .. } = self.session()?;
        let key = key.to_text();
        let wanted: Option<Vec<i64>> = match buckets {
            Buckets::All => None,
            Buckets::These(these) => Some(these.iter().map(|bucket| bucket.0.into()).collect()),
        };
        let found = self
            .read("the unit cannot be compared", async |client| look(client, owner, &key, wanted.as_deref()).await)?;
        Ok(found.map(|(n, held, has_strays)| {
            if has_strays {
                self.strays.insert(n);
            }
            held
        }))
    }

    fn rows(&mut self, key: &UnitKey, bucket: Bucket) -> Result<Option<Vec<crate::unit::Row>>, SinkError> {
        back::rows(self, key, bucket)
    }

    fn head(&mut self, key: &UnitKey) -> Result<Back, SinkError> {
        back::head(self, key)
    }

    fn change<'s>(&'s mut self, key: &UnitKey, base: Option<Root>) -> Result<Begun<'s>, SinkError> {
        change::begin(self, key, base)
    }

    fn remove(&mut self, keys: &[String]) -> Result<u64, SinkError> {
        let session = self.writing()?;
        let removed = self.write(
            "units cannot be taken out",
            self.limits.bulk,
            async |client| {
                let sql = "DELETE FROM units WHERE owner = $1 AND origin = $2 AND key = ANY ($3)";
                let parameters: Parameters<'_> =
                    vec![(&session.owner, Type::INT4), (&session.origin, Type::TEXT), (&keys, Type::TEXT_ARRAY)];
                let (claim, removed) =
                    future::join(claim(client, &session), client.execute_typed(sql, &parameters)).await;
                Ok(claim?.then_some(removed?))
            },
            Option::is_some,
        )?;
        removed.ok_or_else(busy)
    }

    fn confirm(&mut self, keys: &[String], mask: &str) -> Result<(), SinkError> {
        let session = self.writing()?;
        let confirmed = self.write(
            "units cannot be confirmed",
            self.limits.bulk,
            async |client| {
                let sql =
                    "UPDATE units SET mask = $4 WHERE owner = $1 AND origin = $2 AND key = ANY ($3) AND mask <> $4";
                let parameters: Parameters<'_> = vec![
                    (&session.owner, Type::INT4),
                    (&session.origin, Type::TEXT),
                    (&keys, Type::TEXT_ARRAY),
                    (&mask, Type::TEXT),
                ];
                let (claim, confirmed) =
                    future::join(claim(client, &session), client.execute_typed(sql, &parameters)).await;
                confirmed?;
                claim
            },
            |has_claim| *has_claim,
        )?;
        if confirmed { Ok(()) } else { Err(busy()) }
    }

    fn close(&mut self) -> Result<(), SinkError> {
        let is_alive = self.link.as_ref().is_some_and(Link::is_alive);
        let Some(session) = self.session.take() else { return Ok(()) };
        // A claim that cannot be given back ends by itself.
        let closed = if is_alive && !session.is_looking {
            self.write(
                "the claim cannot be given back",
                self.limits.statement,
                async |client| {
                    let sql = "UPDATE clients SET until = clock_timestamp(), pushed_at = clock_timestamp() \
                               WHERE owner = $1 AND origin = $2 AND holder = $3";
                    client.execute_typed(sql, &us(&session)).await
                },
                |_| true,
            )
        } else {
            Ok(0)
        };
        self.link = None;
        closed.map(|_| ())
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

fn us(session: &Session) -> Parameters<'_> {
    vec![(&session.owner, Type::INT4), (&session.origin, Type::TEXT), (&session.holder, Type::TEXT)]
}

/// Whether the claim is ours; locked until the transaction ends.
async fn claim(client: &Client, session: &Session) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM clients WHERE owner = $1 AND origin = $2 AND holder = $3 FOR SHARE";
    Ok(client.query_typed_opt(sql, &us(session)).await?.is_some())
}

/// Hands each row to `act` as it comes. All of them are taken, whatever it says: others may be waiting behind them.
pub(super) async fn each(
    client: &Client,
    sql: &str,
    parameters: Parameters<'_>,
    mut act: impl FnMut(&Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut rows = pin!(client.query_typed_raw(sql, parameters).await?);
    let mut done = Ok(());
    while let Some(row) = rows.try_next().await? {
        if done.is_ok() {
            done = act(&row);
        }
    }
    done
}

/// What is held of a unit, its number, and whether there are rows that can stand nowhere.
async fn look(
    client: &Client,
    owner: i32,
    key: &str,
    buckets: Option<&[i64]>,
) -> Result<Option<(i64, Held, bool)>, Error> {
    // The digest of a head that is gone says nothing.
    let unit_sql = "SELECT n, root, CASE WHEN EXISTS (SELECT FROM sessions s WHERE s.unit = n) \
                    OR EXISTS (SELECT FROM projects p WHERE p.unit = n) THEN head_digest END \
                    FROM units WHERE owner = $1 AND key = $2";
    let [messages_sql, results_sql, words_sql] = match buckets {
        None => [
            "SELECT m.ordinal, m.digest FROM messages m JOIN units u ON u.n = m.unit WHERE u.owner = $1 AND u.key = $2",
            "SELECT r.ordinal, r.digest, r.idx, r.event FROM results r JOIN units u ON u.n = r.unit \
             WHERE u.owner = $1 AND u.key = $2",
            "SELECT w.bucket, w.digest, w.part, w.parts FROM words w JOIN units u ON u.n = w.unit \
             WHERE u.owner = $1 AND u.key = $2 ORDER BY w.bucket, w.part",
        ],
        Some(_) => [
            "SELECT m.ordinal, m.digest FROM units u CROSS JOIN unnest($3) AS b JOIN messages m ON m.unit = u.n \
             AND m.ordinal BETWEEN b * 32 AND b * 32 + 31 WHERE u.owner = $1 AND u.key = $2",
            "SELECT r.ordinal, r.digest, r.idx, r.event FROM units u CROSS JOIN unnest($3) AS b JOIN results r \
             ON r.unit = u.n AND r.ordinal BETWEEN b * 32 AND b * 32 + 31 WHERE u.owner = $1 AND u.key = $2",
            "SELECT w.bucket, w.digest, w.part, w.parts FROM units u CROSS JOIN unnest($3) AS b JOIN words w \
             ON w.unit = u.n AND w.bucket = b WHERE u.owner = $1 AND u.key = $2 ORDER BY w.bucket, w.part",
        ],
    };
    let unit_parameters: Parameters<'_> = vec![(&owner, Type::INT4), (&key, Type::TEXT)];
    let mut parameters = unit_parameters.clone();
    if let Some(buckets) = &buckets {
        parameters.push((buckets, Type::INT8_ARRAY));
    }
    let (mut messages, mut results, mut words) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let number = |row: &Row, at: usize| Ok(u32::try_from(row.try_get::<_, i64>(at)?).ok());
    let of = |row: &Row| Ok::<_, Error>(digest(row.try_get(1)?).unwrap_or_default());
    let (mut of_messages, mut of_results, mut of_words) = (false, false, false);
    let unit = client.query_typed_opt(unit_sql, &unit_parameters);
    let read_messages = each(client, messages_sql, parameters.clone(), |row| {
        match number(row, 0)? {
            Some(ordinal) => {
                messages.insert(Place::Message(ordinal), of(row)?);
            }
            None => of_messages = true,
        }
        Ok(())
    });
    let read_results = each(client, results_sql, parameters.clone(), |row| {
        match (number(row, 0)?, number(row, 2)?, number(row, 3)?) {
            (Some(ordinal), Some(index), Some(event)) => {
                results.insert(Place::Result { ordinal, index, event }, of(row)?);
            }
            _ => of_results = true,
        }
        Ok(())
    });
    let read_words = each(client, words_sql, parameters, |row| {
        match number(row, 0)? {
            Some(bucket) => {
                let (part, count): (i32, i32) = (row.try_get(2)?, row.try_get(3)?);
                words.entry(bucket).or_insert_with(Parts::default).add(part, count, of(row)?);
            }
            None => of_words = true,
        }
        Ok(())
    });
    let (unit, read_messages, read_results, read_words) =
        future::join4(unit, read_messages, read_results, read_words).await;
    let unit = unit?;
    read_messages?;
    read_results?;
    read_words?;
    let mut rows = messages;
    rows.append(&mut results);
    rows.extend(words.into_iter().map(|(bucket, parts)| (Place::Words(Bucket(bucket)), parts.digest())));
    let has_strays = of_messages || of_results || of_words;
    if has_strays {
        // Shown where nothing stands, so that the unit is changed, which takes them out.
        rows.insert(Place::Message(u32::MAX), [0; 32]);
    }
    let Some(unit) = unit else { return Ok(None) };
    let held = Held { root: digest(unit.try_get(1)?).map(Root), rows, head: digest(unit.try_get(2)?) };
    Ok(Some((unit.try_get(0)?, held, has_strays)))
}

/// The parts of a bucket's words, as they come in order.
#[derive(Default)]
struct Parts {
    digest: Option<Digest>,
    seen: i32,
    count: i32,
    is_wrong: bool,
}

impl Parts {
    fn add(&mut self, part: i32, count: i32, digest: Digest) {
        let is_first = self.seen == 0;
        self.is_wrong |= part != self.seen || (!is_first && (self.count != count || self.digest != Some(digest)));
        self.seen = self.seen.saturating_add(1);
        (self.count, self.digest) = (count, Some(digest));
    }

    /// Zeros, if one is missing or of another time.
    fn digest(self) -> Digest {
        self.digest.filter(|_| !self.is_wrong && self.seen == self.count).unwrap_or_default()
    }
}

//! A unit that is being changed: one transaction, open from [`begin`] to its end.

use std::time::Duration;

use futures_util::future;
use tokio_postgres::types::Type;

use super::failure::cell;
use super::head;
use super::rows::{self, Pending};
use super::statement::{Statement, run_all};
use super::{Access, Postgres, Session};
use crate::sink::{Begun, Change, Class, ROW_BYTES_MAX, SinkError};
use crate::unit::{Digest, Head, Place, Root, Row, UnitKey};

/// Held back so much at the most before it is sent.
const PENDING_BYTES_MAX: usize = 2 << 20;
/// Held back so many rows at the most.
const PENDING_ROWS_MAX: usize = 10_000;

const DOING: &str = "the unit cannot be written";

/// The open transaction.
struct Open<'s> {
    store: &'s mut Postgres,
    session: Session,
    n: i64,
    kind: &'static str,
    is_new: bool,
    pending: Pending,
    pending_bytes: usize,
    /// How long the server works on a statement now.
    limit: Duration,
    is_open: bool,
}

/// Begins.
pub(super) fn begin<'s>(store: &'s mut Postgres, key: &UnitKey, base: Option<Root>) -> Result<Begun<'s>, SinkError> {
    let session = store.writing()?;
    let begin = store.begin(Access::Write, store.limits.statement);
    let limit = store.limits.statement;
    let (text, kind) = (key.to_text(), head::kind_of(key));
    let (owner, origin, holder) = (session.owner, session.origin.as_str(), session.holder.as_str());
    let us: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&owner, Type::INT4), (&origin, Type::TEXT), (&holder, Type::TEXT)];
    store.traffic.queries += 5;
    let link = store.link()?;
    let begun = link.run(DOING, limit, async |client| {
        let renew = client.execute_typed(
            "UPDATE clients SET until = clock_timestamp() + interval '90 seconds' WHERE owner = $1 AND origin = $2 \
             AND holder = $3 AND until < clock_timestamp() + interval '45 seconds'",
            &us,
        );
        // Locked, so that nobody takes the claim over before this ends.
        let claim = client
            .query_typed_opt("SELECT 1 FROM clients WHERE owner = $1 AND origin = $2 AND holder = $3 FOR SHARE", &us);
        let make = async {
            let sql = "INSERT INTO units (owner, key, kind, origin, mode, mask) \
                       VALUES ($1, $2, $3, $4, CASE $3 WHEN 'totals' THEN 'aggregates' ELSE 'metadata' END, '') \
                       ON CONFLICT (owner, key) DO NOTHING";
            match base {
                None => {
                    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] =
                        [(&owner, Type::INT4), (&text, Type::TEXT), (&kind, Type::TEXT), (&origin, Type::TEXT)];
                    client.execute_typed(sql, &parameters).await
                }
                Some(_) => Ok(0),
            }
        };
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&owner, Type::INT4), (&text, Type::TEXT)];
        let look = client
            .query_typed_opt("SELECT n, root, origin FROM units WHERE owner = $1 AND key = $2 FOR UPDATE", &parameters);
        let (begun, (renewed, claim, made, found)) =
            future::join(client.batch_execute(&begin), future::join4(renew, claim, make, look)).await;
        begun?;
        renewed?;
        Ok((claim?.is_some(), made? > 0, found?))
    });
    let (has_claim, is_new, found) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            link.roll_back();
            return Err(error);
        }
    };
    let read = |row: &tokio_postgres::Row| -> Result<(i64, Option<Root>, String), SinkError> {
        let root = cell::<Option<&[u8]>>(row, 1)?.and_then(|bytes| Digest::try_from(bytes).ok()).map(Root);
        Ok((cell(row, 0)?, root, cell(row, 2)?))
    };
    let found = match found.as_ref().map(read).transpose() {
        Ok(found) => found,
        Err(error) => {
            link.roll_back();
            return Err(error);
        }
    };
    let end = match found {
        _ if !has_claim => Err(super::sink::busy()),
        Some((_, _, origin)) if origin != session.origin => Ok(Begun::Elsewhere { origin }),
        Some((n, root, _)) if root == base => {
            let pending = Pending::new();
            return Ok(Begun::Open(Box::new(Open {
                store,
                session,
                n,
                kind,
                is_new,
                pending,
                pending_bytes: 0,
                limit,
                is_open: true,
            })));
        }
        Some((_, root, _)) => Ok(Begun::Moved(root)),
        None => Ok(Begun::Moved(None)),
    };
    link.roll_back();
    end
}

impl Open<'_> {
    /// Runs statements in the transaction, with which so many bytes go; when one fails, that is over.
    fn run(&mut self, statements: &[Statement], bytes: u64) -> Result<Vec<u64>, SinkError> {
        if !self.is_open {
            return Err(SinkError::new(Class::Internal, "the change has failed already"));
        }
        self.store.traffic.queries += statements.len() as u64;
        let limit = self.store.limits.of(bytes);
        // The server's time, too, begins with the first byte of a statement.
        let set = (limit > self.limit).then(|| format!("SET LOCAL statement_timeout = {}", limit.as_millis()));
        self.limit = self.limit.max(limit);
        let link = self.store.link()?;
        let counts = link.run(DOING, limit, async |client| {
            let set = async {
                match &set {
                    Some(set) => client.batch_execute(set).await,
                    None => Ok(()),
                }
            };
            let (set, counts) = future::join(set, run_all(client, statements)).await;
            set?;
            counts
        });
        if counts.is_err() {
            self.is_open = false;
            link.roll_back();
        }
        counts
    }

    fn add(&mut self, place: Place, row: Option<Row>) {
        let bytes = |row: &Option<Row>| row.as_ref().map_or(0, |row| row.body.bytes()) + 64;
        self.pending_bytes += bytes(&row);
        if let Some(before) = self.pending.insert(place, row) {
            self.pending_bytes -= bytes(&before);
        }
    }

    fn is_full(&self) -> bool {
        self.pending_bytes > PENDING_BYTES_MAX || self.pending.len() >= PENDING_ROWS_MAX
    }

    /// What is held back, as statements, and about how many bytes they are.
    fn taken(&mut self) -> (Vec<Statement>, u64) {
        let bytes = std::mem::take(&mut self.pending_bytes) as u64;
        (rows::statements(self.session.owner, self.n, std::mem::take(&mut self.pending)), bytes)
    }

    fn send(&mut self) -> Result<(), SinkError> {
        let (statements, bytes) = self.taken();
        self.run(&statements, bytes).map(|_| ())
    }
}

impl Change for Open<'_> {
    fn put(&mut self, rows: Vec<Row>) -> Result<(), SinkError> {
        for row in rows {
            let bytes = row.body.bytes();
            if bytes > ROW_BYTES_MAX {
                return Err(SinkError::too_large(bytes));
            }
            self.store.traffic.rows_written += 1;
            self.store.traffic.bytes += bytes as u64;
            // A large row goes alone.
            if bytes > PENDING_BYTES_MAX && !self.pending.is_empty() {
                self.send()?;
            }
            self.add(row.place, Some(row));
            if self.is_full() {
                self.send()?;
            }
        }
        Ok(())
    }

    fn take(&mut self, places: &[Place]) -> Result<(), SinkError> {
        for place in places {
            self.store.traffic.rows_removed += 1;
            self.add(*place, None);
            if self.is_full() {
                self.send()?;
            }
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>, head: Option<(&Head, &Digest)>, root: Root, mask: &str) -> Result<(), SinkError> {
        if self.is_new && head.is_none() {
            return Err(SinkError::new(Class::Internal, "a new unit has no head"));
        }
        let (owner, n) = (self.session.owner, self.n);
        let (mut statements, mut bytes) = self.taken();
        if self.store.strays.contains(&n) {
            statements.extend(rows::strays(owner, n));
        }
        if let Some((head, _)) = head {
            self.store.traffic.bytes += head::bytes(head);
            bytes += head::bytes(head);
            statements.extend(head::statements(owner, n, head));
        }
        let sql = "UPDATE units SET root = $3, mask = $4, head_digest = coalesce($5, head_digest), mode = coalesce($6, mode), \
                   masked = coalesce($7::json, masked), kind = $8, pushed_at = clock_timestamp() WHERE owner = $1 AND n = $2";
        statements.push(
            Statement::new(sql)
                .with(owner, Type::INT4)
                .with(n, Type::INT8)
                .with(root.0.to_vec(), Type::BYTEA)
                .text(mask)
                .with(head.map(|(_, digest)| digest.to_vec()), Type::BYTEA)
                .maybe(head.map(|(head, _)| head::mode_of(head).as_str().to_owned()))
                .maybe(head.map(|(head, _)| head::masked_of(head)))
                .text(self.kind),
        );
        if self.run(&statements, bytes)?.last() != Some(&1) {
            return Err(SinkError::new(Class::Internal, format!("{DOING}: its row is not there any more")));
        }
        self.store.traffic.queries += 1;
        self.is_open = false;
        let limit = self.store.limits.statement;
        let link = self.store.link()?;
        let ended =
            link.run("the unit cannot be committed", limit, async |client| client.batch_execute("COMMIT").await);
        if ended.is_err() {
            link.roll_back();
        }
        ended?;
        self.store.strays.remove(&n);
        Ok(())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.is_open
            && let Some(link) = &mut self.store.link
        {
            link.roll_back();
        }
    }
}

//! Statements with what they are handed, sent together.

use futures_util::future;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

/// A statement and its parameters.
pub(super) struct Statement {
    sql: &'static str,
    parameters: Vec<(Box<dyn ToSql + Sync>, Type)>,
}

impl Statement {
    /// One without parameters so far.
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql, parameters: Vec::new() }
    }

    /// With the next parameter.
    pub(super) fn with(mut self, value: impl ToSql + Sync + 'static, kind: Type) -> Self {
        self.parameters.push((Box::new(value), kind));
        self
    }

    /// With a text.
    pub(super) fn text(self, value: impl Into<String>) -> Self {
        self.with(value.into(), Type::TEXT)
    }

    /// With a text or nothing.
    pub(super) fn maybe(self, value: Option<String>) -> Self {
        self.with(value, Type::TEXT)
    }

    /// With a number. One that PostgreSQL cannot hold becomes the greatest that it can.
    pub(super) fn number(self, value: impl TryInto<i64>) -> Self {
        self.with(value.try_into().unwrap_or(i64::MAX), Type::INT8)
    }

    async fn run(&self, client: &Client) -> Result<u64, Error> {
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            self.parameters.iter().map(|(value, kind)| (&**value, kind.clone())).collect();
        client.execute_typed(self.sql, &parameters).await
    }
}

/// Sends all of them at once; returns how many rows each concerned. Of failures the first is told: what follows it fails, too.
pub(super) async fn run_all(client: &Client, statements: &[Statement]) -> Result<Vec<u64>, Error> {
    // In order, as each is sent when it is first polled.
    let mut counts = Vec::with_capacity(statements.len());
    for group in statements.chunks(GROUP) {
        for count in future::join_all(group.iter().map(|statement| statement.run(client))).await {
            counts.push(count?);
        }
    }
    Ok(counts)
}

/// So many are polled one after the other by `join_all`.
const GROUP: usize = 30;

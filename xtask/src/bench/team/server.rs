//! The server of the bench: PostgreSQL with a proxy before it, and what it says it has written.

use std::ops::Sub;
use std::time::Duration;

use carry_testkit::postgres::{self, PASSWORD};
use carry_testkit::wire::{Proxy, Way};

use crate::Outcome;

/// How often it is asked whether all clients have gone.
const STATISTICS_LOOKS: u32 = 10;
const STATISTICS_PAUSE: Duration = Duration::from_millis(600);

/// What a server has done and what went to and from it, up to some moment or between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Bytes to the server.
    pub(super) sent: u64,
    /// Bytes from it.
    pub(super) received: u64,
    /// Statements that were carried out: simple queries and executions of prepared ones.
    pub(super) statements: u64,
    /// How often the client waited for the server.
    pub(super) turns: u64,
    /// Rows that were put in, changed and taken out in the database, its catalogues and temporary tables included.
    pub(super) rows: u64,
    /// Bytes of the log of transactions.
    pub(super) wal: u64,
}

impl Sub for Work {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            received: self.received - before.received,
            statements: self.statements - before.statements,
            turns: self.turns - before.turns,
            rows: self.rows.saturating_sub(before.rows),
            wal: self.wal.saturating_sub(before.wal),
        }
    }
}

/// A server that waits for its disk, with a role that both programs use.
#[derive(Debug)]
pub(super) struct Server {
    inner: postgres::Server,
    role: String,
    proxy: Proxy,
}

impl Server {
    /// Starts one, without TLS, which loopback does not need.
    pub(super) fn start() -> Self {
        // As the program has them by default; tests write down every statement.
        let settings = [
            ("shared_buffers", "128MB"),
            ("log_statement", "none"),
            ("log_connections", "off"),
            // What it does would be counted for whoever pushes then.
            ("autovacuum", "off"),
        ];
        let settings = settings.map(|(name, value)| (name, value.to_owned())).into();
        let options = postgres::Options { is_plain: true, settings, ..postgres::Options::default() };
        let inner = postgres::Server::start_with(&options);
        let role = inner.role("");
        let proxy = Proxy::start(inner.address());
        Self { inner, role, proxy }
    }

    /// Its version, for the heading.
    pub(super) fn version(&self) -> String {
        format!(
            "PostgreSQL {}, which waits for its disk; without autovacuum.",
            self.inner.admin("postgres", "SHOW server_version")
        )
    }

    /// The URL of a database, through the proxy.
    pub(super) fn url(&self, database: &str) -> String {
        self.inner.url_at(self.proxy.port(), &self.role, PASSWORD, database) + "?sslmode=disable"
    }

    /// Makes a database anew, empty.
    pub(super) fn make_anew(&self, database: &str) {
        self.inner.admin("postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
        self.inner.admin("postgres", &format!("CREATE DATABASE {database} OWNER {}", self.role));
    }

    /// What was done in a database so far. Each program has one of its own.
    pub(super) fn work(&self, database: &str) -> Outcome<Work> {
        self.wait_for_statistics(database)?;
        let sql = format!(
            "SELECT tup_inserted + tup_updated + tup_deleted, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint \
             FROM pg_stat_database WHERE datname = '{database}'"
        );
        let [rows, wal] = self.numbers("postgres", &sql)?;
        let frames = self.proxy.frames();
        let statements = ['Q', 'E'].iter().filter_map(|kind| frames.get(kind)).sum();
        Ok(Work {
            sent: self.proxy.bytes(Way::Up),
            received: self.proxy.bytes(Way::Down),
            statements,
            turns: self.proxy.turns(),
            rows,
            wal,
        })
    }

    /// A session's work is counted when it has ended, and before version 15 half a second later.
    fn wait_for_statistics(&self, database: &str) -> Outcome {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND backend_type = 'client backend'"
        );
        for _ in 0..STATISTICS_LOOKS {
            if self.numbers("postgres", &sql)? == [0] {
                break;
            }
            std::thread::sleep(STATISTICS_PAUSE);
        }
        std::thread::sleep(STATISTICS_PAUSE);
        Ok(())
    }

    /// Lets everything reach the disk, so that no push pays for what was before.
    pub(super) fn settle(&self) {
        self.inner.admin("postgres", "CHECKPOINT");
        super::super::measure::settle_disk();
    }

    /// How large a database is, in bytes.
    pub(super) fn size(&self, database: &str) -> Outcome<u64> {
        let [size] = self.numbers("postgres", &format!("SELECT pg_database_size('{database}')"))?;
        Ok(size)
    }

    /// Sessions and messages in a schema.
    pub(super) fn counts(&self, database: &str, schema: &str) -> Outcome<(u64, u64)> {
        let sql = format!("SELECT (SELECT count(*) FROM {schema}.sessions), (SELECT count(*) FROM {schema}.messages)");
        let [sessions, messages] = self.numbers(database, &sql)?;
        Ok((sessions, messages))
    }

    /// The numbers in the one row of an answer.
    fn numbers<const N: usize>(&self, database: &str, sql: &str) -> Outcome<[u64; N]> {
        let said = self.inner.admin(database, sql);
        let numbers: Vec<u64> = said.split('|').map(|word| word.trim().parse()).collect::<Result<_, _>>()?;
        numbers.try_into().map_err(|_| format!("the answer makes no sense: {said:?}").into())
    }
}

//! A connection, with a small runtime of its own that only runs while something is asked.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};
use tokio_postgres::error::Severity;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Host, Target, Wants};
use super::failure::{cell, failure, is_of_cell};
use super::password::{first_line, read_private};
use super::pgpass::Login;
use super::tls::{self, Security};
use crate::settings::{Address, Secret, StoreSettings};
use crate::sink::{Class, SinkError};

/// How long a connection may take to come about.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a connection may take to end.
const END_TIME: Duration = Duration::from_secs(1);
/// What a connection is called at the server, unless the store's URL says.
const APPLICATION: &str = "carry";
/// The oldest server that we know how to speak with.
const VERSION_MIN: i32 = 130_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading.
    Read,
    /// Writing, too.
    Write,
}

/// A connection. Once it has failed it stays so.
#[derive(Debug)]
pub(crate) struct Link {
    runtime: Option<Runtime>,
    client: Option<Client>,
    driver: Option<JoinHandle<Result<(), Error>>>,
}

impl Link {
    /// Connects to the first server that lets us, and looks whether it is one that we can use.
    ///
    /// # Errors
    /// [`SinkError`].
    pub(crate) fn connect(settings: &StoreSettings, access: Access) -> Result<Self, SinkError> {
        let target = target(settings)?;
        let password = match &target.password {
            Some(password) => Some(password.clone()),
            None => settings.password.find()?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| SinkError::new(Class::Internal, "the network cannot be used").because(error))?;
        let mut link = Self { runtime: Some(runtime), client: None, driver: None };
        let mut failed = None;
        for (host, port) in &target.hosts {
            let security = Security::of(host, target.tls.mode, settings.allow_insecure)?;
            let tls = MakeRustlsConnect::new(tls::config(&target.tls, security)?);
            let login = Login { host, port: *port, database: target.database.as_deref(), user: target.user.as_deref() };
            let (of_host, unusable) = match &password {
                Some(_) => (None, None),
                // It is there for all kinds of servers. Should this one need none, nothing of it matters.
                None => match settings.password.find_by_host(login) {
                    Ok(found) => (found, None),
                    Err(error) => (None, Some(error)),
                },
            };
            let mut config = config(&target, password.as_ref().or(of_host.as_ref()), access);
            config.ssl_mode(security.mode()).port(*port);
            match host {
                Host::Tcp(name) => config.host(name),
                Host::Unix(path) => config.host_path(path),
            };
            match link.attempt(&config, tls, target.connect_timeout.unwrap_or(CONNECT_TIME), &format!("{host}:{port}"))
            {
                Ok(()) => {
                    link.check_server()?;
                    return Ok(link);
                }
                Err(error) => {
                    tracing::debug!(%host, port, class = ?error.class, "a server of the store does not let us in");
                    failed = Some(unusable.filter(|_| error.class == Class::AuthRequired).unwrap_or(error));
                }
            }
        }
        Err(failed.unwrap_or_else(|| SinkError::new(Class::Unsupported, "the store's address names no host")))
    }

    fn attempt(
        &mut self,
        config: &Config,
        tls: MakeRustlsConnect,
        limit: Duration,
        place: &str,
    ) -> Result<(), SinkError> {
        let Some(runtime) = &self.runtime else { return Err(lost()) };
        let connected = runtime.block_on(async { tokio::time::timeout(limit, config.connect(tls)).await });
        let (client, connection) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(failure(&format!("{place} cannot be connected to"), error)),
            Err(_) => {
                return Err(SinkError::new(
                    Class::Unreachable,
                    format!("{place} does not answer within {} seconds", limit.as_secs()),
                )
                .with_hint("It is tried again by itself once the server can be reached."));
            }
        };
        self.client = Some(client);
        self.driver = Some(runtime.spawn(connection));
        Ok(())
    }

    /// Whether the server's version and encoding will do.
    fn check_server(&mut self) -> Result<(), SinkError> {
        let sql = "SELECT current_setting('server_version_num')::int4, current_setting('server_version'), \
                   current_setting('server_encoding')";
        let row = self.run("the server cannot be asked for its version", CONNECT_TIME, async |client| {
            client.query_typed_one(sql, &[]).await
        })?;
        let (number, version, encoding): (i32, String, String) = (cell(&row, 0)?, cell(&row, 1)?, cell(&row, 2)?);
        if number < VERSION_MIN {
            return Err(SinkError::new(
                Class::Unsupported,
                format!("the server is PostgreSQL {version}; Carry needs 13 or later"),
            ));
        }
        if encoding != "UTF8" {
            return Err(SinkError::new(
                Class::Unsupported,
                format!("the database holds text as {encoding}; Carry needs UTF8"),
            )
            .with_hint("Whoever runs the server must make a database with ENCODING 'UTF8'."));
        }
        Ok(())
    }

    /// Whether it has not failed yet, as far as we know.
    pub(crate) fn is_alive(&self) -> bool {
        self.client.as_ref().is_some_and(|client| !client.is_closed())
    }

    /// Gives it up: whatever is open at the server is taken back there.
    pub(crate) fn cut(&mut self) {
        self.client = None;
        if let Some(driver) = self.driver.take() {
            driver.abort();
        }
    }

    /// Takes back what is open at the server; gives the connection up if that cannot be done.
    pub(crate) fn roll_back(&mut self) {
        if self.client.is_some() {
            let _ = self.run("what was begun cannot be taken back", CONNECT_TIME, async |client| {
                client.batch_execute("ROLLBACK").await
            });
        }
    }

    /// Asks something, and waits no longer than `limit`. `doing` is what could not be done if it fails: "the unit cannot be
    /// written". After a failure that is not the statement's the connection is given up.
    ///
    /// # Errors
    /// [`SinkError`].
    pub(crate) fn run<T>(
        &mut self,
        doing: &str,
        limit: Duration,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, SinkError> {
        let (Some(runtime), Some(client)) = (&self.runtime, &self.client) else { return Err(lost()) };
        let error = match runtime.block_on(async { tokio::time::timeout(limit, work(client)).await }) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            Err(_) => {
                self.cut();
                return Err(SinkError::new(
                    Class::Unreachable,
                    format!("{doing}: the server does not answer within {} seconds", limit.as_secs()),
                )
                .with_hint("It is tried again by itself once the server can be reached."));
            }
        };
        let of_statement = error.as_db_error().is_some_and(|said| {
            !matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) && !client.is_closed()
        });
        if of_statement || is_of_cell(&error) {
            return Err(failure(doing, error));
        }
        let reason = self.reason().filter(|_| error.as_db_error().is_none());
        self.cut();
        Err(failure(doing, reason.unwrap_or(error)))
    }

    /// Why the connection ended: what the server said last, if it said something.
    fn reason(&mut self) -> Option<Error> {
        let (runtime, driver) = (self.runtime.as_ref()?, self.driver.take()?);
        let ended = runtime.block_on(async { tokio::time::timeout(END_TIME, driver).await });
        ended.ok()?.ok()?.err()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        self.client = None;
        // The server is told, unless it does not listen.
        if let Some(driver) = self.driver.take() {
            let _ = runtime.block_on(async { tokio::time::timeout(END_TIME, driver).await });
        }
        // A name that cannot be looked up is not waited for.
        runtime.shutdown_background();
    }
}

fn lost() -> SinkError {
    SinkError::new(Class::Unreachable, "the connection to the store was lost")
        .with_hint("It is tried again by itself once the server can be reached.")
}

/// Whether a store lies on this machine, so that no network is needed to reach it. One whose address cannot be read does not.
pub fn is_here(settings: &StoreSettings) -> bool {
    target(settings).is_ok_and(|target| target.is_here())
}

/// The store's address, read from its file if it stands in one.
fn target(settings: &StoreSettings) -> Result<Target, SinkError> {
    match &settings.address {
        Address::Url(url) => Target::parse(url),
        Address::File(path) => {
            let text = read_private(path, "the file of the store's URL")?;
            let Secret(url) = first_line(&text, "the file of the store's URL holds none")?;
            Target::parse(&url)
        }
    }
}

fn config(target: &Target, password: Option<&Secret>, access: Access) -> Config {
    let mut config = Config::new();
    if let Some(user) = &target.user {
        config.user(user);
    }
    if let Some(database) = &target.database {
        config.dbname(database);
    }
    if let Some(Secret(password)) = password {
        config.password(password);
    }
    config.application_name(target.application.as_deref().unwrap_or(APPLICATION));
    config.channel_binding(ChannelBinding::Prefer);
    config.keepalives(true).keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10));
    config.tcp_user_timeout(Duration::from_secs(120));
    // Of several servers the one that takes what we have, unless the address says otherwise.
    let by_default = if access == Access::Write && target.hosts.len() > 1 { Wants::ReadWrite } else { Wants::Any };
    config.target_session_attrs(match target.wants.unwrap_or(by_default) {
        Wants::Any => TargetSessionAttrs::Any,
        Wants::ReadWrite => TargetSessionAttrs::ReadWrite,
        Wants::ReadOnly => TargetSessionAttrs::ReadOnly,
    });
    config
}

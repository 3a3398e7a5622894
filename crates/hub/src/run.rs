//! The server as a whole: put together, started, stopped.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::{Router, http::StatusCode, middleware};
use carry_exchange::remote::{Deadline, FolderRemote, Remote as _, RemoteError};
use carry_kernel::clock::Timestamp;
use carry_kernel::disk::{self, DiskError};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::answer::Refusal;
use crate::credential::{CredentialError, Credentials};
use crate::exchange::{self, Exchange, ExchangeError, Place};
use crate::guard::{self, Guard};
use crate::health;
use crate::listen::{self, ListenError, Names};
use crate::rate::Rate;
use crate::server::{self, Limits};
use crate::tls::{self, TlsError};

/// How long the end of connections is waited for when a server is killed.
const KILLED: Duration = Duration::from_secs(1);

/// Threads that answer. What reads files has others.
const THREADS: usize = 2;
/// How long what reads files may take after all connections are closed.
const FILES: Duration = Duration::from_secs(5);

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The files of certificate and key, if it encrypts.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether a proxy encrypts.
    pub behind_proxy: bool,
    /// Further names by which it is called.
    pub hosts: Vec<String>,
    /// The file of credentials.
    pub token_file: PathBuf,
    /// How often an address may ask.
    pub of_address: Rate,
    /// How often a credential may ask.
    pub of_caller: Rate,
    /// The exchange.
    pub place: Place,
    /// Whether the folder is made and marked if it is not.
    pub makes_folder: bool,
    /// The file whose lock says that a server of this home runs.
    pub lock: PathBuf,
    /// Bounds of connections.
    pub limits: Limits,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It may not listen so.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It cannot listen there.
    #[error("cannot listen at {at}")]
    Bind {
        /// Where.
        at: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Another one runs.
    #[error("a server of this home runs already")]
    Running,
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The folder of the exchange cannot be used.
    #[error(transparent)]
    Folder(#[from] RemoteError),
    /// The exchange cannot be served.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A file of its own cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The machine does not give what a server needs.
    #[error("cannot start the server")]
    System(#[source] std::io::Error),
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    is_encrypted: bool,
    knows_nobody: bool,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
    runtime: Runtime,
    /// Held as long as it runs.
    _lock: File,
}

/// What asks the process to stop.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Starts a server. `now` is for tidying up what an earlier one left.
///
/// # Errors
/// [`ServeError`].
pub fn start(setup: &Setup, now: Timestamp) -> Result<Running, ServeError> {
    listen::check(setup.listen, setup.tls.is_some(), setup.behind_proxy)?;
    let tls = setup.tls.as_ref().map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
    let credentials = Credentials::open(&setup.token_file)?;
    let lock = lock(&setup.lock)?;
    prepare(setup, now)?;
    let (stop, stopped) = watch::channel(false);
    let exchange = Exchange::open(&setup.place, stopped.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("carry-serve")
        .enable_all()
        .build()
        .map_err(ServeError::System)?;
    let bind = |source| ServeError::Bind { at: setup.listen, source };
    let listener = runtime.block_on(TcpListener::bind(setup.listen)).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let names = Names::new(address, &setup.hosts)?;
    let guard = Guard::new(names, credentials, setup.behind_proxy, setup.of_address, setup.of_caller);
    let (guard, exchange) = (Arc::new(guard), Arc::new(exchange));
    let (is_encrypted, knows_nobody) = (tls.is_some(), guard.knows_nobody());
    let app = app(exchange, &guard);
    let served = runtime.spawn(server::serve(listener, tls, app, setup.limits, stopped));
    Ok(Running { address, is_encrypted, knows_nobody, stop, served, runtime, _lock: lock })
}

/// Every route there is. Each router has the guards that its routes need; the door is before all.
fn app(exchange: Arc<Exchange>, guard: &Arc<Guard>) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(exchange::routes(exchange, guard))
        .fallback(|| async {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "no_route",
                "nothing is served here; the exchange lies at /carry/v1/exchange/",
            )
            .into_response()
        })
        .layer(middleware::from_fn_with_state(guard.clone(), guard::door))
}

/// The folder as it must be: there, marked, and without what a dead server left in it.
fn prepare(setup: &Setup, now: Timestamp) -> Result<(), ServeError> {
    let place = &setup.place;
    let (writer, seed) = place.writer;
    let remote = FolderRemote::new(&place.folder, writer, seed);
    if setup.makes_folder {
        disk::create_dir(&place.folder)?;
        remote.init(&Deadline::NONE)?;
    } else {
        remote.check(&Deadline::NONE)?;
    }
    remote.sweep(&[writer], now, &Deadline::NONE)?;
    Ok(())
}

fn lock(path: &Path) -> Result<File, ServeError> {
    if let Some(folder) = path.parent() {
        disk::create_dir(folder)?;
    }
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
    let file = file.map_err(DiskError::at("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::Running),
        Err(TryLockError::Error(e)) => Err(DiskError::at("lock", path)(e).into()),
    }
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it encrypts itself.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Whether no device can call it yet.
    pub fn knows_nobody(&self) -> bool {
        self.knows_nobody
    }

    /// From now on the process does not die of being asked to stop (SIGTERM, SIGINT). To be called before anybody is told that
    /// the server runs, and could ask.
    ///
    /// # Errors
    /// [`ServeError::System`] if signals cannot be heard.
    pub fn signals(&self) -> Result<Signals, ServeError> {
        let _inside = self.runtime.enter();
        let hear = |kind| signal(kind).map_err(ServeError::System);
        Ok(Signals { terminate: hear(SignalKind::terminate())?, interrupt: hear(SignalKind::interrupt())? })
    }

    /// Serves until one of these comes, then stops.
    pub fn run(self, mut signals: Signals) {
        self.runtime.block_on(async {
            tokio::select! {
                _ = signals.terminate.recv() => {}
                _ = signals.interrupt.recv() => {}
            }
        });
        self.stop();
    }

    /// Stops: who waits is answered, what runs may finish within the grace.
    pub fn stop(self) {
        let Self { stop, served, runtime, .. } = self;
        stop.send_replace(true);
        // That the server's task panicked was said when it did.
        let _ = runtime.block_on(served);
        runtime.shutdown_timeout(FILES);
    }

    /// Ends at once, in the middle of whatever it does, as if the process died.
    pub fn kill(self) {
        self.served.abort();
        // It ends with that it was aborted; then nobody listens any more.
        let _ = self.runtime.block_on(self.served);
        // Connections that are open answer nothing more, either. What works on files is not waited for any longer.
        self.runtime.shutdown_timeout(KILLED);
    }
}

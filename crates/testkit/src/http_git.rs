//! A Git server over HTTP on the loopback interface: `git http-backend` behind a small server of our own.
//!
//! It serves the bare repositories below one folder, to read and to write, with a user name and a password. It counts what
//! goes through, and it can be told to fail: to refuse, to cut connections, to be gone. Not for anything but tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

mod cgi;
mod request;
#[cfg(test)]
mod tests;

/// The user that is let in.
pub const USER: &str = "carry";
/// That user's password.
pub const PASSWORD: &str = "s3cret-word";

/// Connections at once; more are told to come back.
const CONNECTIONS_MAX: usize = 64;
/// Longest silence of a client before its connection is closed, so that no thread outlives a broken test.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Lines of the log that are kept.
const LOG_LINES_MAX: usize = 10_000;
/// Says that no cut is armed.
const NEVER: u64 = u64::MAX;

/// A running server. It is stopped when this value goes.
#[derive(Debug)]
pub struct HttpGit {
    address: IpAddr,
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// How everything is answered for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401, whatever the password.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 503.
    Unavailable,
}

/// An open connection, for whoever stops the server.
#[derive(Debug)]
struct Connection {
    id: u64,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    root: PathBuf,
    /// What an `Authorization` header must say.
    authorization: String,
    refusal: Mutex<Option<Refusal>>,
    /// Bytes that may still pass before connections are cut.
    until_cut: AtomicU64,
    stopping: AtomicBool,
    open: AtomicUsize,
    connections: Mutex<Vec<Connection>>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    log: Mutex<Vec<String>>,
}

impl HttpGit {
    /// Serves the bare repositories below `root` to [`USER`] with [`PASSWORD`].
    #[track_caller]
    pub fn start(root: &Path) -> Self {
        let authorization = format!("Basic {}", base64(format!("{USER}:{PASSWORD}").as_bytes()));
        let mut server = Self::stopped(root, authorization, Ipv4Addr::LOCALHOST.into());
        server.resume();
        server
    }

    /// The same at `::1`; `None` where there is no IPv6.
    #[track_caller]
    pub fn start_v6(root: &Path) -> Option<Self> {
        TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok()?;
        let authorization = format!("Basic {}", base64(format!("{USER}:{PASSWORD}").as_bytes()));
        let mut server = Self::stopped(root, authorization, Ipv6Addr::LOCALHOST.into());
        server.resume();
        Some(server)
    }

    fn stopped(root: &Path, authorization: String, address: IpAddr) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            authorization,
            refusal: Mutex::new(None),
            until_cut: AtomicU64::new(NEVER),
            stopping: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            connections: Mutex::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            log: Mutex::default(),
        });
        Self { address, port: 0, shared, listener: None }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address and port, as they stand in a URL.
    fn host(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// The URL of a repository, without a password.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.host())
    }

    /// The same with user name and password.
    pub fn url_with_password(&self, name: &str) -> String {
        format!("http://{USER}:{PASSWORD}@{}/{name}", self.host())
    }

    /// A credential helper for `credential.helper` that knows the password.
    pub fn credential_helper() -> String {
        format!("!f() {{ test \"$1\" = get && echo username={USER} && echo password={PASSWORD}; }}; f")
    }

    /// Answers everything so from now on; `None`: as it should be.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        *lock(&self.shared.refusal) = refusal;
    }

    /// Cuts every connection once `bytes` more went through, in both directions and all connections together, until
    /// [`HttpGit::heal`].
    pub fn cut_after(&self, bytes: u64) {
        self.shared.until_cut.store(bytes, Ordering::SeqCst);
    }

    /// Neither refuses nor cuts any longer.
    pub fn heal(&self) {
        self.refuse(None);
        self.shared.until_cut.store(NEVER, Ordering::SeqCst);
    }

    /// Bytes that clients sent, heads of requests included.
    pub fn bytes_in(&self) -> u64 {
        self.shared.bytes_in.load(Ordering::SeqCst)
    }

    /// Bytes that clients were sent.
    pub fn bytes_out(&self) -> u64 {
        self.shared.bytes_out.load(Ordering::SeqCst)
    }

    /// One line for each request so far: method, path with query, status, and `gzip` or `chunked` if its body was.
    pub fn log(&self) -> Vec<String> {
        lock(&self.shared.log).clone()
    }

    /// Stops: connections are cut, new ones are refused by the system.
    pub fn stop(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The listener waits for a connection; this one wakes it.
        let _ = TcpStream::connect(self.host());
        let _ = listener.join();
        let connections = std::mem::take(&mut *lock(&self.shared.connections));
        for connection in &connections {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
        for thread in connections.into_iter().filter_map(|connection| connection.thread) {
            let _ = thread.join();
        }
    }

    /// Starts again on the port of before; does nothing while it runs.
    #[track_caller]
    pub fn resume(&mut self) {
        if self.listener.is_some() {
            return;
        }
        let listener = TcpListener::bind(self.host())
            .unwrap_or_else(|error| panic!("cannot listen on port {}: {error}", self.port));
        self.port = listener.local_addr().expect("a listener has an address").port();
        self.shared.stopping.store(false, Ordering::SeqCst);
        let shared = self.shared.clone();
        self.listener = Some(std::thread::spawn(move || listen(&listener, &shared)));
    }
}

impl Drop for HttpGit {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for (id, stream) in (0_u64..).zip(listener.incoming()) {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let _ = stream.set_read_timeout(Some(SILENCE_MAX));
        let _ = stream.set_nodelay(true);
        let Ok(kept) = stream.try_clone() else { continue };
        let mut connections = lock(&shared.connections);
        connections.push(Connection { id, stream: kept, thread: None });
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            let is_too_many = of_thread.open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX;
            cgi::serve(&of_thread, &stream, is_too_many);
            of_thread.open.fetch_sub(1, Ordering::SeqCst);
            let _ = stream.shutdown(Shutdown::Both);
            lock(&of_thread.connections).retain(|connection| connection.id != id);
        });
        if let Some(connection) = connections.last_mut() {
            connection.thread = Some(thread);
        }
    }
}

impl Shared {
    /// Takes `wanted` bytes off what may still pass; returns how many of them do.
    fn pass(&self, wanted: usize) -> usize {
        let wanted = wanted as u64;
        let take = |left: u64| if left == NEVER { Some(NEVER) } else { Some(left.saturating_sub(wanted)) };
        let left = self.until_cut.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).unwrap_or(NEVER);
        usize::try_from(wanted.min(left)).expect("not more than was asked for")
    }

    fn note(&self, line: String) {
        let mut log = lock(&self.log);
        if log.len() < LOG_LINES_MAX {
            log.push(line);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As RFC 4648 has it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().chain([0, 0].iter()).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for at in 0..4 {
            let digit = DIGITS[word >> (18 - 6 * at) & 63];
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

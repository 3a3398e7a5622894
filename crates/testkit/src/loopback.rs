//! Servers on the loopback interface that run in a thread of this process: what those of tests have in common, whatever they
//! speak. They note what they are asked, and they fail when they are told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Requests that are noted.
const REQUESTS_MAX: usize = 100_000;

/// A running server. It is stopped when this value goes.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Loopback {
    /// Listens, and has each connection served by what `serve` makes of it.
    #[track_caller]
    pub(crate) fn start<S>(serve: impl Fn(TcpStream) -> S + Send + 'static) -> Self
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the server");
        let listener =
            runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port on the loopback interface");
        let address = listener.local_addr().expect("a listener has an address");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { address, runtime: Some(runtime) }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs `work` where the server runs, and waits for it.
    #[cfg(feature = "dav")]
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it runs").block_on(work)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Has `answer` answer the requests that come over `stream`.
pub(crate) async fn converse<S, A, B, E>(stream: S, answer: impl Fn(Request<Incoming>) -> A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Failed>> + Send + 'static,
    E: Into<Failed>,
{
    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    // A connection that was cut on purpose is an error here.
    let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

/// Why there is no answer.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A connection that is to be cut.
#[derive(Debug)]
pub(crate) struct IsCut;

impl std::fmt::Display for IsCut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for IsCut {}

/// What was asked, and which faults wait for what will be.
#[derive(Debug)]
pub(crate) struct Asked<F> {
    armed: Mutex<Vec<Armed<F>>>,
    requests: Mutex<Vec<String>>,
}

/// A fault that waits for its requests.
#[derive(Debug)]
struct Armed<F> {
    part: String,
    fault: F,
    times: u32,
}

impl<F> Default for Asked<F> {
    fn default() -> Self {
        Self { armed: Mutex::default(), requests: Mutex::default() }
    }
}

impl<F: Clone> Asked<F> {
    /// The next `times` requests whose line holds `part` meet this fault.
    pub(crate) fn fail(&self, part: &str, times: u32, fault: F) {
        lock(&self.armed).push(Armed { part: part.to_owned(), fault, times });
    }

    /// No fault waits any more.
    pub(crate) fn heal(&self) {
        lock(&self.armed).clear();
    }

    /// One line for each request so far: method, path with query, and `*` if it was a conditional one.
    pub(crate) fn requests(&self) -> Vec<String> {
        lock(&self.requests).clone()
    }

    /// How many requests there were whose line holds `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        lock(&self.requests).iter().filter(|line| line.contains(part)).count()
    }

    /// Notes a request and says what happens to it.
    pub(crate) fn meet<B>(&self, request: &Request<B>) -> Option<F> {
        let is_conditional = request.headers().contains_key("if-none-match");
        self.meet_line(&format!("{} {}{}", request.method(), request.uri(), if is_conditional { " *" } else { "" }))
    }

    fn meet_line(&self, line: &str) -> Option<F> {
        let mut requests = lock(&self.requests);
        if requests.len() < REQUESTS_MAX {
            requests.push(line.to_owned());
        }
        let mut armed = lock(&self.armed);
        let met = armed.iter_mut().find(|armed| armed.times > 0 && line.contains(&armed.part))?;
        met.times -= 1;
        Some(met.fault.clone())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_is_told_to() {
        let asked = Asked::default();
        asked.fail("PUT", 2, "cut");
        let met: Vec<bool> =
            ["GET /a", "PUT /a", "PUT /b", "PUT /c"].iter().map(|line| asked.meet_line(line).is_some()).collect();
        assert_eq!(met, [false, true, true, false]);
    }
}

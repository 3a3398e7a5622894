//! Connections: how many, how long, how slow. What is said on them is for the routes.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::guard::From;

mod steady;

use steady::Steady;

/// Headers of a request at most.
const HEADERS_MAX: usize = 64;
/// Their bytes at most, the request line's included.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How long to wait before accepting again when the machine has no more sockets.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Bounds of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address. A proxy has one address for all.
    pub connections_of_address: usize,
    /// How long the headers of a request may take, and how long a connection may be kept without one.
    pub headers: Duration,
    /// How long nothing may move on a connection on which we have something to say.
    pub stall: Duration,
    /// How long what runs may take to finish after the server was to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_of_address: 64,
            headers: Duration::from_secs(20),
            stall: Duration::from_secs(60),
            grace: Duration::from_secs(10),
        }
    }
}

/// Connections by address.
type Held = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection's place among those that there may be.
struct Place {
    _permit: OwnedSemaphorePermit,
    held: Held,
    ip: IpAddr,
}

impl Place {
    fn take(permit: OwnedSemaphorePermit, held: &Held, ip: IpAddr, max: usize) -> Option<Self> {
        let mut counts = held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Self { _permit: permit, held: held.clone(), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

/// Serves `app` to who connects, until `stop` says so; then what runs may finish.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    app: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let (places, held) = (Arc::new(Semaphore::new(limits.connections.max(1))), Held::default());
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            permit = places.clone().acquire_owned() => permit.expect("it is never closed"),
        };
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        // Those that ended are of no more interest.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, from)) => {
                let ip = from.ip().to_canonical();
                if let Some(place) = Place::take(permit, &held, ip, limits.connections_of_address.max(1)) {
                    let (tls, app, stop) = (tls.clone(), app.clone(), stop.clone());
                    connections.spawn(async move {
                        connection(stream, from, tls, app, limits, stop).await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, finished).await.is_err() {
        tracing::warn!("some requests did not finish in time");
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    app: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    // Small answers go at once. Where that cannot be asked for, they go a little later.
    let _ = stream.set_nodelay(true);
    let stream = Steady::new(stream, limits.stall);
    let Some(tls) = tls else { return requests(stream, from, app, limits, stop).await };
    match tokio::time::timeout(limits.headers, tls.accept(stream)).await {
        Ok(Ok(stream)) => requests(stream, from, app, limits, stop).await,
        Ok(Err(error)) => tracing::debug!(%from, %error, "no encrypted connection came about"),
        Err(_) => tracing::debug!(%from, "encrypting the connection took too long"),
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    from: SocketAddr,
    app: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(From(from));
        app.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection broke off");
    }
}

/// Waits until the server is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could say so being gone is a stop, too. What is lent is dropped here, since it must not cross a wait.
    drop(stop.wait_for(|stop| *stop).await);
}

/// The error of a connection on which nothing moves.
fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the other side takes nothing")
}

//! Who is let through to a route. What each route needs is said where it is added: nothing here holds for all but the door.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::answer::Refusal;
use crate::credential::{Credentials, Found};
use crate::listen::Names;
use crate::rate::{Buckets, Rate};

/// Wrong credentials from one address: enough for a mistake, too few for guessing.
const WRONG: Rate = Rate { per_second: 1, burst: 20 };

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from, as the socket says. The server puts it into each request.
#[derive(Clone, Copy, Debug)]
pub struct From(pub SocketAddr);

/// Whose credential a request bears.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<str>);

/// What requests are held against.
#[derive(Debug)]
pub struct Guard {
    names: Names,
    is_behind_proxy: bool,
    credentials: Credentials,
    addresses: Buckets<IpAddr>,
    wrong: Buckets<IpAddr>,
    callers: Buckets<Arc<str>>,
}

impl Guard {
    /// A guard. `of_address` and `of_caller` say how often an address and a credential may ask. Behind a proxy the address is
    /// the one that the proxy says.
    pub fn new(
        names: Names,
        credentials: Credentials,
        is_behind_proxy: bool,
        of_address: Rate,
        of_caller: Rate,
    ) -> Self {
        Self {
            names,
            is_behind_proxy,
            credentials,
            addresses: Buckets::new(of_address),
            wrong: Buckets::new(WRONG),
            callers: Buckets::new(of_caller),
        }
    }

    /// Whether no credential was given out yet.
    pub fn knows_nobody(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Who asks, as far as an address says: of IPv6 the network, since one machine has many addresses there.
    fn asker(&self, request: &Request) -> IpAddr {
        let socket = request.extensions().get::<From>().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |from| from.0.ip());
        let said = request.headers().get_all(FORWARDED_FOR).iter().next_back();
        // The last is the one that our proxy wrote; those before it anybody may write.
        let said = said.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
        let ip = if self.is_behind_proxy { said.unwrap_or(socket) } else { socket };
        match ip.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
            ip => ip,
        }
    }

    fn check_door(&self, request: &Request) -> Result<(), Refusal> {
        self.addresses.take(self.asker(request), Instant::now()).map_err(Refusal::too_often)?;
        let headers = request.headers();
        let host = only(headers, &HOST).ok_or_else(|| self.unknown_host("that it does not name once"))?;
        if !self.names.allow(host) {
            return Err(self.unknown_host(host));
        }
        if let Some(authority) = request.uri().authority()
            && !self.names.allow(authority.as_str())
        {
            return Err(self.unknown_host(authority.as_str()));
        }
        let is_cross = headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site");
        let is_foreign = headers.contains_key(ORIGIN)
            && !only(headers, &ORIGIN).is_some_and(|origin| self.names.allow_origin(origin));
        if is_cross || is_foreign {
            let message = "pages of other sites may not ask this server";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "origin", message));
        }
        Ok(())
    }

    fn unknown_host(&self, host: &str) -> Refusal {
        let host: String = host.chars().filter(|c| !c.is_control()).take(160).collect();
        let message = format!("this server is not known as {host}; if it is meant, start it with --host NAME");
        Refusal::new(StatusCode::MISDIRECTED_REQUEST, "host", message)
    }

    fn check_caller(&self, request: &Request) -> Result<Caller, Refusal> {
        let (asker, now) = (self.asker(request), Instant::now());
        self.wrong.has(asker, now).map_err(Refusal::too_often)?;
        let unknown = |message: &str| Refusal::new(StatusCode::UNAUTHORIZED, "credential", message);
        let token = only(request.headers(), &AUTHORIZATION).and_then(bearer).ok_or_else(|| {
            unknown("a credential is needed: make one on the server with `carry serve token NAME`, and give it to the remote")
        })?;
        match self.credentials.find(token.as_bytes(), now) {
            Found::Known(name) => {
                self.callers.take(name.clone(), now).map_err(Refusal::too_often)?;
                Ok(Caller(name))
            }
            Found::Unknown => {
                self.wrong.take(asker, now).map_err(Refusal::too_often)?;
                Err(unknown(
                    "the credential is not known here, or not any more: make a new one on the server with `carry serve token NAME --replace`",
                ))
            }
            Found::Broken => {
                let message = "the server cannot read its credentials; its log says why";
                Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "credentials", message))
            }
        }
    }
}

/// A header's text, if it stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// For all routes: how often an address asks, which host it means, and that no page of another site makes it ask.
pub async fn door(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check_door(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// For routes that need a credential: puts the [`Caller`] into the request.
pub async fn credential(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    match guard.check_caller(&request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

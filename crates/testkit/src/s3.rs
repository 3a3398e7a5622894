//! A bucket on the loopback interface: the protocol and the signatures are those of the `s3s` crate, the files lie in memory.
//!
//! It counts and notes what is asked, and it can be told to fail: to refuse, to be silent, to cut connections, to know nothing of
//! conditional puts. Files of any key can be put and taken behind its clients' backs. Not for anything but tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::loopback::{Asked, Failed, IsCut, Loopback, converse, lock};
use crate::postgres::Authority;

mod flushed;
mod store;
#[cfg(test)]
mod tests;

use flushed::Flushed;
use store::Store;

/// The one bucket.
pub const BUCKET: &str = "exchange";
/// The access key that is let in.
pub const KEY_ID: &str = "AKIATESTKIT";
/// Its secret.
pub const SECRET: &str = "s3cret/word+of=tests";

/// What the server makes of `If-None-Match: *`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conditions {
    /// It looks, and of several that put one name one alone does.
    #[default]
    Kept,
    /// It takes no notice and replaces what is there.
    Ignored,
    /// It says that it does not implement this.
    Unknown,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status, S3's code for it, and these headers; nothing is done.
    Answer(u16, &'static str, Vec<(&'static str, String)>),
    /// The connection is cut before anything is done.
    Cut,
    /// It is done, and the connection is cut after so many bytes of the answer's body.
    CutBody(usize),
    /// It is done, and the connection is cut before the answer.
    CutAfter,
    /// Nothing comes back, ever.
    Silence,
    /// It is answered with these bytes instead.
    Body(&'static str),
}

/// A running server. It is stopped when this value goes.
#[derive(Debug)]
pub struct S3 {
    scheme: &'static str,
    server: Loopback,
    shared: Arc<Shared>,
}

/// What the requests share.
#[derive(Debug, Default)]
struct Shared {
    store: Arc<Mutex<Store>>,
    asked: Asked<Fault>,
}

impl S3 {
    /// Serves an empty bucket.
    #[track_caller]
    pub fn start() -> Self {
        Self::serve(None)
    }

    /// The same over TLS. Also gives the certificate of the authority that vouches for it, as PEM.
    #[track_caller]
    pub fn start_tls() -> (Self, String) {
        let authority = Authority::new();
        let identity = authority.server(&["127.0.0.1", "localhost"]);
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key as PEM");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("ring knows the protocols")
            .with_no_client_auth()
            .with_single_cert(chain.expect("a certificate as PEM"), key)
            .expect("the key is the certificate's");
        (Self::serve(Some(TlsAcceptor::from(Arc::new(config)))), authority.certificate())
    }

    #[track_caller]
    fn serve(tls: Option<TlsAcceptor>) -> Self {
        let shared = Arc::new(Shared::default());
        let mut builder = S3ServiceBuilder::new(store::Service(shared.store.clone()));
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (service, of_server) = (builder.build(), shared.clone());
        let server = Loopback::start(move |stream| {
            let (tls, service, shared) = (tls.clone(), service.clone(), of_server.clone());
            async move {
                match tls {
                    None => serve(stream, service, shared).await,
                    // Who does not know the authority hangs up.
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, service, shared).await;
                        }
                    }
                }
            }
        });
        Self { scheme, server, shared }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.server.address())
    }

    /// What the server makes of conditional puts from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.store().conditions = conditions;
    }

    /// The next `times` requests whose line (as in [`requests`](Self::requests)) holds `part` meet this fault.
    pub fn fail(&self, part: &str, times: u32, fault: Fault) {
        self.shared.asked.fail(part, times, fault);
    }

    /// No fault waits any more.
    pub fn heal(&self) {
        self.shared.asked.heal();
    }

    /// One line for each request so far: method, path with query, and `*` if it was a conditional one.
    pub fn requests(&self) -> Vec<String> {
        self.shared.asked.requests()
    }

    /// How many requests there were whose line holds `part`.
    pub fn count(&self, part: &str) -> usize {
        self.shared.asked.count(part)
    }

    /// Writes a file of any key, replacing what is there.
    pub fn plant(&self, key: &str, bytes: &[u8]) {
        self.store().write(key, Bytes::copy_from_slice(bytes));
    }

    /// Removes a file of any key; says whether it was there.
    pub fn uproot(&self, key: &str) -> bool {
        self.store().files.remove(key).is_some()
    }

    /// All files with their bytes.
    pub fn files(&self) -> BTreeMap<String, Bytes> {
        self.store().files.iter().map(|(key, file)| (key.clone(), file.bytes.clone())).collect()
    }

    /// Begins an upload of parts as it was begun at a time, in seconds since 1970.
    pub fn begin_upload(&self, key: &str, at_s: u64) {
        self.store().begin(key, std::time::UNIX_EPOCH + std::time::Duration::from_secs(at_s));
    }

    /// The keys of the uploads that were begun and not ended.
    pub fn uploads(&self) -> Vec<String> {
        self.store().uploads.values().map(|upload| upload.key.clone()).collect()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.shared.store)
    }
}

async fn serve<S>(stream: S, service: S3Service, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let flushed = Arc::new(Notify::new());
    let stream = Flushed::new(stream, flushed.clone());
    converse(stream, move |request| answer(request, service.clone(), shared.clone(), flushed.clone())).await;
}

async fn answer(
    request: Request<Incoming>,
    service: S3Service,
    shared: Arc<Shared>,
    flushed: Arc<Notify>,
) -> Result<Response<Body>, Failed> {
    let fault = shared.asked.meet(&request);
    let call = async { service.call(request.map(Body::from)).await.map_err(|error| format!("{error:?}")) };
    match fault {
        None => Ok(call.await?),
        Some(Fault::Cut) => Err(IsCut.into()),
        Some(Fault::CutAfter) => {
            call.await?;
            Err(IsCut.into())
        }
        Some(Fault::CutBody(bytes)) => cut(call.await?, bytes, flushed).await,
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Body(text)) => Ok(Response::new(Body::from(text.to_owned()))),
        Some(Fault::Answer(status, code, headers)) => {
            let text = format!("<Error><Code>{code}</Code><Message>{SECRET} was wrong</Message></Error>");
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Body::from(text))?)
        }
    }
}

/// The same answer, with a body that ends early.
async fn cut(response: Response<Body>, bytes: usize, flushed: Arc<Notify>) -> Result<Response<Body>, Failed> {
    let (mut parts, body) = response.into_parts();
    let whole = body.collect().await?.to_bytes();
    parts.headers.insert("content-length", whole.len().into());
    let first: Result<_, Failed> = Ok(Frame::data(whole.slice(..bytes.min(whole.len()))));
    // In one go the server would not send the first piece before it sees the failure: it flushes when it must wait for the next.
    let pieces = futures_util::stream::unfold(Some(first), move |next| {
        let flushed = flushed.clone();
        async move {
            match next {
                Some(first) => Some((first, None)),
                None => {
                    flushed.notified().await;
                    Some((Err(IsCut.into()), None))
                }
            }
        }
    });
    Ok(Response::from_parts(parts, Body::http_body_unsync(StreamBody::new(pieces))))
}

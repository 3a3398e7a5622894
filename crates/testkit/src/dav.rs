//! A folder over WebDAV on the loopback interface: the protocol is that of the `dav-server` crate, the files lie in memory.
//!
//! It writes what it is sent at once and under its name, as simple servers do. It counts and notes what is asked, it can be told
//! to fail, and to know less than others. Files can be put and taken behind its clients' backs. Not for anything but tests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dav_server::DavHandler;
use dav_server::davpath::DavPath;
use dav_server::fs::{DavFileSystem as _, FsError, OpenOptions, ReadDirMeta};
use dav_server::memfs::MemFs;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response};

use crate::loopback::{Asked, IsCut, Loopback, converse, lock};

#[cfg(test)]
mod tests;

/// The user and the password that are let in, as they are said.
pub const LOGIN: &str = "ada:open sesame";
/// The same as it stands in a request.
const AUTHORIZATION: &str = "Basic YWRhOm9wZW4gc2VzYW1l";

/// What the server does not do as others do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// It takes no notice of `If-None-Match`.
    pub ignores_conditions: bool,
    /// It always sends whole files.
    pub ignores_ranges: bool,
    /// It takes the destination of a move by its path only, and else answers 502.
    pub wants_paths: bool,
    /// It does not say how long a file is that it sends.
    pub hides_lengths: bool,
    /// Its listings do not say how long files are.
    pub hides_sizes: bool,
    /// Nothing may be changed.
    pub is_read_only: bool,
    /// Bytes that one file may have; for more there is no room.
    pub quota: Option<u64>,
    /// Everybody is let in.
    pub is_open: bool,
    /// What it says to those that it does not let in.
    pub challenge: Option<&'static str>,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status, these headers and this body; nothing is done.
    Answer(u16, Vec<(&'static str, String)>, Bytes),
    /// The connection is cut before anything is done.
    Cut,
    /// It is done, and the connection is cut before the answer.
    CutAfter,
    /// It is done with so many bytes of its body, and the connection is cut.
    CutWithin(usize),
    /// Nothing comes back, ever.
    Silence,
}

impl Fault {
    /// A status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Bytes::new())
    }

    /// The answer 207 with this body.
    pub fn multistatus(body: impl Into<Bytes>) -> Self {
        Self::Answer(207, vec![("content-type", "application/xml".to_owned())], body.into())
    }
}

/// A running server. It is stopped when this value goes.
pub struct Dav {
    server: Loopback,
    files: Box<MemFs>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Dav {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dav").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// What the requests share.
#[derive(Default)]
struct Shared {
    quirks: Mutex<Quirks>,
    asked: Asked<Fault>,
}

impl Dav {
    /// Serves an empty folder.
    #[track_caller]
    pub fn start() -> Self {
        let (files, shared) = (MemFs::new(), Arc::new(Shared::default()));
        let handler = DavHandler::builder().filesystem(files.clone()).build_handler();
        let of_server = shared.clone();
        let server = Loopback::start(move |stream| {
            let (handler, shared) = (handler.clone(), of_server.clone());
            converse(stream, move |request| answer(request, handler.clone(), shared.clone()))
        });
        Self { server, files, shared }
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Changes what it does not do as others do.
    pub fn set(&self, quirks: Quirks) {
        *lock(&self.shared.quirks) = quirks;
    }

    /// The next `times` requests whose line (as in [`requests`](Self::requests)) holds `part` meet this fault.
    pub fn fail(&self, part: &str, times: u32, fault: Fault) {
        self.shared.asked.fail(part, times, fault);
    }

    /// No fault waits any more.
    pub fn heal(&self) {
        self.shared.asked.heal();
    }

    /// One line for each request so far: method, path, and `*` if it was a conditional one.
    pub fn requests(&self) -> Vec<String> {
        self.shared.asked.requests()
    }

    /// How many requests there were whose line holds `part`.
    pub fn count(&self, part: &str) -> usize {
        self.shared.asked.count(part)
    }

    /// Writes a file at a path, encoded as in an address, in folders that are made, replacing what is there.
    pub fn plant(&self, path: &str, bytes: &[u8]) {
        self.server.block_on(async {
            let above = path.match_indices('/').map(|(at, _)| &path[..at]).filter(|above| !above.is_empty());
            for folder in above {
                match self.files.create_dir(&dav_path(folder)).await {
                    Ok(()) | Err(FsError::Exists) => {}
                    Err(error) => panic!("cannot make {folder}: {error}"),
                }
            }
            let options = OpenOptions { write: true, create: true, truncate: true, ..OpenOptions::default() };
            let mut file = self.files.open(&dav_path(path), options).await.expect("a file can be made");
            file.write_bytes(Bytes::copy_from_slice(bytes)).await.expect("memory takes it");
        });
    }

    /// Removes a file or a folder; says whether it was there.
    pub fn uproot(&self, path: &str) -> bool {
        self.server.block_on(async {
            let files = self.walk(path).await;
            for (path, _) in files.iter().rev() {
                self.files.remove_file(&dav_path(path)).await.expect("it is there");
            }
            !files.is_empty()
        })
    }

    /// The paths of all files at or below `path`, encoded, with their bytes; those of folders end with a slash and have none.
    pub fn files(&self, path: &str) -> BTreeMap<String, Bytes> {
        self.server.block_on(self.walk(path)).into_iter().collect()
    }

    /// What lies at or below `path`, each folder before what is in it.
    async fn walk(&self, path: &str) -> Vec<(String, Bytes)> {
        let (mut found, mut left) = (Vec::new(), vec![path.to_owned()]);
        while let Some(path) = left.pop() {
            let at = dav_path(&path);
            let Ok(data) = self.files.metadata(&at).await else { continue };
            if data.is_dir() {
                let mut inner = self.files.read_dir(&at, ReadDirMeta::None).await.expect("it is a folder");
                while let Some(entry) = inner.next().await {
                    let name = String::from_utf8(entry.expect("an entry").name()).expect("a name in UTF-8");
                    left.push(format!("{}/{name}", path.trim_end_matches('/')));
                }
                found.push((format!("{}/", path.trim_end_matches('/')), Bytes::new()));
            } else {
                let mut file = self
                    .files
                    .open(&at, OpenOptions { read: true, ..OpenOptions::default() })
                    .await
                    .expect("it is a file");
                let bytes = usize::try_from(data.len()).expect("it is in memory");
                found.push((path, file.read_bytes(bytes).await.expect("it is in memory")));
            }
        }
        found
    }
}

/// Names are encoded but for what stands for itself.
fn dav_path(path: &str) -> DavPath {
    let encoded: String = path
        .bytes()
        .map(|b| if b.is_ascii_graphic() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    DavPath::new(&encoded).expect("a path")
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

async fn answer(
    mut request: Request<Incoming>,
    handler: DavHandler,
    shared: Arc<Shared>,
) -> Result<Response<Body>, IsCut> {
    let fault = shared.asked.meet(&request);
    match fault {
        Some(Fault::Cut) => return Err(IsCut),
        Some(Fault::Silence) => return std::future::pending().await,
        Some(Fault::Answer(status, headers, body)) => {
            let mut response = plain(status, body);
            for (name, value) in headers {
                response.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a header's value"));
            }
            return Ok(response);
        }
        Some(Fault::CutAfter | Fault::CutWithin(_)) | None => {}
    }
    let quirks = lock(&shared.quirks).clone();
    if let Some(response) = quirks.refuse(&request) {
        return Ok(response);
    }
    if quirks.ignores_conditions {
        request.headers_mut().remove("if-none-match");
    }
    if quirks.ignores_ranges {
        request.headers_mut().remove("range");
    }
    if let Some(Fault::CutWithin(bytes)) = fault {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| IsCut)?.to_bytes();
        let part = body.slice(..bytes.min(body.len()));
        parts.headers.insert("content-length", HeaderValue::from(part.len()));
        handler.handle(Request::from_parts(parts, Full::new(part))).await;
        return Err(IsCut);
    }
    let mut response = handler.handle(request).await.map(|body| body.boxed_unsync());
    if quirks.hides_sizes && response.status() == 207 {
        let (mut parts, body) = response.into_parts();
        let text = body.collect().await.map_err(|_| IsCut)?.to_bytes();
        let text = String::from_utf8_lossy(&text).replace("getcontentlength", "getnothing");
        parts.headers.remove("content-length");
        let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed_unsync();
        response = Response::from_parts(parts, body);
    }
    if quirks.hides_lengths {
        response.headers_mut().remove("content-length");
    }
    if fault == Some(Fault::CutAfter) { Err(IsCut) } else { Ok(response) }
}

impl Quirks {
    /// The answer to a request that is not let through.
    fn refuse(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        if !self.is_open && header("authorization") != Some(AUTHORIZATION) {
            let mut response = plain(401, Bytes::from_static(b"who is it?"));
            let challenge = self.challenge.unwrap_or("Basic realm=\"test\", charset=\"UTF-8\"");
            response.headers_mut().insert("www-authenticate", HeaderValue::from_static(challenge));
            return Some(response);
        }
        let method = request.method().as_str();
        let changes = matches!(method, "PUT" | "DELETE" | "MKCOL" | "MOVE" | "COPY" | "PROPPATCH");
        let bytes = header("content-length").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let status = if changes && self.is_read_only {
            403
        } else if method == "PUT" && self.quota.is_some_and(|quota| bytes > quota) {
            507
        } else if method == "MOVE" && self.wants_paths && header("destination").is_none_or(|to| !to.starts_with('/')) {
            502
        } else {
            return None;
        };
        Some(plain(status, Bytes::new()))
    }
}

fn plain(status: u16, body: Bytes) -> Response<Body> {
    let body = Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync();
    Response::builder().status(status).body(body).expect("a status")
}

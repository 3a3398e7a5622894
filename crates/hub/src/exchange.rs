//! The exchange over HTTP: the files of a folder under their own names, for devices with a credential.
//!
//! ```text
//! GET    <base>/, <base>/h/, <base>/l/<log>/   a page of files: {"files":[{"name","bytes","version"}],"next"}
//!          ?from=<next>                        the next page
//! GET    <base>/h/?after=<cursor>&wait=<s>     waits for news: {"changed","cursor"}
//! GET    <base>/<path>, HEAD                   a file, or one range of it
//! PUT    <base>/<path>                         201 made, 200 {"bytes"} there already, 422 not what its name says
//! DELETE <base>/<path>                         204 gone; 403 for what another put
//! ```
//!
//! What is put is taken in whole, outside the exchange's folder, and looked at before it gets its name: nobody ever sees a half
//! or a false file. The same folder may be a remote of the device that serves it, and of a sync tool.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, middleware, routing};
use carry_exchange::name::LogId;
use carry_exchange::remote::{FolderRemote, RemoteError};
use carry_kernel::db::DbError;
use carry_kernel::disk::{self, DiskError};
use serde::Deserialize;
use tokio::sync::watch;

use crate::answer::Refusal;
use crate::guard::{self, Caller, Guard};

mod delete;
mod get;
mod ledger;
mod listing;
mod news;
mod path;
mod put;
mod stamp;
mod usage;
mod verify;

pub use put::SILENCE;
pub use usage::Quota;
pub use verify::Examination;

use ledger::Ledger;
use listing::Listings;
use news::News;
use path::Asked;
use put::Turns;
use usage::Usage;

/// Where the exchange lies at a server.
const BASE: &str = "/carry/v1/exchange/";

/// What the exchange is built on.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder; it is marked already.
    pub folder: PathBuf,
    /// The log whose name temporary files in it bear, and a number to draw their names from.
    pub writer: (LogId, u64),
    /// The database that says who put what.
    pub ledger: PathBuf,
    /// The folder for what is coming in. Nothing else lies there.
    pub incoming: PathBuf,
    /// How much may be put.
    pub quota: Quota,
    /// How what is put is looked at.
    pub examination: Examination,
    /// How long who puts a file may send nothing in its middle; [`SILENCE`] is meant for the world.
    pub silence: Duration,
}

/// Why the exchange cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Its database cannot be used.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A folder cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The exchange that is served.
#[derive(Debug)]
pub struct Exchange {
    remote: FolderRemote,
    folder: PathBuf,
    listings: Listings,
    ledger: Ledger,
    usage: Usage,
    incoming: PathBuf,
    examination: Examination,
    silence: Duration,
    turns: Turns,
    news: News,
    stop: watch::Receiver<bool>,
}

impl Exchange {
    /// Opens it. When `stop` says so, who waits for news is answered.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub fn open(place: &Place, stop: watch::Receiver<bool>) -> Result<Self, ExchangeError> {
        let ledger = Ledger::open(&place.ledger)?;
        let usage = Usage::new(place.quota, ledger.used()?);
        clear(&place.incoming)?;
        Ok(Self {
            remote: FolderRemote::new(&place.folder, place.writer.0, place.writer.1),
            folder: place.folder.clone(),
            listings: Listings::default(),
            ledger,
            usage,
            incoming: place.incoming.clone(),
            examination: place.examination,
            silence: place.silence,
            turns: Turns::default(),
            news: News::new(&place.folder),
            stop,
        })
    }
}

/// Makes the folder, empty: what lies there is from a server that died.
fn clear(incoming: &Path) -> Result<(), DiskError> {
    disk::create_dir(incoming)?;
    let failed = || DiskError::at("clear", incoming);
    for entry in incoming.read_dir().map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(DiskError::at("remove", &path)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// The routes, for who has a credential.
pub fn routes(exchange: Arc<Exchange>, guard: &Arc<Guard>) -> Router {
    Router::new()
        .route(BASE, routing::any(handle))
        .route(&format!("{BASE}{{*path}}"), routing::any(handle))
        .layer(middleware::from_fn_with_state(guard.clone(), guard::credential))
        .with_state(exchange)
}

/// What may be asked for after a question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    from: Option<String>,
    after: Option<String>,
    wait: Option<u64>,
}

async fn handle(
    State(exchange): State<Arc<Exchange>>,
    Extension(Caller(caller)): Extension<Caller>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answered = async {
        let Query(wish) = Query::<Wish>::try_from_uri(&uri)
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "query", "a listing takes from, or after and wait"))?;
        let asked = path::read(uri.path().strip_prefix(BASE).unwrap_or_default())?;
        match (method, asked) {
            (Method::GET, Asked::Folder(folder)) => match wish {
                Wish { from, after: None, wait: None } => listing::page(exchange, folder, from).await,
                Wish { from: None, after, wait: Some(wait) } if folder == carry_exchange::name::Folder::Heads => {
                    news::wait(&exchange, after, wait).await
                }
                _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "query", "only h/ is waited for, with after and wait")),
            },
            (Method::GET, Asked::File(file)) => get::file(exchange, file.remote, &headers, true).await,
            (Method::HEAD, Asked::File(file)) => get::file(exchange, file.remote, &headers, false).await,
            (Method::PUT, Asked::File(file)) => put::file(exchange, caller, file, &headers, body).await,
            (Method::DELETE, Asked::File(file)) => delete::file(exchange, caller, file).await,
            _ => {
                let message = "folders can be listed (GET); files take GET, HEAD, PUT and DELETE";
                Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", message))
            }
        }
    };
    answered.await.unwrap_or_else(IntoResponse::into_response)
}

/// Runs what blocks where that is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Refusal::failed(&error)),
    }
}

/// For `map_err`: what a place's failure means to who asked.
fn refused(error: RemoteError) -> Refusal {
    Refusal::of(error)
}

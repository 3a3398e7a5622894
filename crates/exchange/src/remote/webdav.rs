//! A folder that a server hands out over WebDAV (RFC 4918): Nextcloud, ownCloud, Apache, network storage.
//!
//! ```text
//! check     GET carry/format.json
//! init      MKCOL carry, then a put
//! list      PROPFIND of the folder, depth 1
//! get       GET, with Range for a part
//! put       PUT with If-None-Match: *, or PUT aside and MOVE with Overwrite: F
//! delete    PROPFIND of the file, DELETE
//! size      HEAD, where a PROPFIND does not say it
//! sweep     PROPFIND of carry, DELETE of own old temporaries
//! ```
//!
//! One listing is one request. The marker is read by [`check`](Remote::check) and before the first other call, then remembered
//! until something is missing, be it a folder or a file: where the disk behind a server is not mounted, all that was in it is
//! missing too, and neither is a folder made nor a file called missing before the marker was seen again. Temporary files lie in
//! `carry`, where one listing shows them all.
//!
//! No redirection is followed, and no address that the server writes is asked for, so that the password goes to one server.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use reqwest::{Method, StatusCode};

use crate::location::Origin;
use crate::name::{Entry as Named, FORMAT_BYTES, FORMAT_PATH, Folder, Format, LogId};

use super::deadline::Deadline;
use super::dice::Dice;
use super::error::RemoteError;
use super::file::RemoteFile;
use super::http::client::{self, ClientError};
use super::http::pace::{BYTES_PER_SECOND_MIN, Pace};
use super::http::put::Conditions;
use super::http::{How, Http, moment};
use super::marker::{self, MARKER_BYTES_MAX, Mark};
use super::pipe::Opened;
use super::{Got, Init, Listed, Listing, PAGE_FILES_MAX, Part, Put, Remote, Source, TEMPORARY_KEPT};

mod get;
mod listing;
mod login;
mod multistatus;
mod put;
mod refusal;
mod wire;

pub use login::{Login, LoginError};
use put::Landed;
use refusal::Refusal;
use wire::{Depth, Wire};

/// How long a server may be silent: some look for viruses in what they got, or put it together, before they answer.
const SILENCE: Duration = Duration::from_secs(120);

/// How long a connection is kept for the next request: Apache closes it after five seconds, and nobody drives our side between
/// two calls.
const IDLE: Duration = Duration::from_secs(4);

/// A folder of a server of WebDAV. Calls come from any thread, but not from within an asynchronous runtime.
#[derive(Debug)]
pub struct WebDavRemote {
    wire: Wire,
    writer: LogId,
    nonces: Dice,
    mark: Mark,
    conditions: Conditions,
    /// Whether a destination is to be named by its path alone.
    is_path_wanted: AtomicBool,
    /// Folders that were there.
    folders: Mutex<BTreeSet<String>>,
}

impl WebDavRemote {
    /// The folder that `origin` serves at `path` (as in [`Location::WebDav`](crate::location::Location::WebDav)). Without a login
    /// none is sent. Certificates are checked against those of this machine, and those in the file `ca` (PEM). `writer` is the log
    /// whose device writes; its temporary files bear its name. From `seed` their names are drawn: a number that differs from
    /// process to process saves tries. Connects to nothing.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(
        origin: &Origin,
        path: &str,
        login: Option<&Login>,
        ca: Option<&Path>,
        writer: LogId,
        seed: u64,
    ) -> Result<Self, ClientError> {
        let server = origin.to_string();
        let base = format!("{server}{path}");
        let http = Http {
            place: format!("dav+{base}"),
            client: client::build(origin, ca, IDLE)?,
            runtime: client::runtime()?,
            silence: SILENCE,
            pace: Pace::new(SILENCE, BYTES_PER_SECOND_MIN),
        };
        Ok(Self {
            wire: Wire { http, base, path_at: server.len(), authorization: login.map(Login::header) },
            writer,
            nonces: Dice::new(seed),
            mark: Mark::default(),
            conditions: Conditions::new(None),
            is_path_wanted: AtomicBool::new(false),
            folders: Mutex::default(),
        })
    }

    /// The same, with a server that may be silent for no longer than `silence`: for tests.
    #[must_use]
    pub fn impatient(mut self, silence: Duration) -> Self {
        self.wire.http.silence = silence;
        self
    }

    /// Something is missing that should be there: goes on if the marker still is.
    fn look_again(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Whoever marks the place has not marked it yet.
        if self.mark.is_seen() { self.check(deadline) } else { Ok(()) }
    }

    fn knows(&self, folder: &str) {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
    }

    fn is_known(&self, folder: &str) -> bool {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    /// What the marker says; `None` if there is none.
    fn marker(&self, deadline: &Deadline<'_>) -> Result<Option<Format>, RemoteError> {
        let headers = [("accept-encoding", "identity"), ("cache-control", "no-cache")];
        let mut answer = self.wire.send(Method::GET, FORMAT_PATH, &headers, None, How::default(), deadline)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            _ => return Err(self.wire.refused(&answer, FORMAT_PATH, "read the marker")),
        }
        let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let bytes = self.wire.http.rest(&mut answer, MARKER_BYTES_MAX, deadline)?;
        match Format::read(&bytes) {
            Format::Unknown if is_page => Err(self.wire.http.internal("read the marker", Refusal::Page.into())),
            format => Ok(Some(format)),
        }
    }

    /// Hands what lies in `folder` to `each`; `None` if the folder is not there.
    fn entries(
        &self,
        folder: &str,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(multistatus::Entry) -> ControlFlow<()>,
    ) -> Result<Option<ControlFlow<()>>, RemoteError> {
        let mut refused = None;
        let ended = self.wire.find(&format!("{folder}/"), Depth::One, How::default(), deadline, &mut |entry| {
            // Of a folder that may not be read some servers say so inside.
            match entry.status {
                Some(status) if status >= 300 && listing::is_folder(&entry.href, folder) => {
                    refused = Some(status);
                    ControlFlow::Break(())
                }
                _ => each(entry),
            }
        })?;
        match refused {
            Some(404) => Ok(None),
            Some(status) => Err(self.wire.refused_in_part(status, folder, "list files")),
            None => Ok(ended),
        }
    }

    /// An entry in a folder as a file; `None` if it is none that may be named, or is gone. How long one of ours is, is asked where
    /// the listing does not say it: taken for empty, it would be put again under other names.
    fn listed(
        &self,
        entry: multistatus::Entry,
        folder: Folder,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Listing>, RemoteError> {
        let at = folder.to_string();
        let mut entry = entry;
        let is_unsized = entry.bytes.is_none() && entry.status.is_none_or(|status| status < 300);
        if is_unsized
            && let Some(listing) = listing::file(&entry, &at)
            && matches!(Named::read(folder, &listing.name), Named::Object(..))
        {
            match self.length(&format!("{at}/{}", listing.name), deadline)? {
                None => return Ok(None),
                bytes => entry.bytes = bytes,
            }
        }
        Ok(listing::file(&entry, &at))
    }

    fn remove(&self, path: &str, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        const ACTION: &str = "remove a file";
        let answer = self.wire.change("DELETE", path, &[], deadline)?;
        match answer.status() {
            StatusCode::MULTI_STATUS => self.wire.read_failures(answer, path, ACTION, deadline).map(|()| true),
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(false),
            _ => Err(self.wire.refused(&answer, path, ACTION)),
        }
    }
}

impl Remote for WebDavRemote {
    fn place(&self) -> &str {
        self.wire.place()
    }

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        let marker = self.marker(deadline)?;
        self.mark.judge(self.place(), marker)?;
        self.knows(&Folder::Root.to_string());
        Ok(())
    }

    /// The folder that the address names is made, but not those above it: they are somebody's.
    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        marker::init(self, deadline, || {
            let root = Folder::Root.to_string();
            match self.make_folder(&root, deadline) {
                // What it should lie in is missing.
                Err(RemoteError::Internal { .. }) => {
                    self.make_base(deadline)?;
                    self.make_folder(&root, deadline)?;
                }
                made => made?,
            }
            let landed = self.put_aside(FORMAT_PATH, &root, Opened::Bytes(FORMAT_BYTES), true, deadline)?;
            Ok(landed == Landed::Created)
        })
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        self.mark.look(self, deadline)?;
        let (at, folder) = (folder, folder.to_string());
        let (mut page, mut failed) = (Vec::new(), None);
        let ended = self.entries(&folder, deadline, &mut |entry| {
            let sized = match self.listed(entry, at, deadline) {
                Ok(sized) => sized,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            };
            page.extend(sized);
            if page.len() < PAGE_FILES_MAX {
                return ControlFlow::Continue(());
            }
            let flow = each(&page);
            page.clear();
            flow
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        match ended {
            Some(ControlFlow::Break(())) => return Ok(Listed::Stopped),
            Some(ControlFlow::Continue(())) => self.knows(&folder),
            None => self.look_again(deadline)?,
        }
        if !page.is_empty() && each(&page).is_break() { Ok(Listed::Stopped) } else { Ok(Listed::Whole) }
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        self.mark.look(self, deadline)?;
        self.fetch(file, part, into, deadline)
    }

    /// Of a small file that breaks off on its way a server that writes it at once may keep a part, under its name, where it knows
    /// conditions. It is removed if it is of the writer's own log and the server can still be asked; else others see it as one
    /// that is still arriving, and its author finds it by its size.
    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        file.may_put()?;
        self.mark.look(self, deadline)?;
        let source = Opened::open(source, self.place())?;
        self.put_opened(file, source, deadline)
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        file.may_delete()?;
        self.mark.look(self, deadline)?;
        // Of a folder all that is in it would go.
        match self.wire.look(file.path(), deadline)? {
            None => self.look_again(deadline).map(|()| false),
            Some(entry) if entry.is_folder => {
                Err(RemoteError::Foreign { place: self.place().to_owned(), file: file.to_string() })
            }
            Some(_) => self.remove(file.path(), deadline),
        }
    }

    fn sweep(&self, writers: &[LogId], now: Timestamp, deadline: &Deadline<'_>) -> Result<u64, RemoteError> {
        self.mark.look(self, deadline)?;
        let folder = Folder::Root.to_string();
        let kept_from = now.before(TEMPORARY_KEPT);
        let mut left = Vec::new();
        self.entries(&folder, deadline, &mut |entry| {
            let name = listing::file(&entry, &folder).map(|listing| listing.name);
            let is_old = entry.modified.as_deref().and_then(moment).is_some_and(|at| at < kept_from);
            if let Some(name) = name
                && let Named::Temporary(temporary) = Named::read(Folder::Root, &name)
                && writers.iter().any(|writer| writer.as_bytes().starts_with(&temporary.log))
                && is_old
            {
                left.push(format!("{folder}/{name}"));
            }
            ControlFlow::Continue(())
        })?;
        let mut swept = 0;
        for path in left {
            swept += u64::from(self.remove(&path, deadline)?);
        }
        Ok(swept)
    }
}

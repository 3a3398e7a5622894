//! A bucket: Amazon's S3 and what speaks its language.
//!
//! A key is the prefix and the file's path. Whether something has a name already the server itself looks, with
//! `If-None-Match: *`; a server that does not know the condition, or ignores it, is found out with the first put, by putting the
//! marker once more, whose bytes are the same for ever. There it is looked before each put, and of two that put one name at the
//! same time both may be told that they did: harmless, since a name has one valid content.
//!
//! Memory is bounded: 8 MiB for a file on its way there, a piece for one on its way here, a page of a listing. The marker is
//! read by [`check`](Remote::check) and before the first other call; then it is remembered until a check finds otherwise.
//!
//! Our own client and not a library's: it takes a stray key for what it is, makes uploads in parts that replace nothing, sees
//! `Retry-After`, takes the time as an argument, and follows no redirection with a signed request.

use std::io::Write;
use std::ops::ControlFlow;

use carry_kernel::clock::Timestamp;
use reqwest::{Method, StatusCode};

use crate::location::Bucket;
use crate::name::{FORMAT_BYTES, FORMAT_PATH, Folder, Format, LogId};

use super::deadline::Deadline;
use super::error::RemoteError;
use super::file::{self, RemoteFile};
use super::http::put::Conditions;
use super::marker::{self, MARKER_BYTES_MAX, Mark};
use super::pipe::Opened;
use super::{Got, Init, Listed, Listing, PAGE_FILES_MAX, Part, Put, Remote, Source, TEMPORARY_KEPT};

mod answer;
mod credentials;
mod get;
mod ini;
mod open;
mod pages;
mod process;
mod profile;
mod sign;
mod upload;
mod wire;
mod xml;

pub use open::{Environment, OpenError};
use pages::Pages;
use upload::{Landed, PART_BYTES, Putting};
use wire::{Ask, Patience, Wire};

/// A file longer than this is looked for before it is put: cheaper than to send it in vain.
const LOOK_BYTES: u64 = 256 * 1024;

/// A bucket. Calls come from any thread, but not from within an asynchronous runtime.
#[derive(Debug)]
pub struct BucketRemote {
    wire: Wire,
    prefix: String,
    mark: Mark,
    conditions: Conditions,
}

impl BucketRemote {
    /// Opens `bucket` with the credentials that `environment` leads to. Nothing is sent yet, so that a bucket that is offline is
    /// opened too.
    ///
    /// What the address leaves open comes from the environment, then from the profile: `region`, `endpoint_url`. Credentials
    /// are those of the profile that the address names; else `AWS_ACCESS_KEY_ID` and its companions; else the profile that
    /// `AWS_PROFILE` names, or `default`. A `credential_process` is run with the first request.
    ///
    /// # Errors
    /// [`OpenError`], which says what to set.
    pub fn open(bucket: &Bucket, environment: &Environment<'_>) -> Result<Self, OpenError> {
        Self::with_patience(bucket, environment, Patience::DEFAULT)
    }

    fn with_patience(bucket: &Bucket, environment: &Environment<'_>, patience: Patience) -> Result<Self, OpenError> {
        let wire = open::open(bucket, environment, patience)?;
        let conditions = Conditions::new(wire.address.is_amazon.then_some(true));
        let prefix = if bucket.prefix.is_empty() { String::new() } else { format!("{}/", bucket.prefix) };
        Ok(Self { wire, prefix, mark: Mark::default(), conditions })
    }

    /// The same, with a server that may be silent for no longer than `silence`: for tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_impatient(
        bucket: &Bucket,
        environment: &Environment<'_>,
        silence: std::time::Duration,
    ) -> Result<Self, OpenError> {
        Self::with_patience(bucket, environment, Patience { silence, ..Patience::DEFAULT })
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn place(&self) -> &str {
        &self.wire.http.place
    }

    /// What the marker says; `None` if there is none.
    fn marker(&self, deadline: &Deadline<'_>) -> Result<Option<Format>, RemoteError> {
        let key = self.key(FORMAT_PATH);
        let mut answer = self.wire.send(&Ask::new(Method::GET, &key), deadline)?;
        if answer.status() != StatusCode::OK {
            return match self.wire.refused(answer, FORMAT_PATH, "read the marker", deadline) {
                RemoteError::NotThere { .. } => Ok(None),
                refused => Err(refused),
            };
        }
        self.wire.http.rest(&mut answer.inner, MARKER_BYTES_MAX, deadline).map(|bytes| Some(Format::read(&bytes)))
    }

    /// Bytes of the file that has this key, if any.
    fn look(&self, key: &str, file: &str, deadline: &Deadline<'_>) -> Result<Option<u64>, RemoteError> {
        match self.head(key, file, deadline) {
            Ok((bytes, _)) => Ok(Some(bytes)),
            Err(RemoteError::NotThere { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the server looks that nothing has a name. Found out with the marker, which is there, and whose bytes are those
    /// that are put.
    fn has_conditions(&self, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        if let Some(known) = self.conditions.known() {
            return Ok(known);
        }
        let key = self.key(FORMAT_PATH);
        let putting = Putting { wire: &self.wire, key: &key, file: FORMAT_PATH, is_conditional: true };
        let known = match putting.whole(FORMAT_BYTES, deadline) {
            Ok(landed) => landed == Landed::Taken,
            // The marker may be one that nobody may write. Then the put itself will say what is wrong, if anything is.
            Err(RemoteError::Denied { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        self.conditions.learn(self.place(), known);
        Ok(known)
    }

    fn put_opened(
        &self,
        file: &RemoteFile,
        source: Opened<'_>,
        is_conditional: bool,
        deadline: &Deadline<'_>,
    ) -> Result<Put, RemoteError> {
        let (key, path, bytes) = (self.key(file.path()), file.path(), source.bytes());
        if (!is_conditional || bytes > LOOK_BYTES)
            && let Some(bytes) = self.look(&key, path, deadline)?
        {
            return Ok(Put::Exists { bytes });
        }
        let putting = Putting { wire: &self.wire, key: &key, file: path, is_conditional };
        let landed = if bytes > PART_BYTES as u64 {
            putting.parts(source, deadline)?
        } else {
            putting.whole(&source.whole(self.place(), deadline)?, deadline)?
        };
        match landed {
            Landed::Created => Ok(Put::Created),
            Landed::Taken => match self.look(&key, path, deadline)? {
                Some(bytes) => Ok(Put::Exists { bytes }),
                // It is gone since.
                None => Err(RemoteError::busy(self.place())),
            },
            Landed::NoCondition => {
                // It knows the condition here and not there. The next try is without.
                self.conditions.learn(self.place(), false);
                Err(RemoteError::busy(self.place()))
            }
        }
    }
}

impl Remote for BucketRemote {
    fn place(&self) -> &str {
        self.place()
    }

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        let marker = self.marker(deadline)?;
        self.mark.judge(self.place(), marker)
    }

    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        marker::init(self, deadline, || {
            let key = self.key(FORMAT_PATH);
            let putting = Putting { wire: &self.wire, key: &key, file: FORMAT_PATH, is_conditional: true };
            let landed = match putting.whole(FORMAT_BYTES, deadline)? {
                Landed::NoCondition => Putting { is_conditional: false, ..putting }.whole(FORMAT_BYTES, deadline)?,
                landed => landed,
            };
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
        let prefix = self.key(&format!("{folder}/"));
        let mut pages = Pages::new(&self.wire, prefix.clone());
        while let Some(page) = pages.next(deadline)? {
            let ours = page.files.into_iter().filter_map(|listing| {
                let name = listing.name.strip_prefix(&prefix).filter(|name| file::is_plain(name))?.to_owned();
                Some(Listing { name, ..listing })
            });
            let ours: Vec<Listing> = ours.collect();
            if ours.chunks(PAGE_FILES_MAX).any(|page| each(page).is_break()) {
                return Ok(Listed::Stopped);
            }
        }
        Ok(Listed::Whole)
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

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        file.may_put()?;
        self.mark.look(self, deadline)?;
        let source = Opened::open(source, self.place())?;
        let is_conditional = self.has_conditions(deadline)?;
        self.put_opened(file, source, is_conditional, deadline)
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        file.may_delete()?;
        self.mark.look(self, deadline)?;
        // The answer to a removal does not say whether there was anything.
        let key = self.key(file.path());
        if self.look(&key, file.path(), deadline)?.is_none() {
            return Ok(false);
        }
        let answer = self.wire.send(&Ask { has_effect: true, ..Ask::new(Method::DELETE, &key) }, deadline)?;
        match answer.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.wire.refused(answer, file.path(), "remove a file", deadline)),
        }
    }

    /// Gives up the uploads of parts of these writers' files that nobody ended. Whose files they are is all that a server says of
    /// them, so those of other logs, begun when a copy was passed on, are left to their writers and to the bucket's own rules.
    fn sweep(&self, writers: &[LogId], now: Timestamp, deadline: &Deadline<'_>) -> Result<u64, RemoteError> {
        self.mark.look(self, deadline)?;
        let kept_from = now.before(TEMPORARY_KEPT).to_rfc3339();
        let mut swept = 0;
        for writer in writers {
            let prefix = self.key(&format!("{}/", Folder::Log(*writer)));
            for upload in pages::uploads(&self.wire, &prefix, deadline)? {
                // Both are in UTC, in the same form up to the seconds.
                let is_old = upload.begun.ends_with('Z') && upload.begun.get(..19) < kept_from.get(..19);
                let is_ours = upload.key.starts_with(&prefix) && is_old && !upload.id.is_empty();
                if is_ours && upload::give_up(&self.wire, &upload.key, &upload.id, false, deadline)? {
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }
}

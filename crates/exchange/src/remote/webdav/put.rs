//! Files on their way to a server of WebDAV.
//!
//! Not every server that is sent a file writes it aside until it is whole. So a file is put under a temporary name and then
//! moved, with `Overwrite: F`, which replaces nothing. A small one is whole as soon as it is sent; where the server knows
//! `If-None-Match: *`, which the first such put finds out on its own temporary file, one request is enough for it.

use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};

use crate::name::{Folder, Temporary};
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::put::{OF_BYTES, UNLESS_THERE};
use crate::remote::http::{Answer, How, Pieces};
use crate::remote::pipe::{Opened, PIECE_BYTES};
use crate::remote::{Put, RemoteFile};

use super::WebDavRemote;
use super::multistatus::Entry;
use super::refusal::Refusal;
use super::wire::{Headers, method};

/// A file longer than this is looked for before it is put: cheaper than to send it in vain.
const LOOK_BYTES: u64 = 1 << 20;

/// How often a folder is tried to be made again where the one above it is there.
const AGAIN_MAX: u32 = 2;

const ACTION: &str = "put a file";

/// How a put ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// The file is there.
    Created,
    /// Something has its name.
    Taken,
}

impl WebDavRemote {
    pub(super) fn put_opened(
        &self,
        file: &RemoteFile,
        source: Opened<'_>,
        deadline: &Deadline<'_>,
    ) -> Result<Put, RemoteError> {
        let (path, folder) = (file.path(), file.folder_path());
        if source.bytes() > LOOK_BYTES
            && let Some(entry) = self.wire.look(path, deadline)?
        {
            return self.exists(path, &entry, deadline);
        }
        let small;
        let (source, is_small) = if source.bytes() <= PIECE_BYTES as u64 {
            small = source.whole(self.wire.place(), deadline)?;
            (Opened::Bytes(&small), true)
        } else {
            (source, false)
        };
        if let Opened::Bytes(small) = source
            && is_small
            && self.conditions.known() == Some(true)
        {
            // Some servers make folders that are missing, in an empty mount point too.
            if !self.is_known(folder) {
                self.look_again(deadline)?;
            }
            let answer = self
                .send(path, &mut Opened::Bytes(small), &[OF_BYTES, UNLESS_THERE], deadline)
                .inspect_err(|_| self.remove_part(file, small.len()))?;
            match answer.status() {
                status if is_done(status) => {
                    self.knows(folder);
                    return Ok(Put::Created);
                }
                // Some say the same where the folder is missing.
                StatusCode::PRECONDITION_FAILED => {
                    if let Some(entry) = self.wire.look(path, deadline)? {
                        return self.exists(path, &entry, deadline);
                    }
                }
                StatusCode::CONFLICT | StatusCode::NOT_FOUND => {}
                _ => return Err(self.wire.refused(&answer, path, ACTION)),
            }
        }
        match self.put_aside(path, folder, source, is_small, deadline)? {
            Landed::Created => Ok(Put::Created),
            Landed::Taken => match self.wire.look(path, deadline)? {
                Some(entry) => self.exists(path, &entry, deadline),
                None => Err(RemoteError::busy(self.wire.place())),
            },
        }
    }

    /// What is there already.
    fn exists(&self, path: &str, entry: &Entry, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        let bytes = match entry.bytes {
            _ if entry.is_folder => 0,
            Some(bytes) => bytes,
            None => self.length(path, deadline)?.ok_or_else(|| RemoteError::busy(self.wire.place()))?,
        };
        Ok(Put::Exists { bytes })
    }

    /// Removes what is left of a file of `bytes` whose put under its own name broke off: nobody noted that it is there. Only of
    /// our own log, whose files nobody else may be about to put. The caller's time may be over, and this takes but a moment.
    fn remove_part(&self, file: &RemoteFile, bytes: usize) {
        if file.log() != Some(self.writer) {
            return;
        }
        if let Ok(Some(entry)) = self.wire.look_so(file.path(), How::HURRIED, &Deadline::NONE)
            && !entry.is_folder
            && entry.bytes.is_some_and(|there| there != bytes as u64)
        {
            let _ = self.wire.send(Method::DELETE, file.path(), &[], None, How::HURRIED_EFFECT, &Deadline::NONE);
        }
    }

    /// Puts a file under a temporary name, then gives it its own. What was begun is removed if it fails.
    pub(super) fn put_aside(
        &self,
        path: &str,
        folder: &str,
        source: Opened<'_>,
        is_small: bool,
        deadline: &Deadline<'_>,
    ) -> Result<Landed, RemoteError> {
        deadline.check(self.wire.place())?;
        let [a, b, c, d, ..] = *self.writer.as_bytes();
        let log = [a, b, c, d];
        let [a, b, c, d, ..] = self.nonces.roll().to_le_bytes();
        let aside = format!("{}/{}", Folder::Root, Temporary { log, nonce: [a, b, c, d] });
        let landed =
            self.fill(&aside, source, is_small, deadline).and_then(|()| self.rename(&aside, path, folder, deadline));
        if !matches!(landed, Ok(Landed::Created)) {
            // What cannot be removed now, a sweep does. The caller's time may be over, and this takes but a moment.
            let _ = self.wire.send(Method::DELETE, &aside, &[], None, How::HURRIED_EFFECT, &Deadline::NONE);
        }
        landed
    }

    /// Writes the temporary file, and learns from the first small one whether the server knows conditions.
    fn fill(
        &self,
        aside: &str,
        mut source: Opened<'_>,
        is_small: bool,
        deadline: &Deadline<'_>,
    ) -> Result<(), RemoteError> {
        let again = match &source {
            Opened::Bytes(bytes) if is_small => Some(*bytes),
            _ => None,
        };
        let answer = self.send(aside, &mut source, &[OF_BYTES], deadline)?;
        match answer.status() {
            status if is_done(status) => {}
            // The folder that the marker was in is gone.
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => {
                self.look_again(deadline)?;
                return Err(self.wire.refused(&answer, aside, ACTION));
            }
            _ => return Err(self.wire.refused(&answer, aside, ACTION)),
        }
        if let Some(bytes) = again
            && self.conditions.known().is_none()
        {
            let answer = self.send(aside, &mut Opened::Bytes(bytes), &[OF_BYTES, UNLESS_THERE], deadline);
            if matches!(answer, Err(RemoteError::Cancelled { .. })) {
                return answer.map(drop);
            }
            // Who breaks the connection, as some do that refuse before they have read, would do so each time.
            let known = answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::PRECONDITION_FAILED);
            self.conditions.learn(self.wire.place(), known);
            // Some of it may be on the temporary file now.
            answer?;
        }
        Ok(())
    }

    /// Gives the temporary file its name, in a folder that is made where it is missing.
    fn rename(&self, aside: &str, path: &str, folder: &str, deadline: &Deadline<'_>) -> Result<Landed, RemoteError> {
        // Somebody else may make it while we ask.
        let was_known = self.is_known(folder);
        let answer = self.move_to(aside, path, deadline)?;
        // What servers say of a folder that is missing differs.
        let may_be_missing = match answer.status().as_u16() {
            404 | 409 => true,
            403 | 500 => !was_known,
            _ => false,
        };
        let answer = if may_be_missing {
            self.look_again(deadline)?;
            self.make_folder(folder, deadline)?;
            self.move_to(aside, path, deadline)?
        } else {
            answer
        };
        match answer.status() {
            StatusCode::MULTI_STATUS => {
                self.wire.read_failures(answer, path, ACTION, deadline)?;
            }
            status if is_done(status) => {}
            StatusCode::PRECONDITION_FAILED => return Ok(Landed::Taken),
            // Of two moves to one name at the same time some servers fail one.
            StatusCode::CONFLICT | StatusCode::LOCKED | StatusCode::INTERNAL_SERVER_ERROR
                if self.wire.look(path, deadline)?.is_some() =>
            {
                return Ok(Landed::Taken);
            }
            StatusCode::NOT_FOUND => {
                return Err(RemoteError::busy(self.wire.place()));
            }
            _ => return Err(self.wire.refused(&answer, path, "give a file its name")),
        }
        self.knows(folder);
        Ok(Landed::Created)
    }

    /// Asks for the move. Behind a proxy a server may not know itself by the address that we have, and then takes its path.
    fn move_to(&self, aside: &str, path: &str, deadline: &Deadline<'_>) -> Result<Answer, RemoteError> {
        let ask = |to: &str| self.wire.change("MOVE", aside, &[("destination", to), ("overwrite", "F")], deadline);
        if !self.is_path_wanted.load(Ordering::Relaxed) {
            let answer = ask(&self.wire.address(path))?;
            if !matches!(answer.status(), StatusCode::BAD_GATEWAY | StatusCode::BAD_REQUEST) {
                return Ok(answer);
            }
        }
        let answer = ask(&self.wire.address_in_server(path))?;
        self.is_path_wanted.store(is_done(answer.status()), Ordering::Relaxed);
        Ok(answer)
    }

    fn send(
        &self,
        path: &str,
        source: &mut Opened<'_>,
        headers: Headers<'_>,
        deadline: &Deadline<'_>,
    ) -> Result<Answer, RemoteError> {
        let bytes = source.bytes();
        let mut next = source.pieces(self.wire.place());
        let body = Pieces { bytes, next: &mut next };
        self.wire.send(Method::PUT, path, headers, Some(body), How::EFFECT, deadline)
    }

    /// Makes a folder below the place, and those above it.
    pub(super) fn make_folder(&self, folder: &str, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        let (mut missing, mut n_again) = (vec![folder], 0);
        // From the deepest up to the first that can be made, and down again.
        while let Some(folder) = missing.last().copied() {
            let answer = self.wire.change("MKCOL", &format!("{folder}/"), &[], deadline)?;
            let status = answer.status();
            let is_above_missing = matches!(status, StatusCode::CONFLICT | StatusCode::NOT_FOUND);
            // The second is there already.
            if is_done(status) || status == StatusCode::METHOD_NOT_ALLOWED {
                self.knows(folder);
                missing.pop();
            } else if let Some((above, _)) = folder.rsplit_once('/').filter(|_| is_above_missing)
                && !self.is_known(above)
            {
                missing.push(above);
            } else if self.wire.look(folder, deadline)?.is_some_and(|entry| entry.is_folder) {
                // Somebody else has made it meanwhile, or this is how the server says that it is there.
                self.knows(folder);
                missing.pop();
            } else if !is_above_missing {
                return Err(self.wire.refused(&answer, folder, "make a folder"));
            } else if n_again < AGAIN_MAX && folder.contains('/') {
                // Somebody else has made the one above it meanwhile.
                n_again += 1;
            } else {
                let refusal = Refusal::NoFolder(status.as_u16());
                return Err(self.wire.http.internal("make a folder", refusal.into()));
            }
        }
        Ok(())
    }

    /// Makes the folder that the address names, if what it lies in is there.
    pub(super) fn make_base(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        let answer = self.wire.send(method("MKCOL"), "", &[], None, How::EFFECT, deadline)?;
        match answer.status() {
            status if is_done(status) || status == StatusCode::METHOD_NOT_ALLOWED => Ok(()),
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => {
                let refusal = Refusal::NoFolder(answer.status().as_u16());
                Err(self.wire.http.internal("make a folder", refusal.into()))
            }
            _ => Err(self.wire.refused(&answer, "", "make a folder")),
        }
    }
}

fn is_done(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT)
}

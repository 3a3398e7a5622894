//! Files on their way in: bounded, taken in whole, looked at, and only then given their name.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use carry_exchange::name::ObjectName;
use carry_exchange::remote::{Deadline, Part, Put, Remote as _, RemoteError, Source};
use carry_kernel::disk::DiskError;
use futures_util::StreamExt as _;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::answer::Refusal;

use super::ledger::Entry;
use super::listing::JSON;
use super::path::Named;
use super::usage::Room;
use super::verify::{self, Examination, Unfit};
use super::{Exchange, blocking, refused};

/// What is larger is taken in on disk.
const MEMORY_BYTES_MAX: u64 = 1024 * 1024;
/// How long the other side may send nothing in the middle of a file.
pub const SILENCE: Duration = Duration::from_secs(30);
/// How long any file may take to come, and how much longer for its bytes: so many a second it must come with.
const TIME: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND_MIN: u64 = 8 * 1024;
/// How much of what is not wanted is read, so that who still sends it hears the answer; for how long in all, and for how long
/// while nothing comes.
const UNWANTED_BYTES_MAX: usize = 2 * 1024 * 1024;
const UNWANTED: Duration = Duration::from_secs(3);
const UNWANTED_SILENCE: Duration = Duration::from_millis(300);

/// Turns of those who write or remove one path.
#[derive(Debug)]
pub(super) struct Turns([Mutex<()>; 64]);

impl Default for Turns {
    fn default() -> Self {
        Self([const { Mutex::new(()) }; 64])
    }
}

impl Turns {
    /// Waits for this path's turn. Two paths may share one.
    pub(super) fn take(&self, path: &str) -> MutexGuard<'_, ()> {
        let mut hash = DefaultHasher::new();
        path.hash(&mut hash);
        let at = usize::try_from(hash.finish() % 64).unwrap_or(0);
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came in.
enum Taken {
    Memory(Vec<u8>),
    Disk(NamedTempFile),
}

/// A put that is allowed so far.
struct Planned {
    caller: Arc<str>,
    file: Named,
    object: ObjectName,
    bytes: u64,
    room: Room,
}

pub(super) async fn file(
    exchange: Arc<Exchange>,
    caller: Arc<str>,
    file: Named,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut body = body.into_data_stream();
    let planned = match plan(&exchange, caller, file, headers).await {
        Ok(Ok(planned)) => planned,
        Ok(Err(bytes)) => {
            read_off(&mut body).await;
            return Ok(exists(bytes));
        }
        Err(refusal) => {
            read_off(&mut body).await;
            return Err(refusal);
        }
    };
    let taken = take_in(&exchange, planned.bytes, &mut body).await?;
    let put = blocking(move || exchange.settle(planned, &taken)).await?;
    Ok(match put {
        Put::Created => (StatusCode::CREATED, JSON, "{}\n").into_response(),
        Put::Exists { bytes } => exists(bytes),
    })
}

fn exists(bytes: u64) -> Response {
    (JSON, format!("{}\n", json!({ "bytes": bytes }))).into_response()
}

/// What can be said before a byte of the file was read: that it may come, or the size of what is there.
async fn plan(
    exchange: &Arc<Exchange>,
    caller: Arc<str>,
    file: Named,
    headers: &HeaderMap,
) -> Result<Result<Planned, u64>, Refusal> {
    let refusal = |status, code, message: &str| Refusal::new(status, code, message);
    let Some(object) = file.object().cloned() else {
        return Err(refusal(StatusCode::BAD_REQUEST, "invalid_name", "only objects of the exchange are put"));
    };
    let bytes = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(bytes) = bytes.filter(|_| !headers.contains_key(TRANSFER_ENCODING)) else {
        return Err(refusal(StatusCode::LENGTH_REQUIRED, "length", "say how long it is with Content-Length"));
    };
    let bytes_max = verify::bytes_max(&object);
    if bytes > bytes_max {
        let message = format!("what has this name has at most {bytes_max} bytes");
        return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message));
    }
    let (at, remote) = (exchange.clone(), file.remote.clone());
    let there = blocking(move || at.size(&remote).map_err(refused)).await?;
    if let Some(there) = there {
        return Ok(Err(there));
    }
    let Some(room) = exchange.usage.room(&caller, bytes) else {
        let message = "this device's or all devices' room on the server is used up: raise serve.quota, serve.quota_per_device or \
                       serve.files_per_device there, or remove what is not needed";
        return Err(refusal(StatusCode::INSUFFICIENT_STORAGE, "quota", message));
    };
    Ok(Ok(Planned { caller, file, object, bytes, room }))
}

/// Reads what is not wanted, a little.
async fn read_off(body: &mut BodyDataStream) {
    let read = async {
        let mut bytes = 0;
        while let Ok(Some(Ok(piece))) = tokio::time::timeout(UNWANTED_SILENCE, body.next()).await {
            bytes += piece.len();
            if bytes > UNWANTED_BYTES_MAX {
                break;
            }
        }
    };
    // Who sends on after that hears nothing.
    let _ = tokio::time::timeout(UNWANTED, read).await;
}

/// Takes in exactly `bytes` bytes, if they come soon enough.
async fn take_in(exchange: &Exchange, bytes: u64, body: &mut BodyDataStream) -> Result<Taken, Refusal> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "full", "the server's disk is full")
        }
        _ => Refusal::failed(&DiskError::at("take in", &exchange.incoming)(e)),
    };
    let end = Instant::now() + TIME + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
    let mut memory = Vec::new();
    let mut disk = None;
    if bytes > MEMORY_BYTES_MAX {
        let incoming = exchange.incoming.clone();
        let made = blocking(move || {
            let file = NamedTempFile::new_in(&incoming);
            let both = file.and_then(|file| Ok((file.reopen()?, file)));
            both.map_err(|e| Refusal::failed(&DiskError::at("make a file in", &incoming)(e)))
        });
        let (writer, file) = made.await?;
        disk = Some((tokio::fs::File::from_std(writer), file));
    }
    let mut taken = 0;
    while taken < bytes {
        let next = tokio::time::timeout_at(end.min(Instant::now() + exchange.silence), body.next()).await;
        let piece = match next {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(_)) | None) => {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "broken_off", "the file broke off"));
            }
            Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the file came too slowly")),
        };
        taken += piece.len() as u64;
        if taken > bytes {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "length", "more came than was said"));
        }
        match &mut disk {
            Some((writer, _)) => writer.write_all(&piece).await.map_err(failed)?,
            None => memory.extend_from_slice(&piece),
        }
    }
    match disk {
        None => Ok(Taken::Memory(memory)),
        Some((mut writer, file)) => {
            writer.flush().await.map_err(failed)?;
            Ok(Taken::Disk(file))
        }
    }
}

impl Exchange {
    /// The size of what has this name, if anything does; 0 for what is no file.
    fn size(&self, file: &carry_exchange::remote::RemoteFile) -> Result<Option<u64>, RemoteError> {
        let nothing = Part::Range { from: 0, bytes: 0 };
        match self.remote.get(file, nothing, &mut io::sink(), &Deadline::NONE) {
            Ok(got) => Ok(Some(got.size)),
            Err(RemoteError::NotThere { .. }) => Ok(None),
            Err(RemoteError::Foreign { .. }) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Looks at what came, and gives it its name. That it is this credential's is written down before.
    fn settle(&self, planned: Planned, taken: &Taken) -> Result<Put, Refusal> {
        let Planned { caller, file, object, bytes, room } = planned;
        if self.examination == Examination::Whole {
            let examined = match taken {
                Taken::Memory(memory) => verify::examine(&object, bytes, &memory[..]),
                Taken::Disk(disk) => File::open(disk.path())
                    .map_err(Unfit::Read)
                    .and_then(|opened| verify::examine(&object, bytes, opened)),
            };
            examined.map_err(|unfit| match unfit {
                Unfit::Read(_) => Refusal::failed(&unfit),
                _ => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit", unfit.to_string()),
            })?;
        }
        let path = file.remote.path();
        let _turn = self.turns.take(path);
        let failed = |error| Refusal::failed(&error);
        let before = self.ledger.entry(path).map_err(failed)?;
        let entry = Entry { credential: caller.to_string(), bytes };
        self.ledger.set(path, Some(&entry)).map_err(failed)?;
        let source = match taken {
            Taken::Memory(memory) => Source::Bytes(memory),
            Taken::Disk(disk) => Source::File(disk.path()),
        };
        let put = self.remote.put(&file.remote, source, &Deadline::NONE);
        self.listings.touch(file.remote.folder_path());
        let is_made = match &put {
            Ok(put) => *put == Put::Created,
            // It may have got its name before what failed. If even that cannot be told, it counts as this credential's.
            Err(_) => self.size(&file.remote).map_or(true, |size| size == Some(bytes)),
        };
        if is_made {
            room.keep();
            // Of what had the name before and went without us, nothing is left.
            if let Some(before) = before {
                self.usage.give_back(&before.credential, before.bytes);
            }
            if let ObjectName::Head { .. } = object {
                self.news.ring();
            }
        } else {
            self.ledger.set(path, before.as_ref()).map_err(failed)?;
        }
        put.map_err(refused)
    }
}

//! Whether there may be heads that a listing did not show.
//!
//! A cursor is a digest of the folder of heads: it holds across a restart, and the server remembers nobody. What is put here
//! rings a bell; what comes otherwise, from the device itself or a sync tool, is found by a look each second, which
//! reads the folder only if its times say that something happened, and now and then to be sure.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use carry_exchange::hash::Digest;
use carry_exchange::name::{Entry, Folder};
use carry_exchange::remote::{Deadline, FolderRemote, Remote as _, RemoteError};
use serde::Serialize;
use tokio::sync::watch;

use crate::answer::Refusal;
use crate::hex;
use crate::server::stopped;

use super::listing::JSON;
use super::stamp::{self, RACY, READ_EVERY, Stamp};
use super::{Exchange, blocking, refused};

/// How long anybody waits at most: less than proxies wait for us.
const WAIT_MAX: Duration = Duration::from_secs(50);
/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is known of the folder of heads.
#[derive(Debug)]
pub(super) struct News {
    heads: PathBuf,
    seen: Mutex<Option<Seen>>,
    bell: watch::Sender<()>,
}

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    cursor: String,
    read: Instant,
    changed: Instant,
}

#[derive(Serialize)]
struct Answer {
    changed: bool,
    cursor: String,
}

impl News {
    pub(super) fn new(folder: &Path) -> Self {
        Self { heads: folder.join(Folder::Heads.to_string()), seen: Mutex::default(), bell: watch::Sender::new(()) }
    }

    /// Wakes who waits.
    pub(super) fn ring(&self) {
        self.bell.send_replace(());
    }

    /// Where we are now.
    fn look(&self, remote: &FolderRemote) -> Result<String, RemoteError> {
        remote.check(&Deadline::NONE)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (stamp, now) = (stamp::of(&self.heads), Instant::now());
        if let Some(seen) = &*seen {
            let is_settled = seen.read.duration_since(seen.changed) > RACY;
            let is_fresh = now.duration_since(seen.read) < READ_EVERY;
            if seen.stamp == stamp && is_settled && is_fresh {
                return Ok(seen.cursor.clone());
            }
        }
        let cursor = read(remote)?;
        let changed = match &*seen {
            Some(seen) if seen.stamp == stamp && seen.cursor == cursor => seen.changed,
            _ => now,
        };
        *seen = Some(Seen { stamp, cursor: cursor.clone(), read: now, changed });
        Ok(cursor)
    }
}

/// A digest of names, sizes and versions, in whatever order they come.
fn read(remote: &FolderRemote) -> Result<String, RemoteError> {
    let mut sum = 0_u128;
    remote.list(Folder::Heads, &Deadline::NONE, &mut |files| {
        for file in files {
            if !matches!(Entry::read(Folder::Heads, &file.name), Entry::Temporary(_)) {
                let size = file.bytes.to_le_bytes();
                let digest = Digest::of(&[file.name.as_bytes(), b"\0", &size, file.version.0.as_bytes()]);
                let half = digest.as_bytes().first_chunk().copied().unwrap_or_default();
                sum = sum.wrapping_add(u128::from_le_bytes(half));
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(hex::encode(&sum.to_be_bytes()))
}

/// Answers when there is news since `after`, or after so many seconds, or at once when the server is to stop.
pub(super) async fn wait(exchange: &Arc<Exchange>, after: Option<String>, wait_s: u64) -> Result<Response, Refusal> {
    let until = tokio::time::Instant::now() + Duration::from_secs(wait_s).min(WAIT_MAX);
    let (mut bell, mut stop) = (exchange.news.bell.subscribe(), exchange.stop.clone());
    loop {
        let at = exchange.clone();
        let cursor = blocking(move || at.news.look(&at.remote).map_err(refused)).await?;
        let changed = after.as_ref().is_some_and(|after| *after != cursor);
        let now = tokio::time::Instant::now();
        if changed || after.is_none() || now >= until || *stop.borrow() {
            return Ok((JSON, axum::Json(Answer { changed, cursor })).into_response());
        }
        // A bell that is gone, as a stop, ends the wait.
        tokio::select! {
            _ = bell.changed() => {}
            () = stopped(&mut stop) => {}
            () = tokio::time::sleep_until(until.min(now + LOOK_EVERY)) => {}
        }
    }
}

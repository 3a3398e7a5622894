//! Listings, a page at a time, in the order of the names. A cursor is the last name that was shown, so that none is ever too old,
//! and the server remembers nobody. So that not each page reads the whole folder, what was read is kept for a while.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use carry_exchange::name::Folder;
use carry_exchange::remote::{Deadline, Remote as _, RemoteError};
use serde::Serialize;

use crate::answer::Refusal;
use crate::hex;

use super::{Exchange, blocking, refused, stamp};

mod kept;

pub(super) use kept::Listings;

/// Headers of every answer: no cache keeps it, and no browser guesses what it is.
pub(super) const JSON: [(HeaderName, &str); 3] =
    [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];

#[derive(Serialize)]
struct Page {
    files: Vec<File>,
    next: Option<String>,
}

#[derive(Serialize)]
struct File {
    name: String,
    bytes: u64,
    version: String,
}

/// The page of `folder` that begins after the cursor `from`.
pub(super) async fn page(exchange: Arc<Exchange>, folder: Folder, from: Option<String>) -> Result<Response, Refusal> {
    let after = match from {
        None => String::new(),
        Some(cursor) => name_in(&cursor).ok_or_else(|| {
            Refusal::new(StatusCode::BAD_REQUEST, "query", "this is no cursor of a listing: begin without one")
        })?,
    };
    let page = blocking(move || first_after(&exchange, folder, after).map_err(refused)).await?;
    Ok((JSON, axum::Json(page)).into_response())
}

/// The first names after `after`, in order.
fn first_after(exchange: &Exchange, folder: Folder, after: String) -> Result<Page, RemoteError> {
    // What is kept of a place that is gone is shown to nobody.
    exchange.remote.check(&Deadline::NONE)?;
    let path = folder.to_string();
    // Taken before the folder is read: what comes meanwhile changes it.
    let stamp = (stamp::of(&exchange.folder.join(&path)), Instant::now());
    let (files, is_more) = exchange.listings.page(&path, after, stamp, |window| {
        let listed = exchange.remote.list(folder, &Deadline::NONE, &mut |files| {
            window.take(files);
            ControlFlow::Continue(())
        });
        listed.map(drop)
    })?;
    let next = files.last().filter(|_| is_more).map(|last| hex::encode(last.name.as_bytes()));
    let files = files.into_iter();
    let files = files.map(|file| File { name: file.name, bytes: file.bytes, version: file.version.0 }).collect();
    Ok(Page { files, next })
}

/// The name that a cursor stands for.
fn name_in(cursor: &str) -> Option<String> {
    // The longest name has 255 bytes.
    if cursor.is_empty() || cursor.len() > 510 {
        return None;
    }
    String::from_utf8(hex::decode(cursor)?).ok()
}

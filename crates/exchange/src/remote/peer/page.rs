//! Listings page by page, and news.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::json;
use crate::name::Folder;
use crate::percent::encode_text;
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::{Cursor, Listing, News, PAGE_FILES_MAX, Version, file};

use super::{PeerRemote, address};
use crate::remote::http::pace::Pace;

/// Bytes of a page at most: each name 255 bytes, escaped sixfold at worst, and what stands around it.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest cursor, in bytes: a name, encoded.
const CURSOR_BYTES_MAX: usize = 1024;
/// Files that a listing shows at most. A server that goes on without end is not one of ours.
const FILES_MAX: usize = 1_000_000;
/// Bytes of the answer to a question for news at most.
const NEWS_BYTES_MAX: usize = 4096;

/// What a page says.
pub(super) struct Page {
    files: Vec<Listing>,
    next: Option<String>,
}

/// Where a listing is. Pages come in the order of their names, each name once, so that no server can lead us in circles.
#[derive(Default)]
pub(super) struct Pages {
    last: Option<String>,
    next: Option<String>,
    n_files: usize,
}

impl Pages {
    /// Where the next page begins; `None` at first and after the last.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The page's files, if it may come next. Names that no file of ours could have are left out.
    pub(super) fn take(&mut self, page: Page) -> Result<Vec<Listing>, &'static str> {
        for file in &page.files {
            if self.last.as_ref().is_some_and(|last| *last >= file.name) {
                return Err("a listing is not in order");
            }
            self.last = Some(file.name.clone());
        }
        self.n_files += page.files.len();
        if page.files.is_empty() && page.next.is_some() || self.n_files > FILES_MAX {
            return Err("a listing has no end");
        }
        self.next = page.next;
        Ok(page.files.into_iter().filter(|listing| file::is_plain(&listing.name)).collect())
    }
}

impl Page {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let value = json::parse(body).ok()?;
        let files = value["files"].as_array().filter(|files| files.len() <= PAGE_FILES_MAX)?.iter();
        let files = files.map(|file| {
            let text = |name: &str| file[name].as_str().map(ToOwned::to_owned);
            Some(Listing {
                name: text("name")?,
                bytes: file["bytes"].as_u64()?,
                version: Version(text("version")?.chars().take(256).collect()),
            })
        });
        let next = match &value["next"] {
            Value::Null => None,
            next => Some(next.as_str().filter(|next| next.len() <= CURSOR_BYTES_MAX)?.to_owned()),
        };
        Some(Self { files: files.collect::<Option<_>>()?, next })
    }
}

impl PeerRemote {
    /// The page of a folder that begins at `from`.
    pub(super) async fn page(
        &self,
        folder: Folder,
        from: Option<&str>,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<Page, RemoteError> {
        deadline.check(&self.http.place)?;
        let query = from.map(|from| format!("?from={}", encode_text(from))).unwrap_or_default();
        let request = self.request(Method::GET, &format!("{}{query}", address::of_folder(folder)));
        let response = self.send(request, pace, deadline).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response, &folder.to_string(), deadline).await);
        }
        let body = self.body(response, PAGE_BYTES_MAX, pace, deadline).await?;
        Page::read(&body).ok_or_else(|| self.strange("a listing cannot be read"))
    }

    /// Asks for news of heads, which the other side may think about for so long.
    pub(super) async fn news(
        &self,
        after: Option<&Cursor>,
        wait_s: u64,
        deadline: &Deadline<'_>,
    ) -> Result<News, RemoteError> {
        let after = after.map(|after| format!("after={}&", encode_text(&after.0))).unwrap_or_default();
        let request = self.request(Method::GET, &format!("h/?{after}wait={wait_s}"));
        let mut pace = self.pace();
        let response = self.send(request, &mut pace, deadline).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response, &Folder::Heads.to_string(), deadline).await);
        }
        let body = self.body(response, NEWS_BYTES_MAX, &mut pace, deadline).await?;
        let news = json::parse(&body).ok().and_then(|news| {
            let cursor = news["cursor"].as_str().filter(|cursor| cursor.len() <= CURSOR_BYTES_MAX)?;
            let cursor = Cursor(cursor.to_owned());
            Some(if news["changed"].as_bool()? { News::Changed(cursor) } else { News::Nothing(cursor) })
        });
        news.ok_or_else(|| self.strange("its answer to a question for news cannot be read"))
    }
}

//! Listings of a bucket, page after page.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};

use crate::hash::Digest;
use crate::percent;
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::{Listing, PAGE_FILES_MAX, Version};

use super::wire::{Ask, Wire};
use super::xml;

/// Bytes of a page at most: a thousand keys of 1024 bytes, each of them encoded, and what is said of them.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Pages of a listing at most: fifty million files.
const PAGES_MAX: usize = 50_000;

/// A listing that leads nowhere.
#[derive(Debug, thiserror::Error)]
enum BadPage {
    #[error("a page of its listing is longer than {PAGE_BYTES_MAX} bytes")]
    Long,
    #[error("a page of its listing is not UTF-8")]
    NotText,
    #[error(transparent)]
    NotXml(#[from] xml::NotXml),
    #[error("its listing is cut and does not say where it goes on")]
    Cut,
    #[error("its listing goes round in circles")]
    Circle,
}

/// A page of files.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Keys as they are, with what is said of them.
    pub(super) files: Vec<Listing>,
    next: Option<String>,
}

/// An upload that was begun.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) id: String,
    /// When, as RFC 3339.
    pub(super) begun: String,
}

/// A listing that goes on.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    wire: &'a Wire,
    prefix: String,
    next: Option<String>,
    seen: BTreeSet<[u8; 16]>,
    is_done: bool,
}

impl<'a> Pages<'a> {
    /// The files whose keys begin with `prefix` and have no slash after it.
    pub(super) fn new(wire: &'a Wire, prefix: String) -> Self {
        Self { wire, prefix, next: None, seen: BTreeSet::new(), is_done: false }
    }

    /// The next page; `None` after the last.
    pub(super) fn next(&mut self, deadline: &Deadline<'_>) -> Result<Option<Page>, RemoteError> {
        if self.is_done {
            return Ok(None);
        }
        let files = PAGE_FILES_MAX.to_string();
        let mut query = vec![
            ("list-type", "2"),
            ("prefix", &*self.prefix),
            ("delimiter", "/"),
            ("encoding-type", "url"),
            ("max-keys", &*files),
        ];
        query.extend(self.next.as_deref().map(|token| ("continuation-token", token)));
        let text = ask(self.wire, &query, deadline)?.unwrap_or_default();
        let page = read(&text).map_err(|e| failed(self.wire, e))?;
        match &page.next {
            None => self.is_done = true,
            Some(token) => {
                let is_new = self.seen.insert(Digest::of(&[token.as_bytes()]).first16());
                if !is_new || self.seen.len() > PAGES_MAX {
                    return Err(failed(self.wire, BadPage::Circle));
                }
                self.next = Some(token.clone());
            }
        }
        Ok(Some(page))
    }
}

/// The uploads that were begun under `prefix`: a thousand of them at most, which is for the next time too. A server that does not
/// say has none.
pub(super) fn uploads(wire: &Wire, prefix: &str, deadline: &Deadline<'_>) -> Result<Vec<Upload>, RemoteError> {
    let query = [("uploads", ""), ("prefix", prefix), ("encoding-type", "url"), ("max-uploads", "1000")];
    let Some(text) = ask(wire, &query, deadline)? else { return Ok(Vec::new()) };
    read_uploads(&text).map_err(|e| failed(wire, e))
}

/// A page's text; `None` if the server has no such listing.
fn ask(wire: &Wire, query: &[(&str, &str)], deadline: &Deadline<'_>) -> Result<Option<String>, RemoteError> {
    let mut answer = wire.send(&Ask { query, ..Ask::new(Method::GET, "") }, deadline)?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_IMPLEMENTED if query.first() == Some(&("uploads", "")) => return Ok(None),
        _ => return Err(wire.refused(answer, "its listing", "list files", deadline)),
    }
    let bytes = wire.http.rest(&mut answer.inner, PAGE_BYTES_MAX + 1, deadline)?;
    if bytes.len() > PAGE_BYTES_MAX {
        return Err(failed(wire, BadPage::Long));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| failed(wire, BadPage::NotText))
}

fn failed(wire: &Wire, why: BadPage) -> RemoteError {
    wire.internal("list files", why.into())
}

fn read(text: &str) -> Result<Page, BadPage> {
    let (mut page, mut file, mut is_cut, mut is_encoded) = (Page::default(), empty(), false, false);
    xml::elements(text, |ended| match ended.path {
        ["Contents", "Key"] => file.name = ended.text,
        ["Contents", "Size"] => file.bytes = ended.text.trim().parse().unwrap_or(0),
        ["Contents", "ETag"] => file.version = version(&ended.text),
        ["Contents"] => page.files.push(std::mem::replace(&mut file, empty())),
        ["IsTruncated"] => is_cut = ended.text.trim() == "true",
        ["EncodingType"] => is_encoded = ended.text.trim() == "url",
        ["NextContinuationToken"] => page.next = Some(ended.text).filter(|token| !token.is_empty()),
        _ => {}
    })?;
    if is_encoded {
        page.files.iter_mut().for_each(|file| file.name = decoded(&file.name));
    }
    match (is_cut, &page.next) {
        (true, None) => Err(BadPage::Cut),
        (false, Some(_)) => Ok(Page { next: None, ..page }),
        _ => Ok(page),
    }
}

fn read_uploads(text: &str) -> Result<Vec<Upload>, BadPage> {
    let (mut uploads, mut upload, mut is_encoded) = (Vec::new(), Upload::default(), false);
    xml::elements(text, |ended| match ended.path {
        ["Upload", "Key"] => upload.key = ended.text,
        ["Upload", "UploadId"] => upload.id = ended.text,
        ["Upload", "Initiated"] => upload.begun = ended.text,
        ["Upload"] => uploads.push(std::mem::take(&mut upload)),
        ["EncodingType"] => is_encoded = ended.text.trim() == "url",
        _ => {}
    })?;
    if is_encoded {
        uploads.iter_mut().for_each(|upload| upload.key = decoded(&upload.key));
    }
    Ok(uploads)
}

fn empty() -> Listing {
    Listing { name: String::new(), bytes: 0, version: Version(String::new()) }
}

/// An ETag as both listings and headers have it.
pub(super) fn version(etag: &str) -> Version {
    Version(etag.trim().trim_start_matches("W/").trim_matches('"').to_owned())
}

/// Text without its encoding, in which a plus is a space. What is not UTF-8 then is no key of ours.
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent::decoded(&text.replace('+', " "))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_out_of_their_encoding() {
        for (text, expected) in [("a%2Bb+c%C3%A4", "a+b cä"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(decoded(text), expected);
        }
    }

    #[test]
    fn a_page_says_whether_there_is_more() {
        let page = |end: &str| {
            read(&format!(
                "<L><EncodingType>url</EncodingType><Contents><Key>a%2Fb</Key><Size>7</Size><ETag>&quot;x&quot;</ETag></Contents>\
                 <CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>{end}</L>"
            ))
        };
        let last = page("<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>").unwrap();
        assert_eq!(last.files, [Listing { name: "a/b".into(), bytes: 7, version: Version("x".into()) }]);
        assert_eq!(last.next, None);
        let more = page("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>").unwrap();
        assert_eq!(more.next.as_deref(), Some("t"));
        assert!(matches!(page("<IsTruncated>true</IsTruncated>"), Err(BadPage::Cut)));
        assert!(matches!(read("<html>"), Err(BadPage::NotXml(_))));
    }
}

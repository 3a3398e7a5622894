//! Entries of a server's answers as files of ours.
//!
//! An address that a server writes is never asked for: of each, only the name is taken, and only if the folder before it is the
//! one that was listed. Which server and which path lead there does not matter, since a proxy may have others than it has
//! itself.

use crate::percent;
use crate::remote::{Listing, Version, file};

use super::multistatus::Entry;

/// Longest text of a version, in bytes.
const VERSION_BYTES_MAX: usize = 256;

/// The plain name of an entry in `folder`; `None` if it is the folder itself, lies elsewhere, or has no plain name.
pub(super) fn name(href: &str, folder: &str) -> Option<String> {
    let (above, name) = path(href).rsplit_once('/')?;
    let name = decoded(name)?;
    (ends_with(above, folder) && file::is_plain(&name)).then_some(name)
}

/// Whether an address is that of `folder`.
pub(super) fn is_folder(href: &str, folder: &str) -> bool {
    ends_with(path(href).trim_end_matches('/'), folder)
}

/// The path of an address, without the server.
fn path(href: &str) -> &str {
    match href.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => href,
    }
}

/// Whether the last segments of `path` are those of `folder`.
fn ends_with(path: &str, folder: &str) -> bool {
    let mut segments = path.split('/').rev();
    folder.rsplit('/').all(|expected| segments.next().and_then(decoded).is_some_and(|found| found == expected))
}

/// An entry in `folder` as a file; `None` if it is none that may be named. Its size is 0 where the entry does not say it.
pub(super) fn file(entry: &Entry, folder: &str) -> Option<Listing> {
    if entry.is_folder || entry.status == Some(404) {
        return None;
    }
    let name = name(&entry.href, folder)?;
    let bytes = entry.bytes.unwrap_or(0);
    Some(Listing { name, bytes, version: version(entry.tag.as_deref(), entry.modified.as_deref(), bytes) })
}

/// The version of a file, as both listings and headers say it.
pub(super) fn version(tag: Option<&str>, modified: Option<&str>, bytes: u64) -> Version {
    let text = match (tag.map(|tag| tag.trim_start_matches("W/").trim_matches('"')), modified) {
        (Some(tag), _) if !tag.is_empty() => tag.to_owned(),
        (_, Some(modified)) => format!("{modified}/{bytes}"),
        (_, None) => bytes.to_string(),
    };
    Version(if text.len() <= VERSION_BYTES_MAX { text } else { "unknown".to_owned() })
}

/// A segment without its encoding; `None` if it is not UTF-8 then.
fn decoded(segment: &str) -> Option<String> {
    String::from_utf8(percent::decoded(segment)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_addresses_of_any_form() {
        for href in [
            "/dav/files/ada/carry/h/a%20b.head",
            "https://cloud.example.org/dav/carry/h/a b.head",
            "http://10.0.0.1:8080/elsewhere/carry/h/%61%20b.head",
            "/carry/h/a%20b.head",
            "/x%2Fy/c%61rry/h/a b.head",
        ] {
            assert_eq!(name(href, "carry/h").as_deref(), Some("a b.head"), "{href}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for href in [
            "",
            "/",
            "https://example.org",
            "/dav/carry/h/",
            "/dav/carry/h",
            "/dav/carry/h/deeper/file",
            "/dav/carry/other/file",
            "/other/h/file",
            "h/file",
            "/carry/h/..",
            "/carry/h/%2e%2e",
            "/carry/h/..%2f..%2fetc%2fpasswd",
            "/carry/h/a%5Cb",
            "/carry/h/a%00b",
            "/carry/h/.hidden",
            "/carry/h/%ff",
            "/carry/h%2Ffile",
        ] {
            assert_eq!(name(href, "carry/h"), None, "{href}");
        }
        let long = format!("/carry/h/{}", "x".repeat(300));
        assert_eq!(name(&long, "carry/h"), None);
    }

    #[test]
    fn a_folder_is_known_by_its_own_address() {
        for href in ["/dav/carry/h/", "/dav/carry/h", "http://x/c%61rry/h/"] {
            assert!(is_folder(href, "carry/h"), "{href}");
        }
        for href in ["/dav/carry/h/x", "/dav/h/", "http://carry/h", ""] {
            assert!(!is_folder(href, "carry/h"), "{href}");
        }
    }

    #[test]
    fn versions_are_tags_or_times() {
        assert_eq!(version(Some("W/\"a-1\""), Some("then"), 1).0, "a-1");
        assert_eq!(version(Some(""), Some("then"), 7).0, "then/7");
        assert_eq!(version(None, None, 7).0, "7");
        assert_eq!(version(Some(&"x".repeat(300)), None, 7).0, "unknown");
    }
}

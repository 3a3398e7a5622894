//! Files on their way out, whole or one range.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use carry_exchange::remote::{Deadline, Got, Part, Remote as _, RemoteFile};
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::answer::Refusal;

use super::{Exchange, blocking, refused};

/// How long the other side may take for one piece.
const PIECE: Duration = Duration::from_secs(60);

/// A file, or a range of it; without `has_body` only what would be said of it.
pub(super) async fn file(
    exchange: Arc<Exchange>,
    file: RemoteFile,
    headers: &HeaderMap,
    has_body: bool,
) -> Result<Response, Refusal> {
    let (at, name) = (exchange.clone(), file.clone());
    let seen = blocking(move || {
        let nothing = Part::Range { from: 0, bytes: 0 };
        at.remote.get(&name, nothing, &mut io::sink(), &Deadline::NONE).map_err(refused)
    })
    .await?;
    let etag = format!("\"{}\"", seen.version.0);
    let range = wanted(headers, &etag, seen.size);
    let mut response = Response::builder()
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(CACHE_CONTROL, "no-store")
        .header(ACCEPT_RANGES, "bytes")
        .header(ETAG, etag);
    let (from, to) = match range {
        Wanted::Whole => (0, seen.size),
        Wanted::Range(from, to) => {
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_RANGE, format!("bytes {from}-{}/{}", to - 1, seen.size));
            (from, to)
        }
        Wanted::Nothing => {
            response = response
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(CONTENT_RANGE, format!("bytes */{}", seen.size));
            (0, 0)
        }
    };
    let body = if has_body && from < to { pour(exchange, file, from, to, seen) } else { Body::empty() };
    let response = response.header(CONTENT_LENGTH, to - from).body(body);
    response.map_err(|error| Refusal::failed(&error))
}

/// What of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// From there, up to before there; at least one byte.
    Range(u64, u64),
    /// A range that begins after its end.
    Nothing,
}

/// Reads the range, if one is asked for. One that is not understood, or several, do not count, as HTTP has it.
fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let is_other = headers.get(IF_RANGE).is_some_and(|version| version != etag);
    let mut ranges = headers.get_all(RANGE).iter();
    let range = match (ranges.next(), ranges.next()) {
        (Some(range), None) if !is_other => range.to_str().ok().and_then(|text| text.strip_prefix("bytes=")),
        _ => None,
    };
    range.and_then(|range| read_range(range.trim(), size)).unwrap_or(Wanted::Whole)
}

fn read_range(range: &str, size: u64) -> Option<Wanted> {
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u64>().ok() } else { None };
    let (first, last) = range.split_once('-')?;
    if first.is_empty() {
        let from = size - number(last)?.min(size);
        return Some(if from < size { Wanted::Range(from, size) } else { Wanted::Nothing });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some(if first < size { Wanted::Range(first, last.saturating_add(1).min(size)) } else { Wanted::Nothing })
}

/// The bytes, read on a thread of their own while they are taken. A file that changes meanwhile breaks off.
fn pour(exchange: Arc<Exchange>, file: RemoteFile, from: u64, to: u64, seen: Got) -> Body {
    let (pieces, body) = mpsc::channel(2);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut into = Pieces { pieces, runtime };
        let part = Part::Range { from, bytes: to - from };
        let problem = match exchange.remote.get(&file, part, &mut into, &Deadline::NONE) {
            Ok(got) if got.bytes == to - from && got.version == seen.version => return,
            Ok(_) => "it changed".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::debug!(file = file.path(), problem, "a file was not sent to its end");
        // If nobody takes it, nobody needs to know.
        let _ = into.send(Err(io::Error::other("the file cannot be sent to its end")));
    });
    Body::from_stream(stream::unfold(body, |mut body| async move { Some((body.recv().await?, body)) }))
}

/// Passes bytes on to the connection.
struct Pieces {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Pieces {
    fn send(&self, piece: io::Result<Bytes>) -> io::Result<()> {
        let sent = self.runtime.block_on(tokio::time::timeout(PIECE, self.pieces.send(piece)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Ok(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, size: u64) -> Wanted {
        let headers = HeaderMap::from_iter([(RANGE, range.parse().unwrap())]);
        wanted(&headers, "\"1\"", size)
    }

    #[test]
    fn ranges_are_cut_at_the_end_and_bad_ones_do_not_count() {
        assert_eq!(asked("bytes=0-0", 10), Wanted::Range(0, 1));
        assert_eq!(asked("bytes=3-", 10), Wanted::Range(3, 10));
        assert_eq!(asked("bytes=3-100", 10), Wanted::Range(3, 10));
        assert_eq!(asked("bytes=-4", 10), Wanted::Range(6, 10));
        assert_eq!(asked("bytes=-40", 10), Wanted::Range(0, 10));
        assert_eq!(asked(&format!("bytes=0-{}", u64::MAX), 10), Wanted::Range(0, 10));
        for beyond in ["bytes=10-", "bytes=10-11", "bytes=-0", &format!("bytes={0}-{0}", u64::MAX)] {
            assert_eq!(asked(beyond, 10), Wanted::Nothing, "{beyond}");
        }
        assert_eq!(asked("bytes=0-0", 0), Wanted::Nothing);
        for bad in [
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=a-b",
            "lines=0-1",
            "bytes=1",
            "bytes=0-99999999999999999999999",
        ] {
            assert_eq!(asked(bad, 10), Wanted::Whole, "{bad}");
        }
        let twice = HeaderMap::from_iter([(RANGE, "bytes=0-1".parse().unwrap())]);
        let mut twice = twice;
        twice.append(RANGE, "bytes=2-3".parse().unwrap());
        assert_eq!(wanted(&twice, "\"1\"", 10), Wanted::Whole);
        let mut stale = HeaderMap::from_iter([(RANGE, "bytes=0-1".parse().unwrap())]);
        stale.insert(IF_RANGE, "\"0\"".parse().unwrap());
        assert_eq!(wanted(&stale, "\"1\"", 10), Wanted::Whole);
        assert_eq!(wanted(&stale, "\"0\"", 10), Wanted::Range(0, 2));
    }
}

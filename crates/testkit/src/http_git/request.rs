//! Requests of HTTP/1.1, as far as Git makes them.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use super::Shared;

/// Longest head of a request.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// A connection whose bytes are counted and may be cut.
pub(super) struct Wire<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) shared: &'a Shared,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (&mut &*self.stream).read(buffer)?;
        let passed = self.shared.pass(n);
        self.shared.bytes_in.fetch_add(passed as u64, Ordering::SeqCst);
        if passed < n { Err(cut(self.stream)) } else { Ok(n) }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passed = self.shared.pass(bytes.len());
        (&mut &*self.stream).write_all(&bytes[..passed])?;
        self.shared.bytes_out.fetch_add(passed as u64, Ordering::SeqCst);
        if passed < bytes.len() { Err(cut(self.stream)) } else { Ok(passed) }
    }

    fn flush(&mut self) -> io::Result<()> {
        (&mut &*self.stream).flush()
    }
}

fn cut(stream: &TcpStream) -> io::Error {
    let _ = stream.shutdown(std::net::Shutdown::Both);
    io::Error::from(io::ErrorKind::ConnectionReset)
}

/// The head of a request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The next request; `None` when the client is done.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = from.take(HEAD_BYTES_MAX);
        let mut line = || -> io::Result<String> {
            let mut line = String::new();
            head.read_line(&mut line)?;
            Ok(line)
        };
        let first = line()?;
        let mut words = first.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let mut request = Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new() };
        loop {
            let line = line()?;
            if !line.ends_with('\n') {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the request is cut or too long"));
            }
            match line.trim_end().split_once(':') {
                None => return Ok(Some(request)),
                Some((name, value)) => request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            }
        }
    }

    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether this header says so, in whatever case.
    pub(super) fn says(&self, name: &str, value: &str) -> bool {
        self.header(name).is_some_and(|said| said.eq_ignore_ascii_case(value))
    }

    /// Copies the body to `to`. An error where it ends early.
    pub(super) fn copy_body(&self, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
        if self.says("transfer-encoding", "chunked") {
            loop {
                let mut size = String::new();
                from.take(64).read_line(&mut size)?;
                let digits = size.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(digits, 16)
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("no chunk size: {digits:?}")))?;
                copy_exactly(from, size, to)?;
                // Each chunk, the last included, is followed by an empty line; Git sends no trailers.
                from.take(2).read_line(&mut String::new())?;
                if size == 0 {
                    return Ok(());
                }
            }
        }
        match self.header("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => copy_exactly(from, length, to),
            None => Ok(()),
        }
    }
}

fn copy_exactly(from: &mut impl BufRead, bytes: u64, to: &mut impl Write) -> io::Result<()> {
    let copied = io::copy(&mut from.take(bytes), to)?;
    if copied == bytes { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
}

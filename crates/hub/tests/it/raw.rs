//! HTTP by hand: what no decent client sends.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The named reason of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.header("carry-error").unwrap_or_default()
    }
}

/// Sends these bytes and reads all that comes until the other side closes. `None` if nothing came.
pub(crate) fn send(at: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(at).unwrap();
    // The other side may have had enough before all is sent.
    let _ = stream.write_all(bytes);
    read(stream)
}

/// Reads what comes until the other side closes.
pub(crate) fn read(mut stream: TcpStream) -> Option<Answer> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..n]);
    }
    let _ = stream.shutdown(Shutdown::Both);
    let text = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A request of one credential with these further headers, each with its line end; the connection closes after it.
pub(crate) fn ask(at: SocketAddr, line: &str, token: &str, headers: &str, body: &[u8]) -> Answer {
    let head =
        format!("{line} HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{headers}\r\n");
    send(at, &[head.as_bytes(), body].concat()).unwrap_or_else(|| panic!("no answer to {line}"))
}

/// Puts these bytes.
pub(crate) fn put(at: SocketAddr, path: &str, token: &str, bytes: &[u8]) -> Answer {
    ask(at, &format!("PUT {path}"), token, &format!("Content-Length: {}\r\n", bytes.len()), bytes)
}

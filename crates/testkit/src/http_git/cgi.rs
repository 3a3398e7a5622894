//! Answers requests: refuses them, or hands them to `git http-backend` as CGI (RFC 3875).

use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::request::{Request, Wire};
use super::{Refusal, Shared, lock};
use crate::git;

/// Serves one connection until the client is done, or something breaks.
pub(super) fn serve(shared: &Shared, stream: &TcpStream, is_too_many: bool) {
    let mut input = BufReader::new(Wire { stream, shared });
    let mut output = Wire { stream, shared };
    // Whatever fails here, the client sees a closed connection.
    while let Ok(Some(request)) = Request::read(&mut input) {
        let refusal = if is_too_many { Some(Refusal::Unavailable) } else { refusal(shared, &request) };
        let status = match refusal {
            Some(refusal) => refuse(refusal, &mut output).map(|()| (refusal_status(refusal).to_owned(), false)),
            None => answer(shared, &request, &mut input, &mut output).map(|status| (status, true)),
        };
        let said = status.as_ref().map_or("cut", |(status, _)| status);
        let how = [("content-encoding", "gzip"), ("transfer-encoding", "chunked")];
        let how: String =
            how.iter().filter(|(name, how)| request.says(name, how)).map(|(_, how)| format!(" {how}")).collect();
        shared.note(format!("{} {} {said}{how}", request.method, request.target));
        // What a refused client goes on to send is not waited for.
        if !status.is_ok_and(|(_, goes_on)| goes_on) || request.says("connection", "close") {
            return;
        }
    }
}

fn refusal(shared: &Shared, request: &Request) -> Option<Refusal> {
    let ordered = *lock(&shared.refusal);
    let wrong = request.header("authorization") != Some(shared.authorization.as_str());
    ordered.or_else(|| wrong.then_some(Refusal::Unauthorized))
}

fn refusal_status(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unauthorized => "401 Unauthorized",
        Refusal::Forbidden => "403 Forbidden",
        Refusal::Unavailable => "503 Service Unavailable",
    }
}

fn refuse(refusal: Refusal, output: &mut impl Write) -> io::Result<()> {
    let status = refusal_status(refusal);
    let asks = if refusal == Refusal::Unauthorized { "WWW-Authenticate: Basic realm=\"tests\"\r\n" } else { "" };
    output.write_all(format!("HTTP/1.1 {status}\r\n{asks}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
}

/// Has the backend answer; returns the status.
///
/// The backend gets the whole body or none: `git http-backend` reads on for ever where a body ends early. It ends by itself: its
/// input does, and once nobody reads its output it cannot write.
fn answer(shared: &Shared, request: &Request, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<String> {
    if request.says("expect", "100-continue") {
        output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = tempfile::tempfile()?;
    request.copy_body(input, &mut body)?;
    body.rewind()?;
    let mut backend = backend(shared, request).stdin(body).spawn()?;
    let status = relay(&mut backend, output);
    backend.wait()?;
    status
}

/// Sends on what the backend says, in chunks.
fn relay(backend: &mut Child, output: &mut impl Write) -> io::Result<String> {
    let mut from = BufReader::new(backend.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut status = "200 OK".to_owned();
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            status = "500 Internal Server Error".to_owned();
            break;
        }
        match line.trim_end() {
            "" => break,
            line => match line.strip_prefix("Status: ") {
                Some(said) => status = said.to_owned(),
                // The length is that of the body before it is cut into chunks.
                None if line.to_ascii_lowercase().starts_with("content-length:") => {}
                None => head.extend([line, "\r\n"]),
            },
        }
    }
    output.write_all(format!("HTTP/1.1 {status}\r\n{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = from.read(&mut buffer)?;
        let mut chunk = format!("{n:x}\r\n").into_bytes();
        chunk.extend_from_slice(&buffer[..n]);
        chunk.extend_from_slice(b"\r\n");
        output.write_all(&chunk)?;
        if n == 0 {
            return Ok(status);
        }
    }
}

fn backend(shared: &Shared, request: &Request) -> Command {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut backend = Command::new("git");
    git::isolate(&mut backend, &shared.root);
    backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_ADDR", "127.0.0.1")
        // Without a user, writing would be refused.
        .env("REMOTE_USER", super::USER)
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-length", "CONTENT_LENGTH"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        match request.header(header) {
            Some(value) => backend.env(variable, value),
            None => backend.env_remove(variable),
        };
    }
    backend
}

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;

/// Sends a request as it is written, and reads the whole answer.
fn say(server: &Dav, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let request = request.replace('\n', "\r\n");
    stream.write_all(request.as_bytes()).expect("it takes requests");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(server: &Dav, headers: &str) -> String {
    say(server, &format!("GET /a/b HTTP/1.1\nhost: x\nconnection: close\n{headers}\n"))
}

#[test]
fn who_is_not_known_sees_nothing() {
    let server = Dav::start();
    server.plant("/a/b", b"content");
    assert!(get(&server, "").starts_with("HTTP/1.1 401 "));
    let answer = get(&server, &format!("authorization: {AUTHORIZATION}\n"));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("content"), "{answer}");
    server.set(Quirks { is_open: true, ..Quirks::default() });
    assert!(get(&server, "").ends_with("content"));
    assert_eq!(server.count("GET /a/b"), 3);
}

#[test]
fn files_come_and_go_behind_its_back() {
    let server = Dav::start();
    server.plant("/x y/\u{e4}", b"1");
    server.plant("/x y/c", b"22");
    let files = server.files("/");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["/", "/x y/", "/x y/c", "/x y/\u{e4}"]);
    assert_eq!(files["/x y/c"], "22");
    assert!(server.uproot("/x y") && !server.uproot("/x y"));
    assert_eq!(server.files("/").len(), 1);
}

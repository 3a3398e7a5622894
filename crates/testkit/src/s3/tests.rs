use super::*;

#[test]
fn who_does_not_sign_is_not_let_in() {
    use std::io::{Read as _, Write as _};
    let server = S3::start();
    server.plant("a", b"x");
    let mut stream = std::net::TcpStream::connect(server.server.address()).expect("it listens");
    write!(stream, "GET /{BUCKET}/a HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.server.address())
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(server.requests(), [format!("GET /{BUCKET}/a")]);
    assert_eq!(server.count("GET"), 1);
}

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use reqwest::{Method, Url};

use crate::location::Origin;
use crate::remote::pipe::PIECE_BYTES;

use super::*;

const BODY_BYTES: usize = 4 * PIECE_BYTES;

/// Sends a body to a server that takes all of it, and asks for this pace.
fn send_at(pace: Pace) -> Result<StatusCode, RemoteError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut bytes, mut taken) = (vec![0; 64 * 1024], 0);
        while taken < BODY_BYTES {
            match stream.read(&mut bytes) {
                Ok(n) if n > 0 => taken += n,
                // The client left.
                _ => return,
            }
        }
        // It may have left just now.
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
    });
    let origin = Origin { is_encrypted: false, host: "127.0.0.1".to_owned(), port: Some(address.port()) };
    let http = Http {
        place: "there".to_owned(),
        client: client::build(&origin, None, Duration::from_secs(1)).unwrap(),
        runtime: client::runtime().unwrap(),
        silence: Duration::from_secs(60),
        pace,
    };
    let request = reqwest::Request::new(Method::PUT, Url::parse(&format!("http://{address}/x")).unwrap());
    let mut left = BODY_BYTES / PIECE_BYTES;
    let mut next = || {
        let is_left = left > 0;
        left = left.saturating_sub(1);
        Ok(is_left.then(|| Bytes::from(vec![7; PIECE_BYTES])))
    };
    let body = Pieces { bytes: BODY_BYTES as u64, next: &mut next };
    let answer = http.send(request, Some(body), How::EFFECT, &Deadline::NONE).map(|answer| answer.status());
    drop(http);
    server.join().unwrap();
    answer
}

#[test]
fn who_takes_a_body_too_slowly_is_left() {
    assert_eq!(send_at(Pace::new(Duration::from_secs(60), BYTES_PER_SECOND_MIN)).unwrap(), StatusCode::CREATED);
    // What the machine buffers counts as taken, so that no rate that it can reach is asked for.
    let error = send_at(Pace::new(Duration::ZERO, u64::MAX)).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("slower than any that works"), "{error:?}");
}

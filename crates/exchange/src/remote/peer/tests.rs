use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;

fn origin(host: &str, is_encrypted: bool) -> Origin {
    Origin { is_encrypted, host: host.to_owned(), port: Some(1) }
}

fn token() -> Token {
    Token::new("0123456789abcdef").unwrap()
}

#[test]
fn a_credential_is_read_and_never_shown() {
    assert_eq!(Token::new(" 0123456789abcdef\n"), Ok(token()));
    for wrong in ["", "short", "with space in the middle", "0123456789abcdef\n0", "0123456789abcdé", &"x".repeat(513)]
    {
        let error = Token::new(wrong).unwrap_err().to_string();
        assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
    }
    assert_eq!(format!("{:?}", token()), "Token");
    let remote = PeerRemote::new(&origin("localhost", false), "/hub", &token(), None).unwrap();
    let shown = format!("{remote:?} {}", remote.place());
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
    assert_eq!(remote.place(), "http://localhost:1/hub");
}

#[test]
fn files_and_folders_have_addresses_that_read_one_way() {
    let file = |folder, name| address::of(&RemoteFile::new(folder, name).unwrap());
    assert_eq!(file(Folder::Root, "format.json"), "format.json");
    assert_eq!(file(Folder::Heads, "a (copy) 1%2F?#ü.head"), "h/a%20%28copy%29%201%252F%3F%23%C3%BC.head");
    assert_eq!(address::of_folder(Folder::Root), "");
    assert_eq!(address::of_folder(Folder::Heads), "h/");
    let log = crate::name::LogId::of_key(&[1; 32]);
    assert_eq!(address::of_folder(Folder::Log(log)), format!("l/{log}/"));
}

fn take(pages: &mut page::Pages, body: &str) -> Result<Vec<String>, &'static str> {
    let page = page::Page::read(body.as_bytes()).ok_or("unreadable")?;
    Ok(pages.take(page)?.into_iter().map(|file| file.name).collect())
}

fn files(names: &[&str], next: &str) -> String {
    let files: Vec<_> = names.iter().map(|name| format!(r#"{{"name":"{name}","bytes":1,"version":"v"}}"#)).collect();
    format!(r#"{{"files":[{}],"next":{next}}}"#, files.join(","))
}

#[test]
fn pages_that_lead_in_circles_or_hold_too_much_are_refused() {
    let mut pages = page::Pages::default();
    assert_eq!(take(&mut pages, &files(&["a", "../b", "c"], "\"1\"")).unwrap_err(), "a listing is not in order");
    let mut pages = page::Pages::default();
    assert_eq!(take(&mut pages, &files(&["../b", ".c", "a", "b"], "\"1\"")).unwrap(), ["a", "b"], "plain names only");
    assert_eq!(pages.cursor(), Some("1"));
    assert_eq!(take(&mut pages, &files(&["b"], "null")).unwrap_err(), "a listing is not in order");
    assert_eq!(take(&mut pages, &files(&[], "\"1\"")).unwrap_err(), "a listing has no end");
    assert_eq!(take(&mut pages, &files(&["c"], "null")).unwrap(), ["c"]);
    assert_eq!(pages.cursor(), None);
    let many: Vec<String> = (0..1001).map(|n| format!("{n:04}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for wrong in [files(&many, "null"), files(&[], "7"), "[]".to_owned(), "{\"files\":[{}],\"next\":null}".to_owned()] {
        assert_eq!(take(&mut page::Pages::default(), &wrong), Err("unreadable"));
    }
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("ca.pem");
    let error = |path: &Path| PeerRemote::new(&origin("example.org", true), "", &token(), Some(path)).unwrap_err();
    assert!(error(&path).to_string().contains("ca.pem"));
    carry_kernel::disk::write_cache(&path, b"nothing of the kind").unwrap();
    let cause = std::error::Error::source(&error(&path)).unwrap().to_string();
    assert!(cause.contains("no certificate"), "{cause}");
}

#[test]
fn a_server_that_is_not_there_is_out_of_reach() {
    // Nobody listens at that port, and no other test is given it.
    let at = Origin { port: Some(1), ..origin("127.0.0.1", false) };
    let remote = PeerRemote::new(&at, "", &token(), None).unwrap();
    let error = remote.check(&Deadline::NONE).unwrap_err();
    assert_eq!(error.class(), crate::remote::Class::Unreachable, "{error:?}");
}

/// Reads a request's headers.
fn heard(stream: &mut TcpStream) {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        heard.push(byte[0]);
    }
}

/// Whether the client went away within 2 ms.
fn is_gone(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    !matches!(stream.read(&mut [0]), Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// The same, with little patience, for who moves so many bytes a second.
fn with_pace(mut remote: PeerRemote, bytes_per_second_min: u64) -> PeerRemote {
    remote.http.pace = Pace::new(Duration::from_millis(500), bytes_per_second_min);
    remote
}

/// A server whose answers are sent a byte at a time, with 2 ms between; and a client with little patience.
fn dripping(answers: impl Fn(usize) -> String + Send + 'static) -> PeerRemote {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for n in 0.. {
            let Ok((mut stream, _)) = listener.accept() else { return };
            heard(&mut stream);
            let answer = answers(n);
            let length = answer.len();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            for byte in answer.bytes() {
                if is_gone(&mut stream) || stream.write_all(&[byte]).is_err() {
                    break;
                }
            }
        }
    });
    let at = Origin { port: Some(port), ..origin("127.0.0.1", false) };
    let remote = PeerRemote::new(&at, "", &token(), None).unwrap();
    with_pace(remote, 8 * 1024)
}

#[track_caller]
fn assert_slow<T: std::fmt::Debug>(done: Result<T, RemoteError>) {
    let error = done.unwrap_err();
    assert_eq!(error.class(), crate::remote::Class::Unreachable, "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("slower than 8 KiB/s"), "{cause}");
}

#[test]
fn who_drips_a_file_is_left() {
    let remote = dripping(|_| "x".repeat(2000));
    let file = RemoteFile::new(Folder::Heads, "a").unwrap();
    let got = remote.get(&file, Part::Whole { bytes_max: 4000 }, &mut Vec::new(), &Deadline::NONE);
    assert_slow(got);
}

#[test]
fn who_drips_small_pages_is_left() {
    // Each is soon there; all hundred are not.
    let page = |n: usize| {
        let next = if n < 100 { "\"1\"" } else { "null" };
        format!(r#"{{"files":[{{"name":"{n:03}","bytes":1,"version":""}}],"next":{next}}}"#)
    };
    let remote = dripping(page);
    let mut n_files = 0;
    let listed = remote.list(Folder::Heads, &Deadline::NONE, &mut |files| {
        n_files += files.len();
        ControlFlow::Continue(())
    });
    assert_slow(listed);
    assert!(n_files < 100);
}

#[test]
fn who_takes_a_file_drop_by_drop_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = vec![0; 32 * 1024 * 1024];
    let n_bytes = bytes.len();
    std::thread::spawn(move || {
        // It has not got the file, and takes it a little at a time, with 20 ms between.
        let (mut stream, _) = listener.accept().unwrap();
        heard(&mut stream);
        let none = "HTTP/1.1 404 Not Found\r\nCarry-Error: not_there\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(none.as_bytes()).unwrap();
        heard(&mut stream);
        let (_never, silence) = std::sync::mpsc::channel::<()>();
        let (mut piece, mut taken) = (vec![0; 64 * 1024], 0);
        while taken < n_bytes {
            match stream.read(&mut piece) {
                Ok(n) if n > 0 => taken += n,
                _ => return,
            }
            let _ = silence.recv_timeout(Duration::from_millis(20));
        }
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    });
    let at = Origin { port: Some(port), ..origin("127.0.0.1", false) };
    let remote = PeerRemote::new(&at, "", &token(), None).unwrap();
    // What the machine buffers counts as taken, so that no rate that it can reach is asked for.
    let remote = with_pace(remote, u64::MAX);
    let log = crate::name::LogId::of_key(&[1; 32]);
    let id = crate::name::ObjectId::of(crate::hash::Digest::of(&[b"x"]));
    let file = RemoteFile::object(&crate::name::ObjectName::List { log, id });
    assert_slow(remote.put(&file, Source::Bytes(&bytes), &Deadline::NONE));
}

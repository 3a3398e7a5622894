//! Connections that break, servers that die, and others that only look like one.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use carry_exchange::name::{FORMAT_BYTES, Folder};
use carry_exchange::remote::{Class, Deadline, Part, Put, Remote as _, RemoteFile, Retry, Retrying, Source};

use crate::hub::{Hub, peer_at, published};
use crate::rig::{NoTime, WHOLE, get, head, names};

const ALL: Part = Part::Whole { bytes_max: 1 << 30 };

/// A way to a server that lets through so many bytes of each connection, in each direction.
struct Cutter {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Cutter {
    fn new(server: SocketAddr, up_max: usize, down_max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cutter = Self { address: listener.local_addr().unwrap(), connections: Arc::default() };
        let connections = cutter.connections.clone();
        // It ends with the tests' process.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { return };
                connections.fetch_add(1, Ordering::SeqCst);
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(from, to, up_max));
                std::thread::spawn(move || pass(server, client, down_max));
            }
        });
        cutter
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, max: usize) {
    let (mut passed, mut piece) = (0, [0; 8192]);
    while let Ok(n @ 1..) = from.read(&mut piece) {
        let n = n.min(max - passed);
        if n == 0 || to.write_all(&piece[..n]).is_err() {
            break;
        }
        passed += n;
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_get_that_breaks_goes_on_where_it_stopped() {
    let hub = Hub::new();
    let [segment, ..] = published(1, 10, 100_000);
    let token = hub.token("laptop");
    hub.peer("laptop").put(&segment.file(), Source::Bytes(&segment.bytes), &Deadline::NONE).unwrap();
    let len = segment.bytes.len();
    let cutter = Cutter::new(hub.address(), usize::MAX, len / 4);
    let peer = peer_at(cutter.address, &hub.token("laptop"));
    assert!(get(&peer, &segment.file(), ALL).unwrap().0 == segment.bytes);
    let connections = cutter.connections.load(Ordering::SeqCst);
    assert!((5..=6).contains(&connections), "each brought a part: {connections}");
    let (from, bytes) = (1000, len as u64 / 2);
    let part = get(&peer, &segment.file(), Part::Range { from, bytes }).unwrap().0;
    assert!(part == segment.bytes[1000..1000 + len / 2]);
    // Too little comes through for even one header.
    let narrow = Cutter::new(hub.address(), usize::MAX, 20);
    let error = get(&peer_at(narrow.address, &token), &segment.file(), ALL).unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
}

#[test]
fn a_put_that_breaks_leaves_nothing_and_can_be_done_again() {
    let mut hub = Hub::new();
    let [segment, ..] = published(1, 10, 100_000);
    let token = hub.token("laptop");
    let cutter = Cutter::new(hub.address(), segment.bytes.len() / 2, usize::MAX);
    let error = peer_at(cutter.address, &token).put(&segment.file(), Source::Bytes(&segment.bytes), &Deadline::NONE);
    assert_eq!(error.unwrap_err().class(), Class::Unreachable);
    // All is taken, and the answer is lost.
    let silent = Cutter::new(hub.address(), usize::MAX, 0);
    let answered = peer_at(silent.address, &token).put(&segment.file(), Source::Bytes(&segment.bytes), &Deadline::NONE);
    assert_eq!(answered.unwrap_err().class(), Class::Unreachable);
    hub.stop();
    let files = hub.files();
    assert!(files.is_empty() || files == [segment.name.path()], "all or nothing: {files:?}");
    hub.start();
    let put =
        peer_at(hub.address(), &token).put(&segment.file(), Source::Bytes(&segment.bytes), &Deadline::NONE).unwrap();
    assert!(matches!(put, Put::Created | Put::Exists { .. }));
    assert!(get(&peer_at(hub.address(), &token), &segment.file(), ALL).unwrap().0 == segment.bytes);
}

#[test]
fn a_server_that_dies_and_comes_back_is_found_again() {
    let mut hub = Hub::new();
    let remote = Retrying::with_pause(hub.peer("laptop"), Retry::default(), 1, NoTime);
    let objects = published(1, 10, 1000);
    for object in &objects {
        remote.put(&object.file(), Source::Bytes(&object.bytes), &Deadline::NONE).unwrap();
        hub.kill();
        let gone = remote.check(&Deadline::NONE).unwrap_err();
        assert_eq!(gone.class(), Class::Unreachable, "{gone:?}");
        hub.start();
        assert!(get(&remote, &object.file(), WHOLE).unwrap().0 == object.bytes);
    }
    assert_eq!(names(&remote, Folder::Heads).unwrap().len(), 1);
    let from_dead_server = hub.setup.place.incoming.join("half");
    carry_kernel::disk::write_cache(&from_dead_server, b"half").unwrap();
    hub.stop();
    hub.start();
    assert!(!from_dead_server.exists());
}

/// A server that gives each connection the next of these answers, and keeps what it was asked.
fn impostor(answers: Vec<String>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(n @ 1..) => request.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
            kept.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    (address, asked)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

const TOKEN: &str = "a-token-of-these-tests";

#[test]
fn a_redirect_is_never_followed() {
    let (trap, trapped) = impostor(vec![answer("200 OK", "", "")]);
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let (address, asked) = impostor(vec![answer(status, &format!("Location: http://{trap}/\r\n"), "")]);
        let error = peer_at(address, TOKEN).check(&Deadline::NONE).unwrap_err();
        assert_eq!(error.class(), Class::Internal);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("redirects") && !format!("{error:?}").contains(TOKEN), "{cause}");
        assert!(asked.lock().unwrap()[0].contains(TOKEN));
    }
    assert_eq!(trapped.lock().unwrap().len(), 0);
}

#[test]
fn answers_that_no_exchange_gives_are_refused() {
    let ask = |answers: &[String]| peer_at(impostor(answers.to_vec()).0, TOKEN);
    let class = |answers: &[String], part: Part| get(&ask(answers), &head(1), part).unwrap_err().class();
    let ranged = Part::Range { from: 10, bytes: 5 };
    // Less than was said, and nothing more the next time.
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nxx".to_owned();
    let empty = "HTTP/1.1 206 Partial\r\nContent-Length: 8\r\nContent-Range: bytes 2-9/10\r\nConnection: close\r\n\r\n"
        .to_owned();
    assert_eq!(class(&[short.clone(), empty], WHOLE), Class::Unreachable);
    // Another file the next time.
    let other = answer("206 Partial", "Content-Range: bytes 2-9/10\r\nETag: \"other\"\r\n", "12345678");
    assert_eq!(class(&[short, other], WHOLE), Class::Changing);
    for wrong in [
        answer("200 OK", "", "a whole file where a part was asked for"),
        answer("206 Partial", "Content-Range: bytes 0-4/100\r\n", "12345"),
        answer("206 Partial", "Content-Range: bytes 10-99/100\r\n", "12345"),
        answer("206 Partial", "Content-Range: bytes 10-14/12\r\n", "12345"),
        answer("206 Partial", "Content-Range: bytes 10-14/100\r\n", "123456"),
        answer("206 Partial", "", "12345"),
        answer("418 Teapot", "", ""),
        answer("404 Not Found", "", "<html>"),
    ] {
        assert_eq!(class(std::slice::from_ref(&wrong), ranged), Class::Internal, "{wrong}");
    }
    assert_eq!(class(&["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nno length".to_owned()], WHOLE), Class::Internal);
    let large = answer("200 OK", "", &"x".repeat(2 << 20));
    assert_eq!(class(&[large], WHOLE), Class::TooLarge);
    for (status, headers, expected) in [
        ("429 Slow", "Retry-After: 7\r\n", Class::Busy),
        ("503 Busy", "Retry-After: 99999999999999999999\r\n", Class::Busy),
        ("401 Who", "", Class::Denied),
        ("403 No", "", Class::Denied),
        ("507 Full", "", Class::Full),
        ("502 Bad", "", Class::Unreachable),
        ("404 Gone", "Carry-Error: not_there\r\n", Class::NotThere),
        ("404 Gone", "Carry-Error: no_marker\r\n", Class::NoMarker),
    ] {
        assert_eq!(class(&[answer(status, headers, "{\"message\":\"\\u001b[31m\"}")], WHOLE), expected, "{status}");
    }
}

#[test]
fn a_marker_or_a_listing_that_is_not_ours_is_refused() {
    let peer = |body: &str| peer_at(impostor(vec![answer("200 OK", "", body)]).0, TOKEN);
    peer(std::str::from_utf8(FORMAT_BYTES).unwrap()).check(&Deadline::NONE).unwrap();
    assert_eq!(
        peer("{\"carry\":\"exchange\",\"format\":2}\n").check(&Deadline::NONE).unwrap_err().class(),
        Class::WrongFormat
    );
    assert_eq!(peer("<html>log in</html>").check(&Deadline::NONE).unwrap_err().class(), Class::WrongFormat);
    assert_eq!(peer(&"x".repeat(100_000)).check(&Deadline::NONE).unwrap_err().class(), Class::Internal);
    for listing in [
        "",
        "[]",
        "{\"files\":[],\"next\":\"61\"}",
        &format!("{{\"files\":[],\"next\":null,\"x\":\"{}\"}}", "x".repeat(5 << 20)),
    ] {
        let listed = peer(listing).list(Folder::Heads, &Deadline::NONE, &mut |_| ControlFlow::Continue(()));
        assert_eq!(listed.unwrap_err().class(), Class::Internal, "{}", listing.len());
    }
    let there = RemoteFile::new(Folder::Heads, "x").unwrap();
    assert_eq!(peer("").delete(&there, &Deadline::NONE).unwrap_err().class(), Class::InvalidName);
    assert_eq!(
        peer("{\"bytes\":\"many\"}").put(&head(1), Source::Bytes(b"x"), &Deadline::NONE).unwrap_err().class(),
        Class::Internal
    );
}

/// Says to the other process that it is to ask.
const ASKS: &str = "TEST_HUB_ASKS";

/// What the other process runs.
#[test]
fn asks() {
    if std::env::var_os(ASKS).is_none() {
        return;
    }
    let hub = Hub::new();
    let [segment, ..] = published(1, 10, 1000);
    let peer = hub.peer("laptop");
    peer.put(&segment.file(), Source::Bytes(&segment.bytes), &Deadline::NONE).unwrap();
    assert!(get(&peer, &segment.file(), ALL).unwrap().0 == segment.bytes);
}

#[test]
fn no_proxy_is_asked_for_this_machine() {
    // A proxy that takes connections and never answers: it must not even be asked.
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let mut other = std::process::Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "unsteady::asks"]).env(ASKS, "1").env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        other.env(name, &address).env(name.to_lowercase(), &address);
    }
    let run = other.output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
    assert!(proxy.accept().is_err(), "the proxy was asked");
}

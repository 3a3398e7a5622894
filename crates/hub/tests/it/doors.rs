//! Who gets in, and what is done with those who want too much.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use carry_exchange::remote::{Class, Deadline, Put, Remote as _, Source};
use carry_hub::credential;
use carry_hub::rate::Rate;
use carry_hub::run::{self, ServeError};
use carry_kernel::clock::Timestamp;

use crate::hub::{Hub, peer_at, published};
use crate::raw::{ask, read, send};

const LISTING: &str = "/carry/v1/exchange/h/";

#[test]
fn only_health_is_told_to_strangers() {
    let hub = Hub::new();
    let token = hub.token("laptop");
    let at = hub.address();
    let bare = |line: &str, headers: &str| {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        send(at, request.as_bytes()).unwrap()
    };
    let health = bare("GET /carry/v1/health", "");
    assert_eq!(
        (health.status, health.body.as_str()),
        (200, concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n"))
    );
    for line in [
        "GET /carry/v1/exchange/format.json",
        "GET /carry/v1/exchange/h/",
        "PUT /carry/v1/exchange/h/x",
        "DELETE /carry/v1/exchange/h/x",
        "OPTIONS /carry/v1/exchange/h/",
        "GET /carry/v1/exchange/h/?after=x&wait=30",
    ] {
        for headers in [
            "".to_owned(),
            "Authorization: Bearer wrong-wrong-wrong-wrong\r\n".to_owned(),
            format!("Authorization: Basic {token}\r\n"),
            format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        ] {
            let answer = bare(line, &headers);
            if answer.status == 429 {
                // So many wrong ones are enough for one address; the first were told why.
                continue;
            }
            assert_eq!((answer.status, answer.code()), (401, "credential"), "{line}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"carry\""));
            assert!(answer.body.contains("carry serve token"), "{}", answer.body);
            assert!(!answer.body.contains(&token));
        }
    }
    for reserved in ["/", "/health", "/metrics", "/sync/x", "/admin/", "/carry/v1/exchange"] {
        assert_eq!(bare(&format!("GET {reserved}"), "").status, 404, "{reserved}");
    }
    // Another address would get in; this one has guessed for too long only if it sends a wrong one again.
    let denied = peer_at(at, "not-a-credential-of-this-server").check(&Deadline::NONE).unwrap_err();
    assert!(matches!(denied.class(), Class::Denied | Class::Busy), "{denied:?}");
}

#[test]
fn a_wrong_credential_is_denied_with_what_to_do_and_guessing_ends() {
    let hub = Hub::new();
    let right = hub.token("laptop");
    let wrong = peer_at(hub.address(), "not-a-credential-of-this-server");
    let error = wrong.check(&Deadline::NONE).unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("401") && cause.contains("carry serve token"), "{cause}");
    let classes: Vec<Class> = (0..40).map(|_| wrong.check(&Deadline::NONE).unwrap_err().class()).collect();
    assert_eq!(classes.last(), Some(&Class::Busy), "{classes:?}");
    let busy = peer_at(hub.address(), &right).check(&Deadline::NONE).unwrap_err();
    assert!(busy.retry_after().is_some_and(|wait| wait <= Duration::from_secs(1)), "{busy:?}");
}

#[test]
fn a_credential_that_is_taken_away_ends() {
    let hub = Hub::new();
    let peer = hub.peer("laptop");
    peer.check(&Deadline::NONE).unwrap();
    credential::revoke(&hub.setup.token_file, "laptop").unwrap();
    // The file is looked at once a second; each further question is one more look at the clock.
    let denied = (0..100_000).find_map(|_| peer.check(&Deadline::NONE).err()).unwrap();
    assert_eq!(denied.class(), Class::Denied);
}

#[test]
fn other_names_and_pages_of_other_sites_are_turned_away() {
    let hub = Hub::with(|setup| setup.hosts = vec!["hub.example.org".to_owned()]);
    let (token, at) = (hub.token("laptop"), hub.address());
    let with = |headers: &str| {
        let request =
            format!("GET {LISTING} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{headers}\r\n");
        let answer = send(at, request.as_bytes()).unwrap();
        (answer.status, answer.code().to_owned())
    };
    let ok = (200, String::new());
    for ours in ["localhost", "127.0.0.1:7777", "[::1]", "hub.example.org", "HUB.EXAMPLE.ORG:443"] {
        assert_eq!(with(&format!("Host: {ours}\r\n")), ok, "{ours}");
    }
    let refused = (421, "host".to_owned());
    for foreign in ["evil.example.org", "localhost.evil.org", "192.168.1.1", ""] {
        assert_eq!(with(&format!("Host: {foreign}\r\n")), refused, "{foreign}");
    }
    assert_eq!(with(""), refused);
    assert_eq!(with("Host: localhost\r\nHost: evil.org\r\n"), refused);
    for origin in ["https://evil.org", "null", "http://localhost.evil.org"] {
        assert_eq!(with(&format!("Host: localhost\r\nOrigin: {origin}\r\n")), (403, "origin".to_owned()), "{origin}");
    }
    assert_eq!(with("Host: localhost\r\nOrigin: http://localhost:7777\r\n"), ok);
    assert_eq!(with("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), (403, "origin".to_owned()));
    let absolute = format!("GET http://evil.org{LISTING} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(send(at, absolute.as_bytes()).unwrap().status, 421);
    let answer = ask(at, &format!("OPTIONS {LISTING}"), &token, "Access-Control-Request-Method: PUT\r\n", b"");
    assert!(answer.status == 405 && !answer.head.to_lowercase().contains("access-control"), "{}", answer.head);
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let hub = Hub::with(|setup| setup.of_caller = Rate { per_second: 1, burst: 5 });
    let (laptop, desktop) = (hub.peer("laptop"), hub.peer("desktop"));
    let busy = (0..100).find_map(|_| laptop.check(&Deadline::NONE).err()).unwrap();
    assert_eq!(busy.class(), Class::Busy);
    assert_eq!(busy.retry_after(), Some(Duration::from_secs(1)));
    desktop.check(&Deadline::NONE).unwrap();
    let hub = Hub::with(|setup| setup.of_address = Rate { per_second: 1, burst: 5 });
    let peers = [hub.peer("laptop"), hub.peer("desktop")];
    let busy = (0..100).find_map(|n| peers[n % 2].check(&Deadline::NONE).err()).unwrap();
    assert_eq!(busy.class(), Class::Busy, "both have one address");
}

#[test]
fn behind_a_proxy_the_address_is_the_one_that_the_proxy_says() {
    let hub = Hub::with(|setup| {
        setup.behind_proxy = true;
        setup.of_address = Rate { per_second: 1, burst: 5 };
    });
    let (token, at) = (hub.token("laptop"), hub.address());
    let of =
        |said: &str| ask(at, &format!("GET {LISTING}"), &token, &format!("X-Forwarded-For: {said}\r\n"), b"").status;
    assert!(
        (0..50).any(|n| of(&format!("10.0.0.{n}, 192.0.2.1")) == 429),
        "what the client says before does not count"
    );
    assert_eq!(of("192.0.2.1, 192.0.2.2"), 200);
}

#[test]
fn headers_that_are_too_large_too_many_or_too_slow_end_the_connection() {
    let hub = Hub::with(|setup| setup.limits.headers = Duration::from_millis(300));
    let at = hub.address();
    let large = format!("GET {LISTING} HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(send(at, large.as_bytes()).is_none_or(|answer| answer.status == 431));
    let many: String = (0..1000).map(|n| format!("X-{n}: x\r\n")).collect();
    let many = format!("GET {LISTING} HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert!(send(at, many.as_bytes()).is_none_or(|answer| answer.status == 431));
    // Half a header, and then nothing: the server closes, else this would never end.
    let mut slow = TcpStream::connect(at).unwrap();
    slow.write_all(b"GET /carry/v1/health HTTP/1.1\r\nHost: loc").unwrap();
    assert!(read(slow).is_none_or(|answer| answer.status == 408));
    assert!(read(TcpStream::connect(at).unwrap()).is_none(), "a connection without a request is closed, too");
    assert!(send(at, b"\x16\x03\x01\x02\x00\x01\x00").is_none_or(|answer| answer.status == 400));
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let hub = Hub::with(|setup| setup.limits.connections_of_address = 2);
    let at = hub.address();
    let _held = [TcpStream::connect(at).unwrap(), TcpStream::connect(at).unwrap()];
    assert!(read(TcpStream::connect(at).unwrap()).is_none());
}

#[test]
fn a_server_is_one_and_does_not_listen_to_all_in_the_clear() {
    let hub = Hub::new();
    assert!(matches!(run::start(&hub.setup, Timestamp::EPOCH), Err(ServeError::Running)));
    let mut other = hub.setup.clone();
    other.lock = hub.dir().join("other.lock");
    other.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(run::start(&other, Timestamp::EPOCH), Err(ServeError::Listen(_))));
    other.listen = hub.address();
    other.place.ledger = hub.dir().join("other.db");
    other.place.incoming = hub.dir().join("other");
    assert!(matches!(run::start(&other, Timestamp::EPOCH), Err(ServeError::Bind { .. })));
    other.listen = "127.0.0.1:0".parse().unwrap();
    other.place.folder = hub.dir().join("unmounted");
    other.makes_folder = false;
    std::fs::create_dir(&other.place.folder).unwrap();
    assert!(matches!(run::start(&other, Timestamp::EPOCH), Err(ServeError::Folder(_))));
    assert_eq!(other.place.folder.read_dir().unwrap().count(), 0, "nothing was written to what may be a mount point");
}

#[test]
fn two_servers_may_serve_one_folder() {
    let hub = Hub::new();
    let other = Hub::with(|setup| setup.place.folder = hub.folder().to_owned());
    let (one, two) = (hub.peer("laptop"), other.peer("laptop"));
    for object in published(1, 3, 100) {
        assert_eq!(one.put(&object.file(), Source::Bytes(&object.bytes), &Deadline::NONE).unwrap(), Put::Created);
        let bytes = object.bytes.len() as u64;
        assert_eq!(
            two.put(&object.file(), Source::Bytes(&object.bytes), &Deadline::NONE).unwrap(),
            Put::Exists { bytes }
        );
    }
}

//! What is put is what its name says, or is not there.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use carry_exchange::name::{Folder, ObjectName};
use carry_exchange::remote::{Class, Deadline, FolderRemote, Part, Put, Remote, RemoteFile, Source};
use carry_hub::exchange::Quota;

use crate::hub::{Hub, Object, log, published};
use crate::raw::{ask, put, read, send};
use crate::rig::{WHOLE, get, names};

fn create(remote: &impl Remote, object: &Object) {
    let put = remote.put(&object.file(), Source::Bytes(&object.bytes), &Deadline::NONE).unwrap();
    assert_eq!(put, Put::Created, "{}", object.name);
}

#[test]
fn real_objects_are_put_listed_got_and_removed() {
    let hub = Hub::new();
    let peer = hub.peer("laptop");
    let objects = published(1, 50, 500);
    for object in &objects {
        create(&peer, object);
        let again = peer.put(&object.file(), Source::Bytes(&object.bytes), &Deadline::NONE).unwrap();
        assert_eq!(again, Put::Exists { bytes: object.bytes.len() as u64 });
        assert!(get(&peer, &object.file(), WHOLE).unwrap().0 == object.bytes);
        let replica = RemoteFile::replica(&object.name, 1);
        assert_eq!(peer.put(&replica, Source::Bytes(&object.bytes), &Deadline::NONE).unwrap(), Put::Created);
    }
    assert_eq!(names(&peer, Folder::Heads).unwrap().len(), 2);
    assert_eq!(names(&peer, Folder::Log(log(1))).unwrap().len(), 4);
    let here = FolderRemote::new(hub.folder(), log(9), 2);
    assert!(get(&here, &objects[0].file(), WHOLE).unwrap().0 == objects[0].bytes, "the folder is an exchange as any");
    for object in &objects {
        assert!(peer.delete(&object.file(), &Deadline::NONE).unwrap());
        assert!(!peer.delete(&object.file(), &Deadline::NONE).unwrap());
    }
    assert_eq!(hub.files().len(), 3, "the replicas");
}

#[test]
fn a_large_segment_goes_over_the_disk_and_comes_back_whole() {
    let mut hub = Hub::new();
    let peer = hub.peer("laptop");
    let [segment, ..] = published(1, 40, 200_000);
    assert!(segment.bytes.len() > 4 << 20, "{}", segment.bytes.len());
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("segment");
    carry_kernel::disk::write_cache(&path, &segment.bytes).unwrap();
    assert_eq!(peer.put(&segment.file(), Source::File(&path), &Deadline::NONE).unwrap(), Put::Created);
    let exists = Put::Exists { bytes: segment.bytes.len() as u64 };
    assert_eq!(peer.put(&segment.file(), Source::File(&path), &Deadline::NONE).unwrap(), exists);
    assert!(get(&peer, &segment.file(), Part::Whole { bytes_max: 1 << 30 }).unwrap().0 == segment.bytes);
    let middle = Part::Range { from: 1_000_000, bytes: 3_000_000 };
    assert!(get(&peer, &segment.file(), middle).unwrap().0 == segment.bytes[1_000_000..4_000_000]);
    hub.stop();
    assert_eq!(hub.files(), [segment.name.path()], "nothing is left on the way");
}

#[test]
fn no_byte_may_be_another() {
    let hub = Hub::new();
    let peer = hub.peer("laptop");
    for object in published(1, 20, 300) {
        let len = object.bytes.len();
        for at in (0..len).step_by(len / 40).chain([len - 1]) {
            let mut bytes = object.bytes.clone();
            bytes[at] ^= 1;
            let error = peer.put(&object.file(), Source::Bytes(&bytes), &Deadline::NONE).unwrap_err();
            assert_eq!(error.class(), Class::Internal, "{} at {at}", object.name);
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("422"), "{cause}");
        }
        for bytes in [&object.bytes[..len - 1], &[&object.bytes[..], b"x"].concat(), &[], b"\n"] {
            assert!(peer.put(&object.file(), Source::Bytes(bytes), &Deadline::NONE).is_err(), "{}", object.name);
        }
    }
    assert_eq!(hub.files(), [""; 0]);
}

#[test]
fn a_good_object_under_anothers_name_is_refused() {
    let hub = Hub::new();
    let (token, at) = (hub.token("laptop"), hub.address());
    let [segment, list, head] = published(1, 3, 100);
    let [_, _, foreign] = published(2, 3, 100);
    let ObjectName::Head { id, .. } = head.name else { panic!("it is one") };
    let ObjectName::List { id: list_id, .. } = list.name else { panic!("it is one") };
    let wrong = [
        (ObjectName::Head { log: log(2), n: 1, id }, &head),
        (ObjectName::Head { log: log(1), n: 2, id }, &head),
        (foreign.name.clone(), &head),
        (ObjectName::List { log: log(2), id: list_id }, &list),
        (ObjectName::List { log: log(1), id }, &list),
        (ObjectName::List { log: log(1), id }, &head),
        (head.name.clone(), &segment),
    ];
    for (name, object) in wrong {
        let object = Object { name, bytes: object.bytes.clone() };
        let answer = put(at, &object.path(), &token, &object.bytes);
        assert_eq!((answer.status, answer.code()), (422, "unfit"), "{}: {}", object.name, answer.body);
    }
    assert_eq!(hub.files(), [""; 0]);
}

#[test]
fn what_is_larger_than_its_kind_is_refused_before_it_comes() {
    let hub = Hub::new();
    let (token, at) = (hub.token("laptop"), hub.address());
    let [segment, list, head] = published(1, 3, 100);
    for (object, bytes) in [(&head, 1 << 30), (&head, 65_537), (&list, (1 << 20) + 1), (&segment, (1 << 30) + 1)] {
        let answer = ask(at, &format!("PUT {}", object.path()), &token, &format!("Content-Length: {bytes}\r\n"), b"{");
        assert_eq!((answer.status, answer.code()), (413, "too_large"), "{} {bytes}", object.name);
    }
    let line = format!("PUT {}", head.path());
    let chunked = ask(at, &line, &token, "Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n\r\n");
    assert_eq!((chunked.status, chunked.code()), (411, "length"));
    assert_eq!(ask(at, &line, &token, "", b"").status, 411);
    for lengths in ["Content-Length: -1\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: x\r\n"] {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{lengths}\r\n"
        );
        assert!(send(at, head.as_bytes()).is_none_or(|answer| answer.status == 400), "{lengths}");
    }
    assert_eq!(hub.files(), [""; 0]);
}

#[test]
fn what_breaks_off_leaves_nothing() {
    let mut hub = Hub::new();
    let (token, at) = (hub.token("laptop"), hub.address());
    let [segment, list, head] = published(1, 20, 200_000);
    for object in [&segment, &list, &head] {
        let half = &object.bytes[..object.bytes.len() / 2];
        let request = format!(
            "PUT {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            object.path(),
            object.bytes.len()
        );
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(half).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(read(stream).is_none_or(|answer| answer.status == 400));
    }
    hub.stop();
    assert_eq!(hub.files(), [""; 0]);
    hub.start();
    create(&hub.peer("laptop"), &segment);
}

#[test]
fn who_sends_nothing_more_is_sent_away() {
    let mut hub = Hub::with(|setup| setup.place.silence = Duration::from_millis(100));
    let (token, at) = (hub.token("laptop"), hub.address());
    let [segment, _, head] = published(1, 20, 200_000);
    for object in [&segment, &head] {
        let request = format!(
            "PUT {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            object.path(),
            object.bytes.len()
        );
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(&[request.as_bytes(), &object.bytes[..100]].concat()).unwrap();
        // The connection stays open on our side: only the server ends this.
        let answer = read(stream).unwrap();
        assert_eq!((answer.status, answer.code()), (408, "too_slow"));
    }
    hub.stop();
    assert_eq!(hub.files(), [""; 0]);
}

#[test]
fn names_lead_nowhere_else() {
    let hub = Hub::new();
    let (token, at) = (hub.token("laptop"), hub.address());
    let [_, _, head] = published(1, 1, 10);
    let secret = hub.folder().join("secret");
    carry_kernel::disk::write_cache(&secret, b"secret").unwrap();
    std::os::unix::fs::symlink(&secret, hub.folder().join("carry/link")).unwrap();
    for path in [
        "..",
        "../secret",
        "h/../../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "h/..%2f..%2fsecret",
        "h%2f..%2f..%2fsecret",
        "h/%2e%2e%2f%2e%2e%2fsecret",
        "//etc/passwd",
        "h//etc/passwd",
        "l/../../secret",
        "h/%00",
        "h/..\\secret",
        "h/%5c..%5csecret",
        "h/.hidden",
        "l/xx/x",
        "%",
    ] {
        let path = format!("/carry/v1/exchange/{path}");
        for method in ["GET", "HEAD", "DELETE"] {
            let answer = ask(at, &format!("{method} {path}"), &token, "", b"");
            assert!(matches!(answer.status, 400 | 404), "{method} {path}: {answer:?}");
            assert!(!answer.body.contains("secret\"") && answer.body != "secret");
        }
        let answer = put(at, &path, &token, &head.bytes);
        assert!(matches!(answer.status, 400 | 404), "PUT {path}: {answer:?}");
    }
    let link = ask(at, "GET /carry/v1/exchange/link", &token, "", b"");
    assert_eq!((link.status, link.code()), (409, "foreign"), "links are not followed");
    for (method, path) in
        [("PUT", "format.json"), ("DELETE", "format.json"), ("PUT", "h/note.txt"), ("PUT", "h/~00000000-00000000.tmp")]
    {
        let answer = ask(at, &format!("{method} /carry/v1/exchange/{path}"), &token, "Content-Length: 1\r\n", b"x");
        assert_eq!((answer.status, answer.code()), (400, "invalid_name"), "{method} {path}");
    }
    for line in [
        "POST /carry/v1/exchange/h/x",
        "PUT /carry/v1/exchange/h/",
        "DELETE /carry/v1/exchange/h/",
        "PATCH /carry/v1/exchange/x",
    ] {
        assert_eq!(ask(at, line, &token, "", b"").status, 405, "{line}");
    }
    for query in ["?from=zz", "?from=", "?wait=x", "?after=x", "?unknown=1", "?from=61&wait=1"] {
        assert_eq!(ask(at, &format!("GET /carry/v1/exchange/h/{query}"), &token, "", b"").status, 400, "{query}");
    }
}

#[test]
fn nobody_removes_what_another_put() {
    let mut hub = Hub::new();
    let (laptop, desktop) = (hub.peer("laptop"), hub.peer("desktop"));
    let [segment, list, head] = published(1, 3, 100);
    create(&laptop, &head);
    create(&laptop, &segment);
    let [_, _, other] = published(2, 3, 100);
    create(&desktop, &other);
    // A copy that the desktop carried.
    create(&desktop, &list);
    for object in [&head, &segment] {
        assert_eq!(desktop.delete(&object.file(), &Deadline::NONE).unwrap_err().class(), Class::Denied);
    }
    assert_eq!(laptop.delete(&other.file(), &Deadline::NONE).unwrap_err().class(), Class::Denied);
    // What the serving device itself put is no caller's.
    let [own, ..] = published(3, 3, 100);
    create(&FolderRemote::new(hub.folder(), log(3), 7), &own);
    assert_eq!(laptop.delete(&own.file(), &Deadline::NONE).unwrap_err().class(), Class::Denied);
    hub.stop();
    hub.start();
    let (laptop, desktop) = (hub.peer("laptop"), hub.peer("desktop"));
    assert_eq!(
        desktop.delete(&head.file(), &Deadline::NONE).unwrap_err().class(),
        Class::Denied,
        "a restart forgets nothing"
    );
    assert_eq!(laptop.delete(&list.file(), &Deadline::NONE).unwrap_err().class(), Class::Denied, "a head takes no log");
    assert!(desktop.delete(&list.file(), &Deadline::NONE).unwrap(), "who carried it may take it back");
    create(&laptop, &list);
    assert!(laptop.delete(&segment.file(), &Deadline::NONE).unwrap());
    create(&desktop, &segment);
    assert!(desktop.delete(&segment.file(), &Deadline::NONE).unwrap(), "it is the desktop's now");
}

#[test]
fn who_brings_a_head_first_does_not_get_the_log() {
    let hub = Hub::new();
    let (author, relay) = (hub.peer("laptop"), hub.peer("relay"));
    let [segment, list, head] = published(1, 3, 100);
    create(&relay, &head);
    create(&author, &segment);
    create(&author, &list);
    for object in [&segment, &list] {
        assert_eq!(relay.delete(&object.file(), &Deadline::NONE).unwrap_err().class(), Class::Denied);
    }
    assert!(author.delete(&segment.file(), &Deadline::NONE).unwrap());
}

#[test]
fn room_is_bounded_and_comes_back() {
    let [segment, list, head] = published(1, 3, 100);
    let all: u64 = [&segment, &list, &head].iter().map(|object| (object.bytes.len() as u64).max(4096)).sum();
    let quota = Quota { of_credential: all, of_all: all + 10, files_of_credential: u64::MAX };
    let mut hub = Hub::with(|setup| setup.place.quota = quota);
    let laptop = hub.peer("laptop");
    for object in [&segment, &list, &head] {
        create(&laptop, object);
    }
    let [more, ..] = published(2, 3, 100);
    let put = |peer: &dyn Remote| peer.put(&more.file(), Source::Bytes(&more.bytes), &Deadline::NONE);
    assert_eq!(put(&laptop).unwrap_err().class(), Class::Full);
    assert_eq!(put(&hub.peer("desktop")).unwrap_err().class(), Class::Full, "all together");
    let again = laptop.put(&head.file(), Source::Bytes(&head.bytes), &Deadline::NONE).unwrap();
    assert!(matches!(again, Put::Exists { .. }), "what is there needs no room");
    hub.stop();
    hub.start();
    let laptop = hub.peer("laptop");
    assert_eq!(put(&laptop).unwrap_err().class(), Class::Full, "a restart counts anew");
    assert!(laptop.delete(&segment.file(), &Deadline::NONE).unwrap());
    assert_eq!(put(&laptop).unwrap(), Put::Created);
}

#[test]
fn the_number_of_files_is_bounded() {
    let [segment, list, head] = published(1, 3, 100);
    let quota = Quota { of_credential: u64::MAX, of_all: u64::MAX, files_of_credential: 2 };
    let mut hub = Hub::with(|setup| setup.place.quota = quota);
    create(&hub.peer("laptop"), &segment);
    create(&hub.peer("laptop"), &list);
    hub.stop();
    hub.start();
    let laptop = hub.peer("laptop");
    let put = || laptop.put(&head.file(), Source::Bytes(&head.bytes), &Deadline::NONE);
    assert_eq!(put().unwrap_err().class(), Class::Full, "a restart counts anew");
    create(&hub.peer("desktop"), &published(2, 3, 100)[0]);
    assert!(laptop.delete(&segment.file(), &Deadline::NONE).unwrap());
    assert_eq!(put().unwrap(), Put::Created);
}

#[test]
fn a_listing_is_in_order_and_answers_may_not_be_kept() {
    let hub = Hub::new();
    let (token, at) = (hub.token("laptop"), hub.address());
    for n in 0..1500 {
        carry_kernel::disk::write_cache(&hub.folder().join(format!("carry/h/{:04}", n * 7919 % 10_000)), b"x").unwrap();
    }
    let mut seen = Vec::new();
    let mut query = String::new();
    for pages in 1.. {
        let answer = ask(at, &format!("GET /carry/v1/exchange/h/{query}"), &token, "", b"");
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let page: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let files = page["files"].as_array().unwrap();
        seen.extend(files.iter().map(|file| file["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => query = format!("?from={next}"),
            None => {
                assert_eq!(pages, 2);
                break;
            }
        }
    }
    assert_eq!(seen.len(), 1500);
    assert!(seen.is_sorted());
}

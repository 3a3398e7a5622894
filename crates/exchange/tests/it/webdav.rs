//! What only folders over WebDAV have to bear, over real HTTP.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use carry_exchange::location::Location;
use carry_exchange::name::{FORMAT_BYTES, Folder, LogId};
use carry_exchange::remote::{
    Class, Deadline, Init, Listed, Login, Part, Put, Remote, RemoteError, Source, TEMPORARY_KEPT, WebDavRemote,
};
use carry_kernel::clock::{Clock as _, SystemClock};
use carry_testkit::dav::{Dav, Fault, LOGIN, Quirks};

use crate::places::open_dav;
use crate::rig::{WHOLE, get, head, log, names, segment};
use crate::told::told;

const PATH: &str = "/dav";

fn opened() -> (Dav, WebDavRemote) {
    let server = Dav::start();
    let remote = open_dav(&server, PATH, Some(LOGIN));
    (server, remote)
}

fn marked() -> (Dav, WebDavRemote) {
    let (server, remote) = opened();
    assert_eq!(remote.init(&Deadline::NONE).unwrap(), Init::Created);
    (server, remote)
}

fn put(remote: &WebDavRemote, n: u64, bytes: &[u8]) -> Result<Put, RemoteError> {
    remote.put(&segment(n), Source::Bytes(bytes), &Deadline::NONE)
}

/// The methods of the requests that `work` makes.
fn asked<T>(server: &Dav, work: impl FnOnce() -> T) -> Vec<String> {
    let before = server.requests().len();
    work();
    server.requests()[before..].iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// Everything at the server but the marker, and the folders.
fn files(server: &Dav) -> Vec<String> {
    let all = server.files("/").into_keys();
    all.filter(|path| !path.ends_with('/') && !path.ends_with("format.json")).collect()
}

#[test]
fn nothing_new_costs_one_question_and_one_listing() {
    let (server, remote) = marked();
    remote.put(&head(1), Source::Bytes(b"x"), &Deadline::NONE).unwrap();
    let requests = asked(&server, || {
        remote.check(&Deadline::NONE).unwrap();
        names(&remote, Folder::Heads).unwrap();
    });
    assert_eq!(requests, ["GET", "PROPFIND"]);
    assert_eq!(asked(&server, || get(&remote, &head(1), WHOLE).unwrap()), ["GET"]);
}

#[test]
fn small_files_take_one_request_once_it_is_known_that_conditions_count() {
    let (server, remote) = marked();
    // The marker was put aside, which is when it was learnt.
    assert_eq!(
        asked(&server, || put(&remote, 1, b"x").unwrap()),
        ["GET", "PUT", "PROPFIND", "PUT", "MOVE", "GET", "MKCOL", "MKCOL", "MKCOL", "MOVE"]
    );
    assert_eq!(asked(&server, || put(&remote, 2, b"x").unwrap()), ["PUT"]);
    let there = asked(&server, || assert_eq!(put(&remote, 2, b"other").unwrap(), Put::Exists { bytes: 1 }));
    assert_eq!(there, ["PUT", "PROPFIND"]);
    // Large ones are put aside: half of one must not be seen.
    let large = vec![7; 500_000];
    assert_eq!(asked(&server, || put(&remote, 3, &large).unwrap()), ["PUT", "MOVE"]);
    let taken = asked(&server, || assert_eq!(put(&remote, 3, &[8; 400_000]).unwrap(), Put::Exists { bytes: 500_000 }));
    assert_eq!(taken, ["PUT", "MOVE", "DELETE", "PROPFIND"]);
    let seen = asked(&server, || assert_eq!(put(&remote, 3, &[8; 2_000_000]).unwrap(), Put::Exists { bytes: 500_000 }));
    assert_eq!(seen, ["PROPFIND"]);
    assert!(get(&remote, &segment(3), WHOLE).unwrap().0 == large);
    assert_eq!(files(&server).len(), 3);
}

#[test]
fn a_server_that_ignores_conditions_replaces_nothing_either() {
    let (server, remote) = opened();
    server.set(Quirks { ignores_conditions: true, ..Quirks::default() });
    remote.init(&Deadline::NONE).unwrap();
    put(&remote, 1, b"first").unwrap();
    assert_eq!(asked(&server, || put(&remote, 2, b"x").unwrap()), ["PUT", "MOVE"]);
    assert_eq!(put(&remote, 1, b"second").unwrap(), Put::Exists { bytes: 5 });
    assert_eq!(get(&remote, &segment(1), WHOLE).unwrap().0, b"first");
    assert_eq!(files(&server).len(), 2);
}

#[test]
fn behind_a_proxy_destinations_are_named_by_their_path() {
    let (server, remote) = opened();
    server.set(Quirks { wants_paths: true, ignores_conditions: true, ..Quirks::default() });
    remote.init(&Deadline::NONE).unwrap();
    put(&remote, 1, b"x").unwrap();
    assert_eq!(asked(&server, || put(&remote, 2, b"x").unwrap()), ["PUT", "MOVE"]);
}

#[test]
fn a_server_without_ranges_or_lengths_is_read_all_the_same() {
    let (server, remote) = marked();
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    put(&remote, 1, &bytes).unwrap();
    for quirks in [
        Quirks { ignores_ranges: true, ..Quirks::default() },
        Quirks { hides_lengths: true, ..Quirks::default() },
        Quirks { hides_lengths: true, ignores_ranges: true, ..Quirks::default() },
    ] {
        server.set(quirks);
        let (part, got) = get(&remote, &segment(1), Part::Range { from: 200_000, bytes: 7 }).unwrap();
        assert!(part == bytes[200_000..200_007] && got.size == 300_000);
        assert!(get(&remote, &segment(1), WHOLE).unwrap().0 == bytes);
        let error = get(&remote, &segment(1), Part::Whole { bytes_max: 10 }).unwrap_err();
        assert_eq!(error.class(), Class::TooLarge);
    }
    // A part that is none of what was asked for.
    let headers = vec![("content-range", "bytes 0-6/300000".to_owned())];
    server.fail("GET", 1, Fault::Answer(206, headers, "0123456".into()));
    let error = get(&remote, &segment(1), Part::Range { from: 9, bytes: 7 }).unwrap_err();
    assert_eq!(error.class(), Class::Internal);
    // Fewer bytes than were announced.
    server.fail("GET", 1, Fault::Answer(200, vec![("transfer-encoding", "chunked".to_owned())], "0123456".into()));
    assert_eq!(get(&remote, &segment(1), WHOLE).unwrap_err().class(), Class::Unreachable);
}

#[test]
fn every_refusal_has_its_class_and_says_what_to_do() {
    let (server, remote) = marked();
    for (status, class, words) in [
        (401, Class::Denied, "does not accept the user and the password"),
        (403, Class::Denied, "shared for reading only"),
        (404, Class::NotThere, ""),
        (405, Class::Internal, "no WebDAV may be served"),
        (407, Class::Denied, "proxy"),
        (408, Class::Unreachable, "408"),
        (409, Class::Busy, ""),
        (423, Class::Busy, ""),
        (429, Class::Busy, ""),
        (301, Class::Internal, "redirects to another address"),
        (302, Class::Internal, "password would go along"),
        (418, Class::Internal, "418"),
        (500, Class::Unreachable, "500"),
        (501, Class::Internal, "no WebDAV"),
        (502, Class::Unreachable, "502"),
        (503, Class::Busy, ""),
        (507, Class::Full, "no room left"),
    ] {
        let headers = vec![("location", "http://192.0.2.1/secret".to_owned()), ("retry-after", "7".to_owned())];
        server.fail("GET", 1, Fault::Answer(status, headers, "open sesame".into()));
        let error = get(&remote, &head(1), WHOLE).unwrap_err();
        assert!(error.class() == class && told(&error).contains(words), "{status}: {error:?}");
        assert!(!told(&error).contains("sesame") && !told(&error).contains("192.0.2.1"), "{error:?}");
        let waits = matches!(status, 423 | 429 | 503);
        assert_eq!(error.retry_after(), waits.then_some(Duration::from_secs(7)), "{status}");
    }
    server.fail("PUT", 9, Fault::status(413));
    assert!(told(&put(&remote, 1, b"x").unwrap_err()).contains("raise its limit"));
    server.heal();
    server.fail("DELETE", 1, Fault::multistatus(partly("/dav/carry/x", 423)));
    put(&remote, 1, b"x").unwrap();
    assert_eq!(remote.delete(&segment(1), &Deadline::NONE).unwrap_err().class(), Class::Busy);
    server.fail("MOVE", 1, Fault::multistatus(partly("/dav/carry/x", 507)));
    assert_eq!(put(&remote, 2, &[1; 200_000]).unwrap_err().class(), Class::Full);
    assert_eq!(files(&server).len(), 1, "what was put aside is removed");
    server.fail("PROPFIND", 1, Fault::multistatus(partly("/dav/carry/h/", 403)));
    assert_eq!(names(&remote, Folder::Heads).unwrap_err().class(), Class::Denied);
}

fn partly(href: &str, status: u16) -> String {
    format!(
        "<d:multistatus xmlns:d='DAV:'><d:response><d:href>{href}</d:href><d:status>HTTP/1.1 {status} X</d:status></d:response>\
         </d:multistatus>"
    )
}

#[test]
fn a_wrong_password_is_told_from_none_and_from_another_way() {
    let (server, remote) = opened();
    for (login, words) in [(Some("ada:wrong"), "app password"), (None, "--token-file"), (Some("x:"), "app password")] {
        let error = open_dav(&server, PATH, login).init(&Deadline::NONE).unwrap_err();
        assert!(error.class() == Class::Denied && told(&error).contains(words), "{error:?}");
        assert!(!format!("{error:?}").contains("wrong"));
    }
    server.set(Quirks { challenge: Some("Digest realm=\"basic\", nonce=\"x\""), ..Quirks::default() });
    let error = open_dav(&server, PATH, Some("ada:wrong")).init(&Deadline::NONE).unwrap_err();
    assert!(told(&error).contains("by Basic authentication"), "{error:?}");
    server.set(Quirks { is_open: true, ..Quirks::default() });
    let open = open_dav(&server, PATH, None);
    open.init(&Deadline::NONE).unwrap();
    put(&open, 1, b"x").unwrap();
    assert!(!format!("{remote:?}").contains("YWRh"), "the login is not shown: {remote:?}");
    assert!(!Login::new("hunter2").unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn where_only_reading_is_allowed_others_files_are_read() {
    let (server, remote) = marked();
    put(&remote, 1, b"x").unwrap();
    server.set(Quirks { is_read_only: true, ..Quirks::default() });
    let reader = open_dav(&server, PATH, Some(LOGIN));
    assert_eq!(reader.init(&Deadline::NONE).unwrap(), Init::Already);
    assert_eq!(get(&reader, &segment(1), WHOLE).unwrap().0, b"x");
    assert_eq!(put(&reader, 2, b"x").unwrap_err().class(), Class::Denied);
    assert_eq!(put(&remote, 2, b"x").unwrap_err().class(), Class::Denied);
    assert_eq!(remote.delete(&segment(1), &Deadline::NONE).unwrap_err().class(), Class::Denied);
}

#[test]
fn a_full_account_is_said_to_be_full() {
    let (server, remote) = marked();
    server.set(Quirks { quota: Some(1000), ..Quirks::default() });
    put(&remote, 1, &[1; 1000]).unwrap();
    for bytes in [1001, 300_000, 2_000_000] {
        let error = put(&remote, 2, &vec![1; bytes]).unwrap_err();
        assert!(error.class() == Class::Full && told(&error).contains("no room left"), "{error:?}");
    }
    assert_eq!(files(&server).len(), 1);
}

#[test]
fn a_disk_that_is_not_mounted_behind_a_server_is_not_written_to() {
    let (server, remote) = marked();
    put(&remote, 1, b"x").unwrap();
    assert!(server.uproot("/dav/carry"));
    // One who has seen the marker, and the folder too.
    for bytes in [&b"x"[..], &[1; 300_000]] {
        assert_eq!(put(&remote, 2, bytes).unwrap_err().class(), Class::NoMarker);
        assert_eq!(names(&remote, Folder::Heads).unwrap_err().class(), Class::NoMarker);
    }
    assert_eq!(server.files("/").into_keys().collect::<Vec<_>>(), ["/", "/dav/"]);
    // An empty mount point with a folder of our name.
    server.plant("/dav/carry/other", b"");
    assert_eq!(put(&remote, 2, b"x").unwrap_err().class(), Class::NoMarker);
    assert_eq!(files(&server), ["/dav/carry/other"]);
}

#[test]
fn what_is_missing_with_the_marker_is_not_called_missing() {
    let ways: [fn(&WebDavRemote) -> RemoteError; 3] = [
        |remote| get(remote, &segment(1), WHOLE).unwrap_err(),
        |remote| get(remote, &segment(1), Part::Range { from: 0, bytes: 1 }).unwrap_err(),
        |remote| remote.delete(&segment(1), &Deadline::NONE).unwrap_err(),
    ];
    for way in ways {
        let (server, remote) = marked();
        put(&remote, 1, b"x").unwrap();
        assert!(server.uproot("/dav/carry"));
        assert_eq!(way(&remote).class(), Class::NoMarker);
    }
    // Of one file that is gone it is said so, for a look at the marker.
    let (_server, remote) = marked();
    assert_eq!(get(&remote, &segment(1), WHOLE).unwrap_err().class(), Class::NotThere);
    assert!(!remote.delete(&segment(1), &Deadline::NONE).unwrap());
}

#[test]
fn a_folder_that_was_not_seen_is_not_written_to_before_the_marker_is_seen_again() {
    let (server, remote) = marked();
    // Another disk, with what a server made there by itself.
    assert!(server.uproot("/dav/carry/format.json"));
    server.plant(&format!("/dav/carry/l/{}/other", log()), b"");
    assert_eq!(put(&remote, 1, b"x").unwrap_err().class(), Class::NoMarker);
    assert_eq!(files(&server).len(), 1);
}

#[test]
fn a_server_that_breaks_conditional_puts_is_sent_others() {
    let (server, remote) = opened();
    server.fail(".tmp *", u32::MAX, Fault::Cut);
    assert_eq!(remote.init(&Deadline::NONE).unwrap_err().class(), Class::Unreachable);
    remote.init(&Deadline::NONE).unwrap();
    assert_eq!(put(&remote, 1, b"x").unwrap(), Put::Created);
    assert_eq!(asked(&server, || put(&remote, 2, b"x").unwrap()), ["PUT", "MOVE"]);
    assert_eq!(files(&server).len(), 2);
}

#[test]
fn a_server_whose_listings_tell_no_sizes_is_asked_for_them() {
    let (server, remote) = marked();
    put(&remote, 1, b"first").unwrap();
    server.plant(&format!("/dav/carry/l/{}/notes.txt", log()), b"foreign");
    server.set(Quirks { hides_sizes: true, ..Quirks::default() });
    let found = names(&remote, Folder::Log(log())).unwrap();
    assert_eq!(found.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [5, 0]);
    assert_eq!(put(&remote, 1, b"second").unwrap(), Put::Exists { bytes: 5 });
    assert_eq!(put(&remote, 1, &[1; 200_000]).unwrap(), Put::Exists { bytes: 5 });
    assert_eq!(put(&remote, 1, &[1; 2_000_000]).unwrap(), Put::Exists { bytes: 5 });
    let (none, got) = get(&remote, &segment(1), Part::Range { from: 0, bytes: 0 }).unwrap();
    assert!(none.is_empty() && got.size == 5);
    // Where nothing tells them, that is said: taken for empty, everything would be put again and again.
    for _ in 0..3 {
        server.fail("HEAD", 1, Fault::Answer(200, vec![("transfer-encoding", "chunked".to_owned())], "".into()));
    }
    for error in [
        names(&remote, Folder::Log(log())).unwrap_err(),
        put(&remote, 1, b"second").unwrap_err(),
        put(&remote, 1, &[1; 2_000_000]).unwrap_err(),
    ] {
        assert!(error.class() == Class::Internal && told(&error).contains("getcontentlength"), "{error:?}");
    }
    server.fail("HEAD", 1, Fault::status(404));
    assert_eq!(names(&remote, Folder::Log(log())).unwrap().len(), 1, "it is gone meanwhile");
}

#[test]
fn what_a_broken_put_left_under_its_name_is_removed() {
    let (server, remote) = marked();
    put(&remote, 1, b"x").unwrap();
    server.fail("PUT", 1, Fault::CutWithin(3));
    assert_eq!(put(&remote, 2, b"small").unwrap_err().class(), Class::Unreachable);
    assert_eq!(files(&server), [format!("/dav/{}", segment(1))]);
    assert_eq!(put(&remote, 2, b"small").unwrap(), Put::Created);
    // All of it is kept, and a folder is.
    server.fail("PUT", 1, Fault::CutWithin(5));
    assert_eq!(put(&remote, 3, b"small").unwrap_err().class(), Class::Unreachable);
    assert_eq!(put(&remote, 3, b"small").unwrap(), Put::Exists { bytes: 5 });
    server.plant(&format!("/dav/{}/precious", segment(4)), b"x");
    server.fail("PUT", 1, Fault::Cut);
    assert_eq!(put(&remote, 4, b"small").unwrap_err().class(), Class::Unreachable);
    // Another's log is not ours to tidy: they may be putting the same just now.
    let writer = LogId::of_key(&[99; 32]);
    let other = open_dav_for(&server, writer);
    put(&other, 5, b"x").unwrap();
    names(&other, Folder::Log(log())).unwrap();
    put(&other, 6, b"x").unwrap();
    server.fail("PUT", 1, Fault::CutWithin(3));
    assert_eq!(put(&other, 7, b"small").unwrap_err().class(), Class::Unreachable);
    assert_eq!(put(&other, 7, b"small").unwrap(), Put::Exists { bytes: 3 });
}

fn open_dav_for(server: &Dav, writer: LogId) -> WebDavRemote {
    let login = Login::new(LOGIN).unwrap();
    match Location::parse(&format!("dav+http://{}{PATH}", server.address()), Path::new("/")) {
        Ok(Location::WebDav { origin, path }) => {
            WebDavRemote::new(&origin, &path, Some(&login), None, writer, 7).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_folder_of_the_address_is_made_and_none_above_it() {
    let server = Dav::start();
    let error = open_dav(&server, "/a/b", Some(LOGIN)).init(&Deadline::NONE).unwrap_err();
    assert!(told(&error).contains("there is no folder at the address"), "{error:?}");
    assert_eq!(server.files("/").len(), 1);
    assert_eq!(open_dav(&server, "/a", Some(LOGIN)).init(&Deadline::NONE).unwrap(), Init::Created);
    assert_eq!(server.files("/a")["/a/carry/format.json"], FORMAT_BYTES);
    // A web server that is asked for its pages.
    server.fail("GET", 1, Fault::Answer(200, vec![("content-type", "text/html".into())], "<html>".into()));
    let error = open_dav(&server, "/", Some(LOGIN)).init(&Deadline::NONE).unwrap_err();
    assert!(told(&error).contains("web page"), "{error:?}");
}

#[test]
fn a_call_whose_answer_is_lost_is_made_again_without_harm() {
    let (server, remote) = marked();
    put(&remote, 1, b"x").unwrap();
    let large = vec![5; 200_000];
    server.fail("MOVE", 1, Fault::CutAfter);
    assert_eq!(put(&remote, 2, &large).unwrap_err().class(), Class::Unreachable);
    assert_eq!(put(&remote, 2, &large).unwrap(), Put::Exists { bytes: 200_000 });
    server.fail("PUT", 1, Fault::CutAfter);
    assert_eq!(put(&remote, 3, b"small").unwrap_err().class(), Class::Unreachable);
    assert_eq!(put(&remote, 3, b"small").unwrap(), Put::Exists { bytes: 5 });
    server.fail("PUT", 1, Fault::Cut);
    assert_eq!(put(&remote, 4, &large).unwrap_err().class(), Class::Unreachable);
    assert_eq!(files(&server).len(), 3, "no temporary file is left");
}

#[test]
fn what_died_is_swept_after_a_day_if_it_is_ours() {
    let (server, remote) = marked();
    put(&remote, 1, b"x").unwrap();
    server.fail("DELETE", 1, Fault::Cut);
    server.fail("MOVE", 1, Fault::Cut);
    put(&remote, 2, &[1; 200_000]).unwrap_err();
    server.plant("/dav/carry/~ffffffff-00000000.tmp", b"another's");
    server.plant("/dav/carry/notes.tmp", b"foreign");
    assert_eq!(files(&server).len(), 4);
    let now = SystemClock.now();
    assert_eq!(remote.sweep(&[log()], now, &Deadline::NONE).unwrap(), 0);
    let later = now.after(TEMPORARY_KEPT + Duration::from_secs(60));
    assert_eq!(remote.sweep(&[], later, &Deadline::NONE).unwrap(), 0);
    assert_eq!(remote.sweep(&[log()], later, &Deadline::NONE).unwrap(), 1);
    assert_eq!(files(&server).len(), 3);
}

#[test]
fn a_folder_with_the_name_of_a_file_is_not_removed_with_all_that_is_in_it() {
    let (server, remote) = marked();
    let path = format!("/dav/{}", segment(1));
    server.plant(&format!("{path}/precious"), b"x");
    assert_eq!(remote.delete(&segment(1), &Deadline::NONE).unwrap_err().class(), Class::Foreign);
    assert_eq!(put(&remote, 1, b"x").unwrap(), Put::Exists { bytes: 0 });
    assert_eq!(put(&remote, 1, &[1; 200_000]).unwrap(), Put::Exists { bytes: 0 });
    assert_eq!(names(&remote, Folder::Log(log())).unwrap(), []);
    assert_eq!(files(&server), [format!("{path}/precious")]);
}

fn listed(entries: &str) -> Fault {
    Fault::multistatus(format!("<d:multistatus xmlns:d='DAV:'>{entries}</d:multistatus>"))
}

fn entry(href: &str, bytes: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:getcontentlength>{bytes}</d:getcontentlength></d:prop>\
         <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )
}

#[test]
fn names_in_hostile_listings_lead_nowhere() {
    let (server, remote) = marked();
    let hrefs = [
        "/dav/carry/h/../../../etc/passwd",
        "/dav/carry/h/..%2F..%2Fetc%2Fpasswd",
        "/dav/carry/h/%2e%2e",
        "/dav/carry/h/deeper/x",
        "/dav/carry/h/.hidden",
        "/dav/carry/h/a%00b",
        "/dav/carry/l/x",
        "http://192.0.2.1/",
        "",
        "x",
    ];
    let mut entries: String = hrefs.iter().map(|href| entry(href, "1")).collect();
    entries.push_str(&entry("http://192.0.2.1/proxied/carry/h/a%20b", "18446744073709551616"));
    entries.push_str(&entry("/dav/carry/h/lies", "-5"));
    entries.push_str(&entry("/dav/carry/h/twice", "7"));
    entries.push_str(&entry("/dav/carry/h/twice", "8"));
    entries.push_str("<d:response><d:href>/dav/carry/h/gone</d:href><d:status>HTTP/1.1 404 X</d:status></d:response>");
    entries.push_str("<d:response><d:href>/dav/carry/h/shut</d:href><d:status>HTTP/1.1 423 X</d:status></d:response>");
    server.fail("PROPFIND", 1, listed(&entries));
    let found = names(&remote, Folder::Heads).unwrap();
    let expected = [("a b", 0), ("lies", 0), ("shut", 0), ("twice", 7), ("twice", 8)];
    assert_eq!(found, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
}

#[test]
fn answers_that_are_no_listing_are_refused() {
    let (server, remote) = marked();
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>\
                  <d:multistatus xmlns:d='DAV:'><d:response><d:href>&c;</d:href></d:response></d:multistatus>";
    let endless = format!("<d:multistatus xmlns:d='DAV:'><!-- {} -->", "x".repeat(2_000_000));
    for (fault, class, words) in [
        (Fault::multistatus(laughs), Class::Internal, "document type"),
        (Fault::multistatus(endless), Class::Internal, "longer than it can be"),
        (Fault::multistatus("<html>"), Class::Internal, "no multistatus"),
        (Fault::multistatus(""), Class::Internal, "empty"),
        (Fault::multistatus("<d:multistatus xmlns:d='DAV:'>"), Class::Unreachable, "ends in the middle"),
        (Fault::Answer(200, Vec::new(), "<html>".into()), Class::Internal, "200"),
        (Fault::status(405), Class::Internal, "no WebDAV"),
        (Fault::Cut, Class::Unreachable, ""),
    ] {
        server.fail("PROPFIND", 1, fault);
        let error = names(&remote, Folder::Heads).unwrap_err();
        assert!(error.class() == class && told(&error).contains(words), "{words}: {error:?}");
    }
    // A file may be cut after its listing has begun: what came is not the whole.
    server.fail(
        "PROPFIND",
        1,
        Fault::multistatus(format!("<d:multistatus xmlns:d='DAV:'>{}", entry("/dav/carry/h/a", "1"))),
    );
    assert_eq!(names(&remote, Folder::Heads).unwrap_err().class(), Class::Unreachable);
}

#[test]
fn a_listing_of_many_megabytes_is_read_as_it_comes() {
    let (server, remote) = marked();
    let entries: String = (0..70_000).map(|n| entry(&format!("/dav/carry/h/{n:06}"), "1")).collect();
    assert!(entries.len() > 10_000_000);
    server.fail("PROPFIND", 2, listed(&entries));
    assert_eq!(names(&remote, Folder::Heads).unwrap().len(), 70_000);
    let mut pages = 0;
    let stopped = remote.list(Folder::Heads, &Deadline::NONE, &mut |page| {
        assert_eq!(page.len(), 1000);
        pages += 1;
        if pages == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(stopped.unwrap(), Listed::Stopped);
    // One that has no end is left, whatever it holds.
    let endless = entries.repeat(7);
    server.fail("PROPFIND", 1, listed(&endless));
    let error = remote.list(Folder::Heads, &Deadline::NONE, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(told(&error).contains("longer than it can be"), "{error:?}");
}

#[test]
fn a_silent_server_is_left() {
    let (server, remote) = marked();
    let remote = remote.impatient(Duration::from_millis(200));
    for method in ["GET", "PROPFIND", "PUT"] {
        server.fail(method, 1, Fault::Silence);
        let error = match method {
            "GET" => get(&remote, &head(1), WHOLE).unwrap_err(),
            "PROPFIND" => names(&remote, Folder::Heads).unwrap_err(),
            _ => put(&remote, 1, b"x").unwrap_err(),
        };
        assert!(error.class() == Class::Unreachable && told(&error).contains("silent"), "{method}: {error:?}");
    }
    let gone = open_dav(&server, PATH, Some(LOGIN));
    drop(server);
    assert_eq!(gone.check(&Deadline::NONE).unwrap_err().class(), Class::Unreachable);
}

//! What only buckets have to bear, over real HTTP.

use std::error::Error as _;
use std::ffi::OsString;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use carry_exchange::location::Bucket;
use carry_exchange::name::Folder;
use carry_exchange::remote::{
    BucketRemote, Class, Deadline, Environment, Init, Listed, OpenError, Part, Put, Remote, RemoteError, RemoteFile,
    Source, TEMPORARY_KEPT,
};
use carry_kernel::clock::{Clock, ManualClock, SystemClock, Timestamp};
use carry_testkit::s3::{BUCKET, Conditions, Fault, KEY_ID, S3, SECRET};
use tempfile::TempDir;

use crate::places::{bucket_at, open, with_keys};
use crate::rig::{WHOLE, get, head, listings, log, names, segment};
use crate::told::told;

fn marked(server: &S3) -> BucketRemote {
    let remote = open(&address(server));
    remote.init(&Deadline::NONE).unwrap();
    remote
}

fn address(server: &S3) -> String {
    format!("s3://{BUCKET}/p?endpoint={}", server.endpoint())
}

fn put(remote: &BucketRemote, file: &RemoteFile, bytes: &[u8]) -> Result<Put, RemoteError> {
    remote.put(file, Source::Bytes(bytes), &Deadline::NONE)
}

fn refusal(status: u16, code: &'static str) -> Fault {
    Fault::Answer(status, code, Vec::new())
}

/// Names and values, or paths and texts.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Opens a bucket with these variables and files of a home.
fn opened(bucket: &Bucket, variables: Pairs<'_>, files: Pairs<'_>) -> (Result<BucketRemote, OpenError>, TempDir) {
    let home = TempDir::new().unwrap();
    for (path, text) in files {
        let path = home.path().join(path);
        carry_kernel::disk::create_dir(path.parent().unwrap()).unwrap();
        carry_kernel::disk::write_cache(&path, text.as_bytes()).unwrap();
    }
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let environment = Environment { variable: &variable, home: Some(home.path()), clock: &clock };
    (BucketRemote::open(bucket, &environment), home)
}

#[test]
fn a_large_file_goes_in_parts_and_replaces_nothing() {
    let server = S3::start();
    let remote = marked(&server);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| (n ^ (n >> 11)).to_le_bytes()[0]).collect();
    file.write_all(&bytes).unwrap();
    let source = Source::File(file.path());
    assert_eq!(remote.put(&segment(1), source, &Deadline::NONE).unwrap(), Put::Created);
    assert_eq!(server.count("partNumber="), 3);
    assert!(server.files()[&format!("p/{}", segment(1))] == bytes);
    let part = Part::Range { from: 8_388_600, bytes: 20 };
    assert_eq!(get(&remote, &segment(1), part).unwrap().0, bytes[8_388_600..8_388_620]);
    // The second time nothing is sent.
    let there = Put::Exists { bytes: 20_000_000 };
    assert_eq!(remote.put(&segment(1), source, &Deadline::NONE).unwrap(), there);
    assert_eq!(server.count("partNumber="), 3);
    // Somebody is quicker, between the look and the end.
    server.fail("HEAD", 1, refusal(404, "NoSuchKey"));
    assert_eq!(remote.put(&segment(1), source, &Deadline::NONE).unwrap(), there);
    assert_eq!(server.count("partNumber="), 6);
    assert!(server.files()[&format!("p/{}", segment(1))] == bytes);
    assert_eq!(server.uploads(), [""; 0], "the second upload was given up");
}

#[test]
fn an_upload_that_fails_is_given_up() {
    let server = S3::start();
    let remote = marked(&server);
    let bytes = vec![7; 9_000_000];
    for (part, fault, class) in [
        ("partNumber=2", refusal(503, "SlowDown"), Class::Busy),
        ("partNumber=1", Fault::Cut, Class::Unreachable),
        ("uploadId=upload", refusal(507, "InsufficientStorage"), Class::Full),
        ("POST", refusal(403, "AccessDenied"), Class::Denied),
    ] {
        server.fail(part, 1, fault);
        assert_eq!(put(&remote, &segment(1), &bytes).unwrap_err().class(), class, "{part}");
        assert_eq!(names(&remote, Folder::Log(log())).unwrap(), []);
        assert_eq!(server.uploads(), [""; 0], "{part}");
    }
    // The server says yes, and no in the end.
    server.fail("POST /exchange/p/carry/l", 2, Fault::Body("<Error><Code>InternalError</Code></Error>"));
    assert_eq!(put(&remote, &segment(1), &bytes).unwrap_err().class(), Class::Internal);
    server.heal();
    assert_eq!(put(&remote, &segment(1), &bytes).unwrap(), Put::Created);
}

#[test]
fn what_nobody_ended_is_swept_after_a_day_if_it_is_ours() {
    let server = S3::start();
    let remote = marked(&server);
    let own = format!("p/{}", segment(1));
    let other = own.replace(&log().to_string(), &"0".repeat(32));
    let now = Timestamp::from_secs(1_796_000_000);
    let old = u64::try_from(now.before(TEMPORARY_KEPT).as_secs()).unwrap() - 1;
    server.begin_upload(&own, old);
    server.begin_upload(&own, old + 1);
    server.begin_upload(&other, old);
    server.begin_upload(&format!("elsewhere/{}", segment(1)), old);
    assert_eq!(remote.sweep(&[log()], now, &Deadline::NONE).unwrap(), 1);
    assert_eq!(server.uploads().len(), 3);
    assert_eq!(remote.sweep(&[log()], now, &Deadline::NONE).unwrap(), 0);
    assert_eq!(remote.sweep(&[], now.after(TEMPORARY_KEPT), &Deadline::NONE).unwrap(), 0);
    server.fail("uploads", 1, refusal(501, "NotImplemented"));
    assert_eq!(remote.sweep(&[log()], now.after(TEMPORARY_KEPT), &Deadline::NONE).unwrap(), 0);
}

#[test]
fn every_refusal_has_its_class() {
    let server = S3::start();
    let remote = marked(&server);
    for (status, code, class) in [
        (400, "RequestTimeout", Class::Unreachable),
        (400, "ExpiredToken", Class::Denied),
        (400, "InvalidArgument", Class::Internal),
        (401, "", Class::Denied),
        (403, "AccessDenied", Class::Denied),
        (404, "NoSuchKey", Class::NotThere),
        (404, "NoSuchBucket", Class::Internal),
        (405, "MethodNotAllowed", Class::Internal),
        (408, "", Class::Unreachable),
        (409, "ConditionalRequestConflict", Class::Busy),
        (429, "TooManyRequests", Class::Busy),
        (500, "InternalError", Class::Unreachable),
        (502, "", Class::Unreachable),
        (503, "ServiceUnavailable", Class::Busy),
        (507, "", Class::Full),
    ] {
        server.fail("GET /exchange/p/carry/h", 1, refusal(status, code));
        let error = get(&remote, &head(1), WHOLE).unwrap_err();
        assert_eq!(error.class(), class, "{status} {code}: {error:?}");
        let message = told(&error);
        assert!(!message.contains("was wrong") && !message.contains(SECRET), "no server's words: {message}");
    }
    server.fail("GET", 1, Fault::Cut);
    assert_eq!(get(&remote, &head(1), WHOLE).unwrap_err().class(), Class::Unreachable);
    assert_eq!(get(&remote, &head(1), WHOLE).unwrap_err().class(), Class::NotThere);
}

#[test]
fn what_the_credentials_may_not_do_is_named() {
    let server = S3::start();
    let remote = marked(&server);
    server.fail("list-type", 1, refusal(403, "AccessDenied"));
    let message = told(&names(&remote, Folder::Heads).unwrap_err());
    assert!(
        message.contains("refuses this device") && message.contains("may not list files (403 AccessDenied)"),
        "{message}"
    );
    server.fail("PUT /exchange/p/carry/h", 1, refusal(403, "AccessDenied"));
    let message = told(&put(&remote, &head(1), b"x").unwrap_err());
    assert!(message.contains("may not put a file (403 AccessDenied)"), "{message}");
    assert!(!message.contains("folder") && !message.contains("mount"), "{message}");
}

#[test]
fn a_busy_server_says_for_how_long() {
    let server = S3::start();
    let remote = marked(&server);
    let date = |name| (name, "Sun, 29 Nov 2026 07:00:00 GMT".to_owned());
    let later = ("retry-after", "Sun, 29 Nov 2026 07:00:30 GMT".to_owned());
    for (headers, expected) in [
        (vec![("retry-after", "7".to_owned())], Some(7)),
        (vec![date("date"), later], Some(30)),
        (vec![("retry-after", "999999999".to_owned())], Some(3600)),
        (vec![("retry-after", "soon".to_owned())], None),
        (vec![], None),
    ] {
        server.fail("list-type", 1, Fault::Answer(503, "SlowDown", headers));
        let error = names(&remote, Folder::Heads).unwrap_err();
        assert_eq!((error.class(), error.retry_after()), (Class::Busy, expected.map(Duration::from_secs)));
    }
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    let server = S3::start();
    let remote = marked(&server);
    let date = ("date", "Sun, 01 Jan 2023 00:00:00 GMT".to_owned());
    server.fail("GET", 1, Fault::Answer(403, "RequestTimeTooSkewed", vec![date]));
    let error = get(&remote, &head(1), WHOLE).unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    let message = told(&error);
    assert!(message.contains("clock is ") && message.contains("minutes ahead of the server's"), "{message}");
}

#[test]
fn a_region_that_is_wrong_is_named() {
    let server = S3::start();
    let remote = marked(&server);
    let region = ("x-amz-bucket-region", "eu-central-1".to_owned());
    server.fail("GET", 1, Fault::Answer(301, "PermanentRedirect", vec![region]));
    let message = told(&get(&remote, &head(1), WHOLE).unwrap_err());
    assert!(message.contains("region=eu-central-1"), "{message}");
}

#[test]
fn no_redirection_is_followed() {
    let (server, trap) = (S3::start(), S3::start());
    let remote = marked(&server);
    for status in [301, 302, 303, 307, 308] {
        let to = ("location", format!("{}/{BUCKET}/x", trap.endpoint()));
        server.fail("GET", 1, Fault::Answer(status, "", vec![to.clone()]));
        let error = get(&remote, &head(1), WHOLE).unwrap_err();
        assert_eq!(error.class(), Class::Internal);
        assert!(told(&error).contains("redirection"), "{error:?}");
        server.fail("PUT", 1, Fault::Answer(status, "", vec![to]));
        assert_eq!(put(&remote, &head(1), b"x").unwrap_err().class(), Class::Internal, "{status}");
    }
    assert_eq!(trap.requests(), [""; 0]);
}

#[test]
fn wrong_credentials_are_named_by_where_they_come_from() {
    let server = S3::start();
    let bucket = bucket_at(&address(&server));
    let keys = |id: &str, secret: &str| format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let wrong = format!("[default]\n{}[work]\n{}", keys(KEY_ID, "hush-hush"), keys("AKIANOBODY", SECRET));
    let files = [(".aws/credentials", &*wrong)];
    let environment = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", "hush-hush")];
    for (variables, expected) in [
        (&environment[..], "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (&[("AWS_PROFILE", "work")][..], "the profile \"work\" in "),
        (&[][..], "the profile \"default\" in "),
    ] {
        let (remote, _home) = opened(&bucket, variables, &files);
        let remote = remote.unwrap();
        let error = remote.check(&Deadline::NONE).unwrap_err();
        assert_eq!(error.class(), Class::Denied);
        let message = format!("{} {error:?} {remote:?}", told(&error));
        assert!(message.contains(expected) && message.contains("does not accept the credentials (403 "), "{message}");
        assert!(!message.contains("hush-hush") && !message.contains(SECRET), "{message}");
    }
}

#[test]
fn credentials_are_found_where_amazons_tools_look() {
    let server = S3::start();
    marked(&server);
    let keys = format!("aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n");
    let good = format!("[default]\n{keys}");
    let work = format!("[work]\n{keys}");
    let config = format!("[profile work]\n{keys}region = eu-west-1\n");
    let elsewhere = format!("[default]\nregion = eu\nendpoint_url = {}\n", server.endpoint());
    let process = format!(
        "[profile p]\ncredential_process = printf '{{\"Version\":1,\"AccessKeyId\":\"{KEY_ID}\",\"SecretAccessKey\":\"{SECRET}\"}}'\n"
    );
    let wrong = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y")];
    let endpoint = server.endpoint();
    let here = address(&server);
    let with_profile = format!("{here}&profile=work");
    let no_endpoint = format!("s3://{BUCKET}/p");
    let right = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let cases: [(&str, Pairs<'_>, Pairs<'_>); 8] = [
        (&here, &right, &[(".aws/credentials", "[default]\naws_access_key_id = z\n")]),
        (&here, &[], &[(".aws/credentials", &good)]),
        (&here, &[("AWS_PROFILE", "work")], &[(".aws/credentials", &work)]),
        (&here, &[("AWS_DEFAULT_PROFILE", "work")], &[(".aws/config", &config)]),
        (&with_profile, &wrong, &[(".aws/credentials", &work)]),
        (&here, &[("AWS_SHARED_CREDENTIALS_FILE", "~/other")], &[("other", &good)]),
        (&no_endpoint, &[("AWS_ENDPOINT_URL", &endpoint)], &[(".aws/credentials", &good)]),
        (&no_endpoint, &[], &[(".aws/credentials", &good), (".aws/config", &elsewhere)]),
    ];
    for (n, (address, variables, files)) in cases.iter().enumerate() {
        let (remote, _home) = opened(&bucket_at(address), variables, files);
        remote.unwrap().check(&Deadline::NONE).unwrap_or_else(|error| panic!("{n}: {}", told(&error)));
    }
    let (remote, _home) = opened(&bucket_at(&here), &[("AWS_PROFILE", "p")], &[(".aws/config", &process)]);
    remote.unwrap().check(&Deadline::NONE).unwrap();
}

#[test]
fn new_keys_in_a_file_are_taken_up_after_the_old_ones_failed() {
    let server = S3::start();
    marked(&server);
    let text = |secret: &str| format!("[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {secret}\n");
    let (remote, home) = opened(&bucket_at(&address(&server)), &[], &[(".aws/credentials", &text("old"))]);
    let remote = remote.unwrap();
    assert_eq!(remote.check(&Deadline::NONE).unwrap_err().class(), Class::Denied);
    carry_kernel::disk::write_cache(&home.path().join(".aws/credentials"), text(SECRET).as_bytes()).unwrap();
    remote.check(&Deadline::NONE).unwrap();
}

#[test]
fn what_is_missing_is_said_before_anything_is_sent() {
    let bucket = bucket_at("s3://bucket");
    let id = ("AWS_ACCESS_KEY_ID", "hush");
    let secret = ("AWS_SECRET_ACCESS_KEY", "hush");
    let profile = ("AWS_PROFILE", "work");
    let cases: [(Pairs<'_>, Pairs<'_>, &str); 12] = [
        (&[], &[], "no credentials were found"),
        (&[id], &[], "AWS_SECRET_ACCESS_KEY is not"),
        (&[secret], &[], "AWS_ACCESS_KEY_ID is not"),
        (&[profile], &[], "no profile \"work\", which AWS_PROFILE names"),
        (&[profile], &[(".aws/credentials", "[work]\naws_access_key_id = hush\n")], "no aws_secret_access_key"),
        (&[profile], &[(".aws/config", "[profile work]\nregion = x\n")], "no aws_access_key_id"),
        (
            &[profile],
            &[(".aws/config", "[profile work]\nsso_session = hush\n")],
            "aws configure export-credentials --profile work",
        ),
        (&[profile], &[(".aws/config", "[profile work]\nrole_arn = hush\n")], "signs in by role_arn"),
        (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "hush")], &[], "does not ask that service"),
        (&[id, secret, ("AWS_ENDPOINT_URL_S3", "http://10.0.0.1:9000")], &[], "CARRY_S3_ALLOW_HTTP=1"),
        (&[id, secret, ("AWS_ENDPOINT_URL", "https://dana:hush@x")], &[], "AWS_ENDPOINT_URL names no endpoint"),
        (&[id, secret, ("AWS_REGION", "hush hush")], &[], "AWS_REGION names no region"),
    ];
    for (variables, files, expected) in cases {
        let (remote, _home) = opened(&bucket, variables, files);
        let message = told(&remote.unwrap_err());
        assert!(message.contains(expected) && !message.contains("hush"), "{expected:?}: {message}");
    }
    let allowed = [id, secret, ("AWS_ENDPOINT_URL_S3", "http://10.0.0.1:9000"), ("CARRY_S3_ALLOW_HTTP", "1")];
    assert!(opened(&bucket, &allowed, &[]).0.is_ok());
}

#[test]
fn certificates_of_its_own_authority_are_taken_from_a_file() {
    let keys = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y"), ("AWS_CA_BUNDLE", "~/ca.pem")];
    let nowhere = bucket_at("s3://bucket");
    let message = told(&opened(&nowhere, &keys, &[]).0.unwrap_err());
    assert!(message.contains("AWS_CA_BUNDLE") && message.contains("ca.pem"), "{message}");
    let (server, authority) = S3::start_tls();
    let bucket = bucket_at(&format!("s3://{BUCKET}?endpoint={}", server.endpoint()));
    let right = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let stranger = opened(&bucket, &right, &[]).0.unwrap().check(&Deadline::NONE).unwrap_err();
    assert!(
        stranger.class() == Class::Untrusted && told(&stranger).contains("signed by nobody this machine trusts"),
        "{}",
        told(&stranger)
    );
    let right = [&right[..], &[("AWS_CA_BUNDLE", "~/ca.pem")]].concat();
    let (known, _home) = opened(&bucket, &right, &[("ca.pem", &authority)]);
    assert_eq!(known.unwrap().init(&Deadline::NONE).unwrap(), Init::Created);
    let bad = "-----BEGIN CERTIFICATE-----\nnot base64 !\n-----END CERTIFICATE-----\n";
    assert!(opened(&nowhere, &keys, &[("ca.pem", bad)]).0.is_err());
}

#[test]
fn stray_keys_spoil_no_listing() {
    let server = S3::start();
    let remote = marked(&server);
    put(&remote, &head(1), b"x").unwrap();
    for key in [
        "",
        "p",
        "p/carry/h/",
        "p/carry/h//x",
        "p/carry/h/a\nb",
        "p/carry/h/a&b<c>",
        "p/carry/h/ü +%",
        "p/carry/h/.x",
        "p/carry/h\\x",
        "p/carry/h/\u{feff}",
    ] {
        server.plant(key, b"stray");
    }
    let listed: Vec<String> = names(&remote, Folder::Heads).unwrap().into_iter().map(|(name, _)| name).collect();
    let mut expected = vec![head(1).name().to_owned(), "a&b<c>".to_owned(), "ü +%".to_owned(), "\u{feff}".to_owned()];
    expected.sort();
    assert_eq!(listed, expected);
    let odd = RemoteFile::new(Folder::Heads, "ü +%").unwrap();
    assert_eq!(get(&remote, &odd, WHOLE).unwrap().0, b"stray");
}

#[test]
fn a_listing_that_leads_nowhere_ends() {
    let server = S3::start();
    let remote = marked(&server);
    let again = "<L><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></L>";
    for (text, requests) in
        [(again, 2), ("<L><IsTruncated>true</IsTruncated></L>", 1), ("<html>", 1), ("", 1), ("\u{1}", 1)]
    {
        let before = server.count("list-type");
        server.fail("list-type", 100, Fault::Body(text));
        assert_eq!(names(&remote, Folder::Heads).unwrap_err().class(), Class::Internal, "{text}");
        assert_eq!(server.count("list-type") - before, requests);
        server.heal();
    }
    assert_eq!(names(&remote, Folder::Heads).unwrap(), []);
}

#[test]
fn pages_are_asked_for_until_the_last() {
    let server = S3::start();
    let remote = marked(&server);
    for n in 1..=2001 {
        server.plant(&format!("p/{}", head(n)), b"h");
    }
    assert_eq!(listings(&remote, Folder::Heads).unwrap().len(), 2001);
    assert_eq!(server.count("list-type"), 3);
}

#[test]
fn what_is_cut_off_is_not_taken_for_the_whole() {
    let server = S3::start();
    let remote = marked(&server);
    put(&remote, &segment(1), &[5; 200_000]).unwrap();
    for bytes in [0, 1, 100_000, 199_999] {
        server.fail("GET", 1, Fault::CutBody(bytes));
        let mut into = Vec::new();
        let error = remote.get(&segment(1), WHOLE, &mut into, &Deadline::NONE).unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{error:?}");
        assert!(into.len() <= bytes);
    }
    server.fail("list-type", 1, Fault::CutBody(30));
    assert_eq!(names(&remote, Folder::Heads).unwrap_err().class(), Class::Unreachable);
}

#[test]
fn a_put_whose_answer_is_lost_is_there_the_second_time() {
    let server = S3::start();
    let remote = marked(&server);
    server.fail("PUT /exchange/p/carry/h", 1, Fault::CutAfter);
    assert_eq!(put(&remote, &head(1), b"12345").unwrap_err().class(), Class::Unreachable);
    assert_eq!(put(&remote, &head(1), b"12345").unwrap(), Put::Exists { bytes: 5 });
}

#[test]
fn conditions_are_found_out_once_and_without_harm() {
    for (conditions, looks) in [(Conditions::Kept, 0), (Conditions::Ignored, 3), (Conditions::Unknown, 3)] {
        let server = S3::start();
        server.set_conditions(conditions);
        let remote = marked(&server);
        let before = server.requests().len();
        for n in 1..=3 {
            assert_eq!(put(&remote, &head(n), b"x").unwrap(), Put::Created);
        }
        let since = server.requests().split_off(before);
        let marker = since.iter().filter(|line| line.starts_with("PUT") && line.contains("format.json")).count();
        assert_eq!(marker, 1, "{since:?}");
        assert_eq!(since.iter().filter(|line| line.starts_with("HEAD")).count(), looks, "{since:?}");
        assert_eq!(put(&remote, &head(1), b"other").unwrap(), Put::Exists { bytes: 1 });
        remote.check(&Deadline::NONE).unwrap();
    }
    // One says of the condition that the request is a bad one.
    let server = S3::start();
    let remote = marked(&server);
    server.fail("*", 100, refusal(400, "InvalidRequest"));
    assert_eq!(put(&remote, &head(1), b"x").unwrap(), Put::Created);
    assert_eq!(put(&remote, &head(1), b"other").unwrap(), Put::Exists { bytes: 1 });
    // The marker may be one that nobody may write.
    let server = S3::start();
    let remote = marked(&server);
    server.fail("PUT /exchange/p/carry/format.json", 100, refusal(403, "AccessDenied"));
    assert_eq!(put(&remote, &head(1), b"x").unwrap(), Put::Created);
    assert_eq!(put(&remote, &head(1), b"other").unwrap(), Put::Exists { bytes: 1 });
}

#[test]
fn a_silent_server_is_left_when_the_caller_wants_to_or_patience_ends() {
    let server = S3::start();
    let remote = marked(&server);
    server.fail("GET", 100, Fault::Silence);
    let clock = ManualClock::new(Timestamp::from_secs(100));
    let deadline = Deadline::NONE.at(&clock, Timestamp::from_secs(200));
    std::thread::scope(|scope| {
        let call = scope.spawn(|| remote.get(&head(1), WHOLE, &mut Vec::new(), &deadline));
        carry_testkit::patience::until("it was asked", || server.count("GET /exchange/p/carry/h") > 0);
        clock.set(Timestamp::from_secs(201));
        assert_eq!(call.join().unwrap().unwrap_err().class(), Class::Cancelled);
    });
    let bucket = bucket_at(&address(&server));
    let patience = Duration::from_millis(200);
    let remote = with_keys(|environment| BucketRemote::open_impatient(&bucket, environment, patience)).unwrap();
    let error = remote.check(&Deadline::NONE).unwrap_err();
    assert!(error.class() == Class::Unreachable && told(&error).contains("silent"), "{error:?}");
}

#[test]
fn the_marker_is_read_once_and_again_when_asked() {
    let server = S3::start();
    let remote = marked(&server);
    let reads = |server: &S3| server.count("GET /exchange/p/carry/format.json");
    let before = reads(&server);
    for _ in 0..5 {
        assert_eq!(names(&remote, Folder::Heads).unwrap(), []);
    }
    assert_eq!(reads(&server), before);
    server.uproot("p/carry/format.json");
    assert_eq!(remote.check(&Deadline::NONE).unwrap_err().class(), Class::NoMarker);
    assert_eq!(put(&remote, &head(1), b"x").unwrap_err().class(), Class::NoMarker);
}

#[test]
fn a_call_can_be_stopped_while_its_body_is_on_its_way() {
    let server = S3::start();
    let remote = marked(&server);
    put(&remote, &head(1), b"x").unwrap();
    let cancel = AtomicBool::new(true);
    let before = server.requests().len();
    let stopped = remote.put(&segment(1), Source::Bytes(&[1; 1000]), &Deadline::NONE.on(&cancel)).unwrap_err();
    assert_eq!(stopped.class(), Class::Cancelled);
    let listed = remote.list(Folder::Heads, &Deadline::NONE, &mut |_| std::ops::ControlFlow::Break(()));
    assert_eq!(listed.unwrap(), Listed::Stopped);
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn a_bucket_that_is_not_there_is_said_to_be_missing() {
    let server = S3::start();
    let remote = open(&format!("s3://nothing?endpoint={}", server.endpoint()));
    let error = remote.check(&Deadline::NONE).unwrap_err();
    assert!(told(&error).contains("there is no bucket of this name"), "{error:?}");
    assert!(error.source().is_some());
    let gone = server.endpoint();
    drop(server);
    let remote = open(&format!("s3://exchange?endpoint={gone}"));
    assert_eq!(remote.check(&Deadline::NONE).unwrap_err().class(), Class::Unreachable);
}

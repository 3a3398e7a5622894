//! What a remote that cannot be used says, each kind in words of its own: at `remote add`, `remote test`, `exchange`, in
//! `remote list` and `status`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use carry_testkit::s3::{self, Fault, S3};

use crate::world::{Ran, World, field};

/// A home with an environment.
struct Asker {
    world: World,
    environment: Vec<(&'static str, String)>,
}

impl Asker {
    fn new(environment: &[(&'static str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { world: World::new(), environment }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &self.world.repo());
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        self.world.run(&mut command)
    }

    /// Adds the place, which fails with all these words and none that belong to folders.
    #[track_caller]
    fn refuses(&self, place: &str, expected: &[&str]) {
        let ran = self.run(&["remote", "add", "there", place, "--yes"]);
        assert_eq!(ran.code, 1, "{place}: {ran:?}");
        assert_eq!(self.run(&["remote", "list", "--json"]).raw, "", "{place}: nothing is remembered");
        words(&ran.stderr, expected);
    }
}

/// All of these are said, and nothing that only a folder can be.
#[track_caller]
fn words(said: &str, expected: &[&str]) {
    for word in expected {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
    for word in ["sync tool", "placeholder", "mounted, and", "is not there", "permissions of"] {
        assert!(!said.contains(word), "{word:?} is about folders: {said}");
    }
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", s3::KEY_ID), ("AWS_SECRET_ACCESS_KEY", s3::SECRET)];

fn bucket(server: &S3) -> String {
    format!("s3://{}/p?endpoint={}", s3::BUCKET, server.endpoint())
}

#[test]
fn a_folder_that_is_gone_is_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("disk");
    fs::create_dir(&place).expect("a folder");
    let world = World::new();
    world.ok(&["remote", "add", "disk", place.to_str().expect("a plain path"), "--yes"]);
    fs::remove_dir_all(&place).expect("it is there");
    for command in [&["exchange"][..], &["remote", "test"]] {
        let ran = world.carry(command);
        assert_eq!(ran.code, 1, "{ran:?}");
        for word in ["cannot reach the folder ", "is mounted", "Caused by: it is not there\n", "Nothing is lost"] {
            assert!(ran.stderr.contains(word), "{word}: {ran:?}");
        }
    }
    assert!(world.ok(&["remote", "list"]).stdout.contains("cannot reach the folder "));
}

#[test]
fn others_are_said_to_exchange_through_a_place_only_where_they_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("a plain path");
    let adds = |world: &World| world.ok(&["remote", "add", "nas", place, "--no-code", "--yes"]).stderr;
    let (one, two, three) = (World::new(), World::new(), World::new());
    let said = "Others exchange through it already, or did.";
    assert!(!adds(&one).contains(said));
    assert!(!adds(&two).contains(said), "it is marked, and no more");
    one.roomy();
    one.ok(&["exchange"]);
    assert!(adds(&three).contains(said));
    one.ok(&["remote", "remove", "nas", "--yes"]);
    assert!(!adds(&one).contains(said), "what lies there is its own");
}

#[test]
fn a_bucket_says_what_is_wrong_with_it() {
    let server = S3::start();
    let place = bucket(&server);
    Asker::new(&[]).refuses(&place, &["no credentials were found", "AWS_ACCESS_KEY_ID", "profile"]);
    Asker::new(&KEYS[..1]).refuses(&place, &["AWS_SECRET_ACCESS_KEY is not"]);
    Asker::new(&[KEYS[0], ("AWS_SECRET_ACCESS_KEY", "wrong")]).refuses(
        &place,
        &[
            "the bucket s3://",
            "refuses this device",
            "does not accept the credentials (403 SignatureDoesNotMatch)",
            "they come from",
        ],
    );
    let asker = Asker::new(&KEYS);
    let missing = format!("s3://no-such-bucket/p?endpoint={}", server.endpoint());
    asker.refuses(&missing, &["there is no bucket of this name (404 NoSuchBucket)", "correct the address"]);
    let said = |status, code, headers: &[(&'static str, &str)]| {
        Fault::Answer(status, code, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    };
    server.fail("GET", 1, said(403, "AccessDenied", &[]));
    asker.refuses(&place, &["are known but may not read the marker (403 AccessDenied)", "ListBucket"]);
    server.fail("PUT", 1, said(403, "AccessDenied", &[]));
    asker.refuses(&place, &["are known but may not ", "(403 AccessDenied)", "PutObject"]);
    server.fail("GET", 1, said(301, "PermanentRedirect", &[("x-amz-bucket-region", "eu-central-1")]));
    asker.refuses(&place, &["the bucket is in another region", "write region=eu-central-1"]);
    server.fail("GET", 1, said(403, "RequestTimeTooSkewed", &[("date", "Sun, 01 Jan 2023 00:00:00 GMT")]));
    asker.refuses(&place, &["this machine's clock is ", "ahead of the server's", "set the clock right"]);
    server.fail("GET", 1, Fault::Body("<html>a router's page</html>"));
    asker.refuses(&place, &["has a carry/format.json that is not Carry's", "check the address"]);

    // It is added, and cannot be listed any more.
    assert_eq!(asker.run(&["remote", "add", "there", &place, "--yes"]).code, 0);
    server.fail("list-type", 1, said(403, "AccessDenied", &[]));
    let ran = asker.run(&["remote", "test"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    words(&ran.stderr, &["the bucket s3://", "may not list files (403 AccessDenied)", "ListBucket"]);
    server.uproot("p/carry/format.json");
    let ran = asker.run(&["exchange"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    words(&ran.stderr, &["is not an exchange of Carry", "Check bucket and prefix in the address"]);
    drop(server);
    let ran = asker.run(&["exchange"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    words(&ran.stderr, &["cannot reach the bucket s3://", "check its address", "Nothing is lost"]);
    words(&asker.run(&["remote", "list"]).stdout, &["cannot reach the bucket s3://"]);
    words(&asker.run(&["status", "--all"]).stdout, &["cannot reach the bucket s3://"]);

    let (server, _) = S3::start_tls();
    asker.world.ok(&["remote", "remove", "there"]);
    asker.refuses(
        &bucket(&server),
        &["is not trusted, and nothing was sent", "signed by nobody this machine trusts", "AWS_CA_BUNDLE"],
    );
}

/// A server, killed when the test ends.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(world: &World) -> Self {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        command.args(["serve", "--json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("asked for")).read_line(&mut said).expect("it speaks");
        Self { child, url: field(&said, "url") }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// The address of something that gives every caller the same answer.
fn impostor(status: &'static str, headers: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    // It ends with the tests' process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut heard, mut byte) = (Vec::new(), [0]);
            while !heard.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                heard.push(byte[0]);
            }
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}");
            // Whoever asked may be gone.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn a_server_says_what_is_wrong_with_it() {
    const TOKEN: (&str, &str) = ("CARRY_REMOTE_TOKEN_THERE", "a-token-that-nobody-knows");
    let hub = World::new();
    let token = hub.ok(&["serve", "token", "laptop"]).raw.trim().to_owned();
    let served = Served::start(&hub);
    Asker::new(&[]).refuses(&served.url, &["there is no token for there", "--token-file FILE", TOKEN.0]);
    Asker::new(&[(TOKEN.0, "short")]).refuses(&served.url, &["what CARRY_REMOTE_TOKEN_THERE holds cannot be used"]);
    let stranger = Asker::new(&[TOKEN]);
    stranger.refuses(
        &served.url,
        &["the server http://", "refuses this device", "HTTP 401", "carry serve token NAME", "--token-file"],
    );
    stranger
        .refuses(&served.url.replace("http:", "https:"), &["cannot reach the server https://", "does not speak TLS"]);
    stranger
        .refuses(&format!("{}/elsewhere", served.url), &["no exchange of Carry is served there", "check the address"]);
    stranger.refuses(&impostor("404 Not Found", "", "<html>"), &["no exchange of Carry is served there"]);
    stranger.refuses(
        &impostor("200 OK", "", "<html>hello</html>"),
        &["what answers at http://", "is not an exchange of Carry"],
    );
    stranger.refuses(&impostor("403 Forbidden", "", "<html>"), &["HTTP 403", "is not `carry serve`"]);
    let marked = |body| impostor("200 OK", "", body);
    stranger.refuses(
        &marked("{\"carry\":\"exchange\",\"format\":0}\n"),
        &["the server http://", "is too old", "Update Carry on the server"],
    );
    stranger.refuses(&marked("{\"carry\":\"exchange\",\"format\":7}\n"), &["has the exchange format 7"]);
    let (tls, _) = S3::start_tls();
    stranger.refuses(
        &tls.endpoint(),
        &["the server of https://", "is not trusted, and nothing was sent", "--ca-file FILE"],
    );

    let friend = Asker::new(&[(TOKEN.0, &token)]);
    assert_eq!(friend.run(&["remote", "add", "there", &served.url, "--yes"]).code, 0);
    let folder = hub.root().join("carry/data/exchange/hub");
    fs::remove_file(folder.join("carry/format.json")).expect("it is there");
    let ran = friend.run(&["exchange"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    words(&ran.stderr, &["the folder that http://", "serves is not an exchange of Carry", "Check on the server"]);
    fs::rename(&folder, hub.root().join("away")).expect("it is there");
    let ran = friend.run(&["remote", "test"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    words(&ran.stderr, &["cannot reach the server http://", "the server's folder cannot be reached"]);
    drop(served);
    let ran = friend.run(&["exchange"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    words(&ran.stderr, &["cannot reach the server http://", "`carry serve` runs there", "Nothing is lost"]);
    words(&friend.run(&["remote", "list"]).stdout, &["cannot reach the server http://"]);
}

#[test]
fn an_address_that_is_nearly_one_is_told_from_a_folder() {
    let world = World::new();
    for (place, code, said) in [
        ("s3:/bucket/x", 2, "an address begins with s3://"),
        ("s3//bucket/x", 2, "an address begins with s3://"),
        ("https:hub.example.org", 2, "an address begins with https://"),
        ("nowhere", 1, "A path that does not begin with / counts from the folder you are in"),
        ("s3://Bucket_x", 2, "a bucket's name has 3 to 63 of"),
        ("s3://bucket?regoin=eu", 2, "no setting \"regoin\": it takes endpoint, region"),
        ("host:path", 2, "write ./ before it"),
    ] {
        let ran = world.carry(&["remote", "add", "x", place, "--yes"]);
        assert_eq!(ran.code, code, "{place}: {ran:?}");
        assert!(ran.stderr.contains(said), "{place}: {ran:?}");
    }
    let ran = world.carry(&["remote", "add", "x", "a.txt", "--yes"]);
    assert!(ran.code == 1 && ran.stderr.contains("there is no folder ~/repo/a.txt"), "{ran:?}");
    world.file("a.txt", "x");
    let ran = world.carry(&["remote", "add", "x", "a.txt", "--yes"]);
    assert!(ran.code == 1 && ran.stderr.contains("Hint: Give the folder itself"), "{ran:?}");
}

#[test]
fn what_belongs_to_a_remote_is_forgotten_with_it() {
    let hub = World::new();
    let token = hub.ok(&["serve", "token", "laptop"]).raw;
    let served = Served::start(&hub);
    let world = World::new();
    let file = |name: &str, text: &str| {
        let path = world.root().join(name);
        let mut file = fs::File::create(&path).expect("a file");
        file.write_all(text.as_bytes()).expect("room");
        assert!(Command::new("chmod").arg("600").arg(&path).status().expect("chmod").success());
        path.to_str().expect("a plain path").to_owned()
    };
    let (_, authority) = S3::start_tls();
    let (token, authority) = (file("token", &token), file("ca.pem", &authority));
    world.ok(&["remote", "add", "hub", &served.url, "--yes", "--token-file", &token, "--ca-file", &authority]);
    world.ok(&["remote", "test"]);
    world.ok(&["remote", "remove", "hub"]);
    let ran = world.ok(&["remote", "list"]);
    assert!(!ran.stderr.contains("Warning"), "{ran:?}");
    let kept = fs::read_to_string(world.root().join("carry/config/config.toml")).expect("it is there");
    assert!(!kept.contains("hub="), "{kept}");
}

//! `serve`, as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::world::{World, field};

/// A server that runs; ended with the test.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
}

impl Server {
    fn start(world: &World, arguments: &[&str]) -> Self {
        Self::start_at(world, "127.0.0.1:0", arguments)
    }

    fn start_at(world: &World, address: &str, arguments: &[&str]) -> Self {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        command.args(["serve", "--json", "--listen", address]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut said = String::new();
        stdout.read_line(&mut said).expect("it speaks");
        Self { child, stdout, said }
    }

    /// Asks with a credential; status and body.
    fn ask(&self, path: &str, token: &str) -> (u16, String) {
        let address = field(&self.said, "address");
        let mut stream = TcpStream::connect(&address).expect("it listens");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it takes it");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
    }

    /// Tells it to stop; its exit code, and what else it said.
    fn stop(mut self, signal: &str) -> (Option<i32>, String, String) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill");
        assert!(told.success());
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).expect("text");
        self.child.stderr.take().expect("it was asked for").read_to_string(&mut stderr).expect("text");
        (self.child.wait().expect("it ends").code(), stdout, stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = (self.child.kill(), self.child.wait());
    }
}

#[test]
fn it_says_where_it_listens_serves_and_stops_when_told() {
    let world = World::new();
    let token = world.ok(&["serve", "token", "laptop"]).raw;
    let token = token.trim();
    for signal in ["-TERM", "-INT"] {
        let server = Server::start(&world, &[]);
        assert_eq!(field(&server.said, "type"), "serving");
        assert_eq!(field(&server.said, "url"), format!("http://{}", field(&server.said, "address")));
        assert_eq!(field(&server.said, "pid"), server.child.id().to_string());
        let (status, body) = server.ask("/carry/v1/exchange/format.json", token);
        assert_eq!((status, body.as_str()), (200, "{\"carry\":\"exchange\",\"format\":1}\n"));
        assert_eq!(server.ask("/carry/v1/exchange/format.json", "wrong-wrong-wrong").0, 401);
        assert_eq!(
            server.ask("/carry/v1/health", "").1,
            concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n")
        );
        let second = world.carry(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(second.code, 1);
        assert!(second.stderr.contains("a server of this home runs already"), "{second:?}");
        assert_eq!(server.stop(signal), (Some(0), String::new(), String::new()));
    }
}

#[test]
fn a_credential_is_printed_once_and_kept_as_a_digest() {
    let world = World::new();
    let made = world.ok(&["serve", "token", "laptop", "--json"]).raw;
    let token = field(&made, "token");
    assert!(token.starts_with("carry_") && token.len() == 70, "{made}");
    let file = world.root().join("carry/data/serve.tokens");
    let kept = std::fs::read_to_string(&file).expect("it was written");
    assert!(kept.starts_with("laptop sha256:") && !kept.contains(&token[6..]), "{kept}");
    assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    let again = world.carry(&["serve", "token", "laptop"]);
    assert!(again.code == 1 && again.stderr.contains("--replace"), "{again:?}");
    let server = Server::start(&world, &[]);
    assert_eq!(server.ask("/carry/v1/exchange/h/", &token).0, 200);
    assert_ne!(world.ok(&["serve", "token", "laptop", "--replace"]).raw.trim(), token);
    assert_eq!(world.ok(&["serve", "token"]).stdout, "laptop\n");
    world.ok(&["serve", "token", "laptop", "--remove"]);
    world.carry(&["serve", "token"]).is(0, "", "No device has a credential; `carry serve token NAME` makes one.\n");
    assert_eq!(world.carry(&["serve", "token", "laptop", "--remove"]).code, 1);
    assert_eq!(world.carry(&["serve", "token", "a/b"]).code, 2);
}

#[test]
fn whose_credential_was_replaced_is_told_how_to_get_another() {
    let (there, here) = (World::new(), World::new());
    let file = here.root().join("token");
    let issue = |arguments: &[&str]| {
        let token = there.ok(&[&["serve", "token", "laptop"], arguments].concat()).raw;
        carry_kernel::disk::write_atomic(&file, token.trim().as_bytes()).expect("room on the disk");
    };
    issue(&[]);
    let server = Server::start(&there, &[]);
    let (url, address) = (field(&server.said, "url"), field(&server.said, "address"));
    // One that begins reads the credentials at once.
    let again = |server: Server| {
        server.stop("-TERM");
        Server::start_at(&there, &address, &[])
    };
    here.roomy();
    let path = file.to_str().expect("a plain path");
    here.ok(&["remote", "add", "hub", &url, "--no-code", "--yes", "--token-file", path]);
    there.ok(&["serve", "token", "laptop", "--replace"]);
    let server = again(server);
    let refused = || {
        let ran = here.carry(&["exchange"]);
        assert!(ran.code == 1 && ran.stderr.contains("`carry serve token NAME --replace`"), "{ran:?}");
        assert!(ran.stderr.contains("Hint: Put the token into the file that holds this remote's"), "{ran:?}");
    };
    refused();
    there.ok(&["serve", "token", "laptop", "--remove"]);
    let server = again(server);
    refused();
    // What is said to do is right in both cases.
    issue(&["--replace"]);
    let server = again(server);
    here.ok(&["exchange"]);
    drop(server);
}

#[test]
fn what_would_be_unsafe_or_a_mistake_is_refused_with_what_to_do() {
    let world = World::new();
    let refused = |arguments: &[&str], code: i32, hint: &str| {
        let ran = world.carry(&[&["serve"], arguments].concat());
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.contains(hint), "{hint}: {ran:?}");
    };
    refused(&["--listen", "0.0.0.0:0"], 2, "--tls-cert");
    refused(&["--listen", "nowhere"], 2, "127.0.0.1:7777");
    refused(&["--listen", "127.0.0.1:0", "--tls-cert", "x"], 2, "--tls-key");
    refused(&["--listen", "127.0.0.1:0", "--host", "a b"], 2, "hub.example.org");
    refused(&["--listen", "127.0.0.1:0", "--folder", "missing"], 1, "--init");
    let folder = world.repo().join("empty");
    std::fs::create_dir(&folder).expect("a folder");
    refused(&["--listen", "127.0.0.1:0", "--folder", "empty"], 1, "--init");
    assert_eq!(folder.read_dir().expect("it is there").count(), 0);
    let server = Server::start(&world, &["--folder", "empty", "--init"]);
    assert!(folder.join("carry/format.json").is_file());
    let (code, _, stderr) = server.stop("-TERM");
    assert!(code == Some(0) && stderr.contains("carry serve token NAME"), "{stderr}");
}

#[test]
fn whoever_watches_says_at_once_that_a_server_is_gone_and_when_it_is_back() {
    let (there, here) = (World::new(), World::new());
    let token = there.ok(&["serve", "token", "laptop"]).raw;
    let server = Server::start(&there, &[]);
    let address = field(&server.said, "address");
    let file = here.root().join("token");
    carry_kernel::disk::write_atomic(&file, token.trim().as_bytes()).expect("room on the disk");
    here.roomy();
    let (url, file) = (format!("http://{address}"), file.to_str().expect("a plain path").to_owned());
    here.ok(&["remote", "add", "hub", &url, "--no-code", "--yes", "--token-file", &file]);
    let mut command = here.command(Path::new(env!("CARGO_BIN_EXE_carry")), &here.home());
    // It is asked so seldom that nothing comes of that.
    command.args(["exchange", "--watch", "--config", "exchange.poll=1h"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    let mut noted = BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    let first = said.next().expect("a line");
    assert!(first.starts_with("hub: put 1 head, "), "{first}");
    server.stop("-TERM");
    let warning = noted.find(|line| line.starts_with("Warning: ")).expect("a warning");
    assert!(warning.starts_with("Warning: hub: cannot reach "), "{warning}");
    let server = Server::start_at(&there, &address, &[]);
    let between: Vec<String> = noted.by_ref().take_while(|line| line != "hub is exchanged with again.").collect();
    assert!(!between.iter().any(|line| line.contains("hub: cannot reach")), "it is said once: {between:?}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    drop(server);
}

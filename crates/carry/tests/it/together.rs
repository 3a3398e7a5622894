//! Devices as processes of their own: daemons on a folder that is copied between them, a bucket, and a server that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use carry_testkit::patience::until;
use carry_testkit::rng::Rng;
use carry_testkit::{dav, s3};
use serde_json::Value;

use crate::sessions::{A, fixtures, json};
use crate::world::{World, field};

/// How often the sync tool has a go: with no pause at all it would leave the machine to nobody else.
const SYNC_EVERY: Duration = Duration::from_millis(20);

/// A session of an agent, in the home of `world`; `n` tells one from another.
fn talk(world: &World, n: u32) -> String {
    let project = fixtures().join("home/.claude/projects/-home-dana-code-orchard-api");
    let text = fs::read_to_string(project.join(format!("{A}.jsonl"))).expect("a fixture");
    let id = format!("{n:08x}-7088-4482-8231-74d06cde3e3a");
    let path = world.home().join(format!(".claude/projects/-home-dana-code-orchard-api/{id}.jsonl"));
    fs::create_dir_all(path.parent().expect("below the home")).expect("a folder");
    let mut file = fs::File::create(path).expect("a file");
    std::io::Write::write_all(&mut file, text.replace(A, &id).as_bytes()).expect("room on the disk");
    id
}

/// What a device shows of sessions: by the agent's id its name, star and messages.
fn shown(world: &World) -> BTreeMap<String, (Value, Value, Value)> {
    let all = json(world, &["sessions", "list", "--all", "--limit", "0"]);
    let of = |session: &Value| (session["name"].clone(), session["starred"].clone(), session["messages"].clone());
    all.iter().map(|session| (session["native"].as_str().expect("text").to_owned(), of(session))).collect()
}

/// What a device has put to its remotes, in files and bytes.
fn put(world: &World) -> (u64, u64) {
    let all = json(world, &["exchange", "stats"]);
    let remotes = all.iter().filter(|row| row["type"] == "remote-stats");
    remotes.fold((0, 0), |(files, bytes), row| {
        (files + row["put_files"].as_u64().unwrap_or(0), bytes + row["put_bytes"].as_u64().unwrap_or(0))
    })
}

/// All files below a folder that are no temporary ones, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !entry.file_name().to_string_lossy().starts_with('~')
                && let Ok(bytes) = fs::read(&path)
            {
                all.insert(path.strip_prefix(folder).expect("below it").to_owned(), bytes);
            }
        }
    }
    all
}

/// Copies files between folders as a sync tool does: in any order, late, and now and then at first in part.
struct SyncTool {
    /// The tool ends when this does.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SyncTool {
    fn start(folders: Vec<PathBuf>, seed: u64) -> Self {
        let (running, ended) = channel();
        let thread = std::thread::spawn(move || {
            let mut rng = Rng::new(seed);
            while ended.recv_timeout(SYNC_EVERY) == Err(RecvTimeoutError::Timeout) {
                copy_some(&folders, &mut rng);
            }
        });
        Self { running: Some(running), thread: Some(thread) }
    }
}

impl Drop for SyncTool {
    fn drop(&mut self) {
        drop(self.running.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn copy_some(folders: &[PathBuf], rng: &mut Rng) {
    let (from, to) = (rng.pick(folders), rng.pick(folders));
    let (there, here) = (files(from), files(to));
    let mut missing: Vec<_> =
        there.iter().filter(|(path, bytes)| here.get(*path).map(Vec::len) < Some(bytes.len())).collect();
    while !missing.is_empty() {
        let (path, bytes) = missing.swap_remove(rng.below(missing.len()));
        if rng.chance(30) {
            continue;
        }
        let part = if rng.chance(25) { &bytes[..rng.below(bytes.len() + 1)] } else { &bytes[..] };
        let target = to.join(path);
        fs::create_dir_all(target.parent().expect("below the folder")).expect("a folder");
        let mut file = fs::File::create(&target).expect("a file");
        std::io::Write::write_all(&mut file, part).expect("room on the disk");
    }
}

#[test]
fn three_daemons_converge_over_a_folder_that_is_copied_between_them() {
    let worlds: Vec<World> = (0..3).map(|_| World::new()).collect();
    let replicas: Vec<PathBuf> = worlds.iter().map(|world| world.root().join("replica")).collect();
    for (n, (world, replica)) in (0u32..).zip(worlds.iter().zip(&replicas)) {
        talk(world, n + 1);
        fs::create_dir(replica).expect("a folder");
        // The machine that runs the tests may be busy.
        world.ok(&["config", "set", "daemon.max_load", "1000"]);
        world.ok(&["config", "set", "daemon.min_battery_percent", "0"]);
        world.ok(&["config", "set", "exchange.quiet", "100ms"]);
        world.ok(&["config", "set", "exchange.poll", "2s"]);
        world.ok(&["config", "set", "exchange.free_min", "0"]);
        world.ok(&["remote", "add", "shared", replica.to_str().expect("a plain path"), "--yes", "--no-code"]);
    }
    let tool = SyncTool::start(replicas.clone(), 7);
    for world in &worlds {
        world.ok(&["daemon", "start"]);
    }
    for (n, world) in worlds.iter().enumerate() {
        until(&format!("device {n} has met both others"), || {
            let devices = json(world, &["devices"]);
            devices.iter().filter(|device| device["type"] == "device").count() >= 3
        });
        world.ok(&["devices", "approve", "--all", "--yes"]);
    }
    for (n, world) in worlds.iter().enumerate() {
        until(&format!("device {n} shows three sessions"), || shown(world).len() == 3);
    }
    // Each says something about a session of the next one.
    for (n, world) in worlds.iter().enumerate() {
        let native = format!("{:08x}-7088-4482-8231-74d06cde3e3a", (n + 1) % 3 + 1);
        let all = json(world, &["sessions", "list", "--all", "--limit", "0"]);
        let session = all.iter().find(|session| session["native"] == *native).expect("it is shown");
        let id = session["id"].as_str().expect("text");
        world.ok(&["sessions", "star", id]);
        world.ok(&["sessions", "rename", id, &format!("named by {n}")]);
    }
    let is_whole = |all: &BTreeMap<String, (Value, Value, Value)>| {
        all.len() == 3
            && all.values().all(|(name, starred, _)| {
                name.as_str().is_some_and(|name| name.starts_with("named")) && *starred == true
            })
    };
    until("all show the same", || {
        let all: Vec<_> = worlds.iter().map(shown).collect();
        is_whole(&all[0]) && all.iter().all(|one| *one == all[0])
    });
    for world in &worlds {
        world.ok(&["daemon", "stop"]);
    }
    drop(tool);
    // Nothing was put twice: of each object there is one file, under its own name.
    for (world, replica) in worlds.iter().zip(&replicas) {
        let names: Vec<String> = files(replica).keys().map(|path| path.display().to_string()).collect();
        assert!(names.iter().all(|name| !name.contains(".r1.")), "{names:?}");
        let before = put(world);
        world.ok(&["exchange", "--once"]);
        world.ok(&["exchange", "--once"]);
        let after = put(world);
        assert!(after.0 <= before.0 + 2, "a head at most, and its list: {before:?}, {after:?}");
        assert_eq!(json(world, &["exchange", "verify"]).len(), 0);
    }
}

/// A home whose remote is what `place` names, with the environment that it takes.
struct Device {
    world: World,
    environment: Vec<(&'static str, String)>,
}

impl Device {
    fn new(place: &str, environment: Vec<(&'static str, String)>, more: &[&str]) -> Self {
        let device = Self { world: World::new(), environment };
        device.world.roomy();
        device.ok(&[&["remote", "add", "there", place, "--yes", "--no-code"], more].concat());
        device
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let mut command = self.world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &self.world.repo());
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        let ran = self.world.run(&mut command);
        assert_eq!(ran.code, 0, "carry {arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran.raw
    }
}

/// Lets two devices meet, each with a session of its own, until both show both.
fn meet(one: &Device, two: &Device) {
    for (n, device) in [(1, one), (2, two)] {
        talk(&device.world, n);
        device.ok(&["sessions", "index"]);
    }
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    two.ok(&["devices", "approve", "--all", "--yes"]);
    two.ok(&["exchange"]);
    one.ok(&["exchange"]);
    one.ok(&["devices", "approve", "--all", "--yes"]);
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    assert_eq!(shown(&one.world).len(), 2);
    assert_eq!(shown(&one.world), shown(&two.world));
}

#[test]
fn two_devices_meet_in_a_bucket_and_send_nothing_twice() {
    let server = s3::S3::start();
    let place = format!("s3://{}/some/prefix?endpoint={}", s3::BUCKET, server.endpoint());
    let environment =
        || vec![("AWS_ACCESS_KEY_ID", s3::KEY_ID.to_owned()), ("AWS_SECRET_ACCESS_KEY", s3::SECRET.to_owned())];
    let (one, two) = (Device::new(&place, environment(), &[]), Device::new(&place, environment(), &[]));
    meet(&one, &two);
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let before = (put(&one.world), put(&two.world), server.files());
    for _ in 0..2 {
        one.ok(&["exchange"]);
        two.ok(&["exchange"]);
    }
    assert_eq!((put(&one.world), put(&two.world)), (before.0, before.1));
    assert_eq!(server.files(), before.2);
}

#[test]
fn two_devices_meet_in_a_folder_over_webdav_and_send_nothing_twice() {
    let server = dav::Dav::start();
    let place = format!("dav+http://{}/x/", server.address());
    // One is told the login by a variable, the other by a file.
    let here = tempfile::tempdir().expect("a temporary folder");
    let login = here.path().join("login");
    carry_kernel::disk::write_atomic(&login, dav::LOGIN.as_bytes()).expect("room on the disk");
    let login = login.to_str().expect("a plain path");
    let one = Device::new(&place, vec![("CARRY_REMOTE_TOKEN_THERE", dav::LOGIN.to_owned())], &[]);
    let two = Device::new(&place, Vec::new(), &["--token-file", login]);
    meet(&one, &two);
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let before = (put(&one.world), put(&two.world), server.files("/"), server.requests().len());
    for _ in 0..2 {
        one.ok(&["exchange"]);
        two.ok(&["exchange"]);
    }
    assert_eq!((put(&one.world), put(&two.world)), (before.0, before.1));
    assert_eq!(server.files("/"), before.2);
    let asked = server.requests()[before.3..].to_vec();
    assert_eq!(asked.len(), 8, "a round without news asks for the marker and the heads: {asked:?}");
    let ran = two.ok(&["remote", "test", "--json"]);
    let tested: Value = serde_json::from_str(ran.trim()).expect("JSON");
    assert_eq!((&tested["ok"], &tested["own_head"]), (&true.into(), &true.into()), "{ran}");
    assert_eq!(json(&two.world, &["remote", "list"])[0]["kind"], "webdav");
    // Without a login, and with a wrong one, it is said what is missing.
    for (environment, said) in [(None, "wants a user and a password"), (Some("ada:wrong"), "does not accept")] {
        let world = World::new();
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        command.args(["remote", "add", "there", &place, "--yes"]);
        command.envs(environment.map(|login| ("CARRY_REMOTE_TOKEN_THERE", login)));
        let ran = world.run(&mut command);
        assert!(ran.code == 1 && ran.stderr.contains(said) && !ran.stderr.contains("wrong"), "{ran:?}");
    }
    let stored = fs::read_to_string(one.world.root().join("carry/config/config.toml")).expect("it is there");
    assert!(stored.contains("dav+http://") && !stored.contains("sesame"), "{stored}");
}

/// A server, killed when the test ends.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(world: &World, listen: &str) -> Self {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        command.args(["serve", "--json", "--listen", listen]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("asked for")).read_line(&mut said).expect("it speaks");
        Self { child, url: field(&said, "url") }
    }

    fn kill(&mut self) {
        let told = Command::new("kill").args(["-KILL", &self.child.id().to_string()]).status().expect("kill");
        assert!(told.success());
        self.child.wait().expect("it ends");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = (self.child.kill(), self.child.wait());
    }
}

#[test]
fn a_server_that_is_killed_and_started_again_loses_nothing_and_is_sent_nothing_twice() {
    let hub = World::new();
    let token = |name: &str| hub.ok(&["serve", "token", name]).raw.trim().to_owned();
    let tokens = [token("one"), token("two")];
    let mut server = Served::start(&hub, "127.0.0.1:0");
    let address = server.url.trim_start_matches("http://").to_owned();
    let device = |token: &String| Device::new(&server.url, vec![("CARRY_REMOTE_TOKEN_THERE", token.clone())], &[]);
    let (one, two) = (device(&tokens[0]), device(&tokens[1]));
    meet(&one, &two);
    talk(&one.world, 3);
    one.ok(&["sessions", "index"]);
    server.kill();
    let mut command = one.world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &one.world.repo());
    let ran = one.world.run(command.args(["exchange"]).env("CARRY_REMOTE_TOKEN_THERE", &tokens[0]));
    assert!(ran.code == 1 && ran.stderr.contains("Nothing is lost"), "{ran:?}");
    let before = put(&one.world);
    let _server = Served::start(&hub, &address);
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    assert_eq!(shown(&two.world).len(), 3);
    assert_eq!(shown(&one.world), shown(&two.world));
    let after = put(&one.world);
    // The session's segments, a head, perhaps a list.
    assert!(after.0 > before.0 && after.0 <= before.0 + 4, "{before:?}, {after:?}");
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    let (files_one, files_two) = (put(&one.world), put(&two.world));
    one.ok(&["exchange"]);
    two.ok(&["exchange"]);
    assert_eq!((put(&one.world), put(&two.world)), (files_one, files_two));
}

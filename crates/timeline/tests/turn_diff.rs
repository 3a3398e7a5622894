//! A session's turns beside the snapshots of the repository it worked in: real repository, real archive.
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use carry_code::capture::{Capturer, Look, Outcome, Request};
use carry_code::context::Context;
use carry_code::diff;
use carry_code::registry::{Added, Registry, Tree};
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_kernel::clock::{Clock, ManualClock, Timestamp};
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;
use carry_sessions::archive::{Archive, SessionRow, WriterLimits};
use carry_sessions::ingest::Pass;
use carry_sessions::model::{Agent, NativeId};
use carry_sessions::source::{self, Places};
use carry_timeline::{TimelineError, turn_diff, turns};

const SESSION: &str = "0f2b6c1e-3a55-4c1d-9b0e-5d2f8a7c4e10";

struct World {
    dir: tempfile::TempDir,
    ctx: Context,
    clock: Arc<ManualClock>,
    capturer: Capturer,
    lines: Vec<String>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let home = Home::at(root.join("carry"));
        let device = Device::load_or_create(&home, "here").unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let ctx = Context { home, device: device.into(), clock: clock.clone(), sources: Sources::default() };
        let repo = root.join("repo");
        std::fs::create_dir(&repo).unwrap();
        git(&repo, &["init", "--quiet"]);
        write(&repo.join("file"), "zero\n");
        git(&repo, &["add", "."]);
        git(&repo, &["commit", "--quiet", "-m", "zero"]);
        let mut registry = Registry::open(&ctx.home).unwrap();
        let added = registry.add(&Repo::open(&repo).unwrap(), &ctx.device.id(), clock.now(), false, None).unwrap();
        let (Added::New(tree) | Added::Known(tree) | Added::Moved { tree, .. }) = added;
        let capturer = Capturer::new(ctx.clone(), tree);
        Self { dir, ctx, clock, capturer, lines: Vec::new() }
    }

    fn tree(&self) -> &Tree {
        self.capturer.tree()
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Writes the file and captures the tree.
    fn work(&mut self, text: &str) -> Snapshot {
        write(&self.tree().root.join("file"), text);
        self.capture()
    }

    fn capture(&mut self) -> Snapshot {
        let request = Request {
            look: Look::Everything,
            may_commit: &|| true,
            cancel: &AtomicBool::new(false),
            progress: &|_, _, _| {},
            force: true,
        };
        match self.capturer.capture(&request).unwrap().outcome {
            Outcome::Captured(snapshot) | Outcome::Unchanged(Some(snapshot)) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    /// The user, or the agent, says something now.
    fn say(&mut self, role: &str, text: &str) {
        let (n, at) = (self.lines.len(), self.clock.now());
        let parent = if n == 0 { "null".to_owned() } else { format!("\"u{}\"", n - 1) };
        let content =
            if role == "user" { format!("{text:?}") } else { format!(r#"[{{"type":"text","text":{text:?}}}]"#) };
        self.lines.push(format!(
            r#"{{"type":"{role}","uuid":"u{n}","parentUuid":{parent},"sessionId":"{SESSION}","cwd":{:?},"timestamp":"{at}","message":{{"role":"{role}","id":"m{n}","content":{content}}}}}"#,
            self.tree().root.to_str().unwrap(),
        ));
    }

    /// Archives what was said.
    fn session(&self) -> (Archive, SessionRow) {
        let user = self.dir.path().canonicalize().unwrap().join("user");
        write(&user.join(format!(".claude/projects/-repo/{SESSION}.jsonl")), &(self.lines.join("\n") + "\n"));
        let mut archive = Archive::open(&self.ctx.home, self.ctx.device.id().as_str()).unwrap();
        let pass = Pass {
            sources: &source::all(),
            places: &Places { home: user, ..Places::default() },
            only: None,
            now: self.clock.now(),
            limits: WriterLimits { batch_bytes: 1 << 20, blob_bytes_max: 1 << 20, keeps_reads: true },
            progress: &|_| {},
            should_stop: &|| false,
        };
        let report = pass.run(&mut archive).unwrap();
        assert_eq!((report.read, report.failed), (1, Vec::new()));
        let row = archive.by_native(Agent::Claude, &NativeId(SESSION.to_owned())).unwrap().unwrap();
        (archive, row)
    }

    fn registry(&self) -> Registry {
        Registry::open(&self.ctx.home).unwrap()
    }
}

fn git(dir: &Path, args: &[&str]) {
    let mut git = carry_code::git::command(dir);
    git.env("HOME", "/nonexistent").env("XDG_CONFIG_HOME", "/nonexistent").env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.env("GIT_CONFIG_SYSTEM", "/dev/null").args(["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]);
    assert!(git.args(["-c", "init.defaultBranch=main"]).args(args).status().unwrap().success());
}

fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn each_turn_shows_what_was_done_in_it() {
    let mut world = World::new();
    let zero = world.capture();
    world.wait(60);
    world.say("user", "make it one");
    world.wait(20);
    let one = world.work("one\n");
    world.wait(10);
    world.say("assistant", "it is one");
    world.wait(100);
    let own = world.work("my own\n");
    world.wait(100);
    world.say("user", "make it two");
    world.wait(20);
    world.say("assistant", "it is two");
    world.wait(3);
    let two = world.work("two\n");
    let (archive, session) = world.session();
    let prompts: Vec<String> = turns(&archive, &session).unwrap().into_iter().map(|turn| turn.prompt).collect();
    assert_eq!(prompts, ["make it one", "make it two"]);
    for (number, before, after) in [(1, &zero, &one), (2, &own, &two)] {
        let found = turn_diff(&world.registry(), &archive, &session, number).unwrap();
        assert_eq!((found.before.commit, found.after.commit, found.exact), (before.commit, after.commit, true));
        let repo = Repo::open(&found.tree.root).unwrap();
        let deltas = diff::trees(&repo.gix(), Some(found.before.tree), Some(found.after.tree), "".into()).unwrap();
        assert_eq!(deltas.iter().map(|delta| delta.path.to_string()).collect::<Vec<_>>(), ["file"]);
    }
}

#[test]
fn a_turn_without_a_snapshot_of_its_own_is_near_at_best() {
    let mut world = World::new();
    let zero = world.capture();
    world.wait(60);
    world.say("user", "make it one");
    world.wait(20);
    world.say("assistant", "it is one");
    world.wait(600);
    let late = world.work("one\n");
    let (archive, session) = world.session();
    let found = turn_diff(&world.registry(), &archive, &session, 1).unwrap();
    assert_eq!((found.before.commit, found.after.commit, found.exact), (zero.commit, late.commit, false));
}

#[test]
fn what_cannot_be_told_is_said() {
    let mut world = World::new();
    world.say("user", "hello");
    let (archive, mut session) = world.session();
    let mut registry = world.registry();
    let error = turn_diff(&registry, &archive, &session, 1).unwrap_err();
    assert!(matches!(error, TimelineError::NoSnapshots { number: 1, .. }), "{error}");
    for number in [0, 2, u32::MAX] {
        let error = turn_diff(&registry, &archive, &session, number).unwrap_err();
        assert!(matches!(error, TimelineError::NoTurn { turns: 1, .. }), "{error}");
    }
    registry.remove(&world.tree().id).unwrap();
    let error = turn_diff(&registry, &archive, &session, 1).unwrap_err();
    let root: &PathBuf = &world.tree().root;
    assert!(matches!(&error, TimelineError::NotRegistered { cwd } if cwd == root), "{error}");
    session.cwd = None;
    let error = turn_diff(&registry, &archive, &session, 1).unwrap_err();
    assert!(matches!(error, TimelineError::NoFolder), "{error}");
}

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Condvar, Mutex};

use carry_code::drift::{Drift, RememberError};
use carry_code::git::ObjectId;
use carry_code::line::{Branch, LineName};
use carry_code::publish::{LineState, Published};
use carry_code::registry::Consent;
use carry_code::remote::{Io, Reach, Remote as Far, RemoteError};
use carry_code::repo::OpenError;
use carry_code::seen::{Relation, Seen};
use carry_code::settings::LinkSettings;
use carry_code::tips::{Tip, Trust, Writer};
use carry_code::{gather, publish};
use carry_kernel::gate::Gate;
use carry_kernel::id::TreeId;
use carry_kernel::worker::Reason;

use super::*;
use crate::desktop::Notice;
use crate::run::link::Found;

/// So long that nothing comes twice by itself.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Remotes that do what a test says, and write down what they were asked.
struct Fake {
    remotes: Mutex<Vec<Far>>,
    settings: Mutex<LinkSettings>,
    /// Remotes that fail, and how often they were asked to take something.
    failing: Mutex<BTreeMap<String, Reason>>,
    pushes: Mutex<BTreeMap<String, usize>>,
    fetches: AtomicUsize,
    /// What a look finds.
    drift: Mutex<Vec<Drift>>,
    /// Pushes wait while it is shut, unless they are cancelled.
    gate: (Mutex<bool>, Condvar),
    was_cancelled: AtomicBool,
    panics: AtomicUsize,
    /// The next pushes leave their line like this.
    state: Mutex<Option<LineState>>,
    lost: AtomicBool,
}

impl Fake {
    fn new(remotes: &[(&str, Reach)]) -> Arc<Self> {
        let far = |(name, reach): &(&str, Reach)| Far {
            name: (*name).to_owned(),
            url: format!("/remotes/{name}"),
            reach: *reach,
        };
        let settings = LinkSettings {
            publish: true,
            radar: true,
            push_interval: Duration::ZERO,
            radar_interval: HOUR,
            pulsar: false,
        };
        Arc::new(Self {
            remotes: Mutex::new(remotes.iter().map(far).collect()),
            settings: Mutex::new(settings),
            failing: Mutex::default(),
            pushes: Mutex::default(),
            fetches: AtomicUsize::new(0),
            drift: Mutex::default(),
            gate: (Mutex::new(true), Condvar::new()),
            was_cancelled: AtomicBool::new(false),
            panics: AtomicUsize::new(0),
            state: Mutex::default(),
            lost: AtomicBool::new(false),
        })
    }

    fn local() -> Arc<Self> {
        Self::new(&[("origin", Reach::Local)])
    }

    fn pushes(&self, name: &str) -> usize {
        self.pushes.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn set_open(&self, open: bool) {
        *self.gate.0.lock().unwrap() = open;
        self.gate.1.notify_all();
    }
}

impl crate::run::far::Far for Fake {
    fn remotes(&self, _: &Context, _: &Repo) -> Result<Found, OpenError> {
        let settings = self.settings.lock().unwrap().clone();
        Ok(Found { remotes: self.remotes.lock().unwrap().clone(), settings })
    }

    fn push(
        &self,
        ctx: &Context,
        repo: &Repo,
        tree: &Tree,
        remote: &Far,
        io: &Io<'_>,
    ) -> Result<publish::Report, RemoteError> {
        *self.pushes.lock().unwrap().entry(remote.name.clone()).or_default() += 1;
        let name = || remote.name.clone();
        if self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            panic!("this test wants it");
        }
        (io.progress)("pushing", 45, 100);
        let mut open = self.gate.0.lock().unwrap();
        while !*open {
            if io.cancel.load(Ordering::SeqCst) {
                self.was_cancelled.store(true, Ordering::SeqCst);
                return Err(RemoteError::Cancelled { remote: name() });
            }
            open = self.gate.1.wait_timeout(open, Duration::from_millis(5)).unwrap().0;
        }
        drop(open);
        if let Some(reason) = self.failing.lock().unwrap().get(&remote.name) {
            return Err(RemoteError::Failed { remote: name(), reason: *reason, message: "it says no".to_owned() });
        }
        if let Some(state) = self.state.lock().unwrap().clone() {
            let branch = Branch::Named("main".into());
            let line = LineName::new(&ctx.device.id(), &tree.id, &branch);
            let published = Published { line, branch, seal: None, snapshot: None, pushed: None, state };
            Registry::open(&ctx.home)?.note_published(repo.common_dir(), &remote.key(), &published)?;
        }
        Ok(publish::Report::default())
    }

    fn fetch(&self, _: &Context, _: &Repo, _: &[Tree], _: &Far, _: &Io<'_>) -> Result<gather::Report, RemoteError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let mut report = gather::Report::default();
        if self.lost.swap(false, Ordering::SeqCst) {
            let (device, tree) = ("here-01234567".parse(), TreeId::random());
            report.lost.extend(device.ok().map(|device| LineName::new(&device, &tree, &Branch::Detached)));
            assert_eq!(report.lost.len(), 1, "a device id for tests");
        }
        Ok(report)
    }

    fn drift(&self, _: &Context, _: &Repo, _: &TreeId) -> Result<Vec<Drift>, RememberError> {
        Ok(self.drift.lock().unwrap().clone())
    }
}

/// A stream of another device, at its n-th snapshot.
fn drift(n: u8) -> Drift {
    let id = ObjectId::from([n; 20]);
    let tip = Tip {
        writer: Writer::Pulsar { slug: "laptop--0123abcd".to_owned() },
        trust: Trust::Approved,
        branch: Branch::Named("main".into()),
        commit: id,
        tree: id,
        head: None,
        staged: None,
        time: SystemClock.now(),
        seen: Seen::new(),
        skipped: Vec::new(),
        skipped_more: 0,
        finished: false,
    };
    Drift { tip, relation: Relation::Newer, is_first: true }
}

/// What the desktop was told.
type Told = Arc<Mutex<Vec<Notice>>>;

/// A tuning with these remotes, and what the desktop is told.
fn tuning(fake: &Arc<Fake>) -> (Tuning, Told) {
    let told = Told::default();
    let desktop = told.clone();
    let tuning = Tuning {
        far: fake.clone(),
        push_quiet: Duration::from_millis(10),
        metered: Arc::new(|| None),
        show: Arc::new(move |notice| {
            desktop.lock().unwrap().push(notice.clone());
            Ok(())
        }),
        ..Tuning::default()
    };
    (tuning, told)
}

impl World {
    /// A repository with consent to publish to these remotes, and a daemon.
    fn publishing(fake: &Arc<Fake>) -> (Self, Tree, Told) {
        let mut world = Self::new();
        let tree = world.repo("repo");
        for remote in fake.remotes.lock().unwrap().iter() {
            world.agree(&tree, remote, Some(Consent::Agreed));
        }
        let (tuning, told) = tuning(fake);
        world.start(tuning);
        (world, tree, told)
    }

    fn agree(&self, tree: &Tree, remote: &Far, consent: Option<Consent>) {
        let mut registry = self.registry();
        registry
            .update_link(&tree.common_dir, &remote.shown_name(), &remote.key(), |link| link.consent = consent)
            .unwrap();
    }

    /// The status of a link's worker, once there is one.
    fn link(&self, role: &str, remote: &str) -> Option<Status> {
        let is_meant = |row: &str| row.starts_with(&format!("{role}/")) && row.ends_with(&format!("/{remote}"));
        self.status().links.into_iter().find(|(row, _)| is_meant(row)).map(|(_, status)| status)
    }

    #[track_caller]
    fn until_link(&self, what: &str, role: &str, remote: &str, holds: impl Fn(&Status) -> bool) {
        self.until(what, || self.link(role, remote).is_some_and(|status| holds(&status)));
    }

    /// Makes a new snapshot.
    #[track_caller]
    fn change(&self, tree: &Tree, text: &str) {
        write(&tree.root.join("file"), text);
        self.now_one(tree, false);
        assert_eq!(self.snapshot_of(tree, "file").as_deref(), Some(text));
    }
}

fn is_done(status: &Status) -> bool {
    status.cycles > 0 && !status.dirty && status.phase == Phase::Healthy
}

#[test]
fn what_waited_before_the_start_and_every_new_snapshot_is_pushed() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes at the start", "push", "origin", is_done);
    world.quiet(&tree);
    world.until_link("it is quiet", "push", "origin", is_done);
    let before = fake.pushes("origin");
    write(&tree.root.join("file"), "by itself\n");
    world.until("a capture by itself is pushed", || fake.pushes("origin") > before);
    let before = fake.pushes("origin");
    world.change(&tree, "asked for\n");
    world.until("a capture that was asked for is pushed", || fake.pushes("origin") > before);
}

#[test]
fn pushes_keep_their_interval() {
    let fake = Fake::local();
    fake.settings.lock().unwrap().push_interval = HOUR;
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes at the start", "push", "origin", is_done);
    world.now_one(&tree, false);
    world.change(&tree, "two\n");
    world.until_link("it waits", "push", "origin", |status| status.dirty);
    world.change(&tree, "three\n");
    assert_eq!(fake.pushes("origin"), 1);
    // As after a sleep of the machine.
    world.clock.0.store(2 * 3_600_000, Ordering::SeqCst);
    world.until("the interval is over", || fake.pushes("origin") == 2);
}

#[test]
fn without_consent_nothing_is_pushed_until_it_comes() {
    let fake = Fake::local();
    let mut world = World::new();
    let tree = world.repo("repo");
    world.start(tuning(&fake).0);
    world.until_link("it is off", "push", "origin", |status| status.phase == Phase::Disabled);
    world.until_link("others are asked all the same", "radar", "origin", is_done);
    world.change(&tree, "two\n");
    let message = world.link("push", "origin").unwrap().message.unwrap();
    assert!(message.contains("carry publish"), "{message}");
    assert_eq!(fake.pushes("origin"), 0);
    let remote = fake.remotes.lock().unwrap()[0].clone();
    world.agree(&tree, &remote, Some(Consent::Agreed));
    world.reload();
    world.until("what waited is pushed", || fake.pushes("origin") > 0);
    world.until_link("it is done", "push", "origin", is_done);
    let before = fake.pushes("origin");
    // Withdrawn without a word to the daemon.
    world.agree(&tree, &remote, Some(Consent::Declined));
    world.change(&tree, "three\n");
    world.until_link("it is off again", "push", "origin", |status| status.phase == Phase::Disabled);
    assert_eq!(fake.pushes("origin"), before);
}

#[test]
fn consent_is_for_a_url_and_not_for_a_name() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes at the start", "push", "origin", is_done);
    let before = fake.pushes("origin");
    fake.remotes.lock().unwrap()[0].url = "/remotes/another".to_owned();
    world.change(&tree, "two\n");
    world.until_link("it is off", "push", "origin", |status| status.phase == Phase::Disabled);
    assert_eq!(fake.pushes("origin"), before);
    assert_eq!(world.status().links.len(), 2, "the old link is gone");
}

#[test]
fn a_remote_that_fails_holds_up_neither_others_nor_captures() {
    let fake = Fake::new(&[("bad", Reach::Local), ("good", Reach::Local)]);
    fake.failing.lock().unwrap().insert("bad".to_owned(), Reason::AuthRequired);
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it fails", "push", "bad", |status| status.failures > 0);
    let before = fake.pushes("good");
    world.change(&tree, "two\n");
    world.until("the other one gets it", || fake.pushes("good") > before);
    let status = world.link("push", "bad").unwrap();
    assert_eq!((status.reason, status.message.as_deref()), (Some(Reason::AuthRequired), Some("Bad: it says no.")));
    let wait = status.backoff_until.unwrap().since(SystemClock.now());
    assert!(wait > Duration::from_secs(600), "somebody must log in first: {wait:?}");
}

#[test]
fn a_long_push_delays_no_capture_and_ends_with_the_daemon() {
    let fake = Fake::local();
    fake.set_open(false);
    let (mut world, tree, _) = World::publishing(&fake);
    world.until_link("it pushes", "push", "origin", |status| status.phase == Phase::Working("pushing 45 %".to_owned()));
    for n in 0..3 {
        world.change(&tree, &format!("{n}\n"));
    }
    assert_eq!(fake.pushes("origin"), 1, "one at a time");
    world.stop();
    assert!(fake.was_cancelled.load(Ordering::SeqCst), "it is told, not waited for");
}

#[test]
fn a_link_does_one_thing_at_a_time() {
    let fake = Fake::local();
    fake.set_open(false);
    let (world, _, _) = World::publishing(&fake);
    world.until("it pushes", || fake.pushes("origin") == 1);
    world.until_link("the radar waits", "radar", "origin", |status| matches!(status.phase, Phase::Working(_)));
    let asked = fake.fetches();
    fake.set_open(true);
    world.until_link("both are done", "push", "origin", is_done);
    world.until_link("both are done", "radar", "origin", is_done);
    assert!(asked <= 1 && fake.fetches() == 1, "{asked}");
}

#[test]
fn newer_work_is_told_once_a_tip() {
    let fake = Fake::local();
    fake.drift.lock().unwrap().push(drift(1));
    let (world, tree, told) = World::publishing(&fake);
    let count = || told.lock().unwrap().len();
    world.until("it is told", || count() == 1);
    let notice = told.lock().unwrap()[0].clone();
    assert_eq!(notice.title(), "Newer work on laptop");
    assert!(notice.body().starts_with("repo, branch main: just now."), "{}", notice.body());
    let ask_again = |hours: u64| {
        let before = fake.fetches();
        world.clock.0.store(hours * 3_600_000, Ordering::SeqCst);
        world.until("it is asked again", || fake.fetches() > before);
        world.until_link("it is done", "radar", "origin", is_done);
    };
    ask_again(2);
    assert_eq!(count(), 1, "the same tip");
    *fake.drift.lock().unwrap() = vec![drift(2)];
    // With unshared work of its own, too.
    world.change(&tree, "two\n");
    ask_again(4);
    world.until("the next one is told", || count() == 2);
}

#[test]
fn a_user_who_wants_no_notices_gets_none() {
    let fake = Fake::local();
    fake.drift.lock().unwrap().push(drift(1));
    let mut world = World::new();
    world.ctx.sources.flags.push(("daemon.notify".to_owned(), "false".to_owned()));
    world.repo("repo");
    let (tuning, told) = tuning(&fake);
    world.start(tuning);
    world.until_link("it is asked", "radar", "origin", is_done);
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn an_unknown_device_is_told_of_once() {
    let fake = Fake::local();
    let mut world = World::new();
    world.repo("repo");
    let id = "laptop-01234567";
    world.registry().note_device(id, None, "laptop; rm -rf ~", SystemClock.now()).unwrap();
    let (tuning, told) = tuning(&fake);
    world.start(tuning);
    world.until("it is told of", || told.lock().unwrap().len() == 1);
    let body = told.lock().unwrap()[0].body().to_owned();
    assert!(body.ends_with(&format!("is not approved: `carry devices approve {id}`.")), "{body}");
    assert!(world.registry().device(id).unwrap().unwrap().shown);
    let before = fake.fetches();
    world.clock.0.store(2 * 3_600_000, Ordering::SeqCst);
    world.until("it is asked again", || fake.fetches() > before);
    world.until_link("it is done", "radar", "origin", is_done);
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[test]
fn a_line_that_is_left_behind_is_told_of_once_a_cause() {
    let fake = Fake::local();
    let refused = |message: &str| Some(LineState::Refused { message: message.to_owned() });
    *fake.state.lock().unwrap() = refused("a hook said no");
    let (world, tree, told) = World::publishing(&fake);
    let count = || told.lock().unwrap().len();
    world.until("it is told", || count() == 1);
    let pushed_again = |text: &str| {
        let before = fake.pushes("origin");
        world.change(&tree, text);
        world.until("it is pushed", || fake.pushes("origin") > before);
        world.until_link("it is done", "push", "origin", is_done);
    };
    pushed_again("two\n");
    assert_eq!(count(), 1, "the same cause");
    *fake.state.lock().unwrap() = refused("too large");
    pushed_again("three\n");
    world.until("another cause is told", || count() == 2);
    assert!(told.lock().unwrap()[1].body().contains("too large"));
}

#[test]
fn a_radar_that_is_switched_off_asks_nobody() {
    let fake = Fake::local();
    fake.settings.lock().unwrap().radar = false;
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it is off", "radar", "origin", |status| status.phase == Phase::Disabled);
    world.until_link("pushes go on", "push", "origin", is_done);
    world.change(&tree, "two\n");
    assert_eq!(fake.fetches(), 0);
    fake.settings.lock().unwrap().radar = true;
    world.reload();
    world.until("it is on again", || fake.fetches() == 1);
}

#[test]
fn lines_that_a_remote_lost_are_pushed_again() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    world.change(&tree, "two\n");
    let settled = || {
        world.quiet(&tree);
        world.until_link("it pushed", "push", "origin", is_done);
        world.until_link("it asked", "radar", "origin", is_done);
    };
    let ask_again = |hours: u64| {
        let fetches = fake.fetches();
        world.clock.0.store(hours * 3_600_000, Ordering::SeqCst);
        world.until("it is asked again", || fake.fetches() > fetches);
    };
    settled();
    let before = fake.pushes("origin");
    ask_again(2);
    settled();
    assert_eq!(fake.pushes("origin"), before, "asking alone pushes nothing");
    fake.lost.store(true, Ordering::SeqCst);
    ask_again(4);
    world.until("it is pushed again", || fake.pushes("origin") > before);
}

#[test]
fn a_metered_connection_is_left_alone_and_this_machine_is_not_the_network() {
    let fake = Fake::new(&[("near", Reach::Loopback), ("far", Reach::Network)]);
    let mut world = World::new();
    let tree = world.repo("repo");
    for remote in fake.remotes.lock().unwrap().iter() {
        world.agree(&tree, remote, Some(Consent::Agreed));
    }
    let (tuning, _) = tuning(&fake);
    world.start(Tuning { metered: Arc::new(|| Some(true)), ..tuning });
    world.until_link("near is pushed to", "push", "near", is_done);
    world.until_link("far waits", "push", "far", |status| status.dirty && status.gates.contains(&Gate::Metered));
    assert_eq!(fake.pushes("far"), 0);
    assert!(!world.link("push", "near").unwrap().gates.contains(&Gate::Metered));
}

#[test]
fn a_panic_in_a_push_is_counted_and_holds_up_nobody() {
    let fake = Fake::local();
    fake.panics.store(1, Ordering::SeqCst);
    let (world, tree, _) = World::publishing(&fake);
    world.until_link("it panicked", "push", "origin", |status| status.panics == 1);
    world.change(&tree, "two\n");
    world.clock.0.store(60_000, Ordering::SeqCst);
    world.until_link("it recovers", "push", "origin", is_done);
}

#[test]
fn a_command_that_pushes_is_waited_for() {
    use carry_kernel::lease::{Lease, Outcome, Owner};
    let fake = Fake::local();
    let mut world = World::new();
    let tree = world.repo("repo");
    let remote = fake.remotes.lock().unwrap()[0].clone();
    world.agree(&tree, &remote, Some(Consent::Agreed));
    let mut lease = Lease::open(&world.ctx.home, Owner::this_process()).unwrap().with_clock(world.clock.clone());
    let name = publish::lease_name(&tree.common_dir, &remote.key());
    let Outcome::Granted(held) = lease.acquire(&name, HOUR, world.clock.steady()).unwrap() else { panic!() };
    world.start(tuning(&fake).0);
    world.until_link("it waits", "push", "origin", |status| status.reason == Some(Reason::Busy));
    assert_eq!(fake.pushes("origin"), 0);
    lease.release(held).unwrap();
    world.until("it is its turn", || fake.pushes("origin") == 1);
}

#[test]
fn worktrees_share_a_link_and_a_paused_one_is_left_out() {
    let fake = Fake::local();
    let (world, tree, _) = World::publishing(&fake);
    git(&tree.root, &["worktree", "add", "--quiet", "../linked"]);
    world.reload();
    world.until("it is taken up", || world.status().workers.len() == 2);
    world.until_link("it pushes", "push", "origin", is_done);
    assert_eq!(world.status().links.len(), 2);
    for tree in world.registry().trees().unwrap() {
        world.registry().set_paused(&tree.id, true).unwrap();
    }
    world.reload();
    world.until("nothing is left to push", || world.status().links.is_empty());
    let rows = || carry_kernel::status::StatusBoard::open_read_only(&world.ctx.home).unwrap().unwrap().rows().unwrap();
    assert!(
        rows().iter().all(|row| !row.worker.starts_with("push/") && !row.worker.starts_with("radar/")),
        "{:?}",
        rows()
    );
}

#[test]
fn rows_of_links_that_are_gone_are_swept() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let own = crate::run::link::repository_of(&tree.common_dir);
    let stale = [format!("push/{own}/elsewhere"), "radar/0123456789ab/origin".to_owned()];
    let mut board = carry_kernel::status::StatusBoard::open(&world.ctx.home).unwrap();
    for row in &stale {
        board.publish(row, &Status::new(Phase::Healthy), 1, SystemClock.now()).unwrap();
    }
    world.start(tuning(&Fake::local()).0);
    world.until("they are gone", || board.rows().unwrap().iter().all(|row| !stale.contains(&row.worker)));
}

#[test]
fn a_new_identity_is_taken_over_and_told_once() {
    let fake = Fake::local();
    let (world, tree, told) = World::publishing(&fake);
    world.change(&tree, "two\n");
    let other = tempfile::tempdir().unwrap();
    let other = Home::at(other.path());
    let renewed = Device::load_or_create(&other, "here").unwrap();
    let text = disk::read_bounded(&other.device_file(), 1 << 16).unwrap().unwrap();
    disk::write_atomic(&world.ctx.home.device_file(), &text).unwrap();
    world.reload();
    world.reload();
    assert_eq!(world.ctx.device.id(), *renewed.id());
    world.until("it is told", || told.lock().unwrap().len() == 1);
    world.change(&tree, "three\n");
    let lines = git(&tree.root, &["for-each-ref", "--format=%(refname)", "refs/carry/"]);
    assert!(lines.contains(&format!("refs/carry/{}/", renewed.id())), "{lines}");
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[test]
fn a_snapshot_reaches_a_real_remote_by_itself() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let there = world.path("there.git");
    git(&tree.root, &["init", "--quiet", "--bare", &there.display().to_string()]);
    git(&tree.root, &["remote", "add", "origin", &there.display().to_string()]);
    let url = there.display().to_string();
    let origin = Far { name: "origin".to_owned(), url, reach: Reach::Local };
    world.agree(&tree, &origin, Some(Consent::Agreed));
    let (tuning, _) = tuning(&Fake::local());
    world.ctx.sources.flags.push(("daemon.push_interval".to_owned(), "0s".to_owned()));
    world.start(Tuning { far: Tuning::default().far, ..tuning });
    world.until_link("it is at rest", "push", "origin", is_done);
    world.change(&tree, "two\n");
    let line = LineName::new(&world.ctx.device.id(), &tree.id, &Branch::Named("main".into())).ref_name();
    world.until("the line is there", || {
        let mut show = carry_code::git::command(&there);
        let shown = show.args(["show", &format!("{line}:file")]).output().unwrap();
        String::from_utf8_lossy(&shown.stdout) == "two\n"
    });
    world.until_link("others are asked", "radar", "origin", is_done);
    assert!(world.registry().link(&tree.common_dir, "origin", &origin.url).unwrap().fetched.is_some());
}

#[test]
fn work_goes_on_to_the_remote_after_another_machine_wrote_as_this_device() {
    let mut world = World::new();
    let tree = world.repo("repo");
    let there = world.path("there.git");
    let url = there.display().to_string();
    git(&tree.root, &["init", "--quiet", "--bare", &url]);
    git(&tree.root, &["remote", "add", "origin", &url]);
    let origin = Far { name: "origin".to_owned(), url, reach: Reach::Local };
    world.agree(&tree, &origin, Some(Consent::Agreed));
    let (tuning, _) = tuning(&Fake::local());
    world.ctx.sources.flags.push(("daemon.push_interval".to_owned(), "0s".to_owned()));
    world.ctx.sources.flags.push(("daemon.sync_enabled".to_owned(), "false".to_owned()));
    world.start(Tuning { far: Tuning::default().far, ..tuning });
    world.until_link("it is at rest", "push", "origin", is_done);
    world.change(&tree, "two\n");
    let old = world.ctx.device.id();
    let line = LineName::new(&old, &tree.id, &Branch::Named("main".into())).ref_name();
    let shown = |line: &str| {
        let mut show = carry_code::git::command(&there);
        String::from_utf8_lossy(&show.args(["show", &format!("{line}:file")]).output().unwrap().stdout).into_owned()
    };
    world.until("the line is there", || shown(&line) == "two\n");
    world.until_link("it is at rest", "push", "origin", is_done);
    // What a copy of this machine would push: a seal by the same key, on other work.
    push_as_a_copy(&world, &tree, &origin, "of the copy\n");
    assert_eq!(shown(&line), "of the copy\n");
    world.change(&tree, "three\n");
    world.until("it has a new identity", || world.ctx.device.id() != old);
    let new = LineName::new(&world.ctx.device.id(), &tree.id, &Branch::Named("main".into())).ref_name();
    world.until("its own line is there", || shown(&new) == "three\n");
    assert_eq!(shown(&line), "of the copy\n");
}

/// Copies home and repository, works on in the copy, and pushes from there.
fn push_as_a_copy(world: &World, tree: &Tree, origin: &Far, text: &str) {
    let away = tempfile::tempdir().unwrap();
    let base = away.path().canonicalize().unwrap();
    let from = [world.path("home"), tree.root.clone()];
    for (from, to) in from.into_iter().zip(["home", "repo"]) {
        assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(base.join(to)).status().unwrap().success());
    }
    let home = Home::at(base.join("home"));
    let device = Device::load(&home).unwrap().unwrap();
    let ctx = Context { home, device: device.into(), clock: Arc::new(SystemClock), sources: Sources::default() };
    let root = base.join("repo");
    let repo = Repo::open(&root).unwrap();
    let tree = Tree { common_dir: repo.common_dir().to_owned(), root: root.clone(), ..tree.clone() };
    write(&root.join("file"), text);
    let cancel = AtomicBool::new(false);
    let request = carry_code::capture::Request::new(carry_code::capture::Look::Everything, &cancel);
    carry_code::capture::Capturer::new(ctx.clone(), tree.clone()).capture(&request).unwrap();
    let io = Io { interactive: false, cancel: &AtomicBool::new(false), progress: &|_, _, _| {} };
    // Where it lies is another place than here, so what it knows of the remote it asks first.
    gather::fetch(&ctx, &repo, std::slice::from_ref(&tree), origin, &io).unwrap();
    let report = publish::push(&ctx, &repo, &tree, origin, &publish::Options::default(), &io).unwrap();
    assert!(report.pushed.len() == 1 && !report.renewed, "{report:?}");
}

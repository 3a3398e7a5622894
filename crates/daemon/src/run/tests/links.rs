//! Links: one worker a repository, remote and direction. The remotes do what a test says, except in [`real`].

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

mod apart;
mod pushed;
mod real;
mod told;

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

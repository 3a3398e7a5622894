//! Somebody works in a repository while Carry captures it at random moments. Beside it stands a control clone in which the
//! same is done without Carry.
//!
//! Each seed is one sequence of operations. After each capture: nothing of the user's has changed, the tree is Git's, what
//! was staged is what Git's index says. At the end: the two clones are the same, and all that was ever reported is there.
//! `CARRY_TEST_SEEDS=500` runs that many more, `CARRY_TEST_SEED=17` one alone; `CARRY_TEST_KEEP=1` leaves the clones of a failed one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use carry_code::capture::{Capturer, Look, Outcome, Report};
use carry_code::git::ObjectId;
use carry_testkit::fingerprint::Fingerprint;
use carry_testkit::rng::Rng;

use crate::rig::Rig;

mod control;
mod measure;
mod operations;
mod watcher;

use control::Twins;
use operations::User;
use watcher::Walk;

/// Operations of one sequence.
const STEPS: usize = 120;
/// How often, in percent, a capture follows an operation.
const CAPTURES: u8 = 45;

macro_rules! seeds {
    ($($name:ident = $seed:literal,)*) => {$(
        #[test]
        fn $name() {
            check($seed);
        }
    )*};
}

seeds! {
    capturing_disturbs_nobody_and_loses_nothing_1 = 1,
    capturing_disturbs_nobody_and_loses_nothing_2 = 2,
    capturing_disturbs_nobody_and_loses_nothing_3 = 3,
    capturing_disturbs_nobody_and_loses_nothing_4 = 4,
    capturing_disturbs_nobody_and_loses_nothing_5 = 5,
    capturing_disturbs_nobody_and_loses_nothing_6 = 6,
    capturing_disturbs_nobody_and_loses_nothing_7 = 7,
    capturing_disturbs_nobody_and_loses_nothing_8 = 8,
    capturing_disturbs_nobody_and_loses_nothing_9 = 9,
    capturing_disturbs_nobody_and_loses_nothing_10 = 10,
    capturing_disturbs_nobody_and_loses_nothing_11 = 11,
    capturing_disturbs_nobody_and_loses_nothing_12 = 12,
}

/// Seeds asked for through the environment; none otherwise.
#[test]
fn capturing_disturbs_nobody_and_loses_nothing_under_further_seeds() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("CARRY_TEST_SEED") {
        Some(one) => vec![one],
        None => (1000..1000 + number("CARRY_TEST_SEEDS").unwrap_or(0)).collect(),
    };
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    if let Err(cause) = catch_unwind(|| check(*seed)) {
                        failed.lock().unwrap().push((*seed, said(&*cause)));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let numbers: Vec<u64> = failed.iter().map(|f| f.0).collect();
    assert!(failed.is_empty(), "seeds {numbers:?} fail; the first so:\n{}", failed[0].1);
}

/// Runs one sequence; panics with the seed and everything that was done.
fn check(seed: u64) {
    let mut rng = Rng::new(seed);
    let aged = seed.is_multiple_of(3);
    let format: &[&str] = if seed % 4 == 1 { &["--object-format=sha256"] } else { &[] };
    let twins = Twins::new(format, aged);
    let mut carry = Carry::new(&twins, Rng::new(rng.next_u64()));
    let mut user = User::new(twins, rng, aged);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        user.settle_in();
        for _ in 0..STEPS {
            if carry.rng.chance(CAPTURES) {
                carry.capture(&mut user.twins);
            }
            user.act();
        }
        carry.capture(&mut user.twins);
        user.twins.assert_same();
        carry.assert_everything_reported_is_there(&mut user.twins);
    }));
    if let Err(cause) = outcome {
        if std::env::var_os("CARRY_TEST_KEEP").is_some() {
            let place = user.twins.keep();
            user.twins.note(format!("the clones stay in {place}"));
        }
        panic!("seed {seed}: {}\n{}\nseed {seed}: {}", said(&*cause), user.twins.log(), said(&*cause));
    }
}

fn said(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

/// Carry at work on the captured clone: a daemon that remembers, and commands that do not.
struct Carry {
    rig: Rig,
    rng: Rng,
    /// What the working tree was like when the daemon looked last; `None` after it started.
    seen: Option<Walk>,
    /// Every snapshot that was ever reported, and the tree it was reported with.
    reported: BTreeMap<ObjectId, ObjectId>,
    /// The tree of each branch's newest snapshot, and under no name of the newest of all.
    last: BTreeMap<String, ObjectId>,
}

impl Carry {
    fn new(twins: &Twins, rng: Rng) -> Self {
        Self {
            rig: Rig::over(twins.captured.clone()),
            rng,
            seen: None,
            reported: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// Captures in one way or another.
    fn capture(&mut self, twins: &mut Twins) {
        let now = Walk::of(twins.captured.root());
        match (self.rng.below(10), &self.seen) {
            (0..6, Some(before)) => {
                let paths = now.changed_since(before, &mut self.rng);
                twins.note(format!("capture, warm: {paths:?}"));
                self.once(twins, Look::At(paths));
                self.seen = Some(now);
            }
            (6..8, Some(_)) => {
                self.command(twins);
            }
            (0..9, _) => {
                twins.note("capture by a new daemon");
                self.rig.capturer = self.new_capturer();
                self.once(twins, Look::Everything);
                self.seen = Some(now);
            }
            _ => {
                twins.note("capture, everything");
                self.once(twins, Look::Everything);
                self.seen = Some(now);
            }
        }
        if self.rng.chance(40) {
            let report = self.command(twins);
            assert!(matches!(report.outcome, Outcome::Unchanged(_)), "a second look found more: {report:?}");
        }
    }

    /// As `carry now` without a daemon: another process, which looks at everything. The daemon learns nothing of it.
    fn command(&mut self, twins: &mut Twins) -> Report {
        twins.note("capture, cold");
        let fresh = self.new_capturer();
        let daemon = std::mem::replace(&mut self.rig.capturer, fresh);
        let report = self.once(twins, Look::Everything);
        self.rig.capturer = daemon;
        report
    }

    fn new_capturer(&self) -> Capturer {
        Capturer::new(self.rig.ctx.clone(), self.rig.tree.clone())
    }

    /// One capture, with all that must hold of it.
    fn once(&mut self, twins: &mut Twins, look: Look) -> Report {
        let root = twins.captured.root();
        let expected = measure::expected(root);
        let before = Fingerprint::of(root);
        let report = self.rig.try_capture(look).expect("nothing keeps Carry from capturing");
        Fingerprint::of(root).assert_same_as(&before);
        assert_eq!(report.skipped, [], "nothing is to be skipped");
        let snapshot = match &report.outcome {
            Outcome::Captured(snapshot) => {
                self.reported.insert(snapshot.commit, snapshot.tree);
                snapshot
            }
            Outcome::Unchanged(Some(snapshot)) => snapshot,
            Outcome::Unchanged(None) => {
                let expected = expected.map(|e| e.entries).unwrap_or_default();
                assert_eq!(expected, [], "there was something to capture");
                return report;
            }
            Outcome::Waiting(_) => panic!("nobody asked to wait"),
        };
        twins.note(format!("    {} {}, full: {}", snapshot.commit, snapshot.tree, report.full));
        let newest = self.last.insert(String::new(), snapshot.tree);
        let before = self.last.insert(snapshot.meta.branch.to_trailer(), snapshot.tree).or(newest);
        if let Some(expected) = &expected {
            measure::assert_tree(twins, snapshot, before, expected);
            if self.rng.chance(35) {
                measure::assert_staged(&twins.captured, snapshot);
            }
        }
        report
    }

    /// Whatever Git collects, what was reported stays, as it was reported.
    fn assert_everything_reported_is_there(&self, twins: &mut Twins) {
        twins.begin("the end");
        twins.git(&["reflog", "expire", "--expire=now", "--all"]);
        twins.git(&["gc", "-q", "--prune=now"]);
        self.rig.fsck();
        measure::assert_readable(&twins.captured, &self.reported);
    }
}

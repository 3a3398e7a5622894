//! All devices together, what they do, and what must hold.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use carry_code::git::{BString, ObjectId};
use carry_code::handoff;
use carry_code::merge::Choice;
use carry_code::seen::Relation;
use carry_code::snapshot::Snapshot;
use carry_kernel::clock::{Clock as _, Timestamp};
use carry_testkit::repo::{TestRepo, write_file};
use carry_testkit::rng::Rng;

use super::device::Device;
use super::files::{self, Edit, Files};
use super::known::Known;
use super::lines;

/// When everything begins, by the clock on the wall.
const NOW: Timestamp = Timestamp::from_secs(1_795_171_200);
/// How far off clocks are, in seconds: days.
const OFF_MAX: usize = 10 * 86_400;
/// In how many rounds devices have to agree once all of them are online.
const ROUNDS_MAX: usize = 4;

pub(super) struct Fleet {
    devices: Vec<Device>,
    known: Known,
    log: Vec<String>,
    /// How many texts were written, so that each is another.
    writes: usize,
    _first: TestRepo,
}

impl Fleet {
    /// `n` devices with clones of one repository, their clocks days apart.
    pub(super) fn new(n: usize, rng: &mut Rng) -> Self {
        let first = TestRepo::new();
        for (path, file) in files::first() {
            first.write(&path, &file.0);
        }
        first.commit_all("first");
        let remote = first.base().join("remote.git");
        first.git(["clone", "-q", "--bare", ".", remote.to_str().unwrap()]);
        let device = |n: usize| Device::new(&first.base(), &format!("device{n}"), &remote, off(NOW, rng));
        let devices = (0..n).map(device).collect();
        Self { devices, known: Known::default(), log: Vec::new(), writes: 0, _first: first }
    }

    /// Runs `what`; when it panics, says what was done before.
    pub(super) fn reported(&mut self, what: impl FnOnce(&mut Self)) {
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| what(self))) {
            let said = cause.downcast_ref::<String>().cloned();
            match said.or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned())) {
                Some(said) => panic!("{said}\n{}\n{said}", self.log.join("\n")),
                None => resume_unwind(cause),
            }
        }
    }

    fn note(&mut self, who: usize, what: impl std::fmt::Display) {
        self.log.push(format!("{who}: {what}"));
    }

    fn mark(&mut self, who: usize) -> String {
        self.writes += 1;
        format!("write {} of device {who}", self.writes)
    }

    /// Makes this edit.
    pub(super) fn edits(&mut self, who: usize, edit: &Edit) {
        self.note(who, format_args!("{edit:?}"));
        edit.make(&self.devices[who].root);
    }

    /// Makes any edit of a few files.
    pub(super) fn edits_anything(&mut self, who: usize, rng: &mut Rng) {
        let paths: Vec<String> = ["f0", "f1", "in/f2", "f3"].iter().map(|path| (*path).to_owned()).collect();
        let mark = self.mark(who);
        self.edits(who, &files::random(&paths, &mark, rng));
    }

    /// Writes one line of the file of lines.
    pub(super) fn edits_a_line(&mut self, who: usize, rng: &mut Rng) {
        let (at, mark) = (rng.below(lines::COUNT), self.mark(who));
        self.note(who, format_args!("line {at}: {mark}"));
        let device = &mut self.devices[who];
        device.lines.write(at, mark);
        write_file(&device.root.join(lines::PATH), device.lines.content().as_bytes());
    }

    pub(super) fn captures(&mut self, who: usize) -> Snapshot {
        let (snapshot, is_new) = self.devices[who].capture();
        if is_new {
            self.note(who, format_args!("captures {} with {}", snapshot.commit, snapshot.meta.seen));
            let device = &self.devices[who];
            self.known.snapshots.insert(snapshot.commit, device.lines.clone());
            let blobs = device.git(&["ls-tree", "-r", "--format=%(objectname)", &snapshot.tree.to_string()]);
            self.known.blobs.extend(blobs.lines().map(str::to_owned));
        }
        snapshot
    }

    pub(super) fn publishes(&mut self, who: usize) {
        if self.devices[who].online {
            self.note(who, "publishes");
            self.devices[who].publish();
        }
    }

    pub(super) fn gathers(&mut self, who: usize) {
        if self.devices[who].online {
            self.note(who, "gathers");
            self.devices[who].gather();
        }
    }

    /// Commits everything.
    pub(super) fn commits(&mut self, who: usize) {
        self.note(who, "commits");
        self.devices[who].commit();
    }

    /// Once it is lost, it comes back sooner than it went.
    pub(super) fn loses_or_finds_the_network(&mut self, who: usize, rng: &mut Rng) {
        let device = &mut self.devices[who];
        device.online = !device.online || rng.chance(50);
        let what = if device.online { "is online" } else { "is offline" };
        self.note(who, what);
    }

    pub(super) fn sets_its_clock(&mut self, who: usize, rng: &mut Rng) {
        let clock = &self.devices[who].clock;
        clock.set(off(clock.now(), rng));
        self.note(who, "sets its clock");
    }

    pub(super) fn thins(&mut self, who: usize) {
        let gone = self.devices[who].thin();
        self.note(who, format_args!("thins {gone:?}"));
        self.known.thinned.extend(gone);
    }

    /// Takes over what is first in the drift, if there is any; settles conflicts at random.
    pub(super) fn takes_over(&mut self, who: usize, rng: &mut Rng) {
        self.takes_over_one(who, rng);
    }

    /// The same; returns paths in conflict.
    pub(super) fn takes_over_without_conflict(&mut self, who: usize, rng: &mut Rng) -> Vec<String> {
        self.takes_over_one(who, rng).unwrap_or_default()
    }

    fn takes_over_one(&mut self, who: usize, rng: &mut Rng) -> Option<Vec<String>> {
        let ours = self.captures(who);
        let drift = self.devices[who].drift(&ours).into_iter().find(|drift| drift.is_first)?;
        let tip = drift.tip;
        self.note(who, format_args!("takes over {} of {}, {:?}", tip.commit, tip.writer.name(), drift.relation));
        let device = &self.devices[who];
        let repo = device.repo();
        let mut plan = handoff::plan(&device.ctx, &repo, &device.tree, &ours, &tip, None).unwrap();
        let conflicts: Vec<BString> = plan.merged.conflicts.iter().map(|c| c.path.clone()).collect();
        let theirs = &self.known.snapshots[&tip.commit];
        let written_by_both = device.lines.conflicts_with(theirs);
        if !written_by_both.is_empty() {
            let reported = conflicts.iter().any(|path| path == lines::PATH);
            assert!(reported, "both wrote lines {written_by_both:?}, and only {conflicts:?} are in conflict");
        }
        if drift.relation == Relation::Newer {
            assert!(conflicts.is_empty(), "what only went on cannot conflict: {conflicts:?}");
        }
        let choose = |path: &BString| match rng.below(3) {
            0 => Choice::Ours,
            1 => Choice::Theirs,
            // The file of lines stays one of lines.
            _ if path == lines::PATH => Choice::Theirs,
            _ => Choice::Markers,
        };
        let chosen: Vec<Choice> = conflicts.iter().map(choose).collect();
        let choices: Vec<(BString, Choice)> = conflicts.iter().cloned().zip(chosen).collect();
        self.log.push(format!("    {choices:?}"));
        let device = &self.devices[who];
        let files = handoff::files(&repo, &mut plan, &choices).unwrap();
        let done = handoff::execute(&device.ctx, &repo, &device.tree, &plan, &files, "sync").unwrap();
        assert!(done.finished && done.files.failed.is_empty(), "{done:?}");
        let lines = std::fs::read_to_string(device.root.join(lines::PATH)).unwrap();
        let (now, writes) = (lines.lines().map(str::to_owned).collect(), theirs.writes.clone());
        let device = &mut self.devices[who];
        device.lines.now = now;
        device.lines.writes.extend(writes);
        assert_eq!(device.lines.now.len(), lines::COUNT, "{lines}");
        let after = self.captures(who);
        assert!(after.meta.seen.has_seen(&tip.seen), "{} has not seen {}", after.meta.seen, tip.seen);
        if drift.relation == Relation::Newer {
            assert_eq!(after.tree, tip.tree, "what only went on is taken over as it is");
        }
        let again = self.devices[who].drift(&after);
        assert!(again.iter().all(|drift| drift.tip.commit != tip.commit), "it was taken over and is there again");
        Some(conflicts.iter().map(ToString::to_string).collect())
    }

    /// Everybody comes online and takes over until nobody has anything left to take.
    pub(super) fn agrees(&mut self, rng: &mut Rng) {
        self.log.push("everybody comes online".to_owned());
        self.devices.iter_mut().for_each(|device| device.online = true);
        let mut order: Vec<usize> = (0..self.devices.len()).collect();
        for &who in &order {
            self.captures(who);
            self.publishes(who);
        }
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "there is always something left to take over");
            rng.shuffle(&mut order);
            let mut took = false;
            for &who in &order {
                self.gathers(who);
                while self.takes_over_one(who, rng).is_some() {
                    took = true;
                }
                self.publishes(who);
            }
            if !took {
                break;
            }
        }
        for who in 0..self.devices.len() {
            self.gathers(who);
            let current = self.captures(who);
            assert_eq!(self.devices[who].drift(&current), []);
            assert_eq!(self.files(who), self.files(0), "device {who} differs from device 0");
        }
    }

    /// The files of a device's working tree.
    pub(super) fn files(&self, who: usize) -> Files {
        files::read(&self.devices[who].root)
    }

    /// Every snapshot that was not thinned, and every content unless anything was.
    pub(super) fn assert_everything_captured_is_everywhere(&self, contents: bool) {
        for (who, device) in self.devices.iter().enumerate() {
            let all = device.git(&["rev-list", "--objects", "--no-object-names", "--all"]);
            let all: BTreeSet<&str> = all.lines().collect();
            let kept = self.known.snapshots.keys().filter(|id| !self.known.thinned.contains(*id));
            let lost: Vec<&ObjectId> = kept.filter(|id| !all.contains(&*id.to_string())).collect();
            assert!(lost.is_empty(), "device {who} lacks the snapshots {lost:?}");
            if contents {
                let lost: Vec<&String> = self.known.blobs.iter().filter(|id| !all.contains(id.as_str())).collect();
                assert!(lost.is_empty(), "device {who} lacks the contents {lost:?}");
            }
            device.git(&["fsck", "--connectivity-only", "--no-dangling"]);
        }
    }
}

/// A time that is days off.
fn off(now: Timestamp, rng: &mut Rng) -> Timestamp {
    let by = Duration::from_secs(rng.below(OFF_MAX) as u64);
    let millis = i64::try_from(by.as_millis()).unwrap();
    let signed = if rng.chance(50) { millis } else { -millis };
    Timestamp::from_millis(now.as_millis() + signed)
}

//! A device with a repository, a store and the strand.

use std::collections::BTreeMap;
use std::io::Read as _;

use carry_code::context::Context;
use carry_code::git::ObjectId;
use carry_code::line::{Branch, LineName};
use carry_code::registry::{Added, Registry, Tree};
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_code::stream::{CodeStrand, ForeignLine, LineStanding, STREAM, Standing, standing};
use carry_code::tips::{self, Tip};
use carry_code::{history, refs};
use carry_exchange::hash::Digest;
use carry_exchange::head::Relay;
use carry_exchange::name::{LogId, ObjectName, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::segment::{Expected, SegmentRef};
use carry_exchange::store::{Delivered, ObjectBytes, Setup, Statement, Store};
use carry_exchange::strand::{Offered, Strand as _};
use carry_kernel::clock::Timestamp;
use carry_testkit::fingerprint::Fingerprint;
use carry_testkit::repo::TestRepo;

use crate::rig::{Rig, snapshot_of};

/// The time of all stores.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// More than any test says.
const ALL: u64 = u64::MAX;

pub(super) struct Side {
    pub(super) rig: Rig,
    pub(super) store: Store,
    pub(super) strand: CodeStrand,
}

pub(super) fn open_store(ctx: &Context) -> Store {
    Store::open(Setup {
        home: ctx.home.clone(),
        device: ctx.device.id(),
        fingerprint: Digest::of(&[b"here"]),
        entropy: Box::new(|bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::other)),
        now: NOW,
    })
    .unwrap()
}

pub(super) fn statement() -> Statement {
    Statement { relay: BTreeMap::from([(STREAM.parse().unwrap(), Relay::Any)]), ..Statement::default() }
}

impl Side {
    /// With this repository.
    pub(super) fn over(git: TestRepo) -> Self {
        let rig = Rig::over(git);
        let store = open_store(&rig.ctx);
        let strand = CodeStrand::open(rig.ctx.clone()).unwrap();
        Self { rig, store, strand }
    }

    /// With a repository that has one commit and no remote.
    pub(super) fn new() -> Self {
        let git = TestRepo::new();
        git.write("file", "one\n").write("folder/other", "two\n").commit_all("first");
        Self::over(git)
    }

    /// That, and another device that counts what the first says.
    pub(super) fn pair() -> (Self, Self) {
        let one = Self::new();
        let mut other = Self::clone_of(&one);
        other.trust(&one);
        (one, other)
    }

    /// Another device with a clone that has no remote either.
    pub(super) fn clone_of(other: &Self) -> Self {
        Self::over(copy_of(&other.rig.git))
    }

    pub(super) fn repo(&self) -> Repo {
        Repo::open(self.rig.git.root()).unwrap()
    }

    pub(super) fn registry(&self) -> Registry {
        Registry::open(&self.rig.ctx.home).unwrap()
    }

    /// Everything of the program's closed and opened again.
    pub(super) fn reopen(&mut self) {
        self.store = open_store(&self.rig.ctx);
        self.strand = CodeStrand::open(self.rig.ctx.clone()).unwrap();
    }

    pub(super) fn capture(&mut self) -> Snapshot {
        snapshot_of(&self.rig.cold())
    }

    /// Writes a file and captures it.
    pub(super) fn work(&mut self, content: &str) -> Snapshot {
        self.rig.git.write("work", content);
        self.capture()
    }

    pub(super) fn offer(&mut self) -> Offered {
        self.strand.offer(&mut self.store, ALL, NOW).unwrap()
    }

    /// Says what there is to say, up to a signed head. The user's side stays as it is.
    #[track_caller]
    pub(super) fn say(&mut self) -> Offered {
        let before = Fingerprint::of(self.rig.git.root());
        let offered = self.offer();
        Fingerprint::of(self.rig.git.root()).assert_same_as(&before);
        self.seal();
        offered
    }

    /// Writes a file, captures it and says so.
    #[track_caller]
    pub(super) fn says(&mut self, content: &str) -> Snapshot {
        let snapshot = self.work(content);
        self.say();
        snapshot
    }

    pub(super) fn seal(&mut self) {
        self.seal_with(statement());
    }

    /// Signs a head that says this.
    pub(super) fn seal_with(&mut self, statement: Statement) {
        self.store.seal().unwrap();
        self.store.sign(&statement, NOW).unwrap();
    }

    /// Counts what the other says from now on.
    pub(super) fn trust(&mut self, other: &Self) {
        self.store.approve(other.store.log(), NOW).unwrap();
    }

    /// Takes the other's segments, those that `wanted` lets through by number.
    pub(super) fn fetch_some(&mut self, other: &Store, wanted: &dyn Fn(usize) -> bool) {
        let Some((head, _)) = other.signed_segments().unwrap() else { return };
        self.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
        for followed in self.store.followed().unwrap() {
            if let (None, Some(list)) = (&followed.segments, followed.head.head().list) {
                let name = ObjectName::list(followed.log, list.digest);
                let Some(ObjectBytes::Memory(bytes)) = other.open_object(&name).unwrap() else { continue };
                self.store.accept_list(followed.log, &list, &bytes).unwrap();
            }
        }
        for followed in self.store.followed().unwrap().into_iter().filter(|one| one.log == other.log()) {
            let held = self.store.held(followed.log, followed.track).unwrap();
            for (stream, segments) in followed.segments.iter().flatten() {
                let none = Ranges::new();
                let held = held.get(stream).unwrap_or(&none);
                for (at, reference) in segments.iter().enumerate() {
                    if held.contains_all(reference.first, reference.last) || !wanted(at) {
                        continue;
                    }
                    self.fetch_one(other, followed.log, stream, reference);
                }
            }
        }
    }

    /// Hands what is held to the strand. The user's side stays as it is.
    #[track_caller]
    pub(super) fn deliver(&mut self) -> Delivered {
        let before = Fingerprint::of(self.rig.git.root());
        let done = self.store.deliver(&mut self.strand).unwrap();
        Fingerprint::of(self.rig.git.root()).assert_same_as(&before);
        done
    }

    #[track_caller]
    pub(super) fn pull(&mut self, other: &Self) -> Delivered {
        self.fetch_some(&other.store, &|_| true);
        self.deliver()
    }

    /// The line of `main`.
    pub(super) fn line(&self) -> LineName {
        LineName::new(&self.rig.ctx.device.id(), &self.rig.tree.id, &Branch::Named("main".into()))
    }

    /// Where a line is here.
    pub(super) fn value(&self, line: &LineName) -> Option<ObjectId> {
        refs::read(&self.repo(), &line.ref_name()).unwrap()
    }

    /// The snapshots of a line as they are here, newest first.
    pub(super) fn snapshots(&self, line: &LineName) -> Vec<ObjectId> {
        let repo = self.repo();
        let Some(line) = history::line(&repo, line).unwrap() else { return Vec::new() };
        history::snapshots(&repo, &line).map(|snapshot| snapshot.unwrap().commit).collect()
    }

    /// The other's tip, as drift and `sync` see it.
    pub(super) fn tip_of(&self, line: &LineName) -> Option<Tip> {
        let all = tips::all(&self.rig.ctx, &self.repo()).unwrap();
        all.into_iter().find(|tip| matches!(&tip.writer, tips::Writer::Carry { line: of, .. } if of == line))
    }

    pub(super) fn standing(&self) -> Standing {
        standing(&self.rig.ctx).unwrap()
    }

    /// What came, of which there must be one.
    #[track_caller]
    pub(super) fn foreign(&self) -> ForeignLine {
        let mut all = self.standing().foreign;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// How our only line stands.
    #[track_caller]
    pub(super) fn own(&self) -> LineStanding {
        let mut all = self.standing().own;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).standing
    }

    /// Bytes of all segments that the newest head names.
    pub(super) fn said_bytes(&self) -> u64 {
        let (_, segments) = self.store.signed_segments().unwrap().unwrap();
        segments.values().flatten().map(|segment| segment.bytes).sum()
    }

    /// Refs that hold what came for a while.
    pub(super) fn kept(&self) -> Vec<String> {
        let all = refs::list(&self.repo(), "refs/carry-keep/exchange/").unwrap();
        all.into_iter().map(|(name, _)| name).collect()
    }

    /// Registers another clone on this device.
    pub(super) fn add(&self, git: &TestRepo) -> Tree {
        let repo = Repo::open(git.root()).unwrap();
        let added = self.registry().add(&repo, &self.rig.ctx.device.id(), NOW, false, None).unwrap();
        let (Added::New(tree) | Added::Known(tree) | Added::Moved { tree, .. }) = added;
        tree
    }
}

/// A clone without a remote.
pub(super) fn copy_of(git: &TestRepo) -> TestRepo {
    let copy = TestRepo::new();
    copy.git(["fetch", "-q", git.root().to_str().unwrap(), "main"]);
    copy.git(["reset", "-q", "--hard", "FETCH_HEAD"]);
    std::fs::remove_file(copy.path(".git/FETCH_HEAD")).unwrap();
    copy
}

impl Side {
    /// Takes the segments of one log from whoever holds them.
    pub(super) fn fetch_log_from(&mut self, holder: &Store, log: LogId) {
        for followed in self.store.followed_of(log).unwrap() {
            for (stream, segments) in followed.segments.iter().flatten() {
                for reference in segments {
                    self.fetch_one(holder, log, stream, reference);
                }
            }
        }
    }

    /// Takes one segment, if it is there.
    fn fetch_one(&mut self, holder: &Store, log: LogId, stream: &StreamName, reference: &SegmentRef) {
        let expected = Expected { log, stream: stream.clone(), reference: *reference };
        let name = reference.name(log, stream);
        let Some(ObjectBytes::File(mut file)) = holder.open_object(&name).unwrap() else { return };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        self.store.accept_bytes(&expected, &bytes).unwrap();
    }

    /// Counts nothing of the other's any more.
    pub(super) fn revoke_all(&mut self, other: &Self) {
        let none = BTreeMap::from([(STREAM.parse().unwrap(), (0, Digest::of(&[])))]);
        self.store.revoke(other.store.log(), &none, NOW).unwrap();
    }
}

//! What is merged from.

use carry_kernel::clock::Timestamp;

use super::*;
use crate::keeper::keeper_bytes;
use crate::line::{Branch, LineName};
use crate::prune::fixture::World;
use crate::seen::{Seen, Source};
use crate::snapshot::Meta;
use crate::tips::{Trust, Writer};
use crate::{history, refs};

/// A world in which several devices write snapshots of one branch.
struct Devices {
    world: World,
}

fn source(n: usize) -> Source {
    Source::parse(&format!("d{n}-0000000{n}/00000000000{n}")).unwrap()
}

impl Devices {
    fn new() -> Self {
        Self { world: World::new() }
    }

    fn tree(&self, text: &str) -> ObjectId {
        Place { fixture: Fixture::new(), repo: self.world.repo() }.tree(&files(text))
    }

    /// The `n`-th device captures: what there is, the commit it is at, and what each device had written that it has seen.
    fn capture(&self, n: usize, text: &str, head: Option<ObjectId>, seen: &[u64]) -> Tip {
        let Source::Line { device, tree: tree_id } = source(n) else { unreachable!() };
        let (repo, branch) = (self.world.repo(), Branch::Named("main".into()));
        let name = LineName::new(&device, &tree_id, &branch);
        let tree = self.tree(text);
        let seen: Seen = seen.iter().enumerate().map(|(n, count)| (source(n), *count)).collect();
        let meta = Meta {
            subject: "s".to_owned(),
            device,
            tree_id,
            branch: branch.clone(),
            head,
            staged: None,
            hlc: carry_kernel::hlc::Hlc::default(),
            seen: seen.clone(),
            state: None,
            skipped: Vec::new(),
            skipped_more: 0,
            nested: Vec::new(),
            bytes: 0,
        };
        let parents: String = head.iter().map(|id| format!("parent {id}\n")).collect();
        let who = "Carry <carry@localhost> 1 +0000";
        let raw = [format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\n").into_bytes(), meta.to_message()]
            .concat();
        let mut batch = Batch::new(repo.hash());
        let commit = batch.add(Kind::Commit, &raw);
        let line = history::line(&repo, &name).unwrap().map(|line| line.keeper);
        let keeper = batch.add(Kind::Commit, &keeper_bytes(commit, tree, line, Timestamp::from_secs(1)));
        batch.write(&repo.objects_dir()).unwrap();
        refs::update(&repo, &name.ref_name(), line, keeper).unwrap();
        Tip {
            writer: Writer::Carry { line: name, label: String::new(), key: None },
            trust: Trust::Own,
            branch,
            commit,
            tree,
            head,
            staged: None,
            time: Timestamp::from_secs(1),
            seen,
            skipped: Vec::new(),
            skipped_more: 0,
            finished: false,
        }
    }

    /// The base of two tips, both ways.
    #[track_caller]
    fn base(&self, a: &Tip, b: &Tip) -> String {
        let [one, two] = [(a, b), (b, a)].map(|(a, b)| {
            let repo = self.world.repo();
            base(&self.world.ctx, &repo, a, b).unwrap()
        });
        assert_eq!(one, two);
        let place = Place { fixture: Fixture::new(), repo: self.world.repo() };
        place.told(one)
    }

    /// A commit of a tree.
    fn commit(&self, text: &str, parents: &[ObjectId]) -> ObjectId {
        self.commit_saying("c", text, parents)
    }

    /// As git-pulsar makes them.
    fn shadow(&self, text: &str, parents: &[ObjectId]) -> ObjectId {
        self.commit_saying("Shadow backup 2026-11-20 10:55:00", text, parents)
    }

    fn commit_saying(&self, message: &str, text: &str, parents: &[ObjectId]) -> ObjectId {
        let tree = self.tree(text).to_string();
        let parents: Vec<String> = parents.iter().flat_map(|id| ["-p".to_owned(), id.to_string()]).collect();
        let mut args = vec!["commit-tree", "-m", message, &tree];
        args.extend(parents.iter().map(String::as_str));
        ObjectId::from_hex(self.world.git.git(&args).as_bytes()).unwrap()
    }
}

#[test]
fn nothing_in_common_means_nothing_to_start_from() {
    let devices = Devices::new();
    let (a, b) = (devices.capture(0, "a=1", None, &[1]), devices.capture(1, "a=2", None, &[0, 1]));
    assert_eq!(devices.base(&a, &b), "");
}

#[test]
fn without_a_snapshot_both_know_it_is_the_common_commit() {
    let devices = Devices::new();
    let root = devices.commit("a=0", &[]);
    let (left, right) = (devices.commit("a=1", &[root]), devices.commit("a=2", &[root]));
    let a = devices.capture(0, "a=1,1", Some(left), &[1]);
    let b = devices.capture(1, "a=2,2", Some(right), &[0, 1]);
    assert_eq!(devices.base(&a, &b), "a=0");
    let unborn = devices.capture(2, "a=3", None, &[0, 0, 1]);
    assert_eq!(devices.base(&a, &unborn), "");
}

#[test]
fn it_is_the_last_snapshot_that_both_have_seen() {
    let devices = Devices::new();
    let head = Some(devices.commit("a=0", &[]));
    devices.capture(0, "a=1", head, &[1]);
    devices.capture(0, "a=2", head, &[2]);
    let a = devices.capture(0, "a=3", head, &[3]);
    let b = devices.capture(1, "a=2,2", head, &[2, 1]);
    assert_eq!(devices.base(&a, &b), "a=2");
    // Once more, after the first took over from the second.
    let a = devices.capture(0, "a=4", head, &[4, 1]);
    let b = devices.capture(1, "a=2,3", head, &[2, 2]);
    assert_eq!(devices.base(&a, &b), "a=2,2");
}

#[test]
fn a_third_devices_snapshot_that_both_have_seen_counts() {
    let devices = Devices::new();
    let head = Some(devices.commit("a=0", &[]));
    devices.capture(2, "a=1", head, &[0, 0, 1]);
    devices.capture(2, "a=2", head, &[0, 0, 2]);
    let a = devices.capture(0, "a=3", head, &[1, 0, 2]);
    let b = devices.capture(1, "a=4", head, &[0, 1, 1]);
    assert_eq!(devices.base(&a, &b), "a=1");
}

#[test]
fn several_equally_late_ones_are_merged() {
    let devices = Devices::new();
    let head = Some(devices.commit("a=0 b=0", &[]));
    devices.capture(2, "a=1 b=0", head, &[0, 0, 1]);
    devices.capture(3, "a=0 b=1", head, &[0, 0, 0, 1]);
    let a = devices.capture(0, "a=1 b=2", head, &[1, 0, 1, 1]);
    let b = devices.capture(1, "a=2 b=1", head, &[0, 1, 1, 1]);
    assert_eq!(devices.base(&a, &b), "a=1 b=1");
}

#[test]
fn what_several_do_not_agree_on_is_as_it_was_before_them() {
    let devices = Devices::new();
    let head = Some(devices.commit("a=0 b=0", &[]));
    devices.capture(2, "a=1 b=1", head, &[0, 0, 1]);
    devices.capture(3, "a=2 b=0", head, &[0, 0, 0, 1]);
    let a = devices.capture(0, "a=3 b=1", head, &[1, 0, 1, 1]);
    let b = devices.capture(1, "a=4 b=1", head, &[0, 1, 1, 1]);
    assert_eq!(devices.base(&a, &b), "a=0 b=1");
}

#[test]
fn commits_that_both_have_are_no_change_of_either() {
    let devices = Devices::new();
    let first = devices.commit("a=0 b=0", &[]);
    let second = devices.commit("a=0 b=1", &[first]);
    devices.capture(0, "a=1 b=0", Some(first), &[1]);
    let a = devices.capture(0, "a=2 b=1", Some(second), &[2]);
    let b = devices.capture(1, "a=1 b=1", Some(second), &[1, 1]);
    assert_eq!(devices.base(&a, &b), "a=1 b=1");
}

#[test]
fn of_git_pulsars_stream_it_is_the_commit_that_was_seen() {
    let devices = Devices::new();
    let one = devices.shadow("a=1", &[]);
    let two = devices.shadow("a=2", &[one]);
    let three = devices.shadow("a=3", &[two]);
    let pulsar = Source::stream("desk--0123abcd", one);
    let ours = devices.capture(0, "a=9", None, &[1]);
    let stream = Tip {
        writer: Writer::Pulsar { slug: "desk--0123abcd".to_owned() },
        commit: three,
        tree: devices.tree("a=3"),
        head: None,
        seen: [(pulsar.clone(), 3)].into_iter().collect(),
        ..ours.clone()
    };
    for (count, wanted) in [(0, ""), (1, "a=1"), (2, "a=2"), (4, "")] {
        let mut seen = ours.seen.clone();
        seen.set(pulsar.clone(), count);
        assert_eq!(devices.base(&Tip { seen, ..ours.clone() }, &stream), wanted, "{count}");
    }
    // Of a chain that ended, so many.
    let mut seen = ours.seen.clone();
    seen.set(Source::stream("desk--0123abcd", two), 2);
    assert_eq!(devices.base(&Tip { seen, ..ours }, &stream), "");
}

//! Streams as tips.

use super::super::fixture::{Fleet, Machine};
use super::super::*;
use crate::git::fixture::git;
use crate::pack::Kind;
use crate::prune::fixture::{NOW, World};
use crate::refs;
use crate::registry::Registry;
use crate::seen::{Seen, Source};
use crate::tips::{Trust, Writer};

const SLUG: &str = "desk--0a1b2c3d";

fn here(world: &World) -> Machine {
    Machine::at(&world.git.root(), SLUG)
}

fn all(world: &World) -> Vec<Tip> {
    tips(&world.ctx, &world.repo(), None).unwrap()
}

fn only(world: &World) -> Tip {
    let mut all = all(world);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn seen(root: ObjectId, count: u64) -> Seen {
    [(Source::stream(SLUG, root), count)].into_iter().collect()
}

/// As fetched from a remote.
fn fetched(world: &World, slug: &str, branch: &str, commit: ObjectId) {
    let name = super::stream(slug, branch).fetched_ref();
    world.git.git(&["update-ref", &name, &commit.to_string()]);
}

#[test]
fn a_stream_is_a_tip_of_an_unknown_device() {
    let world = World::new();
    world.write("new", "by git-pulsar\n");
    let commit = here(&world).snapshot(1_700_000_000);
    let tip = only(&world);
    assert_eq!(tip.writer, Writer::Pulsar { slug: SLUG.to_owned() });
    assert_eq!((tip.trust, tip.commit, tip.head), (Trust::Unknown, commit, Some(world.git.id("HEAD"))));
    assert_eq!(tip.branch, Branch::Named("main".into()));
    assert_eq!(tip.tree, world.git.id(&format!("{commit}^{{tree}}")));
    assert_eq!(tip.time.as_secs(), 1_700_000_000);
    assert_eq!(tip.seen, seen(commit, 1));
    assert!(!tip.finished && tip.skipped.is_empty() && tip.staged.is_none());
}

#[test]
fn a_stream_is_trusted_once_its_slug_is_approved() {
    let world = World::new();
    here(&world).snapshot(1);
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    registry.note_device(&format!("pulsar/{SLUG}"), None, "desk", NOW).unwrap();
    assert_eq!(only(&world).trust, Trust::Unknown);
    registry.approve_device(&format!("pulsar/{SLUG}"), NOW).unwrap();
    assert_eq!(only(&world).trust, Trust::Approved);
}

#[test]
fn snapshots_are_numbered_from_the_first() {
    let world = World::new();
    let mut commits = Vec::new();
    for n in 0..5 {
        world.write("file", format!("{n}\n"));
        // Wrong clocks and commits meanwhile change nothing.
        commits.push(here(&world).snapshot(100 - n));
        assert_eq!(only(&world).seen, seen(commits[0], u64::try_from(n).unwrap() + 1));
        world.git.commit("file", &format!("{n}!\n"));
    }
    let repo = world.repo();
    for (n, commit) in commits.iter().enumerate() {
        assert_eq!(numbered(&repo, commits[4], n as u64 + 1).unwrap(), Some(*commit));
    }
    assert_eq!(numbered(&repo, commits[4], 0).unwrap(), None);
    assert_eq!(numbered(&repo, commits[4], 6).unwrap(), None);
    assert!(numbered(&repo, world.git.id("HEAD"), 1).is_err());
}

#[test]
fn a_number_does_not_depend_on_what_was_counted_before() {
    let world = World::new();
    let machine = here(&world);
    for n in 0..4 {
        world.write("file", format!("{n}\n"));
        machine.snapshot(n);
    }
    let counted_at_once = only(&world);
    let name = super::stream(SLUG, "main").read_ref();
    world.git.git(&["update-ref", "-d", &name]);
    assert_eq!(only(&world), counted_at_once);
    // What is kept there may be anything.
    world.git.git(&["update-ref", &name, "HEAD"]);
    assert_eq!(only(&world), counted_at_once);
}

#[test]
fn reading_a_stream_again_writes_nothing() {
    let world = World::new();
    world.git.commit(".gitignore", "ignored\n");
    world.write("ignored", "x");
    world.git.git(&["add", "--force", "ignored"]);
    world.git.git(&["commit", "--quiet", "-m", "ignored"]);
    here(&world).snapshot(1);
    let first = only(&world);
    let packs = || std::fs::read_dir(world.repo().objects_dir().join("pack")).unwrap().count();
    let before = packs();
    assert!(before > 0);
    assert_eq!(only(&world), first);
    assert_eq!(packs(), before);
    // And Git keeps what was written.
    world.git.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(world.git.git(&["cat-file", "-t", &first.tree.to_string()]), "tree");
    assert_eq!(only(&world), first);
}

#[test]
fn parents_may_be_none_or_the_same_or_shadow_commits_only() {
    let world = World::with(crate::git::fixture::Fixture::init(&[]));
    let machine = here(&world);
    world.write("file", "1");
    let root = machine.snapshot(1);
    assert_eq!((only(&world).head, only(&world).seen), (None, seen(root, 1)));
    world.write("file", "2");
    machine.snapshot(2);
    assert_eq!((only(&world).head, only(&world).seen), (None, seen(root, 2)));

    // HEAD at the stream itself, named twice.
    world.git.git(&["reset", "--quiet", &machine.stream()]);
    let head = world.git.id("HEAD");
    let who = "Someone <someone@example.org> 3 +0000";
    let tree = world.git.id("HEAD^{tree}");
    let raw = format!("tree {tree}\nparent {head}\nparent {head}\nauthor {who}\ncommitter {who}\n\nShadow backup x\n");
    let commit = world.object(Kind::Commit, raw.as_bytes());
    world.git.git(&["update-ref", &machine.stream(), &commit.to_string()]);
    assert_eq!((only(&world).head, only(&world).seen), (Some(head), seen(root, 3)));
    // Or once.
    world.git.git(&["update-ref", &machine.stream(), &head.to_string()]);
    world.write("file", "4");
    machine.snapshot(4);
    assert_eq!((only(&world).head, only(&world).seen), (None, seen(root, 3)));
}

#[test]
fn a_head_that_lags_is_taken_as_it_is() {
    let world = World::new();
    let head = world.git.id("HEAD");
    world.write("file", "2\n");
    here(&world).snapshot(1);
    // Nothing differs from the tip, so git-pulsar writes none.
    world.git.git(&["commit", "--quiet", "--all", "-m", "2"]);
    assert_eq!(only(&world).head, Some(head));
}

#[test]
fn of_two_ends_of_a_stream_the_one_that_goes_on_from_the_other_counts() {
    let world = World::new();
    let machine = here(&world);
    world.write("file", "1\n");
    let first = machine.snapshot(200);
    world.write("file", "2\n");
    let second = machine.snapshot(100);
    fetched(&world, SLUG, "main", first);
    assert_eq!(only(&world).commit, second);
    fetched(&world, SLUG, "main", second);
    world.git.git(&["update-ref", &machine.stream(), &first.to_string()]);
    assert_eq!(only(&world).commit, second);
}

#[test]
fn of_two_ends_that_have_parted_the_later_counts() {
    let world = World::new();
    let machine = here(&world);
    world.write("file", "1\n");
    let early = machine.snapshot(100);
    world.git.git(&["update-ref", "-d", &machine.stream()]);
    world.write("file", "2\n");
    let late = machine.snapshot(200);
    fetched(&world, SLUG, "main", early);
    assert_eq!(only(&world).commit, late);
    fetched(&world, SLUG, "main", late);
    world.git.git(&["update-ref", &machine.stream(), &early.to_string()]);
    assert_eq!(only(&world).commit, late);
}

#[test]
fn only_streams_of_the_branch_are_given_when_one_is_asked_for() {
    let world = World::new();
    let commit = here(&world).snapshot(1);
    for branch in ["x", "feature/x"] {
        fetched(&world, "other--01234567", branch, commit);
    }
    let of = |name: &str| tips(&world.ctx, &world.repo(), Some(&Branch::Named(name.into()))).unwrap();
    assert_eq!(of("x").len(), 1);
    assert_eq!(of("x")[0].branch, Branch::Named("x".into()));
    assert_eq!(of("main").len(), 1);
    assert_eq!(of("feature").len(), 0);
    assert_eq!(tips(&world.ctx, &world.repo(), Some(&Branch::Detached)).unwrap(), []);
    assert_eq!(all(&world).len(), 3);
}

#[test]
fn what_cannot_be_read_hides_no_other_stream() {
    let world = World::new();
    let good = here(&world).snapshot(1);
    let blob = world.object(Kind::Blob, b"no commit");
    fetched(&world, "blob--01234567", "main", blob);
    fetched(&world, "plain--01234567", "main", world.git.id("HEAD"));
    let who = "Someone <someone@example.org> 1 +0000";
    let missing = "1".repeat(40);
    let no_tree =
        format!("tree {missing}\nparent {}\nauthor {who}\ncommitter {who}\n\nShadow backup x\n", world.git.id("HEAD"));
    fetched(&world, "treeless--01234567", "main", world.object(Kind::Commit, no_tree.as_bytes()));
    let no_parent = format!(
        "tree {}\nparent {missing}\nauthor {who}\ncommitter {who}\n\nShadow backup x\n",
        world.git.id("HEAD^{tree}")
    );
    fetched(&world, "orphan--01234567", "main", world.object(Kind::Commit, no_parent.as_bytes()));
    crate::git::fixture::write(&world.path(".git/refs/carry-keep/pulsar/torn--01234567/main"), b"");
    let found = all(&world);
    assert_eq!(found.iter().map(|tip| tip.commit).collect::<Vec<_>>(), [good]);
}

#[test]
fn what_carry_published_is_no_stream_of_git_pulsar() {
    let fleet = Fleet::new();
    fleet.work("file", "ours\n", NOW);
    fleet.publish().unwrap();
    let all_streams = "refs/heads/wip/pulsar/*:refs/heads/wip/pulsar/*";
    fleet.world.git.git(&["fetch", "--quiet", "origin", all_streams]);
    assert_eq!(refs::list(&fleet.world.repo(), STREAMS).unwrap().len(), 1);
    assert_eq!(all(&fleet.world), []);
}

#[test]
fn a_shallow_clone_counts_what_it_has() {
    let fleet = Fleet::new();
    let machine = fleet.machine(SLUG);
    let commits = [0, 1, 2].map(|n| {
        machine.write("file", &format!("{n}\n"));
        machine.snapshot(n)
    });
    machine.push();
    let spec = format!("{}:{}", machine.stream(), super::stream(SLUG, "main").fetched_ref());
    let url = format!("file://{}", fleet.remote.url);
    git(&fleet.world.git.root(), &["fetch", "--quiet", "--depth=2", &url, &spec]);
    let found = all(&fleet.world);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].seen, seen(commits[1], 2));
}

#[test]
fn a_stream_that_begins_anew_is_news() {
    let world = World::new();
    let machine = here(&world);
    for n in 0..5 {
        world.write("file", format!("{n}\n"));
        machine.snapshot(100 + n);
    }
    let old = only(&world);
    world.git.git(&["update-ref", "-d", &machine.stream()]);
    world.write("file", "work after the prune\n");
    let root = machine.snapshot(1000);
    let new = only(&world);
    assert!(!old.seen.has_seen(&new.seen), "{:?} {:?}", old.seen, new.seen);
    assert_eq!((new.writer.id(), &new.seen), (old.writer.id(), &seen(root, 1)));
    world.write("file", "and more\n");
    machine.snapshot(1001);
    let next = only(&world);
    assert_eq!(next.seen, seen(root, 2), "the chain's root is remembered");
    assert!(next.seen.has_seen(&new.seen));
}

use carry_kernel::hlc::Hlc;
use proptest::prelude::*;

use super::fixture::{Fixture, id};
use super::*;
use crate::git::BString;
use crate::line::Branch;
use crate::snapshot::Meta;

const TREE: &str = "0123456789ab";
const START: i64 = 1_795_171_200;

fn meta(n: u64, branch: &str) -> Meta {
    Meta {
        subject: format!("snapshot {n}"),
        device: "laptop-0123abcd".parse().unwrap(),
        tree_id: TREE.parse().unwrap(),
        branch: Branch::Named(branch.into()),
        head: None,
        staged: None,
        hlc: Hlc { wall_ms: 1_795_171_200_000 + n, counter: 0 },
        seen: crate::seen::Seen::new(),
        state: None,
        skipped: vec![],
        skipped_more: 0,
        nested: vec![],
        bytes: n,
    }
}

/// Makes a line of snapshots with these numbers, oldest first, and returns its newest keeper.
fn make_line(fixture: &Fixture, branch: &str, numbers: &[u64]) -> ObjectId {
    let mut previous = None;
    for &n in numbers {
        fixture.file("f", format!("{branch} {n}"));
        let tree = fixture.tree();
        let snapshot = fixture.commit(tree, &[], START + i64::try_from(n).unwrap(), &meta(n, branch).to_message());
        let parents: Vec<ObjectId> = previous.into_iter().chain([snapshot]).collect();
        previous = Some(fixture.commit(tree, &parents, START, crate::keeper::MESSAGE.as_bytes()));
    }
    let keeper = previous.unwrap();
    let name =
        LineName::new(&"laptop-0123abcd".parse().unwrap(), &TREE.parse().unwrap(), &Branch::Named(branch.into()));
    fixture.git(&["update-ref", &name.ref_name(), &keeper.to_string()]);
    keeper
}

fn numbers(walk: impl Iterator<Item = Result<Snapshot, HistoryError>>) -> Vec<u64> {
    walk.map(|snapshot| snapshot.unwrap().meta.bytes).collect()
}

fn walk(fixture: &Fixture, keeper: ObjectId) -> Snapshots {
    Snapshots { repo: fixture.gix(), next: Some(keeper) }
}

fn merged(fixture: &Fixture, keepers: &[ObjectId]) -> merge::Merged {
    merge::Merged::new(fixture.gix(), keepers.iter().copied())
}

#[test]
fn a_line_is_walked_from_its_newest_snapshot() {
    let fixture = Fixture::new();
    let keeper = make_line(&fixture, "main", &[1, 2, 3]);
    assert_eq!(numbers(walk(&fixture, keeper)), [3, 2, 1]);
}

#[test]
fn lines_of_a_tree_merge_by_their_clock() {
    let fixture = Fixture::new();
    make_line(&fixture, "main", &[1, 4, 5]);
    make_line(&fixture, "Topic", &[2, 3, 6]);
    fixture.git(&[
        "update-ref",
        "refs/carry/stray",
        &fixture.commit(fixture.tree(), &[], START, b"stray\n").to_string(),
    ]);
    let repo = Repo::open(&fixture.root()).unwrap();
    assert_eq!(numbers(of_tree(&repo, &TREE.parse().unwrap()).unwrap()), [6, 5, 4, 3, 2, 1]);
    assert!(of_tree(&repo, &TreeId::random()).unwrap().next().is_none());

    let found = lines(&repo).unwrap();
    let components: Vec<&str> = found.iter().map(|line| line.name.component.as_str()).collect();
    assert_eq!(components, ["%54opic", "main"]);
    assert_eq!(numbers(snapshots(&repo, &found[1])), [5, 4, 1]);
    assert_eq!(line(&repo, &found[0].name).unwrap().as_ref(), Some(&found[0]));
    let nowhere = LineName { component: "nowhere".to_owned(), ..found[0].name.clone() };
    assert_eq!(line(&repo, &nowhere).unwrap(), None);
}

#[test]
fn a_broken_line_ends_with_its_error_and_leaves_the_others_alone() {
    let fixture = Fixture::new();
    let good = make_line(&fixture, "main", &[1, 4]);
    let tree = fixture.tree();
    let stray = fixture.commit(tree, &[], START, b"not ours\n");
    let newest = fixture.commit(tree, &[], START, &meta(3, "x").to_message());
    let bad = fixture.commit(tree, &[stray, newest], START, crate::keeper::MESSAGE.as_bytes());
    let seen: Vec<_> =
        merged(&fixture, &[good, bad]).map(|s| s.map(|s| s.meta.bytes).map_err(|e| e.to_string())).collect();
    let error = format!("commit {stray} is not a snapshot: not a keeper: its message is another");
    assert_eq!(seen, [Ok(4), Ok(3), Err(error), Ok(1)]);
}

#[test]
fn what_is_no_keeper_is_refused() {
    let fixture = Fixture::new();
    let (tree, message) = (fixture.tree(), crate::keeper::MESSAGE.as_bytes());
    let snapshot = fixture.commit(tree, &[], START, &meta(1, "x").to_message());
    fixture.file("g", "other");
    let other = fixture.tree();
    let check = |commit: ObjectId, problem: &str| {
        let error = keeper(&fixture.gix(), commit).unwrap_err().to_string();
        assert!(error.ends_with(problem), "{error}");
    };
    check(snapshot, "its message is another");
    check(fixture.commit(tree, &[], START, message), "neither one parent nor two");
    check(fixture.commit(tree, &[snapshot; 3], START, message), "neither one parent nor two");
    check(fixture.commit(other, &[snapshot], START, message), "its tree is not its snapshot's");
    check(fixture.commit(tree, &[fixture.commit(tree, &[], START, message)], START, message), "Carry-Head is missing");
    check(fixture.object("blob", message), "is not a snapshot: it is a blob");
}

#[test]
fn a_snapshot_is_found_by_id_and_by_time() {
    let fixture = Fixture::new();
    let keepers = [make_line(&fixture, "main", &[60, 180]), make_line(&fixture, "topic", &[120])];
    let all: Vec<Snapshot> = merged(&fixture, &keepers).map(Result::unwrap).collect();
    let now = Timestamp::from_secs(START + 600);
    let find = |spec: &str| {
        find::find(merged(&fixture, &keepers), spec, now, &jiff::tz::TimeZone::UTC)
            .map(|s| s.meta.bytes)
            .map_err(|e| e.to_string())
    };
    for snapshot in &all {
        let hex = snapshot.commit.to_string();
        assert_eq!(find(&hex), Ok(snapshot.meta.bytes));
        assert_eq!(find(&format!(" {} ", hex[..12].to_uppercase())), Ok(snapshot.meta.bytes));
    }
    assert_eq!(find(&format!("@{}", START + 120)), Ok(120));
    assert_eq!(find(&format!("@{}", START + 179)), Ok(120));
    assert_eq!(find("7 minutes ago"), Ok(180));
    assert_eq!(find("9m"), Ok(60));
    let oldest = Timestamp::from_secs(START + 60);
    assert_eq!(find("1 hour ago"), Err(format!("no snapshot is as old as \"1 hour ago\"; the oldest is of {oldest}")));
    assert_eq!(find(&"0".repeat(50)), Err(format!("no snapshot matches {:?}", "0".repeat(50))));
    let no_spec = "\"abc\" is neither a snapshot id nor a time such as `10 minutes ago` or `2026-11-20 10:55`";
    assert_eq!(find("abc"), Err(no_spec.to_owned()));
}

#[test]
fn a_prefix_of_two_snapshots_is_ambiguous_and_one_snapshot_on_two_lines_is_not() {
    let snapshot = |hex: &str| Snapshot {
        commit: id(hex),
        tree: id(hex),
        time: Timestamp::from_secs(START),
        meta: meta(1, "main"),
    };
    let (a, b) = (snapshot(&format!("2026{}", "0".repeat(36))), snapshot(&format!("2026{}", "1".repeat(36))));
    let find = |all: &[&Snapshot], spec: &str| {
        let all: Vec<_> = all.iter().map(|one| Ok((*one).clone())).collect();
        find::find(all.into_iter(), spec, Timestamp::from_secs(START), &jiff::tz::TimeZone::UTC)
    };
    assert!(matches!(find(&[&a, &b], "2026"), Err(HistoryError::Ambiguous { n: 2, .. })));
    assert_eq!(find(&[&a, &a], "2026").unwrap(), a);
    assert_eq!(find(&[&a, &b], "20261").unwrap(), b);
    assert!(matches!(find(&[&a, &b], "2026-11-19"), Err(HistoryError::TooEarly { oldest, .. }) if oldest == a.time));
    assert!(matches!(find(&[&a, &b], "1000d"), Err(HistoryError::NoMatch { .. })), "a time all the same");
    assert!(matches!(find(&[&a, &b], "100000"), Err(HistoryError::NoMatch { .. })));
}

#[test]
fn an_entry_is_found_by_the_exact_bytes_of_its_path() {
    let fixture = Fixture::new();
    fixture.file("a/b/c.txt", "c");
    fixture.file("ä x", "umlaut");
    fixture.file("a.b", "dot");
    std::os::unix::fs::symlink("a", fixture.root().join("link")).unwrap();
    let (tree, repo) = (fixture.tree(), fixture.gix());
    let at = |path: &[u8]| entry_at(&repo, tree, BString::from(path).as_bstr()).unwrap();
    let blob = |path: &str| id(&fixture.git(&["rev-parse", &format!(":{path}")]));
    assert_eq!(at(b""), Some((mode::FOLDER, tree)));
    assert_eq!(at(b"a/b/c.txt"), Some((mode::FILE, blob("a/b/c.txt"))));
    assert_eq!(at("ä x".as_bytes()), Some((mode::FILE, blob("ä x"))));
    assert_eq!(at(b"link").map(|e| e.0), Some(mode::LINK));
    assert_eq!(at(b"a").map(|e| e.0), Some(mode::FOLDER));
    for nothing in [&b"a/"[..], b"/a", b"./a", b"a//b", b"A", b"a/b/c.txt/d", b"link/b", b"\xff", b".."] {
        assert_eq!(at(nothing), None, "{:?}", BString::from(nothing));
    }
}

#[test]
fn a_tree_that_is_none_is_an_error() {
    let fixture = Fixture::new();
    let blob = fixture.object("blob", b"100644 x");
    let torn = fixture.object("tree", b"100644 x");
    for tree in [blob, torn, id("1111111111111111111111111111111111111111")] {
        assert!(entry_at(&fixture.gix(), tree, "x".into()).is_err());
    }
    assert_eq!(entry_at(&fixture.gix(), ObjectId::empty_tree(gix::hash::Kind::Sha1), "x".into()).unwrap(), None);
}

proptest! {
    #[test]
    fn looking_for_anything_never_panics(spec in ".{0,30}") {
        let _ = find::find(std::iter::empty(), &spec, Timestamp::from_secs(START), &jiff::tz::TimeZone::UTC);
    }
}

#[test]
fn a_sealed_line_reads_as_the_one_it_was_made_of() {
    use crate::prune::fixture::World;
    use crate::tips::fixture::{Other, Wrote};
    let (world, desk) = (World::new(), Other::new("desk"));
    let mut made: Vec<ObjectId> = (1..=3)
        .map(|n| {
            world.write("file", format!("{n}\n"));
            desk.publishes(&world, &Wrote::new(world.write_tree(), &[(desk.source(), n)])).commit
        })
        .collect();
    made.reverse();
    let repo = world.repo();
    let name = desk.line(&Branch::Named("main".into()));
    let found = line(&repo, &name).unwrap().unwrap();
    assert_eq!(lines(&repo).unwrap(), std::slice::from_ref(&found));
    let seal = found.seal.clone().unwrap();
    assert_eq!((seal.count, seal.keeper, &seal.line), (3, found.keeper, &name));
    assert_ne!(found.tip, found.keeper);
    assert_eq!(crate::refs::read(&repo, &name.ref_name()).unwrap(), Some(found.tip));
    let commits = |walk: &mut dyn Iterator<Item = Result<Snapshot, HistoryError>>| {
        walk.map(|snapshot| snapshot.unwrap().commit).collect::<Vec<_>>()
    };
    assert_eq!(commits(&mut snapshots(&repo, &found)), made);
    assert_eq!(commits(&mut *of_tree(&repo, &desk.tree).unwrap()), made);
    assert_eq!(commits(&mut *of_repository(&repo).unwrap()), made);
    assert!(keeper(&repo.gix(), found.tip).unwrap_err().to_string().ends_with("not a keeper: it is a seal"));
    assert_eq!(crate::refs::broken(&repo).unwrap(), []);
    world.git.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn a_seal_in_another_lines_place_is_no_line() {
    use crate::prune::fixture::World;
    use crate::tips::fixture::{Other, Wrote};
    let (world, desk, shelf) = (World::new(), Other::new("desk"), Other::new("shelf"));
    let repo = world.repo();
    let wrote = Wrote::new(world.write_tree(), &[(desk.source(), 1)]);
    desk.publishes(&world, &wrote);
    let good = lines(&repo).unwrap().remove(0);
    let stolen = shelf.line(&wrote.branch);
    crate::refs::update(&repo, &stolen.ref_name(), None, good.tip).unwrap();
    let all = lines(&repo).unwrap();
    let bad = all.iter().find(|line| line.name == stolen).unwrap();
    assert_eq!((bad.keeper, &bad.seal), (bad.tip, &None));
    assert!(snapshots(&repo, bad).next().unwrap().is_err());
    assert_eq!(of_repository(&repo).unwrap().filter(Result::is_ok).count(), 1);
}

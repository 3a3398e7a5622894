use carry_kernel::clock::Timestamp;
use carry_kernel::id::DeviceId;

use super::*;
use crate::git::{HashKind, ObjectId};
use crate::line::LineName;
use crate::pack::{Batch, Kind};
use crate::seen::{Seen, Source};
use crate::tips::Writer;

const DEVICES: [&str; 4] = ["a-00000000", "b-00000000", "c-00000000", "d-00000000"];

fn device(n: usize) -> DeviceId {
    DEVICES[n].parse().unwrap()
}

fn tree_id() -> TreeId {
    "0123456789ab".parse().unwrap()
}

fn main() -> Branch {
    Branch::Named("main".into())
}

fn object(content: &str) -> ObjectId {
    Batch::id_of(HashKind::Sha1, Kind::Blob, content.as_bytes())
}

/// The tip of the `n`-th device; `seen` are the counts of all devices in their order.
fn tip(n: usize, content: &str, seen: &[u64]) -> Tip {
    let seen: Seen = seen.iter().enumerate().map(|(n, count)| (Source::line(&device(n), &tree_id()), *count)).collect();
    Tip {
        writer: Writer::Carry {
            line: LineName::new(&device(n), &tree_id(), &main()),
            label: format!("device {n}"),
            key: None,
        },
        trust: Trust::Approved,
        branch: main(),
        commit: object(&format!("{n} {content} {seen}")),
        tree: object(content),
        head: None,
        staged: None,
        time: Timestamp::from_secs(1000),
        seen,
        skipped: Vec::new(),
        skipped_more: 0,
        finished: false,
    }
}

/// The drift as text: each device with its relation, the first one marked.
fn told(ours: Option<&Tip>, others: &[Tip]) -> String {
    let name = |drift: &Drift| {
        let first = if drift.is_first { "*" } else { "" };
        let sign = match drift.relation {
            Relation::Newer => ">",
            Relation::Diverged => "#",
            Relation::Same | Relation::Older => panic!("{drift:?}"),
        };
        format!("{first}{sign}{}", drift.tip.writer.name().trim_start_matches("device "))
    };
    compare(ours, others).iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_was_not_seen_is_named() {
    let ours = tip(0, "a", &[3, 1]);
    for (others, wanted) in [
        (vec![], ""),
        (vec![tip(1, "b", &[3, 2])], "*>1"),
        (vec![tip(1, "b", &[2, 2])], "*#1"),
        (vec![tip(1, "b", &[2, 1])], ""),
        (vec![tip(1, "b", &[3, 1])], ""),
        (vec![tip(1, "b", &[0, 1])], ""),
        // Both are ahead, and neither has seen the other.
        (vec![tip(1, "b", &[3, 2]), tip(2, "c", &[3, 1, 1])], "*>1 >2"),
    ] {
        assert_eq!(told(Some(&ours), &others), wanted, "{others:?}");
    }
    assert_eq!(told(None, &[tip(1, "b", &[0, 1])]), "*>1");
}

#[test]
fn the_same_content_is_no_drift_whatever_the_vectors_say() {
    let ours = tip(0, "a", &[3, 1]);
    for seen in [&[3, 2][..], &[2, 2], &[0, 9]] {
        assert_eq!(told(Some(&ours), &[tip(1, "a", seen)]), "");
    }
}

#[test]
fn what_another_brings_along_is_left_out() {
    let ours = tip(0, "a", &[3]);
    let (early, late) = (tip(1, "b", &[3, 1]), tip(2, "c", &[3, 1, 1]));
    assert_eq!(told(Some(&ours), &[early.clone(), late.clone()]), "*>2");
    assert_eq!(told(Some(&ours), &[late, early.clone()]), "*>2");
    // One that has it and that we are like: all of it is here.
    assert_eq!(told(Some(&ours), &[early.clone(), tip(2, "a", &[3, 1, 1])]), "");
    // One that is not trusted, or is finished, brings nothing.
    let unknown = Tip { trust: Trust::Unknown, ..tip(2, "c", &[3, 1, 1]) };
    assert_eq!(told(Some(&ours), &[early.clone(), unknown]), "*>1");
    let finished = Tip { finished: true, ..tip(2, "c", &[3, 1, 1]) };
    assert_eq!(told(Some(&ours), &[early, finished]), "*>1");
}

#[test]
fn only_those_that_are_trusted_and_not_finished_count() {
    let ours = tip(0, "a", &[1]);
    for (trust, finished, wanted) in [
        (Trust::Own, false, "*>1"),
        (Trust::Approved, false, "*>1"),
        (Trust::Unknown, false, ""),
        (Trust::Impostor, false, ""),
        (Trust::Own, true, ""),
        (Trust::Approved, true, ""),
    ] {
        let other = Tip { trust, finished, ..tip(1, "b", &[1, 1]) };
        assert_eq!(told(Some(&ours), &[other]), wanted, "{trust:?} {finished}");
    }
}

#[test]
fn clocks_say_what_comes_first_and_hide_nothing() {
    let ours = tip(0, "a", &[3]);
    let at = |seconds, tip: Tip| Tip { time: Timestamp::from_secs(seconds), ..tip };
    let one = || tip(1, "b", &[3, 1]);
    let two = || tip(2, "c", &[3, 0, 1]);
    assert_eq!(told(Some(&ours), &[at(10, one()), at(20, two())]), "*>2 >1");
    assert_eq!(told(Some(&ours), &[at(20, one()), at(10, two())]), "*>1 >2");
    // The same stamp: by source, in whatever order they come.
    assert_eq!(told(Some(&ours), &[at(10, two()), at(10, one())]), "*>1 >2");
    // The newest by its clock has been seen by one whose clock stands in the past.
    let seen = at(1, tip(2, "c", &[3, 1, 1]));
    assert_eq!(told(Some(&ours), &[at(1 << 40, one()), seen]), "*>2");
    // And one from the future hides none.
    assert_eq!(told(Some(&ours), &[at(1 << 40, one()), at(0, two())]), "*>1 >2");
}

#[test]
fn streams_of_git_pulsar_count_as_all_others() {
    let ours = tip(0, "a", &[3]);
    let slug = "desk--0123abcd".to_owned();
    let seen: Seen = [(Source::Pulsar(slug.clone()), 4)].into_iter().collect();
    let stream = Tip { writer: Writer::Pulsar { slug }, seen: seen.clone(), ..tip(1, "b", &[]) };
    assert_eq!(told(Some(&ours), std::slice::from_ref(&stream)), "*#desk");
    let ours = Tip { seen: ours.seen.union(&seen), ..ours };
    assert_eq!(told(Some(&ours), &[stream]), "");
}

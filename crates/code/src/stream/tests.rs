//! The pure parts: which repository it is, what a pack states, what the next one stands on, what is kept.

use std::collections::HashSet;
use std::io::Write as _;

use carry_kernel::clock::Timestamp;
use proptest::prelude::*;

use super::identity::{Identity, Wanted};
use super::{kept, payload::LinePayload, scan};
use crate::git::{HashKind, ObjectId};
use crate::registry::SaidSnapshot;
use crate::remote::shared_name;
use crate::retention::{Item, Policy};

fn id(n: u64) -> ObjectId {
    ObjectId::from_hex(format!("{n:040x}").as_bytes()).unwrap()
}

fn identity(urls: &[&str], roots: &[u64]) -> Identity {
    let roots = roots.iter().map(|n| id(*n)).collect();
    Identity { name: "x".into(), hash: HashKind::Sha1, urls: urls.iter().map(|u| (*u).to_owned()).collect(), roots }
}

#[test]
fn a_remote_has_one_name_however_it_is_reached() {
    for url in [
        "git@Example.org:team/tool.git",
        "ssh://me@example.org:2222/team/tool/",
        "https://me:secret@EXAMPLE.org/team/tool.git",
        "https://example.org./team/tool?token=secret",
        "git://example.org/team/tool",
    ] {
        assert_eq!(shared_name(url).as_deref(), Some("example.org/team/tool"), "{url}");
    }
    for url in
        ["/srv/tool.git", "file:///srv/tool", "../tool", "http://localhost/tool", "ext::sh -c x", "https://x.org/"]
    {
        assert_eq!(shared_name(url), None, "{url}");
    }
}

#[test]
fn remotes_decide_where_both_have_some_and_roots_otherwise() {
    let (a, b) = (identity(&["h/a"], &[1]), identity(&["h/b", "h/a"], &[2]));
    assert!(a.is(&b) && b.is(&a));
    assert!(!a.is(&identity(&["h/c"], &[1])), "a project made of the same template is another");
    assert!(a.is(&identity(&[], &[1, 5])));
    assert!(!identity(&[], &[]).is(&identity(&[], &[])));
    assert!(!a.is(&Identity { hash: HashKind::Sha256, ..a.clone() }));
    assert_eq!(a.ids()[0], b.ids()[1]);
}

#[test]
fn an_attachment_names_repository_and_commit_of_either_hash() {
    let repository = &identity(&["h/a"], &[]).ids()[0];
    for hex in ["12".repeat(20), "ab".repeat(32)] {
        let commit = ObjectId::from_hex(hex.as_bytes()).unwrap();
        let wanted = Wanted::parse(&repository.attachment(commit)).unwrap();
        assert!(wanted.is(&commit) && wanted.id == *repository && wanted.hash == commit.kind());
        assert!(!wanted.is(&id(7)));
    }
    for bad in ["x", "0123456789ab.12", "0123456789AB.1111111111111111111111111111111111111111"] {
        assert_eq!(Wanted::parse(&bad.parse().unwrap()), None, "{bad}");
    }
}

fn said(n: u64, depth: u32) -> SaidSnapshot {
    SaidSnapshot { line: "a".into(), n, snapshot: id(n + 1), needs: vec![], depth }
}

#[test]
fn chains_stay_short_and_what_they_stand_on_stays() {
    let mut all: Vec<SaidSnapshot> = Vec::new();
    for n in 0..1000 {
        let next = kept::next(&all, "a", &|_| true);
        assert_eq!(next.n, n);
        let needs = next.base.iter().map(|base| base.snapshot).collect();
        let depth = next.base.as_ref().map_or(1, |base| base.depth + 1);
        all.push(SaidSnapshot { needs, ..said(n, depth) });
        // Everything else may be forgotten at any time.
        let spine = kept::spine(&all);
        assert!(spine.len() <= 11 && spine.contains(&id(n + 1)) && spine.contains(&id(1)), "{n}");
        all.retain(|one| spine.contains(&one.snapshot));
    }
}

#[test]
fn what_is_gone_is_not_stood_on() {
    let all = [said(0, 1), said(2, 2), said(3, 3)];
    assert_eq!(kept::next(&all, "a", &|_| true).base, Some(said(0, 1)));
    assert_eq!(kept::next(&all, "a", &|one| one.n != 0).base, Some(said(2, 2)), "better than nothing");
    assert_eq!(kept::next(&all, "a", &|_| false).base, None);
    assert_eq!(kept::next(&all, "b", &|_| true).base, Some(said(0, 1)), "another branch");
    let deep = [said(0, kept::CHAIN_MAX)];
    assert_eq!(kept::next(&deep, "a", &|_| true).base, None);
}

#[test]
fn no_more_are_kept_than_a_record_names() {
    let now = Timestamp::from_secs(1_790_000_000);
    let hours = |n: u64| std::time::Duration::from_secs(n * 3600);
    let policy = Policy { all: hours(24), hourly: hours(168), daily: hours(720), weekly: hours(8760) };
    for step in [1, 60, 3600] {
        let items: Vec<Item> = (0..500u64)
            .map(|n| Item { commit: id(n + 1), time: now.before(std::time::Duration::from_secs(n * step)), bytes: 1 })
            .collect();
        let must = HashSet::from([id(300), id(499)]);
        let kept = kept::keep(&items, &must, policy, now, 64);
        assert!(kept.len() <= 64 && kept.len() > 10, "{}", kept.len());
        assert!(kept[0] == id(1) && must.iter().all(|one| kept.contains(one)));
        let order: Vec<_> = items.iter().map(|item| item.commit).filter(|id| kept.contains(id)).collect();
        assert_eq!(kept, order);
    }
}

/// A pack of one object of this kind that states this size and holds these bytes.
fn pack(kind: u8, size: u64, before: &[u8], content: &[u8]) -> Vec<u8> {
    let mut pack = [&b"PACK"[..], &2u32.to_be_bytes(), &1u32.to_be_bytes()].concat();
    let mut rest = size >> 4;
    let mut byte = kind << 4 | u8::try_from(size & 15).unwrap();
    while rest > 0 {
        pack.push(byte | 128);
        byte = u8::try_from(rest & 127).unwrap();
        rest >>= 7;
    }
    pack.push(byte);
    pack.extend_from_slice(before);
    let mut zlib = flate2::write::ZlibEncoder::new(pack, flate2::Compression::fast());
    zlib.write_all(content).unwrap();
    zlib.finish().unwrap()
}

#[track_caller]
fn scanned(pack: &[u8]) -> Result<u64, String> {
    scan::pack(pack, HashKind::Sha1).map(|found| found.unpacked_bytes).map_err(|e| e.to_string())
}

#[test]
fn sizes_are_believed_only_when_they_are_true_and_allowed() {
    assert_eq!(scanned(&pack(3, 5, b"", b"hello")), Ok(5));
    for size in [4, 6] {
        assert!(scanned(&pack(3, size, b"", b"hello")).unwrap_err().contains("another size"));
    }
    assert!(scanned(&pack(3, 2 << 30, b"", b"")).unwrap_err().contains("the most"));
    assert!(scanned(&pack(1, 300 << 20, b"", b"")).unwrap_err().contains("the most"));
    assert!(scanned(&pack(5, 1, b"", b"x")).unwrap_err().contains("unknown kind"));
    // A delta of seven bytes whose result has four gigabytes.
    let delta = [5, 0x80, 0x80, 0x80, 0x80, 0x10, 0x90];
    assert!(scanned(&pack(7, 7, &[1; 20], &delta)).unwrap_err().contains("the most"));
    assert_eq!(scanned(&pack(7, 4, &[1; 20], &[5, 5, 0x90, 5])), Ok(5));
    let many = [&b"PACK"[..], &2u32.to_be_bytes(), &u32::MAX.to_be_bytes()].concat();
    assert!(scanned(&many).unwrap_err().contains("objects"));
}

proptest! {
    #[test]
    fn looking_through_anything_ends(bytes in proptest::collection::vec(any::<u8>(), 0..300), n in 0u32..5) {
        let pack = [&b"PACK"[..], &2u32.to_be_bytes(), &n.to_be_bytes(), &bytes].concat();
        let _ = scan::pack(&pack[..], HashKind::Sha256);
        let _ = scan::pack(&bytes[..], HashKind::Sha1);
    }

    #[test]
    fn reading_any_payload_ends(text in "[{}\\[\\]\":,a-z0-9]{0,200}") {
        let _ = LinePayload::parse(text.as_bytes());
    }
}

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::seen::Source;

const ID: &str = "89abcdef0123456789abcdef0123456789abcdef";

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.as_bytes()).unwrap()
}

fn meta() -> Meta {
    let device: DeviceId = "laptop-0123abcd".parse().unwrap();
    Meta {
        subject: "modified src/net.rs (+15 −3)".to_owned(),
        seen: Seen::parse("desk-89abcdef/ba9876543210=3 laptop-0123abcd/0123456789ab=7"),
        device,
        tree_id: "0123456789ab".parse().unwrap(),
        branch: Branch::Named("feature/x".into()),
        head: Some(id(ID)),
        staged: Some(id("1111111111111111111111111111111111111111")),
        hlc: Hlc { wall_ms: 1_795_171_200_123, counter: 2 },
        state: Some(State::CherryPick),
        skipped: vec![Skipped { path: " big file%\n".into(), reason: SkipReason::TooLarge }],
        skipped_more: 0,
        nested: vec!["vendor/lib".into()],
        bytes: 1234,
    }
}

fn text(meta: &Meta) -> String {
    String::from_utf8(meta.to_message()).unwrap()
}

fn raw_commit(message: &[u8], parents: &[&str]) -> Vec<u8> {
    let mut raw = format!("tree {ID}\n");
    for parent in parents {
        raw.push_str(&format!("parent {parent}\n"));
    }
    raw.push_str(
        "author Carry <carry@localhost> 1795171200 +0000\ncommitter Carry <carry@localhost> 1795171201 +0100\n\n",
    );
    let mut raw = raw.into_bytes();
    raw.extend_from_slice(message);
    raw
}

#[test]
fn the_first_version_named_the_device_alone() {
    let old = text(&meta()).replace("desk-89abcdef/ba9876543210=3 laptop-0123abcd/0123456789ab=7", "laptop-0123abcd=7");
    assert_eq!(Meta::parse(old.as_bytes()).unwrap().seen, Seen::parse("laptop-0123abcd/0123456789ab=7"));
}

#[test]
fn a_message_reads_as_documented() {
    assert_eq!(
        text(&meta()),
        "modified src/net.rs (+15 −3)\n\
         \n\
         Carry-Device: laptop-0123abcd\n\
         Carry-Tree: 0123456789ab\n\
         Carry-Branch: feature/x\n\
         Carry-Head: 89abcdef0123456789abcdef0123456789abcdef\n\
         Carry-Staged: 1111111111111111111111111111111111111111\n\
         Carry-Hlc: 1795171200123-0002\n\
         Carry-Seen: desk-89abcdef/ba9876543210=3 laptop-0123abcd/0123456789ab=7\n\
         Carry-State: cherry-pick\n\
         Carry-Skipped: too-large %20big file%25%0a\n\
         Carry-Nested: vendor/lib\n\
         Carry-Bytes: 1234\n"
    );
}

#[test]
fn a_subject_cannot_break_out_of_its_line() {
    let subject = |subject: &str| {
        let meta = Meta { subject: subject.to_owned(), ..meta() };
        let back = Meta::parse(&meta.to_message()).unwrap();
        assert_eq!((back.bytes, &back.branch), (meta.bytes, &meta.branch));
        back.subject
    };
    assert_eq!(subject("a\n\nCarry-Bytes: 9\r\x1b[2J"), "a  Carry-Bytes: 9  [2J");
    assert_eq!(subject("Carry-Head: unborn"), "Carry-Head: unborn");
    assert_eq!(subject(" \n "), "snapshot");
    assert_eq!(subject(&"é".repeat(500)), "é".repeat(SUBJECT_CHARS_MAX));
}

#[test]
fn what_is_too_much_to_name_is_counted() {
    let many = |n: usize| (0..n).map(|i| Skipped { path: format!("f{i:03}").into(), reason: SkipReason::Special });
    let mut meta = Meta { skipped: many(SKIPPED_MAX + 3).collect(), skipped_more: 2, ..meta() };
    meta.skipped[0].path = "x".repeat(PATH_BYTES_MAX + 1).into();
    let back = Meta::parse(&meta.to_message()).unwrap();
    assert_eq!((back.skipped.len(), back.skipped_more), (SKIPPED_MAX, 5));
    assert_eq!(back.skipped[0].path, "f001");
}

#[test]
fn what_a_newer_carry_says_does_not_hide_the_snapshot() {
    let newer = text(&meta())
        .replace("Carry-State: cherry-pick", "Carry-State: sequencer\nCarry-Mood: good")
        .replace("too-large ", "on-loan ")
        + "\nSome text.\n";
    let back = Meta::parse(newer.as_bytes()).unwrap();
    assert_eq!((back.state, back.skipped.len(), back.skipped_more), (None, 0, 1));
}

#[test]
fn what_is_missing_wrong_or_doubled_is_named() {
    let check = |from: &str, to: &str, problem: &str| {
        let broken = text(&meta()).replace(from, to);
        assert_eq!(Meta::parse(broken.as_bytes()).unwrap_err(), problem);
    };
    check("Carry-Device: laptop-0123abcd\n", "", "Carry-Device is missing");
    check("Carry-Bytes: 1234", "Carry-Bytes: +1", "Carry-Bytes is \"+1\"");
    check("Carry-Bytes: 1234", "Carry-Bytes: 99999999999999999999", "Carry-Bytes is \"99999999999999999999\"");
    check("Carry-Bytes: 1234", "Carry-Bytes: 1\nCarry-Bytes: 2", "Carry-Bytes stands there twice");
    check("Carry-Branch: feature/x", "Carry-Branch: a%", "Carry-Branch is \"a%\"");
    check(
        "=7",
        "=7 laptop-0123abcd/0123456789ab=8",
        "Carry-Seen is \"desk-89abcdef/ba9876543210=3 laptop-0123abcd/0123456789ab=7 \"",
    );
    check("\n\nCarry", "\nCarry", "no empty line after the subject");
    check(
        "Carry-Skipped: too-large %20big file%25%0a\n",
        &"Carry-Skipped: special x\n".repeat(51),
        "more than 50 Carry-Skipped",
    );
    assert!(Meta::parse(&vec![b'x'; MESSAGE_BYTES_MAX + 1]).is_err());
}

#[test]
fn a_commit_is_a_snapshot_only_with_the_parents_it_names() {
    let (head, staged) = (ID, "1111111111111111111111111111111111111111");
    let read = |parents: &[&str]| Snapshot::from_commit(id(staged), &raw_commit(&meta().to_message(), parents));
    let snapshot = read(&[head, staged]).unwrap();
    assert_eq!((snapshot.tree, snapshot.time), (id(ID), Timestamp::from_secs(1_795_171_201)));
    assert_eq!(snapshot.meta, meta());
    for parents in [&[][..], &[head], &[staged, head], &[head, staged, head]] {
        assert_eq!(read(parents).unwrap_err().problem, "its parents are not the commits its message names");
    }
    assert!(Snapshot::from_commit(id(ID), b"tree zzz").is_err());
}

#[test]
fn every_state_and_reason_has_one_name_also_in_json() {
    for (state, name) in State::ALL {
        assert_eq!((state.name(), State::from_name(name)), (name, Some(state)));
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{name}\""));
    }
    for (reason, name) in SkipReason::ALL {
        assert_eq!((reason.name(), SkipReason::from_name(name)), (name, Some(reason.clone())));
        assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{name}\""));
    }
}

fn any_path() -> impl Strategy<Value = BString> {
    vec(any::<u8>(), 1..30).prop_map(BString::from)
}

fn any_device() -> impl Strategy<Value = DeviceId> {
    "[a-z0-9]{1,10}-[0-9a-f]{8}".prop_map(|text| text.parse().unwrap())
}

fn any_id() -> impl Strategy<Value = ObjectId> {
    prop_oneof![
        any::<[u8; 20]>().prop_map(ObjectId::from),
        any::<[u8; 32]>().prop_map(|b| ObjectId::from_bytes_or_panic(&b))
    ]
}

prop_compose! {
    fn any_meta()(
        subject in "[a-zA-Z0-9:+−é-]{1,20}",
        (device, hex) in (any_device(), "[0-9a-f]{12}"),
        branch in proptest::option::of(any_path()),
        (head, staged) in (proptest::option::of(any_id()), proptest::option::of(any_id())),
        (wall_ms, counter, bytes, skipped_more) in (0..9_000_000_000_000u64, any::<u16>(), any::<u64>(), any::<u64>()),
        seen in btree_map((any_device(), "[0-9a-f]{12}"), any::<u64>(), 0..5),
        state in proptest::option::of(0..State::ALL.len()),
        skipped in vec((any_path(), 0..SkipReason::ALL.len()), 0..5),
        nested in vec(any_path(), 0..5),
    ) -> Meta {
        Meta {
            subject, device, nested, bytes, skipped_more, head, staged,
            tree_id: hex.parse().unwrap(),
            seen: seen.into_iter().map(|((d, t), n)| (Source::line(&d, &t.parse().unwrap()), n)).collect(),
            branch: branch.map_or(Branch::Detached, Branch::Named),
            hlc: Hlc { wall_ms, counter },
            state: state.map(|at| State::ALL[at].0),
            skipped: skipped.into_iter().map(|(path, at)| Skipped { path, reason: SkipReason::ALL[at].0.clone() }).collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_message_keeps_all_there_is_to_say(meta in any_meta()) {
        prop_assert_eq!(Meta::parse(&meta.to_message()), Ok(meta));
    }

    #[test]
    fn reading_any_bytes_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Meta::parse(&bytes);
        let _ = Snapshot::from_commit(id(ID), &bytes);
        let _ = Snapshot::from_commit(id(ID), &raw_commit(&bytes, &[ID]));
    }

    #[test]
    fn reading_a_damaged_message_never_panics(meta in any_meta(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut message = meta.to_message();
        let at = at.index(message.len());
        message[at] = byte;
        let _ = Meta::parse(&message);
    }
}

use carry_kernel::home::Home;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_171_200);
const LATER: Timestamp = Timestamp::from_secs(1_795_171_300);
const DESK: &str = "desk-89abcdef";

fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&Home::at(dir.path())).unwrap();
    (dir, registry)
}

#[test]
fn a_device_is_new_once_and_unknown_until_approved() {
    let (_dir, mut registry) = registry();
    assert_eq!(registry.device(DESK).unwrap(), None);
    assert!(registry.note_device(DESK, Some([1; 32]), "Desk", NOW).unwrap());
    assert!(!registry.note_device(DESK, Some([1; 32]), "Desk", LATER).unwrap());
    assert!(registry.note_device("pulsar/box--01234567", None, "box", NOW).unwrap());
    let desk = registry.device(DESK).unwrap().unwrap();
    let expected = KnownDevice {
        id: DESK.to_owned(),
        key: Some([1; 32]),
        label: "Desk".to_owned(),
        first_seen: NOW,
        approved: None,
        shown: false,
        is_revoked: false,
        vouched_by: None,
    };
    assert_eq!(desk, expected);
    let ids: Vec<String> = registry.devices().unwrap().into_iter().map(|device| device.id).collect();
    assert_eq!(ids, [DESK, "pulsar/box--01234567"]);
}

#[test]
fn a_key_is_pinned_and_another_one_changes_nothing() {
    let (_dir, mut registry) = registry();
    registry.note_device(DESK, Some([1; 32]), "Desk", NOW).unwrap();
    let before = registry.device(DESK).unwrap();
    for key in [Some([2; 32]), None] {
        assert!(!registry.note_device(DESK, key, "Evil", LATER).unwrap());
        assert_eq!(registry.device(DESK).unwrap(), before);
    }
}

#[test]
fn a_renamed_device_is_known_by_its_new_label() {
    let (_dir, mut registry) = registry();
    registry.note_device(DESK, Some([1; 32]), "Desk", NOW).unwrap();
    registry.note_device("pulsar/box", None, "box", NOW).unwrap();
    registry.note_device(DESK, Some([1; 32]), "Studio", LATER).unwrap();
    registry.note_device("pulsar/box", None, "crate", LATER).unwrap();
    let labels: Vec<String> = registry.devices().unwrap().into_iter().map(|device| device.label).collect();
    assert_eq!(labels, ["Studio", "crate"]);
}

#[test]
fn an_approval_stays_from_when_it_was_given_until_taken_back() {
    let (_dir, mut registry) = registry();
    assert!(!registry.approve_device(DESK, NOW).unwrap());
    assert!(!registry.revoke_device(DESK).unwrap());
    registry.note_device(DESK, Some([1; 32]), "Desk", NOW).unwrap();
    assert!(registry.approve_device(DESK, NOW).unwrap());
    assert!(registry.approve_device(DESK, LATER).unwrap());
    assert_eq!(registry.device(DESK).unwrap().unwrap().approved, Some(NOW));
    assert!(registry.revoke_device(DESK).unwrap());
    let desk = registry.device(DESK).unwrap().unwrap();
    assert_eq!((desk.approved, desk.is_revoked), (None, true));
    assert!(registry.approve_device(DESK, LATER).unwrap());
    let desk = registry.device(DESK).unwrap().unwrap();
    assert_eq!((desk.approved, desk.is_revoked), (Some(LATER), false));
}

#[test]
fn what_is_said_of_a_log_holds_for_its_device_unless_something_was_said_of_that() {
    let (_dir, mut registry) = registry();
    let log = LogId::of_key(&[5; 32]);
    let desk = Introduced { id: DESK, key: [1; 32], label: "Desk" };
    assert!(registry.follow_log(log, Word::Approved, &desk, NOW).unwrap());
    assert!(!registry.follow_log(log, Word::Revoked, &desk, NOW).unwrap(), "the approval stands");
    let known = registry.device(DESK).unwrap().unwrap();
    assert_eq!((known.approved, known.vouched_by, known.is_approved_by_name()), (Some(NOW), Some(log), false));
    registry.revoke_device(DESK).unwrap();
    assert!(!registry.follow_log(log, Word::Approved, &desk, LATER).unwrap());
    assert!(registry.device(DESK).unwrap().unwrap().is_revoked);

    // One that is known under another key is another one.
    registry.note_device("box-01234567", Some([2; 32]), "Box", NOW).unwrap();
    let other = Introduced { id: "box-01234567", key: [3; 32], label: "Evil" };
    assert!(!registry.follow_log(log, Word::Approved, &other, NOW).unwrap());
    assert!(!registry.follow_log(log, Word::Revoked, &other, NOW).unwrap());
    let known = registry.device("box-01234567").unwrap().unwrap();
    assert_eq!((known.label.as_str(), known.approved, known.is_revoked), ("Box", None, false));

    let lost = Introduced { id: "lost-0a0b0c0d", key: [4; 32], label: "Lost" };
    assert!(registry.follow_log(log, Word::Revoked, &lost, NOW).unwrap());
    assert!(registry.device("lost-0a0b0c0d").unwrap().unwrap().is_revoked);
}

#[test]
fn an_approval_by_name_stands_for_itself() {
    let (_dir, mut registry) = registry();
    let log = LogId::of_key(&[5; 32]);
    let desk = Introduced { id: DESK, key: [1; 32], label: "Desk" };
    registry.follow_log(log, Word::Approved, &desk, NOW).unwrap();
    assert!(!registry.revoke_vouched(DESK, LogId::of_key(&[6; 32])).unwrap(), "another log never spoke for it");
    assert!(registry.approve_device(DESK, LATER).unwrap());
    let known = registry.device(DESK).unwrap().unwrap();
    assert_eq!((known.approved, known.vouched_by, known.is_approved_by_name()), (Some(NOW), None, true));
    assert!(!registry.revoke_vouched(DESK, log).unwrap(), "a person approved it since");
    assert!(registry.device(DESK).unwrap().unwrap().approved.is_some());

    let box_ = Introduced { id: "box-01234567", key: [2; 32], label: "Box" };
    registry.follow_log(log, Word::Approved, &box_, NOW).unwrap();
    assert!(registry.revoke_vouched(box_.id, log).unwrap());
    assert!(!registry.revoke_vouched(box_.id, log).unwrap(), "once");
    assert!(!registry.approve_unless_revoked(box_.id, LATER).unwrap());
    let known = registry.device(box_.id).unwrap().unwrap();
    assert_eq!((known.approved, known.is_revoked, known.vouched_by), (None, true, Some(log)));
    assert!(registry.approve_device(box_.id, LATER).unwrap());
    assert!(registry.approve_unless_revoked(box_.id, LATER).unwrap());
    assert!(registry.device(box_.id).unwrap().unwrap().is_approved_by_name());
}

#[test]
fn what_is_said_by_itself_never_undoes_a_revocation_that_came_meanwhile() {
    let (dir, mut registry) = registry();
    let log = LogId::of_key(&[5; 32]);
    let desk = Introduced { id: DESK, key: [1; 32], label: "Desk" };
    registry.note_device(DESK, Some([1; 32]), "Desk", NOW).unwrap();
    // Revoked from within the transaction's wait: just before it judges.
    let mut other = Registry::open(&Home::at(dir.path())).unwrap();
    let known = registry.device(DESK).unwrap().unwrap();
    assert!(known.is_moved_by(Word::Approved, &desk));
    other.revoke_device(DESK).unwrap();
    assert!(!registry.follow_known(log, Word::Approved, &desk, LATER).unwrap());
    let known = registry.device(DESK).unwrap().unwrap();
    assert_eq!((known.approved, known.is_revoked, known.vouched_by), (None, true, None));
}

#[test]
fn what_was_shown_is_remembered() {
    let (_dir, mut registry) = registry();
    registry.show_device(DESK).unwrap();
    registry.note_device(DESK, Some([1; 32]), "Desk", NOW).unwrap();
    assert!(!registry.device(DESK).unwrap().unwrap().shown);
    registry.show_device(DESK).unwrap();
    assert!(registry.device(DESK).unwrap().unwrap().shown);
}

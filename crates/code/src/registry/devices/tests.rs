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
    assert_eq!(registry.device(DESK).unwrap().unwrap().approved, None);
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

//! What rounds remember.

use super::*;

#[test]
fn what_was_put_published_and_rejected_is_remembered_by_remote() {
    let mut device = Device::new();
    let later = NOW.after(std::time::Duration::from_secs(60));
    let log = device.store.log();
    let store = &mut device.store;
    store.note_put("folder", "carry/h/x.head", 7, NOW).unwrap();
    store.note_put("folder", "carry/h/x.head", 7, later).unwrap();
    assert_eq!(store.puts("folder").unwrap().len(), 1);
    assert_eq!(store.puts("bucket").unwrap(), []);
    store.forget_put("folder", "carry/h/x.head").unwrap();
    assert_eq!(store.puts("folder").unwrap(), []);
    store.note_published("folder", log, 5).unwrap();
    store.note_published("folder", log, 3).unwrap();
    assert_eq!(store.published("folder", log).unwrap(), Some(5));
    assert_eq!(store.published("bucket", log).unwrap(), None);
    store.reject("folder", "a", "10 bytes", &Rejection::Damaged("short".to_owned()), NOW).unwrap();
    store.reject("folder", "a", "10 bytes", &Rejection::Damaged("short".to_owned()), later).unwrap();
    let found = store.rejected("folder", "a").unwrap().unwrap();
    assert_eq!((found.since, found.last), (NOW, later));
    store.reject("folder", "a", "12 bytes", &Rejection::Later, later).unwrap();
    assert_eq!(store.rejected("folder", "a").unwrap().unwrap().since, later, "another state begins anew");
    store.forget_rejected("folder", "a").unwrap();
    assert_eq!(store.rejected("folder", "a").unwrap(), None);
    assert_eq!(store.remotes().unwrap(), ["folder"]);
}

#[test]
fn what_is_the_matter_with_a_file_is_noted_as_it_was_found() {
    let mut device = Device::new();
    let store = &mut device.store;
    let words = || "a reason".to_owned();
    let all = [
        Rejection::Absent,
        Rejection::Damaged(words()),
        Rejection::Wrong(words()),
        Rejection::WrongHeader(words()),
        Rejection::Later,
        Rejection::TooManyWays,
        Rejection::UnpackedTooMuch,
        Rejection::NoRoom,
        Rejection::Unclear(words()),
        Rejection::Older(words()),
    ];
    for why in &all {
        store.reject("nas", "a", "10 bytes", why, NOW).unwrap();
        assert_eq!(store.rejected("nas", "a").unwrap().unwrap().why, *why);
        let noted = store.all_rejected().unwrap().remove(0);
        assert_eq!((noted.0.as_str(), noted.1.why), ("a", why.clone()));
    }
    store.reject("nas", "a", "10 bytes", &Rejection::Damaged("x".repeat(1000)), NOW).unwrap();
    assert_eq!(store.rejected("nas", "a").unwrap().unwrap().why, Rejection::Damaged("x".repeat(400)));
}

#[test]
fn what_is_noted_of_a_remote_is_forgotten_when_it_is_elsewhere() {
    let mut device = Device::new();
    let log = device.store.log();
    let store = &mut device.store;
    let notes = |store: &mut Store| {
        store.note_put("nas", "carry/h/x.head", 7, NOW).unwrap();
        store.note_published("nas", log, 5).unwrap();
        store.note_compared("nas", log, NOW).unwrap();
        store.reject("nas", "a", "10 bytes", &Rejection::Damaged("short".to_owned()), NOW).unwrap();
        store.note_moved("nas", Way::Push, NOW).unwrap();
        store.note_put("other", "carry/h/x.head", 7, NOW).unwrap();
    };
    notes(store);
    assert!(store.note_place("nas", "/mnt/one").unwrap(), "nobody has said where it was");
    assert_eq!((store.puts("nas").unwrap(), store.published("nas", log).unwrap()), (vec![], None));
    notes(store);
    assert!(!store.note_place("nas", "/mnt/one").unwrap());
    assert_eq!((store.puts("nas").unwrap().len(), store.published("nas", log).unwrap()), (1, Some(5)));
    assert!(store.note_place("nas", "/mnt/two").unwrap());
    assert_eq!((store.puts("nas").unwrap(), store.published("nas", log).unwrap()), (vec![], None));
    assert_eq!((store.compared("nas", log).unwrap(), store.rejected("nas", "a").unwrap()), (None, None));
    assert_eq!(store.rounds().unwrap(), []);
    assert_eq!(store.puts("other").unwrap().len(), 1);
    notes(store);
    assert!(!store.note_place("nas", "/mnt/two").unwrap());
    assert_eq!(store.puts("nas").unwrap().len(), 1);
    // One that is added anew under the name begins anew.
    store.forget_remote("nas").unwrap();
    assert!(!store.note_place("nas", "/mnt/three").unwrap());
    // A round that was under way when it was removed notes something of the old place after that.
    store.forget_remote("nas").unwrap();
    notes(store);
    assert!(store.note_place("nas", "/mnt/four").unwrap());
    assert_eq!((store.puts("nas").unwrap(), store.published("nas", log).unwrap()), (vec![], None));
    assert_eq!(store.puts("other").unwrap().len(), 1);
}

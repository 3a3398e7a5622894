//! Logs that were left alone because nothing more fitted among all that nobody approved.

use super::*;

#[test]
fn who_is_approved_is_not_left_alone_any_more() {
    for is_trusted in [false, true] {
        let (remote, mut device, mut good) = (memory(), Device::new(), Author::new(9));
        let one = good.seal(&remote.inner, "one");
        let one = good.name_of(&one);
        good.seal(&remote.inner, "two");
        good.head(&remote.inner);
        // As it was found before.
        let shelf = Shelf::read(&remote, Folder::Log(good.log), &Deadline::NONE).unwrap();
        let candidate = &shelf.candidates(&one)[0];
        device
            .store
            .reject("r", &one.path(), &candidate.stamp, &crate::store::Rejection::UnpackedTooMuch, NOW)
            .unwrap();
        device.round(&remote);
        if is_trusted {
            device.trust(good.log);
        }
        let report = device.round(&remote);
        assert_eq!(report.problems.len(), usize::from(!is_trusted), "{:?}", report.problems);
        let shown: &[&str] = if is_trusted { &["one", "two"] } else { &[] };
        assert_eq!(device.shown(), texts(shown));
    }
}

//! Stores that an earlier version of the program wrote.

use super::*;
use crate::round::shelf::Shelf;

/// A home whose store is of the version before files were noted with the kind of what is the matter with them: path, stamp and
/// words of each, noted a day ago.
fn noted_in_words(noted: &[(&str, &str, &str)]) -> (tempfile::TempDir, Device) {
    let dir = tempfile::tempdir().unwrap();
    let schema = Schema { migrations: &crate::store::SCHEMA.migrations[..2], ..crate::store::SCHEMA };
    let mut db = Db::open(&Home::at(dir.path()).database("exchange"), schema).unwrap();
    let at = NOW.as_millis() - i64::try_from(DAY.as_millis()).unwrap();
    db.write(|tx| {
        for (path, stamp, why) in noted {
            let sql =
                "INSERT INTO rejects (remote, name, stamp, why, first_ms, last_ms) VALUES ('r', ?1, ?2, ?3, ?4, ?5)";
            tx.execute(sql, (path, stamp, why, at, NOW.as_millis()))?;
        }
        Ok::<_, StoreError>(())
    })
    .unwrap();
    drop(db);
    let device = Device::at(dir.path(), "here");
    (dir, device)
}

/// What a place shows of the state of an object's file.
fn stamp_of(remote: &dyn Remote, object: &ObjectName) -> String {
    let shelf = Shelf::read(remote, object.folder(), &Deadline::NONE).unwrap();
    shelf.candidates(object)[0].stamp.clone()
}

#[test]
fn what_was_noted_in_words_alone_is_looked_at_again_and_stays_known_till_then() {
    let (remote, mut author) = (memory(), Author::new(9));
    let good = author.seal(&remote.inner, "one");
    let filler = "x".repeat(1024 * 1024);
    let wrong = author.seal_as(&remote.inner, "two", &|header| header["filler"] = filler.as_str().into(), &[]);
    let damaged = author.seal(&remote.inner, "three");
    let absent = author.seal(&remote.inner, "four");
    let head = author.head(&remote.inner).name();
    let [good, wrong, damaged, absent] = [good, wrong, damaged, absent].map(|segment| author.name_of(&segment));
    let mut bytes = remote.inner.files()[&damaged.path()].clone();
    *bytes.last_mut().unwrap() ^= 1;
    remote.inner.plant(&damaged.path(), &bytes);
    assert!(remote.inner.uproot(&absent.path()));
    let noted = [
        (good.path(), stamp_of(&remote, &good), "it was damaged when it was read"),
        (wrong.path(), stamp_of(&remote, &wrong), "as its author made it: the segment's header is too large"),
        (damaged.path(), stamp_of(&remote, &damaged), "block 0 is damaged"),
        (absent.path(), "absent".to_owned(), "it is not there"),
        (head.path(), stamp_of(&remote, &head), "there is no room for its log"),
    ];
    let noted = noted.each_ref().map(|(path, stamp, why)| (path.as_str(), stamp.as_str(), *why));
    let (_dir, mut device) = noted_in_words(&noted);
    device.trust(author.log);
    let known = |device: &Device, object: &ObjectName| device.store.rejected("r", &object.path()).unwrap();
    let since = |device: &Device, object: &ObjectName| known(device, object).map(|known| NOW.since(known.since));
    assert_eq!(known(&device, &head), None);
    assert_eq!(known(&device, &absent).unwrap().why, Rejection::Absent);
    for object in [&good, &wrong, &damaged] {
        let known = known(&device, object).unwrap();
        assert!(matches!(known.why, Rejection::Damaged(_)) && known.stamp == stamp_of(&remote, object), "{known:?}");
    }
    let report = device.round(&remote);
    assert_eq!(device.shown(), texts(&["one"]));
    let is_named = |what: &dyn Fn(&Problem) -> bool| report.problems.iter().any(what);
    assert!(is_named(&|problem| matches!(problem, Problem::Wrong(of, _) if *of == wrong)), "{:?}", report.problems);
    assert!(is_named(&|problem| *problem == Problem::Damaged(damaged.clone())), "{:?}", report.problems);
    assert!(is_named(&|problem| *problem == Problem::Missing(absent.clone())), "{:?}", report.problems);
    assert_eq!(report.problems.len(), 3);
    assert!(matches!(known(&device, &wrong).unwrap().why, Rejection::WrongHeader(_)));
    assert_eq!([&good, &damaged, &absent].map(|object| since(&device, object)), [None, Some(DAY), Some(DAY)]);
    // What was missing and damaged for a day is asked for at once, as before.
    let (signed, _) = device.store.signed_segments().unwrap().unwrap();
    let wants: BTreeSet<_> = signed.head().wants.iter().cloned().collect();
    assert_eq!(wants, [damaged, absent].map(crate::head::Want::Object).into());
}

//! What a later version writes and this one cannot read.

use serde_json::{Value, json};

use super::*;

/// The ways in which a later version may write a segment: what it changes in the header, and what it adds to the records.
#[expect(clippy::type_complexity, reason = "a table of two columns")]
const LATER: [(&str, fn(&mut Value), &[u8]); 4] = [
    ("a header", |header| header["v"] = json!(2), &[]),
    ("a dictionary", |header| header["dict"] = json!(1), &[]),
    ("a kind of block", |header| header["blocks"][0][2] = json!("z"), &[]),
    ("a type of frame", |_| {}, &[3, 0, 0, 0, 9, 1, 2]),
];

#[test]
fn a_segment_of_a_later_version_is_kept_passed_on_and_asked_for_once() {
    for (what, edit, more) in LATER {
        let (one, two) = (memory(), memory());
        let mut author = Author::new(9);
        author.seal(&one.inner, "early");
        author.seal_as(&one.inner, "later", &edit, more);
        author.head(&one.inner);
        let mut device = Device::new();
        device.trust(author.log);
        let report = device.round(&one);
        assert_eq!(report.problems, [Problem::NeedsUpgrade(author.log)], "{what}");
        assert_eq!(device.shown(), texts(&["early"]), "{what}");
        let (log, notes) = (author.log, stream("notes"));
        let standing = |device: &Device| device.store.status().unwrap().log(log).cloned().unwrap();
        assert!(standing(&device).needs_upgrade, "{what}");
        assert_eq!((standing(&device).n_missing(), standing(&device).streams[&notes].n_deferred), (0, 1), "{what}");
        let report = device.try_round(&two, "two").unwrap();
        assert_eq!((report.relayed.n_heads, report.relayed.n_objects), (1, 2), "{what}");
        let of_author = |remote: &MemoryRemote| -> BTreeMap<String, Vec<u8>> {
            let files = remote.files().into_iter();
            files.filter(|(path, _)| path.contains(&author.log.to_string())).collect()
        };
        assert_eq!(of_author(&two.inner), of_author(&one.inner), "{what}");
        for _ in 0..3 {
            device.advance(DAY);
            let report = device.round(&one);
            assert_eq!((report.problems, report.pulled), (vec![], Moved::default()), "{what}");
        }
        let (head, _) = device.store.signed_segments().unwrap().unwrap();
        assert_eq!((head.head().wants.len(), device.store.verify().unwrap()), (0, vec![]), "{what}");
        device.reopen();
        assert_eq!(standing(&device).streams[&notes].n_deferred, 1, "{what}: it is looked at again by another version");
    }
}

#[test]
fn a_damaged_segment_of_a_later_version_is_no_good() {
    let one = memory();
    let mut author = Author::new(9);
    let reference = author.seal_as(&one.inner, "later", &|header| header["v"] = json!(2), &[]);
    author.head(&one.inner);
    let path = author.name_of(&reference).path();
    let good = one.inner.files()[&path].clone();
    let bad = damaged(&good);
    one.inner.plant(&path, &bad);
    let mut device = Device::new();
    device.trust(author.log);
    assert_eq!(device.round(&one).problems, [Problem::Arriving(author.name_of(&reference))]);
    one.inner.plant(&path, &good);
    assert_eq!(device.round(&one).problems, [Problem::NeedsUpgrade(author.log)]);
    // One that is damaged here is found, let go and fetched again.
    let file = kept_as(&device, &path);
    carry_kernel::disk::write_atomic(&file, &bad).unwrap();
    assert_eq!(device.store.verify().unwrap().len(), 1);
    let found = device.store.let_go_damaged().unwrap();
    assert_eq!((found.findings.len(), found.of.len()), (1, 1));
    assert_eq!(device.round(&one).problems, [Problem::NeedsUpgrade(author.log)]);
    assert_eq!(device.store.verify().unwrap(), []);
}

#[test]
fn a_list_of_a_later_version_blames_nobody() {
    let one = memory();
    let mut author = Author::new(9);
    author.seal(&one.inner, "early");
    let list = crate::list::List {
        log: author.log,
        streams: BTreeMap::from([(stream("notes"), author.tail.clone())]),
        holds: BTreeMap::new(),
    };
    let bytes = String::from_utf8(list.write().unwrap().bytes).unwrap().replace(r#""v":1"#, r#""v":2"#).into_bytes();
    let reference = crate::head::ListRef { digest: Digest::of(&[&bytes]), bytes: bytes.len() as u64 };
    one.inner.plant(&ObjectName::list(author.log, reference.digest).path(), &bytes);
    author.tail.clear();
    author.head_as(&one.inner, &|head, _| head.list = Some(reference));
    let mut device = Device::new();
    device.trust(author.log);
    assert_eq!(device.round(&one).problems, [Problem::NeedsUpgrade(author.log)]);
    one.take();
    assert_eq!(device.round(&one).problems, [Problem::NeedsUpgrade(author.log)]);
    assert_eq!(one.take().gets, 0);
}

#[test]
fn what_is_kept_for_a_later_version_goes_when_no_head_names_it_and_counts_while_a_followed_one_does() {
    let remote = memory();
    let (mut author, mut device) = (Author::new(9), Device::new());
    device.trust(author.log);
    let (notes, begin) = (stream("notes"), author.chain);
    let log = author.log;
    let standing = |device: &Device| device.store.status().unwrap().log(log).cloned().unwrap();
    let again = |author: &mut Author, edit: &dyn Fn(&mut Value)| {
        // The same record in another file, as after a merge.
        (author.last, author.chain) = (0, begin);
        author.tail.clear();
        let reference = author.seal_as(&remote.inner, "one", edit, &[]);
        author.head(&remote.inner);
        author.name_of(&reference).path()
    };
    let n_heads = 12;
    for n in 0..n_heads {
        again(&mut author, &|header| (header["v"], header["filler"]) = (json!(2), json!(n)));
        device.round(&remote);
    }
    let n_kept = device.store.kept_for_later(author.log).unwrap().len();
    assert_eq!(n_kept, 9, "those of the followed head and of eight before it");
    let folder = device.root.join("data/exchange").join(log.to_string());
    let n_files = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(n_files(), n_heads);
    device.reopen();
    assert_eq!(n_files(), n_kept);
    assert!(standing(&device).needs_upgrade && device.store.awaits_upgrade(&notes).unwrap());
    // Its author goes back to what this version reads, and the file is not there yet.
    let path = again(&mut author, &|_| {});
    let bytes = remote.inner.files()[&path].clone();
    remote.inner.uproot(&path);
    device.round(&remote);
    assert!(!standing(&device).needs_upgrade && !device.store.awaits_upgrade(&notes).unwrap());
    assert_eq!(standing(&device).n_missing(), 1);
    remote.inner.plant(&path, &bytes);
    device.round(&remote);
    assert_eq!((standing(&device).n_missing(), device.shown()), (0, texts(&["one"])));
}

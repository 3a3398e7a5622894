//! A head that is put together of segments that are all held already.

use super::*;

#[test]
fn a_head_whose_middle_segments_are_held_and_do_not_join_is_named() {
    let (remote, mut author, mut device) = (memory(), Author::new(9), Device::new());
    device.trust(author.log);
    author.seal(&remote.inner, "one");
    let chain = author.chain;
    for text in ["two", "three", "four"] {
        author.seal(&remote.inner, text);
    }
    let first = author.head(&remote.inner);
    let (whole, end) = (author.tail.clone(), author.chain);
    device.round(&remote);
    // Another home went on after the first record.
    author.tail.truncate(1);
    (author.last, author.chain) = (1, chain);
    author.seal(&remote.inner, "two there");
    author.head_as(&remote.inner, &|head, _| head.prev = Some(Digest::of(&[b"another"])));
    assert_eq!(device.round(&remote).problems, [Problem::Forked(author.log)]);
    let shown = device.shown();
    assert_eq!(shown, texts(&["one", "two", "three", "four", "two there"]));
    // The second record of that one, between the others of the first: both of its neighbours are held.
    author.tail.extend_from_slice(&whole[2..]);
    (author.last, author.chain) = (4, end);
    let wrong = author.head_as(&remote.inner, &|head, _| head.prev = Some(first.digest()));
    let report = device.round(&remote);
    let [Problem::Wrong(name, why)] = &report.problems[..] else { panic!("{:?}", report.problems) };
    assert_eq!(*name, wrong.name());
    assert!(why.contains("after 2 do not join"), "{why}");
    assert_eq!((device.shown(), device.store.verify().unwrap()), (shown, vec![]));
    assert_eq!(device.store.followed_of(author.log).unwrap().len(), 2);
}

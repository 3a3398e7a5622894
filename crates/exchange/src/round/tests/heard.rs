//! When a strand is told that others were listened to.

use super::*;

#[test]
fn only_a_whole_pull_where_the_stream_goes_counts_as_listening() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[1].say("hello");
    devices[1].round(&remote);
    let author = devices[1].store.log();
    let device = &mut devices[0];
    device.options.direction = Direction::Push;
    device.say("mine");
    device.round(&remote);
    assert_eq!(device.notes.heard, [], "it only sent");
    // What stands in the head is not there.
    let of = format!("{author}/notes-");
    let (path, bytes) = remote.inner.files().into_iter().find(|(path, _)| path.contains(&of)).unwrap();
    device.options.direction = Direction::Both;
    remote.inner.uproot(&path);
    let report = device.round(&remote);
    assert!(report.problems.iter().any(|problem| matches!(problem, Problem::Missing(_))), "{:?}", report.problems);
    assert_eq!(device.notes.heard, []);
    remote.inner.plant(&path, &bytes);
    // The place ends in the middle of it.
    for calls in 0..2 {
        remote.end_after(Some(calls));
        device.try_round(&remote, "r").unwrap_err();
        assert_eq!(device.notes.heard, [], "after {calls} calls");
    }
    remote.end_after(None);
    device.options.streams = Some(BTreeSet::from([stream("curation")]));
    device.advance(MINUTE);
    device.round(&remote);
    assert_eq!((device.notes.heard.len(), device.curation.heard.is_empty()), (0, false), "only what goes there");
    device.options.streams = None;
    device.advance(MINUTE);
    device.round(&remote);
    assert_eq!(device.notes.heard, [carry_kernel::clock::Clock::now(&device.clock)]);
    assert_eq!(device.shown(), texts(&["hello", "mine"]));
}

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

#[test]
fn what_a_stranger_lacks_keeps_nobody_from_having_listened() {
    for (is_trusted, n_heard) in [(true, 0), (false, 1)] {
        let (remote, mut author, mut device) = (memory(), Author::new(9), Device::new());
        if is_trusted {
            device.trust(author.log);
        }
        let segment = author.seal(&remote.inner, "one");
        author.head(&remote.inner);
        remote.inner.uproot(&author.name_of(&segment).path());
        let report = device.round(&remote);
        assert_eq!(report.problems, [Problem::Missing(author.name_of(&segment))]);
        assert_eq!(device.notes.heard.len(), n_heard, "{is_trusted}");
    }
}

#[test]
fn what_counts_is_told_apart_from_what_does_not_also_where_there_is_more_than_is_named() {
    let trusted = crate::fixture::log(9);
    let stranger = Author::new(8);
    let list = |log: LogId, n: usize| ObjectName::list(log, Digest::of(&[&n.to_le_bytes()]));
    for (log, n_heard) in [(trusted, 0), (stranger.log, 1)] {
        let (remote, mut stranger, mut device) = (memory(), Author::new(8), Device::new());
        device.trust(trusted);
        stranger.seal(&remote.inner, "one");
        stranger.head(&remote.inner);
        let (options, mut nobody) = (device.options.clone(), |_: Step| {});
        let mut side = Side { store: &mut device.store, strands: vec![&mut device.notes], clock: &device.clock };
        let mut round = Round::new(&remote, &options, &Deadline::NONE, &streams(), &mut nobody).for_strands(&side);
        (0..PROBLEMS_MAX).for_each(|n| round.problem(Problem::Missing(list(stranger.log, n))));
        round.problem(Problem::Missing(list(log, PROBLEMS_MAX)));
        assert_eq!(round.report.problems.len(), PROBLEMS_MAX);
        round.run(&mut side).unwrap();
        assert_eq!(device.notes.heard.len(), n_heard);
    }
}

//! What its author merged is not fetched again by who holds the records.

use super::*;

/// A text of `bytes` that hardly compresses.
fn noise(seed: u64, bytes: usize) -> String {
    let mut text = String::new();
    for n in 0u64.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&Digest::of(&[&seed.to_le_bytes(), &n.to_le_bytes()]).to_text());
    }
    text
}

#[test]
fn merged_segments_are_not_fetched_again() {
    let remote = memory();
    let mut devices = fleet(2);
    let (mut said, mut got, mut put) = (0, 0, 0);
    for n in 0..40 {
        let text = noise(n, 60_000);
        said += text.len() as u64;
        devices[0].say(&text);
        devices[0].round(&remote);
        put += remote.take().put_bytes;
        devices[1].round(&remote);
        got += remote.take().got_bytes;
    }
    assert_eq!(devices[1].shown(), devices[0].shown());
    // Base64 of digests compresses to three quarters; heads and lists are small beside it.
    assert!(put > said, "merging writes some of it twice: {put} of {said}");
    assert!(got < said * 9 / 10, "but nobody reads it twice: {got} of {said}");
    check_same(&devices);
}

#[test]
fn who_was_away_during_merges_fetches_what_is_missing_alone() {
    let remote = memory();
    let mut devices = fleet(2);
    for n in 0..30 {
        devices[0].say(&noise(n, 100_000));
        devices[0].round(&remote);
    }
    devices[1].round(&remote);
    assert_eq!(devices[1].shown().len(), 30);
    for n in 30..36 {
        devices[0].say(&noise(n, 100_000));
        devices[0].round(&remote);
    }
    remote.take();
    devices[1].round(&remote);
    let got = remote.take().got_bytes;
    assert_eq!(devices[1].shown(), devices[0].shown());
    // Six of thirty-six; in a merged file blocks end at a quarter of a megabyte, so a little more comes with them.
    assert!(got < 1_300_000, "{got}");
    assert_eq!(devices[1].round(&remote).pulled, Moved::default());
    check_same(&devices);
}

#[test]
fn an_attachment_comes_with_the_parts_whose_records_want_it() {
    let remote = memory();
    let mut devices = fleet(2);
    for n in 0..7 {
        devices[0].say(&noise(n, 100_000));
        devices[0].round(&remote);
    }
    devices[1].round(&remote);
    let pack = noise(99, 300_000);
    let id: AttachmentId = "pack-1".parse().unwrap();
    devices[0].store.attach(&stream("notes"), std::slice::from_ref(&id), &[], &mut pack.as_bytes()).unwrap();
    devices[0].notes.say_as("k", "with a pack", false, &["pack-1"]);
    devices[0].round(&remote);
    for n in 20..24 {
        devices[0].say(&noise(n, 1000));
        devices[0].round(&remote);
    }
    devices[1].round(&remote);
    assert!(devices[1].shown().contains("with a pack"));
    let log = devices[0].store.log();
    assert!(devices[1].notes.has(log, &id).unwrap());
    assert_eq!(devices[1].shown(), devices[0].shown());
}

#[test]
fn who_comes_late_reads_what_the_newest_head_names_and_nothing_else() {
    let remote = memory();
    let mut author = Device::new();
    for n in 0..40 {
        author.say(&noise(n, 60_000));
        author.round(&remote);
    }
    let (_, segments) = author.store.signed_segments().unwrap().unwrap();
    let named: u64 = segments.values().flatten().map(|segment| segment.bytes).sum();
    let there: u64 = paths(&remote.inner, ".seg").iter().map(|path| remote.inner.files()[path].len() as u64).sum();
    assert!(there > named * 5 / 4, "what was superseded lies there, too: {there} and {named}");
    let beside: u64 =
        remote.inner.files().iter().filter(|(path, _)| !path.ends_with(".seg")).map(|(_, b)| b.len() as u64).sum();
    remote.take();
    let mut late = Device::new();
    late.trust(author.store.log());
    while late.round(&remote).has_more {}
    let got = remote.take().got_bytes;
    assert_eq!(late.shown(), author.shown());
    assert!(got <= named + beside, "{got} of {named} and {beside}");
}

#[test]
fn a_reader_that_is_always_behind_shows_more_with_each_round() {
    let remote = memory();
    let mut devices = fleet(2);
    for n in 0..30 {
        devices[0].say(&noise(n, 60_000));
        devices[0].round(&remote);
    }
    devices[1].options.budget.bytes = 100_000;
    let mut shown = 0;
    for n in 30..100 {
        // As long as it is behind, more comes than was there before.
        if n < 60 {
            devices[0].say(&noise(n, 60_000));
            devices[0].round(&remote);
        }
        devices[1].round(&remote);
        let now = devices[1].shown().len();
        assert!(now > shown || now == devices[0].shown().len(), "round {n} brought nothing: {now}");
        shown = now;
    }
    assert_eq!(devices[1].shown(), devices[0].shown());
}

#[test]
fn what_is_missing_keeps_nothing_else_out_of_a_small_budget() {
    for absent in 0..2 {
        let remote = memory();
        let mut devices = fleet(3);
        for (device, text) in [(0, "one"), (1, "two")] {
            devices[device].say(text);
            devices[device].round(&remote);
        }
        let log = devices[absent].store.log().to_string();
        for path in paths(&remote.inner, ".seg").iter().filter(|path| path.contains(&log)) {
            remote.inner.uproot(path);
        }
        devices[2].options.budget.objects = 1;
        let report = devices[2].round(&remote);
        assert_eq!(devices[2].shown(), texts(&[["two", "one"][absent]]), "{:?}", report.problems);
        assert!(!devices[2].round(&remote).has_more, "the rest is missing, and not merely left for another round");
    }
}

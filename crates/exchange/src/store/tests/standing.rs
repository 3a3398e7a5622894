//! How things stand: what is shown of logs, and who has what.

use super::*;
use crate::head::SignedHead;
use crate::store::status::{Copied, look};

fn notes() -> StreamName {
    stream("notes")
}

fn newest(device: &Device) -> SignedHead {
    device.store.newest_signed().unwrap().unwrap()
}

#[test]
fn a_device_that_never_exchanged_has_no_status_and_gets_none_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(look(&Home::at(dir.path())).unwrap(), None);
    assert_eq!(look_at_rounds(&Home::at(dir.path())).unwrap(), []);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_published_here_and_missing_is_told_apart() {
    let mut author = Device::new();
    for text in ["a", "b", "c"] {
        author.say_all(&[text]);
        author.publish();
    }
    author.say_all(&["d"]);
    author.drain().unwrap();
    let status = author.store.status().unwrap();
    let own = status.own().unwrap();
    let stream_of = &own.streams[&notes()];
    assert_eq!((stream_of.published, stream_of.n_unpublished(), stream_of.held.count()), (3, 1, 4));
    assert_eq!((own.row.state, own.head.unwrap().n, own.head.unwrap().came), (LogState::Own, 3, None));
    assert_eq!(status, look(&Home::at(&author.root)).unwrap().unwrap());

    let mut reader = Device::new();
    let head = newest(&author);
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    let status = reader.store.status().unwrap();
    let theirs = status.log(author.store.log()).unwrap();
    assert_eq!(theirs.row.state, LogState::Unapproved);
    assert_eq!(status.unapproved().count(), 1);
    assert_eq!(theirs.key, Some(head.head().key));
    assert_eq!(theirs.streams[&notes()].missing, Ranges::of(1, 3));
    assert_eq!((theirs.head.unwrap().came, theirs.n_missing()), (Some(NOW), 3));

    // The middle alone: there is a gap on both sides.
    let segment = author.store.signed_segments().unwrap().unwrap().1[&notes()][1];
    let expected = Expected { log: author.store.log(), stream: notes(), reference: segment };
    let bytes = bytes_of(&author.store, &segment.name(expected.log, &expected.stream)).unwrap();
    reader.store.accept_bytes(&expected, &bytes).unwrap();
    let status = reader.store.status().unwrap();
    let theirs = &status.log(author.store.log()).unwrap().streams[&notes()];
    assert_eq!((theirs.held.to_string(), theirs.missing.to_string()), ("2".to_owned(), "1 3".to_owned()));
}

#[test]
fn a_stream_is_safe_only_where_an_approved_device_says_it_holds_all_of_it() {
    let (mut author, mut keeper) = (Device::new(), Device::new());
    keeper.trust(&author.store);
    author.say_all(&["a", "b"]);
    author.publish();
    keeper.pull(&author.store);
    let news = Statement { lone_holds: true, ..statement() };
    let said = keeper.store.sign(&news, NOW).unwrap().unwrap();
    author.store.see_head(&said.name(), said.bytes(), NOW).unwrap();
    let safe = |author: &Device| {
        let status = author.store.status().unwrap();
        status.safe_on(author.store.log(), &notes()).iter().map(|log| log.row.log).collect::<Vec<_>>()
    };
    assert_eq!(safe(&author), [], "anybody may say so");
    author.trust(&keeper.store);
    assert_eq!(safe(&author), [keeper.store.log()]);
    author.say_all(&["c"]);
    author.publish();
    assert_eq!(safe(&author), [], "the newest is not there yet");
    keeper.pull(&author.store);
    let said = keeper.store.sign(&news, NOW).unwrap().unwrap();
    author.store.see_head(&said.name(), said.bytes(), NOW).unwrap();
    assert_eq!(safe(&author), [keeper.store.log()]);
    author.store.revoke(keeper.store.log(), &BTreeMap::new(), NOW).unwrap();
    assert_eq!(safe(&author), []);
}

#[test]
fn a_clock_is_off_only_where_that_is_certain() {
    let hour = std::time::Duration::from_secs(3600);
    let (mut author, mut other) = (Device::new(), Device::new());
    other.trust(&author.store);
    author.say_all(&["a"]);
    author.publish();
    let skew = |author: &mut Device, other: &Device, came| {
        let head = newest(other);
        author.store.see_head(&head.name(), head.bytes(), came).unwrap();
        author.store.status().unwrap().log(other.store.log()).unwrap().skew_ms
    };
    // Signed by a clock an hour ahead; it came now.
    other.pull(&author.store);
    other.say_all(&["x"]);
    other.drain().unwrap();
    other.store.seal().unwrap();
    other.store.sign(&statement(), NOW.after(hour)).unwrap();
    assert_eq!(skew(&mut author, &other, NOW), Some(3_600_000));
    // A head that was long on its way says nothing.
    let mut late = Device::new();
    late.say_all(&["y"]);
    late.publish();
    assert_eq!(skew(&mut author, &late, NOW.after(hour)), None);
    // It holds what we published at NOW, and says that it signed before.
    let mut slow = Device::new();
    slow.trust(&author.store);
    slow.pull(&author.store);
    slow.store.sign(&Statement { lone_holds: true, ..statement() }, NOW.before(hour)).unwrap();
    assert_eq!(skew(&mut author, &slow, NOW), Some(-3_600_000));
}

#[test]
fn a_first_head_that_only_announces_is_signed_once_and_on_demand() {
    let mut device = Device::new();
    assert_eq!(device.store.sign(&statement(), NOW).unwrap(), None);
    let announce = Statement { announce: true, ..statement() };
    let head = device.store.sign(&announce, NOW).unwrap().unwrap();
    assert!(head.head().streams.is_empty() && head.head().n == 1);
    assert_eq!(device.store.sign(&announce, NOW).unwrap(), None, "it is said already");
    device.check();
    let mut other = Device::new();
    other.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    assert_eq!(other.store.status().unwrap().unapproved().count(), 1);
}

#[test]
fn what_is_gone_or_cut_is_found_without_reading() {
    let mut author = Device::new();
    author.say_all(&["a"]);
    author.publish();
    assert_eq!(author.store.verify_quick().unwrap(), []);
    let segment = author.store.signed_segments().unwrap().unwrap().1[&notes()][0];
    let folder = author.root.join("data/exchange").join(author.store.log().to_string());
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(bytes.len() as u64, segment.bytes);
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(10).unwrap();
    let found = author.store.verify_quick().unwrap();
    assert!(found.len() == 1 && found[0].problem.contains("10 bytes"), "{found:?}");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(author.store.verify_quick().unwrap()[0].problem, "it is gone");
}

#[test]
fn numbers_count_what_is_kept_and_what_was_put() {
    let mut device = Device::new();
    device.say_all(&["a", "b"]);
    device.drain().unwrap();
    assert_eq!(device.store.sizes().unwrap().n_unsealed, 2);
    device.publish();
    let sizes = device.store.sizes().unwrap();
    assert_eq!((sizes.n_unsealed, sizes.n_segments, sizes.n_logs, sizes.n_renewals), (0, 1, 1, 0));
    device.store.note_put("nas", "carry/h/x.head", 300, NOW).unwrap();
    device.store.note_put("nas", "carry/h/y.head", 200, NOW).unwrap();
    for (name, why) in [
        ("a", Rejection::Absent),
        ("b", Rejection::Unclear("2/1".to_owned())),
        ("c", Rejection::Older("1".to_owned())),
        ("d", Rejection::Damaged("it is cut short".to_owned())),
    ] {
        device.store.reject("nas", &format!("carry/h/{name}.head"), "1", &why, NOW).unwrap();
    }
    let totals = device.store.put_totals("nas").unwrap();
    assert_eq!((totals.n_files, totals.bytes, totals.n_rejected), (2, 500, 1));
    assert_eq!(device.store.put_totals("other").unwrap(), PutTotals::default());
    device.store.note_round("nas", Way::Pull, Some("it was cold"), NOW).unwrap();
    let rounds = look_at_rounds(&Home::at(&device.root)).unwrap();
    let at = |seconds| NOW.after(std::time::Duration::from_secs(seconds));
    let pulled = |device: &Device| look_at_rounds(&Home::at(&device.root)).unwrap()[0].pull.ok;
    device.store.note_round("nas", Way::Pull, None, at(1)).unwrap();
    device.store.note_round("nas", Way::Pull, None, at(2)).unwrap();
    assert_eq!(pulled(&device), Some(at(1)), "a round without news is noted once a minute");
    device.store.note_moved("nas", Way::Pull, at(3)).unwrap();
    assert_eq!(pulled(&device), Some(at(3)), "one that moved something at once");
    assert_eq!(rounds[0].pull.failed, Some((NOW, "it was cold".to_owned())));
    device.store.forget_remote("nas").unwrap();
    assert_eq!(device.store.put_totals("nas").unwrap(), PutTotals::default());
    assert_eq!(look_at_rounds(&Home::at(&device.root)).unwrap(), []);
}

fn minutes(n: u64) -> Timestamp {
    NOW.after(std::time::Duration::from_secs(60 * n))
}

fn log(n: u8) -> LogId {
    LogId::of_key(&[n; 32])
}

/// How the log of this number stands, which one device writes: first and newest head as signed, when the newest came, and when
/// the log was met, in minutes.
fn standing(n: u8, from: Option<u8>, signed: (u64, u64), came: u64, since: u64) -> LogStatus {
    let row = crate::store::LogRow {
        log: log(n),
        alias: n.to_string(),
        state: LogState::Approved,
        vouched_by: from.map(log),
        revoked_by: None,
        since: minutes(since),
    };
    LogStatus {
        author: Some(crate::head::Author { key: [9; 32], label: None, signature: [0; 64] }),
        head: Some(crate::store::status::NewestHead { n: 2, at: minutes(signed.1), came: Some(minutes(came)) }),
        first_at: Some(minutes(signed.0)),
        ..LogStatus::unseen(row)
    }
}

#[test]
fn nothing_is_safe_on_the_home_that_wrote_it_under_another_log() {
    // The first log published three records; all others say that they hold them.
    let check = |mut logs: Vec<LogStatus>, expected: &[&str]| {
        logs[0].streams.entry(notes()).or_default().published = 3;
        for other in &mut logs[1..] {
            other.holds.entry(log(1)).or_default().insert(notes(), 3);
        }
        let status = crate::store::Status { own: log(0), logs };
        let safe: Vec<&str> = status.safe_on(log(1), &notes()).iter().map(|log| log.row.alias.as_str()).collect();
        assert_eq!(safe, expected);
    };
    let old = |signed, came| standing(1, None, signed, came, 0);
    let mut other = standing(3, None, (0, 30), 30, 0);
    other.author = Some(crate::head::Author { key: [8; 32], label: None, signature: [0; 64] });
    // Restored from a backup: the new log is on the same disk, whether or not the old one speaks for it.
    check(vec![old((0, 10), 10), standing(2, Some(1), (20, 30), 30, 20), other.clone()], &["3"]);
    check(vec![old((0, 10), 10), standing(2, None, (20, 30), 30, 20), other.clone()], &["3"]);
    let mut nameless = standing(2, Some(1), (20, 30), 30, 20);
    nameless.author = None;
    check(vec![old((0, 10), 10), nameless, other.clone()], &["3"]);
    // Copied: both went on, so that the copy is another disk.
    check(vec![old((0, 25), 26), standing(2, Some(1), (20, 30), 30, 20), other], &["2", "3"]);
}

#[test]
fn a_home_is_one_place_however_many_logs_it_wrote() {
    // The first log is another device's and published three records; all others say that they hold them, but the last.
    let check = |mut logs: Vec<LogStatus>, expected: &[&str]| {
        logs[0].author = Some(crate::head::Author { key: [8; 32], label: None, signature: [0; 64] });
        logs[0].streams.entry(notes()).or_default().published = 3;
        let lacking = logs.len() - 1;
        for other in &mut logs[1..lacking] {
            other.holds.entry(log(1)).or_default().insert(notes(), 3);
        }
        let status = crate::store::Status { own: log(0), logs };
        let safe: Vec<&str> = status.safe_on(log(1), &notes()).iter().map(|log| log.row.alias.as_str()).collect();
        assert_eq!(safe, expected);
    };
    let in_state = |mut log: LogStatus, state| {
        log.row.state = state;
        log
    };
    let nameless = |log: LogStatus| LogStatus { author: None, ..log };
    let (of, old) = (|| standing(1, None, (0, 90), 90, 0), || standing(2, None, (0, 10), 10, 0));
    let strange = || in_state(standing(9, None, (0, 0), 0, 0), LogState::Unapproved);
    let heir = |n, from, began| standing(n, Some(from), (began, began + 5), began + 5, began);
    check(vec![of(), old(), strange()], &["2"]);
    // Restored, and again: from what went on, and from the first backup. One disk, whether or not its key is known.
    check(vec![of(), old(), heir(3, 2, 20), strange()], &["3"]);
    check(vec![of(), old(), heir(3, 2, 20), heir(4, 3, 40), strange()], &["4"]);
    check(vec![of(), old(), heir(3, 2, 20), heir(4, 2, 40), strange()], &["4"]);
    check(vec![of(), nameless(old()), nameless(heir(3, 2, 20)), nameless(heir(4, 2, 40)), strange()], &["4"]);
    // What the disk held before says nothing of what it holds now.
    check(vec![of(), old(), heir(3, 2, 20)], &[]);
    // Its clock was set back before it went on.
    let back = |n, from| standing(n, Some(from), (0, 5), 45, 40);
    let late = || standing(2, None, (20, 30), 30, 20);
    check(vec![of(), late(), back(3, 2), strange()], &["3"]);
    // This home, which is no other place; it goes on from the same log.
    check(vec![of(), old(), heir(3, 2, 20), in_state(heir(4, 2, 40), LogState::Own)], &[]);
    // One that does not count is no reason.
    check(vec![of(), old(), in_state(heir(3, 2, 20), LogState::Revoked), strange()], &["2"]);
    // A copy is another disk.
    check(vec![of(), standing(2, None, (0, 30), 31, 0), heir(3, 2, 20), strange()], &["2", "3"]);
}

#[test]
fn two_homes_are_told_of_until_one_goes_on_in_a_log_of_its_own() {
    let forked = || LogStatus { n_ways: 2, ..standing(1, None, (0, 10), 10, 0) };
    let check = |logs: Vec<LogStatus>| {
        let status = crate::store::Status { own: log(0), logs };
        status.is_forked(&status.logs[0])
    };
    assert!(check(vec![forked()]));
    assert!(check(vec![forked(), standing(2, None, (20, 30), 30, 20)]), "another device's says nothing of it");
    assert!(!check(vec![forked(), standing(2, Some(1), (20, 30), 30, 20)]));
    assert!(!check(vec![standing(1, None, (0, 10), 10, 0)]));
    let mut revoked = forked();
    revoked.row.state = LogState::Revoked;
    assert!(!check(vec![revoked]), "nothing of either is taken over any more");
}

#[test]
fn silent_are_approved_devices_of_which_nothing_came_and_no_others() {
    let of = |n: u8, key: u8, from: Option<u8>, came: u64| {
        let mut log = standing(n, from, (came, came), came, came);
        log.author = Some(crate::head::Author { key: [key; 32], label: None, signature: [0; 64] });
        log
    };
    let in_state = |mut log: LogStatus, state| {
        log.row.state = state;
        log
    };
    let check = |mut logs: Vec<LogStatus>, expected: &str| {
        logs.push(in_state(of(0, 100, None, 50), LogState::Own));
        let status = crate::store::Status { own: log(0), logs };
        let silent = status.unheard(minutes(30));
        let said =
            |(log, heard): &(&LogStatus, Timestamp)| format!("{} {}", log.row.alias, heard.since(NOW).as_secs() / 60);
        assert_eq!(silent.iter().map(said).collect::<Vec<_>>().join(", "), expected);
    };
    check(vec![of(1, 1, None, 29), of(2, 2, None, 30), of(3, 3, None, 10)], "3 10, 1 29");
    // A device that goes on in another log is heard of there, whether its key is known or not.
    check(vec![of(1, 1, None, 10), of(2, 1, Some(1), 40)], "");
    check(vec![of(1, 1, None, 10), of(2, 1, Some(1), 20)], "2 20");
    check(vec![of(1, 1, None, 10), of(2, 1, None, 40)], "");
    check(vec![LogStatus { author: None, ..of(1, 1, None, 10) }, of(2, 1, Some(1), 40)], "");
    // This device under another log.
    check(vec![of(1, 100, None, 10)], "");
    check(vec![in_state(of(1, 100, None, 10), LogState::Former)], "");
    // Nobody waits for those that do not count.
    check(
        vec![in_state(of(1, 1, None, 10), LogState::Revoked), in_state(of(2, 2, None, 10), LogState::Unapproved)],
        "",
    );
    // Of one of which nothing came it is known when it was met.
    check(vec![LogStatus { head: None, ..of(1, 1, None, 12) }, LogStatus { head: None, ..of(2, 2, None, 31) }], "1 12");
}

#[test]
fn a_copied_home_is_told_from_a_restored_one_and_from_a_moved_one() {
    let check = |logs: Vec<LogStatus>, expected: &str| {
        let status = crate::store::Status { own: log(0), logs };
        let sides = |copied: &Copied<'_>| {
            let sides: Vec<&str> = copied.sides.iter().map(|log| log.row.alias.as_str()).collect();
            format!("{}{}", sides.join(" "), if copied.is_certain { "" } else { ", or one" })
        };
        assert_eq!(status.copied().iter().map(sides).collect::<Vec<_>>().join(", "), expected);
    };
    let old = |signed, came| standing(1, None, signed, came, 0);
    // Restored from a backup: the old log said its last before the new one began; and again from the same backup.
    check(vec![old((0, 10), 10), standing(2, Some(1), (20, 30), 30, 20)], "");
    check(vec![old((0, 10), 10), standing(2, Some(1), (20, 30), 30, 20), standing(3, Some(1), (40, 50), 50, 40)], "");
    // What the old one said last comes late.
    check(vec![old((0, 10), 35), standing(2, Some(1), (20, 30), 30, 20)], "");
    // Copied: the old log went on.
    check(vec![old((0, 25), 26), standing(2, Some(1), (20, 30), 30, 20)], "1 2");
    // Moved to a machine whose clock is behind.
    check(vec![old((0, 25), 10), standing(2, Some(1), (20, 30), 30, 20)], "");
    // Copied, and the original moved.
    check(
        vec![old((0, 10), 10), standing(2, Some(1), (20, 40), 40, 20), standing(3, Some(1), (25, 50), 50, 26)],
        "2 3",
    );
    // Copied, and the original began anew: what it wrote before ended.
    let began_anew = |newest| {
        let copy = standing(2, Some(1), (20, newest), newest, 20);
        vec![old((0, 25), 26), copy, standing(3, Some(1), (40, 50), 50, 40)]
    };
    check(began_anew(60), "2 3");
    check(began_anew(30), "2 3");
    // The copy began anew, twice.
    let anew = |id, from, began| standing(id, Some(from), (began, began + 5), began + 5, began);
    check(vec![old((0, 70), 70), anew(2, 1, 20), anew(3, 2, 30), anew(4, 3, 40)], "1 4");
    // The key alone was copied; or the home began anew without what it had. Nothing shows which.
    check(vec![old((0, 10), 10), standing(2, None, (20, 30), 30, 20)], "1 2, or one");
    check(vec![old((0, 25), 26), standing(2, None, (20, 30), 30, 20)], "1 2");
    // Words that lead in a circle, as nobody can give them, come to an end.
    check(vec![standing(1, Some(2), (0, 10), 10, 0), standing(2, Some(1), (20, 30), 30, 20)], "1 2, or one");
    let mut revoked = standing(2, Some(1), (20, 30), 30, 20);
    revoked.row.state = LogState::Revoked;
    check(vec![old((0, 25), 26), revoked], "");
}

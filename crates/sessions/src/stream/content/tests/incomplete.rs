//! Sessions of which records are missing are told from those that are whole.

use carry_exchange::name::LogId;
use carry_exchange::ranges::Ranges;
use carry_exchange::segment::SegmentRef;

use super::super::Incomplete;
use super::device::{Device, LIMITS, Recorder};
use crate::mask::pieces::fixture::{answer, prompt};

/// A reader that has those files of what the author said that are wanted.
fn reader(author: &Device, wants: &dyn Fn(&SegmentRef) -> bool) -> Device {
    let mut reader = Device::new("desk-11111111");
    reader.trust(author);
    reader.fetch_those(author, wants);
    reader.store.deliver(&mut reader.strand).unwrap();
    reader
}

/// What is missing of a session at a reader.
fn missing(reader: &Device, native: &str) -> Option<Incomplete> {
    let all = reader.strand.archive().incomplete(&reader.store.status().unwrap()).unwrap();
    let shown = reader.find(native).unwrap_or_else(|| panic!("{native} is not shown"));
    all.get(&shown.id).cloned()
}

fn words(reader: &Device, native: &str) -> String {
    missing(reader, native).map_or_else(|| "whole".to_owned(), |missing| missing.to_string())
}

#[test]
fn what_is_missing_at_the_beginning_between_and_perhaps_at_the_end_is_told() {
    let mut author = Device::new("laptop-3f9a1c00");
    let messages = [prompt(0, "one"), answer(1, "two"), prompt(2, "three"), answer(3, "four"), prompt(4, "five")];
    // Each in a file of its own: facts and the first two messages, then one message each.
    let mut ends = Vec::new();
    for n in [2, 3, 4, 5] {
        author.put("one", &messages[..n]);
        author.say();
        let own = author.store.status().unwrap();
        ends.push(own.own().unwrap().streams.values().next().unwrap().published);
    }
    author.put("other", &[prompt(0, "else")]);
    author.say();
    let all = reader(&author, &|_| true);
    assert_eq!((words(&all, "one"), words(&all, "other")), ("whole".into(), "whole".into()));

    let without = |n: usize| {
        let (first, last) = (if n == 0 { 1 } else { ends[n - 1] + 1 }, ends[n]);
        reader(&author, &|one| one.last < first || one.first > last)
    };
    let at_first = without(0);
    let found = missing(&at_first, "one").unwrap();
    assert_eq!(found.to_string(), "2 messages (#0 to #1); its name, project and folder");
    assert_eq!((found.log, found.n_records, found.may_go_on), (author.store.log(), ends[0], false));
    assert_eq!(found.between(None, 2).count() + found.between(Some(1), 9).count(), 1);
    assert_eq!(words(&at_first, "other"), "whole");
    // The session of the last record before the gap may go on in it.
    assert_eq!(words(&without(1), "one"), "1 message (#2); perhaps messages at its end");
    let at_last = without(3);
    assert_eq!(words(&at_last, "one"), "perhaps messages at its end");
    assert_eq!(words(&at_last, "other"), "whole");

    // It comes.
    let mut healed = at_first;
    healed.pull(&author);
    assert_eq!(words(&healed, "one"), "whole");
    healed.check();
}

#[test]
fn a_message_of_which_pieces_are_missing_is_missing() {
    let mut author = Device::new("laptop-3f9a1c00");
    author.put("one", &[prompt(0, "short"), answer(1, &"word ".repeat(LIMITS.piece_bytes))]);
    author.say();
    let records = Recorder::records(&mut author.store);
    let (last, before) = records.split_last().unwrap();
    assert!(before.len() > 2, "it took pieces");
    let mut reader = Device::new("desk-11111111");
    reader.fold(before);
    let mut status = author.store.status().unwrap();
    status.logs[0].row.log = LogId::of_key(&[9; 32]);
    status.logs[0].streams.values_mut().for_each(|stream| stream.missing = Ranges::of(last.seq, last.seq));
    let missing = |reader: &Device| {
        let all = reader.strand.archive().incomplete(&status).unwrap();
        all.into_values().map(|missing| missing.messages).collect::<Vec<_>>()
    };
    assert_eq!(missing(&reader), [vec![1..=1]]);
    reader.fold(std::slice::from_ref(last));
    assert!(missing(&reader).iter().all(Vec::is_empty));
}

#[test]
fn gaps_in_the_numbers_of_a_whole_session_mean_nothing() {
    let mut author = Device::new("laptop-3f9a1c00");
    author.put("one", &[prompt(3, "the agent counts so"), answer(7, "yes")]);
    author.say();
    let all = reader(&author, &|_| true);
    assert_eq!(words(&all, "one"), "whole");
    // One that is read here shows what its file says.
    let mut own = author.copy("elsewhere");
    own.put("one", &[prompt(0, "here")]);
    assert_eq!(own.strand.archive().incomplete(&own.store.status().unwrap()).unwrap().len(), 0);
}

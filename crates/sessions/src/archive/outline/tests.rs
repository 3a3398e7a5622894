use super::*;
use crate::archive::write::tests::rig::{Rig, answer, open, prompt, result};
use crate::model::ResultStatus;
use crate::source::Op;

fn outline(rig: &Rig, native: &str) -> Vec<OutlineRow> {
    let mut rows = Vec::new();
    rig.archive.outline(rig.session(native).n, &mut |row| rows.push(row)).unwrap();
    rows
}

fn conversation() -> Vec<Op> {
    vec![
        open("one"),
        prompt(0, "do it"),
        answer(1, "so", 2),
        prompt(7, "go on"),
        result("call-1-1", "second", ResultStatus::Completed),
        result("call-1-0", "first", ResultStatus::Running),
        result("call-1-0", "more of it", ResultStatus::Completed),
        Op::Abandon { ordinals: 7..=7, is_abandoned: true },
        open("two"),
        prompt(0, "something else"),
    ]
}

#[test]
fn it_says_the_rows_of_a_session_in_order_with_their_digests() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    let messages = rig.archive.messages(rig.session("one").n, 0, usize::MAX).unwrap();
    let mut expected = Vec::new();
    for stored in &messages {
        let (message, ordinal) = (&stored.message, stored.message.ordinal);
        let digest = crate::archive::message_digest(message);
        expected.push(OutlineRow { ordinal, place: None, digest, is_abandoned: message.is_abandoned });
        for result in &stored.results {
            let crate::model::CallRef::At { index, .. } = result.result.call else { panic!("{result:?}") };
            let digest = crate::archive::result_digest(&result.result);
            expected.push(OutlineRow { ordinal, place: Some((index, result.event)), digest, is_abandoned: false });
        }
    }
    let rows = outline(&rig, "one");
    assert_eq!(rows, expected);
    let places: Vec<_> = rows.iter().map(|row| (row.ordinal, row.place, row.is_abandoned)).collect();
    let of_call = |index, event| (1, Some((index, event)), false);
    let expected = [(0, None, false), (1, None, false), of_call(0, 0), of_call(0, 1), of_call(1, 0), (7, None, true)];
    assert_eq!(places, expected);
}

#[test]
fn results_of_no_message_are_left_out() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    rig.sql("DELETE FROM messages WHERE ordinal = 1");
    let ordinals: Vec<u32> = outline(&rig, "one").iter().map(|row| row.ordinal).collect();
    assert_eq!(ordinals, [0, 7]);
}

#[test]
fn a_digest_that_is_none_is_damage() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    rig.sql("UPDATE messages SET digest = x'00' WHERE ordinal = 7");
    let said = rig.archive.outline(rig.session("one").n, &mut |_| {}).unwrap_err().to_string();
    assert!(said.contains("message 7"), "{said}");
}

#[test]
fn a_snapshot_shows_the_archive_as_it_was_when_it_began() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    let home = crate::archive::write::tests::rig::home(rig._dir.path());
    let reader = Archive::open_read_only(&home).unwrap().unwrap();
    let n = rig.session("two").n;
    let count = || reader.messages(n, 0, usize::MAX).unwrap().len();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(count(), 1);
    rig.more("a", conversation().len(), &[open("two"), prompt(1, "and more")]);
    assert_eq!(count(), 1);
    drop(snapshot);
    assert_eq!(count(), 2);
    drop(reader.snapshot().unwrap());
    assert_eq!(count(), 2, "nothing is left of it");
}

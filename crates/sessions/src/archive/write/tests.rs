use proptest::prelude::*;

use super::*;
use crate::model::{Block, CallRef, ResultStatus, Role, Usage};
use crate::source::{Checkpoint, Mode, ReadEnd, Stamp, Unit};

mod crash;
mod hostile;
pub(in crate::archive) mod rig;

use rig::{End, NOW, Rig, answer, call, open, ops, pieces, prompt, result, said};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn readings_in_pieces_give_what_one_reading_gives(ops in ops(), cuts in prop::collection::vec(0usize..50, 0..5)) {
        let pieces = pieces(&ops, &cuts);
        let all: Vec<Op> = pieces.concat();
        let mut once = Rig::new();
        once.whole("a", &all);
        let mut grown = Rig::new();
        let mut from = 0;
        for piece in &pieces {
            if from == 0 { grown.whole("a", piece) } else { grown.more("a", from, piece) };
            from += piece.len();
            prop_assert_eq!(grown.verify(), Vec::<String>::new());
        }
        prop_assert_eq!(grown.dump(), once.dump());
        prop_assert_eq!(once.verify(), Vec::<String>::new());
        grown.whole("a", &all);
        prop_assert_eq!(grown.dump(), once.dump());
    }

    #[test]
    fn many_transactions_give_what_one_gives(ops in ops(), batch_bytes in 0usize..2000) {
        let (mut one, mut many) = (Rig::new(), Rig::new());
        many.limits.batch_bytes = batch_bytes;
        one.whole("a", &ops);
        many.whole("a", &ops);
        prop_assert_eq!(many.dump(), one.dump());
    }

    #[test]
    fn a_rewritten_unit_holds_what_it_says_now(before in ops(), after in ops()) {
        let mut rewritten = Rig::new();
        rewritten.whole("a", &before);
        rewritten.whole("a", &after);
        let mut fresh = Rig::new();
        fresh.whole("a", &after);
        let natives: Vec<String> = ["one", "two"].into_iter().filter(|native| after.contains(&open(native))).map(str::to_owned).collect();
        for native in natives {
            let id = SessionId::new("here", Agent::Claude, &NativeId(native)).to_string();
            let of = |rig: &Rig| rig.dump_of_sessions().into_iter().filter(|line| line.contains(&id)).collect::<Vec<_>>();
            prop_assert_eq!(of(&rewritten), of(&fresh));
        }
        prop_assert_eq!(rewritten.verify(), Vec::<String>::new());
    }

    #[test]
    fn a_reading_that_was_cut_off_can_be_done_again(before in ops(), after in ops(), cut in 0usize..50, fails: bool) {
        let mut rig = Rig::new();
        rig.whole("a", &before);
        let end = if fails { End::Failed } else { End::Cut };
        rig.read("lines", "a", None, &after[..cut.min(after.len())], end);
        rig.sql("UPDATE units SET is_complete = 1, offset = 0");
        let rows: Vec<String> = rig.verify().into_iter().filter(|what| what.starts_with("session")).collect();
        prop_assert_eq!(rows, Vec::<String>::new(), "what is left agrees with itself");
        rig.whole("a", &after);
        let mut undisturbed = Rig::new();
        undisturbed.whole("a", &before);
        undisturbed.whole("a", &after);
        prop_assert_eq!(rig.dump(), undisturbed.dump());
    }
}

fn conversation() -> Vec<Op> {
    vec![
        open("one"),
        prompt(0, "do it"),
        answer(1, "so", 2),
        result("call-1-0", "[main abc1234] step\n 1 file changed", ResultStatus::Completed),
        result("call-1-1", "content of a file", ResultStatus::Failed),
        answer(2, "done, see https://github.com/us/carry/pull/7", 0),
    ]
}

#[test]
fn reading_the_same_again_writes_nothing() {
    let mut rig = Rig::new();
    let written = rig.whole("a", &conversation());
    assert_eq!((written.inserted, written.sessions), (5, 1));
    let (before, revision) = (rig.dump(), rig.session("one").revision);
    let again = rig.whole("a", &conversation());
    assert_eq!(Written { raw_bytes: 0, ..again }, Written::default());
    assert_eq!((rig.dump(), rig.session("one").revision), (before, revision));
}

#[test]
fn aggregates_are_what_they_should_be() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    let row = rig.session("one");
    assert_eq!((row.messages, row.user_messages, row.calls, row.failures), (3, 1, 2, 1));
    assert_eq!(row.first_prompt.as_deref(), Some("do it"));
    assert_eq!(row.model.as_deref(), Some("claude-sonnet-4"));
    assert_eq!((row.started, row.ended), (Some(Timestamp::from_millis(NOW)), Some(Timestamp::from_millis(NOW + 77))));
}

#[test]
fn results_outlive_their_message_said_again() {
    let mut rig = Rig::new();
    let ops = conversation();
    rig.whole("a", &ops);
    rig.more("a", ops.len(), &[open("one"), answer(1, "so, longer", 2)]);
    assert_eq!(rig.number("SELECT count(*) FROM results"), 2);
    assert_eq!(rig.session("one").failures, 1);
    rig.more("a", ops.len() + 2, &[open("one"), result("call-1-0", "more", ResultStatus::Unknown)]);
    assert_eq!(rig.number("SELECT max(event) FROM results"), 1);
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn a_message_that_loses_calls_loses_their_results() {
    let mut rig = Rig::new();
    let ops = conversation();
    rig.whole("a", &ops);
    rig.more("a", ops.len(), &[open("one"), answer(1, "so", 1)]);
    assert_eq!(rig.number("SELECT count(*) FROM results"), 1);
    assert_eq!((rig.session("one").calls, rig.session("one").failures), (1, 0));
    rig.more("a", ops.len() + 2, &[open("one"), answer(1, "so", 2), result("call-1-1", "x", ResultStatus::Completed)]);
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn outputs_of_reads_may_stay_away() {
    let mut rig = Rig::new();
    rig.limits.keeps_reads = false;
    rig.whole("a", &conversation());
    let session = rig.session("one");
    let results = &rig.archive.messages(session.n, 1, 1).unwrap()[0].results;
    let contents: Vec<(usize, u64)> =
        results.iter().map(|known| (known.result.content.len(), known.result.content_bytes)).collect();
    assert_eq!(contents, [(35, 35), (0, 17)]);
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn a_second_unit_is_not_heard_while_the_first_is_there() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    let before = rig.dump_of_sessions();
    rig.whole("b", &[open("one"), prompt(0, "another")]);
    assert_eq!(rig.dump_of_sessions(), before);

    let id = rig.archive.units().unwrap().iter().find(|unit| unit.path.ends_with("a")).unwrap().id;
    let mut writer = rig.archive.writer(Timestamp::from_millis(NOW), WriterLimits::default());
    writer.unit_missing(id).unwrap();
    writer.finish().unwrap();
    assert!(rig.session("one").missing.is_some());
    rig.whole("b", &[open("one"), prompt(0, "another")]);
    let row = rig.session("one");
    assert_eq!((row.messages, row.first_prompt.as_deref(), row.missing), (1, Some("another"), None));
    assert!(row.path.unwrap().ends_with("b"));
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn a_copy_that_goes_on_alone_keeps_what_the_first_unit_said() {
    let mut rig = Rig::new();
    let ops = conversation();
    rig.whole("a", &ops);
    rig.whole("b", &ops);
    rig.sql("UPDATE units SET missing_ms = 1 WHERE path = CAST('a' AS BLOB)");
    rig.more("b", ops.len(), &[open("one"), prompt(3, "go on")]);
    let row = rig.session("one");
    assert_eq!((row.messages, row.first_prompt.as_deref()), (4, Some("do it")));
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn a_weaker_source_gives_way() {
    let mut rig = Rig::new();
    rig.read("agentsview", "db", None, &[open("one"), prompt(0, "imported")], End::Well);
    rig.whole("a", &conversation());
    assert_eq!(rig.session("one").messages, 3);
    rig.read("agentsview", "db", None, &[open("one"), prompt(0, "imported")], End::Well);
    assert_eq!(rig.session("one").first_prompt.as_deref(), Some("do it"));
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn what_was_deleted_for_good_stays_away() {
    let mut rig = Rig::new();
    let id = SessionId::new("here", Agent::Claude, &NativeId("one".to_owned()));
    rig.sql(&format!("INSERT INTO registers VALUES ('{id}', 'deleted', '', '1', '', '')"));
    rig.whole("a", &conversation());
    for table in ["sessions", "messages", "results", "raw", "words"] {
        assert_eq!(rig.number(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    assert_eq!(rig.archive.units().unwrap().len(), 1);
}

#[test]
fn a_reading_that_fails_takes_nothing_away() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    rig.sql("UPDATE sessions SET name = 'kept', cwd = '/there'");
    rig.read("lines", "a", None, &conversation()[..2], End::Failed);
    let row = rig.session("one");
    assert_eq!((row.messages, row.calls, row.failures), (3, 2, 1));
    assert_eq!((row.name.as_deref(), row.cwd.as_deref()), (Some("kept"), Some("/there")));
    let unit = &rig.archive.units().unwrap()[0];
    assert_eq!((unit.is_complete, unit.error.as_deref()), (false, Some("it broke")));
}

#[test]
fn what_belongs_to_nothing_is_counted() {
    let mut rig = Rig::new();
    let mut ops = conversation();
    ops.push(result("nobody", "lost", ResultStatus::Completed));
    ops.push(Op::Extend { ordinal: 99, blocks: vec![Block::Text("lost".to_owned())], usage: None });
    rig.whole("a", &ops);
    assert_eq!(rig.archive.units().unwrap()[0].odd, [("stray".to_owned(), 2)]);
    assert_eq!(rig.number("SELECT count(*) FROM results"), 2);
}

#[test]
fn a_message_after_a_rewind_is_not_given_up() {
    let mut rig = Rig::new();
    let back = Op::Abandon { ordinals: 1..=9, is_abandoned: true };
    rig.whole("a", &[open("one"), prompt(0, "a"), prompt(1, "b"), back, prompt(2, "c")]);
    let row = rig.session("one");
    assert_eq!((row.messages, row.abandoned), (2, 1));
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn a_unit_in_the_place_of_another_takes_nothing_of_it() {
    let mut rig = Rig::new();
    rig.whole("a", &conversation());
    rig.whole("b", &[open("two"), prompt(0, "other")]);
    let id = rig.archive.units().unwrap().iter().find(|unit| unit.path.ends_with("a")).unwrap().id;
    let mut before = Vec::new();
    rig.archive.raw(&rig.session("two"), &mut before).unwrap();
    assert!(!before.is_empty());
    let mut writer = rig.archive.writer(Timestamp::from_millis(NOW), WriterLimits::default());
    writer.move_unit(id, std::path::Path::new("b")).unwrap();
    writer.finish().unwrap();
    rig.whole("c", &[open("three"), prompt(0, "third")]);
    let (two, mut out) = (rig.session("two"), Vec::new());
    assert!(two.missing.is_some());
    rig.archive.raw(&two, &mut out).unwrap();
    assert_eq!(out, before, "its bytes are kept");
    assert!(rig.session("one").path.unwrap().ends_with("b"));
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn an_import_cannot_win_over_times_to_come() {
    let mut rig = Rig::new();
    let later = Some(Timestamp::from_millis(8_900_000_000_000));
    let name = Op::Curate { field: "name", item: String::new(), value: "theirs".to_owned(), at: later };
    rig.whole("a", &[open("one"), prompt(0, "do it"), name]);
    assert_eq!(rig.session("one").name.as_deref(), Some("theirs"));
    let stamp: String = rig.archive.db.conn().query_row("SELECT hlc FROM curation", [], |row| row.get(0)).unwrap();
    assert!(stamp.starts_with(&format!("{NOW:013}")), "{stamp}");
}

#[test]
fn a_prompt_that_comes_in_pieces_is_a_prompt() {
    let mut rig = Rig::new();
    let empty = Op::Message(Box::new(said(0, Role::User, Vec::new())));
    let more = Op::Extend { ordinal: 0, blocks: vec![Block::Text("do it".to_owned())], usage: None };
    rig.whole("a", &[open("one"), empty, more]);
    assert_eq!(rig.session("one").first_prompt.as_deref(), Some("do it"));
}

use carry_redact::AllowList;
use carry_sessions::curation::Edit;

use self::rig::{Rig, long, prompts_of};
use super::*;
use crate::fixture::{answer, named, prompt, run, token};
use crate::memory::{Store, When};
use crate::share::Mode;
use crate::sink::Class;
use crate::unit::{Place, Row};

mod leaks;
mod life;
mod odd;
pub(crate) mod rig;

fn keys(report: &Report) -> Vec<(String, Why)> {
    report.done.iter().map(|done| (done.key.clone(), done.why)).collect()
}

#[test]
fn nothing_is_pushed_until_somebody_says_so() {
    let mut rig = Rig::new();
    rig.fixture.put("one", &[prompt(0, "hello")]);
    let report = rig.push().unwrap();
    assert_eq!((report.done.len(), rig.store.units().len()), (0, 0));
}

#[test]
fn what_is_new_changed_and_gone_arrives_and_the_rest_stays() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &[prompt(0, "hello"), answer(1, "yes")]);
    rig.fixture.put("two", &[prompt(0, "other")]);
    let report = rig.push().unwrap();
    assert_eq!(report.done.iter().map(|done| done.why).collect::<Vec<_>>(), [Why::New, Why::New]);
    rig.assert_settled();
    let (one, two) = (rig.id("one"), rig.id("two"));
    rig.fixture.put("one", &[prompt(0, "hello"), answer(1, "yes"), prompt(2, "more")]);
    assert_eq!(keys(&rig.push().unwrap()), [(one.to_string(), Why::Changed)]);
    rig.assert_settled();
    rig.edit("two", &Edit::Star(true));
    assert_eq!(keys(&rig.push().unwrap()), [(two.to_string(), Why::Changed)]);
    rig.assert_settled();
    rig.delete("one");
    assert_eq!(keys(&rig.push().unwrap()), [(one.to_string(), Why::Withdraw)]);
    rig.assert_settled();
    rig.share("*=off");
    assert_eq!(keys(&rig.push().unwrap()), [(two.to_string(), Why::Withdraw)]);
    assert!(rig.store.units().is_empty());
}

#[test]
fn a_message_more_in_a_long_session_is_a_few_rows() {
    let mut rig = Rig::new();
    rig.share("*=full");
    let mut messages = long(0, 400);
    rig.fixture.put("one", &messages);
    rig.push().unwrap();
    messages.push(prompt(400, "and now?"));
    rig.fixture.put("one", &messages);
    let report = rig.push().unwrap();
    assert!(report.traffic.rows_written <= 2, "the message and its bucket's words: {:?}", report.traffic);
    assert_eq!(report.done[0].put, report.traffic.rows_written);
    messages[120] = answer(120, "rewritten");
    rig.fixture.put("one", &messages);
    let report = rig.push().unwrap();
    assert!(report.traffic.rows_written <= 2, "{:?}", report.traffic);
    rig.fixture.put("one", &messages[..40]);
    let report = rig.push().unwrap();
    assert!(report.traffic.rows_written <= 1, "{:?}", report.traffic);
    assert!(report.done[0].taken >= 360);
    rig.assert_settled();
}

#[test]
fn other_rules_of_the_mask_send_exactly_the_rows_that_differ() {
    let mut rig = Rig::new();
    rig.share("*=full");
    let mut messages = long(0, 200);
    messages[70] = prompt(70, &named(1));
    rig.fixture.put("one", &messages);
    for n in 0..5 {
        rig.fixture.put(&format!("other {n}"), &[prompt(0, "harmless"), answer(1, &token())]);
    }
    rig.push().unwrap();
    let before = rig.rows("one");
    rig.allow(AllowList { values: vec![crate::fixture::value(1)], ..AllowList::default() });
    let report = rig.push().unwrap();
    assert_eq!(keys(&report), [(rig.id("one").to_string(), Why::Remask)]);
    assert_eq!(report.same, 5);
    let after = rig.rows("one");
    let differ = after.iter().filter(|(place, row)| before.get(place).map(|row| row.digest) != Some(row.digest));
    assert_eq!(report.traffic.rows_written, differ.count() as u64);
    assert!(report.traffic.rows_written > 0);
    assert!(rig.store.units().values().all(|unit| unit.mask == rig.redactor.stamp()));
    rig.assert_settled();
}

#[test]
fn what_was_let_through_and_is_not_any_more_is_masked_where_it_stands() {
    let mut rig = Rig::new();
    rig.share("*=full");
    let mut messages = long(0, 100);
    messages[70] = prompt(70, &named(1));
    messages[5] = prompt(5, &format!("it was {}", crate::fixture::value(1)));
    rig.fixture.put("one", &messages);
    rig.allow(AllowList { values: vec![crate::fixture::value(1)], ..AllowList::default() });
    rig.push().unwrap();
    assert!(format!("{:?}", rig.store.units()).contains(&crate::fixture::value(1)));
    rig.allow(AllowList::default());
    rig.push().unwrap();
    assert!(!format!("{:?}", rig.store.units()).contains(&crate::fixture::value(1)));
    rig.assert_settled();
}

#[test]
fn what_changes_during_a_push_and_back_again_is_noticed() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &[prompt(0, "x")]);
    let (id, home) = (rig.id("one"), rig.fixture.home.clone());
    let star = |on| {
        let mut archive = Archive::open(&home, "here").unwrap();
        archive.curate(&id, &Edit::Star(on), "here", Timestamp::from_millis(5)).unwrap();
    };
    let mut sink = rig.store.sink(rig.role);
    // When the first unit is begun, what there is has been listed already.
    rig.run_on(&mut sink, Depth::Changed, false, &|progress, _| star(progress.done == 0)).unwrap();
    assert!(format!("{:?}", rig.store.units()).contains("is_starred: true"));
    star(false);
    assert_eq!(rig.push().unwrap().done.len(), 1);
    rig.assert_settled();
}

#[test]
fn a_dry_push_says_what_a_push_does_and_does_nothing() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &long(0, 90));
    rig.fixture.put("two", &[prompt(0, "b")]);
    rig.fixture.put("three", &[prompt(0, "c")]);
    rig.push().unwrap();
    rig.fixture.put("one", &long(5, 70));
    rig.fixture.put("four", &long(0, 80));
    rig.delete("two");
    rig.edit("three", &Edit::Rename(Some("it".to_owned())));
    let (units, known) = (rig.store.units(), rig.state().known("default").unwrap());
    let dry = rig.run(Depth::Changed, true).unwrap();
    assert_eq!((rig.store.units(), rig.state().known("default").unwrap()), (units, known));
    assert_eq!((dry.traffic.rows_written, dry.traffic.rows_removed), (0, 0));
    let real = rig.push().unwrap();
    assert_eq!(dry.done, real.done);
    assert_eq!(dry.masked, real.masked);
    assert_eq!(real.done.len(), 4);
}

#[test]
fn a_lost_memory_costs_a_comparison_and_no_rows() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &long(0, 90));
    rig.fixture.put("two", &[prompt(0, "b")]);
    rig.push().unwrap();
    rig.lose_state();
    let report = rig.push().unwrap();
    assert!(report.was_repaired);
    assert_eq!((report.done.len(), report.same, report.traffic.rows_written), (0, 2, 0));
    rig.assert_settled();
}

#[test]
fn a_store_that_came_back_from_a_backup_is_brought_up_to_date() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &long(0, 90));
    rig.fixture.put("gone", &[prompt(0, "b")]);
    rig.push().unwrap();
    let backup = rig.store.units();
    rig.delete("gone");
    rig.fixture.put("one", &long(0, 95));
    rig.fixture.put("new", &[prompt(0, "c")]);
    rig.push().unwrap();
    rig.store.tamper(|units| *units = backup);
    let report = rig.push().unwrap();
    assert!(report.was_repaired);
    rig.assert_settled();
    assert!(report.traffic.rows_written < 20, "{:?}", report.traffic);
}

#[test]
fn another_store_at_the_same_place_gets_everything() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &long(0, 40));
    rig.push().unwrap();
    rig.store = Store::new("another");
    let dry = rig.run(Depth::Changed, true).unwrap();
    let report = rig.push().unwrap();
    assert!(report.was_repaired);
    assert_eq!((dry.done, report.done.len()), (report.done.clone(), 1));
    rig.assert_settled();
}

#[test]
fn a_full_push_finds_what_no_summary_tells() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &long(0, 90));
    rig.push().unwrap();
    rig.store.tamper(|units| {
        let unit = units.values_mut().next().unwrap();
        unit.rows.remove(&Place::Message(50));
        unit.rows.get_mut(&Place::Message(3)).unwrap().digest = [0; 32];
        let stray = Row { place: Place::Message(500), ..unit.rows[&Place::Message(4)].clone() };
        unit.rows.insert(stray.place, stray);
    });
    assert_eq!(rig.push().unwrap().done, []);
    let report = rig.run(Depth::Full, false).unwrap();
    assert!(!report.was_repaired);
    assert_eq!((report.traffic.rows_written, report.traffic.rows_removed), (2, 1));
    rig.assert_settled();
    let again = rig.run(Depth::Full, false).unwrap();
    assert_eq!((again.done.len(), again.same, again.traffic.rows_written), (0, 1, 0));
}

#[test]
fn what_may_be_seen_is_what_is_there() {
    let mut rig = Rig::new();
    let messages = [prompt(0, "the prompt"), run(1, "the answer", "ls", &["the output"])];
    for name in ["a", "b"] {
        rig.fixture.put(name, &messages);
    }
    for (mode, sees) in [
        (Mode::Full, vec!["the prompt", "the answer", "the output"]),
        (Mode::Prompts, vec!["the prompt"]),
        (Mode::Metadata, vec![]),
        (Mode::Aggregates, vec![]),
        (Mode::Prompts, vec!["the prompt"]),
        (Mode::Off, vec![]),
        (Mode::Full, vec!["the prompt", "the answer", "the output"]),
        (Mode::Aggregates, vec![]),
    ] {
        rig.share(&format!("*={mode}"));
        rig.push().unwrap();
        rig.assert_settled();
        let there = format!("{:?}", rig.store.units());
        for text in ["the prompt", "the answer", "the output"] {
            assert_eq!(there.contains(text), sees.contains(&text), "{text} when {mode}");
        }
        let units = match mode {
            Mode::Off => 0,
            Mode::Aggregates => 1,
            _ => 2,
        };
        assert_eq!(rig.store.units().len(), units, "{mode}");
    }
}

#[test]
fn sums_leave_out_the_trash_and_go_when_nothing_is_left() {
    let mut rig = Rig::new();
    rig.share("*=aggregates");
    rig.fixture.put("a", &[prompt(0, "x")]);
    rig.fixture.put("b", &[prompt(0, "y")]);
    rig.push().unwrap();
    let sum = |rig: &Rig| format!("{:?}", rig.store.units());
    assert!(sum(&rig).contains("sessions: 2"));
    rig.edit("a", &Edit::Trash(true));
    rig.push().unwrap();
    assert!(sum(&rig).contains("sessions: 1"));
    rig.edit("b", &Edit::Trash(true));
    rig.push().unwrap();
    assert!(rig.store.units().is_empty());
    rig.edit("a", &Edit::Trash(false));
    rig.push().unwrap();
    rig.assert_settled();
}

#[test]
fn a_store_that_goes_away_ends_the_push_and_what_is_there_stays_there() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for n in 0..6 {
        rig.fixture.put(&format!("s{n}"), &[prompt(0, "x"), answer(1, "y")]);
    }
    // And it cannot be opened again.
    rig.store.fail_at(10, Class::Unreachable, When::Before);
    rig.store.fail_at(11, Class::Unreachable, When::Before);
    let failed = rig.push();
    assert!(matches!(failed, Err(PushError::Sink(error)) if error.class == Class::Unreachable));
    let there = rig.store.units().len() as u64;
    assert!(there > 0 && there < 6, "{there}");
    assert_eq!(rig.state().store("default").unwrap().units, there);
    let report = rig.push().unwrap();
    assert_eq!(report.done.len() as u64, 6 - there);
    assert!(!report.was_repaired);
    rig.assert_settled();
}

#[test]
fn an_answer_that_was_lost_is_found_by_comparing() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &prompts_of(&["x"]));
    // open, summary, change, put, commit.
    rig.store.fail_at(5, Class::Unreachable, When::After);
    rig.store.fail_at(6, Class::Unreachable, When::Before);
    assert!(rig.push().is_err());
    assert_eq!(rig.store.units().len(), 1, "it was done");
    let report = rig.push().unwrap();
    assert_eq!((report.was_repaired, report.same, report.traffic.rows_written), (true, 1, 0));
    rig.assert_settled();
}

#[test]
fn a_push_that_is_stopped_says_so_and_goes_on_the_next_time() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for n in 0..5 {
        rig.fixture.put(&format!("s{n}"), &[prompt(0, "x")]);
    }
    let report = rig.run_until(2).unwrap();
    assert!(report.was_stopped);
    assert_eq!((report.done.len(), rig.store.units().len()), (2, 2));
    assert_eq!(rig.state().store("default").unwrap().pushed_at, None);
    assert_eq!(rig.push().unwrap().done.len(), 3);
    rig.assert_settled();
}

use super::*;
use crate::fixture::{answer, named, prompt, run, token, value};
use crate::push::tests::rig::{Rig, long};
use crate::share::Mode;
use crate::unit::UnitKey;

fn items(rig: &Rig, which: &Which) -> Vec<Item> {
    let mut items = Vec::new();
    preview(rig).items(which, &mut |item| items.push(item)).unwrap();
    items
}

fn preview(rig: &Rig) -> Preview<'_> {
    let (archive, state) = (&rig.fixture.archive, Some(rig.state()));
    Preview { archive, state, store: &rig.settings, redactor: &rig.redactor }
}

fn content(rig: &Rig, key: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    assert!(preview(rig).content(key, &mut |part| parts.push(part)).unwrap());
    parts
}

#[test]
fn what_is_shown_is_exactly_what_leaves() {
    for mode in [Mode::Full, Mode::Prompts, Mode::Metadata, Mode::Aggregates] {
        let mut rig = Rig::new();
        rig.share(&format!("*={mode}"));
        let mut messages = long(0, 90);
        messages[40] = prompt(40, &named(1));
        messages[41] = run(41, &token(), "cat key", &[&format!("it is {} or {}", token(), value(1))]);
        rig.fixture.put("one", &messages);
        let items = items(&rig, &Which::All);
        assert_eq!(items.len(), 1);
        let parts = content(&rig, &items[0].key);
        rig.push().unwrap();
        let unit = rig.store.units().into_values().next().unwrap();
        let Part::Head(head) = &parts[0] else { panic!("the head comes first") };
        assert_eq!(Some(head), unit.head.as_ref().map(|(head, _)| head), "{mode}");
        let rows: Vec<_> =
            parts.iter().filter_map(|part| if let Part::Row(row) = part { Some(row) } else { None }).collect();
        let mut there: Vec<_> = unit.rows.values().collect();
        there.sort_by_key(|row| (row.place.bucket(), row.place));
        assert_eq!(rows, there, "{mode}");
        let messages = unit.rows.values().filter(|row| matches!(row.body, Body::Message { .. })).count();
        assert_eq!(items[0].messages, messages as u64);
        let shown = format!("{parts:?}");
        assert!(!shown.contains(&token()) && !shown.contains(&value(1)), "{mode}");
    }
}

#[test]
fn what_is_masked_is_counted_and_named() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &[prompt(0, "a"), answer(1, &format!("{} and {}", token(), token()))]);
    let item = items(&rig, &Which::All).remove(0);
    assert_eq!(item.masked.values().sum::<u64>(), 2);
    let parts = content(&rig, &item.key);
    let found: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Masked { rule, placeholder, ordinal } => Some((rule, placeholder, ordinal)),
            _ => None,
        })
        .collect();
    assert_eq!(found.len(), 2);
    let (rule, placeholder, ordinal) = found[0];
    assert!(item.masked.contains_key(rule));
    assert_eq!(*ordinal, Some(1));
    let is_there = |part: &Part| matches!(part, Part::Row(row) if row.body.json().is_some_and(|json| json.contains(placeholder.as_str())));
    assert!(parts.iter().any(is_there));
    rig.share("*=prompts");
    let item = items(&rig, &Which::All).remove(0);
    assert_eq!(item.masked.values().sum::<u64>(), 0, "answers are not shared");
    assert!(!content(&rig, &item.key).iter().any(|part| matches!(part, Part::Masked { .. })));
}

#[test]
fn it_is_said_how_each_stands_to_the_store_and_what_would_be_taken_out() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for name in ["same", "changed", "deleted"] {
        rig.fixture.put(name, &[prompt(0, name)]);
    }
    rig.push().unwrap();
    rig.fixture.put("changed", &[prompt(0, "changed"), prompt(1, "since")]);
    rig.fixture.put("new", &[prompt(0, "new")]);
    let deleted = rig.id("deleted").to_string();
    rig.delete("deleted");
    let standings: BTreeMap<String, Standing> =
        items(&rig, &Which::All).into_iter().map(|item| (item.title, item.standing)).collect();
    let expected = [("changed", Standing::Changed), ("new", Standing::New), ("same", Standing::Same)];
    assert_eq!(standings, expected.map(|(title, standing)| (title.to_owned(), standing)).into());
    assert_eq!(preview(&rig).withdrawals().unwrap(), [deleted]);
    let without = Preview { state: None, ..preview(&rig) };
    assert!(without.withdrawals().unwrap().is_empty());
    let mut all_new = true;
    without.items(&Which::All, &mut |item| all_new &= item.standing == Standing::New).unwrap();
    assert!(all_new);
}

#[test]
fn one_session_or_one_project_can_be_asked_for() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &[prompt(0, "x")]);
    rig.fixture.put("two", &[prompt(0, "y")]);
    let two = rig.id("two").to_string();
    assert_eq!(items(&rig, &Which::Unit(two.clone())).len(), 1);
    assert_eq!(items(&rig, &Which::Unit("none".to_owned())).len(), 0);
    assert_eq!(items(&rig, &Which::Project("orchard".to_owned())).len(), 2);
    assert_eq!(items(&rig, &Which::Project("/nowhere/orchard".to_owned())).len(), 2);
    assert_eq!(items(&rig, &Which::Project("meadow".to_owned())).len(), 0);
    rig.share("*=aggregates");
    let key =
        UnitKey::Totals { origin: "here".to_owned(), project: rig.folder_key("orchard", "/nowhere/orchard") }.to_text();
    assert_eq!(content(&rig, &key).len(), 1, "sums are a head");
    assert!(!preview(&rig).content(&two, &mut |_| panic!("it does not leave by itself")).unwrap());
}

#[test]
fn what_cannot_leave_is_said_with_the_reason() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &[prompt(0, "x")]);
    let archive = carry_kernel::db::rusqlite::Connection::open(rig.fixture.home.database("sessions")).unwrap();
    archive.execute("UPDATE messages SET body = x'ff00'", []).unwrap();
    let item = items(&rig, &Which::All).remove(0);
    assert!(item.failure.is_some());
    assert_eq!((item.title.as_str(), item.messages), (item.key.as_str(), 0));
    let content = preview(&rig).content(&item.key, &mut |_| {});
    assert!(matches!(content, Err(ContentError::Withheld { .. })));
}

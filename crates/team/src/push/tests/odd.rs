//! Sessions that cannot be pushed, others who push, and faults at the worst moment.

use carry_kernel::db::rusqlite::Connection;

use super::rig::{Rig, long};
use super::*;
use crate::sink::{Begun, Buckets, Held, Opened, Stored, Summary};
use crate::unit::{Root, UnitKey};

/// What happens before the unit with this key is changed.
type Before<'s> = dyn FnMut(&str) -> Result<(), SinkError> + 's;

/// A sink that does something else before a unit is changed.
struct Picky<'s> {
    inner: crate::memory::Memory,
    before: Box<Before<'s>>,
}

impl Sink for Picky<'_> {
    fn open(&mut self, client: &Client) -> Result<Opened, SinkError> {
        self.inner.open(client)
    }
    fn look(&mut self, client: &Client) -> Result<Opened, SinkError> {
        self.inner.look(client)
    }
    fn summary(&mut self) -> Result<Summary, SinkError> {
        self.inner.summary()
    }
    fn roots(&mut self) -> Result<std::collections::BTreeMap<String, Stored>, SinkError> {
        self.inner.roots()
    }
    fn held(&mut self, key: &UnitKey, buckets: &Buckets) -> Result<Option<Held>, SinkError> {
        self.inner.held(key, buckets)
    }
    fn change<'s>(&'s mut self, key: &UnitKey, base: Option<Root>) -> Result<Begun<'s>, SinkError> {
        (self.before)(&key.to_text())?;
        self.inner.change(key, base)
    }
    fn remove(&mut self, keys: &[String]) -> Result<u64, SinkError> {
        keys.iter().try_for_each(|key| (self.before)(key))?;
        self.inner.remove(keys)
    }
    fn confirm(&mut self, keys: &[String], mask: &str) -> Result<(), SinkError> {
        self.inner.confirm(keys, mask)
    }
    fn close(&mut self) -> Result<(), SinkError> {
        self.inner.close()
    }
    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
}

fn refuse(key: String) -> impl FnMut(&str) -> Result<(), SinkError> {
    move |of| {
        let refused =
            || SinkError { class: Class::Refused, message: "it is refused".to_owned(), hint: None, source: None };
        (of != key).then_some(()).ok_or_else(refused)
    }
}

fn run_picky(rig: &mut Rig, before: impl FnMut(&str) -> Result<(), SinkError>) -> Report {
    let mut sink = Picky { inner: rig.store.sink(rig.role), before: Box::new(before) };
    rig.run_on(&mut sink, Depth::Changed, false, &|_, _| {}).unwrap()
}

fn sessions(rig: &Rig) -> Connection {
    Connection::open(rig.fixture.home.database("sessions")).unwrap()
}

#[test]
fn a_session_that_the_store_refuses_waits_and_the_others_go_on() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for name in ["a", "poison", "z"] {
        rig.fixture.put(name, &[prompt(0, name)]);
    }
    let poison = rig.id("poison").to_string();
    let report = run_picky(&mut rig, refuse(poison.clone()));
    assert_eq!(report.failed, [(poison.clone(), "it is refused".to_owned())]);
    assert_eq!(report.done.len(), 2);
    let row = rig.state().store("default").unwrap();
    assert_eq!((row.failed[0].0.as_str(), row.failed[0].1.attempts), (poison.as_str(), 1));
    assert!(row.pushed_at.is_some(), "the push as such went well");
    assert_eq!(rig.push().unwrap().done, [], "its time has not come");
    rig.now.set(rig.now.get() + 11_000);
    assert_eq!(run_picky(&mut rig, refuse(poison.clone())).failed.len(), 1);
    assert_eq!(rig.state().store("default").unwrap().failed[0].1.attempts, 2);
    rig.fixture.put("poison", &[prompt(0, "another")]);
    assert_eq!(keys(&rig.push().unwrap()).len(), 1, "it has changed, and is tried at once");
    assert!(rig.state().store("default").unwrap().failed.is_empty());
    rig.assert_settled();
}

#[test]
fn a_session_in_which_the_line_always_fails_does_not_hold_up_the_others() {
    for class in [Class::Unreachable, Class::Exhausted] {
        let mut rig = Rig::new();
        rig.share("*=full");
        for name in ["a", "large", "z"] {
            rig.fixture.put(name, &[prompt(0, name)]);
        }
        let large = rig.id("large").to_string();
        let report = run_picky(&mut rig, fail_always(large.clone(), class));
        assert_eq!(report.failed, [(large.clone(), "twice in a row: the line is cut".to_owned())]);
        assert_eq!(report.done.len(), 2);
        assert_eq!(rig.state().store("default").unwrap().failed[0].0, large);
        rig.now.set(rig.now.get() + 11_000);
        assert_eq!(rig.push().unwrap().done.len(), 1, "it goes once the line lets it");
        rig.assert_settled();
    }
}

#[test]
fn a_session_in_which_the_line_fails_once_goes_with_the_second_try() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for name in ["a", "b"] {
        rig.fixture.put(name, &[prompt(0, name)]);
    }
    let mut is_first = true;
    let report = run_picky(&mut rig, |_| match std::mem::take(&mut is_first) {
        true => Err(cut(Class::Unreachable)),
        false => Ok(()),
    });
    assert_eq!((report.done.len(), report.failed), (2, Vec::new()));
    rig.assert_settled();
}

#[test]
fn a_line_that_fails_in_every_session_ends_the_push() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for n in 0..9 {
        rig.fixture.put(&format!("s{n}"), &[prompt(0, "x")]);
    }
    let mut sink = Picky { inner: rig.store.sink(rig.role), before: Box::new(|_| Err(cut(Class::Unreachable))) };
    let failed = rig.run_on(&mut sink, Depth::Changed, false, &|_, _| {});
    assert!(matches!(failed, Err(PushError::Sink(error)) if error.class == Class::Unreachable));
    assert_eq!(rig.state().store("default").unwrap().failed.len(), 3);
}

fn cut(class: Class) -> SinkError {
    SinkError { class, message: "the line is cut".to_owned(), hint: None, source: None }
}

fn fail_always(key: String, class: Class) -> impl FnMut(&str) -> Result<(), SinkError> {
    move |of| (of != key).then_some(()).ok_or_else(|| cut(class))
}

#[test]
fn a_unit_that_cannot_be_taken_out_does_not_hold_up_the_others() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for name in ["a", "b", "c"] {
        rig.fixture.put(name, &[prompt(0, name)]);
    }
    rig.push().unwrap();
    let stuck = rig.id("b").to_string();
    rig.share("*=off");
    let report = run_picky(&mut rig, refuse(stuck.clone()));
    assert_eq!((report.done.len(), report.failed[0].0.as_str()), (2, stuck.as_str()));
    assert_eq!(rig.store.units().len(), 1);
    assert_eq!(rig.push().unwrap().done.len(), 1);
    assert!(rig.store.units().is_empty());
}

#[test]
fn what_cannot_be_read_or_masked_does_not_leave_and_the_others_do() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for name in ["damaged", "large", "sound"] {
        rig.fixture.put(name, &[prompt(0, name)]);
    }
    let damaged = rig.fixture.session("damaged").n;
    sessions(&rig).execute("UPDATE messages SET body = x'ff00' WHERE session = ?1", [damaged]).unwrap();
    rig.fixture.put("large", &[prompt(0, &"a ".repeat(carry_redact::FIELD_BYTES_MAX / 2 + 1))]);
    let report = rig.push().unwrap();
    assert_eq!((report.done.len(), report.failed.len()), (1, 2), "{:?}", report.failed);
    assert_eq!(rig.store.units().len(), 1);
    rig.fixture.put("large", &[prompt(0, "small")]);
    assert_eq!(rig.push().unwrap().done.len(), 1);
}

#[test]
fn text_that_is_shared_no_longer_goes_even_if_the_rest_cannot_be_made() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &[prompt(0, "said"), answer(1, "in confidence")]);
    rig.push().unwrap();
    let one = rig.fixture.session("one").n;
    sessions(&rig).execute("UPDATE messages SET body = x'ff00' WHERE session = ?1", [one]).unwrap();
    rig.share("*=prompts");
    let report = rig.push().unwrap();
    assert_eq!(report.failed.len(), 1);
    assert!(rig.store.units().is_empty());
    let steps = rig.store.steps();
    rig.push().unwrap();
    assert_eq!(rig.store.steps() - steps, 3, "it is remembered that it is not there");
}

#[test]
fn two_owners_with_one_session_do_not_touch_each_others() {
    let store = Store::new("both");
    let mut rigs = [Rig::of("ana", store.clone()), Rig::of("bo", store.clone())];
    for (rig, text) in rigs.iter_mut().zip(["of ana", "of bo"]) {
        rig.share("*=full");
        rig.fixture.put("one", &[prompt(0, text)]);
    }
    assert_eq!(rigs[0].id("one"), rigs[1].id("one"));
    for _ in 0..2 {
        for rig in &mut rigs {
            rig.push().unwrap();
        }
    }
    assert_eq!(store.units().len(), 2);
    rigs[0].share("*=off");
    rigs[0].push().unwrap();
    let left = format!("{:?}", store.units());
    assert!(left.contains("of bo") && !left.contains("of ana"));
}

#[test]
fn what_another_device_of_the_owner_put_stays_its_own() {
    let store = Store::new("both");
    let mut first = Rig::of("ana", store.clone());
    let mut second = Rig::of("ana", store.clone());
    second.client.origin = "there".to_owned();
    for (rig, text) in [(&mut first, "of the first"), (&mut second, "of the second")] {
        rig.share("*=full");
        rig.fixture.put("one", &[prompt(0, text)]);
    }
    first.push().unwrap();
    let key = first.id("one").to_string();
    let report = second.push().unwrap();
    assert_eq!((report.elsewhere, report.done.len()), (vec![(key.clone(), "here".to_owned())], 0));
    assert_eq!(second.state().store("default").unwrap().elsewhere, [(key.clone(), "here".to_owned())]);
    let steps = store.steps();
    assert_eq!(second.push().unwrap().elsewhere.len(), 1, "it is still said");
    assert_eq!(store.steps() - steps, 3, "and not asked for again");
    second.run(Depth::Full, false).unwrap();
    assert!(format!("{:?}", store.units()).contains("of the first"));
    first.share("*=off");
    first.push().unwrap();
    second.now.set(second.now.get() + 2 * 3_600_000);
    assert_eq!(keys(&second.push().unwrap()).len(), 1, "it was given up there");
    assert!(second.push().unwrap().elsewhere.is_empty());
}

#[test]
fn a_copy_of_this_home_that_pushes_keeps_us_out() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &[prompt(0, "x")]);
    let copy = Client { holder: "0".repeat(32), ..rig.client.clone() };
    let mut other = rig.store.sink(rig.role);
    other.open(&copy).unwrap();
    assert!(matches!(rig.push(), Err(PushError::Sink(error)) if error.class == Class::Busy));
    assert!(rig.store.units().is_empty());
    other.close().unwrap();
    rig.push().unwrap();
    rig.assert_settled();
}

#[test]
fn copies_of_a_home_take_turns_and_neither_takes_out_what_only_the_other_knows() {
    let store = Store::new("both");
    let mut first = Rig::of("ana", store.clone());
    let mut second = Rig::of("ana", store.clone());
    for (rig, name) in [(&mut first, "one"), (&mut second, "two")] {
        rig.share("*=full");
        rig.fixture.put(name, &[prompt(0, "x")]);
        rig.fixture.put("both", &[prompt(0, "of before")]);
    }
    let (one, two) = (first.id("one").to_string(), second.id("two").to_string());
    first.push().unwrap();
    assert_eq!(second.push().unwrap().unknown, std::slice::from_ref(&one));
    assert_eq!(first.push().unwrap().unknown, std::slice::from_ref(&two));
    assert_eq!(store.units().len(), 3);
    // Looking first says the same, and so does comparing.
    for (rig, key) in [(&first, &two), (&second, &one)] {
        let preview = crate::preview::Preview {
            archive: &rig.fixture.archive,
            state: Some(rig.state()),
            store: &rig.settings,
            redactor: &rig.redactor,
        };
        assert_eq!(preview.withdrawals().unwrap(), Vec::<String>::new());
        assert_eq!(preview.pending(Timestamp::from_millis(rig.now.get())).unwrap(), 0);
        let found = crate::verify::tests::verify(rig, crate::verify::Thoroughness::Digests);
        assert_eq!((found.only_there.len(), &found.unknown, found.is_good()), (0, &vec![key.clone()], true));
    }
    // What it has made itself goes, also when the other is asked about it.
    first.share("*=off");
    assert_eq!(keys(&first.push().unwrap()).len(), 2);
    assert_eq!(second.push().unwrap().done.len(), 1, "what both have is there again");
    // A full push is told to.
    second.share("*=off");
    second.push().unwrap();
    first.share("*=full");
    first.push().unwrap();
    second.run(Depth::Full, false).unwrap();
    assert!(store.units().is_empty());
}

#[test]
fn what_moves_under_our_hands_is_compared_again() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &long(0, 90));
    rig.push().unwrap();
    rig.fixture.put("one", &long(0, 91));
    let (store, mut times) = (rig.store.clone(), 0);
    let report = run_picky(&mut rig, |_| {
        times += 1;
        if times == 1 {
            store.tamper(|units| {
                let unit = units.values_mut().next().unwrap();
                unit.root = Some(Root([5; 32]));
                unit.rows.remove(&Place::Message(7));
            });
        }
        Ok(())
    });
    assert_eq!((report.done.len(), report.failed.len()), (1, 0));
    rig.assert_settled();
    rig.fixture.put("one", &long(0, 92));
    let mut n = 0;
    let report = run_picky(&mut rig, |_| {
        n += 1;
        store.tamper(|units| units.values_mut().next().unwrap().root = Some(Root([n; 32])));
        Ok(())
    });
    assert_eq!(report.failed.len(), 1, "not for ever");
    rig.now.set(rig.now.get() + 3_600_000);
    rig.push().unwrap();
    rig.assert_settled();
}

#[test]
fn a_memory_that_fails_after_the_store_has_committed_costs_a_comparison() {
    let mut rig = Rig::new();
    rig.share("*=full");
    rig.fixture.put("one", &long(0, 60));
    rig.push().unwrap();
    rig.fixture.put("one", &long(0, 61));
    rig.fixture.put("two", &long(0, 3));
    let team = Connection::open(rig.fixture.home.database("team")).unwrap();
    team.execute_batch("CREATE TRIGGER no BEFORE INSERT ON units BEGIN SELECT raise(ABORT, 'no'); END").unwrap();
    for _ in 0..2 {
        assert!(matches!(rig.push(), Err(PushError::State(_))));
    }
    team.execute_batch("DROP TRIGGER no").unwrap();
    let report = rig.push().unwrap();
    assert!(report.was_repaired);
    rig.assert_settled();
    team.execute_batch("CREATE TRIGGER no BEFORE DELETE ON units BEGIN SELECT raise(ABORT, 'no'); END").unwrap();
    rig.delete("one");
    assert!(matches!(rig.push(), Err(PushError::State(_))));
    assert_eq!(rig.store.units().len(), 1, "it is gone there");
    team.execute_batch("DROP TRIGGER no").unwrap();
    rig.push().unwrap();
    rig.assert_settled();
}

#[test]
fn sessions_of_other_devices_stay_with_those() {
    let mut rig = Rig::new();
    rig.share("*=full");
    for name in ["own", "synced", "imported"] {
        rig.fixture.put(name, &[prompt(0, name)]);
    }
    let archive = sessions(&rig);
    archive.execute("UPDATE sessions SET origin = 'there', unit = NULL WHERE native = 'synced'", []).unwrap();
    archive.execute("UPDATE sessions SET origin = 'there' WHERE native = 'imported'", []).unwrap();
    rig.push().unwrap();
    let there = format!("{:?}", rig.store.units());
    assert!(there.contains("own") && there.contains("imported") && !there.contains("synced"));
    archive.execute("UPDATE sessions SET input_tokens = 77 WHERE native = 'own'", []).unwrap();
    assert_eq!(rig.push().unwrap().done.len(), 1, "usage is not in the archive's digest, but is shown");
}

#[test]
fn the_teams_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let rig = Rig::new();
    let path = rig.fixture.home.data_dir().join("team.key");
    let settings = |path: &std::path::Path| Settings {
        stores: Vec::new(),
        person: String::new(),
        mask_key_file: Some(path.to_owned()),
        allow: Vec::new(),
        quiet: std::time::Duration::ZERO,
        reconcile: std::time::Duration::ZERO,
        warnings: Vec::new(),
    };
    assert!(redactor(&rig.fixture.home, &settings(&path)).is_err(), "there is none");
    carry_kernel::disk::write_atomic(&path, format!("{}\n", "ab".repeat(32)).as_bytes()).unwrap();
    let one = redactor(&rig.fixture.home, &settings(&path)).unwrap();
    let other = redactor(&Rig::new().fixture.home, &settings(&path)).unwrap();
    let text = format!("a {} b", token());
    assert_eq!(one.text(&text).text, other.text(&text).text, "one key, one placeholder");
    assert_eq!(one.stamp(), other.stamp());
    let own = redactor(&rig.fixture.home, &Settings { mask_key_file: None, ..settings(&path) }).unwrap();
    assert_ne!(own.text(&text).text, one.text(&text).text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(redactor(&rig.fixture.home, &settings(&path)).is_err());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    carry_kernel::disk::write_atomic(&path, b"not a key").unwrap();
    assert!(redactor(&rig.fixture.home, &settings(&path)).is_err());
}

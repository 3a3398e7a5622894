//! Conflicts between devices, and deletion for good on all of them. The other device is the library itself.

use std::collections::BTreeMap;
use std::path::Path;

use carry_exchange::hash::Digest;
use carry_exchange::head::Relay;
use carry_exchange::ranges::Ranges;
use carry_exchange::segment::Expected;
use carry_exchange::store::{LogState, ObjectBytes, Setup, Statement, Store};
use carry_exchange::strand::Strand as _;
use carry_kernel::clock::Timestamp;
use carry_kernel::home::Home;
use carry_redact::{Key, Redactor, Rules};
use carry_sessions::curation::Edit;
use carry_sessions::model::SessionId;
use carry_sessions::stream::curation::CurationStrand;

use super::{A, I, archived, id_of, json};
use crate::world::World;

/// What a device has of the exchange.
struct Side {
    name: &'static str,
    store: Store,
    strand: CurationStrand,
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + secs)
}

impl Side {
    fn new(root: &Path, name: &'static str) -> Self {
        let mut n: u64 = 0;
        let seed = name.to_owned();
        let setup = Setup {
            home: Home::at(root),
            device: format!("{name}-00000000").parse().expect("an id"),
            fingerprint: Digest::of(&[name.as_bytes()]),
            entropy: Box::new(move |bytes: &mut [u8]| {
                for chunk in bytes.chunks_mut(32) {
                    n += 1;
                    let digest = Digest::of(&[seed.as_bytes(), &n.to_le_bytes()]);
                    chunk.copy_from_slice(&digest.as_bytes()[..chunk.len()]);
                }
                Ok(())
            }),
            now: at(0),
        };
        let redactor = Redactor::new(Rules::builtin(), Key::new([7; 32]));
        let strand = carry_sessions::stream::curation::open(&Home::at(root), name, redactor).expect("an archive");
        Self { name, store: Store::open(setup).expect("a store"), strand }
    }

    fn rename(&mut self, session: &SessionId, to: Option<&str>, secs: i64) {
        let edit = Edit::Rename(to.map(str::to_owned));
        self.strand.keeper_mut().curate(session, &edit, self.name, at(secs)).expect("an edit");
    }

    fn publish(&mut self, now: Timestamp) {
        self.strand.offer(&mut self.store, u64::MAX, now).expect("an offer");
        self.store.seal().expect("segments");
        let relay = BTreeMap::from([(self.strand.stream().clone(), Relay::Any)]);
        self.store.sign(&Statement { relay, ..Statement::default() }, now).expect("a head");
    }

    fn pull(&mut self, other: &Self) {
        let Some((head, segments)) = other.store.signed_segments().expect("a read") else { return };
        self.store.see_head(&head.name(), head.bytes(), at(0)).expect("a head");
        if self.store.state(other.store.log()).expect("a read") == Some(LogState::Unapproved) {
            self.store.approve(other.store.log(), at(0)).expect("approval");
            self.store.set_alias(other.store.log(), other.name).expect("an alias");
        }
        let held = self.store.held(other.store.log(), 0).expect("a read");
        for (stream, segments) in segments {
            let none = Ranges::new();
            let held = held.get(&stream).unwrap_or(&none);
            for reference in segments.into_iter().filter(|one| !held.contains_all(one.first, one.last)) {
                let name = reference.name(other.store.log(), &stream);
                let bytes = match other.store.open_object(&name).expect("a read").expect("an object") {
                    ObjectBytes::Memory(bytes) => bytes,
                    ObjectBytes::File(mut file) => {
                        let mut bytes = Vec::new();
                        std::io::Read::read_to_end(&mut file, &mut bytes).expect("bytes");
                        bytes
                    }
                };
                let expected = Expected { log: other.store.log(), stream: stream.clone(), reference };
                self.store.accept_bytes(&expected, &bytes).expect("a segment");
            }
        }
        self.store.deliver(&mut self.strand).expect("a delivery");
    }

    fn meet(&mut self, other: &mut Self, now: Timestamp) {
        self.publish(now);
        other.publish(now);
        self.pull(other);
        other.pull(self);
    }
}

/// A world, its side of the exchange, and another device, which have met; with the ids of two sessions.
fn two(dir: &Path) -> (World, Side, Side, [SessionId; 2]) {
    let world = archived();
    let ids = [A, I].map(|native| SessionId::parse(&id_of(&world, native)).expect("an id"));
    let mut here = Side::new(&world.home().join("../carry"), "desk");
    let mut other = Side::new(dir, "laptop");
    here.meet(&mut other, at(0));
    (world, here, other, ids)
}

#[test]
fn conflicts_are_listed_with_every_value_and_settled() {
    let dir = tempfile::tempdir().expect("a folder");
    let (world, mut here, mut other, [one, _]) = two(dir.path());
    world.ok(&["conflicts"]).is(0, "", "There are no conflicts.\n");
    here.rename(&one, Some("The gate"), 60);
    other.rename(&one, Some("The lock"), 120);
    // One that has not come yet.
    let phantom = SessionId::parse("0000000000000000").expect("an id");
    here.strand.keeper_mut().curate(&phantom, &Edit::Label("later".into(), true), "desk", at(60)).expect("an edit");
    // What was taken back before anybody heard of it would be no conflict.
    here.publish(at(60));
    here.strand.keeper_mut().curate(&phantom, &Edit::Label("later".into(), false), "desk", at(61)).expect("an edit");
    other.strand.keeper_mut().curate(&phantom, &Edit::Label("later".into(), true), "laptop", at(180)).expect("an edit");
    here.meet(&mut other, at(200));

    let ran = world.ok(&["conflicts", "list"]);
    let said = format!(
        "0000000000000000 (not here yet)  label:later\n    \
         (set)  (laptop, 2026-09-21 14:16:20 +00:00; shown)\n    \
         (not set)  (desk, this device, 2026-09-21 14:14:21 +00:00)\n\
         {one} (The lock)  name\n    \
         The lock  (laptop, 2026-09-21 14:15:20 +00:00; shown)\n    \
         The gate  (desk, this device, 2026-09-21 14:14:20 +00:00)\n"
    );
    assert_eq!(ran.raw, said);
    assert_eq!(ran.stderr, "`carry conflicts resolve ID FIELD --take DEVICE` settles one.\n");
    let shown = world.ok(&["conflicts", "show", A]);
    assert!(said.ends_with(&shown.raw) && shown.raw.lines().count() == 3, "{}", shown.raw);

    let listed = json(&world, &["conflicts"]);
    let log = here.store.log().to_string();
    assert_eq!(
        listed[1],
        serde_json::json!({
            "type": "conflict", "session": one.as_str(), "name": "The lock", "field": "name", "item": "",
            "values": [
                { "value": "The lock", "device": "laptop", "own": false, "shown": true,
                  "time": "2026-09-21T14:15:20.000Z", "hlc": "1790000120000-0000", "log": other.store.log().to_string() },
                { "value": "The gate", "device": "desk", "own": true, "shown": false,
                  "time": "2026-09-21T14:14:20.000Z", "hlc": "1790000060000-0000", "log": log },
            ],
        })
    );
    assert_eq!((&listed[0]["name"], &listed[0]["item"]), (&serde_json::Value::Null, &"later".into()));

    // Each device has a value in both.
    let counted = |world: &World| -> Vec<(String, serde_json::Value)> {
        let devices = json(world, &["devices"]);
        let logs = devices.iter().filter_map(|device| device["exchange"].as_array()).flatten();
        logs.map(|log| {
            (log["log"].as_str().expect("a log").to_owned(), log["streams"]["curation"]["conflicts"].clone())
        })
        .collect()
    };
    let both = |n: u64| [(log.clone(), n.into()), (other.store.log().to_string(), n.into())].to_vec();
    assert_eq!(counted(&world), both(2));
    let ran = world.ok(&["devices"]);
    let line =
        "Conflicts: 2 in curation of this device, 2 in curation of laptop-00000000; `carry conflicts` shows them.";
    assert!(ran.raw.lines().any(|found| found == line), "{}", ran.raw);

    let status = |world: &World| world.carry(&["status", "--all"]).stdout;
    assert!(status(&world).contains("2 things that devices said differently; `carry conflicts` shows them"));
    let ran = world.ok(&["conflicts", "resolve", A, "name", "--take", "desk"]);
    assert_eq!(ran.raw, format!("Settled: name of {one} (The gate) is The gate.\n"));
    let done = json(&world, &["conflicts", "resolve", phantom.as_str(), "label:later", "--null"]);
    assert_eq!(done[0]["value"], serde_json::Value::Null);
    world.ok(&["conflicts"]).is(0, "", "There are no conflicts.\n");
    assert_eq!(counted(&world), both(0));
    assert!(!world.ok(&["devices"]).raw.contains("Conflicts"));
    assert!(!status(&world).contains("said differently"));
    assert_eq!(json(&world, &["sessions", "show", A])[0]["name"], "The gate");
    here.meet(&mut other, at(300));
    assert_eq!(other.strand.keeper_mut().conflict_count().expect("a count"), 0);
    let registers = other.strand.keeper_mut().registers(Some(&one)).expect("registers");
    assert_eq!(registers[0].value.as_deref(), Some("The gate"));
}

#[test]
fn mistakes_are_answered_with_what_there_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let (world, mut here, mut other, [one, two]) = two(dir.path());
    here.rename(&one, Some("The gate"), 60);
    other.rename(&one, None, 10);
    other.rename(&one, Some("The lock"), 120);
    here.meet(&mut other, at(200));
    let one = one.as_str();
    for (arguments, code, said) in [
        (&["resolve", one, "name", "--take", "phone"][..], 1, "They are `laptop`, `desk`."),
        (&["resolve", one, "star", "--null"], 1, "It has conflicts in `name`."),
        (&["resolve", two.as_str(), "name", "--null"], 1, "It has no conflicts."),
        (&["resolve", one, "name"], 2, "--take"),
        (&["resolve", one, "name", "--null", "--value", "x"], 2, "cannot be used with"),
        (&["resolve", one, "name", "--value", "\u{7}"], 2, "control characters"),
        (&["show", "no-such-session"], 1, "no-such-session"),
    ] {
        let ran = world.carry(&[&["conflicts"], arguments].concat());
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(json(&world, &["conflicts"]).len(), 1);
    world.ok(&["conflicts", "resolve", one, "name", "--value", "  Both  "]);
    assert_eq!(json(&world, &["sessions", "show", A])[0]["name"], "Both");
}

#[test]
fn a_deletion_can_be_taken_back_until_the_window_is_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let (world, mut here, mut other, [one, _]) = two(dir.path());
    let listed = |world: &World| {
        let both = [&["sessions", "list", "--all", "--limit", "0"][..], &["sessions", "list", "--trashed"]];
        both.iter().any(|arguments| json(world, arguments).iter().any(|session| session["native"] == A))
    };
    world.ok(&["sessions", "deleted"]).is(0, "", "Nothing was deleted for good.\n");
    let deleted = json(&world, &["--yes", "sessions", "delete", A]);
    assert_eq!((&deleted[0]["outcome"], deleted[0]["due"].is_string()), (&"pending".into(), true));
    assert!(!listed(&world));
    assert!(json(&world, &["sessions", "search", "commit"]).iter().all(|found| found["native"] != A));
    let pending = json(&world, &["sessions", "deleted", "--pending"]);
    assert_eq!((&pending[0]["state"], &pending[0]["due"]), (&"pending".into(), &deleted[0]["due"]));
    let ran = world.ok(&["sessions", "undelete", A]);
    assert!(ran.stdout.starts_with("Not to be deleted any more: "), "{}", ran.stdout);
    assert!(listed(&world));
    assert_eq!(json(&world, &["sessions", "undelete", A])[0]["outcome"], "unchanged");
    assert_eq!(json(&world, &["sessions", "deleted"])[0]["state"], "undone");

    // The same by `restore`, which gives back what is hidden.
    world.ok(&["--yes", "sessions", "delete", A]);
    let ran = world.ok(&["sessions", "restore", A]);
    assert!(ran.stdout.starts_with("Not to be deleted any more: "), "{}", ran.stdout);
    assert!(listed(&world));

    world.ok(&["--yes", "sessions", "delete", A]);
    let ran = world.ok(&["sessions", "delete", A, "--dry-run"]);
    assert!(ran.stdout.contains("all devices that exchange with this one"), "{}", ran.stdout);
    let ran = world.carry(&["sessions", "delete", A]);
    assert!(!ran.stderr.contains("nothing else has it"), "{ran:?}");
    let ran = world.ok(&["--yes", "sessions", "delete", A, "--now"]);
    assert!(ran.stdout.starts_with("Deleted "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(" on all devices that exchange with this one.\n"), "{}", ran.stdout);
    assert_eq!(world.carry(&["sessions", "show", A]).code, 1);
    let ran = world.carry(&["sessions", "undelete", one.as_str()]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("is deleted for good already, on every device that hears of it: decided on "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(", this device, final since 20"), "{}", ran.stderr);
    // What named it before it went does so still, unless it is too short to mean anything.
    let again = world.carry(&["sessions", "undelete", &one.as_str()[..8]]);
    assert_eq!((again.code, &again.stderr), (1, &ran.stderr));
    assert!(world.carry(&["sessions", "undelete", &one.as_str()[..3]]).stderr.contains("Error: no session "));
    assert!(
        ran.stderr.contains("What remains is the record of the deletion: `carry sessions deleted`."),
        "{}",
        ran.stderr
    );
    here.meet(&mut other, at(0));
    let known = other.strand.keeper_mut().deletions().expect("deletions");
    assert!(known.iter().any(|one| one.device == "desk" && !one.is_own), "{known:?}");
    let ran = world.ok(&["sessions", "deleted"]);
    assert!(
        ran.raw.contains("desk (this device)") && ran.raw.contains(&format!("{}/", &here.store.log().to_string()[..8])),
        "{}",
        ran.raw
    );
}

#[test]
fn a_window_of_zero_waits_for_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (world, ..) = two(dir.path());
    let deleted = json(&world, &["--yes", "sessions", "delete", A, "--config", "sessions.undo_window=0"]);
    assert_eq!((&deleted[0]["outcome"], &deleted[0]["due"]), (&"deleted".into(), &serde_json::Value::Null));
    assert_eq!(world.carry(&["sessions", "show", A]).code, 1);
}

/// A field, what each of two devices says there, how that is settled, and as what.
type Both = (&'static str, Edit, Edit, &'static [&'static str], Option<&'static str>);

#[test]
fn every_field_is_named_and_can_be_settled() {
    let dir = tempfile::tempdir().expect("a folder");
    let (world, mut here, mut other, [one, _]) = two(dir.path());
    let help = world.ok(&["conflicts", "--help"]).stdout;
    let label = "later".to_owned();
    let both: [Both; 5] = [
        ("name", Edit::Rename(Some("a".into())), Edit::Rename(Some("b".into())), &["--value", "c"], Some("c")),
        ("star", Edit::Star(true), Edit::Star(false), &["--null"], None),
        ("trash", Edit::Trash(true), Edit::Trash(false), &["--null"], None),
        ("label:later", Edit::Label(label.clone(), true), Edit::Label(label, false), &["--value", "1"], Some("1")),
        (
            "pin:#1",
            Edit::Pin("#1".into(), Some("a".into())),
            Edit::Pin("#1".into(), Some("b".into())),
            &["--take", "laptop"],
            Some("b"),
        ),
    ];
    for (n, (field, ours, theirs, ..)) in (1..).zip(&both) {
        let known = field.split(':').next().expect("a field");
        assert!(
            carry_sessions::curation::FIELDS.contains(&known) && help.contains(&format!("`{known}")),
            "{field}: {help}"
        );
        // Set and taken back are both said, so that they differ.
        for (side, edit, name) in [(&mut here, ours, "desk"), (&mut other, theirs, "laptop")] {
            let first = match edit {
                Edit::Star(false) => Some(Edit::Star(true)),
                Edit::Trash(false) => Some(Edit::Trash(true)),
                Edit::Label(label, false) => Some(Edit::Label(label.clone(), true)),
                _ => None,
            };
            for edit in first.iter().chain([edit]) {
                side.strand.keeper_mut().curate(&one, edit, name, at(n * 100)).expect("an edit");
                side.publish(at(n * 100));
            }
        }
    }
    assert_eq!(both.len(), carry_sessions::curation::FIELDS.len(), "each field stands above");
    here.meet(&mut other, at(900));
    let listed = json(&world, &["conflicts"]);
    assert_eq!(listed.len(), both.len(), "{listed:?}");
    for (field, .., choice, value) in &both {
        let done = json(&world, &[&["conflicts", "resolve", one.as_str(), field], *choice].concat());
        assert_eq!(done[0]["value"].as_str(), *value, "{field}");
    }
    world.ok(&["conflicts"]).is(0, "", "There are no conflicts.\n");
    here.meet(&mut other, at(1000));
    assert_eq!(other.strand.keeper_mut().conflict_count().expect("a count"), 0);
    let ran = world.carry(&["conflicts", "resolve", one.as_str(), "title", "--null"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("The fields are `name`, `star`, `trash`, `label:TEXT` and `pin:MESSAGE`."),
        "{ran:?}"
    );
}

#[test]
fn a_final_deletion_of_another_device_is_told_with_its_device_and_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let (world, mut here, mut other, [one, two]) = two(dir.path());
    other.strand.keeper_mut().delete_for_good(&one, "laptop", at(300)).expect("a deletion");
    here.meet(&mut other, at(400));
    let ran = world.carry(&["sessions", "undelete", one.as_str()]);
    let said = format!(
        "Error: {one} is deleted for good already, on every device that hears of it: decided on laptop, final since \
         2026-09-21 14:18:20 +00:00\nHint: What remains is the record of the deletion: `carry sessions deleted`. What an agent \
         still has in its own files stays there.\n"
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (1, said.as_str()));
    // With others, the rest is done.
    world.ok(&["--yes", "sessions", "delete", two.as_str()]);
    let ran = world.carry(&["sessions", "undelete", one.as_str(), two.as_str()]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.starts_with("Not to be deleted any more: "), "{ran:?}");
}

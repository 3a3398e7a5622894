//! Records that nobody of ours wrote, and stamps that lie.

use carry_exchange::strand::registers::RegisterError;

use super::*;

const EDIT: u16 = 1;
const DELETION: u16 = 2;

/// The key of an edit's record.
fn key_of(name: &RegisterName) -> Vec<u8> {
    exchanged(name).key(&STREAM.parse().unwrap()).as_bytes().to_vec()
}

/// The key of a step of a deletion.
fn key_of_step(op: &str, id: &str) -> Vec<u8> {
    Digest::of(&[format!("carry curation deletion 1\n{op}\n{id}").as_bytes()]).as_bytes().to_vec()
}

/// Puts a record as it is into the outbox of a device, under its key, past all that checks it.
fn forge(device: &mut Device, kind: u16, version: u16, payload: &str) {
    let members: serde_json::Value = serde_json::from_str(payload).unwrap();
    let member = |name: &str| members[name].as_str().unwrap_or_default().to_owned();
    let (key, flags) = match kind {
        EDIT => {
            let name = RegisterName { session: SessionId::stored(member("t")), field: member("f"), item: member("i") };
            (key_of(&name), Flags::default())
        }
        _ => (key_of_step(&member("op"), &member("d")), Flags::KEEPS),
    };
    forge_under(device, (kind, version), flags, &key, payload);
}

/// The same under any key.
fn forge_under(device: &mut Device, (kind, version): (u16, u16), flags: Flags, key: &[u8], payload: &str) {
    let out = Outgoing {
        flags,
        key: key.to_vec(),
        kind,
        kind_version: version,
        wants: Vec::new(),
        payload: payload.as_bytes().to_vec(),
    };
    let stream = device.strand.stream().clone();
    device.strand.keeper_mut().db.write(|tx| outbox::push(tx, &stream, &out)).unwrap();
}

fn edit_of(field: &str, value: &str, at: &str) -> String {
    let session = session(1);
    format!(r#"{{"t":"{session}","f":"{field}","i":"","v":{value},"seen":[],"at":{at}}}"#)
}

/// A name for session 1 that claims to have seen all that a log will ever say of it.
fn claim_of_the_future(log: LogId) -> String {
    let mut seen: Vec<String> = (1..=20).map(|seq| format!(r#"["{log}",{seq},"01020304"]"#)).collect();
    seen.push(format!(r#"["{log}",999999999999,"00000000"]"#));
    let session = session(1);
    format!(r#"{{"t":"{session}","f":"name","i":"","v":"forged","seen":[{}],"at":[1790000000000,0]}}"#, seen.join(","))
}

/// The values of the live edits of session 1's name, after the strand was opened anew and all was folded anew.
fn live_anew(device: &mut Device) -> BTreeSet<String> {
    let before = device.live(&name(1));
    device.strand = Device::strand(&device.root, device.name);
    assert_eq!(device.live(&name(1)), before);
    let stream = device.strand.stream().clone();
    device.strand.keeper_mut().db.write(|tx| Ok::<_, StoreError>(outbox::uncover_all(tx, &stream)?)).unwrap();
    device.deliver();
    assert_eq!(device.live(&name(1)), before);
    assert_eq!(device.conflicts().len(), usize::from(before.len() > 1));
    before.into_iter().map(|value| value.trim_matches('"').to_owned()).collect()
}

#[test]
fn a_claim_of_places_to_come_silences_nobody() {
    let (mut a, mut liar) = (Device::new("a"), Device::new("liar"));
    forge(&mut liar, EDIT, 1, &claim_of_the_future(a.store.log()));
    liar.publish(1);
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
    // Who edits knows nothing of it, and edits again.
    let (mut one, mut other) = (Device::new("one"), Device::new("other"));
    one.pull(&liar);
    for (n, value) in ["first", "second", "third"].into_iter().enumerate() {
        let ms = 10 * (n as i64 + 1);
        assert!(a.rename(1, value, ms));
        a.publish(ms + 1);
        one.pull(&a);
        other.pull(&a);
        other.pull(&liar);
        for reader in [&mut one, &mut other] {
            assert_eq!(live_anew(reader), values(&[value, "forged"]));
            assert_eq!(reader.shown(&name(1)).as_deref(), Some(value), "the later one");
        }
    }
    // One who does not count the liar any more has what the other said.
    other.store.revoke(liar.store.log(), &BTreeMap::new(), at(40)).unwrap();
    other.deliver();
    assert_eq!(live_anew(&mut other), values(&["third"]));
    // Who has seen it settles it for all, and passes on no claim.
    a.pull(&liar);
    assert_eq!(live_anew(&mut a), values(&["third", "forged"]));
    assert!(a.rename(1, "settled", 50));
    assert_eq!(a.shown(&name(1)).as_deref(), Some("settled"));
    a.publish(51);
    for reader in [&mut one, &mut other, &mut liar] {
        reader.pull(&a);
        assert_eq!(live_anew(reader), values(&["settled"]));
        assert_eq!(reader.shown(&name(1)).as_deref(), Some("settled"));
        let seen = reader.count("SELECT json_array_length(seen) FROM register_edits WHERE value = '\"settled\"'");
        assert_eq!(seen, 1, "the forged edit itself");
    }
    // Without the liar it stands as well, and whoever edits next has the last word.
    one.store.revoke(liar.store.log(), &BTreeMap::new(), at(60)).unwrap();
    one.deliver();
    assert_eq!(live_anew(&mut one), values(&["settled"]));
    one.rename(1, "next", 70);
    one.publish(71);
    for reader in [&mut a, &mut liar] {
        reader.pull(&one);
        assert_eq!(live_anew(reader), values(&["next"]));
    }
}

#[test]
fn of_two_edits_with_one_name_the_same_counts_everywhere() {
    // One who forked their own log, and tried until the digests began alike.
    let log = LogId::of_key(&[9; 32]);
    let digest = |last: u8| Digest::from_bytes(std::array::from_fn(|byte| if byte == 31 { last } else { 7 }));
    for (least, other) in [(0, 1), (1, 0)] {
        let device = Device::new("a");
        let conn = device.strand.keeper().db.conn();
        for (track, last) in [(least, 1), (other, 2)] {
            let sql = "INSERT INTO register_edits VALUES (?1, 'name', '', ?2, ?3, 5, ?4, 5, x'07070707', ?5, ?6, '[]')";
            let at = "0000000000000-0000";
            conn.execute(
                sql,
                (session(1).as_str(), log.to_string(), track, digest(last).as_bytes(), at, last.to_string()),
            )
            .unwrap();
        }
        assert_eq!(device.live(&name(1)), BTreeSet::from(["1".to_owned()]));
    }
}

#[test]
fn a_stamp_from_the_far_future_wins_over_no_edit_that_saw_it_and_does_not_spread() {
    for stamp in ["[253402300799000,0]", "[9999999999999,65535]", "[-1,0]"] {
        let (mut a, mut b) = (Device::new("a"), Device::new("b"));
        forge(&mut b, EDIT, 1, &edit_of("name", "\"forged\"", stamp));
        b.publish(1);
        a.pull(&b);
        assert_eq!(a.shown(&name(1)).as_deref(), Some("forged"));
        assert!(a.rename(1, "ours", 2));
        assert_eq!(a.shown(&name(1)).as_deref(), Some("ours"));
        a.publish(3);
        let ours = a.strand.keeper().registers(Some(&session(1))).unwrap().remove(0);
        assert_eq!(ours.hlc.wall_ms, at(2).as_millis().unsigned_abs(), "{stamp}");
        b.pull(&a);
        assert_eq!(b.shown(&name(1)).as_deref(), Some("ours"));
        assert!(b.rename(1, "again", 4));
        b.publish(5);
        a.pull(&b);
        assert_eq!((a.shown(&name(1)).as_deref(), a.conflicts()), (Some("again"), vec![]));
    }
}

#[test]
fn what_cannot_be_read_holds_up_nothing() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    for payload in ["{}", r#"{"t":7}"#, r#"{"t":"x","f":"name","i":"","v":"1","seen":[["no log",1,"00000000"]]}"#] {
        forge(&mut b, EDIT, 1, payload);
        forge(&mut b, DELETION, 1, payload);
    }
    forge(&mut b, EDIT, 1, &edit_of("name", "[1,{\"a\":2}]", "[1,1]"));
    forge(&mut b, EDIT, 1, &edit_of("star", "true", "[1,1]"));
    b.rename(2, "good", 1);
    b.publish(2);
    a.pull(&b);
    assert_eq!(a.shown(&name(2)).as_deref(), Some("good"));
    let unread = crate::stream::unread(&a.store).unwrap();
    assert_eq!(unread[&(b.store.log(), "curation")], Unread { n_records: 6, n_messages: 0 });
    assert_eq!(crate::stream::unread(&b.store).unwrap(), BTreeMap::new(), "its own are no others'");
    // A value that is no text shows as none.
    assert_eq!(a.shown(&name(1)), None);
    assert_eq!(a.live(&name(1)), BTreeSet::from([r#"[1,{"a":2}]"#.to_owned()]));
    assert!(a.strand.keeper().registers(None).unwrap().iter().all(|one| one.field != "star" || one.value.is_none()));
}

#[test]
fn an_edit_counts_under_the_key_of_its_register_alone() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    let edit = edit_of("name", "\"forged\"", "[5,0]");
    forge_under(&mut b, (EDIT, 1), Flags::default(), &key_of(&name(2)), &edit);
    forge_under(&mut b, (EDIT, 1), Flags::default(), b"", &edit);
    b.publish(1);
    a.pull(&b);
    assert_eq!(a.shown(&name(1)), None);
    // With the flag it makes void what was said under that key before, as a merge does, and nothing else.
    for (nth, payload) in (0..).zip([edit.as_str(), "{}"]) {
        let ms = 10 * (nth + 1);
        b.rename(1, "one", ms);
        b.rename(2, "two", ms);
        b.publish(ms + 1);
        forge_under(&mut b, (EDIT, 1), Flags::REPLACES, &key_of(&name(1)), payload.replace("name", "star").as_str());
        b.publish(ms + 2);
        a.pull(&b);
        let (mut c, mut d) = (Device::new("c"), Device::new("d"));
        c.pull(&b);
        // One record after the other, the newest first.
        for _ in 0..30 {
            d.fetch(&b.store, ms.unsigned_abs(), 1);
            d.deliver();
        }
        for reader in [&mut a, &mut c, &mut d] {
            assert_eq!(reader.shown(&name(2)).as_deref(), Some("two"));
            assert_eq!((reader.shown(&name(1)), live_anew(reader)), (None, BTreeSet::new()));
        }
        // Taken back, it makes nothing void any more.
        let origin = Origin { log: b.store.log(), track: 0, stream: a.strand.stream().clone() };
        let last = *b.store.held(origin.log, 0).unwrap()[&origin.stream].iter().next_back().unwrap().end();
        a.strand.retract(&origin, last - 1).unwrap();
        assert_eq!(a.shown(&name(1)).as_deref(), Some("one"));
        a.deliver();
        assert_eq!(a.shown(&name(1)), None);
        // What is said after it counts.
        b.rename(1, "again", ms + 3);
        b.publish(ms + 4);
        a.pull(&b);
        assert_eq!(a.shown(&name(1)).as_deref(), Some("again"));
    }
}

#[test]
fn a_deletion_counts_under_its_key_and_where_no_merge_may_drop_it() {
    let session = session(1);
    let (payload, key) = (format!(r#"{{"t":"{session}","op":"final","d":"d"}}"#), key_of_step("final", "d"));
    let nowhere = b"k".as_slice();
    for (flags, key, counts) in [
        (Flags::KEEPS, nowhere, false),
        (Flags::default(), key.as_slice(), false),
        (Flags::REPLACES, key.as_slice(), false),
        (Flags::KEEPS, key.as_slice(), true),
    ] {
        let (mut a, mut b) = (Device::new("a"), Device::new("b"));
        a.rename(1, "kept", 1);
        forge_under(&mut b, (DELETION, 1), flags, key, &payload);
        b.publish(2);
        a.pull(&b);
        assert_eq!(a.strand.keeper().deleted().unwrap().len(), usize::from(counts));
        assert_eq!(a.shown(&name(1)).is_none(), counts);
    }
}

#[test]
fn fields_and_kinds_of_later_versions_are_kept_and_shown_nowhere() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    for field in ["colour", "deleted", "deleting"] {
        forge(&mut b, EDIT, 1, &edit_of(field, "\"1\"", "[5,0]"));
    }
    forge(&mut b, EDIT, 2, r#"{"anything":1}"#);
    forge(&mut b, 77, 1, r#"{"anything":1}"#);
    b.publish(1);
    a.fetch(&b.store, 0, usize::MAX);
    let done = a.store.deliver(&mut a.strand).unwrap();
    assert_eq!((done.n_folded, done.n_deferred), (3, 2));
    assert_eq!(a.strand.keeper().registers(None).unwrap(), []);
    assert_eq!(a.strand.keeper().deleted().unwrap(), []);
    assert_eq!(a.count("SELECT count(*) FROM register_edits"), 3);
    let colour = named(1, "colour", "");
    assert_eq!(a.live(&colour), BTreeSet::from([r#""1""#.to_owned()]));
    assert_eq!(a.conflicts(), []);
}

#[test]
fn what_is_too_large_is_refused_or_stays_here_and_holds_up_nothing() {
    let mut a = Device::new("a");
    let long = "x".repeat(70_000);
    let refused = a.strand.keeper_mut().curate(&session(1), &UserEdit::Rename(Some(long.clone())), "a", at(1));
    assert!(matches!(refused, Err(ArchiveError::Refused(RegisterError::TooLarge { bytes: 70_002 }))), "{refused:?}");
    let label = UserEdit::Label("x".repeat(4097), true);
    let refused = a.strand.keeper_mut().curate(&session(1), &label, "a", at(1));
    assert!(matches!(refused, Err(ArchiveError::Refused(RegisterError::Name { part: "an item", .. }))), "{refused:?}");
    // From before anybody asked.
    let sql =
        format!("INSERT INTO registers VALUES ('{}', 'name', '', '{long}', '1790000000000-0000', 'a')", session(1));
    a.strand.keeper().db.conn().execute(&sql, []).unwrap();
    a.rename(2, "short", 2);
    assert_eq!(a.publish(3), 1);
    assert_eq!(a.shown(&name(1)), Some(long));
    assert_eq!(a.publish(4), 0);
    // A shorter one goes.
    assert!(a.rename(1, "shorter", 5));
    assert_eq!(a.publish(6), 1);
}

#[test]
fn an_edit_of_a_session_that_nobody_has_waits_for_it() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    let id = crate::model::SessionId::new("a", crate::model::Agent::Claude, &crate::model::NativeId("one".to_owned()));
    b.strand.keeper_mut().curate(&id, &UserEdit::Star(true), "b", at(1)).unwrap();
    b.publish(2);
    a.pull(&b);
    assert!(a.strand.keeper().find(id.as_str()).is_err());
    deleting::write(&mut a, "one", "hello");
    assert!(a.strand.keeper().find(id.as_str()).unwrap().is_starred);
}

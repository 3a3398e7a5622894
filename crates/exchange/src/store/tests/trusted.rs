//! Approving, revoking and forgetting logs that go on from each other.

use super::*;
use crate::head::{SignedHead, Vouch};
use crate::name::ObjectName;

/// A device that renewed its key twice, with something said under each.
fn renewed() -> [Device; 3] {
    let mut a = Device::new();
    a.say_all(&["a"]);
    a.publish();
    let mut b = a.copy("there");
    b.say_all(&["b"]);
    b.publish();
    let mut c = b.copy("elsewhere");
    c.say_all(&["c"]);
    c.publish();
    [a, b, c]
}

fn published(device: &Device) -> BTreeMap<StreamName, (u64, Digest)> {
    let (head, _) = device.store.signed_segments().unwrap().unwrap();
    head.head().streams.iter().map(|(stream, state)| (stream.clone(), (state.last, state.chain))).collect()
}

fn states(reader: &Device, devices: &[Device]) -> Vec<Option<LogState>> {
    devices.iter().map(|device| reader.store.state(device.store.log()).unwrap()).collect()
}

/// A head of the key of `seed`, which that of `from` vouches for.
fn heir(seed: u8, from: Option<u8>) -> SignedHead {
    let mut head = crate::fixture::bare_head();
    head.key = crate::fixture::public(seed);
    let vouch =
        |from| Vouch::new(crate::fixture::public(from), BTreeMap::new(), &head.key, &crate::fixture::sign(from));
    head.from = from.map(vouch);
    head.sign(&crate::fixture::sign(seed)).unwrap()
}

fn see(reader: &mut Device, head: &SignedHead) -> Result<Seen, StoreError> {
    reader.store.see_head(&head.name(), head.bytes(), NOW)
}

#[test]
fn what_a_renewed_device_said_before_it_was_revoked_stays_and_comes_back() {
    let mut devices = renewed();
    let mut reader = Device::new();
    reader.trust(&devices[0].store);
    for device in &devices {
        reader.pull(&device.store);
    }
    assert_eq!(reader.facts.shown(), texts(&["a", "b", "c"]));
    let root = devices[0].store.log();
    reader.store.revoke(root, &published(&devices[0]), NOW).unwrap();
    assert_eq!(states(&reader, &devices), [Some(LogState::Revoked); 3]);
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&["a", "b", "c"]), "what came before stays");
    devices[2].say_all(&["later"]);
    devices[2].publish();
    reader.pull(&devices[2].store);
    assert_eq!(reader.facts.shown(), texts(&["a", "b", "c"]));
    reader.store.approve(root, NOW).unwrap();
    assert_eq!(states(&reader, &devices), [Some(LogState::Approved); 3]);
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&["a", "b", "c", "later"]));
    reader.check();
}

#[test]
fn what_was_revoked_for_itself_is_not_approved_with_what_it_goes_on_from() {
    let devices = renewed();
    let mut reader = Device::new();
    reader.trust(&devices[0].store);
    for device in &devices {
        reader.pull(&device.store);
    }
    let [a, b] = [devices[0].store.log(), devices[1].store.log()];
    reader.store.revoke(b, &published(&devices[1]), NOW).unwrap();
    reader.store.revoke(a, &published(&devices[0]), NOW).unwrap();
    reader.store.approve(a, NOW).unwrap();
    let (yes, no) = (Some(LogState::Approved), Some(LogState::Revoked));
    assert_eq!(states(&reader, &devices), [yes, no, no], "the last one was revoked with the one before");
    assert!(reader.store.forget(b, NOW).is_err(), "it was revoked for itself");
    reader.store.approve(b, NOW).unwrap();
    assert_eq!(states(&reader, &devices), [yes; 3]);
}

#[test]
fn a_revoked_key_vouches_for_nobody_and_its_heirs_are_bounded() {
    let mut reader = Device::new();
    reader.store.approve(crate::fixture::log(1), NOW).unwrap();
    see(&mut reader, &heir(2, Some(1))).unwrap();
    assert_eq!(reader.store.state(crate::fixture::log(2)).unwrap(), Some(LogState::Approved));
    reader.store.revoke(crate::fixture::log(1), &BTreeMap::new(), NOW).unwrap();
    for seed in 3..67 {
        see(&mut reader, &heir(seed, Some(if seed % 2 == 0 { 1 } else { 2 }))).unwrap();
        assert_eq!(reader.store.state(crate::fixture::log(seed)).unwrap(), Some(LogState::Unapproved));
    }
    assert!(matches!(see(&mut reader, &heir(67, Some(1))), Err(StoreError::Full(_))), "they are within the quota");
    // They can be let go of, those that counted before as well; the one that was revoked stays known.
    for seed in 2..67 {
        reader.store.forget(crate::fixture::log(seed), NOW).unwrap();
        assert!(reader.store.is_forgotten(crate::fixture::log(seed), NOW).unwrap());
    }
    assert!(matches!(reader.store.forget(crate::fixture::log(1), NOW), Err(StoreError::Refused(_))));
    assert_eq!(reader.store.logs().unwrap().len(), 2);
    // Approved again, it vouches again, also for what was let go of.
    reader.store.approve(crate::fixture::log(1), NOW).unwrap();
    assert!(!reader.store.is_forgotten(crate::fixture::log(2), NOW).unwrap());
    see(&mut reader, &heir(2, Some(1))).unwrap();
    assert_eq!(reader.store.state(crate::fixture::log(2)).unwrap(), Some(LogState::Approved));
}

#[test]
fn a_chain_of_renewals_is_approved_in_whatever_order_its_heads_come() {
    let chain = [heir(1, None), heir(2, Some(1)), heir(3, Some(2)), heir(4, Some(3))];
    for order in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        let mut reader = Device::new();
        reader.store.approve(crate::fixture::log(1), NOW).unwrap();
        for at in order {
            see(&mut reader, &chain[at]).unwrap();
        }
        for seed in 1..=4 {
            let state = reader.store.state(crate::fixture::log(seed)).unwrap();
            assert_eq!(state, Some(LogState::Approved), "{seed} in {order:?}");
        }
    }
}

#[test]
fn an_approval_that_is_cut_short_did_not_happen() {
    let devices = renewed();
    let mut reader = Device::new();
    reader.trust(&devices[0].store);
    reader.pull(&devices[0].store);
    let log = devices[0].store.log();
    reader.store.revoke(log, &BTreeMap::new(), NOW).unwrap();
    fault::tests::arm(Some(0));
    assert!(reader.store.approve(log, NOW).is_err());
    fault::tests::arm(None);
    reader.deliver();
    assert_eq!((reader.store.state(log).unwrap(), reader.facts.shown()), (Some(LogState::Revoked), texts(&[])));
    fault::tests::arm(Some(0));
    assert!(reader.store.revoke(log, &published(&devices[0]), NOW).is_err());
    fault::tests::arm(None);
    reader.store.approve(log, NOW).unwrap();
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&["a"]));
}

#[test]
fn a_log_that_counts_by_itself_does_so_only_while_it_waits() {
    let devices = renewed();
    let mut reader = Device::new();
    for device in &devices {
        reader.pull(&device.store);
    }
    let log = devices[0].store.log();
    assert!(!reader.store.approve_waiting(crate::fixture::log(1)).unwrap(), "it was never met");
    assert!(reader.store.approve_waiting(log).unwrap());
    assert_eq!(states(&reader, &devices), [Some(LogState::Approved); 3], "with what goes on from it");
    assert!(!reader.store.approve_waiting(log).unwrap());
    reader.store.revoke(log, &BTreeMap::new(), NOW).unwrap();
    assert!(!reader.store.approve_waiting(log).unwrap(), "it was revoked meanwhile");
    assert_eq!(reader.store.state(log).unwrap(), Some(LogState::Revoked));
}

#[test]
fn what_strangers_say_in_heads_and_lists_is_bounded() {
    let mut reader = Device::new();
    let log = crate::fixture::log(2);
    let later = |n: u64| {
        let signed = heir(2, None);
        let line = std::str::from_utf8(signed.bytes()).unwrap().lines().next().unwrap();
        let line = line.replace(r#""min":1"#, r#""min":2"#).replace(r#""n":1"#, &format!(r#""n":{n}"#));
        let signature = crate::fixture::sign(2)(&[b"carry head 1\n", line.as_bytes()].concat());
        let bytes = format!("{line}\n{}\n", crate::hash::encode64(&signature)).into_bytes();
        (ObjectName::head(log, n, Digest::of(&[&bytes])), bytes)
    };
    let all: Vec<_> = (1..=1_100).map(later).collect();
    for (name, bytes) in &all {
        assert_eq!(reader.store.see_head(name, bytes, NOW).unwrap(), Seen::NeedsUpgrade);
    }
    let count = |reader: &Device, what: &str| -> i64 {
        let sql = format!("SELECT {what} FROM heads_seen");
        reader.store.db.conn().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&reader, "count(bytes)"), 1, "the newest");
    assert_eq!(count(&reader, "max(n) FILTER (WHERE bytes IS NOT NULL)"), 1_100);
    assert!(count(&reader, "count(*)") <= 1_024);
    assert!(reader.store.knows_head(&all[1_000].0).unwrap());
    // Lists take of the room for segments.
    let notes = stream("notes");
    let room = reader.store.room(log, &notes).unwrap();
    assert_eq!(room, UNAPPROVED_LOG_BYTES - all[1_099].1.len() as u64);
    let sql = "INSERT INTO lists (log, digest, bytes) VALUES (?1, ?2, zeroblob(?3))";
    let list = (log.to_string(), Digest::of(&[]).as_bytes().to_vec(), rows::int(room));
    reader.store.db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, list)?)).unwrap();
    assert_eq!(reader.store.room(log, &notes).unwrap(), 0);
    assert!(!reader.store.may_say(log, 1).unwrap());
    let (name, bytes) = later(2_000);
    let error = reader.store.see_head(&name, &bytes, NOW).unwrap_err();
    assert_eq!(error.limit(), Some(Limit::UnapprovedLog));
    assert!(see(&mut reader, &heir(2, None)).is_err());
    // Approved, it may.
    reader.store.approve(log, NOW).unwrap();
    assert_eq!(reader.store.see_head(&name, &bytes, NOW).unwrap(), Seen::NeedsUpgrade);
}

use carry_exchange::hash::Digest;
use carry_exchange::store::{LogRow, Setup};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_171_200);

fn log(seed: u8) -> LogId {
    LogId::of_key(&[seed; 32])
}

fn id(seed: u8) -> String {
    format!("desk-000000{seed:02x}")
}

/// A log of the device with this seed.
fn written(seed: u8, of: u8, state: LogState) -> Written {
    let row =
        LogRow { log: log(seed), alias: format!("log-{seed}"), state, vouched_by: None, revoked_by: None, since: NOW };
    let author = Author { key: [of; 32], label: Some("Desk".to_owned()), signature: [0; 64] };
    Written { row, device: Some(id(of).parse().unwrap()), author: Some(author) }
}

fn status(written: Written) -> LogStatus {
    LogStatus { device: written.device, author: written.author, ..LogStatus::unseen(written.row) }
}

fn known(seed: u8, is_approved: bool, vouched_by: Option<LogId>) -> KnownDevice {
    KnownDevice {
        id: id(seed),
        key: Some([seed; 32]),
        label: "Desk".to_owned(),
        first_seen: NOW,
        approved: is_approved.then_some(NOW),
        shown: false,
        is_revoked: false,
        vouched_by,
    }
}

#[test]
fn a_log_counts_by_itself_only_for_a_device_that_a_person_approved() {
    let logs = [written(1, 1, LogState::Unapproved)];
    let device = id(1);
    assert_eq!(plan(&logs, &[known(1, true, None)]), [Step::Count(log(1), &device)]);
    assert_eq!(plan(&logs, &[known(1, true, Some(log(9)))]), []);
    assert_eq!(plan(&logs, &[known(1, false, None)]), []);
    let two = [written(1, 1, LogState::Unapproved), written(2, 1, LogState::Unapproved)];
    assert_eq!(plan(&two, &[known(1, true, None)]), [], "one of them is a copy");
}

#[test]
fn a_device_whose_voucher_is_revoked_is_taken_back_once() {
    let logs = [written(9, 9, LogState::Revoked)];
    let revoked = KnownDevice { is_revoked: true, ..known(9, false, None) };
    let (device, vouched) = (id(1), known(1, true, Some(log(9))));
    assert_eq!(plan(&logs, &[revoked.clone(), vouched.clone()]), [Step::Back(&device, log(9))]);
    let done = KnownDevice { approved: None, is_revoked: true, ..vouched };
    assert_eq!(plan(&logs, &[revoked.clone(), done]), []);
    assert_eq!(plan(&logs, &[revoked, known(1, true, None)]), [], "a person approved it since");
}

#[test]
fn what_goes_with_a_log_is_followed_to_its_end() {
    // 1 speaks for 2, whose log goes on in 3, which speaks for 4, whose log speaks for 5.
    let mut heir = written(3, 2, LogState::Approved);
    heir.row.vouched_by = Some(log(2));
    let logs: Vec<LogStatus> =
        [written(1, 1, LogState::Approved), written(2, 2, LogState::Approved), heir, written(4, 4, LogState::Approved)]
            .into_iter()
            .chain([written(6, 6, LogState::Approved), written(7, 7, LogState::Approved)])
            .map(status)
            .collect();
    let devices = [
        known(5, true, Some(log(4))),
        known(4, true, Some(log(3))),
        known(2, true, Some(log(1))),
        known(1, true, None),
        known(6, true, None),
        known(7, true, Some(log(6))),
    ];
    let along = along(&logs, &devices, &BTreeSet::from([log(1)]));
    let ids: BTreeSet<String> = along.devices.iter().map(|(device, _)| device.id.clone()).collect();
    assert_eq!(ids, BTreeSet::from([id(2), id(4), id(5)]));
    assert_eq!(along.logs.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([log(2), log(3), log(4)]));
    // One that a person approved ends the way.
    let mut devices = devices;
    devices[2].vouched_by = None;
    assert_eq!(super::along(&logs, &devices, &BTreeSet::from([log(1)])), Along::default());
}

#[test]
fn nothing_is_written_where_there_is_nothing_to_say() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let mut n = 0;
    let mut store = Store::open(Setup {
        home: home.clone(),
        device: id(1).parse().unwrap(),
        fingerprint: Digest::of(&[b"here"]),
        entropy: Box::new(move |bytes: &mut [u8]| {
            n += 1;
            bytes.fill(n);
            Ok(())
        }),
        now: NOW,
    })
    .unwrap();
    assert!(!settle(&mut store, &home, NOW).unwrap());
    assert!(!home.database("code").exists(), "the registry was opened to be written");
}

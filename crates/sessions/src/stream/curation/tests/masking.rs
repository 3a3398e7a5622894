//! Nothing leaves unmasked, and here everything is shown as it was written.

use carry_exchange::frame::Frame;
use carry_exchange::segment::{Part, SegmentReader};

use super::*;

const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn holds_token(device: &Device) -> bool {
    let (_, segments) = device.store.signed_segments().unwrap().unwrap();
    let mut found = false;
    for reference in &segments[device.strand.stream()] {
        let name = reference.name(device.store.log(), device.strand.stream());
        let bytes = bytes_of(&device.store, &name).unwrap();
        let expected =
            Expected { log: device.store.log(), stream: device.strand.stream().clone(), reference: *reference };
        let mut reader = SegmentReader::open(&expected, bytes.len() as u64, &bytes[..]).unwrap();
        let mut plain = String::new();
        while let Some(Part::Records(links)) = reader.next_part().unwrap() {
            for link in links {
                if let Frame::Record(record) = link.frame {
                    plain.push_str(&String::from_utf8(record.payload).unwrap());
                }
            }
        }
        assert!(plain.contains("REDACTED"), "{plain}");
        found |= plain.contains(TOKEN);
    }
    found
}

#[test]
fn names_notes_and_labels_leave_masked_and_are_shown_here_as_written() {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    let secret = format!("token {TOKEN}");
    let label = named(1, "label", &secret);
    let pin = named(1, "pin", "#3");
    a.rename(1, &secret, 1);
    a.publish(2);
    a.edit(1, &UserEdit::Label(secret.clone(), true), 3);
    a.edit(1, &UserEdit::Pin("#3".into(), Some(secret.clone())), 3);
    a.publish(4);
    assert!(!holds_token(&a));
    let check_here = |a: &Device| {
        assert_eq!(a.shown(&name(1)).as_deref(), Some(secret.as_str()));
        assert_eq!(a.shown(&label).as_deref(), Some("1"));
        assert_eq!(a.shown(&pin).as_deref(), Some(secret.as_str()));
        assert_eq!(a.strand.keeper().registers(None).unwrap().len(), 3);
    };
    check_here(&a);
    b.pull(&a);
    let there = b.shown(&name(1)).unwrap();
    assert!(there.starts_with("token [REDACTED:") && !there.contains(TOKEN), "{there}");
    assert_eq!(b.shown(&named(1, "label", &there)).as_deref(), Some("1"));
    // The other takes the label off, under the name that it knows, and says the name again.
    b.edit(1, &UserEdit::Label(there.clone(), false), 10);
    b.publish(11);
    a.pull(&b);
    assert_eq!(a.shown(&label), None);
    // Here it goes on again.
    a.edit(1, &UserEdit::Label(secret.clone(), true), 20);
    assert!(a.conflicts().is_empty());
    a.publish(21);
    check_here(&a);
    b.pull(&a);
    assert_eq!(b.shown(&named(1, "label", &there)).as_deref(), Some("1"));
    assert!(b.conflicts().is_empty() && !holds_token(&a));
}

#[test]
fn one_secret_said_on_two_devices_is_one_value() {
    let mut devices = [Device::new("a"), Device::new("b")];
    for device in &mut devices {
        device.rename(1, TOKEN, 1);
        device.edit(1, &UserEdit::Label(TOKEN.into(), true), 1);
    }
    meet(&mut devices, 10);
    for device in &devices {
        assert_eq!(device.conflicts(), []);
        assert_eq!(device.shown(&name(1)).as_deref(), Some(TOKEN));
        assert_eq!(device.strand.keeper().registers(None).unwrap().len(), 2);
    }
}

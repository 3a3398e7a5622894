use super::*;
use crate::fixture::{log, stream};

fn list() -> List {
    let one = |first, last| SegmentRef { first, last, bytes: 1234, digest: Digest::of(&[&[first as u8]]) };
    List {
        log: log(1),
        streams: [(stream("memory"), vec![one(1, 1)]), (stream("sessions"), vec![one(1, 4), one(5, 9)])].into(),
        holds: [(log(2), [(stream("sessions"), 12)].into())].into(),
    }
}

#[test]
fn what_was_written_is_read() {
    let written = list().write().unwrap();
    assert_eq!(List::read(&written.bytes, log(1), &written.reference).unwrap(), list());
    assert_eq!(written.name, ObjectName::list(log(1), written.reference.digest));
    assert!(matches!(List::read(&written.bytes, log(2), &written.reference), Err(ListError::Log)));
}

#[test]
fn every_single_bit_is_covered() {
    let written = list().write().unwrap();
    for at in 0..written.bytes.len() {
        for bit in 0..8 {
            let mut changed = written.bytes.clone();
            changed[at] ^= 1 << bit;
            let error = List::read(&changed, log(1), &written.reference).unwrap_err();
            assert!(matches!(error, ListError::Id) && error.is_damage());
        }
    }
    let longer = [&written.bytes[..], b"\n"].concat();
    for bytes in [&longer[..], &written.bytes[1..], &[]] {
        assert!(matches!(List::read(bytes, log(1), &written.reference), Err(ListError::Size { .. })));
    }
}

fn read_changed(from: &str, to: &str) -> Result<List, ListError> {
    let text = String::from_utf8(list().write().unwrap().bytes).unwrap();
    assert!(text.contains(from), "{from} is in {text}");
    let bytes = text.replacen(from, to, 1).into_bytes();
    let reference = ListRef { digest: Digest::of(&[&bytes]), bytes: bytes.len() as u64 };
    List::read(&bytes, log(1), &reference)
}

#[test]
fn what_does_not_hold_together_is_refused_whoever_refers_to_it() {
    assert!(matches!(read_changed("[5,9", "[6,9"), Err(ListError::Tiling(_))), "a gap");
    assert!(matches!(read_changed("[1,4", "[2,4"), Err(ListError::Tiling(_))), "not from the first on");
    assert!(matches!(read_changed("[1,4", "[5,4"), Err(ListError::Shape(_))));
    assert!(matches!(read_changed(r#"{"v":1"#, r#"{"v":2"#), Err(ListError::Newer(2))));
    assert!(matches!(read_changed("}\n", "}"), Err(ListError::Form)));
    assert!(matches!(read_changed("}\n", "}}\n"), Err(ListError::Json(_))));
    assert!(read_changed(r#"{"v":1"#, r#"{"v":1,"new":null"#).is_ok());
}

#[test]
fn a_full_list_fits() {
    let one = |first: u64| {
        let first = 900_000_000_000 + first;
        SegmentRef { first, last: first, bytes: 1 << 29, digest: Digest::of(&[&first.to_le_bytes()]) }
    };
    let mut segments: Vec<_> = (1..4096).map(one).collect();
    segments.insert(0, SegmentRef { first: 1, last: 900_000_000_000, ..one(0) });
    let mut list = List { log: log(1), streams: [(stream("sessions"), segments)].into(), holds: BTreeMap::new() };
    let written = list.write().unwrap();
    assert_eq!(List::read(&written.bytes, log(1), &written.reference).unwrap(), list);
    list.streams.get_mut(&stream("sessions")).unwrap().push(one(4096));
    assert!(matches!(list.write(), Err(ListError::Segments(4097))));
}

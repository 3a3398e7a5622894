use proptest::prelude::*;

use super::*;
use crate::fixture::{any_frame, attachment, record};
use crate::hash::encode_hex;

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_record_has_the_bytes_of_the_format() {
    let mut record = record(7);
    record.flags = Flags::REPLACES.and(Flags::KEEPS);
    record.salt = [0xaa; 16];
    record.at = Hlc { wall_ms: 0x0102_0304_0506, counter: 0x0708 };
    record.key = b"k".to_vec();
    record.wants = vec![attachment("ab")];
    record.payload = b"{}".to_vec();
    let expected = [
        "38000000", // 56 bytes follow
        "00",
        "03",
        "0700000000000000",
        "0605040302010000",
        "0807",
        "0100",
        "0100",
        &"aa".repeat(16),
        "016b",
        "01026162",
        "7b7d",
    ];
    let expected = expected.concat();
    let len = expected.len() / 2 - 4;
    let expected = expected.replacen("38", &format!("{len:02x}"), 1);
    assert_eq!(encode_hex(&encoded(&Frame::Record(record))), expected);
}

#[test]
fn limits_hold_when_writing() {
    let refused = |change: &dyn Fn(&mut Record)| {
        let mut changed = record(7);
        change(&mut changed);
        let mut out = b"before".to_vec();
        let error = Frame::Record(changed).encode(&mut out).unwrap_err();
        assert_eq!(out, b"before", "{error}");
        error
    };
    assert_eq!(refused(&|r| r.seq = 0), FrameError::Field("sequence number"));
    assert_eq!(refused(&|r| r.seq = NUMBER_MAX + 1), FrameError::Field("sequence number"));
    assert_eq!(refused(&|r| r.at.wall_ms = WALL_MS_MAX + 1), FrameError::Field("wall time"));
    assert_eq!(refused(&|r| r.key = vec![0; 129]), FrameError::Field("key"));
    assert_eq!(
        refused(&|r| {
            r.key.clear();
            r.flags = Flags::REPLACES;
        }),
        FrameError::Field("key")
    );
    assert_eq!(refused(&|r| r.wants = vec![attachment("a"); 2]), FrameError::Field("order of wants"));
    assert_eq!(refused(&|r| r.wants = vec![attachment("b"), attachment("a")]), FrameError::Field("order of wants"));
    assert!(matches!(refused(&|r| r.payload = vec![b' '; FRAME_BYTES_MAX]), FrameError::TooLarge(_)));
    let many = (0..65).map(|n| attachment(&format!("{n:03}"))).collect::<Vec<_>>();
    assert_eq!(refused(&|r| r.wants = many.clone()), FrameError::Field("number of wants"));
}

#[test]
fn what_is_looked_at_before_its_payload_is_there_is_refused_as_with_it() {
    let with = |bytes: usize| Frame::Record(Record { payload: vec![b' '; bytes], ..record(7) });
    let head = encoded(&with(0)).len() - LEN_BYTES;
    for bytes in [0, 1, FRAME_BYTES_MAX - head, FRAME_BYTES_MAX - head + 1] {
        let expected = with(bytes).encode(&mut Vec::new());
        assert_eq!(expected.is_ok(), head + bytes <= FRAME_BYTES_MAX);
        assert_eq!(with(0).check_with(bytes), expected);
    }
}

#[test]
fn what_is_out_of_bounds_is_not_read() {
    let mut bytes = encoded(&Frame::Record(record(7)));
    let check = |bytes: &[u8], expected| assert_eq!(Frame::decode(bytes).unwrap_err(), expected);
    check(&[], FrameError::Short);
    check(&u32::MAX.to_le_bytes(), FrameError::TooLarge(u32::MAX as usize));
    check(&[0; 4], FrameError::Short);
    check(&[1, 0, 0, 0, 9], FrameError::Newer(9));
    check(&bytes[..bytes.len() - 1], FrameError::Short);
    bytes[6..14].fill(0);
    check(&bytes, FrameError::Field("sequence number"));
    let stub = encoded(&Frame::Stub(Stub { seq: 1, r: Digest::of(&[]), reason: StubReason::Void }));
    check(&[&stub[..stub.len() - 1], &[3]].concat(), FrameError::Field("reason"));
    let mut longer = stub.clone();
    longer[0] += 1;
    longer.push(0);
    check(&longer, FrameError::Field("length"));
}

#[test]
fn the_digest_of_a_record_is_that_of_its_frame() {
    let record = record(7);
    let bytes = encoded(&Frame::Record(record.clone()));
    assert_eq!(record.digest().unwrap(), Digest::of(&[b"carry record 1\n", &bytes[4..]]));
    assert_eq!(Frame::decode(&bytes).unwrap().r(), Some(record.digest().unwrap()));
}

proptest! {
    #[test]
    fn a_frame_that_was_written_is_read_again(frame in any_frame(12), rest in proptest::collection::vec(any::<u8>(), 0..9)) {
        let bytes = [encoded(&frame), rest.clone()].concat();
        let read = Frame::decode(&bytes).unwrap();
        prop_assert_eq!(read.frame, frame);
        prop_assert_eq!(read.rest, &rest[..]);
    }

    #[test]
    fn whatever_is_read_has_one_encoding(frame in any_frame(12), at in any::<prop::sample::Index>(), bit in 0..8u32, cut in any::<prop::sample::Index>()) {
        let mut bytes = encoded(&frame);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        if let Ok(read) = Frame::decode(&bytes) {
            let used = bytes.len() - read.rest.len();
            prop_assert_eq!(encoded(&read.frame), &bytes[..used]);
        }
        let _ = Frame::decode(&bytes[..cut.index(bytes.len())]);
    }
}

//! Frames: what is read has exactly the bytes that it is written with.

#![no_main]

use carry_exchange::chain::{chain_start, walk};
use carry_exchange::frame::Frame;
use carry_exchange::json::check_payload;
use carry_exchange::name::LogId;
use carry_exchange::register::EditPayload;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(read) = Frame::decode(rest) {
        let mut again = Vec::new();
        read.frame.encode(&mut again).expect("what was read can be written");
        assert_eq!(again, rest[..rest.len() - read.rest.len()]);
        if let Frame::Record(record) = &read.frame {
            let _ = check_payload(&record.payload);
        }
        rest = read.rest;
    }
    if let Ok(edit) = EditPayload::from_bytes(bytes) {
        let again = edit.to_bytes().expect("what was read can be written");
        assert_eq!(EditPayload::from_bytes(&again).expect("and read again"), edit);
    }
    let start = chain_start(LogId::of_key(&[7; 32]), &"sessions".parse().expect("a stream"));
    let _ = walk(bytes, 1, 9, start, start);
});

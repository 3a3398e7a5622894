//! Segments: as a file, and with a header that is believed, since its author may be hostile.

#![no_main]

use carry_exchange::hash::Digest;
use carry_exchange::name::LogId;
use carry_exchange::segment::{Expected, PRELUDE_BYTES, SegmentReader, SegmentRef, header_bytes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let head = bytes.first_chunk().and_then(|prelude| header_bytes(prelude).ok());
    let head = head.and_then(|len| bytes.get(..PRELUDE_BYTES + usize::try_from(len).expect("it is bounded")));
    let digest = Digest::of(&[head.unwrap_or(bytes)]);
    let reference = SegmentRef { first: 1, last: 5, bytes: bytes.len() as u64, digest };
    let log = LogId::of_key(&[7; 32]);
    let expected = Expected { log, stream: "sessions".parse().expect("a stream"), reference };
    read(&expected, bytes);
    // The same bytes as JSON, behind a prelude that fits them.
    let file = [format!("carry-seg 1 {:010}\n", bytes.len()).as_bytes(), bytes].concat();
    let reference = SegmentRef { bytes: file.len() as u64, digest: Digest::of(&[&file]), ..reference };
    read(&Expected { reference, ..expected }, &file);
});

fn read(expected: &Expected, file: &[u8]) {
    let Ok(mut reader) = SegmentReader::open(expected, file.len() as u64, file) else { return };
    for block in 0..=reader.header().blocks.len() {
        let place = reader.header().place(block);
        assert!(place.is_none_or(|place| place.end <= file.len() as u64));
    }
    while let Ok(Some(_)) = reader.next_part() {}
}

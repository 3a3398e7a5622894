//! Cursor's text.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    carry_fuzz::read(&carry_sessions::source::cursor::Cursor, "p/agent-transcripts/u.txt", bytes);
});

//! OpenCode's records.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    carry_fuzz::read(&carry_sessions::source::opencode::OpenCode, "storage/session/p/ses_1.json", bytes);
});

//! Claude Code's lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    carry_fuzz::read(
        &carry_sessions::source::claude::Claude,
        "projects/-p/51ea40b0-7088-4482-8231-74d06cde3e3a.jsonl",
        bytes,
    );
});

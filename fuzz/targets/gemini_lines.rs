//! Gemini CLI's lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    carry_fuzz::read(
        &carry_sessions::source::gemini::Gemini,
        "tmp/p/chats/session-2026-03-16T08-00-33f3f781.jsonl",
        bytes,
    );
});

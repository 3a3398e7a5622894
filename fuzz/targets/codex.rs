//! Codex's lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    carry_fuzz::read(
        &carry_sessions::source::codex::Codex,
        "sessions/2026/03/14/rollout-2026-03-14T14-30-00-019cfc79-1ed5-7189-9c57-36289dcd2763.jsonl",
        bytes,
    );
});

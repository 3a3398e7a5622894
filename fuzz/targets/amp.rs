//! Amp's documents.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    carry_fuzz::read(&carry_sessions::source::amp::Amp, "T-1.json", bytes);
});

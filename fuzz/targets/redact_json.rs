//! Masking JSON: what was JSON stays JSON.

#![no_main]

use carry_redact::{Key, Redactor, Rules};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let redactor = Redactor::new(Rules::builtin(), Key::new([7; 32]));
    let masked = redactor.json(text).text.into_owned();
    if serde_json::from_str::<serde_json::Value>(text).is_ok() {
        assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{masked}");
    }
});

//! Masking any text: masking twice changes nothing.

#![no_main]

use carry_redact::{Key, Redactor, Rules};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let redactor = Redactor::new(Rules::builtin(), Key::new([7; 32]));
    let once = redactor.text(text).text.into_owned();
    assert_eq!(redactor.text(&once).text, once);
});

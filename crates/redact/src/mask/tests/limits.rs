//! Hostile text.

use base64::Engine as _;

use super::{FIELD_BYTES_MAX, assert_gone, redactor, token};

#[test]
fn text_made_to_cost_time_is_looked_through() {
    let redactor = redactor();
    let length = 1 << 18;
    let key = ["-----BEGIN PRIVATE", "KEY-----"].join(" ");
    for piece in [
        "\\",
        "a",
        "[",
        "{\"a\":",
        "[\n",
        "%25",
        "%",
        "ghp_",
        "\\u00",
        "&#x",
        "\0",
        "A+/",
        "=",
        &key,
        "password=",
        "\"password\":",
        "token:\n",
        "[REDACTED:",
        "eyJ",
        "\u{1b}[",
        "<",
    ] {
        let text = piece.repeat(length / piece.len());
        redactor.text(&text);
        redactor.json(&text);
    }
}

#[test]
fn base64_of_base64_is_followed() {
    let mut text = format!("token {} end of it", token());
    for _ in 0..3 {
        text = base64::engine::general_purpose::STANDARD.encode(text);
    }
    assert!(redactor().text(&text).text.starts_with("[REDACTED:"));
}

#[test]
fn what_is_too_long_is_withheld() {
    let text = "a".repeat(FIELD_BYTES_MAX + 1);
    let redactor = redactor();
    let found = redactor.text(&text);
    assert!(found.text.starts_with("[REDACTED:withheld:"), "{:?}", found.text.len());
    assert_eq!(found.findings[0].span, 0..text.len());
    let json = redactor.json(&text);
    assert!(serde_json::from_str::<String>(&json.text).is_ok());
}

#[test]
fn a_secret_at_every_place_of_a_long_text_is_found() {
    let token = token();
    let redactor = redactor();
    for at in [0, 9, 4995, 16_002, 16_380, 16_389, 69_993] {
        let mut text = "password ".repeat(10_000);
        text.insert_str(at, &format!("{token} "));
        assert_gone(&redactor.text(&text).text, &token);
    }
}

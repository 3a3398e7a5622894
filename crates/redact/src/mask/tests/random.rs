//! Masking of texts that are put together at random.

use base64::Engine as _;
use proptest::prelude::*;
use serde_json::Value;

use super::{PASSWORD, assert_gone, redactor, token};

/// Bits of text that mean something to some decoder.
const BITS: &[&str] = &[
    "\\",
    "\"",
    "\\\"",
    "\\n",
    "\\u0067",
    "\\u0000",
    "%41",
    "%25",
    "&quot;",
    "&#103;",
    "\0",
    "\n",
    "\r\n+ ",
    "\u{1b}[31m",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "=",
    "password=",
    "\"token\": \"",
    "Authorization: Bearer ",
    "-----BEGIN PRIVATE ",
    "KEY-----",
    "AbCd0123",
    "://u:",
    "@h",
    "[REDACTED:github-pat:0123abcd]",
    "[REDACTED:",
    "ghp_",
    "YWJjZGVmZ2hpamtsbW5vcA==",
    "6768705f",
];

fn bit() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ -~]{0,12}",
        1 => "\\PC{0,4}",
        4 => prop::sample::select(BITS).prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(bit(), 0..24).prop_map(|bits| bits.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![text(), Just("password".to_owned()), Just("name".to_owned()), Just("value".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner.clone()), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner.prop_map(|value| Value::String(value.to_string())),
        ]
    })
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A secret behind up to three encodings.
fn encoded(secret: String) -> impl Strategy<Value = String> {
    prop::collection::vec(0..4_u8, 0..4).prop_map(move |layers| {
        layers.into_iter().fold(format!("it is {secret} !"), |text, layer| match layer {
            0 => Value::from(text).to_string(),
            1 => serde_json::json!({"a": [text], "b": 1}).to_string(),
            2 => format!("see {} there", base64::engine::general_purpose::STANDARD.encode(text)),
            _ => percent(&text),
        })
    })
}

proptest! {
    #[test]
    fn masking_twice_changes_nothing(text in text()) {
        let redactor = redactor();
        let once = redactor.text(&text).text.into_owned();
        prop_assert_eq!(redactor.text(&once).text, once.as_str());
    }

    #[test]
    fn json_stays_json_of_the_same_shape(json in json()) {
        let redactor = redactor();
        let text = json.to_string();
        let masked = redactor.json(&text);
        let after: Value = serde_json::from_str(&masked.text).unwrap();
        super::json::assert_same_shape(&json, &after);
        if masked.findings.is_empty() {
            prop_assert_eq!(&masked.text, &text);
        }
        prop_assert_eq!(redactor.json(&masked.text).text, masked.text.as_ref());
    }

    #[test]
    fn a_token_is_found_behind_any_encoding(
        text in encoded(token()), before in "[a-z ]{0,30} ", after in " [a-z ]{0,30}",
    ) {
        let redactor = redactor();
        let text = format!("{before}{text}{after}");
        assert_gone(&redactor.text(&text).text, &token());
        assert_gone(&redactor.json(&Value::from(text).to_string()).text, &token());
    }

    #[test]
    fn a_named_value_is_found_behind_any_encoding(text in encoded(format!("password={PASSWORD}"))) {
        assert_gone(&redactor().text(&text).text, PASSWORD);
    }

    #[test]
    fn findings_are_in_order_and_apart(text in text()) {
        let redactor = redactor();
        let found = redactor.text(&text);
        let mut end = 0;
        for finding in &found.findings {
            prop_assert!(finding.span.start >= end && finding.span.end <= text.len());
            prop_assert!(text.is_char_boundary(finding.span.start) && text.is_char_boundary(finding.span.end));
            end = finding.span.end;
        }
        if found.findings.is_empty() {
            prop_assert!(matches!(found.text, std::borrow::Cow::Borrowed(_)));
        }
    }
}

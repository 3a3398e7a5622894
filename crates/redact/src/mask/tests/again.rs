//! Masking what was masked. Most of these came out of random tests.

use serde_json::{Value, json};

use super::json::assert_same_shape;
use super::{PASSWORD, Redactor, assert_gone, redactor, token};
use crate::mask::Fingerprint;
use crate::matrix::Hiding;
use crate::placeholder::placeholder;

/// Masks `text`, and expects that masking again finds nothing.
#[track_caller]
fn once(redactor: &Redactor, text: &str) -> String {
    let masked = redactor.text(text).text.into_owned();
    assert_eq!(redactor.text(&masked).findings, [], "{masked:?}");
    masked
}

/// The same for JSON, which keeps its shape.
#[track_caller]
fn json_once(json: &Value) {
    let redactor = redactor();
    let text = json.to_string();
    let masked = redactor.json(&text).text.into_owned();
    assert_same_shape(json, &serde_json::from_str(&masked).unwrap());
    assert_eq!(redactor.json(&masked).findings, [], "{masked:?}");
}

/// Looking below the escape at the end begins in the middle of the placeholder.
#[test]
fn an_escape_behind_a_placeholder_does_not_cut_it() {
    let blob = "YWJjZGVmZ2hpamtsbW5vcA==";
    let other = "[REDACTED:github-pat:0123abcd]";
    for text in [
        format!("password=BHhi:0\"AAA0 0A\\ AAA{other}0 A0 Aa𑶓a0AAA0A0Aaaa a0a0a0aAaA A 0AaAaﹶ  \\u0067"),
        "password=I21E$'password=KEY-----!0aFb' A  AA00  0password=aA a0A AaApassword=\\u0067".to_owned(),
        format!("password=Y0#aLOccDg\"   0  \"token\": \"  0Aa000Aaa0 a AA AAa  0A{blob}{blob}\\u0067"),
        format!("password=C*B#;A  000a 0 \"token\": \"password=password={other}AAAaA aa0    A 0aA  0\\u0067"),
        format!("password=l#m$\"Aa𞱱¡𖬀ጘaA豈￼a0 a0A a{other}A{blob}00%41\\u0000"),
    ] {
        once(&redactor(), &text);
    }
    for json in [
        json!([{"password": format!("D':p\"B;0AAaAuthorization: Bearer {blob}{other}\\u0067")}]),
        json!({"password": [format!("5%!E 0  AAuthorization: Bearer {blob}{other}\\u0067")]}),
        json!({"password": format!("fi+k3%\r\n+  𐄀a 0 0A apassword=0!!\"token\": \"{other}\\u0067")}),
        json!([{"name": format!(
            "password=\\u00676qBl1-----BEGIN PRIVATE {blob}AaAAAaa  a Aa AAA00 a    AA{other}\\u0067"
        )}]),
        json!({"": {"name": format!("password=\u{1b}[31m{blob}; AA0Authorization: Bearer {other} 00{other}\\u0067")}}),
        json!([format!("\"password=Wk^F\\\"aa0aa{other}A0password={other}\\r\\n+ a AA aAaa\\\\u0067\"")]),
    ] {
        json_once(&json);
    }
}

/// With the secret goes the quote that made the rest a text of its own.
#[test]
fn what_masking_lays_bare_is_masked_with_it() {
    for value in [
        "\"AAa;\\\"token\\\": \\\"\\\\u0067password=\"",
        "\"&quot;\\\"token\\\": \\\"a#0Aapassword=\\\\u0067\"",
        "\"\\\"token\\\": \\\"\\\"token\\\": \\\"Aa0!aAb#c\\\\u0067\"",
        "{\"password\":\"password=\",\"name\":\"\\\"token\\\": \\\"\\\"token\\\": \\\"a0b0&quot;\"}",
    ] {
        json_once(&json!({"password": value}));
    }
}

#[test]
fn half_an_escape_does_not_stay() {
    json_once(&json!(["Authorization: Bearer \0KEY-----ghp_"]));
    json_once(&json!({"": ["Authorization: Bearer \0Authorization: Bearer "]}));
    json_once(
        &json!({"name": "\0YWJjZGVmZ2hpamtsbW5vcA==", "": ["Authorization: Bearer \\u0000YWJjZGVmZ2hpamtsbW5vcA=="]}),
    );
    let token = token();
    let quoted = Value::from(format!("\n{}", &token[1..])).to_string();
    let redactor = redactor().knowing(&[format!("n{}", &token[1..])]);
    assert!(serde_json::from_str::<Value>(&redactor.json(&quoted).text).is_ok());
}

#[test]
fn a_placeholder_is_one_below_escapes_and_at_any_distance() {
    let redactor = redactor();
    let whole = placeholder("connection-password", Fingerprint([0x43, 0xc4, 0xbe, 0x82]));
    for hiding in [Hiding::Plain, Hiding::EscapedTwice, Hiding::JsonInJson, Hiding::Percent] {
        let hidden = hiding.hide(&format!("it is \"{whole}\""));
        for gap in 0..720 {
            for text in [
                format!("{hidden} {} token: \"none\" %41", "a ".repeat(gap / 2)),
                format!("%41 token: \"none\" {} {hidden}", "a ".repeat(gap / 2)),
            ] {
                assert_eq!(redactor.text(&text).findings, [], "{text:?}");
            }
        }
    }
}

#[test]
fn what_stands_in_a_placeholder_is_no_value_that_is_known() {
    let values = ["REDACTED", "connection-password", "password"].map(str::to_owned);
    let redactor = redactor().knowing(&values);
    let masked = once(&redactor, &format!("REDACTED; password={PASSWORD};x connection-password"));
    assert_gone(&masked, PASSWORD);
    assert!(!masked.contains("[["), "{masked:?}");
}

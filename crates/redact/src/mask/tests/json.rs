//! Secrets in JSON.

use serde_json::{Value, json};

use super::{PASSWORD, assert_gone, redactor, token};

/// Masks `json` and expects JSON of the same shape without `secret`.
fn masked(json: &str, secret: &str) -> String {
    let redactor = redactor();
    let found = redactor.json(json);
    assert_gone(&found.text, secret);
    let before: Value = serde_json::from_str(json).unwrap();
    let after: Value = serde_json::from_str(&found.text).unwrap();
    assert_same_shape(&before, &after);
    assert_eq!(redactor.json(&found.text).text, found.text, "masking twice changed it");
    let mut value = before;
    let findings = redactor.value(&mut value);
    assert_eq!(findings.is_empty(), found.findings.is_empty());
    assert_eq!(value, after);
    found.text.into_owned()
}

pub(super) fn assert_same_shape(before: &Value, after: &Value) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.len(), b.len());
            a.values().zip(b.values()).for_each(|(a, b)| assert_same_shape(a, b));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| assert_same_shape(a, b));
        }
        (Value::String(_), Value::String(_)) => {}
        (a, b) => assert_eq!(a, b),
    }
}

#[test]
fn values_are_masked_by_the_names_of_their_members() {
    for json in [
        json!({"password": PASSWORD}),
        json!({"a": {"db_password": [PASSWORD]}}),
        json!({"name": "API_KEY", "value": PASSWORD}),
        json!([{"value": PASSWORD, "key": "client_secret"}]),
        json!(["Authorization", format!("Bearer {PASSWORD}")]),
        json!({"headers": [["Authorization", format!("Bearer {PASSWORD}")]]}),
        json!(["deploy", "--password", PASSWORD]),
        json!({"arguments": json!({"password": PASSWORD}).to_string()}),
        json!({"arguments": json!({"body": json!({"password": PASSWORD}).to_string()}).to_string()}),
        json!({"text": format!("export PASSWORD={PASSWORD}\nls")}),
    ] {
        masked(&json.to_string(), PASSWORD);
        masked(&serde_json::to_string_pretty(&json).unwrap(), PASSWORD);
    }
}

#[test]
fn a_value_with_quotes_is_masked_whole() {
    let secret = "ab\"cd'ef\\9gh\"Xk3";
    let text = masked(&json!({"password": secret, "n": 1.5}).to_string(), "\\9gh\\\"Xk3");
    assert!(text.starts_with("{\"password\":\"[REDACTED:") && text.ends_with("]\",\"n\":1.5}"), "{text}");
}

#[test]
fn names_of_members_are_masked() {
    let token = token();
    masked(&json!({token.as_str(): 1, "b": {token.as_str(): 2}}).to_string(), &token);
}

#[test]
fn what_is_not_secret_keeps_its_bytes() {
    let token = token();
    let json = format!("{{ \"n\" : 1.000e5,\"u\":\"\\u00e9\\/\", \"t\":\"{token}\" ,\"z\":[ ] }}");
    let text = masked(&json, &token);
    assert!(text.starts_with("{ \"n\" : 1.000e5,\"u\":\"\\u00e9\\/\", \"t\":\"[REDACTED:"), "{text}");
    assert!(text.ends_with("]\" ,\"z\":[ ] }"), "{text}");
}

#[test]
fn seals_of_thoughts_stay() {
    let seal = format!("{}{}", "Ab9+".repeat(90), token());
    let json = json!({"type": "thinking", "signature": seal, "token": "x"}).to_string();
    assert_eq!(redactor().json(&json).text, json);
}

#[test]
fn lines_of_json_in_text_are_looked_into() {
    let text = format!(
        "first\n{}\n{}\nlast",
        json!({"name": "API_KEY", "value": PASSWORD}),
        json!(["Authorization", format!("Bearer {PASSWORD}")])
    );
    super::masked(&text, PASSWORD);
}

#[test]
fn json_of_any_depth_is_masked() {
    let depth = 100_000;
    let token = token();
    let json = format!("{}\"{token}\"{}", "[".repeat(depth), "]".repeat(depth));
    let redactor = redactor();
    let found = redactor.json(&json);
    assert_gone(&found.text, &token);
    assert!(found.text.starts_with("[[[") && found.text.ends_with("]]]"));
}

#[test]
fn what_is_no_json_is_masked_as_text() {
    let redactor = redactor();
    for json in ["{\"password\":\"@\"", "{'password': '@'}", "{\"a\":1} {\"password\":\"@\"}"] {
        assert_gone(&redactor.json(&json.replace('@', PASSWORD)).text, PASSWORD);
    }
}

#[test]
fn private_keys_are_masked_whole() {
    let body = PASSWORD.repeat(20);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let label = ["RSA PRIVATE", "KEY"].join(" ");
    let key = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"));
    let json = json!({"command": format!("cat > k <<E\n{key}\nE"), "arguments": json!({"key": key}).to_string()});
    masked(&json.to_string(), PASSWORD);
    for key in [
        key.clone(),
        key[..200].to_owned(),
        key.replace('\n', "\n    "),
        key.replace('\n', "\\n"),
        key.replace('\n', "\\\\n"),
        key.replace('\n', "\n+"),
    ] {
        super::masked(&format!("a {key}"), PASSWORD);
    }
}

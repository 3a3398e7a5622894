//! Masking as a whole.

mod again;
mod encodings;
mod json;
mod limits;
mod random;

use super::{AllowList, Encoding, FIELD_BYTES_MAX, Finding, Fingerprint, Key, Masked, Redactor};
use crate::rules::Rules;

fn redactor() -> Redactor {
    Redactor::new(Rules::builtin(), Key::new([7; 32]))
}

/// A token of GitHub's, put together here.
fn token() -> String {
    Rules::builtin().all().iter().find(|rule| rule.id == "github-pat").map(|rule| (rule.example)().1).unwrap()
}

/// A password, and no 8 bytes of it stand elsewhere.
const PASSWORD: &str = "vR7kq2Lp9TzX4mWc8bNd";

/// Fails if any 8 bytes of `secret` stand in `text`.
fn assert_gone(text: &str, secret: &str) {
    // The name of a rule may hold the beginning of its tokens.
    let placeholders = crate::placeholder::find(text);
    let text = placeholders.iter().rev().fold(text.to_owned(), |mut text, span| {
        text.replace_range(span.clone(), "[]");
        text
    });
    for window in secret.as_bytes().windows(8) {
        let window = String::from_utf8_lossy(window);
        assert!(!text.contains(&*window), "{window:?} of the secret is left in {text:?}");
    }
}

/// Masks `text`, and expects `secret` to be gone and masking again to change nothing.
fn masked(text: &str, secret: &str) -> Masked<'static> {
    let redactor = redactor();
    let masked = redactor.text(text);
    assert!(!masked.findings.is_empty(), "nothing was found in {text:?}");
    assert_gone(&masked.text, secret);
    let again = redactor.text(&masked.text);
    assert_eq!(again.text, masked.text, "masking twice changed it");
    Masked { text: masked.text.into_owned().into(), findings: masked.findings }
}

#[test]
fn each_rule_finds_its_example() {
    let redactor = redactor().strict();
    for rule in Rules::builtin().all() {
        let (text, secret) = (rule.example)();
        let found = redactor.text(&text);
        assert_gone(&found.text, &secret);
        let span = text.find(&secret).map(|at| at..at + secret.len()).unwrap();
        let covers = |finding: &Finding| finding.span.start < span.end && finding.span.end > span.start;
        assert!(found.findings.iter().any(covers), "{}: {:?} in {text:?}", rule.id, found.findings);
    }
}

#[test]
fn patterns_compile() {
    assert_eq!(Rules::builtin().set().check(), Vec::<String>::new());
}

#[test]
fn a_placeholder_names_the_rule_and_the_keyed_hash() {
    let token = token();
    let found = masked(&format!("use {token} please"), &token);
    let fingerprint = Key::new([7; 32]).fingerprint(&token);
    assert_eq!(found.text, format!("use [REDACTED:github-pat:{fingerprint}] please"));
    assert_eq!(found.findings[0].span, 4..4 + token.len());
    assert_ne!(fingerprint, Key::new([8; 32]).fingerprint(&token));
}

#[test]
fn text_without_secrets_is_borrowed() {
    let text = "The token count is 17; see secret santa, commit 9fceb02d0ae598e95dc970b74767f19372d61af8.";
    let found = redactor();
    let found = found.text(text);
    assert!(matches!(found.text, std::borrow::Cow::Borrowed(_)), "{:?}", found.findings);
}

#[test]
fn decoys_stay() {
    let redactor = redactor();
    for text in [
        ["AKIA", "IOSFODNN7", "EXAMPLE"].concat(),
        ["gh", "p_", &"x".repeat(36)].concat(),
        "password: ${DB_PASSWORD}".to_owned(),
        "token = os.environ['GITHUB_TOKEN']".to_owned(),
        "password=$DB_PASSWORD".to_owned(),
        "token: {{ vault_token }}".to_owned(),
        "secret: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        "\"token_use_id\": \"toolu_01A09q90qw90lq917835lq9\"".to_owned(),
        "token: 123e4567-e89b-12d3-a456-426614174000".to_owned(),
        "api_key=****************".to_owned(),
    ] {
        let found = redactor.text(&text);
        assert_eq!(found.text, text);
    }
}

#[test]
fn allowed_values_fingerprints_and_rules_are_let_through() {
    let token = token();
    let text = format!("use {token} please");
    let fingerprint = Key::new([7; 32]).fingerprint(&token);
    for allow in [
        AllowList { values: vec![token.clone()], ..AllowList::default() },
        AllowList { fingerprints: vec![fingerprint], ..AllowList::default() },
        AllowList { rules: vec!["github-pat".to_owned()], ..AllowList::default() },
    ] {
        assert_eq!(redactor().allowing(allow).text(&text).text, text);
    }
    let other = AllowList { fingerprints: vec![Fingerprint([0; 4])], ..AllowList::default() };
    assert_gone(&redactor().allowing(other).text(&text).text, &token);
}

#[test]
fn known_values_are_masked_whatever_they_look_like() {
    let value = "correct horse \"battery\" staple";
    let redactor = redactor().knowing(&[value.to_owned(), "short".to_owned()]);
    let quoted = serde_json::Value::from(value).to_string();
    let twice = serde_json::Value::from(quoted.as_str()).to_string();
    for text in [format!("it is {value}, yes"), format!("it is {quoted}"), format!("it is {twice}")] {
        assert_gone(&redactor.text(&text).text, "correct horse ");
        assert_gone(&redactor.text(&text).text, " staple");
    }
    assert_eq!(redactor.text("short").text, "short");
}

#[test]
fn overlapping_findings_become_one() {
    let token = token();
    let text = format!("password={token}");
    let found = masked(&text, &token);
    assert_eq!(found.findings.len(), 1);
    assert_eq!(found.findings[0].rule, "github-pat");
    assert_eq!(found.findings[0].encoding, Encoding::Plain);
}

#[test]
fn letters_of_changing_case_are_secrets_where_a_name_says_so() {
    let value = ["CGmUXi", "APyhzAna"].concat();
    for before in ["DB_PASS=", "ADMIN_PW=", "wget --password=", "{\"secret\": \"", "password: "] {
        assert_gone(&redactor().text(&format!("{before}{value}\"\n")).text, &value);
    }
    let short = ["u5fZ1", "T436O"].concat();
    assert_gone(&redactor().text(&format!("client_secret: {short}\n")).text, &short);
}

#[test]
fn counting_numbers_do_not_excuse_a_random_part() {
    let random = ["Q3mT9vXw2Lp", "Z7RbN1cYdF0s4"].concat();
    for token in [
        format!("https://hooks.slack.com/services/T12345678/B12345678/{random}"),
        ["xo", "xb-123456789012-123456789012-", &random].concat(),
        ["123456789:A", "A", &random, "kWq8uHj2e"].concat(),
    ] {
        assert_gone(&redactor().text(&format!("see {token} there")).text, &random);
    }
}

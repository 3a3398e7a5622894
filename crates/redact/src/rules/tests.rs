use std::collections::BTreeSet;

use regex::Regex;

use super::{BUILTIN, Confidence, Rule};

fn all() -> impl Iterator<Item = &'static Rule> {
    BUILTIN.iter().flat_map(|rules| rules.iter())
}

fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| -(f64::from(*count) / length) * (f64::from(*count) / length).log2())
        .sum()
}

/// What a rule finds in a text, without the engine around it.
fn found(rule: &Rule, pattern: &Regex, text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    if !rule.keywords.is_empty() && !rule.keywords.iter().any(|keyword| lower.contains(keyword)) {
        return Vec::new();
    }
    pattern
        .captures_iter(text)
        .filter_map(|captures| captures.name("secret").or_else(|| captures.get(0)))
        .map(|secret| secret.as_str().to_owned())
        .filter(|secret| rule.check.is_none_or(|check| check(secret)) && entropy(secret) >= f64::from(rule.entropy_min))
        .collect()
}

#[test]
fn every_rule_finds_its_example_and_exactly_the_secret() {
    let mut wrong = Vec::new();
    for rule in all() {
        let pattern = match Regex::new(rule.pattern) {
            Ok(pattern) => pattern,
            Err(error) => {
                wrong.push(format!("{}: {error}", rule.id));
                continue;
            }
        };
        let (text, secret) = (rule.example)();
        assert!(text.contains(&secret), "{}: the example does not hold its secret", rule.id);
        let found = found(rule, &pattern, &text);
        if found != [secret.clone()] {
            wrong.push(format!(
                "{}: found {found:?} in {text:?} by {:?}, entropy {:.2}",
                rule.id,
                pattern.captures(&text).and_then(|c| c.name("secret").map(|m| m.as_str().to_owned())),
                entropy(&secret)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} rules:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_a_keyword_that_occurs_in_its_example() {
    let lacks = |rule: &Rule| {
        let text = (rule.example)().0.to_lowercase();
        (rule.keywords.is_empty() != (rule.confidence == Confidence::Guess))
            || !(rule.keywords.is_empty() || rule.keywords.iter().any(|keyword| text.contains(keyword)))
            || rule.keywords.iter().any(|keyword| keyword.len() < 2 || *keyword != keyword.to_lowercase())
    };
    let lacking: Vec<&str> = all().filter(|rule| lacks(rule)).map(|rule| rule.id).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn there_are_many_kinds_and_their_names_are_their_own() {
    let ids: BTreeSet<&str> = all().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), all().count());
    assert!(ids.len() >= 200, "{}", ids.len());
    assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')));
}

#[test]
fn no_rule_fires_on_what_is_no_secret() {
    let sure = all().filter(|rule| rule.confidence > Confidence::Guess);
    let rules: Vec<(&Rule, Regex)> = sure
        .map(|rule| (rule, Regex::new(rule.pattern).unwrap_or_else(|error| panic!("{}: {error}", rule.id))))
        .collect();
    let mut wrong = Vec::new();
    for decoy in crate::matrix::decoys() {
        for (rule, pattern) in &rules {
            for secret in found(rule, pattern, &decoy) {
                wrong.push(format!("{} takes {secret:?} in {decoy:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_checksum_of_a_github_token_makes_even_an_odd_one_certain() {
    let github = all().find(|rule| rule.id == "github-pat").unwrap();
    let check = github.check.unwrap();
    let payload = "x".repeat(30);
    assert!(!check(&["gh", "p_", &payload, "000000"].concat()));
    // CRC-32 of thirty x is a number of which the six digits to base 62 follow.
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(payload.as_bytes());
    let mut sum = Vec::new();
    for _ in 0..6 {
        sum.insert(0, char::from(digits[(rest % 62) as usize]));
        rest /= 62;
    }
    assert!(check(&["gh", "p_", &payload, &sum.iter().collect::<String>()].concat()));
}

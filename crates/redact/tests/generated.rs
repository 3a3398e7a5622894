//! Masks transcripts that generators write: every kind of secret in every place, and proof that none is left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use carry_redact::{Finding, Fingerprint, Key, Redactor, Rules};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// How much of a secret may be left.
const WINDOW: usize = 8;

/// Kinds that only a name gives away, and the line that has none: a value of forty characters under "value". A redactor that is
/// strict takes it.
const UNNAMED: (&str, &str) = ("aws-secret-key", "value");

fn redactor() -> Redactor {
    Redactor::new(Rules::builtin(), Key::new([7; 32]))
}

/// Runs a generator beside the fixtures of sessions.
fn generate(script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sessions/tests/fixtures").join(script);
    let output = Command::new("python3").arg(script).args(arguments).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All transcripts below `folder`.
fn transcripts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder made by the generators") {
        let path = entry.expect("a folder made by the generators").path();
        if path.is_dir() {
            found.extend(transcripts(&path));
        } else if path.extension().is_some_and(|ending| ending == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn lines(folder: &Path) -> Vec<String> {
    let texts = transcripts(folder)
        .into_iter()
        .map(|path| std::fs::read_to_string(path).expect("a folder made by the generators"));
    let lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(!lines.is_empty());
    lines
}

/// The kinds of values in a tree, and the names of members.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(_) => "text".to_owned(),
        Value::Array(values) => format!("[{}]", values.iter().map(shape).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{}", shape(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// Masks a line both ways; the line that is JSON must stay JSON.
fn masked(redactor: &Redactor, line: &str) -> Vec<(String, Vec<Finding>)> {
    let json = redactor.json(line);
    let before: Value = serde_json::from_str(line).expect("each line is JSON");
    let after: Value = serde_json::from_str(&json.text).unwrap_or_else(|error| panic!("{error}: {}", json.text));
    assert_eq!(shape(&before), shape(&after));
    let text = redactor.text(line);
    assert!(serde_json::from_str::<Value>(&text.text).is_ok(), "{}", text.text);
    [json, text].map(|masked| (masked.text.into_owned(), masked.findings)).into()
}

/// Text without placeholders, whose names of rules may look like the beginnings of tokens.
fn bare(text: &str) -> String {
    let mut pieces = text.split("[REDACTED:");
    let mut bare = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        bare.push_str(piece.split_once(']').map_or(piece, |(_, rest)| rest));
    }
    bare
}

/// The parts of a planted value that are secret: not the name, address or frame around it.
fn parts(kind: &str, value: &str) -> Vec<String> {
    let between = |start: &str, end: &str| {
        let (_, rest) = value.split_once(start).expect("the frame of its kind");
        vec![rest.split_once(end).map_or(rest, |(part, _)| part).to_owned()]
    };
    match kind {
        "postgres-url" | "basic-auth-url" => between("svc:", "@"),
        "redis-url" => between("//:", "@"),
        "generic-env" => between("=", "\n"),
        "generic-json" => between(": \"", "\""),
        "private-key" => value.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect(),
        _ => vec![value.to_owned()],
    }
}

/// The first piece of `secret` that can be read in `text`.
fn left<'s>(text: &str, secret: &'s str) -> Option<&'s str> {
    let piece = |at: usize| secret.get(at..at + WINDOW).filter(|piece| text.contains(*piece));
    (0..=secret.len().saturating_sub(WINDOW)).find_map(piece)
}

#[test]
fn nothing_is_left_of_any_kind_of_secret_in_any_place() {
    let folder = tempfile::tempdir().unwrap();
    generate("generate_sessions.py", &["--secrets-matrix", "--out", folder.path().to_str().unwrap()]);
    let truth = std::fs::read_to_string(folder.path().join("secrets-matrix.json")).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let (usual, strict) = (redactor(), redactor().strict());
    let lines = lines(folder.path());
    let all: Vec<_> = lines.iter().map(|line| (line.clone(), masked(&usual, line))).collect();

    let secrets = truth["secrets"].as_array().unwrap();
    assert_eq!(secrets.len(), 23);
    let mut misses = BTreeSet::new();
    for secret in secrets {
        let kind = secret["kind"].as_str().unwrap();
        for part in parts(kind, secret["value"].as_str().unwrap()) {
            assert!(lines.iter().any(|line| line.contains(&part)), "{kind} is not in the transcripts");
            for (line, outcomes) in &all {
                for (text, _) in outcomes {
                    let Some(piece) = left(&bare(text), &part) else { continue };
                    let is_unnamed = kind == UNNAMED.0 && line.to_lowercase().contains(UNNAMED.1);
                    if !is_unnamed {
                        misses.insert(format!("{kind}: {piece} in {text}"));
                    } else if left(&bare(&strict.text(line).text), &part).is_some() {
                        misses.insert(format!("{kind}, strict: {piece} in {text}"));
                    }
                }
            }
        }
    }
    assert!(misses.is_empty(), "{} misses\n{}", misses.len(), misses.into_iter().collect::<Vec<_>>().join("\n"));

    for decoy in truth["decoys"].as_array().unwrap() {
        let decoy = decoy.as_str().unwrap();
        for (line, outcomes) in all.iter().filter(|(line, _)| line.contains(decoy)) {
            for (text, findings) in outcomes {
                assert_eq!(text, line, "{decoy}: {findings:?}");
            }
        }
    }
}

#[test]
fn equal_secrets_have_equal_placeholders() {
    let folder = tempfile::tempdir().unwrap();
    generate("generate_sessions.py", &["--secrets-matrix", "--out", folder.path().to_str().unwrap()]);
    let truth = std::fs::read_to_string(folder.path().join("secrets-matrix.json")).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let redactor = redactor();
    let mut seen: BTreeMap<Fingerprint, BTreeSet<&str>> = BTreeMap::new();
    for line in lines(folder.path()) {
        for (text, findings) in masked(&redactor, &line) {
            for finding in findings {
                assert!(text.contains(&carry_redact::placeholder(finding.rule, finding.fingerprint)), "{text}");
                seen.entry(finding.fingerprint).or_default().insert(finding.rule);
            }
        }
    }
    let key = Key::new([7; 32]);
    for secret in truth["secrets"].as_array().unwrap() {
        let kind = secret["kind"].as_str().unwrap();
        if kind == "private-key" {
            continue;
        }
        for part in parts(kind, secret["value"].as_str().unwrap()) {
            let rules = seen.get(&key.fingerprint(&part)).unwrap_or_else(|| panic!("{kind} has no placeholder"));
            // What has a form of its own has one name wherever it stands; what only its name gives away is called by that.
            let has_form = !(kind.starts_with("generic-") || kind.ends_with("-url") || kind == UNNAMED.0);
            assert!(!has_form || rules.len() == 1, "{kind}: {rules:?}");
        }
    }
}

#[test]
fn nothing_is_left_of_the_secrets_in_the_fixture() {
    let folder = tempfile::tempdir().unwrap();
    generate("build.py", &[folder.path().to_str().unwrap()]);
    let truth = std::fs::read_to_string(folder.path().join("expected-secrets.json")).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let session = format!("{}.jsonl", truth["session"].as_str().unwrap());
    let path = transcripts(folder.path()).into_iter().find(|path| path.ends_with(&session)).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let redactor = redactor();
    let all: Vec<String> =
        text.lines().flat_map(|line| masked(&redactor, line)).map(|(masked, _)| bare(&masked)).collect();
    for secret in truth["secrets"].as_array().unwrap() {
        let value = planted(&text, secret).unwrap_or_else(|| panic!("{secret} is not in the fixture"));
        for masked in &all {
            assert_eq!(left(masked, value), None, "{} in {masked}", secret["kind"]);
        }
    }
    for decoy in [["AK", "IAIOSFODNN7", "EXAMPLE"].concat(), ["gh", "p_", &"x".repeat(36)].concat()] {
        assert!(all.iter().any(|masked| masked.contains(&decoy)), "{decoy}");
    }
}

/// The value in `text` that has the digest of `secret`.
fn planted<'t>(text: &'t str, secret: &Value) -> Option<&'t str> {
    let length = usize::try_from(secret["len"].as_u64()?).ok()?;
    let digest = secret["sha256"].as_str()?;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    let mut run = 0;
    for (at, byte) in bytes.iter().enumerate() {
        run = if is_part(*byte) { run + 1 } else { 0 };
        if run >= length {
            let value = &text[at + 1 - length..=at];
            let hex: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
            if hex == digest {
                return Some(value);
            }
        }
    }
    None
}

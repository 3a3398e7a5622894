use std::collections::BTreeSet;

use super::*;
use crate::export::{self, Document};
use crate::fixture;
use crate::git_links::{Evidence, LinkKind};
use crate::model::{Block, Image, NativeId, ProviderId, Role};

/// A token in the shape of a provider's, made of pieces so that no scanner takes this file for a leak.
fn token() -> String {
    format!("{}_{}", "ghp", "0Kb5Jc8TqWv3Zx7Rm2Ld9Fs4Hy6Ng1Pa3uEi")
}

fn redactor() -> Redactor {
    Redactor::new(Rules::builtin(), Key::new([7; 32]))
}

/// A session that holds `secret` in every text field it has.
fn everywhere(secret: &str) -> (SessionRow, Vec<StoredMessage>, Vec<Pin>, Vec<GitLink>) {
    let said = |what: &str| format!("{what} {secret} end");
    let mut session = fixture::session();
    session.native = NativeId(said("native"));
    session.parent = Some((NativeId(said("parent")), crate::model::RelationKind::Subagent));
    session.project = said("project");
    session.project_key = said("key");
    session.path = Some(said("/path").into());
    session.labels = vec![said("label")];
    for field in [
        &mut session.cwd,
        &mut session.branch,
        &mut session.name,
        &mut session.first_prompt,
        &mut session.entrypoint,
        &mut session.kind,
        &mut session.version,
        &mut session.resume,
        &mut session.model,
    ] {
        *field = Some(said("field"));
    }
    let mut call = fixture::bash(&said("echo"));
    call.id = said("id");
    call.name = said("name");
    call.skill = Some(said("skill"));
    call.file = Some(said("/file"));
    call.subagent = Some(NativeId(said("sub")));
    let image = Image { media: said("image/png"), bytes: 3, hash: "00".to_owned() };
    let other =
        Block::Other { kind: said("kind"), json: serde_json::json!({ said("name"): said("value") }).to_string() };
    let blocks = vec![
        Block::Text(said("text")),
        Block::Thinking(said("thought")),
        Block::Call(call),
        Block::Image(image.clone()),
        other,
    ];
    let mut stored = fixture::message(0, Role::Assistant, blocks);
    stored.message.key = Some(said("key"));
    stored.message.subtype = Some(said("subtype"));
    stored.message.model = Some(said("model"));
    stored.message.effort = Some(said("effort"));
    stored.message.provider_id = Some(ProviderId { message: said("m"), request: said("r") });
    let mut output = fixture::output(0, 0, &said("content"));
    output.result.source = said("source");
    output.result.subagent = Some(NativeId(said("sub")));
    output.result.images = vec![image];
    stored.results = vec![output];
    let pin = Pin { message: said("message"), note: said("note"), at: carry_kernel::hlc::Hlc::default() };
    let link = GitLink {
        kind: LinkKind::Commit,
        target: said("target"),
        evidence: Evidence::Created,
        repo: Some(said("repo")),
        number: None,
        branch: Some(said("branch")),
        subject: Some(said("subject")),
        full_sha: Some(said("sha")),
        supersedes: Some(said("old")),
        superseded_by: Some(said("new")),
        ordinal: 0,
        index: None,
    };
    (session, vec![stored], vec![pin], vec![link])
}

#[test]
fn no_field_of_any_part_lets_a_secret_through() {
    let secret = token();
    let (session, messages, pins, links) = everywhere(&secret);
    let safe = mask(&redactor(), session, messages, pins, links);
    let shown = format!("{:?} {:?} {:?} {:?}", safe.session, safe.messages, safe.pins, safe.links);
    assert!(!shown.contains(&secret), "{shown}");
    assert!(safe.findings.len() > 40, "{}", safe.findings.len());
    let document = Document::masked(safe, "1");
    for text in [export::markdown(&document), export::json(&document).to_string(), export::html(&document, &|_| None)] {
        assert!(!text.contains(&secret), "{text}");
        assert!(text.contains("[REDACTED:"), "{text}");
    }
}

#[test]
fn a_secret_that_runs_across_texts_is_found() {
    let secret = token();
    let (head, tail) = secret.split_at(17);
    let (middle, end) = tail.split_at(5);
    let text = |text: String| Block::Text(text);
    let mut first =
        fixture::message(0, Role::Assistant, vec![text(format!("The token is {head}")), text(middle.to_owned())]);
    let second = fixture::message(1, Role::Assistant, vec![text(format!("{end} and works."))]);
    first.results = vec![fixture::output(0, 0, &format!("out {head}")), fixture::output(0, 1, &format!("{tail} done"))];
    let safe = mask(&redactor(), fixture::session(), vec![first, second], Vec::new(), Vec::new());
    let said = |n: usize, block: usize| match &safe.messages[n].message.blocks[block] {
        Block::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert!(said(0, 0).starts_with("The token is [REDACTED:"), "{}", said(0, 0));
    assert_eq!((said(0, 1).as_str(), said(1, 0).as_str()), ("", " and works."));
    let outputs: Vec<&str> = safe.messages[0].results.iter().map(|r| r.result.content.as_str()).collect();
    assert!(outputs[0].starts_with("out [REDACTED:"), "{outputs:?}");
    assert_eq!(outputs[1], " done");
}

#[test]
fn a_secret_at_the_end_of_a_text_takes_no_word_of_the_next_with_it() {
    let secret = format!("{}{}", "Qm9vVt72LkQz", "Pp31XyAaBb");
    for next in
        ["Never print it.", "do not share it", "NEVER print it", "don't", "https://example.com/a is down", "Émile"]
    {
        for assignment in ["api_key=", "password=", "API_KEY: "] {
            let said = |n, text: String| fixture::message(n, Role::User, vec![Block::Text(text)]);
            let messages = vec![
                said(0, format!("use {assignment}{secret}")),
                said(1, next.to_owned()),
                fixture::message(2, Role::Assistant, vec![Block::Text(format!("I sent {secret} in it."))]),
            ];
            let safe = mask(&redactor(), fixture::session(), messages, Vec::new(), Vec::new());
            let text = |n: usize| match &safe.messages[n].message.blocks[0] {
                Block::Text(text) => text.clone(),
                other => panic!("{other:?}"),
            };
            assert!(!text(0).contains(&secret[..8]) && !text(2).contains(&secret[..8]), "{assignment}: {safe:?}");
            assert_eq!(text(1), next, "{assignment}");
        }
    }
}

#[test]
fn what_ends_a_sentence_is_no_part_of_its_secret() {
    let secret = format!("{}{}", "kX3vq9Lm", "2TzR8wBn");
    for name in ["password=", "api_key="] {
        let mut placeholders = BTreeSet::new();
        for mark in ["", ".", ",", "!", "?", ")", "`", ":", "*", ";", "...", "!)"] {
            let texts = [format!("use {name}{secret}{mark} Then go"), format!("I sent {secret} in it.")];
            let messages = (0..).zip(texts).map(|(n, text)| {
                let role = if n == 0 { Role::User } else { Role::Assistant };
                fixture::message(n, role, vec![Block::Text(text)])
            });
            let safe = mask(&redactor(), fixture::session(), messages.collect(), Vec::new(), Vec::new());
            let all = format!("{:?}", safe.messages);
            assert!(!all.contains(&secret[..8]), "{name}{mark}: {all}");
            placeholders.extend(safe.findings.iter().map(|finding| finding.fingerprint));
        }
        assert_eq!(placeholders.len(), 1, "one secret has one fingerprint");
    }
}

#[test]
fn what_is_no_secret_stays_to_the_byte() {
    let mut message = fixture::message(
        0,
        Role::User,
        vec![Block::Text("see 0123456789abcdef0123456789abcdef01234567 and the password prompt".to_owned())],
    );
    message.results = vec![fixture::output(0, 0, "{\"ok\":true}")];
    let safe = mask(&redactor(), fixture::session(), vec![message.clone()], Vec::new(), Vec::new());
    assert_eq!(safe.messages, [message]);
    assert_eq!(safe.session, fixture::session());
    assert!(safe.findings.is_empty());
}

#[test]
fn a_prompt_that_was_cut_loses_its_last_word() {
    let secret = token();
    let mut session = fixture::session();
    let start = "word ".repeat(56);
    session.first_prompt = Some(format!("{start}{secret}").chars().take(300).collect());
    let safe = mask(&redactor(), session, Vec::new(), Vec::new(), Vec::new());
    let prompt = safe.session.first_prompt.unwrap();
    assert!(prompt.ends_with("word…") && !prompt.contains(&secret[..8]), "{prompt}");
}

#[test]
fn what_is_known_for_a_secret_in_one_place_is_masked_where_nothing_tells() {
    let secret = format!("{}{}", "F/xvDIpq0O3xJK+HIACr", "VUxm7fpVDtsIF9BlTHK5");
    let mut session = fixture::session();
    session.first_prompt = Some(format!("aws_secret_access_key={secret}"));
    session.branch = Some(format!("try/{secret}"));
    session.name = Some("a name".to_owned());
    let safe = mask(&redactor(), session, Vec::new(), Vec::new(), Vec::new());
    let branch = safe.session.branch.unwrap();
    assert!(branch.starts_with("try/[REDACTED:known:"), "{branch}");
    assert!(!safe.session.first_prompt.unwrap().contains(&secret));
    assert_eq!(safe.session.name.as_deref(), Some("a name"));
}

#[test]
fn entries_of_the_configuration_are_rules_values_or_fingerprints() {
    let list = |entry: &str| allow_list(&[entry.to_owned()]);
    assert_eq!(list("rule:jwt").unwrap().rules, ["jwt"]);
    assert_eq!(list("value:a b").unwrap().values, ["a b"]);
    assert_eq!(list("1F3a09be").unwrap().fingerprints, [Fingerprint([0x1f, 0x3a, 0x09, 0xbe])]);
    for wrong in ["", "rule:", "value:", "1f3a09b", "1f3a09be0", "x"] {
        assert!(matches!(list(wrong), Err(MaskError::Allow { .. })), "{wrong:?}");
    }
}

#[test]
fn the_key_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let secret = token();
    let first = key(&home).unwrap().fingerprint(&secret);
    assert_eq!(key(&home).unwrap().fingerprint(&secret), first);
    assert!(home.device_file().with_file_name("mask.key").is_file());
}

#[test]
fn thousands_of_values_are_all_looked_for_elsewhere() {
    let value = |n: usize| format!("F{n:04}xvDIpq0O3xJK{}", n * 7919 % 9973);
    let named: Vec<String> = (0..2100).map(|n| format!("password={}\n", value(n))).collect();
    let bare: Vec<String> = (0..2100).map(|n| format!("see {} there\n", value(n))).collect();
    let text = |text: String| vec![Block::Text(text)];
    let messages = vec![
        fixture::message(0, Role::User, text(named.concat())),
        fixture::message(1, Role::Assistant, text(bare.concat())),
    ];
    let safe = mask(&redactor(), fixture::session(), messages, Vec::new(), Vec::new());
    let Block::Text(said) = &safe.messages[1].message.blocks[0] else { panic!("no text") };
    let left = (0..2100).filter(|n| said.contains(&value(*n))).count();
    assert_eq!((left, safe.unchecked), (0, 0));
}

use super::*;
use crate::name::LogId;

fn name() -> Name {
    Name::new("00112233445566aa", "label", "later")
}

fn edit() -> Edit {
    let seen = [(LogId::of_key(&[7; 32]), 3, [1, 2, 3, 4])].into_iter().collect();
    Edit { name: name(), value: "1".into(), seen, at: Some(Hlc { wall_ms: 1_790_000_000_000, counter: 2 }) }
}

const GOLDEN: &str = r#"{"t":"00112233445566aa","f":"label","i":"later","v":"1","seen":[["61bf55cbb3a0d522efeb4b3984ec7fc0",3,"01020304"]],"at":[1790000000000,2]}"#;

#[test]
fn an_edit_has_the_bytes_of_the_document() {
    assert_eq!(String::from_utf8(edit().to_bytes().unwrap()).unwrap(), GOLDEN);
    assert_eq!(Edit::read(GOLDEN.as_bytes()).unwrap(), edit());
    let stream = "curation".parse().unwrap();
    let key: String = name().key(&stream).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let document = include_str!("../../../../../../docs/formats/exchange-registers.md");
    assert!(document.contains(GOLDEN), "the document shows these bytes");
    assert!(document.contains(&key), "the document shows the key {key}");
    assert!(document.contains(INTENT), "the document shows these bytes");
}

const INTENT: &str = r#"{"t":"00112233445566aa","op":"intent","d":"0123456789abcdef0123456789abcdef","at":[1790000000000,0],"due":1790604800000}"#;

#[test]
fn a_deletion_has_the_bytes_of_the_document() {
    let intent = Deletion {
        target: name().target,
        op: Op::Intent,
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        at: Some(Hlc { wall_ms: 1_790_000_000_000, counter: 0 }),
        due_ms: Some(1_790_604_800_000),
    };
    assert_eq!(String::from_utf8(intent.to_bytes().unwrap()).unwrap(), INTENT);
    assert_eq!(Deletion::read(INTENT.as_bytes()).unwrap(), intent);
    for op in [Op::Undo, Op::Final] {
        let step = Deletion { op, due_ms: None, ..intent.clone() };
        assert_eq!(Deletion::read(&step.to_bytes().unwrap()).unwrap(), step);
    }
}

#[test]
fn members_of_later_versions_are_passed_over() {
    let later = GOLDEN.replacen(r#"{"t""#, r#"{"later":[1],"t""#, 1);
    assert_eq!(Edit::read(later.as_bytes()).unwrap(), edit());
    let without = GOLDEN.replacen(r#""i":"later","#, "", 1);
    assert_eq!(Edit::read(without.as_bytes()).unwrap().name.item, "");
}

#[test]
fn a_stamp_that_is_none_is_no_stamp_and_no_reason_to_refuse() {
    for stamp in ["[253402300799000,0]", "[-5,0]", "[1.5,0]", "[5,70000]", "[5]", "\"now\"", "null"] {
        let odd = GOLDEN.replacen("[1790000000000,2]", stamp, 1);
        let read = Edit::read(odd.as_bytes()).unwrap();
        assert_eq!((read.at, read.value), (None, edit().value), "{stamp}");
    }
}

#[test]
fn what_is_no_payload_is_refused() {
    let long = "x".repeat(70_000);
    for (from, to) in [
        (r#""f":"label""#, r#""f":"""#),
        (r#""f":"label""#, r#""f":7"#),
        (r#""t":"00112233445566aa""#, r#""t":"""#),
        (r#""i":"later""#, r#""i":7"#),
        (r#""v":"1","#, ""),
        (r#""v":"1""#, r#""v":"1","v":"2""#),
        ("01020304", "0102"),
        (r#""later""#, &format!("\"{long}\"")),
        (r#""v":"1""#, &format!("\"v\":\"{long}\"")),
    ] {
        assert!(Edit::read(GOLDEN.replacen(from, to, 1).as_bytes()).is_err(), "{to:.40}");
    }
    for (from, to) in [(r#""intent""#, r#""explode""#), (r#""op":"intent","#, ""), (r#""d":"#, r#""e":"#)] {
        assert!(Deletion::read(INTENT.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
    for bytes in [&b""[..], b"[]", b"{", b"\xff", b"{} {}"] {
        assert!(Edit::read(bytes).is_err() && Deletion::read(bytes).is_err());
    }
    let large = Edit { value: long.into(), ..edit() };
    assert!(large.to_bytes().is_err(), "nor written");
}

use super::*;

#[test]
fn half_characters_become_replacement_characters() {
    let raw: &RawValue = serde_json::from_str(r#""a\ud83d b\udc00c \ud83d\ude00 \\ud83d é""#).unwrap();
    assert_eq!(string(raw).unwrap(), "a\u{FFFD} b\u{FFFD}c 😀 \\ud83d é");
    let cut: &RawValue = serde_json::from_str(r#""\ud83d""#).unwrap();
    assert_eq!(string(cut).unwrap(), "\u{FFFD}");
}

#[test]
fn times_are_read_in_every_form() {
    for text in
        ["2026-03-14T16:00:00.250Z", "2026-03-14T17:00:00.25+01:00", "2026-03-14 16:00:00.250000", "1773504000250"]
    {
        assert_eq!(time(text).map(Timestamp::as_millis), Some(1_773_504_000_250), "{text}");
    }
    assert_eq!(time("yesterday"), None);
}

#[test]
fn a_field_of_another_type_is_no_error() {
    let odd: Vec<Str<'_>> = serde_json::from_str(r#"["a", 1, true, null, [1,[2]], {"a":{}}]"#).unwrap();
    let texts: Vec<&str> = odd.iter().map(|text| &*text.0).collect();
    assert_eq!(texts, ["a", "1", "true", "", "", ""]);
    let counts: Vec<Num> = serde_json::from_str(r#"[7, 7.9, -1, "12", {}]"#).unwrap();
    assert_eq!(counts.iter().map(|count| count.0).collect::<Vec<_>>(), [7, 7, 0, 12, 0]);
}

#[test]
fn control_characters_are_taken_out_and_seen() {
    let mut was_odd = false;
    assert_eq!(clean(Cow::Borrowed("a\tb\nü"), &mut was_odd), "a\tb\nü");
    assert!(!was_odd);
    assert_eq!(clean(Cow::Borrowed("a\0b\u{1b}[1m"), &mut was_odd), "ab[1m");
    assert!(was_odd);
}

#[test]
fn a_deep_value_is_an_object_and_no_stack_overflow() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(is_object(deep.as_bytes()));
    assert!(!is_object(&deep.as_bytes()[..deep.len() - 1]));
}

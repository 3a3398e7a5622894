use super::*;

fn taken(text: &str) -> bool {
    parse(text.as_bytes()).is_ok()
}

#[test]
fn ordinary_json_is_read_as_it_stands() {
    for text in ["null", r#"{"b":[1,-2,0.5,true,null],"a":{"é\n":"\u0000"}}"#, "9007199254740992", "-9007199254740992"]
    {
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }
}

#[test]
fn no_member_stands_twice_however_it_is_written() {
    assert!(!taken(r#"{"a":1,"a":1}"#));
    assert!(!taken(r#"{"a":1,"\u0061":1}"#));
    assert!(!taken(r#"[{"x":{"a":1,"b":2,"a":3}}]"#));
    assert!(taken(r#"[{"a":1},{"a":1}]"#));
}

#[test]
fn numbers_that_would_be_rounded_are_refused() {
    for text in [
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551615",
        "1e17",
        "1e999",
        "123456789012345678901234567890",
    ] {
        assert!(!taken(text), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(taken(&nested(JSON_DEPTH_MAX)));
    assert!(!taken(&nested(JSON_DEPTH_MAX + 1)));
    assert!(!taken(&nested(500_000)));
}

#[test]
fn nothing_follows_and_all_is_utf8() {
    assert!(!taken("{} {}"));
    assert!(!taken("{}x"));
    assert!(!taken(""));
    assert!(parse(b"\"\xff\"").is_err());
    assert!(!taken(r#""\ud800""#), "half a character");
    assert!(!taken("NaN"));
}

#[test]
fn a_payload_is_an_object() {
    assert!(check_payload(b"{}").is_ok());
    assert!(check_payload(b"[]").is_err());
}

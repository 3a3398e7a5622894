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

#[test]
fn what_is_over_a_limit_is_refused_with_the_limit() {
    let says = |result: Result<(), ShapeError>| result.unwrap_err().to_string();
    let number = number(&Value::from(5_242_880), "plain_bytes", 1, 4_194_304).map(drop);
    assert_eq!(says(number), "`plain_bytes` is not a whole number from 1 to 4194304");
    let three = serde_json::json!([1, 2, 3]);
    assert_eq!(says(array(&three, "tail", 2).map(drop)), "`tail` is not an array of at most 2 elements");
    let two = serde_json::json!({ "a": 1, "b": 2 });
    assert_eq!(says(object(&two, "streams", 1).map(drop)), "`streams` is not an object of at most 1 members");
}

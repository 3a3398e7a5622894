use proptest::prelude::*;

use super::*;
use crate::config::value::from_text;

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, ms) in [
        ("0", 0),
        ("90", 90_000),
        ("90 secs", 90_000),
        ("10min", 600_000),
        ("10 min", 600_000),
        ("1 hr", 3_600_000),
        ("1.5h", 5_400_000),
        ("5m", 300_000),
        ("5ms", 5),
        ("5M", 300_000),
        ("2 Hours", 7_200_000),
        (" 7d ", 604_800_000),
        ("4w", 2_419_200_000),
        ("1y", 31_536_000_000),
        ("0.25s", 250),
        ("1.0000000009s", 1000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
}

#[test]
fn sizes_are_read_as_people_write_them() {
    for (text, bytes) in [
        ("0", 0),
        ("12", 12),
        ("12b", 12),
        ("1 byte", 1),
        ("1k", 1 << 10),
        ("1KB", 1 << 10),
        ("1 KiB", 1 << 10),
        ("100MB", 100 << 20),
        ("100 MiB", 100 << 20),
        ("2g", 2 << 30),
        ("1.5 gib", 3 << 29),
        ("1TB", 1 << 40),
        ("0.0001k", 0),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_sentence() {
    for (text, problem) in [
        ("", " does not begin with a number"),
        ("min", "min does not begin with a number"),
        (".5h", ".5h does not begin with a number"),
        ("5.h", "5.h does not begin with a number"),
        ("1.2.3s", "1.2.3s does not begin with a number"),
        ("+5s", "+5s does not begin with a number"),
        ("-5s", "-5s is negative"),
        ("1.5", "1.5 needs a unit, e.g. 1.5s"),
        ("5 parsecs", "parsecs is no unit of time; use ms, s, m, h, d, w or y"),
        ("5m 3s", "m 3s is no unit of time; use ms, s, m, h, d, w or y"),
        ("1001y", "1001y is longer than 1000 years"),
        (
            "340282366920938463463374607431768211455y",
            "340282366920938463463374607431768211455y is longer than 1000 years",
        ),
        ("340282366920938463463374607431768211456s", "340282366920938463463374607431768211456s is too large"),
    ] {
        assert_eq!(parse_duration(text), Err(problem.to_owned()), "{text}");
    }
    assert_eq!(parse_duration("1000y").map(|d| d.as_secs()), Ok(1000 * 365 * 86_400));
    for text in ["", "k", "-1", "1.5", "1e3", "5 kilo", "1_000", "8388608 TiB", "9223372036854775808", "٣k"] {
        assert!(parse_size(text).is_err(), "{text}");
    }
    assert_eq!(parse_size("9223372036854775807"), Ok(i64::MAX as u64));
}

#[test]
fn values_are_shown_in_the_largest_exact_unit() {
    let show = |value: Value| value.to_string();
    assert_eq!(show(Value::Duration(Duration::from_secs(5400))), "\"90m\"");
    assert_eq!(show(Value::Duration(Duration::ZERO)), "\"0s\"");
    assert_eq!(show(Value::Duration(Duration::from_millis(1500))), "\"1500ms\"");
    assert_eq!(show(Value::Size(100 << 20)), "\"100 MiB\"");
    assert_eq!(show(Value::Size(1025)), "\"1025 B\"");
    assert_eq!(show(Value::List(vec!["a".into(), "b\"".into()])), "[\"a\", 'b\"']");
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in any::<String>(), number in "[0-9.]{0,45} ?[a-z]{0,3}") {
        for text in [text, number] {
            let _ = (parse_duration(&text), parse_size(&text));
            for key in TEST_KEYS {
                let _ = from_text(key.kind, &text);
            }
        }
    }

    #[test]
    fn shown_values_read_back(secs in 0..31_536_000_000u64, ns in 0..1_000_000_000u32, bytes in 0..=i64::MAX as u64, text: String) {
        for (kind, value) in [
            (Kind::Duration, Value::Duration(Duration::new(secs, ns))),
            (Kind::Duration, Value::Duration(Duration::from_secs(secs))),
            (Kind::Size, Value::Size(bytes)),
            (Kind::Size, Value::Size(bytes & !0xfffff)),
            (Kind::Text, Value::Text(text.clone())),
            (Kind::List, Value::List(vec![text.clone(), "second".to_owned()])),
        ] {
            let toml = value.to_string().parse::<toml_edit::Value>().unwrap();
            prop_assert_eq!(crate::config::value::from_toml(kind, &toml), Ok(value));
        }
    }
}

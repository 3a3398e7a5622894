use proptest::prelude::*;

use super::*;

/// Friday, 20 November 2026, 11:30 in the zone below.
const NOW: &str = "2026-11-20T10:30:00Z";

fn at(instant: &str) -> Timestamp {
    Timestamp::from_millis(instant.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// Central European time, with its changes in spring and autumn, whatever the machine has installed.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(parse(text, at(NOW), &zone()).map(Timestamp::to_rfc3339).as_deref(), Some(expected), "{text}");
}

#[track_caller]
fn check_now(now: &str, text: &str, expected: &str) {
    assert_eq!(parse(text, at(now), &zone()).map(Timestamp::to_rfc3339).as_deref(), Some(expected), "{text}");
}

#[test]
fn time_since_now_is_understood_in_every_unit() {
    check("now", "2026-11-20T10:30:00.000Z");
    check(" 30 seconds  AGO ", "2026-11-20T10:29:30.000Z");
    check("10 minutes ago", "2026-11-20T10:20:00.000Z");
    check("an hour ago", "2026-11-20T09:30:00.000Z");
    check("1 day ago", "2026-11-19T10:30:00.000Z");
    check("2 weeks ago", "2026-11-06T10:30:00.000Z");
    check("a month ago", "2026-10-20T09:30:00.000Z");
    check("3 years ago", "2023-11-20T10:30:00.000Z");
    check("10m", "2026-11-20T10:20:00.000Z");
    check("2h", "2026-11-20T08:30:00.000Z");
    check("2h ago", "2026-11-20T08:30:00.000Z");
    check("45sec ago", "2026-11-20T10:29:15.000Z");
}

#[test]
fn a_time_of_day_is_the_last_one() {
    check("11:00", "2026-11-20T10:00:00.000Z");
    check("9:05:30", "2026-11-20T08:05:30.000Z");
    check("11:30", "2026-11-20T10:30:00.000Z");
    check("11:31", "2026-11-19T10:31:00.000Z");
    check("today 12:00", "2026-11-20T11:00:00.000Z");
    check("yesterday 14:00", "2026-11-19T13:00:00.000Z");
}

#[test]
fn a_day_alone_is_its_end() {
    check("2026-11-19", "2026-11-19T22:59:59.999Z");
    check("yesterday", "2026-11-19T22:59:59.999Z");
    check("Today", "2026-11-20T22:59:59.999Z");
}

#[test]
fn days_are_of_the_calendar_when_the_clocks_change() {
    check_now("2026-10-25T12:00:00Z", "1 day ago", "2026-10-24T11:00:00.000Z");
    check_now("2026-10-25T12:00:00Z", "24 hours ago", "2026-10-24T12:00:00.000Z");
    check_now("2026-10-25T12:00:00Z", "today", "2026-10-25T22:59:59.999Z");
    check_now("2026-03-29T12:00:00Z", "2:30", "2026-03-29T01:30:00.000Z");
}

#[test]
fn dates_with_times_are_local_unless_they_say_otherwise() {
    check("2026-11-20 10:55", "2026-11-20T09:55:00.000Z");
    check("2026-11-20T10:55:30", "2026-11-20T09:55:30.000Z");
    check("2026-11-20T10:55:30.250Z", "2026-11-20T10:55:30.250Z");
    check("2026-11-20 10:55Z", "2026-11-20T10:55:00.000Z");
    check("2026-11-20T10:55+05:30", "2026-11-20T05:25:00.000Z");
    check("2026-11-20 10:55:00 -0800", "2026-11-20T18:55:00.000Z");
    check("2026-11-20T10:55[UTC]", "2026-11-20T10:55:00.000Z");
    check("@1795171200", "2026-11-20T10:40:00.000Z");
    check("@-1", "1969-12-31T23:59:59.000Z");
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        " ",
        "2026",
        "20261120",
        "2026-13-01",
        "2026-02-30",
        "25:00",
        "10:5",
        "10:60",
        "1:2:3:4",
        "m",
        "10",
        "10x",
        "-5m",
        "+5m",
        "ten minutes ago",
        "-3 days ago",
        "3 days",
        "ago",
        "3 days ago ago",
        "yesterday noon",
        "@",
        "@1.5",
        "@+1",
        "tomorrow",
        "2026-11-20T10:55+99:00",
        "2026-11-20T10:55[Nowhere/Land]",
        "2026-11-20 10:55 CET",
        "999999999999999999 years ago",
        "99999999999999999999m",
        "300 centuries ago",
        "deadbeef",
        "２h",
    ] {
        assert_eq!(parse(text, at(NOW), &zone()), None, "{text}");
    }
    assert_eq!(parse(&"1".repeat(TEXT_BYTES_MAX + 1), at(NOW), &zone()), None);
}

#[test]
fn an_age_is_short() {
    let check = |secs: i64, expected: &str| {
        let now = at(NOW);
        assert_eq!(age(Timestamp::from_secs(now.as_secs() - secs), now), expected);
    };
    check(0, "just now");
    check(9, "just now");
    check(12, "12 s ago");
    check(59, "59 s ago");
    check(5 * 60 + 59, "5 min ago");
    check(3 * 3600, "3 h ago");
    check(86_399, "23 h ago");
    check(2 * 86_400, "2 d ago");
    check(-5, "just now");
    check(-300, "in 5 min");
    for none in [i64::MIN, -(1 << 53), -1, 9_000_000_000_001, 1 << 53, i64::MAX] {
        assert_eq!(age(Timestamp::from_millis(none), at(NOW)), "no date");
    }
    assert_eq!(age(Timestamp::EPOCH, Timestamp::from_millis(i64::MAX)), "106751991167 d ago");
}

fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[0-9]{1,20}",
        "[0-9]{1,4}[a-z]{1,3}",
        "[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "(-)?[0-9]{4,6}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}|\\[[A-Z]{3}\\])?",
        "@-?[0-9]{1,20}",
        "(ago|now|today|yesterday|minutes|years|months|days|weeks|a)",
        ".{0,10}",
    ];
    prop::collection::vec(word, 0..4).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_at_any_time_makes_it_panic(text in any_text(), now in any::<i64>()) {
        let _ = parse(&text, Timestamp::from_millis(now), &zone());
        let _ = parse(&text, at(NOW), &zone());
    }

    #[test]
    fn no_pair_of_times_makes_age_panic(at in any::<i64>(), now in any::<i64>()) {
        prop_assert!(!age(Timestamp::from_millis(at), Timestamp::from_millis(now)).is_empty());
    }

    #[test]
    fn what_is_printed_is_understood(ms in 0..4_000_000_000_000i64) {
        let time = Timestamp::from_millis(ms);
        prop_assert_eq!(parse(&time.to_rfc3339(), at(NOW), &zone()), Some(time));
    }
}

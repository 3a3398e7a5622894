//! Points in time as people write them: `10 minutes ago`, `yesterday 14:00`, `2026-11-20`, RFC 3339, `@1795171200`.
//!
//! | written | meant |
//! |---|---|
//! | `now` | now |
//! | `10 minutes ago`, `an hour ago`, `3 days ago`, `10m`, `2h`, `2h ago` | that long before now; days and longer by the calendar |
//! | `14:00`, `14:00:30` | today; yesterday if that is still to come |
//! | `today 14:00`, `yesterday 14:00` | that time of that day |
//! | `today`, `yesterday`, `2026-11-20` | the end of that day, so that asking for the newest snapshot up to then finds the day's last |
//! | `2026-11-20 10:55`, `2026-11-20T10:55:30` | local time |
//! | `2026-11-20T10:55:30Z`, `2026-11-20 10:55+01:00`, `2026-11-20T10:55[Europe/Berlin]` | that instant |
//! | `@1795171200` | seconds since 1970 |
//!
//! `m` and `min` are minutes; months are spelled out. Case does not matter.

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::WALL_MS_MAX;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _, Zoned};

#[cfg(test)]
mod tests;

/// What stands in the place of a time that cannot be meant.
pub const NO_DATE: &str = "no date";
/// Longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 100;
/// Younger than this is `just now`, in seconds.
const JUST_NOW_SECS: u64 = 10;

/// Parses a point in time; `None` when it is not one. Local times are in the zone `tz`.
pub fn parse(text: &str, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return None;
    }
    if let Some(secs) = text.strip_prefix('@') {
        return number(secs).map(Timestamp::from_secs);
    }
    let here = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned(tz.clone());
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    match words[..] {
        ["now"] => Some(now),
        ["today"] => end_of(here.date(), tz),
        ["yesterday"] => end_of(here.date().yesterday().ok()?, tz),
        ["today", at] => on(here.date(), at, tz),
        ["yesterday", at] => on(here.date().yesterday().ok()?, at, tz),
        [one] if time_of_day(one).is_some() => match on(here.date(), one, tz) {
            Some(today) if today > now => on(here.date().yesterday().ok()?, one, tz),
            other => other,
        },
        [n, unit, "ago"] => back(&here, amount(n)?, unit),
        [short] | [short, "ago"] if short_form(short).is_some() => {
            let (n, unit) = short_form(short)?;
            back(&here, n, unit)
        }
        _ => calendar(text, tz),
    }
}

/// `3 min ago`, `2 h ago`, `yesterday`-like short ages: `just now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`.
/// Of a time that is still to come: `in 5 min`. Of one that is [none](is_date): `no date`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    if !is_date(at) {
        return NO_DATE.to_owned();
    }
    let (distance, is_past) = if at > now { (at.since(now), false) } else { (now.since(at), true) };
    let (n, unit) = match distance.as_secs() {
        ..JUST_NOW_SECS => return "just now".to_owned(),
        secs @ ..60 => (secs, "s"),
        secs @ ..3600 => (secs / 60, "min"),
        secs @ ..86_400 => (secs / 3600, "h"),
        secs => (secs / 86_400, "d"),
    };
    if is_past { format!("{n} {unit} ago") } else { format!("in {n} {unit}") }
}

/// Whether a time can be meant: from 1970 to the year 2255. Others come from broken clocks and from programs that say anything.
pub fn is_date(at: Timestamp) -> bool {
    u64::try_from(at.as_millis()).is_ok_and(|ms| ms <= WALL_MS_MAX)
}

/// A date, with or without a time of day, with or without a zone.
fn calendar(text: &str, tz: &TimeZone) -> Option<Timestamp> {
    // Everything else here begins with a year of four digits; jiff would take more.
    if !text.is_ascii() || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    // People put a space before the offset; RFC 3339 does not.
    let joined = match text.rsplit_once(' ') {
        Some((time, offset)) if offset.starts_with(['+', '-', 'Z', 'z', '[']) => format!("{}{offset}", time.trim_end()),
        _ => text.to_owned(),
    };
    if let Ok(instant) = joined.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    if joined.ends_with(']') {
        return joined.parse::<Zoned>().ok().map(|zoned| instant(&zoned));
    }
    // jiff reads past an offset it does not need, so what may stand here is spelled out.
    if !joined.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'.' | b' ' | b'T' | b't')) {
        return None;
    }
    match joined.len() {
        10 => end_of(joined.parse::<Date>().ok()?, tz),
        _ => at(joined.parse::<DateTime>().ok()?, tz),
    }
}

/// The last millisecond of a day.
fn end_of(date: Date, tz: &TimeZone) -> Option<Timestamp> {
    let next = date.tomorrow().ok()?.to_zoned(tz.clone()).ok()?;
    Some(Timestamp::from_millis(instant(&next).as_millis().saturating_sub(1)))
}

fn on(date: Date, time: &str, tz: &TimeZone) -> Option<Timestamp> {
    at(date.to_datetime(time_of_day(time)?), tz)
}

fn at(local: DateTime, tz: &TimeZone) -> Option<Timestamp> {
    local.to_zoned(tz.clone()).ok().map(|zoned| instant(&zoned))
}

fn instant(zoned: &Zoned) -> Timestamp {
    Timestamp::from_millis(zoned.timestamp().as_millisecond())
}

fn back(here: &Zoned, n: i64, unit: &str) -> Option<Timestamp> {
    let span: Span = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 0.seconds().try_seconds(n),
        "m" | "min" | "mins" | "minute" | "minutes" => 0.seconds().try_minutes(n),
        "h" | "hr" | "hrs" | "hour" | "hours" => 0.seconds().try_hours(n),
        "d" | "day" | "days" => 0.seconds().try_days(n),
        "w" | "week" | "weeks" => 0.seconds().try_weeks(n),
        "month" | "months" => 0.seconds().try_months(n),
        "y" | "year" | "years" => 0.seconds().try_years(n),
        _ => return None,
    }
    .ok()?;
    here.checked_sub(span).ok().map(|zoned| instant(&zoned))
}

fn amount(text: &str) -> Option<i64> {
    match text {
        "a" | "an" | "one" => Some(1),
        digits => number(digits).filter(|_| !digits.starts_with('-')),
    }
}

/// `10m` as 10 and `m`.
fn short_form(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let is_unit = unit.bytes().all(|b| b.is_ascii_alphabetic());
    Some((number(digits).filter(|_| is_unit)?, unit))
}

/// Decimal digits with or without a minus.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// `9:05`, `09:05` or `09:05:30`.
fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let mut part = |width: std::ops::RangeInclusive<usize>| {
        let digits = parts.next()?;
        number(digits).filter(|_| width.contains(&digits.len())).and_then(|n| i8::try_from(n).ok())
    };
    let (hour, minute) = (part(1..=2)?, part(2..=2)?);
    let second = if text.matches(':').count() > 1 { part(2..=2)? } else { 0 };
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

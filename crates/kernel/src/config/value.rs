//! Values: from TOML, from bare text, and back.

use std::fmt;
use std::time::Duration;

use super::names::shown;
use super::{Kind, Value};

/// Longest duration: beyond it, times would leave the calendar.
const DURATION_MAX: Duration = Duration::from_secs(1000 * YEAR_S);
/// Largest size, in bytes: what TOML and SQLite can hold as a number.
const SIZE_BYTES_MAX: u64 = i64::MAX as u64;
/// Digits after the point that count.
const DECIMALS_MAX: usize = 9;

const YEAR_S: u64 = 365 * 24 * 60 * 60;
const SECOND_NS: u128 = 1_000_000_000;

/// Checks a TOML value.
pub(super) fn from_toml(kind: Kind, value: &toml_edit::Value) -> Result<Value, String> {
    use toml_edit::Value as Toml;
    let wrong = || Err(format!("it must be {}, not {}", expected(kind), described(value)));
    match (kind, value) {
        (Kind::Bool, Toml::Boolean(b)) => Ok(Value::Bool(*b.value())),
        (Kind::Integer { .. }, Toml::Integer(n)) => integer(kind, *n.value()),
        (Kind::Duration, Toml::Integer(n)) => parse_duration(&n.value().to_string()).map(Value::Duration),
        (Kind::Duration, Toml::String(s)) => parse_duration(s.value()).map(Value::Duration),
        (Kind::Size, Toml::Integer(n)) => parse_size(&n.value().to_string()).map(Value::Size),
        (Kind::Size, Toml::String(s)) => parse_size(s.value()).map(Value::Size),
        (Kind::Text | Kind::Choice(_), Toml::String(s)) => word(kind, s.value()),
        (Kind::List, Toml::Array(array)) => {
            let text = |item: &Toml| item.as_str().map(str::to_owned);
            let items: Option<Vec<String>> = array.iter().map(text).collect();
            items.map(Value::List).ok_or_else(|| "all items of the list must be texts in quotes".to_owned())
        }
        _ => wrong(),
    }
}

/// Checks bare text, as it stands in an environment variable.
pub(super) fn from_text(kind: Kind, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    match kind {
        Kind::Bool => match trimmed.to_lowercase().as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err(format!("it must be {}, not {}", expected(kind), shown(trimmed))),
        },
        Kind::Integer { .. } => match trimmed.parse() {
            Ok(n) => integer(kind, n),
            Err(_) => Err(format!("it must be {}, not {}", expected(kind), shown(trimmed))),
        },
        Kind::Duration => parse_duration(trimmed).map(Value::Duration),
        Kind::Size => parse_size(trimmed).map(Value::Size),
        Kind::Text | Kind::Choice(_) => word(kind, text),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::List(items.map(str::to_owned).collect()))
        }
    }
}

/// Checks what a person typed: a TOML value, or else bare text. Returns it also as it is to stand in
/// a file.
pub(super) fn from_typed(kind: Kind, text: &str) -> Result<(Value, toml_edit::Value), String> {
    let toml = text.trim().parse::<toml_edit::Value>().ok();
    let as_toml = toml.map(|toml| (from_toml(kind, &toml), toml));
    if let Some((Ok(value), toml)) = as_toml {
        return Ok((value, toml));
    }
    match (from_text(kind, text), as_toml) {
        (Ok(value), _) => {
            let toml = match &value {
                Value::Bool(b) => (*b).into(),
                Value::Integer(n) => (*n).into(),
                // In the words of whoever typed it.
                Value::Duration(_) | Value::Size(_) => text.trim().into(),
                Value::Text(t) => t.as_str().into(),
                Value::List(items) => toml_edit::Value::Array(items.iter().collect()),
            };
            Ok((value, toml))
        }
        (Err(_), Some((Err(problem), _))) | (Err(problem), _) => Err(problem),
    }
}

/// Parses a duration as [`Kind::Duration`] describes it.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let number = Number::split(text)?;
    let unit_ns = match number.unit.as_str() {
        "" if number.decimals == 0 => SECOND_NS,
        "" => return Err(format!("{} needs a unit, e.g. {}s", shown(text), shown(text.trim()))),
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => SECOND_NS / 1000,
        "s" | "ss" | "sec" | "secs" | "second" | "seconds" => SECOND_NS,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND_NS,
        "h" | "hs" | "hr" | "hrs" | "hour" | "hours" => 3600 * SECOND_NS,
        "d" | "day" | "days" => 24 * 3600 * SECOND_NS,
        "w" | "week" | "weeks" => 7 * 24 * 3600 * SECOND_NS,
        "y" | "yr" | "yrs" | "year" | "years" => u128::from(YEAR_S) * SECOND_NS,
        unit => return Err(format!("{} is no unit of time; use ms, s, m, h, d, w or y", shown(unit))),
    };
    let too_long = || format!("{} is longer than 1000 years", shown(text.trim()));
    let ns = number.times(unit_ns).filter(|ns| *ns <= DURATION_MAX.as_nanos()).ok_or_else(too_long)?;
    let whole = u64::try_from(ns / SECOND_NS).map_err(|_| too_long())?;
    let rest = u32::try_from(ns % SECOND_NS).expect("less than a second");
    Ok(Duration::new(whole, rest))
}

/// Parses a size as [`Kind::Size`] describes it.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let number = Number::split(text)?;
    let power = match number.unit.as_str() {
        "" if number.decimals > 0 => return Err(format!("{} needs a unit, e.g. {}m", shown(text), shown(text.trim()))),
        "" | "b" | "byte" | "bytes" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        unit => return Err(format!("{} is no unit of size; use b, k, m, g or t", shown(unit))),
    };
    let bytes = number.times(1024u128.pow(power)).and_then(|bytes| u64::try_from(bytes).ok());
    bytes.filter(|b| *b <= SIZE_BYTES_MAX).ok_or_else(|| format!("{} is larger than any disk", shown(text.trim())))
}

/// A decimal number, exactly, and what follows it in lower case.
struct Number {
    digits: u128,
    /// How many of the digits stand after the point.
    decimals: u32,
    unit: String,
}

impl Number {
    fn split(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        if text.starts_with('-') {
            return Err(format!("{} is negative", shown(text)));
        }
        if whole.is_empty() || decimals.contains('.') || number.ends_with('.') {
            return Err(format!("{} does not begin with a number", shown(text)));
        }
        let decimals = &decimals[..decimals.len().min(DECIMALS_MAX)];
        let digits = format!("{whole}{decimals}").parse();
        Ok(Self {
            digits: digits.map_err(|_| format!("{} is too large", shown(text)))?,
            decimals: u32::try_from(decimals.len()).expect("bounded above"),
            unit: unit.trim().to_lowercase(),
        })
    }

    /// The number times `unit`, rounded down.
    fn times(&self, unit: u128) -> Option<u128> {
        Some(self.digits.checked_mul(unit)? / 10u128.pow(self.decimals))
    }
}

fn integer(kind: Kind, n: i64) -> Result<Value, String> {
    match kind {
        Kind::Integer { min, max } if !(min..=max).contains(&n) => {
            Err(format!("it must be {}, not {n}", expected(kind)))
        }
        _ => Ok(Value::Integer(n)),
    }
}

fn word(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Choice(words) if !words.contains(&text) => {
            Err(format!("it must be {}, not {}", expected(kind), shown(text)))
        }
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// What a TOML value is, in the words of [`expected`].
fn described(value: &toml_edit::Value) -> &'static str {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(_) => "text",
        Toml::Integer(_) => "a whole number",
        Toml::Float(_) => "a decimal number",
        Toml::Boolean(_) => "true or false",
        Toml::Datetime(_) => "a date",
        Toml::Array(_) => "a list",
        Toml::InlineTable(_) => "a table",
    }
}

/// What a setting of this kind takes, to complete "it must be …".
pub(super) fn expected(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Duration => "a duration such as \"10 min\", or whole seconds".to_owned(),
        Kind::Size => "a size such as \"100 MiB\", or whole bytes".to_owned(),
        Kind::Text => "text in quotes".to_owned(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::List => "a list of texts such as [\"a\", \"b\"]".to_owned(),
    }
}

/// As it would stand in TOML, in the largest units that are exact.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        match self {
            Self::Bool(b) => write!(f, "{b}"),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Duration(d) => f.write_str(&quoted(&duration_text(*d))),
            Self::Size(bytes) => f.write_str(&quoted(&size_text(*bytes))),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(items) => write!(f, "{}", items.iter().collect::<toml_edit::Array>()),
        }
    }
}

fn duration_text(d: Duration) -> String {
    let s = d.as_secs();
    match d.subsec_nanos() {
        0 => {
            let units = [(YEAR_S, "y"), (7 * 24 * 3600, "w"), (24 * 3600, "d"), (3600, "h"), (60, "m")];
            match units.into_iter().find(|(unit, _)| s > 0 && s.is_multiple_of(*unit)) {
                Some((unit, name)) => format!("{}{name}", s / unit),
                None => format!("{s}s"),
            }
        }
        ns if ns % 1_000_000 == 0 => format!("{}ms", d.as_millis()),
        ns => format!("{s}.{ns:09}s"),
    }
}

fn size_text(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

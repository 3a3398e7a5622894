//! Lenient pieces of JSON: agents change what they write from version to version, and one odd field must not cost a line.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use carry_kernel::clock::Timestamp;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::lines::{self, Line};
use super::{Checkpoint, Mode, Odd, Op, ReadError, Sink, SinkError};
use crate::model::{Block, Image};

/// A text, whatever stands there: numbers and booleans become text, lists and objects nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Str<'a>(pub(super) Cow<'a, str>);

/// A count, whatever stands there; nothing that counts is zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Num(pub(super) u64);

impl Str<'_> {
    /// The text, when it is not empty and may be stored.
    pub(super) fn kept(&self) -> Option<String> {
        let text = strip(&self.0);
        (!text.is_empty()).then(|| text.into_owned())
    }
}

/// The text of an optional field; empty when there is none.
pub(super) fn text<'a>(field: &'a Option<Str<'_>>) -> &'a str {
    field.as_ref().map_or("", |text| &text.0)
}

/// The text of an optional field, when it is not empty.
pub(super) fn kept(field: &Option<Str<'_>>) -> Option<String> {
    field.as_ref().and_then(Str::kept)
}

/// The count of an optional field.
pub(super) fn count(field: Option<Num>) -> u64 {
    field.unwrap_or_default().0
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text)))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(if value { "true" } else { "false" })))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(value.to_string())))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(value.to_string())))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(value.to_string())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Str::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Str::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Str::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Str::deserialize(deserializer)?.0;
        if let Ok(number) = text.parse::<u64>() {
            return Ok(Self(number));
        }
        // Fractions are cut off; negative numbers and text become zero.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        Ok(Self(text.parse::<f64>().map_or(0, |number| number as u64)))
    }
}

/// The string that `raw` is; half characters in it become U+FFFD. `None` when it is something else.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    if !json.starts_with('"') {
        return None;
    }
    match serde_json::from_str::<Str<'_>>(json) {
        Ok(text) => Some(text.0),
        Err(_) => serde_json::from_str::<String>(&whole_characters(json)).ok().map(Cow::Owned),
    }
}

/// The string that `raw` is, or its JSON.
pub(super) fn string_or_json(raw: &RawValue) -> Cow<'_, str> {
    string(raw).unwrap_or(Cow::Borrowed(raw.get()))
}

/// `json` with escapes of half characters (a surrogate without its other half) replaced.
fn whole_characters(json: &str) -> String {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(json.len());
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        let escape = at + found;
        at = (escape + 2).min(bytes.len());
        match unit(escape) {
            Some(0xD800..=0xDBFF) if matches!(unit(escape + 6), Some(0xDC00..=0xDFFF)) => at = escape + 12,
            Some(0xD800..=0xDFFF) => {
                out.push_str(&json[copied..escape]);
                out.push('\u{FFFD}');
                at = escape + 6;
                copied = at;
            }
            _ => {}
        }
        if at < bytes.len() && !json.is_char_boundary(at) {
            at += (1..4).find(|more| json.is_char_boundary(at + more)).unwrap_or(0);
        }
    }
    out.push_str(&json[copied..]);
    out
}

/// `text` without control characters other than tab and line breaks.
pub(super) fn strip(text: &str) -> Cow<'_, str> {
    let is_control = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7F;
    // In blocks without a way out, which compilers do many bytes at a time.
    let has_control = |block: &[u8]| block.iter().fold(false, |any, byte| any | is_control(*byte));
    if !text.as_bytes().chunks(256).any(has_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !(c.is_ascii() && is_control(*c as u8))).collect())
}

/// `text` without control characters, owned; says in `was_odd` whether there were any.
pub(super) fn clean(text: Cow<'_, str>, was_odd: &mut bool) -> String {
    match strip(&text) {
        Cow::Borrowed(_) => text.into_owned(),
        Cow::Owned(stripped) => {
            *was_odd = true;
            stripped
        }
    }
}

/// `text`, cut after at most `bytes` bytes at the border of a character.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes.min(text.len()))]
}

/// A time as agents write it: RFC 3339, the same without zone (UTC), or milliseconds since the epoch.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    if text.is_empty() {
        return None;
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_millis(time.as_millisecond()));
    }
    if let Ok(ms) = text.parse::<i64>() {
        return (ms > 0).then(|| Timestamp::from_millis(ms));
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    let time = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// A picture in Base64: says its bytes to `sink`, returns what names it.
pub(super) fn picture(media: &str, base64: &str, sink: &mut dyn Sink) -> Result<Option<Image>, SinkError> {
    const ENGINE: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let Ok(bytes) = ENGINE.decode(base64.trim()) else { return Ok(None) };
    let media = cut(&strip(media), 64).to_owned();
    let image = Image { media, bytes: bytes.len() as u64, hash: blake3::hash(&bytes).to_hex().to_string() };
    sink.op(Op::Blob { hash: image.hash.clone(), media: image.media.clone(), bytes })?;
    Ok(Some(image))
}

/// A picture as a `data:` address (its bytes go to `sink`); another address is kept as it stands.
pub(super) fn picture_at(url: &str, sink: &mut dyn Sink) -> Result<Block, SinkError> {
    if let Some((head, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(','))
        && let Some(media) = head.strip_suffix(";base64")
        && let Some(image) = picture(media.split(';').next().unwrap_or_default(), data, sink)?
    {
        return Ok(Block::Image(image));
    }
    Ok(Block::Other { kind: "image".to_owned(), json: serde_json::json!({ "url": strip(cut(url, 4096)) }).to_string() })
}

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Understood.
    Known,
    /// Understood; control characters were taken out.
    Stripped,
    /// A record that we do not know, or with another shape.
    Unknown,
}

/// Whether these bytes are one JSON object. Depth does not matter.
pub(super) fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// Takes a line: its text, where it begins, and where to say things.
pub(super) type Each<'a> = dyn FnMut(&str, u64, &mut dyn Sink) -> Result<Taken, ReadError> + 'a;

/// Reads a file of JSON objects, one a line. Lines that are not are counted as odd and do not reach `each`; one that `each`
/// does not know is counted too. Returns the checkpoint without state, and whether a last line is still being written.
pub(super) fn read_lines(
    path: &Path,
    mode: &Mode,
    sink: &mut dyn Sink,
    each: &mut Each<'_>,
) -> Result<(Checkpoint, bool), ReadError> {
    let mut is_unfinished = false;
    let checkpoint = lines::read(path, mode, sink, &mut |at, line, sink| {
        let bytes = match line {
            Line::TooLong(_) => {
                sink.op(Op::Odd { kind: Odd::TooLong, at })?;
                return Ok(true);
            }
            Line::Unfinished(bytes) if is_object(bytes) => bytes,
            Line::Unfinished(bytes) => {
                is_unfinished = !bytes.trim_ascii().is_empty();
                return Ok(false);
            }
            Line::Whole(bytes) => bytes,
        };
        let bytes = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes).trim_ascii();
        if bytes.is_empty() {
            return Ok(true);
        }
        let line = match std::str::from_utf8(bytes) {
            Ok(line) => Cow::Borrowed(line),
            Err(_) => {
                sink.op(Op::Odd { kind: Odd::NotUtf8, at })?;
                String::from_utf8_lossy(bytes)
            }
        };
        let taken = each(&line, at, sink)?;
        let odd = match taken {
            Taken::Known => return Ok(true),
            Taken::Stripped => Odd::Control,
            Taken::Unknown if is_object(line.as_bytes()) => Odd::Unknown,
            Taken::Unknown => Odd::Malformed,
        };
        sink.op(Op::Odd { kind: odd, at })?;
        Ok(true)
    })?;
    Ok((checkpoint, is_unfinished))
}

#[cfg(test)]
mod tests;

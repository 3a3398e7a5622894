//! JSON as the exchange takes it: one value, no member twice, numbers that every reader keeps exactly, bounded depth.
//!
//! Heads, lists and headers are parsed with this, and strands check the payloads of records with it, so that two readers
//! never understand the same bytes differently.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::hash::Digest;
use crate::limits::{JSON_DEPTH_MAX, JSON_NUMBER_MAX};

/// Bytes that are not JSON as the exchange takes it.
#[derive(Debug, thiserror::Error)]
#[error("this is no JSON of the form that is exchanged")]
pub struct JsonError(#[from] serde_json::Error);

/// A member that is missing or is not what it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{member}` is not {expected}")]
pub struct ShapeError {
    /// The member's name.
    pub member: String,
    /// What it should be.
    pub expected: Cow<'static, str>,
}

/// Checks that `bytes` may be a record's payload: UTF-8, one JSON object, no member twice, nested at most
/// [`JSON_DEPTH_MAX`] deep, no number beyond [`JSON_NUMBER_MAX`] either way.
///
/// # Errors
/// [`JsonError`] says where the first thing stands that does not fit.
pub fn check_payload(bytes: &[u8]) -> Result<(), JsonError> {
    match parse(bytes)? {
        Value::Object(_) => Ok(()),
        _ => Err(JsonError(serde_json::Error::custom("a payload is an object"))),
    }
}

/// Reads one value and nothing after it. Memory is bounded by a multiple of the input, which callers bound.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut from)?;
    from.end()?;
    Ok(value)
}

/// Builds a value, and refuses what the format does not allow.
#[derive(Clone, Copy)]
struct Strict {
    /// Arrays and objects around this value.
    depth: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(E::custom("it is nested too deep"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > JSON_NUMBER_MAX { Err(E::custom("the number is too large")) } else { Ok(value.into()) }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > JSON_NUMBER_MAX {
            Err(E::custom("the number is too large"))
        } else {
            Ok(value.into())
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // An integer of more than 64 bits comes as a float as well.
        if value.abs() > JSON_NUMBER_MAX as f64 {
            return Err(E::custom("the number is too large"));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member stands there twice"));
            }
            let value = from.next_value_seed(inner)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

fn wrong(member: &str, expected: impl Into<Cow<'static, str>>) -> ShapeError {
    ShapeError { member: member.to_owned(), expected: expected.into() }
}

/// The member `name`, which may not be absent.
pub(crate) fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a Value, ShapeError> {
    members.get(name).ok_or_else(|| wrong(name, "there"))
}

/// A whole number in `min..=max`.
pub(crate) fn number(value: &Value, name: &str, min: u64, max: u64) -> Result<u64, ShapeError> {
    let number = value.as_u64().filter(|n| (min..=max).contains(n));
    number.ok_or_else(|| wrong(name, format!("a whole number from {min} to {max}")))
}

/// A text.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, ShapeError> {
    value.as_str().ok_or_else(|| wrong(name, "a text"))
}

/// A text that is read as its type reads it.
pub(crate) fn parsed<T: std::str::FromStr>(value: &Value, name: &str) -> Result<T, ShapeError> {
    text(value, name)?.parse().map_err(|_| wrong(name, "a name of the form that is asked for"))
}

/// A digest.
pub(crate) fn digest(value: &Value, name: &str) -> Result<Digest, ShapeError> {
    Digest::from_text(text(value, name)?).ok_or_else(|| wrong(name, "a SHA-256 in canonical base64url"))
}

/// Exactly `N` bytes in base64url.
pub(crate) fn bytes<const N: usize>(value: &Value, name: &str) -> Result<[u8; N], ShapeError> {
    crate::hash::decode64(text(value, name)?).ok_or_else(|| wrong(name, "bytes in canonical base64url"))
}

/// An array of at most `max` elements.
pub(crate) fn array<'a>(value: &'a Value, name: &str, max: usize) -> Result<&'a [Value], ShapeError> {
    let values = value.as_array().ok_or_else(|| wrong(name, "an array"))?;
    match values.len() > max {
        true => Err(wrong(name, format!("an array of at most {max} elements"))),
        false => Ok(values),
    }
}

/// An array that begins with `N` elements. More may follow: later versions add.
pub(crate) fn row<'a, const N: usize>(value: &'a Value, name: &str) -> Result<&'a [Value; N], ShapeError> {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    values.first_chunk().ok_or_else(|| wrong(name, "an array of enough elements"))
}

/// An object of at most `max` members.
pub(crate) fn object<'a>(value: &'a Value, name: &str, max: usize) -> Result<&'a Map<String, Value>, ShapeError> {
    let members = value.as_object().ok_or_else(|| wrong(name, "an object"))?;
    match members.len() > max {
        true => Err(wrong(name, format!("an object of at most {max} members"))),
        false => Ok(members),
    }
}

#[cfg(test)]
mod tests;

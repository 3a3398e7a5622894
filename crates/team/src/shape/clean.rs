//! Texts that every store can hold: without NUL.

use serde_json::{Map, Value};

/// What stands in the place of NUL.
const REPLACEMENT: &str = "\u{FFFD}";

/// Cleans a text.
pub(super) fn text(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', REPLACEMENT);
    }
}

/// Cleans every text in a value, names of fields too. Of fields whose names are equal then, the last counts.
pub(super) fn value(value: &mut Value) {
    match value {
        Value::String(held) => text(held),
        Value::Array(items) => items.iter_mut().for_each(self::value),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                let cleaned =
                    std::mem::take(fields).into_iter().map(|(name, value)| (name.replace('\0', REPLACEMENT), value));
                *fields = cleaned.collect::<Map<_, _>>();
            }
            fields.values_mut().for_each(self::value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

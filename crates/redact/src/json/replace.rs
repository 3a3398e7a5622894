//! Puts masked strings back into a JSON value.

use serde_json::Value;

use super::shape;
use crate::decode::escape;

/// Gives the strings of `value`, names included, the texts they have in `masked`, which is the same value as text.
pub(crate) fn replace(value: &mut Value, masked: &str) {
    let Some(shape) = shape(masked) else {
        // Never let through what could not be put back.
        *value = Value::Null;
        return;
    };
    if masked.starts_with('"') {
        // A string, or a value that was withheld.
        let text = shape.texts.first().map(|text| escape::unquote(&masked[text.span.clone()], 0).text);
        *value = Value::String(text.unwrap_or_default());
        return;
    }
    let mut texts = shape.texts.iter().map(|text| escape::unquote(&masked[text.span.clone()], 0).text);
    fill(value, &mut texts);
}

fn fill(value: &mut Value, texts: &mut impl Iterator<Item = String>) {
    match value {
        Value::String(text) => *text = texts.next().unwrap_or_default(),
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, texts)),
        Value::Object(members) => {
            let old = std::mem::take(members);
            for (_, mut value) in old {
                let name = texts.next().unwrap_or_default();
                fill(&mut value, texts);
                // Two names that are masked alike are kept apart.
                let mut free = name.clone();
                let mut number = 2;
                while members.contains_key(&free) {
                    free = format!("{name} {number}");
                    number += 1;
                }
                members.insert(free, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

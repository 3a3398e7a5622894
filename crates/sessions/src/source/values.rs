//! Members of documents that are read as a whole: times, text, numbers.

use std::borrow::Cow;

use carry_kernel::clock::Timestamp;
use serde_json::Value;

use super::json;

/// A time in milliseconds, or text.
pub(crate) fn time_value(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(ms) => {
            let ms = ms.as_i64().or_else(|| ms.as_f64().filter(|ms| ms.abs() < 9e15).map(|ms| ms as i64))?;
            Some(Timestamp::from_millis(ms))
        }
        Value::String(text) => json::time(text),
        _ => None,
    }
}

/// `text` without control characters (line breaks and tabs stay); says whether there were any.
pub(crate) fn clean(text: String) -> (String, bool) {
    match json::strip(&text) {
        Cow::Borrowed(_) => (text, false),
        Cow::Owned(stripped) => (stripped, true),
    }
}

/// The file that a call reads or writes, by the names tools give it.
pub(crate) fn file_of(input: &Value) -> Option<String> {
    ["file_path", "filePath", "path", "absolute_path", "notebook_path", "target_file", "filename"]
        .iter()
        .find_map(|name| input.get(name)?.as_str())
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
}

/// The text member of an object, if it is there and not empty.
pub(crate) fn text_of(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The number member of an object, if it is there and not negative.
pub(crate) fn number_of(value: &Value, name: &str) -> Option<u64> {
    let number = value.get(name)?;
    number.as_u64().or_else(|| number.as_f64().filter(|n| (0.0..9e15).contains(n)).map(|n| n as u64))
}
